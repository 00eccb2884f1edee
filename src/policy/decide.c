/*
 * decide.c - the answer: profile, rules, defaults; what the rules look at is match.c's.
 */
#include "policy/decide.h"

#include <inttypes.h>
#include <string.h>

#include "catalog/seen.h"
#include "policy/profile.h"

/* What was decided about one statement. */
struct verdict {
    enum bs_action action;
    const struct bs_rule *rule; /* NULL: a default, or a profile */
    bool profile;               /* the actor's profile has no such statements */
    bool uncoverable;           /* the default is to block what nothing can give back */
    enum bs_keep keep;          /* what its rules say, all of them */
};

/* Code that nobody has vetted may ask: what it does to rows is kept before it is committed. */
static struct verdict
by_default(const struct bs_policy *policy, const struct bs_match *q)
{
    const struct bs_stmt *stmt = q->stmt;
    bool unknown = stmt->point == BS_POINT_UNKNOWN && !bs_stmt_is_seen(stmt, q->facts);

    if (unknown || stmt->kind == BS_KIND_DROP_DATABASE)
        return (struct verdict){.action = BS_ACTION_BLOCK, .uncoverable = true};
    return (struct verdict){.action = policy->defaults[q->risk]};
}

static enum bs_keep
keep_by(const struct bs_rule *rule, const struct bs_match *q)
{
    return rule->keep != BS_KEEP && bs_rule_covers(rule, q) ? rule->keep : BS_KEEP;
}

static bool
is_met_for_certain(const struct bs_rule *rule, const struct bs_match *q)
{
    struct bs_match known;

    if (!q->unsure)
        return true;
    known = *q;
    known.certain = true;
    return bs_rule_meet(rule, &known) == BS_MEET_YES;
}

/*
 * The strictest matching rule, the first of equals. Keeping a point is stricter than waiving it:
 * of several equal rules all must waive. Rules that are met only by what is not known do not take
 * the default's place, they can only be stricter than it.
 */
static struct verdict
settle(const struct bs_policy *policy, const struct bs_match *q)
{
    struct verdict v = {0}, other;
    bool certain = false;

    if (bs_profile_blocks(bs_policy_profile(policy, q->subject), q))
        return (struct verdict){.action = BS_ACTION_BLOCK, .profile = true};
    for (size_t i = 0; i < policy->n_rules; i++) {
        const struct bs_rule *rule = &policy->rules[i];
        if (bs_rule_meet(rule, q) != BS_MEET_YES)
            continue;
        if (v.rule == NULL || rule->action < v.action)
            v = (struct verdict){.action = rule->action, .rule = rule, .keep = keep_by(rule, q)};
        else if (rule->action == v.action && keep_by(rule, q) < v.keep)
            v.keep = keep_by(rule, q);
        certain = certain || is_met_for_certain(rule, q);
    }
    if (v.rule != NULL && certain)
        return v;
    other = by_default(policy, q);
    return v.rule != NULL && v.action <= other.action ? v : other;
}

/* The risk that is left once the rows are counted and are few. */
static enum bs_risk
risk_if_few(const struct bs_stmt *stmt)
{
    enum bs_risk risk = BS_RISK_SAFE;

    for (size_t i = 0; i < stmt->n_reasons; i++) {
        if (strcmp(stmt->reasons[i].code, BS_REASON_UNMEASURED) != 0)
            risk = bs_risk_worse(risk, stmt->reasons[i].risk);
    }
    return stmt->n_reasons == 0 ? stmt->risk : bs_risk_worse(risk, BS_RISK_HIGH);
}

static bool
same_verdict(const struct verdict *a, const struct verdict *b)
{
    return a->action == b->action && a->rule == b->rule && a->keep == b->keep;
}

/* The rule asks for a number that is not known. */
static bool
wants_rows(const struct bs_rule *rule, const struct bs_lost_rows *lost)
{
    return (!lost->known && (rule->max.rows >= 0 || rule->min.rows >= 0)) ||
           (!lost->share_known && (rule->max.share >= 0 || rule->min.share >= 0));
}

/*
 * Counting tells the risk, and which rules with limits of rows match. Where neither can change
 * what is decided, nobody needs to count.
 */
static bool
depends_on_rows(const struct bs_policy *policy, const struct bs_match *q)
{
    struct bs_match few = *q, many = *q;
    struct verdict if_few, if_many;

    if (!q->loses || (q->lost.known && q->lost.share_known))
        return false;
    few.risk = risk_if_few(q->stmt);
    many.risk = bs_risk_worse(q->risk, BS_RISK_CRITICAL);
    if_few = settle(policy, &few);
    if_many = settle(policy, &many);
    if (!q->lost.known && !same_verdict(&if_few, &if_many))
        return true;
    for (size_t i = 0; i < policy->n_rules && !if_few.profile; i++) {
        const struct bs_rule *rule = &policy->rules[i];
        if (wants_rows(rule, &q->lost) && (bs_rule_meet_but_rows(rule, &few) == BS_MEET_YES ||
                                           bs_rule_meet_but_rows(rule, &many) == BS_MEET_YES))
            return true;
    }
    return false;
}

static const char *
why_of(const struct bs_policy *policy,
       const struct verdict *v,
       const struct bs_match *q,
       struct bs_arena *arena)
{
    const char *action = bs_action_name(v->action);

    if (v->rule != NULL && v->rule->says != NULL)
        return v->rule->says;
    if (v->rule != NULL)
        return bs_arena_fmt(arena, "rule \"%s\" says %s", v->rule->name, action);
    if (v->profile)
        return bs_arena_fmt(arena, "the profile %s has no %s: block",
                            bs_profile_name(bs_policy_profile(policy, q->subject)),
                            bs_kind_name(q->stmt->kind));
    if (v->uncoverable)
        return bs_arena_fmt(arena, "no rule matches, and no recovery point can cover %s: block",
                            bs_kind_name(q->stmt->kind));
    if (q->stmt->risk == BS_RISK_SAFE && v->action == BS_ACTION_ALLOW)
        return "no rule matches, and the default for SAFE is allow";
    return bs_arena_fmt(arena, "no rule matches, and the default for %s is %s",
                        bs_risk_name(q->stmt->risk), action);
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
columns_text(const struct bs_written *w, struct bs_arena *arena)
{
    const char *all = "";

    if (w->which == BS_WRITTEN_NO_COLUMN)
        return ", none of its columns";
    for (size_t i = 0; w->which == BS_WRITTEN_SOME_COLUMNS && all != NULL && i < w->n_columns; i++)
        all = bs_arena_fmt(arena, "%s%s%s", all, i == 0 ? ", columns " : ", ", w->columns[i]);
    return all;
}

static const char *
written_text(const struct bs_written *w, struct bs_arena *arena)
{
    const char *columns;

    switch (w->what) {
    case BS_WRITTEN_NAMED:
        columns = columns_text(w, arena);
        if (columns == NULL)
            return NULL;
        return bs_arena_fmt(arena, "%s.%s%s", w->schema == NULL ? "(unknown schema)" : w->schema,
                            w->name, columns);
    case BS_WRITTEN_SCHEMA:
        return bs_arena_fmt(arena, "schema %s", w->schema);
    case BS_WRITTEN_OTHER:
        break;
    }
    return "something without a schema";
}

static const char *
lost_text(const struct bs_match *q, struct bs_arena *arena)
{
    const struct bs_lost_rows *lost = &q->lost;

    if (!lost->known)
        return "  how many rows are overwritten or go: not counted";
    if (!lost->share_known)
        return bs_arena_fmt(arena, "  rows that are overwritten or go: %" PRId64, lost->rows);
    return bs_arena_fmt(arena, "  rows that are overwritten or go: %" PRId64 ", %.3g %% of a table",
                        lost->rows, lost->share * 100);
}

static bool
explain_rules(struct lines *l, const struct bs_policy *policy, const struct bs_match *q)
{
    enum bs_profile profile = bs_policy_profile(policy, q->subject);
    bool ok = true;

    if (profile != BS_PROFILE_FULL)
        ok = add_line(l,
                      bs_arena_fmt(l->arena, "  profile %s: %s", bs_profile_name(profile),
                                   bs_profile_blocks(profile, q) ? "does not have it" : "has it"));
    for (size_t i = 0; ok && i < policy->n_rules; i++) {
        const struct bs_rule *rule = &policy->rules[i];
        ok = add_line(l, bs_arena_fmt(l->arena, "  rule \"%s\" (%s, line %d): %s", rule->name,
                                      bs_action_name(rule->action), rule->line,
                                      bs_meeting_words(bs_rule_meet(rule, q))));
    }
    return ok;
}

static bool
explain_stmt(struct lines *l, const struct bs_policy *policy, const struct bs_match *q)
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
    if (ok && q->loses)
        ok = add_line(l, lost_text(q, l->arena));
    return ok && explain_rules(l, policy, q);
}

/* The smallest of all caps; 0 is none. */
static void
take_cap(struct bs_decision *d, int64_t cap)
{
    if (cap != 0 && (d->result_rows == 0 || cap < d->result_rows))
        d->result_rows = cap;
}

static enum bs_done
add_approvers(const struct bs_approvers *a, struct bs_arena *arena, struct bs_approvals *into)
{
    const struct bs_need need = {a->quorum == 0 ? 1 : a->quorum, a->groups.list, a->groups.n};
    const struct bs_approvals one = {&need, need.quorum > 1 || need.n_groups != 0, a->reason,
                                     a->owner == BS_OWNER_EXCLUDED};
    struct bs_err ignored = {0};

    return bs_approvals_add(into, &one, arena, &ignored);
}

/* Every rule that has it approved has its say, not only the one that decides. */
static bool
add_rule(const struct bs_rule *rule,
         const struct bs_match *q,
         struct bs_arena *arena,
         struct bs_decision *d)
{
    if (bs_rule_caps(rule, q))
        take_cap(d, rule->result_rows);
    if (q->stmt->point != BS_POINT_NONE && bs_rule_requires(rule, q))
        bs_require_add(&d->require, &rule->require);
    return rule->action != BS_ACTION_APPROVE || bs_rule_meet(rule, q) != BS_MEET_YES ||
           add_approvers(&rule->approvals, arena, &d->approvals) == BS_DONE;
}

/* Decides one statement and makes the unit's decision at least as strict. */
static bool
add_stmt(const struct bs_policy *policy,
         const struct bs_match *q,
         struct lines *l,
         struct bs_arena *arena,
         struct bs_decision *d)
{
    struct verdict v;
    const char *why;

    if (!explain_stmt(l, policy, q))
        return false;
    v = settle(policy, q);
    why = why_of(policy, &v, q, arena);
    if (why == NULL || (l->into != NULL && !add_line(l, bs_arena_fmt(arena, "  %s", why))))
        return false;
    if (q->stmt->point != BS_POINT_NONE) {
        d->recovery_waived = d->recovery_waived && v.keep == BS_KEEP_NOT;
        d->recovery_optional = d->recovery_optional && v.keep != BS_KEEP;
    }
    d->needs_rows = d->needs_rows || depends_on_rows(policy, q);
    for (size_t i = 0; i < policy->n_rules; i++) {
        if (!add_rule(&policy->rules[i], q, arena, d))
            return false;
    }
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

/* It runs as it came, whatever the answer was. */
static void
cast_shadow(struct bs_decision *d)
{
    d->shadow = true;
    d->action = BS_ACTION_ALLOW;
    d->result_rows = 0;
    d->approvals = (struct bs_approvals){0};
    d->needs_rows = false;
}

/* What is asked of everything that is held; then it is said. */
static bool
settle_approvals(const struct bs_policy *policy,
                 struct lines *l,
                 struct bs_arena *arena,
                 struct bs_decision *d)
{
    const struct bs_approvals *a = &d->approvals;
    bool ok = add_approvers(&policy->approvals, arena, &d->approvals) == BS_DONE;

    for (size_t i = 0; ok && i < a->n_needs && l->into != NULL; i++) {
        const char *need = bs_need_text(&a->needs[i], arena);
        ok = need != NULL && add_line(l, bs_arena_fmt(arena, "approvals needed: %s", need));
    }
    if (ok && a->reason)
        ok = add_line(l, "whoever decides must say why");
    if (ok && a->exclude_owner)
        ok = add_line(l, "the owner of the actor may not approve");
    return ok;
}

static enum bs_done
no_room(const struct bs_policy *policy, struct bs_decision *out, struct bs_err *err)
{
    *out = (struct bs_decision){.digest = policy->digest, .why = "the decision failed"};
    return BS_FAIL(err, LIMIT, "the decision needs more memory than a statement may use");
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
    *out = (struct bs_decision){.digest = policy->digest,
                                .recovery_waived = needs_a_point(unit),
                                .recovery_optional = needs_a_point(unit),
                                .result_rows = policy->result_rows};
    if (unit->n_stmts == 0) {
        out->action = unit->parsed ? policy->defaults[unit->risk] : BS_ACTION_BLOCK;
        out->why = unit->parsed ? "there is no statement in it" : "it could not be read";
    }
    for (size_t i = 0; i < unit->n_stmts; i++) {
        struct bs_match q;
        if (!bs_match_init(&q, subject, &unit->stmts[i], facts, i, arena) ||
            !add_stmt(policy, &q, l, arena, out))
            return no_room(policy, out, err);
    }
    hold_to_unit_risk(policy, unit, out);
    if (out->action == BS_ACTION_APPROVE && !settle_approvals(policy, l, arena, out))
        return no_room(policy, out, err);
    out->would = out->action;
    if (policy->mode == BS_POLICY_SHADOW)
        cast_shadow(out);
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
            bs_rule_meet_subject(rule, subject) == BS_MEET_YES)
            return false;
    }
    return true;
}
