/*
 * check.c - by chance, so that over time all are read, and nobody knows which ones next.
 */
#include "recovery/check.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

enum bs_done
bs_point_check(struct bs_store *store,
               const struct bs_point_ref *point,
               const char *by,
               const struct bs_watch *watch,
               struct bs_verify_report *out,
               struct bs_err *err)
{
    struct bs_point_event event = {.state = BS_EVENT_VERIFIED, .by = by};
    struct bs_arena arena;
    struct bs_manifest m;
    struct bs_err lost = {0};
    enum bs_done done = BS_FAILED;

    *out = (struct bs_verify_report){0};
    bs_arena_init(&arena, "manifest", (size_t)BS_MANIFEST_MAX * 4);
    if (bs_points_sound(store, point, out->damaged, err) == BS_DONE &&
        bs_points_load(store, point, &arena, &m, err) == BS_DONE)
        done = bs_point_verify(store, &m, watch, out, err);
    bs_arena_fini(&arena);
    if (err->code == BS_E_DAMAGED) {
        event.state = BS_EVENT_DAMAGED;
        if (out->damaged[0] == '\0')
            (void)snprintf(out->damaged, sizeof(out->damaged), "%smanifest.json", point->dir);
    }
    if (done != BS_DONE && err->code != BS_E_DAMAGED)
        return BS_FAILED;
    if (bs_points_event(store, point->dir, &event, &lost) == BS_DONE || done != BS_DONE)
        return done;
    return bs_err_set(err, lost.code, "%s", lost.message);
}

/* What a capture that failed has left is nothing to be verified; a manifest that was lost is. */
static bool
never_was(const struct bs_point_ref *p)
{
    return !p->complete && p->proof == BS_EVENT_NONE && !p->restored &&
           (p->outcome == BS_EVENT_NONE || p->outcome == BS_EVENT_ABANDONED);
}

static size_t
wanted(size_t n, const struct bs_point_sample *s)
{
    double share = ceil((double)n * s->share);

    if (s->number != 0)
        return (uint64_t)s->number < n ? (size_t)s->number : n;
    if (s->share <= 0 || share >= (double)n)
        return n;
    return share < 1 ? 1 : (size_t)share;
}

void
bs_points_sample(struct bs_points *points, const struct bs_point_sample *sample)
{
    size_t n = 0, left, want, kept = 0;

    for (size_t i = 0; i < points->n; i++) {
        if (!never_was(&points->list[i]) && !points->list[i].expired)
            points->list[n++] = points->list[i];
    }
    want = wanted(n, sample);
    left = n;
    /* Each of those left is taken with the chance that is left: so every choice is as likely. */
    for (size_t i = 0; i < n && kept < want; i++, left--) {
        uint64_t r;
        bs_random(&r, sizeof(r));
        if (r % left < want - kept)
            points->list[kept++] = points->list[i];
    }
    points->n = kept;
}
