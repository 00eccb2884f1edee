/*
 * taint.c - what using a relation or a type would run beside what the statement says.
 *
 * All is worked out here, once a snapshot, so that a judgement is a look-up. What calls only
 * vetted functions leaves no trace; everything else has one sentence for the operator.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "catalog/tainting.h"

#define BIT(use) (1u << (use))
#define WRITES   (BIT(BS_USE_INSERT) | BIT(BS_USE_UPDATE))

/* pg_trigger.tgtype. */
enum { TRIGGER_INSERT = 4, TRIGGER_DELETE = 8, TRIGGER_UPDATE = 16, TRIGGER_TRUNCATE = 32 };

static struct bs_taint
calls(struct bs_build *b, const struct bs_stored *c, uint32_t function)
{
    const struct bs_function *f = bs_snapshot_function(b->s, function);
    enum bs_risk risk = f == NULL ? BS_RISK_CRITICAL : f->risk;

    if (risk == BS_RISK_SAFE)
        return bs_taint_none;
    if (risk == BS_RISK_CRITICAL && bs_tainting_can_read(f))
        return bs_tainting_run(b, function, c->word);
    return (struct bs_taint){.risk = risk,
                             .code = c->word,
                             .text = bs_tainting_say(b, "%s of %s.%s calls %s", c->what,
                                                     c->of == NULL ? "?" : c->of->id.schema,
                                                     c->of == NULL ? "?" : c->of->id.name,
                                                     bs_tainting_function(b, function))};
}

struct bs_taint
bs_tainting_code(struct bs_build *b, const struct bs_stored *c, struct bs_taint *folded)
{
    struct bs_taint worst = bs_taint_none;

    for (uint32_t i = 0; c->refs != NULL && i < c->refs->n; i++) {
        struct bs_taint t = bs_taint_none;
        uint32_t oid;
        bool constant;
        enum bs_code_ref ref = bs_list_ref(c->refs, i, &oid, &constant);
        if (ref == BS_CODE_FUNCTION)
            t = calls(b, c, oid);
        else if (ref == BS_CODE_TYPE)
            t = bs_tainting_type(b, oid);
        else if (ref == BS_CODE_LOCK)
            t = (struct bs_taint){BS_RISK_HIGH, "locks_rows", "a view locks the rows that it reads",
                                  NULL, 0};
        bs_build_worsen(b, &worst, t);
        if (folded != NULL && !bs_taint_is_clean(&t) && constant)
            bs_build_worsen(b, folded, t);
    }
    return worst;
}

/* Code that runs on these uses. */
static void
add_code(struct bs_build *b, const struct bs_stored *c, uint32_t uses, bool folds)
{
    struct bs_taint folded = bs_taint_none, t = bs_tainting_code(b, c, folds ? &folded : NULL);

    for (int use = 0; use < BS_USE_COUNT; use++) {
        if ((uses & BIT(use)) != 0)
            bs_build_worsen_use(b, c->of, (enum bs_use)use, bs_taint_critical(t));
    }
    bs_build_worsen_use(b, c->of, BS_USE_READ, bs_taint_critical(folded));
}

/*
 * The labels in stored trees are the server's business. Should a release rename them, everything
 * would look harmless: so a view whose calls are known is read first.
 */
enum bs_done
bs_build_check_labels(struct bs_reader *reader, struct bs_err *err)
{
    static const char sql[] =
        "SELECT r.ev_action::pg_catalog.text,"
        " 'pg_catalog.pg_get_viewdef(pg_catalog.oid)'::pg_catalog.regprocedure::pg_catalog.oid,"
        " 'pg_catalog.chareq(\"char\",\"char\")'::pg_catalog.regprocedure::pg_catalog.oid"
        " FROM pg_catalog.pg_rewrite r"
        " WHERE r.ev_class = 'pg_catalog.pg_views'::pg_catalog.regclass";
    bool function = false, op = false, table = false;
    enum bs_code_ref ref;
    PGresult *res;
    const char *at;
    uint32_t oid;

    if (bs_reader_query(reader, sql, 3, &res, err) != BS_DONE)
        return BS_FAILED;
    at = PQntuples(res) == 1 ? bs_text_at(res, 0, 0) : NULL;
    while (at != NULL && (ref = bs_code_next(&at, &oid)) != BS_CODE_END) {
        function = function || (ref == BS_CODE_FUNCTION && oid == bs_oid_at(res, 0, 1));
        op = op || (ref == BS_CODE_FUNCTION && oid == bs_oid_at(res, 0, 2));
        table = table || (ref == BS_CODE_RELATION && oid == BS_CLASS_RELATION);
    }
    PQclear(res);
    if (function && op && table)
        return BS_DONE;
    return BS_FAIL(err, DATABASE, "stored code of server version %d cannot be read",
                   reader->version);
}

/* One piece of code of a relation. `folds`: the planner simplifies it for a mere read. */
static void
taint_by(struct bs_build *b,
         const struct bs_stored *like,
         const char *name,
         const struct bs_list *refs,
         uint32_t uses,
         bool folds)
{
    struct bs_stored c = *like;
    char what[160];

    if (refs == NULL || c.of == NULL)
        return;
    (void)snprintf(what, sizeof(what), "%s \"%s\"", like->what, name == NULL ? "" : name);
    c.what = what;
    c.refs = refs;
    add_code(b, &c, uses, folds);
}

static void
taint_defaults(struct bs_build *b)
{
    size_t n;
    const struct bs_row_code *rows = BS_ROWS(b, DEFAULT, n);

    for (size_t i = 0; i < n; i++) {
        const struct bs_row_attribute *a =
            bs_find_attribute(b->s->tables[BS_TABLE_ATTRIBUTE], rows[i].relation, rows[i].number);
        bool generated = a == NULL || a->generated != '\0';
        /* Virtual ones are worked out by every read. */
        bool virtual = a == NULL || (generated && a->generated != 's');
        struct bs_stored c = {.word = generated ? "generated" : "default",
                              .what = generated ? "the generated column" : "the default of column",
                              .of = bs_build_relation(b, rows[i].relation)};
        taint_by(b, &c, a == NULL ? NULL : a->name, rows[i].code,
                 virtual ? WRITES | BIT(BS_USE_READ) : WRITES, false);
    }
}

static void
taint_checks(struct bs_build *b)
{
    size_t n;
    const struct bs_row_constraint *rows = BS_ROWS(b, CONSTRAINT, n);

    for (size_t i = 0; i < n; i++) {
        struct bs_stored c = {.word = "check",
                              .what = "the constraint",
                              .of = bs_build_relation(b, rows[i].relation)};
        taint_by(b, &c, rows[i].name, rows[i].check, WRITES, true);
    }
}

static void
taint_indexes(struct bs_build *b)
{
    size_t n;
    const struct bs_row_index *rows = BS_ROWS(b, INDEX, n);

    for (size_t i = 0; i < n; i++) {
        const struct bs_relation *index;
        struct bs_stored c = {.word = "index", .what = "the index"};
        uint32_t uses = WRITES | BIT(BS_USE_UPKEEP) | BIT(BS_USE_REFRESH);
        if (rows[i].expressions == NULL && rows[i].predicate == NULL)
            continue;
        c.of = bs_build_relation(b, rows[i].table);
        index = bs_build_relation(b, rows[i].oid);
        taint_by(b, &c, index == NULL ? NULL : index->id.name, rows[i].expressions, uses, true);
        taint_by(b, &c, index == NULL ? NULL : index->id.name, rows[i].predicate, uses, true);
    }
}

static void
taint_statistics(struct bs_build *b)
{
    size_t n;
    const struct bs_row_code *rows = BS_ROWS(b, STATISTICS, n);

    for (size_t i = 0; i < n; i++) {
        struct bs_stored c = {.word = "statistics",
                              .what = "the statistics",
                              .of = bs_build_relation(b, rows[i].relation)};
        taint_by(b, &c, rows[i].name, rows[i].code, BIT(BS_USE_UPKEEP), true);
    }
}

static void
taint_partition_keys(struct bs_build *b)
{
    size_t n;
    const struct bs_row_code *rows = BS_ROWS(b, PARTITIONED, n);

    for (size_t i = 0; i < n; i++) {
        struct bs_stored c = {.word = "partition_key",
                              .what = "the partition key of",
                              .of = bs_build_relation(b, rows[i].relation)};
        taint_by(b, &c, rows[i].name, rows[i].code, WRITES, true);
    }
}

/* Code of a query: its calls, and the relations it reads, are the relation's own. */
static struct bs_taint
judge_query(struct bs_build *b, const struct bs_stored *c)
{
    for (uint32_t i = 0; c->refs != NULL && i < c->refs->n; i++) {
        uint32_t oid;
        bool constant;
        enum bs_code_ref ref = bs_list_ref(c->refs, i, &oid, &constant);
        const struct bs_relation *to = ref == BS_CODE_RELATION ? bs_build_relation(b, oid) : NULL;
        /* A view's own definition names the view itself, twice. */
        if (to != NULL && to != c->of && !to->system)
            bs_pairs_add(&b->reads, bs_build_place(b, c->of), bs_build_place(b, to));
    }
    return bs_tainting_code(b, c, NULL);
}

static void
taint_policies(struct bs_build *b)
{
    size_t n;
    const struct bs_row_code *rows = BS_ROWS(b, POLICY, n);

    for (size_t i = 0; i < n; i++) {
        struct bs_stored c = {.word = "policy", .of = bs_build_relation(b, rows[i].relation)};
        char what[160];
        if (c.of == NULL || !c.of->rls)
            continue;
        (void)snprintf(what, sizeof(what), "the policy \"%s\"", rows[i].name);
        c.what = what;
        c.refs = rows[i].code;
        bs_build_worsen_use(b, c.of, BS_USE_READ, judge_query(b, &c));
        c.refs = rows[i].more;
        bs_build_worsen_use(b, c.of, BS_USE_READ, judge_query(b, &c));
    }
}

/* A rule on a write puts other statements in its place: whatever they are, nobody captures them. */
static void
add_rule(struct bs_build *b, struct bs_relation *r, const char *name, char event)
{
    static const enum bs_use uses[] = {BS_USE_READ, BS_USE_UPDATE, BS_USE_INSERT, BS_USE_DELETE};
    struct bs_taint t = {.risk = BS_RISK_CRITICAL, .code = "rule"};
    enum bs_use use = event >= '1' && event <= '4' ? uses[event - '1'] : BS_USE_READ;

    t.text = bs_tainting_say(b, "the rule \"%s\" of %s.%s changes what the statement does", name,
                             r->id.schema, r->id.name);
    bs_build_worsen_use(b, r, use, t);
    r->rules = (uint8_t)(r->rules | BIT(use));
}

static void
taint_rules(struct bs_build *b)
{
    size_t n;
    const struct bs_row_rule *rows = BS_ROWS(b, RULE, n);

    for (size_t i = 0; i < n; i++) {
        struct bs_stored c = {rows[i].action, "view", "the definition",
                              bs_build_relation(b, rows[i].relation)};
        if (c.of == NULL || rows[i].enabled == 'D')
            continue;
        if (rows[i].event == '1' && (c.of->relkind == 'v' || c.of->relkind == 'm')) {
            enum bs_use use = c.of->relkind == 'v' ? BS_USE_READ : BS_USE_REFRESH;
            bs_build_worsen_use(b, c.of, use, judge_query(b, &c));
        } else {
            add_rule(b, c.of, rows[i].name, rows[i].event);
        }
    }
}

/* Functions in C that came with the server for exactly this. */
static bool
is_harmless_trigger(const struct bs_function *f)
{
    static const char *const names[] = {"suppress_redundant_updates_trigger",
                                        "tsvector_update_trigger",
                                        "tsvector_update_trigger_column"};

    for (size_t i = 0; f != NULL && f->builtin && i < sizeof(names) / sizeof(names[0]); i++) {
        if (strcmp(f->id.name, names[i]) == 0)
            return true;
    }
    return false;
}

static void
add_trigger(struct bs_build *b, struct bs_relation *r, const struct bs_row_trigger *row)
{
    static const struct {
        int bit;
        enum bs_use use;
    } events[] = {{TRIGGER_INSERT, BS_USE_INSERT},
                  {TRIGGER_DELETE, BS_USE_DELETE},
                  {TRIGGER_UPDATE, BS_USE_UPDATE},
                  {TRIGGER_TRUNCATE, BS_USE_TRUNCATE}};
    const struct bs_function *f = bs_snapshot_function(b->s, row->function);
    struct bs_stored c = {row->condition, "trigger", "the condition of a trigger", r};
    struct bs_taint t = bs_tainting_code(b, &c, NULL);

    if (bs_tainting_can_read(f))
        bs_build_worsen(b, &t, bs_tainting_run(b, f->id.oid, "trigger"));
    else if (!is_harmless_trigger(f))
        t = (struct bs_taint){.risk = BS_RISK_CRITICAL,
                              .code = "trigger",
                              .text = bs_tainting_say(b, "the trigger \"%s\" of %s.%s runs %s",
                                                      row->name, r->id.schema, r->id.name,
                                                      bs_tainting_function(b, row->function))};
    for (size_t i = 0; i < sizeof(events) / sizeof(events[0]); i++) {
        if ((row->type & events[i].bit) == 0)
            continue;
        bs_build_worsen_use(b, r, events[i].use, t);
        r->triggers = (uint8_t)(r->triggers | BIT(events[i].use));
    }
}

static void
taint_triggers(struct bs_build *b)
{
    size_t n;
    const struct bs_row_trigger *rows = BS_ROWS(b, TRIGGER, n);

    for (size_t i = 0; i < n; i++) {
        struct bs_relation *r = bs_build_relation(b, rows[i].relation);
        if (r != NULL && rows[i].enabled != 'D')
            add_trigger(b, r, &rows[i]);
    }
}

static void
taint_ddl(struct bs_build *b)
{
    size_t n;
    const struct bs_row_event_trigger *rows = BS_ROWS(b, EVENT_TRIGGER, n);

    for (size_t i = 0; i < n; i++) {
        struct bs_taint t = {.risk = BS_RISK_CRITICAL, .code = "event_trigger"};
        if (bs_tainting_can_read(bs_snapshot_function(b->s, rows[i].function)))
            t = bs_tainting_run(b, rows[i].function, "event_trigger");
        else
            t.text = bs_tainting_say(b, "the event trigger \"%s\" runs %s", rows[i].name,
                                     bs_tainting_function(b, rows[i].function));
        bs_build_worsen(b, &b->s->ddl, t);
    }
}

static void
taint_foreign(struct bs_build *b)
{
    for (size_t i = 0; i < b->s->n_relations; i++) {
        struct bs_relation *r = &b->s->relations[i];
        struct bs_taint t = {.risk = BS_RISK_CRITICAL, .code = "foreign_table"};
        if (r->relkind != 'f')
            continue;
        t.text = bs_tainting_say(
            b, "%s.%s is a foreign table: what reading or writing it does is not known",
            r->id.schema, r->id.name);
        for (int use = 0; use < BS_USE_COUNT; use++)
            bs_build_worsen_use(b, r, (enum bs_use)use, t);
    }
}

static void
sum_up(struct bs_build *b)
{
    bs_tainting_spread(b);
    for (size_t i = 0; i < b->s->n_relations; i++) {
        bs_build_worsen(b, &b->s->upkeep, b->s->relations[i].use[BS_USE_UPKEEP]);
        bs_build_worsen(b, &b->s->any_type, b->s->relations[i].row);
    }
    for (size_t i = 0; i < b->s->n_types; i++)
        bs_build_worsen(b, &b->s->any_type, b->s->types[i].taint);
}

/* What bs_snapshot_type_taint and bs_judge_run look things up in. */
static void
keep_places(struct bs_build *b)
{
    struct bs_snapshot *s = b->s;

    s->row_types = bs_build_array(b, b->n_row_types, sizeof(*s->row_types));
    if (s->row_types != NULL && b->n_row_types != 0)
        memcpy(s->row_types, b->row_types, b->n_row_types * sizeof(*s->row_types));
    s->n_row_types = s->row_types == NULL ? 0 : b->n_row_types;
    s->harmless = bs_build_array(b, s->n_functions, sizeof(*s->harmless));
    s->wild = bs_build_array(b, s->n_operators, sizeof(*s->wild));
    for (size_t i = 0; s->wild != NULL && i < s->n_operators; i++) {
        if (s->operators[i].risk != BS_RISK_SAFE)
            s->wild[s->n_wild++] = &s->operators[i];
    }
}

enum bs_done
bs_build_taints(struct bs_build *b)
{
    b->s->ddl = b->s->casts = b->s->classes = b->s->upkeep = b->s->any_type = bs_taint_none;
    bs_build_taint_casts(b);
    bs_build_classes(b);
    bs_build_taint_domains(b);
    bs_build_taint_columns(b);
    taint_defaults(b);
    taint_checks(b);
    taint_indexes(b);
    bs_build_classed(b);
    taint_statistics(b);
    taint_partition_keys(b);
    taint_policies(b);
    taint_rules(b);
    taint_triggers(b);
    taint_ddl(b);
    taint_foreign(b);
    sum_up(b);
    keep_places(b);
    return b->err->code == BS_OK ? BS_DONE : BS_FAILED;
}
