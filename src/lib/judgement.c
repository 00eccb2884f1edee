/*
 * judgement.c - a judgement is its JSON: what the accessors say is what `backstop classify` prints.
 */
#include "lib/inside.h"

#include <string.h>

#include "base/arena.h"

struct backstop_judgement {
    json_t *json; /* never changed, and no references to its parts are taken: any thread may read */
    char *text;
};

int
bs_lib_judgement(json_t *json, backstop_judgement **out, backstop_error **error)
{
    char *text = json_dumps(json, JSON_COMPACT);
    struct bs_err err = {0};

    if (text == NULL) {
        json_decref(json);
        (void)BS_FAIL(&err, INTERNAL, "the judgement cannot be told as JSON");
        return bs_lib_fail(&err, error);
    }
    *out = bs_malloc(sizeof(**out));
    **out = (backstop_judgement){json, text};
    return BACKSTOP_OK;
}

void
backstop_judgement_free(backstop_judgement *judgement)
{
    if (judgement == NULL)
        return;
    json_decref(judgement->json);
    free(judgement->text);
    free(judgement);
}

static const char *const risks[] = {
    [BACKSTOP_RISK_UNKNOWN] = "UNKNOWN",
    [BACKSTOP_RISK_SAFE] = "SAFE",
    [BACKSTOP_RISK_HIGH] = "HIGH",
    [BACKSTOP_RISK_CRITICAL] = "CRITICAL",
};

const char *
backstop_risk_name(int risk)
{
    return risk >= 0 && risk <= BACKSTOP_RISK_CRITICAL ? risks[risk] : risks[0];
}

static int
risk_of(const json_t *object)
{
    const char *name = json_string_value(json_object_get(object, "risk"));

    for (int risk = BACKSTOP_RISK_SAFE; name != NULL && risk <= BACKSTOP_RISK_CRITICAL; risk++) {
        if (strcmp(name, risks[risk]) == 0)
            return risk;
    }
    return BACKSTOP_RISK_UNKNOWN;
}

/* NULL, which jansson takes for an object without anything, where there is no judgement. */
static const json_t *
member(const backstop_judgement *judgement, const char *name)
{
    return judgement == NULL ? NULL : json_object_get(judgement->json, name);
}

static const json_t *
statement(const backstop_judgement *judgement, size_t at)
{
    return json_array_get(member(judgement, "statements"), at);
}

static size_t
count(const backstop_judgement *judgement, size_t at, const char *list)
{
    return json_array_size(json_object_get(statement(judgement, at), list));
}

static const json_t *
item(const backstop_judgement *judgement, size_t at, const char *list, size_t i)
{
    return json_array_get(json_object_get(statement(judgement, at), list), i);
}

static const char *
text_of(const json_t *object, const char *name)
{
    return json_string_value(json_object_get(object, name));
}

/* -1: not told. */
static int64_t
number_of(const json_t *number)
{
    return json_is_integer(number) ? json_integer_value(number) : -1;
}

int
backstop_judgement_risk(const backstop_judgement *judgement)
{
    return judgement == NULL ? BACKSTOP_RISK_UNKNOWN : risk_of(judgement->json);
}

int
backstop_judgement_catalog(const backstop_judgement *judgement)
{
    return json_is_true(member(judgement, "catalog"));
}

const char *
backstop_judgement_error(const backstop_judgement *judgement)
{
    return json_string_value(member(judgement, "error"));
}

const char *
backstop_judgement_recovery(const backstop_judgement *judgement)
{
    return text_of(member(judgement, "recovery"), "plan");
}

const char *
backstop_judgement_json(const backstop_judgement *judgement)
{
    return judgement == NULL ? NULL : judgement->text;
}

size_t
backstop_judgement_statements(const backstop_judgement *judgement)
{
    return json_array_size(member(judgement, "statements"));
}

const char *
backstop_statement_kind(const backstop_judgement *judgement, size_t at)
{
    return text_of(statement(judgement, at), "kind");
}

int
backstop_statement_risk(const backstop_judgement *judgement, size_t at)
{
    return risk_of(statement(judgement, at));
}

int64_t
backstop_statement_from(const backstop_judgement *judgement, size_t at)
{
    return number_of(item(judgement, at, "span", 0));
}

int64_t
backstop_statement_to(const backstop_judgement *judgement, size_t at)
{
    return number_of(item(judgement, at, "span", 1));
}

size_t
backstop_statement_effects(const backstop_judgement *judgement, size_t at)
{
    return count(judgement, at, "effects");
}

const char *
backstop_effect_kind(const backstop_judgement *judgement, size_t at, size_t i)
{
    return text_of(item(judgement, at, "effects", i), "kind");
}

const char *
backstop_effect_object(const backstop_judgement *judgement, size_t at, size_t i)
{
    return text_of(item(judgement, at, "effects", i), "object");
}

const char *
backstop_effect_column(const backstop_judgement *judgement, size_t at, size_t i)
{
    return text_of(item(judgement, at, "effects", i), "column");
}

int64_t
backstop_effect_rows(const backstop_judgement *judgement, size_t at, size_t i)
{
    return number_of(json_object_get(item(judgement, at, "effects", i), "rows"));
}

size_t
backstop_statement_reached(const backstop_judgement *judgement, size_t at)
{
    return count(judgement, at, "reached");
}

const char *
backstop_reached_kind(const backstop_judgement *judgement, size_t at, size_t i)
{
    return text_of(item(judgement, at, "reached", i), "kind");
}

const char *
backstop_reached_object(const backstop_judgement *judgement, size_t at, size_t i)
{
    return text_of(item(judgement, at, "reached", i), "object");
}

const char *
backstop_reached_how(const backstop_judgement *judgement, size_t at, size_t i)
{
    return text_of(item(judgement, at, "reached", i), "reach");
}

int64_t
backstop_reached_rows(const backstop_judgement *judgement, size_t at, size_t i)
{
    return number_of(json_object_get(item(judgement, at, "reached", i), "rows"));
}

size_t
backstop_statement_reads(const backstop_judgement *judgement, size_t at)
{
    return count(judgement, at, "reads");
}

const char *
backstop_statement_read(const backstop_judgement *judgement, size_t at, size_t i)
{
    return json_string_value(item(judgement, at, "reads", i));
}

size_t
backstop_statement_functions(const backstop_judgement *judgement, size_t at)
{
    return count(judgement, at, "functions");
}

const char *
backstop_statement_function(const backstop_judgement *judgement, size_t at, size_t i)
{
    return json_string_value(item(judgement, at, "functions", i));
}

size_t
backstop_statement_flags(const backstop_judgement *judgement, size_t at)
{
    return count(judgement, at, "flags");
}

const char *
backstop_statement_flag(const backstop_judgement *judgement, size_t at, size_t i)
{
    return json_string_value(item(judgement, at, "flags", i));
}

size_t
backstop_statement_reasons(const backstop_judgement *judgement, size_t at)
{
    return count(judgement, at, "reasons");
}

const char *
backstop_reason_code(const backstop_judgement *judgement, size_t at, size_t i)
{
    return text_of(item(judgement, at, "reasons", i), "code");
}

const char *
backstop_reason_text(const backstop_judgement *judgement, size_t at, size_t i)
{
    return text_of(item(judgement, at, "reasons", i), "text");
}
