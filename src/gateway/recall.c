/*
 * recall.c - what a session's names mean, after code that nobody has read has run: a function may give
 * a prepared statement's name another meaning by DEALLOCATE and PREPARE, make temporary objects that
 * are found before all others, set a search_path, or change the catalog in the open transaction. So
 * the server is asked what it has, before a name is used again. Where it does not answer, all of them
 * stay in doubt. What temporary objects there are, and what they run, it is asked after everything
 * that may have changed them.
 */
#include <string.h>

#include "catalog/told.h"
#include "gateway/asking.h"
#include "sql/settings.h"
#include "state/rows.h"

/* The last row is the session's: search_path, is it the one at its start, has it temporary
 * relations or types, has its transaction written to the catalogs (or one just before it)? Data of
 * large objects is none. */
static const char names_sql[] =
    "SELECT s.name, pg_catalog.encode(pg_catalog.sha256(pg_catalog.convert_to("
    "s.statement, 'UTF8')), 'hex'), s.from_sql, NULL::pg_catalog.text, NULL::pg_catalog.bool,"
    " NULL::pg_catalog.bool, NULL::pg_catalog.bool FROM pg_catalog.pg_prepared_statements s"
    " UNION ALL SELECT NULL, NULL, NULL, p.setting,"
    " p.setting OPERATOR(pg_catalog.=) p.reset_val,"
    " EXISTS (SELECT FROM pg_catalog.pg_class c WHERE"
    " c.relnamespace OPERATOR(pg_catalog.=) pg_catalog.pg_my_temp_schema())"
    " OR EXISTS (SELECT FROM pg_catalog.pg_type t WHERE"
    " t.typnamespace OPERATOR(pg_catalog.=) pg_catalog.pg_my_temp_schema()),"
    " EXISTS (SELECT FROM pg_catalog.pg_class c WHERE c.oid OPERATOR(pg_catalog.<)"
    " '16384'::pg_catalog.oid AND c.oid OPERATOR(pg_catalog.<>) '2613'::pg_catalog.oid AND "
    "(pg_catalog.pg_stat_get_xact_tuples_inserted(c.oid)"
    " OPERATOR(pg_catalog.<>) '0'::pg_catalog.int8"
    " OR pg_catalog.pg_stat_get_xact_tuples_updated(c.oid)"
    " OPERATOR(pg_catalog.<>) '0'::pg_catalog.int8"
    " OR pg_catalog.pg_stat_get_xact_tuples_deleted(c.oid)"
    " OPERATOR(pg_catalog.<>) '0'::pg_catalog.int8))"
    " FROM pg_catalog.pg_settings p WHERE p.name OPERATOR(pg_catalog.=) 'search_path'";

static bool
is(struct bs_bytes value, const char *word)
{
    return value.p != NULL && bs_bytes_equal(value, bs_bytes_of(word));
}

/* What is still in doubt when the server has said what the session has. */
static void
settle_session(struct bs_relay *r, const struct bs_bytes *values)
{
    struct bs_session_state *state = &r->state;
    char path[1024];

    if (!state->own.lost)
        return; /* it was asked for prepared statements alone */
    if (is(values[2], "f")) {
        state->own.lost = state->retold = false;
        bs_told_begin(&state->own); /* and nothing to tell */
    }
    state->meaning.temporary = !is(values[2], "f");
    if (is(values[3], "f"))
        state->own.code = state->own.relations = state->meaning.uncommitted_ddl = false;
    if (values[0].n >= sizeof(path))
        return;
    memcpy(path, values[0].p, values[0].n);
    path[values[0].n] = '\0';
    state->meaning.path_changed =
        bs_setting_judge("search_path", path) != BS_SETTING_HARMLESS && !is(values[1], "t");
    if (is(values[1], "t"))
        state->path[0] = '\0';
    else
        bs_sha256_text(path, state->path);
}

static void
on_row(struct bs_relay *r, const struct bs_bytes *values, size_t n)
{
    char text[BS_SHA256_TEXT];
    struct bs_prepared *p = NULL;

    if (n == 7 && values[3].p != NULL)
        settle_session(r, values + 3);
    else if (n == 7 && values[0].p != NULL)
        p = bs_names_find(&r->state.names, values[0]);
    if (p == NULL)
        return;
    bs_sha256_text((const char *)p->text.p, text); /* copies end with a NUL */
    p->doubted = !bs_bytes_equal(values[1], bs_bytes_of(p->query[0] == '\0' ? text : p->query)) ||
                 bs_bytes_equal(values[2], BS_LIT("t")) != p->prepared_in_sql;
}

static void
on_told_row(struct bs_relay *r, const struct bs_bytes *values, size_t n)
{
    if (n == BS_TOLD_COLUMNS)
        bs_told_row(&r->state.own, values, &r->state.told_arena);
    else
        r->state.own.lost = true;
}

static void
on_told(struct bs_relay *r)
{
    if (r->inject.failed)
        r->state.own.lost = true;
    r->state.meaning.temporary = bs_own_has_temporary(&r->state.own);
    bs_relay_resume(r);
}

/* Which temporary objects there are: all that is known is what it answers. */
static void
ask_temporary(struct bs_relay *r)
{
    r->state.retold = r->state.own.lost = false;
    bs_told_begin(&r->state.own);
    bs_arena_reset(&r->state.told_arena);
    bs_inject(r, bs_told_sql, on_told_row, on_told);
}

static void
on_asked(struct bs_relay *r)
{
    struct bs_session_state *state = &r->state;

    state->unread = false;
    bs_names_drop_doubted(&state->names); /* all, where the server did not answer */
    if (r->inject.failed)
        state->own.lost = true;
    if (r->inject.failed || state->meaning.own == NULL || (!state->retold && !state->own.lost)) {
        state->retold = false; /* not once more for the same message */
        bs_relay_resume(r);
        return;
    }
    ask_temporary(r);
}

bool
bs_ask_must_recall(const struct bs_relay *r)
{
    const struct bs_session_state *state = &r->state;

    if (r->status == 'E' || (r->skipping && r->replies.n == 0))
        return false; /* the server answers nothing before the Sync that is looked at */
    /* A Sync of ours in between would end the client's transaction: only for what nobody has read. */
    return (state->unread && (state->names.n != 0 || state->own.lost)) ||
           (state->retold && !r->series_open);
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
    if (!r->state.unread) {
        ask_temporary(r);
        return false;
    }
    bs_names_doubt(&r->state.names);
    bs_inject(r, names_sql, on_row, on_asked);
    return false;
}
