/*
 * changed.h - what became of the definitions that a point's statement was about: lost, changed,
 * called something else, or made.
 *
 * The saved dump is held against the live one, entry by entry. What others did since to the same
 * objects looks like the statement's own work; where the catalog's rows tell the transaction that
 * wrote them, that is said.
 *
 * Layer  restore. Blocks on the database.
 * Owns   everything lives in the restore's arena.
 */
#ifndef BS_RESTORE_CHANGED_H
#define BS_RESTORE_CHANGED_H

#include "restore/definition.h"

enum bs_change_kind {
    BS_CHANGE_LOST = 0, /* saved, not live */
    BS_CHANGE_CHANGED,  /* both, with another text; or a property (privileges, a comment, a default)
                         * that only the live one has: then `saved` is BS_SCOPE_NONE */
    BS_CHANGE_MOVED,    /* both, under another name or in another schema */
    BS_CHANGE_MADE,     /* live, not saved */
};

/* Who last wrote the live side. */
enum bs_change_by {
    BS_CHANGE_UNTOLD = 0, /* the statement, or somebody since */
    BS_CHANGE_OWN,        /* the point's transaction */
    BS_CHANGE_OTHERS,     /* another transaction, later */
};

struct bs_altered {
    enum bs_change_kind kind;
    enum bs_change_by by;
    size_t saved;     /* index into definition.saved.list; or BS_SCOPE_NONE */
    size_t live;      /* index into definition.live.list; or BS_SCOPE_NONE */
    const char *type; /* "FUNCTION" */
    const char *name; /* "public.f(integer)", as the dump's list spells it */
    const char *now;  /* MOVED: what it is called now; else NULL */
    const char *diff; /* lines, "-" saved, "+" live; NULL: MOVED, or not to be shown */
    const char *why;  /* why it does not come back, or not all of it; NULL: nothing is known against
                       * it */
    bool overwrite;   /* also what others have set since, where that is told item by item */
    bool given;       /* a copy-back has given it back, or plans to */
    const char *sql; /* not given: the saved entry, to start from; NULL: none, or not to be shown */
};

struct bs_changes {
    struct bs_altered *list; /* in the order of the dumps; MADE last */
    size_t n;
};

/* err: DATABASE, LIMIT */
BS_MUST_CHECK enum bs_done bs_changed_find(struct bs_restore *r,
                                           const struct bs_definition *d,
                                           struct bs_changes *out,
                                           struct bs_err *err);

/*
 * authors.c: who last wrote the live side of each, into bs_altered.by, where the rows of the catalog
 * tell. Of relations with data they do not: remedy.h tells that item by item.
 *
 * err   DATABASE, LIMIT
 */
BS_MUST_CHECK enum bs_done bs_changed_authors(struct bs_restore *r,
                                              const struct bs_definition *d,
                                              struct bs_changes *changes,
                                              struct bs_err *err);

/* The same for a preview or a diff: opens the definition, where the point has one, and closes it.
 * Without one there are no changes. Errors of bs_definition_open, too. */
BS_MUST_CHECK enum bs_done
bs_changed_look(struct bs_restore *r, struct bs_changes *out, struct bs_err *err);

const char *bs_change_word(enum bs_change_kind kind); /* "lost", "changed", "moved", "made" */

/* True for a kind of entry that may hold a password: its text is not shown. */
bool bs_changed_is_secret(const struct bs_toc_entry *e);

#endif
