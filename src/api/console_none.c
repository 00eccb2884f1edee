/*
 * console_none.c - no console in this build.
 */
#include "api/console.h"

const struct bs_console_file bs_console_files[] = {{0}};
const size_t bs_n_console_files = 0;
