/*
 * keeping.h - what the verbs that change which recovery points there are open first.
 *
 * Layer  cli.
 * Owns   all that it opens, until bs_keeping_close.
 */
#ifndef BS_CLI_KEEPING_H
#define BS_CLI_KEEPING_H

#include "audit/record.h"
#include "base/arena.h"
#include "cli/args.h"
#include "policy/config.h"
#include "state/state.h"
#include "storage/storage.h"

struct bs_keeping {
    struct bs_config *config;
    struct bs_store *store;
    struct bs_state *state;
    struct bs_audit *audit;
    struct bs_arena arena;
};

/* False where something cannot be opened; that has been said. Close it then, too. */
bool bs_keeping_open(struct bs_keeping *k, const struct bs_args *args, int *status);
void bs_keeping_close(struct bs_keeping *k);

#endif
