/*
 * asks_judge.c - what a text means now: the catalog, the names of the session, a verdict.
 */
#include <stdlib.h>

#include "gateway/apart.h"
#include "gateway/asking.h"
#include "gateway/gateway.h"
#include "gateway/judge.h"
#include "gateway/reload.h"
#include "gateway/verdicts.h"
#include "gateway/worker.h"
#include "policy/redact.h"
#include "sql/secrets.h"

struct bs_prepared *
bs_ask_find(struct bs_relay *r, struct bs_bytes name, bool *unsure)
{
    struct bs_prepared *p = NULL;

    *unsure = false;
    switch (bs_replies_pending(&r->replies, name, &p)) {
    case BS_PENDING_PARSE:
        return p;
    case BS_PENDING_UNSURE:
        *unsure = true;
        return NULL;
    case BS_PENDING_NONE:
        break;
    }
    return bs_names_find(&r->state.names, name);
}

/* Bind turns values into the types that Parse declared: what that runs is in no text. */
static bool
declares_code(const struct bs_relay *r, const struct bs_prepared *p)
{
    bool code = p->more_types;

    for (size_t i = 0; i < BS_PREPARED_TYPES && !code; i++)
        code = bs_catalog_type_runs_code(r->snapshot, p->types[i]);
    return code;
}

enum bs_lookup
bs_asks_statement(void *relay, const char *label, struct bs_bytes *text)
{
    const struct bs_relay *r = relay;
    bool unsure;
    const struct bs_prepared *p = bs_ask_find(relay, bs_bytes_of(label), &unsure);

    if (p == NULL)
        return unsure ? BS_LOOKUP_WAIT : BS_LOOKUP_NONE;
    if (r->snapshot == NULL || declares_code(r, p))
        return BS_LOOKUP_NONE; /* EXECUTE turns its values into those types, too */
    *text = p->text;
    return BS_LOOKUP_FOUND;
}

bool
bs_asks_cursor(void *relay, const char *label)
{
    const struct bs_relay *r = relay;

    return bs_cursors_has(&r->state.names, bs_bytes_of(label));
}

#define CATALOG_AGE_US (30 * INT64_C(1000000))

struct load {
    struct bs_database *db;
    int64_t since_us;
    enum bs_done done;
    struct bs_err err;
};

static void
load_work(void *arg)
{
    struct load *l = arg;

    l->done = bs_database_load(l->db, l->since_us, &l->err);
}

static void
loaded(struct bs_relay *r, void *arg)
{
    (void)arg;
    if (r->mode != BS_MODE_CATALOG)
        return;
    r->loaded = true;
    bs_relay_resume(r);
}

static void
load_done(struct bs_session *s, bool current, void *arg)
{
    if (current && s != NULL)
        bs_relay_act(s, loaded, arg);
    free(arg);
}

static struct load *
new_load(struct bs_relay *r, int64_t since_us)
{
    struct load *l = bs_malloc(sizeof(*l));

    l->db = r->db;
    l->since_us = since_us;
    return l;
}

enum bs_heard
bs_ask_load_catalog(struct bs_relay *r)
{
    r->mode = BS_MODE_CATALOG;
    r->stalled = true;
    bs_worker_job(r->s->worker, r->s, load_work, load_done, new_load(r, bs_mono_us()));
    return BS_HEARD_NOT;
}

/*
 * What others change behind the gateway counts after CATALOG_AGE_US at the latest: the databases
 * watch their catalogs (databases.h), so this is for when they cannot. Where statements keep coming
 * nobody waits for that: it is loaded in the background when half of the time is over. One that
 * cannot be loaded is tried again after as long.
 */
static bool
is_too_old(struct bs_relay *r)
{
    int64_t now_us = bs_mono_us(), checked_us = bs_database_checked_us(r->db);

    if (now_us - checked_us < CATALOG_AGE_US / 2 || now_us - r->refreshed_us < CATALOG_AGE_US / 2)
        return false;
    r->refreshed_us = now_us;
    if (now_us - checked_us >= CATALOG_AGE_US)
        return true;
    bs_worker_job(r->s->worker, NULL, load_work, load_done,
                  new_load(r, now_us - CATALOG_AGE_US / 4));
    return false;
}

/* Keeps r->snapshot at the database's newest. NULL: there is none that counts. */
static const struct bs_snapshot *
catalog(struct bs_relay *r)
{
    uint64_t epoch = bs_database_epoch(r->db);

    if (r->snapshot == NULL || r->epoch != epoch) {
        bs_snapshot_unref(&r->snapshot);
        r->snapshot = bs_database_snapshot(r->db);
        r->epoch = epoch;
    }
    if (r->snapshot != NULL && !r->loaded && is_too_old(r))
        return NULL;
    return r->snapshot;
}

static const struct bs_audit_digest *
redacts(const struct bs_relay *r)
{
    return bs_audit_redacts(r->s->gateway->audit, BS_AUDIT_REDACT_LITERALS);
}

static struct bs_judge
judge_of(struct bs_relay *r)
{
    const struct bs_config *c = r->s->gateway->config;
    struct bs_judge by = {
        .policy = bs_gateway_policy(r->s->gateway),
        .subject = bs_session_subject(r->s),
        .snapshot = r->snapshot,
        .epoch = r->epoch,
        .names = r->state.meaning,
        .limits = {c->max_bytes, true, c->drop_database == BS_CONFIG_DROP_DUMP},
        .shielded = r->s->shielded,
        .known = &r->known,
        .role = r->s->server_user,
        .acts_as = r->acts_as,
        .max_text = BS_APART_TEXT,
        .redact = redacts(r),
    };
    by.names.uncommitted_ddl = by.names.uncommitted_ddl || r->ddl_sent != 0;
    return by;
}

/* Without a catalog nothing is judged; in shadow mode it runs all the same, and that is said. */
static bool
pass_in_shadow(const struct bs_relay *r, struct bs_verdict *v)
{
    const struct bs_policy *policy = bs_gateway_policy(r->s->gateway);

    if (policy->mode != BS_POLICY_SHADOW)
        return false;
    v->way = BS_WAY_PASS;
    v->unit.risk = BS_RISK_UNKNOWN;
    v->unit.flags = BS_FLAG_VOLATILE | BS_FLAG_SEARCH_PATH | BS_FLAG_TEMP;
    v->decision = (struct bs_decision){.shadow = true,
                                       .action = BS_ACTION_ALLOW,
                                       .would = BS_ACTION_BLOCK,
                                       .why = "the catalog cannot be read",
                                       .digest = policy->digest};
    return true;
}

enum bs_heard
bs_ask_judge(struct bs_relay *r,
             struct bs_bytes text,
             struct bs_arena *arena,
             struct bs_verdict *out,
             struct bs_kept **kept)
{
    BS_FRESH_ERR(err);
    struct bs_judge by;
    enum bs_heard heard;
    enum bs_done done;

    if (kept != NULL)
        *kept = NULL;

    if (catalog(r) == NULL && !r->loaded)
        return bs_ask_load_catalog(r);
    *out = (struct bs_verdict){.text = text};
    if (r->snapshot == NULL) {
        if (bs_without_secrets(text, NULL, arena, &out->shown, &err) != BS_DONE ||
            bs_redact_statement(redacts(r), out->shown, arena, &out->recorded, &err) != BS_DONE)
            out->shown = out->recorded = (struct bs_bytes){0};
        if (pass_in_shadow(r, out))
            return BS_HEARD;
        bs_verdict_refuse(
            out, BS_E_UNAVAILABLE, NULL,
            "the catalog of this database cannot be read, so nothing can be judged",
            "Tell the operator of this gateway; `backstop doctor` says what is wrong.");
        return BS_HEARD;
    }
    by = judge_of(r);
    if (kept == NULL)
        done = bs_judge(&by, text, arena, out, &err);
    else
        done =
            bs_verdicts_judge(bs_worker_verdicts(r->s->worker), &by, text, arena, out, kept, &err);
    if (done != BS_DONE)
        bs_verdict_refuse(out, err.code, NULL, "the statement is too large to be judged", NULL);
    if (out->apart && (heard = bs_apart_judge(r, &by, text, out, kept)) != BS_HEARD)
        return heard;
    if (!out->wait && (!out->refresh || r->loaded))
        return BS_HEARD;
    if (kept != NULL)
        bs_kept_unref(kept); /* it will be asked for again */
    return out->wait ? BS_HEARD_UNSURE : bs_ask_load_catalog(r);
}

void
bs_ask_judge_again(struct bs_relay *r,
                   struct bs_prepared *p,
                   struct bs_arena *arena,
                   struct bs_verdict *v)
{
    struct bs_bytes text = v->text;
    bool loaded = r->loaded;
    enum bs_heard heard;

    r->loaded = true; /* by whoever asks: nobody goes away to load it now */
    heard = p == NULL ? bs_ask_judge(r, text, arena, v, NULL)
                      : bs_ask_judge_named(r, p, arena, v, NULL);
    r->loaded = loaded;
    if (heard != BS_HEARD)
        bs_verdict_refuse(v, BS_E_CONFLICT, "40001", "the catalog has changed meanwhile",
                          "Send the same statement again.");
}

void
bs_ask_judge_measured(struct bs_relay *r, struct bs_arena *arena, struct bs_verdict *v)
{
    struct bs_judge by = judge_of(r);
    BS_FRESH_ERR(err);

    (void)!bs_judge_measured(&by, v, arena, &err);
}

enum bs_heard
bs_ask_judge_named(struct bs_relay *r,
                   struct bs_prepared *p,
                   struct bs_arena *arena,
                   struct bs_verdict *out,
                   struct bs_kept **kept)
{
    enum bs_heard heard = bs_ask_judge(r, p->text, arena, out, kept);

    if (heard == BS_HEARD && p->prepared_in_sql)
        out->executed = p->text;
    if (heard == BS_HEARD && r->snapshot != NULL && declares_code(r, p) &&
        bs_gateway_policy(r->s->gateway)->mode != BS_POLICY_SHADOW)
        bs_verdict_refuse(out, BS_E_BLOCKED, NULL,
                          "the declared type of a parameter is not harmless",
                          "Leave the types of parameters to the server.");
    return heard;
}

enum bs_heard
bs_ask_judge_prepared(struct bs_relay *r, struct bs_prepared *p)
{
    bool shaky = r->state.meaning.path_changed || r->state.meaning.temporary ||
                 r->state.meaning.uncommitted_ddl || r->ddl_sent != 0;

    enum bs_heard heard;

    if (catalog(r) != NULL && p->judged && !shaky && !p->shaky && !p->verdict.named &&
        p->verdict.epoch == r->epoch)
        return BS_HEARD;
    bs_prepared_rewind(p);
    heard = bs_ask_judge_named(r, p, &p->arena, &p->verdict, &p->kept);
    p->judged = heard == BS_HEARD;
    p->shaky = shaky;
    return heard;
}
