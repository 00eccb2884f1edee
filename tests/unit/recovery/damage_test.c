/*
 * damage_test.c - one byte flipped, cut or deleted in any file of a point, whole or of rows, or a
 * file gone: whoever verifies the point is told, with the file's key.
 */
#include <dirent.h>

#include "rows.h"

enum { FILES = 64, PLACES = 150 };

/* Everything that `points verify` looks at. */
static enum bs_code
verify(const char *id, char named[BS_KEY_MAX + 1])
{
    struct bs_arena a;
    struct bs_point_ref ref;
    struct bs_manifest m;
    struct bs_verify_report report = {0};
    struct bs_err err = {0};

    bs_arena_init(&a, "verify", 64u << 20);
    named[0] = '\0';
    if (bs_points_find(store, id, &a, &ref, &err) == BS_DONE &&
        bs_points_sound(store, &ref, named, &err) == BS_DONE) {
        if (bs_points_load(store, &ref, &a, &m, &err) != BS_DONE) {
            (void)snprintf(named, BS_KEY_MAX + 1, "%smanifest.json", ref.dir);
        } else {
            (void)!bs_point_verify(store, &m, NULL, &report, &err);
            (void)snprintf(named, BS_KEY_MAX + 1, "%s", report.damaged);
        }
    }
    bs_arena_fini(&a);
    return err.code;
}

struct files {
    char path[FILES][600];
    size_t n;
};

/* Files below a folder of the store that have `part` in their path. */
static void
collect(const char *dir, const char *part, struct files *out)
{
    DIR *d = opendir(dir);

    for (struct dirent *e = d == NULL ? NULL : readdir(d); e != NULL; e = readdir(d)) {
        char path[600];
        struct stat st;
        if (e->d_name[0] == '.' ||
            snprintf(path, sizeof(path), "%s/%s", dir, e->d_name) >= (int)sizeof(path) ||
            stat(path, &st) != 0)
            continue;
        if (S_ISDIR(st.st_mode))
            collect(path, part, out);
        else if (strstr(path, part) != NULL && out->n < FILES)
            (void)snprintf(out->path[out->n++], sizeof(path), "%s", path);
    }
    if (d != NULL)
        closedir(d);
}

static size_t
read_file(const char *path, uint8_t *out, size_t max)
{
    FILE *f = fopen(path, "rb");
    size_t n = f == NULL ? 0 : fread(out, 1, max, f);

    EXPECT(f != NULL && n < max);
    if (f != NULL)
        fclose(f);
    return n;
}

/* In place of what is there, without what is at `gap` where that is below n. */
static void
write_file(const char *path, const uint8_t *p, size_t n, size_t gap)
{
    FILE *f;

    (void)unlink(path);
    f = fopen(path, "wb");
    REQUIRE(f != NULL);
    for (size_t i = 0; i < n; i++)
        (void)!(i == gap || fputc(p[i], f) == p[i]);
    fclose(f);
}

static void
seen(const char *id, const char *path, const char *how, size_t at)
{
    char named[BS_KEY_MAX + 1];
    enum bs_code code = verify(id, named);
    size_t n = strlen(path), k = strlen(named);

    if (code == BS_E_DAMAGED && k != 0 && n >= k && strcmp(path + n - k, named) == 0)
        return;
    (void)tap_check(false, how, __FILE__, __LINE__);
    printf("# %s at %zu: code %d, named \"%s\"\n", path, at, (int)code, named);
}

static void
damage_file(const char *id, const char *path)
{
    static uint8_t is[1 << 20], bad[1 << 20];
    char named[BS_KEY_MAX + 1];
    size_t n = read_file(path, is, sizeof(is)), step = n / PLACES + 1;
    int misses = tap_misses;

    for (size_t at = 0; at < n && tap_misses < misses + 3; at += step) {
        memcpy(bad, is, n);
        bad[at] ^= (uint8_t)(1u << at % 8);
        write_file(path, bad, n, n);
        seen(id, path, "flipped", at);
        write_file(path, is, n, at);
        seen(id, path, "deleted", at);
        write_file(path, is, at, n);
        seen(id, path, "cut", at);
    }
    memcpy(bad, is, n);
    bad[n] = '\n';
    write_file(path, bad, n + 1, n + 1);
    seen(id, path, "added", n);
    if (strstr(path, "/events/") == NULL && strstr(path, "intent.json") == NULL) {
        (void)unlink(path);
        seen(id, path, "gone", 0);
    }
    write_file(path, is, n, n);
    EXPECT_EQ(verify(id, named), BS_OK);
}

static void
damage_all(const char *id, const char *kinds)
{
    struct files files = {0};
    char named[BS_KEY_MAX + 1];

    collect(store_dir, id, &files);
    collect(store_dir, "/schema/", &files);
    EXPECT_EQ(verify(id, named), BS_OK);
    for (size_t i = 0; i < files.n; i++)
        damage_file(id, files.path[i]);
    printf("# %s: %zu files\n", kinds, files.n);
}

static void
tell(struct bs_capture *c, uint64_t xid)
{
    struct bs_point_event armed = {.state = BS_EVENT_ARMED, .xid = xid};
    struct bs_point_event done = {.state = BS_EVENT_COMMITTED};
    struct bs_err err = {0};

    EXPECT_EQ(bs_capture_event(c, &armed, &err), BS_DONE);
    EXPECT_EQ(bs_capture_event(c, &done, &err), BS_DONE);
}

#define SETUP                                                                                      \
    "CREATE TABLE s.t (id int PRIMARY KEY, v text); CREATE TABLE s.u (a aclitem, n serial);"       \
    "INSERT INTO s.t SELECT g, md5(g::text) FROM generate_series(1, 200) g;"                       \
    "INSERT INTO s.u VALUES ('postgres=r/postgres'), (NULL)"

static void
a_point_of_rows(void)
{
    PGconn *actor = pg_connect("postgres"), *other = pg_connect("postgres");
    struct bs_changed changed[CHANGED];
    struct bs_capture_request r = request_for(actor);
    struct bs_replaced what = {.changed = changed};
    struct bs_capture_result out;
    struct bs_err err = {0};
    struct bs_capture *c = NULL;

    fresh(other, SETUP);
    pg_run(actor, "BEGIN; DELETE FROM s.t WHERE id < 50; DELETE FROM s.u");
    what.n_changed = counters(actor, changed);
    what.xid = xid_of(actor);
    REQUIRE(bs_capture_open(&r, &c, &err) == BS_DONE);
    REQUIRE(bs_capture_replaced(c, &what, &out, &err) == BS_DONE && out.manifest != NULL);
    EXPECT_EQ(out.manifest->n_objects, 2);
    tell(c, what.xid);
    pg_run(actor, "COMMIT");
    damage_all(out.manifest->id, "rows");
    bs_capture_close(&c);
    PQfinish(actor);
    PQfinish(other);
}

static void
a_point_of_whole_tables(void)
{
    PGconn *actor = pg_connect("postgres"), *other = pg_connect("postgres");
    struct bs_plan_table tables[2] = {{.schema = "s", .name = "t", .relkind = 'r'},
                                      {.schema = "s", .name = "u", .relkind = 'r'}};
    struct bs_plan plan = {
        .kind = BS_PLAN_WHOLE, .tables = tables, .n_tables = 2, .definition = true};
    struct bs_capture_request r = request_for(actor);
    struct bs_capture_result out;
    struct bs_err err = {0};
    struct bs_capture *c = NULL;

    fresh(other, SETUP);
    tables[0].oid = oid_of(other, "s.t");
    tables[1].oid = oid_of(other, "s.u");
    r.plan = &plan;
    pg_run(actor, "BEGIN; LOCK s.t, s.u IN SHARE ROW EXCLUSIVE MODE");
    REQUIRE(bs_capture_open(&r, &c, &err) == BS_DONE);
    REQUIRE(bs_capture_run(c, &out, &err) == BS_DONE && out.manifest != NULL);
    EXPECT(out.manifest->schema.key != NULL);
    tell(c, xid_of(actor));
    pg_run(actor, "COMMIT");
    damage_all(out.manifest->id, "whole");
    bs_capture_close(&c);
    PQfinish(actor);
    PQfinish(other);
}

/* An event under another name, or of another point, is not what happened. */
static void
names_count(void)
{
    struct files files = {0};
    struct bs_arena a;
    struct bs_points all = {0};
    struct bs_err err = {0};
    char to[600];
    char *dash;

    bs_arena_init(&a, "list", 1 << 20);
    REQUIRE(bs_points_list(store, "", &a, &all, &err) == BS_DONE && all.n == 2);
    collect(store_dir, "-armed.json", &files);
    REQUIRE(files.n == 2);
    (void)snprintf(to, sizeof(to), "%s", files.path[0]);
    dash = strstr(to, "-armed.json");
    (void)snprintf(dash, 24, "-not_used.json");
    for (int i = 0; i < 2; i++) {
        char named[BS_KEY_MAX + 1], moved[600];
        const char *id = strstr(files.path[0], "RP-");
        char short_id[BS_POINT_ID_TEXT];
        (void)snprintf(short_id, sizeof(short_id), "%s", id);
        (void)snprintf(moved, sizeof(moved), "%s", i == 0 ? to : files.path[0]);
        if (i == 1) { /* the other point's event, by its bytes */
            static uint8_t mine[4096], others[4096];
            size_t n = read_file(files.path[0], mine, sizeof(mine));
            size_t k = read_file(files.path[1], others, sizeof(others));
            write_file(files.path[0], others, k, k);
            seen(short_id, moved, "another point's", 0);
            write_file(files.path[0], mine, n, n);
        } else {
            EXPECT(rename(files.path[0], moved) == 0);
            seen(short_id, moved, "renamed", 0);
            EXPECT(rename(moved, files.path[0]) == 0);
        }
        EXPECT_EQ(verify(short_id, named), BS_OK);
    }
    bs_arena_fini(&a);
}

static const struct tap_case cases[] = {
    {"a point of rows", a_point_of_rows},
    {"a point of whole tables", a_point_of_whole_tables},
    {"names count", names_count},
};

int
main(void)
{
    int status = 1;

    if (!pg_start())
        printf("Bail out! no PostgreSQL could be started; BACKSTOP_PG_BIN names its programs\n");
    else if (!prepare())
        printf("Bail out! the test database could not be made\n");
    else
        status = tap_main(cases, sizeof(cases) / sizeof(cases[0]));
    bs_store_close(&store);
    bs_arena_fini(&arena);
    pg_stop();
    return status;
}
