/*
 * log.c - one write(2) a line, so that lines of several threads do not mix.
 */
#include "base/log.h"

#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/clock.h"

static _Atomic int max_level = BS_LOG_INFO;

static const char *const level_names[] = {"error", "warning", "info", "debug"};

void
bs_log_set_level(enum bs_log_level level)
{
    max_level = (int)level;
}

static void
put_json_string(struct bs_buf *b, const char *s)
{
    bs_put_u8(b, '"');
    for (; *s != '\0'; s++) {
        uint8_t c = (uint8_t)*s;
        if (c == '"' || c == '\\')
            bs_put_u8(b, '\\');
        if (c < 0x20)
            bs_put_fmt(b, "\\u%04x", c);
        else
            bs_put_u8(b, c);
    }
    bs_put_u8(b, '"');
}

static void
put_json(struct bs_buf *b,
         enum bs_log_level level,
         const char *now,
         const char *event,
         const struct bs_log_field *fields)
{
    bs_put_fmt(b, "{\"at\":\"%s\",\"level\":\"%s\",\"event\":", now, level_names[level]);
    put_json_string(b, event);
    for (const struct bs_log_field *f = fields; f->name != NULL; f++) {
        bs_put_fmt(b, ",\"%s\":", f->name);
        if (f->text != NULL)
            put_json_string(b, f->text);
        else
            bs_put_fmt(b, "%lld", (long long)f->number);
    }
    bs_put_str(b, "}\n");
}

static void
put_text(struct bs_buf *b,
         enum bs_log_level level,
         const char *now,
         const char *event,
         const struct bs_log_field *fields)
{
    bs_put_fmt(b, "%.19sZ %-7s %s", now, level_names[level], event);
    for (const struct bs_log_field *f = fields; f->name != NULL; f++) {
        if (f->text == NULL) {
            bs_put_fmt(b, " %s=%lld", f->name, (long long)f->number);
            continue;
        }
        bs_put_fmt(b, " %s=", f->name);
        put_json_string(b, f->text);
    }
    bs_put_u8(b, '\n');
}

void
bs_log_event(enum bs_log_level level, const char *event, const struct bs_log_field *fields)
{
    struct bs_buf line;
    char now[BS_TIME_TEXT];

    if ((int)level > max_level)
        return;
    bs_buf_init(&line, 16384);
    bs_time_format(bs_now_us(), now);
    if (isatty(STDERR_FILENO))
        put_text(&line, level, now, event, fields);
    else
        put_json(&line, level, now, event, fields);
    if (!line.failed && write(STDERR_FILENO, line.p, line.n) < 0)
        bs_buf_clear(&line); /* nowhere left to complain to */
    bs_buf_fini(&line);
}
