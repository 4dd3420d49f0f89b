#include "device/enrol.h"

#include <string.h>

#include "base/check.h"
#include "os/file.h"
#include "os/say.h"

#define TOKEN_SIZE_MAX 512u /* bytes of a claim token file */

/* The token without the line's end; empty when none is configured. */
static enum err read_token(const struct config *config, struct file_bytes *out, struct why *why)
{
    *out = (struct file_bytes){0};
    if (!config->claim_token_file)
        return ERR_OK;
    TRY(file_read(config->claim_token_file, TOKEN_SIZE_MAX, out, why));
    while (out->size > 0 && out->at[out->size - 1] <= ' ')
        out->size--;
    return ERR_OK;
}

static enum err keep(const struct identity *identity, const struct native_enrolled *enrolled,
                     const struct config *config, struct why *why)
{
    /* The CA that comes along is not taken: whom to trust is in ca_file and nowhere else. */
    return identity_keep(identity, enrolled->certificate, config->name, why);
}

enum err enrol(struct link *link, const struct identity *identity, const struct config *config,
               struct span sealing_key, struct why *why)
{
    uint8_t der[NATIVE_DER_SIZE_MAX];
    struct buf request = buf_over(der, sizeof der);
    struct native_enrolled enrolled;
    struct native_enroll enroll = {.name = span_of(config->name),
                                   .attributes = config->attributes,
                                   .sealing_key = sealing_key};
    struct file_bytes token;
    enum err err;

    TRY(identity_request(identity, config->name, &request, why));
    enroll.csr = buf_written(&request);
    TRY(read_token(config, &token, why));
    enroll.claim = (struct span){token.at, token.size};
    err = link_enroll(link, &enroll, &enrolled, why);
    file_bytes_free(&token);
    TRY(err);
    return keep(identity, &enrolled, config, why);
}

enum err enrol_renew(struct link *link, const struct identity *identity,
                     const struct config *config, struct span sealing_key, struct why *why)
{
    uint8_t der[NATIVE_DER_SIZE_MAX];
    struct buf request = buf_over(der, sizeof der);
    struct native_renew renew = {.sealing_key = sealing_key};
    struct native_enrolled enrolled;

    TRY(identity_request(identity, config->name, &request, why));
    renew.csr = buf_written(&request);
    TRY(link_renew(link, &renew, &enrolled, why));
    return keep(identity, &enrolled, config, why);
}
