/*
 * approvers_file.c - the file's words for who approves, and those that nobody could follow.
 */
#include "policy/load.h"
#include "policy/values.h"
#include "state/rows.h"

#define QUORUM_MAX 100 /* nobody finds more operators for one statement */

void
bs_read_quorum(struct bs_load *l, const struct bs_key *key, struct bs_scalar value, void *into)
{
    int64_t n = 0;

    (void)key;
    if (!bs_value_integer(value.text, &n) || n < 1 || n > QUORUM_MAX)
        bs_load_problem(l, value.line, "quorum: \"%.60s\" is not a whole number from 1 to %d",
                        value.text, QUORUM_MAX);
    else if (*(int64_t *)into != 0)
        bs_load_problem(l, value.line,
                        "quorum is given twice: once in the rule, and once in its approvals");
    else
        *(int64_t *)into = n;
}

void
bs_read_owner_may(struct bs_load *l, const struct bs_key *key, struct bs_scalar value, void *into)
{
    bool excluded = false;

    bs_read_bool(l, key, value, &excluded);
    *(enum bs_owner_may *)into = excluded ? BS_OWNER_EXCLUDED : BS_OWNER_MAY;
}

static bool
is_empty(const struct bs_approvers *a)
{
    return a->quorum == 0 && a->groups.n == 0 && !a->reason && a->owner == BS_OWNER_UNSAID;
}

void
bs_read_approvers(struct bs_load *l, const struct bs_key *key, yaml_node_t *node, void *into)
{
    (void)key;
    if (node == NULL)
        return;
    bs_load_map(l, node, "policy.rules[].approvals.", " in approvals", into);
    if (is_empty(into))
        bs_load_problem(l, bs_load_line(node),
                        "approvals asks for nothing; give it a quorum, groups, require_reason or "
                        "exclude_owner");
}

/* A pattern would look like one, and match no operator. */
void
bs_read_groups(struct bs_load *l, const struct bs_key *key, yaml_node_t *node, void *into)
{
    const struct bs_globs *groups = into;

    bs_read_globs(l, key, node, into);
    for (size_t i = 0; i < groups->n; i++) {
        struct bs_err why = {0};
        if (bs_name_check("a group's name", groups->list[i], &why) != BS_DONE)
            bs_load_problem(l, bs_load_line(node),
                            "groups: \"%.60s\": %s; groups of operators are named whole",
                            groups->list[i], why.message);
    }
}

void
bs_check_approvers(struct bs_load *l)
{
    for (size_t i = 0; i < l->policy->n_rules; i++) {
        const struct bs_rule *rule = &l->policy->rules[i];
        if (rule->name == NULL || is_empty(&rule->approvals))
            continue;
        if (rule->action != BS_ACTION_APPROVE)
            bs_load_problem(l, rule->line,
                            "rule \"%.60s\": who approves says nothing where the action is %s",
                            rule->name, bs_action_name(rule->action));
    }
}
