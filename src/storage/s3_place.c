/*
 * s3_place.c - the URL is cut into bucket, prefix and options; the options are a table.
 */
#include "storage/s3_place.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "storage/storage.h"

enum { LOCK_DAYS_MAX = 36500, TIMEOUT_DEFAULT_MS = 60000, VALUE_MAX = 512 };

/* What the options say before they are put together. */
struct options {
    char endpoint[256];
    bool allow_http;
    bool styled;
};

struct reading {
    struct bs_s3_place *place;
    struct options *options;
    struct bs_err *err;
};

struct option {
    const char *name;
    enum bs_done (*read)(const struct reading *r, const char *value);
};

static enum bs_done
copy(char *to, size_t size, const char *what, const char *value, struct bs_err *err)
{
    size_t n = strlen(value);

    if (n == 0 || n >= size)
        return BS_FAIL(err, CONFIG, "%s: has %zu bytes, and may have 1 to %zu", what, n, size - 1);
    memcpy(to, value, n + 1);
    return BS_DONE;
}

static bool
only(const char *text, const char *of)
{
    return text[0] != '\0' && text[strspn(text, of)] == '\0';
}

#define LOWER_DIGITS "abcdefghijklmnopqrstuvwxyz0123456789"
#define WORD         "ABCDEFGHIJKLMNOPQRSTUVWXYZ" LOWER_DIGITS "-_."

static enum bs_done
read_endpoint(const struct reading *r, const char *value)
{
    return copy(r->options->endpoint, sizeof(r->options->endpoint), "endpoint", value, r->err);
}

static enum bs_done
read_region(const struct reading *r, const char *value)
{
    if (!only(value, LOWER_DIGITS "-"))
        return BS_FAIL(r->err, CONFIG, "region: \"%.60s\" is no name of a region", value);
    return copy(r->place->region, sizeof(r->place->region), "region", value, r->err);
}

static enum bs_done
read_style(const struct reading *r, const char *value)
{
    r->place->path_style = strcmp(value, "path") == 0;
    r->options->styled = true;
    if (!r->place->path_style && strcmp(value, "virtual") != 0)
        return BS_FAIL(r->err, CONFIG, "style: \"%.60s\" is neither path nor virtual", value);
    return BS_DONE;
}

static enum bs_done
read_lock(const struct reading *r, const char *value)
{
    if (strcmp(value, "governance") == 0)
        r->place->lock = BS_S3_LOCK_GOVERNANCE;
    else if (strcmp(value, "compliance") == 0)
        r->place->lock = BS_S3_LOCK_COMPLIANCE;
    else
        return BS_FAIL(r->err, CONFIG, "lock: \"%.60s\" is neither governance nor compliance",
                       value);
    return BS_DONE;
}

static enum bs_done
read_number(
    const char *what, const char *value, const char *unit, int max, int *out, struct bs_err *err)
{
    size_t digits = strspn(value, "0123456789");
    long n = digits == 0 || digits > 6 ? 0 : strtol(value, NULL, 10);

    if (strcmp(value + digits, unit) != 0 || n < 1 || n > max)
        return BS_FAIL(err, CONFIG, "%s: \"%.60s\" is not 1%s to %d%s", what, value, unit, max,
                       unit);
    *out = (int)n;
    return BS_DONE;
}

static enum bs_done
read_lock_days(const struct reading *r, const char *value)
{
    return read_number("lock_days", value, "", LOCK_DAYS_MAX, &r->place->lock_days, r->err);
}

static enum bs_done
read_timeout(const struct reading *r, const char *value)
{
    int seconds = 0;

    if (read_number("timeout", value, "s", 3600, &seconds, r->err) != BS_DONE)
        return BS_FAILED;
    r->place->timeout_ms = seconds * 1000;
    return BS_DONE;
}

static enum bs_done
read_path(const char *what, const char *value, char out[VALUE_MAX], struct bs_err *err)
{
    if (value[0] != '/')
        return BS_FAIL(err, CONFIG, "%s: \"%.60s\" is not an absolute path", what, value);
    return copy(out, VALUE_MAX, what, value, err);
}

static enum bs_done
read_ca_file(const struct reading *r, const char *value)
{
    return read_path("ca_file", value, r->place->ca_file, r->err);
}

static enum bs_done
read_credentials(const struct reading *r, const char *value)
{
    return read_path("credentials", value, r->place->credentials, r->err);
}

static enum bs_done
read_profile(const struct reading *r, const char *value)
{
    if (!only(value, WORD))
        return BS_FAIL(r->err, CONFIG, "profile: not a name of letters, digits, '.', '_' and '-'");
    return copy(r->place->profile, sizeof(r->place->profile), "profile", value, r->err);
}

static enum bs_done
read_allow_http(const struct reading *r, const char *value)
{
    r->options->allow_http = strcmp(value, "yes") == 0;
    if (!r->options->allow_http && strcmp(value, "no") != 0)
        return BS_FAIL(r->err, CONFIG, "allow_http: \"%.60s\" is neither yes nor no", value);
    return BS_DONE;
}

static const struct option table[] = {
    {"endpoint", read_endpoint},
    {"region", read_region},
    {"style", read_style},
    {"lock", read_lock},
    {"lock_days", read_lock_days},
    {"ca_file", read_ca_file},
    {"credentials", read_credentials},
    {"profile", read_profile},
    {"timeout", read_timeout},
    {"allow_http", read_allow_http},
};

enum { OPTIONS = sizeof(table) / sizeof(table[0]) };

static int
hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* %XX becomes the byte; false where that is cut short, a control byte, or there is no room. */
static bool
decode(const char *from, size_t n, char out[VALUE_MAX])
{
    size_t used = 0;

    for (size_t i = 0; i < n; i++) {
        int c = (unsigned char)from[i];
        if (c == '%') {
            int high = i + 2 < n ? hex_value(from[i + 1]) : -1;
            int low = i + 2 < n ? hex_value(from[i + 2]) : -1;
            if (high < 0 || low < 0)
                return false;
            c = high * 16 + low;
            i += 2;
        }
        if (c < 0x20 || c == 0x7f || used + 1 >= VALUE_MAX)
            return false;
        out[used++] = (char)c;
    }
    out[used] = '\0';
    return true;
}

/* One "name=value" of n bytes. */
static enum bs_done
read_option(const struct reading *r, const char *text, size_t n, bool seen[OPTIONS])
{
    const char *eq = memchr(text, '=', n);
    size_t name = eq == NULL ? n : (size_t)(eq - text);
    char value[VALUE_MAX];

    for (size_t i = 0; i < OPTIONS; i++) {
        if (strlen(table[i].name) != name || memcmp(table[i].name, text, name) != 0)
            continue;
        if (seen[i])
            return BS_FAIL(r->err, CONFIG, "%s: is given twice", table[i].name);
        seen[i] = true;
        if (eq == NULL || !decode(eq + 1, n - name - 1, value))
            return BS_FAIL(r->err, CONFIG, "%s: has no value that can be read", table[i].name);
        return table[i].read(r, value);
    }
    (void)BS_FAIL(r->err, CONFIG, "\"%.*s\" is no option of an s3 url",
                  (int)(name > 40 ? 40 : name), text);
    bs_err_hint(r->err, "there are endpoint, region, style, lock, lock_days, ca_file, credentials, "
                        "profile, timeout and allow_http; keys and secrets do not belong here");
    return BS_FAILED;
}

static enum bs_done
read_options(const struct reading *r, const char *text)
{
    bool seen[OPTIONS] = {false};

    while (*text != '\0') {
        size_t n = strcspn(text, "&");
        if (read_option(r, text, n, seen) != BS_DONE)
            return BS_FAILED;
        text += n + (text[n] == '&');
    }
    return BS_DONE;
}

static enum bs_done
read_bucket(struct bs_s3_place *p, const char *text, size_t n, struct bs_err *err)
{
    if (memchr(text, '@', n) != NULL) {
        (void)BS_FAIL(err, CONFIG, "an s3 url has no user and no password");
        bs_err_hint(err, "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or credentials=/path");
        return BS_FAILED;
    }
    if (n >= sizeof(p->bucket))
        return BS_FAIL(err, CONFIG, "a bucket's name has at most 63 bytes");
    memcpy(p->bucket, text, n);
    p->bucket[n] = '\0';
    if (n < 3 || !only(p->bucket, LOWER_DIGITS "-.") || strstr(p->bucket, "..") != NULL ||
        strchr("-.", p->bucket[0]) != NULL || strchr("-.", p->bucket[n - 1]) != NULL)
        return BS_FAIL(err, CONFIG,
                       "\"%s\" is no bucket: 3 to 63 lower-case letters, digits, '-' and '.'",
                       p->bucket);
    return BS_DONE;
}

static enum bs_done
read_prefix(struct bs_s3_place *p, const char *text, size_t n, struct bs_err *err)
{
    struct bs_err why = {0};

    while (n != 0 && text[n - 1] == '/')
        n--;
    if (n == 0)
        return BS_DONE;
    if (n > BS_S3_PREFIX_MAX)
        return BS_FAIL(err, CONFIG, "the prefix in an s3 url has at most %d bytes",
                       BS_S3_PREFIX_MAX);
    memcpy(p->prefix, text, n);
    p->prefix[n] = '\0';
    if (bs_key_check(p->prefix, &why) != BS_DONE)
        return BS_FAIL(err, CONFIG, "the prefix in the s3 url: %.300s", why.message);
    memcpy(p->prefix + n, "/", 2);
    return BS_DONE;
}

/* Loopback as it is written; a name that only resolves to it is not trusted to go on doing so. */
static bool
is_loopback(const char *authority)
{
    size_t n = authority[0] == '[' ? strcspn(authority, "]") + 1 : strcspn(authority, ":");
    char host[64];
    struct in_addr address;

    if (n >= sizeof(host))
        return false;
    memcpy(host, authority, n);
    host[n] = '\0';
    return strcmp(host, "localhost") == 0 || strcmp(host, "[::1]") == 0 ||
           (inet_pton(AF_INET, host, &address) == 1 && strncmp(host, "127.", 4) == 0);
}

/* "host", "host:port" or "[address]:port", and nothing else. */
static bool
is_authority(const char *text)
{
    size_t n = text[0] == '[' ? strcspn(text, "]") + 1 : strspn(text, WORD);
    const char *port = text + n;

    if (n == 0 || n > 200 ||
        (text[0] == '[' && strspn(text + 1, "0123456789abcdefABCDEF:.") != n - 2))
        return false;
    if (*port == '\0')
        return true;
    return *port == ':' && only(port + 1, "0123456789") && strlen(port + 1) <= 5 &&
           strtol(port + 1, NULL, 10) >= 1 && strtol(port + 1, NULL, 10) <= 65535;
}

static enum bs_done
set_endpoint(struct bs_s3_place *p, const struct options *o, struct bs_err *err)
{
    bool tls = strncmp(o->endpoint, "https://", 8) == 0;
    bool plain = strncmp(o->endpoint, "http://", 7) == 0;
    const char *usual = tls ? ":443" : ":80";
    char authority[256];
    size_t n;

    (void)snprintf(authority, sizeof(authority), "%s", o->endpoint + (tls ? 8 : plain ? 7 : 0));
    n = strlen(authority);
    if (n != 0 && authority[n - 1] == '/')
        authority[--n] = '\0';
    if ((!tls && !plain) || !is_authority(authority))
        return BS_FAIL(err, CONFIG, "endpoint: must be https://host or https://host:port");
    p->loopback = is_loopback(authority);
    if (plain && !p->loopback && !o->allow_http) {
        (void)BS_FAIL(err, CONFIG, "endpoint: over http:// others can read what is stored");
        bs_err_hint(err, "use https://, with ca_file=/path for a certificate of your own; or say "
                         "allow_http=yes");
        return BS_FAILED;
    }
    if (n > strlen(usual) && strcmp(authority + n - strlen(usual), usual) == 0)
        authority[n - strlen(usual)] = '\0'; /* no client sends it in the Host header */
    (void)snprintf(p->host, sizeof(p->host), "%s%s%.200s", p->path_style ? "" : p->bucket,
                   p->path_style ? "" : ".", authority);
    (void)snprintf(p->endpoint, sizeof(p->endpoint), "%s%.270s", tls ? "https://" : "http://",
                   p->host);
    return BS_DONE;
}

/* What was not said. */
static enum bs_done
fill_in(struct bs_s3_place *p, struct options *o, struct bs_err *err)
{
    bool own = o->endpoint[0] != '\0';
    const char *region = getenv("AWS_REGION");

    if (region == NULL || region[0] == '\0')
        region = getenv("AWS_DEFAULT_REGION");
    if (p->region[0] == '\0' && region != NULL && region[0] != '\0' &&
        read_region(&(struct reading){p, o, err}, region) != BS_DONE)
        return BS_FAILED;
    if (p->region[0] == '\0' && !own)
        return BS_FAIL(err, CONFIG, "region: is missing, and there is no endpoint");
    if (p->region[0] == '\0')
        (void)snprintf(p->region, sizeof(p->region), "us-east-1");
    if (!own)
        (void)snprintf(o->endpoint, sizeof(o->endpoint), "https://s3.%s.amazonaws.com%s", p->region,
                       strncmp(p->region, "cn-", 3) == 0 ? ".cn" : "");
    /* A dot in the bucket would not match the certificate of *.s3.region.amazonaws.com. */
    if (!o->styled)
        p->path_style = own || strchr(p->bucket, '.') != NULL;
    if (p->timeout_ms == 0)
        p->timeout_ms = TIMEOUT_DEFAULT_MS;
    if ((p->lock != BS_S3_LOCK_NONE) != (p->lock_days != 0))
        return BS_FAIL(err, CONFIG, "lock and lock_days: one is given without the other");
    return set_endpoint(p, o, err);
}

enum bs_done
bs_s3_place_read(const char *url, struct bs_s3_place *out, struct bs_err *err)
{
    const char *bucket = url + strlen("s3://");
    size_t whole = strcspn(bucket, "?"), n = strcspn(bucket, "/?");
    struct options options = {{0}, false, false};
    struct reading r = {out, &options, err};

    *out = (struct bs_s3_place){.path_style = false};
    if (read_bucket(out, bucket, n, err) != BS_DONE ||
        (whole > n && read_prefix(out, bucket + n + 1, whole - n - 1, err) != BS_DONE) ||
        (bucket[whole] == '?' && read_options(&r, bucket + whole + 1) != BS_DONE))
        return BS_FAILED;
    return fill_in(out, &options, err);
}

const char *
bs_s3_lock_name(enum bs_s3_lock lock)
{
    static const char *const names[] = {NULL, "GOVERNANCE", "COMPLIANCE"};

    return names[lock];
}
