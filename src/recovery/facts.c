/*
 * facts.c - a query a fact. The search path is empty, so plain operators and functions are
 * pg_catalog's; names of relations are written out all the same.
 */
#include "recovery/facts.h"

#include "recovery/named.h"

#include <stdlib.h>
#include <string.h>

#include "recovery/columns.h"
#include "recovery/nested.h"

static const char tables_sql[] =
    "SELECT c.oid, n.nspname, c.relname, c.relkind, c.relpersistence,"
    " COALESCE((SELECT i.inhparent FROM pg_catalog.pg_inherits i WHERE i.inhrelid = c.oid"
    " ORDER BY i.inhseqno LIMIT 1), 0),"
    " CASE WHEN c.relkind IN ('r', 'm') THEN pg_catalog.pg_table_size(c.oid) ELSE 0 END,"
    " c.relkind = 'p' OR NOT c.relispopulated"
    " FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
    " WHERE c.oid = ANY ($1::pg_catalog.oid[]) ORDER BY c.oid";

static const char missing_partition_sql[] =
    "SELECT n.nspname, k.relname FROM pg_catalog.pg_inherits i"
    " JOIN pg_catalog.pg_class p ON p.oid = i.inhparent AND p.relkind = 'p'"
    " JOIN pg_catalog.pg_class k ON k.oid = i.inhrelid"
    " JOIN pg_catalog.pg_namespace n ON n.oid = k.relnamespace"
    " WHERE i.inhparent = ANY ($1::pg_catalog.oid[])"
    " AND k.relkind <> 'f' AND i.inhrelid <> ALL ($1::pg_catalog.oid[]) LIMIT 1";

static const char columns_sql[] =
    "SELECT a.attrelid, a.attname, pg_catalog.format_type(a.atttypid, a.atttypmod), a.atttypid,"
    " a.atttypmod,"
    " CASE WHEN a.attcollation <> t.typcollation THEN (SELECT pg_catalog.quote_ident(cn.nspname)"
    " || '.' || pg_catalog.quote_ident(co.collname) FROM pg_catalog.pg_collation co"
    " JOIN pg_catalog.pg_namespace cn ON cn.oid = co.collnamespace"
    " WHERE co.oid = a.attcollation) END,"
    " a.attnum, a.attgenerated, a.attidentity, a.attnotnull,"
    " COALESCE((SELECT k.place FROM pg_catalog.pg_index x,"
    " pg_catalog.unnest(x.indkey) WITH ORDINALITY k(att, place)"
    " WHERE x.indrelid = a.attrelid AND x.indisprimary AND k.att = a.attnum"
    " AND k.place <= x.indnkeyatts), 0)"
    " FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_type t ON t.oid = a.atttypid"
    " WHERE a.attrelid = ANY ($1::pg_catalog.oid[]) AND a.attnum > 0 AND NOT a.attisdropped"
    " ORDER BY a.attrelid, a.attnum";

/* Types of the columns of relations $1, however deep inside, each with the column it is found in. */
#define TYPES_WITHIN                                                                               \
    "WITH RECURSIVE t(rel, att, typ) AS ("                                                         \
    "SELECT attrelid, attname, atttypid FROM pg_catalog.pg_attribute"                              \
    " WHERE attrelid = ANY ($1::pg_catalog.oid[]) AND attnum > 0 AND NOT attisdropped"             \
    " UNION SELECT t.rel, t.att, x.typ FROM t JOIN pg_catalog.pg_type p ON p.oid = t.typ"          \
    " CROSS JOIN LATERAL (SELECT p.typelem WHERE p.typelem <> 0"                                   \
    " UNION ALL SELECT p.typbasetype WHERE p.typbasetype <> 0"                                     \
    " UNION ALL SELECT a.atttypid FROM pg_catalog.pg_attribute a WHERE p.typrelid <> 0"            \
    " AND a.attrelid = p.typrelid AND a.attnum > 0 AND NOT a.attisdropped"                         \
    " UNION ALL SELECT r.rngsubtype FROM pg_catalog.pg_range r"                                    \
    " WHERE r.rngtypid = p.oid OR r.rngmultitypid = p.oid) x(typ)) "

/*
 * Relations that cannot be written in binary and read back: types without the functions, and those
 * whose receive function refuses the empty value that their send function wrote.
 */
static const char text_only_sql[] =
    TYPES_WITHIN "SELECT DISTINCT t.rel FROM t JOIN pg_catalog.pg_type p ON p.oid = t.typ"
                 " WHERE p.typsend::pg_catalog.oid = 0 OR p.typreceive::pg_catalog.oid = 0"
                 " OR p.typreceive IN ('pg_catalog.int2vectorrecv'::pg_catalog.regproc,"
                 " 'pg_catalog.oidvectorrecv'::pg_catalog.regproc,"
                 " 'pg_catalog.tsqueryrecv'::pg_catalog.regproc)";

/* Columns of types whose values only the server itself makes: no way of input takes them. */
static const char unreadable_sql[] =
    TYPES_WITHIN "SELECT n.nspname, c.relname, t.att, p.typname"
                 " FROM t JOIN pg_catalog.pg_type p ON p.oid = t.typ"
                 " JOIN pg_catalog.pg_class c ON c.oid = t.rel"
                 " JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
                 " WHERE p.typnamespace = 'pg_catalog'::pg_catalog.regnamespace AND p.typname IN"
                 " ('pg_node_tree', 'pg_ndistinct', 'pg_dependencies', 'pg_mcv_list', 'gtsvector',"
                 " 'pg_brin_bloom_summary', 'pg_brin_minmax_multi_summary')"
                 " ORDER BY 1, 2, 3, 4 LIMIT 1";

static const char sequences_sql[] =
    "SELECT n.nspname, s.relname, s.oid, q.tab, a.attname, pg_catalog.bool_or(q.owned)"
    " FROM (SELECT d.objid AS seq, d.refobjid AS tab, d.refobjsubid AS att, true AS owned"
    " FROM pg_catalog.pg_depend d WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass"
    " AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass"
    " AND (d.refobjid = ANY ($1::pg_catalog.oid[]) OR (d.refobjid, d.refobjsubid) IN (SELECT o, n"
    " FROM unnest($2::pg_catalog.oid[], $3::pg_catalog.int4[]) s(o, n))) AND d.refobjsubid > 0"
    " AND d.deptype IN ('a', 'i')"
    " UNION ALL SELECT d.refobjid, f.adrelid, f.adnum, false FROM pg_catalog.pg_attrdef f"
    " JOIN pg_catalog.pg_depend d ON d.objid = f.oid"
    " AND d.classid = 'pg_catalog.pg_attrdef'::pg_catalog.regclass"
    " AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass"
    " WHERE f.adrelid = ANY ($1::pg_catalog.oid[]) OR (f.adrelid, f.adnum::pg_catalog.int4) IN"
    " (SELECT o, n FROM unnest($2::pg_catalog.oid[], $3::pg_catalog.int4[]) s(o, n))) q"
    " JOIN pg_catalog.pg_class s ON s.oid = q.seq AND s.relkind = 'S'"
    " JOIN pg_catalog.pg_namespace n ON n.oid = s.relnamespace"
    " JOIN pg_catalog.pg_attribute a ON a.attrelid = q.tab AND a.attnum = q.att"
    " GROUP BY n.nspname, s.relname, s.oid, q.tab, a.attname ORDER BY s.oid, q.tab, a.attname";

static const char incoming_sql[] =
    "SELECT k.conname, n.nspname, c.relname, k.oid, k.conrelid, k.confrelid,"
    " pg_catalog.pg_get_constraintdef(k.oid) FROM pg_catalog.pg_constraint k"
    " JOIN pg_catalog.pg_class c ON c.oid = k.conrelid"
    " JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
    " WHERE k.contype = 'f' AND k.conparentid = 0 AND k.confrelid = ANY ($1::pg_catalog.oid[])"
    " ORDER BY k.oid";

static const char *
text_at(const PGresult *res, int row, int column, struct bs_arena *arena)
{
    return PQgetisnull(res, row, column) ? NULL : bs_arena_str(arena, PQgetvalue(res, row, column));
}

static uint32_t
oid_at(const PGresult *res, int row, int column)
{
    return (uint32_t)strtoul(PQgetvalue(res, row, column), NULL, 10);
}

static int64_t
number_at(const PGresult *res, int row, int column)
{
    return strtoll(PQgetvalue(res, row, column), NULL, 10);
}

static bool
true_at(const PGresult *res, int row, int column)
{
    return PQgetvalue(res, row, column)[0] == 't';
}

static enum bs_done
full(struct bs_err *err)
{
    return BS_FAIL(err, LIMIT, "the description of the tables does not fit into memory set aside");
}

static const char *
oid_list(const uint32_t *first, size_t n, size_t step, struct bs_arena *arena)
{
    struct bs_buf text;
    const char *out;

    bs_buf_init(&text, 2 + n * 11 + 1);
    bs_put_u8(&text, '{');
    for (size_t i = 0; i < n; i++) {
        const char *at = (const char *)first + i * step;
        bs_put_fmt(&text, "%s%u", i == 0 ? "" : ",", *(const uint32_t *)(const void *)at);
    }
    bs_put_u8(&text, '}');
    out = bs_arena_copy(arena, bs_buf_view(&text));
    bs_buf_fini(&text);
    return out;
}

const char *
bs_facts_oids(const struct bs_plan *plan, struct bs_arena *arena)
{
    return oid_list(plan->n_tables == 0 ? NULL : &plan->tables[0].oid, plan->n_tables,
                    sizeof(plan->tables[0]), arena);
}

const char *
bs_facts_object_oids(const struct bs_manifest *m, struct bs_arena *arena)
{
    return oid_list(m->n_objects == 0 ? NULL : &m->objects[0].oid, m->n_objects,
                    sizeof(m->objects[0]), arena);
}

void
bs_facts_put_column(struct bs_buf *out, const char *name)
{
    bs_put_u8(out, '"');
    for (; *name != '\0'; name++) {
        if (*name == '"')
            bs_put_u8(out, '"');
        bs_put_u8(out, (uint8_t)*name);
    }
    bs_put_u8(out, '"');
}

void
bs_facts_put_name(struct bs_buf *out, const char *schema, const char *name)
{
    bs_facts_put_column(out, schema);
    bs_put_u8(out, '.');
    bs_facts_put_column(out, name);
}

static struct bs_point_object *
object_of(struct bs_manifest *m, uint32_t oid)
{
    for (size_t i = 0; i < m->n_objects; i++) {
        if (m->objects[i].oid == oid)
            return &m->objects[i];
    }
    return NULL;
}

const char *
bs_facts_reach(enum bs_reach reach)
{
    static const char *const names[] = {[BS_REACH_TARGET] = "target",
                                        [BS_REACH_CASCADE] = "cascade",
                                        [BS_REACH_DEPENDENT] = "dependent",
                                        [BS_REACH_CALL] = "call"};
    return names[reach];
}

/* One planned table as the catalog has it now. */
static enum bs_done
take_table(const PGresult *res,
           int row,
           const struct bs_plan_table *t,
           struct bs_point_object *o,
           struct bs_arena *arena,
           struct bs_err *err)
{
    char relkind = PQgetvalue(res, row, 3)[0];

    *o = (struct bs_point_object){.schema = text_at(res, row, 1, arena),
                                  .name = text_at(res, row, 2, arena),
                                  .oid = t->oid,
                                  .relkind = relkind,
                                  .parent_oid = oid_at(res, row, 5),
                                  .kind = bs_kind_name(t->kind),
                                  .reach = bs_facts_reach(t->reach)};
    if (o->schema == NULL || o->name == NULL)
        return full(err);
    if (strcmp(o->schema, t->schema) != 0 || strcmp(o->name, t->name) != 0 || relkind != t->relkind)
        return BS_FAIL(err, NO_POINT, "\"%.60s\".\"%.60s\" is not the relation it was when judged",
                       t->schema, t->name);
    if (strchr("rpm", relkind) == NULL || PQgetvalue(res, row, 4)[0] == 't')
        return BS_FAIL(err, NO_POINT, "\"%.60s\".\"%.60s\" is not a relation that can be copied",
                       t->schema, t->name);
    o->format = PQgetvalue(res, row, 7)[0] == 't' ? BS_ROWS_NONE : BS_ROWS_BINARY;
    return BS_DONE;
}

/* By OID on both sides: the plan promises order, but nothing breaks without it. */
static enum bs_done
take_tables(const PGresult *res,
            const struct bs_plan *plan,
            struct bs_arena *arena,
            struct bs_manifest *m,
            int64_t *bytes,
            struct bs_err *err)
{
    *bytes = 0;
    m->objects = bs_arena_array(arena, plan->n_tables + 1, sizeof(*m->objects));
    m->n_objects = 0;
    if (m->objects == NULL)
        return full(err);
    for (size_t i = 0; i < plan->n_tables; i++) {
        const struct bs_plan_table *t = &plan->tables[i];
        int row = 0;
        if (object_of(m, t->oid) != NULL)
            continue;
        while (row < PQntuples(res) && oid_at(res, row, 0) != t->oid)
            row++;
        if (row == PQntuples(res))
            return BS_FAIL(err, NO_POINT, "\"%.60s\".\"%.60s\" is not there any more", t->schema,
                           t->name);
        if (take_table(res, row, t, &m->objects[m->n_objects], arena, err) != BS_DONE)
            return BS_FAILED;
        m->n_objects++;
        if (t->n_columns == 0)
            *bytes += number_at(res, row, 6);
    }
    return BS_DONE;
}

static enum bs_done
take_columns(const PGresult *res, struct bs_arena *arena, struct bs_manifest *m, struct bs_err *err)
{
    struct bs_point_column *all = bs_arena_array(arena, (size_t)PQntuples(res) + 1, sizeof(*all));

    if (all == NULL)
        return full(err);
    for (int i = 0; i < PQntuples(res); i++) {
        struct bs_point_object *o = object_of(m, oid_at(res, i, 0));
        struct bs_point_column *c = &all[i];
        *c = (struct bs_point_column){
            .name = text_at(res, i, 1, arena),
            .type = text_at(res, i, 2, arena),
            .type_oid = oid_at(res, i, 3),
            .typmod = (int)number_at(res, i, 4),
            .collation = text_at(res, i, 5, arena),
            .attnum = (int)number_at(res, i, 6),
            .generated = PQgetvalue(res, i, 7)[0],
            .identity = PQgetvalue(res, i, 8)[0],
            .not_null = true_at(res, i, 9),
            .key = (int)number_at(res, i, 10),
        };
        if (c->name == NULL || c->type == NULL)
            return full(err);
        bs_assert(o != NULL);
        if (o->n_columns++ == 0)
            o->columns = c;
    }
    return BS_DONE;
}

static enum bs_done
refuse_unreadable(struct bs_helper *h, const char *const oids[1], struct bs_err *err)
{
    PGresult *res = NULL;
    enum bs_done done = BS_DONE;

    if (bs_helper_query(h, unreadable_sql, 1, oids, &res, err) != BS_DONE)
        return BS_FAILED;
    if (PQntuples(res) != 0)
        done = BS_FAIL(err, NO_POINT,
                       "%s.%s has a column \"%s\" of type %s, whose values no restore can write",
                       PQgetvalue(res, 0, 0), PQgetvalue(res, 0, 1), PQgetvalue(res, 0, 2),
                       PQgetvalue(res, 0, 3));
    PQclear(res);
    return done;
}

enum bs_done
bs_facts_columns(struct bs_helper *h,
                 struct bs_arena *arena,
                 struct bs_manifest *m,
                 struct bs_err *err)
{
    const char *oids[] = {oid_list(m->n_objects == 0 ? NULL : &m->objects[0].oid, m->n_objects,
                                   sizeof(m->objects[0]), arena)};
    PGresult *res = NULL;
    enum bs_done done;

    if (oids[0] == NULL)
        return full(err);
    if (bs_helper_query(h, columns_sql, 1, oids, &res, err) != BS_DONE)
        return BS_FAILED;
    done = take_columns(res, arena, m, err);
    PQclear(res);
    if (done != BS_DONE || refuse_unreadable(h, oids, err) != BS_DONE ||
        bs_helper_query(h, text_only_sql, 1, oids, &res, err) != BS_DONE)
        return BS_FAILED;
    for (int i = 0; i < PQntuples(res); i++) {
        struct bs_point_object *o = object_of(m, oid_at(res, i, 0));
        if (o != NULL && o->format == BS_ROWS_BINARY)
            o->format = BS_ROWS_TEXT;
    }
    PQclear(res);
    return BS_DONE;
}

enum bs_done
bs_facts_tables(struct bs_helper *h,
                const struct bs_plan *plan,
                struct bs_arena *arena,
                struct bs_manifest *m,
                int64_t *bytes,
                struct bs_err *err)
{
    const char *oids[] = {bs_facts_oids(plan, arena)};
    PGresult *res = NULL;
    enum bs_done done;

    if (oids[0] == NULL)
        return full(err);
    if (bs_helper_query(h, tables_sql, 1, oids, &res, err) != BS_DONE)
        return BS_FAILED;
    done = take_tables(res, plan, arena, m, bytes, err);
    PQclear(res);
    if (done != BS_DONE || bs_helper_query(h, missing_partition_sql, 1, oids, &res, err) != BS_DONE)
        return BS_FAILED;
    if (PQntuples(res) != 0)
        done = BS_FAIL(err, NO_POINT, "partition \"%.60s\".\"%.60s\" is not in the plan",
                       PQgetvalue(res, 0, 0), PQgetvalue(res, 0, 1));
    PQclear(res);
    if (done != BS_DONE || bs_facts_columns(h, arena, m, err) != BS_DONE)
        return BS_FAILED;
    return bs_columns_choose(h, plan, arena, m, bytes, err);
}

/* The state is in the sequence itself; pg_sequences does not show is_called. */
static enum bs_done
read_sequence(struct bs_helper *h, struct bs_point_sequence *s, struct bs_err *err)
{
    struct bs_buf sql;
    PGresult *res = NULL;
    enum bs_done done;

    bs_buf_init(&sql, 4096);
    bs_put_str(&sql, "SELECT last_value, is_called FROM ");
    bs_facts_put_name(&sql, s->schema, s->name);
    bs_put_u8(&sql, '\0');
    done = bs_helper_query(h, (const char *)sql.p, 0, NULL, &res, err);
    bs_buf_fini(&sql);
    if (done != BS_DONE)
        return BS_FAILED;
    if (PQntuples(res) == 1) {
        s->last_value = number_at(res, 0, 0);
        s->is_called = true_at(res, 0, 1);
    } else {
        done = BS_FAIL(err, NO_POINT, "sequence \"%.60s\" has no state", s->name);
    }
    PQclear(res);
    return done;
}

static enum bs_done
take_sequences(struct bs_helper *h,
               const PGresult *res,
               struct bs_arena *arena,
               struct bs_manifest *m,
               struct bs_err *err)
{
    size_t n = (size_t)PQntuples(res);

    m->sequences = bs_arena_array(arena, n + 1, sizeof(*m->sequences));
    if (m->sequences == NULL)
        return full(err);
    for (int i = 0; (size_t)i < n; i++) {
        struct bs_point_sequence *s = &m->sequences[i];
        *s = (struct bs_point_sequence){.schema = text_at(res, i, 0, arena),
                                        .name = text_at(res, i, 1, arena),
                                        .oid = oid_at(res, i, 2),
                                        .table_oid = oid_at(res, i, 3),
                                        .column = text_at(res, i, 4, arena),
                                        .owned = true_at(res, i, 5)};
        if (s->schema == NULL || s->name == NULL || s->column == NULL)
            return full(err);
        if (read_sequence(h, s, err) != BS_DONE)
            return BS_FAILED;
    }
    m->n_sequences = n;
    return BS_DONE;
}

static enum bs_done
take_incoming(const PGresult *res,
              struct bs_arena *arena,
              struct bs_manifest *m,
              struct bs_err *err)
{
    size_t n = (size_t)PQntuples(res);

    m->incoming = bs_arena_array(arena, n + 1, sizeof(*m->incoming));
    if (m->incoming == NULL)
        return full(err);
    for (int i = 0; (size_t)i < n; i++) {
        struct bs_point_fk *f = &m->incoming[i];
        *f = (struct bs_point_fk){.name = text_at(res, i, 0, arena),
                                  .schema = text_at(res, i, 1, arena),
                                  .table = text_at(res, i, 2, arena),
                                  .oid = oid_at(res, i, 3),
                                  .table_oid = oid_at(res, i, 4),
                                  .ref_oid = oid_at(res, i, 5),
                                  .definition = text_at(res, i, 6, arena)};
        if (f->name == NULL || f->schema == NULL || f->table == NULL || f->definition == NULL)
            return full(err);
    }
    m->n_incoming = n;
    return BS_DONE;
}

/* What the facts are about: relations that go, and columns of those that stay. */
struct about {
    const char *relations; /* oids */
    const char *columns;   /* oids of their tables, one for each */
    const char *numbers;   /* theirs */
};

/* The altered columns, as two arrays of SQL that go together. */
static bool
name_columns(const struct bs_manifest *m, struct bs_arena *arena, struct about *out)
{
    struct bs_buf oids, numbers;
    const char *before = "{";

    bs_buf_init(&oids, BS_MANIFEST_MAX);
    bs_buf_init(&numbers, BS_MANIFEST_MAX);
    for (size_t i = 0; i < m->n_objects; i++) {
        const struct bs_point_object *o = &m->objects[i];
        for (size_t k = 0; bs_point_alters(o) && k < o->n_columns; k++) {
            if (!o->columns[k].altered)
                continue;
            bs_put_fmt(&oids, "%s%u", before, o->oid);
            bs_put_fmt(&numbers, "%s%d", before, o->columns[k].attnum);
            before = ",";
        }
    }
    bs_put_str(&oids, *before == '{' ? "{}" : "}");
    bs_put_str(&numbers, *before == '{' ? "{}" : "}");
    out->columns = bs_arena_copy(arena, bs_buf_view(&oids));
    out->numbers = bs_arena_copy(arena, bs_buf_view(&numbers));
    bs_buf_fini(&oids);
    bs_buf_fini(&numbers);
    return out->columns != NULL && out->numbers != NULL;
}

static bool
name_relations(const struct bs_manifest *m, struct bs_arena *arena, struct about *out)
{
    uint32_t *oids = bs_arena_array(arena, m->n_objects + 1, sizeof(*oids));
    size_t n = 0;

    for (size_t i = 0; oids != NULL && i < m->n_objects; i++) {
        if (!bs_point_alters(&m->objects[i]))
            oids[n++] = m->objects[i].oid;
    }
    out->relations = oids == NULL ? NULL : oid_list(oids, n, sizeof(*oids), arena);
    return out->relations != NULL;
}

enum bs_done
bs_facts_around(struct bs_helper *h,
                const struct bs_plan *plan,
                struct bs_named_before before,
                struct bs_arena *arena,
                struct bs_manifest *m,
                struct bs_err *err)
{
    struct about about;
    const char *oids[3];
    PGresult *res = NULL;
    enum bs_done done;

    if (!name_relations(m, arena, &about) || !name_columns(m, arena, &about))
        return full(err);
    oids[0] = about.relations;
    oids[1] = about.columns;
    oids[2] = about.numbers;
    if (bs_helper_query(h, sequences_sql, 3, oids, &res, err) != BS_DONE)
        return BS_FAILED;
    done = take_sequences(h, res, arena, m, err);
    PQclear(res);
    if (done != BS_DONE || bs_helper_query(h, incoming_sql, 1, oids, &res, err) != BS_DONE)
        return BS_FAILED;
    done = take_incoming(res, arena, m, err);
    PQclear(res);
    if (done != BS_DONE || bs_named_closure(h, plan, before, arena, m, err) != BS_DONE)
        return BS_FAILED;
    if (bs_columns_closed(plan, m, err) != BS_DONE)
        return BS_FAILED;
    return bs_nested_held(h, plan, arena, m, err);
}
