#include "device/health_exec.h"

#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "os/process.h"
#include "os/say.h"

#define OUTPUT_SIZE     160u           /* bytes kept of what the command prints */
#define SETTING_SIZE    (64u + 4096u)  /* bytes of "NAME=path" */
#define SIGNALLED(code) ((code) > 128) /* as process_run() and shells say it */

/* What the command printed, on one line, for the end of a sentence. */
static const char *flatten(struct buf *output, char text[OUTPUT_SIZE + 3])
{
    size_t size = output->size;

    while (size > 0 && output->at[size - 1] <= ' ')
        size--;
    if (size == 0)
        return "";
    (void)memcpy(text, ": ", 2);
    for (size_t i = 0; i < size; i++)
        text[2 + i] = output->at[i] < ' ' ? ' ' : (char)output->at[i];
    text[2 + size] = '\0';
    return text;
}

enum err health_exec(const struct health_check *check, struct why *why)
{
    char name[SETTING_SIZE], bank[SETTING_SIZE], version[SETTING_SIZE], text[OUTPUT_SIZE + 3];
    const char *const argv[] = {"env", name, bank, version, "/bin/sh", "-c", check->command, NULL};
    uint8_t bytes[OUTPUT_SIZE];
    struct buf output = buf_over(bytes, sizeof bytes);
    const struct process_run run = {
        .argv = argv, .timeout_ms = check->timeout_s * 1000, .output = &output};
    int status = 0;
    enum err err;

    CHECK(check->timeout_s > 0);
    if (!check->command || !check->command[0])
        return ERR_OK;
    (void)snprintf(name, sizeof name, "SLIPWAY_NAME=%s", check->name ? check->name : "");
    (void)snprintf(bank, sizeof bank, "SLIPWAY_BANK=%s", check->bank ? check->bank : "");
    (void)snprintf(version, sizeof version, "SLIPWAY_VERSION=%s",
                   check->version ? check->version : "");
    err = process_run(&run, &status, why);
    if (err == ERR_AGAIN)
        return say(why, ERR_UNHEALTHY, NULL, "the health check took longer than %lld s%s",
                   (long long)check->timeout_s, flatten(&output, text));
    if (err != ERR_OK && err != ERR_NOT_FOUND) {
        why_wrap(why, "the health check cannot be run");
        return ERR_UNHEALTHY;
    }
    if (status == 0)
        return ERR_OK;
    if (SIGNALLED(status))
        return say(why, ERR_UNHEALTHY, NULL, "the health check died of signal %d%s", status - 128,
                   flatten(&output, text));
    return say(why, ERR_UNHEALTHY, NULL, "the health check ended with %d%s", status,
               flatten(&output, text));
}
