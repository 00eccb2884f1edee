/*
 * fence.c - a file's name says whose it is: <pid>-<a ULID of the process>-<point>, or free-<point>
 * where its process could not lift it.
 */
#include "recovery/fence.h"

#include <dirent.h>
#include <errno.h>
#include <jansson.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/files.h"

enum { FILE_MAX = 4096, LIFT_MS = 5000 };

static char life[BS_ULID_TEXT]; /* this process: by it an earlier one with our pid is told apart */
static pthread_once_t born = PTHREAD_ONCE_INIT;

static void
be_born(void)
{
    bs_ulid_new(life);
}

/* --- files -------------------------------------------------------------------------------- */

static bool
path_of(const char *spool, const char *name, char out[PATH_MAX])
{
    int n = snprintf(out, PATH_MAX, "%s/fence%s%s", spool, name[0] == '\0' ? "" : "/", name);

    return n > 0 && n < PATH_MAX;
}

static bool
own_path(const char *spool, const char *point, char out[PATH_MAX])
{
    char name[128];

    (void)pthread_once(&born, be_born);
    (void)snprintf(name, sizeof(name), "%d-%s-%s", (int)getpid(), life, point);
    return path_of(spool, name, out);
}

/* Nobody who lives will lift it. */
static bool
is_free(const char *name)
{
    char *at = NULL;
    long pid = strtol(name, &at, 10);

    if (strncmp(name, "free-RP-", 8) == 0)
        return true;
    if (at == name || pid < 1 || *at != '-' || strstr(at, "-RP-") == NULL)
        return false;
    if (pid == getpid())
        return strncmp(at + 1, life, strlen(life)) != 0;
    return kill((pid_t)pid, 0) != 0 && errno == ESRCH;
}

static enum bs_done
write_file(const char *path, const struct bs_fence *f, struct bs_err *err)
{
    json_t *json =
        json_pack("{s:s,s:s,s:I,s:i,s:b}", "system", f->system_identifier, "name", f->name, "oid",
                  (json_int_t)f->oid, "limit", f->limit, "allow", (int)f->allow);
    char *text = json == NULL ? NULL : json_dumps(json, JSON_COMPACT);
    enum bs_done done;

    if (text == NULL)
        done = BS_FAIL(err, NO_POINT, "the name of the database is not UTF-8");
    else
        done = bs_file_create(path, bs_bytes_of(text), 0600, err);
    free(text);
    json_decref(json);
    return done;
}

/* The texts live as long as *json, which the caller releases. */
static enum bs_done
read_file(const char *path, json_t **json, struct bs_fence *f, struct bs_err *err)
{
    const char *system, *name;
    json_int_t oid;
    int allow;
    struct bs_buf text;
    enum bs_done done;

    *json = NULL;
    bs_buf_init(&text, FILE_MAX);
    done = bs_file_read(path, &text, err);
    if (done == BS_DONE)
        *json = json_loadb((const char *)text.p, text.n, 0, NULL);
    bs_buf_fini(&text);
    if (done != BS_DONE)
        return BS_FAILED;
    if (json_unpack(*json, "{s:s,s:s,s:I,s:i,s:b}", "system", &system, "name", &name, "oid", &oid,
                    "limit", &f->limit, "allow", &allow) != 0)
        return BS_FAIL(err, IO, "\"%.300s\" is no file of a fence", path);
    f->system_identifier = system;
    f->name = name;
    f->oid = (uint32_t)oid;
    f->allow = allow != 0;
    return BS_DONE;
}

/* --- the database ------------------------------------------------------------------------- */

static const char *
word(bool yes)
{
    return yes ? "true" : "false";
}

/* The server quotes the name. One that is not there, was dropped half or is so already, needs
 * nothing. */
static enum bs_done
alter(struct bs_helper *h, uint32_t oid, bool allow, int limit, struct bs_err *err)
{
    char id[16], connections[16];
    const char *params[] = {id, word(allow), connections};
    struct bs_err ignored = {0};
    PGresult *res = NULL;
    enum bs_done done = BS_DONE;

    (void)snprintf(id, sizeof(id), "%u", oid);
    (void)snprintf(connections, sizeof(connections), "%d", limit);
    if (bs_helper_query(h,
                        "SELECT pg_catalog.format('ALTER DATABASE %I WITH ALLOW_CONNECTIONS %s"
                        " CONNECTION LIMIT %s', d.datname, $2::pg_catalog.bool::pg_catalog.text,"
                        " $3::pg_catalog.int4::pg_catalog.text) FROM pg_catalog.pg_database d"
                        " WHERE d.oid = $1::pg_catalog.oid AND d.datconnlimit <> -2"
                        " AND (d.datallowconn <> $2::pg_catalog.bool"
                        " OR d.datconnlimit <> $3::pg_catalog.int4)",
                        3, params, &res, err) != BS_DONE)
        return BS_FAILED;
    if (PQntuples(res) == 1 &&
        (bs_helper_query(h, "BEGIN READ WRITE", 0, NULL, NULL, err) != BS_DONE ||
         bs_helper_query(h, PQgetvalue(res, 0, 0), 0, NULL, NULL, err) != BS_DONE ||
         bs_helper_query(h, "COMMIT", 0, NULL, NULL, err) != BS_DONE)) {
        (void)!bs_helper_query(h, "ROLLBACK", 0, NULL, NULL, &ignored);
        done = BS_FAILED;
    }
    PQclear(res);
    return done;
}

/* Two fences around one database would each put back what the other has made of it. */
static enum bs_done
is_fenced(const char *folder, const char *spool, const struct bs_fence *was, struct bs_err *err)
{
    char path[PATH_MAX];
    DIR *d = opendir(folder);
    const struct dirent *e;
    bool fenced = false;

    while (d != NULL && (e = readdir(d)) != NULL) {
        struct bs_fence f = {0};
        struct bs_err ignored = {0};
        json_t *json = NULL;
        if (strstr(e->d_name, "RP-") != NULL && path_of(spool, e->d_name, path) &&
            read_file(path, &json, &f, &ignored) == BS_DONE)
            fenced = fenced || (f.oid == was->oid &&
                                strcmp(f.system_identifier, was->system_identifier) == 0);
        json_decref(json);
    }
    if (d != NULL)
        closedir(d);
    return fenced ? BS_FAIL(err, NO_POINT, "somebody else is dropping \"%.64s\"", was->name)
                  : BS_DONE;
}

static enum bs_done
claim(const char *spool, const char *path, const struct bs_fence *was, struct bs_err *err)
{
    static pthread_mutex_t one = PTHREAD_MUTEX_INITIALIZER;
    char folder[PATH_MAX];
    enum bs_done done = BS_FAILED;

    if (!path_of(spool, "", folder))
        return BS_FAIL(err, IO, "the path of the spool is too long");
    bs_assert(pthread_mutex_lock(&one) == 0);
    if (bs_dir_make(folder, err) == BS_DONE && is_fenced(folder, spool, was, err) == BS_DONE)
        done = write_file(path, was, err);
    bs_assert(pthread_mutex_unlock(&one) == 0);
    return done;
}

enum bs_done
bs_fence_up(const char *spool,
            const char *point,
            struct bs_helper *h,
            const struct bs_fence *was,
            int limit,
            struct bs_err *err)
{
    char path[PATH_MAX];

    if (!own_path(spool, point, path))
        return BS_FAIL(err, IO, "the path of the spool is too long");
    if (claim(spool, path, was, err) != BS_DONE)
        return BS_FAILED;
    return alter(h, was->oid, was->allow, limit, err);
}

enum bs_done
bs_fence_shut(struct bs_helper *h, const struct bs_fence *was, struct bs_err *err)
{
    return alter(h, was->oid, false, 0, err);
}

/* --- lifting ------------------------------------------------------------------------------ */

static enum bs_done
lift_by(const char *helper, const struct bs_fence *f, bool *here, struct bs_err *err)
{
    struct bs_point_source source = {0};
    struct bs_helper h = {0};
    struct bs_watch watch;
    struct bs_arena arena;
    enum bs_done done;

    if (bs_watch_init(&watch, bs_mono_us() + (int64_t)LIFT_MS * 1000, err) != BS_DONE)
        return BS_FAILED;
    watch.late = BS_E_UNAVAILABLE;
    bs_arena_init(&arena, "fence", 1 << 20);
    done = bs_helper_open(&h, helper, &watch, BS_E_UNAVAILABLE, err);
    if (done == BS_DONE)
        done = bs_helper_source(&h, &arena, &source, err);
    *here = done == BS_DONE && strcmp(source.system_identifier, f->system_identifier) == 0;
    if (*here)
        done = alter(&h, f->oid, f->allow, f->limit, err);
    bs_helper_close(&h);
    bs_arena_fini(&arena);
    bs_watch_fini(&watch);
    return done;
}

/* One file; it is gone afterwards where its server was here. */
static enum bs_done
lift_file(const char *path, const char *helper, bool *here, struct bs_err *err)
{
    struct bs_fence f = {0};
    struct bs_err why = {0};
    json_t *json;
    enum bs_done done = read_file(path, &json, &f, &why);

    *here = true;
    if (done == BS_DONE)
        done = lift_by(helper, &f, here, &why);
    if (done == BS_DONE && *here)
        (void)unlink(path);
    if (done != BS_DONE) {
        (void)bs_err_set(err, why.code,
                         "nobody can connect to \"%.64s\": the fence around it"
                         " could not be lifted yet: %.200s",
                         f.name == NULL ? "?" : f.name, why.message);
        bs_err_hint(err,
                    "it is tried again; by hand: ALTER DATABASE \"%.64s\" WITH"
                    " ALLOW_CONNECTIONS %s CONNECTION LIMIT %d",
                    f.name == NULL ? "?" : f.name, word(f.allow), f.limit);
    }
    json_decref(json);
    return done;
}

enum bs_done
bs_fence_end(const char *spool, const char *helper, const char *point, struct bs_err *err)
{
    char path[PATH_MAX], other[PATH_MAX], name[64];
    bool here;

    (void)snprintf(name, sizeof(name), "free-%s", point);
    if (!own_path(spool, point, path) || !path_of(spool, name, other) || access(path, F_OK) != 0)
        return BS_DONE;
    if (lift_file(path, helper, &here, err) == BS_DONE)
        return BS_DONE;
    (void)rename(path, other);
    return BS_FAILED;
}

enum bs_done
bs_fence_lift(const char *spool, const char *helper, size_t *left, struct bs_err *err)
{
    char folder[PATH_MAX], path[PATH_MAX];
    const struct dirent *e;
    enum bs_done done = BS_DONE;
    bool here;
    DIR *d;

    (void)pthread_once(&born, be_born);
    *left = 0;
    d = path_of(spool, "", folder) ? opendir(folder) : NULL;
    while (d != NULL && (e = readdir(d)) != NULL) {
        if (!is_free(e->d_name) || !path_of(spool, e->d_name, path))
            continue;
        if (lift_file(path, helper, &here, err) != BS_DONE)
            done = BS_FAILED;
        *left += done != BS_DONE;
    }
    if (d != NULL)
        closedir(d);
    return done;
}
