/*
 * calls_test.c - the library as a hostile or careless host calls it: any bytes, little stack, many threads.
 */
#include "backstop.h"

#include <locale.h>
#include <pthread.h>
#include <stdlib.h>

#include "tap.h"

/* All that can be asked of a text. */
static void
ask_all(const char *text, size_t n)
{
    backstop_classifier *c = NULL;
    backstop_judgement *j = NULL;
    char *out = NULL;

    REQUIRE(backstop_classifier_new(NULL, &c, NULL) == BACKSTOP_OK);
    EXPECT_EQ(backstop_classify(c, text, n, &j, NULL), BACKSTOP_OK);
    EXPECT(backstop_judgement_risk(j) != BACKSTOP_RISK_UNKNOWN);
    for (size_t at = 0; at <= backstop_judgement_statements(j); at++) {
        for (size_t i = 0; i <= backstop_statement_effects(j, at); i++)
            (void)backstop_effect_object(j, at, i);
        for (size_t i = 0; i <= backstop_statement_reasons(j, at); i++)
            (void)backstop_reason_text(j, at, i);
    }
    backstop_judgement_free(j);
    EXPECT_EQ(backstop_classify_line(c, text, n, &out, NULL), BACKSTOP_OK);
    backstop_text_free(out);
    EXPECT_EQ(backstop_digest(text, n, &out, NULL), BACKSTOP_OK);
    backstop_text_free(out);
    (void)backstop_fingerprint(text, n, &out, NULL);
    backstop_text_free(out);
    backstop_classifier_free(c);
}

/* Words of SQL and JSON, and bytes of no language, in any order. */
static void
any_bytes(void)
{
    static const char *const words[] = {"SELECT ",   "(",    ")",   "$$",           "'",   "\"",
                                        "/*",        "--",   "DO ", "DELETE FROM ", "a",   ".",
                                        "{\"sql\":", "}",    "[",   "\\",           ";",   "E'",
                                        "\xff",      "\xc3", "1",   "LIMIT ",       "AS ", "WITH "};
    uint32_t seed = 1;
    char text[200];

    for (int round = 0; round < 3000; round++) {
        size_t n = 0;
        while (n < sizeof(text) - 20) {
            const char *word;
            seed = seed * 1664525u + 1013904223u;
            word = words[(seed >> 8) % (sizeof(words) / sizeof(words[0]))];
            memcpy(text + n, word, strlen(word));
            n += strlen(word);
            if ((seed >> 24) < 20)
                break;
            if ((seed >> 24) == 77)
                text[n++] = '\0';
        }
        ask_all(text, n);
    }
}

static void *
deep(void *with)
{
    static const char start[] = "(SELECT 1 LIMIT 1) LIMIT 1";
    size_t most = 32000, n = sizeof(start) - 1;
    char *text = malloc(most);

    (void)with;
    memcpy(text, start, n);
    for (; n + 2 <= most; n += 2)
        memcpy(text + n, "+1", 2);
    ask_all(text, n);
    free(text);
    return NULL;
}

/* The grammar recurses over such a text: two megabytes, which this thread has not. */
static void
little_stack(void)
{
    pthread_attr_t attr;
    pthread_t thread;

    REQUIRE(pthread_attr_init(&attr) == 0);
    REQUIRE(pthread_attr_setstacksize(&attr, 256 << 10) == 0);
    REQUIRE(pthread_create(&thread, &attr, deep, NULL) == 0);
    EXPECT_EQ(pthread_join(thread, NULL), 0);
    (void)pthread_attr_destroy(&attr);
}

static void *
many(void *with)
{
    (void)with;
    for (int i = 0; i < 20; i++) {
        ask_all("DELETE FROM t; SELECT 'a'", 25);
        ask_all("SELEC", 5);
    }
    return NULL;
}

static void
threads(void)
{
    pthread_t all[6];

    for (int i = 0; i < 6; i++)
        REQUIRE(pthread_create(&all[i], NULL, many, NULL) == 0);
    for (int i = 0; i < 6; i++)
        EXPECT_EQ(pthread_join(all[i], NULL), 0);
}

/* 1.5 stays 1.5 where the host writes 1,5, and the host's locale is as it was. */
static void
locales(void)
{
    static const char line[] = "{\"sql\": \"SELECT $1\", \"params\": [1.5]}";
    backstop_classifier *c = NULL;
    char *before = NULL, *after = NULL;

    REQUIRE(backstop_classifier_new(NULL, &c, NULL) == BACKSTOP_OK);
    EXPECT_EQ(backstop_classify_line(c, line, sizeof(line) - 1, &before, NULL), BACKSTOP_OK);
    (void)setlocale(LC_ALL, "C.UTF-8");
    EXPECT_EQ(backstop_classify_line(c, line, sizeof(line) - 1, &after, NULL), BACKSTOP_OK);
    EXPECT(strcmp(setlocale(LC_ALL, NULL), "C.UTF-8") == 0);
    EXPECT(strcmp(before, after) == 0);
    (void)setlocale(LC_ALL, "C");
    backstop_text_free(before);
    backstop_text_free(after);
    backstop_classifier_free(c);
}

static void
too_long(void)
{
    backstop_classifier *c = NULL;
    backstop_judgement *j = NULL;
    backstop_error *error = NULL;
    char *out = NULL;
    size_t n = ((size_t)16 << 20) + 1;
    char *text = malloc(n);

    REQUIRE(text != NULL);
    memset(text, ' ', n);
    REQUIRE(backstop_classifier_new(NULL, &c, NULL) == BACKSTOP_OK);
    EXPECT_EQ(backstop_classify(c, text, n, &j, &error), BACKSTOP_E_LIMIT);
    EXPECT(j == NULL && backstop_error_message(error)[0] != '\0');
    backstop_error_free(error);
    EXPECT_EQ(backstop_digest(text, n, &out, NULL), BACKSTOP_E_LIMIT);
    EXPECT_EQ(backstop_fingerprint(text, n, &out, NULL), BACKSTOP_E_LIMIT);
    EXPECT_EQ(backstop_classify(c, text, n - 1, &j, NULL), BACKSTOP_OK);
    backstop_judgement_free(j);
    backstop_classifier_free(c);
    free(text);
}

int
main(void)
{
    static const struct tap_case cases[] = {
        {"any bytes", any_bytes},        {"a thread with little stack", little_stack},
        {"several threads", threads},    {"another locale", locales},
        {"one byte too many", too_long},
    };

    return tap_main(cases, sizeof(cases) / sizeof(cases[0]));
}
