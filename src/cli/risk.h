/* What a rollout's judge knows, for several commands about rollouts. */
#pragma once

#include <jansson.h>

struct cli;

/* Its limits, from a rollout; nothing for one by stages. */
void print_risk_plan(struct cli *cli, const json_t *rollout);

/* The whole's evidence and what is held, from GET .../risk; nothing for NULL. */
void print_risk(struct cli *cli, const json_t *risk);

int get_risk(struct cli *cli, const char *rollout, json_t **out);
