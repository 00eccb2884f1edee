/*
 * methods.c - every method, with the revisions that have it; and the two ways to begin.
 */
#include <string.h>

#include "mcp/inside.h"
#include "mcp/peer.h"

const char bs_mcp_instructions[] =
    "A PostgreSQL database behind Backstop. Reads run at once. A statement that changes or "
    "destroys "
    "something may be held until a person approves it: the result then has status "
    "pending_approval and a ticket. Wait with backstop_ticket, and once it is approved run it with "
    "backstop_run_approved. A status of refused is final: tell the user. Ask backstop_status what "
    "you "
    "may do now, and backstop_explain what a statement would do.";

json_t *
bs_mcp_self(void)
{
    return json_pack("{s:s,s:s,s:s}", "name", "backstop", "title", "Backstop for PostgreSQL",
                     "version", BS_VERSION);
}

json_t *
bs_mcp_capabilities(bool modern)
{
    json_t *c = json_pack("{s:{},s:{},s:{},s:{}}", "tools", "resources", "prompts", "logging");

    if (modern)
        (void)json_object_set_new(c, "extensions", json_pack("{s:{}}", BS_MCP_TASKS));
    return c;
}

static json_t *
on_initialize(struct bs_mcp_request *r, struct bs_mcp_fault *fault)
{
    const char *asked = json_string_value(json_object_get(r->params, "protocolVersion"));
    json_t *capabilities = json_object_get(r->params, "capabilities");
    const char *agreed = BS_MCP_LEGACY;
    bool begun;

    if (asked == NULL || !json_is_object(capabilities))
        return bs_mcp_refuse(
            fault, BS_MCP_INVALID_PARAMS,
            "initialize wants protocolVersion (a string) and capabilities (an object)");
    for (size_t i = 0; bs_mcp_legacy_revisions[i] != NULL; i++) {
        if (strcmp(asked, bs_mcp_legacy_revisions[i]) == 0)
            agreed = bs_mcp_legacy_revisions[i];
    }
    (void)pthread_mutex_lock(&r->peer->lock);
    begun = r->peer->revision != NULL;
    if (!begun) {
        r->peer->revision = agreed;
        r->peer->capabilities = json_incref(capabilities);
    }
    (void)pthread_mutex_unlock(&r->peer->lock);
    if (begun)
        return bs_mcp_refuse(fault, BS_MCP_INVALID_REQUEST, "this session is initialized already");
    return json_pack("{s:s,s:o,s:o,s:s}", "protocolVersion", agreed, "capabilities",
                     bs_mcp_capabilities(false), "serverInfo", bs_mcp_self(), "instructions",
                     bs_mcp_instructions);
}

static json_t *
on_discover(struct bs_mcp_request *r, struct bs_mcp_fault *fault)
{
    (void)r;
    (void)fault;
    return json_pack("{s:o,s:o,s:s,s:i,s:s}", "supportedVersions", bs_mcp_revisions(),
                     "capabilities", bs_mcp_capabilities(true), "instructions", bs_mcp_instructions,
                     "ttlMs", 3600000, "cacheScope", "public");
}

static json_t *
on_ping(struct bs_mcp_request *r, struct bs_mcp_fault *fault)
{
    (void)r;
    (void)fault;
    return json_object();
}

static json_t *
on_set_level(struct bs_mcp_request *r, struct bs_mcp_fault *fault)
{
    enum bs_mcp_log level =
        bs_mcp_log_level(json_string_value(json_object_get(r->params, "level")));

    if (level == BS_MCP_LOG_NONE)
        return bs_mcp_refuse(fault, BS_MCP_INVALID_PARAMS, "there is no such level");
    (void)pthread_mutex_lock(&r->peer->lock);
    r->peer->log_level = level;
    (void)pthread_mutex_unlock(&r->peer->lock);
    return json_object();
}

enum { OLD = 1, NEW = 2, BOTH = 3 };

static const struct method {
    const char *name;
    unsigned in;    /* OLD: with the handshake; NEW: without */
    bool cacheable; /* its result says for how long it holds, in the new one */
    bs_mcp_handler handler;
} methods[] = {
    /* clang-format off */
    {"initialize",               OLD,  false, on_initialize},
    {"logging/setLevel",         OLD,  false, on_set_level},
    {"ping",                     OLD,  false, on_ping},
    {"prompts/get",              BOTH, false, bs_mcp_prompts_get},
    {"prompts/list",             BOTH, true,  bs_mcp_prompts_list},
    {"resources/list",           BOTH, true,  bs_mcp_resources_list},
    {"resources/read",           BOTH, true,  bs_mcp_resources_read},
    {"resources/templates/list", BOTH, true,  bs_mcp_resources_templates},
    {"server/discover",          NEW,  true,  on_discover},
    {"subscriptions/listen",     NEW,  false, bs_mcp_listen},
    {"tasks/cancel",             NEW,  false, bs_mcp_tasks_cancel},
    {"tasks/get",                NEW,  false, bs_mcp_tasks_get},
    {"tasks/update",             NEW,  false, bs_mcp_tasks_update},
    {"tools/call",               BOTH, false, bs_mcp_tools_call},
    {"tools/list",               BOTH, true,  bs_mcp_tools_list},
    /* clang-format on */
};

static const struct method *
find(const char *name)
{
    for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
        if (strcmp(methods[i].name, name) == 0)
            return &methods[i];
    }
    return NULL;
}

bs_mcp_handler
bs_mcp_method_find(const char *method, bool modern)
{
    const struct method *m = find(method);

    return m == NULL || (m->in & (modern ? NEW : OLD)) == 0 ? NULL : m->handler;
}

bool
bs_mcp_method_is_cacheable(const char *method)
{
    const struct method *m = find(method);

    return m != NULL && m->cacheable;
}
