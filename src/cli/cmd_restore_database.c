/*
 * cmd_restore_database.c - `backstop restore database`: a dropped database anew, under any name.
 */
#include <stdio.h>

#include "api/restored.h"
#include "cli/out.h"
#include "cli/restore_view.h"
#include "cli/restoring.h"
#include "restore/database.h"

static json_t *
not_covered(void)
{
    json_t *list = json_array();

    for (size_t i = 0; bs_database_not_covered[i] != NULL; i++)
        (void)json_array_append_new(list, json_string(bs_database_not_covered[i]));
    return list;
}

static void
view(const struct bs_restore *r, const char *name, const struct bs_database_made *d)
{
    if (bs_out_json_mode()) {
        bs_out_json(json_pack("{s:s,s:s,s:s,s:I,s:I,s:s,s:o,s:s*,s:o}", "point", r->manifest.id,
                              "database", r->manifest.databases->name, "as", name, "tables",
                              (json_int_t)d->tables, "rows", (json_int_t)d->rows, "compared",
                              "identical", "cluster", bs_restored_globals(d->globals, d->n_globals),
                              "cluster_failed", d->globals_failed, "not_covered", not_covered()));
        return;
    }
    printf("Database \"");
    bs_out_text(stdout, name);
    printf("\" is there: %zu tables and sequences, %lld rows, as they were dumped\n", d->tables,
           (long long)d->rows);
    bs_view_globals(stdout, d->globals, d->n_globals);
    if (d->globals_failed != NULL) {
        fputs("  the rest is back, but this could not be set: ", stdout);
        bs_out_text(stdout, d->globals_failed);
        putchar('\n');
    }
    puts("Not covered by a dump:");
    for (size_t i = 0; bs_database_not_covered[i] != NULL; i++)
        printf("  %s\n", bs_database_not_covered[i]);
}

int
bs_restore_database(int argc, char **argv)
{
    struct bs_restoring_options o = {0};
    const char *as = NULL;
    const struct bs_arg options[] = {
        {"as", 0, BS_ARG_TEXT, "NAME", "name of the database to make; none may have it", &as},
        {"dsn", 0, BS_ARG_TEXT, "CONNINFO", "connect so, instead of as the configured role",
         &o.dsn},
        {"database", 'd', BS_ARG_TEXT, "NAME", "the configured database, where several fit",
         &o.database},
        {"yes", 'y', BS_ARG_FLAG, NULL, "do not ask", &o.yes},
    };
    const struct bs_usage usage = {
        .verb = "restore database",
        .operands = "POINT",
        .summary = "Make a dropped database anew, beside all others, under a name of your choice.",
        .details =
            "For points of DROP DATABASE. It is loaded under a name of its own, every table's "
            "rows\n"
            "are counted and hashed and compared with those of the dump, and only then it gets "
            "its\n"
            "name, owner, privileges, settings and comment. Any other name than the old one makes "
            "a\n"
            "preview. The role that connects has to be a superuser, or own all that is in it.\n"
            "\nExit status 1: the database is there, and something around it could not be set.",
        .examples = "  backstop restore database RP-01J9 --as shop_then\n",
        .args = options,
        .n_args = sizeof(options) / sizeof(options[0]),
        .min = 1,
        .max = 1,
    };
    struct bs_args args;
    struct bs_restoring w = {0};
    struct bs_database_made made;
    struct bs_err err = {0};
    int status = 0;

    if (bs_args_take(&usage, argc, argv, &args) != BS_ARGS_RUN)
        return args.status;
    if (as == NULL)
        return bs_out_usage("backstop restore database", "say with --as what to call it");
    if (bs_restoring_open(&w, &args, args.operands[0], &o, BS_RESTORING_ELSEWHERE, &status, &err)) {
        w.r.request.as = as;
        if (err.code != BS_OK)
            status = bs_out_fail(&err);
        else if (bs_restoring_confirmed(&o, "restore database", "Make the database?", &status)) {
            if (bs_database_make(&w.r, as, &made, &err) != BS_DONE)
                status = bs_out_fail(&err);
            bs_view_progress_end();
            if (err.code == BS_OK) {
                view(&w.r, as, &made);
                status = made.globals_failed == NULL ? 0 : 1;
            }
        }
    }
    bs_restoring_close(&w);
    return status;
}
