/*
 * where.c - the rows' numbers are kept, not the rows: a comparison has to see all saved rows, else
 * the counterpart of one that was not chosen would count as somebody else's.
 */
#include "restore/where.h"

#include <stdlib.h>
#include <string.h>

#include "restore/compare.h"
#include "restore/text.h"
#include "sql/condition.h"

enum bs_done
bs_where_check(const struct bs_restore *r, const char *table, size_t n, struct bs_err *err)
{
    const char *where = r->request.where;

    if (where == NULL)
        return BS_DONE;
    if (bs_condition_check(bs_bytes_of(where), err) != BS_DONE)
        return BS_FAILED;
    if (table != NULL || n == 1)
        return BS_DONE;
    (void)BS_FAIL(err, USAGE, "a condition is about the rows of one table, and here are %zu", n);
    bs_err_hint(err, "choose one with --table");
    return BS_FAILED;
}

void
bs_where_put_chosen(struct bs_buf *b, size_t at)
{
    bs_put_fmt(b, "pg_temp.\"backstop chosen %zu\"", at);
}

void
bs_where_put_table(struct bs_buf *b, size_t at)
{
    bs_put_str(b, "CREATE TEMPORARY TABLE ");
    bs_where_put_chosen(b, at);
    bs_put_str(b, " (\"row\" bigint PRIMARY KEY) ON COMMIT DROP");
}

void
bs_where_put_choice(struct bs_buf *b, const struct bs_restore *r, const char *name, size_t at)
{
    bs_put_str(b, "INSERT INTO ");
    bs_where_put_chosen(b, at);
    bs_put_str(b, " SELECT \"" BS_COMPARE_ROW "\" FROM ");
    bs_compare_put_saved(b, at);
    bs_put_str(b, " AS ");
    bs_put_ident(b, name);
    bs_put_str(b, " WHERE ");
    bs_put_condition(b, bs_bytes_of(r->request.where));
}

/* What the server has against the condition itself is the caller's mistake. */
static enum bs_done
refused(const struct bs_err *why, struct bs_err *err)
{
    static const char *const theirs[] = {"42", "22", "0A", "21", "25006", "08P01"};

    for (size_t i = 0; i < sizeof(theirs) / sizeof(theirs[0]); i++) {
        if (why->code != BS_E_FORBIDDEN &&
            strncmp(why->sqlstate, theirs[i], strlen(theirs[i])) == 0)
            return BS_FAIL(err, USAGE, "the condition does not work here: %s", why->message);
    }
    *err = *why;
    return BS_FAILED;
}

/* Alone and with the extended protocol, by which the server takes one command only. */
static enum bs_done
choose(struct bs_restore *r, struct bs_buf *sql, int64_t *rows, struct bs_err *err)
{
    struct bs_err why = {0};
    PGresult *result;

    result = bs_rdb_query(&r->db, sql, 0, NULL, &why);
    if (result == NULL)
        return refused(&why, err);
    *rows = strtoll(PQcmdTuples(result), NULL, 10);
    PQclear(result);
    return BS_DONE;
}

static enum bs_done
run(struct bs_restore *r, struct bs_buf *sql, struct bs_err *err)
{
    enum bs_done done = bs_rdb_run(&r->db, sql, err);

    bs_buf_clear(sql);
    return done;
}

/* In a subtransaction that is read only: where it ends, that ends. Temporary tables are written. */
enum bs_done
bs_where_choose(
    struct bs_restore *r, const char *name, size_t at, int64_t *rows, struct bs_err *err)
{
    struct bs_buf sql;
    enum bs_done done;

    bs_buf_init(&sql, 4u * BS_CONDITION_MAX);
    bs_where_put_table(&sql, at);
    bs_put_str(&sql, "; SAVEPOINT backstop_where; SET TRANSACTION READ ONLY");
    done = run(r, &sql, err);
    bs_where_put_choice(&sql, r, name, at);
    if (done == BS_DONE)
        done = choose(r, &sql, rows, err);
    bs_buf_clear(&sql);
    bs_put_str(&sql, "RELEASE SAVEPOINT backstop_where; ANALYZE ");
    bs_where_put_chosen(&sql, at);
    if (done == BS_DONE)
        done = run(r, &sql, err);
    bs_buf_fini(&sql);
    return done;
}

void
bs_where_put_trim(struct bs_buf *b, size_t at)
{
    bs_put_str(b, "DELETE FROM ");
    bs_compare_put_result(b, at);
    bs_put_str(b, " d WHERE d.saved IS NULL OR NOT EXISTS (SELECT FROM ");
    bs_where_put_chosen(b, at);
    bs_put_str(b, " c WHERE c.\"row\" = d.saved)");
}
