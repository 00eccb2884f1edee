/*
 * ledger.h - what gated statements have done in one transaction: the counters before the first of
 * them, each of them with its recovery point, and what is still to be kept when it ends.
 *
 * A transaction that we begin for one statement has a ledger of one unit; one of the actor's own
 * gets it with its first gated statement and has it until its end.
 *
 * Layer  gateway, private to the files that gating.h names. On the session's worker thread; job
 *        threads read it while their job is out.
 * Spec   PROTECT 16.
 * Owns   see each member; freed with its last reference: the relay's, and one of each gate in it.
 */
#ifndef BS_GATEWAY_LEDGER_H
#define BS_GATEWAY_LEDGER_H

#include "gateway/coverage.h"

struct bs_gate;
struct bs_relay;
struct bs_worker;

/* How a run, or a transaction, ended. */
enum bs_gate_end {
    BS_END_NONE = 0,
    BS_END_COMMITTED,
    BS_END_ROLLED_BACK,
    BS_END_UNCERTAIN,
};

struct bs_ledger {
    unsigned refs;
    struct bs_arena arena;
    struct bs_gate **units; /* those that have run, in order; a reference to each */
    size_t n_units, cap;
    struct bs_reading before; /* when the first of them was about to run */
    struct bs_reading after;  /* behind the closing sequence */
    struct bs_err reading_error;
    struct bs_capture *keeper; /* the helper that has looked at the sequences before anything ran,
                                  sees the locks at the end and keeps what nothing else has kept */
    struct bs_lock *had;       /* locks of the transaction when the keeper was opened */
    size_t n_had;
    struct bs_capture_result kept; /* by the keeper; valid where `has_kept` */
    bool has_kept;
    bool armed;   /* the points' events were written: COMMIT may have been sent */
    uint64_t xid; /* of the transaction, once it is known */
    bool held;    /* a later statement of it was refused because it waits for a decision */
    bool ddl;     /* something else that is allowed has changed the catalog */
    bool ending;  /* it has ended while a job reads it: settle it when that is back */
    enum bs_gate_end end;
};

struct bs_ledger *bs_ledger_new(void);
struct bs_ledger *bs_ledger_ref(struct bs_ledger *l);
void bs_ledger_unref(struct bs_ledger **l); /* accepts NULL; sets it NULL */

/* A unit has run: whatever end the transaction comes to is its own. Takes a reference. */
void bs_ledger_add(struct bs_ledger *l, struct bs_gate *g);
/* ROLLBACK TO: what ran later than that moment has not happened. */
void bs_ledger_go_back(struct bs_ledger *l, uint64_t moment);
/* The unit took part, and no ROLLBACK TO has undone it. */
bool bs_ledger_counts(const struct bs_gate *g);
/* Others may wait for tables that we have locked for one of them. */
bool bs_ledger_locks(const struct bs_ledger *l);
/*
 * What is required of the points of a transaction only rises: a unit that is about to run asks for
 * no less than those before it. False: one before it has a point that is proven less than it asks
 * for, and both may be about the same table.
 */
bool bs_ledger_demand(const struct bs_ledger *l, struct bs_gate *g);
/* The strictest of what is required of all that ran: the server counts what was undone, too, and what
 * is kept of it is kept together. */
struct bs_require bs_ledger_require(const struct bs_ledger *l);
/* The policy wants nothing kept of all that ran. */
bool bs_ledger_waived(const struct bs_ledger *l);
/* The transaction has ended: settles r->ledger, where there is one, and gives it back. */
void bs_ledger_end(struct bs_relay *r, enum bs_gate_end end);
/* Each unit that has run in it writes down that it ended as l->end. */
void bs_ledger_settle(struct bs_ledger *l, struct bs_worker *w);

#endif
