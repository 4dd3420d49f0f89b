/* Text to tree: a lexer that hands out one token at a time, and a parser with two explicit
 * stacks (operators, operands) instead of recursion.
 *
 * Source of the method: Dijkstra, "Algol 60 translation" (1961), the shunting yard. */
#include "base/check.h"
#include "codec/version.h"
#include "fleet/selector.h"
#include "fleet/selector_number.h"

enum token_kind {
    TOKEN_END,
    TOKEN_WORD,
    TOKEN_TEXT, /* quoted; `span` is what stands between the quotes */
    TOKEN_OPEN,
    TOKEN_CLOSE,
    TOKEN_COMMA,
    TOKEN_OPERATOR, /* `test` and `negated` say which */
    TOKEN_KEYWORD,  /* `keyword` says which */
};

enum keyword {
    KEYWORD_ALL,
    KEYWORD_AND,
    KEYWORD_HAS,
    KEYWORD_IN,
    KEYWORD_NOT,
    KEYWORD_OR
};

struct token {
    enum token_kind kind;
    enum keyword keyword;
    enum selector_kind test;
    bool negated;
    struct span span;
    size_t at; /* offset in the text */
};

enum pending_kind {
    PENDING_PAREN,
    PENDING_OR,
    PENDING_AND,
    PENDING_NOT
}; /* by precedence */

struct parser {
    struct span text;
    size_t at; /* offset of the next byte to read */
    struct token token;
    struct selector *out;
    struct selector_fault *fault;
    struct why *why;
    struct {
        uint8_t kind;
        uint16_t at; /* offset, for "this parenthesis is never closed" */
    } pending[SELECTOR_DEPTH_MAX];
    size_t pending_count;
    uint16_t operands[SELECTOR_DEPTH_MAX];
    size_t operand_count;
};

static enum err fail(struct parser *parser, enum err err, size_t at, const char *text)
{
    char sentence[WHY_TEXT_MAX];
    struct buf buf = buf_over(sentence, sizeof sentence);

    if (parser->fault)
        parser->fault->column = (uint32_t)at + 1;
    buf_text(&buf, "column ");
    buf_uint(&buf, at + 1);
    buf_text(&buf, ": ");
    buf_text(&buf, text);
    why_say(parser->why, "selector", buf_finish_text(&buf));
    return err;
}

static enum err fail_here(struct parser *parser, const char *text)
{
    return fail(parser, ERR_INVALID, parser->token.at, text);
}

/* --- lexer --- */

static bool is_letter(uint8_t byte)
{
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || byte == '_';
}

static bool is_digit(uint8_t byte)
{
    return byte >= '0' && byte <= '9';
}

static bool is_in_field(uint8_t byte)
{
    return is_letter(byte) || is_digit(byte) || byte == '.' || byte == '-';
}

static bool is_in_word(uint8_t byte)
{
    return is_in_field(byte) || byte == '+' || byte == ':' || byte == '@' || byte == '/';
}

static bool is_keyword(struct span word, const char *keyword)
{
    size_t i = 0;

    for (; i < word.size && keyword[i] != '\0'; i++) {
        uint8_t byte = word.at[i];

        if (byte >= 'A' && byte <= 'Z')
            byte = (uint8_t)(byte - 'A' + 'a');
        if (byte != (uint8_t)keyword[i])
            return false;
    }
    return i == word.size && keyword[i] == '\0';
}

static enum err lex_word(struct parser *parser, struct token *token)
{
    static const char *const keywords[] = {
        [KEYWORD_ALL] = "all", [KEYWORD_AND] = "and", [KEYWORD_HAS] = "has",
        [KEYWORD_IN] = "in",   [KEYWORD_NOT] = "not", [KEYWORD_OR] = "or",
    };

    while (parser->at < parser->text.size && is_in_word(parser->text.at[parser->at]))
        parser->at++;
    token->kind = TOKEN_WORD;
    token->span = (struct span){parser->text.at + token->at, parser->at - token->at};
    for (size_t i = 0; i < COUNT_OF(keywords); i++) {
        if (is_keyword(token->span, keywords[i])) {
            token->kind = TOKEN_KEYWORD;
            token->keyword = (enum keyword)i;
        }
    }
    return ERR_OK;
}

static enum err lex_text(struct parser *parser, struct token *token)
{
    token->kind = TOKEN_TEXT;
    for (parser->at++; parser->at < parser->text.size; parser->at++) {
        uint8_t byte = parser->text.at[parser->at];

        if (byte < 0x20 || byte == 0x7f)
            return fail(parser, ERR_INVALID, parser->at,
                        "a control character cannot stand in text");
        if (byte == '"') {
            token->span =
                (struct span){parser->text.at + token->at + 1, parser->at - token->at - 1};
            parser->at++;
            return ERR_OK;
        }
        if (byte != '\\')
            continue;
        parser->at++;
        if (parser->at == parser->text.size)
            break;
        if (parser->text.at[parser->at] != '"' && parser->text.at[parser->at] != '\\')
            return fail(parser, ERR_INVALID, parser->at - 1, "only \\\" and \\\\ may be escaped");
    }
    return fail(parser, ERR_INVALID, token->at, "this quote is never closed");
}

/* clang-format off */
static const struct {
    char text[3];
    uint8_t test;
    bool negated;
} operators[] = { /* longer ones first */
    {"!=", SELECTOR_EQUAL,         true},
    {"!~", SELECTOR_LIKE,          true},
    {"<=", SELECTOR_LESS_EQUAL,    false},
    {">=", SELECTOR_GREATER_EQUAL, false},
    {"==", SELECTOR_EQUAL,         false}, /* a habit of programmers; printed as "=" */
    {"=",  SELECTOR_EQUAL,         false},
    {"<",  SELECTOR_LESS,          false},
    {">",  SELECTOR_GREATER,       false},
    {"~",  SELECTOR_LIKE,          false},
};
/* clang-format on */

static enum err lex_symbol(struct parser *parser, struct token *token)
{
    struct span rest = {parser->text.at + parser->at, parser->text.size - parser->at};
    uint8_t byte = rest.at[0];

    if (byte == '(' || byte == ')' || byte == ',') {
        token->kind = byte == '(' ? TOKEN_OPEN : byte == ')' ? TOKEN_CLOSE : TOKEN_COMMA;
        parser->at++;
        return ERR_OK;
    }
    for (size_t i = 0; i < COUNT_OF(operators); i++) {
        struct span symbol = span_of(operators[i].text);

        if (rest.size < symbol.size || memcmp(rest.at, symbol.at, symbol.size) != 0)
            continue;
        token->kind = TOKEN_OPERATOR;
        token->test = (enum selector_kind)operators[i].test;
        token->negated = operators[i].negated;
        parser->at += symbol.size;
        return ERR_OK;
    }
    if (byte == '&' || byte == '|')
        return fail(parser, ERR_INVALID, parser->at, "write \"and\" and \"or\" as words");
    if (byte == '!')
        return fail(parser, ERR_INVALID, parser->at, "write \"not\" as a word, or != for a value");
    if (byte == '\'')
        return fail(parser, ERR_INVALID, parser->at, "texts stand in double quotes");
    return fail(parser, ERR_INVALID, parser->at, "this character has no meaning here");
}

/* Read the next token into parser->token. */
static enum err next(struct parser *parser)
{
    struct token token = {.kind = TOKEN_END};
    uint8_t byte;

    while (parser->at < parser->text.size &&
           (parser->text.at[parser->at] == ' ' || parser->text.at[parser->at] == '\t' ||
            parser->text.at[parser->at] == '\n' || parser->text.at[parser->at] == '\r'))
        parser->at++;
    token.at = parser->at;
    if (parser->at < parser->text.size) {
        byte = parser->text.at[parser->at];
        if (byte == '"')
            TRY(lex_text(parser, &token));
        else if (is_in_word(byte))
            TRY(lex_word(parser, &token));
        else
            TRY(lex_symbol(parser, &token));
    }
    parser->token = token;
    return ERR_OK;
}

static bool at_keyword(const struct parser *parser, enum keyword keyword)
{
    return parser->token.kind == TOKEN_KEYWORD && parser->token.keyword == keyword;
}

/* --- nodes --- */

/* The node's index is the count before. */
static enum err add_node(struct parser *parser, struct selector_node node)
{
    if (parser->out->count == SELECTOR_NODES_MAX)
        return fail(parser, ERR_TOO_BIG, parser->token.at, "the selector has too many parts");
    parser->out->nodes[parser->out->count++] = node;
    return ERR_OK;
}

static enum err push_operand(struct parser *parser, uint16_t index)
{
    if (parser->operand_count == SELECTOR_DEPTH_MAX)
        return fail(parser, ERR_TOO_BIG, parser->token.at, "the selector is nested too deeply");
    parser->operands[parser->operand_count++] = index;
    return ERR_OK;
}

static uint16_t pop_operand(struct parser *parser)
{
    CHECK(parser->operand_count > 0);
    return parser->operands[--parser->operand_count];
}

/* Copies `text` into the tree, escapes resolved when it was quoted. It always fits: the copy is
 * never longer than the source, which was measured before. */
static void keep_text(struct parser *parser, struct span text, bool quoted,
                      struct selector_node *node)
{
    struct selector *out = parser->out;

    node->at = out->text_size;
    for (size_t i = 0; i < text.size; i++) {
        if (quoted && text.at[i] == '\\')
            i++;
        CHECK(out->text_size < SELECTOR_SIZE_MAX);
        out->text[out->text_size++] = (char)text.at[i];
    }
    node->size = (uint16_t)(out->text_size - node->at);
}

/* --- terms --- */

static enum err expect_field(struct parser *parser, struct selector_node *node)
{
    struct span field = parser->token.span;

    if (parser->token.kind == TOKEN_TEXT)
        return fail_here(parser, "a field name stands without quotes");
    if (parser->token.kind == TOKEN_KEYWORD)
        return fail_here(parser, "this word is part of the language and cannot be a field");
    if (parser->token.kind != TOKEN_WORD)
        return fail_here(parser, "expected a field name, \"has\", \"not\" or \"(\"");
    if (!is_letter(field.at[0]))
        return fail_here(parser, "a field name begins with a letter");
    for (size_t i = 0; i < field.size; i++)
        if (!is_in_field(field.at[i]))
            return fail(parser, ERR_INVALID, parser->token.at + i,
                        "this character cannot stand in a field name");
    if (span_is(field, "hardware"))
        field = SPAN_LITERAL("hw");
    keep_text(parser, field, false, node);
    return next(parser);
}

static bool is_order(enum selector_kind kind)
{
    return kind == SELECTOR_LESS || kind == SELECTOR_LESS_EQUAL || kind == SELECTOR_GREATER ||
           kind == SELECTOR_GREATER_EQUAL;
}

static enum err expect_value(struct parser *parser, enum selector_kind test)
{
    struct selector_node node = {.kind = SELECTOR_VALUE};
    struct token token = parser->token;
    struct span value;
    int64_t number;

    if (token.kind == TOKEN_KEYWORD)
        return fail_here(parser, "to use this word as a value, put it in double quotes");
    if (token.kind != TOKEN_WORD && token.kind != TOKEN_TEXT)
        return fail_here(parser, "expected a value");
    keep_text(parser, token.span, token.kind == TOKEN_TEXT, &node);
    value = (struct span){(const uint8_t *)parser->out->text + node.at, node.size};
    if (is_order(test) && !selector_number(value, &number) && !version_valid(value))
        return fail_here(parser, "<, <=, > and >= need a whole number or a version");
    TRY(add_node(parser, node));
    return next(parser);
}

/* The parenthesis after "in". */
static enum err expect_set(struct parser *parser)
{
    size_t open = parser->token.at;

    if (parser->token.kind != TOKEN_OPEN)
        return fail_here(parser, "expected \"(\" after \"in\"");
    do {
        TRY(next(parser));
        TRY(expect_value(parser, SELECTOR_EQUAL));
    } while (parser->token.kind == TOKEN_COMMA);
    if (parser->token.kind == TOKEN_END)
        return fail(parser, ERR_INVALID, open, "this parenthesis is never closed");
    if (parser->token.kind != TOKEN_CLOSE)
        return fail_here(parser, "expected \",\" or \")\"");
    return next(parser);
}

/* What follows the field of a test; `node` is already in the tree at `index`. */
static enum err expect_test(struct parser *parser, uint16_t index)
{
    struct selector_node *node = &parser->out->nodes[index];

    if (parser->token.kind == TOKEN_OPERATOR) {
        node->kind = (uint8_t)parser->token.test;
        node->negated = parser->token.negated;
        TRY(next(parser));
        TRY(expect_value(parser, (enum selector_kind)node->kind));
    } else {
        node->kind = SELECTOR_EQUAL;
        node->set = true;
        if (at_keyword(parser, KEYWORD_NOT)) {
            node->negated = true;
            TRY(next(parser));
        }
        if (!at_keyword(parser, KEYWORD_IN))
            return fail_here(parser, node->negated
                                         ? "expected \"in\" after \"not\""
                                         : "expected =, !=, <, <=, >, >=, ~, !~ or \"in\"");
        TRY(next(parser));
        TRY(expect_set(parser));
    }
    node->value = (uint16_t)(index + 1);
    node->count = (uint16_t)(parser->out->count - index - 1);
    return ERR_OK;
}

static enum err expect_term(struct parser *parser)
{
    struct selector_node node = {.kind = SELECTOR_HAS};
    uint16_t index = parser->out->count;

    if (at_keyword(parser, KEYWORD_ALL)) {
        node.kind = SELECTOR_ALL;
        TRY(next(parser));
        TRY(add_node(parser, node));
    } else if (at_keyword(parser, KEYWORD_HAS)) {
        TRY(next(parser));
        TRY(expect_field(parser, &node));
        TRY(add_node(parser, node));
    } else {
        TRY(expect_field(parser, &node));
        TRY(add_node(parser, node));
        TRY(expect_test(parser, index));
    }
    return push_operand(parser, index);
}

/* --- operators --- */

static enum err push_pending(struct parser *parser, enum pending_kind kind)
{
    if (parser->pending_count == SELECTOR_DEPTH_MAX)
        return fail(parser, ERR_TOO_BIG, parser->token.at, "the selector is nested too deeply");
    parser->pending[parser->pending_count].kind = (uint8_t)kind;
    parser->pending[parser->pending_count++].at = (uint16_t)parser->token.at;
    return next(parser);
}

/* Turn pending operators of at least this precedence into nodes. */
static enum err reduce(struct parser *parser, enum pending_kind least)
{
    while (parser->pending_count > 0 && parser->pending[parser->pending_count - 1].kind >= least) {
        enum pending_kind kind = (enum pending_kind)parser->pending[--parser->pending_count].kind;
        struct selector_node node = {0};
        uint16_t index = parser->out->count;

        node.kind = kind == PENDING_NOT   ? SELECTOR_NOT
                    : kind == PENDING_AND ? SELECTOR_AND
                                          : SELECTOR_OR;
        if (kind != PENDING_NOT)
            node.right = pop_operand(parser);
        node.left = pop_operand(parser);
        TRY(add_node(parser, node));
        TRY(push_operand(parser, index));
    }
    return ERR_OK;
}

/* Everything that may stand before a term, then the term. */
static enum err expect_operand(struct parser *parser)
{
    while (at_keyword(parser, KEYWORD_NOT) || parser->token.kind == TOKEN_OPEN)
        TRY(push_pending(parser, parser->token.kind == TOKEN_OPEN ? PENDING_PAREN : PENDING_NOT));
    return expect_term(parser);
}

static enum err close_parenthesis(struct parser *parser)
{
    TRY(reduce(parser, PENDING_OR));
    if (parser->pending_count == 0)
        return fail_here(parser, "this parenthesis was never opened");
    CHECK(parser->pending[parser->pending_count - 1].kind == PENDING_PAREN);
    parser->pending_count--;
    TRY(next(parser));
    return ERR_OK;
}

/* Everything that may stand after a term; *more when another operand must follow. */
static enum err expect_operator(struct parser *parser, bool *more)
{
    while (parser->token.kind == TOKEN_CLOSE)
        TRY(close_parenthesis(parser));
    *more = parser->token.kind != TOKEN_END;
    if (at_keyword(parser, KEYWORD_AND)) {
        TRY(reduce(parser, PENDING_AND));
        return push_pending(parser, PENDING_AND);
    }
    if (at_keyword(parser, KEYWORD_OR)) {
        TRY(reduce(parser, PENDING_OR));
        return push_pending(parser, PENDING_OR);
    }
    return *more ? fail_here(parser, "expected \"and\", \"or\" or the end") : ERR_OK;
}

static enum err parse(struct parser *parser)
{
    bool more = true;

    TRY(next(parser));
    if (parser->token.kind == TOKEN_END)
        return fail_here(parser, "the selector is empty; to mean every device, write \"all\"");
    while (more) { /* each round takes a token at least */
        TRY(expect_operand(parser));
        TRY(expect_operator(parser, &more));
    }
    TRY(reduce(parser, PENDING_OR));
    if (parser->pending_count != 0)
        return fail(parser, ERR_INVALID, parser->pending[parser->pending_count - 1].at,
                    "this parenthesis is never closed");
    CHECK(parser->operand_count == 1);
    parser->out->root = parser->operands[0];
    return ERR_OK;
}

enum err selector_parse(struct span text, struct selector *out, struct selector_fault *fault,
                        struct why *why)
{
    struct parser parser = {.text = text, .out = out, .fault = fault, .why = why};

    out->count = out->root = out->text_size = 0;
    if (text.size > SELECTOR_SIZE_MAX)
        return fail(&parser, ERR_TOO_BIG, SELECTOR_SIZE_MAX, "the selector is too long");
    return parse(&parser);
}
