/*
 * reader.c - nothing here waits longer than the server-side limits below: a table that somebody
 * holds must not keep a judgement waiting for ever.
 */
#include "catalog/reader.h"

#include <poll.h>
#include <string.h>

#include "base/bytes.h"
#include "base/clock.h"
#include "catalog/direct.h"

#define CONNECT_MS 10000 /* and again for each host, where the first has not answered by then */

/* Before the first statement that names anything. A setting that older servers do not have is
 * asked for first. */
static const char pin_sql[] =
    "SELECT pg_catalog.set_config('search_path', '', false),"
    " pg_catalog.set_config('statement_timeout', '60s', false),"
    " pg_catalog.set_config('lock_timeout', '5s', false),"
    " pg_catalog.set_config('idle_in_transaction_session_timeout', '60s', false),"
    " pg_catalog.set_config('row_security', 'off', false),"
    " CASE WHEN pg_catalog.current_setting('restrict_nonsystem_relation_kind', true) IS NOT NULL"
    " THEN pg_catalog.set_config('restrict_nonsystem_relation_kind', 'view, foreign-table', false)"
    " END";

static enum bs_done
failed(struct bs_reader *r, const PGresult *res, enum bs_code code, struct bs_err *err)
{
    const char *text = res == NULL ? NULL : PQresultErrorField(res, PG_DIAG_MESSAGE_PRIMARY);
    size_t n;

    if (text == NULL)
        text = PQerrorMessage(r->conn);
    n = strcspn(text, "\n");
    return bs_err_set(err, code, "the catalog cannot be read: %.*s", n > 300 ? 300 : (int)n, text);
}

enum bs_done
bs_reader_query(
    struct bs_reader *r, const char *sql, int columns, PGresult **out, struct bs_err *err)
{
    PGresult *res = PQexecParams(r->conn, sql, 0, NULL, NULL, NULL, NULL, 1);
    ExecStatusType want = columns == 0 ? PGRES_COMMAND_OK : PGRES_TUPLES_OK;

    *out = NULL;
    if (res == NULL || PQresultStatus(res) != want) {
        (void)failed(r, res, BS_E_DATABASE, err);
        PQclear(res);
        return BS_FAILED;
    }
    if (PQnfields(res) != columns) {
        PQclear(res);
        return BS_FAIL(err, DATABASE, "the catalog answered with another number of columns");
    }
    *out = res;
    return BS_DONE;
}

static enum bs_done
run(struct bs_reader *r, const char *sql, int columns, struct bs_err *err)
{
    PGresult *res;

    if (bs_reader_query(r, sql, columns, &res, err) != BS_DONE)
        return BS_FAILED;
    PQclear(res);
    return BS_DONE;
}

enum bs_done
bs_reader_run(struct bs_reader *r, const char *sql, struct bs_err *err)
{
    return run(r, sql, 0, err);
}

static enum bs_done
pin(struct bs_reader *r, struct bs_err *err)
{
    const char *encoding = PQparameterStatus(r->conn, "server_encoding");

    if (run(r, pin_sql, 6, err) != BS_DONE)
        return BS_FAILED;
    /* SQL_ASCII has names of any bytes; asking for UTF8 would make the server refuse them. */
    if ((encoding == NULL || strcmp(encoding, "SQL_ASCII") != 0) &&
        PQsetClientEncoding(r->conn, "UTF8") != 0)
        return failed(r, NULL, BS_E_DATABASE, err);
    return BS_DONE;
}

/* Before pin(): what it sets would reach others. */
static enum bs_done
is_direct(struct bs_reader *r, struct bs_err *err)
{
    PGresult *res;
    enum bs_done done;

    if (bs_reader_query(r, bs_direct_sql, BS_DIRECT_COLUMNS, &res, err) != BS_DONE)
        return BS_FAILED;
    done = bs_direct_judge(r->conn, res, BS_E_DATABASE, err);
    PQclear(res);
    return done;
}

/* A server warns at the start, too, of a collation's version for instance. */
static void
no_notice(void *arg, const PGresult *res)
{
    (void)arg;
    (void)res;
}

/* Waits for the connection; false where the time is over. */
static bool
is_settled(PGconn *conn)
{
    int64_t until_us = bs_mono_us() + CONNECT_MS * INT64_C(1000);
    PostgresPollingStatusType want = PGRES_POLLING_WRITING;

    while (want == PGRES_POLLING_READING || want == PGRES_POLLING_WRITING) {
        short events = want == PGRES_POLLING_READING ? POLLIN : POLLOUT;
        struct pollfd p = {.fd = PQsocket(conn), .events = events};
        int64_t left_ms = (until_us - bs_mono_us()) / 1000;
        if (left_ms <= 0)
            return false;
        if (p.fd < 0 || poll(&p, 1, (int)left_ms) != 0)
            want = PQconnectPoll(conn);
    }
    return true;
}

/* What blocks until it is connected would print the server's notices meanwhile. */
static PGconn *
connect_quietly(const char *const *keys, const char *const *values)
{
    PGconn *conn = PQconnectStartParams(keys, values, 1);

    (void)PQsetNoticeReceiver(conn, no_notice, NULL);
    if (PQstatus(conn) != CONNECTION_BAD && !is_settled(conn))
        PQreset(conn); /* which goes on to the next host where one does not answer */
    return conn;
}

enum bs_done
bs_reader_open(struct bs_reader *r, const char *conninfo, struct bs_err *err)
{
    /* What comes later wins, so that the conninfo may set its own. */
    const char *const keys[] = {"connect_timeout", "application_name", "tcp_user_timeout", "dbname",
                                NULL};
    const char *const values[] = {"10", "backstop/catalog", "60000", conninfo, NULL};

    *r = (struct bs_reader){.conn = connect_quietly(keys, values)};
    if (PQstatus(r->conn) != CONNECTION_OK) {
        (void)failed(r, NULL, BS_E_UNAVAILABLE, err);
        bs_reader_close(r);
        return BS_FAILED;
    }
    r->version = PQserverVersion(r->conn);
    if (is_direct(r, err) == BS_DONE && pin(r, err) == BS_DONE)
        return BS_DONE;
    bs_reader_close(r);
    return BS_FAILED;
}

void
bs_reader_close(struct bs_reader *r)
{
    PQfinish(r->conn);
    *r = (struct bs_reader){0};
}

enum bs_done
bs_reader_begin(struct bs_reader *r, struct bs_err *err)
{
    return run(r, "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY", 0, err);
}

enum bs_done
bs_reader_end(struct bs_reader *r, struct bs_err *err)
{
    return run(r, "COMMIT", 0, err);
}

enum bs_done
bs_reader_send(struct bs_reader *r, const char *sql, const char *param, struct bs_err *err)
{
    if (PQpipelineStatus(r->conn) == PQ_PIPELINE_OFF && PQenterPipelineMode(r->conn) != 1)
        return failed(r, NULL, BS_E_DATABASE, err);
    if (PQsendQueryParams(r->conn, sql, param != NULL, NULL, &param, NULL, NULL, 1) != 1)
        return failed(r, NULL, BS_E_DATABASE, err);
    return BS_DONE;
}

enum bs_done
bs_reader_sync(struct bs_reader *r, struct bs_err *err)
{
    return PQpipelineSync(r->conn) == 1 ? BS_DONE : failed(r, NULL, BS_E_DATABASE, err);
}

enum bs_done
bs_reader_rows(struct bs_reader *r,
               int columns,
               bool (*take)(void *arg, const PGresult *row),
               void *arg,
               struct bs_err *err)
{
    bool more = true, over = false;
    PGresult *res;

    if (PQsetSingleRowMode(r->conn) != 1)
        return failed(r, NULL, BS_E_DATABASE, err);
    while ((res = PQgetResult(r->conn)) != NULL) {
        ExecStatusType status = PQresultStatus(res);
        if (status == PGRES_SINGLE_TUPLE && more) {
            more = PQnfields(res) == columns && take(arg, res);
            if (!more && err->code == BS_OK)
                (void)BS_FAIL(err, DATABASE, "the catalog answered with another number of columns");
        } else if (status == PGRES_TUPLES_OK) {
            over = true;
        } else if (status != PGRES_SINGLE_TUPLE) {
            more = false;
            (void)failed(r, res, BS_E_DATABASE, err);
        }
        PQclear(res);
        if (PQstatus(r->conn) == CONNECTION_BAD)
            break;
    }
    if (!over && err->code == BS_OK)
        return failed(r, NULL, BS_E_DATABASE, err);
    return err->code == BS_OK ? BS_DONE : BS_FAILED;
}

enum bs_done
bs_reader_synced(struct bs_reader *r, struct bs_err *err)
{
    PGresult *res = PQgetResult(r->conn);
    bool done = PQresultStatus(res) == PGRES_PIPELINE_SYNC;

    PQclear(res);
    if (done && PQexitPipelineMode(r->conn) == 1)
        return BS_DONE;
    return failed(r, NULL, BS_E_DATABASE, err);
}

enum bs_done
bs_reader_recover(struct bs_reader *r, struct bs_err *err)
{
    for (int i = 0; i < 1000 && PQstatus(r->conn) == CONNECTION_OK; i++) {
        PGresult *res = PQgetResult(r->conn);
        bool done = PQresultStatus(res) == PGRES_PIPELINE_SYNC;
        PQclear(res);
        if (done)
            return PQexitPipelineMode(r->conn) == 1 ? BS_DONE : failed(r, NULL, BS_E_DATABASE, err);
    }
    return failed(r, NULL, BS_E_DATABASE, err);
}

static struct bs_bytes
bytes_at(const PGresult *res, int row, int column)
{
    int n = PQgetisnull(res, row, column) != 0 ? 0 : PQgetlength(res, row, column);

    return (struct bs_bytes){(const uint8_t *)PQgetvalue(res, row, column), (size_t)n};
}

uint32_t
bs_oid_at(const PGresult *res, int row, int column)
{
    struct bs_bytes b = bytes_at(res, row, column);
    uint32_t v;

    return b.n == 4 && bs_take_u32(&b, &v) ? v : 0;
}

int
bs_int_at(const PGresult *res, int row, int column)
{
    struct bs_bytes b = bytes_at(res, row, column);
    uint32_t four;
    uint16_t two;

    if (b.n == 2)
        return bs_take_u16(&b, &two) ? (int16_t)two : 0;
    return b.n == 4 && bs_take_u32(&b, &four) ? (int32_t)four : 0;
}

int64_t
bs_int8_at(const PGresult *res, int row, int column)
{
    struct bs_bytes b = bytes_at(res, row, column);
    uint64_t v;

    return b.n == 8 && bs_take_u64(&b, &v) ? (int64_t)v : 0;
}

double
bs_double_at(const PGresult *res, int row, int column)
{
    struct bs_bytes b = bytes_at(res, row, column);
    uint64_t bits;
    double v = 0;

    if (b.n == 8 && bs_take_u64(&b, &bits))
        memcpy(&v, &bits, sizeof(v));
    return v;
}

bool
bs_bool_at(const PGresult *res, int row, int column)
{
    struct bs_bytes b = bytes_at(res, row, column);

    return b.n == 1 && b.p[0] != 0;
}

char
bs_char_at(const PGresult *res, int row, int column)
{
    struct bs_bytes b = bytes_at(res, row, column);

    return b.n == 1 ? (char)b.p[0] : '\0';
}

const char *
bs_text_at(const PGresult *res, int row, int column)
{
    return PQgetisnull(res, row, column) != 0 ? NULL : PQgetvalue(res, row, column);
}

struct bs_elements
bs_array_at(const PGresult *res, int row, int column)
{
    struct bs_bytes b = bytes_at(res, row, column);
    uint32_t dimensions, nulls, type, n, lower;

    if (!bs_take_u32(&b, &dimensions) || !bs_take_u32(&b, &nulls) || !bs_take_u32(&b, &type) ||
        dimensions != 1 || !bs_take_u32(&b, &n) || !bs_take_u32(&b, &lower) || n > b.n / 4)
        return (struct bs_elements){0};
    return (struct bs_elements){b, n};
}

bool
bs_element_next(struct bs_elements *e, struct bs_bytes *value)
{
    uint32_t n;

    *value = (struct bs_bytes){0};
    if (e->n == 0 || !bs_take_u32(&e->left, &n))
        return false;
    e->n--;
    if (n == UINT32_MAX)
        return true;
    return bs_take_bytes(&e->left, n, value);
}

uint32_t
bs_element_number(struct bs_bytes value)
{
    uint32_t v = 0;

    if (value.n != 1 && value.n != 2 && value.n != 4)
        return 0;
    for (size_t i = 0; i < value.n; i++)
        v = v << 8 | value.p[i];
    return v;
}
