/*
 * record.c - the queue and the thread that empties it.
 *
 * Callers make the text of their record; the writer gives it its place in the chain. It takes all
 * that waits at once, so while one sync runs the next batch gathers. Without anybody waiting it lets
 * records gather for a moment and syncs only now and then.
 */
#include "audit/record.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "audit/digest.h"
#include "audit/line.h"
#include "audit/log_file.h"
#include "base/arena.h"
#include "base/clock.h"
#include "base/metrics.h"

#define QUEUE_BYTES (64u << 20)
#define LINE_BYTES  700    /* about what a line has beside its statement */
#define GATHER_US   20000  /* from one write to the next, where nobody waits for them */
#define SYNC_US     200000 /* longest time they stay unsynced */

struct bs_audit {
    struct bs_log_file file; /* the writer's, from start to join */
    pthread_t writer;
    size_t queue_max; /* bytes the queue may hold; never changes, as the next two */
    enum bs_audit_redact redact;
    struct bs_audit_digest *digest;
    pthread_mutex_t lock; /* guards all below */
    pthread_cond_t work;  /* for the writer */
    pthread_cond_t news;  /* for those who wait: durable, failed, or room in the queue */
    struct bs_buf queue;  /* records as a 4-byte length and text */
    uint64_t queued;      /* seq of the last record in the queue */
    uint64_t durable;     /* seq up to which all is on disk */
    unsigned waiting;     /* callers of bs_audit_write that are not served yet */
    bool idle;            /* the writer sleeps until it is woken; else it looks by itself, soon */
    bool stopping;
    bool turns;             /* the writer is to look whether the file is old */
    struct bs_err failed;   /* code BS_OK: has not */
    int64_t queue_since_ns; /* of bs_mono_ns: the oldest record in the queue; 0: none */

    struct bs_buf batch; /* the writer's: what it took from the queue */
    struct bs_buf lines; /* and made of it */
    bool dirty;          /* something is written but not synced */
    int64_t since_ns;    /* the oldest record that is not synced; 0: none */
    int64_t sync_due_us; /* then; of bs_mono_us */
    int64_t taken_us;    /* it looked at the queue last */
};

static const char *const kinds[] = {
    [BS_AUDIT_NONE] = "none",
    [BS_AUDIT_JUDGED] = "judged",
    [BS_AUDIT_OUTCOME] = "outcome",
    [BS_AUDIT_DECISION] = "decision",
    [BS_AUDIT_SESSION_OPEN] = "session_open",
    [BS_AUDIT_SESSION_CLOSE] = "session_close",
    [BS_AUDIT_RESTORE] = "restore",
    [BS_AUDIT_POINT] = "point",
    [BS_AUDIT_CONFIG] = "config",
    [BS_AUDIT_OPERATOR] = "operator",
    [BS_AUDIT_NOTE] = "note",
    [BS_AUDIT_EVASION] = "evasion",
    [BS_AUDIT_BREAK_GLASS] = "break_glass",
    [BS_AUDIT_EXPLAINED] = "explained",
};

const char *
bs_audit_kind_name(enum bs_audit_kind kind)
{
    return (unsigned)kind < BS_AUDIT_KINDS ? kinds[kind] : kinds[BS_AUDIT_NONE];
}

/* --- the writer --- */

static void
wait_until(pthread_cond_t *cond, pthread_mutex_t *lock, int64_t mono_us)
{
    struct timespec at = {.tv_sec = mono_us / 1000000, .tv_nsec = mono_us % 1000000 * 1000};

    (void)pthread_cond_timedwait(cond, lock, &at);
}

/*
 * Waits for something to do: a record, a sync that is due, or the end. Holds the lock. What comes
 * after a pause is written at once, what comes after that gathers; meanwhile nobody has to wake the
 * writer, each time at the cost of whoever runs.
 */
static void
wait_for_work(struct bs_audit *a)
{
    int64_t until_us;

    a->idle = true;
    while (a->queue.n == 0 && !a->stopping && !a->dirty && !a->turns)
        (void)pthread_cond_wait(&a->work, &a->lock);
    a->idle = false;
    until_us = a->taken_us + GATHER_US;
    while (a->waiting == 0 && !a->stopping && a->queue.n < a->queue_max / 2 &&
           bs_mono_us() < until_us)
        wait_until(&a->work, &a->lock, until_us);
}

/* Each record gets its seq and the hash of the one before. */
static void
make_lines(struct bs_audit *a)
{
    struct bs_bytes in = bs_buf_view(&a->batch), text;
    struct bs_log_file *f = &a->file;
    uint32_t n;

    bs_buf_clear(&a->lines);
    while (bs_take_u32(&in, &n) && bs_take_bytes(&in, n, &text)) {
        size_t from = a->lines.n;
        bs_line_begin(&a->lines, ++f->seq, f->hash);
        bs_put_bytes(&a->lines, text);
        bs_assert(!a->lines.failed);
        bs_audit_hash((struct bs_bytes){a->lines.p + from, a->lines.n - from}, f->hash);
        bs_put_u8(&a->lines, '\n');
    }
}

/* Without the lock. urgent: somebody waits for this batch. turns: an old file is finished without one, too. */
static enum bs_done
write_batch(struct bs_audit *a, bool urgent, bool turns, struct bs_err *err)
{
    if ((a->batch.n != 0 || turns) && bs_log_file_turn(&a->file, err) != BS_DONE)
        return BS_FAILED;
    if (a->batch.n != 0) {
        make_lines(a);
        if (bs_log_file_append(&a->file, bs_buf_view(&a->lines), err) != BS_DONE)
            return BS_FAILED;
        if (!a->dirty)
            a->sync_due_us = bs_mono_us() + SYNC_US;
        a->dirty = true;
    }
    if (!urgent && bs_mono_us() < a->sync_due_us)
        return BS_DONE;
    if (a->dirty && bs_log_file_sync(&a->file, err) != BS_DONE)
        return BS_FAILED;
    a->dirty = false;
    return BS_DONE;
}

static void
swap(struct bs_buf *x, struct bs_buf *y)
{
    struct bs_buf z = *x;

    *x = *y;
    *y = z;
}

/* One round with the lock held; false when there is nothing left to do, ever. */
static bool
round_of_work(struct bs_audit *a)
{
    struct bs_err err = {0};
    enum bs_done done;
    bool urgent, turns;

    wait_for_work(a);
    if (a->queue.n == 0 && a->stopping && !a->dirty)
        return false;
    a->taken_us = bs_mono_us();
    if (a->since_ns == 0)
        a->since_ns = a->queue_since_ns;
    a->queue_since_ns = 0;
    bs_buf_clear(&a->batch);
    swap(&a->queue, &a->batch);
    urgent = a->waiting != 0 || a->stopping;
    turns = a->turns;
    a->turns = false;
    (void)pthread_mutex_unlock(&a->lock);
    done = write_batch(a, urgent, turns, &err);
    if (!a->dirty && a->since_ns != 0) {
        bs_observe(BS_OBSERVE_AUDIT, bs_mono_ns() - a->since_ns);
        a->since_ns = 0;
    }
    (void)pthread_mutex_lock(&a->lock);
    if (done != BS_DONE)
        a->failed = err;
    else if (!a->dirty)
        a->durable = a->file.seq;
    (void)pthread_cond_broadcast(&a->news);
    return done == BS_DONE;
}

static void *
writer(void *arg)
{
    struct bs_audit *a = arg;

    (void)pthread_mutex_lock(&a->lock);
    while (round_of_work(a)) {
    }
    (void)pthread_mutex_unlock(&a->lock);
    return NULL;
}

/* --- those who have something to record --- */

/* Nobody has looked for what the log must not show: then it is not written either. */
static bool
shows_values(const struct bs_audit *a, const struct bs_audit_record *r)
{
    return !r->redacted && ((a->redact & BS_AUDIT_REDACT_LITERALS && r->statement.n != 0) ||
                            (a->redact & BS_AUDIT_REDACT_PARAMETERS && r->params != NULL));
}

/* The text of a record in a buffer of its own, or a failure. */
static enum bs_done
make_text(struct bs_audit *a,
          const struct bs_audit_record *record,
          struct bs_buf *text,
          struct bs_err *err)
{
    size_t enough = LINE_BYTES + record->statement.n;

    if (record->kind <= BS_AUDIT_NONE || record->kind >= BS_AUDIT_KINDS)
        return BS_FAIL(err, DATA, "an audit record needs a kind");
    if (shows_values(a, record))
        return BS_FAIL(err, DATA, "an audit record was not redacted");
    bs_buf_init(text, a->queue_max - sizeof(uint32_t));
    if (enough <= text->max) /* at once, for nearly every line */
        (void)bs_buf_room(text, enough);
    bs_audit_line(record, text);
    if (!text->failed)
        return BS_DONE;
    bs_buf_fini(text);
    return BS_FAIL(err, LIMIT, "the audit record is larger than %zu bytes", a->queue_max);
}

static bool
has_room(const struct bs_audit *a, size_t n)
{
    return a->queue_max - a->queue.n >= n + sizeof(uint32_t);
}

/* Holds the lock; there is room. */
static void
put_text(struct bs_audit *a, const struct bs_buf *text)
{
    if (a->queue_since_ns == 0)
        a->queue_since_ns = bs_mono_ns();
    bs_put_u32(&a->queue, (uint32_t)text->n);
    bs_put_bytes(&a->queue, bs_buf_view(text));
    bs_assert(!a->queue.failed);
    a->queued++;
}

static enum bs_done
tell_failure(const struct bs_audit *a, struct bs_err *err)
{
    return BS_FAIL(err, IO, "nothing can be recorded: %s", a->failed.message);
}

enum bs_done
bs_audit_enqueue(struct bs_audit *a, const struct bs_audit_record *record, struct bs_err *err)
{
    struct bs_buf text;
    enum bs_done done = BS_DONE;

    if (make_text(a, record, &text, err) != BS_DONE)
        return BS_FAILED;
    (void)pthread_mutex_lock(&a->lock);
    if (a->failed.code != BS_OK)
        done = tell_failure(a, err);
    else if (!has_room(a, text.n))
        done = BS_FAIL(err, LIMIT, "the queue of the audit log is full");
    if (done == BS_DONE) {
        size_t before = a->queue.n;
        put_text(a, &text);
        /* The writer needs to know when it sleeps, and when it should hurry. */
        if ((before == 0 && a->idle) ||
            (before < a->queue_max / 2 && a->queue.n >= a->queue_max / 2))
            (void)pthread_cond_signal(&a->work);
    }
    (void)pthread_mutex_unlock(&a->lock);
    bs_buf_fini(&text);
    return done;
}

enum bs_done
bs_audit_write(struct bs_audit *a,
               const struct bs_audit_record *record,
               uint64_t *seq,
               struct bs_err *err)
{
    struct bs_buf text;
    uint64_t mine = 0;
    enum bs_done done = BS_DONE;

    if (make_text(a, record, &text, err) != BS_DONE)
        return BS_FAILED;
    (void)pthread_mutex_lock(&a->lock);
    a->waiting++;
    while (a->failed.code == BS_OK && !has_room(a, text.n))
        (void)pthread_cond_wait(&a->news, &a->lock);
    if (a->failed.code == BS_OK) {
        put_text(a, &text);
        mine = a->queued;
        (void)pthread_cond_signal(&a->work);
    }
    while (a->failed.code == BS_OK && a->durable < mine)
        (void)pthread_cond_wait(&a->news, &a->lock);
    a->waiting--;
    /* What became durable before a failure is durable. */
    if (mine == 0 || a->durable < mine)
        done = tell_failure(a, err);
    (void)pthread_mutex_unlock(&a->lock);
    if (done == BS_DONE && seq != NULL)
        *seq = mine;
    bs_buf_fini(&text);
    return done;
}

const struct bs_audit_digest *
bs_audit_redacts(const struct bs_audit *a, enum bs_audit_redact what)
{
    return (a->redact & what) != 0 ? a->digest : NULL;
}

void
bs_audit_turn(struct bs_audit *a)
{
    (void)pthread_mutex_lock(&a->lock);
    a->turns = true;
    if (a->idle)
        (void)pthread_cond_signal(&a->work);
    (void)pthread_mutex_unlock(&a->lock);
}

bool
bs_audit_failed(struct bs_audit *a)
{
    bool failed;

    (void)pthread_mutex_lock(&a->lock);
    failed = a->failed.code != BS_OK;
    (void)pthread_mutex_unlock(&a->lock);
    return failed;
}

uint64_t
bs_audit_seq(struct bs_audit *a)
{
    uint64_t seq;

    (void)pthread_mutex_lock(&a->lock);
    seq = a->durable;
    (void)pthread_mutex_unlock(&a->lock);
    return seq;
}

/* --- open and close --- */

static void
init_locks(struct bs_audit *a)
{
    (void)pthread_mutex_init(&a->lock, NULL);
    bs_cond_init(&a->work);
    bs_cond_init(&a->news);
}

static void
audit_free(struct bs_audit *a)
{
    bs_log_file_close(&a->file);
    (void)pthread_cond_destroy(&a->news);
    (void)pthread_cond_destroy(&a->work);
    (void)pthread_mutex_destroy(&a->lock);
    bs_buf_fini(&a->queue);
    bs_buf_fini(&a->batch);
    bs_buf_fini(&a->lines);
    bs_audit_digest_free(&a->digest);
    free(a);
}

/* The first thing in a log that was cut off says so. */
static enum bs_done
note_torn(struct bs_audit *a, struct bs_err *err)
{
    struct bs_audit_record note = {
        .kind = BS_AUDIT_NOTE,
        .action = "torn",
        .subject = a->file.torn,
        .text = "the end of the log did not continue the chain and was set aside, as after a crash",
    };
    char detail[64];

    if (a->file.torn[0] == '\0')
        return BS_DONE;
    (void)snprintf(detail, sizeof(detail), "{\"bytes\":%llu}",
                   (unsigned long long)a->file.torn_bytes);
    note.detail = detail;
    return bs_audit_write(a, &note, NULL, err);
}

enum bs_done
bs_audit_open(const struct bs_audit_options *options, struct bs_audit **out, struct bs_err *err)
{
    struct bs_audit *a = bs_malloc(sizeof(*a));
    int bad;

    *out = NULL;
    init_locks(a);
    a->queue_max = options->queue_bytes != 0 ? options->queue_bytes : QUEUE_BYTES;
    bs_buf_init(&a->queue, a->queue_max);
    bs_buf_init(&a->batch, a->queue_max);
    bs_buf_init(&a->lines, SIZE_MAX); /* as long as the batch and a fixed part per record */
    a->redact = options->redact;
    if ((a->redact != BS_AUDIT_REDACT_NONE &&
         bs_audit_digest_make(options->redact_key, &a->digest, err) != BS_DONE) ||
        bs_log_file_open(&a->file, options, err) != BS_DONE) {
        audit_free(a);
        return BS_FAILED;
    }
    a->queued = a->durable = a->file.seq;
    bad = pthread_create(&a->writer, NULL, writer, a);
    if (bad != 0) {
        audit_free(a);
        return BS_FAIL(err, IO, "cannot start the audit's thread: %s", strerror(bad));
    }
    if (note_torn(a, err) != BS_DONE) {
        bs_audit_close(&a);
        return BS_FAILED;
    }
    *out = a;
    return BS_DONE;
}

void
bs_audit_close(struct bs_audit **a)
{
    if (*a == NULL)
        return;
    (void)pthread_mutex_lock(&(*a)->lock);
    (*a)->stopping = true;
    (void)pthread_cond_signal(&(*a)->work);
    (void)pthread_mutex_unlock(&(*a)->lock);
    (void)pthread_join((*a)->writer, NULL);
    if ((*a)->failed.code != BS_OK)
        (*a)->file.own_files = false; /* what it counted is perhaps not in the file */
    audit_free(*a);
    *a = NULL;
}
