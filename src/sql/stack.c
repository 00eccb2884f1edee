/*
 * stack.c - a thread with a large stack, whose pages cost nothing until they are touched.
 */
#include "sql/stack.h"

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

/* Longest text that is safe on anybody's stack: 16,384 levels of at most 128 bytes. */
#define SHORT_TEXT ((size_t)32 << 10)
/* A level takes 32 bytes in Debian's build; without optimisation up to four times that. */
#define STACK_PER_TEXT_BYTE 64
#define STACK_BASE          ((size_t)1 << 20)
/* The longest body of a function that is read, which bs_stack_run does not see, and what is around it. Most
 * threads have as much left. */
#define ENOUGH ((size_t)7 << 20)
#define PLENTY ((size_t)32 << 20)

struct errand {
    void (*job)(void *with);
    void *with;
};

static void *
run(void *with)
{
    struct errand *e = with;

    e->job(e->with);
    return NULL;
}

/* A signal is not for a thread that its program does not know of. */
static enum bs_done
start(pthread_t *thread, const pthread_attr_t *attr, struct errand *e)
{
    sigset_t all, before;
    int failed;

    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    failed = pthread_create(thread, attr, run, e);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    return failed == 0 ? BS_DONE : BS_FAILED;
}

static enum bs_done
run_apart(size_t stack_bytes, void (*job)(void *with), void *with)
{
    struct errand e = {job, with};
    enum bs_done done = BS_FAILED;
    pthread_attr_t attr;
    pthread_t thread;

    if (pthread_attr_init(&attr) != 0)
        return BS_FAILED;
    if (pthread_attr_setstacksize(&attr, stack_bytes) == 0 && start(&thread, &attr, &e) == BS_DONE)
        done = pthread_join(thread, NULL) == 0 ? BS_DONE : BS_FAILED;
    (void)pthread_attr_destroy(&attr);
    return done;
}

/* Where a coroutine runs on a stack of its own, this is not the thread's: then nobody knows. */
static bool
has_room(size_t bytes)
{
    static _Thread_local uintptr_t low, high;
    uintptr_t here = (uintptr_t)__builtin_frame_address(0);
    pthread_attr_t attr;
    void *base = NULL;
    size_t size = 0;

    if (high == 0) {
        if (pthread_getattr_np(pthread_self(), &attr) != 0)
            return false;
        if (pthread_attr_getstack(&attr, &base, &size) == 0) {
            low = (uintptr_t)base;
            high = low + size;
        }
        (void)pthread_attr_destroy(&attr);
    }
    return here > low && here < high && here - low >= bytes;
}

enum bs_done
bs_stack_run(size_t text_bytes, void (*job)(void *with), void *with)
{
    if (text_bytes <= SHORT_TEXT) {
        job(with);
        return BS_DONE;
    }
    if (text_bytes > (SIZE_MAX - STACK_BASE) / STACK_PER_TEXT_BYTE)
        return BS_FAILED;
    return run_apart(STACK_BASE + text_bytes * STACK_PER_TEXT_BYTE, job, with);
}

enum bs_done
bs_stack_ensure(void (*job)(void *with), void *with)
{
    if (!has_room(ENOUGH))
        return run_apart(PLENTY, job, with);
    job(with);
    return BS_DONE;
}
