/*
 * verdicts_test.c - a verdict that was kept is the one that would be made now: over the texts that
 * clients send, before and after everything that may change one. And how much is kept.
 */
#include "gateway/verdicts.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>

#include "../catalog/server.h"
#include "audit/digest.h"
#include "base/files.h"
#include "policy/rules.h"
#include "tap.h"

static struct server server;
static struct bs_snapshot *snapshot;
static struct bs_policy policy;

static struct bs_judge
plain(void)
{
    return (struct bs_judge){.policy = &policy,
                             .subject = {"bob", "app", "team", "test"},
                             .snapshot = snapshot,
                             .epoch = 7,
                             .limits = {.max_bytes = 1 << 30, .rows = true}};
}

/* --- a verdict as text -------------------------------------------------------------------- */

static void
put(struct bs_buf *out, const char *what, const char *text)
{
    bs_put_fmt(out, " %s=%s", what, text == NULL ? "-" : text);
}

static void
put_name(struct bs_buf *out, struct bs_name name)
{
    put(out, "schema", name.schema);
    put(out, "name", name.name);
}

static void
put_stmt(struct bs_buf *out, const struct bs_stmt *s)
{
    bs_put_fmt(out, "\n stmt %d %d %d %d %x %d %d %u-%u", s->kind, s->risk, s->point,
               s->plain_point, s->flags, s->control, s->chain, s->from, s->to);
    put(out, "label", s->label);
    put(out, "value", s->value);
    put(out, "code", s->code);
    for (size_t i = 0; i < s->n_effects; i++) {
        bs_put_fmt(out, "\n  effect %d %d", s->effects[i].kind, s->effects[i].object);
        put_name(out, s->effects[i].name);
    }
    for (size_t i = 0; i < s->n_reads; i++)
        put_name(out, s->reads[i]);
    for (size_t i = 0; i < s->n_calls; i++) {
        bs_put_fmt(out, "\n  call %d %d %d %d", s->calls[i].kind, s->calls[i].n_args,
                   s->calls[i].listed, s->calls[i].risk);
        put_name(out, s->calls[i].name);
    }
    for (size_t i = 0; i < s->n_reasons; i++) {
        bs_put_fmt(out, "\n  reason %d", s->reasons[i].risk);
        put(out, s->reasons[i].code, s->reasons[i].text);
    }
}

static void
put_verdict(struct bs_buf *out, const struct bs_verdict *v)
{
    const struct bs_decision *d = &v->decision;

    bs_put_fmt(out, "way %d code %d", v->way, v->code);
    put(out, "sqlstate", v->sqlstate);
    put(out, "message", v->message);
    put(out, "hint", v->hint);
    bs_put_fmt(out, " %d%d%d%d%d%d epoch %d policy %d text %d shown %d %d executed %d", v->measure,
               v->measured, v->refresh, v->named, v->wait, v->wrapped, (int)v->epoch,
               v->policy == &policy, (int)v->text.n, (int)v->shown.n, v->text.p == v->shown.p,
               v->executed.p != NULL);
    bs_put_fmt(out, "\ndecision %d %d %d %d %d %d %d %d", d->action, d->would, d->shadow,
               d->recovery_waived, d->recovery_optional, d->needs_rows, (int)d->result_rows,
               (int)d->stmt);
    put(out, "rule", d->rule);
    put(out, "why", d->why);
    put(out, "digest", d->digest);
    bs_put_fmt(out, "\nplan %d facts %zu %d selects %zu", v->plan.kind, v->facts.n_targets,
               v->facts.unknown_name, v->n_selects);
    put(out, "unknown", v->facts.unknown);
    for (size_t i = 0; i < v->facts.n_targets; i++)
        bs_put_fmt(out, " %u", v->facts.targets[i].oid);
    bs_put_fmt(out, "\nunit %d %x %d %d", v->unit.risk, v->unit.flags, v->unit.parsed,
               v->unit.catalog);
    put(out, "error", v->unit.error);
    for (size_t i = 0; i < v->unit.n_stmts; i++)
        put_stmt(out, &v->unit.stmts[i]);
    bs_put_u8(out, 0);
}

/* --- the difference ----------------------------------------------------------------------- */

static struct bs_verdicts *cache;
static size_t n_kept, n_texts, n_passed; /* of one pass over the corpora */

static bool
judged_is(const struct bs_judge *by, struct bs_bytes text, const struct bs_buf *want)
{
    struct bs_arena arena;
    struct bs_kept *kept;
    struct bs_verdict v;
    struct bs_err err = {0};
    struct bs_buf got;
    bool same;

    bs_arena_init(&arena, "test", 64u << 20);
    bs_buf_init(&got, 16u << 20);
    if (bs_verdicts_judge(cache, by, text, &arena, &v, &kept, &err) == BS_DONE)
        put_verdict(&got, &v);
    same = bs_bytes_equal(bs_buf_view(&got), bs_buf_view(want));
    if (!same)
        printf("# %.200s\n# %s\n# instead of %s\n", (const char *)text.p, (char *)got.p,
               (char *)want->p);
    n_kept += kept != NULL;
    bs_kept_unref(&kept);
    bs_buf_fini(&got);
    bs_arena_fini(&arena);
    return same;
}

/* What is made for the text now, whatever was kept. */
static void
compare_one(const struct bs_judge *by, struct bs_bytes text)
{
    struct bs_arena arena;
    struct bs_verdict v;
    struct bs_err err = {0};
    struct bs_buf want;

    bs_arena_init(&arena, "test", 64u << 20);
    bs_buf_init(&want, 16u << 20);
    if (bs_judge(by, text, &arena, &v, &err) == BS_DONE)
        put_verdict(&want, &v);
    n_texts++;
    n_passed += v.way == BS_WAY_PASS;
    for (int i = 0; i < 3; i++)
        EXPECT(judged_is(by, text, &want));
    bs_buf_fini(&want);
    bs_arena_fini(&arena);
}

/* Another digit for each digit. */
static void
renumber(char *text, int turn)
{
    for (char *at = text; *at != '\0'; at++) {
        if (*at >= '0' && *at <= '9')
            *at = (char)('0' + (*at - '0' + 1 + turn * 4) % 10);
    }
}

/*
 * Three times: unseen or out of date, then perhaps kept. What is kept for all numbers must be right
 * for all: so again with others, of each of which the verdict may differ (LIMIT 0, float(99)).
 */
static void
compare(const struct bs_judge *by, struct bs_bytes text)
{
    char *other = bs_malloc(text.n + 1);
    size_t texts, passed, kept;

    compare_one(by, text);
    kept = n_kept, texts = n_texts, passed = n_passed;
    memcpy(other, text.p, text.n);
    for (int turn = 0; turn < 2; turn++) {
        renumber(other, turn);
        compare_one(by, (struct bs_bytes){(const uint8_t *)other, text.n});
    }
    n_kept = kept, n_texts = texts, n_passed = passed;
    free(other);
}

/* The texts of a file, parted by lines that begin with "-- next" or "-- then". */
static void
each_text(const struct bs_judge *by, const char *path)
{
    static const char *const marks[] = {"\n-- next\n", "\n-- then\n"};
    struct bs_buf file;
    struct bs_err err = {0};
    char *at, *end;

    bs_buf_init(&file, 4u << 20);
    REQUIRE(bs_file_read(path, &file, &err) == BS_DONE);
    bs_put_u8(&file, 0);
    for (at = (char *)file.p; at != NULL; at = end) {
        end = NULL;
        for (size_t i = 0; i < 2; i++) {
            char *mark = strstr(at, marks[i]);
            if (mark != NULL && (end == NULL || mark < end))
                end = mark;
        }
        if (end != NULL)
            *end++ = '\0';
        compare(by, bs_bytes_of(at));
        at = end == NULL ? NULL : strchr(end, '\n');
        end = at;
    }
    bs_buf_fini(&file);
}

static void
each_file(const struct bs_judge *by)
{
    static const char folder[] = BS_TEST_DATA "/introspection";
    DIR *dir = opendir(folder);
    const struct dirent *entry;
    char path[512];

    n_kept = n_texts = n_passed = 0;
    each_text(by, BS_TEST_DATA "/honest_reads.sql");
    REQUIRE(dir != NULL);
    while ((entry = readdir(dir)) != NULL) {
        (void)snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name);
        if (entry->d_name[0] != '.')
            each_text(by, path);
    }
    (void)closedir(dir);
}

static bool
refresh(void)
{
    struct bs_snapshot *old = snapshot;
    struct bs_err err = {0};
    bool done = bs_snapshot_refresh(server.conninfo, old, &snapshot, &err) == BS_DONE;

    bs_snapshot_unref(&old);
    return done;
}

static void
what_clients_send(void)
{
    struct bs_judge by = plain();
    struct bs_own own = {0};
    size_t all;

    cache = bs_verdicts_new(64u << 20);
    each_file(&by);
    printf("# %zu texts, %zu pass, %zu kept\n", n_texts, n_passed, n_kept);
    EXPECT(n_passed > 400 && n_kept > n_passed * 4 / 5);
    all = n_passed;

    by.names.own = &own; /* it has done something, and of that nothing is left */
    each_file(&by);
    EXPECT(n_kept > all * 2);

    own.relations = own.code = true;
    each_file(&by);
    EXPECT(n_kept == 0);
    by = plain();
    by.names.uncommitted_ddl = true;
    each_file(&by);
    EXPECT(n_kept == 0);
    by = plain();
    by.names.path_changed = true;
    each_file(&by);
    EXPECT(n_kept == 0 && n_passed < all);
    by = plain();
    by.names.temporary = true;
    each_file(&by);
    EXPECT(n_kept == 0 && n_passed < all);

    by = plain();
    compare(&by, BS_LIT("COMMIT AND CHAIN"));
    by.shielded = true;
    compare(&by, BS_LIT("COMMIT AND CHAIN"));
}

static bool has_cursor;

static bool
cursor_of(void *names, const char *label)
{
    (void)names;
    return has_cursor && strcmp(label, "k") == 0;
}

/* What a name of the session means is asked for each time. */
static void
names_of_the_session(void)
{
    const struct bs_known known = {NULL, NULL, cursor_of};
    struct bs_judge by = plain();

    by.known = &known;
    n_kept = 0;
    for (int i = 0; i < 2; i++) {
        has_cursor = i == 0;
        compare(&by, BS_LIT("FETCH 1 FROM k"));
    }
    EXPECT_EQ(n_kept, 0);
}

/* Whose text it is, and where: each has its own verdict, though here they are all the same. */
static void
others_texts(void)
{
    static const struct bs_subject others[] = {{"eve", "app", "team", "test"},
                                               {"bob", "other", "team", "test"},
                                               {"bob", "app", NULL, "test"},
                                               {"bob", "app", "team", NULL},
                                               {"bob", "app", "team", "test"}};

    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        struct bs_judge by = plain();
        by.subject = others[i];
        n_kept = 0;
        compare(&by, BS_LIT("SELECT 'mine'"));
        EXPECT(n_kept == 1 || n_kept == 2); /* not the first time */
    }
}

/* The same policy with a rule for eve alone. */
static void
another_policy(void)
{
    static const char *eve[] = {"eve"};
    struct bs_policy other;
    struct bs_rule rule;
    struct bs_judge by = plain();

    bs_policy_init(&other);
    bs_rule_init(&rule);
    rule.name = rule.says = "no";
    rule.actors = (struct bs_globs){eve, 1};
    rule.risks = BS_RISK_BITS_ALL;
    other.rules = &rule;
    other.n_rules = 1;
    bs_policy_seal(&other);
    by.policy = &other;
    each_file(&by);
    EXPECT(n_passed > 400 && n_kept > 400);
    by.subject.actor = "eve";
    each_file(&by);
    EXPECT(n_passed < 400); /* no rule is about a text without a statement */
    by = plain();
    each_file(&by);
    EXPECT(n_passed > 400);
}

/* A rule lets everything pass; what is not SAFE is judged each time all the same. */
static void
only_what_is_safe(void)
{
    static const char *const texts[] = {"SELECT pg_reload_conf()", "SELECT lo_unlink(1)",
                                        "CHECKPOINT", "DO 'BEGIN END'",
                                        "ALTER SYSTEM SET jit = on"};
    const size_t n = sizeof(texts) / sizeof(texts[0]);
    struct bs_policy other;
    struct bs_rule rule;
    struct bs_judge by = plain();

    bs_policy_init(&other);
    bs_rule_init(&rule);
    rule.name = rule.says = "all";
    rule.action = BS_ACTION_ALLOW;
    rule.keep = BS_KEEP_NOT;
    rule.risks = BS_RISK_BITS_ALL;
    other.rules = &rule;
    other.n_rules = 1;
    bs_policy_seal(&other);
    by.policy = &other;
    n_kept = n_passed = 0;
    for (size_t i = 0; i < n; i++)
        compare(&by, bs_bytes_of(texts[i]));
    EXPECT_EQ(n_passed, n);
    EXPECT_EQ(n_kept, 0);
}

/* What a name means is another thing now: a function that shadows a built-in one. */
static void
another_catalog(void)
{
    static const char text[] = "SELECT upper(relname::text) FROM pg_class";
    struct bs_judge by = plain();
    size_t before;

    each_file(&by);
    before = n_passed;
    n_kept = n_passed = 0;
    compare(&by, bs_bytes_of(text));
    EXPECT(n_passed == 1 && n_kept >= 1);
    REQUIRE(server_run(&server, "CREATE SCHEMA s; CREATE TABLE s.t (a int);"
                                "CREATE FUNCTION s.upper(text) RETURNS text LANGUAGE plpgsql AS"
                                " 'BEGIN DELETE FROM s.t; RETURN $1; END'"));
    REQUIRE(refresh());
    by = plain();
    n_kept = n_passed = 0;
    compare(&by, bs_bytes_of(text));
    EXPECT(n_passed == 0 && n_kept == 0);
    each_file(&by);
    REQUIRE(server_run(&server, "DROP SCHEMA s CASCADE"));
    REQUIRE(refresh());
    by = plain();
    each_file(&by);
    EXPECT_EQ(n_passed, before);
    bs_verdicts_free(&cache);
}

/* --- how much ----------------------------------------------------------------------------- */

/* True where it was kept before. */
static bool
ask(struct bs_verdicts *v, const char *actor, const char *text)
{
    struct bs_judge by = plain();
    struct bs_arena arena;
    struct bs_kept *kept = NULL;
    struct bs_verdict verdict;
    struct bs_err err = {0};
    bool found;

    by.subject.actor = actor;
    bs_arena_init(&arena, "test", 64u << 20);
    EXPECT(bs_verdicts_judge(v, &by, bs_bytes_of(text), &arena, &verdict, &kept, &err) == BS_DONE);
    found = kept != NULL;
    bs_kept_unref(&kept);
    bs_arena_fini(&arena);
    return found;
}

static void
at_the_second_time(void)
{
    struct bs_verdicts *v = bs_verdicts_new(1u << 20);

    EXPECT(!ask(v, "bob", "SELECT 1"));
    EXPECT_EQ(bs_verdicts_bytes(v), 0);
    EXPECT(!ask(v, "bob", "SELECT 1"));
    EXPECT(bs_verdicts_bytes(v) > 0);
    EXPECT(ask(v, "bob", "SELECT 1"));
    EXPECT(!ask(v, "eve", "SELECT 1")); /* and nobody else's */
    EXPECT(!ask(v, "bob", "SELECT 2"));
    EXPECT(!ask(v, "bob", "SELECT 1 "));
    bs_verdicts_free(&v);
}

/* Found at the first time, since it differs from what came twice in its numbers only. */
static bool
is_known_by(const char *twice, const char *then)
{
    struct bs_verdicts *v = bs_verdicts_new(1u << 20);
    bool known;

    (void)ask(v, "bob", twice);
    (void)ask(v, "bob", twice);
    known = ask(v, "bob", then);
    EXPECT(ask(v, "bob", twice));
    bs_verdicts_free(&v);
    return known;
}

#define OF "SELECT relname FROM pg_class WHERE "

static void
other_numbers(void)
{
    static const char *const same[][2] = {
        {OF "oid = 1234;", OF "oid = 9876;"},
        {OF "oid = 12 OR relpages > 7", OF "oid = 99 OR relpages > 0"},
        {OF "1 <= relpages", OF "5 <= relpages"},
    };
    static const char *const not_same[][2] = {
        {OF "oid = 1234;", OF "oid = 123;"},   /* what follows stands elsewhere */
        {OF "oid = 1234;", OF "reltype = 1;"}, /* another column */
        {OF "oid = 12 LIMIT 1", OF "oid = 12 LIMIT 2"},
        {OF "oid = 1 + 1", OF "oid = 1 + 2"},
        {OF "oid = '1'", OF "oid = '2'"},
        {OF "oid = 1 -- 1", OF "oid = 1 -- 2"},
        {OF "\"oid\" = 1", OF "\"oid\" = 2"},
        {OF "relpages = 1.5", OF "relpages = 2.5"},
        {OF "relpages = 1.", OF "relpages = 2."},
        {OF "relpages = .5", OF "relpages = .6"},
        {OF "relpages = 1e5", OF "relpages = 2e5"},
        {OF "relpages = 1234567890", OF "relpages = 2234567890"},
        {OF "relpages = 1 LIMIT 1234567890", OF "relpages = 2 LIMIT 1234567891"},
        {"SELECT 1 FROM pg_class WHERE oid = 1", "SELECT 2 FROM pg_class WHERE oid = 1"},
        {OF "oid = 1; " OF "oid = 2", OF "oid = 2; " OF "oid = 2"},
        {"PREPARE p AS " OF "oid = 1", "PREPARE p AS " OF "oid = 2"},
        {"EXPLAIN " OF "oid = 1", "EXPLAIN " OF "oid = 2"},
        {"DECLARE c CURSOR FOR " OF "oid = 1", "DECLARE c CURSOR FOR " OF "oid = 2"},
    };

    for (size_t i = 0; i < sizeof(same) / sizeof(same[0]); i++)
        EXPECT(is_known_by(same[i][0], same[i][1]));
    for (size_t i = 0; i < sizeof(not_same) / sizeof(not_same[0]); i++) {
        bool known = is_known_by(not_same[i][0], not_same[i][1]);
        if (known)
            printf("# %s is taken for %s\n", not_same[i][1], not_same[i][0]);
        EXPECT(!known);
    }
}

static void
never(void)
{
    static const char *const texts[] = {
        "SELEC",
        "EXECUTE x",
        "SELECT * FROM nothing_of_that_name",
        "TRUNCATE pg_class",
        "CREATE TABLE x (a int)",
        "CREATE ROLE x PASSWORD 'secret'",
    };
    struct bs_verdicts *v = bs_verdicts_new(1u << 20), *none = bs_verdicts_new(0);
    size_t n = (64u << 10) + 2;
    char *text = bs_malloc(n);

    memset(text, ' ', n - 1);
    memcpy(text, "SELECT 1", 8);
    for (int turn = 0; turn < 4; turn++) {
        for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
            EXPECT(!ask(v, "bob", texts[i]));
        EXPECT(!ask(v, "bob", text)); /* one byte too long */
        EXPECT(!ask(none, "bob", "SELECT 1"));
    }
    text[n - 2] = '\0';
    (void)ask(v, "bob", text);
    (void)ask(v, "bob", text);
    EXPECT(ask(v, "bob", text));
    free(text);
    bs_verdicts_free(&v);
    bs_verdicts_free(&none);
}

/* Texts of a stranger push out texts, but never more than there is room for. */
static void
bounded(void)
{
    enum { MAX = 64 << 10 };
    struct bs_verdicts *v = bs_verdicts_new(MAX);
    char text[64];
    size_t most = 0;

    for (int i = 0; i < 3; i++)
        (void)ask(v, "bob", "SELECT 'often'");
    for (int i = 0; i < 2000; i++) {
        (void)snprintf(text, sizeof(text), "SELECT %d", i);
        (void)ask(v, "bob", text);
        if (i % 2 == 0)
            (void)ask(v, "bob", text);
        if (i % 8 == 0)
            EXPECT(ask(v, "bob", "SELECT 'often'")); /* what is used stays */
        most = bs_verdicts_bytes(v) > most ? bs_verdicts_bytes(v) : most;
    }
    EXPECT(most <= MAX && most > MAX / 2);
    EXPECT(!ask(v, "bob", "SELECT 0"));
    bs_verdicts_free(&v);
}

/* What the audit has of a text that was found has the digests of its own numbers. */
static void
recorded_of(struct bs_verdicts *v, const struct bs_judge *by, const char *text, char out[256])
{
    struct bs_arena arena;
    struct bs_kept *kept = NULL;
    struct bs_verdict verdict;
    struct bs_err err = {0};

    bs_arena_init(&arena, "test", 1u << 20);
    out[0] = '\0';
    EXPECT(bs_verdicts_judge(v, by, bs_bytes_of(text), &arena, &verdict, &kept, &err) == BS_DONE);
    (void)snprintf(out, 256, "%.*s", (int)verdict.recorded.n, (const char *)verdict.recorded.p);
    bs_kept_unref(&kept);
    bs_arena_fini(&arena);
}

static void
redacted(void)
{
    struct bs_verdicts *v = bs_verdicts_new(1u << 20);
    struct bs_judge by = plain();
    char key[] = "/tmp/bs-redact-XXXXXX", before[256], now[256], other[256];
    struct bs_audit_digest *d;
    struct bs_err err = {0};

    REQUIRE(mkdtemp(key) != NULL);
    REQUIRE(rmdir(key) == 0 && bs_audit_digest_make(key, &d, &err) == BS_DONE);
    recorded_of(v, &by, "SELECT relname FROM pg_class WHERE oid = 11", before);
    EXPECT(strstr(before, "= 11") != NULL);
    by.redact = d;
    recorded_of(v, &by, "SELECT relname FROM pg_class WHERE oid = 11", before);
    EXPECT(strstr(before, "11") == NULL && strstr(before, "oid = '~") != NULL);
    for (int i = 0; i < 3; i++) {
        recorded_of(v, &by, "SELECT relname FROM pg_class WHERE oid = 11", now);
        EXPECT(strcmp(now, before) == 0);
        recorded_of(v, &by, "SELECT relname FROM pg_class WHERE oid = 12", other);
        EXPECT(strcmp(other, before) != 0 && strstr(other, "oid = '~") != NULL);
    }
    for (int i = 0; i < 3; i++) {
        recorded_of(v, &by, "SELECT 'secret'", now);
        EXPECT(strstr(now, "secret") == NULL && strstr(now, "SELECT '~") != NULL);
    }
    bs_verdicts_free(&v);
    bs_audit_digest_free(&d);
    (void)unlink(key);
}

/* What somebody still looks at lives on when it is pushed out. */
static void
in_use(void)
{
    struct bs_verdicts *v = bs_verdicts_new(1u << 20);
    struct bs_judge by = plain();
    struct bs_arena arena;
    struct bs_kept *kept = NULL;
    struct bs_verdict verdict = {0};
    struct bs_err err = {0};

    bs_arena_init(&arena, "test", 1u << 20);
    (void)ask(v, "bob", "SELECT 1");
    (void)ask(v, "bob", "SELECT 1");
    EXPECT(bs_verdicts_judge(v, &by, BS_LIT("SELECT 1"), &arena, &verdict, &kept, &err) == BS_DONE);
    REQUIRE(kept != NULL);
    bs_verdicts_free(&v);
    EXPECT_EQ(verdict.unit.n_stmts, 1);
    EXPECT_EQ(verdict.unit.stmts[0].kind, BS_KIND_SELECT);
    bs_kept_unref(&kept);
    EXPECT(kept == NULL);
    bs_arena_fini(&arena);
}

int
main(void)
{
    static const struct tap_case cases[] = {
        {"what clients send", what_clients_send},
        {"names of the session", names_of_the_session},
        {"whose texts", others_texts},
        {"another policy", another_policy},
        {"only what is safe", only_what_is_safe},
        {"another catalog", another_catalog},
        {"kept at the second time, for one actor", at_the_second_time},
        {"other numbers", other_numbers},
        {"what is never kept", never},
        {"never more than there is room for", bounded},
        {"what the audit has of it", redacted},
        {"what is in use lives on", in_use},
    };
    struct bs_err err = {0};
    int failed;

    bs_policy_init(&policy);
    if (!server_start(&server))
        return 0;
    if (bs_snapshot_load(server.conninfo, &snapshot, &err) != BS_DONE) {
        printf("Bail out! %s\n", err.message);
        server_stop(&server);
        return 1;
    }
    failed = tap_main(cases, sizeof(cases) / sizeof(cases[0]));
    bs_snapshot_unref(&snapshot);
    server_stop(&server);
    return failed;
}
