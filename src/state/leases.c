/*
 * leases.c - which gateways live, and what is done by one of them at a time. All go by the clock of the
 * state's database.
 */
#include <stdio.h>

#include "base/bytes.h"
#include "base/clock.h"
#include "state/sqlite.h"

static enum bs_done
read_secret(struct bs_sq_rows *r, void *item, struct bs_err *err)
{
    (void)err;
    bs_sq_copy(r, 0, item, BS_STATE_SECRET);
    return BS_DONE;
}

enum bs_done
bs_sq_secret(struct bs_state *s, const char *name, char out[BS_STATE_SECRET], struct bs_err *err)
{
    struct bs_sqlite *q = bs_sq_of(s);
    char fresh[BS_STATE_SECRET] = "";
    uint8_t random[(BS_STATE_SECRET - 1) / 2];
    enum bs_done done;

    bs_random(random, sizeof(random));
    bs_hex(random, sizeof(random), fresh);
    if (bs_sq_begin(q, err) != BS_DONE)
        return BS_FAILED;
    done =
        bs_sq_run(q, "INSERT INTO secrets (name, value) VALUES (?,?) ON CONFLICT (name) DO NOTHING",
                  BS_SQ_VALUES(BS_SQ_T(name), BS_SQ_T(fresh)), NULL, err);
    if (done == BS_DONE)
        done = bs_sq_one(q, "SELECT value FROM secrets WHERE name = ?", BS_SQ_VALUES(BS_SQ_T(name)),
                         NULL, read_secret, out, "secret", err);
    bs_wipe(random, sizeof(random));
    bs_wipe(fresh, sizeof(fresh));
    return bs_sq_end(q, done, err);
}

bool
bs_sq_shared(struct bs_state *s)
{
    return bs_sq_of(s)->driver->listen != NULL;
}

static enum bs_done
take(struct bs_sqlite *q, const char *name, int64_t ms, bool *mine, struct bs_err *err)
{
    int changed = 0;

    if (bs_sq_run(q,
                  "INSERT INTO leases (name, holder, until_us) VALUES (?1, ?2, now_us() + ?3)"
                  " ON CONFLICT (name) DO UPDATE SET holder = excluded.holder,"
                  " until_us = excluded.until_us WHERE leases.until_us <= now_us()"
                  " OR leases.holder = excluded.holder OR NOT " BS_SQ_LIVES("leases.holder"),
                  BS_SQ_VALUES(BS_SQ_T(name), BS_SQ_T(q->instance), BS_SQ_I(ms * 1000)), &changed,
                  err) != BS_DONE)
        return BS_FAILED;
    *mine = changed != 0;
    return BS_DONE;
}

enum bs_done
bs_sq_lease(struct bs_state *s, const char *name, int64_t ms, bool *mine, struct bs_err *err)
{
    struct bs_sqlite *q = bs_sq_of(s);

    if (!bs_sq_shared(s)) {
        *mine = true;
        return BS_DONE;
    }
    if (bs_sq_begin(q, err) != BS_DONE)
        return BS_FAILED;
    return bs_sq_end(q, take(q, name, ms, mine, err), err);
}

enum bs_done
bs_sq_lease_drop(struct bs_state *s, const char *name, struct bs_err *err)
{
    struct bs_sqlite *q = bs_sq_of(s);
    enum bs_done done;

    bs_sq_lock(q);
    done = bs_sq_run(q, "DELETE FROM leases WHERE name = ? AND holder = ?",
                     BS_SQ_VALUES(BS_SQ_T(name), BS_SQ_T(q->instance)), NULL, err);
    bs_sq_unlock(q);
    return done;
}

static void
name_of(const char *instance, char out[64])
{
    (void)snprintf(out, 64, BS_SQ_GATEWAY "%s", instance);
}

enum bs_done
bs_sq_join(struct bs_state *s,
           const char *instance,
           bs_state_news_fn *heard,
           void *ctx,
           struct bs_err *err)
{
    struct bs_sqlite *q = bs_sq_of(s);
    char name[64];
    bool mine;

    if (!bs_sq_shared(s))
        return BS_DONE;
    (void)snprintf(q->instance, sizeof(q->instance), "%s", instance);
    name_of(instance, name);
    if (bs_sq_lease(s, name, BS_LEASE_MS, &mine, err) != BS_DONE)
        return BS_FAILED;
    return q->driver->listen(q, heard, ctx, err);
}

void
bs_sq_leave(struct bs_state *s)
{
    struct bs_sqlite *q = bs_sq_of(s);
    struct bs_err err = {0};
    char name[64];

    if (!bs_sq_shared(s) || q->instance[0] == '\0')
        return;
    q->driver->deafen(q);
    name_of(q->instance, name);
    (void)!bs_sq_lease_drop(s, name, &err); /* else it dies of silence */
    q->instance[0] = '\0';
}

enum bs_done
bs_sq_bury(struct bs_state *s, size_t *n, struct bs_err *err)
{
    struct bs_sqlite *q = bs_sq_of(s);
    int changed = 0;
    enum bs_done done;

    if (!bs_sq_shared(s))
        return BS_DONE;
    bs_sq_lock(q);
    done = bs_sq_run(
        q, "DELETE FROM leases WHERE name LIKE '" BS_SQ_GATEWAY "%' AND until_us <= now_us()",
        BS_SQ_NO_VALUES, &changed, err);
    bs_sq_unlock(q);
    *n = (size_t)changed;
    return done;
}
