/*
 * verdicts.c - a table with chains, a list by use, and a smaller table of what came once.
 *
 * A verdict is made in the arena it is kept in: when a text comes for the second time it is judged
 * twice. That is as often as without, and nothing has to be copied deep.
 */
#include "gateway/verdicts.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/metrics.h"
#include "base/siphash.h"
#include "policy/redact.h"
#include "sql/numbers.h"

#define TEXT_MAX     ((size_t)64 << 10)
#define SEEN         4096 /* texts that came once: the newest of each slot */
#define EACH_BYTES   2048 /* about what a verdict takes: for the size of the table */
#define SLOTS_MIN    64
#define SLOTS_MAX    ((size_t)1 << 20)
#define SHARE_OF_ALL 4 /* no verdict takes more than a quarter of the memory */

/* Whose the text is: the part of the key that finds. */
struct key {
    struct bs_hash128 hash;
    uint64_t who;
    struct bs_bytes text;
    bool blanked; /* the text stands for all that differ from it in their numbers only */
};

struct bs_kept {
    unsigned refs;
    struct key key;
    struct bs_subject subject; /* in `arena`, as all that the verdict points to */
    const struct bs_policy *policy;
    uint64_t catalog; /* bs_snapshot_serial */
    bool shielded;
    const struct bs_audit_digest *redact;
    struct bs_plan_limits limits;
    struct bs_verdict verdict;
    struct bs_arena arena;
    size_t bytes;
    struct bs_kept *next;          /* of its slot */
    struct bs_kept *newer, *older; /* by use */
};

struct bs_verdicts {
    uint8_t secret[16];
    size_t max_bytes, bytes;
    struct bs_kept **slots;
    size_t mask;
    struct bs_kept *newest, *oldest;
    uint64_t seen[SEEN];
    uint8_t blanked[TEXT_MAX]; /* of the text that is judged now */
};

struct bs_verdicts *
bs_verdicts_new(size_t max_bytes)
{
    struct bs_verdicts *v = bs_malloc(sizeof(*v));
    size_t slots = SLOTS_MIN;

    while (slots < SLOTS_MAX && slots * EACH_BYTES < max_bytes)
        slots *= 2;
    bs_random(v->secret, sizeof(v->secret));
    v->max_bytes = max_bytes;
    v->slots = bs_malloc(slots * sizeof(v->slots[0]));
    v->mask = slots - 1;
    return v;
}

void
bs_kept_unref(struct bs_kept **k)
{
    if (*k != NULL && --(*k)->refs == 0) {
        bs_arena_fini(&(*k)->arena);
        free(*k);
    }
    *k = NULL;
}

struct bs_kept *
bs_kept_ref(struct bs_kept *k)
{
    k->refs++;
    return k;
}

struct bs_arena *
bs_kept_arena(struct bs_kept *k)
{
    return &k->arena;
}

struct bs_verdict *
bs_kept_verdict(struct bs_kept *k)
{
    return &k->verdict;
}

const struct bs_subject *
bs_kept_subject(const struct bs_kept *k)
{
    return &k->subject;
}

bool
bs_kept_is_sole(const struct bs_kept *k)
{
    return k->refs == 1;
}

size_t
bs_verdicts_bytes(const struct bs_verdicts *v)
{
    return v->bytes;
}

/* --- the list by use ---------------------------------------------------------------------- */

static void
link_newest(struct bs_verdicts *v, struct bs_kept *k)
{
    k->newer = NULL;
    k->older = v->newest;
    if (k->older != NULL)
        k->older->newer = k;
    else
        v->oldest = k;
    v->newest = k;
}

static void
unlink_use(struct bs_verdicts *v, struct bs_kept *k)
{
    if (k->newer != NULL)
        k->newer->older = k->older;
    else
        v->newest = k->older;
    if (k->older != NULL)
        k->older->newer = k->newer;
    else
        v->oldest = k->newer;
}

static struct bs_kept **
slot_of(struct bs_verdicts *v, const struct key *key)
{
    return &v->slots[(key->hash.lo ^ key->who) & v->mask];
}

static void
forget(struct bs_verdicts *v, struct bs_kept *k)
{
    struct bs_kept **at = slot_of(v, &k->key);

    while (*at != k)
        at = &(*at)->next;
    *at = k->next;
    unlink_use(v, k);
    v->bytes -= k->bytes;
    bs_gauge_add(BS_GAUGE_VERDICT_BYTES, -(int64_t)k->bytes);
    bs_kept_unref(&k);
}

void
bs_verdicts_free(struct bs_verdicts **v)
{
    if (*v == NULL)
        return;
    while ((*v)->newest != NULL)
        forget(*v, (*v)->newest);
    free((*v)->slots);
    free(*v);
    *v = NULL;
}

/* --- finding ------------------------------------------------------------------------------ */

static uint64_t
hash_name(uint64_t h, const char *name)
{
    for (; name != NULL && *name != '\0'; name++)
        h = (h ^ (uint8_t)*name) * UINT64_C(1099511628211); /* FNV-1a */
    return (h ^ 0xff) * UINT64_C(1099511628211);
}

/* Names of actors are the operator's, not a stranger's. */
static struct key
key_of(const struct bs_verdicts *v, const struct bs_judge *by, struct bs_bytes text, bool blanked)
{
    uint64_t who = hash_name(UINT64_C(14695981039346656037), by->subject.actor);

    return (struct key){bs_siphash(v->secret, text), hash_name(who, by->subject.database) + blanked,
                        text, blanked};
}

static bool
is_key(const struct key *a, const struct key *b)
{
    return a->hash.lo == b->hash.lo && a->hash.hi == b->hash.hi && a->who == b->who &&
           a->blanked == b->blanked && bs_bytes_equal(a->text, b->text);
}

static bool
is_name(const char *a, const char *b)
{
    return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

static bool
is_subject(const struct bs_subject *a, const struct bs_subject *b)
{
    return is_name(a->actor, b->actor) && is_name(a->database, b->database) &&
           is_name(a->group, b->group) && is_name(a->environment, b->environment);
}

/* Judged by what would judge now. */
static bool
is_current(const struct bs_kept *k, const struct bs_judge *by)
{
    return k->policy == by->policy && k->catalog == bs_snapshot_serial(by->snapshot) &&
           k->shielded == by->shielded && k->redact == by->redact &&
           k->limits.max_bytes == by->limits.max_bytes && k->limits.rows == by->limits.rows &&
           k->limits.databases == by->limits.databases;
}

bool
bs_kept_is_current(const struct bs_kept *k, const struct bs_judge *by, struct bs_bytes text)
{
    return is_current(k, by) && is_subject(&k->subject, &by->subject) &&
           bs_bytes_equal(k->verdict.text, text);
}

void
bs_kept_use(const struct bs_kept *k,
            const struct bs_judge *by,
            struct bs_bytes text,
            struct bs_verdict *out)
{
    bs_verdict_move(&k->verdict, text, out);
    out->epoch = by->epoch;
}

/* The session's own doings change nothing of what names mean. */
static bool
has_plain_names(const struct bs_judge *by)
{
    const struct bs_session_names *n = &by->names;

    return !n->path_changed && !n->uncommitted_ddl && !n->temporary &&
           (n->own == NULL || bs_own_is_nothing(n->own));
}

static struct bs_kept *
find(struct bs_verdicts *v, const struct key *key, const struct bs_judge *by)
{
    struct bs_kept *k = *slot_of(v, key);

    while (k != NULL && !(is_key(&k->key, key) && is_subject(&k->subject, &by->subject)))
        k = k->next;
    return k;
}

/* --- keeping ------------------------------------------------------------------------------ */

static bool
is_keepable(const struct bs_verdict *v)
{
    return v->way == BS_WAY_PASS && v->unit.parsed && v->unit.risk == BS_RISK_SAFE && !v->named &&
           !v->wait && !v->refresh && !v->wrapped && !v->measure && !v->measured &&
           v->n_selects == 0 && v->plan.kind == BS_PLAN_NONE && v->executed.p == NULL &&
           v->shown.p == v->text.p;
}

/* It came before, as far as is remembered; now it has. */
static bool
came_before(struct bs_verdicts *v, const struct key *key)
{
    uint64_t tag = key->hash.hi ^ key->who, *slot = &v->seen[(key->hash.lo ^ key->who) % SEEN];
    bool before = *slot == tag && tag != 0;

    *slot = tag;
    return before;
}

struct bs_kept *
bs_kept_new(const struct bs_judge *by, size_t max_bytes)
{
    struct bs_kept *k = bs_malloc(sizeof(*k));

    k->refs = 1;
    k->policy = by->policy;
    k->catalog = bs_snapshot_serial(by->snapshot);
    k->shielded = by->shielded;
    k->redact = by->redact;
    k->limits = by->limits;
    bs_arena_init_small(&k->arena, "kept verdict", max_bytes);
    k->subject = (struct bs_subject){bs_arena_str(&k->arena, by->subject.actor),
                                     bs_arena_str(&k->arena, by->subject.database),
                                     bs_arena_str(&k->arena, by->subject.group),
                                     bs_arena_str(&k->arena, by->subject.environment)};
    return k;
}

/* Judged once more, where it is kept. False: it takes too much. */
static bool
judge_kept(struct bs_kept *k, const struct bs_judge *by)
{
    uint8_t *copy = (uint8_t *)bs_arena_copy(&k->arena, k->key.text);
    struct bs_err err = {0};

    if (copy == NULL)
        return false;
    k->key.text.p = copy;
    return is_subject(&k->subject, &by->subject) &&
           bs_judge(by, k->key.text, &k->arena, &k->verdict, &err) == BS_DONE &&
           is_keepable(&k->verdict);
}

static void
keep(struct bs_verdicts *v, const struct key *key, const struct bs_judge *by)
{
    struct bs_kept *k = bs_kept_new(by, v->max_bytes / SHARE_OF_ALL), **slot = slot_of(v, key);

    k->key = *key;
    k->bytes = sizeof(*k);
    if (judge_kept(k, by))
        k->bytes += bs_arena_held(&k->arena);
    else
        k->bytes = SIZE_MAX;
    if (k->bytes > v->max_bytes / SHARE_OF_ALL) {
        bs_kept_unref(&k);
        return;
    }
    while (v->bytes + k->bytes > v->max_bytes)
        forget(v, v->oldest);
    k->next = *slot;
    *slot = k;
    link_newest(v, k);
    v->bytes += k->bytes;
    bs_gauge_add(BS_GAUGE_VERDICT_BYTES, (int64_t)k->bytes);
}

/* Of a text with other numbers what the audit has of it is another one, too. */
static enum bs_done
use(struct bs_verdicts *v,
    struct bs_kept *k,
    const struct bs_judge *by,
    struct bs_bytes text,
    struct bs_arena *arena,
    struct bs_verdict *out,
    struct bs_err *err)
{
    if (v->newest != k) {
        unlink_use(v, k);
        link_newest(v, k);
    }
    bs_kept_use(k, by, text, out);
    if (k->key.blanked && by->redact != NULL &&
        bs_redact_statement(by->redact, text, arena, &out->recorded, err) != BS_DONE)
        return BS_FAILED;
    k->refs++;
    return BS_DONE;
}

/* All its numbers are compared with columns: whatever they are, it is judged the same. */
static bool
is_any_number(const struct bs_verdict *v, size_t numbers)
{
    const struct bs_unit *u = &v->unit;

    return numbers != 0 && u->n_compared == numbers && u->n_stmts == 1 &&
           u->stmts[0].kind == BS_KIND_SELECT && u->stmts[0].control == BS_CONTROL_NONE;
}

/* What is kept under that key and holds now; one that does not is forgotten. */
static struct bs_kept *
look_up(struct bs_verdicts *v, const struct key *key, const struct bs_judge *by, bool *before)
{
    struct bs_kept *k = find(v, key, by);

    if (k == NULL || is_current(k, by))
        return k;
    *before = true;
    forget(v, k);
    return NULL;
}

enum bs_done
bs_verdicts_judge(struct bs_verdicts *v,
                  const struct bs_judge *by,
                  struct bs_bytes text,
                  struct bs_arena *arena,
                  struct bs_verdict *out,
                  struct bs_kept **kept,
                  struct bs_err *err)
{
    struct key exact, blank = {0};
    struct bs_kept *k = NULL;
    size_t numbers = 0;
    bool before = false;

    *kept = NULL;
    if (v->max_bytes == 0 || text.n > TEXT_MAX || !has_plain_names(by))
        return bs_judge(by, text, arena, out, err);
    if (bs_numbers_blank(text, v->blanked, &numbers) && numbers != 0) {
        blank = key_of(v, by, (struct bs_bytes){v->blanked, text.n}, true);
        k = look_up(v, &blank, by, &before);
    } else
        numbers = 0;
    if (k == NULL) {
        exact = key_of(v, by, text, false);
        k = look_up(v, &exact, by, &before);
    }
    if (k != NULL) {
        bs_count(BS_COUNT_VERDICT_HITS);
        if (use(v, k, by, text, arena, out, err) != BS_DONE)
            return BS_FAILED;
        *kept = k;
        return BS_DONE;
    }
    bs_count(BS_COUNT_VERDICT_MISSES);
    if (bs_judge(by, text, arena, out, err) != BS_DONE)
        return BS_FAILED;
    if (is_any_number(out, numbers))
        exact = blank;
    before = came_before(v, &exact) || before;
    if (before && is_keepable(out))
        keep(v, &exact, by);
    return BS_DONE;
}
