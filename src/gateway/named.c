/*
 * named.c - an id is found by its look, wherever it stands in a text of a ticket.
 */
#include "gateway/named.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "recovery/manifest.h"

enum {
    ID = BS_POINT_ID_TEXT,
    IDS_MAX = 64 << 20, /* bytes of all ids */
    PAGE = 200,         /* tickets, as short as they are listed */
    ONE_MAX = 512 << 20 /* a ticket, whole; and all plans */
};

static void
take_ids(struct bs_buf *ids, const char *text)
{
    static const char ulid[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

    while (text != NULL && (text = strstr(text, "RP-")) != NULL) {
        if (strspn(text + 3, ulid) >= ID - 4) {
            bs_put_bytes(ids, (struct bs_bytes){(const uint8_t *)text, ID - 1});
            bs_put_u8(ids, '\0');
        }
        text += 3;
    }
}

static enum bs_done
take_ticket(struct bs_state *state, const char *id, struct bs_buf *ids, struct bs_err *err)
{
    struct bs_ticket t;
    struct bs_arena arena;
    struct bs_err why = {0};
    enum bs_done done;

    bs_arena_init(&arena, "ticket", ONE_MAX);
    done = bs_state_ticket_get(state, id, &arena, &t, &why);
    if (done == BS_DONE) {
        const char *texts[] = {t.point, t.sql, t.plan, t.params, t.detail};
        for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
            take_ids(ids, texts[i]);
    } else if (why.code == BS_E_NOT_FOUND) { /* gone since it was listed */
        done = BS_DONE;
    }
    bs_arena_fini(&arena);
    return done == BS_DONE ? BS_DONE : bs_err_set(err, why.code, "%s", why.message);
}

/* One page of open tickets older than `before`, which becomes the oldest of them; "" at the end. */
static enum bs_done
take_page(struct bs_state *state, char before[BS_TICKET_ID], struct bs_buf *ids, struct bs_err *err)
{
    const struct bs_ticket_filter open = {
        .states = 1u << BS_TICKET_PENDING | 1u << BS_TICKET_APPROVED | 1u << BS_TICKET_RUNNING,
        .before = before[0] == '\0' ? NULL : before,
        .limit = PAGE};
    struct bs_ticket *tickets;
    struct bs_arena arena;
    enum bs_done done;
    size_t n = 0;

    bs_arena_init(&arena, "tickets", ONE_MAX);
    done = bs_state_ticket_list(state, &open, &arena, &tickets, &n, err);
    before[0] = '\0';
    for (size_t i = 0; done == BS_DONE && i < n; i++)
        done = take_ticket(state, tickets[i].id, ids, err);
    if (done == BS_DONE && n == PAGE)
        memcpy(before, tickets[n - 1].id, BS_TICKET_ID);
    bs_arena_fini(&arena);
    return done;
}

static enum bs_done
take_plans(struct bs_state *state, struct bs_buf *ids, struct bs_err *err)
{
    struct bs_restore_plan *plans;
    struct bs_arena arena;
    enum bs_done done;
    size_t n = 0;

    bs_arena_init(&arena, "plans", ONE_MAX);
    done = bs_state_plan_list(state, bs_now_us(), &arena, &plans, &n, err);
    for (size_t i = 0; done == BS_DONE && i < n; i++)
        take_ids(ids, plans[i].point);
    bs_arena_fini(&arena);
    return done;
}

static int
by_id(const void *a, const void *b)
{
    return memcmp(a, b, ID);
}

enum bs_done
bs_named_read(struct bs_state *state, struct bs_named *out, struct bs_err *err)
{
    char before[BS_TICKET_ID] = "";

    bs_buf_init(&out->ids, IDS_MAX);
    do {
        if (take_page(state, before, &out->ids, err) != BS_DONE)
            return BS_FAILED;
    } while (before[0] != '\0');
    if (take_plans(state, &out->ids, err) != BS_DONE)
        return BS_FAILED;
    if (out->ids.failed)
        return BS_FAIL(err, LIMIT, "open tickets name too many recovery points");
    if (out->ids.n != 0)
        qsort(out->ids.p, out->ids.n / ID, ID, by_id);
    return BS_DONE;
}

void
bs_named_fini(struct bs_named *n)
{
    bs_buf_fini(&n->ids);
}

bool
bs_named_has(const struct bs_named *n, const char *point)
{
    return strlen(point) == ID - 1 && n->ids.n != 0 &&
           bsearch(point, n->ids.p, n->ids.n / ID, ID, by_id) != NULL;
}
