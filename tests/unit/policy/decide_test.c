/*
 * decide_test.c - rules against statements: the strictest wins, to allow everything must be inside.
 *
 * A statement is written "KIND|RISK|POINT|things": things are separated by commas, each one
 *   @schema.name      the catalog's target, of the statement's kind
 *   @schema.name=KIND the catalog's target, of another kind
 *   schema.name, name an effect on a relation that the catalog did not resolve; also with =KIND
 *   #name  %name  ^schema.name   an effect on a schema, a role, a function
 *   !opaque           flag: runs code that is not known; !outside: beyond the transaction;
 *                     !trigger, !system, !known: a reason of that sort
 *   !uncounted        the reason that nobody has counted the rows
 * A target may have rows and share in percent that were counted, or estimated: @a.b:12/3, @a.b:~12/3;
 * an effect the columns that it sets, a.b[c+d], the one that it is about, a.b[/c], or the key by
 * which its row is picked, a.b>c.
 * Statements of a unit are separated by semicolons. An actor is written name@group.
 */
#include <stdlib.h>

#include "policies.h"
#include "policy/decide.h"

static const char none[] = HEAD;
static const char shop[] = HEAD
    "policy:\n"
    "  rules:\n"
    "    - {name: cleanup, actors: ['cleanup-*'], kinds: [DELETE], objects: [public.sessions],\n"
    "       risk: [HIGH], action: allow}\n"
    "    - {name: additive, kinds: [INSERT, SELECT FOR UPDATE, CREATE TABLE], action: allow}\n"
    "    - {name: payments, objects: ['pay.*'], risk: [HIGH, CRITICAL], action: approve}\n"
    "    - {name: no schema drops, kinds: [DROP SCHEMA, DROP DATABASE], action: block}\n"
    "    - {name: stage is shut, databases: [stage], risk: [CRITICAL], action: block}\n"
    "    - {name: program, kinds: [COPY PROGRAM], action: approve}\n";
static const char wide[] =
    HEAD "policy:\n"
         "  rules:\n"
         "    - {name: scratch, objects: ['scratch.*', 'public.tmp_*'], risk: [HIGH, CRITICAL],\n"
         "       action: allow, recovery: none}\n"
         "    - {name: held, objects: ['held.*'], action: approve, recovery: none}\n"
         "    - {name: trusted, actors: [root], risk: [SAFE, HIGH, CRITICAL], action: allow}\n"
         "    - {name: do it, kinds: [DO], risk: [CRITICAL], action: allow, recovery: none}\n"
         "    - {name: mute, actors: ['mute?'], action: block}\n"
         "    - {name: nothing outside, actors: [fenced], objects: ['*.*'], action: block}\n"
         "    - {name: held too, actors: [both], objects: ['held.*'], action: approve}\n";
static const char strict[] =
    HEAD "policy: {defaults: {SAFE: approve, HIGH: block, CRITICAL: block}}\n";
static const char loose[] = HEAD "policy: {defaults: {HIGH: allow}}\n";

static const char limits[] = HEAD
    "policy:\n"
    "  profiles:\n"
    "    read-only: {actors: ['ro-*'], groups: [analysts]}\n"
    "    dml: {actors: [app, ro-app], groups: [apps]}\n"
    "  rules:\n"
    "    - {name: few, actors: [a], kinds: [DELETE, UPDATE, INSERT], max_rows: 10, action: allow}\n"
    "    - {name: few of all, actors: [b], risk: [HIGH, CRITICAL], max_rows: 10, max_share: 5%,\n"
    "       action: allow}\n"
    "    - {name: little, actors: [c], max_share: 0.5%, action: allow}\n"
    "    - {name: many, actors: [d], min_rows: 10, action: block}\n"
    "    - {name: much, actors: [e], min_rows: 10, min_share: 5%, action: block}\n"
    "    - {name: ours, groups: ['team-*'], kinds: [INSERT], action: allow}\n"
    "    - {name: all, groups: [apps, analysts], risk: [SAFE, HIGH, CRITICAL], action: allow}\n";
static const char columns[] = HEAD
    "policy:\n"
    "  rules:\n"
    "    - {name: mail, actors: [a], columns: [public.users.email, 'pay.*.iban'], action: block}\n"
    "    - {name: state, actors: [b], columns: [public.orders.state, public.orders.note],\n"
    "       risk: [HIGH, CRITICAL], action: allow}\n"
    "    - {name: all of it, actors: [c], columns: ['public.*.*'], risk: [HIGH, CRITICAL],\n"
    "       action: allow}\n";
static const char places[] =
    "listen: ['127.0.0.1:1']\n"
    "databases:\n"
    "  shop: {upstream: 'dbname=a', helper: 'dbname=a user=b', environment: production}\n"
    "  stage: {upstream: 'dbname=b', helper: 'dbname=b user=b', environment: staging}\n"
    "  bare: {upstream: 'dbname=c', helper: 'dbname=c user=b'}\n"
    "state: sqlite:s\naudit: {directory: a}\nstorage: file:b\nspool: c\n"
    "policy:\n"
    "  rules:\n"
    "    - {name: shut, environments: [prod*], risk: [CRITICAL], action: block}\n"
    "    - {name: open, environments: [staging], risk: [HIGH, CRITICAL], action: allow}\n";

static const char kinds[] =
    HEAD "policy:\n"
         "  rules:\n"
         "    - {name: writes, kinds: [SELECT, INSERT, DO], risk: [SAFE, HIGH, CRITICAL],\n"
         "       action: allow}\n";
static const char guess[] =
    HEAD "policy:\n"
         "  defaults: {CRITICAL: block}\n"
         "  rules:\n"
         "    - {name: pay, actors: [a], objects: ['pay.*'], action: approve}\n"
         "    - {name: many, actors: [b], min_rows: 10, action: approve}\n";

struct row {
    const char *policy;
    const char *actor;
    const char *database;
    const char *unit;
    enum bs_action want;
    const char *rule; /* NULL: a default decides */
    bool waived;
};

#define ALLOW   BS_ACTION_ALLOW
#define APPROVE BS_ACTION_APPROVE
#define BLOCK   BS_ACTION_BLOCK

/* clang-format off */
static const struct row rows[] = {
    /* Defaults by risk. */
    {none, "a", "shop", "SELECT|SAFE|NONE|", ALLOW, NULL, false},
    {none, "a", "shop", "INSERT|HIGH|RECORD|@public.t", APPROVE, NULL, false},
    {none, "a", "shop", "DELETE|CRITICAL|ROWS|@public.t", APPROVE, NULL, false},
    {none, "a", "shop", "DROP TABLE|CRITICAL|WHOLE|@public.t", APPROVE, NULL, false},
    {none, "a", "shop", "SET ROLE|CRITICAL|NONE|", APPROVE, NULL, false},
    {none, "a", "shop", "SELECT|UNKNOWN|NONE|", BLOCK, NULL, false},
    {none, "a", "shop", "DROP DATABASE|CRITICAL|UNKNOWN|", BLOCK, NULL, false},
    {none, "a", "shop", "DROP DATABASE|CRITICAL|WHOLE|", BLOCK, NULL, false},
    {none, "a", "shop", "DO|CRITICAL|UNKNOWN|!opaque", APPROVE, NULL, false},
    {none, "a", "shop", "LOAD|CRITICAL|UNKNOWN|", BLOCK, NULL, false},
    {none, "a", "shop", "COPY PROGRAM|CRITICAL|UNKNOWN|", BLOCK, NULL, false},
    {none, "a", "shop", "UNKNOWN|CRITICAL|UNKNOWN|", BLOCK, NULL, false},
    {none, "a", "shop", "UNKNOWN|UNKNOWN|UNKNOWN|", BLOCK, NULL, false},
    {none, "a", "shop", "UNKNOWN|SAFE|UNKNOWN|", BLOCK, NULL, false},
    {none, "a", "shop", "SELECT|CRITICAL|UNKNOWN|!opaque", APPROVE, NULL, false},
    {loose, "a", "shop", "COMMIT PREPARED|CRITICAL|UNKNOWN|", BLOCK, NULL, false},
    {none, "a", "shop", "SELECT|CRITICAL|NONE|!opaque", APPROVE, NULL, false},
    {strict, "a", "shop", "SELECT|SAFE|NONE|", APPROVE, NULL, false},
    {strict, "a", "shop", "INSERT|HIGH|RECORD|@public.t", BLOCK, NULL, false},
    {strict, "a", "shop", "DELETE|CRITICAL|ROWS|@public.t", BLOCK, NULL, false},
    {loose, "a", "shop", "INSERT|HIGH|RECORD|@public.t", ALLOW, NULL, false},
    {loose, "a", "shop", "DELETE|CRITICAL|ROWS|@public.t", APPROVE, NULL, false},
    {loose, "a", "shop", "VACUUM|HIGH|UNKNOWN|", BLOCK, NULL, false},

    /* A unit is as strict as its strictest statement, wherever that stands. */
    {none, "a", "shop", "SELECT|SAFE|NONE|;INSERT|HIGH|RECORD|@public.t", APPROVE, NULL, false},
    {none, "a", "shop", "INSERT|HIGH|RECORD|@public.t;SELECT|SAFE|NONE|", APPROVE, NULL, false},
    {none, "a", "shop", "SELECT|SAFE|NONE|;SELECT|SAFE|NONE|", ALLOW, NULL, false},
    {none, "a", "shop", "SELECT|SAFE|NONE|;LOAD|CRITICAL|UNKNOWN|;SELECT|SAFE|NONE|", BLOCK, NULL, false},
    {shop, "a", "shop", "INSERT|HIGH|RECORD|@public.t;DROP SCHEMA|CRITICAL|WHOLE|#pay", BLOCK, "no schema drops", false},
    {shop, "a", "shop", "DROP SCHEMA|CRITICAL|WHOLE|#pay;INSERT|HIGH|RECORD|@public.t", BLOCK, "no schema drops", false},
    {shop, "a", "shop", "INSERT|HIGH|RECORD|@public.t;DELETE|CRITICAL|ROWS|@public.t", APPROVE, NULL, false},
    {shop, "a", "shop", "INSERT|HIGH|RECORD|@pay.t;INSERT|HIGH|RECORD|@public.t", APPROVE, "payments", false},

    /* Actors. */
    {shop, "cleanup-1", "shop", "DELETE|HIGH|ROWS|@public.sessions", ALLOW, "cleanup", false},
    {shop, "cleanup-", "shop", "DELETE|HIGH|ROWS|@public.sessions", ALLOW, "cleanup", false},
    {shop, "cleanup", "shop", "DELETE|HIGH|ROWS|@public.sessions", APPROVE, NULL, false},
    {shop, "Cleanup-1", "shop", "DELETE|HIGH|ROWS|@public.sessions", APPROVE, NULL, false},
    {shop, "xcleanup-1", "shop", "DELETE|HIGH|ROWS|@public.sessions", APPROVE, NULL, false},
    {shop, "", "shop", "DELETE|HIGH|ROWS|@public.sessions", APPROVE, NULL, false},
    {wide, "root", "shop", "DELETE|CRITICAL|ROWS|@public.t", ALLOW, "trusted", false},
    {wide, "root2", "shop", "DELETE|CRITICAL|ROWS|@public.t", APPROVE, NULL, false},
    {wide, "mute1", "shop", "SELECT|SAFE|NONE|", BLOCK, "mute", false},
    {wide, "mute", "shop", "SELECT|SAFE|NONE|", ALLOW, NULL, false},
    {wide, "mute12", "shop", "SELECT|SAFE|NONE|", ALLOW, NULL, false},
    {wide, "mute\xc3\xa9", "shop", "SELECT|SAFE|NONE|", BLOCK, "mute", false},

    /* Databases. */
    {shop, "a", "stage", "DELETE|CRITICAL|ROWS|@public.t", BLOCK, "stage is shut", false},
    {shop, "a", "stag", "DELETE|CRITICAL|ROWS|@public.t", APPROVE, NULL, false},
    {shop, "a", "shop", "DELETE|CRITICAL|ROWS|@public.t", APPROVE, NULL, false},
    {shop, "a", "stage", "DELETE|HIGH|ROWS|@public.t", APPROVE, NULL, false},
    {shop, "a", "stage", "SELECT|SAFE|NONE|", ALLOW, NULL, false},
    {shop, "a", "stage", "UNKNOWN|UNKNOWN|UNKNOWN|", BLOCK, "stage is shut", false},

    /* Risk: an exact list; CRITICAL is never implied for allow. */
    {shop, "cleanup-1", "shop", "DELETE|CRITICAL|ROWS|@public.sessions", APPROVE, NULL, false},
    {shop, "cleanup-1", "shop", "DELETE|UNKNOWN|ROWS|@public.sessions", BLOCK, NULL, false},
    {shop, "a", "shop", "INSERT|HIGH|RECORD|@public.t", ALLOW, "additive", false},
    {shop, "a", "shop", "INSERT|SAFE|RECORD|@public.t", ALLOW, "additive", false},
    {shop, "a", "shop", "INSERT|CRITICAL|RECORD|@public.t", APPROVE, NULL, false},
    {shop, "a", "shop", "INSERT|UNKNOWN|RECORD|@public.t", BLOCK, NULL, false},
    {wide, "root", "shop", "DELETE|UNKNOWN|ROWS|@public.t", BLOCK, NULL, false},
    {shop, "a", "shop", "SELECT|SAFE|NONE|@pay.cards", ALLOW, NULL, false},
    {shop, "a", "shop", "UPDATE|UNKNOWN|ROWS|@pay.cards", APPROVE, "payments", false},

    /* Kinds: any for approve and block, all for allow. */
    {shop, "a", "shop", "SELECT FOR UPDATE|HIGH|NONE|", ALLOW, "additive", false},
    {shop, "a", "shop", "SELECT|HIGH|RECORD|@public.t=INSERT", ALLOW, "additive", false},
    {shop, "a", "shop", "SELECT|HIGH|RECORD|public.t=INSERT", ALLOW, "additive", false},
    {shop, "a", "shop", "SELECT|HIGH|ROWS|public.t=DELETE", APPROVE, NULL, false},
    {shop, "a", "shop", "SELECT|HIGH|ROWS|public.t=INSERT,public.t=DELETE", APPROVE, NULL, false},
    {shop, "a", "shop", "INSERT|HIGH|ROWS|@public.t,@public.t=UPDATE", APPROVE, NULL, false},
    {shop, "a", "shop", "INSERT|HIGH|ROWS|@public.t=UPDATE,@public.t", APPROVE, NULL, false},
    {shop, "a", "shop", "INSERT|HIGH|ROWS|public.t,public.t=UPDATE", APPROVE, NULL, false},
    {shop, "a", "shop", "DELETE|HIGH|ROWS|public.t=INSERT", APPROVE, NULL, false},
    {shop, "cleanup-1", "shop", "SELECT|HIGH|ROWS|@public.sessions=DELETE", ALLOW, "cleanup", false},
    {shop, "cleanup-1", "shop", "SELECT|HIGH|ROWS|sessions=DELETE,@public.sessions=DELETE", ALLOW, "cleanup", false},
    {shop, "cleanup-1", "shop", "DELETE|HIGH|ROWS|@public.sessions,@public.sessions=UPDATE", APPROVE, NULL, false},
    {shop, "a", "shop", "DROP SCHEMA|CRITICAL|WHOLE|#x", BLOCK, "no schema drops", false},
    {shop, "a", "shop", "EXPLAIN ANALYZE|CRITICAL|WHOLE|#x=DROP SCHEMA", BLOCK, "no schema drops", false},
    {shop, "a", "shop", "DO|CRITICAL|WHOLE|@a.b=DROP SCHEMA", BLOCK, "no schema drops", false},
    {shop, "a", "shop", "DROP DATABASE|CRITICAL|UNKNOWN|", BLOCK, "no schema drops", false},
    {shop, "a", "shop", "COPY PROGRAM|CRITICAL|UNKNOWN|", APPROVE, "program", false},
    {shop, "a", "shop", "SELECT|SAFE|NONE|", ALLOW, NULL, false},
    {wide, "a", "shop", "DO|CRITICAL|UNKNOWN|!opaque", APPROVE, "held", false}, /* it may write there */
    {wide, "a", "shop", "DO|CRITICAL|UNKNOWN|", ALLOW, "do it", true},
    {wide, "a", "shop", "CALL|CRITICAL|UNKNOWN|!opaque", APPROVE, "held", false},
    {wide, "fenced", "shop", "SELECT|CRITICAL|UNKNOWN|!opaque", BLOCK, "nothing outside", false},
    /* What is only a guess does not take the place of a stricter default. */
    {wide, "a", "shop", "SELECT|CRITICAL|UNKNOWN|!opaque,!outside", BLOCK, NULL, false},
    {wide, "a", "shop", "SELECT|CRITICAL|UNKNOWN|@held.t=DELETE,!opaque,!outside", APPROVE, "held", false},
    {guess, "a", "shop", "DROP FUNCTION|CRITICAL|DEFINITION|^f", BLOCK, NULL, false},
    {guess, "a", "shop", "DROP FUNCTION|CRITICAL|DEFINITION|^pay.f", APPROVE, "pay", false},
    {guess, "b", "shop", "DELETE|CRITICAL|ROWS|@public.t", BLOCK, NULL, false},
    {guess, "b", "shop", "DELETE|CRITICAL|ROWS|@public.t:~20/1", BLOCK, NULL, false},
    {guess, "b", "shop", "DELETE|CRITICAL|ROWS|@public.t:20/1", APPROVE, "many", false},

    /* Objects: any for approve and block, all for allow; no wildcard crosses the dot. */
    {shop, "a", "shop", "UPDATE|HIGH|ROWS|@pay.cards", APPROVE, "payments", false},
    {shop, "a", "shop", "INSERT|HIGH|RECORD|@pay.cards", APPROVE, "payments", false},
    {shop, "a", "shop", "INSERT|HIGH|RECORD|@public.t,@pay.log", APPROVE, "payments", false},
    {shop, "a", "shop", "INSERT|HIGH|RECORD|@payroll.t", ALLOW, "additive", false},
    {shop, "a", "shop", "INSERT|HIGH|RECORD|@public.pay", ALLOW, "additive", false},
    {shop, "cleanup-1", "shop", "DELETE|HIGH|ROWS|@public.sessions,@public.orders", APPROVE, NULL, false},
    {shop, "cleanup-1", "shop", "DELETE|HIGH|ROWS|@public.sessions2", APPROVE, NULL, false},
    {shop, "cleanup-1", "shop", "DELETE|HIGH|ROWS|@other.sessions", APPROVE, NULL, false},
    {shop, "cleanup-1", "shop", "DELETE|HIGH|ROWS|@public.Sessions", APPROVE, NULL, false},
    {shop, "cleanup-1", "shop", "DELETE|HIGH|ROWS|sessions", APPROVE, "payments", false},
    {shop, "cleanup-1", "shop", "DELETE|HIGH|ROWS|public.sessions", ALLOW, "cleanup", false},
    {shop, "cleanup-1", "shop", "DELETE|HIGH|ROWS|sessions,@public.sessions", ALLOW, "cleanup", false},
    {shop, "cleanup-1", "shop", "DELETE|HIGH|ROWS|other.sessions,@public.sessions", APPROVE, NULL, false},
    {shop, "cleanup-1", "shop", "DELETE|HIGH|ROWS|", APPROVE, NULL, false},
    {shop, "cleanup-1", "shop", "DELETE|HIGH|ROWS|@public.sessions,!opaque", APPROVE, "payments", false},
    {shop, "cleanup-1", "shop", "DELETE|HIGH|ROWS|@public.sessions,!trigger", APPROVE, "payments", false},
    {wide, "a", "shop", "DELETE|CRITICAL|ROWS|@scratch.t", ALLOW, "scratch", true},
    {wide, "a", "shop", "DELETE|CRITICAL|ROWS|@public.tmp_1", ALLOW, "scratch", true},
    {wide, "a", "shop", "DELETE|CRITICAL|ROWS|@public.tmp_1,@scratch.x", ALLOW, "scratch", true},
    {wide, "a", "shop", "DELETE|CRITICAL|ROWS|@public.tm", APPROVE, NULL, false},
    {wide, "a", "shop", "DELETE|CRITICAL|ROWS|@scratch.t,@public.t", APPROVE, NULL, false},
    {wide, "a", "shop", "DELETE|CRITICAL|ROWS|@scratch.t,!opaque", APPROVE, "held", false},
    {wide, "a", "shop", "DROP SCHEMA|CRITICAL|WHOLE|#scratch", ALLOW, "scratch", true},
    {wide, "a", "shop", "DROP SCHEMA|CRITICAL|WHOLE|#public", APPROVE, NULL, false},
    {wide, "a", "shop", "DROP FUNCTION|CRITICAL|DEFINITION|^scratch.f", ALLOW, "scratch", true},
    {wide, "a", "shop", "DROP FUNCTION|CRITICAL|DEFINITION|^f", APPROVE, "held", false},
    {shop, "a", "shop", "DROP FUNCTION|CRITICAL|DEFINITION|^f", APPROVE, "payments", false},
    {shop, "a", "shop", "UPDATE|HIGH|ROWS|cards", APPROVE, "payments", false},
    {shop, "a", "shop", "GRANT|CRITICAL|STATE|%boss", APPROVE, NULL, false},
    {wide, "fenced", "shop", "GRANT|CRITICAL|STATE|%boss", BLOCK, "nothing outside", false},
    {wide, "fenced", "shop", "INSERT|HIGH|RECORD|@public.t", BLOCK, "nothing outside", false},
    {wide, "fenced", "shop", "INSERT|HIGH|RECORD|t", BLOCK, "nothing outside", false},
    {wide, "fenced", "shop", "DROP SCHEMA|CRITICAL|WHOLE|#public", BLOCK, "nothing outside", false},
    {wide, "fenced", "shop", "SELECT|SAFE|NONE|", ALLOW, NULL, false},
    {wide, "fenced", "shop", "DELETE|CRITICAL|ROWS|@scratch.t", BLOCK, "nothing outside", false},

    /* recovery: none holds only where all is inside the rule, and where every equal rule says so. */
    {wide, "a", "shop", "DELETE|CRITICAL|ROWS|@held.t", APPROVE, "held", true},
    {wide, "a", "shop", "DELETE|CRITICAL|ROWS|@held.t,@public.t", APPROVE, "held", false},
    {wide, "a", "shop", "DELETE|CRITICAL|ROWS|@held.t,!opaque", APPROVE, "held", false},
    {wide, "a", "shop", "DELETE|CRITICAL|ROWS|@held.t;DELETE|CRITICAL|ROWS|@held.u", APPROVE, "held", true},
    {wide, "a", "shop", "DELETE|CRITICAL|ROWS|@held.t;DELETE|CRITICAL|ROWS|@public.u", APPROVE, "held", false},
    {wide, "a", "shop", "DELETE|CRITICAL|ROWS|@held.t;SELECT|SAFE|NONE|", APPROVE, "held", true},
    {wide, "both", "shop", "DELETE|CRITICAL|ROWS|@held.t", APPROVE, "held", false},
    {wide, "root", "shop", "DELETE|CRITICAL|ROWS|@scratch.t", ALLOW, "scratch", false},
    {wide, "a", "shop", "SELECT|SAFE|NONE|", ALLOW, NULL, false},

    /* Groups. Who has none is in none. */
    {limits, "x@team-1", "shop", "INSERT|HIGH|RECORD|@public.t", ALLOW, "ours", false},
    {limits, "x@team", "shop", "INSERT|HIGH|RECORD|@public.t", APPROVE, NULL, false},
    {limits, "x", "shop", "INSERT|HIGH|RECORD|@public.t", APPROVE, NULL, false},
    {limits, "team-1", "shop", "INSERT|HIGH|RECORD|@public.t", APPROVE, NULL, false},

    /* Environments. */
    {places, "a", "shop", "DELETE|CRITICAL|ROWS|@public.t", BLOCK, "shut", false},
    {places, "a", "stage", "DELETE|CRITICAL|ROWS|@public.t", ALLOW, "open", false},
    {places, "a", "bare", "DELETE|CRITICAL|ROWS|@public.t", APPROVE, NULL, false},

    /* Rows of an allow rule: every table counted, and few. */
    {limits, "a", "shop", "DELETE|HIGH|ROWS|@public.t:10/90", ALLOW, "few", false},
    {limits, "a", "shop", "DELETE|HIGH|ROWS|@public.t:11/1", APPROVE, NULL, false},
    {limits, "a", "shop", "DELETE|HIGH|ROWS|@public.t:0/0", ALLOW, "few", false},
    {limits, "a", "shop", "DELETE|HIGH|ROWS|@public.t", APPROVE, NULL, false},
    {limits, "a", "shop", "DELETE|HIGH|ROWS|@public.t,public.t>id", ALLOW, "few", false},
    {limits, "a", "shop", "UPDATE|HIGH|ROWS|@public.t,t>id", ALLOW, "few", false},
    {limits, "a", "shop", "DELETE|HIGH|ROWS|@public.t,public.t>id,!uncounted", APPROVE, NULL, false},
    {limits, "a", "shop", "DELETE|HIGH|ROWS|@public.t,public.t>id;DELETE|HIGH|ROWS|@public.u", APPROVE, NULL, false},
    {limits, "b", "shop", "DELETE|HIGH|ROWS|@public.t,public.t>id", APPROVE, NULL, false},
    {limits, "a", "shop", "DELETE|HIGH|ROWS|@public.t:~1/1", APPROVE, NULL, false},
    {limits, "a", "shop", "DELETE|HIGH|ROWS|@public.t:1/1,@public.u", APPROVE, NULL, false},
    {limits, "a", "shop", "DELETE|HIGH|ROWS|@public.t:1/1,@public.u:11/1", APPROVE, NULL, false},
    {limits, "a", "shop", "DELETE|HIGH|ROWS|@public.t:1/1,@public.u:9/1", ALLOW, "few", false},
    {limits, "a", "shop", "DELETE|HIGH|ROWS|@public.t:1/1,@public.u:10/1", APPROVE, NULL, false},
    {limits, "a", "shop", "DELETE|HIGH|ROWS|@public.t:5/1;DELETE|HIGH|ROWS|@public.t:5/1", ALLOW, "few", false},
    {limits, "a", "shop", "DELETE|HIGH|ROWS|@public.t:5/1;DELETE|HIGH|ROWS|@public.t:6/1", APPROVE, NULL, false},
    {limits, "a", "shop", "DELETE|HIGH|ROWS|@public.t:1/1,public.gone", APPROVE, NULL, false},
    {limits, "a", "shop", "DELETE|HIGH|ROWS|@public.t:1/1,!opaque", APPROVE, NULL, false},
    {limits, "a", "shop", "DELETE|HIGH|ROWS|@public.t:1/1,!trigger", APPROVE, NULL, false},
    {limits, "a", "shop", "DELETE|CRITICAL|ROWS|@public.t:1/1", APPROVE, NULL, false},
    {limits, "a", "shop", "INSERT|HIGH|RECORD|@public.t", ALLOW, "few", false}, /* loses nothing */
    {limits, "a", "shop", "INSERT|HIGH|RECORD|@public.t:11/1", ALLOW, "few", false},
    {limits, "a", "shop", "INSERT|HIGH|ROWS|@public.t,@public.t=UPDATE", APPROVE, NULL, false},
    {limits, "a", "shop", "DELETE|HIGH|ROWS|@public.t:1/1;DELETE|HIGH|ROWS|@public.t:11/1", APPROVE, NULL, false},
    {limits, "b", "shop", "DELETE|HIGH|ROWS|@public.t:10/5", ALLOW, "few of all", false},
    {limits, "b", "shop", "DELETE|HIGH|ROWS|@public.t:10/5.1", APPROVE, NULL, false},
    {limits, "b", "shop", "DELETE|HIGH|ROWS|@public.t:11/5", APPROVE, NULL, false},
    {limits, "b", "shop", "DROP SCHEMA|CRITICAL|WHOLE|#x,@x.t:3/5=DROP TABLE", ALLOW, "few of all", false},
    {limits, "b", "shop", "DROP SCHEMA|CRITICAL|WHOLE|#x", APPROVE, NULL, false},
    {limits, "b", "shop", "DROP OWNED|CRITICAL|WHOLE|%x", APPROVE, NULL, false},
    {limits, "b", "shop", "GRANT|CRITICAL|STATE|public.t", ALLOW, "few of all", false},
    {limits, "b", "shop", "DO|CRITICAL|UNKNOWN|", APPROVE, NULL, false},
    {limits, "c", "shop", "UPDATE|HIGH|ROWS|@public.t:10000/0.5", ALLOW, "little", false},
    {limits, "c", "shop", "UPDATE|HIGH|ROWS|@public.t:1/0.6", APPROVE, NULL, false},
    {limits, "c", "shop", "UPDATE|HIGH|ROWS|@public.t:1", APPROVE, NULL, false},

    /* Rows of the others: so many, or nobody knows. */
    {limits, "d", "shop", "DELETE|HIGH|ROWS|@public.t:10/1", BLOCK, "many", false},
    {limits, "d", "shop", "DELETE|HIGH|ROWS|@public.t:9/100", APPROVE, NULL, false},
    {limits, "d", "shop", "DELETE|HIGH|ROWS|@public.t", BLOCK, "many", false},
    {limits, "d", "shop", "DELETE|HIGH|ROWS|@public.t:~1/1", BLOCK, "many", false},
    {limits, "d", "shop", "DELETE|HIGH|ROWS|@public.t:1/1,@public.u:10/1", BLOCK, "many", false},
    {limits, "d", "shop", "DELETE|HIGH|ROWS|@public.t:5/1,@public.u:5/1", BLOCK, "many", false},
    {limits, "d", "shop", "SELECT|SAFE|NONE|", ALLOW, NULL, false},
    {limits, "d", "shop", "INSERT|HIGH|RECORD|@public.t", APPROVE, NULL, false},
    {limits, "d", "shop", "CREATE TABLE|HIGH|RECORD|public.t", APPROVE, NULL, false},
    {limits, "d", "shop", "SELECT|CRITICAL|UNKNOWN|!opaque", BLOCK, "many", false},
    {limits, "e", "shop", "DELETE|HIGH|ROWS|@public.t:10/1", BLOCK, "much", false},
    {limits, "e", "shop", "DELETE|HIGH|ROWS|@public.t:1/5", BLOCK, "much", false},
    {limits, "e", "shop", "DELETE|HIGH|ROWS|@public.t:1", BLOCK, "much", false},
    {limits, "e", "shop", "DELETE|HIGH|ROWS|@public.t:9/4", APPROVE, NULL, false},

    /* Kinds that are listed are not all that unread code does. */
    {kinds, "a", "shop", "SELECT|CRITICAL|UNKNOWN|!opaque", APPROVE, NULL, false},
    {kinds, "a", "shop", "INSERT|CRITICAL|UNKNOWN|@public.t,!opaque", APPROVE, NULL, false},
    {kinds, "a", "shop", "INSERT|CRITICAL|RECORD|@public.t,!trigger", APPROVE, NULL, false},
    {kinds, "a", "shop", "INSERT|CRITICAL|RECORD|@public.t", ALLOW, "writes", false},
    {kinds, "a", "shop", "DO|CRITICAL|UNKNOWN|!opaque", ALLOW, "writes", false},

    /* Columns: any for approve and block, all for allow. */
    {columns, "a", "shop", "UPDATE|HIGH|ROWS|@public.users,public.users[email]", BLOCK, "mail", false},
    {columns, "a", "shop", "UPDATE|HIGH|ROWS|@public.users,users[email]", BLOCK, "mail", false},
    {columns, "a", "shop", "UPDATE|HIGH|ROWS|users[email]", BLOCK, "mail", false},
    {columns, "a", "shop", "UPDATE|HIGH|ROWS|@public.users,public.users[name+email]", BLOCK, "mail", false},
    {columns, "a", "shop", "UPDATE|HIGH|ROWS|@public.users,public.users[name]", APPROVE, NULL, false},
    {columns, "a", "shop", "UPDATE|HIGH|ROWS|@other.users,other.users[email]", APPROVE, NULL, false},
    {columns, "a", "shop", "UPDATE|HIGH|ROWS|@pay.t,t[iban]", BLOCK, "mail", false},
    {columns, "a", "shop", "UPDATE|HIGH|ROWS|@public.users,public.users", BLOCK, "mail", false},
    {columns, "a", "shop", "DELETE|HIGH|ROWS|@public.users,public.users", BLOCK, "mail", false},
    {columns, "a", "shop", "TRUNCATE|CRITICAL|WHOLE|@public.users,public.users", BLOCK, "mail", false},
    {columns, "a", "shop", "DROP TABLE|CRITICAL|WHOLE|@public.users,public.users", BLOCK, "mail", false},
    {columns, "a", "shop", "DROP SCHEMA|CRITICAL|WHOLE|#public", BLOCK, "mail", false},
    {columns, "a", "shop", "DROP SCHEMA|CRITICAL|WHOLE|#other", APPROVE, NULL, false},
    {columns, "a", "shop", "INSERT|HIGH|RECORD|@public.users,public.users", BLOCK, "mail", false},
    {columns, "a", "shop", "INSERT|HIGH|RECORD|@public.users,public.users[name]", APPROVE, NULL, false},
    {columns, "a", "shop", "INSERT|HIGH|RECORD|@public.users,public.users[email]", BLOCK, "mail", false},
    {columns, "a", "shop", "ALTER TABLE DROP COLUMN|CRITICAL|WHOLE|@public.users,public.users[/email]", BLOCK, "mail", false},
    {columns, "a", "shop", "ALTER TABLE DROP COLUMN|CRITICAL|WHOLE|@public.users,public.users[/name]", APPROVE, NULL, false},
    {columns, "a", "shop", "ALTER TABLE ADD COLUMN|HIGH|RECORD|@public.users,public.users", APPROVE, NULL, false},
    {columns, "a", "shop", "CREATE INDEX|HIGH|RECORD|@public.users,public.users", APPROVE, NULL, false},
    {columns, "a", "shop", "RENAME|HIGH|RECORD|@public.users,public.users", BLOCK, "mail", false},
    {columns, "a", "shop", "SELECT|CRITICAL|UNKNOWN|!opaque", BLOCK, "mail", false},
    {columns, "a", "shop", "SELECT|SAFE|NONE|", ALLOW, NULL, false},
    {columns, "a", "shop", "UPDATE|HIGH|ROWS|@public.users_1,@public.users,public.users[name]", APPROVE, NULL, false},
    {columns, "a", "shop", "UPDATE|HIGH|ROWS|@public.users,@public.parent,public.parent[email]", BLOCK, "mail", false},
    {columns, "b", "shop", "UPDATE|HIGH|ROWS|@public.orders,public.orders[state]", ALLOW, "state", false},
    {columns, "b", "shop", "UPDATE|HIGH|ROWS|@public.orders,public.orders[state+note]", ALLOW, "state", false},
    {columns, "b", "shop", "UPDATE|HIGH|ROWS|@public.orders,public.orders[state+total]", APPROVE, NULL, false},
    {columns, "b", "shop", "UPDATE|HIGH|ROWS|@public.orders,public.orders", APPROVE, NULL, false},
    {columns, "b", "shop", "UPDATE|HIGH|ROWS|orders[state]", APPROVE, NULL, false},
    {columns, "b", "shop", "DELETE|HIGH|ROWS|@public.orders,public.orders", APPROVE, NULL, false},
    {columns, "b", "shop", "UPDATE|HIGH|ROWS|@public.orders,public.orders[state],!opaque", APPROVE, NULL, false},
    {columns, "b", "shop", "ALTER TABLE ADD COLUMN|HIGH|RECORD|@public.orders,public.orders", APPROVE, NULL, false},
    {columns, "b", "shop", "NOTIFY|HIGH|NONE|", APPROVE, NULL, false},
    {columns, "c", "shop", "DELETE|HIGH|ROWS|@public.orders,public.orders", ALLOW, "all of it", false},
    {columns, "c", "shop", "DROP SCHEMA|CRITICAL|WHOLE|#public", ALLOW, "all of it", false},

    /* Profiles stand above the rules. */
    {limits, "x@apps", "shop", "INSERT|HIGH|RECORD|@public.t", ALLOW, "all", false},
    {limits, "x@apps", "shop", "DELETE|CRITICAL|ROWS|@public.t", ALLOW, "all", false},
    {limits, "x@apps", "shop", "MERGE|CRITICAL|ROWS|@public.t=UPDATE", ALLOW, "all", false},
    {limits, "x@apps", "shop", "COPY FROM STDIN|HIGH|RECORD|@public.t", ALLOW, "all", false},
    {limits, "x@apps", "shop", "SELECT|SAFE|NONE|", ALLOW, "all", false},
    {limits, "x@apps", "shop", "SET|SAFE|NONE|", ALLOW, "all", false},
    {limits, "x@apps", "shop", "SET|CRITICAL|NONE|", BLOCK, NULL, false},
    {limits, "x@apps", "shop", "NOTIFY|HIGH|NONE|", ALLOW, "all", false},
    {limits, "x@apps", "shop", "BEGIN|SAFE|NONE|", ALLOW, "all", false},
    {limits, "x@apps", "shop", "PREPARE TRANSACTION|HIGH|NONE|", BLOCK, NULL, false},
    {limits, "x@apps", "shop", "TRUNCATE|CRITICAL|WHOLE|@public.t", BLOCK, NULL, false},
    {limits, "x@apps", "shop", "DELETE|CRITICAL|ROWS|@public.t,@public.u=TRUNCATE", BLOCK, NULL, false},
    {limits, "x@apps", "shop", "EXPLAIN ANALYZE|CRITICAL|WHOLE|public.t=TRUNCATE", BLOCK, NULL, false},
    {limits, "x@apps", "shop", "CREATE TABLE|HIGH|RECORD|public.t", BLOCK, NULL, false},
    {limits, "x@apps", "shop", "CREATE TEMP TABLE|HIGH|NONE|t", BLOCK, NULL, false},
    {limits, "x@apps", "shop", "GRANT|CRITICAL|STATE|public.t", BLOCK, NULL, false},
    {limits, "x@apps", "shop", "DO|CRITICAL|ROWS|@public.t=DELETE", BLOCK, NULL, false},
    {limits, "x@apps", "shop", "CALL|CRITICAL|UNKNOWN|!opaque", BLOCK, NULL, false},
    {limits, "x@apps", "shop", "CALL|CRITICAL|ROWS|@public.t=DELETE", ALLOW, "all", false},
    {limits, "x@apps", "shop", "SELECT|CRITICAL|UNKNOWN|!opaque", BLOCK, NULL, false},
    {limits, "x@apps", "shop", "UPDATE|CRITICAL|UNKNOWN|!system", BLOCK, NULL, false},
    {limits, "app", "shop", "UPDATE|HIGH|ROWS|@public.t", APPROVE, NULL, false},
    {limits, "app", "shop", "DROP TABLE|CRITICAL|WHOLE|@public.t", BLOCK, NULL, false},
    {limits, "x@analysts", "shop", "SELECT|SAFE|NONE|", ALLOW, "all", false},
    {limits, "x@analysts", "shop", "SELECT FOR UPDATE|HIGH|NONE|", BLOCK, NULL, false},
    {limits, "x@analysts", "shop", "INSERT|HIGH|RECORD|@public.t", BLOCK, NULL, false},
    {limits, "ro-1@apps", "shop", "INSERT|HIGH|RECORD|@public.t", BLOCK, NULL, false},
    {limits, "ro-app", "shop", "INSERT|HIGH|RECORD|@public.t", BLOCK, NULL, false},
    {limits, "x@analysts", "shop", "SELECT|SAFE|NONE|;INSERT|HIGH|RECORD|@public.t", BLOCK, NULL, false},

    /* The strictest of several wins, not the first. */
    {wide, "root", "shop", "DELETE|CRITICAL|ROWS|@held.t", APPROVE, "held", true},
    {wide, "mute1", "shop", "DELETE|CRITICAL|ROWS|@held.t", BLOCK, "mute", false},
    {shop, "a", "stage", "UPDATE|CRITICAL|ROWS|@pay.t", BLOCK, "stage is shut", false},
};
/* clang-format on */

/* A judged unit built from a row's text. */
struct built {
    struct bs_unit unit;
    struct bs_facts facts;
    struct bs_stmt stmts[4];
    struct bs_effect effects[4][4];
    struct bs_target targets[16];
    struct bs_reason reasons[4][2];
    const char *columns[16];
    size_t n_columns;
    char text[256];
};

static enum bs_point
point_of(const char *name)
{
    static const char *const names[] = {"UNKNOWN",    "NONE", "RECORD", "STATE",
                                        "DEFINITION", "ROWS", "WHOLE"};

    for (unsigned i = 0; i < 7; i++) {
        if (strcmp(names[i], name) == 0)
            return (enum bs_point)i;
    }
    abort();
}

static struct bs_name
name_of(char *text)
{
    char *name = strchr(text, '.');

    if (name == NULL)
        return (struct bs_name){NULL, text};
    *name++ = '\0';
    return (struct bs_name){text, name};
}

static enum bs_object
object_of(char mark)
{
    switch (mark) {
    case '#':
        return BS_OBJECT_SCHEMA;
    case '%':
        return BS_OBJECT_ROLE;
    case '^':
        return BS_OBJECT_FUNCTION;
    default:
        return BS_OBJECT_RELATION;
    }
}

/* "!word" */
static void
build_mark(struct built *b, size_t at, const char *word)
{
    struct bs_stmt *stmt = &b->stmts[at];
    struct bs_reason *reason = &b->reasons[at][stmt->n_reasons];

    if (strcmp(word, "opaque") == 0) {
        stmt->flags |= BS_FLAG_VOLATILE;
        return;
    }
    if (strcmp(word, "outside") == 0) {
        stmt->flags |= BS_FLAG_OUTSIDE;
        return;
    }
    *reason = (struct bs_reason){.code = strcmp(word, "uncounted") == 0 ? BS_REASON_UNMEASURED
                                         : strcmp(word, "trigger") == 0 ? "trigger"
                                         : strcmp(word, "known") == 0   ? "kind"
                                         : strcmp(word, "system") == 0  ? "system_catalog"
                                                                        : NULL,
                                 .text = "",
                                 .risk = BS_RISK_CRITICAL};
    if (reason->code == NULL)
        abort();
    stmt->reasons = b->reasons[at];
    stmt->n_reasons++;
}

/* "12/3", "~12/3" or "12", without the colon. */
static void
build_rows(struct bs_target *t, const char *text)
{
    char *rest;

    t->how = text[0] == '~' ? BS_MEASURE_ESTIMATE : BS_MEASURE_COUNT;
    t->rows = strtoll(text + (text[0] == '~'), &rest, 10);
    if (*rest == '/')
        t->share = strtod(rest + 1, NULL) / 100;
}

/* "c+d" or "/c", without the brackets. */
static void
build_columns(struct built *b, struct bs_effect *e, char *text)
{
    char *column;

    if (text[0] == '/') {
        e->object = BS_OBJECT_COLUMN;
        e->column = text + 1;
        return;
    }
    e->set = &b->columns[b->n_columns];
    while ((column = strsep(&text, "+")) != NULL) {
        b->columns[b->n_columns++] = column;
        e->n_set++;
    }
}

/* Cuts what stands behind a mark, to the end or the closing bracket; NULL: it is not there. */
static char *
cut(char *thing, char mark)
{
    char *at = strchr(thing, mark);

    if (at == NULL)
        return NULL;
    *at++ = '\0';
    at[strcspn(at, "]")] = '\0';
    return at;
}

static void
build_thing(struct built *b, size_t at, char *thing)
{
    struct bs_stmt *stmt = &b->stmts[at];
    char *kind_text = cut(thing, '='), *counted = cut(thing, ':'), *set = cut(thing, '[');
    char *key = cut(thing, '>');
    enum bs_kind kind = kind_text == NULL ? stmt->kind : bs_kind_find(kind_text);

    if (thing[0] == '!') {
        build_mark(b, at, thing + 1);
    } else if (thing[0] == '@') {
        struct bs_name name = name_of(thing + 1);
        struct bs_target *t = &b->targets[b->facts.n_targets++];
        *t = (struct bs_target){.schema = name.schema,
                                .name = name.name,
                                .relkind = 'r',
                                .kind = kind,
                                .stmt = at,
                                .rows = -1,
                                .share = -1};
        if (counted != NULL)
            build_rows(t, counted);
    } else {
        struct bs_effect *e = &b->effects[at][stmt->n_effects++];
        *e = (struct bs_effect){.kind = kind,
                                .object = object_of(thing[0]),
                                .name = name_of(thing + (strchr("#%^", thing[0]) != NULL)),
                                .rows = -1};
        if (set != NULL)
            build_columns(b, e, set);
        if (key != NULL) {
            e->keys = &b->columns[b->n_columns];
            b->columns[b->n_columns++] = key;
            e->n_keys = 1;
        }
    }
}

/* "name@group"; the text is cut. */
static struct bs_subject
subject_of(const struct bs_config *c, char *actor, const char *database)
{
    const struct bs_config_database *db = bs_config_database_find(c, database);
    char *group = cut(actor, '@');

    return (struct bs_subject){.actor = actor,
                               .database = database,
                               .group = group,
                               .environment = db == NULL ? NULL : db->environment};
}

static void
build_stmt(struct built *b, size_t at, char *text)
{
    struct bs_stmt *stmt = &b->stmts[at];
    char *thing;

    stmt->effects = b->effects[at];
    stmt->kind = bs_kind_find(strsep(&text, "|"));
    stmt->risk = bs_risk_find(strsep(&text, "|"));
    stmt->point = point_of(strsep(&text, "|"));
    while ((thing = strsep(&text, ",")) != NULL) {
        if (thing[0] != '\0')
            build_thing(b, at, thing);
    }
}

static void
build(struct built *b, const char *text)
{
    char *rest = b->text, *part;

    *b = (struct built){.unit = {.parsed = true, .catalog = true, .risk = BS_RISK_SAFE}};
    (void)snprintf(b->text, sizeof(b->text), "%s", text);
    b->unit.stmts = b->stmts;
    b->facts.targets = b->targets;
    while ((part = strsep(&rest, ";")) != NULL)
        build_stmt(b, b->unit.n_stmts++, part);
    for (size_t i = 0; i < b->unit.n_stmts; i++)
        b->unit.risk = bs_risk_worse(b->unit.risk, b->stmts[i].risk);
}

static void
every_row(void)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct row *r = &rows[i];
        struct bs_config *c = config_of(r->policy);
        char actor[64];
        struct bs_subject subject;
        struct bs_arena arena;
        struct bs_decision d, e;
        struct bs_err err = {0};
        struct built b;
        int before = tap_misses;

        REQUIRE(c != NULL);
        (void)snprintf(actor, sizeof(actor), "%s", r->actor);
        subject = subject_of(c, actor, r->database);
        bs_arena_init(&arena, "test", 1 << 20);
        build(&b, r->unit);
        EXPECT_EQ(bs_decide(c->policy, &subject, &b.unit, &b.facts, &arena, &d, &err), BS_DONE);
        EXPECT_EQ(d.action, r->want);
        EXPECT(r->rule == NULL ? d.rule == NULL : d.rule != NULL && strcmp(d.rule, r->rule) == 0);
        EXPECT_EQ(d.recovery_waived, r->waived);
        EXPECT(d.would == d.action && !d.shadow);
        EXPECT(d.why != NULL && d.digest == c->policy->digest);
        EXPECT_EQ(bs_decide_explain(c->policy, &subject, &b.unit, &b.facts, &arena, &e, &err),
                  BS_DONE);
        EXPECT_EQ(e.action, d.action);
        EXPECT(e.rule == d.rule && e.n_lines >= b.unit.n_stmts * (2 + c->policy->n_rules));
        if (tap_misses != before)
            printf("# in row %zu: %s: %s; got %s, rule %s\n", i, r->actor, r->unit,
                   bs_action_name(d.action), d.rule == NULL ? "(none)" : d.rule);
        bs_arena_fini(&arena);
        bs_config_unref(&c);
    }
}

/* Decides a unit under the given policy, without facts. */
static enum bs_action
decide(const char *policy, const struct bs_unit *unit, size_t arena_max)
{
    struct bs_config *c = config_of(policy);
    struct bs_subject subject = {.actor = "root", .database = "shop"};
    struct bs_arena arena;
    struct bs_decision d = {.action = BS_ACTION_ALLOW};
    struct bs_err err = {0};

    bs_arena_init(&arena, "test", arena_max);
    if (bs_decide(c->policy, &subject, unit, NULL, &arena, &d, &err) != BS_DONE)
        EXPECT_EQ(err.code, BS_E_LIMIT);
    bs_arena_fini(&arena);
    bs_config_unref(&c);
    return d.action;
}

static void
zero_refuses(void)
{
    struct bs_decision zero = {0};
    struct bs_unit unread = {0};
    struct bs_stmt nothing[1] = {{0}};
    struct bs_unit zeroed = {.stmts = nothing, .n_stmts = 1};

    EXPECT_EQ(zero.action, BS_ACTION_BLOCK);
    EXPECT_EQ(decide(loose, &unread, 4096), BS_ACTION_BLOCK);
    unread.risk = BS_RISK_SAFE;
    EXPECT_EQ(decide(loose, &unread, 4096), BS_ACTION_BLOCK);
    EXPECT_EQ(decide(loose, &zeroed, 4096), BS_ACTION_BLOCK);
    EXPECT_EQ(decide(wide, &zeroed, 4096), BS_ACTION_BLOCK);
}

static void
empty_query_passes(void)
{
    struct bs_unit empty = {.parsed = true, .risk = BS_RISK_SAFE};
    struct bs_unit odd = {.parsed = true, .risk = BS_RISK_CRITICAL};

    EXPECT_EQ(decide(none, &empty, 4096), BS_ACTION_ALLOW);
    EXPECT_EQ(decide(none, &odd, 4096), BS_ACTION_APPROVE);
}

/* The unit as a whole may have been raised above its statements. */
static void
unit_risk_counts(void)
{
    struct bs_stmt read[1] = {
        {.kind = BS_KIND_SELECT, .risk = BS_RISK_SAFE, .point = BS_POINT_NONE}};
    struct bs_unit unit = {.parsed = true, .risk = BS_RISK_SAFE, .stmts = read, .n_stmts = 1};

    EXPECT_EQ(decide(none, &unit, 4096), BS_ACTION_ALLOW);
    unit.risk = BS_RISK_CRITICAL;
    EXPECT_EQ(decide(none, &unit, 4096), BS_ACTION_APPROVE);
    unit.risk = BS_RISK_UNKNOWN;
    EXPECT_EQ(decide(none, &unit, 4096), BS_ACTION_BLOCK);
}

static void
no_memory_blocks(void)
{
    struct bs_effect effects[1] = {
        {.kind = BS_KIND_INSERT, .object = BS_OBJECT_RELATION, .name = {"s", "t"}}};
    struct bs_stmt add[1] = {{.kind = BS_KIND_INSERT,
                              .risk = BS_RISK_HIGH,
                              .point = BS_POINT_RECORD,
                              .effects = effects,
                              .n_effects = 1}};
    struct bs_unit unit = {.parsed = true, .risk = BS_RISK_HIGH, .stmts = add, .n_stmts = 1};

    EXPECT_EQ(decide(loose, &unit, 4096), BS_ACTION_ALLOW);
    EXPECT_EQ(decide(loose, &unit, 8), BS_ACTION_BLOCK);
}

static void
without_catalog(void)
{
    struct bs_effect effects[1] = {
        {.kind = BS_KIND_DELETE, .object = BS_OBJECT_RELATION, .name = {"scratch", "t"}}};
    struct bs_stmt stmts[1] = {{.kind = BS_KIND_DELETE,
                                .risk = BS_RISK_CRITICAL,
                                .point = BS_POINT_ROWS,
                                .effects = effects,
                                .n_effects = 1}};
    struct bs_unit unit = {.parsed = true, .risk = BS_RISK_CRITICAL, .stmts = stmts, .n_stmts = 1};

    EXPECT_EQ(decide(shop, &unit, 4096), BS_ACTION_APPROVE);
    EXPECT_EQ(decide(wide, &unit, 4096), BS_ACTION_ALLOW);
    effects[0].name.schema = NULL;
    EXPECT_EQ(decide(wide, &unit, 4096), BS_ACTION_APPROVE);
}

/* Builds and decides "policy, actor, unit" and hands the decision to the caller. */
static struct bs_decision
decide_row(const char *policy, const char *actor_text, const char *text)
{
    struct bs_config *c = config_of(policy);
    char actor[64];
    struct bs_subject subject;
    struct bs_arena arena;
    struct bs_decision d = {0};
    struct bs_err err = {0};
    struct built b;

    (void)snprintf(actor, sizeof(actor), "%s", actor_text);
    bs_arena_init(&arena, "test", 1 << 20);
    build(&b, text);
    if (c != NULL) {
        subject = subject_of(c, actor, "shop");
        EXPECT_EQ(bs_decide(c->policy, &subject, &b.unit, &b.facts, &arena, &d, &err), BS_DONE);
    }
    d.rule = d.why = d.digest = NULL; /* they die here */
    bs_arena_fini(&arena);
    bs_config_unref(&c);
    return d;
}

static void
counting_is_asked_for(void)
{
    static const struct {
        const char *policy, *actor, *unit;
        bool want;
    } cases[] = {
        /* HIGH and CRITICAL are decided alike. */
        {none, "a", "DELETE|CRITICAL|ROWS|@public.t,!uncounted", false},
        {loose, "a", "DELETE|CRITICAL|ROWS|@public.t,!uncounted", true},
        {loose, "a", "DELETE|HIGH|ROWS|@public.t", true}, /* there may be too many */
        {loose, "a", "DELETE|HIGH|ROWS|@public.t:1/1", false},
        {loose, "a", "DELETE|HIGH|ROWS|@public.t:~1/1", true},
        {loose, "a", "TRUNCATE|CRITICAL|WHOLE|@public.t,!known", false},
        {loose, "a", "INSERT|HIGH|RECORD|@public.t", false},
        {loose, "a", "SELECT|SAFE|NONE|", false},
        {limits, "a", "DELETE|CRITICAL|ROWS|@public.t,!uncounted", true},
        /* A row by its key is one row; its share of the table is not known. */
        {loose, "a", "DELETE|HIGH|ROWS|@public.t,public.t>id", false},
        {loose, "a", "DELETE|CRITICAL|ROWS|@public.t,public.t>id,!uncounted", true},
        {limits, "a", "DELETE|HIGH|ROWS|@public.t,public.t>id", false},
        {limits, "b", "DELETE|HIGH|ROWS|@public.t,public.t>id", true},
        {limits, "a", "DELETE|HIGH|ROWS|@public.t,@public.u,public.t>id,public.u", true},
        {limits, "a", "DELETE|CRITICAL|ROWS|@public.t,!uncounted,!known", false},
        {limits, "a", "SELECT|SAFE|NONE|;DELETE|CRITICAL|ROWS|@public.t,!uncounted", true},
        {limits, "d", "DELETE|CRITICAL|ROWS|@public.t,!uncounted", true}, /* blocked till then */
        {limits, "d", "TRUNCATE|CRITICAL|WHOLE|@public.t,!known", true},
        {limits, "x@apps", "TRUNCATE|CRITICAL|WHOLE|@public.t,!known", false}, /* profile */
        {limits, "ro-1", "DELETE|CRITICAL|ROWS|@public.t,!uncounted", false},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        if (decide_row(cases[i].policy, cases[i].actor, cases[i].unit).needs_rows != cases[i].want)
            EXPECT(!"needs_rows"), printf("# in row %zu\n", i);
    }
}

static const char caps[] = HEAD
    "policy:\n"
    "  result_rows: 1000\n"
    "  rules:\n"
    "    - {name: less, actors: [a, b], risk: [SAFE], action: allow, result_rows: 10}\n"
    "    - {name: least, actors: [b], action: approve, kinds: [COPY TO STDOUT], result_rows: 5}\n"
    "    - {name: more, actors: [c], action: allow, result_rows: 2000}\n";

static void
the_smallest_cap_counts(void)
{
    static const struct {
        const char *policy, *actor, *unit;
        int64_t want;
    } cases[] = {
        {none, "a", "SELECT|SAFE|NONE|", 0},
        {caps, "x", "SELECT|SAFE|NONE|", 1000},
        {caps, "a", "SELECT|SAFE|NONE|", 10},
        {caps, "a", "DELETE|HIGH|ROWS|@public.t", 1000},
        {caps, "a", "DELETE|HIGH|ROWS|@public.t;SELECT|SAFE|NONE|", 10},
        {caps, "b", "SELECT|SAFE|NONE|;COPY TO STDOUT|SAFE|NONE|", 5},
        {caps, "b", "COPY TO STDOUT|SAFE|NONE|", 5},
        {caps, "c", "SELECT|SAFE|NONE|", 1000},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        EXPECT_EQ(decide_row(cases[i].policy, cases[i].actor, cases[i].unit).result_rows,
                  cases[i].want);
}

/* Of several equal rules each must do without; one statement that keeps is enough. */
static void
points_are_optional_where_all_say_so(void)
{
    static const char policy[] =
        HEAD "policy:\n"
             "  rules:\n"
             "    - {name: a, actors: [a, b], kinds: [COMMENT, DROP INDEX], action: approve,\n"
             "       recovery: optional}\n"
             "    - {name: b, actors: [b], objects: ['s.*'], action: approve, recovery: none}\n"
             "    - {name: c, actors: [c], objects: ['s.*'], action: approve, recovery: none}\n";
    static const struct {
        const char *actor, *unit;
        bool waived, optional;
    } cases[] = {
        {"a", "DROP INDEX|CRITICAL|DEFINITION|@s.i", false, true},
        {"b", "DROP INDEX|CRITICAL|DEFINITION|@s.i", false, true},
        {"c", "DROP INDEX|CRITICAL|DEFINITION|@s.i", true, true},
        {"a", "DROP INDEX|CRITICAL|DEFINITION|@s.i;COMMENT|HIGH|DEFINITION|s.t", false, true},
        {"a", "DROP INDEX|CRITICAL|DEFINITION|@s.i;SELECT|SAFE|NONE|", false, true},
        {"a", "DROP INDEX|CRITICAL|DEFINITION|@s.i;DROP TABLE|CRITICAL|WHOLE|@s.t", false, false},
        {"x", "DROP INDEX|CRITICAL|DEFINITION|@s.i", false, false},
        {"a", "SELECT|SAFE|NONE|", false, false},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct bs_decision d = decide_row(policy, cases[i].actor, cases[i].unit);
        if (d.recovery_waived != cases[i].waived || d.recovery_optional != cases[i].optional)
            EXPECT(!"optional"), printf("# in row %zu\n", i);
    }
}

/* Each part as the strictest of all rules that are about the statement has it, in whatever part. */
static void
what_is_required_adds_up(void)
{
    static const char policy[] =
        HEAD "snapshots: [{name: s, tables: ['*.*'], every: 1h, database: shop,\n"
             "             keep: {count: 1}}]\n"
             "recovery: {scratch: dbname=scratch}\n"
             "policy:\n"
             "  rules:\n"
             "    - {name: pay, objects: ['pay.*'], action: approve, require: {grade: restored}}\n"
             "    - {name: old, objects: ['*.old'], risk: [HIGH, CRITICAL], action: allow,\n"
             "       require: {grade: stored, snapshot_age: 2h}}\n"
             "    - {name: all, actors: [b], action: approve, require: {snapshot_age: 1h}}\n"
             "    - {name: many, actors: [c], min_rows: 10, action: approve,\n"
             "       require: {grade: restored}}\n";
    static const struct {
        const char *actor, *unit;
        struct bs_require want;
    } cases[] = {
        {"a", "DELETE|HIGH|ROWS|s.t", {BS_GRADE_NONE, 0, false}},
        {"a", "DELETE|HIGH|ROWS|pay.t", {BS_GRADE_RESTORED, 0, false}},
        {"a", "DELETE|HIGH|ROWS|s.old", {BS_GRADE_STORED, 7200000, false}},
        {"a", "DELETE|HIGH|ROWS|pay.old", {BS_GRADE_RESTORED, 7200000, false}},
        {"b", "DELETE|HIGH|ROWS|s.old", {BS_GRADE_STORED, 3600000, false}},
        {"a", "DELETE|HIGH|ROWS|s.old;DELETE|HIGH|ROWS|pay.t", {BS_GRADE_RESTORED, 7200000, false}},
        /* An allow rule asks for its own also where it does not allow: not all is inside. */
        {"a", "DELETE|HIGH|ROWS|s.old,s.t", {BS_GRADE_STORED, 7200000, false}},
        {"c", "DELETE|HIGH|ROWS|s.t", {BS_GRADE_RESTORED, 0, false}}, /* nobody has counted */
        {"b", "SELECT|SAFE|NONE|", {BS_GRADE_NONE, 0, false}},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct bs_require got = decide_row(policy, cases[i].actor, cases[i].unit).require;
        EXPECT_EQ(got.grade, cases[i].want.grade);
        EXPECT_EQ(got.snapshot_age_ms, cases[i].want.snapshot_age_ms);
        EXPECT_EQ(got.off_host, cases[i].want.off_host);
        if (tap_misses != 0)
            printf("# in row %zu\n", i);
    }
}

static void
a_shadow_lets_run(void)
{
    static const char shadow[] = HEAD "policy:\n"
                                      "  mode: shadow\n"
                                      "  result_rows: 5\n"
                                      "  defaults: {HIGH: allow}\n"
                                      "  profiles: {read-only: {actors: [ro]}}\n"
                                      "  rules: [{name: no, kinds: [DROP TABLE], action: block}]\n";
    static const struct {
        const char *actor, *unit;
        enum bs_action would;
    } cases[] = {
        {"a", "SELECT|SAFE|NONE|", ALLOW},
        {"a", "DELETE|CRITICAL|ROWS|@public.t,!uncounted", APPROVE},
        {"a", "DROP TABLE|CRITICAL|WHOLE|@public.t", BLOCK},
        {"a", "LOAD|CRITICAL|UNKNOWN|", BLOCK},
        {"a", "UNKNOWN|UNKNOWN|UNKNOWN|", BLOCK},
        {"ro", "INSERT|HIGH|RECORD|@public.t", BLOCK},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct bs_decision d = decide_row(shadow, cases[i].actor, cases[i].unit);
        EXPECT(d.shadow && d.action == ALLOW);
        EXPECT_EQ(d.would, cases[i].would);
        EXPECT(d.result_rows == 0 && !d.needs_rows);
    }
}

static void
what_is_protected_is_critical(void)
{
    static const char policy[] =
        HEAD "policy: {protected: ['pay.*', public.users.email], defaults: {HIGH: allow}}\n";
    static const struct {
        const char *unit;
        bool want;
    } cases[] = {
        {"INSERT|HIGH|RECORD|@pay.cards", true},
        {"INSERT|HIGH|RECORD|cards", true},
        {"UPDATE|HIGH|ROWS|@public.users,public.users[email]", true},
        {"UPDATE|HIGH|ROWS|@public.users,public.users[name]", false},
        {"ALTER TABLE DROP COLUMN|CRITICAL|WHOLE|@public.users,public.users[/email]", true},
        {"ALTER TABLE ADD COLUMN|HIGH|RECORD|@public.users,public.users", false},
        {"DELETE|HIGH|ROWS|@public.users,public.users", true},
        {"DELETE|HIGH|ROWS|@public.orders,@public.users", true},
        {"DELETE|HIGH|ROWS|@public.orders", false},
        {"DELETE|HIGH|ROWS|@public.orders;DELETE|HIGH|ROWS|@pay.t", true},
        {"DROP SCHEMA|CRITICAL|WHOLE|#pay", true},
        {"SELECT|SAFE|NONE|", false},
        {"SELECT|SAFE|NONE|@pay.cards", false},
        {"SELECT FOR UPDATE|HIGH|NONE|@pay.cards", false},
        {"LOCK TABLE|HIGH|NONE|@pay.cards", false},
        {"NOTIFY|HIGH|NONE|", false},
        {"SELECT|CRITICAL|UNKNOWN|!opaque", true},
    };
    struct bs_config *c = config_of(policy);

    REQUIRE(c != NULL);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct bs_arena arena;
        struct bs_err err = {0};
        struct built b;
        bool found = false;

        bs_arena_init(&arena, "test", 1 << 20);
        build(&b, cases[i].unit);
        for (int again = 0; again < 2; again++)
            EXPECT_EQ(bs_policy_protect(c->policy, &b.unit, &b.facts, &arena, &err), BS_DONE);
        for (size_t k = 0; k < b.unit.n_stmts; k++) {
            const struct bs_stmt *s = &b.stmts[k];
            EXPECT(s->n_reasons < 2); /* once, however often it is called */
            if (s->n_reasons != 0)
                found = strcmp(s->reasons[0].code, "protected") == 0 || found;
            EXPECT(s->n_reasons == 0 || s->risk == BS_RISK_CRITICAL);
        }
        if (found != cases[i].want)
            EXPECT(!"protected"), printf("# in row %zu\n", i);
        EXPECT(!found || b.unit.risk == BS_RISK_CRITICAL);
        bs_arena_fini(&arena);
    }
    bs_config_unref(&c);
}

static void
shield(void)
{
    static const struct {
        const char *policy, *actor, *database;
        bool want;
    } cases[] = {
        {none, "a", "shop", true},
        {strict, "a", "shop", true},
        {loose, "a", "shop", false},
        {HEAD "policy: {defaults: {CRITICAL: allow}}\n", "a", "shop", false},
        {shop, "a", "shop", false}, /* additive: anyone may INSERT */
        {HEAD "policy: {rules: [{name: r, risk: [SAFE], action: allow}]}\n", "a", "shop", true},
        {HEAD "policy: {rules: [{name: r, actors: [b], action: allow}]}\n", "a", "shop", true},
        {HEAD "policy: {rules: [{name: r, actors: [b], action: allow}]}\n", "b", "shop", false},
        {HEAD "policy: {rules: [{name: r, databases: [stage], action: allow}]}\n", "b", "shop",
         true},
        {HEAD "policy: {rules: [{name: r, databases: [stage], action: allow}]}\n", "b", "stage",
         false},
        {HEAD "policy: {rules: [{name: r, action: approve}, {name: s, action: block}]}\n", "a",
         "shop", true},
        {HEAD "policy: {rules: [{name: r, risk: [CRITICAL], kinds: [DO], action: allow}]}\n", "a",
         "shop", false},
        {HEAD "policy: {rules: [{name: r, groups: [g], action: allow}]}\n", "a", "shop", true},
        {HEAD "policy: {rules: [{name: r, groups: [g], action: allow}]}\n", "a@g", "shop", false},
        {HEAD "policy: {rules: [{name: r, max_rows: 1, action: allow}]}\n", "a", "shop", false},
        {HEAD "policy: {rules: [{name: r, columns: [a.b.c], action: allow}]}\n", "a", "shop",
         false},
        {HEAD "policy: {defaults: {HIGH: allow}, profiles: {read-only: {actors: [a]}}}\n", "a",
         "shop", true},
        {HEAD "policy: {defaults: {HIGH: allow}, profiles: {read-only: {groups: [g]}}}\n", "a",
         "shop", false},
        {HEAD "policy: {defaults: {HIGH: allow}, profiles: {read-only: {groups: [g]}}}\n", "a@g",
         "shop", true},
        {HEAD "policy: {defaults: {HIGH: allow}, profiles: {default: read-only, dml: {actors: "
              "[b]}}}\n",
         "a", "shop", true},
        {HEAD "policy: {defaults: {HIGH: allow}, profiles: {default: read-only, dml: {actors: "
              "[b]}}}\n",
         "b", "shop", false},
        {HEAD "policy: {mode: shadow, profiles: {default: read-only}}\n", "a", "shop", false},
        {HEAD "policy: {mode: shadow}\n", "a", "shop", false},
        {places, "a", "shop", true},
        {places, "a", "stage", false},
        {places, "a", "bare", true},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct bs_config *c = config_of(cases[i].policy);
        struct bs_subject subject;
        char actor[64];
        REQUIRE(c != NULL);
        (void)snprintf(actor, sizeof(actor), "%s", cases[i].actor);
        subject = subject_of(c, actor, cases[i].database);
        if (bs_policy_shielded(c->policy, &subject) != cases[i].want)
            EXPECT(!"shield"), printf("# in row %zu\n", i);
        bs_config_unref(&c);
    }
}

static void
globs(void)
{
    static const struct {
        const char *pattern, *text;
        bool want;
    } cases[] = {
        {"", "", true},
        {"", "a", false},
        {"*", "", true},
        {"*", "anything", true},
        {"?", "", false},
        {"?", "a", true},
        {"?", "ab", false},
        {"?", "\xc3\xa9", true},
        {"a*", "a", true},
        {"a*", "ba", false},
        {"*a", "bca", true},
        {"*a", "bcab", false},
        {"a*b*c", "a--b--c", true},
        {"a*b*c", "a--c--b", false},
        {"a*ab", "aaab", true},
        {"**", "x", true},
        {"a?c", "abc", true},
        {"a?c", "ac", false},
        {"[a]", "a", false},
        {"[a]", "[a]", true},
        {"\\*", "*", false},
        {"*a*a*a*a*a*a*a*a*b", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", false},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        if (bs_glob_match(cases[i].pattern, cases[i].text) != cases[i].want)
            EXPECT(!"glob"), printf("# %s against %s\n", cases[i].pattern, cases[i].text);
    }
}

static const char *
digest_of(const char *text, char out[65])
{
    struct bs_config *c = config_of(text);

    out[0] = '\0';
    if (c != NULL)
        (void)snprintf(out, 65, "%s", c->policy->digest);
    bs_config_unref(&c);
    return out;
}

static void
digest_is_of_the_meaning(void)
{
    char a[65], b[65];
    const char *base = HEAD "policy: {rules: [{name: r, kinds: [DO, CALL], action: block}]}\n";
    static const char *const same[] = {
        HEAD
        "# a comment\npolicy:\n  rules:\n  - action: block\n    name: r\n    kinds: [CALL, do]\n",
        HEAD "policy: {defaults: {HIGH: approve}, rules: [{name: r, kinds: [DO, CALL], action: "
             "block, risk: [SAFE, HIGH, CRITICAL]}]}\n",
        HEAD "workers: 4\npolicy: {rules: [{name: r, kinds: [DO, CALL], action: block}]}\n",
        HEAD "policy: {rules: [{name: r, kinds: [DO, CALL], action: block}], mode: enforce, "
             "evasion: {window: 60m}, impact: {share: 10.0%}, measure: {time: 1000ms}}\n",
    };
    static const char *const other[] = {
        HEAD,
        HEAD "policy: {rules: [{name: r2, kinds: [DO, CALL], action: block}]}\n",
        HEAD "policy: {rules: [{name: r, kinds: [DO], action: block}]}\n",
        HEAD "policy: {rules: [{name: r, kinds: [DO, CALL], action: approve}]}\n",
        HEAD "policy: {rules: [{name: r, kinds: [DO, CALL], action: block, actors: ['*']}]}\n",
        HEAD "policy: {rules: [{name: r, kinds: [DO, CALL], action: block, objects: [a.b]}]}\n",
        HEAD "policy: {rules: [{name: r, kinds: [DO, CALL], action: block, databases: [shop]}]}\n",
        HEAD "policy: {rules: [{name: r, kinds: [DO, CALL], action: block, risk: [CRITICAL]}]}\n",
        HEAD "policy: {defaults: {HIGH: allow}, rules: [{name: r, kinds: [DO, CALL], action: "
             "block}]}\n",
#define WITH(what) HEAD "policy: {rules: [{name: r, kinds: [DO, CALL], action: block}], " what "}\n"
        WITH("mode: shadow"),
        WITH("impact: {rows: 1}"),
        WITH("impact: {share: 11%}"),
        WITH("measure: {time: 2s}"),
        WITH("measure: {rehearse: true}"),
        WITH("protected: [a.b]"),
        WITH("protected: [a.b.c]"),
        WITH("profiles: {default: dml}"),
        WITH("profiles: {dml: {actors: [a]}}"),
        WITH("profiles: {dml: {groups: [a]}}"),
        WITH("profiles: {read-only: {groups: [a]}}"),
        WITH("evasion: {window: 2h}"),
        WITH("evasion: {limit: 6}"),
        WITH("result_rows: 5"),
#undef WITH
#define RULED(what)                                                                                \
    HEAD "policy: {rules: [{name: r, kinds: [DO, CALL], action: block, " what "}]}\n"
        RULED("groups: [a]"),
        RULED("environments: ['*']"),
        RULED("columns: [a.b.c]"),
        RULED("min_rows: 5"),
        RULED("min_share: 5%"),
#undef RULED
    };

    EXPECT_EQ(strlen(digest_of(base, a)), 64);
    for (size_t i = 0; i < sizeof(same) / sizeof(same[0]); i++)
        EXPECT(strcmp(a, digest_of(same[i], b)) == 0);
    for (size_t i = 0; i < sizeof(other) / sizeof(other[0]); i++) {
        EXPECT_EQ(strlen(digest_of(other[i], b)), 64);
        EXPECT(strcmp(a, b) != 0);
    }
}

int
main(void)
{
    static const struct tap_case cases[] = {
        {"every row", every_row},
        {"zero refuses", zero_refuses},
        {"an empty query passes", empty_query_passes},
        {"the unit's own risk counts", unit_risk_counts},
        {"no memory blocks", no_memory_blocks},
        {"without a catalog names count as written", without_catalog},
        {"counting is asked for where it may change the answer", counting_is_asked_for},
        {"the smallest cap counts", the_smallest_cap_counts},
        {"what is required adds up", what_is_required_adds_up},
        {"points are optional where all say so", points_are_optional_where_all_say_so},
        {"a shadow lets run", a_shadow_lets_run},
        {"what is protected is critical", what_is_protected_is_critical},
        {"shield", shield},
        {"globs", globs},
        {"the digest is of the meaning", digest_is_of_the_meaning},
    };

    return tap_main(cases, sizeof(cases) / sizeof(cases[0]));
}
