/*
 * door_explain.c - EXPLAIN (BACKSTOP): a statement is judged as if it came on this session, what it
 * would change is counted as for one that is held, and what would become of it is said. It never runs,
 * and asks nobody.
 *
 * Whoever can ask what would be refused can look for what would not, so it is on record with what was
 * asked, and an actor may do it only so often. What is said has numbers and an outcome: never a rule,
 * or a reason.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "base/log.h"
#include "gateway/asking.h"
#include "gateway/door.h"
#include "gateway/gateway.h"
#include "gateway/gating.h"
#include "gateway/limits.h"
#include "gateway/note.h"
#include "gateway/request.h"
#include "gateway/visiting.h"

#define EXPLAINED_MAX                                                                              \
    ((size_t)64 << 10) /* bytes of what is explained: it is judged on the worker */
#define EFFECTS_MAX 100

/* --- on record ---------------------------------------------------------------------------- */

/* False: it cannot be recorded, so nothing is said. */
static bool
record(struct bs_visit *v, const char *outcome)
{
    struct bs_gate *g = v->gate;
    struct bs_audit_record r = {.kind = BS_AUDIT_EXPLAINED};
    struct bs_err err = {0};

    bs_note_who(&r, v->s);
    bs_note_what(&r, bs_gate_first(g));
    r.claims = bs_note_claims(v->s, bs_gate_first(g)->shown, &g->arena);
    r.outcome = outcome;
    r.sqlstate = v->refusal == NULL ? NULL : v->refusal->sqlstate;
    if (bs_request_describe(g, 0, &r, &err) == BS_DONE &&
        bs_audit_enqueue(v->s->gateway->audit, &r, &err) == BS_DONE)
        return true;
    BS_LOG(ERROR, "audit refused a record", BS_F_STR("reason", err.message));
    return false;
}

static void
refuse(struct bs_visit *v, struct bs_refusal *refusal)
{
    bs_refusal_free(&v->refusal);
    v->refusal = refusal;
}

/* The same error as the statement itself would have got, of the same place in the text. */
static void
refuse_as_judged(struct bs_relay *r, struct bs_visit *v, struct bs_bytes before)
{
    struct bs_refusal *refusal = bs_ask_refusal_of(r, bs_gate_first(v->gate));

    for (size_t i = 0; refusal->position != 0 && i < before.n; i++)
        refusal->position += (before.p[i] & 0xc0) != 0x80; /* in characters */
    refuse(v, refusal);
}

/* --- what is said ------------------------------------------------------------------------- */

static const char *
risk_of(enum bs_risk risk)
{
    return risk == BS_RISK_SAFE || risk == BS_RISK_HIGH ? bs_risk_name(risk) : "CRITICAL";
}

static json_t *
lower(const char *name)
{
    char text[64];
    size_t n = 0;

    for (; name[n] != '\0' && n + 1 < sizeof(text); n++)
        text[n] = (char)tolower((unsigned char)name[n]);
    return json_stringn(text, n);
}

static json_t *
effect_json(const struct bs_target *t)
{
    json_t *rows = t->how == BS_MEASURE_NONE ? json_null() : json_integer(t->rows);

    return json_pack("{s:o, s:s+++, s:o, s:b}", "kind", lower(bs_kind_name(t->kind)), "object",
                     t->schema == NULL ? "" : t->schema, t->schema == NULL ? "" : ".",
                     t->name == NULL ? "" : t->name, "", "rows", rows, "exact",
                     (int)(t->how >= BS_MEASURE_COUNT));
}

/* What EXECUTE names was judged as the PREPARE that it is in. */
static enum bs_kind
kind_of(const struct bs_stmt *s)
{
    return s->control == BS_CONTROL_PREPARE && s->n_effects != 0 ? s->effects[0].kind : s->kind;
}

static json_t *
statement_json(const struct bs_verdict *v, size_t i)
{
    const struct bs_stmt *s = &v->unit.stmts[i];
    json_t *effects = json_array(), *out;
    bool more = false;

    for (size_t k = 0; k < v->facts.n_targets; k++) {
        const struct bs_target *t = &v->facts.targets[k];
        if (t->stmt != i)
            continue;
        more = json_array_size(effects) == EFFECTS_MAX;
        if (!more)
            (void)json_array_append_new(effects, effect_json(t));
    }
    out = json_pack("{s:s, s:s, s:o}", "kind", bs_kind_name(kind_of(s)), "risk", risk_of(s->risk),
                    "effects", effects);
    if (more)
        (void)json_object_set_new(out, "more", json_true());
    return out;
}

static const char *
recovery_of(const struct bs_verdict *v)
{
    if (v->decision.recovery_waived || v->plan.kind == BS_PLAN_NONE ||
        v->plan.kind == BS_PLAN_RECORD)
        return "none";
    return v->plan.kind == BS_PLAN_REFUSE ? "impossible" : "point";
}

static const char *
outcome_of(const struct bs_visit *visit, const struct bs_verdict *v)
{
    if (v->way == BS_WAY_HOLD && v->decision.action != BS_ACTION_BLOCK && visit->somebody)
        return "asks";
    return v->way == BS_WAY_PASS || v->way == BS_WAY_RUN ? "runs" : "refused";
}

static void
say(struct bs_visit *visit)
{
    const struct bs_verdict *v = bs_gate_first(visit->gate);
    const char *outcome = outcome_of(visit, v);
    json_t *list = json_array(), *out;

    for (size_t i = 0; i < v->unit.n_stmts; i++)
        (void)json_array_append_new(list, statement_json(v, i));
    out = json_pack("{s:i, s:s, s:s, s:o, s:s}", "v", 1, "risk", risk_of(v->unit.risk), "outcome",
                    outcome, "statements", list, "recovery", recovery_of(v));
    free(visit->answer);
    visit->answer = json_dumps(out, JSON_COMPACT | JSON_ENSURE_ASCII);
    json_decref(out);
    if (!record(visit, outcome))
        refuse(visit, bs_refusal_new("58030", "the audit log cannot be written", NULL, NULL));
}

/* --- steps -------------------------------------------------------------------------------- */

static bool
may_explain(struct bs_relay *r, struct bs_visit *v)
{
    int64_t wait_ms = bs_limits_explain(r->s->gateway->limits, r->s->actor, bs_mono_us());
    char detail[96];

    if (wait_ms == 0)
        return true;
    (void)snprintf(detail, sizeof(detail), "{\"v\":1,\"retry\":\"wait\",\"wait_ms\":%lld}",
                   (long long)wait_ms);
    refuse(v, bs_refusal_new("54000", "too many statements are being explained", detail,
                             "Ask again in a moment."));
    return false;
}

/* So that it can be ended early. */
static bool
watch(struct bs_gate *g)
{
    struct bs_err err = {0};

    bs_gate_measure_free(g);
    g->measuring = bs_malloc(sizeof(*g->measuring));
    if (bs_watch_init(g->measuring, 0, &err) == BS_DONE)
        return true;
    free(g->measuring);
    g->measuring = NULL;
    return false;
}

/* What the actor sends is all that there is: a gate that holds nothing, to judge and to count. */
static enum bs_heard
judge(struct bs_relay *r, struct bs_gate *g, const struct bs_question *q)
{
    struct bs_verdict *v = bs_arena_take(&g->arena, sizeof(*v));
    size_t from = q->verdict->door.inner, n = q->verdict->text.n - from;
    uint8_t *text =
        (uint8_t *)bs_arena_copy(&g->arena, (struct bs_bytes){q->verdict->text.p + from, n});
    struct bs_bytes bind = {(uint8_t *)bs_arena_copy(&g->arena, q->bind), q->bind.n};
    BS_FRESH_ERR(err);
    enum bs_heard heard;

    bs_assert(v != NULL && text != NULL && bind.p != NULL); /* a new arena, and they are short */
    heard = bs_ask_judge(r, (struct bs_bytes){text, n}, &g->arena, v, NULL);
    if (heard != BS_HEARD)
        return heard;
    if (bs_ask_must_ask_role(r, v) && !bs_ask_role(r))
        return BS_HEARD_NOT;
    bs_assert(bs_gate_add(g, v, bind, q->prepared, &err) == BS_DONE);
    bs_ask_judge_lock(r, v);
    bs_ask_judge_status(r, v);
    g->explains = true;
    g->in_block = r->status == 'T';
    g->unseen = g->in_block && (r->wrote || r->ledger != NULL);
    return BS_HEARD;
}

/* Refused for its form, or for a name: the policy was not asked. */
static bool
is_wrong(const struct bs_verdict *v)
{
    return v->way == BS_WAY_REFUSE && v->code != BS_E_NO_POINT &&
           (v->code != BS_E_BLOCKED || v->decision.digest == NULL);
}

enum bs_heard
bs_visit_judge(struct bs_relay *r, struct bs_visit *v, const struct bs_question *q)
{
    const struct bs_verdict *inner;
    enum bs_heard heard;

    if (q->verdict->text.n - q->verdict->door.inner > EXPLAINED_MAX || q->bind.n > EXPLAINED_MAX) {
        refuse(v, bs_refusal_new("54000", "the statement is too long to be explained", NULL, NULL));
        return BS_HEARD;
    }
    v->gate = bs_gate_new(r);
    heard = judge(r, v->gate, q);
    if (heard != BS_HEARD || !may_explain(r, v))
        return heard;
    inner = bs_gate_first(v->gate);
    if (inner->door.kind != BS_DOOR_NONE)
        refuse(v, bs_refusal_new("0A000", "what the gateway answers itself cannot be explained",
                                 NULL, NULL));
    else if (is_wrong(inner))
        refuse_as_judged(r, v, (struct bs_bytes){q->verdict->text.p, q->verdict->door.inner});
    else if (inner->unit.n_stmts == 0)
        refuse(v, bs_refusal_new("42601", "there is no statement to explain", NULL, NULL));
    else if (inner->unit.n_stmts != 1)
        refuse(v, bs_refusal_new("0A000", "one statement can be explained at a time", NULL,
                                 "Send each in an EXPLAIN of its own."));
    if (v->refusal == NULL && !watch(v->gate))
        return BS_HEARD_UNSURE;
    if (v->refusal != NULL && !record(v, "refused"))
        refuse(v, bs_refusal_new("58030", "the audit log cannot be written", NULL, NULL));
    return BS_HEARD;
}

void
bs_visit_count(struct bs_visit *v)
{
    struct bs_err err = {0};

    v->stale = false;
    if (bs_gate_first(v->gate)->measure && bs_gate_count(v->gate, &err) != BS_DONE)
        v->stale = err.code == BS_E_STALE;
    err = (struct bs_err){0};
    if (bs_state_operator_ever(v->s->gateway->state, &v->somebody, &err) != BS_DONE)
        v->refusal = bs_refusal_new(bs_err_sqlstate(&err), "the gateway cannot answer now", NULL,
                                    "Ask again in a moment.");
}

bool
bs_visit_explain(struct bs_relay *r, struct bs_visit *v)
{
    struct bs_gate *g = v->gate;
    struct bs_verdict *inner = g->items[0].verdict;

    if (v->refusal != NULL)
        return false;
    if (v->stale && !g->judged_again) {
        g->judged_again = true;
        bs_ask_judge_again(r, NULL, &g->arena, inner);
        bs_ask_judge_status(r, inner);
        if (!is_wrong(inner) && watch(g))
            return true;
        refuse_as_judged(r, v, (struct bs_bytes){NULL, 0});
        return false;
    }
    if (inner->measure)
        bs_ask_judge_measured(r, &g->arena, inner);
    bs_ask_judge_status(r, inner);
    say(v);
    return false;
}
