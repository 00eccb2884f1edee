/*
 * log_file.c - files, durability, and what a crash may leave behind.
 *
 * The head is written after the sync of what it tells and is itself synced only when a file is
 * finished: behind after a power failure, perhaps, but never ahead. So a head ahead of the files
 * means that something was taken away; and what does not continue the chain behind the head was
 * never promised to anybody, so it may be set aside.
 */
#include "audit/log_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/files.h"

static void
path_of(const struct bs_log_file *f, const char *name, char out[PATH_MAX])
{
    (void)snprintf(out, PATH_MAX, "%s/%s", f->directory, name);
}

static enum bs_done
damaged(struct bs_err *err, const char *file, uint64_t line, const char *why)
{
    (void)BS_FAIL(err, DAMAGED, "the audit log is broken at %s line %llu: %s", file,
                  (unsigned long long)line, why);
    bs_err_hint(err,
                "see `backstop audit verify`; keep the folder as evidence and start a new one");
    return BS_FAILED;
}

/* --- open --- */

static enum bs_done
take_lock(struct bs_log_file *f, struct bs_err *err)
{
    char path[PATH_MAX];

    path_of(f, "lock", path);
    f->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (f->lock_fd < 0)
        return BS_FAIL(err, IO, "cannot open \"%.300s\": %s", path, strerror(errno));
    if (flock(f->lock_fd, LOCK_EX | LOCK_NB) != 0)
        return BS_FAIL(err, UNAVAILABLE, "the audit log \"%.300s\" is open in another process",
                       f->directory);
    return BS_DONE;
}

/* What the walk over the last files found. */
struct tail {
    uint64_t first; /* of the last file; 0: there is none */
    struct bs_chain chain;
    struct bs_chain_stop stop;
    bool torn; /* stop.offset is where good lines end */
};

/* Only what is behind the head may be incomplete. */
static enum bs_done
judge_stop(struct tail *t, enum bs_chain_end end, bool last, const char *name, struct bs_err *err)
{
    if (end == BS_CHAIN_WHOLE)
        return BS_DONE;
    if (!last || t->chain.seq < t->chain.head.seq)
        return damaged(err, name, t->stop.line,
                       end == BS_CHAIN_TORN ? "the line is cut off" : t->stop.why);
    t->torn = true;
    return BS_DONE;
}

/* The last file, and the one before, which knows how the last one must begin. */
static enum bs_done
walk_tail(struct bs_log_file *f,
          const struct bs_segments *segments,
          const struct bs_head *head,
          struct tail *t,
          struct bs_err *err)
{
    size_t from = segments->n > 1 ? segments->n - 2 : 0;

    bs_chain_start(&t->chain, segments->n == 0 ? 1 : segments->first[from], head);
    for (size_t i = from; i < segments->n; i++) {
        char name[BS_SEGMENT_NAME], path[PATH_MAX];
        enum bs_chain_end end;
        bs_segment_name(segments->first[i], name);
        path_of(f, name, path);
        if (segments->first[i] != t->chain.seq + 1)
            return damaged(err, name, 1, "the file does not start with the next sequence number");
        if (bs_chain_walk(&t->chain, path, &end, &t->stop, err) != BS_DONE ||
            judge_stop(t, end, i + 1 == segments->n, name, err) != BS_DONE)
            return BS_FAILED;
        t->first = segments->first[i];
    }
    if (!head->there)
        return damaged(err, BS_HEAD_FILE, 1, "it is missing");
    if (t->chain.seq < head->seq)
        return damaged(err, BS_HEAD_FILE, 1, "the lines it remembers last are missing");
    if (!t->chain.head_seen)
        return damaged(err, BS_HEAD_FILE, 1, "it does not belong to these files");
    return BS_DONE;
}

/* Half a line goes into a file of its own before it is cut off. */
static enum bs_done
set_aside(struct bs_log_file *f, const char *path, const struct tail *t, struct bs_err *err)
{
    char id[BS_ULID_TEXT], aside[PATH_MAX];
    struct bs_buf all;
    enum bs_done done;

    bs_ulid_new(id);
    (void)snprintf(f->torn, sizeof(f->torn), "torn-%llu-%s", (unsigned long long)t->chain.seq + 1,
                   id);
    path_of(f, f->torn, aside);
    bs_buf_init(&all, SIZE_MAX);
    done = bs_file_read(path, &all, err);
    if (done == BS_DONE) {
        struct bs_bytes rest = bs_buf_view(&all);
        bs_assert(rest.n >= t->stop.offset);
        rest.p += t->stop.offset;
        rest.n -= t->stop.offset;
        f->torn_bytes = rest.n;
        done = bs_file_create(aside, rest, 0600, err);
    }
    bs_buf_fini(&all);
    if (done != BS_DONE)
        return BS_FAILED;
    if (ftruncate(f->fd, (off_t)t->stop.offset) != 0 || fsync(f->fd) != 0)
        return BS_FAIL(err, IO, "cannot cut \"%.300s\": %s", path, strerror(errno));
    return BS_DONE;
}

static enum bs_done
open_segment(struct bs_log_file *f, uint64_t first, int flags, struct bs_err *err)
{
    char name[BS_SEGMENT_NAME], path[PATH_MAX];
    struct stat st;

    bs_segment_name(first, name);
    path_of(f, name, path);
    f->fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC | flags, 0600);
    if (f->fd < 0 || fstat(f->fd, &st) != 0)
        return BS_FAIL(err, IO, "cannot open \"%.300s\": %s", path, strerror(errno));
    f->first = first;
    f->size = (uint64_t)st.st_size;
    f->begun_us = bs_mono_us();
    return BS_DONE;
}

static enum bs_done
new_segment(struct bs_log_file *f, struct bs_err *err)
{
    if (open_segment(f, f->seq + 1, O_CREAT | O_EXCL, err) != BS_DONE)
        return BS_FAILED;
    return bs_dir_sync(f->directory, err);
}

static enum bs_done
open_head(struct bs_log_file *f, struct bs_err *err)
{
    char path[PATH_MAX];

    path_of(f, BS_HEAD_FILE, path);
    f->head_fd = open(path, O_WRONLY | O_CLOEXEC);
    if (f->head_fd < 0)
        return BS_FAIL(err, IO, "cannot open \"%.300s\": %s", path, strerror(errno));
    return BS_DONE;
}

/* With a head of its own, at its end: it may have been copied elsewhere, so nothing is added. */
static bool
is_finished(const struct bs_log_file *f, const struct tail *t)
{
    char name[BS_SEGMENT_NAME];
    struct bs_head head;
    struct bs_err ignored = {0};

    bs_segment_head_name(t->first, name);
    return !t->torn && t->chain.seq >= t->first &&
           bs_head_read(f->directory, name, &head, &ignored) == BS_DONE && head.there &&
           head.seq == t->chain.seq;
}

/* Opens the file that goes on, without what does not belong into it. */
static enum bs_done
open_last(struct bs_log_file *f, const struct tail *t, struct bs_err *err)
{
    char name[BS_SEGMENT_NAME], path[PATH_MAX];

    if (t->first == 0 || is_finished(f, t))
        return new_segment(f, err);
    if (open_segment(f, t->first, 0, err) != BS_DONE)
        return BS_FAILED;
    if (!t->torn)
        return BS_DONE;
    bs_segment_name(t->first, name);
    path_of(f, name, path);
    f->size = t->stop.offset;
    return set_aside(f, path, t, err);
}

/* Go on where the last process stopped; it may have died before it synced. */
static enum bs_done
resume(struct bs_log_file *f, const struct tail *t, struct bs_err *err)
{
    f->seq = t->chain.seq;
    memcpy(f->hash, t->chain.hash, sizeof(f->hash));
    if (open_head(f, err) != BS_DONE || open_last(f, t, err) != BS_DONE)
        return BS_FAILED;
    return bs_log_file_sync(f, err);
}

/* Of a log that has begun, the key cannot be made anew: nothing would say who signed so far. */
static enum bs_done
open_key(struct bs_log_file *f, const char *path, const struct bs_head *head, struct bs_err *err)
{
    const char *wrong;

    if (path == NULL)
        return BS_DONE;
    if (!head->there)
        return bs_audit_key_make(path, &f->key, err);
    if (bs_audit_key_open(path, &f->key, err) != BS_DONE) {
        bs_err_prefix(err, "the key that the audit log is signed with");
        bs_err_hint(err, "put the key back, or keep the folder as evidence and start a new one");
        return BS_FAILED;
    }
    wrong = bs_head_wrong(head, f->key);
    if (wrong == NULL)
        return BS_DONE;
    (void)BS_FAIL(err, DAMAGED, "the head of the audit log %s", wrong);
    bs_err_hint(err,
                "see `backstop audit verify`; keep the folder as evidence and start a new one");
    return BS_FAILED;
}

static enum bs_done
open_all(struct bs_log_file *f, const char *key, struct bs_segments *segments, struct bs_err *err)
{
    struct bs_head head;
    struct tail tail = {0};

    if (bs_dir_make(f->directory, err) != BS_DONE || take_lock(f, err) != BS_DONE ||
        bs_segments_list(f->directory, segments, err) != BS_DONE ||
        bs_head_read(f->directory, BS_HEAD_FILE, &head, err) != BS_DONE ||
        open_key(f, key, &head, err) != BS_DONE)
        return BS_FAILED;
    if (segments->n == 0 && !head.there) {
        head = bs_head_make(0, BS_HASH_ZEROS, f->key);
        if (bs_head_store(f->directory, BS_HEAD_FILE, &head, err) != BS_DONE)
            return BS_FAILED;
    }
    if (walk_tail(f, segments, &head, &tail, err) != BS_DONE)
        return BS_FAILED;
    return resume(f, &tail, err);
}

enum bs_done
bs_log_file_open(struct bs_log_file *f, const struct bs_audit_options *options, struct bs_err *err)
{
    struct bs_segments segments = {0};
    enum bs_done done;

    *f = (struct bs_log_file){
        .directory = bs_strdup(options->directory),
        .segment_bytes = options->segment_bytes != 0 ? options->segment_bytes : 64u << 20,
        .segment_age_us = options->segment_age_us != 0 ? options->segment_age_us : 86400000000,
        .own_files = options->own_files,
        .lock_fd = -1,
        .head_fd = -1,
        .fd = -1,
    };
    done = open_all(f, options->key, &segments, err);
    bs_segments_fini(&segments);
    if (done != BS_DONE)
        bs_log_file_close(f);
    return done;
}

static void
close_fd(int *fd)
{
    if (*fd >= 0)
        (void)close(*fd);
    *fd = -1;
}

static enum bs_done finish_segment(struct bs_log_file *f, struct bs_err *err);

/* One that cannot be finished is gone on with. */
void
bs_log_file_close(struct bs_log_file *f)
{
    struct bs_err ignored = {0};

    if (f->own_files && f->fd >= 0 && f->head_fd >= 0 && f->size != 0)
        (void)!finish_segment(f, &ignored);
    close_fd(&f->fd);
    close_fd(&f->head_fd);
    close_fd(&f->lock_fd);
    bs_audit_key_free(&f->key);
    free(f->directory);
    f->directory = NULL;
}

/* --- write --- */

enum bs_done
bs_log_file_append(struct bs_log_file *f, struct bs_bytes lines, struct bs_err *err)
{
    if (bs_fd_write(f->fd, lines, "the audit log", err) != BS_DONE)
        return BS_FAILED;
    f->size += lines.n;
    return BS_DONE;
}

enum bs_done
bs_log_file_sync(struct bs_log_file *f, struct bs_err *err)
{
    struct bs_head head;

    if (fdatasync(f->fd) != 0)
        return BS_FAIL(err, IO, "cannot sync the audit log: %s", strerror(errno));
    head = bs_head_make(f->seq, f->hash, f->key);
    return bs_head_write(f->head_fd, &head, err);
}

/* The head that the file keeps. Nothing reads it while the file is the last one. */
static enum bs_done
finish_segment(struct bs_log_file *f, struct bs_err *err)
{
    struct bs_head head = bs_head_make(f->seq, f->hash, f->key);
    char name[BS_SEGMENT_NAME];

    if (bs_log_file_sync(f, err) != BS_DONE)
        return BS_FAILED;
    if (fsync(f->head_fd) != 0)
        return BS_FAIL(err, IO, "cannot sync the head of the audit log: %s", strerror(errno));
    bs_segment_head_name(f->first, name);
    return f->key == NULL ? BS_DONE : bs_head_store(f->directory, name, &head, err);
}

enum bs_done
bs_log_file_turn(struct bs_log_file *f, struct bs_err *err)
{
    bool old = bs_mono_us() - f->begun_us >= f->segment_age_us;

    if (f->size == 0 || (f->size < f->segment_bytes && !old))
        return BS_DONE;
    if (finish_segment(f, err) != BS_DONE)
        return BS_FAILED;
    close_fd(&f->fd);
    return new_segment(f, err);
}
