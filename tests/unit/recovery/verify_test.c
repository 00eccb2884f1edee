/*
 * verify_test.c - a sealed object survives the way to the store and back, and no change to what
 * is stored goes unseen: every byte flipped, every length cut, objects missing, swapped, padded.
 */
#include "recovery/verify.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/files.h"
#include "folder.h"
#include "tap.h"

static char root[] = "/tmp/bs-verify-XXXXXX";
static struct bs_store *store;

/* A COPY stream of n rows of two columns, the second of a length that changes. */
static void
put_rows(struct bs_buf *b, int n, int seed)
{
    bs_put_bytes(b, BS_LIT("PGCOPY\n\377\r\n\0\0\0\0\0\0\0\0\0"));
    for (int i = 0; i < n; i++) {
        uint32_t length = (uint32_t)((i * 31 + seed) % 97);
        bs_put_u16(b, 2);
        bs_put_u32(b, 4);
        bs_put_u32(b, (uint32_t)i);
        bs_put_u32(b, i % 13 == 0 ? UINT32_MAX : length);
        for (uint32_t k = 0; i % 13 != 0 && k < length; k++)
            bs_put_u8(b, (uint8_t)((uint32_t)i * 7u + k * (uint32_t)seed));
    }
    bs_put_u16(b, 0xffff);
}

/* One stored object and its place in a manifest. */
struct sample {
    struct bs_sealed sealed;
    struct bs_point_part part;
    struct bs_point_object object;
    char path[256];
};

static bool
make(struct sample *s, const char *key, int n, int seed)
{
    struct bs_buf raw;
    struct bs_seal *seal = NULL;
    struct bs_err err = {0};
    char tmp[128];
    bool ok;

    (void)snprintf(tmp, sizeof(tmp), "%s/tmp", root);
    (void)snprintf(s->path, sizeof(s->path), "%s/%s", root, key);
    bs_buf_init(&raw, 64u << 20);
    put_rows(&raw, n, seed);
    ok = bs_seal_new(tmp, BS_ROWS_BINARY, 2, &seal, &err) == BS_DONE;
    for (size_t at = 0; ok && at < raw.n; at += 1013) {
        size_t take = raw.n - at < 1013 ? raw.n - at : 1013;
        ok = bs_seal_put(seal, (struct bs_bytes){raw.p + at, take}, &err) == BS_DONE;
    }
    ok = ok && bs_seal_finish(seal, &s->sealed, &err) == BS_DONE;
    bs_seal_free(&seal);
    ok = ok && bs_store_put_file(store, key, tmp, &err) == BS_DONE;
    unlink(tmp);
    bs_buf_fini(&raw);
    s->part = (struct bs_point_part){key, s->sealed.stored_bytes, s->sealed.sha256};
    s->object = (struct bs_point_object){.key = key,
                                         .format = BS_ROWS_BINARY,
                                         .n_columns = 2,
                                         .row_count = s->sealed.rows,
                                         .raw_bytes = s->sealed.raw_bytes,
                                         .stored_bytes = s->sealed.stored_bytes,
                                         .sha256 = s->sealed.sha256,
                                         .row_hash = s->sealed.row_hash,
                                         .parts = &s->part,
                                         .n_parts = 1};
    return ok;
}

static enum bs_code
check(const struct bs_point_object *o)
{
    struct bs_err err = {0};
    enum bs_done done = bs_object_read(store, o, NULL, NULL, NULL, &err);

    EXPECT((done == BS_DONE) == (err.code == BS_OK));
    return err.code;
}

/* Puts other content where an object is stored, as bad luck or bad people would. */
static void
replace(const char *path, const uint8_t *p, size_t n)
{
    int fd = open(path, O_WRONLY | O_TRUNC | O_CREAT, 0600);
    struct bs_err err = {0};

    EXPECT_EQ(bs_fd_write(fd, (struct bs_bytes){p, n}, path, &err), BS_DONE);
    close(fd);
}

static enum bs_done
gather(void *ctx, struct bs_bytes raw, struct bs_err *err)
{
    (void)err;
    bs_put_bytes(ctx, raw);
    return BS_DONE;
}

static void
comes_back_as_it_was(void)
{
    static const int sizes[] = {0, 1, 3, 1000, 30000};

    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        struct sample s;
        struct bs_buf want, got;
        struct bs_err err = {0};
        char key[32];
        (void)snprintf(key, sizeof(key), "back/%zu", i);
        REQUIRE(make(&s, key, sizes[i], 5));
        EXPECT_EQ(s.object.row_count, sizes[i]);
        bs_buf_init(&want, 64u << 20);
        bs_buf_init(&got, 64u << 20);
        put_rows(&want, sizes[i], 5);
        EXPECT_EQ(bs_object_read(store, &s.object, gather, &got, NULL, &err), BS_DONE);
        EXPECT(bs_bytes_equal(bs_buf_view(&want), bs_buf_view(&got)));
        EXPECT_EQ(s.object.raw_bytes, want.n);
        bs_buf_fini(&want);
        bs_buf_fini(&got);
    }
}

static void
every_byte_counts(void)
{
    struct sample s;
    struct bs_buf b;
    struct bs_err err = {0};

    REQUIRE(make(&s, "flip/one", 40, 3));
    bs_buf_init(&b, 1 << 20);
    REQUIRE(bs_file_read(s.path, &b, &err) == BS_DONE);
    for (size_t i = 0; i < b.n; i++) {
        b.p[i] ^= (uint8_t)(1u << i % 8);
        replace(s.path, b.p, b.n);
        if (check(&s.object) != BS_E_DAMAGED)
            EXPECT(!"a flipped byte was not seen");
        b.p[i] ^= (uint8_t)(1u << i % 8);
    }
    replace(s.path, b.p, b.n);
    EXPECT_EQ(check(&s.object), BS_OK);
    bs_buf_fini(&b);
}

static void
every_cut_counts(void)
{
    struct sample s;
    struct bs_buf b, more;
    struct bs_err err = {0};

    REQUIRE(make(&s, "cut/one", 40, 3));
    bs_buf_init(&b, 1 << 20);
    REQUIRE(bs_file_read(s.path, &b, &err) == BS_DONE);
    for (size_t n = 0; n < b.n; n++) {
        replace(s.path, b.p, n);
        if (check(&s.object) != BS_E_DAMAGED)
            EXPECT(!"a cut was not seen");
    }
    bs_buf_init(&more, 1 << 20);
    bs_put_bytes(&more, bs_buf_view(&b));
    bs_put_u8(&more, 0);
    replace(s.path, more.p, more.n);
    EXPECT_EQ(check(&s.object), BS_E_DAMAGED);
    more.n--;
    bs_put_bytes(&more, bs_buf_view(&b)); /* a second frame behind the first */
    replace(s.path, more.p, more.n);
    EXPECT_EQ(check(&s.object), BS_E_DAMAGED);
    replace(s.path, b.p, b.n);
    EXPECT_EQ(check(&s.object), BS_OK);
    bs_buf_fini(&more);
    bs_buf_fini(&b);
}

/* The manifest's numbers are each looked at: one that lies is found out alone. */
static void
every_number_counts(void)
{
    struct sample s, other;
    struct bs_point_object o;
    struct bs_point_part part;

    REQUIRE(make(&s, "num/one", 500, 3) && make(&other, "num/two", 500, 4));
    o = s.object;
    o.row_count++;
    EXPECT_EQ(check(&o), BS_E_DAMAGED);
    o = s.object;
    o.raw_bytes--;
    EXPECT_EQ(check(&o), BS_E_DAMAGED);
    o.raw_bytes += 2;
    EXPECT_EQ(check(&o), BS_E_DAMAGED);
    o = s.object;
    o.stored_bytes++;
    EXPECT_EQ(check(&o), BS_E_DAMAGED);
    o = s.object;
    o.sha256 = other.object.sha256;
    EXPECT_EQ(check(&o), BS_E_DAMAGED);
    o = s.object;
    o.row_hash = other.object.row_hash;
    EXPECT_EQ(check(&o), BS_E_DAMAGED);
    o = s.object;
    o.n_columns = 3;
    EXPECT_EQ(check(&o), BS_E_DAMAGED);
    o = s.object;
    o.format = BS_ROWS_TEXT;
    EXPECT_EQ(check(&o), BS_E_DAMAGED);
    o = s.object;
    part = s.part;
    o.parts = &part;
    part.stored_bytes--;
    EXPECT_EQ(check(&o), BS_E_DAMAGED);
    part = s.part;
    part.sha256 = other.part.sha256;
    EXPECT_EQ(check(&o), BS_E_DAMAGED);
    part = s.part;
    part.key = other.part.key;
    EXPECT_EQ(check(&o), BS_E_DAMAGED);
    EXPECT_EQ(check(&s.object), BS_OK);
}

static void
points_are_verified_whole(void)
{
    struct sample a, b;
    struct bs_point_object objects[3];
    struct bs_manifest m = {.objects = objects, .n_objects = 3};
    struct bs_verify_report report;
    struct bs_err err = {0};

    REQUIRE(make(&a, "point/a", 10, 1) && make(&b, "point/b", 20, 2));
    objects[0] = a.object;
    objects[1] = (struct bs_point_object){.format = BS_ROWS_NONE, .relkind = 'p'};
    objects[2] = b.object;
    REQUIRE(bs_store_put(store, "schema/x.dump", BS_LIT("PGDMP"), &err) == BS_DONE);
    m.schema.key = "schema/x.dump";
    m.schema.stored_bytes = 5;
    /* printf PGDMP | sha256sum */
    m.schema.sha256 = "b5a26a21290c39819235a235b8ed66b3bd98ed90c8316c8949bfbb7419cac878";
    EXPECT_EQ(bs_point_verify(store, &m, NULL, &report, &err), BS_DONE);
    EXPECT_EQ(report.objects, 3);
    EXPECT_EQ(report.rows, 30);
    EXPECT_EQ(report.stored_bytes, a.object.stored_bytes + b.object.stored_bytes + 5);
    EXPECT_EQ(bs_point_present(store, &m, &report, &err), BS_DONE);
    EXPECT_EQ(report.rows, 30);
    m.schema.stored_bytes = 6;
    EXPECT_EQ(bs_point_present(store, &m, &report, &err), BS_FAILED);
    EXPECT(err.code == BS_E_DAMAGED && strcmp(report.damaged, "schema/x.dump") == 0);
    m.schema.stored_bytes = 5;
    err = (struct bs_err){0};
    m.schema.sha256 = a.object.sha256;
    EXPECT_EQ(bs_point_verify(store, &m, NULL, &report, &err), BS_FAILED);
    EXPECT_EQ(err.code, BS_E_DAMAGED);
    EXPECT(strcmp(report.damaged, "schema/x.dump") == 0);
    err = (struct bs_err){0};
    unlink(b.path);
    EXPECT_EQ(bs_point_verify(store, &m, NULL, &report, &err), BS_FAILED);
    EXPECT_EQ(err.code, BS_E_DAMAGED);
    EXPECT(strcmp(report.damaged, "point/b") == 0);
    EXPECT(strstr(err.message, "missing") != NULL);
    err = (struct bs_err){0};
    EXPECT_EQ(bs_point_present(store, &m, &report, &err), BS_FAILED);
    EXPECT(err.code == BS_E_DAMAGED && strcmp(report.damaged, "point/b") == 0);
}

/* Three samples as the parts of one object; what is given out of them is one stream. */
static void
several_parts(void)
{
    static const int sizes[3] = {300, 0, 7000};
    static const char *const keys[3] = {"parts/1", "parts/2", "parts/3"};
    struct sample s[3];
    struct bs_point_part parts[3];
    struct bs_sealed sum = {0};
    struct bs_point_object o;
    struct bs_buf want, got;
    struct bs_err err = {0};
    char sha256[BS_SHA256_TEXT];

    bs_buf_init(&want, 8 << 20);
    bs_buf_init(&got, 8 << 20);
    bs_put_bytes(&want, BS_LIT("PGCOPY\n\377\r\n\0\0\0\0\0\0\0\0\0"));
    for (int i = 0; i < 3; i++) {
        struct bs_buf raw;
        bs_buf_init(&raw, 8 << 20);
        put_rows(&raw, sizes[i], i);
        bs_put_bytes(&want, (struct bs_bytes){raw.p + 19, raw.n - 19 - 2});
        bs_buf_fini(&raw);
        REQUIRE(make(&s[i], keys[i], sizes[i], i));
        parts[i] = s[i].part;
        bs_sealed_add(&sum, &s[i].sealed);
    }
    bs_put_u16(&want, 0xffff);
    bs_parts_sha256(parts, 3, sha256);
    o = s[0].object;
    o.parts = parts;
    o.n_parts = 3;
    o.row_count = sum.rows;
    o.raw_bytes = sum.raw_bytes;
    o.stored_bytes = sum.stored_bytes;
    o.row_hash = sum.row_hash;
    o.sha256 = sha256;
    EXPECT_EQ(o.row_count, 7300);
    EXPECT_EQ(bs_object_read(store, &o, gather, &got, NULL, &err), BS_DONE);
    EXPECT(bs_bytes_equal(bs_buf_view(&got), bs_buf_view(&want)));

    /* The order is part of what the manifest says, and so is each of them. */
    parts[0] = s[2].part;
    parts[2] = s[0].part;
    EXPECT_EQ(check(&o), BS_E_DAMAGED);
    parts[0] = s[0].part;
    EXPECT_EQ(check(&o), BS_E_DAMAGED);
    parts[2] = s[2].part;
    EXPECT_EQ(check(&o), BS_OK);
    o.n_parts = 2;
    EXPECT_EQ(check(&o), BS_E_DAMAGED);
    o.n_parts = 3;
    parts[1].key = "parts/3";
    EXPECT_EQ(check(&o), BS_E_DAMAGED);
    parts[1].key = "parts/4";
    EXPECT_EQ(check(&o), BS_E_DAMAGED);
    bs_buf_fini(&want);
    bs_buf_fini(&got);
}

static enum bs_done
stop_now(void *ctx, struct bs_bytes raw, struct bs_err *err)
{
    (void)raw;
    (void)err;
    bs_watch_stop(ctx);
    return BS_DONE;
}

static void
a_watch_ends_it(void)
{
    struct sample s;
    struct bs_watch w;
    struct bs_err err = {0};
    atomic_llong bytes;

    REQUIRE(make(&s, "watch/one", 60000, 77));
    atomic_init(&bytes, 0);
    REQUIRE(bs_watch_init(&w, 0, &err) == BS_DONE);
    w.bytes = &bytes;
    EXPECT_EQ(bs_object_read(store, &s.object, NULL, NULL, &w, &err), BS_DONE);
    EXPECT_EQ(atomic_load(&bytes), s.object.stored_bytes);
    EXPECT_EQ(bs_object_read(store, &s.object, stop_now, &w, &w, &err), BS_FAILED);
    EXPECT_EQ(err.code, BS_E_CANCELLED);
    bs_watch_fini(&w);
    err = (struct bs_err){0};
    REQUIRE(bs_watch_init(&w, 1, &err) == BS_DONE); /* long past */
    EXPECT_EQ(bs_object_read(store, &s.object, NULL, NULL, &w, &err), BS_FAILED);
    EXPECT_EQ(err.code, BS_E_NO_POINT);
    bs_watch_fini(&w);
}

/* A few bytes must not unpack to more than the manifest says, whatever they are. */
static void
bombs(void)
{
    struct sample s;

    REQUIRE(make(&s, "bomb/one", 20000, 0));
    s.object.raw_bytes = 100;
    EXPECT_EQ(check(&s.object), BS_E_DAMAGED);
}

static void
a_sealed_stream_is_whole(void)
{
    struct bs_seal *seal = NULL;
    struct bs_sealed sealed;
    struct bs_err err = {0};
    char path[128];

    (void)snprintf(path, sizeof(path), "%s/short", root);
    REQUIRE(bs_seal_new(path, BS_ROWS_BINARY, 2, &seal, &err) == BS_DONE);
    EXPECT_EQ(bs_seal_put(seal, BS_LIT("PGCOPY\n\377\r\n\0"), &err), BS_DONE);
    EXPECT_EQ(bs_seal_finish(seal, &sealed, &err), BS_FAILED);
    EXPECT_EQ(err.code, BS_E_DATA);
    bs_seal_free(&seal);
    err = (struct bs_err){0};
    EXPECT_EQ(bs_seal_new(path, BS_ROWS_BINARY, 2, &seal, &err), BS_FAILED); /* never over a file */
    EXPECT(seal == NULL);
    unlink(path);
}

static const struct tap_case cases[] = {
    {"comes back as it was", comes_back_as_it_was},
    {"every byte counts", every_byte_counts},
    {"every cut counts", every_cut_counts},
    {"every number counts", every_number_counts},
    {"points are verified whole", points_are_verified_whole},
    {"several parts", several_parts},
    {"a watch ends it", a_watch_ends_it},
    {"bombs", bombs},
    {"a sealed stream is whole", a_sealed_stream_is_whole},
};

int
main(void)
{
    char url[128];
    struct bs_err err = {0};
    int status;

    if (mkdtemp(root) == NULL)
        return 1;
    (void)snprintf(url, sizeof(url), "file://%s", root);
    if (bs_store_open(url, &store, &err) != BS_DONE)
        return 1;
    status = tap_main(cases, sizeof(cases) / sizeof(cases[0]));
    bs_store_close(&store);
    return !folder_remove(root) || status;
}
