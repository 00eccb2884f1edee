/*
 * the_store.h - a test's one store, and short words for what is done with it.
 */
#ifndef BS_TEST_THE_STORE_H
#define BS_TEST_THE_STORE_H

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

#endif
