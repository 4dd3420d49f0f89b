/* Version texts and their order, after Semantic Versioning 2.0.0 (semver.org, 11), widened to
 * what firmware is really called:
 *
 *   - any number of numeric parts from one on, missing ones are 0: 2.1 equals 2.1.0
 *   - leading zeros and an initial "v" mean nothing: v2024.01 equals 2024.1
 *   - after "-" a pre-release of parts separated by dots, which makes it lower than the same
 *     without: numeric parts compare as numbers and are lower than words
 *   - after "+" build metadata, which does not count
 *
 * Numbers are compared as digits, so none is too large.
 */
#pragma once

#include "base/span.h"

/* Whether it is a version as described, at most VERSION_SIZE_MAX bytes. */
bool version_valid(struct span text);

/* Negative, 0, positive as a is lower, equal, higher. A total order: a text that is not a
 * version is lower than every version, and two such compare as bytes. */
int version_compare(struct span a, struct span b);
