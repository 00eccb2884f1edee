/*
 * tls.c - an OpenSSL connection whose network is a pair of memory BIOs. Writing to memory never
 * blocks, so the only thing OpenSSL can wait for is more bytes from the far side.
 */
#include "wire/tls.h"

#include <stdlib.h>
#include <string.h>

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "base/arena.h"
#include "wire/tls_private.h"

#define FEED_MAX (256u * 1024) /* bytes that may wait to be decrypted */
#define RECORD   (16u * 1024)  /* bytes of plain text in one record, at most */

struct bs_tls {
    SSL *ssl;
    BIO *in, *out; /* owned by ssl */
    enum bs_tls_state state;
    enum bs_tls_role role;
};

/* A name is checked as a name and sent as SNI; an address is checked as an address. */
static bool
set_host(SSL *ssl, const char *host, enum bs_tls_check check)
{
    bool is_address = X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host) == 1;
    char name[256]; /* OpenSSL's macro wants it writable; no name of the DNS is longer */

    if (check != BS_TLS_CHECK_FULL)
        (void)X509_VERIFY_PARAM_set1_ip(SSL_get0_param(ssl), NULL, 0);
    if (is_address)
        return true;
    ERR_clear_error();
    if (strlen(host) >= sizeof(name))
        return false;
    memcpy(name, host, strlen(host) + 1);
    if (SSL_set_tlsext_host_name(ssl, name) != 1)
        return false;
    if (check != BS_TLS_CHECK_FULL)
        return true;
    SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    return SSL_set1_host(ssl, host) == 1;
}

/* Both BIOs, owned by `ssl` in the end; false: out of memory. */
static bool
attach_bios(struct bs_tls *t)
{
    t->in = BIO_new(BIO_s_mem());
    t->out = BIO_new(BIO_s_mem());
    if (t->in == NULL || t->out == NULL) {
        BIO_free(t->in);
        BIO_free(t->out);
        return false;
    }
    /* An empty buffer means "not yet", not the end of the stream. */
    (void)BIO_set_mem_eof_return(t->in, -1);
    SSL_set_bio(t->ssl, t->in, t->out);
    return true;
}

static enum bs_done
set_up(struct bs_tls *t, struct bs_tls_ctx *ctx, const char *host, struct bs_err *err)
{
    t->ssl = SSL_new(ctx->ssl);
    if (t->ssl == NULL || !attach_bios(t))
        return BS_FAIL(err, INTERNAL, "TLS cannot be set up: %s", bs_tls_reason());
    if (ctx->role == BS_TLS_SERVER) {
        SSL_set_accept_state(t->ssl);
        return BS_DONE;
    }
    SSL_set_connect_state(t->ssl);
    if (ctx->check == BS_TLS_CHECK_FULL && (host == NULL || host[0] == '\0'))
        return BS_FAIL(err, CONFIG, "checking a server's certificate needs a host name");
    if (host != NULL && host[0] != '\0' && !set_host(t->ssl, host, ctx->check))
        return BS_FAIL(err, CONFIG, "the host name cannot be checked: %s", bs_tls_reason());
    return BS_DONE;
}

enum bs_done
bs_tls_new(struct bs_tls_ctx *ctx, const char *host, struct bs_tls **out, struct bs_err *err)
{
    struct bs_tls *t = bs_malloc(sizeof(*t));

    *out = NULL;
    ERR_clear_error();
    t->role = ctx->role;
    if (set_up(t, ctx, host, err) == BS_FAILED) {
        bs_tls_free(&t);
        return BS_FAILED;
    }
    t->state = BS_TLS_HANDSHAKE;
    *out = t;
    return BS_DONE;
}

void
bs_tls_free(struct bs_tls **t)
{
    if (*t == NULL)
        return;
    SSL_free((*t)->ssl);
    free(*t);
    *t = NULL;
}

enum bs_tls_state
bs_tls_state(const struct bs_tls *t)
{
    return t->state;
}

enum bs_done
bs_tls_feed(struct bs_tls *t, struct bs_bytes cipher, struct bs_err *err)
{
    size_t waiting = BIO_ctrl_pending(t->in), written;

    if (waiting > FEED_MAX || cipher.n > FEED_MAX - waiting)
        return BS_FAIL(err, LIMIT, "too many TLS bytes wait to be read");
    if (cipher.n == 0)
        return BS_DONE;
    if (BIO_write_ex(t->in, cipher.p, cipher.n, &written) != 1 || written != cipher.n)
        return BS_FAIL(err, INTERNAL, "TLS bytes cannot be kept");
    return BS_DONE;
}

/* The end of an endpoint, with the reason; an alert may wait in `out`. */
static enum bs_done
break_off(struct bs_tls *t, struct bs_err *err)
{
    long verdict = SSL_get_verify_result(t->ssl);

    t->state = BS_TLS_BROKEN;
    if (verdict != X509_V_OK && ERR_GET_REASON(ERR_peek_error()) == SSL_R_CERTIFICATE_VERIFY_FAILED)
        (void)BS_FAIL(err, AUTH, "the %s's certificate is not accepted: %s",
                      t->role == BS_TLS_CLIENT ? "server" : "client",
                      X509_verify_cert_error_string(verdict));
    else
        (void)BS_FAIL(err, PROTOCOL, "TLS failed: %s", bs_tls_reason());
    ERR_clear_error();
    return BS_FAILED;
}

/* After a call that did not do all it could: BS_DONE where it only wants more bytes. */
static enum bs_done
after(struct bs_tls *t, int result, struct bs_err *err)
{
    switch (SSL_get_error(t->ssl, result)) {
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE: /* never of a memory BIO; harmless all the same */
        return BS_DONE;
    case SSL_ERROR_ZERO_RETURN:
        t->state = BS_TLS_CLOSED;
        return BS_DONE;
    default:
        return break_off(t, err);
    }
}

static enum bs_done
shake_hands(struct bs_tls *t, struct bs_err *err)
{
    int result = SSL_do_handshake(t->ssl);

    if (result != 1)
        return after(t, result, err);
    t->state = BS_TLS_OPEN;
    return BS_DONE;
}

/* Decrypts until nothing more is there or `plain` is full. */
static enum bs_done
decrypt(struct bs_tls *t, struct bs_buf *plain, bool *more, struct bs_err *err)
{
    /* Nothing to decrypt: do not make room for it. */
    while (t->state == BS_TLS_OPEN && (BIO_ctrl_pending(t->in) > 0 || SSL_has_pending(t->ssl))) {
        size_t room = plain->max - plain->n, got = 0;
        uint8_t *at;
        int result;

        if (room == 0) {
            *more = SSL_pending(t->ssl) > 0 || BIO_ctrl_pending(t->in) > 0;
            return BS_DONE;
        }
        if (room > RECORD)
            room = RECORD;
        at = bs_buf_room(plain, room);
        if (at == NULL)
            return BS_FAIL(err, LIMIT, "no room for what TLS carried");
        result = SSL_read_ex(t->ssl, at, room, &got);
        if (result != 1)
            return after(t, result, err);
        plain->n += got;
    }
    return BS_DONE;
}

enum bs_done
bs_tls_read(struct bs_tls *t, struct bs_buf *plain, bool *more, struct bs_err *err)
{
    *more = false;
    ERR_clear_error();
    if (t->state == BS_TLS_BROKEN)
        return BS_FAIL(err, PROTOCOL, "TLS failed before");
    if (t->state == BS_TLS_HANDSHAKE && shake_hands(t, err) == BS_FAILED)
        return BS_FAILED;
    return decrypt(t, plain, more, err);
}

enum bs_done
bs_tls_write(struct bs_tls *t, struct bs_bytes plain, struct bs_err *err)
{
    size_t written = 0;

    ERR_clear_error();
    if (t->state != BS_TLS_OPEN && t->state != BS_TLS_CLOSED)
        return BS_FAIL(err, PROTOCOL, "nothing can be sent before the TLS handshake is over");
    if (plain.n == 0)
        return BS_DONE;
    if (SSL_write_ex(t->ssl, plain.p, plain.n, &written) != 1 || written != plain.n)
        return break_off(t, err);
    return BS_DONE;
}

size_t
bs_tls_pending(const struct bs_tls *t)
{
    return BIO_ctrl_pending(t->out);
}

void
bs_tls_drain(struct bs_tls *t, struct bs_buf *cipher)
{
    size_t n = bs_tls_pending(t), got = 0;
    uint8_t *at;

    if (n > cipher->max - cipher->n)
        n = cipher->max - cipher->n;
    if (n == 0)
        return;
    at = bs_buf_room(cipher, n);
    if (at != NULL && BIO_read_ex(t->out, at, n, &got) == 1)
        cipher->n += got;
}

void
bs_tls_shutdown(struct bs_tls *t)
{
    if (t->state != BS_TLS_OPEN && t->state != BS_TLS_CLOSED)
        return;
    (void)SSL_shutdown(t->ssl); /* 0: the far side did not say so yet; we do not wait for it */
    ERR_clear_error();
}

const char *
bs_tls_version(const struct bs_tls *t)
{
    return SSL_get_version(t->ssl);
}

/* MD5 and SHA-1 count as SHA-256 there. */
static const EVP_MD *
end_point_hash(const X509 *cert)
{
    int nid = NID_undef;

    if (X509_get_signature_info((X509 *)(uintptr_t)cert, &nid, NULL, NULL, NULL) != 1)
        return NULL;
    return nid == NID_md5 || nid == NID_sha1 ? EVP_sha256() : EVP_get_digestbynid(nid);
}

void
bs_tls_end_point(const struct bs_tls *t, struct bs_scram_end_point *out)
{
    X509 *far = t->role == BS_TLS_CLIENT ? SSL_get1_peer_certificate(t->ssl) : NULL;
    const X509 *cert = t->role == BS_TLS_CLIENT ? far : SSL_get_certificate(t->ssl);
    const EVP_MD *hash = cert == NULL ? NULL : end_point_hash(cert);
    unsigned n = 0;

    *out = (struct bs_scram_end_point){.n = 0};
    if (t->state == BS_TLS_OPEN && hash != NULL && EVP_MD_get_size(hash) > 0 &&
        EVP_MD_get_size(hash) <= BS_SCRAM_END_POINT && X509_digest(cert, hash, out->hash, &n) == 1)
        out->n = n;
    X509_free(far);
    ERR_clear_error();
}

/* Empty where it would not be one name and nothing else. */
static void
read_common_name(const X509_NAME *name, char out[BS_TLS_SUBJECT])
{
    int at = X509_NAME_get_index_by_NID(name, NID_commonName, -1);
    unsigned char *text = NULL;
    int n;

    out[0] = '\0';
    if (at < 0 || X509_NAME_get_index_by_NID(name, NID_commonName, at) >= 0)
        return;
    n = ASN1_STRING_to_UTF8(&text, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, at)));
    if (n > 0 && n < BS_TLS_SUBJECT && memchr(text, '\0', (size_t)n) == NULL) {
        memcpy(out, text, (size_t)n);
        out[n] = '\0';
    }
    OPENSSL_free(text);
}

/* Empty where it does not fit. */
static void
read_subject(const X509_NAME *name, char out[BS_TLS_SUBJECT])
{
    BIO *bio = BIO_new(BIO_s_mem());
    size_t n = 0;

    out[0] = '\0';
    if (bio != NULL &&
        X509_NAME_print_ex(bio, name, 0,
                           (XN_FLAG_RFC2253 & ~(unsigned long)ASN1_STRFLGS_ESC_MSB)) >= 0 &&
        BIO_ctrl_pending(bio) < BS_TLS_SUBJECT &&
        BIO_read_ex(bio, out, BS_TLS_SUBJECT - 1, &n) == 1)
        out[n] = '\0';
    BIO_free(bio);
}

bool
bs_tls_client_subject(const struct bs_tls *t,
                      char common_name[BS_TLS_SUBJECT],
                      char subject[BS_TLS_SUBJECT])
{
    X509 *cert = t->role == BS_TLS_SERVER ? SSL_get1_peer_certificate(t->ssl) : NULL;
    bool good =
        cert != NULL && t->state == BS_TLS_OPEN && SSL_get_verify_result(t->ssl) == X509_V_OK;

    common_name[0] = subject[0] = '\0';
    if (good) {
        read_common_name(X509_get_subject_name(cert), common_name);
        read_subject(X509_get_subject_name(cert), subject);
    }
    X509_free(cert);
    ERR_clear_error();
    return good;
}

bool
bs_tls_is_postgresql(const struct bs_tls *t)
{
    const unsigned char *name = NULL;
    unsigned n = 0;

    SSL_get0_alpn_selected(t->ssl, &name, &n);
    return bs_bytes_equal((struct bs_bytes){name, n}, BS_LIT("postgresql"));
}
