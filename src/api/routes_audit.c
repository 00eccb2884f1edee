/*
 * routes_audit.c - what was asked, judged, decided and done.
 */
#include <limits.h>
#include <stdio.h>

#include "api/handlers.h"
#include "api/page.h"
#include "api/verified.h"
#include "audit/logs.h"
#include "audit/query.h"
#include "base/clock.h"
#include "policy/config.h"

#define VERIFY_RETRY_S 5

static enum bs_done
take_time(const struct bs_request *q, const char *name, int64_t *out, struct bs_err *err)
{
    const char *text = bs_request_param(q, name);

    return text == NULL ? BS_DONE : bs_time_parse(text, out, err);
}

enum bs_done
bs_on_audit(struct bs_request *q, struct bs_answer *a, struct bs_err *err)
{
    struct bs_audit_query query = {
        .kind = bs_request_param(q, "kind"),
        .actor = bs_request_param(q, "actor"),
        .operator_ = bs_request_param(q, "operator"),
        .database = bs_request_param(q, "database"),
        .ticket = bs_request_param(q, "ticket"),
        .point = bs_request_param(q, "point"),
        .session = bs_request_param(q, "session"),
        .risk = bs_request_param(q, "risk"),
        .table = bs_request_param(q, "table"),
    };
    struct bs_page page;
    const char *next;
    json_t *list;

    if (bs_page_take(q, &page, err) != BS_DONE ||
        take_time(q, "from", &query.from_us, err) != BS_DONE ||
        take_time(q, "until", &query.until_us, err) != BS_DONE)
        return BS_FAILED;
    query.before = page.after;
    query.limit = page.limit;
    if (bs_audit_find(q->gateway->config->audit_directory, &query, q->arena, &list, &next, err) !=
        BS_DONE)
        return BS_FAILED;
    a->body = json_pack("{s:o}", "records", list);
    if (next != NULL)
        bs_page_next(a, q, next);
    return BS_DONE;
}

/* --- is it whole? -------------------------------------------------------------------------- */

static enum bs_done
verify(struct bs_request *q, const struct bs_audit_logs *logs, json_t **out, struct bs_err *err)
{
    const char *directory = q->gateway->config->audit_directory;
    struct bs_verified *all = bs_arena_array(q->arena, logs->n + 1, sizeof(*all));

    if (all == NULL)
        return BS_FAIL(err, LIMIT, "there are too many logs");
    for (size_t i = 0; i < logs->n; i++) {
        char path[PATH_MAX];
        all[i].log = logs->names[i];
        (void)snprintf(path, sizeof(path), "%s%s%s", directory,
                       logs->names[i][0] == '\0' ? "" : "/", logs->names[i]);
        if (bs_audit_verify(path, NULL, &all[i].v, err) != BS_DONE)
            return BS_FAILED;
    }
    *out = bs_verified_json(all, logs->n);
    return BS_DONE;
}

/* Reads all that is here, so only one does it at a time. A chain that was made anew, hashes and all,
 * is found by its signatures: the public key for them is not with the gateway. */
enum bs_done
bs_on_audit_verify(struct bs_request *q, struct bs_answer *a, struct bs_err *err)
{
    struct bs_audit_logs logs = {0};
    enum bs_done done;

    if (atomic_exchange(&q->api->verifying, true)) {
        a->retry_s = VERIFY_RETRY_S;
        return BS_FAIL(err, TOO_OFTEN, "the audit is being verified already");
    }
    done = bs_audit_logs_list(q->gateway->config->audit_directory, &logs, err);
    if (done == BS_DONE)
        done = verify(q, &logs, &a->body, err);
    bs_audit_logs_fini(&logs);
    atomic_store(&q->api->verifying, false);
    return done;
}
