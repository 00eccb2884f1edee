/*
 * messages_front.c - bodies of what clients send. What the server would refuse is refused here;
 * what it would read in two ways does not get that far.
 */
#include "wire/messages.h"

#include "wire/parts.h"

bool
bs_values_next(struct bs_values *values, struct bs_value *out)
{
    struct bs_value v;

    if (values->n == 0 || !bs_part_value(&values->raw, &v))
        return false;
    values->n--;
    *out = v;
    return true;
}

uint32_t
bs_oids_at(const struct bs_oids *oids, size_t i)
{
    const uint8_t *p = oids->raw.p;

    if (i >= oids->n)
        return 0;
    return (uint32_t)p[4 * i] << 24 | (uint32_t)p[4 * i + 1] << 16 | (uint32_t)p[4 * i + 2] << 8 |
           p[4 * i + 3];
}

uint16_t
bs_formats_at(const struct bs_formats *formats, size_t i)
{
    if (formats->n == 1)
        i = 0;
    if (i >= formats->n)
        return 0;
    return (uint16_t)(formats->raw.p[2 * i] << 8 | formats->raw.p[2 * i + 1]);
}

/* The server cuts names at 63 bytes, so two longer ones may be one there and two here. */
static enum bs_done
check_name(const char *what, struct bs_bytes name, struct bs_err *err)
{
    if (name.n > BS_NAME_MAX)
        return BS_FAIL(err, LIMIT, "%s has a name of %zu bytes, more than %d", what, name.n,
                       BS_NAME_MAX);
    return BS_DONE;
}

enum bs_done
bs_msg_read_query(struct bs_bytes body, struct bs_bytes *text, struct bs_err *err)
{
    struct bs_bytes s;

    if (!bs_take_cstr(&body, &s) || body.n != 0)
        return BS_FAIL(err, PROTOCOL, "a query must hold exactly one zero byte, at its end");
    *text = s;
    return BS_DONE;
}

enum bs_done
bs_msg_read_parse(struct bs_bytes body, struct bs_parse *out, struct bs_err *err)
{
    struct bs_parse m = {0};

    if (!bs_take_cstr(&body, &m.name) || !bs_take_cstr(&body, &m.query) ||
        !bs_part_oids(&body, &m.types) || body.n != 0)
        return bs_part_malformed("parse", err);
    *out = m;
    return check_name("parse", m.name, err);
}

/* A list of format codes; only text and binary exist. */
static bool
take_formats(struct bs_bytes *in, struct bs_formats *out)
{
    struct bs_formats f;
    uint16_t n;

    if (!bs_take_u16(in, &n) || !bs_take_bytes(in, 2 * (size_t)n, &f.raw))
        return false;
    f.n = n;
    for (size_t i = 0; i < f.n; i++) {
        if (f.raw.p[2 * i] != 0 || f.raw.p[2 * i + 1] > 1)
            return false;
    }
    *out = f;
    return true;
}

enum bs_done
bs_msg_read_bind(struct bs_bytes body, struct bs_bind *out, struct bs_err *err)
{
    struct bs_bind m = {0};

    if (!bs_take_cstr(&body, &m.portal) || !bs_take_cstr(&body, &m.statement) ||
        !take_formats(&body, &m.formats) || !bs_part_values(&body, &m.values) ||
        !take_formats(&body, &m.results) || body.n != 0)
        return bs_part_malformed("bind", err);
    if (m.formats.n > 1 && m.formats.n != m.values.n)
        return BS_FAIL(err, PROTOCOL, "bind has %zu parameter formats but %zu parameters",
                       m.formats.n, m.values.n);
    *out = m;
    if (check_name("bind", m.portal, err) == BS_FAILED)
        return BS_FAILED;
    return check_name("bind", m.statement, err);
}

enum bs_done
bs_msg_read_function_call(struct bs_bytes body, struct bs_function_call *out, struct bs_err *err)
{
    struct bs_function_call m = {0};

    if (!bs_take_u32(&body, &m.oid) || !take_formats(&body, &m.formats) ||
        !bs_part_values(&body, &m.values) || !bs_take_u16(&body, &m.result) || m.result > 1 ||
        body.n != 0)
        return bs_part_malformed("function call", err);
    if (m.formats.n > 1 && m.formats.n != m.values.n)
        return BS_FAIL(err, PROTOCOL, "function call has %zu formats but %zu arguments",
                       m.formats.n, m.values.n);
    *out = m;
    return BS_DONE;
}

enum bs_done
bs_msg_read_bind_names(struct bs_bytes head,
                       uint32_t body_len,
                       struct bs_bytes *portal,
                       struct bs_bytes *statement,
                       struct bs_err *err)
{
    struct bs_bytes p, s, left = head;

    if (!bs_take_cstr(&left, &p) || !bs_take_cstr(&left, &s)) {
        if (head.n >= body_len)
            return bs_part_malformed("bind", err);
        /* Two names that may be used, and their zero bytes, end within this many bytes. */
        if (head.n >= 2 * (BS_NAME_MAX + 1))
            return BS_FAIL(err, LIMIT, "bind has a name of more than %d bytes", BS_NAME_MAX);
        return BS_FAILED;
    }
    *portal = p;
    *statement = s;
    if (check_name("bind", p, err) == BS_FAILED)
        return BS_FAILED;
    return check_name("bind", s, err);
}

enum bs_done
bs_msg_read_target(struct bs_bytes body, struct bs_named *out, struct bs_err *err)
{
    struct bs_named m = {0};

    if (!bs_take_u8(&body, &m.kind) || !bs_take_cstr(&body, &m.name) || body.n != 0)
        return bs_part_malformed("describe or close", err);
    if (m.kind != 'S' && m.kind != 'P')
        return BS_FAIL(err, PROTOCOL, "describe or close of unknown kind 0x%02x", m.kind);
    *out = m;
    return check_name("describe or close", m.name, err);
}

enum bs_done
bs_msg_read_execute(struct bs_bytes body, struct bs_execute *out, struct bs_err *err)
{
    struct bs_execute m = {0};

    if (!bs_take_cstr(&body, &m.portal) || !bs_take_u32(&body, &m.max_rows) || body.n != 0)
        return bs_part_malformed("execute", err);
    *out = m;
    return check_name("execute", m.portal, err);
}

enum bs_done
bs_msg_read_copy_fail(struct bs_bytes body, struct bs_bytes *reason, struct bs_err *err)
{
    struct bs_bytes s;

    if (!bs_take_cstr(&body, &s) || body.n != 0)
        return bs_part_malformed("copy fail", err);
    *reason = s;
    return BS_DONE;
}

enum bs_done
bs_msg_read_sasl_initial(struct bs_bytes body, struct bs_sasl_initial *out, struct bs_err *err)
{
    struct bs_sasl_initial m = {0};
    uint32_t n;

    if (!bs_take_cstr(&body, &m.mechanism) || !bs_take_u32(&body, &n))
        return bs_part_malformed("SASL response", err);
    m.has_data = n != UINT32_MAX;
    if (m.has_data && !bs_take_bytes(&body, n, &m.data))
        return bs_part_malformed("SASL response", err);
    if (body.n != 0)
        return bs_part_malformed("SASL response", err);
    *out = m;
    return BS_DONE;
}

enum bs_done
bs_msg_read_password(struct bs_bytes body, struct bs_bytes *password, struct bs_err *err)
{
    struct bs_bytes s;

    if (!bs_take_cstr(&body, &s) || body.n != 0)
        return bs_part_malformed("password", err);
    *password = s;
    return BS_DONE;
}
