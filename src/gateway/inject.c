/*
 * inject.c - Parse, Bind, Execute, Close and Sync in one packet.
 */
#include "gateway/inject.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "gateway/running.h"
#include "wire/messages.h"

/* Enters what the server owes for one of our messages. */
static void
owe(struct bs_relay *r, enum bs_reply_kind kind)
{
    bs_replies_push(&r->replies, kind)->whose = BS_REPLY_SILENT;
}

/* A name that no function can guess and take beforehand. */
static void
new_name(char out[48])
{
    uint8_t raw[16];
    char hex[33];

    bs_random(raw, sizeof(raw));
    bs_hex(raw, sizeof(raw), hex);
    (void)snprintf(out, 48, "backstop_%s", hex);
}

void
bs_inject(struct bs_relay *r, const char *sql, bs_inject_row_fn *row, bs_inject_done_fn *done)
{
    struct bs_inject *in = &r->inject;
    struct bs_bytes name;
    struct bs_buf b;

    bs_assert(!in->running && r->replies.n == 0);
    bs_buf_init(&b, 65536);
    if (in->stale[0] != '\0') {
        bs_msg_put_close(&b, 'S', bs_bytes_of(in->stale));
        owe(r, BS_REPLY_CLOSE);
        in->stale[0] = '\0';
    }
    new_name(in->name);
    name = bs_bytes_of(in->name);
    in->running = true;
    in->failed = false;
    in->sqlstate[0] = in->message[0] = in->tag[0] = '\0';
    in->row = row;
    in->done = done;
    bs_msg_put_parse(&b, name, bs_bytes_of(sql), NULL, 0);
    owe(r, BS_REPLY_PARSE);
    bs_msg_put_bind(&b, name, name, NULL, 0);
    owe(r, BS_REPLY_BIND);
    bs_msg_put_execute(&b, name, 0);
    owe(r, BS_REPLY_EXECUTE);
    bs_msg_put_close(&b, 'S', name);
    owe(r, BS_REPLY_CLOSE);
    bs_msg_put_sync(&b);
    owe(r, BS_REPLY_SYNC);
    bs_assert(!b.failed);
    bs_relay_to_server(r, bs_buf_view(&b));
    bs_buf_fini(&b);
}

static void
copy_text(char *out, size_t size, struct bs_bytes text)
{
    size_t n = text.n >= size ? size - 1 : text.n;

    if (n != 0)
        memcpy(out, text.p, n);
    out[n] = '\0';
}

static void
on_row(struct bs_relay *r, struct bs_bytes body)
{
    struct bs_bytes values[BS_INJECT_COLUMNS] = {{NULL, 0}};
    struct bs_values row;
    struct bs_value value;
    struct bs_err err = {0};
    size_t n = 0;

    if (r->inject.row == NULL)
        return;
    if (bs_msg_read_row(body, &row, &err) != BS_DONE) {
        bs_session_fail(r->s, "08P01", "the database broke the protocol");
        return;
    }
    while (n < BS_INJECT_COLUMNS && bs_values_next(&row, &value)) {
        values[n] = value.is_null ? (struct bs_bytes){NULL, 0} : value.bytes;
        n++;
    }
    r->inject.row(r, values, n);
}

static void
on_failure(struct bs_inject *in, struct bs_bytes body)
{
    struct bs_report_fields report = {0};
    struct bs_err err = {0};

    in->failed = true;
    memcpy(in->stale, in->name, sizeof(in->stale));
    if (bs_msg_read_report(body, &report, &err) != BS_DONE)
        return;
    copy_text(in->sqlstate, sizeof(in->sqlstate), report.sqlstate);
    copy_text(in->message, sizeof(in->message), report.message);
}

bool
bs_inject_on_reply(struct bs_relay *r, uint8_t type, struct bs_bytes body)
{
    struct bs_inject *in = &r->inject;
    struct bs_tag tag;
    struct bs_err err = {0};

    switch (type) {
    case 'D':
        on_row(r, body);
        return false;
    case 'C':
        if (bs_msg_read_tag(body, &tag, &err) == BS_DONE)
            copy_text(in->tag, sizeof(in->tag), tag.text);
        return false;
    case 'E':
        on_failure(in, body);
        return false;
    case 'Z':
        in->running = false;
        in->status = r->status;
        in->done(r);
        return true;
    default:
        return false;
    }
}
