/*
 * service.h - what a service manager is told, and the sockets it may have opened for us: systemd's
 * protocols, which others speak, too. Without such a manager nothing here does anything.
 *
 * Layer  gateway. bs_service_listeners only while there is one thread: it changes the environment.
 * Spec   sd_notify(3) and sd_listen_fds(3): NOTIFY_SOCKET; LISTEN_PID, LISTEN_FDS.
 * Owns   nothing. Sockets belong to the caller.
 */
#ifndef BS_GATEWAY_SERVICE_H
#define BS_GATEWAY_SERVICE_H

#include <stddef.h>

#include "base/err.h"

#define BS_SERVICE_SOCKETS 32

/* Never fails: a manager that does not listen is not our problem. */
void bs_service_ready(void);
void bs_service_reloading(void); /* then bs_service_ready once more */
void bs_service_stopping(void);

/*
 * The sockets that were opened for us, close-on-exec and non-blocking; *n is 0 where there are none.
 * They are given once.
 *
 * err   CONFIG: one is not a listening stream socket, or there are more than BS_SERVICE_SOCKETS
 */
BS_MUST_CHECK enum bs_done
bs_service_listeners(int fds[BS_SERVICE_SOCKETS], size_t *n, struct bs_err *err);

#endif
