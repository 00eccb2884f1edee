/*
 * postgres.h - connections to a state in PostgreSQL: that of the operations, and the one that listens
 * for what other gateways do and tells them that this one lives.
 *
 * Layer  state. Only postgres*.c include this.
 * Spec   PostgreSQL manual, libpq-connect.html, libpq-async.html, libpq-notify.html
 * Owns   see each.
 */
#ifndef BS_STATE_POSTGRES_H
#define BS_STATE_POSTGRES_H

#include <libpq-fe.h>

#include "state/sqlite.h"

#define BS_PG_BOUND 40 /* parameters of one statement */

/* A connection that is made where it is needed, and made anew where it was lost. One thread at a time. */
struct bs_pg_link {
    const char *url;      /* borrowed; secret */
    const char *name;     /* its application_name */
    const char *instance; /* borrowed: which gateway this is; "" for none */
    PGconn *conn;         /* NULL: there is none now. Owned; bs_pg_drop */
    bool writing;         /* in a transaction, which cannot go on where the connection is lost */
    int64_t again_us;     /* bs_mono_us: not before then is another connection tried */
    int64_t pause_us;     /* to the attempt after that */
    char why[512];        /* the last one failed */
};

struct bs_pg_bound {
    Oid types[BS_PG_BOUND];
    const char *values[BS_PG_BOUND];
    char numbers[BS_PG_BOUND][24];
    int n;
};

/* Be connected, anew where that is needed. UNAVAILABLE, CONFIG. */
BS_MUST_CHECK enum bs_done bs_pg_connected(struct bs_pg_link *p, struct bs_err *err);
void bs_pg_drop(struct bs_pg_link *p);
/* Several statements of ours, without values; it is connected. */
BS_MUST_CHECK enum bs_done bs_pg_script(struct bs_pg_link *p, const char *sql, struct bs_err *err);
/* Tell the server which gateway this is, for what it tells others; done for each new connection. */
BS_MUST_CHECK enum bs_done bs_pg_sign(struct bs_pg_link *p, struct bs_err *err);
/* One statement; NULL: the connection was lost before its result came, and `err` is set. */
PGresult *
bs_pg_ask(struct bs_pg_link *p, const char *sql, const struct bs_pg_bound *b, struct bs_err *err);
/* What a result says. */
BS_MUST_CHECK enum bs_done bs_pg_check(PGresult *res, struct bs_err *err);

/* --- listening: postgres_ear.c --- */

struct bs_pg_ear;

/* url, instance: borrowed. Starts a thread. */
BS_MUST_CHECK enum bs_done bs_pg_ear_new(const char *url,
                                         const char *instance,
                                         bs_state_news_fn *heard,
                                         void *ctx,
                                         struct bs_pg_ear **out,
                                         struct bs_err *err);
void bs_pg_deafen(struct bs_pg_ear **e); /* ends the thread; accepts NULL */

#endif
