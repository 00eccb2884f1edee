/*
 * md5auth.c - kept for servers that still store md5 passwords. The digest is fetched through EVP,
 * because a FIPS library has none and says so.
 */
#include "wire/md5auth.h"

#include <string.h>

#include <openssl/evp.h>

#include "base/arena.h"
#include "base/clock.h"

#define MD5_BYTES 16
#define MD5_HEX   (2 * MD5_BYTES + 1)

/* Lower-case hex of md5(a followed by b). */
static bool
md5_hex(const void *a, size_t a_len, const void *b, size_t b_len, char out[MD5_HEX])
{
    uint8_t digest[EVP_MAX_MD_SIZE];
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    unsigned n = 0;
    bool ok = ctx != NULL && EVP_DigestInit_ex(ctx, EVP_md5(), NULL) == 1 &&
              EVP_DigestUpdate(ctx, a, a_len) == 1 && EVP_DigestUpdate(ctx, b, b_len) == 1 &&
              EVP_DigestFinal_ex(ctx, digest, &n) == 1 && n == MD5_BYTES;

    if (ok)
        bs_hex(digest, MD5_BYTES, out);
    bs_wipe(digest, sizeof(digest));
    EVP_MD_CTX_free(ctx);
    return ok;
}

enum bs_done
bs_md5_answer(const char *user,
              const char *password,
              const uint8_t salt[4],
              char out[BS_MD5_TEXT],
              struct bs_err *err)
{
    char inner[MD5_HEX];
    bool ok;

    memcpy(out, "md5", 4);
    ok = md5_hex(password, strlen(password), user, strlen(user), inner) &&
         md5_hex(inner, MD5_HEX - 1, salt, 4, out + 3);
    bs_wipe(inner, sizeof(inner));
    if (!ok) {
        bs_wipe(out, BS_MD5_TEXT);
        return BS_FAIL(err, UNSUPPORTED,
                       "the server asks for an md5 password and this OpenSSL "
                       "has no md5");
    }
    return BS_DONE;
}
