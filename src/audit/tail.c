/*
 * tail.c - lines over several files. A file is finished once a newer one exists; so the list is
 * looked at before the last try to read from the old one.
 */
#include "audit/tail.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "audit/chain.h"
#include "base/arena.h"

struct bs_audit_tail {
    char *directory;
    uint64_t first; /* seq the file is named for */
    FILE *file;
    char *line;
    size_t room;
};

static enum bs_done
open_file(struct bs_audit_tail *t, uint64_t first, struct bs_err *err)
{
    char name[BS_SEGMENT_NAME], path[PATH_MAX];
    FILE *file;

    bs_segment_name(first, name);
    (void)snprintf(path, sizeof(path), "%s/%s", t->directory, name);
    file = fopen(path, "re");
    if (file == NULL)
        return BS_FAIL(err, IO, "cannot open \"%.300s\": %s", path, strerror(errno));
    if (t->file != NULL)
        (void)fclose(t->file);
    t->file = file;
    t->first = first;
    return BS_DONE;
}

/* END leaves the file at the beginning of a line that is not whole yet. */
static enum bs_tail
read_line(struct bs_audit_tail *t, struct bs_bytes *out, struct bs_err *err)
{
    off_t at = ftello(t->file);
    ssize_t n = getline(&t->line, &t->room, t->file);

    if (n > 0 && t->line[n - 1] == '\n') {
        *out = (struct bs_bytes){(const uint8_t *)t->line, (size_t)n - 1};
        return BS_TAIL_LINE;
    }
    if (ferror(t->file) != 0 || at < 0 || fseeko(t->file, at, SEEK_SET) != 0) {
        (void)BS_FAIL(err, IO, "cannot read the audit log: %s", strerror(errno));
        return BS_TAIL_BAD;
    }
    clearerr(t->file);
    return BS_TAIL_END;
}

/* First seq of the file after ours; 0: there is none. */
static enum bs_done
find_newer(const struct bs_audit_tail *t, uint64_t *out, struct bs_err *err)
{
    struct bs_segments s = {0};

    *out = 0;
    if (bs_segments_list(t->directory, &s, err) != BS_DONE)
        return BS_FAILED;
    for (size_t i = 0; i < s.n && *out == 0; i++) {
        if (s.first[i] > t->first)
            *out = s.first[i];
    }
    bs_segments_fini(&s);
    return BS_DONE;
}

enum bs_tail
bs_audit_tail_next(struct bs_audit_tail *t, struct bs_bytes *out, struct bs_err *err)
{
    for (;;) {
        uint64_t newer;
        enum bs_tail got = read_line(t, out, err);
        if (got != BS_TAIL_END)
            return got;
        if (find_newer(t, &newer, err) != BS_DONE)
            return BS_TAIL_BAD;
        if (newer == 0)
            return BS_TAIL_END;
        got = read_line(t, out, err);
        if (got != BS_TAIL_END)
            return got;
        if (open_file(t, newer, err) != BS_DONE)
            return BS_TAIL_BAD;
    }
}

/* --- open --- */

static enum bs_done
count_lines(struct bs_audit_tail *t, uint64_t first, uint64_t *out, struct bs_err *err)
{
    struct bs_bytes line;
    enum bs_tail got;

    *out = 0;
    if (open_file(t, first, err) != BS_DONE)
        return BS_FAILED;
    while ((got = read_line(t, &line, err)) == BS_TAIL_LINE)
        ++*out;
    return got == BS_TAIL_END ? BS_DONE : BS_FAILED;
}

/* Back file by file until there are enough lines, then forward over those too many. */
static enum bs_done
stand_before(struct bs_audit_tail *t,
             const struct bs_segments *s,
             uint64_t lines,
             struct bs_err *err)
{
    uint64_t have = 0, here;
    size_t i = s->n;
    struct bs_bytes line;

    do {
        if (count_lines(t, s->first[--i], &here, err) != BS_DONE)
            return BS_FAILED;
        have += here;
    } while (have < lines && i > 0);
    rewind(t->file);
    for (; have > lines; have--) {
        if (read_line(t, &line, err) != BS_TAIL_LINE)
            return BS_FAIL(err, IO, "the audit log became shorter while it was read");
    }
    return BS_DONE;
}

enum bs_done
bs_audit_tail_open(const char *directory,
                   uint64_t lines,
                   struct bs_audit_tail **out,
                   struct bs_err *err)
{
    struct bs_segments s = {0};
    struct bs_audit_tail *t;
    enum bs_done done;

    *out = NULL;
    if (bs_segments_list(directory, &s, err) != BS_DONE)
        return BS_FAILED;
    if (s.n == 0)
        return BS_FAIL(err, NOT_FOUND, "no audit log in \"%.300s\"", directory);
    t = bs_malloc(sizeof(*t));
    t->directory = bs_strdup(directory);
    done = stand_before(t, &s, lines, err);
    bs_segments_fini(&s);
    if (done != BS_DONE)
        bs_audit_tail_close(&t);
    *out = t;
    return done;
}

void
bs_audit_tail_close(struct bs_audit_tail **t)
{
    if (*t == NULL)
        return;
    if ((*t)->file != NULL)
        (void)fclose((*t)->file);
    free((*t)->line);
    free((*t)->directory);
    free(*t);
    *t = NULL;
}
