/*
 * defaults.h - what ALTER DEFAULT PRIVILEGES of the restoring role, and of the owners, would grant
 * on whatever a copy-back makes again. A dump says privileges as differences from the built-in
 * ones: on top of others they would come out wider than they were.
 *
 * So within the transaction these roles' default privileges are the built-in ones while lost objects
 * are made, and what they were before it commits.
 *
 * Layer  restore. Blocks.
 * Spec   sql-alterdefaultprivileges.html, catalog-pg-default-acl.html.
 * Owns   nothing.
 */
#ifndef BS_RESTORE_DEFAULTS_H
#define BS_RESTORE_DEFAULTS_H

#include "base/arena.h"
#include "restore/rdb.h"

/*
 * Inside the open transaction, before anything is made. Those of schemas where the role may not
 * make anything stay as they are.
 *
 * back   out: SQL that undoes it, in the arena; "" where the role has no default privileges
 * err    LIMIT, and those of bs_rdb_do
 */
BS_MUST_CHECK enum bs_done
bs_defaults_plain(struct bs_rdb *db, struct bs_arena *arena, const char **back, struct bs_err *err);

#endif
