/*
 * s3_remove.c - taking an object away, and saying truly what became of it.
 *
 * A DELETE in a bucket that keeps versions only puts a marker in front of the object: nothing is
 * freed, nothing erased, and whoever may can bring it back. So the version itself is deleted. Under
 * an Object Lock that is refused, and no marker is put in its place: what is locked stays to be seen.
 */
#include <stdio.h>
#include <string.h>

#include "storage/s3.h"

/* What a HEAD says of an object. */
struct looked {
    bool there;
    char version[256]; /* "": the bucket keeps none, or does not say */
    char lock[16];
    char until[BS_TIME_TEXT];
    int64_t until_us;
};

static enum bs_done
look(const struct bs_s3_work *w, const char *key, struct looked *out, struct bs_err *err)
{
    struct bs_s3_call call = {.method = "HEAD", .key = key, .watch = w->watch};
    struct bs_s3_answer a = {.code = ""};
    struct bs_err bad = {0};
    enum bs_done done = bs_s3_send(w->s3, &call, &a, err);

    *out = (struct looked){.there = done == BS_DONE && bs_s3_ok(&a)};
    if (done == BS_DONE && !out->there && a.http.status != 404)
        done = bs_s3_refused(w->s3, &a, "look at", key, err);
    if (out->there) {
        (void)bs_http_header(&a.http, "x-amz-version-id", out->version, sizeof(out->version));
        (void)bs_http_header(&a.http, "x-amz-object-lock-mode", out->lock, sizeof(out->lock));
        if (!bs_http_header(&a.http, "x-amz-object-lock-retain-until-date", out->until,
                            sizeof(out->until)) ||
            bs_time_parse(out->until, &out->until_us, &bad) != BS_DONE)
            out->until_us = 0;
    }
    if (strcmp(out->version, "null") == 0)
        out->version[0] = '\0';
    bs_s3_answer_fini(&a);
    return done;
}

static enum bs_done
refused(const struct bs_s3 *s, const struct bs_s3_answer *a, const char *key, struct bs_err *err)
{
    if (bs_s3_refused(s, a, "delete", key, err) != BS_DONE && err->code == BS_E_FORBIDDEN)
        bs_err_hint(err, "it needs s3:DeleteObject, and s3:DeleteObjectVersion where the bucket "
                         "keeps versions; an Object Lock or a legal hold may be on it, too");
    return BS_FAILED;
}

static enum bs_done
delete_it(const struct bs_s3_work *w,
          const char *key,
          const char *version,
          bool *marked,
          struct bs_err *err)
{
    struct bs_s3_call call = {.method = "DELETE", .key = key, .watch = w->watch};
    struct bs_s3_answer a = {.code = ""};
    char marker[16] = "";
    enum bs_done done;

    if (version[0] != '\0')
        bs_s3_add_query(&call, "versionId", version);
    done = bs_s3_send(w->s3, &call, &a, err);
    if (done == BS_DONE && !bs_s3_ok(&a) && a.http.status != 404)
        done = refused(w->s3, &a, key, err);
    *marked = version[0] == '\0' &&
              bs_http_header(&a.http, "x-amz-delete-marker", marker, sizeof(marker)) &&
              strcmp(marker, "true") == 0;
    bs_s3_answer_fini(&a);
    return done;
}

enum bs_done
bs_s3_remove(const struct bs_s3_work *w, const char *key, enum bs_removed *how, struct bs_err *err)
{
    struct looked was, is;
    bool marked = false;

    *how = BS_REMOVED_NOT;
    if (look(w, key, &was, err) != BS_DONE)
        return BS_FAILED;
    if (was.there && was.lock[0] != '\0' && was.until_us > bs_now_us())
        return BS_FAIL(err, CONFLICT, "\"%.200s\" is locked (%s) until %.10s", key, was.lock,
                       was.until);
    if (was.there && delete_it(w, key, was.version, &marked, err) != BS_DONE)
        return BS_FAILED;
    /* An answer is not an effect. */
    if (was.there && look(w, key, &is, err) != BS_DONE)
        return BS_FAILED;
    if (was.there && is.there)
        return BS_FAIL(err, IO, "the store says that it deleted \"%.250s\", and still has it", key);
    *how = marked ? BS_REMOVED_HIDDEN : BS_REMOVED_GONE;
    return BS_DONE;
}
