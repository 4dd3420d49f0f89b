/* Any bytes as a target's `custom`: what is accepted is within its rules and writes itself. */
#include <string.h>

#include "base/check.h"
#include "trust/artifact_json.h"
#include "trust/json_canon.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct artifact_facts facts, again;
    json_t *json = NULL, *written;

    if (json_read((struct span){data, size}, &json, NULL) != ERR_OK)
        return 0;
    if (artifact_from_custom(json, &facts, NULL) == ERR_OK) {
        CHECK(artifact_facts_check(&facts, NULL) == ERR_OK);
        written = artifact_to_custom(&facts);
        CHECK(artifact_from_custom(written, &again, NULL) == ERR_OK);
        CHECK(memcmp(&facts, &again, sizeof facts) == 0);
        json_decref(written);
    }
    json_decref(json);
    return 0;
}
