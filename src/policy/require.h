/*
 * require.h - what must be there before something that needs a recovery point may run: how far the
 * point is proven, how old the last snapshot may be, where the storage is.
 *
 * Said for all statements (recovery.grade, recovery.require) and by rules (require); of several the
 * strictest holds, each part for itself.
 *
 * Layer  policy. Pure.
 * Spec   backstop.yaml.5.
 * Owns   nothing.
 */
#ifndef BS_POLICY_REQUIRE_H
#define BS_POLICY_REQUIRE_H

#include <stdbool.h>
#include <stdint.h>

/* How far a recovery point is proven before the statement commits. In order. */
enum bs_grade {
    BS_GRADE_NONE = 0,  /* not said */
    BS_GRADE_STORED,    /* written and synced */
    BS_GRADE_READ_BACK, /* read again from the storage and compared */
    BS_GRADE_RESTORED,  /* and its tables loaded into a scratch database and compared again */
};

/* Zeroed it requires nothing. */
struct bs_require {
    enum bs_grade grade;
    int64_t snapshot_age_ms; /* of every table that changes; 0: none */
    bool off_host;           /* the storage is not on the gateway's machine */
};

const char *bs_grade_name(enum bs_grade grade); /* "none", "stored", "read-back", "restored" */
bool bs_require_is_empty(const struct bs_require *r);
/* Makes `into` at least as strict as `more`. */
void bs_require_add(struct bs_require *into, const struct bs_require *more);
/* Does `a` ask for something that `b` does not? */
bool bs_require_exceeds(const struct bs_require *a, const struct bs_require *b);

#endif
