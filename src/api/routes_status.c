/*
 * routes_status.c - how the gateway is, what it does now, and what it can be asked.
 */
#include "api/handlers.h"
#include "approval/evasion.h"
#include "audit/record.h"
#include "base/metrics.h"
#include "gateway/limits.h"
#include "gateway/progress.h"
#include "gateway/standing.h"

#define METRICS_MAX  (1024 * 1024)
#define METRICS_TYPE "text/plain; version=0.0.4; charset=utf-8"

static const char openapi[] = {
#include "openapi.inc"
    0,
};

enum bs_done
bs_on_openapi(struct bs_request *q, struct bs_answer *a, struct bs_err *err)
{
    (void)q;
    (void)err;
    a->text = bs_strdup(openapi);
    a->type = "application/json";
    return BS_DONE;
}

enum bs_done
bs_on_health(struct bs_request *q, struct bs_answer *a, struct bs_err *err)
{
    if (bs_audit_failed(q->gateway->audit))
        return BS_FAIL(err, UNAVAILABLE, "the audit log cannot be written");
    a->body = json_pack("{s:s}", "status", "ok");
    return BS_DONE;
}

/* May new clients be sent here? Not before the start is over, nor while it stops. */
enum bs_done
bs_on_ready(struct bs_request *q, struct bs_answer *a, struct bs_err *err)
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

static void
put_pauses(struct bs_gateway *g, struct bs_buf *text)
{
    size_t n[BS_PAUSE_EVERYTHING + 1];

    bs_standings_count(g->standings, n);
    bs_put_fmt(text, "# HELP backstop_pauses What operators have paused\n"
                     "# TYPE backstop_pauses gauge\n");
    for (int scope = BS_PAUSE_ACTOR; scope <= BS_PAUSE_EVERYTHING; scope++)
        bs_put_fmt(text, "backstop_pauses{scope=\"%s\"} %zu\n",
                   bs_pause_scope_name((enum bs_pause_scope)scope), n[scope]);
}

/* Left out where the state does not answer. */
static void
put_reviews(struct bs_gateway *g, struct bs_buf *text)
{
    struct bs_err ignored = {0};
    int64_t n;

    if (bs_state_glass_open(g->state, &n, &ignored) == BS_DONE)
        bs_put_fmt(text,
                   "# HELP backstop_reviews_open Tickets that were approved by breaking the glass,"
                   " and that nobody has reviewed\n"
                   "# TYPE backstop_reviews_open gauge\nbackstop_reviews_open %lld\n",
                   (long long)n);
}

/* The same. How much waits for each target, and what was given up. */
static void
put_notify(struct bs_request *q, struct bs_buf *text)
{
    struct bs_notify_count *list;
    struct bs_err ignored = {0};
    size_t n;

    if (bs_state_notify_count(q->gateway->state, q->arena, &list, &n, &ignored) != BS_DONE ||
        n == 0)
        return;
    bs_put_fmt(text, "# HELP backstop_notify_deliveries What people were not told yet, by target\n"
                     "# TYPE backstop_notify_deliveries gauge\n");
    for (size_t i = 0; i < n; i++)
        bs_put_fmt(text,
                   "backstop_notify_deliveries{target=\"%s\",state=\"waiting\"} %lld\n"
                   "backstop_notify_deliveries{target=\"%s\",state=\"given_up\"} %lld\n",
                   list[i].target, (long long)list[i].waiting, list[i].target,
                   (long long)list[i].dead);
    bs_put_fmt(text, "# HELP backstop_notify_dropped_total Events that were not kept, for too many "
                     "waited\n# TYPE backstop_notify_dropped_total counter\n");
    for (size_t i = 0; i < n; i++)
        bs_put_fmt(text, "backstop_notify_dropped_total{target=\"%s\"} %lld\n", list[i].target,
                   (long long)list[i].dropped);
}

enum bs_done
bs_on_metrics(struct bs_request *q, struct bs_answer *a, struct bs_err *err)
{
    struct bs_buf text;

    bs_buf_init(&text, METRICS_MAX);
    bs_put_fmt(&text,
               "# HELP backstop_info The version that runs\n# TYPE backstop_info gauge\n"
               "backstop_info{version=\"%s\"} 1\n"
               "# HELP backstop_sessions Clients that are logged in\n"
               "# TYPE backstop_sessions gauge\nbackstop_sessions %lld\n",
               BS_VERSION, (long long)bs_limits_sessions(q->gateway->limits));
    put_pauses(q->gateway, &text);
    put_reviews(q->gateway, &text);
    put_notify(q, &text);
    bs_metrics_put(&text);
    bs_put_u8(&text, 0);
    a->text = text.failed ? NULL : bs_strdup((const char *)text.p);
    a->type = METRICS_TYPE;
    bs_buf_fini(&text);
    return a->text != NULL ? BS_DONE : BS_FAIL(err, LIMIT, "the metrics are too long");
}

/* What is being captured now, also for statements that nobody was asked about, and snapshots. */
enum bs_done
bs_on_captures(struct bs_request *q, struct bs_answer *a, struct bs_err *err)
{
    (void)err;
    a->body = json_pack("{s:o}", "captures", bs_progress_all(q->gateway->progress));
    return BS_DONE;
}

/* Since the start. Who is in quarantine, the list of agents says. */
enum bs_done
bs_on_evasion(struct bs_request *q, struct bs_answer *a, struct bs_err *err)
{
    struct bs_evasion_counts n;

    (void)err;
    bs_evasion_count(q->gateway->evasion, &n);
    a->body = json_pack("{s:I, s:I, s:I, s:I}", "retries", (json_int_t)n.retries, "perhaps",
                        (json_int_t)n.maybe, "evasions", (json_int_t)n.sure, "quarantines",
                        (json_int_t)n.quarantines);
    return BS_DONE;
}
