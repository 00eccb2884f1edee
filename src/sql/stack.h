/*
 * stack.h - run a job with as much stack as a text of some length may need.
 *
 * The grammar computes the position of an expression by recursion when it reports certain errors:
 * `(SELECT 1 LIMIT 1) LIMIT 1+1+1+...` of 1 MB overflows a stack of 8 MB. Two bytes of text make
 * one level. Short texts run where they are.
 *
 * Layer  sql.
 * Owns   a thread for the length of the call, where one is needed.
 */
#ifndef BS_SQL_STACK_H
#define BS_SQL_STACK_H

#include <stddef.h>

#include "base/err.h"

/*
 * Runs job(with), on this thread or another one, and waits for it.
 *
 * text_bytes  length of the text that the job parses
 * BS_FAILED: there is no room for such a stack, the job did not run
 */
BS_MUST_CHECK enum bs_done bs_stack_run(size_t text_bytes, void (*job)(void *with), void *with);

/*
 * The same for callers whose threads are not ours and may have little stack: on this thread only where it
 * has as much left as all that judges may need, bodies of functions too. The text is still given to
 * bs_stack_run.
 */
BS_MUST_CHECK enum bs_done bs_stack_ensure(void (*job)(void *with), void *with);

#endif
