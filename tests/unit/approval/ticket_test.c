/*
 * ticket_test.c - every operation on every state, both clocks, races, and a restart.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include "approval/decision.h"
#include "approval/glass.h"
#include "base/clock.h"
#include "tap.h"

#define IDENTITY "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define OTHER    "1123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define DECIDE   1000
#define REDEEM   500

static char folder[64], path[128];
static struct bs_state *state;
static struct bs_tickets *tickets;
static struct bs_arena arena, lasting;
static _Atomic int64_t clock_us;
static struct bs_operator kim; /* as the state gives it */

static int64_t
now(void)
{
    return clock_us;
}

static const struct bs_tickets_options options = {
    .decide_us = DECIDE, .redeem_us = REDEEM, .now_us = now};

static void
add_operator(void)
{
    char hash[BS_SHA256_TEXT];
    struct bs_operator op = {.name = "kim", .role = BS_ROLE_APPROVER, .token_sha256 = hash};
    struct bs_err err = {0};

    bs_sha256_text("token", hash);
    EXPECT_EQ(bs_state_operator_add(state, &op, "me", &err), BS_DONE);
    EXPECT_EQ(bs_state_operator_find(state, "token", &lasting, &kim, &err), BS_DONE);
}

static void
set_up(void)
{
    struct bs_err err = {0};

    (void)snprintf(folder, sizeof(folder), "/tmp/bs-ticket-XXXXXX");
    EXPECT(mkdtemp(folder) != NULL);
    (void)snprintf(path, sizeof(path), "%s/state.db", folder);
    bs_arena_init(&arena, "test", 64 << 20);
    bs_arena_init(&lasting, "operators", 1 << 20);
    clock_us = 1000000;
    EXPECT_EQ(bs_state_open(path, &state, &err), BS_DONE);
    tickets = bs_tickets_new(state, &options);
}

static void
tear_down(void)
{
    static const char *const ends[] = {"", "-wal", "-shm"};

    bs_tickets_free(&tickets);
    bs_state_close(&state);
    bs_arena_fini(&arena);
    bs_arena_fini(&lasting);
    for (int i = 0; i < 3; i++) {
        char file[160];
        (void)snprintf(file, sizeof(file), "%s%s", path, ends[i]);
        (void)unlink(file);
    }
    EXPECT_EQ(rmdir(folder), 0);
}

static struct bs_ticket
an_ask(const char *identity)
{
    struct bs_ticket ask = {.actor = "a", .database = "app", .sql = "DROP TABLE t"};

    (void)snprintf(ask.identity, sizeof(ask.identity), "%s", identity);
    return ask;
}

static enum bs_code
open_ticket(const char *identity, struct bs_ticket *out)
{
    struct bs_ticket ask = an_ask(identity);
    struct bs_err err = {0};

    (void)!bs_ticket_open(tickets, &ask, &arena, out, &err);
    return err.code;
}

static enum bs_code
decide(const char *id, enum bs_decide verdict)
{
    struct bs_ticket out;
    struct bs_err err = {0};

    (void)!bs_ticket_decide(tickets, id, &kim, verdict, "because", &arena, &out, &err);
    return err.code;
}

static enum bs_code
redeem(const char *id, const char *identity)
{
    struct bs_ticket out;
    struct bs_err err = {0};

    (void)!bs_ticket_redeem(tickets, id, identity, &arena, &out, &err);
    return err.code;
}

static enum bs_code
finish(const char *id, enum bs_ticket_state end)
{
    struct bs_err err = {0};

    (void)!bs_ticket_finish(tickets, id, end, "P1", "so it ended", &err);
    return err.code;
}

static struct bs_ticket
get(const char *id)
{
    struct bs_ticket t = {0};
    struct bs_err err = {0};

    EXPECT_EQ(bs_ticket_get(tickets, id, &arena, &t, &err), BS_DONE);
    return t;
}

/* --- every operation on every state --- */

enum op {
    OPEN,
    APPROVE,
    DENY,
    REDEEM_IT,
    REDEEM_OTHER,
    FINISH_DONE,
    FINISH_FAILED,
    FINISH_UNCERTAIN,
    FINISH_PENDING,
    VOID,
    RELEASE,
    WAIT_DECIDE, /* until the pending ones are overdue */
    WAIT_REDEEM, /* until the approved ones are */
    OPS
};

static enum bs_code
apply(enum op op, const char *id)
{
    struct bs_ticket t;
    struct bs_err err = {0};

    switch (op) {
    case OPEN:
        return open_ticket(IDENTITY, &t);
    case APPROVE:
        return decide(id, BS_DECIDE_APPROVE);
    case DENY:
        return decide(id, BS_DECIDE_DENY);
    case REDEEM_IT:
        return redeem(id, IDENTITY);
    case REDEEM_OTHER:
        return redeem(id, OTHER);
    case FINISH_DONE:
        return finish(id, BS_TICKET_DONE);
    case FINISH_FAILED:
        return finish(id, BS_TICKET_FAILED);
    case FINISH_UNCERTAIN:
        return finish(id, BS_TICKET_UNCERTAIN);
    case FINISH_PENDING:
        return finish(id, BS_TICKET_PENDING);
    case RELEASE:
        (void)!bs_ticket_release(tickets, id, &err);
        return err.code;
    case VOID:
        (void)!bs_ticket_void(tickets, id, "stricter", &err);
        return err.code;
    case WAIT_DECIDE:
    case WAIT_REDEEM:
        clock_us += op == WAIT_DECIDE ? DECIDE : REDEEM;
        (void)!bs_tickets_sweep(tickets, NULL, &err);
        return err.code;
    case OPS:
        break;
    }
    return BS_E_INTERNAL;
}

/* A new ticket in that state. */
static void
reach(enum bs_ticket_state want, char id[BS_TICKET_ID])
{
    struct bs_ticket t;

    EXPECT_EQ(open_ticket(IDENTITY, &t), BS_OK);
    (void)snprintf(id, BS_TICKET_ID, "%s", t.id);
    if (want == BS_TICKET_PENDING)
        return;
    if (want == BS_TICKET_EXPIRED)
        (void)apply(VOID, id);
    else
        EXPECT_EQ(decide(id, want == BS_TICKET_DENIED ? BS_DECIDE_DENY : BS_DECIDE_APPROVE), BS_OK);
    if (want >= BS_TICKET_RUNNING)
        EXPECT_EQ(redeem(id, IDENTITY), BS_OK);
    if (want > BS_TICKET_RUNNING)
        EXPECT_EQ(finish(id, want), BS_OK);
    EXPECT_EQ(get(id).state, want);
}

struct outcome {
    enum bs_code code;
    enum bs_ticket_state state; /* NONE: as it was */
};

#define OK_TO(STATE)                                                                               \
    {                                                                                              \
        BS_OK, BS_TICKET_##STATE                                                                   \
    }
#define STAYS                                                                                      \
    {                                                                                              \
        BS_OK, BS_TICKET_NONE                                                                      \
    }
#define NO(CODE)                                                                                   \
    {                                                                                              \
        BS_E_##CODE, BS_TICKET_NONE                                                                \
    }

/* clang-format off */
static const struct outcome table[BS_TICKET_STATES][OPS] = {
    /*                      open   approve          deny           redeem           with another's  done            failed            uncertain            pending    void             release          decide clock     redeem clock */
    [BS_TICKET_PENDING] =   {STAYS, OK_TO(APPROVED), OK_TO(DENIED), NO(CONFLICT),   NO(CONFLICT), NO(CONFLICT), NO(CONFLICT),  NO(CONFLICT),     NO(USAGE), OK_TO(EXPIRED), NO(CONFLICT), OK_TO(EXPIRED), STAYS},
    [BS_TICKET_APPROVED] =  {STAYS, NO(CONFLICT),    NO(CONFLICT),  OK_TO(RUNNING), NO(CONFLICT), NO(CONFLICT), NO(CONFLICT),  NO(CONFLICT),     NO(USAGE), OK_TO(EXPIRED), NO(CONFLICT), OK_TO(EXPIRED), OK_TO(EXPIRED)},
    [BS_TICKET_DENIED] =    {STAYS, NO(CONFLICT),    NO(CONFLICT),  NO(DENIED),     NO(DENIED),   NO(CONFLICT), NO(CONFLICT),  NO(CONFLICT),     NO(USAGE), NO(CONFLICT),   NO(CONFLICT), STAYS,          STAYS},
    [BS_TICKET_EXPIRED] =   {STAYS, NO(STALE),       NO(STALE),     NO(STALE),      NO(STALE),    NO(CONFLICT), NO(CONFLICT),  NO(CONFLICT),     NO(USAGE), NO(CONFLICT),   NO(CONFLICT), STAYS,          STAYS},
    [BS_TICKET_RUNNING] =   {STAYS, NO(CONFLICT),    NO(CONFLICT),  NO(CONFLICT),   NO(CONFLICT), OK_TO(DONE),  OK_TO(FAILED), OK_TO(UNCERTAIN), NO(USAGE), NO(CONFLICT),   OK_TO(APPROVED), STAYS,          STAYS},
    [BS_TICKET_DONE] =      {STAYS, NO(CONFLICT),    NO(CONFLICT),  NO(CONFLICT),   NO(CONFLICT), NO(CONFLICT), NO(CONFLICT),  NO(CONFLICT),     NO(USAGE), NO(CONFLICT),   NO(CONFLICT), STAYS,          STAYS},
    [BS_TICKET_FAILED] =    {STAYS, NO(CONFLICT),    NO(CONFLICT),  NO(CONFLICT),   NO(CONFLICT), NO(CONFLICT), NO(CONFLICT),  NO(CONFLICT),     NO(USAGE), NO(CONFLICT),   NO(CONFLICT), STAYS,          STAYS},
    [BS_TICKET_UNCERTAIN] = {STAYS, NO(CONFLICT),    NO(CONFLICT),  NO(CONFLICT),   NO(CONFLICT), NO(CONFLICT), NO(CONFLICT),  NO(CONFLICT),     NO(USAGE), NO(CONFLICT),   NO(CONFLICT), STAYS,          STAYS},
};
/* clang-format on */

static void
every_operation_on_every_state(void)
{
    set_up();
    add_operator();
    for (enum bs_ticket_state s = BS_TICKET_PENDING; s < BS_TICKET_STATES; s++) {
        for (enum op op = 0; op < OPS; op++) {
            const struct outcome *want = &table[s][op];
            struct bs_err err = {0};
            char id[BS_TICKET_ID];
            int before = tap_misses;
            reach(s, id);
            EXPECT_EQ(apply(op, id), want->code);
            EXPECT_EQ(get(id).state, want->state == BS_TICKET_NONE ? s : want->state);
            if (tap_misses != before)
                printf("# %s, operation %d\n", bs_ticket_state_name(s), (int)op);
            (void)!bs_ticket_void(tickets, id, "next round", &err);
            clock_us += DECIDE; /* also ends what OPEN made */
            bs_arena_reset(&arena);
        }
    }
    tear_down();
}

static void
legal_steps(void)
{
    unsigned legal = 0;

    for (int from = -1; from <= BS_TICKET_STATES; from++) {
        for (int to = -1; to <= BS_TICKET_STATES; to++)
            legal += bs_ticket_step_legal((enum bs_ticket_state)from, (enum bs_ticket_state)to);
    }
    EXPECT_EQ(legal, 9);
    EXPECT(!bs_ticket_step_legal(BS_TICKET_NONE, BS_TICKET_APPROVED));
    EXPECT(!bs_ticket_step_legal(BS_TICKET_PENDING, BS_TICKET_RUNNING));
}

/* --- single things --- */

static void
same_request_same_ticket(void)
{
    struct bs_ticket one, two;

    set_up();
    add_operator();
    EXPECT_EQ(open_ticket(IDENTITY, &one), BS_OK);
    EXPECT(strncmp(one.id, "T-", 2) == 0 && strlen(one.id) == BS_TICKET_ID - 1);
    EXPECT_EQ(one.decide_by_us, clock_us + DECIDE);
    EXPECT_EQ(open_ticket(IDENTITY, &two), BS_OK);
    EXPECT(strcmp(one.id, two.id) == 0 && two.asked == 2);
    EXPECT_EQ(open_ticket(OTHER, &two), BS_OK);
    EXPECT(strcmp(one.id, two.id) != 0);
    EXPECT_EQ(decide(one.id, BS_DECIDE_APPROVE), BS_OK);
    EXPECT_EQ(open_ticket(IDENTITY, &two), BS_OK);
    EXPECT(strcmp(one.id, two.id) == 0 && two.state == BS_TICKET_APPROVED);
    EXPECT_EQ(redeem(one.id, IDENTITY), BS_OK);
    {
        struct bs_err err = {0};
        EXPECT_EQ(bs_ticket_release(tickets, one.id, &err),
                  BS_DONE); /* it did not get to the end */
        EXPECT_EQ(bs_ticket_release(tickets, one.id, &err), BS_FAILED);
        EXPECT_EQ(err.code, BS_E_CONFLICT);
    }
    EXPECT_EQ(redeem(one.id, IDENTITY), BS_OK);
    EXPECT_EQ(open_ticket(IDENTITY, &two), BS_OK); /* single use: the next one asks anew */
    EXPECT(strcmp(one.id, two.id) != 0 && two.state == BS_TICKET_PENDING);
    tear_down();
}

static void
no_operator_no_ticket(void)
{
    struct bs_ticket t;
    struct bs_err err = {0};

    set_up();
    EXPECT_EQ(open_ticket(IDENTITY, &t), BS_E_BLOCKED);
    EXPECT(t.state == BS_TICKET_NONE);
    add_operator();
    EXPECT_EQ(bs_state_operator_revoke(state, "kim", "me", &err), BS_DONE);
    EXPECT_EQ(open_ticket(IDENTITY, &t), BS_OK); /* there was one, and may be again */
    tear_down();
}

static void
who_may_decide(void)
{
    static const struct bs_operator others[] = {
        {0},
        {.name = "v", .role = BS_ROLE_VIEWER},
        {.name = "r", .role = BS_ROLE_ADMIN, .revoked_us = 1},
        {.role = BS_ROLE_ADMIN},
    };
    const struct bs_operator admin = {.name = "adm", .role = BS_ROLE_ADMIN};
    struct bs_ticket t, out;
    struct bs_err err = {0};

    set_up();
    add_operator();
    EXPECT_EQ(open_ticket(IDENTITY, &t), BS_OK);
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        err = (struct bs_err){0};
        EXPECT_EQ(bs_ticket_decide(tickets, t.id, &others[i], BS_DECIDE_APPROVE, NULL, &arena, &out,
                                   &err),
                  BS_FAILED);
        EXPECT_EQ(err.code, BS_E_FORBIDDEN);
    }
    EXPECT_EQ(get(t.id).state, BS_TICKET_PENDING);
    err = (struct bs_err){0};
    EXPECT_EQ(
        bs_ticket_decide(tickets, "T-none", &kim, BS_DECIDE_APPROVE, NULL, &arena, &out, &err),
        BS_FAILED);
    EXPECT_EQ(err.code, BS_E_NOT_FOUND);
    err = (struct bs_err){0};
    EXPECT_EQ(bs_ticket_decide(tickets, t.id, &kim, BS_DECIDE_APPROVE, "\xff", &arena, &out, &err),
              BS_FAILED);
    EXPECT_EQ(err.code, BS_E_DATA);
    err = (struct bs_err){0};
    EXPECT_EQ(bs_ticket_decide(tickets, t.id, &admin, BS_DECIDE_DENY, "no", &arena, &out, &err),
              BS_DONE);
    t = get(t.id);
    EXPECT(out.state == BS_TICKET_DENIED && t.state == BS_TICKET_DENIED && t.redeem_by_us == 0);
    EXPECT(strcmp(t.decided_by, "adm") == 0 && strcmp(t.reason, "no") == 0);
    EXPECT(t.decided_us == clock_us);
    EXPECT_EQ(out.version, t.version);
    tear_down();
}

static void
both_clocks_to_the_microsecond(void)
{
    struct bs_ticket t;

    set_up();
    add_operator();
    EXPECT_EQ(open_ticket(IDENTITY, &t), BS_OK);
    clock_us += DECIDE - 1;
    EXPECT_EQ(decide(t.id, BS_DECIDE_APPROVE), BS_OK);
    clock_us += REDEEM - 1;
    EXPECT_EQ(redeem(t.id, IDENTITY), BS_OK);
    EXPECT_EQ(open_ticket(IDENTITY, &t), BS_OK);
    clock_us += DECIDE;
    EXPECT_EQ(decide(t.id, BS_DECIDE_APPROVE), BS_E_STALE);
    EXPECT_EQ(get(t.id).state, BS_TICKET_EXPIRED);
    EXPECT_EQ(open_ticket(IDENTITY, &t), BS_OK);
    EXPECT_EQ(decide(t.id, BS_DECIDE_APPROVE), BS_OK);
    clock_us += REDEEM;
    EXPECT_EQ(redeem(t.id, IDENTITY), BS_E_STALE);
    EXPECT_EQ(get(t.id).state, BS_TICKET_EXPIRED);
    tear_down();
}

static void
ends_are_kept(void)
{
    struct bs_ticket t;

    set_up();
    add_operator();
    EXPECT_EQ(open_ticket(IDENTITY, &t), BS_OK);
    EXPECT_EQ(decide(t.id, BS_DECIDE_APPROVE), BS_OK);
    clock_us++;
    EXPECT_EQ(redeem(t.id, IDENTITY), BS_OK);
    clock_us++;
    EXPECT_EQ(finish(t.id, BS_TICKET_UNCERTAIN), BS_OK);
    t = get(t.id);
    EXPECT(strcmp(t.point, "P1") == 0 && strcmp(t.detail, "so it ended") == 0);
    EXPECT(t.started_us == clock_us - 1 && t.finished_us == clock_us);
    EXPECT(strcmp(t.reason, "because") == 0);
    tear_down();
}

static void
survives_a_restart(void)
{
    struct bs_ticket pending, approved, running, all;
    struct bs_ticket_filter open_runs = {.states = 1u << BS_TICKET_RUNNING};
    struct bs_ticket *list;
    struct bs_err err = {0};
    size_t n;

    set_up();
    add_operator();
    EXPECT_EQ(open_ticket(OTHER, &running), BS_OK);
    EXPECT_EQ(decide(running.id, BS_DECIDE_APPROVE), BS_OK);
    EXPECT_EQ(redeem(running.id, OTHER), BS_OK);
    EXPECT_EQ(open_ticket(OTHER, &pending), BS_OK);
    EXPECT_EQ(open_ticket(IDENTITY, &approved), BS_OK);
    EXPECT_EQ(decide(approved.id, BS_DECIDE_APPROVE), BS_OK);
    bs_tickets_free(&tickets);
    bs_state_close(&state);
    REQUIRE(bs_state_open(path, &state, &err) == BS_DONE);
    tickets = bs_tickets_new(state, &options);
    EXPECT_EQ(open_ticket(OTHER, &all), BS_OK);
    EXPECT(strcmp(all.id, pending.id) == 0);
    EXPECT_EQ(redeem(approved.id, IDENTITY), BS_OK);
    EXPECT_EQ(redeem(approved.id, IDENTITY), BS_E_CONFLICT);
    EXPECT_EQ(finish(approved.id, BS_TICKET_DONE), BS_OK);
    /* What ran when the process died is found, for the caller to settle by fact. */
    EXPECT_EQ(bs_ticket_list(tickets, &open_runs, &arena, &list, &n, &err), BS_DONE);
    REQUIRE(n == 1);
    EXPECT(strcmp(list[0].id, running.id) == 0);
    tear_down();
}

/* --- subscribers --- */

struct heard {
    enum bs_ticket_state states[16];
    size_t n;
};

static void
hear(const struct bs_ticket *ticket, void *arg)
{
    struct heard *h = arg;

    if (h->n < 16)
        h->states[h->n++] = ticket->state;
}

static void
subscribers_hear_every_change(void)
{
    static const enum bs_ticket_state want[] = {BS_TICKET_PENDING, BS_TICKET_APPROVED,
                                                BS_TICKET_RUNNING, BS_TICKET_DONE,
                                                BS_TICKET_PENDING, BS_TICKET_EXPIRED};
    struct heard h = {0}, none = {0};
    struct bs_err err = {0};
    struct bs_ticket t;

    set_up();
    add_operator();
    EXPECT_EQ(bs_tickets_subscribe(tickets, hear, &none, &err), BS_DONE);
    EXPECT_EQ(bs_tickets_subscribe(tickets, hear, &h, &err), BS_DONE);
    bs_tickets_unsubscribe(tickets, hear, &none);
    EXPECT_EQ(open_ticket(IDENTITY, &t), BS_OK);
    EXPECT_EQ(open_ticket(IDENTITY, &t), BS_OK); /* found again: no change */
    EXPECT_EQ(decide(t.id, BS_DECIDE_APPROVE), BS_OK);
    EXPECT_EQ(decide(t.id, BS_DECIDE_APPROVE), BS_E_CONFLICT);
    EXPECT_EQ(redeem(t.id, IDENTITY), BS_OK);
    EXPECT_EQ(finish(t.id, BS_TICKET_DONE), BS_OK);
    EXPECT_EQ(open_ticket(IDENTITY, &t), BS_OK);
    clock_us += DECIDE;
    EXPECT_EQ(bs_tickets_sweep(tickets, NULL, &err), BS_DONE);
    REQUIRE(h.n == 6);
    for (size_t i = 0; i < 6; i++)
        EXPECT_EQ(h.states[i], want[i]);
    EXPECT_EQ(none.n, 0);
    for (int i = 0; i < 15; i++)
        EXPECT_EQ(bs_tickets_subscribe(tickets, hear, &h, &err), BS_DONE);
    EXPECT_EQ(bs_tickets_subscribe(tickets, hear, &h, &err), BS_FAILED);
    EXPECT_EQ(err.code, BS_E_LIMIT);
    tear_down();
}

/* --- races --- */

#define ROUNDS 30

struct racer {
    struct bs_tickets *tickets;
    struct bs_arena arena;
    char id[BS_TICKET_ID];
    enum bs_decide verdict;
    const struct bs_operator *by; /* NULL: kim */
    bool redeems;
    atomic_uint *gate;
    enum bs_code code;
};

static void *
race(void *arg)
{
    struct racer *r = arg;
    struct bs_ticket out;
    struct bs_err err = {0};

    (void)atomic_fetch_sub(r->gate, 1);
    while (atomic_load(r->gate) != 0) {
    }
    if (r->redeems)
        (void)!bs_ticket_redeem(r->tickets, r->id, IDENTITY, &r->arena, &out, &err);
    else
        (void)!bs_ticket_decide(r->tickets, r->id, r->by == NULL ? &kim : r->by, r->verdict, NULL,
                                &r->arena, &out, &err);
    r->code = err.code;
    return NULL;
}

/* Starts all at once; how many succeeded. The others heard CONFLICT. */
static unsigned
run_race(struct racer *racers, size_t n)
{
    atomic_uint gate;
    pthread_t threads[4];
    unsigned won = 0;

    atomic_init(&gate, (unsigned)n);
    for (size_t i = 0; i < n; i++) {
        racers[i].gate = &gate;
        bs_arena_init(&racers[i].arena, "racer", 1 << 20);
        EXPECT_EQ(pthread_create(&threads[i], NULL, race, &racers[i]), 0);
    }
    for (size_t i = 0; i < n; i++) {
        EXPECT_EQ(pthread_join(threads[i], NULL), 0);
        bs_arena_fini(&racers[i].arena);
        won += racers[i].code == BS_OK;
        EXPECT(racers[i].code == BS_OK || racers[i].code == BS_E_CONFLICT);
    }
    return won;
}

/* Two of the racers go through a state of their own, as another process would. */
static void
races_have_one_winner(void)
{
    struct bs_state *second = NULL;
    struct bs_tickets *others;
    struct bs_err err = {0};

    set_up();
    add_operator();
    REQUIRE(bs_state_open(path, &second, &err) == BS_DONE);
    others = bs_tickets_new(second, &options);
    for (int round = 0; round < ROUNDS; round++) {
        struct racer r[4] = {
            {.tickets = tickets}, {.tickets = others}, {.tickets = tickets}, {.tickets = others}};
        struct bs_ticket t, after;
        EXPECT_EQ(open_ticket(IDENTITY, &t), BS_OK);
        for (int i = 0; i < 4; i++) {
            (void)snprintf(r[i].id, sizeof(r[i].id), "%s", t.id);
            r[i].verdict = i < 2 ? BS_DECIDE_APPROVE : BS_DECIDE_DENY;
        }
        EXPECT_EQ(run_race(r, 4), 1);
        after = get(t.id);
        for (int i = 0; i < 4; i++) {
            if (r[i].code == BS_OK)
                EXPECT_EQ(after.state, i < 2 ? BS_TICKET_APPROVED : BS_TICKET_DENIED);
            r[i].redeems = true;
        }
        if (after.state == BS_TICKET_DENIED) {
            EXPECT_EQ(open_ticket(IDENTITY, &t), BS_OK);
            EXPECT_EQ(decide(t.id, BS_DECIDE_APPROVE), BS_OK);
            for (int i = 0; i < 4; i++)
                (void)snprintf(r[i].id, sizeof(r[i].id), "%s", t.id);
        }
        EXPECT_EQ(run_race(r, 4), 1);
        EXPECT_EQ(get(t.id).state, BS_TICKET_RUNNING);
        bs_arena_reset(&arena);
    }
    bs_tickets_free(&others);
    bs_state_close(&second);
    tear_down();
}

/* Whoever decides last sees all the others: none is lost, and the last one approves. */
static void
raced_quorum_counts_each(void)
{
    static const char *const names[] = {"q0", "q1", "q2", "q3"};
    struct bs_operator ops[4] = {0};
    struct bs_state *second = NULL;
    struct bs_tickets *others;
    struct bs_err err = {0};

    set_up();
    for (int i = 0; i < 4; i++) {
        char hash[BS_SHA256_TEXT];
        const struct bs_operator op = {
            .name = names[i], .role = BS_ROLE_APPROVER, .token_sha256 = hash};
        bs_sha256_text(names[i], hash);
        EXPECT_EQ(bs_state_operator_add(state, &op, "me", &err), BS_DONE);
        EXPECT_EQ(bs_state_operator_find(state, names[i], &lasting, &ops[i], &err), BS_DONE);
    }
    clock_us = bs_now_us() + 1; /* they were there before the tickets */
    REQUIRE(bs_state_open(path, &second, &err) == BS_DONE);
    others = bs_tickets_new(second, &options);
    for (int round = 0; round < ROUNDS; round++) {
        struct racer r[4];
        struct bs_ticket ask = an_ask(IDENTITY), t;
        ask.approvals = "{\"v\":1,\"needs\":[{\"quorum\":4,\"groups\":[]}]}";
        EXPECT_EQ(bs_ticket_open(tickets, &ask, &arena, &t, &err), BS_DONE);
        for (int i = 0; i < 4; i++) {
            r[i] = (struct racer){.tickets = i % 2 == 0 ? tickets : others,
                                  .verdict = BS_DECIDE_APPROVE,
                                  .by = &ops[i]};
            (void)snprintf(r[i].id, sizeof(r[i].id), "%s", t.id);
        }
        EXPECT_EQ(run_race(r, 4), 4);
        EXPECT_EQ(get(t.id).state, BS_TICKET_APPROVED);
        EXPECT_EQ(redeem(t.id, IDENTITY), BS_OK);
        bs_arena_reset(&arena);
    }
    bs_tickets_free(&others);
    bs_state_close(&second);
    tear_down();
}

/* In the state, with a name of the human who holds it. */
static void
add_held(const char *name, const char **owner, struct bs_operator *out)
{
    char hash[BS_SHA256_TEXT];
    struct bs_operator op = {.name = name,
                             .role = BS_ROLE_APPROVER,
                             .token_sha256 = hash,
                             .owners = owner,
                             .n_owners = 1};
    struct bs_err err = {0};

    bs_sha256_text(name, hash);
    EXPECT_EQ(bs_state_operator_add(state, &op, "me", &err), BS_DONE);
    EXPECT_EQ(bs_state_operator_find(state, name, &lasting, out, &err), BS_DONE);
}

static enum bs_code
decide_as(const struct bs_operator *op, const char *id, enum bs_decide verdict, struct bs_err *err)
{
    struct bs_ticket out;

    *err = (struct bs_err){0};
    (void)!bs_ticket_decide(tickets, id, op, verdict, "seen", &arena, &out, err);
    return err->code;
}

/* Where it matters who approves, whoever may change operators could else be all of them. */
static void
who_counts_was_there_before(void)
{
    static const char *const asked[] = {
        "{\"v\":1,\"needs\":[{\"quorum\":2,\"groups\":[]}]}",
        "{\"v\":1,\"needs\":[{\"quorum\":1,\"groups\":[\"dba\"]}]}",
        "{\"v\":1,\"needs\":[],\"exclude_owner\":true}",
    };
    const char *humans[] = {"kim k", "lee l"}, *groups[] = {"dba"};
    struct bs_operator op, late;
    struct bs_ticket t;
    struct bs_err err;

    set_up();
    add_held("kim", &humans[0], &op);
    op.groups = groups;
    op.n_groups = 1;
    clock_us = bs_now_us() + 1;
    for (size_t i = 0; i < sizeof(asked) / sizeof(asked[0]); i++) {
        struct bs_ticket ask = an_ask(IDENTITY);
        ask.approvals = asked[i];
        ask.owner = "alice";
        EXPECT_EQ(bs_ticket_open(tickets, &ask, &arena, &t, &err), BS_DONE);
        late = op;
        late.changed_us = t.created_us;
        EXPECT_EQ(decide_as(&late, t.id, BS_DECIDE_APPROVE, &err), BS_E_FORBIDDEN);
        EXPECT(strstr(err.message, "made or changed after ticket") != NULL && err.hint[0] != '\0');
        late.changed_us = t.created_us - 1;
        EXPECT_EQ(decide_as(&late, t.id, BS_DECIDE_APPROVE, &err), BS_OK);
        EXPECT_EQ(get(t.id).state, i == 0 ? BS_TICKET_PENDING : BS_TICKET_APPROVED);
        clock_us += DECIDE + REDEEM;
    }
    /* Anybody may stop it, and what anybody may approve is nobody's in particular. */
    late.changed_us = clock_us;
    struct bs_ticket ask = an_ask(OTHER);
    ask.approvals = asked[0];
    EXPECT_EQ(bs_ticket_open(tickets, &ask, &arena, &t, &err), BS_DONE);
    EXPECT_EQ(decide_as(&late, t.id, BS_DECIDE_DENY, &err), BS_OK);
    EXPECT_EQ(open_ticket(OTHER, &t), BS_OK);
    EXPECT_EQ(decide_as(&late, t.id, BS_DECIDE_APPROVE, &err), BS_OK);
    tear_down();
}

/* One human by two operators stays one, whatever becomes of the one that has approved. */
static void
who_has_approved_stays_the_same_human(void)
{
    const char *humans[] = {"kim k", "somebody else"};
    struct bs_operator day, night;
    struct bs_ticket ask = an_ask(IDENTITY), t;
    struct bs_err err = {0};

    set_up();
    add_held("day", &humans[0], &day);
    add_held("night", &humans[0], &night);
    clock_us = bs_now_us() + 1;
    ask.approvals = "{\"v\":1,\"needs\":[{\"quorum\":2,\"groups\":[]}]}";
    EXPECT_EQ(bs_ticket_open(tickets, &ask, &arena, &t, &err), BS_DONE);
    EXPECT_EQ(decide_as(&day, t.id, BS_DECIDE_APPROVE, &err), BS_OK);
    day.owners = &humans[1];
    EXPECT_EQ(bs_state_operator_alter(state, &day, BS_OPERATOR_OWNERS, "me", &err), BS_DONE);
    EXPECT_EQ(decide_as(&night, t.id, BS_DECIDE_APPROVE, &err), BS_E_CONFLICT);
    tear_down();
}

static void *
open_one(void *arg)
{
    struct racer *r = arg;
    struct bs_ticket ask = an_ask(IDENTITY), out;
    struct bs_err err = {0};

    if (bs_ticket_open(r->tickets, &ask, &r->arena, &out, &err) == BS_DONE)
        (void)snprintf(r->id, sizeof(r->id), "%s", out.id);
    return NULL;
}

static void
opening_at_once_gives_one_ticket(void)
{
    struct racer r[4];
    pthread_t threads[4];

    set_up();
    add_operator();
    for (int i = 0; i < 4; i++) {
        r[i] = (struct racer){.tickets = tickets};
        bs_arena_init(&r[i].arena, "racer", 1 << 20);
        EXPECT_EQ(pthread_create(&threads[i], NULL, open_one, &r[i]), 0);
    }
    for (int i = 0; i < 4; i++) {
        EXPECT_EQ(pthread_join(threads[i], NULL), 0);
        bs_arena_fini(&r[i].arena);
        EXPECT(r[i].id[0] != '\0' && strcmp(r[i].id, r[0].id) == 0);
    }
    EXPECT_EQ(get(r[0].id).asked, 4);
    tear_down();
}

static enum bs_code
break_glass(const char *id, const struct bs_operator *by, const char *reason, struct bs_ticket *out)
{
    struct bs_err err = {0};

    (void)!bs_glass_break(tickets, id, by, reason, &arena, out, &err);
    return err.code;
}

/* By an admin, with a reason, of what is still pending; and then it is redeemed as ever, once. */
static void
glass_is_broken_by_an_admin(void)
{
    struct bs_operator admin, other;
    struct bs_ticket t, out;
    struct bs_err err = {0};

    set_up();
    add_operator();
    EXPECT_EQ(open_ticket(IDENTITY, &t), BS_OK);
    admin = other = kim;
    EXPECT_EQ(break_glass(t.id, &kim, "fire", &out), BS_E_FORBIDDEN); /* an approver */
    admin.role = BS_ROLE_ADMIN;
    admin.revoked_us = 1;
    EXPECT_EQ(break_glass(t.id, &admin, "fire", &out), BS_E_FORBIDDEN);
    admin.revoked_us = 0;
    EXPECT_EQ(break_glass(t.id, &admin, NULL, &out), BS_E_DATA);
    EXPECT_EQ(break_glass(t.id, &admin, "\t ", &out), BS_E_DATA);
    EXPECT_EQ(break_glass("T-none", &admin, "fire", &out), BS_E_NOT_FOUND);
    EXPECT_EQ(break_glass(t.id, &admin, "fire", &out), BS_OK);
    EXPECT(out.state == BS_TICKET_APPROVED && out.redeem_by_us == clock_us + REDEEM);
    EXPECT_EQ(break_glass(t.id, &admin, "fire", &out), BS_E_CONFLICT);
    /* In the state that operator is an approver: it may not have broken anything. */
    EXPECT_EQ(redeem(t.id, IDENTITY), BS_E_STALE);

    EXPECT_EQ(bs_glass_review(tickets, t.id, &kim, "fine", &err), BS_FAILED);
    EXPECT_EQ(err.code, BS_E_FORBIDDEN); /* its own */
    other.name = "lee";
    other.role = BS_ROLE_VIEWER;
    err = (struct bs_err){0};
    EXPECT_EQ(bs_glass_review(tickets, t.id, &other, "fine", &err), BS_FAILED);
    EXPECT_EQ(err.code, BS_E_FORBIDDEN);
    other.role = BS_ROLE_APPROVER;
    err = (struct bs_err){0};
    EXPECT_EQ(bs_glass_review(tickets, t.id, &other, "fine", &err), BS_DONE);

    EXPECT_EQ(open_ticket(OTHER, &t), BS_OK);
    clock_us += DECIDE;
    EXPECT_EQ(break_glass(t.id, &admin, "too late", &out), BS_E_STALE);
    EXPECT_EQ(open_ticket(OTHER, &t), BS_OK);
    EXPECT_EQ(decide(t.id, BS_DECIDE_DENY), BS_OK);
    EXPECT_EQ(break_glass(t.id, &admin, "all the same", &out), BS_E_CONFLICT);
    tear_down();
}

static const struct tap_case cases[] = {
    {"the table of steps", legal_steps},
    {"every operation on every state", every_operation_on_every_state},
    {"the same request finds its ticket, once", same_request_same_ticket},
    {"no operator ever: no ticket", no_operator_no_ticket},
    {"who may decide, and what is kept of it", who_may_decide},
    {"both clocks, to the microsecond", both_clocks_to_the_microsecond},
    {"how it ended is kept", ends_are_kept},
    {"tickets survive a restart", survives_a_restart},
    {"subscribers hear every change", subscribers_hear_every_change},
    {"raced decisions and redemptions have one winner", races_have_one_winner},
    {"raced approvals of a quorum are all counted", raced_quorum_counts_each},
    {"who counts was there before the ticket", who_counts_was_there_before},
    {"who has approved stays the same human", who_has_approved_stays_the_same_human},
    {"opening at once gives one ticket", opening_at_once_gives_one_ticket},
    {"glass: broken by an admin, reviewed by another", glass_is_broken_by_an_admin},
};

int
main(void)
{
    return tap_main(cases, sizeof(cases) / sizeof(cases[0]));
}
