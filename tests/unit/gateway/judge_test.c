/*
 * judge_test.c - from a text to a way, over a catalog of one table: what passes, what is held, what
 * must run under protection, and what may not even be asked for.
 */
#include "gateway/judge.h"

#include "catalog/model.h"
#include "tap.h"

/* What the session is asked about names: "del" is a DELETE, "sel" a SELECT, "k" a cursor. */
static enum bs_lookup
statement_of(void *names, const char *label, struct bs_bytes *text)
{
    static const struct {
        const char *label, *text;
    } known[] = {
        {"sel", "SELECT 1"},       {"del", "DELETE FROM s.t"},
        {"commit", "COMMIT"},      {"rw", "SET transaction_read_only = off"},
        {"deeper", "EXECUTE del"}, {"prepared", "PREPARE x AS DELETE FROM s.t"},
    };

    (void)names;
    if (strcmp(label, "pending") == 0)
        return BS_LOOKUP_WAIT;
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        if (strcmp(known[i].label, label) != 0)
            continue;
        *text = bs_bytes_of(known[i].text);
        return BS_LOOKUP_FOUND;
    }
    return BS_LOOKUP_NONE;
}

static bool
cursor_of(void *names, const char *label)
{
    (void)names;
    return strcmp(label, "k") == 0;
}

static struct bs_relation table;

static struct bs_snapshot *
catalog(void)
{
    static struct bs_taint uses[BS_USE_COUNT];
    struct bs_snapshot *s = bs_snapshot_new();

    table = (struct bs_relation){.id = {20001, "s", "t"}, .relkind = 'r', .persistence = 'p'};
    table.row.risk = BS_RISK_SAFE;
    for (int use = 0; use < BS_USE_COUNT; use++)
        uses[use].risk = BS_RISK_SAFE;
    table.use = uses;
    s->relations = &table;
    s->n_relations = 1;
    s->ddl.risk = s->casts.risk = s->upkeep.risk = BS_RISK_SAFE;
    (void)!bs_index_build(&s->by_relation, s->relations, sizeof(table), 1, &s->arena);
    return s;
}

static const struct row {
    const char *text;
    enum bs_way way;
    enum bs_code code; /* of a refusal */
    bool shielded, wrapped;
} rows[] = {
    {"", BS_WAY_PASS, BS_OK, true, false},
    {"SELECT 1", BS_WAY_PASS, BS_OK, true, false},
    {"SELECT * FROM s.t", BS_WAY_PASS, BS_OK, true, false},
    {"SELEC 1", BS_WAY_REFUSE, BS_E_SYNTAX, true, false},
    {"SELECT * FROM s.nothing", BS_WAY_REFUSE, BS_E_NOT_FOUND, true, false},
    {"DELETE FROM s.t", BS_WAY_HOLD, BS_OK, true, false},
    {"TRUNCATE s.t", BS_WAY_HOLD, BS_OK, true, false},
    {"SELECT 1; DELETE FROM s.t", BS_WAY_HOLD, BS_OK, true, false},
    {"DO $$BEGIN END$$", BS_WAY_HOLD, BS_OK, true, false},
    {"SELECT pg_reload_conf()", BS_WAY_REFUSE, BS_E_BLOCKED, true, false},
    {"COMMIT PREPARED 'x'", BS_WAY_REFUSE, BS_E_BLOCKED, true, false},
    {"PREPARE TRANSACTION 'x'", BS_WAY_REFUSE, BS_E_NO_POINT, true, false},
    /* transaction control */
    {"BEGIN; SELECT 1; COMMIT", BS_WAY_PASS, BS_OK, true, false},
    {"COMMIT; DELETE FROM s.t", BS_WAY_REFUSE, BS_E_UNSUPPORTED, true, false},
    {"BEGIN; DELETE FROM s.t", BS_WAY_REFUSE, BS_E_UNSUPPORTED, true, false},
    {"SAVEPOINT a; DELETE FROM s.t", BS_WAY_REFUSE, BS_E_UNSUPPORTED, true, false},
    {"BEGIN; DELETE FROM s.t; COMMIT", BS_WAY_HOLD, BS_OK, true, true},
    {"begin\twork ; DELETE FROM s.t; END", BS_WAY_HOLD, BS_OK, true, true},
    {"START TRANSACTION; DELETE FROM s.t; COMMIT", BS_WAY_HOLD, BS_OK, true, true},
    {"BEGIN; DELETE FROM s.t; COMMIT AND CHAIN", BS_WAY_REFUSE, BS_E_UNSUPPORTED, false, false},
    {"BEGIN; DELETE FROM s.t; ROLLBACK", BS_WAY_REFUSE, BS_E_UNSUPPORTED, true, false},
    {"BEGIN; DELETE FROM s.t; COMMIT; SELECT 1", BS_WAY_REFUSE, BS_E_UNSUPPORTED, true, false},
    {"BEGIN READ ONLY; DELETE FROM s.t; COMMIT", BS_WAY_REFUSE, BS_E_UNSUPPORTED, true, false},
    {"BEGIN ISOLATION LEVEL SERIALIZABLE; DELETE FROM s.t; COMMIT", BS_WAY_REFUSE, BS_E_UNSUPPORTED,
     true, false},
    /* the shield */
    {"BEGIN READ WRITE", BS_WAY_REFUSE, BS_E_BLOCKED, true, false},
    {"SET TRANSACTION READ WRITE", BS_WAY_REFUSE, BS_E_BLOCKED, true, false},
    {"SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE", BS_WAY_REFUSE, BS_E_BLOCKED, true,
     false},
    {"SET transaction_read_only = off", BS_WAY_REFUSE, BS_E_BLOCKED, true, false},
    {"SET LOCAL transaction_read_only TO 'no'", BS_WAY_REFUSE, BS_E_BLOCKED, true, false},
    {"SET default_transaction_read_only = 0", BS_WAY_REFUSE, BS_E_BLOCKED, true, false},
    {"SELECT set_config('transaction_read_only', 'off', true)", BS_WAY_REFUSE, BS_E_BLOCKED, true,
     false},
    {"SELECT 1; START TRANSACTION READ WRITE", BS_WAY_REFUSE, BS_E_BLOCKED, true, false},
    {"COMMIT AND CHAIN", BS_WAY_REFUSE, BS_E_UNSUPPORTED, true, false},
    {"ROLLBACK AND CHAIN", BS_WAY_REFUSE, BS_E_UNSUPPORTED, true, false},
    {"COMMIT AND CHAIN", BS_WAY_PASS, BS_OK, false, false},
    {"SET transaction_read_only = on", BS_WAY_PASS, BS_OK, true, false},
    {"BEGIN READ ONLY", BS_WAY_PASS, BS_OK, true, false},
    /* names */
    {"EXECUTE sel", BS_WAY_PASS, BS_OK, true, false},
    {"EXECUTE del", BS_WAY_HOLD, BS_OK, true, false},
    {"EXECUTE prepared", BS_WAY_HOLD, BS_OK, true, false},
    {"EXECUTE commit", BS_WAY_PASS, BS_OK, true, false},
    {"EXECUTE rw", BS_WAY_REFUSE, BS_E_BLOCKED, true, false},
    {"EXECUTE deeper", BS_WAY_REFUSE, BS_E_BLOCKED, true, false},
    {"EXECUTE nothing", BS_WAY_REFUSE, BS_E_NOT_FOUND, true, false},
    {"EXECUTE sel; DELETE FROM s.t", BS_WAY_REFUSE, BS_E_BLOCKED, true, false},
    {"EXECUTE sel(nobody_knows_this())", BS_WAY_REFUSE, BS_E_BLOCKED, true, false},
    {"EXPLAIN ANALYZE EXECUTE del", BS_WAY_REFUSE, BS_E_BLOCKED, true, false},
    {"FETCH 1 FROM k", BS_WAY_PASS, BS_OK, true, false},
    {"FETCH 1 FROM unheard_of", BS_WAY_REFUSE, BS_E_BLOCKED, true, false},
    {"MOVE 1 FROM k; FETCH 1 FROM unheard_of", BS_WAY_REFUSE, BS_E_BLOCKED, true, false},
};

static void
judge_as(enum bs_acts_as acts_as,
         const struct bs_policy *policy,
         const struct row *row,
         struct bs_arena *arena,
         struct bs_verdict *v)
{
    struct bs_snapshot *snapshot = catalog();
    const struct bs_known known = {NULL, statement_of, cursor_of};
    struct bs_err err = {0};

    EXPECT_EQ(bs_judge(&(struct bs_judge){.policy = policy,
                                          .subject = {"bob", "app"},
                                          .snapshot = snapshot,
                                          .limits = {.max_bytes = 1 << 30, .rows = true},
                                          .shielded = row->shielded,
                                          .known = &known,
                                          .role = "own",
                                          .acts_as = acts_as},
                       bs_bytes_of(row->text), arena, v, &err),
              BS_DONE);
    bs_snapshot_unref(&snapshot);
}

static void
judge_by(const struct bs_policy *policy,
         const struct row *row,
         struct bs_arena *arena,
         struct bs_verdict *v)
{
    judge_as(BS_ACTS_AS_UNASKED, policy, row, arena, v);
}

static void
judge(const struct row *row, struct bs_arena *arena, struct bs_verdict *v)
{
    struct bs_policy policy;

    bs_policy_init(&policy);
    judge_by(&policy, row, arena, v);
}

static void
every_text_has_its_way(void)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct bs_verdict v;
        struct bs_arena arena;

        bs_arena_init(&arena, "test", 16 << 20);
        judge(&rows[i], &arena, &v);
        EXPECT_EQ(v.way, rows[i].way);
        EXPECT_EQ(v.code, rows[i].code);
        EXPECT_EQ(v.wrapped, rows[i].wrapped);
        EXPECT(v.way != BS_WAY_REFUSE || v.message != NULL);
        if (tap_misses != 0)
            printf("# in row: %s%s\n", rows[i].text, rows[i].shielded ? "" : " (not shielded)");
        bs_arena_fini(&arena);
    }
}

/* What a name stands for now may be another thing tomorrow: such a verdict is not kept, and waits
 * for answers that decide it. */
static void
names_are_looked_up_each_time(void)
{
    static const struct {
        const char *text;
        bool named, wait, execute;
    } texts[] = {
        {"SELECT 1", false, false, false},        {"EXECUTE sel", true, false, true},
        {"EXECUTE pending", true, true, false},   {"FETCH 1 FROM k", true, false, false},
        {"SELECT 1; MOVE k", true, false, false}, {"PREPARE x AS SELECT 1", false, false, false},
    };

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        const struct row row = {.text = texts[i].text, .shielded = true};
        struct bs_verdict v;
        struct bs_arena arena;

        bs_arena_init(&arena, "test", 16 << 20);
        judge(&row, &arena, &v);
        EXPECT_EQ(v.named, texts[i].named);
        EXPECT_EQ(v.wait, texts[i].wait);
        EXPECT_EQ(bs_verdict_is_execute(&v), texts[i].execute);
        if (tap_misses != 0)
            printf("# in row: %s\n", texts[i].text);
        bs_arena_fini(&arena);
    }
}

/* Only where the server has said that the session has that role, and never kept for another time. */
static void
the_own_role_changes_nothing(void)
{
    static const struct {
        const char *text;
        bool asks;
        enum bs_way way; /* where the session acts as itself */
    } texts[] = {
        {"SET ROLE own", true, BS_WAY_PASS},
        {"SET SESSION role = 'own'", true, BS_WAY_PASS},
        {"set local role OWN", true, BS_WAY_PASS},
        {"SELECT 1; SET ROLE \"own\"; SET ROLE own", true, BS_WAY_PASS},
        {"SET ROLE own; DELETE FROM s.t", true, BS_WAY_HOLD},
        {"SET ROLE \"Own\"", false, BS_WAY_HOLD},
        {"SET ROLE other", false, BS_WAY_HOLD},
        {"SET ROLE NONE", false, BS_WAY_HOLD},
        {"SET role TO DEFAULT", false, BS_WAY_HOLD},
        {"RESET ROLE", false, BS_WAY_HOLD},
        {"SET ROLE other; SET ROLE own", false, BS_WAY_HOLD},
        {"SET SESSION AUTHORIZATION own; SET ROLE own", false, BS_WAY_HOLD},
        {"SELECT set_config('role', 'other', false); SET ROLE own", true, BS_WAY_HOLD},
        {"SELECT set_config('role', 'own', false)", false, BS_WAY_HOLD},
    };
    struct bs_policy policy;

    bs_policy_init(&policy);
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        const struct row row = {.text = texts[i].text, .shielded = true};
        for (enum bs_acts_as as = BS_ACTS_AS_UNASKED; as <= BS_ACTS_AS_OTHER; as++) {
            struct bs_verdict v;
            struct bs_arena arena;

            bs_arena_init(&arena, "test", 16 << 20);
            judge_as(as, &policy, &row, &arena, &v);
            EXPECT_EQ(v.asks_role, texts[i].asks);
            EXPECT_EQ(v.named, texts[i].asks);
            EXPECT_EQ(v.way, as == BS_ACTS_AS_ITSELF ? texts[i].way : BS_WAY_HOLD);
            EXPECT_EQ(v.unit.risk == BS_RISK_SAFE, v.way == BS_WAY_PASS);
            if (tap_misses != 0)
                printf("# in row: %s, %d\n", texts[i].text, (int)as);
            bs_arena_fini(&arena);
        }
    }
}

/* A refusal says that, and what next; never which rule, nor how to get round it. */
static void
refusals_do_not_teach(void)
{
    static const char *const words[] = {"rule", "policy", "CRITICAL", "risk", "filter"};

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct bs_verdict v;
        struct bs_arena arena;

        bs_arena_init(&arena, "test", 16 << 20);
        judge(&rows[i], &arena, &v);
        for (size_t w = 0; v.message != NULL && w < sizeof(words) / sizeof(words[0]); w++) {
            EXPECT(strstr(v.message, words[w]) == NULL);
            EXPECT(v.hint == NULL || strstr(v.hint, words[w]) == NULL);
        }
        bs_arena_fini(&arena);
    }
}

/* Whatever it is, but for a name that is not decided yet; and what would have been is known. */
static void
in_shadow_all_passes(void)
{
    struct bs_policy policy;

    bs_policy_init(&policy);
    policy.mode = BS_POLICY_SHADOW;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct bs_verdict v;
        struct bs_arena arena;

        bs_arena_init(&arena, "test", 16 << 20);
        judge_by(&policy, &rows[i], &arena, &v);
        EXPECT_EQ(v.way, BS_WAY_PASS);
        EXPECT(v.code == BS_OK && v.message == NULL && !v.wrapped);
        EXPECT(v.decision.shadow && v.decision.action == BS_ACTION_ALLOW);
        EXPECT(rows[i].way != BS_WAY_HOLD || v.decision.would == BS_ACTION_APPROVE);
        EXPECT(v.unit.parsed || v.decision.would == BS_ACTION_BLOCK);
        EXPECT(v.unit.parsed || (v.unit.flags & BS_FLAG_SEARCH_PATH) != 0);
        if (tap_misses != 0)
            printf("# in row: %s%s\n", rows[i].text, rows[i].shielded ? "" : " (not shielded)");
        bs_arena_fini(&arena);
    }
}

/* Only what would be stricter ends an approval. */
static void
another_policy_decides_anew(void)
{
    const struct bs_subject who = {.actor = "bob", .database = "app"};
    const struct row held = {.text = "DELETE FROM s.t", .shielded = true};
    struct bs_object_glob glob = {"s", "t", NULL};
    struct bs_policy was, now;
    struct bs_rule rule, optional;
    struct bs_verdict v;
    struct bs_arena arena;

    bs_arena_init(&arena, "test", 16 << 20);
    bs_policy_init(&was);
    bs_policy_init(&now);
    judge_by(&was, &held, &arena, &v);
    EXPECT_EQ(v.decision.action, BS_ACTION_APPROVE);
    EXPECT(v.policy == &was);
    EXPECT(!bs_verdict_is_stricter_by(&v, &was, &who, &arena));
    EXPECT(!bs_verdict_is_stricter_by(&v, &now, &who, &arena));
    now.protects = (struct bs_object_globs){&glob, 1};
    EXPECT(!bs_verdict_is_stricter_by(&v, &now, &who, &arena)); /* CRITICAL it is already */
    now.mode = BS_POLICY_SHADOW;
    EXPECT(!bs_verdict_is_stricter_by(&v, &now, &who, &arena));
    now.mode = BS_POLICY_ENFORCE;
    now.defaults[BS_RISK_CRITICAL] = BS_ACTION_ALLOW;
    EXPECT(!bs_verdict_is_stricter_by(&v, &now, &who, &arena));
    now.defaults[BS_RISK_CRITICAL] = BS_ACTION_BLOCK;
    EXPECT(bs_verdict_is_stricter_by(&v, &now, &who, &arena));
    now.defaults[BS_RISK_CRITICAL] = BS_ACTION_APPROVE;
    now.profile = BS_PROFILE_READ_ONLY;
    EXPECT(bs_verdict_is_stricter_by(&v, &now, &who, &arena));
    now.profile = BS_PROFILE_FULL;
    bs_rule_init(&rule);
    rule.name = "waived";
    rule.risks = BS_RISK_BITS_ALL;
    rule.action = BS_ACTION_APPROVE;
    rule.keep = BS_KEEP_NOT;
    was.rules = &rule;
    was.n_rules = 1;
    judge_by(&was, &held, &arena, &v);
    EXPECT(v.decision.recovery_waived && bs_verdict_is_stricter_by(&v, &now, &who, &arena));
    optional = rule; /* a point where one can be made is more than none */
    optional.keep = BS_KEEP_OPTIONAL;
    now.rules = &optional;
    now.n_rules = 1;
    EXPECT_EQ(bs_verdict_is_stricter_by(&v, &now, &who, &arena), v.plan.kind != BS_PLAN_REFUSE);
    optional = rule;
    EXPECT(!bs_verdict_is_stricter_by(&v, &now, &who, &arena));
    optional.require.grade = BS_GRADE_READ_BACK;
    EXPECT(bs_verdict_is_stricter_by(&v, &now, &who, &arena)); /* so is a better one */
    bs_arena_fini(&arena);
}

/* Whoever cannot wait for a long text is told so, also where only a name stands for it. */
static void
long_texts_are_left_alone(void)
{
    static const struct {
        const char *text;
        size_t max;
        bool apart;
    } texts[] = {
        {"SELECT 1", 8, false},
        {"SELECT 12", 8, true},
        {"SELECT 12", 0, false},
        {"EXECUTE del", 15, false},
        {"EXECUTE del", 14, true}, /* DELETE FROM s.t */
        {"EXPLAIN EXECUTE sel", 19, false},
    };
    struct bs_snapshot *snapshot = catalog();
    const struct bs_known known = {NULL, statement_of, cursor_of};
    struct bs_policy policy;

    bs_policy_init(&policy);
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        const struct bs_judge by = {.policy = &policy,
                                    .subject = {"bob", "app"},
                                    .snapshot = snapshot,
                                    .known = &known,
                                    .max_text = texts[i].max};
        struct bs_arena arena;
        struct bs_verdict v;
        struct bs_err err = {0};
        bs_arena_init(&arena, "test", 1 << 20);
        EXPECT_EQ(bs_judge(&by, bs_bytes_of(texts[i].text), &arena, &v, &err), BS_DONE);
        EXPECT_EQ(v.apart, texts[i].apart);
        EXPECT(!v.apart || v.way == BS_WAY_REFUSE);
        bs_arena_fini(&arena);
    }
    bs_snapshot_unref(&snapshot);
}

int
main(void)
{
    static const struct tap_case cases[] = {
        {"every text has its way", every_text_has_its_way},
        {"names are looked up each time", names_are_looked_up_each_time},
        {"the own role changes nothing", the_own_role_changes_nothing},
        {"refusals do not teach", refusals_do_not_teach},
        {"in shadow all passes", in_shadow_all_passes},
        {"long texts are left alone", long_texts_are_left_alone},
        {"another policy decides anew", another_policy_decides_anew},
    };
    return tap_main(cases, sizeof(cases) / sizeof(cases[0]));
}
