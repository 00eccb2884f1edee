/*
 * digest.h - what stands in the audit for a value that is not to be read there: a keyed digest, the
 * same for equal values.
 *
 * Whoever has the key can try values until one fits; whoever has the log alone can only tell which are
 * equal. So the key lies beside the log's folder, not in it.
 *
 * Layer  audit. Thread-safe once opened.
 * Spec   RFC 2104 with SHA-256; the first 60 bits in base 32 (RFC 4648, lower case).
 * Owns   bs_audit_digest: from make or open to free.
 */
#ifndef BS_AUDIT_DIGEST_H
#define BS_AUDIT_DIGEST_H

#include "base/bytes.h"
#include "base/err.h"

#define BS_DIGEST_TEXT 14 /* "~" and twelve letters or digits, and a NUL */

struct bs_audit_digest; /* opaque */

/* The key of a file. NOT_FOUND, DAMAGED, IO. */
BS_MUST_CHECK enum bs_done
bs_audit_digest_open(const char *path, struct bs_audit_digest **out, struct bs_err *err);
/* The same; the file is made with mode 0600 where it is missing. */
BS_MUST_CHECK enum bs_done
bs_audit_digest_make(const char *path, struct bs_audit_digest **out, struct bs_err *err);
void bs_audit_digest_free(struct bs_audit_digest **d); /* accepts NULL; sets it NULL */

/* What tells one key from another, and nothing else of it. */
const char *bs_audit_digest_id(const struct bs_audit_digest *d);

void
bs_audit_digest(const struct bs_audit_digest *d, struct bs_bytes value, char out[BS_DIGEST_TEXT]);

#endif
