/*
 * changes_test.c - what the command line did to agents and operators reaches the audit.
 */
#include <stdlib.h>

#include "approval/changes.h"
#include "base/files.h"
#include "folder.h"
#include "tap.h"

static char folder[64];

static void
path_of(const char *name, char out[400])
{
    (void)snprintf(out, 400, "%s/%s", folder, name);
}

static void
tear_down(void)
{
    EXPECT(folder_remove(folder));
}

static void
moved_once_and_in_order(void)
{
    const char *databases[] = {"app"};
    struct bs_agent a = {.databases = databases,
                         .n_databases = 1,
                         .verifier = "SCRAM-SHA-256$4096:c2FsdA==$a2V5:a2V5"};
    struct bs_audit_options o = {.directory = folder};
    struct bs_state *state = NULL;
    struct bs_audit *audit = NULL;
    struct bs_err err = {0};
    struct bs_buf log;
    char path[400], name[16];
    size_t n;

    (void)snprintf(folder, sizeof(folder), "/tmp/bs-changes-XXXXXX");
    REQUIRE(mkdtemp(folder) != NULL);
    path_of("state.db", path);
    REQUIRE(bs_state_open(path, &state, &err) == BS_DONE);
    for (unsigned i = 0; i < 150; i++) { /* more than are taken at once */
        (void)snprintf(name, sizeof(name), "agent-%u", i % 1000);
        a.name = name;
        EXPECT_EQ(bs_state_agent_add(state, &a, "local:me", &err), BS_DONE);
    }
    REQUIRE(bs_audit_open(&o, &audit, &err) == BS_DONE);
    EXPECT_EQ(bs_changes_record(state, audit, &n, &err), BS_DONE);
    EXPECT_EQ(n, 150);
    EXPECT_EQ(bs_changes_record(state, audit, &n, &err), BS_DONE);
    EXPECT_EQ(n, 0);
    EXPECT_EQ(bs_audit_seq(audit), 150);
    bs_audit_close(&audit);
    bs_state_close(&state);
    path_of("audit-000000000001.jsonl", path);
    bs_buf_init(&log, 1 << 20);
    EXPECT_EQ(bs_file_read(path, &log, &err), BS_DONE);
    bs_put_u8(&log, 0);
    EXPECT(strstr((const char *)log.p, "\"operator\":\"local:me\",\"action\":\"agent.add\","
                                       "\"subject\":\"agent-0\"") != NULL);
    EXPECT(strstr((const char *)log.p, "SCRAM") == NULL);
    bs_buf_fini(&log);
    tear_down();
}

/* An operator's words are as long as a request may be: whatever is left of them is moved, too. */
static void
long_words_hold_nothing_up(void)
{
    struct bs_pause pause = {.scope = BS_PAUSE_EVERYTHING, .by = "operator:kim"};
    struct bs_audit_options o = {.directory = folder};
    struct bs_state *state = NULL;
    struct bs_audit *audit = NULL;
    struct bs_err err = {0};
    size_t words = 1000000, n;
    char path[400], *reason = malloc(words + 1);

    (void)snprintf(folder, sizeof(folder), "/tmp/bs-changes-XXXXXX");
    REQUIRE(mkdtemp(folder) != NULL && reason != NULL);
    memset(reason, '"', words);
    reason[words] = '\0';
    pause.reason = reason;
    path_of("state.db", path);
    REQUIRE(bs_state_open(path, &state, &err) == BS_DONE);
    for (int i = 0; i < 12; i++)
        EXPECT_EQ(bs_state_pause_put(state, &pause, &err), BS_DONE);
    REQUIRE(bs_audit_open(&o, &audit, &err) == BS_DONE);
    EXPECT_EQ(bs_changes_record(state, audit, &n, &err), BS_DONE);
    EXPECT_EQ(n, 12);
    EXPECT_EQ(bs_audit_seq(audit), 12);
    bs_audit_close(&audit);
    bs_state_close(&state);
    free(reason);
    tear_down();
}

static const struct tap_case cases[] = {
    {"changes are moved once and in order", moved_once_and_in_order},
    {"long words of operators hold nothing up", long_words_hold_nothing_up},
};

int
main(void)
{
    return tap_main(cases, sizeof(cases) / sizeof(cases[0]));
}
