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
    bool later;          /* its tables are gone: it is opened once another part has brought them */
    struct bs_work work; /* owns the definition's files */
    struct bs_copyback back; /* as it was found */
    struct bs_changes named; /* of this try: what has its name back */
    struct turn turns[ROUNDS];
};

struct together {
    struct bs_group *g;
    struct part *parts;
    struct part **order[ROUNDS];
    struct bs_copyback_options how[ROUNDS];
    size_t rounds;
    bool defines; /* definitions come back, too: one point of them is made before */
    /* What the try has made or changed: two points of one transaction may name the same. */
    const char **made;
    size_t n_made;
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

/* What was found before the transaction has to hold in it. Rows and definition of one point, and
 * columns that are looked at in a second round, are found anew after what comes before them. */
static const char *
stands_apart(const struct together *t, const struct part *p)
{
    if (p->work.parts && brings_definition(p))
        return "a point holds rows and definitions";
    if (p->back.columns.n_tables != 0 && t->rounds > 1)
        return "columns come back, and rows that the transaction made are to go";
    return NULL;
}

/* A table that is gone is waited for where another point may bring it: its rows need no dump. */
static enum bs_done
open_all(struct together *t, const struct bs_copyback_options *options, struct bs_err *err)
{
    struct bs_err first = {0};
    const struct bs_group_member *waits = NULL;

    t->g->apart = NULL;
    for (size_t i = 0; i < t->g->n; i++) {
        struct part *p = &t->parts[i];
        struct bs_err *why = &t->g->members[i].err;
        p->m = &t->g->members[i];
        *why = (struct bs_err){0};
        if (bs_work_open(&p->m->r, options, &p->back, &p->work, why) == BS_DONE) {
            t->defines = t->defines || brings_definition(p);
            t->g->apart = t->g->apart != NULL ? t->g->apart : stands_apart(t, p);
            continue;
        }
        p->later = why->code == BS_E_CONFLICT && p->m->r.manifest.schema.key == NULL;
        waits = why->code == BS_E_CONFLICT && !p->later ? p->m : waits;
        if (first.code == BS_OK || first.code == BS_E_CONFLICT)
            first = *why;
    }
    if (first.code == BS_OK)
        return BS_DONE;
    if (first.code == BS_E_CONFLICT && t->defines) {
        if (waits != NULL)
            t->g->apart = "what one point needs, another brings, and only a dump shows it";
        return BS_DONE;
    }
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

static bool
is_noted(const struct together *t, const char *what)
{
    for (size_t i = 0; i < t->n_made; i++) {
        if (strcmp(t->made[i], what) == 0)
            return true;
    }
    return false;
}

/* True where that was made in this try already; else it is noted. */
static bool
is_made(struct together *t, const char *what)
{
    if (is_noted(t, what))
        return true;
    t->made = bs_realloc(t->made, (t->n_made + 1) * sizeof(*t->made));
    t->made[t->n_made++] = what;
    return false;
}

static const char *
name_of(const struct part *p, const struct bs_altered *c)
{
    const char *what =
        bs_arena_fmt(&p->m->r.arena, "%s: %s %s", bs_change_word(c->kind), c->type, c->name);

    return what == NULL ? "" : what;
}

/* Entries of the definition that nobody has brought yet. */
static enum bs_done
leave_made(struct together *t, struct part *p, struct turn *turn, struct bs_err *err)
{
    struct bs_arena *a = &p->m->r.arena;
    struct bs_definition *d = &turn->work.definition;
    struct bs_copyback *back = &turn->back;
    size_t *chosen = bs_arena_array(a, d->n_chosen + 1, sizeof(*chosen)), n = 0;
    size_t *early = bs_arena_array(a, d->n_early + 1, sizeof(*early)), n_early = 0;
    struct bs_altered *changes = bs_arena_array(a, back->changes.n + 1, sizeof(*changes));
    const char **objects = bs_arena_array(a, d->n_chosen + 1, sizeof(*objects));

    if (chosen == NULL || early == NULL || changes == NULL || objects == NULL)
        return BS_FAIL(err, LIMIT, "the restore's memory is used up");
    for (size_t i = 0; i < d->n_chosen; i++) {
        const char *key = bs_arena_copy(a, d->saved.list[d->chosen[i]].key);
        if (key == NULL)
            return BS_FAIL(err, LIMIT, "the restore's memory is used up");
        if (is_made(t, key))
            continue;
        objects[n] = key;
        chosen[n++] = d->chosen[i];
    }
    for (size_t i = 0; i < d->n_early; i++) {
        bool left = true;
        for (size_t k = 0; k < n && left; k++)
            left = chosen[k] != d->early[i];
        if (!left)
            early[n_early++] = d->early[i];
    }
    d->early = early;
    d->n_early = n_early;
    d->chosen = chosen;
    d->n_chosen = back->n_objects = n;
    back->objects = objects;
    n = 0;
    for (size_t i = 0; i < back->changes.n; i++) {
        const struct bs_altered *c = &back->changes.list[i];
        if (c->kind == BS_CHANGE_LOST || !bs_giveback_wanted(&turn->work, c) ||
            (c->kind != BS_CHANGE_MOVED && !is_made(t, name_of(p, c))))
            changes[n++] = *c;
    }
    back->changes.list = changes;
    back->changes.n = n;
    return BS_DONE;
}

/* Those of one part that nobody has given back yet; true where one of them was. */
static bool
give_names(struct together *t, struct part *p, bool *any, struct bs_err *err)
{
    struct bs_copyback back = p->back;
    struct bs_work work = p->work;
    bool done;

    back.changes = (struct bs_changes){0};
    back.changes.list =
        bs_arena_array(&p->m->r.arena, p->back.changes.n + 1, sizeof(*back.changes.list));
    for (size_t i = 0; back.changes.list != NULL && i < p->back.changes.n; i++) {
        struct bs_altered *c = &p->back.changes.list[i];
        if (c->kind == BS_CHANGE_MOVED && !is_noted(t, name_of(p, c)))
            back.changes.list[back.changes.n++] = *c;
    }
    work.out = &back;
    work.options = &t->how[0];
    done = back.changes.list != NULL && bs_giveback_names(&work, err) == BS_DONE;
    for (size_t i = 0; done && i < back.changes.n; i++) {
        struct bs_altered *c = &back.changes.list[i];
        if (!c->given)
            continue;
        *any = true;
        done = !is_made(t, name_of(p, c));
        p->named.list[p->named.n++] = *c;
    }
    return done;
}

/* What comes back may be in a schema, or need a function, that is called otherwise by now: so the names
 * of all parts first. One may have to give up its name to another. */
static enum bs_done
give_all_names(struct together *t, struct bs_err *err)
{
    bool more = true;

    for (size_t i = 0; i < t->g->n; i++) {
        struct part *p = &t->parts[i];
        p->named = (struct bs_changes){0};
        p->named.list =
            bs_arena_array(&p->m->r.arena, p->back.changes.n + 1, sizeof(*p->named.list));
        if (p->named.list == NULL)
            return BS_FAIL(err, LIMIT, "the restore's memory is used up");
    }
    while (more) {
        more = false;
        for (size_t i = 0; i < t->g->n; i++) {
            if (!give_names(t, &t->parts[i], &more, err))
                return BS_FAILED;
        }
    }
    return BS_DONE;
}

/* A table that another part has brought is there now. */
static enum bs_done
look_again(struct part *p, struct turn *turn, struct bs_err *err)
{
    for (size_t i = 0; i < turn->back.n_tables; i++) {
        struct bs_live *live = &turn->back.tables[i].diff.live;
        if (!live->exists &&
            bs_live_look(&p->m->r.db, live->object, &p->m->r.arena, live, err) != BS_DONE)
            return BS_FAILED;
    }
    return BS_DONE;
}

/* A work of its own, about tables of its own: what one try counts is not for the next. */
static enum bs_done
copy_work(struct part *p, struct turn *turn, struct bs_err *err)
{
    size_t n = p->back.n_tables;

    turn->back = p->back;
    turn->back.tables = bs_arena_array(&p->m->r.arena, n + 1, sizeof(*turn->back.tables));
    if (turn->back.tables == NULL)
        return BS_FAIL(err, LIMIT, "the restore's memory is used up");
    if (n != 0)
        memcpy(turn->back.tables, p->back.tables, n * sizeof(*turn->back.tables));
    turn->work = p->work;
    turn->work.out = &turn->back;
    return BS_DONE;
}

static enum bs_done
find_turn(struct together *t, struct part *p, size_t round, struct bs_err *err)
{
    struct turn *turn = &p->turns[round];

    if (p->later) {
        struct bs_copyback back;
        bs_work_close(&p->work);
        if (bs_work_open(&p->m->r, &t->how[round], &back, &p->work, err) != BS_DONE)
            return BS_FAILED;
        p->back = back;
    }
    if (copy_work(p, turn, err) != BS_DONE)
        return BS_FAILED;
    turn->work.options = &t->how[round];
    if (!t->defines)
        return BS_DONE;
    return look_again(p, turn, err) == BS_DONE ? leave_made(t, p, turn, err) : BS_FAILED;
}

static enum bs_done
take_turn(
    struct together *t, struct part *p, size_t round, struct bs_safety *safety, struct bs_err *err)
{
    struct turn *turn = &p->turns[round];
    const char *phases = bs_copyback_order(&turn->back, turn->order);

    if (phases == NULL) { /* the rows are others by now */
        turn->order = 0;
        phases = bs_copyback_order(&turn->back, 0);
    }
    if (bs_rdb_do(&p->m->r.db, "DISCARD TEMP", err) != BS_DONE ||
        find_turn(t, p, round, err) != BS_DONE)
        return BS_FAILED;
    return bs_copyback_write(&turn->work, safety, NULL, phases, err);
}

/* No dump of what is there can be made once the first part has written. */
static enum bs_done
keep_all(struct together *t, struct bs_safety *safety, struct bs_err *err)
{
    struct bs_work **works = bs_malloc(t->g->n * sizeof(*works));
    enum bs_done done = BS_DONE;
    size_t n = 0;

    for (size_t i = 0; done == BS_DONE && i < t->g->n; i++) {
        if (t->parts[i].later || t->parts[i].work.parts)
            continue;
        works[n++] = &t->parts[i].work;
        done = bs_copyback_lock(works[n - 1], err);
    }
    if (done == BS_DONE && n != 0)
        done = bs_safety_take_all(safety, works, n, err);
    free(works);
    return done;
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

/* What was agreed to has to be what each would do by itself, now that nobody else can change it. */
static enum bs_done
check_bound(struct together *t, struct bs_err *err)
{
    for (size_t i = 0; t->g->bound && i < t->g->n; i++) {
        struct part *p = &t->parts[i];
        struct turn look;
        if (!p->m->planned)
            continue;
        if (p->later)
            return BS_FAIL(err, CONFLICT, "the database has changed since the plan was made");
        if (bs_rdb_do(&p->m->r.db, "DISCARD TEMP", err) != BS_DONE ||
            copy_work(p, &look, err) != BS_DONE ||
            bs_copyback_agrees(&look.work, &p->m->back, err) != BS_DONE)
            return BS_FAILED;
    }
    return BS_DONE;
}

static enum bs_done
try_once(struct together *t, struct bs_err *err)
{
    struct bs_safety safety = {0};
    struct bs_work *any = &t->parts[0].work;
    enum bs_done done = bs_copyback_begin(&safety, any, err);

    t->n_made = 0;
    if (done == BS_DONE)
        done = check_bound(t, err);
    if (done == BS_DONE && t->defines)
        done = keep_all(t, &safety, err);
    if (done == BS_DONE && t->defines)
        done = give_all_names(t, err);
    for (size_t i = 0; i < t->g->n; i++)
        safety.named = safety.named || t->parts[i].named.n != 0;
    t->round = done == BS_DONE ? t->round : t->rounds; /* no other order helps */
    if (done == BS_DONE)
        done = write_all(t, &safety, err);
    return bs_copyback_end(&safety, any, done, err);
}
/* A definition may need another one: a schema that is called otherwise, a type, a function. */
static bool
may_wait(const struct together *t, const struct bs_err *err)
{
    static const char *const missing[] = {"42", "3F", "2B"};
    bool any = bs_group_may_wait(err);

    for (size_t i = 0; t->defines && i < sizeof(missing) / sizeof(missing[0]); i++)
        any = any || strncmp(err->sqlstate, missing[i], 2) == 0;
    return any;
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
    if (!may_wait(t, err) || ++t->stuck >= t->g->n - t->at)
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

/* What got its name back, beside all else; the one list has room for both. */
static void
add_named(const struct part *p, struct bs_copyback *back)
{
    for (size_t i = 0; i < p->named.n; i++)
        back->changes.list[back->changes.n++] = p->named.list[i];
}

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
    add_named(p, back);
    bs_copyback_after(&p->turns[0].work);
    p->work.definition = p->turns[0].work.definition; /* what it has read again is its own */
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

static void
begin(struct together *t, struct bs_group *g, const struct bs_copyback_options *options)
{
    *t = (struct together){
        .g = g,
        .how = {*options, *options},
        .rounds = options->made == BS_COPYBACK_REMOVE ? 2 : 1,
    };
    t->how[0].made = BS_COPYBACK_KEEP;
    t->how[0].removes_later = options->made == BS_COPYBACK_REMOVE;
    t->how[1].others_back = true;
    t->parts = bs_malloc(g->n * sizeof(*t->parts));
    memset(t->parts, 0, g->n * sizeof(*t->parts));
}

static void
end(struct together *t)
{
    for (size_t i = 0; i < t->g->n; i++)
        bs_work_close(&t->parts[i].work);
    free(t->parts);
    free(t->made);
}

enum bs_done
bs_together_look(struct bs_group *g, const struct bs_copyback_options *options, struct bs_err *err)
{
    struct together t;
    enum bs_done done;

    begin(&t, g, options);
    done = open_all(&t, options, err);
    end(&t);
    return done;
}

enum bs_done
bs_together_run(struct bs_group *g, const struct bs_copyback_options *options, struct bs_err *err)
{
    struct together t;
    enum bs_done done;

    begin(&t, g, options);
    done = make_room(&t, err);
    if (done == BS_DONE)
        done = open_all(&t, options, err);
    if (done == BS_DONE && g->apart == NULL) {
        share_session(g);
        done = run_recorded(&t, err);
        if (done != BS_DONE && t.defines && err->code != BS_E_UNCERTAIN && err->hint[0] == '\0')
            bs_err_hint(err, "nothing was done; restore copy-back gives back each point by itself");
    }
    end(&t);
    return done;
}
