/*
 * messages_back.c - bodies of what servers send. A server is no more trusted than a client: every
 * field of a report may be missing, and no count is believed before its items were seen.
 */
#include "wire/messages.h"

#include <string.h>

#include "wire/parts.h"

/* Where a field of a report is kept; NULL for those that we have no use for. */
static struct bs_bytes *
field_of(struct bs_report_fields *r, uint8_t code)
{
    switch (code) {
    case 'S':
        return &r->severity_local;
    case 'V':
        return &r->severity;
    case 'C':
        return &r->sqlstate;
    case 'M':
        return &r->message;
    case 'D':
        return &r->detail;
    case 'H':
        return &r->hint;
    case 's':
        return &r->schema;
    case 't':
        return &r->table;
    case 'c':
        return &r->column;
    case 'n':
        return &r->constraint;
    default:
        return NULL;
    }
}

enum bs_done
bs_msg_read_report(struct bs_bytes body, struct bs_report_fields *out, struct bs_err *err)
{
    struct bs_report_fields r = {0};
    struct bs_bytes text;
    uint8_t code;

    while (bs_take_u8(&body, &code)) {
        struct bs_bytes *field = field_of(&r, code);

        if (code == 0) {
            if (body.n != 0)
                return bs_part_malformed("error or notice", err);
            *out = r;
            return BS_DONE;
        }
        if (!bs_take_cstr(&body, &text))
            return bs_part_malformed("error or notice", err);
        if (field != NULL)
            *field = text;
    }
    return bs_part_malformed("error or notice", err);
}

static bool
take_column(struct bs_bytes *in, struct bs_column *out)
{
    return bs_take_cstr(in, &out->name) && bs_take_u32(in, &out->table_oid) &&
           bs_take_u16(in, &out->attnum) && bs_take_u32(in, &out->type_oid) &&
           bs_take_u16(in, &out->type_len) && bs_take_u32(in, &out->type_mod) &&
           bs_take_u16(in, &out->format);
}

enum bs_done
bs_msg_read_columns(struct bs_bytes body, struct bs_columns *out, struct bs_err *err)
{
    struct bs_column column;
    struct bs_bytes raw;
    uint16_t n;

    if (!bs_take_u16(&body, &n))
        return bs_part_malformed("row description", err);
    raw = body;
    for (size_t i = 0; i < n; i++) {
        if (!take_column(&body, &column))
            return bs_part_malformed("row description", err);
    }
    if (body.n != 0)
        return bs_part_malformed("row description", err);
    *out = (struct bs_columns){n, raw};
    return BS_DONE;
}

bool
bs_columns_next(struct bs_columns *columns, struct bs_column *out)
{
    struct bs_column column;

    if (columns->n == 0 || !take_column(&columns->raw, &column))
        return false;
    columns->n--;
    *out = column;
    return true;
}

enum bs_done
bs_msg_read_row(struct bs_bytes body, struct bs_values *out, struct bs_err *err)
{
    struct bs_values values;

    if (!bs_part_values(&body, &values) || body.n != 0)
        return bs_part_malformed("data row", err);
    *out = values;
    return BS_DONE;
}

enum bs_done
bs_msg_read_param_types(struct bs_bytes body, struct bs_oids *out, struct bs_err *err)
{
    struct bs_oids oids;

    if (!bs_part_oids(&body, &oids) || body.n != 0)
        return bs_part_malformed("parameter description", err);
    *out = oids;
    return BS_DONE;
}

/* The bytes of `text` behind its last space, all digits and not too many; empty otherwise. */
static struct bs_bytes
last_number(struct bs_bytes text)
{
    size_t at = text.n;

    while (at > 0 && text.p[at - 1] >= '0' && text.p[at - 1] <= '9')
        at--;
    if (at == 0 || at == text.n || text.p[at - 1] != ' ' || text.n - at > 18)
        return (struct bs_bytes){0};
    return (struct bs_bytes){text.p + at, text.n - at};
}

/* "INSERT 0 5" carries an OID that has been 0 since PostgreSQL 12; the others only a count. */
static void
split_tag(struct bs_tag *tag)
{
    struct bs_bytes digits = last_number(tag->text);
    const size_t insert = strlen("INSERT");

    tag->verb = tag->text;
    if (digits.n == 0)
        return;
    tag->has_rows = true;
    for (size_t i = 0; i < digits.n; i++)
        tag->rows = tag->rows * 10 + (uint64_t)(digits.p[i] - '0');
    tag->verb.n = (size_t)(digits.p - tag->text.p) - 1;
    if (tag->verb.n > insert && memcmp(tag->verb.p, "INSERT ", insert + 1) == 0)
        tag->verb.n = insert;
}

enum bs_done
bs_msg_read_tag(struct bs_bytes body, struct bs_tag *out, struct bs_err *err)
{
    struct bs_tag tag = {0};

    if (!bs_take_cstr(&body, &tag.text) || body.n != 0)
        return bs_part_malformed("command complete", err);
    split_tag(&tag);
    *out = tag;
    return BS_DONE;
}

enum bs_done
bs_msg_read_ready(struct bs_bytes body, uint8_t *status, struct bs_err *err)
{
    uint8_t s;

    if (!bs_take_u8(&body, &s) || body.n != 0 || (s != 'I' && s != 'T' && s != 'E'))
        return bs_part_malformed("ready for query", err);
    *status = s;
    return BS_DONE;
}

enum bs_done
bs_msg_read_key_data(struct bs_bytes body, struct bs_key_data *out, struct bs_err *err)
{
    struct bs_key_data key = {0};

    if (!bs_take_u32(&body, &key.pid) || body.n < 4 || body.n > 256)
        return bs_part_malformed("backend key data", err);
    key.secret = body;
    *out = key;
    return BS_DONE;
}

enum bs_done
bs_msg_read_negotiation(struct bs_bytes body, struct bs_negotiation *out, struct bs_err *err)
{
    struct bs_negotiation n = {0};
    struct bs_bytes name;
    uint32_t count;

    if (!bs_take_u32(&body, &n.version) || !bs_take_u32(&body, &count))
        return bs_part_malformed("protocol negotiation", err);
    n.unknown = body;
    while (bs_take_cstr(&body, &name))
        n.n_unknown++;
    if (body.n != 0 || n.n_unknown != count)
        return bs_part_malformed("protocol negotiation", err);
    *out = n;
    return BS_DONE;
}

enum bs_done
bs_msg_read_parameter_status(struct bs_bytes body,
                             struct bs_bytes *name,
                             struct bs_bytes *value,
                             struct bs_err *err)
{
    struct bs_bytes n, v;

    if (!bs_take_cstr(&body, &n) || !bs_take_cstr(&body, &v) || body.n != 0)
        return bs_part_malformed("parameter status", err);
    *name = n;
    *value = v;
    return BS_DONE;
}

/* Names, each ended by a zero byte, then an empty one; nothing behind. */
static bool
is_mechanism_list(struct bs_bytes list)
{
    struct bs_bytes name;

    while (bs_take_cstr(&list, &name)) {
        if (name.n == 0)
            return list.n == 0;
    }
    return false;
}

enum bs_done
bs_msg_read_auth(struct bs_bytes body, struct bs_auth_request *out, struct bs_err *err)
{
    struct bs_auth_request auth = {.kind = BS_AUTH_UNKNOWN};
    struct bs_bytes salt;
    uint32_t kind;
    bool whole;

    if (!bs_take_u32(&body, &kind))
        return bs_part_malformed("authentication", err);
    switch (kind) {
    case BS_AUTH_OK:
    case BS_AUTH_PASSWORD:
        whole = body.n == 0;
        break;
    case BS_AUTH_MD5:
        whole = bs_take_bytes(&body, sizeof(auth.salt), &salt) && body.n == 0;
        if (whole)
            memcpy(auth.salt, salt.p, sizeof(auth.salt));
        break;
    case BS_AUTH_SASL:
        whole = is_mechanism_list(body);
        auth.data = body;
        break;
    case BS_AUTH_SASL_CONTINUE:
    case BS_AUTH_SASL_FINAL:
        whole = true;
        auth.data = body;
        break;
    default:
        return BS_FAIL(err, UNSUPPORTED,
                       "the server asks for authentication method %u, which is not supported",
                       kind);
    }
    if (!whole)
        return bs_part_malformed("authentication", err);
    auth.kind = (enum bs_auth_kind)kind;
    *out = auth;
    return BS_DONE;
}

bool
bs_auth_offers(const struct bs_auth_request *auth, const char *mechanism)
{
    const struct bs_bytes want = bs_bytes_of(mechanism);
    struct bs_bytes list = auth->data, name;

    if (auth->kind != BS_AUTH_SASL || want.n == 0)
        return false;
    while (bs_take_cstr(&list, &name)) {
        if (bs_bytes_equal(name, want))
            return true;
    }
    return false;
}

enum bs_done
bs_msg_read_notification(struct bs_bytes body, struct bs_notification *out, struct bs_err *err)
{
    struct bs_notification m = {0};

    if (!bs_take_u32(&body, &m.pid) || !bs_take_cstr(&body, &m.channel) ||
        !bs_take_cstr(&body, &m.payload) || body.n != 0)
        return bs_part_malformed("notification", err);
    *out = m;
    return BS_DONE;
}
