/*
 * cmd_snapshot.c - `backstop snapshot`: a recovery point of tables as they are now, by hand or as a
 * schedule has it. Works on the store and the database alone; the gateway need not run.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cmd.h"
#include "cli/out.h"
#include "gateway/snapshots.h"
#include "recovery/keys.h"

struct options {
    const char *database;
    const char *schedule;
};

/* The configured database; the only one where none is named. */
static const struct bs_config_database *
choose_database(const struct bs_config *c, const char *name, struct bs_err *err)
{
    const struct bs_config_database *db = NULL;

    if (name == NULL && c->n_databases == 1)
        return &c->databases[0];
    if (name == NULL)
        (void)BS_FAIL(err, USAGE, "there are %zu databases: name one with --database",
                      c->n_databases);
    else if ((db = bs_config_database_find(c, name)) == NULL)
        (void)BS_FAIL(err, NOT_FOUND, "the configuration has no database \"%.100s\"", name);
    return db;
}

static const struct bs_config_snapshot *
choose_schedule(const struct bs_config *c, const char *name, struct bs_err *err)
{
    for (size_t i = 0; i < c->n_snapshots; i++) {
        if (strcmp(c->snapshots[i].name, name) == 0)
            return &c->snapshots[i];
    }
    (void)BS_FAIL(err, NOT_FOUND, "the configuration has no snapshot \"%.100s\"", name);
    return NULL;
}

/* "schema.name" cut at its dot; a name alone is looked for in every schema. Freed by the caller. */
static void
take_pattern(const char *text, struct bs_object_glob *out)
{
    const char *dot = strchr(text, '.');

    out->schema = dot == NULL ? strdup("*") : strndup(text, (size_t)(dot - text));
    out->name = strdup(dot == NULL ? text : dot + 1);
    bs_assert(out->schema != NULL && out->name != NULL);
}

static void
free_patterns(struct bs_object_globs *g)
{
    for (size_t i = 0; i < g->n; i++) {
        free((void *)(uintptr_t)g->list[i].schema);
        free((void *)(uintptr_t)g->list[i].name);
    }
    free(g->list);
}

static int
said(const struct bs_snapshot_done *d, bool json)
{
    const struct bs_snapshot_report *r = &d->report;
    char size[24];

    if (json) {
        bs_out_json(json_pack("{s:s,s:I,s:I,s:I,s:I,s:I,s:f,s:s*}", "point", d->point, "tables",
                              (json_int_t)r->tables, "copied", (json_int_t)r->copied, "unchanged",
                              (json_int_t)r->kept, "rows", (json_int_t)d->rows, "stored_bytes",
                              (json_int_t)d->stored_bytes, "seconds", (double)d->us / 1e6,
                              "damaged", r->damaged[0] == '\0' ? NULL : r->damaged));
    } else {
        printf("%s: %zu tables, %lld rows; %zu copied (%s), %zu unchanged; %.1f s\n", d->point,
               r->tables, (long long)d->rows, r->copied, bs_out_size(size, d->stored_bytes),
               r->kept, (double)d->us / 1e6);
        if (r->damaged[0] != '\0')
            printf("%s is damaged: run `backstop points verify %s`\n", r->damaged, r->damaged);
    }
    return 0;
}

static int
take(const struct bs_config *config,
     const struct options *o,
     const struct bs_args *args,
     struct bs_object_globs *globs)
{
    struct bs_snapshot_job job = {
        .config = config, .tables = globs, .budget_ms = 24 * 3600 * 1000, .by = "operator"};
    struct bs_store *store = NULL;
    struct bs_snapshot_done done;
    struct bs_err err = {0};
    int status = 0;

    if (o->schedule != NULL) {
        job.schedule = choose_schedule(config, o->schedule, &err);
        if (job.schedule == NULL)
            return bs_out_fail(&err);
        job.tables = &job.schedule->tables;
        job.budget_ms = job.schedule->budget_ms;
    }
    job.db =
        choose_database(config, job.schedule == NULL ? o->database : job.schedule->database, &err);
    if (job.db == NULL ||
        bs_keys_open_store(config->storage_url, config->keys, config->key, &store, &err) != BS_DONE)
        return bs_out_fail(&err);
    job.store = store;
    if (bs_snapshot_do(&job, &done, &err) == BS_DONE)
        status = said(&done, args->json);
    else
        status = bs_out_fail(&err);
    bs_store_close(&store);
    return status;
}

int
bs_cmd_snapshot(int argc, char **argv)
{
    struct options o = {0};
    const struct bs_arg options[] = {
        {"database", 'd', BS_ARG_TEXT, "NAME", "of this database, where there are several",
         &o.database},
        {"schedule", 's', BS_ARG_TEXT, "NAME", "what this entry of `snapshots` says, now",
         &o.schedule},
    };
    const struct bs_usage usage = {
        .verb = "snapshot",
        .operands = "[TABLE...]",
        .summary = "Make a recovery point of tables as they are now.",
        .details =
            "TABLE is schema.name, with * and ? as wildcards, or a name alone. All tables are\n"
            "read on one snapshot, with their partitions, the definition of the database and\n"
            "sequences; nobody who reads or writes waits. `backstop restore` gives them back.\n"
            "With --schedule, tables that have not changed since its last run are not stored\n"
            "again. Exit status 65: there is no such table; 69: it could not be made.",
        .examples = "  backstop snapshot public.users 'pay.*'\n"
                    "  backstop snapshot --schedule nightly --json\n",
        .args = options,
        .n_args = sizeof(options) / sizeof(options[0]),
        .max = -1,
    };
    struct bs_args args;
    struct bs_config *config;
    struct bs_object_globs globs = {0};
    int status = 0;

    if (bs_args_take(&usage, argc, argv, &args) != BS_ARGS_RUN)
        return args.status;
    if ((o.schedule != NULL) == (args.n_operands != 0))
        return bs_out_usage("backstop snapshot", "name tables, or --schedule");
    config = bs_cmd_config(&args, &status);
    if (config == NULL)
        return status;
    globs.list = bs_malloc(((size_t)args.n_operands + 1) * sizeof(*globs.list));
    for (int i = 0; i < args.n_operands; i++)
        take_pattern(args.operands[i], &globs.list[globs.n++]);
    status = take(config, &o, &args, &globs);
    free_patterns(&globs);
    bs_config_unref(&config);
    return status;
}
