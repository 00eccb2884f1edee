/*
 * staged_index.c - from left to right; whatever is not expected ends it.
 */
#include "restore/staged_index.h"

#include <string.h>

#include "restore/sqltext.h"
#include "restore/text.h"

static bool
skip(struct bs_bytes *in, const char *what)
{
    size_t n = strlen(what);

    if (!bs_bytes_begin(*in, what))
        return false;
    in->p += n;
    in->n -= n;
    return true;
}

static bool
is_plain(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c >= 0x80;
}

/* As the server quotes it: bare, or in quotes where those within are doubled. */
static bool
take_ident(struct bs_bytes *in, struct bs_bytes *out)
{
    size_t n = 0;

    if (in->n != 0 && in->p[0] == '"') {
        for (n = 1; n < in->n && (in->p[n] != '"' || (n + 1 < in->n && in->p[n + 1] == '"')); n++)
            n += in->p[n] == '"';
        if (n >= in->n || n == 1)
            return false;
        n++;
    } else {
        while (n < in->n && is_plain(in->p[n]))
            n++;
    }
    *out = (struct bs_bytes){in->p, n};
    in->p += n;
    in->n -= n;
    return n != 0;
}

static bool
skip_name(struct bs_bytes *in)
{
    struct bs_bytes word;

    return take_ident(in, &word) && skip(in, ".") && take_ident(in, &word);
}

/* What an expression, a schema's own operator class, a literal or a second statement would need. */
static bool
is_word(uint8_t c)
{
    return is_plain(c) || (c >= 'A' && c <= 'Z') || c == '"' || c == ' ' || c == ',' || c == '\n';
}

/* "(a, b DESC, c text_pattern_ops)" */
static bool
skip_columns(struct bs_bytes *in)
{
    if (!skip(in, "("))
        return false;
    while (in->n != 0 && is_word(in->p[0])) {
        in->p++;
        in->n--;
    }
    return skip(in, ")");
}

/* " WITH (fillfactor='70', fastupdate=off)" */
static bool
skip_options(struct bs_bytes *in)
{
    if (!skip(in, " WITH ("))
        return true;
    while (in->n != 0 &&
           (is_plain(in->p[0]) || memchr("='., ", in->p[0], sizeof("='., ") - 1) != NULL)) {
        in->p++;
        in->n--;
    }
    return skip(in, ")");
}

static bool
ends(struct bs_bytes in)
{
    while (in.n != 0 && (in.p[in.n - 1] == '\n' || in.p[in.n - 1] == ' '))
        in.n--;
    return bs_bytes_equal(in, BS_LIT(";"));
}

static bool
parse_index(struct bs_bytes in, struct bs_staged_index *out)
{
    const uint8_t *from;

    if (!skip(&in, "CREATE "))
        return false;
    out->unique = skip(&in, "UNIQUE ");
    if (!skip(&in, "INDEX ") || !take_ident(&in, &out->name) || !skip(&in, " ON ") ||
        !skip_name(&in) || !skip(&in, " USING ") || !take_ident(&in, &out->method) ||
        !skip(&in, " "))
        return false;
    from = in.p;
    if (!skip_columns(&in))
        return false;
    if (skip(&in, " INCLUDE ") && !skip_columns(&in))
        return false;
    (void)skip(&in, " NULLS NOT DISTINCT");
    if (!skip_options(&in))
        return false;
    out->rest = (struct bs_bytes){from, (size_t)(in.p - from)};
    return ends(in);
}

static bool
parse_key(struct bs_bytes in, struct bs_staged_index *out)
{
    const uint8_t *from;

    if (!skip(&in, "ALTER TABLE ONLY ") || !skip_name(&in) || !skip(&in, "\n    ADD CONSTRAINT ") ||
        !take_ident(&in, &out->name))
        return false;
    if (skip(&in, " PRIMARY KEY "))
        out->key = "PRIMARY KEY";
    else if (skip(&in, " UNIQUE "))
        out->key = "UNIQUE";
    else
        return false;
    from = in.p;
    if (!skip_columns(&in) || memmem(from, (size_t)(in.p - from), " WITHOUT OVERLAPS", 17) != NULL)
        return false;
    out->unique = true;
    out->method = BS_LIT("btree");
    out->rest = (struct bs_bytes){from, (size_t)(in.p - from)};
    return ends(in);
}

bool
bs_staged_index_parse(struct bs_bytes text, struct bs_staged_index *out)
{
    *out = (struct bs_staged_index){0};
    return parse_index(text, out) || parse_key(text, out);
}

void
bs_put_staged_index(struct bs_buf *b,
                    const struct bs_staged_index *index,
                    const char *schema,
                    const char *table)
{
    bs_put_str(b, index->unique ? "CREATE UNIQUE INDEX " : "CREATE INDEX ");
    bs_put_bytes(b, index->name);
    bs_put_str(b, " ON ");
    bs_put_name(b, schema, table);
    bs_put_str(b, " USING ");
    bs_put_bytes(b, index->method);
    bs_put_u8(b, ' ');
    bs_put_bytes(b, index->rest);
}

void
bs_put_staged_key(struct bs_buf *b,
                  const struct bs_staged_index *index,
                  const char *schema,
                  const char *table)
{
    bs_put_str(b, "ALTER TABLE ONLY ");
    bs_put_name(b, schema, table);
    bs_put_str(b, " ADD CONSTRAINT ");
    bs_put_bytes(b, index->name);
    bs_put_fmt(b, " %s USING INDEX ", index->key);
    bs_put_bytes(b, index->name);
}
