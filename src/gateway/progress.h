/*
 * progress.h - captures that are being made now, and how far they are: for operators, by ticket or all
 * of them, and for the client that waits.
 *
 * Layer  gateway. Thread-safe but for bs_progress_notify, which is on the session's worker thread.
 * Owns   the list; an entry belongs to whoever has entered it, and the capture in it must outlive it.
 */
#ifndef BS_GATEWAY_PROGRESS_H
#define BS_GATEWAY_PROGRESS_H

#include <jansson.h>

#include "recovery/capture.h"

struct bs_progress;
struct bs_relay; /* gateway/running.h */

/* All texts are borrowed until bs_progress_leave. */
struct bs_progress_entry {
    const struct bs_capture *capture;
    const char *ticket;   /* NULL: nobody was asked */
    const char *schedule; /* of a snapshot; NULL: of a statement */
    const char *actor;    /* NULL: of a snapshot */
    const char *database;
    int64_t began_us;  /* bs_mono_us */
    int64_t budget_us; /* bs_mono_us by which it must be done; 0: not known */
    struct bs_progress_entry *next;
};

struct bs_progress *bs_progress_new(void);
void bs_progress_free(struct bs_progress **p); /* accepts NULL */

void bs_progress_enter(struct bs_progress *p, struct bs_progress_entry *e);
void bs_progress_leave(struct bs_progress *p, struct bs_progress_entry *e);

/* Of a ticket, as JSON: phase, rows, bytes, of, seconds. NULL: nothing is being captured for it. */
json_t *bs_progress_of(struct bs_progress *p, const char *ticket);
/* An array of all. */
json_t *bs_progress_all(struct bs_progress *p);

/* Tells the client of the session's gate, which waits for its capture, with a NOTICE. */
void bs_progress_notify(struct bs_relay *r);

#endif
