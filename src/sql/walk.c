/*
 * walk.c - a stack of nodes; a List on it stands for those of its elements that are still to come,
 * so that a million elements take one place.
 */
#include "sql/walk.h"

#include <string.h>

#include "base/arena.h"
#include "sql/nodes.h"

/* What copyfuncs.funcs.c includes, before a macro of ours gets into its way. */
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

void
bs_walk_init(struct bs_walk *w, size_t max)
{
    w->items = w->first;
    w->n = 0;
    w->cap = sizeof(w->first) / sizeof(w->first[0]);
    w->spent = 0;
    w->max = max;
    w->too_large = false;
    w->scope = NULL;
    w->mode = 0;
}

void
bs_walk_fini(struct bs_walk *w)
{
    if (w->items != w->first)
        free(w->items);
    w->items = w->first;
    w->n = 0;
}

static void
grow(struct bs_walk *w)
{
    size_t cap = w->cap * 2;

    if (w->items == w->first) {
        w->items = bs_malloc(cap * sizeof(w->items[0]));
        memcpy(w->items, w->first, sizeof(w->first));
    } else {
        w->items = bs_realloc(w->items, cap * sizeof(w->items[0]));
    }
    w->cap = cap;
}

static inline void
push(struct bs_walk *w, const void *node)
{
    if (node == NULL)
        return;
    if (w->n == w->cap)
        grow(w);
    w->items[w->n++] = (struct bs_walk_item){node, w->scope, w->mode, 0};
}

void
bs_walk_push(struct bs_walk *w, const void *node)
{
    push(w, node);
}

/*
 * PostgreSQL's generated copy functions, one a node type, turned into ones that push: the macros
 * that copy a field push it, and the parameter gets two companions. Where a function is written by
 * hand (constants, bitmaps) the node has no children.
 */
struct into {
    struct bs_walk *walk;
    const void *skip, *skip_too;
};

static inline void
push_field(struct into *into, const void *node)
{
    if (node != into->skip && node != into->skip_too)
        push(into->walk, node);
}

#undef makeNode
#define makeNode(type)         NULL
#define COPY_NODE_FIELD(field) push_field(into, at->field)
#define COPY_SCALAR_FIELD(field)
#define COPY_STRING_FIELD(field)
#define COPY_BITMAPSET_FIELD(field)
#define COPY_ARRAY_FIELD(field)
#define COPY_LOCATION_FIELD(field)
#define COPY_POINTER_FIELD(field, size)
#define _copyConst(node)          NULL
#define _copyA_Const(node)        NULL
#define _copyExtensibleNode(node) NULL
#define _copyBitmapset(node)      NULL

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-parameter"
#pragma GCC diagnostic ignored "-Wunused-variable"
#define from at, struct into *into
#include <copyfuncs.funcs.c>
#undef from
#pragma GCC diagnostic pop

void
bs_walk_push_children(struct bs_walk *w, const Node *node, const void *skip, const void *skip_too)
{
    struct into all = {w, skip, skip_too}, *into = &all;
    const void *at = node, *retval = NULL;

    switch ((int)node->type) {
#define from at, into
#include <copyfuncs.switch.c>
#undef from
    default: /* no children, or not a node of a tree: whoever visits it knows */
        break;
    }
    (void)retval;
}

/* The next node to visit, taken off the stack; NULL where a List had an empty element. */
static const Node *
take(struct bs_walk *w)
{
    struct bs_walk_item *top = &w->items[w->n - 1];
    const List *list = (const List *)(const void *)top->node;

    w->scope = top->scope;
    w->mode = top->mode;
    if (top->node->type == T_List) {
        const Node *element = list->length == 0 ? NULL : bs_list_at(list, top->next);
        if (++top->next >= list->length)
            w->n--;
        return element;
    }
    w->n--;
    return top->node;
}

/* What one visit pushed comes off in the order in which it was pushed. */
static void
reverse(struct bs_walk *w, size_t from)
{
    for (size_t to = w->n; from + 1 < to; from++) {
        struct bs_walk_item item = w->items[from];
        w->items[from] = w->items[--to];
        w->items[to] = item;
    }
}

void
bs_walk_run(struct bs_walk *w, bs_walk_visit *visit, void *with)
{
    while (w->n != 0) {
        const Node *node = take(w);
        size_t n = w->n;

        if (++w->spent > w->max) {
            w->too_large = true;
            w->n = 0;
            return;
        }
        if (node == NULL)
            continue;
        if (node->type == T_List) {
            push(w, node);
            continue;
        }
        visit(with, node);
        reverse(w, n);
    }
}
