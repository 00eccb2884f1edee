/*
 * kinds.h - every kind of statement, its risk and the recovery point it needs: RISK.md as a table.
 *
 * Layer  sql. Pure.
 * Spec   RISK.md; the rows are in kinds_table.h.
 * Owns   nothing.
 */
#ifndef BS_SQL_KINDS_H
#define BS_SQL_KINDS_H

#include <stdbool.h>

/* Zero is UNKNOWN and is worse than CRITICAL: see bs_risk_worse. */
enum bs_risk {
    BS_RISK_UNKNOWN = 0,
    BS_RISK_SAFE,
    BS_RISK_HIGH,
    BS_RISK_CRITICAL,
};

/* What must be kept so that the effect can be given back. */
enum bs_point {
    BS_POINT_UNKNOWN = 0, /* nothing we can make covers it: refused with ZB004 */
    BS_POINT_NONE,        /* changes nothing that could be lost */
    BS_POINT_RECORD,      /* additive: a manifest without objects */
    BS_POINT_STATE,       /* sequence, privileges, settings */
    BS_POINT_DEFINITION,  /* the schema dump */
    BS_POINT_ROWS,        /* rows before they change, with what follows by foreign keys */
    BS_POINT_WHOLE,       /* whole tables and the schema dump */
};

enum bs_kind {
    BS_KIND_UNKNOWN = 0,
#define BS_KIND(NAME, text, risk, point) BS_KIND_##NAME,
#include "sql/kinds_table.h"
#undef BS_KIND
    BS_KIND_COUNT
};

/* "DROP TABLE"; "UNKNOWN" for the zero value. */
const char *bs_kind_name(enum bs_kind kind);
/* The kind of that name, compared without regard to case; UNKNOWN where there is none. */
enum bs_kind bs_kind_find(const char *name);
enum bs_risk bs_kind_risk(enum bs_kind kind); /* of its plain form */
/* "UPDATE is HIGH": a constant, for all but SAFE; what is UNKNOWN is CRITICAL. */
const char *bs_kind_is(enum bs_kind kind, enum bs_risk risk);
enum bs_point bs_kind_point(enum bs_kind kind); /* of its plain form */
/* Gives data another name, or another schema: nothing is lost, and the old name leads back. */
bool bs_kind_renames(enum bs_kind kind);

/* "SAFE", "HIGH", "CRITICAL", "UNKNOWN". */
const char *bs_risk_name(enum bs_risk risk);
enum bs_risk bs_risk_find(const char *name); /* UNKNOWN where there is no such risk */
/* The worse of two; UNKNOWN is worse than all. */
enum bs_risk bs_risk_worse(enum bs_risk a, enum bs_risk b);
const char *bs_point_name(enum bs_point point); /* "none", "record", ... "unknown" */

#endif
