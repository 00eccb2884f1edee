/*
 * key.c - what a key may look like. The narrow alphabet is the safety: no backend ever sees a
 * "..", an absolute path, a control byte or something that S3 would sign differently.
 */
#include <ctype.h>
#include <openssl/evp.h>
#include <string.h>

#include "base/arena.h"
#include "base/clock.h"
#include "storage/storage.h"

enum { CUT = 100 }; /* bytes of a made segment, percent signs included */

static bool
plain(char c)
{
    return c != '\0' &&
           strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_=-", c) != NULL;
}

/* A prefix of a listing may end anywhere, also in an empty segment. */
enum bs_done
bs_key_check(const char *key, struct bs_err *err)
{
    size_t n = strlen(key), from = 0;

    if (n == 0 || n > BS_KEY_MAX)
        return BS_FAIL(err, DATA, "a storage key has 1 to %d bytes, not %zu", BS_KEY_MAX, n);
    for (size_t i = 0; i <= n; i++) {
        if (key[i] != '/' && key[i] != '\0') {
            if (!plain(key[i]) && strchr(".~%", key[i]) == NULL)
                return BS_FAIL(err, DATA, "byte 0x%02x cannot be in a storage key",
                               (unsigned char)key[i]);
            continue;
        }
        if (i == from || key[from] == '.' || i - from > BS_KEY_SEGMENT_MAX)
            return BS_FAIL(err, DATA, "\"%.200s\" has a segment that is empty, hidden or too long",
                           key);
        from = i + 1;
    }
    return BS_DONE;
}

/* Enough of a digest to tell apart names that agree in their first bytes. */
static void
put_digest(struct bs_buf *out, const char *name)
{
    uint8_t digest[EVP_MAX_MD_SIZE] = {0};
    char hex[17];

    bs_assert(EVP_Digest(name, strlen(name), digest, NULL, EVP_sha256(), NULL) == 1);
    bs_hex(digest, 8, hex);
    bs_put_fmt(out, "~%s", hex);
}

void
bs_key_segment(struct bs_buf *out, const char *name)
{
    size_t used = 0;

    if (name[0] == '\0') {
        bs_put_str(out, "%00");
        return;
    }
    for (size_t i = 0; name[i] != '\0'; i++) {
        bool as_is = plain(name[i]) || (name[i] == '.' && i > 0);
        used += as_is ? 1 : 3;
        if (used > CUT) {
            put_digest(out, name);
            return;
        }
        if (as_is)
            bs_put_u8(out, (uint8_t)name[i]);
        else
            bs_put_fmt(out, "%%%02X", (unsigned char)name[i]);
    }
}
