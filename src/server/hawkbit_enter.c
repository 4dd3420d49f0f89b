/* Who asks, of hawkBit's devices. */
#include <string.h>
#include <strings.h>

#include "server/hawkbit_inside.h"

/* "SCHEME SECRET", the scheme in any case. */
static bool is_scheme(struct span authorization, const char *scheme, struct span *secret)
{
    size_t size = strlen(scheme);

    if (authorization.size <= size + 1 || authorization.at[size] != ' ' ||
        strncasecmp((const char *)authorization.at, scheme, size) != 0)
        return false;
    *secret = (struct span){authorization.at + size + 1, authorization.size - size - 1};
    return true;
}

static bool same_in_any_case(struct span a, struct span b)
{
    return a.size == b.size && strncasecmp((const char *)a.at, (const char *)b.at, a.size) == 0;
}

static struct span trimmed(struct span text)
{
    while (text.size > 0 && text.at[0] == ' ')
        text = (struct span){text.at + 1, text.size - 1};
    while (text.size > 0 && text.at[text.size - 1] == ' ')
        text.size--;
    return text;
}

/* Whether "TENANT=HASH" is configured for this tenant and hash. */
static bool is_authority(const struct hawkbit_handling *handling, struct span hash)
{
    for (size_t i = 0; i < handling->host->authorities_count; i++) {
        const char *line = handling->host->authorities[i], *equals = strchr(line, '=');
        struct span tenant;

        if (!equals)
            continue;
        tenant = (struct span){(const uint8_t *)line, (size_t)(equals - line)};
        if (same_in_any_case(tenant, span_of(handling->call.tenant)) &&
            same_in_any_case(trimmed(span_of(equals + 1)), hash))
            return true;
    }
    return false;
}

/* One of the hashes, which stand between ';' or ','. */
static bool has_authority(const struct hawkbit_handling *handling, struct span list)
{
    size_t from = 0;

    for (size_t i = 0; i <= list.size; i++) {
        struct span hash;

        if (i < list.size && list.at[i] != ';' && list.at[i] != ',')
            continue;
        hash = trimmed((struct span){list.at + from, i - from});
        if (hash.size > 0 && is_authority(handling, hash))
            return true;
        from = i + 1;
    }
    return false;
}

static bool is_vouched_for(const struct hawkbit_handling *handling)
{
    const struct request_view *request = &handling->exchange->request;

    return span_is(request->proxied_device, handling->call.device) &&
           has_authority(handling, request->proxied_authorities);
}

/* A certificate that our own authority has issued to a device of this name. */
static bool has_certificate(const struct hawkbit_handling *handling)
{
    const struct peer *peer = &handling->exchange->peer;

    return peer->certificate == PEER_CERTIFICATE_VALID &&
           strcmp(peer->device, handling->call.device) == 0 &&
           same_in_any_case(span_of(peer->tenant), span_of(handling->call.tenant));
}

enum err hawkbit_enter(struct hawkbit_handling *handling)
{
    const struct request_view *request = &handling->exchange->request;
    struct foreign_credential credential = {
        .protocol = PROTOCOL_HAWKBIT,
        .tenant = span_of(handling->call.tenant),
        .device = span_of(handling->call.device),
        .proof = FOREIGN_BY_TOKEN, /* an empty one is nobody's */
        .address = handling->exchange->peer.address,
    };

    if (is_scheme(request->authorization, "TargetToken", &credential.secret))
        credential.proof = FOREIGN_BY_TOKEN;
    else if (is_scheme(request->authorization, "GatewayToken", &credential.secret))
        credential.proof = FOREIGN_BY_GATEWAY;
    else if (is_vouched_for(handling) || has_certificate(handling))
        credential.proof = FOREIGN_BY_PROXY;
    return foreign_enter(handling->app, &credential, handling->exchange->now, &handling->device,
                         &handling->why);
}
