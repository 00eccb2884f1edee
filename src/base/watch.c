/*
 * watch.c - the flag is the truth; the pipe is only there to end a poll.
 */
#include "base/watch.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"

enum bs_done
bs_watch_init(struct bs_watch *w, int64_t deadline_us, struct bs_err *err)
{
    atomic_init(&w->stop, false);
    w->bytes = NULL;
    w->above = NULL;
    w->deadline_us = deadline_us;
    w->late = BS_E_NO_POINT;
    if (pipe2(w->wake, O_CLOEXEC | O_NONBLOCK) != 0)
        return BS_FAIL(err, IO, "cannot make a pipe: %s", strerror(errno));
    return BS_DONE;
}

void
bs_watch_fini(struct bs_watch *w)
{
    close(w->wake[0]);
    close(w->wake[1]);
}

void
bs_watch_stop(struct bs_watch *w)
{
    atomic_store(&w->stop, true);
    /* A full pipe wakes as well as one byte more would. */
    if (write(w->wake[1], "", 1) < 0)
        return;
}

enum bs_done
bs_watch_check(const struct bs_watch *w, struct bs_err *err)
{
    if (w == NULL)
        return BS_DONE;
    if (w->above != NULL && bs_watch_check(w->above, err) != BS_DONE)
        return BS_FAILED;
    if (atomic_load(&w->stop))
        return BS_FAIL(err, CANCELLED, "the work was stopped");
    if (w->deadline_us != 0 && bs_mono_us() >= w->deadline_us)
        return bs_err_set(err, w->late, "the time allowed is over");
    return BS_DONE;
}

void
bs_watch_count(const struct bs_watch *w, int64_t bytes)
{
    if (w != NULL && w->bytes != NULL)
        (void)atomic_fetch_add(w->bytes, bytes);
}

int
bs_watch_left_ms(const struct bs_watch *w, int most)
{
    int64_t left;

    if (w->deadline_us == 0)
        return most;
    left = (w->deadline_us - bs_mono_us()) / 1000;
    if (left < 1)
        return 1;
    return left < most ? (int)left : most;
}

enum bs_done
bs_watch_poll(const struct bs_watch *w, int fd, short events, struct bs_err *err)
{
    for (;;) {
        /* A negative descriptor is none. */
        struct pollfd fds[3] = {{fd, events, 0},
                                {w->wake[0], POLLIN, 0},
                                {w->above == NULL ? -1 : w->above->wake[0], POLLIN, 0}};
        if (bs_watch_check(w, err) != BS_DONE)
            return BS_FAILED;
        if (poll(fds, 3, bs_watch_left_ms(w, 1000)) < 0 && errno != EINTR)
            return BS_FAIL(err, IO, "cannot wait for the server: %s", strerror(errno));
        if (fds[0].revents != 0)
            return bs_watch_check(w, err);
    }
}
