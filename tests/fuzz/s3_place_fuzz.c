/*
 * s3_place_fuzz.c - storage URLs of the configuration. What is accepted must go into a request line
 * and a Host header without opening another one.
 */
#include "fuzz.h"

#include "storage/s3_place.h"

static void
no_breaks(const char *text)
{
    for (const char *p = text; *p != '\0'; p++)
        HOLD((unsigned char)*p > 0x20 && *p != 0x7f);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char scheme[] = "s3://";
    char *url = malloc(size + sizeof(scheme));
    struct bs_s3_place place;
    struct bs_err err = {0};

    HOLD(url != NULL);
    memcpy(url, scheme, sizeof(scheme));
    if (size != 0)
        memcpy(url + strlen(scheme), data, size);
    url[strlen(scheme) + size] = '\0';
    if (bs_s3_place_read(url, &place, &err) == BS_DONE) {
        no_breaks(place.bucket);
        no_breaks(place.prefix);
        no_breaks(place.endpoint);
        no_breaks(place.host);
        no_breaks(place.region);
        HOLD(strlen(place.bucket) >= 3 && place.host[0] != '\0' && place.timeout_ms > 0);
        HOLD((place.lock == BS_S3_LOCK_NONE) == (place.lock_days == 0));
    } else {
        HOLD(err.code == BS_E_CONFIG);
    }
    free(url);
    return 0;
}
