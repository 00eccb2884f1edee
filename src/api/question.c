/*
 * question.c - strict: a field that is misunderstood would be judged as if it were not there.
 */
#include "api/question.h"

#include <openssl/evp.h>
#include <string.h>

/* "sql_b64" into `out`; for bytes that JSON cannot hold. */
static enum bs_done
decode(const char *base64, struct bs_buf *out, struct bs_err *err)
{
    size_t n = strlen(base64), end = n;
    uint8_t *room = bs_buf_room(out, n / 4 * 3 + 3);
    int got;

    if (room == NULL || n > INT32_MAX / 2)
        return BS_FAIL(err, LIMIT, "the text is longer than %zu bytes", out->max);
    got = n % 4 == 0 ? EVP_DecodeBlock(room, (const unsigned char *)base64, (int)n) : -1;
    if (got < 0)
        return BS_FAIL(err, DATA, "\"sql_b64\" is not base64");
    while (end > 0 && n - end < 2 && base64[end - 1] == '=')
        end--;
    out->n += (size_t)got - (n - end);
    return BS_DONE;
}

static struct bs_bytes
bytes_of(const json_t *text)
{
    return (struct bs_bytes){(const uint8_t *)json_string_value(text), json_string_length(text)};
}

static enum bs_done
read_text(const json_t *line, struct bs_buf *room, struct bs_question *out, struct bs_err *err)
{
    const json_t *sql = json_object_get(line, "sql");
    const json_t *b64 = json_object_get(line, "sql_b64");

    if (sql != NULL && b64 != NULL)
        return BS_FAIL(err, DATA, "the line has both \"sql\" and \"sql_b64\"");
    if (json_is_string(sql)) {
        out->text = bytes_of(sql);
        return BS_DONE;
    }
    if (!json_is_string(b64))
        return BS_FAIL(err, DATA, "the line has neither \"sql\" nor \"sql_b64\"");
    if (decode(json_string_value(b64), room, err) != BS_DONE)
        return BS_FAILED;
    out->text = bs_buf_view(room);
    return BS_DONE;
}

static enum bs_done
read_session(const json_t *line, struct bs_question *out, struct bs_err *err)
{
    const json_t *session = json_object_get(line, "session"), *sent;
    size_t i;

    if (session == NULL || json_is_null(session))
        return BS_DONE;
    if (!json_is_array(session))
        return BS_FAIL(err, DATA, "\"session\" is not a list");
    json_array_foreach(session, i, sent)
    {
        if (!json_is_string(sent))
            return BS_FAIL(err, DATA, "item %zu of \"session\" is not a text", i);
    }
    out->session = session;
    return BS_DONE;
}

/* As a client would send it in text format. */
static enum bs_done
read_param(
    const json_t *value, size_t i, struct bs_arena *arena, struct bs_bound *out, struct bs_err *err)
{
    char *text;

    *out = (struct bs_bound){0};
    if (json_is_null(value))
        return BS_DONE;
    if (json_is_string(value)) {
        out->value = bytes_of(value);
        return BS_DONE;
    }
    if (json_is_boolean(value))
        text = bs_arena_str(arena, json_is_true(value) ? "true" : "false");
    else if (json_is_integer(value))
        text = bs_arena_fmt(arena, "%lld", (long long)json_integer_value(value));
    else if (json_is_real(value))
        text = bs_arena_fmt(arena, "%.17g", json_real_value(value));
    else
        return BS_FAIL(err, DATA, "item %zu of \"params\" is not a value", i);
    if (text == NULL)
        return BS_FAIL(err, LIMIT, "the %s arena is full", arena->name);
    out->value = bs_bytes_of(text);
    return BS_DONE;
}

static enum bs_done
read_params(const json_t *line, struct bs_arena *arena, struct bs_question *out, struct bs_err *err)
{
    const json_t *params = json_object_get(line, "params"), *value;
    struct bs_bound *list;
    size_t i;

    if (params == NULL || json_is_null(params))
        return BS_DONE;
    if (!json_is_array(params))
        return BS_FAIL(err, DATA, "\"params\" is not a list");
    list = bs_arena_array(arena, json_array_size(params) + 1, sizeof(*list));
    if (list == NULL)
        return BS_FAIL(err, LIMIT, "the %s arena is full", arena->name);
    json_array_foreach(params, i, value)
    {
        if (read_param(value, i, arena, &list[i], err) != BS_DONE)
            return BS_FAILED;
    }
    out->params = (struct bs_bounds){list, json_array_size(params)};
    return BS_DONE;
}

static enum bs_done
read_sender(const json_t *line, struct bs_question *out, struct bs_err *err)
{
    const json_t *protocol = json_object_get(line, "protocol");
    const json_t *role = json_object_get(line, "run_as");
    const char *name = json_string_value(protocol);

    if (protocol != NULL && !json_is_null(protocol)) {
        if (name == NULL || (strcmp(name, "simple") != 0 && strcmp(name, "extended") != 0))
            return BS_FAIL(err, DATA, "\"protocol\" is neither \"simple\" nor \"extended\"");
        out->extended = strcmp(name, "extended") == 0;
    }
    if (role == NULL || json_is_null(role))
        return BS_DONE;
    if (!json_is_string(role) || json_string_length(role) == 0)
        return BS_FAIL(err, DATA, "\"run_as\" is not the name of a role");
    out->run_as = json_string_value(role);
    return BS_DONE;
}

enum bs_done
bs_question_read(const json_t *line,
                 struct bs_buf *room,
                 struct bs_arena *arena,
                 struct bs_question *out,
                 struct bs_err *err)
{
    *out = (struct bs_question){0};
    if (read_text(line, room, out, err) != BS_DONE || read_session(line, out, err) != BS_DONE ||
        read_params(line, arena, out, err) != BS_DONE)
        return BS_FAILED;
    return read_sender(line, out, err);
}
