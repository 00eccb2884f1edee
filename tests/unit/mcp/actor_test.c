/*
 * actor_test.c - what an actor keeps between its requests: for how long, how much, and for nobody else.
 */
#include "mcp/actor.h"

#include "base/clock.h"
#include "tap.h"

#define MINUTE_US ((int64_t)60 * 1000000)

struct two {
    struct bs_mcp *mcp;
    struct bs_mcp_actor *one, *other;
};

static PGconn *
closed(void *ctx, const char *database, const struct bs_watch *watch, struct bs_err *err)
{
    (void)ctx;
    (void)database;
    (void)watch;
    (void)BS_FAIL(err, UNAVAILABLE, "nobody is there");
    return NULL;
}

static struct two
begin(void)
{
    const struct bs_mcp_door door = {.acquire = closed};
    struct two t = {.mcp = bs_mcp_new(&(struct bs_mcp_options){0})};

    t.one = bs_mcp_actor_new(t.mcp, &door);
    t.other = bs_mcp_actor_new(t.mcp, &door);
    return t;
}

static void
end(struct two *t)
{
    bs_mcp_actor_free(&t->one);
    bs_mcp_actor_free(&t->other);
    bs_mcp_free(&t->mcp);
}

static void
cursors(void)
{
    struct two t = begin();
    char keys[5][BS_MCP_KEY];
    struct bs_mcp_cursor got;

    for (int i = 0; i < 5; i++)
        bs_mcp_cursor_put(t.one, NULL, json_array(), NULL, keys[i]);
    EXPECT(strlen(keys[0]) == 32 && strcmp(keys[0], keys[1]) != 0);
    EXPECT(!bs_mcp_cursor_take(t.one, keys[0], &got)); /* the fifth has put it out */
    EXPECT(!bs_mcp_cursor_take(t.other, keys[1], &got));
    EXPECT(!bs_mcp_cursor_take(t.one, "", &got));
    REQUIRE(bs_mcp_cursor_take(t.one, keys[1], &got));
    json_decref(got.columns);
    EXPECT(!bs_mcp_cursor_take(t.one, keys[1], &got)); /* who reads it has it alone */
    EXPECT(bs_mcp_actor_holds(t.one));
    EXPECT(!bs_mcp_actor_holds(t.other));
    end(&t);
}

static void
idle_cursors(void)
{
    struct two t = begin();
    char old[BS_MCP_KEY], fresh[BS_MCP_KEY];
    struct bs_mcp_cursor got;

    bs_mcp_cursor_put(t.one, NULL, json_array(), NULL, old);
    (void)pthread_mutex_lock(&t.one->lock);
    t.one->cursors->used_us -= MINUTE_US + 1;
    (void)pthread_mutex_unlock(&t.one->lock);
    bs_mcp_cursor_put(t.one, NULL, json_array(), NULL, fresh);
    bs_mcp_cursors_tend(t.one);
    EXPECT(!bs_mcp_cursor_take(t.one, old, &got));
    REQUIRE(bs_mcp_cursor_take(t.one, fresh, &got));
    json_decref(got.columns);
    end(&t);
}

static void
held(void)
{
    struct two t = begin();
    json_t *params = json_pack("[i]", 7);
    struct bs_mcp_order order = {.sql = "DELETE", .params = params, .max_rows = 5};
    char ticket[16];
    json_t *got;

    for (int i = 0; i < 33; i++) {
        (void)snprintf(ticket, sizeof(ticket), "T-%d", i);
        bs_mcp_held_put(t.one, ticket, &order);
    }
    EXPECT(bs_mcp_held_find(t.one, "T-0") == NULL); /* the last 32 */
    EXPECT(bs_mcp_held_find(t.other, "T-5") == NULL);
    got = bs_mcp_held_find(t.one, "T-1");
    EXPECT(strcmp(json_string_value(json_object_get(got, "sql")), "DELETE") == 0);
    EXPECT(json_equal(json_object_get(got, "params"), params));
    EXPECT_EQ(json_integer_value(json_object_get(got, "max_rows")), 5);
    json_decref(got);
    order.sql = "UPDATE";
    bs_mcp_held_put(t.one, "T-1", &order);
    got = bs_mcp_held_find(t.one, "T-1");
    EXPECT(strcmp(json_string_value(json_object_get(got, "sql")), "UPDATE") == 0);
    json_decref(got);
    bs_mcp_held_drop(t.one, "T-1");
    EXPECT(bs_mcp_held_find(t.one, "T-1") == NULL);
    bs_mcp_held_tend(t.one, bs_mono_us() - MINUTE_US);
    EXPECT(bs_mcp_actor_holds(t.one));
    bs_mcp_held_tend(t.one, bs_mono_us() + 1);
    EXPECT(!bs_mcp_actor_holds(t.one)); /* nothing keeps its credential */
    json_decref(params);
    end(&t);
}

static void
too_long_to_remember(void)
{
    struct two t = begin();
    struct bs_buf b;
    struct bs_mcp_order order = {0};

    bs_buf_init(&b, (size_t)2 << 20);
    for (int i = 0; i <= 1 << 20; i++)
        bs_put_u8(&b, 'x');
    bs_put_u8(&b, 0);
    order.sql = (const char *)b.p;
    bs_mcp_held_put(t.one, "T-1", &order);
    EXPECT(bs_mcp_held_find(t.one, "T-1") == NULL);
    bs_buf_fini(&b);
    end(&t);
}

int
main(void)
{
    static const struct tap_case cases[] = {
        {"cursors are few, and of their actor", cursors},
        {"a cursor that nobody uses goes", idle_cursors},
        {"statements that are held", held},
        {"one that is too long is not remembered", too_long_to_remember},
    };

    return tap_main(cases, sizeof(cases) / sizeof(cases[0]));
}
