/*
 * verbs.h - every verb of the command line, once. Included several times with BS_VERB defined.
 *
 * To add one: src/cli/cmd_<name>.c with `int bs_cmd_<name>(int argc, char **argv)` (see args.h),
 * its line in src/cli/meson.build, and a row here, in the order of the help text.
 */
/* clang-format off */
/*      function      name            one line of help */
BS_VERB(version,      "version",      "show the versions of Backstop and of its grammar")
/* clang-format on */
