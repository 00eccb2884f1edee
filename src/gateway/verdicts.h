/*
 * verdicts.h - verdicts that are kept by the text they are of, so that a text which comes again
 * costs a hash and not a judgement.
 *
 * Only what was judged SAFE and passes as it is, is kept: everything else is judged anew, each time.
 * bs_judge is a function of what struct bs_judge holds and of the text, and reads no clock; all of it
 * is part of the key, or the verdict is not kept:
 *   - the text, byte for byte, and whose it is: actor, group, database and its environment
 *   - the policy and the snapshot themselves, not what they are called: another one misses
 *   - the shield, and the limits of recovery points; what the audit does not show
 *   - what the session has done to names: a verdict is kept and found only where that is nothing
 *   - prepared statements and cursors: a verdict that has asked for one is not kept
 * How a text is lexed is no part of it, since it never differs: a session whose settings would have it
 * otherwise ends (answers.c), a text that reads differently is judged as the worse (sql/classify.c), and
 * there is one grammar in a process. A text with a password in it is not kept, nor one above 64 KB.
 *
 * A SELECT whose only constants are whole numbers that columns are compared with is kept once for all
 * numbers of as many digits: all are int4, and nothing that judges what is only read looks at their value.
 * Anything else in the text that could be a number, or hide one, and it is kept for itself alone.
 *
 * A text is kept when it comes a second time, so that those that never do cost no memory and push
 * nothing out; what was not used for longest goes first. The hash has a key that nobody outside
 * knows, and texts are compared besides: nobody can make two of them meet.
 *
 * Layer  gateway. One for each worker, on its thread; no verdict is seen by two workers.
 * Owns   its verdicts, up to its size; one that is in use lives on until the last reference is gone.
 */
#ifndef BS_GATEWAY_VERDICTS_H
#define BS_GATEWAY_VERDICTS_H

#include "gateway/judge.h"

struct bs_verdicts;
struct bs_kept; /* one verdict, with references */

/* max_bytes  of memory; 0: nothing is kept */
struct bs_verdicts *bs_verdicts_new(size_t max_bytes);
void bs_verdicts_free(struct bs_verdicts **v); /* accepts NULL */

/*
 * bs_judge, or what it said before.
 *
 * kept  a reference, where `out` borrows from what is kept and is not to be changed but by itself;
 *       NULL where all of it is in the arena
 */
BS_MUST_CHECK enum bs_done bs_verdicts_judge(struct bs_verdicts *v,
                                             const struct bs_judge *by,
                                             struct bs_bytes text,
                                             struct bs_arena *arena,
                                             struct bs_verdict *out,
                                             struct bs_kept **kept,
                                             struct bs_err *err);

void bs_kept_unref(struct bs_kept **k); /* accepts NULL; sets it NULL */

/*
 * One that no table has: whoever made it judges into it, on any thread (apart.h).
 *
 * max_bytes  of its arena
 */
struct bs_kept *bs_kept_new(const struct bs_judge *by, size_t max_bytes);
struct bs_kept *bs_kept_ref(struct bs_kept *k);
struct bs_arena *bs_kept_arena(struct bs_kept *k);
struct bs_verdict *bs_kept_verdict(struct bs_kept *k);
const struct bs_subject *bs_kept_subject(const struct bs_kept *k); /* in its arena */
/* There is one reference. */
bool bs_kept_is_sole(const struct bs_kept *k);
/* It is of that text, and was judged by what would judge it now, the session's names apart. */
bool bs_kept_is_current(const struct bs_kept *k, const struct bs_judge *by, struct bs_bytes text);
/* Its verdict, with the text as the caller has it. */
void bs_kept_use(const struct bs_kept *k,
                 const struct bs_judge *by,
                 struct bs_bytes text,
                 struct bs_verdict *out);

size_t bs_verdicts_bytes(const struct bs_verdicts *v);

#endif
