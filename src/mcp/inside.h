/*
 * inside.h - what the parts of this room share: a request while it is handled, and what it can do.
 *
 * Layer  mcp. For this room's own files.
 * Owns   see each; a request lives from bs_mcp_handle's start to its return.
 */
#ifndef BS_MCP_INSIDE_H
#define BS_MCP_INSIDE_H

#include <pthread.h>

#include "mcp/mcp.h"

/* A JSON-RPC error to answer with; code 0: none. First one wins. */
struct bs_mcp_fault {
    int code;
    char text[256];
    json_t *data; /* owned until it is sent */
};

/*
 * As bs_mcp_handle, and tells when a request is known as running: from then on a cancellation finds it. A
 * transport whose messages have an order looks at the next one after that.
 */
json_t *bs_mcp_handle_told(struct bs_mcp_peer *peer,
                           const json_t *message,
                           const struct bs_mcp_sink *sink,
                           void (*begun)(void *ctx),
                           void *ctx);

/* Returns NULL, so that a handler may return it. */
json_t *bs_mcp_refuse(struct bs_mcp_fault *fault, enum bs_mcp_code code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

enum bs_mcp_log {
    BS_MCP_LOG_NONE = 0,
    BS_MCP_LOG_EMERGENCY,
    BS_MCP_LOG_ALERT,
    BS_MCP_LOG_CRITICAL,
    BS_MCP_LOG_ERROR,
    BS_MCP_LOG_WARNING,
    BS_MCP_LOG_NOTICE,
    BS_MCP_LOG_INFO,
    BS_MCP_LOG_DEBUG,
};

struct bs_mcp_request {
    struct bs_mcp_peer *peer;
    struct bs_mcp_actor *actor;
    const struct bs_mcp_sink *sink;
    const json_t *id;
    const char *method;
    const json_t *params; /* an object; an empty one where there was none */
    bool modern;
    json_t *capabilities;  /* of the client: an object, owned */
    enum bs_mcp_log log;   /* the least severe the client wants to hear of; NONE: of nothing */
    struct bs_watch watch; /* stopped by a cancellation */
    unsigned progressed;   /* notifications of progress sent */
    struct bs_mcp_request *next; /* in the peer's list of those that run */
};

typedef json_t *(*bs_mcp_handler)(struct bs_mcp_request *r, struct bs_mcp_fault *fault);

/* The handler of a method for this revision; NULL: there is none. */
bs_mcp_handler bs_mcp_method_find(const char *method, bool modern);
/* Results of these have a time to live and a scope in the modern revision. */
bool bs_mcp_method_is_cacheable(const char *method);

/* {"name", "version", ...}: who we are. A new reference. */
json_t *bs_mcp_self(void);
/* What we can do, as either revision wants it told. A new reference. */
json_t *bs_mcp_capabilities(bool modern);
extern const char bs_mcp_instructions[];

/* A string of JSON: of a text that may have been cut within a character, what is before that. */
json_t *bs_mcp_string(const char *text);

/* Every revision that we speak, the newest first. A new reference. */
json_t *bs_mcp_revisions(void);

/* tell.c - what goes to the client while a request is handled. */

/* True where the client's capabilities have an object of that name, or under another. */
bool bs_mcp_client_can(const struct bs_mcp_request *r, const char *name, const char *under);
#define BS_MCP_TASKS "io.modelcontextprotocol/tasks"

/* Sends a notification; takes over `params`. False: the client has gone. */
bool bs_mcp_notify(struct bs_mcp_request *r, const char *method, json_t *params);
/* Tells of progress, where the request asked for that. False: the client has gone. */
bool bs_mcp_progress(struct bs_mcp_request *r, const char *message);
/* NONE for a word that is no level. */
enum bs_mcp_log bs_mcp_log_level(const char *word);
/* A notification of a log message, where the client wants those. data: borrowed. */
void bs_mcp_log(struct bs_mcp_request *r, enum bs_mcp_log level, json_t *data);

enum bs_mcp_confirmed {
    BS_MCP_CONFIRM_NO = 0, /* said so, or said nothing */
    BS_MCP_CONFIRM_YES,
    BS_MCP_CONFIRM_UNASKED, /* the client has no such thing, or the server does not want it */
    BS_MCP_CONFIRM_FIRST,   /* *result is what to answer with: the client asks, and calls again */
};
/*
 * Asks the person at the client whether a statement is meant. That is the requester's own word, and
 * no approval: what needs one is held all the same.
 */
enum bs_mcp_confirmed bs_mcp_confirm(struct bs_mcp_request *r, const char *sql, json_t **result);
/* The answer to a question of ours has come in. */
void bs_mcp_answered(struct bs_mcp_peer *peer, const json_t *response);

/* Handlers. */
json_t *bs_mcp_tools_list(struct bs_mcp_request *r, struct bs_mcp_fault *fault);
json_t *bs_mcp_tools_call(struct bs_mcp_request *r, struct bs_mcp_fault *fault);
json_t *bs_mcp_resources_list(struct bs_mcp_request *r, struct bs_mcp_fault *fault);
json_t *bs_mcp_resources_templates(struct bs_mcp_request *r, struct bs_mcp_fault *fault);
json_t *bs_mcp_resources_read(struct bs_mcp_request *r, struct bs_mcp_fault *fault);
json_t *bs_mcp_prompts_list(struct bs_mcp_request *r, struct bs_mcp_fault *fault);
json_t *bs_mcp_prompts_get(struct bs_mcp_request *r, struct bs_mcp_fault *fault);
json_t *bs_mcp_tasks_get(struct bs_mcp_request *r, struct bs_mcp_fault *fault);
json_t *bs_mcp_tasks_update(struct bs_mcp_request *r, struct bs_mcp_fault *fault);
json_t *bs_mcp_tasks_cancel(struct bs_mcp_request *r, struct bs_mcp_fault *fault);
json_t *bs_mcp_listen(struct bs_mcp_request *r, struct bs_mcp_fault *fault);

/* Of an actor. */
const struct bs_mcp_options *bs_mcp_options_of(struct bs_mcp_actor *actor);
PGconn *bs_mcp_acquire(struct bs_mcp_actor *actor,
                       const char *database,
                       const struct bs_watch *watch,
                       struct bs_err *err);
void bs_mcp_release(struct bs_mcp_actor *actor, PGconn *conn, enum bs_mcp_conn state);

#endif
