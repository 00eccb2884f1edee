#include "wire/startup.h"

#include "tap.h"
#include "wire/rows.h"

#define N(array) (sizeof(array) / sizeof((array)[0]))

#define V3        "\0\3\0\0"
#define SECRET64  "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define SECRET256 SECRET64 SECRET64 SECRET64 SECRET64

/* ----------------------------------------------------------------- packets */

static const struct {
    const char *what;
    struct bs_bytes in;
    enum bs_scan want;
    enum bs_code code;
    enum bs_startup_kind kind;
} rows[] = {
    {"nothing", {BYTES("")}, BS_SCAN_MORE, BS_OK, 0},
    {"SSLRequest", {BYTES("\0\0\0\x08\x04\xd2\x16\x2f")}, BS_SCAN_GOT, BS_OK, BS_STARTUP_SSL},
    {"GSSENCRequest", {BYTES("\0\0\0\x08\x04\xd2\x16\x30")}, BS_SCAN_GOT, BS_OK, BS_STARTUP_GSSENC},
    {"CancelRequest",
     {BYTES("\0\0\0\x10\x04\xd2\x16\x2e\0\0\0\x01wxyz")},
     BS_SCAN_GOT,
     BS_OK,
     BS_STARTUP_CANCEL},
    {"CancelRequest, longest secret",
     {BYTES("\0\0\1\x0c\x04\xd2\x16\x2e\0\0\0\x01" SECRET256)},
     BS_SCAN_GOT,
     BS_OK,
     BS_STARTUP_CANCEL},
    {"CancelRequest, too long",
     {BYTES("\0\0\1\x0d\x04\xd2\x16\x2e\0\0\0\x01" SECRET256 "!")},
     BS_SCAN_BAD,
     BS_E_PROTOCOL,
     0},
    {"CancelRequest, short secret",
     {BYTES("\0\0\0\x0f\x04\xd2\x16\x2e\0\0\0\x01wxy")},
     BS_SCAN_BAD,
     BS_E_PROTOCOL,
     0},
    {"SSLRequest with a body",
     {BYTES("\0\0\0\x09\x04\xd2\x16\x2f!")},
     BS_SCAN_BAD,
     BS_E_PROTOCOL,
     0},
    {"StartupMessage",
     {BYTES("\0\0\0\x14" V3 "user\0alice\0\0")},
     BS_SCAN_GOT,
     BS_OK,
     BS_STARTUP_MESSAGE},
    {"StartupMessage 3.9999",
     {BYTES("\0\0\0\x14\0\3\x27\x0fuser\0alice\0\0")},
     BS_SCAN_GOT,
     BS_OK,
     BS_STARTUP_MESSAGE},
    {"StartupMessage, empty value",
     {BYTES("\0\0\0\x0b" V3 "a\0\0")},
     BS_SCAN_BAD,
     BS_E_PROTOCOL,
     0},
    {"StartupMessage, nothing in it",
     {BYTES("\0\0\0\x09" V3 "\0")},
     BS_SCAN_GOT,
     BS_OK,
     BS_STARTUP_MESSAGE},
    {"StartupMessage, no end",
     {BYTES("\0\0\0\x13" V3 "user\0alice\0")},
     BS_SCAN_BAD,
     BS_E_PROTOCOL,
     0},
    {"StartupMessage, behind the end",
     {BYTES("\0\0\0\x15" V3 "user\0alice\0\0\0")},
     BS_SCAN_BAD,
     BS_E_PROTOCOL,
     0},
    {"StartupMessage, no body", {BYTES("\0\0\0\x08" V3)}, BS_SCAN_BAD, BS_E_PROTOCOL, 0},
    {"length 7", {BYTES("\0\0\0\x07")}, BS_SCAN_BAD, BS_E_PROTOCOL, 0},
    {"length 0", {BYTES("\0\0\0\0")}, BS_SCAN_BAD, BS_E_PROTOCOL, 0},
    {"longest", {BYTES("\0\0\x27\x14" V3)}, BS_SCAN_MORE, BS_OK, 0},
    {"one too long", {BYTES("\0\0\x27\x15")}, BS_SCAN_BAD, BS_E_LIMIT, 0},
    {"negative length", {BYTES("\xff\xff\xff\xff")}, BS_SCAN_BAD, BS_E_LIMIT, 0},
    {"protocol 2", {BYTES("\0\0\0\x20\0\2\0\0")}, BS_SCAN_BAD, BS_E_UNSUPPORTED, 0},
    {"protocol 4", {BYTES("\0\0\0\x20\0\4\0\0")}, BS_SCAN_BAD, BS_E_UNSUPPORTED, 0},
    {"number behind GSSENC",
     {BYTES("\0\0\0\x08\x04\xd2\x16\x31")},
     BS_SCAN_BAD,
     BS_E_UNSUPPORTED,
     0},
    {"HTTP", {BYTES("GET ")}, BS_SCAN_BAD, BS_E_LIMIT, 0},
    {"TLS without asking", {BYTES("\x16\x03\x01\x02")}, BS_SCAN_BAD, BS_E_LIMIT, 0},
};

static void
whole_and_trickled(void)
{
    for (size_t i = 0; i < N(rows); i++) {
        for (size_t have = 0; have <= rows[i].in.n; have++) {
            bool last = have == rows[i].in.n;
            struct bs_bytes copy = exact((struct bs_bytes){rows[i].in.p, have});
            struct bs_bytes in = copy;
            struct bs_startup packet = {0};
            struct bs_err err = {0};

            enum bs_scan got = bs_startup_next(&in, &packet, &err);
            EXPECT_EQ(got, last ? rows[i].want : BS_SCAN_MORE);
            EXPECT_EQ(err.code, last ? rows[i].code : BS_OK);
            EXPECT_EQ(packet.kind, last ? rows[i].kind : BS_STARTUP_NONE);
            EXPECT_EQ(in.n, got == BS_SCAN_GOT ? 0 : have);
            drop(copy);
        }
        if (tap_misses != 0) {
            printf("# in row: %s\n", rows[i].what);
            break;
        }
    }
}

static void
what_a_packet_says(void)
{
    struct bs_bytes in = BS_LIT("\0\0\0\x10\x04\xd2\x16\x2e\0\0\x30\x39wxyzREST");
    struct bs_startup packet = {0};
    struct bs_bytes name, value;
    struct bs_err err = {0};

    REQUIRE(bs_startup_next(&in, &packet, &err) == BS_SCAN_GOT);
    EXPECT_EQ(packet.pid, 12345);
    EXPECT(same(packet.secret, "wxyz"));
    EXPECT_EQ(in.n, 4); /* what follows is the caller's to refuse */

    in = BS_LIT("\0\0\0\x17\0\3\0\2user\0alice\0a\0\0\0");
    REQUIRE(bs_startup_next(&in, &packet, &err) == BS_SCAN_GOT);
    EXPECT_EQ(packet.minor, 2);
    EXPECT(bs_startup_param_next(&packet.params, &name, &value));
    EXPECT(same(name, "user") && same(value, "alice"));
    EXPECT(bs_startup_param_next(&packet.params, &name, &value));
    EXPECT(same(name, "a") && value.n == 0);
    EXPECT(!bs_startup_param_next(&packet.params, &name, &value));
}

/* --------------------------------------------------------------- judgement */

/* Judges a start-up message with these parameters ("name\0value\0..."). */
static enum bs_done
judge(struct bs_bytes params,
      struct bs_arena *arena,
      struct bs_startup_wish *wish,
      struct bs_err *err)
{
    struct bs_startup packet = {.kind = BS_STARTUP_MESSAGE, .params = params};

    *err = (struct bs_err){0};
    return bs_startup_judge(&packet, arena, wish, err);
}

/* Value of a forwarded setting (exact spelling), or NULL. */
static const char *
forwarded(const struct bs_startup_wish *w, const char *name)
{
    for (size_t i = 0; i < w->n_settings; i++) {
        if (strcmp(w->settings[i].name, name) == 0)
            return w->settings[i].value;
    }
    return NULL;
}

static bool
is(const char *got, const char *want)
{
    if (got == NULL || want == NULL)
        return got == want;
    return strcmp(got, want) == 0;
}

#define U "user\0u\0"

/* One setting asked for and what becomes of it. */
static const struct {
    const char *what;
    struct bs_bytes params;
    const char *name; /* forwarded under this spelling; NULL: accepted, not forwarded */
    const char *value;
} accepted[] = {
    {"as it is", {BYTES(U "application_name\0psql\0")}, "application_name", "psql"},
    {"any case of the name", {BYTES(U "timezone\0UTC\0")}, "TimeZone", "UTC"},
    {"empty value", {BYTES(U "application_name\0\0")}, "application_name", ""},
    {"extra_float_digits",
     {BYTES(U "extra_float_digits\0"
              "2\0")},
     "extra_float_digits",
     "2"},
    {"DateStyle", {BYTES(U "DateStyle\0ISO, MDY\0")}, "DateStyle", "ISO, MDY"},
    {"statement_timeout",
     {BYTES(U "statement_timeout\0"
              "5s\0")},
     "statement_timeout",
     "5s"},
    {"UTF8", {BYTES(U "client_encoding\0UTF8\0")}, NULL, NULL},
    {"utf-8", {BYTES(U "client_encoding\0utf-8\0")}, NULL, NULL},
    {"'utf-8'", {BYTES(U "client_encoding\0'utf-8'\0")}, NULL, NULL},
    {"UNICODE", {BYTES(U "client_encoding\0UNICODE\0")}, NULL, NULL},
    {"strings on", {BYTES(U "standard_conforming_strings\0on\0")}, NULL, NULL},
    {"strings TRUE", {BYTES(U "standard_conforming_strings\0TRUE\0")}, NULL, NULL},
    {"strings 1",
     {BYTES(U "standard_conforming_strings\0"
              "1\0")},
     NULL,
     NULL},
    {"strings y", {BYTES(U "standard_conforming_strings\0y\0")}, NULL, NULL},
    {"quotes", {BYTES(U "backslash_quote\0safe_encoding\0")}, NULL, NULL},
    {"options, -c", {BYTES(U "options\0-c geqo=off\0")}, "geqo", "off"},
    {"options, -c without space", {BYTES(U "options\0-cgeqo=off\0")}, "geqo", "off"},
    {"options, --", {BYTES(U "options\0--geqo=off\0")}, "geqo", "off"},
    {"options, dash for underscore",
     {BYTES(U "options\0--lock-timeout=1s\0")},
     "lock_timeout",
     "1s"},
    {"options, escaped space",
     {BYTES(U "options\0-c DateStyle=ISO,\\ MDY\0")},
     "DateStyle",
     "ISO, MDY"},
    {"options, escaped backslash",
     {BYTES(U "options\0-c application_name=a\\\\b\0")},
     "application_name",
     "a\\b"},
    {"options, equals in the value",
     {BYTES(U "options\0-c application_name=a=b\0")},
     "application_name",
     "a=b"},
    {"options, white space around", {BYTES(U "options\0\t -c \n geqo=off \v\0")}, "geqo", "off"},
    {"options, backslash at the end", {BYTES(U "options\0-c geqo=off\\\0")}, "geqo", "off"},
    {"options, empty value", {BYTES(U "options\0--application_name=\0")}, "application_name", ""},
    {"options, the later wins", {BYTES(U "options\0-c jit=on -c jit=off\0")}, "jit", "off"},
    {"options, empty", {BYTES(U "options\0\0")}, NULL, NULL},
    {"parameter before options", {BYTES(U "jit\0on\0options\0-c jit=off\0")}, "jit", "on"},
    {"parameter behind options", {BYTES(U "options\0-c jit=off\0jit\0on\0")}, "jit", "on"},
};

static void
what_is_accepted(void)
{
    for (size_t i = 0; i < N(accepted); i++) {
        struct bs_startup_wish wish;
        struct bs_arena arena;
        struct bs_err err;

        bs_arena_init(&arena, "test", 65536);
        EXPECT_EQ(judge(accepted[i].params, &arena, &wish, &err), BS_DONE);
        EXPECT_EQ(wish.n_settings, accepted[i].name == NULL ? 0 : 1);
        if (accepted[i].name != NULL)
            EXPECT(is(forwarded(&wish, accepted[i].name), accepted[i].value));
        EXPECT(!wish.negotiate);
        if (tap_misses != 0)
            printf("# in row: %s: %s\n", accepted[i].what, err.message);
        bs_arena_fini(&arena);
    }
}

static const struct {
    struct bs_bytes params;
    enum bs_code code;
    const char *names; /* what the message must name */
} refused[] = {
    {{BYTES(U "role\0boss\0")}, BS_E_UNSUPPORTED, "\"role\""},
    {{BYTES(U "session_authorization\0boss\0")}, BS_E_UNSUPPORTED, "\"session_authorization\""},
    {{BYTES(U "session_replication_role\0replica\0")},
     BS_E_UNSUPPORTED,
     "\"session_replication_role\""},
    {{BYTES(U "Session_Replication_Role\0replica\0")},
     BS_E_UNSUPPORTED,
     "\"Session_Replication_Role\""},
    {{BYTES(U "row_security\0off\0")}, BS_E_UNSUPPORTED, "\"row_security\""},
    {{BYTES(U "default_transaction_read_only\0off\0")},
     BS_E_UNSUPPORTED,
     "\"default_transaction_read_only\""},
    {{BYTES(U "lo_compat_privileges\0on\0")}, BS_E_UNSUPPORTED, "\"lo_compat_privileges\""},
    {{BYTES(U "search_path\0shadow\0")}, BS_E_UNSUPPORTED, "not vetted"},
    {{BYTES(U "SEARCH_PATH\0shadow\0")}, BS_E_UNSUPPORTED, "not vetted"},
    {{BYTES(U "replication\0database\0")},
     BS_E_UNSUPPORTED,
     "\"replication\" is refused: replication"},
    {{BYTES(U "replication\0"
              "0\0")},
     BS_E_UNSUPPORTED,
     "\"replication\""},
    {{BYTES(U "app.tenant\0"
              "1\0")},
     BS_E_UNSUPPORTED,
     "\"app.tenant\""},
    {{BYTES(U "backstop.actor\0boss\0")}, BS_E_UNSUPPORTED, "\"backstop.actor\""},
    {{BYTES(U "standard_conforming_strings\0off\0")},
     BS_E_UNSUPPORTED,
     "\"standard_conforming_strings\""},
    {{BYTES(U "standard_conforming_strings\0o\0")},
     BS_E_UNSUPPORTED,
     "\"standard_conforming_strings\""},
    {{BYTES(U "standard_conforming_strings\0\0")},
     BS_E_UNSUPPORTED,
     "\"standard_conforming_strings\""},
    {{BYTES(U "standard_conforming_strings\0truest\0")},
     BS_E_UNSUPPORTED,
     "\"standard_conforming_strings\""},
    {{BYTES(U "backslash_quote\0on\0")}, BS_E_UNSUPPORTED, "\"backslash_quote\""},
    {{BYTES(U "client_encoding\0SJIS\0")}, BS_E_UNSUPPORTED, "\"client_encoding\""},
    {{BYTES(U "client_encoding\0SQL_ASCII\0")}, BS_E_UNSUPPORTED, "\"client_encoding\""},
    {{BYTES(U "client_encoding\0LATIN1\0")}, BS_E_UNSUPPORTED, "\"client_encoding\""},
    {{BYTES(U "client_encoding\0\0")}, BS_E_UNSUPPORTED, "\"client_encoding\""},
    {{BYTES(U "client_encoding\0utf8utf8\0")}, BS_E_UNSUPPORTED, "\"client_encoding\""},
    {{BYTES(U "client_encoding\0utf8\xc3\xa9x\0")}, BS_E_UNSUPPORTED, "\"client_encoding\""},
    {{BYTES(U "a\"b\n\0x\0")}, BS_E_UNSUPPORTED, "\"a?b?\""},
    {{BYTES(U "options\0-c role=boss\0")}, BS_E_UNSUPPORTED, "\"role\""},
    {{BYTES(U "options\0-crole=boss\0")}, BS_E_UNSUPPORTED, "\"role\""},
    {{BYTES(U "options\0--role=boss\0")}, BS_E_UNSUPPORTED, "\"role\""},
    {{BYTES(U "options\0-c ro\\le=boss\0")}, BS_E_UNSUPPORTED, "\"role\""},
    {{BYTES(U "options\0\\-c role=boss\0")}, BS_E_UNSUPPORTED, "\"role\""},
    {{BYTES(U "options\0--session-replication-role=replica\0")},
     BS_E_UNSUPPORTED,
     "\"session_replication_role\""},
    {{BYTES(U "options\0-c geqo=off -c search_path=shadow\0")}, BS_E_UNSUPPORTED, "not vetted"},
    {{BYTES(U "options\0-c standard_conforming_strings=off\0")},
     BS_E_UNSUPPORTED,
     "\"standard_conforming_strings\""},
    {{BYTES(U "options\0-c client_encoding=SJIS\0client_encoding\0UTF8\0")},
     BS_E_UNSUPPORTED,
     "\"client_encoding\""},
    {{BYTES(U "options\0-c user=boss\0")}, BS_E_UNSUPPORTED, "\"user\""},
    {{BYTES(U "options\0-c replication=database\0")}, BS_E_UNSUPPORTED, "\"replication\""},
    {{BYTES(U "options\0-c _pq_.x=1\0")}, BS_E_UNSUPPORTED, "\"_pq_.x\""},
    {{BYTES(U "options\0-c\0")}, BS_E_UNSUPPORTED, "\"options\""},
    {{BYTES(U "options\0-c geqo\0")}, BS_E_UNSUPPORTED, "\"options\""},
    {{BYTES(U "options\0-c =off\0")}, BS_E_UNSUPPORTED, "\"options\""},
    {{BYTES(U "options\0--\0")}, BS_E_UNSUPPORTED, "\"options\""},
    {{BYTES(U "options\0-\0")}, BS_E_UNSUPPORTED, "\"options\""},
    {{BYTES(U "options\0-O\0")}, BS_E_UNSUPPORTED, "\"options\""},
    {{BYTES(U "options\0-e -c geqo=off\0")}, BS_E_UNSUPPORTED, "\"options\""},
    {{BYTES(U "options\0geqo=off\0")}, BS_E_UNSUPPORTED, "\"options\""},
    {{BYTES(U "user\0v\0")}, BS_E_PROTOCOL, "\"user\""},
    {{BYTES(U "database\0a\0database\0b\0")}, BS_E_PROTOCOL, "\"database\""},
    {{BYTES(U "options\0\0options\0\0")}, BS_E_PROTOCOL, "\"options\""},
    {{BYTES(U "jit\0on\0JIT\0off\0")}, BS_E_PROTOCOL, "\"JIT\""},
    {{BYTES(U "application_name\0\xff\0")}, BS_E_PROTOCOL, "UTF-8"},
    {{BYTES("user\0\xc0\x80\0")}, BS_E_PROTOCOL, "UTF-8"},
    {{BYTES("database\0d\0")}, BS_E_PROTOCOL, "user"},
    {{BYTES("user\0\0")}, BS_E_PROTOCOL, "user"},
};

static void
what_is_refused(void)
{
    for (size_t i = 0; i < N(refused); i++) {
        struct bs_startup_wish wish;
        struct bs_arena arena;
        struct bs_err err;

        bs_arena_init(&arena, "test", 65536);
        EXPECT_EQ(judge(refused[i].params, &arena, &wish, &err), BS_FAILED);
        EXPECT_EQ(err.code, refused[i].code);
        EXPECT(strstr(err.message, refused[i].names) != NULL);
        EXPECT(wish.user == NULL && wish.n_settings == 0);
        if (tap_misses != 0) {
            printf("# in row %zu: %s\n", i, err.message);
            bs_arena_fini(&arena);
            break;
        }
        bs_arena_fini(&arena);
    }
}

static void
names_and_claims(void)
{
    struct bs_startup_wish w;
    struct bs_arena arena;
    struct bs_err err;

    bs_arena_init(&arena, "test", 65536);
    REQUIRE(judge(BS_LIT("user\0alice\0database\0app\0application_name\0x\0backstop.run\0r7\0"
                         "options\0-c backstop.purpose=clean\\ up --backstop.wait=5s\0"),
                  &arena, &w, &err) == BS_DONE);
    EXPECT(is(w.user, "alice") && is(w.database, "app") && is(w.application_name, "x"));
    EXPECT_EQ(w.n_claims, 2);
    EXPECT(is(w.wait, "5s"));
    EXPECT(is(w.claims[0].name, "purpose") && is(w.claims[0].value, "clean up"));
    EXPECT(is(w.claims[1].name, "run") && is(w.claims[1].value, "r7"));
    EXPECT_EQ(w.n_settings, 1); /* no claim reaches the server */
    REQUIRE(judge(BS_LIT("user\0alice\0database\0\0"), &arena, &w, &err) == BS_DONE);
    EXPECT(is(w.database, "alice") && w.application_name == NULL && w.wait == NULL);
    bs_arena_fini(&arena);
}

#define CLAIM(text)                                                                                \
    {                                                                                              \
        (text), sizeof(text) - 1                                                                   \
    }

/* They end up before people's eyes. */
static void
refused_claims(void)
{
    static const struct {
        const char *p;
        size_t n;
    } bad[] = {
        CLAIM("user\0a\0backstop.run\0a\nb\0"),
        CLAIM("user\0a\0backstop.purpose\0\x1b[31m\0"),
        CLAIM("user\0a\0backstop.parent\0\x7f\0"),
        CLAIM("user\0a\0options\0-c backstop.run_id=a\\\tb\0"),
        CLAIM("user\0a\0backstop.run_id\0"
              "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
              "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\0"), /* 129 */
    };

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct bs_startup_wish w;
        struct bs_arena arena;
        struct bs_err err = {0};
        bs_arena_init(&arena, "test", 65536);
        EXPECT(judge((struct bs_bytes){(const uint8_t *)bad[i].p, bad[i].n}, &arena, &w, &err) ==
               BS_FAILED);
        EXPECT_EQ(err.code, BS_E_UNSUPPORTED);
        if (tap_misses != 0)
            printf("# in row %zu\n", i);
        bs_arena_fini(&arena);
    }
}

static void
negotiation(void)
{
    struct bs_startup packet = {.kind = BS_STARTUP_MESSAGE, .params = BS_LIT(U)};
    struct bs_startup_wish w;
    struct bs_arena arena;
    struct bs_err err = {0};

    bs_arena_init(&arena, "test", 65536);
    REQUIRE(bs_startup_judge(&packet, &arena, &w, &err) == BS_DONE);
    EXPECT(!w.negotiate && w.minor == 0);
    packet.minor = 2;
    REQUIRE(bs_startup_judge(&packet, &arena, &w, &err) == BS_DONE);
    EXPECT(!w.negotiate && w.minor == 2);
    packet.minor = 3;
    REQUIRE(bs_startup_judge(&packet, &arena, &w, &err) == BS_DONE);
    EXPECT(w.negotiate && w.minor == 2 && w.n_unknown == 0);
    packet.minor = 0;
    packet.params = BS_LIT(U "_pq_.test_protocol_negotiation\0\0");
    REQUIRE(bs_startup_judge(&packet, &arena, &w, &err) == BS_DONE);
    EXPECT(w.negotiate && w.minor == 0 && w.n_unknown == 1);
    EXPECT(is(w.unknown[0], "_pq_.test_protocol_negotiation"));
    EXPECT_EQ(w.n_settings, 0);
    packet.kind = BS_STARTUP_SSL;
    EXPECT_EQ(bs_startup_judge(&packet, &arena, &w, &err), BS_FAILED);
    bs_arena_fini(&arena);
}

static void
too_many(void)
{
    struct bs_startup_wish w;
    struct bs_arena arena;
    struct bs_err err;
    struct bs_buf b;

    for (size_t n = 63; n <= 64; n++) { /* and the user makes one more */
        bs_arena_init(&arena, "test", 65536);
        bs_buf_init(&b, 65536);
        bs_put_bytes(&b, BS_LIT(U));
        for (size_t i = 0; i < n; i++)
            bs_put_bytes(&b, BS_LIT("_pq_.a\0\0"));
        EXPECT_EQ(judge(bs_buf_view(&b), &arena, &w, &err), n == 63 ? BS_DONE : BS_FAILED);
        EXPECT_EQ(err.code, n == 63 ? BS_OK : BS_E_LIMIT);
        bs_buf_clear(&b);
        bs_put_bytes(&b, BS_LIT(U "options\0"));
        for (size_t i = 0; i < n + 1; i++)
            bs_put_str(&b, " -cjit=on");
        bs_put_u8(&b, 0);
        EXPECT_EQ(judge(bs_buf_view(&b), &arena, &w, &err), n == 63 ? BS_DONE : BS_FAILED);
        EXPECT_EQ(err.code, n == 63 ? BS_OK : BS_E_LIMIT);
        bs_buf_fini(&b);
        bs_arena_fini(&arena);
    }
}

static void
a_full_arena_refuses(void)
{
    for (size_t room = 0; room < 3000; room += 16) {
        struct bs_startup_wish w;
        struct bs_arena arena;
        struct bs_err err;

        bs_arena_init(&arena, "test", room);
        if (judge(BS_LIT(U "options\0-c jit=on\0"), &arena, &w, &err) == BS_FAILED)
            EXPECT_EQ(err.code, BS_E_LIMIT);
        else
            EXPECT(is(forwarded(&w, "jit"), "on"));
        bs_arena_fini(&arena);
    }
}

/* ---------------------------------------------------------------- building */

static void
written_to_servers(void)
{
    const struct bs_setting settings[] = {{"user", "u"}, {"database", "d"}};
    const struct bs_setting nameless[] = {{"", "u"}};
    struct bs_buf b;

    bs_buf_init(&b, 65536);
    bs_startup_put(&b, 0, settings, 2);
    EXPECT(bs_bytes_equal(bs_buf_view(&b), BS_LIT("\0\0\0\x1b" V3 "user\0u\0database\0d\0\0")));
    bs_buf_clear(&b);
    bs_startup_put(&b, 2, settings, 2);
    EXPECT(bs_bytes_equal(bs_buf_view(&b), BS_LIT("\0\0\0\x1b\0\x03\0\x02"
                                                  "user\0u\0database\0d\0\0")));
    bs_buf_clear(&b);
    bs_startup_put_ssl(&b);
    EXPECT(bs_bytes_equal(bs_buf_view(&b), BS_LIT("\0\0\0\x08\x04\xd2\x16\x2f")));
    bs_buf_clear(&b);
    bs_startup_put_cancel(&b, 12345, BS_LIT("wxyz"));
    EXPECT(bs_bytes_equal(bs_buf_view(&b), BS_LIT("\0\0\0\x10\x04\xd2\x16\x2e\0\0\x30\x39wxyz")));
    bs_buf_clear(&b);
    bs_startup_put_cancel(&b, 1, BS_LIT("wxy"));
    EXPECT(b.failed && b.n == 0);
    bs_buf_clear(&b);
    bs_startup_put_cancel(&b, 1, BS_LIT(SECRET256 "!"));
    EXPECT(b.failed && b.n == 0);
    bs_buf_clear(&b);
    bs_startup_put(&b, 0, nameless, 1);
    EXPECT(b.failed && b.n == 0);
    bs_buf_fini(&b);
}

static void
a_packet_has_a_largest_size(void)
{
    const size_t fixed = 8 + sizeof("application_name") + 1 + 1;

    for (size_t over = 0; over < 2; over++) {
        size_t n = BS_STARTUP_MAX - fixed + over;
        char *value = calloc(1, n + 1);
        struct bs_setting s = {"application_name", value};
        struct bs_buf b;

        memset(value, 'x', n);
        bs_buf_init(&b, 65536);
        bs_startup_put(&b, 0, &s, 1);
        EXPECT_EQ(b.failed, over);
        EXPECT_EQ(b.n, over ? 0 : BS_STARTUP_MAX);
        bs_buf_fini(&b);
        free(value);
    }
}

int
main(void)
{
    static const struct tap_case cases[] = {
        {"whole and trickled", whole_and_trickled},
        {"what a packet says", what_a_packet_says},
        {"what is accepted", what_is_accepted},
        {"what is refused", what_is_refused},
        {"names and claims", names_and_claims},
        {"claims that are refused", refused_claims},
        {"negotiation", negotiation},
        {"too many", too_many},
        {"a full arena refuses", a_full_arena_refuses},
        {"written to servers", written_to_servers},
        {"a packet has a largest size", a_packet_has_a_largest_size},
    };

    return tap_main(cases, sizeof(cases) / sizeof(cases[0]));
}
