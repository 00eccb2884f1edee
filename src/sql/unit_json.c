/*
 * unit_json.c - names of objects are joined by dots as they were written, without quoting.
 */
#include "sql/unit_json.h"

#include <stdio.h>

static const char *const flag_names[] = {
    "no_filter", "dynamic_sql", "session_state", "privilege",   "server_file", "no_block",
    "volatile",  "backslash",   "temp",          "ddl",         "with_hold",   "read_write",
    "returning", "copy_in",     "copy_out",      "search_path",
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

const char *
bs_flag_name(uint32_t bit)
{
    for (size_t i = 0; i < COUNT(flag_names); i++) {
        if (bit == 1u << i)
            return flag_names[i];
    }
    return NULL;
}

static json_t *
flags_json(uint32_t flags)
{
    json_t *list = json_array();

    for (size_t i = 0; i < COUNT(flag_names); i++) {
        if ((flags & 1u << i) != 0)
            json_array_append_new(list, json_string(flag_names[i]));
    }
    return list;
}

static json_t *
name_json(struct bs_name name, const char *column)
{
    return json_sprintf("%s%s%s%s%s", name.schema == NULL ? "" : name.schema,
                        name.schema == NULL ? "" : ".", name.name, column == NULL ? "" : ".",
                        column == NULL ? "" : column);
}

static json_t *
effects_json(const struct bs_stmt *stmt)
{
    json_t *list = json_array();

    for (size_t i = 0; i < stmt->n_effects; i++) {
        const struct bs_effect *e = &stmt->effects[i];
        bool named = e->object != BS_OBJECT_NONE && e->name.name[0] != '\0';
        json_array_append_new(list,
                              json_pack("{s:s, s:o, s:o}", "kind", bs_kind_name(e->kind), "object",
                                        named ? name_json(e->name, e->column) : json_null(), "rows",
                                        e->rows < 0 ? json_null() : json_integer(e->rows)));
    }
    return list;
}

static json_t *
reads_json(const struct bs_stmt *stmt)
{
    json_t *list = json_array();

    for (size_t i = 0; i < stmt->n_reads; i++)
        json_array_append_new(list, name_json(stmt->reads[i], NULL));
    return list;
}

static json_t *
functions_json(const struct bs_stmt *stmt)
{
    json_t *list = json_array();

    for (size_t i = 0; i < stmt->n_calls; i++) {
        if (stmt->calls[i].kind == BS_CALL_FUNCTION)
            json_array_append_new(list, name_json(stmt->calls[i].name, NULL));
    }
    return list;
}

static json_t *
reasons_json(const struct bs_stmt *stmt)
{
    json_t *list = json_array();

    for (size_t i = 0; i < stmt->n_reasons; i++)
        json_array_append_new(list, json_pack("{s:s, s:s}", "code", stmt->reasons[i].code, "text",
                                              stmt->reasons[i].text));
    return list;
}

static json_t *
stmt_json(const struct bs_stmt *stmt)
{
    return json_pack("{s:s, s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:[I, I]}", "kind",
                     bs_kind_name(stmt->kind), "risk", bs_risk_name(stmt->risk), "point",
                     bs_point_name(stmt->point), "effects", effects_json(stmt), "reads",
                     reads_json(stmt), "functions", functions_json(stmt), "flags",
                     flags_json(stmt->flags), "reasons", reasons_json(stmt), "span",
                     (json_int_t)stmt->from, (json_int_t)stmt->to);
}

json_t *
bs_unit_json(const struct bs_unit *unit)
{
    json_t *list = json_array();

    for (size_t i = 0; i < unit->n_stmts; i++)
        json_array_append_new(list, stmt_json(&unit->stmts[i]));
    return json_pack("{s:s, s:b, s:o, s:s?}", "risk", bs_risk_name(unit->risk), "catalog",
                     unit->catalog, "statements", list, "error", unit->error);
}
