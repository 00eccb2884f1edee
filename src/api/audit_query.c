/*
 * audit_query.c - one pass over each log, which keeps the last lines that fit; then those of all
 * logs by their positions.
 *
 * A position is "time log seq" with a seq of fixed width: texts that sort as the records do.
 */
#include "api/audit_query.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "audit/logs.h"
#include "base/clock.h"

#define POSITION 256

struct found {
    char position[POSITION];
    json_t *record;
};

/* The newest that fit, of all logs so far: a ring for each log would keep no less. */
struct search {
    const struct bs_audit_query *query;
    struct found *list; /* oldest first; room for twice as many as are kept */
    size_t n, keep;
};

static int
compare(const void *a, const void *b)
{
    return strcmp(((const struct found *)a)->position, ((const struct found *)b)->position);
}

/* Only the newest stay. */
static void
trim(struct search *s)
{
    size_t over = s->n > s->keep ? s->n - s->keep : 0;

    qsort(s->list, s->n, sizeof(*s->list), compare);
    for (size_t i = 0; i < over; i++)
        json_decref(s->list[i].record);
    memmove(s->list, s->list + over, (s->n - over) * sizeof(*s->list));
    s->n -= over;
}

/* A member's text stands so in the line, as quotes within texts are escaped. */
static bool
may_have(struct bs_bytes line, const char *name, const char *value)
{
    char text[400];
    int n;

    if (value == NULL)
        return true;
    n = snprintf(text, sizeof(text), "\"%s\":\"%.300s\"", name, value);
    return memmem(line.p, line.n, text, (size_t)n) != NULL;
}

static bool
has(const json_t *record, const char *name, const char *value)
{
    const char *text = json_string_value(json_object_get(record, name));

    return value == NULL || (text != NULL && strcmp(text, value) == 0);
}

static bool
fits(const struct bs_audit_query *q, const json_t *record)
{
    struct bs_err ignored = {0};
    int64_t at_us = 0;

    if (bs_time_parse(json_string_value(json_object_get(record, "at")), &at_us, &ignored) !=
        BS_DONE)
        return false;
    return has(record, "kind", q->kind) && has(record, "actor", q->actor) &&
           has(record, "operator", q->operator_) && has(record, "database", q->database) &&
           has(record, "ticket", q->ticket) && has(record, "point", q->point) &&
           at_us >= q->from_us && (q->until_us == 0 || at_us < q->until_us);
}

static void
look_at(struct search *s, struct bs_bytes line, const char *log)
{
    const struct bs_audit_query *q = s->query;
    struct found f;
    json_t *r;

    if (!may_have(line, "kind", q->kind) || !may_have(line, "actor", q->actor) ||
        !may_have(line, "operator", q->operator_) || !may_have(line, "database", q->database) ||
        !may_have(line, "ticket", q->ticket) || !may_have(line, "point", q->point))
        return;
    r = json_loadb((const char *)line.p, line.n, JSON_ALLOW_NUL, NULL);
    if (!json_is_string(json_object_get(r, "at")) || !fits(q, r)) {
        json_decref(r);
        return;
    }
    (void)snprintf(f.position, sizeof(f.position), "%.40s %.150s %020" PRId64,
                   json_string_value(json_object_get(r, "at")), log,
                   (int64_t)json_integer_value(json_object_get(r, "seq")));
    if (q->before != NULL && strcmp(f.position, q->before) >= 0) {
        json_decref(r);
        return;
    }
    if (log[0] != '\0')
        (void)json_object_set_new(r, "log", json_string(log));
    f.record = r;
    s->list[s->n++] = f;
    if (s->n == 2 * s->keep)
        trim(s);
}

static enum bs_done
look_through(struct search *s, const char *directory, const char *log, struct bs_err *err)
{
    struct bs_audit_tail *tail;
    struct bs_err why = {0};
    struct bs_bytes line;
    enum bs_tail got;
    char path[PATH_MAX];

    (void)snprintf(path, sizeof(path), "%s%s%s", directory, log[0] == '\0' ? "" : "/", log);
    if (bs_audit_tail_open(path, UINT64_MAX, &tail, &why) != BS_DONE)
        return why.code == BS_E_NOT_FOUND && log[0] != '\0'
                   ? BS_DONE
                   : bs_err_set(err, why.code, "%s", why.message);
    while ((got = bs_audit_tail_next(tail, &line, err)) == BS_TAIL_LINE)
        look_at(s, line, log);
    bs_audit_tail_close(&tail);
    return got == BS_TAIL_END ? BS_DONE : BS_FAILED;
}

/* Newest first; `next` where more were found than are wanted. */
static json_t *
take_found(struct search *s, struct bs_arena *arena, const char **next)
{
    json_t *out = json_array();

    trim(s);
    *next = s->n > s->query->limit ? bs_arena_str(arena, s->list[1].position) : NULL;
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
    struct search s = {.query = query, .keep = query->limit + 1};
    struct bs_audit_logs logs = {0};
    enum bs_done done = bs_audit_logs_list(directory, &logs, err);

    s.list = bs_malloc(2 * s.keep * sizeof(*s.list));
    for (size_t i = 0; done == BS_DONE && i < logs.n; i++)
        done = look_through(&s, directory, logs.names[i], err);
    *out = done == BS_DONE ? take_found(&s, arena, next) : NULL;
    for (size_t i = 0; i < s.n; i++)
        json_decref(s.list[i].record);
    free(s.list);
    bs_audit_logs_fini(&logs);
    return done;
}
