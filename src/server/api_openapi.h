/* docs/spec/openapi.json as it was when this program was built. */
#pragma once

#include "base/span.h"

struct span api_openapi_document(void);
