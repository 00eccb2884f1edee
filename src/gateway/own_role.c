/*
 * own_role.c - which role a session has, where its client sets the one that it logged in with. Only
 * the server knows: ALTER ROLE ... SET role, a pooler, an approved SET ROLE or a function may have
 * changed it, and a role may have been renamed meanwhile. So it is asked each time, just before.
 */
#include <string.h>

#include "gateway/asking.h"

/* Both are looked up by number, so they are what the roles are called now. */
static const char names_sql[] = "SELECT CURRENT_USER, SESSION_USER";
/* What this does not see is a new name, by which the next session would be let in. */
static const char setting_sql[] = "SHOW role";

static void
on_names(struct bs_relay *r, const struct bs_bytes *values, size_t n)
{
    struct bs_bytes own = bs_bytes_of(r->s->server_user);

    if (n == 2 && bs_bytes_equal(values[0], own) && bs_bytes_equal(values[1], own))
        r->acts_as = BS_ACTS_AS_ITSELF;
}

static void
on_setting(struct bs_relay *r, const struct bs_bytes *values, size_t n)
{
    const char *login = bs_session_param(r->s, "session_authorization");
    const char *own = r->s->server_user;

    if (login != NULL && strcmp(login, own) == 0 && n == 1 &&
        (bs_bytes_equal(values[0], BS_LIT("none")) || bs_bytes_equal(values[0], bs_bytes_of(own))))
        r->acts_as = BS_ACTS_AS_ITSELF;
}

static void
on_asked(struct bs_relay *r)
{
    if (r->inject.failed)
        r->acts_as = BS_ACTS_AS_OTHER;
    bs_relay_resume(r);
}

bool
bs_ask_must_ask_role(const struct bs_relay *r, const struct bs_verdict *v)
{
    return v->asks_role && r->acts_as == BS_ACTS_AS_UNASKED;
}

/*
 * A SELECT would take the snapshot of a transaction that has run nothing yet, and SHOW does not
 * (PROTECT 15). A series that wrote is not cut by a Sync of ours.
 */
bool
bs_ask_role(struct bs_relay *r)
{
    if (r->series_open && !r->series_wrote)
        return bs_ask_end_series(r);
    if (!r->series_open && !bs_relay_quiet(r))
        return bs_ask_stall(r);
    r->acts_as = BS_ACTS_AS_OTHER;
    if (r->series_open || r->status == 'E')
        return true;
    r->mode = BS_MODE_OPENING;
    r->stalled = true;
    if (r->status == 'T' && !r->dirty)
        bs_inject(r, setting_sql, on_setting, on_asked);
    else
        bs_inject(r, names_sql, on_names, on_asked);
    return false;
}
