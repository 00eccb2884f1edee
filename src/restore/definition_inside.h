/*
 * definition_inside.h - what definition.c (dumps and choosing) and definition_script.c (which of
 * the chosen runs when) share.
 *
 * Layer  restore, private to these files. Blocks.
 * Owns   nothing.
 */
#ifndef BS_RESTORE_DEFINITION_INSIDE_H
#define BS_RESTORE_DEFINITION_INSIDE_H

#include "restore/definition.h"

#define BS_DEFINITION_MAX (256u << 20) /* bytes of SQL or of a listing */

/*
 * Puts the SQL of some entries of a dump.
 *
 * chosen    indexes into toc->list, n of them
 * section   an option of pg_restore, or NULL for all
 * err       UNAVAILABLE, LIMIT, IO
 */
BS_MUST_CHECK enum bs_done bs_definition_entries(const struct bs_definition *d,
                                                 const char *file,
                                                 const struct bs_toc *toc,
                                                 const size_t *chosen,
                                                 size_t n,
                                                 const char *section,
                                                 struct bs_buf *out,
                                                 struct bs_err *err);

#endif
