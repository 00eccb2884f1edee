/*
 * same.c - are two texts the same statement to a gateway, and are they of the same shape?
 *
 *   cc same.c $(pkg-config --cflags --libs backstop) -o same
 *   ./same 'SELECT 1' 'select   1 -- one'
 */
#include <backstop.h>
#include <stdio.h>
#include <string.h>

typedef int (*mark)(const char *sql, size_t bytes, char **out, backstop_error **error);

/* 1 where both texts have the same mark. */
static int
same(mark of, const char *a, const char *b)
{
    char *marks[2] = {NULL, NULL};
    backstop_error *error = NULL;
    int equal = 0;

    if (of(a, strlen(a), &marks[0], &error) == BACKSTOP_OK &&
        of(b, strlen(b), &marks[1], &error) == BACKSTOP_OK)
        equal = strcmp(marks[0], marks[1]) == 0;
    else
        fprintf(stderr, "same: %s\n", backstop_error_message(error));
    backstop_error_free(error);
    backstop_text_free(marks[0]);
    backstop_text_free(marks[1]);
    return equal;
}

int
main(int argc, char **argv)
{
    if (argc != 3) {
        fprintf(stderr, "usage: same SQL SQL\n");
        return 2;
    }
    printf("the same statement: %s\n", same(backstop_digest, argv[1], argv[2]) ? "yes" : "no");
    printf("the same shape: %s\n", same(backstop_fingerprint, argv[1], argv[2]) ? "yes" : "no");
    return 0;
}
