/*
 * named.h - what a point of definitions is about: the objects that the statement names, and what
 * hangs on them and on the tables that are copied.
 *
 * Layer  recovery. Blocks.
 * Spec   catalog-pg-depend.html; RECOVERY.md section 4 (the trap of rewrite rules).
 * Owns   what is found lives in the arena and in the manifest.
 */
#ifndef BS_RECOVERY_NAMED_H
#define BS_RECOVERY_NAMED_H

#include "recovery/helper.h"
#include "recovery/manifest.h"
#include "recovery/plan.h"

/* Points of the same open transaction that are in force, earliest first: what their statements call
 * something by now, the helper does not see. */
struct bs_named_before {
    const struct bs_manifest *const *list;
    size_t n;
};

/*
 * Fills m->closure: all that hangs on m->objects, on the plan's tables that keep their rows and on
 * the objects that it names, and these last two themselves. A name without a schema stands for the
 * objects of that name in every schema but the server's own, more rather than less. Inside the
 * capture's snapshot. NO_POINT, CANCELLED, LIMIT.
 */
BS_MUST_CHECK enum bs_done bs_named_closure(struct bs_helper *h,
                                            const struct bs_plan *plan,
                                            struct bs_named_before before,
                                            struct bs_arena *arena,
                                            struct bs_manifest *m,
                                            struct bs_err *err);

#endif
