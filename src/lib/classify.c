/*
 * classify.c - the calls that judge. All of the judging is done where the command's is.
 */
#include "lib/inside.h"

#include "api/classified.h"

struct backstop_classifier {
    struct bs_classifier c;
    char *conninfo;
};

int
backstop_classifier_new(const char *conninfo, backstop_classifier **out, backstop_error **error)
{
    struct bs_err err = {0};
    struct bs_lib_locale l;
    backstop_classifier *made;
    enum bs_done done;

    if (error != NULL)
        *error = NULL;
    if (out == NULL)
        return bs_lib_misused("there is no place for the classifier", error);
    *out = NULL;
    made = bs_malloc(sizeof(*made));
    made->conninfo = bs_strdup(conninfo);
    bs_lib_enter(&l);
    done = bs_classifier_init(&made->c, made->conninfo, &err);
    bs_lib_leave(&l);
    if (done != BS_DONE) {
        backstop_classifier_free(made);
        return bs_lib_fail(&err, error);
    }
    *out = made;
    return BACKSTOP_OK;
}

void
backstop_classifier_free(backstop_classifier *classifier)
{
    if (classifier == NULL)
        return;
    bs_classifier_fini(&classifier->c);
    bs_free_secret(&classifier->conninfo);
    free(classifier);
}

int
backstop_classify(backstop_classifier *classifier,
                  const char *sql,
                  size_t bytes,
                  backstop_judgement **out,
                  backstop_error **error)
{
    struct bs_err err = {0};
    struct bs_lib_locale l;
    json_t *json = NULL;
    int code;

    if (error != NULL)
        *error = NULL;
    if (out != NULL)
        *out = NULL;
    if (classifier == NULL || out == NULL || (sql == NULL && bytes != 0))
        return bs_lib_misused("a classifier, a text and a place for the judgement are needed",
                              error);
    bs_lib_enter(&l);
    if (bs_classifier_text(&classifier->c, bs_lib_bytes(sql, bytes), &json, &err) == BS_DONE)
        code = bs_lib_judgement(json, out, error);
    else
        code = bs_lib_fail(&err, error);
    bs_lib_leave(&l);
    return code;
}

int
backstop_classify_line(backstop_classifier *classifier,
                       const char *line,
                       size_t bytes,
                       char **answer,
                       backstop_error **error)
{
    struct bs_err err = {0};
    struct bs_lib_locale l;
    json_t *json;

    if (error != NULL)
        *error = NULL;
    if (answer != NULL)
        *answer = NULL;
    if (classifier == NULL || answer == NULL || (line == NULL && bytes != 0))
        return bs_lib_misused("a classifier, a line and a place for the answer are needed", error);
    if (bytes > BS_CLASSIFIED_MAX_TEXT) {
        (void)BS_FAIL(&err, LIMIT, "the line is longer than %zu bytes", BS_CLASSIFIED_MAX_TEXT);
        return bs_lib_fail(&err, error);
    }
    bs_lib_enter(&l);
    json = bs_classifier_line(&classifier->c, bs_lib_bytes(line, bytes));
    *answer = json_dumps(json, JSON_COMPACT);
    json_decref(json);
    bs_lib_leave(&l);
    if (*answer != NULL)
        return BACKSTOP_OK;
    (void)BS_FAIL(&err, INTERNAL, "the judgement cannot be told as JSON");
    return bs_lib_fail(&err, error);
}
