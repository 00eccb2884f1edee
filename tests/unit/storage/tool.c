/*
 * tool.c - one call of a store on the command line, for the integration tests: they start servers
 * that fail in their own ways, and look at what the store makes of it.
 *
 *   storage-tool URL put KEY TEXT | put-file KEY PATH | get KEY | head KEY | list PREFIX | remove KEY
 *
 * BS_STOP_MS: a watch stops the call after so long. BS_DEADLINE_MS: it has a deadline.
 * Prints "DONE ..." or "FAILED CODE message", and how long it took.
 */
#include <openssl/evp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "storage/storage.h"

struct sum {
    EVP_MD_CTX *sha;
    long long n;
};

static enum bs_done
add(void *ctx, struct bs_bytes piece, struct bs_err *err)
{
    struct sum *s = ctx;

    (void)err;
    s->n += (long long)piece.n;
    return EVP_DigestUpdate(s->sha, piece.p, piece.n) == 1 ? BS_DONE : BS_FAILED;
}

static enum bs_done
show(void *ctx, const char *key, int64_t size, struct bs_err *err)
{
    (void)ctx;
    (void)err;
    printf("%s %lld\n", key, (long long)size);
    return BS_DONE;
}

static enum bs_done
get(struct bs_store *s, const char *key, char said[128], struct bs_err *err)
{
    struct sum sum = {EVP_MD_CTX_new(), 0};
    uint8_t digest[EVP_MAX_MD_SIZE];
    char hex[65];
    enum bs_done done;

    if (EVP_DigestInit(sum.sha, EVP_sha256()) != 1)
        abort();
    done = bs_store_read(s, key, add, &sum, err);
    if (EVP_DigestFinal(sum.sha, digest, NULL) != 1)
        abort();
    EVP_MD_CTX_free(sum.sha);
    bs_hex(digest, 32, hex);
    (void)snprintf(said, 128, "%lld %s", sum.n, hex);
    return done;
}

static enum bs_done
head(struct bs_store *s, const char *key, char said[128], struct bs_err *err)
{
    struct bs_store_info info = {0};
    enum bs_done done = bs_store_head(s, key, &info, err);

    (void)snprintf(said, 128, "%lld %s %lld", (long long)info.size,
                   info.lock[0] == '\0' ? "-" : info.lock,
                   (long long)(info.locked_until_us / 1000000));
    return done;
}

static enum bs_done
take_away(struct bs_store *s, const char *key, char said[128], struct bs_err *err)
{
    enum bs_removed how;
    enum bs_done done = bs_store_remove(s, key, &how, err);

    (void)snprintf(said, 128, "%s", how == BS_REMOVED_HIDDEN ? "hidden" : "gone");
    return done;
}

static enum bs_done
call(struct bs_store *s, char **argv, char said[128], struct bs_err *err)
{
    const char *verb = argv[0], *key = argv[1];

    if (strcmp(verb, "remove") == 0)
        return take_away(s, key, said, err);
    if (strcmp(verb, "put") == 0)
        return bs_store_put(s, key, bs_bytes_of(argv[2]), err);
    if (strcmp(verb, "put-file") == 0)
        return bs_store_put_file(s, key, argv[2], err);
    if (strcmp(verb, "get") == 0)
        return get(s, key, said, err);
    if (strcmp(verb, "head") == 0)
        return head(s, key, said, err);
    if (strcmp(verb, "list") == 0)
        return bs_store_list(s, key, show, NULL, err);
    return BS_FAIL(err, USAGE, "no such verb");
}

static void *
stop_later(void *ctx)
{
    long ms = strtol(getenv("BS_STOP_MS"), NULL, 10);
    struct timespec ts = {ms / 1000, ms % 1000 * 1000000};

    (void)nanosleep(&ts, NULL);
    bs_watch_stop(ctx);
    return NULL;
}

int
main(int argc, char **argv)
{
    const char *deadline = getenv("BS_DEADLINE_MS");
    struct bs_store *store = NULL, view;
    struct bs_watch watch;
    struct bs_err err = {0};
    char said[128] = "";
    int64_t start = bs_mono_us();
    pthread_t stopper;
    enum bs_done done;

    if (argc < 4 || bs_watch_init(&watch, 0, &err) != BS_DONE)
        return 64;
    if (deadline != NULL)
        watch.deadline_us = start + strtol(deadline, NULL, 10) * 1000;
    done = bs_store_open(argv[1], &store, &err);
    if (done == BS_DONE) {
        view = bs_store_watched(store, &watch);
        if (getenv("BS_STOP_MS") != NULL &&
            (pthread_create(&stopper, NULL, stop_later, &watch) != 0 ||
             pthread_detach(stopper) != 0))
            return 70;
        done = call(&view, argv + 2, said, &err);
    }
    if (done == BS_DONE)
        printf("DONE %s", said);
    else
        printf("FAILED %s %s%s%s", bs_code_get(err.code)->name, err.message,
               err.hint[0] == '\0' ? "" : " -> ", err.hint);
    printf("\n%lld ms\n", (long long)((bs_mono_us() - start) / 1000));
    bs_store_close(&store);
    return done == BS_DONE ? 0 : 1;
}
