/*
 * keeping.h - what the configuration says about points that no statement asks for, and about how
 * long points are kept: `snapshots`, `retention`, `verify`.
 *
 * Layer  policy. Pure; the readers of the keys are private to the room.
 * Spec   backstop.yaml.5.
 * Owns   all lives as long as the configuration.
 */
#ifndef BS_POLICY_KEEPING_H
#define BS_POLICY_KEEPING_H

#include "policy/rules.h"

/* A point goes when any of these lets it go; 0: says nothing. All 0: it stays. */
struct bs_keep_limits {
    int64_t count;  /* so many newer ones hold the table */
    int64_t age_ms; /* it is older */
    int64_t bytes;  /* newer ones take as much already */
};

struct bs_config_snapshot {
    const char *name;
    const char *database; /* the name actors connect to */
    struct bs_object_globs tables;
    int64_t every_ms;
    int64_t budget_ms; /* longest time for one run */
    struct bs_keep_limits keep;
    int line; /* where it stands */
};

/* Limits for some tables instead of those for all. */
struct bs_config_keep_tables {
    struct bs_object_globs tables;
    struct bs_keep_limits keep;
    int line;
};

struct bs_config_retention {
    struct bs_keep_limits keep; /* of points that are no scheduled snapshot */
    struct bs_config_keep_tables *tables;
    size_t n_tables;
    int64_t unfinished_ms; /* leftovers of captures that failed are kept so long */
    int64_t every_ms;      /* how often the gateway prunes; 0: it does not */
};

struct bs_config_verify {
    int64_t every_ms; /* 0: the gateway does not */
    int64_t number;   /* of points; or */
    double share;     /* of all */
};

/* Everything but where they stand. */
bool bs_snapshot_same(const struct bs_config_snapshot *a, const struct bs_config_snapshot *b);
/* Does a table match one of the patterns? False where there are none. */
bool bs_tables_match(const struct bs_object_globs *globs, const char *schema, const char *name);
/* Says nothing: keeps for ever. */
bool bs_keep_is_empty(const struct bs_keep_limits *keep);

#endif
