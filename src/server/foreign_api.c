#include "server/foreign_api.h"

#include <stdio.h>

#include "server/hawkbit_api.h"
#include "server/hawkbit_rest.h"
#include "server/mender_api.h"
#include "server/mender_manage.h"

static const struct foreign_api *const protocols[] = {
    &foreign_mender,
    &foreign_mender_manage,
    &foreign_hawkbit,
    &foreign_hawkbit_rest,
    NULL, /* the end */
};

const struct foreign_api *foreign_api_of(struct span path)
{
    for (size_t i = 0; protocols[i]; i++) {
        if (protocols[i]->claims(path))
            return protocols[i];
    }
    return NULL;
}

/* RFC 3986 3.2.2, as far as we are called so: names, addresses, brackets, a port. */
static bool is_host(struct span host)
{
    for (size_t i = 0; i < host.size; i++) {
        uint8_t byte = host.at[i];
        bool letter = (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z');

        if (!letter && !(byte >= '0' && byte <= '9') && byte != '.' && byte != '-' && byte != ':' &&
            byte != '[' && byte != ']' && byte != '_')
            return false;
    }
    return host.size > 0;
}

enum err foreign_origin(const struct exchange *exchange, char to[FOREIGN_ORIGIN_SIZE])
{
    const struct request_view *request = &exchange->request;
    struct span host = request->forwarded_host.size > 0 ? request->forwarded_host : request->host;
    bool secure = request->forwarded_proto.size > 0 ? span_is(request->forwarded_proto, "https")
                                                    : exchange->secure;
    int size;

    if (!is_host(host))
        return ERR_INVALID;
    size = snprintf(to, FOREIGN_ORIGIN_SIZE, "%s://%.*s", secure ? "https" : "http", (int)host.size,
                    (const char *)host.at);
    return size > 0 && (size_t)size < FOREIGN_ORIGIN_SIZE ? ERR_OK : ERR_TOO_BIG;
}
