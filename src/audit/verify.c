/*
 * verify.c - the head is read before the files: those only grow, so whatever it says must be there.
 */
#include "audit/verify.h"

#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "audit/chain.h"

__attribute__((format(printf, 3, 4))) static void
broken(struct bs_audit_verdict *v, uint64_t seq, const char *fmt, ...)
{
    va_list args;

    v->intact = false;
    v->seq = seq;
    va_start(args, fmt);
    (void)vsnprintf(v->why, sizeof(v->why), fmt, args);
    va_end(args);
}

/* What is verified: the same for all files. */
struct check {
    const char *directory;
    const struct bs_audit_key *key;
    struct bs_chain chain;
};

/* A finished file has a head of its own, where heads are signed. */
static enum bs_done
check_segment_head(const struct check *k,
                   uint64_t first,
                   struct bs_audit_verdict *v,
                   struct bs_err *err)
{
    char name[BS_SEGMENT_NAME];
    struct bs_head head;
    struct bs_err why = {0};
    const char *wrong = NULL;

    bs_segment_head_name(first, name);
    if (bs_head_read(k->directory, name, &head, &why) != BS_DONE) {
        if (why.code != BS_E_DAMAGED)
            return bs_err_set(err, why.code, "%s", why.message);
        wrong = "cannot be read";
    } else if (!head.there)
        wrong = k->key == NULL ? NULL : "is missing";
    else if (head.seq > k->chain.seq) { /* v says which file it is */
        broken(v, k->chain.seq + 1,
               "the file ends at %llu, but %llu was written: its end is missing",
               (unsigned long long)k->chain.seq, (unsigned long long)head.seq);
        return BS_DONE;
    } else if (head.seq != k->chain.seq || strcmp(head.hash, k->chain.hash) != 0)
        wrong = "is not of the last line of its file";
    else if (k->key != NULL)
        wrong = bs_head_wrong(&head, k->key);
    if (wrong != NULL) {
        broken(v, k->chain.seq, "the head of the file %s", wrong);
        (void)snprintf(v->file, sizeof(v->file), "%s", name);
        v->line = 1;
    }
    return BS_DONE;
}

/* What one file adds; v->intact is false where the chain ends in it. */
static enum bs_done
check_file(
    struct check *k, uint64_t first, bool last, struct bs_audit_verdict *v, struct bs_err *err)
{
    struct bs_chain *c = &k->chain;
    char path[PATH_MAX], name[BS_SEGMENT_NAME];
    struct bs_chain_stop stop;
    enum bs_chain_end end;

    bs_segment_name(first, name);
    (void)snprintf(v->file, sizeof(v->file), "%s", name);
    v->line = 1;
    v->files++;
    if (first != c->seq + 1) {
        broken(v, c->seq + 1, "the file does not start with the next sequence number");
        return BS_DONE;
    }
    (void)snprintf(path, sizeof(path), "%s/%s", k->directory, name);
    if (bs_chain_walk(c, path, &end, &stop, err) != BS_DONE)
        return BS_FAILED;
    v->line = stop.line;
    v->last_seq = c->seq;
    v->records = c->seq;
    if (end == BS_CHAIN_BROKEN)
        broken(v, c->seq + 1, "%s", stop.why);
    else if (end == BS_CHAIN_TORN && !last)
        broken(v, c->seq + 1, "the last line of the file is cut off");
    v->torn = end == BS_CHAIN_TORN;
    return v->intact && !last ? check_segment_head(k, first, v, err) : BS_DONE;
}

/* All good lines are counted: is the tail there? */
static void
check_head(const struct check *k, struct bs_audit_verdict *v)
{
    const struct bs_chain *c = &k->chain;
    const char *wrong;

    if (!c->head.there) {
        broken(v, c->seq + 1, "%s is missing: whether the tail was cut off cannot be told",
               BS_HEAD_FILE);
        return;
    }
    if (c->head.seq > c->seq)
        broken(v, c->seq + 1, "the log ends at %llu, but %llu was written: the tail is missing",
               (unsigned long long)c->seq, (unsigned long long)c->head.seq);
    else if (!c->head_seen)
        broken(v, c->head.seq, "the head does not belong to this log");
    wrong = v->intact && k->key != NULL ? bs_head_wrong(&c->head, k->key) : NULL;
    if (wrong == NULL)
        return;
    broken(v, c->head.seq, "the head %s", wrong);
    (void)snprintf(v->file, sizeof(v->file), "%s", BS_HEAD_FILE);
    v->line = 1;
}

enum bs_done
bs_audit_verify(const char *directory,
                const struct bs_audit_key *key,
                struct bs_audit_verdict *out,
                struct bs_err *err)
{
    struct check k = {.directory = directory, .key = key};
    struct bs_segments segments = {0};
    struct bs_head head;
    enum bs_done done = BS_DONE;
    struct bs_err why = {0};
    enum bs_done head_read;

    *out = (struct bs_audit_verdict){.signatures = key != NULL};
    head_read = bs_head_read(directory, BS_HEAD_FILE, &head, &why);
    if (bs_segments_list(directory, &segments, err) != BS_DONE)
        return BS_FAILED;
    if (segments.n == 0 && head_read == BS_DONE && !head.there)
        return BS_FAIL(err, NOT_FOUND, "no audit log in \"%.300s\"", directory);
    out->intact = true;
    bs_chain_start(&k.chain, 1, &head);
    for (size_t i = 0; i < segments.n && out->intact && done == BS_DONE; i++)
        done = check_file(&k, segments.first[i], i + 1 == segments.n, out, err);
    if (done == BS_DONE && out->intact && head_read != BS_DONE) {
        broken(out, k.chain.seq + 1, "%s", why.message);
        (void)snprintf(out->file, sizeof(out->file), "%s", BS_HEAD_FILE);
    } else if (done == BS_DONE && out->intact) {
        check_head(&k, out);
    }
    if (done != BS_DONE)
        out->intact = false;
    bs_segments_fini(&segments);
    return done;
}
