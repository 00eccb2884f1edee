/*
 * merge.h - the statements that put saved rows back into a table that is still there.
 *
 * Layer  restore. Pure.
 * Spec   RECOVERY.md section 9; sql-insert.html (OVERRIDING SYSTEM VALUE).
 * Owns   nothing.
 */
#ifndef BS_RESTORE_MERGE_H
#define BS_RESTORE_MERGE_H

#include "restore/live.h"

/* Which changed rows an UPDATE puts the saved values back into. */
enum bs_merge_changed {
    BS_MERGE_OWN = 0, /* those that the transaction has written */
    BS_MERGE_ALL,     /* conflicts, too */
};

/* Puts LOCK TABLE ... IN SHARE ROW EXCLUSIVE MODE: writers wait, readers do not. */
void bs_merge_put_lock(struct bs_buf *b, const struct bs_live *live);
/* Puts the INSERT of rows that table number `at`'s comparison calls missing. */
void bs_merge_put_insert(struct bs_buf *b, const struct bs_live *live, size_t at);
/* Puts the UPDATE of rows that it calls changed. Only with a key. */
void bs_merge_put_update(struct bs_buf *b,
                         const struct bs_live *live,
                         enum bs_merge_changed changed,
                         size_t at);
/* Puts the DELETE of rows that the transaction has made. */
void bs_merge_put_delete(struct bs_buf *b, const struct bs_live *live, size_t at);
/* Puts the INSERT of all saved rows into a table that was just made again. */
void bs_merge_put_insert_all(struct bs_buf *b, const struct bs_live *live, size_t at);

/* Puts ALTER TABLE ... DISABLE TRIGGER for each trigger that would fire; nothing where none. */
void bs_merge_put_triggers_off(struct bs_buf *b, const struct bs_live *live);
/* Puts what gives each of them the state back that it had. */
void bs_merge_put_triggers_on(struct bs_buf *b, const struct bs_live *live);

#endif
