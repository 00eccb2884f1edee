/*
 * identity.h - what makes two requests the same request: the hash by which a ticket is found again.
 *
 * Layer  approval. Pure.
 * Spec   PROTECT 14. Session, portal and statement names are not part of it.
 * Owns   nothing.
 */
#ifndef BS_APPROVAL_IDENTITY_H
#define BS_APPROVAL_IDENTITY_H

#include "base/bytes.h"
#include "state/rows.h"

/* A parameter as bound. int2, int4 and int8 of equal value are equal; bool and text types are equal
 * in both formats; everything else is compared by type, format and bytes. */
struct bs_identity_param {
    uint32_t type;         /* resolved type OID; 0: not known */
    uint16_t format;       /* 0 text, 1 binary */
    bool null;             /* then `value` does not count */
    struct bs_bytes value; /* as sent */
};

struct bs_identity {
    const char *actor;
    const char *database;
    const char *role;                  /* NULL and "" are the same */
    const char *search_path;           /* as the server reports it; NULL and "" are the same */
    const struct bs_bytes *statements; /* bs_canonical of each text of the unit, in order */
    size_t n_statements;
    const struct bs_identity_param *params; /* of all of them, in order */
    size_t n_params;
};

void bs_ticket_identity(const struct bs_identity *in, char out[BS_SHA256_TEXT]);

#endif
