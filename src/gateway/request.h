/*
 * request.h - a gated unit as others need to see it: a ticket to approve, an identity to find it
 * again, limits to compare, a recovery point to make.
 *
 * Layer  gateway. Pure; may run on a job thread, on a gate that nothing else changes meanwhile.
 * Spec   PROTECT 14, DESIGN 7.
 * Owns   everything lives in the gate's arena.
 */
#ifndef BS_GATEWAY_REQUEST_H
#define BS_GATEWAY_REQUEST_H

#include "approval/limits.h"
#include "audit/record.h"
#include "gateway/gating.h"

/* Effects, reasons and parameters of item i, for an audit record. LIMIT. */
BS_MUST_CHECK enum bs_done bs_request_describe(struct bs_gate *g,
                                               size_t i,
                                               struct bs_audit_record *record,
                                               struct bs_err *err);
/* Sets g->identity. LIMIT. */
BS_MUST_CHECK enum bs_done bs_request_identity(struct bs_gate *g, struct bs_err *err);
/* All that it runs, as operators see it. NULL: no room. */
const char *bs_request_text(struct bs_gate *g);
/* The values of item i's parameters as text, as bs_harms_of takes them; NULL: NULL, or not known.
 * LIMIT. */
BS_MUST_CHECK enum bs_done bs_request_values(
    struct bs_gate *g, size_t i, const char *const **out, size_t *n, struct bs_err *err);
BS_MUST_CHECK enum bs_done
bs_request_limits(struct bs_gate *g, struct bs_limits *out, struct bs_err *err);
/* After the identity. LIMIT. */
BS_MUST_CHECK enum bs_done
bs_request_ticket(struct bs_gate *g, struct bs_ticket *out, struct bs_err *err);
/* The parameters of the unit's one statement, for the selects of its plan. LIMIT. */
BS_MUST_CHECK enum bs_done
bs_request_bounds(struct bs_gate *g, struct bs_bounds *out, struct bs_err *err);
/* The same of one text. */
BS_MUST_CHECK enum bs_done
bs_request_bounds_of(struct bs_gate *g, size_t i, struct bs_bounds *out, struct bs_err *err);
/* What a capture calls a grade. */
enum bs_capture_grade bs_request_grade(enum bs_grade grade);
BS_MUST_CHECK enum bs_done
bs_request_capture(struct bs_gate *g, struct bs_capture_request *out, struct bs_err *err);
/* What the keeper of a ledger is opened with, before its first unit runs. In the ledger's arena. */
BS_MUST_CHECK enum bs_done bs_request_keep(struct bs_ledger *l,
                                           struct bs_gate *first,
                                           struct bs_capture_request *out,
                                           struct bs_err *err);
/* Tells the keeper of a ledger all that has run, and the strictest of what is required of it. LIMIT. */
BS_MUST_CHECK enum bs_done bs_request_describe_kept(struct bs_ledger *l, struct bs_err *err);
/* Of a point that was made for the gate. */
void bs_request_point_row(struct bs_gate *g,
                          const struct bs_capture_result *point,
                          struct bs_point_row *out);

#endif
