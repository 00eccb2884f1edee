/*
 * refusal.c - every error of ours that takes the place of a server's answer.
 */
#include "gateway/refusal.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/arena.h"
#include "wire/messages.h"

struct bs_refusal *
bs_refusal_new(const char *sqlstate, const char *message, const char *detail, const char *hint)
{
    struct bs_refusal *f = bs_malloc(sizeof(*f));

    (void)snprintf(f->sqlstate, sizeof(f->sqlstate), "%s", sqlstate);
    f->message = bs_strdup(message);
    f->detail = bs_strdup(detail);
    f->hint = bs_strdup(hint);
    return f;
}

struct bs_refusal *
bs_refusal_of(const struct bs_err *err)
{
    return bs_refusal_new(bs_err_sqlstate(err), err->message, NULL,
                          err->hint[0] == '\0' ? NULL : err->hint);
}

struct bs_refusal *
bs_refusal_copy(const struct bs_refusal *f)
{
    struct bs_refusal *copy = bs_refusal_new(f->sqlstate, f->message, f->detail, f->hint);

    copy->position = f->position;
    return copy;
}

struct bs_refusal *
bs_refusal_aborted(void)
{
    return bs_refusal_new("25P02",
                          "current transaction is aborted, commands ignored until end of "
                          "transaction block",
                          NULL, NULL);
}

struct bs_refusal *
bs_refusal_no_statement(struct bs_bytes name)
{
    char text[160]; /* a name has 63 bytes at most */

    if (name.n == 0)
        return bs_refusal_new("26000", "unnamed prepared statement does not exist", NULL, NULL);
    (void)snprintf(text, sizeof(text), "prepared statement \"%.*s\" does not exist", (int)name.n,
                   (const char *)name.p);
    return bs_refusal_new("26000", text, NULL, NULL);
}

struct bs_refusal *
bs_refusal_cancelled(void)
{
    return bs_refusal_new("57014", "canceling statement due to user request", NULL, NULL);
}

void
bs_refusal_free(struct bs_refusal **f)
{
    if (*f == NULL)
        return;
    free((*f)->message);
    free((*f)->detail);
    free((*f)->hint);
    free(*f);
    *f = NULL;
}

void
bs_refusal_put(struct bs_buf *out, const struct bs_refusal *f)
{
    struct bs_report report = {"ERROR", f->sqlstate, f->message, f->detail, f->hint, f->position};

    bs_msg_put_error(out, &report);
}
