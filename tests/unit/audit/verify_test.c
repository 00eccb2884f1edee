/*
 * verify_test.c - whatever is done to a log afterwards shows.
 */
#include <stdlib.h>
#include <unistd.h>

#include "audit/chain.h"
#include "audit/record.h"
#include "audit/upload.h"
#include "audit/verify.h"
#include "base/arena.h"
#include "base/files.h"
#include "folder.h"
#include "tap.h"

#define ONE   "audit-000000000001.jsonl"
#define TWO   "audit-000000000004.jsonl"
#define DONE  "audit-000000000001.head" /* of the first file, which is finished */
#define LINES 5                         /* three in the first file, two in the second */

static char folder[64], key_file[72];
static struct bs_audit_key *key; /* the public half of that file */

static void
path_of(const char *name, char out[400])
{
    (void)snprintf(out, 400, "%s/%s", folder, name);
}

static void
make_log(void)
{
    struct bs_audit_options o = {.directory = folder, .key = key_file, .segment_bytes = 700};
    struct bs_audit_record r = {.kind = BS_AUDIT_JUDGED,
                                .actor = "agent",
                                .statement =
                                    BS_LIT_INIT("DELETE FROM \"t\" WHERE id = 1 -- \xc3\xa4"),
                                .risk = "HIGH",
                                .reasons = "[1,{\"a\":null}]",
                                .duration_us = 12};
    struct bs_err err = {0};
    struct bs_audit *a;

    (void)snprintf(folder, sizeof(folder), "/tmp/bs-verify-XXXXXX");
    REQUIRE(mkdtemp(folder) != NULL);
    (void)snprintf(key_file, sizeof(key_file), "%s.key", folder);
    REQUIRE(bs_audit_open(&o, &a, &err) == BS_DONE);
    REQUIRE(bs_audit_key_load(key_file, &key, &err) == BS_DONE);
    for (int i = 0; i < LINES; i++)
        EXPECT_EQ(bs_audit_write(a, &r, NULL, &err), BS_DONE);
    bs_audit_close(&a);
}

static void
remove_log(void)
{
    bs_audit_key_free(&key);
    EXPECT_EQ(unlink(key_file), 0);
    EXPECT(folder_remove(folder));
}

static void
load(const char *name, struct bs_buf *out)
{
    struct bs_err err = {0};
    char path[400];

    path_of(name, path);
    bs_buf_init(out, 1 << 20);
    EXPECT_EQ(bs_file_read(path, out, &err), BS_DONE);
}

/* Without the syncs of bs_file_replace: this runs thousands of times. */
static void
store(const char *name, struct bs_bytes content)
{
    char path[400];
    FILE *f;

    path_of(name, path);
    f = fopen(path, "w");
    EXPECT(f != NULL && fwrite(content.p, 1, content.n, f) == content.n);
    (void)fclose(f);
}

static struct bs_audit_verdict
verify(void)
{
    struct bs_audit_verdict v;
    struct bs_err err = {0};

    EXPECT_EQ(bs_audit_verify(folder, key, &v, &err), BS_DONE);
    return v;
}

/* And the gateway does not start on it. */
static void
opens_not(void)
{
    struct bs_audit_options o = {.directory = folder, .key = key_file};
    struct bs_err err = {0};
    struct bs_audit *a;

    EXPECT_EQ(bs_audit_open(&o, &a, &err), BS_FAILED);
    EXPECT_EQ(err.code, BS_E_DAMAGED);
    EXPECT(a == NULL);
}

static void
untouched(void)
{
    struct bs_audit_verdict v;

    make_log();
    v = verify();
    EXPECT(v.intact && v.records == LINES && v.files == 2 && v.last_seq == LINES);
    remove_log();
}

static void
every_byte_of(const char *name, uint8_t mask)
{
    struct bs_buf b;
    struct bs_audit_verdict v;

    load(name, &b);
    EXPECT(b.n > 100);
    for (size_t i = 0; i < b.n; i++) {
        b.p[i] ^= mask;
        store(name, bs_buf_view(&b));
        v = verify();
        EXPECT(!v.intact && v.breaks[0].why[0] != '\0' && v.breaks[0].file[0] != '\0');
        if (v.intact)
            printf("# byte %zu of %s\n", i, name);
        b.p[i] ^= mask;
    }
    store(name, bs_buf_view(&b));
    EXPECT(verify().intact);
    bs_buf_fini(&b);
}

static void
each_byte_flipped(void)
{
    static const char *const names[] = {ONE, TWO, "head.json", DONE};
    static const uint8_t masks[] = {0x01, 0x20, 0x80};

    make_log();
    for (size_t n = 0; n < sizeof(names) / sizeof(names[0]); n++) {
        for (size_t m = 0; m < sizeof(masks); m++)
            every_byte_of(names[n], masks[m]);
    }
    remove_log();
}

/* A log of many files: 3 lines each. */
static void
make_long_log(bool own_files)
{
    struct bs_audit_options o = {
        .directory = folder, .key = key_file, .segment_bytes = 700, .own_files = own_files};
    struct bs_audit_record r = {.kind = BS_AUDIT_NOTE,
                                .text =
                                    "a text that makes a line as long as the others are, or "
                                    "nearly so, so that three of them fill a file of 700 bytes"};
    struct bs_err err = {0};
    struct bs_audit *a;

    make_log();
    REQUIRE(bs_audit_open(&o, &a, &err) == BS_DONE);
    for (int i = 0; i < 16; i++)
        EXPECT_EQ(bs_audit_write(a, &r, NULL, &err), BS_DONE);
    bs_audit_close(&a);
}

/* The line of a byte; the first is 1. */
static uint64_t
line_of(const struct bs_buf *b, size_t at)
{
    uint64_t line = 1;

    for (size_t i = 0; i < at; i++)
        line += b->p[i] == '\n';
    return line;
}

/*
 * A byte at a random place of a random file of a longer log, as a disk or a hand changes it: found, and
 * named is its line, the one behind it, or what remembers the last line of its file.
 */
static void
random_bytes_are_located(void)
{
    enum { FLIPS = 300, FILES = 6 };
    struct bs_segments files = {0};
    struct bs_err err = {0};
    unsigned seed = 20261127;

    make_long_log(false);
    REQUIRE(bs_segments_list(folder, &files, &err) == BS_DONE && files.n > FILES);
    for (int i = 0; i < FLIPS; i++) {
        size_t f = (size_t)rand_r(&seed) % files.n;
        char name[BS_SEGMENT_NAME], head[BS_SEGMENT_NAME];
        struct bs_audit_verdict v;
        struct bs_buf b;
        size_t at;
        uint64_t line;
        uint8_t mask;
        bs_segment_name(files.first[f], name);
        bs_segment_head_name(files.first[f], head);
        load(name, &b);
        at = (size_t)rand_r(&seed) % b.n;
        line = line_of(&b, at);
        mask = (uint8_t)(1u << rand_r(&seed) % 8);
        b.p[at] ^= mask;
        store(name, bs_buf_view(&b));
        v = verify();
        EXPECT(!v.intact && v.n_breaks == 1);
        EXPECT(strcmp(v.breaks[0].file, head) == 0 ||
               (strcmp(v.breaks[0].file, name) == 0 &&
                (v.breaks[0].line == line || v.breaks[0].line == line + 1)));
        if (tap_misses != 0) {
            printf("# flip %d: byte %zu of %s, line %" PRIu64 "; said %s %" PRIu64 " %s\n", i, at,
                   name, line, v.breaks[0].file, v.breaks[0].line, v.breaks[0].why);
            break;
        }
        b.p[at] ^= mask;
        store(name, bs_buf_view(&b));
        bs_buf_fini(&b);
    }
    EXPECT(verify().intact);
    bs_segments_fini(&files);
    remove_log();
}

/* What follows moves up, so that also two lines become one. */
static void
each_byte_deleted(void)
{
    static const char *const names[] = {ONE, TWO, "head.json", DONE};

    make_log();
    for (size_t n = 0; n < sizeof(names) / sizeof(names[0]); n++) {
        struct bs_buf b, without;
        load(names[n], &b);
        bs_buf_init(&without, 1 << 20);
        for (size_t i = 0; i < b.n; i++) {
            without.n = 0;
            bs_put_bytes(&without, (struct bs_bytes){b.p, i});
            bs_put_bytes(&without, (struct bs_bytes){b.p + i + 1, b.n - i - 1});
            store(names[n], bs_buf_view(&without));
            if (verify().intact) {
                EXPECT(!"a deleted byte was not seen");
                printf("# byte %zu of %zu of %s\n", i, b.n, names[n]);
            }
        }
        store(names[n], bs_buf_view(&b));
        EXPECT(verify().intact);
        bs_buf_fini(&b);
        bs_buf_fini(&without);
    }
    remove_log();
}

/* Where each line begins; starts[n] is the end. */
static size_t
split(const struct bs_buf *b, size_t starts[LINES + 1])
{
    size_t n = 0;

    starts[0] = 0;
    for (size_t i = 0; i < b->n; i++) {
        if (b->p[i] == '\n')
            starts[++n] = i + 1;
    }
    return n;
}

static void
put_line(struct bs_buf *out, const struct bs_buf *b, const size_t starts[LINES + 1], size_t i)
{
    bs_put_bytes(out, (struct bs_bytes){b->p + starts[i], starts[i + 1] - starts[i]});
}

enum damage { DROP, SWAP, TWICE };

/* Line `at` is dropped, swapped with the next, or doubled. */
static void
damage(const char *name, enum damage how, size_t at, struct bs_audit_verdict *v)
{
    size_t starts[LINES + 1], n;
    struct bs_buf b, out;

    load(name, &b);
    bs_buf_init(&out, 1 << 20);
    n = split(&b, starts);
    for (size_t i = 0; i < n; i++) {
        if (how == SWAP && (i == at || i == at + 1))
            put_line(&out, &b, starts, i == at ? at + 1 : at);
        else if (how != DROP || i != at)
            put_line(&out, &b, starts, i);
        if (how == TWICE && i == at)
            put_line(&out, &b, starts, i);
    }
    store(name, bs_buf_view(&out));
    *v = verify();
    EXPECT(!v->intact);
    store(name, bs_buf_view(&b));
    bs_buf_fini(&out);
    bs_buf_fini(&b);
}

static void
lines_dropped_swapped_doubled(void)
{
    struct bs_audit_verdict v;

    make_log();
    for (size_t i = 0; i < 3; i++) {
        damage(ONE, DROP, i, &v);
        EXPECT(v.breaks[0].seq == i + 1);
        damage(ONE, TWICE, i, &v);
        EXPECT(v.breaks[0].seq == i + 2);
    }
    damage(ONE, DROP, 1, &v);
    EXPECT(strcmp(v.breaks[0].file, ONE) == 0 && v.breaks[0].line == 2 && v.breaks[0].seq == 2 &&
           v.records == 1);
    for (size_t i = 0; i < 2; i++) {
        damage(ONE, SWAP, i, &v);
        EXPECT(strcmp(v.breaks[0].file, ONE) == 0 && v.breaks[0].line == i + 1 &&
               v.breaks[0].seq == i + 1);
        damage(TWO, DROP, i, &v);
        damage(TWO, TWICE, i, &v);
    }
    damage(TWO, SWAP, 0, &v);
    EXPECT(strcmp(v.breaks[0].file, TWO) == 0 && v.breaks[0].line == 1 && v.breaks[0].seq == 4);
    EXPECT(verify().intact);
    remove_log();
}

static void
edit(const char *name, size_t at)
{
    struct bs_buf b;

    load(name, &b);
    b.p[at] ^= 1;
    store(name, bs_buf_view(&b));
    bs_buf_fini(&b);
}

/* Behind a break it goes on: an edit, a gap and an edit in three places are three breaks. */
static void
breaks_in_several_files(void)
{
    struct bs_segments files = {0};
    struct bs_audit_verdict v;
    struct bs_err err = {0};
    char name[BS_SEGMENT_NAME], last[BS_SEGMENT_NAME], path[400];

    make_long_log(false);
    REQUIRE(bs_segments_list(folder, &files, &err) == BS_DONE && files.n >= 6);
    edit(ONE, 200);
    bs_segment_name(files.first[2], name);
    path_of(name, path);
    EXPECT_EQ(unlink(path), 0);
    bs_segment_name(files.first[4], last);
    edit(last, 200);
    v = verify();
    EXPECT(!v.intact && v.n_breaks == 3 && v.records == 0 + v.breaks[0].seq - 1);
    EXPECT(strcmp(v.breaks[0].file, ONE) == 0);
    bs_segment_name(files.first[3], name);
    EXPECT(strcmp(v.breaks[1].file, name) == 0 && v.breaks[1].seq == files.first[2]);
    EXPECT(strstr(v.breaks[1].why, "are missing") != NULL);
    EXPECT(strcmp(v.breaks[2].file, last) == 0 && v.breaks[2].seq > files.first[4]);
    bs_segments_fini(&files);
    remove_log();
}

/* What a store has: finished files, no "head.json". */
static void
copies(void)
{
    struct bs_segments files = {0};
    struct bs_audit_verdict v;
    struct bs_err err = {0};
    char name[BS_SEGMENT_NAME], path[400];

    make_long_log(true);
    path_of("head.json", path);
    EXPECT_EQ(unlink(path), 0);
    EXPECT(!verify().intact);
    EXPECT(bs_audit_verify_copy(folder, key, &v, &err) == BS_DONE && v.intact && v.signatures);
    EXPECT_EQ(v.records, LINES + 16);
    REQUIRE(bs_segments_list(folder, &files, &err) == BS_DONE);
    bs_segment_name(files.first[files.n - 1], name);
    edit(name, 200);
    EXPECT(bs_audit_verify_copy(folder, key, &v, &err) == BS_DONE && !v.intact);
    EXPECT(strcmp(v.breaks[0].file, name) == 0);
    edit(name, 200);
    bs_segment_head_name(files.first[files.n - 1], name);
    path_of(name, path);
    EXPECT_EQ(unlink(path), 0);
    EXPECT(bs_audit_verify_copy(folder, key, &v, &err) == BS_DONE && !v.intact);
    bs_segments_fini(&files);
    remove_log();
}

/* A finished file stays as it was copied: the next process begins another. */
static void
finished_stays_finished(void)
{
    struct bs_audit_options o = {.directory = folder, .key = key_file, .own_files = true};
    struct bs_audit_record r = {.kind = BS_AUDIT_NOTE, .text = "one"};
    struct bs_backlog b = {0};
    struct bs_segments files = {0};
    struct bs_err err = {0};
    struct bs_audit *a;
    char one[BS_UPLOAD_FOLDER], two[BS_UPLOAD_FOLDER], head[BS_SEGMENT_NAME];

    make_log();
    for (int i = 0; i < 3; i++) {
        o.own_files = i != 1; /* also one who does not finish its own begins another */
        REQUIRE(bs_audit_open(&o, &a, &err) == BS_DONE);
        EXPECT_EQ(bs_audit_write(a, &r, NULL, &err), BS_DONE);
        bs_audit_close(&a);
    }
    REQUIRE(bs_segments_list(folder, &files, &err) == BS_DONE);
    EXPECT_EQ(files.n, 3); /* of make_log two; the last went on with, twice one of its own */
    EXPECT(verify().intact && verify().records == LINES + 3);
    bs_segment_head_name(files.first[files.n - 1], head);
    for (size_t at = 0; at < 300; at += 7) {
        edit(head, at);
        EXPECT(!verify().intact && strcmp(verify().breaks[0].file, head) == 0);
        edit(head, at);
    }
    bs_segments_fini(&files);
    REQUIRE(bs_backlog_look(folder, "here", &b, &err) == BS_DONE);
    EXPECT(b.files.n == 3 && b.files.first[0] == 1 && b.since_us != 0 && b.done == 0);
    EXPECT_EQ(bs_backlog_note(folder, "here", b.files.first[1], &err), BS_DONE);
    bs_segments_fini(&b.files);
    REQUIRE(bs_backlog_look(folder, "here", &b, &err) == BS_DONE);
    EXPECT(b.files.n == 1 && b.done != 0);
    bs_segments_fini(&b.files);
    REQUIRE(bs_backlog_look(folder, "elsewhere", &b, &err) == BS_DONE);
    EXPECT(b.files.n == 3);
    bs_segments_fini(&b.files);
    EXPECT(bs_backlog_folder(folder, "", one, &err) == BS_DONE);
    EXPECT(strncmp(one, "audit/gateway-", 14) == 0 && strlen(one) == 14 + 16);
    EXPECT(bs_backlog_folder(folder, "restore", two, &err) == BS_DONE);
    EXPECT(strncmp(two, "audit/restore-", 14) == 0);
    remove_log();
}

/* Old files are finished although nothing is recorded any more. */
static void
an_idle_log_turns(void)
{
    struct bs_audit_options o = {.directory = folder, .key = key_file, .segment_age_us = 1};
    struct bs_segments files = {0};
    struct bs_err err = {0};
    struct bs_audit *a;
    size_t before;

    make_log();
    REQUIRE(bs_segments_list(folder, &files, &err) == BS_DONE);
    before = files.n;
    bs_segments_fini(&files);
    REQUIRE(bs_audit_open(&o, &a, &err) == BS_DONE);
    bs_audit_turn(a);
    for (int i = 0; i < 500 && files.n <= before; i++) {
        usleep(10000);
        bs_segments_fini(&files);
        REQUIRE(bs_segments_list(folder, &files, &err) == BS_DONE);
    }
    EXPECT_EQ(files.n, before + 1);
    bs_segments_fini(&files);
    bs_audit_close(&a);
    EXPECT(verify().intact);
    remove_log();
}

static void
tail_cut_at_each_byte(void)
{
    struct bs_buf b;

    make_log();
    load(TWO, &b);
    for (size_t n = 0; n < b.n; n++) {
        struct bs_audit_verdict v;
        store(TWO, (struct bs_bytes){b.p, n});
        v = verify();
        EXPECT(!v.intact);
        EXPECT(v.records == (n < b.n / 2 ? 3 : 4));
    }
    store(TWO, (struct bs_bytes){b.p, b.n - 1});
    opens_not();
    store(TWO, bs_buf_view(&b));
    EXPECT(verify().intact);
    bs_buf_fini(&b);
    remove_log();
}

static void
files_removed(void)
{
    static const char *const names[] = {ONE, TWO, "head.json", DONE};

    make_log();
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        struct bs_buf b;
        char path[400];
        load(names[i], &b);
        path_of(names[i], path);
        EXPECT_EQ(unlink(path), 0);
        EXPECT(!verify().intact);
        if (i == 1 || i == 2) /* at start only the last files are looked at */
            opens_not();
        store(names[i], bs_buf_view(&b));
        bs_buf_fini(&b);
    }
    EXPECT(verify().intact);
    remove_log();
}

static void
everything_but_the_head_removed(void)
{
    char path[400];

    make_log();
    path_of(ONE, path);
    EXPECT_EQ(unlink(path), 0);
    path_of(TWO, path);
    EXPECT_EQ(unlink(path), 0);
    EXPECT(!verify().intact);
    opens_not();
    remove_log();
}

static void
last_line_edited(void)
{
    struct bs_buf b;
    struct bs_audit_verdict v;
    uint8_t *at;

    make_log();
    load(TWO, &b);
    at = memmem(b.p + b.n / 2, b.n - b.n / 2, "HIGH", 4);
    REQUIRE(at != NULL);
    memcpy(at, "SAFE", 4);
    store(TWO, bs_buf_view(&b));
    v = verify();
    EXPECT(!v.intact && strcmp(v.breaks[0].file, TWO) == 0 && v.breaks[0].line == 2 &&
           v.breaks[0].seq == 5);
    opens_not();
    bs_buf_fini(&b);
    remove_log();
}

/* The same log as somebody else would write it: every line and every head fits the next. */
static void
forge(const char *with)
{
    struct bs_audit_options o = {.directory = folder, .key = with, .segment_bytes = 700};
    struct bs_audit_record r = {.kind = BS_AUDIT_JUDGED, .risk = "SAFE"};
    struct bs_err err = {0};
    struct bs_audit *a;

    EXPECT(folder_remove(folder));
    REQUIRE(bs_audit_open(&o, &a, &err) == BS_DONE);
    for (int i = 0; i < 12; i++)
        EXPECT_EQ(bs_audit_write(a, &r, NULL, &err), BS_DONE);
    bs_audit_close(&a);
}

static void
forged_without_the_key(void)
{
    struct bs_audit_verdict v;
    struct bs_err err = {0};
    char other[80];

    make_log();
    forge(NULL);
    EXPECT_EQ(bs_audit_verify(folder, NULL, &v, &err), BS_DONE);
    EXPECT(v.intact && !v.signatures);
    v = verify();
    EXPECT(!v.intact && strcmp(v.breaks[0].file, DONE) == 0 &&
           strstr(v.breaks[0].why, "missing") != NULL);
    opens_not();
    (void)snprintf(other, sizeof(other), "%s.other", folder);
    forge(other);
    v = verify();
    EXPECT(!v.intact && strcmp(v.breaks[0].file, DONE) == 0 &&
           strstr(v.breaks[0].why, "another key") != NULL);
    opens_not();
    EXPECT_EQ(unlink(other), 0);
    remove_log();
}

/* A head that says it is ours, but is signed by nobody. */
static void
head_made_up(void)
{
    struct bs_buf b;
    struct bs_audit_verdict v;
    uint8_t *at;

    make_log();
    load("head.json", &b);
    at = memmem(b.p, b.n, "\"sig\":\"", 7);
    REQUIRE(at != NULL);
    memset(at + 7, '0', 128);
    store("head.json", bs_buf_view(&b));
    v = verify();
    EXPECT(!v.intact && strcmp(v.breaks[0].file, "head.json") == 0 && v.breaks[0].seq == LINES);
    EXPECT(strstr(v.breaks[0].why, "wrong signature") != NULL);
    opens_not();
    bs_buf_fini(&b);
    remove_log();
}

static void
key_is_lost(void)
{
    struct bs_audit_key *another = NULL;
    struct bs_audit_options o = {.directory = folder, .key = key_file};
    struct bs_err err = {0};
    struct bs_audit *a;

    make_log();
    EXPECT_EQ(unlink(key_file), 0);
    EXPECT_EQ(bs_audit_open(&o, &a, &err), BS_FAILED);
    EXPECT_EQ(err.code, BS_E_NOT_FOUND);
    EXPECT(access(key_file, F_OK) != 0); /* none is made in its place */
    EXPECT(verify().intact);
    err = (struct bs_err){0};
    EXPECT_EQ(bs_audit_key_make(key_file, &another, &err), BS_DONE);
    opens_not();
    bs_audit_key_free(&another);
    remove_log();
}

static const struct tap_case cases[] = {
    {"an untouched log is intact", untouched},
    {"each byte of each file, flipped in three ways", each_byte_flipped},
    {"random bytes of a long log are located", random_bytes_are_located},
    {"breaks in several files", breaks_in_several_files},
    {"copies without a head of the whole", copies},
    {"finished stays finished", finished_stays_finished},
    {"an idle log turns", an_idle_log_turns},
    {"each byte of each file, deleted", each_byte_deleted},
    {"lines dropped, swapped, doubled", lines_dropped_swapped_doubled},
    {"the tail cut at each byte", tail_cut_at_each_byte},
    {"a file removed", files_removed},
    {"all but the head removed", everything_but_the_head_removed},
    {"the last line edited", last_line_edited},
    {"a whole log forged without the key", forged_without_the_key},
    {"a head with a made-up signature", head_made_up},
    {"the key is lost", key_is_lost},
};

int
main(void)
{
    return tap_main(cases, sizeof(cases) / sizeof(cases[0]));
}
