/*
 * evasion_test.c - what was refused and is asked for again: in other words, as it was, in pieces,
 * by others, too late, and over a restart.
 */
#include "approval/evasion.h"

#include <stdlib.h>
#include <unistd.h>

#include "approval/decision.h"
#include "approval/harms.h"
#include "base/clock.h"
#include "tap.h"

#define WINDOW 1000000

static struct bs_evasion *evasion;
static char id[BS_SHA256_TEXT];
static int64_t now_us;

static struct bs_harm_item
lost(const char *table)
{
    return (struct bs_harm_item){.harm = BS_HARM_DESTROY,
                                 .extent = BS_EXTENT_ALL,
                                 .object = BS_OBJECT_RELATION,
                                 .schema = "public",
                                 .name = table,
                                 .rows = -1,
                                 .main = true};
}

static struct bs_harm_item
anything(void)
{
    return (struct bs_harm_item){
        .harm = BS_HARM_DESTROY, .extent = BS_EXTENT_ALL, .rows = -1, .main = true, .code = true};
}

static const char *
identity(int n)
{
    (void)snprintf(id, sizeof(id), "%064d", n);
    return id;
}

/* An operator denies what would do that. */
static void
deny(const char *actor, const char *database, int n, struct bs_harm_item *items, size_t n_items)
{
    struct bs_harms harms = {items, n_items, false};
    char *json = bs_harms_write(&harms);
    struct bs_ticket t = {.id = "T-00000000000000000000000001",
                          .actor = actor,
                          .database = database,
                          .harms = json,
                          .state = BS_TICKET_DENIED,
                          .decided_us = now_us};

    (void)snprintf(t.identity, sizeof(t.identity), "%s", identity(n));
    bs_evasion_on_ticket(&t, evasion);
    free(json);
}

static struct bs_evasion_found
ask_text(const char *actor,
         const char *database,
         int n,
         struct bs_harm_item *items,
         size_t n_items,
         const char *text)
{
    struct bs_harms harms = {items, n_items, false};
    struct bs_evasion_found found;

    bs_evasion_ask(evasion,
                   &(struct bs_evasion_ask){.actor = actor,
                                            .database = database,
                                            .identity = identity(n),
                                            .text = text,
                                            .harms = &harms,
                                            .now_us = now_us,
                                            .window_us = WINDOW,
                                            .limit = 2},
                   &found);
    return found;
}

static struct bs_evasion_found
ask(const char *actor, const char *database, int n, struct bs_harm_item item)
{
    return ask_text(actor, database, n, &item, 1, "");
}

static void
set_up(void)
{
    evasion = bs_evasion_new();
    now_us = 5000000;
}

static void
other_words(void)
{
    struct bs_harm_item t = lost("t"), key = lost("t");
    struct bs_evasion_found found;

    set_up();
    EXPECT_EQ(ask("a", "app", 1, t).kind, BS_EVASION_NONE); /* nothing was refused yet */
    deny("a", "app", 1, &t, 1);
    now_us += 10;
    EXPECT_EQ(ask("a", "app", 1, t).kind, BS_EVASION_RETRY);
    found = ask("a", "app", 2, t);
    EXPECT_EQ(found.kind, BS_EVASION_SURE);
    EXPECT(strcmp(found.ticket, "T-00000000000000000000000001") == 0);
    EXPECT_EQ(found.refused_us, 5000000);
    EXPECT_EQ(found.tried, 1);
    EXPECT(!found.too_many);
    key.harm = BS_HARM_DELETE;
    key.extent = BS_EXTENT_KEY;
    EXPECT_EQ(ask("a", "app", 3, key).kind, BS_EVASION_NONE);
    EXPECT_EQ(ask("a", "app", 3, lost("u")).kind, BS_EVASION_NONE);
    EXPECT_EQ(ask("b", "app", 3, t).kind, BS_EVASION_NONE);
    EXPECT_EQ(ask("a", "shop", 3, t).kind, BS_EVASION_NONE);
    bs_evasion_free(&evasion);
}

static void
too_many(void)
{
    struct bs_harm_item t = lost("t");
    struct bs_evasion_found found;
    struct bs_evasion_counts counts;

    set_up();
    deny("a", "app", 1, &t, 1);
    for (int i = 0; i < 5; i++) { /* a loop is one try, and what was denied is none */
        EXPECT_EQ(ask("a", "app", 2, t).tried, 1);
        EXPECT_EQ(ask("a", "app", 1, t).kind, BS_EVASION_RETRY);
    }
    EXPECT(!ask("a", "app", 3, t).too_many);
    deny("a", "app", 3, &t, 1);
    EXPECT_EQ(ask("a", "app", 1, t).kind, BS_EVASION_RETRY); /* of the one, whatever it is to 3 */
    found = ask("a", "app", 4, t);
    EXPECT_EQ(found.tried, 3);
    EXPECT(found.too_many);
    bs_evasion_count(evasion, &counts);
    EXPECT_EQ(counts.sure, 3);
    EXPECT_EQ(counts.retries, 6);
    bs_evasion_free(&evasion);
}

static void
window(void)
{
    struct bs_harm_item t = lost("t");

    set_up();
    deny("a", "app", 1, &t, 1);
    EXPECT_EQ(ask("a", "app", 2, t).tried, 1);
    now_us += WINDOW;
    EXPECT_EQ(ask("a", "app", 3, t).tried, 2);
    now_us += 1;
    EXPECT_EQ(ask("a", "app", 4, t).kind, BS_EVASION_NONE);
    deny("a", "app", 5, &t, 1);
    EXPECT_EQ(ask("a", "app", 6, t).tried, 2); /* 3 is still in the window */
    bs_evasion_free(&evasion);
}

/* Two tables were refused together; one of them is less, one after the other is not. */
static void
in_pieces(void)
{
    struct bs_harm_item both[] = {lost("t"), lost("u")};

    set_up();
    deny("a", "app", 1, both, 2);
    EXPECT_EQ(ask("a", "app", 2, both[0]).kind, BS_EVASION_NONE);
    EXPECT_EQ(ask("a", "app", 2, both[0]).kind, BS_EVASION_NONE);
    EXPECT_EQ(ask("a", "app", 3, lost("v")).kind, BS_EVASION_NONE);
    EXPECT_EQ(ask("a", "app", 4, both[1]).kind, BS_EVASION_SURE);
    EXPECT_EQ(ask("a", "app", 5, lost("v")).kind, BS_EVASION_NONE);
    bs_evasion_free(&evasion);
}

static void
unread_code(void)
{
    struct bs_harm_item t = lost("audit"), code = anything(), other = lost("v");
    struct bs_evasion_found found;
    char *json;

    set_up();
    deny("a", "app", 1, &t, 1);
    found = ask_text("a", "app", 2, &code, 1, "SELECT f()");
    EXPECT_EQ(found.kind, BS_EVASION_MAYBE);
    EXPECT_EQ(found.tried, 0);
    json = bs_evasion_write(&found, now_us);
    EXPECT(json != NULL && strstr(json, "perhaps asked for before in other words: T-") != NULL);
    free(json);
    EXPECT_EQ(ask_text("a", "app", 3, &code, 1, "DO 'audits _audit audit2'").kind,
              BS_EVASION_MAYBE);
    found = ask_text("a", "app", 4, &code, 1, "DO $$BEGIN EXECUTE 'dele'||'te from Audit';END$$");
    EXPECT_EQ(found.kind, BS_EVASION_SURE);
    /* A name in a statement that was read says nothing. */
    EXPECT_EQ(ask_text("a", "app", 5, &other, 1, "TRUNCATE v -- audit").kind, BS_EVASION_NONE);
    bs_evasion_free(&evasion);
}

static void
blocked(void)
{
    struct bs_harm_item t = lost("t");
    struct bs_harms harms = {&t, 1, false};
    char *json = bs_harms_write(&harms);
    struct bs_blocked row = {
        .actor = "a", .database = "app", .identity = identity(1), .harms = json};
    struct bs_evasion_found found;
    char *text;

    set_up();
    row.at_us = now_us;
    bs_evasion_blocked(evasion, &row);
    now_us += 200;
    found = ask("a", "app", 2, t);
    EXPECT_EQ(found.kind, BS_EVASION_SURE);
    EXPECT(found.ticket[0] == '\0');
    text = bs_evasion_write(&found, now_us + 300 * INT64_C(1000000));
    EXPECT(text != NULL && strstr(text, "blocked by policy 5 min ago") != NULL);
    free(text);
    row.harms = "not json";
    row.identity = identity(7);
    bs_evasion_blocked(evasion, &row); /* is not remembered, and hurts nobody */
    EXPECT_EQ(ask("a", "app", 7, t).kind, BS_EVASION_SURE);
    free(json);
    bs_evasion_free(&evasion);
}

/* What a human allows is forgiven: it, and what it was in other words for. */
static void
approved(void)
{
    struct bs_harm_item t = lost("t"), u = lost("u");
    struct bs_harms harms = {&t, 1, false};
    char *json = bs_harms_write(&harms);
    struct bs_ticket ticket = {
        .actor = "a", .database = "app", .harms = json, .state = BS_TICKET_APPROVED};

    set_up();
    deny("a", "app", 1, &t, 1);
    deny("a", "app", 2, &u, 1);
    EXPECT_EQ(ask("a", "app", 3, t).tried, 1);
    (void)snprintf(ticket.identity, sizeof(ticket.identity), "%s", identity(3));
    bs_evasion_on_ticket(&ticket, evasion);
    EXPECT_EQ(ask("a", "app", 4, t).kind, BS_EVASION_NONE);
    EXPECT_EQ(ask("a", "app", 1, t).kind, BS_EVASION_NONE);
    EXPECT_EQ(ask("a", "app", 5, u).tried, 1);
    free(json);
    bs_evasion_free(&evasion);
}

/* Floods: the memory has a ceiling, and what an operator denied is the last to go. */
static void
bounded(void)
{
    struct bs_harm_item t = lost("t"), other;
    char name[32], *json;
    struct bs_harms harms = {&other, 1, false};
    struct bs_blocked row = {.actor = "a", .database = "app"};

    set_up();
    deny("a", "app", 1, &t, 1);
    for (int i = 0; i < 1000; i++) {
        (void)snprintf(name, sizeof(name), "x%d", i);
        other = lost(name);
        json = bs_harms_write(&harms);
        row.identity = identity(1000 + i);
        row.harms = json;
        row.at_us = now_us + i;
        bs_evasion_blocked(evasion, &row);
        free(json);
    }
    EXPECT_EQ(ask("a", "app", 2, t).kind, BS_EVASION_SURE);
    EXPECT_EQ(ask("a", "app", 3, lost("x999")).kind, BS_EVASION_SURE);
    EXPECT_EQ(ask("a", "app", 4, lost("x1")).kind, BS_EVASION_NONE);
    bs_evasion_free(&evasion);
}

static void
harms_as_text(void)
{
    struct bs_harm_key keys[] = {{"id", "5\n\"x"}, {"we\tird", ""}};
    struct bs_harm_item items[] = {lost("t"), anything(), lost("\xff")};
    struct bs_harms harms = {items, 3, true}, got;
    struct bs_arena arena, small;
    struct bs_err err = {0};
    char *json;

    items[0].keys = keys;
    items[0].n_keys = 2;
    items[0].oid = 4294967295u;
    items[0].column = "c";
    items[0].rows = 12;
    items[0].gone = true;
    json = bs_harms_write(&harms);
    bs_arena_init(&arena, "test", 1 << 20);
    REQUIRE(bs_harms_read(json, &arena, &got, &err) == BS_DONE && got.n == 3);
    EXPECT(got.more && got.items[0].main && got.items[0].gone && !got.items[0].code);
    EXPECT(got.items[0].oid == 4294967295u && got.items[0].rows == 12);
    EXPECT_EQ(got.items[0].harm, BS_HARM_DESTROY);
    EXPECT_EQ(got.items[0].extent, BS_EXTENT_ALL);
    EXPECT(strcmp(got.items[0].schema, "public") == 0 && strcmp(got.items[0].column, "c") == 0);
    REQUIRE(got.items[0].n_keys == 2);
    EXPECT(strcmp(got.items[0].keys[0].value, "5\n\"x") == 0);
    EXPECT(bs_harm_is_any(&got.items[1]) && got.items[1].code);
    EXPECT(bs_harm_is_any(&got.items[2]) && got.items[2].code); /* its name is no text */
    bs_arena_init(&small, "small", 64);
    EXPECT_EQ(bs_harms_read(json, &small, &got, &err), BS_FAILED);
    EXPECT_EQ(err.code, BS_E_LIMIT);
    bs_arena_fini(&small);
    free(json);
    for (size_t i = 0; i < 4; i++) {
        static const char *const bad[] = {"", "{}", "{\"items\":[{}]}", "[1]"};
        err = (struct bs_err){0};
        EXPECT_EQ(bs_harms_read(bad[i], &arena, &got, &err), BS_FAILED);
        EXPECT_EQ(err.code, BS_E_DATA);
    }
    bs_arena_fini(&arena);
}

/* --- with a state ------------------------------------------------------------------------- */

static char folder[64], path[128];
static struct bs_state *state;
static struct bs_arena arena;

static bool
open_state(void)
{
    struct bs_err err = {0};

    (void)snprintf(folder, sizeof(folder), "/tmp/bs-evasion-XXXXXX");
    if (mkdtemp(folder) == NULL)
        return false;
    (void)snprintf(path, sizeof(path), "%s/state.db", folder);
    bs_arena_init(&arena, "test", 64 << 20);
    return bs_state_open(path, &state, &err) == BS_DONE;
}

static void
close_state(void)
{
    char command[128];

    bs_state_close(&state);
    bs_arena_fini(&arena);
    (void)snprintf(command, sizeof(command), "rm -r %s", folder);
    EXPECT_EQ(system(command), 0);
}

static bool
add_agent(const char *name)
{
    const char *databases[] = {"app"};
    struct bs_agent agent = {.name = name,
                             .databases = databases,
                             .n_databases = 1,
                             .verifier = "SCRAM-SHA-256$4096:c2FsdA==$a2V5:a2V5"};
    struct bs_err err = {0};

    return bs_state_agent_add(state, &agent, "me", &err) == BS_DONE;
}

static bool
is_in_state(const char *name)
{
    struct bs_agent agent;
    struct bs_err err = {0};

    return bs_state_agent_get(state, name, &arena, &agent, &err) == BS_DONE &&
           agent.quarantined_us != 0;
}

static void
quarantine(void)
{
    struct bs_err err = {0};

    REQUIRE(open_state());
    set_up();
    REQUIRE(add_agent("a") && add_agent("b"));
    bs_evasion_quarantine(evasion, "a", "why");
    bs_evasion_quarantine(evasion, "gone", "is no agent any more");
    EXPECT(bs_evasion_is_quarantined(evasion, "a") && !bs_evasion_is_quarantined(evasion, "b"));
    EXPECT(bs_evasion_reload(evasion, state, &err) == BS_DONE);
    EXPECT(bs_evasion_is_quarantined(evasion, "a")); /* the state does not know it yet */
    EXPECT(bs_evasion_save(evasion, state, &err) == BS_DONE);
    EXPECT(is_in_state("a"));
    bs_evasion_free(&evasion);

    evasion = bs_evasion_new(); /* a restart */
    EXPECT(!bs_evasion_any_quarantined(evasion));
    EXPECT(bs_evasion_load(evasion, state, WINDOW, &err) == BS_DONE);
    EXPECT(bs_evasion_is_quarantined(evasion, "a") && !bs_evasion_is_quarantined(evasion, "b"));
    EXPECT(bs_state_agent_release(state, "a", NULL, "kim", &err) == BS_DONE);
    EXPECT(bs_evasion_is_quarantined(evasion, "a"));
    EXPECT(bs_evasion_reload(evasion, state, &err) == BS_DONE);
    EXPECT(!bs_evasion_is_quarantined(evasion, "a") && !bs_evasion_any_quarantined(evasion));
    bs_evasion_free(&evasion);
    close_state();
}

/* A ticket of identity n, asked for now. */
static struct bs_ticket
open_ticket(struct bs_tickets *tickets, int n, const char *harms, const char *evades)
{
    struct bs_ticket t = {
        .actor = "a", .database = "app", .sql = "x", .harms = harms, .evades = evades};
    struct bs_ticket got = {0};
    struct bs_err err = {0};

    (void)snprintf(t.identity, sizeof(t.identity), "%s", identity(n));
    EXPECT(bs_ticket_open(tickets, &t, &arena, &got, &err) == BS_DONE);
    return got;
}

static void
restart(void)
{
    struct bs_harm_item t = lost("t"), u = lost("u");
    struct bs_harms harms = {&t, 1, false}, more = {&u, 1, false};
    char *json = bs_harms_write(&harms), *other = bs_harms_write(&more), hash[BS_SHA256_TEXT];
    struct bs_operator kim = {.name = "kim", .role = BS_ROLE_APPROVER, .token_sha256 = hash};
    struct bs_tickets *tickets;
    struct bs_ticket got, out;
    struct bs_err err = {0};

    REQUIRE(open_state());
    set_up();
    now_us = bs_now_us();
    bs_sha256_text("token", hash);
    REQUIRE(bs_state_operator_add(state, &kim, "me", &err) == BS_DONE);
    tickets = bs_tickets_new(state, &(struct bs_tickets_options){0});
    got = open_ticket(tickets, 1, json, NULL);
    REQUIRE(bs_ticket_decide(tickets, got.id, &kim, BS_DECIDE_DENY, NULL, &arena, &out, &err) ==
            BS_DONE);
    (void)open_ticket(tickets, 2, json, "{\"sure\":true}");
    (void)open_ticket(tickets, 3, json, "{\"sure\":false}");
    REQUIRE(bs_state_blocked_put(state,
                                 &(struct bs_blocked){.at_us = now_us,
                                                      .actor = "a",
                                                      .database = "app",
                                                      .identity = identity(4),
                                                      .harms = other,
                                                      .evades = "{\"sure\":true}"},
                                 &err) == BS_DONE);
    REQUIRE(bs_evasion_load(evasion, state, 60 * INT64_C(1000000), &err) == BS_DONE);
    now_us = bs_now_us();
    EXPECT_EQ(ask("a", "app", 1, t).kind, BS_EVASION_RETRY);
    EXPECT_EQ(ask("a", "app", 4, u).kind, BS_EVASION_RETRY);
    EXPECT_EQ(ask("a", "app", 5, t).tried, 3); /* with 2 and 4 */
    EXPECT(ask("a", "app", 6, u).too_many);
    bs_tickets_free(&tickets);
    bs_evasion_free(&evasion);
    close_state();
    free(json);
    free(other);
}

static const struct tap_case cases[] = {
    {"in other words, as it was, less, other, by others", other_words},
    {"too many, but a loop is one", too_many},
    {"the window", window},
    {"in pieces", in_pieces},
    {"code that nobody has read", unread_code},
    {"blocked by policy", blocked},
    {"what a human allows is forgiven", approved},
    {"a flood makes nobody forget what was denied", bounded},
    {"harms as text", harms_as_text},
    {"quarantine, restart and release", quarantine},
    {"a restart forgets nothing", restart},
};

int
main(void)
{
    return tap_main(cases, sizeof(cases) / sizeof(cases[0]));
}
