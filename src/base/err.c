/*
 * err.c - the table behind every error, and the one way to fill one.
 */
#include "base/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const struct bs_code_info codes[BS_E_COUNT] = {
    [BS_OK] = {"OK", 0, 200, "00000", false, "done"},
#define BS_ERR(NAME, exit, http, sqlstate, retry, text)                                            \
    [BS_E_##NAME] = {#NAME, exit, http, sqlstate, retry, text},
#include "base/err_codes.h"
#undef BS_ERR
};

const struct bs_code_info *
bs_code_get(enum bs_code code)
{
    bs_assert(code < BS_E_COUNT);
    return &codes[code];
}

const char *
bs_err_sqlstate(const struct bs_err *err)
{
    return err->sqlstate[0] != '\0' ? err->sqlstate : codes[err->code].sqlstate;
}

enum bs_done
bs_err_set(struct bs_err *err, enum bs_code code, const char *fmt, ...)
{
    va_list ap;

    if (err->code != BS_OK)
        return BS_FAILED;
    err->code = code;
    va_start(ap, fmt);
    (void)vsnprintf(err->message, sizeof(err->message), fmt, ap);
    va_end(ap);
    return BS_FAILED;
}

void
bs_err_hint(struct bs_err *err, const char *fmt, ...)
{
    va_list ap;

    if (err->hint[0] != '\0')
        return;
    va_start(ap, fmt);
    (void)vsnprintf(err->hint, sizeof(err->hint), fmt, ap);
    va_end(ap);
}

void
bs_err_prefix(struct bs_err *err, const char *fmt, ...)
{
    char old[sizeof(err->message)];
    va_list ap;
    int n;

    memcpy(old, err->message, sizeof(old));
    va_start(ap, fmt);
    n = vsnprintf(err->message, sizeof(err->message), fmt, ap);
    va_end(ap);
    if (n >= 0 && (size_t)n + 3 < sizeof(err->message))
        (void)snprintf(err->message + n, sizeof(err->message) - (size_t)n, ": %.*s", 500 - n, old);
}
