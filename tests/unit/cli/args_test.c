/*
 * args_test.c - command lines and what is taken from them.
 */
#include <stdlib.h>
#include <unistd.h>

#include "cli/args.h"
#include "cli/out.h"
#include "tap.h"

#define MOST 8

/* What the options of every row go into. */
static struct {
    bool force;
    const char *name;
    int64_t count;
    struct bs_arg_texts tags;
} got;

static const struct bs_arg options[] = {
    {"force", 'f', BS_ARG_FLAG, NULL, "do it", &got.force},
    {"name", 'n', BS_ARG_TEXT, "NAME", "called so", &got.name},
    {"count", 0, BS_ARG_NUMBER, "N", "so many", &got.count},
    {"tag", 't', BS_ARG_TEXTS, "TAG", "any number of them", &got.tags},
};

static const struct bs_usage usage = {
    .verb = "test",
    .operands = "ONE [TWO]",
    .summary = "nothing",
    .args = options,
    .n_args = 4,
    .min = 1,
    .max = 2,
};

/* clang-format off */
static const struct {
    const char *what;
    const char *argv[MOST]; /* after the verb; NULL ends it */
    enum bs_args_next want;
    int status; /* where want is EXIT */
    bool force;
    const char *name;
    int64_t count;
    const char *operands; /* joined by spaces */
    const char *config;
    bool json;
} rows[] = {
    {"one operand", {"a"}, BS_ARGS_RUN, 0, false, NULL, -1, "a", "backstop.yaml", false},
    {"two operands", {"a", "b"}, BS_ARGS_RUN, 0, false, NULL, -1, "a b", "backstop.yaml", false},
    {"none", {NULL}, BS_ARGS_EXIT, 64, false, NULL, -1, "", NULL, false},
    {"three", {"a", "b", "c"}, BS_ARGS_EXIT, 64, false, NULL, -1, NULL, NULL, false},
    {"options first", {"--force", "--name", "x", "a"}, BS_ARGS_RUN, 0, true, "x", -1, "a", "backstop.yaml", false},
    {"options last", {"a", "--force", "--name", "x"}, BS_ARGS_RUN, 0, true, "x", -1, "a", "backstop.yaml", false},
    {"options between", {"a", "-n", "x", "b"}, BS_ARGS_RUN, 0, false, "x", -1, "a b", "backstop.yaml", false},
    {"with equals", {"--name=x=y", "a"}, BS_ARGS_RUN, 0, false, "x=y", -1, "a", "backstop.yaml", false},
    {"empty value", {"--name=", "a"}, BS_ARGS_RUN, 0, false, "", -1, "a", "backstop.yaml", false},
    {"short ones together", {"-fn", "x", "a"}, BS_ARGS_RUN, 0, true, "x", -1, "a", "backstop.yaml", false},
    {"short with its value", {"-fnx", "a"}, BS_ARGS_RUN, 0, true, "x", -1, "a", "backstop.yaml", false},
    {"dashes end options", {"--", "--force", "-n"}, BS_ARGS_RUN, 0, false, NULL, -1, "--force -n", "backstop.yaml", false},
    {"a dash is an operand", {"-"}, BS_ARGS_RUN, 0, false, NULL, -1, "-", "backstop.yaml", false},
    {"number", {"--count", "12", "a"}, BS_ARGS_RUN, 0, false, NULL, 12, "a", "backstop.yaml", false},
    {"number with rest", {"--count", "12x", "a"}, BS_ARGS_EXIT, 64, false, NULL, -1, NULL, NULL, false},
    {"negative number", {"--count=-1", "a"}, BS_ARGS_EXIT, 64, false, NULL, -1, NULL, NULL, false},
    {"number beyond numbers", {"--count=99999999999999999999", "a"}, BS_ARGS_EXIT, 64, false, NULL, -1, NULL, NULL, false},
    {"no number", {"--count=", "a"}, BS_ARGS_EXIT, 64, false, NULL, -1, NULL, NULL, false},
    {"flag with a value", {"--force=yes", "a"}, BS_ARGS_EXIT, 64, false, NULL, -1, NULL, NULL, false},
    {"value missing", {"a", "--name"}, BS_ARGS_EXIT, 64, false, NULL, -1, NULL, NULL, false},
    {"unknown", {"--nmae", "x", "a"}, BS_ARGS_EXIT, 64, false, NULL, -1, NULL, NULL, false},
    {"unknown letter", {"-x", "a"}, BS_ARGS_EXIT, 64, false, NULL, -1, NULL, NULL, false},
    {"part of a name", {"--forc", "a"}, BS_ARGS_EXIT, 64, false, NULL, -1, NULL, NULL, false},
    {"config", {"a", "--config", "/x"}, BS_ARGS_RUN, 0, false, NULL, -1, "a", "/x", false},
    {"config by letter", {"a", "-c/x"}, BS_ARGS_RUN, 0, false, NULL, -1, "a", "/x", false},
    {"json", {"a", "--json"}, BS_ARGS_RUN, 0, false, NULL, -1, "a", "backstop.yaml", true},
    {"help wins over missing operands", {"--help"}, BS_ARGS_EXIT, 0, false, NULL, -1, NULL, NULL, false},
};
/* clang-format on */

/* Runs one row with its output out of the way: it would be taken for TAP. */
static enum bs_args_next
take(int argc, char **argv, struct bs_args *out)
{
    int saved = dup(STDOUT_FILENO), saved_err = dup(STDERR_FILENO);
    enum bs_args_next next;

    (void)fflush(stdout);
    if (freopen("/dev/null", "w", stderr) == NULL || dup2(STDERR_FILENO, STDOUT_FILENO) < 0)
        abort();
    next = bs_args_take(&usage, argc, argv, out);
    (void)fflush(stdout);
    (void)dup2(saved, STDOUT_FILENO);
    (void)dup2(saved_err, STDERR_FILENO);
    close(saved);
    close(saved_err);
    return next;
}

static void
join(const struct bs_args *args, char out[64])
{
    size_t at = 0;

    out[0] = '\0';
    for (int i = 0; i < args->n_operands; i++)
        at += (size_t)snprintf(out + at, 64 - at, "%s%s", i == 0 ? "" : " ", args->operands[i]);
}

static void
every_row(void)
{
    (void)unsetenv("BACKSTOP_CONFIG");
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char texts[MOST + 1][64] = {"test"}, *argv[MOST + 1] = {texts[0]}, joined[64];
        struct bs_args args;
        int argc = 1, before = tap_misses;

        for (; argc < MOST && rows[i].argv[argc - 1] != NULL; argc++) {
            (void)snprintf(texts[argc], sizeof(texts[0]), "%s", rows[i].argv[argc - 1]);
            argv[argc] = texts[argc];
        }
        got.force = false;
        got.name = NULL;
        got.count = -1;
        EXPECT_EQ(take(argc, argv, &args), rows[i].want);
        if (rows[i].want == BS_ARGS_EXIT) {
            EXPECT_EQ(args.status, rows[i].status);
        } else {
            join(&args, joined);
            EXPECT(strcmp(joined, rows[i].operands) == 0);
            EXPECT(strcmp(args.config, rows[i].config) == 0);
            EXPECT_EQ(got.force, rows[i].force);
            EXPECT_EQ(got.count, rows[i].count);
            EXPECT(rows[i].name == NULL ? got.name == NULL
                                        : got.name != NULL && strcmp(got.name, rows[i].name) == 0);
            EXPECT_EQ(args.json, rows[i].json);
            EXPECT_EQ(bs_out_json_mode(), rows[i].json);
        }
        if (tap_misses != before)
            printf("# in row: %s\n", rows[i].what);
    }
}

static void
config_from_the_environment(void)
{
    char verb[] = "test", operand[] = "a", option[] = "--config=/y";
    char *argv[] = {verb, operand, option};
    struct bs_args args;

    (void)setenv("BACKSTOP_CONFIG", "/from/env", 1);
    EXPECT_EQ(take(2, argv, &args), BS_ARGS_RUN);
    EXPECT(strcmp(args.config, "/from/env") == 0);
    EXPECT_EQ(take(3, argv, &args), BS_ARGS_RUN);
    EXPECT(strcmp(args.config, "/y") == 0);
    (void)setenv("BACKSTOP_CONFIG", "", 1);
    EXPECT_EQ(take(2, argv, &args), BS_ARGS_RUN);
    EXPECT(strcmp(args.config, "backstop.yaml") == 0);
}

static void
repeated_option(void)
{
    char verb[] = "test", one[] = "--tag=x", two[] = "-t", value[] = "y", operand[] = "a";
    char *argv[] = {verb, one, two, value, operand};
    char *many[BS_ARG_TEXTS_MAX + 3];
    struct bs_args args;

    got.tags.n = 0;
    EXPECT_EQ(take(5, argv, &args), BS_ARGS_RUN);
    REQUIRE(got.tags.n == 2);
    EXPECT(strcmp(got.tags.list[0], "x") == 0 && strcmp(got.tags.list[1], "y") == 0);
    many[0] = verb;
    many[1] = operand;
    for (size_t i = 2; i < BS_ARG_TEXTS_MAX + 3; i++)
        many[i] = one;
    got.tags.n = 0;
    EXPECT_EQ(take(BS_ARG_TEXTS_MAX + 2, many, &args), BS_ARGS_RUN);
    got.tags.n = 0;
    EXPECT_EQ(take(BS_ARG_TEXTS_MAX + 3, many, &args), BS_ARGS_EXIT);
    EXPECT_EQ(args.status, 64);
}

int
main(void)
{
    static const struct tap_case cases[] = {
        {"every row", every_row},
        {"an option that may be repeated", repeated_option},
        {"the configuration's name from the environment", config_from_the_environment},
    };

    return tap_main(cases, sizeof(cases) / sizeof(cases[0]));
}
