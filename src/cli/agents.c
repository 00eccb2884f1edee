/*
 * agents.c - options into a row, and a row into JSON.
 */
#include "cli/agents.h"

#include <openssl/evp.h>
#include <stdio.h>

/* --- options ------------------------------------------------------------------------------ */

/* What is wrong with them together; NULL: nothing. */
static const char *
contradiction(const struct bs_agent_options *o)
{
    bool named = o->common_name != NULL || o->subject != NULL;

    if (o->common_name != NULL && o->subject != NULL)
        return "give it --certificate-cn or --certificate-dn, not both";
    if (o->certificate_only && !named)
        return "--certificate-only needs --certificate-cn or --certificate-dn";
    if (o->no_certificate && named)
        return "--no-certificate takes no certificate";
    if (o->no_group && o->group != NULL)
        return "give it --group or --no-group";
    if (o->no_owner && o->owner != NULL)
        return "give it --owner or --no-owner";
    if (o->no_expiry && o->expires != NULL)
        return "give it --expires or --no-expiry";
    if (o->any_address && o->addresses.n > 0)
        return "give it --address or --any-address";
    return o->no_role && o->role != NULL ? "give it --role or --no-role" : NULL;
}

static unsigned
fields_of(const struct bs_agent_options *o)
{
    bool certificate = o->common_name != NULL || o->subject != NULL || o->no_certificate;

    return (o->databases.n > 0 ? BS_AGENT_DATABASES : 0) | (o->kind != NULL ? BS_AGENT_KIND : 0) |
           (o->owner != NULL || o->no_owner ? BS_AGENT_OWNER : 0) |
           (o->group != NULL || o->no_group ? BS_AGENT_GROUP : 0) |
           (o->expires != NULL || o->no_expiry ? BS_AGENT_EXPIRES : 0) |
           (o->addresses.n > 0 || o->any_address ? BS_AGENT_ADDRESSES : 0) |
           (o->role != NULL || o->no_role ? BS_AGENT_ROLE : 0) |
           (certificate ? BS_AGENT_CERTIFICATE : 0);
}

/* As the state has it; NULL: no certificate is asked for. */
static const char *
certificate_text(const struct bs_agent_options *o, struct bs_arena *arena)
{
    if (o->subject != NULL)
        return bs_arena_fmt(arena, "dn:%s", o->subject);
    return o->common_name == NULL ? NULL : bs_arena_fmt(arena, "cn:%s", o->common_name);
}

/* The row keeps pointers that are not const, as the state reads them into an arena. */
static const char **
keep(struct bs_arena *arena, const struct bs_arg_texts *texts)
{
    const char **all = bs_arena_array(arena, texts->n + 1, sizeof(*all));

    for (size_t i = 0; all != NULL && i < texts->n; i++)
        all[i] = texts->list[i];
    return all;
}

enum bs_done
bs_agent_options_read(const struct bs_agent_options *o,
                      struct bs_arena *arena,
                      struct bs_agent *out,
                      unsigned *fields,
                      struct bs_err *err)
{
    const char *wrong = contradiction(o);

    if (wrong != NULL)
        return BS_FAIL(err, USAGE, "%s", wrong);
    *fields = fields_of(o);
    out->owner = o->owner;
    out->group = o->group;
    out->role = o->role;
    out->certificate = certificate_text(o, arena);
    out->certificate_only = o->certificate_only;
    out->databases = keep(arena, &o->databases);
    out->n_databases = o->databases.n;
    out->addresses = keep(arena, &o->addresses);
    out->n_addresses = o->addresses.n;
    if (out->databases == NULL || out->addresses == NULL)
        return BS_FAIL(err, LIMIT, "too many options");
    if (o->kind != NULL && !bs_actor_kind_find(o->kind, &out->kind))
        return BS_FAIL(err, USAGE, "there is no kind \"%.40s\": agent, app or person", o->kind);
    return o->expires == NULL ? BS_DONE
                              : bs_expiry_read("--expires", o->expires, &out->expires_us, err);
}

/* --- a bearer value ------------------------------------------------------------------------ */

void
bs_agent_bearer(const char *name, const char *secret, char out[BS_BEARER_TEXT])
{
    char text[BS_BEARER_TEXT / 4 * 3 - 3];
    int n = snprintf(text, sizeof(text), "%s:%s", name, secret);

    bs_assert(n > 0 && (size_t)n < sizeof(text));
    n = EVP_EncodeBlock((unsigned char *)out, (const unsigned char *)text, n);
    while (n > 0 && out[n - 1] == '=')
        out[--n] = '\0';
    for (char *c = out; *c != '\0'; c++)
        *c = *c == '+' ? '-' : *c == '/' ? '_' : *c;
    bs_wipe(text, sizeof(text));
}

/* --- shown -------------------------------------------------------------------------------- */

const char *
bs_agent_join(struct bs_arena *arena, const char *const *texts, size_t n)
{
    const char *all = n == 0 ? "-" : texts[0];

    for (size_t i = 1; i < n && all != NULL; i++)
        all = bs_arena_fmt(arena, "%s,%s", all, texts[i]);
    return all == NULL ? "..." : all;
}
