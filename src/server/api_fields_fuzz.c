/* Any bytes as a request body: every reader runs over it, and as a selector in a query. Looked for
 * are crashes, leaks, and answers without a sentence. */
#include <string.h>

#include "base/check.h"
#include "fleet/selector.h"
#include "net/http_query.h"
#include "server/api_fields.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_stage(struct fields *outer, const json_t *list, size_t index)
{
    struct fields item = fields_item(outer, "stages", list, index);
    uint16_t permille;
    int64_t number;

    (void)fields_percent(&item, "percent", FIELD_OPTIONAL, 1, &permille);
    (void)fields_int(&item, "count", FIELD_OPTIONAL, 1, 1000, &number);
    fields_item_done(outer, &item);
}

static void read_body(struct span body)
{
    char name[NAME_SIZE_MAX + 1];
    uint8_t digest[DIGEST_SIZE];
    struct why why = {0};
    struct fields fields = fields_open(body, FIELD_OPTIONAL, &why), inner;
    const json_t *list = NULL;
    struct span text;
    struct utc utc;
    bool flag;

    (void)fields_name(&fields, "name", FIELD_REQUIRED, name);
    (void)fields_text(&fields, "selector", FIELD_OPTIONAL, SELECTOR_SIZE_MAX, &text);
    (void)fields_digest(&fields, "key_sha256", FIELD_OPTIONAL, digest);
    (void)fields_utc(&fields, "start_at", FIELD_OPTIONAL, &utc);
    (void)fields_bool(&fields, "dry_run", FIELD_OPTIONAL, &flag);
    if (fields_array(&fields, "stages", FIELD_OPTIONAL, 1, 16, &list)) {
        for (size_t i = 0; i < json_array_size(list); i++)
            read_stage(&fields, list, i);
    }
    if (fields_object(&fields, "window", FIELD_OPTIONAL, &inner)) {
        (void)fields_text(&inner, "start", FIELD_REQUIRED, 5, &text);
        fields_item_done(&fields, &inner);
    }
    if (fields_done(&fields) != ERR_OK)
        CHECK(why.text[0] != '\0');
    fields_close(&fields);
}

static void read_query(struct span query)
{
    static const char *const known[] = {"selector", "status", "cursor", "limit", NULL};
    static struct selector selector;
    struct selector_fault fault;
    char text[SELECTOR_SIZE_MAX + 1], unknown[64];
    struct why why = {0};
    uint64_t limit;

    if (http_query_known(query, known, unknown, sizeof unknown) != ERR_OK)
        CHECK(memchr(unknown, '\0', sizeof unknown));
    if (http_query_uint(query, "limit", 1, 1000, &limit) == ERR_OK)
        CHECK(limit >= 1 && limit <= 1000);
    if (http_query_text(query, "selector", text, sizeof text) == ERR_OK &&
        selector_parse(span_of(text), &selector, &fault, &why) != ERR_OK)
        CHECK(why.text[0] != '\0' && fault.column >= 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    read_body((struct span){data, size});
    read_query((struct span){data, size});
    return 0;
}
