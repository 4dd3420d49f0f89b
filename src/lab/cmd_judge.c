/* slipway-lab judge: what a microcontroller would say to files, by the code that it runs. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/manifest_door.h"
#include "base/check.h"
#include "codec/hex.h"
#include "crypto/verify_portable.h"
#include "lab/command.h"
#include "os/clock.h"
#include "os/file.h"
#include "os/options.h"
#include "os/say.h"

static const struct option_spec table[] = {
    {"trust", 't', OPTION_LIST, NULL, 0, 0, "FILE",
     "The trust store of the device; then those that followed it, in their order"},
    {"manifest", 'm', OPTION_PATH, NULL, 0, 0, "FILE", "The signed manifest"},
    {"assignment", 'a', OPTION_PATH, NULL, 0, 0, "FILE", "The signed assignment"},
    {"name", 'n', OPTION_TEXT, "", 0, 0, "NAME", "The name of the device"},
    {"product", 'p', OPTION_TEXT, "", 0, 0, "NAME", "Its product"},
    {"hardware", 'H', OPTION_TEXT, "", 0, 0, "NAME", "Its hardware"},
    {"running", 'r', OPTION_TEXT, NULL, 0, 0, "VERSION", "The version it runs; without it unknown"},
    {"floor", 'f', OPTION_INT, "0", 0, UINT32_MAX, "NUMBER", "Its security floor"},
    {"nonce", 0, OPTION_TEXT, NULL, 0, 0, "HEX", "The nonce of its poll"},
    {"now", 0, OPTION_INT, "0", 0, INT64_MAX / 1000, "SECONDS", "Unix time; 0: the clock's"},
};

static const struct program program = {
    .name = "slipway-lab judge",
    .section = 1,
    .summary = "judge a manifest and an assignment as a microcontroller does",
    .description =
        "Reads the files that a device without JSON gets, walks from the first trust store to the "
        "last, checks every signature with the portable code and asks the accept rule. Prints "
        "\"accepted\" or the reason why not, as the device would report it.",
    .table = table,
    .count = COUNT_OF(table),
    .exits = "0: the device would install it\n1: it would not\n2: wrong usage",
};

/* Kept until the end: trust store and evidence borrow from the files. */
struct judge {
    struct file_bytes trust, manifest, assignment;
    struct trust_store store;
    struct manifest facts;
    struct accept_evidence evidence;
    uint8_t room[TRUST_ROOM_SIZE];
    uint8_t nonce[MANDATE_NONCE_SIZE];
    struct verify verify;
    struct why why;
};

static enum err follow(struct judge *judge, const char *path)
{
    struct trust_check check = {&judge->verify, judge->room, sizeof judge->room};
    bool first = judge->store.version == 0;
    struct trust_store next;
    struct file_bytes bytes;
    enum err err;

    TRY(file_read(path, TRUST_STORE_SIZE_MAX, &bytes, &judge->why));
    err = first ? trust_store_open((struct span){bytes.at, bytes.size}, &check, &next)
                : trust_store_follow(&judge->store, (struct span){bytes.at, bytes.size}, &check,
                                     &next);
    if (err != ERR_OK) {
        file_bytes_free(&bytes);
        return say(&judge->why, err, NULL, "%s: %s", path,
                   first ? "is no trust store that its own root has signed"
                         : "does not follow the trust store before it");
    }
    file_bytes_free(&judge->trust);
    judge->trust = bytes;
    judge->store = next;
    return ERR_OK;
}

static enum err read_files(struct judge *judge, const struct options *options)
{
    const char *manifest = options_path(options, "manifest");
    const char *assignment = options_path(options, "assignment");
    const char *nonce = options_text(options, "nonce");
    size_t count;
    const char *const *stores = options_list(options, "trust", &count);

    if (count == 0 || !manifest)
        return say(&judge->why, ERR_INVALID, NULL, "give at least --trust and --manifest");
    if (nonce && !hex_parse(span_of(nonce), judge->nonce, sizeof judge->nonce))
        return say(&judge->why, ERR_INVALID, "nonce", "a nonce is 16 bytes in hex");
    for (size_t i = 0; i < count; i++)
        TRY(follow(judge, stores[i]));
    TRY(file_read(manifest, MESSAGE_SIZE_MAX, &judge->manifest, &judge->why));
    return assignment ? file_read(assignment, MESSAGE_SIZE_MAX, &judge->assignment, &judge->why)
                      : ERR_OK;
}

static void open_door(struct judge *judge, const struct options *options)
{
    const struct manifest_door door = {&judge->store, options_text(options, "product"),
                                       &judge->verify, judge->room, sizeof judge->room};
    int64_t now_s = options_int(options, "now");
    const struct manifest_door_input in = {
        .manifest = {judge->manifest.at, judge->manifest.size},
        .assignment = {judge->assignment.at, judge->assignment.size},
        .now = now_s > 0 ? (struct utc){now_s * 1000} : clock_utc(),
        .nonce_known = options_given(options, "nonce"),
        .nonce = judge->nonce};

    manifest_door_open(&door, &in, &judge->facts, &judge->evidence);
}

static enum agent_reason ask(const struct judge *judge, const struct options *options)
{
    const char *version = options_text(options, "running");
    struct record_image running = {.known = version != NULL};
    const struct record_mandate last = {0};
    const struct accept_question question = {
        .evidence = &judge->evidence,
        .offer = {.assignment = judge->evidence.mandate.id,
                  .target = judge->evidence.mandate.target},
        .device = {.name = options_text(options, "name"),
                   .product = options_text(options, "product"),
                   .hardware = options_text(options, "hardware"),
                   .running = &running,
                   .last = &last,
                   .security_floor = (uint32_t)options_int(options, "floor")}};

    if (version && !span_to_text(span_of(version), running.version, sizeof running.version))
        running.known = false;
    return accept_judge(&question);
}

static int print_verdict(const struct judge *judge, enum agent_reason reason)
{
    char digest[DIGEST_HEX_SIZE];

    if (reason != AGENT_REASON_NONE) {
        printf("%s\n", agent_reason_name(reason));
        (void)fprintf(stderr, "%s\n", agent_reason_text(reason));
        return LAB_FAILED;
    }
    hex_print((struct span){judge->facts.facts.sha256, DIGEST_SIZE}, digest);
    printf("accepted\n");
    (void)fprintf(stderr, "%s %s, %s\n", judge->facts.facts.product, judge->facts.facts.version,
                  digest);
    return LAB_HELD;
}

static int run(const struct options *options)
{
    struct judge *judge = calloc(1, sizeof *judge);
    int code = LAB_USAGE;
    enum err err;

    CHECK(judge);
    judge->verify = verify_portable();
    err = read_files(judge, options);
    if (err == ERR_OK) {
        open_door(judge, options);
        code = print_verdict(judge, ask(judge, options));
    } else {
        (void)fprintf(stderr, "slipway-lab judge: %s\n", judge->why.text);
        code = err == ERR_INVALID || err == ERR_NOT_FOUND ? LAB_USAGE : LAB_FAILED;
    }
    file_bytes_free(&judge->trust);
    file_bytes_free(&judge->manifest);
    file_bytes_free(&judge->assignment);
    free(judge);
    return code;
}

int lab_judge(int argc, char **argv)
{
    struct options options;
    int code = options_start(&program, argc, argv, &options);

    if (code != OPTIONS_GO_ON)
        return code;
    code = run(&options);
    options_close(&options);
    return code;
}
