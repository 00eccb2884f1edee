/*
 * s3_place_test.c - s3:// URLs, and where the keys come from.
 */
#include "storage/s3_place.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/files.h"
#include "folder.h"
#include "tap.h"

static char folder[] = "/tmp/bs-place-XXXXXX";

static void
no_environment(void)
{
    static const char *const names[] = {"AWS_REGION",
                                        "AWS_DEFAULT_REGION",
                                        "AWS_ACCESS_KEY_ID",
                                        "AWS_SECRET_ACCESS_KEY",
                                        "AWS_SESSION_TOKEN",
                                        "AWS_PROFILE",
                                        "AWS_SHARED_CREDENTIALS_FILE"};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        (void)unsetenv(names[i]);
    (void)setenv("HOME", folder, 1);
}

static void
urls_are_understood(void)
{
    static const struct {
        const char *url, *bucket, *prefix, *endpoint, *host, *region;
        bool path_style;
    } rows[] = {
        {"s3://bucket?endpoint=https://minio.example:9000", "bucket", "",
         "https://minio.example:9000", "minio.example:9000", "us-east-1", true},
        {"s3://bucket/a/b/?endpoint=https://minio.example:443/&region=eu-1", "bucket", "a/b/",
         "https://minio.example", "minio.example", "eu-1", true},
        {"s3://bucket/?endpoint=https://minio.example&style=virtual", "bucket", "",
         "https://bucket.minio.example", "bucket.minio.example", "us-east-1", false},
        {"s3://bucket/x?region=eu-central-1", "bucket", "x/",
         "https://bucket.s3.eu-central-1.amazonaws.com", "bucket.s3.eu-central-1.amazonaws.com",
         "eu-central-1", false},
        {"s3://my.bucket?region=us-west-2", "my.bucket", "", "https://s3.us-west-2.amazonaws.com",
         "s3.us-west-2.amazonaws.com", "us-west-2", true},
        {"s3://bucket?region=cn-north-1&style=path", "bucket", "",
         "https://s3.cn-north-1.amazonaws.com.cn", "s3.cn-north-1.amazonaws.com.cn", "cn-north-1",
         true},
        {"s3://bucket?endpoint=http%3A%2F%2F127.0.0.1%3A9000", "bucket", "",
         "http://127.0.0.1:9000", "127.0.0.1:9000", "us-east-1", true},
        {"s3://bucket?endpoint=http://[::1]:80", "bucket", "", "http://[::1]", "[::1]", "us-east-1",
         true},
        {"s3://bucket?endpoint=http://minio:9000&allow_http=yes", "bucket", "", "http://minio:9000",
         "minio:9000", "us-east-1", true},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct bs_s3_place p;
        struct bs_err err = {0};
        EXPECT_EQ(bs_s3_place_read(rows[i].url, &p, &err), BS_DONE);
        EXPECT(strcmp(p.bucket, rows[i].bucket) == 0);
        EXPECT(strcmp(p.prefix, rows[i].prefix) == 0);
        EXPECT(strcmp(p.endpoint, rows[i].endpoint) == 0);
        EXPECT(strcmp(p.host, rows[i].host) == 0);
        EXPECT(strcmp(p.region, rows[i].region) == 0);
        EXPECT_EQ(p.path_style, rows[i].path_style);
        EXPECT_EQ(p.timeout_ms, 60000);
        if (tap_misses != 0)
            printf("# in row %s: %s, %s\n", rows[i].url, p.endpoint, err.message);
    }
}

static void
wrong_urls_are_refused(void)
{
#define AT "s3://bucket?endpoint=https://h"
    static const struct {
        const char *url, *says; /* part of the message */
    } rows[] = {
        {"s3://", "bucket"},
        {"s3:///prefix", "bucket"},
        {"s3://ab?region=x", "bucket"},
        {"s3://Bucket?region=x", "bucket"},
        {"s3://-bucket?region=x", "bucket"},
        {"s3://bu..cket?region=x", "bucket"},
        {"s3://AKIA:hunter2@bucket?region=x", "no user"},
        {"s3://bucket/../x?region=x", "prefix"},
        {"s3://bucket/a b?region=x", "prefix"},
        {"s3://bucket", "region: is missing"},
        {"s3://bucket?region=Us%20East", "region"},
        {"s3://bucket?endpoint=minio:9000", "endpoint"},
        {"s3://bucket?endpoint=ftp://h", "endpoint"},
        {"s3://bucket?endpoint=https://h/path", "endpoint"},
        {"s3://bucket?endpoint=https://u:p@h", "endpoint"},
        {"s3://bucket?endpoint=https://h:0", "endpoint"},
        {"s3://bucket?endpoint=https://h:65536", "endpoint"},
        {"s3://bucket?endpoint=https://", "endpoint"},
        {"s3://bucket?endpoint=https://h%0d%0aX:1", "endpoint"},
        {"s3://bucket?endpoint=http://minio:9000", "others can read"},
        {"s3://bucket?endpoint=http://localhost.evil.example", "others can read"},
        {"s3://bucket?endpoint=http://127.0.0.1.evil.example", "others can read"},
        {AT "&style=both", "style"},
        {AT "&region=a&region=b", "twice"},
        {AT "&secret_key=hunter2", "\"secret_key\" is no option"},
        {AT "&lock=forever&lock_days=1", "lock"},
        {AT "&lock=governance", "lock_days"},
        {AT "&lock_days=3", "lock_days"},
        {AT "&lock=governance&lock_days=0", "lock_days"},
        {AT "&lock=governance&lock_days=36501", "lock_days"},
        {AT "&timeout=60", "timeout"},
        {AT "&timeout=0s", "timeout"},
        {AT "&ca_file=relative.pem", "ca_file"},
        {AT "&credentials=~/x", "credentials"},
        {AT "&profile=a%20b", "profile"},
        {AT "&allow_http=maybe", "allow_http"},
        {AT "&ca_file=%4", "ca_file"},
        {AT "&ca_file=", "ca_file"},
        {AT "&ca_file", "ca_file"},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct bs_s3_place p;
        struct bs_err err = {0};
        EXPECT_EQ(bs_s3_place_read(rows[i].url, &p, &err), BS_FAILED);
        EXPECT_EQ(err.code, BS_E_CONFIG);
        EXPECT(strstr(err.message, rows[i].says) != NULL);
        EXPECT(strstr(err.message, "hunter2") == NULL && strstr(err.hint, "hunter2") == NULL);
        if (tap_misses != 0)
            printf("# in row %s: %s\n", rows[i].url, err.message);
    }
}

static void
options_are_read(void)
{
    struct bs_s3_place p;
    struct bs_err err = {0};

    EXPECT_EQ(bs_s3_place_read(AT "&lock=compliance&lock_days=30&timeout=7s&ca_file=/etc/ca%20x.pem"
                                  "&credentials=/etc/bs/s3&profile=backup",
                               &p, &err),
              BS_DONE);
    EXPECT_EQ(p.lock, BS_S3_LOCK_COMPLIANCE);
    EXPECT_EQ(p.lock_days, 30);
    EXPECT_EQ(p.timeout_ms, 7000);
    EXPECT(strcmp(p.ca_file, "/etc/ca x.pem") == 0);
    EXPECT(strcmp(p.credentials, "/etc/bs/s3") == 0 && strcmp(p.profile, "backup") == 0);
    (void)setenv("AWS_DEFAULT_REGION", "eu-2", 1);
    EXPECT_EQ(bs_s3_place_read("s3://bucket", &p, &err), BS_DONE);
    EXPECT(strcmp(p.region, "eu-2") == 0);
    (void)setenv("AWS_REGION", "eu-3", 1);
    EXPECT_EQ(bs_s3_place_read(AT, &p, &err), BS_DONE);
    EXPECT(strcmp(p.region, "eu-3") == 0);
    no_environment();
}

/* What the credentials are for a URL: "id secret token", or the error's code. */
static enum bs_code
keys_of(const char *url, char out[256])
{
    struct bs_s3_credentials c = {0};
    struct bs_s3_place p;
    struct bs_err err = {0};

    out[0] = '\0';
    if (bs_s3_place_read(url, &p, &err) != BS_DONE)
        return BS_E_INTERNAL;
    if (bs_s3_credentials_read(&p, &c, &err) == BS_DONE)
        (void)snprintf(out, 256, "%s %s %s", c.id, c.secret, c.token == NULL ? "-" : c.token);
    EXPECT(err.code == BS_OK || (c.id == NULL && c.secret == NULL && c.token == NULL));
    EXPECT(strstr(err.message, "s3cret") == NULL);
    bs_s3_credentials_fini(&c);
    return err.code;
}

static void
write_keys(char path[128], const char *name, const char *text, mode_t mode)
{
    struct bs_err err = {0};

    (void)snprintf(path, 128, "%s/%s", folder, name);
    EXPECT_EQ(bs_file_replace(path, bs_bytes_of(text), 0600, &err), BS_DONE);
    EXPECT(chmod(path, mode) == 0);
}

static void
keys_come_from_the_environment(void)
{
    char got[256];

    EXPECT_EQ(keys_of(AT, got), BS_E_CONFIG);
    (void)setenv("AWS_ACCESS_KEY_ID", "AKIA", 1);
    EXPECT_EQ(keys_of(AT, got), BS_E_CONFIG);
    (void)setenv("AWS_SECRET_ACCESS_KEY", "s3cret/+=", 1);
    EXPECT_EQ(keys_of(AT, got), BS_OK);
    EXPECT(strcmp(got, "AKIA s3cret/+= -") == 0);
    (void)setenv("AWS_SESSION_TOKEN", "tok", 1);
    EXPECT_EQ(keys_of(AT, got), BS_OK);
    EXPECT(strcmp(got, "AKIA s3cret/+= tok") == 0);
    (void)setenv("AWS_SESSION_TOKEN", "tok\r\nX-Evil: 1", 1); /* would begin a header */
    EXPECT_EQ(keys_of(AT, got), BS_E_CONFIG);
    no_environment();
}

static void
keys_come_from_a_file(void)
{
    static const char text[] =
        "# comment\n[default]\naws_access_key_id = ID1\r\n"
        "aws_secret_access_key=s3cret1\n\n[ backup ]\n[backup]\n"
        "  aws_access_key_id=ID2\naws_secret_access_key = a s3cret2 \n"
        "aws_session_token = t2\nregion = x\n[half]\naws_access_key_id=ID3\n";
    char path[128], url[300], got[256];

    write_keys(path, "keys", text, 0640);
    (void)setenv("AWS_SHARED_CREDENTIALS_FILE", path, 1);
    EXPECT_EQ(keys_of(AT, got), BS_OK);
    EXPECT(strcmp(got, "ID1 s3cret1 -") == 0);
    EXPECT_EQ(keys_of(AT "&profile=backup", got), BS_OK);
    EXPECT(strcmp(got, "ID2 a s3cret2 t2") == 0);
    (void)setenv("AWS_PROFILE", "backup", 1);
    EXPECT_EQ(keys_of(AT, got), BS_OK);
    EXPECT(strcmp(got, "ID2 a s3cret2 t2") == 0);
    EXPECT_EQ(keys_of(AT "&profile=half", got), BS_E_CONFIG);
    EXPECT_EQ(keys_of(AT "&profile=none", got), BS_E_CONFIG);
    no_environment();
    (void)setenv("AWS_ACCESS_KEY_ID", "ENV", 1); /* a file that is named comes first */
    (void)setenv("AWS_SECRET_ACCESS_KEY", "s3cret0", 1);
    (void)snprintf(url, sizeof(url), AT "&credentials=%s", path);
    EXPECT_EQ(keys_of(url, got), BS_OK);
    EXPECT(strcmp(got, "ID1 s3cret1 -") == 0);
    no_environment();
    write_keys(path, "open", text, 0644);
    (void)snprintf(url, sizeof(url), AT "&credentials=%s", path);
    EXPECT_EQ(keys_of(url, got), BS_E_CONFIG); /* others may read it */
    EXPECT_EQ(keys_of(AT "&credentials=/dev/null", got), BS_E_CONFIG);
    (void)snprintf(path, sizeof(path), "%s/.aws", folder);
    EXPECT(mkdir(path, 0700) == 0);
    write_keys(path, ".aws/credentials", text, 0600);
    EXPECT_EQ(keys_of(AT, got), BS_OK);
    EXPECT(strcmp(got, "ID1 s3cret1 -") == 0);
}

static const struct tap_case cases[] = {
    {"urls are understood", urls_are_understood},
    {"wrong urls are refused", wrong_urls_are_refused},
    {"options are read", options_are_read},
    {"keys come from the environment", keys_come_from_the_environment},
    {"keys come from a file", keys_come_from_a_file},
};

int
main(void)
{
    int status;

    if (mkdtemp(folder) == NULL)
        return 1;
    no_environment();
    status = tap_main(cases, sizeof(cases) / sizeof(cases[0]));
    return !folder_remove(folder) || status;
}
