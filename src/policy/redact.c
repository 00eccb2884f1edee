/* redact.c - see redact.h. */
#include "policy/redact.h"

#include <string.h>

#include "sql/literals.h"

#define GROWTH 16 /* each value takes fourteen bytes and its quotes, and is one byte at least */

static void
put_digest(void *with, struct bs_bytes value, struct bs_buf *out)
{
    char text[BS_DIGEST_TEXT];

    bs_audit_digest(with, value, text);
    bs_put_str(out, text);
}

void
bs_redact_value(const struct bs_audit_digest *d, struct bs_bytes value, struct bs_buf *out)
{
    bs_put_u8(out, '\'');
    put_digest((void *)(uintptr_t)d, value, out);
    bs_put_u8(out, '\'');
}

enum bs_done
bs_redact_statement(const struct bs_audit_digest *d,
                    struct bs_bytes text,
                    struct bs_arena *arena,
                    struct bs_bytes *out,
                    struct bs_err *err)
{
    struct bs_buf b;
    char *kept = NULL;

    *out = text;
    if (d == NULL || text.n == 0)
        return BS_DONE;
    bs_buf_init(&b, GROWTH * text.n + 2 * BS_DIGEST_TEXT);
    bs_without_literals(text, put_digest, (void *)(uintptr_t)d, &b);
    if (!b.failed)
        kept = bs_arena_copy(arena, bs_buf_view(&b));
    *out = (struct bs_bytes){(const uint8_t *)kept, kept == NULL ? 0 : b.n};
    bs_buf_fini(&b);
    return kept != NULL ? BS_DONE : BS_FAIL(err, LIMIT, "the %s arena is full", arena->name);
}

const char *
bs_redact_sentence(const struct bs_audit_digest *d, const char *text, struct bs_arena *arena)
{
    const char *kept = NULL;
    struct bs_buf b;

    if (d == NULL || text == NULL)
        return text;
    bs_buf_init(&b, GROWTH * strlen(text) + 2 * BS_DIGEST_TEXT);
    bs_without_quoted(bs_bytes_of(text), put_digest, (void *)(uintptr_t)d, &b);
    if (!b.failed)
        kept = bs_arena_copy(arena, bs_buf_view(&b));
    bs_buf_fini(&b);
    return kept == NULL ? "..." : kept;
}
