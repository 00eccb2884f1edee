/*
 * contract_test.c - what every backend of the state must do: first SQLite, then PostgreSQL.
 */
#include <fcntl.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/clock.h"
#include "state/state.h"
#include "tap.h"
#include "unit/catalog/server.h"

#define VERIFIER  "SCRAM-SHA-256$4096:c2FsdA==$a2V5:a2V5"
#define IDENTITY  "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define IDENTITY2 "1123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static char folder[64];
static char path[256]; /* what bs_state_open is given */
static struct bs_state *state;
static struct server server; /* of PostgreSQL; no pid: it does not run */
static bool shared;          /* the tests run against it */
static struct bs_arena arena;

static void
forget(const char *name)
{
    char file[160];

    (void)snprintf(file, sizeof(file), "%s/%s", folder, name);
    (void)unlink(file);
}

/* A place where there is no state yet. */
static bool
make_place(void)
{
    if (shared)
        return server_run(&server, "DROP SCHEMA IF EXISTS backstop CASCADE");
    (void)snprintf(folder, sizeof(folder), "/tmp/bs-state-XXXXXX");
    if (mkdtemp(folder) == NULL)
        return false;
    (void)snprintf(path, sizeof(path), "sqlite://%s/state.db", folder);
    return true;
}

static bool
set_up(void)
{
    struct bs_err err = {0};

    if (!make_place())
        return false;
    bs_arena_init(&arena, "test", 1 << 20);
    if (bs_state_open(path, &state, &err) == BS_DONE)
        return true;
    printf("# %s\n", err.message);
    return false;
}

static void
tear_down(void)
{
    bs_state_close(&state);
    bs_arena_fini(&arena);
    if (shared)
        return;
    forget("state.db");
    forget("state.db-wal");
    forget("state.db-shm");
    (void)rmdir(folder);
}

/* SQLite's file. */
static const char *
file(void)
{
    return path + strlen("sqlite://");
}

/* The code a call ended with. */
#define CODE(call) ((err) = (struct bs_err){0}, (void)!(call), err.code)

static void
opens_private_and_again(void)
{
    struct bs_err err = {0};
    struct bs_state *other = NULL;
    struct stat st;

    REQUIRE(set_up());
    EXPECT(stat(file(), &st) == 0 && (st.st_mode & 0777) == 0600);
    EXPECT_EQ(CODE(bs_state_open(file(), &other, &err)), BS_OK); /* a plain path is a file, too */
    bs_state_close(&other);
    bs_state_close(&state);
    EXPECT_EQ(chmod(file(), 0640), 0);
    EXPECT_EQ(CODE(bs_state_open(path, &state, &err)), BS_E_CONFIG);
    EXPECT(state == NULL);
    EXPECT_EQ(chmod(file(), 0600), 0);
    EXPECT_EQ(CODE(bs_state_open("mysql://x", &state, &err)), BS_E_CONFIG);
    EXPECT_EQ(CODE(bs_state_open("sqlite://relative", &state, &err)), BS_E_CONFIG);
    EXPECT_EQ(CODE(bs_state_open("sqlite:///nowhere/at/all.db", &state, &err)), BS_E_UNAVAILABLE);
    tear_down();
}

/* Made by root in a folder of the daemon's user: that user must be able to open it. */
static void
belongs_to_whom_the_folder_belongs(void)
{
    struct bs_err err = {0};
    struct stat st;

    REQUIRE(set_up());
    bs_state_close(&state);
    forget("state.db");
    if (geteuid() == 0) {
        EXPECT_EQ(chown(folder, 12345, 12346), 0);
        REQUIRE(bs_state_open(path, &state, &err) == BS_DONE);
        EXPECT(stat(file(), &st) == 0 && st.st_uid == 12345 && st.st_gid == 12346);
    } else {
        REQUIRE(bs_state_open(path, &state, &err) == BS_DONE);
        EXPECT(stat(file(), &st) == 0 && st.st_uid == geteuid());
    }
    tear_down();
}

static void
exec(const char *sql)
{
    sqlite3 *db = NULL;

    EXPECT_EQ(sqlite3_open(file(), &db), SQLITE_OK);
    EXPECT_EQ(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    EXPECT_EQ(sqlite3_close(db), SQLITE_OK);
}

static void
refuses_other_files(void)
{
    struct bs_err err = {0};
    int fd;

    REQUIRE(set_up());
    bs_state_close(&state);
    exec("PRAGMA user_version = 999");
    EXPECT_EQ(CODE(bs_state_open(path, &state, &err)), BS_E_CONFIG);
    exec("PRAGMA user_version = 1; PRAGMA application_id = 7");
    EXPECT_EQ(CODE(bs_state_open(path, &state, &err)), BS_E_CONFIG);
    forget("state.db");
    fd = open(file(), O_WRONLY | O_CREAT, 0600);
    EXPECT(write(fd, "this is not a database, but long enough to look like a header......", 64) ==
           64);
    close(fd);
    EXPECT_EQ(CODE(bs_state_open(path, &state, &err)), BS_E_DAMAGED);
    EXPECT(state == NULL);
    tear_down();
}

static const char *const databases[] = {"app", "Shop DB"};

static struct bs_agent
an_agent(const char *name)
{
    static const char *list[2];

    list[0] = databases[0];
    list[1] = databases[1];
    return (struct bs_agent){.name = name,
                             .owner = "alice",
                             .group = "apps",
                             .databases = list,
                             .n_databases = 2,
                             .verifier = VERIFIER,
                             .expires_us = 5000};
}

static enum bs_code
alter(const struct bs_agent *row, unsigned fields)
{
    struct bs_err err = {0};

    return CODE(bs_state_agent_alter(state, row, fields, "me", &err));
}

static enum bs_code
certify(const char *name, const char *certificate, bool only)
{
    const struct bs_agent row = {
        .name = name, .certificate = certificate, .certificate_only = only};

    return alter(&row, BS_AGENT_CERTIFICATE);
}

static void
agents(void)
{
    struct bs_err err = {0};
    struct bs_agent a = an_agent("cursor-alice"), got;
    struct bs_agent *all;
    size_t n;

    REQUIRE(set_up());
    EXPECT_EQ(CODE(bs_state_agent_get(state, a.name, &arena, &got, &err)), BS_E_NOT_FOUND);
    EXPECT_EQ(CODE(bs_state_agent_add(state, &a, "local:me", &err)), BS_OK);
    EXPECT_EQ(CODE(bs_state_agent_add(state, &a, "local:me", &err)), BS_E_CONFLICT);
    EXPECT_EQ(CODE(bs_state_agent_get(state, a.name, &arena, &got, &err)), BS_OK);
    REQUIRE(got.name != NULL && got.n_databases == 2);
    EXPECT(strcmp(got.owner, "alice") == 0 && strcmp(got.verifier, VERIFIER) == 0);
    EXPECT(got.group != NULL && strcmp(got.group, "apps") == 0);
    EXPECT(strcmp(got.databases[1], "Shop DB") == 0);
    EXPECT(got.created_us > 0 && got.expires_us == 5000 && got.revoked_us == 0);
    EXPECT(bs_agent_may(&got, "app", 4999));
    EXPECT(!bs_agent_may(&got, "app", 5000)); /* expires at, not after */
    EXPECT(!bs_agent_may(&got, "ap", 1));
    EXPECT_EQ(alter(&(struct bs_agent){.name = a.name, .group = "other"}, BS_AGENT_GROUP), BS_OK);
    EXPECT_EQ(CODE(bs_state_agent_get(state, a.name, &arena, &got, &err)), BS_OK);
    EXPECT(got.group != NULL && strcmp(got.group, "other") == 0);
    EXPECT_EQ(alter(&(struct bs_agent){.name = a.name}, BS_AGENT_GROUP), BS_OK);
    EXPECT_EQ(CODE(bs_state_agent_get(state, a.name, &arena, &got, &err)), BS_OK);
    EXPECT(got.group == NULL);
    EXPECT(got.certificate == NULL && !got.certificate_only);
    EXPECT_EQ(certify(a.name, "cn:bot", true), BS_OK);
    EXPECT_EQ(CODE(bs_state_agent_get(state, a.name, &arena, &got, &err)), BS_OK);
    EXPECT(got.certificate != NULL && strcmp(got.certificate, "cn:bot") == 0);
    EXPECT(got.certificate_only);
    EXPECT_EQ(certify(a.name, NULL, false), BS_OK);
    EXPECT_EQ(CODE(bs_state_agent_get(state, a.name, &arena, &got, &err)), BS_OK);
    EXPECT(got.certificate == NULL && !got.certificate_only);
    EXPECT_EQ(certify(a.name, NULL, true), BS_E_USAGE);
    EXPECT_EQ(certify(a.name, "bot", false), BS_E_USAGE);
    EXPECT_EQ(certify(a.name, "dn:", false), BS_E_USAGE);
    EXPECT_EQ(certify("nobody", "cn:b", false), BS_E_NOT_FOUND);
    EXPECT_EQ(alter(&(struct bs_agent){.name = a.name, .group = "No Name"}, BS_AGENT_GROUP),
              BS_E_USAGE);
    EXPECT_EQ(alter(&(struct bs_agent){.name = "nobody", .group = "x"}, BS_AGENT_GROUP),
              BS_E_NOT_FOUND);
    EXPECT_EQ(CODE(bs_state_agent_rekey(state, a.name, VERIFIER "2", 0, "me", &err)), BS_OK);
    EXPECT_EQ(CODE(bs_state_agent_rekey(state, a.name, "secret", 0, "me", &err)), BS_E_USAGE);
    EXPECT_EQ(CODE(bs_state_agent_rekey(state, "nobody", VERIFIER, 0, "me", &err)), BS_E_NOT_FOUND);
    EXPECT_EQ(CODE(bs_state_agent_revoke(state, "nobody", "me", &err)), BS_E_NOT_FOUND);
    EXPECT_EQ(CODE(bs_state_agent_revoke(state, a.name, "me", &err)), BS_OK);
    EXPECT_EQ(CODE(bs_state_agent_revoke(state, a.name, "me", &err)), BS_E_CONFLICT);
    EXPECT_EQ(alter(&(struct bs_agent){.name = a.name, .group = "x"}, BS_AGENT_GROUP),
              BS_E_CONFLICT);
    EXPECT_EQ(certify(a.name, "cn:b", true), BS_E_CONFLICT);
    EXPECT_EQ(CODE(bs_state_agent_get(state, a.name, &arena, &got, &err)), BS_OK);
    EXPECT(got.revoked_us > 0 && !bs_agent_may(&got, "app", 1));
    EXPECT(strcmp(got.verifier, VERIFIER "2") == 0);
    a.expires_us = 0;
    EXPECT_EQ(CODE(bs_state_agent_add(state, &a, "local:me", &err)), BS_OK); /* given again */
    a.name = "another";
    EXPECT_EQ(CODE(bs_state_agent_add(state, &a, "local:me", &err)), BS_OK);
    REQUIRE(bs_state_agent_list(state, &arena, &all, &n, &err) == BS_DONE && n == 2);
    EXPECT(strcmp(all[0].name, "another") == 0 && all[1].revoked_us == 0);
    EXPECT(bs_agent_may(&all[1], "Shop DB", INT64_MAX));
    tear_down();
}

static void
names(void)
{
    static const struct {
        const char *name;
        bool ok;
    } rows[] = {
        {"a", true},
        {"a.b_c-9", true},
        {"_x", true},
        {"123456789012345678901234567890123456789012345678901234567890123", true},
        {"1234567890123456789012345678901234567890123456789012345678901234", false},
        {"", false},
        {NULL, false},
        {"-x", false},
        {".x", false},
        {"Alice", false},
        {"a b", false},
        {"a/b", false},
        {"a'b", false},
        {"\xc3\xa4", false},
        {"a\n", false},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct bs_err err = {0};
        EXPECT_EQ(bs_name_check("a name", rows[i].name, &err), rows[i].ok ? BS_DONE : BS_FAILED);
        EXPECT_EQ(err.code, rows[i].ok ? BS_OK : BS_E_USAGE);
        if (tap_misses != 0)
            printf("# in row %zu\n", i);
    }
}

static struct bs_token
a_token(const char *id, const char *agent, int64_t expires_us)
{
    struct bs_token t = {.agent = agent,
                         .verifier = VERIFIER,
                         .note = "n",
                         .created_us = 1000,
                         .expires_us = expires_us};

    (void)snprintf(t.id, sizeof(t.id), "%s", id);
    return t;
}

static void
tokens(void)
{
    struct bs_err err = {0};
    struct bs_agent a = an_agent("a"), got;
    struct bs_token t = a_token("K-1", "a", INT64_MAX), *all;
    size_t n;

    REQUIRE(set_up());
    EXPECT_EQ(CODE(bs_state_token_add(state, &t, "me", &err)), BS_E_NOT_FOUND);
    EXPECT_EQ(CODE(bs_state_agent_add(state, &a, "me", &err)), BS_OK);
    t.verifier = "secret";
    EXPECT_EQ(CODE(bs_state_token_add(state, &t, "me", &err)), BS_E_USAGE);
    t.verifier = VERIFIER;
    for (size_t i = 0; i < BS_TOKENS_MAX; i++) {
        t.id[2] = (char)('1' + (char)i);
        EXPECT_EQ(CODE(bs_state_token_add(state, &t, "me", &err)), BS_OK);
    }
    t.id[2] = 'x';
    EXPECT_EQ(CODE(bs_state_token_add(state, &t, "me", &err)), BS_E_LIMIT);
    EXPECT_EQ(CODE(bs_state_token_revoke(state, "b", "K-1", "me", &err)), BS_E_NOT_FOUND);
    EXPECT_EQ(CODE(bs_state_token_revoke(state, "a", "K-1", "me", &err)), BS_OK);
    EXPECT_EQ(CODE(bs_state_token_revoke(state, "a", "K-1", "me", &err)), BS_E_CONFLICT);
    EXPECT_EQ(CODE(bs_state_token_add(state, &t, "me", &err)), BS_OK);
    REQUIRE(bs_state_token_list(state, NULL, 0, &arena, &all, &n, &err) == BS_DONE);
    EXPECT(n == BS_TOKENS_MAX + 1 && strcmp(all[0].id, "K-x") == 0);
    EXPECT(strcmp(all[n - 1].id, "K-1") == 0 && !bs_token_counts(&all[n - 1], 1));
    EXPECT(bs_token_counts(&all[0], 1) && strcmp(all[0].made_by, "me") == 0);
    REQUIRE(bs_state_token_list(state, "b", 0, &arena, &all, &n, &err) == BS_DONE && n == 0);
    EXPECT_EQ(CODE(bs_state_agent_rekey(state, "a", VERIFIER "3", 9000, "me", &err)), BS_OK);
    EXPECT_EQ(CODE(bs_state_agent_get(state, "a", &arena, &got, &err)), BS_OK);
    EXPECT(strcmp(got.old_verifier, VERIFIER) == 0 && got.old_until_us == 9000);
    EXPECT_EQ(CODE(bs_state_agent_rekey(state, "a", VERIFIER "4", 0, "me", &err)), BS_OK);
    EXPECT_EQ(CODE(bs_state_agent_get(state, "a", &arena, &got, &err)), BS_OK);
    EXPECT(got.old_verifier == NULL && strcmp(got.verifier, VERIFIER "4") == 0);
    EXPECT_EQ(CODE(bs_state_agent_revoke(state, "a", "me", &err)), BS_OK);
    EXPECT_EQ(CODE(bs_state_token_add(state, &t, "me", &err)), BS_E_CONFLICT);
    EXPECT_EQ(CODE(bs_state_agent_add(state, &a, "me", &err)), BS_OK); /* somebody else */
    REQUIRE(bs_state_token_list(state, "a", 0, &arena, &all, &n, &err) == BS_DONE && n == 0);
    tear_down();
}

/* Each field alone is written, and nothing else. */
static void
altered_agents(void)
{
    struct bs_err err = {0};
    struct bs_agent a = an_agent("a"), got;
    const char *list[] = {"10.0.0.0/8", "local"}, *other[] = {"other"};
    const struct bs_agent to = {.name = "a",
                                .owner = "bob",
                                .kind = BS_ACTOR_PERSON,
                                .role = "app_ro",
                                .expires_us = 9000,
                                .disabled_us = 7,
                                .databases = other,
                                .n_databases = 1,
                                .addresses = list,
                                .n_addresses = 2};
    int64_t before, after;

    REQUIRE(set_up());
    EXPECT_EQ(CODE(bs_state_agent_add(state, &a, "me", &err)), BS_OK);
    EXPECT_EQ(CODE(bs_state_change_count(state, &before, &err)), BS_OK);
    EXPECT_EQ(alter(&to, BS_AGENT_OWNER), BS_OK);
    EXPECT_EQ(CODE(bs_state_agent_get(state, "a", &arena, &got, &err)), BS_OK);
    EXPECT(strcmp(got.owner, "bob") == 0 && got.kind == BS_ACTOR_AGENT && got.role == NULL);
    EXPECT(got.expires_us == 5000 && got.n_databases == 2 && got.n_addresses == 0);
    EXPECT_EQ(alter(&to, BS_AGENT_KIND | BS_AGENT_ROLE | BS_AGENT_EXPIRES), BS_OK);
    EXPECT_EQ(alter(&to, BS_AGENT_DATABASES | BS_AGENT_ADDRESSES), BS_OK);
    EXPECT_EQ(alter(&(struct bs_agent){.name = "a"}, BS_AGENT_DISABLED), BS_E_CONFLICT);
    EXPECT_EQ(alter(&to, BS_AGENT_DISABLED), BS_OK);
    EXPECT_EQ(alter(&to, BS_AGENT_DISABLED), BS_E_CONFLICT);
    EXPECT_EQ(CODE(bs_state_agent_get(state, "a", &arena, &got, &err)), BS_OK);
    EXPECT(got.kind == BS_ACTOR_PERSON && strcmp(got.role, "app_ro") == 0);
    EXPECT(got.expires_us == 9000 && strcmp(got.databases[0], "other") == 0);
    EXPECT(got.n_databases == 1 && got.n_addresses == 2 && strcmp(got.group, "apps") == 0);
    EXPECT(bs_agent_may_come(&got, "10.1.2.3:4") && bs_agent_may_come(&got, "unix:/run"));
    EXPECT(!bs_agent_may_come(&got, "11.1.2.3:4"));
    EXPECT(strcmp(bs_agent_status(&got, 1), "disabled") == 0 && !bs_agent_may(&got, "other", 1));
    EXPECT_EQ(alter(&(struct bs_agent){.name = "a"}, BS_AGENT_DISABLED), BS_OK);
    EXPECT_EQ(CODE(bs_state_agent_get(state, "a", &arena, &got, &err)), BS_OK);
    EXPECT(bs_agent_may(&got, "other", 1) && strcmp(bs_agent_status(&got, 9000), "expired") == 0);
    EXPECT_EQ(CODE(bs_state_change_count(state, &after, &err)), BS_OK);
    EXPECT_EQ(after, before + 5);
    list[1] = "10.0.0.1/8";
    EXPECT_EQ(alter(&to, BS_AGENT_ADDRESSES), BS_E_USAGE);
    EXPECT_EQ(alter(&(struct bs_agent){.name = "a"}, BS_AGENT_DATABASES), BS_E_USAGE);
    EXPECT_EQ(alter(&(struct bs_agent){.name = "a", .role = ""}, BS_AGENT_ROLE), BS_E_USAGE);
    tear_down();
}

static void
bad_agents(void)
{
    struct bs_err err = {0};
    struct bs_agent a = an_agent("x");

    REQUIRE(set_up());
    a.verifier = "password";
    EXPECT_EQ(CODE(bs_state_agent_add(state, &a, "me", &err)), BS_E_USAGE);
    a = an_agent("X");
    EXPECT_EQ(CODE(bs_state_agent_add(state, &a, "me", &err)), BS_E_USAGE);
    a = an_agent("x");
    a.n_databases = 0;
    EXPECT_EQ(CODE(bs_state_agent_add(state, &a, "me", &err)), BS_E_USAGE);
    a = an_agent("x");
    a.databases[1] = "a\nb";
    EXPECT_EQ(CODE(bs_state_agent_add(state, &a, "me", &err)), BS_E_USAGE);
    a.databases[1] = "";
    EXPECT_EQ(CODE(bs_state_agent_add(state, &a, "me", &err)), BS_E_USAGE);
    a = an_agent("x");
    a.group = "a b";
    EXPECT_EQ(CODE(bs_state_agent_add(state, &a, "me", &err)), BS_E_USAGE);
    a = an_agent("x");
    a.owner = "\xff";
    EXPECT_EQ(CODE(bs_state_agent_add(state, &a, "me", &err)), BS_E_USAGE);
    tear_down();
}

static struct bs_operator
an_operator(const char *name, enum bs_role role, const char *token, char hash[BS_SHA256_TEXT])
{
    bs_sha256_text(token, hash);
    return (struct bs_operator){.name = name, .role = role, .token_sha256 = hash};
}

static void
operators(void)
{
    struct bs_err err = {0};
    char hash[BS_SHA256_TEXT];
    struct bs_operator kim = an_operator("kim", BS_ROLE_APPROVER, "sesame", hash), got;
    struct bs_operator *all;
    size_t n;
    bool ever = true;

    REQUIRE(set_up());
    EXPECT_EQ(CODE(bs_state_operator_ever(state, &ever, &err)), BS_OK);
    EXPECT(!ever);
    EXPECT_EQ(CODE(bs_state_operator_find(state, "sesame", &arena, &got, &err)), BS_E_AUTH);
    kim.role = BS_ROLE_NONE;
    EXPECT_EQ(CODE(bs_state_operator_add(state, &kim, "me", &err)), BS_E_USAGE);
    kim.role = BS_ROLE_APPROVER;
    kim.token_sha256 = "sesame";
    EXPECT_EQ(CODE(bs_state_operator_add(state, &kim, "me", &err)), BS_E_USAGE);
    kim.token_sha256 = hash;
    EXPECT_EQ(CODE(bs_state_operator_add(state, &kim, "me", &err)), BS_OK);
    EXPECT_EQ(CODE(bs_state_operator_add(state, &kim, "me", &err)), BS_E_CONFLICT);
    EXPECT_EQ(CODE(bs_state_operator_find(state, "sesame", &arena, &got, &err)), BS_OK);
    EXPECT(strcmp(got.name, "kim") == 0 && got.role == BS_ROLE_APPROVER);
    EXPECT_EQ(CODE(bs_state_operator_find(state, "Sesame", &arena, &got, &err)), BS_E_AUTH);
    EXPECT_EQ(CODE(bs_state_operator_find(state, hash, &arena, &got, &err)), BS_E_AUTH);
    EXPECT_EQ(CODE(bs_state_operator_find(state, "", &arena, &got, &err)), BS_E_AUTH);
    EXPECT_EQ(CODE(bs_state_operator_revoke(state, "kim", "me", &err)), BS_OK);
    EXPECT_EQ(CODE(bs_state_operator_revoke(state, "kim", "me", &err)), BS_E_CONFLICT);
    EXPECT_EQ(CODE(bs_state_operator_find(state, "sesame", &arena, &got, &err)), BS_E_AUTH);
    EXPECT_EQ(CODE(bs_state_operator_ever(state, &ever, &err)), BS_OK);
    EXPECT(ever); /* a revoked one counts: the system was set up once */
    REQUIRE(bs_state_operator_list(state, &arena, &all, &n, &err) == BS_DONE && n == 1);
    EXPECT(all[0].revoked_us > 0);
    tear_down();
}

/* A new token, beside the old one for a while; and an end. */
static void
operators_in_time(void)
{
    struct bs_err err = {0};
    char hash[BS_SHA256_TEXT], fresh[BS_SHA256_TEXT];
    struct bs_operator kim = an_operator("kim", BS_ROLE_APPROVER, "old", hash), got;
    int64_t now_us = bs_now_us();

    REQUIRE(set_up());
    bs_sha256_text("new", fresh);
    EXPECT_EQ(CODE(bs_state_operator_rekey(state, "kim", fresh, 0, "me", &err)), BS_E_NOT_FOUND);
    EXPECT_EQ(CODE(bs_state_operator_add(state, &kim, "me", &err)), BS_OK);
    EXPECT_EQ(CODE(bs_state_operator_rekey(state, "kim", "new", 0, "me", &err)), BS_E_USAGE);
    EXPECT_EQ(CODE(bs_state_operator_rekey(state, "kim", fresh, now_us + 60000000, "me", &err)),
              BS_OK);
    EXPECT_EQ(CODE(bs_state_operator_find(state, "new", &arena, &got, &err)), BS_OK);
    EXPECT_EQ(CODE(bs_state_operator_find(state, "old", &arena, &got, &err)), BS_OK);
    EXPECT(got.old_until_us == now_us + 60000000);
    EXPECT_EQ(CODE(bs_state_operator_rekey(state, "kim", hash, now_us - 1, "me", &err)), BS_OK);
    EXPECT_EQ(CODE(bs_state_operator_find(state, "new", &arena, &got, &err)), BS_E_AUTH);
    EXPECT_EQ(CODE(bs_state_operator_rekey(state, "kim", fresh, 0, "me", &err)), BS_OK);
    EXPECT_EQ(CODE(bs_state_operator_find(state, "old", &arena, &got, &err)), BS_E_AUTH);
    kim.expires_us = now_us + 60000000;
    EXPECT_EQ(CODE(bs_state_operator_alter(state, &kim, BS_OPERATOR_EXPIRES, "me", &err)), BS_OK);
    EXPECT_EQ(CODE(bs_state_operator_find(state, "new", &arena, &got, &err)), BS_OK);
    EXPECT(strcmp(bs_operator_status(&got, now_us), "active") == 0);
    EXPECT(strcmp(bs_operator_status(&got, kim.expires_us), "expired") == 0);
    kim.expires_us = now_us - 1;
    EXPECT_EQ(CODE(bs_state_operator_alter(state, &kim, BS_OPERATOR_EXPIRES, "me", &err)), BS_OK);
    EXPECT_EQ(CODE(bs_state_operator_find(state, "new", &arena, &got, &err)), BS_E_AUTH);
    EXPECT_EQ(CODE(bs_state_operator_revoke(state, "kim", "me", &err)), BS_OK);
    EXPECT_EQ(CODE(bs_state_operator_rekey(state, "kim", fresh, 0, "me", &err)), BS_E_CONFLICT);
    EXPECT_EQ(CODE(bs_state_operator_alter(state, &kim, BS_OPERATOR_EXPIRES, "me", &err)),
              BS_E_CONFLICT);
    tear_down();
}

static void
operators_altered(void)
{
    struct bs_err err = {0};
    char hash[BS_SHA256_TEXT];
    const char *groups[] = {"dba"}, *owners[] = {"Kim Lee", "kim@example.com"}, *bad[] = {""};
    struct bs_operator kim = an_operator("kim", BS_ROLE_APPROVER, "t", hash), got;
    struct bs_operator set = {.name = "kim",
                              .role = BS_ROLE_ADMIN,
                              .groups = groups,
                              .n_groups = 1,
                              .owners = owners,
                              .n_owners = 2};
    struct bs_human human;

    REQUIRE(set_up());
    EXPECT_EQ(CODE(bs_state_operator_get(state, "kim", &arena, &got, &err)), BS_E_NOT_FOUND);
    EXPECT_EQ(CODE(bs_state_operator_alter(state, &set, BS_OPERATOR_ROLE, "me", &err)),
              BS_E_NOT_FOUND);
    EXPECT_EQ(CODE(bs_state_operator_add(state, &kim, "me", &err)), BS_OK);
    EXPECT_EQ(CODE(bs_state_operator_alter(state, &set, BS_OPERATOR_OWNERS, "me", &err)), BS_OK);
    EXPECT_EQ(CODE(bs_state_operator_get(state, "kim", &arena, &got, &err)), BS_OK);
    EXPECT(got.role == BS_ROLE_APPROVER && got.n_groups == 0 && got.n_owners == 2);
    human = bs_operator_human(&got);
    EXPECT(bs_human_is(&human, "KIM@example.com") && bs_human_is(&human, "kim lee"));
    EXPECT(bs_human_is(&human, "Kim") && !bs_human_is(&human, "lee") && !bs_human_is(&human, ""));
    EXPECT_EQ(CODE(bs_state_operator_alter(state, &set, BS_OPERATOR_GROUPS | BS_OPERATOR_ROLE, "me",
                                           &err)),
              BS_OK);
    EXPECT_EQ(CODE(bs_state_operator_find(state, "t", &arena, &got, &err)), BS_OK);
    EXPECT(got.role == BS_ROLE_ADMIN && got.n_groups == 1 && got.n_owners == 2);
    set.owners = bad;
    set.n_owners = 1;
    EXPECT_EQ(CODE(bs_state_operator_alter(state, &set, BS_OPERATOR_OWNERS, "me", &err)),
              BS_E_USAGE);
    set.role = BS_ROLE_NONE;
    EXPECT_EQ(CODE(bs_state_operator_alter(state, &set, BS_OPERATOR_ROLE, "me", &err)), BS_E_USAGE);
    tear_down();
}

static void
roles(void)
{
    struct bs_operator op = {.name = "x", .role = BS_ROLE_APPROVER};

    EXPECT(bs_operator_may(&op, BS_ROLE_VIEWER, 5) && bs_operator_may(&op, BS_ROLE_APPROVER, 5));
    EXPECT(!bs_operator_may(&op, BS_ROLE_ADMIN, 5) && !bs_operator_may(&op, BS_ROLE_NONE, 5));
    op.expires_us = 6;
    EXPECT(bs_operator_may(&op, BS_ROLE_APPROVER, 5) && !bs_operator_may(&op, BS_ROLE_VIEWER, 6));
    op.expires_us = 0;
    op.revoked_us = 1;
    EXPECT(!bs_operator_may(&op, BS_ROLE_VIEWER, 5));
    op = (struct bs_operator){0};
    EXPECT(!bs_operator_may(&op, BS_ROLE_VIEWER, 5) && !bs_operator_may(&op, BS_ROLE_NONE, 5));
    EXPECT_EQ(bs_role_find("admin"), BS_ROLE_ADMIN);
    EXPECT_EQ(bs_role_find("none"), BS_ROLE_NONE);
    EXPECT_EQ(bs_role_find("root"), BS_ROLE_NONE);
}

static void
changes_come_with_what_they_tell(void)
{
    struct bs_err err = {0};
    char hash[BS_SHA256_TEXT];
    struct bs_agent a = an_agent("a");
    struct bs_operator kim = an_operator("kim", BS_ROLE_ADMIN, "t", hash);
    struct bs_change *c;
    size_t n;

    REQUIRE(set_up());
    EXPECT_EQ(CODE(bs_state_agent_add(state, &a, "local:me", &err)), BS_OK);
    EXPECT_EQ(CODE(bs_state_agent_add(state, &a, "local:me", &err)), BS_E_CONFLICT);
    EXPECT_EQ(CODE(bs_state_operator_add(state, &kim, "local:me", &err)), BS_OK);
    EXPECT_EQ(CODE(bs_state_agent_revoke(state, "a", "operator:kim", &err)), BS_OK);
    REQUIRE(bs_state_change_list(state, 0, &arena, &c, &n, &err) == BS_DONE && n == 3);
    EXPECT(strcmp(c[0].action, "agent.add") == 0 && strcmp(c[0].by, "local:me") == 0);
    EXPECT(strstr(c[0].detail, "Shop DB") != NULL && strstr(c[0].detail, "SCRAM") == NULL);
    EXPECT(strcmp(c[1].action, "operator.add") == 0 && strcmp(c[1].subject, "kim") == 0);
    EXPECT(strstr(c[1].detail, "admin") != NULL && strstr(c[1].detail, hash) == NULL);
    EXPECT(strcmp(c[2].action, "agent.revoke") == 0 && c[2].at_us > 0);
    EXPECT_EQ(CODE(bs_state_change_drop(state, c[0].id, &err)), BS_OK);
    REQUIRE(bs_state_change_list(state, 1, &arena, &c, &n, &err) == BS_DONE && n == 1);
    EXPECT(strcmp(c[0].action, "operator.add") == 0);
    tear_down();
}

static struct bs_ticket
a_ticket(const char *id, const char *identity)
{
    struct bs_ticket t = {.actor = "a",
                          .owner = "alice",
                          .database = "app",
                          .role = "app_rw",
                          .environment = "production",
                          .session = "S",
                          .client = "127.0.0.1:1",
                          .sql = "DROP TABLE t",
                          .params = "p",
                          .risk = "CRITICAL",
                          .effects = "[]",
                          .plan = "{}",
                          .reasons = "[1]",
                          .limits = "{\"a\":1}",
                          .created_us = 100,
                          .decide_by_us = 200,
                          .state = BS_TICKET_PENDING};

    (void)snprintf(t.id, sizeof(t.id), "%s", id);
    (void)snprintf(t.identity, sizeof(t.identity), "%s", identity);
    return t;
}

static void
tickets_keep_all_fields(void)
{
    struct bs_err err = {0};
    struct bs_ticket t = a_ticket("T-1", IDENTITY), got, again;

    t.harms = "[2]";
    t.evades = "{\"b\":2}";
    t.claims = "{\"run\":\"7\"}";
    REQUIRE(set_up());
    EXPECT_EQ(CODE(bs_state_ticket_open(state, &t, &arena, &got, &err)), BS_OK);
    got.state = BS_TICKET_APPROVED;
    got.decided_us = 1;
    got.decided_by = "kim";
    got.reason = "because";
    got.redeem_by_us = 2;
    got.started_us = 3;
    got.finished_us = 4;
    got.detail = "d";
    got.point = "P";
    EXPECT_EQ(CODE(bs_state_ticket_move(state, &got, &err)), BS_OK);
    EXPECT_EQ(CODE(bs_state_ticket_get(state, "T-1", &arena, &again, &err)), BS_OK);
    EXPECT(strcmp(again.claims, "{\"run\":\"7\"}") == 0);
    EXPECT(strcmp(again.id, "T-1") == 0 && strcmp(again.identity, IDENTITY) == 0);
    EXPECT(strcmp(again.actor, "a") == 0 && strcmp(again.owner, "alice") == 0);
    EXPECT(strcmp(again.database, "app") == 0 && strcmp(again.role, "app_rw") == 0);
    EXPECT(strcmp(again.environment, "production") == 0 && strcmp(again.session, "S") == 0);
    EXPECT(strcmp(again.client, "127.0.0.1:1") == 0 && strcmp(again.sql, "DROP TABLE t") == 0);
    EXPECT(strcmp(again.params, "p") == 0 && strcmp(again.risk, "CRITICAL") == 0);
    EXPECT(strcmp(again.effects, "[]") == 0 && strcmp(again.plan, "{}") == 0);
    EXPECT(strcmp(again.reasons, "[1]") == 0 && strcmp(again.limits, "{\"a\":1}") == 0);
    EXPECT(strcmp(again.harms, "[2]") == 0 && strcmp(again.evades, "{\"b\":2}") == 0);
    EXPECT(again.created_us == 100 && again.decide_by_us == 200);
    EXPECT(again.state == BS_TICKET_APPROVED && again.decided_us == 1 && again.redeem_by_us == 2);
    EXPECT(strcmp(again.decided_by, "kim") == 0 && strcmp(again.reason, "because") == 0);
    EXPECT(again.started_us == 3 && again.finished_us == 4);
    EXPECT(strcmp(again.detail, "d") == 0 && strcmp(again.point, "P") == 0);
    EXPECT_EQ(again.version, got.version + 1);
    tear_down();
}

static void
tickets_open_or_find(void)
{
    struct bs_err err = {0};
    struct bs_ticket t = a_ticket("T-1", IDENTITY), got;

    REQUIRE(set_up());
    EXPECT_EQ(CODE(bs_state_ticket_open(state, &t, &arena, &got, &err)), BS_OK);
    EXPECT(strcmp(got.id, "T-1") == 0 && got.asked == 1);
    t = a_ticket("T-2", IDENTITY);
    EXPECT_EQ(CODE(bs_state_ticket_open(state, &t, &arena, &got, &err)), BS_OK);
    EXPECT(strcmp(got.id, "T-1") == 0 && got.asked == 2);
    t = a_ticket("T-3", IDENTITY2);
    EXPECT_EQ(CODE(bs_state_ticket_open(state, &t, &arena, &got, &err)), BS_OK);
    EXPECT(strcmp(got.id, "T-3") == 0);
    got.state = BS_TICKET_DENIED;
    EXPECT_EQ(CODE(bs_state_ticket_move(state, &got, &err)), BS_OK);
    t = a_ticket("T-4", IDENTITY2); /* a closed one is not found again */
    EXPECT_EQ(CODE(bs_state_ticket_open(state, &t, &arena, &got, &err)), BS_OK);
    EXPECT(strcmp(got.id, "T-4") == 0);
    t.sql = "\xff";
    EXPECT_EQ(CODE(bs_state_ticket_open(state, &t, &arena, &got, &err)), BS_E_DATA);
    t = a_ticket("T-5", "short");
    EXPECT_EQ(CODE(bs_state_ticket_open(state, &t, &arena, &got, &err)), BS_E_DATA);
    t = a_ticket("T-5", IDENTITY);
    t.state = BS_TICKET_APPROVED; /* nobody is born approved */
    EXPECT_EQ(CODE(bs_state_ticket_open(state, &t, &arena, &got, &err)), BS_E_DATA);
    tear_down();
}

/* One actor cannot bury what the others ask for; what it asks again is found all the same. */
static void
tickets_of_one_actor_have_a_limit(void)
{
    struct bs_err err = {0};
    struct bs_ticket t, got;

    REQUIRE(set_up());
    for (int i = 0; i <= BS_TICKETS_PENDING_MAX; i++) {
        char id[16], identity[sizeof(IDENTITY)];
        (void)snprintf(id, sizeof(id), "T-%d", i);
        (void)snprintf(identity, sizeof(identity), "%064d", i);
        t = a_ticket(id, identity);
        EXPECT_EQ(CODE(bs_state_ticket_open(state, &t, &arena, &got, &err)),
                  i < BS_TICKETS_PENDING_MAX ? BS_OK : BS_E_LIMIT);
    }
    t = a_ticket("T-x", "0000000000000000000000000000000000000000000000000000000000000007");
    EXPECT_EQ(CODE(bs_state_ticket_open(state, &t, &arena, &got, &err)), BS_OK);
    EXPECT(strcmp(got.id, "T-7") == 0);
    t = a_ticket("T-x", IDENTITY);
    t.actor = "another";
    EXPECT_EQ(CODE(bs_state_ticket_open(state, &t, &arena, &got, &err)), BS_OK);
    EXPECT_EQ(CODE(bs_state_ticket_get(state, "T-3", &arena, &got, &err)), BS_OK);
    got.state = BS_TICKET_DENIED;
    EXPECT_EQ(CODE(bs_state_ticket_move(state, &got, &err)), BS_OK);
    t = a_ticket("T-y", IDENTITY2); /* there is room again */
    EXPECT_EQ(CODE(bs_state_ticket_open(state, &t, &arena, &got, &err)), BS_OK);
    tear_down();
}

static void
tickets_compare_and_set(void)
{
    struct bs_err err = {0};
    struct bs_ticket t = a_ticket("T-1", IDENTITY), one, two;

    REQUIRE(set_up());
    EXPECT_EQ(CODE(bs_state_ticket_open(state, &t, &arena, &one, &err)), BS_OK);
    two = one;
    one.state = BS_TICKET_APPROVED;
    two.state = BS_TICKET_DENIED;
    EXPECT_EQ(CODE(bs_state_ticket_move(state, &one, &err)), BS_OK);
    EXPECT_EQ(CODE(bs_state_ticket_move(state, &two, &err)), BS_E_CONFLICT);
    EXPECT_EQ(CODE(bs_state_ticket_get(state, "T-1", &arena, &two, &err)), BS_OK);
    EXPECT_EQ(two.state, BS_TICKET_APPROVED);
    two.state = BS_TICKET_NONE;
    EXPECT_EQ(CODE(bs_state_ticket_move(state, &two, &err)), BS_E_DATA);
    t = a_ticket("T-9", IDENTITY);
    EXPECT_EQ(CODE(bs_state_ticket_move(state, &t, &err)), BS_E_NOT_FOUND);
    EXPECT_EQ(CODE(bs_state_ticket_get(state, "T-9", &arena, &t, &err)), BS_E_NOT_FOUND);
    tear_down();
}

static size_t
listed_before(
    const char *before, unsigned states, const char *actor, const char *database, size_t limit)
{
    struct bs_ticket_filter f = {states, actor, database, before, limit, false};
    struct bs_err err = {0};
    struct bs_ticket *all;
    size_t n = 99;

    EXPECT_EQ(bs_state_ticket_list(state, &f, &arena, &all, &n, &err), BS_DONE);
    return n;
}

static size_t
listed(unsigned states, const char *actor, const char *database, size_t limit)
{
    return listed_before(NULL, states, actor, database, limit);
}

static void
tickets_list_and_expire(void)
{
    struct bs_err err = {0};
    struct bs_ticket t = a_ticket("T-1", IDENTITY), got, *all;
    size_t n;
    uint64_t denied;

    REQUIRE(set_up());
    EXPECT_EQ(CODE(bs_state_ticket_open(state, &t, &arena, &got, &err)), BS_OK);
    got.state = BS_TICKET_APPROVED;
    got.redeem_by_us = 300;
    EXPECT_EQ(CODE(bs_state_ticket_move(state, &got, &err)), BS_OK);
    t = a_ticket("T-2", IDENTITY2);
    t.actor = "b";
    EXPECT_EQ(CODE(bs_state_ticket_open(state, &t, &arena, &got, &err)), BS_OK);
    EXPECT_EQ(listed(0, NULL, NULL, 0), 2);
    EXPECT_EQ(listed(0, NULL, NULL, 1), 1);
    EXPECT_EQ(listed(1u << BS_TICKET_PENDING, NULL, NULL, 0), 1);
    EXPECT_EQ(listed(1u << BS_TICKET_PENDING | 1u << BS_TICKET_APPROVED, NULL, NULL, 0), 2);
    EXPECT_EQ(listed(1u << BS_TICKET_DENIED, NULL, NULL, 0), 0);
    EXPECT_EQ(listed_before("T-2", 0, NULL, NULL, 0), 1);
    EXPECT_EQ(listed_before("T-1", 0, NULL, NULL, 0), 0);
    EXPECT_EQ(listed_before("T-3", 0, "b", NULL, 1), 1);
    EXPECT_EQ(listed(0, "b", "app", 0), 1);
    EXPECT_EQ(listed(0, "b", "other", 0), 0);
    EXPECT_EQ(CODE(bs_state_ticket_expire(state, 199, &arena, &all, &n, &err)), BS_OK);
    EXPECT_EQ(n, 0);
    EXPECT_EQ(CODE(bs_state_ticket_expire(state, 200, &arena, &all, &n, &err)), BS_OK);
    REQUIRE(n == 1);
    EXPECT(strcmp(all[0].id, "T-2") == 0 && all[0].state == BS_TICKET_EXPIRED);
    EXPECT(all[0].finished_us == 200 && all[0].detail != NULL);
    EXPECT_EQ(CODE(bs_state_ticket_expire(state, 300, &arena, &all, &n, &err)), BS_OK);
    REQUIRE(n == 1);
    EXPECT(strcmp(all[0].id, "T-1") == 0);
    EXPECT_EQ(CODE(bs_state_ticket_expire(state, 900, &arena, &all, &n, &err)), BS_OK);
    EXPECT_EQ(n, 0);
    t = a_ticket("T-3", IDENTITY);
    EXPECT_EQ(CODE(bs_state_ticket_open(state, &t, &arena, &got, &err)), BS_OK);
    got.state = BS_TICKET_DENIED;
    got.decided_us = 50;
    EXPECT_EQ(CODE(bs_state_ticket_move(state, &got, &err)), BS_OK);
    EXPECT_EQ(CODE(bs_state_ticket_denials(state, "a", 50, &denied, &err)), BS_OK);
    EXPECT_EQ(denied, 1);
    EXPECT_EQ(CODE(bs_state_ticket_denials(state, "a", 51, &denied, &err)), BS_OK);
    EXPECT_EQ(denied, 0);
    tear_down();
}

/* An agent cannot fill the queue with texts that nobody could read. */
static void
tickets_long_together(void)
{
    struct bs_err err = {0};
    struct bs_ticket t = a_ticket("T-1", IDENTITY), got;
    struct bs_arena large;
    size_t half = BS_TICKETS_PENDING_TEXT / 2;
    char *sql = malloc(half + 1);

    REQUIRE(set_up() && sql != NULL);
    memset(sql, 'x', half);
    sql[half] = '\0';
    t.sql = t.params = sql;
    bs_arena_init(&large, "large", 256u << 20);
    EXPECT_EQ(CODE(bs_state_ticket_open(state, &t, &large, &got, &err)), BS_OK);
    t = a_ticket("T-2", IDENTITY2);
    EXPECT_EQ(CODE(bs_state_ticket_open(state, &t, &arena, &got, &err)), BS_E_LIMIT);
    t.actor = "b";
    EXPECT_EQ(CODE(bs_state_ticket_open(state, &t, &arena, &got, &err)), BS_OK);
    bs_arena_fini(&large);
    free(sql);
    tear_down();
}

/* Agents make texts as long as they like: of many tickets only their short fields are read. */
static void
tickets_of_long_texts(void)
{
    struct bs_ticket_filter f = {0};
    struct bs_err err = {0};
    struct bs_ticket t = a_ticket("T-1", IDENTITY), got, *all;
    struct bs_arena small;
    char *sql = malloc(100001);
    size_t n;

    REQUIRE(set_up() && sql != NULL);
    memset(sql, 'x', 100000);
    sql[100000] = '\0';
    t.sql = t.params = sql;
    bs_arena_init(&small, "small", 64u << 10);
    EXPECT_EQ(CODE(bs_state_ticket_open(state, &t, &arena, &got, &err)), BS_OK);
    EXPECT_EQ(CODE(bs_state_ticket_list(state, &f, &small, &all, &n, &err)), BS_OK);
    REQUIRE(n == 1);
    EXPECT(strcmp(all[0].actor, t.actor) == 0 && all[0].sql == NULL && all[0].params == NULL);
    f.whole = true;
    EXPECT_EQ(CODE(bs_state_ticket_list(state, &f, &small, &all, &n, &err)), BS_E_LIMIT);
    EXPECT_EQ(CODE(bs_state_ticket_list(state, &f, &arena, &all, &n, &err)), BS_OK);
    EXPECT(n == 1 && strcmp(all[0].sql, sql) == 0);
    bs_arena_reset(&small);
    EXPECT_EQ(CODE(bs_state_ticket_expire(state, 900, &small, &all, &n, &err)), BS_OK);
    EXPECT(n == 1 && strcmp(all[0].id, "T-1") == 0);
    EXPECT_EQ(CODE(bs_state_ticket_get(state, "T-1", &arena, &got, &err)), BS_OK);
    EXPECT(strcmp(got.sql, sql) == 0 && got.state == BS_TICKET_EXPIRED);
    bs_arena_fini(&small);
    free(sql);
    tear_down();
}

static void
points(void)
{
    struct bs_err err = {0};
    struct bs_point_row p = {.id = "P1",
                             .database = "app",
                             .state = "armed",
                             .actor = "a",
                             .ticket = "T-1",
                             .kind = "DROP TABLE",
                             .tables = "[\"public.t\"]",
                             .manifest = "app/P1/manifest.json",
                             .created_us = 10,
                             .rows = 5,
                             .bytes = 1LL << 40};
    struct bs_point_row got, *all;
    size_t n;

    REQUIRE(set_up());
    EXPECT_EQ(CODE(bs_state_point_put(state, &p, &err)), BS_OK);
    EXPECT_EQ(CODE(bs_state_point_set(state, "P1", "committed", &err)), BS_OK);
    EXPECT_EQ(CODE(bs_state_point_set(state, "P9", "committed", &err)), BS_E_NOT_FOUND);
    EXPECT_EQ(CODE(bs_state_point_get(state, "P1", &arena, &got, &err)), BS_OK);
    EXPECT(strcmp(got.state, "committed") == 0 && strcmp(got.ticket, "T-1") == 0);
    EXPECT(strcmp(got.manifest, p.manifest) == 0 && strcmp(got.tables, p.tables) == 0);
    EXPECT(got.created_us == 10 && got.rows == 5 && got.bytes == 1LL << 40);
    p.id = "P2";
    p.created_us = 11;
    EXPECT_EQ(CODE(bs_state_point_put(state, &p, &err)), BS_OK);
    EXPECT_EQ(CODE(bs_state_point_put(state, &p, &err)), BS_OK); /* again: replaced, not doubled */
    REQUIRE(bs_state_point_list(state, NULL, NULL, NULL, 0, &arena, &all, &n, &err) == BS_DONE &&
            n == 2);
    EXPECT(strcmp(all[0].id, "P2") == 0);
    REQUIRE(bs_state_point_list(state, "app", "armed", NULL, 0, &arena, &all, &n, &err) == BS_DONE);
    EXPECT_EQ(n, 1);
    EXPECT_EQ(CODE(bs_state_point_list(state, "x", NULL, NULL, 0, &arena, &all, &n, &err)), BS_OK);
    EXPECT_EQ(n, 0);
    p.id = "P3";
    p.actor = "b";
    EXPECT_EQ(CODE(bs_state_point_put(state, &p, &err)), BS_OK);
    REQUIRE(bs_state_point_list(state, "app", NULL, "b", 1, &arena, &all, &n, &err) == BS_DONE);
    EXPECT(n == 1 && strcmp(all[0].id, "P3") == 0);
    REQUIRE(bs_state_point_list(state, NULL, NULL, "a", 0, &arena, &all, &n, &err) == BS_DONE);
    EXPECT_EQ(n, 2);
    p.state = "";
    EXPECT_EQ(CODE(bs_state_point_put(state, &p, &err)), BS_E_USAGE);
    tear_down();
}

static void
arena_ceiling_is_told(void)
{
    struct bs_err err = {0};
    struct bs_ticket t = a_ticket("T-1", IDENTITY), got, *all;
    struct bs_ticket_filter any = {.whole = true};
    struct bs_arena small;
    char *long_sql;
    size_t n;

    REQUIRE(set_up());
    long_sql = bs_malloc(100001);
    memset(long_sql, 'x', 100000);
    t.sql = long_sql;
    EXPECT_EQ(CODE(bs_state_ticket_open(state, &t, &arena, &got, &err)), BS_OK);
    bs_arena_init(&small, "small", 50000);
    EXPECT_EQ(CODE(bs_state_ticket_get(state, "T-1", &small, &got, &err)), BS_E_LIMIT);
    EXPECT_EQ(CODE(bs_state_ticket_list(state, &any, &small, &all, &n, &err)), BS_E_LIMIT);
    EXPECT(n == 0);
    bs_arena_fini(&small);
    free(long_sql);
    tear_down();
}

/* Eight processes open a state that does not exist yet, and each adds an agent. */
static void
many_processes_at_once(void)
{
    struct bs_err err = {0};
    struct bs_agent *all;
    size_t n = 0;
    pid_t kids[8];

    REQUIRE(set_up());
    bs_state_close(&state);
    if (shared)
        REQUIRE(make_place());
    else
        forget("state.db");
    for (int i = 0; i < 8; i++) {
        kids[i] = fork();
        if (kids[i] == 0) {
            char name[32];
            struct bs_agent a;
            (void)snprintf(name, sizeof(name), "agent-%d", i);
            a = an_agent(name);
            if (bs_state_open(path, &state, &err) != BS_DONE ||
                bs_state_agent_add(state, &a, "me", &err) != BS_DONE) {
                fprintf(stderr, "# %s\n", err.message);
                _exit(1);
            }
            bs_state_close(&state);
            _exit(0);
        }
    }
    for (int i = 0; i < 8; i++) {
        int status = -1;
        EXPECT(waitpid(kids[i], &status, 0) == kids[i] && status == 0);
    }
    REQUIRE(bs_state_open(path, &state, &err) == BS_DONE);
    EXPECT_EQ(CODE(bs_state_agent_list(state, &arena, &all, &n, &err)), BS_OK);
    EXPECT_EQ(n, 8);
    tear_down();
}

/* Quarantined by the gateway, released by a human; each is told to the audit, once. */
static void
quarantine(void)
{
    struct bs_err err = {0};
    struct bs_agent a = an_agent("a"), got;
    struct bs_change *c;
    size_t n;

    REQUIRE(set_up());
    EXPECT_EQ(CODE(bs_state_agent_quarantine(state, "a", "why", "gateway", &err)), BS_E_NOT_FOUND);
    EXPECT_EQ(CODE(bs_state_agent_add(state, &a, "me", &err)), BS_OK);
    EXPECT_EQ(CODE(bs_state_agent_release(state, "a", NULL, "me", &err)), BS_E_CONFLICT);
    EXPECT_EQ(CODE(bs_state_agent_get(state, "a", &arena, &got, &err)), BS_OK);
    EXPECT(got.quarantined_us == 0 && got.quarantine_why == NULL);
    EXPECT_EQ(CODE(bs_state_agent_quarantine(state, "a", "\xff", "gateway", &err)), BS_E_DATA);
    EXPECT_EQ(CODE(bs_state_agent_quarantine(state, "a", "the first", "gateway", &err)), BS_OK);
    EXPECT_EQ(CODE(bs_state_agent_quarantine(state, "a", "a second", "gateway", &err)), BS_OK);
    EXPECT_EQ(CODE(bs_state_agent_rekey(state, "a", VERIFIER "2", 0, "me", &err)), BS_OK);
    EXPECT_EQ(CODE(bs_state_agent_get(state, "a", &arena, &got, &err)), BS_OK);
    EXPECT(got.quarantined_us > 0 && strcmp(got.quarantine_why, "the first") == 0);
    EXPECT(got.revoked_us == 0 && got.expires_us == 5000);
    EXPECT_EQ(CODE(bs_state_agent_release(state, "a", "\xff", "me", &err)), BS_E_DATA);
    EXPECT_EQ(CODE(bs_state_agent_release(state, "a", "talked", "me", &err)), BS_OK);
    EXPECT_EQ(CODE(bs_state_agent_release(state, "a", NULL, "me", &err)), BS_E_CONFLICT);
    EXPECT_EQ(CODE(bs_state_agent_get(state, "a", &arena, &got, &err)), BS_OK);
    EXPECT(got.quarantined_us == 0 && got.quarantine_why == NULL);
    REQUIRE(bs_state_change_list(state, 0, &arena, &c, &n, &err) == BS_DONE && n == 4);
    EXPECT(strcmp(c[1].action, "agent.quarantine") == 0 && strcmp(c[1].by, "gateway") == 0);
    EXPECT(strstr(c[1].detail, "the first") != NULL);
    EXPECT(strcmp(c[3].action, "agent.release") == 0 && strstr(c[3].detail, "talked") != NULL);
    EXPECT_EQ(CODE(bs_state_agent_revoke(state, "a", "me", &err)), BS_OK);
    EXPECT_EQ(CODE(bs_state_agent_quarantine(state, "a", NULL, "x", &err)), BS_E_CONFLICT);
    tear_down();
}

/* One row for each identity, a bounded number for each actor. */
static void
blocked(void)
{
    struct bs_err err = {0};
    char id[BS_SHA256_TEXT];
    struct bs_blocked row = {.actor = "a", .database = "app", .identity = id, .harms = "[]"}, *all;
    size_t n;

    REQUIRE(set_up());
    for (int i = 0; i < BS_BLOCKED_MAX + 3; i++) {
        (void)snprintf(id, sizeof(id), "%064d", i);
        row.at_us = 100 + i;
        EXPECT_EQ(CODE(bs_state_blocked_put(state, &row, &err)), BS_OK);
    }
    row.actor = "b";
    row.at_us = 100;
    (void)snprintf(id, sizeof(id), "%064d", 9999);
    EXPECT_EQ(CODE(bs_state_blocked_put(state, &row, &err)), BS_OK);
    REQUIRE(bs_state_blocked_list(state, 0, &arena, &all, &n, &err) == BS_DONE);
    EXPECT_EQ(n, BS_BLOCKED_MAX + 1);
    EXPECT(strcmp(all[0].actor, "b") == 0 && all[1].at_us == 103); /* the oldest are gone */
    row.at_us = 500;
    row.evades = "{}";
    EXPECT_EQ(CODE(bs_state_blocked_put(state, &row, &err)), BS_OK);
    row.evades = NULL;
    EXPECT_EQ(CODE(bs_state_blocked_put(state, &row, &err)), BS_OK);
    REQUIRE(bs_state_blocked_list(state, 500, &arena, &all, &n, &err) == BS_DONE && n == 1);
    EXPECT(strcmp(all[0].identity, id) == 0 && strcmp(all[0].database, "app") == 0);
    EXPECT(strcmp(all[0].harms, "[]") == 0 && all[0].evades != NULL);
    EXPECT_EQ(CODE(bs_state_blocked_drop(state, 500, &err)), BS_OK);
    REQUIRE(bs_state_blocked_list(state, 0, &arena, &all, &n, &err) == BS_DONE && n == 1);
    row.harms = NULL;
    EXPECT_EQ(CODE(bs_state_blocked_put(state, &row, &err)), BS_E_DATA);
    row.harms = "\xff";
    EXPECT_EQ(CODE(bs_state_blocked_put(state, &row, &err)), BS_E_DATA);
    tear_down();
}

/* What an operator stops, and lets go on: of an actor its quarantine, too. */
static void
pauses(void)
{
    struct bs_err err = {0};
    struct bs_agent a = an_agent("a"), got;
    struct bs_pause p = {.scope = BS_PAUSE_ACTOR, .name = "a", .by = "operator:kim"}, *all;
    struct bs_resumed lifted;
    struct bs_change *c;
    int64_t before, after;
    size_t n;

    REQUIRE(set_up());
    EXPECT_EQ(CODE(bs_state_pause_put(state, &p, &err)), BS_E_DATA);
    p.reason = " \n";
    EXPECT_EQ(CODE(bs_state_pause_put(state, &p, &err)), BS_E_DATA);
    p.reason = "it \"runs\" wild";
    EXPECT_EQ(CODE(bs_state_pause_put(state, &p, &err)), BS_E_NOT_FOUND);
    EXPECT_EQ(CODE(bs_state_agent_add(state, &a, "me", &err)), BS_OK);
    EXPECT_EQ(CODE(bs_state_resume(state, p.scope, "a", NULL, "me", &lifted, &err)), BS_E_CONFLICT);
    EXPECT_EQ(CODE(bs_state_change_count(state, &before, &err)), BS_OK);
    p.cancel = true;
    EXPECT_EQ(CODE(bs_state_pause_put(state, &p, &err)), BS_OK);
    EXPECT_EQ(CODE(bs_state_change_count(state, &after, &err)), BS_OK);
    EXPECT_EQ(after, before + 1); /* which is what a running gateway looks for */
    p.cancel = false;
    p.reason = "once more";
    EXPECT_EQ(CODE(bs_state_pause_put(state, &p, &err)), BS_OK);
    p = (struct bs_pause){.scope = BS_PAUSE_DATABASE, .name = "a", .by = "me", .reason = "x"};
    EXPECT_EQ(CODE(bs_state_pause_put(state, &p, &err)), BS_OK);
    p.name = "o'dd \xc3\xa4%_/..";
    EXPECT_EQ(CODE(bs_state_pause_put(state, &p, &err)), BS_OK);
    p.scope = BS_PAUSE_NONE;
    EXPECT_EQ(CODE(bs_state_pause_put(state, &p, &err)), BS_E_USAGE);
    REQUIRE(bs_state_pause_list(state, &arena, &all, &n, &err) == BS_DONE && n == 3);
    EXPECT(all[0].scope == BS_PAUSE_ACTOR && strcmp(all[0].name, "a") == 0 && all[0].cancel);
    EXPECT(strcmp(all[0].reason, "once more") == 0 && all[0].at_us > 0);
    EXPECT(strcmp(all[0].by, "operator:kim") == 0 && !all[1].cancel);
    EXPECT_EQ(CODE(bs_state_agent_get(state, "a", &arena, &got, &err)), BS_OK);
    EXPECT(got.paused_us > 0 && strcmp(bs_agent_status(&got, 1), "paused") == 0);
    EXPECT_EQ(CODE(bs_state_agent_quarantine(state, "a", "why", "gateway", &err)), BS_OK);
    EXPECT_EQ(CODE(bs_state_resume(state, BS_PAUSE_ACTOR, "a", "\xff", "me", &lifted, &err)),
              BS_E_DATA);
    EXPECT_EQ(CODE(bs_state_resume(state, BS_PAUSE_ACTOR, "a", "talked", "me", &lifted, &err)),
              BS_OK);
    EXPECT(lifted.pause && lifted.quarantine);
    EXPECT_EQ(CODE(bs_state_agent_get(state, "a", &arena, &got, &err)), BS_OK);
    EXPECT(got.paused_us == 0 && got.quarantined_us == 0);
    EXPECT_EQ(CODE(bs_state_resume(state, BS_PAUSE_DATABASE, "o'dd \xc3\xa4%_/..", NULL, "me", NULL,
                                   &err)),
              BS_OK);
    p = (struct bs_pause){.scope = BS_PAUSE_EVERYTHING, .by = "me", .reason = "x"};
    EXPECT_EQ(CODE(bs_state_pause_put(state, &p, &err)), BS_OK);
    EXPECT_EQ(CODE(bs_state_agent_get(state, "a", &arena, &got, &err)), BS_OK);
    EXPECT(got.paused_us > 0);
    bs_state_close(&state);
    REQUIRE(bs_state_open(path, &state, &err) == BS_DONE);
    REQUIRE(bs_state_pause_list(state, &arena, &all, &n, &err) == BS_DONE && n == 2);
    EXPECT(all[1].scope == BS_PAUSE_EVERYTHING && all[0].scope == BS_PAUSE_DATABASE);
    REQUIRE(bs_state_change_list(state, 0, &arena, &c, &n, &err) == BS_DONE && n == 9);
    EXPECT(strcmp(c[1].action, "pause") == 0 && strcmp(c[1].subject, "a") == 0);
    EXPECT(strstr(c[1].detail, "\"cancel\":true") != NULL);
    EXPECT(strcmp(c[6].action, "resume") == 0 && strstr(c[6].detail, "talked") != NULL);
    EXPECT(strcmp(c[8].subject, "everything") == 0 && strstr(c[8].detail, "\"x\"") != NULL);
    tear_down();
}

/* One approves alone, another one reviews it, once. */
static void
glass(void)
{
    struct bs_err err = {0};
    struct bs_ticket t, got;
    struct bs_glass g = {.operator_ = "kim", .at_us = 100, .reason = "fire"}, one, *all;
    char token[BS_SHA256_TEXT];
    struct bs_operator kim = {.name = "kim", .role = BS_ROLE_ADMIN, .token_sha256 = token};
    int64_t open;
    size_t n;

    REQUIRE(set_up());
    bs_sha256_text("a token", token);
    kim.created_us = g.operator_us = 77;
    EXPECT_EQ(CODE(bs_state_operator_add(state, &kim, "me", &err)), BS_OK);
    t = a_ticket("T-1", IDENTITY);
    REQUIRE(bs_state_ticket_open(state, &t, &arena, &got, &err) == BS_DONE);
    EXPECT_EQ(CODE(bs_state_glass_get(state, got.id, &arena, &one, &err)), BS_E_NOT_FOUND);
    EXPECT_EQ(CODE(bs_state_glass_review(state, got.id, "lee", "x", 300, &err)), BS_E_CONFLICT);
    got.state = BS_TICKET_APPROVED;
    g.reason = "\xff";
    EXPECT_EQ(CODE(bs_state_glass_break(state, &got, &g, &err)), BS_E_DATA);
    g.reason = "fire";
    got.version++;
    EXPECT_EQ(CODE(bs_state_glass_break(state, &got, &g, &err)), BS_E_CONFLICT);
    EXPECT_EQ(CODE(bs_state_glass_open(state, &open, &err)), BS_OK);
    EXPECT_EQ(open, 0); /* neither without the other */
    got.version--;
    EXPECT_EQ(CODE(bs_state_glass_break(state, &got, &g, &err)), BS_OK);
    EXPECT_EQ(CODE(bs_state_glass_get(state, got.id, &arena, &one, &err)), BS_OK);
    EXPECT(one.in_force && strcmp(one.reason, "fire") == 0 && one.operator_us == 77);
    EXPECT(one.state == BS_TICKET_APPROVED && strcmp(one.actor, got.actor) == 0);
    EXPECT_EQ(CODE(bs_state_glass_review(state, got.id, "kim", "x", 300, &err)), BS_E_CONFLICT);
    EXPECT_EQ(CODE(bs_state_glass_review(state, got.id, "lee", "\xff", 300, &err)), BS_E_DATA);
    EXPECT_EQ(CODE(bs_state_glass_open(state, &open, &err)), BS_OK);
    EXPECT_EQ(open, 1);
    EXPECT_EQ(CODE(bs_state_glass_review(state, got.id, "lee", "fine", 300, &err)), BS_OK);
    EXPECT_EQ(CODE(bs_state_glass_review(state, got.id, "max", "no", 400, &err)), BS_E_CONFLICT);
    EXPECT_EQ(CODE(bs_state_glass_list(state, &(struct bs_glass_filter){.open = true}, &arena, &all,
                                       &n, &err)),
              BS_OK);
    EXPECT_EQ(n, 0);
    EXPECT_EQ(CODE(bs_state_glass_list(state, &(struct bs_glass_filter){.limit = 5}, &arena, &all,
                                       &n, &err)),
              BS_OK);
    REQUIRE(n == 1);
    EXPECT(strcmp(all[0].reviewed_by, "lee") == 0 && all[0].reviewed_us == 300);
    EXPECT(strcmp(all[0].note, "fine") == 0 && strcmp(all[0].ticket, got.id) == 0);
    EXPECT_EQ(CODE(bs_state_glass_list(state, &(struct bs_glass_filter){.before = got.id}, &arena,
                                       &all, &n, &err)),
              BS_OK);
    EXPECT_EQ(n, 0);
    kim.expires_us = bs_now_us() - 1;
    EXPECT_EQ(CODE(bs_state_operator_alter(state, &kim, BS_OPERATOR_EXPIRES, "me", &err)), BS_OK);
    EXPECT_EQ(CODE(bs_state_glass_get(state, got.id, &arena, &one, &err)), BS_OK);
    EXPECT(!one.in_force);
    kim.expires_us = 0;
    EXPECT_EQ(CODE(bs_state_operator_alter(state, &kim, BS_OPERATOR_EXPIRES, "me", &err)), BS_OK);
    EXPECT_EQ(CODE(bs_state_glass_get(state, got.id, &arena, &one, &err)), BS_OK);
    EXPECT(one.in_force);
    EXPECT_EQ(CODE(bs_state_operator_revoke(state, "kim", "me", &err)), BS_OK);
    EXPECT_EQ(CODE(bs_state_glass_get(state, got.id, &arena, &one, &err)), BS_OK);
    EXPECT(!one.in_force);
    tear_down();
}

static struct bs_restore_plan
a_plan(char digit)
{
    struct bs_restore_plan p = {
        .point = "RP-1", .made_by = "kim", .made_us = 100, .expires_us = 1000};

    memset(p.sha256, digit, sizeof(p.sha256) - 1);
    return p;
}

/* One makes it, another approves it, and it is used once, all before it expires. */
static void
plans(void)
{
    struct bs_err err = {0};
    struct bs_restore_plan p = a_plan('a'), other = a_plan('b'), got;
    char token[BS_SHA256_TEXT], token2[BS_SHA256_TEXT], token3[BS_SHA256_TEXT];
    const char *kims[] = {"kim"};
    const struct bs_operator kim = an_operator("kim", BS_ROLE_ADMIN, "2", token2);
    struct bs_operator night = an_operator("night", BS_ROLE_ADMIN, "3", token3);
    struct bs_operator lee = {
        .name = "lee", .role = BS_ROLE_VIEWER, .token_sha256 = token, .created_us = 77};

    int64_t t = bs_now_us() + 1000000; /* those who are there by now were there before */

    p.made_us += t;
    p.expires_us += t;
    other.made_us += t;
    other.expires_us += t;
    REQUIRE(set_up());
    bs_sha256_text("a token", token);
    night.owners = kims;
    night.n_owners = 1;
    EXPECT_EQ(CODE(bs_state_plan_use(state, p.sha256, "kim", t + 200, &err)), BS_E_NOT_FOUND);
    EXPECT_EQ(CODE(bs_state_plan_add(state, &p, &err)), BS_OK);
    EXPECT_EQ(CODE(bs_state_plan_add(state, &p, &err)), BS_E_CONFLICT);
    EXPECT_EQ(CODE(bs_state_plan_add(state, &other, &err)), BS_OK);
    EXPECT_EQ(CODE(bs_state_plan_use(state, p.sha256, "kim", t + 200, &err)), BS_E_HELD);
    EXPECT_EQ(CODE(bs_state_plan_approve(state, p.sha256, "kim", NULL, t + 200, &err)),
              BS_E_FORBIDDEN);
    EXPECT_EQ(CODE(bs_state_operator_add(state, &kim, "me", &err)), BS_OK);
    EXPECT_EQ(CODE(bs_state_operator_add(state, &night, "me", &err)), BS_OK);
    EXPECT_EQ(CODE(bs_state_plan_approve(state, p.sha256, "night", NULL, t + 200, &err)),
              BS_E_FORBIDDEN); /* whoever made it, as another operator */
    EXPECT_EQ(CODE(bs_state_plan_approve(state, p.sha256, "lee", NULL, t + 1000, &err)),
              BS_E_STALE);
    EXPECT_EQ(CODE(bs_state_plan_approve(state, p.sha256, "lee", "\xff", t + 200, &err)),
              BS_E_DATA);
    EXPECT_EQ(CODE(bs_state_plan_approve(state, p.sha256, "lee", "fine", t + 200, &err)), BS_OK);
    EXPECT_EQ(CODE(bs_state_plan_approve(state, p.sha256, "max", NULL, t + 200, &err)),
              BS_E_CONFLICT);
    EXPECT_EQ(CODE(bs_state_plan_use(state, p.sha256, "kim", t + 1000, &err)), BS_E_STALE);
    EXPECT_EQ(CODE(bs_state_plan_use(state, p.sha256, "kim", t + 999, &err)), BS_E_FORBIDDEN);
    EXPECT_EQ(CODE(bs_state_operator_add(state, &lee, "me", &err)), BS_OK);
    EXPECT_EQ(CODE(bs_state_plan_use(state, p.sha256, "kim", t + 999, &err)), BS_E_FORBIDDEN);
    EXPECT(strstr(err.message, "lee") != NULL); /* who may only look by now */
    lee.role = BS_ROLE_APPROVER;
    EXPECT_EQ(CODE(bs_state_operator_alter(state, &lee, BS_OPERATOR_ROLE, "me", &err)), BS_OK);
    EXPECT_EQ(CODE(bs_state_plan_use(state, p.sha256, "kim", t + 999, &err)), BS_OK);
    EXPECT_EQ(CODE(bs_state_plan_use(state, p.sha256, "kim", t + 999, &err)), BS_E_CONFLICT);
    EXPECT_EQ(CODE(bs_state_plan_approve(state, p.sha256, "max", NULL, t + 200, &err)),
              BS_E_CONFLICT);
    /* The other one is as it was. */
    EXPECT_EQ(CODE(bs_state_plan_use(state, other.sha256, "kim", t + 200, &err)), BS_E_HELD);
    EXPECT_EQ(CODE(bs_state_plan_get(state, p.sha256, &arena, &got, &err)), BS_OK);
    EXPECT(strcmp(got.sha256, p.sha256) == 0 && strcmp(got.point, "RP-1") == 0);
    EXPECT(strcmp(got.made_by, "kim") == 0 && strcmp(got.approved_by, "lee") == 0);
    EXPECT(strcmp(got.reason, "fine") == 0 && strcmp(got.used_by, "kim") == 0);
    EXPECT(got.made_us == t + 100 && got.expires_us == t + 1000);
    EXPECT(got.approved_us == t + 200 && got.used_us == t + 999);
    other.made_by = "no name";
    other.sha256[0] = 'c';
    EXPECT_EQ(CODE(bs_state_plan_add(state, &other, &err)), BS_E_USAGE);
    tear_down();
}

/* Whoever may change operators would else be the second one, too. */
static void
plans_are_approved_by_who_was_there(void)
{
    struct bs_err err = {0};
    struct bs_restore_plan p = a_plan('a');
    char hash[2][BS_SHA256_TEXT];
    struct bs_operator kim = an_operator("kim", BS_ROLE_ADMIN, "1", hash[0]);
    const struct bs_operator lee = an_operator("lee", BS_ROLE_ADMIN, "2", hash[1]);
    const char *kims[] = {"kim k"};

    REQUIRE(set_up());
    EXPECT_EQ(CODE(bs_state_operator_add(state, &kim, "me", &err)), BS_OK);
    p.made_us = bs_now_us() + 1;
    p.expires_us = p.made_us + 3600000000;
    EXPECT_EQ(CODE(bs_state_plan_add(state, &p, &err)), BS_OK);
    while (bs_now_us() <= p.made_us)
        ;
    EXPECT_EQ(CODE(bs_state_operator_add(state, &lee, "me", &err)), BS_OK);
    EXPECT_EQ(CODE(bs_state_plan_approve(state, p.sha256, "lee", NULL, bs_now_us(), &err)),
              BS_E_FORBIDDEN);
    EXPECT(strstr(err.message, "\"lee\" was made or changed") != NULL);
    /* Nor where whoever made it is somebody else by now. */
    p.sha256[0] = 'b';
    p.made_us = bs_now_us() + 1;
    EXPECT_EQ(CODE(bs_state_plan_add(state, &p, &err)), BS_OK);
    while (bs_now_us() <= p.made_us)
        ;
    kim.owners = kims;
    kim.n_owners = 1;
    EXPECT_EQ(CODE(bs_state_operator_alter(state, &kim, BS_OPERATOR_OWNERS, "me", &err)), BS_OK);
    EXPECT_EQ(CODE(bs_state_plan_approve(state, p.sha256, "lee", NULL, bs_now_us(), &err)),
              BS_E_FORBIDDEN);
    EXPECT(strstr(err.message, "\"kim\" was made or changed") != NULL);
    tear_down();
}

static void *
rename_owner(void *arg)
{
    struct bs_state *other = arg;
    const struct bs_agent row = {.name = "a", .owner = "the other"};
    struct bs_err err = {0};

    EXPECT_EQ(CODE(bs_state_agent_alter(other, &row, BS_AGENT_OWNER, "me", &err)), BS_OK);
    return NULL;
}

/* What is read and then written is one: others wait, and a failure leaves nothing. */
static void
reads_and_writes_as_one(void)
{
    struct bs_state *other = NULL;
    struct bs_agent a = an_agent("a"), got, mine = {.name = "a", .owner = "mine"};
    struct bs_err err = {0};
    pthread_t thread;

    REQUIRE(set_up());
    REQUIRE(bs_state_open(path, &other, &err) == BS_DONE);
    EXPECT_EQ(CODE(bs_state_agent_add(state, &a, "me", &err)), BS_OK);
    EXPECT_EQ(CODE(bs_state_begin(state, &err)), BS_OK);
    REQUIRE(pthread_create(&thread, NULL, rename_owner, other) == 0);
    (void)usleep(200000);
    EXPECT_EQ(CODE(bs_state_agent_get(state, "a", &arena, &got, &err)), BS_OK);
    EXPECT(strcmp(got.owner, "alice") == 0); /* the other one waits */
    EXPECT_EQ(CODE(bs_state_agent_alter(state, &mine, BS_AGENT_OWNER, "me", &err)), BS_OK);
    EXPECT_EQ(CODE(bs_state_end(state, BS_DONE, &err)), BS_OK);
    (void)pthread_join(thread, NULL);
    EXPECT_EQ(CODE(bs_state_agent_get(state, "a", &arena, &got, &err)), BS_OK);
    EXPECT(strcmp(got.owner, "the other") == 0);
    EXPECT_EQ(CODE(bs_state_begin(state, &err)), BS_OK);
    EXPECT_EQ(CODE(bs_state_agent_alter(state, &mine, BS_AGENT_OWNER, "me", &err)), BS_OK);
    mine.name = "nobody";
    EXPECT_EQ(CODE(bs_state_agent_alter(state, &mine, BS_AGENT_OWNER, "me", &err)), BS_E_NOT_FOUND);
    err = (struct bs_err){0};
    EXPECT(bs_state_end(state, BS_DONE, &err) == BS_FAILED); /* whatever its caller thinks */
    EXPECT_EQ(CODE(bs_state_agent_get(state, "a", &arena, &got, &err)), BS_OK);
    EXPECT(strcmp(got.owner, "the other") == 0);
    bs_state_close(&other);
    tear_down();
}

static int64_t
changed_us(const char *name)
{
    struct bs_operator op;
    struct bs_err err = {0};

    EXPECT_EQ(CODE(bs_state_operator_get(state, name, &arena, &op, &err)), BS_OK);
    return op.changed_us;
}

/* When an operator became what it is: what takes nothing but time from it is no change. */
static void
operators_have_changed(void)
{
    struct bs_err err = {0};
    const char *groups[] = {"dba"}, *owners[] = {"kim k"};
    char hash[BS_SHA256_TEXT], next[BS_SHA256_TEXT];
    struct bs_operator kim = an_operator("kim", BS_ROLE_ADMIN, "1", hash);
    int64_t before = bs_now_us(), was;

    REQUIRE(set_up());
    kim.expires_us = before + 3600000000;
    EXPECT_EQ(CODE(bs_state_operator_add(state, &kim, "me", &err)), BS_OK);
    EXPECT((was = changed_us("kim")) >= before);
    kim.groups = groups;
    kim.n_groups = 1;
    EXPECT_EQ(CODE(bs_state_operator_alter(state, &kim, BS_OPERATOR_GROUPS, "me", &err)), BS_OK);
    EXPECT(changed_us("kim") > was);
    was = changed_us("kim");
    EXPECT_EQ(CODE(bs_state_operator_alter(state, &kim, BS_OPERATOR_GROUPS, "me", &err)), BS_OK);
    kim.expires_us -= 1000;
    EXPECT_EQ(CODE(bs_state_operator_alter(state, &kim, BS_OPERATOR_EXPIRES, "me", &err)), BS_OK);
    EXPECT_EQ(changed_us("kim"), was);
    kim.expires_us += 1000;
    EXPECT_EQ(CODE(bs_state_operator_alter(state, &kim, BS_OPERATOR_EXPIRES, "me", &err)), BS_OK);
    EXPECT(changed_us("kim") > was);
    was = changed_us("kim");
    kim.owners = owners;
    kim.n_owners = 1;
    EXPECT_EQ(CODE(bs_state_operator_alter(state, &kim, BS_OPERATOR_OWNERS, "me", &err)), BS_OK);
    EXPECT(changed_us("kim") > was);
    was = changed_us("kim");
    kim.role = BS_ROLE_APPROVER;
    EXPECT_EQ(CODE(bs_state_operator_alter(state, &kim, BS_OPERATOR_ROLE, "me", &err)), BS_OK);
    EXPECT(changed_us("kim") > was);
    was = changed_us("kim");
    bs_sha256_text("2", next);
    EXPECT_EQ(CODE(bs_state_operator_rekey(state, "kim", next, 0, "me", &err)), BS_OK);
    EXPECT(changed_us("kim") > was);
    was = changed_us("kim");
    EXPECT_EQ(CODE(bs_state_slack_user_set(state, "kim", "U1", "me", &err)), BS_OK);
    EXPECT(changed_us("kim") > was);
    tear_down();
}

static void
restores(void)
{
    struct bs_restore_row *list, first = {.id = "RS-1", .open = true, .doc = "{\"a\":1}"},
                                 second = {.id = "RS-2", .doc = "{}", .plan = "{\"sql\":\"x\"}"},
                                 bad = {.id = "RS-3", .doc = "\xff"};
    struct bs_err err = {0};
    size_t n;

    REQUIRE(set_up());
    EXPECT_EQ(CODE(bs_state_restore_put(state, &bad, &err)), BS_E_DATA);
    bad.doc = NULL;
    EXPECT_EQ(CODE(bs_state_restore_put(state, &bad, &err)), BS_E_USAGE);
    EXPECT_EQ(CODE(bs_state_restore_put(state, &first, &err)), BS_OK);
    EXPECT_EQ(CODE(bs_state_restore_put(state, &second, &err)), BS_OK);
    EXPECT_EQ(CODE(bs_state_restore_list(state, NULL, 10, &arena, &list, &n, &err)), BS_OK);
    REQUIRE(n == 2);
    EXPECT(strcmp(list[0].id, "RS-2") == 0 && !list[0].open);
    EXPECT(strcmp(list[0].plan, "{\"sql\":\"x\"}") == 0);
    EXPECT(strcmp(list[1].doc, "{\"a\":1}") == 0 && list[1].open && list[1].plan == NULL);
    EXPECT_EQ(CODE(bs_state_restore_list(state, "RS-2", 10, &arena, &list, &n, &err)), BS_OK);
    EXPECT(n == 1 && strcmp(list[0].id, "RS-1") == 0);
    EXPECT_EQ(CODE(bs_state_restore_list(state, "RS-1", 10, &arena, &list, &n, &err)), BS_OK);
    EXPECT_EQ(n, 0);
    first.open = false;
    EXPECT_EQ(CODE(bs_state_restore_put(state, &first, &err)), BS_OK);
    EXPECT_EQ(CODE(bs_state_restore_drop(state, "RS-2", &err)), BS_OK);
    EXPECT_EQ(CODE(bs_state_restore_list(state, NULL, 1, &arena, &list, &n, &err)), BS_OK);
    EXPECT(n == 1 && strcmp(list[0].id, "RS-1") == 0 && !list[0].open);
    tear_down();
}

static struct bs_delivery
first_for(const char *target)
{
    struct bs_delivery d = {0};
    struct bs_err err = {0};
    bool found;

    EXPECT_EQ(CODE(bs_state_delivery_first(state, target, &arena, &d, &found, &err)), BS_OK);
    return found ? d : (struct bs_delivery){0};
}

/* Who wants an event has it waiting, until it is taken or given up. */
static void
notifications(void)
{
    const struct bs_notify_target both[] = {
        {"all", (1u << BS_NOTIFY_PAUSED) | (1u << BS_NOTIFY_POINT_FAILED), 1000},
        {"some", 1u << BS_NOTIFY_PAUSED, 5000000}};
    const struct bs_pause pause = {
        .scope = BS_PAUSE_EVERYTHING, .name = "", .by = "operator:kim", .reason = "why"};
    struct bs_delivery_filter filter = {.target = "all"};
    struct bs_delivery d, *list;
    struct bs_notify_count *counts;
    struct bs_err err = {0};
    int64_t changed;
    size_t n;

    REQUIRE(set_up());
    EXPECT_EQ(CODE(bs_state_notify_put(state, BS_NOTIFY_PAUSED, "x", NULL, &err)), BS_OK);
    EXPECT_EQ(CODE(bs_state_notify_targets_set(state, both, 2, &err)), BS_OK);
    EXPECT_EQ(CODE(bs_state_notify_put(state, BS_NOTIFY_NONE, "x", NULL, &err)), BS_E_DATA);
    EXPECT_EQ(CODE(bs_state_notify_put(state, BS_NOTIFY_PAUSED, "\xff", NULL, &err)), BS_E_DATA);
    EXPECT_EQ(first_for("all").id[0], '\0'); /* what came before there was a target */
    EXPECT_EQ(CODE(bs_state_notify_put(state, BS_NOTIFY_POINT_FAILED, "a", "{}", &err)), BS_OK);
    EXPECT_EQ(CODE(bs_state_pause_put(state, &pause, &err)), BS_OK);
    EXPECT_EQ(first_for("some").event, BS_NOTIFY_PAUSED);
    d = first_for("all");
    EXPECT(d.event == BS_NOTIFY_POINT_FAILED && d.tries == 0 && d.body == NULL && !d.dead);
    EXPECT(d.until_us == d.at_us + 1000 && d.due_us == d.at_us && strcmp(d.detail, "{}") == 0);
    EXPECT_EQ(CODE(bs_state_delivery_render(state, d.id, "{\"a\":1}", &err)), BS_OK);
    EXPECT_EQ(CODE(bs_state_delivery_end(state, d.id, BS_DELIVERY_LATER, d.due_us + 60000000,
                                         "busy", &err)),
              BS_OK);
    EXPECT_EQ(first_for("all").event, BS_NOTIFY_PAUSED); /* the other one is not due so late */
    EXPECT(strstr(first_for("all").detail, "\"operator:kim\"") != NULL);
    EXPECT_EQ(CODE(bs_state_delivery_list(state, &filter, &arena, &list, &n, &err)), BS_OK);
    REQUIRE(n == 2);
    EXPECT(list[0].tries == 1 && strcmp(list[0].why, "busy") == 0);
    EXPECT(strcmp(list[0].body, "{\"a\":1}") == 0 && strcmp(list[0].id, list[1].id) != 0);
    EXPECT_EQ(CODE(bs_state_delivery_end(state, d.id, BS_DELIVERY_DEAD, 0, "no", &err)), BS_OK);
    EXPECT_EQ(
        CODE(bs_state_delivery_end(state, first_for("all").id, BS_DELIVERY_DONE, 0, NULL, &err)),
        BS_OK);
    EXPECT_EQ(first_for("all").id[0], '\0');
    EXPECT_EQ(CODE(bs_state_notify_count(state, &arena, &counts, &n, &err)), BS_OK);
    REQUIRE(n == 2);
    EXPECT(strcmp(counts[0].target, "all") == 0 && counts[0].dead == 1 && counts[0].waiting == 0);
    EXPECT(counts[1].waiting == 1 && counts[1].oldest_us > 0 && counts[1].dropped == 0);
    filter.dead = true;
    EXPECT_EQ(CODE(bs_state_delivery_retry(state, &filter, "me", &changed, &err)), BS_OK);
    EXPECT_EQ(changed, 1);
    EXPECT(strcmp(first_for("all").id, d.id) == 0 && first_for("all").tries == 0);
    EXPECT_EQ(CODE(bs_state_delivery_drop(state, &filter, "me", &changed, &err)), BS_OK);
    EXPECT_EQ(changed, 0); /* it is not given up any more */
    EXPECT_EQ(CODE(bs_state_notify_targets_set(state, &both[1], 1, &err)), BS_OK);
    EXPECT_EQ(first_for("all").id[0], '\0');
    EXPECT_EQ(CODE(bs_state_delivery_retry(state, &filter, "me", &changed, &err)), BS_OK);
    EXPECT_EQ(changed, 0); /* nobody it could be sent to */
    EXPECT_EQ(CODE(bs_state_delivery_drop(state, &filter, "me", &changed, &err)), BS_OK);
    EXPECT_EQ(changed, 1);
    tear_down();
}

/* Behind the back of whichever backend it is. */
static void
exec_here(const char *sql)
{
    char all[1024];

    (void)snprintf(all, sizeof(all), "SET search_path = backstop; %s", sql);
    if (shared)
        EXPECT(server_run(&server, all));
    else
        exec(sql);
}

/* What waits, and what was given up, is bounded; what was not kept is counted. */
static void
notifications_are_bounded(void)
{
    const struct bs_notify_target one = {"all", 1u << BS_NOTIFY_PAUSED, 1000};
    struct bs_delivery_filter filter = {.dead = true};
    struct bs_notify_count *counts;
    struct bs_delivery *list;
    struct bs_err err = {0};
    char sql[512];
    size_t n;

    REQUIRE(set_up());
    EXPECT_EQ(CODE(bs_state_notify_targets_set(state, &one, 1, &err)), BS_OK);
    (void)snprintf(sql, sizeof(sql),
                   "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d)"
                   " INSERT INTO deliveries (id, target, event, at_us, due_us, until_us, tries,"
                   " dead) SELECT 'w' || i, 'all', 'pause', 1, 1, 1, 0, 0 FROM n",
                   BS_NOTIFY_WAITING_MAX - 1);
    exec_here(sql);
    for (int i = 0; i < 3; i++)
        EXPECT_EQ(CODE(bs_state_notify_put(state, BS_NOTIFY_PAUSED, "x", NULL, &err)), BS_OK);
    EXPECT_EQ(CODE(bs_state_notify_count(state, &arena, &counts, &n, &err)), BS_OK);
    EXPECT(n == 1 && counts[0].waiting == BS_NOTIFY_WAITING_MAX && counts[0].dropped == 2);
    exec_here("UPDATE deliveries SET dead = 1 WHERE id <> 'w7'");
    EXPECT_EQ(CODE(bs_state_delivery_end(state, "w7", BS_DELIVERY_DEAD, 0, "no", &err)), BS_OK);
    EXPECT_EQ(CODE(bs_state_delivery_list(state, &filter, &arena, &list, &n, &err)), BS_OK);
    EXPECT_EQ(n, BS_NOTIFY_DEAD_MAX);
    EXPECT(n > 0 && list[n - 1].id[0] == 'm'); /* the newest stay */
    tear_down();
}

static void
slack_users(void)
{
    char hash[2][BS_SHA256_TEXT];
    struct bs_operator kim = an_operator("kim", BS_ROLE_APPROVER, "a", hash[0]);
    struct bs_operator lee = an_operator("lee", BS_ROLE_APPROVER, "b", hash[1]), got;
    struct bs_slack_message m = {"C1", "1.2"};
    struct bs_err err = {0};
    bool found;

    REQUIRE(set_up());
    EXPECT_EQ(CODE(bs_state_operator_add(state, &kim, "me", &err)), BS_OK);
    EXPECT_EQ(CODE(bs_state_operator_add(state, &lee, "me", &err)), BS_OK);
    EXPECT_EQ(CODE(bs_state_slack_user_find(state, "U01", &arena, &got, &err)), BS_E_AUTH);
    EXPECT_EQ(CODE(bs_state_slack_user_set(state, "nobody", "U01", "me", &err)), BS_E_NOT_FOUND);
    EXPECT_EQ(CODE(bs_state_slack_user_set(state, "kim", "kim", "me", &err)), BS_E_USAGE);
    EXPECT_EQ(CODE(bs_state_slack_user_set(state, "kim", "U01", "me", &err)), BS_OK);
    EXPECT_EQ(CODE(bs_state_slack_user_set(state, "lee", "U01", "me", &err)), BS_E_CONFLICT);
    EXPECT_EQ(CODE(bs_state_slack_user_find(state, "U01", &arena, &got, &err)), BS_OK);
    EXPECT(got.name != NULL && strcmp(got.name, "kim") == 0);
    EXPECT_EQ(CODE(bs_state_operator_revoke(state, "kim", "me", &err)), BS_OK);
    EXPECT_EQ(CODE(bs_state_slack_user_find(state, "U01", &arena, &got, &err)), BS_E_AUTH);
    kim.created_us = 12345; /* another human of that name */
    EXPECT_EQ(CODE(bs_state_operator_add(state, &kim, "me", &err)), BS_OK);
    EXPECT_EQ(CODE(bs_state_slack_user_find(state, "U01", &arena, &got, &err)), BS_E_AUTH);
    EXPECT_EQ(CODE(bs_state_slack_user_set(state, "lee", "U01", "me", &err)), BS_OK);
    EXPECT_EQ(CODE(bs_state_slack_user_find(state, "U01", &arena, &got, &err)), BS_OK);
    EXPECT(got.name != NULL && strcmp(got.name, "lee") == 0);
    lee.expires_us = 1; /* as any token of theirs */
    EXPECT_EQ(CODE(bs_state_operator_alter(state, &lee, BS_OPERATOR_EXPIRES, "me", &err)), BS_OK);
    EXPECT_EQ(CODE(bs_state_slack_user_find(state, "U01", &arena, &got, &err)), BS_E_AUTH);
    EXPECT(got.name == NULL);
    EXPECT_EQ(CODE(bs_state_slack_user_set(state, "lee", NULL, "me", &err)), BS_OK);
    EXPECT_EQ(CODE(bs_state_slack_user_find(state, "U01", &arena, &got, &err)), BS_E_AUTH);
    for (int i = 0; i < 2; i++) {
        EXPECT_EQ(CODE(bs_state_slack_message_put(state, "t", "T-1", &m, &err)), BS_OK);
        EXPECT_EQ(CODE(bs_state_slack_message_get(state, "t", "T-1", &arena, &m, &found, &err)),
                  BS_OK);
        EXPECT(found && strcmp(m.channel, "C1") == 0 && strcmp(m.ts, i == 0 ? "1.2" : "3.4") == 0);
        m.ts = "3.4";
    }
    EXPECT_EQ(CODE(bs_state_slack_message_get(state, "t", "T-2", &arena, &m, &found, &err)), BS_OK);
    EXPECT(!found);
    tear_down();
}

/* A file of the first version is brought up to date with all that is in it. */
static void
first_version_is_migrated(void)
{
    struct bs_err err = {0};
    struct bs_agent a = an_agent("a"), got;

    REQUIRE(set_up());
    EXPECT_EQ(CODE(bs_state_agent_add(state, &a, "me", &err)), BS_OK);
    bs_state_close(&state);
    exec("DROP TABLE notify_targets; DROP TABLE deliveries; DROP TABLE slack_messages;"
         "DROP TABLE slack_users; DROP TABLE secrets; DROP TABLE counters; DROP TABLE leases; "
         "ALTER TABLE tickets DROP "
         "COLUMN instance;"
         "DROP TABLE glass; DROP TABLE pauses; DROP TABLE restores; DROP TABLE plans; DROP TABLE "
         "blocked; ALTER "
         "TABLE agents DROP "
         "COLUMN quarantined_us;"
         "ALTER TABLE agents DROP COLUMN quarantine_why; ALTER TABLE tickets DROP COLUMN harms;"
         "ALTER TABLE tickets DROP COLUMN evades; ALTER TABLE agents DROP COLUMN actor_group;"
         "ALTER TABLE agents DROP COLUMN certificate;"
         "ALTER TABLE agents DROP COLUMN certificate_only;"
         "DROP TABLE tokens; ALTER TABLE tickets DROP COLUMN claims; ALTER TABLE agents DROP "
         "COLUMN old_verifier;"
         "ALTER TABLE agents DROP COLUMN old_until_us;"
         "ALTER TABLE agents DROP COLUMN kind; ALTER TABLE agents DROP COLUMN addresses;"
         "ALTER TABLE agents DROP COLUMN db_role; ALTER TABLE agents DROP COLUMN disabled_us;"
         "DROP TABLE said;"
         "ALTER TABLE operators DROP COLUMN operator_groups;"
         "ALTER TABLE operators DROP COLUMN owners;"
         "ALTER TABLE operators DROP COLUMN changed_us;"
         "ALTER TABLE operators DROP COLUMN expires_us;"
         "ALTER TABLE operators DROP COLUMN old_token_sha256;"
         "ALTER TABLE operators DROP COLUMN old_until_us;"
         "ALTER TABLE tickets DROP COLUMN approvals;"
         "PRAGMA user_version = 1");
    REQUIRE(bs_state_open(path, &state, &err) == BS_DONE);
    EXPECT_EQ(CODE(bs_state_agent_get(state, "a", &arena, &got, &err)), BS_OK);
    EXPECT(got.certificate == NULL && !got.certificate_only);
    EXPECT(got.kind == BS_ACTOR_AGENT && got.n_addresses == 0 && got.role == NULL);
    EXPECT(got.quarantined_us == 0 && strcmp(got.owner, "alice") == 0);
    EXPECT_EQ(CODE(bs_state_agent_quarantine(state, "a", NULL, "gateway", &err)), BS_OK);
    tear_down();
}

static void
with_postgres(void)
{
    shared = true;
    (void)snprintf(path, sizeof(path), "postgresql:///postgres?host=%s&user=postgres", server.dir);
    REQUIRE(server.pid > 0);
}

/* What is not ours, is open to others, or is newer than we are, is not taken. */
static void
refuses_other_schemas(void)
{
    struct bs_err err = {0};

    REQUIRE(set_up());
    bs_state_close(&state);
    REQUIRE(server_run(&server, "UPDATE backstop.about SET version = 999"));
    EXPECT_EQ(CODE(bs_state_open(path, &state, &err)), BS_E_CONFIG);
    EXPECT(strstr(err.message, "schema 999") != NULL && state == NULL);
    REQUIRE(server_run(&server, "DROP TABLE backstop.about"));
    EXPECT_EQ(CODE(bs_state_open(path, &state, &err)), BS_E_CONFIG);
    EXPECT(strstr(err.message, "something else") != NULL);
    REQUIRE(make_place() && bs_state_open(path, &state, &err) == BS_DONE);
    bs_state_close(&state);
    REQUIRE(server_run(&server, "GRANT USAGE ON SCHEMA backstop TO PUBLIC"));
    EXPECT_EQ(CODE(bs_state_open(path, &state, &err)), BS_E_CONFIG);
    EXPECT(strstr(err.message, "open to other roles") != NULL);
    REQUIRE(make_place() && server_run(&server, "CREATE ROLE other; CREATE SCHEMA backstop"
                                                " AUTHORIZATION other"));
    EXPECT_EQ(CODE(bs_state_open(path, &state, &err)), BS_E_CONFIG);
    EXPECT(strstr(err.message, "belongs to another role") != NULL);
    EXPECT_EQ(CODE(bs_state_open("postgresql:///none?host=/nowhere", &state, &err)),
              BS_E_UNAVAILABLE);
    bs_arena_fini(&arena);
}

/* The least that the role of a state needs: its own schema, or leave to make it. */
static void
needs_little(void)
{
    const char *url = path;
    char own[256];
    struct bs_err err = {0};
    struct bs_agent a = an_agent("a");

    REQUIRE(make_place() && server_run(&server, "CREATE ROLE keeper LOGIN;"
                                                "CREATE SCHEMA backstop AUTHORIZATION keeper"));
    (void)snprintf(own, sizeof(own), "%.*s&user=keeper", (int)(strstr(url, "&user") - url), url);
    REQUIRE(bs_state_open(own, &state, &err) == BS_DONE);
    EXPECT_EQ(CODE(bs_state_agent_add(state, &a, "me", &err)), BS_OK);
    bs_state_close(&state);
}

/* A server that ends every connection, as one that is started again does. */
static void
is_connected_anew(void)
{
    static const char end_all[] = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                                  " WHERE application_name = 'backstop/state'";
    struct bs_err err = {0};
    struct bs_agent a = an_agent("a"), got;

    REQUIRE(set_up());
    REQUIRE(server_run(&server, end_all));
    EXPECT_EQ(CODE(bs_state_agent_add(state, &a, "me", &err)), BS_OK);
    REQUIRE(server_run(&server, end_all));
    EXPECT_EQ(CODE(bs_state_agent_get(state, "a", &arena, &got, &err)), BS_OK);
    EXPECT(strcmp(got.name, "a") == 0);
    tear_down();
}

#define RACERS 6

struct racer {
    struct bs_ticket ticket;
    bool won;
};

/* Each with a connection of its own, as gateways have. */
static void *
race(void *arg)
{
    struct racer *r = arg;
    struct bs_state *s = NULL;
    struct bs_err err = {0};

    r->won = bs_state_open(path, &s, &err) == BS_DONE &&
             bs_state_ticket_move(s, &r->ticket, &err) == BS_DONE;
    if (!r->won && err.code != BS_E_CONFLICT)
        printf("# %s\n", err.message);
    bs_state_close(&s);
    return NULL;
}

static void
of_many_gateways_one_wins(void)
{
    struct bs_err err = {0};
    struct bs_ticket t = a_ticket("T-1", IDENTITY), got;
    struct racer racers[RACERS];
    pthread_t threads[RACERS];
    int won = 0;

    REQUIRE(set_up());
    REQUIRE(bs_state_ticket_open(state, &t, &arena, &got, &err) == BS_DONE);
    for (int i = 0; i < RACERS; i++) {
        racers[i] = (struct racer){got, false};
        racers[i].ticket.state = i % 2 == 0 ? BS_TICKET_APPROVED : BS_TICKET_DENIED;
        REQUIRE(pthread_create(&threads[i], NULL, race, &racers[i]) == 0);
    }
    for (int i = 0; i < RACERS; i++) {
        (void)pthread_join(threads[i], NULL);
        won += racers[i].won;
    }
    EXPECT_EQ(won, 1);
    tear_down();
}

/* A writer that hangs in the middle holds up the others, and only for as long as may be. */
static void
waits_for_the_writer(void)
{
    struct bs_err err = {0};
    struct bs_agent a = an_agent("a");
    PGconn *other = PQconnectdb(server.conninfo);

    REQUIRE(set_up());
    PQclear(PQexec(other, "BEGIN; LOCK TABLE backstop.writer IN EXCLUSIVE MODE;"
                          "SET LOCAL idle_in_transaction_session_timeout = 300"));
    EXPECT_EQ(CODE(bs_state_agent_add(state, &a, "me", &err)), BS_OK);
    PQclear(PQexec(other, "SELECT 1"));
    EXPECT(PQstatus(other) == CONNECTION_BAD); /* it had to go first */
    PQfinish(other);
    tear_down();
}

/* Made once, whoever asks first. */
static void
secrets(void)
{
    struct bs_err err = {0};
    struct bs_state *other = NULL;
    char one[BS_STATE_SECRET], same[BS_STATE_SECRET], another[BS_STATE_SECRET];

    REQUIRE(set_up() && bs_state_open(path, &other, &err) == BS_DONE);
    EXPECT_EQ(CODE(bs_state_secret(state, "a", one, &err)), BS_OK);
    EXPECT_EQ(CODE(bs_state_secret(other, "a", same, &err)), BS_OK);
    EXPECT_EQ(CODE(bs_state_secret(other, "b", another, &err)), BS_OK);
    EXPECT(strlen(one) == BS_STATE_SECRET - 1 && strcmp(one, same) == 0);
    EXPECT(strcmp(one, another) != 0);
    bs_state_close(&other);
    tear_down();
}

/* --- several gateways --- */

#define ONE   "01AAAAAAAAAAAAAAAAAAAAAAAA"
#define OTHER "01BBBBBBBBBBBBBBBBBBBBBBBB"

struct news {
    pthread_mutex_t lock;
    pthread_cond_t came;
    unsigned seen; /* 1 << enum bs_news */
    char ticket[64];
};

static void
take_news(void *ctx, enum bs_news what, const char *id)
{
    struct news *n = ctx;

    (void)pthread_mutex_lock(&n->lock);
    n->seen |= 1u << what;
    if (what == BS_NEWS_TICKET)
        (void)snprintf(n->ticket, sizeof(n->ticket), "%s", id);
    (void)pthread_cond_broadcast(&n->came);
    (void)pthread_mutex_unlock(&n->lock);
}

/* Whether it comes within five seconds; then it is forgotten. */
static bool
hears(struct news *n, enum bs_news what)
{
    struct timespec until;
    bool came;

    (void)clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += 5;
    (void)pthread_mutex_lock(&n->lock);
    while ((n->seen & (1u << what)) == 0 && pthread_cond_timedwait(&n->came, &n->lock, &until) == 0)
        ;
    came = (n->seen & (1u << what)) != 0;
    n->seen = 0;
    (void)pthread_mutex_unlock(&n->lock);
    return came;
}

static void
gateways_hear_of_each_other(void)
{
    struct news news = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0, ""};
    struct bs_err err = {0};
    struct bs_agent a = an_agent("a");
    struct bs_ticket t = a_ticket("T-1", IDENTITY), mine = a_ticket("T-2", IDENTITY2), got;
    struct bs_state *other = NULL;

    REQUIRE(set_up());
    REQUIRE(bs_state_join(state, ONE, take_news, &news, &err) == BS_DONE);
    EXPECT(bs_state_shared(state) && hears(&news, BS_NEWS_ALL));
    REQUIRE(bs_state_open(path, &other, &err) == BS_DONE);
    EXPECT_EQ(CODE(bs_state_ticket_open(other, &t, &arena, &got, &err)), BS_OK);
    EXPECT(hears(&news, BS_NEWS_TICKET) && strcmp(news.ticket, "T-1") == 0);
    got.state = BS_TICKET_APPROVED;
    EXPECT_EQ(CODE(bs_state_ticket_move(other, &got, &err)), BS_OK);
    EXPECT(hears(&news, BS_NEWS_TICKET));
    EXPECT_EQ(CODE(bs_state_ticket_open(state, &mine, &arena, &got, &err)), BS_OK); /* our own */
    EXPECT_EQ(CODE(bs_state_agent_add(other, &a, "me", &err)), BS_OK);
    EXPECT(hears(&news, BS_NEWS_CHANGE) && strcmp(news.ticket, "T-1") == 0);
    REQUIRE(server_run(&server, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                                " WHERE application_name = 'backstop/news'"));
    EXPECT(hears(&news, BS_NEWS_ALL)); /* what it has missed is not known */
    bs_state_close(&other);
    bs_state_leave(state);
    tear_down();
}

static void
one_has_a_lease(void)
{
    struct news news = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0, ""};
    struct bs_err err = {0};
    struct bs_state *other = NULL;
    bool mine;

    REQUIRE(set_up() && bs_state_open(path, &other, &err) == BS_DONE);
    REQUIRE(bs_state_join(state, ONE, take_news, &news, &err) == BS_DONE);
    REQUIRE(bs_state_join(other, OTHER, take_news, &news, &err) == BS_DONE);
    EXPECT(CODE(bs_state_lease(state, "x", 60000, &mine, &err)) == BS_OK && mine);
    EXPECT(CODE(bs_state_lease(other, "x", 60000, &mine, &err)) == BS_OK && !mine);
    EXPECT(CODE(bs_state_lease(state, "x", 60000, &mine, &err)) == BS_OK && mine); /* for longer */
    EXPECT_EQ(CODE(bs_state_lease_drop(other, "x", &err)), BS_OK);                 /* not its own */
    EXPECT(CODE(bs_state_lease(other, "x", 60000, &mine, &err)) == BS_OK && !mine);
    EXPECT(CODE(bs_state_lease(state, "x", 0, &mine, &err)) == BS_OK && mine); /* over at once */
    EXPECT(CODE(bs_state_lease(other, "x", 60000, &mine, &err)) == BS_OK && mine);
    bs_state_leave(other); /* what it has is anybody's */
    EXPECT(CODE(bs_state_lease(state, "x", 60000, &mine, &err)) == BS_OK && mine);
    bs_state_close(&other);
    tear_down();
}

static void
the_dead_leave_orphans(void)
{
    struct news news = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0, ""};
    struct bs_err err = {0};
    struct bs_ticket t = a_ticket("T-1", IDENTITY), got, *list;
    struct bs_state *other = NULL;
    size_t n;

    REQUIRE(set_up() && bs_state_open(path, &other, &err) == BS_DONE);
    REQUIRE(bs_state_join(state, ONE, take_news, &news, &err) == BS_DONE);
    REQUIRE(bs_state_join(other, OTHER, take_news, &news, &err) == BS_DONE);
    EXPECT_EQ(CODE(bs_state_ticket_open(other, &t, &arena, &got, &err)), BS_OK);
    got.state = BS_TICKET_RUNNING;
    EXPECT_EQ(CODE(bs_state_ticket_move(other, &got, &err)), BS_OK);
    EXPECT(CODE(bs_state_ticket_orphans(state, &arena, &list, &n, &err)) == BS_OK && n == 0);
    EXPECT(CODE(bs_state_bury(state, &n, &err)) == BS_OK && n == 0);
    bs_state_close(&other); /* as a process that is killed: it does not leave */
    REQUIRE(server_run(&server, "UPDATE backstop.leases SET until_us = 0"
                                " WHERE name = 'gateway:" OTHER "'"));
    REQUIRE(CODE(bs_state_ticket_orphans(state, &arena, &list, &n, &err)) == BS_OK && n == 1);
    EXPECT(strcmp(list[0].id, "T-1") == 0);
    EXPECT(CODE(bs_state_bury(state, &n, &err)) == BS_OK && n == 1);
    EXPECT(CODE(bs_state_bury(state, &n, &err)) == BS_OK && n == 0);
    tear_down();
}

/* Of a restore that is open, whether a gateway that lives is at it. */
static void
restores_elsewhere(void)
{
    struct news news = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0, ""};
    struct bs_restore_row *list, row = {.id = "RS-1", .open = true, .doc = "{}"};
    struct bs_err err = {0};
    struct bs_state *other = NULL;
    size_t n;

    REQUIRE(set_up() && bs_state_open(path, &other, &err) == BS_DONE);
    REQUIRE(bs_state_join(other, OTHER, take_news, &news, &err) == BS_DONE);
    EXPECT_EQ(CODE(bs_state_restore_put(other, &row, &err)), BS_OK);
    EXPECT(CODE(bs_state_restore_list(other, NULL, 9, &arena, &list, &n, &err)) == BS_OK && n == 1);
    EXPECT(!list[0].elsewhere);
    EXPECT(CODE(bs_state_restore_list(state, NULL, 9, &arena, &list, &n, &err)) == BS_OK && n == 1);
    EXPECT(list[0].elsewhere);
    bs_state_leave(other);
    EXPECT(CODE(bs_state_restore_list(state, NULL, 9, &arena, &list, &n, &err)) == BS_OK && n == 1);
    EXPECT(!list[0].elsewhere);
    bs_state_close(&other);
    tear_down();
}

static const struct tap_case of_sqlite[] = {
    {"the file is private, and one that is not is refused", opens_private_and_again},
    {"the file belongs to whom the folder belongs to", belongs_to_whom_the_folder_belongs},
    {"another program's or a newer file is refused", refuses_other_files},
    {"a file of the first version is migrated", first_version_is_migrated},
};

/* Of every backend. */
static const struct tap_case contract[] = {
    {"names", names},
    {"agents: add, get, list, rekey, revoke, again", agents},
    {"agents: altered, field by field", altered_agents},
    {"tokens: as many as may be, revoked, and gone with their agent", tokens},
    {"agents: what is malformed is refused", bad_agents},
    {"agents: quarantined and released", quarantine},
    {"what was blocked: put, list, drop, and a limit", blocked},
    {"glass: broken with its ticket, reviewed by another, once", glass},
    {"pauses: put, list, and lifted together with a quarantine", pauses},
    {"plans of restores: made, approved by another, used once", plans},
    {"plans of restores: approved by who was there", plans_are_approved_by_who_was_there},
    {"operators have changed, or have not", operators_have_changed},
    {"read and then written as one", reads_and_writes_as_one},
    {"restores over the API: put, listed newest first, dropped", restores},
    {"notifications: put for whom wants them, taken, given up, tried anew", notifications},
    {"notifications are bounded, and what was not kept is counted", notifications_are_bounded},
    {"who is who in Slack, and which message shows a ticket", slack_users},
    {"operators: token, role, revoke, ever", operators},
    {"operators: a new token, and an end", operators_in_time},
    {"operators: altered, field by field", operators_altered},
    {"roles: zero may nothing", roles},
    {"changes are written with what they tell, without secrets", changes_come_with_what_they_tell},
    {"tickets: every field comes back", tickets_keep_all_fields},
    {"tickets: open or find", tickets_open_or_find},
    {"tickets of one actor have a limit", tickets_of_one_actor_have_a_limit},
    {"tickets: of two changes one wins", tickets_compare_and_set},
    {"tickets: list, expire, denials", tickets_list_and_expire},
    {"tickets of long texts", tickets_of_long_texts},
    {"tickets that are long together", tickets_long_together},
    {"points: put, set, get, list", points},
    {"a secret is made once", secrets},
    {"the arena's ceiling is told", arena_ceiling_is_told},
    {"many processes create and write at once", many_processes_at_once},
};

static const struct tap_case of_postgres[] = {
    {"from here on in PostgreSQL", with_postgres},
    {"a schema of others, open to others, or newer is refused", refuses_other_schemas},
    {"a role with its own schema is enough", needs_little},
    {"a connection that was lost is made anew", is_connected_anew},
    {"of many gateways that decide one wins", of_many_gateways_one_wins},
    {"there is one writer at a time", waits_for_the_writer},
    {"gateways hear of each other", gateways_hear_of_each_other},
    {"one gateway at a time has a lease", one_has_a_lease},
    {"what dead gateways ran is nobody's", the_dead_leave_orphans},
    {"restores that another gateway is at", restores_elsewhere},
};

#define N(list) (sizeof(list) / sizeof((list)[0]))

static struct tap_case all_cases[N(of_sqlite) + 2 * N(contract) + N(of_postgres)];

int
main(void)
{
    bool both = server_find(&server);
    size_t n = 0;
    int failed;

    if (both && !server_start(&server))
        return 0;
    memcpy(all_cases, of_sqlite, sizeof(of_sqlite));
    memcpy(all_cases + (n += N(of_sqlite)), contract, sizeof(contract));
    n += N(contract);
    if (both) {
        memcpy(all_cases + n, of_postgres, sizeof(of_postgres));
        memcpy(all_cases + (n += N(of_postgres)), contract, sizeof(contract));
        n += N(contract);
    }
    failed = tap_main(all_cases, n);
    server_stop(&server);
    return failed;
}
