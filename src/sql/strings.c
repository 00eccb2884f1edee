/* strings.c - see strings.h. */
#include "sql/strings.h"

#include <string.h>

size_t
bs_string_quotes(struct bs_bytes token, size_t *close)
{
    size_t open = 0;

    if (token.n > 1 && token.p[0] == '\'')
        open = 1;
    else if (token.n > 2 && (token.p[0] | 0x20) == 'e' && token.p[1] == '\'')
        open = 2;
    for (size_t i = 1; token.n != 0 && token.p[0] == '$' && open == 0 && i < token.n; i++)
        open = token.p[i] == '$' ? i + 1 : 0;
    *close = token.n != 0 && token.p[0] == '$' ? open : 1;
    return open + *close <= token.n ? open : 0;
}

/* A quote within: a doubled one, or where the next line goes on. Bytes of it; 0: neither. */
static size_t
take_quote(struct bs_bytes in, struct bs_buf *out)
{
    bool line = false;
    size_t n = 1;

    if (in.n > 1 && in.p[1] == '\'') {
        bs_put_u8(out, '\'');
        return 2;
    }
    for (; n < in.n && memchr(" \t\r\n", in.p[n], 4) != NULL; n++)
        line = line || in.p[n] == '\n';
    return line && n < in.n && in.p[n] == '\'' ? n + 1 : 0;
}

/* Bytes of what stands for one; 0: a number does, which is not told here. */
static size_t
take_escape(struct bs_bytes in, struct bs_buf *out)
{
    static const char names[] = "nrtbf", values[] = "\n\r\t\b\f", numbers[] = "01234567xuU";
    const char *name;

    if (in.n < 2 || memchr(numbers, in.p[1], sizeof(numbers) - 1) != NULL)
        return 0;
    name = memchr(names, in.p[1], sizeof(names) - 1);
    bs_put_u8(out, name == NULL ? in.p[1] : (uint8_t)values[name - names]);
    return 2;
}

static bool
take_value(struct bs_bytes in, bool quoted, bool escapes, struct bs_buf *out)
{
    size_t n = 1;

    for (; in.n != 0 && n != 0; in.p += n, in.n -= n) {
        n = 1;
        if (quoted && in.p[0] == '\'')
            n = take_quote(in, out);
        else if (escapes && in.p[0] == '\\')
            n = take_escape(in, out);
        else
            bs_put_u8(out, in.p[0]);
    }
    return n != 0;
}

bool
bs_string_value(struct bs_bytes token, struct bs_buf *out)
{
    size_t close, open = bs_string_quotes(token, &close);
    bool quoted = open != 0 && token.p[0] != '$', escapes = quoted && open == 2;

    return open != 0 && take_value((struct bs_bytes){token.p + open, token.n - open - close},
                                   quoted, escapes, out);
}
