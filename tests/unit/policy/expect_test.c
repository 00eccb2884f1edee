/*
 * expect_test.c - tables of expectations, and what differs between two configurations.
 */
#include "policy/expect.h"

#include <stdlib.h>
#include <unistd.h>

#include "policies.h"
#include "policy/changed.h"

#define MOST 6

static const struct row {
    const char *what;
    const char *text;
    struct {
        int line;
        const char *says;
    } want[MOST];
} rows[] = {
    {"one", "- {name: a, sql: SELECT 1, expect: allow}\n", {{0, NULL}}},
    {"all keys",
     "- {name: a, actor: b, group: c, database: d, sql: SELECT 1, params: [1, null, ''], rows: 5,\n"
     "   share: 5%, expect: block, risk: HIGH, rule: (none)}\n",
     {{0, NULL}}},
    {"nothing", "", {{0, "the file is empty"}}},
    {"a comment", "# a\n", {{0, "the file is empty"}}},
    {"an empty list", "[]", {{1, "expectations: is an empty list"}}},
    {"a map", "a: b", {{1, "expectations: must be a list"}}},
    {"no YAML", "- {", {{2, "not YAML"}}},
    {"two documents",
     "- {name: a, sql: x, expect: allow}\n---\n- a\n",
     {{3, "a second document starts here"}}},
    {"what is missing",
     "- {}\n",
     {{1, "key \"name\" in expectation is missing"},
      {1, "key \"sql\" in expectation is missing"},
      {1, "key \"expect\" in expectation is missing"}}},
    {"misspelt",
     "- {name: a, sql: x, expect: alow}\n- {nam: b, sql: x, expect: allow}\n",
     {{1, "expect: \"alow\" is not one of block, approve or allow"},
      {2, "unknown key \"nam\" in expectation; did you mean \"name\"?"},
      {2, "key \"name\" in expectation is missing"}}},
    {"risk",
     "- {name: a, sql: x, expect: allow, risk: high}\n",
     {{1, "risk: \"high\" is not one of"}}},
    {"rows",
     "- {name: a, sql: x, expect: allow, rows: -1, share: 0%}\n",
     {{1, "rows: \"-1\" is not a whole number"}, {1, "share: \"0%\" is not a share"}}},
    {"share alone",
     "- {name: a, sql: x, expect: allow, share: 5%}\n",
     {{1, "share: says nothing without rows"}}},
    {"params", "- {name: a, sql: x, expect: allow, params: 5}\n", {{1, "params: must be a list"}}},
    {"params in params",
     "- {name: a, sql: x, expect: allow, params: [[5]]}\n",
     {{1, "params: must be single plain values"}}},
    {"given twice",
     "- {name: a, sql: x, sql: y, expect: allow}\n",
     {{1, "key \"sql\" in expectation is given twice, first on line 1"}}},
};

static char path[] = "/tmp/bs-expect-XXXXXX";

static enum bs_done
load(const char *text,
     struct bs_expectations *out,
     struct bs_problems *problems,
     struct bs_err *err)
{
    FILE *f = fopen(path, "w");

    if (f == NULL)
        abort();
    (void)fputs(text, f);
    (void)fclose(f);
    return bs_expectations_load(path, out, problems, err);
}

static void
every_row(void)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct row *r = &rows[i];
        struct bs_expectations e;
        struct bs_problems problems = {0};
        struct bs_err err = {0};
        enum bs_done done = load(r->text, &e, &problems, &err);
        int before = tap_misses;
        size_t n = 0;

        while (n < MOST && r->want[n].says != NULL)
            n++;
        EXPECT_EQ(done, n == 0 ? BS_DONE : BS_FAILED);
        EXPECT_EQ(err.code, n == 0 ? BS_OK : BS_E_DATA);
        EXPECT_EQ(problems.n, n);
        for (size_t k = 0; k < n && k < problems.n; k++) {
            EXPECT_EQ(problems.list[k].line, r->want[k].line);
            EXPECT(strstr(problems.list[k].message, r->want[k].says) != NULL);
        }
        for (size_t k = 0; tap_misses != before && k < problems.n; k++)
            printf("# %s: line %d: %s\n", r->what, problems.list[k].line, problems.list[k].message);
        bs_problems_fini(&problems);
        bs_expectations_fini(&e);
    }
}

static void
what_is_read(void)
{
    struct bs_expectations e;
    struct bs_problems problems = {0};
    struct bs_err err = {0};

    REQUIRE(load(rows[1].text, &e, &problems, &err) == BS_DONE);
    REQUIRE(e.n == 1 && e.list[0].n_params == 3);
    EXPECT(strcmp(e.list[0].params[0], "1") == 0 && e.list[0].params[1] == NULL);
    EXPECT(strcmp(e.list[0].params[2], "") == 0);
    EXPECT(e.list[0].rows == 5 && e.list[0].share == 0.05 && e.list[0].line == 1);
    EXPECT(e.list[0].expect == BS_ACTION_BLOCK && e.list[0].risk == BS_RISK_HIGH);
    EXPECT(strcmp(e.list[0].group, "c") == 0 && strcmp(e.list[0].rule, BS_EXPECT_NO_RULE) == 0);
    bs_expectations_fini(&e);
    REQUIRE(load(rows[0].text, &e, &problems, &err) == BS_DONE && e.n == 1);
    EXPECT(strcmp(e.list[0].actor, "anyone") == 0 && e.list[0].group == NULL);
    EXPECT(e.list[0].rows == -1 && e.list[0].risk == BS_RISK_UNKNOWN && e.list[0].rule == NULL);
    bs_expectations_fini(&e);
    bs_expectations_fini(&e);
    EXPECT_EQ(bs_expectations_load("/nowhere/at/all", &e, &problems, &err), BS_FAILED);
    EXPECT_EQ(err.code, BS_E_NOT_FOUND);
    bs_expectations_fini(&e);
}

/* A row for each key that is not the policy's, the certificate's or the clients': whoever adds one has to add it here. */
static void
changes_are_noticed(void)
{
    static const char base[] = HEAD "tls: {cert: a, key: b}\n";
    static const struct {
        const char *text, *key; /* NULL: none */
    } cases[] = {
        {HEAD "tls: {cert: a, key: b}\npolicy: {defaults: {HIGH: allow}}\n", NULL},
        {HEAD "tls: {cert: a, key: c}\n", NULL},
        {HEAD, NULL},
        {HEAD "clients: {per_actor: 1}\n", NULL},
        {HEAD "tls: {cert: a, key: b}\noperators: {listen: '127.0.0.1:1'}\n", "operators"},
        {HEAD "tls: {cert: a, key: b}\nworkers: 3\n", "workers"},
        {HEAD "tls: {cert: a, key: b}\nhold: {wait: 1s}\n", "hold"},
        {HEAD "tls: {cert: a, key: b}\nhold: {notice: 1s}\n", "hold"},
        {HEAD "tls: {cert: a, key: b}\nhold: {decide: 1s}\n", "hold"},
        {HEAD "tls: {cert: a, key: b}\nhold: {redeem: 1s}\n", "hold"},
        {HEAD "tls: {cert: a, key: b}\nrecovery: {grade: stored}\n", "recovery"},
        {HEAD "tls: {cert: a, key: b}\nrecovery: {lock_budget: 1s}\n", "recovery"},
        {HEAD "tls: {cert: a, key: b}\nrecovery: {max_bytes: 1B}\n", "recovery"},
        {HEAD "tls: {cert: a, key: b}\nrecovery: {pg_dump: {17: x}}\n", "recovery"},
        {HEAD "tls: {cert: a, key: b}\nrecovery: {scratch: dbname=x}\n", "recovery"},
        {HEAD "tls: {cert: a, key: b}\naudit_safe: counted\n", "audit_safe"},
        {HEAD "tls: {cert: a, key: b}\nagents_http: {listen: '127.0.0.1:2'}\n", "agents_http"},
    };
    struct bs_config *a = config_of(base);

    REQUIRE(a != NULL);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct bs_config *b = config_of(cases[i].text);
        const char *key;
        REQUIRE(b != NULL);
        key = bs_config_changed_key(a, b, 0);
        EXPECT(cases[i].key == NULL ? key == NULL : key != NULL && strcmp(key, cases[i].key) == 0);
        EXPECT(bs_config_changed_key(a, b, 1) == NULL);
        EXPECT(bs_config_same_places(a, b));
        bs_config_unref(&b);
    }
    bs_config_unref(&a);
}

static void
places(void)
{
#define FILE_OF(listen, databases, rest) "listen: ['" listen "']\ndatabases:\n" databases rest
#define ONE                              "  a: {upstream: 'dbname=a', helper: 'dbname=a user=b'}\n"
#define REST                             "state: sqlite:s\naudit: {directory: a}\nstorage: file:b\nspool: c\n"
    static const struct {
        const char *text, *keys[4];
        bool same;
    } cases[] = {
        {FILE_OF("127.0.0.1:1", ONE, REST), {NULL}, true},
        {FILE_OF("127.0.0.1:2", ONE, REST), {"listen"}, true},
        {FILE_OF("unix:x", ONE, REST), {"listen"}, true},
        {FILE_OF("127.0.0.1:1", "  a: {upstream: 'dbname=b', helper: 'dbname=a user=b'}\n", REST),
         {"databases"},
         true},
        {FILE_OF("127.0.0.1:1", "  b: {upstream: 'dbname=a', helper: 'dbname=a user=b'}\n", REST),
         {"databases"},
         false},
        {FILE_OF("127.0.0.1:1",
                 "  a: {upstream: 'dbname=a', helper: 'dbname=a user=b', environment: x}\n", REST),
         {"databases"},
         false},
        {FILE_OF("127.0.0.1:1", ONE "  b: {upstream: 'dbname=a', helper: 'dbname=a user=b'}\n",
                 REST),
         {"databases"},
         false},
        {FILE_OF("127.0.0.1:1", ONE,
                 "state: sqlite:t\naudit: {directory: b}\nstorage: file:c\nspool: d\n"),
         {"state", "audit", "storage", "spool"},
         true},
    };
    struct bs_config *a = config_of(cases[0].text);

    REQUIRE(a != NULL);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct bs_config *b = config_of(cases[i].text);
        REQUIRE(b != NULL);
        for (size_t k = 0; k < 4; k++) {
            const char *key = bs_config_changed_key(a, b, k), *want = cases[i].keys[k];
            EXPECT(want == NULL ? key == NULL : key != NULL && strcmp(key, want) == 0);
        }
        EXPECT_EQ(bs_config_same_places(a, b), cases[i].same);
        bs_config_unref(&b);
    }
    bs_config_unref(&a);
}

int
main(void)
{
    static const struct tap_case cases[] = {
        {"every row", every_row},
        {"what is read", what_is_read},
        {"changes of other keys are noticed", changes_are_noticed},
        {"names and environments of databases are places", places},
    };
    int fd = mkstemp(path), failed;

    if (fd < 0)
        return 1;
    (void)close(fd);
    failed = tap_main(cases, sizeof(cases) / sizeof(cases[0]));
    (void)unlink(path);
    return failed;
}
