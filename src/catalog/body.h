/*
 * body.h - what the body of a function does, as far as its text alone tells.
 *
 * Read when it is first asked for, by whoever asks: a catalog of ten thousand functions costs
 * nothing until they are called.
 *
 * Layer  catalog. Pure but for one cache that is filled once; thread-safe.
 * Owns   a body is counted by reference, because snapshots that follow each other share it.
 */
#ifndef BS_CATALOG_BODY_H
#define BS_CATALOG_BODY_H

#include "base/err.h"
#include "sql/routine.h"

struct bs_build;
struct bs_function;

struct bs_body *bs_body_ref(struct bs_body *body);
void bs_body_unref(struct bs_body **body); /* accepts NULL; sets it NULL */

/* The statements of a body; lives as long as the snapshot that the function is from. Never NULL. */
const struct bs_routine *bs_body_of(const struct bs_function *f);

/*
 * Sets `body` of every function whose `source` is known. What b->old has of the same OID with the
 * same language, source, config and args is taken over. Called when b->s->functions is complete and
 * sorted by OID, before anything is worked out from functions' risks.
 */
BS_MUST_CHECK enum bs_done bs_build_bodies(struct bs_build *b);

#endif
