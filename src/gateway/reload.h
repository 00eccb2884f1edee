/*
 * reload.h - the policy in force, and another one in its place while the gateway runs; with it the
 * certificate towards clients, what `clients` in the configuration says of them, what is done by the
 * clock and who is told.
 *
 * A statement is decided by one policy as a whole. The new one is in force before the verdicts of
 * the old are dropped (the databases' epochs grow), so a verdict that is kept is of the newest.
 * Replaced ones live until the gateway stops: verdicts, gates and records point into them. A
 * session keeps the certificate that it began with; what clients may do counts for new ones.
 *
 * Layer  gateway.
 * Owns   the configurations that were loaded after the first, and all certificates.
 */
#ifndef BS_GATEWAY_RELOAD_H
#define BS_GATEWAY_RELOAD_H

#include "policy/rules.h"

struct bs_gateway; /* gateway/gateway.h */

/* The policy in force. Any thread; the pointer stays good until the gateway has stopped. */
const struct bs_policy *bs_gateway_policy(const struct bs_gateway *g);

/* At start: the first one is in force, and the audit says so. err: the audit cannot be written, or
 * CONFIG: the certificate cannot be used. */
BS_MUST_CHECK enum bs_done bs_reload_begin(struct bs_gateway *g, struct bs_err *err);
/*
 * Read the configuration's file again and put its policy, certificate and limits in force, all or
 * none: then the old ones stay, and the log and the audit say why. Blocks; only on the first thread.
 */
void bs_reload(struct bs_gateway *g);
/* After the last session: frees what was replaced. */
void bs_reload_end(struct bs_gateway *g);

#endif
