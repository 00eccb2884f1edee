/*
 * databases.h - the databases behind the gateway, each with the newest picture of its catalog.
 *
 * Layer  gateway. Thread-safe. bs_database_load blocks and may only run on a job thread.
 * Owns   the snapshots; the configuration is borrowed and outlives it.
 */
#ifndef BS_GATEWAY_DATABASES_H
#define BS_GATEWAY_DATABASES_H

#include <stdint.h>

#include "catalog/snapshot.h"
#include "policy/config.h"

struct bs_databases;
struct bs_database;

struct bs_databases *bs_databases_new(const struct bs_config *config);
void bs_databases_free(struct bs_databases **d); /* accepts NULL */

/* NULL where the configuration has no such database. */
struct bs_database *bs_database_find(struct bs_databases *d, const char *name);
const struct bs_config_database *bs_database_config(const struct bs_database *db);

/* Grows with every load and every bs_database_stale; a verdict of another epoch is out of date. */
uint64_t bs_database_epoch(struct bs_database *db);

/* A reference to the newest snapshot; NULL where none was loaded or it is known to be stale. */
struct bs_snapshot *bs_database_snapshot(struct bs_database *db);

/* What was judged so far is out of date, in all databases; the catalogs are not. */
void bs_databases_judge_anew(struct bs_databases *d);

/* Something changed the catalog: the next judgement needs a fresh snapshot. */
void bs_database_stale(struct bs_database *db);

/*
 * Make sure that there is a snapshot not older than `since_us` (bs_mono_us). Several callers
 * share one load.
 *
 * err  UNAVAILABLE, DATABASE: the catalog cannot be read
 */
BS_MUST_CHECK enum bs_done
bs_database_load(struct bs_database *db, int64_t since_us, struct bs_err *err);

#endif
