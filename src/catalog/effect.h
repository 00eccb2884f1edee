/*
 * effect.h - how much a unit would change, once somebody has counted: measured rows settle the
 * risk of what was CRITICAL only because nobody had.
 *
 * Layer  catalog. Pure.
 * Spec   RISK.md (UPDATE, DELETE, MERGE), DESIGN 5 (reason `impact`).
 * Owns   nothing; what is added lives in the caller's arena.
 */
#ifndef BS_CATALOG_EFFECT_H
#define BS_CATALOG_EFFECT_H

#include "catalog/judge.h"

/* More rows, or a larger share of a table, than the policy takes for harmless. */
#define BS_REASON_IMPACT "impact"

/* What a unit may change and still be HIGH. A zeroed one lets nothing through. */
struct bs_impact {
    int64_t max_rows; /* in all tables together, cascades included */
    double max_share; /* of each table, 0 to 1 */
};
#define BS_IMPACT_DEFAULT ((struct bs_impact){1000, 0.1})

/* The effect's name, as written, may mean this target. */
bool bs_target_is_named(const struct bs_target *t, const struct bs_effect *e);
/* The target loses rows: they are updated or deleted, or go with their table or column. */
bool bs_target_loses_rows(const struct bs_target *t);

/*
 * The rows of targets are those of the relations by themselves: adds those of partitions and
 * children to what they are within. Once.
 */
void bs_facts_add_up(struct bs_facts *facts);

/*
 * Settles the risk by measured rows. COUNT and REHEARSAL of all that a statement changes, within
 * the limits: BS_REASON_UNMEASURED is taken back. Above them, by whatever measure: BS_REASON_IMPACT,
 * CRITICAL. All rows of a table: as without a filter. ESTIMATE never lowers. Sets effects' rows.
 *
 * facts  after bs_facts_add_up
 * err    LIMIT: the arena's ceiling; the unit's risk is then UNKNOWN
 */
BS_MUST_CHECK enum bs_done bs_catalog_measured(struct bs_unit *unit,
                                               const struct bs_facts *facts,
                                               struct bs_impact limits,
                                               struct bs_arena *arena,
                                               struct bs_err *err);

/* The strongest lock that a change takes on the table that it names, or reaches; in doubt the
 * stronger. UNKNOWN: it locks no table as such. */
enum bs_table_lock bs_effect_lock(enum bs_kind kind);
/* It writes the whole table anew, in doubt. ADD COLUMN: see struct bs_effect. */
bool bs_effect_rewrites(enum bs_kind kind);

/* "estimate", "count", "rehearsal"; NULL for NONE */
const char *bs_measure_name(enum bs_measure how);
/* "ACCESS EXCLUSIVE"; NULL for UNKNOWN */
const char *bs_table_lock_name(enum bs_table_lock lock);

#endif
