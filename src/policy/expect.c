/*
 * expect.c - the table's own keys, walked by the loader of the configuration.
 */
#include "policy/expect.h"

#include <string.h>

#include "base/bytes.h"
#include "base/files.h"
#include "policy/load.h"

#define MAX_FILE  ((size_t)4 << 20)
#define MAX_TABLE ((size_t)64 << 20)

/* In the order of enum bs_action, and of enum bs_risk. */
static const char *const actions[] = {"block", "approve", "allow", NULL};
static const char *const risks[] = {"UNKNOWN", "SAFE", "HIGH", "CRITICAL", NULL};

/* Values as a client would send them as text. */
static void
read_params(struct bs_load *l, const struct bs_key *key, yaml_node_t *node, void *into)
{
    struct bs_expectation *e = into;
    size_t n;

    if (node == NULL)
        return;
    n = bs_load_list(l, key, node);
    e->params = bs_load_array(l, n + 1, sizeof(e->params[0]));
    for (size_t i = 0; e->params != NULL && i < n; i++) {
        const yaml_node_t *item = bs_load_item(l, node, i);
        const char *text = (const char *)item->data.scalar.value;
        if (item->type != YAML_SCALAR_NODE) {
            bs_load_problem(l, bs_load_line(item), "params: must be single plain values");
            continue;
        }
        if (item->data.scalar.style == YAML_PLAIN_SCALAR_STYLE && strcmp(text, "null") == 0)
            e->params[e->n_params++] = NULL;
        else
            e->params[e->n_params++] = bs_load_str(l, bs_bytes_of(text));
    }
}

#define REQUIRED  BS_KEY_REQUIRED
#define LITERAL   BS_KEY_LITERAL
#define AT(field) .offset = offsetof(struct bs_expectation, field)

/* clang-format off */
static const struct bs_key keys[] = {
    {"[].name",     REQUIRED | LITERAL, .scalar = bs_read_text, AT(name)},
    {"[].actor",    LITERAL, .scalar = bs_read_text, AT(actor), .fallback = "anyone"},
    {"[].group",    LITERAL, .scalar = bs_read_text, AT(group)},
    {"[].database", LITERAL, .scalar = bs_read_text, AT(database)},
    {"[].sql",      REQUIRED | LITERAL, .scalar = bs_read_text, AT(sql)},
    {"[].params",   LITERAL, .node = read_params},
    {"[].rows",     LITERAL, .scalar = bs_read_integer, AT(rows), .min = 0, .max = INT64_MAX},
    {"[].share",    LITERAL, .scalar = bs_read_share, AT(share)},
    {"[].expect",   REQUIRED | LITERAL, .scalar = bs_read_choice, AT(expect), .words = actions},
    {"[].risk",     LITERAL, .scalar = bs_read_choice, AT(risk), .words = risks},
    {"[].rule",     LITERAL, .scalar = bs_read_text, AT(rule)},
};
/* clang-format on */

/* What the loader hands around; the table is not in struct bs_load. */
struct reading {
    struct bs_load load; /* first */
    struct bs_expectations *out;
};

static void
read_one(struct bs_load *l, yaml_node_t *node, struct bs_expectation *e)
{
    *e = (struct bs_expectation){.line = bs_load_line(node), .rows = -1, .share = -1};
    bs_load_map(l, node, "[].", " in expectation", e);
    if (e->share >= 0 && e->rows < 0)
        bs_load_problem(l, e->line, "share: says nothing without rows");
}

static void
read_table(struct bs_load *l)
{
    static const struct bs_key whole = {"expectations", 0, .node = read_params};
    struct bs_expectations *out = ((struct reading *)(void *)l)->out;
    yaml_node_t *root = yaml_document_get_root_node(&l->doc);
    size_t n;

    if (root == NULL) {
        bs_load_problem(l, 0, "the file is empty");
        return;
    }
    n = bs_load_list(l, &whole, root);
    out->list = bs_load_array(l, n + 1, sizeof(out->list[0]));
    for (size_t i = 0; out->list != NULL && i < n; i++)
        read_one(l, bs_load_item(l, root, i), &out->list[out->n++]);
}

static enum bs_done
parse(struct bs_bytes text,
      const char *file,
      struct bs_expectations *out,
      struct bs_problems *problems,
      struct bs_err *err)
{
    struct reading r = {.load = {.arena = &out->arena,
                                 .problems = problems,
                                 .keys = keys,
                                 .n_keys = sizeof(keys) / sizeof(keys[0])},
                        .out = out};

    bs_load_document(&r.load, text, read_table);
    if (r.load.full) {
        bs_problems_fini(problems);
        bs_load_problem(&r.load, 0, "the table is too large");
    }
    if (problems->n == 0)
        return BS_DONE;
    bs_problems_sort(problems);
    return BS_FAIL(err, DATA, "%zu problem%s in \"%.300s\"", problems->n,
                   problems->n == 1 ? "" : "s", file);
}

enum bs_done
bs_expectations_load(const char *file,
                     struct bs_expectations *out,
                     struct bs_problems *problems,
                     struct bs_err *err)
{
    struct bs_buf text;
    enum bs_done done;

    *out = (struct bs_expectations){0};
    bs_arena_init(&out->arena, "expectations", MAX_TABLE);
    bs_buf_init(&text, MAX_FILE);
    done = bs_file_read(file, &text, err);
    if (done == BS_DONE)
        done = parse(bs_buf_view(&text), file, out, problems, err);
    bs_buf_fini(&text);
    return done;
}

void
bs_expectations_fini(struct bs_expectations *e)
{
    bs_arena_fini(&e->arena);
    *e = (struct bs_expectations){0};
}
