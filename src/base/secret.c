/*
 * secret.c - see secret.h.
 */
#include "base/secret.h"

#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/child.h"
#include "base/clock.h"
#include "base/files.h"

#define MAX_WORDS  16       /* of a command */
#define COMMAND_US 30000000 /* that it may take */

/* Without its last newlines, and nothing that ends a text early. */
static enum bs_done
settle(struct bs_buf *out, const char *name, const char *none, struct bs_err *err)
{
    while (out->n != 0 && (out->p[out->n - 1] == '\n' || out->p[out->n - 1] == '\r'))
        out->n--;
    if (out->n == 0 || memchr(out->p, '\0', out->n) != NULL)
        return BS_FAIL(err, CONFIG, "\"%.200s\" %s or not a text", name, none);
    return BS_DONE;
}

enum bs_done
bs_secret_of_file(const char *path, struct bs_buf *out, struct bs_err *err)
{
    if (bs_file_read(path, out, err) != BS_DONE)
        return BS_FAILED;
    return settle(out, path, "is empty", err);
}

static enum bs_done
take_output(void *ctx, struct bs_bytes out, struct bs_err *err)
{
    struct bs_buf *b = ctx;

    bs_put_bytes(b, out);
    return b->failed ? BS_FAIL(err, LIMIT, "it prints more than %d bytes", BS_SECRET_MAX) : BS_DONE;
}

static enum bs_done
run(char *const *argv, struct bs_buf *out, struct bs_err *err)
{
    struct bs_child child = {0};
    struct bs_watch watch;
    struct bs_err why = {0};
    enum bs_done done;

    if (bs_watch_init(&watch, bs_mono_us() + COMMAND_US, err) != BS_DONE)
        return BS_FAILED;
    done = bs_child_start(&child, argv, NULL, BS_E_CONFIG, err);
    if (done == BS_DONE && bs_child_wait(&child, &watch, take_output, out, &why) != BS_DONE)
        /* Its last words might be anything. */
        done = BS_FAIL(err, CONFIG, "\"%.200s\" %s", argv[0],
                       why.code == BS_E_CONFIG ? "has failed" : why.message);
    bs_child_kill(&child);
    bs_watch_fini(&watch);
    return done;
}

enum bs_done
bs_secret_of_command(const char *command, struct bs_buf *out, struct bs_err *err)
{
    char *words = bs_strdup(command), *rest = NULL, *argv[MAX_WORDS + 1] = {NULL};
    enum bs_done done = BS_FAILED;
    size_t n = 0;

    for (char *w = strtok_r(words, " ", &rest); w != NULL && n < MAX_WORDS;
         w = strtok_r(NULL, " ", &rest))
        argv[n++] = w;
    if (n == 0 || n == MAX_WORDS || argv[0][0] != '/')
        (void)BS_FAIL(err, CONFIG, "needs command:/absolute/program and at most %d words",
                      MAX_WORDS - 1);
    else if (run(argv, out, err) == BS_DONE)
        done = settle(out, command, "prints nothing", err);
    free(words);
    return done;
}
