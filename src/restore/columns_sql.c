/*
 * columns_sql.c - rows are told by where they are (table, place): so the same function serves all
 * partitions and children, whatever their keys, and rows that match nothing have values, too.
 */
#include "restore/columns_sql.h"

#include <string.h>

#include "restore/compare.h"
#include "restore/text.h"

#define ROW_NUMBER "\"" BS_COMPARE_ROW "\""
#define TEXT       "\"backstop:text\""
#define NUMBER     "\"backstop:number\""

bool
bs_columns_writes(const struct bs_columns_column *c)
{
    return c->way == BS_COLUMN_ADD || c->way == BS_COLUMN_RETYPE;
}

/* It is there, and not computed: its values can be compared. */
static bool
is_compared(const struct bs_columns_column *c)
{
    return (c->way == BS_COLUMN_FITS || c->way == BS_COLUMN_RETYPE) && !c->live_generated;
}

static const struct bs_columns_column *
column_named(const struct bs_columns_table *t, const char *name)
{
    for (size_t i = 0; i < t->n_columns; i++) {
        if (strcmp(t->columns[i].name, name) == 0)
            return &t->columns[i];
    }
    return NULL;
}

static void
put_table(struct bs_buf *b, const struct bs_point_object *o)
{
    bs_put_name(b, o->schema, o->name);
}

static void
put_leaf(struct bs_buf *b, const struct bs_columns_leaf *leaf)
{
    bs_put_str(b, "ONLY ");
    bs_put_name(b, leaf->schema, leaf->name);
}

/* side."name" */
static void
put_field(struct bs_buf *b, const char *side, const char *name)
{
    bs_put_fmt(b, "%s.", side);
    bs_put_ident(b, name);
}

/* A saved value as the live type has it. Modifiers round or refuse as they did for the statement. */
static void
put_forth(struct bs_buf *b, const struct bs_columns_column *c)
{
    bs_put_str(b, "CAST(");
    put_field(b, "s", c->name);
    bs_put_fmt(b, " AS %s)", c->live_type);
}

/* A live value as the saved type has it; its modifiers follow when it is stored. */
static void
put_back(struct bs_buf *b, const struct bs_columns_column *c)
{
    if (c->same_type) {
        put_field(b, "l", c->name);
        return;
    }
    bs_put_str(b, c->back_by_text ? "CAST(CAST(" : "CAST(");
    put_field(b, "l", c->name);
    if (c->back_by_text)
        bs_put_str(b, " AS pg_catalog.text)");
    bs_put_fmt(b, " AS %s)", c->bare);
}

/* Matching. */

/* The text of a row by its other columns: what the statement has left as it was. */
static void
put_text(struct bs_buf *b,
         const struct bs_columns_table *t,
         const struct bs_columns_leaf *leaf,
         const char *side)
{
    const struct bs_point_object *o = leaf->object;
    const char *before = "";

    bs_put_str(b, "(SELECT ROW(");
    for (size_t i = 0; i < o->n_columns; i++) {
        const struct bs_columns_column *c = column_named(t, o->columns[i].name);
        bool turned = c != NULL && is_compared(c) && c->matches;
        if (o->columns[i].generated != 0 || (c != NULL && !turned) || leaf->equals[i] == NULL)
            continue;
        bs_put_str(b, before);
        if (turned && side[0] == 's')
            put_forth(b, c);
        else
            put_field(b, side, o->columns[i].name);
        before = ", ";
    }
    bs_put_str(b, ")::record::text COLLATE \"C\" AS " TEXT ") t");
}

static void
put_by_text(struct bs_buf *b,
            const struct bs_columns_table *t,
            const struct bs_columns_leaf *leaf,
            const char *join)
{
    bs_put_str(b, "(SELECT s.*, t." TEXT ", pg_catalog.row_number() OVER (PARTITION BY t." TEXT
                  " ORDER BY s." ROW_NUMBER ") AS " NUMBER " FROM ");
    bs_compare_put_saved(b, leaf->at);
    bs_put_str(b, " s CROSS JOIN LATERAL ");
    put_text(b, t, leaf, "s");
    bs_put_fmt(b, ") s\n  %s (SELECT l.ctid, l.tableoid, l.xmin, t." TEXT, join);
    for (size_t i = 0; i < t->n_columns; i++) {
        if (!is_compared(&t->columns[i]))
            continue;
        bs_put_str(b, ", ");
        put_field(b, "l", t->columns[i].name);
    }
    bs_put_str(b, ", pg_catalog.row_number() OVER (PARTITION BY t." TEXT
                  " ORDER BY l.ctid) AS " NUMBER " FROM ");
    put_leaf(b, leaf);
    bs_put_str(b, " l CROSS JOIN LATERAL ");
    put_text(b, t, leaf, "l");
    bs_put_str(b, ") l\n  ON s." TEXT " = l." TEXT " AND s." NUMBER " = l." NUMBER);
}

static void
put_by_key(struct bs_buf *b, const struct bs_columns_leaf *leaf, const char *join)
{
    const struct bs_point_object *o = leaf->object;
    const char *before = "";

    bs_compare_put_saved(b, leaf->at);
    bs_put_fmt(b, " s %s ", join);
    put_leaf(b, leaf);
    bs_put_str(b, " l ON ");
    for (size_t i = 0; i < o->n_columns; i++) {
        if (o->columns[i].key == 0)
            continue;
        bs_put_str(b, before);
        put_field(b, "s", o->columns[i].name);
        bs_put_fmt(b, " %s ", leaf->equals[i]);
        put_field(b, "l", o->columns[i].name);
        before = " AND ";
    }
}

/* Saved rows s and live rows l of a leaf. */
static void
put_pairs(struct bs_buf *b,
          const struct bs_columns_table *t,
          const struct bs_columns_leaf *leaf,
          const char *join)
{
    bs_put_str(b, "\n  FROM ");
    if (leaf->object->columns_only)
        put_by_key(b, leaf, join);
    else
        put_by_text(b, t, leaf, join);
}

/* Conditions on a matched pair. */

static void
put_same(struct bs_buf *b, const struct bs_columns_column *c, bool turned)
{
    bs_put_str(b, "(ROW(");
    if (turned)
        put_forth(b, c);
    else
        put_field(b, "s", c->name);
    bs_put_str(b, ")::record OPERATOR(pg_catalog.*=) ROW(");
    put_field(b, "l", c->name);
    bs_put_str(b, ")::record)");
}

static void
put_equal(struct bs_buf *b, const struct bs_columns_column *c)
{
    if (c->same_type)
        put_same(b, c, false);
    else
        bs_put_str(b, "false");
}

/*
 * What gave the column its type has also written the row: both carry its number, which is that of a
 * savepoint where it waited for its lock under one.
 */
static void
put_own(struct bs_buf *b, const struct bs_columns_column *c, const struct bs_columns_leaf *leaf)
{
    bs_put_fmt(b,
               "(l.xmin OPERATOR(pg_catalog.=) (SELECT a.xmin FROM pg_catalog.pg_attribute a"
               " WHERE a.attrelid = %u AND a.attname = ",
               leaf->oid);
    bs_put_literal(b, c->name);
    bs_put_str(b, "))");
}

/* The live value is what the statement made of the saved one, as far as it can be told. */
static void
put_explained(struct bs_buf *b,
              const struct bs_columns_table *t,
              const struct bs_columns_column *c,
              const struct bs_columns_leaf *leaf)
{
    if (c->same_type && strcmp(t->object->kind, "ALTER TABLE DROP COLUMN") == 0) {
        bs_put_str(b, "(");
        put_field(b, "l", c->name);
        bs_put_str(b, " IS NULL)");
        return;
    }
    bs_put_str(b, "(");
    put_own(b, c, leaf);
    if (c->forth && !c->same_type) {
        bs_put_str(b, " OR ");
        put_same(b, c, true);
    }
    bs_put_str(b, ")");
}

static void
put_counts_of(struct bs_buf *b,
              const struct bs_columns_table *t,
              const struct bs_columns_column *c,
              const struct bs_columns_leaf *leaf)
{
    static const char matched[] =
        ", pg_catalog.count(*) FILTER (WHERE l.ctid IS NOT NULL AND s." ROW_NUMBER
        " IS NOT NULL AND ";

    bs_put_str(b, matched);
    put_equal(b, c);
    bs_put_fmt(b, ")%sNOT ", matched);
    put_equal(b, c);
    bs_put_str(b, " AND ");
    put_explained(b, t, c, leaf);
    bs_put_fmt(b, ")%sNOT ", matched);
    put_equal(b, c);
    bs_put_str(b, " AND NOT ");
    put_explained(b, t, c, leaf);
    bs_put_str(b, ")");
}

void
bs_columns_put_count(struct bs_buf *b,
                     const struct bs_columns_table *t,
                     const struct bs_columns_leaf *leaf)
{
    const struct bs_columns_column *first = NULL;

    for (size_t i = 0; i < t->n_columns && first == NULL; i++)
        first = is_compared(&t->columns[i]) ? &t->columns[i] : NULL;
    bs_put_str(b, "SELECT pg_catalog.count(s." ROW_NUMBER "), pg_catalog.count(l.ctid),"
                  " pg_catalog.count(*) FILTER (WHERE l.ctid IS NULL),"
                  " pg_catalog.count(*) FILTER (WHERE s." ROW_NUMBER " IS NULL),"
                  " pg_catalog.count(*) FILTER (WHERE ");
    if (first != NULL)
        put_own(b, first, leaf);
    else
        bs_put_str(b, "false");
    bs_put_str(b, ")");
    for (size_t i = 0; i < t->n_columns; i++) {
        if (is_compared(&t->columns[i]))
            put_counts_of(b, t, &t->columns[i], leaf);
    }
    put_pairs(b, t, leaf, "FULL JOIN");
}

/* What a saved row gives back, as a text; so that rows with the same can be exchanged. */
static void
put_given(struct bs_buf *b, const struct bs_columns_table *t)
{
    const char *before = "";

    bs_put_str(b, "ROW(");
    for (size_t i = 0; i < t->n_columns; i++) {
        if (t->columns[i].saved == NULL || t->columns[i].saved->generated != 0)
            continue;
        bs_put_str(b, before);
        put_field(b, "s", t->columns[i].name);
        before = ", ";
    }
    bs_put_str(b, ")::record::text COLLATE \"C\"");
}

/*
 * A live row that may not be where it was in the order of its table. A large one may also have been
 * written anew from the middle on, beside another scan (synchronize_seqscans), and CLUSTER leaves a
 * mark.
 */
static void
put_moved(struct bs_buf *b,
          const struct bs_columns_table *t,
          const struct bs_columns_leaf *leaf,
          const struct bs_origin *origin)
{
    bs_put_str(b, "(");
    bs_origin_put_newer(b, origin);
    for (size_t i = 0; i < t->n_columns; i++) {
        if (t->columns[i].live_type == NULL)
            continue;
        bs_put_str(b, " AND NOT ");
        put_own(b, &t->columns[i], leaf);
    }
    bs_put_str(b, " AND NOT ");
    bs_origin_put_own(b, origin);
    bs_put_fmt(b,
               ") OR EXISTS (SELECT FROM pg_catalog.pg_index i WHERE i.indrelid = %u"
               " AND i.indisclustered) OR (",
               leaf->oid);
    bs_origin_put_newer(b, origin);
    bs_put_fmt(b,
               " AND pg_catalog.pg_relation_size(%u::pg_catalog.regclass) > (SELECT"
               " setting::bigint * 8192 / 4 FROM pg_catalog.pg_settings"
               " WHERE name = 'shared_buffers'))",
               leaf->oid);
}

void
bs_columns_put_unsure(struct bs_buf *b,
                      const struct bs_columns_table *t,
                      const struct bs_columns_leaf *leaf,
                      const struct bs_origin *origin)
{
    bs_put_str(b, "SELECT COALESCE(pg_catalog.sum(s.n), 0)::bigint FROM (SELECT t." TEXT
                  ", pg_catalog.count(*) AS n, pg_catalog.count(DISTINCT ");
    put_given(b, t);
    bs_put_str(b, ") AS kinds FROM ");
    bs_compare_put_saved(b, leaf->at);
    bs_put_str(b, " s CROSS JOIN LATERAL ");
    put_text(b, t, leaf, "s");
    bs_put_str(b, " GROUP BY 1) s\n  JOIN (SELECT t." TEXT
                  ", pg_catalog.count(*) AS n, pg_catalog.bool_or(");
    put_moved(b, t, leaf, origin);
    bs_put_str(b, ") AS moved FROM ");
    put_leaf(b, leaf);
    bs_put_str(b, " l CROSS JOIN LATERAL ");
    put_text(b, t, leaf, "l");
    bs_put_str(b, " GROUP BY 1) l ON s." TEXT " = l." TEXT
                  "\n  WHERE s.kinds > 1 AND (l.moved OR s.n <> l.n)");
}

void
bs_columns_put_forth(struct bs_buf *b,
                     const struct bs_columns_column *c,
                     const struct bs_columns_leaf *leaf)
{
    bs_put_str(b, "SELECT pg_catalog.count(ROW(");
    put_forth(b, c);
    bs_put_str(b, ")::record) FROM ");
    bs_compare_put_saved(b, leaf->at);
    bs_put_str(b, " s");
}

/* Values. */

static void
put_values_name(struct bs_buf *b, const struct bs_columns_table *t)
{
    bs_put_fmt(b, "pg_temp.\"backstop values %zu\"", t->at);
}

static void
put_function_name(struct bs_buf *b, const struct bs_columns_table *t, size_t i)
{
    bs_put_fmt(b, "pg_temp.\"backstop value %zu %zu\"", t->at, i);
}

void
bs_columns_put_values(struct bs_buf *b, const struct bs_columns_table *t)
{
    bs_put_str(b, "CREATE TEMPORARY TABLE ");
    put_values_name(b, t);
    bs_put_str(b, " (leaf oid, place tid");
    for (size_t i = 0; i < t->n_columns; i++) {
        const struct bs_columns_column *c = &t->columns[i];
        if (!bs_columns_writes(c))
            continue;
        bs_put_fmt(b, ", v%zu %s", i, c->type);
        if (c->collation != NULL)
            bs_put_fmt(b, " COLLATE %s", c->collation);
    }
    bs_put_str(b, ") ON COMMIT DROP");
}

/* For a row that no saved one was matched with. */
static void
put_unmatched(struct bs_buf *b, const struct bs_columns_column *c, int64_t before)
{
    if (c->counts)
        bs_put_fmt(b,
                   "%lld + pg_catalog.row_number() OVER (PARTITION BY s." ROW_NUMBER
                   " IS NULL ORDER BY l.ctid)",
                   (long long)(c->next + before));
    else
        bs_put_str(b, c->unmatched != NULL ? c->unmatched : "NULL");
}

static void
put_value(struct bs_buf *b,
          const struct bs_columns_table *t,
          const struct bs_columns_column *c,
          const struct bs_columns_leaf *leaf,
          enum bs_columns_conflict conflict,
          int64_t before)
{
    bs_put_str(b, ",\n  CASE WHEN s." ROW_NUMBER " IS NOT NULL");
    if (c->way == BS_COLUMN_RETYPE && conflict == BS_COLUMNS_KEEP) {
        bs_put_str(b, " AND ");
        put_explained(b, t, c, leaf);
    }
    bs_put_str(b, " THEN ");
    put_field(b, "s", c->name);
    bs_put_str(b, " ELSE ");
    if (c->way == BS_COLUMN_RETYPE)
        put_back(b, c);
    else
        put_unmatched(b, c, before);
    bs_put_str(b, " END");
}

void
bs_columns_put_fill(struct bs_buf *b,
                    const struct bs_columns_table *t,
                    const struct bs_columns_leaf *leaf,
                    enum bs_columns_conflict conflict,
                    int64_t before)
{
    bs_put_str(b, "INSERT INTO ");
    put_values_name(b, t);
    bs_put_str(b, " SELECT l.tableoid, l.ctid");
    for (size_t i = 0; i < t->n_columns; i++) {
        const struct bs_columns_column *c = &t->columns[i];
        if (!bs_columns_writes(c))
            continue;
        if (leaf->object != NULL) {
            put_value(b, t, c, leaf, conflict, before);
            continue;
        }
        bs_put_str(b, ", ");
        if (c->way == BS_COLUMN_RETYPE)
            put_back(b, c);
        else
            put_field(b, "l", c->name); /* it has just been added, or was there all the time */
    }
    if (leaf->object == NULL) {
        bs_put_str(b, " FROM ");
        put_leaf(b, leaf);
        bs_put_str(b, " l");
    } else {
        put_pairs(b, t, leaf, "RIGHT JOIN");
    }
}

void
bs_columns_put_functions(struct bs_buf *b, const struct bs_columns_table *t)
{
    bs_put_str(b, "CREATE UNIQUE INDEX ON ");
    put_values_name(b, t);
    bs_put_str(b, " (leaf, place); ANALYZE ");
    put_values_name(b, t);
    for (size_t i = 0; i < t->n_columns; i++) {
        if (!bs_columns_writes(&t->columns[i]))
            continue;
        bs_put_str(b, "; CREATE FUNCTION ");
        put_function_name(b, t, i);
        bs_put_fmt(b, "(oid, tid) RETURNS %s LANGUAGE sql STABLE AS 'SELECT v%zu FROM ",
                   t->columns[i].type, i);
        put_values_name(b, t);
        bs_put_str(b, " WHERE leaf OPERATOR(pg_catalog.=) $1 AND place OPERATOR(pg_catalog.=) $2'");
    }
}

void
bs_columns_put_functions_off(struct bs_buf *b, const struct bs_columns_table *t)
{
    for (size_t i = 0; i < t->n_columns; i++) {
        if (!bs_columns_writes(&t->columns[i]))
            continue;
        bs_put_str(b, "DROP FUNCTION ");
        put_function_name(b, t, i);
        bs_put_str(b, "(oid, tid); ");
    }
    bs_put_str(b, "DROP TABLE ");
    put_values_name(b, t);
}

void
bs_columns_put_alter(struct bs_buf *b, const struct bs_columns_table *t)
{
    const char *before = " ";

    bs_put_str(b, "ALTER TABLE ");
    put_table(b, t->object);
    for (size_t i = 0; i < t->n_columns; i++) {
        const struct bs_columns_column *c = &t->columns[i];
        if (!bs_columns_writes(c))
            continue;
        bs_put_fmt(b, "%sALTER COLUMN ", before);
        bs_put_ident(b, c->name);
        bs_put_fmt(b, " TYPE %s", c->type);
        if (c->collation != NULL)
            bs_put_fmt(b, " COLLATE %s", c->collation);
        bs_put_str(b, " USING ");
        put_function_name(b, t, i);
        bs_put_str(b, "(tableoid, ctid)");
        before = ", ";
    }
}

/* The shape. */

/* ALTER TABLE name ALTER COLUMN name */
static void
put_alter_column(struct bs_buf *b, const struct bs_point_object *o, bool only, const char *name)
{
    bs_put_str(b, only ? "ALTER TABLE ONLY " : "ALTER TABLE ");
    put_table(b, o);
    bs_put_str(b, " ALTER COLUMN ");
    bs_put_ident(b, name);
}

static bool
is_check(const struct bs_point_check *k)
{
    return strncmp(k->definition, "CHECK", 5) == 0;
}

/* Checks are written anew, so that they read as they did: a change of type puts casts into them. */
void
bs_columns_put_clear(struct bs_buf *b, const struct bs_columns_table *t)
{
    bool retyped = false;

    for (size_t i = 0; i < t->n_columns; i++) {
        const struct bs_columns_column *c = &t->columns[i];
        if (c->way != BS_COLUMN_RETYPE)
            continue;
        retyped = true;
        if (!c->live_default || c->live_identity)
            continue;
        put_alter_column(b, t->object, false, c->name);
        bs_put_str(b, " DROP DEFAULT; ");
    }
    for (size_t i = 0; retyped && i < t->n_members; i++) {
        const struct bs_point_object *o = t->members[i];
        for (size_t k = 0; k < o->n_checks; k++) {
            if (!is_check(&o->checks[k]))
                continue;
            bs_put_str(b, "ALTER TABLE ");
            put_table(b, o);
            bs_put_str(b, " DROP CONSTRAINT IF EXISTS ");
            bs_put_ident(b, o->checks[k].name);
            bs_put_str(b, "; ");
        }
    }
}

void
bs_columns_put_add(struct bs_buf *b, const struct bs_columns_table *t)
{
    for (size_t i = 0; i < t->n_columns; i++) {
        const struct bs_columns_column *c = &t->columns[i];
        if (c->way != BS_COLUMN_ADD)
            continue;
        bs_put_str(b, "ALTER TABLE ");
        put_table(b, t->object);
        bs_put_str(b, " ADD COLUMN ");
        bs_put_ident(b, c->name);
        /* A domain may refuse the nulls that are in it until the values come. */
        bs_put_fmt(b, " %s", c->domain ? "pg_catalog.bool" : c->type);
        if (c->collation != NULL && !c->domain)
            bs_put_fmt(b, " COLLATE %s", c->collation);
        bs_put_str(b, "; ");
    }
}

static void
put_computed(struct bs_buf *b, const struct bs_columns_table *t, const struct bs_columns_column *c)
{
    if (c->live_type != NULL) {
        bs_put_str(b, "ALTER TABLE ");
        put_table(b, t->object);
        bs_put_str(b, " DROP COLUMN ");
        bs_put_ident(b, c->name);
        bs_put_str(b, "; ");
    }
    bs_put_str(b, "ALTER TABLE ");
    put_table(b, t->object);
    bs_put_str(b, " ADD COLUMN ");
    bs_put_ident(b, c->name);
    bs_put_fmt(b, " %s", c->type);
    if (c->collation != NULL)
        bs_put_fmt(b, " COLLATE %s", c->collation);
    bs_put_fmt(b, " GENERATED ALWAYS AS (%s) %s; ", c->saved->expression,
               c->saved->generated == 'v' ? "VIRTUAL" : "STORED");
}

void
bs_columns_put_generated(struct bs_buf *b, const struct bs_columns_table *t)
{
    for (size_t i = 0; i < t->n_columns; i++) {
        const struct bs_columns_column *c = &t->columns[i];
        if (c->way == BS_COLUMN_COMPUTE)
            put_computed(b, t, c);
        if (c->way != BS_COLUMN_EXPRESS)
            continue;
        if (!c->same_type) {
            put_alter_column(b, t->object, false, c->name);
            bs_put_fmt(b, " TYPE %s", c->type);
            if (c->collation != NULL)
                bs_put_fmt(b, " COLLATE %s", c->collation);
            bs_put_str(b, "; ");
        }
        if (!c->expresses)
            continue;
        put_alter_column(b, t->object, false, c->name);
        bs_put_fmt(b, " SET EXPRESSION AS (%s); ", c->saved->expression);
    }
}

static void
put_setting(struct bs_buf *b,
            const struct bs_point_object *o,
            const char *name,
            const char *what,
            const char *value)
{
    if (value == NULL)
        return;
    put_alter_column(b, o, true, name);
    bs_put_fmt(b, " SET %s%s; ", what, value);
}

/* "n_distinct=5, n_distinct_inherited=7" in parentheses. */
static void
put_options(struct bs_buf *b, const struct bs_point_object *o, const struct bs_point_column *c)
{
    if (c->options == NULL)
        return;
    put_alter_column(b, o, true, c->name);
    bs_put_fmt(b, " SET (%s); ", c->options);
}

/* counts: its default draws from a sequence of its own, which comes back later, with the default */
static void
put_settings_of(struct bs_buf *b,
                const struct bs_point_object *o,
                const struct bs_point_column *c,
                bool counts)
{
    if (c->generated == 0 && !counts)
        put_setting(b, o, c->name, "DEFAULT ", c->expression);
    put_setting(b, o, c->name, "STORAGE ", c->storage);
    put_setting(b, o, c->name, "COMPRESSION ", c->compression);
    put_setting(b, o, c->name, "STATISTICS ", c->statistics);
    put_options(b, o, c);
    if (!c->not_null || c->null_apart)
        return;
    put_alter_column(b, o, false, c->name);
    bs_put_str(b, " SET NOT NULL; ");
}

/* A check may be there already: it was not the altered column's alone, or its parent brought it. */
static void
put_check(struct bs_buf *b, const struct bs_point_object *o, const struct bs_point_check *k)
{
    bs_put_str(b, "ALTER TABLE ");
    put_table(b, o);
    bs_put_str(b, " DROP CONSTRAINT IF EXISTS ");
    bs_put_ident(b, k->name);
    bs_put_str(b, "; ALTER TABLE ");
    put_table(b, o);
    bs_put_str(b, " ADD CONSTRAINT ");
    bs_put_ident(b, k->name);
    bs_put_fmt(b, " %s; ", k->definition);
    if (k->comment == NULL)
        return;
    bs_put_str(b, "COMMENT ON CONSTRAINT ");
    bs_put_ident(b, k->name);
    bs_put_str(b, " ON ");
    put_table(b, o);
    bs_put_str(b, " IS ");
    bs_put_literal(b, k->comment);
    bs_put_str(b, "; ");
}

static bool
retypes(const struct bs_columns_table *t)
{
    for (size_t i = 0; i < t->n_columns; i++) {
        if (t->columns[i].way == BS_COLUMN_RETYPE)
            return true;
    }
    return false;
}

void
bs_columns_put_settings(struct bs_buf *b,
                        const struct bs_columns_table *t,
                        const struct bs_point_object *member)
{
    /* A NOT NULL with a name comes before one without; in a column that stayed it is still there. */
    for (size_t i = 0; i < member->n_checks && !retypes(t); i++) {
        if (!is_check(&member->checks[i]))
            put_check(b, member, &member->checks[i]);
    }
    for (size_t i = 0; i < member->n_columns; i++) {
        const struct bs_columns_column *c = column_named(t, member->columns[i].name);
        if (c != NULL && c->way != BS_COLUMN_FITS && member->columns[i].altered)
            put_settings_of(b, member, &member->columns[i], c->counts && c->way == BS_COLUMN_ADD);
    }
    for (size_t i = 0; i < member->n_checks; i++) {
        if (is_check(&member->checks[i]))
            put_check(b, member, &member->checks[i]);
    }
}

void
bs_columns_put_remove(struct bs_buf *b, const struct bs_columns_table *t)
{
    for (size_t i = 0; i < t->n_columns; i++) {
        if (t->columns[i].way != BS_COLUMN_REMOVE)
            continue;
        bs_put_str(b, "ALTER TABLE ");
        put_table(b, t->object);
        bs_put_str(b, " DROP COLUMN ");
        bs_put_ident(b, t->columns[i].name);
        bs_put_str(b, "; ");
    }
}
