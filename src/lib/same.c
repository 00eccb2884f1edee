/*
 * same.c - which statements are the same, to a gateway and to whoever groups them.
 */
#include "lib/inside.h"

#include <openssl/sha.h>

#include "base/arena.h"
#include "base/clock.h"
#include "sql/classify.h"
#include "sql/fingerprint.h"

static enum bs_done
digest_of(struct bs_bytes text, char out[2 * SHA256_DIGEST_LENGTH + 1], struct bs_err *err)
{
    unsigned char digest[SHA256_DIGEST_LENGTH];
    struct bs_bytes plain = {0};
    struct bs_arena arena;
    enum bs_done done;

    if (text.n > BS_CLASSIFY_LIMITS.max_text)
        return BS_FAIL(err, LIMIT, "the text is longer than %zu bytes",
                       BS_CLASSIFY_LIMITS.max_text);
    bs_arena_init(&arena, "digest", 2 * text.n + 64);
    done = bs_canonical(text, &arena, &plain, err);
    if (done == BS_DONE) {
        (void)SHA256(plain.n == 0 ? (const uint8_t *)"" : plain.p, plain.n, digest);
        bs_hex(digest, sizeof(digest), out);
    }
    bs_arena_fini(&arena);
    return done;
}

/* The common frame of both. */
static int
tell(enum bs_done (*of)(struct bs_bytes text, char *out, struct bs_err *err),
     struct bs_bytes text,
     char **out,
     backstop_error **error)
{
    char room[2 * SHA256_DIGEST_LENGTH + 1];
    struct bs_err err = {0};

    if (error != NULL)
        *error = NULL;
    if (out == NULL)
        return bs_lib_misused("there is no place for the answer", error);
    *out = NULL;
    if (of(text, room, &err) != BS_DONE)
        return bs_lib_fail(&err, error);
    *out = bs_strdup(room);
    return BACKSTOP_OK;
}

int
backstop_digest(const char *sql, size_t bytes, char **out, backstop_error **error)
{
    return tell(digest_of, bs_lib_bytes(sql, bytes), out, error);
}

int
backstop_fingerprint(const char *sql, size_t bytes, char **out, backstop_error **error)
{
    return tell(bs_fingerprint, bs_lib_bytes(sql, bytes), out, error);
}
