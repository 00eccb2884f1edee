/*
 * spool_test.c - two captures at once cannot both count on the same room.
 */
#include "recovery/spool.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "tap.h"

static char root[] = "/tmp/bs-spool-XXXXXX";

/* A little more than half of what is free, so that it fits once only. */
static uint64_t
most(void)
{
    struct statvfs fs;

    return statvfs(root, &fs) != 0 ? 0 : (uint64_t)fs.f_bavail * fs.f_frsize / 8 * 5;
}

static void
room_is_given_once(void)
{
    struct bs_spool a, b;
    struct bs_err err = {0};
    uint64_t bytes = most();

    REQUIRE(bytes != 0);
    REQUIRE(bs_spool_open(&a, root, "a", &err) == BS_DONE);
    REQUIRE(bs_spool_open(&b, root, "b", &err) == BS_DONE);
    EXPECT(bs_spool_reserve(&a, bytes, &err) == BS_DONE);
    EXPECT(bs_spool_reserve(&b, bytes, &err) == BS_FAILED);
    EXPECT_EQ(err.code, BS_E_NO_POINT);
    EXPECT(strstr(err.message, "of which other captures need") != NULL);
    err = (struct bs_err){0};
    EXPECT(bs_spool_reserve(&b, 1000, &err) == BS_DONE); /* what is left beside it */
    bs_spool_close(&b);
    bs_spool_close(&a);
    REQUIRE(bs_spool_open(&b, root, "b", &err) == BS_DONE);
    EXPECT(bs_spool_reserve(&b, bytes, &err) == BS_DONE); /* it was given back */
    bs_spool_close(&b);
}

static uint64_t
promised_by(const struct bs_err *err)
{
    const char *at = strstr(err->message, "captures need ");

    return at == NULL ? 0 : strtoull(at + strlen("captures need "), NULL, 10);
}

/* What has been written is gone from what is free already: it is not counted again. */
static void
what_is_written_counts_once(void)
{
    enum { PROMISED = 8 << 20 };
    static char block[PROMISED];
    struct bs_spool a, b;
    struct bs_err err = {0};
    char path[PATH_MAX];
    uint64_t before, after;
    FILE *f;

    REQUIRE(bs_spool_open(&a, root, "a", &err) == BS_DONE);
    REQUIRE(bs_spool_open(&b, root, "b", &err) == BS_DONE);
    REQUIRE(bs_spool_reserve(&a, PROMISED, &err) == BS_DONE);
    REQUIRE(bs_spool_reserve(&b, UINT64_MAX / 2, &err) == BS_FAILED);
    before = promised_by(&err);
    EXPECT_EQ(before, PROMISED);
    REQUIRE(bs_spool_path(&a, 0, 0, path, &err) == BS_DONE);
    f = fopen(path, "w");
    REQUIRE(f != NULL && fwrite(block, 1, sizeof(block) / 2, f) == sizeof(block) / 2);
    REQUIRE(fclose(f) == 0);
    err = (struct bs_err){0};
    REQUIRE(bs_spool_reserve(&b, UINT64_MAX / 2, &err) == BS_FAILED);
    after = promised_by(&err);
    EXPECT_EQ(after, PROMISED / 2);
    bs_spool_close(&a);
    bs_spool_close(&b);
}

struct racer {
    pthread_t thread;
    struct bs_spool spool;
    uint64_t bytes;
    bool got;
};

static void *
race(void *arg)
{
    struct racer *r = arg;
    struct bs_err err = {0};

    r->got = bs_spool_reserve(&r->spool, r->bytes, &err) == BS_DONE;
    return NULL;
}

static void
of_many_at_once_one_gets_it(void)
{
    enum { RACERS = 8 };
    struct racer racers[RACERS];
    struct bs_err err = {0};
    uint64_t bytes = most();
    size_t got = 0;

    for (size_t i = 0; i < RACERS; i++) {
        char name[8];
        (void)snprintf(name, sizeof(name), "r%zu", i);
        REQUIRE(bs_spool_open(&racers[i].spool, root, name, &err) == BS_DONE);
        racers[i].bytes = bytes;
    }
    for (size_t i = 0; i < RACERS; i++)
        REQUIRE(pthread_create(&racers[i].thread, NULL, race, &racers[i]) == 0);
    for (size_t i = 0; i < RACERS; i++) {
        (void)pthread_join(racers[i].thread, NULL);
        got += racers[i].got;
    }
    EXPECT_EQ(got, 1);
    for (size_t i = 0; i < RACERS; i++)
        bs_spool_close(&racers[i].spool);
}

int
main(void)
{
    static const struct tap_case cases[] = {
        {"room is given once", room_is_given_once},
        {"what is written counts once", what_is_written_counts_once},
        {"of many at once one gets it", of_many_at_once_one_gets_it},
    };
    int status;

    if (mkdtemp(root) == NULL)
        return 1;
    status = tap_main(cases, sizeof(cases) / sizeof(cases[0]));
    (void)rmdir(root);
    return status;
}
