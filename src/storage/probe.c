/*
 * probe.c - what every store is asked, the record of it, and nothing that only S3 has.
 */
#include "storage/probe.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

enum {
    RECORD_MAX = 64 * 1024,
    FOLDER = sizeof("probe//") - 1 + BS_ULID_TEXT - 1, /* "probe/<ULID>/" */
};

void
bs_probe_note(struct bs_probe_report *r,
              enum bs_probe_level level,
              const char *check,
              const char *way,
              const char *fmt,
              ...)
{
    struct bs_probe_finding *f = &r->findings[r->n_findings];
    va_list ap;

    bs_assert(r->n_findings < BS_PROBE_FINDINGS);
    r->n_findings++;
    r->counts[level]++;
    f->level = level;
    f->check = check;
    (void)snprintf(f->way, sizeof(f->way), "%s", way == NULL ? "" : way);
    va_start(ap, fmt);
    (void)vsnprintf(f->text, sizeof(f->text), fmt, ap);
    va_end(ap);
}

void
bs_probe_fact(struct bs_probe_report *r, const char *name, const char *value)
{
    bs_assert(r->n_facts < BS_PROBE_FACTS);
    r->facts[r->n_facts++] = (struct bs_probe_fact){name, value};
}

const char *
bs_probe_level_name(enum bs_probe_level level)
{
    static const char *const names[BS_PROBE_LEVELS] = {"fail", "warn", "info", "ok"};

    return names[level];
}

static const char first[] = "backstop storage check was here\n";
static const char second[] = "backstop storage check was here twice\n";

/* "probe/<ULID>/name" */
static const char *
key_of(char out[BS_KEY_MAX], const char *folder, const char *name)
{
    (void)snprintf(out, BS_KEY_MAX, "%s%s", folder, name);
    return out;
}

static enum bs_done
comes_back(struct bs_store *s, const char *key, const char *content, struct bs_err *err)
{
    struct bs_store_info info = {0};
    struct bs_buf got;
    enum bs_done done;

    bs_buf_init(&got, 4096);
    done = bs_store_get(s, key, &got, err);
    if (done == BS_DONE && !bs_bytes_equal(bs_buf_view(&got), bs_bytes_of(content)))
        done = BS_FAIL(err, DAMAGED, "an object came back changed");
    bs_buf_fini(&got);
    if (done == BS_DONE)
        done = bs_store_head(s, key, &info, err);
    if (done == BS_DONE && info.size != (int64_t)strlen(content))
        done = BS_FAIL(err, DAMAGED, "the store says that %zu bytes are %lld", strlen(content),
                       (long long)info.size);
    return done;
}

/* False where there is no use in going on. */
static bool
try_put(struct bs_store *s, const char *folder, struct bs_probe_report *r)
{
    char key[BS_KEY_MAX];
    struct bs_err err = {0};

    if (bs_store_put(s, key_of(key, folder, "one"), bs_bytes_of(first), &err) != BS_DONE) {
        r->stopped = err;
        bs_probe_note(r, BS_PROBE_FAIL, "put", err.hint, "an object cannot be stored: %s",
                      err.message);
        return false;
    }
    if (comes_back(s, key, first, &err) != BS_DONE) {
        r->stopped = err;
        bs_probe_note(r, BS_PROBE_FAIL, "get", err.hint,
                      "an object that was stored does not come back: %s", err.message);
        return false;
    }
    bs_probe_note(r, BS_PROBE_OK, "put", NULL, "an object was stored and came back as it was");
    return true;
}

static void
try_again(struct bs_store *s, const char *folder, struct bs_probe_report *r)
{
    char key[BS_KEY_MAX];
    struct bs_err err = {0}, lost = {0};

    if (bs_store_put(s, key_of(key, folder, "one"), bs_bytes_of(second), &err) == BS_DONE)
        bs_probe_note(r, BS_PROBE_FAIL, "overwrite", NULL, "an object could be overwritten");
    else if (err.code != BS_E_CONFLICT)
        bs_probe_note(r, BS_PROBE_FAIL, "overwrite", err.hint,
                      "it cannot be told whether a name is taken: %s", err.message);
    else if (comes_back(s, key, first, &lost) != BS_DONE)
        bs_probe_note(r, BS_PROBE_FAIL, "overwrite", lost.hint,
                      "an object was harmed by another of its name: %s", lost.message);
    else
        bs_probe_note(r, BS_PROBE_OK, "overwrite", NULL, "a name that is taken is refused");
}

static enum bs_done
gather(void *ctx, const char *key, int64_t size, struct bs_err *err)
{
    struct bs_buf *all = ctx;

    (void)size;
    bs_put_fmt(all, "%s ", key + FOLDER);
    return all->failed ? BS_FAIL(err, LIMIT, "the store lists too much") : BS_DONE;
}

static void
try_list(struct bs_store *s, const char *folder, struct bs_probe_report *r)
{
    static const char *const names[] = {"t/wo~", "t-hree%2F", "a-b=c"};
    struct bs_err err = {0};
    char key[BS_KEY_MAX];
    struct bs_buf all;

    for (size_t i = 0; err.code == BS_OK && i < sizeof(names) / sizeof(names[0]); i++)
        (void)!bs_store_put(s, key_of(key, folder, names[i]), bs_bytes_of(first), &err);
    bs_buf_init(&all, 1024);
    if (err.code != BS_OK || bs_store_list(s, folder, gather, &all, &err) != BS_DONE)
        bs_probe_note(r, BS_PROBE_FAIL, "list", err.hint, "objects cannot be listed: %s",
                      err.message);
    else if (!bs_bytes_equal(bs_buf_view(&all), BS_LIT("a-b=c one t-hree%2F t/wo~ ")))
        bs_probe_note(r, BS_PROBE_FAIL, "list", NULL,
                      "the listing is not what was stored, in order of bytes: \"%.*s\"",
                      (int)(all.n > 200 ? 200 : all.n), (const char *)all.p);
    else
        bs_probe_note(r, BS_PROBE_OK, "list", NULL, "what was stored is listed, in order");
    bs_buf_fini(&all);
}

void
bs_probe_run(struct bs_store *s, struct bs_probe_report *r)
{
    char id[BS_ULID_TEXT], folder[FOLDER + 1];

    bs_ulid_new(id);
    (void)snprintf(folder, sizeof(folder), "probe/%s/", id);
    if (!try_put(s, folder, r))
        return;
    try_again(s, folder, r);
    try_list(s, folder, r);
    if (s->ops->probe != NULL)
        s->ops->probe(s, folder, r);
}

/* --- the record --- */

static json_t *
findings_json(const struct bs_probe_report *r)
{
    json_t *list = json_array();

    for (size_t i = 0; i < r->n_findings; i++) {
        const struct bs_probe_finding *f = &r->findings[i];
        (void)json_array_append_new(list,
                                    json_pack("{s:s,s:s,s:s}", "check", f->check, "level",
                                              bs_probe_level_name(f->level), "text", f->text));
    }
    return list;
}

enum bs_done
bs_probe_put_record(struct bs_store *s, const struct bs_probe_report *r, struct bs_err *err)
{
    char at[BS_TIME_TEXT], id[BS_ULID_TEXT], key[BS_KEY_MAX];
    int64_t now = bs_now_us();
    enum bs_done done;
    json_t *root;
    char *text;

    bs_time_format(now, at);
    bs_ulid_new(id);
    (void)snprintf(key, sizeof(key), BS_PROBE_RECORDS "%016" PRIx64 "-%s.json",
                   (uint64_t)(INT64_MAX - now), id);
    root =
        json_pack("{s:i,s:s,s:s,s:s,s:s,s:o}", "format", 1, "at", at, "gateway_version", BS_VERSION,
                  "scheme", s->ops->scheme, "place", r->place, "findings", findings_json(r));
    for (size_t i = 0; i < r->n_facts; i++)
        (void)json_object_set_new(root, r->facts[i].name, json_string(r->facts[i].value));
    text = json_dumps(root, JSON_INDENT(2));
    json_decref(root);
    bs_assert(text != NULL);
    done = bs_store_put(s, key, bs_bytes_of(text), err);
    free(text);
    return done;
}

/* Names of records count down, so the newest is the first. */
static enum bs_done
take_first(void *ctx, const char *key, int64_t size, struct bs_err *err)
{
    (void)size;
    (void)snprintf(ctx, BS_KEY_MAX + 1, "%s", key);
    return BS_FAIL(err, LIMIT, "found"); /* no more is wanted */
}

enum bs_done
bs_probe_last_record(struct bs_store *s, json_t **out, struct bs_err *err)
{
    char key[BS_KEY_MAX + 1] = "";
    struct bs_err why = {0};
    struct bs_buf text;
    enum bs_done done;

    *out = NULL;
    if (bs_store_list(s, BS_PROBE_RECORDS, take_first, key, &why) == BS_DONE)
        return BS_FAIL(err, NOT_FOUND, "nobody has checked this store yet");
    if (key[0] == '\0') {
        *err = why;
        return BS_FAILED;
    }
    bs_buf_init(&text, RECORD_MAX);
    done = bs_store_get(s, key, &text, err);
    if (done == BS_DONE)
        *out = json_loadb((const char *)text.p, text.n, JSON_REJECT_DUPLICATES, NULL);
    bs_buf_fini(&text);
    if (done == BS_DONE && *out == NULL)
        done = BS_FAIL(err, DATA, "the record of the store's check is no JSON");
    return done;
}
