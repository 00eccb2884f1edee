/*
 * secret.h - a secret that is kept elsewhere: in a file, or by a program that prints it.
 *
 * Layer  base. Blocks; a program is given half a minute.
 * Owns   nothing; what is read goes into the caller's buffer, who wipes it.
 */
#ifndef BS_BASE_SECRET_H
#define BS_BASE_SECRET_H

#include "base/bytes.h"
#include "base/err.h"

#define BS_SECRET_MAX (1 << 16) /* bytes of one */

/* The file's text without its last newlines. NOT_FOUND, IO; CONFIG: empty, or no text. */
BS_MUST_CHECK enum bs_done
bs_secret_of_file(const char *path, struct bs_buf *out, struct bs_err *err);

/*
 * What a program prints, by its path and arguments between blanks: no shell reads them.
 *
 * err CONFIG: it is not an absolute path, fails, or prints nothing; what it says is never repeated
 */
BS_MUST_CHECK enum bs_done
bs_secret_of_command(const char *command, struct bs_buf *out, struct bs_err *err);

#endif
