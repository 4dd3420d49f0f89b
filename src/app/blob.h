/* Whose blob is it? The store keeps every file once, whoever brings it; a tenant knows of those it
 * has brought itself and of those its releases name. One of another tenant is as good as absent. */
#pragma once

#include "app/app.h"

/* As blobs_stat(); ERR_NOT_FOUND also when it is none of the tenant's. */
enum err blob_stat(struct app *app, int64_t tenant, const uint8_t sha256[DIGEST_SIZE],
                   struct blob_info *out) MUST_USE;

/* The tenant has brought it: with its bytes, not by naming it. */
enum err blob_brought(struct app *app, int64_t tenant, const uint8_t sha256[DIGEST_SIZE],
                      struct utc now) MUST_USE;
