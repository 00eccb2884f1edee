/*
 * cidr.h - ranges of client addresses, as pg_hba.conf writes them: "10.0.0.0/8", "2001:db8::/32",
 * one address alone, or "local" for Unix sockets.
 *
 * Layer  base. Pure.
 * Spec   RFC 4632 and RFC 4291 section 2.3.
 * Owns   nothing.
 */
#ifndef BS_BASE_CIDR_H
#define BS_BASE_CIDR_H

#include <stdbool.h>
#include <stdint.h>

#include "base/must.h"

/* A zeroed one holds nobody. */
struct bs_cidr {
    int family; /* AF_INET, AF_INET6, AF_UNIX; 0: none */
    uint8_t address[16];
    unsigned bits; /* how many of them count */
};

/*
 * Read one.
 *
 * why   a literal that says what is wrong, only where it answers false: also where bits behind the
 *       mask are set, since then it is not clear which of the two was meant
 */
BS_MUST_CHECK bool bs_cidr_parse(const char *text, struct bs_cidr *out, const char **why);

/* Is the peer in it? peer: "127.0.0.1:40312", "[::1]:40312" or "unix:/run/backstop". */
bool bs_cidr_has(const struct bs_cidr *c, const char *peer);

#endif
