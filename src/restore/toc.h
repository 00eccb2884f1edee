/*
 * toc.h - the table of contents of a schema dump, as `pg_restore -l -v` prints it; and which of
 * its entries have to come back for a dropped relation.
 *
 * The rule: an entry comes back where the live database lacks it and a chain of lacking entries,
 * joined by "depends on" in either direction, leads to a lost relation. Up the chain is what the
 * relation needs (schema, type, sequence), down it is what CASCADE took (views, incoming foreign
 * keys, grants, comments, publication membership). What was dropped for itself, on a relation
 * that still lives, is not joined and stays away.
 *
 * Layer  restore. Pure.
 * Spec   app-pgrestore.html, option -l; the dependency lines are those of PrintTOCSummary.
 * Owns   entries live in the caller's arena; texts borrow the listing.
 */
#ifndef BS_RESTORE_TOC_H
#define BS_RESTORE_TOC_H

#include "base/arena.h"
#include "base/bytes.h"
#include "base/err.h"

struct bs_toc_entry {
    uint32_t dump_id;
    uint32_t class_oid; /* 0: the entry has no catalog row of its own (COMMENT, ACL, ...) */
    uint32_t oid;
    struct bs_bytes line; /* the whole line, as pg_restore -L takes it back */
    struct bs_bytes what; /* "TABLE public users postgres": kind, schema, name, owner */
    struct bs_bytes key;  /* `what` without its last word, the owner */
    uint32_t *needs;      /* dump ids of what it depends on */
    size_t n_needs;
};

struct bs_toc_place {
    uint32_t dump_id;
    size_t at;
};

struct bs_toc {
    struct bs_toc_entry *list; /* in the order of the dump */
    size_t n;
    struct bs_toc_place *by_id; /* sorted by dump id, n of them */
    struct bs_bytes start; /* a line of the section pre-data without SQL of its own; empty: none */
};

/* Reads a listing. DATA: not a listing, LIMIT: the arena's ceiling. `text` outlives the toc. */
BS_MUST_CHECK enum bs_done
bs_toc_parse(struct bs_bytes text, struct bs_arena *arena, struct bs_toc *out, struct bs_err *err);

/* The words of an entry's key. Of a name with spaces in it they are a guess: only to be shown, and
 * compared with others of the same listing. */
struct bs_toc_words {
    struct bs_bytes kind;   /* "FK CONSTRAINT" */
    struct bs_bytes schema; /* "-": none */
    struct bs_bytes name;   /* "orders orders_user" */
};
struct bs_toc_words bs_toc_words(const struct bs_toc_entry *e);

/* The place of an entry by its dump id; toc->n: there is none. */
size_t bs_toc_find(const struct bs_toc *toc, uint32_t dump_id);

/* True where the entry is of that kind, e.g. "MATERIALIZED VIEW". */
bool bs_toc_is(const struct bs_toc_entry *e, const char *kind);

/*
 * The key of a relation, as a listing spells it: "TABLE public users". Not its OID: a dump is kept
 * once per content, and the same content may have been written when it had other OIDs.
 *
 * relkind   r p: TABLE, m: MATERIALIZED VIEW, S: SEQUENCE, v: VIEW, f: FOREIGN TABLE
 * returns   in the arena; empty past its ceiling
 */
struct bs_bytes
bs_toc_key(char relkind, const char *schema, const char *name, struct bs_arena *arena);

/* What has to be looked for. */
struct bs_toc_want {
    const struct bs_bytes *keys; /* of bs_toc_key */
    size_t n;
    bool all_missing; /* every entry that `live` lacks, joined or not */
    /* For another database, which may lack everything: the objects of these keys alone, with their
     * own parts and what they need. No privileges or policies, whose roles may not be there; foreign
     * keys and rules only where what they refer to is. */
    bool alone;
    bool about; /* also what the point's statement was about, relation or not */
    /* For each saved entry, where not NULL: */
    const bool *also;  /* it is looked for, too */
    const bool *there; /* it is not missing; instead of looking for its key in `live` */
};

/*
 * Chooses entries of `saved` that are not in `live`.
 *
 * out   indexes into saved->list, ascending: the order of the dump
 * err   LIMIT
 */
BS_MUST_CHECK enum bs_done bs_toc_choose(const struct bs_toc *saved,
                                         const struct bs_toc *live,
                                         struct bs_toc_want want,
                                         struct bs_arena *arena,
                                         size_t **out,
                                         size_t *n,
                                         struct bs_err *err);

/*
 * Leaves entries out: those of these keys, and all that depends on them.
 *
 * out   indexes into toc->list of the others, ascending
 * err   LIMIT
 */
BS_MUST_CHECK enum bs_done bs_toc_without(const struct bs_toc *toc,
                                          const struct bs_bytes *keys,
                                          size_t n_keys,
                                          struct bs_arena *arena,
                                          size_t **out,
                                          size_t *n,
                                          struct bs_err *err);

#endif
