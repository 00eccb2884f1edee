/*
 * answer.h - what a gateway has said of a statement, in an error's DETAIL or when asked for a ticket.
 *
 * Layer  lib. Pure.
 * Spec   DESIGN 7: DETAIL of every ZB0xx; the agent's door: SHOW backstop.ticket.
 * Owns   an answer its JSON, until backstop_answer_free.
 */
#ifndef BS_LIB_ANSWER_H
#define BS_LIB_ANSWER_H

#include "lib/inside.h"

/*
 * An answer about a ticket, of the text that the door gave.
 *
 * err  DATABASE: that is no such text
 */
BS_MUST_CHECK enum bs_done
bs_lib_ticket_answer(const char *text, backstop_answer **out, struct bs_err *err);

/* Nobody has decided yet. */
bool bs_lib_is_pending(const backstop_answer *answer);

#endif
