/*
 * session.c - the connection is kept because a poll every few seconds should not make the server
 * start a process each time.
 */
#include "catalog/session.h"

#include <stdlib.h>
#include <string.h>

#include "catalog/model.h"
#include "catalog/reader.h"

struct bs_catalog_session {
    const char *conninfo;
    struct bs_reader reader;
    int64_t written; /* of the last look: rows of catalogs that were written, ever */
};

struct bs_catalog_session *
bs_catalog_session_new(const char *conninfo)
{
    struct bs_catalog_session *c = bs_malloc(sizeof(*c));

    c->conninfo = conninfo;
    return c;
}

void
bs_catalog_session_free(struct bs_catalog_session **c)
{
    if (*c == NULL)
        return;
    bs_catalog_session_rest(*c);
    free(*c);
    *c = NULL;
}

void
bs_catalog_session_rest(struct bs_catalog_session *c)
{
    bs_reader_close(&c->reader);
}

static enum bs_done
read_once(struct bs_catalog_session *c,
          struct bs_snapshot *old,
          struct bs_snapshot **out,
          struct bs_err *err)
{
    if (c->reader.conn == NULL && bs_reader_open(&c->reader, c->conninfo, err) != BS_DONE)
        return BS_FAILED;
    if (bs_catalog_read(&c->reader, old, out, err) == BS_DONE)
        return BS_DONE;
    bs_reader_close(&c->reader);
    return BS_FAILED;
}

enum bs_done
bs_catalog_session_read(struct bs_catalog_session *c,
                        struct bs_snapshot *old,
                        struct bs_snapshot **out,
                        struct bs_err *err)
{
    struct bs_err first = {0};

    *out = NULL;
    /* One that was made before may have been lost since. */
    if (c->reader.conn != NULL && read_once(c, old, out, &first) == BS_DONE)
        return BS_DONE;
    return read_once(c, old, out, err);
}

/* Every catalog that a table is read from, by its name: system catalogs have the same names, but
 * not the same OIDs, in every release. */
static const char look_sql[] =
    "SELECT pg_catalog.pg_current_snapshot()::pg_catalog.text,"
    " pg_catalog.date_part('epoch', pg_catalog.pg_postmaster_start_time()),"
    " (SELECT d.oid FROM pg_catalog.pg_database d"
    " WHERE d.datname = pg_catalog.current_database()),"
    " (SELECT pg_catalog.sum(pg_catalog.pg_stat_get_tuples_inserted(c.oid) +"
    " pg_catalog.pg_stat_get_tuples_updated(c.oid) +"
    " pg_catalog.pg_stat_get_tuples_deleted(c.oid))::pg_catalog.int8 FROM pg_catalog.pg_class c"
    " WHERE c.relnamespace = 11 AND c.relname IN ('pg_namespace', 'pg_language', 'pg_extension',"
    " 'pg_class', 'pg_type', 'pg_range', 'pg_proc', 'pg_aggregate', 'pg_operator', 'pg_attribute',"
    " 'pg_index', 'pg_inherits', 'pg_constraint', 'pg_attrdef', 'pg_statistic_ext',"
    " 'pg_partitioned_table', 'pg_policy', 'pg_rewrite', 'pg_trigger', 'pg_cast',"
    " 'pg_event_trigger', 'pg_publication', 'pg_publication_rel', 'pg_publication_namespace',"
    " 'pg_depend'))";

static enum bs_change
compare(struct bs_catalog_session *c, const struct bs_snapshot *s, const PGresult *res)
{
    const char *moment = bs_text_at(res, 0, 0);
    double started = bs_double_at(res, 0, 1);
    int64_t written = bs_int8_at(res, 0, 3), before = c->written;

    c->written = written;
    if (moment != NULL && strcmp(moment, s->moment) == 0 && started >= s->started &&
        started <= s->started && bs_oid_at(res, 0, 2) == s->database)
        return BS_CHANGE_NONE;
    return written == before ? BS_CHANGE_POSSIBLE : BS_CHANGE_LIKELY;
}

enum bs_done
bs_catalog_session_look(struct bs_catalog_session *c,
                        const struct bs_snapshot *s,
                        enum bs_change *out,
                        struct bs_err *err)
{
    PGresult *res = NULL;

    *out = BS_CHANGE_LIKELY;
    if (c->reader.conn == NULL && bs_reader_open(&c->reader, c->conninfo, err) != BS_DONE)
        return BS_FAILED;
    if (bs_reader_query(&c->reader, look_sql, 4, &res, err) != BS_DONE) {
        bs_reader_close(&c->reader);
        return BS_FAILED;
    }
    if (PQntuples(res) == 1)
        *out = compare(c, s, res);
    PQclear(res);
    return BS_DONE;
}
