/*
 * cmd_approvals_watch.c - what waits, live: a list above, the chosen ticket below, a key to decide.
 *
 * A decision is about the ticket that was on the screen whole when its key was pressed, whatever the
 * list does meanwhile.
 */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/clock.h"
#include "cli/approvals.h"
#include "cli/client.h"
#include "cli/cmd.h"
#include "cli/out.h"
#include "cli/terminal.h"
#include "cli/ticket_view.h"

enum { EVERY_MS = 1000, REASON = 300, ID = 40, MESSAGE = 560 };

#define HELP                                                                                       \
    "a approve  d deny  c comment  up/down (j/k) choose  PgUp/PgDn (space) read on  r now  q quit"

static const struct verb {
    char key;
    const char *path;   /* of the route */
    const char *member; /* of its body */
    const char *ask;    /* before what is typed */
    const char *done;
    bool may_be_empty;
} verbs[] = {
    {'a', "approve", "reason", "Approve. Reason", "approved", true},
    {'d', "deny", "reason", "Deny. Reason", "denied", true},
    {'c', "comment", "text", "Comment", "said", false},
};

struct watch {
    const struct bs_client *client;
    json_t *tickets;           /* an array; what waits, oldest first */
    json_t *shown;             /* the chosen one, whole; NULL: none */
    char chosen[ID];           /* its id; "": none */
    size_t index;              /* where it was in the list */
    size_t skip;               /* lines of it that are scrolled off */
    size_t lines;              /* that it has */
    bool lost;                 /* the last look failed: what is shown is old */
    char message[MESSAGE];     /* of what was done or failed last */
    const struct verb *asking; /* a line is being typed; NULL: none is */
    char asked_of[ID];
    char typed[REASON + 8];
    int64_t next_us; /* then it looks again */
    bool ended;
};

static void
say(struct watch *w, const char *id, const char *what)
{
    (void)snprintf(w->message, sizeof(w->message), "%s %s", id, what);
}

static void
say_failure(struct watch *w, const struct bs_err *err)
{
    (void)snprintf(w->message, sizeof(w->message), "%s", err->message);
}

/* --- looking ------------------------------------------------------------------------------ */

static enum bs_done
ask_ticket(const struct watch *w, const char *id, json_t **out, struct bs_err *err)
{
    char path[128];

    (void)snprintf(path, sizeof(path), "/v1/tickets/%s", id);
    return bs_client_ask(w->client, "GET", path, NULL, out, err);
}

/* Oldest first, so that what is new comes below and nothing moves. */
static enum bs_done
ask_pending(const struct watch *w, json_t **tickets, struct bs_err *err)
{
    const json_t *list;
    json_t *answer;

    if (bs_client_list(w->client, "/v1/tickets?limit=1000&state=pending", "tickets", &answer,
                       err) != BS_DONE)
        return BS_FAILED;
    list = json_object_get(answer, "tickets");
    *tickets = json_array();
    for (size_t i = json_array_size(list); i-- > 0;)
        (void)json_array_append(*tickets, json_array_get(list, i));
    json_decref(answer);
    return BS_DONE;
}

static size_t
place_of(const json_t *tickets, const char *id)
{
    const json_t *t;
    size_t i;

    json_array_foreach(tickets, i, t)
    {
        if (strcmp(bs_out_member(t, "id"), id) == 0)
            return i;
    }
    return SIZE_MAX;
}

static void
choose(struct watch *w, size_t index)
{
    size_t n = json_array_size(w->tickets);
    const char *id;

    if (index >= n)
        index = n == 0 ? 0 : n - 1;
    id = bs_out_member(json_array_get(w->tickets, index), "id");
    w->index = index;
    if (strcmp(id, w->chosen) == 0)
        return;
    (void)snprintf(w->chosen, sizeof(w->chosen), "%s", id);
    w->skip = 0;
    json_decref(w->shown);
    w->shown = NULL;
}

/* The chosen ticket waits no more: what became of it is said, before another takes its place. */
static void
leave_chosen(struct watch *w)
{
    struct bs_err err = {0};
    json_t *t;

    if (ask_ticket(w, w->chosen, &t, &err) == BS_DONE) {
        say(w, w->chosen, bs_out_member(t, "state"));
        json_decref(t);
    }
    if (strcmp(w->asked_of, w->chosen) == 0)
        w->asking = NULL;
}

static void
look(struct watch *w)
{
    struct bs_err err = {0};
    json_t *tickets, *shown;
    size_t at;

    w->next_us = bs_mono_us() + (int64_t)EVERY_MS * 1000;
    w->lost = ask_pending(w, &tickets, &err) != BS_DONE;
    if (w->lost) {
        say_failure(w, &err);
        return;
    }
    json_decref(w->tickets);
    w->tickets = tickets;
    at = place_of(tickets, w->chosen);
    if (at == SIZE_MAX && w->chosen[0] != '\0')
        leave_chosen(w);
    choose(w, at == SIZE_MAX ? w->index : at);
    if (w->chosen[0] == '\0' || ask_ticket(w, w->chosen, &shown, &err) != BS_DONE)
        return;
    json_decref(w->shown);
    w->shown = shown;
}

/* --- drawing ------------------------------------------------------------------------------ */

/* Text of others in so many columns, and a space. */
static void
put_cell(FILE *to, const char *text, size_t columns)
{
    char *shown = NULL;
    size_t n = 0, width;
    FILE *f = open_memstream(&shown, &n);

    bs_assert(f != NULL);
    bs_out_text(f, text);
    bs_assert(fclose(f) == 0);
    while ((width = bs_terminal_width((struct bs_bytes){(uint8_t *)shown, n})) > columns) {
        while (n > 1 && ((unsigned char)shown[n - 1] & 0xc0) == 0x80)
            n--;
        n--;
    }
    (void)fwrite(shown, 1, n, to);
    fprintf(to, "%*s", (int)(columns - width + 1), "");
    free(shown);
}

/* "4:05" until then; "over". */
static void
put_left(FILE *to, const char *until)
{
    struct tm tm = {0};
    long long left;

    if (strptime(until, "%Y-%m-%dT%H:%M:%S", &tm) == NULL) {
        fprintf(to, "%6s ", "");
        return;
    }
    left = (long long)timegm(&tm) - (long long)time(NULL);
    if (left <= 0)
        fprintf(to, "%6s ", "over");
    else if (left >= 6000)
        fprintf(to, "%5lldh ", left / 3600);
    else
        fprintf(to, "%3lld:%02lld ", left / 60, left % 60);
}

static void
put_row(FILE *to, const json_t *t, bool chosen)
{
    const char *risk = bs_out_member(t, "risk");

    fputs(chosen ? "\x1b[7m> " : "  ", to);
    fprintf(to, "%s%-8s%s ", bs_out_paint(stdout, bs_out_paint_of(risk)), risk,
            chosen ? "\x1b[m\x1b[7m" : bs_out_paint(stdout, BS_PAINT_NONE));
    put_left(to, bs_out_member(t, "decide_by"));
    put_cell(to, bs_out_member(t, "actor"), 16);
    put_cell(to, bs_out_member(t, "database"), 12);
    if (json_object_get(t, "evades") != NULL)
        fputs("! ", to);
    bs_out_text(to, bs_out_member(t, "sql"));
    fputc('\n', to);
}

static void
put_head(FILE *to, const struct watch *w)
{
    fprintf(to, "\x1b[1mBackstop\x1b[m  %zu wait%s%s%s\n", json_array_size(w->tickets),
            json_array_size(w->tickets) == 1 ? "s" : "", w->lost ? "  \x1b[31mNOT LIVE\x1b[m" : "",
            json_array_size(w->tickets) == 0 && !w->lost ? "; nothing to decide" : "");
}

/* A window of the list around the chosen row. */
static void
put_list(FILE *to, const struct watch *w, size_t rows)
{
    size_t n = json_array_size(w->tickets), first = 0;

    if (n > rows && w->index >= rows / 2)
        first = w->index - rows / 2 > n - rows ? n - rows : w->index - rows / 2;
    for (size_t i = first; i < first + rows; i++) {
        if (i < n)
            put_row(to, json_array_get(w->tickets, i), i == w->index);
        else
            fputc('\n', to);
    }
}

/* The lines of the chosen ticket that fit, broken where the screen ends: nothing of it is hidden. */
static void
put_ticket(FILE *to, struct watch *w, size_t rows, size_t columns)
{
    char *text = NULL;
    size_t n = 0, line = 0, used = 0;
    FILE *f = open_memstream(&text, &n);

    bs_assert(f != NULL);
    if (w->shown != NULL)
        bs_ticket_print(f, w->shown);
    bs_assert(fclose(f) == 0);
    for (size_t i = 0; i < n;) {
        size_t width = 0,
               length = bs_terminal_step((struct bs_bytes){(uint8_t *)text + i, n - i}, &width);
        bool newline = text[i] == '\n';
        if (newline || used + width > columns) {
            if (line >= w->skip && line < w->skip + rows)
                fputc('\n', to);
            line++;
            used = 0;
        }
        if (!newline && line >= w->skip && line < w->skip + rows)
            (void)fwrite(text + i, 1, length, to);
        used += newline ? 0 : width;
        i += length;
    }
    for (size_t i = line > w->skip ? line - w->skip : 0; i < rows; i++)
        fputc('\n', to);
    w->lines = line;
    free(text);
}

static void
put_foot(FILE *to, const struct watch *w, size_t rows)
{
    if (w->lines > rows)
        fprintf(to, "\x1b[2m-- lines %zu-%zu of %zu --\x1b[m\n", w->skip + 1,
                w->skip + rows < w->lines ? w->skip + rows : w->lines, w->lines);
    else
        fputc('\n', to);
    if (w->asking != NULL) {
        fprintf(to, "%s (Enter sends, Esc does not): ", w->asking->ask);
        bs_out_text(to, w->typed);
        fputs("\x1b[7m \x1b[m", to);
        return;
    }
    if (w->message[0] == '\0') {
        fputs("\x1b[2m" HELP "\x1b[m", to);
        return;
    }
    bs_out_text(to, w->message);
}

static void
draw(struct watch *w)
{
    struct bs_terminal_size size = bs_terminal_size();
    size_t list = json_array_size(w->tickets), rows;
    char *text = NULL;
    size_t n = 0;
    FILE *to = open_memstream(&text, &n);

    bs_assert(to != NULL);
    if (list > size.rows / 3)
        list = size.rows / 3;
    rows = size.rows > list + 4 ? size.rows - list - 4 : 1;
    if (w->skip != 0 && w->skip + rows > w->lines)
        w->skip = w->lines > rows ? w->lines - rows : 0;
    put_head(to, w);
    put_list(to, w, list);
    fputc('\n', to);
    put_ticket(to, w, rows, size.columns);
    put_foot(to, w, rows);
    bs_assert(fclose(to) == 0);
    bs_terminal_draw((struct bs_bytes){(uint8_t *)text, n});
    free(text);
}

/* --- acting ------------------------------------------------------------------------------- */

static void
send_typed(struct watch *w)
{
    const struct verb *verb = w->asking;
    struct bs_err err = {0};
    char path[128];
    json_t *body, *answer;

    if (w->typed[0] == '\0' && !verb->may_be_empty)
        return;
    w->asking = NULL;
    body = w->typed[0] == '\0' ? json_object() : json_pack("{s:s}", verb->member, w->typed);
    (void)snprintf(path, sizeof(path), "/v1/tickets/%s/%s", w->asked_of, verb->path);
    if (bs_client_ask(w->client, "POST", path, body, &answer, &err) == BS_DONE) {
        say(w, w->asked_of, verb->done);
        json_decref(answer);
    } else {
        say_failure(w, &err);
    }
    json_decref(body);
    w->next_us = 0;
}

/* One more character at the end, or one less. */
static void
type(struct watch *w, int key)
{
    size_t n = strlen(w->typed);

    if (key == BS_KEY_ENTER) {
        send_typed(w);
    } else if (key == BS_KEY_ESCAPE) {
        w->asking = NULL;
    } else if (key == BS_KEY_BACKSPACE) {
        while (n > 1 && ((unsigned char)w->typed[n - 1] & 0xc0) == 0x80)
            n--;
        w->typed[n == 0 ? 0 : n - 1] = '\0';
    } else if (key >= ' ' && key < 0x110000 && n + 4 <= REASON) {
        n += bs_terminal_encode(key, w->typed + n);
        w->typed[n] = '\0';
    }
}

static void
begin_typing(struct watch *w, const struct verb *verb)
{
    if (w->shown == NULL || strcmp(bs_out_member(w->shown, "id"), w->chosen) != 0)
        return; /* not seen yet */
    w->asking = verb;
    w->typed[0] = '\0';
    (void)snprintf(w->asked_of, sizeof(w->asked_of), "%s", w->chosen);
}

static void
press(struct watch *w, int key)
{
    size_t page = bs_terminal_size().rows / 2;

    w->message[0] = '\0';
    for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
        if (key == verbs[i].key)
            begin_typing(w, &verbs[i]);
    }
    if (key == 'q')
        w->ended = true;
    else if (key == 'r')
        w->next_us = 0;
    else if ((key == BS_KEY_UP || key == 'k') && w->index > 0)
        choose(w, w->index - 1);
    else if (key == BS_KEY_DOWN || key == 'j')
        choose(w, w->index + 1);
    else if (key == BS_KEY_PAGE_UP || key == 'b')
        w->skip -= w->skip < page ? w->skip : page;
    else if ((key == BS_KEY_PAGE_DOWN || key == ' ') && w->skip + page < w->lines)
        w->skip += page;
    if (w->shown == NULL)
        w->next_us = 0; /* another was chosen */
}

static int
on_screen(struct watch *w)
{
    struct bs_err err = {0};

    if (ask_pending(w, &w->tickets, &err) != BS_DONE || bs_terminal_open(&err) != BS_DONE)
        return bs_out_fail(&err);
    while (!w->ended) {
        int64_t left_us = w->next_us - bs_mono_us();
        int key = BS_KEY_NONE;
        if (left_us <= 0)
            look(w);
        draw(w);
        left_us = w->next_us - bs_mono_us();
        if (left_us > 0)
            key = bs_terminal_key((int)(left_us / 1000) + 1);
        if (key == BS_KEY_END)
            break;
        if (key != BS_KEY_NONE && w->asking != NULL)
            type(w, key);
        else if (key != BS_KEY_NONE)
            press(w, key);
    }
    bs_terminal_close();
    return 0;
}

/* --- as lines ----------------------------------------------------------------------------- */

static void
put_event(const char *what, json_t *ticket)
{
    json_t *line = json_pack("{s:s, s:o}", "event", what, "ticket", ticket);
    char *text = json_dumps(line, JSON_COMPACT);

    bs_assert(text != NULL);
    puts(text);
    (void)fflush(stdout);
    free(text);
    json_decref(line);
}

/* What is new in one list, and what is gone from the other. */
static void
put_changes(const struct watch *w, const json_t *before, const json_t *now)
{
    struct bs_err err = {0};
    json_t *t, *whole;
    size_t i;

    json_array_foreach(now, i, t)
    {
        if (place_of(before, bs_out_member(t, "id")) == SIZE_MAX)
            put_event("opened", json_incref(t));
    }
    json_array_foreach(before, i, t)
    {
        if (place_of(now, bs_out_member(t, "id")) == SIZE_MAX &&
            ask_ticket(w, bs_out_member(t, "id"), &whole, &err) == BS_DONE)
            put_event(bs_out_member(whole, "state"), whole);
    }
}

static int
as_lines(struct watch *w)
{
    w->tickets = json_array();
    for (;;) {
        struct bs_err err = {0};
        json_t *now;
        if (ask_pending(w, &now, &err) != BS_DONE)
            return bs_out_fail(&err);
        put_changes(w, w->tickets, now);
        json_decref(w->tickets);
        w->tickets = now;
        if (ferror(stdout) != 0)
            return 1;
        (void)usleep(EVERY_MS * 1000);
    }
}

int
bs_cmd_approvals_watch(int argc, char **argv)
{
    struct bs_client client = {.timeout_s = 5};
    const struct bs_arg args[] = {BS_CLIENT_ARGS(&client)};
    const struct bs_usage usage = {
        .verb = "approvals watch",
        .operands = "",
        .summary = "show what waits, live, and decide it with a key",
        .details = "Keys: " HELP ".\nWith --json it draws nothing, and writes a line for each "
                   "ticket that is opened, and\nthat waits no more, until it is ended.",
        .args = args,
        .n_args = sizeof(args) / sizeof(args[0]),
        .examples =
            "  backstop approvals watch\n  backstop approvals watch --json | jq .ticket.id\n",
        .without_config = true,
    };
    struct watch w = {.client = &client};
    struct bs_args got;
    int status;

    if (bs_args_take(&usage, argc, argv, &got) != BS_ARGS_RUN)
        return got.status;
    status = got.json ? as_lines(&w) : on_screen(&w);
    json_decref(w.tickets);
    json_decref(w.shown);
    return status;
}
