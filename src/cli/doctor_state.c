/*
 * doctor_state.c - a state in PostgreSQL, seen from an agent's session: whoever reaches it there approves
 * for itself.
 */
#include <stdlib.h>
#include <string.h>

#include "cli/doctor.h"

static const char where_sql[] =
    "SELECT (SELECT system_identifier FROM pg_catalog.pg_control_system()),"
    " pg_catalog.current_database(), current_user";

static const char reach_sql[] =
    "SELECT (SELECT system_identifier::text FROM pg_catalog.pg_control_system()) ="
    " $1::text, pg_catalog.current_database() = $2::text,"
    " (SELECT r.rolsuper FROM pg_catalog.pg_roles r WHERE r.rolname = current_user) OR EXISTS ("
    " SELECT 1 FROM pg_catalog.pg_roles r WHERE r.rolname = $3::text"
    " AND pg_catalog.pg_has_role(current_user, r.oid, 'MEMBER')),"
    " EXISTS (SELECT 1 FROM pg_catalog.pg_database d WHERE d.datname = $2::text"
    " AND pg_catalog.has_database_privilege(d.oid, 'CONNECT'))";

static void
judge(struct bs_doctor *d, const char *scope, const PGresult *res, const char *role)
{
    const struct bs_topic topic = {scope, "upstream.state"};
    bool is[4];

    for (int i = 0; i < 4; i++)
        is[i] = strcmp(PQgetvalue(res, 0, i), "t") == 0;
    if (!is[0])
        bs_doctor_note(d, BS_FINDING_OK, topic, NULL, "state: lies in another server");
    else if (is[2])
        bs_doctor_note(
            d, BS_FINDING_FAIL, topic,
            "put the state into a server that no agent reaches, or take superuser and "
            "membership away",
            "state: lies in this server, where agents' sessions can act as %s and approve "
            "what they ask for",
            role);
    else if (is[1] || is[3])
        bs_doctor_note(d, BS_FINDING_WARN, topic,
                       "put it into a server that no agent reaches, or REVOKE CONNECT ON DATABASE "
                       "... FROM PUBLIC",
                       "state: lies in %s, to which agents' sessions can connect; only the rights "
                       "on its schema keep them out",
                       is[1] ? "this database" : "this server, in a database");
    else
        bs_doctor_note(d, BS_FINDING_OK, topic, NULL,
                       "state: lies in this server, and agents' sessions cannot connect to it");
}

void
bs_doctor_state_reach(struct bs_doctor *d, const char *scope, PGconn *actor)
{
    PGconn *conn;
    PGresult *where = NULL, *res = NULL;

    if (d->state == NULL || !bs_state_shared(d->state))
        return;
    conn = PQconnectdb(d->config->state_url);
    if (PQstatus(conn) == CONNECTION_OK)
        where = PQexec(conn, where_sql);
    if (where != NULL && PQntuples(where) == 1) {
        const char *values[] = {PQgetvalue(where, 0, 0), PQgetvalue(where, 0, 1),
                                PQgetvalue(where, 0, 2)};
        res = PQexecParams(actor, reach_sql, 3, NULL, values, NULL, NULL, 0);
    }
    if (res != NULL && PQntuples(res) == 1)
        judge(d, scope, res, PQgetvalue(where, 0, 2));
    else
        bs_doctor_note(d, BS_FINDING_WARN, (struct bs_topic){scope, "upstream.state"}, NULL,
                       "state: it is not known whether agents' sessions reach it");
    PQclear(res);
    PQclear(where);
    PQfinish(conn);
}
