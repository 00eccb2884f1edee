/*
 * postgres_fe.h - what libpq_pipeline.c needs of PostgreSQL's own headers, which no package has:
 * with this folder first in the path, libpq alone is enough to build it.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/select.h>
#include <unistd.h>

#include "libpq-fe.h"

#define pg_attribute_noreturn()   __attribute__((noreturn))
#define pg_attribute_printf(f, a) __attribute__((format(printf, f, a)))
#define Assert(x)                 ((void)0)
#define lengthof(a)               (sizeof(a) / sizeof((a)[0]))
#define pg_malloc                 malloc
#define pg_malloc0(n)             calloc(1, n)
#define pg_realloc                realloc
#define pg_strdup                 strdup
#define pg_free                   free
#define pfree                     free
#define PG_IOLBF                  _IOLBF

__attribute__((format(printf, 1, 2))) static inline char *
psprintf(const char *format, ...)
{
    char *text = NULL;
    va_list args;

    va_start(args, format);
    if (vasprintf(&text, format, args) < 0)
        abort();
    va_end(args);
    return text;
}
