/* Reading the JSON of a request, field by field, with a sentence for every way it can be wrong.
 *
 * A reader covers one JSON object. Errors are sticky, as in struct buf: read everything, then
 * ask fields_done() once. The first fault wins; it names its field as people write it
 * (`stages[1].percent`) and says what to change. A field that nobody asked for is a fault too:
 * a misspelt "failure_percnt" must not silently become a default.
 *
 *     struct fields fields = fields_open(body, &why);
 *     fields_name(&fields, "name", FIELD_REQUIRED, name);
 *     fields_int(&fields, "soak_s", FIELD_OPTIONAL, 0, SOAK_S_MAX, &soak_s);
 *     TRY(fields_done(&fields));
 *
 * Outputs keep what they hold when a field is absent or wrong, so they are preset to the
 * default. The reader owns the parsed document; fields_done() or fields_close() of the outermost
 * reader frees it, and with it every span handed out: copy what you keep. */
#pragma once

#include <jansson.h>

#include "base/err.h"
#include "base/limits.h"
#include "base/time.h"
#include "base/why.h"

#define FIELDS_SEEN_MAX 24u /* names one object may have; the largest request has 19 */

enum field_need {
    FIELD_OPTIONAL,
    FIELD_REQUIRED
};

struct fields {
    json_t *root;         /* owned; NULL in the reader of an inner object */
    const json_t *object; /* borrowed from `root` */
    const char *seen[FIELDS_SEEN_MAX];
    uint8_t seen_count;
    enum err err;
    struct why *why;
    char path[48]; /* "" or "stages[1]" */
};

/* Parse `body` strictly: one object, no duplicate names, no NUL, valid UTF-8, nothing after it.
 * An empty body is an empty object when `need` is FIELD_OPTIONAL. Never fails by itself; see
 * fields_done(). `why` must outlive the reader. */
struct fields fields_open(struct span body, enum field_need need, struct why *why);

/* Each returns whether the field was there and good. */
bool fields_int(struct fields *fields, const char *name, enum field_need need, int64_t min,
                int64_t max, int64_t *out);
bool fields_bool(struct fields *fields, const char *name, enum field_need need, bool *out);

/* A percentage with one decimal at most, to thousandths; from `permille_min` (0 or 1). */
bool fields_percent(struct fields *fields, const char *name, enum field_need need,
                    uint32_t permille_min, uint16_t *permille);

/* Text of at most `size_max` bytes without control characters but newline and tab. */
bool fields_text(struct fields *fields, const char *name, enum field_need need, size_t size_max,
                 struct span *out);

/* A name as limits.h has it: 1 to 64 of A-Z a-z 0-9 . _ - ; NUL-terminated into `out`. */
bool fields_name(struct fields *fields, const char *name, enum field_need need,
                 char out[NAME_SIZE_MAX + 1]);

/* "2026-11-25T10:00:00Z". */
bool fields_utc(struct fields *fields, const char *name, enum field_need need, struct utc *out);

/* 64 digits of lower-case hex. */
bool fields_digest(struct fields *fields, const char *name, enum field_need need,
                   uint8_t out[DIGEST_SIZE]);

/* An array of `min` to `max` items; they are read with fields_item() or fields_item_name(). */
bool fields_array(struct fields *fields, const char *name, enum field_need need, size_t min,
                  size_t max, const json_t **out);

/* A reader for item `index` of an array, which must be an object. Its faults are reported to
 * the outer reader by fields_item_done(). */
struct fields fields_item(const struct fields *outer, const char *name, const json_t *array,
                          size_t index);
void fields_item_done(struct fields *outer, struct fields *item);

/* Item `index` of an array, which must be a text or, for _name, a name. */
bool fields_item_text(struct fields *fields, const char *name, const json_t *array, size_t index,
                      struct span *out);
bool fields_item_name(struct fields *fields, const char *name, const json_t *array, size_t index,
                      char out[NAME_SIZE_MAX + 1]);

/* A reader for a field that is an object itself; it is empty when the field is absent. */
bool fields_object(struct fields *fields, const char *name, enum field_need need,
                   struct fields *out);

/* Record a fault of meaning in a field that has been read: wrong together with another one, not
 * a selector, unknown. Formatted as by printf. */
void fields_refuse(struct fields *fields, const char *name, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* ERR_OK when everything asked for was good and nothing else was there; ERR_INVALID with the
 * first fault. Keeps the document, so that spans stay good until fields_close(). */
enum err fields_done(struct fields *fields) MUST_USE;

/* Free the document. Safe to repeat. */
void fields_close(struct fields *fields);

/* Whether `text` is a name as limits.h has it. */
bool name_valid(struct span text);
