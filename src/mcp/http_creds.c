/*
 * http_creds.c - a list, for there are as many as there are agents that ask just now. Whoever guesses
 * is soon answered without a look; what has a connection that is open is not asked again.
 */
#include "mcp/http_creds.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/rate.h"
#include "gateway/inside.h"
#include "mcp/http_door.h"
#include "policy/config.h"
#include "state/state.h"

#define CREDS_MAX    4096
#define KEEP_US      (120 * 1000000LL) /* that one is kept for nobody */
#define GUESS_US     6000000           /* in which a wrong one is forgotten */
#define GUESSES      10                /* of an address at once */
#define LOOKUP_ARENA (256u << 10)
#define DIGEST       32
#define LOOK_US      (30 * 1000000LL) /* whose time is over is told by no change */
#define AGAIN_US     3000000          /* after a change, in which connections that it ends do so */
#define LOOK_MAX     256              /* at once; the others have their turn */

struct bs_http_cred {
    struct bs_http_cred *next;
    uint8_t key[DIGEST];
    char *agent;
    struct bs_http_door *door;
    struct bs_mcp_actor *actor;
    bool several; /* databases: none was named, and it is not for us to choose */
    unsigned refs;
    int64_t used_us;
    atomic_bool refused;
    bool proven; /* it was let in once; one that never was is not kept */
};

struct bs_http_creds {
    struct bs_gateway *gateway;
    struct bs_mcp *mcp;
    struct bs_http_room room;
    struct bs_rates *guesses;
    uint8_t key[DIGEST];
    pthread_mutex_t lock;
    struct bs_http_cred *all;
    size_t n;
    /* Changes of actors, when they were looked at, and until when again; of whoever tends alone. */
    int64_t seen, looked_us, again_us;
};

/* --- what a request says ------------------------------------------------------------------- */

/* Both alphabets, with or without padding; false where it is neither, or too long. */
static bool
decode(const char *text, char out[BS_HTTP_SECRET], size_t *n)
{
    unsigned char in[BS_HTTP_SECRET / 3 * 4 + 4] = {0}, all[BS_HTTP_SECRET + 4];
    size_t len = strlen(text), pad;
    int got;

    while (len > 0 && (text[len - 1] == '=' || text[len - 1] == ' '))
        len--;
    if (len == 0 || len > BS_HTTP_SECRET / 3 * 4 - 4 || len % 4 == 1)
        return false;
    for (size_t i = 0; i < len; i++)
        in[i] = (unsigned char)(text[i] == '-' ? '+' : text[i] == '_' ? '/' : text[i]);
    pad = (4 - len % 4) % 4;
    memset(in + len, '=', pad);
    got = EVP_DecodeBlock(all, in, (int)(len + pad));
    *n = got < 0 ? 0 : (size_t)got - pad;
    memcpy(out, all, *n);
    out[*n] = '\0';
    bs_wipe(in, sizeof(in));
    bs_wipe(all, sizeof(all));
    return *n != 0;
}

static const char *
behind(const char *text, const char *scheme)
{
    size_t n = strlen(scheme);

    if (strncasecmp(text, scheme, n) != 0 || text[n] != ' ')
        return NULL;
    return text + n + strspn(text + n, " ");
}

bool
bs_http_claim_read(const char *authorization, struct bs_http_claim *out)
{
    const char *coded = authorization == NULL ? NULL : behind(authorization, "Bearer");
    struct bs_err err = {0};
    char *colon;
    size_t n;

    if (coded == NULL && authorization != NULL)
        coded = behind(authorization, "Basic");
    if (coded == NULL || !decode(coded, out->text, &n) || strlen(out->text) != n ||
        !bs_utf8_valid(bs_bytes_of(out->text)))
        return false;
    colon = strchr(out->text, ':');
    if (colon == NULL || colon[1] == '\0')
        return false;
    *colon = '\0';
    out->agent = out->text;
    out->secret = colon + 1;
    return bs_name_check("an agent's name", out->agent, &err) == BS_DONE;
}

/* --- one credential ------------------------------------------------------------------------ */

/* "127.0.0.1" of "127.0.0.1:40312". */
static struct bs_bytes
host_of(const char *client)
{
    const char *port = strrchr(client, ':');

    return (struct bs_bytes){(const uint8_t *)client,
                             port == NULL ? strlen(client) : (size_t)(port - client)};
}

/* No part of it can pass for another: none has a NUL in it. */
static void
digest(const struct bs_http_creds *all, const struct bs_http_claim *claim, uint8_t out[DIGEST])
{
    struct bs_bytes host = host_of(claim->client);
    struct bs_buf b;
    unsigned n = DIGEST;

    bs_buf_init(&b, 4096);
    bs_put_cstr(&b, claim->agent);
    bs_put_cstr(&b, claim->secret);
    bs_put_cstr(&b, claim->database == NULL ? "" : claim->database);
    bs_put_bytes(&b, host);
    bs_assert(!b.failed && HMAC(EVP_sha256(), all->key, DIGEST, b.p, b.n, out, &n) != NULL);
    bs_wipe(b.p, b.n);
    bs_buf_fini(&b);
}

static void
cred_free(struct bs_http_cred *c)
{
    bs_mcp_actor_free(&c->actor);
    bs_http_door_free(&c->door);
    free(c->agent);
    free(c);
}

/* Which database where none is named: the agent's own if it has one, else the first, so that it can
 * prove who it is before it is told to choose. Of an agent that does not exist, likewise. */
static enum bs_done
choose(const struct bs_http_creds *all, struct bs_http_cred *c, char **database, struct bs_err *err)
{
    const struct bs_config *config = all->gateway->config;
    struct bs_agent agent = {0};
    struct bs_arena arena;
    enum bs_done done;

    bs_arena_init(&arena, "lookup", LOOKUP_ARENA);
    done = bs_state_agent_get(all->gateway->state, c->agent, &arena, &agent, err);
    if (done == BS_DONE && agent.n_databases > 0) {
        *database = bs_strdup(agent.databases[0]);
        c->several = agent.n_databases > 1;
    } else if (done == BS_DONE || err->code == BS_E_NOT_FOUND) {
        bs_err_clear(err);
        *database = bs_strdup(config->databases[0].name);
        done = BS_DONE;
    }
    bs_arena_fini(&arena);
    return done;
}

static struct bs_http_cred *
cred_new(struct bs_http_creds *all,
         const struct bs_http_claim *claim,
         const uint8_t key[DIGEST],
         struct bs_err *err)
{
    struct bs_http_cred *c = bs_malloc(sizeof(*c));
    struct bs_mcp_door way;
    char *database = NULL;

    memcpy(c->key, key, DIGEST);
    c->agent = bs_strdup(claim->agent);
    c->refs = 1;
    if (claim->database != NULL) {
        database = bs_strdup(claim->database);
    } else if (choose(all, c, &database, err) != BS_DONE) {
        free(c->agent);
        free(c);
        return NULL;
    }
    c->door = bs_http_door_new(&(struct bs_http_door_options){
        .inside = all->gateway->inside,
        .room = &all->room,
        .agent = claim->agent,
        .secret = claim->secret,
        .database = database,
        .client = claim->client,
    });
    way = bs_http_door_way(c->door);
    c->actor = bs_mcp_actor_new(all->mcp, &way);
    free(database);
    return c;
}

struct bs_mcp_actor *
bs_http_cred_actor(const struct bs_http_cred *cred)
{
    return cred->actor;
}

const char *
bs_http_cred_agent(const struct bs_http_cred *cred)
{
    return cred->agent;
}

bool
bs_http_cred_is_refused(const struct bs_http_cred *cred)
{
    return atomic_load(&cred->refused);
}

/* --- all of them --------------------------------------------------------------------------- */

struct bs_http_creds *
bs_http_creds_new(struct bs_gateway *g, struct bs_mcp *mcp, unsigned most)
{
    struct bs_http_creds *all = bs_malloc(sizeof(*all));

    all->gateway = g;
    all->mcp = mcp;
    all->room.max = most;
    all->guesses = bs_rates_new(GUESS_US, GUESSES);
    bs_random(all->key, sizeof(all->key));
    bs_assert(pthread_mutex_init(&all->lock, NULL) == 0);
    return all;
}

void
bs_http_creds_free(struct bs_http_creds **creds)
{
    struct bs_http_creds *all = *creds;

    *creds = NULL;
    if (all == NULL)
        return;
    while (all->all != NULL) {
        struct bs_http_cred *c = all->all;
        bs_assert(c->refs == 0);
        all->all = c->next;
        cred_free(c);
    }
    bs_rates_free(&all->guesses);
    bs_wipe(all->key, sizeof(all->key));
    (void)pthread_mutex_destroy(&all->lock);
    free(all);
}

/* With the lock: held once more; NULL: it is not known. */
static struct bs_http_cred *
find(struct bs_http_creds *all, const uint8_t key[DIGEST])
{
    struct bs_http_cred *c = all->all;

    while (c != NULL && memcmp(c->key, key, DIGEST) != 0)
        c = c->next;
    if (c != NULL)
        c->refs++;
    return c;
}

/* Takes over `made`, and gives what is known by its key. */
static struct bs_http_cred *
add(struct bs_http_creds *all, struct bs_http_cred *made, struct bs_err *err)
{
    struct bs_http_cred *c;
    bool full;

    (void)pthread_mutex_lock(&all->lock);
    c = find(all, made->key);
    full = c == NULL && all->n >= CREDS_MAX;
    if (c == NULL && !full) {
        made->next = all->all;
        all->all = made;
        all->n++;
        c = made;
    }
    (void)pthread_mutex_unlock(&all->lock);
    if (c != made)
        cred_free(made);
    if (full)
        (void)BS_FAIL(err, LIMIT, "too many credentials");
    return c;
}

/* With the lock. */
static void
strike_off(struct bs_http_creds *all, struct bs_http_cred *c)
{
    struct bs_http_cred **at = &all->all;

    while (*at != NULL && *at != c)
        at = &(*at)->next;
    if (*at == NULL)
        return;
    *at = c->next;
    all->n--;
}

void
bs_http_creds_hold(struct bs_http_creds *all, struct bs_http_cred *cred)
{
    (void)pthread_mutex_lock(&all->lock);
    cred->refs++;
    (void)pthread_mutex_unlock(&all->lock);
}

void
bs_http_creds_leave(struct bs_http_creds *all, struct bs_http_cred *cred)
{
    bool last;

    (void)pthread_mutex_lock(&all->lock);
    cred->used_us = bs_mono_us();
    last = --cred->refs == 0 && (bs_http_cred_is_refused(cred) || !cred->proven);
    if (last)
        strike_off(all, cred);
    (void)pthread_mutex_unlock(&all->lock);
    if (last)
        cred_free(cred);
}

/* Nobody finds it any more; should it count again one day, it does so anew. */
static void
refuse(struct bs_http_creds *all, struct bs_http_cred *c)
{
    (void)pthread_mutex_lock(&all->lock);
    atomic_store(&c->refused, true);
    strike_off(all, c);
    (void)pthread_mutex_unlock(&all->lock);
}

/* It has no connection that says that it is let in: it logs in, or is not. */
static enum bs_done
prove(struct bs_http_creds *all,
      struct bs_http_cred *c,
      const char *client,
      int *retry_s,
      struct bs_err *err)
{
    struct bs_bytes host = host_of(client);
    char name[64];

    (void)snprintf(name, sizeof(name), "%.*s", (int)host.n, (const char *)host.p);
    *retry_s = bs_rates_look(all->guesses, name, bs_mono_us());
    if (*retry_s != 0)
        return BS_FAIL(err, TOO_OFTEN, "too many wrong credentials came from this address");
    if (bs_http_door_log_in(c->door, err) == BS_DONE) {
        (void)pthread_mutex_lock(&all->lock);
        c->proven = true;
        (void)pthread_mutex_unlock(&all->lock);
        return BS_DONE;
    }
    if (err->code != BS_E_AUTH)
        return BS_FAILED;
    (void)bs_rates_take(all->guesses, name, bs_mono_us());
    BS_LOG(WARNING, "an agent's credential was refused", BS_F_STR("client", client));
    refuse(all, c);
    return BS_FAILED;
}

struct bs_http_cred *
bs_http_creds_enter(struct bs_http_creds *all,
                    const struct bs_http_claim *claim,
                    int *retry_s,
                    struct bs_err *err)
{
    uint8_t key[DIGEST];
    struct bs_http_cred *c;

    digest(all, claim, key);
    (void)pthread_mutex_lock(&all->lock);
    c = find(all, key);
    (void)pthread_mutex_unlock(&all->lock);
    if (c == NULL) {
        c = cred_new(all, claim, key, err);
        c = c == NULL ? NULL : add(all, c, err);
    }
    if (c == NULL)
        return NULL;
    if (!bs_http_door_is_open(c->door) && prove(all, c, claim->client, retry_s, err) != BS_DONE) {
        bs_http_creds_leave(all, c);
        return NULL;
    }
    if (c->several) {
        (void)BS_FAIL(err, USAGE, "this agent has several databases: ask at /mcp/DATABASE");
        bs_http_creds_leave(all, c);
        return NULL;
    }
    return c;
}

/* With the lock: the first of those that nobody has used for long, out of the list. */
static struct bs_http_cred *
find_stale(struct bs_http_creds *all, int64_t now_us)
{
    for (struct bs_http_cred *c = all->all; c != NULL; c = c->next) {
        if (c->refs != 0 || now_us - c->used_us < KEEP_US || bs_mcp_actor_holds(c->actor))
            continue;
        strike_off(all, c);
        return c;
    }
    return NULL;
}

/* --- those that wait for something, and ask nothing ------------------------------------------ */

static bool
is_shut_out(struct bs_http_creds *all, const char *name)
{
    struct bs_agent agent = {0};
    struct bs_err err = {0};
    struct bs_arena arena;
    bool out;

    bs_arena_init(&arena, "lookup", LOOKUP_ARENA);
    out = bs_state_agent_get(all->gateway->state, name, &arena, &agent, &err) == BS_DONE
              ? bs_agent_shut_out(&agent, bs_now_us()) != NULL
              : err.code == BS_E_NOT_FOUND;
    bs_arena_fini(&arena);
    return out;
}

/* Some that are in use, each held once more. */
static size_t
take_used(struct bs_http_creds *all, struct bs_http_cred *out[LOOK_MAX])
{
    size_t n = 0;

    (void)pthread_mutex_lock(&all->lock);
    for (struct bs_http_cred *c = all->all; c != NULL && n < LOOK_MAX; c = c->next) {
        if (c->refs == 0)
            continue;
        c->refs++;
        out[n++] = c;
    }
    (void)pthread_mutex_unlock(&all->lock);
    return n;
}

/* A token or a password that counts no more is told by the log-in alone. */
static bool
is_out(struct bs_http_creds *all, struct bs_http_cred *c)
{
    struct bs_err err = {0};

    return is_shut_out(all, c->agent) ||
           (!bs_http_door_is_open(c->door) && bs_http_door_log_in(c->door, &err) != BS_DONE &&
            err.code == BS_E_AUTH);
}

/* A stream that is open asks for no connection, so it is not told by one that its agent has gone. */
static void
look(struct bs_http_creds *all, int64_t now_us)
{
    struct bs_http_cred *used[LOOK_MAX];
    struct bs_err err = {0};
    int64_t seen = 0;
    size_t n;

    if (bs_state_change_count(all->gateway->state, &seen, &err) != BS_DONE ||
        (seen == all->seen && now_us > all->again_us && now_us - all->looked_us < LOOK_US))
        return;
    if (seen != all->seen)
        all->again_us = now_us + AGAIN_US;
    all->seen = seen;
    all->looked_us = now_us;
    n = take_used(all, used);
    for (size_t i = 0; i < n; i++) {
        if (is_out(all, used[i]))
            refuse(all, used[i]);
        bs_http_creds_leave(all, used[i]);
    }
}

void
bs_http_creds_tend(struct bs_http_creds *all)
{
    int64_t now_us = bs_mono_us();
    struct bs_http_cred *stale;

    look(all, now_us);

    do {
        (void)pthread_mutex_lock(&all->lock);
        stale = find_stale(all, now_us);
        for (struct bs_http_cred *c = stale == NULL ? all->all : NULL; c != NULL; c = c->next)
            bs_http_door_tend(c->door);
        (void)pthread_mutex_unlock(&all->lock);
        if (stale != NULL)
            cred_free(stale);
    } while (stale != NULL);
}
