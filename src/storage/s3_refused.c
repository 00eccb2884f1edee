/*
 * s3_refused.c - what an S3 server means by an answer that is no success, in words that help.
 *
 * Of what the server writes only its code is shown, as a word: its message may hold anything.
 */
#include <ctype.h>
#include <curl/curl.h>
#include <string.h>

#include "storage/s3.h"
#include "storage/s3_xml.h"

enum { SKEW_S = 15 * 60 }; /* what S3 lets a clock be wrong */

static bool
code_is(const struct bs_s3_answer *a, const char *code)
{
    return strcmp(a->code, code) == 0;
}

bool
bs_s3_expired(const struct bs_s3_answer *a)
{
    return code_is(a, "ExpiredToken") || code_is(a, "InvalidAccessKeyId") ||
           code_is(a, "InvalidToken") || code_is(a, "TokenRefreshRequired");
}

/* Seconds by which the store's clock is ahead of ours; 0 where it does not say. */
static int64_t
skew_of(const struct bs_s3_answer *a, char there[64])
{
    time_t at;

    if (!bs_http_header(&a->http, "date", there, 64))
        return 0;
    at = curl_getdate(there, NULL);
    return at < 0 ? 0 : (int64_t)at - bs_now_us() / 1000000;
}

static bool
skewed(const struct bs_s3_answer *a)
{
    char there[64];
    int64_t skew = skew_of(a, there);

    return code_is(a, "RequestTimeTooSkewed") || skew > SKEW_S || skew < -SKEW_S;
}

static enum bs_done
say_skew(const struct bs_s3_answer *a, struct bs_err *err)
{
    char here[BS_TIME_TEXT], there[64];
    int64_t skew = skew_of(a, there);

    bs_time_format(bs_now_us(), here);
    for (char *p = there; *p != '\0'; p++) {
        if (!isalnum((unsigned char)*p) && strchr(" ,:+-", *p) == NULL)
            *p = '?';
    }
    (void)BS_FAIL(err, AUTH,
                  "the store refuses the time of our requests: it is %.19sZ here and \"%s\" there, "
                  "%lld seconds apart",
                  here, there, (long long)(skew < 0 ? -skew : skew));
    bs_err_hint(err, "set this machine's clock by NTP, or the store's");
    return BS_FAILED;
}

/* A redirect tells of another region. */
static enum bs_done
say_region(const struct bs_s3 *s, const struct bs_s3_answer *a, struct bs_err *err)
{
    char region[64];

    if (!bs_http_header(&a->http, "x-amz-bucket-region", region, sizeof(region)))
        (void)bs_s3_xml_find(bs_buf_view(&a->http.body), "Error/Region", region, sizeof(region));
    for (char *p = region; *p != '\0'; p++)
        *p = (char)(isalnum((unsigned char)*p) || *p == '-' ? *p : '?');
    (void)BS_FAIL(err, CONFIG,
                  "bucket \"%s\" is not to be reached in region \"%s\" at \"%s\" (%d%s%s)",
                  s->place.bucket, s->place.region, s->place.host, a->http.status,
                  a->code[0] == '\0' ? "" : " ", a->code);
    if (region[0] != '\0')
        bs_err_hint(err, "the store says region=%s", region);
    return BS_FAILED;
}

static enum bs_done
say_forbidden(const struct bs_s3_answer *a, const char *what, const char *key, struct bs_err *err)
{
    (void)BS_FAIL(err, FORBIDDEN, "the store does not let this key %s \"%.250s\" (%d%s%s)", what,
                  key, a->http.status, a->code[0] == '\0' ? "" : " ", a->code);
    bs_err_hint(err, "it needs s3:PutObject, s3:GetObject, s3:ListBucket and "
                     "s3:AbortMultipartUpload; with a lock also s3:PutObjectRetention and "
                     "s3:GetObjectRetention");
    return BS_FAILED;
}

enum bs_done
bs_s3_refused(const struct bs_s3 *s,
              const struct bs_s3_answer *a,
              const char *what,
              const char *key,
              struct bs_err *err)
{
    int status = a->http.status;

    if (a->http.why[0] != '\0')
        return BS_FAIL(err, IO, "cannot %s \"%.200s\": %s", what, key, a->http.why);
    if ((status == 403 || status == 400) && skewed(a))
        return say_skew(a, err);
    if (status == 301 || status == 307 || code_is(a, "AuthorizationHeaderMalformed") ||
        code_is(a, "IllegalLocationConstraintException"))
        return say_region(s, a, err);
    if (code_is(a, "SignatureDoesNotMatch") || bs_s3_expired(a) || status == 401)
        return BS_FAIL(err, AUTH, "the store does not accept our access key or secret (%d %s)",
                       status, a->code);
    if (code_is(a, "NoSuchBucket"))
        return BS_FAIL(err, CONFIG, "the store has no bucket \"%s\"", s->place.bucket);
    if (status == 403)
        return say_forbidden(a, what, key, err);
    if (status == 404)
        return BS_FAIL(err, NOT_FOUND, "the store has no \"%.300s\"", key);
    if (status == 409 || status == 412)
        return BS_FAIL(err, CONFLICT, "the store has \"%.300s\" already", key);
    if (status == 501)
        return BS_FAIL(err, UNSUPPORTED, "the store cannot %s \"%.200s\" as asked for (501 %s)",
                       what, key, a->code);
    return BS_FAIL(err, IO, "cannot %s \"%.250s\": the store answers %d%s%s", what, key, status,
                   a->code[0] == '\0' ? "" : " ", a->code);
}
