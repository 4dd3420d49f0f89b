/* crypto/verify.h on hosts, by OpenSSL. Needs no state. */
#pragma once

#include "crypto/verify.h"

struct verify verify_openssl(void);
