/*
 * approvals.h - what the files of `backstop approvals` share.
 *
 * Layer  cli.
 */
#ifndef BS_CLI_APPROVALS_H
#define BS_CLI_APPROVALS_H

/* cmd_approvals_watch.c */
int bs_cmd_approvals_watch(int argc, char **argv);
/* cmd_approvals_reviews.c */
int bs_cmd_approvals_reviews(int argc, char **argv);

#endif
