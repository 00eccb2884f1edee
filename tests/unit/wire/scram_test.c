#include "wire/scram.h"

#include <stdio.h>

#include "tap.h"
#include "wire/md5auth.h"
#include "wire/rows.h"

#define N(array) (sizeof(array) / sizeof((array)[0]))

/* The example of RFC 7677, section 3: user "user", password "pencil". */
#define RFC_CLIENT_NONCE "rOprNGfwEbeRWgbNEkqO"
#define RFC_NONCE        RFC_CLIENT_NONCE "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
#define RFC_BARE         "n=user,r=" RFC_CLIENT_NONCE
#define RFC_SALT         "W22ZaJ0SNY7soEsUEjb6gQ=="
#define RFC_SERVER_FIRST "r=" RFC_NONCE ",s=" RFC_SALT ",i=4096"
#define RFC_CLIENT_FINAL "c=biws,r=" RFC_NONCE ",p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
#define RFC_SERVER_FINAL "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="
/* StoredKey and ServerKey of the example, as PostgreSQL writes them. */
#define RFC_STORED     "WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY="
#define RFC_SERVER_KEY "wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="
#define RFC_VERIFIER   "SCRAM-SHA-256$4096:" RFC_SALT "$" RFC_STORED ":" RFC_SERVER_KEY

static void
copy_text(char *to, const char *from)
{
    memcpy(to, from, strlen(from) + 1);
}

/* Whether the buffer holds exactly that text; then empties it. */
static bool
said(struct bs_buf *b, const char *want)
{
    bool ok = same(bs_buf_view(b), want);

    if (!ok)
        printf("# got %.*s\n", (int)b->n, (const char *)b->p);
    bs_buf_clear(b);
    return ok;
}

/* ------------------------------------------------------------ the example */

static void
rfc_7677_as_server(void)
{
    struct bs_scram_verifier v;
    struct bs_scram_server s;
    struct bs_err err = {0};
    struct bs_buf out;

    bs_buf_init(&out, BS_SCRAM_MESSAGE_MAX);
    REQUIRE(bs_scram_verifier_parse(RFC_VERIFIER, &v, &err) == BS_DONE);
    bs_scram_server_init(&s, &v, NULL);
    REQUIRE(bs_scram_server_first(&s, BS_LIT("n,," RFC_BARE), &out, &err) == BS_DONE);
    EXPECT(memcmp(out.p, "r=" RFC_CLIENT_NONCE, 22) == 0);
    bs_buf_clear(&out);

    /* Our half of the nonce is random; the example's takes its place. */
    copy_text(s.nonce, RFC_NONCE);
    copy_text(s.server_first, RFC_SERVER_FIRST);
    EXPECT_EQ(bs_scram_server_final(&s, BS_LIT(RFC_CLIENT_FINAL), &out, &err), BS_DONE);
    EXPECT(said(&out, RFC_SERVER_FINAL));
    bs_scram_server_fini(&s);
    bs_buf_fini(&out);
}

static void
rfc_7677_as_client(void)
{
    struct bs_scram_client c;
    struct bs_err err = {0};
    struct bs_buf out;

    bs_buf_init(&out, BS_SCRAM_MESSAGE_MAX);
    bs_scram_client_first(&c, BS_SCRAM_BOUND_NOT, NULL, &out);
    EXPECT(memcmp(out.p, "n,,n=,r=", 8) == 0);
    EXPECT_EQ(out.n, 8 + 24);
    bs_buf_clear(&out);
    copy_text(c.nonce, RFC_CLIENT_NONCE);
    copy_text(c.first_bare, RFC_BARE);
    REQUIRE(bs_scram_client_challenge(&c, BS_LIT(RFC_SERVER_FIRST), &err) == BS_DONE);
    REQUIRE(bs_scram_client_derive(&c, "pencil", &err) == BS_DONE);
    REQUIRE(bs_scram_client_final(&c, &out, &err) == BS_DONE);
    EXPECT(said(&out, RFC_CLIENT_FINAL));
    EXPECT_EQ(bs_scram_client_verify(&c, BS_LIT(RFC_SERVER_FINAL), &err), BS_DONE);
    bs_scram_client_fini(&c);
    bs_buf_fini(&out);
}

/* --------------------------------------------- both roles against each other */

enum ending {
    END_SERVER_NO,
    END_CLIENT_NO,
    END_AGREED,
};

/* A whole exchange; the ends are what each side sees of the connection, NULL: no TLS. */
static enum ending
talk_over(const struct bs_scram_verifier *v,
          const char *password,
          const struct bs_scram_end_point *at_server,
          const struct bs_scram_end_point *at_client,
          struct bs_err *err)
{
    struct bs_scram_server s;
    struct bs_scram_client c;
    struct bs_buf to_server, to_client;
    enum ending ending = END_SERVER_NO;

    *err = (struct bs_err){0};
    bs_buf_init(&to_server, BS_SCRAM_MESSAGE_MAX);
    bs_buf_init(&to_client, BS_SCRAM_MESSAGE_MAX);
    bs_scram_server_init(&s, v, at_server);
    bs_scram_client_first(&c, at_client == NULL ? BS_SCRAM_BOUND_NOT : BS_SCRAM_BOUND, at_client,
                          &to_server);
    if (!bs_scram_server_choose(&s, at_client == NULL ? BS_LIT(BS_SCRAM_MECHANISM)
                                                      : BS_LIT(BS_SCRAM_MECHANISM_PLUS)) ||
        bs_scram_server_first(&s, bs_buf_view(&to_server), &to_client, err) == BS_FAILED)
        goto out;
    bs_buf_clear(&to_server);
    ending = END_CLIENT_NO;
    if (bs_scram_client_challenge(&c, bs_buf_view(&to_client), err) == BS_FAILED ||
        bs_scram_client_derive(&c, password, err) == BS_FAILED ||
        bs_scram_client_final(&c, &to_server, err) == BS_FAILED)
        goto out;
    bs_buf_clear(&to_client);
    ending = END_SERVER_NO;
    if (bs_scram_server_final(&s, bs_buf_view(&to_server), &to_client, err) == BS_FAILED) {
        EXPECT_EQ(to_client.n, 0); /* a failure tells nothing */
        goto out;
    }
    ending = bs_scram_client_verify(&c, bs_buf_view(&to_client), err) == BS_DONE ? END_AGREED
                                                                                 : END_CLIENT_NO;
out:
    bs_scram_server_fini(&s);
    bs_scram_client_fini(&c);
    bs_buf_fini(&to_server);
    bs_buf_fini(&to_client);
    return ending;
}

static enum ending
talk(const struct bs_scram_verifier *v, const char *password, struct bs_err *err)
{
    return talk_over(v, password, NULL, NULL, err);
}

/* Secrets of one user, under one salt: each proves it, and the server proves to know that one. */
static void
several_secrets(void)
{
    char text[BS_SCRAM_TEXT];
    struct bs_scram_verifier v, other;
    struct bs_err err = {0};

    REQUIRE(bs_scram_verifier_parse(RFC_VERIFIER, &v, &err) == BS_DONE);
    for (char c = 'a'; c < 'a' + BS_SCRAM_MORE; c++) {
        const char password[] = {c, '\0'};
        EXPECT_EQ(talk(&v, password, &err), END_SERVER_NO);
        REQUIRE(bs_scram_verifier_make_like(password, RFC_VERIFIER, text, &err) == BS_DONE);
        EXPECT_EQ(bs_scram_verifier_add(&v, text, &err), BS_DONE);
        EXPECT_EQ(talk(&v, password, &err), END_AGREED);
    }
    EXPECT_EQ(talk(&v, "pencil", &err), END_AGREED);
    EXPECT_EQ(talk(&v, "z", &err), END_SERVER_NO);
    EXPECT_EQ(err.code, BS_E_AUTH);
    err = (struct bs_err){0};
    EXPECT_EQ(bs_scram_verifier_add(&v, text, &err), BS_FAILED);
    EXPECT_EQ(err.code, BS_E_LIMIT);
    other = v;
    other.known = false; /* shut out: none of them helps */
    EXPECT_EQ(talk(&other, "pencil", &err), END_SERVER_NO);
    EXPECT_EQ(talk(&other, "a", &err), END_SERVER_NO);
    REQUIRE(bs_scram_verifier_parse(RFC_VERIFIER, &v, &err) == BS_DONE);
    REQUIRE(bs_scram_verifier_make("b", text, &err) == BS_DONE);
    err = (struct bs_err){0};
    EXPECT_EQ(bs_scram_verifier_add(&v, text, &err), BS_FAILED);
    EXPECT(err.code == BS_E_DATA && v.n_more == 0);
}

static void
bound_to_the_connection(void)
{
    const struct bs_scram_end_point longest = {.hash = {1, 2, 3}, .n = BS_SCRAM_END_POINT};
    const struct bs_scram_end_point one = {{1, 2, 3}, 32}, other = {{1, 2, 4}, 32};
    const struct bs_scram_end_point shorter = {{1, 2, 3}, 31};
    struct bs_scram_verifier v;
    struct bs_err err = {0};

    REQUIRE(bs_scram_verifier_parse(RFC_VERIFIER, &v, &err) == BS_DONE);
    EXPECT_EQ(talk_over(&v, "pencil", &one, &one, &err), END_AGREED);
    EXPECT_EQ(talk_over(&v, "pencil", &longest, &longest, &err), END_AGREED);
    EXPECT_EQ(talk_over(&v, "pencil", &one, NULL, &err), END_AGREED); /* a client that cannot */
    EXPECT_EQ(talk_over(&v, "Pencil", &one, &one, &err), END_SERVER_NO);
    EXPECT_EQ(talk_over(&v, "pencil", &one, &other, &err), END_SERVER_NO);
    EXPECT_EQ(err.code, BS_E_AUTH);
    EXPECT_EQ(talk_over(&v, "pencil", &one, &shorter, &err), END_SERVER_NO);
    EXPECT_EQ(talk_over(&v, "pencil", NULL, &one, &err), END_SERVER_NO);
    EXPECT_EQ(talk_over(&v, "pencil", &(struct bs_scram_end_point){.n = 0}, &one, &err),
              END_SERVER_NO);
}

static const struct {
    struct bs_bytes mechanism, in;
    enum bs_code code;
} bound_firsts[] = {
    {{BYTES("SCRAM-SHA-256-PLUS")}, {BYTES("p=tls-server-end-point,,n=,r=abc")}, BS_OK},
    {{BYTES("SCRAM-SHA-256-PLUS")}, {BYTES("p=tls-server-end-point,a=x,n=,r=abc")}, BS_E_AUTH},
    {{BYTES("SCRAM-SHA-256-PLUS")}, {BYTES("p=tls-unique,,n=,r=abc")}, BS_E_AUTH},
    {{BYTES("SCRAM-SHA-256-PLUS")}, {BYTES("p=tls-server-end")}, BS_E_AUTH},
    {{BYTES("SCRAM-SHA-256-PLUS")}, {BYTES("p")}, BS_E_AUTH},
    {{BYTES("SCRAM-SHA-256-PLUS")}, {BYTES("n,,n=,r=abc")}, BS_E_PROTOCOL},
    {{BYTES("SCRAM-SHA-256-PLUS")}, {BYTES("y,,n=,r=abc")}, BS_E_PROTOCOL},
    {{BYTES("SCRAM-SHA-256")}, {BYTES("p=tls-server-end-point,,n=,r=abc")}, BS_E_AUTH},
    {{BYTES("SCRAM-SHA-256")}, {BYTES("y,,n=,r=abc")}, BS_E_AUTH},
    {{BYTES("SCRAM-SHA-256")}, {BYTES("n,,n=,r=abc")}, BS_OK},
};

static void
mechanism_and_header_agree(void)
{
    const struct bs_scram_end_point one = {{1, 2, 3}, 32};

    for (size_t i = 0; i < N(bound_firsts); i++) {
        struct bs_bytes in = exact(bound_firsts[i].in);
        struct bs_scram_verifier v;
        struct bs_scram_server s;
        struct bs_err err = {0};
        struct bs_buf out;

        bs_buf_init(&out, BS_SCRAM_MESSAGE_MAX);
        bs_scram_verifier_mock(BS_LIT("secret"), "u", &v);
        bs_scram_server_init(&s, &v, &one);
        EXPECT(!bs_scram_server_choose(&s, BS_LIT("SCRAM-SHA-512")));
        EXPECT(!bs_scram_server_choose(&s, BS_LIT("")));
        EXPECT(bs_scram_server_choose(&s, bound_firsts[i].mechanism));
        EXPECT_EQ(bs_scram_server_first(&s, in, &out, &err),
                  bound_firsts[i].code == BS_OK ? BS_DONE : BS_FAILED);
        EXPECT_EQ(err.code, bound_firsts[i].code);
        if (tap_misses != 0)
            printf("# in row %zu\n", i);
        bs_buf_fini(&out);
        drop(in);
    }
}

static void
each_password_with_each_verifier(void)
{
    static const char *const passwords[] = {"pencil", "Pencil", "p\xc3\xa9ncil",
                                            " ",      "a,b=c",  "pencil\x01"};
    struct bs_scram_verifier v;
    char text[BS_SCRAM_TEXT];
    struct bs_err err = {0};

    for (size_t i = 0; i < N(passwords); i++) {
        REQUIRE(bs_scram_verifier_make(passwords[i], text, &err) == BS_DONE);
        REQUIRE(bs_scram_verifier_parse(text, &v, &err) == BS_DONE);
        for (size_t k = 0; k < N(passwords); k++) {
            EXPECT_EQ(talk(&v, passwords[k], &err), i == k ? END_AGREED : END_SERVER_NO);
            EXPECT_EQ(err.code, i == k ? BS_OK : BS_E_AUTH);
        }
    }
}

/* ------------------------------------------------------------- verifiers */

static void
a_verifier_of_ours(void)
{
    struct bs_scram_verifier v;
    char a[BS_SCRAM_TEXT], b[BS_SCRAM_TEXT];
    struct bs_err err = {0};

    REQUIRE(bs_scram_verifier_make("pencil", a, &err) == BS_DONE);
    REQUIRE(bs_scram_verifier_make("pencil", b, &err) == BS_DONE);
    EXPECT(strcmp(a, b) != 0); /* a salt of its own */
    EXPECT(strncmp(a, "SCRAM-SHA-256$4096:", 19) == 0);
    EXPECT(strstr(a, "pencil") == NULL);
    REQUIRE(bs_scram_verifier_parse(a, &v, &err) == BS_DONE);
    EXPECT(v.known);
    EXPECT_EQ(v.salt_len, 16);
    EXPECT_EQ(v.iterations, 4096);
    EXPECT_EQ(bs_scram_verifier_make("", a, &err), BS_FAILED);
    EXPECT_EQ(err.code, BS_E_DATA);
    EXPECT(a[0] == '\0');
}

#define KEY32  "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
#define B64_60 "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"

static const struct {
    const char *text;
    bool good;
} verifiers[] = {
    {RFC_VERIFIER, true},
    {"SCRAM-SHA-256$1:AA==$" KEY32 ":" KEY32, true},
    {"SCRAM-SHA-256$1000000:AA==$" KEY32 ":" KEY32, true},
    {"SCRAM-SHA-256$4096:" B64_60 "AAAAAA==$" KEY32 ":" KEY32, true},  /* 64 bytes of salt */
    {"SCRAM-SHA-256$4096:" B64_60 "AAAAAAA=$" KEY32 ":" KEY32, false}, /* 65 */
    {"SCRAM-SHA-256$1000001:AA==$" KEY32 ":" KEY32, false},
    {"SCRAM-SHA-256$0:AA==$" KEY32 ":" KEY32, false},
    {"SCRAM-SHA-256$-1:AA==$" KEY32 ":" KEY32, false},
    {"SCRAM-SHA-256$4294971392:AA==$" KEY32 ":" KEY32, false},
    {"SCRAM-SHA-256$:AA==$" KEY32 ":" KEY32, false},
    {"SCRAM-SHA-256$ 1:AA==$" KEY32 ":" KEY32, false},
    {"SCRAM-SHA-256$1:$" KEY32 ":" KEY32, false},
    {"SCRAM-SHA-256$1:AA=$" KEY32 ":" KEY32, false},
    {"SCRAM-SHA-256$1:AB==$" KEY32 ":" KEY32, false}, /* stray bits */
    {"SCRAM-SHA-256$1:A A=$" KEY32 ":" KEY32, false},
    {"SCRAM-SHA-256$1:AA==$AA==:" KEY32, false},
    {"SCRAM-SHA-256$1:AA==$" KEY32 ":AA==", false},
    {"SCRAM-SHA-256$1:AA==$" KEY32 ":" KEY32 "x", false},
    {"SCRAM-SHA-256$1:AA==$" KEY32, false},
    {"SCRAM-SHA-1$1:AA==$" KEY32 ":" KEY32, false},
    {"md5c4ca4238a0b923820dcc509a6f75849b", false},
    {"", false},
};

static void
verifier_texts(void)
{
    for (size_t i = 0; i < N(verifiers); i++) {
        struct bs_scram_verifier v = {.known = true};
        struct bs_err err = {0};

        EXPECT_EQ(bs_scram_verifier_parse(verifiers[i].text, &v, &err),
                  verifiers[i].good ? BS_DONE : BS_FAILED);
        EXPECT_EQ(v.known, verifiers[i].good);
        EXPECT_EQ(err.code, verifiers[i].good ? BS_OK : BS_E_DATA);
        if (tap_misses != 0) {
            printf("# in row %zu\n", i);
            break;
        }
    }
}

static void
nobody_looks_like_somebody(void)
{
    struct bs_scram_verifier a, b, other, none = {0};
    struct bs_err err = {0};

    bs_scram_verifier_mock(BS_LIT("secret"), "ghost", &a);
    bs_scram_verifier_mock(BS_LIT("secret"), "ghost", &b);
    EXPECT(a.salt_len == 16 && memcmp(a.salt, b.salt, 16) == 0);
    EXPECT_EQ(a.iterations, 4096);
    bs_scram_verifier_mock(BS_LIT("secret"), "ghosu", &other);
    EXPECT(memcmp(a.salt, other.salt, 16) != 0);
    bs_scram_verifier_mock(BS_LIT("Secret"), "ghost", &other);
    EXPECT(memcmp(a.salt, other.salt, 16) != 0);
    EXPECT_EQ(talk(&a, "pencil", &err), END_SERVER_NO);
    EXPECT_EQ(err.code, BS_E_AUTH);
    err = (struct bs_err){0};

    /* Even with the right keys: what is not known is refused, and so is a zeroed one. */
    REQUIRE(bs_scram_verifier_parse(RFC_VERIFIER, &a, &err) == BS_DONE);
    EXPECT_EQ(talk(&a, "pencil", &err), END_AGREED);
    a.known = false;
    EXPECT_EQ(talk(&a, "pencil", &err), END_SERVER_NO);
    EXPECT(strcmp(err.message, "password authentication failed") == 0);
    EXPECT(talk(&none, "pencil", &err) != END_AGREED);
}

/* ----------------------------------------------------- hostile to the server */

#define NONCE256                                                                                   \
    "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"                             \
    "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"                             \
    "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"                             \
    "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static const struct {
    struct bs_bytes in;
    enum bs_code code;
} firsts[] = {
    {{BYTES("n,,n=,r=abc")}, BS_OK},
    {{BYTES("y,,n=,r=abc")}, BS_OK},
    {{BYTES("n,,n=anybody,r=abc")}, BS_OK},
    {{BYTES("n,,n=,r=abc,x=ext,y=")}, BS_OK},
    {{BYTES("n,,n=,r=" NONCE256)}, BS_OK},
    {{BYTES("n,,n=,r=" NONCE256 "0")}, BS_E_PROTOCOL},
    {{BYTES("p=tls-unique,,n=,r=abc")}, BS_E_AUTH},
    {{BYTES("n,a=boss,n=,r=abc")}, BS_E_AUTH},
    {{BYTES("y,a=boss,n=,r=abc")}, BS_E_AUTH},
    {{BYTES("x,,n=,r=abc")}, BS_E_PROTOCOL},
    {{BYTES("n")}, BS_E_PROTOCOL},
    {{BYTES("n,,")}, BS_E_PROTOCOL},
    {{BYTES("n,,n=")}, BS_E_PROTOCOL},
    {{BYTES("n,,n=,")}, BS_E_PROTOCOL},
    {{BYTES("n,,n=,r=")}, BS_E_PROTOCOL},
    {{BYTES("n,,r=abc")}, BS_E_PROTOCOL},
    {{BYTES("n,,m=ext,n=,r=abc")}, BS_E_PROTOCOL},
    {{BYTES("n,,n=,r=abc,")}, BS_E_PROTOCOL},
    {{BYTES("n,,n=,r=abc,x")}, BS_E_PROTOCOL},
    {{BYTES("n,,n=,r=a\tc")}, BS_E_PROTOCOL},
    {{BYTES("n,,n=,r=a\x7f"
            "c")},
     BS_E_PROTOCOL},
    {{BYTES("n,,n=,r=a\0c")}, BS_E_PROTOCOL},
    {{BYTES("")}, BS_E_PROTOCOL},
};

static void
client_first_messages(void)
{
    for (size_t i = 0; i < N(firsts); i++) {
        struct bs_bytes in = exact(firsts[i].in);
        struct bs_scram_verifier v;
        struct bs_scram_server s;
        struct bs_err err = {0};
        struct bs_buf out;

        bs_buf_init(&out, BS_SCRAM_MESSAGE_MAX);
        bs_scram_verifier_mock(BS_LIT("secret"), "u", &v);
        bs_scram_server_init(&s, &v, NULL);
        EXPECT_EQ(bs_scram_server_first(&s, in, &out, &err),
                  firsts[i].code == BS_OK ? BS_DONE : BS_FAILED);
        EXPECT_EQ(err.code, firsts[i].code);
        EXPECT_EQ(out.n > 0, firsts[i].code == BS_OK);
        if (tap_misses != 0)
            printf("# in row %zu\n", i);
        bs_buf_fini(&out);
        drop(in);
    }
}

static void
longest_messages(void)
{
    for (size_t n = BS_SCRAM_MESSAGE_MAX - 1; n <= BS_SCRAM_MESSAGE_MAX; n++) {
        struct bs_scram_verifier v;
        struct bs_scram_server s;
        struct bs_err err = {0};
        struct bs_buf in, out;

        bs_buf_init(&in, n);
        bs_buf_init(&out, BS_SCRAM_MESSAGE_MAX);
        bs_put_str(&in, "n,,n=,r=abc,x=");
        while (in.n < n)
            bs_put_u8(&in, 'x');
        bs_scram_verifier_mock(BS_LIT("secret"), "u", &v);
        bs_scram_server_init(&s, &v, NULL);
        EXPECT_EQ(bs_scram_server_first(&s, bs_buf_view(&in), &out, &err),
                  n < BS_SCRAM_MESSAGE_MAX ? BS_DONE : BS_FAILED);
        bs_buf_fini(&in);
        bs_buf_fini(&out);
    }
}

static void
a_downgrade_is_seen(void)
{
    const struct bs_scram_end_point end_point = {{1}, 32};
    struct bs_scram_verifier v;
    struct bs_scram_server s;
    struct bs_err err = {0};
    struct bs_buf out;

    bs_buf_init(&out, BS_SCRAM_MESSAGE_MAX);
    bs_scram_verifier_mock(BS_LIT("secret"), "u", &v);
    bs_scram_server_init(&s, &v, &end_point);
    EXPECT_EQ(bs_scram_server_first(&s, BS_LIT("y,,n=,r=abc"), &out, &err), BS_FAILED);
    EXPECT_EQ(err.code, BS_E_AUTH);
    bs_scram_server_init(&s, &v, &end_point);
    err = (struct bs_err){0};
    EXPECT_EQ(bs_scram_server_first(&s, BS_LIT("n,,n=,r=abc"), &out, &err), BS_DONE);
    bs_buf_fini(&out);
}

#define PROOF ",p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="

static const struct {
    struct bs_bytes in;
    enum bs_code code;
} finals[] = {
    {{BYTES(RFC_CLIENT_FINAL)}, BS_OK},
    {{BYTES("c=biws,r=" RFC_NONCE ",p=eHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=")}, BS_E_AUTH},
    {{BYTES("c=biws,r=" RFC_NONCE ",p=" KEY32)}, BS_E_AUTH},
    {{BYTES("c=biws,r=" RFC_NONCE ",x=y" PROOF)}, BS_E_AUTH}, /* not what was signed */
    {{BYTES("c=eSws,r=" RFC_NONCE PROOF)}, BS_E_PROTOCOL},
    {{BYTES("c=biw,r=" RFC_NONCE PROOF)}, BS_E_PROTOCOL},
    {{BYTES("c=,r=" RFC_NONCE PROOF)}, BS_E_PROTOCOL},
    {{BYTES("c=biws,r=" RFC_CLIENT_NONCE PROOF)}, BS_E_PROTOCOL},
    {{BYTES("c=biws,r=" RFC_NONCE "x" PROOF)}, BS_E_PROTOCOL},
    {{BYTES("c=biws,r=" PROOF)}, BS_E_PROTOCOL},
    {{BYTES("r=" RFC_NONCE ",c=biws" PROOF)}, BS_E_PROTOCOL},
    {{BYTES("c=biws,r=" RFC_NONCE)}, BS_E_PROTOCOL},
    {{BYTES("c=biws,r=" RFC_NONCE ",p=")}, BS_E_PROTOCOL},
    {{BYTES("c=biws,r=" RFC_NONCE ",p=AA==")}, BS_E_PROTOCOL},
    {{BYTES("c=biws,r=" RFC_NONCE ",p=" KEY32 ",")}, BS_E_PROTOCOL},
    {{BYTES("c=biws,r=" RFC_NONCE ",p=" KEY32 ",x=y")}, BS_E_PROTOCOL},
    {{BYTES("c=biws,r=" RFC_NONCE ",p=" KEY32 "AAAA")}, BS_E_PROTOCOL},
    {{BYTES(RFC_CLIENT_FINAL "\0")}, BS_E_PROTOCOL},
    {{BYTES("p=" KEY32)}, BS_E_PROTOCOL},
    {{BYTES("c=biws")}, BS_E_PROTOCOL},
    {{BYTES("")}, BS_E_PROTOCOL},
};

static void
client_final_messages(void)
{
    for (size_t i = 0; i < N(finals); i++) {
        struct bs_bytes in = exact(finals[i].in);
        struct bs_scram_verifier v;
        struct bs_scram_server s;
        struct bs_err err = {0};
        struct bs_buf out;

        bs_buf_init(&out, BS_SCRAM_MESSAGE_MAX);
        REQUIRE(bs_scram_verifier_parse(RFC_VERIFIER, &v, &err) == BS_DONE);
        bs_scram_server_init(&s, &v, NULL);
        REQUIRE(bs_scram_server_first(&s, BS_LIT("n,," RFC_BARE), &out, &err) == BS_DONE);
        bs_buf_clear(&out);
        copy_text(s.nonce, RFC_NONCE);
        copy_text(s.server_first, RFC_SERVER_FIRST);
        EXPECT_EQ(bs_scram_server_final(&s, in, &out, &err),
                  finals[i].code == BS_OK ? BS_DONE : BS_FAILED);
        EXPECT_EQ(err.code, finals[i].code);
        EXPECT_EQ(out.n > 0, finals[i].code == BS_OK);
        /* One try an exchange. */
        EXPECT_EQ(bs_scram_server_final(&s, BS_LIT(RFC_CLIENT_FINAL), &out, &err), BS_FAILED);
        if (tap_misses != 0)
            printf("# in row %zu\n", i);
        bs_buf_fini(&out);
        drop(in);
    }
}

static void
out_of_turn(void)
{
    struct bs_scram_server s = {0};
    struct bs_scram_client c = {0};
    struct bs_scram_verifier v = {0};
    struct bs_err err = {0};
    struct bs_buf out;

    bs_buf_init(&out, BS_SCRAM_MESSAGE_MAX);
    EXPECT_EQ(bs_scram_server_first(&s, BS_LIT("n,,n=,r=abc"), &out, &err), BS_FAILED);
    bs_scram_server_init(&s, &v, NULL);
    EXPECT_EQ(bs_scram_server_final(&s, BS_LIT(RFC_CLIENT_FINAL), &out, &err), BS_FAILED);
    EXPECT_EQ(bs_scram_server_first(&s, BS_LIT("n,,n=,r=abc"), &out, &err), BS_FAILED);
    EXPECT_EQ(bs_scram_client_challenge(&c, BS_LIT(RFC_SERVER_FIRST), &err), BS_FAILED);
    EXPECT_EQ(bs_scram_client_derive(&c, "pencil", &err), BS_FAILED);
    EXPECT_EQ(bs_scram_client_final(&c, &out, &err), BS_FAILED);
    /* A zeroed signature is never what a server is asked to prove. */
    EXPECT_EQ(bs_scram_client_verify(&c, BS_LIT("v=" KEY32), &err), BS_FAILED);
    bs_scram_client_first(&c, BS_SCRAM_BOUND_NOT, NULL, &out);
    EXPECT_EQ(bs_scram_client_verify(&c, BS_LIT("v=" KEY32), &err), BS_FAILED);
    EXPECT_EQ(out.n, 32);
    bs_buf_fini(&out);
}

/* ----------------------------------------------------- hostile to the client */

#define OURS RFC_CLIENT_NONCE

static const struct {
    struct bs_bytes in;
    enum bs_code code;
} challenges[] = {
    {{BYTES(RFC_SERVER_FIRST)}, BS_OK},
    {{BYTES("r=" OURS "x,s=AA==,i=4096")}, BS_OK},
    {{BYTES("r=" OURS "x,s=AA==,i=1000000")}, BS_OK},
    {{BYTES("r=" OURS NONCE256 ",s=AA==,i=4096")}, BS_OK},
    {{BYTES("r=" OURS NONCE256 "0,s=AA==,i=4096")}, BS_E_PROTOCOL},
    {{BYTES("r=" OURS ",s=AA==,i=4096")}, BS_E_PROTOCOL}, /* nothing of the server's */
    {{BYTES("r=sOprNGfwEbeRWgbNEkqOxxx,s=AA==,i=4096")}, BS_E_PROTOCOL},
    {{BYTES("r=,s=AA==,i=4096")}, BS_E_PROTOCOL},
    {{BYTES("r=" OURS "x,s=AA==,i=1000001")}, BS_E_LIMIT},
    {{BYTES("r=" OURS "x,s=AA==,i=2147483647")}, BS_E_LIMIT},
    {{BYTES("r=" OURS "x,s=AA==,i=4095")}, BS_E_LIMIT},
    {{BYTES("r=" OURS "x,s=AA==,i=0")}, BS_E_LIMIT},
    {{BYTES("r=" OURS "x,s=AA==,i=-1")}, BS_E_LIMIT},
    {{BYTES("r=" OURS "x,s=AA==,i=")}, BS_E_LIMIT},
    {{BYTES("r=" OURS "x,s=AA==,i=4096,x=y")}, BS_E_PROTOCOL},
    {{BYTES("r=" OURS "x,s=AA==")}, BS_E_PROTOCOL},
    {{BYTES("r=" OURS "x,s=,i=4096")}, BS_E_PROTOCOL},
    {{BYTES("r=" OURS "x,s=!!==,i=4096")}, BS_E_PROTOCOL},
    {{BYTES("r=" OURS "x,s=" B64_60 "AAAAAAA=,i=4096")}, BS_E_PROTOCOL},
    {{BYTES("m=x,r=" OURS "x,s=AA==,i=4096")}, BS_E_PROTOCOL},
    {{BYTES("e=other-error")}, BS_E_PROTOCOL},
    {{BYTES("r=" OURS "x\0,s=AA==,i=4096")}, BS_E_PROTOCOL},
    {{BYTES("")}, BS_E_PROTOCOL},
    {{BYTES("r=" OURS NONCE256 NONCE256 NONCE256 NONCE256 ",s=AA==,i=4096")}, BS_E_PROTOCOL},
};

static void
server_first_messages(void)
{
    for (size_t i = 0; i < N(challenges); i++) {
        struct bs_bytes in = exact(challenges[i].in);
        struct bs_scram_client c;
        struct bs_err err = {0};
        struct bs_buf out;

        bs_buf_init(&out, BS_SCRAM_MESSAGE_MAX);
        bs_scram_client_first(&c, BS_SCRAM_BOUND_NOT, NULL, &out);
        copy_text(c.nonce, OURS);
        EXPECT_EQ(bs_scram_client_challenge(&c, in, &err),
                  challenges[i].code == BS_OK ? BS_DONE : BS_FAILED);
        EXPECT_EQ(err.code, challenges[i].code);
        if (tap_misses != 0)
            printf("# in row %zu\n", i);
        bs_buf_fini(&out);
        drop(in);
    }
}

static const struct {
    struct bs_bytes in;
    enum bs_code code;
} verdicts[] = {
    {{BYTES(RFC_SERVER_FINAL)}, BS_OK},
    {{BYTES("v=" KEY32)}, BS_E_AUTH},
    {{BYTES("e=invalid-proof")}, BS_E_AUTH},
    {{BYTES("v=")}, BS_E_PROTOCOL},
    {{BYTES("v=AA==")}, BS_E_PROTOCOL},
    {{BYTES(RFC_SERVER_FINAL ",x=y")}, BS_E_PROTOCOL},
    {{BYTES(RFC_SERVER_FINAL "\0")}, BS_E_PROTOCOL},
    {{BYTES("x=" KEY32)}, BS_E_PROTOCOL},
    {{BYTES("")}, BS_E_PROTOCOL},
};

static void
server_final_messages(void)
{
    for (size_t i = 0; i < N(verdicts); i++) {
        struct bs_bytes in = exact(verdicts[i].in);
        struct bs_scram_client c;
        struct bs_err err = {0};
        struct bs_buf out;

        bs_buf_init(&out, BS_SCRAM_MESSAGE_MAX);
        bs_scram_client_first(&c, BS_SCRAM_BOUND_NOT, NULL, &out);
        copy_text(c.nonce, RFC_CLIENT_NONCE);
        copy_text(c.first_bare, RFC_BARE);
        REQUIRE(bs_scram_client_challenge(&c, BS_LIT(RFC_SERVER_FIRST), &err) == BS_DONE);
        REQUIRE(bs_scram_client_derive(&c, "pencil", &err) == BS_DONE);
        REQUIRE(bs_scram_client_final(&c, &out, &err) == BS_DONE);
        EXPECT_EQ(bs_scram_client_verify(&c, in, &err),
                  verdicts[i].code == BS_OK ? BS_DONE : BS_FAILED);
        EXPECT_EQ(err.code, verdicts[i].code);
        if (tap_misses != 0)
            printf("# in row %zu\n", i);
        bs_buf_fini(&out);
        drop(in);
    }
}

static void
no_password_no_answer(void)
{
    static const char *const none[] = {NULL, ""};

    for (size_t i = 0; i < N(none); i++) {
        struct bs_scram_client c;
        struct bs_err err = {0};
        struct bs_buf out;

        bs_buf_init(&out, BS_SCRAM_MESSAGE_MAX);
        bs_scram_client_first(&c, BS_SCRAM_BOUND_NOT, NULL, &out);
        copy_text(c.nonce, OURS);
        REQUIRE(bs_scram_client_challenge(&c, BS_LIT(RFC_SERVER_FIRST), &err) == BS_DONE);
        EXPECT_EQ(bs_scram_client_derive(&c, none[i], &err), BS_FAILED);
        EXPECT_EQ(err.code, BS_E_DATA);
        bs_buf_fini(&out);
    }
}

/* ---------------------------------------------------------------- small ones */

static void
secrets_are_wiped(void)
{
    struct bs_scram_verifier v, zero = {0};
    struct bs_scram_server s;
    struct bs_scram_client c;
    struct bs_err err = {0};
    struct bs_buf out;
    const uint8_t *p = (const uint8_t *)&c;
    unsigned left = 0;

    bs_buf_init(&out, BS_SCRAM_MESSAGE_MAX);
    REQUIRE(bs_scram_verifier_parse(RFC_VERIFIER, &v, &err) == BS_DONE);
    bs_scram_server_init(&s, &v, NULL);
    bs_scram_server_fini(&s);
    EXPECT(memcmp(&s.verifier, &zero, sizeof(zero)) == 0);
    bs_scram_client_first(&c, BS_SCRAM_BOUND_NOT, NULL, &out);
    bs_scram_client_fini(&c);
    for (size_t i = 0; i < sizeof(c); i++)
        left |= p[i];
    EXPECT_EQ(left, 0);
    bs_buf_fini(&out);
}

static void
md5(void)
{
    const uint8_t salt[4] = {0x01, 0x02, 0x03, 0x04};
    char out[BS_MD5_TEXT];
    struct bs_err err = {0};

    /* md5(md5("pencil" "user") + 01 02 03 04), made with another tool. */
    REQUIRE(bs_md5_answer("user", "pencil", salt, out, &err) == BS_DONE);
    EXPECT(strcmp(out, "md54376eb6913b38f9aaff38dc7cf19ca76") == 0);
}

int
main(void)
{
    static const struct tap_case cases[] = {
        {"RFC 7677 as server", rfc_7677_as_server},
        {"RFC 7677 as client", rfc_7677_as_client},
        {"each password with each verifier", each_password_with_each_verifier},
        {"several secrets of one user", several_secrets},
        {"bound to the connection", bound_to_the_connection},
        {"mechanism and header agree", mechanism_and_header_agree},
        {"a verifier of ours", a_verifier_of_ours},
        {"verifier texts", verifier_texts},
        {"nobody looks like somebody", nobody_looks_like_somebody},
        {"client first messages", client_first_messages},
        {"longest messages", longest_messages},
        {"a downgrade is seen", a_downgrade_is_seen},
        {"client final messages", client_final_messages},
        {"out of turn", out_of_turn},
        {"server first messages", server_first_messages},
        {"server final messages", server_final_messages},
        {"no password, no answer", no_password_no_answer},
        {"secrets are wiped", secrets_are_wiped},
        {"md5", md5},
    };

    return tap_main(cases, sizeof(cases) / sizeof(cases[0]));
}
