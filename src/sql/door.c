/*
 * door.c - a few tokens at the beginning of a text.
 */
#include "sql/door.h"

#include <string.h>
#include <strings.h>

#include "sql/lexcost.h"
#include "sql/parse.h"

#define HEAD_MAX   4096 /* bytes that are lexed: more than a comment of a tool and the words take */
#define TOKENS_MAX 16

struct head {
    struct bs_bytes text;
    struct bs_bytes tokens[TOKENS_MAX];
    size_t n;
};

static bool
is_word(struct bs_bytes token, const char *word)
{
    return token.n == strlen(word) && strncasecmp((const char *)token.p, word, token.n) == 0;
}

static bool
on_token(void *with, struct bs_token token)
{
    struct head *h = with;

    h->tokens[h->n++] = (struct bs_bytes){h->text.p + token.from, token.to - token.from};
    if (h->n == 1 && !is_word(h->tokens[0], "show") && !is_word(h->tokens[0], "explain"))
        return false;
    return h->n < TOKENS_MAX &&
           !(is_word(h->tokens[0], "explain") && h->n > 1 && is_word(h->tokens[h->n - 1], ")"));
}

/* Nearly all texts begin with something else, which costs a look. */
static bool
may_be(struct bs_bytes text)
{
    size_t i = 0;

    while (i < text.n && (text.p[i] == ' ' || (text.p[i] >= '\t' && text.p[i] <= '\r')))
        i++;
    if (text.n - i < 8)
        return false;
    return text.p[i] == '/' || text.p[i] == '-' ||
           strncasecmp((const char *)text.p + i, "sh", 2) == 0 ||
           strncasecmp((const char *)text.p + i, "ex", 2) == 0;
}

/* A name as the lexer takes it, quoted or not; "" where it is none, or longer than a name can be. */
static void
read_name(struct bs_bytes token, char out[BS_DOOR_NAME + 1])
{
    bool quoted = token.n >= 2 && token.p[0] == '"' && token.p[token.n - 1] == '"';
    size_t n = 0;

    out[0] = '\0';
    if (quoted)
        token = (struct bs_bytes){token.p + 1, token.n - 2};
    for (size_t i = 0; i < token.n; i++) {
        uint8_t c = token.p[i];
        if (n == BS_DOOR_NAME) {
            out[0] = '\0';
            return;
        }
        if (quoted && c == '"')
            i++;
        else if (!quoted && c >= 'A' && c <= 'Z')
            c = (uint8_t)(c + ('a' - 'A'));
        out[n++] = (char)c;
    }
    out[n] = '\0';
}

static const struct {
    const char *name;
    enum bs_door_kind kind;
    bool ticket;
} shown[] = {
    {"status", BS_DOOR_STATUS, false}, {"tickets", BS_DOOR_TICKETS, false},
    {"points", BS_DOOR_POINTS, false}, {"ticket", BS_DOOR_TICKET, true},
    {"wait", BS_DOOR_WAIT, true},
};

/* SHOW backstop . name [. name] [;] */
static void
read_show(const struct head *h, struct bs_door *out)
{
    char first[BS_DOOR_NAME + 1], second[BS_DOOR_NAME + 1];
    size_t end = 4;

    if (h->n < 4 || !is_word(h->tokens[2], "."))
        return;
    read_name(h->tokens[1], first);
    read_name(h->tokens[3], second);
    if (strcasecmp(first, "backstop") != 0) /* names of settings are the same in either case */
        return;
    for (size_t i = 0; i < sizeof(shown) / sizeof(shown[0]); i++) {
        if (strcasecmp(second, shown[i].name) != 0)
            continue;
        if (shown[i].ticket && (h->n < 6 || !is_word(h->tokens[4], ".")))
            return;
        if (shown[i].ticket)
            read_name(h->tokens[5], out->ticket);
        end = shown[i].ticket ? 6 : 4;
        out->kind = shown[i].kind;
    }
    while (end < h->n && is_word(h->tokens[end], ";"))
        end++;
    out->mixed = end < h->n;
}

/* One of EXPLAIN's options; SELECT, say, is none: EXPLAIN (SELECT a, backstop FROM b) is PostgreSQL's. */
static bool
is_option(const char *name)
{
    static const char *const names[] = {
        "backstop", "format",    "analyze", "verbose", "costs",   "settings", "generic_plan",
        "buffers",  "serialize", "wal",     "timing",  "summary", "memory",
    };
    bool found = false;

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        found = found || strcmp(name, names[i]) == 0;
    return found;
}

/* EXPLAIN ( BACKSTOP [, FORMAT JSON] ), in any order; another option is noted, with its value. */
static void
read_explain(const struct head *h, struct bs_door *out)
{
    char name[BS_DOOR_NAME + 1], value[BS_DOOR_NAME + 1];
    size_t end = h->n - 1, at = 2;
    bool asks = false;

    if (h->n < 4 || !is_word(h->tokens[1], "(") || !is_word(h->tokens[end], ")"))
        return;
    for (; at < end; at++) {
        bool has_value;
        read_name(h->tokens[at], name);
        if (!is_option(name))
            return;
        has_value = !is_word(h->tokens[at + 1], ",") && at + 1 < end;
        read_name(h->tokens[at + 1], value);
        asks = asks || strcmp(name, "backstop") == 0;
        if (strcmp(name, "backstop") == 0)
            out->options = out->options || has_value;
        else if (strcmp(name, "format") != 0 || strcmp(value, "json") != 0)
            out->options = true;
        at += has_value ? 2 : 1;
        if (at < end && !is_word(h->tokens[at], ","))
            return;
    }
    if (!asks)
        return;
    out->kind = BS_DOOR_EXPLAIN;
    out->inner = (size_t)(h->tokens[end].p - h->text.p) + 1;
}

struct bs_door
bs_door_read(struct bs_bytes text)
{
    struct head h = {.text = {text.p, text.n < HEAD_MAX ? text.n : HEAD_MAX}};
    struct bs_door out = {BS_DOOR_NONE};

    if (!may_be(text) || bs_lex_is_slow(h.text))
        return out;
    if (!bs_lex(h.text, on_token, &h) || h.n == 0)
        return out;
    if (is_word(h.tokens[0], "show"))
        read_show(&h, &out);
    else if (is_word(h.tokens[0], "explain"))
        read_explain(&h, &out);
    return out;
}
