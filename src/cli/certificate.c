/*
 * certificate.c - OpenSSL's calls, in the order they want.
 */
#include "cli/certificate.h"

#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <unistd.h>

#define TWO_YEARS_S (2L * 365 * 24 * 3600)

static bool
add_extension(X509 *cert, int nid, const char *value)
{
    X509V3_CTX ctx;
    X509_EXTENSION *extension;
    bool ok;

    X509V3_set_ctx_nodb(&ctx);
    X509V3_set_ctx(&ctx, cert, cert, NULL, NULL, 0);
    extension = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    ok = extension != NULL && X509_add_ext(cert, extension, -1) == 1;
    X509_EXTENSION_free(extension);
    return ok;
}

/* The host's name where it can stand in a certificate as it is: letters, digits, dots, dashes. */
static void
host_name(char *out, size_t room)
{
    if (gethostname(out, room - 1) != 0)
        out[0] = '\0';
    out[room - 1] = '\0';
    for (const char *p = out; *p != '\0'; p++) {
        bool fits = (*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') ||
                    (*p >= '0' && *p <= '9') || *p == '.' || *p == '-';
        if (!fits) {
            out[0] = '\0';
            return;
        }
    }
}

static bool
set_names(X509 *cert)
{
    char host[65] = "", alternatives[160];
    X509_NAME *name = X509_get_subject_name(cert);
    const unsigned char *common;

    host_name(host, sizeof(host));
    common = (const unsigned char *)(host[0] == '\0' ? "localhost" : host);
    (void)snprintf(alternatives, sizeof(alternatives),
                   "DNS:localhost,IP:127.0.0.1,IP:0:0:0:0:0:0:0:1%s%s",
                   host[0] == '\0' ? "" : ",DNS:", host);
    return X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, common, -1, -1, 0) == 1 &&
           X509_set_issuer_name(cert, name) == 1 &&
           add_extension(cert, NID_subject_alt_name, alternatives);
}

static bool
set_serial(X509 *cert)
{
    unsigned char random[16];
    BIGNUM *number;
    bool ok;

    if (RAND_bytes(random, sizeof(random)) != 1)
        return false;
    random[0] &= 0x7f; /* positive in DER */
    number = BN_bin2bn(random, sizeof(random), NULL);
    ok = number != NULL && BN_to_ASN1_INTEGER(number, X509_get_serialNumber(cert)) != NULL;
    BN_free(number);
    return ok;
}

static bool
fill(X509 *cert, EVP_PKEY *key)
{
    return X509_set_version(cert, 2) == 1 && set_serial(cert) &&
           X509_gmtime_adj(X509_getm_notBefore(cert), -300) != NULL &&
           X509_gmtime_adj(X509_getm_notAfter(cert), TWO_YEARS_S) != NULL &&
           X509_set_pubkey(cert, key) == 1 && set_names(cert) &&
           add_extension(cert, NID_basic_constraints, "critical,CA:FALSE") &&
           add_extension(cert, NID_key_usage, "critical,digitalSignature") &&
           add_extension(cert, NID_ext_key_usage, "serverAuth") &&
           X509_sign(cert, key, EVP_sha256()) != 0;
}

static bool
take_pem(BIO *from, struct bs_buf *out)
{
    char *text = NULL;
    long n = BIO_get_mem_data(from, &text);

    if (n > 0)
        bs_put_bytes(out, (struct bs_bytes){(const uint8_t *)text, (size_t)n});
    return n > 0 && !out->failed;
}

enum bs_done
bs_certificate_make(struct bs_buf *key, struct bs_buf *cert, struct bs_err *err)
{
    EVP_PKEY *pair = EVP_EC_gen("P-256");
    X509 *x509 = X509_new();
    /* Memory for the key comes from the library's wiped kind. */
    BIO *key_pem = BIO_new(BIO_s_secmem()), *cert_pem = BIO_new(BIO_s_mem());
    bool ok = pair != NULL && x509 != NULL && key_pem != NULL && cert_pem != NULL;

    ok = ok && fill(x509, pair);
    ok = ok && PEM_write_bio_PrivateKey(key_pem, pair, NULL, NULL, 0, NULL, NULL) == 1;
    ok = ok && PEM_write_bio_X509(cert_pem, x509) == 1;
    ok = ok && take_pem(key_pem, key) && take_pem(cert_pem, cert);
    BIO_free(cert_pem);
    BIO_free(key_pem);
    X509_free(x509);
    EVP_PKEY_free(pair);
    return ok ? BS_DONE : BS_FAIL(err, INTERNAL, "no certificate could be made");
}
