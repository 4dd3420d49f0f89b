#include "codec/multipart.h"

enum state {
    STATE_DATA,    /* of a part; at first of the preamble, which must be empty */
    STATE_TAIL,    /* the two bytes behind a boundary */
    STATE_HEADERS, /* of a part */
    STATE_END,
};

static size_t length(const char *text)
{
    size_t size = 0;

    while (text[size] != '\0')
        size++;
    return size;
}

static uint8_t lower(uint8_t byte)
{
    return byte >= 'A' && byte <= 'Z' ? (uint8_t)(byte - 'A' + 'a') : byte;
}

/* Whether `text` has `word`, in any case, at `at`. */
static bool has_at(struct span text, size_t at, const char *word)
{
    size_t size = length(word);

    if (at > text.size || text.size - at < size)
        return false;
    for (size_t i = 0; i < size; i++) {
        if (lower(text.at[at + i]) != (uint8_t)word[i])
            return false;
    }
    return true;
}

static bool is_boundary_character(uint8_t byte)
{
    return (byte >= '0' && byte <= '9') || (lower(byte) >= 'a' && lower(byte) <= 'z') ||
           byte == '\'' || byte == '(' || byte == ')' || byte == '+' || byte == '_' ||
           byte == ',' || byte == '-' || byte == '.' || byte == '/' || byte == ':' || byte == '=' ||
           byte == '?';
}

/* The value of a parameter at the start of `text`, quoted or not. */
static struct span value_of(struct span text)
{
    bool quoted = text.size > 0 && text.at[0] == '"';
    size_t from = quoted ? 1 : 0, to = from;

    while (to < text.size && (quoted ? text.at[to] != '"' : is_boundary_character(text.at[to])))
        to++;
    if (quoted && to == text.size)
        return (struct span){text.at, 0};
    return (struct span){text.at + from, to - from};
}

static bool find_parameter(struct span text, const char *name, struct span *out)
{
    for (size_t at = 0; at < text.size; at++) {
        if (text.at[at] != ';')
            continue;
        while (at + 1 < text.size && (text.at[at + 1] == ' ' || text.at[at + 1] == '\t'))
            at++;
        if (has_at(text, at + 1, name)) {
            size_t from = at + 1 + length(name);

            *out = value_of((struct span){text.at + from, text.size - from});
            return true;
        }
    }
    return false;
}

bool multipart_init(struct multipart *multipart, struct span content_type)
{
    struct span boundary;

    *multipart = (struct multipart){.state = STATE_DATA};
    if (!has_at(content_type, 0, "multipart/form-data") ||
        !find_parameter(content_type, "boundary=", &boundary) || boundary.size == 0 ||
        boundary.size > MULTIPART_BOUNDARY_MAX)
        return false;
    for (size_t i = 0; i < boundary.size; i++) {
        if (!is_boundary_character(boundary.at[i]))
            return false;
    }
    memcpy(multipart->delimiter, "\r\n--", 4);
    memcpy(multipart->delimiter + 4, boundary.at, boundary.size);
    multipart->delimiter_size = 4 + boundary.size;
    multipart->matched = 2; /* as if an empty line stood in front */
    return true;
}

bool multipart_is_complete(const struct multipart *multipart)
{
    return multipart->state == STATE_END;
}

static void skip(struct span *in, size_t size)
{
    *in = (struct span){in->at + size, in->size - size};
}

/* The bytes in front of what may be a delimiter. A CR is only at its start, so a match that fails
 * begins anew at the byte that broke it. */
static enum err in_data(struct multipart *multipart, struct span *in, enum multipart_event *event,
                        struct span *data)
{
    size_t at = 0;

    if (multipart->held > 0) {
        *data = (struct span){(const uint8_t *)multipart->delimiter, multipart->held};
        multipart->held = 0;
        *event = MULTIPART_DATA;
        return multipart->started ? ERR_OK : ERR_CORRUPT;
    }
    while (at < in->size && multipart->matched < multipart->delimiter_size) {
        if (in->at[at] == (uint8_t)multipart->delimiter[multipart->matched]) {
            /* What stands in front goes out first. */
            if (multipart->matched == 0 && at > 0)
                break;
            multipart->matched++;
            at++;
        } else if (multipart->matched > 0) {
            multipart->held = multipart->matched;
            multipart->matched = 0;
            skip(in, at);
            return ERR_OK;
        } else {
            at++;
        }
    }
    if (multipart->matched == 0 && at > 0) {
        *data = (struct span){in->at, at};
        *event = MULTIPART_DATA;
    }
    skip(in, at);
    if (multipart->matched == multipart->delimiter_size) {
        multipart->matched = 0;
        multipart->state = STATE_TAIL;
        if (multipart->started)
            *event = MULTIPART_DONE;
    }
    return *event != MULTIPART_DATA || multipart->started ? ERR_OK : ERR_CORRUPT;
}

static enum err in_tail(struct multipart *multipart, struct span *in)
{
    multipart->tail[multipart->tail_size++] = (char)in->at[0];
    skip(in, 1);
    if (multipart->tail_size < 2)
        return ERR_OK;
    multipart->tail_size = 0;
    multipart->headers_size = 0;
    if (multipart->tail[0] == '-' && multipart->tail[1] == '-')
        multipart->state = STATE_END;
    else if (multipart->tail[0] == '\r' && multipart->tail[1] == '\n')
        multipart->state = STATE_HEADERS;
    else
        return ERR_CORRUPT;
    return ERR_OK;
}

/* Its name, from all its headers. */
static enum err take_headers(struct multipart *multipart)
{
    struct span text = {(const uint8_t *)multipart->headers, multipart->headers_size}, name;

    for (size_t at = 0; at < text.size; at++) {
        size_t end = at;

        while (end < text.size && text.at[end] != '\r')
            end++;
        if (has_at(text, at, "content-disposition:") &&
            find_parameter((struct span){text.at + at, end - at}, "name=", &name) &&
            name.size > 0 && span_to_text(name, multipart->name, sizeof multipart->name))
            return ERR_OK;
        at = end + 1; /* at the LF */
    }
    return ERR_CORRUPT;
}

static enum err in_headers(struct multipart *multipart, struct span *in,
                           enum multipart_event *event)
{
    char *headers = multipart->headers;
    size_t size;

    if (multipart->headers_size == MULTIPART_HEADERS_MAX)
        return ERR_TOO_BIG;
    headers[multipart->headers_size++] = (char)in->at[0];
    skip(in, 1);
    size = multipart->headers_size;
    if (size < 4 || memcmp(headers + size - 4, "\r\n\r\n", 4) != 0)
        return ERR_OK;
    TRY(take_headers(multipart));
    multipart->started = true;
    multipart->state = STATE_DATA;
    *event = MULTIPART_PART;
    return ERR_OK;
}

enum err multipart_step(struct multipart *multipart, struct span *in, enum multipart_event *event,
                        struct span *data)
{
    *event = MULTIPART_MORE;
    while (*event == MULTIPART_MORE && (in->size > 0 || multipart->held > 0)) {
        switch ((enum state)multipart->state) {
        case STATE_DATA:
            TRY(in_data(multipart, in, event, data));
            break;
        case STATE_TAIL:
            TRY(in_tail(multipart, in));
            break;
        case STATE_HEADERS:
            TRY(in_headers(multipart, in, event));
            break;
        case STATE_END: /* an epilogue says nothing */
            skip(in, in->size);
            break;
        }
    }
    return ERR_OK;
}
