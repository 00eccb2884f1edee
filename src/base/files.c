/*
 * files.c - durability is fsync of the file, then of the folder that names it.
 */
#include "base/files.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/clock.h"

enum bs_done
bs_file_read(const char *path, struct bs_buf *out, struct bs_err *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t got = -1;

    if (fd < 0 && errno == ENOENT)
        return BS_FAIL(err, NOT_FOUND, "no file \"%.300s\"", path);
    if (fd < 0)
        return BS_FAIL(err, IO, "cannot open \"%.300s\": %s", path, strerror(errno));
    for (;;) {
        uint8_t chunk[16384];
        got = read(fd, chunk, sizeof(chunk));
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            break;
        bs_put_bytes(out, (struct bs_bytes){chunk, (size_t)got});
    }
    if (got < 0)
        (void)BS_FAIL(err, IO, "cannot read \"%.300s\": %s", path, strerror(errno));
    close(fd);
    if (got < 0)
        return BS_FAILED;
    if (out->failed)
        return BS_FAIL(err, LIMIT, "\"%.300s\" is larger than %zu bytes", path, out->max);
    return BS_DONE;
}

enum bs_done
bs_fd_write(int fd, struct bs_bytes content, const char *what, struct bs_err *err)
{
    while (content.n != 0) {
        ssize_t put = write(fd, content.p, content.n);
        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0)
            return BS_FAIL(err, IO, "cannot write \"%.300s\": %s", what, strerror(errno));
        content.p += put;
        content.n -= (size_t)put;
    }
    return BS_DONE;
}

/* The folder part of a path, "." where there is none. The caller frees it. */
static char *
folder_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    char *dir;

    if (slash == NULL)
        return bs_strdup(".");
    if (slash == path)
        return bs_strdup("/");
    dir = bs_strdup(path);
    dir[slash - path] = '\0';
    return dir;
}

enum bs_done
bs_dir_sync(const char *path, struct bs_err *err)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int bad;

    if (fd < 0)
        return BS_FAIL(err, IO, "cannot open folder \"%.300s\": %s", path, strerror(errno));
    bad = fsync(fd) != 0 ? errno : 0;
    close(fd);
    if (bad != 0)
        return BS_FAIL(err, IO, "cannot sync folder \"%.300s\": %s", path, strerror(bad));
    return BS_DONE;
}

enum bs_done
bs_dir_make(const char *path, struct bs_err *err)
{
    char *copy = bs_strdup(path);
    enum bs_done done = BS_DONE;

    for (char *p = copy + 1; done == BS_DONE; p++) {
        char was = *p;
        if (was != '/' && was != '\0')
            continue;
        *p = '\0';
        if (mkdir(copy, 0700) != 0 && errno != EEXIST)
            done = BS_FAIL(err, IO, "cannot make folder \"%.300s\": %s", copy, strerror(errno));
        *p = was;
        if (was == '\0')
            break;
    }
    free(copy);
    return done;
}

enum placing { PLACE_NEW, PLACE_OVER };

/* Gives the finished temporary file its name. */
static enum bs_done
place(const char *tmp, const char *path, enum placing how, struct bs_err *err)
{
    if (how == PLACE_OVER) {
        if (rename(tmp, path) != 0)
            return BS_FAIL(err, IO, "cannot rename to \"%.300s\": %s", path, strerror(errno));
        return BS_DONE;
    }
    if (link(tmp, path) != 0 && errno == EEXIST)
        return BS_FAIL(err, CONFLICT, "\"%.300s\" exists already", path);
    if (access(path, F_OK) != 0)
        return BS_FAIL(err, IO, "cannot name \"%.300s\": %s", path, strerror(errno));
    return BS_DONE;
}

static enum bs_done
write_file(
    const char *path, struct bs_bytes content, mode_t mode, enum placing how, struct bs_err *err)
{
    enum bs_done done = BS_FAILED;
    char *dir = folder_of(path);
    char tmp[PATH_MAX];
    char id[BS_ULID_TEXT];
    int fd = -1, n;

    bs_ulid_new(id);
    n = snprintf(tmp, sizeof(tmp), "%s/.tmp-%s", dir, id);
    if (n < 0 || (size_t)n >= sizeof(tmp)) {
        (void)BS_FAIL(err, LIMIT, "path is too long: \"%.300s\"", path);
        goto out;
    }
    fd = open(tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
    if (fd < 0) {
        (void)BS_FAIL(err, IO, "cannot create a file in \"%.300s\": %s", dir, strerror(errno));
        goto out;
    }
    if (bs_fd_write(fd, content, path, err) != BS_DONE)
        goto out;
    if (fsync(fd) != 0) {
        (void)BS_FAIL(err, IO, "cannot sync \"%.300s\": %s", path, strerror(errno));
        goto out;
    }
    if (place(tmp, path, how, err) != BS_DONE || bs_dir_sync(dir, err) != BS_DONE)
        goto out;
    done = BS_DONE;
out:
    if (fd >= 0) {
        close(fd);
        (void)unlink(tmp); /* after a rename there is nothing left to unlink */
    }
    free(dir);
    return done;
}

enum bs_done
bs_file_create(const char *path, struct bs_bytes content, mode_t mode, struct bs_err *err)
{
    return write_file(path, content, mode, PLACE_NEW, err);
}

enum bs_done
bs_file_replace(const char *path, struct bs_bytes content, mode_t mode, struct bs_err *err)
{
    return write_file(path, content, mode, PLACE_OVER, err);
}
