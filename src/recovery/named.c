/*
 * named.c - names become objects by a look into every catalog that they could be in; what hangs on
 * them is what pg_depend says.
 */
#include "recovery/named.h"

#include <stdlib.h>
#include <string.h>

enum {
    LIST_MAX = 16 * 1024 * 1024,
    RELATIONS = 1259, /* pg_class, catalog/pg_class.h */
    MAPPINGS = 1418,  /* pg_user_mapping, catalog/pg_user_mapping.h */
};

/* $1 sorts ("relation", ...), $2 schemas or NULL, $3 names; $4 schemas by the names that the
 * transaction has given them, $5 their OIDs. One row an object that may be meant. */
static const char find_sql[] =
    "WITH w(sort, s, n) AS (SELECT * FROM ROWS FROM ("
    "pg_catalog.unnest($1::pg_catalog.text[]), pg_catalog.unnest($2::pg_catalog.text[]),"
    " pg_catalog.unnest($3::pg_catalog.text[])) x),"
    " a(s, oid) AS (SELECT * FROM ROWS FROM (pg_catalog.unnest($4::pg_catalog.text[]),"
    " pg_catalog.unnest($5::pg_catalog.oid[])) x), o(sort, cls, obj, s, n) AS ("
    "SELECT 'relation', 'pg_catalog.pg_class'::pg_catalog.regclass::pg_catalog.oid, oid,"
    " relnamespace, relname FROM pg_catalog.pg_class"
#define IN_SCHEMA(sort, catalog, schema, name)                                                     \
    " UNION ALL SELECT '" sort "', 'pg_catalog." catalog "'::pg_catalog.regclass, oid, " schema    \
    ", " name " FROM pg_catalog." catalog
    IN_SCHEMA("function", "pg_proc", "pronamespace", "proname") IN_SCHEMA(
        "type", "pg_type", "typnamespace", "typname") IN_SCHEMA("other",
                                                                "pg_collation",
                                                                "collnamespace",
                                                                "collname")
        IN_SCHEMA("other", "pg_conversion", "connamespace", "conname") IN_SCHEMA(
            "other", "pg_operator", "oprnamespace", "oprname") IN_SCHEMA("other",
                                                                         "pg_opclass",
                                                                         "opcnamespace",
                                                                         "opcname")
            IN_SCHEMA("other", "pg_opfamily", "opfnamespace", "opfname") IN_SCHEMA(
                "other", "pg_statistic_ext", "stxnamespace", "stxname") IN_SCHEMA("other",
                                                                                  "pg_ts_config",
                                                                                  "cfgnamespace",
                                                                                  "cfgname")
                IN_SCHEMA("other", "pg_ts_dict", "dictnamespace", "dictname") IN_SCHEMA(
                    "other",
                    "pg_ts_parser",
                    "prsnamespace",
                    "prsname") IN_SCHEMA("other",
                                         "pg_ts_template",
                                         "tmplnamespace",
                                         "tmplname") IN_SCHEMA("schema",
                                                               "pg_namespace",
                                                               "0",
                                                               "nspname") IN_SCHEMA("other",
                                                                                    "pg_language",
                                                                                    "0",
                                                                                    "lanname")
                    IN_SCHEMA("other", "pg_am", "0", "amname") IN_SCHEMA(
                        "other",
                        "pg_event_trigger",
                        "0",
                        "evtname") IN_SCHEMA("other", "pg_extension", "0", "extname")
                        IN_SCHEMA("other", "pg_foreign_data_wrapper", "0", "fdwname") IN_SCHEMA(
                            "other",
                            "pg_foreign_server",
                            "0",
                            "srvname") IN_SCHEMA("other", "pg_publication", "0", "pubname")
#undef IN_SCHEMA
                            ") SELECT DISTINCT o.cls, o.obj FROM w JOIN o ON "
                            "o.sort = w.sort AND o.n = w.n"
                            " LEFT JOIN pg_catalog.pg_namespace n ON n.oid = o.s"
                            " WHERE o.s = 0 OR n.nspname = w.s OR (w.s IS NULL AND n.nspname NOT IN"
                            " ('pg_catalog', 'pg_toast', 'information_schema'))"
                            " OR EXISTS (SELECT 1 FROM a WHERE a.s = w.s AND a.oid = n.oid)"
                            " ORDER BY 1, 2";

/*
 * $1 roles, $2 whether what they own goes: what they own and, where it goes, what others have granted
 * them or made a policy for. That only changes, so what hangs on it stays as it is. Members of an
 * extension go with it. The fourth column says why nothing can bring it back.
 */
#define IS_MEMBER                                                                                  \
    "EXISTS (SELECT FROM pg_catalog.pg_depend m WHERE m.classid = d.classid"                       \
    " AND m.objid = d.objid AND m.deptype = 'e')"
static const char owned_sql[] =
    "SELECT d.classid, d.objid, pg_catalog.bool_and(NOT w.gone OR d.deptype <> 'o'),"
    " CASE WHEN d.classid = 'pg_catalog.pg_largeobject'::pg_catalog.regclass"
    " THEN 'has large objects, which cannot be kept' WHEN NOT pg_catalog.bool_and(w.gone)"
    " AND (d.classid = 'pg_catalog.pg_extension'::pg_catalog.regclass OR " IS_MEMBER ")"
    " THEN 'has an extension, or a part of one, and no statement gives its owner back' END,"
    " pg_catalog.min(w.role)"
    " FROM ROWS FROM (pg_catalog.unnest($1::pg_catalog.text[]),"
    " pg_catalog.unnest($2::pg_catalog.bool[])) w(role, gone)"
    " JOIN pg_catalog.pg_roles a ON a.rolname = w.role JOIN pg_catalog.pg_shdepend d"
    " ON d.refclassid = 'pg_catalog.pg_authid'::pg_catalog.regclass AND d.refobjid = a.oid"
    " AND d.dbid = (SELECT x.oid FROM pg_catalog.pg_database x"
    " WHERE x.datname = pg_catalog.current_database())"
    " WHERE (w.gone OR d.deptype = 'o') AND NOT (w.gone AND d.deptype = 'o' AND " IS_MEMBER ")"
    " GROUP BY d.classid, d.objid ORDER BY 1, 2";

/*
 * $1 catalogs, $2 OIDs, $3 columns or 0, $4 whether it is named, $5 whether it alone is meant: what
 * DROP ... CASCADE of them would reach, and those that are named. A view hangs on its table only
 * through its rewrite rule, so wherever something is reached that is an internal part of another
 * object, that object is reached, too, and the walk goes on from there. Dependents of a column count
 * for its table. An extension stands for its members but for its relations.
 */
static const char closure_sql[] =
    "WITH RECURSIVE b(cls, obj, sub, named, alone) AS (SELECT * FROM ROWS FROM ("
    "pg_catalog.unnest($1::pg_catalog.oid[]), pg_catalog.unnest($2::pg_catalog.oid[]),"
    " pg_catalog.unnest($3::pg_catalog.int4[]), pg_catalog.unnest($4::pg_catalog.bool[]),"
    " pg_catalog.unnest($5::pg_catalog.bool[])) x),"
    " r(cls, obj, sub, part) AS (SELECT b.cls, b.obj, b.sub, true FROM b WHERE NOT b.alone"
    " UNION SELECT x.cls, x.obj, x.sub, x.part FROM r CROSS JOIN LATERAL ("
    "SELECT d.classid, d.objid, d.objsubid, r.part AND d.deptype IN ('a', 'i', 'P', 'S', 'e')"
    " FROM pg_catalog.pg_depend d WHERE d.refclassid = r.cls AND d.refobjid = r.obj"
    " AND (r.sub = 0 OR d.refobjsubid = r.sub)"
    " AND d.deptype IN ('n', 'a', 'i', 'P', 'S', 'e', 'x')"
    " UNION ALL SELECT d.refclassid, d.refobjid, d.refobjsubid, r.part"
    " FROM pg_catalog.pg_depend d WHERE d.classid = r.cls AND d.objid = r.obj"
    " AND d.objsubid = r.sub AND d.deptype = 'i') x(cls, obj, sub, part)),"
    " g AS (SELECT r.cls, r.obj, r.sub, pg_catalog.bool_or(r.part) AS part,"
    " COALESCE(pg_catalog.bool_or(b.named AND r.sub = 0), false) AS named"
    " FROM (SELECT r.cls, r.obj, r.sub, r.part FROM r"
    " UNION SELECT b.cls, b.obj, b.sub, true FROM b WHERE b.alone) r"
    " LEFT JOIN b ON b.cls = r.cls AND b.obj = r.obj"
    " WHERE b.named IS NULL OR b.named GROUP BY r.cls, r.obj, r.sub)"
    " SELECT g.cls, g.obj, i.type, i.schema, i.identity, g.part AND NOT g.named,"
    " (SELECT e.extversion FROM pg_catalog.pg_extension e WHERE e.oid = g.obj"
    " AND g.cls = 'pg_catalog.pg_extension'::pg_catalog.regclass) FROM g,"
    " pg_catalog.pg_identify_object(g.cls, g.obj, g.sub) i"
    " WHERE COALESCE(i.schema, '') <> 'pg_toast' AND (g.named OR ("
    " NOT (g.part AND g.cls <> 'pg_catalog.pg_class'::pg_catalog.regclass AND EXISTS (SELECT 1"
    " FROM pg_catalog.pg_depend d WHERE d.classid = g.cls AND d.objid = g.obj"
    " AND d.deptype = 'e')) AND"
    " NOT (g.part AND g.cls = 'pg_catalog.pg_type'::pg_catalog.regclass)"
    " AND NOT (g.cls = 'pg_catalog.pg_type'::pg_catalog.regclass AND EXISTS (SELECT 1"
    " FROM pg_catalog.pg_type t LEFT JOIN pg_catalog.pg_type e ON e.oid = t.typelem"
    " WHERE t.oid = g.obj AND (t.typrelid IN (SELECT obj FROM g)"
    " OR e.typrelid IN (SELECT obj FROM g))))"
    " AND NOT (g.cls = 'pg_catalog.pg_trigger'::pg_catalog.regclass AND EXISTS (SELECT 1"
    " FROM pg_catalog.pg_trigger t WHERE t.oid = g.obj AND t.tgisinternal))))"
    " ORDER BY g.part, i.type, i.identity";

/* Five lists, as array literals. */
struct bases {
    struct bs_buf cls, obj, sub, named, alone;
};

enum base {
    REACHED, /* for what hangs on it: it is said elsewhere itself */
    NAMED,
    ALONE, /* named, and nothing else is touched */
};

static void
bases_init(struct bases *b)
{
    bs_buf_init(&b->cls, LIST_MAX);
    bs_buf_init(&b->obj, LIST_MAX);
    bs_buf_init(&b->sub, LIST_MAX);
    bs_buf_init(&b->named, LIST_MAX);
    bs_buf_init(&b->alone, LIST_MAX);
}

static void
bases_fini(struct bases *b)
{
    bs_buf_fini(&b->cls);
    bs_buf_fini(&b->obj);
    bs_buf_fini(&b->sub);
    bs_buf_fini(&b->named);
    bs_buf_fini(&b->alone);
}

static void
bases_add(struct bases *b, uint32_t class_oid, uint32_t oid, int sub, enum base how)
{
    const char *between = b->cls.n == 0 ? "{" : ",";

    bs_put_fmt(&b->cls, "%s%u", between, class_oid);
    bs_put_fmt(&b->obj, "%s%u", between, oid);
    bs_put_fmt(&b->sub, "%s%d", between, sub);
    bs_put_fmt(&b->named, "%s%s", between, how == REACHED ? "f" : "t");
    bs_put_fmt(&b->alone, "%s%s", between, how == ALONE ? "t" : "f");
}

static enum bs_done
full(struct bs_err *err)
{
    return BS_FAIL(err, LIMIT, "what hangs on the objects does not fit into memory set aside");
}

static uint32_t
oid_at(const PGresult *res, int row, int column)
{
    return (uint32_t)strtoul(PQgetvalue(res, row, column), NULL, 10);
}

static const char *
text_at(const PGresult *res, int row, int column, struct bs_arena *arena)
{
    return PQgetisnull(res, row, column) ? NULL : bs_arena_str(arena, PQgetvalue(res, row, column));
}

/* An element of an array literal; NULL is NULL. */
static void
put_element(struct bs_buf *out, const char *text)
{
    bs_put_u8(out, out->n == 0 ? '{' : ',');
    if (text == NULL) {
        bs_put_str(out, "NULL");
        return;
    }
    bs_put_u8(out, '"');
    for (; *text != '\0'; text++) {
        if (*text == '"' || *text == '\\')
            bs_put_u8(out, '\\');
        bs_put_u8(out, (uint8_t)*text);
    }
    bs_put_u8(out, '"');
}

static const char *
sort_of(enum bs_object object)
{
    switch (object) {
    case BS_OBJECT_RELATION:
    case BS_OBJECT_COLUMN:
        return "relation";
    case BS_OBJECT_SCHEMA:
        return "schema";
    case BS_OBJECT_FUNCTION:
        return "function";
    case BS_OBJECT_TYPE:
        return "type";
    case BS_OBJECT_NONE:
    case BS_OBJECT_DATABASE:
    case BS_OBJECT_ROLE:
    case BS_OBJECT_LARGE_OBJECT:
    case BS_OBJECT_SHARED:
    case BS_OBJECT_OTHER:
        break;
    }
    return "other";
}

static bool
begins(enum bs_kind kind, const char *with)
{
    return strncmp(bs_kind_name(kind), with, strlen(with)) == 0;
}

/* It stays, but another one. What goes the audit sees by its lock. A dump has the privileges of all
 * objects and the policies of all tables. */
static bool
becomes_another(const struct bs_plan_named *n)
{
    if (n->kind == BS_KIND_GRANT || n->kind == BS_KIND_REVOKE || n->kind == BS_KIND_ALTER_POLICY ||
        n->kind == BS_KIND_ALTER_DEFAULT_PRIVILEGES || n->kind == BS_KIND_REASSIGN_OWNED)
        return false;
    if (n->kind == BS_KIND_CREATE_OR_REPLACE_VIEW || n->replaces)
        return true;
    return !begins(n->kind, "CREATE ") && !begins(n->kind, "DROP ");
}

/* Renamed, or moved, by an earlier statement of the transaction: the helper still sees it as it was. */
static bool
is_renamed(const struct bs_point_dependent *d)
{
    return d->now_name != NULL;
}

/* Which of the sorts of find_sql is looked for in that catalog? */
static const char *
sort_in(uint32_t class_oid)
{
    switch (class_oid) { /* catalog/pg_*.h */
    case RELATIONS:
        return "relation";
    case 2615:
        return "schema";
    case 1255:
        return "function";
    case 1247:
        return "type";
    default:
        return "other";
    }
}

/* Does the name mean this one by now? Rather once too often: its schema may have got a name, too. */
static bool
is_called(const struct bs_point_dependent *d,
          const struct bs_plan_named *n,
          struct bs_named_before before)
{
    bool here = n->schema == NULL || d->now_schema == NULL || strcmp(n->schema, d->now_schema) == 0;

    if (!is_renamed(d) || strcmp(d->now_name, n->name) != 0 ||
        strcmp(sort_in(d->class_oid), sort_of(n->object)) != 0)
        return false;
    for (size_t i = 0; i < before.n && !here; i++) {
        const struct bs_manifest *m = before.list[i];
        for (size_t k = 0; k < m->n_closure && !here; k++)
            here = is_renamed(&m->closure[k]) &&
                   strcmp(sort_in(m->closure[k].class_oid), "schema") == 0 &&
                   strcmp(m->closure[k].now_name, n->schema) == 0;
    }
    return here;
}

/* Is given each object that is found. */
typedef void take_fn(void *ctx, uint32_t class_oid, uint32_t oid);

static void
take_base(void *ctx, uint32_t class_oid, uint32_t oid)
{
    bases_add(ctx, class_oid, oid, 0, NAMED);
}

static void
take_renamed(const struct bs_plan_named *n, struct bs_named_before before, take_fn *take, void *ctx)
{
    for (size_t i = 0; i < before.n; i++) {
        const struct bs_manifest *m = before.list[i];
        for (size_t k = 0; k < m->n_closure; k++) {
            if (is_called(&m->closure[k], n, before))
                take(ctx, m->closure[k].class_oid, m->closure[k].oid);
        }
    }
}

struct names {
    struct bs_buf sorts, schemas, names;
    struct bs_buf called, oids; /* schemas that are called otherwise by now */
};

static void
names_init(struct names *w)
{
    bs_buf_init(&w->sorts, LIST_MAX);
    bs_buf_init(&w->schemas, LIST_MAX);
    bs_buf_init(&w->names, LIST_MAX);
    bs_buf_init(&w->called, LIST_MAX);
    bs_buf_init(&w->oids, LIST_MAX);
}

static void
names_fini(struct names *w)
{
    bs_buf_fini(&w->sorts);
    bs_buf_fini(&w->schemas);
    bs_buf_fini(&w->names);
    bs_buf_fini(&w->called);
    bs_buf_fini(&w->oids);
}

static void
add_name(struct names *to, const char *sort, const char *schema, const char *name)
{
    put_element(&to->sorts, sort);
    put_element(&to->schemas, schema);
    put_element(&to->names, name);
}

static void
add_schemas(struct names *to, struct bs_named_before before)
{
    for (size_t i = 0; i < before.n; i++) {
        const struct bs_manifest *m = before.list[i];
        for (size_t k = 0; k < m->n_closure; k++) {
            const struct bs_point_dependent *d = &m->closure[k];
            if (!is_renamed(d) || strcmp(sort_in(d->class_oid), "schema") != 0)
                continue;
            put_element(&to->called, d->now_name);
            bs_put_fmt(&to->oids, "%s%u", to->oids.n == 0 ? "{" : ",", d->oid);
        }
    }
    if (to->called.n == 0) {
        bs_put_u8(&to->called, '{');
        bs_put_u8(&to->oids, '{');
    }
}

static enum bs_done
look_up(struct bs_helper *h, struct names *which, take_fn *take, void *ctx, struct bs_err *err)
{
    struct bs_buf *const lists[] = {&which->sorts, &which->schemas, &which->names, &which->called,
                                    &which->oids};
    const char *params[5];
    PGresult *res = NULL;
    enum bs_done done;

    if (which->sorts.n == 0)
        return BS_DONE;
    for (size_t i = 0; i < 5; i++) {
        bs_put_cstr(lists[i], "}");
        params[i] = (const char *)lists[i]->p;
        if (lists[i]->failed)
            return full(err);
    }
    done = bs_helper_query(h, find_sql, 5, params, &res, err);
    for (int i = 0; done == BS_DONE && i < PQntuples(res); i++)
        take(ctx, oid_at(res, i, 0), oid_at(res, i, 1));
    PQclear(res);
    return done;
}

/* All objects that the plan's names may mean; `others`: of those that become other ones only. The
 * server's own come first there; most kinds lock them, so that the audit sees which it was. */
static enum bs_done
find_named(struct bs_helper *h,
           const struct bs_plan *plan,
           struct bs_named_before before,
           bool others,
           take_fn *take,
           void *ctx,
           struct bs_err *err)
{
    struct names which;
    enum bs_done done;

    names_init(&which);
    add_schemas(&which, before);
    for (size_t i = 0; i < plan->n_named; i++) {
        const struct bs_plan_named *n = &plan->named[i];
        if (others && !becomes_another(n))
            continue;
        take_renamed(n, before, take, ctx);
        add_name(&which, sort_of(n->object), n->schema, n->name);
        if (others && n->schema == NULL && (n->replaces || begins(n->kind, "ALTER ")))
            add_name(&which, sort_of(n->object), "pg_catalog", n->name);
    }
    done = look_up(h, &which, take, ctx, err);
    names_fini(&which);
    return done;
}

struct noting {
    struct bs_manifest *m;
    const struct bs_plan_named *n;
    struct bs_arena *arena;
    bool full;
};

static void
take_name(void *ctx, uint32_t class_oid, uint32_t oid)
{
    struct noting *x = ctx;

    for (size_t i = 0; i < x->m->n_closure; i++) {
        struct bs_point_dependent *d = &x->m->closure[i];
        if (d->class_oid != class_oid || d->oid != oid)
            continue;
        d->now_name = bs_arena_str(x->arena, x->n->to.name);
        if (x->n->to.schema != NULL)
            d->now_schema = bs_arena_str(x->arena, x->n->to.schema);
        x->full = x->full || d->now_name == NULL;
    }
}

/* For the statements after this one. */
static enum bs_done
note_names(struct bs_helper *h,
           const struct bs_plan *plan,
           struct bs_named_before before,
           struct bs_arena *arena,
           struct bs_manifest *m,
           struct bs_err *err)
{
    for (size_t i = 0; i < plan->n_named; i++) {
        struct noting x = {m, &plan->named[i], arena, false};
        struct bs_plan one = {.named = &plan->named[i], .n_named = 1};
        if (plan->named[i].to.name == NULL)
            continue;
        if (find_named(h, &one, before, false, take_name, &x, err) != BS_DONE)
            return BS_FAILED;
        if (x.full)
            return full(err);
    }
    return BS_DONE;
}

/* $1 catalogs, $2 OIDs: those that no dump has, since an extension or the server brings them along.
 * The schema public is the database's own. */
static const char undumped_sql[] =
    "SELECT i.type, i.identity, e.extname FROM ROWS FROM (pg_catalog.unnest($1::pg_catalog.oid[]),"
    " pg_catalog.unnest($2::pg_catalog.oid[])) b(cls, obj)"
    " CROSS JOIN LATERAL pg_catalog.pg_identify_object(b.cls, b.obj, 0) i"
    " LEFT JOIN (pg_catalog.pg_depend d JOIN pg_catalog.pg_extension e ON e.oid = d.refobjid"
    " AND d.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass AND d.deptype = 'e')"
    " ON d.classid = b.cls AND d.objid = b.obj WHERE e.oid IS NOT NULL"
    " OR i.schema IN ('pg_catalog', 'information_schema') OR (b.obj < 16384 AND NOT"
    " (b.cls = 'pg_catalog.pg_namespace'::pg_catalog.regclass AND b.obj = 2200))"
    " ORDER BY 2 LIMIT 1";

/* What is changed must be in the dump as it was. */
static enum bs_done
check_dumped(struct bs_helper *h,
             const struct bs_plan *plan,
             struct bs_named_before before,
             struct bs_err *err)
{
    struct bases b;
    PGresult *res = NULL;
    enum bs_done done;

    bases_init(&b);
    done = find_named(h, plan, before, true, take_base, &b, err);
    if (done == BS_DONE && b.cls.n != 0) {
        const char *params[2];
        bs_put_cstr(&b.cls, "}");
        bs_put_cstr(&b.obj, "}");
        params[0] = (const char *)b.cls.p;
        params[1] = (const char *)b.obj.p;
        done = b.cls.failed || b.obj.failed
                   ? full(err)
                   : bs_helper_query(h, undumped_sql, 2, params, &res, err);
    }
    if (done == BS_DONE && res != NULL && PQntuples(res) != 0) {
        bool member = !PQgetisnull(res, 0, 2);
        done = BS_FAIL(err, NO_POINT, "the %.40s %.120s is %s%.63s, so no dump has its definition",
                       PQgetvalue(res, 0, 0), PQgetvalue(res, 0, 1),
                       member ? "a part of the extension " : "the server's own",
                       member ? PQgetvalue(res, 0, 2) : "");
        bs_err_hint(err, "where another one of that name is meant, name it with its schema");
    }
    PQclear(res);
    bases_fini(&b);
    return done;
}

/* What statements about all that roles own are about. */
static bool
is_owner(const struct bs_plan_named *n)
{
    return n->kind == BS_KIND_DROP_OWNED || n->kind == BS_KIND_REASSIGN_OWNED;
}

static enum bs_done
take_owned(const PGresult *res, struct bases *out, struct bs_err *err)
{
    for (int i = 0; i < PQntuples(res); i++) {
        if (!PQgetisnull(res, i, 3))
            return BS_FAIL(err, NO_POINT, "\"%.63s\" %s", PQgetvalue(res, i, 4),
                           PQgetvalue(res, i, 3));
        bases_add(out, oid_at(res, i, 0), oid_at(res, i, 1), 0,
                  PQgetvalue(res, i, 2)[0] == 't' ? ALONE : NAMED);
    }
    return BS_DONE;
}

static enum bs_done
find_owned(struct bs_helper *h, const struct bs_plan *plan, struct bases *out, struct bs_err *err)
{
    struct bs_buf roles, gone;
    PGresult *res = NULL;
    enum bs_done done = BS_DONE;

    bs_buf_init(&roles, LIST_MAX);
    bs_buf_init(&gone, LIST_MAX);
    for (size_t i = 0; i < plan->n_named; i++) {
        const struct bs_plan_named *n = &plan->named[i];
        if (!is_owner(n))
            continue;
        put_element(&roles, n->name);
        put_element(&gone, n->kind == BS_KIND_DROP_OWNED ? "t" : "f");
    }
    if (roles.n != 0) {
        const char *params[2];
        bs_put_cstr(&roles, "}");
        bs_put_cstr(&gone, "}");
        params[0] = (const char *)roles.p;
        params[1] = (const char *)gone.p;
        done = roles.failed || gone.failed ? full(err)
                                           : bs_helper_query(h, owned_sql, 2, params, &res, err);
        if (done == BS_DONE)
            done = take_owned(res, out, err);
        PQclear(res);
    }
    bs_buf_fini(&roles);
    bs_buf_fini(&gone);
    return done;
}

static enum bs_done
take_closure(const PGresult *res, struct bs_arena *arena, struct bs_manifest *m, struct bs_err *err)
{
    size_t n = (size_t)PQntuples(res);

    m->closure = bs_arena_array(arena, n + 1, sizeof(*m->closure));
    if (m->closure == NULL)
        return full(err);
    for (int i = 0; (size_t)i < n; i++) {
        struct bs_point_dependent *d = &m->closure[i];
        *d = (struct bs_point_dependent){.class_oid = oid_at(res, i, 0),
                                         .oid = oid_at(res, i, 1),
                                         .type = text_at(res, i, 2, arena),
                                         .schema = text_at(res, i, 3, arena),
                                         .identity = text_at(res, i, 4, arena),
                                         .part = PQgetvalue(res, i, 5)[0] == 't',
                                         .version = text_at(res, i, 6, arena)};
        if (d->type == NULL || d->identity == NULL ||
            (d->version == NULL && !PQgetisnull(res, i, 6)))
            return full(err);
    }
    m->n_closure = n;
    return BS_DONE;
}

static enum bs_done
ask_closure(struct bs_helper *h,
            struct bases *b,
            struct bs_arena *arena,
            struct bs_manifest *m,
            struct bs_err *err)
{
    const char *params[5];
    PGresult *res = NULL;
    enum bs_done done;

    if (b->cls.n == 0)
        return BS_DONE;
    bs_put_cstr(&b->cls, "}");
    bs_put_cstr(&b->obj, "}");
    bs_put_cstr(&b->sub, "}");
    bs_put_cstr(&b->named, "}");
    bs_put_cstr(&b->alone, "}");
    if (b->cls.failed || b->obj.failed || b->sub.failed || b->named.failed || b->alone.failed)
        return full(err);
    params[0] = (const char *)b->cls.p;
    params[1] = (const char *)b->obj.p;
    params[2] = (const char *)b->sub.p;
    params[3] = (const char *)b->named.p;
    params[4] = (const char *)b->alone.p;
    if (bs_helper_query(h, closure_sql, 5, params, &res, err) != BS_DONE)
        return BS_FAILED;
    done = take_closure(res, arena, m, err);
    PQclear(res);
    return done;
}

/* A relation that goes; of one that stays the columns that are altered. */
static void
add_object(struct bases *b, const struct bs_point_object *o)
{
    if (!bs_point_alters(o))
        bases_add(b, RELATIONS, o->oid, 0, REACHED);
    for (size_t i = 0; bs_point_alters(o) && i < o->n_columns; i++) {
        if (o->columns[i].altered)
            bases_add(b, RELATIONS, o->oid, o->columns[i].attnum, REACHED);
    }
}

/* $1: user mappings whose options the helper is not shown, so that its dump does not have them. */
static const char unseen_sql[] =
    "SELECT m.usename, m.srvname FROM pg_catalog.pg_user_mappings m"
    " WHERE m.umid = ANY ($1::pg_catalog.oid[]) AND m.umoptions IS NULL"
    " AND NOT (SELECT r.rolsuper FROM pg_catalog.pg_roles r"
    " WHERE r.rolname = CURRENT_USER) ORDER BY 1, 2 LIMIT 1";

/* User mappings may go, or be changed. */
static bool
touches_mappings(const struct bs_plan *plan)
{
    for (size_t i = 0; i < plan->n_named; i++) {
        enum bs_kind kind = plan->named[i].kind;
        if (plan->named[i].cascade || kind == BS_KIND_ALTER_USER_MAPPING ||
            kind == BS_KIND_DROP_USER_MAPPING || kind == BS_KIND_DROP_OWNED)
            return true;
    }
    return false;
}

/* A password that is not in the dump would be lost. */
static enum bs_done
check_mappings(struct bs_helper *h,
               const struct bs_plan *plan,
               const struct bs_manifest *m,
               struct bs_err *err)
{
    const char *params[1];
    struct bs_buf list;
    PGresult *res = NULL;
    enum bs_done done = BS_DONE;

    if (!touches_mappings(plan))
        return BS_DONE;
    bs_buf_init(&list, LIST_MAX);
    for (size_t i = 0; i < m->n_closure; i++) {
        if (m->closure[i].class_oid == MAPPINGS)
            bs_put_fmt(&list, "%s%u", list.n == 0 ? "{" : ",", m->closure[i].oid);
    }
    if (list.n != 0) {
        bs_put_cstr(&list, "}");
        params[0] = (const char *)list.p;
        done = list.failed ? full(err) : bs_helper_query(h, unseen_sql, 1, params, &res, err);
        if (done == BS_DONE && PQntuples(res) != 0) {
            done =
                BS_FAIL(err, NO_POINT,
                        "the options of the user mapping of \"%.63s\" for \"%.63s\" are not shown"
                        " to the helper, so they would be lost",
                        PQgetvalue(res, 0, 0), PQgetvalue(res, 0, 1));
            bs_err_hint(err, "only a superuser, or the owner of the server, may see them");
        }
        PQclear(res);
    }
    bs_buf_fini(&list);
    return done;
}

enum bs_done
bs_named_closure(struct bs_helper *h,
                 const struct bs_plan *plan,
                 struct bs_named_before before,
                 struct bs_arena *arena,
                 struct bs_manifest *m,
                 struct bs_err *err)
{
    struct bases b;
    enum bs_done done;

    bases_init(&b);
    for (size_t i = 0; i < m->n_objects; i++)
        add_object(&b, &m->objects[i]);
    for (size_t i = 0; i < plan->n_tables; i++) {
        const struct bs_plan_table *t = &plan->tables[i];
        if (t->shape)
            bases_add(&b, RELATIONS, t->oid, 0, t->kind == BS_KIND_REASSIGN_OWNED ? ALONE : NAMED);
    }
    done = check_dumped(h, plan, before, err);
    if (done == BS_DONE)
        done = find_named(h, plan, before, false, take_base, &b, err);
    if (done == BS_DONE)
        done = find_owned(h, plan, &b, err);
    if (done == BS_DONE)
        done = ask_closure(h, &b, arena, m, err);
    if (done == BS_DONE)
        done = note_names(h, plan, before, arena, m, err);
    bases_fini(&b);
    return done == BS_DONE ? check_mappings(h, plan, m, err) : BS_FAILED;
}
