/*
 * local_test.c - what only a folder can get wrong; contract_test.c has the rest.
 */
#include <dirent.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "folder.h"
#include "the_store.h"

static char root[] = "/tmp/bs-local-XXXXXX";

static void
urls(void)
{
    static const struct {
        const char *url;
        enum bs_code want;
    } rows[] = {{"file://relative/path", BS_E_CONFIG},
                {"s4://bucket", BS_E_CONFIG},
                {"/just/a/path", BS_E_CONFIG},
                {"file:/one/slash", BS_E_CONFIG},
                {"", BS_E_CONFIG},
                {"file:///proc/no/such", BS_E_IO}};

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct bs_store *s = NULL;
        struct bs_err err = {0};
        EXPECT_EQ(bs_store_open(rows[i].url, &s, &err), BS_FAILED);
        EXPECT_EQ(err.code, rows[i].want);
        EXPECT(s == NULL);
    }
}

/* Neither a temporary name nor anything readable by others is left behind. */
static void
files_are_private_and_named(void)
{
    char path[128];
    struct stat st;
    DIR *d;
    int hidden = 0;

    EXPECT_EQ(put("priv/x", "secret"), BS_OK);
    EXPECT_EQ(put("priv/x", "again"), BS_E_CONFLICT);
    (void)snprintf(path, sizeof(path), "%s/priv/x", root);
    REQUIRE(stat(path, &st) == 0);
    EXPECT_EQ(st.st_mode & 0777, 0600);
    EXPECT_EQ(st.st_nlink, 1);
    (void)snprintf(path, sizeof(path), "%s/priv", root);
    REQUIRE(stat(path, &st) == 0);
    EXPECT_EQ(st.st_mode & 0777, 0700);
    d = opendir(path);
    REQUIRE(d != NULL);
    for (struct dirent *e = readdir(d); e != NULL; e = readdir(d))
        hidden += strncmp(e->d_name, ".tmp-", 5) == 0;
    closedir(d);
    EXPECT_EQ(hidden, 0);
}

/* Someone who can write the folder must not make us read another file. */
static void
links_are_not_followed(void)
{
    char path[128], text[256];
    struct bs_store_info info;
    struct bs_err err = {0};

    EXPECT_EQ(put("link/real", "x"), BS_OK);
    (void)snprintf(path, sizeof(path), "%s/link/alias", root);
    REQUIRE(symlink("/etc/passwd", path) == 0);
    EXPECT_EQ(get("link/alias", text), BS_E_IO);
    EXPECT_EQ(bs_store_head(the_store, "link/alias", &info, &err), BS_FAILED);
    EXPECT_EQ(put("link/alias", "y"), BS_E_CONFLICT);
    list_is("link/", "link/real=1 ");
}

static void
segments(void)
{
    static const struct {
        const char *name, *want;
    } rows[] = {{"users", "users"},   {"public.Users", "public.Users"}, {"", "%00"},
                {"..", "%2E."},       {".hidden", "%2Ehidden"},         {"a/b", "a%2Fb"},
                {"a%2Fb", "a%252Fb"}, {"T\xc3\xa4g", "T%C3%A4g"},       {"~x", "%7Ex"},
                {"a b\n", "a%20b%0A"}};
    char wide[201], other[201];
    struct bs_buf a, b;

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        bs_buf_init(&a, 400);
        bs_key_segment(&a, rows[i].name);
        EXPECT(bs_bytes_equal(bs_buf_view(&a), bs_bytes_of(rows[i].want)));
        bs_buf_fini(&a);
    }
    memset(wide, '/', 200);
    wide[200] = '\0';
    memcpy(other, wide, sizeof(other));
    other[199] = '\\';
    bs_buf_init(&a, 400);
    bs_buf_init(&b, 400);
    bs_key_segment(&a, wide);
    bs_key_segment(&b, other);
    EXPECT(a.n <= BS_KEY_SEGMENT_MAX && !bs_bytes_equal(bs_buf_view(&a), bs_buf_view(&b)));
    bs_buf_fini(&a);
    bs_buf_fini(&b);
}

static const struct tap_case cases[] = {
    {"urls", urls},
    {"files are private and named", files_are_private_and_named},
    {"links are not followed", links_are_not_followed},
    {"segments of keys", segments},
};

int
main(void)
{
    char url[128];
    struct bs_err err = {0};
    int status;

    if (mkdtemp(root) == NULL)
        return 1;
    (void)snprintf(url, sizeof(url), "file://%s/", root);
    if (bs_store_open(url, &the_store, &err) != BS_DONE)
        return 1;
    status = tap_main(cases, sizeof(cases) / sizeof(cases[0]));
    bs_store_close(&the_store);
    return !folder_remove(root) || status;
}
