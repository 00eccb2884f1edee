/*
 * effects.c - applied statement by statement, since an error may end a message half-way.
 */
#include "gateway/effects.h"

#include <stdlib.h>
#include <string.h>

#define OWN_MAX  (1u << 20) /* then all names of a session are in doubt */
#define TOLD_MAX (4u << 20)

struct bs_effects {
    size_t n, at;
    struct one {
        enum bs_control control;
        uint32_t flags;
        char label[BS_SQL_NAME_MAX + 1];
        bool labelled;
        bool discard; /* DISCARD ALL: everything is as new */
    } list[];
};

static bool
matters(const struct bs_stmt *s)
{
    switch (s->control) {
    case BS_CONTROL_DEALLOCATE:
    case BS_CONTROL_DECLARE:
    case BS_CONTROL_CLOSE:
    case BS_CONTROL_SAVEPOINT:
    case BS_CONTROL_RELEASE:
    case BS_CONTROL_ROLLBACK_TO:
        return true;
    case BS_CONTROL_SET:
    case BS_CONTROL_NONE:
    case BS_CONTROL_BEGIN:
    case BS_CONTROL_COMMIT:
    case BS_CONTROL_ROLLBACK:
    case BS_CONTROL_PREPARE_TRANSACTION:
    case BS_CONTROL_COMMIT_PREPARED:
    case BS_CONTROL_ROLLBACK_PREPARED:
    case BS_CONTROL_PREPARE:
    case BS_CONTROL_EXECUTE:
    case BS_CONTROL_FETCH:
        return false;
    }
    return false;
}

struct bs_effects *
bs_effects_of(const struct bs_unit *unit)
{
    struct bs_effects *e;
    bool any = false;

    for (size_t i = 0; i < unit->n_stmts; i++)
        any = any || matters(&unit->stmts[i]);
    if (!any)
        return NULL;
    e = bs_malloc(sizeof(*e) + unit->n_stmts * sizeof(e->list[0]));
    e->n = unit->n_stmts;
    for (size_t i = 0; i < e->n; i++) {
        const struct bs_stmt *s = &unit->stmts[i];
        struct one *o = &e->list[i];
        o->control = s->control;
        o->flags = s->flags;
        o->labelled = s->label != NULL;
        o->discard = strcmp(bs_kind_name(s->kind), "DISCARD ALL") == 0;
        if (o->labelled)
            strncpy(o->label, s->label, BS_SQL_NAME_MAX);
    }
    return e;
}

void
bs_effects_free(struct bs_effects **e)
{
    free(*e);
    *e = NULL;
}

static void
apply_control(const struct one *o, struct bs_session_state *state)
{
    struct bs_bytes label = bs_bytes_of(o->label);

    if (o->control == BS_CONTROL_DEALLOCATE && o->labelled)
        bs_names_remove(&state->names, label);
    else if (o->control == BS_CONTROL_DEALLOCATE)
        bs_names_clear(&state->names);
    if (o->control == BS_CONTROL_DECLARE)
        bs_cursors_put(&state->names, label,
                       (o->flags & BS_FLAG_WITH_HOLD) != 0 ? BS_CURSOR_HOLD
                                                           : BS_CURSOR_TRANSACTION);
    if (o->control == BS_CONTROL_CLOSE && o->labelled)
        bs_cursors_remove(&state->names, label);
    else if (o->control == BS_CONTROL_CLOSE)
        bs_cursors_clear(&state->names);
}

static void
apply_savepoint(const struct one *o, struct bs_session_state *state)
{
    if (o->control == BS_CONTROL_SAVEPOINT)
        bs_savepoints_put(&state->savepoints, o->label);
    if (o->control == BS_CONTROL_RELEASE)
        bs_savepoints_release(&state->savepoints, o->label);
    if (o->control == BS_CONTROL_ROLLBACK_TO) {
        uint64_t to = bs_savepoints_back(&state->savepoints, o->label);
        if (!state->went_back || to < state->went_back_to)
            state->went_back_to = to;
        state->went_back = true;
    }
}

void
bs_effects_step(struct bs_effects *e, struct bs_session_state *state)
{
    const struct one *o;

    if (e->at >= e->n)
        return;
    o = &e->list[e->at++];
    apply_control(o, state);
    apply_savepoint(o, state);
    if (o->discard)
        bs_cursors_clear(&state->names);
}

/* SET search_path, RESET search_path, RESET ALL, and set_config. */
static void
note_path(const struct bs_stmt *s, struct bs_session_state *state)
{
    bool all = s->label == NULL && s->kind == BS_KIND_RESET;

    if (s->control != BS_CONTROL_SET ||
        (!all && (s->label == NULL || strcmp(s->label, "search_path") != 0)))
        return;
    if (s->value == NULL)
        state->path[0] = '\0';
    else
        bs_sha256_text(s->value, state->path);
}

/* Temporary objects are others after it, or may be; what any DDL makes is one where the path says
 * so. With DDL nobody can tell whether it is about one. */
static void
note_temporary(const struct bs_unit *unit, struct bs_session_state *state)
{
    bool moved = state->own.moved, back = false, end = false;

    for (size_t i = 0; i < unit->n_stmts; i++)
        end = end || unit->stmts[i].control == BS_CONTROL_COMMIT;
    if (end && state->doubt_tx) /* deferred triggers: what is sent behind it is not judged before */
        state->unread = state->own.lost = true;
    if ((unit->flags & BS_FLAG_DDL) != 0 && state->meaning.path_changed)
        moved = state->own.lost = state->meaning.temporary = true;
    for (size_t i = 0; i < unit->n_stmts; i++)
        back = back || unit->stmts[i].control == BS_CONTROL_ROLLBACK ||
               unit->stmts[i].control == BS_CONTROL_ROLLBACK_TO;
    if ((moved && (unit->flags & (BS_FLAG_DDL | BS_FLAG_TEMP)) != 0) ||
        (back && (moved || state->retold_tx)))
        state->retold = state->own.stale = true;
    state->retold_tx = state->retold_tx || moved;
}

void
bs_effects_meaning(const struct bs_unit *unit, struct bs_session_state *state)
{
    struct bs_session_names *meaning = &state->meaning;

    if (meaning->own == NULL) {
        bs_arena_init(&state->own_arena, "names of a session", OWN_MAX);
        bs_arena_init(&state->told_arena, "temporary objects of a session", TOLD_MAX);
        meaning->own = &state->own;
    }
    for (size_t i = 0; i < unit->n_stmts; i++) {
        note_path(&unit->stmts[i], state);
        bs_own_note(&state->own, &unit->stmts[i], &state->own_arena);
    }
    note_temporary(unit, state);
    if ((unit->flags & BS_FLAG_SEARCH_PATH) != 0)
        meaning->path_changed = true;
    if ((unit->flags & BS_FLAG_TEMP) != 0)
        meaning->temporary = true;
    if ((unit->flags & (BS_FLAG_VOLATILE | BS_FLAG_DYNAMIC_SQL)) != 0)
        meaning->path_changed = meaning->temporary = true; /* code that nobody has read */
    if ((unit->flags & (BS_FLAG_VOLATILE | BS_FLAG_DYNAMIC_SQL)) != 0)
        state->unread = state->unread_tx = state->doubt_tx = true;
}

void
bs_effects_ended(struct bs_session_state *state)
{
    state->unread = state->unread || state->unread_tx;
    if (state->doubt_tx)
        state->own.lost = state->meaning.path_changed = state->meaning.temporary = true;
    state->retold = state->retold || state->retold_tx;
    state->unread_tx = state->doubt_tx = state->retold_tx = false;
}

void
bs_effects_settle(struct bs_session_state *state)
{
    bs_own_end(&state->own);
}
