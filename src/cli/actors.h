/*
 * actors.h - what `agents` and `operators` share: the state, and who is at the keyboard.
 *
 * Layer  cli.
 * Owns   nothing.
 */
#ifndef BS_CLI_ACTORS_H
#define BS_CLI_ACTORS_H

#include <jansson.h>

#include "api/actors.h"
#include "api/credentials.h"
#include "base/clock.h"
#include "cli/cmd.h"
#include "state/state.h"

#define BS_ACTOR_BY 80 /* "local:" and a user's name */

/* What a verb on the state works with. Zero it; bs_actors_close whatever became of the opening. */
struct bs_actors {
    struct bs_config *config;
    struct bs_state *state;
    struct bs_arena arena;
    char by[BS_ACTOR_BY];
};

/* Loads the configuration and opens its state. False: said why, *status is the exit status. */
bool bs_actors_open(struct bs_actors *a, const struct bs_args *args, int *status);
void bs_actors_close(struct bs_actors *a);

/* "local:" and the name of the user on this machine who runs this. */
void bs_actor_local(char out[BS_ACTOR_BY]);

/* The whole verb "revoke" for what is called `what` ("agent"); its name is the one operand. */
int bs_actors_revoke(const struct bs_usage *usage,
                     int argc,
                     char **argv,
                     const char *what,
                     enum bs_done (*revoke)(struct bs_state *state,
                                            const char *name,
                                            const char *by,
                                            struct bs_err *err));

/* --overlap: NULL is none. False: it was said that it is no duration up to 90 days. */
bool bs_actor_overlap(const char *verb, const char *text, int64_t *out_ms, int *status);
/* "WHAT2026-01-01 00:15 UTC." */
void bs_actor_print_until(const char *what, int64_t at_us);
/* "2026-01-01 00:15" for tables; "-" for 0. */
void bs_actor_time(int64_t at_us, char out[BS_TIME_TEXT]);

#endif
