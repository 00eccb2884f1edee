/*
 * intake.c - rows of a catalog on their way in, and what a table is made of.
 */
#include <stdlib.h>
#include <string.h>

#include "catalog/reader.h"
#include "catalog/tables.h"

#define TEXT_ROOM 4096 /* of which short texts are cut */

/* --- what was seen ------------------------------------------------------------------------ */

struct entry {
    const void *p;
    uint32_t n, hash;
    bool list; /* aligned: never mistaken for a text of the same bytes */
};

struct bs_interned {
    struct entry *slots;
    size_t n, cap;
};

static uint32_t
hash_of(const void *p, size_t n)
{
    const uint8_t *at = p;
    uint32_t h = 2166136261u;

    for (size_t i = 0; i < n; i++)
        h = (h ^ at[i]) * 16777619u;
    return h ^ h >> 15;
}

static struct entry *
find_slot(const struct bs_interned *seen, const struct entry *e)
{
    size_t at = e->hash & (seen->cap - 1);

    for (;; at = (at + 1) & (seen->cap - 1)) {
        struct entry *slot = &seen->slots[at];
        if (slot->p == NULL || (slot->hash == e->hash && slot->n == e->n && slot->list == e->list &&
                                memcmp(slot->p, e->p, e->n) == 0))
            return slot;
    }
}

static void
grow(struct bs_interned *seen)
{
    struct bs_interned old = *seen;

    seen->cap = old.cap == 0 ? 256 : old.cap * 2;
    seen->slots = bs_malloc(seen->cap * sizeof(*seen->slots));
    for (size_t i = 0; i < old.cap; i++) {
        if (old.slots[i].p != NULL)
            *find_slot(seen, &old.slots[i]) = old.slots[i];
    }
    free(old.slots);
}

/* Room in the chunk; short texts one behind the other. NULL, with the error set, where it is full. */
static void *
room(struct bs_intake *in, size_t n, bool aligned)
{
    void *p;

    if (!aligned && n <= in->text_left) {
        p = in->text;
        in->text += n;
        in->text_left -= n;
        return p;
    }
    if (!aligned && n <= TEXT_ROOM / 8) {
        in->text = bs_arena_take(&in->chunk->arena, TEXT_ROOM);
        in->text_left = in->text == NULL ? 0 : TEXT_ROOM;
        return in->text == NULL ? room(in, n, true) : room(in, n, false);
    }
    p = bs_arena_take(&in->chunk->arena, n);
    if (p == NULL)
        (void)BS_FAIL(in->err, LIMIT, "the catalog is too large: %s", in->def->from);
    return p;
}

/* The bytes as the chunk has them. */
static const void *
keep(struct bs_intake *in, const void *bytes, size_t n, bool list)
{
    struct entry e = {bytes, (uint32_t)n, hash_of(bytes, n), list};
    struct entry *slot;
    void *copy;

    if (n > UINT32_MAX / 2) {
        (void)BS_FAIL(in->err, LIMIT, "the catalog is too large: one value has %zu bytes", n);
        return NULL;
    }
    if (in->seen->n * 2 >= in->seen->cap)
        grow(in->seen);
    slot = find_slot(in->seen, &e);
    if (slot->p != NULL)
        return slot->p;
    copy = room(in, n, list);
    if (copy == NULL)
        return NULL;
    memcpy(copy, bytes, n);
    e.p = copy;
    *slot = e;
    in->seen->n++;
    return copy;
}

static const char *
keep_text(struct bs_intake *in, const char *text)
{
    return text == NULL ? NULL : keep(in, text, strlen(text) + 1, false);
}

/* --- lists -------------------------------------------------------------------------------- */

struct making {
    struct bs_list *list;
    size_t cap; /* of data, in numbers */
};

static void
push(struct making *m, uint32_t value)
{
    size_t at = m->list == NULL ? 0 : m->list->size / sizeof(value);

    if (at == m->cap) {
        m->cap = m->cap == 0 ? 64 : m->cap * 2;
        m->list = bs_realloc(m->list, sizeof(*m->list) + m->cap * sizeof(value));
        if (at == 0)
            *m->list = (struct bs_list){0};
    }
    m->list->data[at] = value;
    m->list->size += (uint32_t)sizeof(value);
}

static const struct bs_list *
keep_list(struct bs_intake *in, struct making *m)
{
    const struct bs_list *kept = NULL;

    if (m->list != NULL)
        kept = keep(in, m->list, sizeof(*m->list) + m->list->size, true);
    free(m->list);
    *m = (struct making){0};
    return kept;
}

/* An array that is there but empty is no list either. */
static const struct bs_list *
read_numbers(struct bs_intake *in, const PGresult *res, int row, int column)
{
    struct bs_elements e = bs_array_at(res, row, column);
    struct bs_bytes value;
    struct making m = {0};

    while (bs_element_next(&e, &value)) {
        push(&m, bs_element_number(value));
        m.list->n++;
    }
    return keep_list(in, &m);
}

/* Texts one after the other, each with its NUL, filled up to whole numbers. */
static const struct bs_list *
read_names(struct bs_intake *in, const PGresult *res, int row, int column)
{
    struct bs_elements e = bs_array_at(res, row, column);
    struct bs_bytes value;
    struct making m = {0};
    uint32_t part[1] = {0};
    size_t n = 0;

    for (uint32_t count = 0; bs_element_next(&e, &value); count++) {
        for (size_t i = 0; i <= value.n; i++) {
            ((uint8_t *)part)[n++] = i < value.n ? value.p[i] : 0;
            if (n == sizeof(part)) {
                push(&m, part[0]);
                part[0] = 0;
                n = 0;
            }
        }
        if (e.n == 0 && n != 0)
            push(&m, part[0]);
        if (m.list != NULL)
            m.list->n = count + 1;
    }
    return keep_list(in, &m);
}

/* A tree longer than this may be evaluated while it is planned, for all that we look. */
#define LOOKED_THROUGH 65536
#define CONSTANT       0x100u

static const struct bs_list *
read_code(struct bs_intake *in, const char *tree)
{
    struct making m = {0};
    const char *at = tree;
    enum bs_code_ref ref;
    bool large = tree != NULL && strnlen(tree, LOOKED_THROUGH) == LOOKED_THROUGH;
    uint32_t oid;

    while (at != NULL && (ref = bs_code_next(&at, &oid)) != BS_CODE_END) {
        bool constant = ref != BS_CODE_RELATION && (large || bs_code_is_constant(tree, at));
        push(&m, oid);
        push(&m, (uint32_t)ref | (constant ? CONSTANT : 0));
        m.list->n++;
    }
    return keep_list(in, &m);
}

enum bs_code_ref
bs_list_ref(const struct bs_list *code, uint32_t i, uint32_t *oid, bool *constant)
{
    *oid = code->data[2 * i];
    *constant = (code->data[2 * i + 1] & CONSTANT) != 0;
    return (enum bs_code_ref)(code->data[2 * i + 1] & (CONSTANT - 1));
}

/* --- rows --------------------------------------------------------------------------------- */

static struct bs_chunk *
new_chunk(size_t max_bytes)
{
    struct bs_chunk *c = bs_malloc(sizeof(*c));

    c->refs = 1;
    bs_arena_init(&c->arena, "catalog", max_bytes);
    return c;
}

static void
unref_chunk(struct bs_chunk *c)
{
    if (atomic_fetch_sub_explicit(&c->refs, 1, memory_order_acq_rel) != 1)
        return;
    bs_arena_fini(&c->arena);
    free(c);
}

static struct bs_table *
new_table(void)
{
    struct bs_table *t = bs_malloc(sizeof(*t));

    t->refs = 1;
    return t;
}

struct bs_table *
bs_table_ref(struct bs_table *t)
{
    atomic_fetch_add_explicit(&t->refs, 1, memory_order_relaxed);
    return t;
}

void
bs_table_unref(struct bs_table **t)
{
    struct bs_table *gone = *t;

    *t = NULL;
    if (gone == NULL || atomic_fetch_sub_explicit(&gone->refs, 1, memory_order_acq_rel) != 1)
        return;
    for (size_t i = 0; i < gone->n_chunks; i++)
        unref_chunk(gone->chunks[i]);
    free(gone->rows);
    free(gone);
}

size_t
bs_table_bytes(const struct bs_table *t)
{
    size_t n = 0;

    for (size_t i = 0; i < t->n_chunks; i++)
        n += t->chunks[i]->arena.used;
    return n;
}

void
bs_intake_init(struct bs_intake *in, enum bs_table_id id, size_t max_bytes, struct bs_err *err)
{
    *in = (struct bs_intake){.def = &bs_tables[id], .max_bytes = max_bytes, .err = err};
    in->table = new_table();
    in->chunk = new_chunk(max_bytes);
    in->table->chunks[in->table->n_chunks++] = in->chunk;
    in->seen = bs_malloc(sizeof(*in->seen));
}

void
bs_intake_fini(struct bs_intake *in)
{
    if (in->seen != NULL)
        free(in->seen->slots);
    free(in->seen);
    bs_table_unref(&in->table);
    *in = (struct bs_intake){0};
}

/* A member of a row, by where it is. */
#define PUT(type, value)                                                                           \
    do {                                                                                           \
        type v_ = (value);                                                                         \
        memcpy(at, &v_, sizeof(v_));                                                               \
    } while (0)

static void
read_field(
    struct bs_intake *in, const struct bs_field *f, char *at, const PGresult *res, int row, int c)
{
    switch (f->type) {
    case BS_FIELD_OID:
        PUT(uint32_t, bs_oid_at(res, row, c));
        return;
    case BS_FIELD_INT:
        PUT(int32_t, bs_int_at(res, row, c));
        return;
    case BS_FIELD_SMALL:
        PUT(int16_t, (int16_t)bs_int_at(res, row, c));
        return;
    case BS_FIELD_CHAR:
        PUT(char, bs_char_at(res, row, c));
        return;
    case BS_FIELD_BOOL:
        PUT(bool, bs_bool_at(res, row, c));
        return;
    case BS_FIELD_DOUBLE:
        PUT(double, bs_double_at(res, row, c));
        return;
    case BS_FIELD_LONG:
        PUT(int64_t, bs_int8_at(res, row, c));
        return;
    case BS_FIELD_TEXT:
        PUT(const char *, keep_text(in, bs_text_at(res, row, c)));
        return;
    case BS_FIELD_CHARS:
    case BS_FIELD_OIDS:
    case BS_FIELD_NUMBERS:
        PUT(const struct bs_list *, read_numbers(in, res, row, c));
        return;
    case BS_FIELD_NAMES:
        PUT(const struct bs_list *, read_names(in, res, row, c));
        return;
    case BS_FIELD_CODE:
        PUT(const struct bs_list *, read_code(in, bs_text_at(res, row, c)));
        return;
    }
}

bool
bs_intake_row(struct bs_intake *in, const PGresult *res, int row)
{
    struct bs_table *t = in->table;
    char *at;

    if (t->n * in->def->stride > in->max_bytes) {
        (void)BS_FAIL(in->err, LIMIT, "the catalog is too large: %s", in->def->from);
        return false;
    }
    if (t->n == in->cap) {
        in->cap = in->cap == 0 ? 16 : in->cap + in->cap / 2;
        t->rows = bs_realloc(t->rows, in->cap * in->def->stride);
    }
    at = t->rows + t->n * in->def->stride;
    memset(at, 0, in->def->stride);
    for (int i = 0; i < in->def->n_fields; i++)
        read_field(in, &in->def->fields[i], at + in->def->fields[i].at, res, row, i);
    t->n++;
    return in->err->code == BS_OK;
}

void
bs_intake_drop(struct bs_intake *in)
{
    in->table->n--;
}

void *
bs_intake_last(struct bs_intake *in)
{
    return in->table->rows + (in->table->n - 1) * in->def->stride;
}

/* --- tables ------------------------------------------------------------------------------- */

static int
order_by(int n_keys, const void *a, const void *b)
{
    uint32_t x[7], y[7];

    memcpy(x, a, sizeof(*x) * (size_t)n_keys);
    memcpy(y, b, sizeof(*y) * (size_t)n_keys);
    for (int i = 0; i < n_keys; i++) {
        if (x[i] != y[i])
            return x[i] < y[i] ? -1 : 1;
    }
    return 0;
}

int
bs_rows_order(const struct bs_table_def *def, const void *a, const void *b)
{
    return order_by(def->n_keys, a, b);
}

static int
by_one(const void *a, const void *b)
{
    return order_by(1, a, b);
}

static int
by_two(const void *a, const void *b)
{
    return order_by(2, a, b);
}

static int
by_seven(const void *a, const void *b)
{
    return order_by(7, a, b);
}

struct bs_table *
bs_intake_table(struct bs_intake *in)
{
    struct bs_table *t = in->table;
    size_t stride = in->def->stride;
    bool sorted = true;

    for (size_t i = 1; sorted && i < t->n; i++)
        sorted = bs_rows_order(in->def, t->rows + (i - 1) * stride, t->rows + i * stride) <= 0;
    if (!sorted)
        qsort(t->rows, t->n, stride,
              in->def->n_keys == 1   ? by_one
              : in->def->n_keys == 2 ? by_two
                                     : by_seven);
    t->rows = bs_realloc(t->rows, t->n * stride);
    in->table = NULL;
    bs_intake_fini(in);
    return t;
}

static bool
texts_equal(const char *a, const char *b)
{
    return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

static bool
lists_equal(const struct bs_list *a, const struct bs_list *b)
{
    return a == b || (a != NULL && b != NULL && a->n == b->n && a->size == b->size &&
                      memcmp(a->data, b->data, a->size) == 0);
}

static bool
fields_equal(const struct bs_field *f, const char *a, const char *b)
{
    const void *p, *q;

    switch (f->type) {
    case BS_FIELD_CHAR:
    case BS_FIELD_BOOL:
        return *a == *b;
    case BS_FIELD_SMALL:
        return memcmp(a, b, 2) == 0;
    case BS_FIELD_OID:
    case BS_FIELD_INT:
        return memcmp(a, b, 4) == 0;
    case BS_FIELD_DOUBLE:
    case BS_FIELD_LONG:
        return memcmp(a, b, 8) == 0;
    case BS_FIELD_TEXT:
    case BS_FIELD_CHARS:
    case BS_FIELD_OIDS:
    case BS_FIELD_NUMBERS:
    case BS_FIELD_NAMES:
    case BS_FIELD_CODE:
        break;
    }
    memcpy(&p, a, sizeof(p));
    memcpy(&q, b, sizeof(q));
    return f->type == BS_FIELD_TEXT ? texts_equal(p, q) : lists_equal(p, q);
}

bool
bs_rows_equal(const struct bs_table_def *def, const void *a, const void *b)
{
    bool equal = true;

    for (int i = 0; equal && i < def->n_fields; i++) {
        size_t at = def->fields[i].at;
        equal = fields_equal(&def->fields[i], (const char *)a + at, (const char *)b + at);
    }
    return equal;
}

static void
share_chunks(struct bs_table *t, struct bs_table *of)
{
    for (size_t i = 0; i < of->n_chunks; i++) {
        atomic_fetch_add_explicit(&of->chunks[i]->refs, 1, memory_order_relaxed);
        t->chunks[t->n_chunks++] = of->chunks[i];
    }
}

struct bs_table *
bs_table_merge(const struct bs_table_def *def,
               struct bs_table *old,
               struct bs_table *news,
               bool (*keep_it)(void *arg, const void *row),
               void *arg)
{
    struct bs_table *t;
    size_t i = 0, k = 0, stride = def->stride;

    if (old->n_chunks + news->n_chunks > BS_TABLE_CHUNKS)
        return NULL;
    t = new_table();
    share_chunks(t, old);
    share_chunks(t, news);
    t->rows = bs_malloc((old->n + news->n + 1) * stride);
    while (i < old->n || k < news->n) {
        const char *a = old->rows + i * stride, *b = news->rows + k * stride;
        int order = i == old->n ? 1 : k == news->n ? -1 : bs_rows_order(def, a, b);
        i += order <= 0;
        k += order >= 0;
        if (order < 0 && !keep_it(arg, a))
            continue;
        memcpy(t->rows + t->n++ * stride, order < 0 ? a : b, stride);
    }
    return t;
}

void
bs_table_filter(const struct bs_table_def *def,
                struct bs_table *t,
                bool (*keep_it)(void *arg, const void *row),
                void *arg)
{
    size_t n = 0;

    for (size_t i = 0; i < t->n; i++) {
        if (keep_it(arg, t->rows + i * def->stride))
            memmove(t->rows + n++ * def->stride, t->rows + i * def->stride, def->stride);
    }
    t->n = n;
}

const struct bs_row_attribute *
bs_find_attribute(const struct bs_table *t, uint32_t relation, int32_t number)
{
    const struct bs_row_attribute *rows = (const void *)t->rows;
    uint32_t key[2] = {relation, (uint32_t)number};
    size_t low = 0, high = t->n;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = order_by(2, &rows[middle], key);
        if (order == 0)
            return &rows[middle];
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}
