/*
 * live.c - rows are matched by a key only where the saved and the live table agree on it: only
 * then is it unique on both sides.
 */
#include "restore/live.h"

#include <string.h>

#include "restore/text.h"

static const char find_relation[] =
    "SELECT c.oid, c.relkind, c.reltuples::bigint FROM pg_catalog.pg_class c"
    " JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
    " WHERE n.nspname = $1 AND c.relname = $2";

static const char find_columns[] =
    "SELECT attname, pg_catalog.format_type(atttypid, atttypmod), attgenerated, attidentity,"
    " atttypid"
    " FROM pg_catalog.pg_attribute WHERE attrelid = $1::oid AND attnum > 0 AND NOT attisdropped"
    " ORDER BY attnum";

/*
 * Columns of the primary key and the equality operator of each column's operator class. With
 * several arrays, unnest is known to the parser by its bare name only; the search path is empty.
 */
static const char find_key[] =
    "SELECT a.attname, k.place, 'OPERATOR(' || pg_catalog.quote_ident(n.nspname) || '.' ||"
    " o.oprname || ')'"
    " FROM pg_catalog.pg_index i"
    " CROSS JOIN LATERAL unnest(i.indkey::int2[], i.indclass::oid[])"
    " WITH ORDINALITY AS k(attnum, opclass, place)"
    " JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum"
    " JOIN pg_catalog.pg_opclass c ON c.oid = k.opclass"
    " JOIN pg_catalog.pg_amop p ON p.amopfamily = c.opcfamily AND p.amopstrategy = 3"
    " AND p.amoplefttype = c.opcintype AND p.amoprighttype = c.opcintype"
    " JOIN pg_catalog.pg_operator o ON o.oid = p.amopopr"
    " JOIN pg_catalog.pg_namespace n ON n.oid = o.oprnamespace"
    " WHERE i.indrelid = $1::oid AND i.indisprimary AND i.indisvalid AND k.place <= i.indnkeyatts"
    " ORDER BY k.place";

/* tgtype: 4 INSERT, 16 UPDATE */
static const char find_triggers[] =
    "SELECT tgname, tgenabled FROM pg_catalog.pg_trigger WHERE tgrelid = $1::oid"
    " AND NOT tgisinternal AND tgenabled IN ('O', 'A') AND tgtype & 20 <> 0 ORDER BY tgname";

static PGresult *
ask_about(struct bs_rdb *db, const char *sql, uint32_t oid, struct bs_err *err)
{
    char text[16];
    const char *values[] = {text};

    (void)snprintf(text, sizeof(text), "%u", oid);
    return bs_rdb_ask(db, sql, 1, values, err);
}

static enum bs_done
look_for_relation(struct bs_rdb *db, struct bs_live *live, struct bs_err *err)
{
    const char *values[] = {live->object->schema, live->object->name};
    PGresult *result = bs_rdb_ask(db, find_relation, 2, values, err);

    if (result == NULL)
        return BS_FAILED;
    if (PQntuples(result) == 1) {
        live->exists = true;
        live->oid = (uint32_t)bs_rdb_number(result, 0, 0);
        live->relkind = PQgetvalue(result, 0, 1)[0];
        live->est_rows = (double)bs_rdb_number(result, 0, 2);
    }
    PQclear(result);
    return BS_DONE;
}

static struct bs_live_column *
column_of(struct bs_live *live, const char *name)
{
    for (size_t i = 0; i < live->object->n_columns; i++) {
        if (strcmp(live->columns[i].name, name) == 0)
            return &live->columns[i];
    }
    return NULL;
}

static size_t
place_of(const struct bs_live *live, const struct bs_live_column *c)
{
    return (size_t)(c - live->columns);
}

static enum bs_done
look_at_columns(struct bs_rdb *db,
                struct bs_live *live,
                const struct bs_shape *shape,
                struct bs_arena *arena,
                struct bs_err *err)
{
    PGresult *result = ask_about(db, find_columns, live->oid, err);

    if (result == NULL)
        return BS_FAILED;
    live->added = bs_arena_array(arena, (size_t)PQntuples(result) + 1, sizeof(*live->added));
    for (int i = 0; live->added != NULL && i < PQntuples(result); i++) {
        struct bs_live_column *c = column_of(live, PQgetvalue(result, i, 0));
        if (c == NULL) {
            live->added[live->n_added++] = bs_rdb_text(result, i, 0, arena);
            continue;
        }
        const char *saved = shape->types[place_of(live, c)];
        c->live_type = bs_rdb_text(result, i, 1, arena);
        c->live_oid = (uint32_t)bs_rdb_number(result, i, 4);
        c->match = saved != NULL && c->live_type != NULL && strcmp(saved, c->live_type) == 0
                       ? BS_LIVE_SAME
                       : BS_LIVE_OTHER_TYPE;
        c->generated = c->generated || PQgetvalue(result, i, 2)[0] != '\0';
        c->identity_always = PQgetvalue(result, i, 3)[0] == 'a';
    }
    PQclear(result);
    return live->added == NULL ? BS_FAIL(err, LIMIT, "a table has too many columns") : BS_DONE;
}

static size_t
saved_key(const struct bs_point_object *o)
{
    size_t n = 0;

    for (size_t i = 0; i < o->n_columns; i++)
        n += o->columns[i].key != 0;
    return n;
}

static enum bs_done
look_for_key(struct bs_rdb *db, struct bs_live *live, struct bs_arena *arena, struct bs_err *err)
{
    PGresult *result = ask_about(db, find_key, live->oid, err);
    bool agree;

    if (result == NULL)
        return BS_FAILED;
    agree = PQntuples(result) != 0 && (size_t)PQntuples(result) == saved_key(live->object);
    for (int i = 0; agree && i < PQntuples(result); i++) {
        struct bs_live_column *c = column_of(live, PQgetvalue(result, i, 0));
        agree = c != NULL && c->match == BS_LIVE_SAME &&
                live->object->columns[place_of(live, c)].key != 0;
    }
    for (int i = 0; agree && i < PQntuples(result); i++) {
        struct bs_live_column *c = column_of(live, PQgetvalue(result, i, 0));
        c->key = (int)bs_rdb_number(result, i, 1);
        c->equals = bs_rdb_text(result, i, 2, arena);
        live->n_key++;
    }
    PQclear(result);
    return BS_DONE;
}

static enum bs_done
look_for_triggers(struct bs_rdb *db,
                  struct bs_live *live,
                  struct bs_arena *arena,
                  struct bs_err *err)
{
    PGresult *result = ask_about(db, find_triggers, live->oid, err);
    size_t n;

    if (result == NULL)
        return BS_FAILED;
    n = (size_t)PQntuples(result);
    live->triggers = bs_arena_array(arena, n + 1, sizeof(*live->triggers));
    live->trigger_states = bs_arena_take(arena, n + 1);
    if (live->triggers != NULL && live->trigger_states != NULL) {
        for (; live->n_triggers < n; live->n_triggers++) {
            int i = (int)live->n_triggers;
            live->triggers[i] = bs_rdb_text(result, i, 0, arena);
            live->trigger_states[i] = PQgetvalue(result, i, 1)[0];
        }
    }
    PQclear(result);
    return live->n_triggers == n ? BS_DONE : BS_FAIL(err, LIMIT, "a table has too many triggers");
}

enum bs_done
bs_live_look(struct bs_rdb *db,
             const struct bs_point_object *object,
             struct bs_arena *arena,
             struct bs_live *out,
             struct bs_err *err)
{
    struct bs_shape shape;

    *out = (struct bs_live){.object = object};
    out->columns = bs_arena_array(arena, object->n_columns + 1, sizeof(*out->columns));
    if (out->columns == NULL)
        return BS_FAIL(err, LIMIT, "a table has too many columns");
    for (size_t i = 0; i < object->n_columns; i++) {
        out->columns[i].name = object->columns[i].name;
        out->columns[i].generated = object->columns[i].generated != 0;
    }
    if (look_for_relation(db, out, err) != BS_DONE)
        return BS_FAILED;
    if (!out->exists)
        return BS_DONE;
    if (bs_shape_find(db, object, arena, &shape, err) != BS_DONE ||
        look_at_columns(db, out, &shape, arena, err) != BS_DONE ||
        look_for_key(db, out, arena, err) != BS_DONE)
        return BS_FAILED;
    return look_for_triggers(db, out, arena, err);
}

bool
bs_live_fits(const struct bs_live *live)
{
    bool rows = live->relkind == live->object->relkind;

    for (size_t i = 0; rows && i < live->object->n_columns; i++)
        rows = live->columns[i].match == BS_LIVE_SAME;
    return live->exists && rows;
}
