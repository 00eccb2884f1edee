/*
 * cmd_check_config.c - `backstop check-config`: what the file says, and what around it is missing.
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/arena.h"
#include "cli/cmd.h"
#include "cli/out.h"
#include "policy/rules.h"
#include "storage/storage.h"

/* Things that the file names and that are not there: serve would stop at them, others need not. */
static void
warn_missing(json_t *warnings, const char *key, const char *path, int mode, const char *what)
{
    if (path == NULL || access(path, mode) == 0)
        return;
    (void)json_array_append_new(warnings, json_sprintf("%s: \"%s\" %s", key, path, what));
}

/* Opening a store that is not local speaks to nobody, but it reads the keys. */
static void
warn_storage(json_t *warnings, const struct bs_config *c)
{
    struct bs_store *store = NULL;
    struct bs_err err = {0};

    if (c->storage_path != NULL)
        warn_missing(warnings, "storage", c->storage_path, W_OK, "is no folder to write to");
    else if (bs_store_open(c->storage_url, &store, &err) != BS_DONE)
        (void)json_array_append_new(warnings, json_sprintf("storage: %s", err.message));
    bs_store_close(&store);
}

static json_t *
warnings_of(const struct bs_config *c)
{
    json_t *list = json_array();

    warn_missing(list, "tls.cert", c->tls_cert, R_OK, "cannot be read");
    warn_missing(list, "tls.key", c->tls_key, R_OK, "cannot be read");
    warn_missing(list, "audit.directory", c->audit_directory, W_OK, "is no folder to write to");
    warn_storage(list, c);
    warn_missing(list, "spool", c->spool, W_OK, "is no folder to write to");
    for (size_t i = 0; i < c->n_pg_dumps; i++)
        warn_missing(list, "recovery.pg_dump", c->pg_dumps[i].path, X_OK, "cannot be run");
    if (c->n_pg_dumps == 0)
        (void)json_array_append_new(
            list, json_string("recovery.pg_dump: none given; without the server's major version or "
                              "a newer one, DROP and ALTER have no recovery point"));
    return list;
}

static json_t *
databases_of(const struct bs_config *c)
{
    json_t *list = json_array();

    for (size_t i = 0; i < c->n_databases; i++)
        (void)json_array_append_new(list, json_string(c->databases[i].name));
    return list;
}

/* What the storage URL comes to; the caller frees it. */
static char *
storage_of(const struct bs_config *c)
{
    struct bs_buf text;
    char *out;

    bs_buf_init(&text, 4096);
    bs_store_describe(c->storage_url, &text);
    bs_put_u8(&text, '\0');
    out = bs_strdup(text.failed ? c->storage_url : (const char *)text.p);
    bs_buf_fini(&text);
    return out;
}

static void
print(const struct bs_config *c, const char *storage, const json_t *warnings)
{
    const json_t *warning;
    size_t i;

    bs_out_text(stdout, c->file);
    printf(": %sok%s, %zu database%s, %zu rule%s\npolicy %s\n",
           bs_out_paint(stdout, BS_PAINT_GREEN), bs_out_paint(stdout, BS_PAINT_NONE),
           c->n_databases, c->n_databases == 1 ? "" : "s", c->policy->n_rules,
           c->policy->n_rules == 1 ? "" : "s", c->policy->digest);
    printf("storage ");
    bs_out_text(stdout, storage);
    putchar('\n');
    json_array_foreach(warnings, i, warning)
    {
        printf("%swarning:%s ", bs_out_paint(stdout, BS_PAINT_YELLOW),
               bs_out_paint(stdout, BS_PAINT_NONE));
        bs_out_text(stdout, json_string_value(warning));
        putchar('\n');
    }
}

int
bs_cmd_check_config(int argc, char **argv)
{
    const struct bs_usage usage = {
        .verb = "check-config",
        .operands = "[FILE]",
        .summary = "Read the configuration and say all that is wrong with it.",
        .details = "Unknown keys, wrong values, rules that can never match: all of them at once,\n"
                   "each with its line. Exit status 0: usable; 78: not.",
        .examples = "  backstop check-config\n"
                    "  backstop check-config /etc/backstop/backstop.yaml\n",
        .max = 1,
    };
    struct bs_args args;
    struct bs_config *config;
    json_t *warnings;
    char *storage;
    int status;

    if (bs_args_take(&usage, argc, argv, &args) != BS_ARGS_RUN)
        return args.status;
    if (args.n_operands == 1)
        args.config = args.operands[0];
    config = bs_cmd_config(&args, &status);
    if (config == NULL)
        return status;
    warnings = warnings_of(config);
    storage = storage_of(config);
    if (args.json)
        bs_out_json(json_pack("{s:b,s:s,s:o,s:o,s:s,s:s,s:O}", "ok", 1, "file", config->file,
                              "databases", databases_of(config), "policy",
                              bs_policy_json(config->policy), "policy_digest",
                              config->policy->digest, "storage", storage, "warnings", warnings));
    else
        print(config, storage, warnings);
    free(storage);
    json_decref(warnings);
    bs_config_unref(&config);
    return 0;
}
