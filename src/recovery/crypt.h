/*
 * crypt.h - an object's bytes encrypted in chunks, so that nothing of it can be changed, cut, put in
 * another order or in another object's place without being found before it is used.
 *
 *   "BSENC1\n\0"  salt (16 bytes)  chunk  chunk ... last chunk
 *
 * A chunk is 64 KiB of plain bytes (the last one 0 to 64 KiB) encrypted by AES-256-GCM, and its tag of
 * 16 bytes. The key of an object is HMAC-SHA-256, by the point's key, of "backstop object v1\n", the
 * salt and the object's name. The nonce is 4 bytes, 1 in the last chunk and 0 before, and the chunk's
 * number in 8 bytes, both big-endian: the STREAM construction. An object's key is used once, so no
 * nonce is used twice.
 *
 * Layer  recovery. Pure, but for random bytes.
 * Spec   NIST SP 800-38D; Hoang, Reyhanitabar, Rogaway, Vizar: "Online Authenticated-Encryption and
 *        its Nonce-Reuse Misuse-Resistance" (STREAM).
 * Owns   what is made is freed, and wiped, by its user.
 */
#ifndef BS_RECOVERY_CRYPT_H
#define BS_RECOVERY_CRYPT_H

#include "recovery/keys.h"

struct bs_crypt; /* one object, one way */

/* Takes bytes as they are made; BS_FAILED (err set) ends the work. */
typedef enum bs_done (*bs_crypt_sink)(void *ctx, struct bs_bytes bytes, struct bs_err *err);

/* name  of the object: its whole key in the store */
struct bs_crypt *
bs_encrypt_new(const struct bs_point_key *key, const char *name, bs_crypt_sink sink, void *ctx);
struct bs_crypt *
bs_decrypt_new(const struct bs_point_key *key, const char *name, bs_crypt_sink sink, void *ctx);
/* Adds bytes, cut anywhere. DAMAGED (decrypting: they are not what was encrypted under this name), or
 * what the sink said. */
BS_MUST_CHECK enum bs_done
bs_crypt_put(struct bs_crypt *c, struct bs_bytes bytes, struct bs_err *err);
/* The end of them. Errors as above. */
BS_MUST_CHECK enum bs_done bs_crypt_finish(struct bs_crypt *c, struct bs_err *err);
void bs_crypt_free(struct bs_crypt **c); /* accepts NULL */

/* A short text under a name, as hex; NULL: the arena is full. */
const char *bs_crypt_text(const struct bs_point_key *key,
                          const char *name,
                          const char *text,
                          struct bs_arena *arena);
/* The same back; NULL: it is not that, or the arena is full. */
const char *bs_crypt_read_text(const struct bs_point_key *key,
                               const char *name,
                               const char *hex,
                               struct bs_arena *arena);

/*
 * A new local file of another's content, encrypted or decrypted. Removed again on failure.
 *
 * err   DAMAGED, IO, CONFLICT (`to` exists)
 */
BS_MUST_CHECK enum bs_done bs_encrypt_file(const struct bs_point_key *key,
                                           const char *name,
                                           const char *from,
                                           const char *to,
                                           struct bs_err *err);
BS_MUST_CHECK enum bs_done bs_decrypt_file(const struct bs_point_key *key,
                                           const char *name,
                                           const char *from,
                                           const char *to,
                                           struct bs_err *err);

#endif
