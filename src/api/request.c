/*
 * request.c - see request.h.
 */
#include "api/request.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "api/events.h"

void
bs_answer_fini(struct bs_answer *a)
{
    json_decref(a->body);
    free(a->text);
    bs_stream_close(&a->stream);
    a->body = NULL;
    a->text = NULL;
    a->file = NULL;
}

const char *
bs_request_param(const struct bs_request *q, const char *name)
{
    for (size_t i = 0; i < q->n_params; i++) {
        if (strcmp(q->params[i].name, name) == 0)
            return q->params[i].value;
    }
    return NULL;
}

const char *
bs_request_token(const struct bs_request *q)
{
    const char *value = q->header(q->ctx, "Authorization");

    if (value == NULL || strncasecmp(value, "Bearer ", 7) != 0)
        return NULL;
    value += 7;
    return value + strspn(value, " ");
}

const char *
bs_request_string(const struct bs_request *q, const char *name)
{
    return bs_arena_str(q->arena, json_string_value(json_object_get(q->json, name)));
}
