/*
 * logs.c - the last lines of several logs are read in full and merged once; what comes later is
 * handed on as it is found.
 */
#include "audit/logs.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "audit/chain.h"
#include "base/arena.h"

/* --- the list --- */

/* "directory/name", or the directory itself for "". */
static bool
path_of(const char *directory, const char *name, char out[PATH_MAX])
{
    int n = snprintf(out, PATH_MAX, "%s%s%s", directory, name[0] == '\0' ? "" : "/", name);

    return n > 0 && n < PATH_MAX;
}

/* Also one whose files were all taken away but for its head: that is for verify to say. */
static bool
holds_log(const char *path, struct bs_err *err)
{
    struct bs_segments segments = {0};
    struct bs_head head;
    struct bs_err ignored = {0};
    bool holds = false;

    if (bs_segments_list(path, &segments, err) == BS_DONE)
        holds = segments.n != 0 || bs_head_read(path, BS_HEAD_FILE, &head, &ignored) != BS_DONE ||
                head.there;
    bs_segments_fini(&segments);
    return holds;
}

static void
add(struct bs_audit_logs *l, const char *name)
{
    l->names = bs_realloc(l->names, (l->n + 1) * sizeof(*l->names));
    l->names[l->n++] = bs_strdup(name);
}

static int
by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static enum bs_done
add_folders(const char *directory, struct bs_audit_logs *l, struct bs_err *err)
{
    DIR *dir = opendir(directory);
    struct dirent *e;
    char path[PATH_MAX];

    if (dir == NULL)
        return BS_FAIL(err, IO, "cannot list \"%.300s\": %s", directory, strerror(errno));
    while ((e = readdir(dir)) != NULL) {
        struct bs_err none = {0};
        if (e->d_name[0] != '.' && path_of(directory, e->d_name, path) && holds_log(path, &none))
            add(l, e->d_name);
    }
    (void)closedir(dir);
    return BS_DONE;
}

enum bs_done
bs_audit_logs_list(const char *directory, struct bs_audit_logs *out, struct bs_err *err)
{
    *out = (struct bs_audit_logs){0};
    if (!holds_log(directory, err))
        return BS_FAIL(err, NOT_FOUND, "no audit log in \"%.300s\"", directory);
    if (add_folders(directory, out, err) != BS_DONE)
        return BS_FAILED;
    add(out, "");
    qsort(out->names, out->n, sizeof(*out->names), by_name);
    return BS_DONE;
}

void
bs_audit_logs_fini(struct bs_audit_logs *l)
{
    for (size_t i = 0; i < l->n; i++)
        free(l->names[i]);
    free(l->names);
    *l = (struct bs_audit_logs){0};
}

/* --- the reader --- */

struct log {
    char *name;
    struct bs_audit_tail *tail;
    char **lines; /* read when it was opened */
    size_t n;
    size_t next;
};

struct bs_audit_reader {
    char *directory;
    struct log *logs;
    size_t n;
};

/* When a line was written; texts of one form, so they compare. See chain.h for why it is first. */
static const char *
time_of(const char *line)
{
    static const char key[] = "\"at\":\"";
    const char *at = strstr(line, key);

    return at == NULL ? "" : at + sizeof(key) - 1;
}

static bool
is_earlier(const char *a, const char *b)
{
    const char *x = time_of(a), *y = time_of(b);
    size_t n = strcspn(x, "\""), m = strcspn(y, "\"");
    int c = memcmp(x, y, n < m ? n : m);

    return c < 0 || (c == 0 && n < m);
}

/* The log whose next line is the oldest; NULL: none has one. */
static struct log *
oldest(struct bs_audit_reader *r)
{
    struct log *best = NULL;

    for (size_t i = 0; i < r->n; i++) {
        struct log *l = &r->logs[i];
        if (l->next < l->n &&
            (best == NULL || is_earlier(l->lines[l->next], best->lines[best->next])))
            best = l;
    }
    return best;
}

/* Takes all lines that are there now. */
static enum bs_done
read_all(struct log *l, struct bs_err *err)
{
    struct bs_bytes line;
    enum bs_tail got;
    size_t room = 0;

    while ((got = bs_audit_tail_next(l->tail, &line, err)) == BS_TAIL_LINE) {
        if (l->n == room) {
            room = room == 0 ? 64 : room * 2;
            l->lines = bs_realloc(l->lines, room * sizeof(*l->lines));
        }
        l->lines[l->n] = bs_malloc(line.n + 1);
        memcpy(l->lines[l->n], line.p, line.n);
        l->lines[l->n++][line.n] = '\0';
    }
    return got == BS_TAIL_END ? BS_DONE : BS_FAILED;
}

/* Opens what is not open yet. One that has no line yet is tried again later. */
static enum bs_done
open_logs(struct bs_audit_reader *r, uint64_t lines, struct bs_err *err)
{
    struct bs_audit_logs list = {0};
    enum bs_done done = bs_audit_logs_list(r->directory, &list, err);

    for (size_t i = 0; done == BS_DONE && i < list.n; i++) {
        struct log l = {0};
        struct bs_err why = {0};
        char path[PATH_MAX];
        bool open = false;
        for (size_t k = 0; k < r->n; k++)
            open = open || strcmp(r->logs[k].name, list.names[i]) == 0;
        if (open || !path_of(r->directory, list.names[i], path))
            continue;
        if (bs_audit_tail_open(path, lines, &l.tail, &why) != BS_DONE) {
            if (why.code == BS_E_NOT_FOUND && list.names[i][0] != '\0')
                continue;
            *err = why;
            done = BS_FAILED;
            continue;
        }
        l.name = bs_strdup(list.names[i]);
        r->logs = bs_realloc(r->logs, (r->n + 1) * sizeof(*r->logs));
        r->logs[r->n++] = l;
    }
    bs_audit_logs_fini(&list);
    return done;
}

enum bs_done
bs_audit_reader_open(const char *directory,
                     uint64_t lines,
                     struct bs_audit_reader **out,
                     struct bs_err *err)
{
    struct bs_audit_reader *r = bs_malloc(sizeof(*r));
    enum bs_done done;
    size_t have = 0;

    *r = (struct bs_audit_reader){.directory = bs_strdup(directory)};
    done = open_logs(r, lines, err);
    for (size_t i = 0; done == BS_DONE && i < r->n; i++) {
        done = read_all(&r->logs[i], err);
        have += r->logs[i].n;
    }
    for (; done == BS_DONE && have > lines; have--)
        oldest(r)->next++;
    if (done != BS_DONE)
        bs_audit_reader_close(&r);
    *out = r;
    return done;
}

/* What has come since, log by log. */
static enum bs_tail
next_new(struct bs_audit_reader *r, struct bs_bytes *line, const char **log, struct bs_err *err)
{
    for (size_t i = 0; i < r->n; i++) {
        enum bs_tail got = bs_audit_tail_next(r->logs[i].tail, line, err);
        *log = r->logs[i].name;
        if (got != BS_TAIL_END)
            return got;
    }
    /* One that has begun since is of interest from its first line. */
    return open_logs(r, UINT64_MAX, err) == BS_DONE ? BS_TAIL_END : BS_TAIL_BAD;
}

enum bs_tail
bs_audit_reader_next(struct bs_audit_reader *r,
                     struct bs_bytes *line,
                     const char **log,
                     struct bs_err *err)
{
    struct log *l = oldest(r);

    if (l == NULL)
        return next_new(r, line, log, err);
    *log = l->name;
    *line = bs_bytes_of(l->lines[l->next++]);
    return BS_TAIL_LINE;
}

void
bs_audit_reader_close(struct bs_audit_reader **r)
{
    if (*r == NULL)
        return;
    for (size_t i = 0; i < (*r)->n; i++) {
        struct log *l = &(*r)->logs[i];
        bs_audit_tail_close(&l->tail);
        for (size_t k = 0; k < l->n; k++)
            free(l->lines[k]);
        free(l->lines);
        free(l->name);
    }
    free((*r)->logs);
    free((*r)->directory);
    free(*r);
    *r = NULL;
}
