/*
 * tainting.h - what the files share that work out what using a relation or a type would run: taint.c
 * for relations, types.c for types, classes.c for operator classes, worsen.c for taints as values,
 * readers.c for who reads whom.
 *
 * Layer  catalog, private to these files.
 * Owns   nothing.
 */
#ifndef BS_CATALOG_TAINTING_H
#define BS_CATALOG_TAINTING_H

#include "catalog/build.h"

/* --- worsen.c --- */

extern const struct bs_taint bs_taint_none;
bool bs_taint_is_clean(const struct bs_taint *t);
/* Only what is CRITICAL counts of some code (a default may call nextval), and what it runs. */
struct bs_taint bs_taint_critical(struct bs_taint t);
/* Its body tells what it does, or those of its parts do. */
bool bs_tainting_can_read(const struct bs_function *f);
/* What running one function means. */
struct bs_taint bs_tainting_run(struct bs_build *b, uint32_t function, const char *word);
const char *bs_tainting_say(struct bs_build *b, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/* Its name, for a sentence. */
const char *bs_tainting_function(struct bs_build *b, uint32_t oid);

/* --- taint.c --- */

/* One piece of stored code. */
struct bs_stored {
    const struct bs_list *refs; /* NULL: there are none */
    const char *word;           /* the taint's code */
    const char *what;           /* "the default of column \"x\"" */
    struct bs_relation *of;     /* NULL: a domain's */
};

/*
 * The worst that running a piece of code may do.
 *
 * folded  set where planning a mere read may do it: a call of constants only is evaluated while
 *         the planner simplifies checks and index expressions; may be NULL
 */
struct bs_taint
bs_tainting_code(struct bs_build *b, const struct bs_stored *c, struct bs_taint *folded);

/* --- types.c --- */

/* What is not known and not the cluster's own is not harmless. */
struct bs_taint bs_tainting_type(struct bs_build *b, uint32_t oid);
void bs_build_taint_casts(struct bs_build *b);
/* Checks and defaults of domains, before what is made of domains. */
void bs_build_taint_domains(struct bs_build *b);
void bs_build_taint_columns(struct bs_build *b);

/* --- readers.c --- */

/* A circle ends because risks and lists only grow, up to their end. */
void bs_tainting_spread(struct bs_build *b);

#endif
