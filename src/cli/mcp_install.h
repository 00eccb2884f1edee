/*
 * mcp_install.h - `backstop mcp install`.
 *
 * Layer  cli.
 * Owns   nothing.
 */
#ifndef BS_CLI_MCP_INSTALL_H
#define BS_CLI_MCP_INSTALL_H

/* argv[0] is "install"; the exit status. */
int bs_mcp_install(int argc, char **argv);

#endif
