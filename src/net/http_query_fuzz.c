/* Any bytes as a query, a path, a Range header and a list of ETags. */
#include <string.h>

#include "base/check.h"
#include "net/http_query.h"
#include "net/http_range.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const known[] = {"limit", "cursor", "selector", NULL};
    struct span text = {data, size};
    struct http_condition condition = {.range = text, .if_range = SPAN_LITERAL("\"a\"")};
    struct http_path_arguments arguments;
    struct http_range range = {0};
    char value[32];
    uint64_t number = 0;

    if (http_query_text(text, "selector", value, sizeof value) == ERR_OK)
        CHECK(memchr(value, 0, sizeof value));
    if (http_query_uint(text, "limit", 1, 1000, &number) == ERR_OK)
        CHECK(number >= 1 && number <= 1000);
    if (http_query_known(text, known, value, sizeof value) != ERR_OK)
        CHECK(memchr(value, 0, sizeof value));
    if (http_path_match(text, "/devices/{name}/logs/{id}", &arguments))
        CHECK(arguments.count == 2 && arguments.text[0][0] != '\0');
    if (http_range_parse(text, 1000, &range) == ERR_OK)
        CHECK(range.size > 0 && range.from + range.size <= 1000);
    if (http_condition_status(&condition, SPAN_LITERAL("\"a\""), UINT64_MAX, &range) == 206)
        CHECK(range.size > 0 && range.from <= UINT64_MAX - range.size);
    (void)http_etag_listed(text, SPAN_LITERAL("\"a\""), true);
    return 0;
}
