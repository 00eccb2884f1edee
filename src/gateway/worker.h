/*
 * worker.h - a thread with a loop, the sessions it accepted, a mailbox, and its way to job threads.
 *
 * Layer  gateway.
 * Owns   a worker owns its sessions and listeners until it has stopped.
 */
#ifndef BS_GATEWAY_WORKER_H
#define BS_GATEWAY_WORKER_H

#include <uv.h>

#include "base/err.h"
#include "gateway/session.h"

struct bs_gateway; /* gateway/gateway.h */
struct bs_lanes;
struct bs_logins;
struct bs_verdicts;
struct bs_worker;

/* Runs on the worker's thread. */
typedef void bs_post_fn(struct bs_worker *w, void *arg);
/* Runs on a job thread; may block. Must not touch the session. */
typedef void bs_work_fn(void *arg);
/*
 * Runs on the worker's thread after the work, always, so that `arg` can be freed.
 *
 * current  the session is open and its generation is still the one the job was posted under;
 *          false: too late, only free `arg`
 */
typedef void bs_work_done_fn(struct bs_session *s, bool current, void *arg);

/*
 * Create workers; they run after bs_worker_start.
 *
 * index   0-based; worker 0 also accepts on Unix sockets
 */
BS_MUST_CHECK enum bs_done
bs_worker_new(struct bs_gateway *g, unsigned index, struct bs_worker **out, struct bs_err *err);

/* Accept on a listening socket, owned by the worker from here on. Before bs_worker_start. */
BS_MUST_CHECK enum bs_done bs_worker_listen(struct bs_worker *w, int fd, struct bs_err *err);
/* The same for the socket of inside.h. */
BS_MUST_CHECK enum bs_done bs_worker_listen_inside(struct bs_worker *w, int fd, struct bs_err *err);
BS_MUST_CHECK enum bs_done bs_worker_start(struct bs_worker *w, struct bs_err *err);

/*
 * Run a function on the worker's thread. Thread-safe; kept in order; may be called before start.
 * What comes after the worker has ended is run by bs_worker_join and bs_worker_free, when no session
 * is left. Those are called in the same order for all workers: a letter may answer by another one.
 */
void bs_worker_post(struct bs_worker *w, bs_post_fn *fn, void *arg);

/*
 * Run `work` on a job thread, then `done` on the worker's thread. Only on the worker's thread.
 *
 * s    keeps a reference until `done` has run; NULL where no session is meant (current is true)
 */
void bs_worker_job(
    struct bs_worker *w, struct bs_session *s, bs_work_fn *work, bs_work_done_fn *done, void *arg);

/* The open session of that id, or NULL. Only on the worker's thread. */
struct bs_session *bs_worker_session(struct bs_worker *w, const char *id);

uv_loop_t *bs_worker_loop(struct bs_worker *w);
struct bs_logins *bs_worker_logins(struct bs_worker *w);     /* gateway/login.h */
struct bs_verdicts *bs_worker_verdicts(struct bs_worker *w); /* gateway/verdicts.h */
struct bs_lanes *bs_worker_lanes(struct bs_worker *w);       /* gateway/lanes.h */
/* For one message of any session, from when it is judged until it is sent: nothing of it lives on. */
struct bs_arena *bs_worker_message(struct bs_worker *w);
struct bs_gateway *bs_worker_gateway(struct bs_worker *w);

/* Another policy is in force: tell every session. Thread-safe. */
void bs_worker_policy_changed(struct bs_worker *w);
/* Actors were revoked, or their time is over: end their sessions. Thread-safe. */
void bs_worker_check_standings(struct bs_worker *w);
/* Stop accepting, tell every session, end the thread when the last is gone. Thread-safe. */
void bs_worker_stop(struct bs_worker *w);
/* End every session, with a word to its client. Thread-safe. */
void bs_worker_end(struct bs_worker *w);
/* Close every session now. Thread-safe. */
void bs_worker_kill(struct bs_worker *w);
/* Wait for the thread to end. */
void bs_worker_join(struct bs_worker *w);
/* After bs_worker_join, or where the worker never ran, once nobody posts to it any more. */
void bs_worker_free(struct bs_worker **w);

/* For session.c: the list of open sessions. */
void bs_worker_add(struct bs_worker *w, struct bs_session *s);
void bs_worker_remove(struct bs_worker *w, struct bs_session *s);

#endif
