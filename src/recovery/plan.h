/*
 * plan.h - which recovery point a judged unit needs, or why none can be made.
 *
 * Layer  recovery. Pure.
 * Spec   PROTECT.md, RISK.md (column "point"), RECOVERY.md section 7.
 * Owns   a plan lives in the caller's arena.
 */
#ifndef BS_RECOVERY_PLAN_H
#define BS_RECOVERY_PLAN_H

#include "catalog/judge.h"

enum bs_plan_kind {
    BS_PLAN_REFUSE = 0, /* destroys something that nothing we make covers: ZB004 */
    BS_PLAN_NONE,       /* nothing is lost: run, with an audit record */
    BS_PLAN_RECORD,     /* additive: run, manifest without objects */
    BS_PLAN_ROWS,       /* rows change: run, and before COMMIT keep what they were */
    BS_PLAN_WHOLE,      /* lock and copy whole tables before it runs; other rows as ROWS */
};

/*
 * A table of a plan. `shape`, with any kind: it is changed as such, and keeps its rows; it is locked
 * where the role may, so that its definition stays the one that is kept. Others, of WHOLE: locked and
 * copied whole, and tables that merely lose rows are not in the list - who merges plans leaves out
 * those of ROWS beside WHOLE. Of ROWS: it is known to lose rows; what triggers, rules and functions
 * reach beside these the audit finds.
 */
struct bs_plan_table {
    uint32_t oid;
    const char *schema;
    const char *name;
    char relkind; /* r, p, m */
    enum bs_reach reach;
    enum bs_kind kind; /* DELETE, UPDATE, TRUNCATE, DROP TABLE: what will happen to it */
    double est_rows;
    int64_t est_bytes;
    /* Keep its key and only these columns; 0: all of it. What is kept so never counts for rows that
     * are lost. */
    const char **columns;
    size_t n_columns;
    bool exclusive; /* the statement itself will hold ACCESS EXCLUSIVE on it */
    bool shape;     /* nothing of it is copied */
    bool ahead; /* copied although it keeps its rows: in this transaction nobody else will be able
                        to read it any more, and a later statement may change it */
    bool rewrites;   /* the statement may write it anew, with the same rows */
    bool unlockable; /* set by whoever runs the plan: the role may change it, but not lock it */
};

/*
 * How to read, before a statement runs, which rows it will change: a SELECT of (tableoid, ctid).
 * The helper may run it as it is, for it says everything with its schema and uses nothing but
 * vetted immutable built-ins (sql/rewrite.h). It is a guess about a session that may see other
 * names or other rows, and it may fail where the statement would not: what it finds counts only
 * where the audit confirms it, and an error of it is no error of the statement's.
 *
 * $n are the statement's own parameters. Only values of types that came with the cluster (OID below
 * 16384) may be given for them: to read a value of another type may run code of its owner, as the
 * helper. Of EXECUTE the values are not known; then n_params says that they are missing.
 */
struct bs_plan_select {
    uint32_t oid; /* of the table that the statement names; rows may be of tables below it */
    const char *schema;
    const char *name;
    enum bs_kind kind; /* DELETE or UPDATE */
    const char *sql;
    int n_params; /* the highest $n in it; 0: none */
    size_t stmt;  /* index of the statement in the unit */
    /* Only to measure, and of UPDATE: the values that it assigns to the columns `set`, behind
     * (tableoid, ctid); NULL: they cannot be told */
    const char *set_sql;
    const char **set;
    size_t n_set;
    int n_set_params;
};

/* What a statement names that has a definition: the objects of that name are what a point of
 * definitions is about. */
struct bs_plan_named {
    enum bs_object object;
    const char *schema; /* NULL: not told */
    const char *name;
    bool cascade;       /* goes, and takes along what hangs on it */
    enum bs_kind kind;  /* of a role: DROP OWNED and REASSIGN OWNED are about what it owns */
    bool replaces;      /* CREATE OR REPLACE of code */
    const char *column; /* as in struct bs_effect */
    struct bs_name to;  /* the same */
};

struct bs_plan;
/* The attribute of a composite type that goes, or gets another type; NULL: there is none. */
const struct bs_plan_named *bs_plan_lost_attribute(const struct bs_plan *plan);

/* How long a dump of a database may take: it is to go, so nobody's work waits for it. */
#define BS_DATABASE_BUDGET_US (INT64_C(3600) * 1000000)

struct bs_plan {
    enum bs_plan_kind kind;
    const char *why;              /* one sentence for operators */
    struct bs_plan_table *tables; /* sorted by oid: the order in which they are locked */
    size_t n_tables;
    struct bs_plan_select *selects; /* for all rows that the unit changes, or none at all */
    size_t n_selects;
    int64_t est_bytes; /* of the tables */
    bool definition;   /* store the schema dump before it runs; with any kind from RECORD up */
    /* It is kept for names alone, which lead back without it, too: where the transaction itself
     * stands in the way of the dump, it goes without */
    bool renames;
    bool without;                /* it has gone without: `why` says so */
    struct bs_plan_named *named; /* of statements that need the definition */
    size_t n_named;
    unsigned globals;   /* bits of enum bs_global: what of the cluster is kept before it runs */
    const char **about; /* names of roles, databases and so on that these are about; none: any */
    size_t n_about;
    /* A database that is dumped before it goes, while nobody can connect to it; NULL: none */
    const char *database;
    bool ddl;      /* catalog writes by the statement are expected */
    bool in_block; /* the unit can run inside BEGIN ... COMMIT */
    /* RECORD whose triggers, defaults or the like run code that nobody has vetted: only the
     * pre-commit audit sees what that changes, so it runs protected even where it is allowed */
    bool audited;
    /* ROWS, WHOLE: runs code that nobody has vetted. In a transaction with it no change of the
     * catalog is expected, whatever else runs there: nobody could tell who made it */
    bool unvetted;
};

struct bs_plan_limits {
    int64_t max_bytes; /* ceiling for what is copied whole */
    /* Whoever asks can run a plan ROWS. Else it is WHOLE where that covers it too, or REFUSE. */
    bool rows;
    bool databases; /* a database that is dropped may be fenced and dumped; else it is REFUSE */
};

/* err LIMIT: the arena's ceiling */
BS_MUST_CHECK enum bs_done bs_plan_make(const struct bs_unit *unit,
                                        const struct bs_facts *facts,
                                        struct bs_plan_limits limits,
                                        struct bs_arena *arena,
                                        struct bs_plan *out,
                                        struct bs_err *err);

/*
 * Adds the selects to a plan ROWS, where they can be told for all that the unit changes.
 *
 * names  what the session has done to names: after anything of it nothing is certain
 * text   of the unit, as it was classified
 * err    LIMIT: the arena's ceiling
 */
BS_MUST_CHECK enum bs_done bs_plan_select(const struct bs_snapshot *snapshot,
                                          struct bs_session_names names,
                                          const struct bs_unit *unit,
                                          struct bs_bytes text,
                                          struct bs_arena *arena,
                                          struct bs_plan *plan,
                                          struct bs_err *err);

/* A point is made before the unit runs. */
bool bs_plan_makes_point(const struct bs_plan *plan);
/* What the catalog says of a table, as a plan has it; nothing of what is done with it. */
struct bs_plan_table bs_plan_table_of(const struct bs_target *t);

/* A table that is locked before it does: see struct bs_plan_table. `rows`: so are those of ROWS. */
bool bs_plan_locks(const struct bs_plan *plan, const struct bs_plan_table *table, bool rows);

/* "refuse", "none", "record", "rows", "whole" */
const char *bs_plan_kind_name(enum bs_plan_kind kind);

#endif
