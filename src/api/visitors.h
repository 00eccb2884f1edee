/*
 * visitors.h - connections to the operators' listener, so that those that ask for nothing never keep
 * out one that does.
 *
 * A connection waits until it has sent a whole request, and again once that is answered. Where there
 * are many, whoever has waited longest goes for each that comes; of one address there are so many at
 * most, so that the others have room.
 *
 * Layer  api. Thread-safe; does not block. Knows nothing of the HTTP library.
 * Owns   its list; the sockets are the library's, which closes one only after bs_visitors_leave.
 */
#ifndef BS_API_VISITORS_H
#define BS_API_VISITORS_H

#include <stdbool.h>
#include <stddef.h>

#define BS_VISITOR_NAME 64 /* an address as text */

struct bs_visitors; /* opaque */
struct bs_visitor;  /* opaque */

/* most: from where on one goes for one that comes; most_each: of one address */
struct bs_visitors *bs_visitors_new(size_t most, size_t most_each);
void bs_visitors_free(struct bs_visitors **v); /* accepts NULL; sets it NULL */

/* Somebody comes from there. Makes room where it is needed; false: they are too many already, and all
 * of them are being answered. */
bool bs_visitors_admit(struct bs_visitors *v, const char *address);
struct bs_visitor *bs_visitors_enter(struct bs_visitors *v, const char *address, int fd);
void bs_visitors_leave(struct bs_visitors *v, struct bs_visitor **visitor);

/* It has sent a whole request, and is answered now; or that is done. */
void bs_visitor_asks(struct bs_visitors *v, struct bs_visitor *visitor);
void bs_visitor_waits(struct bs_visitors *v, struct bs_visitor *visitor);

#endif
