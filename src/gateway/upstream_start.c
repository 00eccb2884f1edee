/*
 * upstream_start.c - the start-up packet with its pinned settings, and what the server says until it
 * is ready: the settings are read back before a single statement can pass.
 */
#include "gateway/upstream_parts.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "gateway/conninfo.h"
#include "sql/door.h"
#include "wire/messages.h"

#define SETTINGS_MAX    128
#define VERSION_3       (UINT32_C(3) << 16)
#define NEVER_WAS       (VERSION_3 | 1) /* 3.1 was never given out */
#define MINOR_LONG_KEYS 2               /* since 3.2 a cancel key may be longer than */
#define SHORT_KEY       4               /* bytes */

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
    return bs_arena_fmt(&s->arena,
                        "%s%s-c backstop.actor=%s -c backstop.run=%s -c " BS_DOOR_SETTING "=",
                        own == NULL ? "" : own, own == NULL ? "" : " ", s->actor, s->id);
}

void
bs_upstream_send_startup(struct bs_session *s)
{
    struct bs_upstream *u = s->upstream;
    struct settings to = {.n = 0};
    char *name = bs_arena_fmt(&s->arena, "backstop/%s", s->actor);
    char *options = make_options(s);

    if (name == NULL || options == NULL || u->n_settings > SETTINGS_MAX - 16) {
        bs_session_fail(s, "54000", "too many start-up parameters");
        return;
    }
    set(&to, "user", s->server_user);
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
    bs_startup_put(&s->server.out, u->minor, to.list, to.n);
    if (s->server.out.failed) {
        bs_session_fail(s, "54000", "start-up parameters are too long");
        return;
    }
    u->step = BS_UPSTREAM_AUTH;
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
        bs_upstream_way_failed_err(s, &err);
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
    bs_upstream_way_failed(s, why);
}

static void
on_parameter(struct bs_session *s, struct bs_bytes body)
{
    struct bs_bytes name, value;
    struct bs_err err = {0};

    if (bs_msg_read_parameter_status(body, &name, &value, &err) == BS_FAILED ||
        bs_session_set_param(s, name, value, &err) == BS_FAILED)
        bs_upstream_way_failed_err(s, &err);
}

/*
 * The server speaks an older minor version than we asked for. Exactly what libpq accepts: once, a
 * version that there is and that is allowed, and no option, as we sent none.
 */
static const char *
judge_negotiation(const struct bs_upstream *u, const struct bs_negotiation *n)
{
    uint32_t asked = VERSION_3 | u->minor;

    if (u->negotiated)
        return "the server negotiates the protocol a second time";
    if (n->n_unknown != 0)
        return "the server refuses a protocol option that was not asked for";
    if (n->version >= asked)
        return "the server negotiates the protocol, but not to an older version";
    if (n->version < VERSION_3 || n->version == NEVER_WAS)
        return "the server negotiates a protocol version that does not exist";
    if (n->version < (VERSION_3 | u->info->minor_min))
        return "the server speaks no protocol version as new as min_protocol_version";
    return NULL;
}

static void
on_negotiation(struct bs_session *s, struct bs_bytes body)
{
    struct bs_upstream *u = s->upstream;
    struct bs_negotiation n;
    struct bs_err err = {0};
    const char *wrong;

    if (bs_msg_read_negotiation(body, &n, &err) == BS_FAILED) {
        bs_upstream_way_failed_err(s, &err);
        return;
    }
    wrong = judge_negotiation(u, &n);
    if (wrong != NULL) {
        bs_upstream_way_failed(s, wrong);
        return;
    }
    u->negotiated = true;
    u->minor = (uint16_t)n.version;
}

/* Only newer protocols have keys of another length. */
static bool
fits_version(const struct bs_session *s, struct bs_bytes secret)
{
    return secret.n <= sizeof(s->server_secret) &&
           (s->upstream->minor >= MINOR_LONG_KEYS || secret.n == SHORT_KEY);
}

static void
on_key(struct bs_session *s, struct bs_bytes body)
{
    struct bs_key_data key;
    struct bs_err err = {0};

    if (bs_msg_read_key_data(body, &key, &err) == BS_FAILED || !fits_version(s, key.secret)) {
        bs_upstream_way_failed(s, "the server's cancel key cannot be read");
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
        bs_upstream_way_failed_err(s, &err);
    } else if (status != 'I') {
        bs_upstream_way_failed(s, "the server begins inside a transaction");
    } else if (!is_reported(s, "client_encoding", "UTF8")) {
        bs_upstream_way_failed(s, "the server did not take client_encoding = UTF8");
    } else if (!is_reported(s, "standard_conforming_strings", "on")) {
        bs_upstream_way_failed(s, "the server did not take standard_conforming_strings = on");
    } else if (s->shielded && !is_reported(s, "default_transaction_read_only", "on")) {
        bs_upstream_way_failed(s, "the server did not take default_transaction_read_only = on");
    } else {
        s->upstream->step = BS_UPSTREAM_READY;
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

void
bs_upstream_on_frame(struct bs_session *s, const struct bs_frame *frame)
{
    bool settling = s->upstream->step == BS_UPSTREAM_SETTLING;

    if (frame->type == 'E')
        on_refusal(s, frame->body);
    else if (frame->type == 'N')
        keep_notice(s, frame);
    else if (frame->type == 'v' && s->upstream->step == BS_UPSTREAM_AUTH)
        on_negotiation(s, frame->body);
    else if (frame->type == 'R' && !settling)
        bs_upstream_on_auth(s, frame->body);
    else if (frame->type == 'S' && settling)
        on_parameter(s, frame->body);
    else if (frame->type == 'K' && settling)
        on_key(s, frame->body);
    else if (frame->type == 'Z' && settling)
        on_ready(s, frame->body);
    else
        bs_upstream_way_failed(s, "the server sent a message that is not legal during login");
}
