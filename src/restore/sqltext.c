/*
 * sqltext.c - see sqltext.h.
 */
#include "restore/sqltext.h"

#include <string.h>

bool
bs_bytes_begin(struct bs_bytes b, const char *with)
{
    size_t n = strlen(with);

    return b.n >= n && memcmp(b.p, with, n) == 0;
}

static bool
is_word(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c >= 0x80;
}

/* Behind a string or quoted name that begins at `at`. */
static size_t
skip_quoted(struct bs_bytes t, size_t at)
{
    uint8_t quote = t.p[at];
    bool escapes = quote == '\'' && at > 0 && (t.p[at - 1] == 'E' || t.p[at - 1] == 'e') &&
                   (at == 1 || !is_word(t.p[at - 2]));

    for (at++; at < t.n; at++) {
        if (escapes && t.p[at] == '\\')
            at++;
        else if (t.p[at] == quote && (at + 1 == t.n || t.p[at + 1] != quote))
            return at + 1;
        else if (t.p[at] == quote)
            at++;
    }
    return t.n;
}

/* Behind a dollar quote that begins at `at`; behind the sign alone where it is none. */
static size_t
skip_dollar(struct bs_bytes t, size_t at)
{
    size_t n = 1;

    if (at > 0 && is_word(t.p[at - 1]))
        return at + 1;
    while (at + n < t.n && is_word(t.p[at + n]))
        n++;
    if (at + n >= t.n || t.p[at + n] != '$' || (n > 1 && t.p[at + 1] >= '0' && t.p[at + 1] <= '9'))
        return at + 1;
    n++;
    for (size_t end = at + n; end + n <= t.n; end++) {
        if (memcmp(t.p + end, t.p + at, n) == 0)
            return end + n;
    }
    return t.n;
}

static size_t
skip_comment(struct bs_bytes t, size_t at)
{
    int depth = 0;

    if (t.p[at] == '-') {
        while (at < t.n && t.p[at] != '\n')
            at++;
        return at;
    }
    for (; at < t.n; at++) {
        bool opens = at + 1 < t.n && t.p[at] == '/' && t.p[at + 1] == '*';
        bool closes = at + 1 < t.n && t.p[at] == '*' && t.p[at + 1] == '/';
        depth += opens ? 1 : closes ? -1 : 0;
        at += opens || closes;
        if (closes && depth == 0)
            return at + 1;
    }
    return t.n;
}

/* Behind what is at `at`: quoted text as a whole, else one byte. */
static size_t
step(struct bs_bytes t, size_t at)
{
    uint8_t c = t.p[at], next = at + 1 < t.n ? t.p[at + 1] : 0;

    if (c == '\'' || c == '"')
        return skip_quoted(t, at);
    if (c == '$')
        return skip_dollar(t, at);
    if ((c == '-' && next == '-') || (c == '/' && next == '*'))
        return skip_comment(t, at);
    return at + 1;
}

static bool
is_space(uint8_t c)
{
    return c == ' ' || c == '\n' || c == '\t' || c == '\r';
}

static struct bs_bytes
trimmed(struct bs_bytes b)
{
    while (b.n != 0 && is_space(b.p[0])) {
        b.p++;
        b.n--;
    }
    while (b.n != 0 && is_space(b.p[b.n - 1]))
        b.n--;
    return b;
}

static struct bs_bytes
uncommented(struct bs_bytes b)
{
    b = trimmed(b);
    while (bs_bytes_begin(b, "--") || bs_bytes_begin(b, "/*")) {
        size_t n = skip_comment(b, 0);
        b = trimmed((struct bs_bytes){b.p + n, b.n - n});
    }
    return b;
}

bool
bs_sql_next(struct bs_bytes *text, struct bs_bytes *out)
{
    *out = (struct bs_bytes){text->p, 0};
    while (out->n == 0 && text->n != 0) {
        size_t at = 0;
        int depth = 0;
        while (at < text->n && (text->p[at] != ';' || depth > 0)) {
            depth += text->p[at] == '(' ? 1 : text->p[at] == ')' ? -1 : 0;
            at = step(*text, at);
        }
        *out = uncommented((struct bs_bytes){text->p, at});
        at += at < text->n;
        text->p += at;
        text->n -= at;
    }
    return out->n != 0;
}

size_t
bs_sql_find(struct bs_bytes text, const char *words)
{
    size_t n = strlen(words);
    int depth = 0;

    for (size_t at = 0; at + n <= text.n; at = step(text, at)) {
        if (depth == 0 && memcmp(text.p + at, words, n) == 0)
            return at;
        depth += text.p[at] == '(' ? 1 : text.p[at] == ')' ? -1 : 0;
    }
    return SIZE_MAX;
}

static bool
may_hold_password(struct bs_bytes statement)
{
    static const char *const kinds[] = {" USER MAPPING ", " SERVER ", " FOREIGN DATA WRAPPER ",
                                        " SUBSCRIPTION "};
    struct bs_bytes head = {statement.p, statement.n < 40 ? statement.n : 40};

    if (!bs_bytes_begin(statement, "CREATE ") && !bs_bytes_begin(statement, "ALTER "))
        return false;
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        size_t at = bs_sql_find(head, kinds[i]);
        if (at == sizeof("CREATE") - 1 || at == sizeof("ALTER") - 1)
            return true;
    }
    return false;
}

void
bs_sql_hide(struct bs_buf *script)
{
    struct bs_bytes rest = bs_buf_view(script), one;

    while (bs_sql_next(&rest, &one)) {
        size_t base = (size_t)(one.p - script->p);
        for (size_t at = 0; may_hold_password(one) && at < one.n;) {
            size_t end = step(one, at);
            for (size_t i = at + 1; one.p[at] == '\'' && i + 1 < end; i++)
                script->p[base + i] = '*';
            at = end;
        }
    }
}
