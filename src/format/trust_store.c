#include "format/trust_store.h"

#include "base/check.h"
#include "codec/cbor.h"
#include "format/release.h"

#define MAGIC "SWT1"

/* Keys of the map, never used for anything else. */
enum key {
    KEY_MAGIC = 1,
    KEY_VERSION,
    KEY_ROOT_VERSION,
    KEY_ISSUED,
    KEY_EXPIRES, /* may be missing */
    KEY_KEYS,
    KEY_ROOT,
    KEY_RELEASES,
    KEY_ASSIGNMENT,
    KEY_STALE,  /* may be missing */
    KEY_BLOCKED /* may be missing */
};

#define KEYS_NEEDED   8u
#define KEY_ITEMS     2u
#define ROLE_ITEMS    2u
#define RELEASE_ITEMS 4u
#define COSE_EDDSA    (-8)
#define COSE_ES256    (-7)
#define TIME_S_MAX    RELEASE_ISSUED_S_MAX

static enum err refuse_unless(bool good)
{
    return good ? ERR_OK : ERR_CORRUPT;
}

/* A list of 1 to `max` things. */
static enum err read_list(struct cbor_reader *reader, uint32_t max, uint32_t *count)
{
    TRY(cbor_read_array(reader, count));
    if (*count > max)
        return ERR_TOO_BIG;
    return refuse_unless(*count > 0);
}

static enum err read_u32(struct cbor_reader *reader, uint32_t *out)
{
    uint64_t value;

    TRY(cbor_read_uint(reader, &value));
    TRY(refuse_unless(value <= UINT32_MAX));
    *out = (uint32_t)value;
    return ERR_OK;
}

static enum err read_magic(struct cbor_reader *reader)
{
    struct span magic;

    TRY(cbor_read_text(reader, &magic));
    return refuse_unless(span_is(magic, MAGIC));
}

static enum err read_public_key(struct cbor_reader *reader, struct verify_key *out)
{
    struct span public;
    int64_t alg;

    TRY(cbor_read_array_of(reader, KEY_ITEMS));
    TRY(cbor_read_int(reader, &alg));
    TRY(refuse_unless(alg == COSE_EDDSA || alg == COSE_ES256));
    TRY(cbor_read_bytes(reader, &public));
    return refuse_unless(
        verify_key_init(out, alg == COSE_EDDSA ? VERIFY_ED25519 : VERIFY_ES256, public));
}

static enum err read_public_keys(struct cbor_reader *reader, struct trust_store *out)
{
    TRY(read_list(reader, TRUST_KEYS_MAX, &out->key_count));
    for (uint32_t i = 0; i < out->key_count; i++)
        TRY(read_public_key(reader, &out->keys[i]));
    return ERR_OK;
}

static enum err read_role(struct cbor_reader *reader, struct trust_role *out)
{
    TRY(read_u32(reader, &out->threshold));
    return read_u32(reader, &out->keys);
}

static enum err read_root(struct cbor_reader *reader, struct trust_role *out)
{
    TRY(cbor_read_array_of(reader, ROLE_ITEMS));
    return read_role(reader, out);
}

static enum err read_release(struct cbor_reader *reader, struct trust_release *out)
{
    struct span product;

    TRY(cbor_read_array_of(reader, RELEASE_ITEMS));
    TRY(cbor_read_text(reader, &product));
    TRY(refuse_unless(span_to_text(product, out->product, sizeof out->product)));
    TRY(read_u32(reader, &out->security_floor));
    return read_role(reader, &out->role);
}

static enum err read_releases(struct cbor_reader *reader, struct trust_store *out)
{
    TRY(read_list(reader, TRUST_PRODUCTS_MAX, &out->release_count));
    for (uint32_t i = 0; i < out->release_count; i++)
        TRY(read_release(reader, &out->releases[i]));
    return ERR_OK;
}

static enum err read_value(struct cbor_reader *reader, int64_t key, struct trust_store *out)
{
    switch (key) {
    case KEY_MAGIC:
        return read_magic(reader);
    case KEY_VERSION:
        return read_u32(reader, &out->version);
    case KEY_ROOT_VERSION:
        return read_u32(reader, &out->root_version);
    case KEY_ISSUED:
        return cbor_read_uint(reader, &out->issued_s);
    case KEY_EXPIRES:
        TRY(cbor_read_uint(reader, &out->expires_s));
        return refuse_unless(out->expires_s > 0);
    case KEY_KEYS:
        return read_public_keys(reader, out);
    case KEY_ROOT:
        return read_root(reader, &out->root);
    case KEY_RELEASES:
        return read_releases(reader, out);
    case KEY_ASSIGNMENT:
        return read_u32(reader, &out->assignment_keys);
    case KEY_STALE:
        TRY(read_u32(reader, &out->allow_stale_s));
        return refuse_unless(out->allow_stale_s > 0);
    case KEY_BLOCKED:
        TRY(cbor_read_bytes(reader, &out->blocked));
        return refuse_unless(out->blocked.size > 0);
    default:
        return ERR_CORRUPT;
    }
}

/* Entries come in ascending order of keys, so those that may be missing are all that can be. */
static bool may_miss(int64_t key)
{
    return key == KEY_EXPIRES || key == KEY_STALE || key == KEY_BLOCKED;
}

static enum err read_map(struct cbor_reader *reader, struct trust_store *out)
{
    int64_t last = CBOR_NO_KEY;
    uint32_t count, needed = 0;

    TRY(cbor_read_map(reader, &count));
    for (uint32_t i = 0; i < count; i++) {
        TRY(cbor_read_key(reader, &last));
        TRY(read_value(reader, last, out));
        needed += !may_miss(last);
    }
    TRY(cbor_finish(reader));
    return refuse_unless(needed == KEYS_NEEDED);
}

static uint32_t bits_in(uint32_t set)
{
    uint32_t count = 0;

    for (; set != 0; set &= set - 1)
        count++;
    return count;
}

static bool role_ok(const struct trust_role *role, uint32_t all)
{
    return role->threshold > 0 && (role->keys & ~all) == 0 &&
           role->threshold <= bits_in(role->keys) && role->threshold <= COSE_SIGNATURES_MAX;
}

static bool keys_ok(const struct trust_store *store)
{
    if (store->key_count == 0 || store->key_count > TRUST_KEYS_MAX)
        return false;
    for (uint32_t i = 1; i < store->key_count; i++) {
        if (memcmp(store->keys[i - 1].kid, store->keys[i].kid, VERIFY_KID_SIZE) >= 0)
            return false;
    }
    return true;
}

static bool product_ok(const char *product)
{
    return span_is(SPAN_LITERAL(TRUST_ANY_PRODUCT), product) || release_name_ok(product);
}

/* Whether text `a` comes before `b`. */
static bool before(const char *a, const char *b)
{
    while (*a != '\0' && *a == *b)
        a++, b++;
    return (uint8_t)*a < (uint8_t)*b;
}

/* `used` gets the keys of all entries. */
static bool releases_ok(const struct trust_store *store, uint32_t all, uint32_t *used)
{
    if (store->release_count == 0 || store->release_count > TRUST_PRODUCTS_MAX)
        return false;
    for (uint32_t i = 0; i < store->release_count; i++) {
        const struct trust_release *release = &store->releases[i];

        if (!product_ok(release->product) || !role_ok(&release->role, all) ||
            (i > 0 && !before(store->releases[i - 1].product, release->product)))
            return false;
        *used |= release->role.keys;
    }
    return true;
}

static bool times_ok(const struct trust_store *store)
{
    return store->issued_s <= TIME_S_MAX && store->expires_s <= TIME_S_MAX &&
           (store->expires_s == 0 || store->expires_s > store->issued_s);
}

static bool blocked_ok(const struct trust_store *store)
{
    return store->blocked.size % DIGEST_SIZE == 0 &&
           store->blocked.size <= TRUST_BLOCKED_MAX * DIGEST_SIZE;
}

/* A key that may sign nothing has no business here. */
static bool store_ok(const struct trust_store *store)
{
    uint32_t all, used = store->assignment_keys | store->root.keys;

    if (store->version == 0 || store->root_version == 0 || !keys_ok(store))
        return false;
    all = (UINT32_C(1) << store->key_count) - 1;
    return releases_ok(store, all, &used) && role_ok(&store->root, all) && used == all &&
           bits_in(store->assignment_keys) <= TRUST_ASSIGNMENT_MAX && times_ok(store) &&
           blocked_ok(store);
}

enum err trust_store_read(struct span payload, struct trust_store *out)
{
    struct cbor_reader reader = cbor_reader_over(payload);
    enum err err;

    memset(out, 0, sizeof *out);
    err = payload.size > TRUST_STORE_SIZE_MAX ? ERR_TOO_BIG : read_map(&reader, out);
    if (err == ERR_OK)
        err = refuse_unless(store_ok(out));
    if (err != ERR_OK)
        memset(out, 0, sizeof *out);
    return err;
}

static void write_uint(enum key key, uint64_t value, struct buf *out)
{
    cbor_write_uint(out, key);
    cbor_write_uint(out, value);
}

static void write_public_keys(const struct trust_store *store, struct buf *out)
{
    cbor_write_uint(out, KEY_KEYS);
    cbor_write_array(out, store->key_count);
    for (uint32_t i = 0; i < store->key_count; i++) {
        const struct verify_key *key = &store->keys[i];

        cbor_write_array(out, KEY_ITEMS);
        cbor_write_int(out, key->alg == VERIFY_ED25519 ? COSE_EDDSA : COSE_ES256);
        cbor_write_bytes(out, (struct span){key->public, key->size});
    }
}

static void write_role(const struct trust_role *role, struct buf *out)
{
    cbor_write_uint(out, role->threshold);
    cbor_write_uint(out, role->keys);
}

static void write_releases(const struct trust_store *store, struct buf *out)
{
    cbor_write_uint(out, KEY_RELEASES);
    cbor_write_array(out, store->release_count);
    for (uint32_t i = 0; i < store->release_count; i++) {
        cbor_write_array(out, RELEASE_ITEMS);
        cbor_write_text(out, span_of(store->releases[i].product));
        cbor_write_uint(out, store->releases[i].security_floor);
        write_role(&store->releases[i].role, out);
    }
}

enum err trust_store_write(const struct trust_store *store, struct buf *out)
{
    if (!store_ok(store))
        return ERR_INVALID;
    cbor_write_map(out, KEYS_NEEDED + (store->expires_s > 0) + (store->allow_stale_s > 0) +
                            (store->blocked.size > 0));
    cbor_write_uint(out, KEY_MAGIC);
    cbor_write_text(out, SPAN_LITERAL(MAGIC));
    write_uint(KEY_VERSION, store->version, out);
    write_uint(KEY_ROOT_VERSION, store->root_version, out);
    write_uint(KEY_ISSUED, store->issued_s, out);
    if (store->expires_s > 0)
        write_uint(KEY_EXPIRES, store->expires_s, out);
    write_public_keys(store, out);
    cbor_write_uint(out, KEY_ROOT);
    cbor_write_array(out, ROLE_ITEMS);
    write_role(&store->root, out);
    write_releases(store, out);
    write_uint(KEY_ASSIGNMENT, store->assignment_keys, out);
    if (store->allow_stale_s > 0)
        write_uint(KEY_STALE, store->allow_stale_s, out);
    if (store->blocked.size > 0) {
        cbor_write_uint(out, KEY_BLOCKED);
        cbor_write_bytes(out, store->blocked);
    }
    return out->overflow ? ERR_TOO_BIG : ERR_OK;
}

bool trust_role_signed(const struct trust_store *store, const struct trust_role *role,
                       const struct cose_sign *message, struct span aad,
                       const struct trust_check *check)
{
    struct cose_check how = {check->verify, aad, check->room, check->room_size};
    uint32_t good = 0;

    CHECK(store->key_count <= TRUST_KEYS_MAX);
    for (uint32_t i = 0; i < store->key_count && good < role->threshold; i++) {
        if ((role->keys >> i & 1) != 0)
            good += cose_sign_count(message, &store->keys[i], 1, &how);
    }
    return role->threshold > 0 && good >= role->threshold;
}

static bool root_signed(const struct trust_store *store, const struct cose_sign *message,
                        const struct trust_check *check)
{
    return trust_role_signed(store, &store->root, message, SPAN_LITERAL(TRUST_STORE_AAD), check);
}

static enum err read_message(struct span in, struct cose_sign *out)
{
    if (in.size > TRUST_STORE_SIZE_MAX)
        return ERR_TOO_BIG;
    return cose_sign_read(in, out);
}

/* Signed by its own root. */
static enum err open_own(const struct cose_sign *message, const struct trust_check *check,
                         struct trust_store *out)
{
    TRY(trust_store_read(message->payload, out));
    return root_signed(out, message, check) ? ERR_OK : ERR_UNTRUSTED;
}

enum err trust_store_open(struct span message, const struct trust_check *check,
                          struct trust_store *out)
{
    struct cose_sign parsed;
    enum err err = read_message(message, &parsed);

    if (err == ERR_OK)
        err = open_own(&parsed, check, out);
    if (err != ERR_OK)
        memset(out, 0, sizeof *out);
    return err;
}

static bool floor_kept(const struct trust_store *now, const struct trust_store *next,
                       const char *product)
{
    const struct trust_release *old = trust_store_release(now, product);
    const struct trust_release *new = trust_store_release(next, product);

    return !old || !new || new->security_floor >= old->security_floor;
}

/* A product keeps at least the floor it had, by whichever entries speak for it. */
static bool floors_kept(const struct trust_store *now, const struct trust_store *next)
{
    for (uint32_t i = 0; i < now->release_count; i++) {
        if (!floor_kept(now, next, now->releases[i].product))
            return false;
    }
    for (uint32_t i = 0; i < next->release_count; i++) {
        if (!floor_kept(now, next, next->releases[i].product))
            return false;
    }
    return true;
}

bool trust_store_follows(const struct trust_store *now, const struct trust_store *next)
{
    return now->version < UINT32_MAX && next->version == now->version + 1 &&
           next->root_version >= now->root_version && next->issued_s >= now->issued_s &&
           floors_kept(now, next);
}

/* The old root has its say before anything of the payload is looked at. */
static enum err follow(const struct trust_store *now, struct span message,
                       const struct trust_check *check, struct trust_store *out)
{
    struct cose_sign parsed;

    TRY(read_message(message, &parsed));
    if (!root_signed(now, &parsed, check))
        return ERR_UNTRUSTED;
    TRY(open_own(&parsed, check, out));
    return trust_store_follows(now, out) ? ERR_OK : ERR_CONFLICT;
}

enum err trust_store_follow(const struct trust_store *now, struct span message,
                            const struct trust_check *check, struct trust_store *out)
{
    enum err err;

    CHECK(now != out);
    err = follow(now, message, check, out);
    if (err != ERR_OK)
        memset(out, 0, sizeof *out);
    return err;
}

const struct trust_release *trust_store_release(const struct trust_store *store,
                                                const char *product)
{
    const struct trust_release *any = NULL;

    for (uint32_t i = 0; i < store->release_count; i++) {
        const char *name = store->releases[i].product;

        if (span_equal(span_of(name), span_of(product)))
            return &store->releases[i];
        if (span_is(span_of(name), TRUST_ANY_PRODUCT))
            any = &store->releases[i];
    }
    return any;
}

uint32_t trust_store_assignment_keys(const struct trust_store *store,
                                     struct verify_key out[TRUST_ASSIGNMENT_MAX])
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < store->key_count && count < TRUST_ASSIGNMENT_MAX; i++) {
        if ((store->assignment_keys >> i & 1) != 0)
            out[count++] = store->keys[i];
    }
    return count;
}

bool trust_store_blocks(const struct trust_store *store, const uint8_t sha256[DIGEST_SIZE])
{
    for (size_t at = 0; at + DIGEST_SIZE <= store->blocked.size; at += DIGEST_SIZE) {
        if (memcmp(store->blocked.at + at, sha256, DIGEST_SIZE) == 0)
            return true;
    }
    return false;
}
