/*
 * paused.c - pauses come from the state, once a second (standing.c); a quarantine counts from the
 * moment in which it is imposed (approval/evasion.c).
 */
#include "gateway/paused.h"

#include "approval/evasion.h"
#include "gateway/gateway.h"
#include "gateway/judge.h"
#include "gateway/reload.h"
#include "gateway/session.h"
#include "policy/rules.h"

#define STOP "Stop, and tell the human you work for."

static const char quarantined[] =
    "this agent is in quarantine: it may only read until an operator releases it";

/* By scope. None of them says who did it, or why. */
static const char *const paused[] = {
    [BS_PAUSE_NONE] = "paused by an operator: nothing runs until it is resumed",
    [BS_PAUSE_ACTOR] = "this user is paused by an operator: nothing runs until it is resumed",
    [BS_PAUSE_DATABASE] =
        "this database is paused by an operator: nothing runs until it is resumed",
    [BS_PAUSE_EVERYTHING] =
        "this gateway is paused by an operator: nothing runs until it is resumed",
};

struct bs_leave
bs_paused_leave(const struct bs_session *s)
{
    struct bs_leave leave = bs_standings_leave(s->gateway->standings, s->actor, s->database);

    if (leave.what == BS_LEAVE_ALL && bs_evasion_is_quarantined(s->gateway->evasion, s->actor))
        leave.what = BS_LEAVE_READING;
    return leave;
}

bool
bs_paused_stops(const struct bs_session *s)
{
    return bs_paused_leave(s).what != BS_LEAVE_ALL;
}

struct bs_refusal *
bs_paused_refusal(struct bs_leave leave)
{
    if (leave.what == BS_LEAVE_READING)
        return bs_refusal_new("ZB006", quarantined, "{\"v\":1,\"state\":\"quarantined\"}", STOP);
    return bs_refusal_new("ZB006", paused[leave.scope], "{\"v\":1,\"state\":\"paused\"}",
                          "Roll back what is open. " STOP);
}

struct bs_refusal *
bs_paused_ending(struct bs_leave leave)
{
    return bs_refusal_new("ZB006", paused[leave.scope], "{\"v\":1,\"state\":\"paused\"}",
                          "What ran was cancelled; where it was a COMMIT, or outside a "
                          "transaction, look whether it took effect.");
}

/* It ends what is open, or gives a name back, and begins nothing: drivers do so when they have rolled
 * back, and send an empty text to hear whether somebody is there. */
static bool
is_left(const struct bs_verdict *v)
{
    const struct bs_unit *u = &v->unit;

    if (v->way != BS_WAY_PASS || !u->parsed || u->n_stmts > 1)
        return false;
    if (u->n_stmts == 0)
        return true;
    if (v->door.kind != BS_DOOR_NONE) /* that it is paused, and what became of its tickets */
        return v->door.kind != BS_DOOR_EXPLAIN;
    return (u->stmts[0].control == BS_CONTROL_ROLLBACK && !u->stmts[0].chain) ||
           u->stmts[0].control == BS_CONTROL_DEALLOCATE || u->stmts[0].control == BS_CONTROL_CLOSE;
}

static void
refuse(struct bs_verdict *v, struct bs_leave leave)
{
    bool reads = leave.what == BS_LEAVE_READING;

    bs_verdict_refuse(v, BS_E_PAUSED, NULL, reads ? quarantined : paused[leave.scope], NULL);
    v->decision.why = NULL; /* it is not the policy's doing */
}

/* In shadow mode nothing is quarantined; but a pause is a human's word. */
void
bs_paused_judge(const struct bs_relay *r, struct bs_verdict *v)
{
    struct bs_leave leave = bs_paused_leave(r->s);

    if (leave.what < BS_LEAVE_READING && !is_left(v))
        refuse(v, leave);
    else if (leave.what == BS_LEAVE_READING &&
             (v->unit.risk != BS_RISK_SAFE || v->door.kind == BS_DOOR_EXPLAIN) &&
             v->way != BS_WAY_REFUSE && bs_gateway_policy(r->s->gateway)->mode != BS_POLICY_SHADOW)
        refuse(v, leave);
}
