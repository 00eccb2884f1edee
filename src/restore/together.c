/*
 * together.c - all works are opened before the transaction begins; what a constraint stands against
 * is tried in another order, each time from the beginning: a savepoint would have a number of its
 * own, and the rows written under it would look like others' work when this is undone.
 */
#include "restore/together.h"

#include <stdlib.h>
#include <string.h>

#include "restore/copyback_inside.h"
#include "restore/giveback.h"

/* Saved rows go back in one round; what the transaction made goes in another, where it is to. */
enum { ROUNDS = 2 };

struct turn {
    struct bs_work work; /* as it was opened */
    struct bs_copyback back;
    size_t order; /* of bs_copyback_order */
};

struct part {
    struct bs_group_member *m;
    struct bs_work work;     /* owns the definition's files */
    struct bs_copyback back; /* as it was found */
    struct turn turns[ROUNDS];
};

struct together {
    struct bs_group *g;
    struct part *parts;
    struct part **order[ROUNDS];
    struct bs_copyback_options how[ROUNDS];
    size_t rounds;
    /* Where the last try ended, and how many have failed there. */
    size_t round, at;
    size_t stuck;
};

/* Before. */

static bool
brings_definition(const struct part *p)
{
    return p->back.n_objects != 0 || p->back.columns.n_tables != 0 ||
           p->m->r.manifest.n_globals != 0 || bs_giveback_count(&p->work) != 0;
}

/* A table that is gone is waited for where another point may bring it. */
static enum bs_done
open_all(struct together *t,
         const struct bs_copyback_options *options,
         bool *fits,
         struct bs_err *err)
{
    struct bs_err first = {0};

    *fits = true;
    for (size_t i = 0; i < t->g->n; i++) {
        struct part *p = &t->parts[i];
        struct bs_err *why = &t->g->members[i].err;
        p->m = &t->g->members[i];
        *why = (struct bs_err){0};
        if (bs_work_open(&p->m->r, options, &p->back, &p->work, why) == BS_DONE)
            *fits = *fits && !brings_definition(p);
        else if (first.code == BS_OK || first.code == BS_E_CONFLICT)
            first = *why;
    }
    if (first.code == BS_OK || (first.code == BS_E_CONFLICT && !*fits))
        return BS_DONE;
    *fits = true;
    *err = first;
    return BS_FAILED;
}

static enum bs_done
make_room(struct together *t, struct bs_err *err)
{
    struct bs_arena *a = &t->g->members[0].r.arena;
    size_t n = t->g->n;

    for (size_t r = 0; r < ROUNDS; r++) {
        t->order[r] = bs_arena_array(a, n + 1, sizeof(struct part *));
        if (t->order[r] == NULL)
            return BS_FAIL(err, LIMIT, "the restore's memory is used up");
        for (size_t i = 0; i < n; i++)
            t->order[r][i] = &t->parts[i];
    }
    return BS_DONE;
}

/* One session for all: the first one's. */
static void
share_session(struct bs_group *g)
{
    for (size_t i = 1; i < g->n; i++) {
        if (g->members[i].r.db.conn != g->members[0].r.db.conn)
            bs_rdb_close(&g->members[i].r.db);
        g->members[i].r.db = g->members[0].r.db;
    }
}

/* One try. */

static enum bs_done
take_turn(
    struct together *t, struct part *p, size_t round, struct bs_safety *safety, struct bs_err *err)
{
    struct turn *turn = &p->turns[round];
    const char *phases = bs_copyback_order(&turn->back, turn->order);
    size_t n = p->back.n_tables;

    if (phases == NULL) { /* the rows are others by now */
        turn->order = 0;
        phases = bs_copyback_order(&turn->back, 0);
    }
    turn->back = p->back;
    turn->back.tables = bs_arena_array(&p->m->r.arena, n + 1, sizeof(*turn->back.tables));
    if (turn->back.tables == NULL)
        return BS_FAIL(err, LIMIT, "the restore's memory is used up");
    if (n != 0)
        memcpy(turn->back.tables, p->back.tables, n * sizeof(*turn->back.tables));
    turn->work = p->work;
    turn->work.out = &turn->back;
    turn->work.options = &t->how[round];
    if (bs_rdb_do(&p->m->r.db, "DISCARD TEMP", err) != BS_DONE)
        return BS_FAILED;
    return bs_copyback_write(&turn->work, safety, NULL, phases, err);
}

static enum bs_done
write_all(struct together *t, struct bs_safety *safety, struct bs_err *err)
{
    size_t n = t->g->n;

    for (size_t k = 0; k < t->rounds * n; k++) {
        struct part *p = t->order[k / n][k % n];
        p->m->err = (struct bs_err){0};
        if (take_turn(t, p, k / n, safety, &p->m->err) == BS_DONE)
            continue;
        if (t->round != k / n || t->at != k % n)
            t->stuck = 0;
        t->round = k / n;
        t->at = k % n;
        *err = p->m->err;
        return BS_FAILED;
    }
    t->round = t->rounds;
    return BS_DONE;
}

static enum bs_done
try_once(struct together *t, struct bs_err *err)
{
    struct bs_safety safety = {0};
    struct bs_work *any = &t->parts[0].work;
    enum bs_done done = bs_copyback_begin(&safety, any, err);

    t->round = done == BS_DONE ? t->round : t->rounds;
    if (done == BS_DONE)
        done = write_all(t, &safety, err);
    return bs_copyback_end(&safety, any, done, err);
}

/* True where another order is left that may help: of one's rows first, then of the points. */
static bool
reorder(struct together *t, const struct bs_err *err)
{
    struct part **order, *p;
    struct turn *turn;

    if (t->round == t->rounds)
        return false;
    order = t->order[t->round];
    p = order[t->at];
    turn = &p->turns[t->round];
    if (bs_copyback_other_order(err) && bs_copyback_order(&turn->back, turn->order + 1) != NULL) {
        turn->order++;
        return true;
    }
    turn->order = 0;
    if (!bs_group_may_wait(err) || ++t->stuck >= t->g->n - t->at)
        return false;
    memmove(order + t->at, order + t->at + 1, (t->g->n - t->at - 1) * sizeof(struct part *));
    order[t->g->n - 1] = p;
    return true;
}

/* Whatever others do meanwhile, it ends. */
static enum bs_done
try_all(struct together *t, struct bs_err *err)
{
    for (size_t left = 8 * t->g->n * t->g->n;; left--) {
        *err = (struct bs_err){0};
        if (try_once(t, err) == BS_DONE)
            return BS_DONE;
        if (left == 0 || !reorder(t, err))
            return BS_FAILED;
    }
}

/* After. */

static void
tell_member(struct together *t, struct part *p)
{
    struct bs_copyback *back = &p->turns[0].back;
    int64_t removed = 0;

    for (size_t r = 0; r < t->rounds; r++) {
        const struct bs_copyback *one = &p->turns[r].back;
        for (size_t i = 0; i < one->n_tables; i++)
            removed += one->tables[i].removed;
        if (back->point[0] == '\0')
            memcpy(back->point, one->point, sizeof(back->point));
    }
    bs_copyback_after(&p->turns[0].work);
    p->m->back = *back;
    p->m->removed = removed;
    p->m->done = true;
}

static struct bs_restore_step
step_of(const struct together *t, const struct part *p)
{
    struct bs_restore_step step = {.action = "copy-back", .plan = t->how[0].plan};

    for (size_t r = 0; r < t->rounds; r++)
        step.rows += bs_copyback_rows(&p->turns[r].back);
    step.before = p->m->back.point;
    return step;
}

static enum bs_done
run_recorded(struct together *t, struct bs_err *err)
{
    enum bs_done done = BS_DONE;
    size_t begun = 0;

    for (; done == BS_DONE && begun < t->g->n; begun += done == BS_DONE) {
        struct bs_restore_step step = {.action = "copy-back", .plan = t->how[0].plan};
        done = bs_restore_begin(&t->parts[begun].m->r, &step, err);
    }
    if (done == BS_DONE)
        done = try_all(t, err);
    for (size_t i = 0; done == BS_DONE && i < begun; i++)
        tell_member(t, &t->parts[i]);
    for (size_t i = 0; i < begun; i++) {
        struct bs_restore_step step = step_of(t, &t->parts[i]);
        struct bs_err own = *err;
        if (bs_restore_end(&t->parts[i].m->r, &step, done, &own) != BS_DONE && err->code == BS_OK)
            *err = own;
    }
    return err->code == BS_OK ? done : BS_FAILED;
}

enum bs_done
bs_together_run(struct bs_group *g,
                const struct bs_copyback_options *options,
                bool *fits,
                struct bs_err *err)
{
    struct together t = {
        .g = g,
        .how = {*options, *options},
        .rounds = options->made == BS_COPYBACK_REMOVE ? 2 : 1,
    };
    enum bs_done done;

    t.how[0].made = BS_COPYBACK_KEEP;
    t.how[0].removes_later = options->made == BS_COPYBACK_REMOVE;
    t.how[1].others_back = true;
    t.parts = bs_malloc(g->n * sizeof(*t.parts));
    memset(t.parts, 0, g->n * sizeof(*t.parts));
    done = make_room(&t, err);
    if (done == BS_DONE)
        done = open_all(&t, options, fits, err);
    if (done == BS_DONE && *fits) {
        share_session(g);
        done = run_recorded(&t, err);
    }
    for (size_t i = 0; i < g->n; i++)
        bs_work_close(&t.parts[i].work);
    free(t.parts);
    return done;
}
