/*
 * watch.h - what ends a long piece of work early: a stop from another thread, or a deadline.
 *
 * Layer  base.
 * Owns   a pipe, which wakes a thread that waits for a socket.
 */
#ifndef BS_BASE_WATCH_H
#define BS_BASE_WATCH_H

#include <stdatomic.h>
#include <stdint.h>

#include "base/err.h"

struct bs_watch {
    atomic_bool stop;
    int wake[2];
    int64_t deadline_us; /* bs_mono_us(); 0: none */
    enum bs_code late;   /* what a missed deadline is: NO_POINT unless set */
    atomic_llong *bytes; /* where those who read objects count stored bytes; NULL: nowhere */
    const struct bs_watch *above; /* ends this one, too; NULL unless set */
};

/* err IO: no more descriptors */
BS_MUST_CHECK enum bs_done
bs_watch_init(struct bs_watch *w, int64_t deadline_us, struct bs_err *err);
void bs_watch_fini(struct bs_watch *w);
/* Any thread, any number of times. Does not block. */
void bs_watch_stop(struct bs_watch *w);
/* CANCELLED after a stop, `late` after the deadline. A NULL watch never ends anything. */
BS_MUST_CHECK enum bs_done bs_watch_check(const struct bs_watch *w, struct bs_err *err);
void bs_watch_count(const struct bs_watch *w, int64_t bytes); /* accepts a NULL watch */
/* Milliseconds to the deadline, at least 1; `most` where that is less or there is none. */
int bs_watch_left_ms(const struct bs_watch *w, int most);
/* Waits until poll(2) reports one of `events` (or an error) on fd. Errors as bs_watch_check. */
BS_MUST_CHECK enum bs_done
bs_watch_poll(const struct bs_watch *w, int fd, short events, struct bs_err *err);

#endif
