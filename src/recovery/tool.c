/*
 * tool.c - what a program of PostgreSQL is told by its environment.
 */
#include "recovery/tool.h"

#include <string.h>

/* The very server that `conn` reached (a conninfo may name several hosts), and its credentials. */
static void
env_server(struct bs_env *e, PGconn *conn)
{
    static const char *const own[] = {"PGHOST",          "PGHOSTADDR",           "PGPORT",
                                      "PGAPPNAME",       "PGTARGETSESSIONATTRS", "PGOPTIONS",
                                      "PGCLIENTENCODING"};
    PQconninfoOption *all = PQconninfo(conn);
    const char *address = PQhostaddr(conn);

    for (const PQconninfoOption *o = all; o != NULL && o->keyword != NULL; o++) {
        bool skip = o->envvar == NULL || o->val == NULL || o->val[0] == '\0' ||
                    strcmp(o->keyword, "service") == 0;
        for (size_t i = 0; !skip && i < sizeof(own) / sizeof(own[0]); i++)
            skip = strcmp(o->envvar, own[i]) == 0;
        if (!skip)
            bs_env_add(e, o->envvar, o->val);
    }
    PQconninfoFree(all);
    bs_env_add(e, "PGHOST", PQhost(conn));
    if (address != NULL && address[0] != '\0' && PQhost(conn)[0] != '/')
        bs_env_add(e, "PGHOSTADDR", address);
    bs_env_add(e, "PGPORT", PQport(conn));
    bs_env_add(e, "PGAPPNAME", "backstop/helper");
}

enum bs_done
bs_tool_start(struct bs_child *c, char *const *argv, PGconn *conn, struct bs_err *err)
{
    struct bs_env env = {0};
    enum bs_done done;

    if (conn != NULL)
        env_server(&env, conn);
    done = bs_child_start(c, argv, &env, BS_E_NO_POINT, err);
    bs_env_fini(&env);
    return done;
}
