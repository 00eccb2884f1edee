/*
 * database.h - what whoever dumps a whole database and whoever makes it anew have in common: how to
 * get there, and what to count. The dump itself is a step of a capture: bs_step_database.
 *
 * Layer  recovery. Pure.
 * Spec   app-pgdump.html; RECOVERY.md section 7.
 * Owns   nothing.
 */
#ifndef BS_RECOVERY_DATABASE_H
#define BS_RECOVERY_DATABASE_H

#include "base/arena.h"

/*
 * One row for each table and sequence that a dump has: schema, name, and the query that tells its
 * number of rows and a hash of them, whatever their order; a last one for large objects.
 */
extern const char bs_database_counts[];
/* Beside the settings of every session of ours: what else says how values are written. */
extern const char bs_database_pin[];

/* The same conninfo for another database. NULL: it is none, or the arena is full. Secret. */
const char *
bs_database_conninfo(struct bs_arena *arena, const char *conninfo, const char *database);

#endif
