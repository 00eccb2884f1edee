/*
 * visiting.h - the state of one question to the gateway, shared by door.c, which waits for the answer
 * and gives it, and door_job.c, which finds it.
 *
 * Layer  gateway, private to these files. On the session's worker thread; a job thread has it while
 *        `out`.
 * Owns   see each member. Freed with its last reference, on the worker's thread.
 */
#ifndef BS_GATEWAY_VISITING_H
#define BS_GATEWAY_VISITING_H

#include "gateway/session.h"
#include "sql/door.h"

struct bs_visit {
    struct bs_session *s; /* a reference */
    unsigned refs;
    struct bs_door ask;
    bool ready;         /* there is an answer, or a refusal */
    bool may_wait;      /* nothing is open that would hold locks while a human reads */
    bool waits;         /* for a decision */
    bool out;           /* a job has it */
    bool again;         /* the ticket has changed meanwhile */
    int64_t give_up_us; /* bs_mono_us: the end of the wait */

    /* what the job has found */
    bool pending;               /* the ticket is not decided */
    char *answer;               /* JSON in ASCII */
    struct bs_refusal *refusal; /* in its place */
};

/* Finds the answer. On a job thread. */
void bs_visit_answer(struct bs_visit *v);

#endif
