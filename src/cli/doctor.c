/*
 * doctor.c - the list of findings.
 */
#include "cli/doctor.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "cli/out.h"

#define ARENA_BYTES ((size_t)64 << 20)

void
bs_doctor_begin(struct bs_doctor *d, const struct bs_config *config)
{
    *d = (struct bs_doctor){.config = config, .findings = json_array()};
    bs_arena_init(&d->arena, "doctor", ARENA_BYTES);
}

void
bs_doctor_end(struct bs_doctor *d)
{
    bs_state_close(&d->state);
    json_decref(d->findings);
    bs_arena_fini(&d->arena);
}

const char *
bs_finding_name(enum bs_finding level)
{
    static const char *const names[] = {"fail", "warn", "info", "ok"};

    return level < BS_FINDINGS ? names[level] : names[BS_FINDING_FAIL];
}

static void
print(enum bs_finding level, const struct bs_topic *topic, const char *text, const char *way)
{
    static const enum bs_paint paints[] = {BS_PAINT_RED, BS_PAINT_YELLOW, BS_PAINT_DIM,
                                           BS_PAINT_GREEN};

    printf("%s%-4s%s  ", bs_out_paint(stdout, paints[level]), bs_finding_name(level),
           bs_out_paint(stdout, BS_PAINT_NONE));
    bs_out_text(stdout, topic->scope);
    printf(": ");
    bs_out_text(stdout, text);
    if (way != NULL) {
        printf(" %s->%s ", bs_out_paint(stdout, BS_PAINT_BOLD),
               bs_out_paint(stdout, BS_PAINT_NONE));
        bs_out_text(stdout, way);
    }
    putchar('\n');
    (void)fflush(stdout);
}

/* A line is a line: names may hold newlines, and libpq's messages do. And JSON is UTF-8: a path
 * need not be, and a message that was cut may end within a character. */
static char *
one_line(char *text)
{
    bool utf8 = bs_utf8_valid(bs_bytes_of(text));

    for (char *p = text; *p != '\0'; p++) {
        if (*p == '\n' || *p == '\r' || *p == '\t')
            *p = ' ';
        else if (!utf8 && (unsigned char)*p >= 0x80)
            *p = '?';
    }
    return text;
}

void
bs_doctor_note(struct bs_doctor *d,
               enum bs_finding level,
               struct bs_topic topic,
               const char *way,
               const char *fmt,
               ...)
{
    char *text = NULL;
    va_list ap;

    va_start(ap, fmt);
    if (vasprintf(&text, fmt, ap) < 0)
        text = bs_strdup("...");
    va_end(ap);
    (void)one_line(text);
    d->counts[level]++;
    (void)json_array_append_new(
        d->findings, json_pack("{s:s,s:s,s:s,s:s,s:s*}", "level", bs_finding_name(level), "scope",
                               topic.scope, "check", topic.check, "message", text, "way_out", way));
    if (!bs_out_json_mode())
        print(level, &topic, text, way);
    free(text);
}

const char *
bs_doctor_fmt(struct bs_doctor *d, const char *fmt, ...)
{
    char *text = NULL, *kept;
    va_list ap;

    va_start(ap, fmt);
    if (vasprintf(&text, fmt, ap) < 0)
        text = NULL;
    va_end(ap);
    kept = text == NULL ? NULL : bs_arena_str(&d->arena, one_line(text));
    free(text);
    return kept == NULL ? "..." : kept;
}

PGresult *
bs_doctor_ask(PGconn *conn, const char *sql, const char *param)
{
    const char *const params[] = {param};
    PGresult *res = PQexecParams(conn, sql, param == NULL ? 0 : 1, NULL, params, NULL, NULL, 0);

    if (PQresultStatus(res) == PGRES_TUPLES_OK)
        return res;
    PQclear(res);
    return NULL;
}
