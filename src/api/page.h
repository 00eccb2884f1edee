/*
 * page.h - lists a page at a time. A cursor names the last item of a page, so that what comes or
 * goes meanwhile neither hides an item nor shows one twice.
 *
 * Layer  api. Pure.
 * Owns   nothing.
 */
#ifndef BS_API_PAGE_H
#define BS_API_PAGE_H

#include "api/request.h"

#define BS_PAGE_MAX 1000

struct bs_page {
    size_t limit;
    const char *after; /* the last item of the page before; NULL: the first page */
};

/* From the parameters "limit" and "cursor". USAGE. */
BS_MUST_CHECK enum bs_done
bs_page_take(const struct bs_request *q, struct bs_page *out, struct bs_err *err);
/* There is more behind `last`: puts "next" into the answer. */
void bs_page_next(struct bs_answer *a, const struct bs_request *q, const char *last);

#endif
