/*
 * inject.h - one statement of our own on the actor's server connection, its answers kept from the
 * client.
 *
 * Only while nothing is in flight. Always through the extended protocol, in one packet, under a
 * random name: a simple Query would destroy the client's unnamed statement, and a known name
 * could be taken (PROTECT 2, 10).
 *
 * Layer  gateway. On the session's worker thread.
 * Owns   the texts of the last answer, until the next bs_inject.
 */
#ifndef BS_GATEWAY_INJECT_H
#define BS_GATEWAY_INJECT_H

#include "base/bytes.h"
#include "base/err.h"

struct bs_relay;

#define BS_INJECT_COLUMNS 9

/* A row of the answer; NULL values have p == NULL. Views die with the call. */
typedef void bs_inject_row_fn(struct bs_relay *r, const struct bs_bytes *values, size_t n);
/* The answer is complete: see r->inject. */
typedef void bs_inject_done_fn(struct bs_relay *r);

struct bs_inject {
    bool running;
    bool failed;       /* the server answered with an error */
    char sqlstate[6];  /* of that error; "" where it had none */
    char message[256]; /* of that error, cut */
    char tag[64];      /* command tag */
    char status;       /* transaction status after it */
    char stale[48];    /* a statement of ours that an error kept from being closed */
    char name[48];     /* of the statement that runs */
    bs_inject_row_fn *row;
    bs_inject_done_fn *done;
};

/*
 * Send `sql` (one statement) and call `done` when ReadyForQuery has come.
 *
 * row  may be NULL
 */
void bs_inject(struct bs_relay *r, const char *sql, bs_inject_row_fn *row, bs_inject_done_fn *done);

/* relay.c: a whole message that answers the statement. True where it was the last (Z). */
bool bs_inject_on_reply(struct bs_relay *r, uint8_t type, struct bs_bytes body);

#endif
