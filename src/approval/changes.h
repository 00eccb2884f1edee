/*
 * changes.h - tell the audit of agents and operators that were added or revoked.
 *
 * Such a change may be made by another process than the one that has the audit open. So it is kept
 * in the state, in the transaction that made it, until whoever has the audit open takes it over.
 *
 * Layer  approval. Blocks; never on a worker.
 * Owns   nothing.
 */
#ifndef BS_APPROVAL_CHANGES_H
#define BS_APPROVAL_CHANGES_H

#include "audit/record.h"
#include "state/state.h"

/* Move every change into the audit. Call it at start and every few seconds. `n` may be NULL. */
BS_MUST_CHECK enum bs_done
bs_changes_record(struct bs_state *state, struct bs_audit *audit, size_t *n, struct bs_err *err);

#endif
