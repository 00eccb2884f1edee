/*
 * withhold.c - what the server answers to a gated unit: what of it the client hears at once, what
 * only after COMMIT, and what is learnt from it.
 */
#include <string.h>

#include "gateway/gate.h"
#include "gateway/gating.h"
#include "wire/messages.h"

/*
 * While the client's messages run, rows stream, but the first CommandComplete and all that
 * follows is kept until COMMIT is acknowledged. Where the statement may have to be sent again,
 * everything is.
 */
enum bs_sink
bs_gate_sink(struct bs_relay *r, uint8_t type)
{
    const struct bs_gate *g = r->gate;

    if (g->step != BS_GATE_RUN && g->step != BS_GATE_BARE)
        return BS_SINK_CLIENT;
    if (type == 'Z')
        return BS_SINK_NOWHERE;
    if (type == 'N' || type == 'S' || type == 'A' || type == 'G')
        return BS_SINK_CLIENT;
    if (g->exclusive || g->completed || type == 'C' || type == 's' || type == 'I' || type == 'E')
        return BS_SINK_WITHHOLD;
    return BS_SINK_CLIENT;
}

void
bs_gate_withhold(struct bs_relay *r, struct bs_bytes bytes)
{
    bs_put_bytes(&r->gate->withheld, bytes);
}

static void
copy_text(char *out, size_t size, struct bs_bytes text)
{
    size_t n = text.n >= size ? size - 1 : text.n;

    if (n != 0)
        memcpy(out, text.p, n);
    out[n] = '\0';
}

void
bs_gate_look(struct bs_relay *r, uint8_t type, struct bs_bytes body)
{
    struct bs_gate *g = r->gate;
    struct bs_report_fields report = {0};
    struct bs_tag tag;
    struct bs_err err = {0};

    if (type == 'C' || type == 's' || type == 'I')
        g->completed = true;
    if (type == 'C' && bs_msg_read_tag(body, &tag, &err) == BS_DONE) {
        if (g->step != BS_GATE_COMMIT)
            copy_text(g->tag, sizeof(g->tag), tag.text);
        else
            bs_closing_tag(g, tag.text);
    }
    if (type != 'E')
        return;
    (void)!bs_msg_read_report(body, &report, &err);
    copy_text(g->sqlstate, sizeof(g->sqlstate),
              report.sqlstate.n == 0 ? BS_LIT("XX000") : report.sqlstate);
}
