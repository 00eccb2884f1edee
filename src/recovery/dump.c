/*
 * dump.c - pg_dump does what nothing else does completely; here it is only found, started, fed
 * with a snapshot and compared.
 */
#include "recovery/dump.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"

enum { NEWEST = 30 }; /* majors that are looked for in the system's folders */

static enum bs_done
take_version(void *ctx, struct bs_bytes out, struct bs_err *err)
{
    (void)err;
    bs_put_bytes(ctx, out);
    return BS_DONE;
}

/* The version line of a program; its major number, 0 where it is no pg_dump. */
static int
version_of(const char *path, char version[128])
{
    char program[PATH_MAX], flag[] = "--version";
    char *argv[] = {program, flag, NULL};
    struct bs_child child;
    struct bs_err why = {0};
    struct bs_buf said;
    const char *number;
    int major = 0;

    (void)snprintf(program, sizeof(program), "%s", path);
    bs_buf_init(&said, 4096);
    if (bs_tool_start(&child, argv, NULL, &why) == BS_DONE &&
        bs_child_wait(&child, NULL, take_version, &said, &why) == BS_DONE) {
        bs_put_u8(&said, '\0');
        (void)snprintf(version, 128, "%.*s", (int)strcspn((char *)said.p, "\n"), (char *)said.p);
        number = strstr(version, "(PostgreSQL) ");
        if (number != NULL && strncmp(version, "pg_dump", 7) == 0)
            major = (int)strtol(number + strlen("(PostgreSQL) "), NULL, 10);
    }
    bs_buf_fini(&said);
    return major;
}

/* pg_restore has to be beside it: the proof of a definition needs both. */
static bool
usable(const char *path, int want, char version[128])
{
    char restore[PATH_MAX + 16];
    const char *slash = strrchr(path, '/');

    if (slash == NULL || access(path, X_OK) != 0)
        return false;
    (void)snprintf(restore, sizeof(restore), "%.*s/pg_restore", (int)(slash - path), path);
    return access(restore, X_OK) == 0 && version_of(path, version) >= want;
}

static bool
on_path(int want, char path[PATH_MAX], char version[128])
{
    const char *rest = getenv("PATH");

    while (rest != NULL && *rest != '\0') {
        size_t n = strcspn(rest, ":");
        (void)snprintf(path, PATH_MAX, "%.*s/pg_dump", (int)n, rest);
        if (path[0] == '/' && usable(path, want, version))
            return true;
        rest += n + (rest[n] == ':');
    }
    return false;
}

enum bs_done
bs_dump_find(const struct bs_pg_dump *list,
             size_t n,
             int server_version_num,
             char path[PATH_MAX],
             char version[128],
             struct bs_err *err)
{
    int want = server_version_num / 10000;

    for (int major = want; major <= NEWEST; major++) {
        for (size_t i = 0; i < n; i++) {
            if (list[i].major != major || !usable(list[i].path, want, version))
                continue;
            (void)snprintf(path, PATH_MAX, "%s", list[i].path);
            return BS_DONE;
        }
    }
    for (int major = want; major <= NEWEST; major++) {
        (void)snprintf(path, PATH_MAX, "/usr/lib/postgresql/%d/bin/pg_dump", major);
        if (usable(path, want, version))
            return BS_DONE;
    }
    if (on_path(want, path, version))
        return BS_DONE;
    (void)BS_FAIL(err, NO_POINT, "there is no pg_dump (with pg_restore) of version %d or newer",
                  want);
    bs_err_hint(err, "install it, or name it in recovery.pg_dump");
    return BS_FAILED;
}

/* `only` is an option that says what of it; NULL: all. */
static enum bs_done
start(struct bs_child *child,
      const char *pg_dump,
      PGconn *conn,
      const char *only,
      const char *snapshot,
      const char *file,
      int lock_wait_ms,
      struct bs_err *err)
{
    char program[PATH_MAX], out[PATH_MAX + 16], snap[160], wait[64], what[32];
    char format[] = "--format=custom", ask[] = "--no-password", utf8[] = "--encoding=UTF8";
    char no_sync[] = "--no-sync";
    char *argv[10] = {program, format, ask, out, snap, wait, no_sync};
    const char *encoding = PQparameterStatus(conn, "server_encoding");
    size_t n = 7;

    (void)snprintf(program, sizeof(program), "%s", pg_dump);
    (void)snprintf(out, sizeof(out), "--file=%s", file);
    (void)snprintf(snap, sizeof(snap), "--snapshot=%s", snapshot);
    (void)snprintf(wait, sizeof(wait), "--lock-wait-timeout=%d", lock_wait_ms);
    (void)snprintf(what, sizeof(what), "%s", only == NULL ? "" : only);
    if (only != NULL)
        argv[n++] = what;
    /* Names in it are held against the manifest's, which is JSON. SQL_ASCII has no encoding. */
    if (only != NULL && encoding != NULL && strcmp(encoding, "SQL_ASCII") != 0)
        argv[n] = utf8;
    return bs_tool_start(child, argv, conn, err);
}

enum bs_done
bs_dump_start(struct bs_child *child,
              const char *pg_dump,
              PGconn *conn,
              const char *snapshot,
              const char *file,
              int lock_wait_ms,
              struct bs_err *err)
{
    return start(child, pg_dump, conn, "--schema-only", snapshot, file, lock_wait_ms, err);
}

enum bs_done
bs_dump_start_all(struct bs_child *child,
                  const char *pg_dump,
                  PGconn *conn,
                  const char *snapshot,
                  const char *file,
                  int lock_wait_ms,
                  struct bs_err *err)
{
    return start(child, pg_dump, conn, NULL, snapshot, file, lock_wait_ms, err);
}

/*
 * A line filter in front of a digest; a line is looked at by its beginning only. Left out are the
 * \restrict line at the top and the \unrestrict line of the same random token - not every line
 * that looks so: a function's body may hold one, and two bodies must not count as equal.
 */
struct text_digest {
    EVP_MD_CTX *sha;
    char head[128];
    size_t n; /* bytes of this line gathered in head */
    bool decided, drop;
    bool begun; /* something else than comments was seen */
    char token[128];
    size_t n_token; /* with its newline */
};

static const char opens[] = "\\restrict ", closes[] = "\\unrestrict ";
static const char entry[] = "-- TOC entry ";

/* Of pg_restore --verbose: when it ran, and in which order it numbered what it found. */
static bool
incidental(const struct text_digest *t)
{
    static const char *const heads[] = {"-- Started on ", "-- Completed on ", "-- Dependencies: "};

    for (size_t i = 0; i < sizeof(heads) / sizeof(heads[0]); i++) {
        if (t->n > strlen(heads[i]) && memcmp(t->head, heads[i], strlen(heads[i])) == 0)
            return true;
    }
    return false;
}

/* Where what counts of a line begins: an entry is its catalog and OID, not its number. */
static size_t
beginning(const struct text_digest *t)
{
    size_t n = sizeof(entry) - 1;

    if (t->n <= n || memcmp(t->head, entry, n) != 0)
        return 0;
    while (n < t->n && t->head[n] >= '0' && t->head[n] <= '9')
        n++;
    return n;
}

static bool
dropped(struct text_digest *t)
{
    size_t o = sizeof(opens) - 1, c = sizeof(closes) - 1;

    if (!t->begun && t->n_token == 0 && t->n > o && memcmp(t->head, opens, o) == 0) {
        t->n_token = t->n - o;
        memcpy(t->token, t->head + o, t->n_token);
        return true;
    }
    if (t->n > 1 && memcmp(t->head, "--", 2) != 0)
        t->begun = true;
    return t->n_token != 0 && t->n == c + t->n_token && memcmp(t->head, closes, c) == 0 &&
           memcmp(t->head + c, t->token, t->n_token) == 0;
}

static void
decide(struct text_digest *t)
{
    t->decided = true;
    t->drop = dropped(t) || incidental(t);
    if (!t->drop) {
        size_t from = beginning(t);
        bs_assert(EVP_DigestUpdate(t->sha, t->head + from, t->n - from) == 1);
    }
}

static enum bs_done
take_text(void *ctx, struct bs_bytes out, struct bs_err *err)
{
    struct text_digest *t = ctx;

    (void)err;
    while (out.n != 0) {
        const uint8_t *end = memchr(out.p, '\n', out.n);
        size_t n = end == NULL ? out.n : (size_t)(end - out.p) + 1;
        size_t head = t->decided ? 0 : sizeof(t->head) - t->n;
        if (head > n)
            head = n;
        memcpy(t->head + t->n, out.p, head);
        t->n += t->decided ? 0 : head;
        if (!t->decided && (t->n == sizeof(t->head) || end != NULL))
            decide(t);
        if (t->decided && !t->drop)
            bs_assert(EVP_DigestUpdate(t->sha, out.p + head, n - head) == 1);
        if (end != NULL) {
            t->n = 0;
            t->decided = t->drop = false;
        }
        out.p += n;
        out.n -= n;
    }
    return BS_DONE;
}

enum bs_done
bs_dump_text_sha256(const char *pg_dump,
                    const char *file,
                    const struct bs_watch *watch,
                    char out[BS_SHA256_TEXT],
                    struct bs_err *err)
{
    char program[PATH_MAX + 16], to[] = "--file=-", verbose[] = "--verbose", from[PATH_MAX];
    char *argv[] = {program, to, verbose, from, NULL};
    struct text_digest t = {.sha = EVP_MD_CTX_new()};
    struct bs_child child;
    uint8_t digest[EVP_MAX_MD_SIZE] = {0};
    enum bs_done done;

    bs_assert(t.sha != NULL && EVP_DigestInit_ex(t.sha, EVP_sha256(), NULL) == 1);
    (void)snprintf(program, sizeof(program), "%.*s/pg_restore",
                   (int)(strrchr(pg_dump, '/') - pg_dump), pg_dump);
    (void)snprintf(from, sizeof(from), "%s", file);
    done = bs_tool_start(&child, argv, NULL, err);
    if (done == BS_DONE)
        done = bs_child_wait(&child, watch, take_text, &t, err);
    bs_assert(EVP_DigestFinal_ex(t.sha, digest, NULL) == 1);
    bs_hex(digest, 32, out);
    EVP_MD_CTX_free(t.sha);
    return done;
}
