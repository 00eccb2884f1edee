/*
 * apart.h - long texts, judged on a job thread: parsing 16 MB takes a second or ten, and a worker has
 * other sessions.
 *
 * The session is parked meanwhile (BS_MODE_APART), with the message where it is. Then the message is
 * looked at again, and finds the verdict, if that is still what would be said now: another policy or
 * catalog, and it is judged anew. Nothing is in flight on the server when the job begins, and nothing
 * is sent before it ends, so what the session's names mean cannot change under it; what a text asks
 * of named statements and cursors is answered from a list, which is filled in on the worker.
 *
 * Layer  gateway. On the worker's thread; of a struct bs_apart its job has the arena and the verdict.
 * Owns   texts and verdicts, until the message has been dealt with; those that are lent to a gate
 *        are the gate's from bs_apart_give on.
 */
#ifndef BS_GATEWAY_APART_H
#define BS_GATEWAY_APART_H

#include "gateway/asking.h"

struct bs_gate; /* gateway/gate.h */

/* Texts above it are judged apart. */
#define BS_APART_TEXT ((size_t)64 << 10)

/*
 * Judges a text that is too long for the worker, or names one (bs_verdict.apart).
 *
 * out   on BS_HEARD; it borrows from what is kept here
 * kept  a reference to that; itself NULL: the verdict is lent, so that no other will be given it, and
 *       is to become a gate's
 * BS_HEARD_NOT: the session is parked, or a gate has it and cannot wait
 */
enum bs_heard bs_apart_judge(struct bs_relay *r,
                             const struct bs_judge *by,
                             struct bs_bytes text,
                             struct bs_verdict *out,
                             struct bs_kept **kept);
/* What was lent is the gate's; or it is here again. */
void bs_apart_give(struct bs_relay *r, struct bs_gate *g);
void bs_apart_take_back(struct bs_relay *r);
/* What that verdict borrows from, of the message or of the name that it runs; NULL: it was not judged
 * apart. Borrowed. */
struct bs_kept *
bs_apart_find(const struct bs_relay *r, const struct bs_verdict *v, const struct bs_prepared *p);
/* The message has been dealt with. */
void bs_apart_settle(struct bs_relay *r);
/* The message that waits is refused as cancelled. */
void bs_apart_cancel(struct bs_relay *r);
/* The session ends. */
void bs_apart_abandon(struct bs_relay *r);

#endif
