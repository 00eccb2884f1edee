/*
 * conn_newer.h - keywords of connection strings that libpq has learnt since the oldest one we are
 * built with: sslnegotiation (17), min_protocol_version and max_protocol_version (18).
 *
 * An older libpq refuses a string that has them. So they are taken out of what it is given, and the
 * gateway's own login goes by them.
 *
 * Layer  policy.
 * Spec   PostgreSQL manual, libpq-connect.html#LIBPQ-CONNSTRING (both forms of a string).
 * Owns   struct bs_conn_newer owns its texts from bs_conn_newer_split to bs_conn_newer_fini.
 */
#ifndef BS_POLICY_CONN_NEWER_H
#define BS_POLICY_CONN_NEWER_H

struct bs_conn_newer {
    char *rest; /* the string for our libpq: without those of the keywords it does not know */
    char *sslnegotiation; /* NULL: not given, or empty; likewise below */
    char *min_protocol_version;
    char *max_protocol_version;
};

/* A string that cannot be taken apart stays whole in `rest`: libpq says what is wrong with it. */
void bs_conn_newer_split(const char *text, struct bs_conn_newer *out);
void bs_conn_newer_fini(struct bs_conn_newer *c); /* wipes `rest`; accepts a zeroed one */

#endif
