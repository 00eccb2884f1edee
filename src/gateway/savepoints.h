/*
 * savepoints.h - the savepoints of the open transaction, and what ROLLBACK TO one of them undoes.
 *
 * Everything that happens in a transaction gets a moment. ROLLBACK TO goes back to the moment of its
 * savepoint: what is later has not happened. Each of them counts when the server has run it, and
 * not before: what is taken for undone must be neither less than the server undid nor more.
 *
 * Layer  gateway. Pure.
 * Spec   sql-savepoint.html, sql-rollback-to.html.
 * Owns   its list; freed by bs_savepoints_clear.
 */
#ifndef BS_GATEWAY_SAVEPOINTS_H
#define BS_GATEWAY_SAVEPOINTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bs_savepoint; /* one that was set and not released */

struct bs_savepoints {
    struct bs_savepoint *list; /* oldest first */
    size_t n, cap;
    uint64_t now; /* the last moment that was given out */
};

/* A moment later than all before it in this transaction. */
uint64_t bs_savepoints_tick(struct bs_savepoints *s);
/* SAVEPOINT name. */
void bs_savepoints_put(struct bs_savepoints *s, const char *name);
/* RELEASE name. */
void bs_savepoints_release(struct bs_savepoints *s, const char *name);
/* The moment that ROLLBACK TO name goes back to; 0, the beginning, where the name is not known. */
uint64_t bs_savepoints_back(struct bs_savepoints *s, const char *name);
/* The name of the oldest; NULL: none is set. Valid until the list changes. */
const char *bs_savepoints_oldest(const struct bs_savepoints *s);
void bs_savepoints_clear(struct bs_savepoints *s); /* the transaction has ended */

#endif
