/*
 * reshape.c - the server is asked what the saved text means: it makes a temporary thing of it, in a
 * savepoint that is rolled back, and its catalog rows are held against those of the live one.
 *
 * Nothing of the live relation is read but its catalog rows, and nothing of it is locked for that.
 */
#include <string.h>

#include "recovery/nested.h"
#include "restore/remedy.h"
#include "restore/sqltext.h"
#include "restore/text.h"

#define SCRIPT_MAX (16u << 20)

#define SCRATCH "pg_temp.\"backstop scratch\""

/*
 * $1 is a relation. One row for each thing that ALTER TABLE can set: what it is about, how it is, and
 * the action that makes it so; the action that takes it away where the other side has none; of what
 * stands apart in a dump the name; last, who wrote it.
 */
static const char relation_facts[] =
    "WITH c AS (SELECT k.*, k.xmin AS wrote FROM pg_catalog.pg_class k WHERE oid = "
    "$1::pg_catalog.oid),"
    " a AS (SELECT a.*, a.xmin AS wrote, (SELECT d.xmin FROM pg_catalog.pg_attrdef d WHERE"
    " d.adrelid = attrelid AND d.adnum = attnum) AS set_by,"
    " pg_catalog.quote_ident(attname) AS q, (SELECT "
    "pg_catalog.pg_get_expr(d.adbin,"
    " d.adrelid) FROM pg_catalog.pg_attrdef d WHERE d.adrelid = attrelid AND d.adnum = attnum) AS"
    " expr FROM pg_catalog.pg_attribute a WHERE attrelid = $1::pg_catalog.oid AND attnum > 0 AND "
    "NOT"
    " attisdropped),"
    " o(what, text, wrote) AS (SELECT '', x, wrote FROM c, pg_catalog.unnest(reloptions) x UNION "
    "ALL"
    " SELECT 'toast.', x, c.wrote FROM c JOIN pg_catalog.pg_class t ON t.oid = c.reltoastrelid,"
    " pg_catalog.unnest(t.reloptions) x)"
    /* columns */
    " SELECT 'default of ' || q, COALESCE(expr, ''), 'ALTER COLUMN ' || q || COALESCE("
    "' SET DEFAULT ' || expr, ' DROP DEFAULT'), NULL, attname, COALESCE(set_by, wrote) FROM a "
    "WHERE attgenerated = ''"
    " UNION ALL SELECT 'expression of ' || q, CASE WHEN attgenerated <> '' THEN expr ELSE '' END,"
    " CASE WHEN attgenerated <> '' AND pg_catalog.current_setting('server_version_num')::int >="
    " 170000 THEN 'ALTER COLUMN ' || q || ' SET EXPRESSION AS (' || expr || ')' END, NULL, NULL,"
    " wrote FROM a"
    /* one that is not valid stands apart from the table */
    " UNION ALL SELECT 'null in ' || q, (attnotnull AND NOT EXISTS (SELECT FROM"
    " pg_catalog.pg_constraint k WHERE k.contype = 'n' AND k.conrelid = attrelid AND k.conkey[1] ="
    " attnum AND NOT k.convalidated))::text, 'ALTER COLUMN ' || q || CASE WHEN"
    " attnotnull THEN ' SET NOT NULL' ELSE ' DROP NOT NULL' END, NULL, NULL, wrote FROM a"
    " UNION ALL SELECT 'storage of ' || q, attstorage::text, 'ALTER COLUMN ' || q ||"
    " ' SET STORAGE ' || CASE attstorage WHEN 'p' THEN 'PLAIN' WHEN 'e' THEN 'EXTERNAL' WHEN 'm'"
    " THEN 'MAIN' ELSE 'EXTENDED' END, NULL, NULL, wrote FROM a"
    " UNION ALL SELECT 'compression of ' || q, attcompression::text, 'ALTER COLUMN ' || q ||"
    " ' SET COMPRESSION ' || CASE attcompression WHEN 'p' THEN 'pglz' WHEN 'l' THEN 'lz4' ELSE"
    " 'default' END, NULL, NULL, wrote FROM a"
    " UNION ALL SELECT 'statistics of ' || q, COALESCE(attstattarget, -1)::text, 'ALTER COLUMN '"
    " || q || ' SET STATISTICS ' || COALESCE(attstattarget, -1), NULL, NULL, wrote FROM a"
    " UNION ALL SELECT 'option of ' || q || ' ' || pg_catalog.split_part(x, '=', 1), x,"
    " 'ALTER COLUMN ' || q || ' SET (' || x || ')', 'ALTER COLUMN ' || q || ' RESET (' ||"
    " pg_catalog.split_part(x, '=', 1) || ')', NULL, wrote FROM a, pg_catalog.unnest(attoptions) x"
    /* the table */
    " UNION ALL SELECT 'check ' || conname, pg_catalog.pg_get_constraintdef(k.oid), 'ADD "
    "CONSTRAINT '"
    " || pg_catalog.quote_ident(conname) || ' ' || pg_catalog.pg_get_constraintdef(k.oid),"
    " 'DROP CONSTRAINT ' || pg_catalog.quote_ident(conname), conname, k.xmin FROM "
    "pg_catalog.pg_constraint "
    "k"
    " WHERE conrelid = $1::pg_catalog.oid AND contype = 'c' AND conislocal"
    " UNION ALL SELECT 'option ' || what || pg_catalog.split_part(text, '=', 1), text,"
    " 'SET (' || what || pg_catalog.split_part(text, '=', 1) || '=' || pg_catalog.quote_literal("
    "pg_catalog.substr(text, pg_catalog.strpos(text, '=') + 1)) || ')',"
    " 'RESET (' || what || pg_catalog.split_part(text, '=', 1) || ')', NULL, wrote FROM o"
    " UNION ALL SELECT 'forced row security', relforcerowsecurity::text, CASE WHEN"
    " relforcerowsecurity THEN 'FORCE' ELSE 'NO FORCE' END || ' ROW LEVEL SECURITY', NULL, NULL,"
    " wrote FROM c"
    " UNION ALL SELECT 'replica identity', CASE relreplident WHEN 'i' THEN 'd' ELSE relreplident"
    " END::text, 'REPLICA IDENTITY ' || CASE relreplident WHEN 'f' THEN 'FULL' WHEN 'n' THEN"
    " 'NOTHING' ELSE 'DEFAULT' END, NULL, NULL, wrote FROM c"
    " UNION ALL SELECT 'access method', m.amname::text, 'SET ACCESS METHOD ' ||"
    " pg_catalog.quote_ident(m.amname), NULL, NULL, wrote FROM c JOIN pg_catalog.pg_am m ON m.oid "
    "= relam"
    " UNION ALL SELECT 'type of rows', 'OF', 'OF ' || reloftype::pg_catalog.regtype, 'NOT OF', "
    "NULL,"
    " wrote FROM c WHERE reloftype <> 0"
    " UNION ALL SELECT 'child of ' || inhparent, '', 'INHERIT ' || inhparent::pg_catalog.regclass,"
    " 'NO INHERIT ' || inhparent::pg_catalog.regclass, NULL, h.xmin FROM pg_catalog.pg_inherits h "
    "JOIN c ON"
    " inhrelid = c.oid AND NOT relispartition"
    " ORDER BY 1";

static const char relation_columns[] =
    "SELECT a.attname, pg_catalog.format_type(a.atttypid, a.atttypmod) || CASE WHEN a.attcollation"
    " <> t.typcollation THEN ' COLLATE ' || a.attcollation::pg_catalog.regcollation ELSE '' END,"
    " pg_catalog.quote_ident(a.attname) FROM"
    " pg_catalog.pg_attribute a JOIN pg_catalog.pg_type t ON t.oid = a.atttypid WHERE a.attrelid ="
    " $1::pg_catalog.oid AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum";

/* $1 is a domain. */
static const char domain_facts[] =
    "WITH t AS (SELECT * FROM pg_catalog.pg_type WHERE oid = $1::pg_catalog.oid)"
    " SELECT 'default', COALESCE(typdefault, ''), COALESCE('SET DEFAULT ' || typdefault,"
    " 'DROP DEFAULT'), NULL, NULL FROM t"
    " UNION ALL SELECT 'null', typnotnull::text, CASE WHEN typnotnull THEN 'SET NOT NULL' ELSE"
    " 'DROP NOT NULL' END, NULL, NULL FROM t"
    " UNION ALL SELECT 'base', pg_catalog.format_type(typbasetype, typtypmod), NULL, NULL, NULL "
    "FROM t"
    " UNION ALL SELECT 'check ' || conname, pg_catalog.pg_get_constraintdef(oid), 'ADD CONSTRAINT '"
    " || pg_catalog.quote_ident(conname) || ' ' || pg_catalog.pg_get_constraintdef(oid),"
    " 'DROP CONSTRAINT ' || pg_catalog.quote_ident(conname), conname FROM pg_catalog.pg_constraint"
    " WHERE contypid = $1::pg_catalog.oid AND contype = 'c' ORDER BY 1";

/* $1 is a type: labels of an enum, attributes of a composite one. */
static const char type_members[] =
    "SELECT enumlabel::text, '', pg_catalog.quote_literal(enumlabel) FROM pg_catalog.pg_enum WHERE"
    " enumtypid = $1::pg_catalog.oid UNION ALL SELECT * FROM (SELECT a.attname::text,"
    " pg_catalog.format_type(a.atttypid, a.atttypmod) || CASE WHEN a.attcollation <>"
    " b.typcollation THEN ' COLLATE ' || a.attcollation::pg_catalog.regcollation ELSE '' END,"
    " pg_catalog.quote_ident(a.attname) FROM"
    " pg_catalog.pg_attribute a JOIN pg_catalog.pg_type b ON b.oid = a.atttypid"
    " JOIN pg_catalog.pg_type t ON t.typrelid = a.attrelid WHERE t.oid ="
    " $1::pg_catalog.oid AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum) x";

static const char enum_members[] =
    "SELECT enumlabel::text, '', pg_catalog.quote_literal(enumlabel) FROM pg_catalog.pg_enum WHERE"
    " enumtypid = $1::pg_catalog.oid ORDER BY enumsortorder";

enum {
    WROTE = 5, /* the column with the xmin of the item's row */
};

enum thing {
    TABLE = 0,
    DOMAIN,
    TYPE,
};

struct reshaping {
    struct bs_restore *r;
    const struct bs_definition *d;
    const struct bs_altered *change;
    enum thing thing;
    struct bs_buf script; /* of the saved entry, by pg_restore */
    const char *name;     /* as the script spells it */
    uint32_t live;        /* OIDs */
    uint32_t scratch;
    bool is_enum;
    bool unlogged;
    const char *space; /* tablespace, quoted; "": the database's */
    const char *owner; /* statement; NULL: none */
    struct bs_buf *out;
    const char **why;
    bool *theirs;
};

/* The scratch. */

/* Takes "CREATE TABLE " and the like from the front; what follows is the name. */
static bool
take_create(struct reshaping *x, struct bs_bytes *s)
{
    static const struct {
        const char *create;
        enum thing thing;
        bool unlogged;
    } forms[] = {
        {"CREATE TABLE ", TABLE, false},
        {"CREATE UNLOGGED TABLE ", TABLE, true},
        {"CREATE DOMAIN ", DOMAIN, false},
        {"CREATE TYPE ", TYPE, false},
    };

    for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
        size_t n = strlen(forms[i].create);
        if (!bs_bytes_begin(*s, forms[i].create))
            continue;
        x->thing = forms[i].thing;
        x->unlogged = forms[i].unlogged;
        s->p += n;
        s->n -= n;
        return true;
    }
    return false;
}

static size_t
end_of_name(struct bs_bytes s)
{
    static const char *const after[] = {" (", " AS ", " OF "};
    size_t end = SIZE_MAX;

    for (size_t i = 0; i < sizeof(after) / sizeof(after[0]); i++) {
        size_t at = bs_sql_find(s, after[i]);
        end = at < end ? at : end;
    }
    return end;
}

/* The statement with the scratch's name in place of the saved one; false: not one for it. */
static bool
put_scratch(struct reshaping *x, struct bs_bytes s, struct bs_buf *b)
{
    static const char *const heads[] = {"ALTER TABLE ONLY ", "ALTER TABLE "};
    static const char *const creates[] = {"TABLE", "DOMAIN", "TYPE"};
    size_t end, n = x->name == NULL ? 0 : strlen(x->name);

    if (x->name == NULL) {
        if (!take_create(x, &s))
            return false;
        end = end_of_name(s);
        if (end == SIZE_MAX)
            return false;
        x->name = bs_arena_copy(&x->r->arena, (struct bs_bytes){s.p, end});
        x->is_enum = x->thing == TYPE &&
                     bs_bytes_begin((struct bs_bytes){s.p + end, s.n - end}, " AS ENUM ");
        bs_put_fmt(b, "CREATE %s%s " SCRATCH, x->thing == TABLE ? "TEMPORARY " : "",
                   creates[x->thing]);
        bs_put_bytes(b, (struct bs_bytes){s.p + end, s.n - end});
        return x->name != NULL;
    }
    if (bs_sql_find(s, " OWNER TO ") != SIZE_MAX) {
        x->owner = bs_arena_copy(&x->r->arena, s);
        return false;
    }
    for (size_t i = 0; i < 2; i++) {
        size_t h = strlen(heads[i]);
        if (!bs_bytes_begin(s, heads[i]) || s.n < h + n || memcmp(s.p + h, x->name, n) != 0)
            continue;
        bs_put_str(b, "ALTER TABLE " SCRATCH);
        bs_put_bytes(b, (struct bs_bytes){s.p + h + n, s.n - h - n});
        return true;
    }
    return false;
}

static void
take_space(struct reshaping *x, struct bs_bytes s)
{
    static const char set[] = "SET default_tablespace = ";
    struct bs_bytes value;

    if (!bs_bytes_begin(s, set))
        return;
    value = (struct bs_bytes){s.p + sizeof(set) - 1, s.n - sizeof(set) + 1};
    x->space = bs_bytes_equal(value, BS_LIT("''")) ? "" : bs_arena_copy(&x->r->arena, value);
}

static enum bs_done
make_scratch(struct reshaping *x, struct bs_err *err)
{
    struct bs_bytes rest = bs_buf_view(&x->script), one;
    struct bs_buf b;
    enum bs_done done = BS_DONE;

    bs_buf_init(&b, SCRIPT_MAX);
    x->space = "";
    while (done == BS_DONE && bs_sql_next(&rest, &one)) {
        take_space(x, one);
        bs_buf_clear(&b);
        if (bs_bytes_begin(one, "SET default_table_access_method = "))
            bs_put_bytes(&b, one);
        else if (!put_scratch(x, one, &b))
            continue;
        done = bs_rdb_run(&x->r->db, &b, err);
    }
    bs_buf_fini(&b);
    return done;
}

static enum bs_done
find_scratch(struct reshaping *x, struct bs_err *err)
{
    PGresult *result =
        bs_rdb_ask(&x->r->db,
                   x->thing == TABLE ? "SELECT pg_catalog.to_regclass('" SCRATCH "')::oid"
                                     : "SELECT pg_catalog.to_regtype('" SCRATCH "')::oid",
                   0, NULL, err);

    if (result == NULL)
        return BS_FAILED;
    x->scratch = (uint32_t)bs_rdb_number(result, 0, 0);
    PQclear(result);
    return BS_DONE;
}

/* Comparing. */

static PGresult *
ask_about(struct reshaping *x, const char *sql, uint32_t oid, struct bs_err *err)
{
    char text[16];
    const char *values[] = {text};

    (void)snprintf(text, sizeof(text), "%u", oid);
    return bs_rdb_ask(&x->r->db, sql, 1, values, err);
}

static int
row_of(const PGresult *res, int column, const char *value)
{
    for (int i = 0; i < PQntuples(res); i++) {
        if (strcmp(PQgetvalue(res, i, column), value) == 0)
            return i;
    }
    return -1;
}

/* What a table has its children have, too; but settings of a column are each relation's own. */
static bool
is_own(const char *action)
{
    size_t n = strlen(action), m = strlen(" NOT NULL");

    return strncmp(action, "ALTER COLUMN ", 13) == 0 &&
           (n < m || strcmp(action + n - m, " NOT NULL") != 0);
}

static void
put_action(struct reshaping *x, const char *action)
{
    bs_put_fmt(x->out, "ALTER %s %s ",
               x->thing == TABLE    ? is_own(action) ? "TABLE ONLY" : "TABLE"
               : x->thing == DOMAIN ? "DOMAIN"
                                    : "TYPE",
               x->name);
    bs_put_str(x->out, action);
    bs_put_str(x->out, ";\n");
}

/* Is that column's default, or that constraint, an entry of its own in this list? */
static bool
stands_apart(const struct reshaping *x, const struct bs_toc *toc, size_t of, const char *name)
{
    struct bs_toc_words t = bs_toc_words(&toc->list[of]);
    size_t n = strlen(name);

    for (size_t i = 0; i < toc->n; i++) {
        struct bs_toc_words w = bs_toc_words(&toc->list[i]);
        if ((bs_toc_is(&toc->list[i], "DEFAULT") || bs_toc_is(&toc->list[i], "CHECK CONSTRAINT")) &&
            bs_bytes_equal(w.schema, t.schema) && w.name.n == t.name.n + 1 + n &&
            memcmp(w.name.p, t.name.p, t.name.n) == 0 &&
            memcmp(w.name.p + t.name.n + 1, name, n) == 0)
            return true;
    }
    (void)x;
    return false;
}

static bool
is_apart(const struct reshaping *x, const PGresult *res, int row, bool either)
{
    const char *name = PQgetvalue(res, row, 4);

    if (PQgetisnull(res, row, 4))
        return false;
    return stands_apart(x, &x->d->live, x->change->live, name) ||
           (either && stands_apart(x, &x->d->saved, x->change->saved, name));
}

static void
cannot(struct reshaping *x, const char *what)
{
    if (*x->why == NULL)
        *x->why = bs_arena_fmt(&x->r->arena, "%s cannot be changed back", what);
}

/* Somebody has set it since; whoever wants that gone says so. */
static bool
is_theirs(struct reshaping *x, const PGresult *is, int row)
{
    if (x->change->overwrite || PQnfields(is) <= WROTE ||
        !bs_origin_is_later(&x->r->origin, (uint32_t)bs_rdb_number(is, row, WROTE)))
        return false;
    *x->theirs = true;
    if (*x->why == NULL)
        *x->why =
            bs_arena_fmt(&x->r->arena, "%s was changed since by others (--conflict overwrite)",
                         PQgetvalue(is, row, 0));
    return true;
}

/* Both sides, item by item; those that only the live one has go. */
static void
put_facts(struct reshaping *x, const PGresult *was, const PGresult *is)
{
    for (int i = 0; i < PQntuples(is); i++) {
        bool is_default = strncmp(PQgetvalue(is, i, 0), "default of ", 11) == 0;
        int saved = row_of(was, 0, PQgetvalue(is, i, 0));
        if (saved >= 0 || is_apart(x, is, i, is_default) || PQgetisnull(is, i, 3) ||
            is_theirs(x, is, i))
            continue;
        put_action(x, PQgetvalue(is, i, 3));
    }
    for (int i = 0; i < PQntuples(was); i++) {
        bool is_default = strncmp(PQgetvalue(was, i, 0), "default of ", 11) == 0;
        int live = row_of(is, 0, PQgetvalue(was, i, 0));
        if (live < 0 && PQgetisnull(was, i, 3))
            continue; /* of a column that is not there */
        if (live >= 0 && strcmp(PQgetvalue(was, i, 1), PQgetvalue(is, live, 1)) == 0)
            continue;
        if ((is_default && is_apart(x, was, i, true)) || (live >= 0 && is_theirs(x, is, live)))
            continue;
        if (PQgetisnull(was, i, 2)) {
            cannot(x, PQgetvalue(was, i, 0));
            continue;
        }
        if (strncmp(PQgetvalue(was, i, 0), "child of ", 9) == 0 && *x->why == NULL)
            *x->why = "the columns that it had from its parent are its own, too, since it was"
                      " taken from it";
        if (live >= 0 && !PQgetisnull(is, live, 3))
            put_action(x, PQgetvalue(is, live, 3));
        put_action(x, PQgetvalue(was, i, 2));
    }
}

static enum bs_done
compare_facts(struct reshaping *x, const char *sql, struct bs_err *err)
{
    PGresult *was = ask_about(x, sql, x->scratch, err), *is = NULL;

    if (was != NULL)
        is = ask_about(x, sql, x->live, err);
    if (is != NULL)
        put_facts(x, was, is);
    PQclear(was);
    PQclear(is);
    return is == NULL ? BS_FAILED : BS_DONE;
}

/* A column that was dropped since: then one at its place is not the same under another name. */
static enum bs_done
dropped_since(struct reshaping *x, bool *any, struct bs_err *err)
{
    char oid[16], xid[16];
    const char *values[] = {oid, xid};
    PGresult *result;

    (void)snprintf(oid, sizeof(oid), "%u", x->live);
    (void)snprintf(xid, sizeof(xid), "%u", (uint32_t)x->r->origin.xid);
    result = bs_rdb_ask(&x->r->db,
                        "SELECT EXISTS (SELECT 1 FROM pg_catalog.pg_attribute a WHERE a.attrelid ="
                        " $1::pg_catalog.oid AND a.attisdropped AND ($2::text = '0' OR"
                        " pg_catalog.age(a.xmin) <= pg_catalog.age($2::text::pg_catalog.xid)))",
                        2, values, err);
    if (result == NULL)
        return BS_FAILED;
    *any = PQgetvalue(result, 0, 0)[0] == 't';
    PQclear(result);
    return BS_DONE;
}

/* True where members differ in names only, each of a name that the other side does not know. */
static bool
only_renamed(const PGresult *was, const PGresult *is)
{
    bool any = false;

    if (PQntuples(was) != PQntuples(is))
        return false;
    for (int i = 0; i < PQntuples(was); i++) {
        const char *a = PQgetvalue(was, i, 0), *b = PQgetvalue(is, i, 0);
        if (strcmp(a, b) == 0)
            continue;
        if (row_of(is, 0, a) >= 0 || row_of(was, 0, b) >= 0 ||
            strcmp(PQgetvalue(was, i, 1), PQgetvalue(is, i, 1)) != 0)
            return false;
        any = true;
    }
    return any;
}

static void
put_renames(struct reshaping *x, const PGresult *was, const PGresult *is)
{
    const char *what = x->thing == TABLE ? "COLUMN" : x->is_enum ? "VALUE" : "ATTRIBUTE";

    for (int i = 0; i < PQntuples(was); i++) {
        if (strcmp(PQgetvalue(was, i, 0), PQgetvalue(is, i, 0)) == 0)
            continue;
        bs_put_fmt(x->out, "ALTER %s %s RENAME %s ", x->thing == TABLE ? "TABLE" : "TYPE", x->name,
                   what);
        bs_put_str(x->out, PQgetvalue(is, i, 2));
        bs_put_str(x->out, " TO ");
        bs_put_str(x->out, PQgetvalue(was, i, 2));
        bs_put_str(x->out, ";\n");
    }
}

/* Members that come and go: where they hold values that is no matter of definitions. */
static void
tell_members(struct reshaping *x, const PGresult *was, const PGresult *is)
{
    const char *what = x->thing == TABLE ? "column" : x->is_enum ? "value" : "attribute";
    struct bs_arena *a = &x->r->arena;

    for (int i = 0; *x->why == NULL && i < PQntuples(is); i++) {
        if (row_of(was, 0, PQgetvalue(is, i, 0)) < 0)
            *x->why = bs_arena_fmt(a, "%s %s is new%s", what, PQgetvalue(is, i, 2),
                                   x->is_enum ? ", and no value can be taken from a type"
                                              : ": drop it yourself");
    }
    for (int i = 0; *x->why == NULL && i < PQntuples(was); i++) {
        int live = row_of(is, 0, PQgetvalue(was, i, 0));
        if (live < 0)
            *x->why = bs_arena_fmt(a, "%s %s is gone", what, PQgetvalue(was, i, 2));
        else if (strcmp(PQgetvalue(was, i, 1), PQgetvalue(is, live, 1)) != 0)
            *x->why = bs_arena_fmt(a, "%s %s has another type", what, PQgetvalue(was, i, 2));
    }
}

/* Is there a table with values of the type? Then attributes are no matter of definitions. */
static enum bs_done
is_stored(struct reshaping *x, bool *stored, struct bs_err *err)
{
    PGresult *res = ask_about(x,
                              "SELECT ARRAY[typrelid]::pg_catalog.text FROM pg_catalog.pg_type"
                              " WHERE oid = $1::pg_catalog.oid",
                              x->live, err);
    const char *values[] = {NULL};
    PGresult *columns = NULL;

    if (res != NULL && PQntuples(res) == 1) {
        values[0] = PQgetvalue(res, 0, 0);
        columns = bs_rdb_ask(&x->r->db, bs_nested_users_sql, 1, values, err);
    }
    *stored = columns == NULL || PQntuples(columns) != 0;
    PQclear(columns);
    PQclear(res);
    return columns != NULL || err->code == BS_OK ? BS_DONE : BS_FAILED;
}

static bool
same_member(const PGresult *was, const PGresult *is, int i, int field)
{
    return i < PQntuples(was) && i < PQntuples(is) &&
           strcmp(PQgetvalue(was, i, field), PQgetvalue(is, i, field)) == 0;
}

/* Attributes have an order, and a new one is the last: from the first that differs all are made
 * anew, unless only types do. */
static void
put_attributes(struct reshaping *x, const PGresult *was, const PGresult *is)
{
    int n = PQntuples(was), from = 0;
    struct bs_arena *a = &x->r->arena;

    while (same_member(was, is, from, 0))
        from++;
    for (int i = 0; i < from; i++) {
        if (!same_member(was, is, i, 1))
            put_action(x, bs_arena_fmt(a, "ALTER ATTRIBUTE %s TYPE %s", PQgetvalue(was, i, 2),
                                       PQgetvalue(was, i, 1)));
    }
    for (int i = from; i < PQntuples(is); i++)
        put_action(x, bs_arena_fmt(a, "DROP ATTRIBUTE %s", PQgetvalue(is, i, 2)));
    for (int i = from; i < n; i++)
        put_action(x, bs_arena_fmt(a, "ADD ATTRIBUTE %s %s", PQgetvalue(was, i, 2),
                                   PQgetvalue(was, i, 1)));
}

static enum bs_done
compare_members(struct reshaping *x, bool *renamed, struct bs_err *err)
{
    const char *sql = x->thing == TABLE ? relation_columns
                      : x->is_enum      ? enum_members
                                        : type_members;
    PGresult *was = ask_about(x, sql, x->scratch, err), *is = NULL;
    enum bs_done done = BS_FAILED;
    bool dropped = false, stored = true;

    *renamed = false;
    if (was != NULL)
        is = ask_about(x, sql, x->live, err);
    if (is != NULL)
        done = x->thing == TABLE ? dropped_since(x, &dropped, err)
               : x->is_enum      ? BS_DONE
                                 : is_stored(x, &stored, err);
    if (done == BS_DONE && !dropped && only_renamed(was, is)) {
        put_renames(x, was, is);
        *renamed = true;
    } else if (done == BS_DONE && !stored)
        put_attributes(x, was, is);
    else if (done == BS_DONE)
        tell_members(x, was, is);
    PQclear(was);
    PQclear(is);
    return done;
}

/* What a temporary table cannot be asked for: it is never unlogged and has its own tablespace. */
static enum bs_done
compare_storage(struct reshaping *x, struct bs_err *err)
{
    PGresult *is = ask_about(
        x,
        "SELECT c.relpersistence = 'u', COALESCE(pg_catalog.quote_ident(t.spcname), ''),"
        " (SELECT pg_catalog.quote_ident(s.spcname) FROM pg_catalog.pg_database d JOIN"
        " pg_catalog.pg_tablespace s ON s.oid = d.dattablespace WHERE d.datname ="
        " pg_catalog.current_database()) FROM pg_catalog.pg_class c LEFT JOIN"
        " pg_catalog.pg_tablespace t ON t.oid = c.reltablespace WHERE c.oid = $1::pg_catalog.oid",
        x->live, err);

    if (is == NULL)
        return BS_FAILED;
    if (PQntuples(is) != 0 && (PQgetvalue(is, 0, 0)[0] == 't') != x->unlogged)
        put_action(x, x->unlogged ? "SET UNLOGGED" : "SET LOGGED");
    if (PQntuples(is) != 0 && strcmp(PQgetvalue(is, 0, 1), x->space) != 0)
        put_action(x, bs_arena_fmt(&x->r->arena, "SET TABLESPACE %s",
                                   x->space[0] == '\0' ? PQgetvalue(is, 0, 2) : x->space));
    PQclear(is);
    return BS_DONE;
}

/* The owner is in the text of the entry; it is the same in both or it is not. */
static void
put_owner(struct reshaping *x)
{
    struct bs_bytes live = x->d->live_says.texts[x->change->live], one;

    while (x->owner != NULL && bs_sql_next(&live, &one)) {
        if (bs_bytes_equal(one, bs_bytes_of(x->owner)))
            return;
    }
    if (x->owner != NULL) {
        bs_put_str(x->out, x->owner);
        bs_put_str(x->out, ";\n");
    }
}

static enum bs_done
compare(struct reshaping *x, struct bs_err *err)
{
    bool renamed = false;

    if (make_scratch(x, err) != BS_DONE)
        return BS_FAILED;
    if (x->name == NULL)
        return BS_DONE;
    if (find_scratch(x, err) != BS_DONE)
        return BS_FAILED;
    if (x->thing == DOMAIN)
        return compare_facts(x, domain_facts, err);
    if (compare_members(x, &renamed, err) != BS_DONE)
        return BS_FAILED;
    /* Everything else is called by the new names: a second look tells. */
    if (x->thing == TYPE || renamed)
        return BS_DONE;
    if (compare_storage(x, err) != BS_DONE)
        return BS_FAILED;
    return compare_facts(x, relation_facts, err);
}

enum bs_done
bs_remedy_put_reshape(struct bs_restore *r,
                      const struct bs_definition *d,
                      const struct bs_altered *change,
                      struct bs_buf *out,
                      const char **why,
                      bool *nothing,
                      bool *theirs,
                      struct bs_err *err)
{
    struct reshaping x = {.r = r,
                          .d = d,
                          .change = change,
                          .live = d->live.list[change->live].oid,
                          .out = out,
                          .why = why,
                          .theirs = theirs};
    struct bs_err first = {0};
    enum bs_done done;

    bs_buf_init(&x.script, SCRIPT_MAX);
    done = bs_remedy_put_entries(d, BS_DEFINITION_SAVED, &change->saved, 1, &x.script, err);
    if (done == BS_DONE)
        done = bs_rdb_do(&r->db, "SAVEPOINT backstop_scratch", err);
    if (done == BS_DONE && compare(&x, &first) != BS_DONE) {
        *why = bs_arena_fmt(&r->arena, "the saved text cannot be read: %s", first.message);
        bs_buf_clear(out);
    }
    if (done == BS_DONE)
        done = bs_rdb_do(&r->db,
                         "ROLLBACK TO SAVEPOINT backstop_scratch; RELEASE SAVEPOINT"
                         " backstop_scratch",
                         err);
    if (done == BS_DONE)
        put_owner(&x);
    *nothing = out->n == 0 && *why == NULL && x.thing == TABLE && x.scratch != 0;
    bs_buf_fini(&x.script);
    return done;
}
