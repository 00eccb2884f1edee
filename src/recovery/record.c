/*
 * record.c - the documents of a point: its intent, its manifest, its events.
 */
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "recovery/crypt.h"
#include "recovery/points.h"

enum { EVENT_MAX = 1 << 20 };

size_t
bs_point_dir_length(const char *key)
{
    const char *rp = strstr(key, "/rp/");
    const char *id = rp == NULL ? NULL : strstr(rp, "/RP-");
    size_t n = BS_POINT_ID_TEXT - 1;

    if (id == NULL || strlen(id) < n + 2 || id[1 + n] != '/' || strcspn(id + 1, "/") != n)
        return 0;
    return (size_t)(id - key) + 1 + n + 1;
}

/* A key in a point's folder; false where it is too long to be one. */
static bool
key_in(const char *dir, const char *name, char out[BS_KEY_MAX + 1])
{
    int n = snprintf(out, BS_KEY_MAX + 1, "%s%s", dir, name);

    return n > 0 && n <= BS_KEY_MAX;
}

typedef enum bs_done
parse_fn(struct bs_bytes text, struct bs_arena *arena, struct bs_manifest *out, struct bs_err *err);

/* The statement's text, where its key is to be had; without it all else can still be read. */
static void
unseal_statement(const struct bs_store *store, struct bs_manifest *m, struct bs_arena *arena)
{
    struct bs_point_key key;
    struct bs_err why = {0};

    if (m->statement.sealed == NULL || m->schema.encryption == NULL ||
        bs_point_key_open(store->keys, m->schema.encryption, &key, &why) != BS_DONE)
        return;
    m->statement.text = bs_crypt_read_text(&key, "statement", m->statement.sealed, arena);
    bs_point_key_wipe(&key);
}

/* NOT_FOUND, and who took it away. */
static enum bs_done
say_erased(struct bs_store *store,
           const struct bs_point_ref *point,
           struct bs_arena *arena,
           struct bs_err *err)
{
    struct bs_point_erased e;
    char at[BS_TIME_TEXT];

    if (bs_points_erased(store, point, arena, &e, err) != BS_DONE)
        return BS_FAILED;
    bs_time_format(e.at_us, at);
    return BS_FAIL(err, NOT_FOUND, "%s %s erased by %s at %.19sZ: %.300s%s", point->id,
                   e.done ? "was" : "is being", e.by, at, e.reason,
                   e.done     ? ""
                   : e.hidden ? " (some of it is only hidden behind delete markers)"
                              : " (that has not ended: run `backstop points erase` again)");
}

/* One of the two documents of a point; `what` it is, for the message. */
static enum bs_done
read_document(struct bs_store *store,
              const struct bs_point_ref *point,
              const char *what,
              parse_fn *parse,
              struct bs_arena *arena,
              struct bs_manifest *out,
              struct bs_err *err)
{
    char key[BS_KEY_MAX + 1], name[32];
    struct bs_buf text;
    enum bs_done done = BS_FAILED;

    if (point->erased != BS_EVENT_NONE)
        return say_erased(store, point, arena, err);
    (void)snprintf(name, sizeof(name), "%s.json", what);
    bs_buf_init(&text, BS_MANIFEST_MAX);
    if (!key_in(point->dir, name, key))
        (void)BS_FAIL(err, DATA, "that is not the folder of a point");
    else if (bs_store_get(store, key, &text, err) == BS_DONE)
        done = parse(bs_buf_view(&text), arena, out, err);
    bs_buf_fini(&text);
    /* One that was moved here from another point proves nothing about this one. */
    if (done == BS_DONE && strcmp(out->id, point->id) != 0)
        done = BS_FAIL(err, DAMAGED, "the %s of %s is another point's", what, point->id);
    if (done == BS_DONE && store->keys != NULL)
        unseal_statement(store, out, arena);
    return done;
}

enum bs_done
bs_points_load(struct bs_store *store,
               const struct bs_point_ref *point,
               struct bs_arena *arena,
               struct bs_manifest *out,
               struct bs_err *err)
{
    return read_document(store, point, "manifest", bs_manifest_parse, arena, out, err);
}

enum bs_done
bs_points_event_make(const char *dir,
                     const struct bs_point_event *event,
                     char key[BS_KEY_MAX + 1],
                     struct bs_buf *text,
                     struct bs_err *err)
{
    char name[64], ulid[BS_ULID_TEXT], id[BS_POINT_ID_TEXT];
    size_t n = bs_point_dir_length(dir);

    if (n == 0 || n != strlen(dir) || event->state == BS_EVENT_NONE)
        return BS_FAIL(err, DATA, "that is not the folder of a point, or not an event");
    memcpy(id, dir + n - BS_POINT_ID_TEXT, BS_POINT_ID_TEXT - 1);
    id[BS_POINT_ID_TEXT - 1] = '\0';
    bs_ulid_new(ulid);
    (void)snprintf(name, sizeof(name), "events/%s-%s.json", ulid, bs_event_name(event->state));
    if (!key_in(dir, name, key))
        return BS_FAIL(err, DATA, "the folder of a point is too long");
    return bs_event_print(event, id, text, err);
}

enum bs_done
bs_points_event(struct bs_store *store,
                const char *dir,
                const struct bs_point_event *event,
                struct bs_err *err)
{
    char key[BS_KEY_MAX + 1];
    struct bs_buf text;
    enum bs_done done;

    bs_buf_init(&text, EVENT_MAX);
    done = bs_points_event_make(dir, event, key, &text, err);
    if (done == BS_DONE)
        done = bs_store_put(store, key, bs_buf_view(&text), err);
    bs_buf_fini(&text);
    return done;
}

struct reading {
    struct bs_store *store;
    struct bs_arena *arena;
    struct bs_point_event *list;
    size_t n, max;
};

static enum bs_done
read_event(void *ctx, const char *key, int64_t size, struct bs_err *err)
{
    struct reading *r = ctx;
    struct bs_point_event *e = &r->list[r->n];
    struct bs_buf text;
    struct bs_err why = {0};

    (void)size;
    if (r->n == r->max)
        return BS_DONE; /* written since the point was listed */
    bs_buf_init(&text, EVENT_MAX);
    if (bs_store_get(r->store, key, &text, &why) != BS_DONE ||
        bs_event_parse(bs_buf_view(&text), r->arena, e, &why) != BS_DONE)
        *e = (struct bs_point_event){.details = "{\"damaged\":true}"};
    bs_buf_fini(&text);
    if (bs_store_silent(why.code) || why.code == BS_E_LIMIT)
        return bs_err_set(err, why.code, "%s", why.message);
    r->n++;
    return BS_DONE;
}

enum bs_done
bs_points_events(struct bs_store *store,
                 const struct bs_point_ref *point,
                 struct bs_arena *arena,
                 struct bs_point_event **out,
                 size_t *n,
                 struct bs_err *err)
{
    struct reading r = {store, arena, NULL, 0, point->n_events};
    char prefix[BS_KEY_MAX + 1];

    *out = NULL;
    *n = 0;
    r.list = bs_arena_array(arena, r.max + 1, sizeof(*r.list));
    if (r.list == NULL)
        return BS_FAIL(err, LIMIT, "there are more events than memory set aside for them");
    if (!key_in(point->dir, "events/", prefix))
        return BS_FAIL(err, DATA, "that is not the folder of a point");
    if (bs_store_list(store, prefix, read_event, &r, err) != BS_DONE)
        return BS_FAILED;
    *out = r.list;
    *n = r.n;
    return BS_DONE;
}

enum bs_done
bs_points_erased(struct bs_store *store,
                 const struct bs_point_ref *point,
                 struct bs_arena *arena,
                 struct bs_point_erased *out,
                 struct bs_err *err)
{
    struct bs_point_event *events;
    size_t n;

    *out = (struct bs_point_erased){
        .by = "somebody", .reason = "not known", .done = point->erased == BS_EVENT_ERASED};
    if (bs_points_events(store, point, arena, &events, &n, err) != BS_DONE)
        return BS_FAILED;
    for (size_t i = 0; i < n; i++) {
        const struct bs_point_event *e = &events[i];
        json_t *details;
        const char *reason;
        if (e->state == BS_EVENT_KEPT)
            out->hidden = false;
        if (e->state != BS_EVENT_ERASING && e->state != BS_EVENT_ERASED)
            continue;
        details = e->details == NULL ? NULL : json_loads(e->details, 0, NULL);
        reason = bs_arena_str(arena, json_string_value(json_object_get(details, "reason")));
        out->hidden = out->hidden || json_is_true(json_object_get(details, "hidden"));
        out->reason = reason == NULL ? out->reason : reason;
        out->by = e->by == NULL ? out->by : e->by;
        out->at_us = e->at_us;
        json_decref(details);
    }
    return BS_DONE;
}

enum bs_done
bs_points_intent(struct bs_store *store,
                 const struct bs_point_ref *point,
                 struct bs_arena *arena,
                 struct bs_manifest *out,
                 struct bs_err *err)
{
    return read_document(store, point, "intent", bs_intent_parse, arena, out, err);
}

enum bs_done
bs_points_intend(struct bs_store *store,
                 const char *dir,
                 const struct bs_manifest *m,
                 struct bs_err *err)
{
    char key[BS_KEY_MAX + 1];
    struct bs_buf text;
    enum bs_done done = BS_FAILED;

    bs_buf_init(&text, BS_MANIFEST_MAX);
    if (!key_in(dir, "intent.json", key))
        (void)BS_FAIL(err, DATA, "the folder of a point is too long");
    else if (bs_intent_print(m, &text, err) == BS_DONE)
        done = bs_store_put(store, key, bs_buf_view(&text), err);
    bs_buf_fini(&text);
    return done;
}

struct sounding {
    struct bs_store *store;
    const struct bs_point_ref *point;
    char *damaged;
};

/* Is the event what its name says? */
static enum bs_done
sound_event(void *ctx, const char *key, int64_t size, struct bs_err *err)
{
    const struct sounding *s = ctx;
    struct bs_arena arena;
    struct bs_buf text;
    struct bs_point_event e = {0};
    struct bs_err why = {0};
    char end[32] = "";

    (void)size;
    bs_arena_init(&arena, "event", EVENT_MAX * 2);
    bs_buf_init(&text, EVENT_MAX);
    if (bs_store_get(s->store, key, &text, &why) == BS_DONE &&
        bs_event_parse(bs_buf_view(&text), &arena, &e, &why) == BS_DONE) {
        (void)snprintf(end, sizeof(end), "-%s.json", bs_event_name(e.state));
        if (strcmp(e.point, s->point->id) != 0 || strlen(key) < strlen(end) ||
            strcmp(key + strlen(key) - strlen(end), end) != 0)
            (void)BS_FAIL(&why, DAMAGED, "it is another point's, or another event");
    }
    bs_buf_fini(&text);
    bs_arena_fini(&arena);
    if (why.code == BS_OK)
        return BS_DONE;
    if (bs_store_silent(why.code))
        return bs_err_set(err, why.code, "%s", why.message);
    (void)snprintf(s->damaged, BS_KEY_MAX + 1, "%s", key);
    return BS_FAIL(err, DAMAGED, "\"%.200s\": %.250s", key, why.message);
}

static enum bs_done
sound_intent(const struct sounding *s, struct bs_err *err)
{
    struct bs_arena arena;
    struct bs_manifest m;
    struct bs_err why = {0};
    enum bs_done done;

    if (!s->point->intended)
        return BS_DONE;
    bs_arena_init(&arena, "intent", (size_t)BS_MANIFEST_MAX * 4);
    done = bs_points_intent(s->store, s->point, &arena, &m, &why);
    bs_arena_fini(&arena);
    if (done == BS_DONE)
        return BS_DONE;
    if (bs_store_silent(why.code))
        return bs_err_set(err, why.code, "%s", why.message);
    (void)snprintf(s->damaged, BS_KEY_MAX + 1, "%sintent.json", s->point->dir);
    return BS_FAIL(err, DAMAGED, "\"%.200s\": %.250s", s->damaged, why.message);
}

enum bs_done
bs_points_sound(struct bs_store *store,
                const struct bs_point_ref *point,
                char damaged[BS_KEY_MAX + 1],
                struct bs_err *err)
{
    char own[BS_KEY_MAX + 1], prefix[BS_KEY_MAX + 1];
    struct sounding s = {store, point, damaged == NULL ? own : damaged};
    bool spoken_of = point->outcome != BS_EVENT_NONE && point->outcome != BS_EVENT_ABANDONED;

    s.damaged[0] = '\0';
    if (point->erased != BS_EVENT_NONE) {
        struct bs_arena arena;
        bs_arena_init(&arena, "events", EVENT_MAX * 8);
        (void)!say_erased(store, point, &arena, err);
        bs_arena_fini(&arena);
        return BS_FAILED;
    }
    if (!key_in(point->dir, "events/", prefix))
        return BS_FAIL(err, DATA, "that is not the folder of a point");
    if (!point->complete && (spoken_of || point->proof != BS_EVENT_NONE || point->restored)) {
        (void)snprintf(s.damaged, BS_KEY_MAX + 1, "%smanifest.json", point->dir);
        return BS_FAIL(err, DAMAGED, "\"%.200s\" is missing", s.damaged);
    }
    if (sound_intent(&s, err) != BS_DONE)
        return BS_FAILED;
    return bs_store_list(store, prefix, sound_event, &s, err);
}
