/*
 * functions.c - functions, and what those that did not come with the cluster are made of.
 */
#include <string.h>

#include "catalog/body.h"
#include "catalog/build.h"
#include "sql/builtins.h"

static const char functions_sql[] =
    "SELECT p.oid, p.pronamespace, p.proname, p.prokind, p.provariadic <> 0, p.prosecdef,"
    " p.pronargs, p.pronargdefaults, l.lanname, e.extname, p.oid < 16384 AND"
    " n.nspname IN ('pg_catalog', 'information_schema'), t.typtype"
    " FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace"
    " JOIN pg_catalog.pg_language l ON l.oid = p.prolang"
    " LEFT JOIN pg_catalog.pg_type t ON p.pronargs > 0 AND t.oid = p.proargtypes[0]"
    " LEFT JOIN pg_catalog.pg_depend d ON d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass"
    " AND d.objid = p.oid AND d.deptype = 'e'"
    " LEFT JOIN pg_catalog.pg_extension e ON e.oid = d.refobjid ORDER BY p.oid";

/* A language is what its handler does, whatever it is called. The last column: PostgreSQL's own
 * functions that run the same code as one in "internal". */
static const char details_sql[] =
    "SELECT p.oid, CASE WHEN p.prolang = 12 THEN 'i' WHEN p.prolang = 13 THEN 'c'"
    " WHEN p.prolang = 14 THEN 's' WHEN h.probin = '$libdir/plpgsql'"
    " AND h.prosrc = 'plpgsql_call_handler' THEN 'p' ELSE 'o' END::pg_catalog.\"char\","
    " p.provolatile, p.proisstrict, p.proretset, p.prosqlbody IS NOT NULL, p.prorettype,"
    " p.proowner, p.prosupport::pg_catalog.oid, p.proargtypes, p.proallargtypes, p.proargmodes,"
    " p.proargnames, p.proargdefaults::pg_catalog.text, p.prosrc, p.proconfig,"
    " CASE WHEN p.prolang = 12 THEN ARRAY(SELECT a.oid FROM pg_catalog.pg_proc a"
    " WHERE a.prolang = 12 AND a.oid < 16384 AND a.prosrc = p.prosrc) END"
    " FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_language l ON l.oid = p.prolang"
    " LEFT JOIN pg_catalog.pg_proc h ON h.oid = l.lanplcallfoid WHERE p.oid >= 16384";

static const char parts_sql[] =
    "SELECT a.aggfnoid::pg_catalog.oid, ARRAY[a.aggtransfn::pg_catalog.oid,"
    " a.aggfinalfn::pg_catalog.oid, a.aggcombinefn::pg_catalog.oid,"
    " a.aggserialfn::pg_catalog.oid, a.aggdeserialfn::pg_catalog.oid,"
    " a.aggmtransfn::pg_catalog.oid, a.aggminvtransfn::pg_catalog.oid,"
    " a.aggmfinalfn::pg_catalog.oid] FROM pg_catalog.pg_aggregate a WHERE a.aggfnoid >= 16384";

static const char atomic_sql[] =
    "SELECT p.oid, pg_catalog.pg_get_function_sqlbody(p.oid) FROM pg_catalog.pg_proc p"
    " WHERE p.oid >= 16384 AND p.prosqlbody IS NOT NULL";

/*
 * Extensions whose functions in C only compute. A member in another language may be anything, and
 * membership can be given away by an extension's owner; a function in C needs a superuser.
 */
static bool
computes_only(const char *extension)
{
    static const char *const names[] = {
        "btree_gin", "btree_gist", "citext",   "cube",      "earthdistance", "fuzzystrmatch",
        "hstore",    "intarray",   "isn",      "ltree",     "pg_trgm",       "pgcrypto",
        "postgis",   "seg",        "unaccent", "uuid-ossp", "vector",
    };

    for (size_t i = 0; extension != NULL && i < sizeof(names) / sizeof(names[0]); i++) {
        if (strcmp(names[i], extension) == 0)
            return true;
    }
    return false;
}

static enum bs_risk
risk_of(const struct bs_function *f)
{
    enum bs_risk risk;

    if (!f->builtin) {
        bool native = strcmp(f->language, "c") == 0 || strcmp(f->language, "internal") == 0;
        return native && computes_only(f->extension) ? BS_RISK_SAFE : BS_RISK_CRITICAL;
    }
    if (strcmp(f->id.schema, "information_schema") == 0)
        return bs_builtin_information_schema(f->id.name) ? BS_RISK_SAFE : BS_RISK_CRITICAL;
    risk = bs_builtin_function(f->id.name, f->n_args).risk;
    if (risk == BS_RISK_SAFE || risk == BS_RISK_HIGH)
        return risk;
    return bs_builtin_oid_listed(f->id.oid) && risk == BS_RISK_UNKNOWN ? BS_RISK_SAFE
                                                                       : BS_RISK_CRITICAL;
}

static enum bs_done
end(struct bs_build *b, PGresult *res)
{
    PQclear(res);
    return b->err->code == BS_OK ? BS_DONE : BS_FAILED;
}

static enum bs_done
load_functions(struct bs_build *b)
{
    struct bs_snapshot *s = b->s;
    PGresult *res;
    int n;

    if (bs_reader_query(&b->reader, functions_sql, 12, &res, b->err) != BS_DONE)
        return BS_FAILED;
    n = PQntuples(res);
    s->functions = bs_build_array(b, (size_t)n, sizeof(*s->functions));
    for (int i = 0; s->functions != NULL && i < n; i++) {
        struct bs_function *f = &s->functions[s->n_functions];
        /* One row an extension; a function has at most one, but nothing forbids a second row. */
        if (s->n_functions > 0 && f[-1].id.oid == bs_oid_at(res, i, 0))
            continue;
        *f = (struct bs_function){.kind = bs_char_at(res, i, 3),
                                  .variadic = bs_bool_at(res, i, 4),
                                  .definer = bs_bool_at(res, i, 5),
                                  .n_args = bs_int_at(res, i, 6),
                                  .n_defaults = bs_int_at(res, i, 7),
                                  .language = bs_build_text(b, bs_text_at(res, i, 8)),
                                  .extension = bs_build_text(b, bs_text_at(res, i, 9)),
                                  .builtin = bs_bool_at(res, i, 10),
                                  .first = bs_char_at(res, i, 11)};
        if (!bs_build_ident(b, res, i, &f->id) || f->language == NULL)
            continue;
        f->risk = risk_of(f);
        s->n_functions++;
    }
    return end(b, res);
}

static struct bs_function *
function_at(struct bs_build *b, uint32_t oid)
{
    return bs_oid_find(b->s->functions, b->s->n_functions, sizeof(*b->s->functions), oid);
}

static enum bs_language
language_of(char letter)
{
    switch (letter) {
    case 'i':
        return BS_LANGUAGE_INTERNAL;
    case 'c':
        return BS_LANGUAGE_C;
    case 's':
        return BS_LANGUAGE_SQL;
    case 'p':
        return BS_LANGUAGE_PLPGSQL;
    default:
        return BS_LANGUAGE_OTHER;
    }
}

/* The text of an element; NULL for NULL and for one that is empty. */
static const char *
element_text(struct bs_build *b, struct bs_bytes value)
{
    char text[512]; /* a name has 63 bytes */

    if (value.n == 0 || value.n >= sizeof(text))
        return NULL;
    memcpy(text, value.p, value.n);
    text[value.n] = '\0';
    return bs_build_text(b, text);
}

/* proallargtypes is NULL where all are in; then the modes are NULL as well. */
static void
read_args(struct bs_build *b, struct bs_function *f, const PGresult *res, int row)
{
    struct bs_elements types = bs_array_at(res, row, 10), modes = bs_array_at(res, row, 11),
                       names = bs_array_at(res, row, 12);
    struct bs_bytes value;
    struct bs_arg *args;

    if (types.n == 0)
        types = bs_array_at(res, row, 9);
    args = bs_build_array(b, types.n, sizeof(*args));
    if (args == NULL)
        return;
    f->args = args;
    for (f->n_params = 0; bs_element_next(&types, &value); f->n_params++) {
        struct bs_arg *a = &args[f->n_params];
        a->type = bs_element_oid(value);
        a->mode = bs_element_next(&modes, &value) && value.n == 1 ? (char)value.p[0] : 'i';
        a->name = bs_element_next(&names, &value) ? element_text(b, value) : NULL;
    }
}

/* "name=value" lines. */
static const char *
joined(struct bs_build *b, struct bs_elements list)
{
    struct bs_buf lines;
    struct bs_bytes value;
    const char *text;

    if (list.n == 0)
        return NULL;
    bs_buf_init(&lines, list.left.n + list.n + 1);
    while (bs_element_next(&list, &value)) {
        bs_put_bytes(&lines, value);
        bs_put_u8(&lines, list.n == 0 ? '\0' : '\n');
    }
    text = bs_build_text(b, (const char *)lines.p);
    bs_buf_fini(&lines);
    return text;
}

/* As harmless as PostgreSQL's own functions of the same code, under another name. */
static bool
is_alias(struct bs_build *b, const struct bs_function *f, struct bs_elements same)
{
    struct bs_bytes value;
    bool any = false;

    if (f->runs != BS_LANGUAGE_INTERNAL || f->config != NULL || f->support >= BS_FIRST_NORMAL_OID)
        return false;
    while (bs_element_next(&same, &value)) {
        const struct bs_function *own = function_at(b, bs_element_oid(value));
        if (own == NULL || own->risk != BS_RISK_SAFE)
            return false;
        any = true;
    }
    return any;
}

static void
read_details(struct bs_build *b, struct bs_function *f, const PGresult *res, int row)
{
    f->runs = language_of(bs_char_at(res, row, 1));
    f->volatility = bs_char_at(res, row, 2);
    f->strict = bs_bool_at(res, row, 3);
    f->set = bs_bool_at(res, row, 4);
    f->atomic = bs_bool_at(res, row, 5);
    f->result = bs_oid_at(res, row, 6);
    f->owner = bs_oid_at(res, row, 7);
    f->support = bs_oid_at(res, row, 8);
    read_args(b, f, res, row);
    f->defaults = bs_build_text(b, bs_text_at(res, row, 13));
    if (!f->atomic && (f->runs == BS_LANGUAGE_SQL || f->runs == BS_LANGUAGE_PLPGSQL))
        f->source = bs_build_text(b, bs_text_at(res, row, 14));
    f->config = joined(b, bs_array_at(res, row, 15));
    if (is_alias(b, f, bs_array_at(res, row, 16)))
        f->risk = BS_RISK_SAFE;
}

static enum bs_done
load_details(struct bs_build *b)
{
    PGresult *res;

    if (bs_reader_query(&b->reader, details_sql, 17, &res, b->err) != BS_DONE)
        return BS_FAILED;
    for (int i = 0; i < PQntuples(res); i++) {
        struct bs_function *f = function_at(b, bs_oid_at(res, i, 0));
        if (f != NULL)
            read_details(b, f, res, i);
    }
    return end(b, res);
}

static enum bs_done
load_parts(struct bs_build *b)
{
    PGresult *res;

    if (bs_reader_query(&b->reader, parts_sql, 2, &res, b->err) != BS_DONE)
        return BS_FAILED;
    for (int i = 0; i < PQntuples(res) && b->err->code == BS_OK; i++) {
        struct bs_function *f = function_at(b, bs_oid_at(res, i, 0));
        struct bs_elements list = bs_array_at(res, i, 1);
        struct bs_bytes value;
        uint32_t *parts = f == NULL ? NULL : bs_build_array(b, list.n, sizeof(*parts));
        if (parts == NULL)
            continue;
        f->parts = parts;
        while (bs_element_next(&list, &value)) {
            if (bs_element_oid(value) != 0)
                parts[f->n_parts++] = bs_element_oid(value);
        }
    }
    return end(b, res);
}

/*
 * The server prints these bodies from what it has stored, and locks the relations in them for it.
 * Where somebody keeps it from that, they stay opaque: nobody waits for a lock here, and none
 * outlives the savepoint.
 */
static enum bs_done
load_atomic(struct bs_build *b)
{
    struct bs_err refused = {0};
    PGresult *res;

    if (bs_reader_run(&b->reader, "SAVEPOINT bodies", b->err) != BS_DONE ||
        bs_reader_run(&b->reader, "SET LOCAL lock_timeout = '100ms'", b->err) != BS_DONE)
        return BS_FAILED;
    if (bs_reader_query(&b->reader, atomic_sql, 2, &res, &refused) == BS_DONE) {
        for (int i = 0; i < PQntuples(res); i++) {
            struct bs_function *f = function_at(b, bs_oid_at(res, i, 0));
            if (f != NULL)
                f->source = bs_build_text(b, bs_text_at(res, i, 1));
        }
        PQclear(res);
    }
    return bs_reader_run(&b->reader, "ROLLBACK TO SAVEPOINT bodies", b->err);
}

static bool
has_atomic(const struct bs_snapshot *s)
{
    for (size_t i = 0; i < s->n_functions; i++) {
        if (s->functions[i].atomic)
            return true;
    }
    return false;
}

enum bs_done
bs_build_functions(struct bs_build *b)
{
    if (load_functions(b) != BS_DONE || load_details(b) != BS_DONE || load_parts(b) != BS_DONE)
        return BS_FAILED;
    if (has_atomic(b->s) && load_atomic(b) != BS_DONE)
        return BS_FAILED;
    return bs_build_bodies(b);
}
