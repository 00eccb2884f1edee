/*
 * classify.c - what a text of SQL would do, before anybody runs it.
 *
 *   cc classify.c $(pkg-config --cflags --libs backstop) -o classify
 *   ./classify 'DELETE FROM orders' ["host=/run/postgresql dbname=app"]
 *
 * Exits 0 where all of it is SAFE, 1 where it is not, 2 where it could not be judged.
 */
#include <backstop.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static int
fail(backstop_error *error)
{
    fprintf(stderr, "classify: %s\n", backstop_error_message(error));
    backstop_error_free(error);
    return 2;
}

static void
show(const backstop_judgement *judged, size_t at)
{
    printf("%s is %s\n", backstop_statement_kind(judged, at),
           backstop_risk_name(backstop_statement_risk(judged, at)));
    for (size_t i = 0; i < backstop_statement_effects(judged, at); i++) {
        const char *object = backstop_effect_object(judged, at, i);
        int64_t rows = backstop_effect_rows(judged, at, i);
        printf("  %s of %s", backstop_effect_kind(judged, at, i), object == NULL ? "?" : object);
        if (rows >= 0)
            printf(", %" PRId64 " rows", rows);
        printf("\n");
    }
    for (size_t i = 0; i < backstop_statement_reasons(judged, at); i++)
        printf("  because %s\n", backstop_reason_text(judged, at, i));
}

int
main(int argc, char **argv)
{
    backstop_classifier *classifier;
    backstop_judgement *judged;
    backstop_error *error;
    int risk;

    if (argc < 2) {
        fprintf(stderr, "usage: classify SQL [CONNINFO]\n");
        return 2;
    }
    if (backstop_classifier_new(argc > 2 ? argv[2] : NULL, &classifier, &error) != BACKSTOP_OK)
        return fail(error);
    if (backstop_classify(classifier, argv[1], strlen(argv[1]), &judged, &error) != BACKSTOP_OK) {
        backstop_classifier_free(classifier);
        return fail(error);
    }
    for (size_t at = 0; at < backstop_judgement_statements(judged); at++)
        show(judged, at);
    risk = backstop_judgement_risk(judged);
    backstop_judgement_free(judged);
    backstop_classifier_free(classifier);
    return risk == BACKSTOP_RISK_SAFE ? 0 : 1;
}
