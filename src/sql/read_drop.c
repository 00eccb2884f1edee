/*
 * read_drop.c - DROP, GRANT, upkeep: statements over a list of objects; and how objects are named.
 */
#include "sql/rules.h"

#include <string.h>

/* How the grammar names an object of some type. */
enum form {
    BY_OTHER = 0,  /* not by a name of ours */
    BY_NAME,       /* possibly qualified */
    BY_PART,       /* relation and then the part's own name: triggers, rules, policies, columns */
    BY_LATER_NAME, /* access method first, then the name */
};

/* clang-format off */
/* By ObjectType; what has no entry cannot be dropped by DROP. */
static const struct type_row {
    enum bs_kind drop;
    enum bs_object object;
    enum form form;
} types[] = {
    [OBJECT_ACCESS_METHOD] = {BS_KIND_DROP_ACCESS_METHOD, BS_OBJECT_OTHER, BY_NAME},
    [OBJECT_AGGREGATE] = {BS_KIND_DROP_AGGREGATE, BS_OBJECT_FUNCTION, BY_NAME},
    [OBJECT_CAST] = {BS_KIND_DROP_CAST, BS_OBJECT_OTHER, BY_OTHER},
    [OBJECT_COLLATION] = {BS_KIND_DROP_COLLATION, BS_OBJECT_OTHER, BY_NAME},
    [OBJECT_CONVERSION] = {BS_KIND_DROP_CONVERSION, BS_OBJECT_OTHER, BY_NAME},
    [OBJECT_DOMAIN] = {BS_KIND_DROP_DOMAIN, BS_OBJECT_TYPE, BY_NAME},
    [OBJECT_EVENT_TRIGGER] = {BS_KIND_DROP_EVENT_TRIGGER, BS_OBJECT_OTHER, BY_NAME},
    [OBJECT_EXTENSION] = {BS_KIND_DROP_EXTENSION, BS_OBJECT_OTHER, BY_NAME},
    [OBJECT_FDW] = {BS_KIND_DROP_FOREIGN_DATA_WRAPPER, BS_OBJECT_OTHER, BY_NAME},
    [OBJECT_FOREIGN_SERVER] = {BS_KIND_DROP_SERVER, BS_OBJECT_OTHER, BY_NAME},
    [OBJECT_FOREIGN_TABLE] = {BS_KIND_DROP_FOREIGN_TABLE, BS_OBJECT_RELATION, BY_NAME},
    [OBJECT_FUNCTION] = {BS_KIND_DROP_FUNCTION, BS_OBJECT_FUNCTION, BY_NAME},
    [OBJECT_INDEX] = {BS_KIND_DROP_INDEX, BS_OBJECT_RELATION, BY_NAME},
    [OBJECT_LANGUAGE] = {BS_KIND_DROP_LANGUAGE, BS_OBJECT_OTHER, BY_NAME},
    [OBJECT_MATVIEW] = {BS_KIND_DROP_MATERIALIZED_VIEW, BS_OBJECT_RELATION, BY_NAME},
    [OBJECT_OPCLASS] = {BS_KIND_DROP_OPERATOR_CLASS, BS_OBJECT_OTHER, BY_LATER_NAME},
    [OBJECT_OPERATOR] = {BS_KIND_DROP_OPERATOR, BS_OBJECT_OTHER, BY_NAME},
    [OBJECT_OPFAMILY] = {BS_KIND_DROP_OPERATOR_CLASS, BS_OBJECT_OTHER, BY_LATER_NAME},
    [OBJECT_POLICY] = {BS_KIND_DROP_POLICY, BS_OBJECT_RELATION, BY_PART},
    [OBJECT_PROCEDURE] = {BS_KIND_DROP_PROCEDURE, BS_OBJECT_FUNCTION, BY_NAME},
    [OBJECT_PUBLICATION] = {BS_KIND_DROP_PUBLICATION, BS_OBJECT_OTHER, BY_NAME},
    [OBJECT_ROUTINE] = {BS_KIND_DROP_ROUTINE, BS_OBJECT_FUNCTION, BY_NAME},
    [OBJECT_RULE] = {BS_KIND_DROP_RULE, BS_OBJECT_RELATION, BY_PART},
    [OBJECT_SCHEMA] = {BS_KIND_DROP_SCHEMA, BS_OBJECT_SCHEMA, BY_NAME},
    [OBJECT_SEQUENCE] = {BS_KIND_DROP_SEQUENCE, BS_OBJECT_RELATION, BY_NAME},
    [OBJECT_STATISTIC_EXT] = {BS_KIND_DROP_STATISTICS, BS_OBJECT_OTHER, BY_NAME},
    [OBJECT_TABLE] = {BS_KIND_DROP_TABLE, BS_OBJECT_RELATION, BY_NAME},
    [OBJECT_TRANSFORM] = {BS_KIND_DROP_TRANSFORM, BS_OBJECT_OTHER, BY_OTHER},
    [OBJECT_TRIGGER] = {BS_KIND_DROP_TRIGGER, BS_OBJECT_RELATION, BY_PART},
    [OBJECT_TSCONFIGURATION] = {BS_KIND_DROP_TEXT_SEARCH, BS_OBJECT_OTHER, BY_NAME},
    [OBJECT_TSDICTIONARY] = {BS_KIND_DROP_TEXT_SEARCH, BS_OBJECT_OTHER, BY_NAME},
    [OBJECT_TSPARSER] = {BS_KIND_DROP_TEXT_SEARCH, BS_OBJECT_OTHER, BY_NAME},
    [OBJECT_TSTEMPLATE] = {BS_KIND_DROP_TEXT_SEARCH, BS_OBJECT_OTHER, BY_NAME},
    [OBJECT_TYPE] = {BS_KIND_DROP_TYPE, BS_OBJECT_TYPE, BY_NAME},
    [OBJECT_VIEW] = {BS_KIND_DROP_VIEW, BS_OBJECT_RELATION, BY_NAME},
    /* Not for DROP, but named in COMMENT, GRANT and OWNER TO. */
    [OBJECT_COLUMN] = {BS_KIND_UNKNOWN, BS_OBJECT_RELATION, BY_PART},
    [OBJECT_TABCONSTRAINT] = {BS_KIND_UNKNOWN, BS_OBJECT_RELATION, BY_PART},
    [OBJECT_DATABASE] = {BS_KIND_UNKNOWN, BS_OBJECT_DATABASE, BY_NAME},
    [OBJECT_ROLE] = {BS_KIND_UNKNOWN, BS_OBJECT_ROLE, BY_NAME},
    [OBJECT_LARGEOBJECT] = {BS_KIND_UNKNOWN, BS_OBJECT_LARGE_OBJECT, BY_OTHER},
    [OBJECT_SUBSCRIPTION] = {BS_KIND_UNKNOWN, BS_OBJECT_SHARED, BY_NAME},
    [OBJECT_TABLESPACE] = {BS_KIND_UNKNOWN, BS_OBJECT_SHARED, BY_NAME},
    [OBJECT_PARAMETER_ACL] = {BS_KIND_UNKNOWN, BS_OBJECT_SHARED, BY_NAME},
};
/* clang-format on */

static struct type_row
row_of(ObjectType type)
{
    if ((size_t)type >= sizeof(types) / sizeof(types[0]))
        return (struct type_row){BS_KIND_UNKNOWN, BS_OBJECT_OTHER, BY_OTHER};
    return types[type];
}

/* Schema and name, `last` being the position of the name in the list. */
static struct bs_name
name_at(const List *names, int last)
{
    struct bs_name name = {NULL, ""};

    if (last < 0 || last >= bs_list_n(names) || bs_node_text(bs_list_at(names, last)) == NULL)
        return name;
    name.name = bs_node_text(bs_list_at(names, last));
    if (last > 0)
        name.schema = bs_node_text(bs_list_at(names, last - 1));
    return name;
}

static struct bs_name
name_in_list(const List *names, enum form form)
{
    int n = bs_list_n(names);

    if (form == BY_PART)
        return name_at(names, n - 2);
    if (form == BY_LATER_NAME && n == 2)
        return bs_name_of_text(bs_list_last_text(names));
    return name_at(names, n - 1);
}

struct bs_named
bs_named_of(ObjectType type, const Node *object)
{
    struct type_row row = row_of(type);
    struct bs_named named = {row.object, {NULL, ""}};
    const void *any = object;

    if (object == NULL)
        return named;
    switch ((int)object->type) {
    case T_String:
        named.name = bs_name_of_text(bs_node_text(object));
        break;
    case T_RangeVar:
        named.name = bs_name_of_range(any);
        break;
    case T_ObjectWithArgs:
        named.name = bs_name_of_list(((const ObjectWithArgs *)any)->objname);
        break;
    case T_TypeName:
        named.name = bs_name_of_list(((const TypeName *)any)->names);
        break;
    case T_RoleSpec:
        named.name = bs_name_of_text(((const RoleSpec *)any)->rolename);
        break;
    case T_List:
        if (row.form != BY_OTHER)
            named.name = name_in_list(any, row.form);
        break;
    default:
        break;
    }
    return named;
}

void
bs_read_drop(struct bs_reading *r, const Node *node)
{
    const DropStmt *drop = (const DropStmt *)(const void *)node;
    enum bs_kind kind = row_of(drop->removeType).drop;
    bool cascade = drop->behavior == DROP_CASCADE;

    if (kind == BS_KIND_UNKNOWN)
        return; /* bs_reading_run says so */
    bs_reading_enter(r, kind);
    if (drop->concurrent)
        r->stmt->flags |= BS_FLAG_NO_BLOCK;
    if (cascade) {
        bs_reading_raise(r, BS_RISK_CRITICAL, "cascade", "CASCADE takes dependent objects along");
        bs_reading_point(r, BS_POINT_WHOLE);
    }
    for (int i = 0; i < bs_list_n(drop->objects); i++) {
        struct bs_named named = bs_named_of(drop->removeType, bs_list_at(drop->objects, i));
        struct bs_effect *effect = bs_reading_effect(r, kind, named.object, named.name);
        effect->cascade = cascade;
        effect->missing_ok = drop->missing_ok;
    }
}

static void
effects_on(struct bs_reading *r, enum bs_kind kind, ObjectType type, const List *objects)
{
    for (int i = 0; i < bs_list_n(objects); i++) {
        struct bs_named named = bs_named_of(type, bs_list_at(objects, i));
        (void)bs_reading_effect(r, kind, named.object, named.name);
    }
}

void
bs_read_drop_role(struct bs_reading *r, const Node *node)
{
    bs_reading_enter(r, BS_KIND_DROP_ROLE);
    effects_on(r, BS_KIND_DROP_ROLE, OBJECT_ROLE,
               ((const DropRoleStmt *)(const void *)node)->roles);
}

void
bs_read_drop_owned(struct bs_reading *r, const Node *node)
{
    const DropOwnedStmt *drop = (const DropOwnedStmt *)(const void *)node;
    bool cascade = drop->behavior == DROP_CASCADE;

    bs_reading_enter(r, BS_KIND_DROP_OWNED);
    if (cascade)
        bs_reading_raise(r, BS_RISK_CRITICAL, "cascade", "CASCADE takes dependent objects along");
    for (int i = 0; i < bs_list_n(drop->roles); i++) {
        struct bs_named named = bs_named_of(OBJECT_ROLE, bs_list_at(drop->roles, i));
        bs_reading_effect(r, BS_KIND_DROP_OWNED, named.object, named.name)->cascade = cascade;
    }
}

/* ALTER EXTENSION ... ADD, DROP. */
void
bs_read_members(struct bs_reading *r, const Node *node)
{
    const char *name = ((const AlterExtensionContentsStmt *)(const void *)node)->extname;

    bs_reading_enter(r, BS_KIND_ALTER_EXTENSION);
    bs_reading_effect(r, BS_KIND_ALTER_EXTENSION, BS_OBJECT_OTHER, bs_name_of_text(name))->members =
        true;
}

void
bs_read_grant(struct bs_reading *r, const Node *node)
{
    const GrantStmt *grant = (const GrantStmt *)(const void *)node;
    enum bs_kind kind = grant->is_grant ? BS_KIND_GRANT : BS_KIND_REVOKE;
    bool schemas = grant->targtype == ACL_TARGET_ALL_IN_SCHEMA;

    bs_reading_enter(r, kind);
    effects_on(r, kind, schemas ? OBJECT_SCHEMA : grant->objtype, grant->objects);
}

void
bs_read_grant_role(struct bs_reading *r, const Node *node)
{
    const GrantRoleStmt *grant = (const GrantRoleStmt *)(const void *)node;
    enum bs_kind kind = grant->is_grant ? BS_KIND_GRANT_ROLE : BS_KIND_REVOKE_ROLE;

    bs_reading_enter(r, kind);
    effects_on(r, kind, OBJECT_ROLE, grant->grantee_roles);
}

/* ALTER ROLE and ALTER ROLE ... SET; no role means all of them. */
void
bs_read_alter_role(struct bs_reading *r, const Node *node)
{
    const void *any = node;
    bool sets = node->type == T_AlterRoleSetStmt;
    enum bs_kind kind = sets ? BS_KIND_ALTER_ROLE_SET : BS_KIND_ALTER_ROLE;
    struct bs_effect *effect;
    const RoleSpec *role =
        sets ? ((const AlterRoleSetStmt *)any)->role : ((const AlterRoleStmt *)any)->role;

    bs_reading_enter(r, kind);
    effect = bs_reading_effect(r, kind, BS_OBJECT_ROLE,
                               bs_name_of_text(role == NULL ? NULL : role->rolename));
    if (!sets)
        effect->password = bs_def_find(((const AlterRoleStmt *)any)->options, "password") != NULL;
}

/* A setting of the server; RESET ALL names none. */
void
bs_read_alter_system(struct bs_reading *r, const Node *node)
{
    const AlterSystemStmt *alter = (const AlterSystemStmt *)(const void *)node;

    bs_reading_enter(r, BS_KIND_ALTER_SYSTEM);
    (void)bs_reading_effect(r, BS_KIND_ALTER_SYSTEM, BS_OBJECT_SHARED,
                            bs_name_of_text(alter->setstmt == NULL ? NULL : alter->setstmt->name));
}

void
bs_read_reassign(struct bs_reading *r, const Node *node)
{
    bs_reading_enter(r, BS_KIND_REASSIGN_OWNED);
    effects_on(r, BS_KIND_REASSIGN_OWNED, OBJECT_ROLE,
               ((const ReassignOwnedStmt *)(const void *)node)->roles);
}

/* IN SCHEMA a, b; without it there is no object but those that nobody has made yet. */
void
bs_read_default_privileges(struct bs_reading *r, const Node *node)
{
    const AlterDefaultPrivilegesStmt *alter =
        (const AlterDefaultPrivilegesStmt *)(const void *)node;
    const DefElem *schemas = bs_def_find(alter->options, "schemas");

    bs_reading_enter(r, BS_KIND_ALTER_DEFAULT_PRIVILEGES);
    if (schemas != NULL && schemas->arg != NULL && schemas->arg->type == T_List)
        effects_on(r, BS_KIND_ALTER_DEFAULT_PRIVILEGES, OBJECT_SCHEMA,
                   (const List *)(const void *)schemas->arg);
}

static bool
option_is_on(const List *options, const char *name)
{
    const DefElem *def = bs_def_find(options, name);

    return def != NULL && bs_def_is_true(def, true);
}

void
bs_read_vacuum(struct bs_reading *r, const Node *node)
{
    const VacuumStmt *vacuum = (const VacuumStmt *)(const void *)node;
    enum bs_kind kind = BS_KIND_ANALYZE;

    if (vacuum->is_vacuumcmd)
        kind = option_is_on(vacuum->options, "full") ? BS_KIND_VACUUM_FULL : BS_KIND_VACUUM;
    bs_reading_enter(r, kind);
    for (int i = 0; i < bs_list_n(vacuum->rels); i++) {
        const VacuumRelation *one =
            (const VacuumRelation *)(const void *)bs_list_at(vacuum->rels, i);
        if (one->relation != NULL)
            (void)bs_reading_effect(r, kind, BS_OBJECT_RELATION, bs_name_of_range(one->relation));
    }
}

void
bs_read_cluster(struct bs_reading *r, const Node *node)
{
    const ClusterStmt *cluster = (const ClusterStmt *)(const void *)node;

    bs_reading_enter(r, BS_KIND_CLUSTER);
    if (cluster->relation == NULL)
        r->stmt->flags |= BS_FLAG_NO_BLOCK;
    else
        (void)bs_reading_effect(r, BS_KIND_CLUSTER, BS_OBJECT_RELATION,
                                bs_name_of_range(cluster->relation));
}

void
bs_read_reindex(struct bs_reading *r, const Node *node)
{
    const ReindexStmt *reindex = (const ReindexStmt *)(const void *)node;

    bs_reading_enter(r, BS_KIND_REINDEX);
    if (reindex->kind >= REINDEX_OBJECT_SCHEMA || option_is_on(reindex->params, "concurrently"))
        r->stmt->flags |= BS_FLAG_NO_BLOCK;
    if (reindex->relation != NULL)
        (void)bs_reading_effect(r, BS_KIND_REINDEX, BS_OBJECT_RELATION,
                                bs_name_of_range(reindex->relation));
    else if (reindex->kind == REINDEX_OBJECT_SCHEMA)
        (void)bs_reading_effect(r, BS_KIND_REINDEX, BS_OBJECT_SCHEMA,
                                bs_name_of_text(reindex->name));
}
