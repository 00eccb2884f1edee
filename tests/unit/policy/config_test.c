/*
 * config_test.c - texts and everything that is wrong with them, each with its line.
 */
#include <libpq-fe.h>
#include <stdlib.h>
#include <unistd.h>

#include "policies.h"
#include "policy/rules.h"
#include "policy/values.h"

#define MOST 6

/* A text and the problems it has: all of them, in order. */
struct row {
    const char *what;
    const char *text;
    struct {
        int line;
        const char *says; /* part of the message */
    } want[MOST];
};

#define RULE(body) HEAD "policy: {rules: [{" body "}]}\n"
#define AFTER      (HEAD_LINES + 1)

/* clang-format off */
static const struct row rows[] = {
    {"empty", "", {{0, "the file is empty"}}},
    {"only a comment", "# nothing\n", {{0, "the file is empty"}}},
    {"a word", "hello\n", {{1, "a map of keys is expected"}}},
    {"a list", "- a\n", {{1, "a map of keys is expected"}}},
    {"not YAML", "listen: [\n", {{2, "not YAML"}}},
    {"a tab", "hold:\n\twait: 1s\n", {{2, "not YAML"}}},
    {"not UTF-8", "listen: \xff\n", {{1, "not YAML"}}},
    {"two documents", HEAD "---\nworkers: 2\n", {{AFTER + 1, "a second document"}}},
    {"nothing of what is needed", "workers: 2\n",
     {{0, "key \"listen\" is missing"}, {0, "key \"databases\" is missing"},
      {0, "key \"state\" is missing"}, {0, "key \"audit\" is missing"},
      {0, "key \"storage\" is missing"}, {0, "key \"spool\" is missing"}}},

    /* Keys. */
    {"five at once",
     HEAD "hold: {wiat: 20s, notice: ten}\n"
          "workers: 0\n"
          "workers: 3\n"
          "policy:\n"
          "  rules:\n"
          "    - {name: a, action_: allow, action: block}\n",
     {{AFTER, "unknown key \"wiat\" in hold; did you mean \"wait\"?"},
      {AFTER, "hold.notice: \"ten\" is not a duration"},
      {AFTER + 1, "workers: \"0\" is too small"},
      {AFTER + 2, "key \"workers\" is given twice, first on line 10"},
      {AFTER + 5, "unknown key \"action_\" in policy rule; did you mean \"action\"?"}}},
    {"unknown at the top", HEAD "databse: {}\n", {{AFTER, "unknown key \"databse\"; did you mean \"databases\"?"}}},
    {"unknown and like nothing", HEAD "zzzzzz: 1\n", {{AFTER, "unknown key \"zzzzzz\""}}},
    {"known elsewhere", HEAD "wait: 1s\n", {{AFTER, "unknown key \"wait\""}}},
    {"a dotted path is no key", HEAD "hold.wait: 1s\n", {{AFTER, "unknown key \"hold.wait\""}}},
    {"a free name is no key", HEAD "databases.*.helper: x\n", {{AFTER, "unknown key"}}},
    {"merge key", HEAD "<<: {workers: 3}\n", {{AFTER, "unknown key \"<<\""}}},
    {"a list as a key", HEAD "? [a]\n: b\n", {{AFTER, "not a plain word"}}},
    {"a tag", HEAD "workers: !!int 2\n", {{AFTER, "workers: must be a single plain value"}}},
    {"no value", HEAD "workers:\n", {{AFTER, "workers: has no value"}}},
    {"null", HEAD "workers: ~\n", {{AFTER, "workers: has no value"}}},
    {"empty text", HEAD "workers: ''\n", {{AFTER, "workers: is empty"}}},
    {"a list for a value", HEAD "workers: [2]\n", {{AFTER, "workers: must be a single plain value"}}},
    {"a value for a map", HEAD "hold: 20s\n", {{AFTER, "a map of keys is expected in hold"}}},
    {"NUL inside", HEAD "workers: \"2\\0\"\n", {{AFTER, "workers: must be a single plain value"}}},
    {"revocations of nobody",
     HEAD "tls: {cert: a, key: b, client_crl: c}\n",
     {{0, "tls.client_crl needs tls.client_ca"}}},
    {"certificates of nobody",
     HEAD "tls: {cert: a, key: b, client_cert: require}\n",
     {{0, "needs tls.client_ca: nobody could log in"}}},
    {"half of tls", HEAD "tls: {cert: a}\n", {{AFTER, "key \"key\" in tls is missing"}}},

    /* Values. */
    {"workers as a word", HEAD "workers: two\n", {{AFTER, "\"two\" is not a whole number"}}},
    {"workers with a sign", HEAD "workers: +2\n", {{AFTER, "is not a whole number"}}},
    {"too many workers", HEAD "workers: 65\n", {{AFTER, "workers: \"65\" is too large"}}},
    {"a number beyond numbers", HEAD "workers: 99999999999999999999\n", {{AFTER, "is not a whole number"}}},
    {"duration without unit", HEAD "hold: {wait: 20}\n", {{AFTER, "hold.wait: \"20\" is not a duration"}}},
    {"duration with a space", HEAD "hold: {wait: 20 s}\n", {{AFTER, "is not a duration"}}},
    {"negative duration", HEAD "hold: {decide: -1s}\n", {{AFTER, "is not a duration"}}},
    {"no notice", HEAD "hold: {notice: 0s}\n", {{AFTER, "hold.notice: \"0s\" is too small"}}},
    {"a year to decide", HEAD "hold: {decide: 365d}\n", {{AFTER, "is too large"}}},
    {"size without unit", HEAD "recovery: {max_bytes: 10}\n", {{AFTER, "is not a size"}}},
    {"keys from nowhere", HEAD "recovery: {encryption: {keys: keys}}\n", {{AFTER, "file:FOLDER, env:NAME or command:PROGRAM"}}},
    {"a variable with its value", HEAD "recovery: {encryption: {keys: \"env:a=b\"}}\n", {{AFTER, "file:FOLDER"}}},
    {"a key that is a path", HEAD "recovery: {encryption: {keys: \"env:K\", key: ../a}}\n", {{AFTER, "a key's name"}}},
    {"a key without keys", HEAD "recovery: {encryption: {key: a}}\n", {{AFTER, "\"keys\" in recovery.encryption is missing"}}},
    {"more helpers than may be", HEAD "recovery: {helpers: 9}\n", {{AFTER, "recovery.helpers"}}},
    {"a size beyond numbers", HEAD "recovery: {max_bytes: 9000000000TB}\n", {{AFTER, "is not a size"}}},
    {"restored into nothing", HEAD "recovery: {grade: restored}\n", {{AFTER, "give recovery.scratch"}}},
    {"unknown grade", HEAD "recovery: {grade: gold}\n", {{AFTER, "\"gold\" is not one of stored, read-back or restored"}}},
    {"unknown audit", HEAD "audit_safe: some\n", {{AFTER, "not one of all, sampled or counted"}}},
    {"pg_dump of no version", HEAD "recovery: {pg_dump: {new: /x}}\n", {{AFTER, "\"new\" is not a major version"}}},
    {"pg_dump too old", HEAD "recovery: {pg_dump: {9: /x}}\n", {{AFTER, "\"9\" is not a major version"}}},
    {"pg_dump twice", HEAD "recovery: {pg_dump: {15: /x, 15: /y}}\n", {{AFTER, "\"15\" is given twice, first on line 9"}}},

    /* Addresses. */
    {"operators for all", HEAD "operators: {listen: '0.0.0.0:6580'}\n", {{AFTER, "is not a loopback address"}}},
    {"operators on a socket", HEAD "operators: {listen: 'unix:run'}\n", {{AFTER, "is not a loopback address"}}},
    {"operators with a name", HEAD "operators: {listen: 'example.org:1'}\n", {{AFTER, "is not a loopback address"}}},
    {"operators with the actors", HEAD "operators: {listen: '127.0.0.1:6543'}\n", {{0, "port 6543 is an actors' listener"}}},
    {"operators with the actors, another name", HEAD "operators: {listen: 'localhost:6543'}\n", {{0, "port 6543 is an actors' listener"}}},
    {"port beyond ports", HEAD "operators: {listen: '127.0.0.1:65536'}\n", {{AFTER, "the port is not a number"}}},
    {"no port", HEAD "operators: {listen: 127.0.0.1}\n", {{AFTER, "not an address"}}},
    {"bare IPv6", HEAD "operators: {listen: '::1:6580'}\n", {{AFTER, "not an address"}}},
    {"a token of operators", HEAD "operators: {token: x}\n", {{AFTER, "unknown key \"token\" in operators"}}},
    {"listen as a word",
     "listen: 127.0.0.1:6543\n"
     "databases: {a: {upstream: 'dbname=a', helper: 'dbname=a user=b'}}\n"
     "state: sqlite:s\naudit: {directory: a}\nstorage: file:b\nspool: c\n",
     {{1, "listen: must be a list"}}},
    {"no listener, doubles, no databases, wrong stores",
     "listen: ['127.0.0.1:1', '127.0.0.1:1', 'unix:']\n"
     "databases: {}\n"
     "state: mysql://x\naudit: {directory: a}\nstorage: s3://bucket/x?secret=hunter2\nspool: c\n",
     {{1, "\"127.0.0.1:1\" is given twice"}, {1, "unix: needs a folder"}, {2, "databases: is empty"},
      {3, "or postgresql://..."},
      {5, "storage: \"secret\" is no option of an s3 url"}}},
    {"stores without a path",
     "listen: ['127.0.0.1:1']\n"
     "databases: {a: {upstream: 'dbname=a', helper: 'dbname=a user=b'}}\n"
     "state: 'sqlite:'\naudit: {directory: a}\nstorage: file://host/x\nspool: c\n",
     {{3, "state: must be sqlite:///absolute/path"}, {5, "storage: must be file:///absolute/path"}}},
    {"audit that cannot be",
     "listen: ['127.0.0.1:1']\n"
     "databases: {a: {upstream: 'dbname=a', helper: 'dbname=a user=b'}}\n"
     "state: sqlite:s\nstorage: file:b\nspool: c\naudit:\n  directory: a\n"
     "  upload: 's3://bucket/x?secret=hunter2'\n  redact: some\n  file_size: 1kB\n  file_age: 1ms\n",
     {{8, "audit.upload: \"secret\" is no option of an s3 url"}, {9, "not one of none, literals, parameters or all"},
      {10, "too small"}, {11, "too small"}}},
    {"an upload to nowhere",
     "listen: ['127.0.0.1:1']\n"
     "databases: {a: {upstream: 'dbname=a', helper: 'dbname=a user=b'}}\n"
     "state: sqlite:s\nstorage: file:b\nspool: c\naudit: {directory: a, upload: bucket}\n",
     {{6, "audit.upload: must be none, storage, file:///absolute/path"}}},
    {"socket in too long a folder",
     "listen: ['unix:/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa']\n"
     "databases: {a: {upstream: 'dbname=a', helper: 'dbname=a user=b'}}\n"
     "state: sqlite:s\naudit: {directory: a}\nstorage: file:b\nspool: c\n",
     {{0, "too long for a Unix socket"}}},

    /* Databases. */
    {"databases",
     "listen: ['127.0.0.1:1']\n"
     "databases:\n"
     "  one: {upstream: 'dbname=a passwort=hunter2', helper: 'hunter2'}\n"
     "  two: {upstream: 'dbname=b', helper: 'dbname=b', enviroment: x}\n"
     "  two: {}\n"
     "  three: {upstream: 'dbname=c'}\n"
     "state: sqlite:s\naudit: {directory: a}\nstorage: file:b\nspool: c\n",
     {{3, "upstream: invalid connection option \"passwort\""}, {3, "helper: not a connection string"},
      {4, "unknown key \"enviroment\" in database \"two\"; did you mean \"environment\"?"},
      {4, "database \"two\": upstream and helper are the same"},
      {5, "\"two\" is given twice, first on line 4"},
      {6, "key \"helper\" in database \"three\" is missing"}}},
    {"a name too long",
     "listen: ['127.0.0.1:1']\n"
     "databases: {aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa: {}}\n"
     "state: sqlite:s\naudit: {directory: a}\nstorage: file:b\nspool: c\n",
     {{2, "is longer than 63 bytes"}}},

    /* The environment and secrets. */
    {"unset variable", HEAD "workers: ${BS_TEST_UNSET}\n", {{AFTER, "environment variable BS_TEST_UNSET is not set"}}},
    {"open brace", HEAD "workers: ${BS\n", {{AFTER, "without a name"}}},
    {"no name", HEAD "workers: ${}\n", {{AFTER, "without a name"}}},
    {"no secret file",
     "listen: ['127.0.0.1:1']\n"
     "databases: {a: {upstream: 'file:nowhere', helper: 'dbname=a user=b'}}\n"
     "state: sqlite:s\naudit: {directory: a}\nstorage: file:b\nspool: c\n",
     {{2, "upstream: no file \"/etc/backstop/nowhere\""}}},
    {"secrets of programs",
     "listen: ['127.0.0.1:1']\n"
     "databases:\n"
     "  a: {upstream: 'command:true', helper: 'command:/bin/false'}\n"
     "  b: {upstream: 'command:/nowhere/op x', helper: 'command:/bin/true'}\n"
     "  c: {upstream: 'command:/bin/sh -c exit', helper: 'command:/bin/cat /etc/backstop/hunter2'}\n"
     "  d: {upstream: 'command:/bin/echo dbname=a', helper: 'command:/bin/echo dbname=a user=b'}\n"
     "state: sqlite:s\naudit: {directory: a}\nstorage: file:b\nspool: c\n",
     {{3, "upstream: needs command:/absolute/program"}, {3, "helper: \"/bin/false\" has failed"},
      {4, "upstream: cannot run \"/nowhere/op\": No such file"}, {4, "helper: \"/bin/true\" prints nothing"},
      {5, "upstream: \"/bin/sh -c exit\" prints nothing"}, {5, "helper: \"/bin/cat\" has failed"}}},

    /* Rules. */
    {"rule without name and action", RULE("risk: [HIGH]"), {{AFTER, "key \"name\" in policy rule is missing"}, {AFTER, "key \"action\" in policy rule is missing"}}},
    {"rules as a map", HEAD "policy: {rules: {a: b}}\n", {{AFTER, "rules: must be a list"}}},
    {"rule as a word", HEAD "policy: {rules: [a]}\n", {{AFTER, "a map of keys is expected in policy rule"}}},
    {"unknown action", RULE("name: a, action: alow"), {{AFTER, "action: \"alow\" is not one of block, approve or allow"}}},
    {"unknown default", HEAD "policy: {defaults: {SAFE: yes}}\n", {{AFTER, "policy.defaults.SAFE: \"yes\" is not one of"}}},
    {"unknown risk in defaults", HEAD "policy: {defaults: {MEDIUM: allow}}\n", {{AFTER, "unknown key \"MEDIUM\" in policy.defaults"}}},
    {"unknown risk", RULE("name: a, action: block, risk: [HIHG]"), {{AFTER, "risk: \"HIHG\" is not one of"}}},
    {"risk UNKNOWN", RULE("name: a, action: block, risk: [UNKNOWN]"), {{AFTER, "risk: \"UNKNOWN\" is not one of"}}},
    {"risk as a word", RULE("name: a, action: block, risk: HIGH"), {{AFTER, "risk: must be a list"}}},
    {"unknown kind", RULE("name: a, action: block, kinds: [DELTE]"), {{AFTER, "kinds: \"DELTE\" is not a kind of statement; did you mean \"DELETE\"?"}}},
    {"kind UNKNOWN", RULE("name: a, action: block, kinds: [UNKNOWN]"), {{AFTER, "kinds: \"UNKNOWN\" is not a kind"}}},
    {"objects without a dot", RULE("name: a, action: block, objects: [orders]"), {{AFTER, "\"orders\" is not schema.name"}}},
    {"objects with two dots", RULE("name: a, action: block, objects: [a.b.c]"), {{AFTER, "\"a.b.c\" is not schema.name"}}},
    {"objects with half a name", RULE("name: a, action: block, objects: [pay., .x]"), {{AFTER, "\"pay.\" is not schema.name"}, {AFTER, "\".x\" is not schema.name"}}},
    {"lists without members", RULE("name: a, action: block, actors: [], kinds: [], risk: []"),
     {{AFTER, "actors: is an empty list"}, {AFTER, "kinds: is an empty list"}, {AFTER, "risk: is an empty list"}}},
    {"approvals of what is not approved", RULE("name: a, action: block, quorum: 2"), {{AFTER, "who approves says nothing where the action is block"}}},
    {"a quorum given twice", RULE("name: a, action: approve, quorum: 2, approvals: {quorum: 3}"), {{AFTER, "quorum is given twice"}}},
    {"approvals of nothing", RULE("name: a, action: approve, approvals: {require_reason: false}"), {{AFTER, "approvals asks for nothing"}}},
    {"a pattern of groups", RULE("name: a, action: approve, approvals: {groups: ['db*']}"), {{AFTER, "groups of operators are named whole"}}},
    {"a quorum nobody has", RULE("name: a, action: approve, quorum: 101"), {{AFTER, "is not a whole number from 1 to 100"}}},
    {"columns", RULE("name: a, action: block, columns: [a, a.b, a.b.c.d, .b.c, a..c, a.b.]"),
     {{AFTER, "columns: \"a\" is not schema.table.column"}, {AFTER, "columns: \"a.b\" is not"},
      {AFTER, "columns: \"a.b.c.d\" is not"}, {AFTER, "columns: \".b.c\" is not"},
      {AFTER, "columns: \"a..c\" is not"}, {AFTER, "columns: \"a.b.\" is not"}}},
    {"numbers of rows", RULE("name: a, action: allow, max_rows: 0, max_share: 10, result_rows: x"),
     {{AFTER, "max_rows: \"0\" is too small"}, {AFTER, "max_share: \"10\" is not a share such as 10% or 0.5%"},
      {AFTER, "result_rows: \"x\" is not a whole number"}}},
    {"shares", RULE("name: a, action: block, min_share: 101%"), {{AFTER, "min_share: \"101%\" is not a share"}}},
    {"limits on the wrong side", HEAD "policy:\n  rules:\n"
     "  - {name: a, action: block, max_rows: 5}\n  - {name: b, action: approve, max_share: 5%}\n"
     "  - {name: c, action: allow, min_rows: 5}\n  - {name: d, action: allow, min_share: 5%}\n"
     "  - {name: e, action: block, result_rows: 5}\n",
     {{AFTER + 2, "max_rows and max_share are for rules that allow; to block what is larger, write min_rows"},
      {AFTER + 3, "to approve what is larger, write min_rows"},
      {AFTER + 4, "min_rows and min_share are for rules that approve or block"},
      {AFTER + 5, "min_rows and min_share are for rules that approve or block"},
      {AFTER + 6, "result_rows says nothing where the action is block"}}},
    {"groups and environments", RULE("name: a, action: block, groups: [], environments: x"),
     {{AFTER, "groups: is an empty list"}, {AFTER, "environments: must be a list"}}},
    {"misspelt keys of a rule", RULE("name: a, action: allow, max_row: 5, enviroments: [x], colums: [a.b.c], group: [x]"),
     {{AFTER, "unknown key \"max_row\" in policy rule; did you mean \"max_rows\"?"}, {AFTER, "did you mean \"environments\"?"},
      {AFTER, "did you mean \"columns\"?"}, {AFTER, "did you mean \"groups\"?"}}},

    /* The rest of the policy. */
    {"mode", HEAD "policy: {mode: shaddow}\n", {{AFTER, "policy.mode: \"shaddow\" is not one of enforce or shadow"}}},
    {"impact", HEAD "policy: {impact: {rows: -1, share: 0%, row: 5}}\n",
     {{AFTER, "policy.impact.rows: \"-1\" is not a whole number"}, {AFTER, "policy.impact.share: \"0%\" is not a share"},
      {AFTER, "unknown key \"row\" in policy.impact; did you mean \"rows\"?"}}},
    {"impact of nothing", HEAD "policy: {impact: {rows: 0}}\n", {{AFTER, "policy.impact.rows: \"0\" is too small"}}},
    {"measure", HEAD "policy:\n  measure:\n    time: 2h\n    rehearse: maybe\n",
     {{AFTER + 2, "policy.measure.time: \"2h\" is too large"}, {AFTER + 3, "policy.measure.rehearse: \"maybe\" is not true or false"}}},
    {"protected", HEAD "policy:\n  protected:\n  - pay\n  - a.b.c.d\n  - pay.*\n",
     {{AFTER + 2, "policy.protected: \"pay\" is not schema.name or schema.table.column"}, {AFTER + 3, "\"a.b.c.d\" is not"}}},
    {"profiles", HEAD "policy:\n  profiles:\n    default: dmll\n    readonly: {actors: [a]}\n    dml: {}\n    full: {actor: [a]}\n",
     {{AFTER + 2, "policy.profiles.default: \"dmll\" is not one of read-only, dml or full"},
      {AFTER + 3, "unknown key \"readonly\" in policy.profiles; did you mean \"read-only\"?"},
      {AFTER + 4, "policy.profiles.dml: names nobody"},
      {AFTER + 5, "unknown key \"actor\" in policy.profiles.full; did you mean \"actors\"?"}}},
    {"evasion", HEAD "policy: {evasion: {window: 1, limit: 0}}\n",
     {{AFTER, "policy.evasion.window: \"1\" is not a duration"}, {AFTER, "policy.evasion.limit: \"0\" is too small"}}},
    {"no rows at all", HEAD "policy: {result_rows: 0}\n", {{AFTER, "policy.result_rows: \"0\" is too small"}}},
    {"no quorum", RULE("name: a, action: block, quorum: 0"), {{AFTER, "is not a whole number from 1"}}},
    {"recovery of a rule", RULE("name: a, action: allow, recovery: whole"), {{AFTER, "\"whole\" is not none or optional"}}},
    {"waiving what is blocked", RULE("name: a, action: block, recovery: none"), {{AFTER, "recovery says nothing"}}},
    {"requiring nothing", RULE("name: a, action: allow, require: {}"), {{AFTER, "require asks for nothing"}}},
    {"requiring the unknown", RULE("name: a, action: allow, require: {grade: gold, age: 1h}"),
     {{AFTER, "grade: \"gold\" is not one of stored, read-back or restored"}, {AFTER, "unknown key \"age\" in require"}, {AFTER, "require asks for nothing"}}},
    {"requiring of what is blocked", RULE("name: a, action: block, require: {grade: stored}"), {{AFTER, "require says nothing where the action is block"}}},
    {"requiring of what is not made", RULE("name: a, action: allow, recovery: none, require: {grade: stored}"), {{AFTER, "it says is not made"}}},
    {"a rule that restores into nothing", RULE("name: a, action: allow, require: {grade: restored}"), {{AFTER, "rule \"a\", require: \"restored\" needs a database"}}},
    {"a rule that wants what is here away", RULE("name: a, action: allow, require: {off_host: true}"), {{AFTER, "rule \"a\", require: the storage is on this machine"}}},
    {"a rule about no snapshots", RULE("name: a, action: allow, require: {snapshot_age: 1h}"), {{AFTER, "rule \"a\", require: there are no `snapshots`"}}},
    {"a rule about rare snapshots", HEAD "snapshots: [{name: s, tables: [a.b], database: shop, every: 3h, keep: {count: 1}}]\n"
     "policy: {rules: [{name: a, action: allow, require: {snapshot_age: 2h}}]}\n", {{AFTER + 1, "all `snapshots` come less often"}}},
    {"loading into the database itself", HEAD "recovery: {scratch: 'dbname=shop user=backstop'}\n", {{AFTER, "recovery.scratch is database \"shop\" itself"}}},
    {"two of a name", HEAD "policy:\n  rules:\n  - {name: a, action: block}\n  - {name: a, action: allow}\n",
     {{AFTER + 3, "two rules are called \"a\", the first on line 11"}}},

    /* Rules that can never match. */
    {"no such database", RULE("name: a, action: block, databases: [shop, prod]"), {{AFTER, "can never match: no database is called \"prod\""}}},
    {"no such environment", RULE("name: a, action: block, environments: ['*', 'prod*']"), {{AFTER, "can never match: no database has the environment \"prod*\""}}},
    {"SAFE things that write", RULE("name: a, action: approve, risk: [SAFE], objects: [a.b]"), {{AFTER, "can never match: what is SAFE writes nothing"}}},
    {"SAFE things of many rows", RULE("name: a, action: allow, risk: [SAFE], max_rows: 5"), {{AFTER, "can never match: what is SAFE writes nothing"}}},
    {"a database of another environment",
     "listen: ['127.0.0.1:1']\n"
     "databases:\n"
     "  a: {upstream: 'dbname=a', helper: 'dbname=a user=b', environment: production}\n"
     "  b: {upstream: 'dbname=b', helper: 'dbname=b user=b', environment: staging}\n"
     "state: sqlite:s\naudit: {directory: a}\nstorage: file:b\nspool: c\n"
     "policy: {rules: [{name: x, action: block, databases: [a], environments: [staging]}]}\n",
     {{9, "can never match: none of its databases has one of its environments"}}},
    {"allow without CRITICAL", RULE("name: a, action: allow, kinds: [DROP TABLE, GRANT]"), {{AFTER, "can never match: its kinds are always CRITICAL"}}},
    {"a risk the kind cannot have", RULE("name: a, action: block, kinds: [INSERT], risk: [SAFE]"), {{AFTER, "can never match: none of its kinds"}}},
    {"HIGH for what is CRITICAL", RULE("name: a, action: allow, kinds: [TRUNCATE], risk: [HIGH]"), {{AFTER, "can never match: none of its kinds"}}},

    /* Nothing wrong. */
    {"head alone", HEAD, {{0, NULL}}},
    {"no rules", HEAD "policy: {rules: []}\n", {{0, NULL}}},
    {"quorum of one", RULE("name: a, action: approve, quorum: 1"), {{0, NULL}}},
    {"approvals", RULE("name: a, action: approve, approvals: {quorum: 2, groups: [dba], require_reason: true, exclude_owner: true}"), {{0, NULL}}},
    {"approvals of everything", HEAD "policy: {approvals: {quorum: 2, groups: [dba, security], exclude_owner: true}}\n", {{0, NULL}}},
    {"a database by pattern", RULE("name: a, action: block, databases: ['st*']"), {{0, NULL}}},
    {"allow of a delete by key", RULE("name: a, action: allow, kinds: [DELETE]"), {{0, NULL}}},
    {"one kind of several is enough", RULE("name: a, action: allow, kinds: [DROP TABLE, INSERT]"), {{0, NULL}}},
    {"dollar in a rule is itself", RULE("name: '${a}', action: allow, actors: ['${b}']"), {{0, NULL}}},
    {"an alias", HEAD "hold: {wait: &t 30s, notice: *t}\n", {{0, NULL}}},
    {"hold not at all", HEAD "hold: {wait: 0s}\n", {{0, NULL}}},
    {"a limit", RULE("name: a, action: allow, kinds: [DELETE], max_rows: 1, max_share: 0.5%"), {{0, NULL}}},
    {"all of the policy", HEAD
     "policy:\n  mode: shadow\n  impact: {rows: 1, share: 100%}\n  measure: {time: 0s, rehearse: true}\n"
     "  protected: ['pay.*', public.users.email]\n"
     "  profiles: {default: dml, read-only: {actors: ['a-*']}, full: {groups: [dba]}}\n"
     "  evasion: {window: 1d, limit: 1}\n  result_rows: 1\n"
     "  rules: [{name: a, action: approve, groups: [b], environments: ['*'], columns: ['*.*.*'], min_rows: 1}]\n", {{0, NULL}}},
    {"operators on IPv6", HEAD "operators: {listen: '[::1]:6580'}\n", {{0, NULL}}},
};
/* clang-format on */

static void
check_row(const struct row *r)
{
    struct bs_config *c = NULL;
    struct bs_problems problems = {0};
    struct bs_err err = {0};
    enum bs_done done =
        bs_config_parse(bs_bytes_of(r->text), "/etc/backstop/b.yaml", &c, &problems, &err);
    int before = tap_misses;
    size_t n = 0;

    while (n < MOST && r->want[n].says != NULL)
        n++;
    EXPECT_EQ(done, n == 0 ? BS_DONE : BS_FAILED);
    EXPECT_EQ(err.code, n == 0 ? BS_OK : BS_E_CONFIG);
    EXPECT_EQ(c != NULL, n == 0);
    EXPECT_EQ(problems.n, n);
    for (size_t i = 0; i < n && i < problems.n; i++) {
        EXPECT_EQ(problems.list[i].line, r->want[i].line);
        EXPECT(strstr(problems.list[i].message, r->want[i].says) != NULL);
    }
    for (size_t i = 0; i < problems.n; i++) {
        EXPECT(strstr(problems.list[i].message, "hunter2") == NULL);
        if (tap_misses != before)
            printf("# %s: line %d: %s\n", r->what, problems.list[i].line, problems.list[i].message);
    }
    bs_problems_fini(&problems);
    bs_config_unref(&c);
    EXPECT(c == NULL);
}

static void
every_row(void)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        check_row(&rows[i]);
}

static void
fallbacks(void)
{
    struct bs_config *c = config_of(HEAD);

    REQUIRE(c != NULL);
    EXPECT_EQ(c->n_listen, 1);
    EXPECT(strcmp(c->listen[0].host, "127.0.0.1") == 0 && c->listen[0].port == 6543);
    EXPECT(strcmp(c->operators.host, "127.0.0.1") == 0 && c->operators.port == 6580);
    EXPECT(c->tls_cert == NULL && c->tls_key == NULL);
    EXPECT_EQ(c->n_databases, 2);
    EXPECT(strcmp(c->databases[1].name, "stage") == 0 &&
           strcmp(c->databases[1].environment, "") == 0);
    EXPECT(bs_config_database_find(c, "shop") == &c->databases[0]);
    EXPECT(bs_config_database_find(c, "Shop") == NULL);
    EXPECT(strcmp(c->state_url, "/etc/backstop/state.db") == 0);
    EXPECT(strcmp(c->audit_directory, "/etc/backstop/audit") == 0);
    EXPECT(c->audit_upload == NULL && c->audit_redact == BS_AUDIT_REDACT_NONE);
    EXPECT(strcmp(c->audit_redact_key, "/etc/backstop/audit.redact.key") == 0);
    EXPECT_EQ(c->audit_file_bytes, 64 << 20);
    EXPECT(strcmp(c->storage_path, "/etc/backstop/storage") == 0);
    EXPECT(strcmp(c->storage_url, "file:///etc/backstop/storage") == 0);
    EXPECT(strcmp(c->spool, "/etc/backstop/spool") == 0);
    EXPECT_EQ(c->workers, 2);
    EXPECT_EQ(c->hold_wait_ms, 20000);
    EXPECT_EQ(c->hold_notice_ms, 10000);
    EXPECT(c->policy->mode == BS_POLICY_ENFORCE && c->policy->profile == BS_PROFILE_FULL);
    EXPECT(c->policy->impact.rows == 1000 && c->policy->impact.share == 0.1);
    EXPECT(c->policy->measure.time_ms == 1000 && !c->policy->measure.rehearse);
    EXPECT(c->policy->evasion.window_ms == 3600000 && c->policy->evasion.limit == 5);
    EXPECT(c->policy->result_rows == 0 && c->policy->protects.n == 0);
    EXPECT_EQ(c->hold_decide_ms, 900000);
    EXPECT_EQ(c->hold_redeem_ms, 900000);
    EXPECT_EQ(c->require.grade, BS_GRADE_READ_BACK);
    EXPECT_EQ(c->lock_budget_ms, 30000);
    EXPECT_EQ(c->max_bytes, INT64_C(10) << 30);
    EXPECT_EQ(c->helpers, 2);
    EXPECT(c->keys == NULL && c->key == NULL);
    EXPECT_EQ(c->audit_safe, BS_CONFIG_AUDIT_ALL);
    EXPECT_EQ(c->policy->n_rules, 0);
    EXPECT_EQ(c->policy->defaults[BS_RISK_UNKNOWN], BS_ACTION_BLOCK);
    EXPECT_EQ(c->policy->defaults[BS_RISK_SAFE], BS_ACTION_ALLOW);
    EXPECT_EQ(c->policy->defaults[BS_RISK_HIGH], BS_ACTION_APPROVE);
    EXPECT_EQ(c->policy->defaults[BS_RISK_CRITICAL], BS_ACTION_APPROVE);
    EXPECT_EQ(strlen(c->policy->digest), 64);
    bs_config_unref(&c);
}

/* The file of the design, but for the keys of later versions. */
static const char sample[] =
    "listen: [\"unix:/run/backstop\", \"127.0.0.1:6500\"]      # actors connect here\n"
    "tls: {cert: server.crt, key: /keys/server.key}\n"
    "operators: {listen: \"127.0.0.1:6581\"}\n"
    "databases:\n"
    "  app:\n"
    "    upstream: \"host=/var/run/postgresql dbname=app user=app_rw\"\n"
    "    helper: \"host=/var/run/postgresql dbname=app user=backstop\"\n"
    "    environment: production\n"
    "state: sqlite:///var/lib/backstop/state.db\n"
    "audit: {directory: /var/lib/backstop/audit, upload: storage, redact: parameters, "
    "file_age: 1h}\n"
    "storage: file:///var/backups/backstop\n"
    "spool: /var/lib/backstop/spool\n"
    "workers: 4\n"
    "hold: {wait: 500ms, notice: 1s, decide: 2h, redeem: 1d}\n"
    "recovery: {grade: stored, lock_budget: 1m, max_bytes: 64MB, helpers: 8,\n"
    "           encryption: {keys: \"file:keys\", key: 2026-11},\n"
    "           pg_dump: {17: /usr/lib/postgresql/17/bin/pg_dump, 15: bin/pg_dump}}\n"
    "audit_safe: counted\n"
    "policy:\n"
    "  defaults: {SAFE: allow, HIGH: approve, CRITICAL: block}\n"
    "  rules:\n"
    "    - {name: cleanup, actors: [\"cleanup-*\"], kinds: [DELETE], objects: [public.sessions],\n"
    "       risk: [HIGH], action: allow}\n"
    "    - {name: payments are sacred, objects: [\"pay.*\"], risk: [HIGH, CRITICAL],\n"
    "       action: approve, recovery: none}\n"
    "    - {name: no schema drops, kinds: [DROP SCHEMA, DROP DATABASE], action: block}\n";

/* A store that is not local has a URL and no folder. */
/* Of an upstream the gateway reads some itself; a helper's are libpq's. */
static void
keywords_of_a_newer_libpq(void)
{
    static const struct {
        const char *upstream, *helper, *key, *option;
        int since;
    } cases[] = {
        {"sslnegotiation=direct", "", NULL, NULL, 0},
        {"max_protocol_version=3.2", "", NULL, NULL, 0},
        {"channel_binding=require", "channel_binding=require", NULL, NULL, 0},
        {"", "sslnegotiation=direct", "helper", "sslnegotiation", 17},
        {"", "max_protocol_version=3.2", "helper", "max_protocol_version", 18},
        {"require_auth=md5", "", "upstream", "require_auth", 16},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char text[1024], says[200] = "";
        struct row row = {"a newer libpq", text, {{0}}};
        (void)snprintf(text, sizeof(text),
                       "listen: ['127.0.0.1:1']\n"
                       "databases: {a: {upstream: 'dbname=a %s',\n helper: 'user=b dbname=a %s'}}\n"
                       "state: sqlite:s\naudit: {directory: a}\nspool: c\nstorage: file:b\n",
                       cases[i].upstream, cases[i].helper);
        if (cases[i].since > PQlibVersion() / 10000) {
            (void)snprintf(says, sizeof(says),
                           "%s: \"%s\" is of libpq %d and newer, and this program connects by "
                           "libpq %d: leave it out here",
                           cases[i].key, cases[i].option, cases[i].since, PQlibVersion() / 10000);
            row.want[0].line = strcmp(cases[i].key, "helper") == 0 ? 3 : 2;
            row.want[0].says = says;
        }
        check_row(&row);
    }
}

static void
storage_elsewhere(void)
{
    static const char text[] =
        "listen: ['127.0.0.1:1']\n"
        "databases: {a: {upstream: 'dbname=a', helper: 'dbname=a user=b'}}\n"
        "state: sqlite:s\naudit: {directory: a}\nspool: c\n"
        "storage: s3://points/prod?endpoint=https://minio.example:9000&region=eu-1\n";
    struct bs_config *c = config_of(text);

    REQUIRE(c != NULL);
    EXPECT(c->storage_path == NULL);
    EXPECT(strcmp(c->storage_url,
                  "s3://points/prod?endpoint=https://minio.example:9000&region=eu-1") == 0);
    bs_config_unref(&c);
}

static void
whole_file(void)
{
    struct bs_config *c = config_of(sample);
    const struct bs_rule *r;

    REQUIRE(c != NULL);
    EXPECT_EQ(c->n_listen, 2);
    EXPECT(c->listen[0].host == NULL && strcmp(c->listen[0].dir, "/run/backstop") == 0);
    EXPECT_EQ(c->listen[0].port, 6500);
    EXPECT(strcmp(c->tls_cert, "/etc/backstop/server.crt") == 0);
    EXPECT(strcmp(c->tls_key, "/keys/server.key") == 0);
    EXPECT_EQ(c->operators.port, 6581);
    EXPECT(strcmp(c->databases[0].environment, "production") == 0);
    EXPECT(strcmp(c->state_url, "/var/lib/backstop/state.db") == 0);
    EXPECT(strcmp(c->storage_url, "file:///var/backups/backstop") == 0);
    EXPECT_EQ(c->workers, 4);
    EXPECT_EQ(c->hold_wait_ms, 500);
    EXPECT_EQ(c->hold_decide_ms, 7200000);
    EXPECT_EQ(c->hold_redeem_ms, 86400000);
    EXPECT_EQ(c->require.grade, BS_GRADE_STORED);
    EXPECT_EQ(c->lock_budget_ms, 60000);
    EXPECT_EQ(c->max_bytes, INT64_C(64) << 20);
    EXPECT_EQ(c->helpers, 8);
    EXPECT(strcmp(c->keys, "file:/etc/backstop/keys") == 0);
    EXPECT(strcmp(c->key, "2026-11") == 0);
    EXPECT_EQ(c->n_pg_dumps, 2);
    EXPECT_EQ(c->pg_dumps[0].major, 15);
    EXPECT(strcmp(bs_config_pg_dump_find(c, 15), "/etc/backstop/bin/pg_dump") == 0);
    EXPECT(strcmp(bs_config_pg_dump_find(c, 17), "/usr/lib/postgresql/17/bin/pg_dump") == 0);
    EXPECT(bs_config_pg_dump_find(c, 16) == NULL);
    EXPECT_EQ(c->audit_safe, BS_CONFIG_AUDIT_COUNTED);
    EXPECT(strcmp(c->audit_upload, "file:///var/backups/backstop") == 0);
    EXPECT_EQ(c->audit_redact, BS_AUDIT_REDACT_PARAMETERS);
    EXPECT_EQ(c->audit_file_age_ms, 3600000);
    EXPECT_EQ(c->policy->defaults[BS_RISK_CRITICAL], BS_ACTION_BLOCK);
    REQUIRE(c->policy->n_rules == 3);
    r = c->policy->rules;
    EXPECT(strcmp(r[0].name, "cleanup") == 0 && r[0].line == 22);
    EXPECT(r[0].action == BS_ACTION_ALLOW && r[0].risks == BS_RISK_BIT(BS_RISK_HIGH));
    EXPECT(r[0].kinds[BS_KIND_DELETE] && !r[0].kinds[BS_KIND_UPDATE] && r[0].keep == BS_KEEP);
    EXPECT(r[1].kinds == NULL && r[1].keep == BS_KEEP_NOT && r[1].actors.n == 0);
    REQUIRE(r[1].objects.n == 1);
    EXPECT(strcmp(r[1].objects.list[0].schema, "pay") == 0);
    EXPECT(strcmp(r[1].objects.list[0].name, "*") == 0 && r[1].objects.list[0].column == NULL);
    EXPECT(r[2].action == BS_ACTION_BLOCK && r[2].risks == BS_RISK_BITS_ALL);
    bs_config_unref(&c);
}

static void
every_key_of_the_policy(void)
{
    struct bs_config *c = config_of(
        HEAD "policy:\n"
             "  mode: shadow\n"
             "  impact: {rows: 7, share: 2.5%}\n"
             "  measure: {time: 20ms, rehearse: true}\n"
             "  protected: ['pay.*', public.users.email]\n"
             "  profiles: {default: dml, read-only: {actors: ['a-*']}, full: {groups: [dba]}}\n"
             "  evasion: {window: 1d, limit: 3}\n"
             "  result_rows: 9\n"
             "  rules:\n"
             "  - {name: a, action: allow, groups: [g], max_rows: 5, max_share: 0.5%,\n"
             "     columns: [public.t.c]}\n"
             "  - {name: b, action: approve, min_rows: 6, min_share: 100%, result_rows: 8}\n");
    const struct bs_policy *p;

    REQUIRE(c != NULL);
    p = c->policy;
    EXPECT_EQ(p->mode, BS_POLICY_SHADOW);
    EXPECT(p->impact.rows == 7 && p->impact.share == 0.025);
    EXPECT(p->measure.time_ms == 20 && p->measure.rehearse);
    REQUIRE(p->protects.n == 2);
    EXPECT(strcmp(p->protects.list[0].schema, "pay") == 0 && p->protects.list[0].column == NULL);
    EXPECT(strcmp(p->protects.list[1].column, "email") == 0);
    EXPECT(p->profile == BS_PROFILE_DML && p->profiles[BS_PROFILE_DML].actors.n == 0);
    EXPECT_EQ(p->profiles[BS_PROFILE_READ_ONLY].actors.n, 1);
    EXPECT_EQ(p->profiles[BS_PROFILE_FULL].groups.n, 1);
    EXPECT(p->evasion.window_ms == 86400000 && p->evasion.limit == 3 && p->result_rows == 9);
    REQUIRE(p->n_rules == 2);
    EXPECT(p->rules[0].max.rows == 5 && p->rules[0].max.share == 0.005);
    EXPECT(p->rules[0].min.rows == -1 && p->rules[0].min.share == -1);
    EXPECT(p->rules[0].groups.n == 1 && p->rules[0].columns.n == 1);
    EXPECT(p->rules[1].min.rows == 6 && p->rules[1].min.share == 1);
    EXPECT(p->rules[1].max.rows == -1 && p->rules[1].result_rows == 8);
    bs_config_unref(&c);
}

/* The upstream that a text with one database gives; the caller frees it. */
static char *
upstream_of(const char *upstream)
{
    char text[1024];
    struct bs_config *c;
    char *copy;

    (void)snprintf(text, sizeof(text),
                   "listen: ['127.0.0.1:1']\n"
                   "databases: {a: {upstream: \"%s\", helper: 'dbname=a user=b'}}\n"
                   "state: sqlite:s\naudit: {directory: a}\nstorage: file:b\nspool: c\n",
                   upstream);
    c = config_of(text);
    if (c == NULL)
        return NULL;
    copy = strdup(c->databases[0].upstream);
    bs_config_unref(&c);
    return copy;
}

static void
secrets(void)
{
    static const struct {
        const char *text, *want;
    } cases[] = {
        {"dbname=a password=${BS_TEST_PASSWORD}", "dbname=a password=a\\ b\\'c\\\\d%"},
        {"postgresql://u:${BS_TEST_PASSWORD}@h/d", "postgresql://u:a%20b%27c%5Cd%25@h/d"},
        {"${BS_TEST_WHOLE}", "dbname=x user=y"},
        {"dbname=${BS_TEST_NAME}${BS_TEST_NAME}", "dbname=nn"},
        {"dbname=$x password=$", "dbname=$x password=$"},
    };
    char file[] = "/tmp/bs-secret-XXXXXX", from_file[64];
    int fd = mkstemp(file);
    char *got;

    REQUIRE(fd >= 0 && write(fd, "dbname=f user=g\n", 16) == 16);
    close(fd);
    (void)setenv("BS_TEST_PASSWORD", "a b'c\\d%", 1);
    (void)setenv("BS_TEST_WHOLE", "dbname=x user=y", 1);
    (void)setenv("BS_TEST_NAME", "n", 1);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        got = upstream_of(cases[i].text);
        EXPECT(got != NULL && strcmp(got, cases[i].want) == 0);
        free(got);
    }
    (void)snprintf(from_file, sizeof(from_file), "file:%s", file);
    got = upstream_of(from_file);
    EXPECT(got != NULL && strcmp(got, "dbname=f user=g") == 0);
    free(got);
    (void)unlink(file);
}

static void
state_is_one_of_two(void)
{
    static const struct {
        const char *text, *want; /* NULL: it is refused */
    } cases[] = {
        {"sqlite:///var/lib/b/state.db", "/var/lib/b/state.db"},
        {"sqlite:/v/${BS_TEST_NAME} ${BS_TEST_NAME}", "/v/n n"},
        {"postgresql://b@h/d", "postgresql://b@h/d"},
        {"postgres://b:${BS_TEST_PASSWORD}@h/d", "postgres://b:a%20b%27@h/d"},
        {"${BS_TEST_URL}", "postgresql://whole/d"},
        {"postgresql://h/d?nonsense=1", NULL},
        {"host=h dbname=d", NULL},
    };

    (void)setenv("BS_TEST_PASSWORD", "a b'", 1);
    (void)setenv("BS_TEST_NAME", "n", 1);
    (void)setenv("BS_TEST_URL", "postgresql://whole/d", 1);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char text[512];
        struct bs_config *c = NULL;
        struct bs_problems problems = {0};
        struct bs_err err = {0};
        (void)snprintf(text, sizeof(text),
                       "listen: ['127.0.0.1:1']\n"
                       "databases: {a: {upstream: 'dbname=a', helper: 'dbname=a user=b'}}\n"
                       "state: '%s'\naudit: {directory: a}\nstorage: file:b\nspool: c\n",
                       cases[i].text);
        (void)!bs_config_parse(bs_bytes_of(text), "/etc/b.yaml", &c, &problems, &err);
        EXPECT_EQ(c != NULL, cases[i].want != NULL);
        if (c != NULL && cases[i].want != NULL && strcmp(c->state_url, cases[i].want) != 0)
            EXPECT(c->state_url == cases[i].want);
        bs_problems_fini(&problems);
        bs_config_unref(&c);
    }
}

/* What has no room must never be dropped quietly: a rule might be what is missing. */
static void
too_large(void)
{
    size_t room = 900000;
    char *text = malloc(room);
    struct bs_config *c = NULL;
    struct bs_problems problems = {0};
    struct bs_err err = {0};
    size_t at;

    REQUIRE(text != NULL);
    at = (size_t)snprintf(text, room, "%s",
                          HEAD "policy:\n  rules:\n  - &r {name: "
                               "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa, action: block}\n");
    while (at + 8 < room)
        at += (size_t)snprintf(text + at, room - at, "  - *r\n");
    EXPECT_EQ(bs_config_parse(bs_bytes_of(text), "b.yaml", &c, &problems, &err), BS_FAILED);
    EXPECT(c == NULL && problems.n != 0);
    EXPECT_EQ(problems.n, 1);
    EXPECT(problems.n != 0 && strstr(problems.list[0].message, "too large") != NULL);
    bs_problems_fini(&problems);
    free(text);
}

static void
files(void)
{
    struct bs_config *c = NULL;
    struct bs_problems problems = {0};
    struct bs_err err = {0};

    EXPECT_EQ(bs_config_load("/nonexistent/b.yaml", &c, &problems, &err), BS_FAILED);
    EXPECT_EQ(err.code, BS_E_NOT_FOUND);
    EXPECT(c == NULL && problems.n == 0);
}

static void
references(void)
{
    struct bs_config *c = config_of(HEAD), *d;

    REQUIRE(c != NULL);
    d = bs_config_ref(c);
    bs_config_unref(&c);
    EXPECT(c == NULL && d->n_databases == 2);
    bs_config_unref(&d);
    bs_config_unref(&d);
}

static void
shares(void)
{
    static const struct {
        const char *text;
        double want; /* -1: refused */
    } cases[] = {
        {"10%", 0.1},        {"100%", 1}, {"0.5%", 0.005}, {"12.25%", 0.1225},
        {"0.000001%", 1e-8}, {"0%", -1},  {"0.0%", -1},    {"100.1%", -1},
        {"101%", -1},        {"10", -1},  {"10 %", -1},    {"%", -1},
        {".5%", -1},         {"5.%", -1}, {"-1%", -1},     {"1.0000001%", -1},
        {"1%%", -1},         {"", -1},    {"1e1%", -1},    {"99999999999999999999%", -1},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        double share = -1;
        EXPECT_EQ(bs_value_share(cases[i].text, &share), cases[i].want != -1);
        EXPECT(share == cases[i].want);
    }
}

static void
values(void)
{
    static const struct {
        const char *text;
        int64_t ms, bytes; /* -1: refused */
    } cases[] = {
        {"0s", 0, -1},
        {"20s", 20000, -1},
        {"500ms", 500, -1},
        {"15m", 900000, -1},
        {"2h", 7200000, -1},
        {"1d", 86400000, -1},
        {"1B", -1, 1},
        {"64MB", -1, 67108864},
        {"1kB", -1, 1024},
        {"1KB", -1, -1},
        {"1.5s", -1, -1},
        {"s", -1, -1},
        {"", -1, -1},
        {"1S", -1, -1},
        {"1ss", -1, -1},
        {" 1s", -1, -1},
        {"9223372036854775807ms", INT64_MAX, -1},
        {"9223372036854775808ms", -1, -1},
        {"9223372036854775807s", -1, -1},
        {"8388608TB", -1, -1},
        {"8388607TB", -1, INT64_C(8388607) << 40},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        int64_t ms = -1, bytes = -1;
        EXPECT_EQ(bs_value_duration(cases[i].text, &ms), cases[i].ms >= 0);
        EXPECT_EQ(ms, cases[i].ms);
        EXPECT_EQ(bs_value_size(cases[i].text, &bytes), cases[i].bytes >= 0);
        EXPECT_EQ(bytes, cases[i].bytes);
    }
    EXPECT(bs_value_is_loopback("127.1.2.3") && bs_value_is_loopback("::1"));
    EXPECT(bs_value_is_loopback("localhost") && !bs_value_is_loopback("128.0.0.1"));
    EXPECT(!bs_value_is_loopback("::") && !bs_value_is_loopback("localhost.example.org"));
}

int
main(void)
{
    static const struct tap_case cases[] = {
        {"every row", every_row},
        {"every key of the policy", every_key_of_the_policy},
        {"fallbacks", fallbacks},
        {"the whole file", whole_file},
        {"keywords of a newer libpq", keywords_of_a_newer_libpq},
        {"storage elsewhere", storage_elsewhere},
        {"secrets", secrets},
        {"where the state lies", state_is_one_of_two},
        {"too large", too_large},
        {"files", files},
        {"references", references},
        {"values", values},
        {"shares", shares},
    };

    return tap_main(cases, sizeof(cases) / sizeof(cases[0]));
}
