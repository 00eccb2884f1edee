/*
 * quorum.h - who must approve: how many operators, of which groups, and whether they have.
 *
 * The policy says it when a ticket is opened; the ticket keeps it, and every decision is judged by
 * it. All needs must be met; one operator may count for several of them, and once for each.
 *
 * Layer  approval. Pure.
 * Spec   DESIGN 7 (quorum, M of N), PROTECT 14.
 * Owns   lists live in the caller's arena; bs_approvals_write returns a malloc-ed text.
 */
#ifndef BS_APPROVAL_QUORUM_H
#define BS_APPROVAL_QUORUM_H

#include "base/arena.h"
#include "base/err.h"

struct bs_said_row; /* state/rows.h */

/* So many approvals by operators that are in one of these groups. */
struct bs_need {
    int64_t quorum;
    const char *const *groups;
    size_t n_groups; /* 0: any operator */
};

/* Zeroed: any one operator. */
struct bs_approvals {
    const struct bs_need *needs;
    size_t n_needs;
    bool reason;        /* whoever decides must say why */
    bool exclude_owner; /* the requester's owner may not approve */
};

/* One more need; of two that ask the same groups the greater stays. LIMIT: the arena is full. */
BS_MUST_CHECK enum bs_done bs_approvals_need(struct bs_approvals *into,
                                             const struct bs_need *need,
                                             struct bs_arena *arena,
                                             struct bs_err *err);
/* Makes `into` at least as strict as `more`. LIMIT. */
BS_MUST_CHECK enum bs_done bs_approvals_add(struct bs_approvals *into,
                                            const struct bs_approvals *more,
                                            struct bs_arena *arena,
                                            struct bs_err *err);
/* Does `a` ask for something that `b` does not? */
bool bs_approvals_exceed(const struct bs_approvals *a, const struct bs_approvals *b);

/* Is it asked who approves, so that it matters whose hands an operator is in? */
bool bs_approvals_choose(const struct bs_approvals *a);

/* As JSON, as a ticket keeps it, to be freed by the caller. */
char *bs_approvals_write(const struct bs_approvals *a);
/* DATA: not what bs_approvals_write writes; NULL is "any one operator". LIMIT. */
BS_MUST_CHECK enum bs_done bs_approvals_read(const char *json,
                                             struct bs_arena *arena,
                                             struct bs_approvals *out,
                                             struct bs_err *err);

/* In one of the groups that the need names; anybody is, where it names none. */
bool bs_need_takes(const struct bs_need *need, const char *const *groups, size_t n_groups);
/* How many of what was said are approvals that count for it. */
int64_t bs_need_count(const struct bs_need *need, const struct bs_said_row *said, size_t n);
/* All of it is met. */
bool bs_approvals_met(const struct bs_approvals *a, const struct bs_said_row *said, size_t n);
/* The approval of an operator in these groups would count for something. */
bool bs_approvals_take(const struct bs_approvals *a, const char *const *groups, size_t n_groups);
/* "2 of dba or security", "1". In the arena; NULL: it is full. */
const char *bs_need_text(const struct bs_need *need, struct bs_arena *arena);

#endif
