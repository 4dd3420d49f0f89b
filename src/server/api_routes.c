/* Every route of the management API, once. docs/spec/openapi.json says the same for people and
 * programs outside; server/api_routes_test.c compares the two, both ways. */
#include "server/api_call.h"

static const char *const of_page[] = {"cursor", "limit", NULL};
static const char *const of_devices[] = {"selector", "status", "cursor", "limit", NULL};
static const char *const of_radar[] = {"on", "within_days", NULL};
static const char *const of_states[] = {"state", "cursor", "limit", NULL};

#define API "/api/v1"

/* clang-format off */
static const struct api_route routes[] = {
    /* about */
    {METHOD_GET, API "/whoami", PERMISSION_READ, 0, "whoAmI", NULL, api_whoami, NULL},
    {METHOD_GET, API "/openapi.json", PERMISSION_READ, ROUTE_OPEN, "getOpenapi", NULL,
     api_openapi, NULL},
    {METHOD_GET, "/metrics", PERMISSION_READ, 0, "getMetrics", NULL, api_metrics, NULL},
    {METHOD_GET, "/healthz", PERMISSION_READ, ROUTE_OPEN, "getHealth", NULL, api_health, NULL},
    /* devices */
    {METHOD_GET, API "/devices", PERMISSION_READ, 0, "listDevices", NULL, api_devices, of_devices},
    {METHOD_POST, API "/devices", PERMISSION_CLAIM_EDIT, ROUTE_JSON | ROUTE_SECRET, "addDevice",
     "device.register", api_device_add, NULL},
    {METHOD_GET, API "/devices/{name}", PERMISSION_READ, 0, "getDevice", NULL, api_device, NULL},
    {METHOD_PATCH, API "/devices/{name}", PERMISSION_DEVICE_EDIT, ROUTE_JSON | ROUTE_IF_MATCH,
     "patchDevice", "device.edit", api_device_patch, NULL},
    {METHOD_DELETE, API "/devices/{name}", PERMISSION_DEVICE_DELETE, 0, "deleteDevice",
     "device.delete", api_device_delete, NULL},
    {METHOD_POST, API "/devices/{name}/accept", PERMISSION_DEVICE_ACCEPT, 0, "acceptDevice",
     "device.accept", api_device_accept, NULL},
    {METHOD_POST, API "/devices/{name}/reject", PERMISSION_DEVICE_ACCEPT, 0, "rejectDevice",
     "device.reject", api_device_reject, NULL},
    {METHOD_POST, API "/devices/{name}/revoke", PERMISSION_DEVICE_REVOKE, 0, "revokeDevice",
     "device.revoke", api_device_revoke, NULL},
    {METHOD_POST, API "/devices/{name}/request-log", PERMISSION_DEVICE_LOG, 0, "requestDeviceLog",
     "device.request-log", api_device_request_log, NULL},
    {METHOD_POST, API "/devices/{name}/foreign-token", PERMISSION_CLAIM_EDIT,
     ROUTE_JSON | ROUTE_SECRET, "makeDeviceToken", "device.token", api_device_token, NULL},
    {METHOD_GET, API "/devices/{name}/history", PERMISSION_READ, 0, "getDeviceHistory", NULL,
     api_device_history, of_page},
    {METHOD_GET, API "/devices/{name}/explain", PERMISSION_READ, 0, "explainDevice", NULL,
     api_device_explain, NULL},
    {METHOD_GET, API "/devices/{name}/logs", PERMISSION_LOG_READ, 0, "listDeviceLogs", NULL,
     api_device_logs, NULL},
    {METHOD_GET, API "/devices/{name}/logs/{id}", PERMISSION_LOG_READ, 0, "getDeviceLog", NULL,
     api_device_log, NULL},
    /* enrolment */
    {METHOD_POST, API "/devices/preauthorize", PERMISSION_CLAIM_EDIT, ROUTE_JSON,
     "preauthorizeDevices", "device.preauthorize", api_preauthorize, NULL},
    {METHOD_GET, API "/claims", PERMISSION_CLAIM_EDIT, 0, "listClaims", NULL, api_claims, of_page},
    {METHOD_POST, API "/claims", PERMISSION_CLAIM_EDIT, ROUTE_JSON | ROUTE_SECRET, "createClaim",
     "claim.create", api_claim_create, NULL},
    {METHOD_DELETE, API "/claims/{id}", PERMISSION_CLAIM_EDIT, 0, "deleteClaim", "claim.void",
     api_claim_delete, NULL},
    /* groups */
    {METHOD_GET, API "/groups", PERMISSION_READ, 0, "listGroups", NULL, api_groups, of_page},
    {METHOD_PUT, API "/groups/{group}/devices/{name}", PERMISSION_DEVICE_EDIT, 0, "putGroupMember",
     "group.join", api_group_put, NULL},
    {METHOD_DELETE, API "/groups/{group}/devices/{name}", PERMISSION_DEVICE_EDIT, 0,
     "deleteGroupMember", "group.leave", api_group_delete, NULL},
    /* trust, blobs, releases */
    {METHOD_GET, API "/trust", PERMISSION_READ, 0, "getTrust", NULL, api_trust, NULL},
    {METHOD_POST, API "/trust/root", PERMISSION_TRUST_ROOT, ROUTE_JSON | ROUTE_LARGE,
     "publishRoot", "trust.root", api_trust_root, NULL},
    {METHOD_POST, API "/trust/targets", PERMISSION_RELEASE_PUBLISH, ROUTE_JSON | ROUTE_LARGE,
     "publishTargets", "trust.targets", api_trust_targets, NULL},
    {METHOD_POST, API "/trust/targets/{role}", PERMISSION_RELEASE_PUBLISH,
     ROUTE_JSON | ROUTE_LARGE, "publishDelegated", "trust.delegated", api_trust_delegated, NULL},
    {METHOD_POST, API "/trust/online-keys/{role}", PERMISSION_TRUST_ROOT, 0, "makeOnlineKey",
     "trust.key", api_trust_online_key, NULL},
    {METHOD_GET, API "/trust/expiring", PERMISSION_READ, 0, "listExpiring", NULL,
     api_trust_expiring, of_radar},
    {METHOD_GET, API "/blobs/{sha256}", PERMISSION_READ, 0, "getBlob", NULL, api_blob, NULL},
    {METHOD_PUT, API "/blobs/{sha256}", PERMISSION_RELEASE_PUBLISH, ROUTE_BYTES, "putBlob",
     "blob.put", api_blob_put, NULL},
    {METHOD_GET, API "/releases", PERMISSION_READ, 0, "listReleases", NULL, api_releases, of_page},
    {METHOD_GET, API "/releases/{release}", PERMISSION_READ, 0, "getRelease", NULL, api_release,
     NULL},
    {METHOD_POST, API "/releases/{release}/content-key", PERMISSION_RELEASE_PUBLISH, ROUTE_JSON,
     "putContentKey", "release.content-key", api_content_key, NULL},
    /* rollouts */
    {METHOD_POST, API "/selectors/check", PERMISSION_READ, ROUTE_JSON, "checkSelector", NULL,
     api_selector_check, NULL},
    {METHOD_GET, API "/rollouts", PERMISSION_READ, 0, "listRollouts", NULL, api_rollouts,
     of_states},
    {METHOD_POST, API "/rollouts", PERMISSION_ROLLOUT_DRAFT, ROUTE_JSON, "createRollout",
     "rollout.create", api_rollout_create, NULL},
    {METHOD_GET, API "/rollouts/{rollout}", PERMISSION_READ, 0, "getRollout", NULL, api_rollout,
     NULL},
    {METHOD_DELETE, API "/rollouts/{rollout}", PERMISSION_ROLLOUT_DRAFT, 0, "deleteRollout",
     "rollout.delete", api_rollout_delete, NULL},
    {METHOD_POST, API "/rollouts/{rollout}/approve", PERMISSION_ROLLOUT_APPROVE,
     ROUTE_JSON | ROUTE_IF_MATCH, "approveRollout", "rollout.approve", api_rollout_approve, NULL},
    {METHOD_POST, API "/rollouts/{rollout}/start", PERMISSION_ROLLOUT_RUN,
     ROUTE_JSON | ROUTE_IF_MATCH, "startRollout", "rollout.start", api_rollout_start, NULL},
    {METHOD_POST, API "/rollouts/{rollout}/pause", PERMISSION_ROLLOUT_STOP,
     ROUTE_JSON | ROUTE_IF_MATCH, "pauseRollout", "rollout.pause", api_rollout_pause, NULL},
    {METHOD_POST, API "/rollouts/{rollout}/resume", PERMISSION_ROLLOUT_RUN,
     ROUTE_JSON | ROUTE_IF_MATCH, "resumeRollout", "rollout.resume", api_rollout_resume, NULL},
    {METHOD_POST, API "/rollouts/{rollout}/abort", PERMISSION_ROLLOUT_STOP,
     ROUTE_JSON | ROUTE_IF_MATCH, "abortRollout", "rollout.abort", api_rollout_abort, NULL},
    {METHOD_POST, API "/rollouts/{rollout}/advance", PERMISSION_ROLLOUT_RUN,
     ROUTE_JSON | ROUTE_IF_MATCH, "advanceRollout", "rollout.advance", api_rollout_advance, NULL},
    {METHOD_POST, API "/rollouts/{rollout}/rollback", PERMISSION_ROLLOUT_ROLLBACK,
     ROUTE_JSON | ROUTE_IF_MATCH, "rollbackRollout", "rollout.rollback", api_rollout_rollback,
     NULL},
    {METHOD_GET, API "/rollouts/{rollout}/devices", PERMISSION_READ, 0, "listRolloutDevices", NULL,
     api_rollout_devices, of_states},
    {METHOD_GET, API "/rollouts/{rollout}/report", PERMISSION_READ, 0, "getRolloutReport", NULL,
     api_rollout_report, NULL},
    {METHOD_GET, API "/rollouts/{rollout}/risk", PERMISSION_READ, 0, "getRolloutRisk", NULL,
     api_rollout_risk, NULL},
    {METHOD_GET, API "/rollouts/{rollout}/cohorts", PERMISSION_READ, 0, "listRolloutCohorts", NULL,
     api_rollout_cohorts, of_page},
    {METHOD_GET, API "/rollouts/{rollout}/journal", PERMISSION_READ, 0, "listRolloutJournal", NULL,
     api_rollout_journal, of_page},
    {METHOD_POST, API "/rollouts/{rollout}/lift-hold", PERMISSION_ROLLOUT_RUN, ROUTE_JSON,
     "liftHold", "rollout.lift", api_rollout_lift_hold, NULL},
    {METHOD_GET, API "/rollouts/{rollout}/events", PERMISSION_READ, 0, "watchRollout", NULL,
     api_rollout_events, NULL},
    {METHOD_GET, API "/events", PERMISSION_READ, 0, "watchEvents", NULL, api_events, NULL},
    /* audit, accounts */
    {METHOD_GET, API "/audit", PERMISSION_AUDIT_READ, 0, "listAudit", NULL, api_audit, of_page},
    {METHOD_GET, API "/audit/export", PERMISSION_AUDIT_READ, 0, "exportAudit", NULL,
     api_audit_export, NULL},
    {METHOD_GET, API "/audit/events", PERMISSION_AUDIT_READ, 0, "watchAudit", NULL,
     api_audit_events, NULL},
    {METHOD_GET, API "/tokens", PERMISSION_TOKEN_EDIT, 0, "listTokens", NULL, api_tokens, of_page},
    {METHOD_POST, API "/tokens", PERMISSION_TOKEN_EDIT, ROUTE_JSON | ROUTE_SECRET, "createToken",
     "token.create", api_token_create, NULL},
    {METHOD_GET, API "/gateway-tokens", PERMISSION_TOKEN_EDIT, 0, "listGatewayTokens", NULL,
     api_gateways, of_page},
    {METHOD_POST, API "/gateway-tokens", PERMISSION_TOKEN_EDIT, ROUTE_JSON | ROUTE_SECRET,
     "createGatewayToken", "gateway.create", api_gateway_create, NULL},
    {METHOD_DELETE, API "/gateway-tokens/{id}", PERMISSION_TOKEN_EDIT, 0, "deleteGatewayToken",
     "gateway.delete", api_gateway_delete, NULL},
    {METHOD_DELETE, API "/tokens/{id}", PERMISSION_TOKEN_EDIT, 0, "deleteToken", "token.revoke",
     api_token_delete, NULL},
};
/* clang-format on */

const struct api_route *api_routes(size_t *count)
{
    *count = COUNT_OF(routes);
    return routes;
}

struct api_door api_door(enum exchange_method method, struct span path)
{
    struct http_path_arguments ignored;

    for (size_t i = 0; i < COUNT_OF(routes); i++) {
        const struct api_route *route = &routes[i];

        if (route->method != method || !http_path_match(path, route->pattern, &ignored))
            continue;
        return (struct api_door){.found = true,
                                 .open = (route->flags & ROUTE_OPEN) != 0,
                                 .permission = route->permission,
                                 .body_max = (route->flags & ROUTE_LARGE) != 0 ? METADATA_SIZE_MAX
                                                                               : API_BODY_SIZE_MAX};
    }
    return (struct api_door){.found = false};
}
