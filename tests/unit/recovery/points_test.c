/*
 * points_test.c - lists, finds and loads points by what a store's keys say.
 */
#include "recovery/points.h"

#include <stdlib.h>
#include <unistd.h>

#include "folder.h"
#include "tap.h"

static char root[] = "/tmp/bs-points-XXXXXX";
static struct bs_store *store;

#define DIR_A "v1/7/5-app/rp/2026/01/02/RP-01ARZ3NDEKTSV4RRFFQ69G5FAA/"
#define DIR_B "v1/7/5-app/rp/2026/01/03/RP-01BRZ3NDEKTSV4RRFFQ69G5FAB/"
#define DIR_C "v1/7/6-other/rp/2026/01/01/RP-01BRZ3NDEKTSV4RRFFQ69G5FAC/"

static void
put(const char *key, const char *text)
{
    struct bs_err err = {0};

    if (!tap_check(bs_store_put(store, key, bs_bytes_of(text), &err) == BS_DONE, key, __FILE__,
                   __LINE__))
        printf("# %s\n", err.message);
}

static void
event(const char *dir, enum bs_event_state state)
{
    struct bs_point_event e = {.state = state, .xid = 77, .by = "test"};
    struct bs_err err = {0};

    EXPECT_EQ(bs_points_event(store, dir, &e, &err), BS_DONE);
}

static void
fill(void)
{
    put(DIR_A "t/0001-public.users.copybin.zst", "x");
    put(DIR_A "manifest.json", "not a manifest");
    put(DIR_B "t/0001-public.users.copybin.zst", "x"); /* never became complete */
    put(DIR_C "manifest.json", "{}");
    put("v1/7/5-app/schema/abc.dump", "x");
    put("v1/7/5-app/rp/2026/01/02/RP-short/manifest.json", "x");
    put("stray", "x");
    event(DIR_A, BS_EVENT_ARMED);
    event(DIR_A, BS_EVENT_COMMITTED);
    event(DIR_A, BS_EVENT_VERIFIED);
    event(DIR_A, BS_EVENT_RESTORED);
    event(DIR_C, BS_EVENT_ARMED);
    event(DIR_C, BS_EVENT_DAMAGED);
}

static void
lists(void)
{
    struct bs_points all;
    struct bs_arena arena;
    struct bs_err err = {0};

    fill();
    bs_arena_init(&arena, "test", 1 << 20);
    REQUIRE(bs_points_list(store, "", &arena, &all, &err) == BS_DONE);
    REQUIRE(all.n == 3);
    EXPECT(strcmp(all.list[0].dir, DIR_C) == 0); /* newest first, by id */
    EXPECT(strcmp(all.list[1].dir, DIR_B) == 0);
    EXPECT(strcmp(all.list[2].dir, DIR_A) == 0);
    EXPECT(strcmp(all.list[2].id, "RP-01ARZ3NDEKTSV4RRFFQ69G5FAA") == 0);
    EXPECT(all.list[2].complete && !all.list[1].complete);
    EXPECT_EQ(all.list[2].outcome, BS_EVENT_COMMITTED);
    EXPECT_EQ(all.list[2].proof, BS_EVENT_VERIFIED);
    EXPECT(all.list[2].restored && all.list[2].n_events == 4);
    EXPECT_EQ(all.list[1].outcome, BS_EVENT_NONE);
    /* A verification between must not hide that a point is open. */
    EXPECT_EQ(all.list[0].outcome, BS_EVENT_ARMED);
    EXPECT_EQ(all.list[0].proof, BS_EVENT_DAMAGED);
    EXPECT(all.list[0].armed_key != NULL);
    REQUIRE(bs_points_list(store, "v1/7/5-app/", &arena, &all, &err) == BS_DONE);
    EXPECT_EQ(all.n, 2);
    REQUIRE(bs_points_list(store, "v1/8/", &arena, &all, &err) == BS_DONE);
    EXPECT_EQ(all.n, 0);
    bs_arena_fini(&arena);
    bs_arena_init(&arena, "test", 64);
    EXPECT_EQ(bs_points_list(store, "", &arena, &all, &err), BS_FAILED);
    EXPECT_EQ(err.code, BS_E_LIMIT);
    bs_arena_fini(&arena);
}

static const struct {
    const char *id;
    enum bs_code want;
} ids[] = {
    {"RP-01ARZ3NDEKTSV4RRFFQ69G5FAA", BS_OK},
    {"01ARZ3NDEKTSV4RRFFQ69G5FAA", BS_OK},
    {"rp-01arz", BS_OK},
    {"01AR", BS_OK},
    {"01A", BS_E_USAGE},
    {"RP-", BS_E_USAGE},
    {"", BS_E_USAGE},
    {"01BRZ3", BS_E_CONFLICT},
    {"01CRZ3", BS_E_NOT_FOUND},
    {"01ARZ3NDEKTSV4RRFFQ69G5FAAA", BS_E_USAGE},
    {"../../etc", BS_E_NOT_FOUND},
};

static void
finds(void)
{
    for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
        struct bs_point_ref ref;
        struct bs_arena arena;
        struct bs_err err = {0};
        bs_arena_init(&arena, "test", 1 << 20);
        (void)!bs_points_find(store, ids[i].id, &arena, &ref, &err);
        if (err.code != ids[i].want)
            printf("# in row: %s\n", ids[i].id);
        EXPECT_EQ(err.code, ids[i].want);
        if (err.code == BS_OK)
            EXPECT(strcmp(ref.dir, DIR_A) == 0);
        bs_arena_fini(&arena);
    }
}

static void
loads(void)
{
    struct bs_manifest m = {.format = BS_MANIFEST_FORMAT,
                            .id = "RP-01DRZ3NDEKTSV4RRFFQ69G5FAD",
                            .created_us = 1767312000000000,
                            .gateway_version = "x",
                            .source = {"7", 1, 5, "app", 150000, "UTF8", "UTF8"},
                            .capture = {.mode = "record"}};
    struct bs_manifest got;
    struct bs_point_ref ref;
    struct bs_arena arena;
    struct bs_buf dir, text;
    struct bs_err err = {0};

    bs_arena_init(&arena, "test", 1 << 20);
    bs_buf_init(&dir, 1000);
    bs_buf_init(&text, 1 << 16);
    bs_point_put_dir(&dir, &m);
    bs_put_cstr(&dir, "manifest.json");
    REQUIRE(bs_manifest_print(&m, &text, NULL, &err) == BS_DONE);
    bs_put_u8(&text, '\0');
    put((const char *)dir.p, (const char *)text.p);
    REQUIRE(bs_points_find(store, "01DRZ3", &arena, &ref, &err) == BS_DONE);
    EXPECT_EQ(bs_points_load(store, &ref, &arena, &got, &err), BS_DONE);
    EXPECT(strcmp(got.capture.mode, "record") == 0);
    /* The same manifest in another point's folder is not that point's. */
    put("v1/7/5-app/rp/2026/01/02/RP-01ERZ3NDEKTSV4RRFFQ69G5FAE/manifest.json",
        (const char *)text.p);
    REQUIRE(bs_points_find(store, "01ERZ3", &arena, &ref, &err) == BS_DONE);
    EXPECT_EQ(bs_points_load(store, &ref, &arena, &got, &err), BS_FAILED);
    EXPECT_EQ(err.code, BS_E_DAMAGED);
    err = (struct bs_err){0};
    REQUIRE(bs_points_find(store, "01ARZ3", &arena, &ref, &err) == BS_DONE);
    EXPECT_EQ(bs_points_load(store, &ref, &arena, &got, &err), BS_FAILED);
    EXPECT_EQ(err.code, BS_E_DAMAGED);
    err = (struct bs_err){0};
    ref.dir = DIR_B;
    EXPECT_EQ(bs_points_load(store, &ref, &arena, &got, &err), BS_FAILED);
    EXPECT_EQ(err.code, BS_E_NOT_FOUND);
    bs_buf_fini(&dir);
    bs_buf_fini(&text);
    bs_arena_fini(&arena);
}

static void
events_are_read_in_order(void)
{
    struct bs_point_ref ref;
    struct bs_point_event *e;
    size_t n;
    struct bs_arena arena;
    struct bs_err err = {0};

    bs_arena_init(&arena, "test", 1 << 20);
    put(DIR_A "events/7ZZZZZZZZZZZZZZZZZZZZZZZZZ-expired.json", "{}");
    REQUIRE(bs_points_find(store, "01ARZ3", &arena, &ref, &err) == BS_DONE);
    REQUIRE(bs_points_events(store, &ref, &arena, &e, &n, &err) == BS_DONE);
    REQUIRE(n == 5);
    EXPECT_EQ(e[0].state, BS_EVENT_ARMED);
    EXPECT(e[0].xid == 77 && e[0].at_us <= e[1].at_us && strcmp(e[0].by, "test") == 0);
    EXPECT_EQ(e[1].state, BS_EVENT_COMMITTED);
    EXPECT_EQ(e[3].state, BS_EVENT_RESTORED);
    EXPECT_EQ(e[4].state, BS_EVENT_UNKNOWN);
    EXPECT(e[4].at_us == 0 && strstr(e[4].details, "damaged") != NULL);
    bs_arena_fini(&arena);
}

static void
events_go_to_points_only(void)
{
    static const char *const bad[] = {"", "v1/", "v1/7/5-app/rp/2026/01/02/", DIR_A "t/",
                                      "v1/7/5-app/rp/2026/01/02/RP-01ARZ3NDEKTSV4RRFFQ69G5FAA"};

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct bs_point_event e = {.state = BS_EVENT_COMMITTED};
        struct bs_err err = {0};
        EXPECT_EQ(bs_points_event(store, bad[i], &e, &err), BS_FAILED);
        EXPECT_EQ(err.code, BS_E_DATA);
    }
}

/* An intent alone is a point that was begun; a manifest that events speak of is missed. */
static void
begun_is_not_made(void)
{
    struct bs_point_object o = {.schema = "public", .name = "users", .oid = 16384, .relkind = 'r'};
    struct bs_manifest m = {.format = BS_MANIFEST_FORMAT,
                            .id = "RP-01FRZ3NDEKTSV4RRFFQ69G5FAF",
                            .created_us = 1767312000000000,
                            .gateway_version = "x",
                            .source = {"7", 1, 5, "app", 150000, "UTF8", "UTF8"},
                            .actor = {.agent = "cursor", .ticket = "T-1", .approver = "bob"},
                            .capture = {.mode = "rows"},
                            .objects = &o,
                            .n_objects = 1};
    struct bs_manifest got;
    struct bs_point_ref ref;
    struct bs_arena arena;
    struct bs_buf dir;
    struct bs_err err = {0};
    char damaged[BS_KEY_MAX + 1];

    bs_arena_init(&arena, "test", 1 << 20);
    bs_buf_init(&dir, 1000);
    bs_point_put_dir(&dir, &m);
    bs_put_u8(&dir, '\0');
    REQUIRE(bs_points_intend(store, (const char *)dir.p, &m, &err) == BS_DONE);
    REQUIRE(bs_points_find(store, "01FRZ3", &arena, &ref, &err) == BS_DONE);
    EXPECT(ref.intended && !ref.complete && ref.outcome == BS_EVENT_NONE);
    REQUIRE(bs_points_intent(store, &ref, &arena, &got, &err) == BS_DONE);
    EXPECT(got.n_objects == 1 && strcmp(got.objects[0].name, "users") == 0);
    EXPECT(strcmp(got.actor.approver, "bob") == 0);
    EXPECT_EQ(bs_points_sound(store, &ref, damaged, &err), BS_DONE);
    event((const char *)dir.p, BS_EVENT_ABANDONED);
    REQUIRE(bs_points_find(store, "01FRZ3", &arena, &ref, &err) == BS_DONE);
    EXPECT_EQ(ref.outcome, BS_EVENT_ABANDONED);
    EXPECT_EQ(bs_points_sound(store, &ref, damaged, &err), BS_DONE);
    event((const char *)dir.p, BS_EVENT_COMMITTED);
    REQUIRE(bs_points_find(store, "01FRZ3", &arena, &ref, &err) == BS_DONE);
    EXPECT_EQ(bs_points_sound(store, &ref, damaged, &err), BS_FAILED);
    EXPECT_EQ(err.code, BS_E_DAMAGED);
    EXPECT(strstr(damaged, "01FRZ3NDEKTSV4RRFFQ69G5FAF/manifest.json") != NULL);
    bs_buf_fini(&dir);
    bs_arena_fini(&arena);
}

static const struct tap_case cases[] = {
    {"lists", lists},
    {"finds", finds},
    {"loads", loads},
    {"begun is not made", begun_is_not_made},
    {"events are read in order", events_are_read_in_order},
    {"events go to points only", events_go_to_points_only},
};

int
main(void)
{
    char url[128];
    struct bs_err err = {0};
    int status;

    if (mkdtemp(root) == NULL)
        return 1;
    (void)snprintf(url, sizeof(url), "file://%s", root);
    if (bs_store_open(url, &store, &err) != BS_DONE)
        return 1;
    status = tap_main(cases, sizeof(cases) / sizeof(cases[0]));
    bs_store_close(&store);
    return !folder_remove(root) || status;
}
