/* RFC 8259. */
#include "codec/tree.h"

static void skip_blanks(struct tree_builder *json)
{
    while (json->at < json->end &&
           (*json->at == ' ' || *json->at == '\t' || *json->at == '\n' || *json->at == '\r'))
        json->at++;
}

static bool take(struct tree_builder *json, uint8_t byte)
{
    if (json->at == json->end || *json->at != byte)
        return false;
    json->at++;
    return true;
}

static bool take_word(struct tree_builder *json, const char *word)
{
    const uint8_t *at = json->at;

    for (; *word != '\0'; word++, at++) {
        if (at == json->end || *at != (uint8_t)*word)
            return false;
    }
    json->at = at;
    return true;
}

/* ---- texts ---- */

static enum err take_hex4(struct tree_builder *json, uint32_t *out)
{
    uint32_t value = 0;

    if (json->end - json->at < 4)
        return ERR_CORRUPT;
    for (int i = 0; i < 4; i++) {
        uint8_t byte = *json->at++;
        uint32_t digit;

        if (byte >= '0' && byte <= '9')
            digit = (uint32_t)(byte - '0');
        else if ((byte | 0x20) >= 'a' && (byte | 0x20) <= 'f')
            digit = (uint32_t)((byte | 0x20) - 'a' + 10);
        else
            return ERR_CORRUPT;
        value = value << 4 | digit;
    }
    *out = value;
    return ERR_OK;
}

static void put_utf8(struct buf *to, uint32_t point)
{
    if (point < 0x80) {
        buf_byte(to, (uint8_t)point);
    } else if (point < 0x800) {
        buf_byte(to, (uint8_t)(0xc0 | point >> 6));
        buf_byte(to, (uint8_t)(0x80 | (point & 0x3f)));
    } else if (point < 0x10000) {
        buf_byte(to, (uint8_t)(0xe0 | point >> 12));
        buf_byte(to, (uint8_t)(0x80 | (point >> 6 & 0x3f)));
        buf_byte(to, (uint8_t)(0x80 | (point & 0x3f)));
    } else {
        buf_byte(to, (uint8_t)(0xf0 | point >> 18));
        buf_byte(to, (uint8_t)(0x80 | (point >> 12 & 0x3f)));
        buf_byte(to, (uint8_t)(0x80 | (point >> 6 & 0x3f)));
        buf_byte(to, (uint8_t)(0x80 | (point & 0x3f)));
    }
}

/* Behind "\u"; NUL and lone surrogates are refused: no text of ours may hold them. */
static enum err take_escaped_point(struct tree_builder *json)
{
    uint32_t point, low;

    TRY(take_hex4(json, &point));
    if (point >= 0xd800 && point < 0xdc00) {
        if (!take_word(json, "\\u"))
            return ERR_CORRUPT;
        TRY(take_hex4(json, &low));
        if (low < 0xdc00 || low >= 0xe000)
            return ERR_CORRUPT;
        point = 0x10000 + ((point - 0xd800) << 10) + (low - 0xdc00);
    } else if (point == 0 || (point >= 0xdc00 && point < 0xe000)) {
        return ERR_CORRUPT;
    }
    put_utf8(json->tree->texts, point);
    return ERR_OK;
}

static enum err take_escape(struct tree_builder *json)
{
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";

    if (json->at == json->end)
        return ERR_CORRUPT;
    if (take(json, 'u'))
        return take_escaped_point(json);
    for (size_t i = 0; i < sizeof from - 1; i++) {
        if (take(json, (uint8_t)from[i])) {
            buf_byte(json->tree->texts, (uint8_t)to[i]);
            return ERR_OK;
        }
    }
    return ERR_CORRUPT;
}

/* Behind the opening quote. */
static enum err take_text(struct tree_builder *json, struct span *out)
{
    size_t from = json->tree->texts->size;

    while (json->at < json->end && *json->at != '"') {
        uint8_t byte = *json->at++;

        if (byte < 0x20)
            return ERR_CORRUPT;
        if (byte == '\\')
            TRY(take_escape(json));
        else
            buf_byte(json->tree->texts, byte);
    }
    if (!take(json, '"'))
        return ERR_CORRUPT;
    return tree_text_from(json->tree, from, out);
}

/* ---- numbers ---- */

static size_t skip_digits(struct tree_builder *json)
{
    const uint8_t *from = json->at;

    while (json->at < json->end && *json->at >= '0' && *json->at <= '9')
        json->at++;
    return (size_t)(json->at - from);
}

static bool skip_rest_of_number(struct tree_builder *json, bool *whole)
{
    if (take(json, '.')) {
        *whole = false;
        if (skip_digits(json) == 0)
            return false;
    }
    if (take(json, 'e') || take(json, 'E')) {
        *whole = false;
        if (!take(json, '+'))
            (void)take(json, '-');
        return skip_digits(json) > 0;
    }
    return true;
}

/* False when it does not fit. */
static bool value_of(const uint8_t *at, const uint8_t *end, bool negative, int64_t *out)
{
    uint64_t limit = (uint64_t)INT64_MAX + (negative ? 1u : 0u), value = 0;

    for (; at < end; at++) {
        uint64_t digit = (uint64_t)(*at - '0');

        if (value > (limit - digit) / 10)
            return false;
        value = value * 10 + digit;
    }
    *out = negative ? (int64_t)(0 - value) : (int64_t)value;
    return true;
}

static enum err take_number(struct tree_builder *json)
{
    const uint8_t *from = json->at, *digits;
    bool negative = take(json, '-');
    struct tree_node *node;
    bool whole = true;
    size_t count;

    digits = json->at;
    count = skip_digits(json);
    if (count == 0 || (count > 1 && *digits == '0'))
        return ERR_CORRUPT;
    if (!skip_rest_of_number(json, &whole))
        return ERR_CORRUPT;
    TRY(tree_add(json, TREE_NUMBER, &node));
    node->text = (struct span){from, (size_t)(json->at - from)};
    node->whole = whole && value_of(digits, json->at, negative, &node->number);
    return ERR_OK;
}

/* ---- values ---- */

static enum err take_scalar(struct tree_builder *json)
{
    struct tree_node *node;
    struct span text;

    if (take(json, '"')) {
        TRY(take_text(json, &text));
        TRY(tree_add(json, TREE_TEXT, &node));
        node->text = text;
        return ERR_OK;
    }
    if (take_word(json, "null"))
        return tree_add(json, TREE_NULL, &node);
    if (take_word(json, "true")) {
        TRY(tree_add(json, TREE_BOOL, &node));
        node->number = 1;
        return ERR_OK;
    }
    if (take_word(json, "false"))
        return tree_add(json, TREE_BOOL, &node);
    return take_number(json);
}

static enum err take_key(struct tree_builder *json)
{
    struct span name;

    skip_blanks(json);
    if (!take(json, '"'))
        return ERR_CORRUPT;
    TRY(take_text(json, &name));
    skip_blanks(json);
    if (!take(json, ':'))
        return ERR_CORRUPT;
    json->name = name;
    return ERR_OK;
}

static bool in_map(const struct tree_builder *json)
{
    return json->tree->nodes[json->open[json->depth - 1]].kind == TREE_MAP;
}

/* Behind a value: close what ends here. *more: another value follows. */
static enum err after_value(struct tree_builder *json, bool *more)
{
    while (json->depth > 0) {
        skip_blanks(json);
        if (take(json, ',')) {
            *more = true;
            return in_map(json) ? take_key(json) : ERR_OK;
        }
        if (!take(json, in_map(json) ? '}' : ']'))
            return ERR_CORRUPT;
        json->depth--;
    }
    *more = false;
    return ERR_OK;
}

/* *whole: a value is complete; otherwise a container with something inside has been opened. */
static enum err take_value(struct tree_builder *json, bool *whole)
{
    skip_blanks(json);
    *whole = true;
    if (take(json, '{')) {
        TRY(tree_open(json, TREE_MAP));
        skip_blanks(json);
        *whole = take(json, '}');
        json->depth -= *whole ? 1 : 0;
        return *whole ? ERR_OK : take_key(json);
    }
    if (take(json, '[')) {
        TRY(tree_open(json, TREE_LIST));
        skip_blanks(json);
        *whole = take(json, ']');
        json->depth -= *whole ? 1 : 0;
        return ERR_OK;
    }
    return take_scalar(json);
}

enum err tree_read_json(struct span bytes, struct tree *tree)
{
    struct tree_builder json = tree_build(bytes, tree);
    bool more = true, whole;

    while (more) {
        TRY(take_value(&json, &whole));
        if (whole)
            TRY(after_value(&json, &more));
    }
    skip_blanks(&json);
    return json.at == json.end ? ERR_OK : ERR_CORRUPT;
}
