/*
 * select.c - what is certain of names. The helper has more rights than whoever made the objects,
 * so a table is read only where nothing of it runs: no policy, no view, no foreign table below, no
 * check that the planner would fold, no cast or type with code of somebody's.
 */
#include "catalog/select.h"

#include <string.h>

#include "catalog/objects.h"
#include "sql/scalars.h"

#define MAX_DEPTH 16 /* of partitions, and of domains */

/* Reading it, and what is below it, runs nothing. */
static bool
reads_plainly(const struct bs_relation *r)
{
    return (r->relkind == 'r' || r->relkind == 'p') && !r->system && !r->rls &&
           r->use[BS_USE_READ].risk == BS_RISK_SAFE && r->use[BS_USE_READ].n_runs == 0;
}

/* A trigger may keep a row, or change others; a rule may do something else altogether. */
static bool
changes_plainly(const struct bs_relation *r, enum bs_kind kind, int depth)
{
    uint32_t uses = kind == BS_KIND_DELETE ? 1u << BS_USE_DELETE : 1u << BS_USE_UPDATE;

    if (kind == BS_KIND_UPDATE && (r->relkind == 'p' || r->partition))
        uses |= 1u << BS_USE_DELETE | 1u << BS_USE_INSERT; /* the row moves to another one */
    if (depth == MAX_DEPTH || (r->triggers & uses) != 0 || (r->rules & uses) != 0)
        return false;
    for (size_t i = 0; i < r->n_children; i++) {
        if (!changes_plainly(r->children[i], kind, depth + 1))
            return false;
    }
    return true;
}

/* Changed by nothing else: a rule would do something else altogether. */
static bool
has_no_rules(const struct bs_relation *r, int depth)
{
    if (depth == MAX_DEPTH || r->rules != 0)
        return false;
    for (size_t i = 0; i < r->n_children; i++) {
        if (!has_no_rules(r->children[i], depth + 1))
            return false;
    }
    return true;
}

static bool
find_table(const void *with, struct bs_name name, enum bs_kind change, struct bs_rewrite_table *out)
{
    const struct bs_relation *r = bs_snapshot_find_relation(with, name.schema, name.name, NULL);

    /* Of several in different schemas, search_path decides. */
    if (r == NULL || bs_snapshot_find_relation(with, name.schema, name.name, r) != NULL ||
        !reads_plainly(r) || (change != BS_KIND_UNKNOWN && !changes_plainly(r, change, 0)))
        return false;
    *out = (struct bs_rewrite_table){r, r->id.schema, r->id.name};
    return true;
}

/* Whoever counts sees past policies, so of a table that is only read there could be too many rows. */
static bool
find_table_to_count(const void *with,
                    struct bs_name name,
                    enum bs_kind change,
                    struct bs_rewrite_table *out)
{
    const struct bs_relation *r = bs_snapshot_find_relation(with, name.schema, name.name, NULL);

    if (change == BS_KIND_UNKNOWN)
        return find_table(with, name, change, out);
    if (r == NULL || bs_snapshot_find_relation(with, name.schema, name.name, r) != NULL ||
        (r->relkind != 'r' && r->relkind != 'p') || r->system ||
        r->use[BS_USE_READ].risk != BS_RISK_SAFE || r->use[BS_USE_READ].n_runs != 0 ||
        !has_no_rules(r, 0))
        return false;
    *out = (struct bs_rewrite_table){r, r->id.schema, r->id.name};
    return true;
}

/* Of a type that somebody made: enums, and domains for what they are made of. */
static uint32_t
plain_type(const struct bs_snapshot *s, uint32_t oid)
{
    for (int depth = 0; depth < MAX_DEPTH; depth++) {
        const struct bs_type *type;
        if (oid < BS_FIRST_NORMAL_OID)
            return bs_scalar_of(oid) == NULL || oid == BS_SCALAR_ENUM ? BS_REWRITE_OTHER : oid;
        type = bs_snapshot_type(s, oid);
        if (type == NULL || type->cast)
            return BS_REWRITE_OTHER;
        if (type->typtype == 'e')
            return BS_SCALAR_ENUM;
        if (type->typtype != 'd')
            return BS_REWRITE_OTHER;
        oid = type->base;
    }
    return BS_REWRITE_OTHER;
}

static uint32_t
find_column(const void *with, const struct bs_rewrite_table *table, const char *name)
{
    const struct bs_relation *r = table->with;

    for (int depth = 0; r->partition && r->n_parents != 0 && depth < MAX_DEPTH; depth++)
        r = r->parents[0];
    for (size_t i = 0; i < r->n_columns; i++) {
        if (strcmp(r->columns[i].name, name) == 0)
            return plain_type(with, r->columns[i].type);
    }
    return 0;
}

/* A side that no value of a plain type is: citext, say. */
static bool
is_own_type(const struct bs_snapshot *s, uint32_t oid)
{
    const struct bs_type *type = bs_snapshot_type(s, oid);

    return type != NULL && !type->builtin && type->typtype != 'e' && type->typtype != 'd';
}

/* What somebody made for a type of his own does not stand for values of plain types. */
static bool
find_operator(const void *with, const char *symbol)
{
    const struct bs_operator *o = NULL;

    while ((o = bs_snapshot_find_operator(with, NULL, symbol, o)) != NULL) {
        if (!is_own_type(with, o->left) && !is_own_type(with, o->right))
            return false;
    }
    return true;
}

static bool
find_function(const void *with, const char *name)
{
    const struct bs_function *f = NULL;

    while ((f = bs_snapshot_find_function(with, NULL, name, f)) != NULL) {
        if (!f->builtin)
            return false;
    }
    return true;
}

enum bs_done
bs_catalog_select(const struct bs_snapshot *s,
                  enum bs_rewrite_for use,
                  struct bs_bytes text,
                  struct bs_arena *arena,
                  struct bs_selected *out,
                  struct bs_err *err)
{
    const struct bs_rewrite_names names = {
        s, use == BS_REWRITE_TO_COUNT ? find_table_to_count : find_table, find_column,
        find_operator, find_function};
    const struct bs_relation *r;
    struct bs_rewrite got;

    *out = (struct bs_selected){0};
    if (bs_snapshot_casts(s)->risk != BS_RISK_SAFE || bs_snapshot_casts(s)->n_runs != 0)
        return BS_DONE; /* any comparison may run one */
    if (bs_rewrite_change(text, use, &names, arena, &got, err) != BS_DONE)
        return BS_FAILED;
    r = got.table.with;
    if (got.sql != NULL)
        *out = (struct bs_selected){.sql = got.sql,
                                    .oid = r->id.oid,
                                    .schema = got.table.schema,
                                    .name = got.table.name,
                                    .kind = got.kind,
                                    .n_params = got.n_params,
                                    .set_sql = got.set_sql,
                                    .set = got.set,
                                    .n_set = got.n_set,
                                    .n_set_params = got.n_set_params};
    return BS_DONE;
}
