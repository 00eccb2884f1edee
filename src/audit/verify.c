/*
 * verify.c - the head is read before the files: those only grow, so whatever it says must be there.
 */
#include "audit/verify.h"

#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "audit/chain.h"

/* What is verified: the same for all files. */
struct check {
    const char *directory;
    const struct bs_audit_key *key;
    struct bs_head head;
    struct bs_chain chain;
    char file[BS_SEGMENT_NAME]; /* that is looked at, and the line in it */
    uint64_t line;
    bool unknown; /* what the next file continues: the one before is broken, and so is its head */
    struct bs_audit_verdict *v;
};

__attribute__((format(printf, 3, 4))) static void
broken(struct check *k, uint64_t seq, const char *fmt, ...)
{
    struct bs_audit_verdict *v = k->v;
    struct bs_audit_break *b = &v->breaks[v->n_breaks];
    va_list args;

    if (v->intact)
        v->records = k->chain.seq;
    v->intact = false;
    if (v->n_breaks == BS_AUDIT_BREAKS)
        return;
    v->n_breaks++;
    *b = (struct bs_audit_break){.line = k->line, .seq = seq};
    memcpy(b->file, k->file, sizeof(k->file));
    va_start(args, fmt);
    (void)vsnprintf(b->why, sizeof(b->why), fmt, args);
    va_end(args);
}

static void
look_in(struct check *k, const char *file)
{
    (void)snprintf(k->file, sizeof(k->file), "%s", file);
    k->line = 1;
}

/*
 * A finished file has a head of its own, where heads are signed. The last one may be finished, too, and
 * may have grown since its lines were read.
 */
static enum bs_done
check_segment_head(struct check *k, uint64_t first, bool last, struct bs_err *err)
{
    const struct bs_chain *c = &k->chain;
    char name[BS_SEGMENT_NAME];
    struct bs_head head;
    struct bs_err why = {0};
    const char *wrong = NULL;

    bs_segment_head_name(first, name);
    if (bs_head_read(k->directory, name, &head, &why) != BS_DONE) {
        if (why.code != BS_E_DAMAGED)
            return bs_err_set(err, why.code, "%s", why.message);
        wrong = "cannot be read";
    } else if (last && !head.there)
        return BS_DONE;
    else if (last && head.seq > c->seq)
        wrong = k->key == NULL ? NULL : bs_head_wrong(&head, k->key);
    else if (!head.there)
        wrong = k->key == NULL ? NULL : "is missing";
    else if (head.seq > c->seq) { /* k says which file it is */
        broken(k, c->seq + 1, "the file ends at %llu, but %llu was written: its end is missing",
               (unsigned long long)c->seq, (unsigned long long)head.seq);
        return BS_DONE;
    } else if (head.seq != c->seq || strcmp(head.hash, c->hash) != 0)
        wrong = "is not of the last line of its file";
    else if (k->key != NULL)
        wrong = bs_head_wrong(&head, k->key);
    if (wrong != NULL) {
        look_in(k, name);
        broken(k, c->seq, "the head of the file %s", wrong);
    }
    return BS_DONE;
}

/* Behind a break: what the next file continues is known by the head of the broken one, or not at all. */
static void
skip_file(struct check *k, uint64_t first)
{
    char name[BS_SEGMENT_NAME];
    struct bs_head head;
    struct bs_err ignored = {0};

    bs_segment_head_name(first, name);
    k->unknown = bs_head_read(k->directory, name, &head, &ignored) != BS_DONE || !head.there ||
                 head.seq < first || (k->key != NULL && bs_head_wrong(&head, k->key) != NULL);
    if (k->unknown)
        return;
    bs_chain_start(&k->chain, head.seq + 1, &k->head);
    memcpy(k->chain.hash, head.hash, BS_HASH_TEXT);
}

/* Does the file begin where the one before ended? */
static void
check_start(struct check *k, uint64_t first)
{
    uint64_t want = k->chain.seq + 1;

    if (!k->unknown && first == want)
        return;
    if (!k->unknown && first > want)
        broken(k, want, "the file does not start with the next record: %llu to %llu are missing",
               (unsigned long long)want, (unsigned long long)first - 1);
    else if (!k->unknown)
        broken(k, want,
               "the file does not start with the next record, but with one that was before");
    k->unknown = false;
    bs_chain_start(&k->chain, first, &k->head);
}

/* What one file adds. */
static enum bs_done
check_file(struct check *k, uint64_t first, bool last, struct bs_err *err)
{
    struct bs_audit_verdict *v = k->v;
    struct bs_chain *c = &k->chain;
    char path[PATH_MAX + BS_SEGMENT_NAME], name[BS_SEGMENT_NAME];
    struct bs_chain_stop stop;
    enum bs_chain_end end;
    enum bs_done done = BS_DONE;
    size_t before;

    bs_segment_name(first, name);
    look_in(k, name);
    v->files++;
    check_start(k, first);
    before = v->n_breaks;
    (void)snprintf(path, sizeof(path), "%s/%s", k->directory, name);
    if (bs_chain_walk(c, path, &end, &stop, err) != BS_DONE)
        return BS_FAILED;
    k->line = stop.line;
    v->torn = end == BS_CHAIN_TORN;
    if (end == BS_CHAIN_BROKEN)
        broken(k, c->seq + 1, "%s", stop.why);
    else if (end == BS_CHAIN_TORN && !last)
        broken(k, c->seq + 1, "the last line of the file is cut off");
    else if (end == BS_CHAIN_WHOLE)
        done = check_segment_head(k, first, last, err);
    if (v->intact)
        v->records = v->last_seq = c->seq;
    if (v->n_breaks != before && !last)
        skip_file(k, first);
    return done;
}

/* All good lines are counted: is the tail there? */
static void
check_head(struct check *k, const char *name)
{
    const struct bs_chain *c = &k->chain;
    const char *wrong;

    if (!c->head.there) {
        broken(k, c->seq + 1, "%s is missing: whether the tail was cut off cannot be told", name);
        return;
    }
    if (c->head.seq > c->seq)
        broken(k, c->seq + 1, "the log ends at %llu, but %llu was written: the tail is missing",
               (unsigned long long)c->seq, (unsigned long long)c->head.seq);
    else if (!c->head_seen)
        broken(k, c->head.seq, "the head does not belong to this log");
    wrong = k->v->intact && k->key != NULL ? bs_head_wrong(&c->head, k->key) : NULL;
    if (wrong == NULL)
        return;
    look_in(k, name);
    broken(k, c->head.seq, "the head %s", wrong);
}

/* head_read: whether that worked; why: if not. */
static enum bs_done
check_files(struct check *k,
            const struct bs_segments *segments,
            const char *head_name,
            enum bs_done head_read,
            const struct bs_err *why,
            struct bs_err *err)
{
    if (segments->n == 0 && head_read == BS_DONE && !k->head.there)
        return BS_FAIL(err, NOT_FOUND, "no audit log in \"%.300s\"", k->directory);
    k->v->intact = true;
    bs_chain_start(&k->chain, 1, &k->head);
    for (size_t i = 0; i < segments->n; i++) {
        if (check_file(k, segments->first[i], i + 1 == segments->n, err) != BS_DONE) {
            k->v->intact = false;
            return BS_FAILED;
        }
    }
    if (head_read != BS_DONE) {
        look_in(k, head_name);
        broken(k, k->chain.seq + 1, "%s", why->message);
    } else if (k->v->intact) {
        check_head(k, head_name);
    }
    return BS_DONE;
}

enum bs_done
bs_audit_verify(const char *directory,
                const struct bs_audit_key *key,
                struct bs_audit_verdict *out,
                struct bs_err *err)
{
    struct check k = {.directory = directory, .key = key, .v = out};
    struct bs_segments segments = {0};
    struct bs_err why = {0};
    enum bs_done done = BS_FAILED, head_read;

    *out = (struct bs_audit_verdict){.signatures = key != NULL};
    head_read = bs_head_read(directory, BS_HEAD_FILE, &k.head, &why);
    if (bs_segments_list(directory, &segments, err) == BS_DONE)
        done = check_files(&k, &segments, BS_HEAD_FILE, head_read, &why, err);
    bs_segments_fini(&segments);
    return done;
}

enum bs_done
bs_audit_verify_copy(const char *directory,
                     const struct bs_audit_key *key,
                     struct bs_audit_verdict *out,
                     struct bs_err *err)
{
    struct check k = {.directory = directory, .key = key, .v = out};
    struct bs_segments segments = {0};
    char name[BS_SEGMENT_NAME];
    struct bs_err why = {0};
    enum bs_done done = BS_FAILED, head_read;

    *out = (struct bs_audit_verdict){.signatures = key != NULL};
    if (bs_segments_list(directory, &segments, err) == BS_DONE) {
        bs_segment_head_name(segments.n == 0 ? 1 : segments.first[segments.n - 1], name);
        head_read = bs_head_read(directory, name, &k.head, &why);
        done = check_files(&k, &segments, name, head_read, &why, err);
    }
    bs_segments_fini(&segments);
    return done;
}
