/*
 * cmd_version.c - `backstop version`: what a report of a fault should begin with.
 */
#include <curl/curl.h>
#include <expat.h>
#include <libpq-fe.h>
#include <microhttpd.h>
#include <openssl/crypto.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>
#include <uv.h>
#include <yaml.h>
#include <zstd.h>

#include "api/console.h"
#include "cli/cmd.h"
#include "cli/out.h"
#include "sql/classify.h"

#include "build_facts.inc"
#include "revision.inc"

#define PQ_TEXT 24

/* NULL: of no repository. */
static const char *
revision(void)
{
    return strcmp(BS_REVISION, "none") == 0 ? NULL : BS_REVISION;
}

/* As they are loaded now, which may not be those that it was built with. */
static json_t *
libraries(const char *pq)
{
    return json_pack("{s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:s}", "libpq", pq, "openssl",
                     OpenSSL_version(OPENSSL_VERSION_STRING), "libuv", uv_version_string(),
                     "sqlite", sqlite3_libversion(), "zstd", ZSTD_versionString(), "curl",
                     curl_version_info(CURLVERSION_NOW)->version, "libmicrohttpd",
                     MHD_get_version(), "jansson", jansson_version_str(), "libyaml",
                     yaml_get_version_string(), "expat", XML_ExpatVersion() + strlen("expat_"));
}

static json_t *
facts(const char *pq)
{
    return json_pack("{s:s,s:s?,s:s,s:i,s:s,s:b,s:{s:s,s:s,s:s,s:b,s:s},s:o}", "version",
                     BS_VERSION, "revision", revision(), "grammar", bs_grammar_version(), "libpq",
                     PQlibVersion(), "openssl", OpenSSL_version(OPENSSL_VERSION_STRING), "console",
                     bs_n_console_files != 0, "build", "type", BS_BUILD_TYPE, "compiler",
                     BS_BUILD_COMPILER, "machine", BS_BUILD_MACHINE, "lto", BS_BUILD_LTO,
                     "sanitizer", BS_BUILD_SANITIZER, "libraries", libraries(pq));
}

static void
print_libraries(const json_t *list)
{
    const char *name, *between = "libraries: ";
    json_t *version;

    json_object_foreach((json_t *)(uintptr_t)list, name, version)
    {
        printf("%s%s %s", between, name, json_string_value(version));
        between = ", ";
    }
    printf("\n");
}

int
bs_cmd_version(int argc, char **argv)
{
    const struct bs_usage usage = {
        .verb = "version",
        .operands = "",
        .summary = "Show the versions of Backstop, its SQL grammar and its libraries, and how it "
                   "was built.",
        .without_config = true,
    };
    char pq[PQ_TEXT];
    struct bs_args args;
    json_t *all;

    if (bs_args_take(&usage, argc, argv, &args) != BS_ARGS_RUN)
        return args.status;
    (void)snprintf(pq, sizeof(pq), "%d.%d", PQlibVersion() / 10000, PQlibVersion() % 10000);
    all = facts(pq);
    if (args.json) {
        bs_out_json(all);
        return 0;
    }
    printf("backstop %s (%s)\n", BS_VERSION, revision() == NULL ? "of no repository" : revision());
    printf("grammar:   %s\n", bs_grammar_version());
    printf("build:     %s, %s, %s%s\n", BS_BUILD_TYPE, BS_BUILD_COMPILER, BS_BUILD_MACHINE,
           BS_BUILD_LTO ? ", linked as a whole" : "");
    printf("console:   %s\n", bs_n_console_files != 0 ? "yes" : "not built");
    print_libraries(json_object_get(all, "libraries"));
    json_decref(all);
    return 0;
}
