/* Any bytes as a configuration file: they are read or refused with a sentence. */
#include "base/check.h"
#include "os/options.h"

static const struct option_spec table[] = {
    {"flag", 'f', OPTION_FLAG, NULL, 0, 0, NULL, "A flag"},
    {"number", 0, OPTION_INT, "7", -10, 1000, "N", "A number"},
    {"size", 0, OPTION_SIZE, "64K", 1, 1 << 30, "BYTES", "A size"},
    {"text", 0, OPTION_TEXT, "x", 0, 0, "TEXT", "A text"},
    {"level", 0, OPTION_TEXT, "info", 0, 0, "info|debug", "A choice"},
    {"path", 0, OPTION_PATH, NULL, 0, 0, "FILE", "A path"},
    {"wait_s", 0, OPTION_DURATION_S, "5m", 1, 86400, "TIME", "A duration"},
    {"names", 0, OPTION_LIST, "a,b", 0, 0, "NAME", "A list"},
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct options options;
    struct why why;
    enum err err;

    why_clear(&why);
    err = options_parse_text(table, COUNT_OF(table), "fuzz", (const char *)data, size, &options,
                             &why);
    if (err != ERR_OK) {
        CHECK(why.text[0] != '\0');
        return 0;
    }
    CHECK(options_int(&options, "number") >= -10 && options_int(&options, "number") <= 1000);
    CHECK(options_text(&options, "text") != NULL);
    options_close(&options);
    return 0;
}
