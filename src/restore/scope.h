/*
 * scope.h - entries of the saved and of the live dump side by side: which are the same thing, and
 * which of them the point's statement was about.
 *
 * The same: by kind, schema and name; else by OID, and then it was renamed or moved to another
 * schema. In the saved one's own database by OID first, where its name has gone to another one that
 * was there, too. What the statement was about: the objects that the manifest names, and what is part of
 * them (indexes, constraints, triggers, policies, defaults, comments, privileges, ...).
 *
 * Layer  restore. Pure.
 * Owns   everything lives in the caller's arena.
 */
#ifndef BS_RESTORE_SCOPE_H
#define BS_RESTORE_SCOPE_H

#include "recovery/manifest.h"
#include "restore/toc.h"

#define BS_SCOPE_NONE SIZE_MAX

struct bs_scope {
    size_t *live_of;  /* for each saved entry; BS_SCOPE_NONE: gone */
    size_t *saved_of; /* for each live entry; BS_SCOPE_NONE: new */
    bool *saved_in;   /* the statement was about it */
    bool *live_in;
    bool *saved_named; /* by itself: not only as a part of something else */
    bool *saved_along; /* unpaired, but comes back once something is called again as it was */
    bool *live_along;
};

/* What may have become of an entry by a statement of the point's kind. */
enum bs_scope_fate {
    BS_SCOPE_LOST = 0,
    BS_SCOPE_CHANGED, /* or made, as a property of something else */
    BS_SCOPE_NAMED,   /* called otherwise */
};
/* True where such a statement takes things away whole: their parts go with them, or stay. */
bool bs_scope_takes_whole(const struct bs_point_statement *s);
/* False: a statement of that kind does no such thing, so it was somebody else's since. */
bool bs_scope_may(const struct bs_point_statement *s,
                  const struct bs_toc_entry *e,
                  enum bs_scope_fate fate);

/*
 * m        whose closure and objects are what the statement was about
 * same_database  `live` is of the database that `saved` is of
 * err      LIMIT
 */
BS_MUST_CHECK enum bs_done bs_scope_find(const struct bs_toc *saved,
                                         const struct bs_toc *live,
                                         const struct bs_manifest *m,
                                         bool same_database,
                                         struct bs_arena *arena,
                                         struct bs_scope *out,
                                         struct bs_err *err);

/* How the two sides of a pair are called differently themselves, not only what they are part of. */
enum bs_scope_moved {
    BS_SCOPE_STAYED = 0,
    BS_SCOPE_RENAMED = 1,
    BS_SCOPE_OTHER_SCHEMA = 2,
};
/* Bits of enum bs_scope_moved; the saved entry has a live one. */
unsigned bs_scope_moved(const struct bs_toc *saved,
                        const struct bs_toc *live,
                        const struct bs_scope *s,
                        size_t entry);
/* An entry's own name: "touch" of TRIGGER "users touch", "f" of FUNCTION "f(integer)". */
struct bs_bytes bs_scope_own_name(const struct bs_toc *toc, size_t entry);

/* True where `e` is part of another entry of the same list: it goes and comes with that one. */
bool bs_scope_is_part(const struct bs_toc *toc, const struct bs_toc_entry *e, size_t of);

#endif
