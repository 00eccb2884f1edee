/*
 * tasks.c - calls that are answered later: a statement that is held waits here for its approval, in a
 * thread of its own, and is then sent once.
 *
 * To cancel a task ends the waiting, not the ticket: that is for operators, and for its clock.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/clock.h"
#include "mcp/result.h"
#include "mcp/talk.h"
#include "mcp/tasks.h"

#define TASKS_MAX 8
#define WAIT_US   ((int64_t)3600 * 1000000)
#define TTL_MS    ((int64_t)7200000)
#define POLL_MS   2000
#define STACK     ((size_t)1 << 20)

enum state {
    WORKING = 0,
    COMPLETED,
    CANCELLED,
};

static const char *const states[] = {"working", "completed", "cancelled"};

struct bs_mcp_task {
    struct bs_mcp_actor *actor;
    char key[BS_MCP_KEY];
    char ticket[64];
    json_t *order;
    struct bs_watch watch;
    pthread_t thread;
    /* under the actor's lock */
    enum state state;
    json_t *result;
    int64_t made_us, changed_us; /* since 1970 */
    bool over;                   /* its thread does nothing more */
    struct bs_mcp_task *next;
};

static void
set(struct bs_mcp_task *t, enum state state, json_t *result)
{
    (void)pthread_mutex_lock(&t->actor->lock);
    if (t->state == WORKING) {
        t->state = state;
        t->result = result;
        t->changed_us = bs_now_us();
    } else {
        json_decref(result);
    }
    t->over = true;
    (void)pthread_cond_broadcast(&t->actor->changed);
    (void)pthread_mutex_unlock(&t->actor->lock);
}

static void *
work(void *ctx)
{
    struct bs_mcp_task *t = ctx;
    struct bs_err err = {0};
    json_t *failed = NULL;
    json_t *ticket = bs_mcp_ticket(t->actor, &t->watch, NULL, t->ticket, WAIT_US, &failed);
    json_t *result = failed;
    bool ran = false;

    if (ticket != NULL)
        result = bs_mcp_redeem(t->actor, &t->watch, NULL, t->ticket, t->order, &ran);
    json_decref(ticket);
    /* What has run is told, however late the cancellation: it cannot be undone by it. */
    if (result == NULL || (!ran && bs_watch_check(&t->watch, &err) != BS_DONE)) {
        json_decref(result);
        set(t, CANCELLED, NULL);
    } else {
        set(t, COMPLETED, result);
    }
    return NULL;
}

/* Under the lock: a DetailedTask. */
static json_t *
detailed(const struct bs_mcp_task *t)
{
    char made[BS_TIME_TEXT], changed[BS_TIME_TEXT], text[120];

    bs_time_format(t->made_us, made);
    bs_time_format(t->changed_us, changed);
    (void)snprintf(text, sizeof(text), "%s ticket %s",
                   t->state == WORKING ? "Held until a person approves it:" : "Held as", t->ticket);
    return json_pack("{s:s,s:s,s:s,s:s,s:s,s:I,s:i,s:O*}", "taskId", t->key, "status",
                     states[t->state], "statusMessage", text, "createdAt", made, "lastUpdatedAt",
                     changed, "ttlMs", (json_int_t)TTL_MS, "pollIntervalMs", POLL_MS, "result",
                     t->result);
}

static void
drop(struct bs_mcp_task *t)
{
    (void)pthread_join(t->thread, NULL);
    bs_watch_fini(&t->watch);
    json_decref(t->order);
    json_decref(t->result);
    free(t);
}

static bool
begin(struct bs_mcp_task *t)
{
    struct bs_err err = {0};
    pthread_attr_t attr;
    bool begun;

    if (bs_watch_init(&t->watch, 0, &err) != BS_DONE)
        return false;
    (void)pthread_attr_init(&attr);
    (void)pthread_attr_setstacksize(&attr, STACK);
    begun = pthread_create(&t->thread, &attr, work, t) == 0;
    (void)pthread_attr_destroy(&attr);
    if (!begun)
        bs_watch_fini(&t->watch);
    return begun;
}

/* Under the lock. */
static size_t
count_working(const struct bs_mcp_actor *a)
{
    size_t n = 0;

    for (const struct bs_mcp_task *t = a->tasks; t != NULL; t = t->next)
        n += t->over ? 0 : 1;
    return n;
}

json_t *
bs_mcp_task_new(struct bs_mcp_actor *actor, const char *ticket)
{
    struct bs_mcp_task *t = bs_malloc(sizeof(*t));
    json_t *answer = NULL;

    t->actor = actor;
    bs_mcp_key_new(t->key);
    (void)snprintf(t->ticket, sizeof(t->ticket), "%s", ticket);
    t->order = bs_mcp_held_find(actor, ticket);
    t->made_us = t->changed_us = bs_now_us();
    (void)pthread_mutex_lock(&actor->lock);
    if (t->order != NULL && count_working(actor) < TASKS_MAX && begin(t)) {
        t->next = actor->tasks;
        actor->tasks = t;
        answer = detailed(t);
        (void)json_object_set_new(answer, "resultType", json_string("task"));
    }
    (void)pthread_mutex_unlock(&actor->lock);
    if (answer == NULL) {
        json_decref(t->order);
        free(t);
    }
    return answer;
}

void
bs_mcp_tasks_tend(struct bs_mcp_actor *actor)
{
    int64_t old_us = bs_now_us() - TTL_MS * 1000;
    struct bs_mcp_task **at, *t;

    (void)pthread_mutex_lock(&actor->lock);
    for (at = &actor->tasks; (t = *at) != NULL;) {
        if (!t->over || t->made_us > old_us) {
            at = &t->next;
            continue;
        }
        *at = t->next;
        drop(t);
    }
    (void)pthread_mutex_unlock(&actor->lock);
}

void
bs_mcp_tasks_free(struct bs_mcp_actor *actor)
{
    struct bs_mcp_task *t;

    for (t = actor->tasks; t != NULL; t = t->next)
        bs_watch_stop(&t->watch);
    while ((t = actor->tasks) != NULL) {
        actor->tasks = t->next;
        drop(t);
    }
}

/* Under the lock; NULL: no such task. */
static struct bs_mcp_task *
find(struct bs_mcp_actor *a, const json_t *id)
{
    const char *key = json_string_value(id);
    struct bs_mcp_task *t;

    for (t = a->tasks; t != NULL && (key == NULL || strcmp(t->key, key) != 0); t = t->next)
        continue;
    return t;
}

bool
bs_mcp_tasks_allowed(struct bs_mcp_request *r, struct bs_mcp_fault *fault)
{
    if (bs_mcp_client_can(r, "extensions", BS_MCP_TASKS))
        return true;
    (void)bs_mcp_refuse(fault, BS_MCP_MISSING_CAPABILITY, "missing required client capability");
    fault->data = json_pack("{s:{s:{s:{}}}}", "requiredCapabilities", "extensions", BS_MCP_TASKS);
    return false;
}

json_t *
bs_mcp_task_find(struct bs_mcp_actor *actor, const json_t *id, int64_t *changed_us)
{
    struct bs_mcp_task *t;
    json_t *task = NULL;

    (void)pthread_mutex_lock(&actor->lock);
    t = find(actor, id);
    if (t != NULL) {
        task = detailed(t);
        *changed_us = t->changed_us;
    }
    (void)pthread_mutex_unlock(&actor->lock);
    return task;
}

static json_t *
no_task(struct bs_mcp_fault *fault)
{
    return bs_mcp_refuse(fault, BS_MCP_INVALID_PARAMS, "there is no such task");
}

json_t *
bs_mcp_tasks_get(struct bs_mcp_request *r, struct bs_mcp_fault *fault)
{
    int64_t changed_us;
    json_t *task;

    if (!bs_mcp_tasks_allowed(r, fault))
        return NULL;
    task = bs_mcp_task_find(r->actor, json_object_get(r->params, "taskId"), &changed_us);
    return task == NULL ? no_task(fault) : task;
}

/* No task of ours asks for anything: there is nothing to take. */
json_t *
bs_mcp_tasks_update(struct bs_mcp_request *r, struct bs_mcp_fault *fault)
{
    json_t *task = bs_mcp_tasks_get(r, fault);

    if (task == NULL)
        return NULL;
    json_decref(task);
    return json_object();
}

json_t *
bs_mcp_tasks_cancel(struct bs_mcp_request *r, struct bs_mcp_fault *fault)
{
    struct bs_mcp_task *t;

    if (!bs_mcp_tasks_allowed(r, fault))
        return NULL;
    (void)pthread_mutex_lock(&r->actor->lock);
    t = find(r->actor, json_object_get(r->params, "taskId"));
    if (t != NULL && !t->over)
        bs_watch_stop(&t->watch);
    (void)pthread_mutex_unlock(&r->actor->lock);
    return t == NULL ? no_task(fault) : json_object();
}
