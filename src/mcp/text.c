/*
 * text.c - see text.h.
 */
#include "mcp/text.h"

#include <string.h>

#include "base/arena.h"
#include "sql/classify.h"

#define HEAP_MAX ((size_t)4 << 20)

static bool
has(const struct bs_unit *u, bool (*is)(const struct bs_unit *, const struct bs_stmt *))
{
    for (size_t i = 0; i < u->n_stmts; i++) {
        if (is(u, &u->stmts[i]))
            return true;
    }
    return false;
}

/* What the text is, by `is` of one of its statements; false where it cannot be understood. */
static bool
look(const char *sql, bool (*is)(const struct bs_unit *, const struct bs_stmt *))
{
    struct bs_arena arena;
    struct bs_unit unit = {0};
    struct bs_err err = {0};
    bool found;

    bs_arena_init(&arena, "statement", HEAP_MAX);
    found = bs_classify(bs_bytes_of(sql), BS_CLASSIFY_LIMITS, &arena, &unit, &err) == BS_DONE &&
            unit.parsed && has(&unit, is);
    bs_arena_fini(&arena);
    return found;
}

static bool
is_read(const struct bs_unit *u, const struct bs_stmt *s)
{
    return u->n_stmts == 1 && u->risk == BS_RISK_SAFE && s->kind == BS_KIND_SELECT &&
           s->control == BS_CONTROL_NONE && (u->flags & (uint32_t)BS_FLAG_SESSION_STATE) == 0;
}

bool
bs_mcp_only_reads(const char *sql)
{
    return look(sql, is_read);
}

/* Whatever a function may do that it calls: only a catalog knows. */
static bool
is_destruction(const struct bs_unit *u, const struct bs_stmt *s)
{
    (void)u;
    return s->plain_point == BS_POINT_DEFINITION || s->plain_point == BS_POINT_ROWS ||
           s->plain_point == BS_POINT_WHOLE ||
           (s->plain_point == BS_POINT_UNKNOWN && s->risk == BS_RISK_CRITICAL);
}

bool
bs_mcp_destroys(const char *sql)
{
    return look(sql, is_destruction);
}

#define PURPOSE "\n/*purpose='" /* on a line of its own: the last may end in a comment */

bool
bs_mcp_is_purpose(const char *text)
{
    return strncmp(text, PURPOSE, sizeof(PURPOSE) - 1) == 0;
}

/* As sqlcommenter has it: percent-encoded, so that it can neither end the comment nor its quote. */
char *
bs_mcp_with_purpose(const char *sql, const char *purpose)
{
    static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.";
    struct bs_buf b;
    char *text;

    if (purpose == NULL || purpose[0] == '\0')
        return bs_strdup(sql);
    bs_buf_init(&b, strlen(sql) + 3 * strlen(purpose) + 64);
    bs_put_fmt(&b, "%s" PURPOSE, sql);
    for (const char *p = purpose; *p != '\0'; p++) {
        if (strchr(plain, *p) != NULL)
            bs_put_u8(&b, (uint8_t)*p);
        else
            bs_put_fmt(&b, "%%%02X", (unsigned)(uint8_t)*p);
    }
    bs_put_cstr(&b, "'*/");
    bs_assert(!b.failed);
    text = bs_strdup((const char *)b.p);
    bs_buf_fini(&b);
    return text;
}
