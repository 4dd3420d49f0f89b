/* The device protocols we serve, and the formats of artifacts that each of them can use.
 *
 * A release may have an artifact in several formats; a device gets one of the first format in its
 * protocol's order that the release has. What a protocol's word is worth is said here too:
 *
 *   protocol  formats, best first  success is        leave is      going back is
 *   native    image                proven by digest  asked for     the other bank, or a download
 *   hawkbit   swu, raucb, file     a claim           the last byte another deployment
 *   mender    mender               a claim           asked once    another deployment
 *
 * "Asked once": it can be told no, but not to wait.
 */
#pragma once

#include "base/err.h"
#include "base/span.h"

/*   code       stored and sent */
#define PROTOCOL_MAP(X)   \
    X(NATIVE, "native")   \
    X(HAWKBIT, "hawkbit") \
    X(MENDER, "mender")

enum protocol {
#define X(code, wire) PROTOCOL_##code,
    PROTOCOL_MAP(X)
#undef X
    PROTOCOL_COUNT
};

/*   code      stored and sent  what a person reads */
#define ARTIFACT_FORMAT_MAP(X)               \
    X(IMAGE, "image", "an image of a bank")  \
    X(SWU, "swu", "a SWUpdate image")        \
    X(RAUCB, "raucb", "a RAUC bundle")       \
    X(MENDER, "mender", "a Mender Artifact") \
    X(FILE, "file", "a file of its own kind")

enum artifact_format {
#define X(code, wire, text) ARTIFACT_##code,
    ARTIFACT_FORMAT_MAP(X)
#undef X
    ARTIFACT_FORMAT_COUNT
};

/* Formats that a protocol can use: the `index`-th best; false behind the last one. */
bool protocol_format(enum protocol protocol, unsigned index, enum artifact_format *out) MUST_USE;

/* Whether it asks for leave before it switches, and can be made to wait then. */
bool protocol_asks(enum protocol protocol);

/* Whether a report of success is all the proof there is to have: the digest that runs. */
bool protocol_proves(enum protocol protocol);

/* For storage and wires; never NULL. */
const char *protocol_name(enum protocol protocol);
const char *artifact_format_name(enum artifact_format format);
const char *artifact_format_text(enum artifact_format format);

/* ERR_NOT_FOUND for an unknown name. */
enum err protocol_parse(struct span name, enum protocol *out) MUST_USE;
enum err artifact_format_parse(struct span name, enum artifact_format *out) MUST_USE;
