/*
 * definition.c - the stored dump is never restored as a whole: what is there stays untouched, and
 * pg_restore writes the SQL of chosen entries only.
 */
#include "restore/definition.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/files.h"
#include "recovery/dump.h"
#include "recovery/tool.h"
#include "recovery/verify.h"
#include "restore/definition_inside.h"
#include "restore/extensions.h"
#include "restore/sqltext.h"

#define TEXT_MAX     BS_DEFINITION_MAX
#define LOCK_WAIT_MS 10000

static enum bs_done
take_output(void *ctx, struct bs_bytes out, struct bs_err *err)
{
    struct bs_buf *b = ctx;

    bs_put_bytes(b, out);
    return b->failed ? BS_FAIL(err, LIMIT, "the definition is larger than %zu bytes", b->max)
                     : BS_DONE;
}

/* Children fail with NO_POINT; here no point is being made. */
static enum bs_done
rename_failure(struct bs_err *err, const struct bs_err *why)
{
    return bs_err_set(err, why->code == BS_E_NO_POINT ? BS_E_UNAVAILABLE : why->code, "%s",
                      why->message);
}

/* pg_restore, which is beside pg_dump, with up to four more arguments. */
static enum bs_done
run_pg_restore(const struct bs_definition *d,
               const char *file,
               const char *const more[4],
               struct bs_buf *out,
               struct bs_err *err)
{
    char program[PATH_MAX + 16], copies[5][PATH_MAX + 16];
    char *argv[7] = {program};
    struct bs_child child;
    struct bs_err why = {0};
    size_t n = 0;

    (void)snprintf(program, sizeof(program), "%.*s/pg_restore",
                   (int)(strrchr(d->pg_dump, '/') - d->pg_dump), d->pg_dump);
    for (; n < 4 && more[n] != NULL; n++)
        (void)snprintf(copies[n], sizeof(copies[n]), "%s", more[n]);
    (void)snprintf(copies[n++], sizeof(copies[0]), "%s", file);
    for (size_t i = 0; i < n; i++)
        argv[i + 1] = copies[i];
    if (bs_tool_start(&child, argv, NULL, &why) != BS_DONE ||
        bs_child_wait(&child, NULL, take_output, out, &why) != BS_DONE)
        return rename_failure(err, &why);
    return BS_DONE;
}

/* A dump of the live database on a snapshot of its own. Zeroed: none. */
struct dumping {
    struct bs_rdb db; /* whose transaction the snapshot is of */
    struct bs_child child;
};

static void
dump_stop(struct dumping *k)
{
    bs_child_kill(&k->child);
    bs_rdb_close(&k->db);
}

static enum bs_done
dump_begin(struct bs_restore *r,
           const struct bs_definition *d,
           struct dumping *k,
           struct bs_err *err)
{
    struct bs_err why = {0};
    PGresult *snapshot = NULL;
    enum bs_done done = BS_FAILED;

    if (bs_rdb_open(r->request.helper, &k->db, err) != BS_DONE)
        return BS_FAILED;
    if (bs_rdb_do(&k->db, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", err) == BS_DONE)
        snapshot = bs_rdb_ask(&k->db, "SELECT pg_catalog.pg_export_snapshot()", 0, NULL, err);
    if (snapshot != NULL) {
        done = bs_dump_start(&k->child, d->pg_dump, k->db.conn, PQgetvalue(snapshot, 0, 0),
                             d->live_file, LOCK_WAIT_MS, &why);
        if (done != BS_DONE)
            (void)rename_failure(err, &why);
    }
    PQclear(snapshot);
    return done;
}

static enum bs_done
dump_end(struct dumping *k, struct bs_err *err)
{
    struct bs_err why = {0};

    if (bs_child_wait(&k->child, NULL, NULL, NULL, &why) == BS_DONE)
        return BS_DONE;
    return rename_failure(err, &why);
}

static enum bs_done
list(const struct bs_definition *d,
     const char *file,
     struct bs_buf *text,
     struct bs_arena *arena,
     struct bs_toc *out,
     struct bs_err *err)
{
    static const char *const more[4] = {"--list", "--verbose"};

    bs_buf_init(text, TEXT_MAX);
    if (run_pg_restore(d, file, more, text, err) != BS_DONE)
        return BS_FAILED;
    return bs_toc_parse(bs_buf_view(text), arena, out, err);
}

/* In a folder as captures have it, so that the next start removes what a crash leaves. */
static enum bs_done
name_files(struct bs_restore *r, struct bs_definition *d, struct bs_err *err)
{
    char id[BS_POINT_ID_TEXT]; /* of none: it only has to be a new one */

    bs_point_id_new(id);
    if (bs_spool_open(&d->spool, r->request.spool, id, err) != BS_DONE ||
        bs_spool_name(&d->spool, "saved", d->saved_file, err) != BS_DONE)
        return BS_FAILED;
    return bs_spool_name(&d->spool, "live", d->live_file, err);
}

/* Texts. */

/* What the whole dump says, entry by entry. */
static enum bs_done
read_texts(const struct bs_definition *d,
           const char *file,
           const struct bs_toc *toc,
           struct bs_arena *arena,
           struct bs_buf *script,
           struct bs_entries *out,
           struct bs_err *err)
{
    static const char *const more[] = {"--file=-", "--verbose", NULL, NULL};

    bs_buf_init(script, TEXT_MAX);
    if (run_pg_restore(d, file, more, script, err) != BS_DONE)
        return BS_FAILED;
    bs_definition_strip(script);
    return bs_entries_cut(bs_buf_view(script), toc, arena, out, err);
}

/* Choosing. */

/* A table that came back without its rows would look like one that was never filled. */
static bool
lacks_rows(const struct bs_restore *r, const struct bs_toc_entry *e, struct bs_arena *arena)
{
    const struct bs_manifest *m = &r->manifest;

    if (!bs_bytes_equal(bs_toc_words(e).kind, BS_LIT("TABLE")))
        return false;
    for (size_t i = 0; i < m->n_objects; i++) {
        const struct bs_point_object *o = &m->objects[i];
        if (!o->partial && !o->columns_only &&
            bs_bytes_equal(e->key, bs_toc_key(o->relkind, o->schema, o->name, arena)))
            return false;
    }
    return true;
}

static bool
needs_any(const struct bs_toc *toc, const struct bs_toc_entry *e, const bool *out)
{
    for (size_t k = 0; k < e->n_needs; k++) {
        size_t at = bs_toc_find(toc, e->needs[k]);
        if (at != toc->n && out[at])
            return true;
    }
    return false;
}

/* Takes them from what was chosen, with all that hangs on them. */
static enum bs_done
leave_empty_tables(struct bs_definition *d, struct bs_arena *arena, struct bs_err *err)
{
    bool *out = bs_arena_array(arena, d->saved.n + 1, sizeof(*out));
    size_t n = 0;

    d->n_left = 0;
    d->left = bs_arena_array(arena, d->n_chosen + 1, sizeof(*d->left));
    if (out == NULL || d->left == NULL)
        return BS_FAIL(err, LIMIT, "the dump has too many entries");
    for (bool more = true; more;) {
        more = false;
        for (size_t i = 0; i < d->n_chosen; i++) {
            const struct bs_toc_entry *e = &d->saved.list[d->chosen[i]];
            if (!out[d->chosen[i]] && (d->rowless[d->chosen[i]] || needs_any(&d->saved, e, out)))
                more = out[d->chosen[i]] = true;
        }
    }
    for (size_t i = 0; i < d->n_chosen; i++) {
        if (out[d->chosen[i]])
            d->left[d->n_left++] = d->chosen[i];
        else
            d->chosen[n++] = d->chosen[i];
    }
    d->n_chosen = n;
    return BS_DONE;
}

static enum bs_done
choose(struct bs_definition *d, struct bs_toc_want want, struct bs_arena *arena, struct bs_err *err)
{
    want.also = d->also;
    want.there = d->there;
    if (bs_toc_choose(&d->saved, &d->live, want, arena, &d->chosen, &d->n_chosen, err) != BS_DONE)
        return BS_FAILED;
    return leave_empty_tables(d, arena, err);
}

/* What can be chosen at all, and what is looked for beside what is asked for by its key. */
static enum bs_done
look_at_entries(struct bs_restore *r, bool about, struct bs_definition *d, struct bs_err *err)
{
    const struct bs_point_statement *s = &r->manifest.statement;
    bool whole = bs_scope_takes_whole(s);

    d->also = bs_arena_array(&r->arena, d->saved.n + 1, sizeof(*d->also));
    d->there = bs_arena_array(&r->arena, d->saved.n + 1, sizeof(*d->there));
    d->rowless = bs_arena_array(&r->arena, d->saved.n + 1, sizeof(*d->rowless));
    if (d->also == NULL || d->there == NULL || d->rowless == NULL ||
        bs_scope_find(&d->saved, &d->live, &r->manifest, r->same_database, &r->arena, &d->scope,
                      err) != BS_DONE)
        return BS_FAIL(err, LIMIT, "the dump has too many entries");
    if (!r->same_database)
        d->also = d->there = NULL; /* nothing there is what was there, whatever its name or OID */
    for (size_t i = 0; i < d->saved.n; i++)
        d->rowless[i] = lacks_rows(r, &d->saved.list[i], &r->arena);
    for (size_t i = 0; d->there != NULL && i < d->saved.n; i++) {
        const struct bs_toc_entry *e = &d->saved.list[i];
        d->there[i] = d->scope.live_of[i] != BS_SCOPE_NONE || d->scope.saved_along[i];
        d->also[i] = about && (whole ? d->scope.saved_named[i] : d->scope.saved_in[i]) &&
                     bs_scope_may(s, e, BS_SCOPE_LOST);
    }
    return BS_DONE;
}

/* The saved one while the live one is being dumped. */
static enum bs_done
read_both(struct bs_restore *r, struct bs_definition *d, struct bs_err *err)
{
    struct dumping k = {0};
    bool done = dump_begin(r, d, &k, err) == BS_DONE &&
                list(d, d->saved_file, &d->saved_text, &r->arena, &d->saved, err) == BS_DONE &&
                read_texts(d, d->saved_file, &d->saved, &r->arena, &d->saved_script, &d->saved_says,
                           err) == BS_DONE &&
                dump_end(&k, err) == BS_DONE;

    dump_stop(&k);
    if (!done)
        return BS_FAILED;
    if (list(d, d->live_file, &d->live_text, &r->arena, &d->live, err) != BS_DONE)
        return BS_FAILED;
    return read_texts(d, d->live_file, &d->live, &r->arena, &d->live_script, &d->live_says, err);
}

enum bs_done
bs_definition_open(struct bs_restore *r,
                   struct bs_toc_want want,
                   struct bs_definition *out,
                   struct bs_err *err)
{
    const struct bs_manifest *m = &r->manifest;
    char version[128];
    struct bs_err why = {0};

    out->elsewhere = !r->same_database;
    out->gin_apart = PQserverVersion(r->db.conn) < 180000;
    out->manifest = &r->manifest;
    if (r->manifest.schema.key == NULL)
        return BS_FAIL(err, UNSUPPORTED, "the point was made without a definition%s%.200s",
                       m->capture.why == NULL ? "" : ": ",
                       m->capture.why == NULL ? "" : m->capture.why);
    if (bs_dump_find(r->request.pg_dumps, r->request.n_pg_dumps, PQserverVersion(r->db.conn),
                     out->pg_dump, version, &why) != BS_DONE)
        return rename_failure(err, &why);
    if (name_files(r, out, err) != BS_DONE ||
        bs_schema_read(r->request.store, &r->manifest.schema, out->saved_file, err) != BS_DONE)
        return BS_FAILED;
    bs_restore_tell(r, "reading the definition of the live database", 0, 0);
    if (read_both(r, out, err) != BS_DONE)
        return BS_FAILED;
    if (look_at_entries(r, want.about, out, err) != BS_DONE ||
        bs_extensions_say(r, out, err) != BS_DONE)
        return BS_FAILED;
    return choose(out, want, &r->arena, err);
}

void
bs_definition_close(struct bs_definition *d)
{
    bs_spool_close(&d->spool);
    bs_buf_fini(&d->saved_text);
    bs_buf_fini(&d->live_text);
    bs_buf_fini(&d->saved_script);
    bs_buf_fini(&d->live_script);
    *d = (struct bs_definition){0};
}

bool
bs_definition_has(const struct bs_definition *d, struct bs_bytes key)
{
    for (size_t i = 0; i < d->n_chosen; i++) {
        if (bs_bytes_equal(d->saved.list[d->chosen[i]].key, key))
            return true;
    }
    return false;
}

bool
bs_definition_there(const struct bs_definition *d, struct bs_bytes key)
{
    for (size_t i = 0; d->there != NULL && i < d->saved.n; i++) {
        if (d->there[i] && bs_bytes_equal(d->saved.list[i].key, key))
            return true;
    }
    return false;
}

/* Scripts. */

static bool
begins(const uint8_t *p, size_t n, const char *word)
{
    return n >= strlen(word) && memcmp(p, word, strlen(word)) == 0;
}

/* What a later pg_restore sets first of all; a server that does not know it fails. */
static const char unknown_before_17[] = "SET transaction_timeout = 0;\n";

/*
 * Only the first such line before any SQL, and the one that closes with its token: a function's
 * body may hold lines that look the same. The settings are those before the first other statement.
 */
void
bs_definition_strip(struct bs_buf *script)
{
    char *token = NULL;
    size_t kept = 0;
    bool sql = false, settings = true;

    for (size_t at = 0, n; at < script->n; at += n) {
        const uint8_t *line = script->p + at;
        const uint8_t *end = memchr(line, '\n', script->n - at);
        n = end == NULL ? script->n - at : (size_t)(end - line) + 1;
        if (!sql && token == NULL && begins(line, n, "\\restrict ")) {
            token = bs_malloc(n + 1);
            memcpy(token, line + 10, n - 10);
            continue;
        }
        if (token != NULL && begins(line, n, "\\unrestrict ") && n - 12 == strlen(token) &&
            memcmp(line + 12, token, n - 12) == 0)
            continue;
        if (settings && n == strlen(unknown_before_17) && begins(line, n, unknown_before_17))
            continue;
        sql = sql || (n > 1 && !begins(line, n, "--"));
        settings = settings && (n == 1 || begins(line, n, "SET ") || begins(line, n, "SELECT ") ||
                                begins(line, n, "--"));
        memmove(script->p + kept, line, n);
        kept += n;
    }
    script->n = kept;
    free(token);
}

/*
 * pg_restore takes privileges and comments to be of the section of the entry before them, and those
 * that are not listed to stand before all others: so the list begins where the dump does.
 */
static enum bs_done
write_list(
    const struct bs_toc *toc, const size_t *chosen, size_t n, const char *path, struct bs_err *err)
{
    struct bs_buf text;
    enum bs_done done;

    bs_buf_init(&text, TEXT_MAX);
    bs_put_bytes(&text, toc->start);
    bs_put_u8(&text, '\n');
    for (size_t i = 0; i < n; i++) {
        bs_put_bytes(&text, toc->list[chosen[i]].line);
        bs_put_u8(&text, '\n');
    }
    done = text.failed ? BS_FAIL(err, LIMIT, "the dump has too many entries")
                       : bs_file_create(path, bs_buf_view(&text), 0600, err);
    bs_buf_fini(&text);
    return done;
}

/* As pg_restore writes them. */
static enum bs_done
entries_of(const struct bs_definition *d,
           const char *file,
           const struct bs_toc *toc,
           const size_t *chosen,
           size_t n,
           const char *section,
           struct bs_buf *out,
           struct bs_err *err)
{
    char path[PATH_MAX + 8], option[PATH_MAX + 24];
    const char *more[4] = {"--file=-", option};
    size_t n_more = 2;
    enum bs_done done;

    (void)snprintf(path, sizeof(path), "%s.list", file);
    (void)snprintf(option, sizeof(option), "--use-list=%s", path);
    if (section != NULL)
        more[n_more++] = section;
    if (d->elsewhere)
        more[n_more++] = "--no-owner";
    if (write_list(toc, chosen, n, path, err) != BS_DONE)
        return BS_FAILED;
    done = run_pg_restore(d, file, more, out, err);
    (void)unlink(path);
    if (done != BS_DONE)
        return BS_FAILED;
    bs_definition_strip(out);
    return BS_DONE;
}

enum bs_done
bs_definition_entries(const struct bs_definition *d,
                      const char *file,
                      const struct bs_toc *toc,
                      const size_t *chosen,
                      size_t n,
                      const char *section,
                      struct bs_buf *out,
                      struct bs_err *err)
{
    if (entries_of(d, file, toc, chosen, n, section, out, err) != BS_DONE)
        return BS_FAILED;
    return toc == &d->saved ? bs_extensions_put_versions(d->manifest, out, err) : BS_DONE;
}

enum bs_done
bs_definition_split(struct bs_definition *d,
                    struct bs_toc_want want,
                    const struct bs_bytes *tables,
                    size_t n_tables,
                    struct bs_arena *arena,
                    struct bs_err *err)
{
    size_t *free_of, n = 0;

    d->n_early = 0;
    if (choose(d, want, arena, err) != BS_DONE ||
        bs_toc_without(&d->saved, tables, n_tables, arena, &free_of, &n, err) != BS_DONE)
        return BS_FAILED;
    d->early = bs_arena_array(arena, d->n_chosen + 1, sizeof(*d->early));
    if (d->early == NULL)
        return BS_FAIL(err, LIMIT, "the dump has too many entries");
    for (size_t i = 0, k = 0; i < d->n_chosen; i++) {
        while (k < n && free_of[k] < d->chosen[i])
            k++;
        if (k < n && free_of[k] == d->chosen[i])
            d->early[d->n_early++] = d->chosen[i];
    }
    return BS_DONE;
}

enum bs_done
bs_definition_sql(const struct bs_definition *d,
                  enum bs_definition_side side,
                  const size_t *entries,
                  size_t n,
                  struct bs_buf *out,
                  struct bs_err *err)
{
    return side == BS_DEFINITION_SAVED
               ? bs_definition_entries(d, d->saved_file, &d->saved, entries, n, NULL, out, err)
               : bs_definition_entries(d, d->live_file, &d->live, entries, n, NULL, out, err);
}

/* The header sets client_encoding, but the server converts the whole text before it runs that. */
static enum bs_done
use_encoding_of(struct bs_restore *r, const char *script, struct bs_err *err)
{
    static const char set[] = "\nSET client_encoding = '";
    const char *at = strstr(script, set);
    char name[64];
    size_t n;

    if (at == NULL)
        return BS_DONE;
    at += sizeof(set) - 1;
    n = strcspn(at, "'");
    if (n >= sizeof(name))
        return BS_FAIL(err, DATA, "the definition names no encoding that exists");
    memcpy(name, at, n);
    name[n] = '\0';
    if (PQsetClientEncoding(r->db.conn, name) != 0)
        return BS_FAIL(err, DATA, "the database does not know the definition's encoding");
    return BS_DONE;
}

enum bs_done
bs_definition_run(struct bs_restore *r, struct bs_buf *script, struct bs_err *err)
{
    bs_put_u8(script, 0);
    if (script->failed)
        return BS_FAIL(err, LIMIT, "the definition is larger than %zu bytes", script->max);
    if (use_encoding_of(r, (const char *)script->p, err) != BS_DONE ||
        bs_rdb_do(&r->db, (const char *)script->p, err) != BS_DONE)
        return BS_FAILED;
    return bs_rdb_pin(&r->db, err);
}

/* Comparing. */

/* Tables and schemas that restores have made beside: no difference that anybody asks for. */
static const char find_ours[] =
    "SELECT c.relkind, n.nspname, c.relname FROM pg_catalog.pg_class c JOIN"
    " pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind = 'r' AND"
    " pg_catalog.obj_description(c.oid, 'pg_class') LIKE '" BS_RESTORE_MARKER "%'"
    " UNION ALL SELECT NULL, n.nspname, NULL FROM pg_catalog.pg_namespace n WHERE"
    " pg_catalog.obj_description(n.oid, 'pg_namespace') LIKE '" BS_RESTORE_MARKER "%'";

struct ours {
    struct bs_bytes *keys;
    size_t n;
};

/* A schema is three entries: itself, its comment, its privileges. None depends on another. */
static void
add_schema(struct bs_restore *r, const char *name, struct ours *out)
{
    static const char *const forms[] = {"SCHEMA - %s", "COMMENT - SCHEMA %s", "ACL - SCHEMA %s"};

    for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
        struct bs_buf b;
        bs_buf_init(&b, 1024);
        bs_put_bytes(&b, (struct bs_bytes){(const uint8_t *)forms[i], strlen(forms[i]) - 2});
        bs_put_str(&b, name);
        out->keys[out->n++] = bs_bytes_of(bs_arena_copy(&r->arena, bs_buf_view(&b)));
        bs_buf_fini(&b);
    }
}

static enum bs_done
find_all_ours(struct bs_restore *r, struct bs_rdb *db, struct ours *out, struct bs_err *err)
{
    PGresult *result = bs_rdb_ask(db, find_ours, 0, NULL, err);

    if (result == NULL)
        return BS_FAILED;
    out->keys = bs_arena_array(&r->arena, 3 * (size_t)PQntuples(result) + 1, sizeof(*out->keys));
    for (int i = 0; out->keys != NULL && i < PQntuples(result); i++) {
        const char *schema = PQgetvalue(result, i, 1);
        if (PQgetisnull(result, i, 2))
            add_schema(r, schema, out);
        else
            out->keys[out->n++] = bs_toc_key('r', schema, PQgetvalue(result, i, 2), &r->arena);
    }
    PQclear(result);
    return out->keys == NULL ? BS_FAIL(err, LIMIT, "the restore's memory is used up") : BS_DONE;
}

static enum bs_done
text_without(struct bs_restore *r,
             const struct bs_definition *d,
             const char *file,
             const struct bs_toc *toc,
             const struct ours *ours,
             struct bs_buf *out,
             struct bs_err *err)
{
    size_t *chosen, n;

    if (bs_toc_without(toc, ours->keys, ours->n, &r->arena, &chosen, &n, err) != BS_DONE)
        return BS_FAILED;
    return entries_of(d, file, toc, chosen, n, NULL, out, err);
}

/* The live dump once more; while it is made, what in it is ours, and the saved text without that. */
static enum bs_done
look_again(struct bs_restore *r,
           struct bs_definition *d,
           struct ours *ours,
           struct bs_buf *saved,
           struct bs_err *err)
{
    struct dumping k = {0};
    bool done;

    (void)unlink(d->live_file);
    bs_buf_fini(&d->live_text);
    done = dump_begin(r, d, &k, err) == BS_DONE && find_all_ours(r, &k.db, ours, err) == BS_DONE &&
           text_without(r, d, d->saved_file, &d->saved, ours, saved, err) == BS_DONE &&
           dump_end(&k, err) == BS_DONE;
    dump_stop(&k);
    return done ? list(d, d->live_file, &d->live_text, &r->arena, &d->live, err) : BS_FAILED;
}

enum bs_done
bs_definition_compare(struct bs_restore *r,
                      struct bs_definition *d,
                      const char **difference,
                      struct bs_err *err)
{
    struct bs_buf saved, live;
    struct ours ours = {0};
    enum bs_done done;

    bs_restore_tell(r, "comparing the definition", 0, 0);
    bs_buf_init(&saved, TEXT_MAX);
    bs_buf_init(&live, TEXT_MAX);
    done = look_again(r, d, &ours, &saved, err);
    if (done == BS_DONE)
        done = text_without(r, d, d->live_file, &d->live, &ours, &live, err);
    if (done == BS_DONE)
        *difference = bs_definition_difference(bs_buf_view(&saved), bs_buf_view(&live), &r->arena);
    if (done == BS_DONE && *difference != NULL) {
        bs_sql_hide(&saved);
        bs_sql_hide(&live);
        *difference = bs_definition_difference(bs_buf_view(&saved), bs_buf_view(&live), &r->arena);
        if (*difference == NULL)
            *difference = "options of a foreign server or user mapping\n";
    }
    bs_buf_fini(&saved);
    bs_buf_fini(&live);
    return done;
}
