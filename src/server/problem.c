#include "server/problem.h"

#include "codec/utf8.h"

const char *problem_title(enum err err)
{
    switch (err) {
    case ERR_AGAIN:
        return "Try again later";
    case ERR_LINK:
        return "The other side cannot be reached";
    case ERR_STORAGE:
        return "Storage failed";
    case ERR_CORRUPT:
        return "Malformed data";
    case ERR_UNTRUSTED:
        return "Not trusted";
    case ERR_DENIED:
        return "Not allowed";
    case ERR_UNSUITABLE:
        return "Not suitable";
    case ERR_UNHEALTHY:
        return "Not healthy";
    case ERR_NOT_FOUND:
        return "Not found";
    case ERR_CONFLICT:
        return "Conflict";
    case ERR_INVALID:
        return "Invalid request";
    case ERR_TOO_BIG:
        return "Too large";
    case ERR_OK:
    case ERR_COUNT:
    default:
        return "Failed";
    }
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
