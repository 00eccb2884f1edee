/*
 * fields.h - structs to JSON and back by a table of their fields.
 *
 * Layer  recovery. Pure.
 * Owns   what is parsed lives in the caller's arena; printed JSON is the caller's reference.
 */
#ifndef BS_RECOVERY_FIELDS_H
#define BS_RECOVERY_FIELDS_H

#include <jansson.h>
#include <stddef.h>

#include "base/arena.h"
#include "base/err.h"

enum bs_field_kind {
    BS_FIELD_NONE = 0, /* ends a table */
    BS_FIELD_TEXT,     /* const char *, never NULL */
    BS_FIELD_MAYBE,    /* const char *; left out where NULL */
    BS_FIELD_INT,      /* int */
    BS_FIELD_U32,      /* uint32_t */
    BS_FIELD_I64,      /* int64_t */
    BS_FIELD_U64,      /* uint64_t; text, as JSON numbers end at 2^63 */
    BS_FIELD_TIME,     /* int64_t microseconds; RFC 3339 text, "" for 0 */
    BS_FIELD_BOOL,     /* bool */
    BS_FIELD_CHAR,     /* char; a text of one byte, "" for 0 */
    BS_FIELD_POINT,    /* char[BS_POINT_ID_TEXT] */
    BS_FIELD_FORMAT,   /* enum bs_rows_format */
    BS_FIELD_STATE,    /* enum bs_event_state */
    BS_FIELD_STRUCT,   /* a struct within; `of` */
    BS_FIELD_LIST,     /* pointer and count to structs of `size`; `of` */
};

struct bs_field {
    enum bs_field_kind kind;
    const char *name;
    size_t at;
    size_t count_at;
    size_t size;
    const struct bs_field *of;
    bool
        optional; /* left out where 0, false, NULL or empty, and missing is that: for newer fields */
};

/* Rows of a table for STRUCT, which the user defines around it. */
#define BS_FIELD(kind, member)                                                                     \
    {                                                                                              \
        BS_FIELD_##kind, #member, offsetof(STRUCT, member), 0, 0, NULL, false                      \
    }
#define BS_FIELD_OPTIONAL(kind, member)                                                            \
    {                                                                                              \
        BS_FIELD_##kind, #member, offsetof(STRUCT, member), 0, 0, NULL, true                       \
    }
#define BS_FIELD_STRUCT(member, table)                                                             \
    {                                                                                              \
        BS_FIELD_STRUCT, #member, offsetof(STRUCT, member), 0, 0, table, false                     \
    }
#define BS_FIELD_LIST(member, count, table)                                                        \
    {                                                                                              \
        BS_FIELD_LIST, #member, offsetof(STRUCT, member), offsetof(STRUCT, count),                 \
            sizeof(*((STRUCT *)0)->member), table, false                                           \
    }
#define BS_FIELD_LIST_OPTIONAL(member, count, table)                                               \
    {                                                                                              \
        BS_FIELD_LIST, #member, offsetof(STRUCT, member), offsetof(STRUCT, count),                 \
            sizeof(*((STRUCT *)0)->member), table, true                                            \
    }
#define BS_FIELD_END                                                                               \
    {                                                                                              \
        BS_FIELD_NONE, NULL, 0, 0, 0, NULL, false                                                  \
    }

/* A new JSON object of the struct. NULL with DATA where a text is not UTF-8. */
json_t *bs_fields_print(const struct bs_field *table, const void *from, struct bs_err *err);
/* Fills a zeroed struct. DAMAGED (missing, wrong type, out of range), LIMIT (the arena). */
BS_MUST_CHECK enum bs_done bs_fields_parse(const struct bs_field *table,
                                           const json_t *json,
                                           struct bs_arena *arena,
                                           void *into,
                                           struct bs_err *err);

#endif
