/*
 * routes_points.c - recovery points, as the storage has them.
 */
#include <string.h>

#include "api/handlers.h"
#include "api/page.h"
#include "api/points.h"

#define MANIFEST_ARENA (256u << 20)

/* One of the list: manifests are read one at a time. */
static json_t *
entry(struct bs_request *q, const struct bs_point_ref *p)
{
    struct bs_arena arena;
    struct bs_manifest m;
    struct bs_err why = {0};
    json_t *out;
    bool read;

    bs_arena_init(&arena, "manifest", MANIFEST_ARENA);
    read = bs_point_load(q->gateway->store, p, &arena, &m, &why) == BS_DONE;
    out = bs_point_entry_json(p, read ? &m : NULL, &why);
    bs_arena_fini(&arena);
    return out;
}

enum bs_done
bs_on_points(struct bs_request *q, struct bs_answer *a, struct bs_err *err)
{
    const char *database = bs_request_param(q, "database"), *last = NULL;
    struct bs_points all = {0};
    struct bs_page page;
    json_t *list;

    if (bs_page_take(q, &page, err) != BS_DONE ||
        bs_points_list(q->gateway->store, "", q->arena, &all, err) != BS_DONE)
        return BS_FAILED;
    if (database != NULL)
        database = bs_point_database(q->gateway->config, database, q->arena);
    a->body = json_pack("{s:[]}", "points");
    list = json_object_get(a->body, "points");
    for (size_t i = 0; i < all.n; i++) {
        const struct bs_point_ref *p = &all.list[i];
        if ((page.after != NULL && strcmp(p->id, page.after) >= 0) ||
            (database != NULL && !bs_point_in_database(p, database)))
            continue;
        if (json_array_size(list) == page.limit) {
            bs_page_next(a, q, last);
            break;
        }
        (void)json_array_append_new(list, entry(q, p));
        last = p->id;
    }
    return BS_DONE;
}

enum bs_done
bs_on_point(struct bs_request *q, struct bs_answer *a, struct bs_err *err)
{
    struct bs_point_ref p;

    if (bs_points_find(q->gateway->store, q->name, q->arena, &p, err) != BS_DONE)
        return BS_FAILED;
    return bs_point_json(q->gateway->store, &p, q->arena, &a->body, err);
}
