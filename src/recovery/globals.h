/*
 * globals.h - what belongs to the cluster and not to one database, as rows that can be kept and
 * compared: roles, memberships, their settings, databases, tablespaces, ALTER SYSTEM.
 *
 * One SELECT serves capture and restore, so both see the same things in the same words: a row a
 * thing, its values as jsonb. Names are said, not OIDs, but for the thing itself: so that a RENAME
 * can be told from a DROP.
 *
 * Layer  recovery. Pure.
 * Spec   app-pg-dumpall.html (option --globals-only), catalogs.html, RECOVERY.md section 7.
 * Owns   nothing.
 */
#ifndef BS_RECOVERY_GLOBALS_H
#define BS_RECOVERY_GLOBALS_H

#include "base/bytes.h"

/* Classes, as bits. */
enum bs_global {
    BS_GLOBAL_ROLES = 1 << 0,       /* attributes, but for the password */
    BS_GLOBAL_PASSWORDS = 1 << 1,   /* verifiers, as pg_authid has them */
    BS_GLOBAL_MEMBERS = 1 << 2,     /* GRANT role TO role */
    BS_GLOBAL_SETTINGS = 1 << 3,    /* ALTER ROLE ... SET, ALTER DATABASE ... SET */
    BS_GLOBAL_DATABASES = 1 << 4,   /* owner, limits, privileges, comment */
    BS_GLOBAL_TABLESPACES = 1 << 5, /* likewise */
    BS_GLOBAL_PARAMETERS = 1 << 6,  /* GRANT ... ON PARAMETER; from 15 on */
    BS_GLOBAL_SYSTEM = 1 << 7,      /* what ALTER SYSTEM has written */
    BS_GLOBAL_ALL = (1 << 8) - 1,
};

/* Columns of the SELECT: class text, oid oid, name text, value jsonb. */
#define BS_GLOBALS_COLUMNS 4

/*
 * Puts the SELECT of these classes.
 *
 * PASSWORDS reads pg_authid, SYSTEM pg_file_settings: few roles may; the server refuses others.
 *
 * server_version_num  as the server tells it: 150018
 */
void bs_globals_put_select(struct bs_buf *sql, unsigned classes, int server_version_num);

/* Puts the names of classes as the rows have them: "role,membership". */
void bs_globals_put_names(struct bs_buf *out, unsigned classes);
/* Reads that again; 0 where a name is none: then nothing of it can be read. */
unsigned bs_globals_parse(const char *names);

/* What a server's refusal to read these classes can be met with; NULL: nothing is known. */
const char *bs_globals_hint(unsigned classes);

#endif
