/*
 * backstop.h - libbackstop: what SQL would do, and what a gateway's refusal means.
 *
 * Classify a text of SQL with PostgreSQL's own grammar, by itself or with the catalog of a live database;
 * tell whether two texts are the same statement; decode the errors of a Backstop gateway; wait until an
 * operator has decided about a held statement. See backstop(3).
 *
 * Objects    are opaque. Each comes from one function and goes back to one ..._free, which accepts NULL.
 *            Texts that an object hands out live as long as the object; a `char *` that a call hands out
 *            is the caller's, who gives it to backstop_text_free.
 * Failure    a function that can fail returns enum backstop_code, and where `error` is not NULL, leaves
 *            there an object with a message, or NULL on success. What it was to hand out is then NULL.
 * Threads    there is no global state. A classifier is used by one thread at a time; everything else that
 *            is handed out never changes and may be read by several. Functions that take no object may be
 *            called by any thread at any time.
 * Behaviour  nothing is printed, no signal is handled, and no input ends the process. Where the system is
 *            out of memory the process is aborted.
 * ABI        there are no structures. Symbols carry versions; a function that is here stays, values of
 *            enumerations are never changed, only added to: a caller treats one that it does not know as
 *            the strictest. Indexes that are out of range give NULL, -1, 0 or UNKNOWN.
 */
#ifndef BACKSTOP_H
#define BACKSTOP_H

#include <stddef.h>
#include <stdint.h>

#if defined(__GNUC__)
#define BACKSTOP_API __attribute__((visibility("default")))
#else
#define BACKSTOP_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

enum backstop_code {
    BACKSTOP_OK = 0,
    BACKSTOP_E_USAGE = 1,       /* an argument is not what the function takes */
    BACKSTOP_E_LIMIT = 2,       /* too long, or too much memory for one text */
    BACKSTOP_E_SYNTAX = 3,      /* the text is no SQL, where it has to be */
    BACKSTOP_E_UNAVAILABLE = 4, /* nobody answers there, or not in time */
    BACKSTOP_E_SERVER = 5,      /* a server answered with an error: backstop_error_sqlstate */
    BACKSTOP_E_INTERNAL = 6,
};

typedef struct backstop_error backstop_error;

BACKSTOP_API int backstop_error_code(const backstop_error *error);
/* One sentence; never NULL. */
BACKSTOP_API const char *backstop_error_message(const backstop_error *error);
/* Five characters; "" where no server said it. Never NULL. */
BACKSTOP_API const char *backstop_error_sqlstate(const backstop_error *error);
BACKSTOP_API void backstop_error_free(backstop_error *error);

/* Of the library that runs, which may be newer than this header: "0.1.0". */
BACKSTOP_API const char *backstop_version(void);
/* Of the SQL grammar: "PostgreSQL 17.4 (libpg_query)". */
BACKSTOP_API const char *backstop_grammar(void);
BACKSTOP_API void backstop_text_free(char *text);

/* ---- What SQL would do ---- */

enum backstop_risk {
    BACKSTOP_RISK_UNKNOWN = 0, /* no risk was asked for: treat as the worst */
    BACKSTOP_RISK_SAFE = 1,
    BACKSTOP_RISK_HIGH = 2,
    BACKSTOP_RISK_CRITICAL = 3,
};

/* "SAFE", "HIGH" or "CRITICAL", and "UNKNOWN" for everything else. */
BACKSTOP_API const char *backstop_risk_name(int risk);

typedef struct backstop_classifier backstop_classifier;

/*
 * A classifier.
 *
 * conninfo  of the database whose catalog tells what names mean, and in which rows are counted, as libpq
 *           takes it (passwords from .pgpass, too); NULL: by the text alone. The catalog is looked at again
 *           where it is older than a second. A role that sees all is best; it changes nothing
 * error     UNAVAILABLE, SERVER
 */
BACKSTOP_API int
backstop_classifier_new(const char *conninfo, backstop_classifier **out, backstop_error **error);
BACKSTOP_API void backstop_classifier_free(backstop_classifier *classifier);

/* What was found out about a text. */
typedef struct backstop_judgement backstop_judgement;

/*
 * Judges a text of one or several statements. What cannot be understood is no error but CRITICAL, and
 * backstop_judgement_error tells why. Blocks on the database where there is one. On failure nothing is
 * known of the text: treat it as CRITICAL.
 *
 * sql    UTF-8; need not end in a NUL
 * error  LIMIT; UNAVAILABLE, SERVER: the catalog
 */
BACKSTOP_API int backstop_classify(backstop_classifier *classifier,
                                   const char *sql,
                                   size_t bytes,
                                   backstop_judgement **out,
                                   backstop_error **error);

/*
 * Answers one line of `backstop classify --jsonl` with what that command would print, without the line
 * end: {"id", "sql" or "sql_b64", "session", "params", "protocol", "run_as"}. A line that is wrong is
 * answered, too: CRITICAL, and "error".
 */
BACKSTOP_API int backstop_classify_line(backstop_classifier *classifier,
                                        const char *line,
                                        size_t bytes,
                                        char **answer,
                                        backstop_error **error);

BACKSTOP_API void backstop_judgement_free(backstop_judgement *judgement);
/* The worst of its statements; SAFE where there are none. */
BACKSTOP_API int backstop_judgement_risk(const backstop_judgement *judgement);
/* 1 where a catalog has had its say, else 0. */
BACKSTOP_API int backstop_judgement_catalog(const backstop_judgement *judgement);
/* Why the text could not be parsed; NULL where it could. */
BACKSTOP_API const char *backstop_judgement_error(const backstop_judgement *judgement);
/* How a gateway would keep what the text changes: "none", "copy", ...; NULL without a catalog. */
BACKSTOP_API const char *backstop_judgement_recovery(const backstop_judgement *judgement);
/* All of it, as `backstop classify` prints it, on one line. */
BACKSTOP_API const char *backstop_judgement_json(const backstop_judgement *judgement);
BACKSTOP_API size_t backstop_judgement_statements(const backstop_judgement *judgement);

/* Of statement `at`, from 0: "DELETE", "DROP TABLE", ... */
BACKSTOP_API const char *backstop_statement_kind(const backstop_judgement *judgement, size_t at);
BACKSTOP_API int backstop_statement_risk(const backstop_judgement *judgement, size_t at);
/* Where it is in the text, in bytes: from its first to behind its last, without the semicolon. -1: nowhere */
BACKSTOP_API int64_t backstop_statement_from(const backstop_judgement *judgement, size_t at);
BACKSTOP_API int64_t backstop_statement_to(const backstop_judgement *judgement, size_t at);

/* What it would change, as written: how many effects, and of effect `i` its kind, the object (NULL: none
 * with a name), the column (NULL: none) and the rows (-1: not counted). */
BACKSTOP_API size_t backstop_statement_effects(const backstop_judgement *judgement, size_t at);
BACKSTOP_API const char *
backstop_effect_kind(const backstop_judgement *judgement, size_t at, size_t i);
BACKSTOP_API const char *
backstop_effect_object(const backstop_judgement *judgement, size_t at, size_t i);
BACKSTOP_API const char *
backstop_effect_column(const backstop_judgement *judgement, size_t at, size_t i);
BACKSTOP_API int64_t backstop_effect_rows(const backstop_judgement *judgement, size_t at, size_t i);

/* What it would reach by the catalog, cascades and triggers too; none without a catalog. How: "target",
 * "cascade", "dependent" or "call". */
BACKSTOP_API size_t backstop_statement_reached(const backstop_judgement *judgement, size_t at);
BACKSTOP_API const char *
backstop_reached_kind(const backstop_judgement *judgement, size_t at, size_t i);
BACKSTOP_API const char *
backstop_reached_object(const backstop_judgement *judgement, size_t at, size_t i);
BACKSTOP_API const char *
backstop_reached_how(const backstop_judgement *judgement, size_t at, size_t i);
BACKSTOP_API int64_t backstop_reached_rows(const backstop_judgement *judgement,
                                           size_t at,
                                           size_t i);

/* What it reads and calls, by name, and its flags: "no_filter", "dynamic_sql", ... */
BACKSTOP_API size_t backstop_statement_reads(const backstop_judgement *judgement, size_t at);
BACKSTOP_API const char *
backstop_statement_read(const backstop_judgement *judgement, size_t at, size_t i);
BACKSTOP_API size_t backstop_statement_functions(const backstop_judgement *judgement, size_t at);
BACKSTOP_API const char *
backstop_statement_function(const backstop_judgement *judgement, size_t at, size_t i);
BACKSTOP_API size_t backstop_statement_flags(const backstop_judgement *judgement, size_t at);
BACKSTOP_API const char *
backstop_statement_flag(const backstop_judgement *judgement, size_t at, size_t i);

/* Why its risk is what it is: a fixed word and a sentence. For people who decide; telling an agent
 * teaches it to ask in other words. */
BACKSTOP_API size_t backstop_statement_reasons(const backstop_judgement *judgement, size_t at);
BACKSTOP_API const char *
backstop_reason_code(const backstop_judgement *judgement, size_t at, size_t i);
BACKSTOP_API const char *
backstop_reason_text(const backstop_judgement *judgement, size_t at, size_t i);

/* ---- Which statements are the same ---- */

/*
 * 64 hexadecimal digits that two texts share exactly when a gateway takes them for the same statement: the
 * same tokens, whatever the comments, the white space and the case of keywords and plain names. Values
 * count. A ticket is bound to this, and to who asks, where and with which parameters.
 *
 * error  LIMIT
 */
BACKSTOP_API int backstop_digest(const char *sql, size_t bytes, char **out, backstop_error **error);

/*
 * 16 hexadecimal digits that statements of one shape share: values do not count, nor how many there are in
 * a list. To group statements, never to let one pass because another one did. As libpg_query has it, so
 * that other tools built on it say the same.
 *
 * error  SYNTAX, LIMIT
 */
BACKSTOP_API int
backstop_fingerprint(const char *sql, size_t bytes, char **out, backstop_error **error);

/* ---- What a gateway answers ---- */

enum backstop_outcome {
    BACKSTOP_NONE = 0,            /* the error is PostgreSQL's own; or nothing stands in the way */
    BACKSTOP_HELD = 1,            /* an operator has to decide: wait, then send the same again */
    BACKSTOP_DENIED = 2,          /* an operator said no: stop */
    BACKSTOP_EXPIRED = 3,         /* too late, or the effect grew: ask again by sending it again */
    BACKSTOP_NOT_RECOVERABLE = 4, /* no way back could be made, so it did not happen */
    BACKSTOP_BLOCKED = 5,         /* refused: stop; so is what only a newer library knows */
    BACKSTOP_PAUSED = 6,          /* nothing of this agent runs now: stop */
};

/* "Held", "Denied", "Expired", "NotRecoverable", "Blocked", "Paused"; "None" for everything else. */
BACKSTOP_API const char *backstop_outcome_name(int outcome);

typedef struct backstop_answer backstop_answer;

/*
 * Decodes an error that came over a gateway's connection, as the driver has its fields; with libpq those of
 * PQresultErrorField: PG_DIAG_SQLSTATE, PG_DIAG_MESSAGE_PRIMARY, PG_DIAG_MESSAGE_DETAIL.
 *
 * message, detail  NULL: there is none
 * error            USAGE: no SQLSTATE
 */
BACKSTOP_API int backstop_decode(const char *sqlstate,
                                 const char *message,
                                 const char *detail,
                                 backstop_answer **out,
                                 backstop_error **error);

/*
 * Waits until a ticket is decided, over a connection of its own to the gateway, as the agent whose ticket
 * it is. An answer whose state is still "pending" is none: the time was over. Blocks; looking up the
 * host's name may take longer than the time given. Approved is not done: the agent sends the same
 * statement again, on its own connection.
 *
 * conninfo    of the gateway, as libpq takes it
 * timeout_ms  0: one look. Connecting and the first look get ten seconds whatever it is
 * error       USAGE: that is no ticket; UNAVAILABLE; SERVER: 42704 where the agent has no such ticket
 */
BACKSTOP_API int backstop_wait(const char *conninfo,
                               const char *ticket,
                               int64_t timeout_ms,
                               backstop_answer **out,
                               backstop_error **error);

BACKSTOP_API void backstop_answer_free(backstop_answer *answer);
BACKSTOP_API int backstop_answer_outcome(const backstop_answer *answer);
/* NULL: of no ticket. */
BACKSTOP_API const char *backstop_answer_ticket(const backstop_answer *answer);
/* "pending", "approved", "running", "done", "failed", "uncertain", "denied", "expired", "blocked"; NULL: it
 * was not told. */
BACKSTOP_API const char *backstop_answer_state(const backstop_answer *answer);
/* What to do next: "same-statement" (now, or once it is approved), "wait", "ask-again", "never"; NULL: it is
 * no answer of a gateway's. */
BACKSTOP_API const char *backstop_answer_retry(const backstop_answer *answer);
/* Until when, in microseconds since 1970; -1: not told. */
BACKSTOP_API int64_t backstop_answer_expires(const backstop_answer *answer);
/* backstop_decode: the error's message. NULL: none. */
BACKSTOP_API const char *backstop_answer_message(const backstop_answer *answer);
/* backstop_wait: what the statement is, the recovery point made for it, and what the operator wrote. NULL:
 * none. */
BACKSTOP_API const char *backstop_answer_kind(const backstop_answer *answer);
BACKSTOP_API const char *backstop_answer_point(const backstop_answer *answer);
BACKSTOP_API const char *backstop_answer_reason(const backstop_answer *answer);

#ifdef __cplusplus
}
#endif

#endif
