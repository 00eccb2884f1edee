/*
 * body.c - two threads may read a body at the same time; the first one to be done is believed.
 */
#include "catalog/body.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "catalog/build.h"

/* What the statements of a body may take. */
#define MAX_BYTES ((size_t)16 << 20)

#define TYPE_VOID          2278u
#define TYPE_TRIGGER       2279u
#define TYPE_EVENT_TRIGGER 3838u

struct text {
    struct bs_arena arena;
    struct bs_routine routine;
};

struct bs_body {
    _Atomic int refs;
    struct text *_Atomic read; /* NULL: not yet */
};

struct bs_body *
bs_body_ref(struct bs_body *body)
{
    if (body != NULL)
        atomic_fetch_add_explicit(&body->refs, 1, memory_order_relaxed);
    return body;
}

static void
free_text(struct text *t)
{
    if (t == NULL)
        return;
    bs_arena_fini(&t->arena);
    free(t);
}

void
bs_body_unref(struct bs_body **body)
{
    struct bs_body *b = *body;

    *body = NULL;
    if (b == NULL || atomic_fetch_sub_explicit(&b->refs, 1, memory_order_acq_rel) != 1)
        return;
    free_text(b->read);
    free(b);
}

static bool
is_result(char mode)
{
    return mode == 'o' || mode == 'b' || mode == 't';
}

static enum bs_done
read_plpgsql(const struct bs_function *f, struct text *t, struct bs_err *err)
{
    struct bs_plpgsql_shape shape = {.name = f->id.name,
                                     .n_args = f->n_params,
                                     .set = f->set,
                                     .value = f->result != TYPE_VOID,
                                     .trigger = f->result == TYPE_TRIGGER,
                                     .event_trigger = f->result == TYPE_EVENT_TRIGGER};
    const char **names = bs_arena_array(&t->arena, f->n_params + 1, sizeof(*names));

    if (names == NULL)
        return BS_FAIL(err, LIMIT, "the %s arena is full", t->arena.name);
    for (size_t i = 0; i < f->n_params; i++) {
        names[i] = f->args[i].name;
        shape.results = shape.results || is_result(f->args[i].mode);
    }
    shape.args = names;
    return bs_routine_plpgsql(bs_bytes_of(f->source), &shape, &t->arena, &t->routine, err);
}

static struct text *
read_text(const struct bs_function *f)
{
    struct text *t = bs_malloc(sizeof(*t));
    struct bs_err err = {0};
    enum bs_done done = BS_FAILED;

    bs_arena_init(&t->arena, "body", MAX_BYTES);
    if (f->source != NULL && f->runs == BS_LANGUAGE_PLPGSQL && !f->atomic)
        done = read_plpgsql(f, t, &err);
    else if (f->source != NULL && f->runs == BS_LANGUAGE_SQL)
        done = bs_routine_sql(bs_bytes_of(f->source), &t->arena, &t->routine, &err);
    if (done != BS_DONE)
        t->routine = (struct bs_routine){.opaque = "is too large to be read"};
    return t;
}

const struct bs_routine *
bs_body_of(const struct bs_function *f)
{
    static const struct bs_routine unknown = {.opaque = "is not known"};
    struct text *t, *other = NULL;

    if (f->body == NULL)
        return &unknown;
    t = atomic_load_explicit(&f->body->read, memory_order_acquire);
    if (t != NULL)
        return &t->routine;
    t = read_text(f);
    if (atomic_compare_exchange_strong_explicit(&f->body->read, &other, t, memory_order_acq_rel,
                                                memory_order_acquire))
        return &t->routine;
    free_text(t);
    return &other->routine;
}

static bool
same_text(const char *a, const char *b)
{
    return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

static bool
is_same(const struct bs_function *a, const struct bs_function *b)
{
    if (a->runs != b->runs || a->atomic != b->atomic || a->set != b->set ||
        a->result != b->result || a->n_params != b->n_params ||
        strcmp(a->id.name, b->id.name) != 0 || !same_text(a->config, b->config) ||
        !same_text(a->source, b->source))
        return false;
    for (size_t i = 0; i < a->n_params; i++) {
        if (a->args[i].mode != b->args[i].mode || a->args[i].type != b->args[i].type ||
            !same_text(a->args[i].name, b->args[i].name))
            return false;
    }
    return true;
}

enum bs_done
bs_build_bodies(struct bs_build *b)
{
    for (size_t i = 0; i < b->s->n_functions; i++) {
        struct bs_function *f = &b->s->functions[i];
        const struct bs_function *was;
        if (f->builtin || f->source == NULL)
            continue;
        was = b->old == NULL ? NULL : bs_snapshot_function(b->old, f->id.oid);
        if (was != NULL && was->body != NULL && is_same(f, was)) {
            f->body = bs_body_ref(was->body);
            continue;
        }
        f->body = bs_malloc(sizeof(*f->body));
        f->body->refs = 1;
    }
    return BS_DONE;
}
