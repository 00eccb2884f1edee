/*
 * profile.h - profiles of actors against statements. Private to the room; see decide.h for who has
 * which profile, and for what is protected.
 *
 * Layer  policy. Pure.
 * Owns   nothing.
 */
#ifndef BS_POLICY_PROFILE_H
#define BS_POLICY_PROFILE_H

#include "policy/match.h"

/* True where the profile does not have such statements, whatever the rules say. */
bool bs_profile_blocks(enum bs_profile profile, const struct bs_match *q);

#endif
