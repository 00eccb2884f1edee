/*
 * names.h - the named things of a session: prepared statements (of the protocol and of SQL PREPARE,
 * which share one namespace) and cursors (which share one with portals).
 *
 * The map is changed when the server has answered, not when the client has asked: a Parse that
 * failed leaves no trace. Names longer than 63 bytes are refused before they get here, so two
 * names that the server takes for one cannot be two here.
 *
 * Layer  gateway. On the session's worker thread.
 * Owns   the map holds one reference to each statement in it.
 */
#ifndef BS_GATEWAY_NAMES_H
#define BS_GATEWAY_NAMES_H

#include "gateway/judge.h"
#include "state/rows.h"

struct bs_kept; /* gateway/verdicts.h */

#define BS_SQL_NAME_MAX 63 /* NAMEDATALEN - 1 */

#define BS_PREPARED_TYPES 64 /* declared parameter types that are kept, for tickets */

/* A text that the server knows, or will know, by a name; with what was judged about it. */
struct bs_prepared {
    unsigned refs;
    char name[BS_SQL_NAME_MAX + 1];
    struct bs_bytes text;              /* its own copy */
    uint32_t types[BS_PREPARED_TYPES]; /* as declared by Parse; 0: left to the server */
    bool more_types;                   /* somebody's own, behind those */
    struct bs_verdict verdict;         /* in `arena` or `kept`; counts only where `judged` */
    struct bs_kept *kept;              /* a reference; NULL */
    struct bs_arena arena;
    bool prepared_in_sql;       /* made by PREPARE, whose whole text it has */
    size_t at;                  /* that is this statement of its Query */
    char query[BS_SHA256_TEXT]; /* digest of the Query, which the server shows; "": just `text` */
    bool judged;
    bool doubted; /* the server may mean something else by that name */
    bool shaky;   /* judged while the session's own doings could change what names mean */
    struct bs_prepared *next; /* of a table's slot, or of a reply */
};

struct bs_names {
    struct bs_prepared **table; /* NULL as long as there is none */
    size_t n;
    struct bs_cursor *cursors;
    size_t n_cursors;
};

/* All but the unnamed one, which no SQL can reach, are doubted; forgets those that still are. */
void bs_names_doubt(struct bs_names *names);
void bs_names_drop_doubted(struct bs_names *names);

/* A new statement with one reference; the text is copied. */
struct bs_prepared *bs_prepared_new(struct bs_bytes name, struct bs_bytes text);
struct bs_prepared *bs_prepared_ref(struct bs_prepared *p);
void bs_prepared_unref(struct bs_prepared **p); /* accepts NULL; sets it NULL */

/* Forgets the verdict, so that another can be made in its arena. */
void bs_prepared_rewind(struct bs_prepared *p);

void bs_names_fini(struct bs_names *names); /* accepts a zeroed one */
/* NULL where there is none. The unnamed statement has the name "". */
struct bs_prepared *bs_names_find(const struct bs_names *names, struct bs_bytes name);
/* Enters (or replaces) a statement under its own name; takes a reference. */
void bs_names_put(struct bs_names *names, struct bs_prepared *p);
void bs_names_remove(struct bs_names *names, struct bs_bytes name);
void bs_names_clear(struct bs_names *names); /* DEALLOCATE ALL, DISCARD ALL */

/* What a cursor or portal has answered with so far (caps.h). */
struct bs_cursor_rows {
    int64_t most; /* 0: any number */
    int64_t rows;
    bool header;                    /* the first message of its COPY is no row */
    char from[BS_SQL_NAME_MAX + 1]; /* it runs FETCH, whose rows are those of this one, too */
};

enum bs_cursor_life { BS_CURSOR_TRANSACTION = 0, BS_CURSOR_HOLD };

void bs_cursors_put(struct bs_names *names, struct bs_bytes name, enum bs_cursor_life life);
bool bs_cursors_has(const struct bs_names *names, struct bs_bytes name);
void bs_cursors_remove(struct bs_names *names, struct bs_bytes name);
void bs_cursors_clear(struct bs_names *names); /* CLOSE ALL, DISCARD ALL */
/* Counts its rows from now on. Nothing where there is none of that name. */
void bs_cursors_cap(struct bs_names *names,
                    struct bs_bytes name,
                    const struct bs_cursor_rows *rows,
                    const char *from);
/* NULL: there is none of that name. */
struct bs_cursor_rows *bs_cursors_rows(struct bs_names *names, struct bs_bytes name);
void bs_cursors_end_transaction(struct bs_names *names); /* those without HOLD go */

#endif
