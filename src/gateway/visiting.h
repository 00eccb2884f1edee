/*
 * visiting.h - the state of one question to the gateway, shared by door.c, which waits for the answer
 * and gives it, door_job.c, which finds it, and door_explain.c, for a statement that is explained.
 *
 * Layer  gateway, private to these files. On the session's worker thread; a job thread has it while
 *        `out`.
 * Owns   see each member. Freed with its last reference, on the worker's thread.
 */
#ifndef BS_GATEWAY_VISITING_H
#define BS_GATEWAY_VISITING_H

#include "gateway/asking.h"
#include "gateway/door.h"
#include "gateway/session.h"

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

    /* of EXPLAIN */
    struct bs_gate *gate; /* holds nothing: the statement's verdict lives in it */
    bool stale;           /* judged by a catalog that is too old to count by */
    bool somebody;        /* is there who could approve it */
};

/* Finds the answer. On a job thread. */
void bs_visit_answer(struct bs_visit *v);

/* --- door_explain.c --- */

/* Judges what is explained; sets the refusal where that is all there is to say. BS_HEARD_NOT: the catalog
 * is being loaded, and the message will be looked at again. */
enum bs_heard bs_visit_judge(struct bs_relay *r, struct bs_visit *v, const struct bs_question *q);
/* Counts what it would change. On a job thread. */
void bs_visit_count(struct bs_visit *v);
/* The answer, of what was counted. True: it has to be counted once more. */
bool bs_visit_explain(struct bs_relay *r, struct bs_visit *v);

#endif
