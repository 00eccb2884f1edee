/*
 * listen.c - subscriptions/listen: a stream of what changes. Our tools, prompts and resources do not, so
 * what can be listened to are tasks.
 */
#include <string.h>
#include <time.h>

#include "base/arena.h"
#include "mcp/tasks.h"

#define SUBSCRIPTION "io.modelcontextprotocol/subscriptionId"
#define TASKS_MAX    32

struct heard {
    json_t *id;
    int64_t changed_us; /* as it was last told */
};

struct listener {
    struct bs_mcp_request *r;
    struct heard tasks[TASKS_MAX];
    size_t n;
};

static json_t *
meta_of(const struct bs_mcp_request *r)
{
    return json_pack("{s:o}", SUBSCRIPTION, json_deep_copy(r->id));
}

/* Those that there are. */
static void
take_tasks(struct listener *l, const json_t *ids)
{
    json_t *id, *task;
    int64_t changed_us;
    size_t i;

    json_array_foreach(ids, i, id)
    {
        task = bs_mcp_task_find(l->r->actor, id, &changed_us);
        if (task != NULL && l->n < TASKS_MAX)
            l->tasks[l->n++] = (struct heard){id, 0};
        json_decref(task);
    }
}

static bool
acknowledge(const struct listener *l)
{
    json_t *filter = json_object();
    json_t *ids;

    if (l->n > 0) {
        ids = json_array();
        for (size_t i = 0; i < l->n; i++)
            (void)json_array_append(ids, l->tasks[i].id);
        (void)json_object_set_new(filter, "taskIds", ids);
    }
    return bs_mcp_notify(l->r, "notifications/subscriptions/acknowledged",
                         json_pack("{s:o,s:o}", "notifications", filter, "_meta", meta_of(l->r)));
}

/* Each task as it is now, where that is not what was told of it. */
static bool
tell_changes(struct listener *l)
{
    for (size_t i = 0; i < l->n; i++) {
        int64_t changed_us = 0;
        json_t *task = bs_mcp_task_find(l->r->actor, l->tasks[i].id, &changed_us);

        if (task == NULL || changed_us == l->tasks[i].changed_us) {
            json_decref(task);
            continue;
        }
        l->tasks[i].changed_us = changed_us;
        (void)json_object_set_new(task, "_meta", meta_of(l->r));
        if (!bs_mcp_notify(l->r, "notifications/tasks", task))
            return false;
    }
    return true;
}

static void
await_change(struct bs_mcp_actor *a)
{
    struct timespec soon;

    (void)clock_gettime(CLOCK_MONOTONIC, &soon);
    soon.tv_nsec += 250000000;
    if (soon.tv_nsec >= 1000000000) {
        soon.tv_sec++;
        soon.tv_nsec -= 1000000000;
    }
    (void)pthread_mutex_lock(&a->lock);
    (void)pthread_cond_timedwait(&a->changed, &a->lock, &soon);
    (void)pthread_mutex_unlock(&a->lock);
}

json_t *
bs_mcp_listen(struct bs_mcp_request *r, struct bs_mcp_fault *fault)
{
    const json_t *filter = json_object_get(r->params, "notifications");
    const json_t *ids = json_object_get(filter, "taskIds");
    struct listener l = {.r = r};
    struct bs_err err = {0};
    bool heard;

    if (!json_is_object(filter))
        return bs_mcp_refuse(fault, BS_MCP_INVALID_PARAMS, "\"notifications\" must be an object");
    if (ids != NULL && !bs_mcp_tasks_allowed(r, fault))
        return NULL;
    take_tasks(&l, ids);
    heard = acknowledge(&l);
    while (heard && bs_watch_check(&r->watch, &err) == BS_DONE) {
        heard = tell_changes(&l);
        await_change(r->actor);
    }
    return json_pack("{s:o}", "_meta", meta_of(r));
}
