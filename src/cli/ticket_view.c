/*
 * ticket_view.c - all that an operator has to see of a ticket before deciding it (DESIGN 7).
 */
#include "cli/ticket_view.h"

#include <string.h>

#include "cli/out.h"

/* "2 of dba or security" */
static void
put_need(FILE *to, const json_t *need)
{
    const json_t *group;
    size_t i;

    fprintf(to, "%lld", json_integer_value(json_object_get(need, "quorum")));
    json_array_foreach(json_object_get(need, "groups"), i, group)
    {
        fprintf(to, "%s", i == 0 ? " of " : " or ");
        bs_out_text(to, json_string_value(group));
    }
}

static void
print_field(FILE *to, const char *label, const char *text)
{
    if (text[0] == '\0')
        return;
    fprintf(to, "%-12s ", label);
    bs_out_lines(to, text, 13);
    fprintf(to, "\n");
}

/* One row of a sample: values cut by whoever took them. */
static void
print_row(
    FILE *to, const char *label, const json_t *columns, const json_t *row, const json_t *other)
{
    const json_t *value;
    size_t i;

    fprintf(to, "%-12s   %-7s", "", label);
    json_array_foreach(row, i, value)
    {
        const char *text = json_string_value(value);
        if (other != NULL && json_equal(value, json_array_get(other, i)))
            continue; /* it stays as it is */
        fprintf(to, " ");
        bs_out_text(to, json_string_value(json_array_get(columns, i)));
        fprintf(to, "=");
        bs_out_text(to, text == NULL ? "NULL" : text);
    }
    fprintf(to, "\n");
}

static void
print_sample(FILE *to, const json_t *sample)
{
    const json_t *columns = json_object_get(sample, "columns");
    const json_t *before = json_object_get(sample, "before");
    const json_t *after = json_object_get(sample, "after"), *row;
    size_t i;

    json_array_foreach(before, i, row)
    {
        print_row(to, after == NULL ? "row" : "before", columns, row, NULL);
        if (after != NULL)
            print_row(to, "after", columns, json_array_get(after, i), row);
    }
}

static void
print_rows(FILE *to, const json_t *e)
{
    double known = json_number_value(json_object_get(e, "estimated_rows"));
    const json_t *rows = json_object_get(e, "rows"), *share = json_object_get(e, "share");
    bool about = strcmp(bs_out_member(e, "measured"), "estimate") == 0;

    if (json_is_integer(rows))
        fprintf(to, ", %s%lld rows", about ? "about " : "", (long long)json_integer_value(rows));
    else
        fprintf(to, ", rows not counted");
    if (json_is_number(share))
        fprintf(to, ", %.3g %% of them", json_number_value(share) * 100);
    else if (known >= 0)
        fprintf(to, " of about %.0f", known);
    if (strcmp(bs_out_member(e, "measured"), "rehearsal") == 0)
        fprintf(to, " (rehearsed)");
}

static void
print_effects(FILE *to, const json_t *list)
{
    const json_t *e;
    size_t i;

    json_array_foreach(list, i, e)
    {
        fprintf(to, "%-12s %s%s ", i == 0 ? "effects" : "",
                json_is_true(json_object_get(e, "part")) ? "  " : "", bs_out_member(e, "kind"));
        bs_out_text(to, bs_out_member(e, "object"));
        if (strcmp(bs_out_member(e, "reach"), "target") != 0)
            fprintf(to, " (%s)", bs_out_member(e, "reach"));
        print_rows(to, e);
        if (bs_out_member(e, "lock")[0] != '\0')
            fprintf(to, "; locks %s", bs_out_member(e, "lock"));
        if (json_is_true(json_object_get(e, "rewrites")))
            fprintf(to, ", rewrites the table");
        fprintf(to, "\n");
        print_sample(to, json_object_get(e, "sample"));
    }
}

/* The point that will be made, and whether it can be. */
static void
print_plan(FILE *to, const json_t *plan)
{
    const json_t *store = json_object_get(plan, "store"), *item;
    const json_t *seconds = json_object_get(plan, "estimated_seconds");
    char size[24];
    size_t i;

    fprintf(to, "%-12s %s, grade %s: ", "recovery", bs_out_member(plan, "kind"),
            bs_out_member(plan, "grade"));
    bs_out_text(to, bs_out_member(plan, "why"));
    fputc('\n', to);
    fprintf(to, "%-12s about %s, %lld rows", "",
            bs_out_size(size, json_integer_value(json_object_get(plan, "estimated_bytes"))),
            json_integer_value(json_object_get(plan, "estimated_rows")));
    if (seconds != NULL)
        fprintf(to, ", %.1f s as the last ones took", json_real_value(seconds));
    fputc('\n', to);
    if (json_is_false(json_object_get(plan, "fits")))
        fprintf(
            to,
            "%-12s %sDOES NOT FIT%s: recovery.lock_budget is %.1f s, recovery.max_bytes %s, so it "
            "would be refused; raise them, or have it done in parts\n",
            "", bs_out_paint(to, BS_PAINT_RED), bs_out_paint(to, BS_PAINT_NONE),
            json_real_value(json_object_get(plan, "budget_seconds")),
            bs_out_size(size, json_integer_value(json_object_get(plan, "max_bytes"))));
    if (store != NULL && !json_is_true(json_object_get(store, "answers")))
        fprintf(to, "%-12s %sdoes not answer%s: %s\n", "storage", bs_out_paint(to, BS_PAINT_RED),
                bs_out_paint(to, BS_PAINT_NONE), bs_out_member(store, "error"));
    else if (store != NULL)
        fprintf(to, "%-12s answers%s%s%s\n", "storage",
                json_is_false(json_object_get(store, "room")) ? ", HAS NO ROOM" : "",
                strcmp(bs_out_member(store, "lock"), "confirmed") == 0 ? ", objects are locked"
                                                                       : ", objects are not locked",
                strcmp(bs_out_member(store, "delete"), "refused") == 0
                    ? ", cannot be deleted from here"
                    : "");
    json_array_foreach(json_object_get(plan, "not_covered"), i, item)
        print_field(to, i == 0 ? "not covered" : "", json_string_value(item));
}

/* Of the capture that is being made for it; NULL: none is. */
static void
print_progress(FILE *to, const json_t *p)
{
    char done[24], of[24];

    if (p == NULL)
        return;
    fprintf(to, "%-12s %s, %lld rows, %s of about %s, %.1f s", "progress",
            bs_out_member(p, "phase"), json_integer_value(json_object_get(p, "rows")),
            bs_out_size(done, json_integer_value(json_object_get(p, "bytes"))),
            bs_out_size(of, json_integer_value(json_object_get(p, "of"))),
            json_real_value(json_object_get(p, "seconds")));
    if (json_object_get(p, "seconds_left") != NULL)
        fprintf(to, ", %.1f s left", json_real_value(json_object_get(p, "seconds_left")));
    fputc('\n', to);
}

/* "kim approved 2026-01-01T00:15:00: agreed in #42" */
static void
print_one_said(FILE *to, const char *label, const json_t *said, const char *what, const char *words)
{
    fprintf(to, "%-12s %s %s %.19s", label, bs_out_member(said, "operator"), what,
            bs_out_member(said, "at"));
    if (json_is_false(json_object_get(said, "counts")))
        fprintf(to, " (may not approve any more: does not count)");
    if (words[0] != '\0') {
        fprintf(to, ": ");
        bs_out_lines(to, words, 13);
    }
    fputc('\n', to);
}

/* What must not be overlooked by whoever looks at it later. */
static void
print_glass(FILE *to, const json_t *g)
{
    if (g == NULL)
        return;
    print_one_said(to, "break-glass", g, "approved ALONE", bs_out_member(g, "reason"));
    if (bs_out_member(g, "reviewed_by")[0] == '\0') {
        fprintf(to, "%-12s OPEN: `backstop approvals review`, by another operator\n", "review");
        return;
    }
    fprintf(to, "%-12s %s %.19s: ", "review", bs_out_member(g, "reviewed_by"),
            bs_out_member(g, "reviewed"));
    bs_out_lines(to, bs_out_member(g, "note"), 13);
    fputc('\n', to);
}

/* Who has decided, who is missing, and what was said beside it. */
static void
print_said(FILE *to, const json_t *t)
{
    const json_t *item, *name;
    size_t i, k;

    json_array_foreach(json_object_get(t, "decisions"), i, item) print_one_said(
        to, i == 0 ? "decisions" : "", item,
        strcmp(bs_out_member(item, "decision"), "approve") == 0 ? "approved" : "denied",
        bs_out_member(item, "reason"));
    print_glass(to, json_object_get(t, "break_glass"));
    json_array_foreach(json_object_get(t, "missing"), i, item)
    {
        fprintf(to, "%-12s ", i == 0 ? "needs" : "");
        put_need(to, item);
        fprintf(to,
                ", has %lld; could approve:", json_integer_value(json_object_get(item, "have")));
        json_array_foreach(json_object_get(item, "could"), k, name)
            fprintf(to, "%s %s", k == 0 ? "" : ",", json_string_value(name));
        fprintf(to, "%s\n", k == 0 ? " NOBODY" : "");
    }
    json_array_foreach(json_object_get(t, "comments"), i, item)
        print_one_said(to, i == 0 ? "comments" : "", item, "said", bs_out_member(item, "text"));
}

/* Nobody has proven them. */
static void
print_claims(FILE *to, const json_t *claims)
{
    static const char *const names[] = {"run", "purpose", "parent", "traceparent"};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        char head[32];
        (void)snprintf(head, sizeof(head), "%s *", names[i]);
        print_field(to, head, bs_out_member(claims, names[i]));
    }
    if (claims != NULL)
        print_field(to, "", "(*: what the client says of itself)");
}

void
bs_ticket_print(FILE *to, const json_t *t)
{
    const char *risk = bs_out_member(t, "risk");
    const json_t *plan = json_object_get(t, "plan"), *reason;
    const char *evades = bs_out_member(json_object_get(t, "evades"), "text");
    size_t i;

    fprintf(to, "%-12s %s (%s)\n", "ticket", bs_out_member(t, "id"), bs_out_member(t, "state"));
    fprintf(to, "%-12s %s%s%s\n", "risk", bs_out_paint(to, bs_out_paint_of(risk)), risk,
            bs_out_paint(to, BS_PAINT_NONE));
    if (evades[0] != '\0')
        fprintf(to, "%-12s %s%s%s\n", "evasion", bs_out_paint(to, BS_PAINT_RED), evades,
                bs_out_paint(to, BS_PAINT_NONE));
    print_field(to, "actor", bs_out_member(t, "actor"));
    print_field(to, "owner", bs_out_member(t, "owner"));
    print_field(to, "from", bs_out_member(t, "client"));
    print_claims(to, json_object_get(t, "claims"));
    print_field(to, "database", bs_out_member(t, "database"));
    print_field(to, "environment", bs_out_member(t, "environment"));
    print_field(to, "statement", bs_out_member(t, "sql"));
    print_field(to, "parameters", bs_out_member(t, "params"));
    print_effects(to, json_object_get(t, "effects"));
    json_array_foreach(json_object_get(t, "reasons"), i, reason)
        print_field(to, i == 0 ? "why" : "", bs_out_member(reason, "text"));
    if (plan != NULL)
        print_plan(to, plan);
    print_progress(to, json_object_get(t, "progress"));
    print_field(to, "created", bs_out_member(t, "created"));
    print_field(to, "decide by", bs_out_member(t, "decide_by"));
    print_said(to, t);
    print_field(to, "decided", bs_out_member(t, "decided"));
    print_field(to, "decided by", bs_out_member(t, "decided_by"));
    print_field(to, "redeem by", bs_out_member(t, "redeem_by"));
    print_field(to, "point", bs_out_member(t, "point"));
    print_field(to, "ended", bs_out_member(t, "detail"));
}
