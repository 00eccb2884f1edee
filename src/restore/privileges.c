/*
 * privileges.c - pg_dump writes privileges as what differs from those that an object has when it
 * is made. So first everybody's are taken away, then those are granted, then the saved text runs.
 */
#include <string.h>

#include "restore/remedy.h"
#include "restore/sqltext.h"

#define GRANTEE                                                                                    \
    "CASE x.grantee WHEN 0 THEN 'PUBLIC' ELSE pg_catalog.quote_ident(pg_catalog.pg_get_userbyid("  \
    "x.grantee)) END"

/* One way to ask each catalog: $1 is the OID of the object. */
#define ASK(what, acl, kind, owner, catalog, columns)                                              \
    "WITH o AS (SELECT " what " AS what, o." acl " AS acl, COALESCE((SELECT i.initprivs FROM"      \
    " pg_catalog.pg_init_privs i WHERE i.objoid = o.oid AND i.objsubid = 0 AND i.classoid ="       \
    " 'pg_catalog." catalog "'::pg_catalog.regclass), pg_catalog.acldefault(" kind ", o." owner    \
    ")) AS base FROM pg_catalog." catalog " o WHERE o.oid = $1::pg_catalog.oid)"                   \
    " SELECT 1, 'REVOKE ALL ON ' || o.what || ' FROM ' || x.grantee || ' CASCADE' FROM o,"         \
    " (SELECT DISTINCT " GRANTEE " AS grantee FROM o, pg_catalog.aclexplode(COALESCE(o.acl,"       \
    " o.base)) x" columns ") x"                                                                    \
    " UNION ALL SELECT 2, 'GRANT ' || pg_catalog.string_agg(x.privilege_type, ', ') || ' ON ' ||"  \
    " o.what || ' TO ' || " GRANTEE " || CASE WHEN x.is_grantable THEN ' WITH GRANT OPTION' ELSE"  \
    " '' END FROM o, pg_catalog.aclexplode(o.base) x GROUP BY o.what, x.grantee, x.is_grantable"   \
    " ORDER BY 1, 2"

static const struct {
    uint32_t class_oid;
    const char *sql;
} asks[] = {
    {1259, ASK("CASE o.relkind WHEN 'S' THEN 'SEQUENCE ' ELSE 'TABLE ' END ||"
               " o.oid::pg_catalog.regclass",
               "relacl",
               "CASE o.relkind WHEN 'S' THEN 's' ELSE 'r' END::\"char\"",
               "relowner",
               "pg_class",
               " UNION SELECT " GRANTEE " FROM pg_catalog.pg_attribute a,"
               " pg_catalog.aclexplode(a.attacl) x WHERE a.attrelid = $1::pg_catalog.oid")},
    {1255, ASK("'ROUTINE ' || o.oid::pg_catalog.regprocedure",
               "proacl",
               "'f'",
               "proowner",
               "pg_proc",
               "")},
    {2615, ASK("'SCHEMA ' || pg_catalog.quote_ident(o.nspname)",
               "nspacl",
               "'n'",
               "nspowner",
               "pg_namespace",
               "")},
    {1247, ASK("'TYPE ' || o.oid::pg_catalog.regtype", "typacl", "'T'", "typowner", "pg_type", "")},
    {2612, ASK("'LANGUAGE ' || pg_catalog.quote_ident(o.lanname)",
               "lanacl",
               "'l'",
               "lanowner",
               "pg_language",
               "")},
    {2328, ASK("'FOREIGN DATA WRAPPER ' || pg_catalog.quote_ident(o.fdwname)",
               "fdwacl",
               "'F'",
               "fdwowner",
               "pg_foreign_data_wrapper",
               "")},
    {1417, ASK("'FOREIGN SERVER ' || pg_catalog.quote_ident(o.srvname)",
               "srvacl",
               "'S'",
               "srvowner",
               "pg_foreign_server",
               "")},
};

/* Rules for objects of one kind that one role makes later, in one schema or in all. */
static const char ask_default[] =
    "WITH o AS (SELECT 'ALTER DEFAULT PRIVILEGES FOR ROLE ' || pg_catalog.quote_ident("
    "pg_catalog.pg_get_userbyid(d.defaclrole)) || COALESCE(' IN SCHEMA ' ||"
    " pg_catalog.quote_ident(n.nspname), '') || ' ' AS rule, CASE d.defaclobjtype WHEN 'r' THEN"
    " 'TABLES' WHEN 'S' THEN 'SEQUENCES' WHEN 'f' THEN 'ROUTINES' WHEN 'T' THEN 'TYPES' WHEN 'n'"
    " THEN 'SCHEMAS' WHEN 'L' THEN 'LARGE OBJECTS' END AS what, d.defaclacl AS acl, CASE WHEN"
    " d.defaclnamespace = 0 AND d.defaclobjtype IN ('r', 'S', 'f', 'T', 'n') THEN"
    " pg_catalog.acldefault(CASE d.defaclobjtype WHEN 'S' THEN 's' ELSE d.defaclobjtype"
    " END::\"char\", d.defaclrole) END AS base FROM pg_catalog.pg_default_acl d LEFT JOIN"
    " pg_catalog.pg_namespace n ON n.oid = d.defaclnamespace WHERE d.oid = $1::pg_catalog.oid)"
    " SELECT 1, o.rule || 'REVOKE ALL ON ' || o.what || ' FROM ' || x.grantee FROM o, (SELECT"
    " DISTINCT " GRANTEE " AS grantee FROM o, pg_catalog.aclexplode(o.acl) x) x"
    " UNION ALL SELECT 2, o.rule || 'GRANT ' || pg_catalog.string_agg(x.privilege_type, ', ') ||"
    " ' ON ' || o.what || ' TO ' || " GRANTEE " || CASE WHEN x.is_grantable THEN"
    " ' WITH GRANT OPTION' ELSE '' END FROM o, pg_catalog.aclexplode(o.base) x"
    " GROUP BY o.rule, o.what, x.grantee, x.is_grantable ORDER BY 1, 2";

static enum bs_done
put_reset(
    struct bs_restore *r, const char *sql, uint32_t oid, struct bs_buf *out, struct bs_err *err)
{
    char text[16];
    const char *values[] = {text};
    PGresult *result;

    (void)snprintf(text, sizeof(text), "%u", oid);
    result = bs_rdb_ask(&r->db, sql, 1, values, err);
    if (result == NULL)
        return BS_FAILED;
    for (int i = 0; i < PQntuples(result); i++) {
        bs_put_str(out, PQgetvalue(result, i, 1));
        bs_put_str(out, ";\n");
    }
    PQclear(result);
    return BS_DONE;
}

/* What an ACL entry is about: the first of its needs that has privileges. */
static const struct bs_toc_entry *
object_of(const struct bs_toc *toc, const struct bs_toc_entry *acl, const char **sql)
{
    for (size_t k = 0; k < acl->n_needs; k++) {
        size_t at = bs_toc_find(toc, acl->needs[k]);
        for (size_t i = 0; at != toc->n && i < sizeof(asks) / sizeof(asks[0]); i++) {
            if (asks[i].class_oid != toc->list[at].class_oid)
                continue;
            *sql = asks[i].sql;
            return &toc->list[at];
        }
    }
    return NULL;
}

/* The schema whose privileges the entry is about, where no entry of its own makes it; 0: not so. */
static enum bs_done
find_schema(struct bs_restore *r, const struct bs_toc_entry *acl, uint32_t *oid, struct bs_err *err)
{
    struct bs_bytes name = bs_toc_words(acl).name;
    size_t n = sizeof("SCHEMA ") - 1;
    const char *values[1];
    PGresult *result;

    *oid = 0;
    if (!bs_bytes_begin(name, "SCHEMA "))
        return BS_DONE;
    values[0] = bs_arena_copy(&r->arena, (struct bs_bytes){name.p + n, name.n - n});
    result = bs_rdb_ask(&r->db, "SELECT oid FROM pg_catalog.pg_namespace WHERE nspname = $1", 1,
                        values, err);
    if (result == NULL)
        return BS_FAILED;
    if (PQntuples(result) != 0)
        *oid = (uint32_t)bs_rdb_number(result, 0, 0);
    PQclear(result);
    return BS_DONE;
}

static enum bs_done
put_schema(struct bs_restore *r,
           const struct bs_definition *d,
           const struct bs_altered *change,
           struct bs_buf *out,
           struct bs_err *err)
{
    const struct bs_toc_entry *e =
        change->live != BS_SCOPE_NONE ? &d->live.list[change->live] : &d->saved.list[change->saved];
    uint32_t oid;

    if (find_schema(r, e, &oid, err) != BS_DONE)
        return BS_FAILED;
    for (size_t i = 0; oid != 0 && i < sizeof(asks) / sizeof(asks[0]); i++) {
        if (asks[i].class_oid == 2615 && put_reset(r, asks[i].sql, oid, out, err) != BS_DONE)
            return BS_FAILED;
    }
    if (oid == 0 || change->saved == BS_SCOPE_NONE)
        return BS_DONE;
    return bs_remedy_put_entries(d, BS_DEFINITION_SAVED, &change->saved, 1, out, err);
}

/* All ACL entries of the saved object: of itself and of its columns. */
static enum bs_done
put_saved(const struct bs_definition *d,
          size_t object,
          struct bs_arena *arena,
          struct bs_buf *out,
          struct bs_err *err)
{
    size_t *list = bs_arena_array(arena, d->saved.n + 1, sizeof(*list)), n = 0;

    if (list == NULL)
        return BS_FAIL(err, LIMIT, "the definition has too many entries");
    for (size_t i = 0; i < d->saved.n; i++) {
        const struct bs_toc_entry *e = &d->saved.list[i];
        bool about = false;
        for (size_t k = 0; k < e->n_needs && bs_toc_is(e, "ACL"); k++)
            about = about || e->needs[k] == d->saved.list[object].dump_id;
        if (about)
            list[n++] = i;
    }
    return bs_remedy_put_entries(d, BS_DEFINITION_SAVED, list, n, out, err);
}

/* The live object by either side's entry: its place in the saved list, too. */
static const struct bs_toc_entry *
find_object(const struct bs_definition *d,
            const struct bs_altered *change,
            const char **sql,
            size_t *saved)
{
    const struct bs_toc_entry *e;
    size_t live;

    *saved = BS_SCOPE_NONE;
    if (change->live != BS_SCOPE_NONE) {
        e = object_of(&d->live, &d->live.list[change->live], sql);
        if (e != NULL)
            *saved = d->scope.saved_of[e - d->live.list];
        return e;
    }
    e = object_of(&d->saved, &d->saved.list[change->saved], sql);
    if (e == NULL)
        return NULL;
    *saved = (size_t)(e - d->saved.list);
    live = d->scope.live_of[*saved];
    return live == BS_SCOPE_NONE ? NULL : &d->live.list[live];
}

enum bs_done
bs_remedy_put_privileges(struct bs_restore *r,
                         const struct bs_definition *d,
                         const struct bs_altered *change,
                         struct bs_buf *out,
                         struct bs_err *err)
{
    const struct bs_toc_entry *object;
    const char *sql = NULL;
    size_t saved;

    if (strcmp(change->type, "DEFAULT ACL") == 0) {
        if (change->live != BS_SCOPE_NONE &&
            put_reset(r, ask_default, d->live.list[change->live].oid, out, err) != BS_DONE)
            return BS_FAILED;
        return change->saved == BS_SCOPE_NONE
                   ? BS_DONE
                   : bs_remedy_put_entries(d, BS_DEFINITION_SAVED, &change->saved, 1, out, err);
    }
    object = find_object(d, change, &sql, &saved);
    if (object == NULL)
        return put_schema(r, d, change, out, err);
    if (put_reset(r, sql, object->oid, out, err) != BS_DONE)
        return BS_FAILED;
    return saved == BS_SCOPE_NONE ? BS_DONE : put_saved(d, saved, &r->arena, out, err);
}
