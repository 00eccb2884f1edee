/*
 * columns.c - the columns of stored tables. A partition has its parent's, so it keeps none: there
 * may be thousands of them.
 */
#include "catalog/build.h"

enum bs_done
bs_build_columns(struct bs_build *b)
{
    size_t n, used = 0;
    const struct bs_row_attribute *rows = BS_ROWS(b, ATTRIBUTE, n);
    struct bs_column *list = bs_build_array(b, n, sizeof(*list));
    struct bs_relation *r = NULL;

    for (size_t i = 0; list != NULL && i < n; i++) {
        if (i == 0 || rows[i].relation != rows[i - 1].relation) {
            r = bs_build_relation(b, rows[i].relation);
            if (r != NULL && (r->partition || (r->relkind != 'r' && r->relkind != 'p')))
                r = NULL;
        }
        if (r == NULL || rows[i].dropped)
            continue;
        list[used] = (struct bs_column){rows[i].name, rows[i].type};
        if (r->n_columns++ == 0)
            r->columns = &list[used];
        used++;
    }
    return b->err->code == BS_OK ? BS_DONE : BS_FAILED;
}
