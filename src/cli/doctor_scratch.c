/*
 * doctor_scratch.c - the database that tables are loaded into for proof: can it be, and is it none that
 * is protected? What a capture would find out while it holds its locks.
 */
#include <string.h>

#include "cli/doctor.h"

#define NOTE(d, db, LEVEL, way, ...)                                                               \
    bs_doctor_note((d), BS_FINDING_##LEVEL, (struct bs_topic){(db)->name, "scratch"}, (way),       \
                   __VA_ARGS__)

/* Who it is, and whether something temporary may be made in it. */
static const char what_sql[] =
    "SELECT s.system_identifier::pg_catalog.text || '/' || d.oid, d.datname,"
    " pg_catalog.has_database_privilege(d.oid, 'TEMPORARY'), pg_catalog.pg_is_in_recovery()"
    " FROM pg_catalog.pg_control_system() s, pg_catalog.pg_database d"
    " WHERE d.datname = pg_catalog.current_database()";

void
bs_doctor_scratch(struct bs_doctor *d, const struct bs_config_database *db, PGconn *helper)
{
    const char *const keys[] = {"dbname", "connect_timeout", NULL};
    const char *const values[] = {d->config->scratch, "15", NULL};
    PGconn *conn;
    PGresult *there = NULL, *here;

    if (d->config->scratch == NULL)
        return;
    conn = PQconnectdbParams(keys, values, 1);
    here = bs_doctor_ask(helper, what_sql, NULL);
    if (PQstatus(conn) == CONNECTION_OK)
        there = bs_doctor_ask(conn, what_sql, NULL);
    if (PQstatus(conn) != CONNECTION_OK || there == NULL || PQntuples(there) != 1 || here == NULL ||
        PQntuples(here) != 1)
        NOTE(d, db, FAIL, "see recovery.scratch; until then nothing is proven as restored",
             "scratch database: it cannot be asked: %.*s", (int)strcspn(PQerrorMessage(conn), "\n"),
             PQerrorMessage(conn));
    else if (strcmp(PQgetvalue(there, 0, 0), PQgetvalue(here, 0, 0)) == 0)
        NOTE(d, db, FAIL, "let recovery.scratch name a database that nobody needs",
             "scratch database: it is the protected database itself");
    else if (PQgetvalue(there, 0, 2)[0] != 't' || PQgetvalue(there, 0, 3)[0] == 't')
        NOTE(d, db, FAIL, "let its role make temporary tables there",
             "scratch database: %s may make nothing temporary in %s", PQuser(conn),
             PQgetvalue(there, 0, 1));
    else
        NOTE(d, db, OK, NULL, "scratch database: %s, as %s", PQgetvalue(there, 0, 1), PQuser(conn));
    PQclear(there);
    PQclear(here);
    PQfinish(conn);
}
