/*
 * conn_newer.c - the same two grammars that libpq reads, followed just far enough to find where a
 * keyword with its value begins and ends.
 */
#include "policy/conn_newer.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <libpq-fe.h>

#include "base/arena.h"

/* The field of a keyword that is ours to read; NULL: of no such. */
static char **
field_of(struct bs_conn_newer *c, const char *keyword, size_t n)
{
    const struct {
        const char *keyword;
        char **field;
    } all[] = {
        {"sslnegotiation", &c->sslnegotiation},
        {"min_protocol_version", &c->min_protocol_version},
        {"max_protocol_version", &c->max_protocol_version},
    };

    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
        if (strlen(all[i].keyword) == n && memcmp(all[i].keyword, keyword, n) == 0)
            return all[i].field;
    return NULL;
}

static bool
libpq_knows(const char *keyword, size_t n)
{
    PQconninfoOption *all = PQconndefaults();
    bool found = false;

    for (const PQconninfoOption *o = all; o != NULL && o->keyword != NULL; o++)
        found = found || (strlen(o->keyword) == n && memcmp(o->keyword, keyword, n) == 0);
    PQconninfoFree(all);
    return found;
}

/* One "keyword=value" of a string. */
struct part {
    const char *keyword;
    size_t keyword_n;
    char *value;     /* decoded; may be NULL */
    const char *end; /* behind it */
};

/* The last one of a keyword counts. False: it is not one of ours. */
static bool
keep(struct bs_conn_newer *c, struct part *p)
{
    char **field = field_of(c, p->keyword, p->keyword_n);

    if (field == NULL)
        return false;
    free(*field);
    *field = NULL;
    if (p->value != NULL && p->value[0] != '\0') {
        *field = p->value;
        p->value = NULL;
    }
    return !libpq_knows(p->keyword, p->keyword_n);
}

/* --- keyword = value ----------------------------------------------------------------------- */

static const char *
skip_blanks(const char *at)
{
    while (isspace((unsigned char)*at))
        at++;
    return at;
}

/* A value with its quotes and backslashes; NULL where its quote does not end. */
static const char *
take_value(const char *at, char *out)
{
    bool quoted = *at == '\'';

    if (quoted)
        at++;
    while (*at != '\0' && (quoted ? *at != '\'' : !isspace((unsigned char)*at))) {
        if (*at == '\\' && *++at == '\0')
            break;
        *out++ = *at++;
    }
    *out = '\0';
    if (!quoted)
        return at;
    return *at == '\'' ? at + 1 : NULL;
}

/* False: there is none, or it is malformed. */
static bool
next_pair(const char *at, struct part *p)
{
    const char *eq;

    p->keyword = at;
    while (*at != '\0' && *at != '=' && !isspace((unsigned char)*at))
        at++;
    p->keyword_n = (size_t)(at - p->keyword);
    eq = skip_blanks(at);
    if (p->keyword_n == 0 || *eq != '=')
        return false;
    at = skip_blanks(eq + 1);
    p->value = bs_malloc(strlen(at) + 1);
    p->end = take_value(at, p->value);
    return p->end != NULL;
}

/* Copies what is not ours to `rest`; false where the string is malformed. */
static bool
split_pairs(const char *at, struct bs_conn_newer *out)
{
    char *to = out->rest;

    for (at = skip_blanks(at); *at != '\0'; at = skip_blanks(at)) {
        struct part p = {0};
        bool whole = next_pair(at, &p);
        if (whole && !keep(out, &p)) {
            memcpy(to, at, (size_t)(p.end - at));
            to += p.end - at;
            *to++ = ' ';
        }
        bs_free_secret(&p.value);
        if (!whole)
            return false;
        at = p.end;
    }
    *(to == out->rest ? to : to - 1) = '\0';
    return true;
}

/* --- URI ----------------------------------------------------------------------------------- */

static int
hex(char c)
{
    static const char digits[] = "0123456789abcdef";
    const char *at = c == '\0' ? NULL : strchr(digits, tolower((unsigned char)c));

    return at == NULL ? -1 : (int)(at - digits);
}

/* Percent signs decoded; one that is wrong stays, for libpq to refuse. */
static char *
decode(const char *from, const char *end)
{
    char *out = bs_malloc((size_t)(end - from) + 1), *to = out;

    for (; from < end; from++) {
        if (*from == '%' && end - from > 2 && hex(from[1]) >= 0 && hex(from[2]) >= 0) {
            *to++ = (char)(hex(from[1]) * 16 + hex(from[2]));
            from += 2;
        } else {
            *to++ = *from;
        }
    }
    *to = '\0';
    return out;
}

/* Where the parameters begin: a password may hold a question mark, too. */
static const char *
parameters(const char *text)
{
    const char *at = strstr(text, "://") + 3;
    const char *user_end = at + strcspn(at, "@/");

    return strchr(*user_end == '@' ? user_end : at, '?');
}

static void
split_uri(const char *text, struct bs_conn_newer *out)
{
    const char *at = parameters(text);
    char *to = out->rest, *first;

    if (at == NULL) {
        memcpy(to, text, strlen(text) + 1);
        return;
    }
    memcpy(to, text, (size_t)(at - text));
    to += at - text;
    first = to;
    for (at++; *at != '\0';) {
        struct part p = {.keyword = at, .end = strchrnul(at, '&')};
        p.keyword_n = strcspn(at, "=&");
        p.value = at[p.keyword_n] == '=' ? decode(at + p.keyword_n + 1, p.end) : NULL;
        if (!keep(out, &p)) {
            *to = to == first ? '?' : '&';
            to++;
            memcpy(to, at, (size_t)(p.end - at));
            to += p.end - at;
        }
        bs_free_secret(&p.value);
        at = p.end + (*p.end == '&');
    }
    *to = '\0';
}

void
bs_conn_newer_split(const char *text, struct bs_conn_newer *out)
{
    size_t n = strlen(text) + 2; /* a blank behind the last pair */

    *out = (struct bs_conn_newer){.rest = bs_malloc(n)};
    if (strncmp(text, "postgresql://", 13) == 0 || strncmp(text, "postgres://", 11) == 0) {
        split_uri(text, out);
    } else if (!split_pairs(text, out)) {
        bs_conn_newer_fini(out);
        out->rest = bs_strdup(text);
    }
}

void
bs_conn_newer_fini(struct bs_conn_newer *c)
{
    bs_free_secret(&c->rest);
    free(c->sslnegotiation);
    free(c->min_protocol_version);
    free(c->max_protocol_version);
    *c = (struct bs_conn_newer){0};
}
