/*
 * out.c - one place that prints. Text of others goes through bs_out_text: a table name or a
 * statement may carry terminal escapes that would rewrite what an approver sees.
 */
#include "cli/out.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/arena.h"

static bool json_mode;

void
bs_out_set_json(bool json)
{
    json_mode = json;
}

bool
bs_out_json_mode(void)
{
    return json_mode;
}

static bool
wants_colour(FILE *to)
{
    const char *no = getenv("NO_COLOR"), *term = getenv("TERM");

    if (no != NULL && no[0] != '\0')
        return false;
    return term != NULL && strcmp(term, "dumb") != 0 && isatty(fileno(to)) == 1;
}

const char *
bs_out_paint(FILE *to, enum bs_paint paint)
{
    static const char *const escapes[] = {
        [BS_PAINT_NONE] = "\033[0m", [BS_PAINT_BOLD] = "\033[1m",    [BS_PAINT_DIM] = "\033[2m",
        [BS_PAINT_RED] = "\033[31m", [BS_PAINT_YELLOW] = "\033[33m", [BS_PAINT_GREEN] = "\033[32m",
    };

    return wants_colour(to) ? escapes[paint] : "";
}

enum bs_paint
bs_out_paint_of(const char *word)
{
    static const struct {
        const char *word;
        enum bs_paint paint;
    } words[] = {
        {"SAFE", BS_PAINT_GREEN},     {"HIGH", BS_PAINT_YELLOW},    {"CRITICAL", BS_PAINT_RED},
        {"UNKNOWN", BS_PAINT_RED},    {"allow", BS_PAINT_GREEN},    {"approve", BS_PAINT_YELLOW},
        {"block", BS_PAINT_RED},      {"approved", BS_PAINT_GREEN}, {"pending", BS_PAINT_YELLOW},
        {"denied", BS_PAINT_RED},     {"expired", BS_PAINT_DIM},    {"done", BS_PAINT_GREEN},
        {"failed", BS_PAINT_RED},     {"uncertain", BS_PAINT_RED},  {"ok", BS_PAINT_GREEN},
        {"warning", BS_PAINT_YELLOW},
    };

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (strcmp(words[i].word, word) == 0)
            return words[i].paint;
    }
    return BS_PAINT_NONE;
}

/*
 * How many bytes at p a terminal would act on: C0 but tab, DEL, U+0080 to U+009F (c2 80
 * to c2 9f), and the bidirectional overrides (e2 80 aa-ae, e2 81 a6-a9), which reorder a line.
 */
static size_t
acting(const unsigned char *p)
{
    if ((*p < 0x20 && *p != '\t') || *p == 0x7f)
        return 1;
    if (p[0] == 0xc2 && p[1] >= 0x80 && p[1] <= 0x9f)
        return 2;
    if (p[0] == 0xe2 && ((p[1] == 0x80 && p[2] >= 0xaa && p[2] <= 0xae) ||
                         (p[1] == 0x81 && p[2] >= 0xa6 && p[2] <= 0xa9)))
        return 3;
    return 0;
}

/* indent  spaces before each further line; -1: a newline is a control character, too */
static void
put_text(FILE *to, const char *text, int indent)
{
    bool utf8 = bs_utf8_valid(bs_bytes_of(text));

    for (const unsigned char *p = (const unsigned char *)text; *p != '\0'; p++) {
        size_t escape = acting(p);
        if (*p == '\n' && indent >= 0) {
            fprintf(to, "\n%*s", indent, "");
            continue;
        }
        if (escape == 0 && !utf8 && *p >= 0x80)
            escape = 1;
        if (escape == 0)
            fputc(*p, to);
        for (; escape != 0; escape--, p += escape != 0)
            fprintf(to, "\\x%02x", *p);
    }
}

void
bs_out_text(FILE *to, const char *text)
{
    put_text(to, text, -1);
}

void
bs_out_lines(FILE *to, const char *text, unsigned indent)
{
    put_text(to, text, (int)indent);
}

void
bs_out_line(const char *name, const char *text)
{
    if (text == NULL || text[0] == '\0')
        return;
    printf("%-10s ", name);
    bs_out_lines(stdout, text, 11);
    putchar('\n');
}

const char *
bs_out_size(char out[24], int64_t bytes)
{
    static const char *const units[] = {"B", "kB", "MB", "GB", "TB", "PB"};
    double v = (double)bytes;
    size_t i = 0;

    for (; v >= 1000 && i + 1 < sizeof(units) / sizeof(units[0]); i++)
        v /= 1000;
    (void)snprintf(out, 24, i == 0 ? "%.0f %s" : "%.1f %s", v, units[i]);
    return out;
}

const char *
bs_out_member(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));

    return text == NULL ? "" : text;
}

void
bs_out_json(json_t *value)
{
    size_t flags = JSON_ENCODE_ANY | (isatty(STDOUT_FILENO) == 1 ? JSON_INDENT(2) : JSON_COMPACT);

    bs_assert(value != NULL);
    if (json_dumpf(value, stdout, flags) == 0)
        fputc('\n', stdout);
    json_decref(value);
}

int
bs_out_fail(const struct bs_err *err)
{
    return bs_out_fail_with(err, NULL);
}

int
bs_out_fail_with(const struct bs_err *err, json_t *more)
{
    const struct bs_code_info *info = bs_code_get(err->code);

    if (json_mode) {
        json_t *error = json_pack("{s:s,s:s,s:s,s:s}", "code", info->name, "message", err->message,
                                  "hint", err->hint, "sqlstate", bs_err_sqlstate(err));
        if (more != NULL)
            (void)json_object_update(error, more);
        bs_out_json(json_pack("{s:o}", "error", error));
    }
    json_decref(more);
    fprintf(stderr, "%sbackstop: error:%s ", bs_out_paint(stderr, BS_PAINT_RED),
            bs_out_paint(stderr, BS_PAINT_NONE));
    bs_out_lines(stderr, err->message[0] == '\0' ? info->text : err->message, 2);
    fputc('\n', stderr);
    if (err->hint[0] != '\0') {
        fputs("backstop: hint: ", stderr);
        bs_out_lines(stderr, err->hint, 2);
        fputc('\n', stderr);
    }
    return info->exit_status;
}

bool
bs_out_is_reason(const char *text)
{
    if (text == NULL || text[0] == '\0' || strlen(text) > 300)
        return false;
    for (const char *p = text; *p != '\0'; p++) {
        if ((unsigned char)*p < ' ' || *p == 0x7f)
            return false;
    }
    return true;
}

int
bs_out_usage(const char *verb, const char *fmt, ...)
{
    struct bs_err err = {.code = BS_E_USAGE};
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(err.message, sizeof(err.message), fmt, ap);
    va_end(ap);
    bs_err_hint(&err, "see `%s --help`", verb);
    return bs_out_fail(&err);
}

void
bs_table_init(struct bs_table *t, const char *const *heads, size_t n_columns)
{
    *t = (struct bs_table){.heads = heads, .n_columns = n_columns};
}

void
bs_table_cell(struct bs_table *t, const char *fmt, ...)
{
    va_list ap;
    char *cell = NULL;

    va_start(ap, fmt);
    if (vasprintf(&cell, fmt, ap) < 0)
        cell = bs_strdup("");
    va_end(ap);
    for (char *p = cell; *p != '\0'; p++) {
        if (*p == '\n' || *p == '\t' || *p == '\r')
            *p = ' ';
    }
    t->cells = bs_realloc(t->cells, (t->n_cells + 1) * sizeof(t->cells[0]));
    t->cells[t->n_cells++] = cell;
}

/* Characters, not bytes: continuation bytes take no column. */
static size_t
width_of(const char *text)
{
    size_t n = 0;

    for (const char *p = text; *p != '\0'; p++)
        n += ((unsigned char)*p & 0xc0) != 0x80;
    return n;
}

static void
print_cell(const char *text, size_t width, bool last)
{
    size_t have = width_of(text);

    fputs(bs_out_paint(stdout, bs_out_paint_of(text)), stdout);
    bs_out_text(stdout, text);
    if (bs_out_paint_of(text) != BS_PAINT_NONE)
        fputs(bs_out_paint(stdout, BS_PAINT_NONE), stdout);
    if (!last)
        printf("%*s", (int)(width - have) + 2, "");
}

static size_t
column_width(const struct bs_table *t, size_t column)
{
    size_t width = width_of(t->heads[column]);

    for (size_t i = column; i < t->n_cells; i += t->n_columns) {
        if (width_of(t->cells[i]) > width)
            width = width_of(t->cells[i]);
    }
    return width;
}

void
bs_table_print(const struct bs_table *t)
{
    const char *dim = bs_out_paint(stdout, BS_PAINT_DIM), *off = bs_out_paint(stdout, 0);

    if (t->n_cells == 0) {
        printf("%snone%s\n", dim, off);
        return;
    }
    for (size_t i = 0; i < t->n_columns; i++) {
        bool last = i + 1 == t->n_columns;
        size_t pad = last ? 0 : column_width(t, i) - width_of(t->heads[i]) + 2;
        printf("%s%s%s%*s", dim, t->heads[i], off, (int)pad, "");
    }
    putchar('\n');
    for (size_t i = 0; i < t->n_cells; i++) {
        bool last = i % t->n_columns == t->n_columns - 1;
        print_cell(t->cells[i], column_width(t, i % t->n_columns), last);
        if (last)
            putchar('\n');
    }
}

void
bs_table_fini(struct bs_table *t)
{
    for (size_t i = 0; i < t->n_cells; i++)
        free(t->cells[i]);
    free(t->cells);
    *t = (struct bs_table){0};
}
