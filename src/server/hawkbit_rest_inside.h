/* Inside hawkBit's management API: one request on its way. Only server/hawkbit_*.c include this. */
#pragma once

#include <jansson.h>

#include "app/account.h"
#include "app/foreign.h"
#include "codec/tree_out.h"
#include "net/http_query.h"
#include "server/foreign_api.h"
#include "server/hawkbit_rest.h"

#define REST_BODY_SIZE_MAX 65536u     /* bytes of a request: 100 targets with all members */
#define REST_LIMIT_DEFAULT 50u        /* of a page */
#define REST_LIMIT_MAX     500u       /* as in hawkBit */
#define REST_SCAN_MAX      65536u     /* devices one list may look at; see 429 */
#define REST_REPLY_SIZE    (2u << 20) /* bytes: a full page, names and notes as long as may be */
#define REST_BULK_MAX      100u       /* entities in one request */
#define REST_SETS_MAX      1000u      /* releases, or rollouts, that a list knows: the newest */

struct rest_call {
    struct app *app;
    struct exchange *exchange;
    struct http_path_arguments arguments;
    struct utc now;
    struct token_row token;
    int64_t tenant;
    char tenant_name[NAME_SIZE_MAX + 1];
    char actor[ACTOR_SIZE_MAX];
    char origin[FOREIGN_ORIGIN_SIZE];
    json_t *body; /* NULL: none */
    struct buf reply;
    struct why why;
};

typedef enum err rest_handler(struct rest_call *call);

/* hawkBit's error body; returns `err`, which is not ERR_OK. */
enum err rest_refuse(struct rest_call *call, uint16_t status, enum err err, const char *class,
                     const char *code, const char *message);
enum err rest_bad(struct rest_call *call, const char *message); /* 400, constraintViolation */
enum err rest_unreadable(struct rest_call *call);               /* 400, notReadable */
enum err rest_missing(struct rest_call *call, const char *type, const char *name); /* 404 */
enum err rest_error(struct rest_call *call, enum err err); /* what a story has said */

/* The reply as JSON; start, write, end. */
struct tree_out rest_begin(struct rest_call *call);
enum err rest_end(struct rest_call *call, uint16_t status);

/* "_links" of an entity. `rel` NULL: "self". */
void rest_link(struct rest_call *call, struct tree_out *out, const char *rel, const char *format,
               ...) __attribute__((format(printf, 4, 5)));

/* "offset" and "limit"; what is nonsense is the default, as in hawkBit. */
struct rest_page {
    uint64_t offset, limit;
};
struct rest_page rest_page(const struct rest_call *call);

/* Targets are devices of this protocol, and nobody else. */
#define REST_SELECTOR "protocol = \"hawkbit\""

/* hawkbit_targets.c */
rest_handler rest_targets, rest_targets_post, rest_target, rest_target_put, rest_target_delete,
    rest_target_attributes;
/* The target that the path names first; 404 otherwise. */
enum err rest_find_target(struct rest_call *call, struct device_row *out) MUST_USE;
/* hawkbit_actions.c */
rest_handler rest_actions, rest_action, rest_action_status;
/* hawkbit_sets.c */
rest_handler rest_sets, rest_set;
/* The first argument of the path as a number of at least 1. */
bool rest_argument_id(const struct rest_call *call, int64_t *out);
/* hawkbit_assign.c */
rest_handler rest_set_assign;
/* hawkbit_rollouts.c */
rest_handler rest_rollouts, rest_rollouts_post, rest_rollout, rest_rollout_delete,
    rest_rollout_groups, rest_rollout_start, rest_rollout_pause, rest_rollout_resume,
    rest_rollout_stop, rest_rollout_approve, rest_rollout_next;
/* hawkbit_configs.c */
rest_handler rest_gateway, rest_gateway_put, rest_gateway_delete;
