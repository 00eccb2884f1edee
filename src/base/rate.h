/*
 * rate.h - how often somebody may do something: a bucket of tokens for each name, refilled in time.
 *
 * The table is of fixed size. Where it is full the bucket that was used longest ago makes room, so
 * that strangers who come under many names cost no memory.
 *
 * Layer  base. Thread-safe, does not block.
 * Owns   its table.
 */
#ifndef BS_BASE_RATE_H
#define BS_BASE_RATE_H

#include <stdbool.h>
#include <stdint.h>

struct bs_rates; /* opaque */

/*
 * each_us  time in which one token comes back
 * burst    tokens of a full bucket
 */
struct bs_rates *bs_rates_new(int64_t each_us, int64_t burst);
void bs_rates_free(struct bs_rates **r); /* accepts NULL; sets it NULL */

/* Takes a token of `name`. 0: it was there; else seconds until there is one, at least 1. */
int bs_rates_take(struct bs_rates *r, const char *name, int64_t mono_us);
/* The same without taking one. */
int bs_rates_look(struct bs_rates *r, const char *name, int64_t mono_us);
/* Is there a bucket of that name that is not full again: was it used within burst * each_us? */
bool bs_rates_lately(struct bs_rates *r, const char *name, int64_t mono_us);

#endif
