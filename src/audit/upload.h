/*
 * upload.h - which files of a log are finished, and which of them a store is known to have. Uploading
 * itself is the gateway's (filing.h).
 *
 * A log's files go to a folder that is named by its first line, so that a log that is begun anew, or that
 * of another gateway, gets a folder of its own. How far a store has come is in "uploaded.json" beside the
 * files: lost, it costs a second look at each object and nothing else.
 *
 * Layer  audit. Reads and writes files.
 * Owns   nothing.
 */
#ifndef BS_AUDIT_UPLOAD_H
#define BS_AUDIT_UPLOAD_H

#include <stdint.h>

#include "audit/chain.h"

#define BS_UPLOAD_FILE   "uploaded.json"
#define BS_UPLOAD_PREFIX "audit/" /* of all keys, in the store */
#define BS_UPLOAD_FOLDER 240

/* What is finished and not known to be in the store. */
struct bs_backlog {
    struct bs_segments files; /* ascending; free with bs_segments_fini */
    int64_t since_us;         /* when the oldest of them was finished; 0: there is none */
    uint64_t done;            /* first seq of the last file that the store has; 0: none */
};

/*
 * to   names the store: another one has nothing yet
 * out  zeroed by the caller
 * err  NOT_FOUND: no such directory; IO
 */
BS_MUST_CHECK enum bs_done
bs_backlog_look(const char *directory, const char *to, struct bs_backlog *out, struct bs_err *err);
/* The store has the file of that first seq, and all before it. IO. */
BS_MUST_CHECK enum bs_done
bs_backlog_note(const char *directory, const char *to, uint64_t first, struct bs_err *err);

/*
 * "audit/gateway-0123456789abcdef", in which the objects are called as the files.
 *
 * log  its name: "" is the gateway's own
 * err  NOT_FOUND: it has no line yet; IO
 */
BS_MUST_CHECK enum bs_done bs_backlog_folder(const char *directory,
                                             const char *log,
                                             char out[BS_UPLOAD_FOLDER],
                                             struct bs_err *err);

#endif
