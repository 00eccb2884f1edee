/*
 * tables.c - what is asked of each catalog.
 *
 * Queries of tables that are not read whole look at one catalog only: a row's xmin says that this
 * row changed, and nothing about what it was joined with.
 */
#include "catalog/tables.h"

#include <stddef.h>

#define PC "pg_catalog."
/* Schemas whose objects can be named by an actor. Temporary ones are judged by the session's
 * state, not by a picture of what others have. */
#define NAMEABLE "c.nspname NOT LIKE 'pg\\_toast%' AND c.nspname NOT LIKE 'pg\\_temp\\_%'"

#define F(row, TYPE, member)                                                                       \
    {                                                                                              \
        BS_FIELD_##TYPE, offsetof(struct bs_row_##row, member)                                     \
    }

/* clang-format off */
static const struct bs_field named_fields[] = {F(named, OID, oid), F(named, TEXT, name)};
static const struct bs_field other_fields[] = {F(other, OID, oid), F(other, OID, class_oid),
    F(other, OID, schema), F(other, OID, owner), F(other, TEXT, name)};
static const struct bs_field language_fields[] = {F(language, OID, oid), F(language, TEXT, name),
    F(language, BOOL, plpgsql)};
static const struct bs_field class_fields[] = {F(class, OID, oid), F(class, OID, schema), F(class, TEXT, name),
    F(class, CHAR, kind), F(class, CHAR, persistence), F(class, BOOL, partition),
    F(class, BOOL, rls), F(class, OID, owner), F(class, OID, row_type), F(class, SMALL, columns)};
static const struct bs_field type_fields[] = {F(type, OID, oid), F(type, OID, schema), F(type, TEXT, name),
    F(type, CHAR, kind), F(type, OID, base), F(type, OID, element), F(type, SMALL, length),
    F(type, OID, input), F(type, CODE, value)};
static const struct bs_field range_fields[] = {F(range, OID, oid), F(range, OID, multirange), F(range, OID, subtype),
    F(range, OID, canonical), F(range, OID, difference)};
static const struct bs_field function_fields[] = {F(function, OID, oid), F(function, OID, schema),
    F(function, TEXT, name), F(function, CHAR, kind), F(function, BOOL, variadic),
    F(function, BOOL, definer), F(function, SMALL, n_args), F(function, SMALL, n_defaults),
    F(function, OID, language), F(function, OID, first), F(function, CHAR, volatility),
    F(function, BOOL, strict), F(function, BOOL, set), F(function, BOOL, atomic),
    F(function, OID, result), F(function, OID, owner), F(function, OID, support),
    F(function, OIDS, in), F(function, OIDS, all), F(function, CHARS, modes),
    F(function, NAMES, names), F(function, TEXT, defaults), F(function, TEXT, source),
    F(function, TEXT, config)};
static const struct bs_field aggregate_fields[] = {F(aggregate, OID, oid), F(aggregate, OIDS, parts)};
static const struct bs_field operator_fields[] = {F(operator, OID, oid), F(operator, OID, schema),
    F(operator, TEXT, name), F(operator, OID, function), F(operator, OID, left),
    F(operator, OID, right)};
static const struct bs_field attribute_fields[] = {F(attribute, OID, relation), F(attribute, INT, number),
    F(attribute, TEXT, name), F(attribute, OID, type), F(attribute, CHAR, generated),
    F(attribute, BOOL, dropped)};
static const struct bs_field index_fields[] = {F(index, OID, oid), F(index, OID, table), F(index, BOOL, primary),
    F(index, NUMBERS, keys), F(index, CODE, expressions), F(index, CODE, predicate)};
static const struct bs_field inherits_fields[] = {F(inherits, OID, child), F(inherits, INT, number),
    F(inherits, OID, parent)};
static const struct bs_field constraint_fields[] = {F(constraint, OID, oid), F(constraint, OID, relation),
    F(constraint, OID, to), F(constraint, OID, domain), F(constraint, CHAR, kind),
    F(constraint, CHAR, on_delete), F(constraint, CHAR, on_update), F(constraint, TEXT, name),
    F(constraint, NUMBERS, columns), F(constraint, NUMBERS, to_columns),
    F(constraint, CODE, check)};
static const struct bs_field code_fields[] = {F(code, OID, oid), F(code, OID, relation), F(code, INT, number),
    F(code, TEXT, name), F(code, CODE, code), F(code, CODE, more)};
static const struct bs_field rule_fields[] = {F(rule, OID, oid), F(rule, OID, relation), F(rule, TEXT, name),
    F(rule, CHAR, event), F(rule, CHAR, enabled), F(rule, CODE, action)};
static const struct bs_field trigger_fields[] = {F(trigger, OID, oid), F(trigger, OID, relation),
    F(trigger, TEXT, name), F(trigger, OID, function), F(trigger, SMALL, type),
    F(trigger, CHAR, enabled), F(trigger, CODE, condition)};
static const struct bs_field cast_fields[] = {F(cast, OID, oid), F(cast, OID, source), F(cast, OID, target),
    F(cast, OID, function), F(cast, CHAR, context)};
static const struct bs_field classed_fields[] = {F(classed, OID, relation), F(classed, OID, function)};
static const struct bs_field event_trigger_fields[] = {F(event_trigger, OID, oid),
    F(event_trigger, TEXT, name), F(event_trigger, OID, function)};
static const struct bs_field publication_fields[] = {F(publication, OID, oid), F(publication, TEXT, name),
    F(publication, BOOL, all), F(publication, BOOL, insert), F(publication, BOOL, update),
    F(publication, BOOL, remove), F(publication, BOOL, truncate)};
static const struct bs_field published_fields[] = {F(published, OID, oid), F(published, OID, publication),
    F(published, OID, what)};
static const struct bs_field depend_fields[] = {F(depend, OID, ref_class), F(depend, OID, ref_oid),
    F(depend, INT, ref_sub), F(depend, INT, sub), F(depend, OID, class_oid),
    F(depend, OID, oid), F(depend, OID, xmin), F(depend, CHAR, type)};
static const struct bs_field body_fields[] = {F(body, OID, oid), F(body, TEXT, source)};
static const struct bs_field estimate_fields[] = {F(estimate, OID, oid), F(estimate, DOUBLE, rows),
    F(estimate, LONG, bytes)};

#define OWN(column) "CASE WHEN c.oid >= 16384 THEN " column " END"
#define FUNCTION_COLUMNS                                                                           \
    "c.oid, c.pronamespace, c.proname, c.prokind, c.provariadic <> 0, c.prosecdef, c.pronargs,"    \
    " c.pronargdefaults, c.prolang, c.proargtypes[0], c.provolatile, c.proisstrict, c.proretset,"  \
    " c.prosqlbody IS NOT NULL, c.prorettype, c.proowner, c.prosupport::" PC "oid, "               \
    OWN("c.proargtypes") ", " OWN("c.proallargtypes") ", " OWN("c.proargmodes") ", "               \
    OWN("c.proargnames") ", " OWN("c.proargdefaults::" PC "text") ","                              \
    " CASE WHEN c.prolang = 12 OR (c.oid >= 16384 AND c.prolang <> 13 AND c.prosqlbody IS NULL)"   \
    " THEN c.prosrc END, " PC "array_to_string(c.proconfig, E'\\n')"

/* Unique at every moment, for all rows, by plain columns. */
#define IS_KEY                                                                                     \
    "c.indisunique AND c.indimmediate AND c.indisvalid AND c.indisready AND c.indislive"           \
    " AND c.indpred IS NULL AND c.indexprs IS NULL AND c.indrelid >= 16384"

/*
 * What goes when something is dropped, as far as it can hold data or lead to what does: relations
 * and their columns, types, functions, views. Constraints, triggers, policies and ordinary defaults
 * go too, but nothing that stores a row hangs on them. An expression takes its generated column.
 */
#define DEPENDS                                                                                    \
    PC "pg_depend c WHERE c.objid >= 16384 AND (c.refobjid >= 16384 OR c.refclassid IN"            \
    " ('" PC "pg_namespace'::" PC "regclass, '" PC "pg_extension'::" PC "regclass))"               \
    " AND c.classid NOT IN ('" PC "pg_constraint'::" PC "regclass, '" PC "pg_trigger'::" PC        \
    "regclass, '" PC "pg_policy'::" PC "regclass, '" PC "pg_statistic_ext'::" PC "regclass)"       \
    " AND c.refclassid <> '" PC "pg_constraint'::" PC "regclass"

/* Before release 14 the rows of a table that was never analysed are 0, not -1. */
#define ROWS                                                                                       \
    "CASE WHEN c.reltuples >= 0 THEN c.reltuples ELSE coalesce(nullif("                            \
    PC "pg_stat_get_live_tuples(c.oid), 0), -1) END::" PC "float8"

/*
 * 'n': nothing runs what such a family has but an index or a partition key that names its class. Else
 * 'i': it has the class that a type's values are compared and hashed by, or an operator that is found
 * in no family of PostgreSQL's own in the same place. Where it is, the server takes that one: it looks
 * an operator's families through by their OIDs. Methods but btree (403) and hash (405) serve indexes
 * only.
 */
#define WHO_USES(family)                                                                           \
    "CASE WHEN " family " >= 16384 AND NOT EXISTS (SELECT FROM " PC "pg_opclass k"                 \
    " WHERE k.opcfamily = " family " AND k.opcdefault) AND NOT EXISTS (SELECT FROM " PC            \
    "pg_amop a WHERE a.amopfamily = " family " AND a.amopmethod IN (403, 405)"                     \
    " AND NOT EXISTS (SELECT FROM " PC "pg_amop b WHERE b.amopopr = a.amopopr"                     \
    " AND b.amopstrategy = a.amopstrategy AND b.amopmethod = a.amopmethod"                         \
    " AND b.amopfamily < 16384)) THEN 'n' ELSE 'i' END::" PC "\"char\""
/* PostgreSQL's own that take the type internal are there for classes, and no statement calls them. */
#define MAY_HARM(function)                                                                         \
    "(" function " >= 16384 OR NOT EXISTS (SELECT FROM " PC "pg_proc p WHERE p.oid = " function    \
    " AND 2281 = ANY (p.proargtypes::" PC "oid[])))"
#define CLASSED                                                                                    \
    "(SELECT u.relation, f.function FROM"                                                          \
    " (SELECT i.indrelid, k.opcfamily FROM " PC "pg_opclass k JOIN " PC                            \
    "pg_index i ON k.oid = ANY (i.indclass) WHERE k.oid >= 16384"                                  \
    " UNION SELECT p.partrelid, k.opcfamily FROM " PC "pg_opclass k JOIN " PC                      \
    "pg_partitioned_table p ON k.oid = ANY (p.partclass) WHERE k.oid >= 16384)"                    \
    " u (relation, family) JOIN (SELECT a.amprocfamily, a.amproc::" PC "oid FROM " PC              \
    "pg_amproc a WHERE a.oid >= 16384 AND " MAY_HARM("a.amproc") " UNION SELECT a.amopfamily, o.oprcode::" PC "oid FROM " PC    \
    "pg_amop a JOIN " PC "pg_operator o ON o.oid = a.amopopr WHERE a.amopopr >= 16384)"            \
    " f (family, function) ON f.family = u.family) c WHERE true"

/*
 * Types that have others of their own (arrays, row types) go with these. PostgreSQL's own objects are
 * left out, since what hangs on them is not read either; schemas may be anybody's all the same.
 */
#define OTHER(catalog, schema, owner, name)                                                        \
    "SELECT o.oid, '" PC catalog "'::" PC "regclass::" PC "oid, " schema ", " owner ", " name      \
    " FROM " PC catalog " o WHERE o.oid >= 16384"
#define OTHERS                                                                                     \
    "(" OTHER("pg_collation", "o.collnamespace", "o.collowner", "o.collname")                      \
    " UNION ALL " OTHER("pg_conversion", "o.connamespace", "o.conowner", "o.conname")              \
    " UNION ALL " OTHER("pg_operator", "o.oprnamespace", "o.oprowner", "o.oprname")                \
    " UNION ALL " OTHER("pg_opclass", "o.opcnamespace", "o.opcowner", "o.opcname")                 \
    " UNION ALL " OTHER("pg_opfamily", "o.opfnamespace", "o.opfowner", "o.opfname")                \
    " UNION ALL " OTHER("pg_ts_config", "o.cfgnamespace", "o.cfgowner", "o.cfgname")               \
    " UNION ALL " OTHER("pg_ts_dict", "o.dictnamespace", "o.dictowner", "o.dictname")              \
    " UNION ALL " OTHER("pg_ts_parser", "o.prsnamespace", "0", "o.prsname")                        \
    " UNION ALL " OTHER("pg_ts_template", "o.tmplnamespace", "0", "o.tmplname")                    \
    " UNION ALL " OTHER("pg_am", "0", "0", "o.amname")                                             \
    " UNION ALL " OTHER("pg_language", "0", "o.lanowner", "o.lanname")                             \
    " UNION ALL " OTHER("pg_foreign_data_wrapper", "0", "o.fdwowner", "o.fdwname")                 \
    " UNION ALL " OTHER("pg_foreign_server", "0", "o.srvowner", "o.srvname")                       \
    " UNION ALL " OTHER("pg_extension", "0", "o.extowner", "o.extname")                            \
    " UNION ALL " OTHER("pg_type", "o.typnamespace", "o.typowner", "o.typname")                    \
    " AND o.typrelid = 0 AND o.typcategory <> 'A' AND o.typtype <> 'm'"                            \
    " UNION ALL SELECT o.oid, 2615, 0, o.nspowner, o.nspname FROM " PC "pg_namespace o"            \
    " WHERE o.nspname NOT LIKE 'pg\\_%' AND o.nspname <> 'information_schema'"                      \
    " UNION ALL SELECT o.oid, 1260, 0, 0, o.rolname FROM " PC "pg_roles o"                         \
    ") c (oid, class, schema, owner, name)"

#define TABLE(catalog, columns, from, WAY, row, keys, fields)                                      \
    {                                                                                              \
        catalog, columns, from, BS_TABLE_##WAY, sizeof(struct bs_row_##row), keys, fields,         \
            sizeof(fields) / sizeof((fields)[0])                                                   \
    }

const struct bs_table_def bs_tables[BS_TABLE_COUNT] = {
    [BS_TABLE_SCHEMA] = TABLE("pg_namespace", "c.oid, c.nspname",
        PC "pg_namespace c WHERE " NAMEABLE, WHOLE, named, 1, named_fields),
    /* A language is what its handler does, whatever it is called. */
    [BS_TABLE_LANGUAGE] = TABLE("pg_language", "c.oid, c.lanname, h.probin = '$libdir/plpgsql'"
        " AND h.prosrc = 'plpgsql_call_handler'", PC "pg_language c LEFT JOIN " PC "pg_proc h"
        " ON h.oid = c.lanplcallfoid", WHOLE, language, 1, language_fields),
    [BS_TABLE_EXTENSION] = TABLE("pg_extension", "c.oid, c.extname", PC "pg_extension c",
        WHOLE, named, 1, named_fields),
    [BS_TABLE_OTHER] = TABLE(NULL, "c.oid, c.class, c.schema, c.owner, c.name", OTHERS,
        WHOLE, other, 2, other_fields),
    [BS_TABLE_CLASS] = TABLE("pg_class", "c.oid, c.relnamespace, c.relname, c.relkind,"
        " c.relpersistence, c.relispartition, c.relrowsecurity, c.relowner, c.reltype, c.relnatts",
        PC "pg_class c WHERE c.relkind <> 't' AND c.relpersistence <> 't'"
        " AND c.relnamespace <> 99", COUNTED, class, 1, class_fields),
    [BS_TABLE_TYPE] = TABLE("pg_type", "c.oid, c.typnamespace, c.typname, c.typtype, c.typbasetype,"
        " c.typelem, c.typlen, c.typinput::" PC "oid, c.typdefaultbin::" PC "text",
        PC "pg_type c WHERE c.typtype <> 'c'", COUNTED, type, 1, type_fields),
    [BS_TABLE_RANGE] = TABLE("pg_range", "c.rngtypid, c.rngmultitypid, c.rngsubtype,"
        " c.rngcanonical::" PC "oid, c.rngsubdiff::" PC "oid", PC "pg_range c",
        WHOLE, range, 1, range_fields),
    [BS_TABLE_FUNCTION] = TABLE("pg_proc", FUNCTION_COLUMNS, PC "pg_proc c WHERE true",
        COUNTED, function, 1, function_fields),
    [BS_TABLE_AGGREGATE] = TABLE("pg_aggregate", "c.aggfnoid::" PC "oid, ARRAY[c.aggtransfn::" PC
        "oid, c.aggfinalfn::" PC "oid, c.aggcombinefn::" PC "oid, c.aggserialfn::" PC
        "oid, c.aggdeserialfn::" PC "oid, c.aggmtransfn::" PC "oid, c.aggminvtransfn::" PC
        "oid, c.aggmfinalfn::" PC "oid]", PC "pg_aggregate c WHERE c.aggfnoid >= 16384",
        WHOLE, aggregate, 1, aggregate_fields),
    [BS_TABLE_OPERATOR] = TABLE("pg_operator", "c.oid, c.oprnamespace, c.oprname, c.oprcode::" PC
        "oid, c.oprleft, c.oprright", PC "pg_operator c WHERE c.oid >= 16384",
        WHOLE, operator, 1, operator_fields),
    /* A dropped column's row stays, and says so. */
    [BS_TABLE_ATTRIBUTE] = TABLE("pg_attribute", "c.attrelid, c.attnum, c.attname, c.atttypid,"
        " c.attgenerated, c.attisdropped",
        PC "pg_attribute c WHERE c.attnum > 0 AND c.attrelid >= 16384",
        FOLLOWS, attribute, 2, attribute_fields),
    [BS_TABLE_INDEX] = TABLE("pg_index", "c.indexrelid, c.indrelid, c.indisprimary, CASE WHEN "
        IS_KEY " THEN (c.indkey::" PC "int2[])[0:c.indnkeyatts - 1] END, c.indexprs::" PC "text,"
        " c.indpred::" PC "text", PC "pg_index c WHERE true", FOLLOWS, index, 1, index_fields),
    [BS_TABLE_INHERITS] = TABLE("pg_inherits", "c.inhrelid, c.inhseqno, c.inhparent",
        PC "pg_inherits c", WHOLE, inherits, 2, inherits_fields),
    [BS_TABLE_CONSTRAINT] = TABLE("pg_constraint", "c.oid, c.conrelid, c.confrelid, c.contypid,"
        " c.contype, c.confdeltype, c.confupdtype, c.conname, c.conkey, c.confkey, c.conbin::" PC
        "text", PC "pg_constraint c WHERE c.oid >= 16384 AND (c.contype = 'f' OR c.conbin IS NOT NULL)",
        COUNTED, constraint, 1, constraint_fields),
    [BS_TABLE_DEFAULT] = TABLE("pg_attrdef", "c.oid, c.adrelid, c.adnum, NULL::" PC "name,"
        " c.adbin::" PC "text, NULL::" PC "text", PC "pg_attrdef c WHERE c.adrelid >= 16384",
        COUNTED, code, 1, code_fields),
    [BS_TABLE_STATISTICS] = TABLE("pg_statistic_ext", "c.oid, c.stxrelid, 0, c.stxname,"
        " c.stxexprs::" PC "text, NULL::" PC "text",
        PC "pg_statistic_ext c WHERE c.stxexprs IS NOT NULL", WHOLE, code, 1, code_fields),
    [BS_TABLE_PARTITIONED] = TABLE("pg_partitioned_table", "c.partrelid, c.partrelid, 0, r.relname,"
        " c.partexprs::" PC "text, NULL::" PC "text", PC "pg_partitioned_table c JOIN " PC
        "pg_class r ON r.oid = c.partrelid WHERE c.partexprs IS NOT NULL",
        WHOLE, code, 1, code_fields),
    [BS_TABLE_POLICY] = TABLE("pg_policy", "c.oid, c.polrelid, 0, c.polname, c.polqual::" PC "text,"
        " c.polwithcheck::" PC "text", PC "pg_policy c WHERE true", COUNTED, code, 1, code_fields),
    [BS_TABLE_RULE] = TABLE("pg_rewrite", "c.oid, c.ev_class, c.rulename, c.ev_type, c.ev_enabled,"
        " c.ev_action::" PC "text", PC "pg_rewrite c WHERE c.oid >= 16384",
        COUNTED, rule, 1, rule_fields),
    /* Internal ones of the server's own functions are foreign keys and deferred keys. */
    [BS_TABLE_TRIGGER] = TABLE("pg_trigger", "c.oid, c.tgrelid, c.tgname, c.tgfoid, c.tgtype,"
        " c.tgenabled, c.tgqual::" PC "text",
        PC "pg_trigger c WHERE NOT c.tgisinternal OR c.tgfoid >= 16384",
        COUNTED, trigger, 1, trigger_fields),
    [BS_TABLE_CAST] = TABLE("pg_cast", "c.oid, c.castsource, c.casttarget, c.castfunc,"
        " c.castcontext", PC "pg_cast c WHERE c.oid >= 16384", WHOLE, cast, 1, cast_fields),
    [BS_TABLE_SUPPORT] = TABLE("pg_amproc", "c.oid, c.amproclefttype, c.amprocrighttype, c.amproc::"
        PC "oid, " WHO_USES("c.amprocfamily"), PC "pg_amproc c WHERE c.oid >= 16384 AND "
        MAY_HARM("c.amproc"),
        WHOLE, cast, 1, cast_fields),
    [BS_TABLE_COMPARES] = TABLE("pg_amop", "c.oid, c.amoplefttype, c.amoprighttype, o.oprcode::" PC
        "oid, " WHO_USES("c.amopfamily"), PC "pg_amop c JOIN " PC "pg_operator o ON o.oid ="
        " c.amopopr WHERE c.amopopr >= 16384", WHOLE, cast, 1, cast_fields),
    [BS_TABLE_CLASSED] = TABLE(NULL, "c.relation, c.function", CLASSED, WHOLE, classed, 2,
        classed_fields),
    [BS_TABLE_EVENT_TRIGGER] = TABLE("pg_event_trigger", "c.oid, c.evtname, c.evtfoid",
        PC "pg_event_trigger c WHERE c.evtenabled <> 'D'",
        WHOLE, event_trigger, 1, event_trigger_fields),
    [BS_TABLE_PUBLICATION] = TABLE("pg_publication", "c.oid, c.pubname, c.puballtables,"
        " c.pubinsert, c.pubupdate, c.pubdelete, c.pubtruncate", PC "pg_publication c",
        WHOLE, publication, 1, publication_fields),
    [BS_TABLE_PUBLISHED] = TABLE("pg_publication_rel", "c.oid, c.prpubid, c.prrelid",
        PC "pg_publication_rel c", WHOLE, published, 1, published_fields),
    /* Since release 15. */
    [BS_TABLE_PUBLISHED_SCHEMA] = TABLE(NULL, "c.oid, c.pnpubid, c.pnnspid",
        PC "pg_publication_namespace c", WHOLE, published, 1, published_fields),
    [BS_TABLE_DEPEND] = TABLE("pg_depend", "c.refclassid, c.refobjid, c.refobjsubid, c.objsubid,"
        " c.classid, c.objid, c.xmin, c.deptype", DEPENDS, COUNTED, depend, 7, depend_fields),
    [BS_TABLE_BODY] = TABLE(NULL, "c.oid, " PC "pg_get_function_sqlbody(c.oid)",
        PC "pg_proc c WHERE c.oid >= 16384 AND c.prosqlbody IS NOT NULL",
        WHOLE, body, 1, body_fields),
    [BS_TABLE_ESTIMATE] = TABLE(NULL, "c.oid, " ROWS ", (c.relpages::" PC "int8 +"
        " coalesce(t.relpages, 0)) * " PC "current_setting('block_size')::" PC "int8",
        PC "pg_class c LEFT JOIN " PC "pg_class t ON t.oid = c.reltoastrelid"
        " WHERE c.relkind IN ('r', 'p', 'm', 'f') AND c.relpersistence <> 't'",
        WHOLE, estimate, 1, estimate_fields),
};
/* clang-format on */
