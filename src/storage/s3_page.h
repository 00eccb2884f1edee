/*
 * s3_page.h - one page of a listing, out of the XML of ListObjectsV2.
 *
 * Layer  storage. Pure but for memory.
 * Spec   "Amazon S3 API Reference", ListObjectsV2.
 * Owns   a page owns its keys until bs_s3_page_fini.
 */
#ifndef BS_STORAGE_S3_PAGE_H
#define BS_STORAGE_S3_PAGE_H

#include "base/bytes.h"
#include "base/err.h"
#include "storage/s3_xml.h"

#define BS_S3_PAGE 1000 /* most entries of a page */

struct bs_s3_entry {
    const char *key; /* as it is, with the place's prefix; lives as long as the page */
    int64_t size;    /* bytes */
    size_t at;
};

struct bs_s3_page {
    struct bs_s3_entry entries[BS_S3_PAGE]; /* by ascending bytes of their keys */
    size_t n;
    bool more;                  /* there is another page ... */
    char token[BS_S3_XML_TEXT]; /* ... to be asked for with this; "" where the store gave none */
    struct bs_buf keys;
    bool decode; /* the store says that its keys are URL-encoded */
    struct bs_s3_entry now;
};

void bs_s3_page_init(struct bs_s3_page *page);
void bs_s3_page_fini(struct bs_s3_page *page);
/* Reads a page, whatever was in it before. DATA: it is none, or has more entries than it may. */
BS_MUST_CHECK enum bs_done
bs_s3_page_read(struct bs_s3_page *page, struct bs_bytes xml, struct bs_err *err);
/* A whole number and nothing else; -1 where it is none. */
int64_t bs_s3_number(const char *text);

#endif
