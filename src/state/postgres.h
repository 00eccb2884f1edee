/*
 * postgres.h - what the two connections to a state in PostgreSQL share.
 *
 * Layer  state. Only postgres*.c include this.
 * Spec   PostgreSQL manual, libpq-connect.html, libpq-async.html
 * Owns   nothing.
 */
#ifndef BS_STATE_POSTGRES_H
#define BS_STATE_POSTGRES_H

#include <libpq-fe.h>

#include "state/sqlite.h"

/* A new connection, made or failed: see PQstatus. Ends within seconds. name: its application_name. */
PGconn *bs_pg_connect(const char *url, const char *name);

#endif
