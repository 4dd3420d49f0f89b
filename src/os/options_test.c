/* Option tables: the command line, the file, who wins, and every sentence about what is wrong. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "os/options.h"

static const struct option_spec table[] = {
    {"config", 'c', OPTION_PATH, "/nonexistent/x.yaml", 0, 0, "FILE", "Read this file"},
    {"listen", 'l', OPTION_TEXT, "127.0.0.1:8443", 0, 0, "ADDRESS", "Listen here"},
    {"log_level", 0, OPTION_TEXT, "info", 0, 0, "error|warn|info|debug", "Say this much"},
    {"poll_interval_s", 'p', OPTION_DURATION_S, "5m", 1, 86400, "TIME", "Ask so often"},
    {"threads", 't', OPTION_INT, "2", 1, 64, "COUNT", "Use so many threads"},
    {"upload_max", 0, OPTION_SIZE, "4G", 0, 0, "BYTES", "Refuse larger uploads"},
    {"tls12", '2', OPTION_FLAG, NULL, 0, 0, NULL, "Allow TLS 1.2"},
    {"verbose", 'v', OPTION_FLAG, "true", 0, 0, NULL, "Say more"},
    {"server_names", 's', OPTION_LIST, NULL, 0, 0, "NAME", "Certify these names"},
    {"data_dir", 0, OPTION_PATH, NULL, 0, 0, "DIR", "Keep everything here"},
};

static const struct program program = {
    .name = "testd",
    .section = 8,
    .summary = "tests options",
    .description = "First paragraph.\n\nSecond - paragraph.\n\n  literal --line\n",
    .config_option = "config",
    .table = table,
    .count = COUNT_OF(table),
    .files = "/etc/testd.yaml: the configuration",
    .exits = "0: fine\n2: wrong usage",
    .see_also = "slipway(1)",
};

static struct options options;
static struct why why;

/* Parse the words of `line`, which must outlive the options. */
static enum err parse(char *line)
{
    static char *argv[32];
    int argc = 0;

    argv[argc++] = (char[]){"testd"};
    for (char *rest = NULL, *word = strtok_r(line, " ", &rest); word;
         word = strtok_r(NULL, " ", &rest))
        argv[argc++] = word;
    why_clear(&why);
    return options_parse(table, COUNT_OF(table), argc, argv, "config", &options, &why);
}

static enum err parse_yaml(const char *text)
{
    why_clear(&why);
    return options_parse_text(table, COUNT_OF(table), "x.yaml", text, strlen(text), &options, &why);
}

#define PARSE(line) parse((char[]){line})

static void test_fallbacks(void **state)
{
    size_t count = 7;

    (void)state;
    assert_int_equal(PARSE(""), ERR_OK);
    assert_string_equal(options_text(&options, "listen"), "127.0.0.1:8443");
    assert_int_equal(options_duration_s(&options, "poll_interval_s"), 300);
    assert_int_equal(options_size(&options, "upload_max"), 4ull << 30);
    assert_false(options_flag(&options, "tls12"));
    assert_true(options_flag(&options, "verbose"));
    assert_null(options_list(&options, "server_names", &count));
    assert_int_equal(count, 0);
    assert_null(options_path(&options, "data_dir"));
    assert_false(options_given(&options, "listen"));
    assert_false(options_check_only(&options));
    options_close(&options);
    options_close(&options);
}

static void test_command_line(void **state)
{
    const char *const *names;
    size_t count;

    (void)state;
    char line[] = "-2n --listen=[::]:1 one --poll_interval_s 1h30m --poll-interval-s=1h "
                  "-t8 --server-names a,b -s c -- --two -";
    assert_int_equal(parse(line), ERR_INVALID); /* poll interval twice */
    assert_string_equal(why.field, "poll_interval_s");

    char good[] = "-2n --listen=[::]:1 one --poll-interval-s 1h30m -t8 --server-names a,b -s c "
                  "--verbose=false -- --two -";
    assert_int_equal(parse(good), ERR_OK);
    assert_true(options_flag(&options, "tls12"));
    assert_false(options_flag(&options, "verbose"));
    assert_true(options_check_only(&options));
    assert_string_equal(options_text(&options, "listen"), "[::]:1");
    assert_int_equal(options_duration_s(&options, "poll_interval_s"), 5400);
    assert_int_equal(options_int(&options, "threads"), 8);
    names = options_list(&options, "server_names", &count);
    assert_int_equal(count, 3);
    assert_string_equal(names[2], "c");
    assert_int_equal(options.operand_count, 3);
    assert_string_equal(options.operands[0], "one");
    assert_string_equal(options.operands[1], "--two");
    assert_string_equal(options.operands[2], "-");
    options_close(&options);
}

static void test_requests(void **state)
{
    (void)state;
    assert_int_equal(PARSE("--help --nonsense"), ERR_OK);
    assert_int_equal(options.request, OPTIONS_HELP);
    options_close(&options);
    assert_int_equal(PARSE("-h"), ERR_OK);
    assert_int_equal(options.request, OPTIONS_HELP);
    options_close(&options);
    assert_int_equal(PARSE("--version"), ERR_OK);
    assert_int_equal(options.request, OPTIONS_VERSION);
    options_close(&options);
    assert_int_equal(PARSE("--man"), ERR_OK);
    assert_int_equal(options.request, OPTIONS_MAN);
    options_close(&options);
}

static void test_bad_command_lines(void **state)
{
    static const struct {
        const char *line, *field, *text;
    } bad[] = {
        {"--nonsense", "nonsense", "there is no option --nonsense; try --help"},
        {"-x", "", "there is no option -x; try --help"},
        {"--listen", "listen", "--listen needs a value"},
        {"-t", "threads", "-t needs a value"},
        {"--threads 0", "threads", "threads must be 1 to 64, not 0"},
        {"--threads two", "threads", "threads must be a whole number, not \"two\""},
        {"--log-level loud", "log_level",
         "log_level must be one of error|warn|info|debug, not \"loud\""},
        {"--log-level=", "log_level", "log_level must be one of error|warn|info|debug, not \"\""},
        {"--log-level inf", "log_level",
         "log_level must be one of error|warn|info|debug, not \"inf\""},
        {"--poll-interval-s 2d", "poll_interval_s",
         "poll_interval_s must be 1 to 86400, not 172800"},
        {"--poll-interval-s soon", "poll_interval_s",
         "poll_interval_s must be a duration like 90s, 10m or 1h30m, not \"soon\""},
        {"--upload-max 1X", "upload_max",
         "upload_max must be a size in bytes like 65536, 64K or 2G, not \"1X\""},
        {"--tls12=yes", "tls12", "tls12 must be true or false, not \"yes\""},
        {"--data-dir=", "data_dir", "data_dir must not be empty"},
        {"--help=1", "help=1", "there is no option --help; try --help"},
        {"-c /nonexistent/y.yaml", "", "/nonexistent/y.yaml: No such file or directory"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        char *line = strdup(bad[i].line);

        assert_int_not_equal(parse(line), ERR_OK);
        assert_string_equal(why.text, bad[i].text);
        assert_string_equal(why.field, bad[i].field);
        free(line);
    }
}

static void test_file(void **state)
{
    const char *const *names;
    size_t count;

    (void)state;
    assert_int_equal(parse_yaml("# ours\nlisten: \"[::]:443\"\nthreads: 4\ntls12: true\n"
                                "poll_interval_s: 10m\nupload_max: \"1M\"\n"
                                "server_names: [a, \"b,c\"]\n"),
                     ERR_OK);
    assert_string_equal(options_text(&options, "listen"), "[::]:443");
    assert_int_equal(options_int(&options, "threads"), 4);
    assert_true(options_flag(&options, "tls12"));
    assert_int_equal(options_duration_s(&options, "poll_interval_s"), 600);
    assert_int_equal(options_size(&options, "upload_max"), 1 << 20);
    names = options_list(&options, "server_names", &count);
    assert_int_equal(count, 2);
    assert_string_equal(names[1], "b,c");
    assert_true(options_given(&options, "listen"));
    options_close(&options);
    assert_int_equal(parse_yaml(""), ERR_OK);
    options_close(&options);
    assert_int_equal(parse_yaml("# only a comment\n"), ERR_OK);
    options_close(&options);
}

static void test_bad_files(void **state)
{
    static const struct {
        const char *yaml, *text;
    } bad[] = {
        {"listen: a\nport: 3\n", "x.yaml:2: there is no option \"port\""},
        {"poll-interval-s: 3\n", "x.yaml:1: there is no option \"poll-interval-s\""},
        {"\n\nthreads: \"4\"\n", "x.yaml:3: threads must be a whole number, not \"4\""},
        {"threads: 4.5\n", "x.yaml:1: threads must be a whole number, not \"4.5\""},
        {"threads: 65\n", "x.yaml:1: threads must be 1 to 64, not 65"},
        {"threads: [4]\n", "x.yaml:1: threads must be a whole number, not \"something else\""},
        {"tls12: yes\n", "x.yaml:1: tls12 must be true or false, not \"yes\""},
        {"tls12: 1\n", "x.yaml:1: tls12 must be true or false, not \"1\""},
        {"listen:\n", "x.yaml:1: listen must be a text, not \"something else\""},
        {"listen: {a: b}\n", "x.yaml:1: listen must be a text, not \"something else\""},
        {"server_names: a\n", "x.yaml:1: server_names must be a list, not \"a\""},
        {"server_names:\n  - a\n  - [b]\n", "x.yaml:2: server_names must hold texts only"},
        {"log_level: loud\n",
         "x.yaml:1: log_level must be one of error|warn|info|debug, not \"loud\""},
        {"- listen\n", "x.yaml:1: must be lines of \"name: value\""},
        {"listen\n", "x.yaml:1: must be lines of \"name: value\""},
        {"listen: &a x\ndata_dir: *a\n", "x.yaml:1: anchors and aliases (& and *) are not allowed"},
        {"listen: !!str x\n", "x.yaml:1: tags (!) are not allowed"},
        {"[a]: x\n", "x.yaml:1: a key must be a word"},
        {"listen: a\n%\xa8", "x.yaml:2: holds a byte that is not text"},
        {"%YAML 1.2\n", "x.yaml:1: directives (%) are not allowed"},
        {"listen: \xa8\n", "x.yaml:1: holds a byte that is not text"},
        {"listen: \xc0\x80\n", "x.yaml:1: holds a byte that is not text"},
        {"listen: \xed\xa0\x80\n", "x.yaml:1: holds a byte that is not text"},
        {"listen: \x1b[2J\n", "x.yaml:1: holds a byte that is not text"},
        {"listen: a\n---\nlisten: b\n", "x.yaml: holds a second document"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        assert_int_equal(parse_yaml(bad[i].yaml), ERR_INVALID);
        assert_string_equal(why.text, bad[i].text);
    }
    assert_int_equal(parse_yaml("listen: a\nlisten: b\n"), ERR_INVALID);
    assert_non_null(strstr(why.text, "x.yaml:2: "));
    assert_int_equal(parse_yaml("listen: \"a\n"), ERR_INVALID);
    assert_non_null(strstr(why.text, "x.yaml:"));
    assert_int_equal(
        options_parse_text(table, COUNT_OF(table), "x.yaml", "a\0b", 3, &options, &why),
        ERR_INVALID);
}

static void test_command_line_wins_over_file(void **state)
{
    char path[] = "/tmp/options_test_XXXXXX", line[128];
    int file = mkstemp(path);
    static const char yaml[] = "listen: file\nthreads: 3\nserver_names: [f]\n";
    const char *const *names;
    size_t count;

    (void)state;
    assert_true(file >= 0);
    assert_int_equal(write(file, yaml, sizeof yaml - 1), (ssize_t)sizeof yaml - 1);
    (void)close(file);
    (void)snprintf(line, sizeof line, "--listen line -s a -c %s", path);
    assert_int_equal(parse(line), ERR_OK);
    assert_string_equal(options_text(&options, "listen"), "line");
    assert_int_equal(options_int(&options, "threads"), 3);
    names = options_list(&options, "server_names", &count);
    assert_int_equal(count, 1);
    assert_string_equal(names[0], "a");
    options_close(&options);
    (void)unlink(path);
}

/* Run a generator and compare; what it printed stays in `text`. */
static char text[16384];

static FILE *capture(void)
{
    FILE *file = fmemopen(text, sizeof text, "w");

    assert_non_null(file);
    return file;
}

static void test_generated_texts(void **state)
{
    FILE *to = capture();

    (void)state;
    options_print_help(&program, to);
    (void)fclose(to);
    assert_non_null(strstr(text, "Usage: testd [OPTION...]\n\nTests options.\n"));
    assert_non_null(strstr(text, "  -l, --listen ADDRESS        Listen here (default "
                                 "127.0.0.1:8443)\n"));
    assert_non_null(strstr(text, "  -p, --poll-interval-s TIME  Ask so often (1s to 1d; "
                                 "default 5m)\n"));
    to = capture();
    options_print_man(&program, to);
    (void)fclose(to);
    assert_non_null(strstr(text, ".TH \"TESTD\" 8 "));
    assert_non_null(strstr(text, "testd \\- tests options\n"));
    assert_non_null(strstr(text, "Second \\- paragraph."));
    assert_non_null(strstr(text, ".nf\n  literal \\-\\-line\n.fi\n"));
    assert_non_null(strstr(text, "\\fB\\-l\\fR, \\fB\\-\\-listen\\fR \\fIADDRESS\\fR\n"));
    assert_non_null(strstr(text, ".TP\n\\fB2\\fR\nwrong usage\n"));
}

/* The example, with every '#' in front of a name taken away, is a valid configuration. */
static void test_example_is_valid(void **state)
{
    FILE *to = capture();
    char *out;

    (void)state;
    options_print_example(&program, to);
    (void)fclose(to);
    out = text;
    for (const char *in = text; *in != '\0'; in++) {
        bool unset = strncmp(in, "#data_dir", 9) == 0;

        if (*in == '#' && in[1] != ' ' && !unset)
            continue;
        *out++ = *in;
    }
    *out = '\0';
    assert_int_equal(parse_yaml(text), ERR_OK);
    assert_true(options_given(&options, "threads"));
    assert_int_equal(options_int(&options, "threads"), 2);
    options_close(&options);
}

static void test_effective_is_valid(void **state)
{
    FILE *to;

    (void)state;
    assert_int_equal(PARSE("--server-names a:b,c --listen \"quoted\\ -t 3"), ERR_OK);
    to = capture();
    options_print_effective(&options, to);
    (void)fclose(to);
    options_close(&options);
    assert_non_null(strstr(text, "threads: 3 # command line\n"));
    assert_non_null(strstr(text, "#data_dir: \n"));
    assert_int_equal(parse_yaml(text), ERR_OK);
    assert_string_equal(options_text(&options, "listen"), "\"quoted\\");
    options_close(&options);
}

/* Names that somebody else chose: a comma in one divides nothing. */
static void test_texts_with_commas(void **state)
{
    static const struct option_spec one[] = {
        {"names", 0, OPTION_TEXTS, NULL, 0, 0, "NAME", "Take these"}};
    char *argv[] = {(char[]){"x"},        (char[]){"--names"}, (char[]){"a,b"},
                    (char[]){"--names="}, (char[]){"--names"}, (char[]){"-c"}};
    const char *const *names;
    size_t count;

    (void)state;
    assert_int_equal(options_parse(one, 1, 6, argv, NULL, &options, NULL), ERR_OK);
    names = options_texts(&options, "names", &count);
    assert_int_equal(count, 3);
    assert_string_equal(names[0], "a,b");
    assert_string_equal(names[1], "");
    assert_string_equal(names[2], "-c");
    options_close(&options);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_texts_with_commas),
        cmocka_unit_test(test_fallbacks),
        cmocka_unit_test(test_command_line),
        cmocka_unit_test(test_requests),
        cmocka_unit_test(test_bad_command_lines),
        cmocka_unit_test(test_file),
        cmocka_unit_test(test_bad_files),
        cmocka_unit_test(test_command_line_wins_over_file),
        cmocka_unit_test(test_generated_texts),
        cmocka_unit_test(test_example_is_valid),
        cmocka_unit_test(test_effective_is_valid),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
