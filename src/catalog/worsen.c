/*
 * worsen.c - taints as values: they only ever get worse, and say so in one sentence.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "catalog/tainting.h"

const struct bs_taint bs_taint_none = {.risk = BS_RISK_SAFE};

/* What one thing runs at most before it counts as running anything: lists of lists of lists would
 * fill the memory. Whatever had too many has this one from then on. */
#define MAX_RUNS 1024
static const struct bs_run too_many = {0, NULL};

/* How many of the second list the first one lacks. Both are sorted. */
static size_t
count_new(const struct bs_taint *t, const struct bs_run *more, size_t n)
{
    size_t at = 0, count = 0;

    for (size_t i = 0; i < n; i++) {
        while (at < t->n_runs && t->runs[at].function < more[i].function)
            at++;
        count += at == t->n_runs || t->runs[at].function != more[i].function;
    }
    return count;
}

/* Two lists as one. Most often one of them has all of the other's, or is empty. */
static void
add_runs(struct bs_build *b, struct bs_taint *t, const struct bs_run *more, size_t n)
{
    struct bs_run *all;
    size_t at = 0, i = 0, k = 0;
    size_t added = more == t->runs || t->runs == &too_many ? 0 : count_new(t, more, n);

    if (added == 0)
        return;
    if (t->n_runs + added > MAX_RUNS) {
        const char *word = more->word;
        t->runs = &too_many;
        t->n_runs = 0;
        if (bs_risk_worse(t->risk, BS_RISK_CRITICAL) == BS_RISK_CRITICAL)
            *t = (struct bs_taint){BS_RISK_CRITICAL, word,
                                   "it runs more functions than are looked at", &too_many, 0};
        return;
    }
    all = t->n_runs == 0 ? NULL : bs_build_array(b, t->n_runs + added, sizeof(*all));
    if (all == NULL) {
        t->runs = more;
        t->n_runs = n;
        return;
    }
    while (i < t->n_runs || k < n) {
        bool first = k == n || (i < t->n_runs && t->runs[i].function <= more[k].function);
        bool both = first && k < n && t->runs[i].function == more[k].function;
        all[at++] = first ? t->runs[i] : more[k];
        i += first;
        k += !first || both;
    }
    t->runs = all;
    t->n_runs = at;
}

void
bs_build_worsen(struct bs_build *b, struct bs_taint *t, struct bs_taint more)
{
    if (more.risk != t->risk && bs_risk_worse(more.risk, t->risk) == more.risk) {
        t->risk = more.risk;
        t->code = more.code;
        t->text = more.text;
    }
    add_runs(b, t, more.runs, more.n_runs);
}

/* Nothing to tell, and nothing to run. */
bool
bs_taint_is_clean(const struct bs_taint *t)
{
    return t->risk == BS_RISK_SAFE && t->n_runs == 0;
}

/* The same for a use of a relation, which most of them share as long as it is clean. */
void
bs_build_worsen_use(struct bs_build *b,
                    struct bs_relation *r,
                    enum bs_use use,
                    struct bs_taint more)
{
    if (bs_taint_is_clean(&more))
        return;
    if (r->use == b->clean) {
        r->use = bs_build_array(b, BS_USE_COUNT, sizeof(*r->use));
        if (r->use == NULL) { /* the error is set: nobody will look */
            r->use = b->clean;
            return;
        }
        for (int i = 0; i < BS_USE_COUNT; i++)
            r->use[i] = bs_taint_none;
    }
    bs_build_worsen(b, &r->use[use], more);
}

struct bs_taint
bs_taint_critical(struct bs_taint t)
{
    if (t.risk == BS_RISK_CRITICAL || t.risk == BS_RISK_UNKNOWN)
        return t;
    return (struct bs_taint){.risk = BS_RISK_SAFE, .runs = t.runs, .n_runs = t.n_runs};
}

bool
bs_tainting_can_read(const struct bs_function *f)
{
    return f != NULL && (f->body != NULL || f->n_parts != 0);
}

struct bs_taint
bs_tainting_run(struct bs_build *b, uint32_t function, const char *word)
{
    struct bs_run *run = bs_build_array(b, 1, sizeof(*run));

    if (run == NULL)
        return (struct bs_taint){BS_RISK_CRITICAL, word, "the catalog is too large", NULL, 0};
    *run = (struct bs_run){function, word};
    return (struct bs_taint){.risk = BS_RISK_SAFE, .runs = run, .n_runs = 1};
}

const char *
bs_tainting_say(struct bs_build *b, const char *fmt, ...)
{
    char text[512];
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    return bs_build_text(b, text);
}

const char *
bs_tainting_function(struct bs_build *b, uint32_t oid)
{
    const struct bs_function *f = bs_snapshot_function(b->s, oid);

    if (f == NULL)
        return bs_tainting_say(b, "a function with OID %u", oid);
    return bs_tainting_say(b, "%s.%s()", f->id.schema, f->id.name);
}
