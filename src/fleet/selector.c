#include "fleet/selector.h"

#include "base/check.h"
#include "codec/version.h"
#include "fleet/selector_number.h"

bool selector_number(struct span text, int64_t *out)
{
    bool negative = text.size > 0 && text.at[0] == '-';
    size_t digits = text.size - (negative ? 1 : 0);
    int64_t value = 0;

    if (digits == 0 || digits > 18)
        return false;
    for (size_t i = text.size - digits; i < text.size; i++) {
        if (text.at[i] < '0' || text.at[i] > '9')
            return false;
        value = value * 10 + (text.at[i] - '0');
    }
    *out = negative ? -value : value;
    return true;
}

static struct span text_of(const struct selector *selector, const struct selector_node *node)
{
    CHECK((uint32_t)node->at + node->size <= selector->text_size);
    return (struct span){(const uint8_t *)selector->text + node->at, node->size};
}

/* --- evaluation --- */

/* "*" is any text, "?" one byte. Linear: on a mismatch only the last "*" is widened. */
static bool like(struct span text, struct span pattern)
{
    size_t at = 0, star = SIZE_MAX, resume = 0, i = 0;

    while (i < text.size) {
        if (at < pattern.size && pattern.at[at] == '*') {
            star = at++;
            resume = i;
        } else if (at < pattern.size && (pattern.at[at] == '?' || pattern.at[at] == text.at[i])) {
            at++;
            i++;
        } else if (star != SIZE_MAX) {
            at = star + 1;
            i = ++resume;
        } else {
            return false;
        }
    }
    while (at < pattern.size && pattern.at[at] == '*')
        at++;
    return at == pattern.size;
}

static bool ordered(struct span have, struct span want, enum selector_kind kind)
{
    int64_t a, b;
    int order;

    if (selector_number(have, &a) && selector_number(want, &b))
        order = (a > b) - (a < b);
    else if (version_valid(have) && version_valid(want))
        order = version_compare(have, want);
    else
        return false; /* nonsense is neither below nor above anything */
    if (kind == SELECTOR_LESS)
        return order < 0;
    if (kind == SELECTOR_LESS_EQUAL)
        return order <= 0;
    return kind == SELECTOR_GREATER ? order > 0 : order >= 0;
}

static bool equal(struct span field, struct span have, struct span want)
{
    if (span_equal(have, want))
        return true;
    return span_is(field, "version") && version_valid(have) && version_valid(want) &&
           version_compare(have, want) == 0;
}

/* Whether one value of the device passes a test for any of the test's values. */
static bool passes(const struct selector *selector, const struct selector_node *test,
                   struct span have)
{
    for (uint16_t i = 0; i < test->count; i++) {
        struct span want = text_of(selector, &selector->nodes[test->value + i]);
        bool hit;

        if (test->kind == SELECTOR_EQUAL)
            hit = equal(text_of(selector, test), have, want);
        else if (test->kind == SELECTOR_LIKE)
            hit = like(have, want);
        else
            hit = ordered(have, want, (enum selector_kind)test->kind);
        if (hit)
            return true;
    }
    return false;
}

#define VALUES_MAX 4096u /* values of one field that are looked at: groups of a device */

static bool test_holds(const struct selector *selector, const struct selector_node *test,
                       selector_lookup *lookup, void *self)
{
    struct span field = text_of(selector, test), have;
    bool hit = false;

    for (uint32_t i = 0; i < VALUES_MAX && !hit && lookup(self, field, i, &have); i++)
        hit = test->kind == SELECTOR_HAS || passes(selector, test, have);
    return hit != test->negated;
}

static bool is_test(const struct selector_node *node)
{
    return node->kind >= SELECTOR_HAS && node->kind <= SELECTOR_LIKE;
}

uint32_t selector_fields(const struct selector *selector, struct span *out, uint32_t max)
{
    uint32_t found = 0;

    for (uint16_t i = 0; i < selector->count; i++) {
        struct span field;
        uint32_t seen = 0;

        if (!is_test(&selector->nodes[i]))
            continue;
        field = text_of(selector, &selector->nodes[i]);
        while (seen < found && seen < max && !span_equal(out[seen], field))
            seen++;
        if (seen < found && seen < max)
            continue;
        if (found < max)
            out[found] = field;
        found++;
    }
    return found;
}

bool selector_matches(const struct selector *selector, selector_lookup *lookup, void *self)
{
    bool stack[SELECTOR_DEPTH_MAX + 1] = {false};
    size_t depth = 0;

    CHECK(selector->count > 0);
    for (uint16_t i = 0; i < selector->count; i++) {
        const struct selector_node *node = &selector->nodes[i];

        if (node->kind == SELECTOR_VALUE)
            continue;
        if (node->kind == SELECTOR_NOT) {
            CHECK(depth >= 1);
            stack[depth - 1] = !stack[depth - 1];
        } else if (node->kind == SELECTOR_AND || node->kind == SELECTOR_OR) {
            CHECK(depth >= 2);
            depth--;
            stack[depth - 1] = node->kind == SELECTOR_AND ? stack[depth - 1] && stack[depth]
                                                          : stack[depth - 1] || stack[depth];
        } else {
            CHECK(depth < COUNT_OF(stack));
            stack[depth++] = node->kind == SELECTOR_ALL || test_holds(selector, node, lookup, self);
        }
    }
    CHECK(depth == 1);
    return stack[0];
}

bool selector_is_all(const struct selector *selector)
{
    return selector->count == 1 && selector->nodes[0].kind == SELECTOR_ALL;
}

/* --- printing --- */

static void put_value(struct buf *out, struct span value)
{
    buf_byte(out, '"');
    for (size_t i = 0; i < value.size; i++) {
        if (value.at[i] == '"' || value.at[i] == '\\')
            buf_byte(out, '\\');
        buf_byte(out, value.at[i]);
    }
    buf_byte(out, '"');
}

static const char *operator_of(const struct selector_node *test)
{
    static const char *const plain[SELECTOR_KIND_COUNT] = {
        [SELECTOR_EQUAL] = " = ",   [SELECTOR_LESS] = " < ",
        [SELECTOR_LIKE] = " ~ ",    [SELECTOR_LESS_EQUAL] = " <= ",
        [SELECTOR_GREATER] = " > ", [SELECTOR_GREATER_EQUAL] = " >= ",
    };

    if (test->set)
        return test->negated ? " not in (" : " in (";
    if (!test->negated)
        return plain[test->kind];
    return test->kind == SELECTOR_LIKE ? " !~ " : " != ";
}

static void put_test(const struct selector *selector, const struct selector_node *test,
                     struct buf *out)
{
    if (test->kind == SELECTOR_ALL) {
        buf_text(out, "all");
        return;
    }
    if (test->kind == SELECTOR_HAS) {
        buf_text(out, "has ");
        buf_span(out, text_of(selector, test));
        return;
    }
    buf_span(out, text_of(selector, test));
    buf_text(out, operator_of(test));
    for (uint16_t i = 0; i < test->count; i++) {
        if (i > 0)
            buf_text(out, ", ");
        put_value(out, text_of(selector, &selector->nodes[test->value + i]));
    }
    if (test->set)
        buf_byte(out, ')');
}

static int precedence(const struct selector_node *node)
{
    switch (node->kind) {
    case SELECTOR_OR:
        return 1;
    case SELECTOR_AND:
        return 2;
    case SELECTOR_NOT:
        return 3;
    default:
        return 4;
    }
}

/* One node on the way down: how much of it is printed, and whether in parentheses. */
struct visit {
    uint16_t node;
    uint8_t step;
    bool parenthesis;
};

/* The operand to print next, if any; `step` counts the visits to `node`. */
static bool next_operand(const struct selector *selector, const struct visit *visit,
                         struct buf *out, struct visit *operand)
{
    const struct selector_node *node = &selector->nodes[visit->node];
    bool binary = node->kind == SELECTOR_AND || node->kind == SELECTOR_OR;
    int inner, least = precedence(node);

    if (visit->step == 0 && !binary && node->kind != SELECTOR_NOT) {
        put_test(selector, node, out);
        return false;
    }
    if (visit->step > (binary ? 1 : 0))
        return false;
    if (!binary)
        buf_text(out, "not ");
    else if (visit->step == 1)
        buf_text(out, node->kind == SELECTOR_AND ? " and " : " or ");
    *operand = (struct visit){.node = visit->step == 0 ? node->left : node->right};
    inner = precedence(&selector->nodes[operand->node]);
    operand->parenthesis = visit->step == 0 ? inner < least : inner <= least;
    return true;
}

void selector_print(const struct selector *selector, struct buf *out)
{
    struct visit stack[SELECTOR_NODES_MAX] = {{.node = selector->root}};
    size_t depth = 1;

    CHECK(selector->count > 0);
    while (depth > 0) { /* each node is visited at most three times */
        struct visit *visit = &stack[depth - 1], operand;

        if (visit->step == 0 && visit->parenthesis)
            buf_byte(out, '(');
        if (next_operand(selector, visit, out, &operand)) {
            visit->step++;
            CHECK(depth < SELECTOR_NODES_MAX);
            stack[depth++] = operand;
        } else {
            if (visit->parenthesis)
                buf_byte(out, ')');
            depth--;
        }
    }
}
