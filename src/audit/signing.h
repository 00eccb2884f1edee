/*
 * signing.h - the key that the heads of audit logs are signed with: Ed25519, as a PEM file.
 *
 * Whoever checks needs the public half only. Whoever has the file can sign what the gateway can.
 *
 * Layer  audit. Thread-safe once opened.
 * Spec   RFC 8032; RFC 8410 for the files, which `openssl pkey` reads.
 * Owns   bs_audit_key: from open or load to free.
 */
#ifndef BS_AUDIT_SIGNING_H
#define BS_AUDIT_SIGNING_H

#include <stdbool.h>

#include "base/bytes.h"
#include "base/err.h"

#define BS_SIGNATURE_TEXT 129 /* in hex and a NUL */
#define BS_KEY_ID_TEXT    17  /* the first eight bytes of the SHA-256 of the public key, in hex */

struct bs_audit_key; /* opaque */

/* The private key in a file. NOT_FOUND, DAMAGED, IO. */
BS_MUST_CHECK enum bs_done
bs_audit_key_open(const char *path, struct bs_audit_key **out, struct bs_err *err);
/* The same; the file is made with mode 0600 where it is missing. */
BS_MUST_CHECK enum bs_done
bs_audit_key_make(const char *path, struct bs_audit_key **out, struct bs_err *err);
/* The public key of a file that has it, or the private one. NOT_FOUND, DAMAGED, IO. */
BS_MUST_CHECK enum bs_done
bs_audit_key_load(const char *path, struct bs_audit_key **out, struct bs_err *err);
void bs_audit_key_free(struct bs_audit_key **k); /* accepts NULL; sets it NULL */

const char *bs_audit_key_id(const struct bs_audit_key *k);
/* The public half as PEM. */
void bs_audit_key_public(const struct bs_audit_key *k, struct bs_buf *out);

/* Needs a key that was opened, not loaded. */
void bs_audit_sign(const struct bs_audit_key *k, struct bs_bytes text, char out[BS_SIGNATURE_TEXT]);
/* Whether `signature` is of this key over this text; false for what is no signature. */
bool bs_audit_is_signed(const struct bs_audit_key *k, struct bs_bytes text, const char *signature);

#endif
