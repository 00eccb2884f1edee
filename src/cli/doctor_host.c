/*
 * doctor_host.c - what can be seen on this machine: files and folders, the storage, the
 * certificate, and who may connect and approve. It has to run as the user that serves, since all
 * of it is about what that user may do.
 */
#include <errno.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/files.h"
#include "cli/doctor.h"
#include "gateway/conninfo.h"
#include "policy/rules.h"
#include "policy/values.h"
#include "wire/tls.h"

#define NOTE(d, LEVEL, check, way, ...)                                                            \
    bs_doctor_note((d), BS_FINDING_##LEVEL, (struct bs_topic){"host", check}, (way), __VA_ARGS__)

enum { SOON_DAYS = 30 };

/* --- files and folders --- */

/* Passwords in connection strings are as secret as .pgpass. */
static void
look_at_config(struct bs_doctor *d)
{
    const struct bs_config *c = d->config;
    struct stat st;
    bool password = false;

    for (size_t i = 0; i < c->n_databases; i++) {
        const char *const texts[] = {c->databases[i].upstream_libpq, c->databases[i].helper,
                                     c->databases[i].restorer};
        for (size_t k = 0; k < 3 && texts[k] != NULL; k++) {
            PQconninfoOption *all = PQconninfoParse(texts[k], NULL);
            for (PQconninfoOption *o = all; o != NULL && o->keyword != NULL; o++)
                password = password || (strcmp(o->keyword, "password") == 0 && o->val != NULL);
            PQconninfoFree(all);
        }
    }
    if (stat(c->file, &st) != 0)
        return;
    if ((st.st_mode & 022) != 0)
        NOTE(d, FAIL, "config", bs_doctor_fmt(d, "chmod go-w %s", c->file),
             "others may change the configuration %s", c->file);
    else if (password && (st.st_mode & 044) != 0)
        NOTE(d, FAIL, "config", bs_doctor_fmt(d, "chmod 600 %s", c->file),
             "others may read the configuration %s, and there are passwords in it", c->file);
    else
        NOTE(d, OK, "config", NULL, "configuration %s, %zu database%s", c->file, c->n_databases,
             c->n_databases == 1 ? "" : "s");
}

/* Writes a byte: permissions alone do not tell of a full or read-only disk. */
static bool
can_write(const char *folder, struct bs_err *err)
{
    char *path = NULL;
    bool ok = false;
    int fd;

    if (asprintf(&path, "%s/.doctor-XXXXXX", folder) < 0)
        return false;
    fd = mkstemp(path);
    if (fd < 0) {
        (void)BS_FAIL(err, IO, "%s", strerror(errno));
    } else {
        ok = write(fd, "", 1) == 1 && fsync(fd) == 0;
        if (!ok)
            (void)BS_FAIL(err, IO, "%s", strerror(errno));
        (void)close(fd);
        (void)unlink(path);
    }
    free(path);
    return ok;
}

/* What lies in it is as sensitive as the tables themselves. */
static void
look_at_folder(struct bs_doctor *d, const char *check, const char *what, const char *folder)
{
    struct bs_err err = {0};
    struct stat st;

    /* The gateway makes them, too. */
    if (bs_dir_make(folder, &err) != BS_DONE || stat(folder, &st) != 0)
        NOTE(d, FAIL, check, bs_doctor_fmt(d, "install -d -m 700 -o USER %s", folder),
             "%s: there is no folder %s: %s", what, folder, err.message);
    else if (!can_write(folder, &err))
        NOTE(d, FAIL, check, "run this as the user that serves; let that user own the folder",
             "%s: %s cannot be written: %s", what, folder, err.message);
    else if ((st.st_mode & 022) != 0)
        NOTE(d, FAIL, check, bs_doctor_fmt(d, "chmod 700 %s", folder), "%s: others may write to %s",
             what, folder);
    else if ((st.st_mode & 005) != 0)
        NOTE(d, FAIL, check, bs_doctor_fmt(d, "chmod 700 %s", folder), "%s: others may read %s",
             what, folder);
    else
        NOTE(d, OK, check, NULL, "%s: %s can be written, and others cannot read it", what, folder);
}

/* Only the file is secret (bs_state_open refuses one that others can read). The folder may be seen,
 * but who can write to it can put another state in its place. */
static void
look_at_file(struct bs_doctor *d)
{
    const char *path = d->config->state_url;
    char *folder = bs_strdup(path), *slash = strrchr(folder, '/');
    struct bs_err err = {0};
    struct stat st;

    if (slash != NULL)
        *(slash == folder ? slash + 1 : slash) = '\0';
    if (stat(folder, &st) != 0)
        NOTE(d, FAIL, "state", bs_doctor_fmt(d, "install -d -m 700 -o USER %s", folder),
             "state: there is no folder %s", folder);
    else if (!can_write(folder, &err))
        NOTE(d, FAIL, "state", "run this as the user that serves; let that user own the folder",
             "state: %s cannot be written: %s", folder, err.message);
    else if ((st.st_mode & 022) != 0)
        NOTE(d, FAIL, "state", bs_doctor_fmt(d, "chmod go-w %s", folder),
             "state: others may write to %s and put another state in its place", folder);
    else if (bs_state_open(path, &d->state, &err) != BS_DONE)
        NOTE(d, FAIL, "state", err.hint[0] == '\0' ? NULL : bs_doctor_fmt(d, "%s", err.hint),
             "state: %s", err.message);
    else
        NOTE(d, OK, "state", NULL, "state: %s can be used, and others cannot read it", path);
    free(folder);
}

/* Who can reach it in the servers that agents reach is looked at with those: doctor_state.c. */
static void
look_at_state(struct bs_doctor *d)
{
    struct bs_err err = {0};

    if (d->config->state_url[0] == '/')
        look_at_file(d);
    else if (bs_state_open(d->config->state_url, &d->state, &err) != BS_DONE)
        NOTE(d, FAIL, "state", err.hint[0] == '\0' ? NULL : bs_doctor_fmt(d, "%s", err.hint),
             "state: %s", err.message);
    else
        NOTE(d, OK, "state", NULL,
             "state: the schema backstop can be used, and is open to no other role");
}

/* --- TLS towards agents --- */

static void
look_at_expiry(struct bs_doctor *d)
{
    const char *path = d->config->tls_cert;
    FILE *file = fopen(path, "r");
    X509 *cert = file == NULL ? NULL : PEM_read_X509(file, NULL, NULL, NULL);
    int days = 0, seconds = 0;

    if (file != NULL)
        (void)fclose(file);
    if (cert == NULL || ASN1_TIME_diff(&days, &seconds, NULL, X509_get0_notAfter(cert)) != 1)
        NOTE(d, FAIL, "tls", NULL, "tls: the certificate %s cannot be read", path);
    else if (days < 0 || seconds < 0)
        NOTE(d, FAIL, "tls", "replace it, and restart the gateway",
             "tls: the certificate %s has expired", path);
    else if (days < SOON_DAYS)
        NOTE(d, WARN, "tls", "replace it, and restart the gateway",
             "tls: the certificate %s expires in %d day%s", path, days, days == 1 ? "" : "s");
    else
        NOTE(d, OK, "tls", NULL, "tls: the certificate %s is good for %d days", path, days);
    X509_free(cert);
}

static void
look_at_tls(struct bs_doctor *d)
{
    const struct bs_config *c = d->config;
    const struct bs_tls_server_options options = {.cert_file = c->tls_cert,
                                                  .key_file = c->tls_key,
                                                  .client_ca_file = c->tls_client_ca,
                                                  .client_crl_file = c->tls_client_crl};
    struct bs_tls_ctx *tls = NULL;
    const char *beyond = NULL;
    struct bs_err err = {0};

    for (size_t i = 0; i < c->n_listen; i++) {
        if (c->listen[i].host != NULL && !bs_value_is_loopback(c->listen[i].host))
            beyond = c->listen[i].host;
    }
    if (c->tls_cert == NULL && beyond != NULL)
        NOTE(d, FAIL, "tls", "configure tls.cert and tls.key; `backstop init` makes a first pair",
             "tls: agents connect to %s over the network, and everything they send can be read",
             beyond);
    else if (c->tls_cert == NULL)
        NOTE(d, OK, "tls", NULL, "tls: none, and none is needed: agents connect on this host only");
    else if (bs_tls_ctx_new_server(&options, &tls, &err) != BS_DONE)
        NOTE(d, FAIL, "tls", NULL, "tls: %s", err.message);
    else
        look_at_expiry(d);
    bs_tls_ctx_free(&tls);
}

/* --- who may connect, who may approve --- */

static void
look_at_operators(struct bs_doctor *d)
{
    struct bs_operator *list;
    struct bs_err err = {0};
    size_t n = 0, approvers = 0;

    if (bs_state_operator_list(d->state, &d->arena, &list, &n, &err) != BS_DONE) {
        NOTE(d, FAIL, "operators", NULL, "operators: %s", err.message);
        return;
    }
    for (size_t i = 0; i < n; i++)
        approvers += bs_operator_may(&list[i], BS_ROLE_APPROVER, bs_now_us());
    if (approvers == 0)
        NOTE(d, WARN, "operators", "backstop operators add NAME --role approver",
             "operators: nobody may approve, so what needs approval is refused");
    else
        NOTE(d, OK, "operators", NULL, "operators: %zu may approve", approvers);
}

static void
look_at_policy(struct bs_doctor *d)
{
    const struct bs_policy *p = d->config->policy;

    if (p->mode == BS_POLICY_SHADOW)
        NOTE(d, WARN, "policy", "policy.mode: enforce",
             "policy: shadow mode; nothing is held, blocked or protected");
    else
        NOTE(d, OK, "policy", NULL, "policy: enforced, %zu rules", p->n_rules);
}

static void
look_at_agents(struct bs_doctor *d)
{
    struct bs_err err = {0};
    size_t active = 0, forever = 0;
    const char *which = "";

    if (bs_state_agent_list(d->state, &d->arena, &d->agents, &d->n_agents, &err) != BS_DONE) {
        d->n_agents = 0;
        NOTE(d, FAIL, "agents", NULL, "agents: %s", err.message);
        return;
    }
    for (size_t i = 0; i < d->n_agents; i++) {
        const struct bs_agent *a = &d->agents[i];
        if (bs_agent_shut_out(a, bs_now_us()) != NULL)
            continue;
        active++;
        if (a->expires_us == 0) {
            forever++;
            which = bs_doctor_fmt(d, "%s%s%s", which, which[0] == '\0' ? "" : ", ", a->name);
        }
    }
    if (active == 0)
        NOTE(d, INFO, "agents", "backstop agents add NAME --database NAME",
             "agents: none may connect");
    else if (forever != 0)
        NOTE(d, INFO, "agents", "--expires gives a new one an end; `agents revoke` ends one now",
             "agents: %zu may connect, without expiry: %.200s", active, which);
    else
        NOTE(d, OK, "agents", NULL, "agents: %zu may connect, all with an expiry", active);
}

/* A pause that was forgotten looks like a gateway that does not work. */
static void
look_at_pauses(struct bs_doctor *d)
{
    struct bs_err err = {0};
    struct bs_pause *all;
    size_t n;

    if (bs_state_pause_list(d->state, &d->arena, &all, &n, &err) != BS_DONE)
        NOTE(d, FAIL, "pauses", NULL, "pauses: %s", err.message);
    for (size_t i = 0; err.code == BS_OK && i < n; i++)
        NOTE(d, WARN, "pauses", "`backstop resume` lets it go on",
             "paused by %s: %s %.63s: nothing runs there but ROLLBACK (%.200s)", all[i].by,
             bs_pause_scope_name(all[i].scope), all[i].name, all[i].reason);
}

static void
look_at_reviews(struct bs_doctor *d)
{
    const struct bs_glass_filter open = {.open = true};
    struct bs_err err = {0};
    struct bs_glass *all;
    char at[BS_TIME_TEXT];
    size_t n;

    if (bs_state_glass_list(d->state, &open, &d->arena, &all, &n, &err) != BS_DONE) {
        NOTE(d, FAIL, "reviews", NULL, "reviews: %s", err.message);
        return;
    }
    if (n == 0)
        return;
    bs_time_format(all[n - 1].at_us, at);
    NOTE(d, WARN, "reviews",
         "`backstop approvals reviews` shows them; another operator closes one by `backstop "
         "approvals review TICKET --note ...`",
         "reviews: %zu statements went through by breaking the glass, and nobody has looked at "
         "them; the oldest is %s, by %.63s, %.19s",
         n, all[n - 1].ticket, all[n - 1].operator_, at);
}

void
bs_doctor_host(struct bs_doctor *d)
{
    look_at_config(d);
    look_at_policy(d);
    look_at_state(d);
    look_at_folder(d, "audit", "audit", d->config->audit_directory);
    bs_doctor_redact(d);
    bs_doctor_upload(d);
    look_at_folder(d, "spool", "spool", d->config->spool);
    bs_doctor_storage(d);
    if (d->config->storage_path != NULL)
        look_at_folder(d, "storage.folder", "storage", d->config->storage_path);
    look_at_tls(d);
    if (d->state == NULL)
        return;
    look_at_operators(d);
    look_at_agents(d);
    look_at_pauses(d);
    look_at_reviews(d);
    bs_doctor_notify(d);
}
