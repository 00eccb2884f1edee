/*
 * notify_file.c - the readers of `notify`. URLs are secrets, too: Slack's let anybody post.
 */
#include <curl/curl.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

#include "policy/load.h"
#include "policy/notify.h"
#include "policy/values.h"
#include "state/notify.h"

#define PREFIX   "whsec_"
#define WORD_MAX 255

size_t
bs_notify_key(const char *secret, uint8_t out[BS_NOTIFY_KEY_MAX])
{
    uint8_t all[128];
    size_t n, pad;
    int got;

    if (strncmp(secret, PREFIX, sizeof(PREFIX) - 1) != 0)
        return 0;
    secret += sizeof(PREFIX) - 1;
    n = strlen(secret);
    if (n == 0 || n % 4 != 0 || n / 4 * 3 > sizeof(all))
        return 0;
    pad = (size_t)(secret[n - 1] == '=') + (size_t)(secret[n - 2] == '=');
    got = EVP_DecodeBlock(all, (const unsigned char *)secret, (int)n);
    n = got < 0 ? 0 : (size_t)got - pad;
    if (n < BS_NOTIFY_KEY_MIN || n > BS_NOTIFY_KEY_MAX)
        n = 0;
    memcpy(out, all, n);
    bs_wipe(all, sizeof(all));
    return n;
}

/* --- urls --- */

static bool
has_part(CURLU *u, CURLUPart part)
{
    char *text = NULL;
    bool has = curl_url_get(u, part, &text, 0) == CURLUE_OK;

    curl_free(text);
    return has;
}

static bool
is_local(CURLU *u)
{
    char *host = NULL;
    bool local = false;
    size_t n;

    if (curl_url_get(u, CURLUPART_HOST, &host, 0) != CURLUE_OK)
        return false;
    n = strlen(host);
    if (n > 2 && host[0] == '[' && host[n - 1] == ']') {
        host[n - 1] = '\0';
        local = bs_value_is_loopback(host + 1);
    } else {
        local = bs_value_is_loopback(host);
    }
    curl_free(host);
    return local;
}

static enum bs_done
check_parts(CURLU *u, const char *url, struct bs_err *err)
{
    if (curl_url_set(u, CURLUPART_URL, url, 0) != CURLUE_OK)
        return BS_FAIL(err, CONFIG, "not a URL, as https://host/path");
    if (strncmp(url, "https://", 8) != 0 && (strncmp(url, "http://", 7) != 0 || !is_local(u)))
        return BS_FAIL(err, CONFIG, "must be https://..., or http:// to this machine");
    if (has_part(u, CURLUPART_USER) || has_part(u, CURLUPART_PASSWORD))
        return BS_FAIL(err, CONFIG, "has a user or a password in it");
    return has_part(u, CURLUPART_FRAGMENT) ? BS_FAIL(err, CONFIG, "has a \"#\" in it") : BS_DONE;
}

enum bs_done
bs_notify_url_check(const char *url, struct bs_err *err)
{
    CURLU *u = curl_url();
    enum bs_done done;

    bs_assert(u != NULL);
    done = check_parts(u, url, err);
    curl_url_cleanup(u);
    return done;
}

void
bs_read_notify_url(struct bs_load *l, const struct bs_key *key, struct bs_scalar value, void *into)
{
    struct bs_err err = {0};
    size_t n = strlen(value.text);

    if (bs_notify_url_check(value.text, &err) != BS_DONE) {
        bs_load_problem(l, value.line, "%s: %s", bs_key_shown(key), err.message);
        return;
    }
    while (n != 0 && value.text[n - 1] == '/')
        n--;
    *(const char **)into = bs_load_str(l, (struct bs_bytes){(const uint8_t *)value.text, n});
}

/* --- the other keys --- */

static void
read_secret(struct bs_load *l, const struct bs_key *key, yaml_node_t *node, const char **into)
{
    uint8_t bytes[BS_NOTIFY_KEY_MAX];
    struct bs_scalar value;

    if (!bs_load_scalar(l, key, node, &value))
        return;
    if (bs_notify_key(value.text, bytes) == 0)
        bs_load_problem(l, value.line,
                        "%s: is not \"whsec_\" and base 64 of %d to %d bytes; make one with:"
                        " echo whsec_$(openssl rand -base64 32)",
                        bs_key_shown(key), BS_NOTIFY_KEY_MIN, BS_NOTIFY_KEY_MAX);
    else
        *into = value.text;
    bs_wipe(bytes, sizeof(bytes));
}

/* One, or the new one and the old while receivers change over. */
void
bs_read_notify_secrets(struct bs_load *l, const struct bs_key *key, yaml_node_t *node, void *into)
{
    size_t n;

    (void)into;
    if (node == NULL)
        return;
    if (node->type != YAML_SEQUENCE_NODE) {
        read_secret(l, key, node, &l->notify->secret);
        return;
    }
    n = bs_load_list(l, key, node);
    if (n != 1 && n != 2) {
        bs_load_problem(l, bs_load_line(node), "%s: give it one, or the new one and the old",
                        bs_key_shown(key));
        return;
    }
    read_secret(l, key, bs_load_item(l, node, 0), &l->notify->secret);
    if (n == 2)
        read_secret(l, key, bs_load_item(l, node, 1), &l->notify->old);
}

/* It goes into a header as it is. */
void
bs_read_notify_word(struct bs_load *l, const struct bs_key *key, struct bs_scalar value, void *into)
{
    size_t n = 0;

    while (value.text[n] > ' ' && value.text[n] <= '~')
        n++;
    if (value.text[n] != '\0' || n > WORD_MAX)
        bs_load_problem(l, value.line, "%s: has blanks in it, or is longer than %d bytes",
                        bs_key_shown(key), WORD_MAX);
    else
        *(const char **)into = value.text;
}

void
bs_read_notify_name(struct bs_load *l, const struct bs_key *key, struct bs_scalar value, void *into)
{
    struct bs_err err = {0};

    if (bs_name_check(bs_key_shown(key), value.text, &err) == BS_DONE)
        *(const char **)into = value.text;
    else
        bs_load_problem(l, value.line, "%s", err.message);
}

#define ALL_EVENTS                                                                                 \
    (((1u << BS_NOTIFY_EVENTS) - 1) & ~(1u << BS_NOTIFY_NONE) & ~(1u << BS_NOTIFY_TEST))

void
bs_read_notify_events(struct bs_load *l, const struct bs_key *key, yaml_node_t *node, void *into)
{
    unsigned *events = into;
    size_t n;

    if (node == NULL) {
        *events = ALL_EVENTS & ~(1u << BS_NOTIFY_TICKET_RUNNING);
        return;
    }
    n = bs_load_list(l, key, node);
    for (size_t i = 0; i < n; i++) {
        struct bs_scalar value;
        enum bs_notify_event event;
        if (!bs_load_scalar(l, key, bs_load_item(l, node, i), &value))
            continue;
        event = bs_notify_event_find(value.text);
        if (event == BS_NOTIFY_NONE || event == BS_NOTIFY_TEST)
            bs_load_problem(l, value.line,
                            "events: there is no event \"%.60s\"; backstop.yaml(5) lists them",
                            value.text);
        else
            *events |= 1u << event;
    }
}

void
bs_read_notify_webhook(struct bs_load *l, const struct bs_key *key, yaml_node_t *node, void *into)
{
    (void)key;
    (void)into;
    if (node != NULL)
        bs_load_map(l, node, "notify[].webhook.", " in webhook", l->notify);
}

void
bs_read_notify_slack(struct bs_load *l, const struct bs_key *key, yaml_node_t *node, void *into)
{
    (void)key;
    (void)into;
    if (node == NULL)
        return;
    l->notify->slack = true;
    bs_load_map(l, node, "notify[].slack.", " in slack", l->notify);
}

static void
check_slack(struct bs_load *l, const struct bs_config_notify *t)
{
    if ((t->url == NULL) == (t->token == NULL))
        bs_load_problem(l, t->line, "slack: give it either webhook_url, or token and channel");
    else if (t->token != NULL && t->channel == NULL)
        bs_load_problem(l, t->line, "slack: the token needs a channel");
    else if (t->token == NULL && (t->channel != NULL || t->signing_secret != NULL))
        bs_load_problem(l, t->line, "slack: channel and signing_secret go with a token");
}

static void
read_target(struct bs_load *l, yaml_node_t *node, struct bs_config_notify *t)
{
    size_t before = l->problems->n;
    bool webhook;

    t->line = bs_load_line(node);
    l->notify = t;
    bs_load_map(l, node, "notify[].", " in notify", t);
    if (l->problems->n != before)
        return;
    webhook = t->secret != NULL;
    if (webhook == t->slack)
        bs_load_problem(l, t->line, "notify: each target is either a webhook or slack");
    else if (t->slack)
        check_slack(l, t);
    for (const struct bs_config_notify *o = l->config->notify; o < t; o++) {
        if (o->name != NULL && t->name != NULL && strcmp(o->name, t->name) == 0)
            bs_load_problem(l, t->line,
                            "notify: two targets are called \"%.60s\", the first on"
                            " line %d",
                            t->name, o->line);
    }
}

void
bs_read_notify(struct bs_load *l, const struct bs_key *key, yaml_node_t *node, void *into)
{
    struct bs_config *c = l->config;
    size_t n;

    (void)into;
    if (node == NULL)
        return;
    n = bs_load_list(l, key, node);
    if (n > BS_NOTIFY_TARGETS) {
        bs_load_problem(l, bs_load_line(node), "notify: more than %d targets", BS_NOTIFY_TARGETS);
        return;
    }
    c->notify = bs_load_array(l, n, sizeof(c->notify[0]));
    for (size_t i = 0; c->notify != NULL && i < n; i++)
        read_target(l, bs_load_item(l, node, i), &c->notify[c->n_notify++]);
}
