/*
 * judging.h - the state while one unit meets the catalog: judge.c takes its statements, names.c what
 * they read, targets.c what they change, calls.c what they call, inside.c what that runs.
 *
 * Layer  catalog. Pure.
 * Owns   nothing; what is made lives in the caller's arena.
 */
#ifndef BS_CATALOG_JUDGING_H
#define BS_CATALOG_JUDGING_H

#include "catalog/closure.h"
#include "sql/routine.h"

/* Functions that a statement runs, each once, and how far they have been looked at. */
struct bs_inside {
    const struct bs_run *queue; /* in the order in which they were met */
    size_t n, at, cap;
    uint8_t *met;  /* bits by place in the snapshot's functions */
    size_t judged; /* statements of bodies so far */
    bool opaque;   /* something runs of which nobody knows what it does */
    bool probing;  /* the statement is none: it is asked what one function does */
    /* While a body's statement is judged: */
    const struct bs_routine *routine; /* that it is one of; NULL: it is the statement itself */
    const char *word;                 /* the code of reasons that come of it; NULL: itself */
    int depth;                        /* of DO in bodies */
};

struct bs_judging {
    const struct bs_snapshot *s;
    struct bs_arena *arena;
    struct bs_err *err;
    struct bs_facts *out;
    struct bs_stmt *stmt;
    size_t at; /* index of the statement */
    /* What the session, or an earlier statement of the unit, has done to names. */
    bool path_changed, temporary;
    bool relations_changed, code_changed;
    const struct bs_own *own; /* of the session; NULL: not known */
    struct bs_own here;       /* of earlier statements of the unit */
    bool replaced; /* one of them replaces what the snapshot takes for harmless, wherever it is */
    size_t told;   /* how much of what temporary objects run was looked at */
    const struct bs_effect **made; /* names that earlier statements of the unit create */
    size_t n_made, cap_made;
    size_t cap_targets;
    bool uncoverable; /* no recovery point of ours covers this statement */
    bool full;        /* the arena's ceiling was reached */
    struct bs_inside inside;
};

/* A schema of the server's own, which no session can change the meaning of. */
bool bs_schema_is_system(const char *schema);

/* Raises the statement's risk; `code` is a constant. */
void
bs_judging_raise(struct bs_judging *j, enum bs_risk risk, const char *code, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
/* The same with what a snapshot says of a use; nothing where that is SAFE. */
void bs_judging_taint(struct bs_judging *j, const struct bs_taint *taint);

/* What a kind of statement does with the relation that it names. */
enum bs_role {
    BS_ROLE_ALTER = 0, /* changes the relation as such */
    BS_ROLE_INSERT,
    BS_ROLE_UPDATE,
    BS_ROLE_DELETE,
    BS_ROLE_TRUNCATE,
    BS_ROLE_REFRESH,
    BS_ROLE_UPKEEP,  /* evaluates index expressions */
    BS_ROLE_REWRITE, /* ALTER that may do the same, or check every row */
    BS_ROLE_DROP,
    BS_ROLE_CREATE, /* the name is not there yet */
    BS_ROLE_REPLACE,
    BS_ROLE_TOUCH, /* loses nothing: LOCK TABLE */
};

extern const uint8_t bs_roles[BS_KIND_COUNT]; /* targets.c */

/* --- names.c --- */

/* There is no relation of that name, as far as anybody knows. */
void bs_judging_unknown(struct bs_judging *j, struct bs_name name);
/* What it means in this session is not known. */
void bs_judging_doubt(struct bs_judging *j, struct bs_name name);
bool bs_name_is_temporary(struct bs_name name);
/* The name is not there before the effect. */
bool bs_effect_creates(const struct bs_effect *e);
bool bs_effect_is_new(const struct bs_effect *e);
/* An earlier statement of the unit makes it: nothing of it is committed. */
bool bs_judging_made(const struct bs_judging *j, struct bs_name name);
/* What changing it is, for all that the session and the unit have done. */
enum bs_own_is bs_judging_written(const struct bs_judging *j, const struct bs_effect *e);
void bs_judge_read(struct bs_judging *j, struct bs_name name);

/* --- targets.c --- */

/* Its OID; 0: there is none of that name. */
uint32_t bs_judging_schema(const struct bs_judging *j, const char *name);
/* All that the statement changes, as it stands. */
void bs_judge_effects(struct bs_judging *j);

/* --- others.c --- */

/* DROP of an extension, a server, a collation or the like: tables and columns may hang on it. */
void bs_judge_other(struct bs_judging *j, struct bs_closure *c, const struct bs_effect *e);
/* DROP OWNED and REASSIGN OWNED: all that the role has in this database. */
void bs_judge_owned(struct bs_judging *j, struct bs_closure *c, const struct bs_effect *e);

/* What reading a relation of that name is, for all that the session and the unit have done. */
enum bs_own_is bs_judging_own(const struct bs_judging *j, struct bs_name name);

/* What using the temporary relations and types of that name runs, as the server has told it. False
 * where there is none. */
bool bs_judge_told(struct bs_judging *j, struct bs_name name);

/* calls.c: functions, operators, types. */
void bs_judge_calls(struct bs_judging *j);

/* judge.c: what the statement, as it stands, names and changes. */
void bs_judge_named(struct bs_judging *j);
/* The array, or a larger one; NULL, with `full` set, where the arena is. */
void *bs_judging_grow(struct bs_judging *j, void *list, size_t n, size_t *cap, size_t each);

/* inside.c: the statement runs a function; `word` is the code of reasons that come of it. */
void bs_judge_run(struct bs_judging *j, uint32_t function, const char *word);
/* Whether what a function does can be told, so that bs_judge_run is to be asked. */
bool bs_function_can_be_read(const struct bs_function *f);
/* inside.c: what all functions do that the statement was found to run, and those that they run. */
void bs_judge_inside(struct bs_judging *j);

#endif
