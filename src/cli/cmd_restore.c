/*
 * cmd_restore.c - `backstop restore preview|run|diff|copy-back|discard`: the way back. Works on the
 * store and the database alone; the gateway need not run.
 */
#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "cli/cmd.h"
#include "cli/out.h"
#include "cli/restore_view.h"

/* What all sub-verbs take. */
struct options {
    const char *table;
    const char *dsn;
    const char *database;
    bool yes;
};

#define COMMON_OPTIONS(o)                                                                          \
    {"table", 't', BS_ARG_TEXT, "TABLE", "only this table (schema.name)", &(o).table},             \
        {"dsn",   0, BS_ARG_TEXT, "CONNINFO", "connect so, instead of as the configured upstream", \
         &(o).dsn},                                                                                \
        {"database",   'd', BS_ARG_TEXT, "NAME", "the configured database, where several fit",     \
         &(o).database},                                                                           \
    {                                                                                              \
        "yes", 'y', BS_ARG_FLAG, NULL, "do not ask", &(o).yes                                      \
    }

static const char who[] =
    "In a table that is there, missing rows come back, and rows that the transaction was\n"
    "the last to write get their saved values back; what others have changed since is a\n"
    "conflict. What is replaced gets a recovery point of its own.\n\n"
    "The role that connects must own what it changes; rows of row security\n"
    "policies and objects of other owners need a superuser (--dsn).";

struct work {
    struct bs_config *config;
    struct bs_store *store;
    struct bs_audit *audit;
    struct bs_pg_dump *pg_dumps;
    struct bs_restore r;
};

static void
work_close(struct work *w)
{
    bs_view_progress_end();
    bs_restore_close(&w->r);
    bs_audit_close(&w->audit);
    bs_store_close(&w->store);
    bs_config_unref(&w->config);
    free(w->pg_dumps);
}

/*
 * A gateway that runs holds the audit log, so restores keep one of their own beside it, in a
 * folder "restore"; another restore may hold that for a moment.
 */
static enum bs_done
open_audit(struct work *w, struct bs_err *err)
{
    enum { TRIES = 100, PAUSE_US = 100000 };
    char directory[4096];
    struct bs_audit_options options = {.directory = directory};

    (void)snprintf(directory, sizeof(directory), "%s/restore", w->config->audit_directory);
    for (int i = 0; i < TRIES; i++) {
        *err = (struct bs_err){0};
        if (bs_audit_open(&options, &w->audit, err) == BS_DONE)
            return BS_DONE;
        if (err->code != BS_E_UNAVAILABLE)
            return BS_FAILED;
        (void)usleep(PAUSE_US);
    }
    return BS_FAILED;
}

/* Is `dbname` of this conninfo the point's database? */
static bool
leads_to(const char *conninfo, const char *database)
{
    PQconninfoOption *all = PQconninfoParse(conninfo, NULL);
    bool same = false;

    for (const PQconninfoOption *o = all; o != NULL && o->keyword != NULL; o++)
        same = same || (strcmp(o->keyword, "dbname") == 0 && o->val != NULL &&
                        strcmp(o->val, database) == 0);
    PQconninfoFree(all);
    return same;
}

/* The configured database that the point came from; connecting makes sure that it is that one. */
static const struct bs_config_database *
choose_database(const struct work *w, const char *name, struct bs_err *err)
{
    const struct bs_config *c = w->config;
    const struct bs_config_database *found = NULL;

    if (name != NULL) {
        found = bs_config_database_find(c, name);
        if (found == NULL)
            (void)BS_FAIL(err, NOT_FOUND, "the configuration has no database \"%.100s\"", name);
        return found;
    }
    if (c->n_databases == 1)
        return &c->databases[0];
    for (size_t i = 0; i < c->n_databases && found == NULL; i++) {
        if (leads_to(c->databases[i].helper, w->r.manifest.source.database))
            found = &c->databases[i];
    }
    if (found == NULL)
        (void)BS_FAIL(err, NOT_FOUND,
                      "no configured database is the point's; name it with"
                      " --database");
    return found;
}

static void
take_pg_dumps(struct work *w)
{
    const struct bs_config *c = w->config;

    w->pg_dumps = bs_malloc((c->n_pg_dumps + 1) * sizeof(*w->pg_dumps));
    for (size_t i = 0; i < c->n_pg_dumps; i++)
        w->pg_dumps[i] = (struct bs_pg_dump){c->pg_dumps[i].major, c->pg_dumps[i].path};
}

static enum bs_done
find_point(struct work *w, const char *point, struct bs_err *err)
{
    const struct bs_config *c = w->config;
    struct bs_restore_request request = {.point = point,
                                         .spool = c->spool,
                                         .by = "operator",
                                         .watch = bs_view_progress,
                                         .lock_budget_us = c->lock_budget_ms * 1000};

    if (bs_store_open(c->storage_url, &w->store, err) != BS_DONE || open_audit(w, err) != BS_DONE)
        return BS_FAILED;
    take_pg_dumps(w);
    request.store = w->store;
    request.audit = w->audit;
    request.pg_dumps = w->pg_dumps;
    request.n_pg_dumps = c->n_pg_dumps;
    return bs_restore_open(&request, &w->r, err);
}

enum reach {
    HERE = 0,  /* only the database that the point was taken from */
    ELSEWHERE, /* another one, too, where it was named with --dsn */
};

/* False where the work cannot be done; that has been said. Without a database: see `err`. */
static bool
work_open(struct work *w,
          const struct bs_args *args,
          const struct options *o,
          enum reach reach,
          int *status,
          struct bs_err *err)
{
    const struct bs_config_database *database;

    w->config = bs_cmd_config(args, status);
    if (w->config == NULL)
        return false;
    if (find_point(w, args->operands[0], err) != BS_DONE)
        goto failed;
    database = choose_database(w, o->database, err);
    if (database == NULL)
        goto failed;
    w->r.request.database = database->name;
    w->r.request.dsn = o->dsn != NULL ? o->dsn : database->upstream;
    w->r.request.helper = database->helper;
    w->r.request.elsewhere = reach == ELSEWHERE && o->dsn != NULL;
    (void)!bs_restore_connect(&w->r, err);
    return true;
failed:
    *status = bs_out_fail(err);
    return false;
}

/* Asks on the terminal. Without one it is a question of --yes. */
static bool
confirmed(const struct options *o, const char *verb, const char *question, int *status)
{
    char answer[16];

    if (o->yes)
        return true;
    if (isatty(STDIN_FILENO) != 1 || isatty(STDERR_FILENO) != 1) {
        *status = bs_out_usage(verb, "without a terminal to ask on, --yes has to say it");
        return false;
    }
    fprintf(stderr, "%s [y/N] ", question);
    fflush(stderr);
    if (fgets(answer, sizeof(answer), stdin) != NULL && (answer[0] == 'y' || answer[0] == 'Y'))
        return true;
    fputs("nothing was done\n", stderr);
    *status = 1;
    return false;
}

static int
cmd_preview(int argc, char **argv)
{
    struct options o = {0};
    const struct bs_arg options[] = {COMMON_OPTIONS(o)};
    const struct bs_usage usage = {
        .verb = "restore preview",
        .operands = "POINT",
        .summary = "Show what a restore would give back. Touches nothing.",
        .details =
            "Every object of the point is read again and compared with its proof; a damaged\n"
            "one is refused.",
        .examples = "backstop restore preview RP-01J9\n",
        .args = options,
        .n_args = sizeof(options) / sizeof(options[0]),
        .min = 1,
        .max = 1,
    };
    struct bs_args args;
    struct work w = {0};
    struct bs_preview preview;
    struct bs_err err = {0}, unreached = {0};
    int status = 0;

    if (bs_args_take(&usage, argc, argv, &args) != BS_ARGS_RUN)
        return args.status;
    if (work_open(&w, &args, &o, ELSEWHERE, &status, &unreached)) {
        if (bs_preview_make(&w.r, o.table, &preview, &err) != BS_DONE)
            status = bs_out_fail(&err);
        bs_view_progress_end();
        if (err.code == BS_OK)
            bs_view_preview(&w.r, &preview, unreached.code == BS_OK ? NULL : unreached.message);
    }
    work_close(&w);
    return status;
}

static int
cmd_run(int argc, char **argv)
{
    struct options o = {0};
    const char *into = NULL;
    const struct bs_arg options[] = {
        COMMON_OPTIONS(o),
        {"into", 0, BS_ARG_TEXT, "SCHEMA.NAME", "load one table here instead", &into},
    };
    const struct bs_usage usage = {
        .verb = "restore run",
        .operands = "POINT",
        .summary = "Load saved rows into tables beside the live ones.",
        .details =
            "The tables go into schema recovery_<end of the point's id>, never over one that\n"
            "is there. Rows and row hashes are compared before it commits.",
        .examples = "backstop restore run RP-01J9 --table public.users --into public.users_then\n",
        .args = options,
        .n_args = sizeof(options) / sizeof(options[0]),
        .min = 1,
        .max = 1,
    };
    struct bs_args args;
    struct work w = {0};
    struct bs_rebuild rebuild;
    struct bs_err err = {0};
    int status = 0;

    if (bs_args_take(&usage, argc, argv, &args) != BS_ARGS_RUN)
        return args.status;
    if (work_open(&w, &args, &o, ELSEWHERE, &status, &err)) {
        if (err.code != BS_OK || bs_rebuild_run(&w.r, o.table, into, &rebuild, &err) != BS_DONE)
            status = bs_out_fail(&err);
        bs_view_progress_end();
        if (err.code == BS_OK)
            bs_view_rebuild(&w.r, &rebuild);
    }
    work_close(&w);
    return status;
}

static int
cmd_diff(int argc, char **argv)
{
    struct options o = {0};
    const struct bs_arg options[] = {COMMON_OPTIONS(o)};
    const struct bs_usage usage = {
        .verb = "restore diff",
        .operands = "POINT",
        .summary = "Compare saved rows with live ones: missing, changed, extra.",
        .details =
            "Changed ones are told apart: by the statement, or since by others; extra ones, too:\n"
            "those that the transaction made. Of a point that holds the rows of one transaction,\n"
            "only these are looked at.\n\nExit status 0: no difference, 1: there is one.",
        .examples = "backstop restore diff RP-01J9 --json\n",
        .args = options,
        .n_args = sizeof(options) / sizeof(options[0]),
        .min = 1,
        .max = 1,
    };
    struct bs_args args;
    struct work w = {0};
    struct bs_diff diff;
    struct bs_err err = {0};
    int status = 0;

    if (bs_args_take(&usage, argc, argv, &args) != BS_ARGS_RUN)
        return args.status;
    if (work_open(&w, &args, &o, ELSEWHERE, &status, &err)) {
        if (err.code != BS_OK || bs_diff_run(&w.r, o.table, &diff, &err) != BS_DONE)
            status = bs_out_fail(&err);
        bs_view_progress_end();
        if (err.code == BS_OK) {
            bs_view_diff(&w.r, &diff);
            status = diff.same ? 0 : 1;
        }
    }
    work_close(&w);
    return status;
}

/* copy-back */

/* Who watches sees the plan and is asked; the run then keeps to what was agreed to. */
static int
copy_back(struct work *w, const struct options *o, const struct bs_copyback_options *how)
{
    struct bs_copyback plan, done;
    struct bs_err err = {0};
    int status = 0;

    if (!o->yes) {
        if (isatty(STDIN_FILENO) == 1 && bs_copyback_plan(&w->r, how, &plan, &err) != BS_DONE)
            return bs_out_fail(&err);
        bs_view_progress_end();
        if (isatty(STDIN_FILENO) == 1)
            bs_view_plan(&w->r, &plan);
        if (!confirmed(o, "restore copy-back", "Do this?", &status))
            return status;
    }
    if (bs_copyback_run(&w->r, how, o->yes ? NULL : &plan, &done, &err) != BS_DONE)
        return bs_out_fail(&err);
    bs_view_progress_end();
    bs_view_copyback(&w->r, &done);
    return 0;
}

static int
print_plan(struct work *w, const struct bs_copyback_options *how)
{
    struct bs_buf sql;
    struct bs_err err = {0};
    int status = 0;

    bs_buf_init(&sql, 512u << 20);
    if (bs_copyback_print(&w->r, how, &sql, &err) != BS_DONE)
        status = bs_out_fail(&err);
    else if (bs_out_json_mode())
        bs_out_json(json_pack("{s:s,s:s%}", "point", w->r.manifest.id, "sql", sql.p, sql.n));
    else
        (void)fwrite(sql.p, 1, sql.n, stdout);
    bs_buf_fini(&sql);
    return status;
}

static bool
take_conflict(const char *word, struct bs_copyback_options *how)
{
    static const char *const words[] = {
        [BS_COPYBACK_SKIP] = "skip",
        [BS_COPYBACK_ABORT] = "abort",
        [BS_COPYBACK_OVERWRITE] = "overwrite",
    };

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (strcmp(words[i], word) == 0) {
            how->conflict = (enum bs_copyback_conflict)i;
            return true;
        }
    }
    return false;
}

static int
cmd_copy_back(int argc, char **argv)
{
    struct options o = {0};
    struct bs_copyback_options how = {0};
    const char *conflict = "skip";
    bool plan = false, no_triggers = false, remove_inserted = false, set_sequences = false;
    const struct bs_arg options[] = {
        COMMON_OPTIONS(o),
        {"plan", 0, BS_ARG_FLAG, NULL, "print the SQL and do nothing", &plan},
        {"conflict", 0, BS_ARG_TEXT, "skip|overwrite|abort",
         "rows that others changed since (skip)", &conflict},
        {"no-triggers", 0, BS_ARG_FLAG, NULL, "user triggers do not fire", &no_triggers},
        {"remove-inserted", 0, BS_ARG_FLAG, NULL, "rows that the transaction made go, too",
         &remove_inserted},
        {"set-sequences", 0, BS_ARG_FLAG, NULL, "sequences go back to what they were",
         &set_sequences},
        {"all-missing", 0, BS_ARG_FLAG, NULL, "bring back all that the database had and lacks",
         &how.all_missing},
    };
    const struct bs_usage usage = {
        .verb = "restore copy-back",
        .operands = "POINT",
        .summary = "Put lost tables and rows back into their place.",
        .details = who,
        .examples =
            "backstop restore copy-back RP-01J9 --plan\n"
            "backstop restore copy-back RP-01J9 --remove-inserted\n"
            "backstop restore copy-back RP-01J9 --table public.users --conflict overwrite\n",
        .args = options,
        .n_args = sizeof(options) / sizeof(options[0]),
        .min = 1,
        .max = 1,
    };
    struct bs_args args;
    struct work w = {0};
    struct bs_err err = {0};
    int status = 0;

    if (bs_args_take(&usage, argc, argv, &args) != BS_ARGS_RUN)
        return args.status;
    if (!take_conflict(conflict, &how))
        return bs_out_usage("restore copy-back", "--conflict is skip, overwrite or abort");
    how.table = o.table;
    how.triggers = no_triggers ? BS_COPYBACK_SUPPRESS : BS_COPYBACK_FIRE;
    how.made = remove_inserted ? BS_COPYBACK_REMOVE : BS_COPYBACK_KEEP;
    how.sequences = set_sequences ? BS_COPYBACK_SET_BACK : BS_COPYBACK_LEAVE;
    if (work_open(&w, &args, &o, HERE, &status, &err)) {
        if (err.code != BS_OK)
            status = bs_out_fail(&err);
        else
            status = plan ? print_plan(&w, &how) : copy_back(&w, &o, &how);
    }
    work_close(&w);
    return status;
}

static int
cmd_discard(int argc, char **argv)
{
    struct options o = {0};
    const struct bs_arg options[] = {COMMON_OPTIONS(o)};
    const struct bs_usage usage = {
        .verb = "restore discard",
        .operands = "POINT",
        .summary = "Drop the tables that `restore run` made from this point, and only those.",
        .examples = "backstop restore discard RP-01J9 --yes\n",
        .args = options,
        .n_args = sizeof(options) / sizeof(options[0]),
        .min = 1,
        .max = 1,
    };
    struct bs_args args;
    struct work w = {0};
    struct bs_discard discard;
    struct bs_err err = {0};
    int status = 0;

    if (bs_args_take(&usage, argc, argv, &args) != BS_ARGS_RUN)
        return args.status;
    if (work_open(&w, &args, &o, ELSEWHERE, &status, &err)) {
        if (err.code != BS_OK)
            status = bs_out_fail(&err);
        else if (confirmed(&o, "restore discard", "Drop the rebuilt tables?", &status)) {
            if (bs_discard_run(&w.r, &discard, &err) == BS_DONE)
                bs_view_discard(&w.r, &discard);
            else
                status = bs_out_fail(&err);
        }
    }
    work_close(&w);
    return status;
}

static const struct bs_verb verbs[] = {
    {"preview", "show what a restore would give back", cmd_preview},
    {"run", "load saved rows into tables beside the live ones", cmd_run},
    {"diff", "compare saved rows with live ones", cmd_diff},
    {"copy-back", "put lost tables and rows back into their place", cmd_copy_back},
    {"discard", "drop the tables that run has made", cmd_discard},
};

int
bs_cmd_restore(int argc, char **argv)
{
    return bs_verbs_run("backstop restore", "Give back what a recovery point holds.", verbs,
                        sizeof(verbs) / sizeof(verbs[0]), argc, argv);
}
