/*
 * sigv4.c - canonical request, string to sign, derived key, signature: in this order, each of them
 * one function.
 */
#include "storage/sigv4.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/arena.h"
#include "base/clock.h"

#define DIGEST 32 /* bytes of a SHA-256 */
#define HEX    65 /* as text, with the NUL */

enum { CANONICAL_MAX = 64 * 1024 };

void
bs_sigv4_date(int64_t at_us, char out[BS_SIGV4_DATE])
{
    char iso[BS_TIME_TEXT];

    bs_time_format(at_us, iso); /* 2013-05-24T00:00:00.000000Z */
    (void)snprintf(out, BS_SIGV4_DATE, "%.4s%.2s%.5s%.2s%.2sZ", iso, iso + 5, iso + 8, iso + 14,
                   iso + 17);
}

/* RFC 3986: what is not unreserved becomes %XX, upper case. */
static void
put_encoded(struct bs_buf *out, const char *text, const char *as_is)
{
    static const char unreserved[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                     "0123456789-._~";

    for (const char *p = text; *p != '\0'; p++) {
        if (strchr(unreserved, *p) != NULL || strchr(as_is, *p) != NULL)
            bs_put_u8(out, (uint8_t)*p);
        else
            bs_put_fmt(out, "%%%02X", (unsigned char)*p);
    }
}

void
bs_sigv4_put_path(struct bs_buf *out, const char *path)
{
    put_encoded(out, path, "/");
}

/* Encoded, each with a NUL in a shared buffer: a name's NUL sorts before all that could follow. */
struct encoded {
    const char *name, *value;
};

static int
by_name_and_value(const void *a, const void *b)
{
    const struct encoded *x = a, *y = b;
    int order = strcmp(x->name, y->name);

    return order != 0 ? order : strcmp(x->value, y->value);
}

void
bs_sigv4_put_query(struct bs_buf *out, const struct bs_sigv4_pair *query, size_t n)
{
    struct encoded all[BS_SIGV4_PAIRS];
    struct bs_buf text;
    size_t at = 0;

    bs_assert(n <= BS_SIGV4_PAIRS);
    bs_buf_init(&text, CANONICAL_MAX);
    for (size_t i = 0; i < n; i++) {
        put_encoded(&text, query[i].name, "");
        bs_put_u8(&text, '\0');
        put_encoded(&text, query[i].value, "");
        bs_put_u8(&text, '\0');
    }
    out->failed = out->failed || text.failed;
    if (text.failed)
        n = 0;
    for (size_t i = 0; i < n; i++) { /* only now does the buffer stay where it is */
        all[i].name = (const char *)text.p + at;
        at += strlen(all[i].name) + 1;
        all[i].value = (const char *)text.p + at;
        at += strlen(all[i].value) + 1;
    }
    if (n != 0)
        qsort(all, n, sizeof(all[0]), by_name_and_value);
    for (size_t i = 0; i < n; i++)
        bs_put_fmt(out, "%s%s=%s", i == 0 ? "" : "&", all[i].name, all[i].value);
    bs_buf_fini(&text);
}

/* Indices of the headers in the order of their lower-case names; equal ones stay as they came. */
static void
sort_headers(const struct bs_sigv4_request *r, size_t order[BS_SIGV4_PAIRS])
{
    bs_assert(r->n_headers <= BS_SIGV4_PAIRS);
    for (size_t i = 0; i < r->n_headers; i++) {
        size_t k = i;
        while (k > 0 && strcasecmp(r->headers[order[k - 1]].name, r->headers[i].name) > 0) {
            order[k] = order[k - 1];
            k--;
        }
        order[k] = i;
    }
}

static void
put_lower(struct bs_buf *out, const char *text)
{
    for (const char *p = text; *p != '\0'; p++)
        bs_put_u8(out, (uint8_t)(*p >= 'A' && *p <= 'Z' ? *p + 'a' - 'A' : *p));
}

/* Without spaces around it, and with one for each run of them. */
static void
put_folded(struct bs_buf *out, const char *value)
{
    size_t n = strlen(value);

    while (n != 0 && value[n - 1] == ' ')
        n--;
    for (size_t i = strspn(value, " "); i < n; i++) {
        if (value[i] != ' ' || value[i - 1] != ' ')
            bs_put_u8(out, (uint8_t)value[i]);
    }
}

static void
put_headers(struct bs_buf *out, const struct bs_sigv4_request *r, const size_t *order)
{
    for (size_t i = 0; i < r->n_headers; i++) {
        const struct bs_sigv4_pair *h = &r->headers[order[i]];
        bool again = i != 0 && strcasecmp(r->headers[order[i - 1]].name, h->name) == 0;
        if (again) {
            out->n -= out->failed ? 0 : 1; /* the line goes on */
            bs_put_u8(out, ',');
        } else {
            put_lower(out, h->name);
            bs_put_u8(out, ':');
        }
        put_folded(out, h->value);
        bs_put_u8(out, '\n');
    }
}

static void
put_signed_names(struct bs_buf *out, const struct bs_sigv4_request *r, const size_t *order)
{
    for (size_t i = 0; i < r->n_headers; i++) {
        const char *name = r->headers[order[i]].name;
        if (i != 0 && strcasecmp(r->headers[order[i - 1]].name, name) == 0)
            continue;
        if (i != 0)
            bs_put_u8(out, ';');
        put_lower(out, name);
    }
}

void
bs_sigv4_put_canonical(struct bs_buf *out, const struct bs_sigv4_request *r)
{
    size_t order[BS_SIGV4_PAIRS];

    sort_headers(r, order);
    bs_put_fmt(out, "%s\n", r->method);
    bs_sigv4_put_path(out, r->path);
    bs_put_u8(out, '\n');
    bs_sigv4_put_query(out, r->query, r->n_query);
    bs_put_u8(out, '\n');
    put_headers(out, r, order);
    bs_put_u8(out, '\n');
    put_signed_names(out, r, order);
    bs_put_fmt(out, "\n%s", r->payload_sha256);
}

static void
hmac(const void *key, size_t n, const char *text, uint8_t out[DIGEST])
{
    unsigned len = 0;

    bs_assert(HMAC(EVP_sha256(), key, (int)n, (const uint8_t *)text, strlen(text), out, &len) !=
                  NULL &&
              len == DIGEST);
}

/* Derived in four steps, so that no server needs the secret itself to check one day's requests. */
static void
derive(const struct bs_sigv4_key *key, const char *day, uint8_t out[DIGEST])
{
    struct bs_buf first;
    uint8_t a[DIGEST], b[DIGEST];

    bs_buf_init(&first, 4096);
    bs_put_fmt(&first, "AWS4%s", key->secret);
    hmac(first.p, first.n, day, a);
    hmac(a, DIGEST, key->region, b);
    hmac(b, DIGEST, key->service, a);
    hmac(a, DIGEST, "aws4_request", out);
    if (first.p != NULL)
        bs_wipe(first.p, first.cap);
    bs_wipe(a, sizeof(a));
    bs_wipe(b, sizeof(b));
    bs_buf_fini(&first);
}

static void
put_string_to_sign(struct bs_buf *out,
                   struct bs_bytes canonical,
                   const struct bs_sigv4_key *key,
                   const char *date)
{
    uint8_t digest[DIGEST];
    char hex[HEX];

    bs_assert(EVP_Digest(canonical.p, canonical.n, digest, NULL, EVP_sha256(), NULL) == 1);
    bs_hex(digest, DIGEST, hex);
    bs_put_fmt(out, "AWS4-HMAC-SHA256\n%s\n%.8s/%s/%s/aws4_request\n%s", date, date, key->region,
               key->service, hex);
    bs_put_u8(out, '\0');
}

void
bs_sigv4_put_authorization(struct bs_buf *out,
                           const struct bs_sigv4_request *r,
                           const struct bs_sigv4_key *key,
                           const char date[BS_SIGV4_DATE])
{
    struct bs_buf canonical, to_sign;
    uint8_t derived[DIGEST], signature[DIGEST];
    size_t order[BS_SIGV4_PAIRS];
    char day[9], hex[HEX];

    bs_buf_init(&canonical, CANONICAL_MAX);
    bs_buf_init(&to_sign, 4096);
    (void)snprintf(day, sizeof(day), "%.8s", date);
    bs_sigv4_put_canonical(&canonical, r);
    put_string_to_sign(&to_sign, bs_buf_view(&canonical), key, date);
    out->failed = out->failed || canonical.failed || to_sign.failed;
    if (!out->failed) {
        derive(key, day, derived);
        hmac(derived, DIGEST, (const char *)to_sign.p, signature);
        bs_wipe(derived, sizeof(derived));
        bs_hex(signature, DIGEST, hex);
        sort_headers(r, order);
        bs_put_fmt(out,
                   "AWS4-HMAC-SHA256 Credential=%s/%s/%s/%s/aws4_request, SignedHeaders=", key->id,
                   day, key->region, key->service);
        put_signed_names(out, r, order);
        bs_put_fmt(out, ", Signature=%s", hex);
    }
    bs_buf_fini(&canonical);
    bs_buf_fini(&to_sign);
}
