/*
 * facts.h - what a manifest says about the tables it captures, read by the helper inside its
 * snapshot: names, columns, sequences, what hangs on them.
 *
 * Layer  recovery. Blocks.
 * Spec   catalogs.html; RECOVERY.md section 4 (the trap of rewrite rules).
 * Owns   what is found lives in the arena and in the manifest.
 */
#ifndef BS_RECOVERY_FACTS_H
#define BS_RECOVERY_FACTS_H

#include "recovery/helper.h"
#include "recovery/manifest.h"
#include "recovery/named.h"
#include "recovery/plan.h"

/*
 * Fills m->objects from the plan, without digests, and checks it against the catalog: each table
 * exists under its OID with the planned schema, name and kind, and has no partition that is not
 * planned. Chooses BINARY or TEXT for each. NO_POINT, CANCELLED, LIMIT.
 *
 * bytes   out: their size on disk together, TOAST included
 */
BS_MUST_CHECK enum bs_done bs_facts_tables(struct bs_helper *h,
                                           const struct bs_plan *plan,
                                           struct bs_arena *arena,
                                           struct bs_manifest *m,
                                           int64_t *bytes,
                                           struct bs_err *err);

/*
 * Fills the columns of m->objects, which has OID and kind of each, and makes BINARY into TEXT
 * where a type needs it. NO_POINT, CANCELLED, LIMIT.
 */
BS_MUST_CHECK enum bs_done bs_facts_columns(struct bs_helper *h,
                                            struct bs_arena *arena,
                                            struct bs_manifest *m,
                                            struct bs_err *err);

/* Fills sequences and incoming foreign keys of m->objects, and the closure (named.h). Errors as
 * above. */
BS_MUST_CHECK enum bs_done bs_facts_around(struct bs_helper *h,
                                           const struct bs_plan *plan,
                                           struct bs_named_before before,
                                           struct bs_arena *arena,
                                           struct bs_manifest *m,
                                           struct bs_err *err);

/* The OIDs of m->objects and of a plan's tables as "{1,2}"; in the arena. NULL: it is full. */
const char *bs_facts_object_oids(const struct bs_manifest *m, struct bs_arena *arena);
const char *bs_facts_oids(const struct bs_plan *plan, struct bs_arena *arena);
const char *bs_facts_reach(enum bs_reach reach); /* "target", "cascade", "dependent", "call" */
/* "name" and "schema"."name", quoted for SQL. */
void bs_facts_put_column(struct bs_buf *out, const char *name);
void bs_facts_put_name(struct bs_buf *out, const char *schema, const char *name);

#endif
