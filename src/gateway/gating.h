/*
 * gating.h - the state of one gated unit, shared by gate.c (until it may run), unite.c (its plan),
 * protect.c (the run), bare.c (the run outside a block), before.c (rows that are read before it),
 * withhold.c (what the server answers), closing.c (the end of the transaction), ending.c (how it
 * ends), ledger.c, gate_job.c and audit_job.c (what blocks), request.c.
 *
 * Layer  gateway, private to these files. On the session's worker thread; job threads read what
 *        does not change while their job is out.
 * Owns   see each member. Freed with its last reference, on the worker's thread.
 */
#ifndef BS_GATEWAY_GATING_H
#define BS_GATEWAY_GATING_H

#include "approval/ticket.h"
#include "gateway/gate.h"
#include "gateway/ledger.h"
#include "gateway/progress.h"

/* Where a gated unit is. In order; a unit never goes back but for RETRY. */
enum bs_gate_step {
    BS_GATE_OVER = 0,  /* done with; only references keep it */
    BS_GATE_MEASURE,   /* the rows that it would change are counted, where somebody asks for them */
    BS_GATE_RECORD,    /* the judgement is made durable, the ticket opened or found */
    BS_GATE_IDLE,      /* how long the server lets an open transaction be idle */
    BS_GATE_WAIT,      /* a human is asked */
    BS_GATE_REDEEM,    /* the approval is used up */
    BS_GATE_BEGIN,     /* our BEGIN */
    BS_GATE_BEFORE,    /* first reading of the counters */
    BS_GATE_OPEN,      /* the helper that keeps the ledger looks at the sequences */
    BS_GATE_CHOOSE,    /* how the rows that it changes are best kept */
    BS_GATE_TIMEOUT,   /* lock_timeout for the locks, and the dead man's switch */
    BS_GATE_RIGHTS,    /* which tables the actor's role may lock */
    BS_GATE_LOCK,      /* SHARE ROW EXCLUSIVE, one table after the other */
    BS_GATE_CAPTURE,   /* the recovery point is made and proven */
    BS_GATE_START,     /* a reading of the counters for this statement alone */
    BS_GATE_SAVE,      /* savepoint and short lock_timeout, where the statement upgrades its lock */
    BS_GATE_LOOK,      /* would anybody be drawn into a deadlock? */
    BS_GATE_RUN,       /* the client's own messages */
    BS_GATE_RETRY,     /* the upgrade timed out: back to the savepoint */
    BS_GATE_COVER,     /* are the rows that were read before all that it has changed? */
    BS_GATE_RESTORE,   /* the actor's timeouts again, in its own transaction */
    BS_GATE_GUARD,     /* it ran in the actor's transaction: wait for its COMMIT */
    BS_GATE_SWITCH,    /* the dead man's switch for the closing sequence */
    BS_GATE_CONSTRAIN, /* SET CONSTRAINTS ALL IMMEDIATE */
    BS_GATE_READ_ONLY, /* SET TRANSACTION READ ONLY: nothing can change behind the audit */
    BS_GATE_AFTER,     /* second reading of the counters */
    BS_GATE_XID,       /* which transaction it is */
    BS_GATE_AUDIT,     /* locks, coverage, what is still to be kept, and the event "armed" */
    BS_GATE_COMMIT,    /* COMMIT is on its way */
    BS_GATE_ROLLBACK,  /* our ROLLBACK */
    BS_GATE_BARE,      /* a statement that cannot be in a block: its own messages */
    BS_GATE_FINISH,    /* it has ended; what is left to be recorded is being written */
};

/* err BS_OK: the job is done. The call is not made where the session ended meanwhile. */
typedef void bs_gate_job_fn(struct bs_relay *r, struct bs_gate *g, struct bs_err *err);

/* One text of the unit: a Query, or what a Bind runs. */
struct bs_gate_item {
    struct bs_verdict *verdict;   /* in the gate's arena, or in g->kept but for itself */
    struct bs_bytes bind;         /* body of the Bind; in the gate's arena once begun */
    struct bs_prepared *prepared; /* of the Bind; a reference */
};

#define BS_GATE_UPGRADE_MS 200 /* how long a statement waits for the lock that it upgrades */

struct bs_gate {
    struct bs_session *s; /* a reference */
    unsigned refs;
    enum bs_gate_step step;
    struct bs_arena arena;
    struct bs_gate_item *items;
    size_t n_items;
    struct bs_kept **kept; /* what verdicts borrow from, beside the arena */
    size_t n_kept;
    struct bs_plan plan;           /* of all items together */
    bool hold;                     /* some item needs a human */
    bool waived;                   /* the policy wants no recovery point */
    struct bs_require require;     /* of its point, by configuration and policy */
    struct bs_approvals approvals; /* who must approve it, where it is held */
    bool stricter;  /* the policy has changed meanwhile, and would not have decided so */
    bool in_block;  /* inside the actor's own transaction */
    bool exclusive; /* the statement upgrades its lock: nothing reaches the client before COMMIT */
    bool cancelled;
    bool not_begun; /* paused before its own messages were sent: its ticket can be used again */
    struct bs_buf messages; /* the client's, unchanged */

    /* measuring */
    struct bs_watch *measuring;  /* ends it; NULL: there was none yet */
    bool others;                 /* rows may have been changed by what has passed, too */
    bool warm;                   /* a helper's session is kept for it (recovery/warm.h) */
    bool explains;               /* nothing of it is to run: for whoever asks what it would do */
    bool judged_again;           /* with a catalog that was read anew, for the one was too old */
    bool as_begun;               /* its session is as it was at its start */
    bool unseen;                 /* its transaction has changed what nobody else sees */
    int64_t measured_us;         /* bs_mono_us; 0: nothing was to be measured */
    struct bs_row_limit *limits; /* what it may change of which table (within.h) */
    size_t n_limits;
    struct bs_refusal *blocked; /* by what was measured: refused once that is recorded */

    /* asking */
    char identity[BS_SHA256_TEXT];
    const char *path;          /* the session's search_path, or its digest; "": as at its start */
    char ticket[BS_TICKET_ID]; /* "": none yet */
    const char *approver;      /* who approved; NULL */
    bool redeemed;             /* the ticket is running */
    const char *said;          /* all that it runs, as text; NULL: not asked yet */
    const char *harms;         /* what it would do, as a ticket keeps it */
    const char *evades;        /* it was refused before in other words; NULL: it was not */
    int64_t idle_ms;           /* idle_in_transaction_session_timeout; 0: none, -1: not known */
    int64_t give_up_us;        /* bs_mono_us: the end of the wait */
    int64_t asked_ns;          /* bs_mono_ns: its begin; 0: nobody waits */
    int64_t expires_us;        /* wall clock: the ticket's own end */

    /* running */
    struct bs_ledger *ledger; /* of the transaction it runs in; a reference */
    bool late;                /* the actor's transaction has done something already */
    bool may_not_write;       /* and is READ ONLY for good */
    int64_t budget_us;        /* bs_mono_us by which the locks must be released */
    size_t next_lock;
    unsigned attempts;                /* to run */
    unsigned looks;                   /* for deadlocks */
    bool overtime;                    /* it ran out of its budget while it held our locks */
    char lock_timeout[32];            /* the actor's own; "": ours was not set */
    bool own_patience;                /* it is shorter than ours, and stays */
    char idle_timeout[32];            /* the same, idle_in_transaction_session_timeout */
    struct bs_capture *opened;        /* on its way from the job that opened it */
    bs_gate_job_fn *then;             /* after the capture */
    void (*next)(struct bs_relay *r); /* after a step of before.c */
    struct bs_capture *capture;
    const char *why;                /* how it failed, for operators */
    const char *why_recorded;       /* the same as the audit may have it; NULL: as it is */
    const char *too_slow;           /* its capture was, with the numbers; NULL */
    struct bs_capture_result point; /* valid where `captured` */
    bool captured;
    struct bs_rows_choice choice; /* how its rows are kept */
    bool before;                  /* they are read before it runs, under the plan's locks */
    struct bs_bounds bounds;      /* of its one Bind */
    struct bs_arena readings;     /* of the next two, which are compared at once */
    struct bs_reading start, end_of_run;
    struct bs_changed *covered; /* what it has changed, and was found in the point */
    size_t n_covered;
    struct bs_buf withheld;
    bool completed;          /* the first CommandComplete was seen */
    char sqlstate[6];        /* of an error while the client's messages ran */
    char tag[64];            /* last command tag */
    struct bs_refusal *cut;  /* it was cancelled for having answered with too much; NULL */
    struct bs_refusal *fate; /* what the client is told after ROLLBACK; NULL: what was withheld */
    bool committed;          /* the server has answered the actor's own COMMIT */
    bool prepared;           /* or PREPARE TRANSACTION */
    bool in_ledger;          /* it ran: its end is the transaction's */
    uint64_t ran_at;         /* the moment (savepoints.h) */
    bool undone;             /* by ROLLBACK TO */
    bool closes; /* the last of its ledger: its finish closes what the keeper has kept */
    enum bs_gate_end end;
    int64_t started_us;
    unsigned jobs;   /* out at the moment */
    bool look_again; /* the ticket changed while it was being looked at */
    bool abandoned;  /* the session ended: the job that is out must be followed by the finish */
    bool finished;   /* the finish was posted */
};

struct bs_gate *bs_gate_ref(struct bs_gate *g);
void bs_gate_unref(struct bs_gate **g);

/* --- gate.c --- */

/* Ends a gate that the server has not seen: the client is refused, messages flow again. */
void bs_gate_refuse(struct bs_relay *r, struct bs_refusal *refusal);
/* What the server shows for a time: "0", "500ms", "30s", "5min", "2h", "1d". -1: not that. */
int64_t bs_gate_time_ms(struct bs_bytes text);
/* A ticket's DETAIL: one line of JSON that says what to do next. malloc-ed. */
char *bs_gate_detail(const struct bs_gate *g, const char *state, const char *retry);

/* --- unite.c --- */

/* Makes g->plan, and what goes with it, of all its texts. NO_POINT, LIMIT. */
BS_MUST_CHECK enum bs_done bs_gate_unite(struct bs_gate *g, struct bs_err *err);

/* --- measured.c --- */

/* Counts what is to be counted, judges by it, then calls `then`; at once where there is nothing. */
void bs_gate_measure(struct bs_relay *r, void (*then)(struct bs_relay *r));
/* The same for a gate that holds nothing, at once. On a job thread. */
BS_MUST_CHECK enum bs_done bs_gate_count(struct bs_gate *g, struct bs_err *err);
/* Nobody waits for it any more. */
void bs_gate_measure_stop(struct bs_gate *g);
void bs_gate_measure_free(struct bs_gate *g);
/* Nothing is measured for it any more. May close a connection. */
void bs_gate_measured(struct bs_gate *g);

/* --- protect.c --- */

void bs_protect_begin(struct bs_relay *r);
void bs_protect_ready(struct bs_relay *r);
void bs_protect_timer(struct bs_relay *r);

/* The client's own messages, at last. */
void bs_gate_send_messages(struct bs_relay *r);
/* The timer of a capture: to the next notice or to the end of the budget, whichever comes first. */
void bs_gate_arm_capture(struct bs_relay *r);

/* What is locked is read or copied before the statement runs. */
bool bs_gate_locks(const struct bs_gate *g);

/* A name of the catalog, or of a savepoint, quoted. */
void bs_gate_put_identifier(struct bs_buf *b, const char *name);

/* --- bare.c: statements that cannot be in a block --- */

void bs_bare_run(struct bs_relay *r);
/* The server has answered such a statement. */
void bs_bare_ready(struct bs_relay *r);

/* --- ahead.c: what later statements of the transaction may need --- */

/* A point of the transaction has the whole table. */
bool bs_gate_has_copy(const struct bs_gate *g, uint32_t oid);
/* Adds to the plan what is copied ahead, and takes from it a definition that cannot be read and need not be. On a job
 * thread, when the ledger has its keeper. NO_POINT. */
BS_MUST_CHECK enum bs_done bs_gate_look_ahead(struct bs_gate *g, struct bs_err *err);

/* --- before.c: rows that are read before they change --- */

/* Chooses, where there is a choice, then calls `then`. */
void bs_before_choose(struct bs_relay *r, void (*then)(struct bs_relay *r));
/* The counters as they are now, for the statement that is about to run; then calls `then`. */
void bs_before_start(struct bs_relay *r, void (*then)(struct bs_relay *r));
/* Asks what of its changes the point has, and lets the capture rest; then calls `then`. */
void bs_before_cover(struct bs_relay *r, void (*then)(struct bs_relay *r));
/* Nothing is read before it after all: what it changes is kept before COMMIT. */
void bs_before_give_up(struct bs_gate *g);

/* --- ending.c: how a run ends --- */

/* The client hears how it ended, then messages flow again. */
void bs_gate_conclude(struct bs_relay *r, enum bs_gate_end end);
/* The client hears what was withheld, or g->fate, and ReadyForQuery. */
void bs_gate_tell(struct bs_relay *r, struct bs_gate *g);
/* Lets go of r->gate; what it still has to record goes on without the session. */
void bs_gate_release(struct bs_relay *r);
/* ROLLBACK, then the client is told. */
void bs_gate_roll_back(struct bs_relay *r);
/* Messages flow no more: undo, then tell the client. Takes the refusal. */
void bs_gate_fail(struct bs_relay *r, struct bs_refusal *refusal);
/* The same with the ticket in the detail; a cancel by the client comes first. */
void bs_gate_fail_as(struct bs_relay *r, enum bs_code code, const char *message, const char *hint);
void bs_gate_fail_no_point(struct bs_relay *r);
void bs_gate_fail_busy(struct bs_relay *r);
/* It is about to run, and was paused meanwhile: it does not. False: it may. */
bool bs_gate_fail_paused(struct bs_relay *r);
/* One of our own statements was refused by the server. */
void bs_gate_fail_as_server(struct bs_relay *r);

/* --- closing.c: closing sequence, audit, COMMIT --- */

void bs_closing_begin(struct bs_relay *r);
/* The command tag that answers the actor's own COMMIT. */
void bs_closing_tag(struct bs_gate *g, struct bs_bytes tag);
/* The client's own COMMIT was answered; the answer has been relayed. */
void bs_closing_ready(struct bs_relay *r);
/* The value of idle_in_transaction_session_timeout while the server waits for us. */
void bs_gate_dead_man(const struct bs_relay *r, char *out, size_t size);
/* A row of the counters, into the reading that the step is for. */
void bs_closing_reading_row(struct bs_relay *r, const struct bs_bytes *values, size_t n);
/* Asks for the transaction's number, into the ledger. */
void bs_closing_ask_xid(struct bs_relay *r, bs_inject_done_fn *done);

/* --- gate_job.c, audit_job.c: what blocks. Each calls back on the worker's thread. --- */

typedef void bs_gate_work_fn(struct bs_gate *g, struct bs_err *err);
/* Runs `work` on a job thread, then `done`, which may be NULL. */
void bs_gate_job_post(struct bs_gate *g, bs_gate_work_fn *work, bs_gate_job_fn *done);

/* There is no point: for operators, in the log, on the ticket and in the audit. */
void bs_gate_tell_no_point(struct bs_gate *g, const struct bs_err *why);
/* The state's list of points has it, too. */
void bs_gate_index_point(struct bs_gate *g, const struct bs_capture_result *point);
/* For the metrics: a point was made, from then (bs_mono_ns) until now. */
void bs_gate_count_point(const struct bs_manifest *m, int64_t began_ns);
/* What operators see of a capture for the gate while it is made (progress.h). */
struct bs_progress_entry bs_gate_progress(const struct bs_gate *g, const struct bs_capture *c);

/* err: OK (nobody need be asked, or it is approved already), HELD (pending), BLOCKED (no operator
 * was ever registered), or why it could not be recorded. */
void bs_gate_job_record(struct bs_relay *r, struct bs_gate *g, bs_gate_job_fn *done);
/* What the ticket is now. err: OK approved, HELD pending, DENIED, STALE. */
void bs_gate_job_look(struct bs_relay *r, struct bs_gate *g, bs_gate_job_fn *done);
void bs_gate_job_redeem(struct bs_relay *r, struct bs_gate *g, bs_gate_job_fn *done);
/* Opens the ledger's keeper, where it is not open, and notes the sequences. */
void bs_gate_job_keeper(struct bs_relay *r, struct bs_gate *g, bs_gate_job_fn *done);
/* Opens the gate's capture and chooses; it is closed again where nothing is read before. */
void bs_gate_job_choose(struct bs_relay *r, struct bs_gate *g, bs_gate_job_fn *done);
void bs_gate_job_capture(struct bs_relay *r, struct bs_gate *g, bs_gate_job_fn *done);
/* Which of g->covered the point has; the others are taken out. Then the capture rests. */
void bs_gate_job_cover(struct bs_relay *r, struct bs_gate *g, bs_gate_job_fn *done);
/* err CONFLICT: a deadlock could come of it if the statement ran now. */
void bs_gate_job_look_around(struct bs_relay *r, struct bs_gate *g, bs_gate_job_fn *done);
/* Compares, keeps what is not kept yet, and arms. err UNCOVERED with the list; NO_POINT, CANCELLED. */
void bs_gate_job_audit(struct bs_relay *r, struct bs_gate *g, bs_gate_job_fn *done);
/* Event, ticket, audit outcome. Runs even where the session has ended. `done` may be NULL. */
void bs_gate_job_finish(struct bs_worker *w, struct bs_gate *g, bs_gate_job_fn *done);

#endif
