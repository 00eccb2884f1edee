/*
 * credentials.c - see credentials.h.
 */
#include "api/credentials.h"

#include <openssl/evp.h>
#include <stdio.h>

#include "base/clock.h"
#include "policy/values.h"
#include "wire/scram.h"

#define YEARS_MS(n) (INT64_C(n) * 366 * 86400 * 1000)

/* prefix and 192 random bits as letters, digits, '-' and '_'. */
static void
make_secret(const char *prefix, char out[BS_SECRET_TEXT])
{
    uint8_t random[24];
    char text[33]; /* 24 bytes are 32 characters without padding */

    bs_random(random, sizeof(random));
    (void)EVP_EncodeBlock((unsigned char *)text, random, sizeof(random));
    for (char *p = text; *p != '\0'; p++) {
        if (*p == '+')
            *p = '-';
        else if (*p == '/')
            *p = '_';
    }
    (void)snprintf(out, BS_SECRET_TEXT, "%s%s", prefix, text);
    bs_wipe(random, sizeof(random));
    bs_wipe(text, sizeof(text));
}

enum bs_done
bs_expiry_read(const char *what, const char *text, int64_t *out_us, struct bs_err *err)
{
    struct bs_err ignored = {0};
    int64_t ms;

    if (bs_value_duration(text, &ms)) {
        if (ms <= 0 || ms > YEARS_MS(100))
            return BS_FAIL(err, USAGE, "%s is not between now and in 100 years", what);
        *out_us = bs_now_us() + ms * 1000;
        return BS_DONE;
    }
    if (bs_time_parse(text, out_us, &ignored) != BS_DONE)
        return BS_FAIL(err, USAGE, "%s takes a duration like 30d or 12h, or a time in UTC", what);
    if (*out_us <= bs_now_us())
        return BS_FAIL(err, USAGE, "%s lies in the past", what);
    return BS_DONE;
}

static enum bs_done
read_overlap(int64_t overlap_ms, int64_t *until_us, struct bs_err *err)
{
    if (overlap_ms < 0 || overlap_ms > BS_OVERLAP_MAX_MS)
        return BS_FAIL(err, USAGE, "the old one counts for 90 days more at most");
    *until_us = overlap_ms == 0 ? 0 : bs_now_us() + overlap_ms * 1000;
    return BS_DONE;
}

/* --- agents -------------------------------------------------------------------------------- */

static enum bs_done
check_databases(const struct bs_config *config, const struct bs_agent *agent, struct bs_err *err)
{
    for (size_t i = 0; i < agent->n_databases; i++) {
        if (bs_config_database_find(config, agent->databases[i]) != NULL)
            continue;
        (void)BS_FAIL(err, USAGE, "no database \"%.63s\" is configured", agent->databases[i]);
        bs_err_hint(err, "databases are the keys under `databases:` in %.150s", config->file);
        return BS_FAILED;
    }
    return BS_DONE;
}

enum bs_done
bs_agent_enroll(struct bs_state *s,
                const struct bs_config *config,
                const struct bs_agent *agent,
                const char *by,
                char secret[BS_SECRET_TEXT],
                struct bs_err *err)
{
    char verifier[BS_SCRAM_TEXT];
    struct bs_agent row = *agent;
    enum bs_done done;

    if (check_databases(config, agent, err) != BS_DONE)
        return BS_FAILED;
    make_secret("", secret);
    done = bs_scram_verifier_make(secret, verifier, err);
    row.verifier = verifier;
    if (done == BS_DONE)
        done = bs_state_agent_add(s, &row, by, err);
    bs_wipe(verifier, sizeof(verifier));
    return done;
}

enum bs_done
bs_agent_change(struct bs_state *s,
                const struct bs_config *config,
                const struct bs_agent *row,
                unsigned fields,
                const char *by,
                struct bs_err *err)
{
    if ((fields & BS_AGENT_DATABASES) != 0 && check_databases(config, row, err) != BS_DONE)
        return BS_FAILED;
    return bs_state_agent_alter(s, row, fields, by, err);
}

/* The agent, where it has a password that others can be beside. */
static enum bs_done
with_password(struct bs_state *s,
              const char *name,
              struct bs_arena *arena,
              struct bs_agent *agent,
              struct bs_err *err)
{
    if (bs_state_agent_get(s, name, arena, agent, err) != BS_DONE)
        return BS_FAILED;
    if (agent->certificate_only)
        return BS_FAIL(err, CONFLICT, "\"%.63s\" has no password: it logs in by certificate alone",
                       name);
    return BS_DONE;
}

/* Under the salt of the one before, so that both can count for a while. */
enum bs_done
bs_agent_rotate(struct bs_state *s,
                const char *name,
                int64_t overlap_ms,
                const char *by,
                struct bs_arena *arena,
                struct bs_agent *agent,
                char secret[BS_SECRET_TEXT],
                struct bs_err *err)
{
    char verifier[BS_SCRAM_TEXT];
    int64_t until_us = 0;
    enum bs_done done;

    if (read_overlap(overlap_ms, &until_us, err) != BS_DONE ||
        with_password(s, name, arena, agent, err) != BS_DONE)
        return BS_FAILED;
    make_secret("", secret);
    done = bs_scram_verifier_make_like(secret, agent->verifier, verifier, err);
    if (done == BS_DONE)
        done = bs_state_agent_rekey(s, name, verifier, until_us, by, err);
    bs_wipe(verifier, sizeof(verifier));
    return done == BS_DONE ? bs_state_agent_get(s, name, arena, agent, err) : BS_FAILED;
}

enum bs_done
bs_agent_token(struct bs_state *s,
               const char *name,
               int64_t ttl_ms,
               const char *note,
               const char *by,
               struct bs_arena *arena,
               struct bs_token *token,
               char secret[BS_SECRET_TEXT],
               struct bs_err *err)
{
    char verifier[BS_SCRAM_TEXT], ulid[BS_ULID_TEXT];
    struct bs_agent agent;
    enum bs_done done;

    if (ttl_ms < BS_TTL_MIN_MS || ttl_ms > BS_TTL_MAX_MS)
        return BS_FAIL(err, USAGE, "a short-lived password counts for 1s to 24h");
    if (with_password(s, name, arena, &agent, err) != BS_DONE)
        return BS_FAILED;
    *token = (struct bs_token){.agent = name, .verifier = verifier, .note = note};
    token->expires_us = bs_now_us() + ttl_ms * 1000;
    if (agent.expires_us != 0 && agent.expires_us < token->expires_us)
        token->expires_us = agent.expires_us;
    bs_ulid_new(ulid);
    (void)snprintf(token->id, sizeof(token->id), "K-%s", ulid);
    make_secret("", secret);
    done = bs_scram_verifier_make_like(secret, agent.verifier, verifier, err);
    if (done == BS_DONE)
        done = bs_state_token_add(s, token, by, err);
    bs_wipe(verifier, sizeof(verifier));
    token->verifier = NULL;
    return done;
}

/* --- operators ----------------------------------------------------------------------------- */

enum bs_done
bs_operator_enroll(struct bs_state *s,
                   const struct bs_operator *op,
                   const char *by,
                   char secret[BS_SECRET_TEXT],
                   struct bs_err *err)
{
    char digest[BS_SHA256_TEXT];
    struct bs_operator row = *op;

    make_secret("bso_", secret);
    bs_sha256_text(secret, digest);
    row.token_sha256 = digest;
    return bs_state_operator_add(s, &row, by, err);
}

enum bs_done
bs_operator_rotate(struct bs_state *s,
                   const char *name,
                   int64_t overlap_ms,
                   const char *by,
                   char secret[BS_SECRET_TEXT],
                   struct bs_err *err)
{
    char digest[BS_SHA256_TEXT];
    int64_t until_us = 0;

    if (read_overlap(overlap_ms, &until_us, err) != BS_DONE)
        return BS_FAILED;
    make_secret("bso_", secret);
    bs_sha256_text(secret, digest);
    return bs_state_operator_rekey(s, name, digest, until_us, by, err);
}
