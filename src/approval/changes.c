/*
 * changes.c - first into the audit, then out of the state: a crash between the two tells it twice,
 * never not at all.
 */
#include "approval/changes.h"

#define AT_ONCE   100
#define LEASE_MS  5000 /* one gateway at a time tells its audit */
#define MAX_BYTES (8u << 20)

static enum bs_done
record(struct bs_audit *audit, const struct bs_change *c, struct bs_err *err)
{
    const struct bs_audit_record r = {
        .kind = BS_AUDIT_OPERATOR,
        .at_us = c->at_us,
        .operator_ = c->by,
        .action = c->action,
        .subject = c->subject,
        .detail = c->detail,
    };

    return bs_audit_write(audit, &r, NULL, err);
}

static enum bs_done
record_some(struct bs_state *state,
            struct bs_audit *audit,
            size_t most,
            struct bs_arena *arena,
            size_t *n,
            struct bs_err *err)
{
    struct bs_change *changes;
    bool mine = false;

    if (bs_state_change_list(state, most, arena, &changes, n, err) != BS_DONE)
        return BS_FAILED;
    if (*n != 0 && bs_state_lease(state, "changes", LEASE_MS, &mine, err) != BS_DONE)
        return BS_FAILED;
    if (!mine)
        *n = 0;
    for (size_t i = 0; i < *n; i++) {
        if (record(audit, &changes[i], err) != BS_DONE ||
            bs_state_change_drop(state, changes[i].id, err) != BS_DONE)
            return BS_FAILED;
    }
    return BS_DONE;
}

enum bs_done
bs_changes_record(struct bs_state *state, struct bs_audit *audit, size_t *n, struct bs_err *err)
{
    struct bs_arena arena;
    size_t most = AT_ONCE, some = AT_ONCE, all = 0;
    enum bs_done done = BS_DONE;

    bs_arena_init(&arena, "changes", MAX_BYTES);
    while (done == BS_DONE && some == most) {
        bs_arena_reset(&arena);
        done = record_some(state, audit, most, &arena, &some, err);
        all += done == BS_DONE ? some : 0;
        if (done == BS_DONE || err->code != BS_E_LIMIT || most == 1)
            continue;
        *err = (struct bs_err){0}; /* an operator's words may be long: one by one */
        done = BS_DONE;
        most = some = 1;
    }
    bs_arena_fini(&arena);
    if (n != NULL)
        *n = all;
    return done;
}
