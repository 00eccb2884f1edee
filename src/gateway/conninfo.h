/*
 * conninfo.h - where a database lives and how to log in there, read the way libpq reads it.
 *
 * A connection string, then PGSERVICE and the other PG* variables, then libpq's defaults. Keywords
 * that are newer than our libpq count, too: policy/conn_newer.h. The password file is read at each login, so that a changed password needs no restart.
 *
 * Layer  gateway. bs_conninfo_parse may change the environment for a moment (service files), so it
 *        may only run while there is one thread; bs_conninfo_password reads a file: job threads.
 * Spec   PostgreSQL manual, libpq-connect.html#LIBPQ-PARAMKEYWORDS and libpq-pgpass.html.
 * Owns   struct bs_conninfo owns its texts from bs_conninfo_parse to bs_conninfo_fini.
 */
#ifndef BS_GATEWAY_CONNINFO_H
#define BS_GATEWAY_CONNINFO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "gateway/link.h"

struct bs_conn_host {
    char *host;     /* a name, or a folder of Unix sockets (starts with '/' or '@'); never NULL */
    char *hostaddr; /* numeric address that spares the look-up of `host`, or NULL */
    char *port;     /* decimal digits */
};

enum bs_sslmode {
    BS_SSL_VERIFY_FULL = 0,
    BS_SSL_VERIFY_CA,
    BS_SSL_REQUIRE,
    BS_SSL_PREFER,
    BS_SSL_ALLOW,
    BS_SSL_DISABLE,
};

/* How SCRAM is bound to the TLS connection that it runs in. */
enum bs_channel_binding {
    BS_CHANNEL_BINDING_REQUIRE = 0, /* no other proof is good enough */
    BS_CHANNEL_BINDING_PREFER,      /* where there is TLS and the server offers it */
    BS_CHANNEL_BINDING_DISABLE,
};

struct bs_conninfo {
    struct bs_conn_host *hosts; /* tried in order */
    size_t n_hosts;             /* at least 1 */
    char *user;
    char *dbname;
    char *password; /* from the string or PGPASSWORD; NULL: look into the password file */
    char *passfile;
    enum bs_sslmode sslmode;
    bool
        direct; /* TLS from the first byte: sslnegotiation=direct; then sslmode is require or more */
    enum bs_channel_binding channel_binding;
    uint16_t minor_min, minor_max; /* of protocol 3: what we ask for is the newest one */
    char *sslrootcert;             /* file of trusted certificates; NULL: none */
    char *sslcert;                 /* our certificate, if the server asks; NULL */
    char *sslkey;
    char *options;            /* as given; sent before ours */
    unsigned connect_timeout; /* of one address, in seconds; never 0 */
    struct bs_keep_alive keep_alive;
};

/* err CONFIG: not a connection string, or it asks for what this version cannot do */
BS_MUST_CHECK enum bs_done
bs_conninfo_parse(const char *text, struct bs_conninfo *out, struct bs_err *err);
void bs_conninfo_fini(struct bs_conninfo *c); /* wipes the password; accepts a zeroed one */

/* True where the host is a folder of Unix sockets. */
int bs_conn_host_is_unix(const struct bs_conn_host *h);

/*
 * The password of a role for one host: the given one, else the first line of the password file that
 * fits. A password that is given is that of c->user, and of no other role.
 * A file that others may read is ignored, as libpq does, and logged.
 *
 * Returns a copy to be freed with bs_free_secret, or NULL where there is none.
 */
char *
bs_conninfo_password(const struct bs_conninfo *c, const struct bs_conn_host *h, const char *user);

#endif
