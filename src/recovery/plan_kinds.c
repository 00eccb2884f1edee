/*
 * plan_kinds.c - what pg_dump writes down of one database, and what it does not: roles, databases,
 * tablespaces and large objects are the cluster's; passwords of user mappings are shown to few.
 */
#include "recovery/plan_kinds.h"

#include "recovery/plan.h"

/* clang-format off */
/* Of these the dump of a schema does not have what would be needed. */
static const bool beyond[BS_KIND_COUNT] = {
    /* of the cluster */
    [BS_KIND_RENAME_ROLE] = true, [BS_KIND_GRANT_ROLE] = true, [BS_KIND_REVOKE_ROLE] = true,
    [BS_KIND_CREATE_ROLE] = true, [BS_KIND_ALTER_ROLE] = true, [BS_KIND_ALTER_ROLE_SET] = true,
    [BS_KIND_DROP_ROLE] = true, [BS_KIND_ALTER_DATABASE] = true, [BS_KIND_ALTER_TABLESPACE] = true,
    /* names none of the tables */
    [BS_KIND_ALTER_TABLE_ALL] = true,
    /* is no definition */
    [BS_KIND_MERGE] = true,
};
/* clang-format on */

/* Row by row, not by definition. */
static bool
changes_rows(enum bs_kind kind)
{
    return kind == BS_KIND_TRUNCATE || kind == BS_KIND_UPDATE || kind == BS_KIND_DELETE ||
           kind == BS_KIND_MERGE;
}

bool
bs_plan_needs_definition(enum bs_kind kind)
{
    switch (bs_kind_point(kind)) {
    case BS_POINT_STATE:
    case BS_POINT_DEFINITION:
        return true;
    case BS_POINT_WHOLE:
        return !changes_rows(kind);
    case BS_POINT_UNKNOWN:
    case BS_POINT_NONE:
    case BS_POINT_RECORD:
    case BS_POINT_ROWS:
        break;
    }
    return false;
}

bool
bs_plan_kind_has_definition(enum bs_kind kind)
{
    return bs_plan_needs_definition(kind) && !beyond[kind];
}

bool
bs_plan_effect_has_definition(const struct bs_effect *e)
{
    if (e->members) /* a dump has an extension, and not what it is made of */
        return false;
    if (e->kind == BS_KIND_ALTER_TYPE && e->cascade) /* typed tables, and their rows */
        return false;
    switch (e->object) {
    case BS_OBJECT_RELATION:
    case BS_OBJECT_COLUMN:
    case BS_OBJECT_SCHEMA:
    case BS_OBJECT_FUNCTION:
    case BS_OBJECT_TYPE:
    case BS_OBJECT_NONE:
        return true;
    case BS_OBJECT_OTHER: /* of what has no name it is not told what CASCADE takes along */
        return !e->cascade || e->name.name[0] != '\0' || e->kind == BS_KIND_DROP_CAST;
    case BS_OBJECT_ROLE: /* what it owns; CURRENT_USER is no name */
        return (e->kind == BS_KIND_DROP_OWNED || e->kind == BS_KIND_REASSIGN_OWNED) &&
               e->name.name[0] != '\0';
    case BS_OBJECT_DATABASE:
    case BS_OBJECT_SHARED:
    case BS_OBJECT_LARGE_OBJECT:
        break;
    }
    return false;
}

const char *
bs_plan_why_refused(const struct bs_effect *e)
{
    if (e->upsert)
        return "rows that ON CONFLICT overwrites cannot be kept by this version";
    if (e->kind == BS_KIND_ALTER_TYPE && e->cascade)
        return "ALTER TYPE with CASCADE also changes the tables that are made of the type and drops"
               " what uses the attribute: run it without CASCADE, once these are dropped or taken"
               " from the type (ALTER TABLE ... NOT OF)";
    return NULL;
}

const struct bs_plan_named *
bs_plan_lost_attribute(const struct bs_plan *plan)
{
    for (size_t i = 0; i < plan->n_named; i++) {
        if (plan->named[i].kind == BS_KIND_ALTER_TYPE && plan->named[i].column != NULL)
            return &plan->named[i];
    }
    return NULL;
}
