/*
 * handlers.h - the functions behind the rows of routes.c, by resource.
 *
 * They call the same functions as the command line does.
 *
 * Layer  api. They block.
 * Owns   nothing; what they answer belongs to whoever serves the request.
 */
#ifndef BS_API_HANDLERS_H
#define BS_API_HANDLERS_H

#include "api/routes.h"

/* routes_tickets.c */
bs_handler_fn bs_on_tickets;
bs_handler_fn bs_on_ticket;
bs_handler_fn bs_on_approve;
bs_handler_fn bs_on_deny;
bs_handler_fn bs_on_comment;

/* routes_status.c */
bs_handler_fn bs_on_health;
bs_handler_fn bs_on_ready;
bs_handler_fn bs_on_metrics;
bs_handler_fn bs_on_openapi;
bs_handler_fn bs_on_captures;
bs_handler_fn bs_on_evasion;

#endif
