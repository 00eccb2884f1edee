/*
 * told.c - a row of a relation has the stored code that the planner or the executor may run when it
 * is read; of a type only its name is told, since using one is doubted unless it is an enum. Code that is too long to be
 * sent, and what no reference tells of (an operator class of somebody's own), makes it opaque.
 */
#include "catalog/told.h"

#include <string.h>

/* Bytes of stored code of one relation, and what it uses. */
#define CODE_MAX "1000000"
#define REFS_MAX 1000

/* Every name has its schema, and operators are spelled out: the session's search_path may be
 * anybody's (PROTECT 2). Columns: name, oid, is it a type, opaque, code, types of its columns. */
/* clang-format off */
#define PC "pg_catalog."
#define EQ " OPERATOR(pg_catalog.=) "
#define OWN_OID " OPERATOR(pg_catalog.>=) '16384'::pg_catalog.oid"
#define JOINED(what, from) "(SELECT pg_catalog.string_agg(" what ", ' '::pg_catalog.text) FROM " PC from ")"
const char bs_told_sql[] =
    "SELECT x.name, x.oid, 'f', CASE WHEN x.opaque OR pg_catalog.octet_length(x.code)"
    " OPERATOR(pg_catalog.>) " CODE_MAX " THEN 't' ELSE 'f' END,"
    " CASE WHEN pg_catalog.octet_length(x.code) OPERATOR(pg_catalog.<=) " CODE_MAX
    " THEN x.code END, x.types FROM ("
    "SELECT c.relname::pg_catalog.text AS name, c.oid::pg_catalog.text AS oid,"
    " c.relkind" EQ "'f' OR EXISTS (SELECT FROM " PC "pg_index i, LATERAL pg_catalog.unnest("
    "i.indclass::pg_catalog.oid[]) AS o(c) WHERE i.indrelid" EQ "c.oid AND o.c" OWN_OID ")"
    " OR EXISTS (SELECT FROM " PC "pg_partitioned_table p, LATERAL pg_catalog.unnest("
    "p.partclass::pg_catalog.oid[]) AS o(c) WHERE p.partrelid" EQ "c.oid AND o.c" OWN_OID ")"
    " AS opaque, pg_catalog.concat_ws(' ', "
    JOINED("pg_catalog.concat_ws(' ', r.ev_qual, r.ev_action)",
           "pg_rewrite r WHERE r.ev_class" EQ "c.oid") ", "
    JOINED("pg_catalog.concat_ws(' ', p.polqual, p.polwithcheck)",
           "pg_policy p WHERE p.polrelid" EQ "c.oid") ", "
    JOINED("k.conbin::pg_catalog.text", "pg_constraint k WHERE k.conrelid" EQ "c.oid") ", "
    JOINED("pg_catalog.concat_ws(' ', i.indexprs, i.indpred)",
           "pg_index i WHERE i.indrelid" EQ "c.oid") ", "
    JOINED("p.partexprs::pg_catalog.text",
           "pg_partitioned_table p WHERE p.partrelid" EQ "c.oid") ", "
    JOINED("e.stxexprs::pg_catalog.text", "pg_statistic_ext e WHERE e.stxrelid" EQ "c.oid") ", "
    JOINED("d.adbin::pg_catalog.text",
           "pg_attrdef d JOIN " PC "pg_attribute a ON a.attrelid" EQ "d.adrelid AND a.attnum" EQ
           "d.adnum WHERE d.adrelid" EQ "c.oid AND a.attgenerated OPERATOR(pg_catalog.<>) ''") ", "
    JOINED("pg_catalog.concat(':relid ', h.inhrelid)", "pg_inherits h WHERE h.inhparent" EQ "c.oid")
    ") AS code, "
    JOINED("a.atttypid::pg_catalog.text", "pg_attribute a WHERE a.attrelid" EQ
           "c.oid AND NOT a.attisdropped AND a.atttypid" OWN_OID) " AS types"
    " FROM " PC "pg_class c WHERE c.relnamespace" EQ "pg_catalog.pg_my_temp_schema()"
    " AND c.relkind OPERATOR(pg_catalog.<>) 'i' AND c.relkind OPERATOR(pg_catalog.<>) 'I') x"
    " UNION ALL SELECT t.typname::pg_catalog.text, t.oid::pg_catalog.text, 't',"
    " CASE WHEN t.typtype" EQ "'e' THEN 'f' ELSE 't' END, NULL, NULL"
    " FROM " PC "pg_type t WHERE t.typnamespace" EQ "pg_catalog.pg_my_temp_schema()"
    " AND t.typrelid" EQ "'0'::pg_catalog.oid";
/* clang-format on */

void
bs_told_begin(struct bs_own *own)
{
    for (struct bs_own_name *n = own->names; n != NULL; n = n->next)
        n->gone = n->gone || n->temporary;
    own->told = NULL;
    own->stale = false;
    own->asked = true;
}

static uint32_t
number(const char *text)
{
    uint64_t v = 0;

    for (; *text >= '0' && *text <= '9' && v <= UINT32_MAX; text++)
        v = v * 10 + (uint64_t)(*text - '0');
    return v > UINT32_MAX ? 0 : (uint32_t)v;
}

/* Each once; what uses more than is looked at is opaque. */
static void
add_ref(struct bs_own_name *name, struct bs_own_ref *refs, struct bs_own_ref ref)
{
    for (size_t i = 0; i < name->n_refs; i++) {
        if (refs[i].what == ref.what && refs[i].oid == ref.oid)
            return;
    }
    if (name->n_refs < REFS_MAX)
        refs[name->n_refs++] = ref;
    else
        name->plain = false;
}

/* False where there is no room. */
static bool
read_refs(struct bs_own_name *name, const char *code, const char *types, struct bs_arena *arena)
{
    struct bs_own_ref refs[REFS_MAX], ref, *kept;

    while (code != NULL && (ref.what = bs_code_next(&code, &ref.oid)) != BS_CODE_END)
        add_ref(name, refs, ref);
    for (const char *at = types; at != NULL; at = strchr(at, ' ')) {
        at += *at == ' ';
        add_ref(name, refs, (struct bs_own_ref){BS_CODE_TYPE, number(at)});
    }
    if (name->n_refs == 0)
        return true;
    name->refs = kept = bs_arena_array(arena, name->n_refs, sizeof(*kept));
    if (kept != NULL)
        memcpy(kept, refs, name->n_refs * sizeof(*kept));
    return kept != NULL;
}

static const char *
text_of(struct bs_bytes value, struct bs_arena *arena, bool *full)
{
    char *text;

    if (value.p == NULL)
        return NULL;
    text = bs_arena_take(arena, value.n + 1);
    *full = *full || text == NULL;
    if (text != NULL)
        memcpy(text, value.p, value.n);
    return text;
}

void
bs_told_row(struct bs_own *own, const struct bs_bytes *values, struct bs_arena *arena)
{
    struct bs_own_name *name = bs_arena_take(arena, sizeof(*name));
    const char *texts[BS_TOLD_COLUMNS] = {NULL};
    bool full = name == NULL;

    for (size_t i = 0; i < BS_TOLD_COLUMNS && !full; i++)
        texts[i] = text_of(values[i], arena, &full);
    full = full || texts[0] == NULL || texts[1] == NULL || texts[2] == NULL || texts[3] == NULL;
    if (!full) {
        *name = (struct bs_own_name){.name = texts[0],
                                     .plain = strcmp(texts[3], "f") == 0,
                                     .temporary = true,
                                     .code = strcmp(texts[2], "f") != 0,
                                     .oid = number(texts[1]),
                                     .next = own->told};
        full = name->oid == 0 || !read_refs(name, texts[4], texts[5], arena);
    }
    if (full)
        own->lost = true;
    else
        own->told = name;
}
