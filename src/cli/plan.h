/* A rollout as people write it, to the API's request: from options or from a YAML file with the
 * same names. Everything is checked here that can be without the server. */
#pragma once

#include <jansson.h>

#include "base/err.h"
#include "base/why.h"
#include "os/options.h"
#include "os/yaml.h"

#define PLAN_FILE_SIZE_MAX (64u * 1024u) /* bytes */

/* "10%" or "25" (devices) to a stage object. ERR_INVALID. */
enum err plan_stage(const char *text, json_t **out) MUST_USE;

/* "mon-fri 02:00+3h", "sat,sun 22:30+90m", "daily 01:00+2h": days on which the window opens, its
 * start on the device's clock, its length. ERR_INVALID with a sentence. */
enum err plan_window(const char *text, json_t **out, struct why *why) MUST_USE;

/* The request from the options of `rollout create`. Only what was given is set. */
enum err plan_from_options(const struct options *options, json_t *request,
                           struct why *why) MUST_USE;

/* The same from a file; `options` win over it and are applied by plan_from_options() after. */
enum err plan_from_yaml(const struct yaml *yaml, json_t *request, struct why *why) MUST_USE;

/* Whether nothing is missing: name, release, selector; stages, but with strategy risk. */
enum err plan_check(const json_t *request, struct why *why) MUST_USE;
