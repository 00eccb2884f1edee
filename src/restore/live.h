/*
 * live.h - what has become of a captured relation: is it there, has its shape moved, which key do
 * its rows have.
 *
 * Layer  restore. Blocks on the database.
 * Owns   everything lives in the caller's arena.
 */
#ifndef BS_RESTORE_LIVE_H
#define BS_RESTORE_LIVE_H

#include "restore/rdb.h"

enum bs_live_match {
    BS_LIVE_GONE = 0,   /* the live table lacks the saved column */
    BS_LIVE_OTHER_TYPE, /* it has another type or type modifier */
    BS_LIVE_SAME,
};

/* A saved column, seen from the live table. Same order as the object's columns. */
struct bs_live_column {
    const char *name;
    enum bs_live_match match;
    const char *live_type; /* NULL: gone */
    uint32_t live_oid;     /* of that type */
    bool generated;        /* in either: never written, never compared */
    bool identity_always;  /* in the live table: cannot be updated */
    int key;               /* 1, 2, ...: place in the key that rows are matched by; 0: not in it */
    const char *equals;    /* key columns: OPERATOR(schema.=) of the live index */
};

struct bs_live {
    const struct bs_point_object *object;
    bool exists;
    uint32_t oid;
    char relkind;
    double est_rows;
    struct bs_live_column *columns;
    const char **added; /* live columns that the saved table lacks */
    size_t n_added;
    size_t n_key;          /* 0: rows have no key, compared as a multiset */
    const char **triggers; /* user triggers that fire on INSERT or UPDATE */
    char *trigger_states;  /* pg_trigger.tgenabled of each */
    size_t n_triggers;
};

/* Looks a relation up by schema and name. Errors of bs_rdb_do, LIMIT. */
BS_MUST_CHECK enum bs_done bs_live_look(struct bs_rdb *db,
                                        const struct bs_point_object *object,
                                        struct bs_arena *arena,
                                        struct bs_live *out,
                                        struct bs_err *err);

/* True where it is a relation of the same kind that has every saved column with its type. */
bool bs_live_fits(const struct bs_live *live);

#endif
