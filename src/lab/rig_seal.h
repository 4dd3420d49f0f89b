/* A sealed image for the rig, and the sealer of its device. The content key is not wrapped here:
 * what comes along is a word that the sealer knows. One at a time, since the rig is one. */
#pragma once

#include "agent/sealer.h"
#include "format/chunks.h"
#include "format/release.h"

/* Seal the image that `facts` describe: sealed bytes to `sent`, which has room for
 * chunks_sent_length(), chunk list to `list`, and into the facts what is signed of them. */
void rig_seal_image(const uint8_t *image, struct release_facts *facts, uint8_t *sent,
                    uint8_t *list);

struct span rig_seal_wrap(void);

/* The device's; power loss makes it forget the image in hand. */
const struct sealer *rig_sealer(void);
void rig_sealer_forget(void);
