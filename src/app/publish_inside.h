/* What the files that publish share. Private to app/. */
#pragma once

#include "app/publish.h"
#include "trust/metadata.h"

struct publishing {
    struct app *app;
    int64_t tenant;
    const char *actor;
    struct utc now;
    uint32_t listing;                /* the number of what is made now, see store/release.h */
    const struct tuf_metadata *list; /* being read */
    bool fresh;                      /* its blobs have not been looked at yet */
    struct published *out;
};

/* Parsed metadata of a role, newest; *out is NULL when there is none. */
enum err publish_load(struct app *app, int64_t tenant, enum metadata_role role,
                      struct tuf_metadata **out, struct why *why) MUST_USE;

/* Every release of one accepted list. */
enum err publish_list(struct publishing *publishing, const struct tuf_metadata *list, bool fresh,
                      struct why *why) MUST_USE;

/* A file in the format of another client, in app/publish_artifact.c. *taken is false for a format
 * that is not known here: it is a plain file then. */
enum err publish_artifact(struct publishing *publishing, const struct tuf_target *target,
                          bool *taken, struct why *why) MUST_USE;

/* "release:BOX@2.0" in the audit log. */
enum err publish_audit_release(struct publishing *publishing, const struct release_row *row,
                               const char *action) MUST_USE;

/* The target's bytes are there, as long as it says. */
enum err publish_check_blob(struct publishing *publishing, const struct tuf_target *target,
                            struct why *why) MUST_USE;

/* All lists anew after one of them has changed: top-level `targets`, and every role they delegate
 * to, whose list must be there and good, or wait and be good now. `fresh_role` names the one whose
 * blobs are to be looked at; NULL: top-level. Withdraws what no list has any more. */
enum err publish_listing(struct publishing *publishing, const struct tuf_metadata *targets,
                         const char *fresh_role, struct why *why) MUST_USE;

/* After any change of what is signed: shelf, statements and online roles are to be looked at. */
void publish_changed(struct app *app, int64_t tenant);

/* Audited as refused unless ERR_OK. */
struct deed;
enum err publish_refuse(struct app *app, const struct deed *deed, struct utc now, enum err err,
                        const struct why *why) MUST_USE;
