/*
 * harms.h - harms as text: how tickets and what was blocked keep them (sql/harm.h).
 *
 * Layer  approval. Pure.
 * Owns   what is read lives in the caller's arena; bs_harms_write returns a malloc-ed text.
 */
#ifndef BS_APPROVAL_HARMS_H
#define BS_APPROVAL_HARMS_H

#include "base/arena.h"
#include "base/err.h"
#include "sql/harm.h"

/* As JSON, to be freed by the caller. A name that is not UTF-8 becomes any object, for no sure. */
char *bs_harms_write(const struct bs_harms *harms);
/* DATA: not what bs_harms_write writes; LIMIT. */
BS_MUST_CHECK enum bs_done
bs_harms_read(const char *json, struct bs_arena *arena, struct bs_harms *out, struct bs_err *err);

#endif
