#include "app/artifacts.h"

#include <string.h>

enum err artifacts_of(struct app *app, const struct release_row *release, struct artifacts *out)
{
    return store_artifact_list(app->db, release->tenant, release->id, ARTIFACTS_MAX, out->list,
                               &out->count);
}

/* Whether `name` is among names with one space between them; every name is in "". */
static bool names(const char *list, const char *name)
{
    size_t size = strlen(name);

    if (*list == '\0')
        return true;
    while (*list != '\0') {
        size_t here = strcspn(list, " ");

        if (here == size && memcmp(list, name, size) == 0)
            return true;
        list += here;
        list += *list == ' ' ? 1 : 0;
    }
    return false;
}

static void choose_image(const struct release_row *release, const struct device_row *device,
                         struct artifact_choice *out)
{
    out->none = release->no_image;
    out->sha256 = release->plain_sha256;
    out->hardware = release->hardware;
    out->fits = names(release->hardware, device->hardware);
}

/* *found: there is a file of the format, whoever it is made for. */
static void choose_files(const struct artifacts *artifacts, enum artifact_format format,
                         const struct device_row *device, struct artifact_choice *out)
{
    for (uint32_t i = 0; i < artifacts->count; i++) {
        const struct artifact_row *row = &artifacts->list[i];

        if (row->format != format || row->withdrawn)
            continue;
        if (out->none) { /* made for others, unless one comes that is not */
            out->none = false;
            out->sha256 = row->sha256;
            out->hardware = row->hardware;
        }
        if (!names(row->hardware, device->hardware))
            continue;
        if (out->count == 0) {
            out->sha256 = row->sha256;
            out->hardware = row->hardware;
        }
        out->list[out->count++] = row;
    }
    out->fits = out->count > 0;
}

void artifacts_choose(const struct artifacts *artifacts, const struct release_row *release,
                      const struct device_row *device, struct artifact_choice *out)
{
    static const uint8_t nothing[DIGEST_SIZE];
    enum artifact_format format;

    *out = (struct artifact_choice){.none = true, .sha256 = nothing, .hardware = release->hardware};
    if (device->protocol == PROTOCOL_NATIVE) {
        choose_image(release, device, out);
        return;
    }
    if (release->authority != PROTOCOL_NATIVE && release->authority != device->protocol)
        return;
    for (unsigned i = 0; !out->fits && protocol_format(device->protocol, i, &format); i++)
        choose_files(artifacts, format, device, out);
}

const char *artifact_runs_as(const struct artifact_row *artifact, const struct release_row *release)
{
    return artifact->name[0] != '\0' ? artifact->name : release->version;
}
