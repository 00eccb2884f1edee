/*
 * scram_crypt.h - the arithmetic of SCRAM-SHA-256 and its base64. For src/wire/scram*.c only.
 *
 * Layer  wire. Pure.
 * Spec   RFC 5802 section 3 and RFC 4648 section 4.
 * Owns   nothing; wipes what it used.
 */
#ifndef BS_WIRE_SCRAM_CRYPT_H
#define BS_WIRE_SCRAM_CRYPT_H

#include "wire/scram.h"

#define BS_SCRAM_BOUND_HEADER "p=tls-server-end-point,,"

#define BS_B64_LEN(n) (((n) + 2) / 3 * 4) /* characters for n bytes */

/* HMAC-SHA-256 of all the parts, one behind the other. */
void bs_scram_hmac(struct bs_bytes key,
                   const struct bs_bytes *parts,
                   size_t n_parts,
                   uint8_t out[BS_SCRAM_KEY]);
/* SHA-256 of a key. */
void bs_scram_hash(const uint8_t key[BS_SCRAM_KEY], uint8_t out[BS_SCRAM_KEY]);
/* ClientKey and ServerKey of a password. Slow. */
void bs_scram_keys(struct bs_bytes password,
                   struct bs_bytes salt,
                   uint32_t iterations,
                   uint8_t client_key[BS_SCRAM_KEY],
                   uint8_t server_key[BS_SCRAM_KEY]);
/* HMAC over client-first-bare "," server-first "," client-final-without-proof. */
void bs_scram_sign(const uint8_t key[BS_SCRAM_KEY],
                   const char *first_bare,
                   const char *server_first,
                   struct bs_bytes without_proof,
                   uint8_t out[BS_SCRAM_KEY]);

/* Base64 with its NUL; `out` holds BS_B64_LEN(n) + 1. */
void bs_b64_put(const uint8_t *in, size_t n, char *out);
/*
 * Exactly one spelling of 1 to `max` bytes is accepted: padded, no white space, no stray bits.
 * max is at most BS_SCRAM_SALT_MAX.
 */
BS_MUST_CHECK bool bs_b64_take(struct bs_bytes text, size_t max, uint8_t *out, size_t *n);

/* What c= holds: the header, and behind "p=..." what it is bound to; in base64. */
void bs_scram_binding(const char *header,
                      const struct bs_scram_end_point *end_point,
                      char out[BS_SCRAM_BINDING]);

/* A message of a peer must fit our buffers and be a C string. */
BS_MUST_CHECK bool bs_scram_message_valid(struct bs_bytes in);
/* As a C string; `to` holds from.n + 1. */
void bs_scram_copy(char *to, struct bs_bytes from);
/* A decimal number of digits only, between 1 and max. */
BS_MUST_CHECK bool bs_scram_number(struct bs_bytes text, uint32_t max, uint32_t *out);
/*
 * The attribute `name`=value at the front of `in`, up to a comma or the end. Name 0 stands for any
 * letter. A comma is taken too, and something must follow it.
 */
BS_MUST_CHECK bool bs_scram_attribute(struct bs_bytes *in, char name, struct bs_bytes *value);
/* 1 to max printable characters other than a comma. */
BS_MUST_CHECK bool bs_scram_nonce_valid(struct bs_bytes nonce, size_t max);
/* A new nonce of ours. */
void bs_scram_nonce(char out[BS_SCRAM_NONCE_TEXT]);

#endif
