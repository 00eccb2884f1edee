/*
 * s3_xml.h - the few texts that are wanted of an S3 server's XML, which is as hostile as any input.
 *
 * Expat reads it. A document type (and so every entity of its own), more than eight elements in
 * each other and a text of more than 8 kB are refused.
 *
 * Layer  storage. Pure but for expat's memory.
 * Spec   XML 1.0; "Amazon S3 REST API": ListBucketResult, Error, InitiateMultipartUploadResult,
 *        CompleteMultipartUploadResult.
 * Owns   nothing.
 */
#ifndef BS_STORAGE_S3_XML_H
#define BS_STORAGE_S3_XML_H

#include "base/bytes.h"
#include "base/err.h"

#define BS_S3_XML_TEXT 8192 /* bytes of a text, with its NUL */

/*
 * Called at the end of each element. `path` is "ListBucketResult/Contents/Key", `text` what stands
 * directly in it ("" where it only holds others); both live during the call. BS_FAILED (err set)
 * ends the reading.
 */
typedef enum bs_done (*bs_s3_xml_visit)(void *ctx,
                                        const char *path,
                                        const char *text,
                                        struct bs_err *err);

/* DATA where it is no XML, or not of that kind; or what the visitor said. */
BS_MUST_CHECK enum bs_done
bs_s3_xml_read(struct bs_bytes xml, bs_s3_xml_visit visit, void *ctx, struct bs_err *err);

/* Copies the text of the first element with that path; false and "" where there is none, or where
 * it does not fit or the whole is no XML. */
bool bs_s3_xml_find(struct bs_bytes xml, const char *path, char *out, size_t size);

#endif
