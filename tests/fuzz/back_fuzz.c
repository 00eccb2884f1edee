/*
 * back_fuzz.c - the stream of a hostile server: framing and every decoder.
 */
#include "fuzz.h"

#include "wire/frame.h"
#include "wire/messages.h"

static void
report(struct bs_bytes body, struct bs_err *err)
{
    struct bs_report_fields r;

    if (bs_msg_read_report(body, &r, err) == BS_FAILED)
        return;
    fuzz_touch(r.severity_local);
    fuzz_touch(r.severity);
    fuzz_touch(r.sqlstate);
    fuzz_touch(r.message);
    fuzz_touch(r.detail);
    fuzz_touch(r.hint);
    fuzz_touch(r.constraint);
}

static void
columns(struct bs_bytes body, struct bs_err *err)
{
    struct bs_columns list;
    struct bs_column c;
    size_t n = 0;

    if (bs_msg_read_columns(body, &list, err) == BS_FAILED)
        return;
    for (struct bs_columns left = list; bs_columns_next(&left, &c); n++)
        fuzz_touch(c.name);
    HOLD(n == list.n);
}

static void
row(struct bs_bytes body, struct bs_err *err)
{
    struct bs_values list;
    struct bs_value v;
    size_t n = 0;

    if (bs_msg_read_row(body, &list, err) == BS_FAILED)
        return;
    for (struct bs_values left = list; bs_values_next(&left, &v); n++) {
        fuzz_touch(v.bytes);
        HOLD(!v.is_null || v.bytes.n == 0);
    }
    HOLD(n == list.n);
}

static void
tag(struct bs_bytes body, struct bs_err *err)
{
    struct bs_tag t;

    if (bs_msg_read_tag(body, &t, err) == BS_FAILED)
        return;
    HOLD(t.verb.n <= t.text.n && (t.has_rows || t.rows == 0));
    fuzz_touch(t.verb);
}

static void
auth(struct bs_bytes body, struct bs_err *err)
{
    struct bs_auth_request a;

    if (bs_msg_read_auth(body, &a, err) == BS_FAILED)
        return;
    fuzz_touch(a.data);
    (void)bs_auth_offers(&a, "SCRAM-SHA-256");
}

static void
small(uint8_t type, struct bs_bytes body, struct bs_err *err)
{
    struct bs_notification note;
    struct bs_negotiation negotiation;
    struct bs_key_data key;
    struct bs_bytes name, value;
    struct bs_oids oids;
    uint8_t status;

    if (type == 'Z' && bs_msg_read_ready(body, &status, err) == BS_DONE)
        HOLD(status == 'I' || status == 'T' || status == 'E');
    if (type == 'K' && bs_msg_read_key_data(body, &key, err) == BS_DONE)
        HOLD(key.secret.n >= 4 && key.secret.n <= 256);
    if (type == 'S' && bs_msg_read_parameter_status(body, &name, &value, err) == BS_DONE)
        HOLD(name.n + value.n + 2 == body.n);
    if (type == 'A' && bs_msg_read_notification(body, &note, err) == BS_DONE)
        HOLD(note.channel.n + note.payload.n + 6 == body.n);
    if (type == 'v' && bs_msg_read_negotiation(body, &negotiation, err) == BS_DONE)
        HOLD(negotiation.unknown.n + 8 == body.n && negotiation.n_unknown <= body.n);
    if (type == 't' && bs_msg_read_param_types(body, &oids, err) == BS_DONE)
        HOLD(oids.n * 4 + 2 == body.n);
}

static void
decode(const struct bs_frame *f)
{
    struct bs_err err = {0};

    switch (f->type) {
    case 'E':
    case 'N':
        report(f->body, &err);
        break;
    case 'T':
        columns(f->body, &err);
        break;
    case 'D':
        row(f->body, &err);
        break;
    case 'C':
        tag(f->body, &err);
        break;
    case 'R':
        auth(f->body, &err);
        break;
    default:
        small(f->type, f->body, &err);
        break;
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bs_bytes in = {data, size};
    struct bs_frame frame;
    struct bs_err err = {0};

    while (bs_frame_next(&in, 1 << 20, &frame, &err) == BS_SCAN_GOT)
        decode(&frame);
    return 0;
}
