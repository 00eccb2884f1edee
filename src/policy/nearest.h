/*
 * nearest.h - "did you mean": the word of a list that is closest to a misspelt one.
 *
 * Layer  policy. Pure.
 * Owns   nothing.
 */
#ifndef BS_POLICY_NEAREST_H
#define BS_POLICY_NEAREST_H

#include <stddef.h>

/* Edits (insert, delete, replace, swap of neighbours) between two words, regardless of case. */
size_t bs_word_distance(const char *a, const char *b);
/*
 * The closest word, or NULL where none is close enough to be meant.
 *
 * word  called with 0, 1, 2, ... until it answers NULL
 */
const char *
bs_word_nearest(const char *text, const char *(*word)(const void *ctx, size_t i), const void *ctx);

#endif
