/*
 * names.c - a small fixed table with chains: sessions have a handful of names, drivers a few
 * hundred.
 */
#include "gateway/names.h"

#include <stdlib.h>
#include <string.h>

#include "gateway/verdicts.h"

#define PREPARED_MAX (512u << 20) /* of what judging one text may take */
#define CURSORS_MAX  10000
#define SLOTS        64

struct bs_cursor {
    char name[BS_SQL_NAME_MAX + 1];
    enum bs_cursor_life life;
    struct bs_cursor_rows rows;
    struct bs_cursor *next;
};

static size_t
slot_of(struct bs_bytes name)
{
    uint32_t h = 2166136261u; /* FNV-1a */

    for (size_t i = 0; i < name.n; i++)
        h = (h ^ name.p[i]) * 16777619u;
    return h % SLOTS;
}

static void
copy_name(char out[BS_SQL_NAME_MAX + 1], struct bs_bytes name)
{
    size_t n = name.n > BS_SQL_NAME_MAX ? BS_SQL_NAME_MAX : name.n;

    if (n != 0)
        memcpy(out, name.p, n);
    out[n] = '\0';
}

struct bs_prepared *
bs_prepared_new(struct bs_bytes name, struct bs_bytes text)
{
    struct bs_prepared *p = bs_malloc(sizeof(*p));
    uint8_t *copy = bs_malloc(text.n + 1);

    if (text.n != 0)
        memcpy(copy, text.p, text.n);
    p->refs = 1;
    p->text = (struct bs_bytes){copy, text.n};
    copy_name(p->name, name);
    bs_arena_init(&p->arena, "prepared statement", PREPARED_MAX);
    return p;
}

void
bs_prepared_rewind(struct bs_prepared *p)
{
    p->judged = false;
    p->verdict = (struct bs_verdict){0};
    bs_kept_unref(&p->kept);
    bs_arena_reset(&p->arena);
}

struct bs_prepared *
bs_prepared_ref(struct bs_prepared *p)
{
    p->refs++;
    return p;
}

void
bs_prepared_unref(struct bs_prepared **p)
{
    if (*p != NULL && --(*p)->refs == 0) {
        bs_kept_unref(&(*p)->kept);
        bs_arena_fini(&(*p)->arena);
        free((void *)(uintptr_t)(*p)->text.p);
        free(*p);
    }
    *p = NULL;
}

void
bs_names_clear(struct bs_names *names)
{
    for (size_t i = 0; names->table != NULL && i < SLOTS; i++) {
        while (names->table[i] != NULL) {
            struct bs_prepared *p = names->table[i];
            names->table[i] = p->next;
            bs_prepared_unref(&p);
        }
    }
    free(names->table);
    names->table = NULL;
    names->n = 0;
}

void
bs_names_fini(struct bs_names *names)
{
    bs_names_clear(names);
    bs_cursors_clear(names);
}

struct bs_prepared *
bs_names_find(const struct bs_names *names, struct bs_bytes name)
{
    if (names->table == NULL)
        return NULL;
    for (struct bs_prepared *p = names->table[slot_of(name)]; p != NULL; p = p->next) {
        if (bs_bytes_equal(bs_bytes_of(p->name), name))
            return p;
    }
    return NULL;
}

void
bs_names_put(struct bs_names *names, struct bs_prepared *p)
{
    struct bs_prepared **at;

    if (names->table == NULL)
        names->table = bs_malloc(SLOTS * sizeof(names->table[0]));
    at = &names->table[slot_of(bs_bytes_of(p->name))];
    bs_prepared_ref(p);
    bs_names_remove(names, bs_bytes_of(p->name));
    p->next = *at;
    *at = p;
    names->n++;
}

void
bs_names_remove(struct bs_names *names, struct bs_bytes name)
{
    if (names->table == NULL)
        return;
    for (struct bs_prepared **at = &names->table[slot_of(name)]; *at != NULL; at = &(*at)->next) {
        struct bs_prepared *p = *at;
        if (!bs_bytes_equal(bs_bytes_of(p->name), name))
            continue;
        *at = p->next;
        p->next = NULL;
        names->n--;
        bs_prepared_unref(&p);
        return;
    }
}

void
bs_names_doubt(struct bs_names *names)
{
    for (size_t i = 0; names->table != NULL && i < SLOTS; i++) {
        for (struct bs_prepared *p = names->table[i]; p != NULL; p = p->next)
            p->doubted = p->name[0] != '\0';
    }
}

void
bs_names_drop_doubted(struct bs_names *names)
{
    for (size_t i = 0; names->table != NULL && i < SLOTS; i++) {
        for (struct bs_prepared **at = &names->table[i]; *at != NULL;) {
            struct bs_prepared *p = *at;
            if (!p->doubted) {
                at = &p->next;
                continue;
            }
            *at = p->next;
            p->next = NULL;
            names->n--;
            bs_prepared_unref(&p);
        }
    }
}

bool
bs_cursors_has(const struct bs_names *names, struct bs_bytes name)
{
    for (const struct bs_cursor *c = names->cursors; c != NULL; c = c->next) {
        if (bs_bytes_equal(bs_bytes_of(c->name), name))
            return true;
    }
    return false;
}

struct bs_cursor_rows *
bs_cursors_rows(struct bs_names *names, struct bs_bytes name)
{
    for (struct bs_cursor *c = names->cursors; c != NULL; c = c->next) {
        if (bs_bytes_equal(bs_bytes_of(c->name), name))
            return &c->rows;
    }
    return NULL;
}

void
bs_cursors_put(struct bs_names *names, struct bs_bytes name, enum bs_cursor_life life)
{
    const struct bs_cursor_rows *old = bs_cursors_rows(names, name);
    int64_t rows = old == NULL ? 0 : old->rows;
    struct bs_cursor *c;

    bs_cursors_remove(names, name);
    if (names->n_cursors >= CURSORS_MAX)
        return; /* an unknown cursor is never SAFE, so forgetting is the safe side */
    c = bs_malloc(sizeof(*c));
    c->rows.rows = rows; /* DECLARE may have been bound only: it does not begin anew by that */
    copy_name(c->name, name);
    c->life = life;
    c->next = names->cursors;
    names->cursors = c;
    names->n_cursors++;
}

/* Unlinks and frees what *at points to. */
static void
drop_cursor(struct bs_names *names, struct bs_cursor **at)
{
    struct bs_cursor *c = *at;

    *at = c->next;
    free(c);
    names->n_cursors--;
}

void
bs_cursors_remove(struct bs_names *names, struct bs_bytes name)
{
    for (struct bs_cursor **at = &names->cursors; *at != NULL; at = &(*at)->next) {
        if (bs_bytes_equal(bs_bytes_of((*at)->name), name)) {
            drop_cursor(names, at);
            return;
        }
    }
}

void
bs_cursors_cap(struct bs_names *names,
               struct bs_bytes name,
               const struct bs_cursor_rows *rows,
               const char *from)
{
    struct bs_cursor_rows *to = bs_cursors_rows(names, name);

    if (to == NULL)
        return;
    *to = *rows;
    copy_name(to->from, bs_bytes_of(from));
}

void
bs_cursors_clear(struct bs_names *names)
{
    while (names->cursors != NULL)
        drop_cursor(names, &names->cursors);
}

void
bs_cursors_end_transaction(struct bs_names *names)
{
    struct bs_cursor **at = &names->cursors;

    while (*at != NULL) {
        if ((*at)->life == BS_CURSOR_TRANSACTION)
            drop_cursor(names, at);
        else
            at = &(*at)->next;
    }
}
