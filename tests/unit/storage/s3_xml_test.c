/*
 * s3_xml_test.c - XML of S3 servers, and of those who only say that they are one.
 */
#include "storage/s3_xml.h"

#include <stdlib.h>

#include "tap.h"

#define LIST                                                                                       \
    "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"                                                 \
    "<ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Name>b</Name>"           \
    "<Contents><Key>a&amp;b&#x2f;c</Key><Size>7</Size><Owner><ID>x</ID></Owner></Contents>"        \
    "<Contents><Key>d</Key><Size>0</Size></Contents><IsTruncated>false</IsTruncated>"              \
    "</ListBucketResult>"

static enum bs_done
put(void *ctx, const char *path, const char *text, struct bs_err *err)
{
    (void)err;
    bs_put_fmt(ctx, "%s=%s;", path, text);
    return BS_DONE;
}

static void
paths_and_texts(void)
{
    struct bs_err err = {0};
    struct bs_buf got;

    bs_buf_init(&got, 4096);
    EXPECT_EQ(bs_s3_xml_read(BS_LIT(LIST), put, &got, &err), BS_DONE);
    EXPECT(bs_bytes_equal(
        bs_buf_view(&got),
        BS_LIT(
            "ListBucketResult/Name=b;ListBucketResult/Contents/Key=a&b/c;"
            "ListBucketResult/Contents/Size=7;ListBucketResult/Contents/Owner/ID=x;"
            "ListBucketResult/Contents/Owner=;ListBucketResult/Contents=;"
            "ListBucketResult/Contents/Key=d;ListBucketResult/Contents/Size=0;"
            "ListBucketResult/Contents=;ListBucketResult/IsTruncated=false;ListBucketResult=;")));
    bs_buf_fini(&got);
}

static void
hostile_xml_is_refused(void)
{
    static const struct {
        const char *what, *xml;
    } rows[] = {
        {"empty", ""},
        {"no XML", "not found"},
        {"cut short", "<Error><Code>NoSuchKey</Code>"},
        {"crossed", "<a><b></a></b>"},
        {"two roots", "<a/><b/>"},
        {"a document type", "<!DOCTYPE a><a/>"},
        {"entities", "<!DOCTYPE a [<!ENTITY x \"y\">]><a>&x;</a>"},
        {"laughs", "<!DOCTYPE a [<!ENTITY x \"ha\"><!ENTITY y \"&x;&x;&x;\">]><a>&y;</a>"},
        {"files", "<!DOCTYPE a [<!ENTITY x SYSTEM \"file:///etc/passwd\">]><a>&x;</a>"},
        {"an unknown entity", "<a>&x;</a>"},
        {"depth", "<a><a><a><a><a><a><a><a><a/></a></a></a></a></a></a></a></a>"},
        {"bytes that are no UTF-8", "<a>\xff</a>"},
        {"a control byte", "<a>\x01</a>"},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct bs_err err = {0};
        struct bs_buf got;
        bs_buf_init(&got, 4096);
        if (!tap_check(bs_s3_xml_read(bs_bytes_of(rows[i].xml), put, &got, &err) == BS_FAILED,
                       rows[i].what, __FILE__, __LINE__))
            printf("#   got %.*s\n", (int)got.n, (const char *)got.p);
        EXPECT_EQ(err.code, BS_E_DATA);
        bs_buf_fini(&got);
    }
}

/* A text or a name as long as may be, and one byte more. */
static void
lengths_are_bounded(void)
{
    static const struct {
        size_t text, name;
        enum bs_done want;
    } rows[] = {{BS_S3_XML_TEXT - 1, 1, BS_DONE},
                {BS_S3_XML_TEXT, 1, BS_FAILED},
                {1, 254, BS_DONE},
                {1, 255, BS_FAILED}};

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct bs_err err = {0};
        struct bs_buf xml, got;
        bs_buf_init(&xml, 20000);
        bs_buf_init(&got, 20000);
        for (int end = 0; end < 2; end++) {
            bs_put_str(&xml, end ? "</" : "<");
            for (size_t k = 0; k < rows[i].name; k++)
                bs_put_u8(&xml, 'n');
            bs_put_u8(&xml, '>');
            for (size_t k = 0; !end && k < rows[i].text; k++)
                bs_put_u8(&xml, 't');
        }
        EXPECT_EQ(bs_s3_xml_read(bs_buf_view(&xml), put, &got, &err), rows[i].want);
        if (tap_misses != 0)
            printf("# in row %zu: %s\n", i, err.message);
        bs_buf_fini(&xml);
        bs_buf_fini(&got);
    }
}

static void
one_text_is_found(void)
{
    char out[8];

    EXPECT(bs_s3_xml_find(BS_LIT(LIST), "ListBucketResult/Contents/Key", out, sizeof(out)));
    EXPECT(strcmp(out, "a&b/c") == 0);
    EXPECT(!bs_s3_xml_find(BS_LIT(LIST), "ListBucketResult/Contents/Key", out, 5));
    EXPECT(!bs_s3_xml_find(BS_LIT(LIST), "Error/Code", out, sizeof(out)));
    EXPECT(!bs_s3_xml_find(BS_LIT("<E><C>x</C>"), "E/C", out, sizeof(out)));
    EXPECT(out[0] == '\0');
}

static enum bs_done
stop(void *ctx, const char *path, const char *text, struct bs_err *err)
{
    (void)path;
    (void)text;
    ++*(int *)ctx;
    return BS_FAIL(err, LIMIT, "enough");
}

static void
a_visitor_ends_it(void)
{
    struct bs_err err = {0};
    int calls = 0;

    EXPECT_EQ(bs_s3_xml_read(BS_LIT(LIST), stop, &calls, &err), BS_FAILED);
    EXPECT_EQ(calls, 1);
    EXPECT_EQ(err.code, BS_E_LIMIT);
}

static const struct tap_case cases[] = {
    {"paths and texts", paths_and_texts},
    {"hostile XML is refused", hostile_xml_is_refused},
    {"lengths are bounded", lengths_are_bounded},
    {"one text is found", one_text_is_found},
    {"a visitor ends it", a_visitor_ends_it},
};

int
main(void)
{
    return tap_main(cases, sizeof(cases) / sizeof(cases[0]));
}
