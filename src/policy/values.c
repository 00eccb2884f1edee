/*
 * values.c - each reader accepts exactly what its comment in values.h says, and nothing near it.
 */
#include "policy/values.h"

#include <arpa/inet.h>
#include <string.h>

/* The digits at the front; false where there are none or the number does not fit. */
static bool
take_number(const char **text, int64_t *out)
{
    const char *p = *text;
    int64_t number = 0;

    for (; *p >= '0' && *p <= '9'; p++) {
        if (number > (INT64_MAX - (*p - '0')) / 10)
            return false;
        number = number * 10 + (*p - '0');
    }
    if (p == *text)
        return false;
    *text = p;
    *out = number;
    return true;
}

bool
bs_value_integer(const char *text, int64_t *out)
{
    return take_number(&text, out) && *text == '\0';
}

struct unit {
    const char *name;
    int64_t factor;
};

static bool
take_unit(const char *text, const struct unit *units, size_t n, int64_t *out)
{
    int64_t number;

    if (!take_number(&text, &number))
        return false;
    for (size_t i = 0; i < n; i++) {
        if (strcmp(units[i].name, text) != 0)
            continue;
        if (number > INT64_MAX / units[i].factor)
            return false;
        *out = number * units[i].factor;
        return true;
    }
    return false;
}

bool
bs_value_duration(const char *text, int64_t *ms)
{
    static const struct unit units[] = {
        {"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}, {"d", 86400000},
    };

    return take_unit(text, units, sizeof(units) / sizeof(units[0]), ms);
}

bool
bs_value_size(const char *text, int64_t *bytes)
{
    static const struct unit units[] = {
        {"B", 1},
        {"kB", INT64_C(1) << 10},
        {"MB", INT64_C(1) << 20},
        {"GB", INT64_C(1) << 30},
        {"TB", INT64_C(1) << 40},
    };

    return take_unit(text, units, sizeof(units) / sizeof(units[0]), bytes);
}

bool
bs_value_share(const char *text, double *share)
{
    int64_t whole, part = 0;
    double scale = 1;

    if (!take_number(&text, &whole))
        return false;
    if (*text == '.') {
        const char *from = ++text;
        if (!take_number(&text, &part) || text - from > 6)
            return false;
        for (; from < text; from++)
            scale *= 10;
    }
    if (strcmp(text, "%") != 0 || whole > 100 || (whole == 100 && part != 0) ||
        (whole == 0 && part == 0))
        return false;
    *share = ((double)whole + (double)part / scale) / 100;
    return true;
}

bool
bs_value_bool(const char *text, bool *out)
{
    *out = strcmp(text, "true") == 0;
    return *out || strcmp(text, "false") == 0;
}

/* Cuts "host:port" and "[v6]:port"; `host` is a view into the text. */
static bool
cut_host(const char *text, struct bs_bytes *host, const char **port)
{
    const char *end;

    if (text[0] == '[') {
        end = strchr(text, ']');
        if (end == NULL || end[1] != ':')
            return false;
        *host = (struct bs_bytes){(const uint8_t *)text + 1, (size_t)(end - text - 1)};
        *port = end + 2;
        return host->n != 0;
    }
    end = strchr(text, ':');
    if (end == NULL || strchr(end + 1, ':') != NULL)
        return false;
    *host = (struct bs_bytes){(const uint8_t *)text, (size_t)(end - text)};
    *port = end + 1;
    return host->n != 0;
}

bool
bs_value_listen(const char *text,
                struct bs_arena *arena,
                struct bs_config_listen *out,
                const char **why)
{
    struct bs_bytes host;
    const char *port;
    int64_t number;

    *out = (struct bs_config_listen){0};
    if (strncmp(text, "unix:", 5) == 0) {
        *why = "unix: needs a folder after it";
        out->dir = bs_arena_str(arena, text + 5);
        return text[5] != '\0' && out->dir != NULL;
    }
    if (!cut_host(text, &host, &port)) {
        *why = "not an address (host:port, [ipv6]:port or unix:FOLDER)";
        return false;
    }
    if (!bs_value_integer(port, &number) || number < 1 || number > 65535) {
        *why = "the port is not a number from 1 to 65535";
        return false;
    }
    out->host = bs_arena_copy(arena, host);
    out->port = (uint16_t)number;
    *why = "too long";
    return out->host != NULL;
}

bool
bs_value_is_loopback(const char *host)
{
    struct in_addr v4;
    struct in6_addr v6;

    if (strcmp(host, "localhost") == 0)
        return true;
    if (inet_pton(AF_INET, host, &v4) == 1)
        return (ntohl(v4.s_addr) >> 24) == 127;
    return inet_pton(AF_INET6, host, &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
}
