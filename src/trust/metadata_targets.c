/* Targets, the releases among them, and what a keeper of a repository accepts. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "os/say.h"
#include "trust/delegation.h"
#include "trust/metadata_form.h"
#include "trust/release_json.h"

static enum err read_target(const char *name, const json_t *entry, struct tuf_target *out,
                            struct why *why)
{
    struct tuf_target target = {0};
    enum err err;

    if (!span_to_text(span_of(name), target.name, sizeof target.name))
        return say(why, ERR_TOO_BIG, NULL, "target %.60s...: its name has more than %u bytes", name,
                   TARGET_NAME_SIZE_MAX);
    TRY(tuf_file_from_json(entry, false, &target.file, why));
    err = release_from_custom(json_object_get(entry, "custom"), &target.facts, why);
    if (err != ERR_OK && err != ERR_NOT_FOUND)
        return say_where(why, err, "target %s", target.name);
    target.has_facts = err == ERR_OK;
    err = artifact_from_custom(json_object_get(entry, "custom"), &target.artifact, why);
    if (err != ERR_OK && err != ERR_NOT_FOUND)
        return say_where(why, err, "target %s", target.name);
    target.has_artifact = err == ERR_OK;
    if (target.has_facts && target.has_artifact)
        return say(why, ERR_CORRUPT, NULL, "target %s is an image and an artifact in one",
                   target.name);
    *out = target;
    return ERR_OK;
}

bool tuf_target_file(const struct tuf_metadata *targets, const char *name, struct tuf_file *out)
{
    const json_t *all = json_object_get(targets->signed_part, "targets");
    const json_t *entry = json_object_get(all, name);

    CHECK(targets->role == TUF_TARGETS);
    return entry && tuf_file_from_json(entry, false, out, NULL) == ERR_OK;
}

enum err tuf_find_target(const struct tuf_metadata *targets, const char *name,
                         struct tuf_target *out, struct why *why)
{
    const json_t *all = json_object_get(targets->signed_part, "targets");
    const json_t *entry = json_object_get(all, name);

    CHECK(targets->role == TUF_TARGETS);
    if (!entry)
        return say(why, ERR_NOT_FOUND, NULL, "targets version %" PRIu64 " do not list %.80s",
                   targets->version, name);
    return read_target(name, entry, out, why);
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

enum err tuf_for_each_target(const struct tuf_metadata *targets, tuf_each_target *each, void *self,
                             struct why *why)
{
    json_t *all = json_object_get(targets->signed_part, "targets");
    size_t count = json_object_size(all), at = 0;
    const char **names = calloc(count + 1, sizeof *names);
    enum err err = ERR_OK;
    struct tuf_target target;

    CHECK(targets->role == TUF_TARGETS);
    CHECK(names);
    for (void *i = json_object_iter(all); i; i = json_object_iter_next(all, i))
        names[at++] = json_object_iter_key(i);
    qsort(names, count, sizeof *names, compare_names);
    for (at = 0; at < count && err == ERR_OK; at++) {
        err = read_target(names[at], json_object_get(all, names[at]), &target, why);
        if (err == ERR_OK)
            err = each(self, &target, why);
    }
    free(names);
    return err;
}

/* ---- Acceptance ---- */

static enum err check_fresh(const struct tuf_metadata *metadata, struct utc now, struct why *why)
{
    char text[UTC_TEXT_SIZE];

    if (!tuf_metadata_expired(metadata, now))
        return ERR_OK;
    utc_format(metadata->expires, text);
    return say(why, ERR_UNTRUSTED, NULL, "%s version %" PRIu64 " expired at %s",
               tuf_role_name(metadata->role), metadata->version, text);
}

/* Hands `metadata` out if `err` is ERR_OK, and closes it otherwise. */
static enum err give(enum err err, struct tuf_metadata *metadata, struct tuf_metadata **out)
{
    if (err == ERR_OK)
        *out = metadata;
    else
        tuf_metadata_close(metadata);
    return err;
}

enum err tuf_accept_root(const struct tuf_metadata *old, struct span bytes, struct utc now,
                         struct tuf_metadata **out, struct why *why)
{
    struct tuf_metadata *root;
    enum err err;

    TRY(tuf_metadata_read(TUF_ROOT, bytes, &root, why));
    err = old ? tuf_verify_next_root(old, root, why) : tuf_verify_by_root(root, root, why);
    if (err == ERR_OK)
        err = check_fresh(root, now, why);
    return give(err, root, out);
}

struct acceptance {
    const struct tuf_metadata *targets;
    const struct tuf_metadata *delegator; /* NULL: these are top-level targets */
    const char *role;
    char release[TARGET_NAME_SIZE_MAX + 1]; /* "PRODUCT/VERSION/" of the last one seen */
};

/* The chunk list beside the image is the one the facts name. */
static enum err check_chunk_list(const struct tuf_metadata *targets, const struct tuf_target *image,
                                 struct why *why)
{
    const struct release_facts *facts = &image->facts;
    char name[TARGET_NAME_SIZE_MAX + sizeof RELEASE_CHUNKS_SUFFIX];
    uint64_t size = DIGEST_SIZE * release_chunk_count(facts->length, facts->chunk_size);
    struct tuf_target list;

    (void)snprintf(name, sizeof name, "%s" RELEASE_CHUNKS_SUFFIX, image->name);
    TRY(tuf_find_target(targets, name, &list, why));
    if (list.file.length != size || !list.file.has_sha256 ||
        memcmp(list.file.sha256, facts->chunks_sha256, DIGEST_SIZE) != 0)
        return say(why, ERR_CORRUPT, NULL, "%s is not the chunk list its image names", name);
    return ERR_OK;
}

/* A target that the delegation does not cover would be listed and never found. */
static enum err check_covered(const struct acceptance *acceptance, const char *name,
                              struct why *why)
{
    struct tuf_delegation delegation;
    uint64_t at = 0;

    if (!acceptance->delegator)
        return ERR_OK;
    while (tuf_delegation_next(acceptance->delegator, name, &at, &delegation)) {
        if (strcmp(delegation.role, acceptance->role) == 0)
            return ERR_OK;
    }
    return say(why, ERR_UNTRUSTED, NULL, "target %s: is not for %.60s to list", name,
               acceptance->role);
}

static enum err accept_artifact(const struct tuf_target *target, struct why *why)
{
    char wanted[TARGET_NAME_SIZE_MAX + 1];
    const char *file = strrchr(target->name, '/');

    TRY(artifact_target_name(&target->artifact, file ? file + 1 : target->name, wanted, why));
    if (strcmp(wanted, target->name) != 0)
        return say(why, ERR_CORRUPT, NULL, "target %s should be named %s", target->name, wanted);
    if (!target->file.has_length || !target->file.has_sha256)
        return say(why, ERR_CORRUPT, NULL, "target %s has no length or no sha256", target->name);
    return ERR_OK;
}

static enum err accept_target(void *self, const struct tuf_target *target, struct why *why)
{
    struct acceptance *acceptance = self;
    const struct release_facts *facts = &target->facts;
    char release[sizeof acceptance->release];

    TRY(check_covered(acceptance, target->name, why));
    if (target->has_artifact)
        return accept_artifact(target, why);
    if (!target->has_facts)
        return ERR_OK;
    (void)snprintf(release, sizeof release, "%s/%s/", facts->product, facts->version);
    if (strncmp(target->name, release, strlen(release)) != 0)
        return say(why, ERR_CORRUPT, NULL, "target %s does not begin with %s", target->name,
                   release);
    if (strcmp(release, acceptance->release) == 0)
        return say(why, ERR_CORRUPT, NULL, "target %s: its release has another image already",
                   target->name);
    if (target->file.length != release_sent_length(facts) || !target->file.has_sha256 ||
        memcmp(target->file.sha256, release_sent_sha256(facts), DIGEST_SIZE) != 0)
        return say(why, ERR_CORRUPT, NULL, "target %s is not the image its facts describe",
                   target->name);
    memcpy(acceptance->release, release, sizeof release);
    return check_chunk_list(acceptance->targets, target, why);
}

static enum err check_newer(const struct tuf_metadata *old, const struct tuf_metadata *targets,
                            struct why *why)
{
    if (!old || targets->version > old->version)
        return ERR_OK;
    return say(why, ERR_CONFLICT, NULL, "targets version %" PRIu64 " is not newer than %" PRIu64,
               targets->version, old->version);
}

static enum err check_targets(const struct tuf_authority *authority, const struct tuf_metadata *old,
                              struct acceptance *acceptance, struct utc now, struct why *why)
{
    TRY(tuf_verify(authority, acceptance->targets, why));
    TRY(check_newer(old, acceptance->targets, why));
    TRY(check_fresh(acceptance->targets, now, why));
    return tuf_for_each_target(acceptance->targets, accept_target, acceptance, why);
}

enum err tuf_accept_targets(const struct tuf_metadata *root, const struct tuf_metadata *old,
                            struct span bytes, struct utc now, struct tuf_metadata **out,
                            struct why *why)
{
    struct tuf_authority authority = tuf_root_authority(root, TUF_TARGETS);
    struct acceptance acceptance = {.targets = NULL};
    struct tuf_metadata *targets;

    TRY(tuf_metadata_read(TUF_TARGETS, bytes, &targets, why));
    acceptance.targets = targets;
    return give(check_targets(&authority, old, &acceptance, now, why), targets, out);
}

enum err tuf_accept_delegated(const struct tuf_metadata *delegator, const char *role,
                              const struct tuf_metadata *old, struct span bytes, struct utc now,
                              struct tuf_metadata **out, struct why *why)
{
    struct acceptance acceptance = {.delegator = delegator, .role = role};
    struct tuf_delegation delegation, further;
    struct tuf_metadata *targets;
    uint64_t at = 0;
    enum err err;

    if (!tuf_delegation_to(delegator, role, &delegation))
        return say(why, ERR_NOT_FOUND, NULL, "targets version %" PRIu64 " do not delegate to %.60s",
                   delegator->version, role);
    TRY(tuf_metadata_read(TUF_TARGETS, bytes, &targets, why));
    acceptance.targets = targets;
    if (tuf_delegation_next(targets, NULL, &at, &further))
        err = say(why, ERR_UNSUITABLE, NULL,
                  "the list delegates further, to %.60s; only top-level "
                  "targets may",
                  further.role);
    else
        err = check_targets(&delegation.authority, old, &acceptance, now, why);
    return give(say_where(why, err, "%.60s", role), targets, out);
}
