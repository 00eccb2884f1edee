/*
 * startup_judge.c - which start-up parameters may reach the server. They take effect before the
 * first statement, so nothing judges them later: a list of what is harmless, and no for the rest.
 *
 * `options` is never forwarded. It is taken apart here, and what it sets is forwarded as parameters
 * of their own, so that no second parser can read it in another way.
 */
#include "wire/startup.h"

#include <string.h>
#include <strings.h>

#define PARAMS_MAX 64 /* of one packet, and of its `options` */
#define CLAIM_STEM "backstop."
#define CLAIM_MAX  128 /* bytes of a claim */
#define PQ_STEM    "_pq_."
#define SHOWN      64 /* bytes of a name quoted in a message, with its NUL */
#define ARRAY_N(a) (sizeof(a) / sizeof((a)[0]))

enum rule {
    RULE_REFUSE = 0,
    RULE_FORWARD,
    RULE_TRUE,
    RULE_QUOTES,
    RULE_ENCODING,
    RULE_CLAIM,
    RULE_VIA,
    RULE_WAIT,
};

static const struct {
    const char *name;
    enum rule rule;
} rows[] = {
#define BS_PARAM(name, rule) {name, RULE_##rule},
#include "wire/startup_params.h"
#undef BS_PARAM
};

/* Where a setting was found; the later kind wins over the earlier. */
enum source {
    SOURCE_NONE = 0,
    SOURCE_OPTIONS,
    SOURCE_PARAMETER,
};

struct judging {
    struct bs_arena *arena;
    struct bs_startup_wish wish;
    const char *options;
    const char *values[ARRAY_N(rows)]; /* of rows[i], or NULL */
    enum source sources[ARRAY_N(rows)];
    struct bs_err *err;
};

/* A name as it may be quoted in a message. */
static const char *
shown(const char *name, char out[SHOWN])
{
    size_t n = strnlen(name, SHOWN - 1);

    for (size_t i = 0; i < n; i++)
        out[i] = name[i] < ' ' || name[i] > '~' || name[i] == '"' ? '?' : name[i];
    out[n] = '\0';
    return out;
}

static enum bs_done
refuse(struct judging *j, const char *name, const char *why)
{
    char text[SHOWN];

    return BS_FAIL(j->err, UNSUPPORTED, "start-up parameter \"%s\" is refused: %s",
                   shown(name, text), why);
}

static enum bs_done
too_much(struct judging *j)
{
    return BS_FAIL(j->err, LIMIT, "too many start-up parameters");
}

static enum bs_done
twice(struct judging *j, const char *name)
{
    char text[SHOWN];

    return BS_FAIL(j->err, PROTOCOL, "start-up parameter \"%s\" is given twice", shown(name, text));
}

/* PostgreSQL's spellings of a true boolean: any start of "true" or "yes", "on", "1". */
static bool
is_true(const char *value)
{
    size_t n = strlen(value);

    if (n == 0)
        return false;
    return (n <= 4 && strncasecmp(value, "true", n) == 0) ||
           (n <= 3 && strncasecmp(value, "yes", n) == 0) || strcasecmp(value, "on") == 0 ||
           strcmp(value, "1") == 0;
}

/* The server compares names of encodings by their letters and digits alone. */
static bool
is_utf8_name(const char *value)
{
    char clean[8];
    size_t n = 0;

    for (; *value != '\0'; value++) {
        char c = *value;

        if (c >= 'A' && c <= 'Z')
            c = (char)(c - 'A' + 'a');
        if ((c < 'a' || c > 'z') && (c < '0' || c > '9'))
            continue;
        if (n == sizeof(clean) - 1)
            return false;
        clean[n++] = c;
    }
    clean[n] = '\0';
    return strcmp(clean, "utf8") == 0 || strcmp(clean, "unicode") == 0;
}

/* Index of a setting in the table; the server folds the case of such names. */
static size_t
find_row(const char *name)
{
    size_t i = 0;

    while (i < ARRAY_N(rows) && strcasecmp(rows[i].name, name) != 0)
        i++;
    return i;
}

/* It goes into records and before people's eyes. */
static bool
is_claim(const char *value)
{
    size_t n = 0;

    for (; value[n] != '\0'; n++) {
        if (n == CLAIM_MAX || (unsigned char)value[n] < ' ' || value[n] == 0x7f)
            return false;
    }
    return true;
}

static enum bs_done
unlisted(struct judging *j, const char *name)
{
    if (strcasecmp(name, "search_path") == 0)
        return refuse(j, name, "a search path given here is not vetted");
    return refuse(j, name, "it is not among those that are accepted here");
}

/* One setting, wherever it was found. Both texts live in the arena. */
static enum bs_done
judge_setting(struct judging *j, const char *name, const char *value, enum source source)
{
    size_t i = find_row(name);

    if (i == ARRAY_N(rows))
        return unlisted(j, name);
    if (source == SOURCE_PARAMETER && j->sources[i] == SOURCE_PARAMETER)
        return twice(j, name);
    switch (rows[i].rule) {
    case RULE_TRUE:
        if (!is_true(value))
            return refuse(j, name, "only \"on\" is supported");
        break;
    case RULE_QUOTES:
        if (strcasecmp(value, "safe_encoding") != 0)
            return refuse(j, name, "only \"safe_encoding\" is supported");
        break;
    case RULE_ENCODING:
        if (!is_utf8_name(value))
            return refuse(j, name, "only \"UTF8\" is supported");
        break;
    case RULE_CLAIM:
        if (!is_claim(value))
            return refuse(j, name, "up to 128 bytes without control characters");
        break;
    case RULE_WAIT: /* what is legal depends on the configuration */
    case RULE_FORWARD:
    case RULE_VIA:
        break;
    case RULE_REFUSE:
    default:
        return unlisted(j, name);
    }
    if (source >= j->sources[i]) {
        j->sources[i] = source;
        j->values[i] = value;
    }
    return BS_DONE;
}

/* ---------------------------------------------------------------- options */

static bool
is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

/*
 * The next word of `options`: separated by white space, a backslash keeps the character behind it.
 * Copied to `to`, which is as long as the text; NULL at the end.
 */
static char *
next_word(const char **text, char **to)
{
    const char *at = *text;
    char *word = *to;

    while (is_space(*at))
        at++;
    if (*at == '\0')
        return NULL;
    for (; *at != '\0' && !is_space(*at); at++) {
        if (*at == '\\' && *++at == '\0')
            break;
        *(*to)++ = *at;
    }
    *(*to)++ = '\0';
    *text = at;
    return word;
}

/* "name=value"; the server reads a dash in the name as an underscore. */
static enum bs_done
judge_assignment(struct judging *j, char *text)
{
    char *equals = strchr(text, '=');

    if (equals == NULL || equals == text)
        return refuse(j, "options", "a setting in it has no name or no value");
    *equals = '\0';
    for (char *c = text; *c != '\0'; c++) {
        if (*c == '-')
            *c = '_';
    }
    return judge_setting(j, text, equals + 1, SOURCE_OPTIONS);
}

/* One option of the server's command line; of all there are, only those that set a parameter. */
static enum bs_done
judge_option(struct judging *j, char *word, const char **text, char **to)
{
    if (strncmp(word, "--", 2) == 0)
        return judge_assignment(j, word + 2);
    if (strncmp(word, "-c", 2) != 0)
        return refuse(j, "options", "only -c name=value and --name=value are accepted in it");
    if (word[2] != '\0')
        return judge_assignment(j, word + 2);
    word = next_word(text, to);
    if (word == NULL)
        return refuse(j, "options", "a -c in it has no setting");
    return judge_assignment(j, word);
}

static enum bs_done
judge_options(struct judging *j)
{
    const char *text = j->options;
    char *copy, *word;
    size_t n = 0;

    if (text == NULL)
        return BS_DONE;
    /* Each word loses at least a separator, or is the last: its NUL fits. */
    copy = bs_arena_take(j->arena, strlen(text) + 1);
    if (copy == NULL)
        return too_much(j);
    while ((word = next_word(&text, &copy)) != NULL) {
        if (++n > PARAMS_MAX)
            return too_much(j);
        if (judge_option(j, word, &text, &copy) == BS_FAILED)
            return BS_FAILED;
    }
    return BS_DONE;
}

/* -------------------------------------------------------------- parameters */

/* A name or value as a C string in the arena. */
static const char *
keep(struct judging *j, struct bs_bytes text)
{
    const char *copy = bs_arena_copy(j->arena, text);

    if (copy == NULL)
        (void)too_much(j);
    return copy;
}

static enum bs_done
keep_once(struct judging *j, const char *name, const char *value, const char **to)
{
    if (*to != NULL)
        return twice(j, name);
    *to = value;
    return BS_DONE;
}

static enum bs_done
judge_param(struct judging *j, const char *name, const char *value)
{
    if (strcmp(name, "user") == 0)
        return keep_once(j, name, value, &j->wish.user);
    if (strcmp(name, "database") == 0)
        return keep_once(j, name, value, &j->wish.database);
    if (strcmp(name, "options") == 0)
        return keep_once(j, name, value, &j->options);
    if (strcmp(name, "replication") == 0)
        return refuse(j, name, "replication connections are not supported");
    if (strncmp(name, PQ_STEM, strlen(PQ_STEM)) == 0) {
        j->wish.unknown[j->wish.n_unknown++] = name;
        return BS_DONE;
    }
    return judge_setting(j, name, value, SOURCE_PARAMETER);
}

static enum bs_done
judge_params(struct judging *j, struct bs_bytes params)
{
    struct bs_bytes name, value;
    size_t n = 0;

    while (bs_startup_param_next(&params, &name, &value)) {
        const char *name_copy, *value_copy;

        if (++n > PARAMS_MAX)
            return too_much(j);
        if (!bs_utf8_valid(name) || !bs_utf8_valid(value))
            return BS_FAIL(j->err, PROTOCOL, "a start-up parameter is not valid UTF-8");
        name_copy = keep(j, name);
        value_copy = keep(j, value);
        if (name_copy == NULL || value_copy == NULL ||
            judge_param(j, name_copy, value_copy) == BS_FAILED)
            return BS_FAILED;
    }
    return BS_DONE;
}

/* ------------------------------------------------------------------ result */

static void
collect(struct judging *j)
{
    for (size_t i = 0; i < ARRAY_N(rows); i++) {
        struct bs_setting s = {rows[i].name, j->values[i]};

        if (s.value == NULL)
            continue;
        if (rows[i].rule == RULE_CLAIM) {
            s.name += strlen(CLAIM_STEM);
            j->wish.claims[j->wish.n_claims++] = s;
        }
        if (rows[i].rule == RULE_VIA)
            j->wish.via = s.value;
        if (rows[i].rule == RULE_FORWARD)
            j->wish.settings[j->wish.n_settings++] = s;
    }
    j->wish.wait = j->values[find_row("backstop.wait")];
    j->wish.application_name = j->values[find_row("application_name")];
}

static enum bs_done
check_names(struct judging *j)
{
    if (j->wish.user == NULL || j->wish.user[0] == '\0') {
        (void)BS_FAIL(j->err, PROTOCOL, "no user name in the start-up packet");
        return BS_FAILED;
    }
    if (j->wish.database == NULL || j->wish.database[0] == '\0')
        j->wish.database = j->wish.user;
    return BS_DONE;
}

enum bs_done
bs_startup_judge(const struct bs_startup *in,
                 struct bs_arena *arena,
                 struct bs_startup_wish *out,
                 struct bs_err *err)
{
    struct judging j = {.arena = arena, .err = err};

    *out = (struct bs_startup_wish){0};
    if (in->kind != BS_STARTUP_MESSAGE)
        return BS_FAIL(err, PROTOCOL, "a start-up message was expected");
    j.wish.settings = bs_arena_array(arena, ARRAY_N(rows), sizeof(struct bs_setting));
    j.wish.claims = bs_arena_array(arena, ARRAY_N(rows), sizeof(struct bs_setting));
    j.wish.unknown = bs_arena_array(arena, PARAMS_MAX, sizeof(const char *));
    if (j.wish.settings == NULL || j.wish.claims == NULL || j.wish.unknown == NULL)
        return too_much(&j);
    if (judge_params(&j, in->params) == BS_FAILED || judge_options(&j) == BS_FAILED ||
        check_names(&j) == BS_FAILED)
        return BS_FAILED;
    collect(&j);
    j.wish.minor = in->minor < BS_STARTUP_MINOR ? in->minor : BS_STARTUP_MINOR;
    j.wish.negotiate = in->minor > BS_STARTUP_MINOR || j.wish.n_unknown > 0;
    *out = j.wish;
    return BS_DONE;
}
