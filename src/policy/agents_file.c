/*
 * agents_file.c - the readers of `agents_http`.
 */
#include <string.h>

#include "policy/load.h"
#include "policy/notify.h"
#include "policy/values.h"

void
bs_read_agents_listen(struct bs_load *l,
                      const struct bs_key *key,
                      struct bs_scalar value,
                      void *into)
{
    struct bs_config_listen out;

    if (!bs_read_listen(l, key, value, &out))
        return;
    if (out.host == NULL)
        bs_load_problem(l, value.line, "%s: \"%.60s\" is not host:port", bs_key_shown(key),
                        value.text);
    else
        *(struct bs_config_listen *)into = out;
}

/* A list of URLs, kept without a slash at their end. */
void
bs_read_agents_urls(struct bs_load *l, const struct bs_key *key, yaml_node_t *node, void *into)
{
    struct bs_config_texts *all = into;
    size_t n = node == NULL ? 0 : bs_load_list(l, key, node);

    all->list = n == 0 ? NULL : bs_load_array(l, n, sizeof(all->list[0]));
    for (size_t i = 0; all->list != NULL && i < n; i++) {
        struct bs_scalar value;
        if (!bs_load_scalar(l, key, bs_load_item(l, node, i), &value))
            continue;
        bs_read_notify_url(l, key, value, (void *)&all->list[all->n]);
        all->n += all->list[all->n] != NULL;
    }
}

/* Credentials go over it. */
void
bs_check_agents(struct bs_load *l)
{
    const struct bs_config *c = l->config;
    const struct bs_config_listen *at = &c->agents_http.listen;

    if (at->host == NULL)
        return;
    if (c->agents_http.tls_cert == NULL && !bs_value_is_loopback(at->host))
        bs_load_problem(l, 0,
                        "agents_http.listen: \"%.60s\" is not a loopback address: give "
                        "agents_http.tls a cert and a key",
                        at->host);
    if (at->port == c->operators.port)
        bs_load_problem(l, 0,
                        "agents_http.listen: port %d is the operators'; agents must have a port "
                        "of their own",
                        at->port);
    for (size_t i = 0; i < c->n_listen; i++) {
        if (c->listen[i].dir == NULL && c->listen[i].port == at->port)
            bs_load_problem(l, 0, "agents_http.listen: port %d is in listen, too", at->port);
    }
}
