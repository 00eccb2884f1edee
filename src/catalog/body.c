/*
 * body.c - bodies are not analysed yet: every function has none and is opaque.
 */
#include "catalog/body.h"

#include "catalog/build.h"

struct bs_body *
bs_body_ref(struct bs_body *body)
{
    return body;
}

void
bs_body_unref(struct bs_body **body)
{
    *body = NULL;
}

enum bs_done
bs_build_bodies(struct bs_build *b)
{
    (void)b;
    return BS_DONE;
}
