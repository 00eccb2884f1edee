/*
 * text.h - SQL text about saved relations: names quoted, columns listed, types taken from the
 * server.
 *
 * A manifest is data, not SQL: names are quoted, and type and collation names are never copied
 * into a statement but given to the server as parameters, which prints them back.
 *
 * Layer  restore. Pure, but for bs_shape_find.
 * Owns   a shape lives in the caller's arena.
 */
#ifndef BS_RESTORE_TEXT_H
#define BS_RESTORE_TEXT_H

#include "restore/rdb.h"

/* Puts "name", with quotes doubled. */
void bs_put_ident(struct bs_buf *b, const char *name);
/* Puts "schema"."name". */
void bs_put_name(struct bs_buf *b, const char *schema, const char *name);
/* Puts a literal: E'...' with quotes and backslashes doubled. */
void bs_put_literal(struct bs_buf *b, const char *text);

/* How the server spells the types of an object's columns, in their order. */
struct bs_shape {
    const struct bs_point_object *object;
    const char **types;      /* NULL: the server has no such type */
    const char **collations; /* NULL: none */
};

/* err: DATABASE, LIMIT. A missing type is no error yet. */
BS_MUST_CHECK enum bs_done bs_shape_find(struct bs_rdb *db,
                                         const struct bs_point_object *object,
                                         struct bs_arena *arena,
                                         struct bs_shape *out,
                                         struct bs_err *err);
/* DATA where the server lacks a type, with its name. */
BS_MUST_CHECK enum bs_done bs_shape_check(const struct bs_shape *shape, struct bs_err *err);

enum bs_column_nulls {
    BS_COLUMN_NULLS = 0, /* any column may be null */
    BS_COLUMN_AS_SAVED,  /* NOT NULL where the saved one was */
};

/* Puts "a" type COLLATE ..., "b" type; the shape has been checked. */
void bs_put_columns(struct bs_buf *b, const struct bs_shape *shape, enum bs_column_nulls nulls);
/* Puts "a", "b", ...: all columns of the object, as they are in its rows. */
void bs_put_column_names(struct bs_buf *b, const struct bs_point_object *object);
/* Puts FORMAT binary or FORMAT text. */
void bs_put_format(struct bs_buf *b, const struct bs_point_object *object);

#endif
