/*
 * rdb.c - the settings are pinned as a capture pins them, so that rows copied out again hash as
 * they did when they were saved. One session at work on whole tables gets memory for it.
 */
#include "restore/rdb.h"

#include <string.h>

#include "recovery/tuples.h"
#include "recovery/verify.h"

static const char pins[] = "SET client_encoding = 'UTF8';"
                           "SET search_path = '';"
                           "SET standard_conforming_strings = on;"
                           "SET datestyle = 'ISO, MDY';"
                           "SET intervalstyle = 'postgres';"
                           "SET timezone = 'UTC';"
                           "SET extra_float_digits = 3;"
                           "SET bytea_output = 'hex';"
                           "SET xmloption = content;"
                           "SET check_function_bodies = off;"
                           "SET client_min_messages = warning;"
                           "SET row_security = off;"
                           "SET default_transaction_read_only = off;"
                           "SET default_transaction_isolation = 'read committed';"
                           "SET synchronous_commit = on;"
                           "SET statement_timeout = 0;"
                           "SET idle_in_transaction_session_timeout = 0;"
                           "SET lock_timeout = '10s';"
                           "SET work_mem = '128MB';"
                           "SET maintenance_work_mem = '" BS_RDB_MAINTENANCE_MEMORY "';"
                           "SET temp_buffers = '64MB'";

static void
no_notices(void *ctx, const PGresult *result)
{
    (void)ctx;
    (void)result;
}

/* Which of our errors a SQLSTATE is; where none matches, DATABASE. */
static const struct {
    const char *sqlstate; /* or the start of one */
    enum bs_code code;
} meanings[] = {
    {"08", BS_E_UNAVAILABLE},  {"57P", BS_E_UNAVAILABLE}, {"55P03", BS_E_CONFLICT},
    {"55006", BS_E_CONFLICT},  {"23", BS_E_CONFLICT},     {"40", BS_E_CONFLICT},
    {"42P07", BS_E_CONFLICT},  {"42710", BS_E_CONFLICT},  {"42P06", BS_E_CONFLICT},
    {"42723", BS_E_CONFLICT},  {"2BP01", BS_E_CONFLICT},  {"42501", BS_E_FORBIDDEN},
    {"57014", BS_E_CANCELLED}, {"42704", BS_E_DATA},
};

static enum bs_code
code_of(const char *sqlstate)
{
    for (size_t i = 0; i < sizeof(meanings) / sizeof(meanings[0]); i++) {
        if (strncmp(sqlstate, meanings[i].sqlstate, strlen(meanings[i].sqlstate)) == 0)
            return meanings[i].code;
    }
    return BS_E_DATABASE;
}

/* Only the primary message: DETAIL quotes rows. */
static enum bs_done
server_failed(struct bs_rdb *db, const PGresult *result, struct bs_err *err)
{
    const char *sqlstate = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    const char *primary = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
    bool first = err->code == BS_OK;

    if (sqlstate == NULL || PQstatus(db->conn) != CONNECTION_OK)
        return BS_FAIL(err, UNAVAILABLE, "the connection to the database was lost");
    (void)bs_err_set(err, code_of(sqlstate), "the database said: %s",
                     primary == NULL ? "nothing" : primary);
    if (first)
        snprintf(err->sqlstate, sizeof(err->sqlstate), "%s", sqlstate);
    if (err->code == BS_E_FORBIDDEN)
        bs_err_hint(
            err, "another role is needed, by --dsn or databases.*.restorer: one with BYPASSRLS that"
                 " is a member of the owners is enough");
    return BS_FAILED;
}

enum bs_done
bs_rdb_open(const char *dsn, struct bs_rdb *out, struct bs_err *err)
{
    const char *const keys[] = {"dbname", "application_name", "client_encoding", NULL};
    const char *const values[] = {dsn, "backstop/restore", "UTF8", NULL};

    *out = (struct bs_rdb){0};
    out->conn = PQconnectdbParams(keys, values, 1);
    if (out->conn == NULL || PQstatus(out->conn) != CONNECTION_OK) {
        const char *why = out->conn == NULL ? "out of memory" : PQerrorMessage(out->conn);
        (void)BS_FAIL(err, UNAVAILABLE, "cannot connect to the database: %.*s",
                      (int)strcspn(why, "\n"), why);
        bs_rdb_close(out);
        return BS_FAILED;
    }
    PQsetNoticeReceiver(out->conn, no_notices, NULL);
    if (bs_rdb_pin(out, err) != BS_DONE) {
        bs_rdb_close(out);
        return BS_FAILED;
    }
    return BS_DONE;
}

bool
bs_rdb_is_superuser(const struct bs_rdb *db)
{
    const char *on = db->conn == NULL ? NULL : PQparameterStatus(db->conn, "is_superuser");

    return on != NULL && strcmp(on, "on") == 0;
}

void
bs_rdb_close(struct bs_rdb *db)
{
    if (db->conn != NULL)
        PQfinish(db->conn);
    db->conn = NULL;
}

enum bs_done
bs_rdb_pin(struct bs_rdb *db, struct bs_err *err)
{
    return bs_rdb_do(db, pins, err);
}

static bool
succeeded(const PGresult *result)
{
    ExecStatusType status = PQresultStatus(result);

    return status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK || status == PGRES_EMPTY_QUERY;
}

enum bs_done
bs_rdb_do(struct bs_rdb *db, const char *sql, struct bs_err *err)
{
    PGresult *result;
    enum bs_done done;

    if (bs_stop_check(db->stop, err) != BS_DONE)
        return BS_FAILED;
    result = PQexec(db->conn, sql);
    done = succeeded(result) ? BS_DONE : server_failed(db, result, err);
    PQclear(result);
    return done;
}

/* The buffer's text as a C string, or NULL where it has overflowed. */
static const char *
text_of(struct bs_buf *sql, struct bs_err *err)
{
    bs_put_u8(sql, 0);
    if (sql->failed) {
        (void)BS_FAIL(err, LIMIT, "a statement would be longer than %zu bytes", sql->max);
        return NULL;
    }
    sql->n--;
    return (const char *)sql->p;
}

enum bs_done
bs_rdb_commit(struct bs_rdb *db, struct bs_err *err)
{
    PGresult *result;
    enum bs_done done = BS_DONE;

    if (bs_stop_check(db->stop, err) != BS_DONE)
        return BS_FAILED;
    result = PQexec(db->conn, "COMMIT");
    if (PQstatus(db->conn) != CONNECTION_OK)
        done = BS_FAIL(err, UNCERTAIN, "the connection was lost before COMMIT was answered");
    else if (!succeeded(result))
        done = server_failed(db, result, err);
    else if (strcmp(PQcmdStatus(result), "COMMIT") != 0)
        done = BS_FAIL(err, CONFLICT, "the database rolled back instead of committing");
    PQclear(result);
    return done;
}

void
bs_rdb_rollback(struct bs_rdb *db)
{
    PQclear(PQexec(db->conn, "ROLLBACK"));
}

enum bs_done
bs_rdb_run(struct bs_rdb *db, struct bs_buf *sql, struct bs_err *err)
{
    const char *text = text_of(sql, err);

    return text == NULL ? BS_FAILED : bs_rdb_do(db, text, err);
}

enum bs_done
bs_rdb_flush(struct bs_rdb *db, struct bs_buf *sql, struct bs_err *err)
{
    enum bs_done done = sql->n == 0 && !sql->failed ? BS_DONE : bs_rdb_run(db, sql, err);

    bs_buf_clear(sql);
    return done;
}

enum bs_done
bs_rdb_start(struct bs_rdb *db, struct bs_buf *sql, struct bs_err *err)
{
    const char *text = text_of(sql, err);

    if (text == NULL || bs_stop_check(db->stop, err) != BS_DONE)
        return BS_FAILED;
    if (PQsendQuery(db->conn, text) == 1)
        return BS_DONE;
    return BS_FAIL(err, UNAVAILABLE, "the connection to the database was lost");
}

enum bs_done
bs_rdb_wait(struct bs_rdb *db, struct bs_err *err)
{
    enum bs_done done = BS_DONE;
    PGresult *result;

    while ((result = PQgetResult(db->conn)) != NULL) {
        if (done == BS_DONE && !succeeded(result))
            done = server_failed(db, result, err);
        PQclear(result);
    }
    return done;
}

/* What the server prints for a bigint; its whole range. */
static int64_t
number_of(const char *text)
{
    bool minus = *text == '-';
    uint64_t v = 0;

    for (text += minus; *text >= '0' && *text <= '9'; text++)
        v = v * 10 + (uint64_t)(*text - '0');
    return (int64_t)(minus ? 0 - v : v);
}

enum bs_done
bs_rdb_change(struct bs_rdb *db, struct bs_buf *sql, int64_t *rows, struct bs_err *err)
{
    const char *text = text_of(sql, err);
    PGresult *result;
    enum bs_done done;

    if (text == NULL || bs_stop_check(db->stop, err) != BS_DONE)
        return BS_FAILED;
    result = PQexec(db->conn, text);
    done = succeeded(result) ? BS_DONE : server_failed(db, result, err);
    *rows = done == BS_DONE ? number_of(PQcmdTuples(result)) : 0;
    PQclear(result);
    return done;
}

PGresult *
bs_rdb_ask(struct bs_rdb *db, const char *sql, int n, const char *const *values, struct bs_err *err)
{
    PGresult *result;

    if (bs_stop_check(db->stop, err) != BS_DONE)
        return NULL;
    result = PQexecParams(db->conn, sql, n, NULL, values, NULL, NULL, 0);
    if (succeeded(result))
        return result;
    (void)server_failed(db, result, err);
    PQclear(result);
    return NULL;
}

PGresult *
bs_rdb_query(
    struct bs_rdb *db, struct bs_buf *sql, int n, const char *const *values, struct bs_err *err)
{
    const char *text = text_of(sql, err);
    PGresult *result = text == NULL ? NULL : bs_rdb_ask(db, text, n, values, err);

    bs_buf_clear(sql);
    return result;
}

int64_t
bs_rdb_number(const PGresult *r, int row, int column)
{
    return number_of(PQgetvalue(r, row, column));
}

const char *
bs_rdb_text(const PGresult *r, int row, int column, struct bs_arena *arena)
{
    return PQgetisnull(r, row, column) ? NULL : bs_arena_str(arena, PQgetvalue(r, row, column));
}

/* Rows in. */

struct loading {
    struct bs_rdb *db;
    bs_rdb_seen seen;
    void *ctx;
    int64_t bytes;
};

static enum bs_done
put_rows(void *ctx, struct bs_bytes raw, struct bs_err *err)
{
    struct loading *l = ctx;

    if (bs_stop_check(l->db->stop, err) != BS_DONE)
        return BS_FAILED;
    while (raw.n != 0) {
        size_t n = raw.n < (1u << 20) ? raw.n : (1u << 20);
        if (PQputCopyData(l->db->conn, (const char *)raw.p, (int)n) != 1)
            return BS_FAIL(err, UNAVAILABLE, "the connection to the database was lost");
        raw.p += n;
        raw.n -= n;
        l->bytes += (int64_t)n;
    }
    if (l->seen != NULL)
        l->seen(l->ctx, l->bytes);
    return BS_DONE;
}

static enum bs_done
begin_copy(struct bs_rdb *db, struct bs_buf *copy, ExecStatusType want, struct bs_err *err)
{
    const char *text = text_of(copy, err);
    PGresult *result;
    enum bs_done done = BS_DONE;

    if (text == NULL || bs_stop_check(db->stop, err) != BS_DONE)
        return BS_FAILED;
    result = PQexec(db->conn, text);
    if (PQresultStatus(result) != want)
        done = server_failed(db, result, err);
    PQclear(result);
    return done;
}

/* Takes all results of a COPY that has ended; `rows` from its tag. */
static enum bs_done
end_copy(struct bs_rdb *db, int64_t *rows, struct bs_err *err)
{
    PGresult *result = PQgetResult(db->conn);
    enum bs_done done = BS_DONE;

    *rows = 0;
    if (PQresultStatus(result) == PGRES_COMMAND_OK)
        *rows = number_of(PQcmdTuples(result));
    else
        done = server_failed(db, result, err);
    while (result != NULL) {
        PQclear(result);
        result = PQgetResult(db->conn);
    }
    return done;
}

static enum bs_done
use_encoding(struct bs_rdb *db, const char *encoding, struct bs_err *err)
{
    if (encoding == NULL || PQsetClientEncoding(db->conn, encoding) == 0)
        return BS_DONE;
    return BS_FAIL(err, DATA, "the database does not know the encoding \"%.40s\"", encoding);
}

enum bs_done
bs_rdb_load(struct bs_rdb *db,
            struct bs_buf *copy,
            struct bs_store *store,
            const struct bs_point_object *object,
            const char *encoding,
            bs_rdb_seen seen,
            void *ctx,
            struct bs_err *err)
{
    struct loading l = {.db = db, .seen = seen, .ctx = ctx};
    struct bs_err server = {0};
    int64_t rows = 0;
    enum bs_done read, taken;

    if (use_encoding(db, encoding, err) != BS_DONE ||
        begin_copy(db, copy, PGRES_COPY_IN, err) != BS_DONE)
        return BS_FAILED;
    read = bs_object_read(store, object, put_rows, &l, NULL, err);
    (void)PQputCopyEnd(db->conn, read == BS_DONE ? NULL : "the saved rows cannot be trusted");
    taken = end_copy(db, &rows, &server);
    if (read != BS_DONE)
        return BS_FAILED;
    if (taken != BS_DONE) {
        *err = server;
        return BS_FAILED;
    }
    if (rows != object->row_count)
        return BS_FAIL(err, CONFLICT, "%lld rows were loaded instead of %lld", (long long)rows,
                       (long long)object->row_count);
    return use_encoding(db, "UTF8", err);
}

/* Rows out. */

/* Asks the server to stop, and takes what is still on its way. */
void
bs_rdb_stop(struct bs_rdb *db)
{
    PGcancel *cancel = PQgetCancel(db->conn);
    char why[256];
    PGresult *result;

    if (cancel != NULL)
        (void)PQcancel(cancel, why, sizeof(why));
    PQfreeCancel(cancel);
    while ((result = PQgetResult(db->conn)) != NULL) {
        char *row = NULL;
        while (PQresultStatus(result) == PGRES_COPY_OUT && PQgetCopyData(db->conn, &row, 0) > 0)
            PQfreemem(row);
        PQclear(result);
    }
}

enum bs_done
bs_rdb_copy_out(
    struct bs_rdb *db, struct bs_buf *copy, bs_rdb_take take, void *ctx, struct bs_err *err)
{
    int64_t rows;

    if (begin_copy(db, copy, PGRES_COPY_OUT, err) != BS_DONE)
        return BS_FAILED;
    for (;;) {
        char *row = NULL;
        int n = PQgetCopyData(db->conn, &row, 0);
        enum bs_done done;
        if (n == -1)
            return end_copy(db, &rows, err);
        if (n < 0)
            return BS_FAIL(err, UNAVAILABLE, "the connection to the database was lost");
        done = take(ctx, (struct bs_bytes){(const uint8_t *)row, (size_t)n}, err);
        PQfreemem(row);
        if (done != BS_DONE) {
            bs_rdb_stop(db);
            return BS_FAILED;
        }
    }
}

enum bs_done
bs_rdb_rows_out(struct bs_rdb *db,
                struct bs_buf *query,
                int n,
                const char *const *values,
                bs_rdb_take_row take,
                void *ctx,
                struct bs_err *err)
{
    const char *text = text_of(query, err);
    PGresult *result;
    enum bs_done done = BS_DONE;

    if (text == NULL || bs_stop_check(db->stop, err) != BS_DONE)
        return BS_FAILED;
    if (PQsendQueryParams(db->conn, text, n, NULL, values, NULL, NULL, 0) != 1)
        return BS_FAIL(err, UNAVAILABLE, "the connection to the database was lost");
    (void)PQsetSingleRowMode(db->conn);
    while ((result = PQgetResult(db->conn)) != NULL) {
        if (PQresultStatus(result) == PGRES_SINGLE_TUPLE && done == BS_DONE) {
            done = take(ctx, result, err);
            if (done != BS_DONE)
                bs_rdb_stop(db);
        } else if (PQresultStatus(result) != PGRES_TUPLES_OK && done == BS_DONE)
            done = server_failed(db, result, err);
        PQclear(result);
    }
    return done;
}

struct texts {
    bs_rdb_take take;
    void *ctx;
};

static enum bs_done
take_text(void *ctx, const PGresult *row, struct bs_err *err)
{
    const struct texts *t = ctx;
    struct bs_bytes text = {(const uint8_t *)PQgetvalue(row, 0, 0), (size_t)PQgetlength(row, 0, 0)};

    return t->take(t->ctx, text, err);
}

enum bs_done
bs_rdb_texts_out(
    struct bs_rdb *db, struct bs_buf *query, bs_rdb_take take, void *ctx, struct bs_err *err)
{
    struct texts t = {take, ctx};

    return bs_rdb_rows_out(db, query, 0, NULL, take_text, &t, err);
}

/* BS_FAILED also where the server ended the stream with an error. */
static enum bs_done
walk_rows(struct bs_rdb *db, struct bs_tuples *walk, struct bs_err *err)
{
    for (;;) {
        char *row = NULL;
        int n = PQgetCopyData(db->conn, &row, 0);
        enum bs_done done;
        if (n == -1)
            return bs_tuples_finish(walk, err);
        if (n < 0)
            return BS_FAIL(err, UNAVAILABLE, "the connection to the database was lost");
        done = bs_tuples_put(walk, (struct bs_bytes){(const uint8_t *)row, (size_t)n}, err);
        PQfreemem(row);
        if (done != BS_DONE)
            return BS_FAILED;
    }
}

enum bs_done
bs_rdb_compare(struct bs_rdb *db,
               struct bs_buf *copy,
               const struct bs_point_object *object,
               const char *encoding,
               struct bs_err *err)
{
    struct bs_tuples walk = {0};
    struct bs_err server = {0};
    char hash[BS_ROW_HASH_TEXT] = "";
    int64_t rows = 0;
    enum bs_done walked;

    if (use_encoding(db, encoding, err) != BS_DONE ||
        begin_copy(db, copy, PGRES_COPY_OUT, err) != BS_DONE)
        return BS_FAILED;
    bs_tuples_init(&walk, object->format, object->n_columns);
    walked = walk_rows(db, &walk, err);
    bs_tuples_hash(&walk, hash);
    bs_tuples_fini(&walk);
    if (walked != BS_DONE)
        return BS_FAILED;
    if (end_copy(db, &rows, &server) != BS_DONE) {
        *err = server;
        return BS_FAILED;
    }
    if (rows != object->row_count || strcmp(hash, object->row_hash) != 0)
        return BS_FAIL(err, DAMAGED,
                       "\"%.63s\".\"%.63s\" has %lld rows, and they are not the %lld saved ones",
                       object->schema, object->name, (long long)rows, (long long)object->row_count);
    return use_encoding(db, "UTF8", err);
}
