#include "os/options.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "os/quantity.h"
#include "os/say.h"
#include "os/yaml.h"

/* ---- values ---- */

static void value_clear(struct option_value *value)
{
    for (size_t i = 0; i < value->count; i++)
        free(value->items[i]);
    free(value->items);
    free(value->text);
    *value = (struct option_value){.source = OPTION_FALLBACK};
}

void options_close(struct options *options)
{
    if (!options)
        return;
    for (size_t i = 0; i < options->count; i++)
        value_clear(&options->values[i]);
    free(options->operands);
    *options = (struct options){.request = OPTIONS_RUN};
}

static enum err add_item(struct option_value *value, const char *text, size_t size)
{
    char **items;

    if (value->count == OPTIONS_ITEMS_MAX)
        return ERR_TOO_BIG;
    items = realloc(value->items, (value->count + 1) * sizeof *items);
    CHECK(items != NULL);
    value->items = items;
    items[value->count] = strndup(text, size);
    CHECK(items[value->count] != NULL);
    value->count++;
    return ERR_OK;
}

/* "a,b,c": empty items are left out. */
static enum err add_items(struct option_value *value, const char *text)
{
    while (*text != '\0') {
        size_t size = strcspn(text, ",");

        if (size > 0)
            TRY(add_item(value, text, size));
        text += size;
        text += *text == ',';
    }
    return ERR_OK;
}

static bool within(const struct option_spec *spec, int64_t number)
{
    return (spec->min == 0 && spec->max == 0) || (number >= spec->min && number <= spec->max);
}

/* Whether `word` is one of the words of "a|b|c". */
static bool is_choice(const char *choices, const char *word)
{
    size_t size = strlen(word);

    for (const char *at = choices; at; at = strchr(at, '|')) {
        at += *at == '|';
        if (strcspn(at, "|") == size && strncmp(at, word, size) == 0)
            return true;
    }
    return false;
}

static bool has_choices(const struct option_spec *spec)
{
    return spec->kind == OPTION_TEXT && spec->unit && strchr(spec->unit, '|');
}

static bool has_items(const struct option_spec *spec)
{
    return spec->kind == OPTION_LIST || spec->kind == OPTION_TEXTS;
}

static const char *wanted(enum option_kind kind)
{
    static const char *const texts[] = {
        [OPTION_FLAG] = "true or false",
        [OPTION_INT] = "a whole number",
        [OPTION_SIZE] = "a size in bytes like 65536, 64K or 2G",
        [OPTION_TEXT] = "a text",
        [OPTION_PATH] = "a path",
        [OPTION_DURATION_S] = "a duration like 90s, 10m or 1h30m",
        [OPTION_LIST] = "a list",
        [OPTION_TEXTS] = "a list",
    };

    return texts[kind];
}

static enum err refuse_kind(const struct option_spec *spec, const char *text, struct why *why)
{
    return say(why, ERR_INVALID, spec->name, "%s must be %s, not \"%.80s\"", spec->name,
               wanted(spec->kind), text);
}

static enum err read_number(const struct option_spec *spec, const char *text, int64_t *out,
                            struct why *why)
{
    enum err err = ERR_INVALID;
    int64_t number = 0;
    uint64_t size;

    if (spec->kind == OPTION_FLAG) {
        number = strcmp(text, "true") == 0;
        err = number || strcmp(text, "false") == 0 ? ERR_OK : ERR_INVALID;
    } else if (spec->kind == OPTION_INT) {
        err = quantity_int(text, &number);
    } else if (spec->kind == OPTION_DURATION_S) {
        err = quantity_duration_s(text, &number);
    } else {
        err = quantity_size(text, &size);
        number = err == ERR_OK ? (int64_t)size : 0;
    }
    if (err != ERR_OK)
        return refuse_kind(spec, text, why);
    if (!within(spec, number))
        return say(why, ERR_INVALID, spec->name, "%s must be %lld to %lld, not %lld", spec->name,
                   (long long)spec->min, (long long)spec->max, (long long)number);
    *out = number;
    return ERR_OK;
}

static enum err read_text(const struct option_spec *spec, const char *text, char **out,
                          struct why *why)
{
    if (*text == '\0' && spec->kind == OPTION_PATH)
        return say(why, ERR_INVALID, spec->name, "%s must not be empty", spec->name);
    if (has_choices(spec) && !is_choice(spec->unit, text))
        return say(why, ERR_INVALID, spec->name, "%s must be one of %s, not \"%.80s\"", spec->name,
                   spec->unit, text);
    free(*out);
    *out = strdup(text);
    CHECK(*out != NULL);
    return ERR_OK;
}

/* `text` in the command line's form. A list grows; everything else is replaced. */
static enum err value_read(const struct option_spec *spec, const char *text,
                           struct option_value *value, struct why *why)
{
    if (strlen(text) > OPTIONS_VALUE_SIZE_MAX)
        return say(why, ERR_TOO_BIG, spec->name, "%s is longer than %u bytes", spec->name,
                   OPTIONS_VALUE_SIZE_MAX);
    value->set = true;
    switch (spec->kind) {
    case OPTION_LIST:
    case OPTION_TEXTS:
        if ((spec->kind == OPTION_LIST ? add_items(value, text)
                                       : add_item(value, text, strlen(text))) != ERR_OK)
            return say(why, ERR_TOO_BIG, spec->name, "%s has more than %u items", spec->name,
                       OPTIONS_ITEMS_MAX);
        return ERR_OK;
    case OPTION_TEXT:
    case OPTION_PATH:
        return read_text(spec, text, &value->text, why);
    case OPTION_FLAG:
    case OPTION_INT:
    case OPTION_SIZE:
    case OPTION_DURATION_S:
        break;
    }
    return read_number(spec, text, &value->number, why);
}

static void set_fallbacks(struct options *options)
{
    for (size_t i = 0; i < options->count; i++) {
        const struct option_spec *spec = &options->table[i];

        if (options->values[i].set || !spec->fallback)
            continue;
        CHECK(value_read(spec, spec->fallback, &options->values[i], NULL) == ERR_OK);
    }
}

/* ---- the configuration file ---- */

static struct option_value *find_key(struct options *options, const char *key, size_t *index)
{
    for (size_t i = 0; i < options->count; i++)
        if (strcmp(options->table[i].name, key) == 0) {
            *index = i;
            return &options->values[i];
        }
    return NULL;
}

/* Numbers and flags stand without quotes; durations and sizes may have them ("10m"). */
static bool kind_fits(enum option_kind kind, enum yaml_kind yaml)
{
    if (kind == OPTION_LIST || kind == OPTION_TEXTS)
        return yaml == YAML_LIST;
    if (kind == OPTION_FLAG || kind == OPTION_INT)
        return yaml == YAML_PLAIN;
    return yaml == YAML_PLAIN || yaml == YAML_QUOTED;
}

static enum err read_list(const struct option_spec *spec, const struct yaml_node *node,
                          struct option_value *value, struct why *why)
{
    void *cursor = NULL;
    const struct yaml_node *item;

    value->set = true;
    while ((item = yaml_next_item(node, &cursor)) != NULL) {
        const char *text = yaml_text(item);

        if (!text || strlen(text) > OPTIONS_VALUE_SIZE_MAX)
            return say(why, ERR_INVALID, spec->name, "%s must hold texts only", spec->name);
        if (add_item(value, text, strlen(text)) != ERR_OK)
            return say(why, ERR_TOO_BIG, spec->name, "%s has more than %u items", spec->name,
                       OPTIONS_ITEMS_MAX);
    }
    return ERR_OK;
}

static enum err read_pair(struct options *options, const char *key, const struct yaml_node *node,
                          struct why *why)
{
    size_t index = 0;
    struct option_value *value = find_key(options, key, &index);
    const struct option_spec *spec = &options->table[index];
    const char *text = yaml_text(node);
    struct option_value read = {.source = OPTION_FILE};
    enum err err;

    if (!value)
        return say(why, ERR_INVALID, key, "there is no option \"%.60s\"", key);
    if (!kind_fits(spec->kind, yaml_kind(node)) || (!has_items(spec) && !text))
        return refuse_kind(spec, text ? text : "something else", why);
    err = has_items(spec) ? read_list(spec, node, &read, why) : value_read(spec, text, &read, why);
    if (err != ERR_OK || value->source == OPTION_COMMAND_LINE) {
        value_clear(&read);
        return err;
    }
    value_clear(value);
    *value = read;
    return ERR_OK;
}

static enum err read_yaml(struct options *options, const struct yaml *yaml, struct why *why)
{
    const struct yaml_node *root = yaml_root(yaml), *node;
    void *cursor = NULL;
    const char *key;

    if (yaml_kind(root) == YAML_NONE)
        return ERR_OK;
    if (yaml_kind(root) != YAML_MAP)
        return yaml_refuse(yaml, root, NULL, "must be lines of \"name: value\"", why);
    while (yaml_next_pair(root, &cursor, &key, &node)) {
        enum err err = read_pair(options, key, node, why);

        if (err != ERR_OK) {
            say_wrap(why, "%s:%u", yaml_name(yaml), yaml_line(node));
            return err;
        }
    }
    return ERR_OK;
}

static enum err read_file(struct options *options, const char *config_option, struct why *why)
{
    size_t index = 0;
    struct option_value *value = find_key(options, config_option, &index);
    const char *path;
    struct yaml *yaml;
    enum err err;

    CHECK(value != NULL && options->table[index].kind == OPTION_PATH);
    path = value->set ? value->text : options->table[index].fallback;
    if (!path)
        return ERR_OK;
    err = yaml_open_file(path, OPTIONS_FILE_SIZE_MAX, &yaml, why);
    if (err == ERR_NOT_FOUND && !value->set)
        return ERR_OK;
    TRY(err);
    err = read_yaml(options, yaml, why);
    yaml_close(yaml);
    return err;
}

/* ---- the command line ---- */

/* `name` as typed, up to `size`; '-' and '_' are the same. */
static bool name_matches(const char *name, const char *typed, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        char c = typed[i] == '-' ? '_' : typed[i];

        if (name[i] != c || c == '\0')
            return false;
    }
    return name[size] == '\0';
}

static enum err set_value(struct options *options, size_t index, const char *text, struct why *why)
{
    const struct option_spec *spec = &options->table[index];
    struct option_value *value = &options->values[index];

    if (value->source == OPTION_COMMAND_LINE && !has_items(spec))
        return say(why, ERR_INVALID, spec->name, "%s is given twice", spec->name);
    value->source = OPTION_COMMAND_LINE;
    return value_read(spec, text, value, why);
}

/* What every program understands besides its table. */
static const struct {
    const char *name;
    char letter;
    enum options_request request;
} built_in[] = {
    {"help", 'h', OPTIONS_HELP},     {"version", 0, OPTIONS_VERSION}, {"man", 0, OPTIONS_MAN},
    {"example", 0, OPTIONS_EXAMPLE}, {"check", 'n', OPTIONS_RUN},
};

static bool take_built_in(struct options *options, const char *name, size_t size, char letter)
{
    for (size_t i = 0; i < COUNT_OF(built_in); i++) {
        bool found = name ? name_matches(built_in[i].name, name, size)
                          : letter == built_in[i].letter && letter != 0;

        if (!found)
            continue;
        options->request = built_in[i].request;
        options->check_only |= built_in[i].request == OPTIONS_RUN;
        return true;
    }
    return false;
}

struct arguments {
    int count;
    char **at;
    int next;
};

static enum err take_long(struct options *options, struct arguments *arguments, const char *typed,
                          struct why *why)
{
    size_t size = strcspn(typed, "="), index = 0;
    const char *value = typed[size] == '=' ? typed + size + 1 : NULL;

    while (index < options->count && !name_matches(options->table[index].name, typed, size))
        index++;
    if (index == options->count) {
        if (!value && take_built_in(options, typed, size, 0))
            return ERR_OK;
        return say(why, ERR_INVALID, typed, "there is no option --%.*s; try --help",
                   (int)(size < 60 ? size : 60), typed);
    }
    if (!value && options->table[index].kind == OPTION_FLAG)
        value = "true";
    if (!value && arguments->next < arguments->count)
        value = arguments->at[arguments->next++];
    if (!value)
        return say(why, ERR_INVALID, options->table[index].name, "--%.*s needs a value", (int)size,
                   typed);
    return set_value(options, index, value, why);
}

/* "-abc VALUE", "-cVALUE": flags may be joined, the last letter may take a value. */
static enum err take_letters(struct options *options, struct arguments *arguments,
                             const char *letters, struct why *why)
{
    for (; *letters != '\0' && options->request == OPTIONS_RUN; letters++) {
        size_t index = 0;
        const char *value = "true";

        while (index < options->count && options->table[index].letter != *letters)
            index++;
        if (index == options->count) {
            if (take_built_in(options, NULL, 0, *letters))
                continue;
            return say(why, ERR_INVALID, NULL, "there is no option -%c; try --help",
                       isprint((unsigned char)*letters) ? *letters : '?');
        }
        if (options->table[index].kind == OPTION_FLAG) {
            TRY(set_value(options, index, value, why));
            continue;
        }
        value = letters[1] != '\0' ? letters + 1 : NULL;
        if (!value && arguments->next < arguments->count)
            value = arguments->at[arguments->next++];
        if (!value)
            return say(why, ERR_INVALID, options->table[index].name, "-%c needs a value", *letters);
        return set_value(options, index, value, why);
    }
    return ERR_OK;
}

static enum err read_arguments(struct options *options, int argc, char **argv, struct why *why)
{
    struct arguments arguments = {argc, argv, 1};
    bool operands_only = false;

    options->operands = calloc((size_t)argc + 1, sizeof *options->operands);
    CHECK(options->operands != NULL);
    while (arguments.next < argc && options->request == OPTIONS_RUN) {
        char *word = argv[arguments.next++];

        if (operands_only || word[0] != '-' || word[1] == '\0')
            options->operands[options->operand_count++] = word;
        else if (strcmp(word, "--") == 0)
            operands_only = true;
        else if (word[1] == '-')
            TRY(take_long(options, &arguments, word + 2, why));
        else
            TRY(take_letters(options, &arguments, word + 1, why));
    }
    return ERR_OK;
}

/* ---- all together ---- */

static void begin(const struct option_spec *table, size_t count, struct options *out)
{
    CHECK(count <= OPTIONS_COUNT_MAX);
    *out = (struct options){.table = table, .count = count, .request = OPTIONS_RUN};
}

static enum err finish(enum err err, struct options *out)
{
    if (err == ERR_OK)
        set_fallbacks(out);
    else
        options_close(out);
    return err;
}

enum err options_parse(const struct option_spec *table, size_t count, int argc, char **argv,
                       const char *config_option, struct options *out, struct why *why)
{
    enum err err;

    begin(table, count, out);
    err = read_arguments(out, argc, argv, why);
    if (err == ERR_OK && config_option && out->request == OPTIONS_RUN)
        err = read_file(out, config_option, why);
    return finish(err, out);
}

enum err options_parse_text(const struct option_spec *table, size_t count, const char *name,
                            const char *text, size_t size, struct options *out, struct why *why)
{
    struct yaml *yaml = NULL;
    enum err err;

    begin(table, count, out);
    err = yaml_open_text(name, text, size, &yaml, why);
    if (err == ERR_OK)
        err = read_yaml(out, yaml, why);
    yaml_close(yaml);
    return finish(err, out);
}

/* ---- reading the values ---- */

static const struct option_value *value_of(const struct options *options, const char *name,
                                           enum option_kind kind)
{
    for (size_t i = 0; i < options->count; i++)
        if (strcmp(options->table[i].name, name) == 0) {
            CHECK(options->table[i].kind == kind);
            return &options->values[i];
        }
    check_failed(__FILE__, __LINE__, name); /* no such option: the caller's bug */
}

bool options_flag(const struct options *options, const char *name)
{
    return value_of(options, name, OPTION_FLAG)->number != 0;
}

int64_t options_int(const struct options *options, const char *name)
{
    return value_of(options, name, OPTION_INT)->number;
}

uint64_t options_size(const struct options *options, const char *name)
{
    return (uint64_t)value_of(options, name, OPTION_SIZE)->number;
}

const char *options_text(const struct options *options, const char *name)
{
    return value_of(options, name, OPTION_TEXT)->text;
}

const char *options_path(const struct options *options, const char *name)
{
    return value_of(options, name, OPTION_PATH)->text;
}

int64_t options_duration_s(const struct options *options, const char *name)
{
    return value_of(options, name, OPTION_DURATION_S)->number;
}

const char *const *options_list(const struct options *options, const char *name, size_t *count)
{
    const struct option_value *value = value_of(options, name, OPTION_LIST);

    *count = value->count;
    return (const char *const *)value->items;
}

const char *const *options_texts(const struct options *options, const char *name, size_t *count)
{
    const struct option_value *value = value_of(options, name, OPTION_TEXTS);

    *count = value->count;
    return (const char *const *)value->items;
}

bool options_given(const struct options *options, const char *name)
{
    for (size_t i = 0; i < options->count; i++)
        if (strcmp(options->table[i].name, name) == 0)
            return options->values[i].source != OPTION_FALLBACK;
    check_failed(__FILE__, __LINE__, name);
}

bool options_check_only(const struct options *options)
{
    return options->check_only;
}
