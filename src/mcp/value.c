/*
 * value.c - see value.h. The OIDs are fixed: PostgreSQL's catalog/pg_type.dat.
 */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "mcp/value.h"

enum { BOOL = 16, INT8 = 20, INT2 = 21, INT4 = 23, OID = 26, FLOAT4 = 700, FLOAT8 = 701 };

#define EXACT_MAX ((int64_t)1 << 53)

static const struct {
    uint32_t oid;
    const char *name;
} types[] = {
    /* clang-format off */
    {BOOL, "boolean"}, {17, "bytea"}, {18, "\"char\""}, {19, "name"}, {INT8, "bigint"}, {INT2, "smallint"},
    {INT4, "integer"}, {24, "regproc"}, {25, "text"}, {OID, "oid"}, {114, "json"}, {142, "xml"}, {600, "point"},
    {650, "cidr"}, {FLOAT4, "real"}, {FLOAT8, "double precision"}, {705, "unknown"}, {790, "money"},
    {829, "macaddr"}, {869, "inet"}, {1000, "boolean[]"}, {1005, "smallint[]"}, {1007, "integer[]"},
    {1009, "text[]"}, {1015, "character varying[]"}, {1016, "bigint[]"}, {1021, "real[]"},
    {1022, "double precision[]"}, {1042, "character"}, {1043, "character varying"}, {1082, "date"},
    {1083, "time without time zone"}, {1114, "timestamp without time zone"},
    {1184, "timestamp with time zone"}, {1186, "interval"}, {1231, "numeric[]"}, {1266, "time with time zone"},
    {1560, "bit"}, {1562, "bit varying"}, {1700, "numeric"}, {2205, "regclass"}, {2206, "regtype"},
    {2249, "record"}, {2278, "void"}, {2950, "uuid"}, {2951, "uuid[]"}, {3614, "tsvector"}, {3615, "tsquery"},
    {3802, "jsonb"}, {3904, "int4range"}, {3910, "tstzrange"}, {3912, "daterange"}, {4072, "jsonpath"},
    /* clang-format on */
};

const char *
bs_mcp_type_name(uint32_t type)
{
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        if (types[i].oid == type)
            return types[i].name;
    }
    return NULL;
}

/* Never in the middle of a character. */
static size_t
cut_at(struct bs_bytes text, size_t max)
{
    size_t n = max;

    while (n > 0 && (text.p[n] & 0xC0) == 0x80)
        n--;
    return n;
}

static json_t *
as_text(struct bs_bytes text, size_t max, bool *cut)
{
    json_t *value;
    size_t n = text.n;

    if (n > max) {
        n = cut_at(text, max);
        *cut = true;
    }
    value = json_stringn((const char *)text.p, n);
    return value != NULL ? value : json_string("(not UTF-8)");
}

/* NULL where it is none that a double holds. */
static json_t *
as_whole(const char *text)
{
    char *end;
    long long n;

    errno = 0;
    n = strtoll(text, &end, 10);
    if (errno != 0 || *end != '\0' || n > EXACT_MAX || n < -EXACT_MAX)
        return NULL;
    return json_integer(n);
}

static json_t *
as_floating(const char *text)
{
    char *end;
    double d = strtod(text, &end);

    return *end == '\0' && isfinite(d) ? json_real(d) : NULL;
}

json_t *
bs_mcp_value(uint32_t type, struct bs_bytes text, size_t max, bool *cut)
{
    char number[64];
    json_t *value = NULL;

    if (text.n == 0 || text.n >= sizeof(number))
        return as_text(text, max, cut);
    memcpy(number, text.p, text.n);
    number[text.n] = '\0';
    if (type == BOOL)
        return json_boolean(number[0] == 't');
    if (type == INT2 || type == INT4 || type == INT8 || type == OID)
        value = as_whole(number);
    else if (type == FLOAT4 || type == FLOAT8)
        value = as_floating(number);
    return value != NULL ? value : as_text(text, max, cut);
}

/* The shortest text that is read back as the same number. */
static char *
real_text(double d)
{
    char text[40];

    for (int digits = 15; digits <= 17; digits++) {
        (void)snprintf(text, sizeof(text), "%.*g", digits, d);
        if (strtod(text, NULL) == d)
            break;
    }
    return bs_strdup(text);
}

char *
bs_mcp_param(const json_t *value)
{
    char text[32];

    switch (json_typeof(value)) {
    case JSON_NULL:
        return NULL;
    case JSON_TRUE:
        return bs_strdup("true");
    case JSON_FALSE:
        return bs_strdup("false");
    case JSON_STRING:
        return bs_strdup(json_string_value(value));
    case JSON_INTEGER:
        (void)snprintf(text, sizeof(text), "%lld", (long long)json_integer_value(value));
        return bs_strdup(text);
    case JSON_REAL:
        return real_text(json_real_value(value));
    case JSON_ARRAY:
    case JSON_OBJECT:
        break;
    }
    return json_dumps(value, JSON_COMPACT);
}

/* On one line, so that no value can look like a row of its own. */
static void
put_cell(struct bs_buf *out, const json_t *value)
{
    const char *s = json_string_value(value);
    char *text;

    if (json_is_null(value)) {
        bs_put_str(out, "null");
    } else if (s != NULL) {
        for (; *s != '\0'; s++) {
            if (*s == '\n' || *s == '\r')
                bs_put_str(out, *s == '\n' ? "\\n" : "\\r");
            else
                bs_put_u8(out, (uint8_t)*s);
        }
    } else if (json_is_real(value)) {
        text = real_text(json_real_value(value));
        bs_put_str(out, text);
        free(text);
    } else {
        text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
        bs_put_str(out, text == NULL ? "" : text);
        free(text);
    }
}

void
bs_mcp_table_put(struct bs_buf *out, const json_t *columns, const json_t *rows)
{
    const json_t *row, *value;
    size_t i, j;

    json_array_foreach(columns, i, value)
    {
        bs_put_str(out, i == 0 ? "" : " | ");
        put_cell(out, json_object_get(value, "name"));
    }
    json_array_foreach(rows, i, row)
    {
        bs_put_str(out, "\n");
        json_array_foreach(row, j, value)
        {
            bs_put_str(out, j == 0 ? "" : " | ");
            put_cell(out, value);
        }
    }
}
