/*
 * text.h - texts of agents and servers as people in other programs may see them.
 *
 * Layer  notify. Pure.
 * Owns   results live in the arena; "..." where that is full.
 */
#ifndef BS_NOTIFY_TEXT_H
#define BS_NOTIFY_TEXT_H

#include "base/arena.h"

/* What hides, or reorders, text around it (control, bidi, zero width) is named: \u{202E}. Cut to `max`
 * bytes, between two characters; *cut says whether it was, and may be NULL. */
const char *bs_text_plain(struct bs_arena *arena, const char *text, size_t max, bool *cut);
/* The same with & < > as Slack has them: nothing in it is a link or calls somebody. */
const char *bs_text_slack(struct bs_arena *arena, const char *text, size_t max);
/* A statement without its values. */
const char *bs_text_shape(struct bs_arena *arena, const char *sql);

#endif
