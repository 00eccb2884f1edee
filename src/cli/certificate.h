/*
 * certificate.h - a self-signed certificate for the actors' listener, to start with.
 *
 * Layer  cli.
 * Spec   RFC 5280; ECDSA on P-256.
 * Owns   nothing; the caller's buffers hold the PEM texts and must be wiped (the key's).
 */
#ifndef BS_CLI_CERTIFICATE_H
#define BS_CLI_CERTIFICATE_H

#include "base/bytes.h"
#include "base/err.h"

/*
 * Makes a key and a certificate for localhost and this machine's name, valid for two years.
 *
 * key, cert  initialised by the caller; PEM
 * err        INTERNAL: the library refused
 */
BS_MUST_CHECK enum bs_done
bs_certificate_make(struct bs_buf *key, struct bs_buf *cert, struct bs_err *err);

#endif
