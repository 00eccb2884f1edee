/*
 * effects.h - what the statements of a forwarded message will have done to the session once they
 * are answered: names made and dropped, a search_path set, temporary objects, DDL.
 *
 * Layer  gateway. Pure.
 * Owns   copies of the few strings it needs; freed by bs_effects_free.
 */
#ifndef BS_GATEWAY_EFFECTS_H
#define BS_GATEWAY_EFFECTS_H

#include "gateway/judge.h"
#include "gateway/names.h"
#include "gateway/savepoints.h"
#include "state/rows.h"

/* State of a session that its statements change; `meaning` can only raise a risk. */
struct bs_session_state {
    struct bs_names names;
    struct bs_session_names meaning; /* its `own` is the next, once anything is noted */
    struct bs_own own;
    struct bs_arena own_arena;
    struct bs_arena told_arena; /* of own.told */
    char path[BS_SHA256_TEXT];  /* of the search_path that was set last; "": the one at the start */
    bool unread;    /* code that nobody has read has run since prepared statements were looked at */
    bool unread_tx; /* and may run on to the end of the open transaction */
    bool doubt_tx; /* the same, of code that was seen to be unread: then names are in doubt again */
    bool retold;   /* temporary objects may be others than the server told of (catalog/told.h) */
    bool retold_tx; /* and again others once the open transaction has ended */
    struct bs_savepoints savepoints;
    bool went_back;        /* ROLLBACK TO was answered, and nobody has looked at it yet */
    uint64_t went_back_to; /* the moment */
};

struct bs_effects; /* what the statements of a unit do to names; NULL: nothing */

/* NULL where the unit makes and drops no name. */
struct bs_effects *bs_effects_of(const struct bs_unit *unit);
void bs_effects_free(struct bs_effects **e); /* accepts NULL */
/* The next statement of the unit was answered with success. */
void bs_effects_step(struct bs_effects *e, struct bs_session_state *state);

/* What a unit may do to the meaning of names counts from the moment it is sent. */
void bs_effects_meaning(const struct bs_unit *unit, struct bs_session_state *state);
/* A transaction has ended: unread code may have run on until now (deferred triggers). */
void bs_effects_ended(struct bs_session_state *state);
/* No transaction is open, and nothing is sent that could have begun one. */
void bs_effects_settle(struct bs_session_state *state);

#endif
