/*
 * keys.c - the table of all keys, and the readers of those outside the policy.
 */
#include <ctype.h>
#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policy/conn_newer.h"
#include "policy/keeping.h"
#include "policy/load.h"
#include "policy/notify.h"
#include "policy/values.h"
#include "storage/storage.h"

#define DAY_MS INT64_C(86400000)

void
bs_read_text(struct bs_load *l, const struct bs_key *key, struct bs_scalar value, void *into)
{
    (void)l;
    (void)key;
    *(const char **)into = value.text;
}

static void
read_path(struct bs_load *l, const struct bs_key *key, struct bs_scalar value, void *into)
{
    (void)key;
    *(const char **)into = bs_load_path(l, value.text);
}

/* Stores what lies within the row's bounds; `what` says how such a value is written. */
static void
store_number(struct bs_load *l,
             const struct bs_key *key,
             struct bs_scalar value,
             bool read,
             int64_t number,
             const char *what,
             int64_t *into)
{
    if (!read)
        bs_load_problem(l, value.line, "%s: \"%.60s\" is not %s", bs_key_shown(key), value.text,
                        what);
    else if (number < key->min || number > key->max)
        bs_load_problem(l, value.line, "%s: \"%.60s\" is too %s", bs_key_shown(key), value.text,
                        number < key->min ? "small" : "large");
    else
        *into = number;
}

void
bs_read_integer(struct bs_load *l, const struct bs_key *key, struct bs_scalar value, void *into)
{
    int64_t n = 0;
    bool read = bs_value_integer(value.text, &n);

    store_number(l, key, value, read, n, "a whole number", into);
}

void
bs_read_duration(struct bs_load *l, const struct bs_key *key, struct bs_scalar value, void *into)
{
    int64_t n = 0;
    bool read = bs_value_duration(value.text, &n);

    store_number(l, key, value, read, n, "a duration such as 500ms, 20s, 15m, 2h or 1d", into);
}

static void
read_size(struct bs_load *l, const struct bs_key *key, struct bs_scalar value, void *into)
{
    int64_t n = 0;
    bool read = bs_value_size(value.text, &n);

    store_number(l, key, value, read, n, "a size such as 64MB or 10GB", into);
}

void
bs_read_share(struct bs_load *l, const struct bs_key *key, struct bs_scalar value, void *into)
{
    if (!bs_value_share(value.text, into))
        bs_load_problem(l, value.line, "%s: \"%.60s\" is not a share such as 10%% or 0.5%%",
                        bs_key_shown(key), value.text);
}

void
bs_read_bool(struct bs_load *l, const struct bs_key *key, struct bs_scalar value, void *into)
{
    if (!bs_value_bool(value.text, into))
        bs_load_problem(l, value.line, "%s: \"%.60s\" is not true or false", bs_key_shown(key),
                        value.text);
}

bool
bs_read_listen(struct bs_load *l,
               const struct bs_key *key,
               struct bs_scalar value,
               struct bs_config_listen *out)
{
    const char *why = NULL;

    if (!bs_value_listen(value.text, l->arena, out, &why)) {
        bs_load_problem(l, value.line, "%s: \"%.60s\": %s", bs_key_shown(key), value.text, why);
        return false;
    }
    if (out->dir != NULL)
        out->dir = bs_load_path(l, out->dir);
    return !l->full;
}

static bool
same_listen(const struct bs_config_listen *a, const struct bs_config_listen *b)
{
    if (a->dir != NULL || b->dir != NULL)
        return a->dir != NULL && b->dir != NULL && strcmp(a->dir, b->dir) == 0;
    return a->port == b->port && strcmp(a->host, b->host) == 0;
}

static void
read_listen(struct bs_load *l, const struct bs_key *key, yaml_node_t *node, void *into)
{
    struct bs_config *c = l->config;
    size_t n = bs_load_list(l, key, node);

    (void)into;
    c->listen = bs_load_array(l, n, sizeof(c->listen[0]));
    for (size_t i = 0; c->listen != NULL && i < n; i++) {
        struct bs_scalar value;
        struct bs_config_listen *out = &c->listen[c->n_listen];
        size_t same = 0;

        if (!bs_load_scalar(l, key, bs_load_item(l, node, i), &value) ||
            !bs_read_listen(l, key, value, out))
            continue;
        while (same < c->n_listen && !same_listen(&c->listen[same], out))
            same++;
        if (same < c->n_listen)
            bs_load_problem(l, value.line, "listen: \"%.60s\" is given twice", value.text);
        else
            c->n_listen++;
    }
}

/*
 * Who reaches this listener and holds a token may approve. Until it has TLS of its own, it stays
 * on the machine.
 */
static void
read_operators_listen(struct bs_load *l,
                      const struct bs_key *key,
                      struct bs_scalar value,
                      void *into)
{
    struct bs_config_listen out;

    if (!bs_read_listen(l, key, value, &out))
        return;
    if (out.host == NULL || !bs_value_is_loopback(out.host))
        bs_load_problem(l, value.line,
                        "%s: \"%.60s\" is not a loopback address (host:port), and TLS for "
                        "operators is not supported by this version",
                        bs_key_shown(key), value.text);
    else
        *(struct bs_config_listen *)into = out;
}

#define UNKNOWN_OPTION "invalid connection option \""

/* The libpq that brought the option whose name libpq's message ends with; 0: none that is known. */
static int
libpq_of(const char *why, const char **name)
{
    static const struct {
        const char *name;
        int since;
    } all[] = {{"require_auth", 16},         {"sslcertmode", 16},      {"gssdelegation", 16},
               {"load_balance_hosts", 16},   {"sslnegotiation", 17},   {"min_protocol_version", 18},
               {"max_protocol_version", 18}, {"scram_client_key", 18}, {"scram_server_key", 18},
               {"sslkeylogfile", 18},        {"servicefile", 18}};
    const char *at = why + strlen(UNKNOWN_OPTION);

    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        size_t n = strlen(all[i].name);
        *name = all[i].name;
        if (strncmp(at, all[i].name, n) == 0 && at[n] == '"')
            return all[i].since;
    }
    return 0;
}

static void
refuse_option(struct bs_load *l, const struct bs_key *key, int line, const char *why)
{
    const char *name;
    int since = libpq_of(why, &name), ours = PQlibVersion() / 10000;

    if (since > ours)
        bs_load_problem(
            l, line,
            "%s: \"%s\" is of libpq %d and newer, and this program connects by libpq %d: "
            "leave it out here",
            bs_key_shown(key), name, since, ours);
    else
        bs_load_problem(l, line, "%s: %.*s", bs_key_shown(key), (int)strcspn(why, "\n"), why);
}

/* Nothing of the value is ever quoted: it may hold a password. libpq's message names an option only
 * where the option is unknown. */
void
bs_read_conninfo(struct bs_load *l, const struct bs_key *key, struct bs_scalar value, void *into)
{
    char *why = NULL;
    PQconninfoOption *options = PQconninfoParse(value.text, &why);

    if (options != NULL) {
        *(const char **)into = value.text;
        PQconninfoFree(options);
        return;
    }
    if (why != NULL && strncmp(why, UNKNOWN_OPTION, strlen(UNKNOWN_OPTION)) == 0)
        refuse_option(l, key, value.line, why);
    else
        bs_load_problem(l, value.line,
                        "%s: not a connection string (\"host=... dbname=...\" or postgresql://...)",
                        bs_key_shown(key));
    PQfreemem(why);
}

/* Of an actor's session the gateway itself reads keywords that are newer than its libpq. */
static void
read_upstream(struct bs_load *l, const struct bs_key *key, struct bs_scalar value, void *into)
{
    struct bs_config_database *db =
        (void *)((char *)into - offsetof(struct bs_config_database, upstream));
    struct bs_conn_newer newer;
    struct bs_scalar known = value;
    char *rest;

    bs_conn_newer_split(value.text, &newer);
    rest = bs_load_str(l, bs_bytes_of(newer.rest));
    bs_conn_newer_fini(&newer);
    if (rest == NULL)
        return;
    known.text = rest;
    bs_read_conninfo(l, key, known, &db->upstream_libpq);
    if (db->upstream_libpq != NULL)
        db->upstream = value.text;
}

/* The path of "scheme:///absolute" or "scheme:relative"; NULL where it is neither. */
static const char *
url_path(struct bs_load *l, const char *text, const char *scheme)
{
    size_t n = strlen(scheme);

    if (strncmp(text, scheme, n) != 0 || text[n] != ':')
        return NULL;
    text += n + 1;
    if (strncmp(text, "///", 3) == 0)
        return bs_load_path(l, text + 2);
    return text[0] == '\0' || strncmp(text, "//", 2) == 0 ? NULL : bs_load_path(l, text);
}

static void
read_state(struct bs_load *l, const struct bs_key *key, struct bs_scalar value, void *into)
{
    const char *path = url_path(l, value.text, "sqlite");

    if (path != NULL)
        *(const char **)into = path;
    else if (strncmp(value.text, "postgresql://", 13) == 0 ||
             strncmp(value.text, "postgres://", 11) == 0)
        bs_read_conninfo(l, key, value, into);
    else
        bs_load_problem(l, value.line,
                        "%s: must be sqlite:///absolute/path, sqlite:relative/path or "
                        "postgresql://...",
                        bs_key_shown(key));
}

/* Where keys are: for a folder and a program relative to the file, as all paths. */
static void
read_keys(struct bs_load *l, const struct bs_key *key, struct bs_scalar value, void *into)
{
    static const char *const paths[] = {"file:", "command:"};

    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        size_t n = strlen(paths[i]);
        if (strncmp(value.text, paths[i], n) != 0 || value.text[n] == '\0')
            continue;
        /* file:///folder, too */
        if (strncmp(value.text + n, "///", 3) == 0)
            n += 2;
        *(const char **)into =
            bs_arena_fmt(l->arena, "%s%s", paths[i], bs_load_path(l, value.text + n));
        l->full = l->full || *(const char **)into == NULL;
        return;
    }
    if (strncmp(value.text, "env:", 4) == 0 && value.text[4] != '\0' &&
        strchr(value.text, '=') == NULL)
        bs_read_text(l, key, value, into);
    else
        bs_load_problem(l, value.line, "%s: must be file:FOLDER, env:NAME or command:PROGRAM",
                        bs_key_shown(key));
}

static void
read_key_name(struct bs_load *l, const struct bs_key *key, struct bs_scalar value, void *into)
{
    size_t n = strlen(value.text);

    for (size_t i = 0; i < n; i++) {
        if (!isalnum((unsigned char)value.text[i]) && strchr("._-", value.text[i]) == NULL)
            n = 0;
    }
    if (n == 0 || n > 64 || value.text[0] == '.')
        bs_load_problem(l, value.line,
                        "%s: a key's name is 1 to 64 of A-Z a-z 0-9 . _ - and no \".\" in front",
                        bs_key_shown(key));
    else
        bs_read_text(l, key, value, into);
}

static void
read_storage(struct bs_load *l, const struct bs_key *key, struct bs_scalar value, void *into)
{
    const char **path = into;
    struct bs_err why = {0};

    if (strncmp(value.text, "s3:", 3) == 0) {
        if (bs_store_check(value.text, &why) == BS_DONE)
            l->config->storage_url = value.text;
        else
            bs_load_problem(l, value.line, "%s: %s%s%s", bs_key_shown(key), why.message,
                            why.hint[0] == '\0' ? "" : "; ", why.hint);
        return;
    }
    *path = url_path(l, value.text, "file");
    if (*path == NULL) {
        bs_load_problem(l, value.line,
                        "%s: must be file:///absolute/path, file:relative/path or "
                        "s3://bucket/prefix?endpoint=https://host&region=name",
                        bs_key_shown(key));
        return;
    }
    l->config->storage_url = bs_arena_fmt(l->arena, "file://%s", *path);
    l->full = l->full || l->config->storage_url == NULL;
}

/* "storage" is resolved when all is read; NULL is "none". */
static void
read_upload(struct bs_load *l, const struct bs_key *key, struct bs_scalar value, void *into)
{
    const char **url = into, *path;
    struct bs_err why = {0};

    if (strcmp(value.text, "none") == 0)
        return;
    *url = value.text;
    if (strcmp(value.text, BS_UPLOAD_STORAGE) == 0)
        return;
    if (strncmp(value.text, "s3:", 3) == 0) {
        if (bs_store_check(value.text, &why) != BS_DONE)
            bs_load_problem(l, value.line, "%s: %s%s%s", bs_key_shown(key), why.message,
                            why.hint[0] == '\0' ? "" : "; ", why.hint);
        return;
    }
    path = url_path(l, value.text, "file");
    if (path == NULL) {
        bs_load_problem(l, value.line,
                        "%s: must be none, storage, file:///absolute/path, file:relative/path or "
                        "s3://bucket/prefix?endpoint=https://host&region=name",
                        bs_key_shown(key));
        return;
    }
    *url = bs_arena_fmt(l->arena, "file://%s", path);
    l->full = l->full || *url == NULL;
}

static void
read_database(struct bs_load *l,
              const struct bs_key *key,
              struct bs_scalar name,
              yaml_node_t *value,
              void *into)
{
    struct bs_config *c = l->config;
    struct bs_config_database *db = &c->databases[c->n_databases];
    char scope[96];

    (void)key;
    (void)into;
    if (strlen(name.text) > 63) {
        bs_load_problem(l, name.line, "databases: the name \"%.60s...\" is longer than 63 bytes",
                        name.text);
        return;
    }
    (void)snprintf(scope, sizeof(scope), " in database \"%s\"", name.text);
    db->name = bs_load_str(l, bs_bytes_of(name.text));
    if (db->name == NULL)
        return;
    l->database_lines[c->n_databases++] = name.line;
    bs_load_map(l, value, "databases.*.", scope, db);
}

/* Room for as many entries as the map has. */
static size_t
pairs_of(const yaml_node_t *node)
{
    if (node->type != YAML_MAPPING_NODE)
        return 0;
    return (size_t)(node->data.mapping.pairs.top - node->data.mapping.pairs.start);
}

static void
read_databases(struct bs_load *l, const struct bs_key *key, yaml_node_t *node, void *into)
{
    size_t n = pairs_of(node);

    (void)into;
    l->config->databases = bs_load_array(l, n, sizeof(l->config->databases[0]));
    l->database_lines = bs_load_array(l, n, sizeof(l->database_lines[0]));
    if (l->config->databases != NULL && l->database_lines != NULL)
        bs_load_each(l, key, node, read_database, NULL);
}

static void
read_one_pg_dump(struct bs_load *l,
                 const struct bs_key *key,
                 struct bs_scalar name,
                 yaml_node_t *value,
                 void *into)
{
    struct bs_config *c = l->config;
    struct bs_scalar path;
    int64_t major;

    (void)into;
    if (!bs_value_integer(name.text, &major) || major < 14 || major > 99) {
        bs_load_problem(l, name.line,
                        "recovery.pg_dump: \"%.60s\" is not a major version of PostgreSQL from 14",
                        name.text);
        return;
    }
    if (bs_load_scalar(l, key, value, &path))
        c->pg_dumps[c->n_pg_dumps++] =
            (struct bs_config_pg_dump){(int)major, bs_load_path(l, path.text)};
}

static int
by_major(const void *a, const void *b)
{
    return ((const struct bs_config_pg_dump *)a)->major -
           ((const struct bs_config_pg_dump *)b)->major;
}

static void
read_pg_dump(struct bs_load *l, const struct bs_key *key, yaml_node_t *node, void *into)
{
    struct bs_config *c = l->config;

    (void)into;
    if (node == NULL)
        return;
    c->pg_dumps = bs_load_array(l, pairs_of(node), sizeof(c->pg_dumps[0]));
    if (c->pg_dumps == NULL)
        return;
    bs_load_each(l, key, node, read_one_pg_dump, NULL);
    qsort(c->pg_dumps, c->n_pg_dumps, sizeof(c->pg_dumps[0]), by_major);
}

/* A map of fixed keys whose values go into the same struct: its rows are those under its path. */
static void
read_section(struct bs_load *l, const struct bs_key *key, yaml_node_t *node, void *into)
{
    char prefix[64], scope[64];

    (void)into;
    (void)snprintf(prefix, sizeof(prefix), "%s.", key->path);
    (void)snprintf(scope, sizeof(scope), " in %s", key->path);
    bs_load_map(l, node, prefix, scope, l->config);
}

/* The same for what stands in the policy, not in the config. */
static void
read_policy_section(struct bs_load *l, const struct bs_key *key, yaml_node_t *node, void *into)
{
    char prefix[64], scope[64];

    (void)into;
    (void)snprintf(prefix, sizeof(prefix), "%s.", key->path);
    (void)snprintf(scope, sizeof(scope), " in %s", key->path);
    bs_load_map(l, node, prefix, scope, l->policy);
}

static void
read_profile(struct bs_load *l, const struct bs_key *key, yaml_node_t *node, void *into)
{
    if (node != NULL && node->type == YAML_MAPPING_NODE && pairs_of(node) == 0)
        bs_load_problem(l, bs_load_line(node), "%s: names nobody; give it actors or groups",
                        bs_key_shown(key));
    read_policy_section(l, key, node, into);
}

static const char *const grades[] = {"stored", "read-back", "restored", NULL};
static const char *const drops[] = {"refuse", "dump", NULL};
static const char *const restore_approvals[] = {"none", "second", NULL};
static const char *const client_certs[] = {"optional", "require", NULL};
static const char *const redacts[] = {"none", "literals", "parameters", "all", NULL}; /* bits */
static const char *const audits[] = {"all", "sampled", "counted", NULL};
static const char *const told_sql[] = {"none", "shape", "full", NULL};
static const char *const modes[] = {"enforce", "shadow", NULL};
static const char *const profiles[] = {"read-only", "dml", "full", NULL};
static const char *const actions[] = {"block", "approve", "allow", NULL};

#define REQUIRED  BS_KEY_REQUIRED
#define LITERAL   BS_KEY_LITERAL
#define CONNINFO  BS_KEY_CONNINFO
#define SECRET    BS_KEY_SECRET
#define AT(field) .offset = offsetof(struct bs_config, field)
#define DB(field) .offset = offsetof(struct bs_config_database, field)
#define PO(field) .offset = offsetof(struct bs_policy, field)
#define RU(field) .offset = offsetof(struct bs_rule, field)
#define RQ(field) .offset = offsetof(struct bs_require, field)
#define AP(field) .offset = offsetof(struct bs_approvers, field)
#define SN(field) .offset = offsetof(struct bs_config_snapshot, field)
#define RE(field) .offset = offsetof(struct bs_config_retention, field)
#define VE(field) .offset = offsetof(struct bs_config_verify, field)
#define NO(field) .offset = offsetof(struct bs_config_notify, field)
#define KT(field) .offset = offsetof(struct bs_config_keep_tables, field)
#define KL(field) .offset = offsetof(struct bs_keep_limits, field)
#define DEFAULT(risk)                                                                              \
    .offset = offsetof(struct bs_policy, defaults) + (risk) * sizeof(enum bs_action)

/* clang-format off */
const struct bs_key bs_keys[] = {
    {"listen",                REQUIRED, .node = read_listen},
    {"tls",                   0, .node = read_section},
    {"tls.cert",              REQUIRED, .scalar = read_path, AT(tls_cert)},
    {"tls.key",               REQUIRED, .scalar = read_path, AT(tls_key)},
    {"tls.client_ca",         0, .scalar = read_path, AT(tls_client_ca)},
    {"tls.client_crl",        0, .scalar = read_path, AT(tls_client_crl)},
    {"tls.client_cert",       0, .scalar = bs_read_choice, AT(clients.certificate), .fallback = "optional", .words = client_certs},
    {"clients",               0, .node = read_section},
    {"clients.login",         0, .scalar = bs_read_duration, AT(clients.login_ms), .fallback = "30s", .min = 1000, .max = 600000},
    {"clients.connections",   0, .scalar = bs_read_integer, AT(clients.connections), .fallback = "10000", .min = 1, .max = 1000000},
    {"clients.per_actor",     0, .scalar = bs_read_integer, AT(clients.per_actor), .min = 1, .max = 1000000},
    {"clients.keepalive",     0, .scalar = bs_read_duration, AT(clients.keepalive_ms), .fallback = "60s", .min = 1000, .max = DAY_MS / 4},
    {"clients.user_timeout",  0, .scalar = bs_read_duration, AT(clients.user_timeout_ms), .fallback = "0s", .min = 0, .max = DAY_MS},
    {"clients.drain",         0, .scalar = bs_read_duration, AT(clients.drain_ms), .fallback = "30s", .min = 0, .max = DAY_MS},
    {"operators",             0, .node = read_section},
    {"operators.listen",      0, .scalar = read_operators_listen, AT(operators), .fallback = "127.0.0.1:6580"},
    {"operators.requests",    0, .scalar = bs_read_integer, AT(operators_requests), .fallback = "100", .min = 1, .max = 10000},
    {"operators.session",     0, .scalar = bs_read_duration, AT(operators_session_ms), .fallback = "12h", .min = 60000, .max = 7 * DAY_MS},
    {"operators.session_idle", 0, .scalar = bs_read_duration, AT(operators_session_idle_ms), .fallback = "30m", .min = 1000, .max = DAY_MS},
    {"agents_http",           0, .node = read_section},
    {"agents_http.listen",    REQUIRED, .scalar = bs_read_agents_listen, AT(agents_http.listen)},
    {"agents_http.tls",       0, .node = read_section},
    {"agents_http.tls.cert",  REQUIRED, .scalar = read_path, AT(agents_http.tls_cert)},
    {"agents_http.tls.key",   REQUIRED, .scalar = read_path, AT(agents_http.tls_key)},
    {"agents_http.url",       0, .scalar = bs_read_notify_url, AT(agents_http.url)},
    {"agents_http.origins",   0, .node = bs_read_agents_urls, AT(agents_http.origins)},
    {"agents_http.authorization_servers", 0, .node = bs_read_agents_urls, AT(agents_http.authorization_servers)},
    {"agents_http.connections", 0, .scalar = bs_read_integer, AT(agents_http.connections), .fallback = "256", .min = 1, .max = 10000},
    {"agents_http.per_address", 0, .scalar = bs_read_integer, AT(agents_http.per_address), .fallback = "64", .min = 1, .max = 10000},
    {"agents_http.request",   0, .scalar = bs_read_duration, AT(agents_http.request_ms), .fallback = "60s", .min = 1000, .max = DAY_MS},
    {"agents_http.session_idle", 0, .scalar = bs_read_duration, AT(agents_http.session_idle_ms), .fallback = "30m", .min = 1000, .max = DAY_MS},
    {"databases",             REQUIRED, .node = read_databases},
    {"databases.*.upstream",  REQUIRED | CONNINFO, .scalar = read_upstream, DB(upstream)},
    {"databases.*.helper",    REQUIRED | CONNINFO, .scalar = bs_read_conninfo, DB(helper)},
    {"databases.*.restorer",  CONNINFO, .scalar = bs_read_conninfo, DB(restorer)},
    {"databases.*.environment", 0, .scalar = bs_read_text, DB(environment), .fallback = ""},
    {"state",                 REQUIRED | CONNINFO, .scalar = read_state, AT(state_url)},
    {"audit",                 REQUIRED, .node = read_section},
    {"audit.directory",       REQUIRED, .scalar = read_path, AT(audit_directory)},
    {"audit.key",             0, .scalar = read_path, AT(audit_key)},
    {"audit.file_size",       0, .scalar = read_size, AT(audit_file_bytes), .fallback = "64MB", .min = 4096, .max = INT64_C(64) << 30},
    {"audit.file_age",        0, .scalar = bs_read_duration, AT(audit_file_age_ms), .fallback = "1d", .min = 1000, .max = 366 * DAY_MS},
    {"audit.upload",          0, .scalar = read_upload, AT(audit_upload), .fallback = "none"},
    {"audit.redact",          0, .scalar = bs_read_choice, AT(audit_redact), .fallback = "none", .words = redacts},
    {"audit.redact_key",      0, .scalar = read_path, AT(audit_redact_key)},
    {"storage",               REQUIRED, .scalar = read_storage, AT(storage_path)},
    {"spool",                 REQUIRED, .scalar = read_path, AT(spool)},
    {"workers",               0, .scalar = bs_read_integer, AT(workers), .fallback = "2", .min = 1, .max = 64},
    {"verdict_cache",         0, .scalar = read_size, AT(verdict_bytes), .fallback = "8MB", .min = 0, .max = INT64_C(4) << 30},
    {"hold",                  0, .node = read_section},
    {"hold.wait",             0, .scalar = bs_read_duration, AT(hold_wait_ms), .fallback = "20s", .min = 0, .max = DAY_MS},
    {"hold.notice",           0, .scalar = bs_read_duration, AT(hold_notice_ms), .fallback = "10s", .min = 1000, .max = DAY_MS},
    {"hold.decide",           0, .scalar = bs_read_duration, AT(hold_decide_ms), .fallback = "15m", .min = 1000, .max = 30 * DAY_MS},
    {"hold.redeem",           0, .scalar = bs_read_duration, AT(hold_redeem_ms), .fallback = "15m", .min = 1000, .max = 30 * DAY_MS},
    {"recovery",              0, .node = read_section},
    {"recovery.grade",        0, .scalar = bs_read_grade, AT(require.grade), .fallback = "read-back", .words = grades},
    {"recovery.lock_budget",  0, .scalar = bs_read_duration, AT(lock_budget_ms), .fallback = "30s", .min = 100, .max = DAY_MS},
    {"recovery.max_bytes",    0, .scalar = read_size, AT(max_bytes), .fallback = "10GB", .min = 0, .max = INT64_MAX},
    {"recovery.helpers",      0, .scalar = bs_read_integer, AT(helpers), .fallback = "2", .min = 1, .max = 8},
    {"recovery.drop_database", 0, .scalar = bs_read_choice, AT(drop_database), .fallback = "refuse", .words = drops},
    {"recovery.encryption",   0, .node = read_section},
    {"recovery.encryption.keys", REQUIRED, .scalar = read_keys, AT(keys)},
    {"recovery.encryption.key",  0, .scalar = read_key_name, AT(key)},
    {"recovery.pg_dump",      0, .node = read_pg_dump},
    {"recovery.scratch",      CONNINFO, .scalar = bs_read_scratch, AT(scratch)},
    {"snapshots",             0, .node = bs_read_snapshots},
    {"snapshots[].name",      REQUIRED | LITERAL, .scalar = bs_read_text, SN(name)},
    {"snapshots[].database",  LITERAL, .scalar = bs_read_text, SN(database)},
    {"snapshots[].tables",    REQUIRED | LITERAL, .node = bs_read_objects, SN(tables)},
    {"snapshots[].every",     REQUIRED, .scalar = bs_read_duration, SN(every_ms), .min = 1000, .max = 366 * DAY_MS},
    {"snapshots[].budget",    0, .scalar = bs_read_duration, SN(budget_ms), .fallback = "1h", .min = 1000, .max = DAY_MS},
    {"snapshots[].keep",      REQUIRED, .node = bs_read_keep, SN(keep)},
    {"snapshots[].keep.count", 0, .scalar = bs_read_integer, KL(count), .min = 1, .max = 1000000},
    {"snapshots[].keep.age",  0, .scalar = bs_read_duration, KL(age_ms), .min = 1000, .max = 36600 * DAY_MS},
    {"snapshots[].keep.bytes", 0, .scalar = read_size, KL(bytes), .min = 1, .max = INT64_MAX},
    {"retention",             0, .node = bs_read_retention},
    {"retention.keep",        0, .node = bs_read_keep, RE(keep)},
    {"retention.keep.count", 0, .scalar = bs_read_integer, KL(count), .min = 1, .max = INT64_C(1000000000)},
    {"retention.keep.age", 0, .scalar = bs_read_duration, KL(age_ms), .min = 1000, .max = 36600 * DAY_MS},
    {"retention.keep.bytes", 0, .scalar = read_size, KL(bytes), .min = 1, .max = INT64_MAX},
    {"retention.tables",      0, .node = bs_read_keep_tables},
    {"retention.tables[].tables", REQUIRED | LITERAL, .node = bs_read_objects, KT(tables)},
    {"retention.tables[].keep",   REQUIRED, .node = bs_read_keep, KT(keep)},
    {"retention.tables[].keep.count", 0, .scalar = bs_read_integer, KL(count), .min = 1, .max = INT64_C(1000000000)},
    {"retention.tables[].keep.age", 0, .scalar = bs_read_duration, KL(age_ms), .min = 1000, .max = 36600 * DAY_MS},
    {"retention.tables[].keep.bytes", 0, .scalar = read_size, KL(bytes), .min = 1, .max = INT64_MAX},
    {"retention.unfinished",  0, .scalar = bs_read_duration, RE(unfinished_ms), .fallback = "7d", .min = 1000, .max = 366 * DAY_MS},
    {"retention.every",       0, .scalar = bs_read_duration, RE(every_ms), .fallback = "1h", .min = 1000, .max = 366 * DAY_MS},
    {"restore",               0, .node = read_section},
    {"restore.approval",      0, .scalar = bs_read_choice, AT(restore_approval), .fallback = "none", .words = restore_approvals},
    {"restore.plan_life",     0, .scalar = bs_read_duration, AT(plan_life_ms), .fallback = "24h", .min = 1000, .max = 30 * DAY_MS},
    {"verify",                0, .node = bs_read_verify},
    {"verify.every",          0, .scalar = bs_read_duration, VE(every_ms), .min = 1000, .max = 366 * DAY_MS},
    {"verify.sample",         0, .scalar = bs_read_verify_sample, .fallback = "5%"},
    {"recovery.require",      0, .node = read_section},
    {"recovery.require.snapshot_age", 0, .scalar = bs_read_snapshot_age, AT(require.snapshot_age_ms), .min = 1000, .max = 366 * DAY_MS},
    {"recovery.require.off_host",     0, .scalar = bs_read_off_host, AT(require.off_host)},
    {"notify",                0, .node = bs_read_notify},
    {"notify[].name",         REQUIRED | LITERAL, .scalar = bs_read_notify_name, NO(name)},
    {"notify[].events",       LITERAL, .node = bs_read_notify_events, NO(events)},
    {"notify[].sql",          0, .scalar = bs_read_choice, NO(sql), .fallback = "shape", .words = told_sql},
    {"notify[].retry",        0, .scalar = bs_read_duration, NO(retry_ms), .fallback = "24h", .min = 1000, .max = 7 * DAY_MS},
    {"notify[].console",      0, .scalar = bs_read_notify_url, NO(console)},
    {"notify[].ca_file",      0, .scalar = read_path, NO(ca_file)},
    {"notify[].webhook",      0, .node = bs_read_notify_webhook},
    {"notify[].webhook.url",  REQUIRED | SECRET, .scalar = bs_read_notify_url, NO(url)},
    {"notify[].webhook.secret", REQUIRED | SECRET, .node = bs_read_notify_secrets},
    {"notify[].slack",        0, .node = bs_read_notify_slack},
    {"notify[].slack.webhook_url", SECRET, .scalar = bs_read_notify_url, NO(url)},
    {"notify[].slack.token",  SECRET, .scalar = bs_read_notify_word, NO(token)},
    {"notify[].slack.channel", LITERAL, .scalar = bs_read_text, NO(channel)},
    {"notify[].slack.signing_secret", SECRET, .scalar = bs_read_notify_word, NO(signing_secret)},
    {"notify[].slack.api",    0, .scalar = bs_read_notify_url, NO(api), .fallback = "https://slack.com/api"},
    {"audit_safe",            0, .scalar = bs_read_choice, AT(audit_safe), .fallback = "all", .words = audits},
    {"policy",                0, .node = bs_read_policy},
    {"policy.mode",           0, .scalar = bs_read_choice, PO(mode), .fallback = "enforce", .words = modes},
    {"policy.defaults",       0, .node = read_policy_section},
    {"policy.defaults.SAFE",     0, .scalar = bs_read_choice, DEFAULT(BS_RISK_SAFE), .fallback = "allow", .words = actions},
    {"policy.defaults.HIGH",     0, .scalar = bs_read_choice, DEFAULT(BS_RISK_HIGH), .fallback = "approve", .words = actions},
    {"policy.defaults.CRITICAL", 0, .scalar = bs_read_choice, DEFAULT(BS_RISK_CRITICAL), .fallback = "approve", .words = actions},
    {"policy.impact",            0, .node = read_policy_section},
    {"policy.impact.rows",       0, .scalar = bs_read_integer, PO(impact.rows), .fallback = "1000", .min = 1, .max = INT64_MAX},
    {"policy.impact.share",      0, .scalar = bs_read_share, PO(impact.share), .fallback = "10%"},
    {"policy.measure",           0, .node = read_policy_section},
    {"policy.measure.time",      0, .scalar = bs_read_duration, PO(measure.time_ms), .fallback = "1s", .min = 0, .max = DAY_MS / 24},
    {"policy.measure.rehearse",  0, .scalar = bs_read_bool, PO(measure.rehearse), .fallback = "false"},
    {"policy.protected",         LITERAL, .node = bs_read_protected, PO(protects)},
    {"policy.profiles",          0, .node = read_policy_section},
    {"policy.profiles.default",  0, .scalar = bs_read_choice, PO(profile), .fallback = "full", .words = profiles},
    {"policy.profiles.read-only",        0, .node = read_profile},
    {"policy.profiles.read-only.actors", LITERAL, .node = bs_read_globs, PO(profiles[BS_PROFILE_READ_ONLY].actors)},
    {"policy.profiles.read-only.groups", LITERAL, .node = bs_read_globs, PO(profiles[BS_PROFILE_READ_ONLY].groups)},
    {"policy.profiles.dml",              0, .node = read_profile},
    {"policy.profiles.dml.actors",       LITERAL, .node = bs_read_globs, PO(profiles[BS_PROFILE_DML].actors)},
    {"policy.profiles.dml.groups",       LITERAL, .node = bs_read_globs, PO(profiles[BS_PROFILE_DML].groups)},
    {"policy.profiles.full",             0, .node = read_profile},
    {"policy.profiles.full.actors",      LITERAL, .node = bs_read_globs, PO(profiles[BS_PROFILE_FULL].actors)},
    {"policy.profiles.full.groups",      LITERAL, .node = bs_read_globs, PO(profiles[BS_PROFILE_FULL].groups)},
    {"policy.evasion",           0, .node = read_policy_section},
    {"policy.evasion.window",    0, .scalar = bs_read_duration, PO(evasion.window_ms), .fallback = "1h", .min = 1000, .max = 30 * DAY_MS},
    {"policy.evasion.limit",     0, .scalar = bs_read_integer, PO(evasion.limit), .fallback = "5", .min = 1, .max = 1000000},
    {"policy.approvals",         0, .node = read_policy_section},
    {"policy.approvals.quorum",  0, .scalar = bs_read_quorum, PO(approvals.quorum)},
    {"policy.approvals.groups",  LITERAL, .node = bs_read_groups, PO(approvals.groups)},
    {"policy.approvals.require_reason", 0, .scalar = bs_read_bool, PO(approvals.reason)},
    {"policy.approvals.exclude_owner", 0, .scalar = bs_read_owner_may, PO(approvals.owner)},
    {"policy.result_rows",       0, .scalar = bs_read_integer, PO(result_rows), .min = 1, .max = INT64_MAX},
    {"policy.rules",             0, .node = bs_read_rules},
    {"policy.rules[].name",      REQUIRED | LITERAL, .scalar = bs_read_text, RU(name)},
    {"policy.rules[].actors",    LITERAL, .node = bs_read_globs, RU(actors)},
    {"policy.rules[].databases", LITERAL, .node = bs_read_globs, RU(databases)},
    {"policy.rules[].groups",    LITERAL, .node = bs_read_globs, RU(groups)},
    {"policy.rules[].environments", LITERAL, .node = bs_read_globs, RU(environments)},
    {"policy.rules[].objects",   LITERAL, .node = bs_read_objects, RU(objects)},
    {"policy.rules[].columns",   LITERAL, .node = bs_read_columns, RU(columns)},
    {"policy.rules[].risk",      LITERAL, .node = bs_read_risks, RU(risks)},
    {"policy.rules[].kinds",     LITERAL, .node = bs_read_kinds, RU(kinds)},
    {"policy.rules[].action",    REQUIRED | LITERAL, .scalar = bs_read_choice, RU(action), .words = actions},
    {"policy.rules[].recovery",  LITERAL, .scalar = bs_read_waiver, RU(keep)},
    {"policy.rules[].require",   0, .node = bs_read_require, RU(require)},
    {"policy.rules[].require.grade", LITERAL, .scalar = bs_read_grade, RQ(grade), .words = grades},
    {"policy.rules[].require.snapshot_age", LITERAL, .scalar = bs_read_duration, RQ(snapshot_age_ms), .min = 1000, .max = 366 * DAY_MS},
    {"policy.rules[].require.off_host", LITERAL, .scalar = bs_read_bool, RQ(off_host)},
    {"policy.rules[].approvals", 0, .node = bs_read_approvers, RU(approvals)},
    {"policy.rules[].approvals.quorum", LITERAL, .scalar = bs_read_quorum, AP(quorum)},
    {"policy.rules[].approvals.groups", LITERAL, .node = bs_read_groups, AP(groups)},
    {"policy.rules[].approvals.require_reason", LITERAL, .scalar = bs_read_bool, AP(reason)},
    {"policy.rules[].approvals.exclude_owner", LITERAL, .scalar = bs_read_owner_may, AP(owner)},
    {"policy.rules[].quorum",    LITERAL, .scalar = bs_read_quorum, RU(approvals.quorum)},
    {"policy.rules[].max_rows",  LITERAL, .scalar = bs_read_integer, RU(max.rows), .min = 1, .max = INT64_MAX},
    {"policy.rules[].max_share", LITERAL, .scalar = bs_read_share, RU(max.share)},
    {"policy.rules[].min_rows",  LITERAL, .scalar = bs_read_integer, RU(min.rows), .min = 1, .max = INT64_MAX},
    {"policy.rules[].min_share", LITERAL, .scalar = bs_read_share, RU(min.share)},
    {"policy.rules[].result_rows", LITERAL, .scalar = bs_read_integer, RU(result_rows), .min = 1, .max = INT64_MAX},
};
/* clang-format on */

const size_t bs_keys_count = sizeof(bs_keys) / sizeof(bs_keys[0]);
