/*
 * body.c - strict: an unknown member, one that is given twice and one of another type are errors.
 *
 * Only application/json is read. A page in a browser can send other types to us without being
 * asked whether it may.
 */
#include "api/body.h"

#include <string.h>
#include <strings.h>

static bool
type_fits(const json_t *value, char type)
{
    const json_t *item;
    size_t i;

    switch (type) {
    case 's':
        return json_is_string(value);
    case 'S':
        return json_is_string(value) || json_is_null(value);
    case 'i':
        return json_is_integer(value);
    case 'n':
        return json_is_number(value);
    case 'b':
        return json_is_boolean(value);
    case 'a':
        json_array_foreach(value, i, item)
        {
            if (!json_is_string(item))
                return false;
        }
        return json_is_array(value);
    default:
        return false;
    }
}

static const char *
type_name(char type)
{
    return type == 's'   ? "a text"
           : type == 'S' ? "a text or null"
           : type == 'i' ? "an integer"
           : type == 'n' ? "a number"
           : type == 'b' ? "true or false"
                         : "an array of texts";
}

/* One "name:t" of the row. */
struct member {
    char name[40];
    bool needed;
    char type;
};

/* The next one; NULL after the last. */
static const char *
next_member(const char *at, struct member *m)
{
    size_t n = strcspn(at, ":!");

    if (*at == '\0')
        return NULL;
    bs_assert(n < sizeof(m->name) && at[n] != '\0' && at[n + 1] != '\0');
    memcpy(m->name, at, n);
    m->name[n] = '\0';
    m->needed = at[n] == '!';
    m->type = at[n + 1];
    at += n + 2;
    return at + strspn(at, " ");
}

static enum bs_done
check_members(const json_t *o, const char *members, struct bs_err *err)
{
    size_t known = 0;
    struct member m;

    while ((members = next_member(members, &m)) != NULL) {
        const json_t *value = json_object_get(o, m.name);
        if (value == NULL && m.needed)
            return BS_FAIL(err, DATA, "\"%s\" is missing", m.name);
        if (value == NULL)
            continue;
        if (!type_fits(value, m.type))
            return BS_FAIL(err, DATA, "\"%s\" is not %s", m.name, type_name(m.type));
        known++;
    }
    return known == json_object_size(o) ? BS_DONE
                                        : BS_FAIL(err, DATA, "the body has an unknown member");
}

/* "application/json", with or without parameters. */
static bool
is_json(const char *type)
{
    static const char json[] = "application/json";
    size_t n = sizeof(json) - 1;

    return type != NULL && strncasecmp(type, json, n) == 0 && strchr("; \t", type[n]) != NULL;
}

enum bs_done
bs_body_take(struct bs_request *q, const char *members, struct bs_err *err)
{
    json_error_t bad;

    if (strcmp(members, BS_BODY_RAW) == 0)
        return BS_DONE;
    if (q->body.n == 0)
        return check_members(NULL, members, err);
    if (!is_json(q->header(q->ctx, "Content-Type"))) {
        (void)BS_FAIL(err, MEDIA, "the body is not said to be JSON");
        bs_err_hint(err, "Send \"Content-Type: application/json\".");
        return BS_FAILED;
    }
    q->parsed = json_loadb((const char *)q->body.p, q->body.n, JSON_REJECT_DUPLICATES, &bad);
    if (!json_is_object(q->parsed))
        return BS_FAIL(err, DATA, "the body is not a JSON object");
    q->json = q->parsed;
    return check_members(q->json, members, err);
}
