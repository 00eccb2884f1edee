/*
 * match.h - one statement as rules see it: what it writes, how many rows, and whether a rule is met.
 * Private to the room.
 *
 * The asymmetry is the point: to allow, everything a statement does must be inside the rule; to
 * hold or block, one thing is enough. Whatever is not known - a name without a schema, what an
 * unlisted function writes, rows that nobody has counted - is outside for the first and inside for
 * the second. A rule that is met only by what is not known may make things stricter, never less so:
 * `certain` tells the two apart.
 *
 * Layer  policy. Pure.
 * Owns   nothing; a question's lists live in the caller's arena.
 */
#ifndef BS_POLICY_MATCH_H
#define BS_POLICY_MATCH_H

#include "policy/decide.h"

enum bs_written_what {
    BS_WRITTEN_OTHER = 0, /* a role, a database: has no schema.name */
    BS_WRITTEN_NAMED,     /* schema NULL: not known in which */
    BS_WRITTEN_SCHEMA,    /* a schema and so all that is in it; its name in `schema` */
};

enum bs_written_columns {
    BS_WRITTEN_ALL_COLUMNS = 0, /* or nobody knows which */
    BS_WRITTEN_SOME_COLUMNS,
    BS_WRITTEN_NO_COLUMN, /* of those that are there */
};

/* What a statement writes. An object may come several times, with other columns. */
struct bs_written {
    enum bs_written_what what;
    const char *schema;
    const char *name;
    enum bs_written_columns which;
    const char *const *columns; /* BS_WRITTEN_SOME_COLUMNS */
    size_t n_columns;
};

/* Rows that are overwritten or taken away by all statements of the unit together. */
struct bs_lost_rows {
    bool known;       /* of every table, by counting */
    bool share_known; /* the same */
    int64_t rows;     /* of all tables, as far as known */
    double share;     /* of the table that loses most */
};

/* One statement, prepared once for all rules. */
struct bs_match {
    const struct bs_subject *subject;
    const struct bs_stmt *stmt;
    const struct bs_facts *facts; /* NULL: no catalog */
    size_t index;                 /* of the statement in its unit */
    enum bs_risk risk;            /* the statement's, or one that it may come to have */
    struct bs_written *written;
    size_t n_written, cap_written;
    bool opaque;  /* runs code that nobody has read: it may write more than is listed */
    bool unsure;  /* something of what it writes, or how many rows, is not known */
    bool certain; /* what is not known is not inside, not even to hold or block */
    bool by_key;  /* and if so, one row of each table that it names at most */
    bool loses;   /* it may overwrite rows or take them away */
    struct bs_lost_rows lost;
};

/* How a rule meets a question. */
enum bs_meeting {
    BS_MEET_YES = 0,
    BS_MEET_ACTOR,
    BS_MEET_GROUP,
    BS_MEET_DATABASE,
    BS_MEET_ENVIRONMENT,
    BS_MEET_RISK,
    BS_MEET_KIND,
    BS_MEET_OPAQUE,
    BS_MEET_OBJECT,
    BS_MEET_COLUMN,
    BS_MEET_UNMEASURED,
    BS_MEET_MORE_ROWS,
    BS_MEET_FEWER_ROWS,
};

/* False at the arena's ceiling. */
BS_MUST_CHECK bool bs_match_init(struct bs_match *q,
                                 const struct bs_subject *subject,
                                 const struct bs_stmt *stmt,
                                 const struct bs_facts *facts,
                                 size_t index,
                                 struct bs_arena *arena);

/* Whom and where a rule is for, whatever the statement. */
enum bs_meeting bs_rule_meet_subject(const struct bs_rule *rule, const struct bs_subject *subject);
/* By the rule's action: everything inside, or something. */
enum bs_meeting bs_rule_meet(const struct bs_rule *rule, const struct bs_match *q);
/* The same as if the rule had no limits of rows. */
enum bs_meeting bs_rule_meet_but_rows(const struct bs_rule *rule, const struct bs_match *q);
/* Everything that the statement does is inside the rule: what waiving asks for. */
bool bs_rule_covers(const struct bs_rule *rule, const struct bs_match *q);
/* The rule's cap on result rows is for this statement: something of it is inside. */
bool bs_rule_caps(const struct bs_rule *rule, const struct bs_match *q);
/* What the rule requires of recovery points it requires of this statement's: something of it is
 * inside, or may be. Of a rule that allows, whatever the rows. */
bool bs_rule_requires(const struct bs_rule *rule, const struct bs_match *q);
/* Something that is written is, or may be, inside a list of objects or columns. */
bool bs_globs_touched(const struct bs_object_globs *globs, const struct bs_match *q);

/* "matches", "no: another actor"; a literal. */
const char *bs_meeting_words(enum bs_meeting meeting);

#endif
