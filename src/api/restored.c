/*
 * restored.c - what a restore has found out and done, step by step.
 */
#include "api/restored.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

/* --- preview ------------------------------------------------------------------------------- */

bool
bs_restored_by_cascade(const struct bs_point_dependent *d)
{
    static const char own[] = "\"_RETURN\" on ";

    return !d->part && strncmp(d->identity, own, sizeof(own) - 1) != 0;
}

int64_t
bs_restored_dump_rows(const struct bs_point_database *db)
{
    int64_t rows = 0;

    for (size_t i = 0; i < db->n_counted; i++)
        rows += db->counted[i].rows;
    return rows;
}

static json_t *
preview_tables_json(const struct bs_preview *p)
{
    json_t *list = json_array();

    for (size_t i = 0; i < p->n_tables; i++) {
        const struct bs_preview_table *t = &p->tables[i];
        const struct bs_point_object *o = t->object;
        json_t *entry =
            json_pack("{s:s,s:s,s:s,s:s,s:I,s:I,s:I}", "schema", o->schema, "name", o->name, "kind",
                      o->kind, "reach", o->reach, "rows", (json_int_t)o->row_count, "bytes",
                      (json_int_t)o->raw_bytes, "stored_bytes", (json_int_t)o->stored_bytes);
        if (p->database) {
            (void)json_object_set_new(entry, "exists", json_boolean(t->live.exists));
            (void)json_object_set_new(entry, "moved", bs_restored_moved(&t->live));
        }
        if (t->live_rows >= 0)
            (void)json_object_set_new(entry, "live_rows", json_integer(t->live_rows));
        (void)json_object_set_new(entry, "partial", json_boolean(o->partial));
        if (o->partial) {
            (void)json_object_set_new(entry, "replaced", json_integer(o->replaced));
            (void)json_object_set_new(entry, "inserted", json_integer(o->inserted));
        }
        if (t->diff != NULL) {
            (void)json_object_set_new(entry, "now", bs_restored_part(t->diff));
            (void)json_object_set_new(entry, "examples", bs_restored_examples(t->diff));
            (void)json_object_set_new(entry, "foreseen",
                                      bs_restored_foreseen(t->foreseen, t->n_foreseen));
        }
        if (t->diff != NULL && t->diff->chosen)
            (void)json_object_set_new(entry, "chosen", json_integer(t->diff->saved_rows));
        (void)json_array_append_new(list, entry);
    }
    return list;
}

static json_t *
sequences_json(const struct bs_preview *p)
{
    json_t *list = json_array();

    for (size_t i = 0; i < p->n_sequences; i++) {
        const struct bs_counter_pair *c = &p->sequences[i];
        json_t *entry =
            json_pack("{s:s,s:s,s:I,s:b}", "schema", c->saved->schema, "name", c->saved->name,
                      "saved", (json_int_t)c->saved->last_value, "exists", c->live.exists);
        if (c->live.exists)
            (void)json_object_set_new(entry, "live", json_integer(c->live.last_value));
        (void)json_array_append_new(list, entry);
    }
    return list;
}

static json_t *
siblings_json(const struct bs_preview *p)
{
    json_t *list = json_array();

    for (size_t i = 0; i < p->n_siblings; i++)
        (void)json_array_append_new(list, json_string(p->siblings[i].id));
    return list;
}

static json_t *
closure_json(const struct bs_manifest *m)
{
    json_t *list = json_array();

    for (size_t i = 0; i < m->n_closure; i++) {
        if (bs_restored_by_cascade(&m->closure[i]))
            (void)json_array_append_new(list, json_pack("{s:s,s:s}", "type", m->closure[i].type,
                                                        "identity", m->closure[i].identity));
    }
    return list;
}

static json_t *
dropped_json(const struct bs_point_database *db)
{
    return json_pack("{s:s,s:I,s:I,s:I,s:I}", "name", db->name, "bytes", (json_int_t)db->bytes,
                     "stored_bytes", (json_int_t)db->dump.stored_bytes, "tables",
                     (json_int_t)db->n_counted, "rows", (json_int_t)bs_restored_dump_rows(db));
}

json_t *
bs_restored_preview(const struct bs_restore *r, const struct bs_preview *p, const char *unreached)
{
    const struct bs_manifest *m = &r->manifest;
    char at[BS_TIME_TEXT];
    json_t *json;

    bs_time_format(m->created_us, at);
    json = json_pack("{s:s,s:s,s:s,s:s,s:s*,s:s*,s:s*,s:s*,s:s*,s:b}", "point", m->id, "created_at",
                     at, "database", m->source.database, "outcome", bs_event_name(r->ref.outcome),
                     "kind", m->statement.kind, "statement", m->statement.text, "agent",
                     m->actor.agent, "owner", m->actor.owner, "approver", m->actor.approver,
                     "definition", m->schema.key != NULL);
    (void)json_object_set_new(json, "tables", preview_tables_json(p));
    (void)json_object_set_new(json, "columns", bs_restored_columns(&p->columns));
    (void)json_object_set_new(json, "cascade", closure_json(m));
    (void)json_object_set_new(json, "mode", json_string(m->capture.mode));
    (void)json_object_set_new(json, "sequences", sequences_json(p));
    (void)json_object_set_new(json, "cluster", bs_restored_globals(p->globals, p->n_globals));
    if (m->n_databases != 0)
        (void)json_object_set_new(json, "dropped_database", dropped_json(m->databases));
    (void)json_object_set_new(json, "same_transaction", siblings_json(p));
    (void)json_object_set_new(json, "conflicts", bs_restored_texts(p->conflicts, p->n_conflicts));
    (void)json_object_set_new(json, "definitions", bs_restored_changes(&p->changes));
    (void)json_object_set_new(json, "cannot", bs_restored_texts(p->cannot, p->n_cannot));
    (void)json_object_set_new(json, "proof",
                              json_pack("{s:s,s:s,s:I,s:I}", "result", "ok", "level",
                                        p->read_again ? "read-back" : "stored", "objects",
                                        (json_int_t)p->proof.objects, "rows",
                                        (json_int_t)p->proof.rows));
    if (unreached != NULL)
        (void)json_object_set_new(json, "unreached", json_string(unreached));
    return json;
}

/* --- rebuild and discard ------------------------------------------------------------------ */

/* What was found out about the rebuilt rows; what does not hold would stop a copy-back. */
static json_t *
validation_json(const struct bs_restore *r, const struct bs_rebuilt *t)
{
    return json_pack("{s:b,s:s,s:b,s:s,s:o}", "rows", 1, "row_hash",
                     r->request.where == NULL ? "equal" : "of all rows", "primary_key", t->key,
                     "constraints", t->live ? "of the live table" : "not looked at: it is gone",
                     "broken", bs_restored_foreseen(t->broken, t->n_broken));
}

json_t *
bs_restored_rebuild(const struct bs_restore *r, const struct bs_rebuild *b)
{
    json_t *list = json_array();

    for (size_t i = 0; i < b->n_tables; i++) {
        const struct bs_rebuilt *t = &b->tables[i];
        (void)json_array_append_new(
            list,
            json_pack("{s:s,s:s,s:s,s:s,s:I,s:I,s:b,s:f,s:o}", "schema", t->object->schema, "name",
                      t->object->name, "into_schema", t->schema, "into_name", t->name, "rows",
                      (json_int_t)t->rows, "bytes", (json_int_t)t->bytes, "primary_key", t->key,
                      "seconds", (double)t->took_us / 1e6, "validation", validation_json(r, t)));
    }
    return json_pack("{s:s,s:o}", "point", r->manifest.id, "tables", list);
}

json_t *
bs_restored_discard(const struct bs_restore *r, const struct bs_discard *d)
{
    return json_pack("{s:s,s:o,s:s*}", "point", r->manifest.id, "dropped",
                     bs_restored_texts(d->dropped, d->n_dropped), "kept", d->kept);
}

/* --- copy-back ----------------------------------------------------------------------------- */

json_t *
bs_restored_globals(const struct bs_global_change *list, size_t n)
{
    json_t *out = json_array();

    for (size_t i = 0; i < n; i++)
        (void)json_array_append_new(out, json_pack("{s:s,s:s,s:s*,s:s*}", "what", list[i].what,
                                                   "name", list[i].name, "statement", list[i].shown,
                                                   "why", list[i].why));
    return out;
}

static json_t *
copyback_tables_json(const struct bs_copyback *c)
{
    json_t *list = json_array();

    for (size_t i = 0; i < c->n_tables; i++) {
        const struct bs_copyback_table *t = &c->tables[i];
        (void)json_array_append_new(
            list,
            json_pack("{s:s,s:s,s:b,s:I,s:I,s:I,s:I,s:I,s:I}", "schema",
                      t->diff.live.object->schema, "name", t->diff.live.object->name, "rebuilt",
                      !t->diff.live.exists, "inserted", (json_int_t)t->inserted, "updated",
                      (json_int_t)t->updated, "skipped", (json_int_t)(t->diff.changed - t->updated),
                      "extra", (json_int_t)t->diff.extra, "removed", (json_int_t)t->removed, "made",
                      (json_int_t)(t->diff.made - t->removed)));
    }
    return list;
}

/* Nothing can write rows into a materialized view; of one that was refreshed the point has the old. */
bool
bs_restored_beside(const struct bs_point_object *o)
{
    return o->relkind == 'm' && o->format != BS_ROWS_NONE && o->kind != NULL &&
           strcmp(o->kind, "REFRESH MATERIALIZED VIEW") == 0;
}

static json_t *
beside_json(const struct bs_manifest *m)
{
    json_t *list = json_array();

    for (size_t i = 0; i < m->n_objects; i++) {
        if (bs_restored_beside(&m->objects[i]))
            (void)json_array_append_new(
                list, json_pack("{s:s,s:s,s:I}", "schema", m->objects[i].schema, "name",
                                m->objects[i].name, "rows", (json_int_t)m->objects[i].row_count));
    }
    return list;
}

json_t *
bs_restored_copyback(const struct bs_restore *r, const struct bs_copyback *c)
{
    return json_pack(
        "{s:s,s:o,s:o,s:o,s:I,s:o,s:s*,s:I,s:s*,s:s,s:s*,s:s*,s:o,s:s*,s:o,s:b,s:o,s:o,s:o}",
        "point", r->manifest.id, "tables", copyback_tables_json(c), "columns",
        bs_restored_columns(&c->columns), "objects", bs_restored_texts(c->objects, c->n_objects),
        "sequences", (json_int_t)c->n_sequences, "sequences_left",
        bs_restored_texts(c->sequences_left, c->n_sequences_left), "sequences_failed",
        c->sequences_failed, "refreshed", (json_int_t)c->n_refreshed, "before",
        c->point[0] == '\0' ? NULL : c->point, "definition",
        !c->compared            ? "not compared"
        : c->difference == NULL ? "identical"
                                : "differs",
        "difference", c->difference, "uncompared", c->uncompared, "cluster",
        bs_restored_globals(c->globals, c->n_globals), "cluster_failed", c->globals_failed,
        "definitions", bs_restored_changes(&c->changes), "reloaded", c->reloaded, "restart",
        bs_restored_texts(c->restart, c->n_restart), "again",
        bs_restored_texts(c->again, c->n_again), "beside", beside_json(&r->manifest));
}

static json_t *
member_json(const struct bs_group_member *m)
{
    json_t *json = m->done ? bs_restored_copyback(&m->r, &m->back)
                           : json_pack("{s:s}", "point", m->r.manifest.id);

    (void)json_object_set_new(json, "done", json_boolean(m->done));
    (void)json_object_set_new(json, "removed", json_integer(m->removed));
    if (m->err.code != BS_OK)
        (void)json_object_set_new(json, "error", json_string(m->err.message));
    return json;
}

json_t *
bs_restored_group(const struct bs_group *g)
{
    json_t *list = json_array();

    for (size_t i = 0; i < g->n; i++)
        (void)json_array_append_new(list, member_json(&g->members[i]));
    return json_pack("{s:b,s:o,s:s*}", "done", g->n_done == g->n, "points", list, "apart",
                     g->apart);
}
