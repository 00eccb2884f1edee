#include "catalog/code.h"

#include "tap.h"

static const char call[] = "{OPEXPR :opno 521 :opfuncid 147 :opresulttype 16 :args ({VAR :varno 1}"
                           " {FUNCEXPR :funcid 16399 :funcresulttype 23 :args ({CONST :consttype 23"
                           " :constvalue 4 [ 1 0 0 0 ]})})}";

static void
references(void)
{
    static const struct {
        const char *tree;
        enum bs_code_ref ref;
        uint32_t oid;
    } rows[] = {
        {"", BS_CODE_END, 0},
        {"<>", BS_CODE_END, 0},
        {"{AGGREF :aggfnoid 2803 :aggtype 20}", BS_CODE_FUNCTION, 2803},
        {"{WINDOWFUNC :winfnoid 3100}", BS_CODE_FUNCTION, 3100},
        {"{COERCETODOMAIN :arg <> :resulttype 16401}", BS_CODE_TYPE, 16401},
        {"{RANGETBLENTRY :rtekind 0 :relid 16390 :relkind r}", BS_CODE_RELATION, 16390},
        {"{RANGETBLENTRY :rtekind 1 :relid 0}", BS_CODE_END, 0},
        {"{FUNCEXPR :funcresulttype 23}", BS_CODE_END, 0},
        /* Not told, or not a number: somebody's function all the same. */
        {"{OPEXPR :opno 96 :opfuncid 0}", BS_CODE_FUNCTION, 0},
        {"{FUNCEXPR :funcid x}", BS_CODE_FUNCTION, 0},
        {"{FUNCEXPR :funcid 99999999999999999999}", BS_CODE_FUNCTION, 0},
        {"{FUNCEXPR :funcid 4294967296}", BS_CODE_FUNCTION, 0},
        {"{FUNCEXPR :funcid 4294967295}", BS_CODE_FUNCTION, 4294967295u},
        /* The planner's own, filled in later. */
        {"{SCALARARRAYOPEXPR :hashfuncid 0 :negfuncid 0}", BS_CODE_END, 0},
        {"{SCALARARRAYOPEXPR :hashfuncid 7}", BS_CODE_FUNCTION, 7},
        /* A name with blanks comes escaped. */
        {"{ALIAS :aliasname x\\ :relid\\ 5}", BS_CODE_END, 0},
        {":", BS_CODE_END, 0},
        {":funcid", BS_CODE_END, 0},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const char *at = rows[i].tree;
        uint32_t oid = 0;
        enum bs_code_ref ref = bs_code_next(&at, &oid);
        EXPECT_EQ(ref, rows[i].ref);
        EXPECT_EQ(oid, rows[i].oid);
        if (tap_misses != 0)
            printf("# in row: %s\n", rows[i].tree);
    }
}

static void
all_in_order(void)
{
    const char *at = call;
    uint32_t oid;

    EXPECT_EQ(bs_code_next(&at, &oid), BS_CODE_FUNCTION);
    EXPECT_EQ(oid, 147);
    EXPECT(!bs_code_is_constant(call, at));
    EXPECT_EQ(bs_code_next(&at, &oid), BS_CODE_FUNCTION);
    EXPECT_EQ(oid, 16399);
    EXPECT(bs_code_is_constant(call, at));
    EXPECT_EQ(bs_code_next(&at, &oid), BS_CODE_END);
    EXPECT_EQ(bs_code_next(&at, &oid), BS_CODE_END);
    EXPECT_EQ(*at, '\0');
}

/* Cut anywhere, it neither reads on nor finds a column that is not there. */
static void
cut_short(void)
{
    char tree[sizeof(call)];

    for (size_t n = 0; n < sizeof(call); n++) {
        const char *at = tree;
        uint32_t oid;
        memcpy(tree, call, n);
        tree[n] = '\0';
        while (bs_code_next(&at, &oid) != BS_CODE_END)
            (void)bs_code_is_constant(tree, at);
        EXPECT_EQ(at - tree, strlen(tree));
    }
}

static const struct tap_case cases[] = {
    {"references", references},
    {"all of a tree, in order", all_in_order},
    {"trees that are cut", cut_short},
};

int
main(void)
{
    return tap_main(cases, sizeof(cases) / sizeof(cases[0]));
}
