/*
 * audit.h - the verbs of `backstop audit` that have a file of their own, and what they share.
 *
 * Layer  cli.
 * Owns   nothing.
 */
#ifndef BS_CLI_AUDIT_H
#define BS_CLI_AUDIT_H

#include "cli/args.h"
#include "policy/config.h"

/* The operand, or what the configuration says; NULL: said why. Free with bs_config_unref. */
const char *bs_audit_directory(const struct bs_args *args, struct bs_config **config, int *status);

int bs_audit_export(int argc, char **argv);
int bs_audit_digest_verb(int argc, char **argv);

#endif
