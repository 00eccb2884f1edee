/*
 * require.c - the greater grade, the smaller age.
 */
#include "policy/require.h"

const char *
bs_grade_name(enum bs_grade grade)
{
    switch (grade) {
    case BS_GRADE_STORED:
        return "stored";
    case BS_GRADE_READ_BACK:
        return "read-back";
    case BS_GRADE_RESTORED:
        return "restored";
    case BS_GRADE_NONE:
        break;
    }
    return "none";
}

bool
bs_require_is_empty(const struct bs_require *r)
{
    return r->grade == BS_GRADE_NONE && r->snapshot_age_ms == 0 && !r->off_host;
}

/* 0 is no limit. */
static bool
is_younger(int64_t a_ms, int64_t b_ms)
{
    return a_ms != 0 && (b_ms == 0 || a_ms < b_ms);
}

void
bs_require_add(struct bs_require *into, const struct bs_require *more)
{
    if (more->grade > into->grade)
        into->grade = more->grade;
    if (is_younger(more->snapshot_age_ms, into->snapshot_age_ms))
        into->snapshot_age_ms = more->snapshot_age_ms;
    into->off_host = into->off_host || more->off_host;
}

bool
bs_require_exceeds(const struct bs_require *a, const struct bs_require *b)
{
    return a->grade > b->grade || is_younger(a->snapshot_age_ms, b->snapshot_age_ms) ||
           (a->off_host && !b->off_host);
}
