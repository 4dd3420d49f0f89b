#include "trust/client_case.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "trust/tuf_file.h"

int client_case_open(void **state)
{
    struct client_case *it = calloc(1, sizeof *it);

    assert_non_null(it);
    (void)snprintf(it->dir, sizeof it->dir, "/tmp/tuf_client_test.XXXXXX");
    assert_non_null(mkdtemp(it->dir));
    it->forge = forge_open();
    it->now = FORGE_NOW;
    assert_int_equal(
        tuf_client_open(it->dir, tuf_bytes_span(&it->forge->last[TUF_ROOT]), &it->client, &it->why),
        ERR_OK);
    *state = it;
    return 0;
}

int client_case_close(void **state)
{
    struct client_case *it = *state;
    char name[TUF_FILE_NAME_SIZE];

    for (int role = 0; role < TUF_ROLE_COUNT; role++) {
        tuf_file_name((enum tuf_role)role, 0, name);
        assert_int_equal(tuf_file_remove(it->dir, name, NULL), ERR_OK);
    }
    assert_int_equal(rmdir(it->dir), 0); /* nothing else was left in it */
    tuf_client_close(it->client);
    forge_close(it->forge);
    free(it);
    return 0;
}

enum err client_case_refresh(struct client_case *it)
{
    const struct tuf_fetch fetch = forge_fetch(it->forge);

    it->forge->log[0] = '\0';
    why_clear(&it->why);
    return tuf_client_refresh(it->client, &fetch, it->now, &it->why);
}

enum err client_case_restart(struct client_case *it)
{
    tuf_client_close(it->client);
    it->client = NULL;
    assert_int_equal(tuf_client_open(it->dir, (struct span){NULL, 0}, &it->client, &it->why),
                     ERR_OK);
    return client_case_refresh(it);
}

uint64_t client_case_stored(const struct client_case *it, enum tuf_role role)
{
    char name[TUF_FILE_NAME_SIZE];
    struct tuf_bytes bytes;
    struct tuf_metadata *metadata;
    uint64_t version;

    tuf_file_name(role, 0, name);
    if (tuf_file_read(it->dir, name, tuf_role_size_max(role), &bytes, NULL) != ERR_OK)
        return 0;
    assert_int_equal(tuf_metadata_read(role, tuf_bytes_span(&bytes), &metadata, NULL), ERR_OK);
    version = tuf_metadata_version(metadata);
    tuf_metadata_close(metadata);
    tuf_bytes_done(&bytes);
    return version;
}

void assert_refresh(struct client_case *it, enum err expected, const char *requests)
{
    enum err err = client_case_refresh(it);
    size_t size = strlen(it->forge->log);

    if (err != expected)
        print_error("%s: %s\n", err_name(err), it->why.text);
    assert_int_equal(err, expected);
    if (size > 0)
        it->forge->log[size - 1] = '\0';
    assert_string_equal(it->forge->log, requests);
}

void assert_stored(const struct client_case *it, const char *versions)
{
    char text[128] = "";

    for (int role = 0; role < TUF_ROLE_COUNT; role++) {
        uint64_t version = client_case_stored(it, (enum tuf_role)role);
        size_t at = strlen(text);

        if (version == 0)
            (void)snprintf(text + at, sizeof text - at, "%s-", role ? " " : "");
        else
            (void)snprintf(text + at, sizeof text - at, "%s%" PRIu64, role ? " " : "", version);
    }
    assert_string_equal(text, versions);
}

void assert_refused(struct client_case *it, enum err expected, const char *part,
                    const char *versions)
{
    struct tuf_target target;
    enum err err = client_case_refresh(it);

    if (err != expected || !strstr(it->why.text, part))
        print_error("%s: %s\n", err_name(err), it->why.text);
    assert_int_equal(err, expected);
    assert_non_null(strstr(it->why.text, part));
    assert_stored(it, versions);
    assert_int_equal(tuf_client_target(it->client, NULL, "camera/1.0/image", &target, NULL),
                     ERR_INVALID);
}
