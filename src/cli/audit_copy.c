/* audit_copy.c - see audit_copy.h. Names are checked before they become paths. */
#include "cli/audit_copy.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "audit/chain.h"
#include "audit/upload.h"
#include "base/arena.h"
#include "base/files.h"
#include "storage/storage.h"

struct fetch {
    struct bs_store *store;
    struct bs_audit_copy *copy;
};

/* "audit/LOG/FILE": LOG into `log`, FILE as a part of the key; NULL: something else. */
static const char *
file_of(const char *key, char log[BS_UPLOAD_FOLDER])
{
    const char *name = key + strlen(BS_UPLOAD_PREFIX), *file;
    size_t n;

    if (strncmp(key, BS_UPLOAD_PREFIX, strlen(BS_UPLOAD_PREFIX)) != 0)
        return NULL;
    n = strcspn(name, "/");
    file = name + n + 1;
    if (name[n] != '/' || n == 0 || name[0] == '.' || n >= BS_UPLOAD_FOLDER ||
        strncmp(file, "audit-", 6) != 0 || strchr(file, '/') != NULL ||
        strlen(file) >= BS_SEGMENT_NAME)
        return NULL;
    memcpy(log, name, n);
    log[n] = '\0';
    return file;
}

static enum bs_done
make_folder(struct bs_audit_copy *c, const char *log, struct bs_err *err)
{
    char path[PATH_MAX];

    if (c->n != 0 && strcmp(c->names[c->n - 1], log) == 0) /* keys come in order */
        return BS_DONE;
    (void)snprintf(path, sizeof(path), "%s/%s", c->directory, log);
    c->names = bs_realloc(c->names, (c->n + 1) * sizeof(*c->names));
    c->names[c->n++] = bs_strdup(log);
    return bs_dir_make(path, err);
}

static enum bs_done
fetch_one(void *ctx, const char *key, int64_t size, struct bs_err *err)
{
    struct fetch *f = ctx;
    char log[BS_UPLOAD_FOLDER], path[PATH_MAX];
    const char *file = file_of(key, log);

    (void)size;
    if (file == NULL)
        return BS_DONE;
    if (make_folder(f->copy, log, err) != BS_DONE)
        return BS_FAILED;
    (void)snprintf(path, sizeof(path), "%s/%s/%s", f->copy->directory, log, file);
    return bs_store_get_file(f->store, key, path, err);
}

static enum bs_done
drop_last(const char *directory, const char *log, struct bs_err *err)
{
    struct bs_segments all = {0};
    char folder[PATH_MAX], name[BS_SEGMENT_NAME], path[PATH_MAX + BS_SEGMENT_NAME];
    struct stat st;

    (void)snprintf(folder, sizeof(folder), "%s/%s", directory, log);
    if (bs_segments_list(folder, &all, err) != BS_DONE)
        return BS_FAILED;
    if (all.n != 0) {
        bs_segment_head_name(all.first[all.n - 1], name);
        (void)snprintf(path, sizeof(path), "%s/%s", folder, name);
        if (stat(path, &st) != 0) {
            bs_segment_name(all.first[all.n - 1], name);
            (void)snprintf(path, sizeof(path), "%s/%s", folder, name);
            (void)unlink(path);
        }
    }
    bs_segments_fini(&all);
    return BS_DONE;
}

enum bs_done
bs_audit_copy_fetch(const char *url, struct bs_audit_copy *out, struct bs_err *err)
{
    const char *tmp = getenv("TMPDIR");
    struct fetch f = {.copy = out};
    char path[PATH_MAX];
    enum bs_done done;

    (void)snprintf(path, sizeof(path), "%s/backstop-audit-XXXXXX",
                   tmp == NULL || tmp[0] == '\0' ? "/tmp" : tmp);
    if (mkdtemp(path) == NULL)
        return BS_FAIL(err, IO, "cannot make \"%.300s\": %s", path, strerror(errno));
    out->directory = bs_strdup(path);
    done = bs_store_open(url, &f.store, err);
    if (done == BS_DONE)
        done = bs_store_list(f.store, BS_UPLOAD_PREFIX, fetch_one, &f, err);
    bs_store_close(&f.store);
    for (size_t i = 0; done == BS_DONE && i < out->n; i++)
        done = drop_last(out->directory, out->names[i], err);
    if (done == BS_DONE && out->n == 0)
        done = BS_FAIL(err, NOT_FOUND, "no audit log was uploaded to \"%.300s\"", url);
    return done;
}

static void
remove_folder(const char *path)
{
    DIR *dir = opendir(path);
    char name[2 * PATH_MAX];
    struct dirent *e;

    while (dir != NULL && (e = readdir(dir)) != NULL) {
        (void)snprintf(name, sizeof(name), "%s/%s", path, e->d_name);
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
            (void)unlink(name);
    }
    if (dir != NULL)
        (void)closedir(dir);
    (void)rmdir(path);
}

void
bs_audit_copy_fini(struct bs_audit_copy *c)
{
    for (size_t i = 0; i < c->n; i++) {
        char path[PATH_MAX + 256];
        (void)snprintf(path, sizeof(path), "%s/%s", c->directory, c->names[i]);
        remove_folder(path);
        free(c->names[i]);
    }
    if (c->directory != NULL)
        (void)rmdir(c->directory);
    free(c->names);
    free(c->directory);
    *c = (struct bs_audit_copy){0};
}
