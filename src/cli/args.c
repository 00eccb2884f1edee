/*
 * args.c - an option table of our own rather than getopt_long: options after operands on every
 * system alike, "did you mean", and the help text from the same rows.
 */
#include "cli/args.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/must.h"
#include "cli/out.h"
#include "policy/nearest.h"
#include "policy/values.h"

#define DEFAULT_CONFIG "backstop.yaml"

/* One run through argv. */
struct taking {
    const struct bs_usage *usage;
    struct bs_args *out;
    int argc;
    char **argv;
    int at;        /* next argument */
    bool help;     /* --help was seen */
    bool operands; /* `--` was seen */
    struct bs_arg common[3];
    size_t n_common;
};

static bool completing;

void
bs_args_complete(void)
{
    completing = true;
}

static void
take_common(struct taking *t)
{
    t->common[t->n_common++] =
        (struct bs_arg){"json", 0, BS_ARG_FLAG, NULL, "answer in JSON", &t->out->json};
    if (!t->usage->without_config)
        t->common[t->n_common++] = (struct bs_arg){
            "config",
            'c',
            BS_ARG_TEXT,
            "FILE",
            "configuration file (default: $BACKSTOP_CONFIG, else " DEFAULT_CONFIG ")",
            &t->out->config};
    t->common[t->n_common++] =
        (struct bs_arg){"help", 'h', BS_ARG_FLAG, NULL, "show this help", &t->help};
}

/* The options of the verb, then the common ones; NULL past the last. */
static const struct bs_arg *
arg_at(const struct taking *t, size_t i)
{
    if (i < t->usage->n_args)
        return &t->usage->args[i];
    i -= t->usage->n_args;
    return i < t->n_common ? &t->common[i] : NULL;
}

static const char *
arg_name(const void *ctx, size_t i)
{
    const struct bs_arg *arg = arg_at(ctx, i);

    return arg == NULL ? NULL : arg->name;
}

static const struct bs_arg *
find_long(const struct taking *t, const char *name, size_t n)
{
    for (size_t i = 0; arg_at(t, i) != NULL; i++) {
        const struct bs_arg *arg = arg_at(t, i);
        if (strlen(arg->name) == n && strncmp(arg->name, name, n) == 0)
            return arg;
    }
    return NULL;
}

static const struct bs_arg *
find_short(const struct taking *t, char letter)
{
    for (size_t i = 0; arg_at(t, i) != NULL; i++) {
        if (arg_at(t, i)->letter == letter && letter != '\0')
            return arg_at(t, i);
    }
    return NULL;
}

static void
print_option(const struct bs_arg *arg)
{
    char left[64];

    (void)snprintf(left, sizeof(left), "%c%c%s --%s%s%s", arg->letter != 0 ? '-' : ' ',
                   arg->letter != 0 ? arg->letter : ' ', arg->letter != 0 ? "," : " ", arg->name,
                   arg->value != NULL ? " " : "", arg->value != NULL ? arg->value : "");
    printf("  %-26s %s\n", left, arg->help);
}

static void
print_help(const struct taking *t)
{
    const struct bs_usage *u = t->usage;

    printf("usage: backstop %s [OPTIONS]%s%s\n\n%s\n", u->verb, u->operands[0] == '\0' ? "" : " ",
           u->operands, u->summary);
    if (u->details != NULL)
        printf("\n%s\n", u->details);
    printf("\nOptions:\n");
    for (size_t i = 0; arg_at(t, i) != NULL; i++)
        print_option(arg_at(t, i));
    if (u->examples != NULL)
        printf("\nExamples:\n%s", u->examples);
}

/* Is a value what comes next? Then no word of ours is. */
static bool
wants_value(const struct taking *t)
{
    const char *last = t->argv[t->argc - 1];
    const struct bs_arg *arg = NULL;

    if (t->argc > 1 && strncmp(last, "--", 2) == 0)
        arg = find_long(t, last + 2, strlen(last + 2));
    else if (t->argc > 1 && last[0] == '-' && last[1] != '\0')
        arg = find_short(t, last[strlen(last) - 1]);
    return arg != NULL && arg->kind != BS_ARG_FLAG;
}

static void
print_words(const struct taking *t)
{
    for (size_t i = 0; !wants_value(t) && arg_at(t, i) != NULL; i++)
        printf("--%s\t%s\n", arg_at(t, i)->name, arg_at(t, i)->help);
}

__attribute__((format(printf, 2, 3))) static bool
wrong(const struct taking *t, const char *fmt, ...)
{
    char verb[64], what[256];
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(what, sizeof(what), fmt, ap);
    va_end(ap);
    (void)snprintf(verb, sizeof(verb), "backstop %s", t->usage->verb);
    t->out->status = bs_out_usage(verb, "%s", what);
    return false;
}

static bool
store_number(const struct taking *t, const struct bs_arg *arg, const char *value)
{
    int64_t number;

    if (!bs_value_integer(value, &number))
        return wrong(t, "option --%s takes a whole number that is not negative", arg->name);
    *(int64_t *)arg->into = number;
    return true;
}

static bool
store_one_more(const struct taking *t, const struct bs_arg *arg, const char *value)
{
    struct bs_arg_texts *texts = arg->into;

    if (texts->n == BS_ARG_TEXTS_MAX)
        return wrong(t, "option --%s is given more than %d times", arg->name, BS_ARG_TEXTS_MAX);
    texts->list[texts->n++] = value;
    return true;
}

/* `value` is what followed `=` or the letter; NULL: take the next argument where one is needed. */
static bool
store(struct taking *t, const struct bs_arg *arg, const char *value)
{
    if (arg->kind == BS_ARG_FLAG) {
        if (value != NULL)
            return wrong(t, "option --%s takes no value", arg->name);
        *(bool *)arg->into = true;
        return true;
    }
    if (value == NULL && t->at < t->argc)
        value = t->argv[t->at++];
    if (value == NULL)
        return wrong(t, "option --%s needs a value", arg->name);
    if (arg->kind == BS_ARG_NUMBER)
        return store_number(t, arg, value);
    if (arg->kind == BS_ARG_TEXTS)
        return store_one_more(t, arg, value);
    *(const char **)arg->into = value;
    return true;
}

static bool
take_long(struct taking *t, const char *text)
{
    const char *equals = strchr(text, '=');
    size_t n = equals == NULL ? strlen(text) : (size_t)(equals - text);
    const struct bs_arg *arg = find_long(t, text, n);
    char name[80];
    const char *near;

    if (arg != NULL)
        return store(t, arg, equals == NULL ? NULL : equals + 1);
    (void)snprintf(name, sizeof(name), "%.*s", n < 64 ? (int)n : 64, text);
    near = bs_word_nearest(name, arg_name, t);
    if (near == NULL)
        return wrong(t, "there is no option --%s", name);
    return wrong(t, "there is no option --%s; did you mean --%s?", name, near);
}

/* -abc: flags together; the last may take a value, attached or as the next argument. */
static bool
take_short(struct taking *t, const char *letters)
{
    for (; *letters != '\0'; letters++) {
        const struct bs_arg *arg = find_short(t, *letters);
        const char one[2] = {*letters, '\0'};

        if (arg == NULL)
            return wrong(t, "there is no option -%s", one);
        if (arg->kind != BS_ARG_FLAG)
            return store(t, arg, letters[1] == '\0' ? NULL : letters + 1);
        if (!store(t, arg, NULL))
            return false;
    }
    return true;
}

/* Operands are moved to the front of what has been read already, in order. */
static bool
take_all(struct taking *t)
{
    while (t->at < t->argc) {
        char *text = t->argv[t->at++];
        bool ok = true;

        if (!t->operands && strcmp(text, "--") == 0)
            t->operands = true;
        else if (!t->operands && strncmp(text, "--", 2) == 0)
            ok = take_long(t, text + 2);
        else if (!t->operands && text[0] == '-' && text[1] != '\0')
            ok = take_short(t, text + 1);
        else
            t->argv[1 + t->out->n_operands++] = text;
        if (!ok)
            return false;
    }
    return true;
}

static bool
count_operands(const struct taking *t)
{
    const struct bs_usage *u = t->usage;

    if (t->out->n_operands < u->min)
        return wrong(t, "an argument is missing: %s", u->operands);
    if (u->max >= 0 && t->out->n_operands > u->max)
        return wrong(t, "unexpected argument \"%.100s\"", t->out->operands[u->max]);
    return true;
}

/* So that an error in the command line itself is already told in JSON. */
static bool
asks_json(int argc, char **argv)
{
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
        if (strcmp(argv[i], "--json") == 0)
            return true;
    }
    return false;
}

enum bs_args_next
bs_args_take(const struct bs_usage *usage, int argc, char **argv, struct bs_args *out)
{
    struct taking t = {.usage = usage, .out = out, .argc = argc, .argv = argv, .at = 1};
    const char *config = getenv("BACKSTOP_CONFIG");

    *out = (struct bs_args){.operands = argv + 1};
    out->config = config == NULL || config[0] == '\0' ? DEFAULT_CONFIG : config;
    bs_out_set_json(asks_json(argc, argv));
    take_common(&t);
    if (completing) {
        print_words(&t);
        return BS_ARGS_EXIT;
    }
    if (!take_all(&t))
        return BS_ARGS_EXIT;
    if (t.help) {
        print_help(&t);
        return BS_ARGS_EXIT;
    }
    return count_operands(&t) ? BS_ARGS_RUN : BS_ARGS_EXIT;
}

struct verbs {
    const struct bs_verb *list;
    size_t n;
};

static const char *
verb_name(const void *ctx, size_t i)
{
    const struct verbs *v = ctx;

    return i < v->n ? v->list[i].name : NULL;
}

static void
print_verbs(FILE *to, const char *of, const char *intro, const struct verbs *v)
{
    fprintf(to, "usage: %s VERB [OPTIONS] [ARGUMENTS]\n\n%s\n\nVerbs:\n", of, intro);
    for (size_t i = 0; i < v->n; i++)
        fprintf(to, "  %-14s %s\n", v->list[i].name, v->list[i].help);
    fprintf(to, "\n`%s VERB --help` tells more about one of them.\n", of);
}

int
bs_verbs_run(
    const char *of, const char *intro, const struct bs_verb *verbs, size_t n, int argc, char **argv)
{
    const struct verbs v = {verbs, n};
    const char *near;

    if (completing && argc < 2) {
        for (size_t i = 0; i < n; i++)
            printf("%s\t%s\n", verbs[i].name, verbs[i].help);
        return 0;
    }
    if (argc < 2) {
        print_verbs(stderr, of, intro, &v);
        return bs_code_get(BS_E_USAGE)->exit_status;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 ||
        strcmp(argv[1], "help") == 0) {
        print_verbs(stdout, of, intro, &v);
        return 0;
    }
    for (size_t i = 0; i < n; i++) {
        if (strcmp(verbs[i].name, argv[1]) == 0)
            return verbs[i].run(argc - 1, argv + 1);
    }
    if (completing)
        return 0;
    bs_out_set_json(asks_json(argc, argv));
    near = bs_word_nearest(argv[1], verb_name, &v);
    if (near == NULL)
        return bs_out_usage(of, "there is no verb \"%.60s\"", argv[1]);
    return bs_out_usage(of, "there is no verb \"%.60s\"; did you mean \"%s\"?", argv[1], near);
}
