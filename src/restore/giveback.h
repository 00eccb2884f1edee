/*
 * giveback.h - the part of a copy-back that makes changed definitions again what they were: names
 * first, then what was made and has to go, then everything else, as often as that gets on.
 *
 * Each is done under a savepoint: what the server refuses stays as it is, and is told with the
 * reason and the saved SQL.
 *
 * Layer  restore. Blocks.
 * Owns   nothing.
 */
#ifndef BS_RESTORE_GIVEBACK_H
#define BS_RESTORE_GIVEBACK_H

#include "recovery/plan.h"
#include "restore/work.h"

/* True where something of it is to be done. Pure. */
bool bs_giveback_wanted(const struct bs_work *w, const struct bs_altered *c);
/* How many of the work's changes. Pure. */
size_t bs_giveback_count(const struct bs_work *w);

/* Adds to a plan what is needed to undo it: the definition as it is now, and what it is about. LIMIT.
 */
BS_MUST_CHECK enum bs_done
bs_giveback_plan(const struct bs_work *w, struct bs_plan *plan, struct bs_err *err);

/* In the open transaction, before lost objects are made again: names and schemas. Starts anew.
 * err: CONFLICT (others changed it since, and that is to abort), UNAVAILABLE, LIMIT, IO */
BS_MUST_CHECK enum bs_done bs_giveback_names(struct bs_work *w, struct bs_err *err);
/* What is left of it: once before indexes and constraints come back, and once after. The same. */
BS_MUST_CHECK enum bs_done bs_giveback_rest(struct bs_work *w, struct bs_err *err);

/* Puts the SQL for people to read: the first way of each. Runs in a transaction that it ends. */
BS_MUST_CHECK enum bs_done
bs_giveback_print(struct bs_work *w, struct bs_buf *out, struct bs_err *err);

#endif
