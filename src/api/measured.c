/*
 * measured.c - a judged unit with its rows counted, for the commands that only tell.
 */
#include "api/judged.h"
#include "recovery/measure.h"

/* What a statement is given counts only where there is one statement. */
static enum bs_done
measure(const char *conninfo,
        struct bs_watch *watch,
        const struct bs_measure_ask *ask,
        struct bs_arena *arena,
        struct bs_facts *facts,
        struct bs_err *err)
{
    struct bs_err why = {0};

    if (bs_measure(conninfo, watch, ask, arena, facts, &why) == BS_DONE || why.code != BS_E_LIMIT)
        return BS_DONE; /* not counted is an answer */
    return bs_err_set(err, why.code, "%s", why.message);
}

enum bs_done
bs_judged_measure(const char *conninfo,
                  const struct bs_snapshot *snapshot,
                  struct bs_session_names names,
                  struct bs_bytes text,
                  struct bs_bounds params,
                  int64_t time_ms,
                  struct bs_impact limits,
                  struct bs_unit *unit,
                  struct bs_facts *facts,
                  struct bs_arena *arena,
                  struct bs_err *err)
{
    struct bs_measure_ask ask = {
        .unit = unit,
        .bounds = &params,
        .n_bounds = unit->n_stmts == 1 ? 1 : 0,
        .time_ms = time_ms,
    };
    struct bs_plan_select *selects;
    struct bs_watch watch = {0};
    enum bs_done done;

    if (!bs_measure_wants(unit, facts))
        return BS_DONE;
    if (bs_measure_selects(snapshot, names, unit, text, arena, &selects, &ask.n_selects, err) !=
            BS_DONE ||
        bs_watch_init(&watch, 0, err) != BS_DONE)
        return BS_FAILED;
    ask.selects = selects;
    done = measure(conninfo, &watch, &ask, arena, facts, err);
    bs_watch_fini(&watch);
    return done == BS_DONE ? bs_catalog_measured(unit, facts, limits, arena, err) : BS_FAILED;
}
