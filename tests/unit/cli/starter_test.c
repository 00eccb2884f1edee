/*
 * starter_test.c - what `backstop init` writes can be used, and does what its comments say.
 */
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "cli/certificate.h"
#include "cli/starter.h"
#include "policy/config.h"
#include "policy/decide.h"
#include "tap.h"

static const struct bs_starter plain = {
    .listen = "127.0.0.1:6543",
    .operators = "127.0.0.1:6580",
    .database = "app",
    .upstream = "dbname=app user=app_rw",
    .helper = "dbname=app user=backstop",
    .environment = "production",
};

static struct bs_config *
load(const struct bs_starter *s)
{
    struct bs_buf text;
    struct bs_config *c = NULL;
    struct bs_problems problems = {0};
    struct bs_err err = {0};

    bs_buf_init(&text, 1 << 20);
    bs_starter_config(s, &text);
    if (bs_config_parse(bs_buf_view(&text), "/etc/b/backstop.yaml", &c, &problems, &err) != BS_DONE)
        printf("# %s\n", err.message);
    bs_problems_fini(&problems);
    bs_buf_fini(&text);
    return c;
}

static void
config_loads(void)
{
    struct bs_config *c = load(&plain);

    REQUIRE(c != NULL);
    EXPECT(strcmp(c->tls_cert, "/etc/b/server.crt") == 0);
    EXPECT(strcmp(c->databases[0].environment, "production") == 0);
    EXPECT_EQ(c->policy->n_rules, 2);
    bs_config_unref(&c);
}

static void
odd_values_survive(void)
{
    struct bs_starter odd = plain;
    struct bs_config *c;

    odd.database = "we: ird\" # {name}";
    odd.upstream = "dbname=a password='x\\\\y\"z'";
    odd.environment = "- '\xc3\xa9";
    c = load(&odd);
    REQUIRE(c != NULL);
    EXPECT(strcmp(c->databases[0].name, odd.database) == 0);
    EXPECT(strcmp(c->databases[0].upstream, odd.upstream) == 0);
    EXPECT(strcmp(c->databases[0].environment, odd.environment) == 0);
    bs_config_unref(&c);
}

static enum bs_action
decide(const struct bs_config *c, const char *sql)
{
    const struct bs_subject subject = {.actor = "anyone", .database = "app"};
    struct bs_arena arena;
    struct bs_unit unit = {0};
    struct bs_decision d = {0};
    struct bs_err err = {0};

    bs_arena_init(&arena, "test", 1 << 20);
    EXPECT_EQ(bs_classify(bs_bytes_of(sql), BS_CLASSIFY_LIMITS, &arena, &unit, &err), BS_DONE);
    EXPECT_EQ(bs_decide(c->policy, &subject, &unit, NULL, &arena, &d, &err), BS_DONE);
    bs_arena_fini(&arena);
    return d.action;
}

static void
policy_lets_additive_work_pass(void)
{
    static const struct {
        const char *sql;
        enum bs_action want;
    } rows[] = {
        {"SELECT * FROM t", BS_ACTION_ALLOW},
        {"INSERT INTO t VALUES (1)", BS_ACTION_ALLOW},
        {"INSERT INTO t SELECT * FROM u RETURNING id", BS_ACTION_ALLOW},
        {"COPY t FROM STDIN", BS_ACTION_ALLOW},
        {"SELECT nextval('s')", BS_ACTION_ALLOW},
        {"SELECT * FROM t FOR UPDATE", BS_ACTION_ALLOW},
        {"NOTIFY x", BS_ACTION_ALLOW},
        {"INSERT INTO t VALUES (1) ON CONFLICT (id) DO UPDATE SET x = 1", BS_ACTION_APPROVE},
        {"DELETE FROM t WHERE id = 1", BS_ACTION_APPROVE},
        {"DELETE FROM t", BS_ACTION_APPROVE},
        {"UPDATE t SET x = 1 WHERE true", BS_ACTION_APPROVE},
        {"WITH d AS (DELETE FROM t RETURNING *) SELECT * FROM d", BS_ACTION_APPROVE},
        {"WITH d AS (DELETE FROM t RETURNING *) INSERT INTO u SELECT * FROM d", BS_ACTION_APPROVE},
        {"TRUNCATE t", BS_ACTION_APPROVE},
        {"DROP TABLE t CASCADE", BS_ACTION_APPROVE},
        {"SELECT 1; DROP SCHEMA public CASCADE", BS_ACTION_BLOCK},
        {"DROP DATABASE app", BS_ACTION_BLOCK},
        {"DO $$ BEGIN EXECUTE 'x'; END $$", BS_ACTION_APPROVE},
        {"COPY t TO PROGRAM 'sh'", BS_ACTION_BLOCK},
        {"SELEC 1", BS_ACTION_BLOCK},
    };
    struct bs_config *c = load(&plain);

    REQUIRE(c != NULL);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        enum bs_action got = decide(c, rows[i].sql);
        if (got != rows[i].want)
            EXPECT(!"decision"), printf("# %s: %s\n", bs_action_name(got), rows[i].sql);
    }
    bs_config_unref(&c);
}

static void
helper_sql_is_one_text(void)
{
    struct bs_buf text;

    bs_buf_init(&text, 1 << 16);
    bs_starter_helper_sql(&text);
    bs_put_u8(&text, 0);
    EXPECT(!text.failed);
    EXPECT(strstr((const char *)text.p, "BYPASSRLS") != NULL);
    EXPECT(strstr((const char *)text.p, "pg_read_all_data, pg_signal_backend, pg_monitor") != NULL);
    bs_buf_fini(&text);
}

static void
certificate_fits_its_key(void)
{
    struct bs_buf key, cert;
    struct bs_err err = {0};
    BIO *key_bio, *cert_bio;
    EVP_PKEY *pair;
    X509 *x509;

    bs_buf_init(&key, 65536);
    bs_buf_init(&cert, 65536);
    REQUIRE(bs_certificate_make(&key, &cert, &err) == BS_DONE);
    key_bio = BIO_new_mem_buf(key.p, (int)key.n);
    cert_bio = BIO_new_mem_buf(cert.p, (int)cert.n);
    pair = PEM_read_bio_PrivateKey(key_bio, NULL, NULL, NULL);
    x509 = PEM_read_bio_X509(cert_bio, NULL, NULL, NULL);
    EXPECT(pair != NULL && x509 != NULL);
    if (pair != NULL && x509 != NULL) {
        EXPECT_EQ(X509_check_private_key(x509, pair), 1);
        EXPECT_EQ(X509_verify(x509, pair), 1);
        EXPECT_EQ(X509_check_host(x509, "localhost", 0, 0, NULL), 1);
        EXPECT_EQ(X509_check_host(x509, "example.org", 0, 0, NULL), 0);
        EXPECT_EQ(X509_check_ip_asc(x509, "127.0.0.1", 0), 1);
        EXPECT_EQ(X509_check_ip_asc(x509, "::1", 0), 1);
        EXPECT(X509_cmp_current_time(X509_get0_notBefore(x509)) < 0);
        EXPECT(X509_cmp_current_time(X509_get0_notAfter(x509)) > 0);
    }
    X509_free(x509);
    EVP_PKEY_free(pair);
    BIO_free(cert_bio);
    BIO_free(key_bio);
    bs_buf_fini(&key);
    bs_buf_fini(&cert);
}

int
main(void)
{
    static const struct tap_case cases[] = {
        {"the configuration loads", config_loads},
        {"odd values survive", odd_values_survive},
        {"the policy lets additive work pass", policy_lets_additive_work_pass},
        {"the helper's SQL", helper_sql_is_one_text},
        {"the certificate fits its key", certificate_fits_its_key},
    };

    return tap_main(cases, sizeof(cases) / sizeof(cases[0]));
}
