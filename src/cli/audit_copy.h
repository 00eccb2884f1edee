/*
 * audit_copy.h - the logs that a store has, brought here for a look.
 *
 * Layer  cli. Blocks.
 * Owns   the folder that it makes, until bs_audit_copy_fini.
 */
#ifndef BS_CLI_AUDIT_COPY_H
#define BS_CLI_AUDIT_COPY_H

#include <stddef.h>

#include "base/err.h"

struct bs_audit_copy {
    char *directory; /* a folder for each log */
    char **names;    /* of them, ascending: "gateway-0123456789abcdef" */
    size_t n;
};

/*
 * All finished files of all logs below "audit/" in a store, into a new folder in TMPDIR or /tmp. A last
 * file without a head is on its way and left out.
 *
 * out  zeroed by the caller; freed by bs_audit_copy_fini in either case
 * err  NOT_FOUND: there is no log in it; as bs_store_open, _list and _get_file
 */
BS_MUST_CHECK enum bs_done
bs_audit_copy_fetch(const char *url, struct bs_audit_copy *out, struct bs_err *err);
void bs_audit_copy_fini(struct bs_audit_copy *c);

#endif
