/*
 * verified.c - see verified.h.
 */
#include "api/verified.h"

#include <stdbool.h>

static json_t *
break_json(const struct bs_audit_break *b)
{
    return json_pack("{s:s,s:I,s:I,s:s}", "file", b->file, "line", (json_int_t)b->line, "seq",
                     (json_int_t)b->seq, "why", b->why);
}

static json_t *
verdict_json(const struct bs_verified *c)
{
    const struct bs_audit_verdict *v = &c->v;
    json_t *root = json_pack("{s:s,s:b,s:I,s:i,s:b,s:b}", "log", c->log, "intact", v->intact,
                             "records", (json_int_t)v->records, "files", (int)v->files, "torn",
                             v->torn, "signatures", v->signatures);

    if (!v->intact) {
        json_t *all = json_array();
        for (size_t i = 0; i < v->n_breaks; i++)
            (void)json_array_append_new(all, break_json(&v->breaks[i]));
        (void)json_object_set_new(root, "break", break_json(&v->breaks[0]));
        (void)json_object_set_new(root, "breaks", all);
    }
    return root;
}

json_t *
bs_verified_json(const struct bs_verified *all, size_t n)
{
    json_t *logs = json_array(), *root, *cut = NULL;
    json_int_t records = 0, files = 0;
    bool intact = true, torn = false, signatures = true;

    for (size_t i = 0; i < n; i++) {
        json_t *one = verdict_json(&all[i]);
        records += (json_int_t)all[i].v.records;
        files += all[i].v.files;
        intact = intact && all[i].v.intact;
        torn = torn || all[i].v.torn;
        signatures = signatures && all[i].v.signatures;
        if (cut == NULL)
            cut = json_object_get(one, "break");
        (void)json_array_append_new(logs, one);
    }
    root = json_pack("{s:b,s:I,s:I,s:b,s:b,s:O*}", "intact", intact, "records", records, "files",
                     files, "torn", torn, "signatures", signatures, "break", cut);
    (void)json_object_set_new(root, "logs", logs);
    return root;
}
