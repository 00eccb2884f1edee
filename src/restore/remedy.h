/*
 * remedy.h - the SQL that makes a changed definition again what it was saved as.
 *
 * Several ways may be possible; the first that the server accepts counts. Where there is none, that
 * is said, and the saved entry's own SQL is what a human starts from.
 *
 * What is dropped on the way is dropped without CASCADE, and what was part of it (triggers, rules,
 * privileges, comments) is made again as it is now.
 *
 * Layer  restore. Blocks on the database and pg_restore; reads only.
 * Owns   texts live in the restore's arena.
 */
#ifndef BS_RESTORE_REMEDY_H
#define BS_RESTORE_REMEDY_H

#include "restore/changed.h"

#define BS_REMEDY_WAYS 3

struct bs_remedy {
    const char *ways[BS_REMEDY_WAYS]; /* scripts */
    size_t n;
    const char *why; /* n is 0: why there is none; else what of it cannot be done */
    bool nothing;    /* there is nothing that could be done, and nothing that needs to be */
    bool theirs;     /* some of it others have changed since */
};

/* For CHANGED, MOVED and MADE (which then goes away). err: DATABASE, LIMIT, UNAVAILABLE, IO */
BS_MUST_CHECK enum bs_done bs_remedy_find(struct bs_restore *r,
                                          const struct bs_definition *d,
                                          const struct bs_altered *change,
                                          struct bs_remedy *out,
                                          struct bs_err *err);

/* Pieces. What they put is statements that end in ";\n"; nothing: they know none. */

/* The SQL of saved or live entries, as pg_restore writes it. */
BS_MUST_CHECK enum bs_done bs_remedy_put_entries(const struct bs_definition *d,
                                                 enum bs_definition_side side,
                                                 const size_t *entries,
                                                 size_t n,
                                                 struct bs_buf *out,
                                                 struct bs_err *err);
/* DROP of the object with that OID, without CASCADE. */
BS_MUST_CHECK enum bs_done bs_remedy_put_drop(struct bs_restore *r,
                                              const struct bs_toc_entry *e,
                                              struct bs_buf *out,
                                              struct bs_err *err);
/* privileges.c: exactly the saved privileges of the object that the ACL entry is about. */
BS_MUST_CHECK enum bs_done bs_remedy_put_privileges(struct bs_restore *r,
                                                    const struct bs_definition *d,
                                                    const struct bs_altered *change,
                                                    struct bs_buf *out,
                                                    struct bs_err *err);
/*
 * reshape.c: what ALTER TABLE or ALTER DOMAIN can do about a relation or domain that is there.
 *
 * why      out: what it cannot do; NULL: nothing
 * nothing  out: they are the same but for the order of columns
 * theirs   out: others have set some of it since, which stays (bs_altered.overwrite)
 */
BS_MUST_CHECK enum bs_done bs_remedy_put_reshape(struct bs_restore *r,
                                                 const struct bs_definition *d,
                                                 const struct bs_altered *change,
                                                 struct bs_buf *out,
                                                 const char **why,
                                                 bool *nothing,
                                                 bool *theirs,
                                                 struct bs_err *err);
/* "MATERIALIZED VIEW" for pg_identify_object's "materialized view"; NULL: nothing that its
 * identity alone stands behind. */
const char *bs_remedy_word(const char *type);
/* renamed.c: ALTER ... RENAME TO, SET SCHEMA. */
BS_MUST_CHECK enum bs_done bs_remedy_put_name(struct bs_restore *r,
                                              const struct bs_definition *d,
                                              const struct bs_altered *change,
                                              struct bs_buf *out,
                                              struct bs_err *err);

/*
 * Puts what makes the options of a live foreign server or wrapper those of the saved one; nothing
 * where they are the same.
 *
 * type         "SERVER", "FOREIGN DATA WRAPPER"
 * saved, live  texts of both entries
 */
void bs_remedy_put_options(const char *type,
                           struct bs_bytes saved,
                           struct bs_bytes live,
                           struct bs_buf *out);

#endif
