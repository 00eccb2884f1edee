/*
 * routes_console.c - the console's files. They tell nothing, so anyone may load them; whatever they
 * show is asked for with a login.
 */
#include <string.h>

#include "api/console.h"
#include "api/handlers.h"

static const char not_built[] =
    "This backstop was built without its console.\n\n"
    "The API is at /v1, described by /v1/openapi.json; `backstop approvals` uses it. To have the\n"
    "console, install node and npm and build anew: script/build\n";

enum bs_done
bs_on_console(struct bs_request *q, struct bs_answer *a, struct bs_err *err)
{
    for (size_t i = 0; i < bs_n_console_files; i++) {
        if (strcmp(bs_console_files[i].path, q->path) != 0)
            continue;
        a->file = &bs_console_files[i];
        a->etag = a->file->etag;
        a->page = true;
        return BS_DONE;
    }
    if (bs_n_console_files != 0 || strcmp(q->path, "/") != 0)
        return BS_FAIL(err, NOT_FOUND, "the console has no such file");
    a->text = bs_strdup(not_built);
    a->type = "text/plain; charset=utf-8";
    a->page = true;
    return BS_DONE;
}
