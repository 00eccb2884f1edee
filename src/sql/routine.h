/*
 * routine.h - a body of SQL or PL/pgSQL as the statements that it runs, classified like any others.
 *
 * Layer  sql. Pure. Parsing takes heap while it lasts, as bs_classify does.
 * Spec   PostgreSQL manual, xfunc-sql.html, plpgsql.html.
 * Owns   everything handed out lives in the caller's arena.
 */
#ifndef BS_SQL_ROUTINE_H
#define BS_SQL_ROUTINE_H

#include "sql/classify.h"
#include "sql/plpgsql.h"

/* Longest body in SQL that is read, in bytes. */
#define BS_ROUTINE_MAX ((size_t)256 << 10)

struct bs_routine {
    /* The first one stands for all reads and expressions that are SAFE or would be if what they
     * call were known: one SELECT that calls and reads what all of them do. */
    struct bs_stmt *stmts;
    size_t n_stmts;
    /* What keeps its statements from being all that it does: "runs SQL that it puts together".
     * NULL: they are. Where it is set the statements are still some of what it does. */
    const char *opaque;
    bool dynamic; /* opaque because it runs SQL given as a value */
};

/*
 * Read a body of PL/pgSQL.
 *
 * err  LIMIT: the arena's ceiling
 */
BS_MUST_CHECK enum bs_done bs_routine_plpgsql(struct bs_bytes source,
                                              const struct bs_plpgsql_shape *shape,
                                              struct bs_arena *arena,
                                              struct bs_routine *out,
                                              struct bs_err *err);

/* The same of SQL: statements, or the server's print of BEGIN ATOMIC ... END or RETURN x. */
BS_MUST_CHECK enum bs_done bs_routine_sql(struct bs_bytes source,
                                          struct bs_arena *arena,
                                          struct bs_routine *out,
                                          struct bs_err *err);

#endif
