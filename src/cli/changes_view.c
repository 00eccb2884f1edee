/*
 * changes_view.c - definitions that are not as they were saved. Names and SQL in here are other
 * people's text.
 */
#include <stdio.h>
#include <string.h>

#include "cli/out.h"
#include "cli/restore_view.h"

static const char *
by_text(enum bs_change_by by)
{
    switch (by) {
    case BS_CHANGE_UNTOLD:
        break;
    case BS_CHANGE_OWN:
        return "by the statement";
    case BS_CHANGE_OTHERS:
        return "since, by others";
    }
    return "by the statement or since";
}

static void
indented(FILE *to, const char *text)
{
    while (*text != '\0') {
        size_t n = strcspn(text, "\n");
        char line[4096];
        (void)snprintf(line, sizeof(line), "%.*s", (int)n, text);
        fputs("      ", to);
        bs_out_text(to, line);
        fputc('\n', to);
        text += n + (text[n] == '\n');
    }
}

void
bs_view_changes(const struct bs_changes *c, enum bs_view_depth depth)
{
    if (c->n != 0)
        puts("\nDefinitions that are not as they were saved (- saved, + now)");
    for (size_t i = 0; i < c->n; i++) {
        const struct bs_altered *x = &c->list[i];
        printf("  %-8s%s ", bs_change_word(x->kind), x->type);
        bs_out_text(stdout, x->name);
        if (x->now != NULL) {
            fputs(", now ", stdout);
            bs_out_text(stdout, x->now);
        }
        if (x->kind == BS_CHANGE_CHANGED || x->kind == BS_CHANGE_MADE)
            printf(", %s", by_text(x->by));
        if (x->why != NULL)
            printf(": does not come back, %s", x->why);
        putchar('\n');
        if (depth == BS_VIEW_DIFFS && x->diff != NULL)
            indented(stdout, x->diff);
    }
}

void
bs_view_given(FILE *to, const struct bs_changes *c)
{
    for (size_t i = 0; i < c->n; i++) {
        const struct bs_altered *x = &c->list[i];
        if (x->kind == BS_CHANGE_LOST && x->why == NULL)
            continue; /* among what is made again */
        fprintf(to, "  %s %s ", x->given ? "~" : "!", x->type);
        bs_out_text(to, x->name);
        fputs(x->given ? ": as it was" : ": left as it is", to);
        if (x->why != NULL) {
            fputs(", ", to);
            bs_out_text(to, x->why);
        } else if (x->kind == BS_CHANGE_MADE && !x->given)
            fputs(", made since (--remove-inserted)", to);
        else if (x->by == BS_CHANGE_OTHERS && !x->given)
            fputs(", changed since by others (--conflict overwrite)", to);
        fputc('\n', to);
        if (x->sql != NULL)
            indented(to, x->sql);
    }
}
