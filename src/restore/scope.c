/*
 * scope.c - pairing, then marking: a mark goes from an object to its parts until nothing more is
 * found.
 */
#include "restore/scope.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "restore/sqltext.h"

/* Kinds of entries that are part of another one; those with `named` say whose by its name. */
static const struct {
    const char *kind;
    bool named;
} parts[] = {
    {"INDEX", false},
    {"INDEX ATTACH", false},
    {"TABLE ATTACH", false},
    {"CONSTRAINT", true},
    {"FK CONSTRAINT", true},
    {"CHECK CONSTRAINT", true},
    {"TRIGGER", true},
    {"RULE", true},
    {"POLICY", true},
    {"DEFAULT", true},
    {"ROW SECURITY", false},
    {"SEQUENCE OWNED BY", false},
    {"SEQUENCE", false},
    {"STATISTICS", false},
    {"COMMENT", false},
    {"ACL", false},
    {"SECURITY LABEL", false},
    {"PUBLICATION TABLE", false},
    {"PUBLICATION TABLES IN SCHEMA", false},
    {"USER MAPPING", false},
};

/* "users touch" is a part of "users". */
static bool
names(const struct bs_toc_entry *e, const struct bs_toc_entry *of)
{
    struct bs_toc_words a = bs_toc_words(e), b = bs_toc_words(of);

    return bs_bytes_equal(a.schema, b.schema) && a.name.n > b.name.n &&
           memcmp(a.name.p, b.name.p, b.name.n) == 0 && a.name.p[b.name.n] == ' ';
}

bool
bs_scope_is_part(const struct bs_toc *toc, const struct bs_toc_entry *e, size_t of)
{
    struct bs_bytes kind = bs_toc_words(e).kind;
    bool named = false, part = false;

    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]) && !part; i++) {
        part = bs_bytes_equal(kind, bs_bytes_of(parts[i].kind));
        named = parts[i].named;
    }
    for (size_t k = 0; part && k < e->n_needs; k++) {
        if (e->needs[k] == toc->list[of].dump_id)
            return !named || names(e, &toc->list[of]);
    }
    return false;
}

struct bs_bytes
bs_scope_own_name(const struct bs_toc *toc, size_t entry)
{
    const struct bs_toc_entry *e = &toc->list[entry];
    struct bs_bytes own = bs_toc_words(e).name;
    const uint8_t *args;

    for (size_t k = 0; k < e->n_needs; k++) {
        size_t at = bs_toc_find(toc, e->needs[k]);
        size_t n = at == toc->n ? 0 : bs_toc_words(&toc->list[at]).name.n + 1;
        if (at != toc->n && names(e, &toc->list[at]) && bs_scope_is_part(toc, e, at))
            return (struct bs_bytes){own.p + n, own.n - n};
    }
    args = memchr(own.p, '(', own.n);
    if (args != NULL &&
        (bs_toc_is(e, "FUNCTION") || bs_toc_is(e, "PROCEDURE") || bs_toc_is(e, "AGGREGATE")))
        own.n = (size_t)(args - own.p);
    return own;
}

/* Of something in the same list: then it is in that one's schema. */
static bool
is_any_part(const struct bs_toc *toc, size_t entry)
{
    const struct bs_toc_entry *e = &toc->list[entry];

    for (size_t k = 0; k < e->n_needs; k++) {
        size_t at = bs_toc_find(toc, e->needs[k]);
        if (at != toc->n && !bs_toc_is(&toc->list[at], "SCHEMA") && bs_scope_is_part(toc, e, at))
            return true;
    }
    return false;
}

/* Is the one schema the other under its old name? */
static bool
is_schema_renamed(const struct bs_toc *saved,
                  const struct bs_toc *live,
                  const struct bs_scope *s,
                  struct bs_bytes was,
                  struct bs_bytes is)
{
    for (size_t i = 0; i < saved->n; i++) {
        if (bs_toc_is(&saved->list[i], "SCHEMA") &&
            bs_bytes_equal(bs_toc_words(&saved->list[i]).name, was))
            return s->live_of[i] != BS_SCOPE_NONE &&
                   bs_bytes_equal(bs_toc_words(&live->list[s->live_of[i]]).name, is);
    }
    return false;
}

unsigned
bs_scope_moved(const struct bs_toc *saved,
               const struct bs_toc *live,
               const struct bs_scope *s,
               size_t entry)
{
    size_t now = s->live_of[entry];
    struct bs_toc_words was = bs_toc_words(&saved->list[entry]),
                        is = bs_toc_words(&live->list[now]);
    unsigned moved = BS_SCOPE_STAYED;

    /* These are called by what they are about. */
    if (bs_toc_is(&saved->list[entry], "PUBLICATION TABLE") ||
        bs_toc_is(&saved->list[entry], "DEFAULT"))
        return moved;
    if (!bs_bytes_equal(bs_scope_own_name(saved, entry), bs_scope_own_name(live, now)))
        moved |= BS_SCOPE_RENAMED;
    if (!bs_bytes_equal(was.schema, is.schema) && !is_any_part(saved, entry) &&
        !is_schema_renamed(saved, live, s, was.schema, is.schema))
        moved |= BS_SCOPE_OTHER_SCHEMA;
    return moved;
}

/* Pairing. */

struct keyed {
    struct bs_bytes key;
    uint32_t class_oid, oid;
    size_t at;
};

static int
by_key(const void *a, const void *b)
{
    const struct keyed *x = a, *y = b;
    size_t n = x->key.n < y->key.n ? x->key.n : y->key.n;
    int c = n == 0 ? 0 : memcmp(x->key.p, y->key.p, n);

    return c != 0 ? c : (x->key.n > y->key.n) - (x->key.n < y->key.n);
}

static int
by_oid(const void *a, const void *b)
{
    const struct keyed *x = a, *y = b;
    int c = (x->class_oid > y->class_oid) - (x->class_oid < y->class_oid);

    return c != 0 ? c : (x->oid > y->oid) - (x->oid < y->oid);
}

typedef int compare_fn(const void *a, const void *b);

static struct keyed
keyed_of(const struct bs_toc *toc, size_t i)
{
    return (struct keyed){toc->list[i].key, toc->list[i].class_oid, toc->list[i].oid, i};
}

static void
pair(struct bs_scope *s, size_t saved, size_t live)
{
    s->live_of[saved] = live;
    s->saved_of[live] = saved;
}

/* One that has the same, and no partner yet; of several (operators) the one with the same OID. */
static const struct keyed *
find(
    const struct keyed *list, size_t n, struct keyed probe, compare_fn *compare, struct bs_scope *s)
{
    const struct keyed *hit = bsearch(&probe, list, n, sizeof(*list), compare), *found = NULL;

    if (hit == NULL)
        return NULL;
    while (hit > list && compare(hit - 1, &probe) == 0)
        hit--;
    for (; hit < list + n && compare(hit, &probe) == 0; hit++) {
        bool same = hit->oid == probe.oid && hit->class_oid == probe.class_oid;
        if (s->saved_of[hit->at] == BS_SCOPE_NONE && (found == NULL || same))
            found = hit;
    }
    return found;
}

static struct keyed *
sorted(const struct bs_toc *toc, compare_fn *compare, struct bs_arena *arena)
{
    struct keyed *list = bs_arena_array(arena, toc->n + 1, sizeof(*list));

    for (size_t i = 0; list != NULL && i < toc->n; i++)
        list[i] = keyed_of(toc, i);
    if (list != NULL)
        qsort(list, toc->n, sizeof(*list), compare);
    return list;
}

/* Of the same OID, and not paired yet. An OID may be anybody's by now, but not of another kind. */
static const struct keyed *
find_oid(const struct bs_toc *saved,
         size_t i,
         const struct bs_toc *live,
         const struct keyed *oids,
         struct bs_scope *s)
{
    const struct keyed *hit = NULL;

    if (s->live_of[i] == BS_SCOPE_NONE && saved->list[i].class_oid != 0)
        hit = find(oids, live->n, keyed_of(saved, i), by_oid, s);
    if (hit != NULL &&
        bs_bytes_equal(bs_toc_words(&saved->list[i]).kind, bs_toc_words(&live->list[hit->at]).kind))
        return hit;
    return NULL;
}

/*
 * What has another name by now, where one that was called otherwise has got its: both are there, and
 * not what they are called tells which is which.
 */
static void
pair_renamed(const struct bs_toc *saved,
             const struct bs_toc *live,
             const struct keyed *keys,
             const struct keyed *oids,
             const struct keyed *were,
             struct bs_scope *s)
{
    for (size_t i = 0; i < saved->n; i++) {
        const struct keyed mine = keyed_of(saved, i), *now = find_oid(saved, i, live, oids, s),
                           *other = now == NULL ? NULL : find(keys, live->n, mine, by_key, s),
                           *was = NULL;
        if (other != NULL && now->at != other->at && by_oid(other, &mine) != 0 &&
            by_key(now, &mine) != 0)
            was = bsearch(other, were, saved->n, sizeof(*were), by_oid);
        if (was != NULL && bs_bytes_equal(bs_toc_words(&saved->list[was->at]).kind,
                                          bs_toc_words(&live->list[other->at]).kind))
            pair(s, i, now->at);
    }
}

static enum bs_done
pair_all(const struct bs_toc *saved,
         const struct bs_toc *live,
         bool same_database,
         struct bs_arena *arena,
         struct bs_scope *s,
         struct bs_err *err)
{
    const struct keyed *keys = sorted(live, by_key, arena), *oids = sorted(live, by_oid, arena),
                       *were = sorted(saved, by_oid, arena);

    if (keys == NULL || oids == NULL || were == NULL)
        return BS_FAIL(err, LIMIT, "the dump has too many entries");
    if (same_database)
        pair_renamed(saved, live, keys, oids, were, s);
    for (size_t i = 0; i < saved->n; i++) {
        const struct keyed *hit = s->live_of[i] != BS_SCOPE_NONE
                                      ? NULL
                                      : find(keys, live->n, keyed_of(saved, i), by_key, s);
        if (hit != NULL)
            pair(s, i, hit->at);
    }
    for (size_t i = 0; i < saved->n; i++) {
        const struct keyed *hit = find_oid(saved, i, live, oids, s);
        if (hit != NULL)
            pair(s, i, hit->at);
    }
    return BS_DONE;
}

/* What has no catalog row of its own is called by its object's name: renamed along with it. */
static bool
goes_along(const struct bs_toc *toc,
           size_t i,
           const struct bs_toc *other,
           const size_t *pairs,
           const bool *along)
{
    const struct bs_toc_entry *e = &toc->list[i];

    for (size_t k = 0; k < e->n_needs; k++) {
        size_t at = bs_toc_find(toc, e->needs[k]);
        if (at != toc->n && bs_scope_is_part(toc, e, at) &&
            (along[at] || (pairs[at] != BS_SCOPE_NONE &&
                           !bs_bytes_equal(toc->list[at].key, other->list[pairs[at]].key))))
            return true;
    }
    return false;
}

static void
mark_along(const struct bs_toc *toc, const struct bs_toc *other, const size_t *pairs, bool *along)
{
    for (size_t i = 0; i < toc->n; i++) {
        if (pairs[i] == BS_SCOPE_NONE && toc->list[i].class_oid == 0)
            along[i] = goes_along(toc, i, other, pairs, along);
    }
}

/* Marking. */

/* Privileges of a schema that a dump does not make itself, such as "public". */
static bool
is_of_schema(const struct bs_point_dependent *d, const struct bs_toc_entry *e)
{
    struct bs_bytes name = bs_toc_words(e).name, schema = bs_bytes_of(d->identity);
    size_t n = sizeof("SCHEMA ") - 1;

    return d->type != NULL && strcmp(d->type, "schema") == 0 && name.n == n + schema.n &&
           bs_bytes_begin(name, "SCHEMA ") && memcmp(name.p + n, schema.p, schema.n) == 0;
}

/* Puts a name as a dump's listing has it, without quotes. */
static void
put_bare(struct bs_buf *b, struct bs_bytes name)
{
    bool quoted = name.n > 1 && name.p[0] == '"';

    for (size_t i = quoted; i + quoted < name.n; i++) {
        bs_put_u8(b, name.p[i]);
        i += quoted && name.p[i] == '"'; /* it stands there twice */
    }
}

/* A dump gives it no OID: "USER MAPPING a SERVER b" is "a on server b". */
static bool
is_of_mapping(const struct bs_point_dependent *d, const struct bs_toc_entry *e)
{
    static const char on[] = " on server ";
    struct bs_bytes text = d->type != NULL && strcmp(d->type, "user mapping") == 0
                               ? bs_bytes_of(d->identity)
                               : (struct bs_bytes){0};
    size_t at = text.n == 0 ? SIZE_MAX : bs_sql_find(text, on), n = sizeof(on) - 1;
    struct bs_buf b;
    bool same;

    if (at == SIZE_MAX || !bs_toc_is(e, "USER MAPPING"))
        return false;
    bs_buf_init(&b, 1024);
    bs_put_str(&b, "USER MAPPING ");
    put_bare(&b, (struct bs_bytes){text.p, at});
    bs_put_str(&b, " SERVER ");
    put_bare(&b, (struct bs_bytes){text.p + at + n, text.n - at - n});
    same = !b.failed && bs_bytes_equal(bs_buf_view(&b), bs_toc_words(e).name);
    bs_buf_fini(&b);
    return same;
}

/* The name at the front of an identity, quoted or not; what follows it stays in `in`. */
static bool
take_name(struct bs_bytes *in, struct bs_bytes name)
{
    struct bs_bytes b = *in;
    bool quoted = b.n != 0 && b.p[0] == '"';
    size_t at = quoted;

    for (size_t i = 0; i < name.n; i++, at++) {
        at += quoted && at + 1 < b.n && b.p[at] == '"' && b.p[at + 1] == '"';
        if (at >= b.n || b.p[at] != name.p[i])
            return false;
    }
    if (quoted && (at >= b.n || b.p[at++] != '"'))
        return false;
    *in = (struct bs_bytes){b.p + at, b.n - at};
    return at == b.n || b.p[at] == '.';
}

/* A default or check of a table has no entry of its own: its table's has it. */
static bool
has_part(const struct bs_point_dependent *d, const struct bs_toc_entry *e)
{
    enum { DEFAULTS = 2604, CONSTRAINTS = 2606 }; /* catalog/pg_attrdef.h, pg_constraint.h */
    struct bs_toc_words words = bs_toc_words(e);
    struct bs_bytes of = bs_bytes_of(d->identity);
    const char *before = d->class_oid == DEFAULTS ? "for " : " on ";
    size_t at = bs_sql_find(of, before);

    if ((d->class_oid != DEFAULTS && d->class_oid != CONSTRAINTS) || at == SIZE_MAX)
        return false;
    of = (struct bs_bytes){of.p + at + 4, of.n - at - 4};
    if (!take_name(&of, words.schema) || of.n == 0)
        return false;
    of = (struct bs_bytes){of.p + 1, of.n - 1};
    return take_name(&of, words.name) && (of.n == 0) == (d->class_oid == CONSTRAINTS);
}

static bool
is_named(const struct bs_manifest *m, const struct bs_toc_entry *e)
{
    static const uint32_t pg_class = 1259;

    for (size_t i = 0; (bs_toc_is(e, "ACL") || bs_toc_is(e, "COMMENT")) && i < m->n_closure; i++) {
        if (is_of_schema(&m->closure[i], e))
            return true;
    }

    for (size_t i = 0; e->class_oid != 0 && i < m->n_closure; i++) {
        if (m->closure[i].class_oid == e->class_oid && m->closure[i].oid == e->oid)
            return true;
    }
    for (size_t i = 0; i < m->n_closure; i++) {
        if (is_of_mapping(&m->closure[i], e))
            return true;
    }
    for (size_t i = 0; e->class_oid == pg_class && i < m->n_objects; i++) {
        if (m->objects[i].oid == e->oid)
            return true;
    }
    return false;
}

static bool
is_named_itself(const struct bs_manifest *m, const struct bs_toc_entry *e)
{
    for (size_t i = 0; e->class_oid != 0 && i < m->n_closure; i++) {
        if (m->closure[i].class_oid == e->class_oid && m->closure[i].oid == e->oid)
            return !m->closure[i].part;
    }
    return false;
}

static void
mark_parts(const struct bs_toc *toc, bool *in)
{
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
}

static bool
is_entry(const struct bs_toc *toc, const struct bs_point_dependent *d)
{
    for (size_t i = 0; i < toc->n; i++) {
        if (toc->list[i].class_oid == d->class_oid && toc->list[i].oid == d->oid)
            return true;
    }
    return false;
}

/* Tables that lose a default or check by CASCADE: the table alone, not what else is part of it. */
static void
mark_tables(const struct bs_toc *saved, const struct bs_manifest *m, bool *in)
{
    for (size_t i = 0; i < m->n_closure; i++) {
        const struct bs_point_dependent *d = &m->closure[i];
        for (size_t k = 0; !is_entry(saved, d) && k < saved->n; k++)
            in[k] = in[k] || (bs_toc_is(&saved->list[k], "TABLE") && has_part(d, &saved->list[k]));
    }
}

static void
mark(const struct bs_toc *saved,
     const struct bs_toc *live,
     const struct bs_manifest *m,
     struct bs_scope *s)
{
    /* Such rules are of no object that a statement could name. */
    bool all =
        m->statement.kind != NULL && (strcmp(m->statement.kind, "ALTER DEFAULT PRIVILEGES") == 0 ||
                                      strcmp(m->statement.kind, "COPY-BACK") == 0);
    /* A cast has no name that could be looked for; which ones are gone since, the dumps tell. */
    bool casts = m->statement.kind != NULL && strcmp(m->statement.kind, "DROP CAST") == 0;

    for (size_t i = 0; i < saved->n; i++) {
        bool cast = casts && bs_toc_is(&saved->list[i], "CAST");
        s->saved_named[i] = cast || is_named_itself(m, &saved->list[i]);
        s->saved_in[i] = cast || is_named(m, &saved->list[i]) ||
                         (all && bs_toc_is(&saved->list[i], "DEFAULT ACL"));
    }
    for (size_t i = 0; i < live->n; i++) {
        size_t was = s->saved_of[i];
        s->live_in[i] =
            is_named(m, &live->list[i]) || (all && bs_toc_is(&live->list[i], "DEFAULT ACL"));
        if (was != BS_SCOPE_NONE)
            s->live_in[i] = s->saved_in[was] = s->live_in[i] || s->saved_in[was];
    }
    mark_parts(saved, s->saved_in);
    mark_parts(live, s->live_in);
    if (m->statement.kind != NULL && strncmp(m->statement.kind, "DROP ", 5) == 0)
        mark_tables(saved, m, s->saved_in);
    for (size_t i = 0; i < live->n; i++) {
        size_t was = s->saved_of[i];
        if (was != BS_SCOPE_NONE)
            s->live_in[i] = s->saved_in[was] = s->live_in[i] || s->saved_in[was];
    }
}

enum bs_done
bs_scope_find(const struct bs_toc *saved,
              const struct bs_toc *live,
              const struct bs_manifest *m,
              bool same_database,
              struct bs_arena *arena,
              struct bs_scope *out,
              struct bs_err *err)
{
    *out = (struct bs_scope){
        .live_of = bs_arena_array(arena, saved->n + 1, sizeof(*out->live_of)),
        .saved_of = bs_arena_array(arena, live->n + 1, sizeof(*out->saved_of)),
        .saved_in = bs_arena_array(arena, saved->n + 1, sizeof(bool)),
        .live_in = bs_arena_array(arena, live->n + 1, sizeof(bool)),
        .saved_named = bs_arena_array(arena, saved->n + 1, sizeof(bool)),
        .saved_along = bs_arena_array(arena, saved->n + 1, sizeof(bool)),
        .live_along = bs_arena_array(arena, live->n + 1, sizeof(bool)),
    };
    if (out->live_of == NULL || out->saved_of == NULL || out->saved_in == NULL ||
        out->live_in == NULL || out->saved_named == NULL || out->saved_along == NULL ||
        out->live_along == NULL)
        return BS_FAIL(err, LIMIT, "the dump has too many entries");
    for (size_t i = 0; i < saved->n; i++)
        out->live_of[i] = BS_SCOPE_NONE;
    for (size_t i = 0; i < live->n; i++)
        out->saved_of[i] = BS_SCOPE_NONE;
    if (pair_all(saved, live, same_database, arena, out, err) != BS_DONE)
        return BS_FAILED;
    mark_along(saved, live, out->live_of, out->saved_along);
    mark_along(live, saved, out->saved_of, out->live_along);
    mark(saved, live, m, out);
    return BS_DONE;
}

/* What kinds of statements can do. */

#define CODE "FUNCTION,PROCEDURE,AGGREGATE"
#define PARTS                                                                                      \
    "TABLE,FOREIGN TABLE,VIEW,MATERIALIZED VIEW,INDEX,CONSTRAINT,FK CONSTRAINT,CHECK CONSTRAINT,"  \
    "TRIGGER,RULE,DEFAULT,ROW SECURITY,SEQUENCE,SEQUENCE OWNED BY,TABLE ATTACH,INDEX ATTACH,"      \
    "STATISTICS"

/* By the beginning of the kind's name; the first that fits counts. NULL: anything. */
static const struct {
    const char *kind;
    const char *changed;
    const char *lost;
} effects[] = {
    {"DROP TRIGGER", "", "TRIGGER,COMMENT"},
    {"DROP RULE", "", "RULE,COMMENT"},
    {"DROP POLICY", "", "POLICY,COMMENT"},
    {"GRANT", "ACL", "ACL"},
    {"REVOKE", "ACL", "ACL"},
    {"ALTER DEFAULT PRIVILEGES", "DEFAULT ACL", "DEFAULT ACL"},
    {"COMMENT", "COMMENT", "COMMENT"},
    {"SECURITY LABEL", "SECURITY LABEL", "SECURITY LABEL"},
    {"RENAME", "TABLE,TYPE", ""}, /* of columns, attributes, values */
    {"SET SCHEMA", "EXTENSION", ""},
    {"OWNER TO", NULL, "ACL"},
    {"REASSIGN OWNED", NULL, "ACL"},
    {"ALTER TABLE OWNER", NULL, "ACL"},
    {"CREATE OR REPLACE VIEW", "VIEW,RULE", ""},
    {"CREATE FUNCTION", CODE, ""},
    {"CREATE PROCEDURE", CODE, ""},
    {"CREATE AGGREGATE", CODE, ""},
    {"ALTER FUNCTION", CODE, ""},
    {"CREATE TRIGGER", "TRIGGER", ""},
    {"CREATE EVENT TRIGGER", "EVENT TRIGGER", ""},
    {"ALTER EVENT TRIGGER", "EVENT TRIGGER", ""},
    {"CREATE RULE", "RULE,VIEW", ""},
    {"CREATE POLICY", "POLICY", ""},
    {"ALTER POLICY", "POLICY", ""},
    {"ALTER SEQUENCE", "SEQUENCE,SEQUENCE OWNED BY", "SEQUENCE OWNED BY"},
    {"ALTER TYPE", "TYPE,DOMAIN", NULL},
    {"ALTER DOMAIN", "DOMAIN", NULL},
    {"ALTER TABLE", PARTS, NULL},
};

static bool
in_list(struct bs_bytes word, const char *list)
{
    while (*list != '\0') {
        size_t n = strcspn(list, ",");
        if (bs_bytes_equal(word, (struct bs_bytes){(const uint8_t *)list, n}))
            return true;
        list += n + (list[n] == ',');
    }
    return false;
}

/* The kind of a unit is that of its strictest statement: it says all only of a single one. */
static bool
is_one_statement(const char *text)
{
    struct bs_bytes rest = bs_bytes_of(text), one;

    return bs_sql_next(&rest, &one) && !bs_sql_next(&rest, &one);
}

static bool
cascades(const struct bs_point_statement *s)
{
    bool found = strcmp(s->kind, "DROP OWNED") == 0;

    for (const char *p = s->text; *p != '\0' && !found; p++)
        found = strncasecmp(p, "cascade", 7) == 0;
    return found;
}

/* What is part of a table is named by its table. */
static bool
drops_part(const char *kind)
{
    return strcmp(kind, "DROP TRIGGER") == 0 || strcmp(kind, "DROP RULE") == 0 ||
           strcmp(kind, "DROP POLICY") == 0 || strcmp(kind, "DROP USER MAPPING") == 0;
}

bool
bs_scope_takes_whole(const struct bs_point_statement *s)
{
    return s->kind != NULL && s->text != NULL && is_one_statement(s->text) &&
           strncmp(s->kind, "DROP ", 5) == 0 && strcmp(s->kind, "DROP OWNED") != 0 &&
           !drops_part(s->kind);
}

bool
bs_scope_may(const struct bs_point_statement *s,
             const struct bs_toc_entry *e,
             enum bs_scope_fate fate)
{
    struct bs_bytes kind = bs_toc_words(e).kind;

    if (s->kind == NULL || s->text == NULL || !is_one_statement(s->text))
        return true;
    if (fate == BS_SCOPE_NAMED)
        return strncmp(s->kind, "DROP ", 5) != 0;
    if (strncmp(s->kind, "DROP ", 5) == 0 && !drops_part(s->kind))
        return fate == BS_SCOPE_LOST || cascades(s);
    for (size_t i = 0; i < sizeof(effects) / sizeof(effects[0]); i++) {
        const char *list = fate == BS_SCOPE_LOST ? effects[i].lost : effects[i].changed;
        if (strncmp(s->kind, effects[i].kind, strlen(effects[i].kind)) == 0)
            return list == NULL || in_list(kind, list);
    }
    return true;
}
