/*
 * harms.c - members that say nothing are left out. What is not understood is an error, so that it
 * cannot pass for harmless.
 */
#include "approval/harms.h"

#include <jansson.h>
#include <string.h>

/* --- writing ------------------------------------------------------------------------------ */

static json_t *
keys_json(const struct bs_harm_item *item)
{
    json_t *list = json_array();

    for (size_t i = 0; i < item->n_keys; i++) {
        json_t *pair = json_pack("[s,s]", item->keys[i].column, item->keys[i].value);
        if (pair != NULL) /* not UTF-8: as if its value were not known */
            (void)json_array_append_new(list, pair);
    }
    return list;
}

static void
put_text(json_t *o, const char *name, const char *text)
{
    if (text != NULL)
        (void)json_object_set_new(o, name, json_string(text));
}

static bool
is_writable(const char *text)
{
    return text == NULL || bs_utf8_valid(bs_bytes_of(text));
}

static json_t *
item_json(const struct bs_harm_item *item)
{
    bool named = is_writable(item->name) && is_writable(item->schema) && is_writable(item->column);
    json_t *o =
        json_pack("{s:s,s:s,s:i,s:I,s:I,s:b,s:b,s:b}", "harm", bs_harm_name(item->harm), "extent",
                  bs_extent_name(item->extent), "object", (int)item->object, "oid",
                  (json_int_t)(named ? item->oid : 0), "rows", (json_int_t)item->rows, "main",
                  (int)item->main, "gone", (int)item->gone, "code", (int)(item->code || !named));

    if (named) {
        put_text(o, "schema", item->schema);
        put_text(o, "name", item->name);
        put_text(o, "column", item->column);
    }
    if (item->n_keys != 0)
        (void)json_object_set_new(o, "keys", keys_json(item));
    return o;
}

char *
bs_harms_write(const struct bs_harms *harms)
{
    json_t *items = json_array();
    json_t *root = json_pack("{s:i,s:b,s:o}", "v", 1, "more", (int)harms->more, "items", items);
    char *text;

    for (size_t i = 0; i < harms->n; i++)
        (void)json_array_append_new(items, item_json(&harms->items[i]));
    text = json_dumps(root, JSON_COMPACT);
    json_decref(root);
    bs_assert(text != NULL);
    return text;
}

/* --- reading ------------------------------------------------------------------------------ */

struct reading {
    struct bs_arena *arena;
    bool full;
    bool bad;
};

static const char *
text_of(struct reading *r, const json_t *value)
{
    const char *text = json_string_value(value);
    const char *copy = bs_arena_str(r->arena, text);

    r->full = r->full || (text != NULL && copy == NULL);
    return copy;
}

static void
read_keys(struct reading *r, const json_t *list, struct bs_harm_item *item)
{
    size_t n = json_array_size(list);
    struct bs_harm_key *keys = n == 0 ? NULL : bs_arena_array(r->arena, n, sizeof(*keys));

    r->full = r->full || (n != 0 && keys == NULL);
    for (size_t i = 0; i < n && !r->full; i++) {
        const json_t *pair = json_array_get(list, i);
        keys[i] = (struct bs_harm_key){text_of(r, json_array_get(pair, 0)),
                                       text_of(r, json_array_get(pair, 1))};
        r->bad = r->bad || keys[i].column == NULL || keys[i].value == NULL;
    }
    item->keys = keys;
    item->n_keys = n;
}

static void
read_item(struct reading *r, const json_t *o, struct bs_harm_item *item)
{
    const char *harm = json_string_value(json_object_get(o, "harm"));
    const char *extent = json_string_value(json_object_get(o, "extent"));
    json_int_t object = json_integer_value(json_object_get(o, "object"));
    json_int_t oid = json_integer_value(json_object_get(o, "oid"));

    if (harm == NULL || extent == NULL || object < 0 || object > BS_OBJECT_SHARED || oid < 0 ||
        oid > UINT32_MAX) {
        r->bad = true;
        return;
    }
    item->harm = bs_harm_find(harm);
    item->extent = bs_extent_find(extent);
    item->object = (enum bs_object)object;
    item->oid = (uint32_t)oid;
    item->rows = json_integer_value(json_object_get(o, "rows"));
    item->main = json_is_true(json_object_get(o, "main"));
    item->gone = json_is_true(json_object_get(o, "gone"));
    item->code = json_is_true(json_object_get(o, "code"));
    item->schema = text_of(r, json_object_get(o, "schema"));
    item->name = text_of(r, json_object_get(o, "name"));
    item->column = text_of(r, json_object_get(o, "column"));
    read_keys(r, json_object_get(o, "keys"), item);
}

static void
read_root(struct reading *r, const json_t *root, struct bs_harms *out)
{
    const json_t *list = json_object_get(root, "items");
    size_t n = json_array_size(list);

    if (!json_is_array(list) || n > BS_HARM_ITEMS) {
        r->bad = true;
        return;
    }
    out->more = json_is_true(json_object_get(root, "more"));
    out->items = bs_arena_array(r->arena, n + 1, sizeof(*out->items));
    r->full = out->items == NULL;
    for (; out->n < n && !r->full && !r->bad; out->n++)
        read_item(r, json_array_get(list, out->n), &out->items[out->n]);
}

enum bs_done
bs_harms_read(const char *json, struct bs_arena *arena, struct bs_harms *out, struct bs_err *err)
{
    struct reading r = {.arena = arena};
    json_t *root = json_loads(json, JSON_REJECT_DUPLICATES, NULL);

    *out = (struct bs_harms){0};
    read_root(&r, root, out);
    json_decref(root);
    if (r.full)
        return BS_FAIL(err, LIMIT, "the %s arena is full", arena->name);
    return r.bad ? BS_FAIL(err, DATA, "the harms of a statement are damaged") : BS_DONE;
}
