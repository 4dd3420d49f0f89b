/* Why an update ended, or waits, as it does: a number in the record, a name in reports, metrics
 * and audit entries, a sentence for people. Numbers and names are for ever: only ever append. */
#pragma once

/*   code                  name                    what a person reads */
#define AGENT_REASON_MAP(X)                                                                   \
    X(NONE, "", "")                                                                           \
    X(PRODUCT, "product", "the release is for another product")                               \
    X(HARDWARE, "hardware", "the release is for other hardware")                              \
    X(FLOOR, "floor", "the release is below the security floor of this device")               \
    X(BASE, "base", "the release cannot be applied on the image that is running")             \
    X(SIZE, "size", "the image does not fit into a bank or its chunks into memory")           \
    X(FACTS, "facts", "the release facts contradict each other or the assignment")            \
    X(METADATA, "metadata", "the release cannot be verified")                                 \
    X(SPACE, "space", "there is no room for the image")                                       \
    X(BUSY, "busy", "the device is busy")                                                     \
    X(LIST, "list", "the chunk list does not match its signed digest")                        \
    X(CHUNK, "chunk", "a chunk does not match its digest")                                    \
    X(BANK, "bank", "the bank does not hold what was written to it")                          \
    X(STORAGE, "storage", "the bank or the boot loader refused")                              \
    X(RECALLED, "recalled", "recalled by the server before the flip")                         \
    X(HEALTH, "health", "the health check failed")                                            \
    X(TRIAL_LATE, "trial_late", "not healthy or no way to the server before the trial's end") \
    X(TRIAL_BANK, "trial_bank", "the running bank does not hold the image on trial")          \
    X(TRIAL_LOST, "trial_lost", "the new image did not stay up; the boot loader fell back")   \
    X(OTHER_BANK, "other_bank", "the other bank does not hold the wanted image")              \
    X(ALREADY, "already", "the wanted image is running already")                              \
    X(WINDOW, "window", "waiting for the maintenance window")                                 \
    X(RESET, "reset", "the device did not reset when told to")                                \
    X(TRIAL_STARTS, "trial_starts", "the agent of the new image did not stay up")             \
    X(ASSIGNMENT_KEY, "assignment_key",                                                       \
      "the release authority does not name the key that signed the assignment")               \
    X(ASSIGNMENT_SIGNATURE, "assignment_signature",                                           \
      "the assignment is not signed, or its signature is wrong")                              \
    X(NOT_ADDRESSED, "not_addressed", "the assignment is for another device")                 \
    X(REPLAYED, "replayed", "the assignment is not newer than the last one")                  \
    X(NONCE, "nonce", "the assignment does not answer this device's question")                \
    X(ACTION, "action", "the assignment does not allow what the server asks for")             \
    X(DIGEST, "digest", "the assignment is for another image than the one released")          \
    X(NOT_NEWER, "not_newer", "the release is not newer than the one that is running")        \
    X(BLOCKED, "blocked", "the release authority has blocked this image")                     \
    X(STALE, "stale", "the metadata has expired, and no signed policy lets that pass")        \
    X(ROOT_VERSION, "root_version", "the assignment wants a newer root of the authority")     \
    X(EARLY, "early", "the assignment does not hold yet")                                     \
    X(LATE, "late", "the assignment no longer holds")                                         \
    X(POWER, "power", "there is not enough power for an update")                              \
    X(CONTENT_KEY, "content_key",                                                             \
      "the content key of the encrypted image is not there or not for this device")

enum agent_reason {
#define X(code, name, text) AGENT_REASON_##code,
    AGENT_REASON_MAP(X)
#undef X
    AGENT_REASON_COUNT
};

/* "floor", "" for none; never NULL. */
const char *agent_reason_name(enum agent_reason reason);

/* A sentence, "" for none; never NULL. */
const char *agent_reason_text(enum agent_reason reason);
