/*
 * log.h - what the operator of the daemon reads: events with typed fields on standard error.
 *
 * Text on a terminal, one JSON object a line otherwise. Logging never fails and never blocks an
 * action; auditing can, and is another module. Statements, secrets and rows never go in here.
 *
 * Layer  base.
 * Owns   nothing.
 */
#ifndef BS_BASE_LOG_H
#define BS_BASE_LOG_H

#include <stddef.h>
#include <stdint.h>

enum bs_log_level {
    BS_LOG_ERROR = 0,
    BS_LOG_WARNING,
    BS_LOG_INFO,
    BS_LOG_DEBUG,
};

struct bs_log_field {
    const char *name; /* NULL ends a list */
    const char *text; /* NULL: the number counts */
    int64_t number;
};

static inline struct bs_log_field
bs_log_text(const char *name, const char *value)
{
    return (struct bs_log_field){name, value == NULL ? "" : value, 0};
}

#define BS_F_STR(name, value) bs_log_text((name), (value))
#define BS_F_INT(name, value) ((struct bs_log_field){(name), NULL, (int64_t)(value)})

/* Least severe level that is written; INFO unless set. */
void bs_log_set_level(enum bs_log_level level);
/* One event: a fixed lower-case sentence and its fields. Thread-safe. */
void bs_log_event(enum bs_log_level level, const char *event, const struct bs_log_field *fields);

#define BS_LOG(LEVEL, event, ...)                                                                  \
    bs_log_event(BS_LOG_##LEVEL, event, (const struct bs_log_field[]){__VA_ARGS__, {NULL, NULL, 0}})

#endif
