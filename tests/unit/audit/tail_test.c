/*
 * tail_test.c - the last lines, over files, and what comes after them.
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "audit/record.h"
#include "audit/tail.h"
#include "tap.h"

static char folder[64];
static struct bs_audit *audit;

static void
set_up(int records)
{
    struct bs_audit_options o = {.directory = folder, .segment_bytes = 400};
    struct bs_audit_record r = {.kind = BS_AUDIT_NOTE, .text = "some text"};
    struct bs_err err = {0};

    (void)snprintf(folder, sizeof(folder), "/tmp/bs-tail-XXXXXX");
    REQUIRE(mkdtemp(folder) != NULL);
    REQUIRE(bs_audit_open(&o, &audit, &err) == BS_DONE);
    for (int i = 0; i < records; i++)
        EXPECT_EQ(bs_audit_write(audit, &r, NULL, &err), BS_DONE);
}

static void
tear_down(void)
{
    DIR *dir = opendir(folder);
    struct dirent *e;
    char path[400];

    bs_audit_close(&audit);
    while (dir != NULL && (e = readdir(dir)) != NULL) {
        (void)snprintf(path, sizeof(path), "%s/%s", folder, e->d_name);
        (void)unlink(path);
    }
    (void)closedir(dir);
    EXPECT_EQ(rmdir(folder), 0);
}

/* The next line has that seq; 0: there is none. */
static bool
next_is(struct bs_audit_tail *t, unsigned seq)
{
    struct bs_bytes line;
    struct bs_err err = {0};
    char want[32];
    enum bs_tail got = bs_audit_tail_next(t, &line, &err);
    int n = snprintf(want, sizeof(want), "{\"seq\":%u,", seq);

    if (seq == 0)
        return got == BS_TAIL_END;
    return got == BS_TAIL_LINE && line.n > (size_t)n && memcmp(line.p, want, (size_t)n) == 0 &&
           line.p[line.n - 1] == '}';
}

static void
last_lines_over_files(void)
{
    static const unsigned asked[] = {0, 1, 2, 3, 4, 9, 10, 11, 1000};

    set_up(10);
    for (size_t i = 0; i < sizeof(asked) / sizeof(asked[0]); i++) {
        unsigned first = asked[i] >= 10 ? 1 : 11 - asked[i];
        struct bs_audit_tail *t;
        struct bs_err err = {0};
        REQUIRE(bs_audit_tail_open(folder, asked[i], &t, &err) == BS_DONE);
        for (unsigned seq = first; seq <= 10; seq++)
            EXPECT(next_is(t, seq));
        EXPECT(next_is(t, 0));
        bs_audit_tail_close(&t);
    }
    tear_down();
}

static void
follows_into_new_files(void)
{
    struct bs_audit_record r = {.kind = BS_AUDIT_NOTE, .text = "some text"};
    struct bs_audit_tail *t;
    struct bs_err err = {0};

    set_up(1);
    REQUIRE(bs_audit_tail_open(folder, 1, &t, &err) == BS_DONE);
    EXPECT(next_is(t, 1));
    EXPECT(next_is(t, 0));
    for (unsigned seq = 2; seq < 20; seq++) {
        EXPECT_EQ(bs_audit_write(audit, &r, NULL, &err), BS_DONE);
        if (seq % 5 != 0)
            continue;
        for (unsigned s = seq - (seq == 5 ? 3 : 4); s <= seq; s++)
            EXPECT(next_is(t, s));
        EXPECT(next_is(t, 0));
    }
    bs_audit_tail_close(&t);
    tear_down();
}

static void
half_a_line_waits(void)
{
    struct bs_audit_tail *t;
    struct bs_err err = {0};
    char path[400];
    int fd;

    set_up(1);
    (void)snprintf(path, sizeof(path), "%s/audit-000000000001.jsonl", folder);
    REQUIRE(bs_audit_tail_open(folder, 0, &t, &err) == BS_DONE);
    fd = open(path, O_WRONLY | O_APPEND);
    EXPECT(write(fd, "{\"seq\":2,", 9) == 9);
    EXPECT(next_is(t, 0));
    EXPECT(write(fd, "\"x\":1}\n", 7) == 7);
    EXPECT(next_is(t, 2));
    close(fd);
    bs_audit_tail_close(&t);
    tear_down();
}

static void
nothing_there(void)
{
    struct bs_audit_tail *t;
    struct bs_err err = {0};

    EXPECT_EQ(bs_audit_tail_open("/nowhere/at/all", 1, &t, &err), BS_FAILED);
    EXPECT_EQ(err.code, BS_E_NOT_FOUND);
    EXPECT(t == NULL);
}

static const struct tap_case cases[] = {
    {"the last lines, over files", last_lines_over_files},
    {"follows into new files", follows_into_new_files},
    {"half a line waits for its rest", half_a_line_waits},
    {"nothing there", nothing_there},
};

int
main(void)
{
    return tap_main(cases, sizeof(cases) / sizeof(cases[0]));
}
