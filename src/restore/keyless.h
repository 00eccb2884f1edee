/*
 * keyless.h - tables whose rows have no key: what can be told by counting, and what cannot.
 *
 * Nobody can say which live row is what a saved one has become. But the server has counted how many
 * the transaction inserted, updated and deleted (recovery/moved.h), and a row says which transaction
 * wrote it. Where the numbers agree, the transaction's rows are what it made of the saved ones: they
 * go and the saved ones come, and the table is the multiset that it was. Where they do not, giving
 * back would double rows, and is refused. A snapshot is of no transaction: where rows are gone and
 * others are there, these may be what somebody has made of those.
 *
 * Layer  restore. Blocks on store and database; reads only.
 * Owns   nothing.
 */
#ifndef BS_RESTORE_KEYLESS_H
#define BS_RESTORE_KEYLESS_H

#include "restore/diff.h"

/* Of a table without a key; nothing of one with a key. Before it is compared: what was counted, the
 * live rows that the transaction wrote, and whether older ones can be left out of account. */
BS_MUST_CHECK enum bs_done
bs_keyless_count(struct bs_restore *r, struct bs_diff_table *t, struct bs_err *err);
/* After it was compared with the result `at`: rows of others that are nobody's counterpart. */
BS_MUST_CHECK enum bs_done
bs_keyless_others(struct bs_restore *r, size_t at, struct bs_diff_table *t, struct bs_err *err);

/* Rows of a snapshot may be in another partition by now: counts these together. Pure. */
void bs_keyless_join(struct bs_diff_table *const *all, size_t n);

/* True where the rows that the transaction has put there are what it made of saved ones: then they
 * go when those come. The first one before they are compared: if there are any. Pure. */
bool bs_keyless_would_replace(const struct bs_diff_table *t);
bool bs_keyless_replaces(const struct bs_diff_table *t);

/*
 * CONFLICT where rows would be there twice. Pure.
 *
 * removed  the transaction's rows go in any case
 */
BS_MUST_CHECK enum bs_done
bs_keyless_check(const struct bs_diff_table *t, bool removed, struct bs_err *err);

#endif
