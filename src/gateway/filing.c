/*
 * filing.c - a round every two seconds, over all logs of the audit folder: also those of restores,
 * which other processes write.
 */
#include "gateway/filing.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "audit/index.h"
#include "audit/logs.h"
#include "audit/record.h"
#include "audit/upload.h"
#include "base/arena.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/metrics.h"
#include "base/watch.h"
#include "policy/config.h"
#include "storage/storage.h"

#define ROUND_US   2000000
#define LONGEST_US 300000000 /* from one try to the next */

/* Up to which file a log has indexes. */
struct indexed {
    char *log;
    uint64_t after;
};

struct bs_filing {
    struct bs_gateway *g;
    struct bs_store *store; /* to be closed; NULL: it is the gateway's */
    struct bs_store view;
    struct bs_watch watch;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    bool stop;
    int64_t pause_us;      /* after a failure; 0: the last try went well */
    int64_t next_us;       /* of bs_mono_us: not before */
    int64_t waiting, late; /* as the gauges have them: files, seconds */
    struct indexed *indexed;
    size_t n_indexed;
};

/* --- one file ----------------------------------------------------------------------------- */

struct comparison {
    FILE *file;
    bool same;
};

static enum bs_done
compare_piece(void *ctx, struct bs_bytes piece, struct bs_err *err)
{
    struct comparison *c = ctx;
    uint8_t *here = bs_malloc(piece.n + 1);

    (void)err;
    c->same = c->same && fread(here, 1, piece.n, c->file) == piece.n &&
              memcmp(here, piece.p, piece.n) == 0;
    free(here);
    return BS_DONE;
}

/* The name is taken: by this very file, when the one who put it there could not note it any more? */
static enum bs_done
compare(struct bs_store *store, const char *key, const char *path, struct bs_err *err)
{
    struct comparison c = {fopen(path, "re"), true};
    enum bs_done done;

    if (c.file == NULL)
        return BS_FAIL(err, IO, "cannot open \"%.300s\": %s", path, strerror(errno));
    done = bs_store_read(store, key, compare_piece, &c, err);
    if (done == BS_DONE && (!c.same || fgetc(c.file) != EOF))
        done = BS_FAIL(err, DAMAGED, "the store has something else as \"%.200s\"", key);
    (void)fclose(c.file);
    return done;
}

static enum bs_done
put_file(struct bs_filing *u,
         const char *folder,
         const char *directory,
         const char *name,
         struct bs_err *err)
{
    char key[BS_UPLOAD_FOLDER + BS_SEGMENT_NAME + 2], path[PATH_MAX + BS_SEGMENT_NAME];
    struct bs_err why = {0};

    (void)snprintf(key, sizeof(key), "%s/%s", folder, name);
    (void)snprintf(path, sizeof(path), "%s/%s", directory, name);
    if (bs_store_put_file(&u->view, key, path, &why) == BS_DONE)
        return BS_DONE;
    if (why.code == BS_E_CONFLICT)
        return compare(&u->view, key, path, err);
    *err = why;
    return BS_FAILED;
}

/* The head comes last: an object of it says that its file is there. */
static enum bs_done
put_segment(struct bs_filing *u,
            const char *folder,
            const char *directory,
            uint64_t first,
            struct bs_err *err)
{
    char name[BS_SEGMENT_NAME], head[BS_SEGMENT_NAME], path[PATH_MAX + BS_SEGMENT_NAME];

    bs_segment_name(first, name);
    bs_segment_head_name(first, head);
    (void)snprintf(path, sizeof(path), "%s/%s", directory, head);
    if (put_file(u, folder, directory, name, err) != BS_DONE ||
        (access(path, F_OK) == 0 && put_file(u, folder, directory, head, err) != BS_DONE))
        return BS_FAILED;
    return bs_backlog_note(directory, u->g->config->audit_upload, first, err);
}

/* --- a round ------------------------------------------------------------------------------ */

struct sum {
    int64_t waiting, since_us;
};

/* Adds what still waits, whether or not this went well. */
static enum bs_done
upload_log(struct bs_filing *u, const char *log, bool may_try, struct sum *sum, struct bs_err *err)
{
    const struct bs_config *c = u->g->config;
    struct bs_backlog b = {0};
    char directory[PATH_MAX], folder[BS_UPLOAD_FOLDER];
    enum bs_done done = BS_DONE;
    size_t sent = 0;

    (void)snprintf(directory, sizeof(directory), "%s%s%s", c->audit_directory,
                   log[0] == '\0' ? "" : "/", log);
    if (bs_backlog_look(directory, c->audit_upload, &b, err) != BS_DONE)
        return BS_FAILED;
    if (b.files.n != 0 && may_try)
        done = bs_backlog_folder(directory, log, folder, err);
    while (may_try && done == BS_DONE && sent < b.files.n) {
        done = put_segment(u, folder, directory, b.files.first[sent], err);
        bs_count(done == BS_DONE ? BS_COUNT_UPLOADS : BS_COUNT_UPLOADS_FAILED);
        sent += done == BS_DONE;
    }
    if (sent != 0)
        BS_LOG(INFO, "audit uploaded", BS_F_STR("to", folder), BS_F_INT("files", (int64_t)sent));
    if (sent < b.files.n && (sum->since_us == 0 || b.since_us < sum->since_us))
        sum->since_us = b.since_us;
    sum->waiting += (int64_t)(b.files.n - sent);
    bs_segments_fini(&b.files);
    return done;
}

static void
show(struct bs_filing *u, const struct sum *sum)
{
    int64_t late = sum->waiting == 0 ? 0 : (bs_now_us() - sum->since_us) / 1000000;

    late = late < 0 ? 0 : late;
    bs_gauge_add(BS_GAUGE_UPLOAD_WAITING, sum->waiting - u->waiting);
    bs_gauge_add(BS_GAUGE_UPLOAD_LAG, late - u->late);
    u->waiting = sum->waiting;
    u->late = late;
}

static void
wait_longer(struct bs_filing *u, const struct bs_err *err)
{
    if (err->code == BS_E_CANCELLED)
        return;
    u->pause_us = u->pause_us == 0 ? ROUND_US : u->pause_us * 2;
    if (u->pause_us > LONGEST_US)
        u->pause_us = LONGEST_US;
    u->next_us = bs_mono_us() + u->pause_us;
    BS_LOG(WARNING, "the audit could not be uploaded", BS_F_STR("reason", err->message),
           BS_F_STR("hint", err->hint), BS_F_INT("files_waiting", u->waiting),
           BS_F_INT("late_s", u->late), BS_F_INT("again_in_s", u->pause_us / 1000000));
}

/* How far that log is known to be indexed. */
static uint64_t *
indexed_of(struct bs_filing *u, const char *log)
{
    for (size_t i = 0; i < u->n_indexed; i++) {
        if (strcmp(u->indexed[i].log, log) == 0)
            return &u->indexed[i].after;
    }
    u->indexed = bs_realloc(u->indexed, (u->n_indexed + 1) * sizeof(*u->indexed));
    u->indexed[u->n_indexed].log = bs_strdup(log);
    u->indexed[u->n_indexed].after = 0;
    return &u->indexed[u->n_indexed++].after;
}

/* An index less makes searches slower, and nothing else. */
static void
index_log(struct bs_filing *u, const char *log)
{
    char directory[PATH_MAX];
    struct bs_err err = {0};
    size_t made;

    (void)snprintf(directory, sizeof(directory), "%s%s%s", u->g->config->audit_directory,
                   log[0] == '\0' ? "" : "/", log);
    if (bs_audit_index_make_all(directory, indexed_of(u, log), &u->watch, &made, &err) != BS_DONE &&
        err.code != BS_E_CANCELLED)
        BS_LOG(WARNING, "the audit could not be indexed", BS_F_STR("log", log),
               BS_F_STR("reason", err.message));
}

/* Looks at all of them, and sends what waits where it may. The first failure counts: then nothing is sent any more. */
static enum bs_done
go_through(struct bs_filing *u, const struct bs_audit_logs *logs, bool may_try, struct bs_err *err)
{
    enum bs_done done = BS_DONE;
    struct sum sum = {0};

    for (size_t i = 0; i < logs->n; i++) {
        struct bs_err why = {0};
        if (upload_log(u, logs->names[i], may_try && done == BS_DONE, &sum, &why) == BS_DONE)
            continue;
        if (done == BS_DONE)
            *err = why;
        done = BS_FAILED;
    }
    show(u, &sum);
    return done;
}

static void
go_round(struct bs_filing *u)
{
    struct bs_audit_logs logs = {0};
    struct bs_err err = {0};
    enum bs_done done;

    bs_audit_turn(u->g->audit);
    done = bs_audit_logs_list(u->g->config->audit_directory, &logs, &err);
    for (size_t i = 0; done == BS_DONE && i < logs.n; i++)
        index_log(u, logs.names[i]);
    if (done == BS_DONE && u->g->config->audit_upload != NULL)
        done = go_through(u, &logs, false, &err); /* to send may take long */
    if (done == BS_DONE && u->waiting != 0 && bs_mono_us() >= u->next_us) {
        done = go_through(u, &logs, true, &err);
        if (done == BS_DONE)
            u->pause_us = u->next_us = 0;
    }
    if (done != BS_DONE)
        wait_longer(u, &err);
    bs_audit_logs_fini(&logs);
}

static void *
work(void *arg)
{
    struct bs_filing *u = arg;

    pthread_mutex_lock(&u->lock);
    while (!u->stop) {
        int64_t until_us = bs_mono_us() + ROUND_US;
        struct timespec until = {until_us / 1000000, until_us % 1000000 * 1000};
        pthread_mutex_unlock(&u->lock);
        go_round(u);
        pthread_mutex_lock(&u->lock);
        if (!u->stop)
            (void)pthread_cond_timedwait(&u->wake, &u->lock, &until);
    }
    pthread_mutex_unlock(&u->lock);
    return NULL;
}

/* --- start and stop ----------------------------------------------------------------------- */

enum bs_done
bs_filing_start(struct bs_gateway *g, struct bs_filing **out, struct bs_err *err)
{
    const char *to = g->config->audit_upload;
    struct bs_filing *u;

    *out = NULL;
    u = bs_malloc(sizeof(*u));
    u->g = g;
    if (bs_watch_init(&u->watch, 0, err) != BS_DONE) {
        free(u);
        return BS_FAILED;
    }
    if (to != NULL && strcmp(to, g->config->storage_url) != 0 &&
        bs_store_open(to, &u->store, err) != BS_DONE) {
        bs_err_prefix(err, "audit.upload");
        bs_watch_fini(&u->watch);
        free(u);
        return BS_FAILED;
    }
    u->view = bs_store_watched(u->store != NULL ? u->store : g->store, &u->watch);
    pthread_mutex_init(&u->lock, NULL);
    bs_cond_init(&u->wake);
    bs_assert(pthread_create(&u->thread, NULL, work, u) == 0);
    *out = u;
    return BS_DONE;
}

void
bs_filing_stop(struct bs_filing **u)
{
    if (*u == NULL)
        return;
    bs_watch_stop(&(*u)->watch);
    pthread_mutex_lock(&(*u)->lock);
    (*u)->stop = true;
    pthread_cond_signal(&(*u)->wake);
    pthread_mutex_unlock(&(*u)->lock);
    pthread_join((*u)->thread, NULL);
    pthread_mutex_destroy(&(*u)->lock);
    pthread_cond_destroy(&(*u)->wake);
    bs_store_close(&(*u)->store);
    bs_watch_fini(&(*u)->watch);
    for (size_t i = 0; i < (*u)->n_indexed; i++)
        free((*u)->indexed[i].log);
    free((*u)->indexed);
    free(*u);
    *u = NULL;
}
