/*
 * settings.h - settings of the server that came back: the server reads them, and which of them count
 * only from its next start on.
 *
 * Layer  restore. Blocks on the database.
 * Spec   functions-admin.html (pg_reload_conf), view-pg-settings.html (pending_restart).
 * Owns   results live in the restore's arena.
 */
#ifndef BS_RESTORE_SETTINGS_H
#define BS_RESTORE_SETTINGS_H

#include "restore/copyback.h"
#include "restore/restore.h"

/*
 * After ALTER SYSTEM has run: fills reloaded and restart of `out`. Nothing where no setting of the
 * server came back.
 *
 * err   UNAVAILABLE: the server has not read its settings within two seconds; errors of bs_rdb_do
 */
BS_MUST_CHECK enum bs_done
bs_settings_reload(struct bs_restore *r, struct bs_copyback *out, struct bs_err *err);

#endif
