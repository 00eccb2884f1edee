/*
 * terminal.c - the alternate screen in raw mode.
 */
#include "cli/terminal.h"

#include <errno.h>
#include <locale.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>
#include <wchar.h>

#define ENTER     "\x1b[?1049h\x1b[?25l" /* the alternate screen, no cursor */
#define LEAVE     "\x1b[?25h\x1b[?1049l"
#define ESCAPE_MS 50 /* a sequence has come whole by then; else it was the key itself */

static struct termios was;
static volatile sig_atomic_t is_open, asked_to_end;

static void
write_all(const void *p, size_t n)
{
    const char *at = p;

    while (n != 0) {
        ssize_t wrote = write(STDOUT_FILENO, at, n);
        if (wrote < 0 && errno != EINTR && errno != EAGAIN)
            return;
        if (wrote > 0) {
            at += wrote;
            n -= (size_t)wrote;
        }
    }
}

/* Also from a signal's handler: nothing but system calls. */
static void
leave(void)
{
    if (!is_open)
        return;
    is_open = 0;
    write_all(LEAVE, sizeof(LEAVE) - 1);
    (void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &was);
}

static void
enter(void)
{
    struct termios raw = was;

    /* Ctrl-C and Ctrl-Z stay signals. */
    raw.c_lflag &= (tcflag_t) ~(ECHO | ICANON);
    raw.c_iflag &= (tcflag_t) ~(IXON);
    raw.c_cc[VMIN] = 0;
    raw.c_cc[VTIME] = 0;
    (void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &raw);
    write_all(ENTER, sizeof(ENTER) - 1);
    is_open = 1;
}

static void
on_end(int number)
{
    (void)number;
    asked_to_end = 1;
}

static void
on_size(int number)
{
    (void)number; /* poll() has ended: that is all it is for */
}

static void
on_stop(int number)
{
    int saved = errno;

    (void)number;
    leave();
    (void)raise(SIGSTOP);
    enter();
    errno = saved;
}

static void
handle(int number, void (*handler)(int))
{
    struct sigaction action = {.sa_handler = handler};

    (void)sigemptyset(&action.sa_mask);
    (void)sigaction(number, &action, NULL);
}

enum bs_done
bs_terminal_open(struct bs_err *err)
{
    const char *term = getenv("TERM");

    if (isatty(STDIN_FILENO) != 1 || isatty(STDOUT_FILENO) != 1 || term == NULL ||
        strcmp(term, "dumb") == 0 || tcgetattr(STDIN_FILENO, &was) != 0)
        return BS_FAIL(err, USAGE, "this needs a terminal to draw on");
    (void)setlocale(LC_CTYPE, "C.UTF-8"); /* for the width of characters */
    (void)atexit(leave);
    handle(SIGINT, on_end);
    handle(SIGTERM, on_end);
    handle(SIGHUP, on_end);
    handle(SIGTSTP, on_stop);
    handle(SIGWINCH, on_size);
    enter();
    return BS_DONE;
}

void
bs_terminal_close(void)
{
    leave();
}

struct bs_terminal_size
bs_terminal_size(void)
{
    struct winsize w;

    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &w) != 0 || w.ws_row == 0 || w.ws_col == 0)
        return (struct bs_terminal_size){24, 80};
    return (struct bs_terminal_size){w.ws_row, w.ws_col};
}

/* --- keys --------------------------------------------------------------------------------- */

/* The next byte of the input, or -1 where none comes in time. */
static int
next_byte(int wait_ms)
{
    struct pollfd fd = {STDIN_FILENO, POLLIN, 0};
    unsigned char byte;
    ssize_t got;

    if (asked_to_end || poll(&fd, 1, wait_ms) <= 0)
        return -1;
    got = read(STDIN_FILENO, &byte, 1);
    if (got == 0 || (got < 0 && errno != EINTR && errno != EAGAIN))
        asked_to_end = 1;
    return got == 1 ? byte : -1;
}

/* Behind an ESC. */
static int
sequence(void)
{
    static const struct {
        const char *ends;
        int key;
    } known[] = {{"[A", BS_KEY_UP},   {"OA", BS_KEY_UP},       {"[B", BS_KEY_DOWN},
                 {"OB", BS_KEY_DOWN}, {"[5~", BS_KEY_PAGE_UP}, {"[6~", BS_KEY_PAGE_DOWN}};
    char text[8] = "";
    size_t n = 0;
    int byte;

    while (n + 1 < sizeof(text) && (byte = next_byte(ESCAPE_MS)) >= 0) {
        text[n++] = (char)byte;
        if (n > 1 && byte >= 0x40 && byte <= 0x7e)
            break;
    }
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        if (strcmp(text, known[i].ends) == 0)
            return known[i].key;
    }
    return n == 0 ? BS_KEY_ESCAPE : BS_KEY_NONE;
}

/* The rest of a character in UTF-8, by its first byte. */
static int
character(int first)
{
    int more = first >= 0xf0 ? 3 : first >= 0xe0 ? 2 : 1;
    int code = first & (0x3f >> more);

    if (first < 0xc2 || first > 0xf4)
        return BS_KEY_NONE;
    for (; more > 0; more--) {
        int byte = next_byte(ESCAPE_MS);
        if (byte < 0x80 || byte > 0xbf)
            return BS_KEY_NONE;
        code = code << 6 | (byte & 0x3f);
    }
    return code;
}

int
bs_terminal_key(int wait_ms)
{
    int byte = next_byte(wait_ms);

    if (byte < 0)
        return asked_to_end ? BS_KEY_END : BS_KEY_NONE;
    if (byte == 0x1b)
        return sequence();
    if (byte == '\r' || byte == '\n')
        return BS_KEY_ENTER;
    if (byte == 0x7f || byte == 0x08)
        return BS_KEY_BACKSPACE;
    if (byte == 0x04)
        return BS_KEY_END;
    return byte < 0x20 ? BS_KEY_NONE : byte < 0x80 ? byte : character(byte);
}

size_t
bs_terminal_encode(int key, char out[4])
{
    unsigned c = (unsigned)key;
    size_t n = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;

    for (size_t i = n; i-- > 1; c >>= 6)
        out[i] = (char)(0x80 | (c & 0x3f));
    out[0] = (char)(n == 1 ? c : (0xf00u >> n & 0xf0) | c);
    return n;
}

/* --- drawing ------------------------------------------------------------------------------ */

size_t
bs_terminal_step(struct bs_bytes text, size_t *columns)
{
    mbstate_t state;
    wchar_t c;
    size_t n;
    int width;

    *columns = 0;
    if (text.p[0] == 0x1b) {
        const uint8_t *end = memchr(text.p, 'm', text.n);
        return end == NULL ? text.n : (size_t)(end - text.p) + 1;
    }
    memset(&state, 0, sizeof(state));
    n = mbrtowc(&c, (const char *)text.p, text.n, &state);
    *columns = 1;
    if (n == 0 || n > text.n)
        return 1;
    width = wcwidth(c);
    *columns = width < 0 ? 1 : (size_t)width;
    return n;
}

size_t
bs_terminal_width(struct bs_bytes text)
{
    size_t all = 0, columns;

    for (size_t i = 0; i < text.n; all += columns)
        i += bs_terminal_step((struct bs_bytes){text.p + i, text.n - i}, &columns);
    return all;
}

static void
put_line(struct bs_buf *out, struct bs_bytes line, size_t room)
{
    size_t used = 0, columns;

    for (size_t i = 0, n; i < line.n; i += n, used += columns) {
        n = bs_terminal_step((struct bs_bytes){line.p + i, line.n - i}, &columns);
        if (used + columns > room)
            break;
        if (line.p[i] == '\t')
            bs_put_u8(out, ' ');
        else
            bs_put_bytes(out, (struct bs_bytes){line.p + i, n});
    }
}

void
bs_terminal_draw(struct bs_bytes lines)
{
    struct bs_terminal_size size = bs_terminal_size();
    struct bs_buf out;

    bs_buf_init(&out, 4u << 20);
    bs_put_str(&out, "\x1b[H");
    for (size_t row = 0; row < size.rows; row++) {
        const uint8_t *end = lines.n == 0 ? NULL : memchr(lines.p, '\n', lines.n);
        size_t n = end == NULL ? lines.n : (size_t)(end - lines.p);
        put_line(&out, (struct bs_bytes){lines.p, n}, size.columns);
        bs_put_str(&out, row + 1 == size.rows ? "\x1b[m\x1b[K" : "\x1b[m\x1b[K\r\n");
        lines = end == NULL ? (struct bs_bytes){NULL, 0}
                            : (struct bs_bytes){lines.p + n + 1, lines.n - n - 1};
    }
    if (!out.failed && is_open)
        write_all(out.p, out.n);
    bs_buf_fini(&out);
}
