/*
 * console.h - the console's files, as the binary carries them.
 *
 * script/build makes them of console/ where node is here, and script/embed-console the table of
 * them. Without them the table is empty.
 *
 * Layer  api. Pure.
 * Owns   nothing; it is all static.
 */
#ifndef BS_API_CONSOLE_H
#define BS_API_CONSOLE_H

#include <stddef.h>
#include <stdint.h>

struct bs_console_file {
    const char *path; /* as it is asked for: "/", or "/console/" and more */
    const char *type; /* media type, "text/html; charset=utf-8" */
    const uint8_t *bytes;
    size_t len;
    const char *etag; /* with its quotes; of the bytes */
};

extern const struct bs_console_file bs_console_files[];
extern const size_t bs_n_console_files; /* 0: it was not built */

#endif
