/*
 * negotiate.c - quality is read for one question only: is it zero?
 */
#include "api/negotiate.h"

#include <string.h>
#include <strings.h>

#define ETAG_DIGITS 32 /* of the body's digest */

/* "q=0", "q=0.000" among the parameters of a range. */
static bool
refused(struct bs_bytes params)
{
    const char *at = (const char *)params.p;
    size_t left = params.n;

    for (; left >= 3; at++, left--) {
        if (strncasecmp(at, "q=0", 3) == 0 && (at[-1] == ';' || at[-1] == ' '))
            return strspn(at + 2, "0.") >= strcspn(at + 2, " ,;\t");
    }
    return false;
}

/* Does one media range of Accept, "text/plain;q=0.5", take this type? */
static bool
range_takes(struct bs_bytes range, const char *type)
{
    const char *p = (const char *)range.p;
    size_t n = 0;

    while (n < range.n && p[n] != ';' && p[n] != ' ' && p[n] != '\t')
        n++;
    if (n == 0 || refused((struct bs_bytes){range.p + n, range.n - n}))
        return false;
    if (n == 3 && memcmp(p, "*/*", 3) == 0)
        return true;
    if (n > 2 && p[n - 1] == '*' && p[n - 2] == '/')
        return strncasecmp(p, type, n - 1) == 0;
    return n == strlen(type) && strncasecmp(p, type, n) == 0;
}

/* NULL: of the console's files each has its own, and browsers ask for them as they are. */
static const char *
type_of(const char *path)
{
    if (strcmp(path, "/") == 0 || strncmp(path, "/console/", 9) == 0)
        return NULL;
    if (strcmp(path, "/metrics") == 0)
        return "text/plain";
    return strcmp(path, "/v1/events") == 0 ? "text/event-stream" : "application/json";
}

enum bs_done
bs_accepts(const struct bs_request *q, const char *path, struct bs_err *err)
{
    const char *list = q->header(q->ctx, "Accept"), *type = type_of(path);

    if (type == NULL || list == NULL || list[strspn(list, " \t")] == '\0')
        return BS_DONE;
    while (*list != '\0') {
        size_t skip = strspn(list, ", \t"), n = strcspn(list + skip, ",");
        if (range_takes((struct bs_bytes){(const uint8_t *)list + skip, n}, type))
            return BS_DONE;
        list += skip + n;
    }
    return BS_FAIL(err, ACCEPT, "the answer is %s, which Accept does not name", type);
}

bool
bs_etag_in(const char *list, const char *begin)
{
    while (*list != '\0') {
        list += strspn(list, ", \t");
        if (*list == '*')
            return true;
        if (strncmp(list, "W/", 2) == 0)
            list += 2;
        if (strncmp(list, begin, strlen(begin)) == 0)
            return true;
        list += strcspn(list, ",");
    }
    return false;
}

const char *
bs_etag_of(struct bs_arena *arena, const char *text)
{
    char digest[BS_SHA256_TEXT];

    bs_sha256_text(text, digest);
    return bs_arena_fmt(arena, "\"%.*s\"", ETAG_DIGITS, digest);
}

void
bs_not_modified(const struct bs_request *q, struct bs_answer *a)
{
    const char *has = q->header(q->ctx, "If-None-Match");

    if ((a->text == NULL && a->file == NULL) || a->status != 200)
        return;
    if (a->etag == NULL)
        a->etag = bs_etag_of(q->arena, a->text);
    if (has == NULL || a->etag == NULL || !bs_etag_in(has, a->etag))
        return;
    bs_answer_fini(a);
    a->status = 304;
}
