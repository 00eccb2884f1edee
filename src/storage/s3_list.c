/*
 * s3_list.c - all pages of a listing, each key visited in order.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "storage/s3.h"
#include "storage/s3_page.h"

enum { EMPTY_PAGES = 100 }; /* in a row, before a listing is taken for one without an end */

struct listing {
    const struct bs_s3_work *work;
    const char *prefix; /* of the keys, without the place's */
    bs_store_visit visit;
    void *ctx;
    struct bs_s3_page page;
    char last[BS_S3_XML_TEXT]; /* the key before */
    char token[BS_S3_XML_TEXT];
};

/* Objects of others in the same bucket are no keys of ours: they are passed over. */
static enum bs_done
visit_entry(struct listing *l, const struct bs_s3_entry *e, struct bs_err *err)
{
    size_t n = strlen(l->work->s3->place.prefix);
    struct bs_err foreign = {0};

    if (strncmp(e->key, l->work->s3->place.prefix, n) != 0 ||
        strncmp(e->key + n, l->prefix, strlen(l->prefix)) != 0)
        return BS_FAIL(err, DATA, "the store lists what was not asked for");
    if (strcmp(e->key, l->last) <= 0)
        return BS_FAIL(err, UNSUPPORTED, "the store does not list in ascending order of bytes");
    (void)snprintf(l->last, sizeof(l->last), "%s", e->key);
    if (bs_key_check(e->key + n, &foreign) != BS_DONE)
        return BS_DONE;
    return l->visit(l->ctx, e->key + n, e->size, err);
}

static enum bs_done
list_page(struct listing *l, int page, struct bs_err *err)
{
    struct bs_s3_call call = {.method = "GET", .watch = l->work->watch};
    struct bs_s3_answer a;
    char prefix[2 * BS_KEY_MAX], keys[16];
    enum bs_done done;

    (void)snprintf(prefix, sizeof(prefix), "%s%s", l->work->s3->place.prefix, l->prefix);
    (void)snprintf(keys, sizeof(keys), "%d", page);
    bs_s3_add_query(&call, "list-type", "2");
    bs_s3_add_query(&call, "prefix", prefix);
    bs_s3_add_query(&call, "max-keys", keys);
    bs_s3_add_query(&call, "encoding-type", "url");
    if (l->token[0] != '\0')
        bs_s3_add_query(&call, "continuation-token", l->token);
    done = bs_s3_send(l->work->s3, &call, &a, err);
    if (done == BS_DONE && a.http.status != 200)
        done = bs_s3_refused(l->work->s3, &a, "list", l->prefix, err);
    if (done == BS_DONE)
        done = bs_s3_page_read(&l->page, bs_buf_view(&a.http.body), err);
    bs_s3_answer_fini(&a);
    for (size_t i = 0; done == BS_DONE && i < l->page.n; i++)
        done = visit_entry(l, &l->page.entries[i], err);
    return done;
}

enum bs_done
bs_s3_list(const struct bs_s3_work *w,
           const char *prefix,
           int page,
           bs_store_visit visit,
           void *ctx,
           struct bs_err *err)
{
    struct listing *l = bs_malloc(sizeof(*l));
    enum bs_done done;
    int empty = 0;

    *l = (struct listing){.work = w, .prefix = prefix, .visit = visit, .ctx = ctx};
    bs_s3_page_init(&l->page);
    do {
        done = list_page(l, page, err);
        empty = l->page.n != 0 ? 0 : empty + 1;
        if (done == BS_DONE && l->page.more &&
            (l->page.token[0] == '\0' || strcmp(l->page.token, l->token) == 0 ||
             empty > EMPTY_PAGES))
            done = BS_FAIL(err, DATA, "the store's listing has no end");
        memcpy(l->token, l->page.token, sizeof(l->token));
    } while (done == BS_DONE && l->page.more);
    bs_s3_page_fini(&l->page);
    free(l);
    return done;
}
