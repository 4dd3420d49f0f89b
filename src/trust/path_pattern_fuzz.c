/* "PATTERN\nPATH": matching ends, agrees with fnmatch(3) where both mean the same, and every path
 * without special characters matches itself. */
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/span.h"
#include "trust/path_pattern.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool is_plain(const char *text, const char *but)
{
    for (; *text != '\0'; text++) {
        if ((uint8_t)*text >= 0x80 || strchr(but, *text))
            return false;
    }
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *end = memchr(data, '\n', size);
    char pattern[64], path[256];

    if (!end || !span_to_text((struct span){data, (size_t)(end - data)}, pattern, sizeof pattern) ||
        !span_to_text((struct span){end + 1, size - (size_t)(end + 1 - data)}, path, sizeof path))
        return 0;
    if (path_pattern_matches(pattern, path))
        CHECK(path_pattern_matches("*", path) || strchr(path, '/'));
    if (is_plain(path, "*?["))
        CHECK(path_pattern_matches(path, path));
    if (strlen(pattern) < 12 && is_plain(pattern, "[") && is_plain(path, ""))
        CHECK(path_pattern_matches(pattern, path) ==
              (fnmatch(pattern, path, FNM_PATHNAME | FNM_NOESCAPE) == 0));
    return 0;
}
