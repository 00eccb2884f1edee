/*
 * journal.c - a file's name says whose it is: <pid>-<a ULID of the process>-<point>-<event>. By the
 * ULID an earlier process with our pid (in a container always 1) is told from ourselves.
 */
#include "recovery/journal.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/files.h"
#include "recovery/points.h"

enum { ENTRY_MAX = (1 << 20) + BS_KEY_MAX + 1, TRIES = 20 };

static char life[BS_ULID_TEXT]; /* this process */
static pthread_once_t born = PTHREAD_ONCE_INIT;

static void
be_born(void)
{
    bs_ulid_new(life);
}

/* What a file's name says. */
struct name {
    long pid;
    bool ours;
    bool end; /* the point needs nothing after this event */
    char point[BS_POINT_ID_TEXT];
};

static bool
is_end(enum bs_event_state state)
{
    return state == BS_EVENT_COMMITTED || state == BS_EVENT_ROLLED_BACK ||
           state == BS_EVENT_NOT_USED || state == BS_EVENT_ABANDONED || state == BS_EVENT_UNKNOWN ||
           state == BS_EVENT_TAKEN;
}

static bool
read_name(const char *file, struct name *out)
{
    char *at = NULL;
    char state[24];
    size_t n = BS_ULID_TEXT - 1, id = BS_POINT_ID_TEXT - 1;

    *out = (struct name){.pid = strtol(file, &at, 10)};
    if (at == file || out->pid < 1 || strlen(at) < 1 + n + 1 + id + 1 + n + 1 + 6 || at[0] != '-' ||
        at[1 + n] != '-' || strncmp(at + 2 + n, "RP-", 3) != 0 || at[2 + n + id] != '-')
        return false;
    out->ours = out->pid == getpid() && strncmp(at + 1, life, n) == 0;
    memcpy(out->point, at + 2 + n, id);
    (void)snprintf(state, sizeof(state), "%s", at + 4 + n + id + n);
    state[strcspn(state, ".")] = '\0';
    out->end = is_end(bs_event_find(state));
    return true;
}

/* Of a process that lives and is not this one: its own business. */
static bool
is_others(const struct name *n)
{
    return n->pid != getpid() && (kill((pid_t)n->pid, 0) == 0 || errno != ESRCH);
}

static bool
path_in(const char *spool, const char *file, char out[PATH_MAX])
{
    int n = snprintf(out, PATH_MAX, "%s/journal%s%s", spool, file[0] == '\0' ? "" : "/", file);

    return n > 0 && n < PATH_MAX;
}

static enum bs_done
write_entry(
    const char *spool, const char *dir, const char *key, struct bs_bytes text, struct bs_err *err)
{
    char folder[PATH_MAX], file[PATH_MAX], name[256];
    struct bs_buf entry;
    struct bs_err why = {0};
    size_t n = strlen(dir);
    enum bs_done done = BS_FAILED;

    (void)snprintf(name, sizeof(name), "%d-%s-%.*s-%s", (int)getpid(), life, BS_POINT_ID_TEXT - 1,
                   dir + n - BS_POINT_ID_TEXT, key + n + strlen("events/"));
    if (!path_in(spool, "", folder) || !path_in(spool, name, file))
        return BS_FAIL(err, IO, "the path of the spool is too long");
    bs_buf_init(&entry, ENTRY_MAX);
    bs_put_str(&entry, key);
    bs_put_u8(&entry, '\n');
    bs_put_bytes(&entry, text);
    if (entry.failed)
        (void)BS_FAIL(&why, LIMIT, "an event is too large for the journal");
    /* Another thread may find the folder empty and remove it before there is a file in it. */
    for (int i = 0; done != BS_DONE && !entry.failed && i < TRIES; i++) {
        why = (struct bs_err){0};
        if (bs_dir_make(folder, &why) == BS_DONE)
            done = bs_file_create(file, bs_buf_view(&entry), 0600, &why);
    }
    bs_buf_fini(&entry);
    return done == BS_DONE ? BS_DONE : bs_err_set(err, why.code, "%s", why.message);
}

/* All of one point, whoever wrote them; and the folder where that was all. */
static void
forget(const char *spool, const char *point)
{
    char folder[PATH_MAX], file[PATH_MAX];
    DIR *d = path_in(spool, "", folder) ? opendir(folder) : NULL;
    const struct dirent *e;
    struct name name;

    while (d != NULL && (e = readdir(d)) != NULL) {
        if (read_name(e->d_name, &name) && !is_others(&name) && strcmp(name.point, point) == 0 &&
            path_in(spool, e->d_name, file))
            (void)unlink(file);
    }
    if (d != NULL)
        closedir(d);
    if (path_in(spool, "", folder))
        (void)rmdir(folder);
}

/* CONFLICT is success where it is this very event: it came by another way, or its answer was lost. */
static enum bs_done
put(struct bs_store *store, const char *key, struct bs_bytes text, struct bs_err *err)
{
    struct bs_err why = {0};
    struct bs_buf is;
    bool same = false;

    if (bs_store_put(store, key, text, &why) == BS_DONE)
        return BS_DONE;
    bs_buf_init(&is, ENTRY_MAX);
    if (why.code == BS_E_CONFLICT) {
        struct bs_err ignored = {0};
        same = bs_store_get(store, key, &is, &ignored) == BS_DONE &&
               bs_bytes_equal(bs_buf_view(&is), text);
    }
    bs_buf_fini(&is);
    return same ? BS_DONE : bs_err_set(err, why.code, "%s", why.message);
}

enum bs_done
bs_journal_event(const char *spool,
                 struct bs_store *store,
                 const char *dir,
                 const struct bs_point_event *event,
                 struct bs_err *err)
{
    char key[BS_KEY_MAX + 1], point[BS_POINT_ID_TEXT] = "";
    struct bs_buf text;
    struct bs_err why = {0};
    enum bs_done done;

    (void)pthread_once(&born, be_born);
    bs_buf_init(&text, 1 << 20);
    done = bs_points_event_make(dir, event, key, &text, err);
    if (done == BS_DONE && spool != NULL &&
        write_entry(spool, dir, key, bs_buf_view(&text), &why) != BS_DONE && !is_end(event->state))
        done = bs_err_set(err, why.code, "%s", why.message); /* the end is true all the same */
    if (done == BS_DONE)
        done = put(store, key, bs_buf_view(&text), err);
    bs_buf_fini(&text);
    if (done == BS_DONE && spool != NULL && is_end(event->state)) {
        memcpy(point, dir + strlen(dir) - BS_POINT_ID_TEXT, BS_POINT_ID_TEXT - 1);
        forget(spool, point);
    }
    return done;
}

/* What a file says: the event's key and its bytes, which borrow `entry`. */
static enum bs_done
read_entry(const char *path,
           struct bs_buf *entry,
           char key[BS_KEY_MAX + 1],
           struct bs_bytes *text,
           struct bs_err *err)
{
    const uint8_t *end;
    size_t n;

    if (bs_file_read(path, entry, err) != BS_DONE)
        return BS_FAILED;
    end = entry->n == 0 ? NULL : memchr(entry->p, '\n', entry->n);
    n = end == NULL ? 0 : (size_t)(end - entry->p);
    if (n == 0 || n > BS_KEY_MAX)
        return BS_FAIL(err, IO, "\"%.300s\" is no entry of a journal", path);
    memcpy(key, entry->p, n);
    key[n] = '\0';
    *text = (struct bs_bytes){end + 1, entry->n - n - 1};
    return BS_DONE;
}

/* One file to the store. */
static enum bs_done
replay(const char *path, struct bs_store *store, struct bs_err *err)
{
    struct bs_buf entry;
    struct bs_err why = {0};
    struct bs_bytes text;
    char key[BS_KEY_MAX + 1];
    enum bs_done done;

    bs_buf_init(&entry, ENTRY_MAX);
    done = read_entry(path, &entry, key, &text, &why);
    if (done == BS_DONE)
        done = put(store, key, text, &why);
    bs_buf_fini(&entry);
    if (done == BS_DONE || why.code == BS_E_NOT_FOUND)
        return BS_DONE; /* or its process has ended the point meanwhile */
    return bs_err_set(err, why.code, "%s", why.message);
}

/* Has somebody told the store how the point of this file has ended? */
static bool
has_ended(const char *path, struct bs_store *store)
{
    struct bs_buf entry;
    struct bs_arena arena;
    struct bs_points found = {0};
    struct bs_err ignored = {0};
    struct bs_bytes text;
    char key[BS_KEY_MAX + 1];
    bool ended = false;

    bs_buf_init(&entry, ENTRY_MAX);
    bs_arena_init(&arena, "journal", 1 << 20);
    if (read_entry(path, &entry, key, &text, &ignored) == BS_DONE &&
        bs_point_dir_length(key) != 0) {
        key[bs_point_dir_length(key)] = '\0';
        ended = bs_points_list(store, key, &arena, &found, &ignored) == BS_DONE && found.n == 1 &&
                found.list[0].outcome != BS_EVENT_NONE && is_end(found.list[0].outcome);
    }
    bs_arena_fini(&arena);
    bs_buf_fini(&entry);
    return ended;
}

enum bs_done
bs_journal_replay(const char *spool, struct bs_store *store, size_t *left, struct bs_err *err)
{
    char folder[PATH_MAX], file[PATH_MAX];
    DIR *d;
    const struct dirent *e;
    struct name name;
    enum bs_done done = BS_DONE;

    (void)pthread_once(&born, be_born);
    *left = 0;
    d = path_in(spool, "", folder) ? opendir(folder) : NULL;
    while (d != NULL && (e = readdir(d)) != NULL) {
        if (!read_name(e->d_name, &name) || is_others(&name) || !path_in(spool, e->d_name, file))
            continue;
        if (name.ours && !name.end) {
            if (has_ended(file, store))
                forget(spool, name.point);
            continue;
        }
        if (replay(file, store, err) != BS_DONE) {
            (*left)++;
            done = BS_FAILED;
        } else if (name.end) {
            forget(spool, name.point);
        } else {
            (void)unlink(file); /* the store has it, and the database knows how it ended */
        }
    }
    if (d != NULL)
        closedir(d);
    if (path_in(spool, "", folder))
        (void)rmdir(folder);
    return done;
}
