/*
 * dump.h - the definition of a database: pg_dump -s -Fc on the capture's snapshot, kept once per
 * distinct content.
 *
 * Layer  recovery. Blocks.
 * Spec   app-pgdump.html; RECOVERY.md section 4.
 * Owns   nothing; files are the caller's to remove.
 */
#ifndef BS_RECOVERY_DUMP_H
#define BS_RECOVERY_DUMP_H

#include "recovery/capture.h"
#include "recovery/tool.h"

/*
 * A pg_dump at least as new as the server: the configured one of the smallest such major, else
 * the system's (/usr/lib/postgresql/N/bin of Debian, then PATH).
 *
 * path      out, PATH_MAX bytes
 * version   out, "pg_dump (PostgreSQL) 15.18 ..."
 * err       NO_POINT where there is none
 */
BS_MUST_CHECK enum bs_done bs_dump_find(const struct bs_pg_dump *list,
                                        size_t n,
                                        int server_version_num,
                                        char path[PATH_MAX],
                                        char version[128],
                                        struct bs_err *err);

/*
 * Starts writing the definition to `file`. bs_child_wait(child, watch, NULL, NULL, err) ends it.
 * The file is not synced: it is read by the process that asked for it, or not at all.
 *
 * snapshot   from pg_export_snapshot in the transaction that `conn` has open
 */
BS_MUST_CHECK enum bs_done bs_dump_start(struct bs_child *child,
                                         const char *pg_dump,
                                         PGconn *conn,
                                         const char *snapshot,
                                         const char *file,
                                         int lock_wait_ms,
                                         struct bs_err *err);

/* The same with all rows and large objects, in the database's own encoding. */
BS_MUST_CHECK enum bs_done bs_dump_start_all(struct bs_child *child,
                                             const char *pg_dump,
                                             PGconn *conn,
                                             const char *snapshot,
                                             const char *file,
                                             int lock_wait_ms,
                                             struct bs_err *err);

/*
 * SHA-256 of a dump's plain text and of the OIDs of what is in it (an object that was dropped and
 * made again the same way is another one), by the pg_restore beside pg_dump, without the \restrict and
 * \unrestrict lines, which carry a random token.
 * NO_POINT where it is no dump.
 */
BS_MUST_CHECK enum bs_done bs_dump_text_sha256(const char *pg_dump,
                                               const char *file,
                                               const struct bs_watch *watch,
                                               char out[BS_SHA256_TEXT],
                                               struct bs_err *err);

#endif
