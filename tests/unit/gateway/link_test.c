/*
 * link_test.c - a link over a socket pair: reading, back-pressure, hang-up, and what is left of it.
 */
#include "gateway/link.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tap.h"

struct side {
    uv_loop_t loop;
    struct bs_link link;
    int far; /* the other end, blocking */
    int seen;
};

static void
on_event(struct bs_link *l, int events)
{
    struct side *s = l->owner;

    s->seen |= events;
}

static bool
begin(struct side *s)
{
    int pair[2];
    struct bs_err err = {0};

    *s = (struct side){.far = -1};
    if (uv_loop_init(&s->loop) != 0 || socketpair(AF_UNIX, SOCK_STREAM, 0, pair) != 0)
        return false;
    s->far = pair[1];
    return bs_link_open(&s->link, &s->loop, pair[0], 1024 * 1024, 64 * 1024 * 1024, on_event, s,
                        &err) == BS_DONE;
}

static void
end(struct side *s)
{
    bs_link_close(&s->link);
    bs_link_close(&s->link);
    if (s->far >= 0)
        (void)close(s->far);
    (void)uv_run(&s->loop, UV_RUN_DEFAULT);
    EXPECT_EQ(uv_loop_close(&s->loop), 0);
    bs_link_thread_fini();
}

/* What the loop reports within a turn that does not wait. */
static int
turn(struct side *s)
{
    s->seen = 0;
    bs_link_want(&s->link);
    (void)uv_run(&s->loop, UV_RUN_NOWAIT);
    return s->seen;
}

static void
reads(void)
{
    struct side s;
    struct bs_err err = {0};

    REQUIRE(begin(&s));
    EXPECT_EQ(turn(&s), 0);
    EXPECT_EQ(bs_link_read(&s.link, &err), BS_LINK_AGAIN);
    REQUIRE(write(s.far, "hello", 5) == 5);
    EXPECT_EQ(turn(&s), BS_LINK_READABLE);
    EXPECT_EQ(bs_link_read(&s.link, &err), BS_LINK_GOT);
    EXPECT(bs_bytes_equal(bs_buf_view(&s.link.in), BS_LIT("hello")));
    REQUIRE(write(s.far, "!", 1) == 1);
    EXPECT_EQ(bs_link_read(&s.link, &err), BS_LINK_GOT);
    EXPECT(bs_bytes_equal(bs_buf_view(&s.link.in), BS_LIT("hello!")));
    EXPECT_EQ(s.link.bytes_in, 6);
    end(&s);
}

static void
end_of_stream(void)
{
    struct side s;
    struct bs_err err = {0};

    REQUIRE(begin(&s));
    REQUIRE(write(s.far, "x", 1) == 1);
    (void)close(s.far);
    s.far = -1;
    EXPECT(turn(&s) & BS_LINK_READABLE);
    EXPECT_EQ(bs_link_read(&s.link, &err), BS_LINK_GOT);
    EXPECT_EQ(bs_link_read(&s.link, &err), BS_LINK_EOF);
    EXPECT(s.link.eof);
    EXPECT_EQ(turn(&s), 0); /* said once, not for ever */
    end(&s);
}

/* While a statement is held nobody reads; that the client left must show all the same. */
static void
hang_up_while_paused(void)
{
    struct side s;

    REQUIRE(begin(&s));
    bs_link_pause(&s.link);
    REQUIRE(write(s.far, "more", 4) == 4);
    EXPECT_EQ(turn(&s), 0);
    REQUIRE(shutdown(s.far, SHUT_WR) == 0);
    EXPECT_EQ(turn(&s), BS_LINK_HANGUP);
    EXPECT(s.link.hung_up);
    EXPECT_EQ(turn(&s), 0);
    bs_link_resume(&s.link);
    EXPECT(turn(&s) & BS_LINK_READABLE);
    end(&s);
}

/* The socket takes a part; the rest waits, is counted, and goes when the far side reads. */
static void
back_pressure(void)
{
    static uint8_t bytes[4 * 1024 * 1024];
    static uint8_t got[sizeof(bytes)];
    struct side s;
    struct bs_err err = {0};
    size_t n = 0;

    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)(i * 7 + i / 251);
    REQUIRE(begin(&s));
    EXPECT_EQ(bs_link_send(&s.link, (struct bs_bytes){bytes, sizeof(bytes)}, &err), BS_DONE);
    EXPECT(bs_link_pending(&s.link) > 0 && bs_link_pending(&s.link) < sizeof(bytes));
    EXPECT_EQ(turn(&s) & BS_LINK_WRITABLE, 0);
    while (n < sizeof(bytes)) {
        ssize_t r = read(s.far, got + n, sizeof(got) - n);
        REQUIRE(r > 0);
        n += (size_t)r;
        if (bs_link_pending(&s.link) > 0) {
            EXPECT(turn(&s) & BS_LINK_WRITABLE);
            EXPECT_EQ(bs_link_write(&s.link, &err), BS_DONE);
        }
    }
    EXPECT_EQ(memcmp(bytes, got, sizeof(bytes)), 0);
    EXPECT_EQ(bs_link_pending(&s.link), 0);
    EXPECT_EQ(s.link.bytes_out, sizeof(bytes));
    EXPECT_EQ(turn(&s), 0);
    end(&s);
}

/* Two views go as one, wherever the socket stops taking them. */
static void
two_at_once(void)
{
    static uint8_t big[1 << 20], got[(1 << 20) + 16];
    struct side s;
    struct bs_err err = {0};
    size_t n = 0, want = 4 + 2 + 4 + sizeof(big);

    for (size_t i = 0; i < sizeof(big); i++)
        big[i] = (uint8_t)(i * 7 / 3);
    REQUIRE(begin(&s));
    EXPECT_EQ(bs_link_send_two(&s.link, BS_LIT("head"), BS_LIT("ab"), &err), BS_DONE);
    EXPECT_EQ(s.link.out.n, 0);
    EXPECT_EQ(bs_link_send_two(&s.link, BS_LIT("more"), (struct bs_bytes){big, sizeof(big)}, &err),
              BS_DONE);
    EXPECT(s.link.out.n != 0); /* more than a socket holds */
    REQUIRE(s.link.bytes_out + s.link.out.n == want);
    while (n < want) {
        ssize_t some = read(s.far, got + n, sizeof(got) - n);
        REQUIRE(some > 0);
        n += (size_t)some;
        EXPECT_EQ(bs_link_write(&s.link, &err), BS_DONE);
    }
    EXPECT(memcmp(got, "headabmore", 10) == 0 && memcmp(got + 10, big, sizeof(big)) == 0);
    EXPECT_EQ(s.link.bytes_out, want);
    bs_put_str(&s.link.out, "1");
    EXPECT_EQ(bs_link_send_two(&s.link, BS_LIT("2"), BS_LIT("3"), &err), BS_DONE);
    EXPECT(bs_bytes_equal(bs_buf_view(&s.link.out), BS_LIT("123")));
    end(&s);
}

/* bs_link_send must never overtake what is queued. */
static void
order(void)
{
    struct side s;
    struct bs_err err = {0};
    char got[8] = "";

    REQUIRE(begin(&s));
    bs_put_str(&s.link.out, "ab");
    EXPECT_EQ(bs_link_send(&s.link, BS_LIT("cd"), &err), BS_DONE);
    EXPECT_EQ(bs_link_write(&s.link, &err), BS_DONE);
    EXPECT_EQ(bs_link_send(&s.link, BS_LIT("ef"), &err), BS_DONE);
    EXPECT_EQ(read(s.far, got, sizeof(got)), 6);
    EXPECT(strcmp(got, "abcdef") == 0);
    end(&s);
}

static void
broken(void)
{
    struct side s;
    struct bs_err err = {0};

    REQUIRE(begin(&s));
    (void)close(s.far);
    s.far = -1;
    bs_put_str(&s.link.out, "nobody hears this");
    EXPECT_EQ(bs_link_write(&s.link, &err), BS_FAILED);
    EXPECT_EQ(err.code, BS_E_IO);
    EXPECT(s.link.broken);
    bs_put_str(&s.link.out, "nor this");
    EXPECT_EQ(turn(&s) & BS_LINK_WRITABLE, 0); /* else the loop would spin */
    err = (struct bs_err){0};
    EXPECT_EQ(bs_link_read(&s.link, &err), BS_LINK_EOF);
    end(&s);
}

static void
full(void)
{
    struct side s;
    struct bs_err err = {0};
    enum bs_link_got got = BS_LINK_GOT;
    uint8_t bytes[4096] = {0};

    REQUIRE(begin(&s));
    while (s.link.in.n < s.link.in.max && got == BS_LINK_GOT) {
        REQUIRE(write(s.far, bytes, sizeof(bytes)) == (ssize_t)sizeof(bytes));
        got = bs_link_read(&s.link, &err);
    }
    EXPECT_EQ(s.link.in.n, s.link.in.max);
    EXPECT_EQ(bs_link_read(&s.link, &err), BS_LINK_ERROR);
    EXPECT_EQ(err.code, BS_E_LIMIT);
    end(&s);
}

/* An idle session owns no buffers, and the ones it gave back are used again. */
static void
trim(void)
{
    struct side s;
    struct bs_err err = {0};
    const uint8_t *first;

    REQUIRE(begin(&s));
    REQUIRE(write(s.far, "x", 1) == 1);
    EXPECT_EQ(bs_link_read(&s.link, &err), BS_LINK_GOT);
    first = s.link.in.p;
    bs_link_trim(&s.link);
    EXPECT(s.link.in.p == first); /* still in use */
    bs_buf_drop(&s.link.in, 1);
    bs_link_trim(&s.link);
    EXPECT(s.link.in.p == NULL && s.link.in.max == 1024 * 1024);
    REQUIRE(write(s.far, "y", 1) == 1);
    EXPECT_EQ(bs_link_read(&s.link, &err), BS_LINK_GOT);
    EXPECT(s.link.in.p == first);
    end(&s);
}

static int
option_of(int fd, int level, int option)
{
    int value = -1;
    socklen_t n = sizeof(value);

    return getsockopt(fd, level, option, &value, &n) == 0 ? value : -1;
}

/* What the kernel was told of a socket of the given kind. */
static void
keep_alive(void)
{
    const struct bs_keep_alive on = {false, 7, 2, 9, 1500}, off = {.off = true};
    uv_loop_t loop;
    struct bs_link l;
    struct bs_err err = {0};
    struct side s;
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    REQUIRE(fd >= 0 && uv_loop_init(&loop) == 0);
    REQUIRE(bs_link_open(&l, &loop, fd, 1024, 1024, on_event, NULL, &err) == BS_DONE);
    EXPECT_EQ(option_of(fd, IPPROTO_TCP, TCP_NODELAY), 1);
    EXPECT_EQ(option_of(fd, SOL_SOCKET, SO_KEEPALIVE), 0);
    bs_link_keep_alive(&l, &on);
    EXPECT_EQ(option_of(fd, SOL_SOCKET, SO_KEEPALIVE), 1);
    EXPECT_EQ(option_of(fd, IPPROTO_TCP, TCP_KEEPIDLE), 7);
    EXPECT_EQ(option_of(fd, IPPROTO_TCP, TCP_KEEPINTVL), 2);
    EXPECT_EQ(option_of(fd, IPPROTO_TCP, TCP_KEEPCNT), 9);
    EXPECT_EQ(option_of(fd, IPPROTO_TCP, TCP_USER_TIMEOUT), 1500);
    bs_link_keep_alive(&l, &off);
    EXPECT_EQ(option_of(fd, SOL_SOCKET, SO_KEEPALIVE), 0);
    bs_link_close(&l);
    (void)uv_run(&loop, UV_RUN_DEFAULT);
    EXPECT_EQ(uv_loop_close(&loop), 0);
    REQUIRE(begin(&s));
    bs_link_keep_alive(&s.link, &on); /* a Unix socket */
    EXPECT_EQ(option_of(s.link.fd, SOL_SOCKET, SO_KEEPALIVE), 0);
    end(&s);
}

int
main(void)
{
    static const struct tap_case cases[] = {
        {"bytes are appended as they come", reads},
        {"the end of the stream is told once", end_of_stream},
        {"a hang-up shows while reading is paused", hang_up_while_paused},
        {"what the socket does not take waits", back_pressure},
        {"a direct send does not overtake", order},
        {"two views are sent as one", two_at_once},
        {"a broken link forgets and does not spin", broken},
        {"a full buffer is an error", full},
        {"empty buffers are given back", trim},
        {"the kernel watches for a far side that is gone", keep_alive},
    };

    return tap_main(cases, sizeof(cases) / sizeof(cases[0]));
}
