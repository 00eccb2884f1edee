/*
 * recall.c - prepared statements, after code that nobody has read has run: a function may give a name
 * another meaning by DEALLOCATE and PREPARE, and what runs by that name would be judged by its old
 * text. So the server is asked what it has, before a name is used again.
 */
#include <string.h>

#include "gateway/asking.h"
#include "state/rows.h"

static void
on_row(struct bs_relay *r, const struct bs_bytes *values, size_t n)
{
    char text[BS_SHA256_TEXT];
    struct bs_prepared *p = n == 3 ? bs_names_find(&r->state.names, values[0]) : NULL;

    if (p == NULL)
        return;
    bs_sha256_text((const char *)p->text.p, text); /* copies end with a NUL */
    p->doubted = !bs_bytes_equal(values[1], bs_bytes_of(text)) ||
                 bs_bytes_equal(values[2], BS_LIT("t")) != p->prepared_in_sql;
}

static void
on_asked(struct bs_relay *r)
{
    r->state.unread = false;
    bs_names_drop_doubted(&r->state.names); /* all, where the server did not answer */
    bs_relay_resume(r);
}

bool
bs_ask_must_recall(const struct bs_relay *r)
{
    return r->state.unread && r->state.names.n != 0 && r->status != 'E';
}

bool
bs_ask_recall(struct bs_relay *r)
{
    if (r->series_open)
        return bs_ask_end_series(r);
    if (!bs_relay_quiet(r))
        return bs_ask_stall(r);
    r->mode = BS_MODE_OPENING;
    r->stalled = true;
    bs_names_doubt(&r->state.names);
    bs_inject(r,
              "SELECT s.name, pg_catalog.encode(pg_catalog.sha256(pg_catalog.convert_to("
              "s.statement, 'UTF8')), 'hex'), s.from_sql FROM pg_catalog.pg_prepared_statements s",
              on_row, on_asked);
    return false;
}
