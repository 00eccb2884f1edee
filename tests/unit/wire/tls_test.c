#include "wire/tls.h"

#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "tap.h"
#include "wire/rows.h"

#define N(array) (sizeof(array) / sizeof((array)[0]))

/* ---------------------------------------------------------- certificates */

static char dir[] = "/tmp/bs-tls-test.XXXXXX";

static const char *
path(const char *name)
{
    static char buffers[4][128];
    static unsigned turn;
    char *p = buffers[turn++ % 4];

    (void)snprintf(p, 128, "%s/%s", dir, name);
    return p;
}

static void
extend(X509 *cert, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX ctx;
    X509_EXTENSION *ext;

    X509V3_set_ctx(&ctx, issuer, cert, NULL, NULL, 0);
    ext = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    (void)X509_add_ext(cert, ext, -1);
    X509_EXTENSION_free(ext);
}

/* A certificate for `key`, signed by the issuer (or itself), valid until `seconds` from now. */
static X509 *
certify(EVP_PKEY *key, const char *cn, const char *san, X509 *issuer, EVP_PKEY *by, long seconds)
{
    X509 *cert = X509_new();
    X509_NAME *name = X509_get_subject_name(cert);
    static long serial;

    (void)X509_set_version(cert, 2);
    (void)ASN1_INTEGER_set(X509_get_serialNumber(cert), ++serial);
    (void)X509_gmtime_adj(X509_getm_notBefore(cert), -86400);
    (void)X509_gmtime_adj(X509_getm_notAfter(cert), seconds);
    (void)X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)cn, -1, -1,
                                     0);
    (void)X509_set_issuer_name(cert, issuer == NULL ? name : X509_get_subject_name(issuer));
    (void)X509_set_pubkey(cert, key);
    extend(cert, issuer == NULL ? cert : issuer, NID_basic_constraints,
           issuer == NULL ? "critical,CA:TRUE" : "critical,CA:FALSE");
    if (san != NULL)
        extend(cert, issuer, NID_subject_alt_name, san);
    (void)X509_sign(cert, by, EVP_sha256());
    return cert;
}

static void
write_cert(const char *name, X509 *cert)
{
    FILE *f = fopen(path(name), "w");

    (void)PEM_write_X509(f, cert);
    (void)fclose(f);
}

static void
write_key(const char *name, EVP_PKEY *key, const char *passphrase)
{
    FILE *f = fopen(path(name), "w");

    (void)fchmod(fileno(f), 0600);
    (void)PEM_write_PrivateKey(f, key, passphrase == NULL ? NULL : EVP_aes_128_cbc(),
                               (const unsigned char *)passphrase,
                               passphrase == NULL ? 0 : (int)strlen(passphrase), NULL, NULL);
    (void)fclose(f);
}

static void
make_files(void)
{
    EVP_PKEY *ca_key = EVP_EC_gen("P-256"), *other_key = EVP_EC_gen("P-256");
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *ca = certify(ca_key, "test root", NULL, NULL, ca_key, 86400);
    X509 *other = certify(other_key, "other root", NULL, NULL, other_key, 86400);
    X509 *good =
        certify(key, "unused", "DNS:db.example,DNS:*.sub.example,IP:127.0.0.1", ca, ca_key, 86400);
    X509 *old = certify(key, "db.example", "DNS:db.example", ca, ca_key, -3600);
    FILE *f;

    bs_assert(mkdtemp(dir) != NULL);
    write_cert("ca.crt", ca);
    write_cert("other.crt", other);
    write_cert("good.crt", good);
    write_cert("old.crt", old);
    write_key("good.key", key, NULL);
    write_key("other.key", other_key, NULL);
    write_key("open.key", key, NULL);
    (void)chmod(path("open.key"), 0644);
    write_key("locked.key", key, "passphrase");
    f = fopen(path("garbage"), "w");
    (void)fchmod(fileno(f), 0600);
    (void)fputs("garbage\n", f);
    (void)fclose(f);
    X509_free(ca);
    X509_free(other);
    X509_free(good);
    X509_free(old);
    EVP_PKEY_free(ca_key);
    EVP_PKEY_free(other_key);
    EVP_PKEY_free(key);
}

static void
remove_files(void)
{
    static const char *const names[] = {"ca.crt",   "other.crt",  "good.crt",
                                        "old.crt",  "good.key",   "other.key",
                                        "open.key", "locked.key", "garbage"};

    for (size_t i = 0; i < N(names); i++)
        (void)unlink(path(names[i]));
    (void)rmdir(dir);
}

/* -------------------------------------------------------------- two ends */

struct pair {
    struct bs_tls_ctx *server_ctx, *client_ctx;
    struct bs_tls *server, *client;
    struct bs_buf server_plain, client_plain;
    enum bs_done server_done, client_done;
    struct bs_err err; /* of the client */
    struct bs_err server_err;
};

static bool
open_pair(
    struct pair *p, const char *cert, enum bs_tls_check check, const char *root, const char *host)
{
    struct bs_tls_client_options o = {.check = check, .root_file = root};

    *p = (struct pair){.server_done = BS_DONE, .client_done = BS_DONE};
    bs_buf_init(&p->server_plain, 1 << 20);
    bs_buf_init(&p->client_plain, 1 << 20);
    return bs_tls_ctx_new_server(&(struct bs_tls_server_options){.cert_file = path(cert),
                                                                 .key_file = path("good.key")},
                                 &p->server_ctx, &p->err) == BS_DONE &&
           bs_tls_ctx_new_client(&o, &p->client_ctx, &p->err) == BS_DONE &&
           bs_tls_new(p->server_ctx, NULL, &p->server, &p->err) == BS_DONE &&
           bs_tls_new(p->client_ctx, host, &p->client, &p->err) == BS_DONE;
}

static void
close_pair(struct pair *p)
{
    /* Endpoints may outlive their contexts. */
    bs_tls_ctx_free(&p->server_ctx);
    bs_tls_ctx_free(&p->client_ctx);
    bs_tls_free(&p->server);
    bs_tls_free(&p->client);
    bs_buf_fini(&p->server_plain);
    bs_buf_fini(&p->client_plain);
}

/* Carries what one end has to say to the other, in pieces; true where there was something. */
static bool
carry(struct bs_tls *from,
      struct bs_tls *to,
      struct bs_buf *plain,
      size_t piece,
      enum bs_done *done,
      struct bs_err *err)
{
    struct bs_buf wire;
    bool more, moved;

    bs_buf_init(&wire, 1 << 20);
    bs_tls_drain(from, &wire);
    moved = wire.n > 0;
    for (size_t at = 0; at < wire.n && *done == BS_DONE; at += piece) {
        size_t n = wire.n - at < piece ? wire.n - at : piece;

        *done = bs_tls_feed(to, (struct bs_bytes){wire.p + at, n}, err);
        if (*done == BS_DONE)
            *done = bs_tls_read(to, plain, &more, err);
    }
    bs_buf_fini(&wire);
    return moved;
}

/* Until nobody has anything more to say. */
static void
settle(struct pair *p, size_t piece)
{
    bool moved = true, more;

    if (bs_tls_state(p->client) == BS_TLS_HANDSHAKE)
        p->client_done = bs_tls_read(p->client, &p->client_plain, &more, &p->err);
    while (moved) {
        moved =
            carry(p->client, p->server, &p->server_plain, piece, &p->server_done, &p->server_err);
        moved |= carry(p->server, p->client, &p->client_plain, piece, &p->client_done, &p->err);
    }
}

static void
whole_and_trickled(void)
{
    static const size_t pieces[] = {1, 7, 1000, 1 << 20};

    for (size_t i = 0; i < N(pieces); i++) {
        struct pair p;

        REQUIRE(open_pair(&p, "good.crt", BS_TLS_CHECK_FULL, path("ca.crt"), "db.example"));
        EXPECT_EQ(bs_tls_state(p.client), BS_TLS_HANDSHAKE);
        settle(&p, pieces[i]);
        EXPECT_EQ(bs_tls_state(p.client), BS_TLS_OPEN);
        EXPECT_EQ(bs_tls_state(p.server), BS_TLS_OPEN);
        EXPECT(strcmp(bs_tls_version(p.client), "TLSv1.3") == 0);
        EXPECT(bs_tls_is_postgresql(p.server) && bs_tls_is_postgresql(p.client));
        EXPECT_EQ(bs_tls_write(p.client, BS_LIT("question"), &p.err), BS_DONE);
        EXPECT_EQ(bs_tls_write(p.server, BS_LIT("answer"), &p.err), BS_DONE);
        settle(&p, pieces[i]);
        EXPECT(same(bs_buf_view(&p.server_plain), "question"));
        EXPECT(same(bs_buf_view(&p.client_plain), "answer"));
        bs_tls_shutdown(p.client);
        settle(&p, pieces[i]);
        EXPECT_EQ(bs_tls_state(p.server), BS_TLS_CLOSED);
        EXPECT_EQ(bs_tls_state(p.client), BS_TLS_OPEN);
        EXPECT_EQ(bs_tls_write(p.server, BS_LIT("!"), &p.err), BS_DONE); /* the other half lives */
        settle(&p, pieces[i]);
        EXPECT(same(bs_buf_view(&p.client_plain), "answer!"));
        EXPECT_EQ(p.err.code, BS_OK);
        close_pair(&p);
    }
}

/* Both ends compute the same, from the server's certificate; nothing before the handshake is over. */
static void
the_end_point_is_the_servers_certificate(void)
{
    struct bs_scram_end_point server, client;
    uint8_t hash[EVP_MAX_MD_SIZE];
    unsigned n = 0;
    FILE *f = fopen(path("good.crt"), "r");
    X509 *cert = f == NULL ? NULL : PEM_read_X509(f, NULL, NULL, NULL);
    struct pair p;

    REQUIRE(cert != NULL && X509_digest(cert, EVP_sha256(), hash, &n) == 1);
    (void)fclose(f);
    X509_free(cert);
    REQUIRE(open_pair(&p, "good.crt", BS_TLS_CHECK_NONE, NULL, NULL));
    bs_tls_end_point(p.server, &server);
    bs_tls_end_point(p.client, &client);
    EXPECT(server.n == 0 && client.n == 0);
    settle(&p, 1 << 20);
    bs_tls_end_point(p.server, &server);
    bs_tls_end_point(p.client, &client);
    EXPECT_EQ(server.n, 32);
    EXPECT(memcmp(server.hash, hash, 32) == 0);
    EXPECT(client.n == 32 && memcmp(client.hash, hash, 32) == 0);
    close_pair(&p);
}

/* A name goes in clear in the first record; an address never does (RFC 6066). */
static void
a_name_is_sent_as_sni(void)
{
    static const struct {
        const char *host;
        bool sent;
    } rows[] = {{"db.example", true}, {"127.0.0.1", false}, {"::1", false}, {NULL, false}};

    for (size_t i = 0; i < N(rows); i++) {
        struct bs_buf hello;
        struct pair p;
        bool more;

        bs_buf_init(&hello, 1 << 20);
        REQUIRE(open_pair(&p, "good.crt", BS_TLS_CHECK_CHAIN, path("ca.crt"), rows[i].host));
        EXPECT_EQ(bs_tls_read(p.client, &p.client_plain, &more, &p.err), BS_DONE);
        bs_tls_drain(p.client, &hello);
        EXPECT(rows[i].host == NULL || (memmem(hello.p, hello.n, rows[i].host,
                                               strlen(rows[i].host)) != NULL) == rows[i].sent);
        bs_buf_fini(&hello);
        close_pair(&p);
    }
}

/* Which certificate is accepted under which check. */
static const struct {
    const char *what;
    const char *cert;
    enum bs_tls_check check;
    const char *root; /* NULL: none */
    const char *host;
    enum bs_code code; /* BS_OK: both ends open */
} checks[] = {
    {"name", "good.crt", BS_TLS_CHECK_FULL, "ca.crt", "db.example", BS_OK},
    {"name in capitals", "good.crt", BS_TLS_CHECK_FULL, "ca.crt", "DB.example", BS_OK},
    {"wildcard", "good.crt", BS_TLS_CHECK_FULL, "ca.crt", "a.sub.example", BS_OK},
    {"wildcard, two labels", "good.crt", BS_TLS_CHECK_FULL, "ca.crt", "a.b.sub.example", BS_E_AUTH},
    {"address", "good.crt", BS_TLS_CHECK_FULL, "ca.crt", "127.0.0.1", BS_OK},
    {"other name", "good.crt", BS_TLS_CHECK_FULL, "ca.crt", "evil.example", BS_E_AUTH},
    {"other address", "good.crt", BS_TLS_CHECK_FULL, "ca.crt", "127.0.0.2", BS_E_AUTH},
    {"common name beside a SAN", "good.crt", BS_TLS_CHECK_FULL, "ca.crt", "unused", BS_E_AUTH},
    {"other root", "good.crt", BS_TLS_CHECK_FULL, "other.crt", "db.example", BS_E_AUTH},
    {"expired", "old.crt", BS_TLS_CHECK_FULL, "ca.crt", "db.example", BS_E_AUTH},
    {"chain, other name", "good.crt", BS_TLS_CHECK_CHAIN, "ca.crt", "evil.example", BS_OK},
    {"chain, other address", "good.crt", BS_TLS_CHECK_CHAIN, "ca.crt", "127.0.0.2", BS_OK},
    {"chain, no name", "good.crt", BS_TLS_CHECK_CHAIN, "ca.crt", NULL, BS_OK},
    {"chain, other root", "good.crt", BS_TLS_CHECK_CHAIN, "other.crt", "db.example", BS_E_AUTH},
    {"chain, expired", "old.crt", BS_TLS_CHECK_CHAIN, "ca.crt", "db.example", BS_E_AUTH},
    {"chain, system's roots", "good.crt", BS_TLS_CHECK_CHAIN, "system", "db.example", BS_E_AUTH},
    {"nothing checked", "old.crt", BS_TLS_CHECK_NONE, NULL, "evil.example", BS_OK},
    {"nothing checked, a root given", "old.crt", BS_TLS_CHECK_NONE, "other.crt", NULL, BS_OK},
};

static void
what_is_checked(void)
{
    for (size_t i = 0; i < N(checks); i++) {
        const char *root = checks[i].root;
        bool good = checks[i].code == BS_OK;
        struct pair p;

        if (root != NULL && strcmp(root, "system") != 0)
            root = path(root);
        REQUIRE(open_pair(&p, checks[i].cert, checks[i].check, root, checks[i].host));
        settle(&p, 1 << 20);
        EXPECT_EQ(p.client_done, good ? BS_DONE : BS_FAILED);
        EXPECT_EQ(p.err.code, checks[i].code);
        EXPECT_EQ(bs_tls_state(p.client), good ? BS_TLS_OPEN : BS_TLS_BROKEN);
        EXPECT_EQ(bs_tls_state(p.server), good ? BS_TLS_OPEN : BS_TLS_BROKEN); /* told by alert */
        if (!good) {
            EXPECT_EQ(p.server_err.code, BS_E_PROTOCOL);
            EXPECT_EQ(bs_tls_write(p.client, BS_LIT("x"), &p.server_err), BS_FAILED);
        }
        if (tap_misses != 0)
            printf("# in row: %s: %s\n", checks[i].what, p.err.message);
        close_pair(&p);
    }
}

static void
contexts_that_cannot_be(void)
{
    static const struct {
        const char *cert, *key, *names;
    } bad[] = {
        {"missing.crt", "good.key", "missing.crt"}, {"good.crt", "missing.key", "missing.key"},
        {"garbage", "good.key", "garbage"},         {"good.crt", "garbage", "garbage"},
        {"good.crt", "other.key", "other.key"},     {"good.crt", "open.key", "open.key"},
        {"good.crt", "locked.key", "locked.key"},   {"good.crt", "", "not a regular file"},
    };
    struct bs_tls_client_options o = {0};
    struct bs_tls_ctx *ctx = NULL;
    struct bs_err err = {0};

    for (size_t i = 0; i < N(bad); i++) {
        err = (struct bs_err){0};
        EXPECT_EQ(
            bs_tls_ctx_new_server(&(struct bs_tls_server_options){.cert_file = path(bad[i].cert),
                                                                  .key_file = path(bad[i].key)},
                                  &ctx, &err),
            BS_FAILED);
        EXPECT(ctx == NULL);
        EXPECT_EQ(err.code, BS_E_CONFIG);
        EXPECT(strstr(err.message, bad[i].names) != NULL);
        if (tap_misses != 0)
            printf("# in row %zu: %s\n", i, err.message);
    }
    err = (struct bs_err){0};
    EXPECT_EQ(bs_tls_ctx_new_client(&o, &ctx, &err), BS_FAILED); /* zeroed: checks, with no root */
    EXPECT_EQ(err.code, BS_E_CONFIG);
    o.root_file = path("garbage");
    err = (struct bs_err){0};
    EXPECT_EQ(bs_tls_ctx_new_client(&o, &ctx, &err), BS_FAILED);
    EXPECT_EQ(err.code, BS_E_CONFIG);
    bs_tls_ctx_free(&ctx);
}

static void
a_host_is_needed_where_it_is_checked(void)
{
    struct bs_tls_client_options o = {.check = BS_TLS_CHECK_FULL, .root_file = path("ca.crt")};
    struct bs_tls_ctx *ctx = NULL;
    struct bs_tls *t = NULL;
    struct bs_err err = {0};

    REQUIRE(bs_tls_ctx_new_client(&o, &ctx, &err) == BS_DONE);
    EXPECT_EQ(bs_tls_new(ctx, NULL, &t, &err), BS_FAILED);
    EXPECT_EQ(err.code, BS_E_CONFIG);
    EXPECT_EQ(bs_tls_new(ctx, "", &t, &err), BS_FAILED);
    EXPECT(t == NULL);
    bs_tls_free(&t);
    bs_tls_ctx_free(&ctx);
}

static void
garbage_breaks_it(void)
{
    struct pair p;
    bool more;

    REQUIRE(open_pair(&p, "good.crt", BS_TLS_CHECK_FULL, path("ca.crt"), "db.example"));
    REQUIRE(bs_tls_feed(p.server, BS_LIT("GET / HTTP/1.1\r\n\r\n"), &p.err) == BS_DONE);
    EXPECT_EQ(bs_tls_read(p.server, &p.server_plain, &more, &p.err), BS_FAILED);
    EXPECT_EQ(p.err.code, BS_E_PROTOCOL);
    EXPECT_EQ(bs_tls_state(p.server), BS_TLS_BROKEN);
    EXPECT_EQ(bs_tls_read(p.server, &p.server_plain, &more, &p.err), BS_FAILED);
    EXPECT_EQ(p.server_plain.n, 0);
    close_pair(&p);
}

/* A byte changed on the way ends the connection and delivers nothing. */
static void
a_changed_record_is_seen(void)
{
    struct bs_buf wire;
    struct pair p;
    bool more;

    bs_buf_init(&wire, 65536);
    REQUIRE(open_pair(&p, "good.crt", BS_TLS_CHECK_FULL, path("ca.crt"), "db.example"));
    settle(&p, 1 << 20);
    REQUIRE(bs_tls_write(p.client, BS_LIT("delete from t"), &p.err) == BS_DONE);
    bs_tls_drain(p.client, &wire);
    wire.p[wire.n - 1] ^= 1;
    REQUIRE(bs_tls_feed(p.server, bs_buf_view(&wire), &p.err) == BS_DONE);
    EXPECT_EQ(bs_tls_read(p.server, &p.server_plain, &more, &p.err), BS_FAILED);
    EXPECT_EQ(p.server_plain.n, 0);
    EXPECT_EQ(bs_tls_state(p.server), BS_TLS_BROKEN);
    close_pair(&p);
    bs_buf_fini(&wire);
}

static void
nothing_passes_before_the_handshake(void)
{
    struct pair p;

    REQUIRE(open_pair(&p, "good.crt", BS_TLS_CHECK_FULL, path("ca.crt"), "db.example"));
    EXPECT_EQ(bs_tls_write(p.client, BS_LIT("secret"), &p.err), BS_FAILED);
    EXPECT_EQ(p.err.code, BS_E_PROTOCOL);
    EXPECT_EQ(bs_tls_pending(p.client), 0);
    close_pair(&p);
}

static void
a_full_buffer_keeps_the_rest(void)
{
    static uint8_t sent[100000];
    struct bs_buf small, wire;
    struct pair p;
    size_t got = 0;
    bool more = true;

    for (size_t i = 0; i < sizeof(sent); i++)
        sent[i] = (uint8_t)(i * 7 + i / 251);
    bs_buf_init(&small, 1000);
    bs_buf_init(&wire, 10000);
    REQUIRE(open_pair(&p, "good.crt", BS_TLS_CHECK_FULL, path("ca.crt"), "db.example"));
    settle(&p, 1 << 20);
    REQUIRE(bs_tls_write(p.client, (struct bs_bytes){sent, sizeof(sent)}, &p.err) == BS_DONE);
    while (bs_tls_pending(p.client) > 0) { /* the wire is small, too */
        bs_tls_drain(p.client, &wire);
        REQUIRE(bs_tls_feed(p.server, bs_buf_view(&wire), &p.err) == BS_DONE);
        bs_buf_clear(&wire);
    }
    while (more) {
        REQUIRE(bs_tls_read(p.server, &small, &more, &p.err) == BS_DONE);
        REQUIRE(got + small.n <= sizeof(sent));
        EXPECT(small.n == 0 || memcmp(small.p, sent + got, small.n) == 0);
        got += small.n;
        bs_buf_clear(&small);
    }
    EXPECT_EQ(got, sizeof(sent));
    EXPECT(!small.failed);
    bs_buf_fini(&small);
    bs_buf_fini(&wire);
    close_pair(&p);
}

static void
what_is_not_read_is_bounded(void)
{
    static const uint8_t zeros[65536];
    struct pair p;
    size_t fed = 0;

    REQUIRE(open_pair(&p, "good.crt", BS_TLS_CHECK_FULL, path("ca.crt"), "db.example"));
    while (fed <= 1 << 20 &&
           bs_tls_feed(p.server, (struct bs_bytes){zeros, sizeof(zeros)}, &p.err) == BS_DONE)
        fed += sizeof(zeros);
    EXPECT_EQ(fed, 256 * 1024);
    EXPECT_EQ(p.err.code, BS_E_LIMIT);
    close_pair(&p);
}

int
main(void)
{
    static const struct tap_case cases[] = {
        {"whole and trickled", whole_and_trickled},
        {"the end point is the server's certificate", the_end_point_is_the_servers_certificate},
        {"a name is sent as SNI", a_name_is_sent_as_sni},
        {"what is checked", what_is_checked},
        {"contexts that cannot be", contexts_that_cannot_be},
        {"a host is needed where it is checked", a_host_is_needed_where_it_is_checked},
        {"garbage breaks it", garbage_breaks_it},
        {"a changed record is seen", a_changed_record_is_seen},
        {"nothing passes before the handshake", nothing_passes_before_the_handshake},
        {"a full buffer keeps the rest", a_full_buffer_keeps_the_rest},
        {"what is not read is bounded", what_is_not_read_is_bounded},
    };
    int failed;

    make_files();
    failed = tap_main(cases, N(cases));
    remove_files();
    return failed;
}
