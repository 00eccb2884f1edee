/*
 * scratch.c - one table after the other: made, loaded out of the store, copied out again, dropped.
 * What goes in is proven against the manifest as it is read, what comes out by its row hash.
 */
#include "recovery/scratch.h"

#include <stdlib.h>
#include <string.h>

#include "recovery/scratch_types.h"
#include "recovery/tuples.h"
#include "recovery/verify.h"

enum { SQL_MAX = 1024 * 1024 };

#define TABLE "pg_temp.\"backstop scratch\""

static enum bs_done
ask_for(struct bs_helper *h, struct bs_buf *sql, struct bs_err *err)
{
    enum bs_done done;

    bs_put_u8(sql, '\0');
    done = sql->failed ? BS_FAIL(err, LIMIT, "a table has too many columns")
                       : bs_helper_query(h, (const char *)sql->p, 0, NULL, NULL, err);
    bs_buf_clear(sql);
    return done;
}

/* By the place of its columns: their names are nobody's business there. */
static enum bs_done
make_table(struct bs_scratch_types *types, const struct bs_point_object *o, struct bs_err *err)
{
    struct bs_buf sql;
    enum bs_done done = BS_DONE;

    bs_buf_init(&sql, SQL_MAX);
    bs_put_str(&sql, "CREATE TEMPORARY TABLE \"backstop scratch\" (");
    for (size_t i = 0; done == BS_DONE && i < o->n_columns; i++) {
        const char *type = NULL;
        done = bs_scratch_type_find(types, &o->columns[i], o->format == BS_ROWS_BINARY, &type, err);
        if (done == BS_DONE) {
            bs_put_fmt(&sql, "%sc%zu ", i == 0 ? "" : ", ", i + 1);
            bs_put_str(&sql, type);
        }
    }
    bs_put_str(&sql, ")");
    if (done == BS_DONE)
        done = ask_for(types->scratch, &sql, err);
    bs_buf_fini(&sql);
    return done;
}

static const char *
format_of(const struct bs_point_object *o)
{
    return o->format == BS_ROWS_TEXT ? "text" : "binary";
}

static enum bs_done
put(void *ctx, struct bs_bytes raw, struct bs_err *err)
{
    return bs_helper_put(ctx, raw, err);
}

static enum bs_done
load(struct bs_capture *c, struct bs_helper *h, const struct bs_point_object *o, struct bs_err *err)
{
    struct bs_err server = {0};
    char sql[128];
    int64_t rows = -1;
    enum bs_done read, taken;

    (void)snprintf(sql, sizeof(sql), "COPY " TABLE " FROM STDIN (FORMAT %s)", format_of(o));
    if (bs_helper_copy_in(h, sql, err) != BS_DONE)
        return BS_FAILED;
    read = bs_object_read(&c->store, o, put, h, &c->watch, err);
    taken = bs_helper_copy_in_end(h, read == BS_DONE ? NULL : "not all could be read", &rows,
                                  read == BS_DONE ? err : &server);
    if (read != BS_DONE || taken != BS_DONE)
        return BS_FAILED;
    if (rows != o->row_count)
        return BS_FAIL(err, NO_POINT, "%lld rows went in instead of %lld", (long long)rows,
                       (long long)o->row_count);
    return BS_DONE;
}

static enum bs_done
walk(void *ctx, struct bs_bytes data, struct bs_err *err)
{
    return bs_tuples_put(ctx, data, err);
}

static enum bs_done
compare(struct bs_helper *h, const struct bs_point_object *o, struct bs_err *err)
{
    struct bs_tuples walked = {0};
    char sql[128], hash[BS_ROW_HASH_TEXT] = "";
    int64_t rows = -1;
    enum bs_done done;

    (void)snprintf(sql, sizeof(sql), "COPY " TABLE " TO STDOUT (FORMAT %s)", format_of(o));
    bs_tuples_init(&walked, o->format, o->n_columns);
    done = bs_helper_copy(h, sql, walk, &walked, &rows, err);
    if (done == BS_DONE)
        done = bs_tuples_finish(&walked, err);
    bs_tuples_hash(&walked, hash);
    bs_tuples_fini(&walked);
    if (done == BS_DONE && (rows != o->row_count || strcmp(hash, o->row_hash) != 0))
        return BS_FAIL(err, NO_POINT, "what comes out again are not the rows that went in");
    return done;
}

static enum bs_done
prove_table(struct bs_scratch_types *types, const struct bs_point_object *o, struct bs_err *err)
{
    if (make_table(types, o, err) != BS_DONE || load(types->c, types->scratch, o, err) != BS_DONE ||
        compare(types->scratch, o, err) != BS_DONE)
        return BS_FAILED;
    return bs_helper_query(types->scratch, "DROP TABLE " TABLE, 0, NULL, NULL, err);
}

/* Its number and that of its cluster: names and addresses may be others for the same database. */
static enum bs_done
is_another(struct bs_capture *c, struct bs_helper *h, struct bs_err *err)
{
    struct bs_point_source there;

    if (bs_helper_source(h, &c->arena, &there, err) != BS_DONE)
        return BS_FAILED;
    if (there.database_oid != c->m.source.database_oid ||
        strcmp(there.system_identifier, c->m.source.system_identifier) != 0)
        return BS_DONE;
    (void)BS_FAIL(err, NO_POINT, "it is the protected database itself");
    bs_err_hint(err, "recovery.scratch must name a database that nobody needs");
    return BS_FAILED;
}

static enum bs_done
begin(struct bs_capture *c, struct bs_helper *h, struct bs_err *err)
{
    const char *params[] = {c->m.source.data_encoding};

    if (is_another(c, h, err) != BS_DONE ||
        bs_helper_query(h, "BEGIN READ WRITE", 0, NULL, NULL, err) != BS_DONE)
        return BS_FAILED;
    return bs_helper_query(h, "SELECT pg_catalog.set_config('client_encoding', $1, true)", 1,
                           params, NULL, err);
}

/* Says of which table it is, and keeps the hint. */
static enum bs_done
say(const struct bs_point_object *o, const struct bs_err *why, struct bs_err *err)
{
    if (why->code == BS_E_CANCELLED || why->code == BS_E_LIMIT)
        return bs_err_set(err, why->code, "%s", why->message);
    if (o == NULL)
        (void)BS_FAIL(err, NO_POINT, "the scratch database cannot be used: %.300s", why->message);
    else
        (void)BS_FAIL(err, NO_POINT, "\"%.60s\".\"%.60s\" could not be restored for proof: %.300s",
                      o->schema, o->name, why->message);
    if (why->hint[0] != '\0')
        bs_err_hint(err, "%s", why->hint);
    return BS_FAILED;
}

enum bs_done
bs_scratch_prove(struct bs_capture *c, struct bs_err *err)
{
    struct bs_helper h = {0};
    struct bs_scratch_types types = {.c = c, .scratch = &h};
    struct bs_err why = {0};
    const struct bs_point_object *at = NULL;
    enum bs_done done;

    if (c->req.scratch == NULL)
        return BS_FAIL(err, NO_POINT, "no scratch database is configured (recovery.scratch)");
    bs_step_enter(c, BS_CAPTURE_RESTORING);
    done = bs_helper_open(&h, c->req.scratch, &c->watch, BS_E_NO_POINT, &why);
    if (done == BS_DONE)
        done = begin(c, &h, &why);
    for (size_t i = 0; done == BS_DONE && i < c->m.n_objects; i++) {
        if (c->m.objects[i].format == BS_ROWS_NONE)
            continue;
        at = &c->m.objects[i];
        done = prove_table(&types, at, &why);
    }
    /* However it ended, so does its session, and with it all that it made. */
    bs_helper_close(&h);
    return done == BS_DONE ? BS_DONE : say(at, &why, err);
}
