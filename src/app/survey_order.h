/* Who is asked first: a stratified random order, the same for the whole life of a rollout.
 *
 * Devices are grouped into strata (hardware and running version). Within a stratum the order is
 * a hash of the rollout's seed and the device; between strata it is proportional, but the first
 * of every stratum comes before the second of any, so that even one device of a small cohort is
 * among the first. Places are given to everybody the rollout means, eligible or not, so that a
 * later ask continues where an earlier one ended. */
#pragma once

#include "app/survey.h"

void survey_order(struct survey_device *list, size_t count);
