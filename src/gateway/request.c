/*
 * request.c - what operators see of a unit, and what is compared when it runs.
 */
#include "gateway/request.h"
#include "gateway/readiness.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "approval/identity.h"
#include "catalog/effect.h"
#include "gateway/budget.h"
#include "gateway/gateway.h"
#include "gateway/note.h"
#include "policy/config.h"
#include "policy/redact.h"
#include "wire/messages.h"

#define SHOWN_VALUE 200         /* bytes of a parameter that are shown */
#define TEXTS_MAX   (32u << 20) /* of all texts of a transaction, in the manifest */

static enum bs_done
no_room(struct bs_err *err)
{
    return BS_FAIL(err, LIMIT, "the unit is too large to be held");
}

/* The text of a JSON value, in the gate's arena; takes the value. NULL: no room. */
static const char *
keep_json(struct bs_gate *g, json_t *value)
{
    char *text = json_dumps(value, JSON_COMPACT);
    const char *kept = text == NULL ? NULL : bs_arena_str(&g->arena, text);

    free(text);
    json_decref(value);
    return kept;
}

/* --- parameters --------------------------------------------------------------------------- */

/* A whole number sent in binary. */
static bool
binary_integer(uint32_t type, struct bs_bytes b, int64_t *out)
{
    uint16_t u16;
    uint32_t u32;
    uint64_t u64;

    if (type == 21 && b.n == 2 && bs_take_u16(&b, &u16)) {
        *out = (int16_t)u16;
        return true;
    }
    if (type == 23 && b.n == 4 && bs_take_u32(&b, &u32)) {
        *out = (int32_t)u32;
        return true;
    }
    if (type == 20 && b.n == 8 && bs_take_u64(&b, &u64)) {
        *out = (int64_t)u64;
        return true;
    }
    return false;
}

/* As the audit has it: a whole number by its digits, however it was sent. */
static void
redact_value(struct bs_buf *out,
             const struct bs_identity_param *p,
             const struct bs_audit_digest *redact)
{
    struct bs_bytes v = p->value;
    char digits[24];
    int64_t number;

    if (p->format == 1 && binary_integer(p->type, v, &number)) {
        (void)snprintf(digits, sizeof(digits), "%" PRId64, number);
        v = bs_bytes_of(digits);
    }
    bs_redact_value(redact, v, out);
}

/* With its own quotes doubled: a value must not read as two parameters. */
static void
put_quoted(struct bs_buf *out, struct bs_bytes text)
{
    bs_put_u8(out, '\'');
    for (size_t i = 0; i < text.n; i++) {
        if (text.p[i] == '\'')
            bs_put_u8(out, '\'');
        bs_put_u8(out, text.p[i]);
    }
    bs_put_u8(out, '\'');
}

static void
show_value(struct bs_buf *out, const struct bs_identity_param *p)
{
    struct bs_bytes v = p->value;
    int64_t number;

    if (p->null) {
        bs_put_str(out, "NULL");
    } else if (p->format == 1 && binary_integer(p->type, v, &number)) {
        bs_put_fmt(out, "%lld", (long long)number);
    } else if (p->format == 0 && bs_utf8_valid(v) && v.n <= SHOWN_VALUE) {
        put_quoted(out, v);
    } else {
        char hash[BS_SHA256_TEXT];
        char *copy = bs_malloc(v.n * 2 + 1);
        bs_hex(v.p, v.n, copy);
        bs_sha256_text(copy, hash);
        bs_put_fmt(out, "<%zu bytes, type %u, %s, sha256 of hex %.16s>", v.n, p->type,
                   p->format == 0 ? "text" : "binary", hash);
        free(copy);
    }
}

/* The values of one Bind, appended to list[*n]. */
static void
read_params(const struct bs_gate_item *item, struct bs_identity_param *list, size_t *n)
{
    struct bs_bind bind;
    struct bs_value value;
    struct bs_err err = {0};
    size_t i = 0;

    if (item->bind.n == 0 || bs_msg_read_bind(item->bind, &bind, &err) != BS_DONE)
        return;
    while (bs_values_next(&bind.values, &value)) {
        struct bs_identity_param *p = &list[(*n)++];
        p->type = i < BS_PREPARED_TYPES ? item->prepared->types[i] : 0;
        p->format = bs_formats_at(&bind.formats, i);
        p->null = value.is_null;
        p->value = value.bytes;
        i++;
    }
}

static size_t
count_params(const struct bs_gate_item *item)
{
    struct bs_bind bind;
    struct bs_err err = {0};

    return item->bind.n != 0 && bs_msg_read_bind(item->bind, &bind, &err) == BS_DONE ? bind.values.n
                                                                                     : 0;
}

static enum bs_done
collect_params(struct bs_gate *g,
               size_t from,
               size_t to,
               struct bs_identity_param **out,
               size_t *n,
               struct bs_err *err)
{
    size_t total = 0;

    for (size_t i = from; i < to; i++)
        total += count_params(&g->items[i]);
    *n = 0;
    *out = bs_arena_array(&g->arena, total + 1, sizeof(**out));
    if (*out == NULL)
        return no_room(err);
    for (size_t i = from; i < to; i++)
        read_params(&g->items[i], *out, n);
    return BS_DONE;
}

/* "$1 = 'x', $2 = 7"; NULL where there are none, or no room. redact: NULL for people. */
static const char *
show_params(struct bs_gate *g,
            size_t from,
            size_t to,
            const struct bs_audit_digest *redact,
            struct bs_err *err)
{
    struct bs_identity_param *list;
    const char *text = NULL;
    struct bs_buf b;
    size_t n;

    if (collect_params(g, from, to, &list, &n, err) != BS_DONE || n == 0)
        return NULL;
    bs_buf_init(&b, 1u << 20);
    for (size_t i = 0; i < n; i++) {
        bs_put_fmt(&b, "%s$%zu = ", i == 0 ? "" : ", ", i + 1);
        if (redact == NULL || list[i].null)
            show_value(&b, &list[i]);
        else
            redact_value(&b, &list[i], redact);
    }
    if (!b.failed)
        text = bs_arena_copy(&g->arena, bs_buf_view(&b));
    else
        (void)no_room(err);
    bs_buf_fini(&b);
    return text;
}

/* Of a binary value whose type is left to the server: most often it is a whole number. */
static const char *
guess_text(struct bs_gate *g, struct bs_bytes value)
{
    static const uint32_t types[] = {21, 23, 20}; /* int2, int4, int8 */
    char hex[65] = "";
    int64_t number;

    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        if (binary_integer(types[i], value, &number))
            return bs_arena_fmt(&g->arena, "?%lld", (long long)number);
    }
    if (value.n > sizeof(hex) / 2)
        return NULL;
    bs_hex(value.p, value.n, hex);
    return bs_arena_fmt(&g->arena, "?x%s", hex);
}

/* A value as it would stand in a statement, where that is known. */
static const char *
value_text(struct bs_gate *g, const struct bs_identity_param *p)
{
    int64_t number;

    if (p->null)
        return NULL;
    if (p->format == 1 && binary_integer(p->type, p->value, &number))
        return bs_arena_fmt(&g->arena, "%lld", (long long)number);
    if (p->format == 1)
        return guess_text(g, p->value);
    return bs_utf8_valid(p->value) && memchr(p->value.p, '\0', p->value.n) == NULL
               ? bs_arena_copy(&g->arena, p->value)
               : NULL;
}

enum bs_done
bs_request_values(
    struct bs_gate *g, size_t i, const char *const **out, size_t *n, struct bs_err *err)
{
    struct bs_identity_param *list;
    const char **texts;

    if (collect_params(g, i, i + 1, &list, n, err) != BS_DONE)
        return BS_FAILED;
    texts = bs_arena_array(&g->arena, *n + 1, sizeof(*texts));
    if (texts == NULL)
        return no_room(err);
    for (size_t k = 0; k < *n; k++)
        texts[k] = value_text(g, &list[k]);
    *out = texts;
    return BS_DONE;
}

/* --- identity ----------------------------------------------------------------------------- */

enum bs_done
bs_request_identity(struct bs_gate *g, struct bs_err *err)
{
    struct bs_bytes *texts = bs_arena_array(&g->arena, 2 * g->n_items, sizeof(*texts));
    struct bs_identity_param *params;
    size_t n_texts = 0, n_params;

    if (texts == NULL || g->path == NULL)
        return no_room(err);
    for (size_t i = 0; i < g->n_items; i++) {
        const struct bs_verdict *v = g->items[i].verdict;
        if (bs_canonical(v->text, &g->arena, &texts[n_texts++], err) != BS_DONE)
            return BS_FAILED;
        if (v->executed.p != NULL &&
            bs_canonical(v->executed, &g->arena, &texts[n_texts++], err) != BS_DONE)
            return BS_FAILED;
    }
    if (collect_params(g, 0, g->n_items, &params, &n_params, err) != BS_DONE)
        return BS_FAILED;
    bs_ticket_identity(
        &(struct bs_identity){
            .actor = g->s->actor,
            .database = g->s->database,
            .role = g->s->server_user,
            .search_path = g->path,
            .statements = texts,
            .n_statements = n_texts,
            .params = params,
            .n_params = n_params,
        },
        g->identity);
    return BS_DONE;
}

/* --- effects ------------------------------------------------------------------------------ */

static const char *
reach_name(enum bs_reach reach)
{
    switch (reach) {
    case BS_REACH_TARGET:
        return "target";
    case BS_REACH_CASCADE:
        return "cascade";
    case BS_REACH_DEPENDENT:
        return "dependent";
    case BS_REACH_CALL:
        return "call";
    }
    return "unknown";
}

/* Rows, share and samples are left out where they are not known. */
static json_t *
target_json(const struct bs_target *t)
{
    json_t *o =
        json_pack("{s:s, s:s+++, s:s, s:f, s:I, s:s*, s:b}", "kind", bs_kind_name(t->kind),
                  "object", t->schema == NULL ? "" : t->schema, t->schema == NULL ? "" : ".",
                  t->name == NULL ? "" : t->name, "", "reach", reach_name(t->reach),
                  "estimated_rows", t->est_rows, "estimated_bytes", (json_int_t)t->est_bytes,
                  "lock", bs_table_lock_name(t->lock), "rewrites", (int)t->rewrites);

    if (t->how != BS_MEASURE_NONE) {
        json_object_set_new(o, "rows", json_integer(t->rows));
        json_object_set_new(o, "measured", json_string(bs_measure_name(t->how)));
        if (t->share >= 0)
            json_object_set_new(o, "share", json_real(t->share));
        if (t->within != 0)
            json_object_set_new(o, "part", json_true());
    }
    if (t->sample != NULL)
        json_object_set_new(o, "sample", json_loads(t->sample, 0, NULL));
    return o;
}

static json_t *
effects_json(const struct bs_gate *g)
{
    json_t *list = json_array();

    for (size_t i = 0; i < g->n_items; i++) {
        const struct bs_facts *facts = &g->items[i].verdict->facts;
        for (size_t k = 0; k < facts->n_targets; k++) {
            const struct bs_target *t = &facts->targets[k];
            json_array_append_new(list, target_json(t));
        }
    }
    return list;
}

static json_t *
reasons_json(const struct bs_gate *g, size_t from, size_t to)
{
    json_t *list = json_array();

    for (size_t i = from; i < to; i++)
        (void)bs_note_reasons(&g->items[i].verdict->unit, list);
    return list;
}

enum bs_done
bs_request_describe(struct bs_gate *g, size_t i, struct bs_audit_record *record, struct bs_err *err)
{
    const struct bs_facts *facts = &g->items[i].verdict->facts;
    struct bs_audit_effect *list = bs_arena_array(&g->arena, facts->n_targets + 1, sizeof(*list));

    if (list == NULL)
        return no_room(err);
    for (size_t k = 0; k < facts->n_targets; k++) {
        const struct bs_target *t = &facts->targets[k];
        list[k].kind = bs_kind_name(t->kind);
        list[k].object = bs_arena_fmt(&g->arena, "%s.%s", t->schema == NULL ? "" : t->schema,
                                      t->name == NULL ? "" : t->name);
        list[k].rows = t->how >= BS_MEASURE_COUNT ? t->rows : -1;
    }
    record->effects = list;
    record->n_effects = facts->n_targets;
    record->reasons = keep_json(g, reasons_json(g, i, i + 1));
    record->params = show_params(
        g, i, i + 1, bs_audit_redacts(g->s->gateway->audit, BS_AUDIT_REDACT_PARAMETERS), err);
    return err->code == BS_OK && record->reasons != NULL ? BS_DONE : no_room(err);
}

/* --- limits and ticket -------------------------------------------------------------------- */

static const char *
grade_name(const struct bs_gate *g)
{
    if (g->plan.kind == BS_PLAN_NONE || g->waived)
        return "none";
    return bs_grade_name(g->require.grade);
}

/* What is known of the rows of a table, without its name: of all statements together. */
static struct bs_limit_table
measured_of(const struct bs_gate *g, uint32_t oid)
{
    struct bs_limit_table out = {NULL, -1, true};
    bool known = true;

    for (size_t i = 0; i < g->n_items; i++) {
        const struct bs_facts *facts = &g->items[i].verdict->facts;
        for (size_t k = 0; k < facts->n_targets; k++) {
            const struct bs_target *t = &facts->targets[k];
            if (t->oid != oid || !bs_target_loses_rows(t))
                continue;
            known = known && t->how >= BS_MEASURE_COUNT && t->rows >= 0;
            out.by_key = out.by_key && t->by_key;
            if (known)
                out.rows = (out.rows < 0 ? 0 : out.rows) + t->rows;
        }
    }
    if (!known)
        out.rows = -1;
    out.by_key = out.by_key && out.rows >= 0;
    return out;
}

enum bs_done
bs_request_limits(struct bs_gate *g, struct bs_limits *out, struct bs_err *err)
{
    struct bs_limit_table *tables =
        bs_arena_array(&g->arena, g->plan.n_tables + 1, sizeof(*tables));

    if (tables == NULL)
        return no_room(err);
    for (size_t i = 0; i < g->plan.n_tables; i++) {
        const struct bs_plan_table *t = &g->plan.tables[i];
        tables[i] = measured_of(g, t->oid);
        tables[i].name = bs_arena_fmt(&g->arena, "%s.%s", t->schema, t->name);
        if (tables[i].name == NULL)
            return no_room(err);
    }
    *out = (struct bs_limits){.tables = tables,
                              .n_tables = g->plan.n_tables,
                              .plan = bs_plan_kind_name(g->plan.kind),
                              .grade = grade_name(g),
                              .decision = g->stricter ? "block"
                                          : g->hold   ? "approve"
                                                      : "allow"};
    return BS_DONE;
}

/* One text as sent, without passwords; EXECUTE with what it runs, since nobody can approve a name. NULL: no room. */
static const char *
item_text(struct bs_gate *g, const struct bs_verdict *v)
{
    const char *text = bs_arena_copy(&g->arena, v->shown), *runs;

    if (v->executed.p == NULL || v->executed.p == v->text.p || text == NULL)
        return text;
    runs = bs_arena_copy(&g->arena, v->executed);
    return runs == NULL ? NULL : bs_arena_fmt(&g->arena, "%s\n-- which runs:\n%s", text, runs);
}

/* All texts of the unit. */
static const char *
unit_text(struct bs_gate *g)
{
    const char *text = "";

    for (size_t i = 0; i < g->n_items && text != NULL; i++) {
        const char *one = item_text(g, g->items[i].verdict);
        text = one == NULL || i == 0 ? one : bs_arena_fmt(&g->arena, "%s;\n%s", text, one);
    }
    return text;
}

const char *
bs_request_text(struct bs_gate *g)
{
    return unit_text(g);
}

/* What no point gives back, whatever it holds. */
static json_t *
not_covered(const struct bs_gate *g)
{
    json_t *list = json_array();

    (void)json_array_append_new(list, json_string("sequence numbers that were drawn"));
    (void)json_array_append_new(list, json_string("notifications that were sent"));
    (void)json_array_append_new(list, json_string("effects outside the database"));
    (void)json_array_append_new(list, json_string("large objects"));
    if (g->plan.ddl)
        (void)json_array_append_new(list, json_string("the place of a column among others"));
    if (!g->plan.in_block)
        (void)json_array_append_new(list, json_string("what others change while it runs"));
    return list;
}

/* Seconds, what the storage is like, what will not be covered. On a job thread. */
static void
add_readiness(struct bs_gate *g, json_t *plan)
{
    struct bs_gateway *w = g->s->gateway;
    struct bs_store_state s;
    json_t *store;

    bs_readiness_look(w, &s);
    store =
        json_pack("{s:b,s:I,s:s*,s:s*,s:s*}", "answers", s.answers, "ms", (json_int_t)s.ms, "error",
                  s.why[0] == '\0' ? NULL : s.why, "lock", s.lock[0] == '\0' ? NULL : s.lock,
                  "delete", s.deletes[0] == '\0' ? NULL : s.deletes);
    if (s.free_bytes >= 0)
        (void)json_object_update_new(store,
                                     json_pack("{s:I,s:b}", "free_bytes", (json_int_t)s.free_bytes,
                                               "room", s.free_bytes > g->plan.est_bytes));
    bs_budget_put(g, plan);
    (void)json_object_set_new(plan, "store", store);
    (void)json_object_set_new(plan, "not_covered", not_covered(g));
}

static const char *
plan_text(struct bs_gate *g)
{
    json_t *tables = json_array(), *plan;

    for (size_t i = 0; i < g->plan.n_tables; i++) {
        const char *name =
            bs_arena_fmt(&g->arena, "%s.%s", g->plan.tables[i].schema, g->plan.tables[i].name);
        json_array_append_new(tables, json_string(name == NULL ? "" : name));
    }
    plan = json_pack("{s:s, s:s, s:s?, s:I, s:b, s:o}", "kind",
                     bs_plan_kind_name(g->waived ? BS_PLAN_NONE : g->plan.kind), "grade",
                     grade_name(g), "why", g->plan.why, "estimated_bytes",
                     (json_int_t)g->plan.est_bytes, "definition", (int)g->plan.definition, "tables",
                     tables);
    if (!g->waived && g->plan.kind != BS_PLAN_NONE)
        add_readiness(g, plan);
    return keep_json(g, plan);
}

static enum bs_risk
worst_risk(const struct bs_gate *g)
{
    enum bs_risk risk = BS_RISK_SAFE;

    for (size_t i = 0; i < g->n_items; i++)
        risk = bs_risk_worse(risk, g->items[i].verdict->unit.risk);
    return risk;
}

enum bs_done
bs_request_ticket(struct bs_gate *g, struct bs_ticket *out, struct bs_err *err)
{
    const struct bs_config_database *db =
        bs_config_database_find(g->s->gateway->config, g->s->database);
    struct bs_limits limits;
    char *text, *approvals;

    if (bs_request_limits(g, &limits, err) != BS_DONE)
        return BS_FAILED;
    text = bs_limits_write(&limits);
    approvals = bs_approvals_write(&g->approvals);
    *out = (struct bs_ticket){
        .actor = g->s->actor,
        .owner = g->s->owner,
        .database = g->s->database,
        .role = g->s->server_user,
        .environment = db == NULL ? NULL : db->environment,
        .session = g->s->id,
        .client = g->s->address,
        .sql = unit_text(g),
        .params = show_params(g, 0, g->n_items, NULL, err),
        .risk = bs_risk_name(worst_risk(g)),
        .effects = keep_json(g, effects_json(g)),
        .plan = plan_text(g),
        .reasons = keep_json(g, reasons_json(g, 0, g->n_items)),
        .limits = text == NULL ? NULL : bs_arena_str(&g->arena, text),
        .harms = g->harms,
        .evades = g->evades,
        .approvals = bs_arena_str(&g->arena, approvals),
        .claims = g->n_items == 0 ? g->s->claims_text
                                  : bs_note_claims(g->s, g->items[0].verdict->shown, &g->arena),
    };
    free(text);
    free(approvals);
    memcpy(out->identity, g->identity, sizeof(out->identity));
    if (err->code != BS_OK || out->sql == NULL || out->effects == NULL || out->plan == NULL ||
        out->reasons == NULL || out->limits == NULL || out->approvals == NULL)
        return no_room(err);
    return BS_DONE;
}

/* --- recovery point ----------------------------------------------------------------------- */

/* The statement that decides what the point is for. */
static const char *
unit_kind(const struct bs_gate *g)
{
    const struct bs_stmt *worst = NULL;

    for (size_t i = 0; i < g->n_items; i++) {
        const struct bs_unit *u = &g->items[i].verdict->unit;
        for (size_t k = 0; k < u->n_stmts; k++) {
            const struct bs_stmt *s = &u->stmts[k];
            if (worst == NULL ||
                (s->risk != worst->risk && bs_risk_worse(s->risk, worst->risk) == s->risk))
                worst = s;
        }
    }
    if (worst == NULL)
        return "UNKNOWN";
    return bs_kind_name(worst->n_effects != 0 ? worst->effects[0].kind : worst->kind);
}

static enum bs_done
list_pg_dumps(struct bs_gate *g, struct bs_capture_request *out, struct bs_err *err)
{
    const struct bs_config *c = g->s->gateway->config;
    struct bs_pg_dump *list = bs_arena_array(&g->arena, c->n_pg_dumps + 1, sizeof(*list));

    if (list == NULL)
        return no_room(err);
    for (size_t i = 0; i < c->n_pg_dumps; i++)
        list[i] = (struct bs_pg_dump){c->pg_dumps[i].major, c->pg_dumps[i].path};
    out->pg_dumps = list;
    out->n_pg_dumps = c->n_pg_dumps;
    return BS_DONE;
}

static enum bs_done
bounds(struct bs_gate *g, size_t from, size_t to, struct bs_bounds *out, struct bs_err *err)
{
    struct bs_identity_param *params;
    struct bs_bound *list;
    size_t n;

    if (collect_params(g, from, to, &params, &n, err) != BS_DONE)
        return BS_FAILED;
    list = bs_arena_array(&g->arena, n + 1, sizeof(*list));
    if (list == NULL)
        return no_room(err);
    for (size_t i = 0; i < n; i++) {
        struct bs_bytes value = params[i].null ? (struct bs_bytes){NULL, 0} : params[i].value;
        list[i] = (struct bs_bound){params[i].type, params[i].format == 1, value};
    }
    *out = (struct bs_bounds){list, n};
    return BS_DONE;
}

enum bs_done
bs_request_bounds(struct bs_gate *g, struct bs_bounds *out, struct bs_err *err)
{
    return bounds(g, 0, g->n_items, out, err);
}

enum bs_done
bs_request_bounds_of(struct bs_gate *g, size_t i, struct bs_bounds *out, struct bs_err *err)
{
    return bounds(g, i, i + 1, out, err);
}

/* The points of what has run before it in the same transaction, and was not undone. */
static enum bs_done
list_earlier(struct bs_gate *g, struct bs_capture_request *out)
{
    size_t n = g->ledger == NULL ? 0 : g->ledger->n_units;
    const struct bs_manifest **list = bs_arena_array(&g->arena, n + 1, sizeof(*list));

    if (list == NULL)
        return BS_FAILED;
    out->n_earlier = 0;
    for (size_t i = 0; i < n; i++) {
        const struct bs_gate *unit = g->ledger->units[i];
        if (bs_ledger_counts(unit) && unit->captured)
            list[out->n_earlier++] = unit->point.manifest;
    }
    out->earlier = list;
    return BS_DONE;
}

enum bs_capture_grade
bs_request_grade(enum bs_grade grade)
{
    switch (grade) {
    case BS_GRADE_STORED:
        return BS_CAPTURE_STORED;
    case BS_GRADE_RESTORED:
        return BS_CAPTURE_RESTORED;
    case BS_GRADE_NONE:
    case BS_GRADE_READ_BACK:
        break;
    }
    return BS_CAPTURE_READ_BACK;
}

enum bs_done
bs_request_capture(struct bs_gate *g, struct bs_capture_request *out, struct bs_err *err)
{
    const struct bs_config *c = g->s->gateway->config;
    const struct bs_config_database *db = bs_config_database_find(c, g->s->database);
    const char *text = unit_text(g);

    if (db == NULL)
        return BS_FAIL(err, NO_POINT, "the database is not configured any more");
    if (text == NULL || list_pg_dumps(g, out, err) != BS_DONE || list_earlier(g, out) != BS_DONE)
        return no_room(err);
    out->helper = db->helper;
    out->store = g->s->gateway->store;
    out->spool = c->spool;
    out->deadline_us = g->budget_us;
    out->helpers = (size_t)c->helpers;
    out->grade = bs_request_grade(g->require.grade);
    out->max_bytes = c->max_bytes;
    out->scratch = c->scratch;
    out->plan = &g->plan;
    out->actor_pid = (int)g->s->server_pid;
    out->actor = (struct bs_point_actor){
        .agent = g->s->actor,
        .owner = g->s->owner,
        .session = g->s->id,
        .address = g->s->address,
        .role = g->s->server_user,
        .ticket = g->ticket[0] == '\0' ? NULL : g->ticket,
        .approver = g->approver,
    };
    out->statement = (struct bs_point_statement){g->identity, text, unit_kind(g)};
    return BS_DONE;
}

enum bs_done
bs_request_keep(struct bs_ledger *l,
                struct bs_gate *first,
                struct bs_capture_request *out,
                struct bs_err *err)
{
    if (bs_request_capture(first, out, err) != BS_DONE)
        return BS_FAILED;
    out->plan = NULL;
    out->pg_dumps = NULL;
    out->n_pg_dumps = 0;
    out->statement.sha256 = bs_arena_str(&l->arena, first->identity);
    out->statement.text = bs_arena_str(&l->arena, out->statement.text);
    out->actor.ticket = bs_arena_str(&l->arena, out->actor.ticket);
    out->actor.approver = bs_arena_str(&l->arena, out->actor.approver);
    if (out->statement.sha256 == NULL || out->statement.text == NULL)
        return no_room(err);
    return BS_DONE;
}

/* The units that count; all of them where none does: the server counts what was undone, too. */
static enum bs_done
describe_units(struct bs_ledger *l, bool all, struct bs_buf *text, struct bs_point_statement *out)
{
    for (size_t i = 0; i < l->n_units; i++) {
        struct bs_gate *g = l->units[i];
        const char *one;
        if (!all && !bs_ledger_counts(g))
            continue;
        one = unit_text(g);
        if (one == NULL)
            return BS_FAILED;
        bs_put_str(text, text->n == 0 ? "" : ";\n");
        bs_put_str(text, one);
        *out = (struct bs_point_statement){g->identity, NULL, unit_kind(g)};
    }
    return text->failed ? BS_FAILED : BS_DONE;
}

/* Only the last statement's ticket is named; all texts are there. */
enum bs_done
bs_request_describe_kept(struct bs_ledger *l, struct bs_err *err)
{
    struct bs_point_statement statement = {0};
    struct bs_buf text;
    enum bs_done done;

    bs_buf_init(&text, TEXTS_MAX);
    done = describe_units(l, false, &text, &statement);
    if (done == BS_DONE && text.n == 0)
        done = describe_units(l, true, &text, &statement);
    if (done == BS_DONE)
        statement.text = bs_arena_copy(&l->arena, bs_buf_view(&text));
    bs_buf_fini(&text);
    if (statement.text == NULL)
        return no_room(err);
    bs_capture_describe(l->keeper, &statement);
    bs_capture_demand(l->keeper, bs_request_grade(bs_ledger_require(l).grade));
    return BS_DONE;
}

void
bs_request_point_row(struct bs_gate *g,
                     const struct bs_capture_result *point,
                     struct bs_point_row *out)
{
    const struct bs_manifest *m = point->manifest;
    json_t *tables = json_array();

    *out = (struct bs_point_row){
        .id = m->id,
        .database = g->s->database,
        .state = "none",
        .actor = g->s->actor,
        .ticket = g->ticket[0] == '\0' ? NULL : g->ticket,
        .kind = m->statement.kind,
        .created_us = m->created_us,
    };
    for (size_t i = 0; i < m->n_objects; i++) {
        const char *name =
            bs_arena_fmt(&g->arena, "%s.%s", m->objects[i].schema, m->objects[i].name);
        json_array_append_new(tables, json_string(name == NULL ? "" : name));
        out->rows += m->objects[i].row_count;
        out->bytes += m->objects[i].stored_bytes;
    }
    out->tables = keep_json(g, tables);
    out->manifest = bs_arena_fmt(&g->arena, "%smanifest.json", point->dir);
}
