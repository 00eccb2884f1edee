/*
 * cmd_points.c - `backstop points list|show|verify`: the recovery points in the store. Reads the
 * store alone; no database and no daemon has to be there.
 */
#include <stdio.h>
#include <string.h>

#include "api/points.h"
#include "base/clock.h"
#include "cli/cmd.h"
#include "cli/out.h"
#include "cli/points.h"
#include "cli/restoring.h"
#include "policy/values.h"
#include "recovery/check.h"
#include "recovery/keys.h"
#include "recovery/points.h"

enum { LIST_DEFAULT = 50 };

/* What all sub-verbs work with. */
struct work {
    struct bs_config *config;
    struct bs_store *store;
    struct bs_arena arena;
};

static void
work_close(struct work *w)
{
    bs_store_close(&w->store);
    bs_config_unref(&w->config);
    bs_arena_fini(&w->arena);
}

/* False where the configuration or the store cannot be opened; that has been said. */
static bool
work_open(struct work *w, const struct bs_args *args, int *status)
{
    struct bs_err err = {0};

    bs_arena_init(&w->arena, "points", (size_t)BS_MANIFEST_MAX * 4);
    w->config = bs_cmd_config(args, status);
    if (w->config == NULL)
        return false;
    if (bs_keys_open_store(w->config->storage_url, w->config->keys, w->config->key, &w->store,
                           &err) == BS_DONE)
        return true;
    *status = bs_out_fail(&err);
    return false;
}

static const char *
or_dash(const char *text)
{
    return text == NULL || text[0] == '\0' ? "-" : text;
}

/* "committed", "unfinished"; what became of the statement. */
/* What is to be known beside its outcome: it is being removed, or gone. */
static const char *
fate_name(const struct bs_point_ref *p)
{
    return p->erased != BS_EVENT_NONE ? bs_event_name(p->erased) : p->expired ? "expired" : NULL;
}

/* "public.users +2"; the tables of a point in a few words. */
static void
put_tables(char out[200], const struct bs_manifest *m)
{
    if (m->n_objects == 0)
        (void)snprintf(out, 200, "-");
    else if (m->n_objects == 1)
        (void)snprintf(out, 200, "%.90s.%.90s", m->objects[0].schema, m->objects[0].name);
    else
        (void)snprintf(out, 200, "%.80s.%.80s +%zu", m->objects[0].schema, m->objects[0].name,
                       m->n_objects - 1);
}

static void
entry_row(struct bs_table *t, const struct bs_point_ref *p, const struct bs_manifest *m)
{
    char at[BS_TIME_TEXT] = "-", size[24] = "-", tables[200] = "-";

    if (m != NULL) {
        bs_time_format(m->created_us, at);
        bs_out_size(size, bs_point_bytes(m));
        put_tables(tables, m);
    }
    bs_table_cell(t, "%s", p->id);
    bs_table_cell(t, "%.19s", at);
    bs_table_cell(t, "%s", m == NULL ? "-" : m->source.database);
    bs_table_cell(t, "%s", m == NULL ? "-" : or_dash(m->statement.kind));
    bs_table_cell(t, "%s", tables);
    if (m == NULL)
        bs_table_cell(t, "-");
    else
        bs_table_cell(t, "%lld", (long long)bs_point_rows(m));
    bs_table_cell(t, "%s", size);
    bs_table_cell(t, "%s", m == NULL ? "-" : or_dash(m->actor.agent));
    bs_table_cell(t, "%s%s%s%s%s", bs_point_outcome(p), p->restored ? ", restored" : "",
                  p->held ? ", held" : "", fate_name(p) == NULL ? "" : ", ",
                  fate_name(p) == NULL ? "" : fate_name(p));
    if (p->erased != BS_EVENT_NONE)
        bs_table_cell(t, "-");
    else
        bs_table_cell(t, "%s", m == NULL && p->complete ? "damaged" : bs_point_proof(p, m));
}

static const char *const list_heads[] = {"POINT", "CREATED (UTC)", "DATABASE", "KIND",  "TABLES",
                                         "ROWS",  "SIZE",          "ACTOR",    "STATE", "PROOF"};

static int
list_points(struct work *w, const char *database, int64_t limit, bool json)
{
    struct bs_points all = {0};
    struct bs_err err = {0};
    struct bs_table table = {0};
    json_t *list = json_array();
    int64_t shown = 0;

    if (bs_points_list(w->store, "", &w->arena, &all, &err) != BS_DONE) {
        json_decref(list);
        return bs_out_fail(&err);
    }
    if (database != NULL)
        database = bs_point_database(w->config, database, &w->arena);
    bs_table_init(&table, list_heads, sizeof(list_heads) / sizeof(list_heads[0]));
    for (size_t i = 0; i < all.n && shown < limit; i++) {
        const struct bs_point_ref *p = &all.list[i];
        struct bs_manifest m;
        struct bs_arena arena;
        struct bs_err why = {0};
        bool read;
        if (database != NULL && !bs_point_in_database(p, database))
            continue;
        bs_arena_init(&arena, "manifest", (size_t)BS_MANIFEST_MAX * 4);
        read = bs_point_load(w->store, p, &arena, &m, &why) == BS_DONE;
        if (json)
            (void)json_array_append_new(list, bs_point_entry_json(p, read ? &m : NULL, &why));
        else
            entry_row(&table, p, read ? &m : NULL);
        bs_arena_fini(&arena);
        shown++;
    }
    if (json)
        bs_out_json(json_pack("{s:O}", "points", list));
    else
        bs_table_print(&table);
    json_decref(list);
    bs_table_fini(&table);
    return 0;
}

static int
cmd_list(int argc, char **argv)
{
    const char *database = NULL;
    int64_t limit = LIST_DEFAULT;
    const struct bs_arg options[] = {
        {"database", 'd', BS_ARG_TEXT, "NAME", "only points of this database", &database},
        {"limit", 'n', BS_ARG_NUMBER, "N", "at most so many, newest first (50)", &limit},
    };
    const struct bs_usage usage = {
        .verb = "points list",
        .operands = "",
        .summary = "List recovery points, newest first.",
        .examples = "  backstop points list --database app --json\n",
        .args = options,
        .n_args = sizeof(options) / sizeof(options[0]),
    };
    struct bs_args args;
    struct work w = {0};
    int status = 0;

    if (bs_args_take(&usage, argc, argv, &args) != BS_ARGS_RUN)
        return args.status;
    if (work_open(&w, &args, &status))
        status = list_points(&w, database, limit, args.json);
    work_close(&w);
    return status;
}

static void
show_objects(const struct bs_manifest *m)
{
    static const char *const heads[] = {"TABLE", "WHAT", "REACH", "ROWS", "SIZE"};
    struct bs_table table = {0};

    bs_table_init(&table, heads, sizeof(heads) / sizeof(heads[0]));
    for (size_t i = 0; i < m->n_objects; i++) {
        const struct bs_point_object *o = &m->objects[i];
        char size[24];
        bs_out_size(size, o->stored_bytes);
        bs_table_cell(&table, "%s.%s", o->schema, o->name);
        bs_table_cell(&table, "%s", or_dash(o->kind));
        bs_table_cell(&table, "%s", or_dash(o->reach));
        bs_table_cell(&table, "%lld", (long long)o->row_count);
        bs_table_cell(&table, "%s", size);
    }
    putchar('\n');
    bs_table_print(&table);
    bs_table_fini(&table);
}

/* A view's own rewrite rule says nothing that the view does not. */
static bool
worth_showing(const struct bs_point_dependent *d)
{
    static const char own[] = "\"_RETURN\" on ";

    return !d->part && strncmp(d->identity, own, sizeof(own) - 1) != 0;
}

/* What CASCADE takes besides the tables' own parts. */
static void
show_closure(const struct bs_manifest *m)
{
    bool any = false;

    for (size_t i = 0; i < m->n_closure; i++) {
        if (!worth_showing(&m->closure[i]))
            continue;
        if (!any)
            puts("\nhangs on these tables:");
        any = true;
        printf("  %s ", m->closure[i].type);
        bs_out_text(stdout, m->closure[i].identity);
        putchar('\n');
    }
}

static void
show_events(const struct bs_point_event *e, size_t n)
{
    if (n != 0)
        puts("\nevents:");
    for (size_t i = 0; i < n; i++) {
        char at[BS_TIME_TEXT];
        bs_time_format(e[i].at_us, at);
        printf("  %.19s  %s", at, bs_event_name(e[i].state));
        if (e[i].by != NULL)
            printf(" by ");
        bs_out_text(stdout, e[i].by == NULL ? "" : e[i].by);
        putchar('\n');
    }
}

static void
show_text(const struct bs_point_ref *p, const struct bs_manifest *m)
{
    char at[BS_TIME_TEXT], text[256];

    bs_time_format(m->created_us, at);
    (void)snprintf(text, sizeof(text), "%.19s UTC", at);
    bs_out_line("point", p->id);
    bs_out_line("created", text);
    (void)snprintf(text, sizeof(text), "%.100s (oid %u, system %.40s)", m->source.database,
                   m->source.database_oid, m->source.system_identifier);
    bs_out_line("database", text);
    bs_out_line("statement", m->statement.text != NULL ? m->statement.text : m->statement.kind);
    bs_out_line("actor", m->actor.agent);
    bs_out_line("owner", m->actor.owner);
    bs_out_line("from", m->actor.address);
    bs_out_line("ticket", m->actor.ticket);
    bs_out_line("approver", m->actor.approver);
    bs_out_line("mode", m->capture.mode);
    bs_out_line("definition", m->schema.key == NULL ? "not stored" : m->schema.pg_dump);
    bs_out_line("state", bs_point_outcome(p));
    bs_out_line("proof", bs_point_proof(p, m));
    bs_out_line("kept", p->expired ? "expired: it is being removed, and may not be whole"
                        : p->held  ? "held, until it is released"
                                   : NULL);
}

/* All that is left of one that was erased. */
static int
show_erased(struct work *w, const struct bs_point_ref *p)
{
    struct bs_point_event *events = NULL;
    struct bs_manifest m;
    struct bs_err err = {0}, said = {0};
    size_t n = 0;

    if (bs_points_events(w->store, p, &w->arena, &events, &n, &err) != BS_DONE)
        return bs_out_fail(&err);
    (void)!bs_points_load(w->store, p, &w->arena, &m, &said); /* its words, the same everywhere */
    bs_out_line("point", p->id);
    bs_out_line("kept", said.message);
    show_events(events, n);
    return 0;
}

static int
show_point_json(struct work *w, const struct bs_point_ref *p)
{
    struct bs_err err = {0};
    json_t *out;

    if (bs_point_json(w->store, p, &w->arena, &out, &err) != BS_DONE)
        return bs_out_fail(&err);
    bs_out_json(out);
    return 0;
}

static int
show_point(struct work *w, const char *id, bool json)
{
    struct bs_point_ref p;
    struct bs_manifest m;
    struct bs_point_event *events = NULL;
    size_t n = 0;
    struct bs_err err = {0};

    if (bs_points_find(w->store, id, &w->arena, &p, &err) != BS_DONE)
        return bs_out_fail(&err);
    if (json)
        return show_point_json(w, &p);
    if (p.erased != BS_EVENT_NONE)
        return show_erased(w, &p);
    if (bs_point_load(w->store, &p, &w->arena, &m, &err) != BS_DONE ||
        bs_points_events(w->store, &p, &w->arena, &events, &n, &err) != BS_DONE)
        return bs_out_fail(&err);
    show_text(&p, &m);
    show_objects(&m);
    show_closure(&m);
    show_events(events, n);
    return 0;
}

static int
cmd_show(int argc, char **argv)
{
    const struct bs_usage usage = {
        .verb = "points show",
        .operands = "POINT",
        .summary = "Show what a recovery point holds and what happened to it.",
        .details = "POINT is an id or its unique beginning, with or without \"RP-\".",
        .examples = "  backstop points show RP-01KB3Z\n",
        .min = 1,
        .max = 1,
    };
    struct bs_args args;
    struct work w = {0};
    int status = 0;

    if (bs_args_take(&usage, argc, argv, &args) != BS_ARGS_RUN)
        return args.status;
    if (work_open(&w, &args, &status))
        status = show_point(&w, args.operands[0], args.json);
    work_close(&w);
    return status;
}

/* Reads a whole point again and notes what was found; false where it is damaged or unreadable. */
static bool
verify_one(struct work *w, const struct bs_point_ref *p, json_t *list, struct bs_err *err)
{
    struct bs_verify_report r;
    bool ok = bs_point_check(w->store, p, "points verify", NULL, &r, err) == BS_DONE;

    (void)json_array_append_new(list, json_pack("{s:s,s:b,s:I,s:I,s:I,s:s*,s:s*}", "point", p->id,
                                                "ok", ok, "objects", (json_int_t)r.objects, "rows",
                                                (json_int_t)r.rows, "stored_bytes",
                                                (json_int_t)r.stored_bytes, "damaged",
                                                r.damaged[0] == '\0' ? NULL : r.damaged, "error",
                                                ok ? NULL : err->message));
    return ok;
}

static void
verify_said(const struct bs_point_ref *p, bool ok, const struct bs_err *err, const json_t *report)
{
    char size[24];

    bs_out_size(size, json_integer_value(json_object_get(report, "stored_bytes")));
    if (ok)
        printf("%s %sverified%s: %lld objects, %lld rows, %s\n", p->id,
               bs_out_paint(stdout, BS_PAINT_GREEN), bs_out_paint(stdout, BS_PAINT_NONE),
               (long long)json_integer_value(json_object_get(report, "objects")),
               (long long)json_integer_value(json_object_get(report, "rows")), size);
    else
        printf("%s %s%s%s: %s\n", p->id, bs_out_paint(stdout, BS_PAINT_RED),
               err->code == BS_E_DAMAGED ? "DAMAGED" : "not verified",
               bs_out_paint(stdout, BS_PAINT_NONE), err->message);
}

/* All of them, whatever is found on the way; the worst exit status. */
static int
verify_list(struct work *w, const struct bs_points *points, bool json)
{
    json_t *list = json_array();
    int status = 0;

    for (size_t i = 0; i < points->n; i++) {
        struct bs_err err = {0};
        bool ok = verify_one(w, &points->list[i], list, &err);
        if (!ok)
            status =
                err.code == BS_E_DAMAGED && status <= 1 ? 1 : bs_code_get(err.code)->exit_status;
        if (!json)
            verify_said(&points->list[i], ok, &err, json_array_get(list, i));
    }
    if (json)
        bs_out_json(json_pack("{s:b,s:O}", "ok", status == 0, "points", list));
    json_decref(list);
    return status;
}

/* "20" or "5%". */
static bool
take_sample(const char *text, struct bs_point_sample *out)
{
    return bs_value_share(text, &out->share) ||
           (bs_value_integer(text, &out->number) && out->number > 0);
}

static int
cmd_verify(int argc, char **argv)
{
    bool everything = false;
    const char *some = NULL;
    const struct bs_arg options[] = {
        {"all", 'a', BS_ARG_FLAG, NULL, "every complete point in the store", &everything},
        {"sample", 's', BS_ARG_TEXT, "N|P%", "so many of them, or such a share, by chance", &some},
    };
    const struct bs_usage usage = {
        .verb = "points verify",
        .operands = "[POINT...]",
        .summary = "Read recovery points again, whole, and compare them with their manifests.",
        .details =
            "Notes the finding as an event of the point. Exit status 1: something is damaged.",
        .examples = "  backstop points verify RP-01KB3Z\n  backstop points verify --all\n"
                    "  backstop points verify --sample 5%\n",
        .args = options,
        .n_args = 2,
        .max = -1,
    };
    struct bs_args args;
    struct bs_points points = {0};
    struct bs_point_sample sample = {0};
    struct bs_err err = {0};
    struct work w = {0};
    int status = 0;

    if (bs_args_take(&usage, argc, argv, &args) != BS_ARGS_RUN)
        return args.status;
    if (some != NULL && !take_sample(some, &sample))
        return bs_out_usage("backstop points verify", "--sample: \"%s\" is not as 20 or 5%%", some);
    everything = everything || some != NULL;
    if (everything == (args.n_operands != 0))
        return bs_out_usage("backstop points verify", "name points, or --all or --sample");
    if (!work_open(&w, &args, &status))
        goto out;
    if (everything && bs_points_list(w.store, "", &w.arena, &points, &err) == BS_DONE)
        bs_points_sample(&points, &sample);
    if (!everything)
        points.list = bs_arena_array(&w.arena, (size_t)args.n_operands, sizeof(*points.list));
    for (int i = 0; err.code == BS_OK && points.list != NULL && i < args.n_operands; i++) {
        if (bs_points_find(w.store, args.operands[i], &w.arena, &points.list[i], &err) == BS_DONE)
            points.n++;
    }
    status = err.code == BS_OK ? verify_list(&w, &points, args.json) : bs_out_fail(&err);
out:
    work_close(&w);
    return status;
}

int
bs_cmd_points(int argc, char **argv)
{
    static const struct bs_verb verbs[] = {
        {"list", "list recovery points", cmd_list},
        {"show", "show what one holds", cmd_show},
        {"prune", "remove what is no longer kept", bs_points_prune},
        {"hold", "keep one whatever its age", bs_points_hold},
        {"release", "and no more", bs_points_release},
        {"erase", "take one away for good", bs_points_erase},
        {"settle", "say how a statement ended that nobody knows of", bs_points_settle},
        {"verify", "read points again and compare", cmd_verify},
        {"export", "write saved rows as CSV, JSON lines or SQL", bs_points_export},
    };

    return bs_verbs_run("backstop points", "Recovery points: what can be given back.", verbs,
                        sizeof(verbs) / sizeof(verbs[0]), argc, argv);
}
