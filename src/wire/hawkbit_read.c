/* Bodies of hawkBit's device API. Members that nobody needs are ignored: clients send several. */
#include "codec/utf8.h"
#include "wire/hawkbit.h"

static bool is_absent(const struct tree_node *node)
{
    return !node || node->kind == TREE_NULL;
}

/* ---- feedback ---- */

static enum err read_execution(const struct tree_node *node, enum hawkbit_execution *out)
{
    static const char *const names[] = {
#define X(code, text) text,
        HAWKBIT_EXECUTION_MAP(X)
#undef X
    };

    if (!node || node->kind != TREE_TEXT)
        return ERR_CORRUPT;
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        if (span_is(node->text, names[i])) {
            *out = (enum hawkbit_execution)i;
            return ERR_OK;
        }
    }
    return ERR_CORRUPT;
}

static enum err read_finished(const struct tree_node *node, enum hawkbit_finished *out)
{
    static const char *const names[] = {
#define X(code, text) text,
        HAWKBIT_FINISHED_MAP(X)
#undef X
    };

    if (!node || node->kind != TREE_TEXT)
        return ERR_CORRUPT;
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        if (span_is(node->text, names[i])) {
            *out = (enum hawkbit_finished)i;
            return ERR_OK;
        }
    }
    return ERR_CORRUPT;
}

static uint32_t percent_of(const struct tree *tree, const struct tree_node *progress)
{
    const struct tree_node *count = tree_member(tree, progress, "cnt");
    const struct tree_node *of = tree_member(tree, progress, "of");

    if (!count || !of || !count->whole || !of->whole || count->number < 0 || of->number <= 0 ||
        count->number > INT32_MAX || count->number > of->number)
        return 0;
    return (uint32_t)(count->number * 100 / of->number);
}

/* As much of the text as one message may hold, not cutting a character. */
static size_t piece_size(struct span text)
{
    size_t size = 0;

    while (size < text.size) {
        size_t step = utf8_size((struct span){text.at + size, text.size - size});

        if (step == 0 || size + step > HAWKBIT_MESSAGE_SIZE)
            break;
        size += step;
    }
    return size;
}

static enum err add_message(struct span text, struct hawkbit_feedback *out)
{
    do {
        size_t size = piece_size(text);

        if (out->message_count == HAWKBIT_MESSAGES_MAX)
            return ERR_TOO_BIG;
        out->messages[out->message_count++] = (struct span){text.at, size};
        text = (struct span){text.at + size, text.size - size};
    } while (text.size > 0);
    return ERR_OK;
}

/* A list of texts, or one text alone. */
static enum err read_details(const struct tree *tree, const struct tree_node *node,
                             struct hawkbit_feedback *out)
{
    if (is_absent(node))
        return ERR_OK;
    if (node->kind == TREE_TEXT)
        return add_message(node->text, out);
    if (node->kind != TREE_LIST)
        return ERR_CORRUPT;
    for (node = tree_first(tree, node); node; node = tree_next(tree, node)) {
        if (node->kind == TREE_NULL)
            continue;
        if (node->kind != TREE_TEXT && node->kind != TREE_NUMBER)
            return ERR_CORRUPT;
        TRY(add_message(node->text, out));
    }
    return ERR_OK;
}

enum err hawkbit_read_feedback(const struct tree *tree, struct hawkbit_feedback *out)
{
    const struct tree_node *status = tree_member(tree, &tree->nodes[0], "status");
    const struct tree_node *result = tree_member(tree, status, "result");
    const struct tree_node *code = tree_member(tree, status, "code");

    out->code = 0;
    out->message_count = 0;
    TRY(read_execution(tree_member(tree, status, "execution"), &out->execution));
    TRY(read_finished(tree_member(tree, result, "finished"), &out->finished));
    if (!is_absent(code)) {
        if (!code->whole || code->number < INT32_MIN || code->number > INT32_MAX)
            return ERR_CORRUPT;
        out->code = (int32_t)code->number;
    }
    out->percent = percent_of(tree, tree_member(tree, result, "progress"));
    return read_details(tree, tree_member(tree, status, "details"), out);
}

enum hawkbit_meaning hawkbit_meaning(const struct hawkbit_feedback *feedback, bool of_cancel)
{
    bool failure = feedback->finished == HAWKBIT_FAILURE;

    switch (feedback->execution) {
    case HAWKBIT_CLOSED:
        if (of_cancel)
            return failure ? HAWKBIT_MEANS_KEEPS : HAWKBIT_MEANS_DROPPED;
        return failure ? HAWKBIT_MEANS_FAILURE : HAWKBIT_MEANS_CLAIM;
    case HAWKBIT_REJECTED:
        return of_cancel ? HAWKBIT_MEANS_KEEPS : HAWKBIT_MEANS_NOTE;
    case HAWKBIT_DOWNLOAD:
    case HAWKBIT_DOWNLOADED:
        return of_cancel ? HAWKBIT_MEANS_NOTE : HAWKBIT_MEANS_DOWNLOAD;
    case HAWKBIT_PROCEEDING:
    case HAWKBIT_CANCELED:
    case HAWKBIT_SCHEDULED:
    case HAWKBIT_RESUMED:
    case HAWKBIT_EXECUTION_COUNT:
    default:
        return HAWKBIT_MEANS_NOTE;
    }
}

const char *hawkbit_words(const struct hawkbit_feedback *feedback)
{
    static const char *const words[HAWKBIT_EXECUTION_COUNT][HAWKBIT_FINISHED_COUNT] = {
#define X(code, text) {text "/none", text "/success", text "/failure"},
        HAWKBIT_EXECUTION_MAP(X)
#undef X
    };

    return words[feedback->execution][feedback->finished];
}

/* ---- configData ---- */

/* hawkBit's own rule: ASCII without "~" and "`", and white space. */
static bool is_attribute_text(struct span text)
{
    for (size_t i = 0; i < text.size; i++) {
        uint8_t byte = text.at[i];
        bool blank = byte == ' ' || (byte >= '\t' && byte <= '\r');

        if (!blank && (byte < 0x21 || byte > 0x7d || byte == '`'))
            return false;
    }
    return text.size <= HAWKBIT_ATTRIBUTE_SIZE;
}

static enum err read_mode(const struct tree_node *node, enum hawkbit_mode *out)
{
    *out = HAWKBIT_MERGE;
    if (is_absent(node))
        return ERR_OK;
    if (node->kind != TREE_TEXT)
        return ERR_CORRUPT;
    if (span_is(node->text, "replace"))
        *out = HAWKBIT_REPLACE;
    else if (span_is(node->text, "remove"))
        *out = HAWKBIT_REMOVE;
    else if (!span_is(node->text, "merge"))
        return ERR_CORRUPT;
    return ERR_OK;
}

static enum err read_attribute(const struct tree_node *node, struct hawkbit_attribute *out)
{
    *out = (struct hawkbit_attribute){.name = node->name};
    if (node->kind == TREE_BOOL)
        out->value = node->number ? SPAN_LITERAL("true") : SPAN_LITERAL("false");
    else if (node->kind == TREE_TEXT || (node->kind == TREE_NUMBER && node->text.size > 0))
        out->value = node->text;
    else if (node->kind != TREE_NULL)
        return ERR_CORRUPT;
    if (node->name.size == 0 || !is_attribute_text(node->name) || !is_attribute_text(out->value))
        return ERR_INVALID;
    return ERR_OK;
}

enum err hawkbit_read_config(const struct tree *tree, struct hawkbit_config *out)
{
    const struct tree_node *data = tree_member(tree, &tree->nodes[0], "data");

    TRY(read_mode(tree_member(tree, &tree->nodes[0], "mode"), &out->mode));
    if (!data || data->kind != TREE_MAP || data->count == 0)
        return ERR_CORRUPT;
    if (data->count > HAWKBIT_ATTRIBUTES_MAX)
        return ERR_TOO_BIG;
    out->count = 0;
    for (const struct tree_node *node = tree_first(tree, data); node; node = tree_next(tree, node))
        TRY(read_attribute(node, &out->list[out->count++]));
    return ERR_OK;
}

/* ---- installedBase ---- */

enum err hawkbit_read_installed(const struct tree *tree, struct hawkbit_installed *out)
{
    const struct tree_node *name = tree_member(tree, &tree->nodes[0], "name");
    const struct tree_node *version = tree_member(tree, &tree->nodes[0], "version");

    if (!name || name->kind != TREE_TEXT || name->text.size == 0 || !version ||
        version->kind != TREE_TEXT || version->text.size == 0)
        return ERR_CORRUPT;
    *out = (struct hawkbit_installed){name->text, version->text};
    return ERR_OK;
}
