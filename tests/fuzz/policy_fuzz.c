/*
 * policy_fuzz.c - configurations, policies and tables of expectations. What is wrong is a problem
 * with its line; what is right decides, and keeps what the gateway builds on: a shielded actor is
 * allowed no write, and counting rows changes nothing where the decision says that it does not.
 */
#include "fuzz.h"

#include "catalog/effect.h"
#include "policy/decide.h"
#include "policy/expect.h"
#include "sql/classify.h"

static const char head[] =
    "listen: ['127.0.0.1:6543']\n"
    "databases:\n"
    "  a: {upstream: 'dbname=a', helper: 'dbname=a user=b', environment: test}\n"
    "  b: {upstream: 'dbname=b', helper: 'dbname=b user=b'}\n"
    "state: sqlite:s\naudit: {directory: a}\nstorage: file:b\nspool: c\n"
    "policy:\n";

static const char *const texts[] = {
    "SELECT 1",
    "INSERT INTO s.t (a) VALUES (1)",
    "UPDATE s.t SET a = 1 WHERE id = 1",
    "UPDATE s.t SET a = 1 WHERE b < 5",
    "DELETE FROM s.t",
    "TRUNCATE s.t",
    "DROP SCHEMA s CASCADE",
    "DROP TABLE t",
    "GRANT ALL ON s.t TO x",
    "DO 'BEGIN END'",
    "SELECT f()",
    "CREATE TABLE s.n ()",
    "INSERT INTO s.t VALUES (1); DELETE FROM s.u WHERE a < 1",
    "SELEC",
};

#define BY_KEY 2

/* What a catalog would find: plain tables, one target an effect. */
static void
make_facts(const struct bs_unit *unit, struct bs_arena *arena, struct bs_facts *out)
{
    *out = (struct bs_facts){0};
    out->targets = bs_arena_array(arena, 16, sizeof(out->targets[0]));
    HOLD(out->targets != NULL);
    for (size_t i = 0; i < unit->n_stmts; i++) {
        for (size_t k = 0; k < unit->stmts[i].n_effects && out->n_targets < 16; k++) {
            const struct bs_effect *e = &unit->stmts[i].effects[k];
            if (e->object != BS_OBJECT_RELATION)
                continue;
            out->targets[out->n_targets] =
                (struct bs_target){.oid = (uint32_t)out->n_targets + 20000,
                                   .schema = e->name.schema == NULL ? "public" : e->name.schema,
                                   .name = e->name.name,
                                   .relkind = 'r',
                                   .kind = e->kind,
                                   .stmt = i,
                                   .rows = -1,
                                   .share = -1};
            out->n_targets++;
        }
    }
}

static void
decide(const struct bs_policy *p,
       const struct bs_subject *who,
       const char *text,
       int64_t rows,
       struct bs_decision *out)
{
    const struct bs_impact limits = {p->impact.rows, p->impact.share};
    struct bs_arena arena;
    struct bs_err err = {0};
    struct bs_unit unit;
    struct bs_facts facts;

    bs_arena_init(&arena, "fuzz", 1 << 22);
    HOLD(bs_classify(bs_bytes_of(text), BS_CLASSIFY_LIMITS, &arena, &unit, &err) == BS_DONE);
    make_facts(&unit, &arena, &facts);
    for (size_t i = 0; rows >= 0 && i < facts.n_targets; i++) {
        facts.targets[i].rows = rows;
        facts.targets[i].share = rows < 10 ? 0 : 1;
        facts.targets[i].how = BS_MEASURE_COUNT;
    }
    if (rows >= 0)
        HOLD(bs_catalog_measured(&unit, &facts, limits, &arena, &err) == BS_DONE);
    HOLD(bs_policy_protect(p, &unit, &facts, &arena, &err) == BS_DONE);
    HOLD(bs_decide_explain(p, who, &unit, &facts, &arena, out, &err) == BS_DONE);
    HOLD(out->why != NULL && out->n_lines != 0 + (unit.n_stmts == 0));
    HOLD(out->shadow == (p->mode == BS_POLICY_SHADOW));
    HOLD(!out->shadow || (out->action == BS_ACTION_ALLOW && out->result_rows == 0));
    HOLD(p->mode == BS_POLICY_SHADOW || out->action == out->would);
    if (bs_policy_shielded(p, who) && unit.risk != BS_RISK_SAFE)
        HOLD(out->action != BS_ACTION_ALLOW);
    if (bs_policy_profile(p, who) == BS_PROFILE_READ_ONLY && unit.risk != BS_RISK_SAFE)
        HOLD(out->would == BS_ACTION_BLOCK);
    HOLD(p->result_rows == 0 || out->shadow ||
         (out->result_rows != 0 && out->result_rows <= p->result_rows));
    out->why = NULL; /* they die with the arena */
    out->lines = NULL;
    bs_arena_fini(&arena);
}

static void
ask(const struct bs_policy *p)
{
    static const struct bs_subject who[] = {
        {.actor = "a", .database = "a", .environment = "test"},
        {.actor = "b", .database = "b", .group = "g", .environment = ""},
    };

    for (size_t w = 0; w < 2; w++) {
        for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
            struct bs_decision unknown, few, many;
            decide(p, &who[w], texts[i], -1, &unknown);
            decide(p, &who[w], texts[i], 0, &few);
            /* A key cannot have more than one. */
            decide(p, &who[w], texts[i], i == BY_KEY ? 1 : INT64_MAX / 4, &many);
            HOLD(unknown.needs_rows || (few.would == many.would && few.would == unknown.would));
        }
    }
}

static void
check_problems(const struct bs_problems *problems, size_t size)
{
    HOLD(problems->n != 0);
    for (size_t i = 0; i < problems->n; i++) {
        HOLD(problems->list[i].line >= 0 && (size_t)problems->list[i].line <= size + 2);
        HOLD(i == 0 || problems->list[i - 1].line <= problems->list[i].line);
        fuzz_touch(bs_bytes_of(problems->list[i].message));
    }
}

static void
load(struct bs_bytes text)
{
    struct bs_problems problems = {0};
    struct bs_config *c = NULL;
    struct bs_err err = {0};
    char digest[65];

    if (bs_config_parse(text, "/nowhere/b.yaml", &c, &problems, &err) != BS_DONE) {
        HOLD(c == NULL && err.code == BS_E_CONFIG);
        check_problems(&problems, text.n);
    } else {
        HOLD(problems.n == 0);
        memcpy(digest, c->policy->digest, sizeof(digest));
        bs_policy_seal(c->policy);
        HOLD(strcmp(digest, c->policy->digest) == 0);
        ask(c->policy);
    }
    bs_problems_fini(&problems);
    bs_config_unref(&c);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bs_buf text;

    bs_buf_init(&text, 1 << 20);
    bs_put_str(&text, head);
    for (size_t i = 0; i < size; i++) {
        if (i == 0 || data[i - 1] == '\n')
            bs_put_u8(&text, ' '); /* below `policy:` */
        bs_put_u8(&text, data[i]);
    }
    if (!text.failed)
        load(bs_buf_view(&text));
    bs_buf_fini(&text);
    if (size != 0 && data[0] == '#') /* a whole configuration */
        load((struct bs_bytes){data, size});
    return 0;
}
