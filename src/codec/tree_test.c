/* What other people's devices send, in both syntaxes, good and bad. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "codec/hex.h"
#include "codec/tree.h"
#include "codec/tree_out.h"

#define NODES 12u

struct reading {
    struct tree_node nodes[NODES];
    uint8_t texts[256];
    struct buf buf;
    struct tree tree;
};

static enum err read_bytes(struct reading *reading, struct span bytes, bool cbor)
{
    reading->buf = buf_over(reading->texts, sizeof reading->texts);
    reading->tree = (struct tree){.nodes = reading->nodes, .room = NODES, .texts = &reading->buf};
    return cbor ? tree_read_cbor(bytes, &reading->tree) : tree_read_json(bytes, &reading->tree);
}

static enum err read_json(struct reading *reading, const char *text)
{
    return read_bytes(reading, span_of(text), false);
}

static enum err read_hex(struct reading *reading, const char *hex)
{
    uint8_t bytes[128];

    assert_true(hex_parse(span_of(hex), bytes, strlen(hex) / 2));
    return read_bytes(reading, (struct span){bytes, strlen(hex) / 2}, true);
}

static void a_document_is_read(void **state)
{
    struct reading reading;
    const struct tree_node *node, *list;

    (void)state;
    assert_int_equal(read_json(&reading, " {\"id\": 12, \"s\":{\"a\":[\"x\",null,true,-1.5e3]},"
                                         "\"id\":\"13\\n\\u00e9\\ud83d\\ude00\"} \n"),
                     ERR_OK);
    node = tree_member(&reading.tree, &reading.nodes[0], "id");
    assert_int_equal(node->kind, TREE_TEXT); /* the last one counts */
    assert_true(span_is(node->text, "13\n\xc3\xa9\xf0\x9f\x98\x80"));
    list = tree_member(&reading.tree, tree_member(&reading.tree, &reading.nodes[0], "s"), "a");
    assert_int_equal(list->count, 4);
    node = tree_first(&reading.tree, list);
    assert_true(span_is(node->text, "x"));
    node = tree_next(&reading.tree, node);
    assert_int_equal(node->kind, TREE_NULL);
    node = tree_next(&reading.tree, node);
    assert_int_equal(node->number, 1);
    node = tree_next(&reading.tree, node);
    assert_false(node->whole);
    assert_null(tree_next(&reading.tree, node));
    assert_null(tree_member(&reading.tree, list, "a"));
    assert_null(tree_member(&reading.tree, NULL, "a"));
}

static void numbers_are_whole_or_not(void **state)
{
    struct reading reading;

    (void)state;
    assert_int_equal(read_json(&reading, "9223372036854775807"), ERR_OK);
    assert_true(reading.nodes[0].whole && reading.nodes[0].number == INT64_MAX);
    assert_int_equal(read_json(&reading, "-9223372036854775808"), ERR_OK);
    assert_true(reading.nodes[0].whole && reading.nodes[0].number == INT64_MIN);
    assert_int_equal(read_json(&reading, "9223372036854775808"), ERR_OK);
    assert_false(reading.nodes[0].whole);
    assert_int_equal(read_hex(&reading, "3903e7"), ERR_OK);
    assert_int_equal(reading.nodes[0].number, -1000);
    assert_int_equal(read_hex(&reading, "1bffffffffffffffff"), ERR_OK);
    assert_false(reading.nodes[0].whole);
    assert_int_equal(read_hex(&reading, "f93c00"), ERR_OK);
    assert_false(reading.nodes[0].whole);
}

static void bad_json_is_refused(void **state)
{
    static const char *const bad[] = {
        "",
        "{",
        "[1",
        "[1,]",
        "{\"a\":1,}",
        "{\"a\"}",
        "{a:1}",
        "01",
        "1.",
        "1e",
        "-",
        "+1",
        "nul",
        "\"a",
        "\"\\x\"",
        "\"\\u12\"",
        "\"\n\"",
        "\"\\ud800\"",
        "\"\\u0000\"",
        "[1}",
        "1 2",
        "\"\xff\"",
        "\"\\ud800\\u0041\"",
        "]",
        ",",
        "{,}",
        "[\"a\"\"b\"]",
    };
    struct reading reading;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        if (read_json(&reading, bad[i]) != ERR_CORRUPT)
            fail_msg("accepted: %s", bad[i]);
    }
    assert_int_equal(read_json(&reading, "[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]"), ERR_TOO_BIG);
    assert_int_equal(read_json(&reading, "[1,1,1,1,1,1,1,1,1,1,1,1]"), ERR_TOO_BIG);
}

static void cbor_of_general_encoders_is_read(void **state)
{
    struct reading reading;
    const struct tree_node *node;

    (void)state;
    /* {_ "a": (_ "x", "yz"), "b": [1, c1(2)], "c": {} } */
    assert_int_equal(read_hex(&reading, "bf61617f617862797aff61628201c1026163a0ff"), ERR_OK);
    node = tree_member(&reading.tree, &reading.nodes[0], "a");
    assert_true(span_is(node->text, "xyz"));
    node = tree_first(&reading.tree, tree_member(&reading.tree, &reading.nodes[0], "b"));
    assert_int_equal(node->number, 1);
    assert_int_equal(tree_next(&reading.tree, node)->number, 2);
    assert_int_equal(tree_member(&reading.tree, &reading.nodes[0], "c")->count, 0);
}

static void bad_cbor_is_refused(void **state)
{
    static const char *const bad[] = {
        "",     "bf",   "a1",           "a16161", "a10101",       "62ff",
        "61ff", "6261", "1c",           "9f01",   "c101ff",       "0101",
        "ff",   "4101", "c1c1c1c1c101", "7f01ff", "7f7f6161ffff", "9bffffffffffffffff",
        "6100", "1f",   "f818",         "a161",
    };
    struct reading reading;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        if (read_hex(&reading, bad[i]) != ERR_CORRUPT)
            fail_msg("accepted: %s", bad[i]);
    }
    assert_int_equal(read_hex(&reading, "8181818181818181818181818181818181"), ERR_TOO_BIG);
}

static void write_sample(bool cbor, struct buf *buf)
{
    struct tree_out out = tree_out(buf, cbor);

    tree_out_map(&out, NULL);
    tree_out_text(&out, "a", SPAN_LITERAL("q\"\\\n\xff\xc3\xa9"));
    tree_out_list(&out, "l");
    tree_out_int(&out, NULL, -5);
    tree_out_map(&out, NULL);
    tree_out_map_end(&out);
    tree_out_list_end(&out);
    tree_out_bool(&out, "b", true);
    tree_out_map_end(&out);
}

static void what_is_written_is_read(void **state)
{
    struct reading reading;
    uint8_t bytes[128];
    struct buf buf = buf_over(bytes, sizeof bytes);

    (void)state;
    write_sample(false, &buf);
    assert_true(span_is(buf_written(&buf), "{\"a\":\"q\\\"\\\\\\u000a\xef\xbf\xbd\xc3\xa9\","
                                           "\"l\":[-5,{}],\"b\":true}"));
    for (int cbor = 0; cbor < 2; cbor++) {
        const struct tree_node *node;

        buf = buf_over(bytes, sizeof bytes);
        write_sample(cbor, &buf);
        assert_int_equal(read_bytes(&reading, buf_written(&buf), cbor), ERR_OK);
        node = tree_member(&reading.tree, &reading.nodes[0], "a");
        assert_true(span_is(node->text, "q\"\\\n\xef\xbf\xbd\xc3\xa9"));
        node = tree_member(&reading.tree, &reading.nodes[0], "l");
        assert_int_equal(tree_first(&reading.tree, node)->number, -5);
        assert_int_equal(tree_member(&reading.tree, &reading.nodes[0], "b")->number, 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_document_is_read),  cmocka_unit_test(numbers_are_whole_or_not),
        cmocka_unit_test(bad_json_is_refused), cmocka_unit_test(cbor_of_general_encoders_is_read),
        cmocka_unit_test(bad_cbor_is_refused), cmocka_unit_test(what_is_written_is_read),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
