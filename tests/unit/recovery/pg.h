/*
 * pg.h - a private PostgreSQL for one test program: a fresh cluster in a temporary folder, a Unix
 * socket and nothing else. Runs as "postgres" where the test runs as root.
 */
#ifndef BS_TEST_PG_H
#define BS_TEST_PG_H

#include <fcntl.h>
#include <glob.h>
#include <libpq-fe.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tap.h"

static char pg_dir[] = "/tmp/bs-pg-XXXXXX";
static char pg_bin[256];

static bool pg_shell(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

static bool
pg_shell(const char *fmt, ...)
{
    char line[2048];
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(line, sizeof(line), fmt, ap);
    va_end(ap);
    return system(line) == 0;
}

/* BACKSTOP_PG_BIN, else the newest of Debian's folders. */
static bool
pg_find(void)
{
    const char *set = getenv("BACKSTOP_PG_BIN");
    glob_t found = {0};

    if (set != NULL) {
        (void)snprintf(pg_bin, sizeof(pg_bin), "%s", set);
        return true;
    }
    if (glob("/usr/lib/postgresql/*/bin/initdb", 0, NULL, &found) == 0 && found.gl_pathc != 0) {
        const char *last = found.gl_pathv[found.gl_pathc - 1];
        (void)snprintf(pg_bin, sizeof(pg_bin), "%.*s", (int)(strlen(last) - strlen("/initdb")),
                       last);
    }
    globfree(&found);
    return pg_bin[0] != '\0';
}

static const char *
pg_as(void)
{
    return geteuid() == 0 ? "setpriv --reuid=postgres --regid=postgres --clear-groups env -i "
                            "PATH=/usr/bin:/bin LC_ALL=C.UTF-8 "
                          : "";
}

static int pg_leash = -1; /* closed however the test ends, and the keeper cleans up */
static pid_t pg_keeper;

/* A test that crashes must not leave a server behind, so a child of its own ends it. */
static bool
pg_keep(void)
{
    int ends[2];
    char byte;

    if (pipe(ends) != 0 || fcntl(ends[1], F_SETFD, FD_CLOEXEC) != 0)
        return false;
    pg_leash = ends[1];
    pg_keeper = fork();
    if (pg_keeper != 0) {
        close(ends[0]);
        return pg_keeper > 0;
    }
    (void)setsid();
    close(ends[1]);
    while (read(ends[0], &byte, 1) > 0)
        continue;
    (void)pg_shell("cd / && %s%s/pg_ctl -D %s/data -m immediate stop >/dev/null 2>&1", pg_as(),
                   pg_bin, pg_dir);
    (void)pg_shell("rm -rf %s %s.log", pg_dir, pg_dir);
    _exit(0);
}

/* Superuser "postgres" is trusted; role "helper" needs its password. */
static bool
pg_start(void)
{
    if (!pg_find() || mkdtemp(pg_dir) == NULL || !pg_keep())
        return false;
    if (geteuid() == 0 && !pg_shell("chown postgres %s", pg_dir))
        return false;
    return pg_shell("cd / && %s%s/initdb -D %s/data -U postgres -A trust -E UTF8 --no-sync "
                    "--no-locale >%s/../$(basename %s).log 2>&1",
                    pg_as(), pg_bin, pg_dir, pg_dir, pg_dir) &&
           pg_shell("printf 'local all helper scram-sha-256\\nlocal all all trust\\n' "
                    ">%s/data/pg_hba.conf",
                    pg_dir) &&
           pg_shell("cd / && %s%s/pg_ctl -D %s/data -w -l %s/log -o \"-c listen_addresses='' "
                    "-c unix_socket_directories=%s -c fsync=off -c max_connections=40 "
                    "-c max_prepared_transactions=2\" start >/dev/null",
                    pg_as(), pg_bin, pg_dir, pg_dir, pg_dir);
}

/* Ends the server and waits until nothing of it is left. */
static void
pg_stop(void)
{
    close(pg_leash);
    (void)waitpid(pg_keeper, NULL, 0);
}

static PGconn *
pg_connect(const char *database)
{
    char conninfo[256];
    PGconn *conn;

    (void)snprintf(conninfo, sizeof(conninfo), "host=%s user=postgres dbname=%s", pg_dir, database);
    conn = PQconnectdb(conninfo);
    if (PQstatus(conn) != CONNECTION_OK)
        printf("# %s", PQerrorMessage(conn));
    return conn;
}

/* Runs statements; their failure is a miss of the test. */
static bool
pg_run(PGconn *conn, const char *sql)
{
    PGresult *res = PQexec(conn, sql);
    bool ok = PQresultStatus(res) == PGRES_COMMAND_OK || PQresultStatus(res) == PGRES_TUPLES_OK;

    if (!tap_check(ok, sql, __FILE__, __LINE__))
        printf("# %s", PQerrorMessage(conn));
    PQclear(res);
    return ok;
}

/* The first column of the first row; "" where there is none. */
static const char *
pg_text(PGconn *conn, const char *sql, char out[256])
{
    PGresult *res = PQexec(conn, sql);
    bool ok = PQresultStatus(res) == PGRES_TUPLES_OK;

    if (!tap_check(ok, sql, __FILE__, __LINE__))
        printf("# %s", PQerrorMessage(conn));
    (void)snprintf(out, 256, "%s", ok && PQntuples(res) != 0 ? PQgetvalue(res, 0, 0) : "");
    PQclear(res);
    return out;
}

static long long
pg_number(PGconn *conn, const char *sql)
{
    char text[256];

    return strtoll(pg_text(conn, sql, text), NULL, 10);
}

#endif
