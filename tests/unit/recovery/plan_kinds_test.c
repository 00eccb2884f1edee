/*
 * Every kind of the table: what its point asks for is kept in one of the ways there are, or it is on
 * the list of what is refused. A kind that nobody has thought of fails here.
 */
#include "recovery/plan_kinds.h"

#include "recovery/plan_globals.h"
#include "tap.h"

/* Whole tables, rows and materialized views: plan_test.c has them. */
static const enum bs_kind by_rows[] = {
    BS_KIND_UPDATE,
    BS_KIND_DELETE,
    BS_KIND_MERGE,
    BS_KIND_TRUNCATE,
};

/* No recovery point can be made of these: ZB004. */
static const enum bs_kind refused[] = {
    BS_KIND_ALTER_TABLE_ALL,
    BS_KIND_COPY_TO_FILE,
    BS_KIND_COPY_PROGRAM,
    BS_KIND_COMMIT_PREPARED,
    BS_KIND_ROLLBACK_PREPARED,
    BS_KIND_EXECUTE,
    BS_KIND_FETCH,
    BS_KIND_MOVE,
    BS_KIND_DO,
    BS_KIND_CALL,
    BS_KIND_LOAD,
    BS_KIND_CREATE_DATABASE,
    BS_KIND_CREATE_TABLESPACE,
    BS_KIND_CREATE_SUBSCRIPTION,
    BS_KIND_ALTER_SUBSCRIPTION,
    BS_KIND_DROP_SUBSCRIPTION,
    BS_KIND_DROP_TABLESPACE,
    BS_KIND_UNKNOWN,
};

static bool
is_in(const enum bs_kind *list, size_t n, enum bs_kind kind)
{
    for (size_t i = 0; i < n; i++) {
        if (list[i] == kind)
            return true;
    }
    return false;
}

static void
every_kind(void)
{
    for (int k = 0; k < BS_KIND_COUNT; k++) {
        enum bs_kind kind = (enum bs_kind)k;
        enum bs_point point = bs_kind_point(kind);
        bool nothing = point == BS_POINT_NONE || point == BS_POINT_RECORD;
        bool definition = bs_plan_kind_has_definition(kind);
        bool rows = is_in(by_rows, sizeof(by_rows) / sizeof(by_rows[0]), kind);
        bool no = is_in(refused, sizeof(refused) / sizeof(refused[0]), kind);
        bool global = bs_plan_is_global(kind);
        int ways = nothing + definition + rows + no + global;

        EXPECT_EQ(ways, 1);
        if (ways != 1)
            printf("# %s: nothing %d, definition %d, rows %d, refused %d, global %d\n",
                   bs_kind_name(kind), nothing, definition, rows, no, global);
        EXPECT(!definition || bs_plan_needs_definition(kind));
    }
}

static void
objects(void)
{
    static const struct {
        enum bs_object object;
        bool cascade, want;
        enum bs_kind kind;
        const char *name;
    } rows[] = {
        {BS_OBJECT_RELATION, true, true},
        {BS_OBJECT_COLUMN, false, true},
        {BS_OBJECT_SCHEMA, true, true},
        {BS_OBJECT_FUNCTION, true, true},
        {BS_OBJECT_TYPE, true, true},
        {BS_OBJECT_TYPE, false, true, BS_KIND_ALTER_TYPE, "t"},
        {BS_OBJECT_TYPE, true, false, BS_KIND_ALTER_TYPE, "t"},
        {BS_OBJECT_NONE, false, true},
        {BS_OBJECT_OTHER, false, true},
        {BS_OBJECT_OTHER, true, false},
        {BS_OBJECT_OTHER, true, true, BS_KIND_DROP_SERVER, "far"},
        {BS_OBJECT_OTHER, true, true, BS_KIND_DROP_CAST, ""},
        {BS_OBJECT_OTHER, true, false, BS_KIND_DROP_TRANSFORM, ""},
        {BS_OBJECT_ROLE, true, true, BS_KIND_DROP_OWNED, "own"},
        {BS_OBJECT_ROLE, false, true, BS_KIND_REASSIGN_OWNED, "own"},
        {BS_OBJECT_ROLE, true, false, BS_KIND_DROP_OWNED, ""}, /* CURRENT_USER */
        {BS_OBJECT_ROLE, false, false, BS_KIND_DROP_ROLE, "own"},
        {BS_OBJECT_DATABASE, false, false},
        {BS_OBJECT_ROLE, false, false},
        {BS_OBJECT_SHARED, false, false},
        {BS_OBJECT_LARGE_OBJECT, false, false},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct bs_effect e = {.object = rows[i].object,
                                    .cascade = rows[i].cascade,
                                    .kind = rows[i].kind,
                                    .name = {NULL, rows[i].name == NULL ? "" : rows[i].name}};
        EXPECT_EQ(bs_plan_effect_has_definition(&e), rows[i].want);
        EXPECT((bs_plan_why_refused(&e) != NULL) == (e.kind == BS_KIND_ALTER_TYPE && e.cascade));
    }
}

static const struct tap_case cases[] = {
    {"every kind has its way", every_kind},
    {"of what there is a definition", objects},
};

int
main(void)
{
    return tap_main(cases, sizeof(cases) / sizeof(cases[0]));
}
