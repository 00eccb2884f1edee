/*
 * readiness.h - what can be said, before anybody is asked, of the point that a statement will need: how
 * long it will take, whether the storage answers and has room, what it does about deletion, and
 * whether what the configuration requires (recovery.require, and of a rule require) is there.
 *
 * What is asked of storage and database is kept for a minute. The speed of a database is what its
 * last captures took, later ones counting more.
 *
 * Layer  gateway. Thread-safe. bs_readiness_look and bs_readiness_require block: job threads only.
 * Owns   what it has found out.
 */
#ifndef BS_GATEWAY_READINESS_H
#define BS_GATEWAY_READINESS_H

#include "gateway/gateway.h"
#include "policy/require.h"
#include "recovery/manifest.h"
#include "recovery/plan.h"

struct bs_readiness;

struct bs_store_state {
    bool answers;
    int64_t ms;         /* of the question */
    char why[200];      /* where it does not answer */
    int64_t free_bytes; /* of a local folder; -1: not known */
    char lock[16];      /* of the record of `storage check`: "confirmed", "none"; "": no record */
    char deletes[16];   /* the same: "allowed", "hides", "refused" */
};

struct bs_readiness *bs_readiness_new(const struct bs_config *config);
void bs_readiness_free(struct bs_readiness **r); /* accepts NULL */

/* A point of about so many bytes on the database's disk took so long. */
void bs_readiness_note(struct bs_readiness *r, const char *database, int64_t bytes, int64_t us);
/* One has failed after so long: it takes at least that. */
void bs_readiness_at_least(struct bs_readiness *r, const char *database, int64_t bytes, int64_t us);
/* How long one of so many bytes will take; -1: nothing was captured there yet. */
int64_t bs_readiness_estimate_us(struct bs_readiness *r, const char *database, int64_t bytes);
/* The storage as it was within the last minute. */
void bs_readiness_look(struct bs_gateway *g, struct bs_store_state *out);

/*
 * Has each table of the plan a snapshot that is young enough? Is the storage where it must be? How
 * far the point is proven is the capture's.
 *
 * err   NO_POINT, with the table and the age, for operators; also where it cannot be found out
 */
BS_MUST_CHECK enum bs_done bs_readiness_require(struct bs_gateway *g,
                                                const char *database,
                                                const struct bs_require *require,
                                                const struct bs_plan *plan,
                                                struct bs_err *err);
/* The same of what has been kept before COMMIT: tables that nobody knew of before it ran. */
BS_MUST_CHECK enum bs_done bs_readiness_require_kept(struct bs_gateway *g,
                                                     const char *database,
                                                     const struct bs_require *require,
                                                     const struct bs_manifest *kept,
                                                     struct bs_err *err);

#endif
