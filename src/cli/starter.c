/*
 * starter.c - a configuration that explains itself.
 */
#include "cli/starter.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A JSON string is a double-quoted YAML scalar, whatever is in it. */
static void
put_quoted(struct bs_buf *out, const char *text)
{
    json_t *value = json_string(text);
    char *quoted = value == NULL ? NULL : json_dumps(value, JSON_ENCODE_ANY);

    bs_put_str(out, quoted == NULL ? "\"\"" : quoted);
    free(quoted);
    json_decref(value);
}

static void
put_key(struct bs_buf *out, const char *key, const char *text, const char *comment)
{
    bs_put_str(out, key);
    put_quoted(out, text);
    bs_put_str(out, comment);
    bs_put_str(out, "\n");
}

/* The pg_dump programs of this machine, in Debian's and in RPM's place. */
static void
put_pg_dumps(struct bs_buf *out)
{
    const char *before = "  pg_dump: {";

    for (int major = 14; major < 30; major++) {
        char path[64];

        (void)snprintf(path, sizeof(path), "/usr/lib/postgresql/%d/bin/pg_dump", major);
        if (access(path, X_OK) != 0)
            (void)snprintf(path, sizeof(path), "/usr/pgsql-%d/bin/pg_dump", major);
        if (access(path, X_OK) != 0)
            continue;
        bs_put_fmt(out, "%s%d: %s", before, major, path);
        before = ", ";
    }
    bs_put_str(out, strcmp(before, ", ") == 0
                        ? "}\n"
                        : "  # pg_dump: {17: /usr/lib/postgresql/17/bin/pg_dump}\n");
}

static const char config_head[] =
    "# Backstop's configuration. `backstop check-config` says all that is wrong with it.\n"
    "# Paths are relative to this file's folder. Durations: 500ms, 20s, 15m, 2h, 1d; sizes: 64MB.\n"
    "# ${NAME} is taken from the environment; file:PATH in a connection string from a file.\n"
    "# Agents and operators are not here: see `backstop agents` and `backstop operators`.\n"
    "\n"
    "# Where agents connect, with any PostgreSQL client. unix:FOLDER makes a socket there.\n";

static const char config_rest[] =
    "\n"
    "state: sqlite:state.db           # agents, operators, tickets, points; several gateways "
    "share\n"
    "                                 # one: postgresql://role@host/database, see docs/scaling.md\n"
    "audit: {directory: audit}        # who did what, hash-chained; redact: all keeps values out\n"
    "storage: file:storage            # recovery points; a disk of its own is better\n"
    "spool: spool                     # captures on their way to storage\n"
    "\n"
    "workers: 2                       # threads that serve agents\n"
    "hold:\n"
    "  wait: 20s                      # a held statement waits this long, then fails with its "
    "ticket\n"
    "  notice: 10s                    # between two notices while it waits\n"
    "  decide: 15m                    # operators must decide within\n"
    "  redeem: 15m                    # an approved statement must be sent again within\n"
    "recovery:\n"
    "  grade: read-back               # every copy is read again and compared; or stored, "
    "restored\n"
    "  lock_budget: 30s               # a capture never locks its tables for longer\n"
    "  max_bytes: 10GB                # more than this is never copied: the statement is refused\n"
    "  # The pg_dump of the server's major version or a newer one; without it DROP is refused.\n";

static const char config_keeping[] =
    "# Copies by the clock, for what does not come through the gateway; and how long points stay.\n"
    "# snapshots:\n"
    "#   - {name: nightly, tables: [\"public.*\"], every: 6h, keep: {count: 28, age: 30d}}\n"
    "# retention:\n"
    "#   keep: {age: 90d}               # of points of statements; without it they stay for ever\n"
    "# verify: {every: 24h, sample: 5%} # points are read again; damage is loud\n";

static const char config_policy[] =
    "audit_safe: all                  # what only reads: all, sampled or counted\n"
    "\n"
    "# Of the rules that match, the strictest wins (block, approve, allow); where none does, the\n"
    "# default by risk. What no recovery point can cover is blocked unless a rule says otherwise.\n"
    "# `backstop explain --agent NAME 'SQL'` shows what would happen, and why.\n"
    "# On SIGHUP a running gateway takes this part anew. `mode: shadow` only tells what it would "
    "do.\n"
    "policy:\n"
    "  mode: enforce\n"
    "  defaults: {SAFE: allow, HIGH: approve, CRITICAL: approve}\n"
    "  rules:\n"
    "    # Work that only adds, and what it needs: new rows, sequence numbers, row locks. Without\n"
    "    # this rule every session is read only until an operator approves. To let only some "
    "agents\n"
    "    # add, name them: actors: [\"writer-*\"].\n"
    "    - name: additive work\n"
    "      kinds: [INSERT, COPY FROM STDIN, SELECT, SELECT FOR UPDATE, NOTIFY]\n"
    "      risk: [SAFE, HIGH]\n"
    "      action: allow\n"
    "    # Nobody drops these through Backstop, approved or not.\n"
    "    - name: no schema drops\n"
    "      kinds: [DROP SCHEMA, DROP DATABASE, DROP OWNED]\n"
    "      action: block\n"
    "    # Examples:\n"
    "    # - name: sessions may be cleaned up, by key\n"
    "    #   actors: [\"cleanup-*\"]\n"
    "    #   kinds: [DELETE]\n"
    "    #   objects: [public.sessions]    # all that is written must be in the list\n"
    "    #   risk: [HIGH]                  # never CRITICAL, unless it is named\n"
    "    #   action: allow\n"
    "    # - name: small changes, once they are counted\n"
    "    #   groups: [apps]                # backstop agents add NAME --group apps\n"
    "    #   kinds: [UPDATE, DELETE]\n"
    "    #   max_rows: 10\n"
    "    #   risk: [HIGH]\n"
    "    #   action: allow\n"
    "    # - name: payments are sacred\n"
    "    #   objects: [\"pay.*\"]            # schema.name; * does not cross the dot\n"
    "    #   action: approve\n"
    "  # Whatever the rules say:\n"
    "  # protected: [\"pay.*\", public.users.email]    # what writes there is CRITICAL\n"
    "  # profiles: {read-only: {groups: [analysts]}, dml: {groups: [apps]}}\n"
    "  # result_rows: 100000                         # nobody carries a table away\n";

void
bs_starter_config(const struct bs_starter *s, struct bs_buf *out)
{
    bs_put_str(out, config_head);
    bs_put_str(out, "listen: [");
    put_quoted(out, s->listen);
    bs_put_str(out, "]\n"
                    "tls: {cert: server.crt, key: server.key}   # self-signed, to start with\n"
                    "\n"
                    "# Where operators approve. Loopback only; agents have no business here.\n");
    put_key(out, "operators: {listen: ", s->operators, "}");
    bs_put_str(out, "\ndatabases:\n  ");
    put_quoted(out, s->database);
    bs_put_str(out,
               ":                           # the name agents connect to\n"
               "    # The role agents' statements run as; give it no more than agents may have.\n");
    put_key(out, "    upstream: ", s->upstream, "");
    bs_put_str(out,
               "    # Backstop's own role (helper.sql). Passwords are best kept in ~/.pgpass.\n");
    put_key(out, "    helper: ", s->helper, "");
    put_key(out, "    environment: ", s->environment, "   # shown to whoever approves");
    bs_put_str(out, config_rest);
    put_pg_dumps(out);
    bs_put_str(out, config_keeping);
    bs_put_str(out, config_policy);
}

void
bs_starter_helper_sql(struct bs_buf *out)
{
    bs_put_str(
        out, "-- The role that Backstop reads the catalog and takes copies with (PostgreSQL 14 and "
             "newer).\n"
             "-- As a superuser:  psql -v ON_ERROR_STOP=1 -f helper.sql DATABASE\n"
             "-- It may be run again. It sees every row and writes none.\n"
             "\n"
             "DO $$\n"
             "BEGIN\n"
             "    IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'backstop') THEN\n"
             "        CREATE ROLE backstop;\n"
             "    END IF;\n"
             "END\n"
             "$$;\n"
             "\n"
             "-- BYPASSRLS: a copy that row security had thinned out would be no copy.\n"
             "ALTER ROLE backstop LOGIN BYPASSRLS NOSUPERUSER NOCREATEDB NOCREATEROLE;\n"
             "-- pg_signal_backend: to end a session whose capture exceeds its lock budget.\n"
             "-- pg_monitor (with pg_read_all_stats): locks and activity of all sessions.\n"
             "GRANT pg_read_all_data, pg_signal_backend, pg_monitor TO backstop;\n"
             "-- So that `backstop doctor` can look for ways round the gateway in pg_hba.conf.\n"
             "GRANT EXECUTE ON FUNCTION pg_catalog.pg_hba_file_rules() TO backstop;\n"
             "-- So that it can keep what ALTER SYSTEM overwrites.\n"
             "GRANT EXECUTE ON FUNCTION pg_catalog.pg_show_all_file_settings() TO backstop;\n"
             "\n"
             "-- Then give it a way to log in: a line in pg_hba.conf (peer, cert), or a password:\n"
             "--   \\password backstop\n");
}
