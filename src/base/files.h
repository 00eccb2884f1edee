/*
 * files.h - small durable file operations: a whole file read, or written so that it is either
 * there whole or not at all.
 *
 * Layer  base.
 * Owns   contents handed out in a bs_buf belong to the caller.
 */
#ifndef BS_BASE_FILES_H
#define BS_BASE_FILES_H

#include <sys/types.h>

#include "base/bytes.h"
#include "base/err.h"

/* The whole file into `out` (initialised by the caller, its ceiling is the limit). IO, NOT_FOUND, LIMIT. */
BS_MUST_CHECK enum bs_done bs_file_read(const char *path, struct bs_buf *out, struct bs_err *err);

/*
 * Writes a new file: temporary name, write, fsync, link (never overwrites), fsync of the folder.
 * CONFLICT where the name exists already, IO otherwise.
 */
BS_MUST_CHECK enum bs_done
bs_file_create(const char *path, struct bs_bytes content, mode_t mode, struct bs_err *err);

/* As bs_file_create, but replaces an existing file (rename). */
BS_MUST_CHECK enum bs_done
bs_file_replace(const char *path, struct bs_bytes content, mode_t mode, struct bs_err *err);

/* mkdir -p with mode 0700 for what is missing. */
BS_MUST_CHECK enum bs_done bs_dir_make(const char *path, struct bs_err *err);
/* fsync of a folder, which makes names in it durable. */
BS_MUST_CHECK enum bs_done bs_dir_sync(const char *path, struct bs_err *err);
/* All n bytes, however many write(2) calls it takes. */
BS_MUST_CHECK enum bs_done
bs_fd_write(int fd, struct bs_bytes content, const char *what, struct bs_err *err);

#endif
