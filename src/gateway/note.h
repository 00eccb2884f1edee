/*
 * note.h - what the gateway puts on record about a statement.
 *
 * Layer  gateway.
 * Spec   DESIGN 10: plain traffic does not wait for the disk, gated statements do.
 * Owns   nothing.
 */
#ifndef BS_GATEWAY_NOTE_H
#define BS_GATEWAY_NOTE_H

#include <jansson.h>

#include "audit/record.h"
#include "gateway/judge.h"

struct bs_relay;
struct bs_session;

/* A statement that passes or is refused. False: it cannot be recorded, so it must not run. */
BS_MUST_CHECK bool bs_note_judged(struct bs_relay *r, const struct bs_verdict *v);

/* Counts what was decided: bs_note_judged does it itself. */
void bs_note_decision(const struct bs_verdict *v);

/* Who and where, in every record of a session. Borrows the session's texts. */
void bs_note_who(struct bs_audit_record *record, const struct bs_session *s);
/*
 * What the session says of itself, and the comments of a text, which count for more: JSON in `arena`;
 * NULL where nothing is said.
 */
const char *
bs_note_claims(const struct bs_session *s, struct bs_bytes text, struct bs_arena *arena);
/* What was judged. Borrows the verdict's texts. */
void bs_note_what(struct bs_audit_record *record, const struct bs_verdict *v);
/* Adds the reasons of a unit to a list, which it answers. */
json_t *bs_note_reasons(const struct bs_unit *unit, json_t *list);

#endif
