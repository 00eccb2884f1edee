/*
 * arena.h - a lifetime with a name and a ceiling; and malloc that stops the process when the
 * system itself is out of memory.
 *
 * Layer  base.
 * Owns   an arena owns all it hands out until reset or fini. Memory is zeroed and never freed
 *        singly. Past the ceiling it answers NULL and the caller reports LIMIT.
 */
#ifndef BS_BASE_ARENA_H
#define BS_BASE_ARENA_H

#include <stddef.h>

#include "base/bytes.h"

struct bs_arena {
    const char *name;          /* for messages: "message", "session", ... */
    struct bs_arena_page *top; /* newest page first */
    size_t used;               /* bytes handed out since the last reset */
    size_t max;                /* ceiling in bytes */
    size_t page;               /* bytes of an ordinary page */
};

void bs_arena_init(struct bs_arena *a, const char *name, size_t max);
/* The same with small pages, for what is kept for long and in numbers. */
void bs_arena_init_small(struct bs_arena *a, const char *name, size_t max);
size_t bs_arena_held(const struct bs_arena *a); /* bytes of its pages, used or not */
void bs_arena_reset(struct bs_arena *a);        /* everything handed out dies here */
void bs_arena_fini(struct bs_arena *a);
void *bs_arena_take(struct bs_arena *a, size_t n);                   /* NULL past the ceiling */
void *bs_arena_array(struct bs_arena *a, size_t count, size_t each); /* overflow-checked */
char *bs_arena_str(struct bs_arena *a, const char *s);               /* copy; NULL stays NULL */
char *bs_arena_copy(struct bs_arena *a, struct bs_bytes b);          /* copy with a NUL added */
char *bs_arena_fmt(struct bs_arena *a, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* malloc family that never answers NULL: out of system memory ends the process with a message. */
void *bs_malloc(size_t n); /* zeroed */
void *bs_realloc(void *p, size_t n);
char *bs_strdup(const char *s); /* NULL stays NULL */
/* Wipes n bytes in a way the compiler keeps. */
void bs_wipe(void *p, size_t n);
/* Wipes and frees a C string and sets it NULL; accepts a NULL string. */
void bs_free_secret(char **s);

#endif
