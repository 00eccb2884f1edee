/*
 * evasion.h - what was denied by an operator or blocked by policy, and whether it is asked for
 * again in other words.
 *
 * Remembered for each actor and database, for as long as the policy's window says. An ask that
 * would do at least what was refused, said otherwise, is an evasion: counted, and past the policy's
 * limit the actor is to be quarantined, which only a human lifts. Sent again as it was, it is
 * a retry. Asking for less, or for something else, is neither.
 *
 * The memory is filled from the state at start, so a restart forgets nothing that was durable.
 *
 * Layer  approval. Thread-safe; does not block but in the functions that take a state.
 * Spec   DESIGN 1 (wording), 7.
 * Owns   copies of all that it is given. Bounded: see the limits below.
 */
#ifndef BS_APPROVAL_EVASION_H
#define BS_APPROVAL_EVASION_H

#include "base/err.h"
#include "sql/harm.h"
#include "state/state.h"

#define BS_EVASION_ACTOR_MAX 64   /* refusals remembered of one actor; blocked ones go first */
#define BS_EVASION_ALL_MAX   4096 /* of all together */

struct bs_evasion; /* opaque */

struct bs_evasion *bs_evasion_new(void);
void bs_evasion_free(struct bs_evasion **e); /* accepts NULL; sets it NULL */

/* Denied tickets, blocked statements and evasions of the last `window_us`, and who is quarantined. */
BS_MUST_CHECK enum bs_done bs_evasion_load(struct bs_evasion *e,
                                           struct bs_state *state,
                                           int64_t window_us,
                                           struct bs_err *err);

/* --- what was refused --- */

/* A bs_ticket_fn: remembers a ticket that is denied, and forgets what one that is approved covers:
 * a human has allowed it. */
void bs_evasion_on_ticket(const struct bs_ticket *ticket, void *evasion);
/* The policy blocked it. Harms that cannot be read are not remembered. */
void bs_evasion_blocked(struct bs_evasion *e, const struct bs_blocked *row);

/* --- asking --- */

enum bs_evasion_kind {
    BS_EVASION_NONE = 0,
    BS_EVASION_RETRY, /* exactly what was refused */
    BS_EVASION_MAYBE, /* it may be the same in other words: told, not counted */
    BS_EVASION_SURE,
};

struct bs_evasion_ask {
    const char *actor;
    const char *database;
    const char *identity; /* bs_ticket_identity */
    const char *text;     /* all that it runs: names in code that nobody has read */
    const struct bs_harms *harms;
    int64_t now_us; /* wall clock */
    int64_t window_us;
    int64_t limit; /* how many different evasions in the window are not yet too many */
};

struct bs_evasion_found {
    enum bs_evasion_kind kind;
    char ticket[BS_TICKET_ID]; /* that was denied; "": blocked by policy */
    int64_t refused_us;        /* when */
    unsigned tried;            /* SURE: evasions in the window, this one included */
    bool too_many;             /* this one is past the limit */
};

/* Compares with what is remembered, and counts. An ask that was counted is not counted again. */
void bs_evasion_ask(struct bs_evasion *e,
                    const struct bs_evasion_ask *ask,
                    struct bs_evasion_found *out);

/*
 * What operators are told: JSON with a sentence in `text`, to be freed by the caller. NULL for NONE
 * and RETRY.
 */
char *bs_evasion_write(const struct bs_evasion_found *found, int64_t now_us);

/* --- quarantine --- */

/* At once, for all sessions of this process. Call bs_evasion_save soon. why: for operators. */
void bs_evasion_quarantine(struct bs_evasion *e, const char *actor, const char *why);
/* Puts those into the state that are not in it yet. What fails is tried again by the next call. */
BS_MUST_CHECK enum bs_done
bs_evasion_save(struct bs_evasion *e, struct bs_state *state, struct bs_err *err);
bool bs_evasion_is_quarantined(struct bs_evasion *e, const char *actor);
/* Is anybody? */
bool bs_evasion_any_quarantined(struct bs_evasion *e);
/* Who is quarantined, again from the state: somebody was released, or quarantined elsewhere. A
 * release also forgets what was counted. */
BS_MUST_CHECK enum bs_done
bs_evasion_reload(struct bs_evasion *e, struct bs_state *state, struct bs_err *err);

/* --- counters, since the start --- */

struct bs_evasion_counts {
    uint64_t retries;
    uint64_t maybe;
    uint64_t sure;
    uint64_t quarantines;
};

void bs_evasion_count(struct bs_evasion *e, struct bs_evasion_counts *out);

#endif
