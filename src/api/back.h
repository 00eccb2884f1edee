/*
 * back.h - the steps of a way back, as the API takes them: each opens the point and its
 * database anew, does what `backstop restore` of that name does, and says what came of it.
 *
 * What a step has shown has a digest. The next one is about the same point and the same database, as
 * the same role, or it is not done; a copy-back is about the very plan.
 *
 * Layer  api. Blocks on store and database.
 * Owns   a bs_back_done owns its JSON and text, until bs_back_done_fini.
 */
#ifndef BS_API_BACK_H
#define BS_API_BACK_H

#include <jansson.h>

#include "gateway/gateway.h"
#include "restore/beside.h"
#include "state/rows.h"

enum bs_back_step {
    BS_BACK_PREVIEW = 0,
    BS_BACK_RUN,
    BS_BACK_DIFF,
    BS_BACK_PLAN,
    BS_BACK_COPY_BACK,
    BS_BACK_DISCARD,
};

const char *bs_back_name(enum bs_back_step step); /* "preview", "copy-back" */
/* False: there is none of that name. */
bool bs_back_find(const char *name, enum bs_back_step *out);
/* May it be called off while it runs? What has changed a live table ends by itself. */
bool bs_back_stops(enum bs_back_step step);
/* Are the options of a step's request possible? DATA. */
BS_MUST_CHECK enum bs_done
bs_back_check(enum bs_back_step step, const json_t *options, const char *table, struct bs_err *err);

/* All pointers are borrowed for as long as it is done. */
struct bs_back_job {
    struct bs_gateway *gateway;
    enum bs_back_step step;
    const char *point;
    const char *database;  /* configured name; NULL: the point's */
    const char *table;     /* NULL: all */
    const char *where;     /* NULL: all rows */
    const char *by;        /* operator */
    int64_t asked_us;      /* when */
    const json_t *options; /* members of the request; NULL: none */
    const json_t *subject; /* what the preview was about; NULL: this is the preview */
    const char *plan;      /* text of the plan file that a copy-back carries out */
    struct bs_stop *stop;
    bs_restore_watch watch;
    void *watch_ctx;
};

struct bs_back_done {
    json_t *facts;   /* of a preview: "database", "ticket", "superuser", "rows", "bytes" */
    json_t *subject; /* see bs_planfile_subject */
    json_t *result;  /* as --json has it */
    char *plan;      /* of a plan: its file */
    bool used;       /* of a copy-back: its plan is, however it ended */
    char digest[BS_SHA256_TEXT];
};

/*
 * out   zeroed by the caller; finished by bs_back_done_fini in either case
 * err   FORBIDDEN: whoever asked may not any more; CHANGED: it is about something else by now; STALE: the plan has expired; and those of the step
 */
BS_MUST_CHECK enum bs_done
bs_back_do(const struct bs_back_job *job, struct bs_back_done *out, struct bs_err *err);
/* Rows of a table that run has made. `job`: of any step but a preview. Errors likewise. */
BS_MUST_CHECK enum bs_done bs_back_rows(const struct bs_back_job *job,
                                        const struct bs_beside *ask,
                                        struct bs_beside_page *out,
                                        struct bs_err *err);
void bs_back_done_fini(struct bs_back_done *d); /* accepts a zeroed one */

#endif
