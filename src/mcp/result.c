/*
 * result.c - see result.h.
 */
#include "mcp/result.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"

#define NEXT_HELD                                                                                  \
    "A person has to approve it. Call backstop_ticket with this ticket and a wait; once it is "    \
    "approved, call backstop_run_approved with it."

json_t *
bs_mcp_result(json_t *structured, const char *text, bool is_error)
{
    char *dumped = text == NULL ? json_dumps(structured, JSON_COMPACT) : NULL;
    json_t *result = json_pack("{s:[{s:s,s:o}],s:o,s:b}", "content", "type", "text", "text",
                               bs_mcp_string(text == NULL ? dumped : text), "structuredContent",
                               structured, "isError", (int)is_error);

    free(dumped);
    return result;
}

bool
bs_mcp_result_is_completed(const json_t *result)
{
    const json_t *structured = json_object_get(result, "structuredContent");
    const char *status = json_string_value(json_object_get(structured, "status"));

    return status != NULL && strcmp(status, "completed") == 0;
}

json_t *
bs_mcp_result_failed(const char *sqlstate, const char *message, const char *hint)
{
    char text[1200];
    json_t *error =
        json_pack("{s:s*,s:o}", "sqlstate", sqlstate, "message", bs_mcp_string(message));

    if (hint != NULL && hint[0] != '\0')
        (void)json_object_set_new(error, "hint", bs_mcp_string(hint));
    (void)snprintf(text, sizeof(text), "ERROR%s%s: %s", sqlstate == NULL ? "" : " ",
                   sqlstate == NULL ? "" : sqlstate, message);
    return bs_mcp_result(json_pack("{s:s,s:o}", "status", "failed", "error", error), text, true);
}

json_t *
bs_mcp_result_err(const struct bs_err *err)
{
    return bs_mcp_result_failed(bs_err_sqlstate(err), err->message, err->hint);
}

json_t *
bs_mcp_said_detail(const struct bs_mcp_said *said)
{
    json_t *detail =
        said->detail == NULL ? NULL : json_loads(said->detail, JSON_REJECT_DUPLICATES, NULL);

    if (json_is_object(detail))
        return detail;
    json_decref(detail);
    return NULL;
}

static json_t *
held(const json_t *detail)
{
    const char *ticket = json_string_value(json_object_get(detail, "ticket"));
    const char *expires = json_string_value(json_object_get(detail, "expires"));
    json_t *structured = json_pack("{s:s,s:s*,s:s*,s:s}", "status", "pending_approval", "ticket",
                                   ticket, "expires", expires, "next", NEXT_HELD);
    char text[512];

    (void)snprintf(text, sizeof(text), "Held: nothing has run. Ticket %s%s%s. %s",
                   ticket == NULL ? "?" : ticket, expires == NULL ? "" : ", which expires at ",
                   expires == NULL ? "" : expires, NEXT_HELD);
    return bs_mcp_result(structured, text, false);
}

/* Of each end that an operator or the policy has set: what is told of it, and what is next. */
static const struct {
    const char *sqlstate;
    const char *reason;
    const char *next;
} refusals[] = {
    {"ZB002", "An operator denied it.", "Do not ask for this again. Tell the user."},
    {"ZB003", "The approval is used up or has expired.",
     "If it is still wanted, call backstop_query with the statement again: it needs a new "
     "approval."},
    {"ZB004", "No recovery point of what it destroys could be made. Nothing was changed.",
     "Tell the user: an operator has to look at this."},
    {"ZB005", "It was rolled back: it changed more than could be kept. Nothing was changed.",
     "Tell the user: an operator has to look at this."},
    {"ZB006", "This agent or this database is paused.",
     "Stop. Tell the user: an operator has to let it go on."},
    {"42501", "It is not allowed here.", "Do not ask for this again. Tell the user."},
};

/* 42501 is PostgreSQL's own, too: ours has a DETAIL. */
static bool
is_ours(const struct bs_mcp_said *said, const json_t *detail)
{
    return strncmp(said->sqlstate, "ZB", 2) == 0 ||
           (strcmp(said->sqlstate, "42501") == 0 && json_object_get(detail, "state") != NULL);
}

static json_t *
refused(const struct bs_mcp_said *said)
{
    const char *reason = "It is refused.";
    const char *next = "Tell the user.";
    char text[400];

    for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
        if (strcmp(refusals[i].sqlstate, said->sqlstate) == 0) {
            reason = refusals[i].reason;
            next = refusals[i].next;
        }
    }
    (void)snprintf(text, sizeof(text), "Refused: %s %s", reason, next);
    return bs_mcp_result(
        json_pack("{s:s,s:s,s:s}", "status", "refused", "reason", reason, "next", next), text,
        false);
}

/* Of each state of a ticket: what is next. */
static const struct {
    const char *state;
    const char *status;
    const char *text; /* what it means; of a refusal: its reason */
    const char *next;
} states[] = {
    {"pending", "pending_approval", "It waits for a person.", NEXT_HELD},
    {"approved", "completed", "It is approved.",
     "Call backstop_run_approved with this ticket: it runs once."},
    {"running", "completed", "It is running.", "Call backstop_ticket again with a wait."},
    {"done", "completed", "It has run. The approval is used up.", "Nothing: it is done."},
    {"failed", "refused", "It was approved and failed when it ran. The approval is used up.",
     "If it is still wanted, call backstop_query with the statement again: it needs a new "
     "approval."},
    {"uncertain", "refused", "It was sent, and it is not known whether it ran.",
     "Look at the data before anything else, and tell the user."},
    {"denied", "refused", "An operator denied it.", "Do not ask for this again. Tell the user."},
    {"expired", "refused", "The time for it is over.",
     "If it is still wanted, call backstop_query with the statement again: it needs a new "
     "approval."},
};

/* NULL where it is none. */
static json_t *
text_of(const json_t *object, const char *name)
{
    json_t *value = json_object_get(object, name);

    return json_is_string(value) ? value : NULL;
}

json_t *
bs_mcp_result_ticket(const json_t *ticket)
{
    const char *state = json_string_value(json_object_get(ticket, "state"));
    const char *id = json_string_value(json_object_get(ticket, "ticket"));
    size_t n = sizeof(states) / sizeof(states[0]), i = 0;
    char text[500];

    while (i < n && state != NULL && strcmp(states[i].state, state) != 0)
        i++;
    if (state == NULL || i == n)
        return bs_mcp_result_failed("08P01", "the gateway's answer cannot be read", NULL);
    (void)snprintf(text, sizeof(text), "Ticket %s: %s %s", id == NULL ? "?" : id, states[i].text,
                   states[i].next);
    return bs_mcp_result(json_pack("{s:s,s:s*,s:s,s:s*,s:O*,s:O*,s:O*,s:s}", "status",
                                   states[i].status, "ticket", id, "state", state, "reason",
                                   strcmp(states[i].status, "refused") == 0 ? states[i].text : NULL,
                                   "expires", text_of(ticket, "expires"), "point",
                                   text_of(ticket, "point"), "operator_said",
                                   text_of(ticket, "reason"), "next", states[i].next),
                         text, false);
}

static void
put_line(struct bs_buf *b, const char *head, const char *text)
{
    if (text != NULL)
        bs_put_fmt(b, "\n%s: %s", head, text);
}

static json_t *
failed(const struct bs_mcp_said *said)
{
    json_t *error = json_pack("{s:s*,s:s,s:s*,s:s*}", "sqlstate",
                              said->sqlstate[0] == '\0' ? NULL : said->sqlstate, "message",
                              said->message, "detail", said->detail, "hint", said->hint);
    json_t *result;
    struct bs_buf b;

    if (error == NULL) /* a server's text that is no UTF-8 */
        return bs_mcp_result_failed(said->sqlstate, "the server's message cannot be read", NULL);
    if (said->position > 0)
        (void)json_object_set_new(error, "position", json_integer(said->position));
    bs_buf_init(&b, 65536);
    bs_put_fmt(&b, "ERROR %s: %s", said->sqlstate, said->message);
    put_line(&b, "DETAIL", said->detail);
    put_line(&b, "HINT", said->hint);
    if (said->position > 0)
        bs_put_fmt(&b, "\nPOSITION: %ld", said->position);
    bs_put_u8(&b, 0);
    result = bs_mcp_result(json_pack("{s:s,s:o}", "status", "failed", "error", error),
                           b.failed ? said->message : (const char *)b.p, true);
    bs_buf_fini(&b);
    return result;
}

json_t *
bs_mcp_result_said(const struct bs_mcp_said *said)
{
    json_t *detail = bs_mcp_said_detail(said);
    json_t *result;

    if (strcmp(said->sqlstate, "ZB001") == 0)
        result = held(detail);
    else if (is_ours(said, detail))
        result = refused(said);
    else
        result = failed(said);
    json_decref(detail);
    return result;
}
