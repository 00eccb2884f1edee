/*
 * claims.c - looks at the ends of a text only. Whether what it finds is a comment, or part of a
 * literal that ends in such a way, makes no difference to anybody but a reader of the record.
 */
#include "sql/claims.h"

#include <string.h>

#define COMMENT_MAX 2048 /* bytes of a comment that is looked at */

static const char *const names[BS_CLAIMS] = {
    [BS_CLAIM_RUN] = "run",
    [BS_CLAIM_PURPOSE] = "purpose",
    [BS_CLAIM_PARENT] = "parent",
    [BS_CLAIM_TRACE] = "traceparent",
};

const char *
bs_claim_name(enum bs_claim claim)
{
    return names[claim];
}

static bool
find(struct bs_bytes name, enum bs_claim *out)
{
    for (enum bs_claim c = BS_CLAIM_RUN; c < BS_CLAIMS; c++) {
        *out = c;
        if (bs_bytes_equal(name, bs_bytes_of(names[c])))
            return true;
    }
    *out = bs_bytes_equal(name, BS_LIT("run_id")) ? BS_CLAIM_RUN : BS_CLAIM_PARENT;
    return *out == BS_CLAIM_RUN || bs_bytes_equal(name, BS_LIT("parent_id"));
}

static bool
is_plain(struct bs_bytes value)
{
    for (size_t i = 0; i < value.n; i++) {
        if (value.p[i] < ' ' || value.p[i] == 0x7f)
            return false;
    }
    return value.n <= BS_CLAIM_MAX && bs_utf8_valid(value);
}

bool
bs_claim_take(struct bs_claims *to, struct bs_bytes name, struct bs_bytes value)
{
    enum bs_claim claim;

    if (!find(name, &claim) || !is_plain(value))
        return false;
    if (value.n > 0)
        memcpy(to->text[claim], value.p, value.n);
    to->text[claim][value.n] = '\0';
    return true;
}

bool
bs_claims_any(const struct bs_claims *c)
{
    for (size_t i = 0; i < BS_CLAIMS; i++) {
        if (c->text[i][0] != '\0')
            return true;
    }
    return false;
}

/* --- comments ----------------------------------------------------------------------------- */

static bool
is_space(uint8_t c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

/* The inside of the comment that ends the text: behind it there may be white space and ';'. */
static bool
last_comment(struct bs_bytes text, struct bs_bytes *out)
{
    size_t end = text.n, from;

    while (end > 0 && (is_space(text.p[end - 1]) || text.p[end - 1] == ';'))
        end--;
    if (end < 4 || text.p[end - 1] != '/' || text.p[end - 2] != '*')
        return false;
    end -= 2;
    for (from = end; from >= 2 && end - from <= COMMENT_MAX; from--) {
        if (text.p[from - 1] == '*' && text.p[from - 2] == '/') {
            *out = (struct bs_bytes){text.p + from, end - from};
            return true;
        }
    }
    return false;
}

static bool
first_comment(struct bs_bytes text, struct bs_bytes *out)
{
    size_t from = 0, end;

    while (from < text.n && is_space(text.p[from]))
        from++;
    if (text.n - from < 4 || text.p[from] != '/' || text.p[from + 1] != '*')
        return false;
    from += 2;
    for (end = from; end + 1 < text.n && end - from <= COMMENT_MAX; end++) {
        if (text.p[end] == '*' && text.p[end + 1] == '/') {
            *out = (struct bs_bytes){text.p + from, end - from};
            return true;
        }
    }
    return false;
}

static int
hex(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* "%2F" is a byte, "\'" a quote. False: longer than `size`, or no such escape. */
static bool
unescape(struct bs_bytes in, uint8_t *out, size_t size, size_t *n)
{
    for (*n = 0; in.n > 0; ++*n) {
        uint8_t c = in.p[0];
        size_t used = 1;
        if (*n == size)
            return false;
        if (c == '%') {
            if (in.n < 3 || hex(in.p[1]) < 0 || hex(in.p[2]) < 0)
                return false;
            c = (uint8_t)(hex(in.p[1]) << 4 | hex(in.p[2]));
            used = 3;
        } else if (c == '\\' && in.n > 1) {
            c = in.p[1];
            used = 2;
        }
        out[*n] = c;
        in.p += used;
        in.n -= used;
    }
    return true;
}

static void
take_escaped(struct bs_claims *to, struct bs_bytes name, struct bs_bytes value)
{
    uint8_t plain[BS_CLAIM_MAX + 1];
    size_t n;

    if (unescape(value, plain, sizeof(plain), &n))
        (void)!bs_claim_take(to, name, (struct bs_bytes){plain, n});
}

/* The length of what stands before the quote that ends a value; the whole where there is none. */
static size_t
value_length(struct bs_bytes in)
{
    size_t n = 0;

    while (n < in.n && in.p[n] != '\'')
        n += in.p[n] == '\\' && n + 1 < in.n ? 2 : 1;
    return n;
}

/* key='value',key='value' */
static void
take_pairs(struct bs_claims *to, struct bs_bytes in)
{
    while (in.n > 0) {
        const uint8_t *equals;
        struct bs_bytes name, value;
        while (in.n > 0 && (is_space(in.p[0]) || in.p[0] == ',')) {
            in.p++;
            in.n--;
        }
        equals = in.n == 0 ? NULL : memchr(in.p, '=', in.n);
        if (equals == NULL)
            return;
        name = (struct bs_bytes){in.p, (size_t)(equals - in.p)};
        in.n -= name.n + 1;
        in.p += name.n + 1;
        if (in.n == 0 || in.p[0] != '\'')
            return;
        in.p++;
        in.n--;
        value = (struct bs_bytes){in.p, value_length(in)};
        if (value.n == in.n)
            return;
        in.p += value.n + 1;
        in.n -= value.n + 1;
        take_escaped(to, name, value);
    }
}

void
bs_claims_of_text(struct bs_claims *to, struct bs_bytes text)
{
    struct bs_bytes comment;

    if (last_comment(text, &comment) || first_comment(text, &comment))
        take_pairs(to, comment);
}
