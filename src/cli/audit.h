/*
 * audit.h - the verbs of `backstop audit` that have a file of their own, and what they share.
 *
 * Layer  cli.
 * Owns   nothing.
 */
#ifndef BS_CLI_AUDIT_H
#define BS_CLI_AUDIT_H

#include <jansson.h>

#include "cli/args.h"
#include "policy/config.h"

/* The operand, or what the configuration says; NULL: said why. Free with bs_config_unref. */
const char *bs_audit_directory(const struct bs_args *args, struct bs_config **config, int *status);

/* A time that was given, in UTC like 2026-01-01T00:15:00Z; NULL leaves `at_us`. USAGE. */
BS_MUST_CHECK enum bs_done bs_audit_take_time(const char *text, int64_t *at_us, struct bs_err *err);
/* A record on one line, as `audit tail` shows it. log  "": the gateway's own */
void bs_audit_print_record(json_t *record, const char *log);

int bs_audit_index(int argc, char **argv);
int bs_audit_query_verb(int argc, char **argv);
int bs_audit_export(int argc, char **argv);
int bs_audit_digest_verb(int argc, char **argv);

#endif
