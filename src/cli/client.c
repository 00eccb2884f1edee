/*
 * client.c - libcurl, one request.
 */
#include "cli/client.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <curl/curl.h>

#include "base/arena.h"
#include "base/files.h"

#define ANSWER_MAX (256u << 20)

static size_t
on_data(char *p, size_t size, size_t n, void *ctx)
{
    struct bs_buf *b = ctx;

    bs_put_bytes(b, (struct bs_bytes){(const uint8_t *)p, size * n});
    return b->failed ? 0 : size * n;
}

char *
bs_client_token(const char *token_file, struct bs_err *err)
{
    const char *env = getenv("BACKSTOP_TOKEN");
    struct bs_buf b;
    char *token = NULL;

    if (token_file == NULL && env != NULL && env[0] != '\0')
        return bs_strdup(env);
    if (token_file == NULL) {
        (void)BS_FAIL(err, USAGE, "no operator's token was given");
        bs_err_hint(err,
                    "Set BACKSTOP_TOKEN or use --token-file; `backstop operators add` makes one.");
        return NULL;
    }
    bs_buf_init(&b, 4096);
    if (bs_file_read(token_file, &b, err) == BS_DONE) {
        bs_put_u8(&b, 0);
        token = b.failed ? NULL : bs_strdup((const char *)b.p);
        if (token != NULL)
            token[strcspn(token, " \r\n")] = '\0';
        bs_wipe(b.p, b.n);
    }
    bs_buf_fini(&b);
    return token;
}

/* The gateway's own words, as an error of ours. */
static void
take_problem(const json_t *problem, long status, struct bs_err *err)
{
    const char *code = json_string_value(json_object_get(problem, "code"));
    const char *detail = json_string_value(json_object_get(problem, "detail"));
    const char *hint = json_string_value(json_object_get(problem, "hint"));
    enum bs_code found = BS_E_INTERNAL;

    for (int c = BS_OK + 1; code != NULL && c < BS_E_COUNT; c++) {
        if (strcmp(bs_code_get((enum bs_code)c)->name, code) == 0)
            found = (enum bs_code)c;
    }
    (void)bs_err_set(err, found, "%s", detail == NULL ? "the gateway refused" : detail);
    if (detail == NULL)
        bs_err_hint(err, "It answered with status %ld.", status);
    else if (hint != NULL)
        bs_err_hint(err, "%s", hint);
}

static const char *
server_of(const struct bs_client *client)
{
    const char *env = getenv("BACKSTOP_SERVER");

    if (client->server != NULL)
        return client->server;
    return env != NULL && env[0] != '\0' ? env : "http://127.0.0.1:6580";
}

static struct curl_slist *
make_headers(const char *token)
{
    size_t n = strlen(token) + 32;
    char *line = bs_malloc(n);
    struct curl_slist *list;

    (void)snprintf(line, n, "Authorization: Bearer %s", token);
    list = curl_slist_append(NULL, line);
    bs_free_secret(&line);
    return curl_slist_append(list, "Content-Type: application/json");
}

static void
free_headers(struct curl_slist *list)
{
    for (struct curl_slist *h = list; h != NULL; h = h->next)
        bs_wipe(h->data, strlen(h->data));
    curl_slist_free_all(list);
}

static enum bs_done
perform(
    CURL *curl, const char *server, const struct bs_buf *answer, json_t **out, struct bs_err *err)
{
    CURLcode code = curl_easy_perform(curl);
    json_error_t bad;
    long status = 0;
    json_t *body;

    if (code != CURLE_OK) {
        (void)BS_FAIL(err, UNAVAILABLE, "no answer from %.200s: %s", server,
                      curl_easy_strerror(code));
        bs_err_hint(err, "Is the gateway running? --server or BACKSTOP_SERVER says where.");
        return BS_FAILED;
    }
    (void)curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    body = json_loadb(answer->n == 0 ? "" : (const char *)answer->p, answer->n, 0, &bad);
    if (body == NULL)
        return BS_FAIL(err, PROTOCOL, "%.200s does not answer as a gateway does", server);
    if (status >= 400) {
        take_problem(body, status, err);
        json_decref(body);
        return BS_FAILED;
    }
    *out = body;
    return BS_DONE;
}

enum bs_done
bs_client_ask(const struct bs_client *client,
              const char *method,
              const char *path,
              const json_t *body,
              json_t **out,
              struct bs_err *err)
{
    const char *server = server_of(client);
    char *token = bs_client_token(client->token_file, err), *text, *url;
    struct curl_slist *headers;
    enum bs_done done;
    struct bs_buf answer;
    size_t url_size;
    CURL *curl;

    *out = NULL;
    if (token == NULL)
        return BS_FAILED;
    curl = curl_easy_init();
    bs_assert(curl != NULL);
    url_size = strlen(server) + strlen(path) + 1;
    url = bs_malloc(url_size);
    (void)snprintf(url, url_size, "%s%s", server, path);
    text = body == NULL ? bs_strdup("") : json_dumps(body, JSON_COMPACT);
    headers = make_headers(token);
    bs_free_secret(&token);
    bs_buf_init(&answer, ANSWER_MAX);
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_data);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, &answer);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT, client->timeout_s == 0 ? 60L : client->timeout_s);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_NOPROXY, "*");
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    if (strcmp(method, "POST") == 0)
        curl_easy_setopt(curl, CURLOPT_POSTFIELDS, text);
    else
        curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, method);
    done = perform(curl, server, &answer, out, err);
    bs_buf_fini(&answer);
    free_headers(headers);
    curl_easy_cleanup(curl);
    free(text);
    free(url);
    return done;
}

/* The page behind the last one; its items are moved over. */
static enum bs_done
add_page(const struct bs_client *client,
         const char *path,
         const char *list,
         json_t *all,
         struct bs_err *err)
{
    char more[1024];
    json_t *page;

    (void)snprintf(more, sizeof(more), "%s&cursor=%s", path,
                   json_string_value(json_object_get(all, "next")));
    (void)json_object_del(all, "next");
    if (bs_client_ask(client, "GET", more, NULL, &page, err) != BS_DONE)
        return BS_FAILED;
    (void)json_array_extend(json_object_get(all, list), json_object_get(page, list));
    if (json_is_string(json_object_get(page, "next")))
        (void)json_object_set(all, "next", json_object_get(page, "next"));
    json_decref(page);
    return BS_DONE;
}

enum bs_done
bs_client_list(const struct bs_client *client,
               const char *path,
               const char *list,
               json_t **out,
               struct bs_err *err)
{
    if (bs_client_ask(client, "GET", path, NULL, out, err) != BS_DONE)
        return BS_FAILED;
    while (json_is_string(json_object_get(*out, "next"))) {
        if (add_page(client, path, list, *out, err) == BS_DONE)
            continue;
        json_decref(*out);
        *out = NULL;
        return BS_FAILED;
    }
    return BS_DONE;
}
