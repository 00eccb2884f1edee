/*
 * question.h - one line of `classify --jsonl`: a text, and what is known of who sends it.
 *
 * Layer  api. Pure.
 * Spec   DESIGN 12.
 * Owns   what a question borrows lives as long as its JSON object and the given room.
 */
#ifndef BS_API_QUESTION_H
#define BS_API_QUESTION_H

#include <jansson.h>

#include "base/arena.h"
#include "base/bytes.h"
#include "base/err.h"
#include "recovery/bound.h"

struct bs_question {
    struct bs_bytes text;
    const json_t *session; /* array of strings, or NULL: sent before, oldest first */
    struct bs_bounds params;
    /* Parse takes one statement; the simple protocol takes many, and no parameters */
    bool extended;
    /* The role that runs it: NULL where it is not told. Policies, rules and functions count for
     * every role, so a verdict holds whoever it is */
    const char *run_as;
};

/*
 * Reads one line.
 *
 * room   for a text that comes as base64
 * arena  of the parameters
 * err    DATA: a field is not what it should be; LIMIT
 */
BS_MUST_CHECK enum bs_done bs_question_read(const json_t *line,
                                            struct bs_buf *room,
                                            struct bs_arena *arena,
                                            struct bs_question *out,
                                            struct bs_err *err);

#endif
