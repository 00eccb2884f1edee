/*
 * note.c - records of statements that are not gated, written behind the traffic.
 */
#include "gateway/note.h"

#include <stdlib.h>

#include "audit/line.h"
#include "base/log.h"
#include "base/metrics.h"
#include "gateway/gateway.h"
#include "gateway/running.h"
#include "gateway/worker.h"
#include "policy/redact.h"
#include "sql/claims.h"
#include "wire/startup.h"

#define SAMPLE_EVERY 100 /* audit_safe: sampled */
#define WHO_MAX      8192

void
bs_note_who(struct bs_audit_record *record, const struct bs_session *s)
{
    record->actor = s->actor;
    record->group = s->group;
    record->owner = s->owner;
    record->database = s->database;
    record->role = s->server_user;
    record->session = s->id;
    record->client = s->address;
    record->application = s->application_name;
    record->claims = s->claims_text;
}

/* Nothing of it changes once statements come. Where it does not fit it is made for each. */
static struct bs_bytes
who_text(struct bs_session *s)
{
    struct bs_audit_record record = {.kind = BS_AUDIT_JUDGED};
    struct bs_buf text;

    if (s->who_text.n != 0)
        return s->who_text;
    bs_note_who(&record, s);
    bs_buf_init(&text, WHO_MAX);
    bs_audit_who(&record, &text);
    if (!text.failed) {
        const char *kept = bs_arena_copy(&s->arena, bs_buf_view(&text));
        s->who_text = (struct bs_bytes){(const uint8_t *)kept, kept == NULL ? 0 : text.n};
    }
    bs_buf_fini(&text);
    return s->who_text;
}

const char *
bs_note_claims(const struct bs_session *s, struct bs_bytes text, struct bs_arena *arena)
{
    struct bs_claims said = {.text = {{0}}}, here = {.text = {{0}}};
    const char *kept;
    json_t *o;
    char *dump;

    bs_claims_of_text(&here, text);
    if (!bs_claims_any(&here) && (s->claims_text != NULL || s->n_claims == 0))
        return s->claims_text; /* nearly always */
    for (size_t i = 0; i < s->n_claims; i++)
        (void)!bs_claim_take(&said, bs_bytes_of(s->claims[i].name),
                             bs_bytes_of(s->claims[i].value));
    bs_claims_of_text(&said, text);
    if (!bs_claims_any(&said))
        return NULL;
    o = json_object();
    for (enum bs_claim c = BS_CLAIM_RUN; c < BS_CLAIMS; c++) {
        if (said.text[c][0] != '\0')
            (void)json_object_set_new(o, bs_claim_name(c), json_string(said.text[c]));
    }
    dump = json_dumps(o, JSON_COMPACT);
    json_decref(o);
    kept = bs_arena_str(arena, dump);
    free(dump);
    return kept;
}

/* The statement that decides the unit's risk; NULL where it has none. */
static const struct bs_stmt *
worst_statement(const struct bs_unit *unit)
{
    const struct bs_stmt *worst = NULL;

    for (size_t i = 0; i < unit->n_stmts; i++) {
        const struct bs_stmt *s = &unit->stmts[i];
        if (worst == NULL ||
            (s->risk != worst->risk && bs_risk_worse(s->risk, worst->risk) == s->risk))
            worst = s;
    }
    return worst;
}

void
bs_note_what(struct bs_audit_record *record, const struct bs_verdict *v)
{
    const struct bs_stmt *worst = worst_statement(&v->unit);

    record->statement = v->recorded;
    record->redacted = true;
    record->statement_kind = worst == NULL ? NULL : bs_kind_name(worst->kind);
    record->risk = bs_risk_name(v->unit.risk);
    record->decision = bs_action_name(v->decision.action);
    record->would = v->decision.shadow ? bs_action_name(v->decision.would) : NULL;
    record->rule = v->decision.rule;
    record->policy = v->decision.digest;
}

json_t *
bs_note_reasons(const struct bs_unit *unit, json_t *list)
{
    for (size_t i = 0; i < unit->n_stmts; i++) {
        for (size_t k = 0; k < unit->stmts[i].n_reasons; k++)
            (void)json_array_append_new(list, json_pack("{s:s, s:s?}", "code",
                                                        unit->stmts[i].reasons[k].code, "text",
                                                        unit->stmts[i].reasons[k].text));
    }
    return list;
}

/* Why it would have been stopped: with that an operator can tell beforehand what to allow. */
static char *
shadow_reasons(const struct bs_verdict *v)
{
    json_t *list;
    char *text;

    if (!v->decision.shadow || v->decision.would == BS_ACTION_ALLOW)
        return NULL;
    list = bs_note_reasons(&v->unit, json_array());
    text = json_array_size(list) == 0 ? NULL : json_dumps(list, JSON_COMPACT);
    json_decref(list);
    return text;
}

/* Whether a passing SAFE statement is written, as the configuration says. */
static bool
wanted(struct bs_relay *r)
{
    enum bs_config_audit_safe how = r->s->gateway->config->audit_safe;

    r->safe_count++;
    return how == BS_CONFIG_AUDIT_ALL ||
           (how == BS_CONFIG_AUDIT_SAMPLED && r->safe_count % SAMPLE_EVERY == 1);
}

void
bs_note_decision(const struct bs_verdict *v)
{
    if (v->way == BS_WAY_REFUSE || v->decision.action == BS_ACTION_BLOCK)
        bs_count(BS_COUNT_BLOCKED);
    else
        bs_count(v->decision.action == BS_ACTION_APPROVE ? BS_COUNT_HELD : BS_COUNT_ALLOWED);
}

/* That of a syntax error has a piece of the text in it. */
static const char *
recorded_message(struct bs_relay *r, const struct bs_verdict *v)
{
    return bs_redact_sentence(bs_audit_redacts(r->s->gateway->audit, BS_AUDIT_REDACT_LITERALS),
                              v->message, bs_worker_message(r->s->worker));
}

bool
bs_note_judged(struct bs_relay *r, const struct bs_verdict *v)
{
    struct bs_audit_record record = {.kind = BS_AUDIT_JUDGED};
    BS_FRESH_ERR(err);
    enum bs_done done;
    char *reasons;

    bs_note_decision(v);
    if (v->way == BS_WAY_PASS && v->unit.risk == BS_RISK_SAFE &&
        (!v->decision.shadow || v->decision.would == BS_ACTION_ALLOW) && !wanted(r))
        return true;
    bs_note_who(&record, r->s);
    bs_note_what(&record, v);
    record.claims = bs_note_claims(r->s, v->shown, bs_worker_message(r->s->worker));
    if (record.claims == r->s->claims_text) /* nearly always */
        record.who = who_text(r->s);
    if (v->way == BS_WAY_REFUSE) {
        record.outcome = "refused";
        record.sqlstate = v->sqlstate != NULL ? v->sqlstate : bs_code_get(v->code)->sqlstate;
        record.text = v->decision.why != NULL ? v->decision.why : recorded_message(r, v);
    } else if (v->decision.recovery_waived && v->plan.kind != BS_PLAN_NONE)
        record.text = "the policy waives the recovery point: there is none";
    if (v->decision.shadow)
        record.text = v->decision.why;
    record.reasons = reasons = shadow_reasons(v);
    done = bs_audit_enqueue(r->s->gateway->audit, &record, &err);
    free(reasons);
    if (done == BS_DONE)
        return true;
    BS_LOG(ERROR, "audit refused a record", BS_F_STR("reason", err.message));
    return false;
}
