/*
 * cmd_audit.c - read and check the audit log: `backstop audit tail | verify | key`. Reads
 * files only.
 */
#include <jansson.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "api/verified.h"
#include "audit/logs.h"
#include "audit/signing.h"
#include "audit/verify.h"
#include "base/arena.h"
#include "cli/audit.h"
#include "cli/audit_copy.h"
#include "cli/cmd.h"
#include "cli/out.h"

#define FOLLOW_US 200000 /* between looks at a log that does not grow */

const char *
bs_audit_directory(const struct bs_args *args, struct bs_config **config, int *status)
{
    *config = NULL;
    if (args->n_operands > 0)
        return args->operands[0];
    *config = bs_cmd_config(args, status);
    return *config == NULL ? NULL : (*config)->audit_directory;
}

/* --- tail --- */

static void
print_word(json_t *record, const char *key, const char *before)
{
    const char *text = json_string_value(json_object_get(record, key));
    enum bs_paint paint;

    if (text == NULL)
        return;
    paint = bs_out_paint_of(text);
    fputs(before, stdout);
    fputs(paint == BS_PAINT_NONE ? "" : bs_out_paint(stdout, paint), stdout);
    bs_out_text(stdout, text);
    fputs(paint == BS_PAINT_NONE ? "" : bs_out_paint(stdout, BS_PAINT_NONE), stdout);
}

/* On one line, and not longer than a reader wants to see in passing. */
static void
print_statement(json_t *record)
{
    const char *text = json_string_value(json_object_get(record, "statement"));
    char line[161];
    size_t n = 0;

    if (text == NULL)
        return;
    while (n < sizeof(line) - 1 && text[n] != '\0') {
        line[n] = text[n] == '\n' || text[n] == '\t' ? ' ' : text[n];
        n++;
    }
    if (text[n] != '\0') {
        while (n > 0 && ((unsigned char)line[n - 1] & 0xc0) == 0x80)
            n--; /* not in the middle of a character */
        if (n > 0 && (unsigned char)line[n - 1] >= 0xc0)
            n--;
    }
    line[n] = '\0';
    fputs("  ", stdout);
    bs_out_text(stdout, line);
    fputs(text[n] != '\0' ? "..." : "", stdout);
}

void
bs_audit_print_record(json_t *record, const char *log)
{
    static const char *const words[] = {"risk",   "decision", "statement_kind", "outcome",
                                        "action", "subject",  "sqlstate",       "tag",
                                        "ticket", "point",    "rule",           "text"};

    printf("%s", bs_out_paint(stdout, BS_PAINT_DIM));
    print_word(record, "at", "");
    fputs(log[0] == '\0' ? "" : " ", stdout);
    bs_out_text(stdout, log);
    printf(" #%lld%s", (long long)json_integer_value(json_object_get(record, "seq")),
           bs_out_paint(stdout, BS_PAINT_NONE));
    print_word(record, "kind", " ");
    print_word(record, "operator", "  ");
    print_word(record, "actor", "  ");
    print_word(record, "database", "@");
    print_word(record, "would", "  would ");
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        print_word(record, words[i], "  ");
    print_statement(record);
    fputc('\n', stdout);
}

static void
print_line(struct bs_bytes line, const char *log)
{
    json_t *record = NULL;

    if (!bs_out_json_mode())
        record = json_loadb((const char *)line.p, line.n, JSON_ALLOW_NUL, NULL);
    if (record != NULL)
        bs_audit_print_record(record, log);
    else {
        (void)fwrite(line.p, 1, line.n, stdout);
        fputc('\n', stdout);
    }
    json_decref(record);
}

static enum bs_done
print_tail(const char *directory, int64_t lines, bool follow, struct bs_err *err)
{
    struct bs_audit_reader *reader;
    struct bs_bytes line;
    const char *log;
    enum bs_tail got;

    if (bs_audit_reader_open(directory, (uint64_t)lines, &reader, err) != BS_DONE)
        return BS_FAILED;
    for (;;) {
        while ((got = bs_audit_reader_next(reader, &line, &log, err)) == BS_TAIL_LINE)
            print_line(line, log);
        /* A reader that has gone away ends it, too. */
        if (got == BS_TAIL_BAD || !follow || fflush(stdout) != 0 || ferror(stdout) != 0)
            break;
        (void)usleep(FOLLOW_US);
    }
    bs_audit_reader_close(&reader);
    return got == BS_TAIL_BAD ? BS_FAILED : BS_DONE;
}

static int
audit_tail(int argc, char **argv)
{
    int64_t lines = 20;
    bool follow = false;
    const struct bs_arg args[] = {
        {"lines", 'n', BS_ARG_NUMBER, "N", "how many of the last records (default: 20)", &lines},
        {"follow", 'f', BS_ARG_FLAG, NULL, "go on with new ones as they come", &follow},
    };
    const struct bs_usage usage = {
        .verb = "audit tail",
        .operands = "[DIRECTORY]",
        .summary = "Show the last records of the audit log.",
        .details = "Those of the gateway and those of restores, in the order of their times. With\n"
                   "--json the lines of the logs as they are. Without DIRECTORY the one of the\n"
                   "configuration.",
        .max = 1,
        .args = args,
        .n_args = 2,
        .examples = "  backstop audit tail -n 50 -f\n",
    };
    struct bs_args got;
    struct bs_config *config;
    struct bs_err err = {0};
    const char *directory;
    int status = 0;

    if (bs_args_take(&usage, argc, argv, &got) != BS_ARGS_RUN)
        return got.status;
    directory = bs_audit_directory(&got, &config, &status);
    if (directory != NULL && print_tail(directory, lines, follow, &err) != BS_DONE)
        status = bs_out_fail(&err);
    bs_config_unref(&config);
    return status;
}

/* --- verify --- */

/* What is checked, and how. */
struct verifying {
    const char *directory;
    char *const *names; /* of the logs in it */
    size_t n;
    bool copied; /* from a store */
    const struct bs_audit_key *key;
};

static void
print_verdict(const struct bs_verified *c)
{
    const struct bs_audit_verdict *v = &c->v;

    bs_out_text(stdout, c->log);
    fputs(c->log[0] == '\0' ? "" : ": ", stdout);
    for (size_t i = 0; i < v->n_breaks; i++)
        printf("%sBROKEN%s at %s line %llu (record %llu): %s\n", bs_out_paint(stdout, BS_PAINT_RED),
               bs_out_paint(stdout, BS_PAINT_NONE), v->breaks[i].file,
               (unsigned long long)v->breaks[i].line, (unsigned long long)v->breaks[i].seq,
               v->breaks[i].why);
    if (!v->intact) {
        printf("%llu records before the first are good%s\n", (unsigned long long)v->records,
               v->n_breaks == BS_AUDIT_BREAKS ? "; there may be more places than these" : "");
        return;
    }
    printf("%sintact%s%s: %llu records in %u files\n", bs_out_paint(stdout, BS_PAINT_GREEN),
           v->signatures ? " and signed" : "", bs_out_paint(stdout, BS_PAINT_NONE),
           (unsigned long long)v->records, v->files);
    if (v->torn)
        printf("the last line is not whole: it is being written, or a crash cut it off\n");
}

static enum bs_done
verify_one(const struct verifying *w, struct bs_verified *c, struct bs_err *err)
{
    char path[PATH_MAX];

    (void)snprintf(path, sizeof(path), "%s%s%s", w->directory, c->log[0] == '\0' ? "" : "/",
                   c->log);
    return w->copied ? bs_audit_verify_copy(path, w->key, &c->v, err)
                     : bs_audit_verify(path, w->key, &c->v, err);
}

/* Exit status: 0 where all are intact. */
static int
verify_logs(const struct verifying *w, bool json)
{
    struct bs_verified *all = bs_malloc((w->n + 1) * sizeof(*all));
    struct bs_err err = {0};
    int status = 0;

    for (size_t i = 0; i < w->n && err.code == BS_OK; i++) {
        all[i].log = w->names[i];
        if (verify_one(w, &all[i], &err) != BS_DONE)
            status = bs_out_fail(&err);
        else if (!all[i].v.intact)
            status = 1;
    }
    if (err.code == BS_OK && json)
        bs_out_json(bs_verified_json(all, w->n));
    for (size_t i = 0; i < w->n && err.code == BS_OK && !json; i++)
        print_verdict(&all[i]);
    if (err.code == BS_OK && w->key == NULL && !json)
        printf("signatures were not checked: name the public key with --key\n");
    free(all);
    return status;
}

/* Of a store, by its URL: what it has is brought here first. */
static enum bs_done
verify_copy(struct verifying *w, const char *url, bool json, int *status, struct bs_err *err)
{
    struct bs_audit_copy copy = {0};
    enum bs_done done = bs_audit_copy_fetch(url, &copy, err);

    w->directory = copy.directory;
    w->names = copy.names;
    w->n = copy.n;
    w->copied = true;
    if (done == BS_DONE)
        *status = verify_logs(w, json);
    bs_audit_copy_fini(&copy);
    return done;
}

static enum bs_done
verify_folder(struct verifying *w, const char *path, bool json, int *status, struct bs_err *err)
{
    struct bs_audit_logs logs = {0};
    enum bs_done done = bs_audit_logs_list(path, &logs, err);

    w->directory = path;
    w->names = logs.names;
    w->n = logs.n;
    if (done == BS_DONE)
        *status = verify_logs(w, json);
    bs_audit_logs_fini(&logs);
    return done;
}

/* where: a folder, or where `copied` a store's URL */
static enum bs_done
verify(const char *where,
       bool copied,
       const char *key_file,
       bool json,
       int *status,
       struct bs_err *err)
{
    struct bs_audit_key *key = NULL;
    struct verifying w = {0};
    enum bs_done done = BS_DONE;

    if (key_file != NULL)
        done = bs_audit_key_load(key_file, &key, err);
    w.key = key;
    if (done == BS_DONE)
        done = copied ? verify_copy(&w, where, json, status, err)
                      : verify_folder(&w, where, json, status, err);
    bs_audit_key_free(&key);
    return done;
}

/* The operand, else the store that the configuration uploads to; NULL: said why. */
static const char *
store_of(const struct bs_args *args, struct bs_config **config, int *status)
{
    struct bs_err err = {0};
    const char *url = NULL;

    *config = NULL;
    if (args->n_operands > 0)
        return args->operands[0];
    *config = bs_cmd_config(args, status);
    if (*config != NULL)
        url = (*config)->audit_upload;
    if (*config != NULL && url == NULL) {
        (void)BS_FAIL(&err, CONFIG, "the configuration uploads the audit log to no store");
        bs_err_hint(&err, "set audit.upload, or name the URL of a store");
        *status = bs_out_fail(&err);
    }
    return url;
}

static int
audit_verify(int argc, char **argv)
{
    const char *key = NULL;
    bool copied = false;
    const struct bs_arg args[] = {
        {"key", 'k', BS_ARG_TEXT, "FILE", "the public key, as `backstop audit key` prints it",
         &key},
        {"from-storage", 's', BS_ARG_FLAG, NULL,
         "what was uploaded: of the configuration, or a URL", &copied},
    };
    const struct bs_usage usage = {
        .verb = "audit verify",
        .operands = "[DIRECTORY | URL]",
        .summary = "Check the audit log: was anything edited, removed, swapped or forged?",
        .details =
            "That of the gateway and, in folders within, those of restores: the chain of "
            "all lines,\n"
            "and the signatures of its heads. Needs no running gateway. Exit status 0: all "
            "intact;\n"
            "1: broken. Without DIRECTORY folder and key of the configuration. With\n"
            "--from-storage the finished files that a store has, each log by itself; they are\n"
            "copied to TMPDIR meanwhile. That later ones are missing there cannot be told.",
        .max = 1,
        .args = args,
        .n_args = 2,
        .examples = "  backstop audit verify\n"
                    "  backstop audit verify --key audit.pub /mnt/evidence/audit\n"
                    "  backstop audit verify --key audit.pub --from-storage s3://evidence/gw1\n",
    };
    struct bs_args got;
    struct bs_config *config;
    struct bs_err err = {0};
    const char *where;
    int status = 0;

    if (bs_args_take(&usage, argc, argv, &got) != BS_ARGS_RUN)
        return got.status;
    where = copied ? store_of(&got, &config, &status) : bs_audit_directory(&got, &config, &status);
    if (key == NULL && config != NULL)
        key = config->audit_key;
    if (where != NULL && verify(where, copied, key, got.json, &status, &err) != BS_DONE)
        status = bs_out_fail(&err);
    bs_config_unref(&config);
    return status;
}

/* --- key --- */

static void
print_key(const struct bs_audit_key *key, bool json)
{
    struct bs_buf pem;

    bs_buf_init(&pem, 4096);
    bs_audit_key_public(key, &pem);
    bs_put_u8(&pem, '\0');
    if (json)
        bs_out_json(json_pack("{s:s,s:s,s:s}", "key", bs_audit_key_id(key), "algorithm", "Ed25519",
                              "public", (const char *)pem.p));
    else
        fputs((const char *)pem.p, stdout);
    bs_buf_fini(&pem);
}

static int
audit_key(int argc, char **argv)
{
    const struct bs_usage usage = {
        .verb = "audit key",
        .operands = "",
        .summary = "Print the public key that the heads of the audit log are signed with.",
        .details = "Keep it where the gateway's host cannot change it: with it, `audit verify "
                   "--key` tells\n"
                   "anywhere whether a copy of the log is what the gateway wrote. The private key "
                   "is made\n"
                   "when the gateway first starts (audit.key of the configuration).",
        .examples = "  backstop audit key > audit.pub\n",
    };
    struct bs_args got;
    struct bs_config *config;
    struct bs_audit_key *key = NULL;
    struct bs_err err = {0};
    int status = 0;

    if (bs_args_take(&usage, argc, argv, &got) != BS_ARGS_RUN)
        return got.status;
    config = bs_cmd_config(&got, &status);
    if (config == NULL)
        return status;
    if (bs_audit_key_load(config->audit_key, &key, &err) == BS_DONE)
        print_key(key, got.json);
    else
        status = bs_out_fail(&err);
    bs_audit_key_free(&key);
    bs_config_unref(&config);
    return status;
}

int
bs_cmd_audit(int argc, char **argv)
{
    static const struct bs_verb verbs[] = {
        {"tail", "show the last records", audit_tail},
        {"query", "find records by agent, table, ticket, time", bs_audit_query_verb},
        {"verify", "check that nothing was changed", audit_verify},
        {"export", "write records as JSON lines or CSV", bs_audit_export},
        {"index", "make queries of a log fast", bs_audit_index},
        {"digest", "print what stands in it for a value", bs_audit_digest_verb},
        {"key", "print the public key of its signatures", audit_key},
    };

    return bs_verbs_run("backstop audit", "What was asked, judged, decided and done.", verbs, 7,
                        argc, argv);
}
