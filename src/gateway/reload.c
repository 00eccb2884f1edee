/*
 * reload.c - on SIGHUP. Everything is checked and recorded before anything changes.
 */
#include "gateway/reload.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "audit/digest.h"
#include "audit/record.h"
#include "base/bytes.h"
#include "base/log.h"
#include "gateway/conninfo.h"
#include "gateway/databases.h"
#include "gateway/gateway.h"
#include "gateway/scheduler.h"
#include "gateway/worker.h"
#include "policy/changed.h"
#include "policy/config.h"
#include "recovery/warm.h"
#include "wire/tls.h"

/* A configuration that is, or was, in force. */
struct bs_reloaded {
    struct bs_config *config;     /* NULL: the first, which is not ours */
    const struct bs_config *says; /* the same; never NULL */
    struct bs_tls_ctx *tls;       /* NULL: it has no certificate */
    struct bs_tls_ctx **upstream; /* towards each database; NULL where sslmode is disable */
    struct bs_reloaded *before;
};

const struct bs_policy *
bs_gateway_policy(const struct bs_gateway *g)
{
    return atomic_load_explicit(&g->policy, memory_order_acquire);
}

static void
warn_of_shadow(const struct bs_policy *policy)
{
    if (policy->mode == BS_POLICY_SHADOW)
        BS_LOG(WARNING, "shadow mode: nothing is held, blocked or protected",
               BS_F_STR("policy", policy->digest));
}

/* Durable, or it did not happen. */
static enum bs_done
record(struct bs_gateway *g,
       const char *action,
       const char *outcome,
       const struct bs_policy *policy,
       const char *text,
       struct bs_err *err)
{
    const struct bs_policy *now = bs_gateway_policy(g);
    const struct bs_audit_digest *redact = bs_audit_redacts(g->audit, BS_AUDIT_REDACT_ALL);
    json_t *root = json_pack("{s:s, s:s, s:s, s:s*}", "mode", bs_policy_mode_name(policy->mode),
                             "old", now == NULL ? "" : now->digest, "new", policy->digest,
                             "redact_key", redact == NULL ? NULL : bs_audit_digest_id(redact));
    char *detail = json_dumps(root, JSON_COMPACT);
    const struct bs_audit_record entry = {.kind = BS_AUDIT_CONFIG,
                                          .action = action,
                                          .outcome = outcome,
                                          .policy = policy->digest,
                                          .detail = detail,
                                          .text = text};
    enum bs_done done = bs_audit_write(g->audit, &entry, NULL, err);

    json_decref(root);
    free(detail);
    return done;
}

/* Everything of `c` that a running gateway takes over. What r has is g's from here on. */
static void
put_in_force(struct bs_gateway *g, const struct bs_config *c, struct bs_reloaded *r)
{
    r->says = c;
    r->before = g->reloaded;
    g->reloaded = r;
    atomic_store_explicit(&g->policy, c->policy, memory_order_release);
    atomic_store_explicit(&g->clients, &c->clients, memory_order_release);
    atomic_store_explicit(&g->tls, r->tls, memory_order_release);
    atomic_store_explicit(&g->upstream_tls, r->upstream, memory_order_release);
}

static enum bs_done
open_clients(const struct bs_config *c, struct bs_tls_ctx **out, struct bs_err *err)
{
    const struct bs_tls_server_options options = {.cert_file = c->tls_cert,
                                                  .key_file = c->tls_key,
                                                  .client_ca_file = c->tls_client_ca,
                                                  .client_crl_file = c->tls_client_crl};

    *out = NULL;
    if (c->tls_cert == NULL || bs_tls_ctx_new_server(&options, out, err) == BS_DONE)
        return BS_DONE;
    bs_err_prefix(err, "tls");
    return BS_FAILED;
}

/* What each sslmode checks, as libpq does it: a root file makes `require` check, too. */
static enum bs_done
open_upstream(const struct bs_conninfo *c, struct bs_tls_ctx **out, struct bs_err *err)
{
    struct bs_tls_client_options options = {.cert_file = c->sslcert, .key_file = c->sslkey};

    if (c->sslmode == BS_SSL_DISABLE)
        return BS_DONE;
    if (c->sslmode == BS_SSL_VERIFY_FULL)
        options.check = BS_TLS_CHECK_FULL;
    else if (c->sslmode == BS_SSL_VERIFY_CA ||
             (c->sslmode == BS_SSL_REQUIRE && c->sslrootcert != NULL))
        options.check = BS_TLS_CHECK_CHAIN;
    else
        options.check = BS_TLS_CHECK_NONE;
    if (options.check != BS_TLS_CHECK_NONE)
        options.root_file = c->sslrootcert;
    if (options.check != BS_TLS_CHECK_NONE && options.root_file == NULL)
        return BS_FAIL(err, CONFIG, "this sslmode needs sslrootcert");
    return bs_tls_ctx_new_client(&options, out, err);
}

/* The files as they are now: the strings that name them are those of the start (tell_changes). */
static enum bs_done
open_tls(const struct bs_gateway *g,
         const struct bs_config *c,
         struct bs_reloaded *r,
         struct bs_err *err)
{
    r->upstream = bs_malloc(g->config->n_databases * sizeof(struct bs_tls_ctx *));
    for (size_t i = 0; i < g->config->n_databases; i++) {
        if (open_upstream(&g->upstreams[i], &r->upstream[i], err) == BS_DONE)
            continue;
        bs_err_prefix(err, "databases: %s: upstream", g->config->databases[i].name);
        return BS_FAILED;
    }
    return open_clients(c, &r->tls, err);
}

static void
free_reloaded(const struct bs_gateway *g, struct bs_reloaded *r)
{
    for (size_t i = 0; r->upstream != NULL && i < g->config->n_databases; i++)
        bs_tls_ctx_free(&r->upstream[i]);
    free(r->upstream);
    bs_tls_ctx_free(&r->tls);
    bs_config_unref(&r->config);
    free(r);
}

enum bs_done
bs_reload_begin(struct bs_gateway *g, struct bs_err *err)
{
    const struct bs_policy *policy = g->config->policy;
    struct bs_reloaded *r = bs_malloc(sizeof(*r));

    if (open_tls(g, g->config, r, err) != BS_DONE ||
        record(g, "start", "done", policy, NULL, err) != BS_DONE) {
        free_reloaded(g, r);
        return BS_FAILED;
    }
    put_in_force(g, g->config, r);
    warn_of_shadow(policy);
    return BS_DONE;
}

void
bs_reload_end(struct bs_gateway *g)
{
    while (g->reloaded != NULL) {
        struct bs_reloaded *r = g->reloaded;
        g->reloaded = r->before;
        free_reloaded(g, r);
    }
}

/* The old one stays in force; so much is in the audit, too, if it can be written. */
static void
refuse(struct bs_gateway *g, const char *why)
{
    struct bs_err err = {0};

    BS_LOG(ERROR, "the configuration was not reloaded; the old one stays in force",
           BS_F_STR("reason", why), BS_F_STR("policy", bs_gateway_policy(g)->digest));
    if (record(g, "reload", "refused", bs_gateway_policy(g), why, &err) != BS_DONE)
        BS_LOG(ERROR, "audit refused a record", BS_F_STR("reason", err.message));
}

static struct bs_config *
load(struct bs_gateway *g)
{
    struct bs_problems problems = {0};
    struct bs_config *c = NULL;
    struct bs_err err = {0};

    if (bs_config_load(g->config->file, &c, &problems, &err) != BS_DONE) {
        for (size_t i = 0; i < problems.n; i++)
            BS_LOG(ERROR, "problem in the configuration", BS_F_INT("line", problems.list[i].line),
                   BS_F_STR("problem", problems.list[i].message));
        refuse(g, err.message);
    }
    bs_problems_fini(&problems);
    return c;
}

/* What only a restart takes over. */
static void
tell_changes(const struct bs_gateway *g, const struct bs_config *c)
{
    const char *key;

    for (size_t i = 0; (key = bs_config_changed_key(g->config, c, i)) != NULL; i++)
        BS_LOG(WARNING, "changed, but not reloaded: it needs a restart", BS_F_STR("key", key));
}

/* In this order: see reload.h. */
static void
put_policy_in_force(struct bs_gateway *g, struct bs_reloaded *r)
{
    const struct bs_policy *policy = r->config->policy;

    BS_LOG(INFO, "policy reloaded", BS_F_STR("policy", policy->digest),
           BS_F_STR("before", bs_gateway_policy(g)->digest), BS_F_INT("rules", policy->n_rules));
    warn_of_shadow(policy);
    put_in_force(g, r->config, r);
    bs_databases_judge_anew(g->databases);
    for (unsigned i = 0; i < g->n_workers; i++)
        bs_worker_policy_changed(g->workers[i]);
}

/* What the gateway does by the clock; and the policy, where that is another one, too. */
static void
put_keeping_in_force(struct bs_gateway *g, struct bs_reloaded *r)
{
    const struct bs_config *c = r->config;

    BS_LOG(INFO, "what is done by the clock is reloaded", BS_F_INT("snapshots", c->n_snapshots),
           BS_F_STR("policy", c->policy->digest));
    if (strcmp(c->policy->digest, bs_gateway_policy(g)->digest) == 0)
        put_in_force(g, c, r);
    else
        put_policy_in_force(g, r);
    if (g->scheduler != NULL)
        bs_scheduler_reload(g->scheduler, c);
}

/* Of what is on record beside the policy; by the bits of take_over. */
static const char *const changes[] = {
    NULL,
    "snapshots, retention or verify have changed",
    "notify has changed",
    "notify, and snapshots, retention or verify have changed",
};

/* BS_DONE: it is in force. */
static enum bs_done
take_over(struct bs_gateway *g, struct bs_reloaded *r, struct bs_err *err)
{
    const struct bs_policy *policy = r->config->policy;
    bool keeping = !bs_config_same_keeping(g->reloaded->says, r->config);
    bool notify = !bs_config_same_notify(g->reloaded->says, r->config);
    bool rules = strcmp(policy->digest, bs_gateway_policy(g)->digest) != 0;

    if (!bs_config_same_places(g->config, r->config))
        return BS_FAIL(err, CONFIG,
                       "names or environments of databases have changed, which needs a restart");
    if (open_tls(g, r->config, r, err) != BS_DONE)
        return BS_FAILED;
    if ((keeping || notify || rules) &&
        record(g, "reload", "done", policy, changes[keeping + 2 * notify], err) != BS_DONE)
        return BS_FAILED;
    if (bs_gateway_reload_sides(g, r->config, err) != BS_DONE)
        return BS_FAILED;
    if (notify)
        BS_LOG(INFO, "who is told is reloaded", BS_F_INT("targets", r->config->n_notify));
    if (keeping) {
        put_keeping_in_force(g, r);
    } else if (rules) {
        put_policy_in_force(g, r);
    } else {
        put_in_force(g, r->config, r);
        BS_LOG(INFO, "the policy is the same as before", BS_F_STR("policy", policy->digest));
    }
    return BS_DONE;
}

void
bs_reload(struct bs_gateway *g)
{
    struct bs_config *c = load(g);
    struct bs_reloaded *r;
    struct bs_err err = {0};

    if (c == NULL)
        return;
    tell_changes(g, c);
    bs_warm_clear(g->warm); /* a password may be another one, or a role may not connect any more */
    r = bs_malloc(sizeof(*r));
    r->config = c;
    if (take_over(g, r, &err) == BS_DONE)
        return;
    refuse(g, err.message);
    free_reloaded(g, r);
}
