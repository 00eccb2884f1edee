/*
 * actor.h - what one credential has between its requests: cursors, statements that are held, and tasks.
 *
 * Layer  mcp. For this room's own files. Thread-safe.
 * Owns   see mcp.h.
 */
#ifndef BS_MCP_ACTOR_H
#define BS_MCP_ACTOR_H

#include "mcp/run.h"

#define BS_MCP_KEY 33 /* 128 random bits in hex, and a NUL */

struct bs_mcp_actor {
    struct bs_mcp *mcp;
    struct bs_mcp_door door;
    pthread_mutex_t lock;   /* of all below */
    pthread_cond_t changed; /* a task has gone on */
    struct bs_mcp_cursor *cursors;
    struct bs_mcp_held *held;
    struct bs_mcp_task *tasks;
    struct bs_mcp_claim *claims;
    struct bs_mcp_actor *next; /* of the server; under its lock */
};

/* A new random key. */
void bs_mcp_key_new(char out[BS_MCP_KEY]);

/* A result that is read on: its connection is busy with it, so every page is of one snapshot. */
struct bs_mcp_cursor {
    char key[BS_MCP_KEY];
    PGconn *conn;
    json_t *columns;
    PGresult *row; /* the next page's first */
    int64_t used_us;
    struct bs_mcp_cursor *next;
};
/* Takes conn, columns and row over. Drops the one that was used longest ago, where there are too many. */
void bs_mcp_cursor_put(
    struct bs_mcp_actor *actor, PGconn *conn, json_t *columns, PGresult *row, char key[BS_MCP_KEY]);
/* Takes it out, so that nobody else reads on; what is in `out` is the caller's. False: no such. */
bool bs_mcp_cursor_take(struct bs_mcp_actor *actor, const char *key, struct bs_mcp_cursor *out);
void bs_mcp_cursors_tend(struct bs_mcp_actor *actor); /* drops those that were left alone */
void bs_mcp_cursors_free(struct bs_mcp_actor *actor);

/* A statement, as it is to be sent. */
struct bs_mcp_order {
    const char *sql;
    const json_t *params; /* array, or NULL */
    const char *database; /* NULL: the door's own */
    int64_t max_rows;
    bool may_stay;
};

/* Statements that wait for an approval, so that exactly the same is sent again. In memory only. */
void
bs_mcp_held_put(struct bs_mcp_actor *actor, const char *ticket, const struct bs_mcp_order *order);
/* A copy: {"sql","params","database","max_rows"}; NULL: not known (any more). */
json_t *bs_mcp_held_find(struct bs_mcp_actor *actor, const char *ticket);
void bs_mcp_held_drop(struct bs_mcp_actor *actor, const char *ticket);
/* Drops those that were put before that moment of bs_mono_us. */
void bs_mcp_held_tend(struct bs_mcp_actor *actor, int64_t before_us);
void bs_mcp_held_free(struct bs_mcp_actor *actor);

/* A ticket that is being used. It lives where it is used, from its claim to its release. */
struct bs_mcp_claim {
    const char *ticket;
    struct bs_mcp_claim *next;
};
/* False: somebody else uses that ticket now. */
bool bs_mcp_claim(struct bs_mcp_actor *actor, struct bs_mcp_claim *claim);
void bs_mcp_claim_release(struct bs_mcp_actor *actor, struct bs_mcp_claim *claim);

/*
 * Sends the statement of a ticket where that is approved, else answers with its state. Of several that do so
 * at once, one sends it: for the others the approval would be used up, and they would ask for a new one.
 *
 * given  {"sql","params","database","max_rows"}, where it may not be remembered; else it must be the same
 * ran    the statement has been sent and has completed
 * Returns NULL where it was cancelled before anything was sent.
 */
json_t *bs_mcp_redeem(struct bs_mcp_actor *actor,
                      const struct bs_watch *watch,
                      struct bs_mcp_request *tells,
                      const char *ticket,
                      const json_t *given,
                      bool *ran);

/*
 * Sends it, and answers as a tool does: rows, held, refused, failed.
 *
 * tells   told meanwhile; NULL: nobody
 * ticket  where it is held: the ticket's id (64 bytes), else ""
 */
json_t *bs_mcp_execute(struct bs_mcp_actor *actor,
                       const struct bs_watch *watch,
                       struct bs_mcp_request *tells,
                       const struct bs_mcp_order *order,
                       char ticket[64]);

/* The next page of a result. */
json_t *bs_mcp_read_on(struct bs_mcp_actor *actor,
                       const struct bs_watch *watch,
                       struct bs_mcp_request *tells,
                       const char *key,
                       int64_t max_rows);

/*
 * A task: waits for the ticket's approval, and then sends the statement once.
 *
 * Returns a CreateTaskResult; NULL: no thread, or too many tasks
 */
json_t *bs_mcp_task_new(struct bs_mcp_actor *actor, const char *ticket);
void bs_mcp_tasks_tend(struct bs_mcp_actor *actor); /* forgets those that are long over */
void bs_mcp_tasks_free(struct bs_mcp_actor *actor);

#endif
