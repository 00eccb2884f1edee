/*
 * staging.h - a large table that was dropped is loaded beside, so that more than one session can be
 * at work on it: one transaction is one session, and other sessions do not see what is in it.
 *
 * Before the transaction of the copy-back the table is made in a schema of its own, by the saved
 * definition, and loaded; that is committed. Nobody has privileges there, the restoring role owns
 * it, and both carry the comment that names the point. The transaction locks the table against
 * every change and reads it back while two more sessions build its indexes; then it gets its place,
 * its name and its owner, and the schema goes. So what others see comes at once, or not at all, and
 * was proven under a lock that lasts until COMMIT.
 *
 * Only where it is worth it, and where nothing but the server's own code runs while rows go in and
 * indexes are built: no checks, no types but built-in ones, no expressions, no event triggers. Nor
 * where somebody decodes the log, who would see the rows in another table. All else is done within
 * the transaction; so is all of it where this fails.
 *
 * What a crash leaves is removed by the next copy-back of the same point, or by bs_discard_run.
 *
 * Layer  restore. Blocks.
 * Owns   two sessions, from bs_staging_publish to bs_staging_close; the rest lives in the
 *        restore's arena.
 */
#ifndef BS_RESTORE_STAGING_H
#define BS_RESTORE_STAGING_H

#include "restore/work.h"

/* Before the transaction: loads what is fit for it, and sets w->staging; else leaves it NULL. */
void bs_staging_open(struct bs_work *w);
/* True where table `at` of the work is loaded already. */
bool bs_staging_has(const struct bs_work *w, size_t at);

/*
 * Within the transaction, before anything that belongs to these tables: proves them, waits for
 * their indexes, and puts them into their places. Nothing where there is no staging.
 *
 * err   DAMAGED: what is there is not what was saved; and those of bs_rdb_do
 */
BS_MUST_CHECK enum bs_done bs_staging_publish(struct bs_work *w, struct bs_err *err);
/* Before what follows rows: makes keys of the indexes that are theirs. Errors of bs_rdb_do. */
BS_MUST_CHECK enum bs_done bs_staging_keys(struct bs_work *w, struct bs_err *err);

/* True where the transaction failed because of it: without it, it may not. */
bool bs_staging_failed(const struct bs_work *w);
/* After the transaction: drops what was not published. Accepts a work without staging. */
void bs_staging_close(struct bs_work *w);

#endif
