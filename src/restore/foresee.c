/*
 * foresee.c - the catalog writes the conditions: names and operators come from there, quoted. What
 * a CHECK calls is what an INSERT would call; here it cannot write.
 */
#include "restore/foresee.h"

#include <string.h>

#include "restore/text.h"

#define SQL_MAX (1u << 20)

enum { MOST = 100 }; /* of one table */

struct looking {
    struct bs_restore *r;
    const struct bs_live *live;
    const struct bs_foresee *all; /* NULL: rows in a table of their own */
    size_t at;
    const char *rows; /* FROM item of the rows that are to be written */
    struct bs_foreseen *list;
    size_t n;
};

const char *
bs_foreseen_name(enum bs_foreseen_kind kind)
{
    static const char *const names[] = {"not null", "check", "orphans", "taken", "used"};

    return names[kind];
}

const char *
bs_foreseen_text(const struct bs_foreseen *f, struct bs_arena *arena)
{
    long long n = (long long)f->rows;
    const char *s = f->rows == 1 ? "" : "s";

    if (f->rows < 0)
        return bs_arena_fmt(arena, "%s could not be looked at: %s", f->name, f->why);
    switch (f->kind) {
    case BS_FORESEEN_NOT_NULL:
        return bs_arena_fmt(arena, "%lld row%s have no value for %s, which is NOT NULL now", n, s,
                            f->name);
    case BS_FORESEEN_CHECK:
        return bs_arena_fmt(arena, "%lld row%s break the check %s", n, s, f->name);
    case BS_FORESEEN_ORPHANS:
        return bs_arena_fmt(arena, "%lld row%s refer to rows of %s that are not there (%s)", n, s,
                            f->other, f->name);
    case BS_FORESEEN_TAKEN:
        return bs_arena_fmt(arena, "%lld row%s have a value of %s that another row has by now", n,
                            s, f->name);
    case BS_FORESEEN_USED:
        return bs_arena_fmt(arena, "%lld row%s of %s refer to rows that are to be removed (%s)", n,
                            s, f->other, f->name);
    }
    return NULL;
}

static PGresult *
ask_about(struct looking *l, const char *question, struct bs_err *err)
{
    char oid[16];
    const char *values[] = {oid};

    (void)snprintf(oid, sizeof(oid), "%u", l->live->oid);
    return bs_rdb_ask(&l->r->db, question, 1, values, err);
}

static void
note(struct looking *l, struct bs_foreseen f)
{
    if (f.rows != 0 && l->n < MOST)
        l->list[l->n++] = f;
}

/*
 * Counts, in a subtransaction that is read only. What goes wrong in there - no right to read, a
 * function of a CHECK that fails - is told beside the rest; only a lost connection ends it all.
 */
static enum bs_done
count(struct looking *l, struct bs_buf *sql, struct bs_foreseen f, struct bs_err *err)
{
    struct bs_err why = {0};
    PGresult *result;

    if (bs_rdb_do(&l->r->db, "SAVEPOINT backstop_foresee; SET TRANSACTION READ ONLY", err) !=
        BS_DONE)
        return BS_FAILED;
    result = bs_rdb_query(&l->r->db, sql, 0, NULL, &why);
    f.rows = result == NULL ? -1 : bs_rdb_number(result, 0, 0);
    f.why = result == NULL ? bs_arena_str(&l->r->arena, why.message) : NULL;
    PQclear(result);
    if (why.code == BS_E_UNAVAILABLE) {
        *err = why;
        return BS_FAILED;
    }
    note(l, f);
    bs_buf_clear(sql);
    return bs_rdb_do(&l->r->db,
                     "ROLLBACK TO SAVEPOINT backstop_foresee; RELEASE SAVEPOINT backstop_foresee",
                     err);
}

static void
put_from(struct bs_buf *b, const struct looking *l, const char *name)
{
    bs_put_fmt(b, "SELECT pg_catalog.count(*) FROM %s AS ", l->rows);
    bs_put_ident(b, name);
    bs_put_str(b, " WHERE ");
}

static const struct bs_point_column *
saved_column(const struct bs_live *live, const char *name)
{
    for (size_t i = 0; i < live->object->n_columns; i++) {
        if (strcmp(live->object->columns[i].name, name) == 0)
            return &live->object->columns[i];
    }
    return NULL;
}

/* NOT NULL. A column that the saved rows lack takes its default; one without has none to give. */
static const char find_not_null[] =
    "SELECT attname, atthasdef OR attidentity <> '' FROM pg_catalog.pg_attribute"
    " WHERE attrelid = $1::pg_catalog.oid AND attnum > 0 AND NOT attisdropped AND attnotnull"
    " AND attgenerated = '' ORDER BY attnum";

static enum bs_done
look_at_nulls(struct looking *l, struct bs_buf *sql, struct bs_err *err)
{
    PGresult *result = ask_about(l, find_not_null, err);
    enum bs_done done = result == NULL ? BS_FAILED : BS_DONE;

    for (int i = 0; done == BS_DONE && i < PQntuples(result); i++) {
        const char *name = bs_rdb_text(result, i, 0, &l->r->arena);
        const struct bs_point_column *c = name == NULL ? NULL : saved_column(l->live, name);
        if (name == NULL || (c != NULL && c->not_null) ||
            (c == NULL && PQgetvalue(result, i, 1)[0] == 't'))
            continue;
        put_from(sql, l, "s");
        if (c != NULL) {
            bs_put_str(sql, "s.");
            bs_put_ident(sql, name);
            bs_put_str(sql, " IS NULL");
        } else
            bs_put_str(sql, "true");
        done = count(l, sql, (struct bs_foreseen){.kind = BS_FORESEEN_NOT_NULL, .name = name}, err);
    }
    PQclear(result);
    return done;
}

/* PostgreSQL 18 has constraints that are not enforced; before, the column is not there. */
#define ENFORCED                                                                                   \
    " AND COALESCE((pg_catalog.to_jsonb(c) OPERATOR(pg_catalog.->>) 'conenforced')::boolean, "     \
    "true)"

static const char find_checks[] =
    "SELECT c.conname, pg_catalog.pg_get_expr(c.conbin, c.conrelid) FROM pg_catalog.pg_constraint c"
    " WHERE c.conrelid = $1::pg_catalog.oid AND c.contype = 'c'" ENFORCED " ORDER BY 1";

static enum bs_done
look_at_checks(struct looking *l, struct bs_buf *sql, struct bs_err *err)
{
    PGresult *result = ask_about(l, find_checks, err);
    enum bs_done done = result == NULL ? BS_FAILED : BS_DONE;

    for (int i = 0; done == BS_DONE && i < PQntuples(result); i++) {
        const char *name = bs_rdb_text(result, i, 0, &l->r->arena);
        put_from(sql, l, l->live->object->name);
        bs_put_fmt(sql, "(%s) IS FALSE", PQgetvalue(result, i, 1));
        done = count(l, sql, (struct bs_foreseen){.kind = BS_FORESEEN_CHECK, .name = name}, err);
    }
    PQclear(result);
    return done;
}

/* Foreign keys. p is the parent's row, s the child's. %s: conrelid or confrelid. */
#define FIND_KEYS(of, other)                                                                       \
    "SELECT c.conname, o.oid, pg_catalog.quote_ident(n.nspname) || '.' ||"                         \
    " pg_catalog.quote_ident(o.relname), n.nspname || '.' || o.relname,"                           \
    " pg_catalog.string_agg(pg_catalog.format('p.%I OPERATOR(%I.%s) s.%I', pa.attname,"            \
    " pn.nspname, op.oprname, a.attname), ' AND ' ORDER BY k.place),"                              \
    " pg_catalog.string_agg(pg_catalog.format('s.%I IS NOT NULL', a.attname), ' AND '"             \
    " ORDER BY k.place) FROM pg_catalog.pg_constraint c"                                           \
    " CROSS JOIN LATERAL unnest(c.conkey, c.confkey, c.conpfeqop)"                                 \
    " WITH ORDINALITY AS k(att, patt, op, place)"                                                  \
    " JOIN pg_catalog.pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = k.att"              \
    " JOIN pg_catalog.pg_attribute pa ON pa.attrelid = c.confrelid AND pa.attnum = k.patt"         \
    " JOIN pg_catalog.pg_operator op ON op.oid = k.op"                                             \
    " JOIN pg_catalog.pg_namespace pn ON pn.oid = op.oprnamespace"                                 \
    " JOIN pg_catalog.pg_class o ON o.oid = c." other                                              \
    " JOIN pg_catalog.pg_namespace n ON n.oid = o.relnamespace"                                    \
    " WHERE c.contype = 'f' AND c.conparentid = 0 AND c." of " = $1::pg_catalog.oid" ENFORCED      \
    " GROUP BY 1, 2, 3, 4 ORDER BY 1"

static const char find_parents[] = FIND_KEYS("conrelid", "confrelid");
static const char find_children[] = FIND_KEYS("confrelid", "conrelid");

static size_t
table_of(const struct looking *l, int64_t oid)
{
    size_t n = l->all == NULL ? 0 : l->all->n_tables;

    for (size_t i = 0; i < n; i++) {
        if (bs_live_fits(&l->all->tables[i]->live) && l->all->tables[i]->live.oid == oid)
            return i;
    }
    return SIZE_MAX;
}

/* Saved rows of table number `at` that are to be written. */
static void
put_written(struct bs_buf *b, const struct bs_foresee *f, size_t at)
{
    bs_put_str(b, "(SELECT x.* FROM ");
    bs_compare_put_saved(b, at);
    bs_put_str(b, " x WHERE x.\"" BS_COMPARE_ROW "\" IN (SELECT d.saved FROM ");
    bs_compare_put_result(b, at);
    bs_put_fmt(b, " d WHERE d.what IN (%s)))", f->written);
}

/* Live rows `side` of table number `at` that are given other values or go. */
static void
put_not_moved(struct bs_buf *b, const struct bs_foresee *f, size_t at, const char *side)
{
    bs_put_str(b, " AND NOT EXISTS (SELECT FROM ");
    bs_compare_put_result(b, at);
    bs_put_fmt(b, " y WHERE y.live = %s.ctid AND y.leaf = %s.tableoid AND y.what IN (%s%s))", side,
               side, f->written, f->removed ? ", 'i'" : "");
}

static void
put_orphans(struct looking *l, const PGresult *fk, int i, struct bs_buf *sql)
{
    size_t parent = table_of(l, bs_rdb_number(fk, i, 1));

    put_from(sql, l, "s");
    bs_put_fmt(sql, "%s AND NOT EXISTS (SELECT FROM %s p WHERE %s)", PQgetvalue(fk, i, 5),
               PQgetvalue(fk, i, 2), PQgetvalue(fk, i, 4));
    if (parent == SIZE_MAX)
        return;
    bs_put_str(sql, " AND NOT EXISTS (SELECT FROM ");
    put_written(sql, l->all, parent);
    bs_put_fmt(sql, " p WHERE %s)", PQgetvalue(fk, i, 4));
}

/* Live children of live rows that are to go, but for those that go themselves. */
static void
put_used(struct looking *l, const PGresult *fk, int i, struct bs_buf *sql)
{
    size_t child = table_of(l, bs_rdb_number(fk, i, 1));

    bs_put_fmt(sql, "SELECT pg_catalog.count(*) FROM %s s WHERE EXISTS (SELECT FROM ",
               PQgetvalue(fk, i, 2));
    bs_put_live(sql, l->live);
    bs_put_str(sql, " p JOIN ");
    bs_compare_put_result(sql, l->at);
    bs_put_fmt(sql, " d ON d.live = p.ctid AND d.leaf = p.tableoid WHERE d.what = 'i' AND %s)",
               PQgetvalue(fk, i, 4));
    if (child != SIZE_MAX)
        put_not_moved(sql, l->all, child, "s");
}

static enum bs_done
look_at_keys(struct looking *l,
             const char *question,
             enum bs_foreseen_kind kind,
             struct bs_buf *sql,
             struct bs_err *err)
{
    PGresult *result = ask_about(l, question, err);
    enum bs_done done = result == NULL ? BS_FAILED : BS_DONE;

    for (int i = 0; done == BS_DONE && i < PQntuples(result); i++) {
        struct bs_foreseen f = {.kind = kind,
                                .name = bs_rdb_text(result, i, 0, &l->r->arena),
                                .other = bs_rdb_text(result, i, 3, &l->r->arena)};
        if (kind == BS_FORESEEN_ORPHANS)
            put_orphans(l, result, i, sql);
        else
            put_used(l, result, i, sql);
        done = count(l, sql, f, err);
    }
    PQclear(result);
    return done;
}

/* Unique indexes of plain columns, the key that rows are matched by among them. */
static const char find_unique[] =
    "SELECT ic.relname, pg_catalog.string_agg(pg_catalog.format('l.%I OPERATOR(%I.%s) s.%I',"
    " a.attname, n.nspname, o.oprname, a.attname), ' AND ' ORDER BY k.place)"
    " FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class ic ON ic.oid = i.indexrelid"
    " CROSS JOIN LATERAL unnest((i.indkey::int2[])[0:i.indnkeyatts - 1], i.indclass::oid[])"
    " WITH ORDINALITY AS k(att, class, place)"
    " JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.att"
    " JOIN pg_catalog.pg_opclass c ON c.oid = k.class"
    " JOIN pg_catalog.pg_amop p ON p.amopfamily = c.opcfamily AND p.amopstrategy = 3"
    " AND p.amoplefttype = c.opcintype AND p.amoprighttype = c.opcintype"
    " JOIN pg_catalog.pg_operator o ON o.oid = p.amopopr"
    " JOIN pg_catalog.pg_namespace n ON n.oid = o.oprnamespace"
    " WHERE i.indrelid = $1::pg_catalog.oid AND i.indisunique AND i.indisvalid"
    " AND i.indpred IS NULL AND i.indexprs IS NULL GROUP BY 1 ORDER BY 1";

static enum bs_done
look_at_unique(struct looking *l, struct bs_buf *sql, struct bs_err *err)
{
    PGresult *result = ask_about(l, find_unique, err);
    enum bs_done done = result == NULL ? BS_FAILED : BS_DONE;

    for (int i = 0; done == BS_DONE && i < PQntuples(result); i++) {
        const char *name = bs_rdb_text(result, i, 0, &l->r->arena);
        put_from(sql, l, "s");
        bs_put_str(sql, "EXISTS (SELECT FROM ");
        bs_put_live(sql, l->live);
        bs_put_fmt(sql, " l WHERE %s", PQgetvalue(result, i, 1));
        put_not_moved(sql, l->all, l->at, "l");
        bs_put_str(sql, ")");
        done = count(l, sql, (struct bs_foreseen){.kind = BS_FORESEEN_TAKEN, .name = name}, err);
    }
    PQclear(result);
    return done;
}

static enum bs_done
look(struct looking *l, struct bs_buf *sql, struct bs_err *err)
{
    l->list = bs_arena_array(&l->r->arena, MOST, sizeof(*l->list));
    if (l->list == NULL)
        return BS_FAIL(err, LIMIT, "the restore's memory is used up");
    if (look_at_nulls(l, sql, err) != BS_DONE || look_at_checks(l, sql, err) != BS_DONE ||
        look_at_keys(l, find_parents, BS_FORESEEN_ORPHANS, sql, err) != BS_DONE)
        return BS_FAILED;
    if (l->all == NULL)
        return BS_DONE;
    if (l->all->removed && look_at_keys(l, find_children, BS_FORESEEN_USED, sql, err) != BS_DONE)
        return BS_FAILED;
    return look_at_unique(l, sql, err);
}

static enum bs_done
look_somewhere(struct looking *l, struct bs_foreseen **out, size_t *n, struct bs_err *err)
{
    struct bs_buf sql;
    enum bs_done done;

    *n = 0;
    if (!l->live->exists)
        return BS_DONE;
    bs_buf_init(&sql, SQL_MAX);
    done = look(l, &sql, err);
    bs_buf_fini(&sql);
    *out = l->list;
    *n = l->n;
    return done;
}

enum bs_done
bs_foresee_table(
    const struct bs_foresee *f, size_t at, struct bs_foreseen **out, size_t *n, struct bs_err *err)
{
    struct looking l = {.r = f->r, .live = &f->tables[at]->live, .all = f, .at = at};
    struct bs_buf rows;

    bs_buf_init(&rows, 4096);
    put_written(&rows, f, at);
    l.rows = bs_arena_copy(&f->r->arena, bs_buf_view(&rows));
    bs_buf_fini(&rows);
    if (l.rows == NULL)
        return BS_FAIL(err, LIMIT, "the restore's memory is used up");
    return look_somewhere(&l, out, n, err);
}

enum bs_done
bs_foresee_rows(struct bs_restore *r,
                const struct bs_live *live,
                const char *rows,
                struct bs_foreseen **out,
                size_t *n,
                struct bs_err *err)
{
    struct looking l = {.r = r, .live = live, .rows = rows};

    return look_somewhere(&l, out, n, err);
}
