/* sign.c - HMAC-SHA256 over a text with dots, or with colons. */
#include "notify/sign.h"

#include <inttypes.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"

#define HMAC_BYTES 32
#define BODY_MAX   ((size_t)8 << 20)

static void
hmac(struct bs_bytes key, const char *head, struct bs_bytes body, uint8_t out[HMAC_BYTES])
{
    struct bs_buf all;
    unsigned n = HMAC_BYTES;

    bs_buf_init(&all, BODY_MAX + 512);
    bs_put_str(&all, head);
    bs_put_bytes(&all, body);
    bs_assert(!all.failed); /* bodies are bounded where they are made, and where they come in */
    bs_assert(HMAC(EVP_sha256(), key.p, (int)key.n, all.p, all.n, out, &n) != NULL);
    bs_buf_fini(&all);
}

void
bs_sign_webhook(
    struct bs_bytes key, const char *id, int64_t at_s, struct bs_bytes body, char out[BS_SIGN_TEXT])
{
    uint8_t mac[HMAC_BYTES];
    char head[128];

    (void)snprintf(head, sizeof(head), "%s.%" PRId64 ".", id, at_s);
    hmac(key, head, body, mac);
    (void)snprintf(out, BS_SIGN_TEXT, "v1,");
    (void)EVP_EncodeBlock((unsigned char *)out + 3, mac, HMAC_BYTES);
}

/* Digits of a time that is near enough. */
static bool
is_now(const char *timestamp, int64_t now_s)
{
    size_t n = strspn(timestamp, "0123456789");
    int64_t at = 0;

    if (n == 0 || n > 12 || timestamp[n] != '\0')
        return false;
    for (size_t i = 0; i < n; i++)
        at = at * 10 + (timestamp[i] - '0');
    return at >= now_s - BS_SLACK_WINDOW_S && at <= now_s + BS_SLACK_WINDOW_S;
}

bool
bs_slack_signed(const char *secret,
                const char *timestamp,
                const char *signature,
                struct bs_bytes body,
                int64_t now_s)
{
    uint8_t mac[HMAC_BYTES];
    char head[32], want[3 + 2 * HMAC_BYTES + 1] = "v0=";

    if (timestamp == NULL || signature == NULL || body.n > BODY_MAX || !is_now(timestamp, now_s) ||
        strlen(signature) != sizeof(want) - 1)
        return false;
    (void)snprintf(head, sizeof(head), "v0:%s:", timestamp);
    hmac(bs_bytes_of(secret), head, body, mac);
    bs_hex(mac, sizeof(mac), want + 3);
    return CRYPTO_memcmp(want, signature, sizeof(want) - 1) == 0;
}
