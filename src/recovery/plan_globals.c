/*
 * plan_globals.c - a table of kinds. Where a statement may be about a database or about a table of
 * one (GRANT, OWNER TO, COMMENT), both are kept: a few rows more cost nothing.
 */
#include "recovery/plan_globals.h"

#include <string.h>

#include "recovery/globals.h"

/* Objects that several databases share and that have owners and privileges. */
#define SHARED (BS_GLOBAL_DATABASES | BS_GLOBAL_TABLESPACES | BS_GLOBAL_PARAMETERS)

/* How much of what a kind changes that is. */
enum extent {
    BESIDE = 0, /* objects of databases, too */
    BY_OBJECT,  /* all of it, where its object is none of a database */
    ALL,
};

static const struct {
    unsigned classes;
    enum extent extent;
} kinds[BS_KIND_COUNT] = {
    [BS_KIND_CREATE_ROLE] = {BS_GLOBAL_ROLES | BS_GLOBAL_MEMBERS, ALL},
    [BS_KIND_ALTER_ROLE] = {BS_GLOBAL_ROLES | BS_GLOBAL_MEMBERS, ALL},
    [BS_KIND_ALTER_ROLE_SET] = {BS_GLOBAL_SETTINGS, ALL},
    [BS_KIND_DROP_ROLE] = {BS_GLOBAL_ROLES | BS_GLOBAL_PASSWORDS | BS_GLOBAL_MEMBERS |
                               BS_GLOBAL_SETTINGS,
                           ALL},
    /* takes an MD5 password away, since the name is its salt */
    [BS_KIND_RENAME_ROLE] = {BS_GLOBAL_ROLES | BS_GLOBAL_PASSWORDS, ALL},
    [BS_KIND_GRANT_ROLE] = {BS_GLOBAL_MEMBERS, ALL},
    [BS_KIND_REVOKE_ROLE] = {BS_GLOBAL_MEMBERS, ALL},
    [BS_KIND_ALTER_DATABASE] = {BS_GLOBAL_DATABASES | BS_GLOBAL_SETTINGS, ALL},
    [BS_KIND_DROP_DATABASE] = {BS_GLOBAL_DATABASES | BS_GLOBAL_SETTINGS, ALL},
    [BS_KIND_RENAME_DATABASE] = {BS_GLOBAL_DATABASES, ALL},
    [BS_KIND_ALTER_TABLESPACE] = {BS_GLOBAL_TABLESPACES, ALL},
    [BS_KIND_ALTER_SYSTEM] = {BS_GLOBAL_SYSTEM, ALL},
    [BS_KIND_GRANT] = {SHARED, BY_OBJECT},
    [BS_KIND_REVOKE] = {SHARED, BY_OBJECT},
    [BS_KIND_OWNER_TO] = {SHARED, BY_OBJECT},
    [BS_KIND_RENAME_CODE] = {BS_GLOBAL_TABLESPACES, BY_OBJECT},
    [BS_KIND_COMMENT] = {SHARED | BS_GLOBAL_ROLES, BY_OBJECT},
    [BS_KIND_REASSIGN_OWNED] = {SHARED, BESIDE},
    /* from 16 on also the memberships that it has granted */
    [BS_KIND_DROP_OWNED] = {SHARED | BS_GLOBAL_MEMBERS, BESIDE},
};

bool
bs_plan_is_global(enum bs_kind kind)
{
    return kinds[kind].extent == ALL;
}

bool
bs_plan_effect_is_global(const struct bs_effect *e)
{
    bool shared = e->object == BS_OBJECT_DATABASE || e->object == BS_OBJECT_ROLE ||
                  e->object == BS_OBJECT_SHARED;

    return kinds[e->kind].extent == ALL || (kinds[e->kind].extent == BY_OBJECT && shared);
}

unsigned
bs_plan_globals(const struct bs_stmt *stmt)
{
    bool by_object = kinds[stmt->kind].extent == BY_OBJECT;
    unsigned classes = by_object ? 0 : kinds[stmt->kind].classes;

    for (size_t i = 0; i < stmt->n_effects; i++) {
        const struct bs_effect *e = &stmt->effects[i];
        classes |= bs_plan_effect_is_global(e) ? kinds[e->kind].classes : 0;
        classes |= e->password ? BS_GLOBAL_PASSWORDS : 0;
    }
    return classes;
}

static bool
has_name(const struct bs_plan *plan, const char *name)
{
    for (size_t i = 0; i < plan->n_about; i++) {
        if (strcmp(plan->about[i], name) == 0)
            return true;
    }
    return false;
}

/* A statement that names nothing may be about everything; CURRENT_USER is no name either. */
static bool
names_all(const struct bs_stmt *stmt)
{
    bool all = stmt->n_effects != 0;

    for (size_t i = 0; i < stmt->n_effects; i++)
        all = all && stmt->effects[i].name.name[0] != '\0';
    return all;
}

enum bs_done
bs_plan_add_globals(const struct bs_stmt *stmt,
                    struct bs_arena *arena,
                    struct bs_plan *plan,
                    struct bs_err *err)
{
    unsigned classes = bs_plan_globals(stmt);
    bool any = plan->globals != 0 && plan->n_about == 0;
    const char **about;

    if (classes == 0)
        return BS_DONE;
    plan->globals |= classes;
    if (any || !names_all(stmt)) {
        plan->n_about = 0;
        return BS_DONE;
    }
    about = bs_arena_array(arena, plan->n_about + stmt->n_effects, sizeof(*about));
    if (about == NULL)
        return BS_FAIL(err, LIMIT, "the %s arena is full", arena->name);
    if (plan->n_about != 0)
        memcpy(about, plan->about, plan->n_about * sizeof(*about));
    plan->about = about;
    for (size_t i = 0; i < stmt->n_effects; i++) {
        if (!has_name(plan, stmt->effects[i].name.name))
            about[plan->n_about++] = stmt->effects[i].name.name;
    }
    return BS_DONE;
}

bool
bs_globals_explain(unsigned classes, uint32_t catalog)
{
    static const struct {
        uint32_t catalog;
        unsigned classes;
    } rows[] = {
        {1260, BS_GLOBAL_ROLES},       /* pg_authid */
        {1261, BS_GLOBAL_MEMBERS},     /* pg_auth_members */
        {2964, BS_GLOBAL_SETTINGS},    /* pg_db_role_setting */
        {1262, BS_GLOBAL_DATABASES},   /* pg_database */
        {1213, BS_GLOBAL_TABLESPACES}, /* pg_tablespace */
        {6243, BS_GLOBAL_PARAMETERS},  /* pg_parameter_acl */
        /* pg_shdescription: comments on all of these */
        {2396, BS_GLOBAL_ROLES | BS_GLOBAL_DATABASES | BS_GLOBAL_TABLESPACES},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (rows[i].catalog == catalog)
            return (classes & rows[i].classes) != 0;
    }
    return false;
}
