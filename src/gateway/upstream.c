/*
 * upstream.c - addresses are tried in order, each first the way sslmode prefers; the first that
 * lets us in is taken.
 *
 * The server is as little trusted as a client: sizes are bounded, an AuthenticationOk counts only
 * where the exchange before it was complete, and the pinned settings are read back before a single
 * statement can pass. What went wrong is for the operator's log; the client hears that the
 * database cannot be reached, and the server's own class of error where that helps it to retry.
 */
#include "gateway/upstream.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/log.h"
#include "gateway/conninfo.h"
#include "gateway/gateway.h"
#include "gateway/worker.h"
#include "wire/md5auth.h"
#include "wire/messages.h"
#include "wire/scram.h"
#include "wire/tls.h"

#define LOOKUP_MS     30000
#define ADDRESSES_MAX 32
#define MESSAGE_MAX   (64 * 1024) /* of a server that is still logging us in */
#define NOTICES_MAX   (256 * 1024)
#define LINK_MAX      ((size_t)1024 * 1024 * 1024 + 64 * 1024)
#define SETTINGS_MAX  128

enum step {
    STEP_STOPPED = 0, /* waits for a job, or is over */
    STEP_SSL,         /* one byte answers the SSLRequest */
    STEP_HANDSHAKE,
    STEP_AUTH,       /* AuthenticationXxx */
    STEP_SASL,       /* AuthenticationSASLContinue */
    STEP_SASL_FINAL, /* AuthenticationSASLFinal */
    STEP_PROVEN,     /* AuthenticationOk may come */
    STEP_SETTLING,   /* ParameterStatus, BackendKeyData, ReadyForQuery */
    STEP_READY,
};

/* One way to try: an address, with or without TLS. */
struct
try {
    struct sockaddr_storage at;
    socklen_t len;
    size_t host; /* index into the conninfo's hosts */
    bool tls;
    bool may_stay_plain; /* sslmode prefer: an 'N' is good enough */
};

/* What a job thread finds out before the first connect. */
struct lookup {
    const struct bs_conninfo *info;
    struct try tries[2 * ADDRESSES_MAX];
    size_t n_tries;
    char *passwords[ADDRESSES_MAX]; /* one a host; NULL: none */
    char why[256];                  /* the last failure, for the log */
};

/* PBKDF2 on its way to a job thread and back. */
struct derivation {
    struct bs_scram_client scram;
    char *password;
    enum bs_done done;
    struct bs_err err;
};

struct bs_upstream {
    const struct bs_conninfo *info;
    const struct bs_setting *settings;
    size_t n_settings;
    enum step step;
    struct lookup *found;
    size_t trying; /* index into found->tries */
    struct bs_scram_client scram;
    struct bs_buf notices;
    const char *sqlstate; /* for the client: the most telling failure so far */
};

static void try_next(struct bs_session *s);

/* --- look-up (job thread) ------------------------------------------------------------------ */

static void
lookup_free(struct lookup *k)
{
    if (k == NULL)
        return;
    for (size_t i = 0; i < ADDRESSES_MAX; i++)
        bs_free_secret(&k->passwords[i]);
    free(k);
}

static void
add_try(struct lookup *k, const struct try *t)
{
    if (k->n_tries < sizeof(k->tries) / sizeof(k->tries[0]))
        k->tries[k->n_tries++] = *t;
}

/* The order of attempts that each sslmode stands for; TLS means nothing on a Unix socket. */
static void
add_tries(struct lookup *k, struct try *t)
{
    switch (t->at.ss_family == AF_UNIX ? BS_SSL_DISABLE : k->info->sslmode) {
    case BS_SSL_DISABLE:
        add_try(k, t);
        break;
    case BS_SSL_ALLOW:
        add_try(k, t);
        t->tls = true;
        add_try(k, t);
        break;
    case BS_SSL_PREFER:
        t->tls = t->may_stay_plain = true;
        add_try(k, t);
        t->tls = t->may_stay_plain = false;
        add_try(k, t);
        break;
    case BS_SSL_REQUIRE:
    case BS_SSL_VERIFY_CA:
    case BS_SSL_VERIFY_FULL:
    default:
        t->tls = true;
        add_try(k, t);
        break;
    }
}

static void
look_up_unix(struct lookup *k, size_t i)
{
    const struct bs_conn_host *h = &k->info->hosts[i];
    struct try t = {.host = i};
    struct sockaddr_un *sun = (struct sockaddr_un *)(void *)&t.at;
    int n;

    sun->sun_family = AF_UNIX;
    n = snprintf(sun->sun_path, sizeof(sun->sun_path), "%s/.s.PGSQL.%s", h->host, h->port);
    if (n < 0 || (size_t)n >= sizeof(sun->sun_path)) {
        (void)snprintf(k->why, sizeof(k->why), "the path of the Unix socket is too long");
        return;
    }
    t.len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + (size_t)n);
    if (h->host[0] == '@')
        sun->sun_path[0] = '\0'; /* an abstract name, without a file */
    else
        t.len++;
    add_tries(k, &t);
}

static void
look_up_inet(struct lookup *k, size_t i)
{
    const struct bs_conn_host *h = &k->info->hosts[i];
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *all = NULL;
    int failed;

    if (h->hostaddr != NULL)
        hints.ai_flags = AI_NUMERICHOST;
    failed = getaddrinfo(h->hostaddr != NULL ? h->hostaddr : h->host, h->port, &hints, &all);
    if (failed != 0) {
        (void)snprintf(k->why, sizeof(k->why), "host name look-up: %s", gai_strerror(failed));
        return;
    }
    for (const struct addrinfo *ai = all; ai != NULL; ai = ai->ai_next) {
        struct try t = {.host = i, .len = ai->ai_addrlen};
        if (ai->ai_addrlen > sizeof(t.at))
            continue;
        memcpy(&t.at, ai->ai_addr, ai->ai_addrlen);
        add_tries(k, &t);
    }
    freeaddrinfo(all);
}

static void
look_up(void *arg)
{
    struct lookup *k = arg;

    for (size_t i = 0; i < k->info->n_hosts && i < ADDRESSES_MAX; i++) {
        const struct bs_conn_host *h = &k->info->hosts[i];
        if (bs_conn_host_is_unix(h))
            look_up_unix(k, i);
        else
            look_up_inet(k, i);
        k->passwords[i] = bs_conninfo_password(k->info, h);
    }
}

static void
looked_up(struct bs_session *s, bool current, void *arg)
{
    struct lookup *k = arg;

    if (!current) {
        lookup_free(k);
        return;
    }
    s->upstream->found = k;
    if (k->n_tries == 0)
        BS_LOG(WARNING, "no address of the database", BS_F_STR("database", s->database),
               BS_F_STR("reason", k->why));
    try_next(s);
}

/* --- begin and end ------------------------------------------------------------------------- */

void
bs_upstream_begin(struct bs_session *s, const struct bs_setting *settings, size_t n_settings)
{
    struct bs_upstream *u = bs_malloc(sizeof(*u));
    struct lookup *k = bs_malloc(sizeof(*k));

    u->info = &s->gateway->upstreams[s->database_at];
    u->settings = settings;
    u->n_settings = n_settings;
    u->sqlstate = "08001";
    bs_buf_init(&u->notices, NOTICES_MAX);
    s->upstream = u;
    s->server_user = u->info->user;
    k->info = u->info;
    bs_session_set_timer(s, LOOKUP_MS);
    bs_worker_job(s->worker, s, look_up, looked_up, k);
}

void
bs_upstream_free(struct bs_session *s)
{
    struct bs_upstream *u = s->upstream;

    if (u == NULL)
        return;
    s->upstream = NULL;
    lookup_free(u->found);
    bs_scram_client_fini(&u->scram);
    bs_buf_fini(&u->notices);
    free(u);
}

/* No address is left. The client learns nothing about where its database lives. */
static void
give_up(struct bs_session *s)
{
    const char *sqlstate = s->upstream->sqlstate;
    const char *what = "cannot be reached now";

    if (strcmp(sqlstate, "53300") == 0)
        what = "has too many connections already";
    else if (strcmp(sqlstate, "57P03") == 0)
        what = "is starting up or shutting down";
    bs_session_fail(s, sqlstate, "the server of database \"%s\" %s", s->database, what);
}

/* This way in does not work: say why to the operator and go on to the next. */
static void
try_failed(struct bs_session *s, const char *why)
{
    const struct try *t = &s->upstream->found->tries[s->upstream->trying - 1];
    const struct bs_conn_host *h = &s->upstream->info->hosts[t->host];

    BS_LOG(WARNING, "login to the database failed", BS_F_STR("session", s->id),
           BS_F_STR("database", s->database), BS_F_STR("host", h->host), BS_F_STR("port", h->port),
           BS_F_STR("role", s->server_user), BS_F_STR("tls", t->tls ? "yes" : "no"),
           BS_F_STR("reason", why));
    bs_link_close(&s->server);
    try_next(s);
}

static void
try_failed_err(struct bs_session *s, const struct bs_err *err)
{
    try_failed(s, err->message);
}

void
bs_upstream_on_timer(struct bs_session *s)
{
    if (s->upstream->found == NULL)
        bs_session_fail(s, "08001", "the server of database \"%s\" cannot be reached now",
                        s->database);
    else
        try_failed(s, "no answer in time");
}

/* --- start-up packet ----------------------------------------------------------------------- */

struct settings {
    struct bs_setting list[SETTINGS_MAX];
    size_t n;
};

static void
set(struct settings *to, const char *name, const char *value)
{
    bs_assert(to->n < SETTINGS_MAX); /* bs_startup_judge forwards less than a packet can hold */
    to->list[to->n++] = (struct bs_setting){name, value};
}

/* Set by the gateway whatever the client asked for. */
static bool
is_pinned(const char *name)
{
    static const char *const pinned[] = {
        "user",        "database",         "client_encoding", "standard_conforming_strings",
        "options",     "application_name", "backslash_quote", "default_transaction_read_only",
        "replication",
    };

    for (size_t i = 0; i < sizeof(pinned) / sizeof(pinned[0]); i++)
        if (strcasecmp(name, pinned[i]) == 0)
            return true;
    return false;
}

/*
 * The operator's own options, then who acts. An actor's name and a session id hold nothing that
 * would have to be escaped; the check is here so that it stays so.
 */
static char *
make_options(struct bs_session *s)
{
    const char *own = s->upstream->info->options;

    bs_assert(strpbrk(s->actor, " \\\t\n\r") == NULL);
    return bs_arena_fmt(&s->arena, "%s%s-c backstop.actor=%s -c backstop.run=%s",
                        own == NULL ? "" : own, own == NULL ? "" : " ", s->actor, s->id);
}

static void
send_startup(struct bs_session *s)
{
    struct bs_upstream *u = s->upstream;
    struct settings to = {.n = 0};
    char *name = bs_arena_fmt(&s->arena, "backstop/%s", s->actor);
    char *options = make_options(s);

    if (name == NULL || options == NULL || u->n_settings > SETTINGS_MAX - 16) {
        bs_session_fail(s, "54000", "too many start-up parameters");
        return;
    }
    set(&to, "user", u->info->user);
    set(&to, "database", u->info->dbname);
    set(&to, "options", options);
    for (size_t i = 0; i < u->n_settings; i++)
        if (!is_pinned(u->settings[i].name))
            set(&to, u->settings[i].name, u->settings[i].value);
    set(&to, "client_encoding", "UTF8");
    set(&to, "standard_conforming_strings", "on");
    set(&to, "backslash_quote", "safe_encoding");
    set(&to, "application_name", name);
    if (s->shielded)
        set(&to, "default_transaction_read_only", "on");
    bs_startup_put(&s->server.out, to.list, to.n);
    if (s->server.out.failed) {
        bs_session_fail(s, "54000", "start-up parameters are too long");
        return;
    }
    u->step = STEP_AUTH;
}

/* --- connect ------------------------------------------------------------------------------- */

/* A connecting socket, or -1 with the reason in errno. */
static int
open_socket(const struct try *t)
{
    int fd = socket(t->at.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int reason;

    if (fd < 0)
        return -1;
    if (connect(fd, (const struct sockaddr *)&t->at, t->len) == 0 || errno == EINPROGRESS)
        return fd;
    reason = errno;
    (void)close(fd);
    errno = reason;
    return -1;
}

/* Opens the next way in. False: it failed at once. */
static bool
begin_try(struct bs_session *s, const struct try *t)
{
    struct bs_upstream *u = s->upstream;
    struct bs_err err = {0};
    int fd = open_socket(t);

    if (fd < 0)
        (void)BS_FAIL(&err, IO, "connect: %s", strerror(errno));
    else if (bs_link_open(&s->server, bs_worker_loop(s->worker), fd, LINK_MAX, LINK_MAX,
                          bs_session_on_server, s, &err) == BS_DONE) {
        s->server_host = u->info->hosts[t->host].host;
        bs_link_keep_alive(&s->server, &u->info->keep_alive);
        bs_session_set_timer(s, (uint64_t)u->info->connect_timeout * 1000);
        if (t->tls) {
            bs_startup_put_ssl(&s->server.out);
            u->step = STEP_SSL;
        } else {
            send_startup(s);
        }
        return true;
    }
    BS_LOG(WARNING, "cannot connect to the database", BS_F_STR("database", s->database),
           BS_F_STR("host", u->info->hosts[t->host].host),
           BS_F_STR("port", u->info->hosts[t->host].port), BS_F_STR("reason", err.message));
    return false;
}

static void
try_next(struct bs_session *s)
{
    struct bs_upstream *u = s->upstream;

    bs_scram_client_fini(&u->scram);
    bs_buf_clear(&u->notices);
    u->step = STEP_STOPPED;
    s->generation++; /* a derivation of the try before comes too late */
    while (u->trying < u->found->n_tries)
        if (begin_try(s, &u->found->tries[u->trying++]))
            return;
    give_up(s);
}

/* --- TLS ----------------------------------------------------------------------------------- */

static void
on_ssl_answer(struct bs_session *s)
{
    const struct try *t = &s->upstream->found->tries[s->upstream->trying - 1];
    struct bs_buf *in = &s->server.in;
    struct bs_err err = {0};
    uint8_t answer = in->p[0];

    if (in->n > 1) { /* CVE-2021-23222: whatever it is, it did not come through TLS */
        try_failed(s, "unencrypted bytes behind the answer to the SSL request");
        return;
    }
    bs_buf_drop(in, 1);
    if (answer == 'N' && t->may_stay_plain) {
        send_startup(s);
        return;
    }
    if (answer != 'S') {
        try_failed(s, "the server does not do TLS");
        return;
    }
    s->upstream->step = STEP_HANDSHAKE;
    if (bs_link_start_tls(&s->server, s->gateway->upstream_tls[s->database_at],
                          s->upstream->info->hosts[t->host].host, &err) == BS_FAILED)
        try_failed_err(s, &err);
}

/* --- authentication ------------------------------------------------------------------------ */

static const char *
password(const struct bs_session *s)
{
    const struct bs_upstream *u = s->upstream;

    return u->found->passwords[u->found->tries[u->trying - 1].host];
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
    s->upstream->step = STEP_PROVEN;
}

static void
answer_md5(struct bs_session *s, const uint8_t salt[4])
{
    char text[BS_MD5_TEXT];
    struct bs_err err = {0};

    if (bs_md5_answer(s->server_user, password(s), salt, text, &err) == BS_FAILED) {
        try_failed_err(s, &err);
        return;
    }
    send_password(s, text);
    bs_wipe(text, sizeof(text));
}

static void
begin_sasl(struct bs_session *s, const struct bs_auth_request *auth)
{
    struct bs_buf first;

    if (!bs_auth_offers(auth, BS_SCRAM_MECHANISM)) {
        try_failed(s, "the server offers no SASL mechanism that we know");
        return;
    }
    bs_buf_init(&first, BS_SCRAM_MESSAGE_MAX);
    bs_scram_client_first(&s->upstream->scram, BS_SCRAM_BOUND_NOT, NULL, &first);
    bs_msg_put_sasl_initial(&s->server.out, BS_SCRAM_MECHANISM, bs_buf_view(&first));
    bs_buf_fini(&first);
    s->upstream->step = STEP_SASL;
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
        s->upstream->step = STEP_SASL_FINAL;
        bs_link_resume(&s->server);
    } else if (current) {
        try_failed_err(s, &d->err);
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
        try_failed_err(s, &err);
        return;
    }
    d = bs_malloc(sizeof(*d));
    d->scram = u->scram;
    d->password = bs_strdup(password(s));
    u->step = STEP_STOPPED;
    bs_link_pause(&s->server);
    bs_worker_job(s->worker, s, derive, derived, d);
}

/* The server asks for a proof, first thing after the start-up packet. */
static void
on_first_request(struct bs_session *s, const struct bs_auth_request *auth)
{
    if (auth->kind == BS_AUTH_OK) {
        s->upstream->step = STEP_SETTLING;
        return;
    }
    if (password(s) == NULL) {
        try_failed(s, "the server asks for a password, and none is configured or in the file");
        return;
    }
    if (auth->kind == BS_AUTH_MD5) {
        answer_md5(s, auth->salt);
    } else if (auth->kind == BS_AUTH_SASL) {
        begin_sasl(s, auth);
    } else if (auth->kind == BS_AUTH_PASSWORD) {
        send_password(s, password(s));
    } else {
        try_failed(s, "the server asks for an authentication that we do not know");
    }
}

static void
on_auth(struct bs_session *s, struct bs_bytes body)
{
    struct bs_upstream *u = s->upstream;
    struct bs_auth_request auth;
    struct bs_err err = {0};

    if (bs_msg_read_auth(body, &auth, &err) == BS_FAILED) {
        try_failed_err(s, &err);
    } else if (u->step == STEP_AUTH) {
        on_first_request(s, &auth);
    } else if (u->step == STEP_SASL && auth.kind == BS_AUTH_SASL_CONTINUE) {
        on_challenge(s, auth.data);
    } else if (u->step == STEP_SASL_FINAL && auth.kind == BS_AUTH_SASL_FINAL) {
        if (bs_scram_client_verify(&u->scram, auth.data, &err) == BS_FAILED)
            try_failed_err(s, &err);
        else
            u->step = STEP_PROVEN;
    } else if (u->step == STEP_PROVEN && auth.kind == BS_AUTH_OK) {
        u->step = STEP_SETTLING;
    } else {
        try_failed(s, "the server's authentication messages are out of order");
    }
}

/* --- the other messages -------------------------------------------------------------------- */

/* The server refuses. Its words may name roles and rules: they are for the operator. */
static void
on_refusal(struct bs_session *s, struct bs_bytes body)
{
    struct bs_report_fields f = {0};
    struct bs_err err = {0};
    char why[256];

    if (bs_msg_read_report(body, &f, &err) == BS_FAILED) {
        try_failed_err(s, &err);
        return;
    }
    (void)snprintf(why, sizeof(why), "server says %.*s: %.*s",
                   f.sqlstate.n > 5 ? 5 : (int)f.sqlstate.n,
                   f.sqlstate.p == NULL ? "" : (const char *)f.sqlstate.p,
                   f.message.n > 200 ? 200 : (int)f.message.n,
                   f.message.p == NULL ? "" : (const char *)f.message.p);
    if (bs_bytes_equal(f.sqlstate, BS_LIT("53300")))
        s->upstream->sqlstate = "53300";
    else if (bs_bytes_equal(f.sqlstate, BS_LIT("57P03")))
        s->upstream->sqlstate = "57P03";
    try_failed(s, why);
}

static void
on_parameter(struct bs_session *s, struct bs_bytes body)
{
    struct bs_bytes name, value;
    struct bs_err err = {0};

    if (bs_msg_read_parameter_status(body, &name, &value, &err) == BS_FAILED ||
        bs_session_set_param(s, name, value, &err) == BS_FAILED)
        try_failed_err(s, &err);
}

static void
on_key(struct bs_session *s, struct bs_bytes body)
{
    struct bs_key_data key;
    struct bs_err err = {0};

    if (bs_msg_read_key_data(body, &key, &err) == BS_FAILED ||
        key.secret.n > sizeof(s->server_secret)) {
        try_failed(s, "the server's cancel key cannot be read");
        return;
    }
    s->server_pid = key.pid;
    memcpy(s->server_secret, key.secret.p, key.secret.n);
    s->server_secret_len = key.secret.n;
}

static bool
is_reported(const struct bs_session *s, const char *name, const char *want)
{
    const char *value = bs_session_param(s, name);

    return value != NULL && strcmp(value, want) == 0;
}

/* Judging reads SQL the way these settings say; a server that has others is not to be used. */
static void
on_ready(struct bs_session *s, struct bs_bytes body)
{
    struct bs_err err = {0};
    uint8_t status;

    if (bs_msg_read_ready(body, &status, &err) == BS_FAILED) {
        try_failed_err(s, &err);
    } else if (status != 'I') {
        try_failed(s, "the server begins inside a transaction");
    } else if (!is_reported(s, "client_encoding", "UTF8")) {
        try_failed(s, "the server did not take client_encoding = UTF8");
    } else if (!is_reported(s, "standard_conforming_strings", "on")) {
        try_failed(s, "the server did not take standard_conforming_strings = on");
    } else if (s->shielded && !is_reported(s, "default_transaction_read_only", "on")) {
        try_failed(s, "the server did not take default_transaction_read_only = on");
    } else {
        s->upstream->step = STEP_READY;
    }
}

/* A notice of the login ("collation version mismatch") is for the client, after its own login. */
static void
keep_notice(struct bs_session *s, const struct bs_frame *frame)
{
    struct bs_buf *to = &s->upstream->notices;

    if (to->n + frame->body.n + BS_FRAME_HEAD > to->max)
        return;
    bs_put_u8(to, frame->type);
    bs_put_u32(to, (uint32_t)frame->body.n + 4);
    bs_put_bytes(to, frame->body);
}

static void
on_frame(struct bs_session *s, const struct bs_frame *frame)
{
    bool settling = s->upstream->step == STEP_SETTLING;

    if (frame->type == 'E')
        on_refusal(s, frame->body);
    else if (frame->type == 'N')
        keep_notice(s, frame);
    else if (frame->type == 'R' && !settling)
        on_auth(s, frame->body);
    else if (frame->type == 'S' && settling)
        on_parameter(s, frame->body);
    else if (frame->type == 'K' && settling)
        on_key(s, frame->body);
    else if (frame->type == 'Z' && settling)
        on_ready(s, frame->body);
    else
        try_failed(s, "the server sent a message that is not legal during login");
}

/* --- events -------------------------------------------------------------------------------- */

/* One message of the server; true where one was taken and the same connection goes on. */
static bool
take_message(struct bs_session *s)
{
    struct bs_bytes in = bs_buf_view(&s->server.in);
    size_t trying = s->upstream->trying, used;
    struct bs_frame frame;
    struct bs_err err = {0};
    enum bs_scan scan = bs_frame_next(&in, MESSAGE_MAX, &frame, &err);

    if (scan == BS_SCAN_MORE)
        return false;
    if (scan == BS_SCAN_BAD) {
        try_failed_err(s, &err);
        return false;
    }
    used = s->server.in.n - in.n;
    on_frame(s, &frame);
    if (s->phase != BS_PHASE_UPSTREAM || s->upstream->trying != trying)
        return false;
    bs_buf_drop(&s->server.in, used);
    if (s->upstream->step == STEP_READY)
        bs_session_ready(s, bs_buf_view(&s->upstream->notices));
    return true;
}

static void
advance(struct bs_session *s)
{
    struct bs_upstream *u = s->upstream;

    if (u->step == STEP_SSL && s->server.in.n > 0)
        on_ssl_answer(s);
    if (s->phase == BS_PHASE_UPSTREAM && u->step == STEP_HANDSHAKE && bs_link_tls_open(&s->server))
        send_startup(s);
    while (s->phase == BS_PHASE_UPSTREAM && s->upstream->step >= STEP_AUTH && take_message(s))
        continue;
}

void
bs_upstream_on_server(struct bs_session *s, int events)
{
    struct bs_err err = {0};

    if ((events & BS_LINK_WRITABLE) != 0 && bs_link_write(&s->server, &err) == BS_FAILED) {
        try_failed_err(s, &err);
        return;
    }
    if ((events & (BS_LINK_READABLE | BS_LINK_HANGUP)) == 0 || s->server.paused)
        return;
    switch (bs_link_read(&s->server, &err)) {
    case BS_LINK_GOT:
    case BS_LINK_AGAIN:
        advance(s);
        break;
    case BS_LINK_EOF:
        try_failed(s, "the server closed the connection");
        break;
    case BS_LINK_ERROR:
    default:
        try_failed_err(s, &err);
        break;
    }
}
