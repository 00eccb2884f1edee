/*
 * manifest.h - what a recovery point says about itself; and the events that follow it.
 *
 * A point is a folder of objects. Its intent.json is written before any of them, where there will
 * be some; its manifest.json last: where it exists, the point is complete. Nothing in it is ever
 * changed; what happens later are events beside it.
 *
 *   v1/<sysid>/<dboid>-<db>/rp/YYYY/MM/DD/<id>/t/<n>-<schema>.<table>.copybin.zst   (.copytxt.zst)
 *                                               t/<n>-<schema>.<table>.<part>.copybin.zst
 *                                             /intent.json
 *                                             /manifest.json
 *                                             /events/<ULID>-<state>.json
 *   v1/<sysid>/<dboid>-<db>/schema/<sha256 of the plain text, \restrict lines left out>.dump
 *
 * Of an encrypted point all objects end in ".enc", and its definition is an object of its own:
 * <id>/schema.dump.enc. Names, counts and digests of relations, columns and sequences are not
 * encrypted; the statement's text is.
 *
 * The file is canonical JSON (sorted keys, compact) with "sha256" over the rest of itself: a
 * flipped byte anywhere makes it DAMAGED.
 *
 * Layer  recovery. Pure, but for bs_point_id_new (clock, random).
 * Spec   RECOVERY.md section 8, DESIGN.md section 8.
 * Owns   everything parsed lives in the caller's arena; a manifest to be printed borrows.
 */
#ifndef BS_RECOVERY_MANIFEST_H
#define BS_RECOVERY_MANIFEST_H

#include "base/arena.h"
#include "base/bytes.h"
#include "base/err.h"

#define BS_MANIFEST_FORMAT 1
#define BS_MANIFEST_MAX    (64u << 20) /* bytes of a manifest.json that is read */
#define BS_POINT_ID_TEXT   30          /* "RP-", a ULID and a NUL */
#define BS_SHA256_TEXT     65          /* lower-case hex and a NUL */
#define BS_ROW_HASH_TEXT   33          /* 128 bits in lower-case hex and a NUL */

/* What happened to a point. The names are those in event keys: "armed", "rolled_back", ... */
enum bs_event_state {
    BS_EVENT_UNKNOWN = 0, /* event "unknown": it cannot be told whether the statement committed */
    BS_EVENT_NONE,        /* no event yet: the manifest exists, the statement has not committed */
    BS_EVENT_ARMED,       /* COMMIT may have been sent */
    BS_EVENT_COMMITTED,
    BS_EVENT_ROLLED_BACK,
    BS_EVENT_NOT_USED,
    BS_EVENT_VERIFIED,
    BS_EVENT_DAMAGED,
    BS_EVENT_RESTORED,
    BS_EVENT_EXPIRED,
    BS_EVENT_ABANDONED, /* it was never completed, and whoever could is gone */
    BS_EVENT_TAKEN,     /* a snapshot, for no statement: it is what it is */
    BS_EVENT_HELD,      /* a human wants it kept, whatever its age */
    BS_EVENT_RELEASED,  /* and no more */
    BS_EVENT_KEPT,      /* expired, or erasing, was said too early: it is needed */
    BS_EVENT_ERASING,   /* somebody takes it away for good, and says why */
    BS_EVENT_ERASED,    /* and that was done: only its events are left */
    BS_EVENT_COUNT
};

/* How rows are written in an object. */
enum bs_rows_format {
    BS_ROWS_NONE = 0, /* a relation without rows of its own: partitioned, or never populated */
    BS_ROWS_BINARY,   /* COPY (FORMAT binary), zstd */
    BS_ROWS_TEXT,     /* COPY text, zstd: a column type has no binary output */
};

struct bs_point_source {
    const char *system_identifier; /* decimal */
    uint32_t timeline;             /* 0: the helper may not ask */
    uint32_t database_oid;
    const char *database;
    int server_version_num;    /* 150018 */
    const char *encoding;      /* the database's */
    const char *data_encoding; /* the objects': client_encoding to load them with */
};

/* Who asked, and who said yes. NULL where there is none. */
struct bs_point_actor {
    const char *agent;
    const char *owner;
    const char *session; /* the gateway's session id */
    const char *address; /* of the client */
    const char *role;    /* database role it ran as */
    const char *ticket;  /* "T-..." */
    const char *approver;
    int backend_pid;           /* on the server */
    const char *backend_start; /* pg_stat_activity.backend_start as text; NULL unknown */
};

/* How the objects of a point are encrypted: recovery/keys.h, recovery/crypt.h. */
struct bs_point_encryption {
    const char *cipher;  /* "AES-256-GCM" */
    const char *key;     /* name of the configured key */
    const char *wrapped; /* the point's own key, by the configured one; hex */
    char point[BS_POINT_ID_TEXT];
};

struct bs_point_statement {
    const char *sha256; /* of the ticket identity or the text; hex */
    const char *text;   /* canonical text as operators may see it; NULL where it is sealed */
    const char *kind;   /* bs_kind_name of the strictest: "DROP TABLE" */
    const char *sealed; /* the text, encrypted (bs_crypt_text, name "statement"); NULL: it is not */
};

struct bs_point_capture {
    /* "whole", "record": before the statement ran. "rows-before": the rows it was going to change,
     * before it ran. "rows": the rows it had changed, after it ran and before COMMIT. "snapshot":
     * tables as they were, for no statement (snapshot.h). */
    const char *mode;
    const char *why;       /* of the mode, one sentence for operators; NULL */
    const char *lock_mode; /* weakest lock the actor held: "ShareRowExclusiveLock"; NULL: none */
    const char *snapshot;  /* pg_current_snapshot() of the helper; NULL in mode record */
    uint64_t xid;          /* the actor's xid8, 0: not known yet (then in event armed) */
    uint64_t xid_until;    /* mode rows: the next xid8 when they were read; 0: none */
    int64_t started_us;    /* wall clock */
    int64_t snapshot_us;   /* when the helper's snapshot was taken */
    int64_t finished_us;   /* all objects stored and read back */
    const char *schedule;  /* mode snapshot: which one asked for it; NULL: by hand */
    bool durable;          /* mode snapshot: the server will never forget what it saw */
};

struct bs_point_column {
    const char *name;
    const char *type; /* format_type with the schema wherever it is not pg_catalog */
    uint32_t type_oid;
    int typmod;
    const char *collation; /* schema-qualified and quoted, NULL: the type's own or none */
    int attnum;
    char generated; /* pg_attribute.attgenerated: 's', or 0 */
    char identity;  /* pg_attribute.attidentity: 'a', 'd', or 0 */
    bool not_null;
    int key;      /* 1, 2, ...: place in the primary key; 0: not in it. Of an object that has some
              * columns only, in the key that it was kept with */
    bool altered; /* the statement drops it, or gives it other values */
    bool null_apart; /* not_null, but a parent brings it, or one of the checks says how: it is no
                      * plain one (18) */
    /* Where it is altered, for what comes back; NULL: none, or what its type has anyway */
    const char *expression; /* its default, or what it is generated from */
    const char *storage;    /* "EXTERNAL" */
    const char *compression;
    const char *statistics; /* a number */
    const char *options;    /* "n_distinct=5" */
};

/* A check that goes with an altered column. */
struct bs_point_check {
    const char *name;
    const char *definition; /* pg_get_constraintdef */
    const char *comment;    /* NULL: none */
};

struct bs_point_name {
    const char *name;
};

/* A part is a whole COPY stream and a whole zstd frame of its own. */
struct bs_point_part {
    const char *key;
    int64_t stored_bytes;
    const char *sha256; /* of the stored bytes; hex */
};

/*
 * One captured relation. Columns are in attnum order; all are in the object, generated ones too.
 *
 * A partial one holds some rows of the table: all that the statement replaced, as they were before
 * it, and perhaps rows that it only locked or that others changed at the same time. What a row not
 * in it was, it does not say.
 */
struct bs_point_object {
    const char *schema;
    const char *name;
    uint32_t oid;
    char relkind;        /* r, p, m */
    uint32_t parent_oid; /* partitioned table or first inheritance parent, 0: none */
    const char *kind;    /* what was to happen to it: "DELETE", "DROP TABLE" */
    const char *reach;   /* "target", "cascade", "dependent", "call" */
    enum bs_rows_format format;
    const char *key; /* of the first part; NULL where format is NONE */
    struct bs_point_column *columns;
    size_t n_columns;
    bool partial;
    int64_t replaced;     /* partial: rows updated and deleted as the server counts, or more */
    int64_t inserted;     /* partial: rows inserted, likewise */
    int64_t row_count;    /* also what the audit may expect at most */
    int64_t raw_bytes;    /* of the COPY stream */
    int64_t stored_bytes; /* of all parts */
    const char *sha256;   /* of the one part, or over those of all parts: bs_parts_sha256; hex */
    const char *row_hash; /* sum mod 2^128 of the first 16 bytes of SHA-256 per row; hex */
    struct bs_point_part *parts;
    size_t n_parts;
    const struct bs_point_encryption *encryption; /* the manifest's; not a field of its own */
    /* Only the altered columns and a key to match them by. Without a key all columns are there, and
     * those that are altered say so. */
    bool columns_only;
    struct bs_point_check *checks;
    size_t n_checks;
    struct bs_point_name *added; /* columns that the transaction adds */
    size_t n_added;
    const char
        *of; /* the earlier point whose parts these are: nothing has changed; NULL: its own */
};

struct bs_point_schema {
    const char *key;         /* NULL: no definition was stored */
    const char *sha256;      /* of the stored dump; hex */
    const char *text_sha256; /* of its plain text without \restrict lines; hex */
    int64_t stored_bytes;
    const char *pg_dump;                          /* version line of the pg_dump that wrote it */
    const struct bs_point_encryption *encryption; /* the manifest's; not a field of its own */
};

struct bs_point_sequence {
    const char *schema;
    const char *name;
    uint32_t oid;
    uint32_t
        table_oid; /* captured table that owns or uses it; in a point of rows its owner, or 0 */
    const char *column; /* that column */
    bool owned;         /* OWNED BY or identity, so it goes with the table */
    int64_t last_value;
    bool is_called;
};

/* Something that goes when a captured relation is dropped with CASCADE. */
struct bs_point_dependent {
    uint32_t class_oid; /* pg_class, pg_constraint, ...: as in pg_restore's list of contents */
    uint32_t oid;
    const char *type;     /* pg_identify_object: "view", "table constraint", "trigger" */
    const char *schema;   /* NULL where the kind has none */
    const char *identity; /* pg_identify_object's text */
    bool part;            /* goes with the relation even without CASCADE (index, own trigger) */
    const char *version;  /* of an extension, which no dump says; else NULL */
    /* What the statement calls it from then on, for those after it in the same transaction: a dump
     * still has the names from before. now_name NULL: the same; now_schema NULL: not told */
    const char *now_schema;
    const char *now_name;
};

struct bs_point_fk {
    const char *name;
    const char *schema; /* of the referencing table */
    const char *table;
    uint32_t oid; /* of the constraint */
    uint32_t table_oid;
    uint32_t ref_oid;       /* captured table that it points to */
    const char *definition; /* pg_get_constraintdef */
};

/* Rows of recovery/globals.h, as they were before the statement ran. */
struct bs_point_globals {
    const char *classes; /* "role,membership": bs_globals_put_names */
    /* of the roles, databases and so on that the statement named; none: it may be about all */
    struct bs_point_name *about;
    size_t n_about;
    struct bs_point_object rows; /* schema "", name "globals", relkind 0 */
    /* Of the capture alone, not in the file: which they are, and one number for all of them, by
     * which a change before COMMIT is seen. */
    unsigned bits;
    const char *digest;
};

/* What one table, sequence or all large objects had: to hold a restored database against. */
struct bs_point_counted {
    const char *schema; /* "" for large objects */
    const char *name;
    int64_t rows;
    const char *hash; /* of the rows, whatever their order: bs_database_counts */
};

/* A whole database, dumped before it was dropped. */
struct bs_point_database {
    const char *name;
    uint32_t oid;
    const char *encoding; /* "UTF8" */
    const char *collate;
    const char *ctype;
    const char *provider;        /* pg_database.datlocprovider: "c", "i", "b" */
    const char *locale;          /* of ICU and of the server's own provider; NULL */
    const char *rules;           /* of ICU; NULL */
    int64_t bytes;               /* on the server's disk */
    struct bs_point_schema dump; /* all of it; text_sha256 is NULL */
    struct bs_point_counted *counted;
    size_t n_counted;
};

struct bs_point_proof {
    const char *level;  /* "stored", "read-back", "restored" */
    const char *result; /* "ok" */
    int64_t at_us;
    const char *by; /* "capture" */
};

struct bs_manifest {
    int format;
    char id[BS_POINT_ID_TEXT];
    int64_t created_us;
    const char *gateway_version;
    struct bs_point_source source;
    struct bs_point_actor actor;
    struct bs_point_statement statement;
    struct bs_point_capture capture;
    struct bs_point_schema schema;
    struct bs_point_object *objects; /* by oid */
    size_t n_objects;
    struct bs_point_sequence *sequences;
    size_t n_sequences;
    struct bs_point_dependent *closure;
    size_t n_closure;
    struct bs_point_fk *incoming;
    size_t n_incoming;
    struct bs_point_globals *globals; /* none or one */
    size_t n_globals;
    struct bs_point_database *databases; /* none or one */
    size_t n_databases;
    struct bs_point_proof *proofs;
    size_t n_proofs;
    struct bs_point_encryption
        *encryption; /* its own, and of those points that it names parts of */
    size_t n_encryption;
};

struct bs_point_event {
    enum bs_event_state state;
    int64_t at_us;       /* 0: now, filled in when written */
    uint64_t xid;        /* armed: the actor's transaction (xid8); else 0 */
    uint64_t xid_until;  /* armed: a later number than any of its savepoints has; 0: not known */
    const char *by;      /* "gateway", "start", an operator's name; may be NULL */
    const char *details; /* text of a JSON object, NULL: none */
    const char *point;   /* whose it is; filled in when read */
};

/*
 * True where the object is there for its altered columns, not for rows that are lost: what comes
 * back are values of columns, and no row.
 */
bool bs_point_alters(const struct bs_point_object *o);

/* A new point id: "RP-" and a ULID. */
void bs_point_id_new(char out[BS_POINT_ID_TEXT]);
/* When an id was made, to the millisecond; 0 where it is none. */
int64_t bs_point_id_time_us(const char *id);

/*
 * The manifest as bytes for the store, its own digest included.
 *
 * sha256   out, may be NULL: the digest of all bytes put, hex, for the audit
 * err      DATA (a name is not UTF-8), LIMIT (the buffer's ceiling)
 */
BS_MUST_CHECK enum bs_done bs_manifest_print(const struct bs_manifest *m,
                                             struct bs_buf *out,
                                             char sha256[BS_SHA256_TEXT],
                                             struct bs_err *err);
/* Lets each object and the definition know how they are encrypted. */
void bs_manifest_encrypted(struct bs_manifest *m);
/* Reads what print wrote. DAMAGED: not that, or changed since; UNSUPPORTED: a newer format; LIMIT. */
BS_MUST_CHECK enum bs_done bs_manifest_parse(struct bs_bytes text,
                                             struct bs_arena *arena,
                                             struct bs_manifest *out,
                                             struct bs_err *err);

/*
 * What a capture is about to store, before it does: who asked, who said yes, for which statement,
 * and which relations, by name; no counts and no digests. Errors as above.
 */
BS_MUST_CHECK enum bs_done
bs_intent_print(const struct bs_manifest *m, struct bs_buf *out, struct bs_err *err);
BS_MUST_CHECK enum bs_done bs_intent_parse(struct bs_bytes text,
                                           struct bs_arena *arena,
                                           struct bs_manifest *out,
                                           struct bs_err *err);

/* An event as bytes for the store. `point` is the id. DATA where details is no JSON object. */
BS_MUST_CHECK enum bs_done bs_event_print(const struct bs_point_event *e,
                                          const char *point,
                                          struct bs_buf *out,
                                          struct bs_err *err);
/* Reads what print wrote. DAMAGED, LIMIT. */
BS_MUST_CHECK enum bs_done bs_event_parse(struct bs_bytes text,
                                          struct bs_arena *arena,
                                          struct bs_point_event *out,
                                          struct bs_err *err);

const char *bs_event_name(enum bs_event_state state); /* "armed", "rolled_back", ... */
/* UNKNOWN for a name that is none, too: the safe side. */
enum bs_event_state bs_event_find(const char *name);

/* Key prefix of a database, with a '/' at its end: "v1/7301.../16384-app/". */
void bs_point_put_base(struct bs_buf *out, const struct bs_point_source *source);
/* Key prefix of a point, with a '/' at its end: base, "rp/2026/11/23/RP-.../". */
void bs_point_put_dir(struct bs_buf *out, const struct bs_manifest *m);

#endif
