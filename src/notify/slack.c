/*
 * slack.c - a ticket as a message, from the JSON that a webhook would be sent.
 *
 * There is a button to approve only where the whole statement is in the message: nobody is to approve
 * what they were not shown the end of.
 */
#include "notify/slack.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "notify/text.h"

#define HEADER_MAX 140 /* bytes; Slack's limits are 150, 2000 and 3000 characters */
#define FIELD_MAX  300
#define TEXT_MAX   2800
#define EFFECTS    15 /* lines */
#define EFFECT_MAX 160

static const char *
text_of(const json_t *o, const char *name)
{
    const char *text = json_string_value(json_object_get(o, name));

    return text == NULL ? "" : text;
}

static json_t *
plain(struct bs_arena *arena, const char *text, size_t max)
{
    return json_pack("{s:s, s:s, s:b}", "type", "plain_text", "text",
                     bs_text_plain(arena, text, max, NULL), "emoji", 0);
}

static void
put_section(json_t *blocks, struct bs_arena *arena, const char *text)
{
    if (text != NULL && text[0] != '\0')
        (void)json_array_append_new(blocks, json_pack("{s:s, s:o}", "type", "section", "text",
                                                      plain(arena, text, TEXT_MAX)));
}

static void
put_field(json_t *fields, struct bs_arena *arena, const char *label, const char *text)
{
    const char *both = text[0] == '\0' ? NULL : bs_arena_fmt(arena, "%s\n%s", label, text);

    if (both != NULL)
        (void)json_array_append_new(fields, plain(arena, both, FIELD_MAX));
}

static const char *
first_kind(const json_t *ticket)
{
    const char *kind = json_string_value(json_array_get(json_object_get(ticket, "kinds"), 0));

    return kind == NULL ? "a statement" : kind;
}

/* --- the parts ----------------------------------------------------------------------------- */

static const char *
title_of(const char *state)
{
    static const char *const titles[][2] = {
        {"pending", "Approval needed"}, {"approved", "Approved"},
        {"denied", "Denied"},           {"expired", "Expired"},
        {"running", "Running"},         {"done", "Done"},
        {"failed", "Failed"},           {"uncertain", "Uncertain: it is not known whether it ran"}};

    for (size_t i = 0; i < sizeof(titles) / sizeof(titles[0]); i++) {
        if (strcmp(state, titles[i][0]) == 0)
            return titles[i][1];
    }
    return "Ticket";
}

static void
put_header(json_t *blocks, const json_t *t, struct bs_arena *arena)
{
    const char *text = bs_arena_fmt(arena, "%s: %s in %s", title_of(text_of(t, "state")),
                                    first_kind(t), text_of(t, "database"));

    (void)json_array_append_new(
        blocks, json_pack("{s:s, s:o}", "type", "header", "text",
                          plain(arena, text == NULL ? "Ticket" : text, HEADER_MAX)));
}

static void
put_fields(json_t *blocks, const json_t *t, struct bs_arena *arena)
{
    json_t *fields = json_array();

    put_field(fields, arena, "Agent", text_of(t, "actor"));
    put_field(fields, arena, "Owner", text_of(t, "owner"));
    put_field(fields, arena, "Database", text_of(t, "database"));
    put_field(fields, arena, "Environment", text_of(t, "environment"));
    put_field(fields, arena, "Role", text_of(t, "role"));
    put_field(fields, arena, "Client", text_of(t, "client"));
    put_field(fields, arena, "Risk", text_of(t, "risk"));
    put_field(fields, arena, "Ticket", text_of(t, "id"));
    put_field(fields, arena, "Decide by", text_of(t, "decide_by"));
    (void)json_array_append_new(blocks,
                                json_pack("{s:s, s:o}", "type", "section", "fields", fields));
}

/* "DELETE public.orders: 1200 rows (12.5 %)" */
static void
put_effect(struct bs_buf *out, const json_t *e, struct bs_arena *arena)
{
    const json_t *rows = json_object_get(e, "rows"), *share = json_object_get(e, "share");

    bs_put_fmt(out, "%s %s: ", text_of(e, "kind"),
               bs_text_plain(arena, text_of(e, "object"), EFFECT_MAX, NULL));
    if (rows != NULL)
        bs_put_fmt(out, "%" PRId64 " rows", (int64_t)json_integer_value(rows));
    else
        bs_put_str(out, "rows not measured");
    if (share != NULL)
        bs_put_fmt(out, " (%.1f %% of it)", 100 * json_number_value(share));
    if (strcmp(text_of(e, "reach"), "cascade") == 0)
        bs_put_str(out, ", by cascade");
    bs_put_str(out, "\n");
}

static void
put_effects(json_t *blocks, const json_t *t, struct bs_arena *arena)
{
    const json_t *all = json_object_get(t, "effects"), *e;
    struct bs_buf out;
    size_t i;

    bs_buf_init(&out, (size_t)64 * 1024);
    json_array_foreach(all, i, e)
    {
        if (i < EFFECTS)
            put_effect(&out, e, arena);
    }
    if (json_array_size(all) > EFFECTS)
        bs_put_fmt(&out, "and %zu more\n", json_array_size(all) - EFFECTS);
    bs_put_u8(&out, 0);
    if (!out.failed)
        put_section(blocks, arena, (const char *)out.p);
    bs_buf_fini(&out);
}

static void
put_undo(json_t *blocks, const json_t *t, struct bs_arena *arena)
{
    const json_t *plan = json_object_get(t, "recovery"), *left, *item;
    const char *kind = text_of(plan, "kind");
    struct bs_buf out;
    size_t i;

    if (plan == NULL)
        return;
    bs_buf_init(&out, (size_t)16 * 1024);
    left = json_object_get(plan, "not_covered");
    if (strcmp(kind, "none") == 0)
        bs_put_str(&out, "Undo: none. No recovery point is made.");
    else
        bs_put_fmt(&out, "Undo: a recovery point is made first (%s, proof: %s).", kind,
                   text_of(plan, "grade"));
    json_array_foreach(left, i, item)
        bs_put_fmt(&out, "%s%s", i == 0 ? "\nNot covered: " : ", ", json_string_value(item));
    bs_put_u8(&out, 0);
    if (!out.failed)
        put_section(blocks, arena, (const char *)out.p);
    bs_buf_fini(&out);
}

/* A text that Slack reads nothing into. True where it is there whole. */
static bool
put_code(json_t *blocks, const char *text, struct bs_arena *arena)
{
    const char *shown;
    bool cut;

    if (text[0] == '\0')
        return true;
    shown = bs_text_plain(arena, text, TEXT_MAX, &cut);
    (void)json_array_append_new(blocks,
                                json_pack("{s:s, s:[{s:s, s:[{s:s, s:s}]}]}", "type", "rich_text",
                                          "elements", "type", "rich_text_preformatted", "elements",
                                          "type", "text", "text", shown));
    if (cut)
        put_section(blocks, arena,
                    bs_arena_fmt(arena, "Cut: it has %zu bytes in all.", strlen(text)));
    return !cut;
}

/* "kim, lee" */
static const char *
names_of(const json_t *list, struct bs_arena *arena)
{
    const char *all = "";
    const json_t *item;
    size_t i;

    json_array_foreach(list, i, item)
    {
        all = bs_arena_fmt(arena, "%s%s%s", all, i == 0 ? "" : ", ", json_string_value(item));
        if (all == NULL)
            return "...";
    }
    return all;
}

static void
put_outcome(json_t *blocks, const json_t *t, struct bs_arena *arena)
{
    const json_t *some = json_object_get(t, "approved_by");

    if (some != NULL)
        put_section(
            blocks, arena,
            bs_arena_fmt(arena, "Approved so far by %s; more are needed.", names_of(some, arena)));
    if (text_of(t, "decided_by")[0] != '\0')
        put_section(blocks, arena,
                    bs_arena_fmt(arena, "Decided by %s at %s%s%s", text_of(t, "decided_by"),
                                 text_of(t, "decided"), text_of(t, "reason")[0] == '\0' ? "" : ": ",
                                 text_of(t, "reason")));
    if (text_of(t, "point")[0] != '\0')
        put_section(blocks, arena, bs_arena_fmt(arena, "Recovery point: %s", text_of(t, "point")));
}

/* --- buttons ------------------------------------------------------------------------------- */

static json_t *
button(const char *label, const char *style, const char *action, const char *ticket)
{
    return json_pack("{s:s, s:{s:s, s:s}, s:s, s:s, s:s,"
                     " s:{s:{s:s, s:s}, s:{s:s, s:s+}, s:{s:s, s:s}, s:{s:s, s:s}}}",
                     "type", "button", "text", "type", "plain_text", "text", label, "style", style,
                     "action_id", action, "value", ticket, "confirm", "title", "type", "plain_text",
                     "text", "Are you sure?", "text", "type", "plain_text", "text", "Ticket ",
                     ticket, "confirm", "type", "plain_text", "text", label, "deny", "type",
                     "plain_text", "text", "Back");
}

static void
put_buttons(json_t *blocks,
            const struct bs_config_notify *target,
            const json_t *t,
            bool whole,
            struct bs_arena *arena)
{
    const char *id = text_of(t, "id");
    json_t *buttons = json_array();
    const char *url = target->console == NULL
                          ? NULL
                          : bs_arena_fmt(arena, "%s/#/tickets/%s", target->console, id);

    if (strcmp(text_of(t, "state"), "pending") == 0 && target->signing_secret != NULL) {
        if (whole)
            (void)json_array_append_new(buttons,
                                        button("Approve", "primary", BS_SLACK_APPROVE, id));
        (void)json_array_append_new(buttons, button("Deny", "danger", BS_SLACK_DENY, id));
    }
    if (url != NULL)
        (void)json_array_append_new(buttons, json_pack("{s:s, s:{s:s, s:s}, s:s, s:s}", "type",
                                                       "button", "text", "type", "plain_text",
                                                       "text", "Open in the console", "action_id",
                                                       "backstop_open", "url", url));
    if (json_array_size(buttons) != 0)
        (void)json_array_append_new(
            blocks, json_pack("{s:s, s:O}", "type", "actions", "elements", buttons));
    json_decref(buttons);
}

/* --- messages ------------------------------------------------------------------------------ */

static void
put_ticket(json_t *blocks,
           const struct bs_config_notify *target,
           const json_t *t,
           struct bs_arena *arena)
{
    bool whole;

    put_header(blocks, t, arena);
    put_fields(blocks, t, arena);
    put_effects(blocks, t, arena);
    put_undo(blocks, t, arena);
    whole = put_code(blocks, text_of(t, "statement"), arena);
    whole = put_code(blocks, text_of(t, "parameters"), arena) && whole;
    put_outcome(blocks, t, arena);
    put_section(blocks, arena, text_of(t, "detail"));
    put_buttons(blocks, target, t, whole, arena);
}

/* "by: operator:kim" and so on, one a line. */
static void
put_other(json_t *blocks, const char *type, const json_t *data, struct bs_arena *arena)
{
    const char *name, *title = bs_arena_fmt(arena, "Backstop: %s", type);
    json_t *value;
    struct bs_buf out;

    (void)json_array_append_new(blocks,
                                json_pack("{s:s, s:o}", "type", "header", "text",
                                          plain(arena, title == NULL ? type : title, HEADER_MAX)));
    bs_buf_init(&out, (size_t)64 * 1024);
    json_object_foreach((json_t *)(uintptr_t)data, name, value)
    {
        if (json_is_string(value))
            bs_put_fmt(&out, "%s: %s\n", name, json_string_value(value));
        else if (json_is_boolean(value))
            bs_put_fmt(&out, "%s: %s\n", name, json_is_true(value) ? "yes" : "no");
    }
    bs_put_u8(&out, 0);
    if (!out.failed)
        put_section(blocks, arena, (const char *)out.p);
    bs_buf_fini(&out);
}

json_t *
bs_slack_message(const struct bs_config_notify *target, const json_t *body, struct bs_arena *arena)
{
    const json_t *data = json_object_get(body, "data"), *t = json_object_get(data, "ticket");
    json_t *blocks = json_array(), *o;
    const char *text;

    if (t != NULL) {
        put_ticket(blocks, target, t, arena);
        text = bs_arena_fmt(arena, "%s: %s, %s in %s", title_of(text_of(t, "state")),
                            text_of(t, "id"), text_of(t, "actor"), text_of(t, "database"));
    } else {
        put_other(blocks, text_of(body, "type"), data, arena);
        text = bs_arena_fmt(arena, "Backstop: %s", text_of(body, "type"));
    }
    o = json_pack("{s:s, s:o}", "text",
                  bs_text_slack(arena, text == NULL ? "Backstop" : text, FIELD_MAX), "blocks",
                  blocks);
    return o;
}

json_t *
bs_slack_reason_form(const char *trigger, const char *ticket, const char *verb, const char *about)
{
    return json_pack("{s:s, s:{s:s, s:s, s:s, s:{s:s, s:s}, s:{s:s, s:s}, s:{s:s, s:s},"
                     " s:[{s:s, s:s, s:{s:s, s:s++}, s:{s:s, s:s, s:b, s:i}}]}}",
                     "trigger_id", trigger, "view", "type", "modal", "callback_id", BS_SLACK_REASON,
                     "private_metadata", about, "title", "type", "plain_text", "text", "Say why",
                     "submit", "type", "plain_text", "text", verb, "close", "type", "plain_text",
                     "text", "Back", "blocks", "type", "input", "block_id", BS_SLACK_REASON,
                     "label", "type", "plain_text", "text", verb, " ticket ", ticket, "element",
                     "type", "plain_text_input", "action_id", BS_SLACK_REASON, "multiline", 1,
                     "max_length", 2000);
}
