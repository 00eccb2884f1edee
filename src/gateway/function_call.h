/*
 * function_call.h - FunctionCall runs a function by its number; here is what that would be as SQL.
 *
 * Only for the functions by which libpq reads large objects (pg_dump and psql do): these get a
 * text that is judged like any other, all others get none.
 *
 * Layer  gateway. Pure.
 * Spec   PostgreSQL manual, protocol-message-formats.html (FunctionCall), lo-interfaces.html.
 * Owns   nothing.
 */
#ifndef BS_GATEWAY_FUNCTION_CALL_H
#define BS_GATEWAY_FUNCTION_CALL_H

#include "base/arena.h"
#include "wire/messages.h"

/*
 * The call as a SELECT, with its arguments. NULL: not one of those functions, not the arguments
 * that it takes, or in another form than libpq's (binary), or the arena is full.
 */
const char *bs_function_call_text(const struct bs_function_call *call, struct bs_arena *arena);

#endif
