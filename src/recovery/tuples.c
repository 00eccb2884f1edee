/*
 * tuples.c - one state for each thing the stream can be in the middle of. Values are counted
 * through, never gathered, so a field of a gigabyte costs nothing; what was walked over is hashed
 * in one go, as a call for each field costs more than its bytes.
 */
/* SHA-256 itself, not by way of EVP, whose bookkeeping takes a third of the time of a short row. */
#define OPENSSL_SUPPRESS_DEPRECATED

#include "recovery/tuples.h"

#include <openssl/sha.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

enum phase {
    BAD = 0, /* zeroed, or refused: takes nothing any more */
    HEADER,  /* signature, flags, length of the extension: 19 bytes */
    EXTENSION,
    COUNT,  /* of fields, or the trailer: 2 bytes */
    LENGTH, /* of a field: 4 bytes */
    VALUE,
    END,       /* trailer seen */
    LINE,      /* TEXT: within a line */
    LINE_OPEN, /* TEXT: at the start of a line */
};

enum { SIGNATURE = 11, COPY_HEADER = 19 };

static const uint8_t signature[SIGNATURE] = "PGCOPY\n\377\r\n";

void
bs_tuples_init(struct bs_tuples *w, enum bs_rows_format format, size_t n_fields)
{
    SHA256_CTX *digest = bs_malloc(sizeof(*digest));

    bs_assert(SHA256_Init(digest) == 1);
    *w = (struct bs_tuples){.format = format, .n_fields = n_fields, .digest = digest};
    if (format == BS_ROWS_BINARY)
        w->phase = HEADER;
    else if (format == BS_ROWS_TEXT)
        w->phase = LINE_OPEN;
}

void
bs_tuples_fini(struct bs_tuples *w)
{
    free(w->digest);
    *w = (struct bs_tuples){0};
}

static void
digest_add(struct bs_tuples *w, const uint8_t *p, size_t n)
{
    bs_assert(SHA256_Update(w->digest, p, n) == 1);
}

static uint64_t
u64_at(const uint8_t *p)
{
    uint64_t v = 0;

    for (int i = 0; i < 8; i++)
        v = v << 8 | p[i];
    return v;
}

/* Hashes the row's bytes that were walked over in this piece, up to where the input is now. */
static void
digest_walked(struct bs_tuples *w, const struct bs_bytes *in)
{
    digest_add(w, w->from, (size_t)(in->p - w->from));
    w->from = in->p;
}

/* The row is whole: add its hash to the sum and start the next. */
static void
row_end(struct bs_tuples *w)
{
    uint8_t hash[SHA256_DIGEST_LENGTH];
    uint64_t low;

    bs_assert(SHA256_Final(hash, w->digest) == 1 && SHA256_Init(w->digest) == 1);
    low = w->sum_low + u64_at(hash + 8);
    w->sum_high += u64_at(hash) + (low < w->sum_low ? 1 : 0);
    w->sum_low = low;
    w->rows++;
}

/* Gathers `want` bytes in w->part; false where more input is needed. */
static bool
gather(struct bs_tuples *w, struct bs_bytes *in, size_t want)
{
    size_t n = want - w->have;

    if (n > in->n)
        n = in->n;
    memcpy(w->part + w->have, in->p, n);
    w->have += n;
    in->p += n;
    in->n -= n;
    if (w->have < want)
        return false;
    w->have = 0;
    return true;
}

static uint32_t
u32_at(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static enum bs_done
refuse(struct bs_tuples *w, struct bs_err *err, const char *why)
{
    w->phase = BAD;
    return BS_FAIL(err, DATA, "not a COPY stream: %s, after %lld rows", why, (long long)w->rows);
}

/* The next row starts here. */
static void
row_begin(struct bs_tuples *w, const struct bs_bytes *in)
{
    w->phase = COUNT;
    w->from = in->p;
}

static enum bs_done
on_header(struct bs_tuples *w, const struct bs_bytes *in, struct bs_err *err)
{
    if (memcmp(w->part, signature, SIGNATURE) != 0)
        return refuse(w, err, "wrong signature");
    /* A flag could change the meaning of all that follows; no server sets one since 12. */
    if (u32_at(w->part + 11) != 0)
        return refuse(w, err, "unknown flags");
    w->skip = u32_at(w->part + 15);
    w->phase = EXTENSION;
    if (w->skip == 0)
        row_begin(w, in);
    return BS_DONE;
}

static void
row_done(struct bs_tuples *w, const struct bs_bytes *in)
{
    digest_walked(w, in);
    row_end(w);
    row_begin(w, in);
}

static void
field_end(struct bs_tuples *w, const struct bs_bytes *in)
{
    w->phase = LENGTH;
    if (--w->fields == 0)
        row_done(w, in);
}

static enum bs_done
on_count(struct bs_tuples *w, const struct bs_bytes *in, struct bs_err *err)
{
    uint32_t count = (uint32_t)w->part[0] << 8 | w->part[1];

    if (count == 0xffff) {
        w->phase = END;
        return BS_DONE;
    }
    if (count != w->n_fields)
        return refuse(w, err, "a row has another number of fields");
    w->fields = count;
    w->phase = LENGTH;
    if (count == 0)
        row_done(w, in);
    return BS_DONE;
}

static enum bs_done
on_length(struct bs_tuples *w, const struct bs_bytes *in, struct bs_err *err)
{
    uint32_t length = u32_at(w->part);

    if (length != 0xffffffff && length > 0x7fffffff)
        return refuse(w, err, "a field has a negative length");
    w->skip = length == 0xffffffff ? 0 : length;
    if (w->skip == 0)
        field_end(w, in);
    else
        w->phase = VALUE;
    return BS_DONE;
}

/*
 * Most rows lie whole in what is put: their fields are stepped over without gathering a thing.
 * False, and nothing is done, for every other: that one goes field by field.
 */
static bool
whole_row(struct bs_tuples *w, struct bs_bytes *in)
{
    struct bs_bytes at = *in;
    size_t fields = w->n_fields;

    if (w->have != 0 || fields == 0 || at.n < 2 || ((size_t)at.p[0] << 8 | at.p[1]) != fields)
        return false;
    at.p += 2;
    at.n -= 2;
    for (; fields != 0; fields--) {
        uint32_t length;
        if (at.n < 4)
            return false;
        length = u32_at(at.p);
        if (length == 0xffffffff)
            length = 0;
        else if (length > 0x7fffffff)
            return false;
        at.p += 4;
        at.n -= 4;
        if (length > at.n)
            return false;
        at.p += length;
        at.n -= length;
    }
    *in = at;
    row_done(w, in);
    return true;
}

static enum bs_done
header(struct bs_tuples *w, struct bs_bytes *in, struct bs_err *err)
{
    size_t n = in->n;
    bool whole = gather(w, in, COPY_HEADER);

    w->header += n - in->n;
    return whole ? on_header(w, in, err) : BS_DONE;
}

/* Passes over bytes of a value or of the header's extension. */
static void
pass(struct bs_tuples *w, struct bs_bytes *in)
{
    size_t n = in->n < w->skip ? in->n : w->skip;

    in->p += n;
    in->n -= n;
    w->skip -= (uint32_t)n;
    if (w->phase == EXTENSION)
        w->header += n;
    if (w->skip != 0)
        return;
    if (w->phase == EXTENSION)
        row_begin(w, in);
    else
        field_end(w, in);
}

static void
line(struct bs_tuples *w, struct bs_bytes *in)
{
    const uint8_t *end = memchr(in->p, '\n', in->n);
    size_t n = end == NULL ? in->n : (size_t)(end - in->p);

    digest_add(w, in->p, n);
    w->phase = LINE;
    if (end != NULL) {
        row_end(w);
        w->phase = LINE_OPEN;
        n++;
    }
    in->p += n;
    in->n -= n;
}

static enum bs_done
step(struct bs_tuples *w, struct bs_bytes *in, struct bs_err *err)
{
    switch ((enum phase)w->phase) {
    case HEADER:
        return header(w, in, err);
    case COUNT:
        if (whole_row(w, in))
            return BS_DONE;
        return gather(w, in, 2) ? on_count(w, in, err) : BS_DONE;
    case LENGTH:
        return gather(w, in, 4) ? on_length(w, in, err) : BS_DONE;
    case EXTENSION:
    case VALUE:
        pass(w, in);
        return BS_DONE;
    case LINE:
    case LINE_OPEN:
        line(w, in);
        return BS_DONE;
    case END:
        return refuse(w, err, "bytes after the trailer");
    case BAD:
    default:
        return refuse(w, err, "already refused");
    }
}

enum bs_done
bs_tuples_put(struct bs_tuples *w, struct bs_bytes raw, struct bs_err *err)
{
    w->from = raw.p;
    while (raw.n != 0) {
        if (step(w, &raw, err) != BS_DONE)
            return BS_FAILED;
    }
    if (w->phase == COUNT || w->phase == LENGTH || w->phase == VALUE)
        digest_walked(w, &raw);
    w->from = NULL;
    return BS_DONE;
}

enum bs_done
bs_tuples_finish(struct bs_tuples *w, struct bs_err *err)
{
    if (w->phase == END || w->phase == LINE_OPEN)
        return BS_DONE;
    return refuse(w, err, "it ends early");
}

size_t
bs_tuples_tail(const struct bs_tuples *w)
{
    if (w->phase == END)
        return 2;
    return w->phase == COUNT && w->have == 1 && w->part[0] == 0xff ? 1 : 0;
}

void
bs_row_hash_text(uint64_t high, uint64_t low, char out[BS_ROW_HASH_TEXT])
{
    uint8_t sum[16];

    for (int i = 0; i < 8; i++) {
        sum[i] = (uint8_t)(high >> (56 - 8 * i));
        sum[8 + i] = (uint8_t)(low >> (56 - 8 * i));
    }
    bs_hex(sum, sizeof(sum), out);
}

void
bs_tuples_hash(const struct bs_tuples *w, char out[BS_ROW_HASH_TEXT])
{
    bs_row_hash_text(w->sum_high, w->sum_low, out);
}
