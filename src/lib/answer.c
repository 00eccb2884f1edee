/*
 * answer.c - the SQLSTATE says what happened, the JSON beside it which ticket and what next. Where the JSON
 * is missing or broken, the SQLSTATE is enough to act on; where both are new, it is a refusal.
 */
#include "lib/answer.h"

#include <string.h>

#include "base/arena.h"
#include "base/clock.h"

#define MAX_DETAIL ((size_t)64 << 10)

struct backstop_answer {
    int outcome;
    json_t *json; /* an object, never changed; NULL: none came */
    char *message;
    int64_t expires_us; /* -1: not told */
};

static const struct {
    char sqlstate[6];
    int outcome;
} known[] = {
    {"ZB001", BACKSTOP_HELD},
    {"ZB002", BACKSTOP_DENIED},
    {"ZB003", BACKSTOP_EXPIRED},
    {"ZB004", BACKSTOP_NOT_RECOVERABLE},
    {"ZB005", BACKSTOP_NOT_RECOVERABLE},
    {"ZB006", BACKSTOP_PAUSED},
};

/* What a ticket's state keeps its statement from; what is not here keeps it from nothing. */
static const struct {
    const char *state;
    int outcome;
} states[] = {
    {"pending", BACKSTOP_HELD},
    {"denied", BACKSTOP_DENIED},
    {"expired", BACKSTOP_EXPIRED},
};

static const struct {
    const char *name;
    const char *retry; /* where the gateway does not say */
} outcomes[] = {
    [BACKSTOP_NONE] = {"None", NULL},
    [BACKSTOP_HELD] = {"Held", "same-statement"},
    [BACKSTOP_DENIED] = {"Denied", "never"},
    [BACKSTOP_EXPIRED] = {"Expired", "ask-again"},
    [BACKSTOP_NOT_RECOVERABLE] = {"NotRecoverable", "never"},
    [BACKSTOP_BLOCKED] = {"Blocked", "never"},
    [BACKSTOP_PAUSED] = {"Paused", "never"},
};

const char *
backstop_outcome_name(int outcome)
{
    bool is_one = outcome >= 0 && (size_t)outcome < sizeof(outcomes) / sizeof(outcomes[0]);

    return outcomes[is_one ? outcome : BACKSTOP_NONE].name;
}

static const char *
member(const backstop_answer *answer, const char *name)
{
    return answer == NULL ? NULL : json_string_value(json_object_get(answer->json, name));
}

/* An error's DETAIL, or the door's answer, where that is one. */
static json_t *
read_json(const char *text)
{
    json_t *json;

    if (text == NULL || text[0] != '{' || strnlen(text, MAX_DETAIL) == MAX_DETAIL)
        return NULL;
    json = json_loads(text, 0, NULL);
    if (json_is_integer(json_object_get(json, "v")))
        return json;
    json_decref(json);
    return NULL;
}

static backstop_answer *
answer_of(json_t *json)
{
    backstop_answer *a = bs_malloc(sizeof(*a));
    struct bs_err err = {0};
    const char *expires;

    *a = (backstop_answer){.json = json, .expires_us = -1};
    expires = member(a, "expires");
    if (expires != NULL && bs_time_parse(expires, &a->expires_us, &err) != BS_DONE)
        a->expires_us = -1;
    return a;
}

/* 42501 is PostgreSQL's own, too: only the gateway's has such a DETAIL. */
static int
outcome_of(const char *sqlstate, const backstop_answer *a)
{
    const char *state = member(a, "state");

    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        if (strcmp(sqlstate, known[i].sqlstate) == 0)
            return known[i].outcome;
    }
    if (strncmp(sqlstate, "ZB", 2) == 0)
        return BACKSTOP_BLOCKED;
    if (strcmp(sqlstate, "42501") == 0 && state != NULL && strcmp(state, "blocked") == 0)
        return BACKSTOP_BLOCKED;
    return BACKSTOP_NONE;
}

int
backstop_decode(const char *sqlstate,
                const char *message,
                const char *detail,
                backstop_answer **out,
                backstop_error **error)
{
    backstop_answer *a;

    if (error != NULL)
        *error = NULL;
    if (out != NULL)
        *out = NULL;
    if (out == NULL || sqlstate == NULL || strnlen(sqlstate, 6) != 5)
        return bs_lib_misused(
            "an SQLSTATE of five characters and a place for the answer are needed", error);
    a = answer_of(read_json(detail));
    a->message = bs_strdup(message);
    a->outcome = outcome_of(sqlstate, a);
    /* Whatever stands in the DETAIL of somebody else's error, we do not take it for the gateway's. */
    if (a->outcome == BACKSTOP_NONE) {
        json_decref(a->json);
        a->json = NULL;
        a->expires_us = -1;
    }
    *out = a;
    return BACKSTOP_OK;
}

enum bs_done
bs_lib_ticket_answer(const char *text, backstop_answer **out, struct bs_err *err)
{
    backstop_answer *a = answer_of(read_json(text));
    const char *state = member(a, "state");

    *out = NULL;
    if (state == NULL) {
        backstop_answer_free(a);
        return BS_FAIL(err, DATABASE, "the server's answer about the ticket cannot be read");
    }
    for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++) {
        if (strcmp(state, states[i].state) == 0)
            a->outcome = states[i].outcome;
    }
    *out = a;
    return BS_DONE;
}

bool
bs_lib_is_pending(const backstop_answer *answer)
{
    return answer->outcome == BACKSTOP_HELD;
}

void
backstop_answer_free(backstop_answer *answer)
{
    if (answer == NULL)
        return;
    json_decref(answer->json);
    free(answer->message);
    free(answer);
}

int
backstop_answer_outcome(const backstop_answer *answer)
{
    return answer == NULL ? BACKSTOP_NONE : answer->outcome;
}

const char *
backstop_answer_ticket(const backstop_answer *answer)
{
    return member(answer, "ticket");
}

const char *
backstop_answer_state(const backstop_answer *answer)
{
    return member(answer, "state");
}

const char *
backstop_answer_retry(const backstop_answer *answer)
{
    const char *said = member(answer, "retry");

    return answer == NULL || said != NULL ? said : outcomes[answer->outcome].retry;
}

int64_t
backstop_answer_expires(const backstop_answer *answer)
{
    return answer == NULL ? -1 : answer->expires_us;
}

const char *
backstop_answer_message(const backstop_answer *answer)
{
    return answer == NULL ? NULL : answer->message;
}

const char *
backstop_answer_kind(const backstop_answer *answer)
{
    return member(answer, "kind");
}

const char *
backstop_answer_point(const backstop_answer *answer)
{
    return member(answer, "point");
}

const char *
backstop_answer_reason(const backstop_answer *answer)
{
    return member(answer, "reason");
}
