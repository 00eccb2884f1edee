/* keeping.c - see keeping.h. */
#include "cli/keeping.h"

#include "cli/cmd.h"
#include "cli/out.h"
#include "recovery/keys.h"

enum { ARENA = 512 << 20 };

bool
bs_keeping_open(struct bs_keeping *k, const struct bs_args *args, int *status)
{
    struct bs_err err = {0};

    bs_arena_init(&k->arena, "points", ARENA);
    k->config = bs_cmd_config(args, status);
    if (k->config == NULL)
        return false;
    if (bs_keys_open_store(k->config->storage_url, k->config->keys, k->config->key, &k->store,
                           &err) == BS_DONE &&
        bs_state_open(k->config->state_url, &k->state, &err) == BS_DONE &&
        bs_cmd_side_audit(k->config, &k->audit, &err) == BS_DONE)
        return true;
    *status = bs_out_fail(&err);
    return false;
}

void
bs_keeping_close(struct bs_keeping *k)
{
    bs_audit_close(&k->audit);
    bs_state_close(&k->state);
    bs_store_close(&k->store);
    bs_config_unref(&k->config);
    bs_arena_fini(&k->arena);
}
