/*
 * manifest.c - the struct and its JSON are one set of tables: a row a field, read both ways, so
 * that what is written is what is read.
 */
#include "recovery/manifest.h"

#include <jansson.h>
#include <openssl/evp.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "recovery/fields.h"
#include "storage/storage.h"

#define STRUCT struct bs_point_source
static const struct bs_field source_fields[] = {
    BS_FIELD(TEXT, system_identifier), BS_FIELD(U32, timeline),
    BS_FIELD(U32, database_oid),       BS_FIELD(TEXT, database),
    BS_FIELD(INT, server_version_num), BS_FIELD(TEXT, encoding),
    BS_FIELD(TEXT, data_encoding),     BS_FIELD_END,
};
#undef STRUCT
#define STRUCT struct bs_point_actor
static const struct bs_field actor_fields[] = {
    BS_FIELD(MAYBE, agent),         BS_FIELD(MAYBE, owner),
    BS_FIELD(MAYBE, session),       BS_FIELD(MAYBE, address),
    BS_FIELD(MAYBE, role),          BS_FIELD(MAYBE, ticket),
    BS_FIELD(MAYBE, approver),      BS_FIELD(INT, backend_pid),
    BS_FIELD(MAYBE, backend_start), BS_FIELD_END,
};
#undef STRUCT
#define STRUCT struct bs_point_statement
static const struct bs_field statement_fields[] = {
    BS_FIELD(MAYBE, sha256), BS_FIELD(MAYBE, text), BS_FIELD(MAYBE, sealed),
    BS_FIELD(MAYBE, kind),   BS_FIELD_END,
};
#undef STRUCT
#define STRUCT struct bs_point_capture
static const struct bs_field capture_fields[] = {
    BS_FIELD(TEXT, mode),        BS_FIELD(MAYBE, why),
    BS_FIELD(MAYBE, lock_mode),  BS_FIELD(MAYBE, snapshot),
    BS_FIELD(U64, xid),          BS_FIELD_OPTIONAL(U64, xid_until),
    BS_FIELD(MAYBE, schedule),   BS_FIELD_OPTIONAL(BOOL, durable),
    BS_FIELD(TIME, started_us),  BS_FIELD(TIME, snapshot_us),
    BS_FIELD(TIME, finished_us), BS_FIELD_END,
};
#undef STRUCT
#define STRUCT struct bs_point_schema
static const struct bs_field schema_fields[] = {
    BS_FIELD(MAYBE, key),        BS_FIELD(MAYBE, sha256),  BS_FIELD(MAYBE, text_sha256),
    BS_FIELD(I64, stored_bytes), BS_FIELD(MAYBE, pg_dump), BS_FIELD_END,
};
#undef STRUCT
#define STRUCT struct bs_point_column
static const struct bs_field column_fields[] = {
    BS_FIELD(TEXT, name),
    BS_FIELD(TEXT, type),
    BS_FIELD(U32, type_oid),
    BS_FIELD(INT, typmod),
    BS_FIELD(MAYBE, collation),
    BS_FIELD(INT, attnum),
    BS_FIELD(CHAR, generated),
    BS_FIELD(CHAR, identity),
    BS_FIELD(BOOL, not_null),
    BS_FIELD(INT, key),
    BS_FIELD_OPTIONAL(BOOL, altered),
    BS_FIELD_OPTIONAL(BOOL, null_apart),
    BS_FIELD(MAYBE, expression),
    BS_FIELD(MAYBE, storage),
    BS_FIELD(MAYBE, compression),
    BS_FIELD(MAYBE, statistics),
    BS_FIELD(MAYBE, options),
    BS_FIELD_END,
};
#undef STRUCT
#define STRUCT struct bs_point_check
static const struct bs_field check_fields[] = {
    BS_FIELD(TEXT, name),
    BS_FIELD(TEXT, definition),
    BS_FIELD(MAYBE, comment),
    BS_FIELD_END,
};
#undef STRUCT
#define STRUCT struct bs_point_name
static const struct bs_field name_fields[] = {
    BS_FIELD(TEXT, name),
    BS_FIELD_END,
};
#undef STRUCT
#define STRUCT struct bs_point_encryption
static const struct bs_field encryption_fields[] = {
    BS_FIELD(TEXT, cipher), BS_FIELD(TEXT, key), BS_FIELD(TEXT, wrapped),
    BS_FIELD(POINT, point), BS_FIELD_END,
};
#undef STRUCT
#define STRUCT struct bs_point_part
static const struct bs_field part_fields[] = {
    BS_FIELD(TEXT, key),
    BS_FIELD(I64, stored_bytes),
    BS_FIELD(TEXT, sha256),
    BS_FIELD_END,
};
#undef STRUCT
#define STRUCT struct bs_point_object
static const struct bs_field object_fields[] = {
    BS_FIELD(TEXT, schema),
    BS_FIELD(TEXT, name),
    BS_FIELD(U32, oid),
    BS_FIELD(CHAR, relkind),
    BS_FIELD(U32, parent_oid),
    BS_FIELD(MAYBE, kind),
    BS_FIELD(MAYBE, reach),
    BS_FIELD(FORMAT, format),
    BS_FIELD(MAYBE, key),
    BS_FIELD(MAYBE, of),
    BS_FIELD_LIST(columns, n_columns, column_fields),
    BS_FIELD_OPTIONAL(BOOL, columns_only),
    BS_FIELD_LIST_OPTIONAL(checks, n_checks, check_fields),
    BS_FIELD_LIST_OPTIONAL(added, n_added, name_fields),
    BS_FIELD_OPTIONAL(BOOL, partial),
    BS_FIELD_OPTIONAL(I64, replaced),
    BS_FIELD_OPTIONAL(I64, inserted),
    BS_FIELD(I64, row_count),
    BS_FIELD(I64, raw_bytes),
    BS_FIELD(I64, stored_bytes),
    BS_FIELD(MAYBE, sha256),
    BS_FIELD(MAYBE, row_hash),
    BS_FIELD_LIST(parts, n_parts, part_fields),
    BS_FIELD_END,
};
#undef STRUCT
#define STRUCT struct bs_point_sequence
static const struct bs_field sequence_fields[] = {
    BS_FIELD(TEXT, schema),    BS_FIELD(TEXT, name),      BS_FIELD(U32, oid),
    BS_FIELD(U32, table_oid),  BS_FIELD(MAYBE, column),   BS_FIELD(BOOL, owned),
    BS_FIELD(I64, last_value), BS_FIELD(BOOL, is_called), BS_FIELD_END,
};
#undef STRUCT
#define STRUCT struct bs_point_dependent
static const struct bs_field dependent_fields[] = {
    BS_FIELD(U32, class_oid),
    BS_FIELD(U32, oid),
    BS_FIELD(TEXT, type),
    BS_FIELD(MAYBE, schema),
    BS_FIELD(TEXT, identity),
    BS_FIELD(BOOL, part),
    BS_FIELD_OPTIONAL(MAYBE, version),
    BS_FIELD_OPTIONAL(MAYBE, now_schema),
    BS_FIELD_OPTIONAL(MAYBE, now_name),
    BS_FIELD_END,
};
#undef STRUCT
#define STRUCT struct bs_point_fk
static const struct bs_field fk_fields[] = {
    BS_FIELD(TEXT, name),       BS_FIELD(TEXT, schema),
    BS_FIELD(TEXT, table),      BS_FIELD(U32, oid),
    BS_FIELD(U32, table_oid),   BS_FIELD(U32, ref_oid),
    BS_FIELD(TEXT, definition), BS_FIELD_END,
};
#undef STRUCT
#define STRUCT struct bs_point_globals
static const struct bs_field globals_fields[] = {
    BS_FIELD(TEXT, classes),
    BS_FIELD_LIST(about, n_about, name_fields),
    BS_FIELD_STRUCT(rows, object_fields),
    BS_FIELD_END,
};
#undef STRUCT
#define STRUCT struct bs_point_counted
static const struct bs_field counted_fields[] = {
    BS_FIELD(TEXT, schema), BS_FIELD(TEXT, name), BS_FIELD(I64, rows),
    BS_FIELD(TEXT, hash),   BS_FIELD_END,
};
#undef STRUCT
#define STRUCT struct bs_point_database
static const struct bs_field database_fields[] = {
    BS_FIELD(TEXT, name),
    BS_FIELD(U32, oid),
    BS_FIELD(TEXT, encoding),
    BS_FIELD(TEXT, collate),
    BS_FIELD(TEXT, ctype),
    BS_FIELD(TEXT, provider),
    BS_FIELD(MAYBE, locale),
    BS_FIELD(MAYBE, rules),
    BS_FIELD(I64, bytes),
    BS_FIELD_STRUCT(dump, schema_fields),
    BS_FIELD_LIST(counted, n_counted, counted_fields),
    BS_FIELD_END,
};
#undef STRUCT
#define STRUCT struct bs_point_proof
static const struct bs_field proof_fields[] = {
    BS_FIELD(TEXT, level), BS_FIELD(TEXT, result), BS_FIELD(TIME, at_us),
    BS_FIELD(TEXT, by),    BS_FIELD_END,
};
#undef STRUCT
#define STRUCT struct bs_manifest
static const struct bs_field manifest_fields[] = {
    BS_FIELD(INT, format),
    BS_FIELD(POINT, id),
    BS_FIELD(TIME, created_us),
    BS_FIELD(TEXT, gateway_version),
    BS_FIELD_STRUCT(source, source_fields),
    BS_FIELD_STRUCT(actor, actor_fields),
    BS_FIELD_STRUCT(statement, statement_fields),
    BS_FIELD_STRUCT(capture, capture_fields),
    BS_FIELD_STRUCT(schema, schema_fields),
    BS_FIELD_LIST(objects, n_objects, object_fields),
    BS_FIELD_LIST(sequences, n_sequences, sequence_fields),
    BS_FIELD_LIST(closure, n_closure, dependent_fields),
    BS_FIELD_LIST(incoming, n_incoming, fk_fields),
    BS_FIELD_LIST_OPTIONAL(globals, n_globals, globals_fields),
    BS_FIELD_LIST_OPTIONAL(databases, n_databases, database_fields),
    BS_FIELD_LIST(proofs, n_proofs, proof_fields),
    BS_FIELD_LIST_OPTIONAL(encryption, n_encryption, encryption_fields),
    BS_FIELD_END,
};
#undef STRUCT
#define STRUCT struct bs_point_object
static const struct bs_field intended_fields[] = {
    BS_FIELD(TEXT, schema),           BS_FIELD(TEXT, name),  BS_FIELD(U32, oid),
    BS_FIELD(CHAR, relkind),          BS_FIELD(MAYBE, kind), BS_FIELD(MAYBE, reach),
    BS_FIELD_OPTIONAL(BOOL, partial), BS_FIELD_END,
};
#undef STRUCT
#define STRUCT struct bs_manifest
static const struct bs_field intent_fields[] = {
    BS_FIELD(INT, format),
    BS_FIELD(POINT, id),
    BS_FIELD(TIME, created_us),
    BS_FIELD(TEXT, gateway_version),
    BS_FIELD_STRUCT(source, source_fields),
    BS_FIELD_STRUCT(actor, actor_fields),
    BS_FIELD_STRUCT(statement, statement_fields),
    BS_FIELD_STRUCT(capture, capture_fields),
    BS_FIELD_LIST(objects, n_objects, intended_fields),
    BS_FIELD_LIST_OPTIONAL(encryption, n_encryption, encryption_fields),
    BS_FIELD_END,
};
#undef STRUCT
#define STRUCT struct bs_point_event
static const struct bs_field event_fields[] = {
    BS_FIELD(STATE, state), BS_FIELD(TIME, at_us),
    BS_FIELD(U64, xid),     BS_FIELD_OPTIONAL(U64, xid_until),
    BS_FIELD(MAYBE, by),    BS_FIELD_END,
};
#undef STRUCT

static const char *const states[BS_EVENT_COUNT] = {
    [BS_EVENT_UNKNOWN] = "unknown",
    [BS_EVENT_NONE] = "complete",
    [BS_EVENT_ARMED] = "armed",
    [BS_EVENT_COMMITTED] = "committed",
    [BS_EVENT_ROLLED_BACK] = "rolled_back",
    [BS_EVENT_NOT_USED] = "not_used",
    [BS_EVENT_VERIFIED] = "verified",
    [BS_EVENT_DAMAGED] = "damaged",
    [BS_EVENT_RESTORED] = "restored",
    [BS_EVENT_EXPIRED] = "expired",
    [BS_EVENT_ABANDONED] = "abandoned",
    [BS_EVENT_TAKEN] = "taken",
    [BS_EVENT_HELD] = "held",
    [BS_EVENT_RELEASED] = "released",
    [BS_EVENT_KEPT] = "kept",
    [BS_EVENT_ERASING] = "erasing",
    [BS_EVENT_ERASED] = "erased",
};

const char *
bs_event_name(enum bs_event_state state)
{
    return (unsigned)state < BS_EVENT_COUNT ? states[state] : states[BS_EVENT_UNKNOWN];
}

enum bs_event_state
bs_event_find(const char *name)
{
    for (unsigned i = 0; i < BS_EVENT_COUNT; i++) {
        if (strcmp(states[i], name) == 0)
            return (enum bs_event_state)i;
    }
    return BS_EVENT_UNKNOWN;
}

void
bs_point_id_new(char out[BS_POINT_ID_TEXT])
{
    memcpy(out, "RP-", 3);
    bs_ulid_new(out + 3);
}

int64_t
bs_point_id_time_us(const char *id)
{
    static const char digits[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
    int64_t ms = 0;

    if (strlen(id) != BS_POINT_ID_TEXT - 1 || strncmp(id, "RP-", 3) != 0)
        return 0;
    for (const char *p = id + 3; p < id + 13; p++) {
        const char *at = strchr(digits, *p);
        if (at == NULL)
            return 0;
        ms = ms * 32 + (at - digits);
    }
    return ms * 1000;
}

static void
digest_text(const char *p, size_t n, char out[BS_SHA256_TEXT])
{
    uint8_t digest[EVP_MAX_MD_SIZE] = {0};

    bs_assert(EVP_Digest(p, n, digest, NULL, EVP_sha256(), NULL) == 1);
    bs_hex(digest, 32, out);
}

/* The one way a document is written: the digest of a document is the digest of these bytes. */
static char *
canonical(const json_t *json)
{
    return json_dumps(json, JSON_COMPACT | JSON_SORT_KEYS);
}

/* Adds the document's digest to itself and puts it; takes over the reference. */
static enum bs_done
print_sealed(json_t *json, struct bs_buf *out, char sha256[BS_SHA256_TEXT], struct bs_err *err)
{
    enum bs_done done = BS_FAILED;
    char digest[BS_SHA256_TEXT];
    char *text = canonical(json);

    bs_assert(text != NULL);
    digest_text(text, strlen(text), digest);
    free(text);
    bs_assert(json_object_set_new(json, "sha256", json_string(digest)) == 0);
    text = canonical(json);
    bs_assert(text != NULL);
    bs_put_str(out, text);
    if (out->failed)
        (void)BS_FAIL(err, LIMIT, "a manifest would be larger than %zu bytes", out->max);
    else
        done = BS_DONE;
    if (sha256 != NULL)
        digest_text(text, strlen(text), sha256);
    free(text);
    json_decref(json);
    return done;
}

/* Loads a document and checks its digest; NULL where it is not what print_sealed wrote. */
static json_t *
parse_sealed(struct bs_bytes text, const char *what, struct bs_err *err)
{
    json_t *json = json_loadb((const char *)text.p, text.n, JSON_REJECT_DUPLICATES, NULL);
    const char *want = json_string_value(json_object_get(json, "sha256"));
    char was[BS_SHA256_TEXT] = "", is[BS_SHA256_TEXT] = "";
    char *whole = NULL, *rest = NULL;
    bool same;

    if (want != NULL && strlen(want) == BS_SHA256_TEXT - 1)
        memcpy(was, want, BS_SHA256_TEXT);
    whole = json == NULL ? NULL : canonical(json);
    (void)json_object_del(json, "sha256");
    rest = json == NULL ? NULL : canonical(json);
    if (rest != NULL)
        digest_text(rest, strlen(rest), is);
    same = whole != NULL && strlen(whole) == text.n && memcmp(whole, text.p, text.n) == 0 &&
           is[0] != '\0' && strcmp(was, is) == 0;
    free(whole);
    free(rest);
    if (same)
        return json;
    json_decref(json);
    (void)BS_FAIL(err, DAMAGED, "%s does not match its own digest", what);
    return NULL;
}

enum bs_done
bs_manifest_print(const struct bs_manifest *m,
                  struct bs_buf *out,
                  char sha256[BS_SHA256_TEXT],
                  struct bs_err *err)
{
    json_t *json = bs_fields_print(manifest_fields, m, err);

    if (json == NULL)
        return BS_FAILED;
    return print_sealed(json, out, sha256, err);
}

static enum bs_done
check_object(const struct bs_point_object *o, struct bs_err *err)
{
    struct bs_err why = {0};
    int64_t sum = 0;
    bool rows = o->format != BS_ROWS_NONE;

    if (o->row_count < 0 || o->raw_bytes < 0 || o->stored_bytes < 0 || o->replaced < 0 ||
        o->inserted < 0)
        return BS_FAIL(err, DAMAGED, "a manifest counts less than nothing");
    for (size_t k = 0; k < o->n_parts; k++) {
        if (o->parts[k].stored_bytes < 0 || o->parts[k].stored_bytes > INT64_MAX - sum ||
            bs_key_check(o->parts[k].key, &why) != BS_DONE)
            return BS_FAIL(err, DAMAGED, "a manifest has a part that cannot be");
        sum += o->parts[k].stored_bytes;
    }
    if (rows != (o->n_parts != 0) || sum != o->stored_bytes ||
        (rows && (o->key == NULL || o->sha256 == NULL || o->row_hash == NULL)))
        return BS_FAIL(err, DAMAGED, "a manifest has an object whose parts do not add up");
    return BS_DONE;
}

/* What the tables cannot say: the numbers that readers size their work by. */
static enum bs_done
check(const struct bs_manifest *m, struct bs_err *err)
{
    for (size_t i = 0; i < m->n_objects; i++) {
        if (check_object(&m->objects[i], err) != BS_DONE)
            return BS_FAILED;
    }
    for (size_t i = 0; i < m->n_globals; i++) {
        if (check_object(&m->globals[i].rows, err) != BS_DONE)
            return BS_FAILED;
    }
    for (size_t i = 0; i < m->n_databases; i++) {
        const struct bs_point_schema *d = &m->databases[i].dump;
        struct bs_err why = {0};
        if (d->key == NULL || d->sha256 == NULL || bs_key_check(d->key, &why) != BS_DONE)
            return BS_FAIL(err, DAMAGED, "a manifest has a database without a dump");
    }
    if (m->schema.key != NULL && (m->schema.sha256 == NULL || m->schema.text_sha256 == NULL))
        return BS_FAIL(err, DAMAGED, "a manifest has a definition without a digest");
    return BS_DONE;
}

static const struct bs_point_encryption *
encryption_of(const struct bs_manifest *m, const char *point)
{
    for (size_t i = 0; i < m->n_encryption; i++) {
        if (strcmp(m->encryption[i].point, point) == 0)
            return &m->encryption[i];
    }
    return NULL;
}

void
bs_manifest_encrypted(struct bs_manifest *m)
{
    for (size_t i = 0; i < m->n_objects; i++) {
        struct bs_point_object *o = &m->objects[i];
        o->encryption = encryption_of(m, o->of != NULL ? o->of : m->id);
    }
    for (size_t i = 0; i < m->n_globals; i++)
        m->globals[i].rows.encryption = encryption_of(m, m->id);
    for (size_t i = 0; i < m->n_databases; i++)
        m->databases[i].dump.encryption = encryption_of(m, m->id);
    m->schema.encryption = encryption_of(m, m->id);
}

/* A sealed document by its table; formats from the future are told apart from damage. */
static enum bs_done
parse_as(const struct bs_field *table,
         struct bs_bytes text,
         const char *what,
         struct bs_arena *arena,
         struct bs_manifest *out,
         struct bs_err *err)
{
    json_t *json = parse_sealed(text, what, err);
    const json_t *format = json_object_get(json, "format");
    enum bs_done done;

    if (json == NULL)
        return BS_FAILED;
    *out = (struct bs_manifest){0};
    if (json_integer_value(format) > BS_MANIFEST_FORMAT)
        done = BS_FAIL(err, UNSUPPORTED, "manifest format %lld is newer than this version",
                       (long long)json_integer_value(format));
    else
        done = bs_fields_parse(table, json, arena, out, err);
    json_decref(json);
    return done;
}

enum bs_done
bs_manifest_parse(struct bs_bytes text,
                  struct bs_arena *arena,
                  struct bs_manifest *out,
                  struct bs_err *err)
{
    if (parse_as(manifest_fields, text, "the manifest", arena, out, err) != BS_DONE)
        return BS_FAILED;
    bs_manifest_encrypted(out);
    return check(out, err);
}

enum bs_done
bs_intent_print(const struct bs_manifest *m, struct bs_buf *out, struct bs_err *err)
{
    json_t *json = bs_fields_print(intent_fields, m, err);

    if (json == NULL)
        return BS_FAILED;
    return print_sealed(json, out, NULL, err);
}

enum bs_done
bs_intent_parse(struct bs_bytes text,
                struct bs_arena *arena,
                struct bs_manifest *out,
                struct bs_err *err)
{
    return parse_as(intent_fields, text, "the intent", arena, out, err);
}

enum bs_done
bs_event_print(const struct bs_point_event *e,
               const char *point,
               struct bs_buf *out,
               struct bs_err *err)
{
    struct bs_point_event event = *e;
    json_t *json, *details = NULL;

    if (e->details != NULL) {
        details = json_loads(e->details, JSON_REJECT_DUPLICATES, NULL);
        if (!json_is_object(details)) {
            json_decref(details);
            return BS_FAIL(err, DATA, "the details of an event are not a JSON object");
        }
    }
    if (event.at_us == 0)
        event.at_us = bs_now_us();
    json = bs_fields_print(event_fields, &event, err);
    if (json == NULL) {
        json_decref(details);
        return BS_FAILED;
    }
    bs_assert(json_object_set_new(json, "point", json_string(point)) == 0);
    if (details != NULL)
        bs_assert(json_object_set_new(json, "details", details) == 0);
    return print_sealed(json, out, NULL, err);
}

enum bs_done
bs_event_parse(struct bs_bytes text,
               struct bs_arena *arena,
               struct bs_point_event *out,
               struct bs_err *err)
{
    json_t *json = parse_sealed(text, "the event", err);
    const json_t *details = json_object_get(json, "details");
    enum bs_done done;

    if (json == NULL)
        return BS_FAILED;
    *out = (struct bs_point_event){0};
    done = bs_fields_parse(event_fields, json, arena, out, err);
    out->point = bs_arena_str(arena, json_string_value(json_object_get(json, "point")));
    if (done == BS_DONE && out->point == NULL)
        done = BS_FAIL(err, DAMAGED, "the event does not say whose it is");
    if (done == BS_DONE && details != NULL) {
        char *copy = canonical(details);
        out->details = bs_arena_str(arena, copy);
        free(copy);
        if (out->details == NULL)
            done = BS_FAIL(err, LIMIT, "an event does not fit");
    }
    json_decref(json);
    return done;
}

void
bs_point_put_base(struct bs_buf *out, const struct bs_point_source *source)
{
    char oid[16];

    (void)snprintf(oid, sizeof(oid), "%u", source->database_oid);
    bs_put_str(out, "v1/");
    bs_key_segment(out, source->system_identifier);
    bs_put_fmt(out, "/%s-", oid);
    bs_key_segment(out, source->database);
    bs_put_u8(out, '/');
}

void
bs_point_put_dir(struct bs_buf *out, const struct bs_manifest *m)
{
    char day[BS_TIME_TEXT];

    bs_time_format(m->created_us, day); /* 2026-11-23T... */
    bs_point_put_base(out, &m->source);
    bs_put_fmt(out, "rp/%.4s/%.2s/%.2s/%s/", day, day + 5, day + 8, m->id);
}

bool
bs_point_alters(const struct bs_point_object *o)
{
    bool altered = o->columns_only || o->n_added != 0;

    for (size_t i = 0; i < o->n_columns; i++)
        altered = altered || o->columns[i].altered;
    return altered && o->kind != NULL && strncmp(o->kind, "ALTER TABLE", 11) == 0;
}
