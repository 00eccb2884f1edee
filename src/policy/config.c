/*
 * config.c - one file in, all problems or one immutable config out.
 *
 * libyaml stops at the first text that is no YAML, so then there is one problem; everything above
 * the grammar is collected.
 */
#include "policy/config.h"

#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/files.h"
#include "policy/keeping.h"
#include "policy/load.h"
#include "policy/notify.h"

#define MAX_FILE     ((size_t)1 << 20)
#define MAX_CONFIG   ((size_t)16 << 20)
#define DEFAULT_PORT 6543

/* What a bs_config really is. */
struct holder {
    struct bs_config config; /* first, so that both have one address */
    struct bs_policy policy;
    struct bs_config_retention retention;
    struct bs_config_verify verify;
    struct bs_arena arena;
    atomic_int refs;
};

static struct holder *
holder_of(struct bs_config *c)
{
    return (struct holder *)(void *)c;
}

void
bs_problems_fini(struct bs_problems *problems)
{
    for (size_t i = 0; i < problems->n; i++)
        free(problems->list[i].message);
    free(problems->list);
    *problems = (struct bs_problems){0};
}

struct bs_config *
bs_config_ref(struct bs_config *c)
{
    atomic_fetch_add_explicit(&holder_of(c)->refs, 1, memory_order_relaxed);
    return c;
}

/* The strings are ours: they are const for readers only. */
static void
wipe(const char *secret)
{
    if (secret != NULL)
        bs_wipe((void *)(uintptr_t)secret, strlen(secret));
}

static void
wipe_notify(const struct bs_config *c)
{
    for (size_t i = 0; i < c->n_notify; i++) {
        wipe(c->notify[i].url);
        wipe(c->notify[i].secret);
        wipe(c->notify[i].old);
        wipe(c->notify[i].token);
        wipe(c->notify[i].signing_secret);
    }
}

void
bs_config_unref(struct bs_config **c)
{
    struct holder *h;

    if (*c == NULL)
        return;
    h = holder_of(*c);
    *c = NULL;
    if (atomic_fetch_sub_explicit(&h->refs, 1, memory_order_acq_rel) != 1)
        return;
    for (size_t i = 0; i < h->config.n_databases; i++) {
        wipe(h->config.databases[i].upstream);
        wipe(h->config.databases[i].upstream_libpq);
        wipe(h->config.databases[i].helper);
        wipe(h->config.databases[i].restorer);
    }
    wipe(h->config.scratch);
    wipe_notify(&h->config);
    bs_arena_fini(&h->arena);
    free(h);
}

const struct bs_config_database *
bs_config_database_find(const struct bs_config *c, const char *name)
{
    for (size_t i = 0; i < c->n_databases; i++) {
        if (strcmp(c->databases[i].name, name) == 0)
            return &c->databases[i];
    }
    return NULL;
}

const char *
bs_config_pg_dump_find(const struct bs_config *c, int major)
{
    for (size_t i = 0; i < c->n_pg_dumps; i++) {
        if (c->pg_dumps[i].major == major)
            return c->pg_dumps[i].path;
    }
    return NULL;
}

/* The absolute folder of a file that need not exist (a text under test); NULL: no memory for it. */
static const char *
folder_of(struct bs_arena *arena, const char *file)
{
    const char *slash = strrchr(file, '/');
    struct bs_bytes part = {(const uint8_t *)file, slash == NULL ? 0 : (size_t)(slash - file)};
    char here[PATH_MAX];

    if (file[0] == '/')
        return part.n == 0 ? "" : bs_arena_copy(arena, part);
    if (getcwd(here, sizeof(here)) == NULL)
        return NULL;
    if (part.n == 0)
        return bs_arena_str(arena, here);
    return bs_arena_fmt(arena, "%s/%.*s", here, (int)part.n, file);
}

/* Clients look for .s.PGSQL.<port> in a folder: give Unix listeners the port of the TCP one. */
static void
finish_listen(struct bs_load *l)
{
    struct bs_config *c = l->config;
    uint16_t port = DEFAULT_PORT;

    for (size_t i = c->n_listen; i-- > 0;) {
        if (c->listen[i].dir == NULL)
            port = c->listen[i].port;
    }
    for (size_t i = 0; i < c->n_listen; i++) {
        struct bs_config_listen *at = &c->listen[i];
        if (at->dir == NULL) {
            if (c->operators.host != NULL && at->port == c->operators.port)
                bs_load_problem(l, 0,
                                "operators.listen: port %d is an actors' listener; operators must "
                                "have a port of their own",
                                at->port);
            continue;
        }
        at->port = port;
        if (strlen(at->dir) + sizeof("/.s.PGSQL.65535") >
            sizeof(((struct sockaddr_un *)0)->sun_path))
            bs_load_problem(l, 0, "listen: the folder \"%.120s\" is too long for a Unix socket",
                            at->dir);
    }
}

static void
finish_tls(struct bs_load *l)
{
    const struct bs_config *c = l->config;

    if (c->tls_client_ca != NULL)
        return;
    if (c->tls_client_crl != NULL)
        bs_load_problem(l, 0,
                        "tls.client_crl needs tls.client_ca: no client is asked for a certificate");
    if (c->clients.certificate == BS_CONFIG_CLIENT_CERT_REQUIRE)
        bs_load_problem(l, 0,
                        "tls.client_cert: \"require\" needs tls.client_ca: nobody could log in");
}

/* Beside the folder, not in it: a copy of the log is not to have the key with it. */
static void
finish_audit(struct bs_load *l)
{
    struct bs_config *c = l->config;

    if (c->audit_directory == NULL)
        return;
    if (c->audit_upload != NULL && strcmp(c->audit_upload, BS_UPLOAD_STORAGE) == 0)
        c->audit_upload = c->storage_url;
    if (c->audit_key == NULL)
        c->audit_key = bs_arena_fmt(l->arena, "%s.key", c->audit_directory);
    if (c->audit_redact_key == NULL)
        c->audit_redact_key = bs_arena_fmt(l->arena, "%s.redact.key", c->audit_directory);
    l->full = l->full || c->audit_key == NULL || c->audit_redact_key == NULL;
}

/* Two databases with one helper and upstream are fine; one role for both jobs is not. */
static void
finish_databases(struct bs_load *l)
{
    for (size_t i = 0; i < l->config->n_databases; i++) {
        const struct bs_config_database *db = &l->config->databases[i];
        if (db->upstream != NULL && db->helper != NULL && strcmp(db->upstream, db->helper) == 0)
            bs_load_problem(l, l->database_lines[i],
                            "database \"%s\": upstream and helper are the same; the helper needs a "
                            "role of its own, which actors do not use",
                            db->name);
    }
}

static void
read_document(struct bs_load *l)
{
    yaml_node_t *root = yaml_document_get_root_node(&l->doc);

    if (root == NULL) {
        bs_load_problem(l, 0, "the file is empty");
        return;
    }
    bs_load_map(l, root, "", "", l->config);
    finish_listen(l);
    finish_tls(l);
    finish_audit(l);
    bs_check_agents(l);
    finish_databases(l);
    bs_check_rules(l);
    bs_check_approvers(l);
    bs_check_keeping(l);
    bs_check_required(l);
}

static int
by_line(const void *a, const void *b)
{
    return ((const struct bs_problem *)a)->line - ((const struct bs_problem *)b)->line;
}

void
bs_problems_sort(struct bs_problems *problems)
{
    if (problems->n != 0)
        qsort(problems->list, problems->n, sizeof(problems->list[0]), by_line);
}

static enum bs_done
fail(struct bs_problems *problems, const char *file, struct bs_err *err)
{
    const struct bs_problem *first = problems->list; /* once sorted */
    char where[32] = "";

    bs_problems_sort(problems);
    if (first->line != 0)
        (void)snprintf(where, sizeof(where), "line %d: ", first->line);
    return BS_FAIL(err, CONFIG, "%zu problem%s in \"%.160s\": %s%.240s", problems->n,
                   problems->n == 1 ? "" : "s", file, where, first->message);
}

enum bs_done
bs_config_parse(struct bs_bytes text,
                const char *file,
                struct bs_config **out,
                struct bs_problems *problems,
                struct bs_err *err)
{
    struct holder *h = bs_malloc(sizeof(*h));
    struct bs_config *c = &h->config;
    struct bs_load load = {.arena = &h->arena,
                           .config = c,
                           .policy = &h->policy,
                           .problems = problems,
                           .keys = bs_keys,
                           .n_keys = bs_keys_count};

    *out = NULL;
    atomic_init(&h->refs, 1);
    bs_arena_init(&h->arena, "config", MAX_CONFIG);
    bs_policy_init(&h->policy);
    c->policy = &h->policy;
    c->retention = &h->retention;
    c->verify = &h->verify;
    c->file = bs_load_str(&load, bs_bytes_of(file));
    c->folder = folder_of(&h->arena, file);
    if (c->folder == NULL)
        bs_load_problem(&load, 0, "the file's folder cannot be found");
    else
        bs_load_document(&load, text, read_document);
    /* What had no room was dropped, a rule perhaps: never a config without it. */
    if (load.full) {
        bs_problems_fini(problems);
        bs_load_problem(&load, 0, "the configuration is too large");
    }
    if (problems->n != 0) {
        bs_config_unref(&c);
        return fail(problems, file, err);
    }
    bs_policy_seal(&h->policy);
    *out = c;
    return BS_DONE;
}

enum bs_done
bs_config_load(const char *file,
               struct bs_config **out,
               struct bs_problems *problems,
               struct bs_err *err)
{
    struct bs_buf text;
    enum bs_done done;

    *out = NULL;
    bs_buf_init(&text, MAX_FILE);
    done = bs_file_read(file, &text, err);
    if (done == BS_DONE)
        done = bs_config_parse(bs_buf_view(&text), file, out, problems, err);
    if (text.p != NULL)
        bs_wipe(text.p, text.cap);
    bs_buf_fini(&text);
    return done;
}
