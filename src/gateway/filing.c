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

/* What this process knows of a log. */
struct known {
    char *log;
    uint64_t indexed; /* first seq of the last file that has an index; 0: none */
    uint64_t sent;    /* of the last that was sent, or refused */
    uint64_t *
        refused; /* whose places in the store have something else; before it all others are there */
    size_t n_refused;
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
    struct known *known;
    size_t n_known;
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
    if (put_file(u, folder, directory, name, err) != BS_DONE)
        return BS_FAILED;
    return access(path, F_OK) != 0 ? BS_DONE : put_file(u, folder, directory, head, err);
}

/* --- a log -------------------------------------------------------------------------------- */

static struct known *
known_of(struct bs_filing *u, const char *log)
{
    for (size_t i = 0; i < u->n_known; i++) {
        if (strcmp(u->known[i].log, log) == 0)
            return &u->known[i];
    }
    u->known = bs_realloc(u->known, (u->n_known + 1) * sizeof(*u->known));
    u->known[u->n_known] = (struct known){.log = bs_strdup(log)};
    return &u->known[u->n_known++];
}

/* Its place among the refused; n_refused where it is none of them. */
static size_t
refused_at(const struct known *k, uint64_t first)
{
    size_t i = 0;

    while (i < k->n_refused && k->refused[i] != first)
        i++;
    return i;
}

static void
refuse(struct known *k, uint64_t first)
{
    if (refused_at(k, first) != k->n_refused)
        return;
    k->refused = bs_realloc(k->refused, (k->n_refused + 1) * sizeof(*k->refused));
    k->refused[k->n_refused++] = first;
}

static void
forget_refused(struct known *k, uint64_t first)
{
    size_t at = refused_at(k, first);

    if (at != k->n_refused)
        k->refused[at] = k->refused[--k->n_refused];
}

/* What a round comes to. */
struct sum {
    int64_t waiting, since_us;
};

/* One log in a round. */
struct filed {
    const char *directory;
    char folder[BS_UPLOAD_FOLDER]; /* in the store */
    bool may_try;
    int64_t sent, left;
};

/*
 * Sends one, or leaves it for later. One whose place is taken by something else holds up no other; where
 * the store does not answer, the others need not be tried.
 */
static enum bs_done
send_one(struct bs_filing *u, struct known *k, struct filed *f, uint64_t first, struct bs_err *err)
{
    enum bs_done done;

    if (!f->may_try) {
        f->left++;
        return BS_DONE;
    }
    done = put_segment(u, f->folder, f->directory, first, err);
    bs_count(done == BS_DONE ? BS_COUNT_UPLOADS : BS_COUNT_UPLOADS_FAILED);
    if (done == BS_DONE) {
        f->sent++;
        forget_refused(k, first);
    } else {
        f->left++;
        f->may_try = err->code == BS_E_DAMAGED;
    }
    if (done != BS_DONE && f->may_try)
        refuse(k, first);
    if ((done == BS_DONE || f->may_try) && first > k->sent)
        k->sent = first;
    return done;
}

/* All that waits; err: the first failure. */
static enum bs_done
send_all(struct bs_filing *u,
         struct known *k,
         struct filed *f,
         const struct bs_segments *files,
         struct bs_err *err)
{
    enum bs_done done = BS_DONE;

    for (size_t i = 0; i < files->n; i++) {
        uint64_t first = files->first[i];
        struct bs_err why = {0};
        if (first <= k->sent && refused_at(k, first) == k->n_refused)
            continue; /* behind one that was refused */
        if (send_one(u, k, f, first, &why) == BS_DONE)
            continue;
        if (done == BS_DONE)
            *err = why;
        done = BS_FAILED;
    }
    if (f->sent != 0 && k->n_refused == 0 &&
        bs_backlog_note(f->directory, u->g->config->audit_upload, k->sent, err) != BS_DONE)
        done = BS_FAILED;
    return done;
}

/* Adds what still waits, whether or not this went well. */
static enum bs_done
upload_log(struct bs_filing *u, const char *log, bool may_try, struct sum *sum, struct bs_err *err)
{
    const struct bs_config *c = u->g->config;
    char directory[PATH_MAX];
    struct filed f = {.directory = directory, .may_try = may_try};
    struct bs_backlog b = {0};
    enum bs_done done;

    (void)snprintf(directory, sizeof(directory), "%s%s%s", c->audit_directory,
                   log[0] == '\0' ? "" : "/", log);
    if (bs_backlog_look(directory, c->audit_upload, &b, err) != BS_DONE)
        return BS_FAILED;
    done = b.files.n == 0 || !may_try ? BS_DONE : bs_backlog_folder(directory, log, f.folder, err);
    if (done == BS_DONE)
        done = send_all(u, known_of(u, log), &f, &b.files, err);
    if (f.sent != 0)
        BS_LOG(INFO, "audit uploaded", BS_F_STR("to", f.folder), BS_F_INT("files", f.sent));
    if (f.left != 0 && (sum->since_us == 0 || b.since_us < sum->since_us))
        sum->since_us = b.since_us;
    sum->waiting += f.left;
    bs_segments_fini(&b.files);
    return done;
}

/* --- a round ------------------------------------------------------------------------------ */

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

/* An index less makes searches slower, and nothing else. */
static void
index_log(struct bs_filing *u, const char *log)
{
    char directory[PATH_MAX];
    struct bs_err err = {0};
    size_t made;

    (void)snprintf(directory, sizeof(directory), "%s%s%s", u->g->config->audit_directory,
                   log[0] == '\0' ? "" : "/", log);
    if (bs_audit_index_make_all(directory, &known_of(u, log)->indexed, &u->watch, &made, &err) !=
            BS_DONE &&
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
    for (size_t i = 0; i < (*u)->n_known; i++) {
        free((*u)->known[i].log);
        free((*u)->known[i].refused);
    }
    free((*u)->known);
    free(*u);
    *u = NULL;
}
