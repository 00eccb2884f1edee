/*
 * hba_test.c - which rules of pg_hba.conf are a way round the gateway at 10.0.0.5.
 */
#include "cli/hba.h"

#include "tap.h"

static const struct {
    const char *what, *address, *netmask;
    bool read;
    int width, prefix;
} nets[] = {
    {"an address and its mask", "10.0.0.0", "255.0.0.0", true, 32, 8},
    {"a mask that ends within a byte", "10.0.0.0", "255.255.240.0", true, 32, 20},
    {"everything", "0.0.0.0", "0.0.0.0", true, 32, 0},
    {"one address", "10.0.0.5", NULL, true, 32, 32},
    {"IPv6", "fe80::", "ffc0::", true, 128, 10},
    {"a mask with a hole", "10.0.0.0", "255.0.255.0", false, 0, 0},
    {"a mask of the other kind", "10.0.0.0", "ffff::", false, 0, 0},
    {"a host name", "db.example", NULL, false, 0, 0},
    {"a word", "samehost", NULL, false, 0, 0},
    {"nothing", NULL, NULL, false, 0, 0},
};

static void
networks(void)
{
    for (size_t i = 0; i < sizeof(nets) / sizeof(nets[0]); i++) {
        struct bs_net net;
        EXPECT_EQ(bs_net_read(nets[i].address, nets[i].netmask, &net), nets[i].read);
        EXPECT_EQ(net.width, nets[i].width);
        if (nets[i].read)
            EXPECT_EQ(net.prefix, nets[i].prefix);
        if (tap_misses != 0)
            printf("# in row: %s\n", nets[i].what);
    }
}

static const struct {
    const char *what, *net, *net_mask, *in, *in_mask;
    bool covers;
} pairs[] = {
    {"itself", "10.0.0.5", NULL, "10.0.0.5", NULL, true},
    {"a neighbour", "10.0.0.5", NULL, "10.0.0.4", NULL, false},
    {"a part", "10.0.0.0", "255.255.255.0", "10.0.0.128", "255.255.255.128", true},
    {"a whole", "10.0.0.128", "255.255.255.128", "10.0.0.0", "255.255.255.0", false},
    {"bits that do not count", "10.0.0.77", "255.255.255.0", "10.0.0.5", NULL, true},
    {"all of IPv4, and an IPv6", "0.0.0.0", "0.0.0.0", "::1", NULL, false},
};

static void
covering(void)
{
    struct bs_net none = {0}, one;

    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
        struct bs_net net, in;
        REQUIRE(bs_net_read(pairs[i].net, pairs[i].net_mask, &net));
        REQUIRE(bs_net_read(pairs[i].in, pairs[i].in_mask, &in));
        EXPECT_EQ(bs_net_covers(&net, &in), pairs[i].covers);
        if (tap_misses != 0)
            printf("# in row: %s\n", pairs[i].what);
    }
    REQUIRE(bs_net_read("10.0.0.5", NULL, &one));
    EXPECT(!bs_net_covers(&none, &one));
    EXPECT(!bs_net_covers(&none, &none));
}

/* Up to two rules; the last one is asked about. Lists are JSON. */
struct line {
    const char *type, *databases, *users, *address, *netmask, *method;
};

static const struct {
    const char *what;
    struct line first; /* type NULL: there is none */
    struct line last;
    enum bs_hba_who who;
    bool trusts_here;
} rows[] = {
    {"everybody from everywhere",
     {0},
     {"host", "[\"all\"]", "[\"all\"]", "all", NULL, "scram-sha-256"},
     BS_HBA_ALL,
     false},
    {"everybody from a net that holds the gateway",
     {0},
     {"host", "[\"app\"]", "[\"all\"]", "10.0.0.0", "255.255.255.0", "md5"},
     BS_HBA_ALL,
     false},
    {"everybody from the gateway",
     {0},
     {"host", "[\"all\"]", "[\"all\"]", "10.0.0.5", "255.255.255.255", "md5"},
     BS_HBA_NOBODY,
     false},
    {"everybody from loopback",
     {0},
     {"host", "[\"all\"]", "[\"all\"]", "127.0.0.1", "255.255.255.255", "md5"},
     BS_HBA_NOBODY,
     false},
    {"everybody from loopback, trusted",
     {0},
     {"host", "[\"all\"]", "[\"all\"]", "::1", NULL, "trust"},
     BS_HBA_NOBODY,
     true},
    {"everybody locally, trusted",
     {0},
     {"local", "[\"all\"]", "[\"all\"]", NULL, NULL, "trust"},
     BS_HBA_NOBODY,
     true},
    {"everybody locally, by peer",
     {0},
     {"local", "[\"all\"]", "[\"all\"]", NULL, NULL, "peer"},
     BS_HBA_NOBODY,
     false},
    {"somebody else locally, trusted",
     {0},
     {"local", "[\"all\"]", "[\"postgres\"]", NULL, NULL, "trust"},
     BS_HBA_NOBODY,
     false},
    {"another database",
     {0},
     {"host", "[\"other\"]", "[\"all\"]", "all", NULL, "trust"},
     BS_HBA_NOBODY,
     false},
    {"replication only",
     {0},
     {"host", "[\"replication\"]", "[\"all\"]", "all", NULL, "trust"},
     BS_HBA_NOBODY,
     false},
    {"the database of one's own name",
     {0},
     {"host", "[\"sameuser\"]", "[\"all\"]", "all", NULL, "md5"},
     BS_HBA_ALL,
     false},
    {"an agent by name",
     {0},
     {"host", "[\"app\"]", "[\"x\",\"alice\"]", "all", NULL, "md5"},
     BS_HBA_NAMED,
     false},
    {"somebody else",
     {0},
     {"host", "[\"app\"]", "[\"kim\"]", "all", NULL, "md5"},
     BS_HBA_NOBODY,
     false},
    {"a group",
     {0},
     {"host", "[\"app\"]", "[\"+staff\"]", "all", NULL, "md5"},
     BS_HBA_PERHAPS,
     false},
    {"a pattern",
     {0},
     {"host", "[\"app\"]", "[\"/^a\"]", "all", NULL, "md5"},
     BS_HBA_PERHAPS,
     false},
    {"a host name",
     {0},
     {"host", "[\"app\"]", "[\"all\"]", "ci.example", NULL, "md5"},
     BS_HBA_ALL,
     false},
    {"a reject",
     {0},
     {"host", "[\"all\"]", "[\"all\"]", "all", NULL, "reject"},
     BS_HBA_NOBODY,
     false},
    {"rejected before",
     {"host", "[\"all\"]", "[\"all\"]", "0.0.0.0", "0.0.0.0", "reject"},
     {"host", "[\"app\"]", "[\"all\"]", "10.0.0.0", "255.0.0.0", "md5"},
     BS_HBA_NOBODY,
     false},
    {"rejected before by name",
     {"host", "[\"app\"]", "[\"alice\"]", "all", NULL, "reject"},
     {"host", "[\"app\"]", "[\"alice\"]", "10.0.0.0", "255.0.0.0", "md5"},
     BS_HBA_NOBODY,
     false},
    {"another rejected before",
     {"host", "[\"app\"]", "[\"bob\"]", "all", NULL, "reject"},
     {"host", "[\"app\"]", "[\"alice\"]", "10.0.0.0", "255.0.0.0", "md5"},
     BS_HBA_NAMED,
     false},
    {"rejected from a smaller net",
     {"host", "[\"all\"]", "[\"all\"]", "10.1.0.0", "255.255.0.0", "reject"},
     {"host", "[\"app\"]", "[\"all\"]", "10.0.0.0", "255.0.0.0", "md5"},
     BS_HBA_ALL,
     false},
    {"rejected with TLS only",
     {"hostssl", "[\"all\"]", "[\"all\"]", "all", NULL, "reject"},
     {"host", "[\"app\"]", "[\"all\"]", "all", NULL, "md5"},
     BS_HBA_ALL,
     false},
    {"rejected in another database",
     {"host", "[\"other\"]", "[\"all\"]", "all", NULL, "reject"},
     {"host", "[\"app\"]", "[\"all\"]", "all", NULL, "md5"},
     BS_HBA_ALL,
     false},
    {"rejected locally only",
     {"local", "[\"all\"]", "[\"all\"]", NULL, NULL, "reject"},
     {"host", "[\"app\"]", "[\"all\"]", "all", NULL, "md5"},
     BS_HBA_ALL,
     false},
};

static struct bs_hba_rule
rule_of(const struct line *l, json_t *keep)
{
    json_t *databases = json_loads(l->databases, 0, NULL), *users = json_loads(l->users, 0, NULL);

    json_array_append_new(keep, databases);
    json_array_append_new(keep, users);
    return (struct bs_hba_rule){1, l->type, databases, users, l->address, l->netmask, l->method};
}

static void
rules(void)
{
    static const char *const names[] = {"alice", "app_rw"};
    struct bs_net gateway;

    REQUIRE(bs_net_read("10.0.0.5", NULL, &gateway));
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct bs_hba_ask ask = {"app", names, 2, &gateway, 1};
        struct bs_hba_rule list[2];
        json_t *keep = json_array();
        const char *name;
        size_t n = 0;

        if (rows[i].first.type != NULL)
            list[n++] = rule_of(&rows[i].first, keep);
        list[n++] = rule_of(&rows[i].last, keep);
        EXPECT_EQ(bs_hba_opens(list, n - 1, &ask, &name), rows[i].who);
        EXPECT_EQ(name != NULL, rows[i].who == BS_HBA_NAMED);
        EXPECT_EQ(bs_hba_trusts_here(&list[n - 1], &ask), rows[i].trusts_here);
        json_decref(keep);
        if (tap_misses != 0)
            printf("# in row: %s\n", rows[i].what);
    }
}

int
main(void)
{
    static const struct tap_case cases[] = {
        {"addresses are read", networks},
        {"a range covers another", covering},
        {"rules", rules},
    };

    return tap_main(cases, sizeof(cases) / sizeof(cases[0]));
}
