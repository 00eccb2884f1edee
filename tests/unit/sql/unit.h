/*
 * unit.h - classify a C string and look at the outcome, for the tests of this room.
 */
#ifndef BS_TEST_SQL_UNIT_H
#define BS_TEST_SQL_UNIT_H

#include "sql/classify.h"
#include "tap.h"

/* Classifies into `arena`, which the caller has initialised. */
static inline struct bs_unit
unit_of_bytes(struct bs_bytes text, struct bs_arena *arena)
{
    struct bs_unit unit = {0};
    struct bs_err err = {0};

    EXPECT_EQ(bs_classify(text, BS_CLASSIFY_LIMITS, arena, &unit, &err), BS_DONE);
    if (err.code != BS_OK)
        printf("# %s\n", err.message);
    return unit;
}

static inline struct bs_unit
unit_of(const char *sql, struct bs_arena *arena)
{
    return unit_of_bytes(bs_bytes_of(sql), arena);
}

/* Prints what a unit is, when a row of a table missed. */
static inline void
unit_show(const char *sql, const struct bs_unit *unit)
{
    printf("# in: %.300s\n", sql);
    for (size_t i = 0; i < unit->n_stmts; i++) {
        const struct bs_stmt *s = &unit->stmts[i];
        printf("#   %s %s, point %s, flags %x\n", bs_risk_name(s->risk), bs_kind_name(s->kind),
               bs_point_name(s->point), s->flags);
        for (size_t k = 0; k < s->n_reasons; k++)
            printf("#     %s: %s\n", s->reasons[k].code, s->reasons[k].text);
    }
}

#endif
