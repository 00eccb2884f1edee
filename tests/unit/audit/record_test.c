/*
 * record_test.c - records become lines of a chain, durable or not done at all.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "audit/digest.h"
#include "audit/line.h"
#include "audit/record.h"
#include "audit/verify.h"
#include "base/files.h"
#include "folder.h"
#include "tap.h"

static char folder[64];
static atomic_int syncs;       /* calls of fdatasync */
static atomic_bool sync_fails; /* and whether they fail from now on */

/* Takes the place of the system's, so that a disk that fails late can be tried. */
int
fdatasync(int fd)
{
    (void)atomic_fetch_add(&syncs, 1);
    if (atomic_load(&sync_fails)) {
        errno = EIO;
        return -1;
    }
    return fsync(fd);
}

static void
set_up(void)
{
    (void)snprintf(folder, sizeof(folder), "/tmp/bs-audit-XXXXXX");
    EXPECT(mkdtemp(folder) != NULL);
}

static void
path_of(const char *name, char out[400])
{
    (void)snprintf(out, 400, "%s/%s", folder, name);
}

/* Names with that prefix; the last one in `name`. */
static int
count_files(const char *prefix, char name[256])
{
    DIR *dir = opendir(folder);
    struct dirent *e;
    int n = 0;

    while (dir != NULL && (e = readdir(dir)) != NULL) {
        if (strncmp(e->d_name, prefix, strlen(prefix)) != 0)
            continue;
        (void)snprintf(name, 256, "%s", e->d_name);
        n++;
    }
    (void)closedir(dir);
    return n;
}

static void
tear_down(void)
{
    EXPECT(folder_remove(folder));
}

static struct bs_audit *
open_log(uint64_t segment_bytes, size_t queue_bytes, enum bs_code want)
{
    struct bs_audit_options o = {
        .directory = folder, .segment_bytes = segment_bytes, .queue_bytes = queue_bytes};
    struct bs_audit *a = NULL;
    struct bs_err err = {0};
    enum bs_done done = bs_audit_open(&o, &a, &err);

    EXPECT_EQ(done, want == BS_OK ? BS_DONE : BS_FAILED);
    EXPECT_EQ(err.code, want);
    if (err.code != want)
        printf("# %s\n", err.message);
    return a;
}

static uint64_t
write_one(struct bs_audit *a, const char *text)
{
    struct bs_audit_record r = {.kind = BS_AUDIT_NOTE, .text = text};
    struct bs_err err = {0};
    uint64_t seq = 0;

    EXPECT_EQ(bs_audit_write(a, &r, &seq, &err), BS_DONE);
    return seq;
}

static struct bs_audit_verdict
verify(void)
{
    struct bs_audit_verdict v;
    struct bs_err err = {0};

    EXPECT_EQ(bs_audit_verify(folder, NULL, &v, &err), BS_DONE);
    return v;
}

/* --- lines --- */

static json_t *
line_of(const struct bs_audit_record *r)
{
    struct bs_buf out;
    json_t *root;

    bs_buf_init(&out, 1 << 20);
    bs_put_u8(&out, '{');
    bs_audit_line(r, &out);
    EXPECT(!out.failed);
    EXPECT(memchr(out.p, '\n', out.n) == NULL && memchr(out.p, 0x7f, out.n) == NULL);
    root = json_loadb((const char *)out.p, out.n, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, NULL);
    EXPECT(root != NULL);
    bs_buf_fini(&out);
    return root;
}

static bool
has(json_t *root, const char *key, const char *want)
{
    const char *got = json_string_value(json_object_get(root, key));

    if (got != NULL && strcmp(got, want) == 0)
        return true;
    printf("# %s is %s\n", key, got == NULL ? "not there" : got);
    return false;
}

/* What was made once for many lines stands in each as if it was made for it. */
static void
who_is_made_once(void)
{
    struct bs_audit_record r = {.kind = BS_AUDIT_JUDGED,
                                .at_us = 1000001,
                                .actor = "a \"quoted\"",
                                .group = "g",
                                .owner = "o",
                                .database = "d",
                                .role = "r",
                                .session = "s",
                                .client = "c",
                                .application = "p\xff",
                                .claims = "{\"run\":\"r1\"}",
                                .statement = BS_LIT_INIT("SELECT 1"),
                                .risk = "SAFE"};
    struct bs_buf who, one, other;

    bs_buf_init(&who, 1 << 16);
    bs_buf_init(&one, 1 << 16);
    bs_buf_init(&other, 1 << 16);
    bs_audit_line(&r, &one);
    bs_audit_who(&r, &who);
    r.who = bs_buf_view(&who);
    r.actor = r.client = r.claims = NULL; /* not looked at any more */
    bs_audit_line(&r, &other);
    EXPECT(!who.failed && one.n == other.n && memcmp(one.p, other.p, one.n) == 0);
    bs_buf_fini(&who);
    bs_buf_fini(&one);
    bs_buf_fini(&other);
}

static void
every_field(void)
{
    const struct bs_audit_effect effects[] = {{"DELETE", "public.t", 5}, {"TRUNCATE", "s.u", -1}};
    const struct bs_audit_record r = {.kind = BS_AUDIT_JUDGED,
                                      .at_us = 1000001,
                                      .actor = "a",
                                      .owner = "o",
                                      .operator_ = "k",
                                      .database = "d",
                                      .role = "r",
                                      .session = "s",
                                      .client = "c",
                                      .application = "p",
                                      .ticket = "T",
                                      .point = "P",
                                      .statement = BS_LIT_INIT("DELETE FROM t"),
                                      .params = "$1 = 1",
                                      .statement_kind = "DELETE",
                                      .risk = "HIGH",
                                      .decision = "approve",
                                      .rule = "ru",
                                      .policy = "dig",
                                      .reasons = "[\"x\"]",
                                      .effects = effects,
                                      .n_effects = 2,
                                      .outcome = "done",
                                      .sqlstate = "00000",
                                      .tag = "DELETE 5",
                                      .duration_us = 7,
                                      .action = "act",
                                      .subject = "sub",
                                      .detail = "{\"a\":\n1}",
                                      .text = "tx"};
    static const char *const want[][2] = {{"at", "1970-01-01T00:00:01.000001Z"},
                                          {"kind", "judged"},
                                          {"actor", "a"},
                                          {"owner", "o"},
                                          {"operator", "k"},
                                          {"database", "d"},
                                          {"role", "r"},
                                          {"session", "s"},
                                          {"client", "c"},
                                          {"application", "p"},
                                          {"ticket", "T"},
                                          {"point", "P"},
                                          {"statement", "DELETE FROM t"},
                                          {"params", "$1 = 1"},
                                          {"statement_kind", "DELETE"},
                                          {"risk", "HIGH"},
                                          {"decision", "approve"},
                                          {"rule", "ru"},
                                          {"policy", "dig"},
                                          {"outcome", "done"},
                                          {"sqlstate", "00000"},
                                          {"tag", "DELETE 5"},
                                          {"action", "act"},
                                          {"subject", "sub"},
                                          {"text", "tx"}};
    json_t *root = line_of(&r);
    json_t *list = json_object_get(root, "effects");

    for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++)
        EXPECT(has(root, want[i][0], want[i][1]));
    EXPECT_EQ(json_array_size(json_object_get(root, "reasons")), 1);
    EXPECT_EQ(json_integer_value(json_object_get(root, "duration_us")), 7);
    EXPECT_EQ(json_integer_value(json_object_get(json_object_get(root, "detail"), "a")), 1);
    EXPECT_EQ(json_array_size(list), 2);
    EXPECT_EQ(json_integer_value(json_object_get(json_array_get(list, 0), "rows")), 5);
    EXPECT(json_object_get(json_array_get(list, 1), "rows") == NULL);
    EXPECT_EQ(json_object_size(root), 29);
    json_decref(root);
}

static void
empty_fields_are_left_out(void)
{
    const struct bs_audit_record r = {.kind = BS_AUDIT_CONFIG, .actor = ""};
    json_t *root = line_of(&r);

    EXPECT_EQ(json_object_size(root), 2);
    json_decref(root);
}

static void
hostile_texts(void)
{
    struct bs_audit_record r = {.kind = BS_AUDIT_JUDGED,
                                .actor = "a\"b\\c\n\r\t\x01\x7f\xe2\x98\x83",
                                .owner = "bad \xff\xc3",
                                .role = "\xc3\xa9t\xc3\xa9 \"caf\xc3\xa9\" fin",
                                .client = "\xff"
                                          "in\nbetween\xfe"
                                          "and after",
                                .reasons = "not json\n",
                                .statement = BS_LIT_INIT("a\0b\n")};
    json_t *root = line_of(&r), *sql = json_object_get(root, "statement");

    EXPECT(has(root, "actor", r.actor));
    EXPECT(has(root, "owner", "bad \xef\xbf\xbd\xef\xbf\xbd"));
    EXPECT(has(root, "role", r.role));
    EXPECT(has(root, "client",
               "\xef\xbf\xbdin\nbetween\xef\xbf\xbd"
               "and after"));
    EXPECT(has(root, "reasons", "not json\n"));
    EXPECT(json_string_length(sql) == 4 && memcmp(json_string_value(sql), "a\0b\n", 4) == 0);
    json_decref(root);
    r.statement = BS_LIT("\xff\xfe"
                         "a");
    root = line_of(&r);
    EXPECT(json_object_get(root, "statement") == NULL);
    EXPECT(has(root, "statement_base64", "//5h"));
    json_decref(root);
}

/* Eight bytes are looked at at once: each byte at each place of a text longer than that. */
static void
every_byte_at_every_place(void)
{
    for (int c = 1; c < 256; c++) {
        for (size_t at = 0; at < 19; at++) {
            char text[] = "0123456789abcdefghi", want[64];
            struct bs_audit_record r = {.kind = BS_AUDIT_NOTE, .actor = text};
            json_t *root;
            text[at] = (char)c;
            (void)snprintf(want, sizeof(want), "%.*s%s%s", (int)at, text,
                           c < 0x80 ? (char[]){(char)c, 0} : "\xef\xbf\xbd", text + at + 1);
            root = line_of(&r); /* a control character as it is would be no JSON */
            EXPECT(has(root, "actor", want));
            json_decref(root);
        }
    }
}

/* --- the log --- */

static void
goes_on_after_reopen(void)
{
    struct bs_audit *a;
    struct bs_audit_verdict v;
    struct bs_err err = {0};
    struct stat st;
    char path[400];

    set_up();
    EXPECT_EQ(bs_audit_verify(folder, NULL, &v, &err), BS_FAILED);
    EXPECT_EQ(err.code, BS_E_NOT_FOUND);
    a = open_log(0, 0, BS_OK);
    EXPECT_EQ(write_one(a, "one"), 1);
    EXPECT_EQ(write_one(a, "two"), 2);
    EXPECT_EQ(bs_audit_seq(a), 2);
    v = verify(); /* while it is open */
    EXPECT(v.intact && v.records == 2);
    bs_audit_close(&a);
    EXPECT(a == NULL);
    a = open_log(0, 0, BS_OK);
    EXPECT_EQ(write_one(a, "three"), 3);
    bs_audit_close(&a);
    v = verify();
    EXPECT(v.intact && v.records == 3 && v.last_seq == 3 && v.files == 1 && !v.torn);
    path_of("audit-000000000001.jsonl", path);
    EXPECT(stat(path, &st) == 0 && (st.st_mode & 0777) == 0600);
    tear_down();
}

static void
no_kind_is_refused(void)
{
    struct bs_audit_record r = {.text = "x"};
    struct bs_err err = {0};
    struct bs_audit *a;

    set_up();
    a = open_log(0, 0, BS_OK);
    EXPECT_EQ(bs_audit_write(a, &r, NULL, &err), BS_FAILED);
    EXPECT_EQ(err.code, BS_E_DATA);
    err = (struct bs_err){0};
    EXPECT_EQ(bs_audit_enqueue(a, &r, &err), BS_FAILED);
    EXPECT_EQ(err.code, BS_E_DATA);
    bs_audit_close(&a);
    tear_down();
}

static void
one_process_at_a_time(void)
{
    struct bs_audit *a, *b;

    set_up();
    a = open_log(0, 0, BS_OK);
    b = open_log(0, 0, BS_E_UNAVAILABLE);
    EXPECT(b == NULL);
    bs_audit_close(&a);
    a = open_log(0, 0, BS_OK);
    bs_audit_close(&a);
    tear_down();
}

/* Where the log keeps values out, nothing comes in that nobody has looked through. */
static void
values_stay_out(void)
{
    char key[400];
    struct bs_audit_options o = {
        .directory = folder, .redact = BS_AUDIT_REDACT_LITERALS, .redact_key = key};
    struct bs_audit_record bare = {.kind = BS_AUDIT_JUDGED, .statement = BS_LIT("SELECT 7")};
    struct bs_audit_record bound = {.kind = BS_AUDIT_JUDGED, .params = "$1 = 7"};
    struct bs_audit_record clean = {
        .kind = BS_AUDIT_JUDGED, .statement = BS_LIT("SELECT '~'"), .redacted = true};
    struct bs_err err = {0};
    struct bs_audit *a;

    set_up();
    path_of("redact.key", key);
    REQUIRE(bs_audit_open(&o, &a, &err) == BS_DONE);
    EXPECT_EQ(bs_audit_write(a, &bare, NULL, &err), BS_FAILED);
    EXPECT_EQ(err.code, BS_E_DATA);
    err = (struct bs_err){0};
    EXPECT_EQ(bs_audit_enqueue(a, &bare, &err), BS_FAILED);
    err = (struct bs_err){0};
    EXPECT_EQ(bs_audit_write(a, &clean, NULL, &err), BS_DONE);
    EXPECT_EQ(bs_audit_write(a, &bound, NULL, &err), BS_DONE); /* these it may show */
    EXPECT(bs_audit_redacts(a, BS_AUDIT_REDACT_LITERALS) != NULL);
    EXPECT(bs_audit_redacts(a, BS_AUDIT_REDACT_PARAMETERS) == NULL);
    bs_audit_close(&a);
    o.redact = BS_AUDIT_REDACT_PARAMETERS;
    REQUIRE(bs_audit_open(&o, &a, &err) == BS_DONE);
    EXPECT_EQ(bs_audit_write(a, &bare, NULL, &err), BS_DONE);
    EXPECT_EQ(bs_audit_write(a, &bound, NULL, &err), BS_FAILED);
    bs_audit_close(&a);
    tear_down();
}

/* Equal values have equal digests under one key, and under no other. */
static void
digests(void)
{
    char key[400], other[400], one[BS_DIGEST_TEXT], two[BS_DIGEST_TEXT];
    struct bs_audit_digest *a, *b;
    struct bs_err err = {0};
    struct stat st;

    set_up();
    path_of("redact.key", key);
    path_of("other.key", other);
    EXPECT_EQ(bs_audit_digest_open(key, &a, &err), BS_FAILED);
    EXPECT_EQ(err.code, BS_E_NOT_FOUND);
    err = (struct bs_err){0};
    REQUIRE(bs_audit_digest_make(key, &a, &err) == BS_DONE);
    EXPECT(stat(key, &st) == 0 && (st.st_mode & 0777) == 0600);
    bs_audit_digest(a, BS_LIT("secret"), one);
    EXPECT(one[0] == '~' && strlen(one) == BS_DIGEST_TEXT - 1);
    bs_audit_digest(a, BS_LIT("secreT"), two);
    EXPECT(strcmp(one, two) != 0);
    REQUIRE(bs_audit_digest_make(other, &b, &err) == BS_DONE);
    EXPECT(strcmp(bs_audit_digest_id(a), bs_audit_digest_id(b)) != 0);
    bs_audit_digest(b, BS_LIT("secret"), two);
    EXPECT(strcmp(one, two) != 0);
    bs_audit_digest_free(&b);
    REQUIRE(bs_audit_digest_make(key, &b, &err) == BS_DONE);
    bs_audit_digest(b, BS_LIT("secret"), two);
    EXPECT(strcmp(one, two) == 0);
    bs_audit_digest_free(&a);
    bs_audit_digest_free(&b);
    EXPECT(truncate(key, 10) == 0);
    EXPECT_EQ(bs_audit_digest_make(key, &b, &err), BS_FAILED);
    EXPECT_EQ(err.code, BS_E_DAMAGED);
    tear_down();
}

static void
files_turn_by_size_and_age(void)
{
    struct bs_audit_options by_age = {.directory = folder, .segment_age_us = 1};
    struct bs_audit_verdict v;
    struct bs_err err = {0};
    struct bs_audit *a;
    char name[256];

    set_up();
    a = open_log(400, 0, BS_OK);
    for (int i = 0; i < 20; i++)
        (void)write_one(a, "a text of some length");
    bs_audit_close(&a);
    EXPECT_EQ(count_files("audit-", name), 7); /* three lines pass 400 bytes */
    a = open_log(400, 0, BS_OK);
    EXPECT_EQ(write_one(a, "more"), 21);
    bs_audit_close(&a);
    REQUIRE(bs_audit_open(&by_age, &a, &err) == BS_DONE);
    EXPECT_EQ(write_one(a, "more"), 22);
    EXPECT_EQ(write_one(a, "more"), 23);
    bs_audit_close(&a);
    EXPECT_EQ(count_files("audit-", name), 9);
    v = verify();
    EXPECT(v.intact && v.records == 23 && v.files == 9);
    tear_down();
}

static void
enqueued_are_there_after_close(void)
{
    struct bs_audit_record r = {.kind = BS_AUDIT_JUDGED, .risk = "SAFE"};
    struct bs_audit_verdict v;
    struct bs_audit *a;

    set_up();
    a = open_log(0, 0, BS_OK);
    for (int i = 0; i < 1000; i++) {
        struct bs_err err = {0};
        EXPECT_EQ(bs_audit_enqueue(a, &r, &err), BS_DONE);
    }
    EXPECT_EQ(write_one(a, "after them"), 1001); /* in order */
    for (int i = 0; i < 10; i++) {
        struct bs_err err = {0};
        EXPECT_EQ(bs_audit_enqueue(a, &r, &err), BS_DONE);
    }
    bs_audit_close(&a);
    v = verify();
    EXPECT(v.intact && v.records == 1011);
    tear_down();
}

static void
wait_durable(struct bs_audit *a, uint64_t seq)
{
    for (int i = 0; i < 200 && bs_audit_seq(a) < seq; i++)
        usleep(20000);
    EXPECT_EQ(bs_audit_seq(a), seq);
}

/* One that finds the writer asleep, one that finds it gathering, one that finds it asleep again. */
static void
enqueued_become_durable_by_themselves(void)
{
    struct bs_audit_record r = {.kind = BS_AUDIT_JUDGED};
    struct bs_err err = {0};
    struct bs_audit *a;

    set_up();
    a = open_log(0, 0, BS_OK);
    EXPECT_EQ(bs_audit_enqueue(a, &r, &err), BS_DONE);
    usleep(2000);
    EXPECT_EQ(bs_audit_enqueue(a, &r, &err), BS_DONE);
    wait_durable(a, 2);
    EXPECT_EQ(bs_audit_enqueue(a, &r, &err), BS_DONE);
    wait_durable(a, 3);
    bs_audit_close(&a);
    tear_down();
}

static void
full_queue_is_told(void)
{
    char big[5000];
    struct bs_audit_record r = {.kind = BS_AUDIT_NOTE, .text = "x"};
    struct bs_err err = {0};
    struct bs_audit *a;
    uint64_t taken = 0;
    struct bs_audit_verdict v;

    memset(big, 'x', sizeof(big) - 1);
    big[sizeof(big) - 1] = '\0';
    set_up();
    a = open_log(0, 4096, BS_OK);
    while (taken < 1000000 && bs_audit_enqueue(a, &r, &err) == BS_DONE)
        taken++;
    EXPECT_EQ(err.code, BS_E_LIMIT);
    EXPECT_EQ(write_one(a, "waits for room"), taken + 1);
    r.text = big;
    err = (struct bs_err){0};
    EXPECT_EQ(bs_audit_write(a, &r, NULL, &err), BS_FAILED);
    EXPECT_EQ(err.code, BS_E_LIMIT);
    EXPECT(!bs_audit_failed(a)); /* too much of something is no I/O error */
    bs_audit_close(&a);
    v = verify();
    EXPECT(v.intact && v.records == taken + 1);
    tear_down();
}

static struct bs_audit *shared;
static unsigned char seen[4 * 200 + 1];

static void *
write_many(void *arg)
{
    (void)arg;
    for (int i = 0; i < 200; i++) {
        struct bs_audit_record r = {.kind = BS_AUDIT_OUTCOME, .outcome = "done"};
        struct bs_err err = {0};
        uint64_t seq = 0;
        if (bs_audit_write(shared, &r, &seq, &err) == BS_DONE && seq < sizeof(seen))
            (void)__atomic_fetch_add(&seen[seq], 1, __ATOMIC_RELAXED);
    }
    return NULL;
}

static void
many_threads(void)
{
    pthread_t threads[4];
    struct bs_audit_verdict v;

    set_up();
    shared = open_log(20000, 0, BS_OK);
    for (int i = 0; i < 4; i++)
        EXPECT_EQ(pthread_create(&threads[i], NULL, write_many, NULL), 0);
    for (int i = 0; i < 4; i++)
        EXPECT_EQ(pthread_join(threads[i], NULL), 0);
    for (size_t i = 1; i < sizeof(seen); i++)
        EXPECT_EQ(seen[i], 1);
    bs_audit_close(&shared);
    v = verify();
    EXPECT(v.intact && v.records == 800);
    tear_down();
}

/* --- failure --- */

static void
append(const char *name, const char *bytes)
{
    char path[400];
    int fd;

    path_of(name, path);
    fd = open(path, O_WRONLY | O_APPEND);
    EXPECT(write(fd, bytes, strlen(bytes)) == (ssize_t)strlen(bytes));
    close(fd);
}

/* What a crash leaves goes aside with a note, and the log goes on. */
static void
set_aside_is(const char *rest)
{
    struct bs_audit *a;
    struct bs_audit_verdict v;
    struct bs_buf got;
    struct bs_err err = {0};
    char name[256], path[400];

    set_up();
    a = open_log(0, 0, BS_OK);
    (void)write_one(a, "one");
    bs_audit_close(&a);
    append("audit-000000000001.jsonl", rest);
    a = open_log(0, 0, BS_OK);
    EXPECT_EQ(write_one(a, "three"), 3); /* the note is 2 */
    bs_audit_close(&a);
    v = verify();
    EXPECT(v.intact && v.records == 3 && !v.torn);
    REQUIRE(count_files("torn-2-", name) == 1);
    path_of(name, path);
    bs_buf_init(&got, 4096);
    EXPECT_EQ(bs_file_read(path, &got, &err), BS_DONE);
    EXPECT(bs_bytes_equal(bs_buf_view(&got), bs_bytes_of(rest)));
    bs_buf_clear(&got);
    path_of("audit-000000000001.jsonl", path);
    EXPECT_EQ(bs_file_read(path, &got, &err), BS_DONE);
    bs_put_u8(&got, 0);
    EXPECT(strstr((const char *)got.p, name) != NULL);
    bs_buf_fini(&got);
    tear_down();
}

static void
torn_tail(void)
{
    set_aside_is("{\"seq\":2,\"prev\":\"12");
}

static void
garbage_behind_the_head(void)
{
    set_aside_is("garbage that a power failure left\nand more\n");
}

static void
torn_is_no_break_offline(void)
{
    struct bs_audit *a;
    struct bs_audit_verdict v;

    set_up();
    a = open_log(0, 0, BS_OK);
    (void)write_one(a, "one");
    append("audit-000000000001.jsonl", "{\"seq\":2,");
    v = verify();
    EXPECT(v.intact && v.torn && v.records == 1);
    bs_audit_close(&a);
    tear_down();
}

/* A whole record that was written but not yet known to the head: it counts. */
static void
head_behind(void)
{
    struct bs_audit *a;
    struct bs_audit_verdict v;
    struct bs_buf head;
    struct bs_err err = {0};
    char path[400];

    set_up();
    a = open_log(0, 0, BS_OK);
    (void)write_one(a, "one");
    path_of("head.json", path);
    bs_buf_init(&head, 4096);
    EXPECT_EQ(bs_file_read(path, &head, &err), BS_DONE);
    (void)write_one(a, "two");
    bs_audit_close(&a);
    EXPECT_EQ(bs_file_replace(path, bs_buf_view(&head), 0600, &err), BS_DONE);
    bs_buf_fini(&head);
    v = verify();
    EXPECT(v.intact && v.records == 2);
    a = open_log(0, 0, BS_OK);
    EXPECT_EQ(bs_audit_seq(a), 2);
    EXPECT_EQ(write_one(a, "three"), 3);
    bs_audit_close(&a);
    tear_down();
}

/* Crash between a new file and its first line. */
static void
empty_last_file(void)
{
    struct bs_audit *a;
    struct bs_audit_verdict v;
    char path[400];

    set_up();
    a = open_log(0, 0, BS_OK);
    (void)write_one(a, "one");
    bs_audit_close(&a);
    path_of("audit-000000000002.jsonl", path);
    close(open(path, O_WRONLY | O_CREAT, 0600));
    a = open_log(0, 0, BS_OK);
    EXPECT_EQ(write_one(a, "two"), 2);
    bs_audit_close(&a);
    v = verify();
    EXPECT(v.intact && v.records == 2 && v.files == 2);
    tear_down();
}

static void
full_disk_fails_closed(void)
{
    struct bs_audit_record r = {.kind = BS_AUDIT_JUDGED, .text = "a text"};
    struct rlimit was, small;
    struct bs_err err = {0};
    struct bs_audit_verdict v;
    struct bs_audit *a;
    uint64_t seq;

    set_up();
    a = open_log(0, 0, BS_OK);
    (void)write_one(a, "one");
    (void)signal(SIGXFSZ, SIG_IGN);
    REQUIRE(getrlimit(RLIMIT_FSIZE, &was) == 0);
    small = (struct rlimit){400, was.rlim_max};
    REQUIRE(setrlimit(RLIMIT_FSIZE, &small) == 0);
    do
        seq = bs_audit_seq(a);
    while (bs_audit_write(a, &r, NULL, &err) == BS_DONE);
    REQUIRE(setrlimit(RLIMIT_FSIZE, &was) == 0);
    EXPECT_EQ(err.code, BS_E_IO);
    EXPECT(bs_audit_failed(a));
    EXPECT_EQ(bs_audit_seq(a), seq); /* what failed is not called durable */
    err = (struct bs_err){0};        /* there is room again, but that is not enough */
    EXPECT_EQ(bs_audit_write(a, &r, NULL, &err), BS_FAILED);
    EXPECT_EQ(err.code, BS_E_IO);
    err = (struct bs_err){0};
    EXPECT_EQ(bs_audit_enqueue(a, &r, &err), BS_FAILED);
    EXPECT_EQ(err.code, BS_E_IO);
    bs_audit_close(&a);
    a = open_log(0, 0, BS_OK); /* half a line was written: a note, then on */
    EXPECT_EQ(write_one(a, "again"), seq + 2);
    bs_audit_close(&a);
    v = verify();
    EXPECT(v.intact && v.records == seq + 2);
    tear_down();
}

/* Written, but the disk did not take it: not durable, so not done. */
static void
failed_sync_fails_closed(void)
{
    struct bs_audit_record r = {.kind = BS_AUDIT_JUDGED};
    struct bs_err err = {0};
    struct bs_audit *a;
    int before;

    set_up();
    a = open_log(0, 0, BS_OK);
    before = atomic_load(&syncs);
    (void)write_one(a, "one");
    EXPECT(atomic_load(&syncs) > before);
    atomic_store(&sync_fails, true);
    EXPECT_EQ(bs_audit_write(a, &r, NULL, &err), BS_FAILED);
    EXPECT_EQ(err.code, BS_E_IO);
    EXPECT_EQ(bs_audit_seq(a), 1);
    atomic_store(&sync_fails, false); /* a later sync that works proves nothing */
    err = (struct bs_err){0};
    EXPECT_EQ(bs_audit_write(a, &r, NULL, &err), BS_FAILED);
    EXPECT(bs_audit_failed(a));
    bs_audit_close(&a);
    tear_down();
}

/* Killed in the middle of writing, again and again: what was told durable is there. */
static void
killed_writer_loses_nothing_told(void)
{
    uint64_t told = 0;

    set_up();
    for (int round = 0; round < 5; round++) {
        int pipes[2];
        uint64_t seq;
        struct bs_audit_verdict v;
        pid_t kid;
        REQUIRE(pipe(pipes) == 0);
        kid = fork();
        if (kid == 0) {
            struct bs_audit *a = open_log(2000, 0, BS_OK);
            close(pipes[0]);
            for (;;) {
                seq = write_one(a, "tell me");
                if (write(pipes[1], &seq, sizeof(seq)) != sizeof(seq))
                    _exit(1);
            }
        }
        close(pipes[1]);
        for (int i = 0; i < 20 && read(pipes[0], &seq, sizeof(seq)) == sizeof(seq); i++)
            told = seq;
        EXPECT_EQ(kill(kid, SIGKILL), 0);
        while (read(pipes[0], &seq, sizeof(seq)) == sizeof(seq))
            told = seq;
        EXPECT(waitpid(kid, NULL, 0) == kid);
        close(pipes[0]);
        v = verify();
        EXPECT(v.intact && v.records >= told);
    }
    EXPECT(told >= 100);
    tear_down();
}

static const struct tap_case cases[] = {
    {"every field is in the line", every_field},
    {"who asks is made once", who_is_made_once},
    {"empty fields are left out", empty_fields_are_left_out},
    {"hostile texts stay one line of JSON", hostile_texts},
    {"each byte at each place of a text", every_byte_at_every_place},
    {"the chain goes on after a reopen", goes_on_after_reopen},
    {"a record without a kind is refused", no_kind_is_refused},
    {"one process at a time", one_process_at_a_time},
    {"values stay out where the log keeps them out", values_stay_out},
    {"digests of values", digests},
    {"files turn by size and age", files_turn_by_size_and_age},
    {"what was enqueued is there after close, in order", enqueued_are_there_after_close},
    {"what was enqueued becomes durable by itself", enqueued_become_durable_by_themselves},
    {"a full queue is told", full_queue_is_told},
    {"many threads, each record once", many_threads},
    {"half a line is set aside with a note", torn_tail},
    {"garbage behind the head is set aside with a note", garbage_behind_the_head},
    {"half a line is no break offline", torn_is_no_break_offline},
    {"a head that is behind is caught up", head_behind},
    {"a new file without a line is used", empty_last_file},
    {"a full disk fails closed until it is opened again", full_disk_fails_closed},
    {"a failed sync fails closed", failed_sync_fails_closed},
    {"a killed writer loses nothing it told", killed_writer_loses_nothing_told},
};

int
main(void)
{
    return tap_main(cases, sizeof(cases) / sizeof(cases[0]));
}
