/*
 * fields.c - a switch for each direction; all else is data.
 */
#include "recovery/fields.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "recovery/manifest.h"

static const char *const formats[] = {
    [BS_ROWS_NONE] = "none",
    [BS_ROWS_BINARY] = "copy-binary+zstd",
    [BS_ROWS_TEXT] = "copy-text+zstd",
};

#define AT(type) (*(type const *)(const void *)at)

static json_t *
print_time(int64_t at_us)
{
    char text[BS_TIME_TEXT] = "";

    if (at_us != 0)
        bs_time_format(at_us, text);
    return json_string(text);
}

static json_t *
print_list(const struct bs_field *f, const void *from, struct bs_err *err)
{
    const char *items = *(const char *const *)(const void *)((const char *)from + f->at);
    size_t n = *(const size_t *)(const void *)((const char *)from + f->count_at);
    json_t *list = json_array();

    for (size_t i = 0; i < n; i++) {
        json_t *item = bs_fields_print(f->of, items + i * f->size, err);
        if (item == NULL || json_array_append_new(list, item) != 0) {
            json_decref(list);
            return NULL;
        }
    }
    return list;
}

static json_t *
print_u64(uint64_t v)
{
    char text[24];

    (void)snprintf(text, sizeof(text), "%" PRIu64, v);
    return json_string(text);
}

static json_t *
print_field(const struct bs_field *f, const void *from, struct bs_err *err)
{
    const char *at = (const char *)from + f->at;

    switch (f->kind) {
    case BS_FIELD_TEXT:
    case BS_FIELD_MAYBE:
        return json_string(AT(char *));
    case BS_FIELD_INT:
        return json_integer(AT(int));
    case BS_FIELD_U32:
        return json_integer(AT(uint32_t));
    case BS_FIELD_I64:
        return json_integer(AT(int64_t));
    case BS_FIELD_U64:
        return print_u64(AT(uint64_t));
    case BS_FIELD_TIME:
        return print_time(AT(int64_t));
    case BS_FIELD_BOOL:
        return json_boolean(AT(bool));
    case BS_FIELD_CHAR:
        return json_stringn(at, *at == '\0' ? 0 : 1);
    case BS_FIELD_POINT:
        return json_string(at);
    case BS_FIELD_FORMAT:
        return json_string(formats[AT(enum bs_rows_format)]);
    case BS_FIELD_STATE:
        return json_string(bs_event_name(AT(enum bs_event_state)));
    case BS_FIELD_STRUCT:
        return bs_fields_print(f->of, at, err);
    case BS_FIELD_LIST:
        return print_list(f, from, err);
    case BS_FIELD_NONE:
    default:
        return NULL;
    }
}

/* Has it nothing to say? MAYBE is so by its kind, others where the table says so. */
static bool
left_out(const struct bs_field *f, const void *at)
{
    if (f->kind == BS_FIELD_MAYBE)
        return AT(char *) == NULL;
    if (!f->optional)
        return false;
    switch (f->kind) {
    case BS_FIELD_I64:
    case BS_FIELD_U64:
        return AT(uint64_t) == 0;
    case BS_FIELD_BOOL:
        return !AT(bool);
    case BS_FIELD_LIST:
        return AT(void *) == NULL;
    case BS_FIELD_TEXT:
    case BS_FIELD_MAYBE:
    case BS_FIELD_INT:
    case BS_FIELD_U32:
    case BS_FIELD_TIME:
    case BS_FIELD_CHAR:
    case BS_FIELD_POINT:
    case BS_FIELD_FORMAT:
    case BS_FIELD_STATE:
    case BS_FIELD_STRUCT:
    case BS_FIELD_NONE:
    default:
        return false;
    }
}

json_t *
bs_fields_print(const struct bs_field *table, const void *from, struct bs_err *err)
{
    json_t *json = json_object();

    for (const struct bs_field *f = table; f->kind != BS_FIELD_NONE; f++) {
        const char *at = (const char *)from + f->at;
        json_t *value;
        if (left_out(f, at))
            continue;
        value = print_field(f, from, err);
        if (value == NULL || json_object_set_new(json, f->name, value) != 0) {
            json_decref(json);
            (void)BS_FAIL(err, DATA, "\"%s\" is missing or not UTF-8", f->name);
            return NULL;
        }
    }
    return json;
}

static enum bs_done
wrong(const struct bs_field *f, struct bs_err *err)
{
    return BS_FAIL(err, DAMAGED, "\"%s\" is missing or is not what it should be", f->name);
}

static enum bs_done
parse_text(
    const struct bs_field *f, const json_t *json, struct bs_arena *a, void *at, struct bs_err *err)
{
    const char *text = json_string_value(json);

    if (text == NULL)
        return json == NULL && f->kind == BS_FIELD_MAYBE ? BS_DONE : wrong(f, err);
    *(const char **)at = bs_arena_str(a, text);
    if (*(const char **)at == NULL)
        return BS_FAIL(err, LIMIT, "a manifest does not fit into memory set aside for it");
    return BS_DONE;
}

static enum bs_done
parse_number(const struct bs_field *f, const json_t *json, void *at, struct bs_err *err)
{
    json_int_t v = json_integer_value(json);

    if (!json_is_integer(json))
        return wrong(f, err);
    if (f->kind == BS_FIELD_I64) {
        *(int64_t *)at = v;
    } else if (f->kind == BS_FIELD_INT && v >= INT_MIN && v <= INT_MAX) {
        *(int *)at = (int)v;
    } else if (f->kind == BS_FIELD_U32 && v >= 0 && v <= (json_int_t)UINT32_MAX) {
        *(uint32_t *)at = (uint32_t)v;
    } else {
        return wrong(f, err);
    }
    return BS_DONE;
}

static enum bs_done
parse_u64(const struct bs_field *f, const json_t *json, void *at, struct bs_err *err)
{
    const char *text = json_string_value(json);
    char *end = NULL;
    unsigned long long v;

    if (text == NULL || text[0] < '0' || text[0] > '9')
        return wrong(f, err);
    errno = 0;
    v = strtoull(text, &end, 10);
    if (errno != 0 || *end != '\0')
        return wrong(f, err);
    *(uint64_t *)at = v;
    return BS_DONE;
}

static enum bs_done
parse_time(const struct bs_field *f, const json_t *json, void *at, struct bs_err *err)
{
    const char *text = json_string_value(json);
    struct bs_err why = {0};

    if (text == NULL)
        return wrong(f, err);
    if (text[0] == '\0')
        return BS_DONE;
    return bs_time_parse(text, (int64_t *)at, &why) == BS_DONE ? BS_DONE : wrong(f, err);
}

/* An enum by its name, a byte, a point's id: short words. */
static enum bs_done
parse_word(const struct bs_field *f, const json_t *json, void *at, struct bs_err *err)
{
    const char *text = json_string_value(json);
    size_t n = json_string_length(json);

    if (text == NULL)
        return wrong(f, err);
    if (f->kind == BS_FIELD_CHAR && n <= 1) {
        *(char *)at = text[0];
        return BS_DONE;
    }
    if (f->kind == BS_FIELD_POINT && n == BS_POINT_ID_TEXT - 1) {
        memcpy(at, text, BS_POINT_ID_TEXT);
        return BS_DONE;
    }
    if (f->kind == BS_FIELD_STATE) {
        *(enum bs_event_state *)at = bs_event_find(text);
        return BS_DONE;
    }
    for (size_t i = 0; f->kind == BS_FIELD_FORMAT && i < sizeof(formats) / sizeof(formats[0]);
         i++) {
        if (strcmp(formats[i], text) == 0) {
            *(enum bs_rows_format *)at = (enum bs_rows_format)i;
            return BS_DONE;
        }
    }
    return wrong(f, err);
}

static enum bs_done
parse_list(const struct bs_field *f,
           const json_t *json,
           struct bs_arena *arena,
           void *into,
           struct bs_err *err)
{
    size_t n = json_array_size(json);
    char *items;

    if (!json_is_array(json))
        return wrong(f, err);
    if (n == 0)
        return BS_DONE;
    items = bs_arena_array(arena, n, f->size);
    if (items == NULL)
        return BS_FAIL(err, LIMIT, "a manifest does not fit into memory set aside for it");
    for (size_t i = 0; i < n; i++) {
        if (bs_fields_parse(f->of, json_array_get(json, i), arena, items + i * f->size, err) !=
            BS_DONE)
            return BS_FAILED;
    }
    *(void **)(void *)((char *)into + f->at) = items;
    *(size_t *)(void *)((char *)into + f->count_at) = n;
    return BS_DONE;
}

static enum bs_done
parse_field(const struct bs_field *f,
            const json_t *json,
            struct bs_arena *arena,
            void *into,
            struct bs_err *err)
{
    void *at = (char *)into + f->at;

    switch (f->kind) {
    case BS_FIELD_TEXT:
    case BS_FIELD_MAYBE:
        return parse_text(f, json, arena, at, err);
    case BS_FIELD_INT:
    case BS_FIELD_U32:
    case BS_FIELD_I64:
        return parse_number(f, json, at, err);
    case BS_FIELD_U64:
        return parse_u64(f, json, at, err);
    case BS_FIELD_TIME:
        return parse_time(f, json, at, err);
    case BS_FIELD_BOOL:
        *(bool *)at = json_is_true(json);
        return json_is_boolean(json) ? BS_DONE : wrong(f, err);
    case BS_FIELD_CHAR:
    case BS_FIELD_POINT:
    case BS_FIELD_FORMAT:
    case BS_FIELD_STATE:
        return parse_word(f, json, at, err);
    case BS_FIELD_STRUCT:
        return bs_fields_parse(f->of, json, arena, at, err);
    case BS_FIELD_LIST:
        return parse_list(f, json, arena, into, err);
    case BS_FIELD_NONE:
    default:
        return wrong(f, err);
    }
}

enum bs_done
bs_fields_parse(const struct bs_field *table,
                const json_t *json,
                struct bs_arena *arena,
                void *into,
                struct bs_err *err)
{
    if (!json_is_object(json))
        return BS_FAIL(err, DAMAGED, "a manifest has something else where an object should be");
    for (const struct bs_field *f = table; f->kind != BS_FIELD_NONE; f++) {
        const json_t *value = json_object_get(json, f->name);
        if (value == NULL && f->optional)
            continue;
        if (parse_field(f, value, arena, into, err) != BS_DONE)
            return BS_FAILED;
    }
    return BS_DONE;
}
