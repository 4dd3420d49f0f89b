/* What the rows of the command table run; each group lives in cmd_GROUP.c. */
#pragma once

#include "cli/command.h"

command_run cmd_login, cmd_whoami, cmd_doctor, cmd_completion;
command_run cmd_trust_status, cmd_trust_authority, cmd_trust_expiring;
command_run cmd_key_new, cmd_key_show, cmd_key_export;
command_run cmd_repo_init, cmd_repo_publish, cmd_repo_status, cmd_repo_renew;
command_run cmd_repo_delegate, cmd_repo_undelegate, cmd_repo_rotate;
command_run cmd_root_prepare, cmd_root_sign, cmd_root_assemble;
command_run cmd_release_add, cmd_release_remove, cmd_release_publish;
command_run cmd_release_prepare, cmd_release_sign, cmd_release_assemble;
command_run cmd_compact_manifest, cmd_compact_trust, cmd_compact_sign, cmd_compact_add;
command_run cmd_compact_show;
command_run cmd_artifact_write, cmd_artifact_show;
command_run cmd_policy_block, cmd_policy_unblock, cmd_policy_grace;
command_run cmd_release_list, cmd_release_show;
command_run cmd_device_list, cmd_device_get, cmd_device_explain, cmd_device_history;
command_run cmd_device_logs, cmd_device_accept, cmd_device_reject, cmd_device_revoke;
command_run cmd_device_delete, cmd_device_tag, cmd_device_hold, cmd_device_preauthorize;
command_run cmd_device_request_log, cmd_device_add, cmd_device_token;
command_run cmd_gateway_new, cmd_gateway_list, cmd_gateway_revoke;
command_run cmd_claim_new, cmd_claim_list, cmd_claim_revoke;
command_run cmd_group_list, cmd_group_add, cmd_group_remove;
command_run cmd_rollout_create, cmd_rollout_list, cmd_rollout_get, cmd_rollout_delete;
command_run cmd_rollout_approve, cmd_rollout_start, cmd_rollout_pause, cmd_rollout_resume;
command_run cmd_rollout_abort, cmd_rollout_advance, cmd_rollout_rollback;
command_run cmd_rollout_watch, cmd_rollout_report, cmd_rollout_devices, cmd_rollout_cohorts,
    cmd_rollout_lift, cmd_rollout_replay;
command_run cmd_token_new, cmd_token_list, cmd_token_revoke;
command_run cmd_audit_tail, cmd_audit_export, cmd_audit_verify;
