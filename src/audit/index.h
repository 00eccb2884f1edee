/*
 * index.h - where in a finished file of the log records of an actor, a table, a ticket may stand.
 *
 * A file beside it, "audit-000000000001.index": the log's file in blocks of whole lines, for each of them
 * its time and a Bloom filter of what its records name. It says where something is not; whether it is
 * there is read from the log. It is made from the log alone and can be made anew at any time; nothing is
 * verified by it. Whoever changes it can hide records from a search, but not from verify or a search
 * without it.
 *
 * Layer  audit. Reads and writes files.
 * Owns   bs_audit_index: from open to close, a mapping of the file.
 */
#ifndef BS_AUDIT_INDEX_H
#define BS_AUDIT_INDEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"
#include "base/watch.h"

struct bs_audit_index; /* opaque */

/* Whole lines, one behind the other. */
struct bs_audit_block {
    uint64_t offset; /* in the file */
    uint32_t bytes;
    uint32_t records;
    int64_t from_us, until_us; /* times of its oldest and its newest record */
};

/* Something that a record names, as it is looked for. */
struct bs_audit_term {
    uint64_t a, b;
};

/*
 * name   a member that is indexed (bs_audit_is_indexed)
 * value  as it stands between the quotes of a line
 */
struct bs_audit_term bs_audit_term_of(const char *name, struct bs_bytes value);
/* Of an actor and a table in one record: there are many of each, and few of both. */
struct bs_audit_term bs_audit_term_pair(struct bs_bytes actor, struct bs_bytes table);
bool bs_audit_is_indexed(const char *name);

/* Makes the index of the file with that first seq, which must be finished. IO; DAMAGED: a line is not one of ours. */
BS_MUST_CHECK enum bs_done
bs_audit_index_make(const char *directory, uint64_t first, struct bs_err *err);
/*
 * Makes those that are missing, of finished files of a log.
 *
 * after  first seq of the last file that is known to have one, 0: none; counted on
 * watch  ends it between two files; NULL: nothing does
 * made   how many
 * err    as above, NOT_FOUND, what the watch says
 */
BS_MUST_CHECK enum bs_done bs_audit_index_make_all(const char *directory,
                                                   uint64_t *after,
                                                   const struct bs_watch *watch,
                                                   size_t *made,
                                                   struct bs_err *err);

/* NULL where there is none, or it is not whole, of another version, or of a file of another size. */
struct bs_audit_index *bs_audit_index_open(const char *directory, uint64_t first);
void bs_audit_index_close(struct bs_audit_index **ix); /* accepts NULL; sets it NULL */

size_t bs_audit_index_blocks(const struct bs_audit_index *ix);
const struct bs_audit_block *bs_audit_index_block(const struct bs_audit_index *ix, size_t i);
/* False: no record of the block names it. */
bool bs_audit_index_may_have(const struct bs_audit_index *ix, size_t i, struct bs_audit_term t);

#endif
