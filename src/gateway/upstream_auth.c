/*
 * upstream_auth.c - whatever proof the server asks for. An AuthenticationOk counts only where the
 * exchange before it was complete: a server that skips its own proof is not ours.
 */
#include "gateway/upstream_parts.h"

#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "gateway/conninfo.h"
#include "gateway/worker.h"
#include "wire/md5auth.h"
#include "wire/messages.h"
#include "wire/tls.h"

/* PBKDF2 on its way to a job thread and back. */
struct derivation {
    struct bs_scram_client scram;
    char *password;
    enum bs_done done;
    struct bs_err err;
};

static const char *
password(const struct bs_session *s)
{
    return s->upstream->found->passwords[bs_upstream_way(s)->host];
}

/* Sent at once, so that no buffer keeps it. */
static void
send_password(struct bs_session *s, const char *text)
{
    struct bs_buf *out = &s->server.out;
    struct bs_err ignored = {0}; /* a broken connection shows at the next read */

    bs_msg_put_password(out, text);
    (void)!bs_link_write(&s->server, &ignored);
    if (out->n == 0 && out->p != NULL)
        bs_wipe(out->p, out->cap);
    s->upstream->step = BS_UPSTREAM_PROVEN;
}

static void
answer_md5(struct bs_session *s, const uint8_t salt[4])
{
    char text[BS_MD5_TEXT];
    struct bs_err err = {0};

    if (bs_md5_answer(s->server_user, password(s), salt, text, &err) == BS_FAILED) {
        bs_upstream_way_failed_err(s, &err);
        return;
    }
    send_password(s, text);
    bs_wipe(text, sizeof(text));
}

/* Which of the offered mechanisms, and what it is bound to. */
struct choice {
    const char *mechanism;
    enum bs_scram_bound bound;
    struct bs_scram_end_point end_point;
};

/*
 * As libpq chooses. A certificate without a hash to bind to is no reason to do without: whoever
 * sits in the middle could have one. NULL where there is a choice, else what is wrong.
 */
static const char *
choose(const struct bs_session *s, const struct bs_auth_request *auth, struct choice *out)
{
    enum bs_channel_binding wish = s->upstream->info->channel_binding;
    bool tls = bs_link_tls_open(&s->server);
    bool plus = bs_auth_offers(auth, BS_SCRAM_MECHANISM_PLUS);

    *out = (struct choice){.mechanism = BS_SCRAM_MECHANISM};
    if (plus && !tls)
        return "the server offers SCRAM-SHA-256-PLUS outside of TLS";
    if (plus && wish != BS_CHANNEL_BINDING_DISABLE) {
        bs_tls_end_point(s->server.tls, &out->end_point);
        out->mechanism = BS_SCRAM_MECHANISM_PLUS;
        out->bound = BS_SCRAM_BOUND;
        return out->end_point.n != 0 ? NULL
                                     : "the signature of the server's certificate names no hash "
                                       "that a login could be bound to (channel_binding)";
    }
    if (wish == BS_CHANNEL_BINDING_REQUIRE)
        return "channel binding is required, and the server does not offer it";
    if (!bs_auth_offers(auth, BS_SCRAM_MECHANISM))
        return "the server offers no SASL mechanism that we know";
    out->bound =
        tls && wish != BS_CHANNEL_BINDING_DISABLE ? BS_SCRAM_BOUND_ASKED : BS_SCRAM_BOUND_NOT;
    return NULL;
}

static void
begin_sasl(struct bs_session *s, const struct bs_auth_request *auth)
{
    struct choice how;
    const char *wrong = choose(s, auth, &how);
    struct bs_buf first;

    if (wrong != NULL) {
        bs_upstream_way_failed(s, wrong);
        return;
    }
    bs_buf_init(&first, BS_SCRAM_MESSAGE_MAX);
    bs_scram_client_first(&s->upstream->scram, how.bound,
                          how.bound == BS_SCRAM_BOUND ? &how.end_point : NULL, &first);
    bs_msg_put_sasl_initial(&s->server.out, how.mechanism, bs_buf_view(&first));
    bs_buf_fini(&first);
    s->upstream->step = BS_UPSTREAM_SASL;
}

static void
derive(void *arg)
{
    struct derivation *d = arg;

    d->done = bs_scram_client_derive(&d->scram, d->password, &d->err);
}

static void
derived(struct bs_session *s, bool current, void *arg)
{
    struct derivation *d = arg;
    struct bs_buf last;

    bs_buf_init(&last, BS_SCRAM_MESSAGE_MAX);
    if (current && d->done == BS_DONE)
        d->done = bs_scram_client_final(&d->scram, &last, &d->err);
    if (current && d->done == BS_DONE) {
        s->upstream->scram = d->scram;
        bs_msg_put_sasl_response(&s->server.out, bs_buf_view(&last));
        s->upstream->step = BS_UPSTREAM_SASL_FINAL;
        bs_link_resume(&s->server);
    } else if (current) {
        bs_upstream_way_failed_err(s, &d->err);
    }
    bs_buf_fini(&last);
    bs_scram_client_fini(&d->scram);
    bs_free_secret(&d->password);
    free(d);
}

static void
on_challenge(struct bs_session *s, struct bs_bytes data)
{
    struct bs_upstream *u = s->upstream;
    struct derivation *d;
    struct bs_err err = {0};

    if (bs_scram_client_challenge(&u->scram, data, &err) == BS_FAILED) {
        bs_upstream_way_failed_err(s, &err);
        return;
    }
    d = bs_malloc(sizeof(*d));
    d->scram = u->scram;
    d->password = bs_strdup(password(s));
    u->step = BS_UPSTREAM_STOPPED;
    bs_link_pause(&s->server);
    bs_worker_job(s->worker, s, derive, derived, d);
}

/* The server asks for a proof, first thing after the start-up packet. */
static void
on_first_request(struct bs_session *s, const struct bs_auth_request *auth)
{
    if (auth->kind != BS_AUTH_SASL &&
        s->upstream->info->channel_binding == BS_CHANNEL_BINDING_REQUIRE) {
        bs_upstream_way_failed(s, "channel binding is required, and the server asks for no SCRAM");
        return;
    }
    if (auth->kind == BS_AUTH_OK) {
        s->upstream->step = BS_UPSTREAM_SETTLING;
        return;
    }
    if (password(s) == NULL) {
        bs_upstream_way_failed(
            s, "the server asks for a password, and none is configured or in the file");
        return;
    }
    if (auth->kind == BS_AUTH_MD5) {
        answer_md5(s, auth->salt);
    } else if (auth->kind == BS_AUTH_SASL) {
        begin_sasl(s, auth);
    } else if (auth->kind == BS_AUTH_PASSWORD) {
        send_password(s, password(s));
    } else {
        bs_upstream_way_failed(s, "the server asks for an authentication that we do not know");
    }
}

void
bs_upstream_on_auth(struct bs_session *s, struct bs_bytes body)
{
    struct bs_upstream *u = s->upstream;
    struct bs_auth_request auth;
    struct bs_err err = {0};

    if (bs_msg_read_auth(body, &auth, &err) == BS_FAILED) {
        bs_upstream_way_failed_err(s, &err);
    } else if (u->step == BS_UPSTREAM_AUTH) {
        on_first_request(s, &auth);
    } else if (u->step == BS_UPSTREAM_SASL && auth.kind == BS_AUTH_SASL_CONTINUE) {
        on_challenge(s, auth.data);
    } else if (u->step == BS_UPSTREAM_SASL_FINAL && auth.kind == BS_AUTH_SASL_FINAL) {
        if (bs_scram_client_verify(&u->scram, auth.data, &err) == BS_FAILED)
            bs_upstream_way_failed_err(s, &err);
        else
            u->step = BS_UPSTREAM_PROVEN;
    } else if (u->step == BS_UPSTREAM_PROVEN && auth.kind == BS_AUTH_OK) {
        u->step = BS_UPSTREAM_SETTLING;
    } else {
        bs_upstream_way_failed(s, "the server's authentication messages are out of order");
    }
}
