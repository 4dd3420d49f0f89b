/* audit verify on exports that somebody has been at: every kind of change is found, offline. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "cli/command.h"
#include "crypto/key.h"
#include "fleet/audit.h"

#define ENTRIES 5u

static char lines[ENTRIES + 1][AUDIT_LINE_MAX]; /* the head is the last one */
static char dir[] = "/tmp/audit_verify_XXXXXX", export_path[64], key_path[64], other_path[64];
static char *out_text, *err_text_;

static struct key *make_key(const char *path)
{
    struct key *key;
    struct why why;

    assert_int_equal(key_generate(KEY_ED25519, &key, &why), ERR_OK);
    assert_int_equal(key_save_public(key, path, &why), ERR_OK);
    return key;
}

static void make_entry(unsigned i, uint8_t hash[DIGEST_SIZE])
{
    char text[AUDIT_ENTRY_MAX];
    struct buf canonical = buf_over(text, sizeof text);
    struct buf line = buf_over(lines[i], sizeof lines[i]);
    struct audit_entry entry = {.seq = i + 1,
                                .at = {1000 * (int64_t)i},
                                .tenant = SPAN_LITERAL("default"),
                                .actor = SPAN_LITERAL("token:alice"),
                                .action = SPAN_LITERAL("rollout.start"),
                                .object = SPAN_LITERAL("rollout:7"),
                                .detail = SPAN_LITERAL("because \"so\"")};

    audit_entry_print(&entry, &canonical);
    audit_chain(hash, buf_written(&canonical), hash);
    audit_line_print(buf_written(&canonical), hash, &line);
    (void)buf_finish_text(&line);
}

static void make_head(const struct key *key, const uint8_t hash[DIGEST_SIZE])
{
    char text[512];
    uint8_t signature[KEY_SIGNATURE_SIZE_MAX], raw[KEY_RAW_SIZE];
    struct buf to_sign = buf_over(text, sizeof text);
    struct buf signed_ = buf_over(signature, sizeof signature);
    struct buf line = buf_over(lines[ENTRIES], sizeof lines[ENTRIES]);
    struct why why;

    audit_head_signed_text(ENTRIES, hash, &to_sign);
    assert_int_equal(key_sign(key, buf_written(&to_sign), &signed_, &why), ERR_OK);
    key_public_raw(key, raw);
    audit_head_print(ENTRIES, hash, buf_written(&signed_), (struct span){raw, sizeof raw}, &line);
    (void)buf_finish_text(&line);
}

static int make_export(void **state)
{
    uint8_t hash[DIGEST_SIZE] = {0};
    struct key *key;

    (void)state;
    assert_non_null(mkdtemp(dir));
    (void)snprintf(export_path, sizeof export_path, "%s/export", dir);
    (void)snprintf(key_path, sizeof key_path, "%s/key", dir);
    (void)snprintf(other_path, sizeof other_path, "%s/other", dir);
    key_close(make_key(other_path));
    key = make_key(key_path);
    for (unsigned i = 0; i < ENTRIES; i++)
        make_entry(i, hash);
    make_head(key, hash);
    key_close(key);
    return 0;
}

static int remove_export(void **state)
{
    (void)state;
    (void)unlink(export_path);
    (void)unlink(key_path);
    (void)unlink(other_path);
    free(out_text);
    free(err_text_);
    return rmdir(dir);
}

/* Write the lines named by `order` ("012345", 5 is the head) and verify; the exit code. */
static int verify(const char *order, const char *key)
{
    char *argv[] = {(char[]){"slipway"},
                    (char[]){"audit"},
                    (char[]){"verify"},
                    export_path,
                    (char[]){"--key"},
                    (char *)(uintptr_t)key,
                    NULL};
    struct cli *cli = calloc(1, sizeof *cli);
    FILE *file = fopen(export_path, "w");
    int argc = key ? 6 : 4, code;
    const char *noun;
    struct why why;
    size_t size;

    assert_true(cli && file);
    for (; *order != '\0'; order++)
        (void)fprintf(file, "%s\n", lines[*order - '0']);
    (void)fclose(file);
    free(out_text);
    free(err_text_);
    cli->out = open_memstream(&out_text, &size);
    cli->err = open_memstream(&err_text_, &size);
    assert_int_equal(command_find(&argc, argv, &cli->command, &noun, &why), ERR_OK);
    assert_int_equal(command_parse(cli, argc, argv, &why), ERR_OK);
    code = cli->command->run(cli);
    options_close(&cli->options);
    (void)fclose(cli->out);
    (void)fclose(cli->err);
    free(cli);
    return code;
}

static void test_untouched(void **state)
{
    (void)state;
    assert_int_equal(verify("012345", key_path), CODE_OK);
    assert_string_equal(out_text, "5 entries, none altered, dropped or swapped; the head is signed "
                                  "with the given key.\n");
    assert_int_equal(verify("012345", NULL), CODE_OK);
    assert_non_null(strstr(out_text, "give --key"));
}

static void test_lines_missing_swapped_repeated(void **state)
{
    static const char *const bad[] = {"12345",  "02345",  "01245",   "01235",   "01234", "021345",
                                      "012354", "501234", "0012345", "0123455", "",      "5"};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        assert_int_equal(verify(bad[i], NULL), CODE_ERROR);
        assert_int_equal(out_text[0], '\0');
        assert_int_equal(strncmp(err_text_, "slipway: ", 9), 0);
        assert_true(strlen(err_text_) > 20);
    }
}

/* Every byte of every line, changed. */
static void test_every_byte_counts(void **state)
{
    (void)state;
    for (size_t line = 0; line <= ENTRIES; line++)
        for (size_t at = 0; lines[line][at] != '\0'; at += 3) {
            char was = lines[line][at];

            lines[line][at] = was == 'x' ? 'y' : 'x';
            assert_int_equal(verify("012345", NULL), CODE_ERROR);
            lines[line][at] = was;
        }
    assert_int_equal(verify("012345", NULL), CODE_OK);
}

static void test_other_key(void **state)
{
    (void)state;
    assert_int_equal(verify("012345", other_path), CODE_ERROR);
    assert_non_null(strstr(err_text_, "another key"));
    assert_int_equal(verify("012345", "/nonexistent"), CODE_NOT_FOUND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_untouched),
        cmocka_unit_test(test_lines_missing_swapped_repeated),
        cmocka_unit_test(test_every_byte_counts),
        cmocka_unit_test(test_other_key),
    };

    return cmocka_run_group_tests(tests, make_export, remove_export);
}
