/*
 * hba.h - whom the rules of pg_hba.conf let in over the network, and from where.
 *
 * A rule is a way round the gateway where it lets somebody in from an address that is not the
 * gateway's own host, and no earlier rule rejects all of that. Where a rule cannot be told for
 * sure (a host name, a group, a regular expression), it counts as letting in.
 *
 * Layer  cli. Pure.
 * Spec   PostgreSQL manual, auth-pg-hba-conf.html.
 * Owns   nothing.
 */
#ifndef BS_CLI_HBA_H
#define BS_CLI_HBA_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A range of addresses. A zeroed one is empty. */
struct bs_net {
    uint8_t bits[16];
    int width;  /* 32 or 128 bits; 0: no address of any kind */
    int prefix; /* bits that count */
};

/* One line, as pg_hba_file_rules() tells it. */
struct bs_hba_rule {
    int line;
    const char *type;        /* "local", "host", "hostssl", ... */
    const json_t *databases; /* array of texts */
    const json_t *users;
    const char *address; /* "10.0.0.0", "all", "samehost", a name; NULL for local */
    const char *netmask; /* NULL where the address has none */
    const char *method;  /* "scram-sha-256", "trust", "reject", ... */
};

/* "10.0.0.0" with "255.0.0.0", or alone: a single address. False for anything else. */
bool bs_net_read(const char *address, const char *netmask, struct bs_net *out);
/* Every address of `in` is in `net`. */
bool bs_net_covers(const struct bs_net *net, const struct bs_net *in);

/* Whose way is looked for. */
struct bs_hba_ask {
    const char *database;     /* on the server */
    const char *const *names; /* roles that count besides "all" */
    size_t n_names;
    const struct bs_net *inside; /* the gateway's own host */
    size_t n_inside;
};

enum bs_hba_who {
    BS_HBA_NOBODY = 0, /* no way round */
    BS_HBA_NAMED,      /* one of the names */
    BS_HBA_PERHAPS,    /* a group or a pattern */
    BS_HBA_ALL,
};

/* Does rule `at` of the list let somebody in from elsewhere? `name`: which, for NAMED. */
enum bs_hba_who bs_hba_opens(const struct bs_hba_rule *rules,
                             size_t at,
                             const struct bs_hba_ask *ask,
                             const char **name);
/* Does it let in without a proof, from the server's own host (local, loopback, samehost)? */
bool bs_hba_trusts_here(const struct bs_hba_rule *rule, const struct bs_hba_ask *ask);

#endif
