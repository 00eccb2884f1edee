/*
 * mcp_fuzz.c - messages of MCP clients, a line each, for one session; and what a client's configuration
 * file may look like. The database does not answer and the client reads nothing, so nothing waits.
 *
 * Every request is answered once, with its own id and a result or an error; nothing else is answered.
 */
#include "fuzz.h"

#include "cli/mcp_clients.h"
#include "mcp/mcp.h"

static PGconn *
closed(void *ctx, const char *database, const struct bs_watch *watch, struct bs_err *err)
{
    (void)ctx;
    (void)database;
    (void)watch;
    (void)BS_FAIL(err, UNAVAILABLE, "nobody is there");
    return NULL;
}

static void
taken_back(void *ctx, PGconn *conn, enum bs_mcp_conn state)
{
    (void)ctx;
    (void)conn;
    (void)state;
    abort(); /* what was never given */
}

static bool
unread(void *ctx, const json_t *message)
{
    (void)ctx;
    HOLD(json_object_get(message, "method") != NULL);
    return false;
}

static void
check(const json_t *message, const json_t *answer)
{
    const json_t *id = json_object_get(message, "id");
    bool asked = id != NULL && json_object_get(message, "method") != NULL;

    HOLD((answer != NULL) == asked);
    if (!asked)
        return;
    HOLD(json_equal(json_object_get(answer, "id"), id));
    HOLD((json_object_get(answer, "result") != NULL) != (json_object_get(answer, "error") != NULL));
}

static void
speak(struct bs_mcp_peer *peer, struct bs_bytes line)
{
    struct bs_mcp_sink sink = {NULL, unread};
    json_t *message, *answer = NULL;
    char *text;

    if (bs_mcp_parse(line, &message, &answer)) {
        HOLD(answer == NULL);
        answer = bs_mcp_handle(peer, message, &sink);
        check(message, answer);
    } else {
        HOLD(message == NULL && json_object_get(answer, "error") != NULL);
    }
    if (answer != NULL) {
        text = json_dumps(answer, JSON_COMPACT);
        HOLD(text != NULL && strchr(text, '\n') == NULL);
        free(text);
    }
    json_decref(message);
    json_decref(answer);
}

/* What is merged once is found to be there when it is merged again. */
static void
merge(const char *name, struct bs_bytes was)
{
    const struct bs_mcp_client *client = bs_mcp_client_find(name);
    static const char *const args[] = {"mcp", NULL};
    const struct bs_mcp_entry entry = {.name = "backstop", .program = "/b", .args = args};
    struct bs_err err = {0};
    struct bs_buf once, twice;

    bs_buf_init(&once, 1u << 20);
    bs_buf_init(&twice, 1u << 20);
    if (bs_mcp_client_merge(client, &entry, was, &once, &err) == BS_DONE) {
        HOLD(bs_mcp_client_merge(client, &entry, bs_buf_view(&once), &twice, &err) == BS_DONE);
        HOLD(bs_bytes_equal(bs_buf_view(&once), bs_buf_view(&twice)));
    } else {
        HOLD(err.code == BS_E_DATA);
    }
    bs_buf_fini(&once);
    bs_buf_fini(&twice);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct bs_mcp *mcp;
    struct bs_mcp_door door = {.acquire = closed, .release = taken_back};
    struct bs_mcp_actor *actor;
    struct bs_mcp_peer *peer;

    if (size > 0 && data[0] < 2) {
        merge(data[0] == 0 ? "claude" : "codex", (struct bs_bytes){data + 1, size - 1});
        return 0;
    }
    if (mcp == NULL)
        mcp = bs_mcp_new(&(struct bs_mcp_options){0});
    actor = bs_mcp_actor_new(mcp, &door);
    peer = bs_mcp_peer_new(actor);
    while (size > 0) {
        const uint8_t *end = memchr(data, '\n', size);
        size_t n = end == NULL ? size : (size_t)(end - data);

        speak(peer, (struct bs_bytes){data, n});
        data += n < size ? n + 1 : n;
        size -= n < size ? n + 1 : n;
    }
    bs_mcp_peer_free(&peer);
    HOLD(!bs_mcp_actor_holds(actor));
    bs_mcp_actor_free(&actor);
    return 0;
}
