/*
 * s3_record.c - what `storage check` has found out, kept in the store itself.
 *
 * Nothing in a store is ever changed, so there is one record a check. It is asked for when it is
 * first needed, not when the store is opened: that speaks to nobody.
 */
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "storage/probe.h"
#include "storage/s3.h"

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
read_record(const struct bs_s3 *s, const json_t *root, struct bs_s3_record *out)
{
    const char *place = json_string_value(json_object_get(root, "place"));
    char here[320];

    (void)snprintf(here, sizeof(here), "%.250s/%s", s->place.host, s->place.bucket);
    if (json_integer_value(json_object_get(root, "format")) == 1 && place != NULL &&
        strcmp(place, here) == 0) {
        out->create = can_of(root, "create");
        out->create_parts = can_of(root, "create_multipart");
    }
}

struct bs_s3_record
bs_s3_record_get(const struct bs_s3_work *w)
{
    struct bs_s3 *s = w->s3;
    struct bs_store store = {.ops = &bs_store_s3, .backend = s, .watch = w->watch};
    struct bs_s3_record record;
    struct bs_err why = {0};
    json_t *root = NULL;

    bs_assert(pthread_mutex_lock(&s->lock) == 0);
    record = s->record;
    bs_assert(pthread_mutex_unlock(&s->lock) == 0);
    if (record.loaded)
        return record;
    if (bs_probe_last_record(&store, &root, &why) == BS_DONE)
        read_record(s, root, &record);
    json_decref(root);
    /* Who may not list will not be allowed to the next time; who did not answer may then. */
    record.loaded = !bs_code_get(why.code)->retryable && why.code != BS_E_CANCELLED;
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
