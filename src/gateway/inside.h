/*
 * inside.h - the way in for what this process does in the name of a client that it has on another
 * listener: the agents' HTTP logs in here, as any client does, with what its own client has sent.
 *
 * A Unix socket in a folder that nobody else can enter. Who comes through it says with a word that was
 * made for this one connection, in the start-up option "backstop.via", for whom: the address that is
 * judged and recorded is that client's, not ours. Without such a word, or with one that was used, nobody
 * comes in here; and on another listener the option is refused like any that is not known.
 *
 * Layer  gateway. Thread-safe but for open and close.
 * Owns   the folder, until it is closed, and what is said of connections that are to come.
 */
#ifndef BS_GATEWAY_INSIDE_H
#define BS_GATEWAY_INSIDE_H

#include "base/err.h"

#define BS_INSIDE_PORT 5432 /* of the socket's name: no other is in that folder */
#define BS_INSIDE_WORD 65   /* hex and a NUL */

struct bs_inside;

/*
 * Makes the folder and listens.
 *
 * fd   the listening socket, the caller's
 * err  UNAVAILABLE
 */
BS_MUST_CHECK enum bs_done bs_inside_open(struct bs_inside **out, int *fd, struct bs_err *err);
void bs_inside_close(struct bs_inside **inside); /* accepts NULL; removes the folder */
/* What libpq is given as host; lives as long as `inside`. */
const char *bs_inside_folder(const struct bs_inside *inside);

/*
 * One connection is going to come for a client; bs_inside_forget once it has, or has failed.
 *
 * client  its address, as bs_address_of_peer writes it
 * by      what brings it, for the record: a literal, "mcp"
 */
void bs_inside_announce(struct bs_inside *inside,
                        const char *client,
                        const char *by,
                        char word[BS_INSIDE_WORD]);
void bs_inside_forget(struct bs_inside *inside, const char *word);

/* Who a connection is for, once: the address, to be freed, and `by`; NULL: nobody has announced it. */
char *bs_inside_take(struct bs_inside *inside, const char *word, const char **by);

/* Was this connection made by this process? */
bool bs_inside_is_ours(int fd);

#endif
