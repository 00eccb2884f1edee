/*
 * classify_fuzz.c - any text gets an answer, the answer hangs together, and what means nothing to
 * the server means nothing to us: the text without its comments is judged the same.
 */
#include "fuzz.h"

#include "sql/classify.h"
#include "sql/door.h"
#include "sql/lexcost.h"

#define CAP        ((size_t)64 << 20)
#define SHORT_TEXT 4096

static const struct bs_classify_limits limits = {1u << 16, 100000};

static void
touch_name(struct bs_name name)
{
    HOLD(name.name != NULL);
    fuzz_touch(bs_bytes_of(name.name));
    fuzz_touch(bs_bytes_of(name.schema));
}

static void
check_stmt(const struct bs_stmt *s, size_t n)
{
    enum bs_risk worst = BS_RISK_SAFE;

    HOLD(s->from <= s->to && s->to <= n);
    for (size_t i = 0; i < s->n_reasons; i++) {
        fuzz_touch(bs_bytes_of(s->reasons[i].text));
        worst = bs_risk_worse(worst, s->reasons[i].risk);
    }
    HOLD(worst == s->risk);
    for (size_t i = 0; i < s->n_reads; i++)
        touch_name(s->reads[i]);
    for (size_t i = 0; i < s->n_calls; i++) {
        touch_name(s->calls[i].name);
        HOLD(s->calls[i].listed || s->risk == BS_RISK_CRITICAL);
    }
    for (size_t i = 0; i < s->n_effects; i++)
        touch_name(s->effects[i].name);
    /* What changes something is not SAFE, and what is not understood is CRITICAL. */
    HOLD(s->risk != BS_RISK_SAFE || s->n_effects == 0);
    HOLD(s->risk == BS_RISK_CRITICAL ||
         (s->kind != BS_KIND_UNKNOWN && s->point != BS_POINT_UNKNOWN));
}

static void
check_unit(const struct bs_unit *u, size_t n)
{
    enum bs_risk worst = BS_RISK_SAFE;

    for (size_t i = 0; i < u->n_stmts; i++) {
        check_stmt(&u->stmts[i], n);
        worst = bs_risk_worse(worst, u->stmts[i].risk);
    }
    HOLD(worst == u->risk);
    HOLD(u->parsed == (u->error == NULL));
    HOLD(u->parsed || u->risk == BS_RISK_CRITICAL);
}

static void
check_same(const struct bs_unit *a, const struct bs_unit *b)
{
    HOLD(a->parsed == b->parsed && a->risk == b->risk && a->n_stmts == b->n_stmts);
    for (size_t i = 0; i < a->n_stmts; i++) {
        HOLD(a->stmts[i].kind == b->stmts[i].kind && a->stmts[i].risk == b->stmts[i].risk);
        HOLD(a->stmts[i].n_effects == b->stmts[i].n_effects);
    }
}

/* Comments and lay-out away: still the same, and then there is nothing more to take away. */
static void
check_canonical(struct bs_bytes text, const struct bs_unit *unit, struct bs_arena *arena)
{
    struct bs_bytes plain = {0}, again = {0};
    struct bs_unit other = {0};
    struct bs_err err = {0};

    HOLD(bs_canonical(text, arena, &plain, &err) == BS_DONE);
    HOLD(bs_canonical(plain, arena, &again, &err) == BS_DONE);
    HOLD(bs_bytes_equal(plain, again));
    /* Where a backslash may hide the start of a comment, what is in the comment counts. */
    if (!unit->parsed || (unit->flags & BS_FLAG_BACKSLASH) != 0 || bs_lex_is_slow(text) ||
        bs_lex_is_slow(plain) || plain.n > limits.max_text)
        return;
    HOLD(bs_classify(plain, limits, arena, &other, &err) == BS_DONE);
    check_same(unit, &other);
}

/* What the gateway answers itself: its names end, and what it explains is in the text. */
static void
check_door(struct bs_bytes text)
{
    struct bs_door door = bs_door_read(text);

    HOLD(memchr(door.ticket, '\0', sizeof(door.ticket)) != NULL);
    HOLD(door.inner <= text.n);
    HOLD(door.kind == BS_DOOR_EXPLAIN || door.inner == 0);
    HOLD(door.kind == BS_DOOR_TICKET || door.kind == BS_DOOR_WAIT || door.ticket[0] == '\0');
    HOLD(door.kind == BS_DOOR_NONE || door.kind == BS_DOOR_EXPLAIN ||
         text.n >= strlen(BS_DOOR_SQL));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bs_bytes text = {data, size};
    struct bs_unit unit = {0};
    struct bs_err err = {0};
    struct bs_arena arena;

    check_door(text);
    bs_arena_init(&arena, "fuzz", CAP);
    if (bs_classify(text, limits, &arena, &unit, &err) == BS_DONE) {
        check_unit(&unit, size);
        if (size <= SHORT_TEXT)
            check_canonical(text, &unit, &arena);
    } else {
        HOLD(err.code == BS_E_LIMIT && unit.risk == BS_RISK_UNKNOWN);
    }
    bs_arena_fini(&arena);
    return 0;
}
