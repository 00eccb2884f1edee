/*
 * stop.h - the end of a restore that somebody has called off: what its sessions are running is
 * cancelled, and they begin nothing more.
 *
 * Layer  restore. Thread-safe.
 * Spec   libpq-cancel.html.
 * Owns   the sessions' cancel handles, from bs_stop_init to bs_stop_fini.
 */
#ifndef BS_RESTORE_STOP_H
#define BS_RESTORE_STOP_H

#include <libpq-fe.h>
#include <pthread.h>
#include <stdatomic.h>

#include "base/err.h"

#define BS_STOP_SESSIONS 64

struct bs_stop {
    pthread_mutex_t lock;
    atomic_bool called;
    PGcancel *sessions[BS_STOP_SESSIONS];
    size_t n;
};

void bs_stop_init(struct bs_stop *stop);
void bs_stop_fini(struct bs_stop *stop);

/* A session that a stop ends. Accepts NULL for `stop`. */
void bs_stop_add(struct bs_stop *stop, PGconn *conn);
/*
 * Ends them. What is just being begun may not hear of it: whoever waits for the end calls this
 * again. Blocks for as long as the server takes to answer.
 */
void bs_stop_call(struct bs_stop *stop);
/* CANCELLED once it was called. Accepts NULL. */
BS_MUST_CHECK enum bs_done bs_stop_check(struct bs_stop *stop, struct bs_err *err);

#endif
