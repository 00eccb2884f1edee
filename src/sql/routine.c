/*
 * routine.c - pieces of a body become statements. Most are expressions that read a few names: they
 * are melted into one SELECT, so that judging a body costs what it names, not how long it is.
 */
#include "sql/routine.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "sql/nodes.h"
#include "sql/parse.h"

#define MAX_STATEMENTS 4096
/* What a body may take while it is read. */
#define SCRATCH_BYTES ((size_t)64 << 20)

struct making {
    struct bs_arena *arena; /* of what is handed out */
    struct bs_arena scratch;
    struct bs_err *err;
    struct bs_routine *out;
    size_t cap_stmts, cap_calls, cap_reads;
    bool full;
};

static const struct bs_classify_limits limits = {BS_ROUTINE_MAX * 2, 200000};

static void
set_opaque(struct making *m, const char *what)
{
    if (m->out->opaque == NULL)
        m->out->opaque = what;
}

static void *
grow(struct making *m, void *list, size_t n, size_t *cap, size_t each)
{
    size_t more = *cap == 0 ? 16 : *cap * 2;
    void *bigger;

    if (n < *cap)
        return list;
    bigger = bs_arena_array(m->arena, more, each);
    if (bigger == NULL) {
        m->full = true;
        return NULL;
    }
    if (n != 0)
        memcpy(bigger, list, n * each);
    *cap = more;
    return bigger;
}

static bool
same_text(const char *a, const char *b)
{
    return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

static bool
same_name(struct bs_name a, struct bs_name b)
{
    return strcmp(a.name, b.name) == 0 && same_text(a.schema, b.schema);
}

static struct bs_name
kept(struct making *m, struct bs_name name)
{
    struct bs_name copy = {bs_arena_str(m->arena, name.schema), bs_arena_str(m->arena, name.name)};

    if (copy.name == NULL || (copy.schema == NULL && name.schema != NULL)) {
        m->full = true;
        return (struct bs_name){NULL, ""};
    }
    return copy;
}

static void
melt_read(struct making *m, struct bs_name name)
{
    struct bs_stmt *all = &m->out->stmts[0];
    struct bs_name *list;

    for (size_t i = 0; i < all->n_reads; i++) {
        if (same_name(all->reads[i], name))
            return;
    }
    list = grow(m, all->reads, all->n_reads, &m->cap_reads, sizeof(*list));
    if (list == NULL)
        return;
    all->reads = list;
    list[all->n_reads++] = kept(m, name);
}

static void
melt_call(struct making *m, const struct bs_call *call)
{
    struct bs_stmt *all = &m->out->stmts[0];
    struct bs_call *list;

    for (size_t i = 0; i < all->n_calls; i++) {
        const struct bs_call *have = &all->calls[i];
        if (have->kind == call->kind && have->n_args == call->n_args &&
            have->listed == call->listed && same_name(have->name, call->name))
            return;
    }
    list = grow(m, all->calls, all->n_calls, &m->cap_calls, sizeof(*list));
    if (list == NULL)
        return;
    all->calls = list;
    list[all->n_calls] = *call;
    list[all->n_calls++].name = kept(m, call->name);
}

/* Reasons that go when what is called turns out to be known. */
static bool
may_melt_reason(const char *code)
{
    return strcmp(code, BS_REASON_UNLISTED_FUNCTION) == 0 ||
           strcmp(code, BS_REASON_UNLISTED_OPERATOR) == 0 ||
           strcmp(code, BS_REASON_UNLISTED_TYPE) == 0 ||
           strcmp(code, BS_REASON_UNLISTED_FIELD) == 0;
}

static bool
may_melt(const struct bs_stmt *stmt)
{
    const uint32_t flags = BS_FLAG_VOLATILE | BS_FLAG_RETURNING | BS_FLAG_BACKSLASH;

    if (stmt->kind != BS_KIND_SELECT || stmt->n_effects != 0 || (stmt->flags & ~flags) != 0 ||
        stmt->control != BS_CONTROL_NONE || stmt->plain_point != BS_POINT_NONE)
        return false;
    for (size_t i = 0; i < stmt->n_reasons; i++) {
        if (!may_melt_reason(stmt->reasons[i].code))
            return false;
    }
    return true;
}

/* One reason of each sort is enough: a catalog takes back all of a sort, or none. */
static void
melt_reasons(struct making *m, const struct bs_stmt *stmt)
{
    struct bs_stmt *all = &m->out->stmts[0];

    for (size_t i = 0; i < stmt->n_reasons && !m->full; i++) {
        const struct bs_reason *r = &stmt->reasons[i];
        bool have = false;
        for (size_t k = 0; k < all->n_reasons; k++)
            have = have || strcmp(all->reasons[k].code, r->code) == 0;
        if (!have && bs_stmt_raise(all, r->risk, r->code, r->text, m->arena, m->err) != BS_DONE)
            m->full = true;
    }
}

static void
melt(struct making *m, const struct bs_stmt *stmt)
{
    for (size_t i = 0; i < stmt->n_reads && !m->full; i++)
        melt_read(m, stmt->reads[i]);
    for (size_t i = 0; i < stmt->n_calls && !m->full; i++)
        melt_call(m, &stmt->calls[i]);
    melt_reasons(m, stmt);
    m->out->stmts[0].flags |= stmt->flags;
}

static void
add_stmt(struct making *m, const struct bs_stmt *stmt)
{
    struct bs_stmt *list;

    if (m->out->n_stmts > MAX_STATEMENTS) {
        set_opaque(m, "has more statements than are read");
        return;
    }
    list = grow(m, m->out->stmts, m->out->n_stmts, &m->cap_stmts, sizeof(*list));
    if (list == NULL)
        return;
    m->out->stmts = list;
    list[m->out->n_stmts++] = *stmt;
}

static void
add_sql(struct making *m, struct bs_bytes text)
{
    struct bs_unit unit;
    bool melts = true;

    if (m->full)
        return;
    if (text.n > BS_ROUTINE_MAX) {
        set_opaque(m, "is too long to be read");
        return;
    }
    if (bs_classify(text, limits, &m->scratch, &unit, m->err) != BS_DONE) {
        m->full = true;
        return;
    }
    if (!unit.parsed) {
        set_opaque(m, "has something in it that cannot be parsed");
        return;
    }
    for (size_t i = 0; i < unit.n_stmts && melts; i++)
        melts = may_melt(&unit.stmts[i]);
    for (size_t i = 0; i < unit.n_stmts && melts; i++)
        melt(m, &unit.stmts[i]);
    if (melts)
        return;
    /* Again, to stay: few pieces are of this sort. */
    if (bs_classify(text, limits, m->arena, &unit, m->err) != BS_DONE)
        m->full = true;
    for (size_t i = 0; i < unit.n_stmts && !m->full; i++) {
        if (may_melt(&unit.stmts[i]))
            melt(m, &unit.stmts[i]);
        else
            add_stmt(m, &unit.stmts[i]);
    }
}

static void
add_text(struct making *m, const char *before, const char *text)
{
    const char *all = bs_arena_fmt(&m->scratch, "%s%s", before, text);

    if (all == NULL)
        m->full = true;
    else
        add_sql(m, bs_bytes_of(all));
}

/* Where `target := value` is divided. */
struct divide {
    struct bs_bytes text;
    int depth;
    uint32_t from, to; /* of the sign */
    bool subscript;
};

static bool
on_assign_token(void *with, struct bs_token token)
{
    struct divide *d = with;
    const uint8_t *at = d->text.p + token.from;
    size_t n = token.to - token.from;

    if (n == 1 && (at[0] == '[' || at[0] == '(')) {
        d->depth++;
        d->subscript = true;
    } else if (n == 1 && (at[0] == ']' || at[0] == ')')) {
        d->depth--;
    } else if (d->depth == 0 &&
               ((n == 1 && at[0] == '=') || (n == 2 && memcmp(at, ":=", 2) == 0))) {
        d->from = token.from;
        d->to = token.to;
        return false;
    }
    return true;
}

/* The value is what may follow SELECT; subscripts of the target are expressions, too. */
static void
add_assignment(struct making *m, const char *text)
{
    struct divide d = {.text = bs_bytes_of(text)};

    (void)bs_lex(d.text, on_assign_token, &d);
    if (d.to == 0) {
        set_opaque(m, "has an assignment that cannot be read");
        return;
    }
    add_text(m, "SELECT ", text + d.to);
    if (d.subscript) {
        const char *target = bs_arena_fmt(&m->scratch, "SELECT %.*s", (int)d.from, text);
        if (target == NULL)
            m->full = true;
        else
            add_sql(m, bs_bytes_of(target));
    }
}

/* The constant that a SELECT of one constant answers; NULL where it is anything else. */
static const char *
constant_of(const struct List *stmts)
{
    const RawStmt *raw;
    const SelectStmt *select;
    const ResTarget *target;
    const A_Const *value;

    if (bs_list_n(stmts) != 1)
        return NULL;
    raw = (const RawStmt *)(const void *)bs_list_at(stmts, 0);
    if (raw->stmt == NULL || raw->stmt->type != T_SelectStmt)
        return NULL;
    select = (const SelectStmt *)(const void *)raw->stmt;
    if (bs_list_n(select->targetList) != 1)
        return NULL;
    target = (const ResTarget *)(const void *)bs_list_at(select->targetList, 0);
    if (target->val == NULL || target->val->type != T_A_Const)
        return NULL;
    value = (const A_Const *)(const void *)target->val;
    return value->isnull || value->val.node.type != T_String ? NULL : value->val.sval.sval;
}

/*
 * EXECUTE of a constant is that statement. A backslash may stand for something else: session
 * settings decide.
 */
static void
add_dynamic(struct making *m, const char *expression)
{
    const char *text = bs_arena_fmt(&m->scratch, "SELECT %s", expression), *constant = NULL;
    struct bs_parse_tree parse;

    if (text == NULL) {
        m->full = true;
        return;
    }
    add_sql(m, bs_bytes_of(text));
    if (strlen(text) < 16384 && strchr(text, '\\') == NULL) {
        bs_parse_begin(bs_bytes_of(text), BS_STRINGS_STANDARD, &parse);
        if (!parse.failed)
            constant = bs_arena_str(&m->scratch, constant_of(parse.stmts));
        bs_parse_end(&parse);
    }
    if (constant != NULL) {
        add_sql(m, bs_bytes_of(constant));
        return;
    }
    m->out->dynamic = true;
    set_opaque(m, "runs SQL that it puts together");
}

static size_t
trimmed(const char *text)
{
    size_t n = strlen(text);

    while (n > 0 && strchr(" \t\r\n\f\v", text[n - 1]) != NULL)
        n--;
    return n;
}

/* users%ROWTYPE and users.id%TYPE mean columns of a relation; x%TYPE another variable's type. */
static void
add_copied_type(struct making *m, const char *text, size_t n)
{
    bool row = strncasecmp(text + n, "%rowtype", 8) == 0;
    size_t end = n;

    if (!row) {
        while (end > 0 && text[end - 1] != '.')
            end--;
        if (end == 0)
            return;
        end--;
    }
    text = bs_arena_fmt(&m->scratch, "%.*s", (int)end, text);
    if (text == NULL)
        m->full = true;
    else
        add_text(m, "SELECT NULL::", text);
}

/* Declaring a variable runs what turns a value into its type. */
static void
add_type(struct making *m, const char *type)
{
    const char *percent = strrchr(type, '%'), *text;
    size_t n = trimmed(type);

    if (n == 6 && strncasecmp(type, "record", 6) == 0)
        return;
    if (percent != NULL && percent > type) {
        size_t end = (size_t)(percent - type);
        while (end > 0 && strchr(" \t\r\n", type[end - 1]) != NULL)
            end--;
        if (percent != type + end) /* "a %TYPE": rare enough */
            set_opaque(m, "has a declaration that cannot be read");
        else
            add_copied_type(m, type, end);
        return;
    }
    text = bs_arena_fmt(&m->scratch, "%.*s", (int)n, type);
    if (text == NULL)
        m->full = true;
    else
        add_text(m, "SELECT NULL::", text);
}

static void
add_piece(struct making *m, const struct bs_piece *piece)
{
    const char *what;

    switch (piece->kind) {
    case BS_PIECE_STATEMENT:
        add_sql(m, bs_bytes_of(piece->text));
        return;
    case BS_PIECE_EXPRESSION:
        add_text(m, "SELECT ", piece->text);
        return;
    case BS_PIECE_ASSIGNMENT:
        add_assignment(m, piece->text);
        return;
    case BS_PIECE_DYNAMIC:
        add_dynamic(m, piece->text);
        return;
    case BS_PIECE_TYPE:
        add_type(m, piece->text);
        return;
    case BS_PIECE_END:
        set_opaque(m, "ends the transaction");
        return;
    case BS_PIECE_OPAQUE:
        break;
    }
    what = bs_arena_fmt(m->arena, "has in it %s", piece->text);
    m->full = m->full || what == NULL;
    set_opaque(m, what == NULL ? "" : what);
}

static bool
begin(struct making *m)
{
    bs_arena_init(&m->scratch, "body", SCRATCH_BYTES);
    m->out->stmts = grow(m, NULL, 0, &m->cap_stmts, sizeof(*m->out->stmts));
    if (m->out->stmts == NULL) {
        m->full = true;
        return false;
    }
    m->out->stmts[0] = (struct bs_stmt){.kind = BS_KIND_SELECT,
                                        .risk = BS_RISK_SAFE,
                                        .point = BS_POINT_NONE,
                                        .plain_point = BS_POINT_NONE};
    m->out->n_stmts = 1;
    return true;
}

static enum bs_done
end(struct making *m)
{
    bs_arena_fini(&m->scratch);
    if (!m->full)
        return BS_DONE;
    *m->out = (struct bs_routine){0};
    return BS_FAIL(m->err, LIMIT, "the %s arena is full", m->arena->name);
}

enum bs_done
bs_routine_plpgsql(struct bs_bytes source,
                   const struct bs_plpgsql_shape *shape,
                   struct bs_arena *arena,
                   struct bs_routine *out,
                   struct bs_err *err)
{
    struct making m = {.arena = arena, .err = err, .out = out};
    struct bs_plpgsql body = {0};

    *out = (struct bs_routine){.opaque = NULL};
    if (!begin(&m) || bs_plpgsql_read(source, shape, &m.scratch, &body, err) != BS_DONE)
        m.full = true;
    if (body.error != NULL)
        set_opaque(&m, "has a body that cannot be read");
    for (size_t i = 0; i < body.n_pieces && !m.full; i++)
        add_piece(&m, &body.pieces[i]);
    return end(&m);
}

/* What the server prints of a body that it has stored parsed. */
static struct bs_bytes
unwrapped(struct bs_bytes source, bool *expression)
{
    static const char begin_atomic[] = "BEGIN ATOMIC", last[] = "END", result[] = "RETURN ";
    size_t n = sizeof(begin_atomic) - 1;

    *expression = false;
    if (source.n >= sizeof(result) && memcmp(source.p, result, sizeof(result) - 1) == 0) {
        *expression = true;
        return (struct bs_bytes){source.p + sizeof(result) - 1, source.n - (sizeof(result) - 1)};
    }
    if (source.n < n + 3 || memcmp(source.p, begin_atomic, n) != 0 ||
        memcmp(source.p + source.n - 3, last, 3) != 0)
        return source;
    return (struct bs_bytes){source.p + n, source.n - n - 3};
}

enum bs_done
bs_routine_sql(struct bs_bytes source,
               struct bs_arena *arena,
               struct bs_routine *out,
               struct bs_err *err)
{
    struct making m = {.arena = arena, .err = err, .out = out};
    bool expression;
    const char *copy;

    *out = (struct bs_routine){.opaque = NULL};
    source = unwrapped(source, &expression);
    copy = begin(&m) ? bs_arena_copy(&m.scratch, source) : NULL;
    if (copy == NULL)
        m.full = true;
    else if (strlen(copy) != source.n)
        set_opaque(&m, "has a body that cannot be read");
    else if (expression)
        add_text(&m, "SELECT ", copy);
    else
        add_sql(&m, source);
    return end(&m);
}
