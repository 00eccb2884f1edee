/*
 * error.c - failures as objects, and what belongs to no object.
 */
#include "lib/inside.h"

#include <string.h>

#include "sql/classify.h"

struct backstop_error {
    int code;
    char sqlstate[6];
    char message[sizeof(((struct bs_err *)0)->message)];
};

/* What of our own codes a caller of the library can meet. */
static int
code_of(enum bs_code code)
{
    if (code == BS_E_USAGE || code == BS_E_DATA)
        return BACKSTOP_E_USAGE;
    if (code == BS_E_LIMIT)
        return BACKSTOP_E_LIMIT;
    if (code == BS_E_SYNTAX)
        return BACKSTOP_E_SYNTAX;
    if (code == BS_E_UNAVAILABLE || code == BS_E_IO)
        return BACKSTOP_E_UNAVAILABLE;
    return code == BS_E_DATABASE ? BACKSTOP_E_SERVER : BACKSTOP_E_INTERNAL;
}

int
bs_lib_fail(const struct bs_err *err, backstop_error **out)
{
    backstop_error *e = out == NULL ? NULL : calloc(1, sizeof(*e));

    if (e != NULL) {
        e->code = code_of(err->code);
        memcpy(e->message, err->message, sizeof(e->message));
        memcpy(e->sqlstate, err->sqlstate, sizeof(e->sqlstate));
        *out = e;
    }
    return code_of(err->code);
}

int
bs_lib_misused(const char *message, backstop_error **out)
{
    struct bs_err err = {0};

    (void)BS_FAIL(&err, USAGE, "%s", message);
    return bs_lib_fail(&err, out);
}

struct bs_bytes
bs_lib_bytes(const char *text, size_t bytes)
{
    return (struct bs_bytes){(const uint8_t *)text, text == NULL ? 0 : bytes};
}

int
backstop_error_code(const backstop_error *error)
{
    return error == NULL ? BACKSTOP_OK : error->code;
}

const char *
backstop_error_message(const backstop_error *error)
{
    return error == NULL ? "" : error->message;
}

const char *
backstop_error_sqlstate(const backstop_error *error)
{
    return error == NULL ? "" : error->sqlstate;
}

void
backstop_error_free(backstop_error *error)
{
    free(error);
}

const char *
backstop_version(void)
{
    return BS_VERSION;
}

const char *
backstop_grammar(void)
{
    return bs_grammar_version();
}

void
backstop_text_free(char *text)
{
    free(text);
}
