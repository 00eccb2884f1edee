/*
 * ticket_view.h - a ticket as text for people.
 *
 * Layer  cli. Pure.
 */
#ifndef BS_CLI_TICKET_VIEW_H
#define BS_CLI_TICKET_VIEW_H

#include <jansson.h>
#include <stdio.h>

/* ticket  as the API shows it. Nothing in it can act on a terminal or look like a line of ours. */
void bs_ticket_print(FILE *to, const json_t *ticket);

#endif
