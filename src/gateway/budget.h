/*
 * budget.h - what a capture costs against what it may: for the ticket, before anybody spends time on
 * it, and for whoever is refused because the lock budget was over.
 *
 * Layer  gateway. On a job thread: bs_budget_look asks the database.
 * Owns   texts live in the gate's arena.
 */
#ifndef BS_GATEWAY_BUDGET_H
#define BS_GATEWAY_BUDGET_H

#include <jansson.h>

#include "gateway/gating.h"

/* The sizes of what is copied whole, as they are: the plan has them as the catalog last saw them.
 * Where nobody answers it stays so. */
void bs_budget_look(struct bs_gate *g);
/* Rows, seconds as the last captures took, the budget, and whether it fits, into a ticket's plan. */
void bs_budget_put(const struct bs_gate *g, json_t *plan);
/*
 * A capture of the gate has failed. One sentence with the numbers where that is because its budget
 * was over; how long it took is remembered. NULL: there is another reason.
 */
const char *bs_budget_over(struct bs_gate *g);

#endif
