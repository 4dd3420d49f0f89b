/* What the tests of the front share: a front with TLS and an engine thread over real sockets,
 * stories that are stand-ins and say what reached them, and a client that speaks bytes. */
#pragma once

#include <openssl/ssl.h>

#include "server/engine.h"
#include "server/front.h"
#include "server/pki.h"

#define DAY_MS     (INT64_C(24) * 3600 * 1000)
#define UPLOAD_MAX (4u << 20)
#define BLOB_SIZE  (1u << 20)
#define BODIES_MAX METADATA_SIZE_MAX
#define HOST       "Host: localhost\r\n"
#define GOOD       "Authorization: Bearer good\r\n" /* an admin's token */
#define WEAK       "Authorization: Bearer weak\r\n" /* a viewer's */

struct identity {
    X509 *certificate;
    EVP_PKEY *key;
    uint8_t fingerprint[DIGEST_SIZE];
};

struct world {
    char directory[64], uploads[80];
    struct pki *pki, *foreign;
    struct tls_server *tls;
    struct presence *presence;
    struct shelf *shelf;
    struct passes *passes;
    struct attempts *attempts;
    struct stats stats;
    struct front *front;
    struct front *fronts[1];
    struct engine *engine;
    struct identity device, expired, stranger;
    uint8_t blob[BLOB_SIZE], blob_sha256[DIGEST_SIZE];
    uint16_t port;
};

struct client {
    SSL_CTX *context;
    SSL *ssl;
    int fd;
    bool connected;
    size_t size;
    char text[2 * BLOB_SIZE]; /* the last answer, head and body */
    char *body;
};

int open_world(void **state);

int open_old_world(void **state);

int open_busy_world(void **state);

int close_world(void **state);

int dial(const struct world *world);

struct client *connect_with(const struct world *world, const struct identity *identity, int version,
                            SSL_SESSION *session);

struct client *open_client(const struct world *world, const struct identity *identity);

void close_client(struct client *client);

void send_all(struct client *client, const void *bytes, size_t size);

void send_text(struct client *client, const char *text);

/* Read until `want` has come, or `size` bytes, or the end. */
void hear(struct client *client, const char *want, size_t size);

/* One request, one answer with its body by Content-Length. Returns the status. */
int ask_bytes(struct client *client, const char *head, const void *body, size_t body_size);

int ask(struct client *client, const char *head);
