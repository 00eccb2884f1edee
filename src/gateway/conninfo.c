/*
 * conninfo.c - libpq parses the string and knows the defaults; only what it keeps to itself (lists
 * of hosts, the password file) is read here.
 */
#include "gateway/conninfo.h"

#include <pwd.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <libpq-fe.h>
#include <pg_config_manual.h>

#include "base/arena.h"
#include "base/files.h"
#include "base/log.h"
#include "policy/conn_newer.h"
#include "wire/startup.h"

#define PASSFILE_MAX    (1024 * 1024)
#define TIMEOUT_DEFAULT 10 /* seconds; libpq waits forever, a session must not */
#define IDLE_S          60 /* of silence, before TCP asks whether the server is still there */
#define PROBE_S         15
#define PROBES          4

static const struct {
    const char *name;
    enum bs_sslmode mode;
} sslmodes[] = {
    {"disable", BS_SSL_DISABLE},     {"allow", BS_SSL_ALLOW},
    {"prefer", BS_SSL_PREFER},       {"require", BS_SSL_REQUIRE},
    {"verify-ca", BS_SSL_VERIFY_CA}, {"verify-full", BS_SSL_VERIFY_FULL},
};

/* What the string may name and we do not do; any other value than the one here is refused. */
static const struct {
    const char *keyword;
    const char *only;
} not_done[] = {
    {"target_session_attrs", "any"},
    {"requirepeer", ""},
    {"sslcrl", ""},
    {"sslcrldir", ""},
    {"sslpassword", ""},
    {"load_balance_hosts", "disable"},
    {"replication", ""},
    {"require_auth", ""},
};

/* The value of a keyword; NULL where it is absent or empty. */
static const char *
option(const PQconninfoOption *all, const char *keyword)
{
    for (const PQconninfoOption *o = all; o != NULL && o->keyword != NULL; o++)
        if (strcmp(o->keyword, keyword) == 0)
            return o->val == NULL || o->val[0] == '\0' ? NULL : o->val;
    return NULL;
}

/* Given in the string, else by service file, environment or libpq. */
static const char *
given(const PQconninfoOption *own, const PQconninfoOption *defaults, const char *keyword)
{
    const char *value = option(own, keyword);

    return value != NULL ? value : option(defaults, keyword);
}

/* The environment's defaults, with those of a service that the string names. */
static PQconninfoOption *
load_defaults(const char *service)
{
    char *before = bs_strdup(getenv("PGSERVICE"));
    PQconninfoOption *defaults;

    if (service != NULL)
        (void)setenv("PGSERVICE", service, 1);
    defaults = PQconndefaults();
    if (service != NULL && before != NULL)
        (void)setenv("PGSERVICE", before, 1);
    else if (service != NULL)
        (void)unsetenv("PGSERVICE");
    free(before);
    return defaults;
}

/* Path below the home folder, as libpq builds it; NULL where there is no home. */
static char *
in_home(const char *name)
{
    const char *home = getenv("HOME");
    struct passwd *pw = home == NULL || home[0] == '\0' ? getpwuid(geteuid()) : NULL;
    size_t n;
    char *path;

    if (pw != NULL)
        home = pw->pw_dir;
    if (home == NULL || home[0] == '\0')
        return NULL;
    n = strlen(home) + strlen(name) + 2;
    path = bs_malloc(n);
    (void)snprintf(path, n, "%s/%s", home, name);
    return path;
}

/* The given path, else the usual one where such a file exists. */
static char *
file_or_home(const char *path, const char *name)
{
    char *usual;

    if (path != NULL)
        return bs_strdup(path);
    usual = in_home(name);
    if (usual != NULL && access(usual, R_OK) != 0) {
        free(usual);
        usual = NULL;
    }
    return usual;
}

/* The i-th element of a comma-separated list; NULL past its end. An empty element is "". */
static char *
element(const char *list, size_t i)
{
    const char *end;
    char *out;

    if (list == NULL)
        return NULL;
    for (; i > 0; i--) {
        list = strchr(list, ',');
        if (list == NULL)
            return NULL;
        list++;
    }
    end = strchrnul(list, ',');
    out = bs_malloc((size_t)(end - list) + 1);
    memcpy(out, list, (size_t)(end - list));
    return out;
}

static size_t
elements(const char *list)
{
    size_t n = 0;

    for (; list != NULL; list = strchr(list, ',')) {
        n++;
        if (*list == ',')
            list++;
    }
    return n;
}

/* A number of digits only, up to `max`; false where it is anything else. */
static bool
read_number(const char *text, unsigned max, unsigned *out)
{
    unsigned n = 0;

    if (text[0] == '\0')
        return false;
    for (; *text != '\0'; text++) {
        if (*text < '0' || *text > '9')
            return false;
        n = n * 10 + (unsigned)(*text - '0');
        if (n > max)
            return false;
    }
    *out = n;
    return true;
}

/* One host of the lists; a single port serves all hosts. */
static enum bs_done
fill_host(struct bs_conn_host *h,
          size_t i,
          const char *hosts,
          const char *addrs,
          const char *ports,
          struct bs_err *err)
{
    unsigned number;

    h->host = element(hosts, i);
    h->hostaddr = element(addrs, i);
    h->port = element(ports, elements(ports) == 1 ? 0 : i);
    if (h->hostaddr != NULL && h->hostaddr[0] == '\0') {
        free(h->hostaddr);
        h->hostaddr = NULL;
    }
    if (h->host == NULL || h->host[0] == '\0') {
        free(h->host);
        h->host = bs_strdup(h->hostaddr != NULL ? h->hostaddr : DEFAULT_PGSOCKET_DIR);
    }
    if (h->port == NULL || h->port[0] == '\0') {
        free(h->port);
        h->port = bs_strdup("5432");
    }
    if (!read_number(h->port, 65535, &number) || number == 0)
        return BS_FAIL(err, CONFIG, "\"%.16s\" is not a port", h->port);
    return BS_DONE;
}

static enum bs_done
fill_hosts(struct bs_conninfo *out,
           const char *hosts,
           const char *addrs,
           const char *ports,
           struct bs_err *err)
{
    size_t n = elements(addrs) > 0 ? elements(addrs) : elements(hosts);

    n = n == 0 ? 1 : n;
    if (hosts != NULL && addrs != NULL && elements(hosts) != elements(addrs))
        return BS_FAIL(err, CONFIG, "host and hostaddr list a different number of hosts");
    if (elements(ports) > 1 && elements(ports) != n)
        return BS_FAIL(err, CONFIG, "port lists a different number of values than host");
    out->hosts = bs_malloc(n * sizeof(*out->hosts));
    out->n_hosts = n;
    for (size_t i = 0; i < n; i++)
        if (fill_host(&out->hosts[i], i, hosts, addrs, ports, err) == BS_FAILED)
            return BS_FAILED;
    return BS_DONE;
}

static enum bs_done
fill_sslmode(struct bs_conninfo *out, const char *name, struct bs_err *err)
{
    for (size_t i = 0; i < sizeof(sslmodes) / sizeof(sslmodes[0]); i++) {
        if (strcmp(name, sslmodes[i].name) == 0) {
            out->sslmode = sslmodes[i].mode;
            return BS_DONE;
        }
    }
    return BS_FAIL(err, CONFIG, "sslmode \"%.16s\" is unknown", name);
}

/* libpq's keywords, but with our own numbers where they are not given. */
static enum bs_done
fill_keep_alive(struct bs_conninfo *out,
                const PQconninfoOption *own,
                const PQconninfoOption *defaults,
                struct bs_err *err)
{
    struct bs_keep_alive *k = &out->keep_alive;
    unsigned on = 1;
    const struct {
        const char *keyword;
        unsigned max;
        unsigned *to;
    } all[] = {
        {"keepalives", 1, &on},
        {"keepalives_idle", 32767, &k->idle_s},
        {"keepalives_interval", 32767, &k->interval_s},
        {"keepalives_count", 127, &k->count},
        {"tcp_user_timeout", 86400000, &k->user_timeout_ms},
    };

    *k = (struct bs_keep_alive){.idle_s = IDLE_S, .interval_s = PROBE_S, .count = PROBES};
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        const char *text = given(own, defaults, all[i].keyword);
        if (text != NULL && !read_number(text, all[i].max, all[i].to))
            return BS_FAIL(err, CONFIG, "%s \"%.16s\" is not in 0..%u", all[i].keyword, text,
                           all[i].max);
    }
    k->off = on == 0;
    return BS_DONE;
}

static enum bs_done
fill_channel_binding(struct bs_conninfo *out, const char *name, struct bs_err *err)
{
    static const char *const names[] = {
        [BS_CHANNEL_BINDING_REQUIRE] = "require",
        [BS_CHANNEL_BINDING_PREFER] = "prefer",
        [BS_CHANNEL_BINDING_DISABLE] = "disable",
    };

    out->channel_binding = BS_CHANNEL_BINDING_PREFER;
    if (name == NULL)
        return BS_DONE;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (strcmp(name, names[i]) == 0) {
            out->channel_binding = (enum bs_channel_binding)i;
            return BS_DONE;
        }
    }
    return BS_FAIL(err, CONFIG, "channel_binding \"%.16s\" is unknown", name);
}

/* A keyword that our libpq may not know, else its variable. */
static const char *
newer(const char *value, const char *variable)
{
    const char *env = value != NULL ? value : getenv(variable);

    return env == NULL || env[0] == '\0' ? NULL : env;
}

/* As libpq 17 has it: with a weak sslmode, an older server would be talked to in plain. */
static enum bs_done
fill_negotiation(struct bs_conninfo *out, const char *name, const char *mode, struct bs_err *err)
{
    out->direct = name != NULL && strcmp(name, "direct") == 0;
    if (name != NULL && !out->direct && strcmp(name, "postgres") != 0)
        return BS_FAIL(err, CONFIG, "sslnegotiation \"%.16s\" is unknown", name);
    if (!out->direct || out->sslmode <= BS_SSL_REQUIRE)
        return BS_DONE;
    (void)BS_FAIL(err, CONFIG, "weak sslmode \"%.16s\" may not be used with sslnegotiation=direct",
                  mode);
    bs_err_hint(err, "use sslmode=require, verify-ca or verify-full");
    return BS_FAILED;
}

static enum bs_done
read_version(const char *keyword, const char *text, uint16_t *minor, struct bs_err *err)
{
    if (strcmp(text, "latest") == 0 || strcmp(text, "3.2") == 0)
        *minor = BS_STARTUP_MINOR;
    else if (strcmp(text, "3.0") == 0)
        *minor = 0;
    else
        return BS_FAIL(err, CONFIG, "%s \"%.16s\" is none of 3.0, 3.2 and latest", keyword, text);
    return BS_DONE;
}

/* As libpq 18 has it: 3.0, because poolers and older servers may not know how to negotiate, unless
 * something newer is asked for. */
static enum bs_done
fill_versions(struct bs_conninfo *out, const char *min, const char *max, struct bs_err *err)
{
    if (min != NULL && read_version("min_protocol_version", min, &out->minor_min, err) == BS_FAILED)
        return BS_FAILED;
    out->minor_max = out->minor_min;
    if (max != NULL && read_version("max_protocol_version", max, &out->minor_max, err) == BS_FAILED)
        return BS_FAILED;
    if (out->minor_min > out->minor_max)
        return BS_FAIL(err, CONFIG, "min_protocol_version is greater than max_protocol_version");
    return BS_DONE;
}

static enum bs_done
fill_newer(struct bs_conninfo *out,
           const struct bs_conn_newer *n,
           const char *mode,
           struct bs_err *err)
{
    if (fill_negotiation(out, newer(n->sslnegotiation, "PGSSLNEGOTIATION"), mode, err) == BS_FAILED)
        return BS_FAILED;
    return fill_versions(out, newer(n->min_protocol_version, "PGMINPROTOCOLVERSION"),
                         newer(n->max_protocol_version, "PGMAXPROTOCOLVERSION"), err);
}

static enum bs_done
fill_timeout(struct bs_conninfo *out, const char *text, struct bs_err *err)
{
    unsigned n;

    out->connect_timeout = TIMEOUT_DEFAULT;
    if (text == NULL)
        return BS_DONE;
    if (!read_number(text, 3600, &n))
        return BS_FAIL(err, CONFIG, "connect_timeout \"%.16s\" is not in 0..3600 seconds", text);
    if (n > 0)
        out->connect_timeout = n;
    return BS_DONE;
}

static enum bs_done
fill(struct bs_conninfo *out,
     const struct bs_conn_newer *newer_ones,
     const PQconninfoOption *own,
     const PQconninfoOption *defaults,
     struct bs_err *err)
{
    const char *given_mode = given(own, defaults, "sslmode");
    const char *mode = given_mode != NULL ? given_mode : "prefer";
    const char *passfile = given(own, defaults, "passfile");
    const char *user = given(own, defaults, "user");
    const char *dbname = given(own, defaults, "dbname");

    for (size_t i = 0; i < sizeof(not_done) / sizeof(not_done[0]); i++) {
        const char *value = option(own, not_done[i].keyword);
        if (value != NULL && strcmp(value, not_done[i].only) != 0)
            return BS_FAIL(err, CONFIG, "%s is not supported here", not_done[i].keyword);
    }
    if (user == NULL)
        return BS_FAIL(err, CONFIG, "no user is given");
    out->user = bs_strdup(user);
    out->dbname = bs_strdup(dbname != NULL ? dbname : user);
    out->password = bs_strdup(given(own, defaults, "password"));
    out->passfile = passfile != NULL ? bs_strdup(passfile) : in_home(".pgpass");
    out->options = bs_strdup(given(own, defaults, "options"));
    out->sslrootcert = file_or_home(given(own, defaults, "sslrootcert"), ".postgresql/root.crt");
    out->sslcert = file_or_home(given(own, defaults, "sslcert"), ".postgresql/postgresql.crt");
    out->sslkey = file_or_home(given(own, defaults, "sslkey"), ".postgresql/postgresql.key");
    if (fill_sslmode(out, mode, err) == BS_FAILED ||
        fill_newer(out, newer_ones, mode, err) == BS_FAILED ||
        fill_channel_binding(out, given(own, defaults, "channel_binding"), err) == BS_FAILED ||
        fill_timeout(out, given(own, defaults, "connect_timeout"), err) == BS_FAILED ||
        fill_keep_alive(out, own, defaults, err) == BS_FAILED)
        return BS_FAILED;
    return fill_hosts(out, given(own, defaults, "host"), given(own, defaults, "hostaddr"),
                      given(own, defaults, "port"), err);
}

enum bs_done
bs_conninfo_parse(const char *text, struct bs_conninfo *out, struct bs_err *err)
{
    char *why = NULL;
    struct bs_conn_newer newer_ones;
    PQconninfoOption *own, *defaults = NULL;
    enum bs_done done = BS_FAILED;

    *out = (struct bs_conninfo){0};
    bs_conn_newer_split(text, &newer_ones);
    own = PQconninfoParse(newer_ones.rest, &why);
    if (own == NULL) {
        /* libpq's own words may quote the string, and the string may hold a password. */
        (void)BS_FAIL(err, CONFIG, "not a valid connection string");
        goto out;
    }
    defaults = load_defaults(option(own, "service"));
    if (defaults == NULL) {
        (void)BS_FAIL(err, CONFIG, "libpq gives no connection defaults");
        goto out;
    }
    done = fill(out, &newer_ones, own, defaults, err);
out:
    if (done == BS_FAILED)
        bs_conninfo_fini(out);
    bs_conn_newer_fini(&newer_ones);
    PQfreemem(why);
    PQconninfoFree(own);
    PQconninfoFree(defaults);
    return done;
}

void
bs_conninfo_fini(struct bs_conninfo *c)
{
    for (size_t i = 0; i < c->n_hosts; i++) {
        free(c->hosts[i].host);
        free(c->hosts[i].hostaddr);
        free(c->hosts[i].port);
    }
    free(c->hosts);
    free(c->user);
    free(c->dbname);
    bs_free_secret(&c->password);
    free(c->passfile);
    free(c->sslrootcert);
    free(c->sslcert);
    free(c->sslkey);
    free(c->options);
    *c = (struct bs_conninfo){0};
}

int
bs_conn_host_is_unix(const struct bs_conn_host *h)
{
    return h->hostaddr == NULL && (h->host[0] == '/' || h->host[0] == '@');
}

/*
 * Compares the field at the start of a line ("*" fits all; backslash escapes) and returns what
 * follows its colon, or NULL.
 */
static const char *
fits(const char *line, const char *want)
{
    if (line[0] == '*' && line[1] == ':')
        return line + 2;
    while (*line != '\0') {
        if (*line == ':' && *want == '\0')
            return line + 1;
        if (*line == '\\')
            line++;
        if (*want == '\0' || *line != *want)
            return NULL;
        line++;
        want++;
    }
    return NULL;
}

/* The fifth field without its escapes. */
static char *
take_password(const char *field)
{
    char *out = bs_malloc(strlen(field) + 1), *at = out;

    for (; *field != '\0' && *field != ':'; field++) {
        if (*field == '\\' && field[1] != '\0')
            field++;
        *at++ = *field;
    }
    return out;
}

static char *
search_file(char *text, const char *const want[4])
{
    char *rest = text, *line;

    while ((line = strsep(&rest, "\n")) != NULL) {
        const char *at = line;
        size_t n = strlen(line);
        while (n > 0 && line[n - 1] == '\r')
            line[--n] = '\0';
        if (line[0] == '#')
            continue;
        for (size_t i = 0; at != NULL && i < 4; i++)
            at = fits(at, want[i]);
        if (at != NULL)
            return take_password(at);
    }
    return NULL;
}

/* A password that others can read is no secret: libpq ignores such a file, and so do we. */
static bool
passfile_is_usable(const char *path)
{
    struct stat st;

    if (path == NULL || stat(path, &st) != 0)
        return false;
    if (S_ISREG(st.st_mode) && (st.st_mode & (S_IRWXG | S_IRWXO)) == 0)
        return true;
    BS_LOG(WARNING, "password file ignored: it must be a plain file with mode 0600",
           BS_F_STR("path", path));
    return false;
}

char *
bs_conninfo_password(const struct bs_conninfo *c, const struct bs_conn_host *h, const char *user)
{
    const char *host = strcmp(h->host, DEFAULT_PGSOCKET_DIR) == 0 ? "localhost" : h->host;
    const char *const want[4] = {host, h->port, c->dbname, user};
    struct bs_buf text;
    struct bs_err err = {0};
    char *found = NULL;

    if (c->password != NULL && strcmp(user, c->user) == 0)
        return bs_strdup(c->password);
    if (!passfile_is_usable(c->passfile))
        return NULL;
    bs_buf_init(&text, PASSFILE_MAX);
    if (bs_file_read(c->passfile, &text, &err) == BS_DONE) {
        bs_put_u8(&text, 0);
        if (!text.failed)
            found = search_file((char *)text.p, want);
    }
    if (text.p != NULL)
        bs_wipe(text.p, text.cap);
    bs_buf_fini(&text);
    return found;
}
