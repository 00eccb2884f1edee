/*
 * text.c - see text.h.
 */
#include "restore/text.h"

#include <string.h>

static void
put_quoted(struct bs_buf *b, const char *text, const char *doubled, char quote)
{
    bs_put_u8(b, (uint8_t)quote);
    for (; *text != '\0'; text++) {
        if (strchr(doubled, *text) != NULL)
            bs_put_u8(b, (uint8_t)*text);
        bs_put_u8(b, (uint8_t)*text);
    }
    bs_put_u8(b, (uint8_t)quote);
}

void
bs_put_ident(struct bs_buf *b, const char *name)
{
    put_quoted(b, name, "\"", '"');
}

void
bs_put_name(struct bs_buf *b, const char *schema, const char *name)
{
    bs_put_ident(b, schema);
    bs_put_u8(b, '.');
    bs_put_ident(b, name);
}

void
bs_put_literal(struct bs_buf *b, const char *text)
{
    bs_put_u8(b, 'E');
    put_quoted(b, text, "'\\", '\'');
}

/* to_regtype answers NULL for a type that is not there, and an error for what is no type name. */
static enum bs_done
find_one(struct bs_rdb *db,
         const struct bs_point_column *c,
         struct bs_arena *arena,
         const char **type,
         const char **collation,
         struct bs_err *err)
{
    char typmod[16];
    const char *values[] = {c->type, typmod, c->collation};
    PGresult *result;

    (void)snprintf(typmod, sizeof(typmod), "%d", c->typmod);
    result = bs_rdb_ask(db,
                        "SELECT pg_catalog.format_type(pg_catalog.to_regtype($1), $2::integer),"
                        " pg_catalog.to_regcollation($3)::text",
                        3, values, err);
    if (result == NULL)
        return BS_FAILED;
    *type = bs_rdb_text(result, 0, 0, arena);
    *collation = bs_rdb_text(result, 0, 1, arena);
    PQclear(result);
    return BS_DONE;
}

enum bs_done
bs_shape_find(struct bs_rdb *db,
              const struct bs_point_object *object,
              struct bs_arena *arena,
              struct bs_shape *out,
              struct bs_err *err)
{
    *out = (struct bs_shape){.object = object};
    out->types = bs_arena_array(arena, object->n_columns + 1, sizeof(*out->types));
    out->collations = bs_arena_array(arena, object->n_columns + 1, sizeof(*out->collations));
    if (out->types == NULL || out->collations == NULL)
        return BS_FAIL(err, LIMIT, "a table has too many columns");
    for (size_t i = 0; i < object->n_columns; i++) {
        if (find_one(db, &object->columns[i], arena, &out->types[i], &out->collations[i], err) !=
            BS_DONE)
            return BS_FAILED;
    }
    return BS_DONE;
}

enum bs_done
bs_shape_check(const struct bs_shape *shape, struct bs_err *err)
{
    for (size_t i = 0; i < shape->object->n_columns; i++) {
        const struct bs_point_column *c = &shape->object->columns[i];
        if (shape->types[i] == NULL) {
            (void)BS_FAIL(err, DATA,
                          "the database has no type \"%.100s\", which column \"%.63s\""
                          " of \"%.63s\" has",
                          c->type, c->name, shape->object->name);
            bs_err_hint(err, "copy-back brings lost types back together with their tables");
            return BS_FAILED;
        }
        if (c->collation != NULL && shape->collations[i] == NULL)
            return BS_FAIL(err, DATA, "the database has no collation \"%.100s\"", c->collation);
    }
    return BS_DONE;
}

void
bs_put_columns(struct bs_buf *b, const struct bs_shape *shape, enum bs_column_nulls nulls)
{
    for (size_t i = 0; i < shape->object->n_columns; i++) {
        const struct bs_point_column *c = &shape->object->columns[i];
        bs_put_str(b, i == 0 ? "" : ", ");
        bs_put_ident(b, c->name);
        bs_put_fmt(b, " %s", shape->types[i]);
        if (shape->collations[i] != NULL)
            bs_put_fmt(b, " COLLATE %s", shape->collations[i]);
        if (nulls == BS_COLUMN_AS_SAVED && c->not_null)
            bs_put_str(b, " NOT NULL");
    }
}

void
bs_put_column_names(struct bs_buf *b, const struct bs_point_object *object)
{
    for (size_t i = 0; i < object->n_columns; i++) {
        bs_put_str(b, i == 0 ? "" : ", ");
        bs_put_ident(b, object->columns[i].name);
    }
}

void
bs_put_format(struct bs_buf *b, const struct bs_point_object *object)
{
    bs_put_str(b, object->format == BS_ROWS_BINARY ? "FORMAT binary" : "FORMAT text");
}
