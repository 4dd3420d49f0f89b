#include "format/golden_host.h"

#include <stdio.h>
#include <string.h>

#include "base/check.h"

size_t golden_load(const char *dir, const char *name, uint8_t *to, size_t room)
{
    char path[512], line[512];
    size_t size = 0;
    FILE *file;

    (void)snprintf(path, sizeof path, "%s/%s.hex", dir, name);
    file = fopen(path, "r");
    if (!file)
        return 0;
    while (fgets(line, sizeof line, file)) {
        unsigned byte;
        int taken;

        line[strcspn(line, "#\n")] = '\0';
        for (const char *at = line; sscanf(at, " %2x%n", &byte, &taken) == 1; at += taken) {
            CHECK(size < room);
            to[size++] = (uint8_t)byte;
        }
    }
    (void)fclose(file);
    return size;
}
