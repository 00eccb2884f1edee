/*
 * startup_fuzz.c - start-up packets of anybody. What is found acceptable must still be after it
 * was written for the server, and must not hold a setting that is known to be dangerous.
 */
#include "fuzz.h"

#include <strings.h>

#include "wire/startup.h"

#define N(array) (sizeof(array) / sizeof((array)[0]))

static const char *const never[] = {"role",
                                    "session_authorization",
                                    "session_replication_role",
                                    "row_security",
                                    "search_path",
                                    "default_transaction_read_only",
                                    "replication",
                                    "options",
                                    "client_encoding",
                                    "backslash_quote",
                                    "user",
                                    "database",
                                    "standard_conforming_strings"};

static void
check_settings(const struct bs_startup_wish *w)
{
    HOLD(w->user != NULL && w->user[0] != '\0' && w->database != NULL);
    for (size_t i = 0; i < w->n_settings; i++) {
        for (size_t k = 0; k < N(never); k++)
            HOLD(strcasecmp(w->settings[i].name, never[k]) != 0);
        for (size_t k = 0; k < i; k++)
            HOLD(strcasecmp(w->settings[i].name, w->settings[k].name) != 0);
    }
}

/* Write what was accepted, read it as the server would, and judge it again. */
static void
check_again(const struct bs_startup_wish *w, struct bs_arena *arena)
{
    struct bs_setting list[64];
    struct bs_startup_wish again;
    struct bs_startup packet;
    struct bs_err err = {0};
    struct bs_bytes in;
    struct bs_buf b;
    size_t n = 0;

    list[n++] = (struct bs_setting){"user", w->user};
    for (size_t i = 0; i < w->n_settings; i++)
        list[n++] = w->settings[i];
    bs_buf_init(&b, 65536);
    bs_startup_put(&b, 0, list, n);
    if (!b.failed) {
        in = bs_buf_view(&b);
        HOLD(bs_startup_next(&in, &packet, &err) == BS_SCAN_GOT && in.n == 0);
        HOLD(bs_startup_judge(&packet, arena, &again, &err) == BS_DONE);
        HOLD(again.n_settings == w->n_settings);
        for (size_t i = 0; i < n - 1; i++)
            HOLD(strcmp(again.settings[i].value, w->settings[i].value) == 0);
    }
    bs_buf_fini(&b);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bs_bytes in = {data, size};
    struct bs_startup packet = {0};
    struct bs_startup_wish wish;
    struct bs_arena arena;
    struct bs_err err = {0};
    enum bs_scan got;

    bs_arena_init(&arena, "fuzz", 1 << 18);
    while ((got = bs_startup_next(&in, &packet, &err)) == BS_SCAN_GOT) {
        fuzz_touch(packet.secret);
        if (packet.kind == BS_STARTUP_MESSAGE &&
            bs_startup_judge(&packet, &arena, &wish, &err) == BS_DONE) {
            check_settings(&wish);
            check_again(&wish, &arena);
        }
        err = (struct bs_err){0};
        bs_arena_reset(&arena);
    }
    HOLD((got == BS_SCAN_BAD) == (err.code != BS_OK));
    bs_arena_fini(&arena);
    return 0;
}
