/*
 * query.c - pieces of files in which something may be, then their lines.
 *
 * A position is "time log seq" with a seq of fixed width: texts that sort as the records do. Records
 * stand nearly, not wholly, in the order of their times; so the newest are found only once nothing that
 * is left can be newer than the last that is kept.
 */
#include "audit/query.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "audit/chain.h"
#include "audit/index.h"
#include "audit/line.h"
#include "audit/logs.h"
#include "base/clock.h"

#define POSITION 256
#define WANTED   9

/* --- what is looked for ------------------------------------------------------------------- */

/* A member that a record must have. */
struct wanted {
    const char *name, *value;
    struct bs_buf text;      /* "name":"value", as it stands in a line */
    struct bs_bytes written; /* of it the value */
};

struct asked {
    const struct bs_audit_query *query;
    struct wanted wanted[WANTED];
    size_t n;
    struct bs_audit_term terms[WANTED + 1];
    size_t n_terms;
    int64_t until_us; /* INT64_MAX: any time */
};

static void
want(struct asked *a, const char *name, const char *value)
{
    struct wanted *w = &a->wanted[a->n];
    size_t open;

    if (value == NULL)
        return;
    a->n++;
    w->name = name;
    w->value = value;
    bs_buf_init(&w->text, 8 * strlen(value) + 64);
    bs_put_fmt(&w->text, "\"%s\":\"", name);
    open = w->text.n;
    w->text.n--;
    bs_audit_put_string(&w->text, bs_bytes_of(value));
    w->written = (struct bs_bytes){w->text.p + open, w->text.n - open - 1};
    if (bs_audit_is_indexed(name))
        a->terms[a->n_terms++] = bs_audit_term_of(name, w->written);
}

static const struct wanted *
wanted_of(const struct asked *a, const char *name)
{
    for (size_t i = 0; i < a->n; i++) {
        if (strcmp(a->wanted[i].name, name) == 0)
            return &a->wanted[i];
    }
    return NULL;
}

/* The time that a position begins with is the last that counts. */
static int64_t
until_of(const struct bs_audit_query *q)
{
    int64_t until = q->until_us == 0 ? INT64_MAX : q->until_us, at;
    char text[BS_TIME_TEXT] = "";
    struct bs_err ignored = {0};

    if (q->before == NULL)
        return until;
    (void)snprintf(text, sizeof(text), "%.*s", (int)strcspn(q->before, " "), q->before);
    if (bs_time_parse(text, &at, &ignored) != BS_DONE || at >= until)
        return until;
    return at + 1;
}

static void
asked_init(struct asked *a, const struct bs_audit_query *q)
{
    const struct wanted *actor, *table;

    *a = (struct asked){.query = q, .until_us = until_of(q)};
    want(a, "kind", q->kind);
    want(a, "actor", q->actor);
    want(a, "operator", q->operator_);
    want(a, "database", q->database);
    want(a, "ticket", q->ticket);
    want(a, "point", q->point);
    want(a, "session", q->session);
    want(a, "risk", q->risk);
    want(a, "object", q->table);
    actor = wanted_of(a, "actor");
    table = wanted_of(a, "object");
    if (actor != NULL && table != NULL)
        a->terms[a->n_terms++] = bs_audit_term_pair(actor->written, table->written);
}

static void
asked_fini(struct asked *a)
{
    for (size_t i = 0; i < a->n; i++)
        bs_buf_fini(&a->wanted[i].text);
}

/* A member's text stands so in the line, as quotes within texts are escaped. */
static bool
may_fit(const struct asked *a, struct bs_bytes line)
{
    for (size_t i = 0; i < a->n; i++) {
        const struct bs_buf *t = &a->wanted[i].text;
        if (memmem(line.p, line.n, t->p, t->n) == NULL)
            return false;
    }
    return true;
}

static bool
has_object(const json_t *record, const char *name)
{
    const json_t *effect;
    size_t i;

    json_array_foreach(json_object_get(record, "effects"), i, effect)
    {
        const char *object = json_string_value(json_object_get(effect, "object"));
        if (object != NULL && strcmp(object, name) == 0)
            return true;
    }
    return false;
}

static bool
fits(const struct asked *a, const json_t *record)
{
    struct bs_err ignored = {0};
    int64_t at_us = 0;
    const char *at = json_string_value(json_object_get(record, "at"));

    for (size_t i = 0; i < a->n; i++) {
        const struct wanted *w = &a->wanted[i];
        const char *text = json_string_value(json_object_get(record, w->name));
        if (strcmp(w->name, "object") == 0 ? !has_object(record, w->value)
                                           : text == NULL || strcmp(text, w->value) != 0)
            return false;
    }
    return at != NULL && bs_time_parse(at, &at_us, &ignored) == BS_DONE &&
           at_us >= a->query->from_us && at_us < a->until_us;
}

/* --- pieces of a log ---------------------------------------------------------------------- */

/* Lines that stand one behind the other. */
struct piece {
    uint64_t first;         /* of their file */
    uint64_t offset, bytes; /* UINT64_MAX: to its end */
    int64_t newest_us;      /* of this one and all before it */
};

struct pieces {
    struct piece *list; /* oldest first */
    size_t n, room;
};

static void
add_piece(struct pieces *p, struct piece one)
{
    if (p->n == p->room) {
        p->room = p->room == 0 ? 256 : p->room * 2;
        p->list = bs_realloc(p->list, p->room * sizeof(*p->list));
    }
    if (p->n != 0 && p->list[p->n - 1].newest_us > one.newest_us)
        one.newest_us = p->list[p->n - 1].newest_us;
    p->list[p->n++] = one;
}

static bool
block_may_fit(const struct asked *a, const struct bs_audit_index *ix, size_t i)
{
    const struct bs_audit_block *b = bs_audit_index_block(ix, i);

    if (b->until_us < a->query->from_us || b->from_us >= a->until_us)
        return false;
    for (size_t t = 0; t < a->n_terms; t++) {
        if (!bs_audit_index_may_have(ix, i, a->terms[t]))
            return false;
    }
    return true;
}

static void
add_file(struct pieces *p, const struct asked *a, const char *path, uint64_t first)
{
    struct bs_audit_index *ix = a->query->whole ? NULL : bs_audit_index_open(path, first);

    if (ix == NULL) {
        add_piece(p, (struct piece){first, 0, UINT64_MAX, INT64_MAX});
        return;
    }
    for (size_t i = 0; i < bs_audit_index_blocks(ix); i++) {
        const struct bs_audit_block *b = bs_audit_index_block(ix, i);
        if (block_may_fit(a, ix, i))
            add_piece(p, (struct piece){first, b->offset, b->bytes, b->until_us});
    }
    bs_audit_index_close(&ix);
}

/* The lines of pieces, with a file that stays open from one to the next of it. */
struct reading {
    const char *path; /* of the log */
    FILE *file;
    uint64_t first;
    char *line;
    size_t room;
};

static void
reading_fini(struct reading *r)
{
    if (r->file != NULL)
        (void)fclose(r->file);
    free(r->line);
}

static enum bs_done
open_piece(struct reading *r, const struct piece *p, struct bs_err *err)
{
    char name[BS_SEGMENT_NAME], path[PATH_MAX + BS_SEGMENT_NAME];

    bs_segment_name(p->first, name);
    (void)snprintf(path, sizeof(path), "%s/%s", r->path, name);
    if (r->file == NULL || r->first != p->first) {
        if (r->file != NULL)
            (void)fclose(r->file);
        r->file = fopen(path, "re");
        r->first = p->first;
    }
    if (r->file == NULL || fseeko(r->file, (off_t)p->offset, SEEK_SET) != 0)
        return BS_FAIL(err, IO, "cannot read \"%.300s\": %s", path, strerror(errno));
    return BS_DONE;
}

typedef enum bs_done line_fn(void *ctx, struct bs_bytes line, const char *log, struct bs_err *err);

/* Half a line at the end of a file is being written. */
static enum bs_done
read_piece(struct reading *r,
           const struct piece *p,
           const char *log,
           line_fn *on,
           void *ctx,
           struct bs_err *err)
{
    uint64_t left = p->bytes;
    ssize_t n;

    if (open_piece(r, p, err) != BS_DONE)
        return BS_FAILED;
    while (left != 0 && (n = getline(&r->line, &r->room, r->file)) > 0 && r->line[n - 1] == '\n') {
        if (on(ctx, (struct bs_bytes){(const uint8_t *)r->line, (size_t)n - 1}, log, err) !=
            BS_DONE)
            return BS_FAILED;
        left = (uint64_t)n > left ? 0 : left - (uint64_t)n;
    }
    return ferror(r->file) == 0
               ? BS_DONE
               : BS_FAIL(err, IO, "cannot read the audit log: %s", strerror(errno));
}

/* What may fit, of one log. */
static enum bs_done
take_pieces(const struct asked *a, const char *path, struct pieces *out, struct bs_err *err)
{
    struct bs_segments files = {0};
    enum bs_done done = bs_segments_list(path, &files, err);

    for (size_t i = 0; done == BS_DONE && i < files.n; i++)
        add_file(out, a, path, files.first[i]);
    bs_segments_fini(&files);
    return done;
}

static void
log_path(const char *directory, const char *log, char out[PATH_MAX])
{
    (void)snprintf(out, PATH_MAX, "%s%s%s", directory, log[0] == '\0' ? "" : "/", log);
}

/* --- the newest --------------------------------------------------------------------------- */

struct found {
    char position[POSITION];
    json_t *record;
};

/* The newest that fit, of all logs so far. */
struct search {
    const struct asked *asked;
    struct found *list; /* room for twice as many as are kept */
    size_t n, keep;
    char oldest[POSITION]; /* that is kept, once there are enough; else "" */
};

static int
compare(const void *a, const void *b)
{
    return strcmp(((const struct found *)a)->position, ((const struct found *)b)->position);
}

/* Only the newest stay; oldest first. */
static void
trim(struct search *s)
{
    size_t over = s->n > s->keep ? s->n - s->keep : 0;

    qsort(s->list, s->n, sizeof(*s->list), compare);
    for (size_t i = 0; i < over; i++)
        json_decref(s->list[i].record);
    memmove(s->list, s->list + over, (s->n - over) * sizeof(*s->list));
    s->n -= over;
    if (s->n == s->keep)
        memcpy(s->oldest, s->list[0].position, sizeof(s->oldest));
}

/* It is older than all that are kept: as the line has its time in front, it need not be parsed. */
static bool
is_too_old(const struct search *s, struct bs_bytes line)
{
    static const char key[] = "\"at\":\"";
    const char *at = memmem(line.p, line.n < 200 ? line.n : 200, key, sizeof(key) - 1);
    size_t n = strcspn(s->oldest, " ");

    return s->oldest[0] != '\0' && at != NULL &&
           (size_t)((const char *)line.p + line.n - at) > sizeof(key) - 1 + n &&
           strncmp(at + sizeof(key) - 1, s->oldest, n) < 0;
}

static enum bs_done
look_at(void *ctx, struct bs_bytes line, const char *log, struct bs_err *err)
{
    struct search *s = ctx;
    const char *before = s->asked->query->before;
    struct found f;
    json_t *r;

    (void)err;
    if (!may_fit(s->asked, line) || is_too_old(s, line))
        return BS_DONE;
    r = json_loadb((const char *)line.p, line.n, JSON_ALLOW_NUL, NULL);
    if (r == NULL || !fits(s->asked, r)) {
        json_decref(r);
        return BS_DONE;
    }
    (void)snprintf(f.position, sizeof(f.position), "%.40s %.150s %020" PRId64,
                   json_string_value(json_object_get(r, "at")), log,
                   (int64_t)json_integer_value(json_object_get(r, "seq")));
    if (before != NULL && strcmp(f.position, before) >= 0) {
        json_decref(r);
        return BS_DONE;
    }
    if (log[0] != '\0')
        (void)json_object_set_new(r, "log", json_string(log));
    f.record = r;
    s->list[s->n++] = f;
    if (s->n == 2 * s->keep)
        trim(s);
    return BS_DONE;
}

/* Nothing that is left can be among the newest. */
static bool
is_enough(struct search *s, int64_t newest_us)
{
    char at[BS_TIME_TEXT];

    if (s->n > s->keep)
        trim(s);
    if (s->oldest[0] == '\0' || newest_us == INT64_MAX)
        return false;
    bs_time_format(newest_us, at);
    return strncmp(at, s->oldest, strcspn(s->oldest, " ")) < 0;
}

/* One that is gone again meanwhile has nothing. */
static enum bs_done
look_through(struct search *s, const char *directory, const char *log, struct bs_err *err)
{
    char path[PATH_MAX];
    struct reading r = {.path = path};
    struct pieces p = {0};
    struct bs_err why = {0};
    enum bs_done done;

    log_path(directory, log, path);
    if (take_pieces(s->asked, path, &p, &why) != BS_DONE)
        return why.code == BS_E_NOT_FOUND && log[0] != '\0'
                   ? BS_DONE
                   : bs_err_set(err, why.code, "%s", why.message);
    done = BS_DONE;
    for (size_t i = p.n; done == BS_DONE && i > 0 && !is_enough(s, p.list[i - 1].newest_us); i--)
        done = read_piece(&r, &p.list[i - 1], log, look_at, s, err);
    reading_fini(&r);
    free(p.list);
    return done;
}

/* Newest first; `next` where more were found than are wanted. */
static json_t *
take_found(struct search *s, struct bs_arena *arena, const char **next)
{
    json_t *out = json_array();

    trim(s);
    *next = s->n > s->asked->query->limit ? bs_arena_str(arena, s->list[1].position) : NULL;
    for (size_t i = s->n; i > (*next != NULL); i--)
        (void)json_array_append(out, s->list[i - 1].record);
    return out;
}

enum bs_done
bs_audit_find(const char *directory,
              const struct bs_audit_query *query,
              struct bs_arena *arena,
              json_t **out,
              const char **next,
              struct bs_err *err)
{
    struct asked asked;
    struct search s = {.asked = &asked, .keep = query->limit + 1};
    struct bs_audit_logs logs = {0};
    enum bs_done done = bs_audit_logs_list(directory, &logs, err);

    asked_init(&asked, query);
    s.list = bs_malloc(2 * s.keep * sizeof(*s.list));
    for (size_t i = 0; done == BS_DONE && i < logs.n; i++)
        done = look_through(&s, directory, logs.names[i], err);
    *out = done == BS_DONE ? take_found(&s, arena, next) : NULL;
    for (size_t i = 0; i < s.n; i++)
        json_decref(s.list[i].record);
    free(s.list);
    asked_fini(&asked);
    bs_audit_logs_fini(&logs);
    return done;
}

/* --- all of them -------------------------------------------------------------------------- */

struct each {
    const struct asked *asked;
    bs_audit_visit visit;
    void *ctx;
};

static enum bs_done
hand_on(void *ctx, struct bs_bytes line, const char *log, struct bs_err *err)
{
    const struct each *e = ctx;
    enum bs_done done = BS_DONE;
    json_t *r;

    if (!may_fit(e->asked, line))
        return BS_DONE;
    r = json_loadb((const char *)line.p, line.n, JSON_ALLOW_NUL, NULL);
    if (r == NULL)
        return BS_FAIL(err, DAMAGED,
                       "a line of the audit log is not JSON: see `backstop audit verify`");
    if (fits(e->asked, r))
        done = e->visit(e->ctx, r, line, log, err);
    json_decref(r);
    return done;
}

static enum bs_done
go_through(const struct each *e, const char *directory, const char *log, struct bs_err *err)
{
    char path[PATH_MAX];
    struct reading r = {.path = path};
    struct pieces p = {0};
    enum bs_done done;

    log_path(directory, log, path);
    done = take_pieces(e->asked, path, &p, err);
    for (size_t i = 0; done == BS_DONE && i < p.n; i++)
        done = read_piece(&r, &p.list[i], log, hand_on, (void *)(uintptr_t)e, err);
    reading_fini(&r);
    free(p.list);
    return done;
}

enum bs_done
bs_audit_each(const char *directory,
              const struct bs_audit_query *query,
              bs_audit_visit visit,
              void *ctx,
              struct bs_err *err)
{
    struct asked asked;
    struct each e = {&asked, visit, ctx};
    struct bs_audit_logs logs = {0};
    enum bs_done done = bs_audit_logs_list(directory, &logs, err);

    asked_init(&asked, query);
    for (size_t i = 0; done == BS_DONE && i < logs.n; i++)
        done = go_through(&e, directory, logs.names[i], err);
    asked_fini(&asked);
    bs_audit_logs_fini(&logs);
    return done;
}
