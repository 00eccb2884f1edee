/*
 * scalars.h - plain types of PostgreSQL's own: reading and comparing their values runs the
 * server's C code and nothing else. Not here: arrays, rows, ranges and domains, whose elements may
 * be anybody's, and types whose values are names of objects.
 *
 * Layer  sql. Pure.
 * Spec   pg_type.dat (OIDs do not change between releases); datatype-datetime.html (input).
 * Owns   nothing.
 */
#ifndef BS_SQL_SCALARS_H
#define BS_SQL_SCALARS_H

#include <stdbool.h>
#include <stdint.h>

/* How settings of the session decide what a literal means. */
enum bs_scalar_input {
    BS_INPUT_PLAIN = 0, /* not at all */
    BS_INPUT_DATE,      /* DateStyle */
    BS_INPUT_TIME,
    BS_INPUT_TIMESTAMP,
    BS_INPUT_ZONED,    /* DateStyle and TimeZone */
    BS_INPUT_INTERVAL, /* IntervalStyle */
};

struct bs_scalar {
    uint32_t oid;
    const char *name; /* in pg_catalog; NULL: some enum */
    enum bs_scalar_input input;
};

/* Stands for all enums, whose values are their own labels: pg_type.oid of anyenum. */
#define BS_SCALAR_ENUM 3500u

/* NULL where the type is not a plain one. */
const struct bs_scalar *bs_scalar_of(uint32_t oid);
const struct bs_scalar *bs_scalar_named(const char *name);

/* True where the literal means the same in every session. NULL stands for a type not known. */
bool bs_scalar_is_steady(const struct bs_scalar *type, const char *literal);

#endif
