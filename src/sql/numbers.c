/*
 * numbers.c - one pass over the bytes.
 */
#include "sql/numbers.h"

#include <string.h>

#define DIGITS_MAX 9 /* an int4, whatever they are */

enum byte_kind {
    OTHER = 0, /* what this file does not judge, and the bytes of other encodings */
    DIGIT,
    LETTER, /* of a word: _, too */
    SPACE,
    POINT,
    MARK,
};

static enum byte_kind
kind_of(uint8_t c)
{
    if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_')
        return LETTER;
    if (c >= '0' && c <= '9')
        return DIGIT;
    switch (c) {
    case ' ':
    case '\t':
    case '\n':
    case '\r':
        return SPACE;
    case '.':
        return POINT;
    case ',':
    case '(':
    case ')':
    case '=':
    case '<':
    case '>':
    case '*':
    case '+':
    case ';':
        return MARK;
    default:
        return OTHER;
    }
}

/* Behind the digits from `at` on. */
static size_t
digits_end(struct bs_bytes text, size_t at)
{
    while (at < text.n && kind_of(text.p[at]) == DIGIT)
        at++;
    return at;
}

static size_t
word_end(struct bs_bytes text, size_t at)
{
    while (at < text.n && (kind_of(text.p[at]) == LETTER || kind_of(text.p[at]) == DIGIT))
        at++;
    return at;
}

/* Not a part of 1.5, .5, 1e5, 0x1f, 1_000 or of something longer. */
static bool
is_whole(struct bs_bytes text, size_t from, size_t to)
{
    bool point_before = from > 0 && kind_of(text.p[from - 1]) == POINT;
    bool goes_on = to < text.n && (kind_of(text.p[to]) == LETTER || kind_of(text.p[to]) == POINT);

    return to - from <= DIGITS_MAX && !point_before && !goes_on;
}

bool
bs_numbers_blank(struct bs_bytes text, uint8_t *out, size_t *n)
{
    size_t at = 0;

    *n = 0;
    if (text.n == 0)
        return true;
    memcpy(out, text.p, text.n);
    while (at < text.n) {
        size_t from = at;
        switch (kind_of(text.p[at])) {
        case DIGIT:
            at = digits_end(text, at);
            if (!is_whole(text, from, at))
                return false;
            memset(out + from, '0', at - from);
            (*n)++;
            break;
        case LETTER:
            at = word_end(text, at);
            break;
        case SPACE:
        case POINT:
        case MARK:
            at++;
            break;
        case OTHER:
        default:
            return false;
        }
    }
    return true;
}
