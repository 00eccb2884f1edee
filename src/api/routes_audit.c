/*
 * routes_audit.c - what was asked, judged, decided and done.
 */
#include "api/handlers.h"
#include "api/page.h"
#include "audit/query.h"
#include "base/clock.h"
#include "policy/config.h"

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
