/*
 * identity.c - every part is hashed with its length before it, so that no two different requests
 * have the same bytes.
 */
#include "approval/identity.h"

#include <openssl/sha.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"

/* Types of pg_type.dat whose OIDs never change. */
enum { OID_BOOL = 16, OID_NAME = 19, OID_INT8 = 20, OID_INT2 = 21, OID_INT4 = 23, OID_TEXT = 25 };
enum { OID_JSON = 114, OID_XML = 142, OID_UNKNOWN = 705, OID_BPCHAR = 1042, OID_VARCHAR = 1043 };

/* SHA256_* is deprecated in favour of EVP, which allocates and can fail; the one-shot SHA256 cannot
 * be fed in pieces. So a hash of hashes: each part's digest is chained into the next. */
struct sum {
    unsigned char digest[SHA256_DIGEST_LENGTH];
};

static void
add(struct sum *s, char tag, struct bs_bytes part)
{
    unsigned char block[2 * SHA256_DIGEST_LENGTH + 1];

    memcpy(block, s->digest, SHA256_DIGEST_LENGTH);
    block[SHA256_DIGEST_LENGTH] = (unsigned char)tag;
    SHA256(part.p == NULL ? (const uint8_t *)"" : part.p, part.n, block + SHA256_DIGEST_LENGTH + 1);
    SHA256(block, sizeof(block), s->digest);
}

static bool
is_int(uint32_t type)
{
    return type == OID_INT2 || type == OID_INT4 || type == OID_INT8;
}

/* Same bytes in both formats. */
static bool
is_text(uint32_t type)
{
    return type == OID_NAME || type == OID_TEXT || type == OID_JSON || type == OID_XML ||
           type == OID_UNKNOWN || type == OID_BPCHAR || type == OID_VARCHAR;
}

static bool
int_of_binary(struct bs_bytes v, int64_t *out)
{
    uint16_t two;
    uint32_t four;
    uint64_t eight;

    if (v.n == 2 && bs_take_u16(&v, &two))
        *out = (int16_t)two;
    else if (v.n == 4 && bs_take_u32(&v, &four))
        *out = (int32_t)four;
    else if (v.n == 8 && bs_take_u64(&v, &eight))
        *out = (int64_t)eight;
    else
        return false;
    return true;
}

/* Decimal digits only; what else the server takes for a number is compared by its bytes. */
static bool
int_of_text(struct bs_bytes v, int64_t *out)
{
    bool minus = v.n != 0 && v.p[0] == '-';
    int64_t n = 0;

    if (v.n == (minus ? 1u : 0u))
        return false;
    for (size_t i = minus ? 1 : 0; i < v.n; i++) {
        int digit = v.p[i] - '0';
        if (digit < 0 || digit > 9 || __builtin_mul_overflow(n, 10, &n) ||
            __builtin_sub_overflow(n, digit, &n))
            return false;
    }
    /* Counted downwards, because the smallest number has no positive twin. */
    if (!minus && __builtin_sub_overflow(0, n, &n))
        return false;
    *out = n;
    return true;
}

static bool
int_of(const struct bs_identity_param *p, int64_t *out)
{
    if (!is_int(p->type))
        return false;
    return p->format == 1 ? int_of_binary(p->value, out) : int_of_text(p->value, out);
}

static bool
bool_of(const struct bs_identity_param *p, bool *out)
{
    static const char *const yes[] = {"t", "true", "1"}, *const no[] = {"f", "false", "0"};

    if (p->type != OID_BOOL)
        return false;
    if (p->format == 1) {
        *out = p->value.n == 1 && p->value.p[0] != 0;
        return p->value.n == 1;
    }
    for (size_t i = 0; i < 3; i++) {
        if (bs_bytes_equal(p->value, bs_bytes_of(yes[i])) ||
            bs_bytes_equal(p->value, bs_bytes_of(no[i]))) {
            *out = bs_bytes_equal(p->value, bs_bytes_of(yes[i]));
            return true;
        }
    }
    return false;
}

static void
add_param(struct sum *s, const struct bs_identity_param *p)
{
    char text[48];
    int64_t number;
    bool truth;

    if (p->null) {
        (void)snprintf(text, sizeof(text), "%u", is_int(p->type) ? OID_INT8 : p->type);
        add(s, '0', bs_bytes_of(text));
    } else if (int_of(p, &number)) {
        (void)snprintf(text, sizeof(text), "%lld", (long long)number);
        add(s, 'i', bs_bytes_of(text));
    } else if (bool_of(p, &truth)) {
        add(s, 'b', bs_bytes_of(truth ? "t" : "f"));
    } else {
        (void)snprintf(text, sizeof(text), "%u %u", p->type, is_text(p->type) ? 0u : p->format);
        add(s, 't', bs_bytes_of(text));
        add(s, 'v', p->value);
    }
}

void
bs_ticket_identity(const struct bs_identity *in, char out[BS_SHA256_TEXT])
{
    struct sum s = {{0}};
    char count[24];

    add(&s, 'B', BS_LIT("backstop ticket identity 1"));
    add(&s, 'a', bs_bytes_of(in->actor));
    add(&s, 'd', bs_bytes_of(in->database));
    add(&s, 'r', bs_bytes_of(in->role));
    add(&s, 'p', bs_bytes_of(in->search_path));
    (void)snprintf(count, sizeof(count), "%zu", in->n_statements);
    add(&s, 'n', bs_bytes_of(count));
    for (size_t i = 0; i < in->n_statements; i++)
        add(&s, 's', in->statements[i]);
    for (size_t i = 0; i < in->n_params; i++)
        add_param(&s, &in->params[i]);
    bs_hex(s.digest, sizeof(s.digest), out);
}
