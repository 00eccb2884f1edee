/*
 * journal_test.c - what is known of a point's end is not lost when the store does not take it, nor
 * when its process dies, and comes to the store once.
 */
#include "recovery/journal.h"

#include <dirent.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/files.h"
#include "folder.h"
#include "recovery/points.h"
#include "tap.h"

#define DIR_A "v1/7/5-app/rp/2026/01/02/RP-01ARZ3NDEKTSV4RRFFQ69G5FAA/"
#define LIFE  "01ARZ3NDEKTSV4RRFFQ69G5FZZ"

static char root[] = "/tmp/bs-journal-XXXXXX";
static char spool[64], journal[80];
static struct bs_store *store;
static bool refuses;

static enum bs_done
maybe_put(struct bs_store *s, const char *key, struct bs_bytes b, struct bs_err *err)
{
    (void)s;
    return refuses ? BS_FAIL(err, IO, "the store is away") : bs_store_put(store, key, b, err);
}

static enum bs_done
real_read(struct bs_store *s, const char *key, bs_store_sink sink, void *ctx, struct bs_err *err)
{
    (void)s;
    return bs_store_read(store, key, sink, ctx, err);
}

static enum bs_done
real_list(
    struct bs_store *s, const char *prefix, bs_store_visit visit, void *ctx, struct bs_err *err)
{
    (void)s;
    return bs_store_list(store, prefix, visit, ctx, err);
}

static const struct bs_store_ops moody_ops = {
    .scheme = "moody", .put = maybe_put, .read = real_read, .list = real_list};
static struct bs_store moody = {.ops = &moody_ops};

static int
entries(void)
{
    DIR *d = opendir(journal);
    int n = 0;

    if (d == NULL)
        return -1; /* the folder goes with the last of them */
    for (struct dirent *e = readdir(d); e != NULL; e = readdir(d))
        n += e->d_name[0] != '.';
    closedir(d);
    return n;
}

static size_t
events(enum bs_event_state *last)
{
    struct bs_arena arena;
    struct bs_points all = {0};
    struct bs_err err = {0};
    size_t n = 0;

    bs_arena_init(&arena, "test", 1 << 20);
    EXPECT_EQ(bs_points_list(store, "", &arena, &all, &err), BS_DONE);
    if (all.n == 1) {
        n = all.list[0].n_events;
        *last = all.list[0].outcome;
        EXPECT_EQ(bs_points_sound(store, &all.list[0], NULL, &err),
                  all.list[0].complete ? BS_DONE : BS_FAILED);
    }
    bs_arena_fini(&arena);
    return n;
}

static enum bs_code
tell(enum bs_event_state state, const char *folder)
{
    struct bs_point_event e = {.state = state, .xid = 7};
    struct bs_err err = {0};

    EXPECT((bs_journal_event(folder, &moody, DIR_A, &e, &err) == BS_DONE) == (err.code == BS_OK));
    return err.code;
}

static size_t
replay(enum bs_done want)
{
    size_t left = 99;
    struct bs_err err = {0};

    EXPECT_EQ(bs_journal_replay(spool, &moody, &left, &err), want);
    return left;
}

static void
an_end_is_not_lost(void)
{
    enum bs_event_state last = BS_EVENT_NONE;

    EXPECT_EQ(tell(BS_EVENT_ARMED, spool), BS_OK);
    EXPECT_EQ(entries(), 1);
    EXPECT_EQ(replay(BS_DONE), 0); /* ours, and not ended: not touched */
    EXPECT_EQ(entries(), 1);
    refuses = true;
    EXPECT_EQ(tell(BS_EVENT_COMMITTED, spool), BS_E_IO);
    EXPECT_EQ(events(&last), 1);
    EXPECT_EQ(last, BS_EVENT_ARMED);
    EXPECT_EQ(replay(BS_FAILED), 1);
    EXPECT_EQ(entries(), 2);
    refuses = false;
    EXPECT_EQ(replay(BS_DONE), 0);
    EXPECT_EQ(events(&last), 2);
    EXPECT_EQ(last, BS_EVENT_COMMITTED);
    EXPECT_EQ(entries(), -1);
    EXPECT_EQ(replay(BS_DONE), 0);
    EXPECT_EQ(events(&last), 2);
}

/* Somebody else, who asked the database, has told the store. */
static void
ended_by_others_is_forgotten(void)
{
    enum bs_event_state last = BS_EVENT_NONE;
    struct bs_point_event e = {.state = BS_EVENT_ROLLED_BACK};
    struct bs_err err = {0};

    EXPECT_EQ(tell(BS_EVENT_ARMED, spool), BS_OK);
    EXPECT_EQ(replay(BS_DONE), 0);
    EXPECT_EQ(entries(), 1);
    EXPECT_EQ(bs_points_event(store, DIR_A, &e, &err), BS_DONE);
    EXPECT_EQ(replay(BS_DONE), 0);
    EXPECT_EQ(entries(), -1);
    (void)events(&last);
    EXPECT_EQ(last, BS_EVENT_ROLLED_BACK);
}

static void
nothing_is_armed_without_it(void)
{
    enum bs_event_state last;
    size_t before = events(&last);

    EXPECT_EQ(tell(BS_EVENT_ARMED, "/proc/no/such"), BS_E_IO);
    EXPECT_EQ(events(&last), before);
    EXPECT_EQ(tell(BS_EVENT_COMMITTED, "/proc/no/such"), BS_OK); /* what has happened has */
    EXPECT_EQ(events(&last), before + 1);
    EXPECT_EQ(tell(BS_EVENT_ARMED, spool), BS_OK);
    EXPECT_EQ(entries(), 1);
    EXPECT_EQ(tell(BS_EVENT_ROLLED_BACK, spool), BS_OK);
    EXPECT_EQ(entries(), -1);
}

/* An entry as a process of that pid would have left it. */
static void
leave(long pid, const char *life, const char *name, const char *key, const char *text)
{
    char path[300], entry[600];
    struct bs_err err = {0};

    EXPECT_EQ(bs_dir_make(journal, &err), BS_DONE);
    (void)snprintf(path, sizeof(path), "%s/%ld-%s-RP-01ARZ3NDEKTSV4RRFFQ69G5FAA-%s", journal, pid,
                   life, name);
    (void)snprintf(entry, sizeof(entry), "%s\n%s", key, text);
    EXPECT_EQ(bs_file_create(path, bs_bytes_of(entry), 0600, &err), BS_DONE);
}

static void
the_next_process_finds_it(void)
{
    static const char armed[] = "01BRZ3NDEKTSV4RRFFQ69G5FA1-armed.json";
    static const char end[] = "01BRZ3NDEKTSV4RRFFQ69G5FA2-committed.json";
    struct bs_err err = {0};
    enum bs_event_state last;
    size_t before = events(&last);

    leave(getppid(), LIFE, end, DIR_A "events/01BRZ3NDEKTSV4RRFFQ69G5FA2-committed.json", "{}");
    EXPECT_EQ(replay(BS_DONE), 0); /* that one lives */
    EXPECT_EQ(events(&last), before);
    EXPECT_EQ(entries(), 1);
    EXPECT(folder_remove(journal));
    EXPECT_EQ(bs_store_put(store, DIR_A "events/01BRZ3NDEKTSV4RRFFQ69G5FA1-armed.json",
                           BS_LIT("{}"), &err),
              BS_DONE); /* its answer was lost */
    leave(4190000, LIFE, armed, DIR_A "events/01BRZ3NDEKTSV4RRFFQ69G5FA1-armed.json", "{}");
    EXPECT_EQ(replay(BS_DONE), 0);
    EXPECT_EQ(entries(), -1);
    EXPECT_EQ(events(&last), before + 1);
    leave(getpid(), LIFE, "01BRZ3NDEKTSV4RRFFQ69G5FA3-armed.json",
          DIR_A "events/01BRZ3NDEKTSV4RRFFQ69G5FA3-armed.json", "{}"); /* our pid, another life */
    EXPECT_EQ(replay(BS_DONE), 0);
    EXPECT_EQ(entries(), -1);
    EXPECT_EQ(events(&last), before + 2);
    leave(4190000, LIFE, end, DIR_A "events/01BRZ3NDEKTSV4RRFFQ69G5FA2-committed.json", "{}");
    EXPECT_EQ(replay(BS_DONE), 0);
    EXPECT_EQ(entries(), -1);
    EXPECT_EQ(events(&last), before + 3);
    leave(4190000, LIFE, armed, DIR_A "events/01BRZ3NDEKTSV4RRFFQ69G5FA1-armed.json", "{ }");
    EXPECT_EQ(replay(BS_FAILED), 1); /* the store has another under that name */
    EXPECT(folder_remove(journal));
    leave(4190000, LIFE, end, "no/../key", "{}");
    EXPECT_EQ(replay(BS_FAILED), 1);
    EXPECT(folder_remove(journal));
    leave(4190000, "x", end, "k", "{}"); /* not ours to read */
    EXPECT_EQ(replay(BS_DONE), 0);
    EXPECT_EQ(entries(), 1);
    EXPECT(folder_remove(journal));
}

static void *
end_often(void *arg)
{
    struct bs_point_event armed = {.state = BS_EVENT_ARMED}, end = {.state = BS_EVENT_COMMITTED};

    for (int i = 0; i < 150; i++) {
        struct bs_err err = {0};
        if (bs_journal_event(spool, &moody, arg, &armed, &err) != BS_DONE ||
            bs_journal_event(spool, &moody, arg, &end, &err) != BS_DONE)
            return arg;
    }
    return NULL;
}

/* Whose end empties the folder does not take it from under others. */
static void
many_at_once(void)
{
    static char dirs[3][100];
    pthread_t threads[3];

    for (int i = 0; i < 3; i++) {
        (void)snprintf(dirs[i], sizeof(dirs[i]),
                       "v1/7/5-app/rp/2026/01/02/RP-01ARZ3NDEKTSV4RRFFQ69G5FB%d/", i);
        REQUIRE(pthread_create(&threads[i], NULL, end_often, dirs[i]) == 0);
    }
    for (int i = 0; i < 3; i++) {
        void *failed = NULL;
        pthread_join(threads[i], &failed);
        EXPECT(failed == NULL);
    }
    EXPECT_EQ(entries(), -1);
}

static const struct tap_case cases[] = {
    {"an end is not lost", an_end_is_not_lost},
    {"ended by others is forgotten", ended_by_others_is_forgotten},
    {"nothing is armed without it", nothing_is_armed_without_it},
    {"the next process finds it", the_next_process_finds_it},
    {"many at once", many_at_once},
};

int
main(void)
{
    char url[128], folder[80];
    struct bs_err err = {0};
    int status;

    if (mkdtemp(root) == NULL)
        return 1;
    (void)snprintf(spool, sizeof(spool), "%s/spool", root);
    (void)snprintf(journal, sizeof(journal), "%s/journal", spool);
    (void)snprintf(folder, sizeof(folder), "%s/store", root);
    (void)snprintf(url, sizeof(url), "file://%s", folder);
    if (mkdir(folder, 0700) != 0 || bs_store_open(url, &store, &err) != BS_DONE)
        return 1;
    status = tap_main(cases, sizeof(cases) / sizeof(cases[0]));
    bs_store_close(&store);
    return !folder_remove(root) || status;
}
