/*
 * upstream_lookup.c - every address of the conninfo, each the way (or ways) its sslmode stands for,
 * and the password for each host.
 */
#include "gateway/upstream_parts.h"

#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "gateway/conninfo.h"

void
bs_lookup_free(struct bs_lookup *k)
{
    if (k == NULL)
        return;
    for (size_t i = 0; i < BS_ADDRESSES_MAX; i++)
        bs_free_secret(&k->passwords[i]);
    free(k);
}

static void
add_way(struct bs_lookup *k, const struct bs_way *t)
{
    if (k->n_ways < sizeof(k->ways) / sizeof(k->ways[0]))
        k->ways[k->n_ways++] = *t;
}

/* The order of attempts that each sslmode stands for; TLS means nothing on a Unix socket. */
static void
add_ways(struct bs_lookup *k, struct bs_way *t)
{
    switch (t->at.ss_family == AF_UNIX ? BS_SSL_DISABLE : k->info->sslmode) {
    case BS_SSL_DISABLE:
        add_way(k, t);
        break;
    case BS_SSL_ALLOW:
        add_way(k, t);
        t->tls = true;
        add_way(k, t);
        break;
    case BS_SSL_PREFER:
        t->tls = t->may_stay_plain = true;
        add_way(k, t);
        t->tls = t->may_stay_plain = false;
        add_way(k, t);
        break;
    case BS_SSL_REQUIRE:
    case BS_SSL_VERIFY_CA:
    case BS_SSL_VERIFY_FULL:
    default:
        t->tls = true;
        add_way(k, t);
        break;
    }
}

static void
look_up_unix(struct bs_lookup *k, size_t i)
{
    const struct bs_conn_host *h = &k->info->hosts[i];
    struct bs_way t = {.host = i};
    struct sockaddr_un *sun = (struct sockaddr_un *)(void *)&t.at;
    int n;

    sun->sun_family = AF_UNIX;
    n = snprintf(sun->sun_path, sizeof(sun->sun_path), "%s/.s.PGSQL.%s", h->host, h->port);
    if (n < 0 || (size_t)n >= sizeof(sun->sun_path)) {
        (void)snprintf(k->why, sizeof(k->why), "the path of the Unix socket is too long");
        return;
    }
    t.len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + (size_t)n);
    if (h->host[0] == '@')
        sun->sun_path[0] = '\0'; /* an abstract name, without a file */
    else
        t.len++;
    add_ways(k, &t);
}

static void
look_up_inet(struct bs_lookup *k, size_t i)
{
    const struct bs_conn_host *h = &k->info->hosts[i];
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *all = NULL;
    int failed;

    if (h->hostaddr != NULL)
        hints.ai_flags = AI_NUMERICHOST;
    failed = getaddrinfo(h->hostaddr != NULL ? h->hostaddr : h->host, h->port, &hints, &all);
    if (failed != 0) {
        (void)snprintf(k->why, sizeof(k->why), "host name look-up: %s", gai_strerror(failed));
        return;
    }
    for (const struct addrinfo *ai = all; ai != NULL; ai = ai->ai_next) {
        struct bs_way t = {.host = i, .len = ai->ai_addrlen};
        if (ai->ai_addrlen > sizeof(t.at))
            continue;
        memcpy(&t.at, ai->ai_addr, ai->ai_addrlen);
        add_ways(k, &t);
    }
    freeaddrinfo(all);
}

void
bs_lookup_run(void *arg)
{
    struct bs_lookup *k = arg;

    for (size_t i = 0; i < k->info->n_hosts && i < BS_ADDRESSES_MAX; i++) {
        const struct bs_conn_host *h = &k->info->hosts[i];
        if (bs_conn_host_is_unix(h))
            look_up_unix(k, i);
        else
            look_up_inet(k, i);
        k->passwords[i] = bs_conninfo_password(k->info, h, k->user);
    }
}
