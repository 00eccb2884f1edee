/*
 * classify.h - what a text of SQL would do, from its parse tree alone.
 *
 * Says which statements a text has, of what kind, what each reads, writes and calls, and how
 * risky that is when nothing is known about the database. The catalog room may then raise or
 * lower the risk (catalog/judge.h). What cannot be understood is CRITICAL, never SAFE.
 *
 * Layer  sql. Pure: no I/O, no clock, no global. What is handed out comes from the caller's arena;
 *        parsing takes up to 110 bytes of heap for a byte of text while it lasts, and a text of over
 *        32 KB a thread of its own (stack.h). The caller waits either way.
 * Spec   the grammar of PostgreSQL 17 (libpg_query); RISK.md as kinds_table.h.
 * Owns   everything in a struct bs_unit lives in the arena given to bs_classify.
 */
#ifndef BS_SQL_CLASSIFY_H
#define BS_SQL_CLASSIFY_H

#include "base/arena.h"
#include "base/bytes.h"
#include "base/err.h"
#include "sql/kinds.h"

/* A possibly qualified name as written; never NULL name. Already cut to 63 bytes as the server does. */
struct bs_name {
    const char *schema; /* NULL: not qualified */
    const char *name;
};

enum bs_object {
    BS_OBJECT_NONE = 0,
    BS_OBJECT_RELATION, /* table, view, matview, foreign table, sequence, index: catalog decides */
    BS_OBJECT_COLUMN,   /* of `name`, in `column` */
    BS_OBJECT_SCHEMA,   /* in name.name */
    BS_OBJECT_FUNCTION,
    BS_OBJECT_DATABASE,
    BS_OBJECT_ROLE,
    BS_OBJECT_TYPE,
    BS_OBJECT_LARGE_OBJECT,
    BS_OBJECT_OTHER,
    BS_OBJECT_SHARED, /* tablespaces, parameters: of no one database */
};

/* One thing a statement would change. A statement has one or several, or none. */
struct bs_effect {
    enum bs_kind kind; /* DELETE inside a CTE of a SELECT has kind BS_KIND_DELETE here */
    enum bs_object object;
    struct bs_name name;
    /* BS_OBJECT_COLUMN, and ALTER TYPE: the attribute that goes or gets another type; else NULL */
    const char *column;
    const char *detail;    /* SET DEFAULT, SET and DROP NOT NULL: of which column; else NULL */
    int64_t rows;          /* measured; -1: not measured. bs_classify always leaves -1 */
    bool only;             /* FROM ONLY t */
    bool cascade;          /* DROP/TRUNCATE ... CASCADE */
    bool missing_ok;       /* IF EXISTS */
    bool filtered;         /* UPDATE/DELETE with a WHERE other than a constant */
    bool rewrites;         /* ADD COLUMN that may write the whole table anew, by its text */
    bool restart_identity; /* TRUNCATE ... RESTART IDENTITY */
    const char **keys;     /* columns compared with = to constants or parameters, ANDed; n_keys */
    size_t n_keys;
    const char **key_values; /* of each key: "=5" a constant, "$1" a parameter, "" not clear;
                              * NULL for an upsert */
    const char **set; /* UPDATE: columns assigned; INSERT, COPY: those that are named, if any */
    size_t n_set;
    /* UPDATE, ALTER COLUMN TYPE: no value that is assigned depends on the row, so nothing of what
     * was there is left: SET a = NULL, TYPE text USING '' */
    bool blanks;
    bool password; /* ALTER ROLE ... PASSWORD: nothing tells afterwards what it was */
    bool members;  /* ALTER EXTENSION ADD, DROP: what it has, not what it is */
    /* RENAME, SET SCHEMA of the thing itself, not of a part of it: what it is called from then on,
     * with a schema where that is another one; else without a name */
    struct bs_name to;
    bool replaces; /* CREATE OR REPLACE of code */
    /* UPDATE that INSERT ... ON CONFLICT DO UPDATE may do: at most the proposed rows; `keys` are
     * the columns of the conflict target, none where it names a constraint */
    bool upsert;
    /* done by a function, trigger or the like that the statement runs: only a catalog knows */
    bool inside;
};

enum bs_call_kind {
    BS_CALL_FUNCTION = 0, /* functions and procedures, by name */
    BS_CALL_OPERATOR,     /* operators, by symbol in name.name */
    BS_CALL_TYPE,         /* casts and type names: input functions, domains */
    /* x.name, (x).name: a column, or where there is none a function of one row. Harmless by its
     * text; only a catalog knows whether somebody has made such a function */
    BS_CALL_FIELD,
};

struct bs_call {
    enum bs_call_kind kind;
    struct bs_name name;
    int n_args;  /* -1: not known */
    bool listed; /* a built-in on the allow-list, if the name resolves to pg_catalog */
    /* what calling it means: SAFE, HIGH for listed ones that change something (nextval, advisory
     * locks), CRITICAL for what is not listed or known to be dangerous */
    enum bs_risk risk;
};

/* Bits of bs_stmt.flags. */
enum bs_flag {
    BS_FLAG_NO_FILTER = 1 << 0,     /* UPDATE/DELETE of all rows, as far as the text shows */
    BS_FLAG_DYNAMIC_SQL = 1 << 1,   /* DO, functions that run SQL given as text */
    BS_FLAG_SESSION_STATE = 1 << 2, /* SET and friends */
    BS_FLAG_PRIVILEGE = 1 << 3,     /* GRANT, REVOKE, roles, ownership */
    BS_FLAG_SERVER_FILE = 1 << 4,   /* COPY file/PROGRAM, LOAD, file functions */
    BS_FLAG_NO_BLOCK = 1 << 5,      /* cannot run inside a transaction block */
    BS_FLAG_VOLATILE = 1 << 6,      /* calls something that is not on the allow-list */
    BS_FLAG_BACKSLASH = 1 << 7,     /* the text has a backslash inside a literal (unit level) */
    BS_FLAG_TEMP = 1 << 8,          /* creates or may create temporary objects */
    BS_FLAG_DDL = 1 << 9,           /* changes the catalog */
    BS_FLAG_WITH_HOLD = 1 << 10,    /* DECLARE ... WITH HOLD */
    BS_FLAG_READ_WRITE = 1 << 11,   /* BEGIN/SET TRANSACTION ... READ WRITE or the like */
    BS_FLAG_RETURNING = 1 << 12,
    BS_FLAG_COPY_IN = 1 << 13,  /* COPY ... FROM STDIN */
    BS_FLAG_COPY_OUT = 1 << 14, /* COPY ... TO STDOUT */
    BS_FLAG_SEARCH_PATH =
        1 << 15, /* SET search_path, or set_config, to a path that is not vetted */
    /* calls what is known to reach beyond the transaction: files and sessions of the server, other
     * servers, replication, large objects. No ROLLBACK takes it back, or nothing keeps it */
    BS_FLAG_OUTSIDE = 1 << 16,
    BS_FLAG_COPY_HEADER = 1 << 17, /* COPY ... TO: the first line may name the columns */
    /* CREATE TABLE ... LIKE, INHERITS, PARTITION OF: code of what is read comes along */
    BS_FLAG_COPIES = 1 << 18,
    BS_FLAG_CLASSES = 1 << 19, /* an index or a partition key names an operator class */
};

/* What a statement does to the transaction or to named things of the session. */
enum bs_control {
    BS_CONTROL_NONE = 0,
    BS_CONTROL_BEGIN,  /* BEGIN, START TRANSACTION */
    BS_CONTROL_COMMIT, /* COMMIT, END (AND CHAIN: also `chain`) */
    BS_CONTROL_ROLLBACK,
    BS_CONTROL_SAVEPOINT,
    BS_CONTROL_RELEASE,
    BS_CONTROL_ROLLBACK_TO,
    BS_CONTROL_PREPARE_TRANSACTION,
    BS_CONTROL_COMMIT_PREPARED,
    BS_CONTROL_ROLLBACK_PREPARED,
    BS_CONTROL_PREPARE,    /* PREPARE label AS ...: the statement carries its body's risk */
    BS_CONTROL_EXECUTE,    /* EXECUTE label: unknown until the session looks the name up */
    BS_CONTROL_DEALLOCATE, /* label NULL: ALL (also DISCARD ALL) */
    BS_CONTROL_DECLARE,    /* cursor `label` */
    BS_CONTROL_FETCH,      /* FETCH and MOVE of cursor `label` */
    BS_CONTROL_CLOSE,      /* label NULL: ALL */
    BS_CONTROL_SET,        /* SET/RESET of setting `label`; NULL: RESET ALL */
};

/* Why a risk is what it is. For operators only: never shown to an agent. */
struct bs_reason {
    const char *code;  /* "no_filter", "unlisted_function", "cascade", ...; a fixed word */
    const char *text;  /* one sentence that names the thing */
    enum bs_risk risk; /* the least risk of a statement that has this reason */
};

/* Codes of reasons that a catalog may take back (bs_stmt_excuse, bs_stmt_settle_calls). */
#define BS_REASON_UNMEASURED        "unmeasured" /* UPDATE, DELETE, MERGE of who knows how many rows */
#define BS_REASON_ROLE              "role"       /* the session would act as another one */
#define BS_REASON_UNLISTED_FUNCTION "unlisted_function"
#define BS_REASON_UNLISTED_OPERATOR "unlisted_operator"
#define BS_REASON_UNLISTED_TYPE     "unlisted_type"
#define BS_REASON_UNLISTED_FIELD    "unlisted_field"

struct bs_stmt {
    enum bs_kind kind;
    enum bs_risk risk;
    enum bs_point point; /* what recovery point its effects need */
    uint32_t flags;      /* enum bs_flag */
    enum bs_control control;
    const char *label; /* see enum bs_control; of EXPLAIN EXECUTE: what it names; else NULL */
    const char
        *value; /* SET of constants: the value, lists joined by ", "; NULL: DEFAULT, or not known */
    bool chain; /* COMMIT/ROLLBACK AND CHAIN */
    struct bs_effect *effects;
    size_t n_effects;
    struct bs_name *reads; /* relations read */
    size_t n_reads;
    struct bs_call *calls;
    size_t n_calls;
    struct bs_reason *reasons;
    size_t n_reasons;
    uint32_t from, to; /* byte span in the text, without the semicolon and surrounding space */
    enum bs_point plain_point; /* the point without what unlisted calls make of it */
    const char *code;          /* DO: the text that it runs; else NULL */
    const char *code_language; /* NULL: plpgsql */
};

/* All statements of one Query or Parse text, judged as one. */
struct bs_unit {
    enum bs_risk risk; /* worst of its statements; SAFE where there is none (empty query) */
    uint32_t flags;    /* union of its statements' */
    bool parsed;       /* false: `error` tells why, one CRITICAL statement of kind UNKNOWN */
    bool catalog;      /* a catalog has had its say */
    const char *error; /* the parser's message; NULL where parsed */
    uint32_t error_at; /* 1-based character position, 0: none */
    struct bs_stmt *stmts;
    size_t n_stmts;
    size_t n_compared; /* whole numbers that are compared with a column: id = 4711 */
};

/* Limits beyond which a text is "too deep" or "too large": CRITICAL, not parsed further. */
struct bs_classify_limits {
    size_t max_text;  /* bytes; longer is LIMIT */
    size_t max_nodes; /* tree nodes walked */
};
#define BS_CLASSIFY_LIMITS ((struct bs_classify_limits){16u << 20, 20000000})

/*
 * Classify a text.
 *
 * text    UTF-8 without a NUL inside; other bytes make the unit CRITICAL (parsed = false)
 * arena   everything in `out` lives there
 * err     LIMIT: the arena's ceiling was reached or the text is too long. Whatever else is wrong
 *         with the text is an answer (CRITICAL), not an error.
 */
BS_MUST_CHECK enum bs_done bs_classify(struct bs_bytes text,
                                       struct bs_classify_limits limits,
                                       struct bs_arena *arena,
                                       struct bs_unit *out,
                                       struct bs_err *err);

/*
 * The text's tokens without comments and white space, separated by single spaces, literals
 * included: the part of a ticket's identity that says "the same statement" (PROTECT 14).
 * A text that cannot be lexed is taken as it is.
 */
BS_MUST_CHECK enum bs_done bs_canonical(struct bs_bytes text,
                                        struct bs_arena *arena,
                                        struct bs_bytes *out,
                                        struct bs_err *err);

/* Adds a reason and, where `risk` is worse, raises the statement's risk. Fails at the arena's ceiling. */
BS_MUST_CHECK enum bs_done bs_stmt_raise(struct bs_stmt *stmt,
                                         enum bs_risk risk,
                                         const char *code,
                                         const char *text,
                                         struct bs_arena *arena,
                                         struct bs_err *err);

bool bs_stmt_has_reason(const struct bs_stmt *stmt, const char *code);

/*
 * Takes back the reasons of one code. The risk is then the worst of the reasons that are left,
 * SAFE where there is none: every rise of a risk above SAFE has its reason.
 */
void bs_stmt_excuse(struct bs_stmt *stmt, const char *code);

/*
 * Risk, point and BS_FLAG_VOLATILE again, after a catalog has set `listed` and `risk` of calls: a
 * reason UNLISTED_x goes when no call of that sort is left unlisted. A statement with an unlisted
 * call has point UNKNOWN: nobody knows what it would have to cover.
 */
void bs_stmt_settle_calls(struct bs_stmt *stmt);

/*
 * Raises a statement that names something without a schema, or something temporary, to CRITICAL:
 * what it means in its session is not known. bs_classify does so behind a change of search_path in
 * the same text; whoever follows a session does so for the rest of it. Fails at the arena's ceiling.
 */
BS_MUST_CHECK enum bs_done
bs_stmt_doubt_names(struct bs_stmt *stmt, struct bs_arena *arena, struct bs_err *err);

/* Sets unit->risk and unit->flags again from its statements. */
void bs_unit_settle(struct bs_unit *unit);

/* "PostgreSQL 17" and libpg_query's own version, for `backstop version`. */
const char *bs_grammar_version(void);

#endif
