/*
 * terminal.h - a screen that is drawn whole and keys that come one at a time.
 *
 * Whatever ends the process (a key, a signal, an exit) leaves the terminal as it was.
 *
 * Layer  cli. One for the process.
 * Spec   ECMA-48 for the sequences; termios(3).
 */
#ifndef BS_CLI_TERMINAL_H
#define BS_CLI_TERMINAL_H

#include <stdbool.h>
#include <stddef.h>

#include "base/bytes.h"
#include "base/err.h"

enum bs_key_code {
    BS_KEY_NONE = 0, /* nothing came in time, or the size has changed: draw anew */
    BS_KEY_UP = 0x110000,
    BS_KEY_DOWN,
    BS_KEY_PAGE_UP,
    BS_KEY_PAGE_DOWN,
    BS_KEY_ESCAPE,
    BS_KEY_ENTER,
    BS_KEY_BACKSPACE,
    BS_KEY_END, /* the input has ended, or the process was asked to end */
};

struct bs_terminal_size {
    size_t rows, columns;
};

/* err  USAGE: standard input or output is no terminal, or one that cannot place its cursor */
BS_MUST_CHECK enum bs_done bs_terminal_open(struct bs_err *err);
void bs_terminal_close(void);

struct bs_terminal_size bs_terminal_size(void);
/* One key: a code point, or one of the above. */
int bs_terminal_key(int wait_ms);
/*
 * Shows lines from the top, each cut at the right edge; what is missing below is empty. Text that
 * is not ours must have gone through bs_out_text.
 */
void bs_terminal_draw(struct bs_bytes lines);

/* The bytes of the first character, and its columns. An escape of ours, "\x1b[1m", has none. */
size_t bs_terminal_step(struct bs_bytes text, size_t *columns);
/* The columns that a text takes. */
size_t bs_terminal_width(struct bs_bytes text);
/* A key that is a code point, as UTF-8; its length. */
size_t bs_terminal_encode(int key, char out[4]);

#endif
