/*
 * cmd_audit_digest.c - `backstop audit digest`: what stands in the log for a value. The value comes by the
 * standard input, since other users of the machine can read a command line.
 */
#include <jansson.h>
#include <stdio.h>
#include <unistd.h>

#include "audit/digest.h"
#include "base/arena.h"
#include "cli/audit.h"
#include "cli/cmd.h"
#include "cli/out.h"

#define VALUE_MAX (16u << 20)

/* Without the newline that ends it. */
static enum bs_done
read_value(struct bs_buf *out, struct bs_err *err)
{
    uint8_t piece[4096];
    size_t n;

    if (isatty(STDIN_FILENO) == 1)
        fputs("Value, then Enter and Ctrl-D: ", stderr);
    while ((n = fread(piece, 1, sizeof(piece), stdin)) != 0)
        bs_put_bytes(out, (struct bs_bytes){piece, n});
    bs_wipe(piece, sizeof(piece));
    if (ferror(stdin) != 0)
        return BS_FAIL(err, IO, "cannot read the value from the standard input");
    if (out->failed)
        return BS_FAIL(err, LIMIT, "the value is longer than %u bytes", VALUE_MAX);
    if (out->n != 0 && out->p[out->n - 1] == '\n')
        out->n--;
    return BS_DONE;
}

static enum bs_done
print_digest(const char *key_file, bool json, struct bs_err *err)
{
    struct bs_audit_digest *d = NULL;
    char text[BS_DIGEST_TEXT];
    struct bs_buf value;
    enum bs_done done;

    bs_buf_init(&value, VALUE_MAX);
    done = bs_audit_digest_open(key_file, &d, err);
    if (done != BS_DONE)
        bs_err_prefix(err, "the key of the digests");
    else
        done = read_value(&value, err);
    if (done == BS_DONE) {
        bs_audit_digest(d, bs_buf_view(&value), text);
        if (json)
            bs_out_json(json_pack("{s:s,s:s}", "digest", text, "key", bs_audit_digest_id(d)));
        else
            puts(text);
    }
    if (value.p != NULL)
        bs_wipe(value.p, value.cap);
    bs_buf_fini(&value);
    bs_audit_digest_free(&d);
    return done;
}

int
bs_audit_digest_verb(int argc, char **argv)
{
    const char *key = NULL;
    const struct bs_arg args[] = {
        {"key", 'k', BS_ARG_TEXT, "FILE", "the key of the digests (default: audit.redact_key)",
         &key},
    };
    const struct bs_usage usage = {
        .verb = "audit digest",
        .operands = "",
        .summary = "Print what stands in the audit log for a value, to search for it.",
        .details = "Where audit.redact is on, the log has such a digest in place of a value; equal "
                   "values\n"
                   "have equal digests. The value comes by the standard input, without the newline "
                   "at its\n"
                   "end, and as it is, not as SQL writes it: O'Hara, not 'O''Hara'. A minus is an "
                   "operator\n"
                   "in SQL and stands before the digest of a number.",
        .args = args,
        .n_args = 1,
        .examples = "  printf %s \"O'Hara\" | backstop audit digest\n"
                    "  backstop audit export | grep -F \"$(backstop audit digest < value)\"\n",
    };
    struct bs_args got;
    struct bs_config *config = NULL;
    struct bs_err err = {0};
    int status = 0;

    if (bs_args_take(&usage, argc, argv, &got) != BS_ARGS_RUN)
        return got.status;
    if (key == NULL) {
        config = bs_cmd_config(&got, &status);
        if (config == NULL)
            return status;
        key = config->audit_redact_key;
    }
    if (print_digest(key, got.json, &err) != BS_DONE)
        status = bs_out_fail(&err);
    bs_config_unref(&config);
    return status;
}
