/*
 * logs_test.c - several logs in one directory, read as one.
 */
#include "audit/logs.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "audit/record.h"
#include "folder.h"
#include "tap.h"

static char folder[64], inner[80];
static struct bs_audit *own, *other;

static void
begin(const char *directory, struct bs_audit **out)
{
    struct bs_audit_options o = {.directory = directory, .segment_bytes = 500};
    struct bs_err err = {0};

    REQUIRE(bs_audit_open(&o, out, &err) == BS_DONE);
}

static void
note(struct bs_audit *log, const char *text)
{
    struct bs_audit_record r = {.kind = BS_AUDIT_NOTE, .text = text};
    struct bs_err err = {0};

    EXPECT_EQ(bs_audit_write(log, &r, NULL, &err), BS_DONE);
    (void)usleep(2000); /* so that times differ */
}

static void
set_up(void)
{
    (void)snprintf(folder, sizeof(folder), "/tmp/bs-logs-XXXXXX");
    REQUIRE(mkdtemp(folder) != NULL);
    (void)snprintf(inner, sizeof(inner), "%s/restore", folder);
    begin(folder, &own);
}

static void
tear_down(void)
{
    bs_audit_close(&own);
    bs_audit_close(&other);
    if (access(inner, F_OK) == 0)
        EXPECT(folder_remove(inner));
    EXPECT(folder_remove(folder));
}

/* The next line has that text and comes from that log; NULL: there is none. */
static bool
next_is(struct bs_audit_reader *r, const char *log, const char *text)
{
    struct bs_bytes line;
    struct bs_err err = {0};
    const char *from = NULL;
    char want[64];
    enum bs_tail got = bs_audit_reader_next(r, &line, &from, &err);

    if (text == NULL)
        return got == BS_TAIL_END;
    (void)snprintf(want, sizeof(want), "\"text\":\"%s\"", text);
    return got == BS_TAIL_LINE && strcmp(from, log) == 0 &&
           memmem(line.p, line.n, want, strlen(want)) != NULL;
}

static void
folders_with_a_log_are_listed(void)
{
    struct bs_audit_logs l;
    struct bs_err err = {0};
    char path[100];

    set_up();
    (void)snprintf(path, sizeof(path), "%s/empty", folder);
    EXPECT_EQ(mkdir(path, 0700), 0);
    EXPECT_EQ(bs_audit_logs_list(folder, &l, &err), BS_DONE);
    EXPECT(l.n == 1 && l.names[0][0] == '\0');
    bs_audit_logs_fini(&l);
    begin(inner, &other);
    EXPECT_EQ(bs_audit_logs_list(folder, &l, &err), BS_DONE);
    EXPECT(l.n == 2 && l.names[0][0] == '\0' && strcmp(l.names[1], "restore") == 0);
    bs_audit_logs_fini(&l);
    /* A directory whose own log is gone is not made good by another's. */
    EXPECT_EQ(bs_audit_logs_list(path, &l, &err), BS_FAILED);
    EXPECT_EQ(err.code, BS_E_NOT_FOUND);
    bs_audit_logs_fini(&l);
    EXPECT_EQ(rmdir(path), 0);
    tear_down();
}

static void
lines_come_in_the_order_of_their_times(void)
{
    static const struct {
        const char *log, *text;
    } all[] = {{"", "a \\\"at\\\":\\\"0\\\""},
               {"restore", "b"},
               {"restore", "c"},
               {"", "d"},
               {"restore", "e"},
               {"", "f"}};
    enum { N = sizeof(all) / sizeof(all[0]) };
    static const char *const written[N] = {"a \"at\":\"0\"", "b", "c", "d", "e", "f"};
    struct bs_audit_reader *r;
    struct bs_err err = {0};

    set_up();
    begin(inner, &other);
    for (size_t i = 0; i < N; i++)
        note(all[i].log[0] == '\0' ? own : other, written[i]);
    for (uint64_t lines = 0; lines <= N + 1; lines++) {
        size_t from = lines > N ? 0 : N - (size_t)lines;
        REQUIRE(bs_audit_reader_open(folder, lines, &r, &err) == BS_DONE);
        for (size_t i = from; i < N; i++)
            EXPECT(next_is(r, all[i].log, all[i].text));
        EXPECT(next_is(r, NULL, NULL));
        bs_audit_reader_close(&r);
    }
    tear_down();
}

static void
what_comes_later_is_found(void)
{
    struct bs_audit_reader *r;
    struct bs_err err = {0};

    set_up();
    note(own, "a");
    REQUIRE(bs_audit_reader_open(folder, 0, &r, &err) == BS_DONE);
    EXPECT(next_is(r, NULL, NULL));
    note(own, "b");
    EXPECT(next_is(r, "", "b"));
    EXPECT(next_is(r, NULL, NULL));
    /* Also of a log that begins only now. */
    begin(inner, &other);
    note(other, "c");
    EXPECT(next_is(r, NULL, NULL)); /* found; read at the next look */
    EXPECT(next_is(r, "restore", "c"));
    note(own, "d");
    note(other, "e");
    EXPECT(next_is(r, "", "d"));
    EXPECT(next_is(r, "restore", "e"));
    EXPECT(next_is(r, NULL, NULL));
    bs_audit_reader_close(&r);
    tear_down();
}

int
main(void)
{
    static const struct tap_case cases[] = {
        {"folders with a log are listed", folders_with_a_log_are_listed},
        {"lines come in the order of their times", lines_come_in_the_order_of_their_times},
        {"what comes later is found", what_comes_later_is_found},
    };

    return tap_main(cases, sizeof(cases) / sizeof(cases[0]));
}
