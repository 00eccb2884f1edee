/*
 * routes.c - the table, and the steps that every request takes before its handler: known? allowed?
 * acceptable? understood? not done already?
 */
#include "api/routes.h"

#include <stdlib.h>
#include <string.h>

#include "api/body.h"
#include "api/guard.h"
#include "api/handlers.h"
#include "api/idempotent.h"
#include "api/negotiate.h"
#include "api/show.h"

#define JSON_TYPE    "application/json"
#define PROBLEM_TYPE "application/problem+json"

/* clang-format off */
const struct bs_route bs_routes[] = {
    {"GET",  "/healthz",                 BS_ROLE_NONE,     "", "", bs_on_health},
    {"GET",  "/readyz",                  BS_ROLE_NONE,     "", "", bs_on_ready},
    {"GET",  "/metrics",                 BS_ROLE_NONE,     "", "", bs_on_metrics},
    {"GET",  "/",                        BS_ROLE_NONE,     "", "", bs_on_console},
    {"GET",  "/console/{file*}",         BS_ROLE_NONE,     "", "", bs_on_console},
    {"GET",  "/v1/openapi.json",         BS_ROLE_NONE,     "", "", bs_on_openapi},
    {"POST", "/v1/session",              BS_ROLE_NONE,     "", "token!s", bs_on_session_begin},
    {"GET",  "/v1/session",              BS_ROLE_VIEWER,   "", "", bs_on_session},
    {"DELETE", "/v1/session",            BS_ROLE_VIEWER,   "", "", bs_on_session_end},
    {"GET",  "/v1/tickets",              BS_ROLE_VIEWER,   "state actor database limit cursor", "", bs_on_tickets},
    {"GET",  "/v1/tickets/{id}",         BS_ROLE_VIEWER,   "", "", bs_on_ticket},
    {"POST", "/v1/tickets/{id}/approve", BS_ROLE_APPROVER, "", "reason:s", bs_on_approve},
    {"POST", "/v1/tickets/{id}/deny",    BS_ROLE_APPROVER, "", "reason:s", bs_on_deny},
    {"POST", "/v1/tickets/{id}/comment", BS_ROLE_APPROVER, "", "text!s", bs_on_comment},
    {"POST", "/v1/tickets/{id}/break-glass", BS_ROLE_ADMIN, "", "reason!s", bs_on_break_glass},
    {"POST", "/v1/tickets/{id}/review",  BS_ROLE_APPROVER, "", "note!s", bs_on_review},
    {"GET",  "/v1/reviews",              BS_ROLE_VIEWER,   "state limit cursor", "", bs_on_reviews},
    {"GET",  "/v1/events",               BS_ROLE_VIEWER,   "", "", bs_on_events},
    {"POST", "/v1/slack",                BS_ROLE_NONE,     "", BS_BODY_RAW, bs_on_slack},
    {"GET",  "/v1/points",               BS_ROLE_VIEWER,   "database limit cursor", "", bs_on_points},
    {"GET",  "/v1/points/{id}",          BS_ROLE_VIEWER,   "", "", bs_on_point},
    {"GET",  "/v1/restores",             BS_ROLE_VIEWER,   "point state limit cursor", "", bs_on_restores},
    {"POST", "/v1/restores",             BS_ROLE_APPROVER, "", "point!s database:s table:s where:s verify:b", bs_on_restore_begin},
    {"GET",  "/v1/restores/{id}",        BS_ROLE_VIEWER,   "", "", bs_on_restore},
    {"DELETE", "/v1/restores/{id}",      BS_ROLE_APPROVER, "", "", bs_on_restore_cancel},
    {"GET",  "/v1/restores/{id}/result", BS_ROLE_APPROVER, "step limit cursor", "", bs_on_restore_result},
    {"GET",  "/v1/restores/{id}/rows",   BS_ROLE_APPROVER, "table limit cursor", "", bs_on_restore_rows},
    {"POST", "/v1/restores/{id}/run",    BS_ROLE_APPROVER, "", "digest!s into:s", bs_on_restore_run},
    {"POST", "/v1/restores/{id}/diff",   BS_ROLE_APPROVER, "", "digest!s", bs_on_restore_diff},
    {"POST", "/v1/restores/{id}/plan",   BS_ROLE_APPROVER, "", "digest!s conflict:s no_triggers:b remove_inserted:b set_sequences:b all_missing:b group:b", bs_on_restore_plan},
    {"POST", "/v1/restores/{id}/approve", BS_ROLE_APPROVER, "", "digest!s reason:s", bs_on_restore_approve},
    {"POST", "/v1/restores/{id}/copy-back", BS_ROLE_APPROVER, "", "digest!s", bs_on_restore_copy_back},
    {"POST", "/v1/restores/{id}/discard", BS_ROLE_APPROVER, "", "digest!s", bs_on_restore_discard},
    {"GET",  "/v1/captures",             BS_ROLE_VIEWER,   "", "", bs_on_captures},
    {"GET",  "/v1/actors",               BS_ROLE_VIEWER,   "limit cursor", "", bs_on_actors},
    {"GET",  "/v1/actors/{name}",        BS_ROLE_VIEWER,   "", "", bs_on_actor},
    {"POST", "/v1/actors/{name}/quarantine", BS_ROLE_ADMIN, "", "reason:s", bs_on_actor_quarantine},
    {"POST", "/v1/actors/{name}/release", BS_ROLE_ADMIN,   "", "reason:s", bs_on_actor_release},
    {"POST", "/v1/actors",               BS_ROLE_ADMIN,    "", "name!s databases!a kind:s owner:S group:S expires:S addresses:a role:S certificate:S certificate_only:b", bs_on_actor_add},
    {"PATCH", "/v1/actors/{name}",       BS_ROLE_ADMIN,    "", "databases:a kind:s owner:S group:S expires:S addresses:a role:S certificate:S certificate_only:b", bs_on_actor_set},
    {"POST", "/v1/actors/{name}/rotate", BS_ROLE_ADMIN,    "", "overlap:s", bs_on_actor_rotate},
    {"POST", "/v1/actors/{name}/token",  BS_ROLE_ADMIN,    "", "ttl:s note:s", bs_on_actor_token},
    {"GET",  "/v1/actors/{name}/tokens", BS_ROLE_VIEWER,   "limit cursor", "", bs_on_actor_tokens},
    {"POST", "/v1/actors/{name}/disable", BS_ROLE_ADMIN,   "", "", bs_on_actor_disable},
    {"POST", "/v1/actors/{name}/enable", BS_ROLE_ADMIN,    "", "", bs_on_actor_enable},
    {"POST", "/v1/actors/{name}/revoke", BS_ROLE_ADMIN,    "", "token:s", bs_on_actor_revoke},
    {"GET",  "/v1/pauses",               BS_ROLE_VIEWER,   "", "", bs_on_pauses},
    {"POST", "/v1/pauses",               BS_ROLE_APPROVER, "", "scope!s name:s reason!s cancel:b", bs_on_pause},
    {"DELETE", "/v1/pauses",             BS_ROLE_ADMIN,    "scope name reason", "", bs_on_resume},
    {"GET",  "/v1/evasion",              BS_ROLE_VIEWER,   "", "", bs_on_evasion},
    {"GET",  "/v1/operators",            BS_ROLE_VIEWER,   "", "", bs_on_operators},
    {"GET",  "/v1/operators/{name}",     BS_ROLE_VIEWER,   "", "", bs_on_operator},
    {"POST", "/v1/operators",            BS_ROLE_ADMIN,    "", "name!s role:s groups:a owners:a expires:S", bs_on_operator_add},
    {"PATCH", "/v1/operators/{name}",    BS_ROLE_ADMIN,    "", "role:s groups:a owners:a expires:S", bs_on_operator_set},
    {"POST", "/v1/operators/{name}/rotate", BS_ROLE_ADMIN, "", "overlap:s", bs_on_operator_rotate},
    {"POST", "/v1/operators/{name}/revoke", BS_ROLE_ADMIN, "", "", bs_on_operator_revoke},
    {"GET",  "/v1/audit",                BS_ROLE_VIEWER,   "from until kind actor operator database ticket point session risk table limit cursor", "", bs_on_audit},
    {"POST", "/v1/audit/verify",         BS_ROLE_APPROVER, "", "", bs_on_audit_verify},
    {"POST", "/v1/explain",              BS_ROLE_VIEWER,   "", "actor!s sql!s database:s rows:i offline:b", bs_on_explain},
};
/* clang-format on */

const size_t bs_n_routes = sizeof(bs_routes) / sizeof(bs_routes[0]);

/* --- finding ------------------------------------------------------------------------------- */

/* Does the path match? What stands for "{...}" is copied out. */
static bool
path_matches(const char *pattern, const char *path, struct bs_arena *arena, const char **name)
{
    const char *end;
    size_t n;

    *name = NULL;
    for (; *pattern != '\0'; pattern++) {
        if (*pattern != '{') {
            if (*path++ != *pattern)
                return false;
            continue;
        }
        end = strchr(pattern, '}');
        n = end[-1] == '*' ? strlen(path) : strcspn(path, "/");
        if (n == 0)
            return false;
        *name = bs_arena_copy(arena, (struct bs_bytes){(const uint8_t *)path, n});
        path += n;
        pattern = end;
    }
    return *path == '\0';
}

/* The methods of a path, as the field Allow has them; NULL: there is no such path. */
static const char *
methods_of(struct bs_request *q)
{
    const char *all = NULL, *name;

    for (size_t i = 0; i < bs_n_routes; i++) {
        const char *method = bs_routes[i].method;
        if (!path_matches(bs_routes[i].path, q->path, q->arena, &name))
            continue;
        all = bs_arena_fmt(q->arena, "%s%s%s%s", all == NULL ? "" : all, all == NULL ? "" : ", ",
                           method, strcmp(method, "GET") == 0 ? ", HEAD" : "");
    }
    return all == NULL ? NULL : bs_arena_fmt(q->arena, "%s, OPTIONS", all);
}

/* HEAD is GET without the body, which server.c leaves out. */
static const struct bs_route *
find_route(struct bs_request *q)
{
    const char *method = strcmp(q->method, "HEAD") == 0 ? "GET" : q->method;

    for (size_t i = 0; i < bs_n_routes; i++) {
        if (strcmp(bs_routes[i].method, method) == 0 &&
            path_matches(bs_routes[i].path, q->path, q->arena, &q->name))
            return &bs_routes[i];
    }
    return NULL;
}

/* --- checking ------------------------------------------------------------------------------ */

static bool
names_hold(const char *names, const char *name)
{
    size_t n = strlen(name);

    /* One without a name stands everywhere, and goes no further. */
    for (const char *at = names; n != 0 && (at = strstr(at, name)) != NULL; at += n) {
        if ((at == names || at[-1] == ' ') && (at[n] == ' ' || at[n] == '\0'))
            return true;
    }
    return false;
}

/* A parameter that nobody reads is a filter that does not filter. */
static enum bs_done
check_params(const struct bs_request *q, const struct bs_route *route, struct bs_err *err)
{
    for (size_t i = 0; i < q->n_params; i++) {
        const char *name = q->params[i].name;
        if (!names_hold(route->params, name))
            return BS_FAIL(err, USAGE, "there is no parameter \"%.40s\" here", name);
        for (size_t j = 0; j < i; j++) {
            if (strcmp(q->params[j].name, name) == 0)
                return BS_FAIL(err, USAGE, "the parameter \"%s\" is given twice", name);
        }
    }
    return BS_DONE;
}

/* --- serving ------------------------------------------------------------------------------- */

/* The body as the bytes that are sent. */
static void
write_out(struct bs_answer *a)
{
    if (a->body == NULL)
        return;
    a->text = json_dumps(a->body, JSON_COMPACT);
    bs_assert(a->text != NULL);
    a->type = a->status < 400 ? JSON_TYPE : PROBLEM_TYPE;
    json_decref(a->body);
    a->body = NULL;
}

void
bs_routes_refuse(const struct bs_err *err, struct bs_answer *a)
{
    bs_answer_fini(a);
    a->status = bs_code_get(err->code)->http_status;
    a->body = bs_show_problem(err);
    write_out(a);
}

/* Once for each Idempotency-Key of an operator, however often it is sent. */
static enum bs_done
handle_once(struct bs_request *q,
            const struct bs_route *route,
            struct bs_answer *a,
            struct bs_err *err)
{
    const char *key = q->header(q->ctx, "Idempotency-Key");
    enum bs_done done;

    if (key == NULL || strcmp(route->method, "POST") != 0 || route->role == BS_ROLE_NONE) {
        done = route->handler(q, a, err);
        write_out(a);
        return done;
    }
    if (bs_idempotent_begin(q->api->idempotent, q, key, a, err) != BS_DONE)
        return BS_FAILED;
    if (a->again)
        return BS_DONE;
    done = route->handler(q, a, err);
    if (done != BS_DONE)
        bs_routes_refuse(err, a);
    write_out(a);
    bs_idempotent_end(q->api->idempotent, q, key, a);
    return BS_DONE;
}

static enum bs_done
serve(struct bs_request *q, const struct bs_route *route, struct bs_answer *a, struct bs_err *err)
{
    if (bs_guard(q, route->role, &a->retry_s, err) != BS_DONE ||
        bs_accepts(q, route->path, err) != BS_DONE || check_params(q, route, err) != BS_DONE ||
        bs_body_take(q, route->body, err) != BS_DONE)
        return BS_FAILED;
    return handle_once(q, route, a, err);
}

void
bs_routes_serve(struct bs_request *q, struct bs_answer *a)
{
    struct bs_err err = {0};
    const struct bs_route *route = find_route(q);
    const char *methods = route == NULL ? methods_of(q) : NULL;

    *a = (struct bs_answer){.status = 200};
    if (methods != NULL && strcmp(q->method, "OPTIONS") == 0) {
        a->status = 204;
        a->allow = methods;
    } else if (methods != NULL) {
        (void)BS_FAIL(&err, METHOD, "this path does not take %.10s, but %s", q->method, methods);
        a->allow = methods;
    } else if (route == NULL) {
        (void)BS_FAIL(&err, NOT_FOUND, "there is nothing at this path");
    } else if (serve(q, route, a, &err) == BS_DONE && strcmp(route->method, "GET") == 0) {
        bs_not_modified(q, a);
    }
    if (err.code != BS_OK)
        bs_routes_refuse(&err, a);
    json_decref(q->parsed);
}
