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

typedef enum bs_done (*mark)(struct bs_bytes text, char *out, struct bs_err *err);

struct errand {
    mark of;
    struct bs_bytes text;
    char out[2 * SHA256_DIGEST_LENGTH + 1];
    struct bs_err err;
};

static void
do_mark(void *with)
{
    struct errand *e = with;

    (void)e->of(e->text, e->out, &e->err);
}

/* The common frame of both. */
static int
tell(mark of, struct bs_bytes text, char **out, backstop_error **error)
{
    struct errand e = {.of = of, .text = text};

    if (error != NULL)
        *error = NULL;
    if (out == NULL)
        return bs_lib_misused("there is no place for the answer", error);
    *out = NULL;
    if (bs_lib_run(do_mark, &e, &e.err) != BS_DONE || e.err.code != BS_OK)
        return bs_lib_fail(&e.err, error);
    *out = bs_strdup(e.out);
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
