/*
 * judged_view.c - what a unit would do, told to people. The catalog's targets stand beside the
 * effects as written: a cascade is an effect nobody wrote.
 */
#include "cli/judged_view.h"

#include <stdio.h>

#include "api/judged.h"
#include "cli/out.h"

static void
print_effect(const struct bs_effect *e)
{
    json_t *object = bs_judged_object(e);

    printf("  effect    %s ", bs_kind_name(e->kind));
    bs_out_text(stdout, json_is_string(object) ? json_string_value(object) : "");
    printf("%s%s\n", e->cascade ? " CASCADE" : "",
           e->kind == BS_KIND_DELETE || e->kind == BS_KIND_UPDATE
               ? (e->filtered ? "" : ", every row")
               : "");
    json_decref(object);
}

static void
print_reached(const struct bs_target *t)
{
    printf("  reaches   ");
    bs_out_text(stdout, t->schema);
    putchar('.');
    bs_out_text(stdout, t->name);
    printf(" (%s, %s", bs_kind_name(t->kind), bs_judged_reach(t->reach));
    if (t->how != BS_MEASURE_NONE)
        printf(", %s%lld rows", t->how == BS_MEASURE_ESTIMATE ? "about " : "", (long long)t->rows);
    if (t->how != BS_MEASURE_NONE && t->share >= 0)
        printf(", %.3g %%", t->share * 100);
    if (t->est_rows >= 0)
        printf("; the table has about %.0f", t->est_rows);
    printf(", %.1f MB", (double)t->est_bytes / (1024 * 1024));
    if (t->lock != BS_TABLE_LOCK_UNKNOWN)
        printf("; %s%s", bs_table_lock_name(t->lock), t->rewrites ? ", rewritten" : "");
    printf(")\n");
}

static void
print_stmt(const struct bs_stmt *stmt, const struct bs_facts *facts, size_t at)
{
    const char *risk = bs_risk_name(stmt->risk);

    printf("%sstatement %zu%s %s, %s%s%s, recovery point: %s\n",
           bs_out_paint(stdout, BS_PAINT_BOLD), at + 1, bs_out_paint(stdout, BS_PAINT_NONE),
           bs_kind_name(stmt->kind), bs_out_paint(stdout, bs_out_paint_of(risk)), risk,
           bs_out_paint(stdout, BS_PAINT_NONE), bs_point_name(stmt->point));
    for (size_t i = 0; i < stmt->n_effects; i++)
        print_effect(&stmt->effects[i]);
    for (size_t i = 0; facts != NULL && i < facts->n_targets; i++) {
        if (facts->targets[i].stmt == at)
            print_reached(&facts->targets[i]);
    }
    for (size_t i = 0; i < stmt->n_reasons; i++) {
        printf("  because   ");
        bs_out_text(stdout, stmt->reasons[i].text);
        printf(" (%s)\n", stmt->reasons[i].code);
    }
}

void
bs_judged_print(const struct bs_unit *unit, const struct bs_facts *facts)
{
    if (!unit->parsed) {
        printf("cannot be read: ");
        bs_out_text(stdout, unit->error == NULL ? "unknown reason" : unit->error);
        putchar('\n');
    }
    for (size_t i = 0; i < unit->n_stmts; i++)
        print_stmt(&unit->stmts[i], facts, i);
    if (!unit->catalog)
        printf("%swithout the catalog: names are taken for plain tables%s\n",
               bs_out_paint(stdout, BS_PAINT_DIM), bs_out_paint(stdout, BS_PAINT_NONE));
}
