/*
 * mcp_clients.c - see mcp_clients.h.
 *
 * Five clients have JSON, which is read and written anew. One has TOML, of which we have no reader: there
 * the entry's own tables are cut out and put at the end, which is right in every file that is right, and a
 * file where it might not be is left alone.
 */
#include "cli/mcp_clients.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"

enum form {
    FORM_JSON = 0,
    FORM_TOML,
};

struct bs_mcp_client {
    const char *name;
    enum form form;
    const char *root;      /* variable with its folder, where that is set; NULL */
    const char *root_file; /* in that folder */
    const char *path;      /* under the home folder */
    const char *mac_path;  /* there, where it is another; NULL */
    const char *servers;   /* member that holds the servers */
    bool typed;            /* an entry says "type" */
    const char *url;       /* member for the URL */
    const char *token;     /* how a header names a variable: a format */
};

const char bs_mcp_client_names[] = "claude, cursor, vscode, codex, gemini, windsurf";

static const struct bs_mcp_client clients[] = {
    {.name = "claude",
     .path = ".claude.json",
     .servers = "mcpServers",
     .typed = true,
     .url = "url",
     .token = "${%s}"},
    {.name = "cursor",
     .path = ".cursor/mcp.json",
     .servers = "mcpServers",
     .url = "url",
     .token = "${env:%s}"},
    {.name = "vscode",
     .path = ".config/Code/User/mcp.json",
     .mac_path = "Library/Application Support/Code/User/mcp.json",
     .servers = "servers",
     .typed = true,
     .url = "url",
     .token = "${env:%s}"},
    {.name = "codex",
     .form = FORM_TOML,
     .root = "CODEX_HOME",
     .root_file = "config.toml",
     .path = ".codex/config.toml",
     .servers = "mcp_servers"},
    {.name = "gemini",
     .path = ".gemini/settings.json",
     .servers = "mcpServers",
     .url = "httpUrl",
     .token = "$%s"},
    {.name = "windsurf",
     .path = ".codeium/windsurf/mcp_config.json",
     .servers = "mcpServers",
     .url = "serverUrl",
     .token = "${env:%s}"},
};

const struct bs_mcp_client *
bs_mcp_client_find(const char *name)
{
    for (size_t i = 0; i < sizeof(clients) / sizeof(clients[0]); i++) {
        if (strcmp(clients[i].name, name) == 0)
            return &clients[i];
    }
    return NULL;
}

static char *
join(const char *folder, const char *name)
{
    size_t n = strlen(folder) + strlen(name) + 2;
    char *path = bs_malloc(n);

    (void)snprintf(path, n, "%s/%s", folder, name);
    return path;
}

char *
bs_mcp_client_path(const struct bs_mcp_client *client)
{
    const char *root = client->root == NULL ? NULL : getenv(client->root);
    const char *home = getenv("HOME");
    const char *path = client->path;

#ifdef __APPLE__
    if (client->mac_path != NULL)
        path = client->mac_path;
#endif
    if (root != NULL && root[0] != '\0')
        return join(root, client->root_file);
    return home == NULL || home[0] == '\0' ? NULL : join(home, path);
}

/* The value of the header, with the variable as this client fills it in. */
static void
put_bearer(char *out, size_t n, const char *format, const char *variable)
{
    const char *at = strstr(format, "%s");

    (void)snprintf(out, n, "Bearer %.*s%s%s", (int)(at - format), format, variable, at + 2);
}

static json_t *
json_entry(const struct bs_mcp_client *client, const struct bs_mcp_entry *entry)
{
    json_t *args, *one;
    char bearer[160];

    if (entry->url != NULL) {
        put_bearer(bearer, sizeof(bearer), client->token, entry->token);
        return json_pack("{s:s*,s:s,s:{s:s}}", "type", client->typed ? "http" : NULL, client->url,
                         entry->url, "headers", "Authorization", bearer);
    }
    args = json_array();
    for (size_t i = 0; entry->args[i] != NULL; i++)
        (void)json_array_append_new(args, json_string(entry->args[i]));
    one = json_pack("{s:s*,s:s,s:o}", "type", client->typed ? "stdio" : NULL, "command",
                    entry->program, "args", args);
    return one;
}

static bool
is_blank(struct bs_bytes text)
{
    for (size_t i = 0; i < text.n; i++) {
        if (strchr(" \t\r\n", text.p[i]) == NULL)
            return false;
    }
    return true;
}

static json_t *
read_json(struct bs_bytes was, struct bs_err *err)
{
    json_t *all;

    if (is_blank(was))
        return json_object();
    all = json_loadb((const char *)was.p, was.n, JSON_REJECT_DUPLICATES, NULL);
    if (json_is_object(all))
        return all;
    json_decref(all);
    (void)BS_FAIL(err, DATA, "it is not a JSON object, or has comments");
    return NULL;
}

static enum bs_done
merge_json(const struct bs_mcp_client *client,
           const struct bs_mcp_entry *entry,
           struct bs_bytes was,
           struct bs_buf *out,
           struct bs_err *err)
{
    json_t *all = read_json(was, err);
    json_t *servers;
    char *text;

    if (all == NULL)
        return BS_FAILED;
    servers = json_object_get(all, client->servers);
    if (servers == NULL) {
        servers = json_object();
        (void)json_object_set_new(all, client->servers, servers);
    }
    if (!json_is_object(servers)) {
        json_decref(all);
        return BS_FAIL(err, DATA, "its \"%s\" is not an object", client->servers);
    }
    (void)json_object_set_new(servers, entry->name, json_entry(client, entry));
    /* 15 digits, or 0.1 of theirs would come back as 0.10000000000000001. */
    text = json_dumps(all, JSON_INDENT(2) | JSON_REAL_PRECISION(15));
    bs_put_fmt(out, "%s\n", text);
    free(text);
    json_decref(all);
    return BS_DONE;
}

/* A basic string of TOML. */
static void
put_toml(struct bs_buf *out, const char *text)
{
    bs_put_u8(out, '"');
    for (; *text != '\0'; text++) {
        if (*text == '"' || *text == '\\')
            bs_put_u8(out, '\\');
        if ((uint8_t)*text < 0x20)
            bs_put_fmt(out, "\\u%04X", (unsigned)(uint8_t)*text);
        else
            bs_put_u8(out, (uint8_t)*text);
    }
    bs_put_u8(out, '"');
}

static void
put_toml_entry(const struct bs_mcp_client *client,
               const struct bs_mcp_entry *entry,
               struct bs_buf *out)
{
    bs_put_fmt(out, "[%s.%s]\n", client->servers, entry->name);
    if (entry->url != NULL) {
        bs_put_str(out, "url = ");
        put_toml(out, entry->url);
        bs_put_str(out, "\nbearer_token_env_var = ");
        put_toml(out, entry->token);
        bs_put_str(out, "\n");
        return;
    }
    bs_put_str(out, "command = ");
    put_toml(out, entry->program);
    bs_put_str(out, "\nargs = [");
    for (size_t i = 0; entry->args[i] != NULL; i++) {
        bs_put_str(out, i == 0 ? "" : ", ");
        put_toml(out, entry->args[i]);
    }
    bs_put_str(out, "]\n");
}

/* "[a.b]" and "[[a.b]]", with plain names: no array that goes over lines looks like that. */
static bool
is_header(const char *line, size_t n)
{
    size_t i = n > 1 && line[1] == '[' ? 2 : 1;
    size_t from = i;

    if (n < 3 || line[0] != '[')
        return false;
    while (i < n && (strchr("_.-", line[i]) != NULL || (line[i] >= '0' && line[i] <= '9') ||
                     (line[i] >= 'A' && line[i] <= 'Z') || (line[i] >= 'a' && line[i] <= 'z')))
        i++;
    return i > from && i < n && line[i] == ']';
}

/* "[a.b]" or "[a.b.c]": a table of ours. */
static bool
is_own_table(const char *line, size_t n, const char *own, size_t n_own)
{
    return n > n_own + 1 && line[0] == '[' && strncmp(line + 1, own, n_own) == 0 &&
           (line[n_own + 1] == ']' || line[n_own + 1] == '.');
}

/* What might be said of the servers in another form than a table with a plain name, or go over lines. */
static bool
is_unclear(const char *line, size_t n, const char *servers)
{
    size_t n_servers = strlen(servers);
    const char *quote = memchr(line, '"', n), *single = memchr(line, '\'', n);
    bool names = n > n_servers && strncmp(line, servers, n_servers) == 0;

    if (names && strchr(" \t=.", line[n_servers]) != NULL)
        return true;
    if (n > 1 && line[0] == '[' && (line[1] == ' ' || line[1] == '"' || line[1] == '\''))
        return true;
    return (quote != NULL && memmem(line, n, "\"\"\"", 3) != NULL) ||
           (single != NULL && memmem(line, n, "'''", 3) != NULL);
}

static enum bs_done
merge_toml(const struct bs_mcp_client *client,
           const struct bs_mcp_entry *entry,
           struct bs_bytes was,
           struct bs_buf *out,
           struct bs_err *err)
{
    char own[120];
    size_t n_own = (size_t)snprintf(own, sizeof(own), "%s.%s", client->servers, entry->name);
    const char *at = (const char *)was.p, *end = at + was.n;
    bool skipping = false;

    while (at < end) {
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        size_t whole = stop == NULL ? (size_t)(end - at) : (size_t)(stop - at) + 1;
        const char *line = at;
        size_t n = whole;

        for (; n > 0 && (*line == ' ' || *line == '\t'); n--)
            line++;
        if (is_unclear(line, n, client->servers))
            return BS_FAIL(err, DATA, "it is written in a way that we cannot add to");
        if (is_header(line, n))
            skipping = is_own_table(line, n, own, n_own);
        if (!skipping)
            bs_put_bytes(out, (struct bs_bytes){(const uint8_t *)at, whole});
        at += whole;
    }
    while (out->n > 0 && out->p[out->n - 1] == '\n')
        out->n--;
    bs_put_str(out, out->n > 0 ? "\n\n" : "");
    put_toml_entry(client, entry, out);
    return BS_DONE;
}

enum bs_done
bs_mcp_client_merge(const struct bs_mcp_client *client,
                    const struct bs_mcp_entry *entry,
                    struct bs_bytes was,
                    struct bs_buf *out,
                    struct bs_err *err)
{
    enum bs_done done;

    if (!bs_utf8_valid(was))
        return BS_FAIL(err, DATA, "it is not UTF-8");
    done = client->form == FORM_TOML ? merge_toml(client, entry, was, out, err)
                                     : merge_json(client, entry, was, out, err);
    if (done == BS_DONE && out->failed)
        return BS_FAIL(err, LIMIT, "it is too long");
    return done;
}
