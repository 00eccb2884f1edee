/*
 * databases.h - the databases behind the gateway, each with the newest picture of its catalog.
 *
 * While sessions use a database, a thread of its own looks every two seconds whether the catalog
 * may have changed, and refreshes the picture in the background. What others change behind the
 * gateway is noticed then: at the next look where the server's counters tell (they come up to ten
 * seconds late), but not before 10 times what the last refresh took; else at the next refresh, which
 * is due after 50 times that; and after 14 s at the latest. Where the thread cannot ask, the picture gets older, and whoever judges
 * by it sees how old it is (bs_database_checked_us).
 *
 * Layer  gateway. Thread-safe. bs_database_load blocks and may only run on a job thread.
 * Owns   the snapshots and the threads; the configuration is borrowed and outlives it.
 */
#ifndef BS_GATEWAY_DATABASES_H
#define BS_GATEWAY_DATABASES_H

#include <stdint.h>

#include "catalog/snapshot.h"
#include "policy/config.h"

struct bs_databases;
struct bs_database;

struct bs_databases *bs_databases_new(const struct bs_config *config);
void bs_databases_free(struct bs_databases **d); /* accepts NULL; waits for the threads */

/* NULL where the configuration has no such database. */
struct bs_database *bs_database_find(struct bs_databases *d, const char *name);
const struct bs_config_database *bs_database_config(const struct bs_database *db);

/* A session uses it from here to there: so long its catalog is watched. */
void bs_database_enter(struct bs_database *db);
void bs_database_leave(struct bs_database *db);

/* Grows with every change and every bs_database_stale; a verdict of another epoch is out of date. */
uint64_t bs_database_epoch(struct bs_database *db);

/* A reference to the newest snapshot; NULL where none was loaded or it is known to be stale. */
struct bs_snapshot *bs_database_snapshot(struct bs_database *db);

/* bs_mono_us: the newest snapshot says what the catalog was at that moment; 0: there is none. */
int64_t bs_database_checked_us(struct bs_database *db);

/* Something changed the catalog: the next judgement needs a fresh snapshot. */
void bs_database_stale(struct bs_database *db);

/* What was judged so far is out of date, in all databases; the catalogs are not. */
void bs_databases_judge_anew(struct bs_databases *d);

/*
 * Make sure that there is a snapshot that was true at `since_us` (bs_mono_us) or later. Several
 * callers share one load, which asks only for what changed.
 *
 * err  UNAVAILABLE, DATABASE, LIMIT: the catalog cannot be read
 */
BS_MUST_CHECK enum bs_done
bs_database_load(struct bs_database *db, int64_t since_us, struct bs_err *err);

#endif
