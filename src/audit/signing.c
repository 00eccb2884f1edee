/*
 * signing.c - one key for all logs of a gateway: what tells them apart is the chain itself.
 */
#include "audit/signing.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/sha.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/files.h"

#define SIGNATURE_BYTES 64
#define PUBLIC_BYTES    32
#define FILE_BYTES      4096

struct bs_audit_key {
    EVP_PKEY *pair;
    char id[BS_KEY_ID_TEXT];
};

static struct bs_audit_key *
new_key(EVP_PKEY *pair)
{
    struct bs_audit_key *k = bs_malloc(sizeof(*k));
    unsigned char raw[PUBLIC_BYTES], digest[SHA256_DIGEST_LENGTH];
    size_t n = sizeof(raw);

    k->pair = pair;
    bs_assert(EVP_PKEY_get_raw_public_key(pair, raw, &n) == 1 && n == sizeof(raw));
    SHA256(raw, sizeof(raw), digest);
    bs_hex(digest, (sizeof(k->id) - 1) / 2, k->id);
    return k;
}

void
bs_audit_key_free(struct bs_audit_key **k)
{
    if (*k == NULL)
        return;
    EVP_PKEY_free((*k)->pair);
    free(*k);
    *k = NULL;
}

const char *
bs_audit_key_id(const struct bs_audit_key *k)
{
    return k->id;
}

/* --- files --- */

static EVP_PKEY *
read_pem(struct bs_bytes pem, bool secret)
{
    BIO *in = BIO_new_mem_buf(pem.p, (int)pem.n);
    EVP_PKEY *pair = NULL;

    if (in != NULL && secret)
        pair = PEM_read_bio_PrivateKey(in, NULL, NULL, NULL);
    else if (in != NULL)
        pair = PEM_read_bio_PUBKEY(in, NULL, NULL, NULL);
    BIO_free(in);
    if (pair != NULL && EVP_PKEY_get_id(pair) == EVP_PKEY_ED25519)
        return pair;
    EVP_PKEY_free(pair);
    return NULL;
}

/* or_public: it need not be the private one. */
static enum bs_done
load(const char *path, bool or_public, struct bs_audit_key **out, struct bs_err *err)
{
    struct bs_buf pem;
    EVP_PKEY *pair = NULL;
    enum bs_done done;

    *out = NULL;
    bs_buf_init(&pem, FILE_BYTES);
    done = bs_file_read(path, &pem, err);
    if (done == BS_DONE) {
        pair = read_pem(bs_buf_view(&pem), true);
        if (pair == NULL && or_public)
            pair = read_pem(bs_buf_view(&pem), false);
        if (pair == NULL)
            done = BS_FAIL(err, DAMAGED, "\"%.300s\" is no %sEd25519 key in PEM", path,
                           or_public ? "" : "private ");
    }
    if (pem.p != NULL)
        bs_wipe(pem.p, pem.cap);
    bs_buf_fini(&pem);
    if (done == BS_DONE)
        *out = new_key(pair);
    return done;
}

static enum bs_done
create(const char *path, struct bs_err *err)
{
    EVP_PKEY *pair = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    BIO *pem = BIO_new(BIO_s_secmem());
    char *text = NULL;
    long n = 0;
    enum bs_done done;

    if (pair != NULL && pem != NULL &&
        PEM_write_bio_PrivateKey(pem, pair, NULL, NULL, 0, NULL, NULL) == 1)
        n = BIO_get_mem_data(pem, &text);
    if (n > 0)
        done = bs_file_create(path, (struct bs_bytes){(const uint8_t *)text, (size_t)n}, 0600, err);
    else
        done = BS_FAIL(err, IO, "cannot make a key to sign the audit log with");
    BIO_free(pem);
    EVP_PKEY_free(pair);
    return done;
}

enum bs_done
bs_audit_key_open(const char *path, struct bs_audit_key **out, struct bs_err *err)
{
    return load(path, false, out, err);
}

enum bs_done
bs_audit_key_make(const char *path, struct bs_audit_key **out, struct bs_err *err)
{
    struct bs_err why = {0};

    if (load(path, false, out, &why) != BS_DONE && why.code == BS_E_NOT_FOUND) {
        why = (struct bs_err){0};
        if (create(path, &why) == BS_DONE || why.code == BS_E_CONFLICT) /* another was faster */
            return load(path, false, out, err);
    }
    if (*out != NULL)
        return BS_DONE;
    *err = why;
    return BS_FAILED;
}

enum bs_done
bs_audit_key_load(const char *path, struct bs_audit_key **out, struct bs_err *err)
{
    return load(path, true, out, err);
}

void
bs_audit_key_public(const struct bs_audit_key *k, struct bs_buf *out)
{
    BIO *pem = BIO_new(BIO_s_mem());
    char *text = NULL;
    long n = 0;

    if (pem != NULL && PEM_write_bio_PUBKEY(pem, k->pair) == 1)
        n = BIO_get_mem_data(pem, &text);
    bs_assert(n > 0);
    bs_put_bytes(out, (struct bs_bytes){(const uint8_t *)text, (size_t)n});
    BIO_free(pem);
}

/* --- signatures --- */

void
bs_audit_sign(const struct bs_audit_key *k, struct bs_bytes text, char out[BS_SIGNATURE_TEXT])
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    unsigned char raw[SIGNATURE_BYTES];
    size_t n = sizeof(raw);

    bs_assert(ctx != NULL && EVP_DigestSignInit(ctx, NULL, NULL, NULL, k->pair) == 1 &&
              EVP_DigestSign(ctx, raw, &n, text.p, text.n) == 1 && n == sizeof(raw));
    EVP_MD_CTX_free(ctx);
    bs_hex(raw, sizeof(raw), out);
}

bool
bs_audit_is_signed(const struct bs_audit_key *k, struct bs_bytes text, const char *signature)
{
    EVP_MD_CTX *ctx;
    unsigned char raw[SIGNATURE_BYTES];
    bool good;

    if (strlen(signature) != BS_SIGNATURE_TEXT - 1 || !bs_unhex(signature, sizeof(raw), raw))
        return false;
    ctx = EVP_MD_CTX_new();
    good = ctx != NULL && EVP_DigestVerifyInit(ctx, NULL, NULL, NULL, k->pair) == 1 &&
           EVP_DigestVerify(ctx, raw, sizeof(raw), text.p, text.n) == 1;
    EVP_MD_CTX_free(ctx);
    return good;
}
