/*
 * literals.c - by token: only the lexer knows where a string ends. What it does not name as a token
 * is white space or a comment.
 */
#include "sql/literals.h"

#include <ctype.h>
#include <stdbool.h>
#include <string.h>

#include "base/arena.h"
#include "sql/lexcost.h"
#include "sql/parse.h"
#include "sql/strings.h"

struct writer {
    struct bs_bytes text;
    size_t copied; /* bytes of it that are told */
    bs_put_value put;
    void *with;
    struct bs_buf *out;
};

static bool
is_digit(uint8_t c)
{
    return c >= '0' && c <= '9';
}

static bool
is_number(struct bs_bytes token)
{
    return is_digit(token.p[0]) || (token.n > 1 && token.p[0] == '.' && is_digit(token.p[1]));
}

/* 'x', E'x', B'1', X'f', N'x', U&'x', $tag$x$tag$; not "x'y", U&"x'y" or $1. */
static bool
is_string(struct bs_bytes token)
{
    const uint8_t *quote = memchr(token.p, '\'', token.n), *name = memchr(token.p, '"', token.n);

    if (token.p[0] == '$')
        return token.n > 1 && !is_digit(token.p[1]);
    return quote != NULL && (name == NULL || quote < name);
}

static void
put_quoted(struct writer *w, struct bs_bytes value)
{
    bs_put_u8(w->out, '\'');
    w->put(w->with, value, w->out);
    bs_put_u8(w->out, '\'');
}

static void
put_constant(struct writer *w, struct bs_bytes token)
{
    struct bs_buf value;

    bs_buf_init(&value, token.n + 1);
    if (is_string(token) && bs_string_value(token, &value) && !value.failed)
        put_quoted(w, bs_buf_view(&value));
    else
        put_quoted(w, token);
    if (value.p != NULL)
        bs_wipe(value.p, value.cap);
    bs_buf_fini(&value);
}

/* What lies between two tokens. */
static void
put_gap(struct writer *w, size_t to)
{
    struct bs_bytes gap = {w->text.p + w->copied, to - w->copied};
    size_t i = 0;

    while (i < gap.n && isspace(gap.p[i]))
        i++;
    if (i == gap.n)
        bs_put_bytes(w->out, gap);
    else
        bs_put_u8(w->out, ' ');
    w->copied = to;
}

static bool
take_token(void *with, struct bs_token token)
{
    struct writer *w = with;
    struct bs_bytes b = {w->text.p + token.from, token.to - token.from};

    put_gap(w, token.from);
    if (b.n != 0 && (is_number(b) || is_string(b)))
        put_constant(w, b);
    else
        bs_put_bytes(w->out, b);
    w->copied = token.to;
    return true;
}

void
bs_without_literals(struct bs_bytes text, bs_put_value put, void *with, struct bs_buf *out)
{
    struct writer w = {.text = text, .put = put, .with = with, .out = out};
    bool read;

    if (text.n == 0)
        return;
    read = memchr(text.p, '\0', text.n) == NULL && bs_utf8_valid(text) && !bs_lex_is_slow(text) &&
           bs_lex(text, take_token, &w);
    if (read)
        put_gap(&w, text.n);
    else if (w.copied < text.n) {
        if (w.copied != 0)
            bs_put_u8(out, ' ');
        put_quoted(&w, (struct bs_bytes){text.p + w.copied, text.n - w.copied});
    }
}

/* --- sentences ---------------------------------------------------------------------------- */

/* Bytes of a value in quotes or parentheses that begins here, and of what opens and closes it; 0: none does. */
static size_t
quoted_at(struct bs_bytes text, size_t i, size_t *open, size_t *close)
{
    const uint8_t *at = text.p + i, *end = NULL;
    size_t left = text.n - i;

    *open = 1;
    if (at[0] == '\'' || at[0] == '"' || at[0] == '`')
        end = memchr(at + 1, at[0], left - 1);
    else if (at[0] == '=' && left > 1 && at[1] == '(') {
        *open = 2;
        end = memchr(at + 2, ')', left - 2);
    } else
        return 0;
    *close = end != NULL;
    return end == NULL ? left : (size_t)(end - at) + 1;
}

static bool
is_string_within(struct bs_bytes text, size_t i, size_t n, size_t open, size_t close)
{
    return close == 1 && n >= open + close + 2 && text.p[i + open] == '\'' &&
           text.p[i + n - close - 1] == '\'';
}

static size_t
number_at(struct bs_bytes text, size_t i)
{
    size_t n = 0;

    if (i != 0 && (isalnum(text.p[i - 1]) || text.p[i - 1] == '_'))
        return 0;
    while (i + n < text.n && is_digit(text.p[i + n]))
        n++;
    return n;
}

void
bs_without_quoted(struct bs_bytes text, bs_put_value put, void *with, struct bs_buf *out)
{
    for (size_t i = 0, n, open, close; i < text.n; i += n) {
        n = quoted_at(text, i, &open, &close);
        if (n != 0) {
            if (is_string_within(text, i, n, open, close)) { /* near "'x'" */
                open++;
                close++;
            }
            bs_put_bytes(out, (struct bs_bytes){text.p + i, open});
            put(with, (struct bs_bytes){text.p + i + open, n - open - close}, out);
            bs_put_bytes(out, (struct bs_bytes){text.p + i + n - close, close});
            continue;
        }
        n = number_at(text, i);
        if (n != 0)
            put(with, (struct bs_bytes){text.p + i, n}, out);
        else
            bs_put_bytes(out, (struct bs_bytes){text.p + i, n = 1});
    }
}
