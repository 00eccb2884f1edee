/*
 * backend.h - what a kind of state does. state.c checks what comes in; a backend may rely on it.
 *
 * Layer  state. Only state.c and the backends include this.
 * Spec   each function is the one of state.h without its prefix; tests/unit/state/contract_test.c
 *        holds for every backend.
 * Owns   see state.h.
 */
#ifndef BS_STATE_BACKEND_H
#define BS_STATE_BACKEND_H

#include "state/state.h"

struct bs_state {
    const struct bs_state_ops *ops;
};

/* Where a state can lie. */
struct bs_state_backend {
    const char *scheme; /* "sqlite" */
    /* place: the URL without its scheme and "://" */
    enum bs_done (*open)(const char *place, struct bs_state **out, struct bs_err *err);
};

struct bs_state_ops {
    void (*close)(struct bs_state *s);
    enum bs_done (*begin)(struct bs_state *s, struct bs_err *err);
    enum bs_done (*end)(struct bs_state *s, enum bs_done done, struct bs_err *err);

    enum bs_done (*agent_add)(struct bs_state *s,
                              const struct bs_agent *agent,
                              const char *by,
                              struct bs_err *err);
    enum bs_done (*agent_get)(struct bs_state *s,
                              const char *name,
                              struct bs_arena *arena,
                              struct bs_agent *out,
                              struct bs_err *err);
    enum bs_done (*agent_list)(struct bs_state *s,
                               struct bs_arena *arena,
                               struct bs_agent **out,
                               size_t *n,
                               struct bs_err *err);
    enum bs_done (*agent_rekey)(struct bs_state *s,
                                const char *name,
                                const char *verifier,
                                int64_t old_until_us,
                                const char *by,
                                struct bs_err *err);
    enum bs_done (*agent_revoke)(struct bs_state *s,
                                 const char *name,
                                 const char *by,
                                 struct bs_err *err);
    enum bs_done (*agent_alter)(struct bs_state *s,
                                const struct bs_agent *row,
                                unsigned fields,
                                const char *by,
                                struct bs_err *err);
    enum bs_done (*agent_quarantine)(
        struct bs_state *s, const char *name, const char *why, const char *by, struct bs_err *err);
    enum bs_done (*agent_release)(struct bs_state *s,
                                  const char *name,
                                  const char *reason,
                                  const char *by,
                                  struct bs_err *err);

    enum bs_done (*token_add)(struct bs_state *s,
                              const struct bs_token *token,
                              const char *by,
                              struct bs_err *err);
    enum bs_done (*token_list)(struct bs_state *s,
                               const char *agent,
                               int64_t counting_us,
                               struct bs_arena *arena,
                               struct bs_token **out,
                               size_t *n,
                               struct bs_err *err);
    enum bs_done (*token_revoke)(
        struct bs_state *s, const char *agent, const char *id, const char *by, struct bs_err *err);

    enum bs_done (*operator_add)(struct bs_state *s,
                                 const struct bs_operator *op,
                                 const char *by,
                                 struct bs_err *err);
    enum bs_done (*operator_find)(struct bs_state *s,
                                  const char *token_sha256,
                                  struct bs_arena *arena,
                                  struct bs_operator *out,
                                  struct bs_err *err);
    enum bs_done (*operator_list)(struct bs_state *s,
                                  struct bs_arena *arena,
                                  struct bs_operator **out,
                                  size_t *n,
                                  struct bs_err *err);
    enum bs_done (*operator_get)(struct bs_state *s,
                                 const char *name,
                                 struct bs_arena *arena,
                                 struct bs_operator *out,
                                 struct bs_err *err);
    enum bs_done (*operator_alter)(struct bs_state *s,
                                   const struct bs_operator *row,
                                   unsigned fields,
                                   const char *by,
                                   struct bs_err *err);
    enum bs_done (*operator_rekey)(struct bs_state *s,
                                   const char *name,
                                   const char *token_sha256,
                                   int64_t old_until_us,
                                   const char *by,
                                   struct bs_err *err);
    enum bs_done (*operator_revoke)(struct bs_state *s,
                                    const char *name,
                                    const char *by,
                                    struct bs_err *err);
    enum bs_done (*operator_ever)(struct bs_state *s, bool *out, struct bs_err *err);

    enum bs_done (*ticket_open)(struct bs_state *s,
                                const struct bs_ticket *row,
                                struct bs_arena *arena,
                                struct bs_ticket *out,
                                struct bs_err *err);
    enum bs_done (*ticket_get)(struct bs_state *s,
                               const char *id,
                               struct bs_arena *arena,
                               struct bs_ticket *out,
                               struct bs_err *err);
    enum bs_done (*ticket_move)(struct bs_state *s,
                                const struct bs_ticket *row,
                                struct bs_err *err);
    enum bs_done (*ticket_list)(struct bs_state *s,
                                const struct bs_ticket_filter *filter,
                                struct bs_arena *arena,
                                struct bs_ticket **out,
                                size_t *n,
                                struct bs_err *err);
    enum bs_done (*ticket_expire)(struct bs_state *s,
                                  int64_t now_us,
                                  struct bs_arena *arena,
                                  struct bs_ticket **out,
                                  size_t *n,
                                  struct bs_err *err);
    enum bs_done (*ticket_decide)(struct bs_state *s,
                                  const struct bs_ticket *row,
                                  const struct bs_said_row *said,
                                  struct bs_err *err);
    enum bs_done (*ticket_comment)(struct bs_state *s,
                                   const struct bs_said_row *said,
                                   struct bs_err *err);
    enum bs_done (*ticket_said)(struct bs_state *s,
                                const char *ticket,
                                struct bs_arena *arena,
                                struct bs_said_row **out,
                                size_t *n,
                                struct bs_err *err);
    enum bs_done (*ticket_denials)(
        struct bs_state *s, const char *actor, int64_t since_us, uint64_t *out, struct bs_err *err);

    enum bs_done (*glass_break)(struct bs_state *s,
                                const struct bs_ticket *row,
                                const struct bs_glass *glass,
                                struct bs_err *err);
    enum bs_done (*glass_get)(struct bs_state *s,
                              const char *ticket,
                              struct bs_arena *arena,
                              struct bs_glass *out,
                              struct bs_err *err);
    enum bs_done (*glass_list)(struct bs_state *s,
                               const struct bs_glass_filter *filter,
                               struct bs_arena *arena,
                               struct bs_glass **out,
                               size_t *n,
                               struct bs_err *err);
    /* CONFLICT where it is reviewed already, or by the one who broke it, at the very moment. */
    enum bs_done (*glass_review)(struct bs_state *s,
                                 const char *ticket,
                                 const char *by,
                                 const char *note,
                                 int64_t now_us,
                                 struct bs_err *err);
    enum bs_done (*glass_open)(struct bs_state *s, int64_t *out, struct bs_err *err);

    enum bs_done (*blocked_put)(struct bs_state *s,
                                const struct bs_blocked *row,
                                struct bs_err *err);
    enum bs_done (*blocked_list)(struct bs_state *s,
                                 int64_t since_us,
                                 struct bs_arena *arena,
                                 struct bs_blocked **out,
                                 size_t *n,
                                 struct bs_err *err);
    enum bs_done (*blocked_drop)(struct bs_state *s, int64_t before_us, struct bs_err *err);

    enum bs_done (*point_put)(struct bs_state *s,
                              const struct bs_point_row *row,
                              struct bs_err *err);
    enum bs_done (*point_set)(struct bs_state *s,
                              const char *id,
                              const char *state,
                              struct bs_err *err);
    enum bs_done (*point_get)(struct bs_state *s,
                              const char *id,
                              struct bs_arena *arena,
                              struct bs_point_row *out,
                              struct bs_err *err);
    enum bs_done (*point_list)(struct bs_state *s,
                               const char *database,
                               const char *state,
                               const char *actor,
                               size_t limit,
                               struct bs_arena *arena,
                               struct bs_point_row **out,
                               size_t *n,
                               struct bs_err *err);

    enum bs_done (*pause_put)(struct bs_state *s, const struct bs_pause *pause, struct bs_err *err);
    enum bs_done (*pause_list)(struct bs_state *s,
                               struct bs_arena *arena,
                               struct bs_pause **out,
                               size_t *n,
                               struct bs_err *err);
    enum bs_done (*resume)(struct bs_state *s,
                           enum bs_pause_scope scope,
                           const char *name,
                           const char *reason,
                           const char *by,
                           struct bs_resumed *out,
                           struct bs_err *err);

    enum bs_done (*plan_add)(struct bs_state *s,
                             const struct bs_restore_plan *plan,
                             struct bs_err *err);
    enum bs_done (*plan_get)(struct bs_state *s,
                             const char *sha256,
                             struct bs_arena *arena,
                             struct bs_restore_plan *out,
                             struct bs_err *err);
    /* Both: CONFLICT where a condition does not hold, at the very moment; state.c says which. */
    enum bs_done (*plan_list)(struct bs_state *s,
                              int64_t now_us,
                              struct bs_arena *arena,
                              struct bs_restore_plan **out,
                              size_t *n,
                              struct bs_err *err);
    enum bs_done (*plan_approve)(struct bs_state *s,
                                 const char *sha256,
                                 const char *by,
                                 const char *reason,
                                 int64_t now_us,
                                 struct bs_err *err);
    enum bs_done (*plan_use)(
        struct bs_state *s, const char *sha256, const char *by, int64_t now_us, struct bs_err *err);

    enum bs_done (*restore_put)(struct bs_state *s,
                                const struct bs_restore_row *row,
                                struct bs_err *err);
    enum bs_done (*restore_list)(struct bs_state *s,
                                 const char *before,
                                 size_t limit,
                                 struct bs_arena *arena,
                                 struct bs_restore_row **out,
                                 size_t *n,
                                 struct bs_err *err);
    enum bs_done (*restore_drop)(struct bs_state *s, const char *id, struct bs_err *err);

    enum bs_done (*notify_targets_set)(struct bs_state *s,
                                       const struct bs_notify_target *list,
                                       size_t n,
                                       struct bs_err *err);
    enum bs_done (*notify_put)(struct bs_state *s,
                               enum bs_notify_event event,
                               const char *subject,
                               const char *detail,
                               struct bs_err *err);
    enum bs_done (*notify_count)(struct bs_state *s,
                                 struct bs_arena *arena,
                                 struct bs_notify_count **out,
                                 size_t *n,
                                 struct bs_err *err);
    enum bs_done (*delivery_first)(struct bs_state *s,
                                   const char *target,
                                   struct bs_arena *arena,
                                   struct bs_delivery *out,
                                   bool *found,
                                   struct bs_err *err);
    enum bs_done (*delivery_render)(struct bs_state *s,
                                    const char *id,
                                    const char *body,
                                    struct bs_err *err);
    enum bs_done (*delivery_end)(struct bs_state *s,
                                 const char *id,
                                 enum bs_delivery_end end,
                                 int64_t due_us,
                                 const char *why,
                                 struct bs_err *err);
    enum bs_done (*delivery_list)(struct bs_state *s,
                                  const struct bs_delivery_filter *filter,
                                  struct bs_arena *arena,
                                  struct bs_delivery **out,
                                  size_t *n,
                                  struct bs_err *err);
    enum bs_done (*delivery_retry)(struct bs_state *s,
                                   const struct bs_delivery_filter *filter,
                                   const char *by,
                                   int64_t *n,
                                   struct bs_err *err);
    enum bs_done (*delivery_drop)(struct bs_state *s,
                                  const struct bs_delivery_filter *filter,
                                  const char *by,
                                  int64_t *n,
                                  struct bs_err *err);
    enum bs_done (*slack_message_get)(struct bs_state *s,
                                      const char *target,
                                      const char *ticket,
                                      struct bs_arena *arena,
                                      struct bs_slack_message *out,
                                      bool *found,
                                      struct bs_err *err);
    enum bs_done (*slack_message_put)(struct bs_state *s,
                                      const char *target,
                                      const char *ticket,
                                      const struct bs_slack_message *message,
                                      struct bs_err *err);
    enum bs_done (*slack_user_set)(struct bs_state *s,
                                   const char *operator_,
                                   const char *slack,
                                   const char *by,
                                   struct bs_err *err);
    enum bs_done (*slack_user_find)(struct bs_state *s,
                                    const char *slack,
                                    struct bs_arena *arena,
                                    struct bs_operator *out,
                                    struct bs_err *err);
    enum bs_done (*secret)(struct bs_state *s,
                           const char *name,
                           char out[BS_STATE_SECRET],
                           struct bs_err *err);
    bool (*shared)(struct bs_state *s);
    enum bs_done (*join)(struct bs_state *s,
                         const char *instance,
                         bs_state_news_fn *heard,
                         void *ctx,
                         struct bs_err *err);
    void (*leave)(struct bs_state *s);
    enum bs_done (*lease)(
        struct bs_state *s, const char *name, int64_t ms, bool *mine, struct bs_err *err);
    enum bs_done (*lease_drop)(struct bs_state *s, const char *name, struct bs_err *err);
    enum bs_done (*bury)(struct bs_state *s, size_t *n, struct bs_err *err);
    enum bs_done (*ticket_orphans)(struct bs_state *s,
                                   struct bs_arena *arena,
                                   struct bs_ticket **out,
                                   size_t *n,
                                   struct bs_err *err);

    enum bs_done (*change_list)(struct bs_state *s,
                                size_t limit,
                                struct bs_arena *arena,
                                struct bs_change **out,
                                size_t *n,
                                struct bs_err *err);
    enum bs_done (*change_count)(struct bs_state *s, int64_t *out, struct bs_err *err);
    enum bs_done (*change_drop)(struct bs_state *s, int64_t id, struct bs_err *err);
};

extern const struct bs_state_backend bs_state_sqlite; /* sqlite:///absolute/path */
extern const struct bs_state_backend bs_state_postgresql,
    bs_state_postgres; /* postgres[ql]://... */

#endif
