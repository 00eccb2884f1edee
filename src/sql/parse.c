/*
 * parse.c - everything between enter and exit lives in one memory context, which is dropped whole.
 */
#include "sql/parse.h"

#include <stdlib.h>
#include <string.h>

#include "base/must.h"
#include "sql/nodes.h"

#include <parser/parser.h>
#include <parser/scanner.h>
#include <pg_query.h>
#include <pg_query_internal.h>

#include <gramparse.h>

/* A copy that ends in a NUL, as the scanner wants it; in `room` where it fits. */
static char *
copy_of(struct bs_bytes text, char *room, size_t room_bytes)
{
    char *copy = text.n < room_bytes ? room : malloc(text.n + 1);

    bs_assert(copy != NULL);
    if (text.n != 0)
        memcpy(copy, text.p, text.n);
    copy[text.n] = '\0';
    return copy;
}

/* Errors that the lexer alone decides on: no grammar, older or newer, gets to see the text. */
static bool
is_bad_literal(const char *error)
{
    static const char *const starts[] = {
        "unterminated quoted string",
        "invalid byte sequence for encoding",
        "invalid Unicode escape",
        "invalid Unicode surrogate pair",
        "unsafe use of string constant with Unicode escapes",
        "unsafe use of \\' in a string literal",
    };

    for (size_t i = 0; i < sizeof(starts) / sizeof(starts[0]); i++) {
        if (strncmp(error, starts[i], strlen(starts[i])) == 0)
            return true;
    }
    return false;
}

/* What stopped the parser. The copy goes with the tree's memory. */
static void
take_error(struct bs_parse_tree *out)
{
    const ErrorData *error;

    (void)MemoryContextSwitchTo(out->memory); /* the error is in one that is emptied now */
    error = CopyErrorData();
    FlushErrorState();
    out->failed = true;
    strncpy(out->error, error->message, sizeof(out->error) - 1);
    out->error[sizeof(out->error) - 1] = '\0';
    out->error_at = error->cursorpos > 0 ? (uint32_t)error->cursorpos : 0;
    out->bad_literal = is_bad_literal(out->error);
}

/*
 * Not by pg_query_raw_parse: that one clears and copies four kilobytes each time, for what the
 * parser would print, which is nothing.
 */
void
bs_parse_begin(struct bs_bytes text, enum bs_strings strings, struct bs_parse_tree *out)
{
    char small[4096], *copy = copy_of(text, small, sizeof(small));

    out->memory = pg_query_enter_memory_context();
    out->stmts = NULL;
    out->failed = out->bad_literal = false;
    out->error_at = 0;
    out->error[0] = '\0';
    standard_conforming_strings = strings == BS_STRINGS_STANDARD;
    escape_string_warning = false;
    PG_TRY();
    {
        out->stmts = raw_parser(copy, RAW_PARSE_DEFAULT);
    }
    PG_CATCH();
    {
        take_error(out);
    }
    PG_END_TRY();
    standard_conforming_strings = escape_string_warning = true;
    if (copy != small)
        free(copy);
}

void
bs_parse_end(struct bs_parse_tree *parse)
{
    if (parse->memory != NULL)
        pg_query_exit_memory_context(parse->memory);
    parse->memory = NULL;
    parse->stmts = NULL;
}

static bool
is_space(uint8_t c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

/*
 * The scanner tells where a token starts, not where it ends. Comments are tokens to libpg_query,
 * so only white space lies between two tokens, and no token ends in white space.
 */
static bool
emit(struct bs_bytes text,
     size_t from,
     size_t to,
     bool (*on)(void *with, struct bs_token token),
     void *with)
{
    const uint8_t *at = text.p + from;

    while (to > from && is_space(text.p[to - 1]))
        to--;
    if (to - from >= 2 && ((at[0] == '-' && at[1] == '-') || (at[0] == '/' && at[1] == '*')))
        return true;
    return on(with, (struct bs_token){(uint32_t)from, (uint32_t)to});
}

static void
lex(struct bs_bytes text,
    const char *copy,
    bool (*on)(void *with, struct bs_token token),
    void *with)
{
    base_yy_extra_type extra = {0};
    core_yyscan_t scanner =
        scanner_init(copy, &extra.core_yy_extra, &ScanKeywords, ScanKeywordTokens);
    core_YYSTYPE value;
    YYLTYPE at = 0;
    bool any = false, go_on = true;
    size_t from = 0;

    while (go_on && core_yylex(&value, &at, scanner) != 0) {
        if (any)
            go_on = emit(text, from, (size_t)at, on, with);
        from = (size_t)at;
        any = true;
    }
    if (any && go_on)
        (void)emit(text, from, text.n, on, with);
    scanner_finish(scanner);
}

bool
bs_lex(struct bs_bytes text, bool (*on)(void *with, struct bs_token token), void *with)
{
    MemoryContext memory = pg_query_enter_memory_context();
    char *copy = copy_of(text, NULL, 0);
    volatile bool whole = true;

    PG_TRY();
    {
        lex(text, copy, on, with);
    }
    PG_CATCH();
    {
        whole = false;
        FlushErrorState();
    }
    PG_END_TRY();
    free(copy);
    pg_query_exit_memory_context(memory);
    return whole;
}

const char *
bs_parse_version(void)
{
    return "PostgreSQL " PG_VERSION " (libpg_query)";
}
