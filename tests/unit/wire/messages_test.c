#include "wire/messages.h"

#include "tap.h"
#include "wire/frame.h"
#include "wire/rows.h"

#define N(array) (sizeof(array) / sizeof((array)[0]))

/* One decoder behind a common face. */
typedef enum bs_done reader(struct bs_bytes body, struct bs_err *err);

#define READER(name, type, call)                                                                   \
    static enum bs_done name(struct bs_bytes body, struct bs_err *err)                             \
    {                                                                                              \
        type out;                                                                                  \
        return call(body, &out, err);                                                              \
    }

READER(query, struct bs_bytes, bs_msg_read_query)
READER(parse, struct bs_parse, bs_msg_read_parse)
READER(bind, struct bs_bind, bs_msg_read_bind)
READER(target, struct bs_named, bs_msg_read_target)
READER(execute, struct bs_execute, bs_msg_read_execute)
READER(copy_fail, struct bs_bytes, bs_msg_read_copy_fail)
READER(sasl_initial, struct bs_sasl_initial, bs_msg_read_sasl_initial)
READER(password, struct bs_bytes, bs_msg_read_password)
READER(report, struct bs_report_fields, bs_msg_read_report)
READER(columns, struct bs_columns, bs_msg_read_columns)
READER(row, struct bs_values, bs_msg_read_row)
READER(param_types, struct bs_oids, bs_msg_read_param_types)
READER(tag, struct bs_tag, bs_msg_read_tag)
READER(ready, uint8_t, bs_msg_read_ready)
READER(key_data, struct bs_key_data, bs_msg_read_key_data)
READER(auth, struct bs_auth_request, bs_msg_read_auth)
READER(negotiation, struct bs_negotiation, bs_msg_read_negotiation)
READER(notification, struct bs_notification, bs_msg_read_notification)

static enum bs_done
parameter_status(struct bs_bytes body, struct bs_err *err)
{
    struct bs_bytes name, value;

    return bs_msg_read_parameter_status(body, &name, &value, err);
}

#define A63       "aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffffggg"
#define A64       A63 "g"
#define SECRET256 A64 A64 A64 A64

static const struct {
    const char *what;
    reader *read;
    struct bs_bytes body;
    enum bs_code code; /* BS_OK: accepted */
} rows[] = {
    {"query", query, {BYTES("select 1\0")}, BS_OK},
    {"query, empty", query, {BYTES("\0")}, BS_OK},
    {"query without its NUL", query, {BYTES("select 1")}, BS_E_PROTOCOL},
    {"query without a byte", query, {BYTES("")}, BS_E_PROTOCOL},
    {"query with a NUL inside", query, {BYTES("select 1\0; drop table t\0")}, BS_E_PROTOCOL},
    {"query with two NULs", query, {BYTES("select 1\0\0")}, BS_E_PROTOCOL},

    {"parse", parse, {BYTES("s\0select $1\0\0\x01\0\0\0\x17")}, BS_OK},
    {"parse, unnamed and empty", parse, {BYTES("\0\0\0\0")}, BS_OK},
    {"parse, longest name", parse, {BYTES(A63 "\0\0\0\0")}, BS_OK},
    {"parse, name too long", parse, {BYTES(A64 "\0\0\0\0")}, BS_E_LIMIT},
    {"parse, no types count", parse, {BYTES("\0\0\0")}, BS_E_PROTOCOL},
    {"parse, type cut", parse, {BYTES("\0\0\0\x01\0\0\0")}, BS_E_PROTOCOL},
    {"parse, trailing byte", parse, {BYTES("\0\0\0\0\0")}, BS_E_PROTOCOL},
    {"parse, second text open", parse, {BYTES("\0select")}, BS_E_PROTOCOL},
    {"parse, count of 65535", parse, {BYTES("\0\0\xff\xff\0\0\0\x17")}, BS_E_PROTOCOL},

    {"bind, nothing", bind, {BYTES("\0\0\0\0\0\0\0\0")}, BS_OK},
    {"bind, value and NULL",
     bind,
     {BYTES("p\0s\0\0\x01\0\x01\0\x02\0\0\0\x02hi\xff\xff\xff\xff\0\x02\0\0\0\x01")},
     BS_OK},
    {"bind, longest names", bind, {BYTES(A63 "\0" A63 "\0\0\0\0\0\0\0")}, BS_OK},
    {"bind, portal too long", bind, {BYTES(A64 "\0\0\0\0\0\0\0\0")}, BS_E_LIMIT},
    {"bind, statement too long", bind, {BYTES("\0" A64 "\0\0\0\0\0\0\0")}, BS_E_LIMIT},
    {"bind, negative length", bind, {BYTES("\0\0\0\0\0\x01\xff\xff\xff\xfe\0\0")}, BS_E_PROTOCOL},
    {"bind, value cut", bind, {BYTES("\0\0\0\0\0\x01\0\0\0\x03hi\0\0")}, BS_E_PROTOCOL},
    {"bind, fewer values than said", bind, {BYTES("\0\0\0\0\0\x02\0\0\0\0\0\0")}, BS_E_PROTOCOL},
    {"bind, two formats, one value",
     bind,
     {BYTES("\0\0\0\x02\0\0\0\0\0\x01\0\0\0\0\0\0")},
     BS_E_PROTOCOL},
    {"bind, one format, no value", bind, {BYTES("\0\0\0\x01\0\x01\0\0\0\0")}, BS_OK},
    {"bind, format 2", bind, {BYTES("\0\0\0\x01\0\x02\0\0\0\0")}, BS_E_PROTOCOL},
    {"bind, format 256", bind, {BYTES("\0\0\0\x01\x01\0\0\0\0\0")}, BS_E_PROTOCOL},
    {"bind, result format 2", bind, {BYTES("\0\0\0\0\0\0\0\x01\0\x02")}, BS_E_PROTOCOL},
    {"bind, trailing byte", bind, {BYTES("\0\0\0\0\0\0\0\0\0")}, BS_E_PROTOCOL},
    {"bind, no result count", bind, {BYTES("\0\0\0\0\0\0")}, BS_E_PROTOCOL},

    {"describe statement", target, {BYTES("Ss\0")}, BS_OK},
    {"describe portal", target, {BYTES("P\0")}, BS_OK},
    {"describe longest name", target, {BYTES("P" A63 "\0")}, BS_OK},
    {"describe name too long", target, {BYTES("P" A64 "\0")}, BS_E_LIMIT},
    {"describe other", target, {BYTES("X\0")}, BS_E_PROTOCOL},
    {"describe open text", target, {BYTES("Ss")}, BS_E_PROTOCOL},
    {"describe trailing byte", target, {BYTES("Ss\0\0")}, BS_E_PROTOCOL},

    {"execute", execute, {BYTES("p\0\0\0\0\x05")}, BS_OK},
    {"execute, longest name", execute, {BYTES(A63 "\0\0\0\0\0")}, BS_OK},
    {"execute, name too long", execute, {BYTES(A64 "\0\0\0\0\0")}, BS_E_LIMIT},
    {"execute cut", execute, {BYTES("p\0\0\0\0")}, BS_E_PROTOCOL},
    {"execute trailing byte", execute, {BYTES("p\0\0\0\0\x05!")}, BS_E_PROTOCOL},

    {"copy fail", copy_fail, {BYTES("no\0")}, BS_OK},
    {"copy fail open", copy_fail, {BYTES("no")}, BS_E_PROTOCOL},
    {"copy fail trailing", copy_fail, {BYTES("no\0\0")}, BS_E_PROTOCOL},

    {"sasl", sasl_initial, {BYTES("SCRAM-SHA-256\0\0\0\0\x03n,,")}, BS_OK},
    {"sasl without data", sasl_initial, {BYTES("X\0\xff\xff\xff\xff")}, BS_OK},
    {"sasl, data cut", sasl_initial, {BYTES("X\0\0\0\0\x04n,,")}, BS_E_PROTOCOL},
    {"sasl, trailing", sasl_initial, {BYTES("X\0\0\0\0\x02n,,")}, BS_E_PROTOCOL},
    {"sasl, -1 and data", sasl_initial, {BYTES("X\0\xff\xff\xff\xffn")}, BS_E_PROTOCOL},
    {"sasl, -2", sasl_initial, {BYTES("X\0\xff\xff\xff\xfen")}, BS_E_PROTOCOL},

    {"password", password, {BYTES("secret\0")}, BS_OK},
    {"password open", password, {BYTES("secret")}, BS_E_PROTOCOL},
    {"password with NUL", password, {BYTES("sec\0ret\0")}, BS_E_PROTOCOL},

    {"report", report, {BYTES("SERROR\0C42601\0Moops\0\0")}, BS_OK},
    {"report with nothing", report, {BYTES("\0")}, BS_OK},
    {"report without SQLSTATE", report, {BYTES("Moops\0\0")}, BS_OK},
    {"report with an unknown field", report, {BYTES("Moops\0\x7fwhat\0\0")}, BS_OK},
    {"report not ended", report, {BYTES("SERROR\0C42601\0")}, BS_E_PROTOCOL},
    {"report, empty", report, {BYTES("")}, BS_E_PROTOCOL},
    {"report, field open", report, {BYTES("Moops")}, BS_E_PROTOCOL},
    {"report, trailing", report, {BYTES("Moops\0\0\0")}, BS_E_PROTOCOL},

    {"columns, none", columns, {BYTES("\0\0")}, BS_OK},
    {"columns, one",
     columns,
     {BYTES("\0\x01id\0\0\0\x40\0\0\x01\0\0\0\x17\0\x04\xff\xff\xff\xff\0\0")},
     BS_OK},
    {"columns, cut",
     columns,
     {BYTES("\0\x01id\0\0\0\x40\0\0\x01\0\0\0\x17\0\x04\xff\xff\xff\xff\0")},
     BS_E_PROTOCOL},
    {"columns, trailing", columns, {BYTES("\0\0!")}, BS_E_PROTOCOL},
    {"columns, said 65535", columns, {BYTES("\xff\xff")}, BS_E_PROTOCOL},

    {"row, none", row, {BYTES("\0\0")}, BS_OK},
    {"row, value and NULL", row, {BYTES("\0\x02\0\0\0\x01x\xff\xff\xff\xff")}, BS_OK},
    {"row, cut", row, {BYTES("\0\x02\0\0\0\x01x\xff\xff\xff")}, BS_E_PROTOCOL},
    {"row, trailing", row, {BYTES("\0\x01\0\0\0\x01xy")}, BS_E_PROTOCOL},
    {"row, huge value", row, {BYTES("\0\x01\x7f\xff\xff\xffxy")}, BS_E_PROTOCOL},
    {"row, negative value", row, {BYTES("\0\x01\x80\0\0\0xy")}, BS_E_PROTOCOL},

    {"parameter types", param_types, {BYTES("\0\x02\0\0\0\x17\0\0\0\x19")}, BS_OK},
    {"parameter types cut", param_types, {BYTES("\0\x02\0\0\0\x17\0\0\0")}, BS_E_PROTOCOL},
    {"parameter types trailing", param_types, {BYTES("\0\0!")}, BS_E_PROTOCOL},

    {"tag", tag, {BYTES("DELETE 3\0")}, BS_OK},
    {"tag open", tag, {BYTES("DELETE 3")}, BS_E_PROTOCOL},
    {"tag trailing", tag, {BYTES("DELETE 3\0\0")}, BS_E_PROTOCOL},

    {"ready I", ready, {BYTES("I")}, BS_OK},
    {"ready T", ready, {BYTES("T")}, BS_OK},
    {"ready E", ready, {BYTES("E")}, BS_OK},
    {"ready other", ready, {BYTES("X")}, BS_E_PROTOCOL},
    {"ready empty", ready, {BYTES("")}, BS_E_PROTOCOL},
    {"ready trailing", ready, {BYTES("II")}, BS_E_PROTOCOL},

    {"key of 4",
     key_data,
     {BYTES("\0\0\0\x01"
            "abcd")},
     BS_OK},
    {"key of 3",
     key_data,
     {BYTES("\0\0\0\x01"
            "abc")},
     BS_E_PROTOCOL},
    {"key of 256", key_data, {BYTES("\0\0\0\x01" SECRET256)}, BS_OK},
    {"key of 257", key_data, {BYTES("\0\0\0\x01" SECRET256 "!")}, BS_E_PROTOCOL},

    {"negotiation", negotiation, {BYTES("\0\x03\0\0\0\0\0\0")}, BS_OK},
    {"negotiation, options", negotiation, {BYTES("\0\x03\0\x02\0\0\0\x02_pq_.a\0_pq_.b\0")}, BS_OK},
    {"negotiation, one option less",
     negotiation,
     {BYTES("\0\x03\0\0\0\0\0\x02_pq_.a\0")},
     BS_E_PROTOCOL},
    {"negotiation, one more", negotiation, {BYTES("\0\x03\0\0\0\0\0\0_pq_.a\0")}, BS_E_PROTOCOL},
    {"negotiation, count as if negative",
     negotiation,
     {BYTES("\0\x03\0\0\xff\xff\xff\xff")},
     BS_E_PROTOCOL},
    {"negotiation, open text", negotiation, {BYTES("\0\x03\0\0\0\0\0\x01_pq_.a")}, BS_E_PROTOCOL},

    {"status", parameter_status, {BYTES("TimeZone\0UTC\0")}, BS_OK},
    {"status, one text", parameter_status, {BYTES("TimeZone\0")}, BS_E_PROTOCOL},
    {"status, trailing", parameter_status, {BYTES("TimeZone\0UTC\0\0")}, BS_E_PROTOCOL},

    {"auth ok", auth, {BYTES("\0\0\0\0")}, BS_OK},
    {"auth ok, trailing", auth, {BYTES("\0\0\0\0!")}, BS_E_PROTOCOL},
    {"auth password", auth, {BYTES("\0\0\0\x03")}, BS_OK},
    {"auth md5", auth, {BYTES("\0\0\0\x05salt")}, BS_OK},
    {"auth md5, short salt", auth, {BYTES("\0\0\0\x05sal")}, BS_E_PROTOCOL},
    {"auth md5, long salt", auth, {BYTES("\0\0\0\x05salty")}, BS_E_PROTOCOL},
    {"auth SASL", auth, {BYTES("\0\0\0\x0aSCRAM-SHA-256-PLUS\0SCRAM-SHA-256\0\0")}, BS_OK},
    {"auth SASL, no end", auth, {BYTES("\0\0\0\x0aSCRAM-SHA-256\0")}, BS_E_PROTOCOL},
    {"auth SASL, behind the end", auth, {BYTES("\0\0\0\x0aX\0\0Y\0")}, BS_E_PROTOCOL},
    {"auth SASL continue", auth, {BYTES("\0\0\0\x0br=")}, BS_OK},
    {"auth SASL final", auth, {BYTES("\0\0\0\x0cv=")}, BS_OK},
    {"auth GSS", auth, {BYTES("\0\0\0\x07")}, BS_E_UNSUPPORTED},
    {"auth with a high number", auth, {BYTES("\xff\xff\xff\xff")}, BS_E_UNSUPPORTED},
    {"auth cut", auth, {BYTES("\0\0\0")}, BS_E_PROTOCOL},

    {"notification",
     notification,
     {BYTES("\0\0\0\x01"
            "ch\0pay\0")},
     BS_OK},
    {"notification, cut",
     notification,
     {BYTES("\0\0\0\x01"
            "ch\0pay")},
     BS_E_PROTOCOL},
    {"notification, trailing",
     notification,
     {BYTES("\0\0\0\x01"
            "ch\0pay\0!")},
     BS_E_PROTOCOL},
};

static void
bodies(void)
{
    for (size_t i = 0; i < N(rows); i++) {
        struct bs_bytes body = exact(rows[i].body);
        struct bs_err err = {0};

        EXPECT_EQ(rows[i].read(body, &err), rows[i].code == BS_OK ? BS_DONE : BS_FAILED);
        EXPECT_EQ(err.code, rows[i].code);
        drop(body);
        if (tap_misses != 0) {
            printf("# in row: %s\n", rows[i].what);
            break;
        }
    }
}

/* Whatever is accepted must not be accepted with its last byte missing. */
static void
no_prefix_of_a_body_is_a_body(void)
{
    for (size_t i = 0; i < N(rows); i++) {
        struct bs_bytes body = rows[i].body;
        bool grows = rows[i].read == auth && body.n > 4; /* SASL data has no form of its own */

        if (rows[i].code != BS_OK || rows[i].read == key_data || grows)
            continue;
        for (size_t have = 0; have < body.n; have++) {
            struct bs_bytes cut = exact((struct bs_bytes){body.p, have});
            struct bs_err err = {0};

            EXPECT_EQ(rows[i].read(cut, &err), BS_FAILED);
            EXPECT_EQ(err.code, BS_E_PROTOCOL);
            drop(cut);
        }
        if (tap_misses != 0) {
            printf("# in row: %s\n", rows[i].what);
            break;
        }
    }
}

static void
what_a_bind_says(void)
{
    struct bs_bytes body =
        BS_LIT("p\0s\0\0\x01\0\x01\0\x03\0\0\0\x02hi\xff\xff\xff\xff\0\0\0\0\0\x02\0\0\0\x01");
    struct bs_bind m = {0};
    struct bs_value v;
    struct bs_err err = {0};

    REQUIRE(bs_msg_read_bind(body, &m, &err) == BS_DONE);
    EXPECT(same(m.portal, "p") && same(m.statement, "s"));
    EXPECT_EQ(m.values.n, 3);
    EXPECT_EQ(bs_formats_at(&m.formats, 0), 1);
    EXPECT_EQ(bs_formats_at(&m.formats, 2), 1); /* one format counts for all */
    EXPECT_EQ(bs_formats_at(&m.results, 0), 0);
    EXPECT_EQ(bs_formats_at(&m.results, 1), 1);
    EXPECT_EQ(bs_formats_at(&m.results, 2), 0);
    EXPECT(bs_values_next(&m.values, &v) && !v.is_null && same(v.bytes, "hi"));
    EXPECT(bs_values_next(&m.values, &v) && v.is_null && v.bytes.n == 0);
    EXPECT(bs_values_next(&m.values, &v) && !v.is_null && v.bytes.n == 0);
    EXPECT(!bs_values_next(&m.values, &v));
}

static void
names_of_a_streamed_bind(void)
{
    struct bs_bytes body = BS_LIT("port\0stmt\0\0\0\0\x01\0\x0f\x42\x40");
    struct bs_bytes portal = {0}, statement = {0};
    struct bs_err err = {0};

    for (size_t have = 0; have < 10; have++) {
        EXPECT_EQ(bs_msg_read_bind_names((struct bs_bytes){body.p, have}, 1000000, &portal,
                                         &statement, &err),
                  BS_FAILED);
        EXPECT_EQ(err.code, BS_OK);
    }
    EXPECT_EQ(
        bs_msg_read_bind_names((struct bs_bytes){body.p, 10}, 1000000, &portal, &statement, &err),
        BS_DONE);
    EXPECT(same(portal, "port") && same(statement, "stmt"));

    /* The whole body is there and still has no two names. */
    EXPECT_EQ(bs_msg_read_bind_names((struct bs_bytes){body.p, 9}, 9, &portal, &statement, &err),
              BS_FAILED);
    EXPECT_EQ(err.code, BS_E_PROTOCOL);
    /* Never waits for the end of a name that is too long already. */
    err = (struct bs_err){0};
    EXPECT_EQ(bs_msg_read_bind_names(BS_LIT(A64 A64), 1000000, &portal, &statement, &err),
              BS_FAILED);
    EXPECT_EQ(err.code, BS_E_LIMIT);
    err = (struct bs_err){0};
    EXPECT_EQ(bs_msg_read_bind_names(BS_LIT(A63 "\0" A63 "\0"), 1000000, &portal, &statement, &err),
              BS_DONE);
    EXPECT_EQ(bs_msg_read_bind_names(BS_LIT("\0" A64 "\0"), 1000000, &portal, &statement, &err),
              BS_FAILED);
    EXPECT_EQ(err.code, BS_E_LIMIT);
}

static void
what_a_parse_says(void)
{
    struct bs_parse m = {0};
    struct bs_err err = {0};

    REQUIRE(bs_msg_read_parse(BS_LIT("s\0select $1\0\0\x02\0\0\0\x17\x01\x02\x03\x04"), &m, &err) ==
            BS_DONE);
    EXPECT(same(m.name, "s") && same(m.query, "select $1"));
    EXPECT_EQ(m.types.n, 2);
    EXPECT_EQ(bs_oids_at(&m.types, 0), 23);
    EXPECT_EQ(bs_oids_at(&m.types, 1), 0x01020304);
    EXPECT_EQ(bs_oids_at(&m.types, 2), 0);
    EXPECT_EQ(bs_oids_at(&(struct bs_oids){0}, 0), 0);
    EXPECT_EQ(bs_formats_at(&(struct bs_formats){0}, 0), 0);
}

/* A message with a name that is too long is told apart from a malformed one: it can be answered. */
static void
a_long_name_is_still_read(void)
{
    struct bs_parse m = {0};
    struct bs_err err = {0};

    EXPECT_EQ(bs_msg_read_parse(BS_LIT(A64 "\0select 1\0\0\0"), &m, &err), BS_FAILED);
    EXPECT_EQ(err.code, BS_E_LIMIT);
    EXPECT_EQ(m.name.n, 64);
    EXPECT(same(m.query, "select 1"));
}

static void
tags(void)
{
    static const struct {
        struct bs_bytes body;
        const char *verb;
        bool has_rows;
        uint64_t rows;
    } cases[] = {
        {{BYTES("SELECT 5\0")}, "SELECT", true, 5},
        {{BYTES("INSERT 0 12\0")}, "INSERT", true, 12},
        {{BYTES("INSERT 77 1\0")}, "INSERT", true, 1},
        {{BYTES("DELETE 0\0")}, "DELETE", true, 0},
        {{BYTES("COPY 1000000000000\0")}, "COPY", true, 1000000000000},
        {{BYTES("DROP TABLE\0")}, "DROP TABLE", false, 0},
        {{BYTES("BEGIN\0")}, "BEGIN", false, 0},
        {{BYTES("\0")}, "", false, 0},
        {{BYTES("5\0")}, "5", false, 0},
        {{BYTES(" 5\0")}, "", true, 5},
        {{BYTES("SELECT 99999999999999999999\0")}, "SELECT 99999999999999999999", false, 0},
        {{BYTES("SELECT -1\0")}, "SELECT -1", false, 0},
    };

    for (size_t i = 0; i < N(cases); i++) {
        struct bs_tag t = {0};
        struct bs_err err = {0};

        EXPECT_EQ(bs_msg_read_tag(cases[i].body, &t, &err), BS_DONE);
        EXPECT(same(t.verb, cases[i].verb));
        EXPECT_EQ(t.has_rows, cases[i].has_rows);
        EXPECT_EQ(t.rows, cases[i].rows);
    }
}

static void
what_a_report_says(void)
{
    struct bs_report_fields r = {0};
    struct bs_err err = {0};

    REQUIRE(bs_msg_read_report(BS_LIT("SFEHLER\0VERROR\0C23503\0Mm\0Dd\0Hh\0P7\0spublic\0tt\0cc\0"
                                      "nfk\0Rri_Check\0\0"),
                               &r, &err) == BS_DONE);
    EXPECT(same(r.severity_local, "FEHLER") && same(r.severity, "ERROR"));
    EXPECT(same(r.sqlstate, "23503") && same(r.message, "m"));
    EXPECT(same(r.detail, "d") && same(r.hint, "h"));
    EXPECT(same(r.schema, "public") && same(r.table, "t") && same(r.column, "c"));
    EXPECT(same(r.constraint, "fk"));

    REQUIRE(bs_msg_read_report(BS_LIT("M\0\0"), &r, &err) == BS_DONE);
    EXPECT(r.message.p != NULL && r.message.n == 0); /* sent, though empty */
    EXPECT(r.sqlstate.p == NULL);                    /* not sent */
}

static void
what_columns_say(void)
{
    struct bs_columns c = {0};
    struct bs_column one = {0};
    struct bs_err err = {0};

    REQUIRE(
        bs_msg_read_columns(BS_LIT("\0\x02id\0\0\0\x40\x01\0\x05\0\0\0\x17\0\x04\xff\xff\xff\xff"
                                   "\0\x01v\0\0\0\0\0\0\0\0\0\0\x19\xff\xff\0\0\0\x09\0\0"),
                            &c, &err) == BS_DONE);
    EXPECT_EQ(c.n, 2);
    REQUIRE(bs_columns_next(&c, &one));
    EXPECT(same(one.name, "id"));
    EXPECT_EQ(one.table_oid, 0x4001);
    EXPECT_EQ(one.attnum, 5);
    EXPECT_EQ(one.type_oid, 23);
    EXPECT_EQ(one.type_len, 4);
    EXPECT_EQ(one.type_mod, UINT32_MAX);
    EXPECT_EQ(one.format, 1);
    REQUIRE(bs_columns_next(&c, &one));
    EXPECT(same(one.name, "v"));
    EXPECT_EQ(one.type_mod, 9);
    EXPECT(!bs_columns_next(&c, &one));
}

static void
what_authentication_asks_for(void)
{
    struct bs_auth_request a = {0};
    struct bs_err err = {0};

    REQUIRE(bs_msg_read_auth(BS_LIT("\0\0\0\x0aSCRAM-SHA-256-PLUS\0SCRAM-SHA-256\0\0"), &a, &err) ==
            BS_DONE);
    EXPECT(bs_auth_offers(&a, "SCRAM-SHA-256"));
    EXPECT(bs_auth_offers(&a, "SCRAM-SHA-256-PLUS"));
    EXPECT(!bs_auth_offers(&a, "SCRAM-SHA-25"));
    EXPECT(!bs_auth_offers(&a, ""));
    REQUIRE(bs_msg_read_auth(BS_LIT("\0\0\0\x05\x01\x02\x03\x04"), &a, &err) == BS_DONE);
    EXPECT_EQ(a.salt[3], 4);
    EXPECT(!bs_auth_offers(&a, "SCRAM-SHA-256"));
    REQUIRE(bs_msg_read_auth(BS_LIT("\0\0\0\x0bSCRAM\0\0"), &a, &err) == BS_DONE);
    EXPECT_EQ(a.kind, BS_AUTH_SASL_CONTINUE);
    EXPECT(!bs_auth_offers(&a, "SCRAM"));
}

static void
key_status_and_notification(void)
{
    struct bs_key_data k = {0};
    struct bs_notification n = {0};
    struct bs_execute e = {0};
    struct bs_bytes name, value;
    struct bs_err err = {0};

    REQUIRE(bs_msg_read_key_data(BS_LIT("\0\0\x30\x39wxyz"), &k, &err) == BS_DONE);
    EXPECT_EQ(k.pid, 12345);
    EXPECT(same(k.secret, "wxyz"));
    REQUIRE(bs_msg_read_parameter_status(BS_LIT("TimeZone\0UTC\0"), &name, &value, &err) ==
            BS_DONE);
    EXPECT(same(name, "TimeZone") && same(value, "UTC"));
    REQUIRE(bs_msg_read_notification(BS_LIT("\0\0\0\x07jobs\0go\0"), &n, &err) == BS_DONE);
    EXPECT_EQ(n.pid, 7);
    EXPECT(same(n.channel, "jobs") && same(n.payload, "go"));
    REQUIRE(bs_msg_read_execute(BS_LIT("p\0\0\0\x01\0"), &e, &err) == BS_DONE);
    EXPECT_EQ(e.max_rows, 256);
}

/* ---------------------------------------------------------------- building */

/* Whether the buffer holds exactly these bytes; then empties it. */
static bool
holds(struct bs_buf *b, struct bs_bytes want)
{
    bool ok = !b->failed && bs_bytes_equal(bs_buf_view(b), want);

    for (size_t i = 0; !ok && i < b->n; i++)
        printf("%s%02x", i == 0 ? "# got " : " ", b->p[i]);
    if (!ok)
        printf("\n");
    bs_buf_clear(b);
    return ok;
}

static void
written_to_clients(void)
{
    const char *const mechanisms[] = {"SCRAM-SHA-256", NULL};
    const char *const unknown[] = {"_pq_.a", "_pq_.b"};
    struct bs_buf b;

    bs_buf_init(&b, 4096);
    bs_msg_put_auth_sasl(&b, mechanisms);
    EXPECT(holds(&b, BS_LIT("R\0\0\0\x17\0\0\0\x0aSCRAM-SHA-256\0\0")));
    bs_msg_put_auth_sasl_continue(&b, BS_LIT("r=x"));
    EXPECT(holds(&b, BS_LIT("R\0\0\0\x0b\0\0\0\x0br=x")));
    bs_msg_put_auth_sasl_final(&b, BS_LIT("v=x"));
    EXPECT(holds(&b, BS_LIT("R\0\0\0\x0b\0\0\0\x0cv=x")));
    bs_msg_put_auth_ok(&b);
    EXPECT(holds(&b, BS_LIT("R\0\0\0\x08\0\0\0\0")));
    bs_msg_put_parameter_status(&b, "a", "b");
    EXPECT(holds(&b, BS_LIT("S\0\0\0\x08"
                            "a\0b\0")));
    bs_msg_put_key_data(&b, 12345, BS_LIT("wxyz"));
    EXPECT(holds(&b, BS_LIT("K\0\0\0\x0c\0\0\x30\x39wxyz")));
    bs_msg_put_ready(&b, 'T');
    EXPECT(holds(&b, BS_LIT("Z\0\0\0\x05T")));
    bs_msg_put_negotiate(&b, 2, unknown, 2);
    EXPECT(holds(&b, BS_LIT("v\0\0\0\x1a\0\x03\0\x02\0\0\0\x02_pq_.a\0_pq_.b\0")));
    bs_msg_put_negotiate(&b, 0, NULL, 0);
    EXPECT(holds(&b, BS_LIT("v\0\0\0\x0c\0\x03\0\0\0\0\0\0")));
    bs_msg_put_command_complete(&b, "DELETE 3");
    EXPECT(holds(&b, BS_LIT("C\0\0\0\x0d"
                            "DELETE 3\0")));
    bs_msg_put_empty_query(&b);
    bs_msg_put_parse_complete(&b);
    bs_msg_put_bind_complete(&b);
    bs_msg_put_close_complete(&b);
    bs_msg_put_no_data(&b);
    EXPECT(holds(&b, BS_LIT("I\0\0\0\x04"
                            "1\0\0\0\x04"
                            "2\0\0\0\x04"
                            "3\0\0\0\x04"
                            "n\0\0\0\x04")));
    bs_buf_fini(&b);
}

static void
reports_written(void)
{
    const struct bs_report all = {"ERROR", "ZB001", "m", "d", "h"};
    const struct bs_report some = {"NOTICE", "00000", "m", NULL, NULL};
    struct bs_err err = {0};
    struct bs_buf b;

    bs_buf_init(&b, 4096);
    bs_msg_put_error(&b, &all);
    EXPECT(holds(&b, BS_LIT("E\0\0\0\x23SERROR\0VERROR\0CZB001\0Mm\0Dd\0Hh\0\0")));
    bs_msg_put_notice(&b, &some);
    EXPECT(holds(&b, BS_LIT("N\0\0\0\x1fSNOTICE\0VNOTICE\0C00000\0Mm\0\0")));
    (void)BS_FAIL(&err, HELD, "m");
    bs_err_hint(&err, "h");
    bs_msg_put_err(&b, "FATAL", &err);
    EXPECT(holds(&b, BS_LIT("E\0\0\0\x20SFATAL\0VFATAL\0CZB001\0Mm\0Hh\0\0")));
    bs_buf_fini(&b);
}

static void
written_to_servers(void)
{
    const struct bs_value values[] = {{false, BS_LIT_INIT("hi")}, {true, {0}}, {false, {0}}};
    const uint32_t types[] = {23, 0};
    struct bs_buf b;

    bs_buf_init(&b, 4096);
    bs_msg_put_query(&b, BS_LIT("select 1"));
    EXPECT(holds(&b, BS_LIT("Q\0\0\0\x0dselect 1\0")));
    bs_msg_put_parse(&b, BS_LIT("s"), BS_LIT("q"), types, 2);
    EXPECT(holds(&b, BS_LIT("P\0\0\0\x12s\0q\0\0\x02\0\0\0\x17\0\0\0\0")));
    bs_msg_put_bind(&b, BS_LIT("p"), BS_LIT("s"), values, 3);
    EXPECT(
        holds(&b, BS_LIT("B\0\0\0\x1cp\0s\0\0\0\0\x03\0\0\0\x02hi\xff\xff\xff\xff\0\0\0\0\0\0")));
    bs_msg_put_describe(&b, 'P', BS_LIT("p"));
    EXPECT(holds(&b, BS_LIT("D\0\0\0\x07Pp\0")));
    bs_msg_put_execute(&b, BS_LIT("p"), 1);
    EXPECT(holds(&b, BS_LIT("E\0\0\0\x0ap\0\0\0\0\x01")));
    bs_msg_put_close(&b, 'S', BS_LIT("s"));
    EXPECT(holds(&b, BS_LIT("C\0\0\0\x07Ss\0")));
    bs_msg_put_sync(&b);
    bs_msg_put_flush(&b);
    bs_msg_put_terminate(&b);
    EXPECT(holds(&b, BS_LIT("S\0\0\0\x04H\0\0\0\x04X\0\0\0\x04")));
    bs_msg_put_copy_fail(&b, "no");
    EXPECT(holds(&b, BS_LIT("f\0\0\0\x07no\0")));
    bs_msg_put_password(&b, "pw");
    EXPECT(holds(&b, BS_LIT("p\0\0\0\x07pw\0")));
    bs_msg_put_sasl_initial(&b, "M", BS_LIT("n,,"));
    EXPECT(holds(&b, BS_LIT("p\0\0\0\x0dM\0\0\0\0\x03n,,")));
    bs_msg_put_sasl_response(&b, BS_LIT("c="));
    EXPECT(holds(&b, BS_LIT("p\0\0\0\x06"
                            "c=")));
    bs_buf_fini(&b);
}

static void
a_message_is_whole_or_not_there(void)
{
    for (size_t room = 0; room < 5 + 13; room++) {
        struct bs_buf b;

        bs_buf_init(&b, 4 + room);
        bs_put_u32(&b, 0x01020304);
        bs_msg_put_query(&b, BS_LIT("select 'abc'"));
        EXPECT(b.failed);
        EXPECT_EQ(b.n, 4);
        bs_buf_fini(&b);
    }
}

static void
what_the_wire_cannot_say_is_refused(void)
{
    static const uint32_t many[65536];
    struct bs_buf b;

    bs_buf_init(&b, 1 << 20);
    bs_msg_put_query(&b, BS_LIT("select 1\0; drop table t"));
    EXPECT(b.failed && b.n == 0);
    bs_buf_clear(&b);
    bs_msg_put_parse(&b, BS_LIT("a\0b"), BS_LIT("q"), NULL, 0);
    EXPECT(b.failed && b.n == 0);
    bs_buf_clear(&b);
    bs_msg_put_close(&b, 'S', BS_LIT("a\0b"));
    EXPECT(b.failed && b.n == 0);
    bs_buf_clear(&b);
    bs_msg_put_parse(&b, BS_LIT("a"), BS_LIT("q"), many, 65536);
    EXPECT(b.failed && b.n == 0);
    bs_buf_fini(&b);
}

int
main(void)
{
    static const struct tap_case cases[] = {
        {"bodies", bodies},
        {"no prefix of a body is a body", no_prefix_of_a_body_is_a_body},
        {"what a bind says", what_a_bind_says},
        {"names of a streamed bind", names_of_a_streamed_bind},
        {"what a parse says", what_a_parse_says},
        {"a long name is still read", a_long_name_is_still_read},
        {"tags", tags},
        {"what a report says", what_a_report_says},
        {"what columns say", what_columns_say},
        {"what authentication asks for", what_authentication_asks_for},
        {"key, status and notification", key_status_and_notification},
        {"written to clients", written_to_clients},
        {"reports written", reports_written},
        {"written to servers", written_to_servers},
        {"a message is whole or not there", a_message_is_whole_or_not_there},
        {"what the wire cannot say is refused", what_the_wire_cannot_say_is_refused},
    };

    return tap_main(cases, sizeof(cases) / sizeof(cases[0]));
}
