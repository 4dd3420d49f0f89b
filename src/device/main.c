/* slipway-agent: reads its configuration, plays the boot loader when asked to, runs the host. */
#include <curl/curl.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/check.h"
#include "device/host.h"
#include "os/file.h"
#include "os/say.h"

#define EXIT_CANNOT 1
#define EXIT_USAGE  2

static int complain(const struct why *why, int code)
{
    (void)fprintf(stderr, "%s: %s\n", config_program.name, why->text);
    return code;
}

/* ---- the boot loader of a simulated device ---- */

static enum err power_on(const struct config *config, struct boot_file_state *out, struct why *why)
{
    char path[BOOT_FILE_PATH_SIZE];
    struct boot_file file;
    struct boot boot;

    if (config->boot != CONFIG_BOOT_FILE)
        return say(why, ERR_INVALID, "boot", "only boot: file can be played");
    TRY(file_make_directory(config->state_dir, 0700, why));
    TRY(file_join(config->state_dir, "boot", path, sizeof path));
    TRY(boot_file_open(&file, config->boot_file ? config->boot_file : path, config->boot_tries,
                       &boot, why));
    return boot_file_power_on(&file, out, why);
}

static int play_boot_loader(const struct config *config)
{
    static const char *const verdicts[] = {
        [BOOT_NORMAL] = "normal", [BOOT_TRIAL] = "trial", [BOOT_REVERTED] = "reverted"};
    struct boot_file_state state;
    struct why why = {0};

    if (power_on(config, &state, &why) != ERR_OK)
        return complain(&why, EXIT_CANNOT);
    printf("bank=%c path=%s verdict=%s tries_left=%u\n", boot_file_bank_letter(state.running),
           config->banks[state.running], verdicts[state.verdict], state.tries);
    return 0;
}

/* ---- the agent ---- */

static int run(const struct config *config)
{
    static struct host host; /* too large for a stack */
    struct boot_file_state state;
    struct why why = {0};
    int code;

    if (config->reboot == CONFIG_REBOOT_EXEC && power_on(config, &state, &why) != ERR_OK)
        return complain(&why, EXIT_CANNOT);
    if (host_open(&host, config, &why) != ERR_OK)
        return complain(&why, EXIT_CANNOT);
    code = host_run(&host);
    host_close(&host);
    return code;
}

/* Start over as if the power had been switched off and on; descriptors close by themselves. The
 * path is asked for, so that ps goes on to show the program's name. */
static int start_over(char **argv)
{
    char path[BOOT_FILE_PATH_SIZE];
    ssize_t size = readlink("/proc/self/exe", path, sizeof path - 1);

    if (size > 0) {
        path[size] = '\0';
        (void)execv(path, argv);
    }
    (void)fprintf(stderr, "%s: cannot start over: %s\n", config_program.name, strerror(errno));
    return EXIT_CANNOT;
}

static int check_only(const struct options *options, const struct config *config)
{
    const char *const files[] = {config->ca_file, config->claim_token_file};

    for (size_t i = 0; i < COUNT_OF(files); i++) {
        if (files[i] && access(files[i], R_OK) != 0) {
            (void)fprintf(stderr, "%s: cannot read %s: %s\n", config_program.name, files[i],
                          strerror(errno));
            return EXIT_CANNOT;
        }
    }
    options_print_effective(options, stdout);
    return 0;
}

static int serve(const struct options *options, char **argv)
{
    struct config config;
    struct why why = {0};
    int code;

    if (config_read(options, &config, &why) != ERR_OK)
        return complain(&why, options_check_only(options) ? EXIT_CANNOT : EXIT_USAGE);
    if (options_check_only(options))
        return check_only(options, &config);
    if (options->operand_count > 0) {
        if (options->operand_count == 1 && strcmp(options->operands[0], "boot") == 0)
            return play_boot_loader(&config);
        (void)fprintf(stderr, "%s: the only operand there is is boot\n", config_program.name);
        return EXIT_USAGE;
    }
    code = run(&config);
    return code == CONFIG_EXIT_REBOOT && config.reboot == CONFIG_REBOOT_EXEC ? start_over(argv)
                                                                             : code;
}

int main(int argc, char **argv)
{
    struct options options;
    int code = options_start(&config_program, argc, argv, &options);

    if (code != OPTIONS_GO_ON)
        return code;
    CHECK(curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK);
    code = serve(&options, argv);
    curl_global_cleanup();
    options_close(&options);
    return code;
}
