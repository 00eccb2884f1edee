/*
 * login.c - a client's first bytes come from anybody, so each step takes one packet of a known
 * size and then stops reading until it is answered.
 *
 * Unknown, revoked and expired actors go through the same exchange as others, to the same refusal
 * at its end: who exists is not to be found out by trying.
 */
#include "gateway/login.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "audit/record.h"
#include "base/log.h"
#include "base/metrics.h"
#include "base/siphash.h"
#include "gateway/cancel.h"
#include "gateway/gateway.h"
#include "gateway/inside.h"
#include "gateway/limits.h"
#include "gateway/note.h"
#include "gateway/patience.h"
#include "gateway/paused.h"
#include "gateway/reload.h"
#include "gateway/standing.h"
#include "gateway/upstream.h"
#include "gateway/worker.h"
#include "policy/config.h"
#include "policy/decide.h"
#include "state/state.h"
#include "wire/messages.h"
#include "wire/scram.h"
#include "wire/startup.h"
#include "wire/tls.h"

#define PENDING_MAX  512 /* clients that have not proven anything, over all workers */
#define LOOKUP_ARENA (256 * 1024)
#define TLS_FIRST    0x16 /* a TLS record, where a client begins without asking */

#define MINOR_LONG_KEYS 2 /* protocol 3.2 lets a cancel key be longer than */
#define SHORT_KEY       4 /* bytes, which is what older ones have */

enum step {
    STEP_STOPPED = 0, /* waits for something else than the client, or is over */
    STEP_PACKET,      /* a start-up packet comes next */
    STEP_HANDSHAKE,   /* TLS; then a start-up packet */
    STEP_INITIAL,     /* SASLInitialResponse */
    STEP_FINAL,       /* SASLResponse */
};

/* A secret that an actor may prove to know. */
struct proof {
    const char *name;      /* "password", "previous password", "token"; NULL: not used */
    char id[BS_TICKET_ID]; /* of a token */
    int64_t ends_us;       /* 0: with its actor */
    struct bs_hash128 secret;
};

struct bs_login {
    struct bs_session *older, *newer; /* of the worker's, in the order of their arrival */
    enum step step;
    bool asked_ssl, asked_gss, direct;
    bool found;      /* the actor exists; whether it may log in is the verifier's to say */
    bool allowed;    /* it may use the database */
    bool certified;  /* by a certificate alone */
    bool again;      /* it was looked up once more before it was let in */
    const char *why; /* why it may not log in whatever it proves; for operators; NULL: it may */
    struct bs_startup_wish wish;
    struct bs_scram_server scram;
    struct proof proofs[1 + BS_SCRAM_MORE]; /* what each secret of the exchange is */
    char detail[128];                       /* for the audit: JSON of the proof */
};

/* A look-up on its way to a job thread and back. */
struct lookup {
    struct bs_state *state;
    char *name;
    char *database;
    char *client; /* address */
    struct bs_arena arena;
    bool failed; /* the state did not answer */
    bool found;
    const char *why; /* it may not log in: "revoked", "disabled", "expired", "address"; else NULL */
    bool allowed;    /* the database is on its list */
    int64_t seen;    /* changes of actors, before it was looked up */
    struct bs_agent agent;
    struct bs_token *tokens; /* all that there are of it */
    size_t n_tokens;
    int64_t now_us;
};

/* --- begin and end ------------------------------------------------------------------------- */

static void
enlist(struct bs_logins *all, struct bs_session *s)
{
    s->login->older = all->newest;
    if (all->newest != NULL)
        all->newest->login->newer = s;
    else
        all->oldest = s;
    all->newest = s;
    all->n++;
}

static void
strike_off(struct bs_logins *all, struct bs_session *s)
{
    const struct bs_login *l = s->login;

    if (l->older != NULL)
        l->older->login->newer = l->newer;
    else
        all->oldest = l->newer;
    if (l->newer != NULL)
        l->newer->login->older = l->older;
    else
        all->newest = l->older;
    all->n--;
}

/*
 * Whoever floods us with connections that prove nothing cannot lock others out: the oldest gives
 * way, and a login takes milliseconds. At once, so that the flood holds no descriptors either.
 */
void
bs_login_begin(struct bs_session *s)
{
    struct bs_logins *all = bs_worker_logins(s->worker);
    const struct bs_config_clients *c = atomic_load(&s->gateway->clients);

    s->login = bs_malloc(sizeof(*s->login));
    s->login->step = STEP_PACKET;
    bs_session_set_timer(s, (uint64_t)c->login_ms);
    enlist(all, s);
    if (all->n > PENDING_MAX / s->gateway->n_workers) {
        struct bs_session *oldest = all->oldest;
        bs_session_fail(oldest, "53300", "sorry, too many clients are logging in");
        bs_session_kill(oldest);
    }
}

void
bs_login_free(struct bs_session *s)
{
    if (s->login == NULL)
        return;
    strike_off(bs_worker_logins(s->worker), s);
    bs_scram_server_fini(&s->login->scram);
    free(s->login);
    s->login = NULL;
}

void
bs_login_on_timer(struct bs_session *s)
{
    bs_session_fail(s, "08P01", "canceling authentication due to timeout");
}

/* Logins are told to the audit, refused ones too; a log that has failed lets nobody in. */
static bool
record(struct bs_session *s, const char *outcome, const char *sqlstate)
{
    const struct bs_login *l = s->login;
    const struct bs_audit_record r = {
        .kind = BS_AUDIT_SESSION_OPEN,
        .actor = l->wish.user,
        .group = s->group,
        .owner = s->owner,
        .database = l->wish.database,
        .session = s->id,
        .client = s->address,
        .application = l->wish.application_name,
        .claims = s->claims_text,
        .outcome = outcome,
        .sqlstate = sqlstate,
        .detail = sqlstate == NULL ? l->detail : NULL,
        .text = sqlstate == NULL ? NULL : l->why,
    };
    struct bs_err err = {0};

    bs_count(sqlstate == NULL ? BS_COUNT_LOGINS : BS_COUNT_LOGINS_REFUSED);
    if (bs_audit_enqueue(s->gateway->audit, &r, &err) == BS_DONE)
        return true;
    BS_LOG(ERROR, "the audit log refuses", BS_F_STR("reason", err.message));
    return false;
}

/* The exchange went wrong: malformed, or it proves that somebody is not who they say. */
static void
refuse_proof(struct bs_session *s, const struct bs_err *err)
{
    if (err->code != BS_E_AUTH) {
        bs_session_fail_err(s, err);
        return;
    }
    (void)record(s, "refused", "28P01");
    bs_session_fail(s, "28P01", "%s for user \"%.*s\"", err->message, BS_NAME_MAX,
                    s->login->wish.user);
}

/* --- encryption ---------------------------------------------------------------------------- */

/* Answers with one byte, which must be gone before anything else happens. */
static bool
answer(struct bs_session *s, char byte)
{
    struct bs_err err = {0};

    bs_put_u8(&s->client.out, (uint8_t)byte);
    if (bs_link_write(&s->client, &err) == BS_DONE && bs_link_pending(&s->client) == 0)
        return true;
    bs_session_kill(s);
    return false;
}

static void
begin_tls(struct bs_session *s, struct bs_tls_ctx *tls)
{
    struct bs_err err = {0};

    s->login->step = STEP_HANDSHAKE;
    s->client_tls = true;
    if (bs_link_start_tls(&s->client, tls, NULL, &err) == BS_FAILED) {
        BS_LOG(INFO, "TLS with a client failed", BS_F_STR("client", s->address),
               BS_F_STR("reason", err.message));
        (void)!bs_link_write(&s->client, &err);
        bs_session_kill(s);
    }
}

/* True once the handshake is over. */
static bool
tls_is_open(struct bs_session *s)
{
    if (!bs_link_tls_open(&s->client))
        return false;
    if (s->login->direct && !bs_tls_is_postgresql(s->client.tls)) {
        BS_LOG(INFO, "direct TLS without ALPN refused", BS_F_STR("client", s->address));
        bs_session_kill(s);
        return false;
    }
    s->login->step = STEP_PACKET;
    return true;
}

/*
 * A request for encryption. What lies behind it in the buffer was sent before our answer, so
 * somebody else may have put it there (CVE-2021-23214).
 */
static void
on_encryption(struct bs_session *s, enum bs_startup_kind kind)
{
    struct bs_login *l = s->login;
    struct bs_tls_ctx *tls = atomic_load(&s->gateway->tls);
    bool *asked = kind == BS_STARTUP_SSL ? &l->asked_ssl : &l->asked_gss;

    if (*asked || s->client_tls) {
        bs_session_fail(s, "08P01", "encryption was asked for twice");
        return;
    }
    if (s->client.in.n > 0) {
        bs_session_fail(s, "08P01", "received unencrypted data after %s request",
                        kind == BS_STARTUP_SSL ? "SSL" : "GSSAPI encryption");
        return;
    }
    *asked = true;
    if (kind == BS_STARTUP_GSSENC || tls == NULL)
        (void)answer(s, 'N');
    else if (answer(s, 'S'))
        begin_tls(s, tls);
}

/* --- who it is ----------------------------------------------------------------------------- */

static void admit(struct bs_session *s);

static void
look_up(void *arg)
{
    struct lookup *k = arg;
    struct bs_err err = {0};
    int64_t now = bs_now_us();

    k->failed = bs_state_change_count(k->state, &k->seen, &err) != BS_DONE;
    if (k->failed)
        return;
    k->found = bs_state_agent_get(k->state, k->name, &k->arena, &k->agent, &err) == BS_DONE;
    k->failed = !k->found && err.code != BS_E_NOT_FOUND;
    if (!k->found)
        return;
    k->why = bs_agent_shut_out(&k->agent, now);
    if (k->why == NULL && !bs_agent_may_come(&k->agent, k->client))
        k->why = "not from this address";
    k->allowed = bs_agent_may(&k->agent, k->database, now);
    k->now_us = now;
    k->failed = bs_state_token_list(k->state, k->name, now, &k->arena, &k->tokens, &k->n_tokens,
                                    &err) != BS_DONE;
}

static void
lookup_free(struct lookup *k)
{
    bs_arena_fini(&k->arena);
    free(k->name);
    free(k->database);
    free(k->client);
    free(k);
}

/* Whether the client has shown the certificate that the actor needs, where it needs one. */
static bool
certificate_fits(struct bs_session *s, const struct bs_agent *agent)
{
    char name[BS_TLS_SUBJECT], subject[BS_TLS_SUBJECT];
    const char *want = agent->certificate, *seen;

    if (want == NULL)
        return true;
    if (s->client.tls == NULL || !bs_tls_client_subject(s->client.tls, name, subject)) {
        BS_LOG(INFO, "the agent needs a certificate, and the client shows none",
               BS_F_STR("actor", agent->name), BS_F_STR("client", s->address));
        return false;
    }
    seen = strncmp(want, "dn:", 3) == 0 ? subject : name;
    if (seen[0] != '\0' && strcmp(want + 3, seen) == 0)
        return true;
    BS_LOG(INFO, "the client's certificate is not the agent's", BS_F_STR("actor", agent->name),
           BS_F_STR("client", s->address), BS_F_STR("subject", subject));
    return false;
}

/* Which secret it is, for comparing. */
static struct bs_hash128
secret_of(const struct bs_session *s, const char *verifier)
{
    return bs_siphash(s->gateway->mock_secret, bs_bytes_of(verifier));
}

/* One more secret that counts, under the salt of the first. */
static void
add_proof(struct bs_session *s,
          struct bs_scram_verifier *to,
          const char *verifier,
          const struct proof *proof)
{
    struct bs_err err = {0};

    if (to->n_more == BS_SCRAM_MORE)
        return;
    if (bs_scram_verifier_add(to, verifier, &err) == BS_DONE) {
        s->login->proofs[to->n_more] = *proof;
        s->login->proofs[to->n_more].secret = secret_of(s, verifier);
    } else {
        BS_LOG(ERROR, "a verifier of an actor cannot be used",
               BS_F_STR("actor", s->login->wish.user), BS_F_STR("which", proof->name),
               BS_F_STR("reason", err.message));
    }
}

static void
add_proofs(struct bs_session *s, const struct lookup *k, struct bs_scram_verifier *to)
{
    s->login->proofs[0] =
        (struct proof){.name = "password", .secret = secret_of(s, k->agent.verifier)};
    if (k->agent.old_verifier != NULL && k->now_us < k->agent.old_until_us)
        add_proof(s, to, k->agent.old_verifier, &(struct proof){.name = "previous password"});
    for (size_t i = 0; i < k->n_tokens; i++) {
        struct proof p = {.name = "token", .ends_us = k->tokens[i].expires_us};
        if (!bs_token_counts(&k->tokens[i], k->now_us))
            continue;
        memcpy(p.id, k->tokens[i].id, sizeof(p.id));
        add_proof(s, to, k->tokens[i].verifier, &p);
    }
}

/* The verifier to ask with; one that refuses in the end where the actor may not log in. */
static void
choose_verifier(struct bs_session *s, const struct lookup *k, struct bs_scram_verifier *out)
{
    struct bs_gateway *g = s->gateway;
    struct bs_err err = {0};

    if (k->found && bs_scram_verifier_parse(k->agent.verifier, out, &err) == BS_DONE) {
        add_proofs(s, k, out);
        out->known = out->known && k->why == NULL;
        return;
    }
    if (k->found)
        BS_LOG(ERROR, "an actor's verifier is damaged", BS_F_STR("actor", k->agent.name));
    bs_scram_verifier_mock((struct bs_bytes){g->mock_secret, sizeof(g->mock_secret)}, k->name, out);
}

/*
 * Without its certificate an actor is treated like one that is revoked: the same exchange, the same
 * refusal at its end. So it is where only the certificate counts, and there is no password to know.
 */
static void
judge_certificate(struct bs_session *s, struct lookup *k)
{
    bool fits;

    if (k->failed || !k->found || k->why != NULL)
        return;
    fits = certificate_fits(s, &k->agent);
    s->login->certified = fits && k->agent.certificate_only;
    if (!fits)
        k->why = "without its certificate";
    else if (k->agent.certificate_only)
        k->why = "it has no password"; /* its certificate lets it in */
}

static void
take_agent(struct bs_session *s, const struct lookup *k)
{
    s->login->found = k->found;
    s->login->allowed = k->allowed;
    s->person = k->found && k->agent.kind == BS_ACTOR_PERSON;
    s->owner = k->found ? bs_arena_str(&s->arena, k->agent.owner) : NULL;
    if (s->person && s->owner == NULL) /* answers for themselves */
        s->owner = bs_arena_str(&s->arena, k->agent.name);
    s->group = k->found ? bs_arena_str(&s->arena, k->agent.group) : NULL;
    s->actor_since_us = k->agent.created_us;
    s->ends_us = k->agent.expires_us;
    s->standing_seen = k->seen;
    s->server_user = k->found ? bs_arena_str(&s->arena, k->agent.role) : NULL;
}

static void
looked_up(struct bs_session *s, bool current, void *arg)
{
    static const char *const mechanisms[] = {BS_SCRAM_MECHANISM_PLUS, BS_SCRAM_MECHANISM, NULL};
    struct bs_scram_end_point end_point = {.n = 0};
    struct lookup *k = arg;
    struct bs_scram_verifier verifier = {0};

    if (!current) {
        lookup_free(k);
        return;
    }
    take_agent(s, k);
    judge_certificate(s, k);
    s->login->why = k->why;
    if (k->failed) {
        bs_session_fail(s, "58000", "the gateway cannot look up its actors now");
    } else if (s->login->certified) {
        (void)snprintf(s->login->detail, sizeof(s->login->detail), "{\"login\":\"certificate\"}");
        admit(s);
    } else {
        choose_verifier(s, k, &verifier);
        if (s->client_tls)
            bs_tls_end_point(s->client.tls, &end_point);
        bs_scram_server_init(&s->login->scram, &verifier, &end_point);
        bs_msg_put_auth_sasl(&s->client.out, mechanisms + (end_point.n == 0));
        s->login->step = STEP_INITIAL;
        bs_link_resume(&s->client);
    }
    bs_scram_verifier_wipe(&verifier);
    lookup_free(k);
}

static void
begin_lookup(struct bs_session *s, void (*done)(struct bs_session *, bool, void *))
{
    struct lookup *k = bs_malloc(sizeof(*k));

    k->state = s->gateway->state;
    k->name = bs_strdup(s->login->wish.user);
    k->database = bs_strdup(s->login->wish.database);
    k->client = bs_strdup(s->address);
    bs_arena_init(&k->arena, "lookup", LOOKUP_ARENA);
    s->login->step = STEP_STOPPED;
    bs_link_pause(&s->client);
    bs_worker_job(s->worker, s, look_up, done, k);
}

/* --- start-up packets ---------------------------------------------------------------------- */

/* For whom a connection from inside is made; without that it is nobody's. */
static bool
take_client(struct bs_session *s)
{
    const char *word = s->login->wish.via;
    char *client = NULL;

    if (s->way == BS_SESSION_OUTSIDE && word == NULL)
        return true;
    if (s->way == BS_SESSION_INSIDE && word != NULL)
        client = bs_inside_take(s->gateway->inside, word, &s->via);
    if (client == NULL) {
        bs_session_fail(s, "0A000",
                        "start-up parameter \"backstop.via\" is refused: it is not "
                        "among those that are accepted here");
        return false;
    }
    free(s->address);
    s->address = client;
    return true;
}

/* Or needs none. */
static bool
has_certificate(struct bs_session *s)
{
    const struct bs_config_clients *c = atomic_load(&s->gateway->clients);
    char name[BS_TLS_SUBJECT], subject[BS_TLS_SUBJECT];

    return c->certificate != BS_CONFIG_CLIENT_CERT_REQUIRE ||
           (s->client.tls != NULL && bs_tls_client_subject(s->client.tls, name, subject));
}

static void
on_startup(struct bs_session *s, const struct bs_startup *packet)
{
    struct bs_startup_wish *wish = &s->login->wish;
    struct bs_err err = {0};

    if (bs_startup_judge(packet, &s->arena, wish, &err) == BS_FAILED) {
        bs_session_fail_err(s, &err);
        return;
    }
    if (!take_client(s))
        return;
    if (wish->negotiate)
        bs_msg_put_negotiate(&s->client.out, wish->minor, wish->unknown, wish->n_unknown);
    if (!has_certificate(s)) {
        (void)record(s, "refused", "28000");
        bs_session_fail(s, "28000", "connection requires a valid client certificate");
        return;
    }
    s->secret_len = wish->minor < MINOR_LONG_KEYS ? SHORT_KEY : BS_SECRET_MAX;
    begin_lookup(s, looked_up);
}

/* No answer but the end: clients wait for it. */
static void
end_cancel(struct bs_session *s)
{
    bs_link_say_last(&s->client);
    bs_session_kill(s);
}

/* Nothing is known of who sends it. */
static void
on_cancel(struct bs_session *s, const struct bs_startup *packet)
{
    struct bs_limits *limits = s->gateway->limits;
    int64_t now_us = bs_mono_us();

    s->login->step = STEP_STOPPED;
    if (!bs_limits_may_cancel(limits, s->address, now_us)) {
        BS_LOG(WARNING, "cancel request ignored: too many wrong ones",
               BS_F_STR("client", s->address));
        end_cancel(s);
    } else if (!bs_cancels_request(s->gateway->cancels, packet->pid, packet->secret, s,
                                   end_cancel)) {
        bs_limits_wrong_cancel(limits, s->address, now_us);
        end_cancel(s);
    }
}

static void
on_packet(struct bs_session *s)
{
    struct bs_bytes in = bs_buf_view(&s->client.in);
    struct bs_tls_ctx *tls = atomic_load(&s->gateway->tls);
    struct bs_startup packet;
    struct bs_err err = {0};
    enum bs_scan scan;
    size_t used;

    if (in.n > 0 && in.p[0] == TLS_FIRST && !s->client_tls && !s->login->asked_ssl && tls != NULL) {
        s->login->direct = true;
        begin_tls(s, tls);
        return;
    }
    scan = bs_startup_next(&in, &packet, &err);
    if (scan == BS_SCAN_MORE)
        return;
    if (scan == BS_SCAN_BAD) {
        bs_session_fail_err(s, &err);
        return;
    }
    used = s->client.in.n - in.n;
    switch (packet.kind) {
    case BS_STARTUP_SSL:
    case BS_STARTUP_GSSENC:
        bs_buf_drop(&s->client.in, used);
        on_encryption(s, packet.kind);
        break;
    case BS_STARTUP_CANCEL:
        on_cancel(s, &packet);
        break;
    case BS_STARTUP_MESSAGE:
        on_startup(s, &packet); /* it borrows the buffer */
        bs_buf_drop(&s->client.in, used);
        break;
    case BS_STARTUP_NONE:
    default:
        bs_session_fail(s, "08P01", "invalid start-up packet");
        break;
    }
}

/* --- the proof ----------------------------------------------------------------------------- */

static void
on_initial(struct bs_session *s, struct bs_bytes body)
{
    struct bs_sasl_initial initial;
    struct bs_err err = {0};
    struct bs_buf first;

    if (bs_msg_read_sasl_initial(body, &initial, &err) == BS_FAILED) {
        bs_session_fail_err(s, &err);
        return;
    }
    if (!bs_scram_server_choose(&s->login->scram, initial.mechanism) || !initial.has_data) {
        bs_session_fail(s, "08P01", "client selected an invalid SASL authentication mechanism");
        return;
    }
    bs_buf_init(&first, BS_SCRAM_MESSAGE_MAX);
    if (bs_scram_server_first(&s->login->scram, initial.data, &first, &err) == BS_DONE) {
        bs_msg_put_auth_sasl_continue(&s->client.out, bs_buf_view(&first));
        s->login->step = STEP_FINAL;
    } else {
        refuse_proof(s, &err);
    }
    bs_buf_fini(&first);
}

static bool
count_in(struct bs_session *s)
{
    const struct bs_config_clients *c = atomic_load(&s->gateway->clients);
    const char *actor = s->login->wish.user;
    enum bs_limit limit = bs_limits_enter(s->gateway->limits, actor, c->per_actor, c->connections);

    if (limit == BS_LIMIT_NONE) {
        s->counted_as = actor;
        return true;
    }
    (void)record(s, "refused", "53300");
    if (limit == BS_LIMIT_ACTOR)
        bs_session_fail(s, "53300", "too many connections for user \"%.*s\"", BS_NAME_MAX, actor);
    else
        bs_session_fail(s, "53300", "sorry, too many clients already");
    return false;
}

/* It looks as if it had been before it began to log in. */
static void
refuse_late(struct bs_session *s)
{
    (void)record(s, "refused", "28P01");
    bs_session_fail(s, "28P01", "password authentication failed for user \"%.*s\"", BS_NAME_MAX,
                    s->login->wish.user);
}

/* Revoked while it was logging in. */
static bool
is_ended(struct bs_session *s)
{
    s->ended = bs_standings_judge(s->gateway->standings, s);
    if (s->ended != NULL)
        refuse_late(s);
    return s->ended != NULL;
}

/* What it was let in with, for the record, and for as long as that counts. */
static void
take_proof(struct bs_session *s)
{
    struct bs_login *l = s->login;
    const struct proof *p = &l->proofs[l->scram.matched];
    char via[32] = "";

    if (s->via != NULL)
        (void)snprintf(via, sizeof(via), ",\"via\":\"%.16s\"", s->via);
    if (p->id[0] == '\0') {
        (void)snprintf(l->detail, sizeof(l->detail), "{\"login\":\"%s\"%s}", p->name, via);
        return;
    }
    (void)snprintf(l->detail, sizeof(l->detail), "{\"login\":\"%s\",\"token\":\"%s\"%s}", p->name,
                   p->id, via);
    s->token = bs_arena_str(&s->arena, p->id);
    if (s->ends_us == 0 || p->ends_us < s->ends_us)
        s->ends_us = p->ends_us;
}

/* Does what it has proven still count? */
static bool
counts_still(const struct bs_session *s, const struct lookup *k)
{
    const struct proof *p = &s->login->proofs[s->login->scram.matched];
    struct bs_hash128 now = secret_of(s, k->agent.verifier), old = {0};

    for (size_t i = 0; p->id[0] != '\0' && i < k->n_tokens; i++) {
        if (strcmp(k->tokens[i].id, p->id) == 0)
            return bs_token_counts(&k->tokens[i], k->now_us);
    }
    if (p->id[0] != '\0')
        return false;
    if (k->agent.old_verifier != NULL && k->now_us < k->agent.old_until_us)
        old = secret_of(s, k->agent.old_verifier);
    return memcmp(&p->secret, &now, sizeof(now)) == 0 || memcmp(&p->secret, &old, sizeof(old)) == 0;
}

static bool
is_let_in_still(struct bs_session *s, struct lookup *k)
{
    bool by_certificate = s->login->certified;

    if (!k->found || k->why != NULL || k->agent.created_us != s->actor_since_us)
        return false;
    judge_certificate(s, k);
    return by_certificate ? s->login->certified : k->why == NULL && counts_still(s, k);
}

static void
looked_up_again(struct bs_session *s, bool current, void *arg)
{
    struct lookup *k = arg;

    if (current && k->failed) {
        bs_session_fail(s, "58000", "the gateway cannot look up its actors now");
    } else if (current && !is_let_in_still(s, k)) {
        refuse_late(s);
    } else if (current) {
        take_agent(s, k);
        if (!s->login->certified)
            take_proof(s);
        admit(s);
    }
    lookup_free(k);
}

/* A login may take a while, and agents be changed meanwhile: what counts is how they are at its end. */
static bool
is_looked_up_again(struct bs_session *s)
{
    if (s->login->again || !bs_standings_have_changed(s->gateway->standings, s))
        return false;
    s->login->again = true;
    begin_lookup(s, looked_up_again);
    return true;
}

/* Nothing would run there, so no server session is made for it. */
static bool
is_paused(struct bs_session *s)
{
    struct bs_leave leave = bs_paused_leave(s);
    struct bs_refusal *refusal;

    if (leave.what >= BS_LEAVE_READING)
        return false;
    refusal = bs_paused_refusal(leave);
    (void)record(s, "refused", refusal->sqlstate);
    bs_session_fail_with(s, refusal);
    bs_refusal_free(&refusal);
    return true;
}

/* How long what it sends may wait for an operator. False: it is refused. */
static bool
take_wait(struct bs_session *s, const char *wish)
{
    int64_t most_ms = s->gateway->config->hold_wait_ms;
    char most[BS_PATIENCE_TEXT];

    if (bs_patience_read(wish, most_ms, &s->hold_wait_ms))
        return true;
    bs_patience_format(most_ms, most);
    (void)record(s, "refused", "22023");
    bs_session_fail(s, "22023",
                    "backstop.wait must be a duration from 0 to %s here, such as \"500ms\"", most);
    return false;
}

/* It is who it says: may the actor use that database, and where is it? */
static void
admit(struct bs_session *s)
{
    struct bs_gateway *g = s->gateway;
    const struct bs_startup_wish wish = s->login->wish;
    const struct bs_config_database *db = bs_config_database_find(g->config, wish.database);
    bool allowed = s->login->allowed;
    struct bs_subject subject;

    if (is_looked_up_again(s))
        return;
    if (db == NULL || !allowed) {
        const char *sqlstate = db == NULL ? "3D000" : "42501";
        (void)record(s, "refused", sqlstate);
        bs_session_fail(s, sqlstate,
                        db == NULL ? "database \"%.*s\" does not exist"
                                   : "permission denied for database \"%.*s\"",
                        BS_NAME_MAX, wish.database);
        return;
    }
    s->actor = wish.user;
    s->database = db->name;
    s->database_at = (size_t)(db - g->config->databases);
    if (is_ended(s) || is_paused(s) || !take_wait(s, wish.wait) || !count_in(s))
        return;
    s->claims = wish.claims;
    s->n_claims = wish.n_claims;
    s->claims_text = bs_note_claims(s, (struct bs_bytes){0}, &s->arena);
    if (!record(s, "done", NULL)) {
        bs_session_fail(s, "58030", "the gateway cannot write its audit log");
        return;
    }
    s->application_name = wish.application_name;
    subject = bs_session_subject(s);
    s->shielded = bs_policy_shielded(bs_gateway_policy(g), &subject);
    bs_login_free(s);
    s->phase = BS_PHASE_UPSTREAM;
    bs_link_pause(&s->client);
    bs_upstream_begin(s, wish.settings, wish.n_settings);
}

static void
on_final(struct bs_session *s, struct bs_bytes body)
{
    struct bs_err err = {0};
    struct bs_buf last;
    enum bs_done done;

    bs_buf_init(&last, BS_SCRAM_MESSAGE_MAX);
    done = bs_scram_server_final(&s->login->scram, body, &last, &err);
    if (done == BS_DONE) {
        bs_msg_put_auth_sasl_final(&s->client.out, bs_buf_view(&last));
        take_proof(s);
        admit(s);
    } else {
        refuse_proof(s, &err);
    }
    bs_buf_fini(&last);
}

/* A message of the SASL exchange; true where one was taken. */
static bool
on_message(struct bs_session *s)
{
    struct bs_bytes in = bs_buf_view(&s->client.in);
    struct bs_frame frame;
    struct bs_err err = {0};
    enum bs_scan scan = bs_frame_next(&in, BS_SCRAM_MESSAGE_MAX + 64, &frame, &err);
    size_t used = s->client.in.n - in.n;

    if (scan == BS_SCAN_MORE)
        return false;
    if (scan == BS_SCAN_BAD) {
        bs_session_fail_err(s, &err);
        return false;
    }
    if (frame.type != 'p') {
        bs_session_fail(s, "08P01", "expected SASL response, got message type %d", frame.type);
        return false;
    }
    if (s->login->step == STEP_INITIAL)
        on_initial(s, frame.body);
    else
        on_final(s, frame.body);
    if (s->phase == BS_PHASE_LOGIN || s->phase == BS_PHASE_UPSTREAM)
        bs_buf_drop(&s->client.in, used);
    return s->phase == BS_PHASE_LOGIN;
}

void
bs_login_on_client(struct bs_session *s)
{
    bool again = true;

    while (again && s->phase == BS_PHASE_LOGIN) {
        enum step step = s->login->step;
        size_t before = s->client.in.n;
        switch (step) {
        case STEP_PACKET:
            on_packet(s);
            again =
                s->phase == BS_PHASE_LOGIN && (s->client.in.n != before || s->login->step != step);
            break;
        case STEP_HANDSHAKE:
            again = tls_is_open(s);
            break;
        case STEP_INITIAL:
        case STEP_FINAL:
            again = on_message(s);
            break;
        case STEP_STOPPED:
        default:
            again = false;
            break;
        }
    }
}
