/* doctor: is everything as it should be, and if not, what to do. */
#include <string.h>
#include <sys/stat.h>

#include "cli/api.h"
#include "cli/commands.h"
#include "cli/context.h"
#include "cli/fields.h"
#include "cli/output.h"
#include "cli/table.h"
#include "os/clock.h"

#define SOON_S (14 * 24 * 3600) /* an expiry this near is worth a word */

struct doctor {
    struct cli *cli;
    json_t *checks;
    struct table *table;
    bool wrong;
};

/* `good` NULL: not wrong, but worth a look. */
enum verdict {
    FINE,
    LOOK,
    WRONG
};

static void note(struct doctor *doctor, const char *check, enum verdict verdict, const char *text)
{
    static const char *const words[] = {[FINE] = "ok", [LOOK] = "look", [WRONG] = "WRONG"};

    doctor->wrong |= verdict == WRONG;
    table_cell(doctor->table, check);
    table_cell(doctor->table, words[verdict]);
    table_cell(doctor->table, text);
    (void)json_array_append_new(doctor->checks, json_pack("{s:s, s:s, s:s}", "check", check,
                                                          "result", words[verdict], "text", text));
}

static void check_context(struct doctor *doctor)
{
    struct context context;
    struct why why;
    struct stat stat_;

    why_clear(&why);
    if (context_load(&doctor->cli->options, &context, &why) != ERR_OK)
        note(doctor, "context", WRONG, why.text);
    else if (context.server[0] == '\0')
        note(doctor, "context", WRONG, "no server is known: run slipway login");
    else
        note(doctor, "context", FINE, context.server);
    if (context.token_file[0] == '\0')
        note(doctor, "token", WRONG, "there is none: run slipway login, or give --token-file");
    else if (stat(context.token_file, &stat_) != 0)
        note(doctor, "token", WRONG, "the token file cannot be read");
    else if ((stat_.st_mode & 077) != 0)
        note(doctor, "token", LOOK, "others can read the token file: chmod 600");
    else
        note(doctor, "token", FINE, context.token_file);
}

/* True when the server answered. */
static bool check_health(struct doctor *doctor)
{
    unsigned status = 0;
    json_t *health = NULL, *item;
    struct why why;
    size_t index;
    enum err err;

    why_clear(&why);
    err = api_probe(doctor->cli, "/healthz", &status, &health, &why);
    if (err != ERR_OK) {
        note(doctor, "server", WRONG, why.text[0] ? why.text : err_text(err));
        return false;
    }
    note(doctor, "server", status == 200 ? FINE : WRONG,
         *field_text(health, "status") ? field_text(health, "status") : "does not say how it is");
    json_array_foreach(json_object_get(health, "checks"), index, item)
    {
        const char *state = field_text(item, "status");

        note(doctor, field_text(item, "name"),
             strcmp(state, "ok") == 0         ? FINE
             : strcmp(state, "degraded") == 0 ? LOOK
                                              : WRONG,
             field_text(item, "detail"));
    }
    json_decref(health);
    return true;
}

static void check_role(struct doctor *doctor)
{
    unsigned status = 0;
    json_t *who = NULL;
    struct why why;
    char text[256];

    why_clear(&why);
    if (api_probe(doctor->cli, "/api/v1/whoami", &status, &who, &why) == ERR_OK && status == 200) {
        (void)snprintf(text, sizeof text, "%.100s is %.20s", field_text(who, "token"),
                       field_text(who, "role"));
        note(doctor, "access", FINE, text);
    } else {
        note(doctor, "access", WRONG, "the server does not accept the token");
    }
    json_decref(who);
}

static void check_expiry(struct doctor *doctor, const json_t *trust, const char *role,
                         const char *what_to_do)
{
    char member[32], text[160];
    const char *expires;
    struct utc end;
    int64_t left_s;

    (void)snprintf(member, sizeof member, "%s_expires", role);
    expires = field_text(trust, member);
    if (!utc_parse(span_of(expires), &end)) {
        note(doctor, role, LOOK, "nothing is published yet");
        return;
    }
    left_s = (end.ms - clock_utc().ms) / 1000;
    (void)snprintf(text, sizeof text, "%s %s%s%s", left_s < 0 ? "ended" : "valid until", expires,
                   left_s < SOON_S ? ": " : "", left_s < SOON_S ? what_to_do : "");
    note(doctor, role, left_s < 0 ? WRONG : left_s < SOON_S ? LOOK : FINE, text);
}

static void check_trust(struct doctor *doctor)
{
    unsigned status = 0;
    json_t *trust = NULL;
    struct why why;

    why_clear(&why);
    if (api_probe(doctor->cli, "/api/v1/trust", &status, &trust, &why) == ERR_OK && status == 200) {
        check_expiry(doctor, trust, "root", "slipway root prepare, sign and publish");
        check_expiry(doctor, trust, "targets", "slipway repo renew, release sign and publish");
    }
    json_decref(trust);
}

int cmd_doctor(struct cli *cli)
{
    static const char *const columns[] = {"CHECK", "RESULT", "WHAT"};
    struct doctor doctor = {
        .cli = cli, .checks = json_array(), .table = table_open(columns, COUNT_OF(columns))};

    check_context(&doctor);
    if (!doctor.wrong && check_health(&doctor)) {
        check_role(&doctor);
        check_trust(&doctor);
    }
    if (cli->json)
        (void)output_list_json(cli, json_incref(doctor.checks));
    else
        table_print(doctor.table, cli->out);
    json_decref(doctor.checks);
    table_close(doctor.table);
    return doctor.wrong ? CODE_ERROR : CODE_OK;
}
