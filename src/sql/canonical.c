/*
 * canonical.c - the text of a statement without what means nothing.
 *
 * Keywords and plain identifiers come out in lower case, as the lexer takes them; all else stays
 * byte for byte. Lexing the result gives the same tokens again, so two texts that differ in a
 * token differ here too.
 */
#include "sql/classify.h"

#include <string.h>

#include "sql/lexcost.h"
#include "sql/parse.h"

struct writer {
    struct bs_bytes text;
    uint8_t *out; /* room for the text and one space a token */
    size_t n;
    struct bs_token last;
};

static bool
is_word(struct bs_bytes token)
{
    uint8_t c = token.p[0];
    bool starts = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c >= 0x80;

    /* E'...', U&"..." and the like start as words do. */
    return starts && memchr(token.p, '\'', token.n) == NULL &&
           memchr(token.p, '"', token.n) == NULL;
}

/* N'x' is two tokens to the lexer, but N 'x' is a value of type n. */
static bool
is_national(const struct writer *w, struct bs_token token)
{
    const uint8_t *last = w->text.p + w->last.from;

    return w->last.to == token.from && w->last.to - w->last.from == 1 &&
           (*last == 'n' || *last == 'N') && w->text.p[token.from] == '\'';
}

static bool
write_token(void *with, struct bs_token token)
{
    struct writer *w = with;
    struct bs_bytes b = {w->text.p + token.from, token.to - token.from};
    uint8_t *at = w->out + w->n;

    if (b.n == 0)
        return true;
    if (w->n != 0 && !is_national(w, token)) {
        *at++ = ' ';
        w->n++;
    }
    memcpy(at, b.p, b.n);
    for (size_t i = 0; is_word(b) && i < b.n; i++) {
        if (at[i] >= 'A' && at[i] <= 'Z')
            at[i] = (uint8_t)(at[i] + ('a' - 'A'));
    }
    w->n += b.n;
    w->last = token;
    return true;
}

enum bs_done
bs_canonical(struct bs_bytes text, struct bs_arena *arena, struct bs_bytes *out, struct bs_err *err)
{
    struct writer w = {.text = text};

    *out = (struct bs_bytes){0};
    if (text.n == 0)
        return BS_DONE;
    if (text.n > INT32_MAX / 2)
        return BS_FAIL(err, LIMIT, "a text of %zu bytes is too long", text.n);
    w.out = bs_arena_take(arena, text.n * 2);
    if (w.out == NULL)
        return BS_FAIL(err, LIMIT, "the %s arena is full", arena->name);
    if (memchr(text.p, '\0', text.n) != NULL || !bs_utf8_valid(text) || bs_lex_is_slow(text) ||
        !bs_lex(text, write_token, &w)) {
        memcpy(w.out, text.p, text.n);
        w.n = text.n;
    }
    *out = (struct bs_bytes){w.out, w.n};
    return BS_DONE;
}
