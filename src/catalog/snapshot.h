/*
 * snapshot.h - what the names in a database mean: an immutable picture of its catalog.
 *
 * Loaded through the helper role on a job thread, then shared by reference: the hot path takes no
 * lock but the one count. A name that the snapshot does not have asks for a refresh.
 *
 * Layer  catalog. bs_snapshot_load does I/O (libpq) and may only run on a job thread.
 * Spec   PostgreSQL manual, catalogs.html.
 * Owns   a snapshot owns all it hands out; it dies with its last reference.
 */
#ifndef BS_CATALOG_SNAPSHOT_H
#define BS_CATALOG_SNAPSHOT_H

#include <stdint.h>

#include "base/err.h"

struct bs_snapshot; /* opaque, immutable, reference-counted */

/*
 * Load the catalog.
 *
 * conninfo  libpq connection string of the helper role
 * err       UNAVAILABLE: cannot connect; DATABASE: a query failed; LIMIT: too large
 */
BS_MUST_CHECK enum bs_done
bs_snapshot_load(const char *conninfo, struct bs_snapshot **out, struct bs_err *err);

/*
 * The same as loading it anew, but only what changed since `old` is asked for.
 *
 * out  `old` itself, with another reference, where nothing changed
 */
BS_MUST_CHECK enum bs_done bs_snapshot_refresh(const char *conninfo,
                                               struct bs_snapshot *old,
                                               struct bs_snapshot **out,
                                               struct bs_err *err);

struct bs_snapshot *bs_snapshot_ref(struct bs_snapshot *s); /* thread-safe */
void bs_snapshot_unref(struct bs_snapshot **s);             /* accepts NULL; sets it NULL */

/* Of this process no two snapshots have the same, those that are gone included; never 0. */
uint64_t bs_snapshot_serial(const struct bs_snapshot *s);
/* Microseconds of bs_mono_us when it was loaded. */
int64_t bs_snapshot_loaded_us(const struct bs_snapshot *s);
/* server_version_num, e.g. 150018. */
int bs_snapshot_server_version(const struct bs_snapshot *s);

#endif
