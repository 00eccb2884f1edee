/*
 * args.h - options of a verb, as a table: every verb gets --help, --json and --config alike.
 *
 * A verb:
 *
 *     const char *database = NULL;
 *     const struct bs_arg args[] = {
 *         {"database", 'd', BS_ARG_TEXT, "NAME", "only this database", &database},
 *     };
 *     const struct bs_usage usage = {
 *         .verb = "agents add", .operands = "NAME", .summary = "add an agent", .min = 1, .max = 1,
 *         .args = args, .n_args = 1, .examples = "backstop agents add alice --database app\n",
 *     };
 *     struct bs_args got;
 *     if (bs_args_take(&usage, argc, argv, &got) != BS_ARGS_RUN)
 *         return got.status;
 *
 * Layer  cli.
 * Owns   nothing; what it hands out points into argv, the environment or literals.
 */
#ifndef BS_CLI_ARGS_H
#define BS_CLI_ARGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum bs_arg_kind {
    BS_ARG_FLAG = 0, /* into: bool, set true */
    BS_ARG_TEXT,     /* into: const char * */
    BS_ARG_NUMBER,   /* into: int64_t; not negative */
    BS_ARG_TEXTS,    /* into: struct bs_arg_texts; may be given several times */
};

#define BS_ARG_TEXTS_MAX 64

struct bs_arg_texts {
    const char *list[BS_ARG_TEXTS_MAX];
    size_t n;
};

struct bs_arg {
    const char *name; /* without the dashes */
    char letter;      /* short form; 0: none */
    enum bs_arg_kind kind;
    const char *value; /* how the value is called in help: "NAME" */
    const char *help;
    void *into; /* untouched where the option is not given */
};

struct bs_usage {
    const char *verb;     /* "agents add" */
    const char *operands; /* "NAME", "[FILE]", ""; for the help text */
    const char *summary;  /* one line */
    const char *details;  /* more paragraphs, NULL: none */
    const char *examples; /* lines, NULL: none */
    const struct bs_arg *args;
    size_t n_args;
    int min, max;        /* operands accepted; max -1: any number */
    bool without_config; /* the verb needs no configuration: no --config */
};

struct bs_args {
    int status;         /* exit status where bs_args_take does not answer RUN */
    bool json;          /* --json; bs_out_* know it already */
    const char *config; /* --config, else BACKSTOP_CONFIG, else ./backstop.yaml */
    char **operands;    /* what is left of argv, in order */
    int n_operands;
};

enum bs_args_next {
    BS_ARGS_EXIT = 0, /* help was printed, or the command line is wrong and that was said */
    BS_ARGS_RUN,
};

/* Takes options (before, between and after operands; `--` ends them). argv[0] is the verb. */
enum bs_args_next
bs_args_take(const struct bs_usage *usage, int argc, char **argv, struct bs_args *out);

/* From now on the functions of this file run no verb, but print the words that could come next, a
 * line each: "word", a tab, its help. */
void bs_args_complete(void);

/* A verb or sub-verb. */
struct bs_verb {
    const char *name;
    const char *help;                  /* one line */
    int (*run)(int argc, char **argv); /* argv[0] is the verb's own name; returns the exit status */
};

/*
 * Calls the verb that argv[1] names; --help, no or an unknown one are answered here (64, with a
 * suggestion).
 *
 * of     what the verbs belong to: "backstop" or "backstop agents"
 * intro  a line for the help text
 */
int bs_verbs_run(const char *of,
                 const char *intro,
                 const struct bs_verb *verbs,
                 size_t n,
                 int argc,
                 char **argv);

#endif
