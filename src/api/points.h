/*
 * points.h - recovery points as JSON: a line of a list, and one of them whole.
 *
 * Layer  api.
 * Owns   JSON values belong to the caller.
 */
#ifndef BS_API_POINTS_H
#define BS_API_POINTS_H

#include <jansson.h>

#include "policy/config.h"
#include "recovery/points.h"

/* "committed", ...; "unfinished", "incomplete" where it is not whole. */
const char *bs_point_outcome(const struct bs_point_ref *p);
/* The latest word on its objects; what the capture proved where nobody has looked since; "-". */
const char *bs_point_proof(const struct bs_point_ref *p, const struct bs_manifest *m);
int64_t bs_point_rows(const struct bs_manifest *m);
int64_t bs_point_bytes(const struct bs_manifest *m);

/* Its manifest; what it was going to be where it has none. Errors of bs_points_load. */
BS_MUST_CHECK enum bs_done bs_point_load(struct bs_store *store,
                                         const struct bs_point_ref *p,
                                         struct bs_arena *arena,
                                         struct bs_manifest *out,
                                         struct bs_err *err);

/* One of a list. `m` is NULL where the manifest is missing or damaged; `err` says why. */
json_t *bs_point_entry_json(const struct bs_point_ref *p,
                            const struct bs_manifest *m,
                            const struct bs_err *err);

/* One of them with its manifest and events; what is left of one that was erased. */
BS_MUST_CHECK enum bs_done bs_point_json(struct bs_store *store,
                                         const struct bs_point_ref *p,
                                         struct bs_arena *arena,
                                         json_t **out,
                                         struct bs_err *err);

/*
 * The name on its server of a database that is configured under `name`: the dbname of its helper.
 * Where the configuration has no such name, it is taken as the server's.
 */
const char *bs_point_database(const struct bs_config *c, const char *name, struct bs_arena *arena);
/* Is it of the database that has this name on its server? */
bool bs_point_in_database(const struct bs_point_ref *p, const char *name);

#endif
