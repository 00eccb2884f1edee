/*
 * judged.c - what a unit would do, told. The catalog's targets stand beside the effects as written:
 * a cascade is an effect nobody wrote.
 */
#include "api/judged.h"

#include <stdio.h>
#include <stdlib.h>

#include "catalog/effect.h"

/* Bytes that are no UTF-8 become "?": JSON has no place for them, and an answer there must be. */
static json_t *
text_json(const char *text)
{
    json_t *out = text == NULL ? json_null() : json_string(text);
    char *plain;

    if (out != NULL)
        return out;
    plain = bs_strdup(text);
    for (char *p = plain; *p != '\0'; p++) {
        if ((unsigned char)*p >= 0x80)
            *p = '?';
    }
    out = json_string(plain);
    free(plain);
    return out;
}

/* "schema.name", or the name alone. */
static json_t *
dotted_json(const char *schema, const char *name)
{
    char text[2 * 256];

    if (schema == NULL)
        return text_json(name);
    (void)snprintf(text, sizeof(text), "%.255s.%.255s", schema, name);
    return text_json(text);
}

static json_t *
name_json(const struct bs_name *name)
{
    return dotted_json(name->schema, name->name);
}

/* Null where the count is not known, so that nobody adds up -1. */
static json_t *
rows_json(int64_t rows)
{
    return rows < 0 ? json_null() : json_integer(rows);
}

json_t *
bs_judged_object(const struct bs_effect *e)
{
    if (e->object == BS_OBJECT_NONE || e->name.name == NULL)
        return json_null();
    return name_json(&e->name);
}

static json_t *
effects_json(const struct bs_stmt *stmt)
{
    json_t *list = json_array();

    for (size_t i = 0; i < stmt->n_effects; i++) {
        const struct bs_effect *e = &stmt->effects[i];
        (void)json_array_append_new(list,
                                    json_pack("{s:s,s:o,s:o,s:o}", "kind", bs_kind_name(e->kind),
                                              "object", bs_judged_object(e), "column",
                                              text_json(e->column), "rows", rows_json(e->rows)));
    }
    return list;
}

const char *
bs_judged_reach(enum bs_reach reach)
{
    switch (reach) {
    case BS_REACH_TARGET:
        break;
    case BS_REACH_CASCADE:
        return "cascade";
    case BS_REACH_DEPENDENT:
        return "dependent";
    case BS_REACH_CALL:
        return "call";
    }
    return "target";
}

static json_t *
reached_json(const struct bs_facts *facts, size_t stmt)
{
    json_t *list = json_array();

    for (size_t i = 0; facts != NULL && i < facts->n_targets; i++) {
        const struct bs_target *t = &facts->targets[i];
        if (t->stmt != stmt)
            continue;
        (void)json_array_append_new(
            list, json_pack("{s:s,s:o,s:s,s:o,s:o,s:s?,s:s?,s:b,s:o,s:I}", "kind",
                            bs_kind_name(t->kind), "object", dotted_json(t->schema, t->name),
                            "reach", bs_judged_reach(t->reach), "rows", rows_json(t->rows), "share",
                            t->share < 0 ? json_null() : json_real(t->share), "measured",
                            bs_measure_name(t->how), "lock", bs_table_lock_name(t->lock),
                            "rewrites", (int)t->rewrites, "estimated_rows",
                            t->est_rows < 0 ? json_null() : json_real(t->est_rows),
                            "estimated_bytes", (json_int_t)t->est_bytes));
    }
    return list;
}

static json_t *
reads_json(const struct bs_stmt *stmt)
{
    json_t *list = json_array();

    for (size_t i = 0; i < stmt->n_reads; i++)
        (void)json_array_append_new(list, name_json(&stmt->reads[i]));
    return list;
}

static json_t *
functions_json(const struct bs_stmt *stmt)
{
    json_t *list = json_array();

    for (size_t i = 0; i < stmt->n_calls; i++) {
        if (stmt->calls[i].kind == BS_CALL_FUNCTION)
            (void)json_array_append_new(list, name_json(&stmt->calls[i].name));
    }
    return list;
}

static const struct {
    enum bs_flag flag;
    const char *name;
} flag_names[] = {
    {BS_FLAG_NO_FILTER, "no_filter"},
    {BS_FLAG_DYNAMIC_SQL, "dynamic_sql"},
    {BS_FLAG_SESSION_STATE, "session_state"},
    {BS_FLAG_PRIVILEGE, "privilege"},
    {BS_FLAG_SERVER_FILE, "server_file"},
    {BS_FLAG_NO_BLOCK, "no_block"},
    {BS_FLAG_VOLATILE, "volatile"},
    {BS_FLAG_BACKSLASH, "backslash"},
    {BS_FLAG_TEMP, "temp"},
    {BS_FLAG_DDL, "ddl"},
    {BS_FLAG_WITH_HOLD, "with_hold"},
    {BS_FLAG_READ_WRITE, "read_write"},
    {BS_FLAG_RETURNING, "returning"},
    {BS_FLAG_COPY_IN, "copy_in"},
    {BS_FLAG_COPY_OUT, "copy_out"},
    {BS_FLAG_SEARCH_PATH, "search_path"},
    {BS_FLAG_OUTSIDE, "outside"},
    {BS_FLAG_COPIES, "copies"},
    {BS_FLAG_CLASSES, "classes"},
};

static json_t *
flags_json(uint32_t flags)
{
    json_t *list = json_array();

    for (size_t i = 0; i < sizeof(flag_names) / sizeof(flag_names[0]); i++) {
        if ((flags & flag_names[i].flag) != 0)
            (void)json_array_append_new(list, json_string(flag_names[i].name));
    }
    return list;
}

static json_t *
reasons_json(const struct bs_stmt *stmt)
{
    json_t *list = json_array();

    for (size_t i = 0; i < stmt->n_reasons; i++)
        (void)json_array_append_new(list, json_pack("{s:s,s:o}", "code", stmt->reasons[i].code,
                                                    "text", text_json(stmt->reasons[i].text)));
    return list;
}

static json_t *
stmt_json(const struct bs_stmt *stmt, const struct bs_facts *facts, size_t at)
{
    return json_pack("{s:s,s:s,s:s,s:o,s:o,s:o,s:o,s:o,s:o,s:[I,I]}", "kind",
                     bs_kind_name(stmt->kind), "risk", bs_risk_name(stmt->risk), "point",
                     bs_point_name(stmt->point), "effects", effects_json(stmt), "reached",
                     reached_json(facts, at), "reads", reads_json(stmt), "functions",
                     functions_json(stmt), "flags", flags_json(stmt->flags), "reasons",
                     reasons_json(stmt), "span", (json_int_t)stmt->from, (json_int_t)stmt->to);
}

json_t *
bs_judged_json(const struct bs_unit *unit, const struct bs_facts *facts)
{
    json_t *list = json_array();

    for (size_t i = 0; i < unit->n_stmts; i++)
        (void)json_array_append_new(list, stmt_json(&unit->stmts[i], facts, i));
    return json_pack("{s:s,s:b,s:o,s:o}", "risk", bs_risk_name(unit->risk), "catalog",
                     (int)unit->catalog, "statements", list, "error", text_json(unit->error));
}

json_t *
bs_judged_plan_json(const struct bs_plan *plan)
{
    json_t *tables, *selects;

    if (plan == NULL)
        return json_null();
    tables = json_array();
    selects = json_array();
    for (size_t i = 0; i < plan->n_tables; i++)
        (void)json_array_append_new(tables,
                                    dotted_json(plan->tables[i].schema, plan->tables[i].name));
    for (size_t i = 0; i < plan->n_selects; i++)
        (void)json_array_append_new(selects, text_json(plan->selects[i].sql));
    return json_pack("{s:s,s:o,s:o,s:o,s:I,s:b}", "plan", bs_plan_kind_name(plan->kind), "why",
                     text_json(plan->why), "tables", tables, "selects", selects, "estimated_bytes",
                     (json_int_t)plan->est_bytes, "definition", (int)plan->definition);
}
