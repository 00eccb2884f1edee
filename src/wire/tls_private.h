/*
 * tls_private.h - what tls.c and tls_ctx.c share. For these two only.
 *
 * Layer  wire.
 * Owns   nothing.
 */
#ifndef BS_WIRE_TLS_PRIVATE_H
#define BS_WIRE_TLS_PRIVATE_H

#include <openssl/ssl.h>

#include "wire/tls.h"

enum bs_tls_role {
    BS_TLS_CLIENT = 0,
    BS_TLS_SERVER,
};

struct bs_tls_ctx {
    SSL_CTX *ssl;
    enum bs_tls_role role;
    enum bs_tls_check check;
};

/* Text of OpenSSL's first waiting error; never NULL. */
const char *bs_tls_reason(void);

#endif
