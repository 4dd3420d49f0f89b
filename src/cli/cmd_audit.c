/* audit: look, copy, and prove that nothing was changed. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/check.h"
#include "cli/api.h"
#include "cli/commands.h"
#include "cli/fields.h"
#include "cli/output.h"
#include "cli/table.h"
#include "crypto/key.h"
#include "fleet/audit.h"
#include "os/file.h"
#include "trust/tuf_key.h"

#define FOLLOW_S 2 /* seconds between two looks for new entries */

/* ---- tail ---- */

static void print_entries(struct cli *cli, const json_t *items)
{
    static const char *const columns[] = {"SEQ",    "AT",      "ACTOR", "ACTION",
                                          "OBJECT", "OUTCOME", "DETAIL"};
    static const char *const members[] = {"at", "actor", "action", "object", "outcome", "detail"};
    struct table *table = table_open(columns, COUNT_OF(columns));
    const json_t *item;
    size_t index;

    json_array_foreach(items, index, item)
    {
        table_cell_format(table, "%" PRId64, field_int(item, "seq"));
        for (size_t i = 0; i < COUNT_OF(members); i++)
            table_cell(table, field_text(item, members[i]));
    }
    table_print(table, cli->out);
    table_close(table);
}

/* One entry a line, for following: columns cannot be aligned with lines yet to come. */
static void print_lines(struct cli *cli, const json_t *items)
{
    static const char *const members[] = {"at", "actor", "action", "object", "outcome", "detail"};
    const json_t *item;
    size_t index;

    json_array_foreach(items, index, item)
    {
        if (cli->json) {
            (void)json_dumpf(item, cli->out, JSON_COMPACT);
        } else {
            (void)fprintf(cli->out, "%" PRId64, field_int(item, "seq"));
            for (size_t i = 0; i < COUNT_OF(members); i++) {
                const char *text = field_text(item, members[i]);

                (void)fputs("  ", cli->out);
                print_safe(cli->out, *text ? text : "-");
            }
        }
        (void)fputc('\n', cli->out);
    }
    (void)fflush(cli->out);
}

static int by_seq(const void *a, const void *b)
{
    const json_t *const *left = a, *const *right = b;
    int64_t l = field_int(*left, "seq"), r = field_int(*right, "seq");

    return (l > r) - (l < r);
}

/* Oldest first, whatever order the pages came in, and only what is newer than `after`. */
static json_t *in_order(json_t *items, int64_t after)
{
    size_t count = json_array_size(items), kept = 0;
    json_t **entries = calloc(count ? count : 1, sizeof(json_t *)), *sorted = json_array();

    CHECK(entries != NULL && sorted != NULL);
    for (size_t i = 0; i < count; i++)
        if (field_int(json_array_get(items, i), "seq") > after)
            entries[kept++] = json_array_get(items, i);
    qsort(entries, kept, sizeof(json_t *), by_seq);
    for (size_t i = 0; i < kept; i++)
        CHECK(json_array_append(sorted, entries[i]) == 0);
    free(entries);
    json_decref(items);
    return sorted;
}

static int64_t last_seq(const json_t *items, int64_t otherwise)
{
    size_t count = json_array_size(items);

    return count ? field_int(json_array_get(items, count - 1), "seq") : otherwise;
}

/* The newest entries; the API lists them newest first. */
static int fetch(struct cli *cli, size_t count, int64_t after, json_t **out)
{
    struct api_path path = api_path("/audit");
    char limit[16];
    json_t *items;
    int code;

    (void)snprintf(limit, sizeof limit, "%zu", count < 100 ? count : 100);
    api_query(&path, "limit", limit);
    code = api_list(cli, &path, count, &items);
    if (code == CODE_OK)
        *out = in_order(items, after);
    return code;
}

int cmd_audit_tail(struct cli *cli)
{
    size_t count = (size_t)options_int(&cli->options, "count");
    bool follow = options_flag(&cli->options, "follow");
    json_t *items = NULL;
    int64_t seen;
    int code = fetch(cli, count, 0, &items);

    if (code != CODE_OK)
        return code;
    if (!follow && cli->json)
        return output_list_json(cli, items);
    if (follow)
        print_lines(cli, items);
    else
        print_entries(cli, items);
    seen = last_seq(items, 0);
    json_decref(items);
    while (follow) {
        (void)nanosleep(&(struct timespec){.tv_sec = FOLLOW_S}, NULL);
        code = fetch(cli, 1000, seen, &items);
        if (code != CODE_OK)
            return code;
        print_lines(cli, items);
        seen = last_seq(items, seen);
        json_decref(items);
    }
    return CODE_OK;
}

/* ---- export ---- */

int cmd_audit_export(struct cli *cli)
{
    struct api_path path = api_path("/audit/export");
    const char *out = options_path(&cli->options, "out");
    FILE *file = out ? fopen(out, "wxe") : cli->out;
    int code;

    if (!file && file_exists(out))
        return complain(cli, CODE_CONFLICT, "%s exists already", out);
    if (!file)
        return complain(cli, CODE_ERROR, "%s cannot be written", out);
    code = api_download(cli, &path, file);
    if (out && fclose(file) != 0 && code == CODE_OK)
        code = complain(cli, CODE_ERROR, "%s cannot be written", out);
    if (out && code != CODE_OK)
        (void)remove(out);
    return code;
}

/* ---- verify ---- */

struct head_check {
    const struct key *trusted; /* NULL: believe the key that the head names */
    bool other_key;            /* the head names another key than the trusted one */
};

static bool check_signature(void *self, struct span text, struct span signature, struct span key)
{
    struct head_check *check = self;
    struct key *named = NULL;
    bool good;

    if (key_from_raw(key, &named, NULL) != ERR_OK)
        return false;
    check->other_key = check->trusted && !key_same(check->trusted, named);
    good = !check->other_key && key_verify(named, text, signature);
    key_close(named);
    return good;
}

/* Feed all lines; the last one may lack its line feed. */
static enum err verify_lines(FILE *file, struct audit_verifier *verifier, struct why *why)
{
    char *line = NULL;
    size_t room = 0;
    ssize_t size;
    enum err err = ERR_OK;

    while (err == ERR_OK && (size = getline(&line, &room, file)) >= 0) {
        if (size > 0 && line[size - 1] == '\n')
            size--;
        if (size > (ssize_t)AUDIT_LINE_MAX) {
            why_say(why, NULL, "a line is longer than any entry");
            err = ERR_CORRUPT;
            break;
        }
        err = audit_verify_line(verifier, (struct span){(const uint8_t *)line, (size_t)size}, why);
    }
    free(line);
    return err == ERR_OK ? audit_verify_end(verifier, why) : err;
}

static int verdict(struct cli *cli, enum err err, const struct audit_verifier *verifier,
                   const struct head_check *check, const struct why *why)
{
    if (err != ERR_OK && check->other_key)
        return complain(cli, CODE_ERROR, "the head is signed with another key than %s",
                        options_path(&cli->options, "key"));
    if (err != ERR_OK)
        return complain(cli, CODE_ERROR, "%s: %s", cli->args[0],
                        why->text[0] ? why->text : err_text(err));
    if (cli->json)
        return output_json(cli, json_pack("{s:I, s:b}", "entries", (json_int_t)verifier->seq,
                                          "key_given", check->trusted != NULL));
    (void)fprintf(cli->out, "%" PRIu64 " entries, none altered, dropped or swapped; %s.\n",
                  verifier->seq,
                  check->trusted ? "the head is signed with the given key"
                                 : "the head is signed with the key it names itself (give --key to "
                                   "know whose it is)");
    return CODE_OK;
}

int cmd_audit_verify(struct cli *cli)
{
    const char *key_path = options_path(&cli->options, "key");
    bool from_stdin = strcmp(cli->args[0], "-") == 0;
    struct head_check check = {.trusted = NULL};
    struct audit_verifier verifier;
    struct key *key = NULL;
    struct why why;
    FILE *file;
    enum err err;
    int code;

    why_clear(&why);
    if (key_path) {
        err = tuf_key_load(key_path, NULL, &key, &why);
        if (err != ERR_OK)
            return complain_why(cli, err, &why);
        check.trusted = key;
    }
    file = from_stdin ? stdin : fopen(cli->args[0], "re");
    if (!file) {
        key_close(key);
        return complain(cli, CODE_ERROR, "%s cannot be read", cli->args[0]);
    }
    verifier = audit_verifier_init(check_signature, &check);
    err = verify_lines(file, &verifier, &why);
    code = verdict(cli, err, &verifier, &check, &why);
    if (!from_stdin)
        (void)fclose(file);
    key_close(key);
    return code;
}
