/*
 * seen.h - whether what a statement may do, known or not, shows inside its transaction.
 *
 * The audit before COMMIT tells which tables lost rows, and finds DDL, TRUNCATE, foreign writes
 * and moved sequences whoever did them. So code that nobody has vetted may run as ROWS, as long as
 * nothing is known of it that the audit would miss.
 *
 * Layer  catalog. Pure.
 * Spec   PROTECT.md 3 and 4, RISK.md (last row).
 * Owns   nothing.
 */
#ifndef BS_CATALOG_SEEN_H
#define BS_CATALOG_SEEN_H

#include "catalog/judge.h"

/*
 * True where the statement as such only changes rows, or nothing, and all that makes its risk what
 * it is shows in the audit. An allow-list: a kind, or a reason, that is not on it is not seen.
 *
 * facts  of its unit: of a name that nobody has nothing is known; NULL: no catalog was asked
 */
bool bs_stmt_is_seen(const struct bs_stmt *stmt, const struct bs_facts *facts);

/* The same of one reason: what it tells of shows in the audit. */
bool bs_reason_is_seen(const char *code);

#endif
