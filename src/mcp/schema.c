/*
 * schema.c - see schema.h.
 */
#include "mcp/schema.h"

#include <stdint.h>
#include <string.h>

static bool
is_type(const char *type, const json_t *v)
{
    if (strcmp(type, "object") == 0)
        return json_is_object(v);
    if (strcmp(type, "array") == 0)
        return json_is_array(v);
    if (strcmp(type, "string") == 0)
        return json_is_string(v);
    if (strcmp(type, "integer") == 0)
        return json_is_integer(v);
    return strcmp(type, "boolean") == 0 && json_is_boolean(v);
}

/* Characters, as JSON Schema counts them: code points. */
static json_int_t
length(const char *text)
{
    json_int_t n = 0;

    for (; *text != '\0'; text++)
        n += ((uint8_t)*text & 0xC0) != 0x80;
    return n;
}

static bool
is_within(const json_t *schema, const char *least, const char *most, json_int_t n)
{
    const json_t *min = least == NULL ? NULL : json_object_get(schema, least);
    const json_t *max = json_object_get(schema, most);

    return (min == NULL || n >= json_integer_value(min)) &&
           (max == NULL || n <= json_integer_value(max));
}

static bool
is_listed(const json_t *list, const json_t *v)
{
    const json_t *one;
    size_t i;

    json_array_foreach(list, i, one)
    {
        if (json_equal(one, v))
            return true;
    }
    return list == NULL;
}

static enum bs_done
check(const char *name, const json_t *schema, const json_t *v, struct bs_err *err)
{
    const char *type = json_string_value(json_object_get(schema, "type"));

    if (type != NULL && !is_type(type, v))
        return BS_FAIL(err, DATA, "\"%s\" must be of type %s", name, type);
    if (!is_listed(json_object_get(schema, "enum"), v))
        return BS_FAIL(err, DATA, "\"%s\" is none of the values that it may have", name);
    if (json_is_integer(v) && !is_within(schema, "minimum", "maximum", json_integer_value(v)))
        return BS_FAIL(err, DATA, "\"%s\" is out of its range", name);
    if (json_is_string(v) &&
        !is_within(schema, "minLength", "maxLength", length(json_string_value(v))))
        return BS_FAIL(err, DATA, "\"%s\" is too long, or empty", name);
    if (json_is_array(v) && !is_within(schema, NULL, "maxItems", (json_int_t)json_array_size(v)))
        return BS_FAIL(err, DATA, "\"%s\" has too many members", name);
    return BS_DONE;
}

enum bs_done
bs_mcp_schema_check(const json_t *schema, const json_t *value, struct bs_err *err)
{
    const json_t *properties = json_object_get(schema, "properties");
    const json_t *one, *of;
    const char *name;
    size_t i;

    if (check("arguments", schema, value, err) != BS_DONE)
        return BS_FAILED;
    json_array_foreach(json_object_get(schema, "required"), i, one)
    {
        if (json_object_get(value, json_string_value(one)) == NULL)
            return BS_FAIL(err, DATA, "\"%s\" is missing", json_string_value(one));
    }
    /* jansson's loop wants a pointer to what it does not change. */
    json_object_foreach((json_t *)(uintptr_t)value, name, of)
    {
        one = json_object_get(properties, name);
        if (one == NULL)
            return BS_FAIL(err, DATA, "there is no argument \"%.40s\"", name);
        if (check(name, one, of, err) != BS_DONE)
            return BS_FAILED;
    }
    return BS_DONE;
}
