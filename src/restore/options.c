/*
 * options.c - foreign servers and wrappers that stay, with other options.
 */
#include <string.h>

#include "restore/remedy.h"
#include "restore/sqltext.h"

#define LIST_MAX (1u << 20)

/* The next of "a 'x',\n    b 'y'": its name and its value. */
static bool
next_option(struct bs_bytes *rest, struct bs_bytes *name, struct bs_bytes *value)
{
    static const char between[] = ",\n    ";
    size_t at = bs_sql_find(*rest, between);
    struct bs_bytes one = at == SIZE_MAX ? *rest : (struct bs_bytes){rest->p, at};
    size_t space = bs_sql_find(one, " ");

    if (space == SIZE_MAX)
        return false;
    *name = (struct bs_bytes){one.p, space};
    *value = (struct bs_bytes){one.p + space + 1, one.n - space - 1};
    at = at == SIZE_MAX ? rest->n : at + sizeof(between) - 1;
    *rest = (struct bs_bytes){rest->p + at, rest->n - at};
    return true;
}

/* What stands between the brackets behind OPTIONS; empty: there are none. */
static struct bs_bytes
options_of(struct bs_bytes statement)
{
    static const char words[] = " OPTIONS (\n    ", end[] = "\n)";
    size_t at = bs_sql_find(statement, words), n = sizeof(end) - 1;

    if (at == SIZE_MAX || statement.n < n || memcmp(statement.p + statement.n - n, end, n) != 0)
        return (struct bs_bytes){0};
    at += sizeof(words) - 1;
    return (struct bs_bytes){statement.p + at, statement.n - at - n};
}

static bool
find_option(struct bs_bytes options, struct bs_bytes want, struct bs_bytes *value)
{
    struct bs_bytes name;

    while (options.n != 0 && next_option(&options, &name, value)) {
        if (bs_bytes_equal(name, want))
            return true;
    }
    return false;
}

static void
put_option(struct bs_buf *b, const char *word, struct bs_bytes name, struct bs_bytes value)
{
    bs_put_str(b, b->n == 0 ? word + 2 : word);
    bs_put_bytes(b, name);
    bs_put_u8(b, ' ');
    bs_put_bytes(b, value);
}

static void
put_changes(struct bs_buf *b, struct bs_bytes saved, struct bs_bytes live)
{
    struct bs_bytes name, value, other;

    for (struct bs_bytes rest = live; rest.n != 0 && next_option(&rest, &name, &value);) {
        if (!find_option(saved, name, &other))
            put_option(b, ", DROP ", name, (struct bs_bytes){0});
    }
    for (struct bs_bytes rest = saved; rest.n != 0 && next_option(&rest, &name, &value);) {
        if (!find_option(live, name, &other))
            put_option(b, ", ADD ", name, value);
        else if (!bs_bytes_equal(value, other))
            put_option(b, ", SET ", name, value);
    }
}

/* "CREATE SERVER far FOREIGN DATA WRAPPER x OPTIONS (...)" */
void
bs_remedy_put_options(const char *type,
                      struct bs_bytes saved,
                      struct bs_bytes live,
                      struct bs_buf *out)
{
    const size_t skip = strlen("CREATE ") + strlen(type) + 1;
    struct bs_bytes was, is;
    struct bs_buf list;
    size_t end;

    if (!bs_sql_next(&saved, &was) || !bs_sql_next(&live, &is) || was.n <= skip)
        return;
    bs_buf_init(&list, LIST_MAX);
    put_changes(&list, options_of(was), options_of(is));
    was = (struct bs_bytes){was.p + skip, was.n - skip};
    end = bs_sql_find(was, " ");
    if (list.n != 0 && !list.failed) {
        bs_put_fmt(out, "ALTER %s ", type);
        bs_put_bytes(out, (struct bs_bytes){was.p, end == SIZE_MAX ? was.n : end});
        bs_put_str(out, " OPTIONS (");
        bs_put_bytes(out, bs_buf_view(&list));
        bs_put_str(out, ");\n");
    }
    bs_buf_fini(&list);
}
