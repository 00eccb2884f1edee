/*
 * contract_test.c - what every backend of a store must do.
 *
 * BS_STORE_URL names an empty store; without it, it is a folder of our own. The integration tests
 * run this same program against every S3 server that they start.
 */
#include <stdlib.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/files.h"
#include "folder.h"
#include "the_store.h"

static void
what_was_put_comes_back(void)
{
    char text[256];
    struct bs_store_info info = {0};
    struct bs_err err = {0};

    EXPECT_EQ(put("v1/a/one", "hello"), BS_OK);
    EXPECT_EQ(put("v1/a/empty", ""), BS_OK);
    EXPECT_EQ(get("v1/a/one", text), BS_OK);
    EXPECT(strcmp(text, "hello") == 0);
    EXPECT_EQ(get("v1/a/empty", text), BS_OK);
    EXPECT(text[0] == '\0');
    EXPECT_EQ(bs_store_head(the_store, "v1/a/one", &info, &err), BS_DONE);
    EXPECT_EQ(info.size, 5);
}

static void
nothing_is_overwritten(void)
{
    char text[256];

    EXPECT_EQ(put("v1/once", "first"), BS_OK);
    EXPECT_EQ(put("v1/once", "second"), BS_E_CONFLICT);
    EXPECT_EQ(get("v1/once", text), BS_OK);
    EXPECT(strcmp(text, "first") == 0);
}

static void
missing_is_told(void)
{
    char text[256];
    struct bs_store_info info = {0};
    struct bs_err err = {0};

    EXPECT_EQ(get("v1/none", text), BS_E_NOT_FOUND);
    EXPECT_EQ(get("v1/once/below", text), BS_E_NOT_FOUND);
    EXPECT_EQ(bs_store_head(the_store, "v1/none", &info, &err), BS_FAILED);
    EXPECT_EQ(err.code, BS_E_NOT_FOUND);
}

static void
bad_keys_are_refused(void)
{
    static const char *const bad[] = {"",     "/a",     "a/",  "a//b", "../a", "a/../b",    "a/./b",
                                      "a/.b", ".hid/a", "a b", "a\nb", "a\"b", "a\xc3\xa4", "a\\b"};
    char text[256], longest[BS_KEY_MAX + 2];

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        EXPECT_EQ(put(bad[i], "x"), BS_E_DATA);
        EXPECT_EQ(get(bad[i], text), BS_E_DATA);
    }
    for (size_t i = 0; i <= BS_KEY_MAX; i++)
        longest[i] = i % 100 == 99 ? '/' : 'k';
    longest[BS_KEY_MAX + 1] = '\0';
    EXPECT_EQ(put(longest, "x"), BS_E_DATA);
    longest[BS_KEY_MAX] = '\0';
    longest[BS_KEY_MAX - 1] = 'k';
    EXPECT_EQ(put(longest, "x"), BS_OK);
    memset(longest, 's', BS_KEY_SEGMENT_MAX + 1);
    longest[BS_KEY_SEGMENT_MAX + 1] = '\0';
    EXPECT_EQ(put(longest, "x"), BS_E_DATA);
    longest[BS_KEY_SEGMENT_MAX] = '\0';
    EXPECT_EQ(put(longest, "x"), BS_OK);
}

static void
lists_are_sorted_by_bytes(void)
{
    EXPECT_EQ(put("l/b/1", "x"), BS_OK);
    EXPECT_EQ(put("l/b.x", "xx"), BS_OK);
    EXPECT_EQ(put("l/b-/2", ""), BS_OK);
    EXPECT_EQ(put("l/a", "xxx"), BS_OK);
    EXPECT_EQ(put("l/b/1~", "x"), BS_OK);
    list_is("l/", "l/a=3 l/b-/2=0 l/b.x=2 l/b/1=1 l/b/1~=1 ");
    list_is("l/b/", "l/b/1=1 l/b/1~=1 ");
    list_is("l/b", "l/b-/2=0 l/b.x=2 l/b/1=1 l/b/1~=1 ");
    list_is("nothing", "");
}

static enum bs_done
stop_at_once(void *ctx, const char *key, int64_t size, struct bs_err *err)
{
    int *calls = ctx;

    (void)key;
    (void)size;
    (*calls)++;
    return BS_FAIL(err, LIMIT, "enough");
}

static void
a_visitor_ends_the_list(void)
{
    struct bs_err err = {0};
    int calls = 0;

    EXPECT_EQ(bs_store_list(the_store, "l/", stop_at_once, &calls, &err), BS_FAILED);
    EXPECT_EQ(calls, 1);
    EXPECT_EQ(err.code, BS_E_LIMIT);
}

struct pieces {
    size_t n;
    bool wrong;
};

static enum bs_done
check_piece(void *ctx, struct bs_bytes piece, struct bs_err *err)
{
    struct pieces *p = ctx;

    (void)err;
    for (size_t i = 0; i < piece.n; i++)
        p->wrong = p->wrong || piece.p[i] != (uint8_t)((p->n + i) * 7 >> 3);
    p->n += piece.n;
    return BS_DONE;
}

/* A new file of so many bytes as check_piece expects them. */
static void
make_file(char *path, size_t size)
{
    uint8_t *content = malloc(size);
    struct bs_err err = {0};
    int fd = mkstemp(path);

    for (size_t i = 0; i < size; i++)
        content[i] = (uint8_t)(i * 7 >> 3);
    EXPECT_EQ(bs_fd_write(fd, (struct bs_bytes){content, size}, path, &err), BS_DONE);
    close(fd);
    free(content);
}

/* One that may go in one request, and one that is too large for that. */
static void
large_files_go_both_ways(void)
{
    static const size_t sizes[] = {3 * 1024 * 1024 + 17, 33 * 1024 * 1024 + 1};

    for (size_t i = 0; i < 2; i++) {
        char path[] = "/tmp/bs-store-XXXXXX", back[sizeof(path) + 5], one[16], two[16];
        struct bs_err err = {0};
        struct pieces p = {0};
        struct bs_buf small;
        make_file(path, sizes[i]);
        (void)snprintf(one, sizeof(one), "big/one-%zu", i);
        (void)snprintf(two, sizeof(two), "big/two-%zu", i);
        EXPECT_EQ(bs_store_put_file(the_store, one, path, &err), BS_DONE);
        EXPECT_EQ(bs_store_read(the_store, one, check_piece, &p, &err), BS_DONE);
        EXPECT(p.n == sizes[i] && !p.wrong);
        (void)snprintf(back, sizeof(back), "%s.back", path);
        EXPECT_EQ(bs_store_get_file(the_store, one, back, &err), BS_DONE);
        EXPECT_EQ(bs_store_put_file(the_store, two, back, &err), BS_DONE);
        p = (struct pieces){0};
        EXPECT_EQ(bs_store_read(the_store, two, check_piece, &p, &err), BS_DONE);
        EXPECT(p.n == sizes[i] && !p.wrong);
        if (err.code != BS_OK)
            printf("# %s\n", err.message);
        EXPECT_EQ(bs_store_get_file(the_store, one, back, &err), BS_FAILED);
        EXPECT_EQ(err.code, BS_E_CONFLICT);
        err = (struct bs_err){0};
        EXPECT_EQ(bs_store_put_file(the_store, one, path, &err), BS_FAILED);
        EXPECT_EQ(err.code, BS_E_CONFLICT);
        err = (struct bs_err){0};
        bs_buf_init(&small, sizes[i] - 1);
        EXPECT_EQ(bs_store_get(the_store, one, &small, &err), BS_FAILED);
        EXPECT_EQ(err.code, BS_E_LIMIT);
        bs_buf_fini(&small);
        unlink(path);
        unlink(back);
    }
}

static void
a_missing_object_leaves_no_file(void)
{
    struct bs_err err = {0};
    char path[64];

    (void)snprintf(path, sizeof(path), "/tmp/bs-none-%d", (int)getpid());
    EXPECT_EQ(bs_store_get_file(the_store, "no/such", path, &err), BS_FAILED);
    EXPECT_EQ(err.code, BS_E_NOT_FOUND);
    EXPECT(access(path, F_OK) != 0);
}

/* Stopped before it begins, every call that moves content ends with what the watch says. */
static void
a_watch_ends_calls(void)
{
    struct bs_err err = {0};
    struct bs_watch watch;
    struct bs_store view;
    struct pieces p = {0};
    char path[] = "/tmp/bs-store-XXXXXX";
    uint8_t byte = 0;
    int fd = mkstemp(path);

    EXPECT_EQ(put("w/there", "x"), BS_OK);
    EXPECT_EQ(bs_fd_write(fd, (struct bs_bytes){&byte, 1}, path, &err), BS_DONE);
    close(fd);
    REQUIRE(bs_watch_init(&watch, 0, &err) == BS_DONE);
    view = bs_store_watched(the_store, &watch);
    EXPECT_EQ(bs_store_put_file(&view, "w/before", path, &err), BS_DONE);
    EXPECT_EQ(bs_store_read(&view, "w/before", check_piece, &p, &err), BS_DONE);
    EXPECT_EQ(p.n, 1);
    bs_watch_stop(&watch);
    EXPECT_EQ(bs_store_put_file(&view, "w/after", path, &err), BS_FAILED);
    EXPECT_EQ(err.code, BS_E_CANCELLED);
    err = (struct bs_err){0};
    EXPECT_EQ(bs_store_read(&view, "w/there", check_piece, &p, &err), BS_FAILED);
    EXPECT_EQ(err.code, BS_E_CANCELLED);
    err = (struct bs_err){0};
    EXPECT_EQ(bs_store_put_file(the_store, "w/after", path, &err), BS_DONE); /* past the view */
    bs_watch_fini(&watch);
    unlink(path);
}

static enum bs_code
take_away(const char *key, enum bs_removed *how)
{
    struct bs_err err = {0};

    (void)!bs_store_remove(the_store, key, how, &err);
    return err.code;
}

static void
what_was_removed_is_gone(void)
{
    char text[256];
    enum bs_removed how;
    struct bs_store_info info = {0};
    struct bs_err err = {0};

    EXPECT_EQ(put("r/a/one", "x"), BS_OK);
    EXPECT_EQ(put("r/a/two", "y"), BS_OK);
    EXPECT_EQ(take_away("r/a/one", &how), BS_OK);
    EXPECT_EQ(how, BS_REMOVED_GONE);
    EXPECT_EQ(get("r/a/one", text), BS_E_NOT_FOUND);
    EXPECT_EQ(bs_store_head(the_store, "r/a/one", &info, &err), BS_FAILED);
    EXPECT_EQ(get("r/a/two", text), BS_OK);
    list_is("r/", "r/a/two=1 ");
    EXPECT_EQ(take_away("r/a/one", &how), BS_OK); /* it is gone */
    EXPECT_EQ(how, BS_REMOVED_GONE);
    EXPECT_EQ(take_away("r/none/at/all", &how), BS_OK);
    EXPECT_EQ(put("r/a/one", "again"), BS_OK); /* its name is free */
    EXPECT_EQ(get("r/a/one", text), BS_OK);
    EXPECT(strcmp(text, "again") == 0);
    EXPECT_EQ(take_away("r/a/two", &how), BS_OK);
    EXPECT_EQ(take_away("r/a/one", &how), BS_OK);
    list_is("r/", "");
    EXPECT_EQ(take_away("../a", &how), BS_E_DATA);
    EXPECT_EQ(how, BS_REMOVED_NOT);
}

static const struct tap_case cases[] = {
    {"what was put comes back", what_was_put_comes_back},
    {"nothing is overwritten", nothing_is_overwritten},
    {"missing is told", missing_is_told},
    {"bad keys are refused", bad_keys_are_refused},
    {"lists are sorted by bytes", lists_are_sorted_by_bytes},
    {"a visitor ends the list", a_visitor_ends_the_list},
    {"large files go both ways", large_files_go_both_ways},
    {"a missing object leaves no file", a_missing_object_leaves_no_file},
    {"a watch ends calls", a_watch_ends_calls},
    {"what was removed is gone", what_was_removed_is_gone},
};

int
main(void)
{
    char root[] = "/tmp/bs-contract-XXXXXX", own[128];
    const char *url = getenv("BS_STORE_URL");
    struct bs_err err = {0};
    int status;

    if (mkdtemp(root) == NULL)
        return 1;
    (void)snprintf(own, sizeof(own), "file://%s/", root);
    if (bs_store_open(url == NULL ? own : url, &the_store, &err) != BS_DONE) {
        printf("Bail out! %s\n", err.message);
        return 1;
    }
    status = tap_main(cases, sizeof(cases) / sizeof(cases[0]));
    bs_store_close(&the_store);
    return !folder_remove(root) || status;
}
