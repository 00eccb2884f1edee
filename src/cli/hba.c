/*
 * hba.c - the order of the rules matters only where an earlier one rejects: which method a later
 * one would have asked for is of no interest to somebody who was turned away.
 */
#include "cli/hba.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

static bool
read_address(const char *text, uint8_t bits[16], int *width)
{
    *width = 32;
    if (inet_pton(AF_INET, text, bits) == 1)
        return true;
    *width = 128;
    return inet_pton(AF_INET6, text, bits) == 1;
}

/* Leading ones of a mask; -1 where they are not all in front. */
static int
ones(const uint8_t *mask, int width)
{
    int n = 0;

    while (n < width && (mask[n / 8] & (0x80 >> n % 8)) != 0)
        n++;
    for (int i = n; i < width; i++) {
        if ((mask[i / 8] & (0x80 >> i % 8)) != 0)
            return -1;
    }
    return n;
}

bool
bs_net_read(const char *address, const char *netmask, struct bs_net *out)
{
    uint8_t mask[16] = {0};
    int width;

    *out = (struct bs_net){0};
    if (address == NULL || !read_address(address, out->bits, &out->width)) {
        out->width = 0;
        return false;
    }
    out->prefix = out->width;
    if (netmask != NULL)
        out->prefix =
            read_address(netmask, mask, &width) && width == out->width ? ones(mask, width) : -1;
    if (out->prefix >= 0)
        return true;
    out->width = 0;
    return false;
}

bool
bs_net_covers(const struct bs_net *net, const struct bs_net *in)
{
    if (net->width == 0 || net->width != in->width || net->prefix > in->prefix)
        return false;
    for (int i = 0; i < net->prefix; i++) {
        if (((net->bits[i / 8] ^ in->bits[i / 8]) & (0x80 >> i % 8)) != 0)
            return false;
    }
    return true;
}

static bool
has(const json_t *list, const char *word)
{
    const json_t *item;
    size_t i;

    json_array_foreach(list, i, item)
    {
        const char *text = json_string_value(item);
        if (text != NULL && strcmp(text, word) == 0)
            return true;
    }
    return false;
}

/* A word that stands for more than itself: "+group", "/pattern". */
static bool
has_pattern(const json_t *list)
{
    const json_t *item;
    size_t i;

    json_array_foreach(list, i, item)
    {
        const char *text = json_string_value(item);
        if (text != NULL && (text[0] == '+' || text[0] == '/'))
            return true;
    }
    return false;
}

/* "replication" is no database; sameuser and samerole may be any. */
static bool
for_database(const struct bs_hba_rule *r, const char *database)
{
    return has(r->databases, "all") || has(r->databases, database) ||
           has(r->databases, "sameuser") || has(r->databases, "samerole") ||
           has(r->databases, "samegroup") || has_pattern(r->databases);
}

static bool
is_local(const struct bs_hba_rule *r)
{
    return strcmp(r->type, "local") == 0;
}

static bool
is_reject(const struct bs_hba_rule *r)
{
    return strcmp(r->method, "reject") == 0;
}

static bool
is_address(const struct bs_hba_rule *r, const char *word)
{
    return r->address != NULL && strcmp(r->address, word) == 0;
}

static bool
is_loopback(const struct bs_net *net)
{
    static const struct bs_net loopbacks[] = {
        {.bits = {127}, .width = 32, .prefix = 8},
        {.bits = {[15] = 1}, .width = 128, .prefix = 128},
    };

    return bs_net_covers(&loopbacks[0], net) || bs_net_covers(&loopbacks[1], net);
}

/* The rule lets nobody in but from where the gateway is, or from the server's own host. */
static bool
stays_inside(const struct bs_hba_rule *r, const struct bs_hba_ask *ask)
{
    struct bs_net net;

    if (is_local(r) || is_address(r, "samehost"))
        return true;
    if (!bs_net_read(r->address, r->netmask, &net))
        return false;
    for (size_t i = 0; i < ask->n_inside; i++) {
        if (bs_net_covers(&ask->inside[i], &net))
            return true;
    }
    return is_loopback(&net);
}

/* A reject of "hostssl" leaves the others a way: only plain "host" is about all. */
static bool
same_or_wider_type(const struct bs_hba_rule *reject, const struct bs_hba_rule *r)
{
    return strcmp(reject->type, "host") == 0 || strcmp(reject->type, r->type) == 0;
}

static bool
wider_address(const struct bs_hba_rule *reject, const struct bs_hba_rule *r)
{
    struct bs_net net, of_reject;

    if (is_address(reject, "all"))
        return true;
    return bs_net_read(r->address, r->netmask, &net) &&
           bs_net_read(reject->address, reject->netmask, &of_reject) &&
           bs_net_covers(&of_reject, &net);
}

/* Was this user turned away by an earlier rule, from everywhere that rule `at` is about? */
static bool
rejected_before(const struct bs_hba_rule *rules,
                size_t at,
                const struct bs_hba_ask *ask,
                const char *user)
{
    for (size_t i = 0; i < at; i++) {
        const struct bs_hba_rule *r = &rules[i];
        if (is_reject(r) && !is_local(r) && (has(r->users, "all") || has(r->users, user)) &&
            (has(r->databases, "all") || has(r->databases, ask->database)) &&
            same_or_wider_type(r, &rules[at]) && wider_address(r, &rules[at]))
            return true;
    }
    return false;
}

enum bs_hba_who
bs_hba_opens(const struct bs_hba_rule *rules,
             size_t at,
             const struct bs_hba_ask *ask,
             const char **name)
{
    const struct bs_hba_rule *r = &rules[at];

    *name = NULL;
    if (is_reject(r) || !for_database(r, ask->database) || stays_inside(r, ask) ||
        rejected_before(rules, at, ask, "all"))
        return BS_HBA_NOBODY;
    if (has(r->users, "all"))
        return BS_HBA_ALL;
    for (size_t i = 0; i < ask->n_names; i++) {
        if (!has(r->users, ask->names[i]) || rejected_before(rules, at, ask, ask->names[i]))
            continue;
        *name = ask->names[i];
        return BS_HBA_NAMED;
    }
    return has_pattern(r->users) ? BS_HBA_PERHAPS : BS_HBA_NOBODY;
}

bool
bs_hba_trusts_here(const struct bs_hba_rule *rule, const struct bs_hba_ask *ask)
{
    struct bs_net net;
    bool here = is_local(rule) || is_address(rule, "samehost") || is_address(rule, "all") ||
                is_address(rule, "samenet") ||
                (bs_net_read(rule->address, rule->netmask, &net) && is_loopback(&net));

    if (!here || strcmp(rule->method, "trust") != 0 || !for_database(rule, ask->database))
        return false;
    if (has(rule->users, "all") || has_pattern(rule->users))
        return true;
    for (size_t i = 0; i < ask->n_names; i++) {
        if (has(rule->users, ask->names[i]))
            return true;
    }
    return false;
}
