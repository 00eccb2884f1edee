/*
 * follow.h - a session followed by its texts alone: what it has prepared and declared, and whether
 * names in it still mean what they meant at its start.
 *
 * For `classify --jsonl`, which is told what was sent before. The gateway knows more: it sees what
 * the server answered. Here every text is taken to have run.
 *
 * Layer  api. Pure.
 * Owns   everything lives in the arena it was begun with.
 */
#ifndef BS_API_FOLLOW_H
#define BS_API_FOLLOW_H

#include "catalog/judge.h"

struct bs_follow_name;

struct bs_follow {
    struct bs_arena *arena;
    struct bs_session_names names; /* `own` is below */
    struct bs_own own;
    bool in_block;
    bool lexing;                  /* a setting that decides how text is read was changed */
    struct bs_follow_name *first; /* prepared statements and cursors, newest first */
};

/*
 * Takes note of what a judged unit leaves behind, and puts into its EXECUTE and FETCH what they
 * would run where that was prepared or declared before - also further up in the same text.
 *
 * unit  of this arena; its risk is settled again
 * err   LIMIT: the arena's ceiling
 */
BS_MUST_CHECK enum bs_done
bs_follow_unit(struct bs_follow *f, struct bs_unit *unit, struct bs_err *err);

/*
 * Raises the statements of a unit that the session's state makes doubtful; for units that meet no
 * catalog (bs_catalog_judge does it with `names`).
 */
BS_MUST_CHECK enum bs_done
bs_follow_doubt(const struct bs_follow *f, struct bs_unit *unit, struct bs_err *err);

/* Raises all statements of a unit whose session reads text in another way than we do. */
BS_MUST_CHECK enum bs_done
bs_follow_distrust(const struct bs_follow *f, struct bs_unit *unit, struct bs_err *err);

#endif
