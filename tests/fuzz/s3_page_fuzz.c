/*
 * s3_page_fuzz.c - listings of S3 servers, or of whoever answers in their place. What is found
 * acceptable must be whole, in order and within its bounds; and errors are found in the same text.
 */
#include "fuzz.h"

#include "storage/s3_page.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bs_bytes xml = {data, size};
    struct bs_s3_page *page = malloc(sizeof(*page));
    struct bs_err err = {0};
    char code[16];

    HOLD(page != NULL);
    bs_s3_page_init(page);
    if (bs_s3_page_read(page, xml, &err) == BS_DONE) {
        HOLD(err.code == BS_OK && page->n <= BS_S3_PAGE);
        for (size_t i = 0; i < page->n; i++) {
            fuzz_touch(bs_bytes_of(page->entries[i].key));
            HOLD(page->entries[i].size >= 0);
            HOLD(i == 0 || strcmp(page->entries[i - 1].key, page->entries[i].key) <= 0);
        }
        fuzz_touch(bs_bytes_of(page->token));
    } else {
        HOLD(err.code == BS_E_DATA);
    }
    bs_s3_page_fini(page);
    free(page);
    if (bs_s3_xml_find(xml, "Error/Code", code, sizeof(code)))
        HOLD(strlen(code) < sizeof(code));
    else
        HOLD(code[0] == '\0');
    return 0;
}
