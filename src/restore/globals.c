/*
 * globals.c - two temporary tables, then and now, and one query a class that writes the statements.
 * The server itself quotes what it is told: names come out of format('%I'), never out of C.
 */
#include "restore/globals.h"

#include <string.h>

#include "recovery/globals.h"

enum { SQL_MAX = 256 * 1024 };

/* --- the statements ----------------------------------------------------------------------- */

/* What differs, of what the statement was about ($1: names; NULL: of everything). */
#define PAIRS                                                                                      \
    "WITH pair AS (SELECT COALESCE(s.class, l.class) AS class, COALESCE(s.name, l.name) AS name,"  \
    " s.oid, s.value AS was, l.value AS now FROM pg_temp.backstop_saved s"                         \
    " FULL JOIN pg_temp.backstop_live l ON s.class = l.class AND s.name = l.name"                  \
    " WHERE s.value IS DISTINCT FROM l.value),"                                                    \
    " changed AS (SELECT p.* FROM pair p WHERE $1::text[] IS NULL OR p.name = ANY ($1::text[])"    \
    " OR (p.class = 'system' AND EXISTS (SELECT FROM unnest($1::text[]) a"                         \
    " WHERE lower(a) = lower(p.name)))"                                                            \
    " OR EXISTS (SELECT FROM (VALUES (p.was), (p.now)) v (v), jsonb_each_text(v.v) e"              \
    " WHERE e.key IN ('role', 'member', 'owner', 'database', 'setting')"                           \
    " AND e.value = ANY ($1::text[]))"                                                             \
    " OR EXISTS (SELECT FROM (VALUES (p.was), (p.now)) v (v),"                                     \
    " jsonb_array_elements(NULLIF(v.v->'privileges', 'null')) e"                                   \
    " WHERE e->>'to' = ANY ($1::text[])))"

/* The thing is there under another name, which nothing had then. */
#define RENAMES                                                                                    \
    " SELECT 1, p.class, p.name, format('ALTER %s %I RENAME TO %I', upper(p.class), l.name,"       \
    " p.name), NULL, NULL, false FROM pair p JOIN pg_temp.backstop_live l ON l.class = p.class"    \
    " AND l.oid = p.oid WHERE p.now IS NULL AND p.class IN ('role', 'database', 'tablespace')"     \
    " AND NOT EXISTS (SELECT FROM pg_temp.backstop_saved s WHERE s.class = l.class"                \
    " AND s.name = l.name)"

#define ROLES                                                                                      \
    " SELECT 2, p.class, p.name, format('%s ROLE %I%s', CASE WHEN p.now IS NULL THEN 'CREATE'"     \
    " ELSE 'ALTER' END, p.name, ' WITH' || NULLIF(concat((SELECT string_agg(concat(' ',"           \
    " CASE WHEN (p.was->>a.key)::bool THEN '' ELSE 'NO' END, a.word), '')"                         \
    " FROM (VALUES ('superuser', 'SUPERUSER', false), ('inherit', 'INHERIT', true),"               \
    " ('createrole', 'CREATEROLE', false), ('createdb', 'CREATEDB', false),"                       \
    " ('login', 'LOGIN', false), ('replication', 'REPLICATION', false),"                           \
    " ('bypassrls', 'BYPASSRLS', false)) a (key, word, usual)"                                     \
    " WHERE p.was->a.key IS DISTINCT FROM COALESCE(p.now->a.key, to_jsonb(a.usual))),"             \
    " CASE WHEN p.was->'limit' IS DISTINCT FROM COALESCE(p.now->'limit', '-1')"                    \
    " THEN ' CONNECTION LIMIT ' || (p.was->>'limit') END,"                                         \
    " CASE WHEN p.was->>'until' IS DISTINCT FROM p.now->>'until' THEN ' VALID UNTIL ' ||"          \
    " quote_literal(COALESCE(p.was->>'until' || '+00', 'infinity')) END), '')),"                   \
    " NULL, NULL, false FROM changed p WHERE p.class = 'role' AND p.was IS NOT NULL"               \
    " AND (p.now IS NULL OR p.was - 'comment' IS DISTINCT FROM p.now - 'comment')"                 \
    " UNION ALL SELECT 9, p.class, p.name, CASE WHEN $2 THEN format('DROP ROLE %I', p.name) END,"  \
    " NULL, CASE WHEN NOT $2 THEN 'it was not there then; --made remove drops it' END, false"      \
    " FROM changed p WHERE p.class = 'role' AND p.was IS NULL"

#define PASSWORDS                                                                                  \
    " SELECT 3, p.class, p.name, format('ALTER ROLE %I PASSWORD %L', p.name, p.was->>'password')," \
    " format('ALTER ROLE %I PASSWORD ***', p.name), NULL, false FROM changed p"                    \
    " WHERE p.class = 'password' AND p.was->>'password' IS DISTINCT FROM p.now->>'password'"       \
    " AND p.was IS NOT NULL"

#define COMMENTS                                                                                   \
    " SELECT 4, p.class, p.name, format('COMMENT ON %s %I IS %L', upper(p.class), p.name,"         \
    " p.was->>'comment'), NULL, NULL, false FROM changed p WHERE p.class IN ('role', 'database',"  \
    " 'tablespace') AND p.was->>'comment' IS DISTINCT FROM p.now->>'comment'"                      \
    " AND p.was IS NOT NULL AND (p.class = 'role' OR p.now IS NOT NULL)"

/* From 16 on a grant says all of its options, and who made it; before, there was one option. */
#define MEMBERS                                                                                    \
    " SELECT 4, p.class, p.name, format('REVOKE %s%I FROM %I%s', CASE WHEN p.was IS NOT NULL"      \
    " THEN 'ADMIN OPTION FOR ' END, p.now->>'role', p.now->>'member',"                             \
    " ' GRANTED BY ' || quote_ident(p.now->>'grantor')), NULL, NULL, false FROM changed p"         \
    " WHERE p.class = 'membership' AND p.now IS NOT NULL AND (p.was IS NULL"                       \
    " OR (p.was->>'grantor' IS NULL AND NOT (p.was->>'admin')::bool))"                             \
    " UNION ALL SELECT 5, p.class, p.name, format('GRANT %I TO %I%s%s', p.was->>'role',"           \
    " p.was->>'member', CASE WHEN p.was ? 'grantor' THEN format(' WITH ADMIN %s, INHERIT %s,"      \
    " SET %s', p.was->>'admin', p.was->>'inherit', p.was->>'set')"                                 \
    " WHEN (p.was->>'admin')::bool THEN ' WITH ADMIN OPTION' END,"                                 \
    " ' GRANTED BY ' || quote_ident(p.was->>'grantor')), NULL, NULL, false FROM changed p"         \
    " WHERE p.class = 'membership' AND p.was IS NOT NULL AND (p.now IS NULL"                       \
    " OR p.was ? 'grantor' OR (p.was->>'admin')::bool)"

/* A list of quoted names is no single value: each is said for itself, as pg_dumpall does. */
#define VALUE(name, value)                                                                         \
    "CASE WHEN lower(" name ") IN ('local_preload_libraries', 'search_path',"                      \
    " 'session_preload_libraries', 'shared_preload_libraries', 'temp_tablespaces',"                \
    " 'unix_socket_directories') THEN COALESCE((SELECT string_agg(quote_literal(COALESCE("         \
    "replace(m[1], '\"\"', '\"'), rtrim(m[2]))), ', ') FROM regexp_matches(" value ","             \
    " '\"((?:[^\"]|\"\")*)\"|([^\",[:space:]][^\",]*)', 'g') m), quote_literal(''))"               \
    " ELSE quote_literal(" value ") END"

/* What nobody prints. */
#define SECRET(name) name " ~* 'conninfo|pass|secret|token|key'"

#define SETTINGS                                                                                   \
    " SELECT 6, p.class, p.name, format(CASE WHEN p.was IS NULL THEN 'ALTER %s RESET %I'"          \
    " ELSE 'ALTER %s SET %I TO %s' END, COALESCE('ROLE ' || quote_ident(p.v->>'role') ||"          \
    " COALESCE(' IN DATABASE ' || quote_ident(p.v->>'database'), ''),"                             \
    " 'DATABASE ' || quote_ident(p.v->>'database'), 'ROLE ALL'), p.v->>'setting', " VALUE(         \
        "p.v->>'setting'",                                                                         \
        "p.v->>'value'") "),"                                                                      \
                         " CASE WHEN " SECRET(                                                     \
                             "p.v->>'setting'") " THEN format('the setting %s, as it was', "       \
                                                "p.name) END,"                                     \
                                                " NULL, false"                                     \
                                                " FROM (SELECT *, COALESCE(was, now) AS v FROM "   \
                                                "changed) p WHERE p.class = 'setting'"

/* All that anybody has is taken away, then what everybody had is given. */
#define PRIVILEGES_OF(word, condition)                                                             \
    " SELECT 8, p.class, p.name, (SELECT string_agg(q.t, '; ' ORDER BY q.o) FROM ("                \
    "SELECT DISTINCT 1, format('REVOKE ALL ON %s %I FROM %s', " word ", p.name,"                   \
    " COALESCE(quote_ident(e->>'to'), 'PUBLIC')) FROM jsonb_array_elements("                       \
    "COALESCE(NULLIF(p.now->'privileges', 'null'), '[]')) e UNION ALL SELECT 2,"                   \
    " format('GRANT %s ON %s %I TO %s%s', e->>'privilege', " word ", p.name,"                      \
    " COALESCE(quote_ident(e->>'to'), 'PUBLIC'), CASE WHEN (e->>'option')::bool"                   \
    " THEN ' WITH GRANT OPTION' END) FROM jsonb_array_elements("                                   \
    "COALESCE(NULLIF(p.was->'privileges', 'null'), '[]')) e) q (o, t)), NULL, NULL, false"         \
    " FROM changed p WHERE " condition                                                             \
    " AND p.was->'privileges' IS DISTINCT FROM p.now->'privileges'"

#define DATABASES                                                                                  \
    " SELECT 7, p.class, p.name, format('ALTER %s %I OWNER TO %I', upper(p.class), p.name,"        \
    " p.was->>'owner'), NULL, NULL, false FROM changed p WHERE p.class IN ('database',"            \
    " 'tablespace') AND p.now IS NOT NULL AND p.was->>'owner' <> p.now->>'owner'"                  \
    " UNION ALL SELECT 7, p.class, p.name, format('ALTER DATABASE %I WITH ALLOW_CONNECTIONS %s"    \
    " CONNECTION LIMIT %s IS_TEMPLATE %s', p.name, p.was->>'allow', p.was->>'limit',"              \
    " p.was->>'template'), NULL, NULL, false FROM changed p WHERE p.class = 'database'"            \
    " AND p.now IS NOT NULL AND (p.was->'allow', p.was->'limit', p.was->'template')"               \
    " IS DISTINCT FROM (p.now->'allow', p.now->'limit', p.now->'template')"                        \
    " AND p.was IS NOT NULL"                                                                       \
    " UNION ALL SELECT 9, p.class, p.name, format('ALTER DATABASE %I SET TABLESPACE %I', p.name,"  \
    " p.was->>'tablespace'), NULL, NULL, true FROM changed p WHERE p.class = 'database'"           \
    " AND p.was->>'tablespace' <> p.now->>'tablespace'"                                            \
    " UNION ALL SELECT 9, p.class, p.name, NULL, NULL, format('the %s is gone', p.class), false"   \
    " FROM changed p WHERE p.class IN ('database', 'tablespace') AND p.now IS NULL"                \
    " UNION ALL" PRIVILEGES_OF("upper(p.class)", "p.class IN ('database', 'tablespace')"           \
                                                 " AND p.was IS NOT NULL AND p.now IS NOT NULL")

#define TABLESPACES                                                                                \
    " SELECT 7, p.class, p.name, concat_ws('; ', 'ALTER TABLESPACE ' || quote_ident(p.name) ||"    \
    " ' RESET (' || (SELECT string_agg(quote_ident(split_part(o, '=', 1)), ', ') FROM"             \
    " jsonb_array_elements_text(NULLIF(p.now->'options', 'null')) o) || ')',"                      \
    " 'ALTER TABLESPACE ' || quote_ident(p.name) || ' SET (' || (SELECT string_agg("               \
    "format('%I = %L', split_part(o, '=', 1), substr(o, strpos(o, '=') + 1)), ', ') FROM"          \
    " jsonb_array_elements_text(NULLIF(p.was->'options', 'null')) o) || ')'), NULL, NULL, false"   \
    " FROM changed p WHERE p.class = 'tablespace' AND p.was IS NOT NULL AND p.now IS NOT NULL"     \
    " AND p.was->'options' IS DISTINCT FROM p.now->'options'"

#define SYSTEM                                                                                     \
    " SELECT 9, p.class, p.name, CASE WHEN p.was IS NULL THEN format('ALTER SYSTEM RESET %I',"     \
    " p.name) ELSE format('ALTER SYSTEM SET %I = %s', p.name, " VALUE(                             \
        "p.name",                                                                                  \
        "p.was->>'value'") ") END,"                                                                \
                           " CASE WHEN " SECRET(                                                   \
                               "p.name") " THEN format('the setting %s of the server, as it was'," \
                                         " p.name) END,"                                           \
                                         " NULL, true FROM changed p WHERE p.class = 'system'"

static const char *const renames[] = {RENAMES, NULL};
static const char *const statements[] = {
    ROLES,    PASSWORDS, COMMENTS,    MEMBERS,
    SETTINGS, DATABASES, TABLESPACES, PRIVILEGES_OF("'PARAMETER'", "p.class = 'parameter'"),
    SYSTEM,   NULL,
};

/* --- then and now ------------------------------------------------------------------------- */

#define TABLE_OF(name)                                                                             \
    "CREATE TEMPORARY TABLE " name " (class text, oid oid, name text, value jsonb)"

/* What was saved of the point's database is about one of another name: not the same one renamed. */
static enum bs_done
move(struct bs_restore *r, struct bs_err *err)
{
    static const char *const moves[] = {
        "UPDATE pg_temp.backstop_saved SET oid = 0, name = $2"
        " WHERE class = 'database' AND name = $1",
        "UPDATE pg_temp.backstop_saved SET value = jsonb_set(value, '{database}', "
        "to_jsonb($2::text)),"
        " name = concat_ws(' ', value->>'setting', 'of', value->>'role', 'in ' || $2::text)"
        " WHERE class = 'setting' AND value->>'database' = $1",
    };
    const char *params[] = {NULL, r->request.as};

    if (r->request.as == NULL || r->manifest.n_databases == 0)
        return BS_DONE;
    params[0] = r->manifest.databases->name;
    for (size_t i = 0; i < sizeof(moves) / sizeof(moves[0]); i++) {
        PGresult *res = bs_rdb_ask(&r->db, moves[i], 2, params, err);
        if (res == NULL)
            return BS_FAILED;
        PQclear(res);
    }
    return BS_DONE;
}

static enum bs_done
load(struct bs_restore *r, struct bs_buf *sql, struct bs_err *err)
{
    if (bs_rdb_do(&r->db,
                  "DROP TABLE IF EXISTS pg_temp.backstop_saved, pg_temp.backstop_live; " TABLE_OF(
                      "backstop_saved") "; " TABLE_OF("backstop_live"),
                  err) != BS_DONE)
        return BS_FAILED;
    bs_put_str(sql, "COPY pg_temp.backstop_saved FROM STDIN (FORMAT binary)");
    if (bs_rdb_load(&r->db, sql, r->request.store, &r->manifest.globals->rows,
                    r->manifest.source.data_encoding, NULL, NULL, err) != BS_DONE)
        return BS_FAILED;
    return move(r, err);
}

static enum bs_done
look(struct bs_restore *r, struct bs_buf *sql, struct bs_err *err)
{
    unsigned classes = bs_globals_parse(r->manifest.globals->classes);

    if (classes == 0)
        return BS_FAIL(err, UNSUPPORTED, "the point keeps what this version does not know: %.100s",
                       r->manifest.globals->classes);
    bs_buf_clear(sql);
    bs_put_str(sql, "TRUNCATE pg_temp.backstop_live; INSERT INTO pg_temp.backstop_live ");
    bs_globals_put_select(sql, classes, PQserverVersion(r->db.conn));
    if (bs_rdb_run(&r->db, sql, err) == BS_DONE)
        return BS_DONE;
    if (strcmp(err->sqlstate, "42501") == 0 && bs_globals_hint(classes) != NULL)
        bs_err_hint(err, "restore as a superuser (--dsn), or as a role with what the helper has");
    return BS_FAILED;
}

/* --- what to say -------------------------------------------------------------------------- */

/* Names as text[]; NULL where the point is about everything. */
static const char *
about(struct bs_restore *r, struct bs_err *err)
{
    const struct bs_point_globals *g = r->manifest.globals;
    struct bs_buf text;
    const char *out;

    bs_buf_init(&text, SQL_MAX);
    bs_put_u8(&text, '{');
    for (size_t i = 0; i < g->n_about; i++) {
        bs_put_str(&text, i == 0 ? "\"" : ",\"");
        for (const char *p = r->request.as != NULL ? r->request.as : g->about[i].name; *p != '\0';
             p++) {
            if (*p == '"' || *p == '\\')
                bs_put_u8(&text, '\\');
            bs_put_u8(&text, (uint8_t)*p);
        }
        bs_put_u8(&text, '"');
    }
    bs_put_u8(&text, '}');
    out = text.failed ? NULL : bs_arena_copy(&r->arena, bs_buf_view(&text));
    bs_buf_fini(&text);
    if (out == NULL)
        (void)BS_FAIL(err, LIMIT, "the point names too much");
    return out;
}

static PGresult *
query(struct bs_restore *r,
      const char *const *selects,
      int n,
      const char *const *params,
      struct bs_buf *sql,
      struct bs_err *err)
{
    bs_buf_clear(sql);
    bs_put_str(sql, PAIRS);
    for (size_t i = 0; selects[i] != NULL; i++) {
        bs_put_str(sql, i == 0 ? "" : " UNION ALL");
        bs_put_str(sql, selects[i]);
    }
    bs_put_str(sql, " ORDER BY 1, 2, 3");
    return bs_rdb_query(&r->db, sql, n, params, err);
}

static enum bs_done
ask(struct bs_restore *r,
    const char *const *selects,
    enum bs_copyback_made made,
    struct bs_buf *sql,
    struct bs_global_change **out,
    size_t *n,
    struct bs_err *err)
{
    bool all = r->manifest.globals->n_about == 0;
    const char *params[] = {NULL, made == BS_COPYBACK_REMOVE ? "t" : "f"};
    PGresult *res;

    if (!all && (params[0] = about(r, err)) == NULL)
        return BS_FAILED;
    res = query(r, selects, selects == renames ? 1 : 2, params, sql, err);
    if (res == NULL)
        return BS_FAILED;
    *n = (size_t)PQntuples(res);
    *out = bs_arena_array(&r->arena, *n + 1, sizeof(**out));
    for (size_t i = 0; *out != NULL && i < *n; i++) {
        int row = (int)i;
        struct bs_global_change *c = &(*out)[i];
        c->what = bs_rdb_text(res, row, 1, &r->arena);
        c->name = bs_rdb_text(res, row, 2, &r->arena);
        c->sql = bs_rdb_text(res, row, 3, &r->arena);
        c->shown = bs_rdb_text(res, row, 4, &r->arena);
        c->why = bs_rdb_text(res, row, 5, &r->arena);
        c->outside = PQgetvalue(res, row, 6)[0] == 't';
        if (c->shown == NULL)
            c->shown = c->sql;
    }
    PQclear(res);
    return *out != NULL ? BS_DONE : BS_FAIL(err, LIMIT, "too much differs to list");
}

/* The renamed first, in the open transaction: nothing else can be compared before. */
static enum bs_done
find(struct bs_restore *r,
     enum bs_copyback_made made,
     struct bs_buf *sql,
     struct bs_global_change **out,
     size_t *n,
     struct bs_err *err)
{
    struct bs_global_change *renamed, *rest, *all;
    size_t n_renamed, n_rest;

    if (load(r, sql, err) != BS_DONE || look(r, sql, err) != BS_DONE ||
        ask(r, renames, made, sql, &renamed, &n_renamed, err) != BS_DONE ||
        bs_globals_run(r, renamed, n_renamed, false, err) != BS_DONE ||
        (n_renamed != 0 && look(r, sql, err) != BS_DONE) ||
        ask(r, statements, made, sql, &rest, &n_rest, err) != BS_DONE)
        return BS_FAILED;
    all = bs_arena_array(&r->arena, n_renamed + n_rest + 1, sizeof(*all));
    if (all == NULL)
        return BS_FAIL(err, LIMIT, "too much differs to list");
    for (size_t i = 0; i < n_renamed; i++) {
        all[i] = renamed[i];
        all[i].done = true;
    }
    memcpy(all + n_renamed, rest, n_rest * sizeof(*rest));
    *out = all;
    *n = n_renamed + n_rest;
    return BS_DONE;
}

enum bs_done
bs_globals_find(struct bs_restore *r,
                enum bs_copyback_made made,
                struct bs_global_change **out,
                size_t *n,
                struct bs_err *err)
{
    struct bs_buf sql;
    enum bs_done done;

    *out = NULL;
    *n = 0;
    if (r->manifest.n_globals == 0)
        return BS_DONE;
    bs_buf_init(&sql, SQL_MAX);
    done = find(r, made, &sql, out, n, err);
    bs_buf_fini(&sql);
    return done;
}

enum bs_done
bs_globals_run(struct bs_restore *r,
               const struct bs_global_change *list,
               size_t n,
               bool outside,
               struct bs_err *err)
{
    for (size_t i = 0; i < n; i++) {
        const struct bs_global_change *c = &list[i];
        if (c->sql != NULL && !c->done && c->outside == outside &&
            bs_rdb_do(&r->db, c->sql, err) != BS_DONE)
            return BS_FAILED;
    }
    return BS_DONE;
}
