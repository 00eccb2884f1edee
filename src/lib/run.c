/*
 * run.c - a library's caller may be on any thread, in any locale.
 */
#include "lib/inside.h"

#include <locale.h>

#include "sql/stack.h"

struct errand {
    void (*job)(void *with);
    void *with;
};

static void
run(void *with)
{
    const struct errand *e = with;
    locale_t c = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    locale_t before = c == (locale_t)0 ? c : uselocale(c);

    e->job(e->with);
    if (c == (locale_t)0)
        return;
    (void)uselocale(before);
    freelocale(c);
}

enum bs_done
bs_lib_run(void (*job)(void *with), void *with, struct bs_err *err)
{
    struct errand e = {job, with};

    if (bs_stack_ensure(run, &e) != BS_DONE)
        return BS_FAIL(err, LIMIT, "there is no room for a stack that a text may need");
    return BS_DONE;
}
