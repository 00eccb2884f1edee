/*
 * cursors.c - results that are read on, at most a few for each actor, and none for long: each keeps a
 * connection, and the database a snapshot.
 */
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/clock.h"
#include "mcp/actor.h"

#define CURSORS_MAX 4
#define IDLE_US     60000000

void
bs_mcp_key_new(char out[BS_MCP_KEY])
{
    uint8_t bits[16];

    bs_random(bits, sizeof(bits));
    bs_hex(bits, sizeof(bits), out);
}

/* Closing the connection ends the statement. */
static void
drop(struct bs_mcp_actor *a, struct bs_mcp_cursor *c)
{
    PQclear(c->row);
    json_decref(c->columns);
    bs_mcp_release(a, c->conn, BS_MCP_CONN_USED);
    free(c);
}

/* Under the lock: takes out of the list those last used before a time. They are the caller's. */
static struct bs_mcp_cursor *
take_old(struct bs_mcp_actor *a, int64_t before_us)
{
    struct bs_mcp_cursor **at = &a->cursors;
    struct bs_mcp_cursor *old = NULL, *c;

    while ((c = *at) != NULL) {
        if (c->used_us >= before_us) {
            at = &c->next;
            continue;
        }
        *at = c->next;
        c->next = old;
        old = c;
    }
    return old;
}

static void
drop_all(struct bs_mcp_actor *a, struct bs_mcp_cursor *list)
{
    struct bs_mcp_cursor *c;

    while ((c = list) != NULL) {
        list = c->next;
        drop(a, c);
    }
}

/* New ones go to the head, so the last one is the oldest. */
static struct bs_mcp_cursor *
take_last(struct bs_mcp_actor *a)
{
    struct bs_mcp_cursor **at;
    struct bs_mcp_cursor *last;
    size_t n = 0;

    for (at = &a->cursors; *at != NULL && (*at)->next != NULL; at = &(*at)->next)
        n++;
    if (n + 1 <= CURSORS_MAX)
        return NULL;
    last = *at;
    *at = NULL;
    return last;
}

void
bs_mcp_cursor_put(
    struct bs_mcp_actor *actor, PGconn *conn, json_t *columns, PGresult *row, char key[BS_MCP_KEY])
{
    struct bs_mcp_cursor *c = bs_malloc(sizeof(*c));
    struct bs_mcp_cursor *last;

    bs_mcp_key_new(c->key);
    memcpy(key, c->key, BS_MCP_KEY);
    c->conn = conn;
    c->columns = columns;
    c->row = row;
    c->used_us = bs_mono_us();
    (void)pthread_mutex_lock(&actor->lock);
    c->next = actor->cursors;
    actor->cursors = c;
    last = take_last(actor);
    (void)pthread_mutex_unlock(&actor->lock);
    if (last != NULL)
        drop(actor, last);
}

bool
bs_mcp_cursor_take(struct bs_mcp_actor *actor, const char *key, struct bs_mcp_cursor *out)
{
    struct bs_mcp_cursor **at;
    struct bs_mcp_cursor *c;

    (void)pthread_mutex_lock(&actor->lock);
    for (at = &actor->cursors; (c = *at) != NULL && strcmp(c->key, key) != 0; at = &c->next)
        continue;
    if (c != NULL)
        *at = c->next;
    (void)pthread_mutex_unlock(&actor->lock);
    if (c == NULL)
        return false;
    *out = *c;
    free(c);
    return true;
}

void
bs_mcp_cursors_tend(struct bs_mcp_actor *actor)
{
    struct bs_mcp_cursor *old;

    (void)pthread_mutex_lock(&actor->lock);
    old = take_old(actor, bs_mono_us() - IDLE_US);
    (void)pthread_mutex_unlock(&actor->lock);
    drop_all(actor, old);
}

void
bs_mcp_cursors_free(struct bs_mcp_actor *actor)
{
    drop_all(actor, actor->cursors);
    actor->cursors = NULL;
}
