/*
 * plpgsql_fuzz.c - any body gets an answer: what is not read to its end is opaque, what is read is
 * text, and the statements that come of it hang together as those of any text do.
 */
#include "fuzz.h"

#include "sql/routine.h"

#define CAP ((size_t)256 << 20)

/* The first byte chooses what sort of function it is. */
static struct bs_plpgsql_shape
shape_of(uint8_t bits)
{
    static const char *const args[] = {"a", NULL, "b"};

    return (struct bs_plpgsql_shape){.name = (bits & 1) != 0 ? "f" : NULL,
                                     .args = args,
                                     .n_args = (bits & 2) != 0 ? 3 : 0,
                                     .results = (bits & 6) == 6,
                                     .set = (bits & 8) != 0,
                                     .value = (bits & 16) != 0,
                                     .trigger = (bits & 32) != 0,
                                     .event_trigger = (bits & 96) == 64};
}

static void
check_stmt(const struct bs_stmt *s)
{
    enum bs_risk worst = BS_RISK_SAFE;
    bool unlisted = false;

    for (size_t i = 0; i < s->n_reasons; i++) {
        fuzz_touch(bs_bytes_of(s->reasons[i].code));
        fuzz_touch(bs_bytes_of(s->reasons[i].text));
        worst = bs_risk_worse(worst, s->reasons[i].risk);
    }
    HOLD(worst == s->risk);
    for (size_t i = 0; i < s->n_calls; i++) {
        fuzz_touch(bs_bytes_of(s->calls[i].name.name));
        unlisted = unlisted || !s->calls[i].listed;
    }
    HOLD(!unlisted || s->risk == BS_RISK_CRITICAL);
    for (size_t i = 0; i < s->n_reads; i++)
        fuzz_touch(bs_bytes_of(s->reads[i].name));
    for (size_t i = 0; i < s->n_effects; i++)
        fuzz_touch(bs_bytes_of(s->effects[i].name.name));
    HOLD(s->risk != BS_RISK_SAFE || s->n_effects == 0);
}

static void
check_routine(const struct bs_routine *r)
{
    HOLD(r->n_stmts >= 1 && r->stmts[0].kind == BS_KIND_SELECT && r->stmts[0].n_effects == 0);
    HOLD(!r->dynamic || r->opaque != NULL);
    fuzz_touch(bs_bytes_of(r->opaque));
    for (size_t i = 0; i < r->n_stmts; i++)
        check_stmt(&r->stmts[i]);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bs_plpgsql_shape shape;
    struct bs_bytes body;
    struct bs_routine routine = {0};
    struct bs_plpgsql pieces = {0};
    struct bs_err err = {0};
    struct bs_arena arena;

    if (size == 0 || size > 4096)
        return 0;
    shape = shape_of(data[0]);
    body = (struct bs_bytes){data + 1, size - 1};
    bs_arena_init(&arena, "fuzz", CAP);
    HOLD(bs_plpgsql_read(body, &shape, &arena, &pieces, &err) == BS_DONE);
    for (size_t i = 0; i < pieces.n_pieces; i++)
        fuzz_touch(bs_bytes_of(pieces.pieces[i].text));
    fuzz_touch(bs_bytes_of(pieces.error));
    HOLD(bs_routine_plpgsql(body, &shape, &arena, &routine, &err) == BS_DONE);
    HOLD(pieces.error == NULL || routine.opaque != NULL);
    check_routine(&routine);
    HOLD(bs_routine_sql(body, &arena, &routine, &err) == BS_DONE);
    check_routine(&routine);
    bs_arena_fini(&arena);
    return 0;
}
