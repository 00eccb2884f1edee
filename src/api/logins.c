/*
 * logins.c - rows looked through one by one. What a page sends along with a change is made from the
 * secret, too, so that there is nothing more to keep.
 */
#include "api/logins.h"

#include <openssl/crypto.h>
#include <openssl/hmac.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/clock.h"

#define ROWS 512

struct row {
    bool taken;
    uint8_t id[32]; /* the secret's hash */
    char operator_[BS_NAME_MAX + 1];
    char token_sha256[BS_SHA256_TEXT];
    int64_t begun_us, used_us;
    int64_t ends_us; /* told to people; what counts is begun_us */
};

struct bs_logins {
    pthread_mutex_t lock;
    uint8_t key[32];
    int64_t idle_us, life_us;
    struct row rows[ROWS];
};

struct bs_logins *
bs_logins_new(int64_t idle_us, int64_t life_us)
{
    struct bs_logins *l = bs_malloc(sizeof(*l));

    (void)pthread_mutex_init(&l->lock, NULL);
    bs_random(l->key, sizeof(l->key));
    l->idle_us = idle_us;
    l->life_us = life_us;
    return l;
}

void
bs_logins_free(struct bs_logins **l)
{
    if (*l == NULL)
        return;
    (void)pthread_mutex_destroy(&(*l)->lock);
    bs_wipe((*l)->key, sizeof((*l)->key));
    free(*l);
    *l = NULL;
}

/* The hash of a secret, another one for each use of it. */
static void
hash_of(const struct bs_logins *l, char use, const char *secret, uint8_t out[32])
{
    char text[BS_LOGIN_TEXT + 1];
    unsigned n = 32;

    (void)snprintf(text, sizeof(text), "%c%s", use, secret);
    bs_assert(HMAC(EVP_sha256(), l->key, sizeof(l->key), (const unsigned char *)text, strlen(text),
                   out, &n) != NULL);
    bs_wipe(text, sizeof(text));
}

static void
show(const struct bs_logins *l, const struct row *row, const char *secret, struct bs_logged_in *out)
{
    uint8_t csrf[32];

    memcpy(out->token_sha256, row->token_sha256, sizeof(out->token_sha256));
    hash_of(l, 'c', secret, csrf);
    bs_hex(csrf, sizeof(csrf), out->csrf);
    out->ends_us = row->ends_us;
}

static bool
is_over(const struct bs_logins *l, const struct row *row, int64_t mono_us)
{
    return mono_us >= row->begun_us + l->life_us || mono_us >= row->used_us + l->idle_us;
}

static void
end_those_over(struct bs_logins *l, int64_t mono_us)
{
    for (size_t i = 0; i < ROWS; i++) {
        if (l->rows[i].taken && is_over(l, &l->rows[i], mono_us))
            l->rows[i] = (struct row){0};
    }
}

static bool
is_of(const struct row *row, const char *operator_)
{
    return row->taken && (operator_ == NULL || strcmp(row->operator_, operator_) == 0);
}

/* Of one operator, or NULL: of all, the one that was used longest ago. */
static struct row *
idlest(struct bs_logins *l, const char *operator_, size_t *n)
{
    struct row *found = NULL;

    *n = 0;
    for (size_t i = 0; i < ROWS; i++) {
        struct row *row = &l->rows[i];
        if (!is_of(row, operator_))
            continue;
        ++*n;
        if (found == NULL || row->used_us < found->used_us)
            found = row;
    }
    return found;
}

static struct row *
make_room(struct bs_logins *l, const char *operator_)
{
    size_t n;
    struct row *row = idlest(l, operator_, &n);

    if (n >= BS_LOGINS_OF_ONE)
        return row;
    row = idlest(l, NULL, &n);
    if (n == ROWS)
        return row;
    for (row = l->rows; row->taken; row++)
        ;
    return row;
}

void
bs_logins_begin(struct bs_logins *l,
                const char *operator_,
                const char *token_sha256,
                int64_t mono_us,
                char secret[BS_LOGIN_TEXT],
                struct bs_logged_in *out)
{
    uint8_t random[32];
    struct row *row;

    bs_random(random, sizeof(random));
    bs_hex(random, sizeof(random), secret);
    bs_wipe(random, sizeof(random));
    (void)pthread_mutex_lock(&l->lock);
    end_those_over(l, mono_us);
    row = make_room(l, operator_);
    *row = (struct row){.taken = true,
                        .begun_us = mono_us,
                        .used_us = mono_us,
                        .ends_us = bs_now_us() + l->life_us};
    hash_of(l, 'i', secret, row->id);
    (void)snprintf(row->operator_, sizeof(row->operator_), "%s", operator_);
    (void)snprintf(row->token_sha256, sizeof(row->token_sha256), "%s", token_sha256);
    show(l, row, secret, out);
    (void)pthread_mutex_unlock(&l->lock);
}

/* Every row is looked at for the same time, whether it is the one or not. */
static struct row *
find(struct bs_logins *l, const char *secret)
{
    struct row *found = NULL;
    uint8_t id[32];

    if (strlen(secret) != BS_LOGIN_TEXT - 1)
        return NULL;
    hash_of(l, 'i', secret, id);
    for (size_t i = 0; i < ROWS; i++) {
        if (CRYPTO_memcmp(l->rows[i].id, id, sizeof(id)) == 0 && l->rows[i].taken)
            found = &l->rows[i];
    }
    return found;
}

bool
bs_logins_find(struct bs_logins *l,
               const char *secret,
               enum bs_login_use use,
               int64_t mono_us,
               struct bs_logged_in *out)
{
    struct row *row;

    *out = (struct bs_logged_in){0};
    (void)pthread_mutex_lock(&l->lock);
    end_those_over(l, mono_us);
    row = find(l, secret);
    if (row != NULL && use == BS_LOGIN_ACT)
        row->used_us = mono_us;
    if (row != NULL)
        show(l, row, secret, out);
    (void)pthread_mutex_unlock(&l->lock);
    return row != NULL;
}

void
bs_logins_end(struct bs_logins *l, const char *secret)
{
    struct row *row;

    (void)pthread_mutex_lock(&l->lock);
    row = find(l, secret);
    if (row != NULL)
        *row = (struct row){0};
    (void)pthread_mutex_unlock(&l->lock);
}
