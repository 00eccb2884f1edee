/*
 * rows.h - the shapes that the state stores, and what is legal in them.
 *
 * Layer  state. Pure.
 * Owns   nothing; strings belong to the arena they were read into, or to the caller.
 */
#ifndef BS_STATE_ROWS_H
#define BS_STATE_ROWS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define BS_NAME_MAX    63 /* of an agent or operator, in bytes */
#define BS_SHA256_TEXT 65 /* 64 lower-case hex digits and a NUL */
#define BS_TICKET_ID   29 /* "T-", 26 characters and a NUL */

/* What connects. It is said in records and lists; what one may do, the policy says. */
enum bs_actor_kind {
    BS_ACTOR_AGENT = 0, /* decides by itself what it sends */
    BS_ACTOR_APP,       /* a program */
    BS_ACTOR_PERSON,
    BS_ACTOR_KINDS
};

#define BS_ADDRESSES_OF_ACTOR 64 /* ranges of client addresses that one may be let in from */

/* Who may connect. All times are microseconds since 1970, UTC; 0: not set. */
struct bs_agent {
    const char *name;
    enum bs_actor_kind kind;
    const char *owner;      /* the human who answers for it; NULL: nobody named */
    const char *group;      /* what policies may name instead of it; NULL: in none */
    const char **databases; /* configured names it may connect to; n_databases, at least one */
    size_t n_databases;
    const char *verifier;       /* SCRAM-SHA-256 verifier text, as in pg_authid.rolpassword */
    int64_t created_us;         /* 0 in bs_state_agent_add: now */
    int64_t expires_us;         /* 0: never */
    int64_t revoked_us;         /* 0: not revoked; for good */
    int64_t disabled_us;        /* 0: not; else it is not let in until it is enabled again */
    int64_t quarantined_us;     /* 0: not; else it may only read until a human releases it */
    const char *quarantine_why; /* for operators; NULL where it is not */
    int64_t paused_us; /* 0: not; else an operator has stopped it, or everything; set when read */
    /* What the client's certificate must say: "cn:NAME" or "dn:SUBJECT" (RFC 2253); NULL: none is
     * asked for. */
    const char *certificate;
    bool certificate_only;  /* it is proof enough; else the password is asked for, too */
    const char **addresses; /* where it may come from, as base/cidr.h reads them; none: anywhere */
    size_t n_addresses;
    const char *old_verifier; /* of the password before, until then; NULL: it has ended */
    int64_t old_until_us;
    const char *role; /* that its sessions log in to the database with; NULL: that of `upstream` */
};

/* A short-lived password of an agent, beside its own. */
struct bs_token {
    char id[BS_TICKET_ID]; /* "K-" and a ULID; no secret */
    const char *agent;
    const char *verifier; /* under the salt of the agent's (wire/scram.h) */
    const char *made_by;  /* "local:root" */
    const char *note;     /* what for; may be NULL */
    int64_t created_us;   /* 0 in bs_state_token_add: now */
    int64_t expires_us;
    int64_t revoked_us; /* 0: not revoked */
};

#define BS_TOKENS_MAX     8                              /* of one agent, that count at a time */
#define BS_TOKEN_KEPT_US  (INT64_C(7) * 86400 * 1000000) /* that it is listed after its end */
#define BS_TOKEN_NOTE_MAX 200                            /* bytes */

/* What bs_state_agent_alter writes, as bits. */
enum bs_agent_field {
    BS_AGENT_OWNER = 1u << 0,
    BS_AGENT_GROUP = 1u << 1,
    BS_AGENT_DATABASES = 1u << 2,
    BS_AGENT_EXPIRES = 1u << 3,
    BS_AGENT_CERTIFICATE = 1u << 4, /* and certificate_only */
    BS_AGENT_ADDRESSES = 1u << 5,
    BS_AGENT_ROLE = 1u << 6,
    BS_AGENT_KIND = 1u << 7,
    BS_AGENT_DISABLED = 1u << 8, /* disabled_us */
};

/* Zero may nothing; each higher one may what the lower ones may. */
enum bs_role {
    BS_ROLE_NONE = 0,
    BS_ROLE_VIEWER,
    BS_ROLE_APPROVER,
    BS_ROLE_ADMIN,
};

struct bs_operator {
    const char *name;
    enum bs_role role;
    const char *token_sha256; /* hex; the token itself is stored nowhere */
    const char **groups;      /* of approvers, that policies may ask for; n_groups */
    size_t n_groups;
    const char **owners; /* names of the human who holds the token, beside `name`; n_owners */
    size_t n_owners;
    int64_t created_us;   /* 0 in bs_state_operator_add: now */
    int64_t changed_us;   /* when who acts as it, or what it may, was last another; set when read */
    int64_t expires_us;   /* 0: never */
    int64_t revoked_us;   /* 0: not revoked */
    int64_t old_until_us; /* the token before counts until then; 0: it has ended */
};

/* What bs_state_operator_alter writes, as bits. */
enum bs_operator_field {
    BS_OPERATOR_ROLE = 1u << 0,
    BS_OPERATOR_GROUPS = 1u << 1,
    BS_OPERATOR_OWNERS = 1u << 2,
    BS_OPERATOR_EXPIRES = 1u << 3,
};

/* A human, by all names that are known. */
struct bs_human {
    const char *name;
    const char *const *also;
    size_t n_also;
};

/* pending -> approved | denied | expired; approved -> running | expired;
 * running -> done | failed | uncertain. */
enum bs_ticket_state {
    BS_TICKET_NONE = 0, /* no ticket */
    BS_TICKET_PENDING,
    BS_TICKET_APPROVED,
    BS_TICKET_DENIED,
    BS_TICKET_EXPIRED, /* not decided, or not redeemed, in time; or voided by a stricter policy */
    BS_TICKET_RUNNING,
    BS_TICKET_DONE,
    BS_TICKET_FAILED,
    BS_TICKET_UNCERTAIN, /* it is not known whether it committed */
    BS_TICKET_STATES
};

/* A held request. Texts are UTF-8; NULL where there is nothing to say. */
struct bs_ticket {
    char id[BS_TICKET_ID];
    char identity[BS_SHA256_TEXT]; /* bs_ticket_identity */
    const char *actor;
    const char *owner;
    const char *database;    /* configured name */
    const char *role;        /* on the server */
    const char *environment; /* from the configuration */
    const char *session;     /* id of the session that asked first */
    const char *client;      /* its address */
    const char *sql;         /* text as sent */
    const char *params;      /* for people; NULL: none */
    const char *risk;        /* "HIGH", ... */
    const char *effects;     /* JSON, for people */
    const char *plan;        /* JSON, for people */
    const char *reasons;     /* JSON: rule and reasons; for operators only */
    const char *limits;      /* JSON: approval/limits.h */
    const char *harms;       /* JSON: what it would do to what (approval/evasion.h) */
    const char *evades;      /* JSON: it was asked for before in other words; NULL: it was not */
    const char *approvals;   /* JSON: who must approve (approval/quorum.h); NULL: any one */
    const char *claims;      /* JSON: what the client says of itself; NULL: nothing */
    int64_t created_us;
    int64_t decide_by_us;

    enum bs_ticket_state state; /* from here on: what bs_state_ticket_move writes */
    int64_t decided_us;
    const char *decided_by; /* operator; several that approved together: "kim, lee" */
    const char *reason;     /* the operator's words */
    int64_t redeem_by_us;   /* set by approval */
    int64_t started_us;     /* redeemed */
    int64_t finished_us;
    const char *detail; /* how it ended, or why it was voided */
    const char *point;  /* recovery point id */

    int64_t asked;   /* how often the same request came; kept by the state */
    int64_t version; /* counts changes; kept by the state */
};

#define BS_TICKETS_PENDING_MAX  250         /* of one actor, at a time */
#define BS_TICKETS_PENDING_TEXT (64u << 20) /* characters of what they would run, together */

/* What an operator said to a ticket. Zero decides nothing. */
enum bs_said {
    BS_SAID_COMMENT = 0,
    BS_SAID_DENY,
    BS_SAID_APPROVE,
};

/* One decision, or comment. An operator decides a ticket once and comments it as often as they like. */
struct bs_said_row {
    char ticket[BS_TICKET_ID];
    const char *operator_;
    int64_t operator_us; /* when that operator was made: a name may be given again */
    const char **groups; /* that the operator was in; n_groups */
    size_t n_groups;
    const char **owners; /* the operator's; when read, those of then and those of now */
    size_t n_owners;
    enum bs_said said;
    int64_t at_us;
    const char *text; /* the operator's words; NULL: none */
    bool in_force;    /* that operator may still decide; set when read */
};

/* A ticket that an admin has approved alone, in an emergency; another operator reviews that. */
struct bs_glass {
    char ticket[BS_TICKET_ID];
    const char *operator_;
    int64_t operator_us; /* when that operator was made: a name may be given again */
    const char **owners; /* the operator's; when read, those of then and those of now */
    size_t n_owners;
    int64_t at_us;
    const char *reason;
    const char *reviewed_by; /* NULL: nobody yet */
    int64_t reviewed_us;     /* 0: not yet */
    const char *note;        /* the reviewer's words */
    const char *actor;       /* from here on of the ticket, set when read */
    const char *database;
    enum bs_ticket_state state;
    bool in_force; /* whoever broke it is still an admin */
};

struct bs_glass_filter {
    bool open;          /* only those that nobody has reviewed */
    const char *before; /* ticket: only older ones; NULL: any */
    size_t limit;       /* 0: all */
};

struct bs_ticket_filter {
    unsigned states;      /* bits 1u << enum bs_ticket_state; 0: any */
    const char *actor;    /* NULL: any */
    const char *database; /* NULL: any */
    const char *before;   /* id: only older ones; NULL: any */
    size_t limit;         /* 0: all */
    bool whole; /* with the texts that an agent makes as long as it likes: bs_state_ticket_list */
};

struct bs_point_row {
    const char *id;
    const char *database; /* configured name */
    const char *state;    /* name of its last event */
    const char *actor;
    const char *ticket;   /* NULL: none */
    const char *kind;     /* statement kind, "DROP TABLE" */
    const char *tables;   /* JSON array of "schema.name" */
    const char *manifest; /* storage key */
    int64_t created_us;
    int64_t rows;  /* captured */
    int64_t bytes; /* stored */
};

/* What a pause holds back. Zero holds back nothing, and is stored nowhere. */
enum bs_pause_scope {
    BS_PAUSE_NONE = 0,
    BS_PAUSE_ACTOR,
    BS_PAUSE_DATABASE,
    BS_PAUSE_EVERYTHING,
};

/* An operator has stopped something, until another one lets it go on. */
struct bs_pause {
    enum bs_pause_scope scope;
    const char *name; /* of the actor, or the database as configured; "" for everything */
    bool cancel;      /* what runs, and transactions that are open, are ended, too */
    int64_t at_us;
    const char *by;     /* "operator:kim" */
    const char *reason; /* for operators */
};

/* What bs_state_resume has lifted. */
struct bs_resumed {
    bool pause;
    bool quarantine;
};

/* A plan of a restore, known by the digest of its file (restore/planfile.h). */
struct bs_restore_plan {
    char sha256[BS_SHA256_TEXT];
    const char *point;
    const char *made_by; /* operator */
    int64_t made_us;
    int64_t expires_us;
    const char *approved_by; /* another operator; NULL: nobody yet */
    int64_t approved_us;     /* 0: not approved */
    const char *reason;      /* the approver's words; may be NULL */
    const char *used_by;
    int64_t used_us; /* 0: not used; it can be used once */
};

/* A restore that was asked for over the API, step by step: what api/restores.c makes of it. */
struct bs_restore_row {
    const char *id;
    bool open;        /* a step is waiting or running */
    const char *doc;  /* JSON; no rows of anybody are in it */
    const char *plan; /* its plan file, while that can be carried out; NULL */
    bool elsewhere;   /* read only: open in another gateway, which lives */
};

/* What the policy has blocked, so that the same in other words is recognised. */
struct bs_blocked {
    int64_t at_us; /* the last time */
    const char *actor;
    const char *database;
    const char *identity; /* bs_ticket_identity; one row for each */
    const char *harms;    /* JSON, as a ticket's */
    const char *evades;   /* the same; NULL */
};

#define BS_BLOCKED_MAX 64 /* rows of one actor; the oldest go first */

#define BS_OWNERS_OF_OPERATOR 16  /* names */
#define BS_OWNER_MAX          200 /* bytes of one */

struct bs_change {
    int64_t id;
    int64_t at_us;
    const char *by;      /* who */
    const char *action;  /* "agent.add", "agent.rekey", "agent.revoke", "operator.add", ... */
    const char *subject; /* the agent's or operator's name */
    const char *detail;  /* JSON object without secrets */
};

/* NULL, or nothing but white space. */
bool bs_text_is_blank(const char *text);

/* [a-z0-9._-], 1 to 63 bytes, not starting with '.' or '-'. USAGE says what is wrong with `what`. */
BS_MUST_CHECK enum bs_done bs_name_check(const char *what, const char *name, struct bs_err *err);

/* May this agent connect to that database at that time? Where it comes from is not looked at. */
bool bs_agent_may(const struct bs_agent *agent, const char *database, int64_t now_us);
/* "revoked", "disabled", "expired": nobody is let in with it; else "paused", "quarantined" or
 * "active". */
const char *bs_agent_status(const struct bs_agent *agent, int64_t now_us);
/* Why it is not let in at all, "revoked", "disabled" or "expired"; NULL: it is. */
const char *bs_agent_shut_out(const struct bs_agent *agent, int64_t now_us);
/* Does it count at that time? Whether its agent is let in is another question. */
bool bs_token_counts(const struct bs_token *token, int64_t now_us);
/* May it come from that client address ("127.0.0.1:40312", "unix:/run/backstop")? */
bool bs_agent_may_come(const struct bs_agent *agent, const char *client);
/* Copies the named fields; texts stay where they are. */
void bs_agent_overlay(struct bs_agent *to, const struct bs_agent *from, unsigned fields);

const char *bs_actor_kind_name(enum bs_actor_kind kind); /* "agent", "app", "person" */
BS_MUST_CHECK bool bs_actor_kind_find(const char *name, enum bs_actor_kind *out);

const char *bs_role_name(enum bs_role role); /* "viewer", ...; "none" */
enum bs_role bs_role_find(const char *name); /* NONE where there is none of that name */
/* Neither revoked nor expired then, and of at least that role. False for needed NONE. */
bool bs_operator_may(const struct bs_operator *op, enum bs_role needed, int64_t now_us);
/* "revoked", "expired" or "active". */
const char *bs_operator_status(const struct bs_operator *op, int64_t now_us);
/* Copies the named fields; texts stay where they are. */
void bs_operator_overlay(struct bs_operator *to, const struct bs_operator *from, unsigned fields);

/* Who holds the token of an operator. */
struct bs_human bs_operator_human(const struct bs_operator *op);
struct bs_human bs_said_human(const struct bs_said_row *said);
struct bs_human bs_glass_human(const struct bs_glass *glass);
/* Has it been, since before `then`, what it is now, in the same hands? Whoever can change operators
 * could else be several of them. */
bool bs_operator_was(const struct bs_operator *op, int64_t then_us);
/* Is that one of their names? Letters of ASCII count the same in both cases. */
bool bs_human_is(const struct bs_human *h, const char *name);
/* Is one of their names the same? */
bool bs_humans_same(const struct bs_human *a, const struct bs_human *b);

const char *bs_pause_scope_name(enum bs_pause_scope scope); /* "actor", ...; "none" */
enum bs_pause_scope bs_pause_scope_find(const char *name);  /* NONE where there is none */

const char *bs_said_name(enum bs_said said); /* "comment", "deny", "approve" */
enum bs_said bs_said_find(const char *name); /* COMMENT where there is none of that name */

const char *bs_ticket_state_name(enum bs_ticket_state state); /* "pending", ...; "none" */
enum bs_ticket_state bs_ticket_state_find(const char *name);  /* NONE where there is none */

/* Lower-case hex SHA-256 of a C string: how operators' tokens are stored. */
void bs_sha256_text(const char *text, char out[BS_SHA256_TEXT]);

#endif
