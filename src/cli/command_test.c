/* The command table: consistent with itself, and found however the line is written. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cli/command.h"

static struct why why;

static bool ends_with(const char *text, char c)
{
    return *text != '\0' && text[strlen(text) - 1] == c;
}

static void check_option(const struct option_spec *spec)
{
    assert_true(spec->help[0] >= 'A' && spec->help[0] <= 'Z');
    assert_false(ends_with(spec->help, '.'));
    assert_int_equal(strspn(spec->name, "abcdefghijklmnopqrstuvwxyz0123456789_"),
                     strlen(spec->name));
    assert_true(spec->kind == OPTION_FLAG || spec->unit != NULL);
    assert_true(spec->letter != 'h'); /* help */
}

static void check_no_clash(const struct option_spec *a, const struct option_spec *b)
{
    assert_string_not_equal(a->name, b->name);
    assert_true(a->letter == 0 || a->letter != b->letter);
}

static void test_rows_are_sound(void **state)
{
    (void)state;
    for (size_t i = 0; i < commands_count; i++) {
        const struct command *command = &commands[i];

        assert_non_null(command->run);
        assert_true(command->args_min <= command->args_max);
        assert_int_equal(command->args_max == 0, command->args[0] == '\0');
        assert_false(ends_with(command->help, '.'));
        assert_true(command->more[0] == '\0' || ends_with(command->more, '\n'));
        for (size_t k = 0; k < command->option_count; k++) {
            check_option(&command->options[k]);
            for (size_t j = 0; j < k; j++)
                check_no_clash(&command->options[k], &command->options[j]);
            for (size_t j = 0; j < global_options_count; j++)
                check_no_clash(&command->options[k], &global_options[j]);
        }
    }
}

static void test_rows_are_grouped_and_unique(void **state)
{
    (void)state;
    for (size_t i = 0; i < commands_count; i++)
        for (size_t k = 0; k < i; k++) {
            bool same_noun = strcmp(commands[i].noun, commands[k].noun) == 0;

            if (!same_noun)
                continue;
            assert_non_null(commands[i].verb);
            assert_non_null(commands[k].verb);
            assert_string_not_equal(commands[i].verb, commands[k].verb);
            /* Nothing else stands between two rows of a noun. */
            assert_string_equal(commands[i - 1].noun, commands[i].noun);
        }
}

/* Every command parses with its fewest operands and its fallbacks, and not with one too many. */
static void test_fallbacks_parse(void **state)
{
    static char program[] = "slipway", operand[] = "x";

    (void)state;
    for (size_t i = 0; i < commands_count; i++) {
        struct cli *cli = calloc(1, sizeof *cli);
        char *argv[8] = {program, operand, operand, operand};
        int count = (int)commands[i].args_min;

        assert_non_null(cli);
        cli->command = &commands[i];
        assert_int_equal(command_parse(cli, 1 + count, argv, &why), ERR_OK);
        assert_int_equal(cli->arg_count, count);
        options_close(&cli->options);
        if (commands[i].args_min > 0) {
            assert_int_equal(command_parse(cli, count, argv, &why), ERR_INVALID);
            options_close(&cli->options);
        }
        if (commands[i].args_max < 3) {
            assert_int_equal(command_parse(cli, 2 + (int)commands[i].args_max, argv, &why),
                             ERR_INVALID);
            options_close(&cli->options);
        }
        free(cli);
    }
}

/* Words of `line` to the command found, as "noun verb: rest of the words". */
static const char *found(const char *line)
{
    static char text[512];
    static char copy[512];
    char *argv[16];
    int argc = 0;
    const struct command *command;
    const char *noun;

    (void)snprintf(copy, sizeof copy, "slipway %s", line);
    for (char *rest = NULL, *word = strtok_r(copy, " ", &rest); word;
         word = strtok_r(NULL, " ", &rest))
        argv[argc++] = word;
    argv[argc] = NULL;
    if (command_find(&argc, argv, &command, &noun, &why) != ERR_OK) {
        (void)snprintf(text, sizeof text, "%s", why.text);
        return text;
    }
    (void)snprintf(text, sizeof text, "%s %s:", command->noun, command->verb ? command->verb : "-");
    for (int i = 1; i < argc; i++)
        (void)snprintf(text + strlen(text), sizeof text - strlen(text), " %s", argv[i]);
    return text;
}

static void test_finding(void **state)
{
    (void)state;
    assert_string_equal(found("device list"), "device list:");
    assert_string_equal(found("device list hw=1 -o json"), "device list: hw=1 -o json");
    assert_string_equal(found("-o json device --server https://x list -y"),
                        "device list: -o json --server https://x -y");
    assert_string_equal(found("--token-file=a --token_file b device get x"),
                        "device get: --token-file=a --token_file b x");
    assert_string_equal(found("whoami"), "whoami -:");
    assert_string_equal(found("completion bash"), "completion -: bash");
    assert_string_equal(found(""), "a command is missing; try --help");
    assert_string_equal(found("-o json"), "a command is missing; try --help");
    assert_string_equal(found("dev list"), "there is no command \"dev\"; try --help");
    assert_string_equal(found("device"), "device what? Try device --help");
    assert_string_equal(found("device lst x"),
                        "there is no command \"device lst\"; try device --help");
    assert_string_equal(found("-- device list"), "a command is missing; try --help");
}

static void test_generated_texts_name_everything(void **state)
{
    char *text[4] = {NULL};
    size_t size;
    void (*const generators[])(FILE *) = {command_man, command_complete_bash, command_complete_zsh};

    (void)state;
    for (size_t g = 0; g < COUNT_OF(generators); g++) {
        FILE *to = open_memstream(&text[g], &size);

        assert_non_null(to);
        generators[g](to);
        (void)fclose(to);
        for (size_t i = 0; i < commands_count; i++) {
            assert_non_null(strstr(text[g], commands[i].noun));
            if (commands[i].verb)
                assert_non_null(strstr(text[g], commands[i].verb));
        }
        free(text[g]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows_are_sound),
        cmocka_unit_test(test_rows_are_grouped_and_unique),
        cmocka_unit_test(test_fallbacks_parse),
        cmocka_unit_test(test_finding),
        cmocka_unit_test(test_generated_texts_name_everything),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
