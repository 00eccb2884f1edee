/*
 * seen.c - two lists. Every rise of a risk has its reason, so a statement whose reasons are all
 * listed hides nothing else.
 */
#include "catalog/seen.h"

#include <string.h>

#include "catalog/effect.h"

/*
 * Statements that run in the transaction that they are sent in, whatever they run there. Not here:
 * EXECUTE and FETCH of a name that nobody could look up. It may stand for something else when the
 * statement that was asked for is run.
 */
static const bool inside[BS_KIND_COUNT] = {
    [BS_KIND_SELECT] = true,
    [BS_KIND_SELECT_FOR_UPDATE] = true,
    [BS_KIND_EXPLAIN] = true,
    [BS_KIND_EXPLAIN_ANALYZE] = true,
    [BS_KIND_COPY_TO_STDOUT] = true,
    [BS_KIND_INSERT] = true,
    [BS_KIND_UPDATE] = true,
    [BS_KIND_DELETE] = true,
    [BS_KIND_MERGE] = true,
    [BS_KIND_COPY_FROM_STDIN] = true,
    [BS_KIND_PREPARE] = true,
    [BS_KIND_DECLARE_CURSOR] = true,
    [BS_KIND_DO] = true,
    [BS_KIND_CALL] = true,
};

/* What statements of those kinds change by themselves. */
static const bool rows[BS_KIND_COUNT] = {
    [BS_KIND_INSERT] = true, [BS_KIND_UPDATE] = true,          [BS_KIND_DELETE] = true,
    [BS_KIND_MERGE] = true,  [BS_KIND_COPY_FROM_STDIN] = true,
};

/*
 * Reasons that tell of rows, or of code. Not here: foreign tables and the server's catalogs, which
 * nothing gives back; settings and roles; a text that may be read in two ways, where part of it may
 * be a COMMIT.
 */
bool
bs_reason_is_seen(const char *code)
{
    static const char *const codes[] = {
        "kind",
        "no_filter",
        "protected",
        "impact",
        BS_REASON_UNMEASURED,
        BS_REASON_IMPACT,
        "cascade",
        "locks_rows",
        "function",
        "code",
        "event_trigger",
        "session_names",
        BS_REASON_UNLISTED_FUNCTION,
        BS_REASON_UNLISTED_OPERATOR,
        BS_REASON_UNLISTED_TYPE,
        BS_REASON_UNLISTED_FIELD,
        "view",
        "through_view",
        "rule",
        "policy",
        "trigger",
        "default",
        "generated",
        "check",
        "index",
        "partition_key",
        "domain",
        "cast",
    };

    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
        if (strcmp(codes[i], code) == 0)
            return true;
    }
    return false;
}

/* What only the session has; where nobody has it, the statement fails anyway. */
static bool
is_seen(const char *code, const struct bs_facts *facts)
{
    return bs_reason_is_seen(code) ||
           (strcmp(code, "unknown_name") == 0 && facts != NULL && !facts->unknown_name);
}

bool
bs_stmt_is_seen(const struct bs_stmt *stmt, const struct bs_facts *facts)
{
    if (!inside[stmt->kind] || (stmt->flags & BS_FLAG_OUTSIDE) != 0)
        return false;
    for (size_t i = 0; i < stmt->n_effects; i++) {
        /* What code does is seen, too, or else taken back. */
        if (!rows[stmt->effects[i].kind] && !stmt->effects[i].inside)
            return false;
    }
    for (size_t i = 0; i < stmt->n_reasons; i++) {
        if (!is_seen(stmt->reasons[i].code, facts))
            return false;
    }
    return true;
}
