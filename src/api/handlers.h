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
#include "approval/decision.h"

/* routes_tickets.c */
bs_handler_fn bs_on_tickets;
bs_handler_fn bs_on_ticket;
bs_handler_fn bs_on_approve;
bs_handler_fn bs_on_deny;
bs_handler_fn bs_on_comment;
bs_handler_fn bs_on_break_glass;
bs_handler_fn bs_on_review;
bs_handler_fn bs_on_reviews;

bs_handler_fn bs_on_events;

/*
 * Decides the ticket q->name as q->by, who may, with all that goes with it: on record first, counted.
 *
 * reason  may be NULL
 * out     the ticket afterwards
 * err     as bs_ticket_decide; CHANGED: not what If-Match says; what the audit says
 */
BS_MUST_CHECK enum bs_done bs_decide_as(struct bs_request *q,
                                        enum bs_decide verdict,
                                        const char *reason,
                                        struct bs_ticket *out,
                                        struct bs_err *err);

/* routes_slack.c */
bs_handler_fn bs_on_slack;

/* routes_points.c */
bs_handler_fn bs_on_points;
bs_handler_fn bs_on_point;

/* routes_restores.c */
bs_handler_fn bs_on_restores;
bs_handler_fn bs_on_restore;
bs_handler_fn bs_on_restore_result;
bs_handler_fn bs_on_restore_rows;
bs_handler_fn bs_on_restore_begin;
bs_handler_fn bs_on_restore_run;
bs_handler_fn bs_on_restore_diff;
bs_handler_fn bs_on_restore_plan;
bs_handler_fn bs_on_restore_approve;
bs_handler_fn bs_on_restore_copy_back;
bs_handler_fn bs_on_restore_discard;
bs_handler_fn bs_on_restore_cancel;

/* routes_actors.c */
bs_handler_fn bs_on_actors;
bs_handler_fn bs_on_actor;
bs_handler_fn bs_on_actor_quarantine;
bs_handler_fn bs_on_actor_release;

/* routes_enroll.c */
bs_handler_fn bs_on_actor_add;
bs_handler_fn bs_on_actor_set;
bs_handler_fn bs_on_actor_rotate;
bs_handler_fn bs_on_actor_token;
bs_handler_fn bs_on_actor_tokens;
bs_handler_fn bs_on_actor_revoke;
bs_handler_fn bs_on_actor_disable;
bs_handler_fn bs_on_actor_enable;

/* routes_operators.c */
bs_handler_fn bs_on_operators;
bs_handler_fn bs_on_operator;
bs_handler_fn bs_on_operator_add;
bs_handler_fn bs_on_operator_set;
bs_handler_fn bs_on_operator_rotate;
bs_handler_fn bs_on_operator_revoke;

/* routes_session.c */
bs_handler_fn bs_on_session_begin;
bs_handler_fn bs_on_session;
bs_handler_fn bs_on_session_end;

/* routes_console.c */
bs_handler_fn bs_on_console;

/* routes_pauses.c */
bs_handler_fn bs_on_pauses;
bs_handler_fn bs_on_pause;
bs_handler_fn bs_on_resume;

/* routes_audit.c */
bs_handler_fn bs_on_audit;
bs_handler_fn bs_on_audit_verify;

/* routes_explain.c */
bs_handler_fn bs_on_explain;

/* routes_status.c */
bs_handler_fn bs_on_health;
bs_handler_fn bs_on_ready;
bs_handler_fn bs_on_metrics;
bs_handler_fn bs_on_openapi;
bs_handler_fn bs_on_captures;
bs_handler_fn bs_on_evasion;

#endif
