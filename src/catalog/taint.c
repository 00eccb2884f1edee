/*
 * taint.c - what using a relation or a type would run beside what the statement says.
 *
 * All is worked out here, once a snapshot, so that a judgement is a look-up. What calls only
 * vetted functions leaves no trace; everything else has one sentence for the operator.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "catalog/build.h"

#define BIT(use) (1u << (use))
#define WRITES   (BIT(BS_USE_INSERT) | BIT(BS_USE_UPDATE))

static const struct bs_taint none = {.risk = BS_RISK_SAFE};

/* pg_trigger.tgtype. */
enum { TRIGGER_INSERT = 4, TRIGGER_DELETE = 8, TRIGGER_UPDATE = 16, TRIGGER_TRUNCATE = 32 };

/* What one thing runs at most before it counts as running anything: lists of lists of lists would
 * fill the memory. Whatever had too many has this one from then on. */
#define MAX_RUNS 1024
static const struct bs_run too_many = {0, NULL};

/* How many of the second list the first one lacks. Both are sorted. */
static size_t
count_new(const struct bs_taint *t, const struct bs_run *more, size_t n)
{
    size_t at = 0, count = 0;

    for (size_t i = 0; i < n; i++) {
        while (at < t->n_runs && t->runs[at].function < more[i].function)
            at++;
        count += at == t->n_runs || t->runs[at].function != more[i].function;
    }
    return count;
}

/* Two lists as one. Most often one of them has all of the other's, or is empty. */
static void
add_runs(struct bs_build *b, struct bs_taint *t, const struct bs_run *more, size_t n)
{
    struct bs_run *all;
    size_t at = 0, i = 0, k = 0;
    size_t added = more == t->runs || t->runs == &too_many ? 0 : count_new(t, more, n);

    if (added == 0)
        return;
    if (t->n_runs + added > MAX_RUNS) {
        const char *word = more->word;
        t->runs = &too_many;
        t->n_runs = 0;
        if (bs_risk_worse(t->risk, BS_RISK_CRITICAL) == BS_RISK_CRITICAL)
            *t = (struct bs_taint){BS_RISK_CRITICAL, word,
                                   "it runs more functions than are looked at", &too_many, 0};
        return;
    }
    all = t->n_runs == 0 ? NULL : bs_build_array(b, t->n_runs + added, sizeof(*all));
    if (all == NULL) {
        t->runs = more;
        t->n_runs = n;
        return;
    }
    while (i < t->n_runs || k < n) {
        bool first = k == n || (i < t->n_runs && t->runs[i].function <= more[k].function);
        bool both = first && k < n && t->runs[i].function == more[k].function;
        all[at++] = first ? t->runs[i] : more[k];
        i += first;
        k += !first || both;
    }
    t->runs = all;
    t->n_runs = at;
}

void
bs_build_worsen(struct bs_build *b, struct bs_taint *t, struct bs_taint more)
{
    if (more.risk != t->risk && bs_risk_worse(more.risk, t->risk) == more.risk) {
        t->risk = more.risk;
        t->code = more.code;
        t->text = more.text;
    }
    add_runs(b, t, more.runs, more.n_runs);
}

/* Nothing to tell, and nothing to run. */
static bool
is_clean(const struct bs_taint *t)
{
    return t->risk == BS_RISK_SAFE && t->n_runs == 0;
}

/* The same for a use of a relation, which most of them share as long as it is clean. */
void
bs_build_worsen_use(struct bs_build *b,
                    struct bs_relation *r,
                    enum bs_use use,
                    struct bs_taint more)
{
    if (is_clean(&more))
        return;
    if (r->use == b->clean) {
        r->use = bs_build_array(b, BS_USE_COUNT, sizeof(*r->use));
        if (r->use == NULL) { /* the error is set: nobody will look */
            r->use = b->clean;
            return;
        }
        for (int i = 0; i < BS_USE_COUNT; i++)
            r->use[i] = none;
    }
    bs_build_worsen(b, &r->use[use], more);
}

/* Only what is CRITICAL counts of some code (a default may call nextval), and what it runs. */
static struct bs_taint
critical_only(struct bs_taint t)
{
    if (t.risk == BS_RISK_CRITICAL || t.risk == BS_RISK_UNKNOWN)
        return t;
    return (struct bs_taint){.risk = BS_RISK_SAFE, .runs = t.runs, .n_runs = t.n_runs};
}

/* Its body tells what it does, or those of its parts do. */
static bool
can_be_read(const struct bs_function *f)
{
    return f != NULL && (f->body != NULL || f->n_parts != 0);
}

/* What running one function means. */
static struct bs_taint
run_of(struct bs_build *b, uint32_t function, const char *word)
{
    struct bs_run *run = bs_build_array(b, 1, sizeof(*run));

    if (run == NULL)
        return (struct bs_taint){BS_RISK_CRITICAL, word, "the catalog is too large", NULL, 0};
    *run = (struct bs_run){function, word};
    return (struct bs_taint){.risk = BS_RISK_SAFE, .runs = run, .n_runs = 1};
}

static const char *sentence(struct bs_build *b, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

static const char *
sentence(struct bs_build *b, const char *fmt, ...)
{
    char text[512];
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    return bs_build_text(b, text);
}

static const char *
function_name(struct bs_build *b, uint32_t oid)
{
    const struct bs_function *f = bs_snapshot_function(b->s, oid);

    if (f == NULL)
        return sentence(b, "a function with OID %u", oid);
    return sentence(b, "%s.%s()", f->id.schema, f->id.name);
}

/* Type names are looked up on every level: what is not known and not the cluster's own is not
 * harmless. */
static struct bs_taint
taint_of_type(struct bs_build *b, uint32_t oid)
{
    const struct bs_type *t = bs_build_type(b, oid);
    const struct bs_relation *row;

    if (t != NULL)
        return t->taint;
    row = bs_build_row_type(b, oid);
    if (row != NULL)
        return row->row;
    if (oid < BS_FIRST_NORMAL_OID)
        return none;
    return (struct bs_taint){.risk = BS_RISK_CRITICAL,
                             .code = "unlisted_type",
                             .text = sentence(b, "a type with OID %u is not known", oid)};
}

/* One piece of stored code. */
struct code {
    const struct bs_list *refs; /* NULL: there are none */
    const char *word;           /* the taint's code */
    const char *what;           /* "the default of column \"x\"" */
    struct bs_relation *of;     /* NULL: a domain's */
};

static struct bs_taint
calls(struct bs_build *b, const struct code *c, uint32_t function)
{
    const struct bs_function *f = bs_snapshot_function(b->s, function);
    enum bs_risk risk = f == NULL ? BS_RISK_CRITICAL : f->risk;

    if (risk == BS_RISK_SAFE)
        return none;
    if (risk == BS_RISK_CRITICAL && can_be_read(f))
        return run_of(b, function, c->word);
    return (struct bs_taint){
        .risk = risk,
        .code = c->word,
        .text = sentence(b, "%s of %s.%s calls %s", c->what, c->of == NULL ? "?" : c->of->id.schema,
                         c->of == NULL ? "?" : c->of->id.name, function_name(b, function))};
}

/*
 * The worst that running a piece of code may do.
 *
 * folded  set where planning a mere read may do it: a call of constants only is evaluated while
 *         the planner simplifies checks and index expressions; may be NULL
 */
static struct bs_taint
judge_code(struct bs_build *b, const struct code *c, struct bs_taint *folded)
{
    struct bs_taint worst = none;

    for (uint32_t i = 0; c->refs != NULL && i < c->refs->n; i++) {
        struct bs_taint t = none;
        uint32_t oid;
        bool constant;
        enum bs_code_ref ref = bs_list_ref(c->refs, i, &oid, &constant);
        if (ref == BS_CODE_FUNCTION)
            t = calls(b, c, oid);
        else if (ref == BS_CODE_TYPE)
            t = taint_of_type(b, oid);
        bs_build_worsen(b, &worst, t);
        if (folded != NULL && !is_clean(&t) && constant)
            bs_build_worsen(b, folded, t);
    }
    return worst;
}

/* Code that runs on these uses. */
static void
add_code(struct bs_build *b, const struct code *c, uint32_t uses, bool folds)
{
    struct bs_taint folded = none, t = judge_code(b, c, folds ? &folded : NULL);

    for (int use = 0; use < BS_USE_COUNT; use++) {
        if ((uses & BIT(use)) != 0)
            bs_build_worsen_use(b, c->of, (enum bs_use)use, critical_only(t));
    }
    bs_build_worsen_use(b, c->of, BS_USE_READ, critical_only(folded));
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

/* A cast or a comparison of a type's values, which no text needs to name. */
void
bs_build_taint_values(struct bs_build *b, uint32_t type_oid, struct bs_taint t)
{
    struct bs_type *type = bs_build_type(b, type_oid);
    struct bs_relation *row = bs_build_row_type(b, type_oid);

    if (type != NULL) {
        bs_build_worsen(b, &type->taint, t);
        type->cast = true;
    }
    if (row != NULL) {
        bs_build_worsen(b, &row->row, t);
        row->cast = true;
    }
}

/* False where running it is harmless. */
bool
bs_build_hidden(
    struct bs_build *b, uint32_t oid, const char *word, const char *what, struct bs_taint *out)
{
    const struct bs_function *function = bs_snapshot_function(b->s, oid);

    if (oid == 0 || (function != NULL && function->risk == BS_RISK_SAFE))
        return false;
    *out = (struct bs_taint){.risk = BS_RISK_CRITICAL, .code = word};
    if (can_be_read(function))
        *out = run_of(b, oid, word);
    else
        out->text = sentence(b, "%s runs %s", what, function_name(b, oid));
    return true;
}

static void
taint_cast(struct bs_build *b, const struct bs_row_cast *c)
{
    uint32_t ends[2] = {c->source, c->target};
    bool own = ends[0] >= BS_FIRST_NORMAL_OID || ends[1] >= BS_FIRST_NORMAL_OID;
    struct bs_taint t;

    if (!bs_build_hidden(b, c->function, "cast", "a cast", &t))
        return;
    for (int k = 0; k < 2; k++) {
        /* Whoever gets to PostgreSQL's own end comes from the other one. */
        if (!own || ends[k] >= BS_FIRST_NORMAL_OID)
            bs_build_taint_values(b, ends[k], t);
    }
    if (!own && c->context != 'e')
        bs_build_worsen(b, &b->s->casts, t);
}

static void
taint_casts(struct bs_build *b)
{
    size_t n;
    const struct bs_row_cast *rows = BS_ROWS(b, CAST, n);

    for (size_t i = 0; i < n; i++)
        taint_cast(b, &rows[i]);
}

static void
taint_domain(struct bs_build *b, uint32_t oid, const struct bs_list *refs)
{
    struct bs_type *t = refs == NULL ? NULL : bs_build_type(b, oid);
    struct code c = {refs, "domain", "the domain", NULL};
    struct bs_taint found;

    if (t == NULL || t->typtype != 'd')
        return;
    found = critical_only(judge_code(b, &c, NULL));
    if (found.risk != BS_RISK_SAFE) {
        found.code = "domain";
        found.text = sentence(b, "the domain %s.%s runs a function that nobody has vetted",
                              t->id.schema, t->id.name);
    }
    bs_build_worsen(b, &t->taint, found);
}

/* Checks and defaults of domains, before what is made of domains. */
static void
taint_domains(struct bs_build *b)
{
    size_t n, n_constraints;
    const struct bs_row_type *types = BS_ROWS(b, TYPE, n);
    const struct bs_row_constraint *constraints = BS_ROWS(b, CONSTRAINT, n_constraints);

    for (size_t i = 0; i < n; i++) {
        if (types[i].oid >= BS_FIRST_NORMAL_OID)
            taint_domain(b, types[i].oid, types[i].value);
    }
    for (size_t i = 0; i < n_constraints; i++)
        taint_domain(b, constraints[i].domain, constraints[i].check);
}

/* Columns of types that somebody made; arrays as their elements. */
struct own_columns {
    struct own_column {
        struct bs_relation *of;
        uint32_t type;
    } * list;
    size_t n;
};

/* Arrays of rows are in no table of types, but their own. */
static uint32_t
element_of(const struct bs_row_type *types, size_t n, uint32_t oid)
{
    const struct bs_row_type *t = bs_oid_find(types, n, sizeof(*types), oid);

    return t != NULL && t->length == -1 && t->element != 0 ? t->element : oid;
}

static void
list_columns(struct bs_build *b, struct own_columns *out)
{
    size_t n, n_types;
    const struct bs_row_attribute *rows = BS_ROWS(b, ATTRIBUTE, n);
    const struct bs_row_type *types = BS_ROWS(b, TYPE, n_types);

    for (size_t i = 0; i < n; i++)
        out->n += rows[i].type >= BS_FIRST_NORMAL_OID;
    out->list = bs_malloc((out->n + 1) * sizeof(*out->list));
    out->n = 0;
    for (size_t i = 0; i < n; i++) {
        struct bs_relation *r;
        if (rows[i].type < BS_FIRST_NORMAL_OID || rows[i].dropped)
            continue;
        r = bs_build_relation(b, rows[i].relation);
        if (r != NULL)
            out->list[out->n++] = (struct own_column){r, element_of(types, n_types, rows[i].type)};
    }
}

/* A domain is cast as what it is made of. */
static bool
is_cast(struct bs_build *b, const struct bs_type *t)
{
    const struct bs_type *base = t->typtype == 'd' ? bs_build_type(b, t->base) : NULL;
    const struct bs_relation *row = t->typtype == 'd' ? bs_build_row_type(b, t->base) : NULL;

    return t->cast || (base != NULL && base->cast) || (row != NULL && row->cast);
}

/* Rows are compared column by column. */
static bool
is_cast_column(struct bs_build *b, uint32_t oid)
{
    const struct bs_type *t = bs_build_type(b, oid);
    const struct bs_relation *row = bs_build_row_type(b, oid);

    return (t != NULL && t->cast) || (row != NULL && row->cast);
}

/* One round over all that types are made of; true where something got worse. */
static bool
spread_types(struct bs_build *b, const struct own_columns *columns)
{
    bool changed = false;

    for (size_t i = 0; i < b->s->n_types; i++) {
        struct bs_type *t = &b->s->types[i];
        enum bs_risk was = t->taint.risk;
        size_t ran = t->taint.n_runs;
        bool cast = is_cast(b, t);
        if (t->base != 0 && !t->builtin)
            bs_build_worsen(b, &t->taint, taint_of_type(b, t->base));
        changed = changed || t->taint.risk != was || t->taint.n_runs != ran || t->cast != cast;
        t->cast = cast;
    }
    for (size_t i = 0; i < columns->n; i++) {
        struct bs_relation *r = columns->list[i].of;
        enum bs_risk was = r->row.risk;
        size_t ran = r->row.n_runs;
        bool cast = r->cast || is_cast_column(b, columns->list[i].type);
        bs_build_worsen(b, &r->row, taint_of_type(b, columns->list[i].type));
        changed = changed || r->row.risk != was || r->row.n_runs != ran || r->cast != cast;
        r->cast = cast;
    }
    return changed;
}

static void
taint_columns(struct bs_build *b)
{
    struct own_columns columns = {0};

    list_columns(b, &columns);
    while (spread_types(b, &columns))
        ;
    free(columns.list);
    for (size_t i = 0; i < b->s->n_relations; i++) {
        struct bs_relation *r = &b->s->relations[i];
        if (r->cast) {
            bs_build_worsen_use(b, r, BS_USE_READ, r->row);
            bs_build_worsen_use(b, r, BS_USE_UPKEEP, r->row);
        }
        bs_build_worsen_use(b, r, BS_USE_INSERT, r->row);
        bs_build_worsen_use(b, r, BS_USE_UPDATE, r->row);
    }
}

/* One piece of code of a relation. `folds`: the planner simplifies it for a mere read. */
static void
taint_by(struct bs_build *b,
         const struct code *like,
         const char *name,
         const struct bs_list *refs,
         uint32_t uses,
         bool folds)
{
    struct code c = *like;
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
        struct code c = {.word = generated ? "generated" : "default",
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
        struct code c = {.word = "check",
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
        struct code c = {.word = "index", .what = "the index"};
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
        struct code c = {.word = "statistics",
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
        struct code c = {.word = "partition_key",
                         .what = "the partition key of",
                         .of = bs_build_relation(b, rows[i].relation)};
        taint_by(b, &c, rows[i].name, rows[i].code, WRITES, true);
    }
}

/* Code of a query: its calls, and the relations it reads, are the relation's own. */
static struct bs_taint
judge_query(struct bs_build *b, const struct code *c)
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
    return judge_code(b, c, NULL);
}

static void
taint_policies(struct bs_build *b)
{
    size_t n;
    const struct bs_row_code *rows = BS_ROWS(b, POLICY, n);

    for (size_t i = 0; i < n; i++) {
        struct code c = {.word = "policy", .of = bs_build_relation(b, rows[i].relation)};
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

    t.text = sentence(b, "the rule \"%s\" of %s.%s changes what the statement does", name,
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
        struct code c = {rows[i].action, "view", "the definition",
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
    struct code c = {row->condition, "trigger", "the condition of a trigger", r};
    struct bs_taint t = judge_code(b, &c, NULL);

    if (can_be_read(f))
        bs_build_worsen(b, &t, run_of(b, f->id.oid, "trigger"));
    else if (!is_harmless_trigger(f))
        t = (struct bs_taint){.risk = BS_RISK_CRITICAL,
                              .code = "trigger",
                              .text = sentence(b, "the trigger \"%s\" of %s.%s runs %s", row->name,
                                               r->id.schema, r->id.name,
                                               function_name(b, row->function))};
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
        if (can_be_read(bs_snapshot_function(b->s, rows[i].function)))
            t = run_of(b, rows[i].function, "event_trigger");
        else
            t.text = sentence(b, "the event trigger \"%s\" runs %s", rows[i].name,
                              function_name(b, rows[i].function));
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
        t.text =
            sentence(b, "%s.%s is a foreign table: what reading or writing it does is not known",
                     r->id.schema, r->id.name);
        for (int use = 0; use < BS_USE_COUNT; use++)
            bs_build_worsen_use(b, r, (enum bs_use)use, t);
    }
}

/* Who reads each relation: along views, policies, partitions and children, backwards. */
struct readers {
    uint32_t *from; /* of relation i: readers[from[i]] to readers[from[i + 1] - 1] */
    uint32_t *readers;
    uint32_t *queue; /* relations whose readers are to be told */
    bool *queued;
    size_t n;
};

static void
count_readers(const struct bs_pairs *p, struct readers *out)
{
    for (size_t i = 0; i < p->n; i++)
        out->from[p->list[i].to + 1]++;
}

static void
put_readers(const struct bs_pairs *p, struct readers *out, uint32_t *at)
{
    for (size_t i = 0; i < p->n; i++)
        out->readers[at[p->list[i].to]++] = p->list[i].from;
}

static void
list_readers(struct bs_build *b, struct readers *out)
{
    size_t n = b->s->n_relations;
    uint32_t *at = bs_malloc((n + 1) * sizeof(*at));

    out->from = bs_malloc((n + 2) * sizeof(*out->from));
    out->readers = bs_malloc((b->reads.n + b->children.n + 1) * sizeof(*out->readers));
    out->queue = bs_malloc((n + 1) * sizeof(*out->queue));
    out->queued = bs_malloc((n + 1) * sizeof(*out->queued));
    count_readers(&b->reads, out);
    count_readers(&b->children, out);
    for (size_t i = 0; i < n; i++)
        out->from[i + 1] += out->from[i];
    memcpy(at, out->from, n * sizeof(*at));
    put_readers(&b->reads, out, at);
    put_readers(&b->children, out, at);
    free(at);
}

static void
enqueue(struct readers *l, uint32_t place)
{
    if (l->queued[place])
        return;
    l->queued[place] = true;
    l->queue[l->n++] = place;
}

/* What one reads, one's readers read. True where that made it worse for them. */
static bool
tell_reader(struct bs_build *b, uint32_t place, uint32_t reader)
{
    const struct bs_relation *to = &b->s->relations[place];
    struct bs_relation *from = &b->s->relations[reader];
    enum bs_use use = from->relkind == 'm' ? BS_USE_REFRESH : BS_USE_READ;
    enum bs_risk was = from->use[use].risk;
    size_t ran = from->use[use].n_runs;

    bs_build_worsen_use(b, from, use, to->use[BS_USE_READ]);
    return use == BS_USE_READ && (from->use[use].risk != was || from->use[use].n_runs != ran);
}

/* Each relation when all that it reads have been told about: once is enough then. */
static void
spread_in_order(struct bs_build *b, struct readers *l)
{
    size_t n = b->s->n_relations;
    uint32_t *waits_for = bs_malloc((n + 1) * sizeof(*waits_for));

    for (uint32_t i = 0; i < l->from[n]; i++)
        waits_for[l->readers[i]]++;
    for (uint32_t i = 0; i < n; i++) {
        if (waits_for[i] == 0 && l->from[i] != l->from[i + 1])
            enqueue(l, i);
    }
    while (l->n != 0) {
        uint32_t place = l->queue[--l->n];
        for (uint32_t i = l->from[place]; i < l->from[place + 1]; i++) {
            (void)tell_reader(b, place, l->readers[i]);
            if (--waits_for[l->readers[i]] == 0)
                enqueue(l, l->readers[i]);
        }
    }
    memset(l->queued, 0, n * sizeof(*l->queued));
    for (uint32_t i = 0; i < n; i++) {
        if (waits_for[i] != 0)
            enqueue(l, i); /* of a circle, or behind one */
    }
    free(waits_for);
}

/* A circle ends because risks and lists only grow, up to their end. */
static void
spread_reads(struct bs_build *b)
{
    struct readers l = {0};

    list_readers(b, &l);
    spread_in_order(b, &l);
    while (l.n != 0) {
        uint32_t place = l.queue[--l.n];
        l.queued[place] = false;
        for (uint32_t i = l.from[place]; i < l.from[place + 1]; i++) {
            if (tell_reader(b, place, l.readers[i]))
                enqueue(&l, l.readers[i]);
        }
    }
    free(l.from);
    free(l.readers);
    free(l.queue);
    free(l.queued);
}

static void
sum_up(struct bs_build *b)
{
    spread_reads(b);
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
    b->s->ddl = b->s->casts = b->s->classes = b->s->upkeep = b->s->any_type = none;
    taint_casts(b);
    bs_build_classes(b);
    taint_domains(b);
    taint_columns(b);
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
