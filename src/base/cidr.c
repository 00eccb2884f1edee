/*
 * cidr.c - addresses are compared as bits; inet_pton reads them, so that "010.0.0.1" and other
 * spellings that two readers could read in two ways are refused.
 */
#include "base/cidr.h"

#include <arpa/inet.h>
#include <string.h>
#include <sys/socket.h>

#define TEXT_MAX 64 /* bytes of an address, with its NUL */

static unsigned
width(int family)
{
    return family == AF_INET ? 32 : 128;
}

static bool
read_address(const char *text, struct bs_cidr *out)
{
    out->family = strchr(text, ':') != NULL ? AF_INET6 : AF_INET;
    return inet_pton(out->family, text, out->address) == 1;
}

/* Decimal, up to `most`, without a leading zero or a sign. */
static bool
read_bits(const char *text, unsigned most, unsigned *out)
{
    size_t n = strlen(text);

    if (n == 0 || n > 3 || strspn(text, "0123456789") != n || (text[0] == '0' && n > 1))
        return false;
    *out = 0;
    for (; *text != '\0'; text++)
        *out = *out * 10 + (unsigned)(*text - '0');
    return *out <= most;
}

static bool
bit(const uint8_t *address, unsigned i)
{
    return ((address[i / 8] >> (7 - i % 8)) & 1) != 0;
}

static bool
clear_behind(const struct bs_cidr *c)
{
    for (unsigned i = c->bits; i < width(c->family); i++) {
        if (bit(c->address, i))
            return false;
    }
    return true;
}

bool
bs_cidr_parse(const char *text, struct bs_cidr *out, const char **why)
{
    const char *slash = strchr(text, '/');
    size_t n = slash == NULL ? strlen(text) : (size_t)(slash - text);
    char address[TEXT_MAX] = "";
    struct bs_cidr c = {0};

    *out = c;
    if (strcmp(text, "local") == 0) {
        out->family = AF_UNIX;
        return true;
    }
    *why = "it is no address: write 10.0.0.0/8, 2001:db8::/32, 192.0.2.7 or local";
    if (n == 0 || n >= sizeof(address))
        return false;
    memcpy(address, text, n);
    if (!read_address(address, &c))
        return false;
    c.bits = width(c.family);
    *why = "behind the slash is no number of bits that such an address has";
    if (slash != NULL && !read_bits(slash + 1, c.bits, &c.bits))
        return false;
    *why = "bits behind its mask are set: write the first address of the range";
    if (!clear_behind(&c))
        return false;
    *out = c;
    return true;
}

/* The address in "127.0.0.1:40312" or "[fe80::1%eth0]:40312". */
static bool
read_peer(const char *peer, struct bs_cidr *out)
{
    const char *from = peer[0] == '[' ? peer + 1 : peer;
    size_t n = strcspn(from, peer[0] == '[' ? "]%" : ":");
    char address[TEXT_MAX] = "";

    if (n >= sizeof(address))
        return false;
    memcpy(address, from, n);
    return read_address(address, out);
}

bool
bs_cidr_has(const struct bs_cidr *c, const char *peer)
{
    struct bs_cidr who = {0};

    if (strncmp(peer, "unix:", 5) == 0)
        return c->family == AF_UNIX;
    if (c->family == AF_UNIX || c->family == 0 || !read_peer(peer, &who) || who.family != c->family)
        return false;
    for (unsigned i = 0; i < c->bits; i++) {
        if (bit(c->address, i) != bit(who.address, i))
            return false;
    }
    return true;
}
