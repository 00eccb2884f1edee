/*
 * upload.c - a file is finished once it has a head of its own, or a newer one exists (logs of old have
 * files without heads). Nothing is added to a finished one: log_file.c.
 */
#include "audit/upload.h"

#include <errno.h>
#include <jansson.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "audit/head.h"
#include "base/arena.h"
#include "base/files.h"

#define PROGRESS_BYTES 8192

static void
path_of(const char *directory, const char *name, char out[PATH_MAX])
{
    (void)snprintf(out, PATH_MAX, "%s/%s", directory, name);
}

/* What cannot be read says nothing: then all is looked at again. */
static uint64_t
read_progress(const char *directory, const char *to)
{
    char path[PATH_MAX];
    struct bs_err ignored = {0};
    struct bs_buf text;
    json_t *root = NULL;
    const char *said;
    json_int_t first = 0;

    path_of(directory, BS_UPLOAD_FILE, path);
    bs_buf_init(&text, PROGRESS_BYTES);
    if (bs_file_read(path, &text, &ignored) == BS_DONE)
        root = json_loadb((const char *)text.p, text.n, 0, NULL);
    said = json_string_value(json_object_get(root, "to"));
    if (said != NULL && strcmp(said, to) == 0)
        first = json_integer_value(json_object_get(root, "first"));
    json_decref(root);
    bs_buf_fini(&text);
    return first > 0 ? (uint64_t)first : 0;
}

enum bs_done
bs_backlog_note(const char *directory, const char *to, uint64_t first, struct bs_err *err)
{
    json_t *root = json_pack("{s:s,s:I}", "to", to, "first", (json_int_t)first);
    char path[PATH_MAX], *text = json_dumps(root, JSON_COMPACT);
    enum bs_done done;

    path_of(directory, BS_UPLOAD_FILE, path);
    done = text == NULL ? BS_FAIL(err, DATA, "the store's name is not UTF-8")
                        : bs_file_replace(path, bs_bytes_of(text), 0600, err);
    free(text);
    json_decref(root);
    return done;
}

static bool
is_finished(const char *directory, uint64_t first, bool last)
{
    char name[BS_SEGMENT_NAME], path[PATH_MAX];
    struct stat st;

    bs_segment_head_name(first, name);
    path_of(directory, name, path);
    return !last || stat(path, &st) == 0;
}

/* When it was written to last. */
static int64_t
changed_us(const char *directory, uint64_t first)
{
    char name[BS_SEGMENT_NAME], path[PATH_MAX];
    struct stat st;

    bs_segment_name(first, name);
    path_of(directory, name, path);
    return stat(path, &st) != 0 ? 0
                                : (int64_t)st.st_mtim.tv_sec * 1000000 + st.st_mtim.tv_nsec / 1000;
}

enum bs_done
bs_backlog_look(const char *directory, const char *to, struct bs_backlog *out, struct bs_err *err)
{
    struct bs_segments all = {0};
    size_t n = 0;

    if (bs_segments_list(directory, &all, err) != BS_DONE)
        return BS_FAILED;
    out->done = read_progress(directory, to);
    for (size_t i = 0; i < all.n; i++) {
        if (all.first[i] > out->done && is_finished(directory, all.first[i], i + 1 == all.n))
            all.first[n++] = all.first[i];
    }
    all.n = n;
    out->files = all;
    out->since_us = n == 0 ? 0 : changed_us(directory, all.first[0]);
    return BS_DONE;
}

/* Its first line; NOT_FOUND where there is none yet. */
static enum bs_done
hash_first_line(const char *path, char hash[BS_HASH_TEXT], struct bs_err *err)
{
    FILE *file = fopen(path, "re");
    char *line = NULL;
    size_t room = 0;
    ssize_t n;

    if (file == NULL)
        return BS_FAIL(err, IO, "cannot open \"%.300s\": %s", path, strerror(errno));
    n = getline(&line, &room, file);
    if (n > 0 && line[n - 1] == '\n')
        bs_audit_hash((struct bs_bytes){(const uint8_t *)line, (size_t)n - 1}, hash);
    else
        n = 0;
    free(line);
    (void)fclose(file);
    return n > 0 ? BS_DONE : BS_FAIL(err, NOT_FOUND, "\"%.300s\" has no line yet", path);
}

enum bs_done
bs_backlog_folder(const char *directory,
                  const char *log,
                  char out[BS_UPLOAD_FOLDER],
                  struct bs_err *err)
{
    struct bs_segments all = {0};
    char name[BS_SEGMENT_NAME], path[PATH_MAX], hash[BS_HASH_TEXT];
    enum bs_done done = bs_segments_list(directory, &all, err);

    if (done == BS_DONE && all.n == 0)
        done = BS_FAIL(err, NOT_FOUND, "no audit log in \"%.300s\"", directory);
    if (done == BS_DONE) {
        bs_segment_name(all.first[0], name);
        path_of(directory, name, path);
        done = hash_first_line(path, hash, err);
    }
    if (done == BS_DONE)
        (void)snprintf(out, BS_UPLOAD_FOLDER, BS_UPLOAD_PREFIX "%.200s-%.16s",
                       log[0] == '\0' ? "gateway" : log, hash);
    bs_segments_fini(&all);
    return done;
}
