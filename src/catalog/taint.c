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
#include "catalog/code.h"

#define BIT(use) (1u << (use))
#define WRITES   (BIT(BS_USE_INSERT) | BIT(BS_USE_UPDATE))

static const struct bs_taint none = {BS_RISK_SAFE, NULL, NULL};

/* pg_trigger.tgtype. */
enum { TRIGGER_INSERT = 4, TRIGGER_DELETE = 8, TRIGGER_UPDATE = 16, TRIGGER_TRUNCATE = 32 };

static void
worsen(struct bs_taint *t, struct bs_taint more)
{
    if (more.risk != t->risk && bs_risk_worse(more.risk, t->risk) == more.risk)
        *t = more;
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
    return (struct bs_taint){BS_RISK_CRITICAL, "unlisted_type",
                             sentence(b, "a type with OID %u is not known", oid)};
}

/* One piece of stored code. */
struct code {
    const char *tree;       /* NULL: there is none */
    const char *word;       /* the taint's code */
    const char *what;       /* "the default of column \"x\"" */
    struct bs_relation *of; /* NULL: a domain's */
};

static struct bs_taint
calls(struct bs_build *b, const struct code *c, uint32_t function)
{
    const struct bs_function *f = bs_snapshot_function(b->s, function);
    enum bs_risk risk = f == NULL ? BS_RISK_CRITICAL : f->risk;

    if (risk == BS_RISK_SAFE)
        return none;
    return (struct bs_taint){
        risk, c->word,
        sentence(b, "%s of %s.%s calls %s", c->what, c->of == NULL ? "?" : c->of->id.schema,
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
    const char *at = c->tree;
    enum bs_code_ref ref;
    uint32_t oid;

    if (at == NULL)
        return worst;
    while ((ref = bs_code_next(&at, &oid)) != BS_CODE_END) {
        struct bs_taint t = none;
        if (ref == BS_CODE_FUNCTION)
            t = calls(b, c, oid);
        else if (ref == BS_CODE_TYPE)
            t = taint_of_type(b, oid);
        worsen(&worst, t);
        if (folded != NULL && t.risk != BS_RISK_SAFE && bs_code_is_constant(c->tree, at))
            worsen(folded, t);
    }
    return worst;
}

/* Code that runs on these uses; only what is CRITICAL counts (a default may call nextval). */
static void
add_code(struct bs_build *b, const struct code *c, uint32_t uses, bool folds)
{
    struct bs_taint folded = none, t = judge_code(b, c, folds ? &folded : NULL);

    for (int use = 0; use < BS_USE_COUNT; use++) {
        if ((uses & BIT(use)) != 0 && t.risk == BS_RISK_CRITICAL)
            worsen(&c->of->use[use], t);
    }
    if (folded.risk == BS_RISK_CRITICAL)
        worsen(&c->of->use[BS_USE_READ], folded);
}

static enum bs_done
query(struct bs_build *b, const char *sql, int columns, PGresult **res)
{
    return bs_reader_query(&b->reader, sql, columns, res, b->err);
}

static enum bs_done
end(struct bs_build *b, PGresult *res)
{
    PQclear(res);
    return b->err->code == BS_OK ? BS_DONE : BS_FAILED;
}

/*
 * The labels in stored trees are the server's business. Should a release rename them, everything
 * would look harmless: so a view whose calls are known is read first.
 */
static enum bs_done
check_labels(struct bs_build *b)
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

    if (query(b, sql, 3, &res) != BS_DONE)
        return BS_FAILED;
    at = PQntuples(res) == 1 ? bs_text_at(res, 0, 0) : NULL;
    while (at != NULL && (ref = bs_code_next(&at, &oid)) != BS_CODE_END) {
        function = function || (ref == BS_CODE_FUNCTION && oid == bs_oid_at(res, 0, 1));
        op = op || (ref == BS_CODE_FUNCTION && oid == bs_oid_at(res, 0, 2));
        table = table || (ref == BS_CODE_RELATION && oid == BS_CLASS_RELATION);
    }
    if (!function || !op || !table)
        (void)BS_FAIL(b->err, DATABASE, "stored code of server version %d cannot be read",
                      b->reader.version);
    return end(b, res);
}

static enum bs_done
load_casts(struct bs_build *b)
{
    static const char sql[] = "SELECT c.castsource, c.casttarget, c.castfunc, c.castcontext"
                              " FROM pg_catalog.pg_cast c WHERE c.oid >= 16384";
    PGresult *res;

    if (query(b, sql, 4, &res) != BS_DONE)
        return BS_FAILED;
    for (int i = 0; i < PQntuples(res); i++) {
        uint32_t ends[2] = {bs_oid_at(res, i, 0), bs_oid_at(res, i, 1)}, f = bs_oid_at(res, i, 2);
        const struct bs_function *function = bs_snapshot_function(b->s, f);
        bool own = ends[0] >= BS_FIRST_NORMAL_OID || ends[1] >= BS_FIRST_NORMAL_OID;
        struct bs_taint t = {BS_RISK_CRITICAL, "cast", NULL};
        if (f == 0 || (function != NULL && function->risk == BS_RISK_SAFE))
            continue;
        t.text = sentence(b, "a cast runs %s", function_name(b, f));
        for (int k = 0; k < 2; k++) {
            struct bs_type *type = bs_build_type(b, ends[k]);
            struct bs_relation *row = bs_build_row_type(b, ends[k]);
            if (own && ends[k] < BS_FIRST_NORMAL_OID)
                continue; /* whoever gets there comes from the other end */
            if (type != NULL) {
                worsen(&type->taint, t);
                type->cast = true;
            }
            if (row != NULL)
                worsen(&row->row, t);
        }
        if (!own && bs_char_at(res, i, 3) != 'e')
            worsen(&b->s->casts, t);
    }
    return end(b, res);
}

/* Checks and defaults of domains, before what is made of domains. */
static enum bs_done
load_domains(struct bs_build *b)
{
    static const char sql[] =
        "SELECT t.oid, c.conbin::pg_catalog.text, t.typdefaultbin::pg_catalog.text"
        " FROM pg_catalog.pg_type t LEFT JOIN pg_catalog.pg_constraint c"
        " ON c.contypid = t.oid AND c.conbin IS NOT NULL"
        " WHERE t.typtype = 'd' AND t.oid >= 16384";
    PGresult *res;

    if (query(b, sql, 3, &res) != BS_DONE)
        return BS_FAILED;
    for (int i = 0; i < PQntuples(res); i++) {
        struct bs_type *t = bs_build_type(b, bs_oid_at(res, i, 0));
        for (int column = 1; t != NULL && column <= 2; column++) {
            struct code c = {bs_text_at(res, i, column), "domain", "the domain", NULL};
            struct bs_taint found = judge_code(b, &c, NULL);
            if (found.risk != BS_RISK_CRITICAL)
                continue;
            found.code = "domain";
            found.text = sentence(b, "the domain %s.%s runs a function that nobody has vetted",
                                  t->id.schema, t->id.name);
            worsen(&t->taint, found);
        }
    }
    return end(b, res);
}

/* Columns of types that somebody made; arrays as their elements. */
static const char columns_sql[] =
    "SELECT a.attrelid, a.attname, coalesce(i.oid, t.oid) FROM pg_catalog.pg_attribute a"
    " JOIN pg_catalog.pg_type t ON t.oid = a.atttypid"
    " LEFT JOIN pg_catalog.pg_type i ON i.oid = t.typelem AND t.typlen = -1"
    " JOIN pg_catalog.pg_class c ON c.oid = a.attrelid"
    " WHERE a.atttypid >= 16384 AND a.attnum > 0 AND NOT a.attisdropped"
    " AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'c')";

/* A domain is cast as what it is made of. */
static bool
is_cast(struct bs_build *b, const struct bs_type *t)
{
    const struct bs_type *base = t->typtype == 'd' ? bs_build_type(b, t->base) : NULL;

    return t->cast || (base != NULL && base->cast);
}

/* One round over all that types are made of; true where something got worse. */
static bool
spread_types(struct bs_build *b, const PGresult *columns)
{
    bool changed = false;

    for (size_t i = 0; i < b->s->n_types; i++) {
        struct bs_type *t = &b->s->types[i];
        enum bs_risk was = t->taint.risk;
        bool cast = is_cast(b, t);
        if (t->base != 0 && !t->builtin)
            worsen(&t->taint, taint_of_type(b, t->base));
        changed = changed || t->taint.risk != was || t->cast != cast;
        t->cast = cast;
    }
    for (int i = 0; i < PQntuples(columns); i++) {
        struct bs_relation *r = bs_build_relation(b, bs_oid_at(columns, i, 0));
        enum bs_risk was;
        if (r == NULL)
            continue;
        was = r->row.risk;
        worsen(&r->row, taint_of_type(b, bs_oid_at(columns, i, 2)));
        changed = changed || r->row.risk != was;
    }
    return changed;
}

static enum bs_done
load_columns(struct bs_build *b)
{
    PGresult *res;

    if (query(b, columns_sql, 3, &res) != BS_DONE)
        return BS_FAILED;
    while (spread_types(b, res))
        ;
    for (int i = 0; i < PQntuples(res); i++) {
        struct bs_relation *r = bs_build_relation(b, bs_oid_at(res, i, 0));
        const struct bs_type *t = bs_build_type(b, bs_oid_at(res, i, 2));
        if (r != NULL && t != NULL && t->cast)
            worsen(&r->use[BS_USE_READ], t->taint);
    }
    for (size_t i = 0; i < b->s->n_relations; i++) {
        worsen(&b->s->relations[i].use[BS_USE_INSERT], b->s->relations[i].row);
        worsen(&b->s->relations[i].use[BS_USE_UPDATE], b->s->relations[i].row);
    }
    return end(b, res);
}

/* A query of stored code: relation, name, then up to two trees. */
struct source {
    const char *sql;
    const char *word;
    const char *what; /* before the name */
    uint32_t uses;
    bool folds; /* the planner simplifies it for a mere read */
    int since;  /* server_version_num */
};

#define COLUMN_SQL(generated)                                                                      \
    "SELECT d.adrelid, a.attname, d.adbin::pg_catalog.text, NULL::pg_catalog.text"                 \
    " FROM pg_catalog.pg_attrdef d JOIN pg_catalog.pg_attribute a ON a.attrelid = d.adrelid"       \
    " AND a.attnum = d.adnum WHERE d.adrelid >= 16384 AND a.attgenerated " generated

static const struct source sources[] = {
    {COLUMN_SQL("= ''"), "default", "the default of column", WRITES, false, 0},
    {COLUMN_SQL("= 's'"), "generated", "the generated column", WRITES, false, 0},
    /* Virtual ones are worked out by every read. */
    {COLUMN_SQL("NOT IN ('', 's')"), "generated", "the generated column", WRITES | BIT(BS_USE_READ),
     false, 0},
    {"SELECT c.conrelid, c.conname, c.conbin::pg_catalog.text, NULL::pg_catalog.text"
     " FROM pg_catalog.pg_constraint c WHERE c.conrelid >= 16384 AND c.conbin IS NOT NULL",
     "check", "the constraint", WRITES, true, 0},
    {"SELECT i.indrelid, c.relname, i.indexprs::pg_catalog.text, i.indpred::pg_catalog.text"
     " FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid"
     " WHERE i.indrelid >= 16384 AND (i.indexprs IS NOT NULL OR i.indpred IS NOT NULL)",
     "index", "the index", WRITES | BIT(BS_USE_UPKEEP) | BIT(BS_USE_REFRESH), true, 0},
    {"SELECT e.stxrelid, e.stxname, e.stxexprs::pg_catalog.text, NULL::pg_catalog.text"
     " FROM pg_catalog.pg_statistic_ext e WHERE e.stxexprs IS NOT NULL",
     "statistics", "the statistics", BIT(BS_USE_UPKEEP), true, 140000},
    {"SELECT p.partrelid, c.relname, p.partexprs::pg_catalog.text, NULL::pg_catalog.text"
     " FROM pg_catalog.pg_partitioned_table p JOIN pg_catalog.pg_class c ON c.oid = p.partrelid"
     " WHERE p.partexprs IS NOT NULL",
     "partition_key", "the partition key of", WRITES, true, 0},
};

static enum bs_done
load_source(struct bs_build *b, const struct source *source)
{
    PGresult *res;

    if (b->reader.version < source->since)
        return BS_DONE;
    if (query(b, source->sql, 4, &res) != BS_DONE)
        return BS_FAILED;
    for (int i = 0; i < PQntuples(res); i++) {
        struct code c = {.word = source->word, .of = bs_build_relation(b, bs_oid_at(res, i, 0))};
        char what[160];
        if (c.of == NULL)
            continue;
        (void)snprintf(what, sizeof(what), "%s \"%s\"", source->what, bs_text_at(res, i, 1));
        c.what = what;
        for (int column = 2; column <= 3; column++) {
            c.tree = bs_text_at(res, i, column);
            add_code(b, &c, source->uses, source->folds);
        }
    }
    return end(b, res);
}

/* Code of a query: its calls, and the relations it reads, are the relation's own. */
static struct bs_taint
judge_query(struct bs_build *b, const struct code *c)
{
    struct bs_taint t = judge_code(b, c, NULL);
    const char *at = c->tree;
    enum bs_code_ref ref;
    uint32_t oid;

    while (at != NULL && (ref = bs_code_next(&at, &oid)) != BS_CODE_END) {
        const struct bs_relation *to = ref == BS_CODE_RELATION ? bs_build_relation(b, oid) : NULL;
        /* A view's own definition names the view itself, twice. */
        if (to != NULL && to != c->of && !to->system)
            bs_pairs_add(&b->reads, bs_build_place(b, c->of), bs_build_place(b, to));
    }
    return t;
}

static enum bs_done
load_policies(struct bs_build *b)
{
    static const char sql[] =
        "SELECT p.polrelid, p.polname, p.polqual::pg_catalog.text,"
        " p.polwithcheck::pg_catalog.text FROM pg_catalog.pg_policy p"
        " JOIN pg_catalog.pg_class c ON c.oid = p.polrelid WHERE c.relrowsecurity";
    PGresult *res;

    if (query(b, sql, 4, &res) != BS_DONE)
        return BS_FAILED;
    for (int i = 0; i < PQntuples(res); i++) {
        struct code c = {.word = "policy", .of = bs_build_relation(b, bs_oid_at(res, i, 0))};
        char what[160];
        if (c.of == NULL)
            continue;
        (void)snprintf(what, sizeof(what), "the policy \"%s\"", bs_text_at(res, i, 1));
        c.what = what;
        for (int column = 2; column <= 3; column++) {
            c.tree = bs_text_at(res, i, column);
            worsen(&c.of->use[BS_USE_READ], judge_query(b, &c));
        }
    }
    return end(b, res);
}

/* A rule on a write puts other statements in its place: whatever they are, nobody captures them. */
static void
add_rule(struct bs_build *b, struct bs_relation *r, const char *name, char event)
{
    static const enum bs_use uses[] = {BS_USE_READ, BS_USE_UPDATE, BS_USE_INSERT, BS_USE_DELETE};
    struct bs_taint t = {BS_RISK_CRITICAL, "rule", NULL};
    enum bs_use use = event >= '1' && event <= '4' ? uses[event - '1'] : BS_USE_READ;

    t.text = sentence(b, "the rule \"%s\" of %s.%s changes what the statement does", name,
                      r->id.schema, r->id.name);
    worsen(&r->use[use], t);
    r->rules = (uint8_t)(r->rules | BIT(use));
}

static enum bs_done
load_rules(struct bs_build *b)
{
    static const char sql[] =
        "SELECT r.ev_class, r.rulename, r.ev_type, r.ev_action::pg_catalog.text"
        " FROM pg_catalog.pg_rewrite r WHERE r.oid >= 16384 AND r.ev_enabled <> 'D'";
    PGresult *res;

    if (query(b, sql, 4, &res) != BS_DONE)
        return BS_FAILED;
    for (int i = 0; i < PQntuples(res); i++) {
        char event = bs_char_at(res, i, 2);
        struct code c = {bs_text_at(res, i, 3), "view", "the definition",
                         bs_build_relation(b, bs_oid_at(res, i, 0))};
        if (c.of == NULL)
            continue;
        if (event == '1' && (c.of->relkind == 'v' || c.of->relkind == 'm')) {
            enum bs_use use = c.of->relkind == 'v' ? BS_USE_READ : BS_USE_REFRESH;
            worsen(&c.of->use[use], judge_query(b, &c));
        } else {
            add_rule(b, c.of, bs_text_at(res, i, 1), event);
        }
    }
    return end(b, res);
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
add_trigger(struct bs_build *b, struct bs_relation *r, const PGresult *res, int row)
{
    static const struct {
        int bit;
        enum bs_use use;
    } events[] = {{TRIGGER_INSERT, BS_USE_INSERT},
                  {TRIGGER_DELETE, BS_USE_DELETE},
                  {TRIGGER_UPDATE, BS_USE_UPDATE},
                  {TRIGGER_TRUNCATE, BS_USE_TRUNCATE}};
    const struct bs_function *f = bs_snapshot_function(b->s, bs_oid_at(res, row, 2));
    struct code c = {bs_text_at(res, row, 4), "trigger", "the condition of a trigger", r};
    struct bs_taint t = judge_code(b, &c, NULL);
    int type = bs_int_at(res, row, 3);

    if (!is_harmless_trigger(f))
        t = (struct bs_taint){BS_RISK_CRITICAL, "trigger",
                              sentence(b, "the trigger \"%s\" of %s.%s runs %s",
                                       bs_text_at(res, row, 1), r->id.schema, r->id.name,
                                       function_name(b, bs_oid_at(res, row, 2)))};
    for (size_t i = 0; i < sizeof(events) / sizeof(events[0]); i++) {
        if ((type & events[i].bit) == 0)
            continue;
        worsen(&r->use[events[i].use], t);
        r->triggers = (uint8_t)(r->triggers | BIT(events[i].use));
    }
}

static enum bs_done
load_triggers(struct bs_build *b)
{
    /* Internal ones of the server's own functions are foreign keys and deferred keys. */
    static const char sql[] =
        "SELECT t.tgrelid, t.tgname, t.tgfoid, t.tgtype, t.tgqual::pg_catalog.text"
        " FROM pg_catalog.pg_trigger t JOIN pg_catalog.pg_proc p ON p.oid = t.tgfoid"
        " WHERE t.tgenabled <> 'D' AND (NOT t.tgisinternal OR p.oid >= 16384)";
    PGresult *res;

    if (query(b, sql, 5, &res) != BS_DONE)
        return BS_FAILED;
    for (int i = 0; i < PQntuples(res); i++) {
        struct bs_relation *r = bs_build_relation(b, bs_oid_at(res, i, 0));
        if (r != NULL)
            add_trigger(b, r, res, i);
    }
    return end(b, res);
}

static enum bs_done
load_event_triggers(struct bs_build *b)
{
    static const char sql[] = "SELECT e.evtname, e.evtfoid FROM pg_catalog.pg_event_trigger e"
                              " WHERE e.evtenabled <> 'D'";
    PGresult *res;

    if (query(b, sql, 2, &res) != BS_DONE)
        return BS_FAILED;
    for (int i = 0; i < PQntuples(res); i++)
        worsen(&b->s->ddl, (struct bs_taint){BS_RISK_CRITICAL, "event_trigger",
                                             sentence(b, "the event trigger \"%s\" runs %s",
                                                      bs_text_at(res, i, 0),
                                                      function_name(b, bs_oid_at(res, i, 1)))});
    return end(b, res);
}

static void
taint_foreign(struct bs_build *b)
{
    for (size_t i = 0; i < b->s->n_relations; i++) {
        struct bs_relation *r = &b->s->relations[i];
        struct bs_taint t = {BS_RISK_CRITICAL, "foreign_table", NULL};
        if (r->relkind != 'f')
            continue;
        t.text =
            sentence(b, "%s.%s is a foreign table: what reading or writing it does is not known",
                     r->id.schema, r->id.name);
        for (int use = 0; use < BS_USE_COUNT; use++)
            worsen(&r->use[use], t);
    }
}

/* What one reads, one's readers read: along views, policies, partitions and children, backwards,
 * until nothing gets worse. A circle ends because risks only grow. */
static void
spread_reads(struct bs_build *b, const struct bs_pairs *p, bool *changed)
{
    for (size_t i = 0; i < p->n; i++) {
        struct bs_relation *from = &b->s->relations[p->list[i].from];
        const struct bs_relation *to = &b->s->relations[p->list[i].to];
        struct bs_taint *t = &from->use[from->relkind == 'm' ? BS_USE_REFRESH : BS_USE_READ];
        enum bs_risk was = t->risk;
        worsen(t, to->use[BS_USE_READ]);
        *changed = *changed || t->risk != was;
    }
}

static void
sum_up(struct bs_build *b)
{
    bool changed = true;

    while (changed) {
        changed = false;
        spread_reads(b, &b->reads, &changed);
        spread_reads(b, &b->children, &changed);
    }
    for (size_t i = 0; i < b->s->n_relations; i++)
        worsen(&b->s->upkeep, b->s->relations[i].use[BS_USE_UPKEEP]);
}

enum bs_done
bs_build_taints(struct bs_build *b)
{
    b->s->ddl = b->s->casts = b->s->upkeep = none;
    if (check_labels(b) != BS_DONE || load_casts(b) != BS_DONE || load_domains(b) != BS_DONE ||
        load_columns(b) != BS_DONE)
        return BS_FAILED;
    for (size_t i = 0; i < sizeof(sources) / sizeof(sources[0]); i++) {
        if (load_source(b, &sources[i]) != BS_DONE)
            return BS_FAILED;
    }
    if (load_policies(b) != BS_DONE || load_rules(b) != BS_DONE || load_triggers(b) != BS_DONE ||
        load_event_triggers(b) != BS_DONE)
        return BS_FAILED;
    taint_foreign(b);
    sum_up(b);
    return b->err->code == BS_OK ? BS_DONE : BS_FAILED;
}
