/*
 * classify.c - the calls that judge. All of the judging is done where the command's is.
 */
#include "lib/inside.h"

#include "api/classified.h"

struct backstop_classifier {
    struct bs_classifier c;
    char *conninfo;
};

/* One call, and what comes of it. */
struct call {
    backstop_classifier *classifier;
    struct bs_bytes text;
    enum bs_done done;
    json_t *json;
    char *answer;
    struct bs_err err;
};

static void
do_open(void *with)
{
    struct call *c = with;

    c->done = bs_classifier_init(&c->classifier->c, c->classifier->conninfo, &c->err);
}

int
backstop_classifier_new(const char *conninfo, backstop_classifier **out, backstop_error **error)
{
    struct call c = {0};

    if (error != NULL)
        *error = NULL;
    if (out == NULL)
        return bs_lib_misused("there is no place for the classifier", error);
    *out = NULL;
    c.classifier = bs_malloc(sizeof(*c.classifier));
    c.classifier->conninfo = bs_strdup(conninfo);
    if (bs_lib_run(do_open, &c, &c.err) == BS_DONE && c.done == BS_DONE) {
        *out = c.classifier;
        return BACKSTOP_OK;
    }
    backstop_classifier_free(c.classifier);
    return bs_lib_fail(&c.err, error);
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

static void
do_classify(void *with)
{
    struct call *c = with;

    c->done = bs_classifier_text(&c->classifier->c, c->text, &c->json, &c->err);
}

int
backstop_classify(backstop_classifier *classifier,
                  const char *sql,
                  size_t bytes,
                  backstop_judgement **out,
                  backstop_error **error)
{
    struct call c = {.classifier = classifier, .text = bs_lib_bytes(sql, bytes)};

    if (error != NULL)
        *error = NULL;
    if (out != NULL)
        *out = NULL;
    if (classifier == NULL || out == NULL || (sql == NULL && bytes != 0))
        return bs_lib_misused("a classifier, a text and a place for the judgement are needed",
                              error);
    if (bs_lib_run(do_classify, &c, &c.err) == BS_DONE && c.done == BS_DONE)
        return bs_lib_judgement(c.json, out, error);
    return bs_lib_fail(&c.err, error);
}

static void
do_line(void *with)
{
    struct call *c = with;

    c->json = bs_classifier_line(&c->classifier->c, c->text);
    c->answer = json_dumps(c->json, JSON_COMPACT);
    json_decref(c->json);
}

int
backstop_classify_line(backstop_classifier *classifier,
                       const char *line,
                       size_t bytes,
                       char **answer,
                       backstop_error **error)
{
    struct call c = {.classifier = classifier, .text = bs_lib_bytes(line, bytes)};

    if (error != NULL)
        *error = NULL;
    if (answer != NULL)
        *answer = NULL;
    if (classifier == NULL || answer == NULL || (line == NULL && bytes != 0))
        return bs_lib_misused("a classifier, a line and a place for the answer are needed", error);
    if (bytes > BS_CLASSIFIED_MAX_TEXT) {
        (void)BS_FAIL(&c.err, LIMIT, "the line is longer than %zu bytes", BS_CLASSIFIED_MAX_TEXT);
        return bs_lib_fail(&c.err, error);
    }
    if (bs_lib_run(do_line, &c, &c.err) != BS_DONE)
        return bs_lib_fail(&c.err, error);
    *answer = c.answer;
    if (c.answer != NULL)
        return BACKSTOP_OK;
    (void)BS_FAIL(&c.err, INTERNAL, "the judgement cannot be told as JSON");
    return bs_lib_fail(&c.err, error);
}
