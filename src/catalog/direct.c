/*
 * direct.c - the number that came with the login is the number of the process that answers, and that process has
 * got the name that was asked for at start-up. A pooler makes numbers up; a server of one session takes no names.
 */
#include "catalog/direct.h"

#include <stdio.h>
#include <string.h>

#define NAME_MAX_BYTES 63 /* the server cuts what is longer */

const char bs_direct_sql[] = "SELECT pg_catalog.pg_backend_pid()::pg_catalog.text,"
                             " pg_catalog.current_setting('application_name')";

/* One that the server stores as it came. */
static bool
is_plain(const char *name)
{
    size_t n = strlen(name);

    for (size_t i = 0; i < n; i++) {
        if (name[i] < ' ' || name[i] > '~')
            return false;
    }
    return n <= NAME_MAX_BYTES;
}

static bool
has_name(PGconn *conn, const char *told)
{
    PQconninfoOption *all = PQconninfo(conn);
    bool has = true;

    for (const PQconninfoOption *o = all; o != NULL && o->keyword != NULL; o++) {
        if (strcmp(o->keyword, "application_name") == 0 && o->val != NULL && is_plain(o->val))
            has = strcmp(o->val, told) == 0;
    }
    PQconninfoFree(all);
    return has;
}

enum bs_done
bs_direct_judge(PGconn *conn, const PGresult *res, enum bs_code code, struct bs_err *err)
{
    char own[16];

    (void)snprintf(own, sizeof(own), "%d", PQbackendPID(conn));
    if (PQntuples(res) != 1 || PQnfields(res) != BS_DIRECT_COLUMNS)
        return bs_err_set(err, code, "the server does not say which session this is");
    if (strcmp(PQgetvalue(res, 0, 0), own) == 0 && has_name(conn, PQgetvalue(res, 0, 1)))
        return BS_DONE;
    (void)bs_err_set(err, code,
                     "this is no session of the server's own: a pooler, or a server that has one"
                     " session for all, is at the other end");
    bs_err_hint(err, "point upstream and helper to the server itself");
    return BS_FAILED;
}
