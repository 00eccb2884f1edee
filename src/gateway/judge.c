/*
 * judge.c - the way of a statement. What the client is told says that and what next; why is for
 * operators and the audit, since explaining the rule teaches evasion.
 */
#include "gateway/judge.h"

#include <string.h>
#include <strings.h>

#include "base/metrics.h"
#include "catalog/effect.h"
#include "policy/redact.h"
#include "recovery/measure.h"
#include "sql/secrets.h"

void
bs_verdict_refuse(struct bs_verdict *v,
                  enum bs_code code,
                  const char *sqlstate,
                  const char *message,
                  const char *hint)
{
    v->way = BS_WAY_REFUSE;
    v->code = code;
    v->sqlstate = sqlstate;
    v->message = message;
    v->hint = hint;
}

void
bs_verdict_move(const struct bs_verdict *v, struct bs_bytes text, struct bs_verdict *out)
{
    bool is_shown = v->shown.p == v->text.p, is_recorded = v->recorded.p == v->text.p;

    *out = *v;
    out->text = text;
    if (is_recorded)
        out->recorded = text;
    if (is_shown)
        out->shown = text;
}

static bool
is_boundary(const struct bs_stmt *s)
{
    switch (s->control) {
    case BS_CONTROL_BEGIN:
    case BS_CONTROL_COMMIT:
    case BS_CONTROL_ROLLBACK:
    case BS_CONTROL_SAVEPOINT:
    case BS_CONTROL_RELEASE:
    case BS_CONTROL_ROLLBACK_TO:
    case BS_CONTROL_PREPARE_TRANSACTION:
    case BS_CONTROL_COMMIT_PREPARED:
    case BS_CONTROL_ROLLBACK_PREPARED:
        return true;
    case BS_CONTROL_NONE:
    case BS_CONTROL_PREPARE:
    case BS_CONTROL_EXECUTE:
    case BS_CONTROL_DEALLOCATE:
    case BS_CONTROL_DECLARE:
    case BS_CONTROL_FETCH:
    case BS_CONTROL_CLOSE:
    case BS_CONTROL_SET:
        return false;
    }
    return true;
}

static size_t
count_boundaries(const struct bs_unit *unit)
{
    size_t n = 0;

    for (size_t i = 0; i < unit->n_stmts; i++)
        n += is_boundary(&unit->stmts[i]);
    return n;
}

bool
bs_verdict_is_boundary(const struct bs_verdict *v)
{
    return count_boundaries(&v->unit) != 0;
}

bool
bs_target_hides(const struct bs_target *t)
{
    return t->kind != BS_KIND_LOCK_TABLE && t->lock == BS_TABLE_LOCK_ACCESS_EXCLUSIVE &&
           (t->relkind == 'r' || t->relkind == 'p');
}

/* BEGIN without modes: ours takes its place, and must not lower what the client asked for. */
static bool
is_plain_begin(struct bs_bytes text, const struct bs_stmt *s)
{
    static const char *const words[] = {"begin", "start", "transaction", "work"};
    size_t at = s->from;

    while (at < s->to) {
        size_t left = s->to - at, n = 0;
        for (size_t i = 0; i < sizeof(words) / sizeof(words[0]) && n == 0; i++) {
            if (strlen(words[i]) <= left &&
                strncasecmp((const char *)text.p + at, words[i], strlen(words[i])) == 0)
                n = strlen(words[i]);
        }
        if (n == 0 && memchr(" \t\r\n\f\v", text.p[at], 6) != NULL)
            n = 1;
        if (n == 0)
            return false;
        at += n;
    }
    return true;
}

/* Exactly BEGIN; ...; COMMIT, as migration tools send it. */
static bool
is_wrapped(struct bs_bytes text, const struct bs_unit *unit)
{
    size_t n = unit->n_stmts;

    return n >= 3 && count_boundaries(unit) == 2 && unit->stmts[0].control == BS_CONTROL_BEGIN &&
           is_plain_begin(text, &unit->stmts[0]) &&
           unit->stmts[n - 1].control == BS_CONTROL_COMMIT && !unit->stmts[n - 1].chain;
}

static bool
has_chain(const struct bs_unit *unit)
{
    for (size_t i = 0; i < unit->n_stmts; i++) {
        if (unit->stmts[i].chain)
            return true;
    }
    return false;
}

static const char alone_message[] = "what the gateway answers itself must be sent by itself";
static const char alone_hint[] = "Send it as a statement of its own.";

/* What must not even be asked for, whatever the policy says. */
static bool
refuse_form(const struct bs_judge *by, struct bs_verdict *v, struct bs_arena *arena)
{
    const struct bs_unit *u = &v->unit;

    if (!u->parsed && !bs_utf8_valid(v->text)) {
        bs_verdict_refuse(v, BS_E_SYNTAX, "22021", "invalid byte sequence for encoding \"UTF8\"",
                          NULL);
        return true;
    }
    if (!u->parsed) {
        const char *text =
            bs_arena_fmt(arena, "%.300s", u->error == NULL ? "syntax error" : u->error);
        bs_verdict_refuse(
            v, BS_E_SYNTAX, NULL, text == NULL ? "syntax error" : text,
            "The gateway runs only what PostgreSQL's grammar, as it knows it, can parse.");
        return true;
    }
    if (by->shielded && has_chain(u)) { /* it hands READ WRITE on, where we have set it */
        bs_verdict_refuse(v, BS_E_UNSUPPORTED, NULL, "AND CHAIN is not supported here",
                          "Send BEGIN instead.");
        return true;
    }
    if (by->shielded && (u->flags & BS_FLAG_READ_WRITE) != 0) {
        bs_verdict_refuse(v, BS_E_BLOCKED, NULL, "this session may not switch itself to READ WRITE",
                          "Send the statement itself; it is made writable once it is approved.");
        return true;
    }
    return false;
}

/* A name that even a fresh catalog does not have: answered as the server would. */
static bool
refuse_unknown(struct bs_verdict *v, struct bs_arena *arena)
{
    const char *name = v->facts.unknown == NULL ? "a name" : v->facts.unknown;
    bool object = v->facts.unknown_object;
    const char *text =
        bs_arena_fmt(arena, "%s\"%.200s\" does not exist%s", object ? "" : "relation ", name,
                     object ? ", or came with the server" : "");

    v->refresh = true;
    bs_verdict_refuse(v, BS_E_NOT_FOUND, object ? "42704" : "42P01",
                      text == NULL ? "a name does not exist" : text, NULL);
    return true;
}

/* Blocked for want of numbers. */
static bool
may_block_less(const struct bs_verdict *v)
{
    return v->decision.action == BS_ACTION_BLOCK && v->decision.needs_rows && !v->measured &&
           (v->plan.kind != BS_PLAN_REFUSE || v->decision.recovery_waived) &&
           bs_measure_wants(&v->unit, &v->facts);
}

static void
choose_by_plan(struct bs_verdict *v)
{
    enum bs_plan_kind plan = v->decision.recovery_waived ? BS_PLAN_NONE : v->plan.kind;
    bool safe = v->unit.risk == BS_RISK_SAFE;

    if (may_block_less(v)) {
        v->way = BS_WAY_HOLD; /* for as long as it takes to count */
    } else if (v->decision.action == BS_ACTION_BLOCK) {
        bs_verdict_refuse(v, BS_E_BLOCKED, NULL, "this statement is not allowed here",
                          "Do not try it in another way; ask the operator of this database.");
    } else if (v->decision.action == BS_ACTION_ALLOW && safe) {
        v->way = BS_WAY_PASS;
    } else if (plan == BS_PLAN_REFUSE) {
        bs_verdict_refuse(v, BS_E_NO_POINT, NULL,
                          "no recovery point can be made for this statement, so it was not run",
                          "Tell the operator of this database what you wanted to do.");
    } else if (v->decision.action == BS_ACTION_APPROVE) {
        v->way = BS_WAY_HOLD;
    } else {
        v->way = plan >= BS_PLAN_ROWS || (plan == BS_PLAN_RECORD && v->plan.audited) ? BS_WAY_RUN
                                                                                     : BS_WAY_PASS;
    }
}

/* Of several statements a point may be possible for one, which must not lose it to its neighbour. */
static bool
stands_alone(const struct bs_unit *unit)
{
    size_t n = 0;

    for (size_t i = 0; i < unit->n_stmts; i++)
        n += unit->stmts[i].point != BS_POINT_NONE;
    return n == 1;
}

/* The policy's decision and the plan, as a way. */
static void
choose_way(struct bs_verdict *v)
{
    bool optional = v->decision.recovery_optional && v->plan.kind == BS_PLAN_REFUSE;

    /* From here on it is waived for whoever looks, and the record says so. */
    if (optional && stands_alone(&v->unit))
        v->decision.recovery_waived = true;
    choose_by_plan(v);
}

/* Transaction control beside something gated would commit before the audit (PROTECT 12). */
static void
refuse_mixture(struct bs_verdict *v)
{
    if (v->way == BS_WAY_PASS || count_boundaries(&v->unit) == 0)
        return;
    if (v->unit.n_stmts == 1) {
        if (v->way != BS_WAY_REFUSE) /* PREPARE TRANSACTION, say: it would leave our transaction */
            bs_verdict_refuse(v, BS_E_NO_POINT, NULL,
                              "this statement cannot be put under protection, so it was not run",
                              NULL);
        return;
    }
    v->wrapped = v->executed.p == NULL && is_wrapped(v->text, &v->unit);
    if (v->wrapped && v->way != BS_WAY_REFUSE)
        return;
    bs_verdict_refuse(v, BS_E_UNSUPPORTED, NULL,
                      "transaction control cannot be mixed with this statement in one message",
                      "Send BEGIN, the statement and COMMIT separately.");
}

bool
bs_verdict_is_execute(const struct bs_verdict *v)
{
    return v->executed.p != NULL && v->executed.p != v->text.p;
}

/* What will be locked and copied is looked up anew. Where rows are kept by what the server says was
 * changed, a catalog as old as for any other statement will do. */
bool
bs_verdict_needs_fresh(const struct bs_verdict *v)
{
    return (v->way == BS_WAY_RUN || v->way == BS_WAY_HOLD) && v->plan.kind != BS_PLAN_ROWS;
}

bool
bs_verdict_is_prepare(const struct bs_verdict *v)
{
    return v->executed.p == NULL && v->unit.n_stmts == 1 &&
           v->unit.stmts[0].control == BS_CONTROL_PREPARE;
}

/* What the name stands for is judged elsewhere: only the statement's own expressions are left. */
static void
know_label(struct bs_stmt *s)
{
    bs_stmt_excuse(s, "kind");
    bs_stmt_excuse(s, "unknown_prepared");
    s->plain_point = BS_POINT_NONE;
    bs_stmt_settle_calls(s);
}

/* EXPLAIN, with ANALYZE or without, of EXECUTE. */
static bool
is_explained(const struct bs_stmt *s)
{
    return s->control == BS_CONTROL_NONE && s->label != NULL && s->n_effects == 0 &&
           (s->kind == BS_KIND_EXPLAIN || s->kind == BS_KIND_EXPLAIN_ANALYZE);
}

/* EXECUTE and FETCH mean what their names mean at that moment. */
static bool
is_named(const struct bs_unit *unit)
{
    for (size_t i = 0; i < unit->n_stmts; i++) {
        enum bs_control c = unit->stmts[i].control;
        if (c == BS_CONTROL_EXECUTE || c == BS_CONTROL_FETCH || is_explained(&unit->stmts[i]))
            return true;
    }
    return false;
}

/* Whoever asks cannot wait for it. */
static bool
is_too_long(const struct bs_judge *by, struct bs_bytes text)
{
    return by->max_text != 0 && text.n > by->max_text;
}

/* FETCH and CLOSE of a cursor whose query was judged at DECLARE, or Bind, run nothing new. */
static void
know_cursors(const struct bs_judge *by, struct bs_unit *unit)
{
    for (size_t i = 0; i < unit->n_stmts; i++) {
        struct bs_stmt *s = &unit->stmts[i];
        if (s->control != BS_CONTROL_FETCH || s->label == NULL || by->known == NULL ||
            !by->known->cursor(by->known->names, s->label))
            continue;
        know_label(s);
    }
    bs_unit_settle(unit);
}

/* SET ROLE name, or SET role = 'name': NULL is RESET, DEFAULT, or no constant. */
static bool
sets_own_role(const struct bs_judge *by, const struct bs_stmt *s)
{
    return by->role != NULL && s->value != NULL && strcmp(s->value, by->role) == 0;
}

/*
 * Migration tools set the role that they have. Where the server has said just before that it is the
 * session's, nobody acts as another; what may be another one by then keeps its risk.
 */
static void
know_role(const struct bs_judge *by, struct bs_verdict *v)
{
    size_t n = 0, own = 0;

    for (size_t i = 0; i < v->unit.n_stmts; i++) {
        const struct bs_stmt *s = &v->unit.stmts[i];
        bool role = s->kind == BS_KIND_SET_ROLE;
        n += role || s->kind == BS_KIND_SET_SESSION_AUTHORIZATION;
        own += role && sets_own_role(by, s);
    }
    v->asks_role = own != 0 && own == n;
    v->named = v->named || v->asks_role;
    if (!v->asks_role || by->acts_as != BS_ACTS_AS_ITSELF)
        return;
    for (size_t i = 0; i < v->unit.n_stmts; i++) {
        struct bs_stmt *s = &v->unit.stmts[i];
        if (s->kind != BS_KIND_SET_ROLE)
            continue;
        bs_stmt_excuse(s, "kind");
        bs_stmt_excuse(s, BS_REASON_ROLE);
        s->flags &= ~(uint32_t)BS_FLAG_PRIVILEGE;
    }
    bs_unit_settle(&v->unit);
}

/* Whoever has to approve sees numbers; a rule gets them where it asks for them. */
static enum bs_done
plan_measuring(const struct bs_judge *by,
               struct bs_arena *arena,
               struct bs_verdict *out,
               struct bs_err *err)
{
    out->measure =
        (out->way == BS_WAY_HOLD || (out->way == BS_WAY_RUN && out->decision.needs_rows)) &&
        bs_measure_wants(&out->unit, &out->facts);
    if (!out->measure)
        return BS_DONE;
    return bs_measure_selects(by->snapshot, by->names, &out->unit,
                              out->executed.p == NULL ? out->text : out->executed, arena,
                              &out->selects, &out->n_selects, err);
}

/* From a unit whose names are understood to a way. */
static enum bs_done
judge_unit(const struct bs_judge *by,
           struct bs_arena *arena,
           struct bs_verdict *out,
           struct bs_err *err)
{
    if (bs_catalog_judge(by->snapshot, by->names, &out->unit, arena, &out->facts, err) != BS_DONE)
        return BS_FAILED;
    if (out->facts.unknown_name && refuse_unknown(out, arena))
        return BS_DONE;
    if (bs_policy_protect(by->policy, &out->unit, &out->facts, arena, err) != BS_DONE)
        return BS_FAILED;
    if (bs_decide(by->policy, &by->subject, &out->unit, &out->facts, arena, &out->decision, err) !=
        BS_DONE)
        return BS_FAILED;
    if (bs_plan_make(&out->unit, &out->facts, by->limits, arena, &out->plan, err) != BS_DONE ||
        bs_plan_select(by->snapshot, by->names, &out->unit,
                       out->executed.p == NULL ? out->text : out->executed, arena, &out->plan,
                       err) != BS_DONE)
        return BS_FAILED;
    choose_way(out);
    refuse_mixture(out);
    return plan_measuring(by, arena, out, err);
}

/* What another policy had to say of the risk. */
static void
forget_policy(struct bs_unit *unit)
{
    static const char *const codes[] = {BS_REASON_PROTECTED, BS_REASON_IMPACT};

    for (size_t i = 0; i < unit->n_stmts; i++) {
        for (size_t k = 0; k < unit->stmts[i].n_reasons; k++) {
            const char *code = unit->stmts[i].reasons[k].code;
            if (strcmp(code, codes[0]) != 0 && strcmp(code, codes[1]) != 0)
                continue;
            bs_stmt_excuse(&unit->stmts[i], codes[0]);
            bs_stmt_excuse(&unit->stmts[i], codes[1]);
            break;
        }
    }
    bs_unit_settle(unit);
}

enum bs_done
bs_judge_measured(const struct bs_judge *by,
                  struct bs_verdict *v,
                  struct bs_arena *arena,
                  struct bs_err *err)
{
    const struct bs_impact limits = {by->policy->impact.rows, by->policy->impact.share};

    if (v->policy != by->policy)
        forget_policy(&v->unit);
    v->measured = true;
    v->wrapped = false;
    v->policy = by->policy;
    if (bs_catalog_measured(&v->unit, &v->facts, limits, arena, err) != BS_DONE ||
        bs_policy_protect(by->policy, &v->unit, &v->facts, arena, err) != BS_DONE ||
        bs_decide(by->policy, &by->subject, &v->unit, &v->facts, arena, &v->decision, err) !=
            BS_DONE) {
        bs_verdict_refuse(v, BS_E_LIMIT, NULL, "the statement is too large to be judged", NULL);
        return BS_FAILED;
    }
    choose_way(v);
    refuse_mixture(v);
    return BS_DONE;
}

/*
 * EXECUTE runs what its name stands for, so that text is judged in its place. The values it passes
 * are expressions of its own: anything in them but what is SAFE is refused.
 */
static const char *
no_statement(struct bs_arena *arena, const char *label)
{
    const char *text = bs_arena_fmt(arena, "prepared statement \"%.63s\" does not exist",
                                    label == NULL ? "" : label);

    return text == NULL ? "prepared statement does not exist" : text;
}

static enum bs_done
judge_execute(const struct bs_judge *by,
              struct bs_arena *arena,
              struct bs_verdict *out,
              struct bs_err *err)
{
    struct bs_stmt *s = &out->unit.stmts[0];
    struct bs_bytes text = out->text, body;
    char *copy;
    enum bs_lookup found = BS_LOOKUP_NONE;
    struct bs_facts facts;

    if (s->label != NULL && by->known != NULL)
        found = by->known->statement(by->known->names, s->label, &body);
    out->wait = found == BS_LOOKUP_WAIT;
    out->apart = found == BS_LOOKUP_FOUND && is_too_long(by, body);
    if (out->apart)
        return BS_DONE;
    if (found != BS_LOOKUP_FOUND) {
        bs_verdict_refuse(out, BS_E_NOT_FOUND, "26000", no_statement(arena, s->label), NULL);
        return BS_DONE;
    }
    if (bs_door_read(body).kind != BS_DOOR_NONE) {
        bs_verdict_refuse(out, BS_E_UNSUPPORTED, NULL, alone_message, alone_hint);
        return BS_DONE;
    }
    know_label(s);
    bs_unit_settle(&out->unit);
    if (bs_catalog_judge(by->snapshot, by->names, &out->unit, arena, &facts, err) != BS_DONE)
        return BS_FAILED;
    if (out->unit.risk != BS_RISK_SAFE || facts.unknown_name) {
        bs_verdict_refuse(out, BS_E_BLOCKED, NULL, "EXECUTE may pass only plain values here",
                          "Pass constants or parameters.");
        return BS_DONE;
    }
    copy = bs_arena_copy(arena, body); /* the name may get another meaning while a verdict lives */
    if (copy == NULL)
        return BS_FAIL(err, LIMIT, "the %s arena is full", arena->name);
    body.p = (uint8_t *)copy;
    if (bs_classify(body, BS_CLASSIFY_LIMITS, arena, &out->unit, err) != BS_DONE)
        return BS_FAILED;
    out->text = text;
    out->executed = body;
    return refuse_form(by, out, arena) ? BS_DONE : judge_unit(by, arena, out, err);
}

/* EXPLAIN of what is SAFE to run is SAFE; of anything else it stays unknown. */
static enum bs_done
know_explained(const struct bs_judge *by,
               struct bs_arena *arena,
               struct bs_verdict *out,
               struct bs_err *err)
{
    struct bs_stmt *s = &out->unit.stmts[0];
    struct bs_unit inner;
    struct bs_facts facts;
    struct bs_bytes body;
    enum bs_lookup found = BS_LOOKUP_NONE;

    if (by->known != NULL)
        found = by->known->statement(by->known->names, s->label, &body);
    out->wait = found == BS_LOOKUP_WAIT;
    out->apart = found == BS_LOOKUP_FOUND && is_too_long(by, body);
    if (found != BS_LOOKUP_FOUND || out->apart)
        return BS_DONE;
    if (bs_classify(body, BS_CLASSIFY_LIMITS, arena, &inner, err) != BS_DONE ||
        bs_catalog_judge(by->snapshot, by->names, &inner, arena, &facts, err) != BS_DONE)
        return BS_FAILED;
    if (inner.risk != BS_RISK_SAFE || facts.unknown_name)
        return BS_DONE;
    know_label(s);
    bs_unit_settle(&out->unit);
    return BS_DONE;
}

/* --- what the gateway itself answers ------------------------------------------------------- */

/* Not the policy's business: it tells the actor no more than it has been told before. */
static enum bs_done
judge_door(const struct bs_judge *by,
           struct bs_arena *arena,
           struct bs_verdict *out,
           struct bs_err *err)
{
    const struct bs_door door = out->door;

    if (bs_classify(BS_LIT(BS_DOOR_SQL), BS_CLASSIFY_LIMITS, arena, &out->unit, err) != BS_DONE)
        return BS_FAILED;
    out->unit.stmts[0].from = 0;
    out->unit.stmts[0].to = (uint32_t)out->text.n;
    out->plan.kind = BS_PLAN_NONE;
    out->decision = (struct bs_decision){.action = BS_ACTION_ALLOW, .digest = by->policy->digest};
    out->way = BS_WAY_PASS;
    if (!door.mixed && !door.options && bs_utf8_valid(out->text))
        return BS_DONE;
    out->door.kind = BS_DOOR_NONE; /* in shadow mode it passes, and the server does not know it */
    if (!bs_utf8_valid(out->text))
        bs_verdict_refuse(out, BS_E_SYNTAX, "22021", "invalid byte sequence for encoding \"UTF8\"",
                          NULL);
    else if (door.mixed)
        bs_verdict_refuse(out, BS_E_UNSUPPORTED, NULL, alone_message, alone_hint);
    else
        bs_verdict_refuse(out, BS_E_UNSUPPORTED, NULL,
                          "EXPLAIN (BACKSTOP) takes no other option than FORMAT JSON", NULL);
    return BS_DONE;
}

/* One of several statements of a text. */
static bool
has_door(struct bs_bytes text, const struct bs_unit *unit)
{
    for (size_t i = 0; unit->n_stmts > 1 && i < unit->n_stmts; i++) {
        const struct bs_stmt *s = &unit->stmts[i];
        struct bs_bytes own = {text.p + s->from, s->to - s->from};
        if ((s->kind == BS_KIND_SHOW || s->kind == BS_KIND_EXPLAIN) &&
            bs_door_read(own).kind != BS_DOOR_NONE)
            return true;
    }
    return false;
}

/*
 * In shadow mode a text runs as it came, also one that would be refused for its form; the decision
 * keeps what would have been done. What nobody could parse may have done anything to the session.
 */
static void
cast_shadow(const struct bs_judge *by, struct bs_verdict *v)
{
    struct bs_decision *d = &v->decision;

    if (by->policy->mode != BS_POLICY_SHADOW || v->wait || v->apart || v->door.kind != BS_DOOR_NONE)
        return;
    if (!d->shadow)
        *d = (struct bs_decision){.shadow = true,
                                  .action = BS_ACTION_ALLOW,
                                  .would = BS_ACTION_BLOCK,
                                  .why = v->message,
                                  .digest = by->policy->digest};
    if (!v->unit.parsed)
        v->unit.flags |= BS_FLAG_VOLATILE | BS_FLAG_SEARCH_PATH | BS_FLAG_TEMP;
    v->way = BS_WAY_PASS;
    v->code = BS_OK;
    v->sqlstate = v->message = v->hint = NULL;
    v->wrapped = false;
}

static enum bs_done
judge_text(const struct bs_judge *by,
           struct bs_bytes text,
           struct bs_arena *arena,
           struct bs_verdict *out,
           struct bs_err *err)
{
    if (out->door.kind != BS_DOOR_NONE)
        return judge_door(by, arena, out, err);
    if (bs_classify(text, BS_CLASSIFY_LIMITS, arena, &out->unit, err) != BS_DONE)
        return BS_FAILED;
    if (refuse_form(by, out, arena))
        return BS_DONE;
    if (has_door(text, &out->unit)) {
        bs_verdict_refuse(out, BS_E_UNSUPPORTED, NULL, alone_message, alone_hint);
        return BS_DONE;
    }
    out->named = is_named(&out->unit);
    if (out->unit.n_stmts == 1 && out->unit.stmts[0].control == BS_CONTROL_EXECUTE)
        return judge_execute(by, arena, out, err);
    if (out->unit.n_stmts == 1 && is_explained(&out->unit.stmts[0]) &&
        know_explained(by, arena, out, err) != BS_DONE)
        return BS_FAILED;
    if (out->wait || out->apart)
        return BS_DONE;
    know_cursors(by, &out->unit);
    know_role(by, out);
    return judge_unit(by, arena, out, err);
}

/* A unit of its own, as far as its risk goes. False: no room. */
static bool
copy_unit(const struct bs_unit *from, struct bs_arena *arena, struct bs_unit *out)
{
    *out = *from;
    out->stmts = bs_arena_array(arena, from->n_stmts + 1, sizeof(out->stmts[0]));
    for (size_t i = 0; out->stmts != NULL && i < from->n_stmts; i++) {
        struct bs_stmt *s = &out->stmts[i];
        const struct bs_reason *reasons = from->stmts[i].reasons;
        *s = from->stmts[i];
        s->reasons = bs_arena_array(arena, s->n_reasons + 1, sizeof(s->reasons[0]));
        if (s->reasons == NULL)
            return false;
        for (size_t k = 0; k < s->n_reasons; k++)
            s->reasons[k] = reasons[k];
    }
    return out->stmts != NULL;
}

/* Without a point: because none is wanted, or because none can be made. */
static bool
waives(const struct bs_decision *d, const struct bs_plan *plan)
{
    return d->recovery_waived || (d->recovery_optional && plan->kind == BS_PLAN_REFUSE);
}

bool
bs_verdict_is_stricter_by(const struct bs_verdict *v,
                          const struct bs_policy *policy,
                          const struct bs_subject *subject,
                          struct bs_arena *arena)
{
    const struct bs_impact limits = {policy->impact.rows, policy->impact.share};
    struct bs_unit unit;
    struct bs_decision now;
    struct bs_err err = {0};

    if (policy == v->policy)
        return false;
    if (!copy_unit(&v->unit, arena, &unit))
        return true;
    forget_policy(&unit);
    if (v->measured && bs_catalog_measured(&unit, &v->facts, limits, arena, &err) != BS_DONE)
        return true;
    if (bs_policy_protect(policy, &unit, &v->facts, arena, &err) != BS_DONE ||
        bs_decide(policy, subject, &unit, &v->facts, arena, &now, &err) != BS_DONE)
        return true;
    return now.action < v->decision.action ||
           (v->decision.recovery_waived && !now.shadow && !waives(&now, &v->plan)) ||
           bs_require_exceeds(&now.require, &v->decision.require) ||
           bs_approvals_exceed(&now.approvals, &v->decision.approvals);
}

enum bs_done
bs_judge(const struct bs_judge *by,
         struct bs_bytes text,
         struct bs_arena *arena,
         struct bs_verdict *out,
         struct bs_err *err)
{
    int64_t began_ns = bs_mono_ns();
    enum bs_done done;
    bool is_door;

    *out =
        (struct bs_verdict){.text = text, .shown = text, .epoch = by->epoch, .policy = by->policy};
    if (by->redact == NULL)
        out->recorded = text;
    out->apart = is_too_long(by, text);
    if (out->apart) {
        out->shown = out->recorded =
            (struct bs_bytes){NULL, 0}; /* nobody has looked for passwords */
        return BS_DONE;
    }
    out->door = bs_door_read(text);
    is_door = out->door.kind != BS_DOOR_NONE; /* the unit will not be that of the text */
    done = judge_text(by, text, arena, out, err);
    if (done == BS_DONE)
        done = bs_without_secrets(text, is_door ? NULL : &out->unit, arena, &out->shown, err);
    if (done == BS_DONE)
        done = bs_redact_statement(by->redact, out->shown, arena, &out->recorded, err);
    if (done == BS_DONE)
        cast_shadow(by, out);
    bs_observe(BS_OBSERVE_CLASSIFY, bs_mono_ns() - began_ns);
    return done;
}
