/*
 * changed.c - one row for each top-level key, so that a new one is not forgotten without a test
 * noticing.
 */
#include "policy/changed.h"

#include <string.h>

#include "policy/keeping.h"
#include "policy/notify.h"

static bool
same(const char *a, const char *b)
{
    return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

static bool
same_listen(const struct bs_config_listen *a, const struct bs_config_listen *b)
{
    return same(a->host, b->host) && same(a->dir, b->dir) && a->port == b->port;
}

static bool
same_listens(const struct bs_config *a, const struct bs_config *b)
{
    for (size_t i = 0; a->n_listen == b->n_listen && i < a->n_listen; i++) {
        if (!same_listen(&a->listen[i], &b->listen[i]))
            return false;
    }
    return a->n_listen == b->n_listen;
}

static bool
same_operators(const struct bs_config *a, const struct bs_config *b)
{
    return same_listen(&a->operators, &b->operators) &&
           a->operators_requests == b->operators_requests &&
           a->operators_session_ms == b->operators_session_ms &&
           a->operators_session_idle_ms == b->operators_session_idle_ms;
}

static bool
same_texts(const struct bs_config_texts *a, const struct bs_config_texts *b)
{
    for (size_t i = 0; a->n == b->n && i < a->n; i++) {
        if (!same(a->list[i], b->list[i]))
            return false;
    }
    return a->n == b->n;
}

static bool
same_agents_http(const struct bs_config *x, const struct bs_config *y)
{
    const struct bs_config_agents_http *a = &x->agents_http, *b = &y->agents_http;

    return same_listen(&a->listen, &b->listen) && same(a->tls_cert, b->tls_cert) &&
           same(a->tls_key, b->tls_key) && same(a->url, b->url) &&
           same_texts(&a->origins, &b->origins) &&
           same_texts(&a->authorization_servers, &b->authorization_servers) &&
           a->connections == b->connections && a->per_address == b->per_address &&
           a->session_idle_ms == b->session_idle_ms && a->request_ms == b->request_ms;
}

bool
bs_config_same_places(const struct bs_config *a, const struct bs_config *b)
{
    for (size_t i = 0; a->n_databases == b->n_databases && i < a->n_databases; i++) {
        if (!same(a->databases[i].name, b->databases[i].name) ||
            !same(a->databases[i].environment, b->databases[i].environment))
            return false;
    }
    return a->n_databases == b->n_databases;
}

static bool
same_databases(const struct bs_config *a, const struct bs_config *b)
{
    if (!bs_config_same_places(a, b))
        return false;
    for (size_t i = 0; i < a->n_databases; i++) {
        if (!same(a->databases[i].upstream, b->databases[i].upstream) ||
            !same(a->databases[i].helper, b->databases[i].helper) ||
            !same(a->databases[i].restorer, b->databases[i].restorer))
            return false;
    }
    return true;
}

static bool
same_state(const struct bs_config *a, const struct bs_config *b)
{
    return same(a->state_url, b->state_url);
}

static bool
same_audit(const struct bs_config *a, const struct bs_config *b)
{
    return same(a->audit_directory, b->audit_directory) && same(a->audit_key, b->audit_key) &&
           same(a->audit_upload, b->audit_upload) && a->audit_file_bytes == b->audit_file_bytes &&
           a->audit_file_age_ms == b->audit_file_age_ms && a->audit_redact == b->audit_redact &&
           same(a->audit_redact_key, b->audit_redact_key);
}

static bool
same_storage(const struct bs_config *a, const struct bs_config *b)
{
    return same(a->storage_url, b->storage_url);
}

static bool
same_spool(const struct bs_config *a, const struct bs_config *b)
{
    return same(a->spool, b->spool);
}

static bool
same_workers(const struct bs_config *a, const struct bs_config *b)
{
    return a->workers == b->workers;
}

static bool
same_verdict_cache(const struct bs_config *a, const struct bs_config *b)
{
    return a->verdict_bytes == b->verdict_bytes;
}

static bool
same_hold(const struct bs_config *a, const struct bs_config *b)
{
    return a->hold_wait_ms == b->hold_wait_ms && a->hold_notice_ms == b->hold_notice_ms &&
           a->hold_decide_ms == b->hold_decide_ms && a->hold_redeem_ms == b->hold_redeem_ms;
}

static bool
same_recovery(const struct bs_config *a, const struct bs_config *b)
{
    for (size_t i = 0; a->n_pg_dumps == b->n_pg_dumps && i < a->n_pg_dumps; i++) {
        if (a->pg_dumps[i].major != b->pg_dumps[i].major ||
            !same(a->pg_dumps[i].path, b->pg_dumps[i].path))
            return false;
    }
    return a->n_pg_dumps == b->n_pg_dumps && !bs_require_exceeds(&a->require, &b->require) &&
           !bs_require_exceeds(&b->require, &a->require) && same(a->scratch, b->scratch) &&
           a->lock_budget_ms == b->lock_budget_ms && a->max_bytes == b->max_bytes &&
           a->drop_database == b->drop_database && a->helpers == b->helpers &&
           same(a->keys, b->keys) && same(a->key, b->key);
}

static bool
same_restore(const struct bs_config *a, const struct bs_config *b)
{
    return a->restore_approval == b->restore_approval && a->plan_life_ms == b->plan_life_ms;
}

static bool
same_audit_safe(const struct bs_config *a, const struct bs_config *b)
{
    return a->audit_safe == b->audit_safe;
}

static bool
same_globs(const struct bs_object_globs *a, const struct bs_object_globs *b)
{
    for (size_t i = 0; a->n == b->n && i < a->n; i++) {
        if (!same(a->list[i].schema, b->list[i].schema) || !same(a->list[i].name, b->list[i].name))
            return false;
    }
    return a->n == b->n;
}

static bool
same_limits(const struct bs_keep_limits *a, const struct bs_keep_limits *b)
{
    return a->count == b->count && a->age_ms == b->age_ms && a->bytes == b->bytes;
}

bool
bs_snapshot_same(const struct bs_config_snapshot *a, const struct bs_config_snapshot *b)
{
    return same(a->name, b->name) && same(a->database, b->database) &&
           same_globs(&a->tables, &b->tables) && a->every_ms == b->every_ms &&
           a->budget_ms == b->budget_ms && same_limits(&a->keep, &b->keep);
}

static bool
same_retention(const struct bs_config_retention *a, const struct bs_config_retention *b)
{
    for (size_t i = 0; a->n_tables == b->n_tables && i < a->n_tables; i++) {
        if (!same_globs(&a->tables[i].tables, &b->tables[i].tables) ||
            !same_limits(&a->tables[i].keep, &b->tables[i].keep))
            return false;
    }
    return a->n_tables == b->n_tables && same_limits(&a->keep, &b->keep) &&
           a->unfinished_ms == b->unfinished_ms && a->every_ms == b->every_ms;
}

bool
bs_config_same_keeping(const struct bs_config *a, const struct bs_config *b)
{
    for (size_t i = 0; a->n_snapshots == b->n_snapshots && i < a->n_snapshots; i++) {
        if (!bs_snapshot_same(&a->snapshots[i], &b->snapshots[i]))
            return false;
    }
    return a->n_snapshots == b->n_snapshots && same_retention(a->retention, b->retention) &&
           a->verify->every_ms == b->verify->every_ms && a->verify->number == b->verify->number &&
           a->verify->share >= b->verify->share && a->verify->share <= b->verify->share;
}

bool
bs_notify_same(const struct bs_config_notify *a, const struct bs_config_notify *b)
{
    return same(a->name, b->name) && a->events == b->events && a->sql == b->sql &&
           a->retry_ms == b->retry_ms && same(a->console, b->console) &&
           same(a->ca_file, b->ca_file) && a->slack == b->slack && same(a->url, b->url) &&
           same(a->secret, b->secret) && same(a->old, b->old) && same(a->token, b->token) &&
           same(a->channel, b->channel) && same(a->signing_secret, b->signing_secret) &&
           same(a->api, b->api);
}

bool
bs_config_same_notify(const struct bs_config *a, const struct bs_config *b)
{
    for (size_t i = 0; a->n_notify == b->n_notify && i < a->n_notify; i++) {
        if (!bs_notify_same(&a->notify[i], &b->notify[i]))
            return false;
    }
    return a->n_notify == b->n_notify;
}

static const struct {
    const char *key;
    bool (*same)(const struct bs_config *a, const struct bs_config *b);
} keys[] = {
    {"listen", same_listens},
    {"operators", same_operators},
    {"agents_http", same_agents_http},
    {"databases", same_databases},
    {"state", same_state},
    {"audit", same_audit},
    {"storage", same_storage},
    {"spool", same_spool},
    {"workers", same_workers},
    {"hold", same_hold},
    {"recovery", same_recovery},
    {"restore", same_restore},
    {"audit_safe", same_audit_safe},
    {"verdict_cache", same_verdict_cache},
};

const char *
bs_config_changed_key(const struct bs_config *a, const struct bs_config *b, size_t i)
{
    for (size_t k = 0; k < sizeof(keys) / sizeof(keys[0]); k++) {
        if (!keys[k].same(a, b) && i-- == 0)
            return keys[k].key;
    }
    return NULL;
}
