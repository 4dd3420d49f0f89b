/* The command table itself. Order is the order of help and manual. */
#include "cli/commands.h"
#include "cli/secret.h"

/* clang-format off */
const struct option_spec global_options[] = {
    {"server", 0, OPTION_TEXT, NULL, 0, 0, "URL", "Talk to this server, https://HOST:PORT"},
    {"ca", 0, OPTION_PATH, NULL, 0, 0, "FILE", "Trust servers certified by this CA only"},
    {"token_file", 0, OPTION_PATH, NULL, 0, 0, "FILE", "Read the API token from this file"},
    {"context", 0, OPTION_PATH, NULL, 0, 0, "FILE",
     "Read server, ca and token_file from here instead of ~/.config/slipway/context.yaml"},
    {"output", 'o', OPTION_TEXT, "table", 0, 0, "table|json", "Print tables for people or JSON for programs"},
    {"yes", 'y', OPTION_FLAG, NULL, 0, 0, NULL, "Do not ask before doing what cannot be undone"},
};
const size_t global_options_count = COUNT_OF(global_options);

#define ROW_DIR {"dir", 'd', OPTION_PATH, "repo", 0, 0, "DIR", "The directory of the signed repository"}
#define ROW_LIMIT {"limit", 'l', OPTION_INT, "0", 0, 1000000, "COUNT", "Print at most so many, 0 for all"}
#define ROW_TARGETS_EXPIRES {"targets_expires", 0, OPTION_DURATION_S, "13w", 3600, 315360000, "TIME", "How long the signed list of releases is valid"}
#define ROW_ROOT_EXPIRES {"root_expires", 0, OPTION_DURATION_S, "52w", 3600, 630720000, "TIME", "How long the root is valid"}
#define ROW_PREPARED_OUT {"out", 0, OPTION_PATH, NULL, 0, 0, "FILE", "Write the prepared file here instead of beside what is staged"}
#define ROW_REASON {"reason", 'r', OPTION_TEXT, NULL, 0, 0, "TEXT", "Why; kept in the audit log"}

static const struct option_spec login_options[] = {
    {"offline", 0, OPTION_FLAG, NULL, 0, 0, NULL, "Do not ask the server first who we are"},
};
static const struct option_spec key_new_options[] = {
    {"kind", 'k', OPTION_TEXT, "ed25519", 0, 0, "ed25519|ecdsa-p256", "The kind of key"},
    {"no_passphrase", 0, OPTION_FLAG, NULL, 0, 0, NULL, "Keep the private key as it is, not encrypted"},
    ROWS_SECRET,
};
static const struct option_spec key_options[] = {ROWS_SECRET};
static const struct option_spec repo_init_options[] = {
    ROW_DIR,
    {"root_key", 0, OPTION_LIST, NULL, 0, 0, "FILE", "A key that signs the root, private or public; repeat for several"},
    {"root_threshold", 0, OPTION_INT, "1", 1, 16, "COUNT", "How many root keys must sign"},
    {"targets_key", 0, OPTION_LIST, NULL, 0, 0, "FILE", "A key that signs releases, private or public; repeat for several"},
    {"targets_threshold", 0, OPTION_INT, "1", 1, 16, "COUNT", "How many targets keys must sign"},
    {"snapshot_key", 0, OPTION_PATH, NULL, 0, 0, "FILE", "The server's public snapshot key; without it the server is asked"},
    {"timestamp_key", 0, OPTION_PATH, NULL, 0, 0, "FILE", "The server's public timestamp key; without it the server is asked"},
    {"assignment_key", 0, OPTION_PATH, NULL, 0, 0, "FILE", "The server's public assignment key; without it the server is asked when it is asked for others"},
    ROW_ROOT_EXPIRES,
    ROW_TARGETS_EXPIRES,
    ROWS_SECRET,
};
static const struct option_spec dir_options[] = {ROW_DIR};
static const struct option_spec edit_options[] = {ROW_DIR, ROW_TARGETS_EXPIRES};
static const struct option_spec repo_renew_options[] = {
    ROW_DIR,
    {"role", 0, OPTION_TEXT, "targets", 0, 0, "ROLE", "Whose list: targets, or a role they delegate to"},
    ROW_TARGETS_EXPIRES,
};
static const struct option_spec repo_delegate_options[] = {
    ROW_DIR,
    {"for", 0, OPTION_TEXT, "product", 0, 0, "product|policy|authority", "What the role may list: releases of a product, statements about images and time, or who signs assignments"},
    {"key", 'k', OPTION_LIST, NULL, 0, 0, "KEY", "A key of the role, private or public; repeat for several"},
    {"threshold", 't', OPTION_INT, "1", 1, 16, "COUNT", "How many of the keys must sign"},
    ROW_TARGETS_EXPIRES,
    ROWS_SECRET,
};
static const struct option_spec repo_rotate_options[] = {
    ROW_DIR,
    {"role", 0, OPTION_TEXT, NULL, 0, 0, "ROLE", "Whose keys change: root, targets, snapshot, timestamp or a delegated role"},
    {"key", 'k', OPTION_LIST, NULL, 0, 0, "KEY", "A key of the role from now on; repeat for several"},
    {"add", 0, OPTION_LIST, NULL, 0, 0, "KEY", "A key to add to those of now"},
    {"remove", 0, OPTION_LIST, NULL, 0, 0, "KEY", "A key to take away: a file, or the first 8 or more digits of its id"},
    {"threshold", 't', OPTION_INT, "1", 1, 16, "COUNT", "How many must sign; without it as many as now, or 1 with --key"},
    ROW_ROOT_EXPIRES,
    ROW_TARGETS_EXPIRES,
    ROWS_SECRET,
};
static const struct option_spec authority_options[] = {
    ROW_DIR,
    {"key", 'k', OPTION_LIST, NULL, 0, 0, "KEY", "A key that may sign assignments, all of them; without it the server's"},
    {"rotate", 0, OPTION_FLAG, NULL, 0, 0, NULL, "Let the server make a new key, and allow it beside those of now"},
    ROW_TARGETS_EXPIRES,
    ROWS_SECRET,
};
static const struct option_spec expiring_options[] = {
    {"within", 'w', OPTION_INT, "0", 0, 36500, "DAYS", "Only what expires within so many days; 0: everything"},
    {"on", 0, OPTION_TEXT, NULL, 0, 0, "DATE", "As if today were this date, 2027-03-01: what is broken then"},
};
static const struct option_spec root_prepare_options[] = {
    ROW_DIR,
    {"role", 0, OPTION_TEXT, NULL, 0, 0, "root|targets|snapshot|timestamp", "Give this role other keys; without it only the expiry is renewed"},
    {"key", 'k', OPTION_LIST, NULL, 0, 0, "FILE", "A key of the role from now on; repeat for several"},
    {"threshold", 't', OPTION_INT, "1", 1, 16, "COUNT", "How many of the keys must sign"},
    ROW_PREPARED_OUT,
    ROW_ROOT_EXPIRES,
    ROWS_SECRET,
};
#define ROWS_SIGN \
    ROW_DIR, \
    {"key", 'k', OPTION_LIST, NULL, 0, 0, "KEY", "The private key to sign with: a file, or a pkcs11: URI; repeat for several"}, \
    {"out", 0, OPTION_PATH, NULL, 0, 0, "FILE", "Write the signature of a prepared file here"}, \
    {"before", 0, OPTION_PATH, NULL, 0, 0, "FILE", "Compare a prepared file with this version of your own"}, \
    ROWS_SECRET
static const struct option_spec root_sign_options[] = {ROWS_SIGN};
static const struct option_spec release_sign_options[] = {
    {"role", 0, OPTION_TEXT, NULL, 0, 0, "ROLE", "Sign this list only: targets, or a role they delegate to"},
    ROWS_SIGN,
};
static const struct option_spec release_prepare_options[] = {
    ROW_DIR,
    {"role", 0, OPTION_TEXT, "targets", 0, 0, "ROLE", "Whose list: targets, or a role they delegate to"},
    ROW_PREPARED_OUT,
};
static const struct option_spec release_add_options[] = {
    ROW_DIR,
    {"product", 'p', OPTION_TEXT, NULL, 0, 0, "NAME", "The product the image is built for"},
    {"version", 'V', OPTION_TEXT, NULL, 0, 0, "VERSION", "The version of the image"},
    {"hardware", 'H', OPTION_LIST, NULL, 0, 0, "NAME", "Hardware it runs on; repeat for several"},
    {"kind", 'k', OPTION_TEXT, "feature", 0, 0, "feature|security", "What the release is for"},
    {"security_version", 0, OPTION_INT, "0", 0, 4294967295, "NUMBER", "Compared with a device's floor; raise it when older images must never run again"},
    {"security_floor", 0, OPTION_INT, "0", 0, 4294967295, "NUMBER", "What a device's floor becomes once it runs this"},
    {"release_counter", 0, OPTION_INT, "0", 0, 4294967295, "NUMBER", "Count the product's releases, growing; a device takes no lower one for newer; 0: do not say"},
    {"chunk_size", 0, OPTION_SIZE, "64K", 1024, 1048576, "BYTES", "Size of a separately verified piece, a power of two"},
    {"seal", 0, OPTION_FLAG, NULL, 0, 0, NULL, "Encrypt the image; so are, without it, products that have a sealed release already"},
    {"clear", 0, OPTION_FLAG, NULL, 0, 0, NULL, "Do not encrypt the image, although the product has sealed releases"},
    {"cipher", 0, OPTION_TEXT, "chacha20-poly1305", 0, 0, "chacha20-poly1305|aes-256-gcm", "How a sealed image is encrypted"},
    {"from", 0, OPTION_LIST, NULL, 0, 0, "VERSION", "May be applied on this version, or image digest, only; repeat for several"},
    {"name", 0, OPTION_TEXT, NULL, 0, 0, "FILE", "File name in the repository; without it that of the image"},
    {"format", 'f', OPTION_TEXT, "image", 0, 0, "image|swu|raucb|mender|file", "What the file is: an image for our agents, or an artifact for another client"},
    {"runs_as", 0, OPTION_TEXT, NULL, 0, 0, "NAME", "Of an artifact: what a device that runs it calls itself, without it the version, or what a Mender Artifact says itself"},
    {"artifact_key", 0, OPTION_TEXTS, NULL, 0, 0, "FILE", "Of a Mender Artifact: refuse it unless this public key (PEM) has signed it; repeat for several"},
    {"part", 0, OPTION_TEXT, NULL, 0, 0, "NAME", "Of an artifact for hawkBit clients: the part of the device it is for, such as os"},
    ROW_TARGETS_EXPIRES,
};
static const struct option_spec list_options[] = {ROW_LIMIT};
static const struct option_spec device_list_options[] = {
    {"status", 's', OPTION_TEXT, NULL, 0, 0, "pending|active|rejected|revoked", "Only devices of this status"},
    ROW_LIMIT,
};
#define ROW_OWN_TOKEN {"token", 0, OPTION_TEXT, NULL, 0, 0, "TOKEN", "A token that exists already; without it one is drawn"}
static const struct option_spec device_add_options[] = {
    {"protocol", 0, OPTION_TEXT, NULL, 0, 0, "hawkbit|mender", "What its client speaks"},
    {"external", 0, OPTION_TEXT, NULL, 0, 0, "ID", "What its client calls it, such as a hawkBit controller id; without it NAME"},
    {"product", 'p', OPTION_TEXT, NULL, 0, 0, "NAME", "Its product, until it says otherwise"},
    {"hardware", 'H', OPTION_TEXT, NULL, 0, 0, "NAME", "Its hardware, until it says otherwise"},
    ROW_OWN_TOKEN,
};
static const struct option_spec device_token_options[] = {ROW_OWN_TOKEN};
static const struct option_spec gateway_new_options[] = {
    {"selector", 's', OPTION_TEXT, NULL, 0, 0, "SELECTOR", "Devices it may speak for; without it all"},
    ROW_OWN_TOKEN,
};
static const struct option_spec device_tag_options[] = {
    {"remove", 0, OPTION_FLAG, NULL, 0, 0, NULL, "Take the tags away instead of adding them"},
};
static const struct option_spec device_hold_options[] = {
    {"off", 0, OPTION_FLAG, NULL, 0, 0, NULL, "Release the hold"},
};
static const struct option_spec claim_new_options[] = {
    {"expires", 'e', OPTION_DURATION_S, "1d", 60, 31536000, "TIME", "How long the token can be used"},
    {"note", 0, OPTION_TEXT, NULL, 0, 0, "TEXT", "What it is for"},
};
static const struct option_spec rollout_create_options[] = {
    {"file", 'f', OPTION_PATH, NULL, 0, 0, "FILE", "Read the plan from this YAML file; options win over it"},
    {"release", 'R', OPTION_TEXT, NULL, 0, 0, "PRODUCT@VERSION", "The release to bring"},
    {"selector", 's', OPTION_TEXT, NULL, 0, 0, "SELECTOR", "The devices to bring it to"},
    {"stages", 0, OPTION_LIST, NULL, 0, 0, "STAGE", "Shares (10%) or counts (25) of devices, cumulative: 10%,50%,100%"},
    {"strategy", 0, OPTION_TEXT, NULL, 0, 0, "stages|risk|both", "Who decides how fast: stages, evidence alone, or evidence within stages"},
    {"max_harmed", 'k', OPTION_INT, NULL, 1, 1048576, "COUNT", "With risk: at most so many devices may be harmed"},
    {"confidence", 0, OPTION_TEXT, NULL, 0, 0, "PROBABILITY", "With risk: how sure that is, 0.5 to 0.999"},
    {"floor", 0, OPTION_TEXT, NULL, 0, 0, "PERCENT", "With risk: the smallest share of harm that is meant"},
    {"background", 0, OPTION_TEXT, NULL, 0, 0, "PERCENT", "With risk: updates to a good release that fail, at most"},
    {"observe", 0, OPTION_DURATION_S, NULL, 1, 31622400, "TIME", "With risk: how long a device is watched after its flip"},
    {"soak", 0, OPTION_DURATION_S, NULL, 0, 2592000, "TIME", "Quiet time at the end of every stage"},
    {"failure_percent", 0, OPTION_TEXT, NULL, 0, 0, "PERCENT", "Halt when more than this share of outcomes is bad"},
    {"failure_count", 0, OPTION_INT, NULL, 0, 10000000, "COUNT", "Halt when more than so many outcomes are bad"},
    {"min_sample", 0, OPTION_INT, NULL, 1, 1000000, "COUNT", "Judge the share after so many outcomes only"},
    {"deadline", 0, OPTION_DURATION_S, NULL, 60, 2592000, "TIME", "A device silent for so long after its flip counts as bad"},
    {"retry", 0, OPTION_INT, NULL, 0, 10, "COUNT", "Attempts after a failed download"},
    {"window", 'w', OPTION_TEXT, NULL, 0, 0, "WINDOW", "When devices may flip, on their own clock: mon-fri 02:00+3h"},
    {"start_at", 0, OPTION_TEXT, NULL, 0, 0, "UTC", "Admit no device before, 2026-11-25T10:00:00Z"},
    {"end_at", 0, OPTION_TEXT, NULL, 0, 0, "UTC", "Admit no device after"},
    {"needs_approval", 0, OPTION_FLAG, NULL, 0, 0, NULL, "Somebody else must approve before the start"},
    {"dry_run", 'n', OPTION_FLAG, NULL, 0, 0, NULL, "Print whom it would reach and change nothing"},
    {"confirm_count", 0, OPTION_INT, NULL, 0, 10000000, "COUNT", "How many devices you know it reaches; asked for when they are many"},
    {"start", 0, OPTION_FLAG, NULL, 0, 0, NULL, "Start it at once"},
};
static const struct option_spec rollout_list_options[] = {
    {"state", 's', OPTION_TEXT, NULL, 0, 0, "draft|approved|running|paused|halted|done|aborted", "Only rollouts in this state"},
    ROW_LIMIT,
};
static const struct option_spec reason_options[] = {ROW_REASON};
static const struct option_spec rollback_options[] = {
    ROW_REASON,
    {"leave_behind", 'l', OPTION_INT, NULL, 0, 100000000, "COUNT", "Go on without so many devices whose security floor bars the way back"},
};
static const struct option_spec rollout_watch_options[] = {
    {"interval", 'i', OPTION_DURATION_S, "2s", 1, 3600, "TIME", "Poll so often where live events cannot be had"},
    {"poll", 0, OPTION_FLAG, NULL, 0, 0, NULL, "Poll from the start"},
};
static const struct option_spec rollout_devices_options[] = {
    {"state", 's', OPTION_TEXT, NULL, 0, 0, "candidate|assigned|downloading|staged|switching|trial|succeeded|failed|reverted|silent|recalled|superseded|refused", "Only devices in this state"},
    ROW_LIMIT,
};
static const struct option_spec token_new_options[] = {
    {"role", 'r', OPTION_TEXT, "viewer", 0, 0, "viewer|operator|release_manager|admin", "What it may do"},
    {"expires", 'e', OPTION_DURATION_S, NULL, 60, 315360000, "TIME", "How long it is valid; without it for ever"},
};
static const struct option_spec audit_tail_options[] = {
    {"count", 'c', OPTION_INT, "20", 1, 1000000, "COUNT", "How many of the newest entries"},
    {"follow", 'f', OPTION_FLAG, NULL, 0, 0, NULL, "Go on with new entries as they come"},
};
static const struct option_spec audit_export_options[] = {
    {"out", 0, OPTION_PATH, NULL, 0, 0, "FILE", "Write here instead of standard output"},
};
static const struct option_spec audit_verify_options[] = {
    {"key", 'k', OPTION_PATH, NULL, 0, 0, "FILE", "The server's public audit key, PEM; without it the log may have been rewritten as a whole"},
};

static const struct option_spec compact_manifest_options[] = {
    ROW_DIR,
    {"key", 'k', OPTION_LIST, NULL, 0, 0, "KEY", "A private key to sign with at once; repeat for several"},
    {"out", 0, OPTION_PATH, NULL, 0, 0, "FILE", "Write the manifest here instead of beside what is staged"},
    {"slot_length", 0, OPTION_SIZE, NULL, 1, INT64_MAX, "BYTES", "State the digest of a whole bank of this size, too"},
    {"slot_fill", 0, OPTION_INT, "255", 0, 255, "BYTE", "What the bank holds behind the image"},
    ROW_TARGETS_EXPIRES,
    ROWS_SECRET,
};
static const struct option_spec compact_trust_options[] = {
    ROW_DIR,
    {"product", 'p', OPTION_LIST, NULL, 0, 0, "NAME[=FLOOR]", "Speak for this product, with a security floor; repeat for up to 4; * or nothing: for what top-level targets list"},
    {"key", 'k', OPTION_LIST, NULL, 0, 0, "KEY", "A private root key to sign with at once; repeat for several"},
    {"out", 0, OPTION_PATH, NULL, 0, 0, "FILE", "Write the trust store here instead of beside what is staged"},
    {"store_expires", 0, OPTION_DURATION_S, NULL, 3600, 630720000, "TIME", "How long devices may act on it; without it for ever"},
    ROW_TARGETS_EXPIRES,
    ROWS_SECRET,
};
static const struct option_spec compact_sign_options[] = {
    {"key", 'k', OPTION_LIST, NULL, 0, 0, "KEY", "The private key to sign with; repeat for several"},
    {"out", 0, OPTION_PATH, NULL, 0, 0, "FILE", "Write the signed file here instead of over the one read"},
    ROWS_SECRET,
};

static const struct option_spec artifact_write_options[] = {
    {"out", 0, OPTION_PATH, NULL, 0, 0, "FILE", "Write the artifact here; nothing may be there yet"},
    {"name", 'n', OPTION_TEXT, NULL, 0, 0, "NAME", "What a device calls itself that has installed it"},
    {"device_type", 't', OPTION_LIST, NULL, 0, 0, "TYPE", "Which devices may have it; repeat for several"},
    {"file", 'f', OPTION_TEXTS, NULL, 0, 0, "FILE", "A file of the payload; repeat for several"},
    {"type", 'T', OPTION_TEXT, NULL, 0, 0, "TYPE", "Which update module installs it; of a module-image"},
    {"compression", 0, OPTION_TEXT, "gzip", 0, 0, "none|gzip|xz|zstd", "How header and payload are packed"},
    {"software_filesystem", 0, OPTION_TEXT, "rootfs-image", 0, 0, "NAME", "First part of the version's key"},
    {"software_name", 0, OPTION_TEXT, NULL, 0, 0, "NAME", "Second part of the version's key, instead of the type"},
    {"software_version", 0, OPTION_TEXT, NULL, 0, 0, "VERSION", "The version, instead of the artifact's name"},
    {"no_default_software_version", 0, OPTION_FLAG, NULL, 0, 0, NULL, "Provide no version"},
    {"no_default_clears_provides", 0, OPTION_FLAG, NULL, 0, 0, NULL, "Clear nothing by default"},
    {"provides", 'p', OPTION_TEXTS, NULL, 0, 0, "KEY:VALUE", "What a device has that has installed it"},
    {"depends", 0, OPTION_TEXTS, NULL, 0, 0, "KEY:VALUE", "What a device must have; the same key again: or this"},
    {"clears_provides", 0, OPTION_TEXTS, NULL, 0, 0, "GLOB", "What a device no longer has that has installed it"},
    {"provides_group", 'g', OPTION_TEXT, NULL, 0, 0, "GROUP", "The group it belongs to"},
    {"depends_groups", 'G', OPTION_TEXTS, NULL, 0, 0, "GROUP", "What must be installed belongs to this group"},
    {"artifact_name_depends", 'N', OPTION_TEXTS, NULL, 0, 0, "NAME", "What must be installed has this name"},
    {"meta_data", 'm', OPTION_PATH, NULL, 0, 0, "FILE", "A JSON object for the update module"},
    {"script", 's', OPTION_TEXTS, NULL, 0, 0, "FILE", "A state script; repeat for several"},
    {"key", 'k', OPTION_TEXT, NULL, 0, 0, "KEY", "Sign with this ECDSA P-256 key"},
    ROWS_SECRET,
};
static const struct option_spec artifact_show_options[] = {
    {"key", 'k', OPTION_TEXTS, NULL, 0, 0, "FILE", "Refuse what is not signed by this public key (PEM); repeat for several"},
};

#define OPTIONS(table) .options = table, .option_count = COUNT_OF(table)

const struct command commands[] = {
    {.noun = "login", .args = "", .help = "Remember a server, its CA and a token",
     .more = "Writes --server, --ca and --token-file to the context file, so that later commands need none of them. "
             "--token-file - reads the token from standard input and keeps it beside the context file, readable by you alone.\n",
     OPTIONS(login_options), .run = cmd_login},
    {.noun = "whoami", .args = "", .help = "Print the server, token name, role and tenant in use", .more = "", .run = cmd_whoami},
    {.noun = "doctor", .args = "", .help = "Check configuration, connection, server and trust",
     .more = "Each line is one check with its result and, where something is wrong, what to do. The exit code is 0 when nothing is wrong.\n",
     .run = cmd_doctor},
    {.noun = "completion", .args = "bash|zsh", .args_min = 1, .args_max = 1, .help = "Print the completion script of a shell",
     .more = "  slipway completion bash > /etc/bash_completion.d/slipway\n  slipway completion zsh > /usr/share/zsh/vendor-completions/_slipway\n",
     .run = cmd_completion},

    {.noun = "key", .verb = "new", .args = "FILE", .args_min = 1, .args_max = 1, .args_are_files = true,
     .help = "Make a signing key",
     .more = "The private key is written to FILE, readable by you alone and never over an existing file; its public half to FILE.pub. "
             "It is encrypted under a passphrase that you are asked for, unless --no-passphrase is given. "
             "Keep private keys of root and targets away from the server, best on different people's machines.\n",
     OPTIONS(key_new_options), .run = cmd_key_new},
    {.noun = "key", .verb = "show", .args = "FILE...", .args_min = 1, .args_max = ARGS_MAX, .args_are_files = true,
     .help = "Print kind and key id of keys", .more = "FILE may be a pkcs11: URI, here and wherever a key is named.\n",
     OPTIONS(key_options), .run = cmd_key_show},
    {.noun = "key", .verb = "export", .args = "KEY FILE", .args_min = 2, .args_max = 2, .args_are_files = true,
     .help = "Write the public half of a key to a file", .more = "For a key in a token, or one whose .pub file is lost.\n",
     OPTIONS(key_options), .run = cmd_key_export},

    {.noun = "repo", .verb = "init", .args = "", .help = "Make a repository of signed releases",
     .more = "Private keys sign at once; for public ones their holders sign later with `slipway root sign` and `slipway release sign`. "
             "The snapshot and timestamp keys belong to the server.\n",
     OPTIONS(repo_init_options), .run = cmd_repo_init},
    {.noun = "repo", .verb = "publish", .args = "", .help = "Bring the signed root and release list to the server",
     .more = "May be repeated at any time: what the server has already is not sent again.\n",
     OPTIONS(dir_options), .run = cmd_repo_publish},
    {.noun = "repo", .verb = "status", .args = "", .help = "Print versions, expiry and missing signatures", .more = "",
     OPTIONS(dir_options), .run = cmd_repo_status},
    {.noun = "repo", .verb = "renew", .args = "", .help = "Stage a list again with a later expiry",
     .more = "Also needed after the targets keys have changed. Sign it with `slipway release sign`.\n",
     OPTIONS(repo_renew_options), .run = cmd_repo_renew},
    {.noun = "repo", .verb = "delegate", .args = "[PRODUCT]", .args_max = 1, .help = "Give a product's releases signers of their own",
     .more = "The role is called product-PRODUCT, or policy or authority with --for. It lists new releases of the product in a file of its own, "
             "signed with its own keys; releases that the top-level list has stay there. "
             "Private keys sign the first, empty list at once. Sign the top-level list, too, and publish.\n",
     OPTIONS(repo_delegate_options), .run = cmd_repo_delegate},
    {.noun = "repo", .verb = "undelegate", .args = "ROLE", .args_min = 1, .args_max = 1, .help = "Take a delegation back",
     .more = "What the role lists is withdrawn with the next published list.\n", OPTIONS(edit_options), .run = cmd_repo_undelegate},
    {.noun = "repo", .verb = "rotate", .args = "", .help = "Stage other keys or another threshold for a role",
     .more = "For snapshot and timestamp without --key the server makes a new key, and uses it once a published root names it. "
             "A list whose keys change is staged anew, because its old signatures no longer count. "
             "Sign with `slipway root sign` and `slipway release sign`.\n",
     OPTIONS(repo_rotate_options), .run = cmd_repo_rotate},

    {.noun = "root", .verb = "prepare", .args = "", .help = "Stage the next root: a later expiry, or other keys for a role",
     .more = "The next root must be signed as both the old and the new one demand. What is to be signed is summed up with the difference to the last version, "
             "and put into one file for signers elsewhere. A root that is staged already is only prepared, unless something else is wanted of it.\n",
     OPTIONS(root_prepare_options), .run = cmd_root_prepare},
    {.noun = "root", .verb = "sign", .args = "[PREPARED]", .args_max = 1, .args_are_files = true, .help = "Add signatures to the staged root",
     .more = "With PREPARED, no repository is needed: the summary is printed from the bytes to sign, and the signature goes to a file VERSION.root.KEYID.signature for `slipway root assemble`.\n",
     OPTIONS(root_sign_options), .run = cmd_root_sign},
    {.noun = "root", .verb = "assemble", .args = "SIGNATURE...", .args_min = 1, .args_max = ARGS_MAX, .args_are_files = true,
     .help = "Put signatures made elsewhere to the staged root", .more = "Each is checked. The exit code is 6 while signatures are missing.\n",
     OPTIONS(dir_options), .run = cmd_root_assemble},

    {.noun = "release", .verb = "add", .args = "IMAGE", .args_min = 1, .args_max = 1, .args_are_files = true,
     .help = "Put an image into the repository as a release",
     .more = "Computes the digests, stages the release list with the new release and waits for signatures. Nothing is sent. "
             "With --format other than image, the file is an artifact for devices of another client: of a release that has an image, or of one that has none.\n",
     OPTIONS(release_add_options), .run = cmd_release_add},
    {.noun = "release", .verb = "remove", .args = "PRODUCT@VERSION", .args_min = 1, .args_max = 1,
     .help = "Take a release out of the staged list", .more = "Sign and publish the list for it to count.\n",
     OPTIONS(edit_options), .run = cmd_release_remove},
    {.noun = "release", .verb = "prepare", .args = "", .help = "Put what is to be signed into one file for signers elsewhere", .more = "",
     OPTIONS(release_prepare_options), .run = cmd_release_prepare},
    {.noun = "release", .verb = "sign", .args = "[PREPARED]", .args_max = 1, .args_are_files = true, .help = "Add signatures to the staged release lists",
     .more = "To every staged list in which a key has a say: the top-level one and delegated ones. With PREPARED as with `slipway root sign`.\n",
     OPTIONS(release_sign_options), .run = cmd_release_sign},
    {.noun = "release", .verb = "assemble", .args = "SIGNATURE...", .args_min = 1, .args_max = ARGS_MAX, .args_are_files = true,
     .help = "Put signatures made elsewhere to the staged lists", .more = "", OPTIONS(dir_options), .run = cmd_release_assemble},
    {.noun = "release", .verb = "publish", .args = "", .help = "Upload images and the signed release list",
     .more = "Images that the server has are skipped and the list is sent last, so an interrupted upload is simply started again. "
             "Content keys of sealed releases follow; they are read from content-keys/ in the repository.\n",
     OPTIONS(dir_options), .run = cmd_release_publish},
    {.noun = "release", .verb = "list", .args = "", .help = "List the releases on the server", .more = "",
     OPTIONS(list_options), .run = cmd_release_list},
    {.noun = "release", .verb = "show", .args = "PRODUCT@VERSION", .args_min = 1, .args_max = 1,
     .help = "Print what is signed about a release", .more = "", .run = cmd_release_show},

    {.noun = "device", .verb = "list", .args = "[SELECTOR]", .args_max = 1, .help = "List devices",
     .more = "  slipway device list 'hw = \"a\" and site in (\"oslo\", \"rome\") and version < 2.1'\n",
     OPTIONS(device_list_options), .run = cmd_device_list},
    {.noun = "device", .verb = "add", .args = "NAME", .args_min = 1, .args_max = 1, .help = "Register a device with another client",
     .more = "A hawkbit device gets a token, which is printed once and cannot be had again. Devices with our own agent enrol by themselves.\n",
     OPTIONS(device_add_options), .run = cmd_device_add},
    {.noun = "device", .verb = "token", .args = "NAME", .args_min = 1, .args_max = 1, .help = "Make a new token for a hawkbit device",
     .more = "The token before is worth nothing from now on.\n", OPTIONS(device_token_options), .run = cmd_device_token},
    {.noun = "device", .verb = "get", .args = "NAME", .args_min = 1, .args_max = 1, .help = "Print all that is known of a device", .more = "",
     .run = cmd_device_get},
    {.noun = "device", .verb = "explain", .args = "NAME", .args_min = 1, .args_max = 1,
     .help = "Say why a device is or is not getting an update now, and when", .more = "", .run = cmd_device_explain},
    {.noun = "device", .verb = "history", .args = "NAME", .args_min = 1, .args_max = 1,
     .help = "Print reports, assignments and gaps of a device", .more = "", OPTIONS(list_options), .run = cmd_device_history},
    {.noun = "device", .verb = "logs", .args = "NAME [ID]", .args_min = 1, .args_max = 2,
     .help = "List the logs a device has sent, or print one", .more = "ID may be \"last\".\n", .run = cmd_device_logs},
    {.noun = "device", .verb = "request-log", .args = "NAME...", .args_min = 1, .args_max = ARGS_MAX,
     .help = "Ask devices for their logs", .more = "They send them with their next poll.\n", .run = cmd_device_request_log},
    {.noun = "device", .verb = "accept", .args = "NAME...", .args_min = 1, .args_max = ARGS_MAX,
     .help = "Let pending devices in", .more = "", .run = cmd_device_accept},
    {.noun = "device", .verb = "reject", .args = "NAME...", .args_min = 1, .args_max = ARGS_MAX,
     .help = "Turn pending devices away", .more = "", .run = cmd_device_reject},
    {.noun = "device", .verb = "revoke", .args = "NAME...", .args_min = 1, .args_max = ARGS_MAX,
     .help = "Withdraw the certificates of devices", .more = "A revoked device reaches nothing any more.\n", .run = cmd_device_revoke},
    {.noun = "device", .verb = "delete", .args = "NAME...", .args_min = 1, .args_max = ARGS_MAX,
     .help = "Forget devices", .more = "", .run = cmd_device_delete},
    {.noun = "device", .verb = "tag", .args = "NAME TAG...", .args_min = 2, .args_max = ARGS_MAX,
     .help = "Add tags to a device, or take them away", .more = "", OPTIONS(device_tag_options), .run = cmd_device_tag},
    {.noun = "device", .verb = "hold", .args = "NAME...", .args_min = 1, .args_max = ARGS_MAX,
     .help = "Keep devices from getting updates", .more = "", OPTIONS(device_hold_options), .run = cmd_device_hold},
    {.noun = "device", .verb = "preauthorize", .args = "FILE", .args_min = 1, .args_max = 1, .args_are_files = true,
     .help = "Let devices with known keys enrol by themselves",
     .more = "FILE has a line \"NAME SHA256\" for each: the digest of the device's public key in DER. - is standard input.\n",
     .run = cmd_device_preauthorize},

    {.noun = "claim", .verb = "new", .args = "", .help = "Make a token with which one new device may enrol",
     .more = "The token is printed once and cannot be had again.\n", OPTIONS(claim_new_options), .run = cmd_claim_new},
    {.noun = "claim", .verb = "list", .args = "", .help = "List claim tokens", .more = "", OPTIONS(list_options), .run = cmd_claim_list},
    {.noun = "claim", .verb = "revoke", .args = "ID...", .args_min = 1, .args_max = ARGS_MAX,
     .help = "Withdraw claim tokens", .more = "", .run = cmd_claim_revoke},

    {.noun = "group", .verb = "list", .args = "", .help = "List groups of devices", .more = "", OPTIONS(list_options), .run = cmd_group_list},
    {.noun = "group", .verb = "add", .args = "GROUP NAME...", .args_min = 2, .args_max = ARGS_MAX,
     .help = "Put devices into a group", .more = "A group comes to be with its first device.\n", .run = cmd_group_add},
    {.noun = "group", .verb = "remove", .args = "GROUP NAME...", .args_min = 2, .args_max = ARGS_MAX,
     .help = "Take devices out of a group", .more = "", .run = cmd_group_remove},

    {.noun = "rollout", .verb = "create", .args = "[NAME]", .args_max = 1, .help = "Draft a rollout",
     .more = "The plan comes from options, or from a file with the same names:\n\n"
             "  name: june\n  release: router@2.1\n  selector: 'site = \"oslo\"'\n  stages: [10%, 50%, 100%]\n  soak: 30m\n"
             "  failure_percent: 5\n  min_sample: 5\n  deadline: 1h\n  retry: 2\n  window: mon-fri 02:00+3h\n\n"
             "A stage may also be a map with percent or count, soak, failure_percent, failure_count and min_sample of its own.\n\n"
             "With strategy: risk there are no stages; max_harmed, confidence, floor, background and observe say what "
             "the rollout may cost, and evidence how fast it goes.\n\n"
             "When the selector reaches more devices than the server's limit, you are asked for their number; "
             "--confirm-count gives it where nobody can be asked.\n",
     OPTIONS(rollout_create_options), .run = cmd_rollout_create},
    {.noun = "rollout", .verb = "list", .args = "", .help = "List rollouts", .more = "", OPTIONS(rollout_list_options), .run = cmd_rollout_list},
    {.noun = "rollout", .verb = "get", .args = "ROLLOUT", .args_min = 1, .args_max = 1, .help = "Print the plan and state of a rollout",
     .more = "ROLLOUT is its name or number, here and below.\n", .run = cmd_rollout_get},
    {.noun = "rollout", .verb = "delete", .args = "ROLLOUT", .args_min = 1, .args_max = 1, .help = "Delete a draft", .more = "", .run = cmd_rollout_delete},
    {.noun = "rollout", .verb = "approve", .args = "ROLLOUT", .args_min = 1, .args_max = 1, .help = "Approve somebody else's draft", .more = "",
     OPTIONS(reason_options), .run = cmd_rollout_approve},
    {.noun = "rollout", .verb = "start", .args = "ROLLOUT", .args_min = 1, .args_max = 1, .help = "Start a rollout", .more = "",
     OPTIONS(reason_options), .run = cmd_rollout_start},
    {.noun = "rollout", .verb = "pause", .args = "ROLLOUT", .args_min = 1, .args_max = 1, .help = "Stop admitting devices for now", .more = "",
     OPTIONS(reason_options), .run = cmd_rollout_pause},
    {.noun = "rollout", .verb = "resume", .args = "ROLLOUT", .args_min = 1, .args_max = 1, .help = "Go on with a paused or halted rollout", .more = "",
     OPTIONS(reason_options), .run = cmd_rollout_resume},
    {.noun = "rollout", .verb = "abort", .args = "ROLLOUT", .args_min = 1, .args_max = 1, .help = "End a rollout; what has not flipped is recalled", .more = "",
     OPTIONS(reason_options), .run = cmd_rollout_abort},
    {.noun = "rollout", .verb = "advance", .args = "ROLLOUT", .args_min = 1, .args_max = 1, .help = "Go to the next stage without waiting for the gate", .more = "",
     OPTIONS(reason_options), .run = cmd_rollout_advance},
    {.noun = "rollout", .verb = "rollback", .args = "ROLLOUT", .args_min = 1, .args_max = 1, .help = "Return every device that flipped to what it ran before", .more = "",
     OPTIONS(rollback_options), .run = cmd_rollout_rollback},
    {.noun = "rollout", .verb = "watch", .args = "ROLLOUT", .args_min = 1, .args_max = 1, .help = "Follow a rollout live until it ends",
     .more = "A line for every change on standard output, a progress bar on standard error when it is a terminal. "
             "The exit code tells the end: 0 done, 5 halted, 6 aborted or rolled back.\n",
     OPTIONS(rollout_watch_options), .run = cmd_rollout_watch},
    {.noun = "rollout", .verb = "report", .args = "ROLLOUT", .args_min = 1, .args_max = 1, .help = "Print outcome, stages and failures", .more = "", .run = cmd_rollout_report},
    {.noun = "rollout", .verb = "cohorts", .args = "ROLLOUT", .args_min = 1, .args_max = 1, .help = "List cohorts: evidence, price, window, holds",
     .more = "Only for rollouts with strategy risk or both, as lift and replay.\n", .run = cmd_rollout_cohorts},
    {.noun = "rollout", .verb = "lift", .args = "ROLLOUT COHORT", .args_min = 2, .args_max = 2, .help = "Let a held cohort go on",
     .more = "COHORT is its name, as \"rollout cohorts\" prints it. The reason is needed.\n", OPTIONS(reason_options), .run = cmd_rollout_lift},
    {.noun = "rollout", .verb = "replay", .args = "ROLLOUT", .args_min = 1, .args_max = 1, .help = "Compute every decision of its journal again, and compare",
     .more = "Exits with 1 and says which entry differs, if one does.\n", .run = cmd_rollout_replay},
    {.noun = "rollout", .verb = "devices", .args = "ROLLOUT", .args_min = 1, .args_max = 1, .help = "List the devices of a rollout and how far each is", .more = "",
     OPTIONS(rollout_devices_options), .run = cmd_rollout_devices},

    {.noun = "gateway", .verb = "new", .args = "NAME", .args_min = 1, .args_max = 1, .help = "Make a token that may speak for many hawkbit devices",
     .more = "The token is printed once and cannot be had again. Unknown devices that it names are registered.\n", OPTIONS(gateway_new_options), .run = cmd_gateway_new},
    {.noun = "gateway", .verb = "list", .args = "", .help = "List gateway tokens", .more = "", OPTIONS(list_options), .run = cmd_gateway_list},
    {.noun = "gateway", .verb = "revoke", .args = "ID...", .args_min = 1, .args_max = ARGS_MAX, .help = "End gateway tokens", .more = "", .run = cmd_gateway_revoke},

    {.noun = "token", .verb = "new", .args = "NAME", .args_min = 1, .args_max = 1, .help = "Make an API token",
     .more = "The token is printed once and cannot be had again.\n", OPTIONS(token_new_options), .run = cmd_token_new},
    {.noun = "token", .verb = "list", .args = "", .help = "List API tokens", .more = "", OPTIONS(list_options), .run = cmd_token_list},
    {.noun = "token", .verb = "revoke", .args = "ID...", .args_min = 1, .args_max = ARGS_MAX, .help = "Withdraw API tokens", .more = "", .run = cmd_token_revoke},

    {.noun = "audit", .verb = "tail", .args = "", .help = "Print the newest entries of the audit log", .more = "",
     OPTIONS(audit_tail_options), .run = cmd_audit_tail},
    {.noun = "audit", .verb = "export", .args = "", .help = "Copy the whole audit log with its signed head", .more = "",
     OPTIONS(audit_export_options), .run = cmd_audit_export},
    {.noun = "audit", .verb = "verify", .args = "FILE", .args_min = 1, .args_max = 1, .args_are_files = true,
     .help = "Find altered, dropped or swapped entries in an export, offline", .more = "- is standard input. No server is asked.\n",
     OPTIONS(audit_verify_options), .run = cmd_audit_verify},

    {.noun = "policy", .verb = "block", .args = "DIGEST|PRODUCT@VERSION", .args_min = 1, .args_max = 1, .help = "Stage that an image must not be installed any more",
     .more = "DIGEST is that of the plain image. Sign with `slipway release sign` and publish for it to count.\n", OPTIONS(edit_options), .run = cmd_policy_block},
    {.noun = "policy", .verb = "unblock", .args = "DIGEST|PRODUCT@VERSION", .args_min = 1, .args_max = 1, .help = "Stage that a blocked image may be installed again",
     .more = "", OPTIONS(edit_options), .run = cmd_policy_unblock},
    {.noun = "policy", .verb = "grace", .args = "TIME", .args_min = 1, .args_max = 1, .help = "Stage for how long devices may act on expired metadata",
     .more = "For devices that are out of reach for long: 30d. 0 ends it.\n", OPTIONS(edit_options), .run = cmd_policy_grace},

    {.noun = "compact", .verb = "manifest", .args = "PRODUCT@VERSION", .args_min = 1, .args_max = 1,
     .help = "Draw up the manifest of a release, for devices that cannot read JSON",
     .more = "It states what is listed of the release and needs the signatures of the same keys. With enough of them by --key it is listed at once; "
             "else sign it with `slipway compact sign` and list it with `slipway compact add`. Its signatures come before those of the list, which names its digest.\n",
     OPTIONS(compact_manifest_options), .run = cmd_compact_manifest},
    {.noun = "compact", .verb = "trust", .args = "", .help = "Draw up the next trust store, for devices that cannot read JSON",
     .more = "It names the repository's newest keys and states its policy. The root keys sign it, those of the trust store before it and its own. "
             "The first one is put on devices when they are made; they fetch later ones, targets named trust-store/N, one after the other.\n",
     OPTIONS(compact_trust_options), .run = cmd_compact_trust},
    {.noun = "compact", .verb = "sign", .args = "FILE", .args_min = 1, .args_max = 1, .args_are_files = true,
     .help = "Add signatures to a manifest or trust store", .more = "Needs nothing but the file and the key, so it may be done on a machine without network. Prints what would be signed and asks.\n",
     OPTIONS(compact_sign_options), .run = cmd_compact_sign},
    {.noun = "compact", .verb = "add", .args = "FILE", .args_min = 1, .args_max = 1, .args_are_files = true,
     .help = "Stage a signed manifest or trust store as a target", .more = "The exit code is 6 when it lacks signatures. Sign the list with `slipway release sign` and publish.\n",
     OPTIONS(edit_options), .run = cmd_compact_add},
    {.noun = "compact", .verb = "show", .args = "FILE", .args_min = 1, .args_max = 1, .args_are_files = true,
     .help = "Print what a manifest or trust store says", .more = "Signatures are shown, not checked.\n", .run = cmd_compact_show},

    {.noun = "artifact", .verb = "write", .args = "rootfs-image|module-image", .args_min = 1, .args_max = 1,
     .help = "Write a Mender Artifact",
     .more = "Format 3, for clients of Mender. A rootfs-image has exactly one file; a module-image names its update module with --type.\n",
     OPTIONS(artifact_write_options), .run = cmd_artifact_write},
    {.noun = "artifact", .verb = "show", .args = "FILE", .args_min = 1, .args_max = 1, .args_are_files = true,
     .help = "Check a Mender Artifact and print what it says", .more = "Reads all of it: order, checksums, names, dependencies, and with --key the signature.\n",
     OPTIONS(artifact_show_options), .run = cmd_artifact_show},

    {.noun = "trust", .verb = "status", .args = "", .help = "Print versions and expiry of the server's trust metadata", .more = "", .run = cmd_trust_status},
    {.noun = "trust", .verb = "expiring", .args = "", .help = "List everything that expires, and what breaks when it does",
     .more = "Root, lists, online metadata, certificates, tokens and claims, the next first. With --on DATE: what is broken on that day if nobody renews anything; the exit code is then 6 when something is.\n",
     OPTIONS(expiring_options), .run = cmd_trust_expiring},
    {.noun = "trust", .verb = "authority", .args = "", .help = "Stage who may sign assignments",
     .more = "Devices follow assignments by these keys only. Sign with `slipway release sign` and publish.\n",
     OPTIONS(authority_options), .run = cmd_trust_authority},
};
const size_t commands_count = COUNT_OF(commands);
/* clang-format on */
