/*
 * moved.c - see moved.h.
 */
#include "recovery/moved.h"

#include <inttypes.h>
#include <jansson.h>

void
bs_moved_put(struct bs_buf *b, const struct bs_moved *list, size_t n)
{
    const char *before = "";

    if (n > BS_MOVED_MAX) {
        bs_put_str(b, "{}");
        return;
    }
    bs_put_str(b, "{\"rows\":[");
    for (size_t i = 0; i < n; i++) {
        bs_put_fmt(b,
                   "%s{\"oid\":%" PRIu32 ",\"inserted\":%" PRId64 ",\"updated\":%" PRId64
                   ",\"deleted\":%" PRId64 "%s}",
                   before, list[i].oid, list[i].inserted, list[i].updated, list[i].deleted,
                   list[i].rewritten ? ",\"rewritten\":true" : "");
        before = ",";
    }
    bs_put_str(b, "]}");
}

/* False where one of the numbers is none, or less than nothing. */
static bool
take_one(json_t *json, struct bs_moved *out)
{
    json_int_t oid;
    json_int_t inserted, updated, deleted;

    if (json_unpack(json, "{s:I,s:I,s:I,s:I}", "oid", &oid, "inserted", &inserted, "updated",
                    &updated, "deleted", &deleted) != 0 ||
        oid <= 0 || oid > UINT32_MAX || inserted < 0 || updated < 0 || deleted < 0)
        return false;
    *out = (struct bs_moved){(uint32_t)oid, inserted, updated, deleted,
                             json_is_true(json_object_get(json, "rewritten"))};
    return true;
}

enum bs_done
bs_moved_take(const char *details, struct bs_arena *arena, struct bs_moved **out, size_t *n)
{
    json_t *json = details == NULL ? NULL : json_loads(details, JSON_REJECT_DUPLICATES, NULL);
    json_t *rows = json_object_get(json, "rows"), *row;
    bool good = json_is_array(rows);
    size_t i;

    *n = 0;
    *out = bs_arena_array(arena, json_array_size(rows) + 1, sizeof(**out));
    json_array_foreach(rows, i, row)
    {
        good = good && *out != NULL && take_one(row, &(*out)[i]);
        *n += good;
    }
    json_decref(json);
    return good && *out != NULL ? BS_DONE : BS_FAILED;
}
