/*
 * explain.c - see explain.h.
 */
#include "api/explain.h"

#include "api/assumed.h"
#include "api/judged.h"

/* Which database: the one named, or the only one there is. */
static const struct bs_config_database *
find_database(const struct bs_config *c, const char *name, struct bs_err *err)
{
    const struct bs_config_database *db;

    if (name == NULL && c->n_databases == 1)
        return &c->databases[0];
    db = name == NULL ? NULL : bs_config_database_find(c, name);
    if (db == NULL && name == NULL)
        (void)BS_FAIL(err, USAGE, "there are several databases; name one");
    else if (db == NULL)
        (void)BS_FAIL(err, NOT_FOUND, "the configuration has no database \"%.63s\"", name);
    return db;
}

/* What one explanation works with. */
struct work {
    const struct bs_config *config;
    const struct bs_explain *ask;
    const struct bs_config_database *db;
    struct bs_arena *arena;
    struct bs_explained *x;
};

/* With the catalog, as the gateway does: the policy's limits settle what was counted. */
static enum bs_done
judge(const struct work *w, struct bs_err *err)
{
    struct bs_explained *x = w->x;
    const struct bs_impact limits = {x->policy->impact.rows, x->policy->impact.share};
    const struct bs_session_names fresh = {0};
    const struct bs_bounds none = {0};

    if (bs_snapshot_load(w->db->helper, &x->snapshot, err) != BS_DONE) {
        bs_err_prefix(err, "catalog of \"%.63s\"", w->db->name);
        bs_err_hint(err, "offline explains without the catalog");
        return BS_FAILED;
    }
    if (bs_catalog_judge(x->snapshot, fresh, &x->unit, w->arena, &x->facts, err) != BS_DONE)
        return BS_FAILED;
    if (w->ask->rows >= 0)
        return bs_assume_rows(x->policy, w->ask->rows, w->ask->share, &x->unit, &x->facts, w->arena,
                              err);
    return bs_judged_measure(w->db->helper, x->snapshot, fresh, w->ask->sql, none,
                             x->policy->measure.time_ms, limits, &x->unit, &x->facts, w->arena,
                             err);
}

static enum bs_done
decide(const struct work *w, struct bs_err *err)
{
    struct bs_explained *x = w->x;
    const struct bs_facts *facts = x->offline ? NULL : &x->facts;

    x->shielded = bs_policy_shielded(x->policy, &x->subject);
    if (bs_policy_protect(x->policy, &x->unit, facts, w->arena, err) != BS_DONE)
        return BS_FAILED;
    if (bs_decide_explain(x->policy, &x->subject, &x->unit, facts, w->arena, &x->decision, err) !=
        BS_DONE)
        return BS_FAILED;
    x->require = w->config->require;
    bs_require_add(&x->require, &x->decision.require);
    return BS_DONE;
}

/* Without the catalog nobody knows what would be lost: the plan stays a refusal. */
static enum bs_done
plan(const struct work *w, struct bs_err *err)
{
    struct bs_explained *x = w->x;
    const struct bs_session_names fresh = {0};
    const struct bs_plan_limits limits = {
        .max_bytes = w->config->max_bytes,
        .rows = true,
        .databases = w->config->drop_database == BS_CONFIG_DROP_DUMP,
    };

    if (x->offline)
        return BS_DONE;
    if (bs_plan_make(&x->unit, &x->facts, limits, w->arena, &x->plan, err) != BS_DONE)
        return BS_FAILED;
    return bs_plan_select(x->snapshot, fresh, &x->unit, w->ask->sql, w->arena, &x->plan, err);
}

enum bs_done
bs_explain(const struct bs_config *config,
           const struct bs_policy *policy,
           const struct bs_explain *ask,
           struct bs_arena *arena,
           struct bs_explained *out,
           struct bs_err *err)
{
    const struct work w = {config, ask, find_database(config, ask->database, err), arena, out};

    out->policy = policy;
    out->offline = ask->offline;
    if (w.db == NULL ||
        bs_classify(ask->sql, BS_CLASSIFY_LIMITS, arena, &out->unit, err) != BS_DONE)
        return BS_FAILED;
    out->subject = (struct bs_subject){
        .actor = ask->agent,
        .group = ask->group,
        .database = w.db->name,
        .environment = w.db->environment,
    };
    if (!ask->offline && judge(&w, err) != BS_DONE)
        return BS_FAILED;
    return decide(&w, err) == BS_DONE ? plan(&w, err) : BS_FAILED;
}

void
bs_explained_fini(struct bs_explained *x)
{
    bs_snapshot_unref(&x->snapshot);
}

static json_t *
plan_json(const struct bs_explained *a)
{
    json_t *out = bs_judged_plan_json(a->offline ? NULL : &a->plan);

    if (json_is_object(out))
        (void)json_object_set_new(out, "waived", json_boolean(a->decision.recovery_waived));
    if (json_is_object(out))
        (void)json_object_set_new(out, "optional", json_boolean(a->decision.recovery_optional));
    return out;
}

static json_t *
optional(const char *text)
{
    return text == NULL ? json_null() : json_string(text);
}

/* Of its point, by the configuration and by the rules. */
static json_t *
require_json(const struct bs_require *r)
{
    json_t *out = json_pack("{s:s}", "grade", bs_grade_name(r->grade));

    if (r->snapshot_age_ms != 0)
        (void)json_object_set_new(out, "snapshot_age_seconds",
                                  json_integer(r->snapshot_age_ms / 1000));
    if (r->off_host)
        (void)json_object_set_new(out, "off_host", json_true());
    return out;
}

json_t *
bs_explained_json(const struct bs_explained *a)
{
    json_t *out = bs_judged_json(&a->unit, a->offline ? NULL : &a->facts);
    json_t *lines = json_array();

    for (size_t i = 0; i < a->decision.n_lines; i++)
        (void)json_array_append_new(lines, json_string(a->decision.lines[i]));
    (void)json_object_set_new(out, "decision", json_string(bs_action_name(a->decision.would)));
    (void)json_object_set_new(out, "mode", json_string(bs_policy_mode_name(a->policy->mode)));
    (void)json_object_set_new(out, "group", optional(a->subject.group));
    (void)json_object_set_new(
        out, "profile", json_string(bs_profile_name(bs_policy_profile(a->policy, &a->subject))));
    (void)json_object_set_new(out, "needs_rows", json_boolean(a->decision.needs_rows));
    (void)json_object_set_new(out, "result_rows",
                              a->decision.result_rows == 0 ? json_null()
                                                           : json_integer(a->decision.result_rows));
    (void)json_object_set_new(out, "rule", optional(a->decision.rule));
    (void)json_object_set_new(out, "why", json_string(a->decision.why));
    (void)json_object_set_new(out, "reasoning", lines);
    (void)json_object_set_new(out, "recovery", plan_json(a));
    (void)json_object_set_new(out, "require", require_json(&a->require));
    (void)json_object_set_new(out, "shielded", json_boolean(a->shielded));
    (void)json_object_set_new(out, "policy_digest", json_string(a->decision.digest));
    return out;
}
