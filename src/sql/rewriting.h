/*
 * rewriting.h - the state while one statement is rewritten, for the files of that name.
 *
 * Layer  sql. Pure.
 * Owns   `out` is the caller's.
 */
#ifndef BS_SQL_REWRITING_H
#define BS_SQL_REWRITING_H

#include "sql/nodes.h"
#include "sql/rewrite.h"
#include "sql/scalars.h"

#define BS_REWRITE_RANGES 8 /* relations of one FROM */
#define BS_REWRITE_DEPTH  48

struct bs_rewrite_range {
    const RangeVar *node;
    const char *called; /* what the statement calls it */
    int number;         /* what we call it: r0 is the target */
    struct bs_rewrite_table table;
};

/* The relations of a FROM; columns are looked for in the innermost first. */
struct bs_rewrite_level {
    const struct bs_rewrite_level *up;
    struct bs_rewrite_range ranges[BS_REWRITE_RANGES];
    size_t n;
};

struct bs_rewriting {
    const struct bs_rewrite_names *names;
    const struct bs_rewrite_level *level;
    struct bs_buf out;
    int n_ranges, depth, n_params;
    bool refused;
    bool clock; /* it may ask for the time, since only a number comes of it */
    bool asked; /* and does */
    bool local; /* a value is a time that the time zone of a session turns into a moment */
    bool dated; /* a value is a date, a time or an interval ... */
    bool loose; /* ... and a literal is of a type that we do not know */
};

/* Nothing will come out. */
void bs_rewriting_refuse(struct bs_rewriting *w);
void bs_rewriting_expr(struct bs_rewriting *w, const Node *node);
/* "name", with quotes inside doubled. */
void bs_rewriting_ident(struct bs_rewriting *w, const char *name);
/* rewrite_value.c: what is no operation. */
void bs_rewriting_column(struct bs_rewriting *w, const Node *node);
void bs_rewriting_param(struct bs_rewriting *w, const ParamRef *param);
void bs_rewriting_cast(struct bs_rewriting *w, const TypeCast *cast);
/* type  what a literal is read as; NULL: not known */
void bs_rewriting_const(struct bs_rewriting *w, const A_Const *value, const struct bs_scalar *type);
/* A value beside another of that type; NULL: not known. */
void bs_rewriting_as(struct bs_rewriting *w, const Node *node, const struct bs_scalar *type);
/* The end of a CAST: " AS pg_catalog.type)". */
void bs_rewriting_cast_type(struct bs_rewriting *w, const struct bs_scalar *type, bool array);
/* What is known of the type of an expression; NULL: nothing. */
const struct bs_scalar *bs_rewriting_type_of(const struct bs_rewriting *w, const Node *node);
/* A name that is not qualified, or by pg_catalog; NULL for any other. */
const char *bs_rewriting_own_name(const List *names);
/* IN (SELECT ...), op ANY (SELECT ...) and EXISTS (rewrite.c). */
void bs_rewriting_sublink(struct bs_rewriting *w, const SubLink *link);
/* " OPERATOR(pg_catalog.op) " where that is allowed. */
void bs_rewriting_operator(struct bs_rewriting *w, const char *symbol);

#endif
