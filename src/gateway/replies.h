/*
 * replies.h - what the server still owes: one entry for each message that was forwarded, in order.
 *
 * From it the relay knows whom an answer belongs to, commits names when they are answered, finds
 * the moments when nothing is in flight, and recognises the answers to its own messages.
 *
 * Layer  gateway. On the session's worker thread.
 * Owns   entries hold a reference to the prepared statement they will enter.
 */
#ifndef BS_GATEWAY_REPLIES_H
#define BS_GATEWAY_REPLIES_H

#include "gateway/effects.h"

struct bs_caps;    /* gateway/caps.h */
struct bs_refusal; /* gateway/refusal.h */

enum bs_reply_kind {
    BS_REPLY_NONE = 0,
    BS_REPLY_QUERY,    /* answered by ReadyForQuery */
    BS_REPLY_PARSE,    /* 1 */
    BS_REPLY_BIND,     /* 2 */
    BS_REPLY_DESCRIBE, /* t then T or n, or T or n */
    BS_REPLY_EXECUTE,  /* D* then C, I, s; or a COPY, then C */
    BS_REPLY_CLOSE,    /* 3 */
    BS_REPLY_SYNC,     /* Z */
};

/* How the answer is treated. */
enum bs_reply_whose {
    BS_REPLY_CLIENT = 0, /* goes to the client */
    BS_REPLY_POISON,     /* the error that we provoked: rewritten, then to the client */
    BS_REPLY_SILENT,     /* ours: swallowed */
};

struct bs_reply {
    enum bs_reply_kind kind;
    enum bs_reply_whose whose;
    bool dirty;                   /* QUERY, BIND: runs more than BEGIN, SET and SHOW */
    bool ddl;                     /* QUERY, BIND: changes the catalog */
    bool copies;                  /* QUERY, EXECUTE: may ask for COPY data */
    bool counted;                 /* QUERY, EXECUTE: its rows are counted (caps.h) */
    bool cut_short;               /* past the cap it goes on, without its rows */
    struct bs_caps *caps;         /* QUERY, BIND: of its statements; NULL: none */
    struct bs_prepared *prepared; /* PARSE, and QUERY of PREPAREs: see bs_replies_name */
    size_t ended;                 /* QUERY: so many of its statements have */
    size_t hidden;                /* QUERY: so many more of its first ones are ours */
    struct bs_effects *effects;   /* QUERY, BIND, EXECUTE: what its statements do to the session */
    struct bs_refusal *refusal;   /* POISON: what the client is told instead */
    char name[BS_SQL_NAME_MAX + 1]; /* BIND, EXECUTE: portal; CLOSE: what is closed */
    char name_kind;                 /* CLOSE: 'S' or 'P' */
};

struct bs_replies {
    struct bs_reply *ring;
    size_t cap, head, n;
    size_t naming; /* in `prepared` of all entries: without any, no name is in question */
};

#define BS_REPLIES_MAX    16384 /* entries; a client that is owed more answers is not read further */
#define BS_REPLIES_SERIES 16384 /* what one series and our own messages may add to that */

void bs_replies_fini(struct bs_replies *r); /* accepts a zeroed one */
/* A new zeroed entry at the end; never NULL while n < BS_REPLIES_MAX. */
struct bs_reply *bs_replies_push(struct bs_replies *r, enum bs_reply_kind kind);
/* The entry that is answered next, or NULL. */
struct bs_reply *bs_replies_head(struct bs_replies *r);
/* The i-th entry from the head, or NULL. */
struct bs_reply *bs_replies_at(struct bs_replies *r, size_t i);
/* Its answer will give a statement its name, after those that it gives already; takes the reference. */
void bs_replies_name(struct bs_replies *r, struct bs_reply *reply, struct bs_prepared *prepared);
/* The first of them, which has it by now: a reference for the caller. NULL: there is none. */
struct bs_prepared *bs_replies_named(struct bs_replies *r, struct bs_reply *reply);
void bs_replies_pop(struct bs_replies *r);
/* Takes out the i-th entry from the head. */
void bs_replies_remove(struct bs_replies *r, size_t i);
/* What a name may mean while answers are outstanding. */
enum bs_pending {
    BS_PENDING_NONE = 0, /* nothing outstanding concerns it */
    BS_PENDING_PARSE,    /* a Parse of the same series: if that fails, what follows is skipped */
    BS_PENDING_UNSURE,   /* a Parse of another series, or a PREPARE: wait for the answer */
};

/* `out` is set for PARSE: a borrowed statement. */
enum bs_pending
bs_replies_pending(struct bs_replies *r, struct bs_bytes name, struct bs_prepared **out);

#endif
