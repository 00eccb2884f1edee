/*
 * load.h - a strict walk over a YAML document, driven by a table of keys. Private to the room.
 *
 * A row's path says where a key may stand: "hold.wait" under "hold", "databases.*.upstream" under
 * each entry of a map with free names, "policy.rules[].name" in each map of a list. Whatever the
 * table does not have is a problem; so is a key that is there twice.
 *
 * Layer  policy. Reads the environment, and `file:` and `command:` secrets: may wait for a program.
 * Owns   what is read lives in the load's arena.
 */
#ifndef BS_POLICY_LOAD_H
#define BS_POLICY_LOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <yaml.h>

#include "base/arena.h"
#include "policy/config.h"
#include "policy/rules.h"

#define BS_UPLOAD_STORAGE "storage" /* audit.upload: where recovery points go */

struct bs_key;

/* 0: nowhere. */
struct bs_require_lines {
    int grade, snapshot_age, off_host, scratch;
};

/* One run over one file. */
struct bs_load {
    yaml_document_t doc;
    struct bs_arena *arena;
    struct bs_config *config;
    struct bs_policy *policy;
    struct bs_problems *problems;
    const struct bs_key *keys; /* the table */
    size_t n_keys;
    struct bs_require_lines required; /* where what is required of everything stands */
    int *database_lines;              /* where each of config->databases stands */
    struct bs_config_notify *notify;  /* the target that is being read */
    bool full;                        /* the arena had no room: something was dropped */
};

/* A scalar where it stands; from the file, or a row's fallback (line 0). */
struct bs_scalar {
    const char *text;
    int line;
};

enum bs_key_flag {
    BS_KEY_REQUIRED = 1 << 0,
    BS_KEY_LATER = 1 << 1,   /* this version does not enforce it: to give it is a problem */
    BS_KEY_LITERAL = 1 << 2, /* ${...} means itself */
    BS_KEY_CONNINFO =
        1 << 3, /* secret: never quoted in a problem; file: and command: are read, ${} escaped */
    BS_KEY_SECRET = 1 << 4, /* the same, and ${} is what it is */
};

/* A row. Exactly one of `scalar` and `node` is set, but for BS_KEY_LATER. */
struct bs_key {
    const char *path;
    unsigned flags;
    void (*scalar)(struct bs_load *l, const struct bs_key *key, struct bs_scalar value, void *into);
    /* node NULL: the key is absent and its children's fallbacks are wanted */
    void (*node)(struct bs_load *l, const struct bs_key *key, yaml_node_t *node, void *into);
    size_t offset;            /* of the value in the struct that its map is read into */
    const char *fallback;     /* read where the key is absent; NULL: left as it is */
    int64_t min, max;         /* of numbers, durations, sizes */
    const char *const *words; /* of a choice, in the order of its enum; NULL ends it */
    const char *const *later; /* words that a later version will have; NULL: none */
};

/* Reads a text that is one document, all of it; a problem is noted where it is not. */
void bs_load_document(struct bs_load *l, struct bs_bytes text, void (*read)(struct bs_load *l));

/* Notes a problem; text of the file goes in with %.60s. */
void bs_load_problem(struct bs_load *l, int line, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
int bs_load_line(const yaml_node_t *node);

/*
 * Reads a map by the rows under `prefix`.
 *
 * node    NULL: absent, only fallbacks are read
 * prefix  "" or "hold."
 * scope   " in hold": what problems say after a key's name
 * base    the struct that the rows' offsets count from
 */
void bs_load_map(
    struct bs_load *l, yaml_node_t *node, const char *prefix, const char *scope, void *base);

/* The scalar at a node, with ${} and file: resolved as the row says; false: a problem was noted. */
BS_MUST_CHECK bool bs_load_scalar(struct bs_load *l,
                                  const struct bs_key *key,
                                  yaml_node_t *node,
                                  struct bs_scalar *out);

/*
 * Calls `each` for the pairs of a map with free names, without doubles; notes a problem where the
 * node is no map or an empty one. `name` is not empty.
 */
void bs_load_each(struct bs_load *l,
                  const struct bs_key *key,
                  yaml_node_t *node,
                  void (*each)(struct bs_load *l,
                               const struct bs_key *key,
                               struct bs_scalar name,
                               yaml_node_t *value,
                               void *into),
                  void *into);

/* The nodes of a list; 0 where it is none or empty, and a problem was noted. */
size_t bs_load_list(struct bs_load *l, const struct bs_key *key, yaml_node_t *node);
yaml_node_t *bs_load_item(struct bs_load *l, yaml_node_t *node, size_t i);

/* The last part of a row's path: "wait". */
const char *bs_key_name(const struct bs_key *key);
/* How problems call a key: "hold.wait"; in a rule or a database by its own name. */
const char *bs_key_shown(const struct bs_key *key);
/* The arena, noting in `full` where it has no more room; NULL then. */
void *bs_load_array(struct bs_load *l, size_t count, size_t each);
char *bs_load_str(struct bs_load *l, struct bs_bytes text);
/* A path from the file in the arena: relative ones start at the file's folder. */
char *bs_load_path(struct bs_load *l, const char *path);
/* Reads one of key->words into an enum (its number in the list). */
void
bs_read_choice(struct bs_load *l, const struct bs_key *key, struct bs_scalar value, void *into);

/* Any text; a number, a share or a duration within the row's bounds. */
void bs_read_text(struct bs_load *l, const struct bs_key *key, struct bs_scalar value, void *into);
void
bs_read_integer(struct bs_load *l, const struct bs_key *key, struct bs_scalar value, void *into);
void bs_read_share(struct bs_load *l, const struct bs_key *key, struct bs_scalar value, void *into);
void bs_read_bool(struct bs_load *l, const struct bs_key *key, struct bs_scalar value, void *into);
void
bs_read_duration(struct bs_load *l, const struct bs_key *key, struct bs_scalar value, void *into);
/* A connection string; nothing of it is ever quoted. */
void
bs_read_conninfo(struct bs_load *l, const struct bs_key *key, struct bs_scalar value, void *into);

/* Where something listens, "host:port" or "unix:DIR"; false: a problem was noted. */
BS_MUST_CHECK bool bs_read_listen(struct bs_load *l,
                                  const struct bs_key *key,
                                  struct bs_scalar value,
                                  struct bs_config_listen *out);

/* Readers for keys of policy rules and defaults: rules_file.c. */
void bs_read_policy(struct bs_load *l, const struct bs_key *key, yaml_node_t *node, void *into);
void bs_read_rules(struct bs_load *l, const struct bs_key *key, yaml_node_t *node, void *into);
void bs_read_globs(struct bs_load *l, const struct bs_key *key, yaml_node_t *node, void *into);
void bs_read_objects(struct bs_load *l, const struct bs_key *key, yaml_node_t *node, void *into);
void bs_read_columns(struct bs_load *l, const struct bs_key *key, yaml_node_t *node, void *into);
void bs_read_protected(struct bs_load *l, const struct bs_key *key, yaml_node_t *node, void *into);
void bs_read_risks(struct bs_load *l, const struct bs_key *key, yaml_node_t *node, void *into);
void bs_read_kinds(struct bs_load *l, const struct bs_key *key, yaml_node_t *node, void *into);
void
bs_read_waiver(struct bs_load *l, const struct bs_key *key, struct bs_scalar value, void *into);
/* The same for who approves: approvers_file.c. */
void bs_read_approvers(struct bs_load *l, const struct bs_key *key, yaml_node_t *node, void *into);
void
bs_read_quorum(struct bs_load *l, const struct bs_key *key, struct bs_scalar value, void *into);
void
bs_read_owner_may(struct bs_load *l, const struct bs_key *key, struct bs_scalar value, void *into);
void bs_read_groups(struct bs_load *l, const struct bs_key *key, yaml_node_t *node, void *into);
void bs_check_approvers(struct bs_load *l);
/* The same for snapshots and retention: keeping.c. */
void bs_read_snapshots(struct bs_load *l, const struct bs_key *key, yaml_node_t *node, void *into);
void bs_read_keep(struct bs_load *l, const struct bs_key *key, yaml_node_t *node, void *into);
void bs_read_retention(struct bs_load *l, const struct bs_key *key, yaml_node_t *node, void *into);
void
bs_read_keep_tables(struct bs_load *l, const struct bs_key *key, yaml_node_t *node, void *into);
void bs_read_verify(struct bs_load *l, const struct bs_key *key, yaml_node_t *node, void *into);
void bs_read_verify_sample(struct bs_load *l,
                           const struct bs_key *key,
                           struct bs_scalar value,
                           void *into);
void bs_check_keeping(struct bs_load *l);
/* The same for what is required of recovery points: require_file.c. */
void bs_read_grade(struct bs_load *l, const struct bs_key *key, struct bs_scalar value, void *into);
void
bs_read_off_host(struct bs_load *l, const struct bs_key *key, struct bs_scalar value, void *into);
void bs_read_snapshot_age(struct bs_load *l,
                          const struct bs_key *key,
                          struct bs_scalar value,
                          void *into);
void
bs_read_scratch(struct bs_load *l, const struct bs_key *key, struct bs_scalar value, void *into);
void bs_read_require(struct bs_load *l, const struct bs_key *key, yaml_node_t *node, void *into);
void bs_check_required(struct bs_load *l);
/* The same for the agents' HTTP: agents_file.c. */
void bs_read_agents_listen(struct bs_load *l,
                           const struct bs_key *key,
                           struct bs_scalar value,
                           void *into);
void
bs_read_agents_urls(struct bs_load *l, const struct bs_key *key, yaml_node_t *node, void *into);
void bs_check_agents(struct bs_load *l);
/* The same for who is told: notify_file.c. */
void bs_read_notify(struct bs_load *l, const struct bs_key *key, yaml_node_t *node, void *into);
void
bs_read_notify_events(struct bs_load *l, const struct bs_key *key, yaml_node_t *node, void *into);
void
bs_read_notify_webhook(struct bs_load *l, const struct bs_key *key, yaml_node_t *node, void *into);
void
bs_read_notify_slack(struct bs_load *l, const struct bs_key *key, yaml_node_t *node, void *into);
void bs_read_notify_word(struct bs_load *l,
                         const struct bs_key *key,
                         struct bs_scalar value,
                         void *into);
void bs_read_notify_name(struct bs_load *l,
                         const struct bs_key *key,
                         struct bs_scalar value,
                         void *into);
void
bs_read_notify_url(struct bs_load *l, const struct bs_key *key, struct bs_scalar value, void *into);
void
bs_read_notify_secrets(struct bs_load *l, const struct bs_key *key, yaml_node_t *node, void *into);
/* What only shows once all is read: rules that can never match. */
void bs_check_rules(struct bs_load *l);

/* The table: keys.c. */
extern const struct bs_key bs_keys[];
extern const size_t bs_keys_count;

#endif
