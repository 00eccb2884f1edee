/*
 * page.c - a cursor is the hex of an item's name: what it is made of is nobody's business.
 */
#include "api/page.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

#define LIMIT      100
#define CURSOR_MAX 256 /* bytes of a name */

static enum bs_done
take_limit(const char *text, size_t *out, struct bs_err *err)
{
    size_t n = 0;

    for (const char *p = text; *p >= '0' && *p <= '9' && n <= BS_PAGE_MAX; p++)
        n = n * 10 + (size_t)(*p - '0');
    if (text[strspn(text, "0123456789")] != '\0' || n == 0 || n > BS_PAGE_MAX)
        return BS_FAIL(err, USAGE, "limit is a number from 1 to %d", BS_PAGE_MAX);
    *out = n;
    return BS_DONE;
}

static enum bs_done
take_cursor(struct bs_arena *arena, const char *text, const char **out, struct bs_err *err)
{
    size_t n = strlen(text) / 2;
    char *name = n == 0 || n > CURSOR_MAX ? NULL : bs_arena_take(arena, n + 1);

    if (name == NULL || strlen(text) % 2 != 0 || !bs_unhex(text, n, (uint8_t *)name) ||
        strlen(name) != n || !bs_utf8_valid(bs_bytes_of(name)))
        return BS_FAIL(err, USAGE, "this is no cursor of ours");
    *out = name;
    return BS_DONE;
}

enum bs_done
bs_page_take(const struct bs_request *q, struct bs_page *out, struct bs_err *err)
{
    const char *limit = bs_request_param(q, "limit"), *cursor = bs_request_param(q, "cursor");

    *out = (struct bs_page){.limit = LIMIT};
    if (limit != NULL && take_limit(limit, &out->limit, err) != BS_DONE)
        return BS_FAILED;
    return cursor == NULL ? BS_DONE : take_cursor(q->arena, cursor, &out->after, err);
}

void
bs_page_next(struct bs_answer *a, const struct bs_request *q, const char *last)
{
    size_t n = strlen(last);
    char *text = bs_arena_take(q->arena, 2 * n + 1);

    if (text == NULL)
        return;
    bs_hex(last, n, text);
    (void)json_object_set_new(a->body, "next", json_string(text));
}
