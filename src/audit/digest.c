/* digest.c - see digest.h. The file holds the key in hex, and a newline. */
#include "audit/digest.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/files.h"

#define KEY_BYTES  32
#define FILE_BYTES 4096
#define ID_BYTES   8

struct bs_audit_digest {
    uint8_t key[KEY_BYTES];
    char id[2 * ID_BYTES + 1];
};

static void
mac(const uint8_t key[KEY_BYTES], struct bs_bytes text, uint8_t out[SHA256_DIGEST_LENGTH])
{
    unsigned n = 0;

    bs_assert(HMAC(EVP_sha256(), key, KEY_BYTES, text.p == NULL ? (const uint8_t *)"" : text.p,
                   text.n, out, &n) != NULL &&
              n == SHA256_DIGEST_LENGTH);
}

void
bs_audit_digest(const struct bs_audit_digest *d, struct bs_bytes value, char out[BS_DIGEST_TEXT])
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz234567";
    uint8_t raw[SHA256_DIGEST_LENGTH];
    uint64_t bits = 0;

    mac(d->key, value, raw);
    for (size_t i = 0; i < sizeof(bits); i++)
        bits = bits << 8 | raw[i];
    out[0] = '~';
    for (size_t i = 1; i < BS_DIGEST_TEXT - 1; i++, bits <<= 5)
        out[i] = letters[bits >> 59];
    out[BS_DIGEST_TEXT - 1] = '\0';
}

const char *
bs_audit_digest_id(const struct bs_audit_digest *d)
{
    return d->id;
}

/* Another text than any value's: a key's id is no digest of one. */
static void
make_id(struct bs_audit_digest *d)
{
    static const uint8_t text[] = "\0backstop redaction key";
    uint8_t raw[SHA256_DIGEST_LENGTH];

    mac(d->key, (struct bs_bytes){text, sizeof(text)}, raw);
    bs_hex(raw, ID_BYTES, d->id);
}

void
bs_audit_digest_free(struct bs_audit_digest **d)
{
    if (*d == NULL)
        return;
    bs_wipe(*d, sizeof(**d));
    free(*d);
    *d = NULL;
}

/* --- files --- */

static bool
read_key(struct bs_bytes text, uint8_t key[KEY_BYTES])
{
    char hex[2 * KEY_BYTES + 1] = "";
    bool good;

    if (text.n == sizeof(hex) && text.p[text.n - 1] == '\n')
        text.n--;
    if (text.n != sizeof(hex) - 1)
        return false;
    memcpy(hex, text.p, text.n);
    good = bs_unhex(hex, KEY_BYTES, key);
    bs_wipe(hex, sizeof(hex));
    return good;
}

enum bs_done
bs_audit_digest_open(const char *path, struct bs_audit_digest **out, struct bs_err *err)
{
    struct bs_audit_digest *d = bs_malloc(sizeof(*d));
    struct bs_buf text;
    enum bs_done done;

    *out = NULL;
    bs_buf_init(&text, FILE_BYTES);
    done = bs_file_read(path, &text, err);
    if (done == BS_DONE && !read_key(bs_buf_view(&text), d->key))
        done = BS_FAIL(err, DAMAGED, "\"%.300s\" is no key of %d bytes in hex", path, KEY_BYTES);
    if (text.p != NULL)
        bs_wipe(text.p, text.cap);
    bs_buf_fini(&text);
    make_id(d);
    if (done == BS_DONE)
        *out = d;
    else
        bs_audit_digest_free(&d);
    return done;
}

static enum bs_done
create(const char *path, struct bs_err *err)
{
    char text[2 * KEY_BYTES + 2];
    uint8_t key[KEY_BYTES];
    enum bs_done done;

    bs_random(key, sizeof(key));
    bs_hex(key, sizeof(key), text);
    text[2 * KEY_BYTES] = '\n';
    done = bs_file_create(path, (struct bs_bytes){(const uint8_t *)text, 2 * KEY_BYTES + 1}, 0600,
                          err);
    bs_wipe(key, sizeof(key));
    bs_wipe(text, sizeof(text));
    return done;
}

enum bs_done
bs_audit_digest_make(const char *path, struct bs_audit_digest **out, struct bs_err *err)
{
    struct bs_err why = {0};

    if (bs_audit_digest_open(path, out, &why) == BS_DONE)
        return BS_DONE;
    if (why.code == BS_E_NOT_FOUND) {
        why = (struct bs_err){0};
        if (create(path, &why) == BS_DONE || why.code == BS_E_CONFLICT) /* another was faster */
            return bs_audit_digest_open(path, out, err);
    }
    *err = why;
    return BS_FAILED;
}
