/*
 * stop.c - see stop.h.
 */
#include "restore/stop.h"

void
bs_stop_init(struct bs_stop *stop)
{
    *stop = (struct bs_stop){0};
    (void)pthread_mutex_init(&stop->lock, NULL);
}

void
bs_stop_fini(struct bs_stop *stop)
{
    for (size_t i = 0; i < stop->n; i++)
        PQfreeCancel(stop->sessions[i]);
    stop->n = 0;
    (void)pthread_mutex_destroy(&stop->lock);
}

void
bs_stop_add(struct bs_stop *stop, PGconn *conn)
{
    if (stop == NULL)
        return;
    (void)pthread_mutex_lock(&stop->lock);
    if (stop->n < BS_STOP_SESSIONS) {
        stop->sessions[stop->n] = PQgetCancel(conn);
        stop->n += stop->sessions[stop->n] != NULL;
    }
    (void)pthread_mutex_unlock(&stop->lock);
}

void
bs_stop_call(struct bs_stop *stop)
{
    char ignored[256];

    atomic_store(&stop->called, true);
    (void)pthread_mutex_lock(&stop->lock);
    for (size_t i = 0; i < stop->n; i++)
        (void)PQcancel(stop->sessions[i], ignored, sizeof(ignored));
    (void)pthread_mutex_unlock(&stop->lock);
}

enum bs_done
bs_stop_check(struct bs_stop *stop, struct bs_err *err)
{
    if (stop == NULL || !atomic_load(&stop->called))
        return BS_DONE;
    return BS_FAIL(err, CANCELLED, "the restore was called off");
}
