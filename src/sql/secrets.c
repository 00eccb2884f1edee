/* secrets.c - see secrets.h. */
#include "sql/secrets.h"

#include <string.h>
#include <strings.h>

#include "sql/lexcost.h"
#include "sql/parse.h"

#define STARS "'***'"

/* Which strings of a statement are hidden. */
enum hides { HIDES_NONE, HIDES_PASSWORD, HIDES_SETTING, HIDES_ALL };

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

struct writer {
    struct bs_bytes text;
    const struct bs_unit *unit;
    size_t stmt;      /* the first that does not end before the token */
    bool password;    /* the token before is PASSWORD, or a string that was hidden */
    uint8_t *out;     /* NULL: only looks whether there is anything */
    size_t n, copied; /* bytes of out; of the text, that are in it or hidden */
    bool any;
};

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

static bool
take_token(void *with, struct bs_token token)
{
    struct writer *w = with;
    struct bs_bytes b = {w->text.p + token.from, token.to - token.from};
    const struct bs_stmt *s = statement_at(w, token);
    enum hides what = s == NULL ? HIDES_NONE : hides(s);
    bool hide =
        is_string(b) && (what == HIDES_ALL || (what == HIDES_PASSWORD && w->password) ||
                         (what == HIDES_SETTING &&
                          names_secret((struct bs_bytes){w->text.p + s->from, s->to - s->from})));

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
