/*
 * sqlite.h - what the operations on the state and the drivers under them share: one connection behind
 * one mutex, and a thin way to run a statement with typed values.
 *
 * The operations are written once, in the SQL that SQLite and PostgreSQL have in common: parameters
 * are ? or ?1, columns of ON CONFLICT carry the name of their table, all rows are LIMIT BS_SQ_ALL,
 * now_us() is the clock, and there is no function beside it that only one of the two knows. Whatever
 * is read and then written is so between bs_sq_begin and bs_sq_end: there is one writer at a time, over
 * all processes and gateways.
 *
 * Layer  state. Only the files of this room include it.
 * Spec   https://www.sqlite.org/lang.html; PostgreSQL manual, sql-commands.html
 * Owns   a bs_sq_rows owns its result from bs_sq_query to bs_sq_close.
 */
#ifndef BS_STATE_SQLITE_H
#define BS_STATE_SQLITE_H

#include <jansson.h>
#include <pthread.h>

#include "base/clock.h"
#include "state/backend.h"

struct bs_sqlite {
    struct bs_state base; /* first: a bs_state * is a bs_sqlite * */
    const struct bs_sq_driver *driver;
    char instance[BS_ULID_TEXT]; /* which gateway this is; "" for none */
    pthread_mutex_t lock; /* held from bs_sq_lock or bs_sq_begin to bs_sq_unlock or bs_sq_end */
    unsigned depth;       /* transactions inside each other, of whoever holds the lock */
    bool failed;          /* one inside another has */
};

#define BS_SQ_GATEWAY "gateway:" /* and its instance: the name of the lease that says it lives */
/* of: a column with an instance. Where there are no leases nobody lives. */
#define BS_SQ_LIVES(of)                                                                            \
    "EXISTS (SELECT 1 FROM leases g WHERE g.name = '" BS_SQ_GATEWAY "' || " of                     \
    " AND g.until_us > now_us())"

#define BS_SQ_ALL (INT64_C(1) << 40) /* LIMIT for no limit: more rows than there can be */

enum bs_sq_type { BS_SQ_END = 0, BS_SQ_TEXT, BS_SQ_INT };

/* A value to bind. */
struct bs_sq_value {
    enum bs_sq_type type;
    const char *text; /* NULL is SQL's NULL */
    int64_t number;
};

#define BS_SQ_T(x)        ((struct bs_sq_value){BS_SQ_TEXT, (x), 0})
#define BS_SQ_I(x)        ((struct bs_sq_value){BS_SQ_INT, NULL, (x)})
#define BS_SQ_VALUES(...) ((const struct bs_sq_value[]){__VA_ARGS__, {BS_SQ_END, NULL, 0}})
#define BS_SQ_NO_VALUES   ((const struct bs_sq_value[]){{BS_SQ_END, NULL, 0}})

struct bs_sq_rows {
    struct bs_sqlite *q;
    void *st;               /* the driver's */
    int at;                 /* the driver's, too */
    struct bs_arena *arena; /* where texts are copied to */
    bool full;              /* the arena's ceiling was reached */
};

enum bs_sq_next {
    BS_SQ_BAD = 0,
    BS_SQ_ROW,
    BS_SQ_DONE,
};

/* What differs between databases. The lock is held, but for `close`. */
struct bs_sq_driver {
    void (*close)(struct bs_sqlite *q);
    enum bs_done (*query)(struct bs_sqlite *q,
                          const char *sql,
                          const struct bs_sq_value *values,
                          struct bs_sq_rows *out,
                          struct bs_err *err);
    enum bs_sq_next (*next)(struct bs_sq_rows *r, struct bs_err *err);
    void (*done)(struct bs_sq_rows *r);                    /* st may be NULL */
    const char *(*text)(struct bs_sq_rows *r, int column); /* valid until the next row */
    int64_t (*number)(struct bs_sq_rows *r, int column);
    int (*changed)(struct bs_sq_rows *r); /* rows that were written, at the end of them */
    /* Waits for its turn: from here to the end nobody else writes. */
    enum bs_done (*begin)(struct bs_sqlite *q, struct bs_err *err);
    enum bs_done (*commit)(struct bs_sqlite *q, struct bs_err *err);
    void (*rollback)(struct bs_sqlite *q); /* nothing where nothing has begun */
    /* NULL where no other gateway can have it open. */
    enum bs_done (*listen)(struct bs_sqlite *q,
                           bs_state_news_fn *heard,
                           void *ctx,
                           struct bs_err *err);
    void (*deafen)(struct bs_sqlite *q);
};

void bs_sq_init(struct bs_sqlite *q, const struct bs_sq_driver *driver);
void bs_sq_state_close(struct bs_state *s);
enum bs_done bs_sq_state_begin(struct bs_state *s, struct bs_err *err);
enum bs_done bs_sq_state_end(struct bs_state *s, enum bs_done done, struct bs_err *err);
/* What brings the schema from this version to the next; NULL: there is none. In SQLite's words. */
const char *bs_sq_migration(int version);
extern const struct bs_state_ops bs_sq_operations;

struct bs_sqlite *bs_sq_of(struct bs_state *s);
void bs_sq_lock(struct bs_sqlite *q);
void bs_sq_unlock(struct bs_sqlite *q);
/* Takes the lock and begins a write transaction; on failure neither is held. */
BS_MUST_CHECK enum bs_done bs_sq_begin(struct bs_sqlite *q, struct bs_err *err);
/* Commits where `done` is BS_DONE, else rolls back; gives the lock back. What became of it all. */
BS_MUST_CHECK enum bs_done bs_sq_end(struct bs_sqlite *q, enum bs_done done, struct bs_err *err);

/* Below: the lock is held. */

BS_MUST_CHECK enum bs_done bs_sq_query(struct bs_sqlite *q,
                                       const char *sql,
                                       const struct bs_sq_value *values,
                                       struct bs_arena *arena,
                                       struct bs_sq_rows *out,
                                       struct bs_err *err);
BS_MUST_CHECK enum bs_sq_next bs_sq_next(struct bs_sq_rows *r, struct bs_err *err);
void bs_sq_close(struct bs_sq_rows *r);
/* A statement without rows. changed: rows it wrote; may be NULL. */
BS_MUST_CHECK enum bs_done bs_sq_run(struct bs_sqlite *q,
                                     const char *sql,
                                     const struct bs_sq_value *values,
                                     int *changed,
                                     struct bs_err *err);
/* One number, from the first row; `otherwise` where there is no row. */
BS_MUST_CHECK enum bs_done bs_sq_number(struct bs_sqlite *q,
                                        const char *sql,
                                        const struct bs_sq_value *values,
                                        int64_t otherwise,
                                        int64_t *out,
                                        struct bs_err *err);

const char *bs_sq_text(struct bs_sq_rows *r, int column); /* copied; NULL is NULL */
const char *bs_sq_peek(struct bs_sq_rows *r, int column); /* valid until the next row */
int64_t bs_sq_int(struct bs_sq_rows *r, int column);
/* Copies a text into a fixed array, cut to its size. */
void bs_sq_copy(struct bs_sq_rows *r, int column, char *out, size_t size);

/* A JSON array of texts. The array is NULL and *n 0 for NULL. DAMAGED: it is anything else. */
BS_MUST_CHECK enum bs_done
bs_sq_texts(struct bs_sq_rows *r, int column, const char ***out, size_t *n, struct bs_err *err);
/* Those of two such columns, one after the other. */
BS_MUST_CHECK enum bs_done bs_sq_texts_of_two(
    struct bs_sq_rows *r, int a, int b, const char ***out, size_t *n, struct bs_err *err);
/* As such a JSON array; malloc-ed. */
char *bs_sq_texts_write(const char *const *list, size_t n);
/* Write what changes of a ticket, as bs_state_ticket_move; in a transaction of the caller's. */
BS_MUST_CHECK enum bs_done
bs_sq_ticket_write(struct bs_sqlite *q, const struct bs_ticket *t, struct bs_err *err);

/* Reads one row into `item`. DATA or LIMIT. */
typedef enum bs_done bs_sq_read_fn(struct bs_sq_rows *r, void *item, struct bs_err *err);

/* Every row of a query as an array in the arena. */
BS_MUST_CHECK enum bs_done bs_sq_all(struct bs_sqlite *q,
                                     const char *sql,
                                     const struct bs_sq_value *values,
                                     struct bs_arena *arena,
                                     size_t each,
                                     bs_sq_read_fn *read,
                                     void **out,
                                     size_t *n,
                                     struct bs_err *err);
/* Exactly one row; NOT_FOUND names `what`. */
BS_MUST_CHECK enum bs_done bs_sq_one(struct bs_sqlite *q,
                                     const char *sql,
                                     const struct bs_sq_value *values,
                                     struct bs_arena *arena,
                                     bs_sq_read_fn *read,
                                     void *out,
                                     const char *what,
                                     struct bs_err *err);

/* A change of an agent or operator for the audit, in the transaction of the change itself. Takes over
 * the reference to `detail`. */
BS_MUST_CHECK enum bs_done bs_sq_change_put(struct bs_sqlite *q,
                                            const char *by,
                                            const char *action,
                                            const char *subject,
                                            json_t *detail,
                                            struct bs_err *err);
/* NOT_FOUND or CONFLICT unless that actor is there and not revoked. table: "agents", "operators". */
BS_MUST_CHECK enum bs_done
bs_sq_check_in_force(struct bs_sqlite *q, const char *table, const char *name, struct bs_err *err);

/* The operations, in sqlite_actors.c, sqlite_tickets.c, sqlite_blocked.c and sqlite_points.c. */
enum bs_done bs_sq_agent_add(struct bs_state *s,
                             const struct bs_agent *agent,
                             const char *by,
                             struct bs_err *err);
enum bs_done bs_sq_agent_get(struct bs_state *s,
                             const char *name,
                             struct bs_arena *arena,
                             struct bs_agent *out,
                             struct bs_err *err);
enum bs_done bs_sq_agent_list(struct bs_state *s,
                              struct bs_arena *arena,
                              struct bs_agent **out,
                              size_t *n,
                              struct bs_err *err);
enum bs_done bs_sq_agent_rekey(struct bs_state *s,
                               const char *name,
                               const char *verifier,
                               int64_t old_until_us,
                               const char *by,
                               struct bs_err *err);
enum bs_done
bs_sq_agent_revoke(struct bs_state *s, const char *name, const char *by, struct bs_err *err);
enum bs_done bs_sq_agent_alter(struct bs_state *s,
                               const struct bs_agent *row,
                               unsigned fields,
                               const char *by,
                               struct bs_err *err);
enum bs_done bs_sq_agent_quarantine(
    struct bs_state *s, const char *name, const char *why, const char *by, struct bs_err *err);
enum bs_done bs_sq_agent_release(
    struct bs_state *s, const char *name, const char *reason, const char *by, struct bs_err *err);
enum bs_done bs_sq_token_add(struct bs_state *s,
                             const struct bs_token *token,
                             const char *by,
                             struct bs_err *err);
enum bs_done bs_sq_token_list(struct bs_state *s,
                              const char *agent,
                              int64_t counting_us,
                              struct bs_arena *arena,
                              struct bs_token **out,
                              size_t *n,
                              struct bs_err *err);
enum bs_done bs_sq_token_revoke(
    struct bs_state *s, const char *agent, const char *id, const char *by, struct bs_err *err);
enum bs_done bs_sq_operator_add(struct bs_state *s,
                                const struct bs_operator *op,
                                const char *by,
                                struct bs_err *err);
enum bs_done bs_sq_operator_find(struct bs_state *s,
                                 const char *token_sha256,
                                 struct bs_arena *arena,
                                 struct bs_operator *out,
                                 struct bs_err *err);
enum bs_done bs_sq_operator_list(struct bs_state *s,
                                 struct bs_arena *arena,
                                 struct bs_operator **out,
                                 size_t *n,
                                 struct bs_err *err);
enum bs_done bs_sq_operator_get(struct bs_state *s,
                                const char *name,
                                struct bs_arena *arena,
                                struct bs_operator *out,
                                struct bs_err *err);
enum bs_done bs_sq_operator_alter(struct bs_state *s,
                                  const struct bs_operator *row,
                                  unsigned fields,
                                  const char *by,
                                  struct bs_err *err);
enum bs_done bs_sq_operator_rekey(struct bs_state *s,
                                  const char *name,
                                  const char *token_sha256,
                                  int64_t old_until_us,
                                  const char *by,
                                  struct bs_err *err);
enum bs_done
bs_sq_operator_revoke(struct bs_state *s, const char *name, const char *by, struct bs_err *err);
enum bs_done bs_sq_operator_ever(struct bs_state *s, bool *out, struct bs_err *err);
enum bs_done bs_sq_ticket_open(struct bs_state *s,
                               const struct bs_ticket *row,
                               struct bs_arena *arena,
                               struct bs_ticket *out,
                               struct bs_err *err);
enum bs_done bs_sq_ticket_get(struct bs_state *s,
                              const char *id,
                              struct bs_arena *arena,
                              struct bs_ticket *out,
                              struct bs_err *err);
enum bs_done bs_sq_ticket_move(struct bs_state *s, const struct bs_ticket *row, struct bs_err *err);
enum bs_done bs_sq_ticket_list(struct bs_state *s,
                               const struct bs_ticket_filter *filter,
                               struct bs_arena *arena,
                               struct bs_ticket **out,
                               size_t *n,
                               struct bs_err *err);
enum bs_done bs_sq_ticket_expire(struct bs_state *s,
                                 int64_t now_us,
                                 struct bs_arena *arena,
                                 struct bs_ticket **out,
                                 size_t *n,
                                 struct bs_err *err);
enum bs_done bs_sq_ticket_decide(struct bs_state *s,
                                 const struct bs_ticket *row,
                                 const struct bs_said_row *said,
                                 struct bs_err *err);
enum bs_done
bs_sq_ticket_comment(struct bs_state *s, const struct bs_said_row *said, struct bs_err *err);
enum bs_done bs_sq_ticket_said(struct bs_state *s,
                               const char *ticket,
                               struct bs_arena *arena,
                               struct bs_said_row **out,
                               size_t *n,
                               struct bs_err *err);
enum bs_done bs_sq_ticket_denials(
    struct bs_state *s, const char *actor, int64_t since_us, uint64_t *out, struct bs_err *err);
enum bs_done bs_sq_glass_break(struct bs_state *s,
                               const struct bs_ticket *row,
                               const struct bs_glass *glass,
                               struct bs_err *err);
enum bs_done bs_sq_glass_get(struct bs_state *s,
                             const char *ticket,
                             struct bs_arena *arena,
                             struct bs_glass *out,
                             struct bs_err *err);
enum bs_done bs_sq_glass_list(struct bs_state *s,
                              const struct bs_glass_filter *filter,
                              struct bs_arena *arena,
                              struct bs_glass **out,
                              size_t *n,
                              struct bs_err *err);
enum bs_done bs_sq_glass_review(struct bs_state *s,
                                const char *ticket,
                                const char *by,
                                const char *note,
                                int64_t now_us,
                                struct bs_err *err);
enum bs_done bs_sq_glass_open(struct bs_state *s, int64_t *out, struct bs_err *err);
enum bs_done
bs_sq_blocked_put(struct bs_state *s, const struct bs_blocked *row, struct bs_err *err);
enum bs_done bs_sq_blocked_list(struct bs_state *s,
                                int64_t since_us,
                                struct bs_arena *arena,
                                struct bs_blocked **out,
                                size_t *n,
                                struct bs_err *err);
enum bs_done bs_sq_blocked_drop(struct bs_state *s, int64_t before_us, struct bs_err *err);
enum bs_done
bs_sq_point_put(struct bs_state *s, const struct bs_point_row *row, struct bs_err *err);
enum bs_done
bs_sq_point_set(struct bs_state *s, const char *id, const char *state, struct bs_err *err);
enum bs_done bs_sq_point_get(struct bs_state *s,
                             const char *id,
                             struct bs_arena *arena,
                             struct bs_point_row *out,
                             struct bs_err *err);
enum bs_done bs_sq_point_list(struct bs_state *s,
                              const char *database,
                              const char *state,
                              const char *actor,
                              size_t limit,
                              struct bs_arena *arena,
                              struct bs_point_row **out,
                              size_t *n,
                              struct bs_err *err);
enum bs_done bs_sq_pause_put(struct bs_state *s, const struct bs_pause *pause, struct bs_err *err);
enum bs_done bs_sq_pause_list(struct bs_state *s,
                              struct bs_arena *arena,
                              struct bs_pause **out,
                              size_t *n,
                              struct bs_err *err);
enum bs_done bs_sq_resume(struct bs_state *s,
                          enum bs_pause_scope scope,
                          const char *name,
                          const char *reason,
                          const char *by,
                          struct bs_resumed *out,
                          struct bs_err *err);
enum bs_done
bs_sq_plan_add(struct bs_state *s, const struct bs_restore_plan *plan, struct bs_err *err);
enum bs_done bs_sq_plan_get(struct bs_state *s,
                            const char *sha256,
                            struct bs_arena *arena,
                            struct bs_restore_plan *out,
                            struct bs_err *err);
enum bs_done bs_sq_plan_list(struct bs_state *s,
                             int64_t now_us,
                             struct bs_arena *arena,
                             struct bs_restore_plan **out,
                             size_t *n,
                             struct bs_err *err);
enum bs_done bs_sq_plan_approve(struct bs_state *s,
                                const char *sha256,
                                const char *by,
                                const char *reason,
                                int64_t now_us,
                                struct bs_err *err);
enum bs_done bs_sq_plan_use(
    struct bs_state *s, const char *sha256, const char *by, int64_t now_us, struct bs_err *err);

/* sqlite_restores.c */
enum bs_done
bs_sq_restore_put(struct bs_state *s, const struct bs_restore_row *row, struct bs_err *err);
enum bs_done bs_sq_restore_list(struct bs_state *s,
                                const char *before,
                                size_t limit,
                                struct bs_arena *arena,
                                struct bs_restore_row **out,
                                size_t *n,
                                struct bs_err *err);
enum bs_done bs_sq_restore_drop(struct bs_state *s, const char *id, struct bs_err *err);
/* sqlite_notify.c */
/* An event, for every target that wants it; in a transaction of the caller's. */
BS_MUST_CHECK enum bs_done bs_sq_event_put(struct bs_sqlite *q,
                                           enum bs_notify_event event,
                                           const char *subject,
                                           const char *detail,
                                           struct bs_err *err);
enum bs_done bs_sq_notify_targets_set(struct bs_state *s,
                                      const struct bs_notify_target *list,
                                      size_t n,
                                      struct bs_err *err);
enum bs_done bs_sq_notify_put(struct bs_state *s,
                              enum bs_notify_event event,
                              const char *subject,
                              const char *detail,
                              struct bs_err *err);
enum bs_done bs_sq_notify_count(struct bs_state *s,
                                struct bs_arena *arena,
                                struct bs_notify_count **out,
                                size_t *n,
                                struct bs_err *err);
enum bs_done bs_sq_delivery_first(struct bs_state *s,
                                  const char *target,
                                  struct bs_arena *arena,
                                  struct bs_delivery *out,
                                  bool *found,
                                  struct bs_err *err);
enum bs_done
bs_sq_delivery_render(struct bs_state *s, const char *id, const char *body, struct bs_err *err);
enum bs_done bs_sq_delivery_end(struct bs_state *s,
                                const char *id,
                                enum bs_delivery_end end,
                                int64_t due_us,
                                const char *why,
                                struct bs_err *err);
enum bs_done bs_sq_delivery_list(struct bs_state *s,
                                 const struct bs_delivery_filter *filter,
                                 struct bs_arena *arena,
                                 struct bs_delivery **out,
                                 size_t *n,
                                 struct bs_err *err);
enum bs_done bs_sq_delivery_retry(struct bs_state *s,
                                  const struct bs_delivery_filter *filter,
                                  const char *by,
                                  int64_t *n,
                                  struct bs_err *err);
enum bs_done bs_sq_delivery_drop(struct bs_state *s,
                                 const struct bs_delivery_filter *filter,
                                 const char *by,
                                 int64_t *n,
                                 struct bs_err *err);
enum bs_done bs_sq_slack_message_get(struct bs_state *s,
                                     const char *target,
                                     const char *ticket,
                                     struct bs_arena *arena,
                                     struct bs_slack_message *out,
                                     bool *found,
                                     struct bs_err *err);
enum bs_done bs_sq_slack_message_put(struct bs_state *s,
                                     const char *target,
                                     const char *ticket,
                                     const struct bs_slack_message *message,
                                     struct bs_err *err);
enum bs_done bs_sq_slack_user_set(struct bs_state *s,
                                  const char *operator_,
                                  const char *slack,
                                  const char *by,
                                  struct bs_err *err);
enum bs_done bs_sq_slack_user_find(struct bs_state *s,
                                   const char *slack,
                                   struct bs_arena *arena,
                                   struct bs_operator *out,
                                   struct bs_err *err);

/* leases.c */
enum bs_done
bs_sq_secret(struct bs_state *s, const char *name, char out[BS_STATE_SECRET], struct bs_err *err);
bool bs_sq_shared(struct bs_state *s);
enum bs_done bs_sq_join(struct bs_state *s,
                        const char *instance,
                        bs_state_news_fn *heard,
                        void *ctx,
                        struct bs_err *err);
void bs_sq_leave(struct bs_state *s);
enum bs_done
bs_sq_lease(struct bs_state *s, const char *name, int64_t ms, bool *mine, struct bs_err *err);
enum bs_done bs_sq_lease_drop(struct bs_state *s, const char *name, struct bs_err *err);
enum bs_done bs_sq_bury(struct bs_state *s, size_t *n, struct bs_err *err);
enum bs_done bs_sq_ticket_orphans(struct bs_state *s,
                                  struct bs_arena *arena,
                                  struct bs_ticket **out,
                                  size_t *n,
                                  struct bs_err *err);
enum bs_done bs_sq_change_list(struct bs_state *s,
                               size_t limit,
                               struct bs_arena *arena,
                               struct bs_change **out,
                               size_t *n,
                               struct bs_err *err);
enum bs_done bs_sq_change_count(struct bs_state *s, int64_t *out, struct bs_err *err);
enum bs_done bs_sq_change_drop(struct bs_state *s, int64_t id, struct bs_err *err);

#endif
