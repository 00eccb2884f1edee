/*
 * chain.c - what is checked of a line: its beginning byte for byte (seq and prev), by the next line's
 * prev or the head every byte of it, and where there is neither yet, that it is one JSON object.
 */
#include "audit/chain.h"

#include <dirent.h>
#include <errno.h>
#include <jansson.h>
#include <limits.h>
#include <openssl/evp.h>
#include <openssl/sha.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/clock.h"

static EVP_MD *sha256; /* fetching it costs more than hashing a line */

static void
fetch_sha256(void)
{
    sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
    bs_assert(sha256 != NULL);
}

void
bs_audit_hash(struct bs_bytes line, char out[BS_HASH_TEXT])
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    unsigned char digest[SHA256_DIGEST_LENGTH];

    (void)pthread_once(&once, fetch_sha256);
    bs_assert(EVP_Digest(line.p, line.n, digest, NULL, sha256, NULL) == 1);
    bs_hex(digest, sizeof(digest), out);
}

/* By hand, since there is one for every statement. */
void
bs_line_begin(struct bs_buf *out, uint64_t seq, const char prev[BS_HASH_TEXT])
{
    uint8_t digits[20];
    size_t at = sizeof(digits);

    do
        digits[--at] = (uint8_t)('0' + seq % 10);
    while ((seq /= 10) != 0);
    bs_put_bytes(out, BS_LIT("{\"seq\":"));
    bs_put_bytes(out, (struct bs_bytes){digits + at, sizeof(digits) - at});
    bs_put_bytes(out, BS_LIT(",\"prev\":\""));
    bs_put_bytes(out, (struct bs_bytes){(const uint8_t *)prev, BS_HASH_TEXT - 1});
    bs_put_bytes(out, BS_LIT("\","));
}

/* --- files --- */

void
bs_segment_name(uint64_t first_seq, char out[BS_SEGMENT_NAME])
{
    (void)snprintf(out, BS_SEGMENT_NAME, "audit-%012llu.jsonl", (unsigned long long)first_seq);
}

void
bs_segment_head_name(uint64_t first_seq, char out[BS_SEGMENT_NAME])
{
    (void)snprintf(out, BS_SEGMENT_NAME, "audit-%012llu.head", (unsigned long long)first_seq);
}

/* 0: not the name of a segment. */
static uint64_t
segment_seq(const char *name)
{
    static const char prefix[] = "audit-";
    char again[BS_SEGMENT_NAME];
    unsigned long long seq;

    if (strncmp(name, prefix, sizeof(prefix) - 1) != 0)
        return 0;
    errno = 0;
    seq = strtoull(name + sizeof(prefix) - 1, NULL, 10);
    if (errno != 0)
        return 0;
    bs_segment_name(seq, again);
    return strcmp(name, again) == 0 ? seq : 0;
}

static int
by_seq(const void *a, const void *b)
{
    const uint64_t *x = a, *y = b;

    return (*x > *y) - (*x < *y);
}

enum bs_done
bs_segments_list(const char *directory, struct bs_segments *out, struct bs_err *err)
{
    DIR *dir = opendir(directory);
    struct dirent *entry;

    if (dir == NULL && errno == ENOENT)
        return BS_FAIL(err, NOT_FOUND, "no folder \"%.300s\"", directory);
    if (dir == NULL)
        return BS_FAIL(err, IO, "cannot read folder \"%.300s\": %s", directory, strerror(errno));
    while ((entry = readdir(dir)) != NULL) {
        uint64_t seq = segment_seq(entry->d_name);
        if (seq == 0)
            continue;
        out->first = bs_realloc(out->first, (out->n + 1) * sizeof(*out->first));
        out->first[out->n++] = seq;
    }
    (void)closedir(dir);
    if (out->n > 1)
        qsort(out->first, out->n, sizeof(*out->first), by_seq);
    return BS_DONE;
}

void
bs_segments_fini(struct bs_segments *s)
{
    free(s->first);
    *s = (struct bs_segments){0};
}

/* --- the walk --- */

void
bs_chain_start(struct bs_chain *c, uint64_t first_seq, const struct bs_head *head)
{
    *c = (struct bs_chain){.seq = first_seq - 1, .head = *head};
    if (first_seq == 1)
        memcpy(c->hash, BS_HASH_ZEROS, BS_HASH_TEXT);
    c->head_seen = head->there && head->seq == 0;
}

static bool
is_object(struct bs_bytes line)
{
    json_t *root =
        json_loadb((const char *)line.p, line.n, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, NULL);
    bool object = json_is_object(root);

    json_decref(root);
    return object;
}

/* NULL where the line continues the chain, else what is wrong with it. */
static const char *
check_line(struct bs_chain *c, struct bs_bytes line)
{
    char begin[BS_HASH_TEXT + 48], hash[BS_HASH_TEXT];
    int n =
        snprintf(begin, sizeof(begin), "{\"seq\":%llu,\"prev\":\"", (unsigned long long)c->seq + 1);
    size_t at = (size_t)n;

    if (line.n < at + BS_HASH_TEXT || memcmp(line.p, begin, at) != 0)
        return "the line does not have the next sequence number";
    if (c->hash[0] != '\0' && memcmp(line.p + at, c->hash, BS_HASH_TEXT - 1) != 0)
        return "the line does not continue the one before it, which was changed or replaced";
    /* Of a line up to the head every byte is proven by what follows it. */
    if ((!c->head.there || c->seq >= c->head.seq) && !is_object(line))
        return "the line is not a JSON object";
    bs_audit_hash(line, hash);
    if (c->head.there && c->head.seq == c->seq + 1) {
        if (strcmp(hash, c->head.hash) != 0)
            return "the line is not the one that the head remembers";
        c->head_seen = true;
    }
    c->seq++;
    memcpy(c->hash, hash, BS_HASH_TEXT);
    return NULL;
}

static enum bs_chain_end
walk(struct bs_chain *c, FILE *file, char **line, size_t *room, struct bs_chain_stop *stop)
{
    ssize_t n;

    while ((n = getline(line, room, file)) > 0) {
        const char *why;
        stop->line++;
        if ((*line)[n - 1] != '\n')
            return BS_CHAIN_TORN;
        why = check_line(c, (struct bs_bytes){(const uint8_t *)*line, (size_t)n - 1});
        if (why != NULL) {
            (void)snprintf(stop->why, sizeof(stop->why), "%s", why);
            return BS_CHAIN_BROKEN;
        }
        stop->offset += (uint64_t)n;
    }
    stop->line++;
    return BS_CHAIN_WHOLE;
}

enum bs_done
bs_chain_walk(struct bs_chain *c,
              const char *path,
              enum bs_chain_end *end,
              struct bs_chain_stop *stop,
              struct bs_err *err)
{
    FILE *file = fopen(path, "re");
    char *line = NULL;
    size_t room = 0;
    enum bs_done done = BS_DONE;

    *end = BS_CHAIN_BROKEN;
    *stop = (struct bs_chain_stop){0};
    if (file == NULL)
        return BS_FAIL(err, IO, "cannot open \"%.300s\": %s", path, strerror(errno));
    *end = walk(c, file, &line, &room, stop);
    if (*end == BS_CHAIN_WHOLE && (ferror(file) || !feof(file)))
        done = BS_FAIL(err, IO, "cannot read \"%.300s\": %s", path, strerror(errno));
    free(line);
    (void)fclose(file);
    return done;
}
