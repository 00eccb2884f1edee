/*
 * profile.c - what an actor may do whatever the rules say, and what nobody touches unasked.
 *
 * Both are floors under the rules: a profile blocks, a protected object is CRITICAL.
 */
#include "policy/profile.h"

#include <string.h>

static bool
is_named(const struct bs_globs *globs, const char *name)
{
    return globs->n != 0 && name != NULL && bs_globs_match(globs, name);
}

enum bs_profile
bs_policy_profile(const struct bs_policy *policy, const struct bs_subject *subject)
{
    for (int i = 0; i < BS_PROFILE_COUNT; i++) {
        const struct bs_profile_of *of = &policy->profiles[i];
        if (is_named(&of->actors, subject->actor) || is_named(&of->groups, subject->group))
            return (enum bs_profile)i;
    }
    return policy->profile;
}

/* clang-format off */
/* What changes or reads rows. Not TRUNCATE: it is the owner's, as definitions are. */
static const bool row_kinds[BS_KIND_COUNT] = {
    [BS_KIND_SELECT] = true,          [BS_KIND_SELECT_FOR_UPDATE] = true,
    [BS_KIND_EXPLAIN] = true,         [BS_KIND_EXPLAIN_ANALYZE] = true,
    [BS_KIND_COPY_TO_STDOUT] = true,  [BS_KIND_COPY_FROM_STDIN] = true,
    [BS_KIND_INSERT] = true,          [BS_KIND_UPDATE] = true,
    [BS_KIND_DELETE] = true,          [BS_KIND_MERGE] = true,
    [BS_KIND_PREPARE] = true,         [BS_KIND_DECLARE_CURSOR] = true,
    [BS_KIND_CALL] = true,
};

/* Harmless for a session of its own: only where nothing raised them to CRITICAL. */
static const bool session_kinds[BS_KIND_COUNT] = {
    [BS_KIND_SHOW] = true,            [BS_KIND_BEGIN] = true,
    [BS_KIND_COMMIT] = true,          [BS_KIND_ROLLBACK] = true,
    [BS_KIND_SAVEPOINT] = true,       [BS_KIND_RELEASE_SAVEPOINT] = true,
    [BS_KIND_ROLLBACK_TO_SAVEPOINT] = true, [BS_KIND_EXECUTE] = true,
    [BS_KIND_DEALLOCATE] = true,      [BS_KIND_FETCH] = true,
    [BS_KIND_MOVE] = true,            [BS_KIND_CLOSE] = true,
    [BS_KIND_LISTEN] = true,          [BS_KIND_UNLISTEN] = true,
    [BS_KIND_NOTIFY] = true,          [BS_KIND_LOCK_TABLE] = true,
    [BS_KIND_DISCARD] = true,         [BS_KIND_DISCARD_ALL] = true,
    [BS_KIND_SET_CONSTRAINTS] = true, [BS_KIND_SET] = true,
    [BS_KIND_RESET] = true,           [BS_KIND_SET_TRANSACTION] = true,
};
/* clang-format on */

static bool
writes_only_rows(const struct bs_match *q)
{
    for (size_t i = 0; i < q->stmt->n_effects; i++) {
        if (!row_kinds[q->stmt->effects[i].kind])
            return false;
    }
    for (size_t i = 0; q->facts != NULL && i < q->facts->n_targets; i++) {
        const struct bs_target *t = &q->facts->targets[i];
        if (t->stmt == q->index && !row_kinds[t->kind])
            return false;
    }
    return true;
}

static bool
is_dml(const struct bs_match *q)
{
    if (q->opaque || (q->stmt->flags & (BS_FLAG_PRIVILEGE | BS_FLAG_OUTSIDE | BS_FLAG_DDL)) != 0)
        return false;
    if (q->risk == BS_RISK_SAFE || q->risk == BS_RISK_HIGH) {
        if (session_kinds[q->stmt->kind])
            return writes_only_rows(q);
    }
    /* An UPDATE of the server's catalogs is a definition by another name. */
    return row_kinds[q->stmt->kind] && writes_only_rows(q) &&
           !bs_stmt_has_reason(q->stmt, "system_catalog");
}

bool
bs_profile_blocks(enum bs_profile profile, const struct bs_match *q)
{
    switch (profile) {
    case BS_PROFILE_FULL:
        return false;
    case BS_PROFILE_DML:
        return !is_dml(q);
    case BS_PROFILE_READ_ONLY:
    case BS_PROFILE_COUNT:
        break;
    }
    return q->risk != BS_RISK_SAFE;
}

/* The pattern of the first thing that is protected and may be written; NULL: none. */
static const struct bs_object_glob *
find_protected(const struct bs_policy *policy, const struct bs_match *q)
{
    for (size_t i = 0; i < policy->protects.n; i++) {
        const struct bs_object_globs one = {&policy->protects.list[i], 1};
        if (bs_globs_touched(&one, q))
            return &policy->protects.list[i];
    }
    return NULL;
}

/* Rows that are locked or looked at for statistics are as they were. */
static bool
only_looks(const struct bs_match *q)
{
    switch ((int)q->stmt->kind) {
    case BS_KIND_SELECT_FOR_UPDATE:
    case BS_KIND_LOCK_TABLE:
    case BS_KIND_VACUUM:
    case BS_KIND_ANALYZE:
        return q->stmt->point == BS_POINT_NONE;
    default:
        return q->risk == BS_RISK_SAFE;
    }
}

static enum bs_done
protect_stmt(const struct bs_policy *policy,
             struct bs_stmt *stmt,
             const struct bs_match *q,
             struct bs_arena *arena,
             struct bs_err *err)
{
    const struct bs_object_glob *g = only_looks(q) ? NULL : find_protected(policy, q);
    const char *text;

    if (g == NULL)
        return BS_DONE;
    text = bs_arena_fmt(arena, "the policy protects %s.%s%s%s, which it %s", g->schema, g->name,
                        g->column == NULL ? "" : ".", g->column == NULL ? "" : g->column,
                        q->opaque ? "may write to" : "writes to");
    if (text == NULL)
        return BS_FAIL(err, LIMIT, "the %s arena is full", arena->name);
    return bs_stmt_raise(stmt, BS_RISK_CRITICAL, BS_REASON_PROTECTED, text, arena, err);
}

enum bs_done
bs_policy_protect(const struct bs_policy *policy,
                  struct bs_unit *unit,
                  const struct bs_facts *facts,
                  struct bs_arena *arena,
                  struct bs_err *err)
{
    const struct bs_subject nobody = {0};

    if (policy->protects.n == 0 || unit->risk == BS_RISK_SAFE)
        return BS_DONE;
    for (size_t i = 0; i < unit->n_stmts; i++) {
        struct bs_match q;
        if (bs_stmt_has_reason(&unit->stmts[i], BS_REASON_PROTECTED))
            continue;
        if (!bs_match_init(&q, &nobody, &unit->stmts[i], facts, i, arena))
            return BS_FAIL(err, LIMIT, "the %s arena is full", arena->name);
        if (protect_stmt(policy, &unit->stmts[i], &q, arena, err) != BS_DONE)
            return BS_FAILED;
    }
    bs_unit_settle(unit);
    return BS_DONE;
}
