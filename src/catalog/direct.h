/*
 * direct.h - whether a libpq session is one of the server's own.
 *
 * The gateway's own sessions set what holds until they end (search_path, row_security, READ ONLY), find other
 * sessions by the process number that the server gave, and take snapshots. Behind a pooler, or before a server
 * that puts all its clients into one session, these settings reach others and these numbers nobody.
 *
 * Layer  catalog. libpq; asks nothing itself.
 * Spec   protocol-flow.html#PROTOCOL-FLOW-START-UP (BackendKeyData, start-up parameters).
 * Owns   nothing.
 */
#ifndef BS_CATALOG_DIRECT_H
#define BS_CATALOG_DIRECT_H

#include <libpq-fe.h>

#include "base/err.h"

/* To be asked before anything is set: one row of BS_DIRECT_COLUMNS texts, in either format. */
extern const char bs_direct_sql[];
enum { BS_DIRECT_COLUMNS = 2 };

/*
 * Judge the answer to bs_direct_sql.
 *
 * conn  the session that was asked
 * code  what an error is
 * err   code: somebody else's session answered
 */
BS_MUST_CHECK enum bs_done
bs_direct_judge(PGconn *conn, const PGresult *res, enum bs_code code, struct bs_err *err);

#endif
