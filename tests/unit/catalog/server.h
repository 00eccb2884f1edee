/*
 * server.h - a private PostgreSQL for one test program: its own data, a Unix socket, no port.
 *
 * PostgreSQL does not run as root, so as root everything of it runs as the user postgres. The
 * server dies with the test, however that ends.
 */
#ifndef BS_TEST_SERVER_H
#define BS_TEST_SERVER_H

#include <grp.h>
#include <libpq-fe.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

struct server {
    char dir[64];
    char bin[128];
    char conninfo[160]; /* of the superuser */
    pid_t pid;
    const struct passwd *as; /* NULL: ourselves */
};

/* Runs a program of PostgreSQL; answers its pid. */
static inline pid_t
server_spawn(const struct server *s, const char *const *argv)
{
    char path[192], log[128];
    const char *args[32] = {path}; /* it looks for its own files beside what it is called */
    pid_t pid = fork();

    if (pid != 0)
        return pid;
    (void)prctl(PR_SET_PDEATHSIG, SIGQUIT);
    (void)snprintf(path, sizeof(path), "%s/%s", s->bin, argv[0]);
    (void)snprintf(log, sizeof(log), "%s/log", s->dir);
    if (s->as != NULL && (initgroups(s->as->pw_name, s->as->pw_gid) != 0 ||
                          setgid(s->as->pw_gid) != 0 || setuid(s->as->pw_uid) != 0))
        _exit(126);
    (void)prctl(PR_SET_PDEATHSIG, SIGQUIT); /* forgotten when the user changes */
    if (chdir(s->dir) != 0 || freopen(log, "a", stdout) == NULL || dup2(1, 2) < 0)
        _exit(126);
    for (int i = 1; i < 31 && argv[i] != NULL; i++)
        args[i] = argv[i];
    execv(path, (char *const *)(uintptr_t)args);
    _exit(127);
}

static inline bool
server_find(struct server *s)
{
    const char *bin = getenv("BACKSTOP_PG_BIN");

    if (bin != NULL) {
        (void)snprintf(s->bin, sizeof(s->bin), "%s", bin);
        return true;
    }
    for (int major = 18; major >= 15; major--) {
        char initdb[160];
        (void)snprintf(s->bin, sizeof(s->bin), "/usr/lib/postgresql/%d/bin", major);
        (void)snprintf(initdb, sizeof(initdb), "%s/initdb", s->bin);
        if (access(initdb, X_OK) == 0)
            return true;
    }
    return false;
}

/* False, and a TAP line that skips everything, where there is no PostgreSQL to start. */
static inline bool
server_start(struct server *s)
{
    static const char *const init[] = {"initdb",   "-D", "data", "-A",         "trust",     "-U",
                                       "postgres", "-E", "UTF8", "--locale=C", "--no-sync", NULL};
    static const char *const run[] = {"postgres",
                                      "-D",
                                      "data",
                                      "-c",
                                      "listen_addresses=",
                                      "-c",
                                      "fsync=off",
                                      "-c",
                                      "autovacuum=off",
                                      "-c",
                                      "unix_socket_directories=..",
                                      "-c",
                                      "shared_buffers=16MB",
                                      NULL};
    int status = -1;

    *s = (struct server){.dir = "/tmp/backstop-test-XXXXXX"};
    if (!server_find(s) || mkdtemp(s->dir) == NULL) {
        printf("1..0 # SKIP there is no PostgreSQL to start\n");
        return false;
    }
    s->as = geteuid() == 0 ? getpwnam("postgres") : NULL;
    if (s->as != NULL && chown(s->dir, s->as->pw_uid, s->as->pw_gid) != 0)
        return false;
    if (waitpid(server_spawn(s, init), &status, 0) < 0 || status != 0) {
        printf("1..0 # SKIP initdb does not work here\n");
        return false;
    }
    s->pid = server_spawn(s, run);
    (void)snprintf(s->conninfo, sizeof(s->conninfo),
                   "host=%s user=postgres dbname=postgres options='-c client_min_messages=error'",
                   s->dir);
    for (int i = 0; i < 200 && PQping(s->conninfo) != PQPING_OK; i++)
        (void)usleep(50000);
    return true;
}

static inline void
server_stop(struct server *s)
{
    char command[96];

    if (s->pid > 0) {
        (void)kill(s->pid, SIGQUIT);
        (void)waitpid(s->pid, NULL, 0);
    }
    (void)snprintf(command, sizeof(command), "rm -rf %s", s->dir);
    if (strncmp(s->dir, "/tmp/backstop-test-", 19) == 0 && system(command) != 0)
        printf("# %s is left behind\n", s->dir);
}

/* Runs SQL, several statements at once; false, and the server's words as a TAP comment. */
static inline bool
server_run(const struct server *s, const char *sql)
{
    PGconn *conn = PQconnectdb(s->conninfo);
    PGresult *res = PQexec(conn, sql);
    bool ok = PQresultStatus(res) == PGRES_COMMAND_OK || PQresultStatus(res) == PGRES_TUPLES_OK;

    if (!ok)
        printf("# %s", PQerrorMessage(conn));
    PQclear(res);
    PQfinish(conn);
    return ok;
}

#endif
