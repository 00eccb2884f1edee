/*
 * decide.c - rules against statements.
 *
 * The asymmetry is the point: to allow, everything a statement does must be inside the rule; to
 * hold or block, one thing is enough. Whatever is not known - a name without a schema, what an
 * unlisted function writes - is outside for the first and inside for the second.
 */
#include "policy/decide.h"

#include <string.h>

#include "catalog/seen.h"

/* What a statement writes, as a rule's `objects` sees it. */
struct written {
    enum {
        WRITTEN_OTHER = 0, /* a role, a database: has no schema.name */
        WRITTEN_NAMED,     /* schema NULL: not known in which */
        WRITTEN_SCHEMA,    /* a schema and so all that is in it; its name in `schema` */
    } what;
    const char *schema;
    const char *name;
};

/* One statement, prepared once for all rules. */
struct question {
    const struct bs_subject *subject;
    const struct bs_stmt *stmt;
    const struct bs_facts *facts;
    size_t index; /* of the statement in its unit */
    struct written *written;
    size_t n_written;
    bool opaque; /* runs code that nobody has read: it may write more than is listed */
};

/* How a rule meets a question; the words are for bs_decide_explain. */
enum meeting {
    MEET_YES = 0,
    MEET_ACTOR,
    MEET_GROUP,
    MEET_DATABASE,
    MEET_ENVIRONMENT,
    MEET_RISK,
    MEET_KIND,
    MEET_OBJECT,
    MEET_OPAQUE,
};

static const char *const meeting_words[] = {
    [MEET_YES] = "matches",
    [MEET_ACTOR] = "no: another actor",
    [MEET_GROUP] = "no: another group",
    [MEET_DATABASE] = "no: another database",
    [MEET_ENVIRONMENT] = "no: another environment",
    [MEET_RISK] = "no: another risk",
    [MEET_KIND] = "no: another kind of statement",
    [MEET_OBJECT] = "no: other objects",
    [MEET_OPAQUE] = "no: it runs code whose writes are not known",
};

static bool
of_stmt(const struct question *q, size_t target)
{
    return q->facts->targets[target].stmt == q->index;
}

/* True where the catalog has found what an effect names. */
static bool
resolved(const struct question *q, const struct bs_effect *e)
{
    for (size_t i = 0; q->facts != NULL && i < q->facts->n_targets; i++) {
        const struct bs_target *t = &q->facts->targets[i];
        if (of_stmt(q, i) && strcmp(t->name, e->name.name) == 0 &&
            (e->name.schema == NULL || strcmp(t->schema, e->name.schema) == 0))
            return true;
    }
    return false;
}

/* False where an effect writes nothing of its own or is already among the catalog's targets. */
static bool
written_of(const struct question *q, const struct bs_effect *e, struct written *out)
{
    switch (e->object) {
    case BS_OBJECT_NONE:
        return false;
    case BS_OBJECT_RELATION:
    case BS_OBJECT_COLUMN:
        if (resolved(q, e))
            return false;
        *out = (struct written){WRITTEN_NAMED, e->name.schema, e->name.name};
        return true;
    case BS_OBJECT_FUNCTION:
    case BS_OBJECT_TYPE:
        *out = (struct written){WRITTEN_NAMED, e->name.schema, e->name.name};
        return true;
    case BS_OBJECT_SCHEMA:
        *out = (struct written){WRITTEN_SCHEMA, e->name.name, NULL};
        return true;
    case BS_OBJECT_DATABASE:
    case BS_OBJECT_ROLE:
    case BS_OBJECT_LARGE_OBJECT:
    case BS_OBJECT_OTHER:
        break;
    }
    *out = (struct written){WRITTEN_OTHER, NULL, NULL};
    return true;
}

static bool
list_written(struct question *q, struct bs_arena *arena)
{
    size_t most = q->stmt->n_effects;

    for (size_t i = 0; q->facts != NULL && i < q->facts->n_targets; i++)
        most += of_stmt(q, i);
    if (most == 0)
        return true;
    q->written = bs_arena_array(arena, most, sizeof(q->written[0]));
    if (q->written == NULL)
        return false;
    for (size_t i = 0; q->facts != NULL && i < q->facts->n_targets; i++) {
        const struct bs_target *t = &q->facts->targets[i];
        if (of_stmt(q, i))
            q->written[q->n_written++] = (struct written){WRITTEN_NAMED, t->schema, t->name};
    }
    for (size_t i = 0; i < q->stmt->n_effects; i++)
        q->n_written += written_of(q, &q->stmt->effects[i], &q->written[q->n_written]);
    return true;
}

static bool
is_star(const char *pattern)
{
    return strcmp(pattern, "*") == 0;
}

/* Certainly inside the pattern. */
static bool
inside(const struct bs_object_glob *g, const struct written *w)
{
    switch (w->what) {
    case WRITTEN_NAMED:
        return w->schema != NULL && bs_glob_match(g->schema, w->schema) &&
               bs_glob_match(g->name, w->name);
    case WRITTEN_SCHEMA:
        return is_star(g->name) && bs_glob_match(g->schema, w->schema);
    case WRITTEN_OTHER:
        break;
    }
    return false;
}

/* Possibly touches something inside the pattern. */
static bool
touches(const struct bs_object_glob *g, const struct written *w)
{
    switch (w->what) {
    case WRITTEN_NAMED:
        return (w->schema == NULL || bs_glob_match(g->schema, w->schema)) &&
               bs_glob_match(g->name, w->name);
    case WRITTEN_SCHEMA:
        return bs_glob_match(g->schema, w->schema);
    case WRITTEN_OTHER:
        break;
    }
    return is_star(g->schema) && is_star(g->name);
}

static bool
one_meets(const struct bs_rule *rule,
          const struct written *w,
          bool (*meets)(const struct bs_object_glob *g, const struct written *w))
{
    for (size_t i = 0; i < rule->objects.n; i++) {
        if (meets(&rule->objects.list[i], w))
            return true;
    }
    return false;
}

/* A statement without written objects is inside no pattern: nothing is known to be inside. */
static bool
all_objects_inside(const struct bs_rule *rule, const struct question *q)
{
    for (size_t i = 0; i < q->n_written; i++) {
        if (!one_meets(rule, &q->written[i], inside))
            return false;
    }
    return q->n_written != 0;
}

static bool
any_object_touched(const struct bs_rule *rule, const struct question *q)
{
    for (size_t i = 0; i < q->n_written; i++) {
        if (one_meets(rule, &q->written[i], touches))
            return true;
    }
    return false;
}

/* The statement's own kind says nothing more where it only carries effects (SELECT over a CTE). */
static bool
own_kind_counts(const struct question *q)
{
    return (q->stmt->n_effects == 0 && q->n_written == 0) ||
           bs_kind_risk(q->stmt->kind) != BS_RISK_SAFE;
}

static bool
all_kinds_named(const struct bs_rule *rule, const struct question *q)
{
    if (own_kind_counts(q) && !rule->kinds[q->stmt->kind])
        return false;
    for (size_t i = 0; i < q->stmt->n_effects; i++) {
        if (!rule->kinds[q->stmt->effects[i].kind])
            return false;
    }
    for (size_t i = 0; q->facts != NULL && i < q->facts->n_targets; i++) {
        if (of_stmt(q, i) && !rule->kinds[q->facts->targets[i].kind])
            return false;
    }
    return true;
}

static bool
any_kind_named(const struct bs_rule *rule, const struct question *q)
{
    if (rule->kinds[q->stmt->kind])
        return true;
    for (size_t i = 0; i < q->stmt->n_effects; i++) {
        if (rule->kinds[q->stmt->effects[i].kind])
            return true;
    }
    for (size_t i = 0; q->facts != NULL && i < q->facts->n_targets; i++) {
        if (of_stmt(q, i) && rule->kinds[q->facts->targets[i].kind])
            return true;
    }
    return false;
}

/* Everything the statement does is inside the rule: what allowing and waiving ask for. */
static enum meeting
covers(const struct bs_rule *rule, const struct question *q)
{
    if (rule->kinds != NULL && !all_kinds_named(rule, q))
        return MEET_KIND;
    if (rule->objects.n != 0 && q->opaque)
        return MEET_OPAQUE;
    if (rule->objects.n != 0 && !all_objects_inside(rule, q))
        return MEET_OBJECT;
    if (rule->columns.n != 0 || rule->max.rows >= 0 || rule->max.share >= 0)
        return MEET_OBJECT; /* neither is known yet */
    return MEET_YES;
}

/* Something the statement does is inside the rule: enough to hold or block. */
static enum meeting
concerns(const struct bs_rule *rule, const struct question *q)
{
    if (rule->kinds != NULL && !any_kind_named(rule, q))
        return MEET_KIND;
    if (rule->objects.n != 0 && !any_object_touched(rule, q))
        return MEET_OBJECT;
    return MEET_YES;
}

static enum meeting
meet_subject(const struct bs_rule *rule, const struct bs_subject *subject)
{
    const char *environment = subject->environment == NULL ? "" : subject->environment;

    if (!bs_globs_match(&rule->actors, subject->actor))
        return MEET_ACTOR;
    if (rule->groups.n != 0 &&
        (subject->group == NULL || !bs_globs_match(&rule->groups, subject->group)))
        return MEET_GROUP;
    if (!bs_globs_match(&rule->databases, subject->database))
        return MEET_DATABASE;
    if (!bs_globs_match(&rule->environments, environment))
        return MEET_ENVIRONMENT;
    return MEET_YES;
}

static enum meeting
meet(const struct bs_rule *rule, const struct question *q)
{
    enum bs_risk risk = q->stmt->risk;
    enum meeting subject = meet_subject(rule, q->subject);

    if (subject != MEET_YES)
        return subject;
    if (risk == BS_RISK_UNKNOWN) {
        if (rule->action == BS_ACTION_ALLOW)
            return MEET_RISK;
        risk = BS_RISK_CRITICAL;
    }
    if ((rule->risks & BS_RISK_BIT(risk)) == 0)
        return MEET_RISK;
    return rule->action == BS_ACTION_ALLOW ? covers(rule, q) : concerns(rule, q);
}

static bool
waives(const struct bs_rule *rule, const struct question *q)
{
    return rule->no_recovery && covers(rule, q) == MEET_YES;
}

/* What was decided about one statement. */
struct verdict {
    enum bs_action action;
    const struct bs_rule *rule; /* NULL: a default */
    bool uncoverable;           /* the default is to block what nothing can give back */
    bool waived;
};

/* Code that nobody has vetted may ask: what it does to rows is kept before it is committed. */
static struct verdict
by_default(const struct bs_policy *policy, const struct bs_stmt *stmt, const struct bs_facts *facts)
{
    bool unknown = stmt->point == BS_POINT_UNKNOWN && !bs_stmt_is_seen(stmt, facts);

    if (unknown || stmt->kind == BS_KIND_DROP_DATABASE)
        return (struct verdict){.action = BS_ACTION_BLOCK, .uncoverable = true};
    return (struct verdict){.action = policy->defaults[stmt->risk]};
}

/*
 * The strictest matching rule, the first of equals. Keeping a point is stricter than waiving it:
 * of several equal rules all must waive.
 */
static struct verdict
settle(const struct bs_policy *policy, const struct question *q)
{
    struct verdict v = {0};

    for (size_t i = 0; i < policy->n_rules; i++) {
        const struct bs_rule *rule = &policy->rules[i];
        if (meet(rule, q) != MEET_YES)
            continue;
        if (v.rule == NULL || rule->action < v.action)
            v = (struct verdict){.action = rule->action, .rule = rule, .waived = waives(rule, q)};
        else if (rule->action == v.action)
            v.waived = v.waived && waives(rule, q);
    }
    return v.rule != NULL ? v : by_default(policy, q->stmt, q->facts);
}

static const char *
why_of(const struct verdict *v, const struct bs_stmt *stmt, struct bs_arena *arena)
{
    const char *action = bs_action_name(v->action);

    if (v->rule != NULL)
        return bs_arena_fmt(arena, "rule \"%s\" says %s", v->rule->name, action);
    if (v->uncoverable)
        return bs_arena_fmt(arena, "no rule matches, and no recovery point can cover %s: block",
                            bs_kind_name(stmt->kind));
    return bs_arena_fmt(arena, "no rule matches, and the default for %s is %s",
                        bs_risk_name(stmt->risk), action);
}

/* The lines of bs_decide_explain; `into` NULL: not asked for. */
struct lines {
    struct bs_decision *into;
    struct bs_arena *arena;
    size_t room;
};

static bool
add_line(struct lines *l, const char *text)
{
    if (l->into == NULL)
        return true;
    if (text == NULL)
        return false;
    if (l->into->n_lines == l->room) {
        size_t room = l->room == 0 ? 16 : l->room * 2;
        const char **grown = bs_arena_array(l->arena, room, sizeof(grown[0]));
        if (grown == NULL)
            return false;
        if (l->into->n_lines != 0)
            memcpy(grown, l->into->lines, l->into->n_lines * sizeof(grown[0]));
        l->into->lines = grown;
        l->room = room;
    }
    l->into->lines[l->into->n_lines++] = text;
    return true;
}

static const char *
written_text(const struct written *w, struct bs_arena *arena)
{
    switch (w->what) {
    case WRITTEN_NAMED:
        return bs_arena_fmt(arena, "%s.%s", w->schema == NULL ? "(unknown schema)" : w->schema,
                            w->name);
    case WRITTEN_SCHEMA:
        return bs_arena_fmt(arena, "schema %s", w->schema);
    case WRITTEN_OTHER:
        break;
    }
    return "something without a schema";
}

static bool
explain_stmt(struct lines *l, const struct bs_policy *policy, const struct question *q)
{
    bool ok;

    if (l->into == NULL)
        return true;
    ok = add_line(l, bs_arena_fmt(l->arena, "statement %zu: %s, %s%s", q->index + 1,
                                  bs_kind_name(q->stmt->kind), bs_risk_name(q->stmt->risk),
                                  q->opaque ? ", runs code that is not known" : ""));
    for (size_t i = 0; ok && i < q->n_written; i++) {
        const char *text = written_text(&q->written[i], l->arena);
        ok = text != NULL && add_line(l, bs_arena_fmt(l->arena, "  writes %s", text));
    }
    for (size_t i = 0; ok && i < policy->n_rules; i++) {
        const struct bs_rule *rule = &policy->rules[i];
        ok = add_line(l, bs_arena_fmt(l->arena, "  rule \"%s\" (%s, line %d): %s", rule->name,
                                      bs_action_name(rule->action), rule->line,
                                      meeting_words[meet(rule, q)]));
    }
    return ok;
}

/* Decides one statement and makes the unit's decision at least as strict. */
static bool
add_stmt(const struct bs_policy *policy,
         struct question *q,
         struct lines *l,
         struct bs_arena *arena,
         struct bs_decision *d)
{
    struct verdict v;
    const char *why;

    q->opaque = (q->stmt->flags & (BS_FLAG_DYNAMIC_SQL | BS_FLAG_VOLATILE)) != 0;
    if (!list_written(q, arena) || !explain_stmt(l, policy, q))
        return false;
    v = settle(policy, q);
    why = why_of(&v, q->stmt, arena);
    if (why == NULL || (l->into != NULL && !add_line(l, bs_arena_fmt(arena, "  %s", why))))
        return false;
    if (q->stmt->point != BS_POINT_NONE && !v.waived)
        d->recovery_waived = false;
    if (q->index == 0 || v.action < d->action) {
        d->action = v.action;
        d->rule = v.rule == NULL ? NULL : v.rule->name;
        d->stmt = q->index;
        d->why = why;
    }
    return true;
}

/* A unit that is worse than its statements (it was raised as a whole) is held to its own risk. */
static void
hold_to_unit_risk(const struct bs_policy *policy, const struct bs_unit *unit, struct bs_decision *d)
{
    enum bs_risk worst = BS_RISK_SAFE;

    for (size_t i = 0; i < unit->n_stmts; i++)
        worst = bs_risk_worse(worst, unit->stmts[i].risk);
    if (bs_risk_worse(worst, unit->risk) == worst || policy->defaults[unit->risk] >= d->action)
        return;
    d->action = policy->defaults[unit->risk];
    d->rule = NULL;
    d->why = "the statements together are worse than each of them";
}

static bool
needs_a_point(const struct bs_unit *unit)
{
    for (size_t i = 0; i < unit->n_stmts; i++) {
        if (unit->stmts[i].point != BS_POINT_NONE)
            return true;
    }
    return false;
}

static enum bs_done
decide(const struct bs_policy *policy,
       const struct bs_subject *subject,
       const struct bs_unit *unit,
       const struct bs_facts *facts,
       struct bs_arena *arena,
       struct lines *l,
       struct bs_decision *out,
       struct bs_err *err)
{
    *out = (struct bs_decision){.digest = policy->digest, .recovery_waived = needs_a_point(unit)};
    if (unit->n_stmts == 0) {
        out->action = unit->parsed ? policy->defaults[unit->risk] : BS_ACTION_BLOCK;
        out->why = unit->parsed ? "there is no statement in it" : "it could not be read";
    }
    for (size_t i = 0; i < unit->n_stmts; i++) {
        struct question q = {
            .subject = subject, .stmt = &unit->stmts[i], .facts = facts, .index = i};
        if (!add_stmt(policy, &q, l, arena, out)) {
            *out = (struct bs_decision){.digest = policy->digest, .why = "the decision failed"};
            return BS_FAIL(err, LIMIT, "the decision needs more memory than a statement may use");
        }
    }
    hold_to_unit_risk(policy, unit, out);
    out->would = out->action;
    return BS_DONE;
}

enum bs_done
bs_decide(const struct bs_policy *policy,
          const struct bs_subject *subject,
          const struct bs_unit *unit,
          const struct bs_facts *facts,
          struct bs_arena *arena,
          struct bs_decision *out,
          struct bs_err *err)
{
    struct lines none = {0};

    return decide(policy, subject, unit, facts, arena, &none, out, err);
}

enum bs_done
bs_decide_explain(const struct bs_policy *policy,
                  const struct bs_subject *subject,
                  const struct bs_unit *unit,
                  const struct bs_facts *facts,
                  struct bs_arena *arena,
                  struct bs_decision *out,
                  struct bs_err *err)
{
    struct lines asked = {.into = out, .arena = arena};

    return decide(policy, subject, unit, facts, arena, &asked, out, err);
}

static bool
is_in(const struct bs_globs *globs, const char *name)
{
    return globs->n != 0 && name != NULL && bs_globs_match(globs, name);
}

enum bs_profile
bs_policy_profile(const struct bs_policy *policy, const struct bs_subject *subject)
{
    for (int i = 0; i < BS_PROFILE_COUNT; i++) {
        const struct bs_profile_of *of = &policy->profiles[i];
        if (is_in(&of->actors, subject->actor) || is_in(&of->groups, subject->group))
            return (enum bs_profile)i;
    }
    return policy->profile;
}

enum bs_done
bs_policy_protect(const struct bs_policy *policy,
                  struct bs_unit *unit,
                  const struct bs_facts *facts,
                  struct bs_arena *arena,
                  struct bs_err *err)
{
    (void)policy;
    (void)unit;
    (void)facts;
    (void)arena;
    (void)err;
    return BS_DONE;
}

bool
bs_policy_shielded(const struct bs_policy *policy, const struct bs_subject *subject)
{
    const uint32_t writes = BS_RISK_BIT(BS_RISK_HIGH) | BS_RISK_BIT(BS_RISK_CRITICAL);

    if (policy->mode == BS_POLICY_SHADOW)
        return false;
    if (bs_policy_profile(policy, subject) == BS_PROFILE_READ_ONLY)
        return true;
    if (policy->defaults[BS_RISK_HIGH] == BS_ACTION_ALLOW ||
        policy->defaults[BS_RISK_CRITICAL] == BS_ACTION_ALLOW)
        return false;
    for (size_t i = 0; i < policy->n_rules; i++) {
        const struct bs_rule *rule = &policy->rules[i];
        if (rule->action == BS_ACTION_ALLOW && (rule->risks & writes) != 0 &&
            meet_subject(rule, subject) == MEET_YES)
            return false;
    }
    return true;
}
