/*
 * routes.c - the operators' API.
 */
#include "api/routes.h"

#include <stdlib.h>
#include <string.h>

#include "api/show.h"
#include "approval/decision.h"
#include "approval/evasion.h"
#include "audit/record.h"
#include "base/log.h"
#include "base/metrics.h"
#include "gateway/limits.h"
#include "gateway/progress.h"

#define LIST_MAX    1000
#define METRICS_MAX (1024 * 1024)

typedef enum bs_done handler_fn(struct bs_request *q, struct bs_answer *a, struct bs_err *err);

struct route {
    const char *method;
    const char *path;  /* "*" stands for one segment */
    enum bs_role role; /* least role; NONE: anyone who can reach the listener */
    handler_fn *handler;
};

/* --- tickets ------------------------------------------------------------------------------ */

static enum bs_done
list_tickets(struct bs_request *q, struct bs_answer *a, struct bs_err *err)
{
    struct bs_ticket_filter filter = {.limit = LIST_MAX};
    const char *state = q->query(q->ctx, "state");
    struct bs_ticket *list;
    size_t n;

    if (state != NULL && strcmp(state, "all") != 0) {
        enum bs_ticket_state one = bs_ticket_state_find(state);
        if (one == BS_TICKET_NONE)
            return BS_FAIL(err, USAGE, "there is no ticket state \"%.40s\"", state);
        filter.states = 1u << one;
    }
    filter.actor = q->query(q->ctx, "actor");
    filter.database = q->query(q->ctx, "database");
    if (bs_ticket_list(q->gateway->tickets, &filter, q->arena, &list, &n, err) != BS_DONE)
        return BS_FAILED;
    a->body = json_pack("{s:[]}", "tickets");
    for (size_t i = 0; i < n; i++)
        json_array_append_new(json_object_get(a->body, "tickets"), bs_show_ticket(&list[i]));
    return BS_DONE;
}

/* The ticket, who has decided, and who is missing. */
static enum bs_done
answer_ticket(struct bs_request *q,
              const struct bs_ticket *t,
              struct bs_answer *a,
              struct bs_err *err)
{
    struct bs_standing standing;

    if (bs_ticket_standing(q->gateway->tickets, t, q->arena, &standing, err) != BS_DONE)
        return BS_FAILED;
    a->body = bs_show_ticket(t);
    bs_show_standing(a->body, &standing);
    if (t->state != BS_TICKET_PENDING)
        json_object_del(a->body, "missing");
    return BS_DONE;
}

static enum bs_done
show_ticket(struct bs_request *q, struct bs_answer *a, struct bs_err *err)
{
    struct bs_ticket t;
    json_t *progress;

    if (bs_ticket_get(q->gateway->tickets, q->name, q->arena, &t, err) != BS_DONE ||
        answer_ticket(q, &t, a, err) != BS_DONE)
        return BS_FAILED;
    progress = t.state == BS_TICKET_RUNNING ? bs_progress_of(q->gateway->progress, t.id) : NULL;
    if (progress != NULL)
        json_object_set_new(a->body, "progress", progress);
    return BS_DONE;
}

/* What is being captured now, also for statements that nobody was asked about, and snapshots. */
static enum bs_done
list_captures(struct bs_request *q, struct bs_answer *a, struct bs_err *err)
{
    (void)err;
    a->body = json_pack("{s:o}", "captures", bs_progress_all(q->gateway->progress));
    return BS_DONE;
}

/* {"reason": "..."} or {"text": "..."}, or nothing. */
static enum bs_done
read_words(struct bs_request *q, const char *name, const char **words, struct bs_err *err)
{
    json_error_t bad;
    json_t *body;
    const char *text;

    *words = NULL;
    if (q->body.n == 0)
        return BS_DONE;
    body = json_loadb((const char *)q->body.p, q->body.n, 0, &bad);
    if (body == NULL || !json_is_object(body)) {
        json_decref(body);
        return BS_FAIL(err, DATA, "the body is not a JSON object: %s", bad.text);
    }
    text = json_string_value(json_object_get(body, name));
    *words = bs_arena_str(q->arena, text);
    json_decref(body);
    return BS_DONE;
}

/* What an operator says is on record before it has any effect; where it then has none (another
 * operator was quicker), that is on record, too, and `failed` says why. */
static enum bs_done
record_said(struct bs_request *q,
            const struct bs_ticket *t,
            enum bs_said said,
            const char *words,
            const char *failed,
            struct bs_err *err)
{
    struct bs_audit_record record = {
        .kind = BS_AUDIT_DECISION,
        .actor = t->actor,
        .owner = t->owner,
        .operator_ = q->by.name,
        .database = t->database,
        .ticket = t->id,
        .risk = t->risk,
        .decision = bs_said_name(said),
        .text = words,
    };

    if (failed != NULL) {
        record.outcome = "failed";
        record.text = failed;
    }
    return bs_audit_write(q->gateway->audit, &record, NULL, err);
}

static enum bs_done
decide(struct bs_request *q, enum bs_decide verdict, struct bs_answer *a, struct bs_err *err)
{
    enum bs_said said = verdict == BS_DECIDE_APPROVE ? BS_SAID_APPROVE : BS_SAID_DENY;
    const char *reason;
    struct bs_ticket t;
    struct bs_err ignored = {0};

    if (read_words(q, "reason", &reason, err) != BS_DONE ||
        bs_ticket_get(q->gateway->tickets, q->name, q->arena, &t, err) != BS_DONE ||
        record_said(q, &t, said, reason, NULL, err) != BS_DONE)
        return BS_FAILED;
    if (bs_ticket_decide(q->gateway->tickets, q->name, &q->by, verdict, reason, q->arena, &t,
                         err) != BS_DONE) {
        (void)!record_said(q, &t, said, reason, err->message, &ignored);
        return BS_FAILED;
    }
    if (t.state != BS_TICKET_PENDING) /* others must approve, too */
        bs_count(verdict == BS_DECIDE_APPROVE ? BS_COUNT_APPROVED : BS_COUNT_DENIED);
    return answer_ticket(q, &t, a, err);
}

static enum bs_done
approve_ticket(struct bs_request *q, struct bs_answer *a, struct bs_err *err)
{
    return decide(q, BS_DECIDE_APPROVE, a, err);
}

static enum bs_done
deny_ticket(struct bs_request *q, struct bs_answer *a, struct bs_err *err)
{
    return decide(q, BS_DECIDE_DENY, a, err);
}

static enum bs_done
comment_ticket(struct bs_request *q, struct bs_answer *a, struct bs_err *err)
{
    const char *text;
    struct bs_ticket t;

    if (read_words(q, "text", &text, err) != BS_DONE ||
        bs_ticket_get(q->gateway->tickets, q->name, q->arena, &t, err) != BS_DONE ||
        bs_ticket_comment(q->gateway->tickets, q->name, &q->by, text, err) != BS_DONE ||
        record_said(q, &t, BS_SAID_COMMENT, text, NULL, err) != BS_DONE)
        return BS_FAILED;
    return answer_ticket(q, &t, a, err);
}

/* --- evasion ------------------------------------------------------------------------------ */

/* Since the start. Who is in quarantine, the list of agents says. */
static enum bs_done
show_evasion(struct bs_request *q, struct bs_answer *a, struct bs_err *err)
{
    struct bs_evasion_counts n;

    (void)err;
    bs_evasion_count(q->gateway->evasion, &n);
    a->body = json_pack("{s:I, s:I, s:I, s:I}", "retries", (json_int_t)n.retries, "perhaps",
                        (json_int_t)n.maybe, "evasions", (json_int_t)n.sure, "quarantines",
                        (json_int_t)n.quarantines);
    return BS_DONE;
}

/* --- health ------------------------------------------------------------------------------- */

static enum bs_done
show_health(struct bs_request *q, struct bs_answer *a, struct bs_err *err)
{
    if (bs_audit_failed(q->gateway->audit))
        return BS_FAIL(err, UNAVAILABLE, "the audit log cannot be written");
    a->body = json_pack("{s:s}", "status", "ok");
    return BS_DONE;
}

/* May new clients be sent here? Not before the start is over, nor while it stops. */
static enum bs_done
show_ready(struct bs_request *q, struct bs_answer *a, struct bs_err *err)
{
    struct bs_gateway *g = q->gateway;
    struct bs_agent nobody;

    if (atomic_load(&g->stopping))
        return BS_FAIL(err, UNAVAILABLE, "the gateway is stopping");
    if (!atomic_load(&g->ready))
        return BS_FAIL(err, UNAVAILABLE, "the gateway is starting");
    if (bs_audit_failed(g->audit))
        return BS_FAIL(err, UNAVAILABLE, "the audit log cannot be written");
    if (bs_state_agent_get(g->state, "", q->arena, &nobody, err) != BS_DONE &&
        err->code != BS_E_NOT_FOUND)
        return BS_FAILED;
    *err = (struct bs_err){0};
    a->body = json_pack("{s:s}", "status", "ready");
    return BS_DONE;
}

static enum bs_done
show_metrics(struct bs_request *q, struct bs_answer *a, struct bs_err *err)
{
    struct bs_buf text;

    bs_buf_init(&text, METRICS_MAX);
    bs_put_fmt(&text,
               "# HELP backstop_info The version that runs\n# TYPE backstop_info gauge\n"
               "backstop_info{version=\"%s\"} 1\n"
               "# HELP backstop_sessions Clients that are logged in\n"
               "# TYPE backstop_sessions gauge\nbackstop_sessions %lld\n",
               BS_VERSION, (long long)bs_limits_sessions(q->gateway->limits));
    bs_metrics_put(&text);
    a->text = text.failed ? NULL : bs_arena_copy(q->arena, bs_buf_view(&text));
    bs_buf_fini(&text);
    return a->text != NULL ? BS_DONE : BS_FAIL(err, LIMIT, "the metrics are too long");
}

/* clang-format off */
static const struct route routes[] = {
    {"GET",  "/healthz",              BS_ROLE_NONE,     show_health},
    {"GET",  "/readyz",               BS_ROLE_NONE,     show_ready},
    {"GET",  "/metrics",              BS_ROLE_NONE,     show_metrics},
    {"GET",  "/v1/tickets",           BS_ROLE_VIEWER,   list_tickets},
    {"GET",  "/v1/tickets/*",         BS_ROLE_VIEWER,   show_ticket},
    {"POST", "/v1/tickets/*/approve", BS_ROLE_APPROVER, approve_ticket},
    {"POST", "/v1/tickets/*/deny",    BS_ROLE_APPROVER, deny_ticket},
    {"POST", "/v1/tickets/*/comment", BS_ROLE_APPROVER, comment_ticket},
    {"GET",  "/v1/captures",          BS_ROLE_VIEWER,   list_captures},
    {"GET",  "/v1/evasion",           BS_ROLE_VIEWER,   show_evasion},
};
/* clang-format on */

/* --- finding and guarding ----------------------------------------------------------------- */

/* Does the path match? What stands for "*" is copied out. */
static bool
path_matches(const char *pattern, const char *path, struct bs_arena *arena, const char **name)
{
    size_t n;

    *name = NULL;
    for (; *pattern != '\0'; pattern++) {
        if (*pattern != '*') {
            if (*path++ != *pattern)
                return false;
            continue;
        }
        n = strcspn(path, "/");
        if (n == 0)
            return false;
        *name = bs_arena_copy(arena, (struct bs_bytes){(const uint8_t *)path, n});
        path += n;
    }
    return *path == '\0';
}

static enum bs_done
authorise(struct bs_request *q, const struct route *route, struct bs_err *err)
{
    if (route->role == BS_ROLE_NONE)
        return BS_DONE;
    if (q->token == NULL) {
        (void)BS_FAIL(err, AUTH, "an operator's token is needed");
        bs_err_hint(err, "Send it as \"Authorization: Bearer TOKEN\".");
        return BS_FAILED;
    }
    if (bs_state_operator_find(q->gateway->state, q->token, q->arena, &q->by, err) != BS_DONE)
        return BS_FAILED;
    if (!bs_operator_may(&q->by, route->role))
        return BS_FAIL(err, FORBIDDEN, "this needs the role %s; \"%s\" is %s",
                       bs_role_name(route->role), q->by.name, bs_role_name(q->by.role));
    return BS_DONE;
}

static const struct route *
find_route(struct bs_request *q, bool *path_known)
{
    *path_known = false;
    for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++) {
        if (!path_matches(routes[i].path, q->path, q->arena, &q->name))
            continue;
        *path_known = true;
        if (strcmp(routes[i].method, q->method) == 0)
            return &routes[i];
    }
    return NULL;
}

void
bs_routes_serve(struct bs_request *q, struct bs_answer *a)
{
    struct bs_err err = {0};
    bool path_known;
    const struct route *route = find_route(q, &path_known);

    *a = (struct bs_answer){.status = 200};
    if (route == NULL && path_known) {
        (void)BS_FAIL(&err, USAGE, "this path does not take %.10s", q->method);
        a->status = 405;
    } else if (route == NULL) {
        (void)BS_FAIL(&err, NOT_FOUND, "there is nothing at this path");
    } else if (authorise(q, route, &err) == BS_DONE) {
        (void)!route->handler(q, a, &err);
    }
    if (err.code == BS_OK)
        return;
    json_decref(a->body);
    a->body = bs_show_problem(&err);
    if (a->status == 200)
        a->status = bs_code_get(err.code)->http_status;
}
