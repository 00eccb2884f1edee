/*
 * verbs.h - every verb of the command line, once. Included several times with BS_VERB defined.
 *
 * To add one: src/cli/cmd_<name>.c with `int bs_cmd_<name>(int argc, char **argv)` (see args.h),
 * its line in src/cli/meson.build, and a row here, in the order of the help text.
 */
/* clang-format off */
/*      function      name            one line of help */
BS_VERB(init,         "init",         "write a starter configuration, certificate and folders")
BS_VERB(serve,        "serve",        "run the gateway until SIGTERM or SIGINT")
BS_VERB(check_config, "check-config", "read the configuration and say all that is wrong with it")
BS_VERB(doctor,       "doctor",       "look whether protection can work, and whether there is a way round")
BS_VERB(classify,     "classify",     "say as JSON what a text of SQL would do, and how risky that is")
BS_VERB(explain,      "explain",      "show what would be decided about a statement, and why")
BS_VERB(policy,       "policy",       "check a policy, and test it against a table of expectations")
BS_VERB(agents,       "agents",       "add, set, list, rotate and revoke agents")
BS_VERB(operators,    "operators",    "add, list and revoke operators")
BS_VERB(approvals,    "approvals",    "list, show, approve and deny what is held")
BS_VERB(pause,        "pause",        "let nothing new run: of an agent, in a database, or at all")
BS_VERB(resume,       "resume",       "let go on what was paused")
BS_VERB(points,       "points",       "list, show, verify, prune, hold, erase, settle and export recovery points")
BS_VERB(snapshot,     "snapshot",     "make a recovery point of tables as they are now")
BS_VERB(restore,      "restore",      "preview, run, diff, copy-back and discard what a point holds")
BS_VERB(notify,       "notify",       "list, retry, drop and test what people are told")
BS_VERB(storage,      "storage",      "check what the storage of recovery points really does")
BS_VERB(audit,        "audit",        "show and verify the audit log")
BS_VERB(mcp,          "mcp",          "serve an agent's database to a client of the Model Context Protocol")
BS_VERB(demo,         "demo",         "a private PostgreSQL, an agent that goes wrong, and the way back")
BS_VERB(completion,   "completion",   "print what makes bash, zsh or fish complete words of this program")
BS_VERB(version,      "version",      "show the versions of Backstop and of its grammar")
/* clang-format on */
