/*
 * reading.h - the state while one statement is read, and what its readers may note down.
 *
 * A reader is a function for one node type (rules.c has the table). It notes what the node means
 * and pushes those children that mean something by themselves; what it does not push is not read.
 * Nothing here fails on the way: past the arena's ceiling `full` is set and the caller looks once.
 *
 * Layer  sql. Pure.
 * Owns   what is noted lives in the caller's arena.
 */
#ifndef BS_SQL_READING_H
#define BS_SQL_READING_H

#include "sql/builtins.h"
#include "sql/classify.h"
#include "sql/nodes.h"
#include "sql/walk.h"

/* Slots of the table that finds what was noted before. */
#define BS_READING_SEEN 64

struct bs_reading {
    struct bs_arena *arena;
    struct bs_stmt *stmt;
    bool full;                    /* the arena's ceiling was reached */
    bool top_known;               /* the statement has got its kind */
    bool locks_rows;              /* SELECT ... FOR UPDATE somewhere */
    const FuncCall *setting_call; /* a set_config whose name the WHERE of its SELECT tells ... */
    const char *setting_name;     /* ... in the tree's memory */
    size_t n_compared;            /* see struct bs_unit */
    size_t cap_effects, cap_reads, cap_calls, cap_reasons;
    uint32_t *seen; /* index + 1 of a read or, with the top bit, of a call */
    size_t n_seen, cap_seen;
    uint32_t first_seen[BS_READING_SEEN];
    uint8_t kinds[BS_KIND_COUNT / 8 + 1]; /* kinds that have given their reason */
    struct bs_effect scratch;             /* stands in where an effect is not kept */
    struct bs_walk walk;                  /* the last one: it is large, and not cleared */
};

typedef void bs_read_fn(struct bs_reading *r, const Node *node);

/* True where the node is not executed now (see BS_WALK_DORMANT). */
static inline bool
bs_reading_dormant(const struct bs_reading *r)
{
    return (r->walk.mode & BS_WALK_DORMANT) != 0;
}

/* Nothing is read yet; the walk is the caller's to begin and to end. */
void bs_reading_init(struct bs_reading *r, struct bs_arena *arena, struct bs_stmt *stmt);
/* Reads one statement: the node below a RawStmt. `stmt` is zeroed but for its span. */
void bs_reading_run(struct bs_reading *r, const Node *node);

/*
 * A statement of this kind is part of what is read: the first one names the whole. Adds the kind's
 * flags and, where it is executed, the given risk and point.
 */
void bs_reading_enter_as(struct bs_reading *r,
                         enum bs_kind kind,
                         enum bs_risk risk,
                         enum bs_point point);
/* The same with the kind's own risk and point. */
void bs_reading_enter(struct bs_reading *r, enum bs_kind kind);

/* Raises the risk, with a reason; `code` is a constant. Dormant or not. */
void
bs_reading_raise(struct bs_reading *r, enum bs_risk risk, const char *code, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
/* The statement needs at least that point. */
void bs_reading_point(struct bs_reading *r, enum bs_point point);

/* A thing that is changed. Never NULL: in a dormant part its relation counts as read instead. */
struct bs_effect *bs_reading_effect(struct bs_reading *r,
                                    enum bs_kind kind,
                                    enum bs_object object,
                                    struct bs_name name);
/* A relation that is read, as written (not a name of WITH). */
void bs_reading_read(struct bs_reading *r, struct bs_name name);
/* A function, operator or type that is used. */
void bs_reading_call(struct bs_reading *r,
                     enum bs_call_kind kind,
                     struct bs_name name,
                     int n_args,
                     struct bs_builtin known);

/* A copy in the arena; NULL stays NULL, and "" where the arena is full. */
const char *bs_reading_keep(struct bs_reading *r, const char *text);
/* Appends a copy to a list of names in the arena. */
void bs_reading_name_list(struct bs_reading *r, const char ***list, size_t *n, const char *name);

/* Names as written; they borrow the tree's memory. */
struct bs_name bs_name_of_range(const RangeVar *range);
struct bs_name bs_name_of_list(const List *names); /* the last two of a list of Strings */
struct bs_name bs_name_of_text(const char *name);  /* unqualified; NULL gives "" */

/* True where a schema is pg_catalog or not given: the name may be a built-in's. */
bool bs_name_may_be_builtin(struct bs_name name);
/* True where what a name means depends on search_path or on temporary objects. */
bool bs_name_is_doubtful(struct bs_name name);
/* True where a relation belongs to the server's own catalogs. */
bool bs_name_is_system(struct bs_name name);

/* True where a relation is, or would be, temporary as far as the text tells. */
bool bs_range_is_temp(const RangeVar *range);

/* The worse of two points: UNKNOWN, then by what has to be kept. */
enum bs_point bs_point_worse(enum bs_point a, enum bs_point b);

#endif
