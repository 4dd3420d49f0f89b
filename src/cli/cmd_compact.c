/* compact: manifests and trust stores for devices that cannot read JSON. A message is drawn up from
 * the repository, signed there or far away, and listed in the repository once it is signed
 * enough. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "cli/commands.h"
#include "cli/output.h"
#include "cli/staged.h"
#include "codec/hex.h"
#include "os/clock.h"
#include "os/file.h"
#include "os/say.h"
#include "trust/compact.h"

#define PATH_SIZE 4096u

static const char *kind_name(const struct compact *compact)
{
    return compact->kind == COMPACT_IS_MANIFEST ? "manifest" : "trust store";
}

/* ---- Printing ---- */

static void print_number(FILE *to, const char *name, uint64_t number)
{
    (void)fprintf(to, "%-19s%" PRIu64 "\n", name, number);
}

static void print_digest(FILE *to, const char *name, struct span digest)
{
    char hex[2 * DIGEST_SIZE + 1];

    CHECK(digest.size <= DIGEST_SIZE);
    hex_print(digest, hex);
    (void)fprintf(to, "%-19s%s\n", name, hex);
}

static void print_time(FILE *to, const char *name, uint64_t s)
{
    char text[UTC_TEXT_SIZE];

    utc_format((struct utc){(int64_t)s * 1000}, text);
    (void)fprintf(to, "%-19s%s\n", name, text);
}

static void print_facts(FILE *to, const struct release_facts *facts)
{
    (void)fprintf(to, "%-19s%s %s\n", "release:", facts->product, facts->version);
    for (uint32_t i = 0; i < facts->hardware_count; i++)
        (void)fprintf(to, "%-19s%s\n", "hardware:", facts->hardware[i]);
    (void)fprintf(to, "%-19s%s\n",
                  "kind:", facts->kind == RELEASE_SECURITY ? "security" : "feature");
    print_number(to, "security version:", facts->security_version);
    print_number(to, "security floor:", facts->security_floor);
    print_number(to, "release counter:", facts->release_counter);
    if (facts->issued_s > 0)
        print_time(to, "issued:", facts->issued_s);
    print_number(to, "length:", facts->length);
    print_digest(to, "digest:", (struct span){facts->sha256, DIGEST_SIZE});
    print_number(to, "chunk size:", facts->chunk_size);
    print_number(to, "bases:", facts->bases_count);
    if (facts->sealed.used)
        (void)fprintf(to, "%-19s%s\n", "encrypted by:", aead_kind_name(facts->sealed.alg));
}

static void print_manifest(FILE *to, const struct manifest *manifest)
{
    (void)fprintf(to, "%-19s%s\n", "manifest of:", manifest->target);
    print_facts(to, &manifest->facts);
    if (!manifest->slot.known)
        return;
    print_number(to, "bank:", manifest->slot.length);
    print_number(to, "filled with:", manifest->slot.fill);
    print_digest(to, "digest of bank:", (struct span){manifest->slot.sha256, DIGEST_SIZE});
}

/* "2 of: 1a2b... 3c4d..." */
static void print_role(FILE *to, const char *name, const struct trust_store *store,
                       const struct trust_role *role)
{
    char kid[2 * VERIFY_KID_SIZE + 1];

    (void)fprintf(to, "%-19s%" PRIu32 " of:", name, role->threshold);
    for (uint32_t i = 0; i < store->key_count; i++) {
        if ((role->keys >> i & 1) == 0)
            continue;
        hex_print((struct span){store->keys[i].kid, VERIFY_KID_SIZE}, kid);
        (void)fprintf(to, " %s", kid);
    }
    (void)fprintf(to, "\n");
}

static void print_store(FILE *to, const struct trust_store *store)
{
    const struct trust_role assignment = {1, store->assignment_keys};

    print_number(to, "trust store:", store->version);
    print_number(to, "root version:", store->root_version);
    print_time(to, "issued:", store->issued_s);
    if (store->expires_s > 0)
        print_time(to, "expires:", store->expires_s);
    print_role(to, "root:", store, &store->root);
    for (uint32_t i = 0; i < store->release_count; i++) {
        (void)fprintf(to, "%-19s%s, security floor %" PRIu32 "\n",
                      "releases of:", store->releases[i].product,
                      store->releases[i].security_floor);
        print_role(to, "  by:", store, &store->releases[i].role);
    }
    print_role(to, "assignments:", store, &assignment);
    print_number(to, "grace in seconds:", store->allow_stale_s);
    for (size_t at = 0; at < store->blocked.size; at += DIGEST_SIZE)
        print_digest(to, "blocked:", (struct span){store->blocked.at + at, DIGEST_SIZE});
}

static void print_compact(FILE *to, const struct compact *compact)
{
    if (compact->kind == COMPACT_IS_MANIFEST)
        print_manifest(to, &compact->manifest);
    else
        print_store(to, &compact->store);
    for (uint32_t i = 0; i < compact->message.count; i++)
        print_digest(
            to, "signed by:", (struct span){compact->message.signatures[i].kid, VERIFY_KID_SIZE});
}

/* ---- Files ---- */

static enum err read_message(const char *path, struct compact *out, struct why *why)
{
    struct file_bytes bytes;
    enum err err;

    TRY(file_read(path, COMPACT_SIZE_MAX, &bytes, why));
    err = compact_read((struct span){bytes.at, bytes.size}, out, why);
    file_bytes_free(&bytes);
    return say_where(why, err, "%s", path);
}

static enum err write_message(const char *path, const struct compact *compact, struct why *why)
{
    uint8_t room[COMPACT_SIZE_MAX];
    struct buf out = buf_over(room, sizeof room);

    compact_write(compact, &out);
    CHECK(!out.overflow);
    return file_replace(path, buf_written(&out), 0644, why);
}

/* Beside what is staged, unless --out says where. */
static enum err path_of(struct cli *cli, const struct compact *compact, char to[PATH_SIZE],
                        struct why *why)
{
    const char *out = options_path(&cli->options, "out");
    int size;

    if (out)
        size = snprintf(to, PATH_SIZE, "%s", out);
    else if (compact->kind == COMPACT_IS_MANIFEST)
        size = snprintf(to, PATH_SIZE, "%s/staged/%s-%s" MANIFEST_SUFFIX, staged_dir(cli),
                        compact->manifest.facts.product, compact->manifest.facts.version);
    else
        size = snprintf(to, PATH_SIZE, "%s/staged/trust-store-%" PRIu32, staged_dir(cli),
                        compact->store.version);
    return (size_t)size < PATH_SIZE ? ERR_OK : say(why, ERR_TOO_BIG, "out", "the path is too long");
}

/* ---- Listing ---- */

static int report(struct cli *cli, const struct compact *compact, const char *path,
                  const struct repository_signing *signing)
{
    if (cli->json)
        return output_json(cli, json_pack("{s:s, s:s, s:I, s:I, s:b}", "kind", kind_name(compact),
                                          "file", path, "signatures", (json_int_t)signing->have,
                                          "threshold", (json_int_t)signing->need, "complete",
                                          (int)signing->complete));
    (void)fprintf(cli->out, "%s: %s with %" PRIu32 " of %" PRIu32 " signatures, %s\n", path,
                  kind_name(compact), signing->have, signing->need,
                  signing->complete ? "complete" : "waiting for more");
    return CODE_OK;
}

static int add(struct cli *cli, const struct compact *compact, struct why *why)
{
    struct repository_edit edit = {.dir = staged_dir(cli),
                                   .expires = staged_expiry(cli, "targets_expires")};
    char name[TARGET_NAME_SIZE_MAX + 1];
    enum err err = compact_list(&edit, compact, name, why);

    if (err == ERR_UNTRUSTED)
        return complain(cli, CODE_PARTIAL, "%s", why->text);
    if (err != ERR_OK)
        return complain_why(cli, err, why);
    (void)fprintf(cli->err, "Listed as %s.\n", name);
    return staged_report(cli, edit.role);
}

int cmd_compact_add(struct cli *cli)
{
    struct compact *compact = calloc(1, sizeof *compact);
    struct why why;
    enum err err;
    int code;

    CHECK(compact);
    why_clear(&why);
    err = read_message(cli->args[0], compact, &why);
    code = err == ERR_OK ? add(cli, compact, &why) : complain_why(cli, err, &why);
    free(compact);
    return code;
}

/* ---- Drawing up ---- */

static enum err sign_all(struct compact *compact, const struct keys *keys, struct why *why)
{
    for (uint32_t i = 0; i < keys->count; i++)
        TRY(compact_sign(compact, keys->at[i], why));
    return ERR_OK;
}

/* Sign with the keys at hand; what then is complete is listed at once. */
static int finish_draft(struct cli *cli, struct compact *compact, const struct keys *keys,
                        struct why *why)
{
    struct repository_signing signing = {0};
    char path[PATH_SIZE] = "";
    enum err err = sign_all(compact, keys, why);
    int code;

    if (err == ERR_OK)
        err = compact_count(staged_dir(cli), compact, &signing, why);
    if (err == ERR_OK)
        err = path_of(cli, compact, path, why);
    if (err == ERR_OK)
        err = write_message(path, compact, why);
    if (err != ERR_OK)
        return complain_why(cli, err, why);
    code = report(cli, compact, path, &signing);
    return signing.complete && code == CODE_OK ? add(cli, compact, why) : code;
}

typedef enum err draw_up(struct cli *cli, struct compact *out, struct why *why);

static int draft(struct cli *cli, draw_up *draw)
{
    struct compact *compact;
    struct keys keys;
    struct why why;
    enum err err;
    int code = keys_load(cli, "key", true, &keys);

    if (code != CODE_OK)
        return code;
    compact = calloc(1, sizeof *compact);
    CHECK(compact);
    why_clear(&why);
    err = draw(cli, compact, &why);
    code = err == ERR_OK ? finish_draft(cli, compact, &keys, &why) : complain_why(cli, err, &why);
    keys_close(&keys);
    free(compact);
    return code;
}

static enum err draw_manifest(struct cli *cli, struct compact *out, struct why *why)
{
    const char *at = strchr(cli->args[0], '@');
    struct manifest_slot slot = {0};
    struct release_facts facts;
    char product[NAME_SIZE_MAX + 1];

    if (!at || (size_t)(at - cli->args[0]) > NAME_SIZE_MAX)
        return say(why, ERR_INVALID, NULL, "a release is named PRODUCT@VERSION");
    (void)snprintf(product, sizeof product, "%.*s", (int)(at - cli->args[0]), cli->args[0]);
    TRY(repository_find_release(staged_dir(cli), product, at + 1, &facts, why));
    if (options_given(&cli->options, "slot_length"))
        TRY(compact_measure_slot(staged_dir(cli), &facts,
                                 (uint64_t)options_size(&cli->options, "slot_length"),
                                 (uint8_t)options_int(&cli->options, "slot_fill"), &slot, why));
    return compact_draft_manifest(staged_dir(cli), product, at + 1, &slot, out, why);
}

int cmd_compact_manifest(struct cli *cli)
{
    return draft(cli, draw_manifest);
}

struct named_product {
    char name[NAME_SIZE_MAX + 1];
};

/* "NAME" or "NAME=FLOOR". */
static enum err read_product(const char *text, struct named_product *name,
                             struct compact_product *out, struct why *why)
{
    const char *equals = strchr(text, '=');
    size_t size = equals ? (size_t)(equals - text) : strlen(text);
    unsigned long long floor = 0;
    char *end = NULL;

    if (size == 0 || size > NAME_SIZE_MAX)
        return say(why, ERR_INVALID, "product", "\"%.80s\" is not NAME or NAME=FLOOR", text);
    (void)snprintf(name->name, sizeof name->name, "%.*s", (int)size, text);
    if (equals)
        floor = strtoull(equals + 1, &end, 10);
    if (equals && (equals[1] < '0' || equals[1] > '9' || *end != '\0' || floor > UINT32_MAX))
        return say(why, ERR_INVALID, "product", "\"%.40s\" is no security floor", equals + 1);
    *out = (struct compact_product){name->name, (uint32_t)floor};
    return ERR_OK;
}

static enum err draw_store(struct cli *cli, struct compact *out, struct why *why)
{
    static const char *const any[] = {TRUST_ANY_PRODUCT};
    struct named_product names[TRUST_PRODUCTS_MAX];
    struct compact_product products[TRUST_PRODUCTS_MAX];
    struct compact_plan plan = {.products = products, .now = clock_utc()};
    size_t count;
    const char *const *texts = options_list(&cli->options, "product", &count);

    if (count == 0) {
        texts = any;
        count = 1;
    }
    if (count > TRUST_PRODUCTS_MAX)
        return say(why, ERR_INVALID, "product", "a trust store speaks for %u products at most",
                   TRUST_PRODUCTS_MAX);
    for (size_t i = 0; i < count; i++)
        TRY(read_product(texts[i], &names[i], &products[i], why));
    plan.product_count = (uint32_t)count;
    if (options_given(&cli->options, "store_expires"))
        plan.expires = staged_expiry(cli, "store_expires");
    return compact_draft_store(staged_dir(cli), &plan, out, why);
}

int cmd_compact_trust(struct cli *cli)
{
    return draft(cli, draw_store);
}

/* ---- Signing far away, showing ---- */

static int sign_file(struct cli *cli, const struct keys *keys, struct compact *compact,
                     struct why *why)
{
    const char *out = options_path(&cli->options, "out");
    const char *path = cli->args[0];
    enum err err = read_message(path, compact, why);
    int code;

    if (err != ERR_OK)
        return complain_why(cli, err, why);
    print_compact(cli->err, compact);
    code = confirm(cli, "Is this what you want to sign?");
    if (code != CODE_OK)
        return code;
    err = sign_all(compact, keys, why);
    if (err == ERR_OK)
        err = write_message(out ? out : path, compact, why);
    if (err != ERR_OK)
        return complain_why(cli, err, why);
    (void)fprintf(cli->out, "%s: %s with %" PRIu32 " signatures\n", out ? out : path,
                  kind_name(compact), compact->message.count);
    return CODE_OK;
}

int cmd_compact_sign(struct cli *cli)
{
    struct compact *compact;
    struct keys keys;
    struct why why;
    int code = keys_load(cli, "key", true, &keys);

    if (code != CODE_OK)
        return code;
    compact = calloc(1, sizeof *compact);
    CHECK(compact);
    why_clear(&why);
    code = keys.count > 0 ? sign_file(cli, &keys, compact, &why)
                          : complain(cli, CODE_USAGE, "give the key to sign with: --key FILE");
    keys_close(&keys);
    free(compact);
    return code;
}

int cmd_compact_show(struct cli *cli)
{
    struct compact *compact = calloc(1, sizeof *compact);
    struct why why;
    enum err err;

    CHECK(compact);
    why_clear(&why);
    err = read_message(cli->args[0], compact, &why);
    if (err == ERR_OK)
        print_compact(cli->out, compact);
    free(compact);
    return err == ERR_OK ? CODE_OK : complain_why(cli, err, &why);
}
