/*
 * rules.c - the table: every node that a raw tree may hold, and who reads it.
 *
 * A node type without an entry is not understood, whatever it contains: that is how a later
 * grammar's additions fail closed.
 */
#include "sql/rules.h"

#include <stddef.h>
#include <string.h>

/* clang-format off */
/* Indexed by NodeTag. */
static bs_read_fn *const rules[] = {
    /* Expressions that call something. */
    [T_A_Expr] = bs_read_operator, [T_FuncCall] = bs_read_call, [T_TypeName] = bs_read_type,
    [T_CaseExpr] = bs_read_case, [T_SubLink] = bs_read_sublink, [T_SortBy] = bs_read_sort,
    [T_JoinExpr] = bs_read_join, [T_RangeTableSample] = bs_read_sample,
    [T_RangeVar] = bs_read_range, [T_ResTarget] = bs_read_res_target,
    [T_DefElem] = bs_read_option,

    /* Expressions and clauses that are their parts. */
    [T_TypeCast] = bs_read_children, [T_BoolExpr] = bs_read_children,
    [T_NullTest] = bs_read_children, [T_BooleanTest] = bs_read_children,
    [T_A_ArrayExpr] = bs_read_children, [T_A_Indices] = bs_read_children,
    [T_A_Indirection] = bs_read_indirection, [T_CaseWhen] = bs_read_children,
    [T_CoalesceExpr] = bs_read_children, [T_MinMaxExpr] = bs_read_children,
    [T_CollateClause] = bs_read_children, [T_NamedArgExpr] = bs_read_children,
    [T_GroupingFunc] = bs_read_children, [T_GroupingSet] = bs_read_children,
    [T_RowExpr] = bs_read_children, [T_XmlExpr] = bs_read_children,
    [T_XmlSerialize] = bs_read_children, [T_WindowDef] = bs_read_children,
    [T_MultiAssignRef] = bs_read_children, [T_RangeFunction] = bs_read_children,
    [T_RangeSubselect] = bs_read_children, [T_RangeTableFunc] = bs_read_children,
    [T_RangeTableFuncCol] = bs_read_children, [T_CommonTableExpr] = bs_read_children,
    [T_CTESearchClause] = bs_read_children, [T_CTECycleClause] = bs_read_children,
    [T_WithClause] = bs_read_children, [T_InferClause] = bs_read_children,
    [T_OnConflictClause] = bs_read_children, [T_MergeWhenClause] = bs_read_children,
    [T_IndexElem] = bs_read_index_key, [T_ColumnDef] = bs_read_children,
    [T_Constraint] = bs_read_children, [T_TableLikeClause] = bs_read_children,
    [T_PartitionSpec] = bs_read_children, [T_PartitionElem] = bs_read_partition_key,
    [T_PartitionBoundSpec] = bs_read_children, [T_PartitionRangeDatum] = bs_read_children,
    [T_PartitionCmd] = bs_read_children, [T_FunctionParameter] = bs_read_children,
    [T_ReturnStmt] = bs_read_children, [T_StatsElem] = bs_read_children,
    [T_PublicationObjSpec] = bs_read_children, [T_PublicationTable] = bs_read_children,
    [T_CreateOpClassItem] = bs_read_children,
    [T_JsonOutput] = bs_read_children, [T_JsonArgument] = bs_read_children,
    [T_JsonFuncExpr] = bs_read_children, [T_JsonTablePathSpec] = bs_read_children,
    [T_JsonTable] = bs_read_children, [T_JsonTableColumn] = bs_read_children,
    [T_JsonKeyValue] = bs_read_children, [T_JsonParseExpr] = bs_read_children,
    [T_JsonScalarExpr] = bs_read_children, [T_JsonSerializeExpr] = bs_read_children,
    [T_JsonObjectConstructor] = bs_read_children, [T_JsonArrayConstructor] = bs_read_children,
    [T_JsonArrayQueryConstructor] = bs_read_children, [T_JsonAggConstructor] = bs_read_children,
    [T_JsonObjectAgg] = bs_read_children, [T_JsonArrayAgg] = bs_read_children,
    [T_JsonValueExpr] = bs_read_children, [T_JsonFormat] = bs_read_children,
    [T_JsonReturning] = bs_read_children, [T_JsonBehavior] = bs_read_children,
    [T_JsonIsPredicate] = bs_read_children,

    /* Names and constants; what they stand for is known where they stand. */
    [T_A_Const] = bs_read_leaf, [T_ColumnRef] = bs_read_column, [T_ParamRef] = bs_read_leaf,
    [T_A_Star] = bs_read_leaf, [T_SetToDefault] = bs_read_leaf, [T_CurrentOfExpr] = bs_read_leaf,
    [T_SQLValueFunction] = bs_read_leaf, [T_MergeSupportFunc] = bs_read_leaf,
    [T_String] = bs_read_leaf, [T_Integer] = bs_read_leaf, [T_Float] = bs_read_leaf,
    [T_Boolean] = bs_read_leaf, [T_BitString] = bs_read_leaf, [T_Alias] = bs_read_leaf,
    [T_LockingClause] = bs_read_leaf, [T_RoleSpec] = bs_read_leaf, [T_AccessPriv] = bs_read_leaf,
    [T_ObjectWithArgs] = bs_read_leaf, [T_TriggerTransition] = bs_read_leaf,
    [T_ReplicaIdentityStmt] = bs_read_leaf, [T_IntList] = bs_read_leaf,

    /* Statements. */
    [T_SelectStmt] = bs_read_select, [T_InsertStmt] = bs_read_insert,
    [T_UpdateStmt] = bs_read_update, [T_DeleteStmt] = bs_read_delete,
    [T_MergeStmt] = bs_read_merge, [T_CopyStmt] = bs_read_copy,
    [T_TruncateStmt] = bs_read_truncate, [T_RefreshMatViewStmt] = bs_read_refresh,
    [T_TransactionStmt] = bs_read_transaction, [T_PrepareStmt] = bs_read_prepare,
    [T_ExecuteStmt] = bs_read_execute, [T_DeallocateStmt] = bs_read_deallocate,
    [T_DeclareCursorStmt] = bs_read_declare, [T_FetchStmt] = bs_read_fetch,
    [T_ClosePortalStmt] = bs_read_close, [T_DiscardStmt] = bs_read_discard,
    [T_ExplainStmt] = bs_read_explain, [T_VariableSetStmt] = bs_read_set,
    [T_LockStmt] = bs_read_lock,
    [T_CreateStmt] = bs_read_create_table, [T_CreateTableAsStmt] = bs_read_create_table_as,
    [T_ViewStmt] = bs_read_create_view, [T_IndexStmt] = bs_read_create_index,
    [T_CreateSeqStmt] = bs_read_create_sequence, [T_CreateFunctionStmt] = bs_read_create_function,
    [T_CreateRangeStmt] = bs_read_create_range, [T_DefineStmt] = bs_read_define,
    [T_AlterTableStmt] = bs_read_alter_table, [T_AlterDomainStmt] = bs_read_alter_domain,
    [T_AlterEnumStmt] = bs_read_alter_enum, [T_AlterSeqStmt] = bs_read_alter_sequence,
    [T_RenameStmt] = bs_read_rename, [T_AlterObjectSchemaStmt] = bs_read_set_schema,
    [T_AlterOwnerStmt] = bs_read_owner, [T_CommentStmt] = bs_read_comment,
    [T_DropStmt] = bs_read_drop, [T_DropRoleStmt] = bs_read_drop_role,
    [T_DropOwnedStmt] = bs_read_drop_owned, [T_GrantStmt] = bs_read_grant,
    [T_GrantRoleStmt] = bs_read_grant_role, [T_VacuumStmt] = bs_read_vacuum,
    [T_ClusterStmt] = bs_read_cluster, [T_ReindexStmt] = bs_read_reindex,

    /* Statements that are their kind: see plain below. */
    [T_VariableShowStmt] = bs_read_plain, [T_ListenStmt] = bs_read_plain,
    [T_UnlistenStmt] = bs_read_plain, [T_NotifyStmt] = bs_read_plain,
    [T_ConstraintsSetStmt] = bs_read_plain, [T_CheckPointStmt] = bs_read_plain,
    [T_LoadStmt] = bs_read_plain, [T_DoStmt] = bs_read_do, [T_CallStmt] = bs_read_plain,
    [T_CreateSchemaStmt] = bs_read_plain, [T_CreateEnumStmt] = bs_read_plain,
    [T_CompositeTypeStmt] = bs_read_plain, [T_CreateDomainStmt] = bs_read_plain,
    [T_CreateStatsStmt] = bs_read_plain, [T_CreatedbStmt] = bs_read_plain,
    [T_CreateTableSpaceStmt] = bs_read_plain, [T_CreateRoleStmt] = bs_read_plain,
    [T_CreateExtensionStmt] = bs_read_plain, [T_CreatePLangStmt] = bs_read_plain,
    [T_CreateAmStmt] = bs_read_plain, [T_CreateCastStmt] = bs_read_plain,
    [T_CreateConversionStmt] = bs_read_plain, [T_CreateTransformStmt] = bs_read_plain,
    [T_CreateOpClassStmt] = bs_read_plain, [T_CreateOpFamilyStmt] = bs_read_plain,
    [T_CreateTrigStmt] = bs_read_plain, [T_CreateEventTrigStmt] = bs_read_plain,
    [T_RuleStmt] = bs_read_plain, [T_CreatePolicyStmt] = bs_read_plain,
    [T_CreateFdwStmt] = bs_read_plain, [T_CreateForeignServerStmt] = bs_read_plain,
    [T_CreateUserMappingStmt] = bs_read_plain, [T_CreateForeignTableStmt] = bs_read_plain,
    [T_ImportForeignSchemaStmt] = bs_read_plain, [T_CreatePublicationStmt] = bs_read_plain,
    [T_CreateSubscriptionStmt] = bs_read_plain, [T_AlterFdwStmt] = bs_read_plain,
    [T_AlterForeignServerStmt] = bs_read_plain, [T_AlterUserMappingStmt] = bs_read_plain,
    [T_AlterPublicationStmt] = bs_read_plain, [T_AlterSubscriptionStmt] = bs_read_plain,
    [T_AlterSystemStmt] = bs_read_alter_system, [T_AlterDatabaseStmt] = bs_read_plain,
    [T_AlterDatabaseSetStmt] = bs_read_plain, [T_AlterDatabaseRefreshCollStmt] = bs_read_plain,
    [T_AlterRoleStmt] = bs_read_alter_role, [T_AlterRoleSetStmt] = bs_read_alter_role,
    [T_AlterDefaultPrivilegesStmt] = bs_read_default_privileges, [T_AlterTableMoveAllStmt] = bs_read_plain,
    [T_AlterTableSpaceOptionsStmt] = bs_read_plain, [T_AlterFunctionStmt] = bs_read_alter_function,
    [T_AlterOperatorStmt] = bs_read_alter_operator, [T_AlterOpFamilyStmt] = bs_read_plain,
    [T_AlterTypeStmt] = bs_read_plain, [T_AlterExtensionStmt] = bs_read_plain,
    [T_AlterExtensionContentsStmt] = bs_read_members, [T_AlterEventTrigStmt] = bs_read_plain,
    [T_AlterPolicyStmt] = bs_read_plain, [T_AlterTSDictionaryStmt] = bs_read_plain,
    [T_AlterTSConfigurationStmt] = bs_read_plain, [T_AlterCollationStmt] = bs_read_plain,
    [T_AlterStatsStmt] = bs_read_plain, [T_AlterObjectDependsStmt] = bs_read_plain,
    [T_SecLabelStmt] = bs_read_label, [T_ReassignOwnedStmt] = bs_read_reassign,
    [T_DropdbStmt] = bs_read_plain, [T_DropTableSpaceStmt] = bs_read_plain,
    [T_DropUserMappingStmt] = bs_read_plain, [T_DropSubscriptionStmt] = bs_read_plain,
};
/* clang-format on */

bs_read_fn *
bs_rule_of(NodeTag tag)
{
    return (size_t)tag < sizeof(rules) / sizeof(rules[0]) ? rules[tag] : NULL;
}

/* The text is judged where functions are known (catalog/inside.c). */
void
bs_read_do(struct bs_reading *r, const Node *node)
{
    const List *args = ((const DoStmt *)(const void *)node)->args;

    bs_read_plain(r, node);
    for (int i = 0; i < bs_list_n(args); i++) {
        const DefElem *def = (const DefElem *)(const void *)bs_list_at(args, i);
        bool as = strcmp(def->defname, "as") == 0;
        if (as)
            r->stmt->code = bs_reading_keep(r, bs_node_text(def->arg));
        else
            r->stmt->code_language = bs_reading_keep(r, bs_node_text(def->arg));
    }
}

/* How the field that names the object is to be read. */
enum field { NO_NAME = 0, TEXT, LIST, RANGE };

/* Are the parts of the statement executed? */
enum parts { PARTS_RUN = 0, PARTS_SLEEP, PARTS_UNREAD };

/* clang-format off */
static const struct plain {
    NodeTag tag;
    enum bs_kind kind;
    enum parts parts;
    enum bs_object object;
    enum field field;
    size_t at; /* offset of the field */
} plain[] = {
#define NAMED(TYPE, KIND, PARTS, OBJECT, FIELD, field)                                             \
    {T_##TYPE, BS_KIND_##KIND, PARTS_##PARTS, BS_OBJECT_##OBJECT, FIELD, offsetof(TYPE, field)}
#define UNNAMED(TYPE, KIND, PARTS) {T_##TYPE, BS_KIND_##KIND, PARTS_##PARTS, BS_OBJECT_NONE, NO_NAME, 0}
    UNNAMED(VariableShowStmt, SHOW, UNREAD),
    UNNAMED(ListenStmt, LISTEN, UNREAD),
    UNNAMED(UnlistenStmt, UNLISTEN, UNREAD),
    UNNAMED(NotifyStmt, NOTIFY, UNREAD),
    UNNAMED(ConstraintsSetStmt, SET_CONSTRAINTS, UNREAD),
    UNNAMED(CheckPointStmt, CHECKPOINT, UNREAD),
    UNNAMED(LoadStmt, LOAD, UNREAD),
    UNNAMED(DoStmt, DO, UNREAD),
    UNNAMED(CallStmt, CALL, RUN),
    NAMED(CreateSchemaStmt, CREATE_SCHEMA, RUN, SCHEMA, TEXT, schemaname),
    NAMED(CreateEnumStmt, CREATE_TYPE, UNREAD, TYPE, LIST, typeName),
    NAMED(CompositeTypeStmt, CREATE_TYPE, SLEEP, TYPE, RANGE, typevar),
    NAMED(CreateDomainStmt, CREATE_DOMAIN, SLEEP, TYPE, LIST, domainname),
    NAMED(CreateStatsStmt, CREATE_STATISTICS, SLEEP, OTHER, LIST, defnames),
    NAMED(CreatedbStmt, CREATE_DATABASE, UNREAD, DATABASE, TEXT, dbname),
    NAMED(CreateTableSpaceStmt, CREATE_TABLESPACE, UNREAD, OTHER, TEXT, tablespacename),
    NAMED(CreateRoleStmt, CREATE_ROLE, UNREAD, ROLE, TEXT, role),
    NAMED(CreateExtensionStmt, CREATE_EXTENSION, UNREAD, OTHER, TEXT, extname),
    NAMED(CreatePLangStmt, CREATE_LANGUAGE, UNREAD, OTHER, TEXT, plname),
    NAMED(CreateAmStmt, CREATE_ACCESS_METHOD, UNREAD, OTHER, TEXT, amname),
    UNNAMED(CreateCastStmt, CREATE_CAST, UNREAD),
    NAMED(CreateConversionStmt, CREATE_CONVERSION, UNREAD, OTHER, LIST, conversion_name),
    UNNAMED(CreateTransformStmt, CREATE_TRANSFORM, UNREAD),
    NAMED(CreateOpClassStmt, CREATE_OPERATOR_CLASS, UNREAD, OTHER, LIST, opclassname),
    NAMED(CreateOpFamilyStmt, CREATE_OPERATOR_CLASS, UNREAD, OTHER, LIST, opfamilyname),
    NAMED(CreateTrigStmt, CREATE_TRIGGER, SLEEP, RELATION, RANGE, relation),
    NAMED(CreateEventTrigStmt, CREATE_EVENT_TRIGGER, UNREAD, OTHER, TEXT, trigname),
    NAMED(RuleStmt, CREATE_RULE, SLEEP, RELATION, RANGE, relation),
    NAMED(CreatePolicyStmt, CREATE_POLICY, SLEEP, RELATION, RANGE, table),
    NAMED(CreateFdwStmt, CREATE_FOREIGN_DATA_WRAPPER, UNREAD, OTHER, TEXT, fdwname),
    NAMED(CreateForeignServerStmt, CREATE_SERVER, UNREAD, OTHER, TEXT, servername),
    NAMED(CreateUserMappingStmt, CREATE_USER_MAPPING, UNREAD, OTHER, TEXT, servername),
    NAMED(CreateForeignTableStmt, CREATE_FOREIGN_TABLE, SLEEP, RELATION, RANGE, base.relation),
    NAMED(ImportForeignSchemaStmt, IMPORT_FOREIGN_SCHEMA, UNREAD, SCHEMA, TEXT, local_schema),
    NAMED(CreatePublicationStmt, CREATE_PUBLICATION, SLEEP, OTHER, TEXT, pubname),
    NAMED(CreateSubscriptionStmt, CREATE_SUBSCRIPTION, UNREAD, OTHER, TEXT, subname),
    NAMED(AlterFdwStmt, ALTER_FOREIGN_DATA_WRAPPER, UNREAD, OTHER, TEXT, fdwname),
    NAMED(AlterForeignServerStmt, ALTER_SERVER, UNREAD, OTHER, TEXT, servername),
    NAMED(AlterUserMappingStmt, ALTER_USER_MAPPING, UNREAD, OTHER, TEXT, servername),
    NAMED(AlterPublicationStmt, ALTER_PUBLICATION, SLEEP, OTHER, TEXT, pubname),
    NAMED(AlterSubscriptionStmt, ALTER_SUBSCRIPTION, UNREAD, OTHER, TEXT, subname),
    NAMED(AlterDatabaseStmt, ALTER_DATABASE, UNREAD, DATABASE, TEXT, dbname),
    NAMED(AlterDatabaseSetStmt, ALTER_DATABASE, UNREAD, DATABASE, TEXT, dbname),
    NAMED(AlterDatabaseRefreshCollStmt, ALTER_DATABASE, UNREAD, DATABASE, TEXT, dbname),
    NAMED(AlterTableMoveAllStmt, ALTER_TABLE_ALL, UNREAD, OTHER, TEXT, orig_tablespacename),
    NAMED(AlterTableSpaceOptionsStmt, ALTER_TABLESPACE, UNREAD, OTHER, TEXT, tablespacename),
    NAMED(AlterOpFamilyStmt, ALTER_OPERATOR_FAMILY, UNREAD, OTHER, LIST, opfamilyname),
    NAMED(AlterTypeStmt, ALTER_TYPE, UNREAD, TYPE, LIST, typeName),
    NAMED(AlterExtensionStmt, ALTER_EXTENSION, UNREAD, OTHER, TEXT, extname),
    NAMED(AlterEventTrigStmt, ALTER_EVENT_TRIGGER, UNREAD, OTHER, TEXT, trigname),
    NAMED(AlterPolicyStmt, ALTER_POLICY, SLEEP, RELATION, RANGE, table),
    NAMED(AlterTSDictionaryStmt, ALTER_TEXT_SEARCH, UNREAD, OTHER, LIST, dictname),
    NAMED(AlterTSConfigurationStmt, ALTER_TEXT_SEARCH, UNREAD, OTHER, LIST, cfgname),
    NAMED(AlterCollationStmt, ALTER_COLLATION, UNREAD, OTHER, LIST, collname),
    NAMED(AlterStatsStmt, ALTER_STATISTICS, UNREAD, OTHER, LIST, defnames),
    UNNAMED(AlterObjectDependsStmt, DEPENDS_ON_EXTENSION, UNREAD),
    NAMED(DropdbStmt, DROP_DATABASE, UNREAD, DATABASE, TEXT, dbname),
    NAMED(DropTableSpaceStmt, DROP_TABLESPACE, UNREAD, OTHER, TEXT, tablespacename),
    NAMED(DropUserMappingStmt, DROP_USER_MAPPING, UNREAD, OTHER, TEXT, servername),
    NAMED(DropSubscriptionStmt, DROP_SUBSCRIPTION, UNREAD, OTHER, TEXT, subname),
#undef NAMED
#undef UNNAMED
};
/* clang-format on */

static const struct plain *
plain_of(NodeTag tag)
{
    for (size_t i = 0; i < sizeof(plain) / sizeof(plain[0]); i++) {
        if (plain[i].tag == tag)
            return &plain[i];
    }
    return NULL;
}

/* The pointer in the field that names the object. */
static const void *
field_of(const struct plain *row, const Node *node)
{
    const void *field;

    memcpy(&field, (const char *)(const void *)node + row->at, sizeof(field));
    return field;
}

static struct bs_name
name_of(const struct plain *row, const Node *node)
{
    const void *field = row->field == NO_NAME ? NULL : field_of(row, node);

    if (field == NULL || row->field == TEXT)
        return bs_name_of_text(field);
    return row->field == LIST ? bs_name_of_list(field) : bs_name_of_range(field);
}

void
bs_read_plain(struct bs_reading *r, const Node *node)
{
    const struct plain *row = plain_of(node->type);

    if (row == NULL)
        return; /* of no known kind: bs_reading_run says so */
    bs_reading_enter(r, row->kind);
    if (row->object != BS_OBJECT_NONE)
        (void)bs_reading_effect(r, row->kind, row->object, name_of(row, node));
    if (row->parts == PARTS_UNREAD)
        return;
    if (row->parts == PARTS_SLEEP)
        r->walk.mode |= BS_WALK_DORMANT;
    bs_walk_push_children(&r->walk, node, row->field == RANGE ? field_of(row, node) : NULL, NULL);
}

/* clang-format off */
static const uint32_t flags[BS_KIND_COUNT] = {
    [BS_KIND_COPY_FROM_STDIN] = BS_FLAG_COPY_IN,
    [BS_KIND_COPY_TO_STDOUT] = BS_FLAG_COPY_OUT,
    [BS_KIND_COPY_FROM_FILE] = BS_FLAG_SERVER_FILE,
    [BS_KIND_COPY_TO_FILE] = BS_FLAG_SERVER_FILE,
    [BS_KIND_COPY_PROGRAM] = BS_FLAG_SERVER_FILE,
    [BS_KIND_LOAD] = BS_FLAG_SERVER_FILE,
    [BS_KIND_DO] = BS_FLAG_DYNAMIC_SQL,
    [BS_KIND_CALL] = BS_FLAG_DYNAMIC_SQL,
    [BS_KIND_COMMIT_PREPARED] = BS_FLAG_NO_BLOCK,
    [BS_KIND_ROLLBACK_PREPARED] = BS_FLAG_NO_BLOCK,
    [BS_KIND_SET] = BS_FLAG_SESSION_STATE,
    [BS_KIND_RESET] = BS_FLAG_SESSION_STATE,
    [BS_KIND_SET_TRANSACTION] = BS_FLAG_SESSION_STATE,
    [BS_KIND_SET_CONSTRAINTS] = BS_FLAG_SESSION_STATE,
    [BS_KIND_SET_ROLE] = BS_FLAG_SESSION_STATE | BS_FLAG_PRIVILEGE,
    [BS_KIND_SET_SESSION_AUTHORIZATION] = BS_FLAG_SESSION_STATE | BS_FLAG_PRIVILEGE,
    [BS_KIND_DISCARD] = BS_FLAG_SESSION_STATE,
    [BS_KIND_DISCARD_ALL] = BS_FLAG_SESSION_STATE | BS_FLAG_NO_BLOCK,
    [BS_KIND_ALTER_SYSTEM] = BS_FLAG_NO_BLOCK,
    [BS_KIND_VACUUM] = BS_FLAG_NO_BLOCK,
    [BS_KIND_VACUUM_FULL] = BS_FLAG_NO_BLOCK,
    [BS_KIND_CREATE_TEMP_TABLE] = BS_FLAG_TEMP,
    [BS_KIND_CREATE_DATABASE] = BS_FLAG_NO_BLOCK,
    [BS_KIND_DROP_DATABASE] = BS_FLAG_NO_BLOCK,
    [BS_KIND_CREATE_TABLESPACE] = BS_FLAG_NO_BLOCK | BS_FLAG_SERVER_FILE,
    [BS_KIND_DROP_TABLESPACE] = BS_FLAG_NO_BLOCK | BS_FLAG_SERVER_FILE,
    [BS_KIND_CREATE_SUBSCRIPTION] = BS_FLAG_NO_BLOCK,
    [BS_KIND_ALTER_SUBSCRIPTION] = BS_FLAG_NO_BLOCK,
    [BS_KIND_DROP_SUBSCRIPTION] = BS_FLAG_NO_BLOCK,
    [BS_KIND_RENAME_ROLE] = BS_FLAG_PRIVILEGE,
    [BS_KIND_OWNER_TO] = BS_FLAG_PRIVILEGE,
    [BS_KIND_ALTER_TABLE_OWNER] = BS_FLAG_PRIVILEGE,
    [BS_KIND_ALTER_TABLE_DISABLE_RLS] = BS_FLAG_PRIVILEGE,
    [BS_KIND_CREATE_POLICY] = BS_FLAG_PRIVILEGE,
    [BS_KIND_ALTER_POLICY] = BS_FLAG_PRIVILEGE,
    [BS_KIND_DROP_POLICY] = BS_FLAG_PRIVILEGE,
    [BS_KIND_SECURITY_LABEL] = BS_FLAG_PRIVILEGE,
    [BS_KIND_CREATE_USER_MAPPING] = BS_FLAG_PRIVILEGE,
    [BS_KIND_ALTER_USER_MAPPING] = BS_FLAG_PRIVILEGE,
    [BS_KIND_DROP_USER_MAPPING] = BS_FLAG_PRIVILEGE,
    [BS_KIND_GRANT] = BS_FLAG_PRIVILEGE, [BS_KIND_REVOKE] = BS_FLAG_PRIVILEGE,
    [BS_KIND_GRANT_ROLE] = BS_FLAG_PRIVILEGE, [BS_KIND_REVOKE_ROLE] = BS_FLAG_PRIVILEGE,
    [BS_KIND_ALTER_DEFAULT_PRIVILEGES] = BS_FLAG_PRIVILEGE,
    [BS_KIND_CREATE_ROLE] = BS_FLAG_PRIVILEGE, [BS_KIND_ALTER_ROLE] = BS_FLAG_PRIVILEGE,
    [BS_KIND_ALTER_ROLE_SET] = BS_FLAG_PRIVILEGE, [BS_KIND_DROP_ROLE] = BS_FLAG_PRIVILEGE,
    [BS_KIND_REASSIGN_OWNED] = BS_FLAG_PRIVILEGE, [BS_KIND_DROP_OWNED] = BS_FLAG_PRIVILEGE,
};
/* clang-format on */

uint32_t
bs_kind_flags(enum bs_kind kind)
{
    /* In kinds_table.h the kinds that change the catalog come last. */
    uint32_t ddl = kind >= BS_KIND_CREATE_TABLE ? BS_FLAG_DDL : 0;

    return (size_t)kind < BS_KIND_COUNT ? flags[kind] | ddl : 0;
}
