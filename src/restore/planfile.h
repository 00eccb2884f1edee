/*
 * planfile.h - a copy-back as a file that somebody else can approve: which point, which options,
 * which rows of which tables, in what SQL, and a digest over all of it.
 *
 * The digest is SHA-256 over the canonical JSON (sorted keys, compact) of all but itself; the file
 * is the same JSON, indented. Approval is not in the file but in the state, by the digest.
 *
 * Layer  restore. Blocks on store and database, but for bs_planfile_read.
 * Spec   RECOVERY.md section 9, steps 6 and 7.
 * Owns   a bs_planfile owns its JSON, until bs_planfile_fini.
 */
#ifndef BS_RESTORE_PLANFILE_H
#define BS_RESTORE_PLANFILE_H

#include <jansson.h>

#include "restore/group.h"

#define BS_PLANFILE_FORMAT 1
#define BS_PLANFILE_MAX    (256u << 20) /* bytes of a file that is read */

struct bs_planfile {
    json_t *json;
    char sha256[BS_SHA256_TEXT];
    /* Borrowed from the JSON. */
    const char *point;
    const char *manifest_sha256;
    const char *made_by;
    int64_t expires_us;
    const char *where; /* NULL: none */
    struct bs_copyback_options options;
    const char *sql;
    bool group; /* all points of the transaction; of members, not of a copy-back */
};

/*
 * What a step of a restore is about: {"manifest_sha256", "target"}, which point and which database,
 * as whom; the caller's. `target` is null where the restore is not connected. NULL on failure.
 */
json_t *bs_planfile_subject(struct bs_restore *r, struct bs_err *err);

/* "skip", "overwrite", "abort"; NULL: the first. False: none of them. Pure. */
bool bs_planfile_conflict(const char *word, enum bs_copyback_conflict *out);

/* Who makes a plan, and until when it is good. */
struct bs_planfile_maker {
    const char *by;
    int64_t now_us;
    int64_t expires_us;
};

/*
 * Finds out what a copy-back would do and writes it down. Recorded as step "plan".
 *
 * out   zeroed by the caller; finished by bs_planfile_fini in either case
 * plan  out: the same for people
 * err   as bs_copyback_plan, LIMIT
 */
BS_MUST_CHECK enum bs_done bs_planfile_make(struct bs_restore *r,
                                            const struct bs_copyback_options *options,
                                            const struct bs_planfile_maker *maker,
                                            struct bs_planfile *out,
                                            struct bs_copyback *plan,
                                            struct bs_err *err);
/*
 * The same for all points of a transaction, in one transaction. What each would do by itself is in its
 * member's `back`; of one that waits for another only that is said.
 *
 * err   CONFLICT: it cannot be one transaction
 */
BS_MUST_CHECK enum bs_done bs_planfile_make_group(struct bs_restore *r,
                                                  struct bs_group *g,
                                                  const struct bs_copyback_options *options,
                                                  const struct bs_planfile_maker *maker,
                                                  struct bs_planfile *out,
                                                  struct bs_err *err);
/* Puts the file's text. LIMIT. */
BS_MUST_CHECK enum bs_done
bs_planfile_print(const struct bs_planfile *p, struct bs_buf *out, struct bs_err *err);
/*
 * Reads a file's text. DAMAGED: its digest is not that of its content; DATA: it is no plan;
 * UNSUPPORTED: of a newer format; LIMIT.
 */
BS_MUST_CHECK enum bs_done
bs_planfile_read(struct bs_bytes text, struct bs_planfile *out, struct bs_err *err);
void bs_planfile_fini(struct bs_planfile *p); /* accepts a zeroed one */

/* CONFLICT where the restore's point is not the file's, or its manifest another. */
BS_MUST_CHECK enum bs_done
bs_planfile_check_point(struct bs_restore *r, const struct bs_planfile *p, struct bs_err *err);
/*
 * Finds out again what would be done. CONFLICT where that is not what the file says, with the part
 * that differs; and the errors of bs_copyback_plan.
 *
 * now   out: for bs_copyback_run
 */
BS_MUST_CHECK enum bs_done bs_planfile_compare(struct bs_restore *r,
                                               const struct bs_planfile *p,
                                               struct bs_copyback *now,
                                               struct bs_err *err);
/* The same of a group, which is then bound to it: bs_group_run does that, or nothing. */
BS_MUST_CHECK enum bs_done bs_planfile_compare_group(struct bs_restore *r,
                                                     struct bs_group *g,
                                                     const struct bs_planfile *p,
                                                     struct bs_err *err);

#endif
