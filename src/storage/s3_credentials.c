/*
 * s3_credentials.c - keys from the environment, or from a file as the AWS tools write it.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "storage/s3_place.h"

enum { FILE_MAX = 256 * 1024, TEXT_MAX = 4096 };

void
bs_s3_credentials_fini(struct bs_s3_credentials *c)
{
    bs_free_secret(&c->id);
    bs_free_secret(&c->secret);
    bs_free_secret(&c->token);
}

static bool
same(const char *a, const char *b)
{
    return bs_bytes_equal_secret(bs_bytes_of(a), bs_bytes_of(b));
}

bool
bs_s3_credentials_equal(const struct bs_s3_credentials *a, const struct bs_s3_credentials *b)
{
    return same(a->id, b->id) && same(a->secret, b->secret) && same(a->token, b->token);
}

/* What goes into a header: visible ASCII, so that it cannot begin another one. */
static bool
is_clean(const char *text)
{
    size_t n = strlen(text);

    for (size_t i = 0; i < n; i++) {
        if (text[i] <= 0x20 || text[i] >= 0x7f)
            return false;
    }
    return n != 0 && n <= TEXT_MAX;
}

static enum bs_done
check(const struct bs_s3_credentials *c, const char *from, struct bs_err *err)
{
    if (c->id == NULL || c->secret == NULL)
        return BS_FAIL(err, CONFIG, "%.300s: there is %s without the other", from,
                       c->id == NULL ? "a secret key" : "an access key");
    /* The secret itself is never sent: it may be of any text. */
    if (!is_clean(c->id) || strpbrk(c->id, "/,=") != NULL || strlen(c->secret) > TEXT_MAX ||
        (c->token != NULL && !is_clean(c->token)))
        return BS_FAIL(err, CONFIG, "%.300s: a key has bytes that no key has", from);
    return BS_DONE;
}

/* NULL where it is not set or empty, as the AWS tools see it. */
static const char *
env(const char *name)
{
    const char *value = getenv(name);

    return value == NULL || value[0] == '\0' ? NULL : value;
}

/* One line of the file; the section it stands in is the one that is asked for where `here`. */
static void
take_line(struct bs_s3_credentials *c, const char *line, size_t n)
{
    static const struct {
        const char *name;
        size_t at;
    } names[] = {{"aws_access_key_id", offsetof(struct bs_s3_credentials, id)},
                 {"aws_secret_access_key", offsetof(struct bs_s3_credentials, secret)},
                 {"aws_session_token", offsetof(struct bs_s3_credentials, token)}};
    const char *eq = memchr(line, '=', n);
    size_t name = eq == NULL ? 0 : (size_t)(eq - line), value;

    while (name != 0 && (line[name - 1] == ' ' || line[name - 1] == '\t'))
        name--;
    for (size_t i = 0; name != 0 && i < sizeof(names) / sizeof(names[0]); i++) {
        char **into = (char **)(void *)((char *)c + names[i].at);
        if (strlen(names[i].name) != name || strncmp(line, names[i].name, name) != 0)
            continue;
        for (eq++; eq < line + n && (*eq == ' ' || *eq == '\t'); eq++)
            continue;
        value = (size_t)(line + n - eq);
        while (value != 0 && (eq[value - 1] == ' ' || eq[value - 1] == '\t'))
            value--;
        bs_free_secret(into);
        *into = bs_malloc(value + 1);
        memcpy(*into, eq, value);
    }
}

/* Is "[name]" the section that is asked for? */
static bool
is_section(const char *line, size_t n, const char *profile)
{
    size_t end = strcspn(line, "]");

    return end < n && end - 1 == strlen(profile) && strncmp(line + 1, profile, end - 1) == 0;
}

static void
take_profile(struct bs_s3_credentials *c, const char *text, const char *profile)
{
    bool here = false;

    while (*text != '\0') {
        size_t n = strcspn(text, "\r\n"), skip = strspn(text, " \t");
        const char *line = text + (skip < n ? skip : n);
        size_t left = n - (size_t)(line - text);
        if (left != 0 && line[0] == '[')
            here = is_section(line, left, profile);
        else if (here && left != 0 && line[0] != '#' && line[0] != ';')
            take_line(c, line, left);
        text += n + (text[n] != '\0');
    }
}

static enum bs_done
read_all(int fd, const char *path, struct bs_buf *out, struct bs_err *err)
{
    uint8_t chunk[4096];
    ssize_t got;

    do {
        got = read(fd, chunk, sizeof(chunk));
        if (got > 0)
            bs_put_bytes(out, (struct bs_bytes){chunk, (size_t)got});
    } while (got > 0 || (got < 0 && errno == EINTR));
    bs_wipe(chunk, sizeof(chunk));
    if (got < 0)
        return BS_FAIL(err, IO, "cannot read \"%.300s\": %s", path, strerror(errno));
    if (out->failed)
        return BS_FAIL(err, CONFIG, "the credentials' file \"%.300s\" is too large", path);
    return BS_DONE;
}

/* The open file is what is looked at, so that it cannot be another one when it is read. */
static enum bs_done
read_private(const char *path, struct bs_buf *out, struct bs_err *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    struct stat st = {0};
    enum bs_done done = BS_DONE;

    if (fd < 0 || fstat(fd, &st) != 0) {
        done = BS_FAIL(err, CONFIG, "there are no credentials for s3: \"%.250s\": %s", path,
                       strerror(errno));
        bs_err_hint(err, "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or write that file");
    } else if (!S_ISREG(st.st_mode)) {
        done = BS_FAIL(err, CONFIG, "the credentials' file \"%.300s\" is no file", path);
    } else if ((st.st_mode & 007) != 0) {
        done = BS_FAIL(err, CONFIG, "others may read or change the credentials' file \"%.300s\"",
                       path);
        bs_err_hint(err, "chmod 600 %.200s", path);
    } else {
        done = read_all(fd, path, out, err);
    }
    if (fd >= 0)
        (void)close(fd);
    bs_put_u8(out, '\0');
    return done;
}

static enum bs_done
from_file(const struct bs_s3_place *place, struct bs_s3_credentials *c, struct bs_err *err)
{
    const char *path =
        place->credentials[0] != '\0' ? place->credentials : env("AWS_SHARED_CREDENTIALS_FILE");
    const char *profile = place->profile[0] != '\0' ? place->profile : env("AWS_PROFILE");
    char home[600];
    struct bs_buf text;
    enum bs_done done;

    (void)snprintf(home, sizeof(home), "%.500s/.aws/credentials",
                   env("HOME") == NULL ? "" : env("HOME"));
    path = path == NULL ? home : path;
    profile = profile == NULL ? "default" : profile;
    bs_buf_init(&text, FILE_MAX);
    done = read_private(path, &text, err);
    if (done == BS_DONE)
        take_profile(c, (const char *)text.p, profile);
    if (done == BS_DONE && c->id == NULL && c->secret == NULL)
        done = BS_FAIL(err, CONFIG, "\"%.300s\" has no keys in its section [%.60s]", path, profile);
    if (done == BS_DONE)
        done = check(c, path, err);
    if (text.p != NULL)
        bs_wipe(text.p, text.cap);
    bs_buf_fini(&text);
    return done;
}

enum bs_done
bs_s3_credentials_read(const struct bs_s3_place *place,
                       struct bs_s3_credentials *out,
                       struct bs_err *err)
{
    bool named = place->credentials[0] != '\0' || place->profile[0] != '\0';
    enum bs_done done;

    if (!named && (env("AWS_ACCESS_KEY_ID") != NULL || env("AWS_SECRET_ACCESS_KEY") != NULL)) {
        out->id = bs_strdup(env("AWS_ACCESS_KEY_ID"));
        out->secret = bs_strdup(env("AWS_SECRET_ACCESS_KEY"));
        out->token = bs_strdup(env("AWS_SESSION_TOKEN"));
        done = check(out, "the environment", err);
    } else {
        done = from_file(place, out, err);
    }
    if (done != BS_DONE)
        bs_s3_credentials_fini(out);
    return done;
}
