/* Any bytes as a plan, a stage and a window: read, or refused with a sentence. */
#include <string.h>

#include "base/check.h"
#include "cli/plan.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void feed_texts(const char *text)
{
    struct why why;
    json_t *json = NULL;

    why_clear(&why);
    if (plan_stage(text, &json) == ERR_OK) {
        CHECK(json_object_size(json) == 1);
        json_decref(json);
    }
    if (plan_window(text, &json, &why) == ERR_OK) {
        CHECK(json_array_size(json_object_get(json, "days")) > 0);
        json_decref(json);
    } else {
        CHECK(why.text[0] != '\0');
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    json_t *request = json_object();
    struct yaml *yaml = NULL;
    struct why why;
    char text[256];
    enum err err;

    CHECK(request != NULL);
    why_clear(&why);
    err = yaml_open_text("fuzz", (const char *)data, size, &yaml, &why);
    if (err == ERR_OK)
        err = plan_from_yaml(yaml, request, &why);
    CHECK(err == ERR_OK || why.text[0] != '\0');
    yaml_close(yaml);
    json_decref(request);
    size = size < sizeof text - 1 ? size : sizeof text - 1;
    memcpy(text, data, size);
    text[size] = '\0';
    feed_texts(text);
    return 0;
}
