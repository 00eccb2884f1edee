/*
 * refresh.c - the catalogs' rows: all of them, or what changed since another snapshot.
 *
 * What a refresh relies on. A row that the new snapshot sees and the old one did not was written
 * by a transaction that the old one did not see: its xid is not below the old snapshot's xmin,
 * below which everything had ended. So the rows with such an xmin, and the old rows, are all there
 * can be; where the server counts as many rows as that makes, nothing went. Where it counts fewer,
 * its list of keys says which. (Freezing keeps a row's xmin; rows that changed in place - estimates
 * of VACUUM and the like - are not among what is kept, but for the estimates, which are read again.)
 * xids are compared as the server does it.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "catalog/build.h"

/* Estimates change without a trace. */
#define ESTIMATES_US (INT64_C(60) * 1000000)
/* More transactions than this since the old snapshot: read everything. */
#define MAX_AGE 1000000000
/* Up to so many are told one by one, which the server compares faster than it computes ages. */
#define MAX_LISTED 20000
/* What is below is not a transaction's. */
#define FIRST_XID 3u

struct fetch {
    struct bs_reader *reader;
    struct bs_err *err;
    const struct bs_snapshot *old; /* NULL: everything is read */
    int age;                       /* rows at most as old as this may have changed */
    uint32_t now;                  /* xid that ages are counted from */
    char *changed;                 /* what is true of such a row, in SQL */
    struct bs_table *tables[BS_TABLE_COUNT];
    struct bs_table *news[BS_TABLE_COUNT]; /* rows that may have changed */
    int64_t counts[BS_TABLE_COUNT];        /* rows that there are; -1: not counted */
    char *places[BS_TABLE_COUNT];          /* where the rows that may have changed are; NULL */
};

/* --- one table ---------------------------------------------------------------------------- */

static const struct bs_row_class *
class_of(struct bs_table *const tables[BS_TABLE_COUNT], uint32_t oid)
{
    const struct bs_table *t = tables[BS_TABLE_CLASS];

    return bs_oid_find(t->rows, t->n, sizeof(struct bs_row_class), oid);
}

/* Of what a snapshot is made of: rows of tables that follow their relation. */
static bool
is_followed(struct bs_table *const tables[BS_TABLE_COUNT], enum bs_table_id id, const void *row)
{
    const struct bs_row_attribute *a = row;
    const struct bs_row_index *i = row;
    const struct bs_row_class *of;

    if (id == BS_TABLE_INDEX) {
        of = class_of(tables, i->oid);
        return of != NULL && (of->kind == 'i' || of->kind == 'I');
    }
    of = class_of(tables, a->relation);
    return of != NULL && a->number <= of->columns && strchr("rpvmfc", of->kind) != NULL;
}

struct stream {
    struct bs_intake in;
    enum bs_table_id id;
    struct bs_table *const *tables; /* NULL: every row is kept */
};

static bool
take_row(void *arg, const PGresult *res)
{
    struct stream *s = arg;

    if (!bs_intake_row(&s->in, res, 0))
        return false;
    if (s->tables != NULL && bs_tables[s->id].way == BS_TABLE_FOLLOWS &&
        !is_followed(s->tables, s->id, bs_intake_last(&s->in)))
        bs_intake_drop(&s->in);
    return true;
}

/* The next answer of the pipeline, as a table; NULL with the error set. */
static struct bs_table *
take_table(struct fetch *f, enum bs_table_id id, bool whole)
{
    struct stream s = {.id = id, .tables = whole ? f->tables : NULL};
    struct bs_table *t = NULL;

    bs_intake_init(&s.in, id, bs_catalog_max_bytes, f->err);
    if (bs_reader_rows(f->reader, bs_tables[id].n_fields, take_row, &s, f->err) == BS_DONE)
        t = bs_intake_table(&s.in);
    bs_intake_fini(&s.in);
    return t;
}

static bool
is_there(const struct fetch *f, enum bs_table_id id)
{
    if (id == BS_TABLE_BODY || id == BS_TABLE_ESTIMATE)
        return false; /* read by themselves */
    return id != BS_TABLE_PUBLISHED_SCHEMA || f->reader->version >= 150000;
}

static struct bs_table *
empty_table(enum bs_table_id id, struct bs_err *err)
{
    struct bs_intake in;
    struct bs_table *t;

    bs_intake_init(&in, id, bs_catalog_max_bytes, err);
    t = bs_intake_table(&in);
    bs_intake_fini(&in);
    return t;
}

/* --- questions ---------------------------------------------------------------------------- */

enum question {
    ASK_WHOLE = 0, /* every row */
    ASK_CHANGED,   /* how many rows there are, and where those that may have changed are */
    ASK_ROWS,      /* those rows */
    ASK_KEYS,      /* the OIDs of all rows */
};

static char *text_of(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

static char *
text_of(const char *fmt, ...)
{
    va_list ap, again;
    char *text;
    int n;

    va_start(ap, fmt);
    va_copy(again, ap);
    n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    bs_assert(n >= 0);
    text = bs_malloc((size_t)n + 1);
    (void)vsnprintf(text, (size_t)n + 1, fmt, again);
    va_end(again);
    return text;
}

static char *
question_of(const struct fetch *f, enum bs_table_id id, enum question q)
{
    const struct bs_table_def *def = &bs_tables[id];

    switch (q) {
    case ASK_CHANGED:
        if (def->way == BS_TABLE_COUNTED)
            return text_of("SELECT pg_catalog.count(*), (pg_catalog.array_agg(c.ctid) FILTER"
                           " (WHERE %s))::pg_catalog.text FROM %s",
                           f->changed, def->from);
        if (def->way == BS_TABLE_FOLLOWS)
            return text_of("SELECT %s FROM %s AND %s", def->columns, def->from, f->changed);
        break;
    case ASK_ROWS:
        return text_of("SELECT %s FROM %s AND c.ctid = ANY ($1::pg_catalog.tid[])", def->columns,
                       def->from);
    case ASK_KEYS:
        return text_of("SELECT c.oid FROM %s", def->from);
    case ASK_WHOLE:
        break;
    }
    return text_of("SELECT %s FROM %s", def->columns, def->from);
}

/* All xids since the old snapshot's xmin, or an age. */
static char *
changed_of(const struct fetch *f)
{
    struct bs_buf sql;
    char *text;
    bool any = false;

    if (f->age > MAX_LISTED)
        return text_of("pg_catalog.age(c.xmin) <= %d", f->age);
    bs_buf_init(&sql, (size_t)f->age * 12 + 64);
    bs_put_bytes(&sql, bs_bytes_of("c.xmin = ANY ('{"));
    for (int i = f->age; i > 0; i--) {
        char one[16];
        uint32_t xid = f->now - (uint32_t)i;
        if (xid < FIRST_XID)
            continue;
        (void)snprintf(one, sizeof(one), "%s%u", any ? "," : "", xid);
        bs_put_bytes(&sql, bs_bytes_of(one));
        any = true;
    }
    bs_put_bytes(&sql, bs_bytes_of("}'::pg_catalog.xid[])"));
    bs_put_u8(&sql, '\0');
    text = bs_strdup((const char *)sql.p);
    bs_buf_fini(&sql);
    return text;
}

/* As the server decides it. */
static bool
may_have_changed(const struct fetch *f, uint32_t xmin)
{
    uint32_t back = f->now - xmin;

    if (xmin < FIRST_XID)
        return false;
    if (f->age > MAX_LISTED)
        return (int32_t)back <= f->age;
    return back > 0 && back <= (uint32_t)f->age;
}

/* The same question about every table that is wanted, all sent before the first is answered. */
static enum bs_done
ask(struct fetch *f, const bool want[BS_TABLE_COUNT], enum question q)
{
    enum bs_done done = BS_DONE;

    for (int id = 0; done == BS_DONE && id < BS_TABLE_COUNT; id++) {
        char *sql = want[id] ? question_of(f, (enum bs_table_id)id, q) : NULL;
        if (sql != NULL)
            done = bs_reader_send(f->reader, sql, q == ASK_ROWS ? f->places[id] : NULL, f->err);
        free(sql);
    }
    return done == BS_DONE ? bs_reader_sync(f->reader, f->err) : BS_FAILED;
}

static void
put_table(struct bs_table **at, struct bs_table *t)
{
    bs_table_unref(at);
    *at = t;
}

static bool
is_too_large(struct fetch *f)
{
    size_t bytes = 0;

    for (int id = 0; id < BS_TABLE_COUNT; id++) {
        const struct bs_table *t = f->tables[id];
        if (t != NULL)
            bytes += bs_table_bytes(t) + t->n * bs_tables[id].stride;
    }
    if (bytes > bs_catalog_max_bytes)
        (void)BS_FAIL(f->err, LIMIT, "the catalog is too large: more than %zu bytes",
                      bs_catalog_max_bytes);
    return bytes > bs_catalog_max_bytes;
}

/* Into `tables`, or `news` for ASK_ROWS. */
static enum bs_done
read_tables(struct fetch *f, const bool want[BS_TABLE_COUNT], enum question q)
{
    struct bs_table **into = q == ASK_ROWS ? f->news : f->tables;

    if (ask(f, want, q) != BS_DONE)
        return BS_FAILED;
    for (int id = 0; id < BS_TABLE_COUNT; id++) {
        struct bs_table *t;
        if (!want[id])
            continue;
        t = take_table(f, (enum bs_table_id)id, q == ASK_WHOLE);
        if (t == NULL)
            return BS_FAILED;
        put_table(&into[id], t);
        if (is_too_large(f))
            return BS_FAILED;
    }
    return bs_reader_synced(f->reader, f->err);
}

/* --- everything --------------------------------------------------------------------------- */

static enum bs_done
read_all(struct fetch *f)
{
    bool want[BS_TABLE_COUNT];

    for (int id = 0; id < BS_TABLE_COUNT; id++) {
        want[id] = is_there(f, (enum bs_table_id)id) || id == BS_TABLE_ESTIMATE;
        if (!want[id])
            put_table(&f->tables[id], empty_table((enum bs_table_id)id, f->err));
    }
    return read_tables(f, want, ASK_WHOLE);
}

/* --- what changed ------------------------------------------------------------------------- */

struct counted {
    int64_t n;
    char *places;
};

static bool
take_count(void *arg, const PGresult *res)
{
    struct counted *out = arg;

    out->n = bs_int8_at(res, 0, 0);
    if (out->places == NULL)
        out->places = bs_strdup(bs_text_at(res, 0, 1));
    return true;
}

static enum bs_done
look_for_changes(struct fetch *f)
{
    bool want[BS_TABLE_COUNT], rows[BS_TABLE_COUNT] = {false};
    bool any = false;

    for (int id = 0; id < BS_TABLE_COUNT; id++)
        want[id] = is_there(f, (enum bs_table_id)id);
    if (ask(f, want, ASK_CHANGED) != BS_DONE)
        return BS_FAILED;
    for (int id = 0; id < BS_TABLE_COUNT; id++) {
        struct counted counted = {-1, NULL};
        f->counts[id] = -1;
        if (!want[id])
            continue;
        if (bs_tables[id].way != BS_TABLE_COUNTED) {
            f->news[id] = take_table(f, (enum bs_table_id)id, false);
            if (f->news[id] == NULL)
                return BS_FAILED;
        } else if (bs_reader_rows(f->reader, 2, take_count, &counted, f->err) != BS_DONE) {
            free(counted.places);
            return BS_FAILED;
        } else {
            f->counts[id] = counted.n;
            f->places[id] = counted.places;
        }
        rows[id] = f->places[id] != NULL;
        any = any || rows[id];
    }
    if (bs_reader_synced(f->reader, f->err) != BS_DONE)
        return BS_FAILED;
    return any ? read_tables(f, rows, ASK_ROWS) : BS_DONE;
}

/* Which old rows stay, beside those that were read anew. */
struct keeping {
    struct fetch *f;
    enum bs_table_id id;
    const uint32_t
        *keys; /* sorted: of all rows that there are; NULL: nothing is known to be gone */
    size_t n_keys;
    bool gone; /* dependencies: leave out those of objects that are gone */
};

static bool
has_row(const struct bs_table *t, enum bs_table_id id, uint32_t oid)
{
    return bs_oid_find(t->rows, t->n, bs_tables[id].stride, oid) != NULL;
}

static bool
has_column(const struct bs_table *t, uint32_t relation, int32_t number)
{
    const struct bs_row_attribute *a = bs_find_attribute(t, relation, number);

    return a != NULL && !a->dropped;
}

/* It was there, or a part of it was, and is not any more. */
static bool
is_gone(const struct fetch *f, uint32_t class_oid, uint32_t oid, int32_t sub)
{
    static const struct {
        uint32_t class_oid;
        enum bs_table_id id;
    } classes[] = {{BS_CLASS_RELATION, BS_TABLE_CLASS},     {BS_CLASS_TYPE, BS_TABLE_TYPE},
                   {BS_CLASS_FUNCTION, BS_TABLE_FUNCTION},  {BS_CLASS_REWRITE, BS_TABLE_RULE},
                   {BS_CLASS_DEFAULT, BS_TABLE_DEFAULT},    {BS_CLASS_SCHEMA, BS_TABLE_SCHEMA},
                   {BS_CLASS_EXTENSION, BS_TABLE_EXTENSION}};

    if (class_oid == BS_CLASS_RELATION && sub > 0 &&
        has_column(f->old->tables[BS_TABLE_ATTRIBUTE], oid, sub) &&
        !has_column(f->tables[BS_TABLE_ATTRIBUTE], oid, sub))
        return true;
    for (size_t i = 0; i < sizeof(classes) / sizeof(classes[0]); i++) {
        enum bs_table_id id = classes[i].id;
        if (classes[i].class_oid == class_oid)
            return has_row(f->old->tables[id], id, oid) && !has_row(f->tables[id], id, oid);
    }
    return false;
}

static bool
keeps(void *arg, const void *row)
{
    const struct keeping *k = arg;
    const struct bs_row_depend *d = row;

    if (bs_tables[k->id].way == BS_TABLE_FOLLOWS)
        return is_followed(k->f->tables, k->id, row);
    if (k->keys != NULL)
        return bs_oid_find(k->keys, k->n_keys, sizeof(*k->keys), *(const uint32_t *)row) != NULL;
    if (k->id != BS_TABLE_DEPEND)
        return true;
    /* As the server tells whether a row may have changed: those were read anew, all of them. */
    if (may_have_changed(k->f, d->xmin))
        return false;
    return !k->gone || (!is_gone(k->f, d->ref_class, d->ref_oid, d->ref_sub) &&
                        !is_gone(k->f, d->class_oid, d->oid, d->sub));
}

/* False where that does not make as many rows as there are. */
static bool
merge(struct keeping *k)
{
    struct fetch *f = k->f;
    struct bs_table *t, *news = f->news[k->id];

    news = news == NULL ? empty_table(k->id, f->err) : bs_table_ref(news);
    t = bs_table_merge(&bs_tables[k->id], f->old->tables[k->id], news, keeps, k);
    bs_table_unref(&news);
    if (t == NULL)
        return false;
    put_table(&f->tables[k->id], t);
    return f->counts[k->id] < 0 || t->n == (size_t)f->counts[k->id];
}

struct keys {
    uint32_t *list;
    size_t n, cap;
};

static bool
take_key(void *arg, const PGresult *res)
{
    struct keys *k = arg;

    if (k->n == k->cap) {
        k->cap = k->cap == 0 ? 1024 : k->cap * 2;
        k->list = bs_realloc(k->list, k->cap * sizeof(*k->list));
    }
    k->list[k->n++] = bs_oid_at(res, 0, 0);
    return true;
}

static int
by_number(const void *x, const void *y)
{
    uint32_t a = *(const uint32_t *)x, b = *(const uint32_t *)y;

    return (a > b) - (a < b);
}

/* Fewer rows than were expected: leave out those that are gone. */
static enum bs_done
drop_gone(struct fetch *f, const bool fewer[BS_TABLE_COUNT], bool whole[BS_TABLE_COUNT])
{
    if (ask(f, fewer, ASK_KEYS) != BS_DONE)
        return BS_FAILED;
    for (int id = 0; id < BS_TABLE_COUNT; id++) {
        struct keys keys = {0};
        enum bs_done done;
        if (!fewer[id])
            continue;
        done = bs_reader_rows(f->reader, 1, take_key, &keys, f->err);
        if (keys.n > 1)
            qsort(keys.list, keys.n, sizeof(*keys.list), by_number);
        whole[id] = done != BS_DONE || keys.n == 0 ||
                    !merge(&(struct keeping){f, (enum bs_table_id)id, keys.list, keys.n, false});
        free(keys.list);
        if (done != BS_DONE)
            return BS_FAILED;
    }
    return bs_reader_synced(f->reader, f->err);
}

/* Reads whole what could not be merged, and forgets it. */
static enum bs_done
read_whole(struct fetch *f, bool whole[BS_TABLE_COUNT])
{
    bool any = false;
    enum bs_done done;

    for (int id = 0; id < BS_TABLE_COUNT; id++)
        any = any || whole[id];
    done = any ? read_tables(f, whole, ASK_WHOLE) : BS_DONE;
    memset(whole, 0, sizeof(*whole) * BS_TABLE_COUNT);
    return done;
}

static enum bs_done
merge_counted(struct fetch *f, bool whole[BS_TABLE_COUNT])
{
    bool fewer[BS_TABLE_COUNT] = {false};
    bool any = false;

    for (int id = 0; id < BS_TABLE_COUNT; id++) {
        if (bs_tables[id].way != BS_TABLE_COUNTED || id == BS_TABLE_DEPEND)
            continue;
        fewer[id] = !merge(&(struct keeping){f, (enum bs_table_id)id, NULL, 0, false});
        any = any || fewer[id];
    }
    return any ? drop_gone(f, fewer, whole) : BS_DONE;
}

/* In the order in which they look at each other. */
static enum bs_done
merge_tables(struct fetch *f)
{
    bool whole[BS_TABLE_COUNT] = {false};

    for (int id = 0; id < BS_TABLE_COUNT; id++) {
        struct bs_table *t = f->news[id] != NULL ? f->news[id] : f->old->tables[id];
        if (bs_tables[id].way == BS_TABLE_WHOLE)
            put_table(&f->tables[id], bs_table_ref(t));
    }
    if (merge_counted(f, whole) != BS_DONE || read_whole(f, whole) != BS_DONE)
        return BS_FAILED;
    for (int id = 0; id < BS_TABLE_COUNT; id++) {
        struct keeping k = {f, (enum bs_table_id)id, NULL, 0, false};
        if (bs_tables[id].way != BS_TABLE_FOLLOWS)
            continue;
        bs_table_filter(&bs_tables[id], f->news[id], keeps, &k);
        whole[id] = !merge(&k);
    }
    if (read_whole(f, whole) != BS_DONE)
        return BS_FAILED;
    whole[BS_TABLE_DEPEND] = !merge(&(struct keeping){f, BS_TABLE_DEPEND, NULL, 0, false}) &&
                             !merge(&(struct keeping){f, BS_TABLE_DEPEND, NULL, 0, true});
    return read_whole(f, whole);
}

static bool
tables_equal(enum bs_table_id id, const struct bs_table *a, const struct bs_table *b)
{
    const struct bs_table_def *def = &bs_tables[id];
    bool equal = a == b || a->n == b->n;

    for (size_t i = 0; a != b && equal && i < a->n; i++)
        equal = bs_rows_equal(def, a->rows + i * def->stride, b->rows + i * def->stride);
    return equal;
}

/* Tables that came out as they were are the old ones. True where any did not. */
static bool
keep_equal(struct fetch *f)
{
    bool changed = false;

    for (int id = 0; id < BS_TABLE_COUNT; id++) {
        if (tables_equal((enum bs_table_id)id, f->tables[id], f->old->tables[id]))
            put_table(&f->tables[id], bs_table_ref(f->old->tables[id]));
        else
            changed = true;
    }
    return changed;
}

/* --- what is no catalog ------------------------------------------------------------------- */

static bool
has_atomic(const struct bs_table *functions)
{
    const struct bs_row_function *f = (const void *)functions->rows;

    for (size_t i = 0; i < functions->n; i++) {
        if (f[i].atomic)
            return true;
    }
    return false;
}

/*
 * The server prints these bodies from what it has stored, and locks the relations in them for it.
 * Where somebody keeps it from that, they stay opaque: nobody waits for a lock here, and none
 * outlives the savepoint. What they are called in may be renamed without a trace in pg_proc, so
 * they are printed again whatever has changed.
 */
static enum bs_done
read_bodies(struct fetch *f)
{
    bool want[BS_TABLE_COUNT] = {[BS_TABLE_BODY] = true};
    struct bs_err refused = {0}, *err = f->err;
    enum bs_done done;

    put_table(&f->tables[BS_TABLE_BODY], empty_table(BS_TABLE_BODY, f->err));
    if (!has_atomic(f->tables[BS_TABLE_FUNCTION]))
        return BS_DONE;
    if (bs_reader_run(f->reader, "SAVEPOINT bodies", err) != BS_DONE ||
        bs_reader_run(f->reader, "SET LOCAL lock_timeout = '100ms'", err) != BS_DONE)
        return BS_FAILED;
    f->err = &refused;
    done = read_tables(f, want, ASK_WHOLE);
    f->err = err;
    if (done != BS_DONE && bs_reader_recover(f->reader, err) != BS_DONE)
        return BS_FAILED;
    return bs_reader_run(f->reader, "ROLLBACK TO SAVEPOINT bodies", err);
}

/* --- the two together --------------------------------------------------------------------- */

/* The moment that is read: what the server is, and which transactions its snapshot sees. */
static enum bs_done
read_moment(struct fetch *f, struct bs_snapshot *s)
{
    char *sql = text_of("SELECT pg_catalog.pg_current_snapshot()::pg_catalog.text,"
                        " pg_catalog.date_part('epoch', pg_catalog.pg_postmaster_start_time()),"
                        " (SELECT d.oid FROM pg_catalog.pg_database d"
                        " WHERE d.datname = pg_catalog.current_database()),"
                        " pg_catalog.age('%u'::pg_catalog.xid)",
                        f->old == NULL ? FIRST_XID : f->old->xmin);
    PGresult *res = NULL;
    enum bs_done done = bs_reader_query(f->reader, sql, 4, &res, f->err);
    const char *text = done == BS_DONE ? bs_text_at(res, 0, 0) : NULL;

    free(sql);
    s->moment = bs_strdup(text);
    if (done == BS_DONE && s->moment == NULL)
        done = BS_FAIL(f->err, DATABASE, "the catalog's moment cannot be told");
    if (done == BS_DONE) {
        s->xmin = (uint32_t)strtoull(s->moment, NULL, 10);
        s->started = bs_double_at(res, 0, 1);
        s->database = bs_oid_at(res, 0, 2);
        f->age = bs_int_at(res, 0, 3);
    }
    PQclear(res);
    return done;
}

/* The old snapshot says something about this server, and not too long ago. */
static bool
is_of_use(const struct fetch *f, const struct bs_snapshot *s)
{
    const struct bs_snapshot *old = f->old;

    return old != NULL && old->started >= s->started && old->started <= s->started &&
           old->database == s->database && old->version == s->version && f->age >= 0 &&
           f->age < MAX_AGE;
}

static bool
bodies_are_known(const struct bs_snapshot *s)
{
    for (size_t i = 0; i < s->n_functions; i++) {
        if (s->functions[i].atomic && s->functions[i].source == NULL)
            return false;
    }
    return true;
}

static enum bs_done
read_estimates(struct fetch *f)
{
    bool want[BS_TABLE_COUNT] = {[BS_TABLE_ESTIMATE] = true};

    return read_tables(f, want, ASK_WHOLE);
}

/* What changed since the old one; `same` where nothing did. */
static enum bs_done
read_changes(struct fetch *f, struct bs_snapshot *s, bool *same)
{
    bool still = strcmp(s->moment, f->old->moment) == 0;
    bool due = s->loaded_us - f->old->estimates_us >= ESTIMATES_US;

    f->now = f->old->xmin + (uint32_t)f->age;
    f->changed = changed_of(f);
    for (int id = 0; still && id < BS_TABLE_COUNT; id++)
        f->tables[id] = bs_table_ref(f->old->tables[id]);
    if (!still && (look_for_changes(f) != BS_DONE || merge_tables(f) != BS_DONE))
        return BS_FAILED;
    if (!still)
        put_table(&f->tables[BS_TABLE_BODY], bs_table_ref(f->old->tables[BS_TABLE_BODY]));
    s->estimates_us = due ? s->loaded_us : f->old->estimates_us;
    if (due && read_estimates(f) != BS_DONE)
        return BS_FAILED;
    if ((keep_equal(f) || !bodies_are_known(f->old)) && read_bodies(f) != BS_DONE)
        return BS_FAILED;
    *same = !keep_equal(f);
    return BS_DONE;
}

static enum bs_done
fetch(struct fetch *f, struct bs_snapshot *s, bool *same)
{
    *same = false;
    if (bs_reader_begin(f->reader, f->err) != BS_DONE || read_moment(f, s) != BS_DONE)
        return BS_FAILED;
    if (is_of_use(f, s))
        return read_changes(f, s, same);
    s->estimates_us = s->loaded_us;
    if (bs_build_check_labels(f->reader, f->err) != BS_DONE || read_all(f) != BS_DONE)
        return BS_FAILED;
    return read_bodies(f);
}

/*
 * The old snapshot is true at the later moment as well, so what changes is asked for from there: the
 * fewer transactions lie between, the more often it is certain that nothing did.
 */
static void
move_on(struct bs_snapshot *old, struct bs_snapshot *s)
{
    char *moment = old->moment;

    old->moment = s->moment;
    s->moment = moment;
    old->xmin = s->xmin;
    old->estimates_us = s->estimates_us;
}

enum bs_done
bs_catalog_read(struct bs_reader *reader,
                struct bs_snapshot *old,
                struct bs_snapshot **out,
                struct bs_err *err)
{
    struct fetch f = {.reader = reader, .err = err, .old = old};
    struct bs_snapshot *s = bs_snapshot_new();
    enum bs_done done;
    bool same;

    /* Taken before anything is read: what changes from here on is newer than the snapshot. */
    s->loaded_us = bs_mono_us();
    s->version = reader->version;
    done = fetch(&f, s, &same);
    if (done == BS_DONE)
        done = bs_reader_end(reader, err);
    memcpy(s->tables, f.tables, sizeof(s->tables));
    if (done == BS_DONE && same) {
        move_on(old, s);
        bs_snapshot_unref(&s);
        s = bs_snapshot_ref(old);
    } else if (done == BS_DONE) {
        done = bs_build(s, old, err);
    }
    for (int id = 0; id < BS_TABLE_COUNT; id++) {
        bs_table_unref(&f.news[id]);
        free(f.places[id]);
    }
    free(f.changed);
    if (done != BS_DONE)
        bs_snapshot_unref(&s);
    *out = s;
    return done;
}

enum bs_done
bs_snapshot_refresh(const char *conninfo,
                    struct bs_snapshot *old,
                    struct bs_snapshot **out,
                    struct bs_err *err)
{
    struct bs_reader reader = {0};
    enum bs_done done = BS_FAILED;

    *out = NULL;
    if (bs_reader_open(&reader, conninfo, err) == BS_DONE)
        done = bs_catalog_read(&reader, old, out, err);
    bs_reader_close(&reader);
    return done;
}

enum bs_done
bs_snapshot_load(const char *conninfo, struct bs_snapshot **out, struct bs_err *err)
{
    return bs_snapshot_refresh(conninfo, NULL, out, err);
}
