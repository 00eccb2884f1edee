/*
 * stack.c - a thread with a large stack, whose pages cost nothing until they are touched.
 */
#include "sql/stack.h"

#include <pthread.h>
#include <stdint.h>

/* Longest text that is safe on anybody's stack: 16,384 levels of at most 128 bytes. */
#define SHORT_TEXT ((size_t)32 << 10)
/* A level takes 32 bytes in Debian's build; without optimisation up to four times that. */
#define STACK_PER_TEXT_BYTE 64
#define STACK_BASE          ((size_t)1 << 20)

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

enum bs_done
bs_stack_run(size_t text_bytes, void (*job)(void *with), void *with)
{
    struct errand e = {job, with};
    enum bs_done done = BS_FAILED;
    pthread_attr_t attr;
    pthread_t thread;

    if (text_bytes <= SHORT_TEXT) {
        job(with);
        return BS_DONE;
    }
    if (text_bytes > (SIZE_MAX - STACK_BASE) / STACK_PER_TEXT_BYTE || pthread_attr_init(&attr) != 0)
        return BS_FAILED;
    if (pthread_attr_setstacksize(&attr, STACK_BASE + text_bytes * STACK_PER_TEXT_BYTE) == 0 &&
        pthread_create(&thread, &attr, run, &e) == 0)
        done = pthread_join(thread, NULL) == 0 ? BS_DONE : BS_FAILED;
    (void)pthread_attr_destroy(&attr);
    return done;
}
