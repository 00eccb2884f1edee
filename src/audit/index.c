/*
 * index.c - a line is looked through by hand: ten million of them are to be indexed, and most of what is
 * in one does not matter. The values are taken as they are written, so they are looked for as written.
 */
#include "audit/index.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "audit/chain.h"
#include "audit/upload.h"
#include "base/arena.h"
#include "base/clock.h"
#include "base/files.h"
#include "base/siphash.h"

#define BLOCK_BYTES 65536
#define BLOOM_BYTES                                                                                \
    1024 /* sixteen bits for each of five hundred names: one of a thousand is a false find */
#define BLOOM_BITS (BLOOM_BYTES * 8)
#define PROBES     5
#define MAGIC      "bsindex1" /* with another layout another number */
#define INDEX_MAX  ((size_t)1 << 32)

/* As in the file, in the machine's own order; another machine makes its own. */
struct header {
    char magic[8];
    uint64_t order; /* 1: of this machine */
    uint64_t bytes; /* of the log's file */
    uint64_t blocks;
    uint64_t sum; /* of all behind the header */
};

struct bloom {
    uint8_t bits[BLOOM_BYTES];
};

struct bs_audit_index {
    void *map;
    size_t bytes;
    const struct header *header;
    const struct bs_audit_block *blocks;
    const struct bloom *blooms;
};

/* --- terms --- */

static const char *const indexed[] = {"kind",   "actor", "operator", "database",
                                      "ticket", "point", "session",  "object"};

bool
bs_audit_is_indexed(const char *name)
{
    for (size_t i = 0; i < sizeof(indexed) / sizeof(indexed[0]); i++) {
        if (strcmp(indexed[i], name) == 0)
            return true;
    }
    return false;
}

static uint64_t
name_number(const char *name, size_t n)
{
    uint64_t h = UINT64_C(14695981039346656037);

    for (size_t i = 0; i < n; i++)
        h = (h ^ (uint8_t)name[i]) * UINT64_C(1099511628211); /* FNV-1a */
    return h;
}

/* The hash has no secret: who makes names that collide makes searches slower, not wrong. */
static struct bs_audit_term
term_of(uint64_t name, struct bs_bytes value)
{
    static const uint8_t no_secret[16] = "backstop index";
    struct bs_hash128 h = bs_siphash(no_secret, value);

    return (struct bs_audit_term){h.lo ^ name, (h.hi ^ name << 1) | 1};
}

struct bs_audit_term
bs_audit_term_of(const char *name, struct bs_bytes value)
{
    return term_of(name_number(name, strlen(name)), value);
}

struct bs_audit_term
bs_audit_term_pair(struct bs_bytes actor, struct bs_bytes table)
{
    struct bs_audit_term one = bs_audit_term_of("actor", actor);
    struct bs_audit_term two = bs_audit_term_of("object", table);

    return (struct bs_audit_term){one.a * 3 ^ two.b, (one.b * 5 ^ two.a) | 1};
}

static void
put_term(struct bloom *b, struct bs_audit_term t)
{
    for (uint64_t i = 0; i < PROBES; i++) {
        uint64_t bit = (t.a + i * t.b) % BLOOM_BITS;
        b->bits[bit / 8] |= (uint8_t)(1u << bit % 8);
    }
}

static bool
has_term(const struct bloom *b, struct bs_audit_term t)
{
    for (uint64_t i = 0; i < PROBES; i++) {
        uint64_t bit = (t.a + i * t.b) % BLOOM_BITS;
        if ((b->bits[bit / 8] & 1u << bit % 8) == 0)
            return false;
    }
    return true;
}

/* --- a line --- */

/* What is taken from one. */
struct seen {
    struct bloom *bloom;
    struct bs_bytes actor;
    int64_t at_us;
};

/* A string that begins at *at, with its quotes; leaves *at behind it. */
static bool
take_string(struct bs_bytes line, size_t *at, struct bs_bytes *out)
{
    size_t from = *at + 1, i = from;

    if (*at >= line.n || line.p[*at] != '"')
        return false;
    while (i < line.n && line.p[i] != '"')
        i += line.p[i] == '\\' ? 2 : 1;
    if (i >= line.n)
        return false;
    *out = (struct bs_bytes){line.p + from, i - from};
    *at = i + 1;
    return true;
}

/* Anything but a string. In effects, names of objects are taken. */
static bool
skip_value(struct bs_bytes line, size_t *at, struct seen *effects)
{
    struct bs_bytes text = {0}, before = {0};
    int depth = 0;

    for (; *at < line.n; (*at)++) {
        uint8_t c = line.p[*at];
        if (depth == 0 && (c == ',' || c == '}'))
            return true;
        depth += (c == '{' || c == '[') - (c == '}' || c == ']');
        if (c != '"')
            continue;
        if (!take_string(line, at, &text))
            return false;
        (*at)--; /* the loop goes on behind it */
        if (effects != NULL && bs_bytes_equal(before, BS_LIT("object"))) {
            put_term(effects->bloom, bs_audit_term_of("object", text));
            put_term(effects->bloom, bs_audit_term_pair(effects->actor, text));
        }
        before = text;
    }
    return false;
}

static bool
take_member(struct seen *s, struct bs_bytes name, struct bs_bytes value)
{
    char text[BS_TIME_TEXT] = "", key[16] = "";
    struct bs_err ignored = {0};

    if (bs_bytes_equal(name, BS_LIT("at"))) {
        memcpy(text, value.p, value.n < sizeof(text) ? value.n : sizeof(text) - 1);
        return bs_time_parse(text, &s->at_us, &ignored) == BS_DONE;
    }
    if (name.n >= sizeof(key))
        return true;
    memcpy(key, name.p, name.n);
    if (bs_audit_is_indexed(key))
        put_term(s->bloom, bs_audit_term_of(key, value));
    if (strcmp(key, "actor") == 0) /* stands before effects */
        s->actor = value;
    return true;
}

static bool
take_line(struct seen *s, struct bs_bytes line)
{
    struct bs_bytes name, value;
    size_t at = 1;

    s->actor = (struct bs_bytes){0};
    s->at_us = 0;
    if (line.n < 2 || line.p[0] != '{')
        return false;
    while (take_string(line, &at, &name) && at < line.n && line.p[at] == ':') {
        at++;
        if (at < line.n && line.p[at] == '"') {
            if (!take_string(line, &at, &value) || !take_member(s, name, value))
                return false;
        } else if (!skip_value(line, &at, bs_bytes_equal(name, BS_LIT("effects")) ? s : NULL))
            return false;
        if (at < line.n && line.p[at] == '}')
            return at + 1 == line.n && s->at_us != 0;
        at++;
    }
    return false;
}

/* --- making --- */

struct maker {
    struct bs_audit_block *blocks;
    struct bloom *blooms;
    size_t n, room;
    uint64_t bytes;
};

/* The block that a line goes into; a new one where the last is full. */
static struct bs_audit_block *
block_for(struct maker *m)
{
    if (m->n != 0 && m->blocks[m->n - 1].bytes < BLOCK_BYTES)
        return &m->blocks[m->n - 1];
    if (m->n == m->room) {
        m->room = m->room == 0 ? 64 : m->room * 2;
        m->blocks = bs_realloc(m->blocks, m->room * sizeof(*m->blocks));
        m->blooms = bs_realloc(m->blooms, m->room * sizeof(*m->blooms));
    }
    m->blooms[m->n] = (struct bloom){{0}};
    m->blocks[m->n] =
        (struct bs_audit_block){.offset = m->bytes, .from_us = INT64_MAX, .until_us = INT64_MIN};
    return &m->blocks[m->n++];
}

static bool
add_line(struct maker *m, struct bs_bytes line)
{
    struct bs_audit_block *b = block_for(m);
    struct seen s = {.bloom = &m->blooms[m->n - 1]};

    if (!take_line(&s, line))
        return false;
    b->records++;
    b->bytes += (uint32_t)line.n + 1;
    b->from_us = s.at_us < b->from_us ? s.at_us : b->from_us;
    b->until_us = s.at_us > b->until_us ? s.at_us : b->until_us;
    m->bytes += line.n + 1;
    return true;
}

static enum bs_done
add_file(struct maker *m, const char *path, struct bs_err *err)
{
    FILE *file = fopen(path, "re");
    enum bs_done done = BS_DONE;
    char *line = NULL;
    size_t room = 0;
    ssize_t n;

    if (file == NULL)
        return BS_FAIL(err, IO, "cannot open \"%.300s\": %s", path, strerror(errno));
    while (done == BS_DONE && (n = getline(&line, &room, file)) > 0) {
        if (line[n - 1] != '\n' || n > UINT32_MAX / 2 ||
            !add_line(m, (struct bs_bytes){(const uint8_t *)line, (size_t)n - 1}))
            done = BS_FAIL(err, DAMAGED, "\"%.300s\" has a line that is no record", path);
    }
    if (done == BS_DONE && ferror(file) != 0)
        done = BS_FAIL(err, IO, "cannot read \"%.300s\": %s", path, strerror(errno));
    free(line);
    (void)fclose(file);
    return done;
}

/* Of whole words. For what a disk does, not for what somebody does. */
static uint64_t
sum_of(uint64_t sum, const void *p, size_t n)
{
    const uint8_t *at = p;
    uint64_t word;

    for (; n >= sizeof(word); at += sizeof(word), n -= sizeof(word)) {
        memcpy(&word, at, sizeof(word));
        sum = (sum ^ word) * UINT64_C(0x9e3779b97f4a7c15);
        sum ^= sum >> 29;
    }
    return sum;
}

static void
index_path(const char *directory, uint64_t first, char out[PATH_MAX])
{
    (void)snprintf(out, PATH_MAX, "%.4000s/audit-%012llu.index", directory,
                   (unsigned long long)first);
}

static void
segment_path(const char *directory, uint64_t first, char out[PATH_MAX])
{
    char name[BS_SEGMENT_NAME];

    bs_segment_name(first, name);
    (void)snprintf(out, PATH_MAX, "%.4000s/%s", directory, name);
}

static struct bs_bytes
raw(const void *p, size_t n)
{
    return (struct bs_bytes){p, n};
}

static enum bs_done
write_index(const struct maker *m, const char *path, struct bs_err *err)
{
    struct header h = {.order = 1, .bytes = m->bytes, .blocks = m->n};
    struct bs_buf out;
    enum bs_done done;

    memcpy(h.magic, MAGIC, sizeof(h.magic));
    bs_buf_init(&out, INDEX_MAX);
    h.sum = sum_of(sum_of(0, m->blocks, m->n * sizeof(*m->blocks)), m->blooms,
                   m->n * sizeof(*m->blooms));
    bs_put_bytes(&out, raw(&h, sizeof(h)));
    bs_put_bytes(&out, raw(m->blocks, m->n * sizeof(*m->blocks)));
    bs_put_bytes(&out, raw(m->blooms, m->n * sizeof(*m->blooms)));
    done = out.failed ? BS_FAIL(err, LIMIT, "the index \"%.300s\" is too large", path)
                      : bs_file_replace(path, bs_buf_view(&out), 0600, err);
    bs_buf_fini(&out);
    return done;
}

enum bs_done
bs_audit_index_make(const char *directory, uint64_t first, struct bs_err *err)
{
    char from[PATH_MAX], to[PATH_MAX];
    struct maker m = {0};
    enum bs_done done;

    segment_path(directory, first, from);
    index_path(directory, first, to);
    done = add_file(&m, from, err);
    if (done == BS_DONE)
        done = write_index(&m, to, err);
    free(m.blocks);
    free(m.blooms);
    return done;
}

static enum bs_done
make_missing(const char *directory, uint64_t first, size_t *made, struct bs_err *err)
{
    struct bs_audit_index *ix = bs_audit_index_open(directory, first);
    bool there = ix != NULL;

    bs_audit_index_close(&ix);
    if (there)
        return BS_DONE;
    ++*made;
    return bs_audit_index_make(directory, first, err);
}

enum bs_done
bs_audit_index_make_all(const char *directory,
                        uint64_t *after,
                        const struct bs_watch *watch,
                        size_t *made,
                        struct bs_err *err)
{
    struct bs_backlog finished = {0};
    enum bs_done done = bs_backlog_look(directory, "", &finished, err);

    *made = 0;
    for (size_t i = 0; done == BS_DONE && i < finished.files.n; i++) {
        uint64_t first = finished.files.first[i];
        if (first <= *after)
            continue;
        done = bs_watch_check(watch, err);
        if (done == BS_DONE)
            done = make_missing(directory, first, made, err);
        if (done == BS_DONE)
            *after = first;
    }
    bs_segments_fini(&finished.files);
    return done;
}

/* --- reading --- */

static bool
is_sound(const struct bs_audit_index *ix, uint64_t bytes)
{
    const struct header *h = ix->header;
    size_t each = sizeof(*ix->blocks) + sizeof(*ix->blooms);

    return ix->bytes >= sizeof(*h) && memcmp(h->magic, MAGIC, sizeof(h->magic)) == 0 &&
           h->order == 1 && h->bytes == bytes && h->blocks <= (ix->bytes - sizeof(*h)) / each &&
           ix->bytes == sizeof(*h) + h->blocks * each &&
           h->sum == sum_of(0, h + 1, ix->bytes - sizeof(*h));
}

static struct bs_audit_index *
map_file(int fd, uint64_t bytes)
{
    struct bs_audit_index *ix;
    struct stat st;
    void *map;

    if (fstat(fd, &st) != 0 || st.st_size < (off_t)sizeof(struct header))
        return NULL;
    map = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (map == MAP_FAILED)
        return NULL;
    ix = bs_malloc(sizeof(*ix));
    ix->map = map;
    ix->bytes = (size_t)st.st_size;
    ix->header = map;
    ix->blocks = (const void *)(ix->header + 1);
    if (is_sound(ix, bytes)) {
        ix->blooms = (const void *)(ix->blocks + ix->header->blocks);
        return ix;
    }
    bs_audit_index_close(&ix);
    return NULL;
}

struct bs_audit_index *
bs_audit_index_open(const char *directory, uint64_t first)
{
    struct bs_audit_index *ix = NULL;
    char path[PATH_MAX];
    struct stat st;
    int fd;

    segment_path(directory, first, path);
    if (stat(path, &st) != 0)
        return NULL;
    index_path(directory, first, path);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return NULL;
    ix = map_file(fd, (uint64_t)st.st_size);
    (void)close(fd);
    return ix;
}

void
bs_audit_index_close(struct bs_audit_index **ix)
{
    if (*ix == NULL)
        return;
    (void)munmap((*ix)->map, (*ix)->bytes);
    free(*ix);
    *ix = NULL;
}

size_t
bs_audit_index_blocks(const struct bs_audit_index *ix)
{
    return ix->header->blocks;
}

const struct bs_audit_block *
bs_audit_index_block(const struct bs_audit_index *ix, size_t i)
{
    return &ix->blocks[i];
}

bool
bs_audit_index_may_have(const struct bs_audit_index *ix, size_t i, struct bs_audit_term t)
{
    return has_term(&ix->blooms[i], t);
}
