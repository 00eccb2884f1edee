/*
 * match.c - what is written is listed once for a statement; rules are then held against the list.
 */
#include "policy/match.h"

#include <string.h>

#include "catalog/effect.h"

const char *
bs_meeting_words(enum bs_meeting meeting)
{
    static const char *const words[] = {
        [BS_MEET_YES] = "matches",
        [BS_MEET_ACTOR] = "no: another actor",
        [BS_MEET_GROUP] = "no: another group",
        [BS_MEET_DATABASE] = "no: another database",
        [BS_MEET_ENVIRONMENT] = "no: another environment",
        [BS_MEET_RISK] = "no: another risk",
        [BS_MEET_KIND] = "no: another kind of statement",
        [BS_MEET_OPAQUE] = "no: it runs code whose writes are not known",
        [BS_MEET_OBJECT] = "no: other objects",
        [BS_MEET_COLUMN] = "no: other columns",
        [BS_MEET_UNMEASURED] = "no: nobody has counted the rows",
        [BS_MEET_MORE_ROWS] = "no: more rows than it allows",
        [BS_MEET_FEWER_ROWS] = "no: fewer rows than it is for",
    };

    return words[meeting];
}

static bool
of_stmt(const struct bs_match *q, size_t target)
{
    return q->facts->targets[target].stmt == q->index;
}

static size_t
count_targets(const struct bs_match *q)
{
    return q->facts == NULL ? 0 : q->facts->n_targets;
}

static bool
is_relation(const struct bs_effect *e)
{
    return e->object == BS_OBJECT_RELATION || e->object == BS_OBJECT_COLUMN;
}

static bool
names(const struct bs_effect *e, const struct bs_target *t)
{
    return is_relation(e) && bs_target_is_named(t, e);
}

/* True where the catalog has found what an effect names. */
static bool
resolved(const struct bs_match *q, const struct bs_effect *e)
{
    for (size_t i = 0; i < count_targets(q); i++) {
        if (of_stmt(q, i) && names(e, &q->facts->targets[i]))
            return true;
    }
    return false;
}

static bool
add_written(struct bs_match *q, struct bs_written w, struct bs_arena *arena)
{
    if (q->n_written == q->cap_written) {
        size_t cap = q->cap_written == 0 ? 4 : q->cap_written * 2;
        struct bs_written *grown = bs_arena_array(arena, cap, sizeof(grown[0]));
        if (grown == NULL)
            return false;
        if (q->n_written != 0)
            memcpy(grown, q->written, q->n_written * sizeof(grown[0]));
        q->written = grown;
        q->cap_written = cap;
    }
    q->written[q->n_written++] = w;
    return true;
}

/*
 * Statements that add to a table, or look at it, change no column that is there. A new name for
 * one does: it is another column to all rules.
 */
static bool
leaves_columns(enum bs_kind kind)
{
    switch ((int)kind) {
    case BS_KIND_INSERT:
    case BS_KIND_COPY_FROM_STDIN:
    case BS_KIND_REFRESH_MATERIALIZED_VIEW:
    case BS_KIND_RENAME:
    case BS_KIND_SET_SCHEMA:
        return false;
    default:
        return bs_kind_risk(kind) == BS_RISK_HIGH;
    }
}

/* Which columns of the relation that it names, or of a part of it, an effect writes. */
static struct bs_written
with_columns(struct bs_written w, const struct bs_effect *e)
{
    if (e->object == BS_OBJECT_COLUMN && e->column != NULL) {
        w.columns = &e->column;
        w.n_columns = 1;
    } else if (e->n_set != 0) {
        w.columns = e->set;
        w.n_columns = e->n_set;
    } else {
        w.which = leaves_columns(e->kind) ? BS_WRITTEN_NO_COLUMN : BS_WRITTEN_ALL_COLUMNS;
        return w;
    }
    w.which = BS_WRITTEN_SOME_COLUMNS;
    return w;
}

/* Behind a view columns have other names. */
static bool
goes_through_view(const struct bs_match *q)
{
    for (size_t i = 0; i < count_targets(q); i++) {
        if (of_stmt(q, i) && q->facts->targets[i].relkind == 'v')
            return true;
    }
    return false;
}

static bool
add_target(struct bs_match *q, const struct bs_target *t, bool view, struct bs_arena *arena)
{
    const struct bs_written w = {.what = BS_WRITTEN_NAMED, .schema = t->schema, .name = t->name};
    const struct bs_stmt *s = q->stmt;
    size_t before = q->n_written;

    for (size_t i = 0; i < s->n_effects; i++) {
        if (names(&s->effects[i], t) && !add_written(q, with_columns(w, &s->effects[i]), arena))
            return false;
    }
    if (q->n_written != before)
        return true;
    /* A partition or a child: the columns are called as in what is named. */
    for (size_t i = 0; i < s->n_effects && t->reach == BS_REACH_TARGET && !view; i++) {
        if (is_relation(&s->effects[i]) && !add_written(q, with_columns(w, &s->effects[i]), arena))
            return false;
    }
    return q->n_written != before || add_written(q, w, arena);
}

/* What the catalog's targets do not tell already. */
static bool
add_effect(struct bs_match *q, const struct bs_effect *e, struct bs_arena *arena)
{
    struct bs_written w = {.what = BS_WRITTEN_OTHER};

    switch (e->object) {
    case BS_OBJECT_NONE:
        return true;
    case BS_OBJECT_RELATION:
    case BS_OBJECT_COLUMN:
        if (resolved(q, e))
            return true;
        w = with_columns((struct bs_written){BS_WRITTEN_NAMED, e->name.schema, e->name.name,
                                             BS_WRITTEN_ALL_COLUMNS, NULL, 0},
                         e);
        break;
    case BS_OBJECT_FUNCTION:
    case BS_OBJECT_TYPE:
        w.what = BS_WRITTEN_NAMED;
        w.schema = e->name.schema;
        w.name = e->name.name;
        w.which = BS_WRITTEN_NO_COLUMN;
        break;
    case BS_OBJECT_SCHEMA:
        w.what = BS_WRITTEN_SCHEMA;
        w.schema = e->name.name;
        break;
    case BS_OBJECT_DATABASE:
    case BS_OBJECT_ROLE:
    case BS_OBJECT_LARGE_OBJECT:
    case BS_OBJECT_OTHER:
    case BS_OBJECT_SHARED:
        break;
    }
    return add_written(q, w, arena);
}

static bool
list_written(struct bs_match *q, struct bs_arena *arena)
{
    bool view = goes_through_view(q);

    for (size_t i = 0; i < count_targets(q); i++) {
        if (of_stmt(q, i) && !add_target(q, &q->facts->targets[i], view, arena))
            return false;
    }
    for (size_t i = 0; i < q->stmt->n_effects; i++) {
        if (!add_effect(q, &q->stmt->effects[i], arena))
            return false;
    }
    return true;
}

/* Code beside the statement that was found to do harm, or could not be read. */
static bool
runs_unknown(const struct bs_stmt *stmt)
{
    static const char *const codes[] = {
        "function",  "view",  "rule",  "policy",        "trigger", "default",
        "generated", "check", "index", "partition_key", "domain",  "cast",
    };

    if ((stmt->flags & (BS_FLAG_DYNAMIC_SQL | BS_FLAG_VOLATILE)) != 0)
        return true;
    for (size_t i = 0; i < stmt->n_reasons; i++) {
        const struct bs_reason *r = &stmt->reasons[i];
        if (r->risk == BS_RISK_SAFE || r->risk == BS_RISK_HIGH)
            continue;
        for (size_t k = 0; k < sizeof(codes) / sizeof(codes[0]); k++) {
            if (strcmp(codes[k], r->code) == 0)
                return true;
        }
    }
    return false;
}

/* A kind that overwrites rows or takes them away. What only adds does neither. */
static bool
kind_loses(enum bs_kind kind)
{
    enum bs_point point = bs_kind_point(kind);

    return point == BS_POINT_ROWS || point == BS_POINT_WHOLE || point == BS_POINT_UNKNOWN;
}

/*
 * Each table that it names loses one row at most: a key says so, or the catalog would have raised
 * BS_REASON_UNMEASURED.
 */
static bool
is_by_key(const struct bs_stmt *stmt)
{
    bool any = false;

    for (size_t i = 0; i < stmt->n_effects; i++) {
        const struct bs_effect *e = &stmt->effects[i];
        if (!kind_loses(e->kind))
            continue;
        if ((e->kind != BS_KIND_UPDATE && e->kind != BS_KIND_DELETE) || e->upsert || e->n_keys == 0)
            return false;
        any = true;
    }
    return any && !bs_stmt_has_reason(stmt, BS_REASON_UNMEASURED) &&
           !bs_stmt_has_reason(stmt, "no_filter");
}

static void
add_rows(struct bs_lost_rows *lost, int64_t rows)
{
    lost->rows = lost->rows > INT64_MAX - rows ? INT64_MAX : lost->rows + rows;
}

/* Partitions and children are in the number of what they are within. */
static void
count_target(struct bs_match *q, const struct bs_target *t)
{
    struct bs_lost_rows *lost = &q->lost;

    if (!bs_target_loses_rows(t))
        return;
    if (t->how == BS_MEASURE_NONE && t->reach == BS_REACH_TARGET && t->stmt == q->index &&
        q->by_key) {
        lost->share_known = false;
        add_rows(lost, t->within == 0);
        return;
    }
    lost->known = lost->known && t->how >= BS_MEASURE_COUNT && t->rows >= 0;
    lost->share_known = lost->share_known && t->how >= BS_MEASURE_COUNT && t->share >= 0;
    if (t->how == BS_MEASURE_NONE)
        return;
    if (t->within == 0 && t->rows > 0)
        add_rows(lost, t->rows);
    if (t->share > lost->share)
        lost->share = t->share;
}

/* A schema is as well known as the tables in it; of other things nobody counts rows. */
static bool
is_counted(const struct bs_match *q, const struct bs_effect *e)
{
    if (is_relation(e))
        return resolved(q, e);
    return e->object == BS_OBJECT_SCHEMA && q->loses;
}

/* A statement by itself tells whether it loses any; how many is the whole unit's. */
static void
count_lost(struct bs_match *q)
{
    bool unknown = q->opaque || q->stmt->point == BS_POINT_UNKNOWN;

    q->lost = (struct bs_lost_rows){.known = true, .share_known = true};
    q->by_key = is_by_key(q->stmt);
    for (size_t i = 0; i < count_targets(q); i++)
        q->loses = q->loses || (of_stmt(q, i) && bs_target_loses_rows(&q->facts->targets[i]));
    for (size_t i = 0; i < q->stmt->n_effects; i++) {
        const struct bs_effect *e = &q->stmt->effects[i];
        unknown = unknown || (kind_loses(e->kind) && !is_counted(q, e));
    }
    q->loses = q->loses || unknown;
    for (size_t i = 0; q->loses && i < count_targets(q); i++)
        count_target(q, &q->facts->targets[i]);
    if (unknown)
        q->lost.known = q->lost.share_known = false;
}

bool
bs_match_init(struct bs_match *q,
              const struct bs_subject *subject,
              const struct bs_stmt *stmt,
              const struct bs_facts *facts,
              size_t index,
              struct bs_arena *arena)
{
    *q = (struct bs_match){
        .subject = subject, .stmt = stmt, .facts = facts, .index = index, .risk = stmt->risk};
    q->opaque = runs_unknown(stmt);
    if (!list_written(q, arena))
        return false;
    count_lost(q);
    q->unsure = q->opaque || !q->lost.known || !q->lost.share_known;
    for (size_t i = 0; i < q->n_written && !q->unsure; i++)
        q->unsure = q->written[i].what == BS_WRITTEN_NAMED && q->written[i].schema == NULL;
    return true;
}

static bool
is_star(const char *pattern)
{
    return strcmp(pattern, "*") == 0;
}

/* Each column that is written is inside; `g` is a pattern of its relation already. */
static bool
columns_inside(const struct bs_object_glob *g, const struct bs_written *w)
{
    if (g->column == NULL || is_star(g->column))
        return true;
    if (w->which != BS_WRITTEN_SOME_COLUMNS || w->n_columns != 1)
        return false;
    return bs_glob_match(g->column, w->columns[0]);
}

/* Certainly inside the pattern. */
static bool
inside(const struct bs_object_glob *g, const struct bs_written *w)
{
    switch (w->what) {
    case BS_WRITTEN_NAMED:
        return w->schema != NULL && bs_glob_match(g->schema, w->schema) &&
               bs_glob_match(g->name, w->name) && columns_inside(g, w);
    case BS_WRITTEN_SCHEMA:
        return is_star(g->name) && bs_glob_match(g->schema, w->schema) &&
               (g->column == NULL || is_star(g->column));
    case BS_WRITTEN_OTHER:
        break;
    }
    return false;
}

static bool
columns_touched(const struct bs_object_glob *g, const struct bs_written *w)
{
    if (g->column == NULL || w->which == BS_WRITTEN_ALL_COLUMNS)
        return true;
    if (w->which == BS_WRITTEN_NO_COLUMN)
        return false;
    for (size_t i = 0; i < w->n_columns; i++) {
        if (bs_glob_match(g->column, w->columns[i]))
            return true;
    }
    return false;
}

/* Possibly touches something inside the pattern. */
static bool
touches(const struct bs_object_glob *g, const struct bs_written *w)
{
    switch (w->what) {
    case BS_WRITTEN_NAMED:
        return (w->schema == NULL || bs_glob_match(g->schema, w->schema)) &&
               bs_glob_match(g->name, w->name) && columns_touched(g, w);
    case BS_WRITTEN_SCHEMA:
        return bs_glob_match(g->schema, w->schema);
    case BS_WRITTEN_OTHER:
        break;
    }
    return is_star(g->schema) && is_star(g->name) && (g->column == NULL || is_star(g->column));
}

static bool
one_meets(const struct bs_object_globs *globs,
          const struct bs_written *w,
          bool (*meets)(const struct bs_object_glob *g, const struct bs_written *w))
{
    for (size_t i = 0; i < globs->n; i++) {
        if (meets(&globs->list[i], w))
            return true;
    }
    return false;
}

/* Several columns may each be inside another pattern. */
static bool
each_column_inside(const struct bs_object_globs *globs, const struct bs_written *w)
{
    struct bs_written one = *w;

    if (w->which != BS_WRITTEN_SOME_COLUMNS)
        return one_meets(globs, w, inside);
    one.n_columns = 1;
    for (size_t i = 0; i < w->n_columns; i++) {
        one.columns = &w->columns[i];
        if (!one_meets(globs, &one, inside))
            return false;
    }
    return w->n_columns != 0;
}

/* A statement without written objects is inside no pattern: nothing is known to be inside. */
static bool
all_inside(const struct bs_object_globs *globs, const struct bs_match *q)
{
    for (size_t i = 0; i < q->n_written; i++) {
        if (!each_column_inside(globs, &q->written[i]))
            return false;
    }
    return q->n_written != 0;
}

bool
bs_globs_touched(const struct bs_object_globs *globs, const struct bs_match *q)
{
    if (q->opaque && !q->certain)
        return true;
    for (size_t i = 0; i < q->n_written; i++) {
        const struct bs_written *w = &q->written[i];
        bool known = w->what != BS_WRITTEN_NAMED || w->schema != NULL;
        if ((known || !q->certain) && one_meets(globs, w, touches))
            return true;
    }
    return false;
}

/* The statement's own kind says nothing more where it only carries effects (SELECT over a CTE). */
static bool
own_kind_counts(const struct bs_match *q)
{
    return (q->stmt->n_effects == 0 && q->n_written == 0) ||
           bs_kind_risk(q->stmt->kind) != BS_RISK_SAFE;
}

static bool
all_kinds_named(const struct bs_rule *rule, const struct bs_match *q)
{
    if (own_kind_counts(q) && !rule->kinds[q->stmt->kind])
        return false;
    for (size_t i = 0; i < q->stmt->n_effects; i++) {
        if (!rule->kinds[q->stmt->effects[i].kind])
            return false;
    }
    for (size_t i = 0; i < count_targets(q); i++) {
        if (of_stmt(q, i) && !rule->kinds[q->facts->targets[i].kind])
            return false;
    }
    return true;
}

static bool
any_kind_named(const struct bs_rule *rule, const struct bs_match *q)
{
    if (rule->kinds[q->stmt->kind])
        return true;
    for (size_t i = 0; i < q->stmt->n_effects; i++) {
        if (rule->kinds[q->stmt->effects[i].kind])
            return true;
    }
    for (size_t i = 0; i < count_targets(q); i++) {
        if (of_stmt(q, i) && rule->kinds[q->facts->targets[i].kind])
            return true;
    }
    return false;
}

/* Who names DO or CALL means code; whoever names SELECT does not mean what a function deletes. */
static bool
is_code(enum bs_kind kind)
{
    return kind == BS_KIND_DO || kind == BS_KIND_CALL;
}

/* Everything the statement does is inside the rule, but for how many rows. */
static enum bs_meeting
covers(const struct bs_rule *rule, const struct bs_match *q)
{
    if (rule->kinds != NULL && !all_kinds_named(rule, q))
        return BS_MEET_KIND;
    if ((rule->objects.n != 0 || rule->columns.n != 0) && q->opaque)
        return BS_MEET_OPAQUE;
    if (rule->kinds != NULL && q->opaque && !is_code(q->stmt->kind))
        return BS_MEET_OPAQUE;
    if (rule->objects.n != 0 && !all_inside(&rule->objects, q))
        return BS_MEET_OBJECT;
    if (rule->columns.n != 0 && !all_inside(&rule->columns, q))
        return BS_MEET_COLUMN;
    return BS_MEET_YES;
}

/* Something the statement does is inside the rule, whatever the rows. */
static enum bs_meeting
concerns(const struct bs_rule *rule, const struct bs_match *q)
{
    if (rule->kinds != NULL && !any_kind_named(rule, q))
        return BS_MEET_KIND;
    if (rule->objects.n != 0 && !bs_globs_touched(&rule->objects, q))
        return BS_MEET_OBJECT;
    if (rule->columns.n != 0 && !bs_globs_touched(&rule->columns, q))
        return BS_MEET_COLUMN;
    return BS_MEET_YES;
}

/* Of an allow rule: all that is lost was counted and is within the limits. */
static enum bs_meeting
within(const struct bs_limits_of_rows *max, const struct bs_lost_rows *lost)
{
    if ((max->rows >= 0 && !lost->known) || (max->share >= 0 && !lost->share_known))
        return BS_MEET_UNMEASURED;
    if ((max->rows >= 0 && lost->rows > max->rows) || (max->share >= 0 && lost->share > max->share))
        return BS_MEET_MORE_ROWS;
    return BS_MEET_YES;
}

/* Of the others: it is, or may be, as much as that. Of two limits one is enough. */
static enum bs_meeting
reaches(const struct bs_limits_of_rows *min, const struct bs_match *q)
{
    const struct bs_lost_rows *lost = &q->lost;
    bool guess = !q->certain;

    if (min->rows < 0 && min->share < 0)
        return BS_MEET_YES;
    if (min->rows >= 0 && (lost->known ? lost->rows >= min->rows : guess))
        return BS_MEET_YES;
    if (min->share >= 0 && (lost->share_known ? lost->share >= min->share : guess))
        return BS_MEET_YES;
    return BS_MEET_FEWER_ROWS;
}

enum bs_meeting
bs_rule_meet_subject(const struct bs_rule *rule, const struct bs_subject *subject)
{
    const char *environment = subject->environment == NULL ? "" : subject->environment;

    if (!bs_globs_match(&rule->actors, subject->actor))
        return BS_MEET_ACTOR;
    if (rule->groups.n != 0 &&
        (subject->group == NULL || !bs_globs_match(&rule->groups, subject->group)))
        return BS_MEET_GROUP;
    if (!bs_globs_match(&rule->databases, subject->database))
        return BS_MEET_DATABASE;
    if (!bs_globs_match(&rule->environments, environment))
        return BS_MEET_ENVIRONMENT;
    return BS_MEET_YES;
}

/* What is UNKNOWN is no better than CRITICAL, and nothing allows it. */
static enum bs_meeting
meet_risk(const struct bs_rule *rule, const struct bs_match *q)
{
    enum bs_risk risk = q->risk;

    if (risk == BS_RISK_UNKNOWN) {
        if (rule->action == BS_ACTION_ALLOW)
            return BS_MEET_RISK;
        risk = BS_RISK_CRITICAL;
    }
    return (rule->risks & BS_RISK_BIT(risk)) == 0 ? BS_MEET_RISK : BS_MEET_YES;
}

enum bs_meeting
bs_rule_meet_but_rows(const struct bs_rule *rule, const struct bs_match *q)
{
    enum bs_meeting meeting = meet_risk(rule, q); /* the cheapest first */

    if (meeting == BS_MEET_YES)
        meeting = bs_rule_meet_subject(rule, q->subject);
    if (meeting != BS_MEET_YES)
        return meeting;
    return rule->action == BS_ACTION_ALLOW ? covers(rule, q) : concerns(rule, q);
}

enum bs_meeting
bs_rule_meet(const struct bs_rule *rule, const struct bs_match *q)
{
    enum bs_meeting meeting = bs_rule_meet_but_rows(rule, q);

    if (meeting != BS_MEET_YES)
        return meeting;
    return rule->action == BS_ACTION_ALLOW ? within(&rule->max, &q->lost) : reaches(&rule->min, q);
}

bool
bs_rule_covers(const struct bs_rule *rule, const struct bs_match *q)
{
    return covers(rule, q) == BS_MEET_YES;
}

bool
bs_rule_caps(const struct bs_rule *rule, const struct bs_match *q)
{
    return rule->result_rows != 0 && bs_rule_meet_subject(rule, q->subject) == BS_MEET_YES &&
           meet_risk(rule, q) == BS_MEET_YES && concerns(rule, q) == BS_MEET_YES;
}

bool
bs_rule_requires(const struct bs_rule *rule, const struct bs_match *q)
{
    return !bs_require_is_empty(&rule->require) &&
           bs_rule_meet_subject(rule, q->subject) == BS_MEET_YES &&
           meet_risk(rule, q) == BS_MEET_YES && concerns(rule, q) == BS_MEET_YES &&
           (rule->action == BS_ACTION_ALLOW || reaches(&rule->min, q) == BS_MEET_YES);
}
