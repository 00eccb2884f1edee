/*
 * tls_ctx.c - certificates, keys and rules, loaded once. What PostgreSQL and libpq refuse for good
 * reasons (a key others may read, TLS before 1.2, renegotiation, compression) is refused here too.
 */
#include "wire/tls.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/err.h>

#include "base/arena.h"
#include "wire/tls_private.h"

/* The ALPN name that PostgreSQL 17 and later agree on, in wire form. */
static const uint8_t alpn[] = "\x0apostgresql";
#define ALPN_LEN (sizeof(alpn) - 1)

const char *
bs_tls_reason(void)
{
    const char *reason = ERR_reason_error_string(ERR_peek_error());

    return reason == NULL ? "no reason given" : reason;
}

/* OpenSSL would ask on the terminal for a passphrase; a daemon has nobody to ask. */
static int
no_passphrase(char *buf, int size, int for_writing, void *arg)
{
    (void)buf;
    (void)size;
    (void)for_writing;
    (void)arg;
    return 0;
}

/* A client that offers protocols and not ours was meant for something else. */
static int
choose_alpn(SSL *ssl,
            const unsigned char **out,
            unsigned char *out_len,
            const unsigned char *offered,
            unsigned offered_len,
            void *arg)
{
    unsigned char *chosen = NULL;

    (void)ssl;
    (void)arg;
    if (SSL_select_next_proto(&chosen, out_len, alpn, ALPN_LEN, offered, offered_len) !=
        OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    *out = chosen;
    return SSL_TLSEXT_ERR_OK;
}

static SSL_CTX *
new_ssl_ctx(const SSL_METHOD *method)
{
    SSL_CTX *ssl = SSL_CTX_new(method);

    if (ssl == NULL || SSL_CTX_set_min_proto_version(ssl, TLS1_2_VERSION) != 1) {
        SSL_CTX_free(ssl);
        return NULL;
    }
    (void)SSL_CTX_set_options(ssl, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                       SSL_OP_NO_TICKET | SSL_OP_CIPHER_SERVER_PREFERENCE);
    (void)SSL_CTX_set_num_tickets(ssl, 0);
    (void)SSL_CTX_set_session_cache_mode(ssl, SSL_SESS_CACHE_OFF);
    (void)SSL_CTX_set_mode(ssl, SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_default_passwd_cb(ssl, no_passphrase);
    return ssl;
}

/* PostgreSQL's rule: ours and nobody else's, or root's and at most readable by its group. */
static enum bs_done
check_key_file(const char *path, struct bs_err *err)
{
    struct stat st;

    if (stat(path, &st) != 0)
        return BS_FAIL(err, CONFIG, "private key file \"%s\" cannot be read", path);
    if (!S_ISREG(st.st_mode))
        return BS_FAIL(err, CONFIG, "private key file \"%s\" is not a regular file", path);
    if (st.st_uid != geteuid() && st.st_uid != 0)
        return BS_FAIL(err, CONFIG, "private key file \"%s\" must be owned by us or by root", path);
    if ((st.st_mode & (st.st_uid == 0 ? 0037 : 0077)) != 0) {
        (void)BS_FAIL(err, CONFIG, "private key file \"%s\" can be read by others", path);
        bs_err_hint(err, "chmod 600 %s", path);
        return BS_FAILED;
    }
    return BS_DONE;
}

static enum bs_done
load_identity(SSL_CTX *ssl, const char *cert_file, const char *key_file, struct bs_err *err)
{
    if (check_key_file(key_file, err) == BS_FAILED)
        return BS_FAILED;
    if (SSL_CTX_use_certificate_chain_file(ssl, cert_file) != 1)
        return BS_FAIL(err, CONFIG, "certificate file \"%s\" cannot be used: %s", cert_file,
                       bs_tls_reason());
    /* Also fails where the key does not belong to the certificate. */
    if (SSL_CTX_use_PrivateKey_file(ssl, key_file, SSL_FILETYPE_PEM) != 1)
        return BS_FAIL(err, CONFIG, "private key file \"%s\" cannot be used: %s", key_file,
                       bs_tls_reason());
    return BS_DONE;
}

/* Whoever shows a certificate must show a good one; who must show one is the login's to say. */
static enum bs_done
ask_clients(SSL_CTX *ssl, const struct bs_tls_server_options *o, struct bs_err *err)
{
    STACK_OF(X509_NAME) * names;
    X509_STORE *store = SSL_CTX_get_cert_store(ssl);

    if (o->client_ca_file == NULL)
        return BS_DONE;
    names = SSL_load_client_CA_file(o->client_ca_file);
    if (names == NULL || SSL_CTX_load_verify_file(ssl, o->client_ca_file) != 1) {
        sk_X509_NAME_pop_free(names, X509_NAME_free);
        return BS_FAIL(err, CONFIG, "root certificate file \"%s\" cannot be used: %s",
                       o->client_ca_file, bs_tls_reason());
    }
    SSL_CTX_set_client_CA_list(ssl, names);
    SSL_CTX_set_verify(ssl, SSL_VERIFY_PEER | SSL_VERIFY_CLIENT_ONCE, NULL);
    if (o->client_crl_file == NULL)
        return BS_DONE;
    if (X509_STORE_load_file(store, o->client_crl_file) != 1)
        return BS_FAIL(err, CONFIG, "revocation list file \"%s\" cannot be used: %s",
                       o->client_crl_file, bs_tls_reason());
    (void)X509_STORE_set_flags(store, X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL);
    return BS_DONE;
}

static enum bs_done
set_up_server(SSL_CTX *ssl, const struct bs_tls_server_options *o, struct bs_err *err)
{
    SSL_CTX_set_alpn_select_cb(ssl, choose_alpn, NULL);
    (void)SSL_CTX_set_dh_auto(ssl, 1);
    if (load_identity(ssl, o->cert_file, o->key_file, err) == BS_FAILED)
        return BS_FAILED;
    return ask_clients(ssl, o, err);
}

static enum bs_done
load_roots(SSL_CTX *ssl, const struct bs_tls_client_options *o, struct bs_err *err)
{
    int ok;

    if (o->check == BS_TLS_CHECK_NONE) {
        SSL_CTX_set_verify(ssl, SSL_VERIFY_NONE, NULL);
        return BS_DONE;
    }
    SSL_CTX_set_verify(ssl, SSL_VERIFY_PEER, NULL);
    if (o->root_file == NULL)
        return BS_FAIL(err, CONFIG, "checking a server's certificate needs a file of roots");
    ok = strcmp(o->root_file, "system") == 0 ? SSL_CTX_set_default_verify_paths(ssl)
                                             : SSL_CTX_load_verify_file(ssl, o->root_file);
    if (ok != 1)
        return BS_FAIL(err, CONFIG, "root certificate file \"%s\" cannot be used: %s", o->root_file,
                       bs_tls_reason());
    return BS_DONE;
}

static enum bs_done
set_up_client(SSL_CTX *ssl, const struct bs_tls_client_options *o, struct bs_err *err)
{
    if (SSL_CTX_set_alpn_protos(ssl, alpn, ALPN_LEN) != 0) /* 0 is success here */
        return BS_FAIL(err, INTERNAL, "TLS cannot be set up: %s", bs_tls_reason());
    if (load_roots(ssl, o, err) == BS_FAILED)
        return BS_FAILED;
    if (o->cert_file == NULL)
        return BS_DONE;
    return load_identity(ssl, o->cert_file, o->key_file == NULL ? o->cert_file : o->key_file, err);
}

/* Hands a prepared SSL_CTX over to `out`, or frees it. */
static enum bs_done
finish(SSL_CTX *ssl,
       enum bs_done done,
       enum bs_tls_role role,
       enum bs_tls_check check,
       struct bs_tls_ctx **out)
{
    ERR_clear_error();
    if (done == BS_FAILED) {
        SSL_CTX_free(ssl);
        return BS_FAILED;
    }
    *out = bs_malloc(sizeof(**out));
    **out = (struct bs_tls_ctx){ssl, role, check};
    return BS_DONE;
}

enum bs_done
bs_tls_ctx_new_server(const struct bs_tls_server_options *options,
                      struct bs_tls_ctx **out,
                      struct bs_err *err)
{
    SSL_CTX *ssl;

    *out = NULL;
    ERR_clear_error();
    ssl = new_ssl_ctx(TLS_server_method());
    if (ssl == NULL)
        return BS_FAIL(err, INTERNAL, "TLS cannot be set up: %s", bs_tls_reason());
    return finish(ssl, set_up_server(ssl, options, err), BS_TLS_SERVER, BS_TLS_CHECK_NONE, out);
}

enum bs_done
bs_tls_ctx_new_client(const struct bs_tls_client_options *options,
                      struct bs_tls_ctx **out,
                      struct bs_err *err)
{
    SSL_CTX *ssl;

    *out = NULL;
    ERR_clear_error();
    ssl = new_ssl_ctx(TLS_client_method());
    if (ssl == NULL)
        return BS_FAIL(err, INTERNAL, "TLS cannot be set up: %s", bs_tls_reason());
    return finish(ssl, set_up_client(ssl, options, err), BS_TLS_CLIENT, options->check, out);
}

void
bs_tls_ctx_free(struct bs_tls_ctx **ctx)
{
    if (*ctx == NULL)
        return;
    SSL_CTX_free((*ctx)->ssl);
    free(*ctx);
    *ctx = NULL;
}
