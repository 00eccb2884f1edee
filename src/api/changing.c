/*
 * changing.c - see changing.h.
 */
#include "api/changing.h"

#include <stdlib.h>

#include "api/negotiate.h"
#include "gateway/gateway.h"
#include "policy/values.h"
#include "state/state.h"

const char *
bs_changing_by(const struct bs_request *q)
{
    return bs_arena_fmt(q->arena, "operator:%s", q->by.name);
}

bool
bs_changing_has(const struct bs_request *q, const char *member)
{
    return json_object_get(q->json, member) != NULL;
}

enum bs_done
bs_changing_texts(const struct bs_request *q,
                  const char *member,
                  const char ***list,
                  size_t *n,
                  struct bs_err *err)
{
    const json_t *array = json_object_get(q->json, member);

    *n = json_array_size(array);
    *list = bs_arena_array(q->arena, *n + 1, sizeof(**list));
    for (size_t i = 0; *list != NULL && i < *n; i++) {
        (*list)[i] = bs_arena_str(q->arena, json_string_value(json_array_get(array, i)));
        if ((*list)[i] == NULL)
            *list = NULL;
    }
    return *list != NULL ? BS_DONE : BS_FAIL(err, LIMIT, "\"%s\" is too long", member);
}

enum bs_done
bs_changing_duration(const struct bs_request *q,
                     const char *member,
                     int64_t otherwise_ms,
                     int64_t *out_ms,
                     struct bs_err *err)
{
    const char *text = bs_request_string(q, member);

    *out_ms = otherwise_ms;
    if (text == NULL || bs_value_duration(text, out_ms))
        return BS_DONE;
    return BS_FAIL(err, USAGE, "\"%s\" takes a duration like 15m or 24h", member);
}

/* The entity tag that a GET of it had. */
static bool
is_as_sent(const struct bs_request *q, const char *sent, const json_t *shown)
{
    char *text = json_dumps(shown, JSON_COMPACT);
    const char *etag;

    bs_assert(text != NULL);
    etag = bs_etag_of(q->arena, text);
    free(text);
    return bs_etag_in(sent, etag);
}

enum bs_done
bs_changing_begin(struct bs_request *q,
                  json_t *(*now)(struct bs_request *q, struct bs_err *err),
                  struct bs_err *err)
{
    const char *sent = q->header(q->ctx, "If-Match");
    struct bs_err ignored = {0};
    json_t *shown;
    bool same;

    if (sent == NULL)
        return BS_DONE;
    if (bs_state_begin(q->gateway->state, err) != BS_DONE)
        return BS_FAILED;
    shown = now(q, err);
    same = shown != NULL && is_as_sent(q, sent, shown);
    if (shown != NULL && !same)
        (void)BS_FAIL(err, CHANGED, "\"%.63s\" is not as it was", q->name);
    json_decref(shown);
    if (same)
        return BS_DONE;
    (void)!bs_state_end(q->gateway->state, BS_FAILED, &ignored);
    return BS_FAILED;
}

enum bs_done
bs_changing_end(struct bs_request *q, enum bs_done done, struct bs_err *err)
{
    return q->header(q->ctx, "If-Match") == NULL ? done
                                                 : bs_state_end(q->gateway->state, done, err);
}
