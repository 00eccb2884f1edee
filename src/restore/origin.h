/*
 * origin.h - which live rows the transaction has written that a point of rows was made for.
 *
 * Layer  restore. Blocks on store and database; the SQL is pure.
 * Spec   ddl-system-columns.html, routine-vacuuming.html#VACUUM-FOR-WRAPAROUND.
 * Owns   texts live in the caller's arena.
 */
#ifndef BS_RESTORE_ORIGIN_H
#define BS_RESTORE_ORIGIN_H

#include "recovery/points.h"
#include "restore/rdb.h"

/* Zeroed: nothing is known, so whatever differs is a conflict. */
struct bs_origin {
    bool known;      /* a live row with that xmin was written by the transaction */
    uint64_t xid;    /* the transaction */
    uint64_t until;  /* those after xid and before this may be savepoints of it; 0: not known */
    uint64_t bound;  /* the same, of the catalog's rows: also of points made before it ran */
    uint64_t seen;   /* the next number when this was asked: later ones may be the restore's own */
    bool timed;      /* the server keeps commit times: savepoints have the transaction's own */
    bool skip_made;  /* nobody asks for rows that the transaction has made: they cost a scan */
    bool only_newer; /* without a key: older rows are nobody's counterpart (restore/keyless.h) */
    const char *why; /* not known: a sentence for people */
};

/*
 * Finds out whether transaction numbers of the point mean something in this database.
 *
 * err   IO, DAMAGED, LIMIT (events of the point), and those of bs_rdb_do
 */
BS_MUST_CHECK enum bs_done bs_origin_find(struct bs_rdb *db,
                                          struct bs_store *store,
                                          const struct bs_point_ref *ref,
                                          const struct bs_manifest *m,
                                          struct bs_arena *arena,
                                          struct bs_origin *out,
                                          struct bs_err *err);

/*
 * The transaction's number: the manifest's, or the one that the point was armed with. 0: neither.
 * `until` may be NULL; else a number that none of its savepoints has reached, 0: not known. IO, LIMIT.
 */
BS_MUST_CHECK enum bs_done bs_origin_xid(struct bs_store *store,
                                         const struct bs_point_ref *ref,
                                         const struct bs_manifest *m,
                                         struct bs_arena *arena,
                                         uint64_t *xid,
                                         uint64_t *until,
                                         struct bs_err *err);

/* Of a row of the catalog, by its xmin: the transaction itself has written it; or somebody later,
 * for certain. Neither: an earlier one, a savepoint, somebody meanwhile, or nobody knows. Pure. */
bool bs_origin_is_own(const struct bs_origin *o, uint32_t xmin);
bool bs_origin_is_later(const struct bs_origin *o, uint32_t xmin);

/* Puts a condition on the live row "l": the transaction has written it. */
void bs_origin_put_own(struct bs_buf *b, const struct bs_origin *o);
/* The same: it is not older than the transaction; it, or somebody since, has written it. */
void bs_origin_put_newer(struct bs_buf *b, const struct bs_origin *o);
/* The same: a savepoint of it may have written it, or somebody else at that time. */
void bs_origin_put_near(struct bs_buf *b, const struct bs_origin *o);

#endif
