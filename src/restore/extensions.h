/*
 * extensions.h - the version of an extension: no dump says it, so the point does.
 *
 * Layer  restore. Blocks on the database.
 * Spec   sql-createextension.html, sql-alterextension.html.
 * Owns   texts live in the restore's arena.
 */
#ifndef BS_RESTORE_EXTENSIONS_H
#define BS_RESTORE_EXTENSIONS_H

#include "restore/definition.h"

/* Adds the version to the texts of extensions that the point is about, on both sides. */
BS_MUST_CHECK enum bs_done
bs_extensions_say(struct bs_restore *r, struct bs_definition *d, struct bs_err *err);

/* The same in a script that makes them: they come back as they were, not as the server's newest. */
BS_MUST_CHECK enum bs_done
bs_extensions_put_versions(const struct bs_manifest *m, struct bs_buf *script, struct bs_err *err);

/* Puts what makes of the live extension the saved one, from texts as above: another schema, another
 * version. The server refuses a version that no script leads to. */
void bs_extensions_put_alter(struct bs_bytes saved, struct bs_bytes live, struct bs_buf *out);

#endif
