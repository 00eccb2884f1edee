/*
 * out.h - what a verb prints: errors in one form, tables, JSON, colours only on a terminal.
 *
 * Layer  cli.
 * Owns   nothing but struct bs_table's cells. One mode for the process (text or JSON), set by
 *        bs_args_take: a command line does one thing.
 */
#ifndef BS_CLI_OUT_H
#define BS_CLI_OUT_H

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

#include "base/bytes.h"
#include "base/err.h"

enum bs_paint {
    BS_PAINT_NONE = 0,
    BS_PAINT_BOLD,
    BS_PAINT_DIM,
    BS_PAINT_RED,
    BS_PAINT_YELLOW,
    BS_PAINT_GREEN,
};

void bs_out_set_json(bool json);
bool bs_out_json_mode(void);

/* The escape that switches a paint on, or off (NONE); "" where `to` is not a terminal that wants it. */
const char *bs_out_paint(FILE *to, enum bs_paint paint);
/* The paint of a risk's or an action's name ("CRITICAL", "block": red, ...). */
enum bs_paint bs_out_paint_of(const char *word);
/* Prints text of others (names, values) on one line: control characters, newlines, too, come out as
 * \xNN, so that no name can look like a line of ours. */
void bs_out_text(FILE *to, const char *text);
/* The same for what may have lines (statements, SQL): each further one after `indent` spaces. */
void bs_out_lines(FILE *to, const char *text, unsigned indent);

/* "name       text", the text as bs_out_lines does; nothing where there is no text. */
void bs_out_line(const char *name, const char *text);
/* "1.2 MB"; returns `out`. */
const char *bs_out_size(char out[24], int64_t bytes);

/* A text of an answer of the API; "" where it has none of that name. */
const char *bs_out_member(const json_t *object, const char *name);
/* Prints one JSON value and a newline, indented on a terminal; takes over the reference. */
void bs_out_json(json_t *value);

/*
 * Says what failed: `backstop: error: ...` and the hint on standard error; with --json also
 * {"error":{"code","message","hint","sqlstate"}} on standard output. Returns the exit status of
 * DESIGN 12.
 */
int bs_out_fail(const struct bs_err *err);
/* The same; the members of `more` go into the JSON error object, which takes over the reference. */
int bs_out_fail_with(const struct bs_err *err, json_t *more);
/* The same for a wrong command line; returns 64. */
int bs_out_usage(const char *verb, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Words that are shown wherever what they are about is named: one line, at most 300 bytes. NULL: no. */
bool bs_out_is_reason(const char *text);

/* A table: a cell at a time, printed aligned at the end. Cells are copied. Zero it first. */
struct bs_table {
    const char *const *heads;
    size_t n_columns;
    char **cells; /* row after row */
    size_t n_cells;
};

/* heads  n_columns upper-case words that outlive the table */
void bs_table_init(struct bs_table *t, const char *const *heads, size_t n_columns);
void bs_table_cell(struct bs_table *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Prints to standard output; without rows a dim "none". */
void bs_table_print(const struct bs_table *t);
void bs_table_fini(struct bs_table *t);

#endif
