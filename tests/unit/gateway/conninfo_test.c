/*
 * conninfo_test.c - connection strings, defaults from the environment, and the password file.
 */
#include "gateway/conninfo.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "tap.h"

static const struct {
    const char *text;
    size_t n_hosts;
    const char *host, *port, *user, *dbname; /* of the last host */
    enum bs_sslmode sslmode;
} good[] = {
    {"user=u dbname=d host=h port=6000", 1, "h", "6000", "u", "d", BS_SSL_PREFER},
    {"user=u host=a,b port=1,2 sslmode=require", 2, "b", "2", "u", "u", BS_SSL_REQUIRE},
    {"user=u host=a,b,c port=7", 3, "c", "7", "u", "u", BS_SSL_PREFER},
    {"postgresql://u@h:77/d?sslmode=verify-full", 1, "h", "77", "u", "d", BS_SSL_VERIFY_FULL},
    {"user=u hostaddr=127.0.0.1", 1, "127.0.0.1", "5432", "u", "u", BS_SSL_PREFER},
    {"user=u host=/run/pg sslmode=disable", 1, "/run/pg", "5432", "u", "u", BS_SSL_DISABLE},
};

static void
strings(void)
{
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        struct bs_conninfo c;
        struct bs_err err = {0};

        printf("# %s\n", good[i].text);
        REQUIRE(bs_conninfo_parse(good[i].text, &c, &err) == BS_DONE);
        EXPECT_EQ(c.n_hosts, good[i].n_hosts);
        EXPECT(strcmp(c.hosts[c.n_hosts - 1].host, good[i].host) == 0);
        EXPECT(strcmp(c.hosts[c.n_hosts - 1].port, good[i].port) == 0);
        EXPECT(strcmp(c.user, good[i].user) == 0);
        EXPECT(strcmp(c.dbname, good[i].dbname) == 0);
        EXPECT_EQ(c.sslmode, good[i].sslmode);
        EXPECT_EQ(c.connect_timeout, 10);
        bs_conninfo_fini(&c);
        bs_conninfo_fini(&c);
    }
}

/* As libpq names them; our own numbers where they are not given. */
static void
keep_alive(void)
{
    static const struct {
        const char *text;
        struct bs_keep_alive want;
    } rows[] = {
        {"user=u", {false, 60, 15, 4, 0}},
        {"user=u keepalives=0", {true, 60, 15, 4, 0}},
        {"user=u keepalives_idle=7 keepalives_interval=2 keepalives_count=9 tcp_user_timeout=1500",
         {false, 7, 2, 9, 1500}},
        {"user=u keepalives=1 keepalives_idle=0", {false, 0, 15, 4, 0}},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct bs_conninfo c;
        struct bs_err err = {0};
        REQUIRE(bs_conninfo_parse(rows[i].text, &c, &err) == BS_DONE);
        EXPECT_EQ(c.keep_alive.off, rows[i].want.off);
        EXPECT_EQ(c.keep_alive.idle_s, rows[i].want.idle_s);
        EXPECT_EQ(c.keep_alive.interval_s, rows[i].want.interval_s);
        EXPECT_EQ(c.keep_alive.count, rows[i].want.count);
        EXPECT_EQ(c.keep_alive.user_timeout_ms, rows[i].want.user_timeout_ms);
        bs_conninfo_fini(&c);
    }
}

/* As libpq 17 and 18 have them, which this libpq need not know. */
static void
newer_keywords(void)
{
    static const struct {
        const char *text;
        bool direct;
        unsigned min, max;
        enum bs_channel_binding binding;
    } rows[] = {
        {"user=u", false, 0, 0, BS_CHANNEL_BINDING_PREFER},
        {"user=u channel_binding=require", false, 0, 0, BS_CHANNEL_BINDING_REQUIRE},
        {"user=u channel_binding=disable", false, 0, 0, BS_CHANNEL_BINDING_DISABLE},
        {"sslmode=require sslnegotiation=direct user=u", true, 0, 0, BS_CHANNEL_BINDING_PREFER},
        {"sslnegotiation = 'dir\\ect'user=u sslmode=verify-ca", true, 0, 0,
         BS_CHANNEL_BINDING_PREFER},
        {"sslnegotiation=direct sslnegotiation=postgres user=u", false, 0, 0,
         BS_CHANNEL_BINDING_PREFER},
        {"user=u max_protocol_version=3.2", false, 0, 2, BS_CHANNEL_BINDING_PREFER},
        {"user=u max_protocol_version=latest", false, 0, 2, BS_CHANNEL_BINDING_PREFER},
        {"user=u min_protocol_version=3.2", false, 2, 2, BS_CHANNEL_BINDING_PREFER},
        {"user=u min_protocol_version=3.0 max_protocol_version=3.0", false, 0, 0,
         BS_CHANNEL_BINDING_PREFER},
        {"postgresql://u:x%3f?y@h/"
         "d?sslmode=verify-full&sslnegotiation=dir%65ct&min_protocol_version=3.2&application_name="
         "a",
         true, 2, 2, BS_CHANNEL_BINDING_PREFER},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct bs_conninfo c;
        struct bs_err err = {0};
        printf("# %s\n", rows[i].text);
        REQUIRE(bs_conninfo_parse(rows[i].text, &c, &err) == BS_DONE);
        EXPECT(strcmp(c.user, "u") == 0);
        EXPECT_EQ(c.direct, rows[i].direct);
        EXPECT_EQ(c.minor_min, rows[i].min);
        EXPECT_EQ(c.minor_max, rows[i].max);
        EXPECT_EQ(c.channel_binding, rows[i].binding);
        bs_conninfo_fini(&c);
    }
    (void)setenv("PGSSLNEGOTIATION", "direct", 1);
    (void)setenv("PGMAXPROTOCOLVERSION", "3.2", 1);
    struct bs_conninfo c;
    struct bs_err err = {0};
    REQUIRE(bs_conninfo_parse("user=u sslmode=require", &c, &err) == BS_DONE);
    EXPECT(c.direct && c.minor_max == 2);
    bs_conninfo_fini(&c);
    (void)unsetenv("PGSSLNEGOTIATION");
    (void)unsetenv("PGMAXPROTOCOLVERSION");
}

static const char *const bad[] = {
    "user=u keepalives=2",
    "user=u keepalives_idle=-1",
    "user=u keepalives_count=128",
    "user=u tcp_user_timeout=1s",
    "user=u nonsense",
    "user=u host=h port=0",
    "user=u host=h port=65536",
    "user=u host=h port=1x",
    "user=u host=a,b port=1,2,3",
    "user=u host=a,b hostaddr=127.0.0.1",
    "user=u sslmode=maybe",
    "user=u connect_timeout=1e3",
    "user=u connect_timeout=99999",
    "user=u target_session_attrs=read-write",
    "user=u channel_binding=maybe",
    "user=u sslnegotiation=never",
    "user=u sslnegotiation=direct",
    "user=u sslnegotiation=direct sslmode=disable",
    "user=u sslnegotiation=direct sslmode=allow",
    "user=u sslmode=prefer sslnegotiation = 'direct'",
    "postgresql://u@h/d?sslnegotiation=direct",
    "user=u max_protocol_version=3.1",
    "user=u max_protocol_version=3",
    "user=u min_protocol_version=3.3",
    "user=u min_protocol_version=3.2 max_protocol_version=3.0",
    "user=u replication=database",
};

static void
refused(void)
{
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct bs_conninfo c;
        struct bs_err err = {0};

        printf("# %s\n", bad[i]);
        EXPECT_EQ(bs_conninfo_parse(bad[i], &c, &err), BS_FAILED);
        EXPECT_EQ(err.code, BS_E_CONFIG);
        EXPECT(c.hosts == NULL && c.user == NULL);
    }
}

/* A message must never carry the string: it may hold a password. */
static void
silent_about_secrets(void)
{
    struct bs_conninfo c;
    struct bs_err err = {0};

    EXPECT_EQ(bs_conninfo_parse("user=u password=hunter2 'oops", &c, &err), BS_FAILED);
    EXPECT(strstr(err.message, "hunter2") == NULL && strstr(err.hint, "hunter2") == NULL);
}

static void
environment(void)
{
    struct bs_conninfo c;
    struct bs_err err = {0};

    (void)setenv("PGUSER", "env", 1);
    (void)setenv("PGPORT", "7777", 1);
    (void)setenv("PGPASSWORD", "secret", 1);
    REQUIRE(bs_conninfo_parse("host=h", &c, &err) == BS_DONE);
    EXPECT(strcmp(c.user, "env") == 0 && strcmp(c.hosts[0].port, "7777") == 0);
    EXPECT(c.password != NULL && strcmp(c.password, "secret") == 0);
    bs_conninfo_fini(&c);
    REQUIRE(bs_conninfo_parse("host=h user=own port=1 password=mine", &c, &err) == BS_DONE);
    EXPECT(strcmp(c.user, "own") == 0 && strcmp(c.hosts[0].port, "1") == 0);
    EXPECT(strcmp(c.password, "mine") == 0);
    bs_conninfo_fini(&c);
    (void)unsetenv("PGUSER");
    (void)unsetenv("PGPORT");
    (void)unsetenv("PGPASSWORD");
}

static const char file[] = "# a comment:1:d:u:never\n"
                           "\n"
                           "h:6000:d:u:plain\r\n"
                           "h:6001:d:u:with\\:colon and \\\\back:slash\n"
                           "localhost:5432:*:u:socket\n"
                           "h\\:x:1:*:u:escaped host\n"
                           "other:*:*:*:any\n"
                           "h:6000:d:u:second\n";

static const struct {
    const char *conninfo;
    const char *want;
} passwords[] = {
    {"host=h port=6000 dbname=d user=u", "plain"},
    {"host=h port=6001 dbname=d user=u", "with:colon and \\back"},
    {"host=h port=6002 dbname=d user=u", NULL},
    {"host=h port=6000 dbname=d user=uu", NULL},
    {"host=h port=6000 dbname=d2 user=u", NULL},
    {"host=/var/run/postgresql dbname=x user=u", "socket"},
    {"host=h:x port=1 dbname=d user=u", "escaped host"},
    {"host=other port=9 dbname=y user=z", "any"},
    {"host=h port=6000 dbname=d user=u password=given", "given"},
};

static void
passfile(void)
{
    char path[] = "/tmp/bs-passfile-XXXXXX";
    int fd = mkstemp(path);

    REQUIRE(fd >= 0 && write(fd, file, sizeof(file) - 1) == (ssize_t)sizeof(file) - 1);
    (void)setenv("PGPASSFILE", path, 1);
    for (size_t i = 0; i < sizeof(passwords) / sizeof(passwords[0]); i++) {
        struct bs_conninfo c;
        struct bs_err err = {0};
        char *got;

        printf("# %s\n", passwords[i].conninfo);
        REQUIRE(bs_conninfo_parse(passwords[i].conninfo, &c, &err) == BS_DONE);
        got = bs_conninfo_password(&c, &c.hosts[0], c.user);
        EXPECT((got == NULL) == (passwords[i].want == NULL));
        EXPECT(got == NULL || strcmp(got, passwords[i].want) == 0);
        bs_free_secret(&got);
        bs_conninfo_fini(&c);
    }
    (void)close(fd);
    (void)unlink(path);
    (void)unsetenv("PGPASSFILE");
}

/* The password in the string is that of its own role: another one has its own line in the file. */
static void
password_of_another_role(void)
{
    char path[] = "/tmp/bs-passfile-XXXXXX";
    int fd = mkstemp(path);
    struct bs_conninfo c;
    struct bs_err err = {0};
    char *got;

    REQUIRE(fd >= 0 && write(fd, "*:*:*:other:theirs\n", 19) == 19);
    (void)setenv("PGPASSFILE", path, 1);
    REQUIRE(bs_conninfo_parse("host=h user=u password=ours", &c, &err) == BS_DONE);
    got = bs_conninfo_password(&c, &c.hosts[0], "u");
    EXPECT(got != NULL && strcmp(got, "ours") == 0);
    bs_free_secret(&got);
    got = bs_conninfo_password(&c, &c.hosts[0], "other");
    EXPECT(got != NULL && strcmp(got, "theirs") == 0);
    bs_free_secret(&got);
    EXPECT(bs_conninfo_password(&c, &c.hosts[0], "third") == NULL);
    bs_conninfo_fini(&c);
    (void)close(fd);
    (void)unlink(path);
    (void)unsetenv("PGPASSFILE");
}

/* What others can read is ignored, as libpq does. */
static void
passfile_rights(void)
{
    char path[] = "/tmp/bs-passfile-XXXXXX";
    int fd = mkstemp(path);
    struct bs_conninfo c;
    struct bs_err err = {0};

    REQUIRE(fd >= 0 && write(fd, "*:*:*:*:open\n", 13) == 13);
    (void)setenv("PGPASSFILE", path, 1);
    REQUIRE(bs_conninfo_parse("host=h user=u", &c, &err) == BS_DONE);
    char *got = bs_conninfo_password(&c, &c.hosts[0], c.user);
    EXPECT(got != NULL);
    bs_free_secret(&got);
    REQUIRE(fchmod(fd, 0640) == 0);
    EXPECT(bs_conninfo_password(&c, &c.hosts[0], c.user) == NULL);
    bs_conninfo_fini(&c);
    (void)close(fd);
    (void)unlink(path);
    (void)unsetenv("PGPASSFILE");
}

static void
service(void)
{
    char path[] = "/tmp/bs-service-XXXXXX";
    int fd = mkstemp(path);
    static const char text[] = "[shop]\nhost=svc\nport=6100\nuser=keeper\ndbname=shopdb\n";
    struct bs_conninfo c;
    struct bs_err err = {0};

    REQUIRE(fd >= 0 && write(fd, text, sizeof(text) - 1) == (ssize_t)sizeof(text) - 1);
    (void)setenv("PGSERVICEFILE", path, 1);
    REQUIRE(bs_conninfo_parse("service=shop user=own", &c, &err) == BS_DONE);
    EXPECT(strcmp(c.hosts[0].host, "svc") == 0 && strcmp(c.hosts[0].port, "6100") == 0);
    EXPECT(strcmp(c.user, "own") == 0 && strcmp(c.dbname, "shopdb") == 0);
    EXPECT(getenv("PGSERVICE") == NULL);
    bs_conninfo_fini(&c);
    (void)close(fd);
    (void)unlink(path);
    (void)unsetenv("PGSERVICEFILE");
}

int
main(void)
{
    static const struct tap_case cases[] = {
        {"connection strings as libpq reads them", strings},
        {"how TCP finds a server that is gone", keep_alive},
        {"keywords that libpq has learnt since", newer_keywords},
        {"what cannot be honoured is refused", refused},
        {"messages never quote the string", silent_about_secrets},
        {"PG* variables are the defaults", environment},
        {"a service gives defaults", service},
        {"the password file", passfile},
        {"the password of another role", password_of_another_role},
        {"a password file that others can read", passfile_rights},
    };

    return tap_main(cases, sizeof(cases) / sizeof(cases[0]));
}
