/*
 * harm.c - would one unit do at least what another would have done? Where the same rows or objects
 * may be meant and may be not, the answer is "maybe".
 */
#include "sql/harm.h"

#include <string.h>

/* clang-format off */
static const char *const harm_names[] = {
    [BS_HARM_NONE] = "none", [BS_HARM_ADD] = "add", [BS_HARM_CHANGE] = "change",
    [BS_HARM_SAFEGUARD] = "safeguard", [BS_HARM_OVERWRITE] = "overwrite",
    [BS_HARM_DELETE] = "delete", [BS_HARM_DESTROY] = "destroy",
};
static const char *const extent_names[] = {
    [BS_EXTENT_NONE] = "none", [BS_EXTENT_KEY] = "key", [BS_EXTENT_SOME] = "some",
    [BS_EXTENT_ALL] = "all",
};
/* clang-format on */

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

const char *
bs_harm_name(enum bs_harm harm)
{
    return harm_names[harm];
}

enum bs_harm
bs_harm_find(const char *name)
{
    for (size_t i = 0; i < COUNT(harm_names); i++) {
        if (strcmp(harm_names[i], name) == 0)
            return (enum bs_harm)i;
    }
    return BS_HARM_NONE;
}

const char *
bs_extent_name(enum bs_extent extent)
{
    return extent_names[extent];
}

enum bs_extent
bs_extent_find(const char *name)
{
    for (size_t i = 0; i < COUNT(extent_names); i++) {
        if (strcmp(extent_names[i], name) == 0)
            return (enum bs_extent)i;
    }
    return BS_EXTENT_NONE;
}

bool
bs_harm_is_rows(enum bs_harm harm)
{
    return harm >= BS_HARM_OVERWRITE;
}

bool
bs_harm_is_any(const struct bs_harm_item *item)
{
    return item->oid == 0 && item->name == NULL;
}

static bool
same_name(const struct bs_harm_item *a, const struct bs_harm_item *b)
{
    return a->name != NULL && b->name != NULL && strcmp(a->name, b->name) == 0 &&
           (a->schema == NULL || b->schema == NULL || strcmp(a->schema, b->schema) == 0);
}

/* Renamed it is still the same, and so is what was made anew under its name. */
static bool
same_object(const struct bs_harm_item *now, const struct bs_harm_item *before)
{
    return now->object == before->object &&
           ((now->oid != 0 && now->oid == before->oid) || same_name(now, before));
}

static bool
same_column(const struct bs_harm_item *now, const struct bs_harm_item *before)
{
    return before->column == NULL || now->column == NULL ||
           strcmp(before->column, now->column) == 0;
}

/* Anything was meant: who then takes a whole schema takes the same way. */
static enum bs_covers
cover_any(const struct bs_harm_item *now, const struct bs_harm_item *before)
{
    bool all = now->harm == BS_HARM_DESTROY && now->extent == BS_EXTENT_ALL;

    if (!all)
        return BS_COVERS_NO;
    if (before->code || now->code)
        return BS_COVERS_MAYBE;
    return bs_harm_is_any(now) || (now->object == BS_OBJECT_SCHEMA && now->gone) ? BS_COVERS_YES
                                                                                 : BS_COVERS_NO;
}

enum values { VALUES_UNSURE = 0, VALUES_SAME, VALUES_OTHER };

/* A number without what does not count: " +05.0" is 5. False where it is none. */
static bool
plain_number(const char *text, char out[80])
{
    const char *at = text + strspn(text, " \t\n");
    size_t whole, part = 0, n = 0;
    bool minus = *at == '-';

    at += *at == '-' || *at == '+';
    whole = strspn(at, "0123456789");
    if (whole == 0 || whole > 60)
        return false;
    for (; whole > 1 && *at == '0'; whole--)
        at++;
    if (at[whole] == '.')
        part = strspn(at + whole + 1, "0") + 1;
    if (at[whole + part + strspn(at + whole + part, " \t\n")] != '\0')
        return false;
    if (minus && !(whole == 1 && *at == '0'))
        out[n++] = '-';
    memcpy(out + n, at, whole);
    out[n + whole] = '\0';
    return true;
}

/* Written otherwise it cannot be the same: numbers, UUIDs, words without a digit in them. */
static bool
has_one_form(const char *text)
{
    return strpbrk(text, "0123456789") == NULL ||
           (strlen(text) == 36 && strspn(text, "0123456789abcdef-") == 36);
}

static enum values
compare_values(const char *a, const char *b)
{
    char x[80], y[80];
    bool unsure_a = a[0] == '?', unsure_b = b[0] == '?';

    a += unsure_a;
    b += unsure_b;
    if (strcmp(a, b) == 0)
        return VALUES_SAME;
    if (unsure_a != unsure_b)
        return plain_number(a, x) && plain_number(b, y) && strcmp(x, y) == 0 ? VALUES_SAME
                                                                             : VALUES_UNSURE;
    if (plain_number(a, x) && plain_number(b, y))
        return strcmp(x, y) == 0 ? VALUES_SAME : VALUES_OTHER;
    return unsure_a || (has_one_form(a) && has_one_form(b)) ? VALUES_OTHER : VALUES_UNSURE;
}

/* A column that both compare with different values: no row is in both. */
static bool
is_disjoint(const struct bs_harm_item *a, const struct bs_harm_item *b)
{
    for (size_t i = 0; i < a->n_keys; i++) {
        for (size_t k = 0; k < b->n_keys; k++) {
            if (strcmp(a->keys[i].column, b->keys[k].column) == 0 &&
                compare_values(a->keys[i].value, b->keys[k].value) == VALUES_OTHER)
                return true;
        }
    }
    return false;
}

static bool
has_key(const struct bs_harm_item *item, struct bs_harm_key key)
{
    for (size_t i = 0; i < item->n_keys; i++) {
        if (strcmp(item->keys[i].column, key.column) == 0 &&
            compare_values(item->keys[i].value, key.value) == VALUES_SAME)
            return true;
    }
    return false;
}

/* One is by a key: the other says the same of all its columns. */
static bool
same_row(const struct bs_harm_item *now, const struct bs_harm_item *before)
{
    if (now->extent != BS_EXTENT_KEY || before->extent != BS_EXTENT_KEY || before->n_keys == 0)
        return false;
    for (size_t i = 0; i < before->n_keys; i++) {
        if (!has_key(now, before->keys[i]))
            return false;
    }
    return true;
}

/* Both mean some of the rows. The same number of them is taken for the same rows. */
static enum bs_covers
cover_some(const struct bs_harm_item *now, const struct bs_harm_item *before)
{
    if (same_row(now, before))
        return BS_COVERS_YES;
    if (now->rows < 0 || before->rows < 0)
        return now->extent < before->extent ? BS_COVERS_NO : BS_COVERS_MAYBE;
    if (now->rows < before->rows)
        return BS_COVERS_NO;
    return now->rows == before->rows && now->rows > 1 ? BS_COVERS_YES : BS_COVERS_MAYBE;
}

static enum bs_covers
cover_extent(const struct bs_harm_item *now, const struct bs_harm_item *before)
{
    if (now->extent == BS_EXTENT_ALL)
        return BS_COVERS_YES;
    return before->extent == BS_EXTENT_ALL ? BS_COVERS_NO : cover_some(now, before);
}

static enum bs_covers
cover_rows(const struct bs_harm_item *now, const struct bs_harm_item *before)
{
    enum bs_covers extent = cover_extent(now, before);

    if (is_disjoint(now, before))
        return BS_COVERS_NO;
    if (now->harm != BS_HARM_OVERWRITE)
        return now->harm < before->harm ? BS_COVERS_NO : extent;
    /* Other values may be another matter; and what is left of the old ones where all rows are
     * overwritten by what depends on them, nobody has worked out. */
    if (before->harm != BS_HARM_OVERWRITE && now->extent != BS_EXTENT_ALL)
        return BS_COVERS_NO;
    return extent == BS_COVERS_NO ? extent : BS_COVERS_MAYBE;
}

static enum bs_covers
cover_one(const struct bs_harm_item *now, const struct bs_harm_item *before)
{
    if (bs_harm_is_any(before))
        return cover_any(now, before);
    if (bs_harm_is_any(now))
        return now->code ? BS_COVERS_MAYBE : BS_COVERS_YES;
    if (!same_object(now, before) || !same_column(now, before))
        return BS_COVERS_NO;
    switch (before->harm) {
    case BS_HARM_NONE:
        return BS_COVERS_NO;
    case BS_HARM_ADD: /* other rows as a rule */
        return now->harm == BS_HARM_ADD ? BS_COVERS_MAYBE : BS_COVERS_NO;
    case BS_HARM_CHANGE:
        if (now->gone)
            return before->gone ? BS_COVERS_YES : BS_COVERS_MAYBE;
        return now->harm == BS_HARM_CHANGE ? BS_COVERS_MAYBE : BS_COVERS_NO;
    case BS_HARM_SAFEGUARD:
        return now->harm == BS_HARM_SAFEGUARD ? BS_COVERS_YES : BS_COVERS_NO;
    case BS_HARM_OVERWRITE:
    case BS_HARM_DELETE:
    case BS_HARM_DESTROY:
        break;
    }
    return bs_harm_is_rows(now->harm) ? cover_rows(now, before) : BS_COVERS_NO;
}

enum bs_covers
bs_harms_cover_item(const struct bs_harms *now, const struct bs_harm_item *before)
{
    enum bs_covers best = now->more ? BS_COVERS_MAYBE : BS_COVERS_NO;

    for (size_t i = 0; i < now->n && best != BS_COVERS_YES; i++) {
        enum bs_covers one = cover_one(&now->items[i], before);
        if (one > best)
            best = one;
    }
    return best;
}

/* The worst that is known for sure counts; code that may do anything only where there is no other. */
bool
bs_harms_counts(const struct bs_harms *harms, const struct bs_harm_item *item)
{
    if (!item->main)
        return false;
    for (size_t i = 0; i < harms->n; i++) {
        const struct bs_harm_item *other = &harms->items[i];
        if (!other->main || other == item || other->code)
            continue;
        if (item->code || other->harm > item->harm)
            return false;
    }
    return true;
}

enum bs_covers
bs_harms_cover(const struct bs_harms *now, const struct bs_harms *before)
{
    enum bs_covers all = BS_COVERS_YES;
    bool any = false;

    for (size_t i = 0; i < before->n && all != BS_COVERS_NO; i++) {
        enum bs_covers one;
        if (!bs_harms_counts(before, &before->items[i]))
            continue;
        any = true;
        one = bs_harms_cover_item(now, &before->items[i]);
        if (one < all)
            all = one;
    }
    return any ? all : BS_COVERS_NO;
}
