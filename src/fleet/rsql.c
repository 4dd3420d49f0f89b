#include "fleet/rsql.h"

#define VALUE_SIZE 512u /* bytes of one value */

struct rsql {
    struct span text;
    size_t at;
    unsigned depth;
    struct buf *out;
    struct rsql_fault *fault;
};

struct value {
    uint8_t bytes[VALUE_SIZE];
    size_t size;
    bool wild;    /* a "*" that stands for any text */
    bool literal; /* a "\*" or a "?", which a pattern cannot hold */
    bool quoted;
};

enum rsql_operator {
    IS,
    IS_NOT,
    BELOW,
    UP_TO,
    ABOVE,
    FROM,
    IN,
    OUT_OF
};

static enum err fail(struct rsql *rsql, enum rsql_fault_kind kind, size_t at)
{
    *rsql->fault = (struct rsql_fault){kind, (uint32_t)at + 1};
    return ERR_INVALID;
}

static void skip_blanks(struct rsql *rsql)
{
    while (rsql->at < rsql->text.size &&
           (rsql->text.at[rsql->at] == ' ' || rsql->text.at[rsql->at] == '\t'))
        rsql->at++;
}

static bool at_end(const struct rsql *rsql)
{
    return rsql->at == rsql->text.size;
}

static bool take(struct rsql *rsql, const char *word)
{
    struct span rest = {rsql->text.at + rsql->at, rsql->text.size - rsql->at};

    if (!span_begins(rest, word))
        return false;
    rsql->at += span_of(word).size;
    return true;
}

/* "and" and "or", with a blank or parenthesis behind. */
static bool take_keyword(struct rsql *rsql, const char *word)
{
    size_t from = rsql->at;

    if (!take(rsql, word))
        return false;
    if (!at_end(rsql) && (rsql->text.at[rsql->at] == ' ' || rsql->text.at[rsql->at] == '('))
        return true;
    rsql->at = from;
    return false;
}

static bool is_reserved(uint8_t byte)
{
    static const char reserved[] = "\"'();,=!~<> \t";

    for (size_t i = 0; i < sizeof reserved - 1; i++) {
        if (byte == (uint8_t)reserved[i])
            return true;
    }
    return byte < 0x20 || byte == 0x7f;
}

/* ---- fields ---- */

static struct span lower(struct span word, char *to, size_t to_size)
{
    size_t size = word.size < to_size ? word.size : to_size;

    for (size_t i = 0; i < size; i++) {
        uint8_t byte = word.at[i];

        to[i] = (char)(byte >= 'A' && byte <= 'Z' ? byte - 'A' + 'a' : byte);
    }
    return (struct span){(const uint8_t *)to, size};
}

/* What a FIELD of the selector may consist of. */
static bool is_field(struct span key)
{
    for (size_t i = 0; i < key.size; i++) {
        uint8_t byte = key.at[i];
        bool letter = (byte | 0x20) >= 'a' && (byte | 0x20) <= 'z';
        bool other = (byte >= '0' && byte <= '9') || byte == '_' || byte == '.' || byte == '-';

        if (!letter && !(other && i > 0))
            return false;
    }
    return key.size > 0;
}

static bool is_keyword(struct span key)
{
    static const char *const words[] = {"all", "and", "has", "in", "not", "or"};
    char room[8];
    struct span low = lower(key, room, sizeof room);

    for (size_t i = 0; i < COUNT_OF(words); i++) {
        if (key.size < sizeof room && span_is(low, words[i]))
            return true;
    }
    return false;
}

static enum err read_field(struct rsql *rsql, struct span *out)
{
    static const struct {
        const char *theirs, *ours;
    } fields[] = {{"id", "name"},
                  {"controllerid", "name"},
                  {"name", "name"},
                  {"tag", "tag"},
                  {"group", "group"},
                  {"installedds.name", "product"},
                  {"installedds.version", "version"}};
    static const char prefix[] = "attribute.";
    size_t from = rsql->at;
    char room[64];
    struct span word, low;

    while (!at_end(rsql) && !is_reserved(rsql->text.at[rsql->at]))
        rsql->at++;
    word = (struct span){rsql->text.at + from, rsql->at - from};
    if (word.size == 0)
        return fail(rsql, RSQL_SYNTAX, from);
    low = lower(word, room, sizeof room);
    for (size_t i = 0; i < COUNT_OF(fields); i++) {
        if (word.size < sizeof room && span_is(low, fields[i].theirs)) {
            *out = span_of(fields[i].ours);
            return ERR_OK;
        }
    }
    if (!span_begins(low, prefix))
        return fail(rsql, RSQL_FIELD, from);
    *out = (struct span){word.at + sizeof prefix - 1, word.size - (sizeof prefix - 1)};
    if (!is_field(*out) || is_keyword(*out))
        return fail(rsql, RSQL_FIELD, from);
    return ERR_OK;
}

/* ---- operators and values ---- */

static enum err read_operator(struct rsql *rsql, enum rsql_operator *out, bool *null_word)
{
    static const struct {
        const char *text;
        enum rsql_operator op;
        bool null_word;
    } operators[] = {{"==", IS, false},      {"!=", IS_NOT, false},    {"=lt=", BELOW, false},
                     {"=le=", UP_TO, false}, {"=gt=", ABOVE, false},   {"=ge=", FROM, false},
                     {"=in=", IN, false},    {"=out=", OUT_OF, false}, {"=is=", IS, true},
                     {"=eq=", IS, true},     {"=not=", IS_NOT, true},  {"=ne=", IS_NOT, true},
                     {"<=", UP_TO, false},   {"<", BELOW, false},      {">=", FROM, false},
                     {">", ABOVE, false}};

    skip_blanks(rsql);
    for (size_t i = 0; i < COUNT_OF(operators); i++) {
        if (take(rsql, operators[i].text)) {
            *out = operators[i].op;
            *null_word = operators[i].null_word;
            skip_blanks(rsql);
            return ERR_OK;
        }
    }
    return fail(rsql, RSQL_SYNTAX, rsql->at);
}

static bool add_byte(struct value *value, uint8_t byte, bool escaped)
{
    if (value->size == VALUE_SIZE)
        return false;
    value->bytes[value->size++] = byte;
    if (byte == '*')
        *(escaped ? &value->literal : &value->wild) = true;
    if (byte == '?')
        value->literal = true;
    return true;
}

static enum err read_value(struct rsql *rsql, struct value *out)
{
    size_t from = rsql->at;
    uint8_t quote = 0;

    *out = (struct value){.size = 0};
    if (!at_end(rsql) && (rsql->text.at[from] == '\'' || rsql->text.at[from] == '"'))
        quote = rsql->text.at[rsql->at++];
    out->quoted = quote != 0;
    while (!at_end(rsql) &&
           (quote ? rsql->text.at[rsql->at] != quote : !is_reserved(rsql->text.at[rsql->at]))) {
        bool escaped = rsql->text.at[rsql->at] == '\\';

        rsql->at += escaped ? 1 : 0;
        if (at_end(rsql) || rsql->text.at[rsql->at] < 0x20 || rsql->text.at[rsql->at] == 0x7f)
            return fail(rsql, RSQL_SYNTAX, rsql->at);
        if (!add_byte(out, rsql->text.at[rsql->at], escaped))
            return fail(rsql, RSQL_VALUE, from);
        rsql->at++;
    }
    if (quote && at_end(rsql))
        return fail(rsql, RSQL_SYNTAX, from);
    rsql->at += quote ? 1 : 0;
    if (!quote && out->size == 0)
        return fail(rsql, RSQL_SYNTAX, from);
    return ERR_OK;
}

/* ---- writing ---- */

static void put_value(struct buf *out, const struct value *value)
{
    buf_byte(out, '"');
    for (size_t i = 0; i < value->size; i++) {
        if (value->bytes[i] == '"' || value->bytes[i] == '\\')
            buf_byte(out, '\\');
        buf_byte(out, value->bytes[i]);
    }
    buf_byte(out, '"');
}

static void put_test(struct buf *out, struct span field, const char *operator,
                     const struct value * value)
{
    buf_span(out, field);
    buf_text(out, operator);
    put_value(out, value);
}

/* Also of a field that is not there at all. */
static void put_absent(struct buf *out, struct span field, bool absent)
{
    buf_text(out, absent ? "(not has " : "(has ");
    buf_span(out, field);
    buf_text(out, absent ? " or " : " and ");
    buf_span(out, field);
    buf_text(out, absent ? " = \"\")" : " != \"\")");
}

static bool is_null(const struct value *value, bool null_word)
{
    static const uint8_t word[4] = {'n', 'u', 'l', 'l'};

    if (value->size == 0)
        return true;
    return null_word && !value->quoted && value->size == sizeof word &&
           memcmp(value->bytes, word, sizeof word) == 0;
}

static enum err put_equal(struct rsql *rsql, struct span field, bool equal, bool null_word)
{
    size_t from = rsql->at;
    struct value value;

    TRY(read_value(rsql, &value));
    if (is_null(&value, null_word)) {
        put_absent(rsql->out, field, equal);
        return ERR_OK;
    }
    if (value.wild && value.literal)
        return fail(rsql, RSQL_VALUE, from); /* our patterns have no way to say that */
    if (value.wild)
        put_test(rsql->out, field, equal ? " ~ " : " !~ ", &value);
    else
        put_test(rsql->out, field, equal ? " = " : " != ", &value);
    return ERR_OK;
}

static enum err put_order(struct rsql *rsql, struct span field, const char *operator)
{
    struct value value;

    TRY(read_value(rsql, &value));
    put_test(rsql->out, field, operator, & value);
    return ERR_OK;
}

static enum err put_list(struct rsql *rsql, struct span field, const char *operator)
{
    struct value value;

    if (!take(rsql, "("))
        return fail(rsql, RSQL_SYNTAX, rsql->at);
    buf_span(rsql->out, field);
    buf_text(rsql->out, operator);
    do {
        skip_blanks(rsql);
        TRY(read_value(rsql, &value));
        put_value(rsql->out, &value);
        skip_blanks(rsql);
        if (take(rsql, ")")) {
            buf_byte(rsql->out, ')');
            return ERR_OK;
        }
        buf_text(rsql->out, ", ");
    } while (take(rsql, ","));
    return fail(rsql, RSQL_SYNTAX, rsql->at);
}

static enum err read_test(struct rsql *rsql)
{
    struct span field;
    enum rsql_operator operator;
    bool null_word;

    TRY(read_field(rsql, &field));
    TRY(read_operator(rsql, &operator, & null_word));
    switch (operator) {
    case IS:
    case IS_NOT:
        return put_equal(rsql, field, operator== IS, null_word);
    case BELOW:
        return put_order(rsql, field, " < ");
    case UP_TO:
        return put_order(rsql, field, " <= ");
    case ABOVE:
        return put_order(rsql, field, " > ");
    case FROM:
        return put_order(rsql, field, " >= ");
    case IN:
        return put_list(rsql, field, " in (");
    case OUT_OF:
        break;
    }
    return put_list(rsql, field, " not in (");
}

/* Behind a test: close parentheses, then an operator or the end. *more: another test follows. */
static enum err between(struct rsql *rsql, bool *more)
{
    skip_blanks(rsql);
    while (rsql->depth > 0 && take(rsql, ")")) {
        rsql->depth--;
        buf_byte(rsql->out, ')');
        skip_blanks(rsql);
    }
    *more = true;
    if (take(rsql, ";") || take_keyword(rsql, "and"))
        buf_text(rsql->out, " and ");
    else if (take(rsql, ",") || take_keyword(rsql, "or"))
        buf_text(rsql->out, " or ");
    else if (at_end(rsql) && rsql->depth == 0)
        *more = false;
    else
        return fail(rsql, RSQL_SYNTAX, rsql->at);
    return ERR_OK;
}

enum err rsql_to_selector(struct span text, struct buf *out, struct rsql_fault *fault)
{
    struct rsql rsql = {.text = text, .out = out, .fault = fault};
    bool more = true;

    if (text.size > RSQL_SIZE_MAX)
        return ERR_TOO_BIG;
    while (more) {
        skip_blanks(&rsql);
        while (take(&rsql, "(")) {
            if (++rsql.depth > RSQL_DEPTH_MAX)
                return ERR_TOO_BIG;
            buf_byte(out, '(');
            skip_blanks(&rsql);
        }
        TRY(read_test(&rsql));
        TRY(between(&rsql, &more));
    }
    return out->overflow ? ERR_TOO_BIG : ERR_OK;
}
