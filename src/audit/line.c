/*
 * line.c - JSON by hand, because SAFE traffic writes one line per statement and a tree of nodes for
 * each would cost more than the judgement. What is JSON already goes through jansson, which also
 * keeps newlines out.
 */
#include "audit/line.h"

#include <jansson.h>
#include <openssl/evp.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/clock.h"

static void
put_escaped(struct bs_buf *out, uint8_t c)
{
    switch (c) {
    case '"':
        bs_put_str(out, "\\\"");
        break;
    case '\\':
        bs_put_str(out, "\\\\");
        break;
    case '\n':
        bs_put_str(out, "\\n");
        break;
    case '\t':
        bs_put_str(out, "\\t");
        break;
    default:
        bs_put_fmt(out, "\\u%04x", c);
        break;
    }
}

/* Printable ASCII that JSON takes as it is. */
static bool
is_plain(uint8_t c)
{
    return c >= 0x20 && c < 0x7f && c != '"' && c != '\\';
}

/* Of eight bytes at once, in any order: whether one of them is not plain. */
static bool
has_special(uint64_t eight)
{
    const uint64_t ones = UINT64_C(0x0101010101010101), tops = ones << 7;
    uint64_t quote = eight ^ ones * '"', backslash = eight ^ ones * '\\', del = eight ^ ones * 0x7f;

    /* A byte that is subtracted too much from borrows from its top bit; those >= 0x80 have it. */
    return (((eight - ones * 0x20) | (quote - ones) | (backslash - ones) | (del - ones)) & tops) !=
           0;
}

static size_t
skip_plain(struct bs_bytes text, size_t i)
{
    uint64_t eight;

    for (; text.n - i >= sizeof(eight); i += sizeof(eight)) {
        memcpy(&eight, text.p + i, sizeof(eight));
        if (has_special(eight))
            break;
    }
    while (i < text.n && is_plain(text.p[i]))
        i++;
    return i;
}

/* before `"` text `"`, of a text without anything to escape. */
static void
put_plain(struct bs_buf *out, struct bs_bytes before, struct bs_bytes text)
{
    uint8_t *at = bs_buf_room(out, before.n + text.n + 2);

    if (at == NULL)
        return;
    if (before.n != 0)
        memcpy(at, before.p, before.n);
    at += before.n;
    at[0] = '"';
    if (text.n != 0)
        memcpy(at + 1, text.p, text.n);
    at[text.n + 1] = '"';
    out->n += before.n + text.n + 2;
}

/* Runs of bytes that need no escape are copied at once. */
static void
put_escapes(struct bs_buf *out, struct bs_bytes text, size_t i)
{
    size_t from = 0;
    bool valid = bs_utf8_valid(text);

    bs_put_u8(out, '"');
    while (i < text.n) {
        uint8_t c = text.p[i];
        if (c >= 0x80 && valid) {
            i = skip_plain(text, i + 1);
            continue;
        }
        bs_put_bytes(out, (struct bs_bytes){text.p + from, i - from});
        if (c >= 0x80)
            bs_put_str(out, "\\ufffd");
        else
            put_escaped(out, c);
        from = ++i;
        i = skip_plain(text, i);
    }
    bs_put_bytes(out, (struct bs_bytes){text.p + from, text.n - from});
    bs_put_u8(out, '"');
}

static void
put_behind(struct bs_buf *out, struct bs_bytes before, struct bs_bytes text)
{
    size_t plain = skip_plain(text, 0);

    if (plain == text.n) { /* nearly every one */
        put_plain(out, before, text);
        return;
    }
    bs_put_bytes(out, before);
    put_escapes(out, text, plain);
}

static void
put_string(struct bs_buf *out, struct bs_bytes text)
{
    put_behind(out, (struct bs_bytes){0}, text);
}

void
bs_audit_put_string(struct bs_buf *out, struct bs_bytes text)
{
    put_string(out, text);
}

static void
put_key(struct bs_buf *out, const char *key)
{
    bs_put_str(out, ",\"");
    bs_put_str(out, key);
    bs_put_str(out, "\":");
}

static void
put_text(struct bs_buf *out, const char *key, const char *text)
{
    if (text == NULL || text[0] == '\0')
        return;
    put_key(out, key);
    put_string(out, bs_bytes_of(text));
}

/* JSON of somebody else: taken if it is JSON, else as a string that shows what it was. */
static void
put_json(struct bs_buf *out, const char *key, const char *text)
{
    json_t *value;
    char *dump = NULL;

    if (text == NULL || text[0] == '\0')
        return;
    value = json_loads(text, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
    if (value != NULL)
        dump = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
    json_decref(value);
    put_key(out, key);
    if (dump != NULL)
        bs_put_str(out, dump);
    else
        put_string(out, bs_bytes_of(text));
    free(dump);
}

static void
put_base64(struct bs_buf *out, struct bs_bytes b)
{
    size_t size = (b.n + 2) / 3 * 4;
    uint8_t *room = bs_buf_room(out, size + 1); /* OpenSSL writes a NUL as well */

    if (room == NULL || b.n > INT32_MAX) {
        out->failed = true;
        return;
    }
    (void)EVP_EncodeBlock(room, b.p, (int)b.n);
    out->n += size;
}

static void
put_statement(struct bs_buf *out, const struct bs_audit_record *r)
{
    if (r->statement.n == 0)
        return;
    if (bs_utf8_valid(r->statement)) {
        put_behind(out, BS_LIT(",\"statement\":"), r->statement);
        return;
    }
    put_key(out, "statement_base64");
    bs_put_u8(out, '"');
    put_base64(out, r->statement);
    bs_put_u8(out, '"');
}

static void
put_effects(struct bs_buf *out, const struct bs_audit_record *r)
{
    if (r->n_effects == 0)
        return;
    put_key(out, "effects");
    for (size_t i = 0; i < r->n_effects; i++) {
        const struct bs_audit_effect *e = &r->effects[i];
        bs_put_str(out, i == 0 ? "[{\"kind\":" : ",{\"kind\":");
        put_string(out, bs_bytes_of(e->kind));
        put_text(out, "object", e->object);
        if (e->rows >= 0)
            bs_put_fmt(out, ",\"rows\":%lld", (long long)e->rows);
        bs_put_u8(out, '}');
    }
    bs_put_u8(out, ']');
}

#define FIELD(key, member)                                                                         \
    {                                                                                              \
        ",\"" key "\":", sizeof(key) + 3, offsetof(struct bs_audit_record, member)                 \
    }

static const struct field {
    const char *key; /* with all that JSON has around it */
    size_t key_len;
    size_t at;
} who[] =
    {
        FIELD("actor", actor),
        FIELD("group", group),
        FIELD("owner", owner),
        FIELD("operator", operator_),
        FIELD("database", database),
        FIELD("role", role),
        FIELD("session", session),
        FIELD("client", client),
        FIELD("application", application),
        FIELD("ticket", ticket),
        FIELD("point", point),
},
  what[] =
      {
          FIELD("params", params), FIELD("statement_kind", statement_kind),
          FIELD("risk", risk),     FIELD("decision", decision),
          FIELD("would", would),   FIELD("rule", rule),
          FIELD("policy", policy),
},
  end[] = {
      FIELD("outcome", outcome), FIELD("sqlstate", sqlstate), FIELD("tag", tag),
      FIELD("action", action),   FIELD("subject", subject),   FIELD("text", text),
};

static void
put_fields(struct bs_buf *out, const struct bs_audit_record *r, const struct field *f, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const char *text;
        memcpy(&text, (const char *)r + f[i].at, sizeof(text));
        if (text == NULL || text[0] == '\0')
            continue;
        put_behind(out, (struct bs_bytes){(const uint8_t *)f[i].key, f[i].key_len},
                   bs_bytes_of(text));
    }
}

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

void
bs_audit_who(const struct bs_audit_record *record, struct bs_buf *out)
{
    put_fields(out, record, who, COUNT(who));
    put_json(out, "claims", record->claims);
}

void
bs_audit_line(const struct bs_audit_record *record, struct bs_buf *out)
{
    char at[BS_TIME_TEXT];

    bs_time_format(record->at_us != 0 ? record->at_us : bs_now_us(), at);
    put_plain(out, BS_LIT("\"at\":"), bs_bytes_of(at));
    put_plain(out, BS_LIT(",\"kind\":"), bs_bytes_of(bs_audit_kind_name(record->kind)));
    if (record->who.n != 0)
        bs_put_bytes(out, record->who);
    else
        bs_audit_who(record, out);
    put_statement(out, record);
    put_fields(out, record, what, COUNT(what));
    put_json(out, "reasons", record->reasons);
    put_effects(out, record);
    put_fields(out, record, end, COUNT(end));
    if (record->duration_us != 0)
        bs_put_fmt(out, ",\"duration_us\":%lld", (long long)record->duration_us);
    put_json(out, "detail", record->detail);
    bs_put_u8(out, '}');
}
