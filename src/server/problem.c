#include "server/problem.h"

#include "base/check.h"
#include "codec/utf8.h"

const char *problem_title(enum err err)
{
    static const char *const titles[ERR_COUNT] = {
        [ERR_OK] = "No error",
        [ERR_AGAIN] = "Try again later",
        [ERR_LINK] = "The other side cannot be reached",
        [ERR_STORAGE] = "Storage failed",
        [ERR_CORRUPT] = "Malformed data",
        [ERR_UNTRUSTED] = "Not trusted",
        [ERR_DENIED] = "Not allowed",
        [ERR_UNSUITABLE] = "Not suitable",
        [ERR_NOT_FOUND] = "Not found",
        [ERR_CONFLICT] = "Conflict",
        [ERR_INVALID] = "Invalid request",
        [ERR_TOO_BIG] = "Too large",
    };

    CHECK(err < ERR_COUNT && titles[err]);
    return titles[err];
}

/* A JSON string with quotes. Sentences quote what was asked for, which may be any bytes. */
static void put_text(struct buf *out, struct span text)
{
    buf_text(out, "\"");
    while (text.size > 0) {
        size_t size = utf8_size(text);

        if (text.at[0] == '"' || text.at[0] == '\\')
            buf_byte(out, '\\');
        if (size == 0) {
            buf_text(out, UTF8_REPLACEMENT);
            size = 1;
        } else if (text.at[0] < 0x20) {
            buf_text(out, "\\u00");
            buf_hex(out, (struct span){text.at, 1});
        } else {
            buf_put(out, text.at, size);
        }
        text.at += size;
        text.size -= size;
    }
    buf_text(out, "\"");
}

void problem_print(const struct problem *problem, struct buf *out)
{
    buf_text(out, "{\"type\":\"urn:slipway:error:");
    buf_text(out, err_name(problem->err));
    buf_text(out, "\",\"title\":");
    put_text(out, span_of(problem_title(problem->err)));
    buf_text(out, ",\"status\":");
    buf_uint(out, problem->status);
    buf_text(out, ",\"detail\":");
    put_text(out, span_of(problem->sentence));
    if (problem->field && problem->field[0] != '\0') {
        buf_text(out, ",\"field\":");
        put_text(out, span_of(problem->field));
    }
    if (problem->column > 0) {
        buf_text(out, ",\"column\":");
        buf_uint(out, problem->column);
    }
    buf_text(out, "}");
}
