/* Inside a front: what its files share. Only server/front*.c include this. */
#pragma once

#include <openssl/evp.h>
#include <pthread.h>
#include <stdatomic.h>

#include "os/loop.h"
#include "server/front.h"
#include "server/stream.h"

struct front {
    struct front_config config;
    struct engine *engine;
    struct loop *loop;
    struct http_server *server;
    int listener; /* until the server takes it over */
    char address[64];
    struct loop_watch arrivals; /* of `mailbox` */
    struct mailbox *mailbox;
    struct front_user *readers; /* open event streams */
    uint32_t readers_count;
    uint32_t spools;              /* replies that come in pages, under way */
    struct http_budget bodies;    /* of whoever has shown a token or a certificate */
    struct http_budget strangers; /* of devices that want to enrol */
    struct prng prng;
    pthread_t thread;
    bool started;
    atomic_bool events_lost;
    atomic_llong drain_ms; /* patience; -1: not draining */
    bool draining;
    struct instant drain_due;
};

enum front_user_kind {
    FRONT_UPLOAD,
    FRONT_READER
};

/* What hangs on a call beyond one reply. */
struct front_user {
    enum front_user_kind kind;
    struct http_call *call;

    /* FRONT_UPLOAD */
    int fd;
    char path[256];
    EVP_MD_CTX *digest;
    uint64_t size, synced; /* bytes arrived, and of those on their way to the disk */

    /* FRONT_READER */
    struct front_user *next, *previous;
    char tenant[NAME_SIZE_MAX + 1];
    char topic[TOPIC_SIZE_MAX + 1];
    uint8_t token[DIGEST_SIZE]; /* of its secret: the stream ends with it */
    struct instant heard;       /* when something was sent last */
};

/* ---- front_request.c: the handler of the HTTP server ---- */

extern const struct http_handler front_handler;

/* Who is at the other end, with the certificate judged at `now`. */
void front_peer(const struct http_call *call, struct utc now, struct peer *out);

/* Hand a request to the engine, or answer 503. `upload` may be NULL and is taken over. */
void front_ask(struct front *front, struct http_call *call, const struct http_head *head,
               enum exchange_kind kind, struct span body, struct front_user *upload);

enum exchange_method front_method(enum http_method method);

/* The reply of an exchange, which is taken. */
void front_send_reply(struct http_call *call, struct exchange *exchange);

/* 503 with Retry-After. */
void front_overloaded(struct front *front, struct http_call *call, const struct http_head *head,
                      const char *sentence);

/* Answer with an error in the protocol's own form: CBOR below /device/, problem+json elsewhere. */
void front_problem(struct http_call *call, const struct http_head *head, uint16_t status,
                   enum err err, const char *sentence);

/* The same with Retry-After, in seconds; 0: without. */
void front_retry(struct http_call *call, const struct http_head *head, uint16_t status,
                 enum err err, const char *sentence, unsigned retry_s);

/* ---- front_proxy.c ---- */

#define FRONT_AUTHORITIES_SIZE 1024u /* bytes of all hashes that a proxy may name */

/* What only other people's protocols look at: headers of the client, and of a trusted proxy.
 * `authorities` must live as long as the view. */
void front_foreign_view(const struct front *front, const struct http_call *call,
                        const struct http_head *head, char authorities[FRONT_AUTHORITIES_SIZE],
                        struct request_view *view);

/* The address that answers for a request: the last one before a trusted proxy, or whoever is at
 * the other end. */
void front_blamed_address(const struct front *front, const struct http_call *call,
                          const struct http_head *head, char to[HTTP_ADDRESS_SIZE]);

/* ---- front_door.c ---- */

/* Only the head is here: ask for the body, or refuse without it. Whatever is refused with an audit
 * entry is asked of the engine; the rest is answered here. */
void front_at_door(struct front *front, struct http_call *call, const struct http_head *head);

/* The engine has answered: what was no failure gives its attempt back. */
void front_note_outcome(struct front *front, const struct exchange *exchange);

/* ---- front_file.c: metadata and blobs ---- */

/* A metadata file by name; 404 when it is not on the shelf. */
void front_send_shelf(struct front *front, struct http_call *call, const struct http_head *head,
                      struct span tenant, struct span name);

/* A blob with conditions and ranges; 404 when there is none. */
void front_send_blob(struct front *front, struct http_call *call, const struct http_head *head,
                     const uint8_t sha256[DIGEST_SIZE]);

/* ---- front_upload.c ---- */

/* Whether the disk of the blobs has room for `size` bytes more, besides what the database needs. */
bool front_has_space(const struct front *front, uint64_t size);

/* The engine has let the upload in: receive it, or answer 507. */
void front_begin_upload(struct front *front, struct http_call *call);
enum err front_upload_piece(struct front_user *upload, struct span piece);

/* All is here: sync, and hand the file over to `exchange`. `upload` is gone afterwards. */
enum err front_finish_upload(struct front_user *upload, struct upload *out) MUST_USE;

/* Forget it, file and all. */
void front_drop_upload(struct front_user *upload);

/* ---- front_pages.c ---- */

/* A page of a reply has come: put it into the file, and ask for the next one or send them all.
 * Takes the exchange. */
void front_take_page(struct front *front, struct http_call *call, struct exchange *exchange);

/* ---- front_stream.c ---- */

/* A reply that stays open. Takes the exchange. */
void front_open_reader(struct front *front, struct http_call *call, struct exchange *exchange);
void front_drop_reader(struct front *front, struct front_user *reader);
void front_tell_readers(struct front *front, const struct stream_text *text);

/* Keep quiet ones alive, and end those whose token is not in force any more. Call regularly. */
void front_look_after_readers(struct front *front);

/* End all streams, after these last bytes. */
void front_end_readers(struct front *front, struct span last);
