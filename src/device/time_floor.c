#include "device/time_floor.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>

#include "device/timekeeper.h"
#include "os/file.h"

#define FILE_SIZE_MAX 32u /* bytes */

static struct utc parse(const char *text, size_t size)
{
    uint64_t seconds = 0;

    if (size < 2 || text[size - 1] != '\n')
        return (struct utc){0};
    for (size_t i = 0; i + 1 < size; i++) {
        if (text[i] < '0' || text[i] > '9' || seconds > TIMEKEEPER_SERVER_S_MAX)
            return (struct utc){0};
        seconds = seconds * 10 + (uint64_t)(text[i] - '0');
    }
    return (struct utc){seconds <= TIMEKEEPER_SERVER_S_MAX ? (int64_t)seconds * 1000 : 0};
}

struct utc time_floor_load(const char *directory)
{
    struct file_bytes bytes = {0};
    struct utc floor = {0};
    char path[PATH_MAX];

    if (file_join(directory, "time_floor", path, sizeof path) == ERR_OK &&
        file_read(path, FILE_SIZE_MAX, &bytes, NULL) == ERR_OK)
        floor = parse((const char *)bytes.at, bytes.size);
    file_bytes_free(&bytes);
    return floor;
}

enum err time_floor_store(const char *directory, struct utc floor, struct utc *stored,
                          struct why *why)
{
    char path[PATH_MAX], text[FILE_SIZE_MAX];
    int size;

    if (floor.ms - stored->ms < TIME_FLOOR_STEP_MS)
        return ERR_OK;
    size = snprintf(text, sizeof text, "%" PRId64 "\n", floor.ms / 1000);
    TRY(file_join(directory, "time_floor", path, sizeof path));
    TRY(file_replace(path, (struct span){(const uint8_t *)text, (size_t)size}, 0600, why));
    *stored = floor;
    return ERR_OK;
}
