/* secrets.c - see secrets.h. */
#include "sql/secrets.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "sql/lexcost.h"
#include "sql/parse.h"
#include "sql/strings.h"

#define STARS "'***'"

/* Which strings of a statement are hidden. */
enum hides { HIDES_NONE, HIDES_PASSWORD, HIDES_SETTING, HIDES_ALL, HIDES_CODE };

static const struct {
    enum bs_kind kind;
    enum hides hides;
} secret[] = {
    {BS_KIND_CREATE_ROLE, HIDES_PASSWORD},
    {BS_KIND_ALTER_ROLE, HIDES_PASSWORD},
    {BS_KIND_UNKNOWN, HIDES_PASSWORD}, /* not parsed: it never runs */
    {BS_KIND_ALTER_SYSTEM, HIDES_SETTING},
    {BS_KIND_CREATE_FOREIGN_DATA_WRAPPER, HIDES_ALL},
    {BS_KIND_ALTER_FOREIGN_DATA_WRAPPER, HIDES_ALL},
    {BS_KIND_CREATE_SERVER, HIDES_ALL},
    {BS_KIND_ALTER_SERVER, HIDES_ALL},
    {BS_KIND_CREATE_USER_MAPPING, HIDES_ALL},
    {BS_KIND_ALTER_USER_MAPPING, HIDES_ALL},
    {BS_KIND_CREATE_SUBSCRIPTION, HIDES_ALL},
    {BS_KIND_ALTER_SUBSCRIPTION, HIDES_ALL},
    {BS_KIND_DO, HIDES_CODE},
    {BS_KIND_CREATE_FUNCTION, HIDES_CODE},
    {BS_KIND_CREATE_PROCEDURE, HIDES_CODE},
};

static enum hides
hides(const struct bs_stmt *s)
{
    for (size_t i = 0; i < sizeof(secret) / sizeof(secret[0]); i++) {
        if (secret[i].kind == s->kind)
            return secret[i].hides;
    }
    return HIDES_NONE;
}

static bool
is_string(struct bs_bytes token)
{
    return memchr(token.p, '\'', token.n) != NULL ? token.p[0] != '"'
                                                  : token.n >= 4 && token.p[0] == '$';
}

static bool
is_password(struct bs_bytes token)
{
    const char *word = "password";
    size_t quote = token.n != 0 && token.p[0] == '"';

    return token.n == strlen(word) + 2 * quote &&
           strncasecmp((const char *)token.p + quote, word, strlen(word)) == 0;
}

/* Bodies of code. */

enum {
    DEEPEST = 4, /* EXECUTE 'ALTER ...' in a body in a body */
    GROWTH = 4,  /* of a text, at most: each string gets a few bytes more */
    TOKENS_MAX = 1 << 20,
};

struct tokens {
    struct bs_bytes text;
    struct bs_token *list;
    size_t n, room;
};

static bool
keep_token(void *with, struct bs_token token)
{
    struct tokens *t = with;

    if (t->n == t->room) {
        t->room = t->room == 0 ? 256 : t->room * 2;
        t->list = bs_realloc(t->list, t->room * sizeof(*t->list));
    }
    t->list[t->n++] = token;
    return t->n < TOKENS_MAX;
}

static bool
take_tokens(struct tokens *t, struct bs_bytes text)
{
    *t = (struct tokens){.text = text};
    return memchr(text.p, '\0', text.n) == NULL && bs_utf8_valid(text) && !bs_lex_is_slow(text) &&
           bs_lex(text, keep_token, t);
}

static struct bs_bytes
token_at(const struct tokens *t, size_t i)
{
    if (i >= t->n)
        return (struct bs_bytes){0};
    return (struct bs_bytes){t->text.p + t->list[i].from, t->list[i].to - t->list[i].from};
}

static bool
is_any(struct bs_bytes token, const char *const *words)
{
    for (; *words != NULL; words++) {
        if (strlen(*words) == token.n && strncasecmp((const char *)token.p, *words, token.n) == 0)
            return true;
    }
    return false;
}

#define IS(token, ...) is_any(token, (const char *const[]){__VA_ARGS__, NULL})

/*
 * Of the statement that begins with this token of a body. Only where one begins there for certain:
 * password 'DROP TABLE t' may also be a value that is run.
 */
static enum hides
hides_from(const struct tokens *t, size_t i)
{
    struct bs_bytes what = token_at(t, i + 1);

    if (i != 0 && !IS(token_at(t, i - 1), ";", "BEGIN", "THEN", "ELSE", "LOOP", ">>"))
        return HIDES_NONE;
    if (!IS(token_at(t, i), "ALTER", "CREATE"))
        return HIDES_NONE;
    if (IS(what, "SERVER", "SUBSCRIPTION", "FOREIGN") ||
        (IS(what, "USER") && IS(token_at(t, i + 2), "MAPPING")))
        return HIDES_ALL;
    return IS(what, "ROLE", "USER", "GROUP") ? HIDES_PASSWORD : HIDES_NONE;
}

static bool hide_body(struct bs_bytes text, int depth, struct bs_buf *out);

/* A string whose value is code. False: nothing is to be hidden, or what its value is is not clear. */
static bool
hide_string(struct bs_bytes token, int depth, struct bs_buf *out)
{
    size_t close, open = bs_string_quotes(token, &close);
    bool quoted = open != 0 && token.p[0] != '$', escapes = quoted && open == 2, any;
    struct bs_buf plain, hidden;

    if (open == 0)
        return false;
    bs_buf_init(&plain, token.n + 1);
    bs_buf_init(&hidden, GROWTH * token.n + 64);
    any = bs_string_value(token, &plain) && hide_body(bs_buf_view(&plain), depth + 1, &hidden) &&
          !hidden.failed;
    if (any) {
        bs_put_bytes(out, (struct bs_bytes){token.p, open});
        for (size_t i = 0; i < hidden.n; i++) {
            bs_put_u8(out, hidden.p[i]);
            if ((quoted && hidden.p[i] == '\'') || (escapes && hidden.p[i] == '\\'))
                bs_put_u8(out, hidden.p[i]);
        }
        bs_put_bytes(out, (struct bs_bytes){token.p + token.n - close, close});
    }
    bs_buf_fini(&plain);
    bs_buf_fini(&hidden);
    return any;
}

/* Is it a constant that runs, as it stands? */
static bool
is_executed(const struct tokens *t, size_t i)
{
    size_t in = i > 1 && IS(token_at(t, i - 1), "(") && IS(token_at(t, i + 1), ")");

    return i > in && IS(token_at(t, i - in - 1), "EXECUTE") &&
           (i + in + 1 == t->n || IS(token_at(t, i + in + 1), ";", "INTO", "USING"));
}

/* PL/pgSQL or SQL; what it puts together from parts stays as it is. False: nothing is hidden. */
static bool
hide_body(struct bs_bytes text, int depth, struct bs_buf *out)
{
    enum hides what = HIDES_NONE;
    bool any = false, password = false;
    struct tokens t = {0};
    size_t copied = 0;

    if (text.n == 0 || depth > DEEPEST || !take_tokens(&t, text)) {
        free(t.list);
        return false;
    }
    for (size_t i = 0; i < t.n; i++) {
        struct bs_bytes b = token_at(&t, i);
        bool hide = is_string(b) && (what == HIDES_ALL || (what == HIDES_PASSWORD && password));
        size_t n = out->n;
        what = hides_from(&t, i) != HIDES_NONE ? hides_from(&t, i) : IS(b, ";") ? HIDES_NONE : what;
        password = hide || is_password(b);
        if (!hide && !(is_string(b) && is_executed(&t, i)))
            continue;
        bs_put_bytes(out, (struct bs_bytes){text.p + copied, t.list[i].from - copied});
        if (hide)
            bs_put_str(out, STARS);
        else if (!hide_string(b, depth, out)) {
            out->n = n;
            continue;
        }
        copied = t.list[i].to;
        any = true;
    }
    bs_put_bytes(out, (struct bs_bytes){text.p + copied, text.n - copied});
    free(t.list);
    return any;
}

/* All that it says of a language is one whose code has the same strings and comments. */
static bool
is_known_language(struct bs_bytes statement)
{
    struct tokens t = {0};
    bool known = take_tokens(&t, statement);

    for (size_t i = 0; known && i + 1 < t.n; i++) {
        if (IS(token_at(&t, i), "LANGUAGE"))
            known = IS(token_at(&t, i + 1), "plpgsql", "sql", "'plpgsql'", "'sql'", "\"plpgsql\"",
                       "\"sql\"");
    }
    free(t.list);
    return known;
}

struct writer {
    struct bs_bytes text;
    const struct bs_unit *unit;
    size_t stmt;            /* the first that does not end before the token */
    bool password;          /* the token before is PASSWORD, or a string that was hidden */
    struct bs_bytes before; /* the token before */
    bool options;           /* not parsed, but it has options of a kind that hides all */
    uint8_t *out;           /* NULL: only looks whether there is anything */
    size_t n, copied;       /* bytes of out; of the text, that are in it or hidden */
    bool any;
};

static bool
names_secret(struct bs_bytes b)
{
    static const char *const words[] = {"password", "passphrase", "passfile"};

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        size_t n = strlen(words[i]);
        for (size_t at = 0; at + n <= b.n; at++) {
            if (strncasecmp((const char *)b.p + at, words[i], n) == 0)
                return true;
        }
    }
    return false;
}

static const struct bs_stmt *
statement_at(struct writer *w, struct bs_token token)
{
    if (!w->unit->parsed)
        return w->unit->stmts;
    while (w->stmt < w->unit->n_stmts && w->unit->stmts[w->stmt].to <= token.from)
        w->stmt++;
    if (w->stmt == w->unit->n_stmts || w->unit->stmts[w->stmt].from > token.from)
        return NULL;
    return &w->unit->stmts[w->stmt];
}

static void
put(struct writer *w, const void *p, size_t n)
{
    if (w->out != NULL)
        memcpy(w->out + w->n, p, n);
    w->n += n;
}

static void
put_code(struct writer *w, struct bs_token token, const struct bs_stmt *s)
{
    struct bs_buf hidden;

    bs_buf_init(&hidden, GROWTH * w->text.n + 64);
    if (is_known_language((struct bs_bytes){w->text.p + s->from, s->to - s->from}) &&
        hide_string((struct bs_bytes){w->text.p + token.from, token.to - token.from}, 0, &hidden) &&
        !hidden.failed) {
        put(w, w->text.p + w->copied, token.from - w->copied);
        put(w, hidden.p, hidden.n);
        w->copied = token.to;
        w->any = true;
    }
    bs_buf_fini(&hidden);
}

/* Of a text that nobody could parse: it never runs, so what may be a secret is one. */
static enum hides
hides_unread(struct writer *w, struct bs_bytes b)
{
    w->options = w->options ||
                 (IS(w->before, "CREATE", "ALTER") &&
                  IS(b, "SERVER", "SUBSCRIPTION", "FOREIGN", "SYSTEM")) ||
                 (IS(w->before, "USER") && IS(b, "MAPPING"));
    w->before = b;
    if (w->options)
        return HIDES_ALL;
    return w->password ? HIDES_PASSWORD : HIDES_CODE;
}

static bool
take_token(void *with, struct bs_token token)
{
    struct writer *w = with;
    struct bs_bytes b = {w->text.p + token.from, token.to - token.from};
    const struct bs_stmt *s = statement_at(w, token);
    enum hides what = s == NULL                    ? HIDES_NONE
                      : s->kind == BS_KIND_UNKNOWN ? hides_unread(w, b)
                                                   : hides(s);
    bool hide =
        is_string(b) && (what == HIDES_ALL || (what == HIDES_PASSWORD && w->password) ||
                         (what == HIDES_SETTING &&
                          names_secret((struct bs_bytes){w->text.p + s->from, s->to - s->from})));

    if (what == HIDES_CODE && is_string(b))
        put_code(w, token, s);
    if (hide) {
        put(w, w->text.p + w->copied, token.from - w->copied);
        put(w, STARS, strlen(STARS));
        w->copied = token.to;
        w->any = true;
    }
    w->password = hide || is_password(b);
    return true;
}

static bool
hides_any(const struct bs_unit *unit)
{
    for (size_t i = 0; i < unit->n_stmts; i++) {
        if (hides(&unit->stmts[i]) != HIDES_NONE)
            return true;
    }
    return false;
}

enum bs_done
bs_without_secrets(struct bs_bytes text,
                   const struct bs_unit *unit,
                   struct bs_arena *arena,
                   struct bs_bytes *out,
                   struct bs_err *err)
{
    static struct bs_stmt unknown = {.kind = BS_KIND_UNKNOWN};
    static const struct bs_unit unread = {.stmts = &unknown, .n_stmts = 1};
    struct writer w = {.text = text, .unit = unit == NULL ? &unread : unit}, measured;

    *out = text;
    if (text.n == 0 || !hides_any(w.unit) || memchr(text.p, '\0', text.n) != NULL ||
        !bs_utf8_valid(text) || bs_lex_is_slow(text))
        return BS_DONE;
    measured = w;
    (void)bs_lex(text, take_token, &measured);
    if (!measured.any)
        return BS_DONE;
    w.out = bs_arena_take(arena, measured.n + text.n - measured.copied);
    if (w.out == NULL)
        return BS_FAIL(err, LIMIT, "the %s arena is full", arena->name);
    (void)bs_lex(text, take_token, &w);
    put(&w, text.p + w.copied, text.n - w.copied);
    *out = (struct bs_bytes){w.out, w.n};
    return BS_DONE;
}
