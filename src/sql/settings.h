/*
 * settings.h - which settings a session may change without asking.
 *
 * Display, planner and time-outs change how an answer looks or how long it takes. All others may
 * change what a later text means (lexing), who runs it, or which safeguard is up.
 *
 * Layer  sql. Pure.
 * Spec   PostgreSQL manual, runtime-config.html; RISK.md, rows SET.
 * Owns   nothing.
 */
#ifndef BS_SQL_SETTINGS_H
#define BS_SQL_SETTINGS_H

#include "sql/kinds.h"

enum bs_setting_sort {
    BS_SETTING_OTHER = 0,   /* CRITICAL */
    BS_SETTING_HARMLESS,    /* SAFE */
    BS_SETTING_SEARCH_PATH, /* SAFE; what later names mean is not known */
    BS_SETTING_ROLE,        /* CRITICAL; other privileges */
    BS_SETTING_SESSION_AUTHORIZATION,
    BS_SETTING_READ_WRITE, /* CRITICAL; lifts the read-only net */
};

/*
 * What setting `name` to `value` means.
 *
 * name   compared without regard to case
 * value  as text; NULL: the default, or not known
 */
enum bs_setting_sort bs_setting_judge(const char *name, const char *value);

#endif
