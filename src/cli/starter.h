/*
 * starter.h - the texts that `backstop init` writes.
 *
 * Layer  cli.
 * Owns   nothing; the caller's buffers hold the texts.
 */
#ifndef BS_CLI_STARTER_H
#define BS_CLI_STARTER_H

#include "base/bytes.h"

/* What goes into the configuration. */
struct bs_starter {
    const char *listen;
    const char *operators;
    const char *database;
    const char *upstream;
    const char *helper;
    const char *environment;
};

/* backstop.yaml. The paths in it are relative to its folder. */
void bs_starter_config(const struct bs_starter *s, struct bs_buf *out);
/* helper.sql: the role that reads the catalog and takes copies. */
void bs_starter_helper_sql(struct bs_buf *out);

#endif
