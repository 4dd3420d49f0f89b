/* What one connection of a load sends, request after request: its inventory, then polls, then
 * reports if it is to send reports. */
#pragma once

#include "base/err.h"
#include "base/span.h"
#include "base/why.h"
#include "format/native.h"
#include "lab/load.h"

#define LOAD_REQUEST_SIZE_MAX 1024u /* bytes with its header */

struct load_request {
    enum load_kind kind;
    char bytes[LOAD_REQUEST_SIZE_MAX];
    size_t size;
    uint64_t report_id;
    uint64_t assignment; /* learnt from the first poll, for reports */
    uint32_t answers;    /* seen by load_request_learn() */
    uint8_t inventory[NATIVE_INVENTORY_SIZE];
};

/* The inventory that load devices enrol with; a quiet poll names its digest. */
struct native_attributes load_attributes(void);

/* `path` for LOAD_GET. ERR_TOO_BIG when it does not fit. */
enum err load_request_init(struct load_request *request, enum load_kind kind, const char *path,
                           struct why *why) MUST_USE;

/* The bytes to send next; they live until the next call. */
enum err load_request_next(struct load_request *request, struct span *out,
                           struct why *why) MUST_USE;

/* Look at an answer; true when the connection is ready to be measured. */
bool load_request_learn(struct load_request *request, struct span answer) MUST_USE;
