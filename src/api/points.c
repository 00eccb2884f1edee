/*
 * points.c - see points.h.
 */
#include "api/points.h"

#include <libpq-fe.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"

const char *
bs_point_outcome(const struct bs_point_ref *p)
{
    if (p->complete || p->outcome != BS_EVENT_NONE)
        return bs_event_name(p->outcome);
    return p->intended ? "unfinished" : "incomplete";
}

/* The latest word on its objects; what the capture proved where nobody has looked since. */
const char *
bs_point_proof(const struct bs_point_ref *p, const struct bs_manifest *m)
{
    if (p->proof != BS_EVENT_NONE)
        return bs_event_name(p->proof);
    return m == NULL || m->n_proofs == 0 ? "-" : m->proofs[m->n_proofs - 1].level;
}

int64_t
bs_point_rows(const struct bs_manifest *m)
{
    int64_t rows = 0;

    for (size_t i = 0; i < m->n_objects; i++)
        rows += m->objects[i].row_count;
    return rows;
}

int64_t
bs_point_bytes(const struct bs_manifest *m)
{
    int64_t bytes = m->schema.key == NULL ? 0 : m->schema.stored_bytes;

    for (size_t i = 0; i < m->n_objects; i++)
        bytes += m->objects[i].stored_bytes;
    return bytes;
}

static json_t *
tables_json(const struct bs_manifest *m)
{
    json_t *list = json_array();

    for (size_t i = 0; i < m->n_objects; i++) {
        const struct bs_point_object *o = &m->objects[i];
        (void)json_array_append_new(list, json_pack("{s:s,s:s,s:s*,s:I}", "schema", o->schema,
                                                    "name", o->name, "kind", o->kind, "rows",
                                                    (json_int_t)o->row_count));
    }
    return list;
}

/* One point of a list; `m` is NULL where the manifest is missing or damaged. */
json_t *
bs_point_entry_json(const struct bs_point_ref *p,
                    const struct bs_manifest *m,
                    const struct bs_err *err)
{
    char at[BS_TIME_TEXT];
    json_t *entry = json_pack("{s:s,s:s,s:s,s:b}", "point", p->id, "outcome", bs_point_outcome(p),
                              "proof", bs_point_proof(p, m), "restored", p->restored);

    (void)json_object_update_new(entry,
                                 json_pack("{s:b,s:b,s:b}", "held", p->held, "expired", p->expired,
                                           "erased", p->erased == BS_EVENT_ERASED));
    if (m == NULL) {
        (void)json_object_set_new(entry, "error", json_string(err->message));
        return entry;
    }
    bs_time_format(m->created_us, at);
    (void)json_object_update_new(
        entry, json_pack("{s:s,s:s,s:s,s:s*,s:s*,s:s*,s:s*,s:I,s:I,s:o}", "created_at", at,
                         "database", m->source.database, "mode", m->capture.mode, "kind",
                         m->statement.kind, "agent", m->actor.agent, "approver", m->actor.approver,
                         "ticket", m->actor.ticket, "rows", (json_int_t)bs_point_rows(m),
                         "stored_bytes", (json_int_t)bs_point_bytes(m), "tables", tables_json(m)));
    return entry;
}

/* Its manifest; what it was going to be where it has none. */
enum bs_done
bs_point_load(struct bs_store *store,
              const struct bs_point_ref *p,
              struct bs_arena *arena,
              struct bs_manifest *out,
              struct bs_err *err)
{
    if (!p->complete && p->intended)
        return bs_points_intent(store, p, arena, out, err);
    return bs_points_load(store, p, arena, out, err);
}

/* The manifest as JSON; its own text is the source, so nothing is left out. */
static json_t *
manifest_json(const struct bs_manifest *m)
{
    struct bs_buf text;
    struct bs_err err = {0};
    json_t *json = NULL;

    bs_buf_init(&text, BS_MANIFEST_MAX);
    if (bs_manifest_print(m, &text, NULL, &err) == BS_DONE)
        json = json_loadb((const char *)text.p, text.n, 0, NULL);
    bs_buf_fini(&text);
    return json == NULL ? json_null() : json;
}

static json_t *
events_json(const struct bs_point_event *e, size_t n)
{
    json_t *list = json_array();

    for (size_t i = 0; i < n; i++) {
        char at[BS_TIME_TEXT], xid[24] = "";
        json_t *details = e[i].details == NULL ? NULL : json_loads(e[i].details, 0, NULL);
        bs_time_format(e[i].at_us, at);
        if (e[i].xid != 0)
            (void)snprintf(xid, sizeof(xid), "%llu", (unsigned long long)e[i].xid);
        (void)json_array_append_new(list, json_pack("{s:s,s:s,s:s*,s:s*,s:o*}", "state",
                                                    bs_event_name(e[i].state), "at", at, "by",
                                                    e[i].by, "xid", xid[0] == '\0' ? NULL : xid,
                                                    "details", details));
    }
    return list;
}

/* All that is left of one that was erased. */
static enum bs_done
erased_json(struct bs_store *store,
            const struct bs_point_ref *p,
            struct bs_arena *arena,
            json_t **out,
            struct bs_err *err)
{
    struct bs_point_event *events = NULL;
    struct bs_point_erased e;
    char at[BS_TIME_TEXT];
    size_t n = 0;

    if (bs_points_erased(store, p, arena, &e, err) != BS_DONE ||
        bs_points_events(store, p, arena, &events, &n, err) != BS_DONE)
        return BS_FAILED;
    bs_time_format(e.at_us, at);
    *out =
        json_pack("{s:s,s:s,s:b,s:b,s:{s:s,s:s,s:s,s:b},s:o}", "point", p->id, "outcome",
                  bs_point_outcome(p), "held", p->held, "expired", p->expired, "erased", "by", e.by,
                  "at", at, "reason", e.reason, "done", e.done, "events", events_json(events, n));
    return BS_DONE;
}

enum bs_done
bs_point_json(struct bs_store *store,
              const struct bs_point_ref *p,
              struct bs_arena *arena,
              json_t **out,
              struct bs_err *err)
{
    struct bs_point_event *events = NULL;
    struct bs_manifest m;
    size_t n = 0;

    if (p->erased != BS_EVENT_NONE)
        return erased_json(store, p, arena, out, err);
    if (bs_point_load(store, p, arena, &m, err) != BS_DONE ||
        bs_points_events(store, p, arena, &events, &n, err) != BS_DONE)
        return BS_FAILED;
    *out = json_pack("{s:s,s:s,s:s,s:b,s:b,s:b,s:o,s:o}", "point", p->id, "outcome",
                     bs_point_outcome(p), "proof", bs_point_proof(p, &m), "restored", p->restored,
                     "held", p->held, "expired", p->expired, "manifest", manifest_json(&m),
                     "events", events_json(events, n));
    return BS_DONE;
}

/* Is the point in the folder "<oid>-<name>" of that database? */
bool
bs_point_in_database(const struct bs_point_ref *p, const char *name)
{
    char want[BS_KEY_MAX];
    const char *folder = strchr(p->dir + strlen("v1/"), '/');
    struct bs_buf segment;

    bs_buf_init(&segment, sizeof(want) - 1);
    bs_key_segment(&segment, name);
    (void)snprintf(want, sizeof(want), "-%.*s/", (int)segment.n, (const char *)segment.p);
    bs_buf_fini(&segment);
    folder = folder == NULL ? NULL : strchr(folder, '-');
    return folder != NULL && strncmp(folder, want, strlen(want)) == 0;
}

/*
 * The database on the server behind the name that actors use: the dbname of its helper. Where the
 * configuration has no such name, it is taken as the server's.
 */
const char *
bs_point_database(const struct bs_config *c, const char *name, struct bs_arena *arena)
{
    const struct bs_config_database *d = bs_config_database_find(c, name);
    PQconninfoOption *all = d == NULL ? NULL : PQconninfoParse(d->helper, NULL);
    const char *found = name;

    for (const PQconninfoOption *o = all; o != NULL && o->keyword != NULL; o++) {
        if (strcmp(o->keyword, "dbname") == 0 && o->val != NULL)
            found = bs_arena_str(arena, o->val);
    }
    PQconninfoFree(all);
    return found;
}
