/*
 * must.h - the two words every file needs: BS_MUST_CHECK and bs_assert.
 *
 * Layer  base. Pure.
 * Owns   nothing.
 */
#ifndef BS_BASE_MUST_H
#define BS_BASE_MUST_H

#define BS_MUST_CHECK __attribute__((warn_unused_result))

/* What *we* guarantee; stays on in release builds, and is never reached by input. */
#define bs_assert(cond)                                                                            \
    do {                                                                                           \
        if (!(cond))                                                                               \
            bs_assert_failed(#cond, __FILE__, __LINE__);                                           \
    } while (0)

_Noreturn void bs_assert_failed(const char *expr, const char *file, int line);

#endif
