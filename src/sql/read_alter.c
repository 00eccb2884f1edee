/*
 * read_alter.c - changes of objects. ALTER TABLE is as many statements as it has commands.
 */
#include "sql/filter.h"
#include "sql/rules.h"
#include "sql/scalars.h"

#include <string.h>

/* clang-format off */
/* By AlterTableType. What has no entry is UNKNOWN: commands that only the server makes up. */
static const enum bs_kind commands[] = {
    [AT_AddColumn] = BS_KIND_ALTER_TABLE_ADD_COLUMN,
    [AT_ColumnDefault] = BS_KIND_ALTER_TABLE_SET_DEFAULT,
    [AT_DropNotNull] = BS_KIND_ALTER_TABLE_DROP_NOT_NULL,
    [AT_SetNotNull] = BS_KIND_ALTER_TABLE_SET_NOT_NULL,
    [AT_SetExpression] = BS_KIND_ALTER_TABLE_SET_EXPRESSION,
    [AT_DropExpression] = BS_KIND_ALTER_TABLE_DROP_EXPRESSION,
    [AT_SetStatistics] = BS_KIND_ALTER_TABLE_SET_OPTIONS,
    [AT_SetOptions] = BS_KIND_ALTER_TABLE_SET_OPTIONS,
    [AT_ResetOptions] = BS_KIND_ALTER_TABLE_SET_OPTIONS,
    [AT_SetStorage] = BS_KIND_ALTER_TABLE_SET_STORAGE,
    [AT_SetCompression] = BS_KIND_ALTER_TABLE_SET_STORAGE,
    [AT_DropColumn] = BS_KIND_ALTER_TABLE_DROP_COLUMN,
    [AT_AddConstraint] = BS_KIND_ALTER_TABLE_ADD_CONSTRAINT,
    [AT_AlterConstraint] = BS_KIND_ALTER_TABLE_ALTER_CONSTRAINT,
    [AT_ValidateConstraint] = BS_KIND_ALTER_TABLE_VALIDATE,
    [AT_DropConstraint] = BS_KIND_ALTER_TABLE_DROP_CONSTRAINT,
    [AT_AlterColumnType] = BS_KIND_ALTER_TABLE_ALTER_TYPE,
    [AT_AlterColumnGenericOptions] = BS_KIND_ALTER_FOREIGN_TABLE_OPTIONS,
    [AT_ChangeOwner] = BS_KIND_ALTER_TABLE_OWNER,
    [AT_ClusterOn] = BS_KIND_ALTER_TABLE_CLUSTER_ON,
    [AT_DropCluster] = BS_KIND_ALTER_TABLE_CLUSTER_ON,
    [AT_SetLogged] = BS_KIND_ALTER_TABLE_SET_LOGGED,
    [AT_SetUnLogged] = BS_KIND_ALTER_TABLE_SET_UNLOGGED,
    [AT_DropOids] = BS_KIND_ALTER_TABLE_SET_OPTIONS,
    [AT_SetAccessMethod] = BS_KIND_ALTER_TABLE_SET_ACCESS_METHOD,
    [AT_SetTableSpace] = BS_KIND_ALTER_TABLE_SET_TABLESPACE,
    [AT_SetRelOptions] = BS_KIND_ALTER_TABLE_SET_OPTIONS,
    [AT_ResetRelOptions] = BS_KIND_ALTER_TABLE_SET_OPTIONS,
    [AT_EnableTrig] = BS_KIND_ALTER_TABLE_ENABLE_TRIGGER,
    [AT_EnableTrigAll] = BS_KIND_ALTER_TABLE_ENABLE_TRIGGER,
    [AT_EnableTrigUser] = BS_KIND_ALTER_TABLE_ENABLE_TRIGGER,
    [AT_EnableAlwaysTrig] = BS_KIND_ALTER_TABLE_TRIGGER_MODE,
    [AT_EnableReplicaTrig] = BS_KIND_ALTER_TABLE_TRIGGER_MODE,
    [AT_DisableTrig] = BS_KIND_ALTER_TABLE_DISABLE_TRIGGER,
    [AT_DisableTrigAll] = BS_KIND_ALTER_TABLE_DISABLE_TRIGGER,
    [AT_DisableTrigUser] = BS_KIND_ALTER_TABLE_DISABLE_TRIGGER,
    [AT_EnableRule] = BS_KIND_ALTER_TABLE_RULE_MODE,
    [AT_EnableAlwaysRule] = BS_KIND_ALTER_TABLE_RULE_MODE,
    [AT_EnableReplicaRule] = BS_KIND_ALTER_TABLE_RULE_MODE,
    [AT_DisableRule] = BS_KIND_ALTER_TABLE_RULE_MODE,
    [AT_AddInherit] = BS_KIND_ALTER_TABLE_INHERIT,
    [AT_DropInherit] = BS_KIND_ALTER_TABLE_NO_INHERIT,
    [AT_AddOf] = BS_KIND_ALTER_TABLE_OF_TYPE,
    [AT_DropOf] = BS_KIND_ALTER_TABLE_OF_TYPE,
    [AT_ReplicaIdentity] = BS_KIND_ALTER_TABLE_REPLICA_IDENTITY,
    [AT_EnableRowSecurity] = BS_KIND_ALTER_TABLE_ENABLE_RLS,
    [AT_ForceRowSecurity] = BS_KIND_ALTER_TABLE_ENABLE_RLS,
    [AT_DisableRowSecurity] = BS_KIND_ALTER_TABLE_DISABLE_RLS,
    [AT_NoForceRowSecurity] = BS_KIND_ALTER_TABLE_DISABLE_RLS,
    [AT_GenericOptions] = BS_KIND_ALTER_FOREIGN_TABLE_OPTIONS,
    [AT_AttachPartition] = BS_KIND_ALTER_TABLE_ATTACH_PARTITION,
    [AT_DetachPartition] = BS_KIND_ALTER_TABLE_DETACH_PARTITION,
    [AT_DetachPartitionFinalize] = BS_KIND_ALTER_TABLE_DETACH_PARTITION,
    [AT_AddIdentity] = BS_KIND_ALTER_TABLE_SET_IDENTITY,
    [AT_SetIdentity] = BS_KIND_ALTER_TABLE_SET_IDENTITY,
    [AT_DropIdentity] = BS_KIND_ALTER_TABLE_DROP_IDENTITY,
};
/* clang-format on */

static enum bs_kind
command_kind(const AlterTableStmt *alter, const AlterTableCmd *command)
{
    size_t at = (size_t)command->subtype;

    if (alter->objtype == OBJECT_TYPE)
        return BS_KIND_ALTER_TYPE;
    if (at >= sizeof(commands) / sizeof(commands[0]))
        return BS_KIND_UNKNOWN;
    if (commands[at] == BS_KIND_ALTER_TABLE_SET_OPTIONS && alter->objtype == OBJECT_VIEW)
        return BS_KIND_ALTER_VIEW_OPTIONS; /* security_barrier, security_invoker */
    return commands[at];
}

static bool
is_column_command(enum bs_kind kind)
{
    return kind == BS_KIND_ALTER_TABLE_DROP_COLUMN || kind == BS_KIND_ALTER_TABLE_ALTER_TYPE ||
           kind == BS_KIND_ALTER_TABLE_SET_EXPRESSION;
}

/* TYPE ... USING of something that is the same for all rows. */
static bool
has_constant_using(const Node *def)
{
    const ColumnDef *column = (const ColumnDef *)(const void *)def;

    return def != NULL && def->type == T_ColumnDef && column->raw_default != NULL &&
           !bs_filter_names_row((const Node *)(const void *)column->raw_default);
}

/* Of a type that no domain hides in, nor a sequence: serial. */
static bool
is_plain_type(const TypeName *type)
{
    const char *name = bs_list_n(type->names) == 2 ? bs_node_text(bs_list_at(type->names, 0)) : "";
    const char *last = bs_list_last_text(type->names);

    return name != NULL && last != NULL && (*name == '\0' || strcmp(name, "pg_catalog") == 0) &&
           bs_list_n(type->names) <= 2 && bs_scalar_named(last) != NULL;
}

/* A default that is the same for all rows, or that the server works out once. */
static bool
is_steady_default(const Node *node)
{
    const TypeCast *cast = (const TypeCast *)(const void *)node;

    if (node == NULL)
        return true;
    if (node->type == T_TypeCast)
        return cast->typeName != NULL && is_plain_type(cast->typeName) &&
               is_steady_default(cast->arg);
    return node->type == T_A_Const || node->type == T_SQLValueFunction;
}

/* Stored generated columns, identities, defaults that are worked out for each row. */
static bool
may_rewrite(const AlterTableCmd *command)
{
    const ColumnDef *column = (const ColumnDef *)(const void *)command->def;

    if (command->subtype != AT_AddColumn)
        return false;
    if (column == NULL || column->type != T_ColumnDef || column->typeName == NULL ||
        !is_plain_type(column->typeName) || !is_steady_default(column->raw_default))
        return true;
    for (int i = 0; i < bs_list_n(column->constraints); i++) {
        const Constraint *c = (const Constraint *)(const void *)bs_list_at(column->constraints, i);
        if (c->type != T_Constraint || c->contype == CONSTR_IDENTITY ||
            c->contype == CONSTR_GENERATED ||
            (c->contype == CONSTR_DEFAULT && !is_steady_default(c->raw_expr)))
            return true;
    }
    return false;
}

/* It says how a column is filled, not what is in it. */
static bool
is_detail_command(enum bs_kind kind)
{
    return kind == BS_KIND_ALTER_TABLE_SET_DEFAULT || kind == BS_KIND_ALTER_TABLE_SET_NOT_NULL ||
           kind == BS_KIND_ALTER_TABLE_DROP_NOT_NULL;
}

static void
read_command(struct bs_reading *r, const AlterTableStmt *alter, const AlterTableCmd *command)
{
    enum bs_kind kind = command_kind(alter, command);
    bool column = is_column_command(kind), type = kind == BS_KIND_ALTER_TYPE;
    struct bs_effect *effect;

    bs_reading_enter(r, kind);
    effect = bs_reading_effect(r, kind,
                               type     ? BS_OBJECT_TYPE
                               : column ? BS_OBJECT_COLUMN
                                        : BS_OBJECT_RELATION,
                               bs_name_of_range(alter->relation));
    if (column || (type && command->subtype != AT_AddColumn))
        effect->column = bs_reading_keep(r, command->name);
    if (is_detail_command(kind))
        effect->detail = bs_reading_keep(r, command->name);
    if (kind == BS_KIND_ALTER_TABLE_ALTER_TYPE)
        effect->blanks = has_constant_using(command->def);
    effect->only = !alter->relation->inh;
    effect->rewrites = may_rewrite(command);
    effect->cascade = command->behavior == DROP_CASCADE;
    effect->missing_ok = command->missing_ok || alter->missing_ok;
    if (effect->cascade && !bs_reading_dormant(r)) {
        bs_reading_raise(r, BS_RISK_CRITICAL, "cascade", "CASCADE takes dependent objects along");
        bs_reading_point(r, BS_POINT_WHOLE);
    }
    if (command->def != NULL && command->def->type == T_PartitionCmd &&
        ((const PartitionCmd *)(const void *)command->def)->concurrent)
        r->stmt->flags |= BS_FLAG_NO_BLOCK;
}

/* The worst of several commands names the statement. */
static void
name_statement(struct bs_reading *r, const AlterTableStmt *alter)
{
    enum bs_kind worst = BS_KIND_UNKNOWN;

    for (int i = 0; !r->top_known && i < bs_list_n(alter->cmds); i++) {
        enum bs_kind kind =
            command_kind(alter, (const AlterTableCmd *)(const void *)bs_list_at(alter->cmds, i));
        if (i == 0 ||
            (bs_kind_risk(kind) != bs_kind_risk(worst) &&
             bs_risk_worse(bs_kind_risk(kind), bs_kind_risk(worst)) == bs_kind_risk(kind)))
            worst = kind;
        if (kind == BS_KIND_UNKNOWN)
            return; /* bs_reading_run says that it is of no known kind */
    }
    if (!r->top_known) {
        r->top_known = true;
        r->stmt->kind = worst;
    }
}

void
bs_read_alter_table(struct bs_reading *r, const Node *node)
{
    const AlterTableStmt *alter = (const AlterTableStmt *)(const void *)node;

    name_statement(r, alter);
    if (!r->top_known)
        return;
    for (int i = 0; i < bs_list_n(alter->cmds); i++) {
        const AlterTableCmd *command =
            (const AlterTableCmd *)(const void *)bs_list_at(alter->cmds, i);
        uint32_t mode = r->walk.mode;
        read_command(r, alter, command);
        r->walk.mode |= BS_WALK_DORMANT;
        bs_walk_push(&r->walk, command->def);
        r->walk.mode = mode;
    }
}

/* 'T' default, 'O' set not null, 'C' add and 'V' validate a constraint; the rest takes one away. */
void
bs_read_alter_domain(struct bs_reading *r, const Node *node)
{
    const AlterDomainStmt *alter = (const AlterDomainStmt *)(const void *)node;
    bool adds = strchr("TOCV", alter->subtype) != NULL;
    enum bs_kind kind = adds ? BS_KIND_ALTER_DOMAIN_ADD : BS_KIND_ALTER_DOMAIN;
    struct bs_effect *effect;

    bs_reading_enter(r, kind);
    effect = bs_reading_effect(r, kind, BS_OBJECT_TYPE, bs_name_of_list(alter->typeName));
    effect->cascade = alter->behavior == DROP_CASCADE;
    bs_walk_push(&r->walk, alter->def);
}

void
bs_read_alter_enum(struct bs_reading *r, const Node *node)
{
    const AlterEnumStmt *alter = (const AlterEnumStmt *)(const void *)node;
    enum bs_kind kind =
        alter->oldVal != NULL ? BS_KIND_ALTER_TYPE_RENAME_VALUE : BS_KIND_ALTER_TYPE_ADD_VALUE;

    bs_reading_enter(r, kind);
    (void)bs_reading_effect(r, kind, BS_OBJECT_TYPE, bs_name_of_list(alter->typeName));
}

void
bs_read_alter_operator(struct bs_reading *r, const Node *node)
{
    const AlterOperatorStmt *alter = (const AlterOperatorStmt *)(const void *)node;

    bs_reading_enter(r, BS_KIND_ALTER_OPERATOR);
    (void)bs_reading_effect(r, BS_KIND_ALTER_OPERATOR, BS_OBJECT_OTHER,
                            bs_name_of_list(alter->opername->objname));
}

void
bs_read_alter_sequence(struct bs_reading *r, const Node *node)
{
    const AlterSeqStmt *alter = (const AlterSeqStmt *)(const void *)node;
    struct bs_effect *effect;

    bs_reading_enter(r, BS_KIND_ALTER_SEQUENCE);
    effect = bs_reading_effect(r, BS_KIND_ALTER_SEQUENCE, BS_OBJECT_RELATION,
                               bs_name_of_range(alter->sequence));
    effect->missing_ok = alter->missing_ok;
    bs_walk_push(&r->walk, alter->options);
}

/* Names that hold data, or shape it: giving them another one can be undone and runs nothing. */
static bool
is_data(ObjectType type)
{
    switch ((int)type) {
    case OBJECT_TABLE:
    case OBJECT_COLUMN:
    case OBJECT_ATTRIBUTE:
    case OBJECT_TABCONSTRAINT:
    case OBJECT_DOMCONSTRAINT:
    case OBJECT_INDEX:
    case OBJECT_SEQUENCE:
    case OBJECT_VIEW:
    case OBJECT_MATVIEW:
    case OBJECT_SCHEMA:
    case OBJECT_TYPE:
    case OBJECT_DOMAIN:
    case OBJECT_COLLATION:
    case OBJECT_STATISTIC_EXT:
        return true;
    default:
        return false;
    }
}

/* What is meant: the relation where the statement has one, else the object. */
static struct bs_effect *
effect_on(struct bs_reading *r,
          enum bs_kind kind,
          ObjectType type,
          const RangeVar *relation,
          const Node *object)
{
    struct bs_named named = bs_named_of(type, object);

    if (relation != NULL)
        named = (struct bs_named){type == OBJECT_ATTRIBUTE ? BS_OBJECT_TYPE : BS_OBJECT_RELATION,
                                  bs_name_of_range(relation)};
    return bs_reading_effect(r, kind, named.object, named.name);
}

/* The thing itself, by which a later statement may name it; not what only stands in one. */
static bool
is_own_name(ObjectType type)
{
    return type != OBJECT_COLUMN && type != OBJECT_ATTRIBUTE && type != OBJECT_TABCONSTRAINT &&
           type != OBJECT_DOMCONSTRAINT && type != OBJECT_TRIGGER && type != OBJECT_RULE &&
           type != OBJECT_POLICY;
}

void
bs_read_rename(struct bs_reading *r, const Node *node)
{
    const RenameStmt *rename = (const RenameStmt *)(const void *)node;
    enum bs_kind kind = is_data(rename->renameType) ? BS_KIND_RENAME : BS_KIND_RENAME_CODE;
    struct bs_effect *effect;

    if (rename->renameType == OBJECT_ROLE || rename->renameType == OBJECT_DATABASE) {
        bool role = rename->renameType == OBJECT_ROLE;
        kind = role ? BS_KIND_RENAME_ROLE : BS_KIND_RENAME_DATABASE;
        bs_reading_enter(r, kind);
        (void)bs_reading_effect(r, kind, role ? BS_OBJECT_ROLE : BS_OBJECT_DATABASE,
                                bs_name_of_text(rename->subname));
        return;
    }
    bs_reading_enter(r, kind);
    if (rename->renameType == OBJECT_SCHEMA)
        effect = bs_reading_effect(r, kind, BS_OBJECT_SCHEMA, bs_name_of_text(rename->subname));
    else
        effect = effect_on(r, kind, rename->renameType, rename->relation, rename->object);
    effect->missing_ok = rename->missing_ok;
    if (is_own_name(rename->renameType))
        effect->to.name = bs_reading_keep(r, rename->newname);
}

void
bs_read_set_schema(struct bs_reading *r, const Node *node)
{
    const AlterObjectSchemaStmt *alter = (const AlterObjectSchemaStmt *)(const void *)node;
    enum bs_kind kind = is_data(alter->objectType) ? BS_KIND_SET_SCHEMA : BS_KIND_SET_SCHEMA_CODE;
    struct bs_effect *effect;

    bs_reading_enter(r, kind);
    effect = effect_on(r, kind, alter->objectType, alter->relation, alter->object);
    effect->missing_ok = alter->missing_ok;
    effect->to = (struct bs_name){bs_reading_keep(r, alter->newschema), effect->name.name};
}

void
bs_read_owner(struct bs_reading *r, const Node *node)
{
    const AlterOwnerStmt *alter = (const AlterOwnerStmt *)(const void *)node;

    bs_reading_enter(r, BS_KIND_OWNER_TO);
    (void)effect_on(r, BS_KIND_OWNER_TO, alter->objectType, alter->relation, alter->object);
}

void
bs_read_comment(struct bs_reading *r, const Node *node)
{
    const CommentStmt *comment = (const CommentStmt *)(const void *)node;

    bs_reading_enter(r, BS_KIND_COMMENT);
    (void)effect_on(r, BS_KIND_COMMENT, comment->objtype, NULL, comment->object);
}

void
bs_read_label(struct bs_reading *r, const Node *node)
{
    const SecLabelStmt *label = (const SecLabelStmt *)(const void *)node;

    bs_reading_enter(r, BS_KIND_SECURITY_LABEL);
    (void)effect_on(r, BS_KIND_SECURITY_LABEL, label->objtype, NULL, label->object);
}

void
bs_read_alter_function(struct bs_reading *r, const Node *node)
{
    const AlterFunctionStmt *alter = (const AlterFunctionStmt *)(const void *)node;

    bs_reading_enter(r, BS_KIND_ALTER_FUNCTION);
    (void)bs_reading_effect(r, BS_KIND_ALTER_FUNCTION, BS_OBJECT_FUNCTION,
                            bs_name_of_list(alter->func->objname));
}
