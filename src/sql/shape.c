/*
 * shape.c - as walk.c, from PostgreSQL's generated lists of fields, but with the scalar fields.
 */
#include "sql/shape.h"

#include <string.h>

#include "sql/nodes.h"
#include "sql/walk.h"

#include <access/amapi.h>
#include <access/tableam.h>
#include <access/tsmapi.h>
#include <commands/event_trigger.h>
#include <commands/trigger.h>
#include <foreign/fdwapi.h>
#include <nodes/execnodes.h>
#include <nodes/extensible.h>
#include <nodes/miscnodes.h>
#include <nodes/pathnodes.h>
#include <nodes/plannodes.h>
#include <nodes/replnodes.h>
#include <nodes/supportnodes.h>
#include <utils/rel.h>

struct shape {
    struct bs_walk walk;
    uint64_t hash;
};

static inline void
mix(struct shape *into, uint64_t value)
{
    into->hash = (into->hash ^ value) * 1099511628211u;
    into->hash ^= into->hash >> 29;
}

static inline void
mix_text(struct shape *into, const char *text)
{
    for (const char *at = text; at != NULL && *at != '\0'; at++)
        mix(into, (uint8_t)*at);
    mix(into, text == NULL ? 256 : 257);
}

static inline void
mix_bytes(struct shape *into, const void *bytes, size_t n)
{
    for (const uint8_t *at = bytes; n-- > 0; at++)
        mix(into, *at);
}

/* Of a constant its type counts, not its text. */
static const void *
mix_const(struct shape *into, const void *node)
{
    const A_Const *value = node;

    mix(into, value->isnull ? 260 : 261 + (uint64_t)value->val.node.type);
    return NULL;
}

static inline void
mix_child(struct shape *into, const void *node)
{
    mix(into, node == NULL ? 258 : 259);
    if (node != NULL && ((const Node *)node)->type == T_List)
        mix(into, (uint64_t)bs_list_n(node));
    bs_walk_push(&into->walk, node);
}

#undef makeNode
#define makeNode(type)           NULL
#define COPY_NODE_FIELD(field)   mix_child(into, at->field)
#define COPY_SCALAR_FIELD(field) mix_bytes(into, &at->field, sizeof(at->field))
#define COPY_STRING_FIELD(field) mix_text(into, at->field)
#define COPY_BITMAPSET_FIELD(field)
#define COPY_ARRAY_FIELD(field)
#define COPY_LOCATION_FIELD(field)
#define COPY_POINTER_FIELD(field, size)
#define _copyConst(node)          NULL
#define _copyA_Const(node)        mix_const(into, at)
#define _copyExtensibleNode(node) NULL
#define _copyBitmapset(node)      NULL

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-parameter"
#pragma GCC diagnostic ignored "-Wunused-variable"
#define from at, struct shape *into
#include <copyfuncs.funcs.c>
#undef from
#pragma GCC diagnostic pop

static void
visit(void *with, const struct Node *node)
{
    struct shape *into = with;
    const void *at = node, *retval = NULL;

    mix(into, (uint64_t)node->type);
    if (node->type == T_RawStmt) {
        mix(into, (uint64_t)(int64_t)((const RawStmt *)at)->stmt_location);
        mix(into, (uint64_t)(int64_t)((const RawStmt *)at)->stmt_len);
    }
    switch ((int)node->type) {
#define from at, into
#include <copyfuncs.switch.c>
#undef from
    default:
        break;
    }
    (void)retval;
}

uint64_t
bs_shape_of(const struct List *stmts, size_t max_nodes)
{
    struct shape all = {.hash = 14695981039346656037u};
    bool too_large;

    bs_walk_init(&all.walk, max_nodes);
    bs_walk_push(&all.walk, stmts);
    bs_walk_run(&all.walk, visit, &all);
    too_large = all.walk.too_large;
    bs_walk_fini(&all.walk);
    if (too_large)
        return 0;
    return all.hash == 0 ? 1 : all.hash;
}
