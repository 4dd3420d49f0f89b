/* Prepared files and signatures that somebody carried here: read, summed up, never believed. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "trust/ceremony.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static FILE *nowhere;
    struct ceremony *ceremony;

    if (!nowhere)
        nowhere = fopen("/dev/null", "we");
    CHECK(nowhere);
    if (ceremony_read((struct span){data, size}, &ceremony, NULL) != ERR_OK)
        return 0;
    CHECK(ceremony_version(ceremony) > 0);
    ceremony_summary(ceremony, nowhere);
    ceremony_close(ceremony);
    return 0;
}
