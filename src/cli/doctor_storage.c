/*
 * doctor_storage.c - the place where recovery points go: for `doctor` with one small object a day,
 * for `storage check` with everything that can be tried.
 */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "audit/logs.h"
#include "audit/upload.h"
#include "base/clock.h"
#include "cli/doctor.h"
#include "recovery/helper.h"
#include "recovery/keys.h"
#include "recovery/points.h"
#include "storage/probe.h"

enum { CONNECT_US = 15 * 1000000, OLD_DAYS = 90 };

#define NOTE(d, LEVEL, check, way, ...)                                                            \
    bs_doctor_note((d), BS_FINDING_##LEVEL, (struct bs_topic){"host", check}, (way), __VA_ARGS__)

static enum bs_done
no_visit(void *ctx, const char *key, int64_t size, struct bs_err *err)
{
    (void)key;
    (void)size;
    (void)err;
    *(bool *)ctx = true;
    return BS_DONE;
}

/* Put, get, list. Nothing in a store is ever deleted, so there is one probe a day. */
static enum bs_done
probe(struct bs_store *store, struct bs_err *err)
{
    static const char text[] = "backstop doctor was here\n";
    char at[BS_TIME_TEXT], key[64];
    struct bs_err taken = {0};
    struct bs_buf got;
    bool listed = false;
    enum bs_done done;

    bs_time_format(bs_now_us(), at);
    (void)snprintf(key, sizeof(key), "doctor/%.10s", at);
    if (bs_store_put(store, key, bs_bytes_of(text), &taken) != BS_DONE &&
        taken.code != BS_E_CONFLICT) {
        *err = taken;
        return BS_FAILED;
    }
    bs_buf_init(&got, 4096);
    done = bs_store_get(store, key, &got, err);
    if (done == BS_DONE && !bs_bytes_equal(bs_buf_view(&got), bs_bytes_of(text)))
        done = BS_FAIL(err, DAMAGED, "an object came back changed");
    bs_buf_fini(&got);
    if (done == BS_DONE)
        done = bs_store_list(store, key, no_visit, &listed, err);
    if (done == BS_DONE && !listed)
        done = BS_FAIL(err, DAMAGED, "an object that was put is not listed");
    return done;
}

/* What the last check has found wanting is said again, as long as nobody has looked anew. */
static void
repeat_findings(struct bs_doctor *d, const json_t *record)
{
    const char *at = json_string_value(json_object_get(record, "at"));
    const json_t *finding;
    struct bs_err bad = {0};
    int64_t at_us = 0;
    size_t i;
    int worse = 0;

    json_array_foreach(json_object_get(record, "findings"), i, finding)
    {
        const char *level = json_string_value(json_object_get(finding, "level"));
        const char *text = json_string_value(json_object_get(finding, "text"));
        if (level == NULL || text == NULL ||
            (strcmp(level, "fail") != 0 && strcmp(level, "warn") != 0))
            continue;
        worse++;
        bs_doctor_note(d, strcmp(level, "fail") == 0 ? BS_FINDING_FAIL : BS_FINDING_WARN,
                       (struct bs_topic){"host", "storage.check"},
                       "backstop storage check tells more", "storage: %s", text);
    }
    if (at == NULL || bs_time_parse(at, &at_us, &bad) != BS_DONE)
        NOTE(d, WARN, "storage.check", "backstop storage check",
             "storage: the record of the last check cannot be read");
    else if (bs_now_us() - at_us > (int64_t)OLD_DAYS * 86400 * 1000000)
        NOTE(d, WARN, "storage.check", "backstop storage check",
             "storage: it was last checked on %.10s", at);
    else if (worse == 0)
        NOTE(d, OK, "storage.check", NULL, "storage: checked on %.10s, nothing was wrong", at);
}

static void
look_at_record(struct bs_doctor *d, struct bs_store *store)
{
    struct bs_err err = {0};
    json_t *record = NULL;

    if (bs_probe_last_record(store, &record, &err) == BS_DONE)
        repeat_findings(d, record);
    else
        NOTE(d, WARN, "storage.check",
             "backstop storage check finds out whether it can lock, overwrite and delete",
             "storage: %s", err.message);
    json_decref(record);
}

/* Whoever reads a key file reads every point under it. */
static void
look_at_key_file(struct bs_doctor *d)
{
    const char *path = bs_doctor_fmt(d, "%s/%s", d->config->keys + strlen("file:"), d->config->key);
    const char *folder = d->config->storage_path;
    struct stat st;

    if (stat(path, &st) == 0 && (st.st_mode & 077) != 0)
        NOTE(d, FAIL, "encryption.file", bs_doctor_fmt(d, "chmod 600 %s", path),
             "encryption: others may read the file of key %s", d->config->key);
    if (folder != NULL && strncmp(path, folder, strlen(folder)) == 0 && path[strlen(folder)] == '/')
        NOTE(d, FAIL, "encryption.apart", "keep keys apart from the points that they encrypt",
             "encryption: the keys lie in the folder of recovery points");
}

/* Without its key there is no new point, so nothing that destroys can run. */
static void
look_at_keys(struct bs_doctor *d, const struct bs_store *store)
{
    struct bs_err err = {0};

    if (store->keys == NULL)
        return;
    if (d->config->key == NULL) {
        NOTE(d, INFO, "encryption", "name one in recovery.encryption.key",
             "encryption: new points are not encrypted; old ones can be read");
        return;
    }
    if (bs_keys_try(store->keys, d->config->key, &err) != BS_DONE)
        NOTE(d, FAIL, "encryption", "without it nothing that destroys can be approved",
             "encryption: %s", err.message);
    else
        NOTE(d, OK, "encryption", NULL, "encryption: new points are encrypted under the key %s",
             d->config->key);
    if (strncmp(d->config->keys, "file:", 5) == 0)
        look_at_key_file(d);
}

static const char *
day_of(struct bs_doctor *d, int64_t at_us)
{
    char at[BS_TIME_TEXT];

    bs_time_format(at_us, at);
    return bs_doctor_fmt(d, "%.16s", at);
}

/* What is known of the points by their keys alone: when they were last read again, and how. */
static void
look_at_points(struct bs_doctor *d, struct bs_store *store)
{
    struct bs_arena arena;
    struct bs_points all = {0};
    struct bs_err err = {0};
    size_t damaged = 0, proven = 0, n = 0;
    int64_t last = 0, drill = 0, snapshot = 0;

    bs_arena_init(&arena, "points", 256 << 20);
    if (bs_points_list(store, "", &arena, &all, &err) == BS_DONE) {
        for (size_t i = 0; i < all.n; i++) {
            const struct bs_point_ref *p = &all.list[i];
            if (!p->complete || p->expired)
                continue;
            n++;
            damaged += p->proof == BS_EVENT_DAMAGED;
            proven += p->proof == BS_EVENT_VERIFIED;
            last = p->proof_us > last ? p->proof_us : last;
            drill = p->restored_us > drill ? p->restored_us : drill;
            if (p->outcome == BS_EVENT_TAKEN && snapshot == 0)
                snapshot = bs_point_id_time_us(p->id);
        }
        if (damaged != 0)
            NOTE(d, FAIL, "points.proof",
                 "backstop points list shows which; their data is elsewhere "
                 "or lost",
                 "points: %zu of %zu are damaged", damaged, n);
        else if (n != 0 && last == 0)
            NOTE(d, INFO, "points.proof",
                 "set verify: {every: 24h, sample: 5%} in the configuration",
                 "points: %zu, none was read again since it was made", n);
        else if (n != 0)
            NOTE(d, OK, "points.proof", NULL,
                 "points: %zu, %zu read again and good, last on %s UTC", n, proven,
                 day_of(d, last));
        if (n != 0)
            NOTE(d, INFO, "points.drill", drill == 0 ? "try backstop restore run on one" : NULL,
                 "points: %s%s", drill == 0 ? "nothing was ever restored" : "last restored on ",
                 drill == 0 ? "" : day_of(d, drill));
        if (d->config->n_snapshots != 0)
            bs_doctor_note(d, snapshot == 0 ? BS_FINDING_WARN : BS_FINDING_OK,
                           (struct bs_topic){"host", "snapshots"}, NULL, "snapshots: %s%s",
                           snapshot == 0 ? "none was taken yet" : "the last one was begun on ",
                           snapshot == 0 ? "" : day_of(d, snapshot));
    }
    bs_arena_fini(&arena);
}

void
bs_doctor_storage(struct bs_doctor *d)
{
    struct bs_store *store = NULL;
    struct bs_err err = {0};

    if (bs_keys_open_store(d->config->storage_url, d->config->keys, d->config->key, &store, &err) !=
            BS_DONE ||
        probe(store, &err) != BS_DONE) {
        NOTE(d, FAIL, "storage",
             err.hint[0] != '\0' ? bs_doctor_fmt(d, "%s", err.hint)
                                 : "nothing that destroys can be approved until this works",
             "storage: %s: %s", d->config->storage_url, err.message);
    } else {
        NOTE(d, OK, "storage", NULL, "storage: %s took an object and gave it back",
             d->config->storage_url);
        look_at_keys(d, store);
        look_at_points(d, store);
        if (d->config->storage_path == NULL)
            look_at_record(d, store);
    }
    bs_store_close(&store);
}

/* The real path of `inside` is that of `folder`, or below it. */
static bool
is_inside(const char *inside, const char *folder)
{
    char a[PATH_MAX], b[PATH_MAX];
    size_t n;

    if (realpath(inside, a) == NULL || realpath(folder, b) == NULL)
        return false;
    n = strlen(b);
    return strncmp(a, b, n) == 0 && (a[n] == '/' || a[n] == '\0');
}

/* --- the audit's copy --- */

enum { LATE_S = 900 };

struct behind {
    size_t files;
    int64_t since_us;
};

static enum bs_done
look_behind(struct bs_doctor *d, const char *log, struct behind *sum, struct bs_err *err)
{
    struct bs_backlog b = {0};
    const char *directory =
        bs_doctor_fmt(d, "%s%s%s", d->config->audit_directory, log[0] == '\0' ? "" : "/", log);
    enum bs_done done = bs_backlog_look(directory, d->config->audit_upload, &b, err);

    sum->files += b.files.n;
    if (b.files.n != 0 && (sum->since_us == 0 || b.since_us < sum->since_us))
        sum->since_us = b.since_us;
    bs_segments_fini(&b.files);
    return done;
}

/* Whoever has the key can try values until one fits a digest of the log. */
void
bs_doctor_redact(struct bs_doctor *d)
{
    const char *path = d->config->audit_redact_key;
    struct stat st;

    if (d->config->audit_redact == BS_AUDIT_REDACT_NONE)
        return;
    if (stat(path, &st) != 0)
        NOTE(d, INFO, "audit.redact", NULL,
             "audit: the key of its digests is made when the gateway starts");
    else if ((st.st_mode & 077) != 0)
        NOTE(d, FAIL, "audit.redact", bs_doctor_fmt(d, "chmod 600 %s", path),
             "audit: others may read the key of its digests");
    else if (is_inside(path, d->config->audit_directory))
        NOTE(d, FAIL, "audit.redact", "keep the key apart from the log; see audit.redact_key",
             "audit: the key of its digests lies in the log's folder");
    else
        NOTE(d, OK, "audit.redact", NULL, "audit: values are digests, whose key lies apart");
}

void
bs_doctor_upload(struct bs_doctor *d)
{
    struct bs_audit_logs logs = {0};
    struct behind sum = {0};
    struct bs_err err = {0};
    enum bs_done done;
    int64_t late;

    if (d->config->audit_upload == NULL)
        return;
    done = bs_audit_logs_list(d->config->audit_directory, &logs, &err);
    for (size_t i = 0; done == BS_DONE && i < logs.n; i++)
        done = look_behind(d, logs.names[i], &sum, &err);
    bs_audit_logs_fini(&logs);
    late = sum.files == 0 ? 0 : (bs_now_us() - sum.since_us) / 1000000;
    if (done != BS_DONE && err.code == BS_E_NOT_FOUND)
        NOTE(d, OK, "audit.upload", NULL, "audit: there is no log to upload yet");
    else if (done != BS_DONE)
        NOTE(d, WARN, "audit.upload", NULL, "audit: %s", err.message);
    else if (late > LATE_S)
        NOTE(d, WARN, "audit.upload", "the gateway's log says why; it tries again by itself",
             "audit: %zu finished files are not uploaded, the oldest since %s UTC", sum.files,
             day_of(d, sum.since_us));
    else
        NOTE(d, OK, "audit.upload", NULL, "audit: %zu finished files are still to be uploaded",
             sum.files);
}

/* --- apart from the database --- */

void
bs_doctor_apart(struct bs_doctor *d, const char *scope, const char *data_directory)
{
    const char *points = d->config->storage_path;
    const struct bs_topic topic = {scope, "storage.apart"};
    struct stat data, ours;

    if (points == NULL || data_directory == NULL || stat(data_directory, &data) != 0 ||
        stat(points, &ours) != 0)
        return;
    if (is_inside(points, data_directory))
        bs_doctor_note(d, BS_FINDING_FAIL, topic, "put storage outside, on another disk",
                       "storage: recovery points lie in the database's own folder %s",
                       data_directory);
    else if (data.st_dev == ours.st_dev)
        bs_doctor_note(d, BS_FINDING_WARN, topic,
                       "put storage on another disk, better on another host",
                       "storage: recovery points lie on the same file system as the database");
    else
        bs_doctor_note(d, BS_FINDING_OK, topic, NULL,
                       "storage: recovery points lie on another file system than the database");
}

static const char where_sql[] =
    "SELECT pg_catalog.inet_server_addr() IS NULL"
    " OR pg_catalog.inet_server_addr() OPERATOR(pg_catalog.=) pg_catalog.inet_client_addr(),"
    " (SELECT s.setting FROM pg_catalog.pg_settings s WHERE s.name = 'data_directory')";

/* Where the database lies, by its own word. A server that does not answer is no finding about the
 * storage; doctor speaks of that. */
static void
look_where_data_is(struct bs_doctor *d, const struct bs_config_database *db)
{
    struct bs_watch watch;
    struct bs_helper helper = {0};
    struct bs_err err = {0};
    PGresult *res = NULL;

    if (bs_watch_init(&watch, bs_mono_us() + CONNECT_US, &err) != BS_DONE)
        return;
    watch.late = BS_E_UNAVAILABLE;
    if (bs_helper_open(&helper, db->helper, &watch, BS_E_UNAVAILABLE, &err) == BS_DONE &&
        (res = bs_doctor_ask(helper.conn, where_sql, NULL)) != NULL) {
        if (strcmp(PQgetvalue(res, 0, 0), "t") == 0 && !PQgetisnull(res, 0, 1))
            bs_doctor_apart(d, db->name, PQgetvalue(res, 0, 1));
    } else {
        bs_doctor_note(d, BS_FINDING_INFO, (struct bs_topic){db->name, "storage.apart"}, NULL,
                       "storage: not known whether recovery points lie apart from this database: "
                       "%.300s",
                       err.message);
    }
    PQclear(res);
    bs_helper_close(&helper);
    bs_watch_fini(&watch);
}

/* --- everything that can be tried --- */

/* The levels are the same words in the same order. */
static void
tell(struct bs_doctor *d, const struct bs_probe_report *r)
{
    for (size_t i = 0; i < r->n_findings; i++) {
        const struct bs_probe_finding *f = &r->findings[i];
        bs_doctor_note(d, (enum bs_finding)f->level, (struct bs_topic){"storage", f->check},
                       f->way[0] == '\0' ? NULL : f->way, "%s", f->text);
    }
}

/* The exit status: 0, 1 where something failed, else that of what stopped it. */
int
bs_doctor_storage_check(struct bs_doctor *d, json_t **facts)
{
    struct bs_probe_report *r = bs_malloc(sizeof(*r));
    struct bs_store *store = NULL;
    struct bs_err err = {0};
    int status = 0;

    *facts = json_object();
    if (bs_store_open(d->config->storage_url, &store, &err) != BS_DONE) {
        r->stopped = err;
        bs_probe_note(r, BS_PROBE_FAIL, "open", err.hint, "%s", err.message);
    } else {
        bs_probe_run(store, r);
    }
    if (r->stopped.code == BS_OK && bs_probe_put_record(store, r, &err) != BS_DONE)
        bs_probe_note(r, BS_PROBE_FAIL, "record", err.hint, "the record cannot be stored: %s",
                      err.message);
    tell(d, r);
    for (size_t i = 0; i < r->n_facts; i++)
        (void)json_object_set_new(*facts, r->facts[i].name, json_string(r->facts[i].value));
    if (r->stopped.code != BS_OK)
        status = bs_code_get(r->stopped.code)->exit_status;
    for (size_t i = 0; d->config->storage_path != NULL && i < d->config->n_databases; i++)
        look_where_data_is(d, &d->config->databases[i]);
    if (status == 0)
        status = d->counts[BS_FINDING_FAIL] != 0;
    bs_store_close(&store);
    free(r);
    return status;
}
