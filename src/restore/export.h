/*
 * export.h - saved rows in formats that other programs read: CSV, JSON lines, INSERT statements.
 *
 * The rows go through a temporary table of a database that has their types, so the server itself
 * writes them, under pinned settings; the transaction is rolled back. What comes out is readable
 * again: CSV by COPY ... (FORMAT csv, HEADER), INSERTs by psql, JSON lines by whoever reads JSON.
 * Generated columns are in CSV and JSON lines, and not in INSERTs, which would compute them.
 *
 * Layer  restore. Blocks.
 * Owns   nothing.
 */
#ifndef BS_RESTORE_EXPORT_H
#define BS_RESTORE_EXPORT_H

#include "restore/restore.h"

enum bs_export_format {
    BS_EXPORT_NONE = 0,
    BS_EXPORT_CSV,   /* with a header; of one table */
    BS_EXPORT_JSONL, /* one object a line; of one table */
    BS_EXPORT_SQL,   /* one transaction of INSERTs; of any number of tables, parents first */
};

/* NONE for a name that is none of csv, jsonl, sql. */
enum bs_export_format bs_export_find(const char *name);

/*
 * Exports all tables of the point, or one (or a partitioned one, whose partitions come as one).
 * Recorded in the audit like a restore: it gives data out.
 *
 * table  NULL: all
 * take   is given the text, in pieces
 * rows   out: how many
 * err    USAGE (several tables and a format of one), NOT_FOUND, DAMAGED, DATA (a type is missing),
 *        IO, DATABASE, and what `take` says
 */
BS_MUST_CHECK enum bs_done bs_export_run(struct bs_restore *r,
                                         const char *table,
                                         enum bs_export_format format,
                                         bs_rdb_take take,
                                         void *ctx,
                                         int64_t *rows,
                                         struct bs_err *err);

#endif
