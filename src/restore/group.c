/*
 * group.c - see group.h.
 */
#include "restore/group.h"

#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "restore/siblings.h"
#include "restore/together.h"

static int
newest_first(const void *a, const void *b)
{
    const char *const *x = a, *const *y = b;

    return strcmp(*y, *x);
}

static enum bs_done
open_member(const struct bs_restore *r,
            const char *id,
            struct bs_group_member *out,
            struct bs_err *err)
{
    struct bs_restore_request request = r->request;

    request.point = id;
    request.where = NULL;
    return bs_restore_open(&request, &out->r, err) == BS_DONE ? bs_restore_connect(&out->r, err)
                                                              : BS_FAILED;
}

enum bs_done
bs_group_open(struct bs_restore *r, struct bs_group *out, struct bs_err *err)
{
    struct bs_sibling *siblings;
    const char **ids;
    size_t n;

    if (bs_siblings_find(r, &siblings, &n, err) != BS_DONE)
        return BS_FAILED;
    ids = bs_arena_array(&r->arena, n + 1, sizeof(*ids));
    if (ids == NULL)
        return BS_FAIL(err, LIMIT, "the restore's memory is used up");
    for (size_t i = 0; i < n; i++)
        ids[i] = siblings[i].id;
    ids[n++] = r->manifest.id;
    qsort(ids, n, sizeof(*ids), newest_first);
    out->members = bs_malloc(n * sizeof(*out->members));
    memset(out->members, 0, n * sizeof(*out->members));
    for (; out->n < n; out->n++) {
        if (open_member(r, ids[out->n], &out->members[out->n], err) != BS_DONE) {
            bs_restore_close(&out->members[out->n].r);
            return BS_FAILED;
        }
    }
    return BS_DONE;
}

void
bs_group_close(struct bs_group *g)
{
    for (size_t i = 0; i < g->n; i++) {
        if (i != 0 && g->members[i].r.db.conn == g->members[0].r.db.conn)
            g->members[i].r.db = (struct bs_rdb){0};
    }
    for (size_t i = 0; i < g->n; i++)
        bs_restore_close(&g->members[i].r);
    free(g->members);
    *g = (struct bs_group){0};
}

void
bs_group_plan(struct bs_group *g, const struct bs_copyback_options *options)
{
    for (size_t i = 0; i < g->n; i++) {
        struct bs_group_member *m = &g->members[i];
        m->err = (struct bs_err){0};
        m->planned = bs_copyback_plan(&m->r, options, &m->back, &m->err) == BS_DONE;
    }
}

bool
bs_group_may_wait(const struct bs_err *err)
{
    return err->code == BS_E_CONFLICT;
}

/* True where it has been done. */
static bool
give_back(struct bs_group_member *m, const struct bs_copyback_options *options)
{
    struct bs_copyback back;

    m->err = (struct bs_err){0};
    if (bs_copyback_run(&m->r, options, NULL, &back, &m->err) != BS_DONE)
        return false;
    for (size_t i = 0; i < back.n_tables; i++)
        m->removed += back.tables[i].removed;
    if (!options->others_back)
        m->back = back;
    return true;
}

/* As long as one helps another. */
static enum bs_done
round_of(struct bs_group *g, const struct bs_copyback_options *options, struct bs_err *err)
{
    size_t left = g->n;

    for (size_t i = 0; i < g->n; i++)
        g->members[i].done = false;
    for (size_t before = 0; left != 0 && before != left;) {
        before = left;
        for (size_t i = 0; i < g->n; i++) {
            struct bs_group_member *m = &g->members[i];
            if (m->done)
                continue;
            m->done = give_back(m, options);
            left -= m->done;
            if (!m->done && !bs_group_may_wait(&m->err)) {
                *err = m->err;
                return BS_FAILED;
            }
        }
    }
    for (size_t i = 0; left != 0 && i < g->n; i++) {
        if (!g->members[i].done && err->code == BS_OK)
            *err = g->members[i].err;
    }
    return left == 0 ? BS_DONE : BS_FAILED;
}

/* Each in a transaction of its own: what one has brought, a dump shows to the next. */
static enum bs_done
run_apart(struct bs_group *g, const struct bs_copyback_options *options, struct bs_err *err)
{
    struct bs_copyback_options rows = *options;
    enum bs_done done;

    rows.made = BS_COPYBACK_KEEP;
    rows.removes_later = options->made == BS_COPYBACK_REMOVE;
    done = round_of(g, &rows, err);
    if (done == BS_DONE && options->made == BS_COPYBACK_REMOVE) {
        rows.made = BS_COPYBACK_REMOVE;
        rows.others_back = true;
        rows.removes_later = false;
        done = round_of(g, &rows, err);
    }
    return done;
}

enum bs_done
bs_group_look(struct bs_group *g, const struct bs_copyback_options *options, struct bs_err *err)
{
    return bs_together_look(g, options, err);
}

enum bs_done
bs_group_run(struct bs_group *g, const struct bs_copyback_options *options, struct bs_err *err)
{
    enum bs_done done = bs_together_run(g, options, err);

    if (done == BS_DONE && g->apart != NULL && g->bound)
        return BS_FAIL(err, CONFLICT, "it cannot be one transaction by now: %.300s", g->apart);
    if (done == BS_DONE && g->apart != NULL) {
        *err = (struct bs_err){0};
        done = run_apart(g, options, err);
    }
    for (size_t i = 0; i < g->n; i++)
        g->n_done += g->members[i].done;
    return done;
}
