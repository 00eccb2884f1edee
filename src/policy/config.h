/*
 * config.h - the one configuration file: strict YAML in, an immutable struct out.
 *
 * Every key is a row of one table in config.c. Unknown and double keys, bad values, rules that can
 * never match and keys of features that this version does not enforce are problems, and all of
 * them are told at once, each with its line.
 *
 * Layer  policy. Reads the file, the environment, and `file:` and `command:` secrets; nothing else.
 * Spec   DESIGN 6; YAML 1.1 as libyaml reads it.
 * Owns   a config owns all it hands out; it dies with its last reference. Connection strings are
 *        wiped then.
 */
#ifndef BS_POLICY_CONFIG_H
#define BS_POLICY_CONFIG_H

#include <stddef.h>
#include <stdint.h>

#include "audit/record.h"
#include "base/bytes.h"
#include "base/err.h"
#include "policy/require.h"

struct bs_config_notify;    /* policy/notify.h */
struct bs_policy;           /* policy/rules.h */
struct bs_config_retention; /* policy/keeping.h */
struct bs_config_snapshot;
struct bs_config_verify;

/* Where one listener listens. */
struct bs_config_listen {
    const char *host; /* TCP: name or address, without brackets; NULL: a Unix socket */
    const char *dir;  /* Unix: absolute folder of the socket .s.PGSQL.<port>; NULL: TCP */
    uint16_t port;    /* Unix: the port of the first TCP listener, or 6543 */
};

/* A list of texts. */
struct bs_config_texts {
    const char **list;
    size_t n;
};

struct bs_config_database {
    const char *name;           /* the name actors connect to */
    const char *upstream;       /* conninfo that actors' sessions use; secret, never print */
    const char *upstream_libpq; /* the same without keywords that our libpq does not know; secret */
    const char *helper;         /* conninfo of the helper role; secret, never print */
    const char *restorer;       /* conninfo that restores use; secret; NULL: the upstream */
    const char *environment;    /* badge for operators; "" where not given */
};

struct bs_config_pg_dump {
    int major;        /* server's major version, e.g. 17 */
    const char *path; /* absolute */
};

/* What becomes of DROP DATABASE that was approved. */
enum bs_config_drop {
    BS_CONFIG_DROP_REFUSE = 0,
    BS_CONFIG_DROP_DUMP, /* the database is fenced and dumped first */
};

/* How plain SAFE traffic is audited. */
/* Who has to agree to a copy-back. */
enum bs_config_restore_approval {
    BS_CONFIG_RESTORE_NONE = 0, /* whoever restores */
    BS_CONFIG_RESTORE_SECOND,   /* a second operator, to a plan */
};

enum bs_config_audit_safe {
    BS_CONFIG_AUDIT_ALL = 0, /* each statement */
    BS_CONFIG_AUDIT_SAMPLED, /* one of a hundred */
    BS_CONFIG_AUDIT_COUNTED, /* a number per session */
};

/* Which clients must show a certificate. */
enum bs_config_client_cert {
    BS_CONFIG_CLIENT_CERT_OPTIONAL = 0, /* of those agents that one is named for */
    BS_CONFIG_CLIENT_CERT_REQUIRE,      /* every one */
};

/* What clients may do before and beside their statements. A reload puts others in force. */
struct bs_config_clients {
    int64_t login_ms;        /* from accept to the proof of who it is */
    int64_t connections;     /* sessions in all */
    int64_t per_actor;       /* sessions of one actor; 0: any number */
    int64_t keepalive_ms;    /* of silence, before TCP asks whether a client is still there */
    int64_t user_timeout_ms; /* TCP_USER_TIMEOUT; 0: the system's */
    int64_t drain_ms;        /* at SIGTERM, for statements that run */
    enum bs_config_client_cert certificate; /* tls.client_cert, which is reloaded with them */
};

/* MCP for agents over HTTP. */
struct bs_config_agents_http {
    struct bs_config_listen listen; /* host NULL: it is off */
    const char *tls_cert;           /* NULL together with tls_key: on loopback only */
    const char *tls_key;
    const char *url; /* where clients find it, without a path; NULL: as they call it themselves */
    struct bs_config_texts origins; /* of pages that may ask, beside those of this machine */
    struct bs_config_texts authorization_servers; /* told to clients that are not let in */
    int64_t connections;                          /* in all */
    int64_t per_address;
    int64_t session_idle_ms;
    int64_t request_ms; /* for a request to arrive whole */
};

/* Immutable. All paths are absolute; strings and arrays live as long as the config. */
struct bs_config {
    const char *file;   /* the file it came from */
    const char *folder; /* its folder, absolute */
    struct bs_config_listen *listen;
    size_t n_listen;
    const char *tls_cert; /* NULL together with tls_key: no TLS towards actors */
    const char *tls_key;
    const char *tls_client_ca;  /* roots of clients' certificates; NULL: none is asked for */
    const char *tls_client_crl; /* NULL: none */
    struct bs_config_clients clients;
    struct bs_config_listen operators; /* TCP on loopback */
    int64_t operators_requests;        /* of one operator in a second; bursts of four times that */
    int64_t operators_session_ms;      /* that a login with a browser lasts at most */
    int64_t operators_session_idle_ms; /* and while it is not used */
    struct bs_config_agents_http agents_http;
    struct bs_config_database *databases;
    size_t n_databases;
    const char *state_url; /* an absolute path: SQLite; or postgresql://..., which is secret */
    const char *audit_directory;
    const char *audit_key;     /* file: what heads of the audit log are signed with */
    int64_t audit_file_bytes;  /* a file of the log is finished when it has so many */
    int64_t audit_file_age_ms; /* or is so old */
    const char *audit_upload;  /* URL of the store that finished files go to; NULL: to none */
    enum bs_audit_redact audit_redact; /* what digests stand for in it */
    const char *audit_redact_key;      /* file: what they are made with */
    const char *storage_path;  /* local folder behind storage: file:///...; NULL: it is not local */
    const char *storage_url;   /* "file:///absolute/path", "s3://..." */
    const char *spool;         /* local folder */
    int64_t workers;           /* 1 to 64 */
    int64_t verdict_bytes;     /* of kept verdicts, each worker; 0: none are kept */
    int64_t hold_wait_ms;      /* how long a statement waits on the wire; 0: not at all */
    int64_t hold_notice_ms;    /* between NOTICEs while it waits */
    int64_t hold_decide_ms;    /* how long operators have to decide */
    int64_t hold_redeem_ms;    /* how long an approved ticket can be used */
    struct bs_require require; /* of everything that needs a point; its grade is always said */
    const char *scratch;       /* conninfo of a scratch database; secret, never print; NULL: none */
    int64_t lock_budget_ms;    /* longest time a capture may hold its locks */
    int64_t helpers;           /* sessions that one capture may copy with, 1 to 8 */
    const char *keys;          /* "file:/folder", "env:NAME", "command:/program"; NULL */
    const char *key;           /* that new points are encrypted under; NULL: they are not */
    int64_t max_bytes;         /* ceiling for what one point copies whole */
    enum bs_config_drop drop_database;
    struct bs_config_pg_dump *pg_dumps; /* sorted by major */
    size_t n_pg_dumps;
    enum bs_config_restore_approval restore_approval;
    int64_t plan_life_ms; /* how long a plan of a restore can be approved and used */
    enum bs_config_audit_safe audit_safe;
    struct bs_config_snapshot *snapshots;
    size_t n_snapshots;
    struct bs_config_retention *retention; /* never NULL */
    struct bs_config_verify *verify;       /* never NULL */
    struct bs_config_notify *notify;       /* who is told of what happens */
    size_t n_notify;
    struct bs_policy *policy; /* never NULL; without the key: the defaults alone */
};

/* One thing that is wrong with the file. */
struct bs_problem {
    int line; /* 1-based; 0: about the file as a whole */
    char *message;
};

/* All of them, sorted by line. Zero it first; fini afterwards. */
struct bs_problems {
    struct bs_problem *list;
    size_t n;
};

void bs_problems_sort(struct bs_problems *problems); /* by line */
void bs_problems_fini(struct bs_problems *problems); /* accepts a zeroed one */

/*
 * Load a file.
 *
 * problems  zeroed by the caller, who calls bs_problems_fini; has entries only where err is CONFIG
 * err       CONFIG: see `problems` (the message names the first and counts them); NOT_FOUND, IO,
 *           LIMIT: the file cannot be read, `problems` is empty
 */
BS_MUST_CHECK enum bs_done bs_config_load(const char *file,
                                          struct bs_config **out,
                                          struct bs_problems *problems,
                                          struct bs_err *err);

/* The same for a text; `file` is for messages, its folder is where relative paths start. */
BS_MUST_CHECK enum bs_done bs_config_parse(struct bs_bytes text,
                                           const char *file,
                                           struct bs_config **out,
                                           struct bs_problems *problems,
                                           struct bs_err *err);

struct bs_config *bs_config_ref(struct bs_config *c); /* thread-safe */
void bs_config_unref(struct bs_config **c);           /* accepts NULL; sets it NULL */

/* The database actors call `name`; NULL where there is none. Compared exactly. */
const struct bs_config_database *bs_config_database_find(const struct bs_config *c,
                                                         const char *name);
/* The pg_dump configured for a server's major version; NULL where none is. */
const char *bs_config_pg_dump_find(const struct bs_config *c, int major);

#endif
