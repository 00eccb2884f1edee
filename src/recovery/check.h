/*
 * check.h - one point read again, whole, and what was found noted as its event; and which points to
 * take where not all are to be read.
 *
 * Layer  recovery. Blocks on the store.
 * Spec   RECOVERY.md section 5.
 * Owns   nothing.
 */
#ifndef BS_RECOVERY_CHECK_H
#define BS_RECOVERY_CHECK_H

#include "recovery/points.h"
#include "recovery/verify.h"

/*
 * Documents, objects and definition. Notes verified or damaged; a store that did not answer has
 * said nothing about the point, so then nothing is noted.
 *
 * by     for the event
 * watch  may end it early; may be NULL
 * out    filled in either case
 * err    DAMAGED; IO, UNAVAILABLE, CANCELLED: it is not known
 */
BS_MUST_CHECK enum bs_done bs_point_check(struct bs_store *store,
                                          const struct bs_point_ref *point,
                                          const char *by,
                                          const struct bs_watch *watch,
                                          struct bs_verify_report *out,
                                          struct bs_err *err);

/* How many of them: a number, or else a share of them and at least one. Both 0: all. */
struct bs_point_sample {
    int64_t number;
    double share; /* 0 to 1 */
};

/*
 * Takes out of a list what was never completed or is being removed, and of the rest leaves as many as
 * the sample says, by chance, in their order.
 */
void bs_points_sample(struct bs_points *points, const struct bs_point_sample *sample);

#endif
