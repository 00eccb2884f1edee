/*
 * points.h - the sub-verbs of `backstop points` that live in files of their own.
 *
 * Layer  cli.
 * Owns   nothing.
 */
#ifndef BS_CLI_POINTS_H
#define BS_CLI_POINTS_H

int bs_points_prune(int argc, char **argv);
int bs_points_hold(int argc, char **argv);
int bs_points_release(int argc, char **argv);
int bs_points_erase(int argc, char **argv);
int bs_points_settle(int argc, char **argv);

#endif
