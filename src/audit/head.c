/*
 * head.c - what is signed is the place in the chain, and by that every line up to it.
 */
#include "audit/head.h"

#include <errno.h>
#include <jansson.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/files.h"

/* --- signatures --- */

/* The words in front keep the key's signatures apart from those of anything else. */
static struct bs_bytes
signed_text(const struct bs_head *head, char out[160])
{
    int n = snprintf(out, 160, "backstop audit head\nseq %llu\nsha256 %s\n",
                     (unsigned long long)head->seq, head->hash);

    bs_assert(n > 0 && n < 160);
    return (struct bs_bytes){(const uint8_t *)out, (size_t)n};
}

struct bs_head
bs_head_make(uint64_t seq, const char hash[BS_HASH_TEXT], const struct bs_audit_key *key)
{
    struct bs_head head = {.there = true, .seq = seq};
    char text[160];

    memcpy(head.hash, hash, BS_HASH_TEXT);
    if (key != NULL) {
        memcpy(head.key, bs_audit_key_id(key), BS_KEY_ID_TEXT);
        bs_audit_sign(key, signed_text(&head, text), head.signature);
    }
    return head;
}

const char *
bs_head_wrong(const struct bs_head *head, const struct bs_audit_key *key)
{
    char text[160];

    if (head->key[0] == '\0')
        return "is not signed";
    if (strcmp(head->key, bs_audit_key_id(key)) != 0)
        return "was signed with another key";
    if (!bs_audit_is_signed(key, signed_text(head, text), head->signature))
        return "has a wrong signature: it was changed by somebody without the key";
    return NULL;
}

/* --- reading --- */

/* Takes a field of exactly n hexadecimal digits. */
static bool
take_hex(json_t *root, const char *name, size_t n, char *out)
{
    const char *text = json_string_value(json_object_get(root, name));

    if (text == NULL || strlen(text) != n || strspn(text, "0123456789abcdef") != n)
        return false;
    memcpy(out, text, n + 1);
    return true;
}

/* Both or none. */
static bool
take_signature(json_t *root, struct bs_head *out)
{
    if (json_object_get(root, "key") == NULL && json_object_get(root, "sig") == NULL)
        return true;
    return take_hex(root, "key", BS_KEY_ID_TEXT - 1, out->key) &&
           take_hex(root, "sig", BS_SIGNATURE_TEXT - 1, out->signature);
}

static enum bs_done
parse(struct bs_bytes text, const char *name, struct bs_head *out, struct bs_err *err)
{
    json_t *root = json_loadb((const char *)text.p, text.n, JSON_REJECT_DUPLICATES, NULL);
    json_t *seq = json_object_get(root, "seq");
    bool good = text.n == BS_HEAD_BYTES && json_is_integer(seq) && json_integer_value(seq) >= 0 &&
                take_hex(root, "hash", BS_HASH_TEXT - 1, out->hash) && take_signature(root, out) &&
                json_object_size(root) == (out->key[0] == '\0' ? 2 : 4);

    if (good) {
        out->there = true;
        out->seq = (uint64_t)json_integer_value(seq);
    }
    json_decref(root);
    return good ? BS_DONE
                : BS_FAIL(err, DAMAGED, "the head of the audit log, %s, cannot be read", name);
}

/* Twice the same: it may be overwritten while it is read. */
static enum bs_done
read_twice(const char *path, struct bs_buf *one, struct bs_err *err)
{
    struct bs_buf two;
    enum bs_done done = BS_DONE;

    bs_buf_init(&two, one->max);
    for (int tries = 0; tries < 100; tries++) {
        bs_buf_clear(one);
        bs_buf_clear(&two);
        if (bs_file_read(path, one, err) != BS_DONE || bs_file_read(path, &two, err) != BS_DONE) {
            done = BS_FAILED;
            break;
        }
        if (bs_bytes_equal(bs_buf_view(one), bs_buf_view(&two)))
            break;
        (void)sched_yield();
    }
    bs_buf_fini(&two);
    return done;
}

enum bs_done
bs_head_read(const char *directory, const char *name, struct bs_head *out, struct bs_err *err)
{
    char path[PATH_MAX];
    struct bs_buf text;
    struct bs_err why = {0};
    enum bs_done done;

    *out = (struct bs_head){.hash = BS_HASH_ZEROS};
    (void)snprintf(path, sizeof(path), "%s/%s", directory, name);
    bs_buf_init(&text, 4096);
    if (read_twice(path, &text, &why) == BS_DONE)
        done = parse(bs_buf_view(&text), name, out, err);
    else if (why.code == BS_E_NOT_FOUND)
        done = BS_DONE;
    else
        done = bs_err_set(err, why.code, "%s", why.message);
    bs_buf_fini(&text);
    return done;
}

/* --- writing --- */

static struct bs_bytes
head_text(const struct bs_head *head, char out[BS_HEAD_BYTES + 1])
{
    int n;

    if (head->key[0] == '\0')
        n = snprintf(out, BS_HEAD_BYTES + 1, "{\"seq\":%llu,\"hash\":\"%s\"}",
                     (unsigned long long)head->seq, head->hash);
    else
        n = snprintf(out, BS_HEAD_BYTES + 1,
                     "{\"seq\":%llu,\"hash\":\"%s\",\"key\":\"%s\",\"sig\":\"%s\"}",
                     (unsigned long long)head->seq, head->hash, head->key, head->signature);
    bs_assert(n > 0 && n < BS_HEAD_BYTES);
    memset(out + n, ' ', (size_t)(BS_HEAD_BYTES - n));
    out[BS_HEAD_BYTES - 1] = '\n';
    return (struct bs_bytes){(const uint8_t *)out, BS_HEAD_BYTES};
}

enum bs_done
bs_head_write(int fd, const struct bs_head *head, struct bs_err *err)
{
    char room[BS_HEAD_BYTES + 1];
    struct bs_bytes text = head_text(head, room);
    ssize_t put;

    do
        put = pwrite(fd, text.p, text.n, 0);
    while (put < 0 && errno == EINTR);
    if (put != BS_HEAD_BYTES)
        return BS_FAIL(err, IO, "cannot write the head of the audit log: %s",
                       put < 0 ? strerror(errno) : "short write");
    return BS_DONE;
}

enum bs_done
bs_head_store(const char *directory,
              const char *name,
              const struct bs_head *head,
              struct bs_err *err)
{
    char room[BS_HEAD_BYTES + 1], path[PATH_MAX];

    (void)snprintf(path, sizeof(path), "%s/%s", directory, name);
    return bs_file_replace(path, head_text(head, room), 0600, err);
}
