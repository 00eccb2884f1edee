/*
 * cmd_mcp_install.c - `backstop mcp install`: puts us into the configuration of a client.
 *
 * What is there stays, and stays beside it as .bak; what cannot be read is left alone. A password goes into
 * a file of its own, which only its owner can read, and never into a client's configuration.
 */
#include <errno.h>
#include <jansson.h>
#include <libpq-fe.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/files.h"
#include "cli/args.h"
#include "cli/mcp_clients.h"
#include "cli/mcp_install.h"
#include "cli/out.h"

#define FILE_MAX ((size_t)8 << 20)
#define TOKEN    "BACKSTOP_TOKEN"

struct options {
    const char *dsn, *url, *password, *name, *file;
    bool print, write;
};

/* A value between quotes, as a connection string has it. */
static void
put_value(struct bs_buf *b, const char *value)
{
    bs_put_u8(b, '\'');
    for (; *value != '\0'; value++) {
        if (*value == '\'' || *value == '\\')
            bs_put_u8(b, '\\');
        bs_put_u8(b, (uint8_t)*value);
    }
    bs_put_u8(b, '\'');
}

static bool
is_plain(const char *value)
{
    return value[0] != '\0' && strpbrk(value, " '\\\t\n") == NULL;
}

/* The connection string without its password, which goes to `secret` (NULL: it has none). */
static enum bs_done
take_dsn(const char *dsn, struct bs_buf *out, char **secret, struct bs_err *err)
{
    char *wrong = NULL;
    PQconninfoOption *parts = PQconninfoParse(dsn, &wrong);

    PQfreemem(wrong);
    if (parts == NULL)
        return BS_FAIL(err, USAGE, "--dsn is no connection string");
    for (PQconninfoOption *o = parts; o->keyword != NULL; o++) {
        if (o->val == NULL)
            continue;
        if (strcmp(o->keyword, "password") == 0) {
            *secret = bs_strdup(o->val);
            bs_wipe(o->val, strlen(o->val));
            continue;
        }
        if (o->dispchar[0] == '*') { /* another secret of libpq's, such as sslpassword */
            (void)BS_FAIL(err, USAGE, "%s is a secret: it is not written into a configuration",
                          o->keyword);
            bs_wipe(o->val, strlen(o->val));
            continue;
        }
        bs_put_fmt(out, "%s%s=", out->n == 0 ? "" : " ", o->keyword);
        if (is_plain(o->val))
            bs_put_str(out, o->val);
        else
            put_value(out, o->val);
    }
    bs_put_u8(out, 0);
    PQconninfoFree(parts);
    return err->code == BS_OK ? BS_DONE : BS_FAILED;
}

/* Where a password is kept that came with the connection string; to be freed. */
static char *
password_path(const char *name, struct bs_err *err)
{
    const char *config = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");
    struct bs_buf b;
    char *path = NULL;

    bs_buf_init(&b, PATH_MAX);
    if (config != NULL && config[0] == '/')
        bs_put_fmt(&b, "%s/backstop", config);
    else if (home != NULL && home[0] == '/')
        bs_put_fmt(&b, "%s/.config/backstop", home);
    bs_put_fmt(&b, "/mcp-%s.password", name);
    bs_put_u8(&b, 0);
    if (b.failed || b.p[1] == 'm')
        (void)BS_FAIL(err, USAGE, "no home folder is known for the password: give --password");
    else
        path = bs_strdup((const char *)b.p);
    bs_buf_fini(&b);
    return path;
}

static enum bs_done
keep_password(const char *path, const char *secret, struct bs_err *err)
{
    char *folder = bs_strdup(path);
    enum bs_done done;

    *strrchr(folder, '/') = '\0';
    done = bs_dir_make(folder, err);
    if (done == BS_DONE)
        done = bs_file_replace(path, bs_bytes_of(secret), 0600, err);
    free(folder);
    return done;
}

/* As a client has to start us: it may know no PATH. */
static const char *
own_program(char path[PATH_MAX])
{
    ssize_t n = readlink("/proc/self/exe", path, PATH_MAX - 1);

    if (n <= 0)
        return "backstop";
    path[n] = '\0';
    return path;
}

/* The file behind a link, which is not to be replaced by one. */
static char *
settle_path(const struct bs_mcp_client *client, const char *file)
{
    char *path = file == NULL ? bs_mcp_client_path(client) : bs_strdup(file);
    char *real = path == NULL ? NULL : realpath(path, NULL);

    if (real == NULL)
        return path;
    free(path);
    return real;
}

/* Empty where there is none. */
static enum bs_done
read_config(const char *path, struct bs_buf *was, struct bs_err *err)
{
    if (bs_file_read(path, was, err) == BS_DONE)
        return BS_DONE;
    if (err->code != BS_E_NOT_FOUND)
        return BS_FAILED;
    bs_err_clear(err);
    bs_buf_clear(was);
    return BS_DONE;
}

static enum bs_done
write_config(const char *path, struct bs_bytes was, struct bs_bytes now, struct bs_err *err)
{
    char *folder = bs_strdup(path), *slash = strrchr(folder, '/');
    char bak[PATH_MAX];
    enum bs_done done = BS_DONE;

    if (slash != NULL && slash != folder) {
        *slash = '\0';
        done = bs_dir_make(folder, err);
    }
    free(folder);
    if (done == BS_DONE && was.n > 0) {
        if (snprintf(bak, sizeof(bak), "%s.bak", path) >= (int)sizeof(bak))
            return BS_FAIL(err, IO, "the path is too long");
        done = bs_file_replace(bak, was, 0600, err);
    }
    return done == BS_DONE ? bs_file_replace(path, now, 0600, err) : BS_FAILED;
}

static void
hint_url(const struct options *o)
{
    if (o->url != NULL)
        fprintf(stderr, "The client fills in " TOKEN ": an agent's name and password, as\n"
                        "    printf '%%s' AGENT:PASSWORD | base64 | tr '+/' '-_' | tr -d '='\n");
}

/* Prints the entry alone, as a file that has nothing else. */
static int
print(const struct bs_mcp_client *client, const struct bs_mcp_entry *entry, const char *path)
{
    struct bs_buf out;
    struct bs_err err = {0};
    int status = 0;

    bs_buf_init(&out, FILE_MAX);
    if (bs_mcp_client_merge(client, entry, (struct bs_bytes){NULL, 0}, &out, &err) != BS_DONE) {
        status = bs_out_fail(&err);
    } else {
        fprintf(stderr, "For %s:\n", path == NULL ? "the client's configuration" : path);
        (void)fwrite(out.p, 1, out.n, stdout);
    }
    bs_buf_fini(&out);
    return status;
}

static int
write_it(const struct bs_mcp_client *client, const struct bs_mcp_entry *entry, const char *path)
{
    struct bs_buf was, now;
    struct bs_err err = {0};
    int status = 0;

    bs_buf_init(&was, FILE_MAX);
    bs_buf_init(&now, 2 * FILE_MAX);
    if (path == NULL)
        (void)BS_FAIL(&err, USAGE, "no home folder is known: give --file");
    else if (read_config(path, &was, &err) == BS_DONE &&
             bs_mcp_client_merge(client, entry, bs_buf_view(&was), &now, &err) != BS_DONE)
        bs_err_prefix(&err, "%.300s is left as it is", path);
    if (err.code == BS_OK && bs_bytes_equal(bs_buf_view(&was), bs_buf_view(&now)))
        printf("%s: nothing to change\n", path);
    else if (err.code == BS_OK &&
             write_config(path, bs_buf_view(&was), bs_buf_view(&now), &err) == BS_DONE)
        printf("%s: written%s\n", path, was.n > 0 ? "; what it was is beside it, as .bak" : "");
    if (err.code != BS_OK) {
        bs_err_hint(&err, "--print shows what to add by hand");
        status = bs_out_fail(&err);
    }
    bs_buf_fini(&was);
    bs_buf_fini(&now);
    return status;
}

/* "https://NAME:PASSWORD@host/mcp" */
static bool
has_password(const char *url)
{
    const char *host = url == NULL ? NULL : strstr(url, "://");

    return host != NULL && host[3 + strcspn(host + 3, "@/?#")] == '@';
}

/* True for what may be a bare key in either form of configuration. */
static bool
is_name(const char *name)
{
    size_t n = strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-");

    return n > 0 && n <= 40 && name[n] == '\0';
}

static int
install(const struct bs_mcp_client *client, const struct options *o, const char *dsn, char *source)
{
    const char *args[] = {"mcp", "--dsn", dsn, source == NULL ? NULL : "--password", source, NULL};
    char program[PATH_MAX];
    struct bs_mcp_entry entry = {.name = o->name,
                                 .program = own_program(program),
                                 .args = args,
                                 .url = o->url,
                                 .token = TOKEN};
    char *path = settle_path(client, o->file);
    int status = o->write ? write_it(client, &entry, path) : print(client, &entry, path);

    if (status == 0)
        hint_url(o);
    free(path);
    return status;
}

/* With a password in the connection string: into its file, and the file's name into the configuration. */
static int
install_stdio(const struct bs_mcp_client *client, const struct options *o)
{
    char *secret = NULL, *path = NULL, *source = bs_strdup(o->password);
    struct bs_err err = {0};
    struct bs_buf dsn;

    bs_buf_init(&dsn, 65536);
    if (take_dsn(o->dsn, &dsn, &secret, &err) == BS_DONE && secret != NULL && source == NULL) {
        path = password_path(o->name, &err);
        if (path != NULL && (!o->write || keep_password(path, secret, &err) == BS_DONE)) {
            size_t n = strlen(path) + 6;

            source = bs_malloc(n);
            (void)snprintf(source, n, "file:%s", path);
        }
    }
    bs_free_secret(&secret);
    if (err.code == BS_OK && path != NULL && !o->write)
        fprintf(stderr, "Put the password into %s, readable by its owner only; --write does so.\n",
                path);
    int status =
        err.code == BS_OK ? install(client, o, (const char *)dsn.p, source) : bs_out_fail(&err);
    free(source);
    free(path);
    bs_buf_fini(&dsn);
    return status;
}

int
bs_mcp_install(int argc, char **argv)
{
    struct options o = {.name = "backstop"};
    const struct bs_arg args[] = {
        {"dsn", 'd', BS_ARG_TEXT, "DSN", "the gateway, the agent's name and its database", &o.dsn},
        {"password", 0, BS_ARG_TEXT, "SOURCE", "file:PATH, command:PROGRAM or env:NAME",
         &o.password},
        {"url", 'u', BS_ARG_TEXT, "URL", "the gateway's /mcp, instead of a program that is started",
         &o.url},
        {"name", 'n', BS_ARG_TEXT, "NAME", "what the client calls it: \"backstop\" unless given",
         &o.name},
        {"file", 0, BS_ARG_TEXT, "FILE", "this file, not the client's own", &o.file},
        {"print", 0, BS_ARG_FLAG, NULL, "only show it (this is so without --write, too)", &o.print},
        {"write", 'w', BS_ARG_FLAG, NULL, "write it; what was there is kept as .bak", &o.write},
    };
    const struct bs_usage usage = {
        .verb = "mcp install",
        .operands = "CLIENT",
        .summary = "Put this server into the configuration of a client.",
        .details =
            "CLIENT is claude, cursor, vscode, codex, gemini or windsurf. No password is written\n"
            "there: one that is in the DSN goes into a file that only its owner can read.\n"
            "Exit status 65: the client's file cannot be added to, and was left as it is.",
        .examples = "  backstop mcp install claude --dsn "
                    "postgresql://alice:PASSWORD@127.0.0.1:6543/app --write\n"
                    "  backstop mcp install cursor --url https://db.example.com:6581/mcp/app\n",
        .args = args,
        .n_args = sizeof(args) / sizeof(args[0]),
        .min = 1,
        .max = 1,
        .without_config = true,
    };
    const struct bs_mcp_client *client;
    struct bs_args got;

    if (bs_args_take(&usage, argc, argv, &got) != BS_ARGS_RUN)
        return got.status;
    client = bs_mcp_client_find(got.operands[0]);
    if (client == NULL)
        return bs_out_usage("backstop mcp install", "there is no client \"%.40s\" (%s)",
                            got.operands[0], bs_mcp_client_names);
    if (!is_name(o.name))
        return bs_out_usage("backstop mcp install", "a name has letters, digits, - and _ only");
    if (has_password(o.url))
        return bs_out_usage("backstop mcp install",
                            "the URL has a name or password: leave it out, " TOKEN " has both");
    if (o.dsn == NULL && o.url == NULL)
        o.dsn = getenv("BACKSTOP_DATABASE_URL");
    if ((o.dsn == NULL) == (o.url == NULL) || (o.print && o.write))
        return bs_out_usage("backstop mcp install", "%s",
                            o.print && o.write ? "--print or --write" : "give --dsn or --url");
    return o.url != NULL ? install(client, &o, "", NULL) : install_stdio(client, &o);
}
