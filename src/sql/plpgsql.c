/*
 * plpgsql.c - compile with the library's own compiler, then walk its tree: every field of every
 * statement that holds an expression is named here, and a statement type that is not is opaque.
 *
 * The library's compiler takes every type for a scalar one, since it has no catalog: so what is
 * written with a dot behind it ("r.id := 1") would be unknown to it. Records of all such names are
 * put below everything that the body declares; a name that is declared hides its record except
 * where a dot follows.
 */
#include "sql/plpgsql.h"

#include <string.h>

#include "sql/lexcost.h"
#include "sql/nodes.h"
#include "sql/parse.h"

#include <catalog/pg_proc.h>
#include <catalog/pg_type.h>
#include <pg_query.h>
#include <pg_query_internal.h>
#include <plpgsql.h>

#undef _

#define MAX_RECORDS    512
#define NAME_MAX_BYTES 63

struct work {
    const struct bs_plpgsql_shape *shape;
    struct bs_arena *arena;
    struct bs_plpgsql *out;
    size_t cap;
    bool full;
    const List **lists; /* of statements that are still to be read */
    size_t n_lists, cap_lists;
};

static const char *
keep(struct work *w, const char *text)
{
    const char *copy = bs_arena_str(w->arena, text == NULL ? "" : text);

    w->full = w->full || copy == NULL;
    return copy == NULL ? "" : copy;
}

static void
note(struct work *w, enum bs_piece_kind kind, const char *text, int line)
{
    struct bs_plpgsql *out = w->out;

    if (out->n_pieces == w->cap) {
        size_t cap = w->cap == 0 ? 32 : w->cap * 2;
        struct bs_piece *more = bs_arena_array(w->arena, cap, sizeof(*more));
        if (more == NULL) {
            w->full = true;
            return;
        }
        if (out->n_pieces != 0)
            memcpy(more, out->pieces, out->n_pieces * sizeof(*more));
        out->pieces = more;
        w->cap = cap;
    }
    out->pieces[out->n_pieces++] = (struct bs_piece){kind, keep(w, text), line};
}

/* The library tells how it would parse an expression. */
static void
note_expr(struct work *w, const PLpgSQL_expr *e, int line)
{
    if (e == NULL)
        return;
    switch (e->parseMode) {
    case RAW_PARSE_DEFAULT:
        note(w, BS_PIECE_STATEMENT, e->query, line);
        return;
    case RAW_PARSE_PLPGSQL_EXPR:
        note(w, BS_PIECE_EXPRESSION, e->query, line);
        return;
    case RAW_PARSE_PLPGSQL_ASSIGN1:
    case RAW_PARSE_PLPGSQL_ASSIGN2:
    case RAW_PARSE_PLPGSQL_ASSIGN3:
        note(w, BS_PIECE_ASSIGNMENT, e->query, line);
        return;
    case RAW_PARSE_TYPE_NAME:
        break;
    }
    note(w, BS_PIECE_OPAQUE, "an expression of an unknown form", line);
}

static void
note_exprs(struct work *w, const List *list, int line)
{
    for (int i = 0; i < bs_list_n(list); i++)
        note_expr(w, (const PLpgSQL_expr *)(const void *)bs_list_at(list, i), line);
}

static void
note_dynamic(struct work *w, const PLpgSQL_expr *e, int line)
{
    if (e != NULL)
        note(w, BS_PIECE_DYNAMIC, e->query, line);
}

static void
push(struct work *w, const List *list)
{
    if (bs_list_n(list) == 0)
        return;
    if (w->n_lists == w->cap_lists) {
        size_t cap = w->cap_lists == 0 ? 64 : w->cap_lists * 2;
        const List **more = bs_arena_array(w->arena, cap, sizeof(*more));
        if (more == NULL) {
            w->full = true;
            return;
        }
        if (w->n_lists != 0)
            memcpy(more, w->lists, w->n_lists * sizeof(*more));
        w->lists = more;
        w->cap_lists = cap;
    }
    w->lists[w->n_lists++] = list;
}

/* The tree's structs share their first fields, and nothing here changes them. */
#define AS(type, stmt) ((const type *)(const void *)(stmt))

static void
read_if(struct work *w, const PLpgSQL_stmt_if *s)
{
    note_expr(w, s->cond, s->lineno);
    push(w, s->then_body);
    for (int i = 0; i < bs_list_n(s->elsif_list); i++) {
        const PLpgSQL_if_elsif *arm = AS(PLpgSQL_if_elsif, bs_list_at(s->elsif_list, i));
        note_expr(w, arm->cond, arm->lineno);
        push(w, arm->stmts);
    }
    push(w, s->else_body);
}

static void
read_case(struct work *w, const PLpgSQL_stmt_case *s)
{
    note_expr(w, s->t_expr, s->lineno);
    for (int i = 0; i < bs_list_n(s->case_when_list); i++) {
        const PLpgSQL_case_when *arm = AS(PLpgSQL_case_when, bs_list_at(s->case_when_list, i));
        note_expr(w, arm->expr, arm->lineno);
        push(w, arm->stmts);
    }
    push(w, s->else_stmts);
}

static void
read_block(struct work *w, const PLpgSQL_stmt_block *s)
{
    push(w, s->body);
    for (int i = 0; s->exceptions != NULL && i < bs_list_n(s->exceptions->exc_list); i++)
        push(w, AS(PLpgSQL_exception, bs_list_at(s->exceptions->exc_list, i))->action);
}

static void
read_raise(struct work *w, const PLpgSQL_stmt_raise *s)
{
    note_exprs(w, s->params, s->lineno);
    for (int i = 0; i < bs_list_n(s->options); i++)
        note_expr(w, AS(PLpgSQL_raise_option, bs_list_at(s->options, i))->expr, s->lineno);
}

/* A cursor that somebody else has opened may stand for any query. */
static void
read_cursor(struct work *w, int variable, int line)
{
    const PLpgSQL_var *v =
        variable < plpgsql_nDatums ? AS(PLpgSQL_var, plpgsql_Datums[variable]) : NULL;

    if (v == NULL || v->dtype != PLPGSQL_DTYPE_VAR || v->cursor_explicit_expr == NULL)
        note(w, BS_PIECE_OPAQUE, "a cursor whose query is not in the body", line);
}

static void
read_loop(struct work *w, const PLpgSQL_stmt *stmt)
{
    int line = stmt->lineno;

    switch ((int)stmt->cmd_type) {
    case PLPGSQL_STMT_LOOP:
        push(w, AS(PLpgSQL_stmt_loop, stmt)->body);
        return;
    case PLPGSQL_STMT_WHILE:
        note_expr(w, AS(PLpgSQL_stmt_while, stmt)->cond, line);
        push(w, AS(PLpgSQL_stmt_while, stmt)->body);
        return;
    case PLPGSQL_STMT_FORI:
        note_expr(w, AS(PLpgSQL_stmt_fori, stmt)->lower, line);
        note_expr(w, AS(PLpgSQL_stmt_fori, stmt)->upper, line);
        note_expr(w, AS(PLpgSQL_stmt_fori, stmt)->step, line);
        push(w, AS(PLpgSQL_stmt_fori, stmt)->body);
        return;
    case PLPGSQL_STMT_FORS:
        note_expr(w, AS(PLpgSQL_stmt_fors, stmt)->query, line);
        push(w, AS(PLpgSQL_stmt_fors, stmt)->body);
        return;
    case PLPGSQL_STMT_FORC:
        read_cursor(w, AS(PLpgSQL_stmt_forc, stmt)->curvar, line);
        note_expr(w, AS(PLpgSQL_stmt_forc, stmt)->argquery, line);
        push(w, AS(PLpgSQL_stmt_forc, stmt)->body);
        return;
    case PLPGSQL_STMT_FOREACH_A:
        note_expr(w, AS(PLpgSQL_stmt_foreach_a, stmt)->expr, line);
        push(w, AS(PLpgSQL_stmt_foreach_a, stmt)->body);
        return;
    case PLPGSQL_STMT_DYNFORS:
        note_dynamic(w, AS(PLpgSQL_stmt_dynfors, stmt)->query, line);
        note_exprs(w, AS(PLpgSQL_stmt_dynfors, stmt)->params, line);
        push(w, AS(PLpgSQL_stmt_dynfors, stmt)->body);
        return;
    default:
        break;
    }
    note(w, BS_PIECE_OPAQUE, "a statement of an unknown type", line);
}

static void
read_open(struct work *w, const PLpgSQL_stmt_open *s)
{
    note_expr(w, s->argquery, s->lineno);
    note_expr(w, s->query, s->lineno);
    note_dynamic(w, s->dynquery, s->lineno);
    note_exprs(w, s->params, s->lineno);
}

static void
read_return_query(struct work *w, const PLpgSQL_stmt_return_query *s)
{
    note_expr(w, s->query, s->lineno);
    note_dynamic(w, s->dynquery, s->lineno);
    note_exprs(w, s->params, s->lineno);
}

/* clang wants every value of an enum named, and a later library may have more than this one. */
static void
read_stmt(struct work *w, const PLpgSQL_stmt *stmt)
{
    int line = stmt->lineno;

    switch (stmt->cmd_type) {
    case PLPGSQL_STMT_BLOCK:
        read_block(w, AS(PLpgSQL_stmt_block, stmt));
        return;
    case PLPGSQL_STMT_ASSIGN:
        note_expr(w, AS(PLpgSQL_stmt_assign, stmt)->expr, line);
        return;
    case PLPGSQL_STMT_IF:
        read_if(w, AS(PLpgSQL_stmt_if, stmt));
        return;
    case PLPGSQL_STMT_CASE:
        read_case(w, AS(PLpgSQL_stmt_case, stmt));
        return;
    case PLPGSQL_STMT_LOOP:
    case PLPGSQL_STMT_WHILE:
    case PLPGSQL_STMT_FORI:
    case PLPGSQL_STMT_FORS:
    case PLPGSQL_STMT_FORC:
    case PLPGSQL_STMT_FOREACH_A:
    case PLPGSQL_STMT_DYNFORS:
        read_loop(w, stmt);
        return;
    case PLPGSQL_STMT_EXIT:
        note_expr(w, AS(PLpgSQL_stmt_exit, stmt)->cond, line);
        return;
    case PLPGSQL_STMT_RETURN:
        note_expr(w, AS(PLpgSQL_stmt_return, stmt)->expr, line);
        return;
    case PLPGSQL_STMT_RETURN_NEXT:
        note_expr(w, AS(PLpgSQL_stmt_return_next, stmt)->expr, line);
        return;
    case PLPGSQL_STMT_RETURN_QUERY:
        read_return_query(w, AS(PLpgSQL_stmt_return_query, stmt));
        return;
    case PLPGSQL_STMT_RAISE:
        read_raise(w, AS(PLpgSQL_stmt_raise, stmt));
        return;
    case PLPGSQL_STMT_ASSERT:
        note_expr(w, AS(PLpgSQL_stmt_assert, stmt)->cond, line);
        note_expr(w, AS(PLpgSQL_stmt_assert, stmt)->message, line);
        return;
    case PLPGSQL_STMT_EXECSQL:
        note_expr(w, AS(PLpgSQL_stmt_execsql, stmt)->sqlstmt, line);
        return;
    case PLPGSQL_STMT_DYNEXECUTE:
        note_dynamic(w, AS(PLpgSQL_stmt_dynexecute, stmt)->query, line);
        note_exprs(w, AS(PLpgSQL_stmt_dynexecute, stmt)->params, line);
        return;
    case PLPGSQL_STMT_OPEN:
        read_open(w, AS(PLpgSQL_stmt_open, stmt));
        return;
    case PLPGSQL_STMT_FETCH:
        read_cursor(w, AS(PLpgSQL_stmt_fetch, stmt)->curvar, line);
        note_expr(w, AS(PLpgSQL_stmt_fetch, stmt)->expr, line);
        return;
    case PLPGSQL_STMT_PERFORM:
        note_expr(w, AS(PLpgSQL_stmt_perform, stmt)->expr, line);
        return;
    case PLPGSQL_STMT_CALL:
        note_expr(w, AS(PLpgSQL_stmt_call, stmt)->expr, line);
        return;
    case PLPGSQL_STMT_COMMIT:
        note(w, BS_PIECE_END, "COMMIT", line);
        return;
    case PLPGSQL_STMT_ROLLBACK:
        note(w, BS_PIECE_END, "ROLLBACK", line);
        return;
    case PLPGSQL_STMT_GETDIAG: /* the server's own numbers and texts, into variables */
    case PLPGSQL_STMT_CLOSE:
        return;
    }
    note(w, BS_PIECE_OPAQUE, "a statement of an unknown type", line);
}

/* Variables: what their declarations run, wherever in the body they stand. */
static void
read_variables(struct work *w)
{
    for (int i = 0; i < plpgsql_nDatums; i++) {
        const PLpgSQL_variable *v = AS(PLpgSQL_variable, plpgsql_Datums[i]);
        const PLpgSQL_type *type = NULL;
        if (v->dtype == PLPGSQL_DTYPE_VAR) {
            note_expr(w, AS(PLpgSQL_var, v)->cursor_explicit_expr, v->lineno);
            type = AS(PLpgSQL_var, v)->datatype;
        } else if (v->dtype == PLPGSQL_DTYPE_REC) {
            type = AS(PLpgSQL_rec, v)->datatype;
        } else {
            continue; /* rows and fields are made of others; promises are the server's own */
        }
        note_expr(w, v->default_val, v->lineno);
        if (type != NULL && type->typoid == 0)
            note(w, BS_PIECE_TYPE, type->typname, v->lineno);
    }
}

static void
read_body(struct work *w, const PLpgSQL_stmt_block *body)
{
    read_variables(w);
    if (body == NULL)
        return;
    read_block(w, body);
    while (w->n_lists > 0 && !w->full) {
        const List *list = w->lists[--w->n_lists];
        for (int i = 0; i < bs_list_n(list); i++)
            read_stmt(w, AS(PLpgSQL_stmt, bs_list_at(list, i)));
    }
}

/* Names that a dot follows. */
struct dotted {
    struct bs_bytes text;
    struct bs_token last;
    bool have;
    char (*names)[NAME_MAX_BYTES + 1];
    size_t n;
};

/* The name that a token stands for; false where it is none, or too long to be one. */
static bool
name_of(struct bs_bytes token, char out[NAME_MAX_BYTES + 1])
{
    bool quoted = token.n >= 2 && token.p[0] == '"';
    size_t n = 0;

    if (!quoted && !(token.p[0] == '_' || token.p[0] >= 0x80 ||
                     ((token.p[0] | 0x20) >= 'a' && (token.p[0] | 0x20) <= 'z')))
        return false;
    for (size_t i = quoted; i < token.n - quoted; i++) {
        uint8_t c = token.p[i];
        if (n == NAME_MAX_BYTES)
            return false;
        if (quoted && c == '"')
            i++;
        out[n++] = (char)(!quoted && c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);
    }
    out[n] = '\0';
    return n != 0;
}

static bool
on_token(void *with, struct bs_token token)
{
    struct dotted *d = with;
    bool dot = token.to - token.from == 1 && d->text.p[token.from] == '.';
    struct bs_bytes before = {d->text.p + d->last.from, d->last.to - d->last.from};

    if (dot && d->have && name_of(before, d->names[d->n])) {
        bool known = false;
        for (size_t i = 0; i < d->n && !known; i++)
            known = strcmp(d->names[i], d->names[d->n]) == 0;
        d->n += !known;
    }
    d->last = token;
    d->have = true;
    return d->n < MAX_RECORDS;
}

static void
add_scalar(const char *name)
{
    (void)plpgsql_build_variable(name, 0, plpgsql_build_datatype(TEXTOID, -1, InvalidOid, NULL),
                                 true);
}

static void
add_arguments(const struct bs_plpgsql_shape *shape)
{
    static const char *const of_trigger[] = {
        "tg_name",    "tg_when",       "tg_level",        "tg_op",    "tg_relid",
        "tg_relname", "tg_table_name", "tg_table_schema", "tg_nargs", "tg_argv"};
    char number[24];

    for (size_t i = 0; i < shape->n_args; i++) {
        (void)snprintf(number, sizeof(number), "$%zu", i + 1);
        add_scalar(number);
        if (shape->args[i] != NULL && shape->args[i][0] != '\0')
            add_scalar(shape->args[i]);
    }
    add_scalar("found");
    for (size_t i = 0; shape->trigger && i < sizeof(of_trigger) / sizeof(of_trigger[0]); i++)
        add_scalar(of_trigger[i]);
    if (shape->trigger) {
        (void)plpgsql_build_record("new", 0, NULL, RECORDOID, true);
        (void)plpgsql_build_record("old", 0, NULL, RECORDOID, true);
    }
    if (shape->event_trigger) {
        add_scalar("tg_event");
        add_scalar("tg_tag");
    }
}

/* What pl_comp.c does before it parses. */
static PLpgSQL_function *
begin_function(const struct bs_plpgsql_shape *shape, const struct dotted *dotted)
{
    PLpgSQL_function *f = palloc0(sizeof(*f));

    plpgsql_error_funcname = pstrdup("body");
    plpgsql_check_syntax = false; /* each piece is parsed by whoever gets it */
    plpgsql_curr_compile = f;
    plpgsql_compile_tmp_cxt = CurrentMemoryContext;
    plpgsql_IdentifierLookup = IDENTIFIER_LOOKUP_NORMAL;
    plpgsql_variable_conflict = PLPGSQL_RESOLVE_ERROR;
    plpgsql_print_strict_params = false;
    plpgsql_DumpExecTree = false;
    f->fn_signature = plpgsql_error_funcname;
    f->fn_is_trigger = shape->trigger         ? PLPGSQL_DML_TRIGGER
                       : shape->event_trigger ? PLPGSQL_EVENT_TRIGGER
                                              : PLPGSQL_NOT_TRIGGER;
    f->fn_cxt = CurrentMemoryContext;
    f->out_param_varno = -1;
    f->fn_rettype = shape->value ? RECORDOID : VOIDOID;
    f->fn_retset = shape->set;
    f->fn_prokind = PROKIND_FUNCTION;
    plpgsql_ns_init();
    plpgsql_ns_push("", PLPGSQL_LABEL_BLOCK);
    plpgsql_start_datums();
    for (size_t i = 0; i < dotted->n; i++)
        (void)plpgsql_build_record(dotted->names[i], 0, NULL, RECORDOID, true);
    plpgsql_ns_push(shape->name == NULL ? "inline_code_block" : shape->name, PLPGSQL_LABEL_BLOCK);
    add_arguments(shape);
    if (shape->results)
        f->out_param_varno = plpgsql_nDatums - 1; /* whichever: it is there */
    return f;
}

static void
keep_error(struct work *w)
{
    ErrorData *e = CopyErrorData();

    w->out->error = keep(w, e->message == NULL ? "it cannot be read" : e->message);
    FlushErrorState();
}

/* The library answers errors by longjmp, into its own frames only: no resource of ours is lost. */
static void
compile(struct work *w, struct bs_bytes source, const struct dotted *dotted)
{
    ErrorContextCallback *const context = error_context_stack;
    MemoryContext memory = pg_query_enter_memory_context();

    PG_TRY();
    {
        char *text = palloc(source.n + 1);
        memcpy(text, source.p, source.n);
        text[source.n] = '\0';
        (void)begin_function(w->shape, dotted);
        plpgsql_scanner_init(text);
        if (plpgsql_yyparse() != 0)
            w->out->error = "it cannot be read";
        else
            read_body(w, plpgsql_parse_result);
        plpgsql_scanner_finish();
    }
    PG_CATCH();
    {
        MemoryContextSwitchTo(memory);
        keep_error(w);
    }
    PG_END_TRY();
    error_context_stack = context;
    plpgsql_error_funcname = NULL;
    plpgsql_curr_compile = NULL;
    plpgsql_compile_tmp_cxt = NULL;
    pg_query_exit_memory_context(memory);
}

enum bs_done
bs_plpgsql_read(struct bs_bytes source,
                const struct bs_plpgsql_shape *shape,
                struct bs_arena *arena,
                struct bs_plpgsql *out,
                struct bs_err *err)
{
    struct work *w = bs_arena_take(arena, sizeof(*w));
    struct dotted dotted = {.text = source};

    *out = (struct bs_plpgsql){.error = "it was not read"};
    dotted.names = bs_arena_array(arena, MAX_RECORDS + 1, sizeof(*dotted.names));
    if (w == NULL || dotted.names == NULL)
        return BS_FAIL(err, LIMIT, "the %s arena is full", arena->name);
    if (source.n == 0 || source.n > BS_PLPGSQL_MAX || memchr(source.p, '\0', source.n) != NULL ||
        !bs_utf8_valid(source) || bs_lex_is_slow(source)) {
        out->error = "it is too long, or not text";
        return BS_DONE;
    }
    out->error = NULL;
    *w = (struct work){.shape = shape, .arena = arena, .out = out};
    (void)bs_lex(source, on_token, &dotted); /* what it cannot lex the grammar refuses as well */
    compile(w, source, &dotted);
    if (w->full)
        return BS_FAIL(err, LIMIT, "the %s arena is full", arena->name);
    return BS_DONE;
}
