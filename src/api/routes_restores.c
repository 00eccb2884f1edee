/*
 * routes_restores.c - the way back, step by step: see restores.h.
 */
#include <stdlib.h>
#include <string.h>

#include "api/handlers.h"
#include "api/page.h"
#include "api/restores.h"
#include "audit/record.h"
#include "base/clock.h"
#include "recovery/points.h"
#include "restore/configured.h"
#include "restore/planned.h"

#define RETRY_S 10

/* Begun, and where to look at it. */
static enum bs_done
accepted(struct bs_request *q, struct bs_answer *a, enum bs_done done, const struct bs_err *err)
{
    if (done != BS_DONE) {
        a->retry_s = err->code == BS_E_TOO_OFTEN ? RETRY_S : 0;
        return BS_FAILED;
    }
    a->status = 202;
    a->location = bs_arena_fmt(q->arena, "/v1/restores/%s",
                               json_string_value(json_object_get(a->body, "id")));
    return BS_DONE;
}

enum bs_done
bs_on_restores(struct bs_request *q, struct bs_answer *a, struct bs_err *err)
{
    struct bs_restores_filter filter = {.point = bs_request_param(q, "point"),
                                        .state = bs_request_param(q, "state")};
    struct bs_page page;
    json_t *list, *last;

    if (bs_page_take(q, &page, err) != BS_DONE)
        return BS_FAILED;
    if (filter.state != NULL && !bs_restores_state(filter.state))
        return BS_FAIL(err, USAGE, "there is no state \"%.40s\" of a restore", filter.state);
    filter.before = page.after;
    filter.limit = page.limit + 1;
    list = bs_restores_list(q->api->restores, &filter);
    a->body = json_pack("{s:o}", "restores", list);
    if (json_array_size(list) <= page.limit)
        return BS_DONE;
    (void)json_array_remove(list, page.limit);
    last = json_array_get(list, page.limit - 1);
    bs_page_next(a, q, json_string_value(json_object_get(last, "id")));
    return BS_DONE;
}

enum bs_done
bs_on_restore(struct bs_request *q, struct bs_answer *a, struct bs_err *err)
{
    return bs_restores_show(q->api->restores, q->name, &a->body, err);
}

enum bs_done
bs_on_restore_begin(struct bs_request *q, struct bs_answer *a, struct bs_err *err)
{
    struct bs_restores_ask ask = {
        .database = bs_request_string(q, "database"),
        .table = bs_request_string(q, "table"),
        .where = bs_request_string(q, "where"),
    };
    struct bs_point_ref p;

    if (ask.database != NULL && bs_config_database_find(q->gateway->config, ask.database) == NULL)
        return BS_FAIL(err, DATA, "the configuration has no database \"%.100s\"", ask.database);
    if (bs_points_find(q->gateway->store, bs_request_string(q, "point"), q->arena, &p, err) !=
        BS_DONE)
        return BS_FAILED;
    ask.point = p.id;
    return accepted(
        q, a, bs_restores_begin(q->api->restores, &ask, q->json, q->by.name, &a->body, err), err);
}

static enum bs_done
next(struct bs_request *q, enum bs_back_step step, struct bs_answer *a, struct bs_err *err)
{
    return accepted(q, a,
                    bs_restores_next(q->api->restores, q->name, step,
                                     bs_request_string(q, "digest"), q->json, q->by.name, &a->body,
                                     err),
                    err);
}

enum bs_done
bs_on_restore_run(struct bs_request *q, struct bs_answer *a, struct bs_err *err)
{
    return next(q, BS_BACK_RUN, a, err);
}

enum bs_done
bs_on_restore_diff(struct bs_request *q, struct bs_answer *a, struct bs_err *err)
{
    return next(q, BS_BACK_DIFF, a, err);
}

enum bs_done
bs_on_restore_plan(struct bs_request *q, struct bs_answer *a, struct bs_err *err)
{
    return next(q, BS_BACK_PLAN, a, err);
}

/* Said at once, where it is known at once; the step looks again. */
static enum bs_done
check_approved(struct bs_request *q, struct bs_err *err)
{
    struct bs_restore_plan row;
    struct bs_err none = {0};

    if (q->gateway->config->restore_approval != BS_CONFIG_RESTORE_SECOND ||
        bs_state_plan_get(q->gateway->state, bs_request_string(q, "digest"), q->arena, &row,
                          &none) != BS_DONE ||
        row.approved_us != 0)
        return BS_DONE;
    (void)BS_FAIL(err, HELD, "nobody has approved the plan");
    bs_err_hint(err, "another operator sends POST .../approve");
    return BS_FAILED;
}

enum bs_done
bs_on_restore_copy_back(struct bs_request *q, struct bs_answer *a, struct bs_err *err)
{
    if (check_approved(q, err) != BS_DONE)
        return BS_FAILED;
    return next(q, BS_BACK_COPY_BACK, a, err);
}

enum bs_done
bs_on_restore_discard(struct bs_request *q, struct bs_answer *a, struct bs_err *err)
{
    return next(q, BS_BACK_DISCARD, a, err);
}

/* --- agreeing ------------------------------------------------------------------------------ */

/* The database is not asked: what would be done then is compared when it is done. */
static enum bs_done
approve(struct bs_request *q, const struct bs_planfile *p, struct bs_err *err)
{
    struct bs_restore_request request = {
        .store = q->gateway->store,
        .point = p->point,
        .by = q->by.name,
        .audit = q->gateway->audit,
        .where = p->where,
    };
    struct bs_restore r = {0};
    enum bs_done done = bs_restore_open(&request, &r, err);

    if (done == BS_DONE)
        done = bs_planfile_check_point(&r, p, err);
    if (done == BS_DONE)
        done = bs_planned_approve(&r, q->gateway->state, p, q->by.name,
                                  bs_request_string(q, "reason"), err);
    bs_restore_close(&r);
    return done;
}

enum bs_done
bs_on_restore_approve(struct bs_request *q, struct bs_answer *a, struct bs_err *err)
{
    struct bs_planfile p = {0};
    enum bs_done done = BS_FAILED;
    char *text = NULL;

    if (q->gateway->config->restore_approval != BS_CONFIG_RESTORE_SECOND)
        return BS_FAIL(err, CONFLICT, "nobody needs to approve a plan here: restore.approval");
    if (bs_restores_plan(q->api->restores, q->name, &text, err) == BS_DONE)
        done = bs_planfile_read(bs_bytes_of(text), &p, err);
    if (done == BS_DONE && strcmp(p.sha256, bs_request_string(q, "digest")) != 0)
        done = BS_FAIL(err, CHANGED, "the plan is another one by now");
    if (done == BS_DONE)
        done = approve(q, &p, err);
    if (done == BS_DONE)
        done = bs_restores_agreed(q->api->restores, q->name, q->by.name, &a->body, err);
    bs_planfile_fini(&p);
    free(text);
    return done;
}

/* --- calling off --------------------------------------------------------------------------- */

static enum bs_done
record_cancel(struct bs_request *q,
              const json_t *shown,
              const char *outcome,
              const char *why,
              struct bs_err *err)
{
    struct bs_audit_record record = {
        .kind = BS_AUDIT_RESTORE,
        .operator_ = q->by.name,
        .database = json_string_value(json_object_get(shown, "database")),
        .ticket = json_string_value(json_object_get(shown, "ticket")),
        .point = json_string_value(json_object_get(shown, "point")),
        .action = "cancel",
        .subject = json_string_value(json_object_get(shown, "step")),
        .outcome = outcome,
        .text = why,
    };

    return bs_audit_write(q->gateway->audit, &record, NULL, err);
}

enum bs_done
bs_on_restore_cancel(struct bs_request *q, struct bs_answer *a, struct bs_err *err)
{
    struct bs_err ignored = {0};
    json_t *before = NULL;
    bool ended = false;
    enum bs_done done = bs_restores_show(q->api->restores, q->name, &before, err);

    if (done == BS_DONE)
        done = record_cancel(q, before, "started", NULL, err);
    if (done == BS_DONE) {
        done = bs_restores_cancel(q->api->restores, q->name, &a->body, &ended, err);
        (void)!record_cancel(q, before, done == BS_DONE ? "done" : "failed",
                             done == BS_DONE ? NULL : err->message, &ignored);
    }
    json_decref(before);
    a->status = ended ? 200 : 202;
    return done;
}

/* --- results ------------------------------------------------------------------------------- */

/* Its tables, a page of them. */
static enum bs_done
cut_tables(struct bs_request *q,
           const struct bs_page *page,
           json_t *result,
           struct bs_answer *a,
           struct bs_err *err)
{
    json_t *all = json_object_get(result, "tables"), *some;
    size_t from = 0, n = json_array_size(all);

    if (page->after != NULL) {
        for (const char *p = page->after; *p >= '0' && *p <= '9' && from <= n; p++)
            from = from * 10 + (size_t)(*p - '0');
        if (page->after[strspn(page->after, "0123456789")] != '\0' || from >= n)
            return BS_FAIL(err, USAGE, "this is no cursor of ours");
    }
    if (n <= page->limit)
        return BS_DONE;
    some = json_array();
    for (size_t i = from; i < n && i - from < page->limit; i++)
        (void)json_array_append(some, json_array_get(all, i));
    if (from + page->limit < n)
        bs_page_next(a, q, bs_arena_fmt(q->arena, "%zu", from + page->limit));
    (void)json_object_set_new(result, "tables", some);
    return BS_DONE;
}

enum bs_done
bs_on_restore_result(struct bs_request *q, struct bs_answer *a, struct bs_err *err)
{
    const char *step = bs_request_param(q, "step"), *name = NULL;
    enum bs_back_step known;
    struct bs_page page;
    json_t *result;

    if (step != NULL && !bs_back_find(step, &known))
        return BS_FAIL(err, USAGE, "there is no step \"%.40s\" of a restore", step);
    if (bs_page_take(q, &page, err) != BS_DONE ||
        bs_restores_result(q->api->restores, q->name, step, &name, &result, err) != BS_DONE)
        return BS_FAILED;
    a->body = json_pack("{s:s, s:o}", "step", name, "result", result);
    return cut_tables(q, &page, result, a, err);
}

/* --- rows ---------------------------------------------------------------------------------- */

enum bs_done
bs_on_restore_rows(struct bs_request *q, struct bs_answer *a, struct bs_err *err)
{
    struct bs_beside ask = {.table = bs_request_param(q, "table")};
    struct bs_beside_page rows = {0};
    struct bs_page page;
    json_t *about = NULL;
    enum bs_done done;

    if (bs_page_take(q, &page, err) != BS_DONE ||
        bs_restores_show(q->api->restores, q->name, &about, err) != BS_DONE)
        return BS_FAILED;
    ask.after = page.after;
    ask.limit = page.limit;
    if (json_object_get(about, "subject") == NULL)
        done = BS_FAIL(err, CONFLICT, "it has no preview: begin another restore");
    else
        done = bs_back_rows(
            &(struct bs_back_job){
                .gateway = q->gateway,
                .step = BS_BACK_RUN,
                .point = json_string_value(json_object_get(about, "point")),
                .database = json_string_value(json_object_get(about, "database")),
                .by = q->by.name,
                .subject = json_object_get(about, "subject"),
            },
            &ask, &rows, err);
    a->body = rows.rows;
    if (done == BS_DONE && rows.next[0] != '\0')
        bs_page_next(a, q, rows.next);
    json_decref(about);
    return done;
}
