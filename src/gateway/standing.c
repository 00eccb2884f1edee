/*
 * standing.c - a sorted list of the actors that are let in, replaced as a whole. A session keeps
 * what it was told, so that most rounds cost it two comparisons.
 */
#include "gateway/standing.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/clock.h"
#include "gateway/session.h"
#include "state/state.h"

#define ARENA_BYTES (256u << 20)

#define ENDED   "this user may connect no more"
#define EXPIRED "the time of this user is over"

struct actor {
    const char *name;
    int64_t since_us;   /* when it was added: a name that was given again is another actor */
    int64_t expires_us; /* 0: never */
};

struct token {
    char id[BS_TICKET_ID];
    int64_t expires_us;
};

struct list {
    struct bs_arena arena;
    struct actor *actors; /* by name */
    size_t n;
    struct token *tokens; /* by id */
    size_t n_tokens;
    struct bs_pause *pauses;
    size_t n_pauses;
};

struct bs_standings {
    pthread_mutex_t disk; /* one at a time reads the state; taken first */
    pthread_mutex_t lock; /* guards the list */
    struct list list;
    atomic_size_t n_pauses; /* of the list: nobody takes the lock where it is 0 */
    _Atomic int64_t seen;   /* bs_state_change_count before it was read; -1: never */
};

struct bs_standings *
bs_standings_new(void)
{
    struct bs_standings *s = bs_malloc(sizeof(*s));

    bs_assert(pthread_mutex_init(&s->lock, NULL) == 0 && pthread_mutex_init(&s->disk, NULL) == 0);
    bs_arena_init(&s->list.arena, "actors", ARENA_BYTES);
    atomic_init(&s->seen, -1);
    return s;
}

void
bs_standings_free(struct bs_standings **sp)
{
    struct bs_standings *s = *sp;

    *sp = NULL;
    if (s == NULL)
        return;
    bs_arena_fini(&s->list.arena);
    (void)pthread_mutex_destroy(&s->lock);
    (void)pthread_mutex_destroy(&s->disk);
    free(s);
}

/* --- reading ------------------------------------------------------------------------------ */

static int
by_name(const void *a, const void *b)
{
    return strcmp(((const struct actor *)a)->name, ((const struct actor *)b)->name);
}

/* Of all there are, those that are let in until their time is over; their secrets stay behind. */
static enum bs_done
select_actors(const struct bs_agent *all, size_t n, struct list *out, struct bs_err *err)
{
    out->actors = bs_arena_array(&out->arena, n + 1, sizeof(*out->actors));
    if (out->actors == NULL)
        return BS_FAIL(err, LIMIT, "too many actors");
    for (size_t i = 0; i < n; i++) {
        struct actor *a = &out->actors[out->n];
        if (all[i].revoked_us != 0 || all[i].disabled_us != 0)
            continue;
        a->name = bs_arena_str(&out->arena, all[i].name);
        a->since_us = all[i].created_us;
        a->expires_us = all[i].expires_us;
        if (a->name == NULL)
            return BS_FAIL(err, LIMIT, "too many actors");
        out->n++;
    }
    qsort(out->actors, out->n, sizeof(*out->actors), by_name);
    return BS_DONE;
}

static int
by_id(const void *a, const void *b)
{
    return strcmp(((const struct token *)a)->id, ((const struct token *)b)->id);
}

static enum bs_done
select_tokens(const struct bs_token *all, size_t n, struct list *out, struct bs_err *err)
{
    out->tokens = bs_arena_array(&out->arena, n + 1, sizeof(*out->tokens));
    if (out->tokens == NULL)
        return BS_FAIL(err, LIMIT, "too many tokens");
    for (size_t i = 0; i < n; i++) {
        struct token *t = &out->tokens[out->n_tokens];
        if (all[i].revoked_us != 0)
            continue;
        memcpy(t->id, all[i].id, sizeof(t->id));
        t->expires_us = all[i].expires_us;
        out->n_tokens++;
    }
    qsort(out->tokens, out->n_tokens, sizeof(*out->tokens), by_id);
    return BS_DONE;
}

static enum bs_done
read_list(struct bs_state *state, struct list *out, struct bs_err *err)
{
    struct bs_arena arena;
    struct bs_agent *all;
    struct bs_token *tokens;
    size_t n, n_tokens;
    enum bs_done done;

    bs_arena_init(&arena, "actors as stored", ARENA_BYTES);
    done = bs_state_agent_list(state, &arena, &all, &n, err);
    if (done == BS_DONE)
        done = select_actors(all, n, out, err);
    if (done == BS_DONE)
        done = bs_state_token_list(state, NULL, 0, &arena, &tokens, &n_tokens, err);
    if (done == BS_DONE)
        done = select_tokens(tokens, n_tokens, out, err);
    if (done == BS_DONE)
        done = bs_state_pause_list(state, &out->arena, &out->pauses, &out->n_pauses, err);
    bs_arena_fini(&arena);
    return done;
}

/* `disk` is held: of two that look, none puts back what the other has read later. */
static enum bs_done
look(struct bs_standings *s, struct bs_state *state, struct bs_err *err)
{
    struct list list = {.n = 0}, old;
    int64_t changes;

    if (bs_state_change_count(state, &changes, err) != BS_DONE)
        return BS_FAILED;
    if (changes == atomic_load(&s->seen))
        return BS_DONE;
    bs_arena_init(&list.arena, "actors", ARENA_BYTES);
    if (read_list(state, &list, err) != BS_DONE) {
        bs_arena_fini(&list.arena);
        return BS_FAILED;
    }
    pthread_mutex_lock(&s->lock);
    old = s->list;
    s->list = list;
    atomic_store(&s->n_pauses, list.n_pauses);
    atomic_store(&s->seen, changes);
    pthread_mutex_unlock(&s->lock);
    bs_arena_fini(&old.arena);
    return BS_DONE;
}

enum bs_done
bs_standings_look(struct bs_standings *s, struct bs_state *state, struct bs_err *err)
{
    enum bs_done done;

    pthread_mutex_lock(&s->disk);
    done = look(s, state, err);
    pthread_mutex_unlock(&s->disk);
    return done;
}

/* --- judging ------------------------------------------------------------------------------ */

static const struct actor *
find_actor(const struct list *l, const struct bs_session *session)
{
    const struct actor key = {.name = session->actor}, *a = NULL;

    if (l->n > 0)
        a = bsearch(&key, l->actors, l->n, sizeof(key), by_name);
    return a != NULL && a->since_us == session->actor_since_us ? a : NULL;
}

static const struct token *
find_token(const struct list *l, const char *id)
{
    struct token key;

    (void)snprintf(key.id, sizeof(key.id), "%s", id);
    return l->n_tokens == 0 ? NULL : bsearch(&key, l->tokens, l->n_tokens, sizeof(key), by_id);
}

/* The list is locked. */
static const char *
judge(const struct list *l, struct bs_session *session)
{
    const struct actor *a = find_actor(l, session);
    const struct token *t = session->token == NULL ? NULL : find_token(l, session->token);

    if (a == NULL || (session->token != NULL && t == NULL))
        return ENDED;
    session->ends_us = a->expires_us;
    if (t != NULL && (session->ends_us == 0 || t->expires_us < session->ends_us))
        session->ends_us = t->expires_us;
    return NULL;
}

bool
bs_standings_have_changed(struct bs_standings *s, const struct bs_session *session)
{
    return session->standing_seen < atomic_load(&s->seen);
}

const char *
bs_standings_judge(struct bs_standings *s, struct bs_session *session)
{
    const char *why = NULL;

    if (bs_standings_have_changed(s, session)) { /* else it was looked up later */
        pthread_mutex_lock(&s->lock);
        why = judge(&s->list, session);
        session->standing_seen = atomic_load(&s->seen);
        pthread_mutex_unlock(&s->lock);
    }
    if (why == NULL && session->ends_us != 0 && session->ends_us <= bs_now_us())
        why = EXPIRED;
    return why;
}

/* --- pauses ------------------------------------------------------------------------------- */

static bool
holds_back(const struct bs_pause *p, const char *actor, const char *database)
{
    switch (p->scope) {
    case BS_PAUSE_ACTOR:
        return strcmp(p->name, actor) == 0;
    case BS_PAUSE_DATABASE:
        return database != NULL && strcmp(p->name, database) == 0;
    case BS_PAUSE_NONE:
    case BS_PAUSE_EVERYTHING:
    default:
        return true;
    }
}

struct bs_leave
bs_standings_leave(struct bs_standings *s, const char *actor, const char *database)
{
    struct bs_leave leave = {BS_LEAVE_ALL, BS_PAUSE_NONE};

    if (atomic_load(&s->n_pauses) == 0)
        return leave;
    pthread_mutex_lock(&s->lock);
    for (size_t i = 0; i < s->list.n_pauses; i++) {
        const struct bs_pause *p = &s->list.pauses[i];
        enum bs_left what = p->cancel ? BS_LEAVE_NOTHING : BS_LEAVE_RUNNING;
        if (!holds_back(p, actor, database))
            continue;
        leave.what = what < leave.what ? what : leave.what;
        leave.scope = p->scope > leave.scope ? p->scope : leave.scope;
    }
    pthread_mutex_unlock(&s->lock);
    return leave;
}

void
bs_standings_count(struct bs_standings *s, size_t out[BS_PAUSE_EVERYTHING + 1])
{
    memset(out, 0, (BS_PAUSE_EVERYTHING + 1) * sizeof(out[0]));
    pthread_mutex_lock(&s->lock);
    for (size_t i = 0; i < s->list.n_pauses; i++)
        out[s->list.pauses[i].scope]++;
    pthread_mutex_unlock(&s->lock);
}
