/*
 * crypt_test.c - what is encrypted comes back, and nothing that was changed, cut, moved or put in
 * another's place does; keys come from where they are said to be, and are missed by name.
 */
#include "recovery/crypt.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/files.h"
#include "tap.h"

enum { CHUNK = 65536, TAG = 16, HEADER = 24, MAX = 8 << 20 };

static char root[] = "/tmp/bs-crypt-XXXXXX";
static const struct bs_point_key key = {{1, 2, 3}};
static const char name[] = "v1/7/5-app/rp/2026/11/26/RP-1/t/0001-public.users.copybin.zst.enc";

static enum bs_done
to_buf(void *ctx, struct bs_bytes bytes, struct bs_err *err)
{
    struct bs_buf *b = ctx;

    bs_put_bytes(b, bytes);
    return b->failed ? BS_FAIL(err, LIMIT, "full") : BS_DONE;
}

static void
plain(struct bs_buf *b, size_t n)
{
    bs_buf_init(b, MAX);
    for (size_t i = 0; i < n; i++)
        bs_put_u8(b, (uint8_t)(i * 31 + (i >> 8)));
}

/* Bytes through a crypt in steps. */
static enum bs_code
through(struct bs_crypt *c, struct bs_bytes in, size_t step)
{
    struct bs_err err = {0};
    enum bs_done done = BS_DONE;

    for (size_t at = 0; done == BS_DONE && at < in.n; at += step) {
        size_t n = in.n - at < step ? in.n - at : step;
        done = bs_crypt_put(c, (struct bs_bytes){in.p + at, n}, &err);
    }
    if (done == BS_DONE)
        done = bs_crypt_finish(c, &err);
    bs_crypt_free(&c);
    EXPECT((done == BS_DONE) == (err.code == BS_OK));
    return err.code;
}

static void
encrypted(struct bs_buf *out, const struct bs_buf *in, const char *as)
{
    bs_buf_init(out, MAX);
    EXPECT_EQ(through(bs_encrypt_new(&key, as, to_buf, out), bs_buf_view(in), 10007), BS_OK);
}

static enum bs_code
decrypted(struct bs_bytes in, const char *as, const struct bs_point_key *by, struct bs_buf *out)
{
    bs_buf_init(out, MAX);
    return through(bs_decrypt_new(by, as, to_buf, out), in, 70001);
}

/* Refused, and nothing of the damaged chunk was handed on. */
static void
refused(struct bs_bytes in, const char *as, const struct bs_buf *was, const char *what)
{
    struct bs_buf out;
    enum bs_code code = decrypted(in, as, &key, &out);

    if (code != BS_E_DAMAGED || out.n > was->n)
        printf("# %s: code %d\n", what, (int)code);
    EXPECT_EQ(code, BS_E_DAMAGED);
    EXPECT(out.n <= was->n && (out.n == 0 || memcmp(out.p, was->p, out.n) == 0));
    bs_buf_fini(&out);
}

static void
comes_back(void)
{
    static const size_t sizes[] = {0,     1,         100,       CHUNK - 1,
                                   CHUNK, CHUNK + 1, 2 * CHUNK, 3 * CHUNK + 7};
    static const size_t steps[] = {1, 15, 16, 24, 25, CHUNK, CHUNK + TAG, MAX};

    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        struct bs_buf in, secret;
        size_t chunks = sizes[i] == 0 ? 1 : (sizes[i] + CHUNK - 1) / CHUNK;
        plain(&in, sizes[i]);
        encrypted(&secret, &in, name);
        EXPECT_EQ(secret.n, HEADER + sizes[i] + chunks * TAG);
        for (size_t k = 0; k < sizeof(steps) / sizeof(steps[0]); k++) {
            struct bs_buf out;
            bs_buf_init(&out, MAX);
            EXPECT_EQ(
                through(bs_decrypt_new(&key, name, to_buf, &out), bs_buf_view(&secret), steps[k]),
                BS_OK);
            EXPECT(bs_bytes_equal(bs_buf_view(&out), bs_buf_view(&in)));
            bs_buf_fini(&out);
        }
        bs_buf_fini(&in);
        bs_buf_fini(&secret);
    }
}

/* The same bytes never look the same twice. */
static void
no_two_are_alike(void)
{
    struct bs_buf in, a, b;

    plain(&in, 1000);
    encrypted(&a, &in, name);
    encrypted(&b, &in, name);
    EXPECT(a.n == b.n && memcmp(a.p + HEADER, b.p + HEADER, 1000) != 0);
    bs_buf_fini(&in);
    bs_buf_fini(&a);
    bs_buf_fini(&b);
}

static void
flips_and_cuts_are_found(void)
{
    struct bs_buf in, secret;

    plain(&in, 2 * CHUNK + 100);
    encrypted(&secret, &in, name);
    for (size_t at = 0; at < secret.n; at += at < HEADER + 40 ? 1 : 4099) {
        secret.p[at] ^= 0x10;
        refused(bs_buf_view(&secret), name, &in, "flip");
        secret.p[at] ^= 0x10;
    }
    for (size_t n = 0; n < secret.n; n += n < HEADER + 40 ? 1 : 5003)
        refused((struct bs_bytes){secret.p, n}, name, &in, "cut");
    /* At the borders of chunks, where the rest is whole. */
    for (size_t k = 0; k <= 2; k++)
        refused((struct bs_bytes){secret.p, HEADER + k * (CHUNK + TAG)}, name, &in, "cut at chunk");
    bs_put_u8(&secret, 0);
    refused(bs_buf_view(&secret), name, &in, "a byte more");
    bs_buf_fini(&in);
    bs_buf_fini(&secret);
}

/* Chunks in another order, twice, left out, or of another object. */
static void
chunks_stay_in_their_place(void)
{
    static const size_t orders[][4] = {{1, 0, 2, 3}, {0, 2, 1, 3}, {0, 0, 2, 3},
                                       {0, 1, 3, 3}, {0, 1, 2, 2}, {3, 1, 2, 0}};
    const size_t whole = CHUNK + TAG;
    struct bs_buf in, a, b, mixed;

    plain(&in, 4 * CHUNK);
    encrypted(&a, &in, name);
    encrypted(&b, &in, name);
    REQUIRE(a.n == HEADER + 4 * whole);
    for (size_t i = 0; i < sizeof(orders) / sizeof(orders[0]); i++) {
        bs_buf_init(&mixed, MAX);
        bs_put_bytes(&mixed, (struct bs_bytes){a.p, HEADER});
        for (size_t k = 0; k < 4; k++)
            bs_put_bytes(&mixed, (struct bs_bytes){a.p + HEADER + orders[i][k] * whole, whole});
        refused(bs_buf_view(&mixed), name, &in, "order");
        bs_buf_fini(&mixed);
    }
    for (size_t k = 0; k < 4; k++) {
        bs_buf_init(&mixed, MAX);
        bs_put_bytes(&mixed, bs_buf_view(&a));
        memcpy(mixed.p + HEADER + k * whole, b.p + HEADER + k * whole, whole);
        refused(bs_buf_view(&mixed), name, &in, "a chunk of another");
        bs_buf_fini(&mixed);
        bs_buf_init(&mixed, MAX);
        bs_put_bytes(&mixed, (struct bs_bytes){a.p, HEADER + k * whole});
        bs_put_bytes(&mixed, (struct bs_bytes){a.p + HEADER + (k + 1) * whole, (3 - k) * whole});
        refused(bs_buf_view(&mixed), name, &in, "a chunk less");
        bs_buf_fini(&mixed);
    }
    bs_buf_fini(&in);
    bs_buf_fini(&a);
    bs_buf_fini(&b);
}

static void
objects_stay_in_their_place(void)
{
    static const char other[] = "v1/7/5-app/rp/2026/11/26/RP-1/t/0002-public.users.copybin.zst.enc";
    const struct bs_point_key another = {{1, 2, 4}};
    struct bs_buf in, secret, out;

    plain(&in, 5000);
    encrypted(&secret, &in, name);
    refused(bs_buf_view(&secret), other, &in, "another object's");
    EXPECT_EQ(decrypted(bs_buf_view(&secret), name, &another, &out), BS_E_DAMAGED);
    EXPECT_EQ(out.n, 0);
    bs_buf_fini(&out);
    refused(bs_buf_view(&in), name, &in, "plain bytes");
    bs_buf_fini(&in);
    bs_buf_fini(&secret);
}

static void
texts(void)
{
    struct bs_arena a;
    const char *hex;

    bs_arena_init(&a, "test", 1 << 20);
    hex = bs_crypt_text(&key, "statement", "DELETE FROM t WHERE name = 'Alice'", &a);
    REQUIRE(hex != NULL);
    EXPECT(strstr(hex, "Alice") == NULL);
    EXPECT(strcmp(bs_crypt_read_text(&key, "statement", hex, &a),
                  "DELETE FROM t WHERE name = 'Alice'") == 0);
    EXPECT(bs_crypt_read_text(&key, "other", hex, &a) == NULL);
    EXPECT(bs_crypt_read_text(&key, "statement", hex + 2, &a) == NULL);
    EXPECT(bs_crypt_read_text(&key, "statement", "zz", &a) == NULL);
    EXPECT(bs_crypt_read_text(&key, "statement", "", &a) == NULL);
    bs_arena_fini(&a);
}

/* Keys. */

#define KEY_A "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
#define KEY_B "ff0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"

static const char *
at(const char *file)
{
    static char path[2][200];
    static int turn;

    turn = !turn;
    (void)snprintf(path[turn], sizeof(path[turn]), "%s/%s", root, file);
    return path[turn];
}

static void
put(const char *file, const void *p, size_t n, mode_t mode)
{
    FILE *f = fopen(at(file), "w");

    REQUIRE(f != NULL && fwrite(p, 1, n, f) == n && fclose(f) == 0);
    EXPECT_EQ(chmod(at(file), mode), 0);
}

static struct bs_store *
store_with(const char *source, const char *current)
{
    struct bs_store *store = NULL;
    struct bs_err err = {0};
    char url[200];

    (void)snprintf(url, sizeof(url), "file://%s/store", root);
    if (bs_keys_open_store(url, source, current, &store, &err) != BS_DONE)
        printf("# %s\n", err.message);
    return store;
}

/* A key made by one source opens by another; the code where it does not. */
static enum bs_code
opens(const struct bs_point_encryption *e,
      const struct bs_point_key *want,
      const char *source,
      const char *says)
{
    struct bs_store *store = store_with(source, NULL);
    struct bs_point_key got;
    struct bs_err err = {0};

    if (store == NULL)
        return BS_E_INTERNAL;
    if (bs_point_key_open(store->keys, e, &got, &err) == BS_DONE)
        EXPECT(memcmp(&got, want, sizeof(got)) == 0);
    if (says != NULL && strstr(err.message, says) == NULL)
        printf("# %s\n", err.message);
    EXPECT(says == NULL || strstr(err.message, says) != NULL);
    EXPECT(strstr(err.message, KEY_A) == NULL && strstr(err.message, "0001020304") == NULL);
    bs_store_close(&store);
    return err.code;
}

static void
keys_come_from_where_they_are(void)
{
    struct bs_point_encryption e;
    struct bs_point_key mine;
    struct bs_arena a;
    struct bs_err err = {0};
    struct bs_store *store;
    char file[200], command[200], raw[32], script[400];
    const char *point = "RP-01J9ZZZZZZZZZZZZZZZZZZZZZZ";

    bs_arena_init(&a, "test", 1 << 20);
    (void)snprintf(file, sizeof(file), "file:%s", root);
    (void)snprintf(command, sizeof(command), "command:%s", at("give"));
    put("2026-11", KEY_A "\n", 65, 0600);
    for (int i = 0; i < 32; i++)
        raw[i] = (char)i;
    put("raw", raw, 32, 0600);
    put("short", KEY_A, 63, 0600);
    (void)snprintf(script, sizeof(script),
                   "#!/bin/sh\necho asked >> %s\n[ \"$1\" = 2026-11 ] && echo " KEY_A, at("asked"));
    put("give", script, strlen(script), 0700);
    (void)setenv("BS_TEST_KEYS", "old=" KEY_B ",2026-11=" KEY_A, 1);
    store = store_with(file, "2026-11");
    REQUIRE(store != NULL);
    EXPECT(strcmp(bs_keys_current(store->keys), "2026-11") == 0);
    REQUIRE(bs_point_key_new(store->keys, point, &a, &e, &mine, &err) == BS_DONE);
    EXPECT(strcmp(e.key, "2026-11") == 0 && strcmp(e.cipher, "AES-256-GCM") == 0);
    EXPECT(strcmp(e.point, point) == 0);
    bs_store_close(&store);

    EXPECT_EQ(opens(&e, &mine, file, NULL), BS_OK);
    EXPECT_EQ(opens(&e, &mine, "env:BS_TEST_KEYS", NULL), BS_OK);
    EXPECT_EQ(opens(&e, &mine, command, NULL), BS_OK);
    EXPECT_EQ(opens(&e, &mine, NULL, "\"2026-11\""), BS_E_CONFIG);
    EXPECT_EQ(opens(&e, &mine, "env:BS_TEST_NONE", "\"2026-11\""), BS_E_CONFIG);
    EXPECT_EQ(opens(&e, &mine, "command:/bin/false", "\"2026-11\""), BS_E_CONFIG);
    EXPECT_EQ(opens(&e, &mine, "command:/no/such", "\"2026-11\""), BS_E_CONFIG);
    (void)setenv("BS_TEST_KEYS", "2026-11=" KEY_B, 1);
    EXPECT_EQ(opens(&e, &mine, "env:BS_TEST_KEYS", "is not the one of that name"), BS_E_CONFIG);
    EXPECT(store_with("vault:x", NULL) == NULL);
    EXPECT(store_with("file:relative", NULL) == NULL);

    /* Another key of the same point's; another point's; another cipher. */
    e.key = "raw";
    EXPECT_EQ(opens(&e, &mine, file, "\"raw\" is not the one"), BS_E_CONFIG);
    e.key = "short";
    EXPECT_EQ(opens(&e, &mine, file, "\"short\""), BS_E_CONFIG);
    e.key = "../2026-11";
    EXPECT_EQ(opens(&e, &mine, file, "none"), BS_E_CONFIG);
    e.key = "2026-11";
    e.point[10] = 'Y';
    EXPECT_EQ(opens(&e, &mine, file, "is not the one"), BS_E_CONFIG);
    e.point[10] = 'Z';
    e.cipher = "ROT13";
    EXPECT_EQ(opens(&e, &mine, file, "ROT13"), BS_E_UNSUPPORTED);
    e.cipher = "AES-256-GCM";
    EXPECT_EQ(opens(&e, &mine, file, NULL), BS_OK);

    /* Erasure. */
    EXPECT_EQ(unlink(at("2026-11")), 0);
    EXPECT_EQ(opens(&e, &mine, file, "\"2026-11\""), BS_E_CONFIG);
    bs_arena_fini(&a);
}

/* A point has many objects, and a program may take its time. */
static void
a_command_is_asked_once(void)
{
    struct bs_store *store;
    struct bs_err err = {0};
    char command[200];
    struct bs_buf b;

    (void)snprintf(command, sizeof(command), "command:%s", at("give"));
    (void)unlink(at("asked"));
    store = store_with(command, "2026-11");
    REQUIRE(store != NULL);
    for (int i = 0; i < 5; i++)
        EXPECT_EQ(bs_keys_try(store->keys, "2026-11", &err), BS_DONE);
    bs_buf_init(&b, 1000);
    EXPECT_EQ(bs_file_read(at("asked"), &b, &err), BS_DONE);
    EXPECT_EQ(b.n, strlen("asked\n"));
    bs_buf_fini(&b);
    EXPECT_EQ(bs_keys_try(store->keys, "other", &err), BS_FAILED);
    bs_store_close(&store);
}

static const struct tap_case cases[] = {
    {"comes back", comes_back},
    {"no two are alike", no_two_are_alike},
    {"flips and cuts are found", flips_and_cuts_are_found},
    {"chunks stay in their place", chunks_stay_in_their_place},
    {"objects stay in their place", objects_stay_in_their_place},
    {"texts", texts},
    {"keys come from where they are", keys_come_from_where_they_are},
    {"a command is asked once", a_command_is_asked_once},
};

int
main(void)
{
    char command[100];
    int status;

    if (mkdtemp(root) == NULL)
        return 1;
    status = tap_main(cases, sizeof(cases) / sizeof(cases[0]));
    (void)snprintf(command, sizeof(command), "rm -rf %s", root);
    return system(command) != 0 || status;
}
