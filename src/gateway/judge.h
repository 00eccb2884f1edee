/*
 * judge.h - from a text to what is done with it: parse and classify, look up what the names mean,
 * ask the policy, plan the recovery point. Five calls, in that order, in one place.
 *
 * Layer  gateway. Pure but for what the snapshot holds: no I/O.
 * Owns   everything in a verdict lives in the caller's arena.
 */
#ifndef BS_GATEWAY_JUDGE_H
#define BS_GATEWAY_JUDGE_H

#include "catalog/judge.h"
#include "policy/decide.h"
#include "recovery/plan.h"
#include "sql/classify.h"
#include "sql/door.h"

enum bs_way {
    BS_WAY_REFUSE = 0, /* it does not run; `code`, `sqlstate` and `message` say why */
    BS_WAY_PASS,       /* forwarded as it is */
    BS_WAY_RUN,        /* allowed, but inside a protected execution */
    BS_WAY_HOLD,       /* a human decides, then it runs inside a protected execution */
};

struct bs_verdict {
    enum bs_way way;
    enum bs_code code;    /* BS_WAY_REFUSE: else BS_OK */
    const char *sqlstate; /* overrides the code's; NULL */
    const char *message;  /* for the client: that, and what next; never which rule */
    const char *hint;     /* NULL: none */
    struct bs_unit unit;
    struct bs_facts facts;
    struct bs_decision decision;
    struct bs_plan plan;
    /* How many rows it changes is to be counted before the way is final: see bs_judge_measured. */
    bool measure;
    bool measured;
    struct bs_plan_select *selects; /* to count by */
    size_t n_selects;
    bool refresh;   /* judged with a catalog that lacks a name: load it again, judge again */
    bool named;     /* depends on what names of the session mean now: never kept */
    bool asks_role; /* SET ROLE to the role that it logged in with: SAFE where it acts as itself */
    bool wait;      /* what a name means is not decided yet: judge again after the answers */
    bool apart;     /* not judged: it, or what it names, is longer than bs_judge.max_text */
    bool wrapped;   /* exactly BEGIN; ...; COMMIT around what is to be protected */
    const struct bs_policy *policy; /* that decided; to decide anew with another, judge anew */
    uint64_t epoch;                 /* of the database, when judged */
    struct bs_bytes text;
    struct bs_bytes shown;    /* the same for people, without passwords */
    struct bs_bytes recorded; /* and for the audit: perhaps without any value */
    struct bs_bytes executed; /* what runs was named by PREPARE: its text; else p is NULL */
    struct bs_door door;      /* it is for the gateway itself to answer, where it passes */
};

enum bs_lookup {
    BS_LOOKUP_NONE = 0, /* there is none of that name */
    BS_LOOKUP_FOUND,
    BS_LOOKUP_WAIT, /* answers of the server that are still to come decide what it means */
};

/* How to look up what a statement means by a name. */
struct bs_known {
    void *names;
    /* Text of a prepared statement; it lives until the next message is looked at. */
    enum bs_lookup (*statement)(void *names, const char *label, struct bs_bytes *text);
    bool (*cursor)(void *names, const char *label);
};

/* Whether the role that the session has is the one it logged in with. */
enum bs_acts_as {
    BS_ACTS_AS_UNASKED = 0,
    BS_ACTS_AS_ITSELF, /* the server has said so */
    BS_ACTS_AS_OTHER,  /* or nobody knows */
};

/* All that a judgement depends on beside the text. */
struct bs_judge {
    const struct bs_policy *policy;
    struct bs_subject subject;
    const struct bs_snapshot *snapshot; /* never NULL */
    uint64_t epoch;
    struct bs_session_names names;
    struct bs_plan_limits limits;
    bool shielded;                /* the actor's own READ WRITE is refused */
    const struct bs_known *known; /* named statements and cursors of the session; NULL: none */
    const char *role;             /* that it logged in with; NULL: not known */
    enum bs_acts_as acts_as;
    size_t max_text; /* a longer one is left alone (apart.h); 0: none is too long */
    const struct bs_audit_digest *redact; /* makes `recorded`; NULL: it is what is shown */
};

/*
 * Judge a text.
 *
 * text  UTF-8, without the final NUL; lives at least as long as the verdict
 * err   LIMIT: too large. Whatever else is wrong with the text is a verdict.
 */
BS_MUST_CHECK enum bs_done bs_judge(const struct bs_judge *by,
                                    struct bs_bytes text,
                                    struct bs_arena *arena,
                                    struct bs_verdict *out,
                                    struct bs_err *err);

/*
 * Its targets were measured, or could not be: the risk is settled by that, and the policy asked
 * again. The way may be another one, stricter or not.
 *
 * err  LIMIT: the arena's ceiling; the verdict then refuses
 */
BS_MUST_CHECK enum bs_done bs_judge_measured(const struct bs_judge *by,
                                             struct bs_verdict *v,
                                             struct bs_arena *arena,
                                             struct bs_err *err);

/* The unit is one EXECUTE, judged as what its name stands for. */
bool bs_verdict_is_execute(const struct bs_verdict *v);
/* A table with rows that the statement changes, under a lock that keeps others from reading them. */
bool bs_target_hides(const struct bs_target *t);
/* Some statement of the unit begins or ends a transaction, or a part of one. */
bool bs_verdict_is_boundary(const struct bs_verdict *v);
/* The unit is one PREPARE: it makes a name and runs nothing. */
bool bs_verdict_is_prepare(const struct bs_verdict *v);

/* The catalog must be read again before the unit is gated. */
bool bs_verdict_needs_fresh(const struct bs_verdict *v);

/*
 * True where this policy would be stricter than the one that the verdict is of: it blocks what that
 * one held or allowed, holds what it allowed, or wants what it waived. Also where that cannot be told.
 */
bool bs_verdict_is_stricter_by(const struct bs_verdict *v,
                               const struct bs_policy *policy,
                               const struct bs_subject *subject,
                               struct bs_arena *arena);

/* The same verdict, of the same text elsewhere; `recorded` is that of `v`'s text. */
void bs_verdict_move(const struct bs_verdict *v, struct bs_bytes text, struct bs_verdict *out);

/* Turns a verdict into a refusal, keeping the first reason. The strings must outlive the verdict. */
void bs_verdict_refuse(struct bs_verdict *v,
                       enum bs_code code,
                       const char *sqlstate,
                       const char *message,
                       const char *hint);

#endif
