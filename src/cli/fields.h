/* Reading the API's JSON: absent and null members are "", 0 or false; and common texts. */
#pragma once

#include <jansson.h>

#include "base/types.h"

const char *field_text(const json_t *object, const char *name);
int64_t field_int(const json_t *object, const char *name);
bool field_bool(const json_t *object, const char *name);
/* An array of texts joined by ", " into `to`; cut when too long. */
const char *field_joined(const json_t *object, const char *name, char *to, size_t size);

/* "12s", "3h", "2d" since the RFC 3339 time `at`; "-" when empty, "now" when in the future. */
#define AGE_SIZE 24u
const char *field_age(const char *at, int64_t now_s, char to[AGE_SIZE]);
