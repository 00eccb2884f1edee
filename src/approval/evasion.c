/*
 * evasion.c - one list of actors behind one lock. Comparing is pure and short; what is compared is
 * at most BS_EVASION_ACTOR_MAX refusals of the actor who asks.
 *
 * What is refused in one statement may be asked for in several: each refusal remembers which of its
 * objects were asked for again, and the one that completes it is the evasion.
 */
#include "approval/evasion.h"

#include <jansson.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "approval/harms.h"
#include "base/clock.h"

#define REFUSAL_BYTES (256u << 10) /* ceiling for the harms of one */
#define LOAD_BYTES    (256u << 20)
#define LOAD_TICKETS  4096 /* newest first */
#define TRIES_MAX     256  /* evasions counted of one actor; more are too many in any case */

struct refusal {
    struct refusal *next;
    char identity[BS_SHA256_TEXT];
    char ticket[BS_TICKET_ID]; /* "": blocked */
    char *database;
    int64_t at_us;
    struct bs_arena arena;
    struct bs_harms harms;
    uint8_t again[BS_HARM_ITEMS]; /* enum bs_covers: asked for again in other words */
};

struct
try {
    char identity[BS_SHA256_TEXT];
    int64_t at_us;
};

struct actor {
    struct actor *next;
    char *name;
    struct refusal *refusals; /* newest first */
    size_t n_refusals;
    struct try *tries;
    size_t n_tries;
    bool quarantined;
    bool unsaved; /* and the state does not know it */
    char *why;    /* for the state */
};

struct bs_evasion {
    pthread_mutex_t disk; /* one at a time reads or writes who is quarantined; taken first */
    pthread_mutex_t lock; /* guards all but the counters */
    struct actor *actors;
    size_t n_refusals;
    atomic_uint n_quarantined; /* so that nobody takes the lock where it is 0 */
    atomic_uint_fast64_t retries, maybe, sure, quarantines;
};

struct bs_evasion *
bs_evasion_new(void)
{
    struct bs_evasion *e = bs_malloc(sizeof(*e));

    (void)pthread_mutex_init(&e->disk, NULL);
    (void)pthread_mutex_init(&e->lock, NULL);
    return e;
}

/* --- refusals ----------------------------------------------------------------------------- */

static void
free_refusal(struct bs_evasion *e, struct actor *a, struct refusal **at)
{
    struct refusal *r = *at;

    *at = r->next;
    a->n_refusals--;
    e->n_refusals--;
    bs_arena_fini(&r->arena);
    free(r->database);
    free(r);
}

void
bs_evasion_free(struct bs_evasion **ep)
{
    struct bs_evasion *e = *ep;

    *ep = NULL;
    if (e == NULL)
        return;
    while (e->actors != NULL) {
        struct actor *a = e->actors;
        e->actors = a->next;
        while (a->refusals != NULL)
            free_refusal(e, a, &a->refusals);
        free(a->tries);
        free(a->why);
        free(a->name);
        free(a);
    }
    (void)pthread_mutex_destroy(&e->lock);
    (void)pthread_mutex_destroy(&e->disk);
    free(e);
}

static struct actor *
find_actor(struct bs_evasion *e, const char *name)
{
    struct actor *a = e->actors;

    while (a != NULL && strcmp(a->name, name) != 0)
        a = a->next;
    return a;
}

static struct actor *
get_actor(struct bs_evasion *e, const char *name)
{
    struct actor *a = find_actor(e, name);

    if (a != NULL)
        return a;
    a = bs_malloc(sizeof(*a));
    a->name = bs_strdup(name);
    a->next = e->actors;
    e->actors = a;
    return a;
}

/* The one that is missed least: blocked before denied, then the oldest. */
static struct refusal **
least(struct actor *a)
{
    struct refusal **found = NULL;

    for (struct refusal **at = &a->refusals; *at != NULL; at = &(*at)->next) {
        bool blocked = (*at)->ticket[0] == '\0';
        if (found == NULL || blocked > ((*found)->ticket[0] == '\0') ||
            (blocked == ((*found)->ticket[0] == '\0') && (*at)->at_us <= (*found)->at_us))
            found = at;
    }
    return found;
}

/* Of the actor that has most, so that one who floods the memory makes only itself forgotten. */
static struct actor *
fullest(struct bs_evasion *e)
{
    struct actor *most = e->actors;

    for (struct actor *a = e->actors; a != NULL; a = a->next) {
        if (a->n_refusals > most->n_refusals)
            most = a;
    }
    return most;
}

static void
make_room(struct bs_evasion *e, struct actor *a)
{
    if (a->n_refusals >= BS_EVASION_ACTOR_MAX)
        free_refusal(e, a, least(a));
    if (e->n_refusals >= BS_EVASION_ALL_MAX) {
        struct actor *full = fullest(e);
        free_refusal(e, full, least(full));
    }
}

static void
forget_identity(struct bs_evasion *e, struct actor *a, const char *identity)
{
    struct refusal **at = &a->refusals;

    while (*at != NULL) {
        if (strcmp((*at)->identity, identity) == 0)
            free_refusal(e, a, at);
        else
            at = &(*at)->next;
    }
}

/* What is refused again is refused as of now. */
static void
remember(struct bs_evasion *e, const struct bs_blocked *row, const char *ticket)
{
    struct actor *a = get_actor(e, row->actor);
    struct refusal *r = bs_malloc(sizeof(*r));
    struct bs_err err = {0};

    forget_identity(e, a, row->identity);
    make_room(e, a);
    (void)snprintf(r->identity, sizeof(r->identity), "%s", row->identity);
    (void)snprintf(r->ticket, sizeof(r->ticket), "%s", ticket);
    r->database = bs_strdup(row->database);
    r->at_us = row->at_us;
    bs_arena_init(&r->arena, "refusal", REFUSAL_BYTES);
    r->next = a->refusals;
    a->refusals = r;
    a->n_refusals++;
    e->n_refusals++;
    if (bs_harms_read(row->harms, &r->arena, &r->harms, &err) != BS_DONE)
        free_refusal(e, a, &a->refusals);
}

void
bs_evasion_blocked(struct bs_evasion *e, const struct bs_blocked *row)
{
    (void)pthread_mutex_lock(&e->lock);
    remember(e, row, "");
    (void)pthread_mutex_unlock(&e->lock);
}

/* --- comparing ---------------------------------------------------------------------------- */

static bool
is_word(unsigned char c)
{
    return c == '_' || c == '$' || c >= 0x80 || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
           (c >= 'A' && c <= 'Z');
}

/* The name stands in the text as a word. */
static bool
mentions(const char *text, const char *name)
{
    size_t n = strlen(name);

    for (const char *at = text; n != 0 && (at = strcasestr(at, name)) != NULL; at++) {
        if ((at == text || !is_word((unsigned char)at[-1])) && !is_word((unsigned char)at[n]))
            return true;
    }
    return false;
}

static bool
has_code(const struct bs_harms *harms)
{
    for (size_t i = 0; i < harms->n; i++) {
        if (harms->items[i].code)
            return true;
    }
    return false;
}

/* Code that nobody has read, but that names what it was denied. */
static enum bs_covers
covers(const struct bs_evasion_ask *ask, const struct bs_harm_item *before)
{
    enum bs_covers got = bs_harms_cover_item(ask->harms, before);

    if (got == BS_COVERS_MAYBE && before->name != NULL && ask->text != NULL &&
        has_code(ask->harms) && bs_harm_is_rows(before->harm) && mentions(ask->text, before->name))
        return BS_COVERS_YES;
    return got;
}

/* With what was asked for before, does this one make it whole? And does it touch it at all? */
static enum bs_covers
complete(struct refusal *r, const struct bs_evasion_ask *ask)
{
    enum bs_covers all = BS_COVERS_YES, best = BS_COVERS_NO;

    for (size_t i = 0; i < r->harms.n; i++) {
        const struct bs_harm_item *item = &r->harms.items[i];
        enum bs_covers one;
        if (!bs_harms_counts(&r->harms, item))
            continue;
        one = covers(ask, item);
        if (one > best)
            best = one;
        if (one > r->again[i])
            r->again[i] = (uint8_t)one;
        if (r->again[i] < all)
            all = (enum bs_covers)r->again[i];
    }
    return best < all ? best : all;
}

static void
forget_old(struct bs_evasion *e, struct actor *a, int64_t before_us)
{
    struct refusal **at = &a->refusals;
    size_t n = 0;

    while (*at != NULL) {
        if ((*at)->at_us < before_us)
            free_refusal(e, a, at);
        else
            at = &(*at)->next;
    }
    for (size_t i = 0; i < a->n_tries; i++) {
        if (a->tries[i].at_us >= before_us)
            a->tries[n++] = a->tries[i];
    }
    a->n_tries = n;
}

/* True where it was not counted before. */
static bool
count_try(struct actor *a, const char *identity, int64_t at_us)
{
    for (size_t i = 0; i < a->n_tries; i++) {
        if (strcmp(a->tries[i].identity, identity) == 0)
            return false;
    }
    if (a->n_tries == TRIES_MAX)
        memmove(a->tries, a->tries + 1, --a->n_tries * sizeof(*a->tries));
    a->tries = bs_realloc(a->tries, (a->n_tries + 1) * sizeof(*a->tries));
    (void)snprintf(a->tries[a->n_tries].identity, BS_SHA256_TEXT, "%s", identity);
    a->tries[a->n_tries++].at_us = at_us;
    return true;
}

/* The refusal that it evades for the surest; of several the newest. */
static void
search(struct actor *a, const struct bs_evasion_ask *ask, struct bs_evasion_found *out)
{
    for (struct refusal *r = a->refusals; r != NULL; r = r->next) {
        enum bs_covers got = BS_COVERS_NO;
        enum bs_evasion_kind kind;
        if (strcmp(r->database, ask->database) == 0)
            got = complete(r, ask);
        kind = got == BS_COVERS_YES ? BS_EVASION_SURE : BS_EVASION_MAYBE;
        if (got == BS_COVERS_NO || kind <= out->kind)
            continue;
        out->kind = kind;
        out->refused_us = r->at_us;
        (void)snprintf(out->ticket, sizeof(out->ticket), "%s", r->ticket);
    }
}

/* What was refused exactly so is a retry, whatever else it resembles. */
static bool
is_retry(const struct actor *a, const struct bs_evasion_ask *ask, struct bs_evasion_found *out)
{
    for (const struct refusal *r = a->refusals; r != NULL; r = r->next) {
        if (strcmp(r->identity, ask->identity) != 0)
            continue;
        out->kind = BS_EVASION_RETRY;
        out->refused_us = r->at_us;
        (void)snprintf(out->ticket, sizeof(out->ticket), "%s", r->ticket);
        return true;
    }
    return false;
}

static void
look(struct bs_evasion *e, const struct bs_evasion_ask *ask, struct bs_evasion_found *out)
{
    struct actor *a = find_actor(e, ask->actor);

    if (a == NULL)
        return;
    forget_old(e, a, ask->now_us - ask->window_us);
    if (is_retry(a, ask, out)) {
        atomic_fetch_add(&e->retries, 1);
        return;
    }
    search(a, ask, out);
    if (out->kind == BS_EVASION_MAYBE)
        atomic_fetch_add(&e->maybe, 1);
    if (out->kind != BS_EVASION_SURE)
        return;
    if (count_try(a, ask->identity, ask->now_us))
        atomic_fetch_add(&e->sure, 1);
    out->tried = (unsigned)a->n_tries;
    out->too_many = (int64_t)a->n_tries > ask->limit;
}

void
bs_evasion_ask(struct bs_evasion *e, const struct bs_evasion_ask *ask, struct bs_evasion_found *out)
{
    *out = (struct bs_evasion_found){0};
    if (ask->harms->n == 0)
        return;
    (void)pthread_mutex_lock(&e->lock);
    look(e, ask, out);
    (void)pthread_mutex_unlock(&e->lock);
}

/* "3 min" */
static void
put_age(char *out, size_t size, int64_t us)
{
    int64_t s = us < 0 ? 0 : us / 1000000;

    if (s < 120)
        (void)snprintf(out, size, "%lld s", (long long)s);
    else
        (void)snprintf(out, size, "%lld min", (long long)(s / 60));
}

char *
bs_evasion_write(const struct bs_evasion_found *found, int64_t now_us)
{
    bool sure = found->kind == BS_EVASION_SURE, denied = found->ticket[0] != '\0';
    char text[160], age[32], at[BS_TIME_TEXT];
    json_t *o;
    char *json;

    if (found->kind != BS_EVASION_SURE && found->kind != BS_EVASION_MAYBE)
        return NULL;
    put_age(age, sizeof(age), now_us - found->refused_us);
    (void)snprintf(text, sizeof(text), "%s in other words: %s%s%s ago",
                   sure ? "asked for before" : "perhaps asked for before",
                   denied ? found->ticket : "", denied ? ", denied " : "blocked by policy ", age);
    bs_time_format(found->refused_us, at);
    o = json_pack("{s:s?,s:s,s:s,s:b,s:i,s:s}", "of", denied ? found->ticket : NULL, "how",
                  denied ? "denied" : "blocked", "at", at, "sure", (int)sure, "tried",
                  (int)found->tried, "text", text);
    json = json_dumps(o, JSON_COMPACT);
    json_decref(o);
    bs_assert(json != NULL);
    return json;
}

/* --- tickets ------------------------------------------------------------------------------ */

/* What a human has allowed may be asked for in any words, and asking for it was no evasion. */
static void
forgive(struct bs_evasion *e, struct actor *a, const struct bs_ticket *t)
{
    struct bs_harms harms;
    struct bs_arena arena;
    struct bs_err err = {0};
    struct refusal **at = &a->refusals;
    size_t n = 0;

    for (size_t i = 0; i < a->n_tries; i++) {
        if (strcmp(a->tries[i].identity, t->identity) != 0)
            a->tries[n++] = a->tries[i];
    }
    a->n_tries = n;
    bs_arena_init(&arena, "harms", REFUSAL_BYTES);
    if (bs_harms_read(t->harms, &arena, &harms, &err) != BS_DONE)
        harms = (struct bs_harms){0};
    while (*at != NULL) {
        bool allowed = strcmp((*at)->identity, t->identity) == 0 ||
                       (strcmp((*at)->database, t->database) == 0 &&
                        bs_harms_cover(&harms, &(*at)->harms) == BS_COVERS_YES);
        if (allowed)
            free_refusal(e, a, at);
        else
            at = &(*at)->next;
    }
    bs_arena_fini(&arena);
}

void
bs_evasion_on_ticket(const struct bs_ticket *t, void *evasion)
{
    struct bs_evasion *e = evasion;
    struct bs_blocked row = {.at_us = t->decided_us,
                             .actor = t->actor,
                             .database = t->database,
                             .identity = t->identity,
                             .harms = t->harms};
    struct actor *a;

    if (t->harms == NULL)
        return;
    (void)pthread_mutex_lock(&e->lock);
    a = find_actor(e, t->actor);
    if (t->state == BS_TICKET_DENIED)
        remember(e, &row, t->id);
    else if (t->state == BS_TICKET_APPROVED && a != NULL)
        forgive(e, a, t);
    (void)pthread_mutex_unlock(&e->lock);
}

/* --- quarantine --------------------------------------------------------------------------- */

static void
set_quarantined(struct bs_evasion *e, struct actor *a, bool on)
{
    if (a->quarantined == on)
        return;
    a->quarantined = on;
    if (on)
        atomic_fetch_add(&e->n_quarantined, 1);
    else
        atomic_fetch_sub(&e->n_quarantined, 1);
}

void
bs_evasion_quarantine(struct bs_evasion *e, const char *actor, const char *why)
{
    struct actor *a;

    (void)pthread_mutex_lock(&e->lock);
    a = get_actor(e, actor);
    if (!a->quarantined) {
        atomic_fetch_add(&e->quarantines, 1);
        free(a->why);
        a->why = bs_strdup(why);
        a->unsaved = true;
    }
    set_quarantined(e, a, true);
    (void)pthread_mutex_unlock(&e->lock);
}

bool
bs_evasion_any_quarantined(struct bs_evasion *e)
{
    return atomic_load(&e->n_quarantined) != 0;
}

bool
bs_evasion_is_quarantined(struct bs_evasion *e, const char *actor)
{
    const struct actor *a;
    bool is;

    if (!bs_evasion_any_quarantined(e))
        return false;
    (void)pthread_mutex_lock(&e->lock);
    a = find_actor(e, actor);
    is = a != NULL && a->quarantined;
    (void)pthread_mutex_unlock(&e->lock);
    return is;
}

/* The first that is not in the state yet: copies, to be freed. */
static bool
take_unsaved(struct bs_evasion *e, char **name, char **why)
{
    const struct actor *a;

    (void)pthread_mutex_lock(&e->lock);
    for (a = e->actors; a != NULL && !a->unsaved; a = a->next)
        continue;
    if (a != NULL) {
        *name = bs_strdup(a->name);
        *why = bs_strdup(a->why);
    }
    (void)pthread_mutex_unlock(&e->lock);
    return a != NULL;
}

static void
mark_saved(struct bs_evasion *e, const char *name)
{
    (void)pthread_mutex_lock(&e->lock);
    get_actor(e, name)->unsaved = false;
    (void)pthread_mutex_unlock(&e->lock);
}

enum bs_done
bs_evasion_save(struct bs_evasion *e, struct bs_state *state, struct bs_err *err)
{
    char *name, *why;
    enum bs_done done = BS_DONE;

    (void)pthread_mutex_lock(&e->disk);
    while (done == BS_DONE && take_unsaved(e, &name, &why)) {
        struct bs_err miss = {0};
        done = bs_state_agent_quarantine(state, name, why, "gateway", &miss);
        /* Removed meanwhile: then it lets nobody in any more. */
        if (miss.code == BS_E_NOT_FOUND || miss.code == BS_E_CONFLICT)
            done = BS_DONE;
        else if (done != BS_DONE)
            (void)bs_err_set(err, miss.code, "%s", miss.message);
        if (done == BS_DONE)
            mark_saved(e, name);
        free(name);
        free(why);
    }
    (void)pthread_mutex_unlock(&e->disk);
    return done;
}

/* Whom a human has released begins anew: nothing is counted, what was refused stays refused. */
static void
take_agents(struct bs_evasion *e, const struct bs_agent *agents, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        bool on = agents[i].quarantined_us != 0 && agents[i].revoked_us == 0;
        struct actor *a = on ? get_actor(e, agents[i].name) : find_actor(e, agents[i].name);
        if (a == NULL || a->unsaved)
            continue;
        if (a->quarantined && !on)
            a->n_tries = 0;
        set_quarantined(e, a, on);
    }
}

enum bs_done
bs_evasion_reload(struct bs_evasion *e, struct bs_state *state, struct bs_err *err)
{
    struct bs_agent *agents = NULL;
    struct bs_arena arena;
    enum bs_done done;
    size_t n = 0;

    bs_arena_init(&arena, "agents", LOAD_BYTES);
    (void)pthread_mutex_lock(&e->disk);
    done = bs_state_agent_list(state, &arena, &agents, &n, err);
    (void)pthread_mutex_lock(&e->lock);
    if (done == BS_DONE)
        take_agents(e, agents, n);
    (void)pthread_mutex_unlock(&e->lock);
    (void)pthread_mutex_unlock(&e->disk);
    bs_arena_fini(&arena);
    return done;
}

/* --- at start ----------------------------------------------------------------------------- */

static bool
is_sure(const char *evades)
{
    json_t *o = evades == NULL ? NULL : json_loads(evades, 0, NULL);
    bool sure = json_is_true(json_object_get(o, "sure"));

    json_decref(o);
    return sure;
}

/* Oldest first, so that the order in memory is that of time. */
static enum bs_done
load_tickets(struct bs_evasion *e,
             struct bs_state *state,
             int64_t since_us,
             struct bs_arena *arena,
             struct bs_err *err)
{
    const struct bs_ticket_filter filter = {.limit = LOAD_TICKETS};
    struct bs_ticket *list = NULL;
    size_t n = 0;

    if (bs_state_ticket_list(state, &filter, arena, &list, &n, err) != BS_DONE)
        return BS_FAILED;
    while (n-- > 0) {
        const struct bs_ticket *t = &list[n];
        if (t->state == BS_TICKET_DENIED && t->decided_us >= since_us)
            bs_evasion_on_ticket(t, e);
        if (t->created_us >= since_us && t->decided_us != 0 && t->state != BS_TICKET_DENIED)
            continue; /* approved: it was none */
        if (t->created_us >= since_us && is_sure(t->evades))
            (void)count_try(get_actor(e, t->actor), t->identity, t->created_us);
    }
    return BS_DONE;
}

static enum bs_done
load_blocked(struct bs_evasion *e,
             struct bs_state *state,
             int64_t since_us,
             struct bs_arena *arena,
             struct bs_err *err)
{
    struct bs_blocked *list = NULL;
    size_t n = 0;

    if (bs_state_blocked_drop(state, since_us, err) != BS_DONE ||
        bs_state_blocked_list(state, since_us, arena, &list, &n, err) != BS_DONE)
        return BS_FAILED;
    for (size_t i = 0; i < n; i++) {
        remember(e, &list[i], "");
        if (is_sure(list[i].evades))
            (void)count_try(get_actor(e, list[i].actor), list[i].identity, list[i].at_us);
    }
    return BS_DONE;
}

enum bs_done
bs_evasion_load(struct bs_evasion *e, struct bs_state *state, int64_t window_us, struct bs_err *err)
{
    int64_t since_us = bs_now_us() - window_us;
    struct bs_arena arena;
    enum bs_done done;

    bs_arena_init(&arena, "refusals", LOAD_BYTES);
    done = load_tickets(e, state, since_us, &arena, err);
    bs_arena_reset(&arena);
    if (done == BS_DONE)
        done = load_blocked(e, state, since_us, &arena, err);
    bs_arena_fini(&arena);
    return done == BS_DONE ? bs_evasion_reload(e, state, err) : done;
}

void
bs_evasion_count(struct bs_evasion *e, struct bs_evasion_counts *out)
{
    *out = (struct bs_evasion_counts){.retries = atomic_load(&e->retries),
                                      .maybe = atomic_load(&e->maybe),
                                      .sure = atomic_load(&e->sure),
                                      .quarantines = atomic_load(&e->quarantines)};
}
