/*
 * remedy.c - which way for which kind. Most follow from the two texts: where the statement that
 * makes it is the same, the others are undone or run again; else it is replaced, or dropped and
 * made anew.
 */
#include "restore/remedy.h"

#include <string.h>

#include "restore/extensions.h"
#include "restore/sqltext.h"
#include "restore/text.h"

#define SCRIPT_MAX (64u << 20)

/* Statements. */

static void
put_text(struct bs_buf *b, struct bs_bytes text)
{
    bs_put_bytes(b, text);
}

static struct bs_bytes
upto(struct bs_bytes text, size_t n)
{
    return (struct bs_bytes){text.p, n};
}

/* "ALTER ... DISABLE TRIGGER x" becomes "ALTER ... ENABLE TRIGGER x": `from` is replaced. */
static bool
put_with(struct bs_buf *b, struct bs_bytes statement, const char *from, const char *to)
{
    size_t at = bs_sql_find(statement, from), n = strlen(from);

    if (at == SIZE_MAX)
        return false;
    put_text(b, upto(statement, at));
    bs_put_str(b, to);
    put_text(b, (struct bs_bytes){statement.p + at + n, statement.n - at - n});
    bs_put_str(b, ";\n");
    return true;
}

/* What stands from `from` on goes; `to` comes instead. */
static bool
put_ended(struct bs_buf *b, struct bs_bytes statement, const char *from, const char *to)
{
    size_t at = bs_sql_find(statement, from);

    if (at == SIZE_MAX)
        return false;
    put_text(b, upto(statement, at));
    bs_put_str(b, to);
    bs_put_str(b, ";\n");
    return true;
}

/* Settings of the server that follow the statement which makes an object: how each is undone. */
static const struct {
    const char *from;
    const char *to;
    bool ends; /* what stands behind goes, too */
} undone[] = {
    {" DISABLE TRIGGER ", " ENABLE TRIGGER ", false},
    {" ENABLE REPLICA TRIGGER ", " ENABLE TRIGGER ", false},
    {" ENABLE ALWAYS TRIGGER ", " ENABLE TRIGGER ", false},
    {" DISABLE RULE ", " ENABLE RULE ", false},
    {" ENABLE REPLICA RULE ", " ENABLE RULE ", false},
    {" ENABLE ALWAYS RULE ", " ENABLE RULE ", false},
    {" CLUSTER ON ", " SET WITHOUT CLUSTER", true},
    {" REPLICA IDENTITY ", " REPLICA IDENTITY DEFAULT", true},
    {" SET STATISTICS ", " SET STATISTICS -1", true},
    {" DISABLE", " ENABLE", true}, /* of event triggers */
    {" ENABLE ALWAYS", " ENABLE", true},
    {" ENABLE REPLICA", " ENABLE", true},
};

static bool
put_undo(struct bs_buf *b, struct bs_bytes statement)
{
    if (!bs_bytes_begin(statement, "ALTER "))
        return false;
    if (bs_sql_find(statement, " OWNER TO ") != SIZE_MAX)
        return true; /* the saved one names an owner, too */
    for (size_t i = 0; i < sizeof(undone) / sizeof(undone[0]); i++) {
        if (undone[i].ends ? put_ended(b, statement, undone[i].from, undone[i].to)
                           : put_with(b, statement, undone[i].from, undone[i].to))
            return true;
    }
    return false;
}

static bool
has_statement(struct bs_bytes text, struct bs_bytes statement)
{
    struct bs_bytes one;

    while (bs_sql_next(&text, &one)) {
        if (bs_bytes_equal(one, statement))
            return true;
    }
    return false;
}

/* Where the first statement is the same: those that only one side has. False: not that way. */
static bool
put_followers(struct bs_buf *b, struct bs_bytes saved, struct bs_bytes live)
{
    struct bs_bytes a = saved, c = live, first, other, one;

    if (!bs_sql_next(&a, &first) || !bs_sql_next(&c, &other) || !bs_bytes_equal(first, other))
        return false;
    for (struct bs_bytes rest = c; bs_sql_next(&rest, &one);) {
        if (!has_statement(a, one) && !put_undo(b, one))
            return false;
    }
    for (struct bs_bytes rest = a; bs_sql_next(&rest, &one);) {
        if (has_statement(c, one))
            continue;
        put_text(b, one);
        bs_put_str(b, ";\n");
    }
    return true;
}

/* Entries. */

enum bs_done
bs_remedy_put_entries(const struct bs_definition *d,
                      enum bs_definition_side side,
                      const size_t *entries,
                      size_t n,
                      struct bs_buf *out,
                      struct bs_err *err)
{
    struct bs_buf one;
    enum bs_done done;

    if (n == 0)
        return BS_DONE;
    bs_buf_init(&one, SCRIPT_MAX);
    done = bs_definition_sql(d, side, entries, n, &one, err);
    put_text(out, bs_buf_view(&one));
    bs_buf_fini(&one);
    return done;
}

/* What is part of a live entry, and what is part of that: it goes when the entry is dropped. */
static size_t *
parts_of(const struct bs_toc *toc, size_t entry, struct bs_arena *arena, size_t *n)
{
    bool *in = bs_arena_array(arena, toc->n + 1, sizeof(*in));
    size_t *list = bs_arena_array(arena, toc->n + 1, sizeof(*list));

    *n = 0;
    if (in == NULL || list == NULL)
        return NULL;
    in[entry] = true;
    for (bool more = true; more;) {
        more = false;
        for (size_t i = 0; i < toc->n; i++) {
            const struct bs_toc_entry *e = &toc->list[i];
            for (size_t k = 0; k < e->n_needs && !in[i]; k++) {
                size_t at = bs_toc_find(toc, e->needs[k]);
                if (at != toc->n && in[at] && bs_scope_is_part(toc, e, at))
                    more = in[i] = true;
            }
        }
    }
    for (size_t i = 0; i < toc->n; i++) {
        if (in[i] && i != entry)
            list[(*n)++] = i;
    }
    return list;
}

/* DROP. */

/* Types of pg_identify_object whose identity stands behind DROP as it is. */
static const struct {
    const char *type;
    const char *drop;
} dropped[] = {
    {"view", "VIEW"},
    {"materialized view", "MATERIALIZED VIEW"},
    {"index", "INDEX"},
    {"sequence", "SEQUENCE"},
    {"function", "FUNCTION"},
    {"procedure", "PROCEDURE"},
    {"aggregate", "AGGREGATE"},
    {"operator", "OPERATOR"},
    {"operator class", "OPERATOR CLASS"},
    {"operator family", "OPERATOR FAMILY"},
    {"cast", "CAST"},
    {"collation", "COLLATION"},
    {"conversion", "CONVERSION"},
    {"trigger", "TRIGGER"},
    {"event trigger", "EVENT TRIGGER"},
    {"rule", "RULE"},
    {"policy", "POLICY"},
    {"statistics object", "STATISTICS"},
    {"type", "TYPE"},
    {"schema", "SCHEMA"},
    {"extension", "EXTENSION"},
    {"language", "LANGUAGE"},
    {"access method", "ACCESS METHOD"},
    {"foreign-data wrapper", "FOREIGN DATA WRAPPER"},
    {"server", "SERVER"},
    {"publication", "PUBLICATION"},
    {"text search configuration", "TEXT SEARCH CONFIGURATION"},
    {"text search dictionary", "TEXT SEARCH DICTIONARY"},
    {"text search parser", "TEXT SEARCH PARSER"},
    {"text search template", "TEXT SEARCH TEMPLATE"},
};

/* "a on b", "b in publication a", "for a language b": the two names around the words. */
static bool
put_around(struct bs_buf *out,
           struct bs_bytes identity,
           const char *words,
           const char *before,
           const char *between,
           bool turned)
{
    size_t at = bs_sql_find(identity, words), n = strlen(words);
    struct bs_bytes a, b;

    if (at == SIZE_MAX)
        return false;
    a = upto(identity, at);
    b = (struct bs_bytes){identity.p + at + n, identity.n - at - n};
    bs_put_str(out, before);
    put_text(out, turned ? b : a);
    bs_put_str(out, between);
    put_text(out, turned ? a : b);
    bs_put_str(out, ";\n");
    return true;
}

const char *
bs_remedy_word(const char *type)
{
    for (size_t i = 0; i < sizeof(dropped) / sizeof(dropped[0]); i++) {
        if (strcmp(type, dropped[i].type) == 0)
            return dropped[i].drop;
    }
    return NULL;
}

static void
put_drop(struct bs_buf *out, const char *type, struct bs_bytes identity)
{
    const char *word = bs_remedy_word(type);

    if (word != NULL) {
        bs_put_fmt(out, "DROP %s ", word);
        put_text(out, identity);
        bs_put_str(out, ";\n");
    } else if (strcmp(type, "table constraint") == 0)
        (void)put_around(out, identity, " on ", "ALTER TABLE ", " DROP CONSTRAINT ", true);
    else if (strcmp(type, "domain constraint") == 0)
        (void)put_around(out, identity, " on ", "ALTER DOMAIN ", " DROP CONSTRAINT ", true);
    else if (strcmp(type, "publication relation") == 0)
        (void)put_around(out, identity, " in publication ", "ALTER PUBLICATION ", " DROP TABLE ",
                         true);
    else if (strcmp(type, "publication namespace") == 0)
        (void)put_around(out, identity, " in publication ", "ALTER PUBLICATION ",
                         " DROP TABLES IN SCHEMA ", true);
    else if (strcmp(type, "transform") == 0 && bs_bytes_begin(identity, "for "))
        (void)put_around(out, (struct bs_bytes){identity.p + 4, identity.n - 4}, " language ",
                         "DROP TRANSFORM FOR ", " LANGUAGE ", false);
}

enum bs_done
bs_remedy_put_drop(struct bs_restore *r,
                   const struct bs_toc_entry *e,
                   struct bs_buf *out,
                   struct bs_err *err)
{
    char class_oid[16], oid[16];
    const char *values[] = {class_oid, oid};
    PGresult *result;

    if (e->class_oid == 0)
        return BS_DONE;
    (void)snprintf(class_oid, sizeof(class_oid), "%u", e->class_oid);
    (void)snprintf(oid, sizeof(oid), "%u", e->oid);
    result = bs_rdb_ask(&r->db,
                        "SELECT i.type, i.identity FROM pg_catalog.pg_identify_object"
                        "($1::pg_catalog.oid, $2::pg_catalog.oid, 0) i",
                        2, values, err);
    if (result == NULL)
        return BS_FAILED;
    if (PQntuples(result) != 0 && !PQgetisnull(result, 0, 1))
        put_drop(out, PQgetvalue(result, 0, 0), bs_bytes_of(PQgetvalue(result, 0, 1)));
    PQclear(result);
    return BS_DONE;
}

/* Ways. */

struct finding {
    struct bs_restore *r;
    const struct bs_definition *d;
    const struct bs_altered *change;
    struct bs_remedy *out;
    struct bs_bytes was, is; /* texts; empty: that side has none */
};

/* Takes what is in the buffer as one more way, and empties it. */
static enum bs_done
add_way(struct finding *f, struct bs_buf *b, struct bs_err *err)
{
    const char *text = b->failed ? NULL : bs_arena_copy(&f->r->arena, bs_buf_view(b));

    if (text == NULL)
        return BS_FAIL(err, LIMIT, "the definition is larger than %zu bytes", b->max);
    if (b->n != 0 && f->out->n < BS_REMEDY_WAYS)
        f->out->ways[f->out->n++] = text;
    bs_buf_clear(b);
    return BS_DONE;
}

static bool
is_kind(const struct finding *f, const char *kind)
{
    return strcmp(f->change->type, kind) == 0;
}

/* CREATE of the saved entry's script as CREATE OR REPLACE; its owner comes with it. */
static enum bs_done
replace(struct finding *f, const char *create, const char *instead, struct bs_err *err)
{
    struct bs_buf script, b;
    enum bs_done done;
    size_t n = strlen(create);

    bs_buf_init(&script, SCRIPT_MAX);
    bs_buf_init(&b, SCRIPT_MAX);
    done = bs_remedy_put_entries(f->d, BS_DEFINITION_SAVED, &f->change->saved, 1, &script, err);
    for (size_t at = 0; done == BS_DONE && at + n < script.n; at++) {
        if ((at != 0 && script.p[at - 1] != '\n') || memcmp(script.p + at, create, n) != 0)
            continue;
        put_text(&b, (struct bs_bytes){script.p, at});
        bs_put_str(&b, instead);
        put_text(&b, (struct bs_bytes){script.p + at + n, script.n - at - n});
        done = add_way(f, &b, err);
        break;
    }
    bs_buf_fini(&b);
    bs_buf_fini(&script);
    return done;
}

/* DROP, the saved entry, and what was part of the live one as it is now. */
static enum bs_done
make_anew(struct finding *f, struct bs_err *err)
{
    const struct bs_toc_entry *e = &f->d->live.list[f->change->live];
    struct bs_buf b;
    enum bs_done done;
    size_t n, *list = parts_of(&f->d->live, f->change->live, &f->r->arena, &n);

    if (list == NULL)
        return BS_FAIL(err, LIMIT, "the definition has too many entries");
    bs_buf_init(&b, SCRIPT_MAX);
    done = bs_remedy_put_drop(f->r, e, &b, err);
    if (b.n == 0 && is_kind(f, "USER MAPPING"))
        (void)(put_ended(&b, f->is, " OPTIONS (", "") || put_with(&b, f->is, "CREATE ", "CREATE "));
    if (b.n != 0 && is_kind(f, "USER MAPPING"))
        memcpy(b.p, "DROP  ", 6);
    if (done == BS_DONE && b.n != 0)
        done = bs_remedy_put_entries(f->d, BS_DEFINITION_SAVED, &f->change->saved, 1, &b, err);
    else if (done == BS_DONE)
        goto out;
    if (done == BS_DONE)
        done = bs_remedy_put_entries(f->d, BS_DEFINITION_LIVE, list, n, &b, err);
    if (done == BS_DONE)
        done = add_way(f, &b, err);
out:
    bs_buf_fini(&b);
    return done;
}

static enum bs_done
saved_again(struct finding *f, struct bs_err *err)
{
    struct bs_buf b;
    enum bs_done done;

    bs_buf_init(&b, SCRIPT_MAX);
    done = bs_remedy_put_entries(f->d, BS_DEFINITION_SAVED, &f->change->saved, 1, &b, err);
    if (done == BS_DONE)
        done = add_way(f, &b, err);
    bs_buf_fini(&b);
    return done;
}

/* A property that the saved side does not have. */
static enum bs_done
take_away(struct finding *f, struct bs_err *err)
{
    struct bs_bytes text = f->is, one;
    struct bs_buf b;
    enum bs_done done;

    bs_buf_init(&b, SCRIPT_MAX);
    while (bs_sql_next(&text, &one)) {
        if (is_kind(f, "COMMENT") || is_kind(f, "SECURITY LABEL"))
            (void)put_ended(&b, one, " IS ", " IS NULL");
        else if (is_kind(f, "DEFAULT"))
            (void)put_ended(&b, one, " SET DEFAULT ", " DROP DEFAULT");
        else if (is_kind(f, "ROW SECURITY"))
            (void)put_with(&b, one, " ENABLE ROW LEVEL SECURITY", " DISABLE ROW LEVEL SECURITY");
        else if (is_kind(f, "SEQUENCE OWNED BY"))
            (void)put_ended(&b, one, " OWNED BY ", " OWNED BY NONE");
        else if (is_kind(f, "TABLE ATTACH"))
            (void)(put_ended(&b, one, " FOR VALUES ", "") || put_ended(&b, one, " DEFAULT", ""));
    }
    if (is_kind(f, "TABLE ATTACH") && b.n != 0) {
        struct bs_buf detach;
        struct bs_bytes attach = {b.p, b.n - 2};
        bs_buf_init(&detach, SCRIPT_MAX);
        (void)put_with(&detach, attach, " ATTACH PARTITION ", " DETACH PARTITION ");
        done = add_way(f, &detach, err);
        bs_buf_fini(&detach);
    } else
        done = add_way(f, &b, err);
    bs_buf_fini(&b);
    return done;
}

/* Options of a sequence, all of which pg_dump writes but for those that are as by default. */
static void
put_sequence_options(struct bs_buf *b, struct bs_bytes statement, size_t from)
{
    struct bs_bytes options = {statement.p + from, statement.n - from};

    bs_put_str(b, " ");
    put_text(b, options);
    if (bs_sql_find(options, "\n    CYCLE") == SIZE_MAX)
        bs_put_str(b, " NO CYCLE");
    if (bs_sql_find(options, "\n    AS ") == SIZE_MAX)
        bs_put_str(b, " AS bigint");
    bs_put_str(b, ";\n");
}

/* "ALTER TABLE t ALTER COLUMN c ADD GENERATED ALWAYS AS IDENTITY (\n SEQUENCE NAME s\n ...)" */
static void
put_identity(struct bs_buf *b, struct bs_bytes statement, size_t at)
{
    static const char add[] = " ADD GENERATED ", as[] = " AS IDENTITY (\n    SEQUENCE NAME ";
    size_t end = bs_sql_find(statement, as);
    struct bs_bytes rest;
    size_t line = 0;

    if (end == SIZE_MAX || end < at)
        return;
    put_text(b, upto(statement, at));
    bs_put_str(b, " SET GENERATED ");
    put_text(b, (struct bs_bytes){statement.p + at + sizeof(add) - 1, end - at - sizeof(add) + 1});
    bs_put_str(b, ";\nALTER SEQUENCE ");
    rest =
        (struct bs_bytes){statement.p + end + sizeof(as) - 1, statement.n - end - sizeof(as) + 1};
    line = bs_sql_find(rest, "\n");
    if (line == SIZE_MAX || rest.n == 0)
        return;
    rest.n--; /* the bracket */
    put_text(b, upto(rest, line));
    put_sequence_options(b, rest, line);
}

static enum bs_done
alter_sequence(struct finding *f, struct bs_err *err)
{
    static const char create[] = "CREATE SEQUENCE ", identity[] = " ADD GENERATED ";
    struct bs_bytes text = f->was, one;
    struct bs_buf b;
    enum bs_done done;
    size_t line;

    bs_buf_init(&b, SCRIPT_MAX);
    while (bs_sql_next(&text, &one)) {
        line = bs_sql_find(one, "\n");
        if (bs_bytes_begin(one, create) && line != SIZE_MAX) {
            bs_put_str(&b, "ALTER SEQUENCE ");
            put_text(&b, (struct bs_bytes){one.p + sizeof(create) - 1, line - sizeof(create) + 1});
            put_sequence_options(&b, one, line);
        } else if (bs_sql_find(one, identity) != SIZE_MAX)
            put_identity(&b, one, bs_sql_find(one, identity));
        else {
            put_text(&b, one);
            bs_put_str(&b, ";\n");
        }
    }
    done = add_way(f, &b, err);
    bs_buf_fini(&b);
    return done;
}

/* Kinds that a relation or type is, with what is in it: they are altered, never made anew. */
static bool
holds_data(const struct finding *f)
{
    static const char *const kinds[] = {"TABLE",  "SEQUENCE",  "TYPE",         "DOMAIN",
                                        "SCHEMA", "EXTENSION", "FOREIGN TABLE"};

    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        if (is_kind(f, kinds[i]))
            return true;
    }
    return false;
}

static enum bs_done
follow(struct finding *f, struct bs_err *err)
{
    struct bs_buf b;
    enum bs_done done = BS_DONE;

    bs_buf_init(&b, SCRIPT_MAX);
    if (put_followers(&b, f->was, f->is))
        done = add_way(f, &b, err);
    bs_buf_fini(&b);
    return done;
}

static enum bs_done
reshape(struct finding *f, struct bs_err *err)
{
    struct bs_buf b;
    enum bs_done done;

    bs_buf_init(&b, SCRIPT_MAX);
    done = bs_remedy_put_reshape(f->r, f->d, f->change, &b, &f->out->why, &f->out->nothing,
                                 &f->out->theirs, err);
    if (done == BS_DONE)
        done = add_way(f, &b, err);
    bs_buf_fini(&b);
    return done;
}

static enum bs_done
privileges(struct finding *f, struct bs_err *err)
{
    struct bs_buf b;
    enum bs_done done;

    bs_buf_init(&b, SCRIPT_MAX);
    done = bs_remedy_put_privileges(f->r, f->d, f->change, &b, err);
    if (done == BS_DONE)
        done = add_way(f, &b, err);
    bs_buf_fini(&b);
    return done;
}

/* What it publishes, and how; that it is for all tables cannot be changed. */
static enum bs_done
alter_publication(struct finding *f, struct bs_err *err)
{
    static const char create[] = "CREATE PUBLICATION ", only[] = " ADD TABLE ONLY ";
    struct bs_bytes text = f->was, one, is = f->is, name;
    struct bs_buf b;
    enum bs_done done = BS_DONE;
    size_t at;

    bs_buf_init(&b, SCRIPT_MAX);
    if (bs_sql_next(&text, &one) && bs_bytes_begin(one, create)) {
        bs_put_str(&b, "ALTER PUBLICATION ");
        one = (struct bs_bytes){one.p + sizeof(create) - 1, one.n - sizeof(create) + 1};
        if (bs_sql_find(one, " FOR ALL TABLES") != SIZE_MAX ||
            !put_with(&b, one, " WITH (", " SET ("))
            bs_buf_clear(&b);
    } else if (bs_sql_next(&is, &name) && (at = bs_sql_find(name, only)) != SIZE_MAX) {
        size_t from = at + sizeof(only) - 1, end = name.n - from;
        struct bs_bytes table = {name.p + from, end};
        size_t list = bs_sql_find(table, " ("), where = bs_sql_find(table, " WHERE ");
        end = list < end ? list : end;
        table.n = where < end ? where : end;
        put_text(&b, upto(name, at));
        bs_put_str(&b, " DROP TABLE ");
        put_text(&b, table);
        bs_put_str(&b, ";\n");
        put_text(&b, one);
        bs_put_str(&b, ";\n");
    }
    done = add_way(f, &b, err);
    bs_buf_fini(&b);
    return done;
}

static enum bs_done
alter_extension(struct finding *f, struct bs_err *err)
{
    struct bs_buf b;
    enum bs_done done;

    bs_buf_init(&b, SCRIPT_MAX);
    bs_extensions_put_alter(f->was, f->is, &b);
    done = add_way(f, &b, err);
    bs_buf_fini(&b);
    return done;
}

/* What hangs on it keeps it from going. */
static enum bs_done
alter_options(struct finding *f, struct bs_err *err)
{
    struct bs_buf b;
    enum bs_done done;

    bs_buf_init(&b, SCRIPT_MAX);
    bs_remedy_put_options(f->change->type, f->was, f->is, &b);
    done = add_way(f, &b, err);
    bs_buf_fini(&b);
    return done;
}

/* Both sides have it. */
static enum bs_done
bring_back(struct finding *f, struct bs_err *err)
{
    static const struct {
        const char *kind;
        const char *create;
        const char *instead;
    } replaced[] = {
        {"FUNCTION", "CREATE FUNCTION ", "CREATE OR REPLACE FUNCTION "},
        {"PROCEDURE", "CREATE PROCEDURE ", "CREATE OR REPLACE PROCEDURE "},
        {"AGGREGATE", "CREATE AGGREGATE ", "CREATE OR REPLACE AGGREGATE "},
        {"VIEW", "CREATE VIEW ", "CREATE OR REPLACE VIEW "},
        {"RULE", "CREATE RULE ", "CREATE OR REPLACE RULE "},
    };

    if (is_kind(f, "COMMENT") || is_kind(f, "SECURITY LABEL") || is_kind(f, "DEFAULT") ||
        is_kind(f, "SEQUENCE OWNED BY"))
        return saved_again(f, err);
    for (size_t i = 0; i < sizeof(replaced) / sizeof(replaced[0]); i++) {
        if (is_kind(f, replaced[i].kind) &&
            replace(f, replaced[i].create, replaced[i].instead, err) != BS_DONE)
            return BS_FAILED;
    }
    if (is_kind(f, "EXTENSION"))
        return alter_extension(f, err);
    if (is_kind(f, "TABLE") || is_kind(f, "DOMAIN") || is_kind(f, "TYPE") ||
        is_kind(f, "FOREIGN TABLE"))
        return reshape(f, err);
    if (f->out->n == 0 && follow(f, err) != BS_DONE)
        return BS_FAILED;
    if ((is_kind(f, "SERVER") || is_kind(f, "FOREIGN DATA WRAPPER")) && f->out->n == 0 &&
        alter_options(f, err) != BS_DONE)
        return BS_FAILED;
    if (is_kind(f, "SEQUENCE") && f->out->n == 0)
        return alter_sequence(f, err);
    if (is_kind(f, "PUBLICATION") || is_kind(f, "PUBLICATION TABLE"))
        return alter_publication(f, err);
    return holds_data(f) || f->out->n == BS_REMEDY_WAYS ? BS_DONE : make_anew(f, err);
}

/* Only the live side has it, and it is a thing of its own. */
static enum bs_done
drop(struct finding *f, struct bs_err *err)
{
    struct bs_buf b;
    enum bs_done done;

    if (holds_data(f) || is_kind(f, "MATERIALIZED VIEW")) {
        f->out->why = "it may hold what nobody has saved: drop it yourself";
        return BS_DONE;
    }
    bs_buf_init(&b, SCRIPT_MAX);
    done = bs_remedy_put_drop(f->r, &f->d->live.list[f->change->live], &b, err);
    if (done == BS_DONE)
        done = add_way(f, &b, err);
    bs_buf_fini(&b);
    return done;
}

static enum bs_done
rename_back(struct finding *f, struct bs_err *err)
{
    struct bs_buf b;
    enum bs_done done;

    bs_buf_init(&b, SCRIPT_MAX);
    done = bs_remedy_put_name(f->r, f->d, f->change, &b, err);
    if (done == BS_DONE)
        done = add_way(f, &b, err);
    bs_buf_fini(&b);
    return done;
}

static enum bs_done
find(struct finding *f, struct bs_err *err)
{
    if (f->change->kind == BS_CHANGE_MOVED)
        return rename_back(f, err);
    if (is_kind(f, "ACL") || is_kind(f, "DEFAULT ACL"))
        return privileges(f, err);
    if (f->change->kind == BS_CHANGE_MADE)
        return drop(f, err);
    return f->change->saved == BS_SCOPE_NONE ? take_away(f, err) : bring_back(f, err);
}

enum bs_done
bs_remedy_find(struct bs_restore *r,
               const struct bs_definition *d,
               const struct bs_altered *change,
               struct bs_remedy *out,
               struct bs_err *err)
{
    struct finding f = {.r = r, .d = d, .change = change, .out = out};

    *out = (struct bs_remedy){0};
    if (change->saved != BS_SCOPE_NONE)
        f.was = d->saved_says.texts[change->saved];
    if (change->live != BS_SCOPE_NONE)
        f.is = d->live_says.texts[change->live];
    if (find(&f, err) != BS_DONE)
        return BS_FAILED;
    if (out->n == 0 && out->why == NULL && !out->nothing)
        out->why = "there is no statement that changes it back";
    return BS_DONE;
}
