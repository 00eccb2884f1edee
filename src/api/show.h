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

#include "base/err.h"
#include "state/rows.h"

json_t *bs_show_ticket(const struct bs_ticket *t);
json_t *bs_show_problem(const struct bs_err *err);

#endif
