/*
 * routes_tickets.c - held statements: seen, approved, denied, commented.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/events.h"
#include "api/handlers.h"
#include "api/negotiate.h"
#include "api/page.h"
#include "api/show.h"
#include "approval/decision.h"
#include "approval/glass.h"
#include "audit/record.h"
#include "base/log.h"
#include "base/metrics.h"
#include "gateway/progress.h"

#define ETAG_DIGITS    32 /* of the digest of what is shown */
#define SEEN_TEXT      48
#define STREAM_RETRY_S 30
#define LIST_MAX       (64u << 20) /* bytes of a page; a statement has 16 MB at most */

static enum bs_done
take_filter(struct bs_request *q, struct bs_ticket_filter *filter, struct bs_err *err)
{
    const char *state = bs_request_param(q, "state");
    enum bs_ticket_state one;

    filter->actor = bs_request_param(q, "actor");
    filter->database = bs_request_param(q, "database");
    if (state == NULL || strcmp(state, "all") == 0)
        return BS_DONE;
    one = bs_ticket_state_find(state);
    if (one == BS_TICKET_NONE)
        return BS_FAIL(err, USAGE, "there is no ticket state \"%.40s\"", state);
    filter->states = 1u << one;
    return BS_DONE;
}

/* As many as fit, with whether there are more: an agent could else hide the others by long texts. */
static enum bs_done
list_some(struct bs_request *q,
          struct bs_ticket_filter *filter,
          struct bs_arena *arena,
          struct bs_ticket **list,
          size_t *n,
          struct bs_err *err)
{
    while (bs_ticket_list(q->gateway->tickets, filter, arena, list, n, err) != BS_DONE) {
        if (err->code != BS_E_LIMIT || filter->limit <= 2)
            return BS_FAILED;
        *err = (struct bs_err){0};
        bs_arena_reset(arena);
        filter->limit = filter->limit / 2 + filter->limit % 2;
    }
    return BS_DONE;
}

static void
show_page(
    struct bs_request *q, const struct bs_ticket *list, size_t n, size_t limit, struct bs_answer *a)
{
    json_t *shown;

    a->body = json_pack("{s:[]}", "tickets");
    shown = json_object_get(a->body, "tickets");
    for (size_t i = 0; i < n && i < limit; i++)
        (void)json_array_append_new(shown, bs_show_ticket(&list[i]));
    if (n > limit)
        bs_page_next(a, q, list[limit - 1].id);
}

enum bs_done
bs_on_tickets(struct bs_request *q, struct bs_answer *a, struct bs_err *err)
{
    struct bs_ticket_filter filter = {.whole = true};
    struct bs_ticket *list;
    struct bs_arena arena;
    struct bs_page page;
    enum bs_done done;
    size_t n;

    if (take_filter(q, &filter, err) != BS_DONE || bs_page_take(q, &page, err) != BS_DONE)
        return BS_FAILED;
    filter.before = page.after;
    filter.limit = page.limit + 1;
    bs_arena_init(&arena, "tickets", LIST_MAX);
    done = list_some(q, &filter, &arena, &list, &n, err);
    if (done == BS_DONE)
        show_page(q, list, n, filter.limit - 1, a);
    bs_arena_fini(&arena);
    return done;
}

/* What a decision depends on begins the entity tag: the ticket's version, which each decision
 * changes, and how much was said. How often it was asked for, and which operators there are, is
 * told to whoever reads, and does not stop a decision. */
static void
seen_of(const struct bs_ticket *t, const struct bs_standing *standing, char out[SEEN_TEXT])
{
    (void)snprintf(out, SEEN_TEXT, "\"%lld.%zu.", (long long)t->version, standing->n_said);
}

/* The ticket, who has decided, who is missing, and how far its capture is. */
static enum bs_done
answer_ticket(struct bs_request *q,
              const struct bs_ticket *t,
              struct bs_answer *a,
              struct bs_err *err)
{
    struct bs_standing standing;
    char digest[BS_SHA256_TEXT], seen[SEEN_TEXT];
    json_t *progress;
    char *text;

    if (bs_ticket_standing(q->gateway->tickets, t, q->arena, &standing, err) != BS_DONE)
        return BS_FAILED;
    a->body = bs_show_ticket(t);
    bs_show_standing(a->body, &standing);
    if (t->state != BS_TICKET_PENDING)
        (void)json_object_del(a->body, "missing");
    progress = t->state == BS_TICKET_RUNNING ? bs_progress_of(q->gateway->progress, t->id) : NULL;
    if (progress != NULL)
        (void)json_object_set_new(a->body, "progress", progress);
    text = json_dumps(a->body, JSON_COMPACT);
    bs_assert(text != NULL);
    bs_sha256_text(text, digest);
    free(text);
    seen_of(t, &standing, seen);
    a->etag = bs_arena_fmt(q->arena, "%s%.*s\"", seen, ETAG_DIGITS, digest);
    return BS_DONE;
}

enum bs_done
bs_on_ticket(struct bs_request *q, struct bs_answer *a, struct bs_err *err)
{
    struct bs_ticket t;

    if (bs_ticket_get(q->gateway->tickets, q->name, q->arena, &t, err) != BS_DONE)
        return BS_FAILED;
    return answer_ticket(q, &t, a, err);
}

/* What happens to tickets from now on, or since Last-Event-ID. */
enum bs_done
bs_on_events(struct bs_request *q, struct bs_answer *a, struct bs_err *err)
{
    struct bs_watcher who = {0};
    enum bs_done done;

    (void)snprintf(who.token_sha256, sizeof(who.token_sha256), "%s",
                   q->cookie != NULL ? q->login.token_sha256 : q->token_sha256);
    (void)snprintf(who.cookie, sizeof(who.cookie), "%s", q->cookie != NULL ? q->cookie : "");
    done =
        bs_stream_open(q->api->events, &who, q->header(q->ctx, "Last-Event-ID"), &a->stream, err);
    bs_wipe(&who, sizeof(who));
    if (done != BS_DONE)
        a->retry_s = STREAM_RETRY_S;
    return done;
}

/* If-Match: has it changed since the operator looked? */
static enum bs_done
check_match(const struct bs_request *q, const struct bs_ticket *t, struct bs_err *err)
{
    const char *sent = q->header(q->ctx, "If-Match");
    struct bs_standing standing;
    char seen[SEEN_TEXT];

    if (sent == NULL)
        return BS_DONE;
    if (bs_ticket_standing(q->gateway->tickets, t, q->arena, &standing, err) != BS_DONE)
        return BS_FAILED;
    seen_of(t, &standing, seen);
    if (bs_etag_in(sent, seen))
        return BS_DONE;
    return BS_FAIL(err, CHANGED, "ticket %s is not as it was: it is %s", t->id,
                   bs_ticket_state_name(t->state));
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
        .client = q->via,
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

enum bs_done
bs_decide_as(struct bs_request *q,
             enum bs_decide verdict,
             const char *reason,
             struct bs_ticket *out,
             struct bs_err *err)
{
    enum bs_said said = verdict == BS_DECIDE_APPROVE ? BS_SAID_APPROVE : BS_SAID_DENY;
    struct bs_err ignored = {0};
    struct bs_ticket t;

    if (bs_ticket_get(q->gateway->tickets, q->name, q->arena, &t, err) != BS_DONE ||
        check_match(q, &t, err) != BS_DONE ||
        record_said(q, &t, said, reason, NULL, err) != BS_DONE)
        return BS_FAILED;
    if (bs_ticket_decide(q->gateway->tickets, q->name, &q->by, verdict, reason, q->arena, &t,
                         err) != BS_DONE) {
        (void)!record_said(q, &t, said, reason, err->message, &ignored);
        return BS_FAILED;
    }
    if (t.state != BS_TICKET_PENDING) /* others must approve, too */
        bs_count(verdict == BS_DECIDE_APPROVE ? BS_COUNT_APPROVED : BS_COUNT_DENIED);
    *out = t;
    return BS_DONE;
}

static enum bs_done
decide(struct bs_request *q, enum bs_decide verdict, struct bs_answer *a, struct bs_err *err)
{
    const char *reason = bs_request_string(q, "reason");
    struct bs_ticket t;

    return bs_decide_as(q, verdict, reason, &t, err) == BS_DONE ? answer_ticket(q, &t, a, err)
                                                                : BS_FAILED;
}

enum bs_done
bs_on_approve(struct bs_request *q, struct bs_answer *a, struct bs_err *err)
{
    return decide(q, BS_DECIDE_APPROVE, a, err);
}

enum bs_done
bs_on_deny(struct bs_request *q, struct bs_answer *a, struct bs_err *err)
{
    return decide(q, BS_DECIDE_DENY, a, err);
}

enum bs_done
bs_on_comment(struct bs_request *q, struct bs_answer *a, struct bs_err *err)
{
    const char *text = bs_request_string(q, "text");
    struct bs_err ignored = {0};
    struct bs_ticket t;

    if (bs_ticket_get(q->gateway->tickets, q->name, q->arena, &t, err) != BS_DONE ||
        record_said(q, &t, BS_SAID_COMMENT, text, NULL, err) != BS_DONE)
        return BS_FAILED;
    if (bs_ticket_comment(q->gateway->tickets, q->name, &q->by, text, err) != BS_DONE) {
        (void)!record_said(q, &t, BS_SAID_COMMENT, text, err->message, &ignored);
        return BS_FAILED;
    }
    return answer_ticket(q, &t, a, err);
}

/* --- broken glass ------------------------------------------------------------------------- */

/* Louder than a decision: a record of a kind of its own, and a warning in the log. */
static enum bs_done
record_glass(struct bs_request *q,
             const struct bs_ticket *t,
             const char *action,
             const char *words,
             const char *failed,
             struct bs_err *err)
{
    const struct bs_audit_record record = {
        .kind = BS_AUDIT_BREAK_GLASS,
        .actor = t->actor,
        .owner = t->owner,
        .operator_ = q->by.name,
        .database = t->database,
        .ticket = t->id,
        .point = t->point,
        .risk = t->risk,
        .action = action,
        .outcome = failed == NULL ? NULL : "failed",
        .text = failed == NULL ? words : failed,
    };

    return bs_audit_write(q->gateway->audit, &record, NULL, err);
}

/* The quorum is waived, and nothing else: it is measured, kept and proven as ever. */
enum bs_done
bs_on_break_glass(struct bs_request *q, struct bs_answer *a, struct bs_err *err)
{
    const char *reason = bs_request_string(q, "reason");
    struct bs_err ignored = {0};
    struct bs_ticket t;

    if (bs_ticket_get(q->gateway->tickets, q->name, q->arena, &t, err) != BS_DONE ||
        check_match(q, &t, err) != BS_DONE ||
        record_glass(q, &t, "break", reason, NULL, err) != BS_DONE)
        return BS_FAILED;
    if (bs_glass_break(q->gateway->tickets, q->name, &q->by, reason, q->arena, &t, err) !=
        BS_DONE) {
        (void)!record_glass(q, &t, "break", reason, err->message, &ignored);
        return BS_FAILED;
    }
    bs_count(BS_COUNT_GLASS_BROKEN);
    BS_LOG(WARNING, "the glass was broken: a statement goes through without its approvals",
           BS_F_STR("ticket", t.id), BS_F_STR("operator", q->by.name), BS_F_STR("actor", t.actor),
           BS_F_STR("database", t.database));
    return answer_ticket(q, &t, a, err);
}

enum bs_done
bs_on_review(struct bs_request *q, struct bs_answer *a, struct bs_err *err)
{
    const char *note = bs_request_string(q, "note");
    struct bs_err ignored = {0};
    struct bs_ticket t;

    if (bs_ticket_get(q->gateway->tickets, q->name, q->arena, &t, err) != BS_DONE ||
        record_glass(q, &t, "review", note, NULL, err) != BS_DONE)
        return BS_FAILED;
    if (bs_glass_review(q->gateway->tickets, q->name, &q->by, note, err) != BS_DONE) {
        (void)!record_glass(q, &t, "review", note, err->message, &ignored);
        return BS_FAILED;
    }
    return answer_ticket(q, &t, a, err);
}

enum bs_done
bs_on_reviews(struct bs_request *q, struct bs_answer *a, struct bs_err *err)
{
    const char *state = bs_request_param(q, "state");
    struct bs_glass_filter filter = {.open = true};
    struct bs_glass *list;
    struct bs_page page;
    json_t *shown;
    size_t n;

    if (state != NULL && strcmp(state, "open") != 0 && strcmp(state, "all") != 0)
        return BS_FAIL(err, USAGE, "\"state\" is open or all");
    if (bs_page_take(q, &page, err) != BS_DONE)
        return BS_FAILED;
    filter.open = state == NULL || strcmp(state, "open") == 0;
    filter.before = page.after;
    filter.limit = page.limit + 1;
    if (bs_state_glass_list(q->gateway->state, &filter, q->arena, &list, &n, err) != BS_DONE)
        return BS_FAILED;
    a->body = json_pack("{s:[]}", "reviews");
    shown = json_object_get(a->body, "reviews");
    for (size_t i = 0; i < n && i < page.limit; i++)
        (void)json_array_append_new(shown, bs_show_review(&list[i]));
    if (n > page.limit)
        bs_page_next(a, q, list[page.limit - 1].ticket);
    return BS_DONE;
}
