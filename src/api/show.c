/*
 * show.c - fields are left out where there is nothing to say.
 */
#include "api/show.h"

#include <stdio.h>

#include "base/bytes.h"
#include "base/clock.h"

static void
put_text(json_t *o, const char *name, const char *text)
{
    if (text != NULL)
        json_object_set_new(o, name, json_string(text));
}

static void
put_time(json_t *o, const char *name, int64_t at_us)
{
    char text[BS_TIME_TEXT];

    if (at_us == 0)
        return;
    bs_time_format(at_us, text);
    json_object_set_new(o, name, json_string(text));
}

/* A text that is JSON itself. */
static void
put_json(json_t *o, const char *name, const char *text)
{
    json_t *value = text == NULL ? NULL : json_loads(text, JSON_DECODE_ANY, NULL);

    if (value != NULL)
        json_object_set_new(o, name, value);
}

json_t *
bs_show_ticket(const struct bs_ticket *t)
{
    json_t *o = json_pack("{s:s, s:s}", "id", t->id, "state", bs_ticket_state_name(t->state));

    put_text(o, "actor", t->actor);
    put_text(o, "owner", t->owner);
    put_text(o, "database", t->database);
    put_text(o, "environment", t->environment);
    put_text(o, "role", t->role);
    put_text(o, "session", t->session);
    put_text(o, "client", t->client);
    put_text(o, "sql", t->sql);
    put_text(o, "params", t->params);
    put_text(o, "risk", t->risk);
    put_json(o, "effects", t->effects);
    put_json(o, "plan", t->plan);
    put_json(o, "reasons", t->reasons);
    put_json(o, "evades", t->evades);
    put_json(o, "approvals", t->approvals);
    put_json(o, "claims", t->claims);
    put_time(o, "created", t->created_us);
    put_time(o, "decide_by", t->decide_by_us);
    put_time(o, "decided", t->decided_us);
    put_text(o, "decided_by", t->decided_by);
    put_text(o, "reason", t->reason);
    put_time(o, "redeem_by", t->redeem_by_us);
    put_time(o, "started", t->started_us);
    put_time(o, "finished", t->finished_us);
    put_text(o, "detail", t->detail);
    put_text(o, "point", t->point);
    json_object_set_new(o, "asked", json_integer(t->asked));
    return o;
}

static json_t *
texts(const char *const *list, size_t n)
{
    json_t *out = json_array();

    for (size_t i = 0; i < n; i++)
        json_array_append_new(out, json_string(list[i]));
    return out;
}

static json_t *
decision(const struct bs_said_row *said)
{
    json_t *o = json_pack("{s:s, s:s}", "operator", said->operator_, "decision",
                          said->said == BS_SAID_APPROVE ? "approve" : "deny");

    put_time(o, "at", said->at_us);
    put_text(o, "reason", said->text);
    json_object_set_new(o, "groups", texts(said->groups, said->n_groups));
    if (!said->in_force) /* revoked since, or no approver any more */
        json_object_set_new(o, "counts", json_false());
    return o;
}

static json_t *
comment(const struct bs_said_row *said)
{
    json_t *o = json_pack("{s:s}", "operator", said->operator_);

    put_time(o, "at", said->at_us);
    put_text(o, "text", said->text);
    return o;
}

static json_t *
glass(const struct bs_glass *g)
{
    json_t *o = json_pack("{s:s, s:s}", "operator", g->operator_, "reason", g->reason);

    put_time(o, "at", g->at_us);
    put_text(o, "reviewed_by", g->reviewed_by);
    put_time(o, "reviewed", g->reviewed_us);
    put_text(o, "note", g->note);
    if (!g->in_force) /* revoked since, or no admin any more */
        json_object_set_new(o, "counts", json_false());
    return o;
}

json_t *
bs_show_review(const struct bs_glass *g)
{
    json_t *o = glass(g);

    put_text(o, "ticket", g->ticket);
    put_text(o, "actor", g->actor);
    put_text(o, "database", g->database);
    put_text(o, "state", bs_ticket_state_name(g->state));
    return o;
}

void
bs_show_standing(json_t *ticket, const struct bs_standing *s)
{
    json_t *decisions = json_array(), *comments = json_array(), *missing = json_array();

    for (size_t i = 0; i < s->n_said; i++) {
        if (s->said[i].said == BS_SAID_COMMENT)
            json_array_append_new(comments, comment(&s->said[i]));
        else
            json_array_append_new(decisions, decision(&s->said[i]));
    }
    json_object_set_new(ticket, "decisions", decisions);
    json_object_set_new(ticket, "comments", comments);
    if (s->glass != NULL)
        json_object_set_new(ticket, "break_glass", glass(s->glass));
    for (size_t i = 0; i < s->n_needs; i++) {
        const struct bs_standing_need *n = &s->needs[i];
        if (n->have >= n->need->quorum)
            continue;
        json_array_append_new(missing,
                              json_pack("{s:I, s:I, s:o, s:o}", "quorum",
                                        (json_int_t)n->need->quorum, "have", (json_int_t)n->have,
                                        "groups", texts(n->need->groups, n->need->n_groups),
                                        "could", texts(n->could, n->n_could)));
    }
    json_object_set_new(ticket, "missing", missing);
}

/* A message may quote what it cut in the middle of a character. */
static void
put_message(json_t *o, const char *name, const char *message)
{
    char text[sizeof(((struct bs_err *)0)->message)];

    (void)snprintf(text, sizeof(text), "%s", message);
    for (size_t i = 0; !bs_utf8_valid(bs_bytes_of(text)) && text[i] != '\0'; i++) {
        if ((text[i] & 0x80) != 0)
            text[i] = '?';
    }
    put_text(o, name, text);
}

json_t *
bs_show_problem(const struct bs_err *err)
{
    const struct bs_code_info *info = bs_code_get(err->code);
    json_t *o = json_pack("{s:s+, s:s, s:i, s:s, s:b}", "type", "urn:backstop:problem:", info->name,
                          "title", info->text, "status", info->http_status, "code", info->name,
                          "retryable", (int)info->retryable);

    put_message(o, "detail", err->message);
    if (err->hint[0] != '\0')
        put_message(o, "hint", err->hint);
    return o;
}
