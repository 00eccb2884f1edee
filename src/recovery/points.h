/*
 * points.h - the points in a store: list, find, load, append events, and close by fact those that
 * a crash left open.
 *
 * Layer  recovery. Blocks on the store and, for closing, on the database.
 * Spec   DESIGN.md section 8, RECOVERY.md section 10.
 * Owns   what is handed out lives in the caller's arena.
 */
#ifndef BS_RECOVERY_POINTS_H
#define BS_RECOVERY_POINTS_H

#include "recovery/manifest.h"
#include "storage/storage.h"

struct bs_point_ref {
    char id[BS_POINT_ID_TEXT];
    const char *dir;             /* key prefix, with a '/' at its end */
    bool complete;               /* has a manifest */
    bool intended;               /* has an intent */
    enum bs_event_state outcome; /* last of armed, committed, rolled_back, not_used, unknown,
                                     abandoned, taken; NONE where there is none */
    enum bs_event_state proof;   /* last of verified, damaged; NONE where there is none */
    int64_t proof_us;            /* when that was; 0: never */
    bool restored;               /* has an event restored */
    int64_t restored_us;         /* the last one */
    bool expired;                /* last of expired, erasing, erased, kept: it is being removed, and
                                     is no point */
    enum bs_event_state erased;  /* last of erasing, erased, kept; NONE where it is kept */
    bool held;                   /* by a human: last of held, released */
    const char *armed_key;       /* newest armed event; NULL */
    size_t n_events;
};

struct bs_points {
    struct bs_point_ref *list; /* newest first */
    size_t n;
};

/*
 * Lists points by their keys alone; manifests and events are not read.
 *
 * base   "" for all, or a database's prefix (bs_point_put_base)
 * err    IO, LIMIT
 */
BS_MUST_CHECK enum bs_done bs_points_list(struct bs_store *store,
                                          const char *base,
                                          struct bs_arena *arena,
                                          struct bs_points *out,
                                          struct bs_err *err);
/*
 * The one point whose id is, or starts with, `id` ("RP-" may be left out; at least 4 characters of
 * the ULID; letters in any case). NOT_FOUND, CONFLICT (several), USAGE (too short), IO, LIMIT.
 */
BS_MUST_CHECK enum bs_done bs_points_find(struct bs_store *store,
                                          const char *id,
                                          struct bs_arena *arena,
                                          struct bs_point_ref *out,
                                          struct bs_err *err);
/* Reads and checks a point's manifest. NOT_FOUND (incomplete, or erased: by whom, when and why),
 * DAMAGED, IO, LIMIT. */
BS_MUST_CHECK enum bs_done bs_points_load(struct bs_store *store,
                                          const struct bs_point_ref *point,
                                          struct bs_arena *arena,
                                          struct bs_manifest *out,
                                          struct bs_err *err);
/*
 * What a point was going to be: as a manifest without counts, digests and all that hangs on its
 * relations. NOT_FOUND, DAMAGED, IO, LIMIT.
 */
BS_MUST_CHECK enum bs_done bs_points_intent(struct bs_store *store,
                                            const struct bs_point_ref *point,
                                            struct bs_arena *arena,
                                            struct bs_manifest *out,
                                            struct bs_err *err);
/* Stores the intent of a point that is about to be made. `dir` as in bs_points_event. */
BS_MUST_CHECK enum bs_done bs_points_intend(struct bs_store *store,
                                            const char *dir,
                                            const struct bs_manifest *m,
                                            struct bs_err *err);
/*
 * Whether the documents of a point are what they were: its intent and every event can be read, are
 * this point's and say what their names say, and where events speak of a whole point, it has a
 * manifest. The manifest itself is read by bs_points_load, the objects by bs_point_verify.
 *
 * damaged   out, may be NULL: key of the first document that is not; "" where there is none
 * err       DAMAGED with that key; NOT_FOUND: it was erased; IO, LIMIT
 */
BS_MUST_CHECK enum bs_done bs_points_sound(struct bs_store *store,
                                           const struct bs_point_ref *point,
                                           char damaged[BS_KEY_MAX + 1],
                                           struct bs_err *err);
/*
 * Appends an event, durable when it returns.
 *
 * dir   key prefix of the point; its last segment is the id
 * err   DATA, IO
 */
BS_MUST_CHECK enum bs_done bs_points_event(struct bs_store *store,
                                           const char *dir,
                                           const struct bs_point_event *event,
                                           struct bs_err *err);

/* Its key and bytes, for whoever stores it another way. `text` is initialised by the caller. DATA. */
BS_MUST_CHECK enum bs_done bs_points_event_make(const char *dir,
                                                const struct bs_point_event *event,
                                                char key[BS_KEY_MAX + 1],
                                                struct bs_buf *text,
                                                struct bs_err *err);

/*
 * Reads a point's events, oldest first.
 *
 * out   array in `arena`, n events; one that cannot be read has state UNKNOWN, at_us 0 and details
 *       {"damaged": true}
 * err   IO, LIMIT
 */
BS_MUST_CHECK enum bs_done bs_points_events(struct bs_store *store,
                                            const struct bs_point_ref *point,
                                            struct bs_arena *arena,
                                            struct bs_point_event **out,
                                            size_t *n,
                                            struct bs_err *err);

/* Who took a point away for good, when and why; its last event of erasing or erased. */
struct bs_point_erased {
    const char *by;     /* "local:kim" */
    const char *reason; /* as it was given */
    int64_t at_us;
    bool done;   /* false: it was begun */
    bool hidden; /* something of it is only behind a delete marker: it never will be done */
};

/* Only where `point` says that it is erased. Texts live in `arena`. Errors as bs_points_events. */
BS_MUST_CHECK enum bs_done bs_points_erased(struct bs_store *store,
                                            const struct bs_point_ref *point,
                                            struct bs_arena *arena,
                                            struct bs_point_erased *out,
                                            struct bs_err *err);

/* What closing did. */
struct bs_points_closed {
    size_t committed;
    size_t rolled_back;
    size_t not_used;
    size_t unknown;
    size_t abandoned; /* had an intent, will have no manifest */
    size_t open;      /* left as they are: the transaction, or the actor's backend, still lives */
    size_t damaged;   /* manifest or event cannot be read; left as they are */
};

/* The length of "v1/.../rp/YYYY/MM/DD/RP-.../" at the start of a key; 0 where it has none. */
size_t bs_point_dir_length(const char *key);

/*
 * Close by fact: for the database behind `helper`, ask pg_xact_status about each point whose
 * outcome is armed, and close points that never were armed and whose actor's backend is gone as
 * not_used, those that never were completed as abandoned. Waits up to wait_ms for transactions still in progress. At start, before actors are
 * let in, and again while something is left open; points of statements that run meanwhile are left
 * alone or, at worst, are told the same twice.
 *
 * err   UNAVAILABLE (no database), DATABASE, IO, LIMIT. A damaged point is counted, not an error.
 */
BS_MUST_CHECK enum bs_done bs_points_open_close(struct bs_store *store,
                                                const char *helper,
                                                int wait_ms,
                                                struct bs_points_closed *out,
                                                struct bs_err *err);

/*
 * What the server says of the end of one point's statement, whatever its events say.
 *
 * helper  conninfo of the helper role in the point's database
 * out     COMMITTED, ROLLED_BACK, ARMED (it goes on), UNKNOWN: it cannot say
 * err     UNAVAILABLE, CONFLICT: another database; DAMAGED: the event armed; DATABASE, IO, LIMIT
 */
BS_MUST_CHECK enum bs_done bs_points_ask(struct bs_store *store,
                                         const char *helper,
                                         const struct bs_point_ref *point,
                                         enum bs_event_state *out,
                                         struct bs_err *err);

#endif
