/*
 * arena.c - pages in a list; a large request gets a page of its own.
 */
#include "base/arena.h"

#include <stdalign.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>

#if defined(__SANITIZE_ADDRESS__)
#define BS_HAVE_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define BS_HAVE_ASAN 1
#endif
#endif
#ifdef BS_HAVE_ASAN
#include <sanitizer/asan_interface.h>
#define POISON(p, n)   ASAN_POISON_MEMORY_REGION(p, n)
#define UNPOISON(p, n) ASAN_UNPOISON_MEMORY_REGION(p, n)
#else
#define POISON(p, n)   ((void)(p), (void)(n))
#define UNPOISON(p, n) ((void)(p), (void)(n))
#endif

#define PAGE_BYTES       8192
#define SMALL_PAGE_BYTES 1000 /* with its head, what malloc has at hand */

struct bs_arena_page {
    struct bs_arena_page *next;
    size_t size; /* bytes in data */
    size_t used;
    alignas(max_align_t) uint8_t data[];
};

_Noreturn static void
out_of_memory(size_t n)
{
    fprintf(stderr, "backstop: out of memory (%zu bytes)\n", n);
    abort();
}

void *
bs_malloc(size_t n)
{
    void *p = calloc(1, n == 0 ? 1 : n);

    if (p == NULL)
        out_of_memory(n);
    return p;
}

void *
bs_realloc(void *p, size_t n)
{
    void *q = realloc(p, n == 0 ? 1 : n);

    if (q == NULL)
        out_of_memory(n);
    return q;
}

char *
bs_strdup(const char *s)
{
    size_t n;
    char *copy;

    if (s == NULL)
        return NULL;
    n = strlen(s) + 1;
    copy = bs_malloc(n);
    memcpy(copy, s, n);
    return copy;
}

void
bs_wipe(void *p, size_t n)
{
    OPENSSL_cleanse(p, n);
}

void
bs_free_secret(char **s)
{
    if (*s == NULL)
        return;
    bs_wipe(*s, strlen(*s));
    free(*s);
    *s = NULL;
}

void
bs_arena_init(struct bs_arena *a, const char *name, size_t max)
{
    *a = (struct bs_arena){.name = name, .max = max, .page = PAGE_BYTES};
}

void
bs_arena_init_small(struct bs_arena *a, const char *name, size_t max)
{
    *a = (struct bs_arena){.name = name, .max = max, .page = SMALL_PAGE_BYTES};
}

size_t
bs_arena_held(const struct bs_arena *a)
{
    size_t n = 0;

    for (const struct bs_arena_page *page = a->top; page != NULL; page = page->next)
        n += sizeof(*page) + page->size;
    return n;
}

/* Frees all pages but, where `keep` says so, one of ordinary size. */
static void
free_pages(struct bs_arena *a, size_t keep)
{
    struct bs_arena_page *page = a->top, *kept = NULL;

    while (page != NULL) {
        struct bs_arena_page *next = page->next;
        if (kept == NULL && page->size == keep) {
            kept = page;
        } else {
            UNPOISON(page->data, page->size);
            free(page);
        }
        page = next;
    }
    if (kept != NULL) {
        kept->next = NULL;
        kept->used = 0;
        POISON(kept->data, kept->size);
    }
    a->top = kept;
    a->used = 0;
}

void
bs_arena_reset(struct bs_arena *a)
{
    free_pages(a, a->page);
}

void
bs_arena_fini(struct bs_arena *a)
{
    free_pages(a, 0);
    *a = (struct bs_arena){0};
}

void *
bs_arena_take(struct bs_arena *a, size_t n)
{
    const size_t step = alignof(max_align_t);
    struct bs_arena_page *page = a->top;
    uint8_t *at;

    if (n > a->max - a->used || n > SIZE_MAX - step)
        return NULL;
    n = n == 0 ? step : (n + step - 1) / step * step;
    if (page == NULL || n > page->size - page->used) {
        size_t size = n > a->page ? n : a->page;
        page = malloc(sizeof(*page) + size);
        if (page == NULL)
            out_of_memory(size);
        *page = (struct bs_arena_page){.next = a->top, .size = size};
        POISON(page->data, size);
        a->top = page;
    }
    at = page->data + page->used;
    page->used += n;
    a->used = n > a->max - a->used ? a->max : a->used + n;
    UNPOISON(at, n);
    memset(at, 0, n);
    return at;
}

void *
bs_arena_array(struct bs_arena *a, size_t count, size_t each)
{
    if (each != 0 && count > SIZE_MAX / each)
        return NULL;
    return bs_arena_take(a, count * each);
}

char *
bs_arena_copy(struct bs_arena *a, struct bs_bytes b)
{
    char *copy = b.n == SIZE_MAX ? NULL : bs_arena_take(a, b.n + 1);

    if (copy != NULL && b.n != 0)
        memcpy(copy, b.p, b.n);
    return copy;
}

char *
bs_arena_str(struct bs_arena *a, const char *s)
{
    return s == NULL ? NULL : bs_arena_copy(a, bs_bytes_of(s));
}

char *
bs_arena_fmt(struct bs_arena *a, const char *fmt, ...)
{
    char room[256]; /* nearly all fit: formatted once */
    va_list ap, again;
    char *out;
    int n;

    va_start(ap, fmt);
    va_copy(again, ap);
    n = vsnprintf(room, sizeof(room), fmt, ap);
    va_end(ap);
    bs_assert(n >= 0);
    out = bs_arena_take(a, (size_t)n + 1);
    if (out != NULL && (size_t)n < sizeof(room))
        memcpy(out, room, (size_t)n);
    else if (out != NULL)
        (void)vsnprintf(out, (size_t)n + 1, fmt, again);
    va_end(again);
    return out;
}
