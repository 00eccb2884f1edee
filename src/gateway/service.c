/*
 * service.c - a datagram with lines for the manager, descriptors from 3 on from it. A few lines by
 * hand spare a library that half of all systems do not have.
 */
#include "gateway/service.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"

#define FIRST_FD 3

static void
notify(const char *text)
{
    const char *path = getenv("NOTIFY_SOCKET");
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    size_t n = path == NULL ? 0 : strlen(path);
    int fd;

    if (n < 2 || n >= sizeof(to.sun_path) || (path[0] != '/' && path[0] != '@'))
        return;
    memcpy(to.sun_path, path, n);
    if (path[0] == '@')
        to.sun_path[0] = '\0'; /* an abstract name, without a file */
    fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return;
    (void)!sendto(fd, text, strlen(text), MSG_NOSIGNAL | MSG_DONTWAIT, (const struct sockaddr *)&to,
                  (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n));
    (void)close(fd);
}

void
bs_service_ready(void)
{
    notify("READY=1\nSTATUS=agents can connect\n");
}

void
bs_service_reloading(void)
{
    char text[96];

    (void)snprintf(text, sizeof(text), "RELOADING=1\nMONOTONIC_USEC=%" PRId64 "\n", bs_mono_us());
    notify(text);
}

void
bs_service_stopping(void)
{
    notify("STOPPING=1\nSTATUS=waiting for what runs to end\n");
}

/* A number of the environment, or -1. */
static long
number(const char *name)
{
    const char *text = getenv(name);
    char *end = NULL;
    long n;

    if (text == NULL || text[0] < '0' || text[0] > '9')
        return -1;
    n = strtol(text, &end, 10);
    return *end == '\0' ? n : -1;
}

static bool
has_option(int fd, int option, int value)
{
    int on = 0;
    socklen_t len = sizeof(on);

    return getsockopt(fd, SOL_SOCKET, option, &on, &len) == 0 && on == value;
}

static enum bs_done
take(int fd, struct bs_err *err)
{
    int flags = fcntl(fd, F_GETFL);

    if (!has_option(fd, SO_ACCEPTCONN, 1) || !has_option(fd, SO_TYPE, SOCK_STREAM))
        return BS_FAIL(err, CONFIG, "descriptor %d of LISTEN_FDS is not a listening socket", fd);
    if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0 ||
        fcntl(fd, F_SETFD, FD_CLOEXEC) != 0)
        return BS_FAIL(err, CONFIG, "descriptor %d of LISTEN_FDS: %s", fd, strerror(errno));
    return BS_DONE;
}

enum bs_done
bs_service_listeners(int fds[BS_SERVICE_SOCKETS], size_t *n, struct bs_err *err)
{
    long pid = number("LISTEN_PID"), count = number("LISTEN_FDS");

    *n = 0;
    (void)unsetenv("LISTEN_PID");
    (void)unsetenv("LISTEN_FDS");
    (void)unsetenv("LISTEN_FDNAMES");
    if (pid != getpid() || count <= 0)
        return BS_DONE;
    if (count > BS_SERVICE_SOCKETS)
        return BS_FAIL(err, CONFIG, "LISTEN_FDS has %ld sockets, more than %d", count,
                       BS_SERVICE_SOCKETS);
    for (long i = 0; i < count; i++) {
        if (take(FIRST_FD + (int)i, err) == BS_FAILED)
            return BS_FAILED;
        fds[(*n)++] = FIRST_FD + (int)i;
    }
    return BS_DONE;
}
