/*
 * folder.h - a test's private folder goes away with all that is in it.
 */
#ifndef BS_TEST_FOLDER_H
#define BS_TEST_FOLDER_H

#include <ftw.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/stat.h>

static inline int
folder_remove_one(const char *path, const struct stat *st, int kind, struct FTW *at)
{
    (void)st;
    (void)kind;
    (void)at;
    return remove(path);
}

/* Follows no links and stays on its file system. False where something was left. */
static inline bool
folder_remove(const char *path)
{
    return nftw(path, folder_remove_one, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT) == 0;
}

#endif
