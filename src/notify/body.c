/*
 * body.c - what is in it is chosen field by field: samples of rows, reasons of the policy and what a
 * server said are of the operators' page, not of somebody else's machine.
 */
#include "notify/body.h"

#include <string.h>

#include "base/clock.h"
#include "notify/text.h"

#define EFFECTS  100
#define TEXT_MAX 16384 /* bytes of a statement, of its parameters */

static void
put_text(json_t *o, const char *name, const char *text)
{
    if (text != NULL && text[0] != '\0')
        (void)json_object_set_new(o, name, json_string(text));
}

static void
put_time(json_t *o, const char *name, int64_t at_us)
{
    char text[BS_TIME_TEXT];

    if (at_us == 0)
        return;
    bs_time_format(at_us, text);
    (void)json_object_set_new(o, name, json_string(text));
}

/* Some members of an object, where they are there. */
static json_t *
part_of(const json_t *from, const char *const *names)
{
    json_t *o = json_object(), *value;

    for (size_t i = 0; names[i] != NULL; i++) {
        value = json_object_get(from, names[i]);
        if (value != NULL && !json_is_null(value))
            (void)json_object_set(o, names[i], value);
    }
    return o;
}

static bool
holds(const json_t *list, const char *text)
{
    const json_t *item;
    size_t i;

    json_array_foreach(list, i, item)
    {
        if (strcmp(json_string_value(item), text) == 0)
            return true;
    }
    return false;
}

static void
put_effects(json_t *o, const char *text)
{
    static const char *const names[] = {"kind",     "object", "reach",          "rows", "share",
                                        "measured", "part",   "estimated_rows", NULL};
    json_t *all = text == NULL ? NULL : json_loads(text, 0, NULL), *item;
    json_t *effects = json_array(), *kinds = json_array();
    size_t i;

    json_array_foreach(all, i, item)
    {
        const char *kind = json_string_value(json_object_get(item, "kind"));
        if (i < EFFECTS)
            (void)json_array_append_new(effects, part_of(item, names));
        if (kind != NULL && !holds(kinds, kind))
            (void)json_array_append_new(kinds, json_string(kind));
    }
    (void)json_object_set_new(o, "kinds", kinds);
    (void)json_object_set_new(o, "effects", effects);
    if (json_array_size(all) > EFFECTS)
        (void)json_object_set_new(o, "effects_more",
                                  json_integer((json_int_t)json_array_size(all) - EFFECTS));
    json_decref(all);
}

static void
put_recovery(json_t *o, const char *text)
{
    static const char *const names[] = {"kind",   "grade",       "estimated_bytes",
                                        "tables", "not_covered", NULL};
    json_t *plan = text == NULL ? NULL : json_loads(text, 0, NULL);

    if (plan != NULL)
        (void)json_object_set_new(o, "recovery", part_of(plan, names));
    json_decref(plan);
}

static void
put_approvals(json_t *o, const char *text)
{
    json_t *needs = text == NULL ? NULL : json_loads(text, 0, NULL);

    if (needs != NULL)
        (void)json_object_set_new(o, "approvals", needs);
}

/* What is longer is cut, and says so by how long it is. */
static void
put_cut(json_t *o, const char *name, const char *text, struct bs_arena *arena)
{
    size_t n = text == NULL ? 0 : strlen(text), kept = n < TEXT_MAX ? n : TEXT_MAX;
    const char *length = bs_arena_fmt(arena, "%s_bytes", name);

    while (kept != n && kept != 0 && ((uint8_t)text[kept] & 0xc0) == 0x80)
        kept--;
    if (n == 0)
        return;
    (void)json_object_set_new(o, name, json_stringn(text, kept));
    if (kept != n && length != NULL)
        (void)json_object_set_new(o, length, json_integer((json_int_t)n));
}

static void
put_statement(json_t *o, const struct bs_ticket *t, enum bs_notify_sql sql, struct bs_arena *arena)
{
    if (sql == BS_NOTIFY_SQL_SHAPE)
        put_cut(o, "statement", bs_text_shape(arena, t->sql), arena);
    if (sql != BS_NOTIFY_SQL_FULL)
        return;
    put_cut(o, "statement", t->sql, arena);
    put_cut(o, "parameters", t->params, arena);
    put_cut(o, "detail", t->detail, arena); /* may quote what the server said of a row */
}

/* Who has approved, where others have to, too. */
static void
put_approved_by(json_t *o, const struct bs_notify_about *about)
{
    json_t *names = json_array();

    for (size_t i = 0; i < about->n_said; i++) {
        if (about->said[i].said == BS_SAID_APPROVE && about->said[i].in_force)
            (void)json_array_append_new(names, json_string(about->said[i].operator_));
    }
    if (json_array_size(names) != 0)
        (void)json_object_set(o, "approved_by", names);
    json_decref(names);
}

static json_t *
ticket_json(const struct bs_notify_about *about, enum bs_notify_sql sql, struct bs_arena *arena)
{
    const struct bs_ticket *t = about->ticket;
    enum bs_ticket_state state = about->state;
    bool decided = state != BS_TICKET_PENDING && t->decided_us != 0;
    json_t *o = json_pack("{s:s, s:s}", "id", t->id, "state", bs_ticket_state_name(state));

    put_text(o, "actor", t->actor);
    put_text(o, "owner", t->owner);
    put_text(o, "database", t->database);
    put_text(o, "environment", t->environment);
    put_text(o, "role", t->role);
    put_text(o, "client", t->client);
    put_text(o, "risk", t->risk);
    put_effects(o, t->effects);
    put_recovery(o, t->plan);
    put_approvals(o, t->approvals);
    put_statement(o, t, sql, arena);
    put_time(o, "created", t->created_us);
    put_time(o, "decide_by", t->decide_by_us);
    if (state == BS_TICKET_PENDING)
        put_approved_by(o, about);
    if (decided) {
        put_time(o, "decided", t->decided_us);
        put_text(o, "decided_by", t->decided_by);
        put_text(o, "reason", t->reason);
        put_time(o, "redeem_by", t->redeem_by_us);
    }
    if (state == BS_TICKET_DONE || state == BS_TICKET_FAILED || state == BS_TICKET_UNCERTAIN) {
        put_time(o, "finished", t->finished_us);
        put_text(o, "point", t->point);
    }
    return o;
}

json_t *
bs_notify_body(const struct bs_delivery *d,
               const struct bs_notify_about *about,
               enum bs_notify_sql sql,
               struct bs_arena *arena)
{
    json_t *o = json_pack("{s:s}", "type", bs_notify_event_name(d->event)), *data;

    put_time(o, "timestamp", d->at_us);
    if (about->ticket != NULL) {
        data = json_pack("{s:o}", "ticket", ticket_json(about, sql, arena));
    } else {
        data = d->detail == NULL ? NULL : json_loads(d->detail, 0, NULL);
        if (!json_is_object(data)) {
            json_decref(data);
            data = json_object();
        }
        put_text(data, "subject", d->subject);
    }
    (void)json_object_set_new(o, "data", data);
    return o;
}
