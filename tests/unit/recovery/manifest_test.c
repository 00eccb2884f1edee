/*
 * manifest_test.c - what is printed is what is parsed, every flipped byte is seen, and the keys
 * of points are what the layout promises.
 */
#include "recovery/manifest.h"

#include <stdlib.h>

#include "tap.h"

static struct bs_point_column columns[] = {
    {"id", "bigint", 20, -1, NULL, 1, 0, 'a', true, 1},
    {"T\xc3\xa4g \"x\"\n", "public.mood[]", 16400, -1, "pg_catalog.\"C\"", 3, 's', 0, false, 0},
};
static struct bs_point_part parts[] = {
    {"v1/1/2-d/rp/a", 700, "aa"},
    {"v1/1/2-d/rp/b", 77, "bb"},
};
static struct bs_point_object objects[] = {
    {"public",       "users",         16384,   'r',  0,    "DROP TABLE", "target",
     BS_ROWS_BINARY, "v1/1/2-d/rp/a", columns, 2,    true, 5000000001,   7,
     5000000000,     INT64_MAX,       777,     "cc", "dd", parts,        2},
    {"public", "parted", 16390, 'p', 0, "DROP TABLE", "cascade", BS_ROWS_NONE, NULL, NULL, 0, false,
     0,        0,        0,     0,   0, NULL,         NULL,      NULL,         0},
};
static struct bs_point_sequence sequences[] = {
    {"public", "users_id_seq", 16383, 16384, "id", true, INT64_MIN, true}};
static struct bs_point_dependent closure[] = {
    {1259, 16500, "view", "public", "public.v", false, NULL, "other", "w"},
    {2606, 16501, "table constraint", NULL, "x on public.orders", true}};
static struct bs_point_fk incoming[] = {
    {"fk", "public", "orders", 16600, 16601, 16384, "FOREIGN KEY (u) REFERENCES users(id)"}};
static struct bs_point_proof proofs[] = {{"read-back", "ok", 1700000000123456, "capture"}};

static struct bs_manifest
sample(void)
{
    objects[0].of = "RP-01ARZ3NDEKTSV4RRFFQ69G5FAA";
    return (struct bs_manifest){
        .format = BS_MANIFEST_FORMAT,
        .id = "RP-01ARZ3NDEKTSV4RRFFQ69G5FAV",
        .created_us = 1795392000000001, /* 2026-11-23 */
        .gateway_version = "0.1.0",
        .source = {"7301234567890123456", 1, 16384, "app", 150018, "UTF8", "UTF8"},
        .actor = {"cursor", "alice", NULL, "127.0.0.1:5", "app_rw", "T-1", "bob", 4711, "2026"},
        .statement = {"ee", "DROP TABLE users CASCADE", "DROP TABLE"},
        .capture = {"rows", "it is so", "ShareRowExclusiveLock", "7:9:8", UINT64_MAX,
                    UINT64_MAX - 1, 1, 0, 3, "nightly", true},
        .schema = {"v1/1/2-d/schema/x.dump", "ff", "gg", 1234, "pg_dump (PostgreSQL) 15.18"},
        .objects = objects,
        .n_objects = 2,
        .sequences = sequences,
        .n_sequences = 1,
        .closure = closure,
        .n_closure = 2,
        .incoming = incoming,
        .n_incoming = 1,
        .proofs = proofs,
        .n_proofs = 1,
    };
}

static void
there_and_back(void)
{
    struct bs_manifest m = sample(), got;
    struct bs_arena arena;
    struct bs_buf a, b;
    struct bs_err err = {0};
    char sha[BS_SHA256_TEXT];
    const struct bs_point_column *c;

    bs_arena_init(&arena, "test", 1 << 20);
    bs_buf_init(&a, 1 << 20);
    bs_buf_init(&b, 1 << 20);
    REQUIRE(bs_manifest_print(&m, &a, sha, &err) == BS_DONE);
    EXPECT_EQ(strlen(sha), 64);
    REQUIRE(bs_manifest_parse(bs_buf_view(&a), &arena, &got, &err) == BS_DONE);
    REQUIRE(bs_manifest_print(&got, &b, NULL, &err) == BS_DONE);
    EXPECT(bs_bytes_equal(bs_buf_view(&a), bs_buf_view(&b)));
    EXPECT(strcmp(got.id, m.id) == 0);
    EXPECT_EQ(got.created_us, m.created_us);
    EXPECT(strcmp(got.source.database, "app") == 0);
    EXPECT_EQ(got.source.server_version_num, 150018);
    EXPECT(got.actor.session == NULL);
    EXPECT(strcmp(got.actor.approver, "bob") == 0);
    EXPECT(got.capture.xid == UINT64_MAX);
    EXPECT(got.capture.xid_until == UINT64_MAX - 1);
    EXPECT(strcmp(got.capture.why, "it is so") == 0);
    EXPECT_EQ(got.capture.snapshot_us, 0);
    EXPECT(got.objects[0].partial && !got.objects[1].partial);
    EXPECT_EQ(got.objects[0].replaced, 5000000001);
    EXPECT_EQ(got.objects[0].inserted, 7);
    REQUIRE(got.n_objects == 2 && got.objects[0].n_columns == 2 && got.objects[0].n_parts == 2);
    EXPECT_EQ(got.objects[0].row_count, 5000000000);
    EXPECT_EQ(got.objects[0].raw_bytes, INT64_MAX);
    EXPECT_EQ(got.objects[0].relkind, 'r');
    EXPECT_EQ(got.objects[1].format, BS_ROWS_NONE);
    EXPECT(got.objects[1].key == NULL);
    c = &got.objects[0].columns[1];
    EXPECT(strcmp(c->name, columns[1].name) == 0);
    EXPECT(c->generated == 's' && c->identity == 0 && !c->not_null && c->key == 0);
    EXPECT_EQ(c->typmod, -1);
    EXPECT_EQ(got.sequences[0].last_value, INT64_MIN);
    EXPECT(got.sequences[0].is_called && got.sequences[0].owned);
    EXPECT(got.n_closure == 2 && got.closure[1].part && got.closure[1].schema == NULL);
    EXPECT(strcmp(got.closure[0].now_schema, "other") == 0 &&
           strcmp(got.closure[0].now_name, "w") == 0);
    EXPECT(got.closure[1].now_name == NULL);
    EXPECT(got.n_incoming == 1 && got.incoming[0].ref_oid == 16384);
    EXPECT(got.n_proofs == 1 && got.proofs[0].at_us == 1700000000123456);
    bs_buf_fini(&a);
    bs_buf_fini(&b);
    bs_arena_fini(&arena);
}

static enum bs_code
parse(const void *p, size_t n)
{
    struct bs_manifest m;
    struct bs_arena arena;
    struct bs_err err = {0};
    enum bs_done done;

    bs_arena_init(&arena, "test", 1 << 20);
    done = bs_manifest_parse((struct bs_bytes){p, n}, &arena, &m, &err);
    EXPECT((done == BS_DONE) == (err.code == BS_OK));
    bs_arena_fini(&arena);
    return err.code;
}

static void
every_byte_counts(void)
{
    struct bs_manifest m = sample();
    struct bs_buf b;
    struct bs_err err = {0};

    bs_buf_init(&b, 1 << 20);
    REQUIRE(bs_manifest_print(&m, &b, NULL, &err) == BS_DONE);
    for (size_t i = 0; i < b.n; i++) {
        b.p[i] ^= (uint8_t)(1u << i % 8);
        if (parse(b.p, b.n) != BS_E_DAMAGED)
            EXPECT(!"a flipped byte was not seen");
        b.p[i] ^= (uint8_t)(1u << i % 8);
    }
    for (size_t n = 0; n < b.n; n += 7)
        EXPECT_EQ(parse(b.p, n), BS_E_DAMAGED);
    bs_put_u8(&b, '\n');
    EXPECT_EQ(parse(b.p, b.n), BS_E_DAMAGED);
    EXPECT_EQ(parse(b.p, b.n - 1), BS_OK);
    bs_buf_fini(&b);
}

static void
print_is(const struct bs_manifest *m, enum bs_code want_print, enum bs_code want_parse)
{
    struct bs_buf b;
    struct bs_err err = {0};

    bs_buf_init(&b, 1 << 20);
    (void)!bs_manifest_print(m, &b, NULL, &err);
    EXPECT_EQ(err.code, want_print);
    if (err.code == BS_OK)
        EXPECT_EQ(parse(b.p, b.n), want_parse);
    bs_buf_fini(&b);
}

/* Points from before partial objects say nothing of them: whole, and nothing counted. */
static void
older_points_are_read(void)
{
    struct bs_manifest m = sample(), got;
    struct bs_point_object whole = objects[0];
    struct bs_arena arena;
    struct bs_buf b;
    struct bs_err err = {0};

    whole.partial = false;
    whole.replaced = whole.inserted = 0;
    m.objects = &whole;
    m.n_objects = 1;
    m.capture.xid_until = 0;
    m.capture.why = NULL;
    bs_arena_init(&arena, "test", 1 << 20);
    bs_buf_init(&b, 1 << 20);
    REQUIRE(bs_manifest_print(&m, &b, NULL, &err) == BS_DONE);
    bs_put_u8(&b, '\0');
    EXPECT(strstr((const char *)b.p, "partial") == NULL);
    EXPECT(strstr((const char *)b.p, "replaced") == NULL);
    EXPECT(strstr((const char *)b.p, "xid_until") == NULL);
    EXPECT(strstr((const char *)b.p, "why") == NULL);
    REQUIRE(bs_manifest_parse((struct bs_bytes){b.p, b.n - 1}, &arena, &got, &err) == BS_DONE);
    EXPECT(!got.objects[0].partial && got.objects[0].replaced == 0 && got.capture.xid_until == 0);
    bs_buf_fini(&b);
    bs_arena_fini(&arena);
}

/* Well-formed and with a right digest, and still not to be believed. */
static void
nonsense_is_refused(void)
{
    struct bs_manifest m = sample();
    struct bs_point_object o[2];
    struct bs_point_part p[2];

    m.source.database = "\xff\xfe";
    print_is(&m, BS_E_DATA, BS_OK);
    m = sample();
    m.gateway_version = NULL;
    print_is(&m, BS_E_DATA, BS_OK);
    m = sample();
    m.format = BS_MANIFEST_FORMAT + 1;
    print_is(&m, BS_OK, BS_E_UNSUPPORTED);
    m = sample();
    memcpy(o, objects, sizeof(o));
    memcpy(p, parts, sizeof(p));
    m.objects = o;
    o[0].parts = p;
    print_is(&m, BS_OK, BS_OK);
    p[0].key = "../../etc/passwd";
    print_is(&m, BS_OK, BS_E_DAMAGED);
    p[0].key = parts[0].key;
    p[0].stored_bytes = -1;
    print_is(&m, BS_OK, BS_E_DAMAGED);
    p[0].stored_bytes = INT64_MAX;
    print_is(&m, BS_OK, BS_E_DAMAGED);
    p[0].stored_bytes = 701;
    print_is(&m, BS_OK, BS_E_DAMAGED);
    p[0].stored_bytes = 700;
    o[0].row_count = -1;
    print_is(&m, BS_OK, BS_E_DAMAGED);
    o[0] = objects[0];
    o[0].replaced = -1;
    print_is(&m, BS_OK, BS_E_DAMAGED);
    o[0] = objects[0];
    o[0].n_parts = 0;
    print_is(&m, BS_OK, BS_E_DAMAGED);
    o[0] = objects[0];
    o[0].sha256 = NULL;
    print_is(&m, BS_OK, BS_E_DAMAGED);
    o[0] = objects[0];
    m.schema.sha256 = NULL;
    print_is(&m, BS_OK, BS_E_DAMAGED);
}

static void
memory_is_bounded(void)
{
    struct bs_manifest m = sample(), got;
    struct bs_arena arena;
    struct bs_buf b;
    struct bs_err err = {0};

    bs_buf_init(&b, 100);
    EXPECT_EQ(bs_manifest_print(&m, &b, NULL, &err), BS_FAILED);
    EXPECT_EQ(err.code, BS_E_LIMIT);
    bs_buf_fini(&b);
    err = (struct bs_err){0};
    bs_buf_init(&b, 1 << 20);
    REQUIRE(bs_manifest_print(&m, &b, NULL, &err) == BS_DONE);
    bs_arena_init(&arena, "test", 500);
    EXPECT_EQ(bs_manifest_parse(bs_buf_view(&b), &arena, &got, &err), BS_FAILED);
    EXPECT_EQ(err.code, BS_E_LIMIT);
    bs_arena_fini(&arena);
    bs_buf_fini(&b);
}

static void
events(void)
{
    struct bs_point_event e = {.state = BS_EVENT_ARMED,
                               .xid = 18446744073709551615u,
                               .xid_until = 7,
                               .by = "gateway",
                               .details = "{\"rows\": {\"public.users\": 3}}"};
    struct bs_point_event got;
    struct bs_arena arena;
    struct bs_buf b;
    struct bs_err err = {0};

    bs_arena_init(&arena, "test", 1 << 16);
    bs_buf_init(&b, 1 << 16);
    REQUIRE(bs_event_print(&e, "RP-1", &b, &err) == BS_DONE);
    REQUIRE(bs_event_parse(bs_buf_view(&b), &arena, &got, &err) == BS_DONE);
    EXPECT_EQ(got.state, BS_EVENT_ARMED);
    EXPECT(got.xid == e.xid && got.xid_until == 7 && got.at_us != 0);
    EXPECT(strcmp(got.by, "gateway") == 0);
    EXPECT(strcmp(got.details, "{\"rows\":{\"public.users\":3}}") == 0);
    b.p[b.n / 2] ^= 1;
    EXPECT_EQ(bs_event_parse(bs_buf_view(&b), &arena, &got, &err), BS_FAILED);
    EXPECT_EQ(err.code, BS_E_DAMAGED);
    err = (struct bs_err){0};
    e.details = "[1]";
    EXPECT_EQ(bs_event_print(&e, "RP-1", &b, &err), BS_FAILED);
    EXPECT_EQ(err.code, BS_E_DATA);
    bs_buf_fini(&b);
    bs_arena_fini(&arena);
}

static void
names_of_states(void)
{
    for (unsigned i = 0; i < BS_EVENT_COUNT; i++)
        EXPECT_EQ(bs_event_find(bs_event_name((enum bs_event_state)i)), i);
    EXPECT_EQ(bs_event_find("anything"), BS_EVENT_UNKNOWN);
    EXPECT(strcmp(bs_event_name(BS_EVENT_COUNT), "unknown") == 0);
}

static void
layout(void)
{
    struct bs_manifest m = sample();
    struct bs_buf b;
    char id[BS_POINT_ID_TEXT];

    bs_buf_init(&b, 1000);
    m.source.database = "my/db";
    bs_point_put_dir(&b, &m);
    EXPECT(bs_bytes_equal(bs_buf_view(&b), BS_LIT("v1/7301234567890123456/16384-my%2Fdb/rp/2026/"
                                                  "11/23/RP-01ARZ3NDEKTSV4RRFFQ69G5FAV/")));
    bs_buf_fini(&b);
    bs_point_id_new(id);
    EXPECT_EQ(strlen(id), BS_POINT_ID_TEXT - 1);
    EXPECT(strncmp(id, "RP-", 3) == 0);
}

static const struct tap_case cases[] = {
    {"there and back", there_and_back},       {"older points are read", older_points_are_read},
    {"every byte counts", every_byte_counts}, {"nonsense is refused", nonsense_is_refused},
    {"memory is bounded", memory_is_bounded}, {"events", events},
    {"names of states", names_of_states},     {"layout", layout},
};

int
main(void)
{
    return tap_main(cases, sizeof(cases) / sizeof(cases[0]));
}
