/* The private CA of this server: makes itself on the first start, certifies the server and its
 * devices.
 *
 *   DIR/ca.key  DIR/ca.crt          EC P-256, 20 years. Whoever has ca.key can be any device.
 *   DIR/server.key  DIR/server.crt  made anew at a start when less than a third of its life is
 *                                   left, when its names have changed or its CA has
 *
 * A device certificate says: CN = device, O = tenant, SAN urn:slipway:TENANT:DEVICE, for client
 * authentication only. Nothing in a signing request is believed but its public key, and that only
 * because the request is signed with it.
 *
 * Source: RFC 5280; RFC 2986 (PKCS#10). */
#pragma once

#include "base/err.h"
#include "base/limits.h"
#include "base/span.h"
#include "base/time.h"
#include "base/why.h"

#define PKI_DER_SIZE_MAX 4096u /* bytes of one certificate we issue */
#define PKI_CA_DAYS      7300  /* 20 years: longer than the devices live */
#define PKI_SERVER_DAYS  365

struct pki;

struct pki_config {
    const char *directory;           /* must exist */
    const char *const *server_names; /* DNS names and IP addresses; the first is the CN */
    size_t server_names_count;
    uint32_t device_days; /* life of a device certificate */
};

/* Load or make what is needed. *fresh (may be NULL) tells that the CA was made now. */
enum err pki_open(const struct pki_config *config, struct utc now, struct pki **out, bool *fresh,
                  struct why *why) MUST_USE;
void pki_close(struct pki *pki); /* NULL-safe */

/* Paths, for TLS; they live with the pki. */
const char *pki_ca_file(const struct pki *pki);
const char *pki_server_certificate_file(const struct pki *pki);
const char *pki_server_key_file(const struct pki *pki);

/* The CA's certificate, DER. */
struct span pki_ca(const struct pki *pki);

/* Check a PKCS#10 request: well formed (ERR_CORRUPT), signed with its own key, which is P-256,
 * P-384, Ed25519 or RSA of at least 2048 bits (ERR_UNTRUSTED). The name of the key is the SHA-256
 * of its SubjectPublicKeyInfo. */
enum err pki_read_request(struct span csr, uint8_t key_sha256[DIGEST_SIZE],
                          struct why *why) MUST_USE;

struct pki_certificate {
    uint8_t der[PKI_DER_SIZE_MAX];
    size_t size;
    uint8_t fingerprint[DIGEST_SIZE]; /* SHA-256 of the DER */
    struct utc not_after;
};

/* Certify the request's key for a device. Checks the request again. */
enum err pki_issue(const struct pki *pki, struct span csr, const char *tenant, const char *device,
                   struct utc now, struct pki_certificate *out, struct why *why) MUST_USE;
