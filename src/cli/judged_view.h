/*
 * judged_view.h - a judged unit as text for people; api/judged.h has it as JSON.
 *
 * Layer  cli.
 * Owns   nothing.
 */
#ifndef BS_CLI_JUDGED_VIEW_H
#define BS_CLI_JUDGED_VIEW_H

#include "catalog/judge.h"
#include "sql/classify.h"

/* On standard output, a paragraph a statement. */
void bs_judged_print(const struct bs_unit *unit, const struct bs_facts *facts);

#endif
