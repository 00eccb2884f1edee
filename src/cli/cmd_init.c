/*
 * cmd_init.c - `backstop init`: what is missing is written, what is there is never touched.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "audit/digest.h"
#include "base/arena.h"
#include "base/files.h"
#include "cli/certificate.h"
#include "cli/cmd.h"
#include "cli/out.h"
#include "cli/starter.h"

#define MAX_TEXT ((size_t)1 << 20)

/* One run: where to, and what was done. */
struct run {
    const char *dir;
    json_t *written; /* names */
    json_t *kept;
};

static char *
path_of(const struct run *r, const char *name)
{
    char *path = NULL;

    if (asprintf(&path, "%s/%s", r->dir, name) < 0)
        path = bs_strdup(name);
    return path;
}

static bool
is_there(const struct run *r, const char *name)
{
    char *path = path_of(r, name);
    bool there = access(path, F_OK) == 0;

    free(path);
    return there;
}

static void
note(json_t *list, const char *name)
{
    (void)json_array_append_new(list, json_string(name));
}

/* bs_file_create never overwrites, so a file that appears meanwhile is an error, not a loss. */
static enum bs_done
write_file(
    struct run *r, const char *name, const struct bs_buf *text, mode_t mode, struct bs_err *err)
{
    char *path;
    enum bs_done done;

    if (is_there(r, name)) {
        note(r->kept, name);
        return BS_DONE;
    }
    path = path_of(r, name);
    done = bs_file_create(path, bs_buf_view(text), mode, err);
    free(path);
    if (done == BS_DONE)
        note(r->written, name);
    return done;
}

/* A key and a certificate belong together: both are there, or both are made. */
static enum bs_done
write_certificate(struct run *r, struct bs_err *err)
{
    bool key_there = is_there(r, "server.key"), cert_there = is_there(r, "server.crt");
    struct bs_buf key, cert;
    enum bs_done done = BS_DONE;

    if (key_there != cert_there)
        return BS_FAIL(err, CONFLICT,
                       "there is only one of server.key and server.crt in \"%.200s\"", r->dir);
    bs_buf_init(&key, 65536);
    bs_buf_init(&cert, 65536);
    if (!key_there)
        done = bs_certificate_make(&key, &cert, err);
    if (done == BS_DONE)
        done = write_file(r, "server.key", &key, 0600, err);
    if (done == BS_DONE)
        done = write_file(r, "server.crt", &cert, 0644, err);
    if (key.p != NULL)
        bs_wipe(key.p, key.cap);
    bs_buf_fini(&key);
    bs_buf_fini(&cert);
    return done;
}

/* Of digests in the audit: made before anything is redacted, so that it can be put away first. */
static enum bs_done
write_redact_key(struct run *r, struct bs_err *err)
{
    static const char name[] = "audit.redact.key";
    bool there = is_there(r, name);
    char *path = path_of(r, name);
    struct bs_audit_digest *d = NULL;
    enum bs_done done = there ? BS_DONE : bs_audit_digest_make(path, &d, err);

    bs_audit_digest_free(&d);
    free(path);
    if (done == BS_DONE)
        note(there ? r->kept : r->written, name);
    return done;
}

static enum bs_done
make_folders(struct run *r, struct bs_err *err)
{
    static const char *const names[] = {"audit", "storage", "spool"};

    if (bs_dir_make(r->dir, err) != BS_DONE)
        return BS_FAILED;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        bool there = is_there(r, names[i]);
        char *path = path_of(r, names[i]), shown[32];
        enum bs_done done = bs_dir_make(path, err);

        free(path);
        if (done != BS_DONE)
            return done;
        (void)snprintf(shown, sizeof(shown), "%s/", names[i]);
        note(there ? r->kept : r->written, shown);
    }
    return BS_DONE;
}

/* Before anything is written: options may have made a configuration that cannot be used. */
static enum bs_done
check(const struct run *r, const struct bs_buf *text, struct bs_err *err)
{
    struct bs_config *config = NULL;
    struct bs_problems problems = {0};
    char *path = path_of(r, "backstop.yaml");
    struct bs_err wrong = {0};
    enum bs_done done = bs_config_parse(bs_buf_view(text), path, &config, &problems, &wrong);

    if (done != BS_DONE)
        (void)BS_FAIL(err, USAGE, "these options give no usable configuration: %.300s",
                      problems.n == 0 ? wrong.message : problems.list[0].message);
    bs_problems_fini(&problems);
    bs_config_unref(&config);
    free(path);
    return done;
}

static enum bs_done
write_all(struct run *r, const struct bs_starter *starter, struct bs_err *err)
{
    struct bs_buf config, helper;
    enum bs_done done;

    bs_buf_init(&config, MAX_TEXT);
    bs_buf_init(&helper, MAX_TEXT);
    bs_starter_config(starter, &config);
    bs_starter_helper_sql(&helper);
    done = check(r, &config, err);
    if (done == BS_DONE)
        done = make_folders(r, err);
    if (done == BS_DONE)
        done = write_certificate(r, err);
    if (done == BS_DONE)
        done = write_redact_key(r, err);
    if (done == BS_DONE)
        done = write_file(r, "helper.sql", &helper, 0644, err);
    /* Last, so that a configuration that is there is one that is complete. */
    if (done == BS_DONE)
        done = write_file(r, "backstop.yaml", &config, 0600, err);
    bs_buf_fini(&config);
    bs_buf_fini(&helper);
    return done;
}

static void
print_names(const char *what, const json_t *list, const char *dir)
{
    const json_t *name;
    size_t i;

    json_array_foreach(list, i, name)
    {
        printf("%-8s ", what);
        bs_out_text(stdout, dir);
        putchar('/');
        bs_out_text(stdout, json_string_value(name));
        putchar('\n');
    }
}

static void
print(const struct run *r, const struct bs_starter *s)
{
    print_names("written", r->written, r->dir);
    print_names("kept", r->kept, r->dir);
    printf(
        "\nNext:\n"
        "  1. create Backstop's own role:     psql -v ON_ERROR_STOP=1 -f %s/helper.sql DATABASE\n"
        "  2. fit the connection strings in   %s/backstop.yaml\n"
        "  3. register whoever may approve:   backstop operators add NAME --config "
        "%s/backstop.yaml\n"
        "  4. register an agent:              backstop agents add NAME --database %s --config "
        "%s/backstop.yaml\n"
        "  5. look whether all is in place:   backstop doctor --config %s/backstop.yaml\n"
        "  6. start:                          backstop serve --config %s/backstop.yaml\n",
        r->dir, r->dir, r->dir, s->database, r->dir, r->dir, r->dir);
}

static int
run(const struct bs_args *args, const struct bs_starter *starter)
{
    struct run r = {.dir = args->n_operands == 1 ? args->operands[0] : ".",
                    .written = json_array(),
                    .kept = json_array()};
    struct bs_err err = {0};
    int status = 0;

    if (write_all(&r, starter, &err) != BS_DONE)
        status = bs_out_fail(&err);
    else if (args->json)
        bs_out_json(
            json_pack("{s:s,s:O,s:O}", "directory", r.dir, "written", r.written, "kept", r.kept));
    else
        print(&r, starter);
    json_decref(r.written);
    json_decref(r.kept);
    return status;
}

int
bs_cmd_init(int argc, char **argv)
{
    struct bs_starter s = {
        .listen = "127.0.0.1:6543",
        .operators = "127.0.0.1:6580",
        .database = "app",
        .upstream = "host=/var/run/postgresql dbname=app user=app_rw",
        .helper = "host=/var/run/postgresql dbname=app user=backstop",
        .environment = "production",
    };
    const struct bs_arg options[] = {
        {"database", 'd', BS_ARG_TEXT, "NAME", "the database, as agents call it (app)",
         &s.database},
        {"upstream", 0, BS_ARG_TEXT, "CONNINFO", "how agents' sessions reach it", &s.upstream},
        {"helper", 0, BS_ARG_TEXT, "CONNINFO", "how Backstop's own role reaches it", &s.helper},
        {"environment", 0, BS_ARG_TEXT, "WORD", "what approvers see (production)", &s.environment},
        {"listen", 0, BS_ARG_TEXT, "ADDRESS", "where agents connect (127.0.0.1:6543)", &s.listen},
        {"operators", 0, BS_ARG_TEXT, "ADDRESS", "where operators do (127.0.0.1:6580)",
         &s.operators},
    };
    const struct bs_usage usage = {
        .verb = "init",
        .operands = "[DIR]",
        .summary =
            "Write a starter configuration, certificate, helper role and folders into DIR (.).",
        .details = "Nothing that exists is changed, so it can be run again.",
        .examples = "  backstop init /etc/backstop\n"
                    "  backstop init --database shop --upstream 'host=db dbname=shop user=shop_rw' "
                    "\\\n"
                    "      --helper 'host=db dbname=shop user=backstop'\n",
        .args = options,
        .n_args = sizeof(options) / sizeof(options[0]),
        .max = 1,
        .without_config = true,
    };
    struct bs_args args;

    if (bs_args_take(&usage, argc, argv, &args) != BS_ARGS_RUN)
        return args.status;
    return run(&args, &s);
}
