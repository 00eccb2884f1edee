/*
 * load.c - libyaml's document, walked by a table.
 *
 * libyaml lets double keys, aliases and tags pass; here double keys and tags are problems. An alias
 * is the node it stands for, and the walk is as deep as the table, so a circle of aliases ends.
 */
#include "policy/load.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/secret.h"
#include "policy/nearest.h"

#define MAX_KEYS 256

void
bs_load_problem(struct bs_load *l, int line, const char *fmt, ...)
{
    struct bs_problems *p = l->problems;
    char text[512];
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    /* Room doubles at each power of two. */
    if ((p->n & (p->n - 1)) == 0)
        p->list = bs_realloc(p->list, (p->n == 0 ? 1 : p->n * 2) * sizeof(p->list[0]));
    p->list[p->n++] = (struct bs_problem){.line = line, .message = bs_strdup(text)};
}

int
bs_load_line(const yaml_node_t *node)
{
    return (int)node->start_mark.line + 1;
}

const char *
bs_key_name(const struct bs_key *key)
{
    const char *dot = strrchr(key->path, '.');

    return dot == NULL ? key->path : dot + 1;
}

const char *
bs_key_shown(const struct bs_key *key)
{
    return strpbrk(key->path, "*[") == NULL ? key->path : bs_key_name(key);
}

/* True where the row stands directly under the prefix. */
static bool
is_under(const struct bs_key *key, const char *prefix)
{
    size_t n = strlen(prefix);

    return strncmp(key->path, prefix, n) == 0 && strpbrk(key->path + n, ".*[") == NULL;
}

/* The words "did you mean" chooses from. */
struct siblings {
    const struct bs_load *l;
    const char *prefix;
};

static const char *
sibling_name(const void *ctx, size_t i)
{
    const struct siblings *s = ctx;

    for (size_t k = 0; k < s->l->n_keys; k++) {
        const struct bs_key *key = &s->l->keys[k];
        if (!is_under(key, s->prefix) || (key->flags & BS_KEY_LATER) != 0)
            continue;
        if (i-- == 0)
            return bs_key_name(key);
    }
    return NULL;
}

static void
unknown_key(struct bs_load *l, int line, const char *name, const char *prefix, const char *scope)
{
    const struct siblings s = {l, prefix};
    const char *near = bs_word_nearest(name, sibling_name, &s);

    if (near != NULL)
        bs_load_problem(l, line, "unknown key \"%.60s\"%s; did you mean \"%s\"?", name, scope,
                        near);
    else
        bs_load_problem(l, line, "unknown key \"%.60s\"%s", name, scope);
}

static bool
plain_tag(const yaml_node_t *node)
{
    static const char *const tags[] = {YAML_STR_TAG, YAML_SEQ_TAG, YAML_MAP_TAG};

    for (size_t i = 0; node->tag != NULL && i < sizeof(tags) / sizeof(tags[0]); i++) {
        if (strcmp((const char *)node->tag, tags[i]) == 0)
            return true;
    }
    return node->tag == NULL;
}

/* The text of a scalar node, NULL where it is none or has a NUL inside. */
static const char *
text_of(const yaml_node_t *node)
{
    if (node->type != YAML_SCALAR_NODE || !plain_tag(node))
        return NULL;
    if (strlen((const char *)node->data.scalar.value) != node->data.scalar.length)
        return NULL;
    return (const char *)node->data.scalar.value;
}

static bool
is_null(const yaml_node_t *node)
{
    const char *text = (const char *)node->data.scalar.value;

    return node->data.scalar.style == YAML_PLAIN_SCALAR_STYLE &&
           (text[0] == '\0' || strcmp(text, "~") == 0 || strcmp(text, "null") == 0);
}

/*
 * Puts an environment value into a connection string so that it stays one value: backslashes
 * before what libpq would act on, which it takes inside and outside quotes; %XX in a URI.
 */
static void
put_escaped(struct bs_buf *out, const char *value, bool uri)
{
    for (const char *p = value; *p != '\0'; p++) {
        unsigned char c = (unsigned char)*p;
        if (uri && !isalnum(c) && strchr("-._~", c) == NULL)
            bs_put_fmt(out, "%%%02X", c);
        else if (!uri && (c == '\\' || c == '\'' || isspace(c)))
            bs_put_fmt(out, "\\%c", c);
        else
            bs_put_u8(out, c);
    }
}

/* One ${NAME} at *p, which moves behind it. */
static bool
expand_one(struct bs_load *l,
           const struct bs_key *key,
           const char *whole,
           const char **p,
           struct bs_buf *out,
           int line)
{
    const char *end = strchr(*p, '}');
    char name[64];
    const char *value;
    bool alone;

    if (end == NULL || end - *p - 2 >= (ptrdiff_t)sizeof(name) || end - *p == 2) {
        bs_load_problem(l, line, "%s: \"${\" without a name and \"}\"", bs_key_shown(key));
        return false;
    }
    (void)snprintf(name, sizeof(name), "%.*s", (int)(end - *p - 2), *p + 2);
    value = getenv(name);
    if (value == NULL) {
        bs_load_problem(l, line, "%s: environment variable %s is not set", bs_key_shown(key), name);
        return false;
    }
    alone = *p == whole && end[1] == '\0';
    if ((key->flags & BS_KEY_CONNINFO) != 0 && !alone && strncmp(whole, "sqlite:", 7) != 0)
        put_escaped(out, value, strstr(whole, "://") != NULL);
    else
        bs_put_str(out, value);
    *p = end + 1;
    return true;
}

static bool
expand(struct bs_load *l, const struct bs_key *key, const char *text, struct bs_buf *out, int line)
{
    for (const char *p = text; *p != '\0';) {
        if (p[0] != '$' || p[1] != '{')
            bs_put_u8(out, (uint8_t)*p++);
        else if (!expand_one(l, key, text, &p, out, line))
            return false;
    }
    return true;
}

void *
bs_load_array(struct bs_load *l, size_t count, size_t each)
{
    void *array = bs_arena_array(l->arena, count, each);

    l->full = l->full || array == NULL;
    return array;
}

char *
bs_load_str(struct bs_load *l, struct bs_bytes text)
{
    char *copy = bs_arena_copy(l->arena, text);

    l->full = l->full || copy == NULL;
    return copy;
}

char *
bs_load_path(struct bs_load *l, const char *path)
{
    char *full;

    if (path[0] == '/')
        return bs_load_str(l, bs_bytes_of(path));
    full = bs_arena_fmt(l->arena, "%s/%s", l->config->folder, path);
    l->full = l->full || full == NULL;
    return full;
}

/* The text of a file, or of what a program prints, without its last newlines. */
static bool
read_secret(
    struct bs_load *l, const struct bs_key *key, const char *from, struct bs_buf *out, int line)
{
    bool file = strncmp(from, "file:", 5) == 0;
    const char *what = file ? bs_load_path(l, from + 5) : from + strlen("command:");
    struct bs_err err = {0};

    if (what != NULL && (file ? bs_secret_of_file(what, out, &err)
                              : bs_secret_of_command(what, out, &err)) == BS_DONE)
        return true;
    bs_load_problem(l, line, "%s: %s", bs_key_shown(key), err.message);
    return false;
}

static bool
resolve(struct bs_load *l, const struct bs_key *key, struct bs_scalar *value)
{
    bool secret = (key->flags & (BS_KEY_CONNINFO | BS_KEY_SECRET)) != 0;
    struct bs_buf out;
    bool ok;

    if ((key->flags & BS_KEY_LITERAL) != 0)
        return true;
    bs_buf_init(&out, BS_SECRET_MAX);
    if (secret &&
        (strncmp(value->text, "file:", 5) == 0 || strncmp(value->text, "command:", 8) == 0))
        ok = read_secret(l, key, value->text, &out, value->line);
    else
        ok = expand(l, key, value->text, &out, value->line);
    if (ok && out.failed) {
        bs_load_problem(l, value->line, "%s: longer than %d bytes", bs_key_shown(key),
                        BS_SECRET_MAX);
        ok = false;
    }
    value->text = ok ? bs_load_str(l, bs_buf_view(&out)) : NULL;
    if (secret && out.p != NULL)
        bs_wipe(out.p, out.cap);
    bs_buf_fini(&out);
    return value->text != NULL;
}

bool
bs_load_scalar(struct bs_load *l,
               const struct bs_key *key,
               yaml_node_t *node,
               struct bs_scalar *out)
{
    const char *text = text_of(node);

    if (text == NULL) {
        bs_load_problem(l, bs_load_line(node), "%s: must be a single plain value",
                        bs_key_shown(key));
        return false;
    }
    if (is_null(node)) {
        bs_load_problem(l, bs_load_line(node), "%s: has no value", bs_key_shown(key));
        return false;
    }
    *out =
        (struct bs_scalar){.text = bs_load_str(l, bs_bytes_of(text)), .line = bs_load_line(node)};
    if (out->text == NULL || !resolve(l, key, out))
        return false;
    if (out->text[0] == '\0') {
        bs_load_problem(l, out->line, "%s: is empty", bs_key_shown(key));
        return false;
    }
    return true;
}

static void
read_key(struct bs_load *l, const struct bs_key *key, int line, yaml_node_t *node, void *base)
{
    void *into = (char *)base + key->offset;
    struct bs_scalar value;

    if ((key->flags & BS_KEY_LATER) != 0)
        bs_load_problem(l, line, "key \"%s\" is not enforced by this version", bs_key_shown(key));
    else if (key->node != NULL)
        key->node(l, key, node, into);
    else if (bs_load_scalar(l, key, node, &value))
        key->scalar(l, key, value, into);
}

/* Reads what is there; notes in `seen` the line of each row's key. */
static void
read_pairs(struct bs_load *l,
           yaml_node_t *node,
           const char *prefix,
           const char *scope,
           void *base,
           int seen[MAX_KEYS])
{
    for (yaml_node_pair_t *pair = node->data.mapping.pairs.start;
         pair < node->data.mapping.pairs.top; pair++) {
        yaml_node_t *name_node = yaml_document_get_node(&l->doc, pair->key);
        yaml_node_t *value = yaml_document_get_node(&l->doc, pair->value);
        const char *name = text_of(name_node);
        int line = bs_load_line(name_node);
        size_t k = 0;

        if (name == NULL) {
            bs_load_problem(l, line, "a key%s is not a plain word", scope);
            continue;
        }
        while (k < l->n_keys &&
               (!is_under(&l->keys[k], prefix) || strcmp(bs_key_name(&l->keys[k]), name) != 0))
            k++;
        if (k == l->n_keys) {
            unknown_key(l, line, name, prefix, scope);
        } else if (seen[k] != 0) {
            bs_load_problem(l, line, "key \"%s\"%s is given twice, first on line %d", name, scope,
                            seen[k]);
        } else {
            seen[k] = line;
            read_key(l, &l->keys[k], line, value, base);
        }
    }
}

static void
read_absent(struct bs_load *l,
            const struct bs_key *key,
            const yaml_node_t *map,
            const char *prefix,
            const char *scope,
            void *base)
{
    void *into = (char *)base + key->offset;

    if ((key->flags & BS_KEY_REQUIRED) != 0) {
        if (map != NULL)
            bs_load_problem(l, prefix[0] == '\0' ? 0 : bs_load_line(map), "key \"%s\"%s is missing",
                            bs_key_name(key), scope);
    } else if (key->fallback != NULL) {
        key->scalar(l, key, (struct bs_scalar){key->fallback, 0}, into);
    } else if (key->node != NULL) {
        key->node(l, key, NULL, into);
    }
}

void
bs_load_map(struct bs_load *l, yaml_node_t *node, const char *prefix, const char *scope, void *base)
{
    int seen[MAX_KEYS] = {0};

    bs_assert(l->n_keys <= MAX_KEYS);
    if (node != NULL && (node->type != YAML_MAPPING_NODE || !plain_tag(node))) {
        bs_load_problem(l, bs_load_line(node), "a map of keys is expected%s", scope);
        return;
    }
    if (node != NULL)
        read_pairs(l, node, prefix, scope, base, seen);
    for (size_t k = 0; k < l->n_keys; k++) {
        if (seen[k] == 0 && is_under(&l->keys[k], prefix))
            read_absent(l, &l->keys[k], node, prefix, scope, base);
    }
}

/* True where an earlier pair of the map has the same name; a problem was noted. */
static bool
is_double(struct bs_load *l,
          const struct bs_key *key,
          yaml_node_t *map,
          yaml_node_pair_t *pair,
          struct bs_scalar name)
{
    for (yaml_node_pair_t *p = map->data.mapping.pairs.start; p < pair; p++) {
        yaml_node_t *other = yaml_document_get_node(&l->doc, p->key);
        const char *text = text_of(other);
        if (text == NULL || strcmp(text, name.text) != 0)
            continue;
        bs_load_problem(l, name.line, "%s: \"%.60s\" is given twice, first on line %d",
                        bs_key_shown(key), name.text, bs_load_line(other));
        return true;
    }
    return false;
}

void
bs_load_each(struct bs_load *l,
             const struct bs_key *key,
             yaml_node_t *node,
             void (*each)(struct bs_load *l,
                          const struct bs_key *key,
                          struct bs_scalar name,
                          yaml_node_t *value,
                          void *into),
             void *into)
{
    if (node->type != YAML_MAPPING_NODE || !plain_tag(node)) {
        bs_load_problem(l, bs_load_line(node), "%s: must be a map", bs_key_shown(key));
        return;
    }
    if (node->data.mapping.pairs.start == node->data.mapping.pairs.top)
        bs_load_problem(l, bs_load_line(node), "%s: is empty", bs_key_shown(key));
    for (yaml_node_pair_t *pair = node->data.mapping.pairs.start;
         pair < node->data.mapping.pairs.top; pair++) {
        yaml_node_t *name_node = yaml_document_get_node(&l->doc, pair->key);
        struct bs_scalar name = {text_of(name_node), bs_load_line(name_node)};

        if (name.text == NULL || name.text[0] == '\0')
            bs_load_problem(l, name.line, "%s: a name is not a plain word", bs_key_shown(key));
        else if (!is_double(l, key, node, pair, name))
            each(l, key, name, yaml_document_get_node(&l->doc, pair->value), into);
    }
}

size_t
bs_load_list(struct bs_load *l, const struct bs_key *key, yaml_node_t *node)
{
    size_t n;

    if (node->type != YAML_SEQUENCE_NODE || !plain_tag(node)) {
        bs_load_problem(l, bs_load_line(node), "%s: must be a list, as in [one, two]",
                        bs_key_shown(key));
        return 0;
    }
    n = (size_t)(node->data.sequence.items.top - node->data.sequence.items.start);
    if (n == 0)
        bs_load_problem(l, bs_load_line(node), "%s: is an empty list", bs_key_shown(key));
    return n;
}

yaml_node_t *
bs_load_item(struct bs_load *l, yaml_node_t *node, size_t i)
{
    return yaml_document_get_node(&l->doc, node->data.sequence.items.start[i]);
}

static const char *
word_at(const void *ctx, size_t i)
{
    return ((const char *const *)ctx)[i];
}

/* "a, b or c" */
static void
join_words(const char *const *words, char *out, size_t room)
{
    size_t at = 0;

    out[0] = '\0';
    for (size_t i = 0; words[i] != NULL && at < room; i++) {
        const char *before = i == 0 ? "" : words[i + 1] == NULL ? " or " : ", ";
        at += (size_t)snprintf(out + at, room - at, "%s%s", before, words[i]);
    }
}

void
bs_read_choice(struct bs_load *l, const struct bs_key *key, struct bs_scalar value, void *into)
{
    char all[128];

    for (unsigned i = 0; key->words[i] != NULL; i++) {
        if (strcmp(key->words[i], value.text) == 0) {
            *(unsigned *)into = i;
            return;
        }
    }
    for (size_t i = 0; key->later != NULL && word_at(key->later, i) != NULL; i++) {
        if (strcmp(key->later[i], value.text) != 0)
            continue;
        bs_load_problem(l, value.line, "%s: \"%s\" is not supported by this version",
                        bs_key_shown(key), value.text);
        return;
    }
    join_words(key->words, all, sizeof(all));
    bs_load_problem(l, value.line, "%s: \"%.60s\" is not one of %s", bs_key_shown(key), value.text,
                    all);
}
