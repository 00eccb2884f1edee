/*
 * coverage_test.c - each thing that a transaction can change behind a point's back is found, and
 * honest work is not called a change.
 */
#include "gateway/coverage.h"

#include "recovery/globals.h"
#include "tap.h"

enum {
    ORDERS = 20001,
    ITEMS = 20002,
    TOAST = 20003,
    LOG = 20004,
    SEQ = 20005,
    FOREIGN = 20006,
    VIEW = 20007,
    INDEX = 20008,
    TEMPORARY = 20009,
    MATVIEW = 20010,
    PG_CLASS = 1259,
    PG_PROC = 1255,
    LARGE_OBJECTS = 2613,
    ROLES = 1260
};

/* The database before: relations with their file nodes. */
static const struct bs_reading_row base[] = {
    {.oid = PG_PROC, .relkind = 'r'},
    {.oid = PG_CLASS, .relkind = 'r'},
    {.oid = ROLES, .relkind = 'r'},
    {.oid = LARGE_OBJECTS, .relkind = 'r'},
    /* counts left over from earlier transactions */
    {ORDERS, 'r', 501, TOAST, false, 3, 2, 1},
    {.oid = ITEMS, .relkind = 'r', .filenode = 502},
    {.oid = TOAST, .relkind = 't', .filenode = 503},
    {.oid = LOG, .relkind = 'r', .filenode = 504},
    {.oid = SEQ, .relkind = 'S', .filenode = 505},
    {.oid = FOREIGN, .relkind = 'f'},
    {.oid = VIEW, .relkind = 'v'},
    {.oid = INDEX, .relkind = 'i', .filenode = 506},
    {.oid = TEMPORARY, .relkind = 'r', .filenode = 507, .temporary = true},
    {.oid = MATVIEW, .relkind = 'm', .filenode = 508},
};

struct change {
    uint32_t oid;
    int64_t ins, upd, del;
    uint32_t filenode; /* 0: as before */
    bool gone;
};

static const struct row {
    const char *what;
    enum bs_plan_kind plan;
    bool ddl, exclusive; /* of the plan; ORDERS is its one table where it is WHOLE */
    struct change change[3];
    struct bs_lock locks[3];
    size_t want;      /* findings */
    size_t rows;      /* tables whose replaced rows are to be looked at */
    size_t sequences; /* that were moved */
} rows[] = {
    {"nothing at all", BS_PLAN_WHOLE, false, false, {{0}}, {{0}}, 0},
    {"rows of the captured table", BS_PLAN_WHOLE, false, false, {{ORDERS, 0, 5, 7}}, {{0}}, 0},
    {"its TOAST table", BS_PLAN_WHOLE, false, false, {{TOAST, 0, 0, 9}}, {{0}}, 0},
    {"rows of another table", BS_PLAN_WHOLE, false, false, {{ITEMS, 0, 0, 1}}, {{0}}, 0, 1},
    {"an update of another table", BS_PLAN_WHOLE, false, false, {{ITEMS, 0, 1, 0}}, {{0}}, 0, 1},
    {"rows of a plan by rows", BS_PLAN_ROWS, false, false, {{ORDERS, 0, 5, 7}}, {{0}}, 0, 1},
    {"and their TOAST",
     BS_PLAN_ROWS,
     false,
     false,
     {{ORDERS, 0, 1, 0}, {TOAST, 3, 0, 3}},
     {{0}},
     0,
     1},
    {"TOAST alone", BS_PLAN_ROWS, false, false, {{TOAST, 0, 0, 3}}, {{0}}, 1, 0},
    {"a temporary table", BS_PLAN_ROWS, false, false, {{TEMPORARY, 0, 3, 3}}, {{0}}, 0, 0},
    {"rows of a materialized view", BS_PLAN_ROWS, false, false, {{MATVIEW, 0, 0, 3}}, {{0}}, 1, 0},
    {"a row added by a trigger", BS_PLAN_WHOLE, false, false, {{LOG, 1, 0, 0}}, {{0}}, 0},
    {"GRANT in a function", BS_PLAN_WHOLE, false, false, {{PG_CLASS, 0, 1, 0}}, {{0}}, 1},
    {"CREATE FUNCTION in a function", BS_PLAN_RECORD, false, false, {{PG_PROC, 1, 0, 0}}, {{0}}, 1},
    {"DROP writes the catalog", BS_PLAN_WHOLE, true, true, {{PG_CLASS, 0, 0, 4}}, {{0}}, 0},
    {"lo_unlink in a trigger of TRUNCATE",
     BS_PLAN_WHOLE,
     true,
     true,
     {{LARGE_OBJECTS, 0, 0, 1}},
     {{0}},
     1},
    {"CREATE ROLE beside a DROP", BS_PLAN_WHOLE, true, true, {{ROLES, 1, 0, 0}}, {{0}}, 1},
    {"additive, and only that", BS_PLAN_RECORD, false, false, {{ORDERS, 2, 0, 0}}, {{0}}, 0, 1},
    {"additive, but a trigger deletes",
     BS_PLAN_RECORD,
     false,
     false,
     {{ORDERS, 2, 0, 0}, {ITEMS, 0, 0, 1}},
     {{0}},
     0,
     2},
    {"TRUNCATE in a function: counters say nothing",
     BS_PLAN_WHOLE,
     false,
     false,
     {{ITEMS, 0, 0, 0, 999, false}},
     {{.locktype = "relation", .mode = "AccessExclusiveLock", .relation_oid = ITEMS}},
     1},
    {"TRUNCATE of the captured table in a function",
     BS_PLAN_WHOLE,
     false,
     false,
     {{ORDERS, 0, 0, 0, 999, false}},
     {{.locktype = "relation", .mode = "AccessExclusiveLock", .relation_oid = ORDERS}},
     1},
    {"the TRUNCATE that was planned",
     BS_PLAN_WHOLE,
     true,
     true,
     {{ORDERS, 0, 0, 0, 999, false}},
     {{.locktype = "relation", .mode = "AccessExclusiveLock", .relation_oid = ORDERS}},
     0},
    {"the DROP that was planned",
     BS_PLAN_WHOLE,
     true,
     true,
     {{ORDERS, 0, 0, 0, 0, true}},
     {{.locktype = "relation", .mode = "AccessExclusiveLock", .relation_oid = ORDERS}},
     0},
    {"a DROP that takes another table",
     BS_PLAN_WHOLE,
     true,
     true,
     {{ITEMS, 0, 0, 0, 0, true}},
     {{.locktype = "relation", .mode = "AccessExclusiveLock", .relation_oid = ITEMS}},
     1},
    {"a DROP that takes a view",
     BS_PLAN_WHOLE,
     true,
     true,
     {{VIEW, 0, 0, 0, 0, true}},
     {{.locktype = "relation", .mode = "AccessExclusiveLock", .relation_oid = VIEW}},
     0},
    {"a DROP that takes a materialized view that no point names",
     BS_PLAN_WHOLE,
     true,
     true,
     {{MATVIEW, 0, 0, 0, 0, true}},
     {{.locktype = "relation", .mode = "AccessExclusiveLock", .relation_oid = MATVIEW}},
     1},
    {"an index of another table goes",
     BS_PLAN_WHOLE,
     true,
     true,
     {{INDEX, 0, 0, 0, 0, true}},
     {{.locktype = "relation",
       .mode = "AccessExclusiveLock",
       .relation_oid = INDEX,
       .relkind = 'i',
       .parent_oid = ITEMS}},
     1},
    {"an index of the dropped table goes",
     BS_PLAN_WHOLE,
     true,
     true,
     {{INDEX, 0, 0, 0, 0, true}},
     {{.locktype = "relation",
       .mode = "AccessExclusiveLock",
       .relation_oid = INDEX,
       .relkind = 'i',
       .parent_oid = ORDERS}},
     0},
    {"a table dropped by somebody else meanwhile",
     BS_PLAN_WHOLE,
     false,
     false,
     {{ITEMS, 0, 0, 0, 0, true}},
     {{0}},
     0},
    {"a constraint of a neighbour goes",
     BS_PLAN_WHOLE,
     true,
     true,
     {{0}},
     {{.locktype = "relation", .mode = "AccessExclusiveLock", .relation_oid = ITEMS}},
     0},
    {"LOCK TABLE in a function",
     BS_PLAN_WHOLE,
     false,
     false,
     {{0}},
     {{.locktype = "relation", .mode = "AccessExclusiveLock", .relation_oid = ITEMS}},
     1},
    {"a foreign table is written",
     BS_PLAN_WHOLE,
     false,
     false,
     {{0}},
     {{.locktype = "relation",
       .mode = "RowExclusiveLock",
       .relation_oid = FOREIGN,
       .relkind = 'f'}},
     1},
    {"a table that others made meanwhile, truncated beside DDL",
     BS_PLAN_RECORD,
     false,
     true,
     {{30001, 0, 0, 0, 777, false}},
     {{.locktype = "relation",
       .mode = "AccessExclusiveLock",
       .relation_oid = 30001,
       .schema = "public",
       .name = "late"}},
     1},
    {"a foreign table that nobody else sees yet is written",
     BS_PLAN_WHOLE,
     false,
     false,
     {{0}},
     {{.locktype = "relation", .mode = "RowExclusiveLock", .relation_oid = FOREIGN}},
     1},
    {"setval in a function",
     BS_PLAN_WHOLE,
     false,
     false,
     {{0}},
     {{.locktype = "relation", .mode = "RowExclusiveLock", .relation_oid = SEQ, .relkind = 'S'}},
     0,
     0,
     1},
    {"a sequence serves an INSERT",
     BS_PLAN_RECORD,
     false,
     false,
     {{ORDERS, 1, 0, 0}},
     {{.locktype = "relation", .mode = "RowExclusiveLock", .relation_oid = SEQ, .relkind = 'S'}},
     0,
     1},
    {"an object of the catalog",
     BS_PLAN_WHOLE,
     false,
     false,
     {{0}},
     {{.locktype = "object",
       .mode = "AccessExclusiveLock",
       .class_oid = 1255,
       .object_oid = 30000}},
     1},
    {"an object that came with the server",
     BS_PLAN_WHOLE,
     true,
     false,
     {{0}},
     {{.locktype = "object",
       .mode = "ShareUpdateExclusiveLock",
       .database_oid = 5,
       .class_oid = 3456,
       .object_oid = 962},
      {.locktype = "object",
       .mode = "AccessExclusiveLock",
       .database_oid = 5,
       .class_oid = 3456,
       .object_oid = 30000},
      {.locktype = "object",
       .mode = "AccessExclusiveLock",
       .database_oid = 5,
       .class_oid = 2615,
       .object_oid = 2200}},
     1},
    {"a table of its own, or of somebody else since",
     BS_PLAN_WHOLE,
     false,
     false,
     {{30001, 5, 5, 5, 777, false}},
     {{.locktype = "relation", .mode = "AccessExclusiveLock", .relation_oid = 30001}},
     0,
     1},
    {"a table of its own, only filled",
     BS_PLAN_WHOLE,
     false,
     false,
     {{30001, 5, 0, 0, 777}},
     {{0}},
     0},
    {"row locks and reads",
     BS_PLAN_WHOLE,
     false,
     false,
     {{0}},
     {{.locktype = "relation", .mode = "RowShareLock", .relation_oid = ITEMS, .relkind = 'r'},
      {.locktype = "transactionid", .mode = "ExclusiveLock"}},
     0},
};

/* The reading after: the base with the row's changes. */
static size_t
make_after(const struct row *row, struct bs_reading_row *after)
{
    size_t n = 0;

    for (size_t i = 0; i < sizeof(base) / sizeof(base[0]); i++) {
        struct bs_reading_row r = base[i];
        bool gone = false;
        for (size_t k = 0; k < 3; k++) {
            const struct change *c = &row->change[k];
            if (c->oid != r.oid)
                continue;
            r.inserted += c->ins;
            r.updated += c->upd;
            r.deleted += c->del;
            r.filenode = c->filenode == 0 ? r.filenode : c->filenode;
            gone = c->gone;
        }
        if (!gone)
            after[n++] = r;
    }
    if (row->change[0].oid > 30000)
        after[n++] = (struct bs_reading_row){row->change[0].oid,
                                             'r',
                                             row->change[0].filenode,
                                             0,
                                             false,
                                             row->change[0].ins,
                                             row->change[0].upd,
                                             row->change[0].del};
    return n;
}

static void
every_change_is_judged(void)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct row *row = &rows[i];
        struct bs_reading_row before_rows[20], after_rows[20];
        struct bs_reading before = {.rows = before_rows, .n = sizeof(base) / sizeof(base[0])};
        struct bs_reading after = {.rows = after_rows, .n = make_after(row, after_rows)};
        struct bs_plan_table table = {.oid = ORDERS,
                                      .schema = "public",
                                      .name = "orders",
                                      .relkind = 'r',
                                      .exclusive = row->exclusive};
        struct bs_plan plan = {.kind = row->plan,
                               .ddl = row->ddl,
                               .tables = &table,
                               .n_tables = row->plan == BS_PLAN_WHOLE};
        struct bs_point_object object = {.oid = ORDERS};
        struct bs_point_dependent view = {.class_oid = PG_CLASS, .oid = VIEW};
        struct bs_manifest manifest = {
            .objects = &object, .n_objects = 1, .closure = &view, .n_closure = 1};
        struct bs_covered part = {&plan, row->plan == BS_PLAN_WHOLE ? &manifest : NULL, NULL, 0};
        struct bs_coverage in = {
            .before = &before, .after = &after, .locks = row->locks, .parts = &part, .n_parts = 1};
        struct bs_uncovered found = {0};
        struct bs_err err = {0};
        struct bs_arena arena;

        memcpy(before_rows, base, sizeof(base));
        while (in.n_locks < 3 && row->locks[in.n_locks].locktype != NULL)
            in.n_locks++;
        bs_arena_init(&arena, "test", 1 << 20);
        EXPECT_EQ(bs_coverage_check(&in, &arena, &found, &err), BS_DONE);
        EXPECT_EQ(found.n, row->want);
        EXPECT_EQ(found.n_changed, row->rows);
        EXPECT_EQ(found.n_sequences, row->sequences);
        if (tap_misses != 0)
            printf("# in row: %s\n", row->what);
        bs_arena_fini(&arena);
    }
}

/* What is DDL's own where nothing else runs, code that nobody has vetted may have done. */
static void
beside_unvetted_code_no_ddl_is_expected(void)
{
    struct bs_reading_row was[] = {base[0], {1259, 'r', 1259, 0, false, 0, 0, 0}}, is[2];
    struct bs_reading before = {was, 2, 2}, after = {is, 2, 2};
    struct bs_plan ddl = {.kind = BS_PLAN_RECORD, .ddl = true}, code = {.kind = BS_PLAN_ROWS};
    struct bs_covered parts[] = {{.plan = &ddl}, {.plan = &code}};
    struct bs_coverage in = {
        .before = &before, .after = &after, .parts = parts, .n_parts = 2, .ddl = true};

    memcpy(is, was, sizeof(is));
    is[1].inserted = 1;
    bs_reading_sort(&before);
    bs_reading_sort(&after);
    for (int unvetted = 0; unvetted < 2; unvetted++) {
        struct bs_uncovered found = {0};
        struct bs_err err = {0};
        struct bs_arena arena;
        bs_arena_init(&arena, "test", 1 << 20);
        code.unvetted = unvetted == 1;
        EXPECT_EQ(bs_coverage_check(&in, &arena, &found, &err), BS_DONE);
        EXPECT_EQ(found.n, unvetted);
        bs_arena_fini(&arena);
    }
}

/* A lock of before excuses itself, but not what is done under it. */
static void
locks_that_were_there(void)
{
    const struct bs_lock lock = {
        .locktype = "relation", .mode = "AccessExclusiveLock", .relation_oid = ITEMS};

    for (int held = 0; held < 2; held++) {
        for (uint32_t file = 502; file < 504; file++) { /* as before, and another */
            struct bs_reading_row was = {.oid = ITEMS, .relkind = 'r', .filenode = 502}, is = was;
            struct bs_reading before = {&was, 1, 1}, after = {&is, 1, 1};
            struct bs_plan plan = {.kind = BS_PLAN_ROWS};
            struct bs_covered part = {.plan = &plan};
            struct bs_coverage in = {.before = &before,
                                     .after = &after,
                                     .locks = &lock,
                                     .n_locks = 1,
                                     .had = &lock,
                                     .n_had = (size_t)held,
                                     .parts = &part,
                                     .n_parts = 1};
            struct bs_uncovered left;
            struct bs_err err = {0};
            struct bs_arena arena;

            is.filenode = file;
            bs_arena_init(&arena, "test", 1 << 20);
            EXPECT_EQ(bs_coverage_check(&in, &arena, &left, &err), BS_DONE);
            EXPECT_EQ(left.n, held == 0 || file != 502);
            bs_arena_fini(&arena);
        }
    }
}

/* What was read before the statement counts as far as it was found, and no further. */
static void
rows_that_were_read_before(void)
{
    static const struct {
        int64_t lost, found;
        uint32_t of;
        size_t want;
    } cases[] = {{3, 3, ITEMS, 0}, {3, 4, ITEMS, 0}, {3, 2, ITEMS, 1}, {3, 3, LOG, 1}};

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct bs_reading_row was = {.oid = ITEMS, .relkind = 'r'}, is = was;
        struct bs_reading before = {&was, 1, 1}, after = {&is, 1, 1};
        struct bs_changed changed[2] = {{cases[i].of, cases[i].found - 1, 0}, {cases[i].of, 1, 0}};
        struct bs_plan plan = {.kind = BS_PLAN_ROWS};
        struct bs_covered parts[2] = {{&plan, NULL, changed, 1}, {&plan, NULL, changed + 1, 1}};
        struct bs_coverage in = {.before = &before, .after = &after, .parts = parts, .n_parts = 2};
        struct bs_uncovered left;
        struct bs_err err = {0};
        struct bs_arena arena;

        is.deleted = cases[i].lost;
        bs_arena_init(&arena, "test", 1 << 20);
        EXPECT_EQ(bs_coverage_check(&in, &arena, &left, &err), BS_DONE);
        EXPECT_EQ(left.n, 0);
        EXPECT_EQ(left.n_changed, cases[i].want);
        bs_arena_fini(&arena);
    }
}

/* With track_counts off, or answers that belong to another question, nothing is known. */
static void
an_empty_reading_covers_nothing(void)
{
    struct bs_reading_row row = base[0];
    struct bs_reading none = {0}, some = {&row, 1, 1};
    struct bs_uncovered found;
    struct bs_arena arena;

    bs_arena_init(&arena, "test", 1 << 20);
    for (int i = 0; i < 3; i++) {
        struct bs_coverage in = {.before = i == 1 ? &some : &none, .after = i == 2 ? &some : &none};
        struct bs_err err = {0};
        EXPECT_EQ(bs_coverage_check(&in, &arena, &found, &err), BS_FAILED);
        EXPECT_EQ(err.code, BS_E_DATA);
    }
    bs_arena_fini(&arena);
}

/* What a point has of the cluster explains changes of just that, and only where a point has it. */
static void
what_is_kept_of_the_cluster(void)
{
    static const struct {
        uint32_t catalog;
        unsigned globals;
        size_t kept; /* in the manifest */
        bool unvetted;
        size_t found;
    } cases[] = {
        {1260, BS_GLOBAL_ROLES, 1, false, 0}, {1260, BS_GLOBAL_ROLES, 0, false, 1},
        {1260, BS_GLOBAL_ROLES, 1, true, 1},  {1260, BS_GLOBAL_MEMBERS, 1, false, 1},
        {1262, BS_GLOBAL_ROLES, 1, false, 1}, {1262, BS_GLOBAL_DATABASES, 1, false, 0},
        {2396, BS_GLOBAL_ROLES, 1, false, 0}, {2396, BS_GLOBAL_SETTINGS, 1, false, 1},
        {1255, BS_GLOBAL_ALL, 1, false, 1}, /* pg_proc: of this database */
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct bs_reading_row was = {.oid = cases[i].catalog, .relkind = 'r'}, is = was;
        struct bs_reading before = {&was, 1, 1}, after = {&is, 1, 1};
        struct bs_manifest m = {.n_globals = cases[i].kept};
        struct bs_plan plan = {
            .kind = BS_PLAN_RECORD, .globals = cases[i].globals, .unvetted = cases[i].unvetted};
        struct bs_covered part = {.plan = &plan, .manifest = &m};
        struct bs_coverage in = {.before = &before, .after = &after, .parts = &part, .n_parts = 1};
        struct bs_uncovered found;
        struct bs_err err = {0};
        struct bs_arena arena;
        bs_arena_init(&arena, "test", 1 << 20);
        is.updated = 1;
        EXPECT_EQ(bs_coverage_check(&in, &arena, &found, &err), BS_DONE);
        if (!tap_equal((intmax_t)found.n, (intmax_t)cases[i].found, "found", __FILE__, __LINE__))
            printf("# in row %zu\n", i);
        bs_arena_fini(&arena);
    }
}

/* A plan that changes the schema explains that a table was locked, not that a column of it went. */
static void
a_dropped_column_is_seen(void)
{
    const char *columns[] = {"c"};
    struct bs_reading_row was = {.oid = ITEMS, .relkind = 'r', .filenode = 502}, is = was;
    struct bs_reading before = {&was, 1, 1}, after = {&is, 1, 1};
    struct bs_lock lock = {.locktype = "relation",
                           .mode = "AccessExclusiveLock",
                           .granted = true,
                           .relation_oid = ITEMS,
                           .relkind = 'r',
                           .schema = "public",
                           .name = "items"};
    struct bs_plan_table table = {
        .oid = ITEMS, .exclusive = true, .columns = columns, .n_columns = 1};
    struct bs_point_object object = {.oid = ITEMS, .columns_only = true};
    struct bs_manifest kept = {.objects = &object, .n_objects = 1}, not_kept = {0};
    struct bs_plan plan = {.kind = BS_PLAN_RECORD, .ddl = true, .tables = &table, .n_tables = 1};
    struct bs_covered part = {.plan = &plan};
    struct bs_coverage in = {.before = &before,
                             .after = &after,
                             .locks = &lock,
                             .n_locks = 1,
                             .parts = &part,
                             .n_parts = 1};

    for (int i = 0; i < 3; i++) {
        struct bs_uncovered found;
        struct bs_err err = {0};
        struct bs_arena arena;
        bs_arena_init(&arena, "test", 1 << 20);
        is.gone = i == 0 ? 0 : 1;
        part.manifest = i == 2 ? &kept : &not_kept;
        EXPECT_EQ(bs_coverage_check(&in, &arena, &found, &err), BS_DONE);
        EXPECT_EQ(found.n, i == 1);
        bs_arena_fini(&arena);
    }
}

/* Its rows are elsewhere, so its definition is all that goes: where a point names it. A table's rows
 * are in no definition, whatever names it. */
static void
a_dropped_foreign_table_is_told(void)
{
    static const struct {
        char relkind;
        bool told, ddl;
        size_t found;
    } cases[] = {{'f', true, true, 0},
                 {'f', false, true, 1},
                 {'f', true, false, 1},
                 {'r', true, true, 1},
                 {'p', true, true, 1}};

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct bs_reading_row was[] = {{.oid = PG_CLASS, .relkind = 'r'},
                                       {.oid = FOREIGN, .relkind = cases[i].relkind}};
        struct bs_reading before = {was, 2, 2}, after = {was, 1, 1};
        struct bs_lock lock = {.locktype = "relation",
                               .mode = "AccessExclusiveLock",
                               .granted = true,
                               .relation_oid = FOREIGN,
                               .schema = "public",
                               .name = "remote"};
        struct bs_point_dependent d = {.class_oid = PG_CLASS,
                                       .oid = cases[i].told ? FOREIGN : VIEW};
        struct bs_manifest m = {.closure = &d, .n_closure = 1};
        struct bs_plan plan = {.kind = BS_PLAN_RECORD, .ddl = cases[i].ddl, .definition = true};
        struct bs_covered part = {.plan = &plan, .manifest = &m};
        struct bs_coverage in = {.before = &before,
                                 .after = &after,
                                 .locks = &lock,
                                 .n_locks = 1,
                                 .parts = &part,
                                 .n_parts = 1};
        struct bs_uncovered found;
        struct bs_err err = {0};
        struct bs_arena arena;
        bs_arena_init(&arena, "test", 1 << 20);
        EXPECT_EQ(bs_coverage_check(&in, &arena, &found, &err), BS_DONE);
        if (!tap_equal((intmax_t)found.n, (intmax_t)cases[i].found, "found", __FILE__, __LINE__))
            printf("# in row %zu\n", i);
        bs_arena_fini(&arena);
    }
}

/* Of a composite type a definition has all, where a point has it, for the statement that shrinks it. */
static void
a_dropped_attribute_is_told(void)
{
    static const struct {
        char relkind;
        const char *type, *column,
            *key; /* in the closure; that the plan takes; of the definition */
        bool told, ddl;
        size_t found;
    } cases[] = {{'c', "composite type", "a", "k", true, true, 0},
                 {'c', "composite type", "a", "k", false, true, 1},
                 {'c', "composite type", "a", "k", true, false, 1},
                 {'c', "composite type", "a", NULL, true, true, 1},
                 {'c', "composite type", NULL, "k", true, true, 1},
                 {'c', "type", "a", "k", true, true, 1},
                 {'r', "composite type", "a", "k", true, true, 1}};

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct bs_reading_row was = {.oid = ITEMS, .relkind = cases[i].relkind}, is = was;
        struct bs_reading before = {&was, 1, 1}, after = {&is, 1, 1};
        struct bs_lock lock = {.locktype = "relation",
                               .mode = "AccessExclusiveLock",
                               .granted = true,
                               .relation_oid = ITEMS,
                               .relkind = cases[i].relkind,
                               .schema = "public",
                               .name = "pair"};
        struct bs_point_dependent d = {
            .class_oid = PG_CLASS, .oid = cases[i].told ? ITEMS : VIEW, .type = cases[i].type};
        struct bs_manifest m = {.closure = &d, .n_closure = 1, .schema = {.key = cases[i].key}};
        struct bs_plan_named named = {.kind = BS_KIND_ALTER_TYPE, .column = cases[i].column};
        struct bs_plan plan = {.kind = BS_PLAN_RECORD,
                               .ddl = cases[i].ddl,
                               .definition = true,
                               .named = &named,
                               .n_named = 1};
        struct bs_covered part = {.plan = &plan, .manifest = &m};
        struct bs_coverage in = {.before = &before,
                                 .after = &after,
                                 .locks = &lock,
                                 .n_locks = 1,
                                 .parts = &part,
                                 .n_parts = 1};
        struct bs_uncovered found;
        struct bs_err err = {0};
        struct bs_arena arena;
        bs_arena_init(&arena, "test", 1 << 20);
        is.gone = 1;
        EXPECT_EQ(bs_coverage_check(&in, &arena, &found, &err), BS_DONE);
        if (!tap_equal((intmax_t)found.n, (intmax_t)cases[i].found, "found", __FILE__, __LINE__))
            printf("# in row %zu\n", i);
        bs_arena_fini(&arena);
    }
}

static void
readings_are_read_strictly(void)
{
    static const struct {
        const char *values[BS_READING_COLUMNS];
        enum bs_done want;
    } texts[] = {
        {{"20001", "r", "501", "0", "p", "1", "2", "3", "0"}, BS_DONE},
        {{"4294967295", "r", "0", "0", "p", "0", "0", "0", "0"}, BS_DONE},
        {{"4294967296", "r", "0", "0", "p", "0", "0", "0", "0"}, BS_FAILED},
        {{"", "r", "0", "0", "p", "0", "0", "0", "0"}, BS_FAILED},
        {{"1", "rr", "0", "0", "p", "0", "0", "0", "0"}, BS_FAILED},
        {{"1", "r", "-1", "0", "p", "0", "0", "0", "0"}, BS_FAILED},
        {{"1", "r", "0", "0", "p", "1x", "0", "0", "0"}, BS_FAILED},
        {{"1", "r", "0", "0", "p", "9999999999999999999", "0", "0", "0"}, BS_FAILED},
        {{"1", "r", "0", "0", "", "0", "0", "0", "0"}, BS_FAILED},
        {{"1", "r", "0", "0", "p", "0", "0", "0", "x"}, BS_FAILED},
    };
    struct bs_reading reading = {0};
    struct bs_arena arena;

    bs_arena_init(&arena, "test", 1 << 20);
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct bs_bytes values[BS_READING_COLUMNS];
        struct bs_err err = {0};
        for (size_t k = 0; k < BS_READING_COLUMNS; k++)
            values[k] = bs_bytes_of(texts[i].values[k]);
        EXPECT_EQ(bs_reading_add(&reading, values, &arena, &err), texts[i].want);
    }
    EXPECT_EQ(reading.n, 2);
    bs_arena_fini(&arena);
}

int
main(void)
{
    static const struct tap_case cases[] = {
        {"every change is judged", every_change_is_judged},
        {"beside unvetted code no DDL is expected", beside_unvetted_code_no_ddl_is_expected},
        {"locks that were there", locks_that_were_there},
        {"rows that were read before", rows_that_were_read_before},
        {"an empty reading covers nothing", an_empty_reading_covers_nothing},
        {"what is kept of the cluster", what_is_kept_of_the_cluster},
        {"a dropped column is seen", a_dropped_column_is_seen},
        {"a dropped foreign table is told", a_dropped_foreign_table_is_told},
        {"a dropped attribute is told", a_dropped_attribute_is_told},
        {"readings are read strictly", readings_are_read_strictly},
    };
    return tap_main(cases, sizeof(cases) / sizeof(cases[0]));
}
