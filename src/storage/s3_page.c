/*
 * s3_page.c - the XML of a listing, read, decoded and put in order.
 *
 * Keys come URL-encoded, as we ask for it: XML cannot hold every byte that a key of others can.
 * Whether a store has done so stands somewhere among them, so they are decoded at the end.
 */
#include "storage/s3_page.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "storage/http.h"

int64_t
bs_s3_number(const char *text)
{
    size_t n = strlen(text);

    if (n == 0 || n > 18 || strspn(text, "0123456789") != n)
        return -1;
    return strtoll(text, NULL, 10);
}

void
bs_s3_page_init(struct bs_s3_page *page)
{
    *page = (struct bs_s3_page){.n = 0};
    bs_buf_init(&page->keys, BS_HTTP_BODY_MAX);
}

void
bs_s3_page_fini(struct bs_s3_page *page)
{
    bs_buf_fini(&page->keys);
}

static int
hex_value(char c)
{
    static const char digits[] = "0123456789abcdef0123456789ABCDEF";
    const char *at = c == '\0' ? NULL : strchr(digits, c);

    return at == NULL ? -1 : (int)((at - digits) % 16);
}

/* In place: it only gets shorter. */
static void
decode(char *text)
{
    char *to = text;

    for (const char *p = text; *p != '\0'; p++) {
        int high = *p == '%' ? hex_value(p[1]) : -1, low = high < 0 ? -1 : hex_value(p[2]);
        *to++ = low < 0 ? (char)(*p == '+' ? ' ' : *p) : (char)(high * 16 + low);
        p += low < 0 ? 0 : 2;
    }
    *to = '\0';
}

static enum bs_done
take_entry(struct bs_s3_page *page, struct bs_err *err)
{
    if (page->n == BS_S3_PAGE || page->keys.failed)
        return BS_FAIL(err, DATA, "the store lists more than it was asked for");
    if (page->now.at == page->keys.n || page->now.size < 0)
        return BS_FAIL(err, DATA, "the store lists an object without name or size");
    page->entries[page->n++] = page->now;
    page->now = (struct bs_s3_entry){.at = page->keys.n, .size = -1};
    return BS_DONE;
}

static enum bs_done
take_element(void *ctx, const char *path, const char *text, struct bs_err *err)
{
    static const char root[] = "ListBucketResult";
    struct bs_s3_page *page = ctx;

    if (strncmp(path, root, strlen(root)) != 0)
        return BS_FAIL(err, DATA, "the store answers something else than a listing");
    path += strlen(root);
    if (strcmp(path, "/EncodingType") == 0)
        page->decode = strcmp(text, "url") == 0;
    else if (strcmp(path, "/IsTruncated") == 0)
        page->more = strcmp(text, "true") == 0;
    else if (strcmp(path, "/NextContinuationToken") == 0)
        (void)snprintf(page->token, sizeof(page->token), "%s", text);
    else if (strcmp(path, "/Contents/Key") == 0 && page->now.at == page->keys.n)
        bs_put_cstr(&page->keys, text);
    else if (strcmp(path, "/Contents/Size") == 0)
        page->now.size = bs_s3_number(text);
    else if (strcmp(path, "/Contents") == 0)
        return take_entry(page, err);
    return BS_DONE;
}

static int
by_key(const void *a, const void *b)
{
    return strcmp(((const struct bs_s3_entry *)a)->key, ((const struct bs_s3_entry *)b)->key);
}

/* Some stores sort folder by folder. Within a page that is put right here; bs_s3_list refuses pages
 * that overlap. */
enum bs_done
bs_s3_page_read(struct bs_s3_page *page, struct bs_bytes xml, struct bs_err *err)
{
    bs_buf_clear(&page->keys);
    page->n = 0;
    page->more = page->decode = false;
    page->token[0] = '\0';
    page->now = (struct bs_s3_entry){.size = -1};
    if (bs_s3_xml_read(xml, take_element, page, err) != BS_DONE)
        return BS_FAILED;
    for (size_t i = 0; i < page->n; i++) { /* only now does the buffer stay where it is */
        char *key = (char *)page->keys.p + page->entries[i].at;
        if (page->decode)
            decode(key);
        page->entries[i].key = key;
    }
    qsort(page->entries, page->n, sizeof(page->entries[0]), by_key);
    return BS_DONE;
}
