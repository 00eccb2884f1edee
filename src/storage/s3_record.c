/*
 * s3_record.c - what `storage check` has found out, kept in the store itself.
 *
 * Nothing in a store is ever changed, so there is one record a check. Their names count down: the
 * newest is the first of the listing, and one page of one key finds it.
 */
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "storage/probe.h"
#include "storage/s3.h"

enum { RECORD_MAX = 64 * 1024 };

static enum bs_done
take_first(void *ctx, const char *key, int64_t size, struct bs_err *err)
{
    (void)size;
    (void)snprintf(ctx, BS_KEY_MAX + 1, "%s", key);
    return BS_FAIL(err, LIMIT, "found"); /* no more is wanted */
}

static enum bs_done
to_buf(void *ctx, struct bs_bytes piece, struct bs_err *err)
{
    struct bs_buf *b = ctx;

    bs_put_bytes(b, piece);
    return b->failed ? BS_FAIL(err, LIMIT, "the record of the store is too large") : BS_DONE;
}

static enum bs_s3_can
can_of(const json_t *root, const char *name)
{
    const char *word = json_string_value(json_object_get(root, name));

    if (word == NULL)
        return BS_S3_UNKNOWN;
    if (strcmp(word, "honoured") == 0)
        return BS_S3_HONOURS;
    if (strcmp(word, "ignored") == 0)
        return BS_S3_IGNORES;
    return strcmp(word, "refused") == 0 ? BS_S3_REFUSES : BS_S3_UNKNOWN;
}

/* A record of another store, copied here with the rest, says nothing about this one. */
static void
read_record(const struct bs_s3 *s, struct bs_bytes text, struct bs_s3_record *out)
{
    json_t *root = json_loadb((const char *)text.p, text.n, JSON_REJECT_DUPLICATES, NULL);
    const char *place = json_string_value(json_object_get(root, "place"));
    char here[320];

    (void)snprintf(here, sizeof(here), "%.250s/%s", s->place.host, s->place.bucket);
    if (json_integer_value(json_object_get(root, "format")) == 1 && place != NULL &&
        strcmp(place, here) == 0) {
        out->create = can_of(root, "create");
        out->create_parts = can_of(root, "create_multipart");
    }
    json_decref(root);
}

struct bs_s3_record
bs_s3_record_get(const struct bs_s3_work *w)
{
    struct bs_s3 *s = w->s3;
    struct bs_s3_record record;
    char key[BS_KEY_MAX + 1] = "";
    struct bs_err why = {0};
    struct bs_buf text;

    bs_assert(pthread_mutex_lock(&s->lock) == 0);
    record = s->record;
    bs_assert(pthread_mutex_unlock(&s->lock) == 0);
    if (record.loaded)
        return record;
    bs_buf_init(&text, RECORD_MAX);
    /* Who may not list will not be allowed to the next time; who did not answer may then. */
    record.loaded = bs_s3_list(w, BS_PROBE_RECORDS, 1, take_first, key, &why) == BS_DONE ||
                    (!bs_code_get(why.code)->retryable && why.code != BS_E_CANCELLED);
    why = (struct bs_err){0};
    if (key[0] != '\0')
        record.loaded = bs_s3_read(w, key, to_buf, &text, &why) == BS_DONE;
    if (record.loaded)
        read_record(s, bs_buf_view(&text), &record);
    bs_buf_fini(&text);
    bs_assert(pthread_mutex_lock(&s->lock) == 0);
    if (!s->record.loaded && record.loaded)
        s->record = record;
    bs_assert(pthread_mutex_unlock(&s->lock) == 0);
    return record;
}

void
bs_s3_record_refuses(struct bs_s3 *s)
{
    bs_assert(pthread_mutex_lock(&s->lock) == 0);
    s->record.create = BS_S3_REFUSES;
    bs_assert(pthread_mutex_unlock(&s->lock) == 0);
}
