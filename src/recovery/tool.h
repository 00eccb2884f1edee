/*
 * tool.h - pg_dump and pg_restore as child processes (base/child.h).
 *
 * Layer  recovery. Spec: app-pgdump.html; libpq-envars.html.
 */
#ifndef BS_RECOVERY_TOOL_H
#define BS_RECOVERY_TOOL_H

#include <libpq-fe.h>
#include <limits.h>

#include "base/child.h"

/*
 * bs_child_start with NO_POINT for a failure.
 *
 * conn   connection whose server and credentials it is to use, by environment; NULL: none
 */
BS_MUST_CHECK enum bs_done
bs_tool_start(struct bs_child *c, char *const *argv, PGconn *conn, struct bs_err *err);

#endif
