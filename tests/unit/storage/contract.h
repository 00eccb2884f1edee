/*
 * contract.h - what every backend of a store must do. A backend's test opens an empty store and
 * calls store_contract with it.
 */
#ifndef BS_TEST_STORE_CONTRACT_H
#define BS_TEST_STORE_CONTRACT_H

#include <stdlib.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/files.h"
#include "storage/storage.h"
#include "tap.h"

static struct bs_store *the_store;

static enum bs_code
put(const char *key, const char *text)
{
    struct bs_err err = {0};

    (void)!bs_store_put(the_store, key, bs_bytes_of(text), &err);
    return err.code;
}

/* The object as text; "" and the error's code where there is none. */
static enum bs_code
get(const char *key, char out[256])
{
    struct bs_err err = {0};
    struct bs_buf b;

    bs_buf_init(&b, 255);
    (void)!bs_store_get(the_store, key, &b, &err);
    if (b.n != 0)
        memcpy(out, b.p, b.n);
    out[b.n] = '\0';
    bs_buf_fini(&b);
    return err.code;
}

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

static enum bs_done
gather(void *ctx, const char *key, int64_t size, struct bs_err *err)
{
    (void)err;
    bs_put_fmt(ctx, "%s=%lld ", key, (long long)size);
    return BS_DONE;
}

static void
list_is(const char *prefix, const char *want)
{
    struct bs_err err = {0};
    struct bs_buf got;

    bs_buf_init(&got, 4096);
    EXPECT_EQ(bs_store_list(the_store, prefix, gather, &got, &err), BS_DONE);
    bs_put_u8(&got, '\0');
    if (!tap_check(strcmp((const char *)got.p, want) == 0, "listing", __FILE__, __LINE__))
        printf("#   prefix \"%s\": got \"%s\"\n", prefix, (const char *)got.p);
    bs_buf_fini(&got);
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

static void
large_files_go_both_ways(void)
{
    enum { SIZE = 3 * 1024 * 1024 + 17 };
    char path[] = "/tmp/bs-store-XXXXXX", back[sizeof(path) + 5];
    int fd = mkstemp(path);
    uint8_t *content = malloc(SIZE);
    struct bs_err err = {0};
    struct pieces p = {0};
    struct bs_buf small;

    for (size_t i = 0; i < SIZE; i++)
        content[i] = (uint8_t)(i * 7 >> 3);
    EXPECT_EQ(bs_fd_write(fd, (struct bs_bytes){content, SIZE}, path, &err), BS_DONE);
    close(fd);
    EXPECT_EQ(bs_store_put_file(the_store, "big/one", path, &err), BS_DONE);
    EXPECT_EQ(bs_store_read(the_store, "big/one", check_piece, &p, &err), BS_DONE);
    EXPECT_EQ(p.n, SIZE);
    EXPECT(!p.wrong);
    (void)snprintf(back, sizeof(back), "%s.back", path);
    EXPECT_EQ(bs_store_get_file(the_store, "big/one", back, &err), BS_DONE);
    EXPECT_EQ(bs_store_put_file(the_store, "big/two", back, &err), BS_DONE);
    p = (struct pieces){0};
    EXPECT_EQ(bs_store_read(the_store, "big/two", check_piece, &p, &err), BS_DONE);
    EXPECT(p.n == SIZE && !p.wrong);
    EXPECT_EQ(bs_store_get_file(the_store, "big/one", back, &err), BS_FAILED);
    EXPECT_EQ(err.code, BS_E_CONFLICT);
    err = (struct bs_err){0};
    EXPECT_EQ(bs_store_put_file(the_store, "big/one", path, &err), BS_FAILED);
    EXPECT_EQ(err.code, BS_E_CONFLICT);
    err = (struct bs_err){0};
    bs_buf_init(&small, SIZE - 1);
    EXPECT_EQ(bs_store_get(the_store, "big/one", &small, &err), BS_FAILED);
    EXPECT_EQ(err.code, BS_E_LIMIT);
    bs_buf_fini(&small);
    unlink(path);
    unlink(back);
    free(content);
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

#define STORE_CONTRACT                                                                             \
    {"what was put comes back", what_was_put_comes_back},                                          \
        {"nothing is overwritten", nothing_is_overwritten}, {"missing is told", missing_is_told},  \
        {"bad keys are refused", bad_keys_are_refused},                                            \
        {"lists are sorted by bytes", lists_are_sorted_by_bytes},                                  \
        {"a visitor ends the list", a_visitor_ends_the_list},                                      \
        {"large files go both ways", large_files_go_both_ways},                                    \
    {                                                                                              \
        "a missing object leaves no file", a_missing_object_leaves_no_file                         \
    }

#endif
