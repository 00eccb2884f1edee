/*
 * front_fuzz.c - the stream of a client: framing, legality, every decoder. What was decoded is
 * built again where we can build it, and must be the same bytes: then nothing was overlooked.
 */
#include "fuzz.h"

#include "wire/front.h"
#include "wire/messages.h"

#define CAP (1u << 20)

/* Whether the buffer holds the message with that body. */
static void
check_same(struct bs_buf *b, uint8_t type, struct bs_bytes body)
{
    HOLD(!b->failed && b->n == body.n + BS_FRAME_HEAD);
    HOLD(b->p[0] == type);
    HOLD(body.n == 0 || memcmp(b->p + BS_FRAME_HEAD, body.p, body.n) == 0);
    bs_buf_clear(b);
}

static void
query(struct bs_bytes body, struct bs_buf *b, struct bs_err *err)
{
    struct bs_bytes text;

    if (bs_msg_read_query(body, &text, err) == BS_DONE) {
        bs_msg_put_query(b, text);
        check_same(b, 'Q', body);
    }
}

static void
parse(struct bs_bytes body, struct bs_buf *b, struct bs_err *err)
{
    struct bs_parse m;
    uint32_t *types;

    if (bs_msg_read_parse(body, &m, err) == BS_FAILED)
        return;
    types = calloc(m.types.n + 1, sizeof(*types));
    HOLD(types != NULL);
    for (size_t i = 0; i < m.types.n; i++)
        types[i] = bs_oids_at(&m.types, i);
    HOLD(bs_oids_at(&m.types, m.types.n) == 0);
    bs_msg_put_parse(b, m.name, m.query, types, m.types.n);
    check_same(b, 'P', body);
    free(types);
}

static void
bind(struct bs_bytes body, struct bs_buf *b, struct bs_err *err)
{
    struct bs_bytes portal, statement;
    struct bs_err names_err = {0};
    struct bs_value *values;
    struct bs_bind m;
    size_t n = 0;

    if (bs_msg_read_bind(body, &m, err) == BS_FAILED)
        return;
    HOLD(bs_msg_read_bind_names(body, (uint32_t)body.n, &portal, &statement, &names_err) ==
         BS_DONE);
    HOLD(bs_bytes_equal(portal, m.portal) && bs_bytes_equal(statement, m.statement));
    values = calloc(m.values.n + 1, sizeof(*values));
    HOLD(values != NULL);
    for (struct bs_values left = m.values; bs_values_next(&left, &values[n]); n++) {
        fuzz_touch(values[n].bytes);
        HOLD(bs_formats_at(&m.formats, n) <= 1);
    }
    HOLD(n == m.values.n);
    for (size_t i = 0; i <= m.results.n; i++)
        HOLD(bs_formats_at(&m.results, i) <= 1);
    if (m.formats.n == 0 && m.results.n == 0) {
        bs_msg_put_bind(b, m.portal, m.statement, values, n);
        check_same(b, 'B', body);
    }
    free(values);
}

static void
target(uint8_t type, struct bs_bytes body, struct bs_buf *b, struct bs_err *err)
{
    struct bs_named m;

    if (bs_msg_read_target(body, &m, err) == BS_FAILED)
        return;
    if (type == 'D')
        bs_msg_put_describe(b, m.kind, m.name);
    else
        bs_msg_put_close(b, m.kind, m.name);
    check_same(b, type, body);
}

static void
execute(struct bs_bytes body, struct bs_buf *b, struct bs_err *err)
{
    struct bs_execute m;

    if (bs_msg_read_execute(body, &m, err) == BS_DONE) {
        bs_msg_put_execute(b, m.portal, m.max_rows);
        check_same(b, 'E', body);
    }
}

static void
auth(struct bs_bytes body, struct bs_err *err)
{
    struct bs_sasl_initial m;
    struct bs_bytes password;

    if (bs_msg_read_sasl_initial(body, &m, err) == BS_DONE) {
        fuzz_touch(m.mechanism);
        fuzz_touch(m.data);
    }
    if (bs_msg_read_password(body, &password, err) == BS_DONE)
        HOLD(password.n + 1 == body.n);
}

static void
decode(const struct bs_frame *f, struct bs_buf *b)
{
    struct bs_err err = {0};
    struct bs_bytes reason;

    switch (f->type) {
    case BS_FRONT_QUERY:
        query(f->body, b, &err);
        break;
    case BS_FRONT_PARSE:
        parse(f->body, b, &err);
        break;
    case BS_FRONT_BIND:
        bind(f->body, b, &err);
        break;
    case BS_FRONT_DESCRIBE:
    case BS_FRONT_CLOSE:
        target(f->type, f->body, b, &err);
        break;
    case BS_FRONT_EXECUTE:
        execute(f->body, b, &err);
        break;
    case BS_FRONT_AUTH_RESPONSE:
        auth(f->body, &err);
        break;
    case BS_FRONT_COPY_FAIL:
        if (bs_msg_read_copy_fail(f->body, &reason, &err) == BS_DONE)
            HOLD(reason.n + 1 == f->body.n);
        break;
    default:
        break;
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bs_bytes in = {data, size};
    struct bs_front_head head;
    struct bs_frame frame;
    struct bs_err err = {0};
    struct bs_buf b;

    bs_buf_init(&b, 2 * CAP);
    while (bs_front_peek(in, CAP, &head, &err) == BS_SCAN_GOT) {
        const uint8_t *at = in.p;

        if (bs_frame_next(&in, BS_FRAME_MAX_BODY, &frame, &err) != BS_SCAN_GOT)
            break;
        HOLD(frame.type == head.type && frame.body.n == head.body_len);
        HOLD(in.p == at + BS_FRAME_HEAD + head.body_len || in.n == 0);
        decode(&frame, &b);
    }
    bs_buf_fini(&b);
    return 0;
}
