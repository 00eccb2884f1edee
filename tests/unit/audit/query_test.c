/*
 * query_test.c - what is found with an index is what is found without, and what is there.
 */
#include <stdlib.h>
#include <unistd.h>

#include "audit/chain.h"
#include "audit/index.h"
#include "audit/query.h"
#include "audit/record.h"
#include "base/clock.h"
#include "base/files.h"
#include "folder.h"
#include "tap.h"

enum { RECORDS = 6000, ACTORS = 12, TABLES = 9, STEP_US = 1000000 };

#define BEGIN_US INT64_C(1767225600000000) /* 2026-01-01 */

static char folder[64];

static const char *const actors[ACTORS] = {"ann",         "bob",       "o\"hara",   "back\\slash",
                                           "\xc3\xa4nne", "tab\there", "cleanup-1", "cleanup-2",
                                           "cleanup-3",   "x",         "y",         "ann\",\"z"};
static const char *const tables[TABLES] = {"public.t", "public.orders", "pay.\"q\"", "a.b", "c.d",
                                           "e.f",      "g.h",           "i.j",       "k.l"};

/*
 * All of record i is told by i. Times go back now and then, as those of two workers do, and for whole
 * blocks, as where somebody has set the clock.
 */
static int64_t
time_of(int i)
{
    int64_t back = i % 7 == 3 ? 5 * STEP_US / 2 : 0;

    if (i % 1500 >= 600 && i % 1500 < 900)
        back += INT64_C(700) * STEP_US;
    return BEGIN_US + (int64_t)i * STEP_US - back;
}

static void
write_one(struct bs_audit *a, int i)
{
    struct bs_audit_effect effects[2] = {{"DELETE", tables[i % TABLES], i},
                                         {"UPDATE", "public.often", 1}};
    char ticket[32], statement[200];
    struct bs_audit_record r = {
        .kind = i % 3 == 0 ? BS_AUDIT_OUTCOME : BS_AUDIT_JUDGED,
        .at_us = time_of(i),
        .actor = actors[i % ACTORS],
        .database = "app",
        .claims = "{\"ticket\":\"T-7\",\"actor\":\"nobody\"}",
        .ticket = i % 5 == 0 ? ticket : NULL,
        .risk = i % 11 == 0 ? "CRITICAL" : "SAFE",
        .effects = effects,
        .n_effects = i % 2 == 0   ? 0
                     : i % 4 == 1 ? 1
                                  : 2,
    };
    struct bs_err err = {0};

    (void)snprintf(ticket, sizeof(ticket), "T-%d", i);
    (void)snprintf(
        statement, sizeof(statement),
        "DELETE FROM t WHERE id = %d AND \"actor\":\"ann\" AND note = 'some text of length'", i);
    r.statement = bs_bytes_of(statement);
    EXPECT(bs_audit_enqueue(a, &r, &err) == BS_DONE);
}

static void
make_log(void)
{
    char key[100];
    struct bs_audit_options o = {.directory = folder, .key = key, .own_files = true};
    struct bs_err err = {0};
    size_t made = 0;
    uint64_t after = 0;
    struct bs_audit *a;

    (void)snprintf(folder, sizeof(folder), "/tmp/bs-query-XXXXXX");
    REQUIRE(mkdtemp(folder) != NULL);
    (void)snprintf(key, sizeof(key), "%s/key", folder);
    for (int from = 0; from < RECORDS; from += RECORDS / 4) { /* four files, of many blocks */
        REQUIRE(bs_audit_open(&o, &a, &err) == BS_DONE);
        for (int i = from; i < from + RECORDS / 4; i++)
            write_one(a, i);
        bs_audit_close(&a);
    }
    REQUIRE(bs_audit_index_make_all(folder, &after, NULL, &made, &err) == BS_DONE);
    EXPECT_EQ(made, 4);
    REQUIRE(bs_audit_index_make_all(folder, &after, NULL, &made, &err) == BS_DONE);
    EXPECT(made == 0 && after > 1);
    after = 0;
    REQUIRE(bs_audit_index_make_all(folder, &after, NULL, &made, &err) == BS_DONE);
    EXPECT_EQ(made, 0);
}

/* The seqs that are found, newest first, as "12 7 3 |" and the position that it goes on from. */
static void
find(const struct bs_audit_query *q, struct bs_buf *out, char next[256])
{
    struct bs_arena arena;
    const char *more = NULL;
    json_t *found = NULL, *record;
    struct bs_err err = {0};
    size_t i;

    bs_arena_init(&arena, "test", 1u << 20);
    EXPECT(bs_audit_find(folder, q, &arena, &found, &more, &err) == BS_DONE);
    json_array_foreach(found, i, record)
        bs_put_fmt(out, "%d ", (int)json_integer_value(json_object_get(record, "seq")));
    (void)snprintf(next, 256, "%s", more == NULL ? "" : more);
    json_decref(found);
    bs_arena_fini(&arena);
}

static void
same(struct bs_audit_query q, const char *what)
{
    struct bs_buf with, without;
    char a[256], b[256];
    bool equal;

    bs_buf_init(&with, 1u << 20);
    bs_buf_init(&without, 1u << 20);
    find(&q, &with, a);
    q.whole = true;
    find(&q, &without, b);
    equal = bs_bytes_equal(bs_buf_view(&with), bs_buf_view(&without)) && strcmp(a, b) == 0;
    EXPECT(equal);
    if (!equal)
        printf("# %s: with %.*s... without %.*s...\n", what, (int)(with.n < 80 ? with.n : 80),
               (const char *)with.p, (int)(without.n < 80 ? without.n : 80),
               (const char *)without.p);
    bs_buf_fini(&with);
    bs_buf_fini(&without);
}

/* How many fit, by the rule that made them. */
static int
expected(const struct bs_audit_query *q)
{
    int n = 0;

    for (int i = 0; i < RECORDS; i++) {
        char ticket[32];
        (void)snprintf(ticket, sizeof(ticket), "T-%d", i);
        if (q->actor != NULL && strcmp(q->actor, actors[i % ACTORS]) != 0)
            continue;
        if (q->ticket != NULL && (i % 5 != 0 || strcmp(q->ticket, ticket) != 0))
            continue;
        if (q->table != NULL && (i % 2 == 0 || strcmp(q->table, tables[i % TABLES]) != 0))
            continue;
        if (q->risk != NULL && strcmp(q->risk, i % 11 == 0 ? "CRITICAL" : "SAFE") != 0)
            continue;
        if (time_of(i) < q->from_us || (q->until_us != 0 && time_of(i) >= q->until_us))
            continue;
        n++;
    }
    return n;
}

static enum bs_done
count_one(void *ctx, json_t *record, struct bs_bytes line, const char *log, struct bs_err *err)
{
    (void)record;
    (void)line;
    (void)log;
    (void)err;
    ++*(int *)ctx;
    return BS_DONE;
}

static int
count(struct bs_audit_query q)
{
    struct bs_err err = {0};
    int n = 0;

    EXPECT(bs_audit_each(folder, &q, count_one, &n, &err) == BS_DONE);
    return n;
}

/* Any mixture of what can be asked for. */
static void
with_and_without(void)
{
    unsigned seed = 4711;
    char ticket[32];

    for (int i = 0; i < 80 && tap_misses == 0; i++) {
        int from = rand_r(&seed) % RECORDS, n = rand_r(&seed) % RECORDS;
        struct bs_audit_query q = {.limit = (size_t)(1 + rand_r(&seed) % 40)};
        (void)snprintf(ticket, sizeof(ticket), "T-%d", rand_r(&seed) % RECORDS);
        if (rand_r(&seed) % 2 == 0)
            q.actor = actors[rand_r(&seed) % ACTORS];
        if (rand_r(&seed) % 3 == 0)
            q.table = tables[rand_r(&seed) % TABLES];
        if (rand_r(&seed) % 8 == 0)
            q.ticket = ticket;
        if (rand_r(&seed) % 5 == 0)
            q.risk = "CRITICAL";
        if (rand_r(&seed) % 3 == 0)
            q.from_us = time_of(from);
        if (rand_r(&seed) % 3 == 0)
            q.until_us = time_of(from) + (int64_t)n * STEP_US / 4 + 1;
        same(q, q.actor == NULL ? "any actor" : q.actor);
        EXPECT_EQ(count(q), expected(&q));
    }
    same((struct bs_audit_query){.limit = 10, .actor = "nobody"}, "nobody"); /* only in claims */
    EXPECT_EQ(count((struct bs_audit_query){.actor = "nobody"}), 0);
    EXPECT_EQ(count((struct bs_audit_query){.table = "public.often"}), RECORDS / 4);
    EXPECT_EQ(count((struct bs_audit_query){.database = "app"}), RECORDS);
}

/* Page by page each record comes once, in order. */
static void
pages(void)
{
    struct bs_audit_query q = {.actor = "bob", .limit = 37};
    char next[256] = "", before[256];
    struct bs_buf all, once;
    int n = 0;

    bs_buf_init(&all, 1u << 20);
    bs_buf_init(&once, 1u << 20);
    do {
        memcpy(before, next, sizeof(before));
        q.before = before[0] == '\0' ? NULL : before;
        find(&q, &all, next);
        n++;
    } while (next[0] != '\0' && n < 1000);
    EXPECT_EQ(n, (RECORDS / ACTORS + 36) / 37);
    q = (struct bs_audit_query){.actor = "bob", .limit = RECORDS};
    find(&q, &once, next);
    EXPECT(bs_bytes_equal(bs_buf_view(&all), bs_buf_view(&once)));
    bs_buf_fini(&all);
    bs_buf_fini(&once);
}

/* An index that is damaged, or not of its file, is none; it is made anew. */
static void
bad_indexes(void)
{
    struct bs_segments files = {0};
    struct bs_audit_index *ix;
    struct bs_err err = {0};
    struct bs_buf b;
    char path[200];
    size_t made;
    uint64_t after = 0;

    REQUIRE(bs_segments_list(folder, &files, &err) == BS_DONE);
    (void)snprintf(path, sizeof(path), "%s/audit-%012llu.index", folder,
                   (unsigned long long)files.first[0]);
    ix = bs_audit_index_open(folder, files.first[0]);
    REQUIRE(ix != NULL);
    EXPECT(bs_audit_index_blocks(ix) > 3);
    EXPECT_EQ(bs_audit_index_block(ix, 0)->offset, 0);
    bs_audit_index_close(&ix);
    bs_buf_init(&b, 1u << 24);
    REQUIRE(bs_file_read(path, &b, &err) == BS_DONE);
    for (size_t at = 0; at < b.n; at += 97) {
        b.p[at] ^= 0x10;
        EXPECT(bs_file_replace(path, bs_buf_view(&b), 0600, &err) == BS_DONE);
        ix = bs_audit_index_open(folder, files.first[0]);
        EXPECT(ix == NULL || at < 8 + 8); /* of the magic nothing else than it */
        bs_audit_index_close(&ix);
        b.p[at] ^= 0x10;
        if (at > 4000)
            at += 20000;
    }
    EXPECT(truncate(path, (off_t)b.n - 8) == 0);
    EXPECT(bs_audit_index_open(folder, files.first[0]) == NULL);
    same((struct bs_audit_query){.limit = 50, .actor = "bob"}, "with a bad index");
    EXPECT(bs_audit_index_make_all(folder, &after, NULL, &made, &err) == BS_DONE && made == 1);
    EXPECT(unlink(path) == 0);
    after = 0;
    EXPECT(bs_audit_index_make_all(folder, &after, NULL, &made, &err) == BS_DONE && made == 1);
    bs_buf_fini(&b);
    bs_segments_fini(&files);
}

/* What the index leaves out is not read. */
static void
blocks_are_skipped(void)
{
    struct bs_segments files = {0};
    struct bs_err err = {0};
    size_t hits = 0, all = 0;

    REQUIRE(bs_segments_list(folder, &files, &err) == BS_DONE);
    for (size_t i = 0; i < files.n; i++) {
        struct bs_audit_index *ix = bs_audit_index_open(folder, files.first[i]);
        for (size_t k = 0; ix != NULL && k < bs_audit_index_blocks(ix); k++) {
            hits += bs_audit_index_may_have(ix, k, bs_audit_term_of("ticket", BS_LIT("T-25")));
            all++;
        }
        bs_audit_index_close(&ix);
    }
    EXPECT(all >= 15 && hits >= 1 && hits <= 2);
    bs_segments_fini(&files);
}

int
main(void)
{
    static const struct tap_case cases[] = {
        {"with and without an index", with_and_without},
        {"pages", pages},
        {"blocks are skipped", blocks_are_skipped},
        {"bad indexes", bad_indexes},
    };
    int failed;

    make_log();
    failed = tap_main(cases, sizeof(cases) / sizeof(cases[0]));
    if (!folder_remove(folder))
        failed = 1;
    return failed;
}
