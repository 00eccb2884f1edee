/*
 * restores.h - the ways back that operators go over the API, each a row of steps: preview, run, diff,
 * plan, copy-back, discard. A step is a job on a thread of its own, one at a time of a restore, and a
 * few at a time in all.
 *
 * What is told of a restore is kept in the state, so that it outlives the process; a step that was
 * waiting or running when that ended is `interrupted`. What a step has shown, rows among it, stays in
 * memory only, of the latest restores.
 *
 * Layer  api. Thread-safe. All but the list block on the state.
 * Owns   its threads and all restores, from bs_restores_new to bs_restores_free.
 */
#ifndef BS_API_RESTORES_H
#define BS_API_RESTORES_H

#include "api/back.h"
#include "api/events.h"

struct bs_restores; /* opaque */

/* Whatever was interrupted is recorded as that. UNAVAILABLE; errors of state and audit. */
BS_MUST_CHECK enum bs_done bs_restores_new(struct bs_gateway *g,
                                           struct bs_events *events,
                                           struct bs_restores **out,
                                           struct bs_err *err);
/*
 * Calls off what can be, waits a while for a copy-back, and ends its threads. Where one does not end,
 * so does the process. Accepts NULL; sets it NULL.
 */
void bs_restores_free(struct bs_restores **s);

/* What a new one is about. */
struct bs_restores_ask {
    const char *point;                    /* its whole id */
    const char *database, *table, *where; /* may be NULL */
};

/*
 * A new one, with its preview.
 *
 * shown  it, as JSON; the caller's
 * err    TOO_OFTEN: as many are waiting as may; errors of the state
 */
BS_MUST_CHECK enum bs_done bs_restores_begin(struct bs_restores *s,
                                             const struct bs_restores_ask *ask,
                                             const json_t *options,
                                             const char *by,
                                             json_t **shown,
                                             struct bs_err *err);
/*
 * The next step of one.
 *
 * digest  of what was shown last; of the plan
 * err     NOT_FOUND; CHANGED: that was not shown last; CONFLICT: a step is at work, or this one cannot
 *         come now; TOO_OFTEN; those of bs_back_check and of the state
 */
BS_MUST_CHECK enum bs_done bs_restores_next(struct bs_restores *s,
                                            const char *id,
                                            enum bs_back_step step,
                                            const char *digest,
                                            const json_t *options,
                                            const char *by,
                                            json_t **shown,
                                            struct bs_err *err);
/*
 * Calls a step off.
 *
 * ended  whether it has ended by now
 * err    NOT_FOUND; CONFLICT: nothing is to be called off, or it ends by itself
 */
BS_MUST_CHECK enum bs_done bs_restores_cancel(
    struct bs_restores *s, const char *id, json_t **shown, bool *ended, struct bs_err *err);

/* NOT_FOUND. */
BS_MUST_CHECK enum bs_done
bs_restores_show(struct bs_restores *s, const char *id, json_t **shown, struct bs_err *err);

/* Is there such a state of a step? "queued", ... */
bool bs_restores_state(const char *name);

struct bs_restores_filter {
    const char *point, *state; /* NULL: any */
    const char *before;        /* only older ones; NULL: all */
    size_t limit;
};
/* An array, newest first. */
json_t *bs_restores_list(struct bs_restores *s, const struct bs_restores_filter *filter);

/*
 * What a step has shown.
 *
 * step    its name; NULL: the last that has shown something
 * name    out: its name, constant
 * result  out: the caller's
 * err     NOT_FOUND: no such restore, or that step has shown nothing that is kept
 */
BS_MUST_CHECK enum bs_done bs_restores_result(struct bs_restores *s,
                                              const char *id,
                                              const char *step,
                                              const char **name,
                                              json_t **result,
                                              struct bs_err *err);

/* Text of the plan that is to be carried out, on the heap. NOT_FOUND: there is none. */
BS_MUST_CHECK enum bs_done
bs_restores_plan(struct bs_restores *s, const char *id, char **text, struct bs_err *err);
/* A second operator has agreed to it. Errors of the state. */
BS_MUST_CHECK enum bs_done bs_restores_agreed(
    struct bs_restores *s, const char *id, const char *by, json_t **shown, struct bs_err *err);

#endif
