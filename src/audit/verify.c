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

/* What one file adds; false where the chain ends in it. */
static enum bs_done
check_file(const char *directory,
           uint64_t first,
           bool last,
           struct bs_chain *c,
           struct bs_audit_verdict *v,
           struct bs_err *err)
{
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
    (void)snprintf(path, sizeof(path), "%s/%s", directory, name);
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
    return BS_DONE;
}

/* All good lines are counted: is the tail there? */
static void
check_head(const struct bs_chain *c, struct bs_audit_verdict *v)
{
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
}

enum bs_done
bs_audit_verify(const char *directory, struct bs_audit_verdict *out, struct bs_err *err)
{
    struct bs_segments segments = {0};
    struct bs_head head;
    struct bs_chain chain;
    enum bs_done done = BS_DONE;
    struct bs_err why = {0};
    enum bs_done head_read;

    *out = (struct bs_audit_verdict){0};
    head_read = bs_head_read(directory, &head, &why);
    if (bs_segments_list(directory, &segments, err) != BS_DONE)
        return BS_FAILED;
    if (segments.n == 0 && head_read == BS_DONE && !head.there)
        return BS_FAIL(err, NOT_FOUND, "no audit log in \"%.300s\"", directory);
    out->intact = true;
    bs_chain_start(&chain, 1, &head);
    for (size_t i = 0; i < segments.n && out->intact && done == BS_DONE; i++)
        done = check_file(directory, segments.first[i], i + 1 == segments.n, &chain, out, err);
    if (done == BS_DONE && out->intact && head_read != BS_DONE) {
        broken(out, chain.seq + 1, "%s", why.message);
        (void)snprintf(out->file, sizeof(out->file), "%s", BS_HEAD_FILE);
    } else if (done == BS_DONE && out->intact) {
        check_head(&chain, out);
    }
    if (done != BS_DONE)
        out->intact = false;
    bs_segments_fini(&segments);
    return done;
}
