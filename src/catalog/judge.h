/*
 * judge.h - a classified unit meets the catalog: names become objects, and objects bring their
 * triggers, rules, policies, cascades and children along.
 *
 * Layer  catalog. Pure: reads a snapshot, no I/O.
 * Owns   everything added to the unit or handed out lives in the caller's arena.
 */
#ifndef BS_CATALOG_JUDGE_H
#define BS_CATALOG_JUDGE_H

#include "catalog/own.h"
#include "catalog/snapshot.h"
#include "sql/classify.h"

/* DROP ... IF EXISTS of nothing. The audit looks whether it stays so. */
#define BS_REASON_NOTHING "nothing_there"

/* What the session has done that changes what names mean. All of it can only raise the risk. */
struct bs_session_names {
    bool path_changed;    /* search_path was set to something not vetted */
    bool uncommitted_ddl; /* DDL ran in the transaction that is open */
    bool temporary;       /* the session may have temporary objects */
    /* what the last two are about, so that reading anything else is not in doubt; NULL: not known */
    const struct bs_own *own;
};

enum bs_reach {
    BS_REACH_TARGET = 0, /* named by the statement (or a partition or child of it) */
    BS_REACH_CASCADE,    /* ON DELETE/UPDATE CASCADE, SET NULL, SET DEFAULT; TRUNCATE CASCADE */
    BS_REACH_DEPENDENT,  /* DROP ... CASCADE takes the object itself along */
    BS_REACH_CALL,       /* a function, trigger or the like that the statement runs changes it */
};

/* How the rows of a target were counted. In order: what comes later may be relied on more. */
enum bs_measure {
    BS_MEASURE_NONE = 0,  /* nobody has */
    BS_MEASURE_ESTIMATE,  /* by the planner, or by a count that did not see everything */
    BS_MEASURE_COUNT,     /* counted just now */
    BS_MEASURE_REHEARSAL, /* it was run, the server's counters were read, and it was rolled back */
};

/* Table locks by strength, as PostgreSQL's manual names them (explicit-locking.html). */
enum bs_table_lock {
    BS_TABLE_LOCK_UNKNOWN = 0,
    BS_TABLE_LOCK_ACCESS_SHARE,
    BS_TABLE_LOCK_ROW_SHARE,
    BS_TABLE_LOCK_ROW_EXCLUSIVE,
    BS_TABLE_LOCK_SHARE_UPDATE_EXCLUSIVE,
    BS_TABLE_LOCK_SHARE,
    BS_TABLE_LOCK_SHARE_ROW_EXCLUSIVE,
    BS_TABLE_LOCK_EXCLUSIVE,
    BS_TABLE_LOCK_ACCESS_EXCLUSIVE,
};

/* One stored relation whose rows or existence the unit would change. */
struct bs_target {
    uint32_t oid;
    const char *schema;
    const char *name;
    char relkind; /* pg_class.relkind: r p m S f v i */
    enum bs_kind kind;
    enum bs_reach reach;
    double est_rows;   /* pg_class.reltuples, -1: never analysed */
    int64_t est_bytes; /* relpages * block size, TOAST included */
    size_t stmt;       /* index of the statement in the unit */
    /* Measured (recovery/measure.h); until then unknown. A table with partitions or children that
     * are targets, too, has the rows of those in its own number; `within` is that table for them. */
    int64_t rows;            /* that would be changed or go; -1: not known */
    double share;            /* of the table's rows, 0 to 1; -1: not known */
    enum bs_measure how;     /* NONE exactly where rows is -1 */
    const char *sample;      /* some of the rows, as JSON; for operators only; NULL: none */
    bool by_key;             /* at most one row, picked by a key */
    bool quiet;              /* to read it runs nothing of anybody's, not even when it is planned */
    bool again;              /* something of the statement leads back to it: rows count twice */
    uint32_t within;         /* oid of another target of the statement; 0: none */
    enum bs_table_lock lock; /* the strongest that the statement takes on it */
    bool rewrites;           /* the whole table is written anew meanwhile */
    /* DEPENDENT, of a table that stays: the columns that it loses; none: they cannot be told */
    const char **columns;
    size_t n_columns;
};

struct bs_facts {
    struct bs_target *targets; /* no two with the same oid and stmt */
    size_t n_targets;
    bool unknown_name;   /* a name was not found: refresh the snapshot and judge again, once */
    const char *unknown; /* that name, for messages; NULL */
    bool unknown_object; /* it is no relation's, or that of something which came with the server */
};

/* PostgreSQL's own types have lower OIDs. */
#define BS_FIRST_OWN_TYPE 16384u

/* Turning a value into that type may run what somebody has written, harmless or not. */
bool bs_catalog_type_runs_code(const struct bs_snapshot *snapshot, uint32_t type);

/*
 * Judge a unit again with a catalog: raises, or lowers where RISK.md says "measured" or "by key",
 * the risk of each statement, adds reasons, sets unit->catalog, and lists what is reached.
 *
 * err   LIMIT where the arena's ceiling was reached
 */
BS_MUST_CHECK enum bs_done bs_catalog_judge(const struct bs_snapshot *snapshot,
                                            struct bs_session_names names,
                                            struct bs_unit *unit,
                                            struct bs_arena *arena,
                                            struct bs_facts *out,
                                            struct bs_err *err);

#endif
