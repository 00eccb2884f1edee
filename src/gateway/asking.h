/*
 * asking.h - what the files that read the client's messages share: asks.c takes them one by one,
 * asks_query.c and asks_series.c act on the two protocols, asks_judge.c says what a text means now,
 * asks_owe.c books the answers, asks_refuse.c refuses.
 *
 * A function that answers bool says whether another message may be looked at now.
 *
 * Layer  gateway, private to these files. On the session's worker thread.
 * Owns   nothing.
 */
#ifndef BS_GATEWAY_ASKING_H
#define BS_GATEWAY_ASKING_H

#include "gateway/paused.h"
#include "gateway/running.h"
#include "wire/messages.h"

/* --- asks.c --- */

/* [from, to) of what the client has sent and we have not dealt with. */
struct bs_bytes bs_ask_bytes(const struct bs_relay *r, size_t from, size_t to);
/* The next message waits for something other than its own bytes. */
bool bs_ask_stall(struct bs_relay *r);
/* Sends a Flush of our own. */
void bs_ask_flush(struct bs_relay *r);
/* For answers that decide what is done next. Those of an open series come only when asked for. */
bool bs_ask_wait(struct bs_relay *r);
bool bs_ask_wait_for_copy(struct bs_relay *r);
/* For an answer whose rows are counted. */
bool bs_ask_wait_for_rows(struct bs_relay *r);
/* Ends a series that is open on the server with a Sync of our own, whose answer is swallowed, so
 * that the gate finds the server idle (PROTECT 10). */
bool bs_ask_end_series(struct bs_relay *r);
/* A series that is open has done something that its end would commit, and a pause has come. A COPY that
 * was under way may end, with all of its series. */
bool bs_ask_is_open_in_pause(const struct bs_relay *r);
/* The message has been dealt with: the next one may ask for the catalog again. */
void bs_ask_settle(struct bs_relay *r, size_t to);

/* --- recall.c --- */

/* Code that nobody has read may have given prepared statements another meaning. */
bool bs_ask_must_recall(const struct bs_relay *r);
/* Asks the server what they mean now, and forgets those that mean something else; then the message
 * is looked at again. */
bool bs_ask_recall(struct bs_relay *r);

/* --- own_role.c --- */

/* The verdict is not what counts before the server has said which role the session has. */
bool bs_ask_must_ask_role(const struct bs_relay *r, const struct bs_verdict *v);
/* Asks it; then the message is looked at again. True: it cannot be asked now, and the verdict counts. */
bool bs_ask_role(struct bs_relay *r);

/* --- asks_judge.c --- */

enum bs_heard {
    BS_HEARD_NOT = 0, /* the session ended, or the catalog is being loaded */
    BS_HEARD,
    BS_HEARD_UNSURE, /* answers that are still to come decide what a name means */
};

/* NULL, and not `unsure`: there is none of that name. */
struct bs_prepared *bs_ask_find(struct bs_relay *r, struct bs_bytes name, bool *unsure);
enum bs_heard bs_ask_load_catalog(struct bs_relay *r);
/*
 * Judges a text, loading the catalog first where that is needed.
 *
 * kept  a verdict that was kept will do (verdicts.h): a reference to what `out` then borrows from, or
 *       NULL; it is the caller's. Itself NULL: all of `out` is to be in the arena
 */
enum bs_heard bs_ask_judge(struct bs_relay *r,
                           struct bs_bytes text,
                           struct bs_arena *arena,
                           struct bs_verdict *out,
                           struct bs_kept **kept);
/* A gated text once more, by the catalog that there is now. */
void bs_ask_judge_again(struct bs_relay *r,
                        struct bs_prepared *p,
                        struct bs_arena *arena,
                        struct bs_verdict *v);
/* What was judged was measured: judges it by that. It is refused where that fails. */
void bs_ask_judge_measured(struct bs_relay *r, struct bs_arena *arena, struct bs_verdict *v);
/* Judges what a name stands for, as it is about to run. `kept`: as of bs_ask_judge. */
enum bs_heard bs_ask_judge_named(struct bs_relay *r,
                                 struct bs_prepared *p,
                                 struct bs_arena *arena,
                                 struct bs_verdict *out,
                                 struct bs_kept **kept);
/* A statement that the server knows by name: judged again where the catalog or the session has
 * changed since. */
enum bs_heard bs_ask_judge_prepared(struct bs_relay *r, struct bs_prepared *p);

/* --- asks_refuse.c --- */

struct bs_refusal *bs_ask_refusal_of(const struct bs_relay *r, const struct bs_verdict *v);
/* Refuses a Query (or FunctionCall): the server is asked only where it has to fail something. */
void bs_ask_poison_query(struct bs_relay *r, struct bs_refusal *refusal);
/* Refuses what comes next in a series: under a name of its own, so that the client's unnamed
 * statement survives. The server then skips to Sync by itself. */
void bs_ask_poison_series(struct bs_relay *r, struct bs_refusal *refusal);

/* --- asks_owe.c --- */

void bs_ask_owe_unit(struct bs_relay *r, struct bs_reply *reply, const struct bs_unit *unit);
/* PREPARE makes a name that Bind and EXECUTE can use. Its body was judged with it. */
void bs_ask_owe_prepare(struct bs_relay *r, struct bs_reply *reply, const struct bs_verdict *v);
/* Enters one message of a series that is about to be sent. Its form has been checked. `v`: what a
 * Bind runs; NULL: what was judged with its name. */
void bs_ask_owe(struct bs_relay *r, const struct bs_frame *f, const struct bs_verdict *v);
struct bs_prepared *bs_ask_new_statement(const struct bs_parse *parse);

/* --- asks_query.c --- */

/* COMMIT, PREPARE TRANSACTION or ROLLBACK, alone, of a transaction in which something gated has run. */
bool bs_ask_ends_guarded(const struct bs_relay *r, const struct bs_unit *unit);
/* The audit comes before it: it commits, nothing is in flight, and nothing has failed. */
bool bs_ask_needs_closing(const struct bs_relay *r, const struct bs_unit *unit);
/* What the transaction status adds to a verdict. */
void bs_ask_judge_status(struct bs_relay *r, struct bs_verdict *v);
/* What it adds to a verdict that lets it pass: what hides a table from others is protected. */
void bs_ask_judge_lock(const struct bs_relay *r, struct bs_verdict *v);
extern const char bs_ask_guard_message[];
struct bs_refusal *bs_ask_too_many(void);
bool bs_ask_is_full_of_names(const struct bs_relay *r);
bool bs_ask_query(struct bs_relay *r, const struct bs_frame *f, size_t end);
bool bs_ask_function_call(struct bs_relay *r, const struct bs_frame *f, size_t end);

/* --- asks_series.c --- */

/* The open batch [used, end) is looked at, message by message; its last one begins at `last`. */
bool bs_ask_series(struct bs_relay *r, size_t last, size_t end);

#endif
