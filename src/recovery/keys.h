/*
 * keys.h - where the keys come from that points are encrypted with, and the key of one point.
 *
 * A configured key (32 bytes, by a name) never encrypts data: it wraps the key of a point, which is
 * random and made for that point alone. What is wrapped is in the manifest, beside the name of the
 * key. Where the configured key is gone, so is every point that was made under it, wherever copies of
 * it are and whatever locks them: erasing is deleting the key.
 *
 *   file:FOLDER      a file for each key, its name the key's: 32 bytes, or 64 hex digits and a newline
 *   env:NAME         "name=hex" in that variable, several separated by commas
 *   command:PROGRAM  is run with the key's name as its argument and prints 64 hex digits
 *
 * A name is 1 to 64 of [A-Za-z0-9._-], and no '.' in front. Files and variables are read each time:
 * a key that is deleted is gone at once. What a command said is kept in memory for a minute.
 *
 * Layer  recovery. Blocks; any thread.
 * Spec   NIST SP 800-38D (AES-256-GCM).
 * Owns   a source of keys is freed by its user; a point's key is wiped by its user. Nothing of a key
 *        is ever put into a message.
 */
#ifndef BS_RECOVERY_KEYS_H
#define BS_RECOVERY_KEYS_H

#include "recovery/manifest.h"
#include "storage/storage.h"

#define BS_KEY_BYTES    32
#define BS_KEY_NAME_MAX 64

struct bs_keys; /* a source */

/* The key of one point; secret. */
struct bs_point_key {
    uint8_t bytes[BS_KEY_BYTES];
};

/*
 * Opens the store of a configuration with the keys of its points.
 *
 * source   recovery.encryption.keys; NULL: none, and what is encrypted cannot be read
 * current  recovery.encryption.key: what new points are encrypted under; NULL: they are not
 * err      CONFIG, or as bs_store_open
 */
BS_MUST_CHECK enum bs_done bs_keys_open_store(const char *url,
                                              const char *source,
                                              const char *current,
                                              struct bs_store **out,
                                              struct bs_err *err);

/* CONFIG where `source` is none of those above. Reads nothing. */
BS_MUST_CHECK enum bs_done bs_keys_check(const char *source, struct bs_err *err);
bool bs_keys_is_name(const char *name);
/* Name of the key that new points are encrypted under; NULL: they are not. `keys` may be NULL. */
const char *bs_keys_current(const struct bs_keys *keys);
/* Can a key be read? CONFIG, with its name and why not. */
BS_MUST_CHECK enum bs_done bs_keys_try(struct bs_keys *keys, const char *name, struct bs_err *err);

/*
 * A new key for a point, wrapped under the current one.
 *
 * out     description for the manifest; its texts live in `arena`
 * err     CONFIG (the key cannot be read), LIMIT
 */
BS_MUST_CHECK enum bs_done bs_point_key_new(struct bs_keys *keys,
                                            const char *point,
                                            struct bs_arena *arena,
                                            struct bs_point_encryption *out,
                                            struct bs_point_key *key,
                                            struct bs_err *err);
/*
 * The key of a point again.
 *
 * keys   NULL: none are configured
 * err    CONFIG: the key is not to be had, or is another than that of the same name was. UNSUPPORTED:
 *        a cipher that this version does not know
 */
BS_MUST_CHECK enum bs_done bs_point_key_open(struct bs_keys *keys,
                                             const struct bs_point_encryption *e,
                                             struct bs_point_key *key,
                                             struct bs_err *err);
void bs_point_key_wipe(struct bs_point_key *key);

#endif
