/* Every limit that more than one module must know, with unit and reason. Past a limit there
 * is a defined answer (ERR_TOO_BIG and a sentence), never a crash. */
#pragma once

/* Names are file-name safe and short enough for certificates (X.509 CN: at most 64). */
#define NAME_SIZE_MAX        64u  /* bytes of a device, tenant, group, tag, product, rollout name */
#define VERSION_SIZE_MAX     32u  /* bytes of a version text */
#define TARGET_NAME_SIZE_MAX 160u /* bytes of a TUF target name: product/version/file */
#define ATTRIBUTE_SIZE_MAX   128u /* bytes of an attribute's value */
#define ATTRIBUTES_MAX       32u  /* attributes a device may have: one poll stays one packet */
#define HARDWARE_MAX         16u  /* hardware names one release may list */
#define BASES_MAX            16u  /* releases one release may be applied on */

#define DIGEST_SIZE     32u /* bytes of SHA-256 */
#define DIGEST_HEX_SIZE 65u /* bytes of its hex text with NUL */

#define CHUNK_SIZE_DEFAULT 65536u     /* bytes; one retransmission on a bad link */
#define CHUNK_SIZE_MIN     1024u      /* bytes; a chunk list is then 1/32 of the image */
#define CHUNK_SIZE_MAX     (1u << 20) /* bytes; an agent holds one chunk in memory */
#define CHUNKS_MAX         (1u << 20) /* chunks of one image; the list is then 32 MiB */

#define LOG_UPLOAD_SIZE_MAX (256u * 1024u)       /* bytes of one device log upload */
#define DETAIL_SIZE_MAX     200u                 /* bytes of a report's text for people */
#define MESSAGE_SIZE_MAX    8192u                /* bytes of one native device message */
#define API_BODY_SIZE_MAX   (1024u * 1024u)      /* bytes of a JSON request to the API */
#define METADATA_SIZE_MAX   (5u * 1000u * 1000u) /* bytes of targets.json, as python-tuf */
