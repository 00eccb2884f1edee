/*
 * earlier.h - points that were made before in the same open transaction. What its earlier statements
 * have locked ACCESS EXCLUSIVE nobody else can read any more, and need not: a point has it.
 *
 * Layer  recovery, private to captures. Blocks.
 * Spec   PROTECT.md rule 16; catalogs.html (xmin), functions-info.html (pg_visible_in_snapshot).
 * Owns   nothing.
 */
#ifndef BS_RECOVERY_EARLIER_H
#define BS_RECOVERY_EARLIER_H

#include "recovery/capture.h"
#include "recovery/helper.h"

/* The catalog of objects with an OID that has the class OID, "pg_proc" of 1255; NULL: not known. Pure. */
const char *bs_catalog_name(uint32_t class_oid);
/* An earlier point has all rows of the table, and the lock under which they were copied is held. */
bool bs_earlier_holds(const struct bs_capture_request *request, uint32_t oid);
/* The earliest of them that has a definition; NULL: there is none. */
const struct bs_manifest *bs_earlier_definition(const struct bs_capture_request *request);

/*
 * One number for all that the cluster has of some classes, as the helper sees it now.
 *
 * classes  bits of enum bs_global
 * out      hex, in the arena
 * err      NO_POINT, CANCELLED, LIMIT
 */
BS_MUST_CHECK enum bs_done bs_earlier_globals(struct bs_helper *h,
                                              unsigned classes,
                                              int server_version_num,
                                              struct bs_arena *arena,
                                              const char **out,
                                              struct bs_err *err);

/*
 * Is the definition of everything in m->closure, and of the plan's tables, still the one that the
 * earlier point has? Nobody may have changed it between that point's snapshot and now; what the
 * transaction itself has done, the helper does not see.
 *
 * err   UNCOVERED where it is not; NO_POINT where it cannot be told; CANCELLED, LIMIT
 */
BS_MUST_CHECK enum bs_done bs_earlier_still(struct bs_helper *h,
                                            const struct bs_manifest *earlier,
                                            const struct bs_plan *plan,
                                            const struct bs_manifest *m,
                                            struct bs_arena *arena,
                                            struct bs_err *err);

#endif
