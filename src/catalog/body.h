/*
 * body.h - what the body of a function does, as far as its text alone tells.
 *
 * Layer  catalog. Pure.
 * Owns   a body is counted by reference, because snapshots that follow each other share it.
 */
#ifndef BS_CATALOG_BODY_H
#define BS_CATALOG_BODY_H

#include "base/err.h"

struct bs_build;

struct bs_body *bs_body_ref(struct bs_body *body);
void bs_body_unref(struct bs_body **body); /* accepts NULL; sets it NULL */

/*
 * Sets `body` of every function whose `source` is known. What b->old has of the same OID with the
 * same language, source, config and args is taken over. Called when b->s->functions is complete and
 * sorted by OID, before anything is worked out from functions' risks.
 */
BS_MUST_CHECK enum bs_done bs_build_bodies(struct bs_build *b);

#endif
