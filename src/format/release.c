#include "format/release.h"

#include "base/check.h"

static bool is_alphanumeric(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

static bool is_one_of(char c, const char *set)
{
    for (; *set != '\0'; set++) {
        if (c == *set)
            return true;
    }
    return false;
}

/* 1 to `size_max` letters, digits and characters of `extra`, but neither "." nor "..". */
static bool word_ok(const char *word, size_t size_max, const char *extra)
{
    size_t size = 0;
    bool only_dots = true;

    for (; word[size] != '\0'; size++) {
        if (size == size_max || !(is_alphanumeric(word[size]) || is_one_of(word[size], extra)))
            return false;
        only_dots = only_dots && word[size] == '.';
    }
    return size > 0 && !only_dots;
}

bool release_name_ok(const char *name)
{
    return word_ok(name, NAME_SIZE_MAX, "._-");
}

bool release_version_ok(const char *version)
{
    return word_ok(version, VERSION_SIZE_MAX, "._-+~");
}

bool release_listed_for(struct span target, const char *product)
{
    size_t size = span_of(product).size;

    return target.size > size && span_begins(target, product) && target.at[size] == '/';
}

uint64_t release_chunk_count(uint64_t length, uint32_t chunk_size)
{
    CHECK(chunk_size > 0);
    return length / chunk_size + (length % chunk_size != 0);
}

uint64_t release_sent_length(const struct release_facts *facts)
{
    return facts->sealed.used ? facts->sealed.length : facts->length;
}

const uint8_t *release_sent_sha256(const struct release_facts *facts)
{
    return facts->sealed.used ? facts->sealed.sha256 : facts->sha256;
}

/* ERR_OK, or what is wrong with a list of `count` names. */
static enum err check_hardware(const struct release_facts *facts)
{
    if (facts->hardware_count > HARDWARE_MAX)
        return ERR_TOO_BIG;
    for (uint32_t i = 0; i < facts->hardware_count; i++) {
        if (!release_name_ok(facts->hardware[i]))
            return ERR_CORRUPT;
    }
    return facts->hardware_count > 0 ? ERR_OK : ERR_CORRUPT;
}

static enum err check_bases(const struct release_facts *facts)
{
    if (facts->bases_count > BASES_MAX)
        return ERR_TOO_BIG;
    for (uint32_t i = 0; i < facts->bases_count; i++) {
        if (!facts->bases[i].by_digest && !release_version_ok(facts->bases[i].version))
            return ERR_CORRUPT;
    }
    return ERR_OK;
}

static enum err check_chunks(const struct release_facts *facts)
{
    if (facts->chunk_size < CHUNK_SIZE_MIN)
        return ERR_CORRUPT;
    if (facts->chunk_size > CHUNK_SIZE_MAX ||
        release_chunk_count(facts->length, facts->chunk_size) > CHUNKS_MAX)
        return ERR_TOO_BIG;
    return ERR_OK;
}

/* Every chunk is longer by its tag, and nothing else is. */
static bool sealed_ok(const struct release_facts *facts)
{
    const struct release_sealed *sealed = &facts->sealed;
    uint64_t tags;

    if (!sealed->used)
        return true;
    if (facts->chunk_size == 0 || (size_t)sealed->alg >= AEAD_COUNT)
        return false;
    tags = release_chunk_count(facts->length, facts->chunk_size) * AEAD_TAG_SIZE;
    return facts->length <= UINT64_MAX - tags && sealed->length == facts->length + tags;
}

static enum err refuse_if(bool bad)
{
    return bad ? ERR_CORRUPT : ERR_OK;
}

enum err release_facts_check(const struct release_facts *facts, const char **field)
{
    const struct {
        const char *field;
        enum err err;
    } checks[] = {
        {"product", refuse_if(!release_name_ok(facts->product))},
        {"version", refuse_if(!release_version_ok(facts->version))},
        {"hardware", check_hardware(facts)},
        {"security_floor", refuse_if(facts->security_floor > facts->security_version)},
        {"issued_s", refuse_if(facts->issued_s > RELEASE_ISSUED_S_MAX)},
        {"kind", refuse_if(facts->kind != RELEASE_FEATURE && facts->kind != RELEASE_SECURITY)},
        {"length", refuse_if(facts->length == 0)},
        {"chunks", check_chunks(facts)},
        {"sealed", refuse_if(!sealed_ok(facts))},
        {"from", check_bases(facts)},
    };

    for (size_t i = 0; i < COUNT_OF(checks); i++) {
        if (checks[i].err != ERR_OK) {
            if (field)
                *field = checks[i].field;
            return checks[i].err;
        }
    }
    return ERR_OK;
}
