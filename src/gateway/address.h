/*
 * address.h - listening sockets, and what a peer is called in logs and records.
 *
 * Layer  gateway.
 * Owns   descriptors and texts handed out belong to the caller.
 */
#ifndef BS_GATEWAY_ADDRESS_H
#define BS_GATEWAY_ADDRESS_H

#include <sys/socket.h>

#include "base/err.h"

#define BS_LISTEN_MAX 16 /* addresses that one name may stand for */

struct bs_config_listen; /* policy/config.h */

/*
 * Bind and listen on every address of a configured listener. A Unix socket of ours that nobody
 * answers on is left over from a crash and is replaced; one that answers is an error.
 *
 * fds   filled; *n of them
 * err   UNAVAILABLE: the address is taken or not ours; CONFIG: no such name
 */
BS_MUST_CHECK enum bs_done bs_listen_open(const struct bs_config_listen *where,
                                          int fds[BS_LISTEN_MAX],
                                          size_t *n,
                                          struct bs_err *err);

/* Removes the file of a Unix socket; nothing for TCP. */
void bs_listen_remove(const struct bs_config_listen *where);

/* "127.0.0.1:6543", "[::1]:6543", "unix:/run/backstop/.s.PGSQL.6543" of a bound socket; to be freed. */
char *bs_address_of_socket(int fd);
/* The peer of an accepted socket; for a Unix socket the path of our end; to be freed. */
char *bs_address_of_peer(int fd, const struct sockaddr_storage *from, socklen_t len);

#endif
