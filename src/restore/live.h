/*
 * live.h - what has become of a captured relation: is it there, has its shape moved, which key do
 * its rows have.
 *
 * Partitions of which a point holds some rows are looked at together, through the root of their
 * tree: the statement may have moved a row from one to another.
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
    BS_LIVE_RENAMED,    /* the saved one has another name, and another one has its name */
    BS_LIVE_GENERATED,  /* an ordinary one is generated now: its saved values cannot be written */
    BS_LIVE_SAME,
};

/* A saved column, seen from the live table. Same order as the object's columns. */
struct bs_live_column {
    const char *name;
    enum bs_live_match match;
    const char *live_type;  /* NULL: gone */
    const char *saved_type; /* as the server spells it; NULL: it has no such type */
    uint32_t live_oid;      /* of the live type */
    const char *renamed;    /* what the saved one is called now; NULL: as it was, or it is gone */
    bool generated;       /* in the live table, or where that is gone: never written or compared */
    bool identity_always; /* in the live table: cannot be updated */
    int key;              /* 1, 2, ...: place in the key that rows are matched by; 0: not in it */
    const char *equals;   /* key columns: OPERATOR(schema.=) of the live index */
};

enum bs_live_key {
    BS_LIVE_NO_KEY = 0, /* rows are compared as a multiset */
    BS_LIVE_KEY,
    BS_LIVE_KEY_OF_LEAF, /* unique within each partition only */
};

struct bs_live {
    /* As saved. For partitions together it is made up: the root's name and kind (p), sums. */
    const struct bs_point_object *object;
    const struct bs_point_object **parts; /* whose rows it is about: itself, or the partitions */
    uint32_t *leaves;                     /* where they are now; 0: gone */
    size_t n_parts;
    const char *moved; /* the saved relation is there by this name ("s"."t"), and this is another */
    bool exists;
    uint32_t oid;
    char relkind;
    double est_rows;
    struct bs_live_column *columns;
    const char **added; /* live columns that the saved table lacks */
    size_t n_added;
    enum bs_live_key key;
    size_t n_key;          /* columns */
    bool key_saved;        /* it was the table's key when it was saved: no two saved rows have it */
    const char **triggers; /* user triggers that fire on what a copy-back may do */
    const char **trigger_on; /* the relation of each, quoted */
    char *trigger_states;    /* pg_trigger.tgenabled of each */
    size_t n_triggers;
};

/* Looks a relation up by schema and name. Errors of bs_rdb_do, LIMIT. */
BS_MUST_CHECK enum bs_done bs_live_look(struct bs_rdb *db,
                                        const struct bs_point_object *object,
                                        struct bs_arena *arena,
                                        struct bs_live *out,
                                        struct bs_err *err);

/* Looks again; out->object and its parts stay. The same errors. */
BS_MUST_CHECK enum bs_done
bs_live_again(struct bs_rdb *db, struct bs_arena *arena, struct bs_live *live, struct bs_err *err);
/*
 * Looks up all relations that some objects are about: partitions of one tree that the point holds
 * rows of come together, everything else for itself. Where one partition is asked for, its tree is
 * taken whole: else rows that belong to another's would count as nobody's.
 *
 * m      of the objects
 * out    array in the arena, in the objects' order
 */
BS_MUST_CHECK enum bs_done bs_live_look_all(struct bs_rdb *db,
                                            const struct bs_manifest *m,
                                            const struct bs_point_object *const *objects,
                                            size_t n,
                                            struct bs_arena *arena,
                                            struct bs_live **out,
                                            size_t *n_out,
                                            struct bs_err *err);

/* Puts its name, with ONLY where it has rows of its own. */
void bs_put_live(struct bs_buf *b, const struct bs_live *live);

/* True where it is the saved relation, or one in its place, of the same kind and with every saved
 * column with its type. */
bool bs_live_fits(const struct bs_live *live);

#endif
