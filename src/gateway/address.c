/*
 * address.c - bind, listen, and addresses as text.
 */
#include "gateway/address.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/arena.h"
#include "policy/config.h"

#define BACKLOG 1024

static char *
inet_text(const struct sockaddr *sa, socklen_t len)
{
    char host[NI_MAXHOST], port[NI_MAXSERV], text[NI_MAXHOST + NI_MAXSERV + 4];

    if (getnameinfo(sa, len, host, sizeof(host), port, sizeof(port),
                    NI_NUMERICHOST | NI_NUMERICSERV) != 0)
        return bs_strdup("unknown");
    (void)snprintf(text, sizeof(text), sa->sa_family == AF_INET6 ? "[%s]:%s" : "%s:%s", host, port);
    return bs_strdup(text);
}

static char *
unix_text(const struct sockaddr_un *sun, socklen_t len)
{
    char text[sizeof(sun->sun_path) + 8];
    size_t n = len > offsetof(struct sockaddr_un, sun_path)
                   ? (size_t)len - offsetof(struct sockaddr_un, sun_path)
                   : 0;

    (void)snprintf(text, sizeof(text), "unix:%.*s", (int)n, sun->sun_path);
    return bs_strdup(text);
}

char *
bs_address_of_socket(int fd)
{
    struct sockaddr_storage at = {0};
    socklen_t len = sizeof(at);

    if (getsockname(fd, (struct sockaddr *)&at, &len) != 0)
        return bs_strdup("unknown");
    if (at.ss_family == AF_UNIX)
        return unix_text((const struct sockaddr_un *)(const void *)&at, len);
    return inet_text((const struct sockaddr *)&at, len);
}

char *
bs_address_of_peer(int fd, const struct sockaddr_storage *from, socklen_t len)
{
    if (from->ss_family == AF_INET || from->ss_family == AF_INET6)
        return inet_text((const struct sockaddr *)from, len);
    return bs_address_of_socket(fd); /* clients of a Unix socket have no name of their own */
}

static void
close_all(const int *fds, size_t n)
{
    for (size_t i = 0; i < n; i++)
        (void)close(fds[i]);
}

static int
open_inet(const struct addrinfo *ai)
{
    int on = 1;
    int fd = socket(ai->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return -1;
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (ai->ai_family == AF_INET6)
        (void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
    if (bind(fd, ai->ai_addr, ai->ai_addrlen) != 0 || listen(fd, BACKLOG) != 0) {
        int reason = errno;
        (void)close(fd);
        errno = reason;
        return -1;
    }
    return fd;
}

static enum bs_done
listen_inet(const struct bs_config_listen *where, int *fds, size_t *n, struct bs_err *err)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE}, *all = NULL;
    char port[8];
    enum bs_done done = BS_DONE;
    int failed;

    (void)snprintf(port, sizeof(port), "%u", (unsigned)where->port);
    failed = getaddrinfo(where->host, port, &hints, &all);
    if (failed != 0)
        return BS_FAIL(err, CONFIG, "listen %.128s: %s", where->host, gai_strerror(failed));
    for (const struct addrinfo *ai = all; ai != NULL && *n < BS_LISTEN_MAX; ai = ai->ai_next) {
        int fd = open_inet(ai);
        if (fd < 0) {
            if (errno == EAFNOSUPPORT)
                continue;
            done = BS_FAIL(err, UNAVAILABLE, "listen %.128s:%s: %s", where->host, port,
                           strerror(errno));
            break;
        }
        fds[(*n)++] = fd;
    }
    freeaddrinfo(all);
    if (done == BS_DONE && *n == 0)
        done = BS_FAIL(err, UNAVAILABLE, "listen %.128s: no usable address", where->host);
    return done;
}

static enum bs_done
unix_path(const struct bs_config_listen *where, struct sockaddr_un *sun, struct bs_err *err)
{
    int n;

    *sun = (struct sockaddr_un){.sun_family = AF_UNIX};
    n = snprintf(sun->sun_path, sizeof(sun->sun_path), "%s/.s.PGSQL.%u", where->dir,
                 (unsigned)where->port);
    if (n < 0 || (size_t)n >= sizeof(sun->sun_path))
        return BS_FAIL(err, CONFIG, "listen unix:%.128s: the path is too long", where->dir);
    return BS_DONE;
}

/* A socket file outlives a crashed process; only where nobody answers may it be removed. */
static enum bs_done
remove_stale(const struct sockaddr_un *sun, struct bs_err *err)
{
    struct stat st;
    int fd, failed;

    if (lstat(sun->sun_path, &st) != 0)
        return BS_DONE;
    if (!S_ISSOCK(st.st_mode))
        return BS_FAIL(err, UNAVAILABLE, "listen unix:%s: not a socket", sun->sun_path);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return BS_FAIL(err, IO, "listen unix:%s: %s", sun->sun_path, strerror(errno));
    failed = connect(fd, (const struct sockaddr *)sun, sizeof(*sun)) == 0 ? 0 : errno;
    (void)close(fd);
    if (failed != ECONNREFUSED)
        return BS_FAIL(err, UNAVAILABLE, "listen unix:%s: another process answers", sun->sun_path);
    (void)unlink(sun->sun_path);
    return BS_DONE;
}

static enum bs_done
listen_unix(const struct bs_config_listen *where, int *fds, size_t *n, struct bs_err *err)
{
    struct sockaddr_un sun;
    int fd;

    if (unix_path(where, &sun, err) == BS_FAILED || remove_stale(&sun, err) == BS_FAILED)
        return BS_FAILED;
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return BS_FAIL(err, IO, "listen unix:%s: %s", sun.sun_path, strerror(errno));
    if (bind(fd, (const struct sockaddr *)&sun, sizeof(sun)) != 0 ||
        chmod(sun.sun_path, 0777) != 0 || listen(fd, BACKLOG) != 0) {
        (void)BS_FAIL(err, UNAVAILABLE, "listen unix:%s: %s", sun.sun_path, strerror(errno));
        (void)close(fd);
        return BS_FAILED;
    }
    fds[(*n)++] = fd;
    return BS_DONE;
}

enum bs_done
bs_listen_open(const struct bs_config_listen *where,
               int fds[BS_LISTEN_MAX],
               size_t *n,
               struct bs_err *err)
{
    enum bs_done done;

    *n = 0;
    done = where->dir != NULL ? listen_unix(where, fds, n, err) : listen_inet(where, fds, n, err);
    if (done == BS_FAILED) {
        close_all(fds, *n);
        *n = 0;
    }
    return done;
}

void
bs_listen_remove(const struct bs_config_listen *where)
{
    struct sockaddr_un sun;
    struct bs_err err = {0};

    if (where->dir != NULL && unix_path(where, &sun, &err) == BS_DONE)
        (void)unlink(sun.sun_path);
}
