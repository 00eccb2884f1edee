/*
 * doctor.h - one run of `backstop doctor`: what is looked at, and what was found.
 *
 * Each finding is one line: a level, what it is about, a sentence and, where something is to be
 * done, the way out. Text output is printed as it is found, since a server that does not answer
 * takes its time; JSON comes at the end.
 *
 * Layer  cli. Blocks.
 * Owns   a doctor owns its findings and its state from bs_doctor_begin to bs_doctor_end.
 */
#ifndef BS_CLI_DOCTOR_H
#define BS_CLI_DOCTOR_H

#include <jansson.h>
#include <libpq-fe.h>
#include <stdbool.h>

#include "base/arena.h"
#include "policy/config.h"
#include "state/state.h"

/* Zero is the worst. */
enum bs_finding {
    BS_FINDING_FAIL = 0, /* protection would not work, or can be gone round */
    BS_FINDING_WARN,     /* works, but weaker than it could be */
    BS_FINDING_INFO,     /* to be known */
    BS_FINDING_OK,
    BS_FINDINGS
};

struct bs_doctor {
    const struct bs_config *config; /* borrowed */
    struct bs_arena arena;
    struct bs_state *state; /* NULL where it could not be opened */
    struct bs_agent *agents;
    size_t n_agents;
    json_t *findings;
    int counts[BS_FINDINGS];
    bool unreachable; /* a database did not let us in */
};

void bs_doctor_begin(struct bs_doctor *d, const struct bs_config *config);
void bs_doctor_end(struct bs_doctor *d);

/* What a finding is about. */
struct bs_topic {
    const char *scope; /* "host", or a database's configured name */
    const char *check; /* never renamed: "helper.rights" */
};

/*
 * Notes a finding.
 *
 * way  what to do about it; NULL: nothing
 * fmt  the sentence, without a secret; names in it may be of any kind, they are printed escaped
 */
void bs_doctor_note(struct bs_doctor *d,
                    enum bs_finding level,
                    struct bs_topic topic,
                    const char *way,
                    const char *fmt,
                    ...) __attribute__((format(printf, 5, 6)));
/* A text in the run's arena; "..." where that is full. For ways out and names. */
const char *bs_doctor_fmt(struct bs_doctor *d, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
const char *bs_finding_name(enum bs_finding level); /* "ok", ... */

/* The configuration's file, folders, storage, certificate and actors: doctor_host.c. Comes first:
 * it opens the state and reads the agents. */
void bs_doctor_host(struct bs_doctor *d);
/* Can an agent's session, which this is, reach a state in PostgreSQL: doctor_state.c. Nothing where the
 * state is a file. */
void bs_doctor_state_reach(struct bs_doctor *d, const char *scope, PGconn *actor);
/* Where recovery points go, with one small object a day: doctor_storage.c. */
void bs_doctor_storage(struct bs_doctor *d);
/* Who can read the key of the audit's digests; nothing where there are none: doctor_storage.c. */
void bs_doctor_redact(struct bs_doctor *d);
/* How far the audit log has been uploaded, by what is noted beside it; nothing where it is not:
 * doctor_storage.c. */
void bs_doctor_upload(struct bs_doctor *d);
/* Do recovery points in a local folder lie apart from the database's data_directory (NULL: not
 * known; nothing is noted then)? */
void bs_doctor_apart(struct bs_doctor *d, const char *scope, const char *data_directory);
/* Who is told, and what they were not told yet: doctor_notify.c. Needs the state. */
void bs_doctor_notify(struct bs_doctor *d);
/* Everything that can be tried of the storage; the exit status of `storage check`.
 * facts  what was found, for JSON; the caller's */
int bs_doctor_storage_check(struct bs_doctor *d, json_t **facts);
/* The scratch database of the configuration, as the given database's captures would find it; nothing
 * where there is none: doctor_scratch.c. */
void bs_doctor_scratch(struct bs_doctor *d, const struct bs_config_database *db, PGconn *helper);
/* One database, the helper's and the upstream role: doctor_database.c. */
void bs_doctor_database(struct bs_doctor *d, const struct bs_config_database *db);

/* How a database was found, for the search for ways round it. */
struct bs_seen {
    const char *scope;    /* configured name */
    const char *database; /* on the server */
    const char *upstream; /* role of the actors' sessions */
    const char *helper;   /* Backstop's own role */
    const char *address;  /* the gateway's, as the server sees it; NULL: a Unix socket */
};
/* Whether an agent could go round the gateway: doctor_ways.c. `helper` is an open session. */
void bs_doctor_ways(struct bs_doctor *d, PGconn *helper, const struct bs_seen *seen);

/* One query with one text parameter or none (NULL); NULL where it was refused: see PQerrorMessage. */
PGresult *bs_doctor_ask(PGconn *conn, const char *sql, const char *param);

#endif
