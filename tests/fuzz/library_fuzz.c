/*
 * library_fuzz.c - what a host hands to libbackstop: a line of questions, a text, an error's DETAIL. The
 * first byte says which.
 */
#include "fuzz.h"

#include <stdlib.h>

#include "backstop.h"

static void
touch(const char *text)
{
    fuzz_touch(bs_bytes_of(text));
}

static void
judge(const char *text, size_t n)
{
    backstop_classifier *c = NULL;
    backstop_judgement *j = NULL;
    char *line = NULL;

    HOLD(backstop_classifier_new(NULL, &c, NULL) == BACKSTOP_OK);
    HOLD(backstop_classify_line(c, text, n, &line, NULL) == BACKSTOP_OK && line[0] == '{');
    HOLD(backstop_classify(c, text, n, &j, NULL) == BACKSTOP_OK);
    HOLD(backstop_judgement_risk(j) >= BACKSTOP_RISK_SAFE);
    HOLD(backstop_judgement_error(j) == NULL ||
         backstop_judgement_risk(j) == BACKSTOP_RISK_CRITICAL);
    touch(backstop_judgement_json(j));
    for (size_t at = 0; at < backstop_judgement_statements(j); at++) {
        HOLD(backstop_statement_to(j, at) <= (int64_t)n);
        touch(backstop_statement_kind(j, at));
    }
    backstop_judgement_free(j);
    backstop_text_free(line);
    backstop_classifier_free(c);
}

/* Once more of what came out is the same: a digest is of the tokens. */
static void
mark(const char *text, size_t n)
{
    char *digest = NULL, *shape = NULL;
    backstop_error *error = NULL;
    int code;

    HOLD(backstop_digest(text, n, &digest, NULL) == BACKSTOP_OK && strlen(digest) == 64);
    code = backstop_fingerprint(text, n, &shape, &error);
    HOLD((code == BACKSTOP_OK) == (shape != NULL) && (code == BACKSTOP_OK) == (error == NULL));
    HOLD(shape == NULL || strlen(shape) == 16);
    backstop_error_free(error);
    backstop_text_free(shape);
    backstop_text_free(digest);
}

static void
decode(const char *sqlstate, const char *detail)
{
    backstop_answer *a = NULL;

    HOLD(backstop_decode(sqlstate, "words", detail, &a, NULL) == BACKSTOP_OK);
    HOLD(backstop_answer_outcome(a) != BACKSTOP_NONE || backstop_answer_ticket(a) == NULL);
    HOLD((backstop_answer_outcome(a) == BACKSTOP_NONE) == (backstop_answer_retry(a) == NULL));
    touch(backstop_answer_state(a));
    touch(backstop_answer_reason(a));
    backstop_answer_free(a);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const states[] = {"ZB001", "ZB003", "42501", "42601", "ZB0AA"};
    char *text;

    if (size == 0)
        return 0;
    text = calloc(1, size); /* a copy that ends where it ends, and in a NUL for what wants one */
    HOLD(text != NULL);
    memcpy(text, data + 1, size - 1);
    if (data[0] % 4 == 0)
        judge(text, size - 1);
    else if (data[0] % 4 == 1)
        mark(text, size - 1);
    else
        decode(states[data[0] / 4 % 5], text);
    free(text);
    return 0;
}
