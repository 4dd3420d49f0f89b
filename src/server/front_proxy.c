/* Requests in other people's protocols: the headers that those look at, and what a trusted proxy
 * says about a certificate that it has checked in our place.
 *
 * hawkBit's proxies name the device and its issuers in X-Ssl-Client-Cn and X-Ssl-Issuer-Hash-1 ...
 * (up to 0.10), or in X-Controller-Id and X-Authority, X-Authority-0 ... (from 1.0). From any other
 * address these headers are nothing but noise, and are not read at all. */
#include <string.h>

#include "base/buf.h"
#include "server/front_inside.h"

#define AUTHORITIES_MAX 10u /* hashes a proxy may name, of a chain */

static bool is_trusted(const struct front *front, const char *address)
{
    for (size_t i = 0; i < front->config.proxies_count; i++) {
        if (strcmp(front->config.proxies[i], address) == 0)
            return true;
    }
    return false;
}

/* Of "client, proxy1, proxy2" the last: what our own proxy has seen. */
static struct span last_of(struct span list)
{
    size_t from = list.size;

    while (from > 0 && list.at[from - 1] != ',')
        from--;
    while (from < list.size && list.at[from] == ' ')
        from++;
    return (struct span){list.at + from, list.size - from};
}

void front_blamed_address(const struct front *front, const struct http_call *call,
                          const struct http_head *head, char to[HTTP_ADDRESS_SIZE])
{
    char said[HTTP_ADDRESS_SIZE];

    http_call_address(call, to);
    if (!is_trusted(front, to))
        return;
    if (span_to_text(last_of(http_head_value(head, "x-forwarded-for")), said, sizeof said) &&
        said[0] != '\0')
        memcpy(to, said, sizeof said);
}

/* "NAME" or "NAME-N" in any case. */
static bool is_numbered(struct span header, const char *name)
{
    size_t size = strlen(name);

    if (header.size < size)
        return false;
    for (size_t i = 0; i < size; i++) {
        uint8_t byte = header.at[i];

        if (byte >= 'A' && byte <= 'Z')
            byte = (uint8_t)(byte - 'A' + 'a');
        if (byte != (uint8_t)name[i])
            return false;
    }
    if (header.size == size)
        return true;
    for (size_t i = size + 1; i < header.size; i++) {
        if (header.at[i] < '0' || header.at[i] > '9')
            return false;
    }
    return header.at[size] == '-' && header.size > size + 1;
}

static void collect_authorities(const struct http_head *head, struct buf *out)
{
    unsigned count = 0;

    for (size_t i = 0; i < head->headers_count && count < AUTHORITIES_MAX; i++) {
        const struct http_header *header = &head->headers[i];

        if (!is_numbered(header->name, "x-authority") &&
            !is_numbered(header->name, "x-ssl-issuer-hash"))
            continue;
        buf_span(out, header->value);
        buf_byte(out, ';');
        count++;
    }
}

void front_foreign_view(const struct front *front, const struct http_call *call,
                        const struct http_head *head, char authorities[FRONT_AUTHORITIES_SIZE],
                        struct request_view *view)
{
    struct buf buf = buf_over(authorities, FRONT_AUTHORITIES_SIZE);
    char address[HTTP_ADDRESS_SIZE];

    view->host = http_head_value(head, "host");
    view->accept = http_head_value(head, "accept");
    view->if_none_match = http_head_value(head, "if-none-match");
    view->range = http_head_value(head, "range");
    view->if_range = http_head_value(head, "if-range");
    view->signature = http_head_value(head, "x-men-signature");
    view->head_only = head->method == HTTP_METHOD_HEAD;
    http_call_address(call, address);
    if (!is_trusted(front, address))
        return;
    view->forwarded_host = http_head_value(head, "x-forwarded-host");
    view->forwarded_proto = http_head_value(head, "x-forwarded-proto");
    view->proxied_device = http_head_value(head, "x-controller-id");
    if (view->proxied_device.size == 0)
        view->proxied_device = http_head_value(head, "x-ssl-client-cn");
    collect_authorities(head, &buf);
    view->proxied_authorities = buf_written(&buf);
}
