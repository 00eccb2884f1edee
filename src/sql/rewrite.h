/*
 * rewrite.h - which rows an UPDATE or DELETE will change, as a SELECT of (tableoid, ctid).
 *
 * Somebody with more rights than the actor runs what comes out of here, so it is printed anew from
 * the tree, by an allow-list: columns of plain types, constants, parameters, boolean logic,
 * comparisons, arithmetic, immutable built-ins, plain tables in FROM, IN and EXISTS. Relations,
 * operators, functions and types are all written with their schema; columns with names of our own
 * for the relations. What is not on the list makes no SELECT, and another way has to do.
 *
 * It is a guess: settings and names of the actor's session may make its statement mean something
 * else. So nothing may rely on it without a look at what has changed in the end.
 *
 * Layer  sql. Pure.
 * Spec   sql-expressions.html, sql-select.html.
 * Owns   nothing; what is made lives in the caller's arena.
 */
#ifndef BS_SQL_REWRITE_H
#define BS_SQL_REWRITE_H

#include "base/arena.h"
#include "base/bytes.h"
#include "base/err.h"
#include "sql/classify.h"

#define BS_REWRITE_OTHER 1u /* no type has that OID */

/* A relation as whoever knows the catalog has it; `with` is theirs. */
struct bs_rewrite_table {
    const void *with;
    const char *schema;
    const char *name;
};

/* What names mean. All answers must be certain; "no" is always right. */
struct bs_rewrite_names {
    const void *with;
    /* The one relation of that name, if reading it runs nothing. `change` is UPDATE or DELETE of
     * the target: then changing it must run nothing either; UNKNOWN of a relation that is read. */
    bool (*table)(const void *with,
                  struct bs_name name,
                  enum bs_kind change,
                  struct bs_rewrite_table *out);
    /* pg_type.oid of a column, of what a domain is made of, or BS_SCALAR_ENUM; 0: there is none of
     * that name; BS_REWRITE_OTHER: of a type that is not plain */
    uint32_t (*column)(const void *with, const struct bs_rewrite_table *table, const char *name);
    /* Nobody but the cluster has made one of that name, for values of plain types. */
    bool (*operator)(const void *with, const char *symbol);
    bool (*function)(const void *with, const char *name);
};

enum bs_rewrite_for {
    BS_REWRITE_TO_KEEP = 0, /* rows are kept by it */
    /* Only a number comes of it, and some rows to look at: also without a WHERE, and with the clock,
     * where the time zone of the session does not matter. `set` is filled. */
    BS_REWRITE_TO_COUNT,
};

struct bs_rewrite {
    const char *sql; /* NULL: none can be told */
    struct bs_rewrite_table table;
    enum bs_kind kind; /* DELETE or UPDATE */
    int n_params;      /* the highest $n in it; 0: none */
    /* UPDATE, to count: what it assigns, as "SELECT tableoid, ctid, value, ..."; NULL: not told */
    const char *set_sql;
    const char **set; /* the columns, in the order of the values */
    size_t n_set;
    int n_set_params;
};

/*
 * text  of one statement, without a semicolon
 * err   LIMIT: the arena's ceiling. Whatever else is wrong is `sql` NULL.
 */
BS_MUST_CHECK enum bs_done bs_rewrite_change(struct bs_bytes text,
                                             enum bs_rewrite_for use,
                                             const struct bs_rewrite_names *names,
                                             struct bs_arena *arena,
                                             struct bs_rewrite *out,
                                             struct bs_err *err);

struct bs_rewrite_function {
    const char *name;
    int max_args;
};

/* The functions that may occur, sorted; a name NULL ends the list. For the test that asks a server. */
extern const struct bs_rewrite_function bs_rewrite_functions[];

#endif
