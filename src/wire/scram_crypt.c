/*
 * scram_crypt.c - OpenSSL does the cryptography. A failure of HMAC or PBKDF2 on valid arguments
 * means a broken library, and nothing sensible could be answered: it stops the process.
 */
#include "wire/scram_crypt.h"

#include <string.h>

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "base/arena.h"
#include "base/clock.h"

#define NONCE_BYTES 18 /* 24 characters, no padding: as many as PostgreSQL uses */

void
bs_scram_hmac(struct bs_bytes key,
              const struct bs_bytes *parts,
              size_t n_parts,
              uint8_t out[BS_SCRAM_KEY])
{
    uint8_t all[3 * BS_SCRAM_MESSAGE_MAX + 2];
    unsigned len = 0;
    size_t n = 0;

    for (size_t i = 0; i < n_parts; i++) {
        bs_assert(parts[i].n <= sizeof(all) - n);
        if (parts[i].n != 0)
            memcpy(all + n, parts[i].p, parts[i].n);
        n += parts[i].n;
    }
    bs_assert(key.n <= 4096);
    bs_assert(HMAC(EVP_sha256(), key.p, (int)key.n, all, n, out, &len) != NULL);
    bs_assert(len == BS_SCRAM_KEY);
    bs_wipe(all, n);
}

void
bs_scram_hash(const uint8_t key[BS_SCRAM_KEY], uint8_t out[BS_SCRAM_KEY])
{
    unsigned len = 0;

    bs_assert(EVP_Digest(key, BS_SCRAM_KEY, out, &len, EVP_sha256(), NULL) == 1);
    bs_assert(len == BS_SCRAM_KEY);
}

void
bs_scram_keys(struct bs_bytes password,
              struct bs_bytes salt,
              uint32_t iterations,
              uint8_t client_key[BS_SCRAM_KEY],
              uint8_t server_key[BS_SCRAM_KEY])
{
    const struct bs_bytes client = BS_LIT("Client Key"), server = BS_LIT("Server Key");
    uint8_t salted[BS_SCRAM_KEY];

    bs_assert(password.n <= INT32_MAX && salt.n <= BS_SCRAM_SALT_MAX && iterations <= INT32_MAX);
    bs_assert(PKCS5_PBKDF2_HMAC((const char *)password.p, (int)password.n, salt.p, (int)salt.n,
                                (int)iterations, EVP_sha256(), sizeof(salted), salted) == 1);
    bs_scram_hmac((struct bs_bytes){salted, sizeof(salted)}, &client, 1, client_key);
    bs_scram_hmac((struct bs_bytes){salted, sizeof(salted)}, &server, 1, server_key);
    bs_wipe(salted, sizeof(salted));
}

void
bs_scram_sign(const uint8_t key[BS_SCRAM_KEY],
              const char *first_bare,
              const char *server_first,
              struct bs_bytes without_proof,
              uint8_t out[BS_SCRAM_KEY])
{
    const struct bs_bytes parts[] = {bs_bytes_of(first_bare), BS_LIT(","),
                                     bs_bytes_of(server_first), BS_LIT(","), without_proof};

    bs_scram_hmac((struct bs_bytes){key, BS_SCRAM_KEY}, parts, sizeof(parts) / sizeof(parts[0]),
                  out);
}

void
bs_b64_put(const uint8_t *in, size_t n, char *out)
{
    bs_assert(n <= BS_SCRAM_BINDING);
    (void)EVP_EncodeBlock((unsigned char *)out, in, (int)n);
}

bool
bs_b64_take(struct bs_bytes text, size_t max, uint8_t *out, size_t *n)
{
    uint8_t raw[BS_SCRAM_SALT_MAX + 2]; /* the decoder counts padding as zero bytes */
    char again[BS_B64_LEN(BS_SCRAM_SALT_MAX) + 1];
    size_t len;
    bool ok;

    bs_assert(max <= BS_SCRAM_SALT_MAX);
    if (text.n == 0 || text.n % 4 != 0 || text.n > BS_B64_LEN(max))
        return false;
    if (EVP_DecodeBlock(raw, text.p, (int)text.n) < 0)
        return false;
    len = text.n / 4 * 3 - (text.p[text.n - 1] == '=') - (text.p[text.n - 2] == '=');
    ok = len >= 1 && len <= max;
    if (ok) {
        /* The decoder overlooks white space and stray bits; writing it again does not. */
        bs_b64_put(raw, len, again);
        ok = bs_bytes_equal_secret(bs_bytes_of(again), text);
        bs_wipe(again, sizeof(again));
    }
    if (ok) {
        memcpy(out, raw, len);
        *n = len;
    }
    bs_wipe(raw, sizeof(raw));
    return ok;
}

void
bs_scram_binding(const char *header,
                 const struct bs_scram_end_point *end_point,
                 char out[BS_SCRAM_BINDING])
{
    uint8_t bytes[BS_SCRAM_BINDING];
    size_t n = strlen(header), more = end_point == NULL ? 0 : end_point->n;

    bs_assert(more <= BS_SCRAM_END_POINT && BS_B64_LEN(n + more) < BS_SCRAM_BINDING);
    memcpy(bytes, header, n);
    if (more != 0)
        memcpy(bytes + n, end_point->hash, more);
    bs_b64_put(bytes, n + more, out);
}

bool
bs_scram_message_valid(struct bs_bytes in)
{
    return in.n > 0 && in.n < BS_SCRAM_MESSAGE_MAX && memchr(in.p, 0, in.n) == NULL;
}

void
bs_scram_copy(char *to, struct bs_bytes from)
{
    memcpy(to, from.p, from.n);
    to[from.n] = '\0';
}

bool
bs_scram_number(struct bs_bytes text, uint32_t max, uint32_t *out)
{
    uint32_t v = 0;

    if (text.n < 1 || text.n > 9)
        return false;
    for (size_t i = 0; i < text.n; i++) {
        if (text.p[i] < '0' || text.p[i] > '9')
            return false;
        v = v * 10 + (uint32_t)(text.p[i] - '0');
    }
    if (v < 1 || v > max)
        return false;
    *out = v;
    return true;
}

static bool
is_letter(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

bool
bs_scram_attribute(struct bs_bytes *in, char name, struct bs_bytes *value)
{
    struct bs_bytes left = *in, head, comma;
    const uint8_t *end;

    if (!bs_take_bytes(&left, 2, &head) || !is_letter(head.p[0]) || head.p[1] != '=')
        return false;
    if (name != 0 && head.p[0] != (uint8_t)name)
        return false;
    end = left.n == 0 ? NULL : memchr(left.p, ',', left.n);
    if (!bs_take_bytes(&left, end == NULL ? left.n : (size_t)(end - left.p), value))
        return false;
    if (end != NULL && (!bs_take_bytes(&left, 1, &comma) || left.n == 0))
        return false;
    *in = left;
    return true;
}

bool
bs_scram_nonce_valid(struct bs_bytes nonce, size_t max)
{
    if (nonce.n == 0 || nonce.n > max)
        return false;
    for (size_t i = 0; i < nonce.n; i++) {
        if (nonce.p[i] < 0x21 || nonce.p[i] > 0x7e || nonce.p[i] == ',')
            return false;
    }
    return true;
}

void
bs_scram_nonce(char out[BS_SCRAM_NONCE_TEXT])
{
    uint8_t raw[NONCE_BYTES];

    bs_random(raw, sizeof(raw));
    bs_b64_put(raw, sizeof(raw), out);
}
