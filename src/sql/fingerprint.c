/*
 * fingerprint.c - libpg_query parses by itself here; what may be parsed, and on how much stack, is ours to say.
 */
#include "sql/fingerprint.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <pg_query.h>

#include "base/arena.h"
#include "sql/classify.h"
#include "sql/lexcost.h"
#include "sql/stack.h"

struct errand {
    const char *text;
    char *out;
    struct bs_err *err;
};

static void
ask(void *with)
{
    struct errand *e = with;
    PgQueryFingerprintResult got = pg_query_fingerprint(e->text);

    if (got.error != NULL)
        (void)BS_FAIL(e->err, SYNTAX, "%.400s", got.error->message);
    else
        (void)snprintf(e->out, BS_FINGERPRINT_TEXT, "%.16s", got.fingerprint_str);
    pg_query_free_fingerprint_result(got);
}

enum bs_done
bs_fingerprint(struct bs_bytes text, char out[BS_FINGERPRINT_TEXT], struct bs_err *err)
{
    struct errand e = {.out = out, .err = err};
    char *copy;
    enum bs_done ran;

    out[0] = '\0';
    if (text.n > BS_CLASSIFY_LIMITS.max_text || bs_lex_is_slow(text))
        return BS_FAIL(err, LIMIT, "the text takes too long to read");
    if (text.n != 0 && (memchr(text.p, '\0', text.n) != NULL || !bs_utf8_valid(text)))
        return BS_FAIL(err, SYNTAX, "the text is not valid UTF-8, or has a NUL byte inside");
    copy = bs_malloc(text.n + 1);
    if (text.n != 0)
        memcpy(copy, text.p, text.n);
    e.text = copy;
    ran = bs_stack_run(text.n, ask, &e);
    free(copy);
    if (ran != BS_DONE)
        return BS_FAIL(err, LIMIT, "there is no room to parse a text of that length");
    return err->code == BS_OK ? BS_DONE : BS_FAILED;
}
