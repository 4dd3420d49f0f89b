#include "os/process.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/check.h"
#include "os/clock.h"
#include "os/file.h"
#include "os/say.h"
#include "os/signals.h"

#define EXIT_NO_PROGRAM 127 /* as shells do */
#define LOOK_MS         20  /* how often a silent child is looked at */

_Noreturn static void become(const struct process_run *run, int output)
{
    /* execvp() takes char *const * for history's sake and does not write. */
    union {
        const char *const *in;
        char *const *out;
    } argv = {.in = run->argv};
    int null = open("/dev/null", O_RDWR);

    (void)setpgid(0, 0);
    signal_reset();
    if (null < 0 || dup2(null, STDIN_FILENO) < 0 || dup2(output, STDOUT_FILENO) < 0 ||
        dup2(output, STDERR_FILENO) < 0)
        _exit(EXIT_NO_PROGRAM);
    (void)execvp(run->argv[0], argv.out);
    _exit(EXIT_NO_PROGRAM);
}

/* What is in the pipe, keeping what fits. False at its end. */
static bool drain(int fd, struct buf *output)
{
    uint8_t piece[1024];
    ssize_t got = read(fd, piece, sizeof piece);

    if (got < 0)
        return errno == EAGAIN || errno == EINTR;
    if (got > 0 && output && (size_t)got <= output->room - output->size)
        buf_put(output, piece, (size_t)got);
    return got > 0;
}

static enum err wait_for(pid_t child, int pipe_end, const struct process_run *run, int *status)
{
    struct instant due = instant_after(clock_instant(), run->timeout_ms);
    bool open_pipe = true;

    for (;;) {
        struct pollfd ready = {.fd = open_pipe ? pipe_end : -1, .events = POLLIN};

        if (poll(&ready, 1, LOOK_MS) > 0)
            open_pipe = drain(pipe_end, run->output);
        if (waitpid(child, status, WNOHANG) == child)
            return ERR_OK;
        if (instant_reached(clock_instant(), due))
            return ERR_AGAIN;
    }
}

/* What the child wrote before it ended. Its own children may hold the pipe open: no waiting. */
static void drain_rest(int fd, struct buf *output)
{
    struct pollfd ready = {.fd = fd, .events = POLLIN};

    for (int i = 0; i < 64 && poll(&ready, 1, 0) > 0; i++) {
        if (!drain(fd, output))
            return;
    }
}

enum err process_run(const struct process_run *run, int *exit_status, struct why *why)
{
    int ends[2], status = 0;
    enum err err;
    pid_t child;

    CHECK(run->argv[0]);
    if (pipe2(ends, O_CLOEXEC) != 0)
        return file_failed(why, "start", run->argv[0]);
    (void)fcntl(ends[0], F_SETFL, O_NONBLOCK); /* ours only: a child with much to say must wait */
    child = fork();
    if (child == 0)
        become(run, ends[1]);
    (void)close(ends[1]);
    if (child < 0) {
        (void)close(ends[0]);
        return file_failed(why, "start", run->argv[0]);
    }
    (void)setpgid(child, child); /* whoever is first */
    err = wait_for(child, ends[0], run, &status);
    (void)kill(-child, SIGKILL); /* also what it left behind */
    if (err != ERR_OK)
        (void)waitpid(child, &status, 0);
    drain_rest(ends[0], run->output);
    (void)close(ends[0]);
    if (err != ERR_OK)
        return say(why, err, NULL, "%s took longer than %lld ms and was stopped", run->argv[0],
                   (long long)run->timeout_ms);
    *exit_status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    if (*exit_status == EXIT_NO_PROGRAM)
        return say(why, ERR_NOT_FOUND, NULL, "cannot start %s", run->argv[0]);
    return ERR_OK;
}
