/*
 * builtins.h - which of PostgreSQL's own functions, operators and types are harmless to use.
 *
 * An explicit list, not volatility: labels are wrong in both directions (THREATS A 1). Generated
 * from pg_proc of a real server by script/gen-builtins, which names what is *not* harmless. What
 * is not listed here is not SAFE.
 *
 * Layer  sql. Pure.
 * Owns   nothing.
 */
#ifndef BS_SQL_BUILTINS_H
#define BS_SQL_BUILTINS_H

#include <stdbool.h>
#include <stdint.h>

#include "sql/kinds.h"

/* A function of pg_catalog. `risk` UNKNOWN: not listed. Flags are enum bs_flag (classify.h). */
struct bs_builtin {
    enum bs_risk
        risk; /* SAFE, HIGH (nextval, advisory locks, ...), CRITICAL: known to be dangerous */
    enum bs_point point; /* NONE, STATE (sequences), UNKNOWN */
    uint32_t flags;      /* DYNAMIC_SQL, SERVER_FILE, ... of the dangerous ones */
};

/*
 * What calling pg_catalog.name would mean, whatever the arguments' types.
 *
 * name    in lower case, as the catalog has it
 * n_args  arguments given, -1: not known
 */
struct bs_builtin bs_builtin_function(const char *name, int n_args);

/* The same by pg_proc.oid, for what the catalog refers to (views, defaults, operators). */
bool bs_builtin_oid_listed(uint32_t oid);

/* Helpers of information_schema: _pg_expandarray and the like. */
bool bs_builtin_information_schema(const char *name);

/* An operator of pg_catalog, by symbol. */
bool bs_builtin_operator(const char *symbol);

/* A type of pg_catalog, by name, or one of the grammar's serial types. */
bool bs_builtin_type(const char *name);

#endif
