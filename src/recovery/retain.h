/*
 * retain.h - which points may go by now, and which stay and why; and taking away those that may.
 *
 * A point goes when the limits of each of its tables let it go, and nothing below holds it:
 *
 *   open         its statement may still commit, or nobody knows whether it did
 *   held         a human said so (event held, until released)
 *   named        a ticket or a plan of a restore names it
 *   needed       a later snapshot that stays names one of its objects
 *   newest       the newest good snapshot of one of its tables
 *   not known    its manifest cannot be read
 *
 * Leftovers of captures that failed go by their age. A definition goes when no manifest names it.
 *
 * Whoever is killed in the middle leaves a whole point or one that is marked: the event expired is
 * stored first, then the objects go, then manifest and intent, and the mark last of all.
 *
 * A capture that goes on meanwhile may be about to name an object or a definition again. It stores
 * its intent before it looks whether that is being taken away; here the mark is stored before it is
 * looked for intents. One of the two sees the other, whoever is first; the store must list what was
 * stored (S3 does). For a snapshot's objects the mark is the event expired, for a definition an
 * object "<digest>.going" beside it. Where a capture is under way, nothing of that database goes that it
 * could name.
 *
 * Layer  recovery. Blocks on the store; never on a worker's thread.
 * Spec   DESIGN.md section 8; RECOVERY.md section 8.
 * Owns   what is handed out lives in the caller's arena.
 */
#ifndef BS_RECOVERY_RETAIN_H
#define BS_RECOVERY_RETAIN_H

#include "recovery/points.h"

/* 0 says nothing; all 0: it stays. */
struct bs_retain_limits {
    int64_t count;  /* so many newer points hold the table */
    int64_t age_us; /* it is older */
    int64_t bytes;  /* newer ones take as much of it already */
};

/* What a point is asked about, once for each table in it; of one without tables once, with NULLs. */
struct bs_retain_table {
    const char *schedule; /* of a scheduled snapshot; NULL */
    const char *schema;
    const char *name;
};

struct bs_retain_rules {
    struct bs_retain_limits (*limits)(void *ctx, const struct bs_retain_table *table);
    bool (*named)(void *ctx, const char *point); /* by whom one may not forget it */
    void *ctx;
    int64_t now_us;
    int64_t unfinished_us; /* leftovers are kept so long */
};

enum bs_retain_fate {
    BS_RETAIN_STAYS = 0,
    BS_RETAIN_GOES,
    BS_RETAIN_KEEPS, /* was marked, and is needed after all: the mark is taken back */
};

struct bs_retain_point {
    struct bs_point_ref ref;
    enum bs_retain_fate fate;
    const char *why;      /* a literal */
    const char *database; /* NULL: not known */
    const char *base;     /* prefix of its database */
    int64_t created_us;
    int64_t stored_bytes; /* its own objects' */
};

struct bs_retain {
    struct bs_retain_point *points; /* newest first */
    size_t n_points;
    const char **definitions; /* keys that no manifest names, and marks of them that were left */
    size_t n_definitions;
    size_t going;
    int64_t bytes; /* of what goes, definitions not counted */
    bool blind;    /* some manifest cannot be read: what it could name stays */
};

/*
 * Looks, and changes nothing.
 *
 * err   IO, UNAVAILABLE, ...: the store did not answer; LIMIT
 */
BS_MUST_CHECK enum bs_done bs_retain_look(struct bs_store *store,
                                          const struct bs_retain_rules *rules,
                                          struct bs_arena *arena,
                                          struct bs_retain *out,
                                          struct bs_err *err);

/* What became of it. */
struct bs_retain_done {
    size_t points;      /* gone */
    size_t definitions; /* gone */
    int64_t bytes;
    size_t hidden;   /* objects that are only behind a delete marker */
    size_t locked;   /* points that an object lock keeps: marked, and tried again */
    size_t deferred; /* points that a capture which goes on might name */
    size_t kept;     /* marks taken back */
    char locked_why[256];
};

/* Called for each point that is gone, kept again, or locked; `why` NULL: it is gone. */
typedef void bs_retain_tell(void *ctx, const struct bs_retain_point *p, const char *why);

/*
 * Takes away what bs_retain_look said, newest first. Tries first whether it may delete at all; if
 * not, nothing is marked.
 *
 * by    for the events
 * err   FORBIDDEN: it may not; IO, ...: it was not finished, and can be done again
 */
BS_MUST_CHECK enum bs_done bs_retain_do(struct bs_store *store,
                                        const struct bs_retain *what,
                                        const char *by,
                                        bs_retain_tell *tell,
                                        void *ctx,
                                        struct bs_retain_done *out,
                                        struct bs_err *err);

/*
 * Tries whether objects may be deleted here, with one of its own; not where objects are locked.
 *
 * how   out: what became of that one; NOT: it was not tried, or could not be told
 * err   FORBIDDEN: they may not; IO, UNAVAILABLE
 */
BS_MUST_CHECK enum bs_done
bs_retain_may_delete(struct bs_store *store, enum bs_removed *how, struct bs_err *err);

/* Key of the mark on a definition, for whoever is about to name it. */
bool bs_retain_mark(const char *definition, char out[BS_KEY_MAX + 1]);

#endif
