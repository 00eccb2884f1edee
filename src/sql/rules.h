/*
 * rules.h - which reader reads which node, and the readers.
 *
 * Layer  sql. Pure.
 * Owns   nothing.
 */
#ifndef BS_SQL_RULES_H
#define BS_SQL_RULES_H

#include "sql/reading.h"

/* The reader of a node type; NULL: the type is not known, so what it does is not either. */
bs_read_fn *bs_rule_of(NodeTag tag);

/* Flags (enum bs_flag) that come with a kind of statement. */
uint32_t bs_kind_flags(enum bs_kind kind);

/* Expressions (read_expr.c). */
bs_read_fn bs_read_call, bs_read_operator, bs_read_type, bs_read_case, bs_read_sublink,
    bs_read_sort, bs_read_join, bs_read_sample, bs_read_range, bs_read_children, bs_read_leaf,
    bs_read_res_target, bs_read_option, bs_read_column, bs_read_indirection, bs_read_index_key,
    bs_read_partition_key;

/* Queries and changes of rows (read_rows.c). */
bs_read_fn bs_read_select, bs_read_insert, bs_read_update, bs_read_delete, bs_read_merge,
    bs_read_copy, bs_read_truncate;
/* INTO of a query: `kind` where the new table is not temporary. */
void bs_read_into_clause(struct bs_reading *r, const IntoClause *into, enum bs_kind kind);

/* Transactions, cursors, prepared statements, EXPLAIN (read_session.c). */
bs_read_fn bs_read_transaction, bs_read_prepare, bs_read_execute, bs_read_deallocate,
    bs_read_declare, bs_read_fetch, bs_read_close, bs_read_discard, bs_read_explain, bs_read_set,
    bs_read_lock;

/* A call of set_config: judged as the SET that it is (read_session.c). */
void bs_read_set_config(struct bs_reading *r, const FuncCall *call);
void bs_read_setting_row(struct bs_reading *r, const SelectStmt *select);

/* Objects (read_create.c, read_alter.c, read_drop.c). */
bs_read_fn bs_read_create_table, bs_read_create_table_as, bs_read_create_view, bs_read_create_index,
    bs_read_create_sequence, bs_read_create_function, bs_read_create_range, bs_read_define,
    bs_read_refresh;
bs_read_fn bs_read_alter_table, bs_read_alter_domain, bs_read_alter_enum, bs_read_alter_operator,
    bs_read_alter_sequence, bs_read_rename, bs_read_set_schema, bs_read_owner, bs_read_comment,
    bs_read_label, bs_read_alter_function;
bs_read_fn bs_read_drop, bs_read_drop_role, bs_read_drop_owned, bs_read_members, bs_read_grant,
    bs_read_grant_role, bs_read_vacuum, bs_read_cluster, bs_read_reindex, bs_read_alter_role,
    bs_read_alter_system, bs_read_reassign, bs_read_default_privileges;

/* An object as statements over many types of objects name it. */
struct bs_named {
    enum bs_object object;
    struct bs_name name; /* "" where it has no name of its own */
};
/* object  String, List, RangeVar, TypeName, ObjectWithArgs, RoleSpec; NULL gives an empty name */
struct bs_named bs_named_of(ObjectType type, const Node *object);

/* A statement that is judged by its kind alone (rules.c has its row). */
bs_read_fn bs_read_plain, bs_read_do;

/* The value of a DefElem as the server reads a boolean; `unclear` where it is none. */
bool bs_def_is_true(const DefElem *def, bool unclear);
/* The last DefElem of that name in a list of options; NULL: none. */
const DefElem *bs_def_find(const List *options, const char *name);

/* The words of a constant: 'text', 12, 1.5, true; NULL: not a constant, or the constant NULL. */
const char *bs_const_text(const Node *node, char room[32]);
/* A number in digits, somewhere in `room`. */
const char *bs_int_text(int value, char room[32]);
/* True for constants, casts of them and, where `params`, parameters. */
bool bs_node_is_const(const Node *node, bool params);

#endif
