/*
 * show.h - how things look as JSON, for operators.
 *
 * Layer  api. Pure.
 * Spec   RFC 9457 for problems.
 * Owns   the caller frees what is returned.
 */
#ifndef BS_API_SHOW_H
#define BS_API_SHOW_H

#include <jansson.h>

#include "approval/decision.h"
#include "base/err.h"
#include "state/rows.h"

json_t *bs_show_ticket(const struct bs_ticket *t);
/* What one operator did alone, and what another says of it. */
json_t *bs_show_review(const struct bs_glass *glass);
/* Adds `decisions`, `comments`, `break_glass` where it was broken, and `missing`, the approvals that a
 * pending one still needs. */
void bs_show_standing(json_t *ticket, const struct bs_standing *standing);
json_t *bs_show_problem(const struct bs_err *err);

#endif
