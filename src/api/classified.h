/*
 * classified.h - the judgement alone, of a text or of a line of `backstop classify --jsonl`. The command
 * and the library (include/backstop.h) both ask here, so that they cannot say different things.
 *
 * Layer  api. Blocks on the database where one is named. One thread at a time.
 * Spec   DESIGN 12.
 * Owns   a classifier its snapshot and arenas, until bs_classifier_fini; JSON values are the caller's.
 */
#ifndef BS_API_CLASSIFIED_H
#define BS_API_CLASSIFIED_H

#include <jansson.h>

#include "base/arena.h"
#include "base/err.h"
#include "catalog/snapshot.h"

/* The longest text, or line, in bytes. */
#define BS_CLASSIFIED_MAX_TEXT ((size_t)64 << 20)

struct bs_classifier {
    const char *conninfo; /* borrowed; NULL: no catalog */
    struct bs_snapshot *snapshot;
    int64_t checked_us;    /* bs_mono_us: the snapshot was true then */
    struct bs_arena arena; /* of one text */
    struct bs_arena asked; /* of one question */
};

/*
 * conninfo  of a database whose catalog is read and whose rows are counted; NULL: by the text alone.
 *           Secret, and lives as long as the classifier
 * err       UNAVAILABLE, DATABASE: its catalog; bs_classifier_fini in either case
 */
BS_MUST_CHECK enum bs_done
bs_classifier_init(struct bs_classifier *c, const char *conninfo, struct bs_err *err);
void bs_classifier_fini(struct bs_classifier *c); /* accepts a zeroed one */

/*
 * Judges a text: bs_judged_json, and "recovery".
 *
 * err  LIMIT: too long, or the arena's ceiling; UNAVAILABLE, DATABASE: the catalog
 */
BS_MUST_CHECK enum bs_done
bs_classifier_text(struct bs_classifier *c, struct bs_bytes text, json_t **out, struct bs_err *err);

/* Answers a line: the same with "id". A bad line is answered, too: CRITICAL, and "error". Never NULL. */
json_t *bs_classifier_line(struct bs_classifier *c, struct bs_bytes line);

#endif
