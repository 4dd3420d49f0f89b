#include "cli/plan.h"

#include <string.h>

#include "base/check.h"
#include "base/time.h"
#include "fleet/window.h"
#include "os/quantity.h"
#include "os/say.h"

enum plan_kind {
    PLAN_TEXT,
    PLAN_COUNT,
    PLAN_PERCENT,
    PLAN_SHARE, /* one decimal */
    PLAN_CONFIDENCE,
    PLAN_DURATION,
    PLAN_WINDOW,
    PLAN_UTC,
    PLAN_FLAG,
};

/* What people write, what the API calls it. Rows `of_stage` belong into every stage. */
static const struct plan_field {
    const char *name, *api_name;
    enum plan_kind kind;
    bool of_stage;
} fields[] = {
    {"name", "name", PLAN_TEXT, false},
    {"release", "release", PLAN_TEXT, false},
    {"selector", "selector", PLAN_TEXT, false},
    {"strategy", "strategy", PLAN_TEXT, false},
    {"max_harmed", "max_harmed", PLAN_COUNT, false},
    {"confidence", "confidence_percent", PLAN_CONFIDENCE, false},
    {"floor", "floor_percent", PLAN_SHARE, false},
    {"background", "background_percent", PLAN_SHARE, false},
    {"observe", "observe_s", PLAN_DURATION, false},
    {"soak", "soak_s", PLAN_DURATION, true},
    {"failure_percent", "failure_percent", PLAN_PERCENT, true},
    {"failure_count", "failure_count", PLAN_COUNT, true},
    {"min_sample", "sample_min", PLAN_COUNT, true},
    {"deadline", "deadline_s", PLAN_DURATION, false},
    {"retry", "retry_limit", PLAN_COUNT, false},
    {"window", "window", PLAN_WINDOW, false},
    {"start_at", "start_at", PLAN_UTC, false},
    {"end_at", "end_at", PLAN_UTC, false},
    {"needs_approval", "needs_approval", PLAN_FLAG, false},
};

/* json_object_set_new() fails only without memory. */
static void set(json_t *object, const char *name, json_t *value)
{
    CHECK(json_object_set_new(object, name, value) == 0);
}

/* ---- stages ---- */

enum err plan_stage(const char *text, json_t **out)
{
    size_t size = strlen(text);
    json_t *stage;
    int64_t count = 0;
    uint32_t permille = 0;
    bool share = size > 0 && text[size - 1] == '%';

    if (share) {
        TRY(quantity_permille(text, &permille));
        if (permille == 0 || permille % 10 != 0)
            return ERR_INVALID;
    } else {
        TRY(quantity_int(text, &count));
        if (count < 1 || *text == '+')
            return ERR_INVALID;
    }
    stage = json_object();
    CHECK(stage != NULL);
    set(stage, share ? "percent" : "count", json_integer(share ? permille / 10 : count));
    *out = stage;
    return ERR_OK;
}

/* ---- windows ---- */

/* "mon", "mon-fri", up to ',' or the end of `text`; adds bits to `days`. */
static enum err read_days(struct span text, uint8_t *days)
{
    uint8_t first, last;
    struct span name = {text.at, text.size < 3 ? text.size : 3};

    if (!window_day_parse(name, &first))
        return ERR_INVALID;
    last = first;
    if (text.size > 3) {
        struct span end = {text.at + 4, text.size - 4};

        if (text.at[3] != '-' || !window_day_parse(end, &last))
            return ERR_INVALID;
    }
    /* "sat-mon" goes round the end of the week. */
    for (uint8_t day = first;; day = (uint8_t)(day == 0x40 ? 1 : day << 1)) {
        *days |= day;
        if (day == last)
            return ERR_OK;
    }
}

static enum err read_all_days(struct span text, uint8_t *days)
{
    size_t from = 0;

    if (span_is(text, "daily")) {
        *days = WINDOW_EVERY_DAY;
        return ERR_OK;
    }
    for (size_t at = 0; at <= text.size; at++) {
        if (at < text.size && text.at[at] != ',')
            continue;
        TRY(read_days((struct span){text.at + from, at - from}, days));
        from = at + 1;
    }
    return ERR_OK;
}

static json_t *days_to_json(uint8_t days)
{
    json_t *array = json_array();

    CHECK(array != NULL);
    for (unsigned day = 0; day < 7; day++)
        if (days & 1u << day)
            CHECK(json_array_append_new(array, json_string(window_day_name(day))) == 0);
    return array;
}

enum err plan_window(const char *text, json_t **out, struct why *why)
{
    const char *space = strchr(text, ' '), *plus = space ? strchr(space, '+') : NULL;
    struct window window = {.days = 0};
    int64_t duration_s = 0;
    json_t *object;
    size_t start_size;

    if (!plus || quantity_duration_s(plus + 1, &duration_s) != ERR_OK)
        return say(why, ERR_INVALID, "window",
                   "a window is written as days, start and length like \"mon-fri 02:00+3h\", "
                   "not \"%.40s\"",
                   text);
    start_size = (size_t)(plus - space) - 1;
    if (read_all_days((struct span){(const uint8_t *)text, (size_t)(space - text)}, &window.days) !=
        ERR_OK)
        return say(why, ERR_INVALID, "window",
                   "days of a window are like \"mon-fri\", \"sat,sun\" or \"daily\", not \"%.*s\"",
                   (int)(space - text < 40 ? space - text : 40), text);
    if (!window_start_parse((struct span){(const uint8_t *)space + 1, start_size},
                            &window.start_min))
        return say(why, ERR_INVALID, "window", "a window starts at a time like 02:00, not \"%.*s\"",
                   (int)(start_size < 40 ? start_size : 40), space + 1);
    if (duration_s < WINDOW_DURATION_MIN_S || duration_s > WINDOW_DURATION_MAX_S)
        return say(why, ERR_INVALID, "window", "a window is open for 1m to 24h");
    object = json_object();
    CHECK(object != NULL);
    set(object, "days", days_to_json(window.days));
    set(object, "start", json_stringn(space + 1, start_size));
    set(object, "duration_s", json_integer(duration_s));
    *out = object;
    return ERR_OK;
}

/* ---- single values ---- */

static enum err refuse(const struct plan_field *field, const char *wanted, const char *text,
                       struct why *why)
{
    return say(why, ERR_INVALID, field->name, "%s must be %s, not \"%.60s\"", field->name, wanted,
               text);
}

static enum err read_flag(const struct plan_field *field, const char *text, json_t **out,
                          struct why *why)
{
    bool yes = strcmp(text, "true") == 0;

    if (!yes && strcmp(text, "false") != 0)
        return refuse(field, "true or false", text, why);
    *out = json_boolean(yes);
    return ERR_OK;
}

static enum err read_number(const struct plan_field *field, const char *text, json_t **out,
                            struct why *why)
{
    uint32_t permille = 0;
    int64_t number = 0;

    if (field->kind == PLAN_PERCENT) {
        if (quantity_permille(text, &permille) != ERR_OK || permille % 10 != 0)
            return refuse(field, "a whole percentage like 5%", text, why);
        number = permille / 10;
    } else if (field->kind == PLAN_DURATION) {
        if (quantity_duration_s(text, &number) != ERR_OK)
            return refuse(field, "a duration like 90s, 10m or 1h30m", text, why);
    } else if (quantity_int(text, &number) != ERR_OK || number < 0) {
        return refuse(field, "a number", text, why);
    }
    *out = json_integer(number);
    return ERR_OK;
}

static json_t *percent_of(uint32_t permille)
{
    return permille % 10 == 0 ? json_integer(permille / 10) : json_real(permille / 10.0);
}

static enum err read_share(const struct plan_field *field, const char *text, json_t **out,
                           struct why *why)
{
    uint32_t permille;

    if (quantity_permille(text, &permille) != ERR_OK)
        return refuse(field, "a percentage like 3% or 0.5%", text, why);
    *out = percent_of(permille);
    return ERR_OK;
}

/* "0.99", "0.995", "99%". */
static enum err read_confidence(const struct plan_field *field, const char *text, json_t **out,
                                struct why *why)
{
    size_t size = strlen(text), digits = strspn(text + (size > 2 ? 2 : size), "0123456789");
    uint32_t permille = 0;

    if (strncmp(text, "0.", 2) == 0 && digits >= 1 && digits <= 3 && size == 2 + digits) {
        for (size_t i = 0; i < 3; i++)
            permille = permille * 10 + (i < digits ? (uint32_t)(text[2 + i] - '0') : 0);
    } else if (strchr(text, '%') == NULL || quantity_permille(text, &permille) != ERR_OK) {
        return refuse(field, "a probability like 0.99 or 99%", text, why);
    }
    *out = percent_of(permille);
    return ERR_OK;
}

static enum err read_value(const struct plan_field *field, const char *text, json_t **out,
                           struct why *why)
{
    struct utc utc;

    switch (field->kind) {
    case PLAN_FLAG:
        return read_flag(field, text, out, why);
    case PLAN_WINDOW:
        return plan_window(text, out, why);
    case PLAN_UTC:
        if (!utc_parse(span_of(text), &utc))
            return refuse(field, "a time in UTC like 2026-11-25T10:00:00Z", text, why);
        break;
    case PLAN_SHARE:
        return read_share(field, text, out, why);
    case PLAN_CONFIDENCE:
        return read_confidence(field, text, out, why);
    case PLAN_COUNT:
    case PLAN_PERCENT:
    case PLAN_DURATION:
        return read_number(field, text, out, why);
    case PLAN_TEXT:
        break;
    }
    *out = json_string(text);
    if (!*out)
        return refuse(field, "UTF-8", "other bytes", why);
    return ERR_OK;
}

/* Put a value where it belongs. In stages, `over` replaces what a stage says itself. */
static void place(json_t *request, const struct plan_field *field, json_t *value, bool over)
{
    json_t *stages = json_object_get(request, "stages");

    if (!field->of_stage) {
        set(request, field->api_name, value);
        return;
    }
    for (size_t i = 0; i < json_array_size(stages); i++) {
        json_t *stage = json_array_get(stages, i);

        if (over || !json_object_get(stage, field->api_name))
            set(stage, field->api_name, json_incref(value));
    }
    json_decref(value);
}

/* ---- from options ---- */

static enum err stages_from_list(const char *const *items, size_t count, json_t **out,
                                 struct why *why)
{
    json_t *stages = json_array(), *stage;

    CHECK(stages != NULL);
    for (size_t i = 0; i < count; i++) {
        if (plan_stage(items[i], &stage) != ERR_OK) {
            json_decref(stages);
            return say(why, ERR_INVALID, "stages",
                       "a stage is a whole share like 10%% or a count like 25, not \"%.40s\"",
                       items[i]);
        }
        CHECK(json_array_append_new(stages, stage) == 0);
    }
    *out = stages;
    return ERR_OK;
}

static bool option_is_in_table(const struct options *options, const char *name)
{
    for (size_t i = 0; i < options->count; i++)
        if (strcmp(options->table[i].name, name) == 0)
            return true;
    return false;
}

static enum err option_value(const struct options *options, const struct plan_field *field,
                             json_t **out, struct why *why)
{
    switch (field->kind) {
    case PLAN_COUNT:
        *out = json_integer(options_int(options, field->name));
        return ERR_OK;
    case PLAN_DURATION:
        *out = json_integer(options_duration_s(options, field->name));
        return ERR_OK;
    case PLAN_FLAG:
        *out = json_boolean(options_flag(options, field->name));
        return ERR_OK;
    case PLAN_TEXT:
    case PLAN_PERCENT:
    case PLAN_SHARE:
    case PLAN_CONFIDENCE:
    case PLAN_WINDOW:
    case PLAN_UTC:
        break;
    }
    return read_value(field, options_text(options, field->name), out, why);
}

enum err plan_from_options(const struct options *options, json_t *request, struct why *why)
{
    const char *const *items;
    size_t count;
    json_t *value = NULL;

    items = options_list(options, "stages", &count);
    if (count > 0) {
        TRY(stages_from_list(items, count, &value, why));
        set(request, "stages", value);
    }
    for (size_t i = 0; i < COUNT_OF(fields); i++) {
        if (!option_is_in_table(options, fields[i].name) || !options_given(options, fields[i].name))
            continue;
        TRY(option_value(options, &fields[i], &value, why));
        place(request, &fields[i], value, true);
    }
    return ERR_OK;
}

/* ---- from YAML ---- */

static const struct plan_field *find_field(const char *name)
{
    for (size_t i = 0; i < COUNT_OF(fields); i++)
        if (strcmp(fields[i].name, name) == 0)
            return &fields[i];
    return NULL;
}

/* "percent: 10" or "count: 5" of a stage written as a map. */
static enum err read_extent(const struct yaml *yaml, const char *key, const struct yaml_node *node,
                            json_t *stage, struct why *why)
{
    bool share = strcmp(key, "percent") == 0;
    struct plan_field field = {key, key, share ? PLAN_PERCENT : PLAN_COUNT, true};
    const char *text = yaml_text(node);
    json_t *value = NULL;

    if (json_object_get(stage, share ? "count" : "percent"))
        return yaml_refuse(yaml, node, "stages", "a stage has percent or count, not both", why);
    if (!text || read_value(&field, text, &value, NULL) != ERR_OK ||
        json_integer_value(value) < 1) {
        json_decref(value);
        return yaml_refuse(yaml, node, "stages", "percent and count are whole numbers from 1", why);
    }
    set(stage, key, value);
    return ERR_OK;
}

static enum err read_field(const struct yaml *yaml, const struct plan_field *field,
                           const struct yaml_node *node, json_t **out, struct why *why)
{
    const char *text = yaml_text(node);
    enum err err;

    if (!text)
        return yaml_refuse(yaml, node, field->name, "needs one value here", why);
    err = read_value(field, text, out, why);
    if (err != ERR_OK)
        say_wrap(why, "%s:%u", yaml_name(yaml), yaml_line(node));
    return err;
}

static enum err read_stage_map(const struct yaml *yaml, const struct yaml_node *node, json_t *stage,
                               struct why *why)
{
    void *cursor = NULL;
    const char *key;
    const struct yaml_node *value;
    json_t *read = NULL;

    while (yaml_next_pair(node, &cursor, &key, &value)) {
        const struct plan_field *field = find_field(key);

        if (strcmp(key, "percent") == 0 || strcmp(key, "count") == 0) {
            TRY(read_extent(yaml, key, value, stage, why));
            continue;
        }
        if (!field || !field->of_stage)
            return say(why, ERR_INVALID, key, "%s:%u: a stage has no \"%.40s\"", yaml_name(yaml),
                       yaml_line(value), key);
        TRY(read_field(yaml, field, value, &read, why));
        set(stage, field->api_name, read);
    }
    if (!json_object_get(stage, "percent") && !json_object_get(stage, "count"))
        return yaml_refuse(yaml, node, "stages", "a stage needs percent or count", why);
    return ERR_OK;
}

static enum err read_stages(const struct yaml *yaml, const struct yaml_node *list, json_t *request,
                            struct why *why)
{
    json_t *stages = json_array(), *stage;
    void *cursor = NULL;
    const struct yaml_node *item;

    CHECK(stages != NULL);
    set(request, "stages", stages);
    if (yaml_kind(list) != YAML_LIST)
        return yaml_refuse(yaml, list, "stages", "stages is a list", why);
    while ((item = yaml_next_item(list, &cursor)) != NULL) {
        if (yaml_kind(item) == YAML_MAP) {
            stage = json_object();
            CHECK(stage != NULL && json_array_append_new(stages, stage) == 0);
            TRY(read_stage_map(yaml, item, stage, why));
            continue;
        }
        if (!yaml_text(item) || plan_stage(yaml_text(item), &stage) != ERR_OK)
            return yaml_refuse(yaml, item, "stages",
                               "a stage is a whole share like 10%, a count like 25, or a map", why);
        CHECK(json_array_append_new(stages, stage) == 0);
    }
    return ERR_OK;
}

enum err plan_from_yaml(const struct yaml *yaml, json_t *request, struct why *why)
{
    const struct yaml_node *root = yaml_root(yaml), *node;
    const char *key;
    json_t *value = NULL;
    void *cursor = NULL;

    if (yaml_kind(root) != YAML_MAP)
        return yaml_refuse(yaml, root, NULL, "a plan is lines of \"name: value\"", why);
    while (yaml_next_pair(root, &cursor, &key, &node)) {
        if (strcmp(key, "stages") == 0)
            TRY(read_stages(yaml, node, request, why));
        else if (!find_field(key))
            return say(why, ERR_INVALID, key, "%s:%u: a plan has no \"%.40s\"", yaml_name(yaml),
                       yaml_line(node), key);
    }
    /* Once more, now that all stages are there to take what stands for all of them. */
    for (cursor = NULL; yaml_next_pair(root, &cursor, &key, &node);) {
        const struct plan_field *field = find_field(key);

        if (!field)
            continue;
        TRY(read_field(yaml, field, node, &value, why));
        place(request, field, value, false);
    }
    return ERR_OK;
}

enum err plan_check(const json_t *request, struct why *why)
{
    static const char *const needed[] = {"name", "release", "selector"};
    const char *strategy = json_string_value(json_object_get(request, "strategy"));

    for (size_t i = 0; i < COUNT_OF(needed); i++)
        if (!json_object_get(request, needed[i]))
            return say(why, ERR_INVALID, needed[i], "a rollout needs a %s", needed[i]);
    if (strategy && strcmp(strategy, "risk") == 0)
        return ERR_OK; /* it has none */
    if (json_array_size(json_object_get(request, "stages")) == 0)
        return say(why, ERR_INVALID, "stages", "a rollout needs stages, like 10%%,50%%,100%%");
    return ERR_OK;
}
