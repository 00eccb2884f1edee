/*
 * messages_put.c - messages that we send, built in one place so that their lengths cannot lie.
 *
 * A message is opened (type and a gap for the length), filled, and closed (the gap is written). If
 * anything in between did not fit, close takes back all of it: no half message is ever sent.
 */
#include "wire/messages.h"

#include <stdio.h>
#include <string.h>

/* Where a message that is being built starts in its buffer. */
struct building {
    struct bs_buf *b;
    size_t start;
};

static struct building
open_message(struct bs_buf *b, char type)
{
    struct building m = {b, b->n};

    bs_put_u8(b, (uint8_t)type);
    bs_put_u32(b, 0);
    return m;
}

static void
close_message(struct building m)
{
    size_t length;

    if (m.b->failed) {
        m.b->n = m.start;
        return;
    }
    length = m.b->n - m.start - 1;
    if (length > INT32_MAX) {
        m.b->n = m.start;
        m.b->failed = true;
        return;
    }
    for (size_t i = 0; i < 4; i++)
        m.b->p[m.start + 1 + i] = (uint8_t)(length >> (8 * (3 - i)));
}

/* A text with its NUL; a NUL inside would let one field become two. */
static void
put_text(struct bs_buf *b, struct bs_bytes text)
{
    if (text.n != 0 && memchr(text.p, 0, text.n) != NULL)
        b->failed = true;
    bs_put_bytes(b, text);
    bs_put_u8(b, 0);
}

static void
put_string(struct bs_buf *b, const char *s)
{
    put_text(b, bs_bytes_of(s));
}

/* A message with nothing in it. */
static void
put_empty(struct bs_buf *b, char type)
{
    close_message(open_message(b, type));
}

/* An AuthenticationXxx. */
static void
put_auth(struct bs_buf *b, uint32_t kind, struct bs_bytes data)
{
    struct building m = open_message(b, 'R');

    bs_put_u32(b, kind);
    bs_put_bytes(b, data);
    close_message(m);
}

void
bs_msg_put_auth_sasl(struct bs_buf *b, const char *const *mechanisms)
{
    struct building m = open_message(b, 'R');

    bs_put_u32(b, BS_AUTH_SASL);
    for (size_t i = 0; mechanisms[i] != NULL; i++)
        put_string(b, mechanisms[i]);
    bs_put_u8(b, 0);
    close_message(m);
}

void
bs_msg_put_auth_sasl_continue(struct bs_buf *b, struct bs_bytes data)
{
    put_auth(b, BS_AUTH_SASL_CONTINUE, data);
}

void
bs_msg_put_auth_sasl_final(struct bs_buf *b, struct bs_bytes data)
{
    put_auth(b, BS_AUTH_SASL_FINAL, data);
}

void
bs_msg_put_auth_ok(struct bs_buf *b)
{
    put_auth(b, BS_AUTH_OK, (struct bs_bytes){0});
}

void
bs_msg_put_parameter_status(struct bs_buf *b, const char *name, const char *value)
{
    struct building m = open_message(b, 'S');

    put_string(b, name);
    put_string(b, value);
    close_message(m);
}

void
bs_msg_put_key_data(struct bs_buf *b, uint32_t pid, struct bs_bytes secret)
{
    struct building m = open_message(b, 'K');

    bs_put_u32(b, pid);
    bs_put_bytes(b, secret);
    close_message(m);
}

void
bs_msg_put_ready(struct bs_buf *b, uint8_t status)
{
    struct building m = open_message(b, 'Z');

    bs_put_u8(b, status);
    close_message(m);
}

static void
put_field(struct bs_buf *b, char code, const char *text)
{
    if (text == NULL || text[0] == '\0')
        return;
    bs_put_u8(b, (uint8_t)code);
    put_string(b, text);
}

static void
put_report(struct bs_buf *b, char type, const struct bs_report *r)
{
    struct building m = open_message(b, type);

    put_field(b, 'S', r->severity);
    put_field(b, 'V', r->severity);
    put_field(b, 'C', r->sqlstate);
    put_field(b, 'M', r->message);
    put_field(b, 'D', r->detail);
    put_field(b, 'H', r->hint);
    if (r->position != 0) {
        char text[12];
        (void)snprintf(text, sizeof(text), "%u", r->position);
        put_field(b, 'P', text);
    }
    bs_put_u8(b, 0);
    close_message(m);
}

void
bs_msg_put_error(struct bs_buf *b, const struct bs_report *report)
{
    put_report(b, 'E', report);
}

void
bs_msg_put_notice(struct bs_buf *b, const struct bs_report *report)
{
    put_report(b, 'N', report);
}

void
bs_msg_put_err(struct bs_buf *b, const char *severity, const struct bs_err *err)
{
    const struct bs_report report = {.severity = severity,
                                     .sqlstate = bs_err_sqlstate(err),
                                     .message = err->message,
                                     .hint = err->hint};

    bs_msg_put_error(b, &report);
}

void
bs_msg_put_negotiate(struct bs_buf *b, uint16_t minor, const char *const *unknown, size_t n_unknown)
{
    struct building m = open_message(b, 'v');

    bs_put_u32(b, 3u << 16 | minor);
    bs_put_u32(b, (uint32_t)n_unknown);
    for (size_t i = 0; i < n_unknown; i++)
        put_string(b, unknown[i]);
    close_message(m);
}

void
bs_msg_put_command_complete(struct bs_buf *b, const char *tag)
{
    struct building m = open_message(b, 'C');

    put_string(b, tag);
    close_message(m);
}

void
bs_msg_put_empty_query(struct bs_buf *b)
{
    put_empty(b, 'I');
}

void
bs_msg_put_parse_complete(struct bs_buf *b)
{
    put_empty(b, '1');
}

void
bs_msg_put_bind_complete(struct bs_buf *b)
{
    put_empty(b, '2');
}

void
bs_msg_put_close_complete(struct bs_buf *b)
{
    put_empty(b, '3');
}

void
bs_msg_put_no_data(struct bs_buf *b)
{
    put_empty(b, 'n');
}

void
bs_msg_put_query(struct bs_buf *b, struct bs_bytes text)
{
    struct building m = open_message(b, 'Q');

    put_text(b, text);
    close_message(m);
}

/* A count of at most 65,535, as counts on the wire are. */
static void
put_count(struct bs_buf *b, size_t n)
{
    if (n > UINT16_MAX)
        b->failed = true;
    bs_put_u16(b, (uint16_t)n);
}

void
bs_msg_put_parse(struct bs_buf *b,
                 struct bs_bytes name,
                 struct bs_bytes query,
                 const uint32_t *types,
                 size_t n_types)
{
    struct building m = open_message(b, 'P');

    put_text(b, name);
    put_text(b, query);
    put_count(b, n_types);
    for (size_t i = 0; i < n_types; i++)
        bs_put_u32(b, types[i]);
    close_message(m);
}

static void
put_value(struct bs_buf *b, const struct bs_value *v)
{
    if (v->is_null) {
        bs_put_u32(b, UINT32_MAX);
        return;
    }
    if (v->bytes.n > INT32_MAX)
        b->failed = true;
    bs_put_u32(b, (uint32_t)v->bytes.n);
    bs_put_bytes(b, v->bytes);
}

void
bs_msg_put_bind(struct bs_buf *b,
                struct bs_bytes portal,
                struct bs_bytes statement,
                const struct bs_value *values,
                size_t n_values)
{
    struct building m = open_message(b, 'B');

    put_text(b, portal);
    put_text(b, statement);
    put_count(b, 0); /* all parameters in text format */
    put_count(b, n_values);
    for (size_t i = 0; i < n_values; i++)
        put_value(b, &values[i]);
    put_count(b, 0); /* all results in text format */
    close_message(m);
}

void
bs_msg_put_bind_without(struct bs_buf *b, const struct bs_bind *bind)
{
    struct building m = open_message(b, 'B');

    put_text(b, bind->portal);
    put_text(b, bind->statement);
    put_count(b, 0);
    put_count(b, 0);
    put_count(b, bind->results.n);
    bs_put_bytes(b, bind->results.raw);
    close_message(m);
}

/* Describe and Close have the same body. */
static void
put_target(struct bs_buf *b, char type, uint8_t kind, struct bs_bytes name)
{
    struct building m = open_message(b, type);

    bs_put_u8(b, kind);
    put_text(b, name);
    close_message(m);
}

void
bs_msg_put_describe(struct bs_buf *b, uint8_t kind, struct bs_bytes name)
{
    put_target(b, 'D', kind, name);
}

void
bs_msg_put_execute(struct bs_buf *b, struct bs_bytes portal, uint32_t max_rows)
{
    struct building m = open_message(b, 'E');

    put_text(b, portal);
    bs_put_u32(b, max_rows);
    close_message(m);
}

void
bs_msg_put_close(struct bs_buf *b, uint8_t kind, struct bs_bytes name)
{
    put_target(b, 'C', kind, name);
}

void
bs_msg_put_sync(struct bs_buf *b)
{
    put_empty(b, 'S');
}

void
bs_msg_put_flush(struct bs_buf *b)
{
    put_empty(b, 'H');
}

void
bs_msg_put_terminate(struct bs_buf *b)
{
    put_empty(b, 'X');
}

void
bs_msg_put_copy_fail(struct bs_buf *b, const char *reason)
{
    struct building m = open_message(b, 'f');

    put_string(b, reason);
    close_message(m);
}

void
bs_msg_put_password(struct bs_buf *b, const char *password)
{
    struct building m = open_message(b, 'p');

    put_string(b, password);
    close_message(m);
}

void
bs_msg_put_sasl_initial(struct bs_buf *b, const char *mechanism, struct bs_bytes data)
{
    struct building m = open_message(b, 'p');

    put_string(b, mechanism);
    bs_put_u32(b, (uint32_t)data.n);
    bs_put_bytes(b, data);
    close_message(m);
}

void
bs_msg_put_sasl_response(struct bs_buf *b, struct bs_bytes data)
{
    struct building m = open_message(b, 'p');

    bs_put_bytes(b, data);
    close_message(m);
}
