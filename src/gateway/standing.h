/*
 * standing.h - who may stay: whether the actor that a session logged in as is still let in; and what
 * operators have paused.
 *
 * Actors are revoked, disabled and given another expiry by other processes, which write into the
 * state. The keeper looks once a second whether there was a change, and only then reads; the
 * workers are told and end what must end. A session whose login was looked up before the change is
 * judged again when it is let in, so none slips through between the two.
 *
 * Layer  gateway. Thread-safe. bs_standings_look reads the state: not on a worker.
 * Owns   copies of the names.
 */
#ifndef BS_GATEWAY_STANDING_H
#define BS_GATEWAY_STANDING_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "state/rows.h"

struct bs_session;   /* gateway/session.h */
struct bs_standings; /* opaque */
struct bs_state;     /* state/state.h */

/* What is left to a session. Zero is the least. */
enum bs_left {
    BS_LEAVE_NOTHING = 0, /* paused: what runs, and what is open, ends, too */
    BS_LEAVE_RUNNING,     /* paused: what runs may end; nothing new runs but ROLLBACK */
    BS_LEAVE_READING,     /* quarantined: paused.h */
    BS_LEAVE_ALL,
};

struct bs_leave {
    enum bs_left what;
    enum bs_pause_scope scope; /* the widest of the pauses that count */
};

struct bs_standings *bs_standings_new(void);
void bs_standings_free(struct bs_standings **s); /* accepts NULL; sets it NULL */

/* Reads who is let in, and what is paused, where anything has changed. What was known stays in force on failure. */
BS_MUST_CHECK enum bs_done
bs_standings_look(struct bs_standings *s, struct bs_state *state, struct bs_err *err);

/* Has anything changed that is known here since the session's actor was looked up? */
bool bs_standings_have_changed(struct bs_standings *s, const struct bs_session *session);

/*
 * Why a session that was let in has to end now; NULL: it may stay.
 *
 * session  on its worker; what it was told is kept in it
 *
 * Returns a literal for its client: it says nothing of who did it.
 */
const char *bs_standings_judge(struct bs_standings *s, struct bs_session *session);

/* What pauses leave an actor in a database: NOTHING, RUNNING or ALL. */
struct bs_leave bs_standings_leave(struct bs_standings *s, const char *actor, const char *database);

/* Pauses in force, by scope. */
void bs_standings_count(struct bs_standings *s, size_t out[BS_PAUSE_EVERYTHING + 1]);

#endif
