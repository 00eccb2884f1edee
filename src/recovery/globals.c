/*
 * globals.c - a table of classes. Whatever could be spelled in two ways is spelled in one: times in
 * UTC, privileges in full (an ACL that was never set is the default one), lists in order.
 */
#include "recovery/globals.h"

#include <stddef.h>
#include <string.h>

/* Privileges of an object of `kind` that `owner` has, as [{to, privilege, option}]; PUBLIC is null.
 * They are compared as sets, so their order is fixed. */
#define PRIVILEGES(acl, kind, owner)                                                               \
    "(SELECT pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object("                                  \
    "'to', CASE WHEN x.grantee = 0 THEN NULL ELSE pg_catalog.pg_get_userbyid(x.grantee) END,"      \
    " 'privilege', x.privilege_type, 'option', x.is_grantable)"                                    \
    " ORDER BY x.grantee, x.privilege_type, x.is_grantable)"                                       \
    " FROM pg_catalog.aclexplode(COALESCE(" acl ", pg_catalog.acldefault(" kind ", " owner         \
    "))) x)"

static const struct global {
    enum bs_global bit;
    int since, until; /* server_version_num, until is the first that has it no more; 0: all */
    const char *select;
} table[] = {
    {BS_GLOBAL_ROLES, 0, 0,
     "SELECT 'role', r.oid, r.rolname::pg_catalog.text, pg_catalog.jsonb_build_object("
     "'superuser', r.rolsuper, 'inherit', r.rolinherit, 'createrole', r.rolcreaterole,"
     " 'createdb', r.rolcreatedb, 'login', r.rolcanlogin, 'replication', r.rolreplication,"
     " 'bypassrls', r.rolbypassrls, 'limit', r.rolconnlimit,"
     /* there is no statement that takes a limit away but this one */
     " 'until', NULLIF(r.rolvaliduntil, 'infinity') AT TIME ZONE 'UTC',"
     " 'comment', pg_catalog.shobj_description(r.oid, 'pg_authid'))"
     " FROM pg_catalog.pg_roles r WHERE NOT pg_catalog.starts_with(r.rolname, 'pg_')"},
    {BS_GLOBAL_PASSWORDS, 0, 0,
     "SELECT 'password', r.oid, r.rolname::pg_catalog.text,"
     " pg_catalog.jsonb_build_object('password', r.rolpassword)"
     " FROM pg_catalog.pg_authid r WHERE NOT pg_catalog.starts_with(r.rolname, 'pg_')"},
    {BS_GLOBAL_MEMBERS, 0, 160000,
     "SELECT 'membership', m.roleid, pg_catalog.format('%I of %I', "
     "pg_catalog.pg_get_userbyid(m.member), pg_catalog.pg_get_userbyid(m.roleid)),"
     " pg_catalog.jsonb_build_object('role', pg_catalog.pg_get_userbyid(m.roleid),"
     " 'member', pg_catalog.pg_get_userbyid(m.member), 'admin', m.admin_option)"
     " FROM pg_catalog.pg_auth_members m"},
    {BS_GLOBAL_MEMBERS, 160000, 0,
     "SELECT 'membership', m.roleid, pg_catalog.format('%I of %I by %I', "
     "pg_catalog.pg_get_userbyid(m.member), pg_catalog.pg_get_userbyid(m.roleid),"
     " pg_catalog.pg_get_userbyid(m.grantor)),"
     " pg_catalog.jsonb_build_object('role', pg_catalog.pg_get_userbyid(m.roleid),"
     " 'member', pg_catalog.pg_get_userbyid(m.member),"
     " 'grantor', pg_catalog.pg_get_userbyid(m.grantor), 'admin', m.admin_option,"
     " 'inherit', m.inherit_option, 'set', m.set_option)"
     " FROM pg_catalog.pg_auth_members m"},
    {BS_GLOBAL_SETTINGS, 0, 0,
     "SELECT 'setting', 0::pg_catalog.oid, pg_catalog.concat_ws(' ', pg_catalog.split_part(c, '=', "
     "1),"
     " 'of', r.rolname, 'in ' || d.datname),"
     " pg_catalog.jsonb_build_object('role', r.rolname, 'database', d.datname,"
     " 'setting', pg_catalog.split_part(c, '=', 1),"
     " 'value', pg_catalog.substr(c, pg_catalog.strpos(c, '=') + 1))"
     " FROM pg_catalog.pg_db_role_setting s CROSS JOIN pg_catalog.unnest(s.setconfig) c"
     " LEFT JOIN pg_catalog.pg_database d ON d.oid = s.setdatabase"
     " LEFT JOIN pg_catalog.pg_roles r ON r.oid = s.setrole"},
    {BS_GLOBAL_DATABASES, 0, 0,
     "SELECT 'database', d.oid, d.datname::pg_catalog.text, pg_catalog.jsonb_build_object("
     "'owner', pg_catalog.pg_get_userbyid(d.datdba), 'limit', d.datconnlimit,"
     " 'allow', d.datallowconn, 'template', d.datistemplate, 'tablespace', t.spcname,"
     " 'comment', pg_catalog.shobj_description(d.oid, 'pg_database'),"
     " 'privileges', " PRIVILEGES(
         "d.datacl", "'d'", "d.datdba") ")"
                                        " FROM pg_catalog.pg_database d JOIN "
                                        "pg_catalog.pg_tablespace t ON t.oid = d.dattablespace"},
    {BS_GLOBAL_TABLESPACES, 0, 0,
     "SELECT 'tablespace', t.oid, t.spcname::pg_catalog.text, pg_catalog.jsonb_build_object("
     "'owner', pg_catalog.pg_get_userbyid(t.spcowner), 'options', t.spcoptions,"
     " 'comment', pg_catalog.shobj_description(t.oid, 'pg_tablespace'),"
     " 'privileges', " PRIVILEGES(
         "t.spcacl", "'t'", "t.spcowner") ")"
                                          " FROM pg_catalog.pg_tablespace t"},
    {BS_GLOBAL_PARAMETERS, 150000, 0,
     "SELECT 'parameter', p.oid, p.parname, "
     "pg_catalog.jsonb_build_object('privileges', " PRIVILEGES(
         "p.paracl", "'p'", "10") ") FROM pg_catalog.pg_parameter_acl p"},
    {BS_GLOBAL_SYSTEM, 0, 0,
     /* the last one counts, where a name is there twice; its case does not */
     "(SELECT DISTINCT ON (pg_catalog.lower(f.name)) 'system', 0::pg_catalog.oid,"
     " pg_catalog.lower(f.name),"
     " pg_catalog.jsonb_build_object('value', f.setting) FROM pg_catalog.pg_file_settings f"
     " WHERE pg_catalog.right(f.sourcefile, 21) = '/postgresql.auto.conf'"
     " ORDER BY pg_catalog.lower(f.name), f.seqno DESC)"},
};

void
bs_globals_put_select(struct bs_buf *sql, unsigned classes, int server_version_num)
{
    const char *join = "SELECT g.class, g.oid, g.name, g.value FROM (";

    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        const struct global *g = &table[i];
        if ((classes & g->bit) == 0 || server_version_num < g->since ||
            (g->until != 0 && server_version_num >= g->until))
            continue;
        bs_put_str(sql, join);
        bs_put_str(sql, g->select);
        join = " UNION ALL ";
    }
    bs_put_str(sql, ") AS g (class, oid, name, value)");
}

/* By bit. */
static const char *const names[] = {"role",     "password",   "membership", "setting",
                                    "database", "tablespace", "parameter",  "system"};

enum { N_NAMES = sizeof(names) / sizeof(names[0]) };

void
bs_globals_put_names(struct bs_buf *out, unsigned classes)
{
    const char *comma = "";

    for (unsigned i = 0; i < N_NAMES; i++) {
        if ((classes & (1u << i)) == 0)
            continue;
        bs_put_str(out, comma);
        bs_put_str(out, names[i]);
        comma = ",";
    }
}

unsigned
bs_globals_parse(const char *text)
{
    unsigned classes = 0;

    while (*text != '\0') {
        size_t n = strcspn(text, ",");
        unsigned i = 0;
        while (i < N_NAMES && (strlen(names[i]) != n || strncmp(names[i], text, n) != 0))
            i++;
        if (i == N_NAMES)
            return 0;
        classes |= 1u << i;
        text += n + (text[n] == ',');
    }
    return classes;
}

const char *
bs_globals_hint(unsigned classes)
{
    if ((classes & BS_GLOBAL_SYSTEM) != 0)
        return "GRANT EXECUTE ON FUNCTION pg_show_all_file_settings() and SELECT ON"
               " pg_file_settings to the helper role";
    if ((classes & BS_GLOBAL_PASSWORDS) != 0)
        return "GRANT pg_read_all_data, or SELECT ON pg_authid, to the helper role: the password"
               " would be lost";
    return NULL;
}
